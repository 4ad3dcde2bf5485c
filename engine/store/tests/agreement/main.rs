//! Two evaluators, one truth: what `sonder eval` prints with the fold, byte by byte against what it prints with the rules'
//! SQL, over random programs and histories; and the moments of the trace against both, to the microsecond.
//!
//! A case is one comparison: a program, a history, a moment. Many share a program and a database, see `compare`.
//! `SONDER_CASES` asks for more of them, `SONDER_SEED` for those of an earlier run. What fails is made as small as it
//! gets and printed as a scenario.

#[cfg(test)]
mod compare;
#[cfg(test)]
mod components;
#[cfg(test)]
mod history;
#[cfg(test)]
mod program;
#[cfg(test)]
mod scenario;

#[cfg(test)]
mod tests {
    use crate::compare::compare;
    use crate::{history, program, scenario};
    use proptest::strategy::{Strategy, ValueTree};
    use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
    use proptest::tuple::TupleValueTree;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{SystemTime, UNIX_EPOCH};

    /// Histories that share a program and a database.
    const HISTORIES: usize = 40;

    fn asked(name: &str) -> Option<u64> {
        std::env::var(name).ok()?.parse().ok()
    }

    fn runner(seed: u64) -> TestRunner {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config = Config { failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
    }

    /// Comparisons until `wanted` are done by all together; the smallest disagreement, if there is one.
    fn work(seed: u64, wanted: usize, done: &AtomicUsize) -> Result<(), String> {
        let mut runner = runner(seed);
        let (mut refused, mut rules_made, mut without_funnel) = (0, 0, 0);
        while done.load(Ordering::Relaxed) < wanted {
            let rules = program::rules().new_tree(&mut runner).unwrap();
            let trees: Vec<_> = (0..HISTORIES).map(|_| history::history().new_tree(&mut runner).unwrap()).collect();
            let histories: Vec<_> = trees.iter().map(ValueTree::current).collect();
            let asked = rules.current();
            let (compiled, lines) = program::compile(&asked);
            rules_made += asked.lines.len();
            let left_out = asked.lines.len() - lines.len();
            refused += left_out;
            without_funnel += if compiled.funnels.is_empty() { asked.lines.len() } else { 0 };
            match compare(&compiled, &histories) {
                Ok(compared) => _ = done.fetch_add(compared, Ordering::Relaxed),
                Err(found) => {
                    let tree = trees.into_iter().nth(found.history).unwrap();
                    return Err(format!("seed {seed}\n{}", shrunk(&mut runner, rules, tree)));
                }
            }
        }
        assert!(refused * 4 <= rules_made, "{refused} of {rules_made} rules do not compile: these are no random rules");
        assert!(without_funnel * 4 <= rules_made, "most funnels do not compile");
        Ok(())
    }

    fn shrunk(
        runner: &mut TestRunner,
        rules: impl ValueTree<Value = program::Rules>,
        history: impl ValueTree<Value = history::History>,
    ) -> String {
        let tree = TupleValueTree::new((rules, history));
        let smallest = runner.run_one(tree, |(rules, history)| {
            let (compiled, _) = program::compile(&rules);
            match compare(&compiled, &[history]) {
                Ok(_) => Ok(()),
                Err(found) => Err(TestCaseError::fail(found.what)),
            }
        });
        let Err(TestError::Fail(_, (rules, history))) = smallest else {
            return "the histories differ together, but not one by one".to_owned();
        };
        let rules = fewest(rules, &history);
        let (compiled, lines) = program::compile(&rules);
        match compare(&compiled, std::slice::from_ref(&history)) {
            Ok(_) => "it differs now and then".to_owned(),
            Err(found) => scenario::text(&rules, &lines, &history, &found),
        }
    }

    /// Without the rules that play no part; what reads a rule that is gone does not compile, and goes with it.
    fn fewest(mut rules: program::Rules, history: &history::History) -> program::Rules {
        let mut place = 0;
        while place < rules.lines.len() {
            let mut fewer = rules.clone();
            fewer.lines.remove(place);
            let differs = || {
                let (compiled, lines) = program::compile(&fewer);
                compare(&compiled, std::slice::from_ref(history)).is_err().then_some(lines)
            };
            match differs() {
                Some(lines) => rules.lines = lines,
                None => place += 1,
            }
        }
        rules
    }

    #[test]
    fn both_evaluators_print_the_same() {
        let wanted = asked("SONDER_CASES").unwrap_or(20_000) as usize;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = asked("SONDER_SEED").unwrap_or(now);
        let done = AtomicUsize::new(0);
        let results: Vec<Result<(), String>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..2)
                .map(|worker| {
                    scope.spawn({
                        let done = &done;
                        move || work(seed.wrapping_add(worker), wanted, done)
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        for result in results {
            if let Err(scenario) = result {
                panic!("the evaluators differ:\n{scenario}");
            }
        }
        println!("{} comparisons, seed {seed}", done.into_inner());
    }
}
