//! Small projects for tests, written as literals and put into a temporary folder.

use std::path::Path;
use std::{fs, io};

/// Writes a project: pairs of path and content.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(folder: &Path, files: &[(&str, &str)]) -> io::Result<()> {
    for (path, text) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

/// A webhook that posts to `receiver` what it receives, which is a piece of YAML.
#[must_use]
pub fn hook(receiver: &str, receives: &str) -> String {
    format!(
        "destination: hook\nplugin: sonder/webhook@1\nallow: [\"{receiver}\"]\nallow_private: true\n\
         config: {{url: \"http://{receiver}/hook\", sign: false}}\nreceives: {{{receives}}}\n"
    )
}

/// A shop of two events: who views three times in a day without an order is keen, and a webhook hears of it.
///
/// # Errors
/// When the folder cannot be written.
pub fn keen(folder: &Path, receiver: &str) -> io::Result<()> {
    let destination = hook(receiver, "segments: [keen, buyer]");
    write(
        folder,
        &[
            ("sonder.yaml", "name: keen\n"),
            (
                "events/view.yaml",
                "event: view\nproperties:\n  product: {type: string}\n  n: {type: integer}\nrequired: [product]\n",
            ),
            (
                "events/order.yaml",
                "event: order\nproperties:\n  total: {type: number, multipleOf: 0.01}\nrequired: [total]\n",
            ),
            (
                "identity.yaml",
                "identifiers:\n  user_id: {}\n  email: {normalize: [trim, lowercase]}\n  anonymous_id: {}\n",
            ),
            ("profile.yaml", "traits:\n  email: {type: string, merge: most_recent}\n"),
            ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
            (
                "rules/r.sonder",
                "segment keen \"three views\" { when count(view, last 24h) >= 3 and not did(order, last 24h) }\n\
                 segment buyer \"ordered\" { when did(order) }\n\
                 trait spent = sum(order.total)\n\
                 trait views = count(view)\n",
            ),
            ("destinations/hook.yaml", &destination),
        ],
    )
}

/// Two journeys over carts: one greets each at once, the other reminds of it unless it is ordered, through a second
/// destination whose plugin has too little memory for heavy ones.
///
/// # Errors
/// When the folder cannot be written.
pub fn carts(folder: &Path, receiver: &str) -> io::Result<()> {
    let destination = |name: &str, more: &str| {
        format!(
            "destination: {name}\nplugin: sonder/webhook@1\nallow: [\"{receiver}\"]\nallow_private: true\n\
             config: {{url: \"http://{receiver}/{name}\", sign: false}}\n{more}"
        )
    };
    // A long note many times over is more than the plugin's memory takes.
    let notes: String = (0..14).map(|number| format!(", note{number}: added.note")).collect();
    let rules = format!(
        "journey hello \"Said at once\" {{\n  enter on add as added per added.cart\n  \
           send hook.message {{ what: \"hello\", cart: added.cart }}\n}}\n\
         journey carts \"Reminds\" {{\n  enter on add as added per added.cart\n  goal order\n  wait 300ms\n  \
           split {{\n    20% control {{}}\n    80% treated {{\n      \
             send hook.message {{ what: \"remind\", cart: added.cart }}\n      \
             send small.message {{ what: \"small\", cart: added.cart{notes} }}\n      \
             wait 200ms\n    }}\n  }}\n}}\n",
    );
    let properties = "properties:\n  cart: {type: string}\n  note: {type: string}\nrequired: [cart]\n";
    write(
        folder,
        &[
            ("sonder.yaml", "name: carts\n"),
            ("events/add.yaml", &format!("event: add\n{properties}")),
            ("events/order.yaml", &format!("event: order\n{properties}")),
            ("identity.yaml", "identifiers:\n  user_id: {}\n"),
            ("sources/server.yaml", "source: server\nkind: server\nwrite_keys: [wk]\n"),
            ("rules/carts.sonder", &rules),
            ("destinations/hook.yaml", &destination("hook", "")),
            ("destinations/small.yaml", &destination("small", "limits: {memory: 2 MiB}\n")),
        ],
    )
}
