//! What rules would be: compiled with the running project, evaluated by SQL on the data that is there, for the people as
//! the engine knows them.
//!
//! The state is looked at some people at a time, so that the fold waits no longer than for any other reader; the rest is
//! reading the store.

use super::answers::{Answers, trouble};
use crate::pipeline::{Files, clock, limits};
use crate::project::compile;
use sonder_console::engine::{
    AsOf, Preview, PreviewOverlap, PreviewRequest, PreviewedPerson, PreviewedRule, Trouble, ValueCount, instant,
    person_id,
};
use sonder_core::effect::PersonId;
use sonder_core::explain::is_personal;
use sonder_core::record::Seq;
use sonder_core::state::{self, Asked};
use sonder_core::view::AnswerView;
use sonder_dsl::diagnostic::render::{human, json};
use sonder_dsl::diagnostic::{Diagnostic, Severity};
use sonder_dsl::ir::sql::{reads_consent, traits_read};
use sonder_dsl::ir::{Program, RuleId};
use sonder_dsl::source::{FileId, SourceFile, SourceSet};
use sonder_dsl::syntax::scan;
use sonder_store::StoreError;
use sonder_store::preview::{Overlap, Previewed, Request, Resident, ResidentIdentifier, RulePreview};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// People listed for each rule.
const SAMPLE: usize = 10;
/// Rules of one text.
const MAX_RULES: usize = 20;
/// Where the text stands among the project's files, if nothing is there.
const PATH: &str = "rules/preview";

/// The project with the text, compiled.
struct Draft {
    sources: SourceSet,
    diagnostics: Vec<Diagnostic>,
    /// There when nothing is wrong.
    program: Option<Arc<Program>>,
    /// The names that the text declares.
    names: BTreeSet<String>,
}

impl Answers {
    pub(super) fn preview_rules(&self, request: &PreviewRequest) -> Result<Preview, Trouble> {
        let started = Instant::now();
        let draft = draft(&self.shared.files.read(), &request.source);
        let said = |draft: &Draft| Preview {
            diagnostics: json::values(&draft.sources, &draft.diagnostics)
                .iter()
                .filter_map(|it| serde_json::to_value(it).ok())
                .collect(),
            rendered: human::render(&draft.sources, &draft.diagnostics, human::Colour::Never),
            ..Preview::default()
        };
        let Some(program) = &draft.program else { return Ok(said(&draft)) };
        let rules: Vec<RuleId> = draft.names.iter().filter_map(|name| Some(program.rule_named(name)?.0)).collect();
        if rules.is_empty() {
            return Ok(said(&draft));
        }
        if rules.len() > MAX_RULES {
            return Err(Trouble::Refused {
                message: format!("the text declares {} segments and traits", rules.len()),
                help: format!("a preview takes at most {MAX_RULES} of them"),
            });
        }
        let timeout = request.timeout.saturating_sub(started.elapsed());
        let deadline = started + request.timeout;
        let last = Seq(self.shared.gauges.folded_seq.load(Ordering::Acquire));
        let at = self.shared.live.read().state.as_of().1.max(clock::wall());
        let asked = Request {
            program,
            rules: &rules,
            at,
            last,
            replaced: &[],
            sample: SAMPLE,
            slice: limits::PREVIEW_SLICE,
            timeout,
            cancelled: &request.cancelled,
        };
        let (previewed, people) = self.evaluate(asked, deadline)?;
        let shown = Shown { answers: self, program, people: &people };
        let rules = rules.iter().zip(previewed.rules).map(|(id, it)| shown.rule(*id, it, previewed.people));
        let rules = rules.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let as_of = Some(AsOf { at: instant(at), seq: last.0, people: previewed.people });
        Ok(Preview { as_of, rules, ..said(&draft) })
    }

    /// Evaluates rules for everybody; also gives the people, by their numbers.
    pub(super) fn evaluate(
        &self,
        asked: Request<'_>,
        deadline: Instant,
    ) -> Result<(Previewed, Vec<PersonId>), Trouble> {
        let (program, rules) = (asked.program, asked.rules);
        let consent = reads_consent(program, rules);
        let mut census = Census { answers: self, program, rules, consent, from: Some(0), people: Vec::new() };
        let previewed = self.reader.preview(asked, &mut || {
            if Instant::now() >= deadline || asked.cancelled.load(Ordering::Acquire) {
                return Err(StoreError::TimedOut);
            }
            census.next()
        });
        Ok((previewed.map_err(trouble)?, census.people))
    }

