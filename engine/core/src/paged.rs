//! A list in pages: it grows without moving what is there, and without room for twice as much as there is.

use std::ops::{Index, IndexMut};

/// Entries of a page.
const PAGE: usize = 1 << 10;

/// A list whose entries stay where they are.
#[derive(Debug)]
pub struct Paged<T> {
    // INVARIANT: all pages but the last are full, and none is empty.
    pages: Vec<Vec<T>>,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T> Paged<T> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE + last.len())
    }

    /// An entry.
    pub fn get(&self, index: usize) -> Option<&T> {
        self.pages.get(index / PAGE)?.get(index % PAGE)
    }

    /// An entry, to change.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.pages.get_mut(index / PAGE)?.get_mut(index % PAGE)
    }

    /// Adds an entry at the end.
    pub fn push(&mut self, entry: T) {
        match self.pages.last_mut().filter(|last| last.len() < PAGE) {
            Some(last) => last.push(entry),
            // The first page grows as lists do: most states in tests know a handful of people.
            None => {
                let mut page = Vec::with_capacity(if self.pages.is_empty() { 4 } else { PAGE });
                page.push(entry);
                self.pages.push(page);
            }
        }
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten()
    }

    /// Bytes on the heap, without those of the entries' own.
    pub fn heap(&self) -> usize {
        self.pages.iter().map(|page| page.capacity() * size_of::<T>()).sum()
    }
}

impl<T> Index<usize> for Paged<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        &self.pages[index / PAGE][index % PAGE]
    }
}

impl<T> IndexMut<usize> for Paged<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.pages[index / PAGE][index % PAGE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stay_in_order_across_pages() {
        let mut list = Paged::default();
        assert_eq!(list.len(), 0);
        for number in 0..PAGE * 2 + 1 {
            list.push(number);
        }
        assert_eq!(list.len(), PAGE * 2 + 1);
        assert!(list.iter().copied().eq(0..PAGE * 2 + 1));
        *list.get_mut(PAGE).unwrap() = 7;
        assert_eq!((list.get(PAGE), list.get(PAGE * 2 + 1)), (Some(&7), None));
    }
}
