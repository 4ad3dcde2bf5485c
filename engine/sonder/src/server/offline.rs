//! A data directory that no engine runs on, for commands that look at it.

use super::announce::announced;
use super::{Answers, history, key_failure, open_failure, store_failure};
use crate::cli::output::Failure;
use crate::cli::quarantine::Filter;
use crate::cli::table::Rows;
use crate::observe::set_up_metrics;
use crate::pipeline::{Files, Opened, open};
use crate::project::{scan, store_options};
use serde_json::{Value as Json, json};
use sonder_console::engine::{
    Engine, ExplainRequest, IdentityGraph, PastRequest, PlanRequest, PreviewRequest, QuarantineFilter, Query, Reach,
    Trouble, parse_person_id,
};
use sonder_core::effect::PersonId;
use sonder_core::explain::Personal;
use sonder_dsl::diagnostic::suggest;
use sonder_dsl::ir::{IdentifierKindId, Program};
use sonder_dsl::time::Moment;
use sonder_store::{Reader, StoreOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A command may wait longer than a client of the API.
const PATIENCE: Duration = Duration::from_secs(300);

/// Data at rest.
pub struct Offline {
    data: PathBuf,
}

impl Offline {
    /// Data at rest in a directory.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(data: &Path) -> Result<Self, Failure> {
        if !data.is_dir() {
            return Err(Failure::user(format!("there is no data in `{}`, and no engine runs on it", data.display()))
                .help("name the data directory with `--data`, or an engine with `--url`"));
        }
        Ok(Self { data: data.to_path_buf() })
    }

    /// Runs a read-only statement; over what was there at a moment, by the project that is named, where there is one.
    ///
    /// # Errors
    /// When the statement is wrong, or an engine holds the directory.
    pub fn query(&self, sql: &str, limit: u64, then: Option<(Moment, Option<&Path>)>) -> Result<Rows, Failure> {
        // What is now needs no key: nothing of it is opened.
        let (program, options) = match then {
            None => (None, StoreOptions::default()),
            Some((_, project)) => {
                let program = self.program(project)?;
                let options = store_options(&program.settings).map_err(|error| key_failure(&error))?;
                (Some(program), options)
            }
        };
        let reader = Reader::open(&self.data, options).map_err(|error| store_failure(&error))?;
        let max_rows = usize::try_from(limit).unwrap_or(usize::MAX);
        let at = then.map(|(at, _)| at);
        let query = Query { sql: sql.to_owned(), max_rows, timeout: PATIENCE, at };
        let rows = match &program {
            None => history::query(&reader, &query),
            Some(program) => history::query_then(&reader, program, &query),
        };
        let rows = rows.map_err(failure)?;
        let columns = rows.columns.into_iter().map(|column| column.name).collect();
        Ok(Rows { columns, rows: rows.rows, truncated: rows.truncated })
    }

    /// What was kept aside, as the API would answer.
    ///
    /// # Errors
    /// When an engine holds the directory.
    pub fn quarantine(&self, filter: &Filter, limit: u64) -> Result<Json, Failure> {
        let options = match self.project(None) {
            Ok((_, program)) => store_options(&program.settings).map_err(|error| key_failure(&error))?,
            // Where nothing is sealed, no project is needed.
            Err(_) => StoreOptions::default(),
        };
        let reader = Reader::open(&self.data, options).map_err(|error| store_failure(&error))?;
        let filter = QuarantineFilter {
            reason: filter.reason.clone(),
            source: filter.source.clone(),
            name: filter.name.clone(),
            before: None,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let page = history::quarantine(&reader, &filter).map_err(failure)?;
        serde_json::to_value(&page).map_err(|error| Failure::engine(error.to_string()))
    }

    /// One person, now or at a moment, as the API would answer.
    ///
    /// # Errors
    /// When nobody is that, or the data cannot be opened.
    pub fn person(&self, who: &str, at: Option<Moment>, project: Option<&Path>) -> Result<Json, Failure> {
        let answers = self.answers(project)?;
        let Somebody { id, named } = Somebody::find(&answers, who)?;
        let person = match (id, at) {
            (None, _) => None,
            (Some(id), None) => answers.load_person(id).map_err(failure)?,
            (Some(person), Some(at)) => answers.person_at(&PastRequest { person, named, at }).map_err(failure)?,
        };
        let Some(person) = person else { return Err(at.map_or_else(|| nobody(who), |_| nobody_then(who))) };
        serde_json::to_value(&person).map_err(|error| Failure::engine(error.to_string()))
    }

    /// A person's part of the identity graph, as the API would answer.
    ///
    /// # Errors
    /// When nobody is that, there is no such path, or the data cannot be opened.
    pub fn graph(&self, who: &str, between: Option<&str>, project: Option<&Path>) -> Result<Json, Failure> {
        let answers = self.answers(project)?;
        let id = Somebody::find(&answers, who)?.id;
        let Some(kinship) = id.and_then(|id| answers.kinship(id)) else { return Err(nobody(who)) };
        let decided = IdentityGraph::decided(&kinship);
        let graph: IdentityGraph = match between {
            None => kinship.into(),
            Some(text) => {
                let path = IdentityGraph::along(&kinship, &answers.program(), text);
                path.ok_or_else(|| {
                    Failure::user(format!("`{text}` names no two identifiers of `{who}`"))
                        .help("write two of the person's identifiers: `kind:value,kind:value`")
                })?
            }
        };
        let notes = answers.decision_notes(&decided).map_err(failure)?;
        serde_json::to_value(graph.noted(&notes)).map_err(|error| Failure::engine(error.to_string()))
    }

    /// What was said of a person's traits, as the API would answer.
    ///
    /// # Errors
    /// When nobody is that, or the data cannot be opened.
    pub fn observed(&self, who: &str, project: Option<&Path>) -> Result<Json, Failure> {
        let answers = self.answers(project)?;
        let id = Somebody::find(&answers, who)?.id;
        let observed = match id {
            Some(id) => answers.observed(id).map_err(failure)?,
            None => None,
        };
        serde_json::to_value(observed.ok_or_else(|| nobody(who))?).map_err(|error| Failure::engine(error.to_string()))
    }

    /// What another version of the project would change, as the API would answer.
    ///
    /// # Errors
    /// When the data cannot be opened.
    pub fn plan(
        &self,
        files: Vec<(String, String)>,
        reach: Option<Reach>,
        project: Option<&Path>,
    ) -> Result<Json, Failure> {
        let answers = self.answers(project)?;
        let request = PlanRequest { files, reach, timeout: PATIENCE, cancelled: Arc::default() };
        let plan = answers.plan(&request).map_err(failure)?;
        serde_json::to_value(&plan).map_err(|error| Failure::engine(error.to_string()))
    }

    /// Why a rule has its value for a person, as the API would answer.
    ///
    /// # Errors
    /// When nobody was that, there is no such rule, or the data cannot be opened.
    pub fn explain(&self, asked: &Asked<'_>, project: Option<&Path>) -> Result<Json, Failure> {
        let answers = self.answers(project)?;
        let program = answers.program();
        if program.rule_named(asked.rule).is_none() {
            return Err(unknown("segment or trait", asked.rule, program.rules.iter().map(|rule| rule.name.as_str())));
        }
        let Somebody { id, named } = Somebody::find(&answers, asked.person)?;
        let Some(person) = id else { return Err(nobody(asked.person)) };
        let request =
            ExplainRequest { person, named, rule: asked.rule.to_owned(), at: asked.at, personal: asked.personal };
        match answers.explain(&request).map_err(failure)? {
            Some(explanation) => serde_json::to_value(&explanation).map_err(|error| Failure::engine(error.to_string())),
            None => Err(nobody_then(asked.person)),
        }
    }

    /// All journeys, as the API would answer.
    ///
    /// # Errors
    /// When the data cannot be opened.
    pub fn journeys(&self, project: Option<&Path>) -> Result<Json, Failure> {
        Ok(json!({ "journeys": self.answers(project)?.journeys() }))
    }

    /// One journey, as the API would answer.
    ///
    /// # Errors
    /// When there is no such journey, or the data cannot be opened.
    pub fn journey(&self, name: &str, project: Option<&Path>) -> Result<Json, Failure> {
        let answers = self.answers(project)?;
        let Some(journey) = answers.journey(name).map_err(failure)? else {
            let program = answers.program();
            return Err(unknown("journey", name, program.journeys.iter().map(|journey| journey.name.as_str())));
        };
        serde_json::to_value(&journey).map_err(|error| Failure::engine(error.to_string()))
    }

    /// How the engine would be, were it started.
    ///
    /// # Errors
    /// When the data cannot be opened.
    pub fn status(&self, project: Option<&Path>) -> Result<Json, Failure> {
        let status = self.answers(project)?.status();
        serde_json::to_value(&status).map_err(|error| Failure::engine(error.to_string()))
    }

    /// The data, recovered.
    ///
    /// # Errors
    /// When the project or the data cannot be opened.
    pub fn recover(&self, project: Option<&Path>) -> Result<Opened, Failure> {
        let (_, program) = self.project(project)?;
        open(&self.data, &program).map_err(|error| open_failure(&error))
    }

    /// What rules would be, as the API would answer.
    ///
    /// # Errors
    /// When the data cannot be opened, or they cannot be evaluated.
    pub fn preview(&self, source: &str, project: Option<&Path>) -> Result<Json, Failure> {
        let answers = self.answers(project)?;
        let cancelled = Arc::new(AtomicBool::new(false));
        let request = PreviewRequest { source: source.to_owned(), timeout: PATIENCE, cancelled };
        let preview = answers.preview(&request).map_err(failure)?;
        serde_json::to_value(&preview).map_err(|error| Failure::engine(error.to_string()))
    }

    fn answers(&self, project: Option<&Path>) -> Result<Answers, Failure> {
        let (files, program) = self.project(project)?;
        let Opened { store, shared, .. } = open(&self.data, &program).map_err(|error| open_failure(&error))?;
        *shared.files.write() = Arc::new(files);
        Ok(Answers::new(shared, store, None, None, set_up_metrics()))
    }

    /// The version of the project that last ran on the data, or of the one that is named.
    ///
    /// # Errors
    /// When it is not known, is not there, or has errors.
    pub fn program(&self, project: Option<&Path>) -> Result<Arc<Program>, Failure> {
        self.project(project).map(|(_, program)| program)
    }

    /// The project that last ran on the data, unless another is named.
    fn project(&self, project: Option<&Path>) -> Result<(Files, Arc<Program>), Failure> {
        let last = || announced(&self.data).map(|announcement| announcement.project);
        let Some(root) = project.map(Path::to_path_buf).or_else(last) else {
            return Err(Failure::user("it is not known which project the data belongs to")
                .help("name the project's folder with `--project`"));
        };
        let scan = scan(&root).map_err(|error| Failure::user(error.to_string()))?;
        let compilation = sonder_dsl::compile(scan.sources);
        let program = compilation.program.ok_or_else(|| {
            Failure::user(format!("the project in `{}` has errors", root.display())).help("`sonder check` shows them")
        })?;
        Ok((Files { root, sources: compilation.sources }, program))
    }
}

/// The question that `explain` asks.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// `kind:value`, or an id.
    pub person: &'a str,
    /// The name of a segment or a computed trait.
    pub rule: &'a str,
    /// The moment; now where there is none.
    pub at: Option<Moment>,
    /// Whether personal data is shown.
    pub personal: Personal,
}

