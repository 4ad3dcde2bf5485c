//! What a plugin may ask for: which requests are well formed, where they may go, and what they say once secrets are in.

use super::secret::{Place, SecretError, Secrets, Signed};
use super::{address, bindings::host as wit};
use crate::limits;
use reqwest::Method;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use sonder_dsl::time::Moment;
use std::net::IpAddr;

/// Where one destination's requests may go.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// What the plugin says it reaches.
    pub plugin: Vec<String>,
    /// What the project allows.
    pub project: Vec<String>,
    /// Whether private addresses and plain http are fine.
    pub private: bool,
}

/// A request as it is sent.
#[derive(Debug)]
pub struct Prepared {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// All headers but the host's own.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// Whether private addresses are fine.
    pub private: bool,
}

/// Headers that belong to the connection or to the host.
const RESERVED: [&str; 11] = [
    "host",
    "content-length",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Checks a request, then fills in secrets; `now` is when it is signed.
///
/// # Errors
/// Why it is not sent.
pub fn prepare(
    request: wit::Request,
    reach: &Reach,
    secrets: &Secrets,
    now: Moment,
) -> Result<Prepared, wit::SendError> {
    let method = method(&request.method)?;
    if request.body.len() > limits::BODY_BYTES || request.url.len() > limits::URL_BYTES {
        return Err(wit::SendError::TooLarge);
    }
    let url = parse(&request.url)?;
    reach.check(&url)?;
    let url = fill_url(&request.url, &url, secrets)?;
    let body = fill_body(&request, secrets)?;
    let origin = url.origin().ascii_serialization();
    let now = u64::try_from(now.0 / 1_000_000).unwrap_or(0);
    let headers =
        headers(&request.headers, Signed { id: None, timestamp: None, body: &body, origin: &origin, now }, secrets)?;
    Ok(Prepared { method, url, headers, body, private: reach.private })
}

impl Reach {
    /// Whether a request may go to that URL, as far as one can say before its host's address is known.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, url: &Url) -> Result<(), wit::SendError> {
        let denied = |reason: String| Err(wit::SendError::Denied(reason));
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "https" => {}
            "http" if self.private => {}
            "http" => return denied(format!("`{host}` is called with http; only https is allowed")),
            scheme => return denied(format!("`{scheme}` is not https")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return denied("the URL has a user name or password in it; send a header instead".to_owned());
        }
        let names = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, url));
        if !names(&self.plugin) {
            return denied(format!("`{}` is not among the hosts that the plugin names", with_port(url)));
        }
        if !names(&self.project) {
            return denied(format!("`{}` is not in the destination's `allow`", with_port(url)));
        }
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>()
            && !self.private
            && !address::is_public(address)
        {
            return denied(format!("`{host}` is a private address, and `allow_private` is not set"));
        }
        Ok(())
    }
}

/// `api.example.com` (on its scheme's own port), `localhost:9000`, `*.example.com`, or `*`.
fn matches(pattern: &str, url: &Url) -> bool {
    if pattern == "*" {
        return true;
    }
    let host = url.host_str().unwrap_or_default();
    let (wanted, port) = split_port(pattern);
    let port_fits = match port {
        Some(port) => url.port_or_known_default() == Some(port),
        None => url.port().is_none(),
    };
    let host_fits = match wanted.strip_prefix("*.") {
        Some(domain) => {
            let above = host.len().checked_sub(domain.len() + 1).and_then(|at| host.split_at_checked(at));
            above.is_some_and(|(label, rest)| {
                !label.is_empty() && rest.starts_with('.') && rest[1..].eq_ignore_ascii_case(domain)
            })
        }
        None => host.trim_matches(['[', ']']).eq_ignore_ascii_case(wanted.trim_matches(['[', ']'])),
    };
    port_fits && host_fits
}

/// `host:port`, with an IPv6 address in brackets where there is a port.
fn split_port(pattern: &str) -> (&str, Option<u16>) {
    match pattern.rsplit_once(':') {
        Some((host, port))
            if host.starts_with('[') == host.ends_with(']') && (!host.contains(':') || host.ends_with(']')) =>
        {
            port.parse().map_or((pattern, None), |port| (host, Some(port)))
        }
        _ => (pattern, None),
    }
}

fn with_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn method(text: &str) -> Result<Method, wit::SendError> {
    match text {
        "GET" => Ok(Method::GET),
        "HEAD" => Ok(Method::HEAD),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "DELETE" => Ok(Method::DELETE),
        _ => Err(wit::SendError::Invalid("the method is none of GET, HEAD, POST, PUT, PATCH, DELETE".to_owned())),
    }
}

