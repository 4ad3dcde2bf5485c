//! What people take of memory, and that taking in their events takes no more: measured with an allocator that counts.

#[cfg(test)]
mod shop;
#[cfg(test)]
mod sizes;
#[cfg(test)]
mod views;
