//! What `sonder dev` shows: on a terminal one page, elsewhere lines.

use crate::cli::output::{Failure, Output};
use crate::dev::receiver::Caught;
use crate::server::Answers;
use sonder_console::engine::{Engine, ReloadOutcome, Status};
use sonder_dsl::ir::RuleId;
use std::collections::VecDeque;
use std::time::Instant;

/// Requests that the page has room for.
const CAUGHT: usize = 8;
/// Segments and journeys that it has room for.
const RULES: usize = 10;
/// Lines of news that it has room for.
const NEWS: usize = 14;

/// The engine at one moment.
pub(super) struct Look {
    at: Instant,
    pub status: Status,
    moves: (u64, u64),
    /// By size, the largest first.
    segments: Vec<(u64, String)>,
}

impl Look {
    pub(super) fn at(answers: &Answers) -> Self {
        let sizes = answers.segment_sizes();
        let name = |id: RuleId| sizes.program.rules.get(id.index()).map_or_else(String::new, |rule| rule.name.clone());
        let mut segments: Vec<(u64, String)> = sizes.sizes.iter().map(|it| (it.size, name(it.segment))).collect();
        segments.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        Self { at: Instant::now(), status: answers.status(), moves: answers.moves(), segments }
    }
}

/// What is shown.
pub(super) struct Board {
    is_page: bool,
    is_open: bool,
    caught: VecDeque<String>,
    all_caught: u64,
    news: Vec<String>,
}

impl Board {
    pub(super) const fn new(is_page: bool) -> Self {
        Self { is_page, is_open: false, caught: VecDeque::new(), all_caught: 0, news: Vec::new() }
    }

    /// What became of files that were saved.
    pub(super) fn news(&mut self, said: &str, output: &mut Output<'_>) -> Result<(), Failure> {
        if !self.is_page {
            return output.text(said);
        }
        self.news = said.lines().map(str::to_owned).collect();
        Ok(())
    }

    /// Something that would have gone out.
    pub(super) fn caught(&mut self, it: &Caught, output: &mut Output<'_>) -> Result<(), Failure> {
        let line = format!("-> {} {} {}", it.method, it.url, it.body);
        self.all_caught += 1;
        if !self.is_page {
            return output.line(line);
        }
        self.caught.push_front(line);
        self.caught.truncate(CAUGHT);
        Ok(())
    }

    /// The engine as it is now; elsewhere than on a page only where something moved.
    pub(super) fn draw(&mut self, before: Option<&Look>, now: &Look, output: &mut Output<'_>) -> Result<(), Failure> {
        if self.is_page {
            // A screen of its own, so that what was there before comes back.
            let open = if std::mem::replace(&mut self.is_open, true) { "" } else { "\u{1b}[?1049h\u{1b}[?25l" };
            return output.text(&format!("{open}\u{1b}[H\u{1b}[J{}", self.page(before, now)));
        }
        let is_news = before.is_none_or(|before| before.status.log.seq != now.status.log.seq);
        if is_news { output.line(line(before, now)) } else { Ok(()) }
    }

    /// Gives the terminal back.
    pub(super) fn close(&mut self, output: &mut Output<'_>) -> Result<(), Failure> {
        if std::mem::take(&mut self.is_open) {
            output.text("\u{1b}[?25h\u{1b}[?1049l")?;
        }
        Ok(output.out.flush()?)
    }

    fn page(&self, before: Option<&Look>, now: &Look) -> String {
        let Look { status, moves: (entered, left), segments, .. } = now;
        let mut page = format!("{}  {:?}  version {}\n\n", status.project, status.stage, status.fingerprint);
        page += &format!("events      {:>10}  {:>8.1}/s\n", status.log.seq, events_per_second(before, now));
        page += &format!("quarantine  {:>10}\n", status.log.quarantined);
        page += &format!("people      {:>10}  {} not folded yet\n", status.people, status.lag.unfolded);
        page += &format!("moves       {entered:>10}  into segments, {left} out of them\n");
        if !segments.is_empty() {
            page += "\nsegment                             people\n";
        }
        for (size, name) in segments.iter().take(RULES) {
            page += &format!("{name:<32} {size:>9}\n");
        }
        if !status.destinations.is_empty() {
            page += "\ndestination             delivered    pending   given up\n";
        }
        for it in &status.destinations {
            let trouble = it.last_error.as_deref().map(|error| format!("  {}", crate::cli::output::plain(error)));
            let trouble = trouble.unwrap_or_default();
            page += &format!("{:<22} {:>10} {:>10} {:>10}{trouble}\n", it.name, it.delivered, it.pending, it.dead);
        }
        if !self.caught.is_empty() {
            page += &format!("\nwhat destinations would have got, the last of {}\n", self.all_caught);
        }
        self.caught.iter().for_each(|it| page += &format!("{it}\n"));
        if !self.news.is_empty() {
            page.push('\n');
        }
        self.news.iter().take(NEWS).for_each(|it| page += &format!("{it}\n"));
        page + "\nCtrl-C ends this\n"
    }
}

fn events_per_second(before: Option<&Look>, now: &Look) -> f64 {
    let Some(before) = before else { return 0.0 };
    let seconds = now.at.duration_since(before.at).as_secs_f64().max(0.001);
    now.status.log.seq.saturating_sub(before.status.log.seq) as f64 / seconds
}

fn line(before: Option<&Look>, now: &Look) -> String {
    let Look { status, moves: (entered, left), .. } = now;
    let delivered: u64 = status.destinations.iter().map(|it| it.delivered).sum();
    let dead: u64 = status.destinations.iter().map(|it| it.dead).sum();
    let mut parts = vec![
        format!("{} events ({:.0}/s)", status.log.seq, events_per_second(before, now)),
        format!("{} people", status.people),
        format!("segments +{entered} -{left}"),
        format!("{delivered} delivered, {} waiting", status.lag.undelivered),
    ];
    if dead > 0 {
        parts.push(format!("{dead} given up"));
    }
    if status.log.quarantined > 0 {
        parts.push(format!("{} in quarantine", status.log.quarantined));
    }
    if status.lag.unfolded > 0 {
        parts.push(format!("{} behind", status.lag.unfolded));
    }
    if status.reload.outcome == ReloadOutcome::Rejected {
        parts.push(format!("project has {} errors", status.reload.errors.len()));
    }
    parts.join(" · ")
}
