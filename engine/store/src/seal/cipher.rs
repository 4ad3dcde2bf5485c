//! AES-256-GCM, by `ring`: a nonce by chance, the ciphertext, and its tag.
//!
//! A key seals what one subject's messages have, far less than the 2^32 values after which nonces by chance might repeat.

use crate::StoreError;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;
/// Says how the rest is to be read.
const VERSION: u8 = 1;
/// Nonces that are drawn at once: the system is asked seldom.
const NONCES: usize = 256;

/// A key that something is sealed with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Secret(pub(super) [u8; KEY_BYTES]);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// Where nonces and new keys come from.
pub(crate) struct Chance {
    system: SystemRandom,
    drawn: Vec<u8>,
}

impl Chance {
    pub fn new() -> Self {
        Self { system: SystemRandom::new(), drawn: Vec::new() }
    }

    pub fn secret(&self) -> Result<Secret, StoreError> {
        let mut bytes = [0; KEY_BYTES];
        self.system.fill(&mut bytes).map_err(|_| none_left())?;
        Ok(Secret(bytes))
    }

    fn nonce(&mut self) -> Result<[u8; NONCE_LEN], StoreError> {
        if self.drawn.is_empty() {
            self.drawn.resize(NONCES * NONCE_LEN, 0);
            self.system.fill(&mut self.drawn).map_err(|_| none_left())?;
        }
        let rest = self.drawn.split_off(self.drawn.len() - NONCE_LEN);
        rest.try_into().map_err(|_| none_left())
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Chance")
    }
}

fn none_left() -> StoreError {
    StoreError::Damaged("the system has no chance to give".to_owned())
}

impl Secret {
    /// Seals a text, bound to `place`.
    pub fn seal(self, chance: &mut Chance, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let key = self.cipher().ok_or_else(unsealable)?;
        let nonce = chance.nonce()?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        let start = sealed.len();
        sealed.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(place), &mut sealed[start..]);
        sealed.extend_from_slice(tag.map_err(|_| unsealable())?.as_ref());
        Ok(sealed)
    }

    /// What was sealed with this key in that place; `None` where it was not, or is not what it was.
    pub fn open(self, place: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (version, rest) = sealed.split_first()?;
        if *version != VERSION || rest.len() < NONCE_LEN {
            return None;
        }
        let (nonce, rest) = rest.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut plain = rest.to_vec();
        let length = self.cipher()?.open_in_place(nonce, Aad::from(place), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }

    /// A key of the right length always makes one.
    fn cipher(self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &self.0).ok().map(LessSafeKey::new)
    }
}

fn unsealable() -> StoreError {
    StoreError::Damaged("personal data could not be sealed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_sealed_is_opened_in_its_place_and_nowhere_else(plain: Vec<u8>, place: [u8; 9], other: [u8; 9]) {
            let mut chance = Chance::new();
            let (key, stranger) = (chance.secret()?, chance.secret()?);
            let sealed = key.seal(&mut chance, &place, &plain)?;
            prop_assert_eq!(key.open(&place, &sealed), Some(plain.clone()));
            prop_assert_eq!(stranger.open(&place, &sealed), None);
            prop_assert_eq!(key.open(&other, &sealed), (place == other).then(|| plain.clone()));
            prop_assert_ne!(key.seal(&mut chance, &place, &plain)?, sealed, "nonces differ");
        }

        #[test]
        fn no_byte_can_be_changed_and_none_be_missing(plain: Vec<u8>, at: prop::sample::Index, by in 1_u8..) {
            let mut chance = Chance::new();
            let key = chance.secret()?;
            let mut sealed = key.seal(&mut chance, b"place", &plain)?;
            let at = at.index(sealed.len());
            prop_assert_eq!(key.open(b"place", &sealed[..at]), None);
            sealed[at] ^= by;
            prop_assert_eq!(key.open(b"place", &sealed), None);
        }
    }
}
