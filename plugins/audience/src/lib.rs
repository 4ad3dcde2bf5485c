//! Members of ad audiences: identifiers as ad services want them hashed, and who comes and goes in a batch.

use serde_json::Value;
use sha2::{Digest, Sha256};
use sonder_plugin::{Entry, Item, ItemKind, Outcome};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The lower-case hex of the SHA-256.
#[must_use]
pub fn hashed(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// An address without white space, in lower case; nothing where it is none.
#[must_use]
pub fn email(text: &str) -> Option<String> {
    let address: String = text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    let (name, domain) = address.split_once('@')?;
    (!name.is_empty() && domain.contains('.')).then_some(address)
}

/// The digits of an international number (E.164), country code first; nothing where it is none.
#[must_use]
pub fn phone(text: &str) -> Option<String> {
    let rest = text.trim().strip_prefix('+')?;
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let odd = rest.chars().any(|c| !c.is_ascii_digit() && !" -().".contains(c));
    (!odd && (8..=15).contains(&digits.len()) && !digits.starts_with('0')).then_some(digits)
}

/// Whether people come or go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// They leave the audience.
    Remove,
    /// They come into it.
    Add,
}

/// People who come into one audience, or leave it.
#[derive(Clone, Debug)]
pub struct Group {
    /// The service's id of the audience.
    pub audience: String,
    /// Which of the two.
    pub change: Change,
    /// Them.
    pub entries: Vec<Entry>,
}

/// Who comes and goes, by audience. `audiences` has the service's ids by segment; `member` says who somebody is to the
/// service. Of several changes of one person in one audience the last one counts; erasure takes people out of all of
/// them. Items that need no call have their outcome at once.
pub fn groups(
    items: &[Item],
    audiences: &BTreeMap<String, String>,
    member: impl Fn(&Item) -> Option<Value>,
    outcomes: &mut [Outcome],
) -> Vec<Group> {
    // By audience and member: the change that counts, and the items that it stands for.
    let mut changes: BTreeMap<(String, String), (Change, Value, Vec<usize>)> = BTreeMap::new();
    for ((place, item), outcome) in items.iter().enumerate().zip(outcomes.iter_mut()) {
        let (change, concerned) = match (item.kind, audiences.get(&item.name)) {
            (ItemKind::Erase, _) => (Change::Remove, audiences.values().collect::<Vec<_>>()),
            (ItemKind::SegmentEntered, Some(audience)) => (Change::Add, vec![audience]),
            (ItemKind::SegmentLeft, Some(audience)) => (Change::Remove, vec![audience]),
            _ => {
                *outcome = Outcome::Rejected(format!("there is no audience for the segment `{}`", item.name));
                continue;
            }
        };
        *outcome = Outcome::Delivered;
        let Some(member) = member(item) else {
            // Whom the service could not be told of, it does not have.
            if change == Change::Add {
                *outcome = Outcome::Rejected("neither an e-mail address nor a phone number is known".to_owned());
            }
            continue;
        };
        for audience in concerned {
            let key = (audience.clone(), member.to_string());
            let known = changes.entry(key).or_insert_with(|| (change, member.clone(), Vec::new()));
            known.0 = change;
            known.2.push(place);
        }
    }
    let mut groups: BTreeMap<(String, Change), Vec<Entry>> = BTreeMap::new();
    for ((audience, _), (change, body, items)) in changes {
        groups.entry((audience, change)).or_default().push(Entry { items, body });
    }
    groups.into_iter().map(|((audience, change), entries)| Group { audience, change, entries }).collect()
}

/// Delivers group by group; `send` writes a group's outcomes. An item that stands in several groups (an erasure) is
/// delivered when it is in all of them.
pub fn deliver(groups: &[Group], outcomes: &mut [Outcome], send: impl Fn(&Group, &mut [Outcome])) {
    for group in groups {
        let mut own = vec![Outcome::Delivered; outcomes.len()];
        send(group, &mut own);
        for (outcome, own) in outcomes.iter_mut().zip(own) {
            if matches!(outcome, Outcome::Delivered) {
                *outcome = own;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};
    use sonder_plugin::Identifier;

    #[test]
    fn identifiers_are_as_the_services_want_them() {
        assert_eq!(email(" Dana@Example.COM ").as_deref(), Some("dana@example.com"));
        assert_eq!(email("dana"), None);
        assert_eq!(email("@example.com"), None);
        assert_eq!(phone("+1 (650) 555-0100").as_deref(), Some("16505550100"));
        assert_eq!(phone("650 555 0100"), None, "without a country code nobody knows where it is");
        assert_eq!(phone("+1 650 CALL ME"), None);
        // The example of FIPS 180-2.
        assert_eq!(hashed("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    fn item(kind: ItemKind, segment: &str, who: &str) -> Item {
        Item {
            id: String::new(),
            kind,
            name: segment.to_owned(),
            person: vec![Identifier { kind: "email".to_owned(), value: who.to_owned() }],
            payload: Map::new(),
            attempt: 1,
        }
    }

    #[test]
    fn the_last_change_of_a_person_counts_and_stands_for_all() {
        let audiences = BTreeMap::from([("vip".to_owned(), "1".to_owned()), ("new".to_owned(), "2".to_owned())]);
        let items = [
            item(ItemKind::SegmentEntered, "vip", "ann"),
            item(ItemKind::SegmentLeft, "vip", "ann"),
            item(ItemKind::SegmentEntered, "vip", "bob"),
            item(ItemKind::Erase, "", "bob"),
            item(ItemKind::SegmentEntered, "other", "bob"),
            item(ItemKind::SegmentEntered, "vip", ""),
            item(ItemKind::SegmentLeft, "vip", ""),
        ];
        let mut outcomes = vec![Outcome::RetryAfter(9); items.len()];
        let member = |item: &Item| item.identifier("email").filter(|who| !who.is_empty()).map(|who| json!(who));
        let groups = groups(&items, &audiences, member, &mut outcomes);
        let told: Vec<_> = groups
            .iter()
            .flat_map(|group| group.entries.iter().map(|it| (&*group.audience, group.change, &it.body, &it.items[..])))
            .collect();
        let (ann, bob) = (json!("ann"), json!("bob"));
        assert_eq!(
            told,
            [
                ("1", Change::Remove, &ann, &[0, 1][..]),
                ("1", Change::Remove, &bob, &[2, 3]),
                ("2", Change::Remove, &bob, &[3])
            ]
        );
        assert!(matches!(
            outcomes[..],
            [
                Outcome::Delivered,
                Outcome::Delivered,
                Outcome::Delivered,
                Outcome::Delivered,
                Outcome::Rejected(_),
                Outcome::Rejected(_),
                Outcome::Delivered,
            ]
        ));
        // An erasure that one of two audiences did not take is not delivered.
        deliver(&groups, &mut outcomes, |group, own| {
            if group.audience == "2" {
                own[3] = Outcome::RetryAfter(0);
            }
        });
        assert!(matches!(outcomes[2..4], [Outcome::Delivered, Outcome::RetryAfter(0)]));
    }
}
