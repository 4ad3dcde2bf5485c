//! The keys of a project: read from where its `encryption` and its `pseudonyms` say they are, when data is opened. They are in no
//! file of the project, in no error and in no log.

use sonder_activate::pseudonyms::{Key, Pseudonyms};
use sonder_dsl::model::{KeySource, PseudonymKey, Settings};
use sonder_store::{ProjectKey, ProjectKeys, StoreOptions, key_bytes};
use std::fmt;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;
use thiserror::Error;

/// How long a command may take to print a key.
const PATIENCE: Duration = Duration::from_secs(30);
/// More than any key takes.
const MAX_BYTES: u64 = 4_096;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Personal data at rest.
    Encryption,
    /// Pseudonyms of this version.
    Pseudonyms(u32),
}

impl fmt::Display for Purpose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encryption => formatter.write_str("project key"),
            Self::Pseudonyms(version) => write!(formatter, "key of pseudonyms v{version}"),
        }
    }
}

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The environment has none.
    #[error("the {key} should be in the environment variable `{name}`, which is not set")]
    NotSet {
        /// Which key.
        key: Purpose,
        /// The variable.
        name: String,
    },
    /// The file cannot be read.
    #[error("the {key} cannot be read from `{path}`: {error}")]
    File {
        /// Which key.
        key: Purpose,
        /// Where it should be.
        path: String,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// The command does not print one.
    #[error("the command for the {key} (`{command}`) {why}")]
    Command {
        /// Which key.
        key: Purpose,
        /// As the project has it.
        command: String,
        /// What it did.
        why: String,
    },
    /// What is there is no key.
    #[error("what {place} holds is no {key}: a key is 32 bytes, as base64 or as 64 hexadecimal digits")]
    Malformed {
        /// Which key.
        key: Purpose,
        /// Where it is.
        place: String,
    },
}

impl KeyError {
    /// What to do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "`openssl rand -base64 32` makes one",
            Self::NotSet { key, .. } | Self::File { key, .. } | Self::Command { key, .. } => match key {
                Purpose::Encryption => "`encryption` of sonder.yaml says where the key is",
                Purpose::Pseudonyms(_) => "`pseudonyms` of sonder.yaml says where the key is",
            },
        }
    }
}

/// How the data of a project is opened: with its keys, where it names some.
///
/// # Errors
/// When one of them is not where it should be.
pub fn store_options(settings: &Settings) -> Result<StoreOptions, KeyError> {
    let Some(encryption) = &settings.encryption else { return Ok(StoreOptions::default()) };
    let previous = encryption.previous.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let keys = match &encryption.key {
        Some(key) => Some(ProjectKeys::sealing(read(key)?, previous)),
        None => ProjectKeys::reading(previous),
    };
    Ok(StoreOptions { keys: keys.map(Arc::new), ..StoreOptions::default() })
}

/// What makes the pseudonyms of a project, where it makes any.
///
/// # Errors
/// When one of the keys is not where it should be.
pub fn pseudonyms(settings: &Settings) -> Result<Option<Pseudonyms>, KeyError> {
    let Some(keys) = &settings.pseudonyms else { return Ok(None) };
    let key = |it: &PseudonymKey| {
        let purpose = Purpose::Pseudonyms(it.version);
        let (text, place) = text(&it.source, purpose)?;
        let bytes = key_bytes(&text).map_err(|_| KeyError::Malformed { key: purpose, place })?;
        Ok(Key::new(it.version, bytes))
    };
    let previous = keys.previous.iter().map(key).collect::<Result<_, _>>()?;
    Ok(Some(Pseudonyms::new(key(&keys.current)?, previous)))
}

fn read(source: &KeySource) -> Result<ProjectKey, KeyError> {
    let (text, place) = text(source, Purpose::Encryption)?;
    ProjectKey::read(&text).map_err(|_| KeyError::Malformed { key: Purpose::Encryption, place })
}

/// What stands where a key should be, and how to name that place.
fn text(source: &KeySource, key: Purpose) -> Result<(String, String), KeyError> {
    Ok(match source {
        KeySource::Environment(name) => {
            let text = std::env::var(name).map_err(|_| KeyError::NotSet { key, name: name.clone() })?;
            (text, format!("the environment variable `{name}`"))
        }
        KeySource::File(path) => {
            let read = || {
                let mut text = String::new();
                std::fs::File::open(path)?.take(MAX_BYTES).read_to_string(&mut text).map(|_| text)
            };
            let text = read().map_err(|error| KeyError::File { key, path: path.clone(), error })?;
            (text, format!("the file `{path}`"))
        }
        KeySource::Command(command) => (printed(command, key)?, format!("the output of `{command}`")),
    })
}

