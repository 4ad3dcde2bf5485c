//! What authors of plugins type, and what `plugins/README.md` tells those who use the bundled ones.
#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use sonder_activate::host::{Host, HostConfig, Plugins};
use sonder_dsl::source::{SourceFile, SourceSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const PLUGINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins");

fn plugin(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sonder")).arg("plugin").args(arguments).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// That it builds and passes is tried by `plugins/check-template.sh`, where a wasm toolchain is.
#[test]
fn a_new_plugin_has_its_name_everywhere_and_takes_no_folder_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let made = plugin(folder.path(), &["new", "crm-of-ours"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let read = |path: &str| fs::read_to_string(folder.path().join("crm-of-ours").join(path)).unwrap();
    assert!(read("Cargo.toml").starts_with("[package]\nname = \"crm-of-ours\"\n"));
    assert!(read("src/lib.rs").contains("struct CrmOfOurs;"));
    assert!(read("check.sh").contains("release/crm_of_ours.wasm\" --out crm-of-ours.wasm"));
    assert!(read("README.md").contains("send crm_of_ours.greet {"));
    assert_eq!(read("wit/destination.wit"), fs::read_to_string(format!("{PLUGINS}/wit/destination.wit")).unwrap());
    for entry in fs::read_dir(format!("{PLUGINS}/sdk/src")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert_eq!(read(&format!("sdk/src/{name}")), fs::read_to_string(format!("{PLUGINS}/sdk/src/{name}")).unwrap());
    }
    for path in ["Cargo.toml", "src/lib.rs", "check.sh", "README.md", "exchanges/service.yaml"] {
        assert!(!read(path).to_lowercase().contains("greeter"), "{path}");
    }

    let again = plugin(folder.path(), &["new", "crm-of-ours"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("`crm-of-ours` is there already"), "{}", text(&again.stderr));
    for name in ["Crm", "../crm", "crm--x", "7crm", "crm-", ""] {
        let refused = plugin(folder.path(), &["new", "--", name]);
        assert!(text(&refused.stderr).contains("is not a name for a plugin"), "{name}: {}", text(&refused.stderr));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_test_of_a_plugin_ends_as_its_checks_do() {
    let folder = tempfile::tempdir().unwrap();
    let chat = format!("{PLUGINS}/chat/exchanges");
    let good = plugin(folder.path(), &["test", "sonder/chat@1", "--exchanges", &chat]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stdout));
    assert!(text(&good.stdout).ends_with(" checks passed\n"));

    let wrong = fs::read_to_string(format!("{chat}/slack.yaml")).unwrap().replace("icon_emoji", "icon");
    fs::create_dir(folder.path().join("exchanges")).unwrap();
    fs::write(folder.path().join("exchanges/slack.yaml"), wrong).unwrap();
    let bad = plugin(folder.path(), &["test", "sonder/chat@1"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(
        text(&bad.stdout).contains("the body's `/icon_emoji` is \":wave:\", not recorded"),
        "{}",
        text(&bad.stdout)
    );

    fs::write(folder.path().join("exchanges/slack.yaml"), "document: here\nexchanges:\n- nmae: one\n").unwrap();
    let odd = plugin(folder.path(), &["test", "sonder/chat@1"]);
    assert!(text(&odd.stderr).contains("unknown field `nmae`"), "{}", text(&odd.stderr));

    fs::remove_dir_all(folder.path().join("exchanges")).unwrap();
    let none = plugin(folder.path(), &["test", "sonder/chat@1"]);
    assert!(text(&none.stderr).contains("there are no recorded exchanges"), "{}", text(&none.stderr));
}

#[test]
fn what_a_plugin_says_of_itself_is_shown_and_its_compiled_code_kept() {
    let folder = tempfile::tempdir().unwrap();
    let inspect = |name: &str, cache: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sonder"));
        let output = command.args(["plugin", "inspect", name]).env("SONDER_CACHE", cache).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let chat = inspect("sonder/chat@1", folder.path());
    for expected in ["chat 1.0.0\n", "calls        send", "takes        message, erase", "send post    {", "\"text\""] {
        assert!(chat.contains(expected), "{expected}: {chat}");
    }
    let kept = fs::read_dir(folder.path().join("compiled/modules")).unwrap().count();
    assert_eq!(kept, 1, "for one version of the compiler");
    // Where nothing can be kept, it is compiled each time.
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(inspect("sonder/chat@1", &file), chat);
    assert!(inspect("sonder/files@1", &file).contains("part of      the engine"));
}

/// Every destination in `plugins/README.md` compiles, and its plugin takes its configuration, secrets and items.
#[test]
fn the_destinations_of_the_readme_load() {
    let readme = fs::read_to_string(format!("{PLUGINS}/README.md")).unwrap();
    let blocks = readme.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
    let destinations: Vec<&str> = blocks.filter(|block| block.starts_with("destination: ")).collect();
    assert!(destinations.len() >= 11, "{}", destinations.len());

    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    for destination in destinations {
        let sources = vec![
            file("sonder.yaml", "name: shop"),
            file("consent.yaml", "purposes: {advertising: {}}"),
            file("identity.yaml", "identifiers: {user_id: {}, email: {}, phone: {}, ga_client_id: {}}"),
            file("profile.yaml", "traits:\n  first_name: {type: string}\n"),
            file("events/order_completed.yaml", "event: order_completed"),
            file(
                "rules/all.sonder",
                "segment vip {\n  when count(order_completed) >= 3\n}\n\ntrait lifetime_value = count(order_completed)\n",
            ),
            file("destinations/it.yaml", destination),
        ];
        let compilation = sonder::project::compile(SourceSet::new(sources), Path::new("."));
        let Some(program) = compilation.program else { panic!("{destination}\n{:#?}", compilation.diagnostics) };
        let data = tempfile::tempdir().unwrap();
        let natives = sonder::server::natives(data.path());
        let host = Host::new(HostConfig { natives, ..HostConfig::default() }).unwrap();
        let secret = |_: &str| Some("a secret of a test".to_owned());
        if let Err(problems) = Plugins::load(&host, &program, &program.destinations, Path::new("."), &secret) {
            panic!("{destination}\n{problems:#?}");
        }
    }
}
