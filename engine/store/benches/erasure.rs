//! What erasing somebody costs in a large log, by how identifiers are made comparable: the search of what others sent has to find
//! addresses and numbers as somebody may have written them.
//!
//! `cargo bench -p sonder-store --bench erasure -- 1000000`

use serde_json::json;
use sonder_core::effect::PersonId;
use sonder_core::govern::Governor;
use sonder_core::message::from_log;
use sonder_core::record::{Fact, Record, Seq};
use sonder_dsl::ir::{Program, SourceId};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use sonder_store::{LogBatch, LogRow, Store, Target};
use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

const START: i64 = 1_772_323_200_000_000;
const BATCH: u64 = 16_384;

fn main() -> Result<(), Box<dyn Error>> {
    let rows = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(200_000);
    let mut out = io::stdout().lock();
    for (name, email, phone) in [
        ("as they are written", "{}", "{}"),
        ("made comparable", "{normalize: [email, drop_tag, gmail]}", "{normalize: [{e164: NL}]}"),
    ] {
        let program = program(&format!("identifiers:\n  user_id: {{}}\n  email: {email}\n  phone: {phone}\n"))?;
        let dir = tempfile::tempdir()?;
        let (store, _) = Store::open(dir.path(), &program)?;
        let governor = Governor::new(&program);
        for first in (0..rows).step_by(usize::try_from(BATCH)?) {
            let rows = (first..(first + BATCH).min(rows)).map(|number| row(&program, &governor, number));
            store.append(&program, &LogBatch { rows: rows.collect::<Result<_, _>>()?, ..LogBatch::default() })?;
            store.checkpoint_wal()?;
        }
        let identifiers = ["ann1815@gmail.com", "ann@mail.example", "ann@shop.example"].map(|it| ("email", it));
        let phones = ["+31612918273", "+31687654321"].map(|it| ("phone", it));
        let all = identifiers.into_iter().chain(phones).chain([("user_id", "user-7")]);
        let identifiers = all.map(|(kind, value)| (kind.to_owned(), value.to_owned())).collect();
        let target = Target { identifiers, people: vec![PersonId(7)], ..Target::default() };
        let suppression = store.suppression()?;
        let started = Instant::now();
        let mut is_theirs = |it: &sonder_store::LoggedMessage| it.payload.contains(r#""userId":"user-7""#);
        let struck = store.strike(("e", Moment(START)), &target, &suppression, &mut is_theirs)?;
        let took = started.elapsed();
        let started = Instant::now();
        store.rewrite(&["e".to_owned()], Moment(START))?;
        writeln!(
            out,
            "{rows} messages, identifiers {name}: struck in {took:.2?} ({} of theirs, {} of others), files rewritten in {:.2?}",
            struck.erasure.messages,
            struck.erasure.redacted,
            started.elapsed(),
        )?;
    }
    Ok(())
}

/// One in three has an address at Gmail.
fn row(program: &Program, governor: &Governor, number: u64) -> Result<LogRow, Box<dyn Error>> {
    let at = Moment(START + number as i64);
    let person = number % 20_000;
    let domain = ["gmail.com", "mail.example", "shop.example"][(person % 3) as usize];
    let first = ["ann", "bob", "ava", "eve", "dan"][(person % 5) as usize];
    let payload = json!({
        "type": "track", "event": "view", "messageId": format!("m{number}"), "userId": format!("user-{person}"),
        "context": {
            "page": {"url": format!("https://shop.example/products/{}?utm_source=mail", number % 977), "title": "A product"},
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
            "traits": {"email": format!("{first}.{person}@{domain}"), "phone": format!("06{:08}", person * 4_801)},
        },
        "properties": {"product": format!("SKU-{}", number % 5_000), "price": number % 100, "quantity": 2},
    });
    let message =
        from_log(&payload.to_string(), SourceId(0), at, at, false).map_err(|reasons| format!("{reasons:?}"))?;
    let event = governor.govern(&message).map_err(|aside| format!("{:?} {}", aside.reasons, program.settings.name))?;
    Ok(LogRow { record: Record { seq: Seq(number + 1), received_at: at, fact: Fact::Event(event) }, message })
}

fn program(identity: &str) -> Result<Arc<Program>, Box<dyn Error>> {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
    let view =
        "event: view\nproperties:\n  product: {type: string}\n  price: {type: number}\n  quantity: {type: integer}\n";
    let files =
        vec![file("sonder.yaml", "name: shop\n"), file("identity.yaml", identity), file("events/view.yaml", view)];
    let compilation = sonder_dsl::compile(SourceSet::new(files));
    compilation.program.ok_or_else(|| format!("{:#?}", compilation.diagnostics).into())
}
