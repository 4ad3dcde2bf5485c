//! A client that was made of a project's schemas: wrong tracking code does not build, right code runs in Node and reaches the
//! engine.

#![expect(clippy::unwrap_used, reason = "the tests of a test binary fail by panicking")]

use sonder_tests::{Engine, Options, Receiver, project, sonder};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// Where `tests/sdk/setup.sh` has put TypeScript; `None` where it did not run.
fn tsc() -> Option<PathBuf> {
    let cache = std::env::var_os("SONDER_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/sonder")))?;
    let tsc = cache.join("sdk/node_modules/.bin/tsc");
    tsc.exists().then_some(tsc)
}

fn build(tsc: &Path, folder: &Path, code: &str) -> Output {
    fs::write(folder.join("main.ts"), format!("import {{ Sonder }} from \"./sonder.js\";\n{code}")).unwrap();
    let mut command = Command::new(tsc);
    command.current_dir(folder).args(["--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom"]);
    command.args(["--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "main.ts"]);
    command.output().unwrap()
}

#[test]
fn wrong_tracking_code_does_not_build_and_right_code_reaches_the_engine() {
    let Some(tsc) = tsc() else {
        assert!(std::env::var_os("CI").is_none(), "tests/sdk/setup.sh has not run");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (shop, data, code) = (folder.path().join("project"), folder.path().join("data"), folder.path().join("code"));
    let receiver = Receiver::start().unwrap();
    project::keen(&shop, &receiver.address().to_string()).unwrap();
    fs::create_dir(&code).unwrap();
    fs::write(code.join("package.json"), "{\"type\": \"module\"}").unwrap();
    let out = code.join("sonder.ts");
    let made = sonder(&["codegen", shop.to_str().unwrap(), "--out", out.to_str().unwrap()]).unwrap();
    assert!(made.status.success(), "{made:?}");

    let client = "const sonder = new Sonder({ writeKey: \"wk\", host: process_host });\n";
    for (wrong, why) in [
        ("sonder.track(\"view\", {}, { userId: \"u\" });", "'product' is missing"),
        (
            "sonder.track(\"view\", { product: 7 }, { userId: \"u\" });",
            "Type 'number' is not assignable to type 'string'",
        ),
        ("sonder.track(\"viewed\", { product: \"p\" }, { userId: \"u\" });", "\"viewed\""),
        ("sonder.track(\"view\", { product: \"p\", sku: \"s\" }, { userId: \"u\" });", "'sku' does not exist"),
        ("sonder.track(\"view\", { product: \"p\" }, {});", "not assignable to parameter of type 'Who'"),
    ] {
        let output = build(&tsc, &code, &format!("const process_host = \"\";\n{client}{wrong}\n"));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && said.contains(why), "{wrong}: {said}");
    }

    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    let right = format!(
        "const process_host = \"http://{}\";\n{client}\
         for (let n = 0; n < 45; n++) sonder.track(\"view\", {{ product: \"p\", n }}, {{ anonymousId: \"a1\" }});\n\
         sonder.identify({{ userId: \"ann\", anonymousId: \"a1\" }}, {{ email: \"ann@x.example\" }});\n\
         sonder.track(\"order\", {{ total: 12.5 }}, {{ userId: \"ann\" }});\n\
         await sonder.flush();\n",
        engine.address()
    );
    let output = build(&tsc, &code, &right);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let ran = Command::new("node").current_dir(&code).arg("main.js").output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    engine.settle(Duration::from_secs(30)).unwrap();
    let counted = engine.query("SELECT call, count(*) FROM log GROUP BY call ORDER BY call").unwrap();
    assert_eq!(serde_json::json!(counted), serde_json::json!([["identify", 1], ["track", 46]]));
    assert_eq!(engine.count("SELECT count(*) FROM quarantine").unwrap(), 0);
    engine.stop().unwrap();
}