/// What a command prints.
fn printed(command: &str, key: Purpose) -> Result<String, KeyError> {
    let failed = |why: String| KeyError::Command { key, command: command.to_owned(), why };
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = shell.spawn().map_err(|error| failed(format!("cannot be run: {error}")))?;
    let Some(output) = child.stdout.take() else { return Err(failed("has no output".to_owned())) };
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = output.take(MAX_BYTES).read_to_string(&mut text).map(|_| text);
        drop(sender.send(read));
    });
    let Ok(text) = receiver.recv_timeout(PATIENCE) else {
        // It may have ended meanwhile.
        let _ = child.kill();
        let _ = child.wait();
        return Err(failed(format!("printed nothing within {} seconds", PATIENCE.as_secs())));
    };
    let ended = child.wait().map_err(|error| failed(format!("cannot be waited for: {error}")))?;
    if !ended.success() {
        return Err(failed(format!("failed: {ended}")));
    }
    text.map_err(|error| failed(format!("printed what is no text: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonder_dsl::model::Encryption;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn opened(key: Option<KeySource>, previous: Vec<KeySource>) -> Result<StoreOptions, String> {
        let encryption = Some(Encryption { key, previous, copy_to: None });
        store_options(&Settings { encryption, ..Settings::default() }).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_comes_from_a_file_or_from_what_a_command_prints() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key").to_str().unwrap().to_owned();
        std::fs::write(&path, format!("{KEY}\n")).unwrap();
        let of_file = opened(Some(KeySource::File(path.clone())), Vec::new()).unwrap();
        let of_command = opened(Some(KeySource::Command(format!("cat '{path}'"))), Vec::new()).unwrap();
        assert!(of_file.keys.is_some());
        assert_eq!(of_file, of_command);
        let reading = opened(None, vec![KeySource::File(path)]).unwrap();
        assert!(!reading.keys.unwrap().seals());
        assert_eq!(store_options(&Settings::default()).unwrap().keys, None);
    }

    #[test]
    fn where_there_is_no_key_it_is_said_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key").to_str().unwrap().to_owned();
        let no = |source: KeySource| opened(Some(source), Vec::new()).unwrap_err();
        assert!(no(KeySource::File(path.clone())).contains("No such file"));
        std::fs::write(&path, "secret").unwrap();
        let malformed = no(KeySource::File(path));
        assert!(malformed.contains("is no project key") && !malformed.contains("secret"), "{malformed}");
        assert!(no(KeySource::Environment("SONDER_TEST_NOT_SET".to_owned())).contains("SONDER_TEST_NOT_SET"));
        assert!(no(KeySource::Command("exit 3".to_owned())).contains("exit status: 3"));
        assert!(no(KeySource::Command("true".to_owned())).contains("no project key"));
    }

    #[test]
    fn pseudonyms_are_made_with_the_keys_that_the_project_names() {
        use sonder_dsl::model::PseudonymKeys;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key").to_str().unwrap().to_owned();
        std::fs::write(&path, KEY).unwrap();
        let key = |source: &KeySource, version| PseudonymKey { source: source.clone(), version };
        let made = |current: &KeySource| {
            let previous = vec![key(&KeySource::File(path.clone()), 1)];
            let keys = PseudonymKeys { current: key(current, 2), previous };
            pseudonyms(&Settings { pseudonyms: Some(keys), ..Settings::default() })
        };
        let made_of_file = made(&KeySource::File(path.clone())).unwrap().unwrap();
        assert_eq!(made_of_file.keys().map(Key::version).collect::<Vec<_>>(), [2, 1]);
        let error = made(&KeySource::Command("echo short".to_owned())).unwrap_err();
        assert!(error.to_string().contains("is no key of pseudonyms v2"), "{error}");
        let error = made(&KeySource::Environment("SONDER_TEST_NOT_SET".to_owned())).unwrap_err();
        assert!(error.help().contains("`pseudonyms` of sonder.yaml"), "{error}");
        assert!(pseudonyms(&Settings::default()).unwrap().is_none());
    }
}
