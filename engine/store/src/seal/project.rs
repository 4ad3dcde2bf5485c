//! Keys of the project: they wrap those of subjects, and are never in the data.

use super::cipher::{Chance, KEY_BYTES, Secret};
use crate::StoreError;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sonder_core::consent::ledger::hex;
use thiserror::Error;

/// A key of the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectKey {
    secret: Secret,
    fingerprint: String,
}

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a key is 32 bytes, as base64 or as 64 hexadecimal digits")]
pub struct ProjectKeyError;

/// The keys that a project names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectKeys {
    /// The first wraps what is new; the others only unwrap.
    keys: Vec<ProjectKey>,
    /// Whether what comes in is sealed.
    seals: bool,
}

impl ProjectKey {
    /// A key as it is written down: 32 bytes as base64, or as 64 hexadecimal digits.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(text: &str) -> Result<Self, ProjectKeyError> {
        let bytes = key_bytes(text)?;
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&bytes).map_err(|_| ProjectKeyError)?;
        mac.update(b"sonder: which key this is");
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let fingerprint = hex(&digest).chars().take(16).collect();
        Ok(Self { secret: Secret(bytes), fingerprint })
    }

    /// Tells it from others, and tells nothing of it.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Wraps the key with this number.
    pub(super) fn wrap(&self, chance: &mut Chance, id: u64, key: Secret) -> Result<Vec<u8>, StoreError> {
        self.secret.seal(chance, &number(id), &key.0)
    }

    /// The key with this number; `None` where it was wrapped by another, or is damaged.
    pub(super) fn unwrap(&self, id: u64, wrapped: &[u8]) -> Option<Secret> {
        let bytes = self.secret.open(&number(id), wrapped)?;
        bytes.try_into().ok().map(Secret)
    }
}

impl ProjectKeys {
    /// What comes in is sealed, and its keys are wrapped by `key`; what `previous` wrapped can still be read.
    #[must_use]
    pub fn sealing(key: ProjectKey, previous: Vec<ProjectKey>) -> Self {
        let keys = [key].into_iter().chain(previous).collect();
        Self { keys, seals: true }
    }

    /// Nothing more is sealed; what was can be read. `None` without a key.
    #[must_use]
    pub fn reading(previous: Vec<ProjectKey>) -> Option<Self> {
        (!previous.is_empty()).then_some(Self { keys: previous, seals: false })
    }

    /// Whether what comes in is sealed.
    #[must_use]
    pub fn seals(&self) -> bool {
        self.seals
    }

    /// What wraps new keys; a project that names keys names one.
    pub(super) fn first(&self) -> Option<&ProjectKey> {
        self.keys.first()
    }

    pub(super) fn named(&self, fingerprint: &str) -> Option<&ProjectKey> {
        self.keys.iter().find(|key| key.fingerprint == fingerprint)
    }
}

/// A key as it is written down: 32 bytes as base64, or as 64 hexadecimal digits.
///
/// # Errors
/// When it is neither.
pub fn key_bytes(text: &str) -> Result<[u8; KEY_BYTES], ProjectKeyError> {
    unhex(text.trim()).or_else(|| unbase64(text.trim())).ok_or(ProjectKeyError)
}

fn number(id: u64) -> [u8; 9] {
    let mut bytes = [0; 9];
    bytes[1..].copy_from_slice(&id.to_le_bytes());
    bytes
}

fn unhex(text: &str) -> Option<[u8; KEY_BYTES]> {
    if text.len() != 2 * KEY_BYTES || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; KEY_BYTES];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Of either alphabet, with or without the sign at its end.
fn unbase64(text: &str) -> Option<[u8; KEY_BYTES]> {
    let digits = text.strip_suffix('=').unwrap_or(text);
    if digits.len() != 43 {
        return None;
    }
    let mut bits = digits.bytes().map(|digit| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    });
    let (mut bytes, mut held, mut count) = (Vec::with_capacity(KEY_BYTES), 0_u32, 0);
    bits.try_for_each(|digit| {
        held = held << 6 | u32::from(digit?);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((held >> count) as u8);
            held &= (1 << count) - 1;
        }
        Some(())
    })?;
    // What is left over of the last digit says nothing.
    if held != 0 {
        return None;
    }
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_each_way_that_it_is_written() {
        let hexadecimal = "00ff10ef".repeat(8);
        let written = [
            hexadecimal.clone(),
            hexadecimal.to_uppercase(),
            "AP8Q7wD/EO8A/xDvAP8Q7wD/EO8A/xDvAP8Q7wD/EO8=\n".to_owned(),
            "AP8Q7wD_EO8A_xDvAP8Q7wD_EO8A_xDvAP8Q7wD_EO8".to_owned(),
        ];
        let keys: Vec<_> = written.iter().map(|text| ProjectKey::read(text).unwrap()).collect();
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
        assert!(!format!("{keys:?}").contains("ff10"), "a key is shown");
        for text in ["", "secret", &hexadecimal[2..], "AP8Q7wD/EO8A/xDvAP8Q7wD/EO8A/xDvAP8Q7wD/EO9="] {
            ProjectKey::read(text).unwrap_err();
        }
    }

    #[test]
    fn a_key_is_unwrapped_by_what_wrapped_it_and_under_its_own_number() {
        let key = |byte: &str| ProjectKey::read(&byte.repeat(32)).unwrap();
        let mut chance = Chance::new();
        let secret = chance.secret().unwrap();
        let wrapped = key("01").wrap(&mut chance, 7, secret).unwrap();
        assert_eq!(key("01").unwrap(7, &wrapped), Some(secret));
        assert_eq!(key("01").unwrap(8, &wrapped), None);
        assert_eq!(key("02").unwrap(7, &wrapped), None);
        assert_ne!(key("01").fingerprint(), key("02").fingerprint());
    }
}