fn parse(text: &str) -> Result<Url, wit::SendError> {
    let url = Url::parse(text).map_err(|error| wit::SendError::Invalid(format!("the URL cannot be read: {error}")))?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wit::SendError::Invalid("the URL has no host".to_owned()));
    }
    Ok(url)
}

/// INVARIANT: filling in secrets never changes where a request goes.
fn fill_url(text: &str, checked: &Url, secrets: &Secrets) -> Result<Url, wit::SendError> {
    let filled = secrets.fill(text, Place::Url).map_err(denied)?;
    let url = parse(&filled)?;
    if url.origin() != checked.origin() || url.username() != checked.username() || url.password() != checked.password()
    {
        return Err(wit::SendError::Denied("a secret may not be part of the host".to_owned()));
    }
    Ok(url)
}

fn fill_body(request: &wit::Request, secrets: &Secrets) -> Result<Vec<u8>, wit::SendError> {
    if !request.fill_body {
        return Ok(request.body.clone());
    }
    let Ok(text) = std::str::from_utf8(&request.body) else {
        return Err(wit::SendError::Invalid("a body with secrets in it is text".to_owned()));
    };
    let is_json = request
        .headers
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("content-type") && value.to_ascii_lowercase().contains("json"));
    let filled = secrets.fill(text, if is_json { Place::JsonBody } else { Place::Body }).map_err(denied)?;
    if filled.len() > limits::BODY_BYTES {
        return Err(wit::SendError::TooLarge);
    }
    Ok(filled.into_owned().into_bytes())
}

