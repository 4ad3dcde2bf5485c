//! Web Push: messages that only one browser can read (RFC 8291), from a sender that says who it is (RFC 8292).
//!
//! INVARIANT: nothing here is left to chance. One-time keys and salts are made of the sender's private key and of all that a
//! message is, so that another attempt sends the same bytes, and two different messages never share a key.

use super::sign::hmac_sha256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::{PublicKey, SecretKey};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde_json::json;

/// Bytes of a message that every push service takes: 4,096 with all that encryption adds.
pub const PLAIN_BYTES: usize = 4_096 - HEADER_BYTES - 1 - TAG_BYTES;
const RECORD_BYTES: u32 = 4_096;
const SALT_BYTES: usize = 16;
const POINT_BYTES: usize = 65;
const HEADER_BYTES: usize = SALT_BYTES + 4 + 1 + POINT_BYTES;
const TAG_BYTES: usize = 16;

/// How long a push service may take credentials for good: RFC 8292 allows a day.
const HOURS: u64 = 12;

/// Whom a message is for.
pub struct Subscription {
    public: PublicKey,
    auth: Vec<u8>,
}

/// The key pair that a project's subscriptions were made for.
pub struct Sender(SecretKey);

impl Subscription {
    /// Its `keys`, as browsers give them.
    #[must_use]
    pub fn new(p256dh: &str, auth: &str) -> Option<Self> {
        let public = PublicKey::from_sec1_bytes(&decoded(p256dh)?).ok()?;
        let auth = decoded(auth).filter(|auth| auth.len() == SALT_BYTES)?;
        Some(Self { public, auth })
    }
}

impl Sender {
    /// A private key, as Web Push libraries write it.
    #[must_use]
    pub fn new(private_key: &str) -> Option<Self> {
        SecretKey::from_slice(&decoded(private_key)?).ok().map(Self)
    }

    /// The credentials for requests to `origin`, in the hours after `now` (in seconds since 1970).
    #[must_use]
    pub fn credentials(&self, origin: &str, subject: &str, now: u64) -> String {
        // By the hour, so that the attempts of one hour are the same.
        let until = (now / 3_600 + HOURS) * 3_600;
        let part = |value: serde_json::Value| BASE64URL.encode(value.to_string());
        let claims = part(json!({"aud": origin, "exp": until, "sub": subject}));
        let token = format!("{}.{claims}", part(json!({"typ": "JWT", "alg": "ES256"})));
        let signature: Signature = SigningKey::from(&self.0).sign(token.as_bytes());
        let public = BASE64URL.encode(point(&self.0.public_key()));
        format!("vapid t={token}.{}, k={public}", BASE64URL.encode(signature.to_bytes()))
    }

    /// Encrypts a message; `None` where it is too long.
    #[must_use]
    pub fn seal(&self, plain: &[u8], subscription: &Subscription) -> Option<Vec<u8>> {
        let root = hmac_sha256(b"sonder web push", &[&self.0.to_bytes()])?;
        let public = point(&subscription.public);
        let made = |what: &[u8]| hmac_sha256(&root, &[what, &public, &subscription.auth, plain]);
        // One number in four thousand million is no private key.
        let once = (0..=u8::MAX).find_map(|n| SecretKey::from_slice(&made(&[n])?).ok())?;
        let salt = made(b"salt")?;
        seal(plain, subscription, &once, salt.first_chunk()?)
    }
}

/// With the one-time key and the salt given.
fn seal(plain: &[u8], to: &Subscription, once: &SecretKey, salt: &[u8; SALT_BYTES]) -> Option<Vec<u8>> {
    if plain.len() > PLAIN_BYTES {
        return None;
    }
    let sender = point(&once.public_key());
    let shared = p256::ecdh::diffie_hellman(once.to_nonzero_scalar(), to.public.as_affine());
    let (key, nonce) = content_key(shared.raw_secret_bytes(), &to.auth, &point(&to.public), &sender, salt)?;
    // The one record is the last: RFC 8188 marks it with a 2.
    let mut record = Vec::with_capacity(plain.len() + 1 + TAG_BYTES);
    record.extend_from_slice(plain);
    record.push(2);
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record).ok()?;
    let mut body = Vec::with_capacity(HEADER_BYTES + record.len());
    body.extend_from_slice(salt);
    body.extend_from_slice(&RECORD_BYTES.to_be_bytes());
    body.push(u8::try_from(POINT_BYTES).ok()?);
    body.extend_from_slice(&sender);
    body.append(&mut record);
    Some(body)
}

/// What a browser does with a body: for the kit, which compares what was written before it was encrypted.
#[must_use]
pub fn open(body: &[u8], private_key: &str, auth: &str) -> Option<Vec<u8>> {
    let own = SecretKey::from_slice(&decoded(private_key)?).ok()?;
    let (salt, rest) = body.split_first_chunk::<SALT_BYTES>()?;
    let (sender, record) = rest.get(5..)?.split_at_checked(POINT_BYTES)?;
    let shared =
        p256::ecdh::diffie_hellman(own.to_nonzero_scalar(), PublicKey::from_sec1_bytes(sender).ok()?.as_affine());
    let own = point(&own.public_key());
    let (key, nonce) = content_key(shared.raw_secret_bytes(), &decoded(auth)?, &own, sender, salt)?;
    let mut record = record.to_vec();
    let opened = key.open_in_place(nonce, Aad::empty(), &mut record).ok()?;
    opened.strip_suffix(&[2]).map(<[u8]>::to_vec)
}

