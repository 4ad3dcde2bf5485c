//! Core module to component: the last step of building a plugin, so that authors need no other tool.

use crate::limits;
use wit_component::ComponentEncoder;

/// Turns what a compiler made for `wasm32-unknown-unknown` into a component. The interface was put into the module by
/// the bindings that it was compiled with. The same module gives the same bytes.
///
/// # Errors
/// When it is no such module, or one that calls for more than the interface gives.
pub fn encode(module: &[u8]) -> Result<Vec<u8>, EncodeError> {
    if module.len() > limits::COMPONENT_BYTES {
        return Err(EncodeError(format!("the module is larger than {} MiB", limits::COMPONENT_BYTES >> 20)));
    }
    if module.starts_with(b"\0asm\x0d\0\x01\0") {
        return Err(EncodeError("this is a component already".to_owned()));
    }
    let failed = |error: &dyn std::fmt::Display| EncodeError(format!("not the module of a plugin: {error:#}"));
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(module).map_err(|error| failed(&error))?;
    encoder.encode().map_err(|error| failed(&error))
}

/// Why a module does not make a component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EncodeError(String);

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn what_is_no_module_is_refused_with_the_reason() {
        assert!(encode(b"hello").unwrap_err().to_string().starts_with("not the module of a plugin: "));
        assert_eq!(encode(b"\0asm\x0d\0\x01\0").unwrap_err().to_string(), "this is a component already");
        // A core module without anything in it does not export the interface's functions.
        assert!(encode(b"\0asm\x01\0\0\0").is_ok_and(|component| !component.is_empty()));
    }
}
