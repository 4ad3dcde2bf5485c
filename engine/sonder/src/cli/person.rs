//! `sonder person`: what is known of one person, who is who, and to forget somebody.

mod graph;
mod pseudonym;
mod traits;

use super::client::{block_on, with_query};
use super::output::{Failure, Output};
use super::reach::{Place, Reach};
use crate::server::Offline;
use serde_json::{Value as Json, json};
use sonder_dsl::time::Moment;
use std::path::PathBuf;

/// Look at people, join them, part them and erase them
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sonder person show email:ann@shop.example")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Identifiers, golden record, computed traits, segments and journeys of one person
    #[command(after_help = "Examples:\n  sonder person show email:ann@shop.example\n  \
        sonder person show user_id:u7 --at 2026-03-01T12:00:00Z\n  \
        sonder person show user_id:u7 --json | jq .segments")]
    Show {
        /// As they were at this moment; what was received after it does not count; default: now
        #[arg(long, value_name = "TIME", value_parser = super::eval::moment)]
        at: Option<Moment>,
        #[command(flatten)]
        look: Look,
    },
    /// Why somebody's identifiers are one person's: each link, and who said so first
    #[command(after_help = "Examples:\n  sonder person graph email:ann@shop.example\n  \
        sonder person graph user_id:u7 --between user_id:u7,anonymous_id:a1")]
    Graph {
        /// Only the links that lead from one of their identifiers to another: KIND:VALUE,KIND:VALUE
        #[arg(long, value_name = "A,B")]
        between: Option<String>,
        #[command(flatten)]
        look: Look,
    },
    /// What was said of somebody's traits: every value with its source and time, and which of them counts
    #[command(after_help = "Examples:\n  sonder person traits email:ann@shop.example\n  \
        sonder person traits user_id:u7 --json | jq '.traits[] | select(.conflict)'")]
    Traits {
        #[command(flatten)]
        look: Look,
    },
    /// What a destination or an export knows an identifier by, where it gets pseudonyms
    ///
    /// Made from the project and its key alone: neither an engine nor data is needed.
    #[command(after_help = "Examples:\n  sonder person pseudonym email:ann@shop.example --for lake --project shop\n  \
        sonder person pseudonym user_id:u7 --for lake --key-version 1")]
    Pseudonym {
        /// KIND:VALUE, with a kind of `identity.yaml`, or a person's id
        person: String,
        /// The name of the destination, or what an export says with `pseudonyms=`
        #[arg(long = "for", value_name = "AUDIENCE")]
        audience: String,
        /// Of an earlier key that `previous` names; default: of the present one
        #[arg(long, value_name = "N")]
        key_version: Option<u32>,
        /// The project
        #[arg(long, value_name = "PROJECT", default_value = ".")]
        project: PathBuf,
    },
    /// Decide that two people are one
    #[command(
        after_help = "Example:\n  sonder person merge user_id:u7 email:ann@shop.example --reason \"ticket 4711\""
    )]
    Merge {
        /// KIND:VALUE, with a kind of `identity.yaml`, or a person's id
        person: String,
        /// Who is the same person
        with: String,
        #[command(flatten)]
        note: Note,
        #[command(flatten)]
        place: Place,
    },
    /// Decide that identifiers are not somebody's: theirs become another person's, those of others never become theirs
    #[command(
        after_help = "Examples:\n  sonder person split user_id:u7 anonymous_id:a2 --reason \"a shared tablet\"\n  \
        sonder person split user_id:mother user_id:daughter --reason \"two people of one name\""
    )]
    Split {
        /// KIND:VALUE, with a kind of `identity.yaml`, or a person's id
        person: String,
        /// Identifiers that are somebody else's: KIND:VALUE
        #[arg(required = true)]
        identifiers: Vec<String>,
        #[command(flatten)]
        note: Note,
        #[command(flatten)]
        place: Place,
    },
    /// Erase a person: from the state, the log and all tables, then the bytes from the files, and tell destinations. It cannot be undone
    #[command(after_help = "Example:\n  sonder person erase email:ann@shop.example")]
    Erase {
        /// KIND:VALUE, with a kind of `identity.yaml`, or a person's id
        person: String,
        /// Return as soon as no row has them any more, before the files are rewritten
        #[arg(long)]
        no_wait: bool,
        /// As the API answers it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// All that is known of a person, to be handed over: identifiers, profile, segments, journeys, consent, messages, deliveries
    #[command(after_help = "Examples:\n  sonder person export email:ann@shop.example --html --out ann.html\n  \
        sonder person export user_id:u7 | jq .traits")]
    Export {
        /// KIND:VALUE, with a kind of `identity.yaml`, or a person's id
        person: String,
        /// A page that a person can read, instead of JSON
        #[arg(long)]
        html: bool,
        /// Where it is written; default standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
}

/// Whom to look at, and where.
#[derive(Debug, clap::Args)]
struct Look {
    /// KIND:VALUE, with a kind of `identity.yaml`, or a person's id
    person: String,
    /// As the API answers it
    #[arg(long)]
    json: bool,
    /// The project, when no engine runs; default: the one that last ran on the data
    #[arg(long, value_name = "PROJECT")]
    project: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Look {
    /// Asks an engine at a path below that of the person, or the data at rest, and shows what it answers.
    fn run(
        &self,
        path: &str,
        at_rest: impl FnOnce(&Offline) -> Result<Json, Failure>,
        show: fn(&Json, &mut Output<'_>) -> Result<(), Failure>,
        output: &mut Output<'_>,
    ) -> Result<(), Failure> {
        let answer = block_on(async {
            match self.place.reach().await? {
                Reach::Engine(client) => {
                    client.get(&format!("/api/v1/people/{}{path}", path_segment(&self.person))).await
                }
                Reach::Data(offline) => at_rest(&offline),
            }
        })?;
        if self.json { output.line(answer) } else { show(&answer, output) }
    }
}

/// What stands in the log beside a decision.
#[derive(Debug, clap::Args)]
pub(super) struct Note {
    /// Why, for the record
    #[arg(long)]
    pub reason: Option<String>,
    /// Who decided it, for the record
    #[arg(long, env = "USER")]
    pub by: Option<String>,
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    match &args.action {
        Action::Show { at, look } => {
            let moment = at.map(|at| at.to_string());
            let path = with_query("", moment.iter().map(|at| ("at", at.as_str())));
            look.run(&path, |data| data.person(&look.person, *at, look.project.as_deref()), show, output)
        }
        Action::Graph { between, look } => {
            let path = with_query("/graph", between.iter().map(|text| ("between", text.as_str())));
            let at_rest = |data: &Offline| data.graph(&look.person, between.as_deref(), look.project.as_deref());
            look.run(&path, at_rest, graph::show, output)
        }
        Action::Traits { look } => {
            look.run("/traits", |data| data.observed(&look.person, look.project.as_deref()), traits::show, output)
        }
        Action::Pseudonym { person, audience, key_version, project } => {
            pseudonym::show(person, audience, *key_version, project, output)
        }
        Action::Merge { person, with, note, place } => {
            let body = json!({"with": with, "reason": note.reason, "by": note.by});
            decide(place, &format!("{}/merge", path_segment(person)), &body)?;
            output.line(format!("`{person}` and `{with}` are one person"))
        }
        Action::Split { person, identifiers, note, place } => {
            let body = json!({"identifiers": identifiers, "reason": note.reason, "by": note.by});
            decide(place, &format!("{}/split", path_segment(person)), &body)?;
            output.line(format!("{} no longer `{person}`", graph::are(identifiers)))
        }
        Action::Erase { person, no_wait, json, place } => {
            let answer = block_on(erase(place, person, !*no_wait))?;
            if *json {
                return output.line(answer);
            }
            let erasure = &answer["erasure"];
            output.line(format!(
                "{}: messages {}, of others {}; request {}",
                erasure["state"].as_str().unwrap_or_default(),
                erasure["messages"],
                erasure["redacted"],
                answer["id"].as_str().unwrap_or_default()
            ))?;
            super::privacy::destinations(erasure, output)
        }
        Action::Export { person, html, out, place } => {
            let format = if *html { "html" } else { "json" };
            let path = format!("/api/v1/people/{}/bundle?format={format}", path_segment(person));
            let text = block_on(async {
                let client = place.running("only an engine knows all of a person: start it with `sonder run`").await?;
                client.text(&path).await
            })?;
            match out {
                None => output.line(text),
                Some(path) => std::fs::write(path, text)
                    .map_err(|error| Failure::user(format!("could not write `{}`: {error}", path.display()))),
            }
        }
    }
}

/// How often it is asked whether the bytes are gone.
const LOOK: std::time::Duration = std::time::Duration::from_millis(100);

async fn erase(place: &Place, person: &str, waits: bool) -> Result<Json, Failure> {
    let client = place.running("only an engine makes the state anew that remains: start it with `sonder run`").await?;
    let body = json!({"kind": "erasure", "person": person});
    let mut answer = client.post("/api/v1/privacy/requests", &body).await?;
    while waits && answer["erasure"]["state"] == "struck" {
        tokio::time::sleep(LOOK).await;
        let path = format!("/api/v1/privacy/requests/{}", answer["id"].as_str().unwrap_or_default());
        answer = client.get(&path).await?;
    }
    Ok(answer)
}

fn decide(place: &Place, path: &str, body: &Json) -> Result<Json, Failure> {
    block_on(async {
        let client = place
            .running("a decision is a message of the log, which only an engine writes: start it with `sonder run`")
            .await?;
        client.post(&format!("/api/v1/people/{path}"), body).await
    })
}

/// A value in a path: everything but the plainest characters is escaped.
pub(super) fn path_segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@+".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn show(person: &Json, output: &mut Output<'_>) -> Result<(), Failure> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    output.line(format!("person      {}", text(&person["id"])))?;
    output.line(format!("seen        {} to {}", text(&person["first_seen"]), text(&person["last_seen"])))?;
    let mut group = |title: &str, key: &str, line: &dyn Fn(&Json) -> String| {
        let mut title = title;
        for item in person[key].as_array().map(Vec::as_slice).unwrap_or_default() {
            output.line(format!("{title:<11} {}", line(item)))?;
            title = "";
        }
        Ok::<(), Failure>(())
    };
    group("identifiers", "identifiers", &|item| {
        format!(
            "{}:{}  ({}, since {})",
            text(&item["kind"]),
            text(&item["value"]),
            text(&item["source"]),
            text(&item["first_seen"])
        )
    })?;
    group("traits", "traits", &|item| {
        format!(
            "{} = {}  ({}, {})",
            text(&item["name"]),
            text(&item["value"]),
            text(&item["source"]),
            text(&item["at"])
        )
    })?;
    group("computed", "computed", &|item| format!("{} = {}", text(&item["name"]), text(&item["value"])))?;
    group("segments", "segments", &|item| format!("{}  (since {})", text(&item["name"]), text(&item["since"])))?;
    group("journeys", "journeys", &|item| {
        let of = item.get("per").filter(|per| !per.is_null()).map_or(String::new(), |per| format!("[{}]", text(per)));
        let at = item["step"].as_str().map_or(String::new(), |step| format!(" at `{step}`"));
        format!("{}{of}  {}{at}  (since {})", text(&item["name"]), text(&item["status"]), text(&item["since"]))
    })?;
    group("consent", "consent", &|item| {
        let said = if item["granted"] == true { "yes" } else { "no" };
        let since = item["since"].as_str().map_or("not asked".to_owned(), |since| format!("since {since}"));
        format!("{}: {said}  ({since})", text(&item["purpose"]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_way_through_a_path() {
        assert_eq!(path_segment("email:ann@x.example"), "email:ann@x.example");
        assert_eq!(path_segment("user_id:a/b c?"), "user_id:a%2Fb%20c%3F");
        assert_eq!(path_segment("user_id:é"), "user_id:%C3%A9");
    }

    #[test]
    fn a_person_is_shown_in_lines() {
        let person = serde_json::json!({
            "id": "0a", "first_seen": "2026-01-01", "last_seen": "2026-01-02",
            "identifiers": [{"kind": "user_id", "value": "u1", "source": "web", "first_seen": "2026-01-01"}],
            "traits": [], "computed": [{"name": "spent", "value": "9.90"}, {"name": "views", "value": 3}],
            "segments": [{"name": "keen", "since": "2026-01-02"}],
            "journeys": [
                {"name": "carts", "per": "C1", "status": "waiting", "step": "wait 30m", "since": "2026-01-03"},
                {"name": "welcome", "per": null, "status": "finished", "step": null, "since": "2026-01-04"},
            ],
            "consent": [
                {"purpose": "analytics", "granted": false, "since": null},
                {"purpose": "marketing", "granted": true, "since": "2026-01-05"},
            ],
        });
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut output = Output { out: &mut out, err: &mut err, out_is_terminal: false, err_is_terminal: false };
        show(&person, &mut output).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "person      0a\nseen        2026-01-01 to 2026-01-02\nidentifiers user_id:u1  (web, since 2026-01-01)\n\
             computed    spent = 9.90\n            views = 3\nsegments    keen  (since 2026-01-02)\n\
             journeys    carts[C1]  waiting at `wait 30m`  (since 2026-01-03)\n            welcome  finished  (since 2026-01-04)\n\
             consent     analytics: no  (not asked)\n            marketing: yes  (since 2026-01-05)\n"
        );
    }
}