fn headers(given: &[(String, String)], signed: Signed<'_>, secrets: &Secrets) -> Result<HeaderMap, wit::SendError> {
    let invalid = |reason: String| Err(wit::SendError::Invalid(reason));
    if given.len() > limits::HEADERS {
        return invalid(format!("there are more than {} headers", limits::HEADERS));
    }
    let value_of = |wanted: &str| {
        given.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
    };
    let signed = Signed { id: value_of("webhook-id"), timestamp: value_of("webhook-timestamp"), ..signed };
    let mut headers = HeaderMap::with_capacity(given.len());
    let mut bytes = 0;
    for (name, value) in given {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return invalid("a header's name has characters that none may have".to_owned());
        };
        if RESERVED.contains(&name.as_str()) {
            return invalid(format!("the header `{name}` is the host's to set"));
        }
        let value = secrets.fill(value, Place::Header(&signed)).map_err(denied)?;
        bytes += name.as_str().len() + value.len();
        if bytes > limits::HEADER_BYTES {
            return Err(wit::SendError::TooLarge);
        }
        let Ok(mut value) = HeaderValue::from_str(&value) else {
            return invalid(format!("the header `{name}` has a value that none may have"));
        };
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

fn denied(error: SecretError) -> wit::SendError {
    wit::SendError::Denied(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(plugin: &[&str], project: &[&str], private: bool) -> Reach {
        let owned = |list: &[&str]| list.iter().map(|host| (*host).to_owned()).collect();
        Reach { plugin: owned(plugin), project: owned(project), private }
    }

    fn verdict(reach: &Reach, url: &str) -> String {
        match reach.check(&Url::parse(url).unwrap()) {
            Ok(()) => "fine".to_owned(),
            Err(wit::SendError::Denied(reason)) => reason,
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn requests_go_where_both_plugin_and_project_say() {
        let crm = reach(&["api.crm.example", "*.crm.example"], &["api.crm.example", "eu.crm.example:8443"], false);
        for (url, expected) in [
            ("https://api.crm.example/v1", "fine"),
            ("https://API.crm.example:443/v1", "fine"),
            ("https://api.crm.example:8443/v1", "`api.crm.example:8443` is not among the hosts that the plugin names"),
            ("https://us.crm.example/v1", "`us.crm.example` is not in the destination's `allow`"),
            ("https://evil.example/api.crm.example", "`evil.example` is not among the hosts that the plugin names"),
            (
                "https://api.crm.example.evil.example/",
                "`api.crm.example.evil.example` is not among the hosts that the plugin names",
            ),
            ("https://xcrm.example/", "`xcrm.example` is not among the hosts that the plugin names"),
            ("http://api.crm.example/v1", "`api.crm.example` is called with http; only https is allowed"),
            ("ftp://api.crm.example/v1", "`ftp` is not https"),
            ("https://me@api.crm.example/", "the URL has a user name or password in it; send a header instead"),
        ] {
            assert_eq!(verdict(&crm, url), expected, "{url}");
        }
    }

    #[test]
    fn private_addresses_need_consent() {
        let addresses = ["127.0.0.1", "10.0.0.1:9000", "[::1]:9000", "::ffff:7f00:1", "localhost:9000", "8.8.8.8"];
        let public = reach(&["*"], &addresses, false);
        let private = reach(&["*"], &addresses, true);
        for url in [
            "https://127.0.0.1/",
            "https://10.0.0.1:9000/",
            "https://[::1]:9000/",
            "https://[::ffff:127.0.0.1]/",
            "https://2130706433/",
        ] {
            assert!(verdict(&public, url).ends_with("is a private address, and `allow_private` is not set"), "{url}");
            assert_eq!(verdict(&private, url), "fine", "{url}");
        }
        assert_eq!(verdict(&public, "https://8.8.8.8/"), "fine");
        // A name is judged when it is resolved.
        assert_eq!(verdict(&public, "https://localhost:9000/"), "fine");
        assert_eq!(verdict(&private, "http://localhost:9000/"), "fine");
    }

    #[test]
    fn a_secret_never_decides_where_a_request_goes() {
        let secrets = Secrets::new([("s".to_owned(), "@evil.example/".to_owned())]).unwrap();
        let reach = reach(&["*"], &["a.example"], false);
        let send = |url: &str| {
            let request =
                wit::Request { method: "GET".into(), url: url.into(), headers: vec![], body: vec![], fill_body: false };
            prepare(request, &reach, &secrets, Moment(0)).map(|prepared| prepared.url.to_string())
        };
        assert_eq!(send("https://a.example/x?k={{secret:s}}").unwrap(), "https://a.example/x?k=%40evil.example%2F");
        assert!(matches!(send("https://a.example{{secret:s}}"), Err(wit::SendError::Invalid(_))));
        assert!(matches!(
            send("https://{{secret:s}}a.example/"),
            Err(wit::SendError::Invalid(_) | wit::SendError::Denied(_))
        ));
    }

    #[test]
    fn people_cannot_ask_for_secrets_in_their_data() {
        let secrets = Secrets::new([("s".to_owned(), "hidden".to_owned())]).unwrap();
        let body = |fill_body| {
            let body = br#"{"name":"{{secret:s}}"}"#.to_vec();
            let headers = vec![("Content-Type".into(), "application/json".into())];
            let request =
                wit::Request { method: "POST".into(), url: "https://a.example/".into(), headers, body, fill_body };
            prepare(request, &reach(&["*"], &["*"], false), &secrets, Moment(0)).unwrap().body
        };
        assert_eq!(body(false), br#"{"name":"{{secret:s}}"}"#);
        assert_eq!(body(true), br#"{"name":"hidden"}"#);
    }

    #[test]
    fn malformed_requests_are_invalid() {
        let reach = reach(&["*"], &["*"], false);
        let request = |method: &str, name: &str, value: &str| {
            let headers = vec![(name.to_owned(), value.to_owned())];
            let request = wit::Request {
                method: method.into(),
                url: "https://a.example/".into(),
                headers,
                body: vec![],
                fill_body: false,
            };
            matches!(prepare(request, &reach, &Secrets::default(), Moment(0)), Err(wit::SendError::Invalid(_)))
        };
        assert!(!request("POST", "x-a", "b"));
        assert!(request("CONNECT", "x-a", "b"));
        assert!(request("POST", "Host", "b"));
        assert!(request("POST", "transfer-encoding", "chunked"));
        assert!(request("POST", "x a", "b"));
        assert!(request("POST", "x-a", "b\r\nx-b: c"));
    }

    #[test]
    fn sizes_hold_at_n_and_break_at_n_plus_1() {
        let reach = reach(&["*"], &["*"], false);
        let size = |bytes: usize| {
            let request = wit::Request {
                method: "POST".into(),
                url: "https://a.example/".into(),
                headers: vec![],
                body: vec![0; bytes],
                fill_body: false,
            };
            prepare(request, &reach, &Secrets::default(), Moment(0)).is_ok()
        };
        assert!(size(limits::BODY_BYTES));
        assert!(!size(limits::BODY_BYTES + 1));
    }
}
