//! Secrets: filled into a request by the host, masked in whatever comes back.

use super::sign;
use super::web_push::Sender;
use crate::limits;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::borrow::Cow;
use std::fmt;

/// The secrets of one destination. Prints none of them.
#[derive(Clone, Default)]
pub struct Secrets {
    entries: Vec<Secret>,
    // INVARIANT: longest first, so that a secret within another is not masked first.
    masked: Vec<Vec<u8>>,
}

#[derive(Clone)]
struct Secret {
    name: String,
    value: String,
}

/// Where a reference stands, which decides what may stand there and how a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// In a URL: percent-encoded.
    Url,
    /// In a header's value, where signatures may stand, too.
    Header(&'a Signed<'a>),
    /// In a JSON body: escaped.
    JsonBody,
    /// In another body: as it is.
    Body,
}

/// What signatures cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    /// `webhook-id`
    pub id: Option<&'a str>,
    /// `webhook-timestamp`
    pub timestamp: Option<&'a str>,
    /// The body as it is sent.
    pub body: &'a [u8],
    /// Where it goes: scheme, host and port.
    pub origin: &'a str,
    /// When, in seconds since 1970.
    pub now: u64,
}

/// A reference that cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// No such secret in the destination's file.
    #[error("there is no secret `{0}` in the destination's `secrets`")]
    Unknown(String),
    /// The value cannot be used for what is asked.
    #[error("the secret `{name}` {reason}")]
    Unusable {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

const MASK: &[u8] = b"[secret]";

impl Secrets {
    /// Takes in names and values.
    ///
    /// # Errors
    /// When a value is too short to be masked, or has characters that no header can carry.
    pub fn new(entries: impl IntoIterator<Item = (String, String)>) -> Result<Self, SecretError> {
        let mut secrets = Self::default();
        for (name, value) in entries {
            if value.len() < limits::SECRET_MIN_BYTES {
                return Err(SecretError::Unusable { name, reason: "is too short to be one" });
            }
            if value.chars().any(char::is_control) {
                return Err(SecretError::Unusable {
                    name,
                    reason: "has a line break or another control character in it",
                });
            }
            if sign::key(&value).is_none() {
                return Err(SecretError::Unusable { name, reason: "starts with `whsec_`, but the rest is not base64" });
            }
            secrets.masked.extend(spellings(&value));
            secrets.entries.push(Secret { name, value });
        }
        secrets.masked.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.masked.dedup();
        Ok(secrets)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|secret| secret.name.as_str())
    }

    /// Fills in the references of `text`. What only looks like one stays as it is.
    ///
    /// # Errors
    /// When a secret is not there, or what a signature covers is not.
    pub fn fill<'a>(&self, text: &'a str, place: Place<'_>) -> Result<Cow<'a, str>, SecretError> {
        if !text.contains("{{") {
            return Ok(Cow::Borrowed(text));
        }
        let mut filled = String::with_capacity(text.len() + 64);
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            filled.push_str(&rest[..start]);
            rest = &rest[start..];
            if let Some((reference, after)) = Reference::read(rest, place) {
                filled.push_str(&self.value(&reference, place)?);
                rest = after;
            } else {
                filled.push('{');
                rest = &rest[1..];
            }
        }
        filled.push_str(rest);
        Ok(Cow::Owned(filled))
    }

    /// `text` with every secret in it masked.
    #[must_use]
    pub fn mask_text(&self, text: String) -> String {
        match self.mask(text.as_bytes()) {
            Cow::Borrowed(_) => text,
            Cow::Owned(masked) => String::from_utf8_lossy(&masked).into_owned(),
        }
    }

    /// `bytes` with every secret in them masked, in plain, in base64, percent-encoded and as JSON writes it.
    #[must_use]
    pub fn mask<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut masked = Cow::Borrowed(bytes);
        for secret in &self.masked {
            if let Some(replaced) = replace(&masked, secret) {
                masked = Cow::Owned(replaced);
            }
        }
        masked
    }

    /// The secret of that name as the private key of a Web Push sender.
    ///
    /// # Errors
    /// When it is not there, or no such key.
    pub fn web_push(&self, name: &str) -> Result<Sender, SecretError> {
        let reason = "is no private key for Web Push: 32 bytes in base64url";
        Sender::new(self.named(name)?).ok_or_else(|| SecretError::Unusable { name: name.to_owned(), reason })
    }

    fn named(&self, name: &str) -> Result<&str, SecretError> {
        let secret = self.entries.iter().find(|secret| secret.name == name);
        secret.map(|secret| secret.value.as_str()).ok_or_else(|| SecretError::Unknown(name.to_owned()))
    }

    fn value(&self, reference: &Reference<'_>, place: Place<'_>) -> Result<String, SecretError> {
        let name = reference.name;
        let value = self.named(name)?;
        let unusable = |reason| SecretError::Unusable { name: name.to_owned(), reason };
        if let (Kind::Vapid(subject), Place::Header(signed)) = (reference.kind, place) {
            return Ok(self.web_push(name)?.credentials(signed.origin, subject, signed.now));
        }
        let sealed = |signed: &Signed<'_>| {
            let key = sign::key(value)?;
            match reference.kind {
                Kind::StandardWebhooks => sign::standard_webhooks(&key, signed.id?, signed.timestamp?, signed.body),
                Kind::HmacHex => sign::hmac_hex(&key, signed.body),
                Kind::HmacBase64 => sign::hmac_base64(&key, signed.body),
                Kind::Plain | Kind::Vapid(_) => Some(value.to_owned()),
            }
        };
        match place {
            Place::Header(signed) => sealed(signed)
                .ok_or_else(|| unusable("cannot sign a request without `webhook-id` and `webhook-timestamp`")),
            Place::Url => Ok(percent_encoded(value)),
            Place::JsonBody => Ok(json_escaped(value)),
            Place::Body => Ok(value.to_owned()),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

struct Reference<'a> {
    kind: Kind<'a>,
    name: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind<'a> {
    Plain,
    StandardWebhooks,
    HmacHex,
    HmacBase64,
    // With whom a push service may write to.
    Vapid(&'a str),
}

impl<'a> Reference<'a> {
    /// Reads the reference that `text` starts with, and gives what comes after it.
    fn read(text: &'a str, place: Place<'_>) -> Option<(Self, &'a str)> {
        let (inner, after) = text.strip_prefix("{{")?.split_once("}}")?;
        let (kind, name) = [
            (Kind::Plain, "secret:"),
            (Kind::StandardWebhooks, "sign:standard-webhooks:"),
            (Kind::HmacHex, "hmac-sha256-hex:"),
            (Kind::HmacBase64, "hmac-sha256-base64:"),
            (Kind::Vapid(""), "sign:vapid:"),
        ]
        .into_iter()
        .find_map(|(kind, prefix)| Some((kind, inner.strip_prefix(prefix)?)))?;
        let (kind, name) = match (kind, name.split_once(':')) {
            (Kind::Vapid(_), Some((name, subject))) => (Kind::Vapid(subject), name),
            (Kind::Vapid(_), None) => return None,
            _ => (kind, name),
        };
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        let may_stand_here = kind == Kind::Plain || matches!(place, Place::Header(_));
        (is_name && may_stand_here).then_some((Self { kind, name }, after))
    }
}

/// How a secret may come back.
fn spellings(value: &str) -> [Vec<u8>; 5] {
    [
        value.as_bytes().to_vec(),
        percent_encoded(value).into_bytes(),
        json_escaped(value).into_bytes(),
        STANDARD.encode(value).trim_end_matches('=').as_bytes().to_vec(),
        URL_SAFE_NO_PAD.encode(value).into_bytes(),
    ]
}

fn percent_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn json_escaped(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

fn replace(bytes: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let find = |from: usize| {
        let rest = bytes.get(from..)?;
        rest.windows(secret.len()).position(|window| window == secret).map(|at| from + at)
    };
    let mut at = find(0)?;
    let mut replaced = Vec::with_capacity(bytes.len());
    let mut from = 0;
    loop {
        replaced.extend_from_slice(&bytes[from..at]);
        replaced.extend_from_slice(MASK);
        from = at + secret.len();
        let Some(next) = find(from) else { break };
        at = next;
    }
    replaced.extend_from_slice(&bytes[from..]);
    Some(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let entries = [("token", "s3cr&t\"x/"), ("key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
        Secrets::new(entries.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap()
    }

    const SIGNED: Signed<'_> =
        Signed { id: Some("m1"), timestamp: Some("17"), body: b"{}", origin: "https://a.example", now: 0 };

    #[test]
    fn a_reference_is_written_as_its_place_wants() {
        let secrets = secrets();
        let text = "a {{secret:token}} b";
        assert_eq!(secrets.fill(text, Place::Header(&SIGNED)).unwrap(), "a s3cr&t\"x/ b");
        assert_eq!(secrets.fill(text, Place::Url).unwrap(), "a s3cr%26t%22x%2F b");
        assert_eq!(secrets.fill(text, Place::JsonBody).unwrap(), "a s3cr&t\\\"x/ b");
        assert_eq!(secrets.fill(text, Place::Body).unwrap(), "a s3cr&t\"x/ b");
    }

    #[test]
    fn what_is_no_reference_stays() {
        let secrets = secrets();
        for text in
            ["{{name}}", "{{secret:}}", "{{secret:a b}}", "{{{{", "{{secret:token", "{{hmac-sha256-hex:key}}", "{"]
        {
            assert_eq!(secrets.fill(text, Place::Body).unwrap(), text);
        }
        assert_eq!(secrets.fill("{{{secret:token}}}", Place::Body).unwrap(), "{s3cr&t\"x/}");
    }

    #[test]
    fn signatures_stand_in_headers_only_and_need_what_they_cover() {
        let secrets = secrets();
        let text = "{{sign:standard-webhooks:key}}";
        let signature = secrets.fill(text, Place::Header(&SIGNED)).unwrap();
        assert!(signature.starts_with("v1,") && signature.len() == 47, "{signature}");
        assert!(secrets.fill(text, Place::Header(&Signed { id: None, ..SIGNED })).is_err());
        assert_eq!(secrets.fill(text, Place::JsonBody).unwrap(), text);
        assert_eq!(secrets.fill("{{secret:nope}}", Place::Url), Err(SecretError::Unknown("nope".to_owned())));
    }

    #[test]
    fn credentials_for_web_push_need_a_subject_and_a_private_key() {
        let entries = [("vapid", "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), ("other", "no private key")];
        let secrets = Secrets::new(entries.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
        let fill = |text: &str| secrets.fill(text, Place::Header(&SIGNED)).map(Cow::into_owned);
        assert!(fill("{{sign:vapid:vapid:mailto:ops@shop.example}}").unwrap().starts_with("vapid t=ey"));
        assert_eq!(fill("{{sign:vapid:vapid}}").unwrap(), "{{sign:vapid:vapid}}", "without a subject it is none");
        assert!(fill("{{sign:vapid:other:mailto:ops@shop.example}}").is_err());
    }

    #[test]
    fn secrets_are_masked_however_they_come_back() {
        let secrets = secrets();
        for text in ["s3cr&t\"x/", "s3cr%26t%22x%2F", "s3cr&t\\\"x/", "czNjciZ0Ingv"] {
            assert_eq!(secrets.mask_text(format!("<{text}> <{text}>")), "<[secret]> <[secret]>", "{text}");
        }
        assert_eq!(secrets.mask_text("nothing here".to_owned()), "nothing here");
        assert!(!format!("{secrets:?}").contains("s3cr"));
    }

    #[test]
    fn values_that_cannot_be_kept_are_refused() {
        for value in ["abc", "line\nbreak", "whsec_%%%"] {
            let error = Secrets::new([("k".to_owned(), value.to_owned())]).unwrap_err().to_string();
            assert!(!error.contains(value), "{error}");
        }
    }
}
