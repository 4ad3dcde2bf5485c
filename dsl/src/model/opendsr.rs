//! `opendsr:` of `sonder.yaml`: requests about somebody's data that come as OpenDSR has them, from whoever people ask.

use super::WriteKey;
use super::source;
use crate::diagnostic::{Diagnostic, Report, codes};
use crate::shape::{Fields, Filled, Format, Key, Shape};
use crate::yaml::Node;

/// How requests are taken in, and how answers are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDsr {
    /// The domain that requests are sent to, for which the certificate was issued.
    pub domain: String,
    /// How this project calls whoever sends requests.
    pub controller: String,
    /// The private key that answers are signed with: PKCS#8 as PEM, RSA or ECDSA over P-256.
    pub key: WriteKey,
    /// The certificate that belongs to it, as a file of the project.
    pub certificate: String,
    /// Where answers may be sent to, as origins.
    pub callbacks: Vec<String>,
    /// Whether a request waits until somebody approves it. Only then can it be cancelled.
    pub approve: bool,
}

/// What `opendsr` may hold.
pub(super) const KEYS: &[Key] = &[
    Key::required("domain", Shape::Text(Format::Host), "the domain that requests are sent to, as in the certificate"),
    Key::required("controller", Shape::TEXT, "how whoever sends requests is called in answers"),
    Key::required(
        "key",
        source::KEY,
        "the private key that answers are signed with, as PEM (PKCS#8; RSA, or ECDSA over P-256)",
    ),
    Key::required("certificate", Shape::TEXT, "the certificate that belongs to it, as PEM: a file of the project"),
    Key::optional(
        "callbacks",
        Shape::List(&Shape::Text(Format::Origin), Filled::MayBeEmpty),
        "where it may be told how far requests are, as origins; default nowhere",
    ),
    Key::optional(
        "approve",
        Shape::Bool,
        "whether each request waits until it is approved, and can be cancelled by then; default false",
    ),
];

/// Reads a checked `opendsr`.
pub(super) fn decode(node: &Node, report: &mut Report) -> Option<OpenDsr> {
    let fields = Fields::new(node, KEYS);
    let certificate = fields.string("certificate")?;
    if certificate.starts_with('/') || certificate.contains('\\') || certificate.split('/').any(|part| part == "..") {
        let message = format!("`{certificate}` is no file of the project");
        let error = Diagnostic::error(codes::BAD_VALUE, message, fields.get("certificate")?.span, "outside of it");
        report.push(error.help("put it into the folder, and write its path from there: `opendsr/certificate.pem`"));
        return None;
    }
    Some(OpenDsr {
        domain: fields.string("domain")?,
        controller: fields.string("controller")?,
        key: source::key(fields.get("key")?)?,
        certificate,
        callbacks: fields.strings("callbacks"),
        approve: fields.bool("approve").unwrap_or(false),
    })
}
