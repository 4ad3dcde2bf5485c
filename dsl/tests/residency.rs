//! Regions: what says where people belong, and what is refused because it would cross.

#![expect(clippy::expect_used, reason = "what a test cannot go on without fails it")]

use sonder_dsl::ir::Program;
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::{Compilation, compile, plan};
use std::sync::Arc;

const SETTINGS: &str = "name: shop
residency:
  default: eu
  regions:
    eu: {regimes: [gdpr], url: https://eu.example}
    us: {countries: [us], url: https://us.example}
    ca: {regimes: [quebec], countries: [MX], url: https://ca.example}
";

const HOOK: &str = "destination: hook\nplugin: sonder/webhook@1\nallow: [x.example]\n";

fn compiled(files: &[(&str, &str)]) -> Compilation {
    let given = |path: &str| files.iter().any(|(other, _)| *other == path);
    let usual = [("sonder.yaml", SETTINGS), ("events/order.yaml", "event: order")];
    let all = usual.iter().filter(|(path, _)| !given(path)).chain(files);
    let file = |(path, text): &(&str, &str)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() };
    compile(SourceSet::new(all.map(file).collect()))
}

fn said(files: &[(&str, &str)]) -> Vec<String> {
    compiled(files).diagnostics.iter().map(|found| format!("{} {}", found.code, found.message)).collect()
}

fn program(files: &[(&str, &str)]) -> Arc<Program> {
    let compilation = compiled(files);
    compilation.program.ok_or(compilation.diagnostics).expect("a project without errors")
}

#[test]
fn a_place_belongs_to_the_region_that_has_it_or_its_country() {
    let program = program(&[]);
    let residency = program.settings.residency.as_ref().expect("regions");
    for (place, region) in [
        ("NL", Some("eu")),
        ("nl", Some("eu")),
        ("DE-BY", Some("eu")),
        ("US", Some("us")),
        ("US-CA", Some("us")),
        ("CA-QC", Some("ca")),
        ("mx", Some("ca")),
        ("CA", None),
        ("BR", None),
        ("", None),
    ] {
        assert_eq!(residency.region_with(place), region, "{place}");
        assert_eq!(residency.region_at(Some(place)), region.or(Some("eu")), "{place}");
    }
    assert_eq!(residency.region_at(None), Some("eu"));
}

#[test]
fn what_makes_no_regions_is_refused() {
    let of = |residency: &str| said(&[("sonder.yaml", &format!("name: shop\nresidency:\n{residency}"))]);
    let eu = "  regions:\n    eu: {countries: [DE], url: https://eu.example}\n";
    assert_eq!(of(eu), [""; 0]);
    assert_eq!(of("  regions: {}\n"), ["E0405 `residency` names no region"]);
    assert_eq!(of(&format!("{eu}  default: us\n")), ["E0438 there is no region `us`"]);
    assert_eq!(
        of("  regions: {eu: {regimes: [gdpt], url: https://eu.example}}\n"),
        ["E0405 there is no regime `gdpt`"]
    );
    assert_eq!(
        of("  regions: {eu: {countries: [DE], url: 'https://*.eu.example'}}\n"),
        ["E0405 `https://*.eu.example` is not one address"]
    );
    assert_eq!(
        of(&format!("{eu}    us: {{countries: [US, de], url: https://us.example}}\n")),
        ["E0424 `DE` is in `eu` and in `us`"]
    );
    // The same region may say it twice.
    assert_eq!(of("  regions: {eu: {countries: [DE, de], regimes: [gdpr], url: https://eu.example}}\n"), [""; 0]);
}

#[test]
fn destinations_and_sources_name_regions_that_there_are() {
    let of = |more: &str| said(&[("destinations/hook.yaml", &format!("{HOOK}{more}"))]);
    for sound in ["region: eu", "regions: [eu, us]", "region: us\ntransfers: {eu: SCC}"] {
        assert_eq!(of(sound), [""; 0], "{sound}");
    }
    assert_eq!(of(""), ["E0514 `hook` does not say in which region it is"]);
    assert_eq!(of("region: mars"), ["E0438 there is no region `mars`"]);
    assert_eq!(of("regions: [eu, mars]"), ["E0438 there is no region `mars`"]);
    assert_eq!(of("regions: [eu, eu]"), ["E0421 `eu` is in `regions` twice"]);
    assert_eq!(of("region: eu\ntransfers: {mars: SCC}"), ["E0438 there is no region `mars`"]);
    assert_eq!(of("region: eu\ntransfers: {eu: SCC}"), ["E0405 `hook` is in `eu` itself"]);
    assert_eq!(of("region: eu\nregions: [us]"), ["E0405 a destination has `region` or `regions`"]);
    let source = "source: web\nkind: browser\nregion: mars";
    assert_eq!(said(&[("sources/web.yaml", source)]), ["E0438 there is no region `mars`"]);
    // Without regions there are none to be in.
    let alone = ("sonder.yaml", "name: shop");
    let hook = format!("{HOOK}region: eu");
    assert_eq!(said(&[alone, ("destinations/hook.yaml", &hook)]), ["E0438 there is no region `eu`"]);
    assert_eq!(said(&[alone, ("sources/web.yaml", source)]), ["E0438 there is no region `mars`"]);
}

/// Segments go for people of its regions; a journey sends to whoever is in it.
#[test]
fn only_what_a_journey_sends_must_reach_everybody() {
    let journey =
        ("rules/j.sonder", "segment buyers { when did(order) }\njourney j { enter on order\n send hook.message { } }");
    let of = |more: &str| {
        let hook = format!("{HOOK}receives: {{segments: [buyers]}}\n{more}");
        let found = said(&[("destinations/hook.yaml", &hook), journey]);
        found.into_iter().filter(|it| it.starts_with("E05")).collect::<Vec<_>>()
    };
    assert_eq!(of("regions: [eu, us, ca]"), [""; 0]);
    assert_eq!(of("region: eu\ntransfers: {us: SCC, ca: adequate}"), [""; 0]);
    assert_eq!(of("regions: [eu, ca]"), ["E0516 data of people in `us` would leave it for `hook`"]);
    assert_eq!(of("region: us"), ["E0516 data of people in `ca`, `eu` would leave it for `hook`"]);
}

#[test]
fn a_plan_says_whose_data_a_destination_gets_for_the_first_time() {
    let of = |more: &str| program(&[("destinations/hook.yaml", &format!("{HOOK}{more}"))]);
    let changes = plan::compare(&of("region: us"), &of("region: us\ntransfers: {eu: SCC}"));
    let exposures: Vec<_> = changes.exposures.iter().map(|it| (it.destination.as_str(), it.what.as_str())).collect();
    assert_eq!(exposures, [("hook", "people of eu")]);
    // In which region it runs is no difference.
    let program = of("region: us");
    assert!(plan::compare(&program, &program.in_region(Some("us".to_owned()))).is_empty());
}
