//! The client's IP address, `context.ip`: where it is, and how much of it is kept.
//!
//! Both are settled before anything else sees the message: what the log, a quarantine and destinations have is what is kept.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use serde_json::{Map, Value as Json};
use sonder_dsl::ir::{Program, SourceId};
use sonder_dsl::model::IpRule;

/// Where an address is, as far as somebody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The country, by ISO 3166-1: `NL`.
    pub country: Option<String>,
    /// Its region, by ISO 3166-2: `US-CA`.
    pub region: Option<String>,
    /// The city, in English.
    pub city: Option<String>,
    /// The continent, by GeoNames' code: `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`.
    pub continent: Option<String>,
}

/// Knows where addresses are.
pub trait GeoIp: Send + Sync + 'static {
    /// Where an address is; `None` where nobody knows.
    fn place(&self, address: IpAddr) -> Option<Place>;
}

/// What becomes of the addresses of a source's messages.
#[derive(Clone, Copy, Default)]
pub struct Addresses<'a> {
    /// How much is kept of them.
    pub rule: IpRule,
    /// What knows where they are. Not for history: an address is somebody else's by now.
    pub geoip: Option<&'a dyn GeoIp>,
}

impl<'a> Addresses<'a> {
    /// Of a source's messages; those of a source that is no more are truncated.
    #[must_use]
    pub fn of(program: &Program, source: SourceId, geoip: Option<&'a dyn GeoIp>) -> Self {
        let rule = program.sources.get(source.index()).map(|source| source.ip);
        Self { rule: rule.unwrap_or_default(), geoip }
    }
}

/// What somebody sends who wants no address on record, as Segment's clients do.
pub(super) fn is_withheld(context: &Map<String, Json>) -> bool {
    matches!(context.get("ip"), Some(Json::String(ip)) if ip == "0.0.0.0")
}

/// Says in `context.geo` where the address is, and keeps as much of it as the rule says. Where the collector saw the address
/// for itself, nobody else has a say in where that is. Says whether anything is other than it was.
pub(super) fn settle(context: &mut Map<String, Json>, is_observed: bool, addresses: &Addresses<'_>) -> bool {
    let sent = match context.get("ip") {
        None | Some(Json::Null) => return false,
        Some(sent) => sent.as_str(),
    };
    let address = sent.and_then(parse);
    let located = addresses.geoip.filter(|_| is_observed || !context.contains_key("geo"));
    let kept = match (addresses.rule, address) {
        (IpRule::Keep, _) => sent.map(str::to_owned),
        (IpRule::Truncate, Some(address)) => Some(truncated(address).to_string()),
        (IpRule::Truncate, None) | (IpRule::Drop, _) => None,
    };
    let mut changed = kept.as_deref() != sent;
    match kept {
        Some(kept) if changed => drop(context.insert("ip".to_owned(), Json::String(kept))),
        Some(_) => {}
        None => drop(context.shift_remove("ip")),
    }
    if let Some(geoip) = located {
        changed |= context.shift_remove("geo").is_some();
        let known = address.filter(|address| !address.is_unspecified()).and_then(|address| geoip.place(address));
        if let Some(place) = known {
            context.insert("geo".to_owned(), json(place));
            changed = true;
        }
    }
    changed
}

fn json(place: Place) -> Json {
    let Place { country, region, city, continent } = place;
    let named = [("country", country), ("region", region), ("city", city), ("continent", continent)];
    Json::Object(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect())
}

