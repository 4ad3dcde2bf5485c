//! What things take of memory: blocks as an allocator hands them out, not as they were asked for.

use std::sync::Arc;
use thin_vec::ThinVec;

/// A block of the heap: with its header, in steps of 16 bytes.
pub const fn block(bytes: usize) -> usize {
    const HEADER: usize = 8;
    const STEP: usize = 16;
    if bytes == 0 { 0 } else { (bytes + HEADER).next_multiple_of(STEP) }
}

/// The block of a list.
pub fn list<T>(list: &ThinVec<T>) -> usize {
    const HEADER: usize = 16;
    if list.capacity() == 0 { 0 } else { block(HEADER + list.capacity() * size_of::<T>()) }
}

/// The block of a text. Others may hold on to it too: each counts it.
pub fn text(text: &Arc<str>) -> usize {
    const COUNTERS: usize = 16;
    block(COUNTERS + text.len())
}
