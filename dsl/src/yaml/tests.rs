//! The reader's tests.
use super::*;
use crate::source::FileId;

#[test]
fn probe() {
    for text in [
        "a: 1\nb: [x, {y: z}]\nc:\n  d: hallo daar\n  e: \"21:00\"\n  f: 21:00\n  g: 012\n  h: 1_000\n  i: yes\nk: 25 months\n",
        "base: &b {x: 1, y: 2}\nuse: {<<: *b, x: 3}\nagain: *b\n",
        "a: 1\na: 2\nb: {c: 1, c: 2, c: 3}\n",
        "a: [1\nb: 2\n",
        "a: *x\n",
        "---\na: 1\n---\nb: 2\n",
        "a: !foo 1\n",
        "a:\n\t- b\n",
        "",
        "a: .inf\n",
        "? [a]\n: b\n",
        "1: x\nnull: y\n~: z",
        "a: |\n  text\n  more\nb: 'x'' y'\n",
        "a: b: c\n",
        "a: \"\\q\"",
        "é: ü\nb: [\"€\", 1.50, 1e3, 0x1F]\n",
        "*a",
        "&a *a",
        "&a [*a]",
        "a: @x",
        "%",
        "\u{feff}a: 1",
        "\0",
        "a: {<<: 3}",
        "a: !!str 5\nb: !!int \"7\"\nc: !!binary aGk=\n",
        "x: 340282366920938463463374607431768211455",
    ] {
        let mut diagnostics = crate::diagnostic::Report::default();
        let node = read(FileId(0), text, &mut diagnostics);
        eprintln!("=== {text:?}");
        fn show(n: &Node, t: &str, d: usize) {
            eprintln!(
                "{}{:?} @ {:?} used {:?}",
                " ".repeat(d),
                match &n.value {
                    Value::List(_) | Value::Map(_) => n.kind().to_owned(),
                    o => format!("{o:?}"),
                },
                &t[n.span.start as usize..n.span.end as usize],
                n.used_at.map(|s| &t[s.start as usize..s.end as usize])
            );
            for i in n.items() {
                show(i, t, d + 2)
            }
            for e in n.entries() {
                eprintln!(
                    "{}{} @ {:?}",
                    " ".repeat(d + 1),
                    e.key,
                    &t[e.key_span.start as usize..e.key_span.end as usize]
                );
                show(&e.value, t, d + 2)
            }
        }
        if let Some(n) = node {
            show(&n, text, 0)
        }
        for d in diagnostics.finish() {
            eprintln!(
                "  ! {} {} @ {:?} {}",
                d.code,
                d.message,
                &text[d.labels[0].span.start as usize..d.labels[0].span.end as usize],
                d.labels[0].span.start
            )
        }
    }
}
