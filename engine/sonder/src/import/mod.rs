//! Files by the same road as live messages.

pub mod mapping;
