//! `sonder test`, as people type it.

#![expect(clippy::expect_used, reason = "what a test cannot go on without fails it")]

use sonder::cli;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const RULES: &str = "segment keen { when count(view, last 1h) >= 2 }\ntrait views = count(view)\n";

/// A small project with these scenarios.
fn project(scenarios: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, text).expect("a file");
    };
    write("sonder.yaml", "name: small");
    write("events/view.yaml", "event: view\nproperties: {page: {type: string, enum: [a, b]}}\n");
    write("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [k]\n");
    write("rules/r.sonder", RULES);
    for (name, text) in scenarios {
        write(&format!("tests/{name}.yaml"), text);
    }
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> (String, String, bool) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut output =
        cli::output::Output { out: &mut out, err: &mut err, out_is_terminal: false, err_is_terminal: false };
    let folder = folder.display().to_string();
    let words = ["sonder", "test", folder.as_str()].into_iter().chain(arguments.iter().copied());
    let code = cli::run(words.map(Into::into), &mut output);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace(&folder, "PROJECT");
    (text(out), text(err), code == ExitCode::SUCCESS)
}

/// Without the time that it took.
fn timeless(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once(" failed in ") {
        Some((before, _)) => format!("{before} failed\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

const PASSES: &str = "scenario: two views make somebody keen\nsteps:\n  - at: '09:00'\n    send:\n      - {user_id: u, event: view}\n      - {user_id: u, event: view}\n    expect: {segments: [keen], traits: {views: 2}}\n  - at: +1h\n    expect: {segments: []}\n";

#[test]
fn what_holds_passes() {
    let folder = project(&[("passes", PASSES)]);
    let (out, _, passed) = run(folder.path(), &[]);
    assert_eq!(timeless(&out), "✓ two views make somebody keen\n1 passed, 0 failed\n");
    assert!(passed);
}

#[test]
fn what_does_not_hold_is_shown_with_what_there_was_instead() {
    let fails = "scenario: nothing is as expected\nsteps:\n  - at: '09:00'\n    send: {user_id: u, event: view}\n    expect: {segments: [keen], traits: {views: 3}, quarantined: [undeclared_event]}\n  - at: '09:10'\n    send: [{user_id: u, event: view}, {user_id: u, event: vew}, {user_id: u, event: view, page: c}]\n    expect: {segments: []}\n  - at: '09:20'\n    expect: {person: {user_id: nobody}, segments: []}\n";
    let folder = project(&[("fails", fails), ("passes", PASSES)]);
    let (out, _, passed) = run(folder.path(), &[]);
    insta::assert_snapshot!(timeless(&out));
    assert!(!passed);
    let (out, _, passed) = run(folder.path(), &["keen", "--format", "github"]);
    assert_eq!((out.as_str(), passed), ("", true), "only the one that was asked for");
    let (out, _, _) = run(folder.path(), &["nothing", "--format", "github"]);
    assert_eq!(out.lines().count(), 6);
    assert!(out.starts_with("::error file=tests/fails.yaml,line=5,title=nothing is as expected::"), "{out}");
    let (out, _, _) = run(folder.path(), &["--format", "junit"]);
    assert!(out.contains("tests=\"2\" failures=\"1\""), "{out}");
    let (out, _, _) = run(folder.path(), &["--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&document["passed"], &document["failed"]), (&1.into(), &1.into()));
}

#[test]
fn mistakes_in_scenarios_are_errors_with_places() {
    let wrong = "scenario: mistakes\nsteps:\n  - at: nine\n    expect: {segments: [ken]}\n  - at: '09:00'\n    send: view\n  - at: '08:00'\n    expect: {traits: {vews: 1}, journey: {a: b}, sent: [{crm.segment_entered: keen}]}\n  - at: '10:00'\n  - att: '11:00'\n    expect: {person: {user: u}, segments: {not: [keen, kene]}}\n";
    let folder = project(&[("wrong", wrong)]);
    let (out, err, passed) = run(folder.path(), &[]);
    assert!(out.is_empty() && !passed);
    insta::assert_snapshot!(err);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut output =
        cli::output::Output { out: &mut out, err: &mut err, out_is_terminal: false, err_is_terminal: false };
    let words = ["sonder".into(), "check".into(), folder.path().as_os_str().to_owned()];
    assert_ne!(cli::run(words, &mut output), ExitCode::SUCCESS, "`check` looks at scenarios, too");
}

#[test]
fn a_snapshot_is_kept_when_asked_to_and_compared_after() {
    let folder = project(&[("kept", &format!("{PASSES}snapshot: all\n"))]);
    let (out, _, passed) = run(folder.path(), &[]);
    assert!(!passed && out.contains("there is no snapshot yet"), "{out}");
    assert!(folder.path().join("tests/snapshots/kept.snap.new").exists());
    assert!(run(folder.path(), &["--accept"]).2);
    assert!(!folder.path().join("tests/snapshots/kept.snap.new").exists());
    let kept = std::fs::read_to_string(folder.path().join("tests/snapshots/kept.snap")).expect("a snapshot");
    insta::assert_snapshot!(kept);
    assert!(run(folder.path(), &[]).2);
    std::fs::write(folder.path().join("rules/r.sonder"), RULES.replace(">= 2", ">= 1")).expect("a file");
    let (out, _, passed) = run(folder.path(), &[]);
    assert!(!passed && out.contains("the snapshot differs"), "{out}");
}

#[test]
fn the_order_of_arrival_matters_only_where_it_must() {
    let late = "scenario: late\nsteps:\n  - at: '09:00'\n    send: {user_id: u, event: view}\n  - at: '09:30'\n    send: {user_id: u, event: view, occurred_at: '-40m'}\n    expect: {segments: [keen]}\nshuffle: true\n";
    let folder = project(&[("late", late)]);
    let (out, _, passed) = run(folder.path(), &[]);
    assert!(passed, "{out}");
}

const WAYS: &str = "segment keen { when count(view, last 1h) >= 2 and not did(view where page == \"b\") }
trait level = if count(view) > 10 then \"high\" else if in(keen) then \"some\" else \"low\"
journey follow_up {
  enter on view
  goal view where page == \"b\"
  wait 1h
  if in(keen) {
    exit
  }
  wait for view up to 1d {} else {}
}
";

#[test]
fn coverage_names_the_conditions_and_ways_that_no_scenario_tries() {
    let scenario = "scenario: two views\nsteps:\n  - at: '09:00'\n    send: [{user_id: u, event: view}, {user_id: u, event: view}]\n    expect: {segments: [keen]}\n  - at: day 3 09:00\n    expect: {segments: []}\n";
    let folder = project(&[("ways", scenario)]);
    std::fs::write(folder.path().join("rules/r.sonder"), WAYS).expect("a file");
    let (out, err, passed) = run(folder.path(), &["--coverage"]);
    assert!(passed, "{err}");
    insta::assert_snapshot!(timeless(&out));
    let (out, err, passed) = run(folder.path(), &["--coverage-min", "90", "--format", "github"]);
    assert!(!passed && err.contains("which is less than 90 %"), "{err}");
    insta::assert_snapshot!(out);
    assert!(run(folder.path(), &["--coverage-min", "50%"]).2);
    let (out, _, _) = run(folder.path(), &["--coverage", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let first = &document["coverage"]["points"][0];
    assert_eq!(first["outcomes"], serde_json::json!({"true": true, "false": true}), "at 09:00 and an hour later");
    let (out, _, _) = run(folder.path(), &["--format", "json"]);
    assert!(!out.contains("coverage"), "nobody asked");
}

#[test]
fn cases_are_played_one_by_one() {
    let cases = "scenario: views\ncases:\n  one: {again: '+1m', who: a, views: 1, segments: []}\n  two: {again: '+2m', who: b, views: 2, segments: [keen]}\nsteps:\n  - at: '09:00'\n    send: {user_id: user-$who, event: view}\n  - at: $again\n    expect: {person: {user_id: user-$who}, segments: $segments, traits: {views: $views}}\nsnapshot: all\n";
    let folder = project(&[("views", cases)]);
    let (out, _, passed) = run(folder.path(), &["--accept"]);
    assert!(!passed);
    insta::assert_snapshot!(timeless(&out));
    assert!(folder.path().join("tests/snapshots/views@one.snap").exists());
    let wrong = cases.replace("$again", "$agan").replace("[keen]", "[kean]");
    let folder = project(&[("views", &wrong)]);
    let (_, err, _) = run(folder.path(), &[]);
    insta::assert_snapshot!(err);
}

#[test]
fn files_of_messages_are_sent_decisions_taken_and_reasons_asked_for() {
    let scenario = "scenario: from a file\nsteps:\n  - at: '09:00'\n    fixture: tests/views.ndjson\n    expect:\n      - {person: {user_id: u}, traits: {views: 2}, because: {keen: ['count(view, last 1h)  >= 2']}}\n      - {person: {user_id: v}, because: {keen: ['not count(view, last 1h) >= 2']}}\n  - at: '09:10'\n    send: {link: [{user_id: u}, {user_id: v}]}\n    expect: {person: {user_id: v}, traits: {views: 3}}\n  - at: '10:00'\n    expect: {person: {user_id: u}, because: {keen: ['count(view) > 1']}}\n  - at: '10:01'\n    fixture: tests/none.ndjson\n";
    let folder = project(&[("file", scenario)]);
    let line = |who: &str| format!("{{\"type\": \"track\", \"event\": \"view\", \"userId\": \"{who}\"}}\n");
    let views = [line("u"), line("u"), "\n".to_owned(), line("v"), "nothing\n".to_owned()].concat();
    std::fs::write(folder.path().join("tests/views.ndjson"), views).expect("a file");
    let (out, err, passed) = run(folder.path(), &[]);
    assert!(!passed, "{err}");
    insta::assert_snapshot!(timeless(&out));
}

#[test]
fn a_message_sent_twice_counts_once() {
    let twice = "scenario: twice\nsteps:\n  - at: '09:00'\n    send: [{user_id: u, event: view, message_id: m}, {user_id: u, event: view, message_id: m}]\n    expect: {traits: {views: 1}}\n";
    let folder = project(&[("twice", twice)]);
    let (out, _, passed) = run(folder.path(), &[]);
    assert!(passed, "{out}");
}

#[test]
fn a_thousand_scenarios_take_less_than_five_seconds() {
    let scenarios: Vec<(String, String)> =
        (0..1_000).map(|n| (format!("s{n}"), PASSES.replace("two", &format!("number {n} of two")))).collect();
    let scenarios: Vec<(&str, &str)> = scenarios.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let folder = project(&scenarios);
    let begin = Instant::now();
    let (out, err, passed) = run(folder.path(), &[]);
    assert!(passed && out.contains("1000 passed, 0 failed"), "{err}");
    // A debug build on a busy machine has three times the time.
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
}

const SENDING: &str = "segment keen { when count(view) >= 2 }\njourney greet { enter on view again after 1h goal view where page == \"b\" wait 1m send hook.message { } }\n";

/// A project whose journey sends something, and these scenarios.
fn sending(scenarios: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = project(scenarios);
    std::fs::create_dir_all(folder.path().join("destinations")).expect("a folder");
    let hook = "destination: hook\nplugin: sonder/webhook@1\nallow: [hook.example]\nconfig: {url: \"https://hook.example/\", sign: false}\nreceives: {segments: [keen]}\n";
    std::fs::write(folder.path().join("destinations/hook.yaml"), hook).expect("a file");
    std::fs::write(folder.path().join("rules/r.sonder"), SENDING).expect("a file");
    folder
}

#[test]
fn destinations_answer_as_a_scenario_says() {
    let scenario = "scenario: the hook is down\nsteps:\n  - at: '09:00'\n    answers: {hook: retry}\n    send: [{user_id: u, event: view}, {user_id: u, event: view}]\n    expect: {sent: [{hook.segment_entered: keen}], outcomes: {delivered: [], waiting: [{hook.segment_entered: keen}]}}\n  - at: '09:02'\n    expect: {sent: [{hook.message: }], outcomes: {waiting: [{hook.segment_entered: keen}, {hook.message: }]}}\n  - at: '09:10'\n    send: {user_id: u, event: view, page: b}\n    expect: {journey: {greet: converted}, outcomes: {recalled: [{hook.message: }], waiting: [{hook.segment_entered: keen}]}}\n  - at: '09:11'\n    answers: {hook: delivered}\n  - at: '09:30'\n    expect: {sent: [], outcomes: {delivered: [{hook.segment_entered: keen}], waiting: []}}\n";
    let rejected = "scenario: the hook wants none of it\nsteps:\n  - at: '09:00'\n    answers: {hook: rejected}\n    send: [{user_id: u, event: view}, {user_id: u, event: view, page: b}]\n    expect: {sent: [{hook.segment_entered: keen}], outcomes: {given_up: [{hook.segment_entered: keen}]}}\n";
    let later = "scenario: the hook says when\nsteps:\n  - at: '09:00'\n    answers: {hook: retry after 10m}\n    send: [{user_id: u, event: view}, {user_id: u, event: view, page: b}]\n    expect: {sent: [{hook.segment_entered: keen}]}\n  - at: '09:01'\n    answers: {hook: delivered}\n  - at: '09:09'\n    expect: {outcomes: {delivered: [], waiting: [{hook.segment_entered: keen}]}}\n  - at: '09:11'\n    expect: {outcomes: {delivered: [{hook.segment_entered: keen}]}}\n";
    let folder = sending(&[("down", scenario), ("rejected", rejected), ("later", later)]);
    let (out, err, passed) = run(folder.path(), &[]);
    assert!(passed && out.contains("3 passed"), "{out}{err}");
    // What nobody expects fails it.
    let silent = rejected.replace(", outcomes: {given_up: [{hook.segment_entered: keen}]}", "");
    let wrong = "scenario: no answer\nsteps:\n  - at: '09:00'\n    answers: {hook: maybe, crm: retry}\n";
    let folder = sending(&[("silent", &silent)]);
    let (out, _, passed) = run(folder.path(), &[]);
    assert!(
        !passed && out.contains("deliveries did not arrive") && out.contains("+ given_up: hook.segment_entered: keen"),
        "{out}"
    );
    let folder = sending(&[("wrong", wrong)]);
    let (_, err, passed) = run(folder.path(), &[]);
    assert!(
        !passed && err.contains("no destination answers this") && err.contains("there is no destination `crm`"),
        "{err}"
    );
}

#[test]
fn junit_says_what_scenarios_tried() {
    let folder = project(&[("passes", PASSES)]);
    let (out, _, passed) = run(folder.path(), &["--coverage", "--format", "junit"]);
    assert!(passed && out.contains("<property name=\"coverage.percent\" value=\"100.0\"/>"), "{out}");
    std::fs::write(
        folder.path().join("rules/r.sonder"),
        RULES.replace(">= 2", ">= 2 and not did(view where page == \"b\")"),
    )
    .expect("a file");
    let (out, _, _) = run(folder.path(), &["--coverage", "--format", "junit"]);
    assert!(out.contains("<system-out>segment keen") && out.contains("never true"), "{out}");
    let (out, _, _) = run(folder.path(), &["--format", "junit"]);
    assert!(!out.contains("coverage"), "{out}");
}

const REGIONS: &str = "name: small\nresidency:\n  default: us\n  regions:\n    eu: {countries: [DE], url: https://eu.example}\n    us: {countries: [US], url: https://us.example}\n";

/// A scenario is played on one engine: whose people are of another region is not there.
#[test]
fn a_scenario_is_played_on_the_engine_of_a_region() {
    let steps = "steps:\n  - at: '09:00'\n    send:\n      - {user_id: u, event: view}\n      - {user_id: u, event: view}\n      \
                 - {user_id: w, event: view, source: web_eu}\n    expect: \
                 {person: {user_id: u}, segments: [keen], quarantined: [other_region], sent: [{hook.segment_entered: keen}]}\n";
    let of = |region: &str| format!("scenario: of {region}\nregion: {region}\n{steps}");
    let by_default = format!("scenario: of the default\n{steps}");
    let folder = project(&[("us", &of("us")), ("default", &by_default), ("eu", &of("eu")), ("mars", &of("mars"))]);
    let write = |path: &str, text: &str| {
        std::fs::create_dir_all(folder.path().join(path).parent().expect("a parent")).expect("folders");
        std::fs::write(folder.path().join(path), text).expect("a file");
    };
    write("sonder.yaml", REGIONS);
    write("sources/web_eu.yaml", "source: web_eu\nkind: browser\nregion: eu\n");
    write(
        "destinations/hook.yaml",
        "destination: hook\nplugin: sonder/webhook@1\nregion: us\nallow: [x.example]\nreceives: {segments: [keen]}\n",
    );
    let (_, err, passed) = run(folder.path(), &[]);
    assert!(!passed && err.contains("there is no region `mars`"), "{err}");
    std::fs::remove_file(folder.path().join("tests/mars.yaml")).expect("it was there");
    let (out, err, passed) = run(folder.path(), &[]);
    assert!(out.contains("✓ of us") && out.contains("✓ of the default"), "{out}{err}");
    // In the EU the one who views twice is of another region, and whoever is there is told to nobody.
    assert!(!passed && out.contains("nobody is"), "{out}");
    assert!(out.contains("it is sent on to region `us`") || out.contains("other_region"), "{out}");
}
