//! Signatures of answers: over SHA-256 of their bytes, with the key that belongs to the certificate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};

/// A private key.
pub(super) enum SigningKey {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
}

impl SigningKey {
    /// Of PKCS#8 as PEM.
    ///
    /// # Errors
    /// In words, where it is none, or of another kind.
    pub(super) fn read(pem: &str) -> Result<Self, String> {
        let (_, after) = pem.split_once("-----BEGIN PRIVATE KEY-----").ok_or_else(|| {
            "the key is no PKCS#8 as PEM; `openssl pkcs8 -topk8 -nocrypt` makes one of any other".to_owned()
        })?;
        let (body, _) = after.split_once("-----END PRIVATE KEY-----").ok_or("the key has no end")?;
        let digits: String = body.chars().filter(|it| !it.is_whitespace()).collect();
        let bytes = STANDARD.decode(digits).map_err(|_| "the key is no base64".to_owned())?;
        if let Ok(key) = RsaKeyPair::from_pkcs8(&bytes) {
            return Ok(Self::Rsa(key));
        }
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &bytes, &SystemRandom::new());
        key.map(Self::Ecdsa).map_err(|_| "the key is neither RSA of 2048 bits or more nor ECDSA over P-256".to_owned())
    }

    /// The signature, in base64.
    ///
    /// # Errors
    /// Where the system has no chance to give.
    pub(super) fn sign(&self, bytes: &[u8]) -> Result<String, String> {
        let chance = SystemRandom::new();
        let failed = |_| "an answer could not be signed".to_owned();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &chance, bytes, &mut signature).map_err(failed)?;
                Ok(STANDARD.encode(signature))
            }
            Self::Ecdsa(key) => Ok(STANDARD.encode(key.sign(&chance, bytes).map_err(failed)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_ASN1, KeyPair, UnparsedPublicKey};

    #[test]
    fn what_is_signed_can_be_checked_with_the_public_key() {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(made.as_ref()));
        let key = SigningKey::read(&pem).unwrap();
        let SigningKey::Ecdsa(pair) = &key else { panic!("another kind") };
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, pair.public_key().as_ref());
        let signature = STANDARD.decode(key.sign(b"an answer").unwrap()).unwrap();
        assert!(public.verify(b"an answer", &signature).is_ok());
        assert!(public.verify(b"another answer", &signature).is_err());
    }

    #[test]
    fn what_is_no_key_is_said() {
        for (pem, said) in [
            ("", "no PKCS#8"),
            ("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----", "no PKCS#8"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA", "no end"),
            ("-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----", "no base64"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "neither RSA"),
        ] {
            let wrong = SigningKey::read(pem).err().unwrap();
            assert!(wrong.contains(said), "{wrong}");
        }
    }
}