    /// Somebody of a sample, by their number.
    pub(super) fn previewed_person(
        &self,
        people: &[PersonId],
        number: u64,
        value: Option<serde_json::Value>,
    ) -> Result<PreviewedPerson, Trouble> {
        let id = usize::try_from(number).ok().and_then(|place| people.get(place)).copied().unwrap_or(PersonId(0));
        let view = self.view(id)?;
        let identifiers = view.into_iter().flat_map(|view| view.identifiers).filter(|it| !it.former);
        Ok(PreviewedPerson {
            person: person_id(id),
            identifiers: identifiers.map(|it| (it.kind, it.value)).collect(),
            value: value.unwrap_or_default(),
        })
    }
}

/// Compiles a text with the files of the project. Rules that the text declares anew are blanked out there, so that
/// everything else keeps its place.
fn draft(project: &Files, text: &str) -> Draft {
    let names: BTreeSet<String> = declared(text).into_iter().map(|(name, _)| name).collect();
    let is_taken = |path: &str| project.sources.iter().any(|(_, file)| file.path == path);
    let numbered = (2_u32..).map(|number| format!("{PATH}_{number}.sonder"));
    let mut paths = std::iter::once(format!("{PATH}.sonder")).chain(numbered);
    let path = paths.find(|path| !is_taken(path)).unwrap_or_default();
    let mut files: Vec<SourceFile> = project.sources.iter().map(|(_, file)| without(file, &names)).collect();
    files.push(SourceFile { path: path.clone(), text: text.to_owned() });
    let compilation = compile(SourceSet::new(files), &project.root);
    let own: Option<FileId> = compilation.sources.iter().find(|(_, file)| file.path == path).map(|(id, _)| id);
    // Warnings of the rest of the project are not news.
    let is_news = |diagnostic: &Diagnostic| {
        diagnostic.severity == Severity::Error
            || diagnostic.labels.first().is_some_and(|label| Some(label.span.file) == own)
    };
    let diagnostics = compilation.diagnostics.into_iter().filter(is_news).collect();
    Draft { sources: compilation.sources, diagnostics, program: compilation.program, names }
}

/// A file of rules without those of these names.
fn without(file: &SourceFile, names: &BTreeSet<String>) -> SourceFile {
    let mut text = file.text.clone();
    if file.path.ends_with(".sonder") {
        for (name, range) in declared(&file.text) {
            if names.contains(&name) {
                let blank: String = file.text[range.clone()].chars().map(blank).collect();
                text.replace_range(range, &blank);
            }
        }
    }
    SourceFile { path: file.path.clone(), text }
}

/// As many bytes of nothing.
fn blank(character: char) -> String {
    if character == '\n' { "\n".to_owned() } else { " ".repeat(character.len_utf8()) }
}

/// The names that a text of rules declares, and where.
fn declared(text: &str) -> Vec<(String, std::ops::Range<usize>)> {
    let chunks = scan::split(text);
    let named = chunks.iter().filter_map(|chunk| {
        let name = chunk.name?;
        Some((text.get(name.start..name.end)?.to_owned(), chunk.range.start..chunk.range.end))
    });
    named.collect()
}

/// Goes through everybody.
struct Census<'a> {
    answers: &'a Answers,
    program: &'a Program,
    rules: &'a [RuleId],
    /// Whether they ask what people said about consent.
    consent: bool,
    from: Option<u32>,
    people: Vec<PersonId>,
}

