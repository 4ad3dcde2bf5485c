//! The interface of `plugins/wit` as Rust types, generated.

wasmtime::component::bindgen!({
    path: "../../plugins/wit",
    world: "destination",
});

pub use sonder::destination::{host, types};
