//! A full disk: clients are told 503, nothing that was acknowledged is lost, and the engine goes on when there is room.

use sonder_tests::traffic::Client;
use sonder_tests::{Connection, Engine, Options, Receiver, project};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A small file system that is taken away again.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn mount(path: &'a Path) -> Option<Self> {
        fs::create_dir_all(path).ok()?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(path).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.0).status());
    }
}

#[test]
fn a_full_disk_loses_nothing_and_room_cures_it() {
    let folder = tempfile::tempdir().unwrap();
    let (shop, data) = (folder.path().join("project"), folder.path().join("data"));
    let Some(_disk) = Disk::mount(&data) else {
        println!("skipped: mounting a small file system needs root");
        return;
    };
    let receiver = Receiver::start().unwrap();
    project::keen(&shop, &receiver.address().to_string()).unwrap();
    let ballast = data.join("ballast");
    fs::write(&ballast, vec![1; 44 << 20]).unwrap();
    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    let mut connection = Connection::new(engine.address());
    let mut client = Client::new("c", 20);

    let patience = Instant::now() + Duration::from_secs(120);
    loop {
        assert!(Instant::now() < patience, "the disk never filled: {} messages", client.acknowledged.len());
        // A refusal may find room again by itself, where folding the write-ahead log freed some. Then go on filling.
        let is_refused = !client.turn(&mut connection, 500).unwrap();
        if is_refused && connection.get("/readyz").unwrap().status == 503 {
            assert_eq!(engine.get("/api/v1/status").unwrap()["stage"], "degraded", "what readyz says, status says");
            break;
        }
    }
    let before = client.acknowledged.len() as u64;
    assert!(before > 0);
    assert_eq!(engine.count("select count(*) from log").unwrap(), before, "reading works, and all of it is there");

    fs::remove_file(&ballast).unwrap();
    let patience = Instant::now() + Duration::from_secs(30);
    while !client.turn(&mut connection, 500).unwrap() {
        assert!(Instant::now() < patience, "there is room, and still it refuses");
        std::thread::sleep(Duration::from_millis(50));
    }
    engine.settle(Duration::from_secs(30)).unwrap();
    assert_eq!(connection.get("/readyz").unwrap().status, 200);
    let after = client.acknowledged.len() as u64;
    assert_eq!(engine.count("select count(distinct message_id) from log").unwrap(), after);
    assert_eq!(engine.count("select count(*) from log").unwrap(), after, "nothing counts twice");

    engine.kill().unwrap();
    let engine = Engine::start(&shop, &data, &Options::default()).unwrap();
    assert_eq!(engine.count("select count(*) from log").unwrap(), after, "and it is still there after a crash");
    engine.stop().unwrap();
}
