//! Values are made comparable: real forms of addresses, and what they become.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

use sonder_dsl::compile;
use sonder_dsl::source::{SourceFile, SourceSet};

/// What a value becomes by these steps; `None` where it identifies nobody.
fn normalized(steps: &str, value: &str) -> Option<String> {
    let file = |path: &str, text: String| SourceFile { path: path.to_owned(), text };
    let identity = format!("identifiers: {{email: {{normalize: {steps}}}}}");
    let files = vec![file("sonder.yaml", "name: shop".to_owned()), file("identity.yaml", identity)];
    let program = compile(SourceSet::new(files)).program.unwrap();
    program.identity.identifiers[0].normalized(value, &|_| None).map(|value| value.into_owned())
}

#[test]
fn an_address_is_in_lower_case_and_its_domain_as_dns_has_it() {
    for (written, expected) in [
        (" Ann.Lee+News@GoogleMail.com ", Some("ann.lee+news@googlemail.com")),
        ("ANN@SHOP.EXAMPLE", Some("ann@shop.example")),
        ("info@Bücher.example", Some("info@xn--bcher-kva.example")),
        ("info@BU\u{308}CHER.example", Some("info@xn--bcher-kva.example")),
        ("info@xn--bcher-kva.example", Some("info@xn--bcher-kva.example")),
        ("用户@例子.广告", Some("用户@xn--fsqu00a.xn--4rr70v")),
        ("JOSÉ@x.example", Some("josé@x.example")),
        ("jose\u{301}@x.example", Some("josé@x.example")),
        ("o'brien_1-2%x@sub.a_b.example", Some("o'brien_1-2%x@sub.a_b.example")),
        ("ann@localhost", Some("ann@localhost")),
        ("ann", None),
        ("ann@", None),
        ("@shop.example", None),
        (" @ ", None),
        ("ann@shop@example", None),
        ("ann@@shop.example", None),
        ("ann@shop.example, bob@shop.example", None),
        ("null", None),
    ] {
        assert_eq!(normalized("[email]", written).as_deref(), expected, "{written:?}");
    }
    let long = format!("{}@shop.example", "a".repeat(100_000));
    assert_eq!(normalized("[email]", &long), None);
}

#[test]
fn a_tag_is_what_follows_a_plus_before_the_at() {
    for (written, expected) in [
        ("ann+news@shop.example", "ann@shop.example"),
        ("ann+a+b@shop.example", "ann@shop.example"),
        ("ann+@shop.example", "ann@shop.example"),
        ("ann@shop.example", "ann@shop.example"),
        ("ann@shop+news.example", "ann@shop+news.example"),
        // Nobody else may be behind all addresses of a domain.
        ("+news@shop.example", "+news@shop.example"),
        ("+31612345678", "+31612345678"),
    ] {
        assert_eq!(normalized("[drop_tag]", written).as_deref(), Some(expected), "{written:?}");
    }
}

#[test]
fn dots_and_tags_make_no_difference_at_gmail() {
    for (written, expected) in [
        ("Ann.Lee+news@GoogleMail.com", Some("annlee@gmail.com")),
        ("a.n.n.l.e.e@gmail.com", Some("annlee@gmail.com")),
        ("annlee@gmail.com ", Some("annlee@gmail.com")),
        ("Ann.Lee+News@Shop.example", Some("ann.lee+news@shop.example")),
        ("ann.lee@gmail.com.example", Some("ann.lee@gmail.com.example")),
        ("ann.lee@notgmail.com", Some("ann.lee@notgmail.com")),
        ("..+x@gmail.com", None),
    ] {
        assert_eq!(normalized("[email, gmail]", written).as_deref(), expected, "{written:?}");
    }
    assert_eq!(normalized("[gmail]", "no address").as_deref(), Some("no address"));
    let all = normalized("[email, gmail, drop_tag]", "Ann.Lee+x@Shop.example");
    assert_eq!(all.as_deref(), Some("ann.lee@shop.example"));
}

#[test]
fn what_looks_the_same_is_the_same() {
    for steps in ["[trim]", "[lowercase]"] {
        assert_eq!(normalized(steps, "zoe\u{308}"), normalized(steps, "zoë"));
        assert_eq!(normalized(steps, "zoe\u{308}").as_deref(), Some("zoë"));
        assert_eq!(normalized(steps, "plain").as_deref(), Some("plain"));
    }
    assert_eq!(normalized("[]", "zoe\u{308}").as_deref(), Some("zoe\u{308}"));
}
