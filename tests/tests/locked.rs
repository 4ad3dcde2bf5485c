//! Two engines, one data directory: the second is told so, and harms nothing.

use sonder_tests::{Engine, Options, Receiver, project, sonder};

#[test]
fn the_second_engine_gets_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
    let receiver = Receiver::start().unwrap();
    project::keen(&shop, &receiver.address().to_string()).unwrap();
    let first = Engine::start(&shop, &data, &Options::default()).unwrap();
    let (shop, data) = (shop.to_str().unwrap(), data.to_str().unwrap());
    let second = sonder(&["run", shop, "--data", data, "--listen", "127.0.0.1:0"]).unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("is in use by process") && said.contains(&first.pid().to_string()), "{said}");
    assert!(said.contains("--data"), "it says what to do: {said}");
    assert!(first.get("/readyz").is_ok(), "the first goes on");
    assert!(first.stop().unwrap().success());
    let third = Engine::start(shop.as_ref(), data.as_ref(), &Options::default()).expect("the directory is free again");
    third.kill().unwrap();
    // The lock of a killed engine is gone with it.
    Engine::start(shop.as_ref(), data.as_ref(), &Options::default()).unwrap().stop().unwrap();
}
