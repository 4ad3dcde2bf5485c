//! Identifiers as others know them: keyed and versioned pseudonyms, which nobody without the key can make or look up, not even by
//! trying all phone numbers. Each audience (a destination, the receiver of an export) has its own, so that no two can link people.
//!
//! ```text
//! v2:8bVxW0…   version of the key, then base64url of
//!              HMAC-SHA-256(key, length of audience, audience, length of kind, kind, value)
//! ```
//!
//! Lengths are 8 bytes, the lowest first. The value is the one that `identity.yaml` makes of what came. What is of no kind (a
//! person's id, the id of a delivery) has the empty kind, which no identifier has.
//!
//! - [`Pseudonyms`] makes them.
//! - [`Told`] is what one destination is told in place of a delivery, `behind` the way there.
//!
//! INVARIANT: ids of people and deliveries are plain hashes of identifiers, against which a guess can be tested: they are replaced, too.

mod told;
mod transport;

pub use told::{Places, Told};
pub(crate) use transport::behind;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sonder_core::effect::{EffectId, PersonId};

/// Makes pseudonyms.
pub struct Pseudonyms {
    current: Key,
    previous: Vec<Key>,
}

/// A key and its version.
pub struct Key {
    version: u32,
    bytes: [u8; 32],
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pseudonyms")
    }
}

impl Key {
    /// The key of a version.
    #[must_use]
    pub const fn new(version: u32, bytes: [u8; 32]) -> Self {
        Self { version, bytes }
    }

    /// Which version it is of.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Tells it from others, and tells nothing of it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = self.mac(&[b"sonder: which pseudonym key this is"]);
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The pseudonym of an identifier for an audience.
    #[must_use]
    pub fn identifier(&self, audience: &str, kind: &str, value: &str) -> String {
        format!("v{}:{}", self.version, BASE64_URL_SAFE_NO_PAD.encode(self.of(audience, kind, value)))
    }

    /// The pseudonym of somebody's id for an audience.
    #[must_use]
    pub fn person(&self, audience: &str, person: PersonId) -> String {
        self.identifier(audience, "", &format!("{:032x}", person.0))
    }

    /// A place in a list of people that an audience may be handed: their id, sealed. The same each time.
    #[must_use]
    pub fn seal(&self, audience: &str, person: PersonId) -> String {
        let id = person.0.to_be_bytes();
        let tag = half(self.mac(&[b"place", &self.of(audience, "", "place"), &id]));
        format!("{:032x}{:032x}", u128::from_be_bytes(tag), person.0 ^ self.mask(audience, tag))
    }

    /// The place that was sealed so for this audience; `None` where it was not, or with another key.
    #[must_use]
    pub fn open(&self, audience: &str, place: &str) -> Option<PersonId> {
        let (tag, masked) = place.split_at_checked(32)?;
        let number = |text: &str| u128::from_str_radix(text, 16).ok();
        let person = PersonId(number(masked)? ^ self.mask(audience, number(tag)?.to_be_bytes()));
        (self.seal(audience, person) == place).then_some(person)
    }

    fn mask(&self, audience: &str, tag: [u8; 16]) -> u128 {
        u128::from_be_bytes(half(self.mac(&[b"mask", &self.of(audience, "", "place"), &tag])))
    }

    fn of(&self, audience: &str, kind: &str, value: &str) -> [u8; 32] {
        let length = |text: &str| (text.len() as u64).to_le_bytes();
        let (of_audience, of_kind) = (length(audience), length(kind));
        self.mac(&[&of_audience, audience.as_bytes(), &of_kind, kind.as_bytes(), value.as_bytes()])
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.bytes) else { return [0; 32] };
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

fn half(digest: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

impl Pseudonyms {
    /// Made with `current`; whoever is erased is named by those of `previous`, too.
    #[must_use]
    pub const fn new(current: Key, previous: Vec<Key>) -> Self {
        Self { current, previous }
    }

    /// What is made now is made with it.
    #[must_use]
    pub const fn current(&self) -> &Key {
        &self.current
    }

    /// All keys, the present one first.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    /// The id that an audience gets a delivery under, the same at each attempt.
    #[must_use]
    pub fn delivery(&self, audience: &str, id: EffectId) -> EffectId {
        let digest = self.current.of(audience, "", &format!("delivery {:032x}", id.0));
        EffectId(digest.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(version: u32, byte: u8) -> Key {
        Key::new(version, [byte; 32])
    }

    /// Computed with `openssl dgst -sha256 -mac HMAC -macopt hexkey:0b…0b` over the bytes that the module's page describes.
    #[test]
    fn it_is_the_hmac_that_anybody_with_the_key_can_compute() {
        assert_eq!(
            key(2, 0x0b).identifier("lake", "email", "ann@shop.example"),
            "v2:w56ELxboigeykRct4sQfzVRRQp_Nkkh3F2_lM7GTI_w"
        );
    }

    #[test]
    fn another_audience_kind_value_or_key_gives_another_one() {
        let made = [
            key(1, 7).identifier("lake", "email", "ann"),
            key(1, 7).identifier("mail", "email", "ann"),
            key(1, 7).identifier("lake", "user_id", "ann"),
            key(1, 7).identifier("lake", "email", "bob"),
            key(1, 8).identifier("lake", "email", "ann"),
            // The same letters, cut elsewhere.
            key(1, 7).identifier("lak", "eemail", "ann"),
            key(1, 7).identifier("lake", "emaila", "nn"),
        ];
        for (place, one) in made.iter().enumerate() {
            assert!(!made[..place].contains(one), "{place}");
        }
        assert_eq!(made[0], key(1, 7).identifier("lake", "email", "ann"));
        assert_eq!(key(12, 7).identifier("lake", "email", "ann"), made[0].replace("v1:", "v12:"));
    }

    #[test]
    fn a_place_is_opened_by_who_sealed_it_for_the_same_audience() {
        let place = key(1, 7).seal("lake", PersonId(0xabc));
        assert_eq!((place.len(), key(1, 7).open("lake", &place)), (64, Some(PersonId(0xabc))));
        assert!(!place.contains("abc") || place != format!("{:064x}", 0xabc));
        assert_eq!(key(1, 7).open("mail", &place), None);
        assert_eq!(key(1, 8).open("lake", &place), None);
        let last = if place.ends_with('0') { '1' } else { '0' };
        assert_eq!(key(1, 7).open("lake", &format!("{}{last}", &place[..63])), None);
        for broken in ["", "ann", "é", &place[..40], &"z".repeat(64), &format!("+{}", &place[1..])] {
            assert_eq!(key(1, 7).open("lake", broken), None, "{broken}");
        }
    }

    #[test]
    fn ids_of_deliveries_and_people_say_nothing() {
        let pseudonyms = Pseudonyms::new(key(1, 7), Vec::new());
        let id = EffectId(0xabc);
        assert_ne!(pseudonyms.delivery("lake", id), id);
        assert_eq!(pseudonyms.delivery("lake", id), pseudonyms.delivery("lake", id));
        assert_ne!(pseudonyms.delivery("lake", id), pseudonyms.delivery("mail", id));
        assert_ne!(key(1, 7).person("lake", PersonId(1)), key(1, 7).person("mail", PersonId(1)));
        assert!(!format!("{pseudonyms:?}").contains('7'));
        assert_ne!(key(1, 7).fingerprint(), key(1, 8).fingerprint());
    }
}
