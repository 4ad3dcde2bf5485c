//! Who sent it: the peer, or whoever a trusted proxy says it forwards for.

use axum::http::HeaderMap;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of addresses: `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: u128,
    /// How many leading bits count, of the 128 of an IPv6 address; IPv4 addresses are mapped into those.
    bits: u32,
}

/// A text that is no range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no range of addresses such as `10.0.0.0/8`")]
pub struct InvalidNetwork(String);

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || InvalidNetwork(text.to_owned());
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let size = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(size), str::parse).map_err(|_| invalid())?;
        if length > size {
            return Err(invalid());
        }
        Ok(Self { address: mapped(address), bits: 128 - size + length })
    }
}

impl Network {
    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let mask = if self.bits == 0 { 0 } else { u128::MAX << (128 - self.bits) };
        (mapped(address) & mask) == (self.address & mask)
    }
}

/// The address that a request comes from: the last of `X-Forwarded-For` that no trusted proxy is.
pub(crate) fn of_client(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[Network]) -> Option<IpAddr> {
    let peer = peer?.to_canonical();
    if !is_trusted(peer, trusted) {
        return Some(peer);
    }
    let mut client = peer;
    for line in headers.get_all("x-forwarded-for").iter().rev() {
        for hop in line.to_str().unwrap_or_default().rsplit(',') {
            let Some(address) = hop_address(hop.trim()) else { return Some(client) };
            client = address;
            if !is_trusted(client, trusted) {
                return Some(client);
            }
        }
    }
    Some(client)
}

/// Whether an address is a proxy's of ours.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// Some proxies write the port too.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let address = hop.parse().ok().or_else(|| hop.parse().ok().map(|socket: std::net::SocketAddr| socket.ip()))?;
    Some(address.to_canonical())
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        of_client(Some(peer.parse().unwrap()), &headers, &trusted).unwrap().to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client("192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
        assert_eq!(client("10.1.2.3", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("::ffff:10.1.2.3", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            client("10.1.2.3", &["6.6.6.6, 198.51.100.1, 10.9.9.9"]),
            "198.51.100.1",
            "what comes first is the client's word"
        );
        assert_eq!(client("2001:db8::1", &["6.6.6.6", "198.51.100.1:1234"]), "198.51.100.1");
        assert_eq!(client("10.1.2.3", &["198.51.100.1, nonsense"]), "10.1.2.3");
        assert_eq!(client("10.1.2.3", &[]), "10.1.2.3");
    }

    #[test]
    fn networks_are_checked() {
        for text in ["10.0.0.0/33", "::/129", "10.0.0/8", "x", "10.0.0.0/", ""] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("1.2.3.4".parse().unwrap()));
        assert!(!"0.0.0.0/0".parse::<Network>().unwrap().contains("2001::1".parse().unwrap()));
    }
}
