//! Signatures that the host makes, so that the key stays out of the sandbox.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The key that a secret stands for: what follows `whsec_` is base64, any other secret is the key itself.
#[must_use]
pub fn key(secret: &str) -> Option<Vec<u8>> {
    match secret.strip_prefix("whsec_") {
        Some(encoded) => BASE64.decode(encoded).ok().filter(|key| !key.is_empty()),
        None => Some(secret.as_bytes().to_vec()),
    }
}

/// A Standard Webhooks signature: `v1,` and the base64 of the HMAC of `id.timestamp.body`.
#[must_use]
pub fn standard_webhooks(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Option<String> {
    let tag = hmac_sha256(key, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body])?;
    Some(format!("v1,{}", BASE64.encode(tag)))
}

/// The HMAC-SHA-256 of a body in base64.
#[must_use]
pub fn hmac_base64(key: &[u8], body: &[u8]) -> Option<String> {
    Some(BASE64.encode(hmac_sha256(key, &[body])?))
}

/// The HMAC-SHA-256 of a body in lower-case hexadecimal digits.
#[must_use]
pub fn hmac_hex(key: &[u8], body: &[u8]) -> Option<String> {
    Some(hmac_sha256(key, &[body])?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The HMAC-SHA-256 of all parts, one after another.
pub(super) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_rfc_4231() {
        assert_eq!(
            hmac_hex(b"Jefe", b"what do ya want for nothing?").as_deref(),
            Some("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        );
    }

    /// The expected value was computed with Python's `hmac` from the same parts.
    #[test]
    fn a_standard_webhooks_signature_covers_id_time_and_body() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            standard_webhooks(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn a_key_that_is_no_base64_is_none() {
        assert_eq!(key("whsec_%%%"), None);
        assert_eq!(key("whsec_"), None);
        assert_eq!(key("plain").as_deref(), Some(&b"plain"[..]));
    }
}
