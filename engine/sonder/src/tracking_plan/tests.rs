//! The site as a whole: what its pages say, that links lead somewhere, that nothing a project says becomes markup.

use super::{Page, site};
use sonder_dsl::ir::Program;
use sonder_dsl::source::{SourceFile, SourceSet};
use std::collections::BTreeSet;
use std::sync::Arc;

fn program(files: &[(&str, &str)]) -> Arc<Program> {
    let files = files.iter().map(|(path, text)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() });
    let compilation = sonder_dsl::compile(SourceSet::new(files.collect()));
    compilation.program.ok_or(compilation.diagnostics).unwrap()
}

const SHOP: &[(&str, &str)] = &[
    ("sonder.yaml", "name: shop"),
    ("consent.yaml", "purposes: {marketing: {description: Letters about what you liked}}"),
    ("sources/web.yaml", "source: web\nkind: browser\nwrite_keys: [wk_shop_web]\norigins: [\"https://shop.example\"]"),
    (
        "events/order.yaml",
        "event: order\ntitle: Order\ndescription: Paid for.\nowner: checkout\nversion: 2-0-1\naliases: [purchase]\npurposes: [marketing]\n\
         required: [total]\non_violation: strip\nproperties:\n  total: {type: number, multipleOf: 0.01, minimum: 0, examples: [12.5]}\n  \
         currency: {type: string, enum: [EUR, USD]}\n  email: {type: string, format: email, pii: contact, identifier: email}\n  \
         country: {type: string, description: Where it goes}\n  ship: {type: object, properties: {zip: {type: string}}}\n",
    ),
    ("events/view.yaml", "event: view\nproperties: {product: {type: string}}"),
    ("events/unread.yaml", "event: unread"),
    (
        "identity.yaml",
        "identifiers: {user_id: {unique: true}, email: {limit: {count: 5, per: 30d}, at_most: {user_id: 1}}, anonymous_id: {}}",
    ),
    (
        "profile.yaml",
        "traits:\n  country: {type: string, from: [properties.country], purposes: [marketing]}\n  \
         name: {type: string, pii: personal, description: What we call them}\n  keen: {type: boolean}\n",
    ),
    (
        "rules/r.sonder",
        "trait spent \"All of it\" = sum(order.total)\n\
         segment big \"Spent much\" {\n  purpose marketing\n  when spent > 100\n    and did(order where ship.zip == \"1\")\n}\n\
         journey win_back {\n  enter on view as v\n  goal order where currency == \"EUR\"\n  wait 1d\n  set trait keen = true\n}\n\
         funnel way { view then order where total > 3\n within 7d }\n",
    ),
    (
        "destinations/crm.yaml",
        "destination: crm\nplugin: sonder/webhook@1\nallow: [crm.example]\nsecrets: {signing_key: {env: CRM_KEY}}\nconfig: {url: https://crm.example/in}\n\
         purposes: [marketing]\nreceives: {segments: [big], traits: [name], events: [order], identifiers: [email]}",
    ),
];

fn page<'p>(pages: &'p [Page], path: &str) -> &'p str {
    &pages.iter().find(|page| page.path == path).unwrap().html
}

/// Without the parts that all pages have.
fn own(html: &str) -> &str {
    let begin = html.find("<main").unwrap();
    &html[begin..html.find("<footer").unwrap()]
}

#[test]
fn an_event_has_a_page_that_says_what_it_is_who_reads_it_and_where_it_goes() {
    let pages = site(&program(SHOP));
    insta::assert_snapshot!(own(page(&pages, "events/order.html")));
    let unread = own(page(&pages, "events/unread.html"));
    assert!(unread.contains("Nobody: no rule") && unread.contains("To no destination"), "{unread}");
}

#[test]
fn the_other_pages_say_what_is_known_made_sent_and_personal() {
    let pages = site(&program(SHOP));
    for path in ["index.html", "people.html", "rules.html", "destinations.html", "privacy.html"] {
        insta::assert_snapshot!(path, own(page(&pages, path)));
    }
}

#[test]
fn regions_and_transfers_stand_with_each_destination() {
    let regions = "name: shop\nresidency:\n  default: eu\n  regions:\n    eu: {countries: [DE], url: https://eu.example}\n    \
                   us: {countries: [US], url: https://us.example}\n";
    let files = SHOP.iter().map(|(path, text)| match *path {
        "sonder.yaml" => (*path, regions.to_owned()),
        "destinations/crm.yaml" => (*path, format!("{text}\nregion: us\ntransfers: {{eu: SCC <2021/914>}}")),
        _ => (*path, (*text).to_owned()),
    });
    let files: Vec<_> = files.collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let pages = site(&program(&files));
    let html = own(page(&pages, "destinations.html"));
    assert!(html.contains("<dt>is in</dt><dd><code>us</code></dd>"), "{html}");
    assert!(html.contains("<dt>also hears of people of</dt><dd><code>eu</code>: SCC &lt;2021/914&gt;</dd>"), "{html}");
}

