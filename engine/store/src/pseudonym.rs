//! Identifiers as nobody can read them: HMACs under a key of this data directory. Where the key is, an identifier can be
//! compared with one; without it, not even by trying all phone numbers.

use crate::StoreError;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use sonder_core::consent::ledger::hex;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The file of the key, in the data directory.
const KEY_FILE: &str = "suppression.key";

/// Makes pseudonyms of identifiers.
#[derive(Clone)]
pub struct Pseudonyms {
    key: [u8; 32],
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pseudonyms")
    }
}

impl Pseudonyms {
    /// With the key of a data directory, which is made where there is none.
    pub(crate) fn of(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(KEY_FILE);
        let key = key(&path).map_err(|error| StoreError::Io { action: "read or make", path, error })?;
        Ok(Self { key })
    }

    #[cfg(test)]
    pub(crate) const fn fixed() -> Self {
        Self { key: [7; 32] }
    }

    /// Tells the key from others, and tells nothing of it.
    pub(crate) fn fingerprint(&self) -> String {
        self.hash("", "which directory this is").chars().take(16).collect()
    }

    /// The pseudonym of an identifier.
    #[must_use]
    pub fn hash(&self, kind: &str, value: &str) -> String {
        hex(&self.bytes(kind, value))
    }

    /// The pseudonym of an identifier as a number, of half its length.
    pub(crate) fn number(&self, kind: &str, value: &str) -> u128 {
        self.bytes(kind, value).iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
    }

    fn bytes(&self, kind: &str, value: &str) -> [u8; 32] {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return [0; 32] };
        mac.update(&(kind.len() as u64).to_le_bytes());
        mac.update(kind.as_bytes());
        mac.update(value.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

fn key(path: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    match fs::read(path) {
        Ok(bytes) => {
            let wrong = |_| io::Error::new(io::ErrorKind::InvalidData, "a key has 32 bytes");
            key = bytes.as_slice().try_into().map_err(wrong)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            File::open("/dev/urandom")?.read_exact(&mut key)?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(&key)?;
            file.sync_all()?;
        }
        Err(error) => return Err(error),
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_kept_and_only_the_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEY_FILE);
        let made = key(&path).unwrap();
        assert_eq!(key(&path).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "short").unwrap();
        key(&path).unwrap_err();
    }
}
