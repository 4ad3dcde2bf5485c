//! A database in MaxMind's format, as small as a test needs it: networks of IPv4, and what is said of each.
//!
//! The format is <https://maxmind.github.io/MaxMind-DB/>: a binary tree of addresses, then records, then what the file is.

use serde_json::{Value as Json, json};
use std::net::Ipv4Addr;

/// Between the tree and the records.
const SEPARATOR: usize = 16;

/// Of a tree's node: where the next bit leads.
#[derive(Clone, Copy)]
enum Next {
    Nowhere,
    Node(usize),
    Record(usize),
}

/// The bytes of a database that says this of these networks, which are apart: (`203.0.113.0`, 24, `{"country": …}`).
///
/// # Panics
/// When an address is none.
#[must_use]
pub fn of(networks: &[(&str, u32, Json)]) -> Vec<u8> {
    let (mut nodes, mut records) = (vec![[Next::Nowhere; 2]], Vec::new());
    for (address, bits, record) in networks {
        let address = address.parse::<Ipv4Addr>().map_or_else(|_| unreadable(address), Ipv4Addr::to_bits);
        let bit = |place: u32| ((address >> (31 - place)) & 1) as usize;
        let mut node = 0;
        for place in 0..bits - 1 {
            node = match nodes[node][bit(place)] {
                Next::Node(next) => next,
                Next::Nowhere | Next::Record(_) => {
                    nodes.push([Next::Nowhere; 2]);
                    let next = nodes.len() - 1;
                    nodes[node][bit(place)] = Next::Node(next);
                    next
                }
            };
        }
        nodes[node][bit(bits - 1)] = Next::Record(records.len());
        encode(record, &mut records);
    }
    let mut file = Vec::new();
    for next in nodes.iter().flatten() {
        let value = match next {
            Next::Nowhere => nodes.len(),
            Next::Node(node) => *node,
            Next::Record(offset) => nodes.len() + SEPARATOR + offset,
        };
        file.extend_from_slice(&u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes());
    }
    file.extend_from_slice(&[0; SEPARATOR]);
    file.extend_from_slice(&records);
    file.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    // What the format calls a number is of one size only, key by key.
    let numbers = [
        ("binary_format_major_version", U16, 2),
        ("binary_format_minor_version", U16, 0),
        ("build_epoch", U64, 1_780_000_000),
        ("ip_version", U16, 4),
        ("node_count", U32, nodes.len() as u64),
        ("record_size", U16, 32),
    ];
    let about = [("database_type", json!("Test")), ("description", json!({})), ("languages", json!([]))];
    head(MAP, numbers.len() + about.len(), &mut file);
    for (key, (kind, bytes), value) in numbers {
        text(key, &mut file);
        head(kind, bytes, &mut file);
        file.extend_from_slice(&value.to_be_bytes()[8 - bytes..]);
    }
    for (key, value) in &about {
        text(key, &mut file);
        encode(value, &mut file);
    }
    file
}

#[expect(clippy::panic, reason = "a test without its data cannot go on")]
fn unreadable(address: &str) -> u32 {
    panic!("`{address}` is no address")
}

/// Kinds of values, and how many bytes the numbers among them take.
const U16: (u8, usize) = (5, 2);
const U32: (u8, usize) = (6, 4);
const U64: (u8, usize) = (9, 8);
const TEXT: u8 = 2;
const MAP: u8 = 7;
const LIST: u8 = 11;

/// What comes before a value.
///
/// # Panics
/// When it has more parts than a test needs.
fn head(kind: u8, size: usize, out: &mut Vec<u8>) {
    assert!(size < 29, "longer ones are written otherwise");
    let size = size as u8;
    if kind < 8 {
        out.push(kind << 5 | size);
    } else {
        out.extend_from_slice(&[size, kind - 7]);
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    head(TEXT, text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

/// Texts, maps and lists: what tests say of a network.
///
/// # Panics
/// When it is something else.
fn encode(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::Object(map) => {
            head(MAP, map.len(), out);
            for (key, value) in map {
                text(key, out);
                encode(value, out);
            }
        }
        Json::Array(items) => {
            head(LIST, items.len(), out);
            items.iter().for_each(|item| encode(item, out));
        }
        other => {
            assert!(other.is_string(), "{other} is no text");
            text(other.as_str().unwrap_or_default(), out);
        }
    }
}
