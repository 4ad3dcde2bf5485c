//! The bound on what waits for the log: by messages and by bytes. A burst that fits is absorbed; what does not fit is
//! refused at once, so that memory is bounded whatever clients do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What may wait.
#[derive(Debug)]
pub struct Budget {
    messages: AtomicUsize,
    bytes: AtomicUsize,
    max_messages: usize,
    max_bytes: usize,
}

/// A share of the budget; gives itself back when dropped.
#[derive(Debug)]
pub struct Permit {
    budget: Arc<Budget>,
    messages: usize,
    bytes: usize,
}

impl Budget {
    /// An empty queue with these bounds.
    #[must_use]
    pub fn new(max_messages: usize, max_bytes: usize) -> Arc<Self> {
        Arc::new(Self { messages: AtomicUsize::new(0), bytes: AtomicUsize::new(0), max_messages, max_bytes })
    }

    /// Takes a share, or `None` when the queue is full. One submission always fits into an empty queue.
    #[must_use]
    pub fn reserve(self: &Arc<Self>, messages: usize, bytes: usize) -> Option<Permit> {
        // The share is taken first and given back by the permit if it was too much: two submitters at the bound may both
        // be refused, but never both be let in.
        let messages_before = self.messages.fetch_add(messages, Ordering::AcqRel);
        let bytes_before = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        let permit = Permit { budget: Arc::clone(self), messages, bytes };
        let fits = messages_before + messages <= self.max_messages && bytes_before + bytes <= self.max_bytes;
        (fits || messages_before == 0).then_some(permit)
    }

    /// How many messages wait now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.messages.load(Ordering::Acquire)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.messages.fetch_sub(self.messages, Ordering::AcqRel);
        self.budget.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_full_at_the_bound_and_free_again_after() {
        let budget = Budget::new(10, 1_000);
        let first = budget.reserve(6, 100).expect("fits");
        let second = budget.reserve(4, 100).expect("fits exactly");
        assert!(budget.reserve(1, 1).is_none(), "one message too many");
        drop(second);
        assert!(budget.reserve(1, 901).is_none(), "one byte too many");
        assert!(budget.reserve(1, 900).is_some());
        drop(first);
        assert_eq!(budget.waiting(), 0);
    }

    #[test]
    fn an_empty_queue_takes_one_submission_of_any_size() {
        let budget = Budget::new(10, 1_000);
        let huge = budget.reserve(50, 5_000).expect("alone");
        assert!(budget.reserve(1, 1).is_none());
        drop(huge);
        assert!(budget.reserve(1, 1).is_some());
    }
}