/// An address as clients and proxies write it: also with a port, or as the first of those that it came through.
fn parse(text: &str) -> Option<IpAddr> {
    let first = text.split(',').next().unwrap_or_default().trim();
    let address = first.parse().ok().or_else(|| Some(first.parse::<core::net::SocketAddr>().ok()?.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

/// The network of an address: 24 bits of IPv4 and 48 of IPv6, which is what web analytics take for anonymous.
fn truncated(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0xff).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (!0 << 80)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Knows one network of each kind.
    struct Known;

    impl GeoIp for Known {
        fn place(&self, address: IpAddr) -> Option<Place> {
            let text = |text: &str| Some(text.to_owned());
            match address.to_string().as_str() {
                "203.0.113.9" => Some(Place { country: text("NL"), continent: text("EU"), ..Place::default() }),
                "2001:db8:1:2::3" => Some(Place { country: text("US"), region: text("US-CA"), ..Place::default() }),
                "0.0.0.0" => panic!("it is nowhere"),
                _ => None,
            }
        }
    }

    fn settled(context: Json, is_observed: bool, rule: IpRule, geoip: Option<&dyn GeoIp>) -> (Json, bool) {
        let Json::Object(mut context) = context else { panic!("no object") };
        let changed = settle(&mut context, is_observed, &Addresses { rule, geoip });
        (Json::Object(context), changed)
    }

    #[test]
    fn as_much_is_kept_as_the_rule_says() {
        let kept = |ip: Json, rule| settled(json!({"ip": ip}), false, rule, None).0.get("ip").cloned();
        for (sent, network) in [
            ("203.0.113.9", "203.0.113.0"),
            ("203.0.113.0", "203.0.113.0"),
            (" 203.0.113.9:8443", "203.0.113.0"),
            ("203.0.113.9, 10.0.0.1", "203.0.113.0"),
            ("::ffff:203.0.113.9", "203.0.113.0"),
            ("2001:db8:1:2::3", "2001:db8:1::"),
            ("[2001:db8:1:2::3]:443", "2001:db8:1::"),
        ] {
            assert_eq!(kept(json!(sent), IpRule::Truncate), Some(json!(network)), "{sent}");
            assert_eq!(kept(json!(sent), IpRule::Keep), Some(json!(sent)));
            assert_eq!(kept(json!(sent), IpRule::Drop), None);
        }
        for none in [json!("ann's laptop"), json!(""), json!(3_405_803_785_u64), json!({"v4": "203.0.113.9"})] {
            assert_eq!(kept(none.clone(), IpRule::Truncate), None, "{none}");
        }
        assert_eq!(kept(Json::Null, IpRule::Drop), Some(Json::Null));
    }

    #[test]
    fn what_stays_the_same_is_not_written_again() {
        for (context, rule) in [
            (json!({"ip": "203.0.113.0"}), IpRule::Truncate),
            (json!({"ip": "203.0.113.9"}), IpRule::Keep),
            (json!({"ip": null}), IpRule::Drop),
            (json!({"locale": "nl"}), IpRule::Drop),
        ] {
            assert_eq!(settled(context.clone(), false, rule, Some(&Nowhere)), (context, false));
        }
    }

    struct Nowhere;

    impl GeoIp for Nowhere {
        fn place(&self, _: IpAddr) -> Option<Place> {
            None
        }
    }

    #[test]
    fn the_place_is_that_of_the_whole_address() {
        let geo = |context: Json, is_observed| {
            settled(context, is_observed, IpRule::Truncate, Some(&Known)).0.get("geo").cloned()
        };
        let (nl, us) = (json!({"country": "NL", "continent": "EU"}), json!({"country": "US", "region": "US-CA"}));
        assert_eq!(geo(json!({"ip": "203.0.113.9"}), true), Some(nl.clone()));
        assert_eq!(geo(json!({"ip": "2001:db8:1:2::3"}), false), Some(us));
        assert_eq!(geo(json!({"ip": "203.0.113.10"}), false), None);
        assert_eq!(geo(json!({"ip": "0.0.0.0"}), true), None);
        // A server may know better; a page has no say.
        let said = json!({"country": "BE"});
        assert_eq!(geo(json!({"ip": "203.0.113.9", "geo": said}), false), Some(said.clone()));
        assert_eq!(geo(json!({"ip": "203.0.113.9", "geo": said}), true), Some(nl));
        assert_eq!(geo(json!({"ip": "203.0.113.10", "geo": said}), true), None);
    }

    proptest! {
        #[test]
        fn a_network_is_kept_as_it_is(bits: u128, is_v4: bool) {
            let address: IpAddr = if is_v4 {
                Ipv4Addr::from_bits((bits & u128::from(u32::MAX)) as u32).into()
            } else {
                Ipv6Addr::from_bits(bits).into()
            };
            let once = truncated(address);
            prop_assert_eq!(truncated(once), once);
            prop_assert_eq!(parse(&once.to_string()).map(truncated), Some(truncated(once.to_canonical())));
        }
    }
}