impl Census<'_> {
    /// The next people; none after the last.
    fn next(&mut self) -> Result<Vec<Resident>, StoreError> {
        while let Some(from) = self.from {
            let (found, next) = {
                let live = self.answers.shared.live.read();
                // Traits by name: the text was compiled aside, and the project may have changed since.
                let traits: Vec<_> = self.traits(&live.program);
                let asked = Asked { traits: &traits, consent: self.consent };
                live.state.census(&live.program, asked, from, limits::CENSUS_CHUNK)
            };
            self.from = next;
            if found.is_empty() {
                continue;
            }
            let mut residents = Vec::with_capacity(found.len());
            for resident in found {
                self.people.push(resident.id);
                residents.push(self.resident(resident)?);
            }
            return Ok(residents);
        }
        Ok(Vec::new())
    }

    /// The traits of the golden record that the rules read, in the version that runs.
    fn traits(&self, live: &Program) -> Vec<sonder_dsl::ir::ProfileTraitId> {
        let read = traits_read(self.program, self.rules);
        let declared = read.iter().filter_map(|id| self.program.profile.get(id.index()));
        let read: BTreeSet<_> = declared.map(|declared| declared.name.as_str()).collect();
        let numbered = (0..).map(sonder_dsl::ir::ProfileTraitId).zip(&live.profile);
        numbered.filter(|(_, declared)| read.contains(declared.name.as_str())).map(|(id, _)| id).collect()
    }

    fn resident(&self, it: state::Resident) -> Result<Resident, StoreError> {
        let (profile, answers) = match it.particulars {
            Some(known) => (known.profile, known.consent.map(|it| it.answers).unwrap_or_default()),
            None => self.spilled(it.id)?,
        };
        let identifiers = it.identifiers.into_iter().map(|it| ResidentIdentifier {
            kind: it.kind,
            value: it.value,
            generic: it.generic,
        });
        let segments = it.segments.into_iter().map(|rule| rule.0).collect();
        let answers = answers.into_iter().map(|it| (it.purpose, it.granted, it.at, Seq(it.seq))).collect();
        Ok(Resident { id: it.id.0, identifiers: identifiers.collect(), profile, answers, segments })
    }

    /// The golden record and the answers of somebody whose state is not in memory.
    fn spilled(
        &self,
        id: PersonId,
    ) -> Result<(serde_json::Map<String, serde_json::Value>, Vec<AnswerView>), StoreError> {
        let view = self.answers.view(id).map_err(|error| StoreError::Damaged(error.to_string()))?;
        let Some(view) = view else { return Ok(Default::default()) };
        Ok((view.traits.into_iter().map(|it| (it.name, it.value)).collect(), view.answers))
    }
}

/// Results with names instead of numbers.
struct Shown<'a> {
    answers: &'a Answers,
    program: &'a Program,
    people: &'a [PersonId],
}

impl Shown<'_> {
    fn rule(&self, id: RuleId, previewed: RulePreview, people: u64) -> Result<Option<PreviewedRule>, Trouble> {
        let Some(rule) = self.program.rules.get(id.index()) else { return Ok(None) };
        let (name, definition) = (rule.name.clone(), rule.source.clone());
        let running = Arc::clone(&self.answers.shared.live.read().program);
        let replaces = running.rule_named(&name).is_some();
        Ok(Some(match previewed {
            RulePreview::Segment { size, sample, overlap, .. } => PreviewedRule::Segment {
                name,
                definition,
                replaces,
                size,
                sample: sample.into_iter().map(|person| self.person(person, None)).collect::<Result<_, _>>()?,
                overlap: overlaps(&running, &overlap, size),
            },
            RulePreview::Trait { known, distinct, min, max, top, sample } => {
                let personal = is_personal(self.program, id);
                let show = |value| if personal { serde_json::Value::Null } else { value };
                let sample = sample.into_iter().map(|(person, value)| self.person(person, Some(show(value))));
                PreviewedRule::Trait {
                    name,
                    definition,
                    replaces,
                    known,
                    unknown: people.saturating_sub(known),
                    distinct,
                    min: show(min),
                    max: show(max),
                    top: if personal { Vec::new() } else { top.into_iter().map(count).collect() },
                    sample: sample.collect::<Result<_, _>>()?,
                    personal,
                }
            }
        }))
    }

    fn person(&self, number: u64, value: Option<serde_json::Value>) -> Result<PreviewedPerson, Trouble> {
        self.answers.previewed_person(self.people, number, value)
    }
}

fn count((value, people): (serde_json::Value, u64)) -> ValueCount {
    ValueCount { value, people }
}

/// The segments that share somebody with a previewed one, the most alike first.
fn overlaps(program: &Program, overlap: &[Overlap], size: u64) -> Vec<PreviewOverlap> {
    let shared = overlap.iter().filter(|it| it.both > 0);
    let named = shared.filter_map(|it| {
        let rule = program.rules.get(it.segment as usize)?;
        let either = it.size + size - it.both;
        let jaccard = it.both as f64 / either.max(1) as f64;
        Some(PreviewOverlap { segment: rule.name.clone(), size: it.size, both: it.both, jaccard })
    });
    let mut named: Vec<PreviewOverlap> = named.collect();
    named.sort_by(|a, b| b.jaccard.total_cmp(&a.jaccard).then_with(|| a.segment.cmp(&b.segment)));
    named
}
