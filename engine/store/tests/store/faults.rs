//! Disks that are full. They are small file systems in memory, which only root can mount; elsewhere these tests say so and
//! pass.

use crate::support::*;
use serde_json::json;
use sonder_core::record::Seq;
use sonder_store::{Store, StoreError};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own, unmounted when dropped.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { dir });
        }
        println!("skipped: a small file system cannot be mounted here");
        None
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Takes all room but so many bytes.
    fn fill(&self, leave: usize) -> PathBuf {
        let ballast = self.path().join("ballast");
        let mut bytes = Vec::new();
        while std::fs::write(&ballast, &bytes).is_ok() {
            bytes.resize(bytes.len() + (256 << 10), 1);
        }
        bytes.truncate(bytes.len().saturating_sub((256 << 10) + leave));
        std::fs::write(&ballast, &bytes).unwrap();
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.dir.path()).status();
    }
}

/// Appends until there is no room; returns the first `seq` that was not written.
fn append_until_full(store: &Store, program: &std::sync::Arc<sonder_dsl::ir::Program>, mut next: u64) -> u64 {
    for _ in 0..10_000 {
        match store.append(program, &batch(views(program, next, 200))) {
            Ok(()) => next += 200,
            Err(StoreError::Full { .. }) => return next,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("the disk never filled")
}

#[test]
fn a_full_disk_refuses_batches_whole_and_takes_them_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(24) else { return };
    let (program, data) = (shop(), disk.path().join("data"));
    let Opened { store, reader, .. } = open(&data, &program);
    store.append(&program, &batch(views(&program, 1, 200))).unwrap();
    let ballast = disk.fill(2 << 20);
    let next = append_until_full(&store, &program, 201);
    assert!(next > 201, "some batches fit");
    assert_eq!(ask(&reader, "SELECT count(*), max(seq) FROM log"), json!([[next - 1, next - 1]]));
    for _ in 0..3 {
        assert!(matches!(store.append(&program, &batch(views(&program, next, 200))), Err(StoreError::Full { .. })));
    }
    assert_eq!(store.last_seq(), Seq(next - 1));

    std::fs::remove_file(ballast).unwrap();
    store.append(&program, &batch(views(&program, next, 200))).unwrap();
    assert!(store.checkpoint_wal().unwrap());
    assert_eq!(
        ask(&reader, "SELECT count(*), max(seq), count(DISTINCT message_id) FROM log"),
        json!([[next + 199, next + 199, next + 199]])
    );
    drop((store, reader));
    let Opened { recovered, .. } = open(&data, &program);
    assert_eq!(recovered.last_seq, Seq(next + 199));
}

#[test]
fn a_disk_that_fills_while_the_log_is_folded_loses_nothing() {
    let Some(disk) = SmallDisk::mount(24) else { return };
    let (program, data) = (shop(), disk.path().join("data"));
    let Opened { store, reader, .. } = open(&data, &program);
    store.append(&program, &batch(views(&program, 1, 6_000))).unwrap();
    let ballast = disk.fill(64 << 10);
    let folded = store.checkpoint_wal();
    assert!(matches!(folded, Err(StoreError::Full { .. })), "{folded:?}");
    std::fs::remove_file(ballast).unwrap();
    store.append(&program, &batch(views(&program, 6_001, 200))).unwrap();
    assert!(store.checkpoint_wal().unwrap());
    assert_eq!(ask(&reader, "SELECT count(*), max(seq) FROM log"), json!([[6_200, 6_200]]));
    assert_eq!(ask(&reader, "SELECT count(*) FROM ev_view"), json!([[6_200]]));
}