/// RFC 8291, section 3.4.
fn content_key(
    shared: &[u8],
    auth: &[u8],
    receiver: &[u8],
    sender: &[u8],
    salt: &[u8; SALT_BYTES],
) -> Option<(LessSafeKey, Nonce)> {
    let input = derived(auth, shared, &[b"WebPush: info\0", receiver, sender])?;
    let key = derived(salt, &input, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce = derived(salt, &input, &[b"Content-Encoding: nonce\0"])?;
    let key = UnboundKey::new(&AES_128_GCM, key.get(..16)?).ok()?;
    Some((LessSafeKey::new(key), Nonce::assume_unique_for_key(*nonce.first_chunk()?)))
}

/// HKDF-SHA-256, its first block.
fn derived(salt: &[u8], input: &[u8], info: &[&[u8]]) -> Option<[u8; 32]> {
    let extracted = hmac_sha256(salt, &[input])?;
    let mut parts = info.to_vec();
    parts.push(&[1]);
    hmac_sha256(&extracted, &parts)
}

fn point(key: &PublicKey) -> Vec<u8> {
    key.to_encoded_point(false).as_bytes().to_vec()
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64URL.decode(text.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier;

    const RECEIVER_PRIVATE: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
    const RECEIVER_PUBLIC: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
    const SENDER_PRIVATE: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
    const TEXT: &[u8] = b"When I grow up, I want to be a watermelon";

    fn subscription() -> Subscription {
        Subscription::new(RECEIVER_PUBLIC, AUTH).unwrap()
    }

    #[test]
    fn agrees_with_the_example_of_rfc_8291() {
        let once = SecretKey::from_slice(&decoded(SENDER_PRIVATE).unwrap()).unwrap();
        let salt: [u8; 16] = decoded("DGv6ra1nlYgDCS1FRnbzlw").unwrap().try_into().unwrap();
        let body = seal(TEXT, &subscription(), &once, &salt).unwrap();
        assert_eq!(
            BASE64URL.encode(&body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
        assert_eq!(open(&body, RECEIVER_PRIVATE, AUTH).as_deref(), Some(TEXT));
    }

    #[test]
    fn another_attempt_sends_the_same_and_another_message_nothing_alike() {
        let sender = Sender::new(SENDER_PRIVATE).unwrap();
        let first = sender.seal(TEXT, &subscription()).unwrap();
        assert_eq!(sender.seal(TEXT, &subscription()).unwrap(), first);
        assert_eq!(open(&first, RECEIVER_PRIVATE, AUTH).as_deref(), Some(TEXT));
        let other = sender.seal(b"When I grow up, I want to be a watermelo!", &subscription()).unwrap();
        assert_ne!(other[..SALT_BYTES], first[..SALT_BYTES]);
        assert_ne!(other[SALT_BYTES + 5..HEADER_BYTES], first[SALT_BYTES + 5..HEADER_BYTES]);
    }

    #[test]
    fn a_message_fits_into_4096_bytes_or_is_none() {
        let sender = Sender::new(SENDER_PRIVATE).unwrap();
        let longest = sender.seal(&[b'x'; PLAIN_BYTES], &subscription()).unwrap();
        assert_eq!((longest.len(), PLAIN_BYTES), (4_096, 3_993));
        assert_eq!(sender.seal(&[b'x'; PLAIN_BYTES + 1], &subscription()), None);
    }

    #[test]
    fn credentials_are_signed_for_one_origin_and_half_a_day() {
        let sender = Sender::new(SENDER_PRIVATE).unwrap();
        let credentials = sender.credentials("https://push.example", "mailto:ops@shop.example", 1_772_334_000);
        let (token, public) = credentials.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let key = VerifyingKey::from_sec1_bytes(&decoded(public).unwrap()).unwrap();
        let signature = Signature::from_slice(&decoded(signature).unwrap()).unwrap();
        assert!(key.verify(signed.as_bytes(), &signature).is_ok());
        let parts: Vec<String> = signed.split('.').map(|it| String::from_utf8(decoded(it).unwrap()).unwrap()).collect();
        assert_eq!(
            parts,
            [
                r#"{"typ":"JWT","alg":"ES256"}"#,
                r#"{"aud":"https://push.example","exp":1772377200,"sub":"mailto:ops@shop.example"}"#
            ]
        );
        assert_eq!(
            sender.credentials("https://push.example", "mailto:ops@shop.example", 1_772_334_000 + 3_599),
            credentials
        );
    }

    #[test]
    fn what_is_no_key_is_none() {
        assert!(Sender::new("not base64!").is_none());
        assert!(Sender::new("AAAA").is_none());
        assert!(Subscription::new(RECEIVER_PUBLIC, "AAAA").is_none());
        // A point that is not on the curve: what a hostile page may send.
        let beside = BASE64URL.encode([&[4][..], &[1; 64]].concat());
        assert!(Subscription::new(&beside, AUTH).is_none());
    }
}
