//! What the SQL of a rule costs beside the same question written by hand: four shapes, over five million events, in one run.
//!
//! `cargo bench -p sonder-store --bench rules` asks each of both [`ROUNDS`] times by turns, and compares the fastest; `-- N`
//! takes N events. Both must give the same rows.

use duckdb::Connection;
use sonder_dsl::ir::Program;
use sonder_dsl::ir::sql::{Clock, DuckDb, lower};
use sonder_dsl::source::{SourceFile, SourceSet};
use sonder_dsl::time::Moment;
use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// 2026-03-01T00:00:00Z, in microseconds.
const NOW: i64 = 1_772_323_200_000_000;
const PEOPLE: u64 = 100_000;
const ROUNDS: usize = 7;
/// A rule may take this much longer than the statement written by hand.
const AT_MOST: f64 = 1.3;

const EVENTS: [&str; 3] = [
    "event: product_viewed\nproperties: {product_id: {type: string}, category: {type: string}}\n",
    "event: product_added\nproperties: {product_id: {type: string}}\n",
    "event: order_completed\nproperties: {total: {type: number, multipleOf: 0.01}}\n",
];

/// Nine views to an addition, an order for every second one, over ninety days.
const HISTORY: &str = "
CREATE TABLE people AS SELECT range AS person FROM range($people);
CREATE TABLE profile AS SELECT person FROM people;
CREATE TABLE happened AS
    SELECT range AS seq, (hash(range) % $people)::BIGINT AS person, hash(range, 1) AS dice,
        make_timestamp($now - (90 * 86400000000 * (1 - range / $events))::BIGINT) AS occurred_at
    FROM range($events);
