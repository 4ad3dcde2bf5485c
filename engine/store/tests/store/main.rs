//! The store through its public API, on real files.

#[cfg(test)]
mod append;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod erasing;
#[cfg(test)]
mod evolution;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod files;
#[cfg(test)]
mod held;
#[cfg(test)]
mod matching;
#[cfg(test)]
mod odd_values;
#[cfg(test)]
mod previewing;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod region;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod sealing;
#[cfg(test)]
mod stripping;
#[cfg(test)]
mod support;
