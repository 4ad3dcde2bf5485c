//! Whatever is written, reading, checking, formatting and lowering it ends soon, without a panic and on a small stack.
//!
//! `SONDER_FUZZ_SECONDS` asks for a longer run, `SONDER_SEED` for the texts of an earlier one. The text being tried is in
//! `fuzz-NAME` in cargo's folder for temporary files of tests, because whoever overflows the stack can't say what it was.

#[cfg(test)]
mod chance;
#[cfg(test)]
mod graft;
#[cfg(test)]
mod grammar;
#[cfg(test)]
mod yaml;

#[cfg(test)]
mod tests {
    use crate::chance::Chance;
    use crate::graft;
    use crate::grammar::Grammar;
    use crate::yaml;
    use sonder_dsl::compile;
    use sonder_dsl::diagnostic::render::human;
    use sonder_dsl::diagnostic::{Severity, codes};
    use sonder_dsl::ir::sql::{Clock, DuckDb, lower, lower_funnel};
    use sonder_dsl::ir::{RuleId, print};
    use sonder_dsl::source::{FileId, SourceFile, SourceSet};
    use sonder_dsl::syntax::{format::format, parse};
    use std::path::PathBuf;
    use std::sync::LazyLock;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    /// How long one text may take, in a build that is not optimised and on a busy machine.
    const SOON: Duration = Duration::from_secs(20);

    const PROJECT: [(&str, &str); 6] = [
        ("sonder.yaml", "name: shop\ntimezone: Europe/Amsterdam\n"),
        (
            "events/view.yaml",
            "event: view\nproperties:\n  category: {type: string, enum: [a, b]}\n  product: {type: string}\n  \
             price: {type: number, multipleOf: 0.01}\n  brand: {type: object, properties: {name: {type: string}}}\n",
        ),
        ("events/add.yaml", "event: add\nproperties:\n  product: {type: string}\n  price: {type: number}\n"),
        ("events/order.yaml", "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\n"),
        ("profile.yaml", "traits:\n  country: {type: string}\n  age: {type: integer}\n"),
        ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
    ];

    const YAML_PATHS: [&str; 9] = [
        "sonder.yaml",
        "events/view.yaml",
        "sources/server.yaml",
        "identity.yaml",
        "profile.yaml",
        "destinations/mail.yaml",
        "consent.yaml",
        "tests/some.yaml",
        "events/another.yaml",
    ];

    fn asked(name: &str) -> Option<u64> {
        std::env::var(name).ok()?.parse().ok()
    }

