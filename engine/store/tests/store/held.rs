//! DuckDB holds memory for rows that came in pieces until its files are closed: appends go on all the same.

use crate::support::*;
use serde_json::json;
use sonder_dsl::ir::Program;
use sonder_store::{LogBatch, Store, StoreOptions};
use std::path::Path;
use std::sync::Arc;

/// Rows of a piece: two thousand pieces are more than fits.
const PIECE: u64 = 250;
const PIECES: u64 = 600;
const MEMORY: u64 = 24 << 20;

fn small(dir: &Path, program: &Arc<Program>) -> Store {
    let options = StoreOptions { memory_bytes: MEMORY, ..StoreOptions::default() };
    Store::open_with(dir, program, options).unwrap().0
}

fn pieces(program: &Arc<Program>) -> impl Iterator<Item = LogBatch> {
    (0..PIECES).map(|piece| batch(views(program, piece * PIECE + 1, PIECE)))
}

#[test]
fn what_duckdb_holds_is_given_back_between_appends() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let store = small(dir.path(), &program);
    let mut given_back = 0;
    for piece in pieces(&program) {
        store.append(&program, &piece).unwrap();
        if store.wants_checkpoint() {
            store.checkpoint_wal().unwrap();
        }
        given_back += u64::from(store.give_back().unwrap());
    }
    assert!(given_back > 1, "it was done {given_back} times");
    let rows = PIECE * PIECES;
    assert_eq!(
        ask(&store.reader(), "SELECT count(*), max(seq), (SELECT count(*) FROM ev_view) FROM log"),
        json!([[rows, rows, rows]])
    );
}

/// If this fails because no append does, DuckDB holds nothing any more, and `held` may go.
#[test]
fn an_append_that_finds_no_memory_can_be_made_again() {
    let (dir, program) = (tempfile::tempdir().unwrap(), shop());
    let store = small(dir.path(), &program);
    let mut failures = 0;
    for piece in pieces(&program) {
        let mut tried = store.append(&program, &piece);
        for _ in 0..2 {
            if tried.is_err() {
                failures += 1;
                tried = store.append(&program, &piece);
            }
        }
        tried.unwrap();
        if store.wants_checkpoint() && store.checkpoint_wal().is_err() {
            failures += 1;
        }
    }
    assert!(failures > 0);
    let rows = PIECE * PIECES;
    assert_eq!(ask(&store.reader(), "SELECT count(*), max(seq) FROM log"), json!([[rows, rows]]));
}
