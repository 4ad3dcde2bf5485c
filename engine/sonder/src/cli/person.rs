//! `sonder person`: what is known of one person.

use super::client::block_on;
use super::output::{Failure, Output};
use super::reach::{Place, Reach};
use serde_json::Value as Json;
use std::path::PathBuf;

/// Look at people
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
        sonder person show user_id:u7 --json | jq .segments")]
    Show {
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
    },
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> Result<(), Failure> {
    let Action::Show { person, json, project, place } = &args.action;
    let answer = block_on(async {
        match place.reach().await? {
            Reach::Engine(client) => client.get(&format!("/api/v1/people/{}", path_segment(person))).await,
            Reach::Data(offline) => offline.person(person, project.as_deref()),
        }
    })?;
    if *json {
        return output.line(answer);
    }
    show(&answer, output)
}

/// A value in a path: everything but the plainest characters is escaped.
fn path_segment(text: &str) -> String {
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
