//! Somebody who is erased, in what others say: which texts are them, and what is left without these.
//!
//! | file | what |
//! |---|---|
//! | `names` | what they are known by, and where a text says it |
//! | `redact` | messages and payloads without them |
//! | `patch` | that everything else stays as it was written |

mod names;
mod patch;
pub mod redact;

pub use names::{ERASED, Names};