fn nobody(who: &str) -> Failure {
    Failure::user(format!("nobody is `{who}`"))
        .help("write `kind:value`, such as `email:ann@shop.example`, or a person's id")
}

fn nobody_then(who: &str) -> Failure {
    Failure::user(format!("nobody was `{who}` then"))
        .help("a person is there once an event of theirs has been received; ask for a later moment")
}

/// Somebody as they were named.
struct Somebody {
    /// Who that is now; `None` where it is nobody.
    id: Option<PersonId>,
    /// The identifier that named them, where it was not their id.
    named: Option<(IdentifierKindId, String)>,
}

impl Somebody {
    /// By an id, or as `kind:value`.
    fn find(answers: &Answers, who: &str) -> Result<Self, Failure> {
        let Some((kind, value)) = who.split_once(':') else {
            return Ok(Self { id: parse_person_id(who), named: None });
        };
        let kind = identifier_kind(&answers.program(), kind)?;
        Ok(Self { id: answers.resolve(kind, value), named: Some((kind, value.to_owned())) })
    }
}

/// The kind of identifiers of that name.
pub(crate) fn identifier_kind(program: &Program, name: &str) -> Result<IdentifierKindId, Failure> {
    program.identity.kind_named(name).ok_or_else(|| {
        let names: Vec<_> = program.identity.identifiers.iter().map(|kind| format!("`{}`", kind.name)).collect();
        Failure::user(format!("there is no kind of identifier `{name}`"))
            .help(format!("the kinds of `identity.yaml` are {}", names.join(", ")))
    })
}

fn failure(error: Trouble) -> Failure {
    match error {
        Trouble::Refused { message, help } => Failure::user(message).help(help),
        other => Failure::engine(other.to_string()),
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let failure = Failure::user(format!("there is no {what} `{name}`"));
    match suggest::nearest(name, known) {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None => failure,
    }
}