CREATE TABLE ev_product_viewed AS
    SELECT person, seq, occurred_at, 'SKU-' || (dice // 7 % 500) AS product_id, 'kind-' || (dice // 11 % 20) AS category
    FROM happened WHERE dice % 20 >= 3;
CREATE TABLE ev_product_added AS
    SELECT person, seq, occurred_at, 'SKU-' || (dice // 7 % 500) AS product_id FROM happened WHERE dice % 20 IN (1, 2);
CREATE TABLE ev_order_completed AS
    SELECT person, seq, occurred_at, ((dice // 7 % 50000) / 100)::DECIMAL(38, 2) AS total FROM happened WHERE dice % 20 = 0;
DROP TABLE happened;
";

struct Shape {
    name: &'static str,
    rule: &'static str,
    by_hand: &'static str,
}

const SHAPES: [Shape; 4] = [
    Shape {
        name: "a windowed count with an absence",
        rule: "segment shape { when count(product_viewed where category == \"kind-3\", last 30d) >= 3 and not did(order_completed, last 7d) }",
        by_hand: "
            SELECT person, person IN (
                SELECT person FROM ev_product_viewed
                WHERE category = 'kind-3' AND occurred_at > $now - INTERVAL 30 DAY AND occurred_at <= $now
                GROUP BY person HAVING count(*) >= 3
            ) AND person NOT IN (
                SELECT person FROM ev_order_completed WHERE occurred_at > $now - INTERVAL 7 DAY AND occurred_at <= $now
            ) FROM people",
    },
    Shape {
        name: "a count for each key",
        rule: "segment shape { when count(product_viewed, per product_id, last 30d) >= 2 }",
        by_hand: "
            SELECT person, person IN (
                SELECT person FROM ev_product_viewed
                WHERE occurred_at > $now - INTERVAL 30 DAY AND occurred_at <= $now
                GROUP BY person, product_id HAVING count(*) >= 2
            ) FROM people",
    },
    Shape {
        name: "a sequence with an absence",
        rule: "segment shape { when sequence(product_added then no order_completed for 2d, last 30d) }",
        by_hand: "
            SELECT person, person IN (
                SELECT added.person FROM ev_product_added AS added
                WHERE added.occurred_at > $now - INTERVAL 30 DAY AND added.occurred_at <= $now - INTERVAL 2 DAY
                    AND NOT EXISTS (
                        FROM ev_order_completed AS bought WHERE bought.person = added.person
                            AND (bought.occurred_at, bought.seq) > (added.occurred_at, added.seq)
                            AND bought.occurred_at <= added.occurred_at + INTERVAL 2 DAY)
            ) FROM people",
    },
    Shape {
        name: "a lifetime sum",
        rule: "trait shape = sum(order_completed.total)",
        by_hand: "
            SELECT people.person, coalesce(sum(total), 0)
            FROM people LEFT JOIN ev_order_completed USING (person) GROUP BY people.person",
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds arguments of its own, which are no numbers.
    let events = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5_000_000_u64);
    let connection = Connection::open_in_memory()?;
    let history = HISTORY
        .replace("$people", &PEOPLE.to_string())
        .replace("$events", &events.to_string())
        .replace("$now", &NOW.to_string());
    connection.execute_batch(&format!("SET threads = 2; {history}"))?;
    let mut out = io::stdout().lock();
    writeln!(out, "{events} events of {PEOPLE} people, the fastest of {ROUNDS}:")?;
    for shape in SHAPES {
        let (rule, by_hand) =
            (generated(shape.rule)?, shape.by_hand.replace("$now", &format!("make_timestamp({NOW})")));
        let differ = format!(
            "SELECT count(*) FROM (((FROM ({rule})) EXCEPT ({by_hand})) UNION ALL (({by_hand}) EXCEPT (FROM ({rule}))))"
        );
        let (differing, rows): (u64, u64) = (one(&connection, &differ)?, one(&connection, &members(&rule))?);
        if differing > 0 || rows == 0 {
            return Err(format!("{}: {differing} rows differ, {rows} hold", shape.name).into());
        }
        let mut fastest = [Duration::MAX; 2];
        for _ in 0..ROUNDS {
            for (fastest, statement) in fastest.iter_mut().zip([&rule, &by_hand]) {
                *fastest = (*fastest).min(time(&connection, statement)?);
            }
        }
        let [rule, by_hand] = fastest.map(|it| it.as_secs_f64() * 1e3);
        let ratio = rule / by_hand;
        writeln!(
            out,
            "  {}: {rule:.0} ms, by hand {by_hand:.0} ms, ratio {ratio:.2} (at most {AT_MOST}: {})",
            shape.name,
            if ratio <= AT_MOST { "yes" } else { "no" },
        )?;
    }
    Ok(())
}

/// The statement of a project's only rule.
fn generated(rule: &str) -> Result<String, Box<dyn Error>> {
    let program = program(rule)?;
    let rules: Vec<_> = program.rule_named("shape").map(|(id, _)| id).into_iter().collect();
    let sql = lower(&program, &rules, Clock::At(Moment(NOW)), &DuckDb).to_string();
    Ok(sql.trim_end().trim_end_matches(';').to_owned())
}

fn program(rule: &str) -> Result<Program, Box<dyn Error>> {
    let file = |path: String, text: &str| SourceFile { path, text: text.to_owned() };
    let events = EVENTS.iter().enumerate().map(|(at, text)| file(format!("events/e{at}.yaml"), text));
    let others = [file("sonder.yaml".to_owned(), "name: bench\n"), file("rules/shape.sonder".to_owned(), rule)];
    let compilation = sonder_dsl::compile(SourceSet::new(events.chain(others).collect()));
    let program = compilation.program.ok_or_else(|| format!("{:#?}", compilation.diagnostics))?;
    Ok(Arc::unwrap_or_clone(program))
}

/// How many people a statement says something else of than false and zero.
fn members(statement: &str) -> String {
    format!(
        "SELECT count(*) FROM ({statement}) AS it(person, value) WHERE value::VARCHAR NOT IN ('false', '0', '0.00')"
    )
}

fn one(connection: &Connection, statement: &str) -> Result<u64, duckdb::Error> {
    connection.query_row(statement, [], |row| row.get(0))
}

/// How long a statement takes until all its rows are there.
fn time(connection: &Connection, statement: &str) -> Result<Duration, duckdb::Error> {
    let begin = Instant::now();
    let mut statement = connection.prepare(statement)?;
    let rows: usize = statement.query_arrow([])?.map(|batch| batch.num_rows()).sum();
    let took = begin.elapsed();
    debug_assert!(rows > 0, "everybody has a row");
    Ok(took)
}