#[test]
fn keys_secrets_and_configurations_are_not_shown() {
    for page in site(&program(SHOP)) {
        for secret in ["wk_shop_web", "CRM_KEY", "signing_key", "crm.example/in"] {
            assert!(!page.html.contains(secret), "{} shows {secret}", page.path);
        }
    }
}

#[test]
fn every_link_leads_somewhere_and_nothing_is_fetched_from_elsewhere() {
    let pages = site(&program(SHOP));
    let ids = |html: &str| attributes(html, "id");
    let mut links = 0;
    for page in &pages {
        for attribute in ["src", "srcset", "data"] {
            assert_eq!(attributes(&page.html, attribute), BTreeSet::new(), "{}", page.path);
        }
        assert!(!page.html.contains("@import") && !page.html.contains("url("), "{}", page.path);
        for link in attributes(&page.html, "href").into_iter().chain(attributes(&page.html, "action")) {
            links += 1;
            let (file, place) = link.split_once('#').unwrap_or((&link, ""));
            let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let target = match (file, file.strip_prefix("../")) {
                ("", _) => page.path.clone(),
                (_, Some(up)) => up.to_owned(),
                (file, None) if folder.is_empty() => file.to_owned(),
                (file, None) => format!("{folder}/{file}"),
            };
            let found = pages.iter().find(|other| other.path == target);
            let found = found.unwrap_or_else(|| panic!("{}: {link} leads to no page", page.path));
            assert!(place.is_empty() || ids(&found.html).contains(place), "{}: {link} leads to no place", page.path);
        }
    }
    assert!(links > 100, "{links} links are too few to believe in this test");
}

#[test]
fn pages_are_sound_and_the_same_every_time() {
    let pages = site(&program(SHOP));
    assert_eq!(pages, site(&program(SHOP)));
    pages.iter().for_each(assert_sound);
}

#[test]
fn what_a_project_says_is_never_markup() {
    // Names can't hold any of this; every other text of a project is here.
    const EVIL: &str = r#"</code></script><script>alert(1)</script>'\"&"#;
    let yaml = format!("\"{}\"", EVIL.replace('"', "\\\"").replace("\\\\\"", "\\\\\\\""));
    let event = format!(
        "event: e\ntitle: {yaml}\ndescription: {yaml}\nowner: {yaml}\naliases: [{yaml}]\nproperties:\n  {yaml}: {{type: string, \
         description: {yaml}, enum: [{yaml}], examples: [{yaml}], default: {yaml}}}\n"
    );
    let profile = format!("traits: {{t: {{type: string, description: {yaml}, enum: [{yaml}]}}}}");
    let rules = format!(
        "segment s {0} {{ when did(e) }}\njourney j {0} {{ enter on e\n exit }}",
        r#""</pre><script>alert(1)</script>'&""#
    );
    let consent = format!("purposes: {{p: {{description: {yaml}}}}}");
    let source = format!("source: s\nkind: server\ndescription: {yaml}");
    let pages = site(&program(&[
        ("sonder.yaml", "name: x"),
        ("events/e.yaml", &event),
        ("profile.yaml", &profile),
        ("rules/r.sonder", &rules),
        ("consent.yaml", &consent),
        ("sources/s.yaml", &source),
    ]));
    for page in &pages {
        assert!(!page.html.contains("<script>alert"), "{}", page.path);
        assert_sound(page);
    }
    assert!(page(&pages, "events/e.html").contains("&lt;script&gt;alert(1)&lt;/script&gt;&#39;"));
}

/// Tags are closed in the order in which they were opened, ids are there once, and headings leave out no level.
fn assert_sound(page: &Page) {
    const VOID: [&str; 4] = ["meta", "input", "br", "link"];
    let (mut open, mut ids, mut level) = (Vec::new(), BTreeSet::new(), 0);
    let mut rest = page.html.as_str();
    while let Some(begin) = rest.find('<') {
        rest = &rest[begin + 1..];
        if rest.starts_with('!') {
            continue;
        }
        let end = rest.find('>').unwrap();
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{}: before {}", page.path, rest.get(..80).unwrap_or(rest));
            continue;
        }
        if !VOID.contains(&name) {
            open.push(name);
        }
        if let Some(id) = attributes(&format!("<{tag}>"), "id").into_iter().next() {
            assert!(ids.insert(id.clone()), "{}: the id {id} is there twice", page.path);
        }
        if let Some(number) = name.strip_prefix('h').and_then(|number| number.parse::<u8>().ok()) {
            assert!(number <= level + 1, "{}: h{number} after h{level}", page.path);
            level = number;
        }
        // What is inside these is no HTML.
        if matches!(name, "script" | "style") {
            rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
        }
    }
    assert_eq!(open, [""; 0], "{}", page.path);
}

fn attributes(html: &str, name: &str) -> BTreeSet<String> {
    let quoted = format!(" {name}=\"");
    html.match_indices(&quoted).map(|(at, _)| html[at + quoted.len()..].split('"').next().unwrap().to_owned()).collect()
}
