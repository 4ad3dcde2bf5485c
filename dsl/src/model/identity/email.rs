//! The forms of an e-mail address: what makes two of them one mailbox.

use super::normalizer::composed;
use std::borrow::Cow;

/// In lower case, the domain as DNS has it (`bücher.example` is `xn--bcher-kva.example`). `None` of what is no address: it
/// has not exactly one `@`, or nothing before or behind it.
pub(super) fn plain(value: &str) -> Option<String> {
    let (local, domain) = parts(value)?;
    let local = composed(Cow::Owned(local.to_lowercase()));
    // What is no name of a host stays what it is: it is still whoever has it.
    let domain =
        idna::domain_to_ascii(domain).ok().filter(|it| !it.is_empty()).unwrap_or_else(|| domain.to_lowercase());
    Some(format!("{local}@{domain}"))
}

/// Without the tag: `ann+news@shop.example` goes to `ann@shop.example`. What has nothing else before the `@` keeps it.
pub(super) fn without_tag(value: &str) -> Option<String> {
    let (local, domain) = value.rsplit_once('@')?;
    let (name, _) = local.split_once('+').filter(|(name, _)| !name.trim().is_empty())?;
    Some(format!("{name}@{domain}"))
}

/// What Gmail makes of an address; see [`of_gmail`].
pub(super) enum Gmail {
    /// It is not at Gmail.
    Elsewhere,
    /// Nobody can have it.
    Nobody,
    /// The mailbox.
    Mailbox(String),
}

/// At Gmail dots make no difference, tags do not either, and `googlemail.com` is `gmail.com`.
pub(super) fn of_gmail(value: &str) -> Gmail {
    let is_gmail = |domain: &str| ["gmail.com", "googlemail.com"].iter().any(|it| domain.eq_ignore_ascii_case(it));
    let Some((local, _)) = value.rsplit_once('@').filter(|(_, domain)| is_gmail(domain.trim_end())) else {
        return Gmail::Elsewhere;
    };
    let name = local.split_once('+').map_or(local, |(name, _)| name).replace('.', "");
    if name.trim().is_empty() { Gmail::Nobody } else { Gmail::Mailbox(format!("{name}@gmail.com")) }
}

/// What stands before and behind the only `@`.
fn parts(value: &str) -> Option<(&str, &str)> {
    let (local, domain) = value.trim().split_once('@')?;
    let is_address = !local.trim().is_empty() && !domain.trim().is_empty() && !domain.contains('@');
    is_address.then_some((local, domain))
}