    /// Tries texts until the time is over; returns how many, and of how many `tried` says yes.
    fn run(name: &str, make: impl Fn(&mut Chance) -> String + Send + 'static, tried: fn(&str, &mut Chance) -> bool) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = asked("SONDER_SEED").unwrap_or(now);
        let until = Instant::now() + Duration::from_secs(asked("SONDER_FUZZ_SECONDS").unwrap_or(4));
        let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
        let text_tried = place.clone();
        let (tell, told) = channel();
        let worker = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
            let (mut count, mut sound) = (0_u64, 0_u64);
            while Instant::now() < until {
                let mut chance = Chance::new(seed.wrapping_add(count));
                let text = make(&mut chance);
                std::fs::write(&place, &text).unwrap();
                sound += u64::from(tried(&text, &mut chance));
                count += 1;
                tell.send(()).unwrap();
            }
            (count, sound)
        });
        let at_fault = || format!("seed {seed}; the text is in {}", text_tried.display());
        loop {
            match told.recv_timeout(SOON) {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it takes more than {SOON:?}: {}", at_fault()),
            }
        }
        let Ok((count, sound)) = worker.unwrap().join() else { panic!("{}", at_fault()) };
        println!("{name}: {count} texts, {sound} of them sound, seed {seed}");
        assert!(count < 1_000 || sound > 0, "none of {count} is sound: that tries little");
    }

    fn try_project(path: &str, text: &str) -> bool {
        let file = |(path, text): (&str, &str)| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let others = PROJECT.into_iter().filter(|(other, _)| *other != path);
        try_files(others.chain([(path, text)]).map(file).collect())
    }

    fn try_files(files: Vec<SourceFile>) -> bool {
        let compilation = compile(SourceSet::new(files));
        let is_fatal = |code| !codes::NEVER_TRUE.contains(&code);
        let refused = compilation.diagnostics.iter().any(|it| it.severity == Severity::Error && is_fatal(it.code));
        assert_eq!(compilation.program.is_none(), refused, "a program, or errors");
        for found in &compilation.diagnostics {
            assert!(codes::find(found.code).is_some(), "{} has no page", found.code);
            for label in &found.labels {
                let file = compilation.sources.file(label.span.file).unwrap();
                let place = label.span.start as usize..label.span.end as usize;
                assert!(file.text.get(place).is_some(), "{found:?}");
            }
        }
        let shown = human::render(&compilation.sources, &compilation.diagnostics, human::Colour::Never);
        assert_eq!(shown.is_empty(), compilation.diagnostics.is_empty());
        let Some(program) = compilation.program else { return false };
        let rules: Vec<RuleId> = (0..program.rules.len() as u32).map(RuleId).collect();
        for rule in &program.rules {
            assert!(!print::expression(&program, &rule.expression).to_string().is_empty());
        }
        assert!(!lower(&program, &rules, Clock::Now, &DuckDb).to_string().is_empty());
        for funnel in &program.funnels {
            assert!(!lower_funnel(&program, funnel, Clock::Now, &DuckDb).to_string().is_empty());
        }
        true
    }

    /// What can be formatted means the same afterwards, and stays as it is.
    fn try_format(text: &str) -> bool {
        let Ok(once) = format(FileId(0), text) else { return false };
        let again = format(FileId(0), &once);
        assert_eq!(again.as_ref(), Ok(&once), "what is formatted is formatted");
        let tree = |text: &str| parse(FileId(0), text, &mut Vec::new()).items;
        assert_eq!(tree(text), tree(&once), "formatting keeps the meaning");
        true
    }

    fn try_rules(text: &str, _: &mut Chance) -> bool {
        try_project("rules/r.sonder", text);
        try_format(text)
    }

    #[test]
    fn sentences_of_the_grammar() {
        let grammar = Grammar::read();
        run("sentences", move |chance| grammar.file(chance), try_rules);
    }

    /// A piece is taken out, doubled, or stands there thousands of times.
    #[test]
    fn sentences_with_slips() {
        let grammar = Grammar::read();
        let make = move |chance: &mut Chance| {
            let text = grammar.file(chance);
            if text.is_empty() {
                return text;
            }
            let mut place = || text.floor_char_boundary(chance.under(text.len() + 1));
            let (a, b) = (place(), place());
            let (start, end) = (a.min(b), a.max(b).min(text.ceil_char_boundary((a.min(b) + 40).min(text.len()))));
            let end = end.max(start);
            let times = [0, 0, 1, 2, 2, 70, 3_000][chance.under(7)];
            format!("{}{}{}", &text[..start], text[start..end].repeat(times), &text[end..])
        };
        run("slips", make, try_rules);
    }

    /// The files of the shop without its rules.
    fn shop() -> Vec<SourceFile> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/shop");
        let mut files: Vec<_> = ["sonder.yaml", "identity.yaml", "profile.yaml"].map(PathBuf::from).into();
        for folder in ["events", "sources", "destinations"] {
            let found = std::fs::read_dir(root.join(folder)).unwrap().map(|it| it.unwrap().file_name());
            files.extend(found.map(|name| PathBuf::from(folder).join(name)));
        }
        let read = |path: &PathBuf| std::fs::read_to_string(root.join(path)).unwrap();
        files.iter().map(|path| SourceFile { path: path.display().to_string(), text: read(path) }).collect()
    }

    #[test]
    fn rules_with_pieces_of_others() {
        static SHOP: LazyLock<Vec<SourceFile>> = LazyLock::new(shop);
        let tried = |text: &str, _: &mut Chance| {
            try_format(text);
            let rules = SourceFile { path: "rules/r.sonder".to_owned(), text: text.to_owned() };
            try_files(SHOP.iter().cloned().chain([rules]).collect())
        };
        run("grafts", graft::rules, tried);
    }

    #[test]
    fn documents_of_yaml() {
        run("documents", yaml::document, |text, chance| try_project(chance.one_of(&YAML_PATHS), text));
    }
}
