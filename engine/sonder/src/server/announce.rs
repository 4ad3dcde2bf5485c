//! `engine.json` in the data directory: where the running engine listens, so that other commands find it.
//!
//! It is a hint, never a lock: the store's own lock decides who may write. A file that a killed engine left behind is
//! found out by asking the address.

use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const NAME: &str = "engine.json";

/// What an engine says about itself, or a command that wrote the data without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Where it listens; `None` when it has ended in good order.
    pub address: Option<SocketAddr>,
    /// Its process.
    pub pid: u32,
    /// The version of the program.
    pub version: String,
    /// The project's folder.
    pub project: PathBuf,
}

/// Takes the address back when the engine ends in good order.
#[derive(Debug)]
pub struct Announced {
    data: PathBuf,
    announcement: Announcement,
}

/// Writes the file, whole or not at all.
///
/// # Errors
/// When the directory cannot be written.
pub fn announce(data: &Path, announcement: &Announcement) -> io::Result<Announced> {
    write(data, announcement)?;
    Ok(Announced { data: data.to_path_buf(), announcement: announcement.clone() })
}

/// Says which project the data belongs to while no engine runs on it.
///
/// # Errors
/// When the directory cannot be written.
pub fn announce_at_rest(data: &Path, project: &Path) -> io::Result<()> {
    write(data, &Announcement::of_this_process(project))
}

/// Of data that came from elsewhere: nobody listens for it, and it belongs to the same project.
///
/// # Errors
/// When the directory cannot be written.
pub fn announce_restored(data: &Path) -> io::Result<()> {
    let Some(announcement) = announced(data) else { return Ok(()) };
    write(data, &Announcement { address: None, ..announcement })
}

impl Announcement {
    /// This process, which listens nowhere yet.
    #[must_use]
    pub fn of_this_process(project: &Path) -> Self {
        Self {
            address: None,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            project: std::path::absolute(project).unwrap_or_else(|_| project.to_path_buf()),
        }
    }
}

fn write(data: &Path, announcement: &Announcement) -> io::Result<()> {
    let draft = data.join(format!("{NAME}.{}", announcement.pid));
    fs::write(&draft, serde_json::to_vec_pretty(announcement).map_err(io::Error::other)?)?;
    fs::rename(&draft, data.join(NAME))
}

/// Reads what the last engine on this data directory said; `None` when there is nothing legible.
#[must_use]
pub fn announced(data: &Path) -> Option<Announcement> {
    serde_json::from_slice(&fs::read(data.join(NAME)).ok()?).ok()
}

impl Drop for Announced {
    fn drop(&mut self) {
        let is_ours = announced(&self.data).is_some_and(|now| now == self.announcement);
        if is_ours {
            // Without it, the next command asks the address, and finds nobody.
            drop(write(&self.data, &Announcement { address: None, ..self.announcement.clone() }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(pid: u32) -> Announcement {
        Announcement {
            address: "127.0.0.1:8080".parse().ok(),
            pid,
            version: "1".to_owned(),
            project: PathBuf::from("shop"),
        }
    }

    #[test]
    fn is_found_while_the_engine_lives() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(announced(dir.path()), None);
        let guard = announce(dir.path(), &announcement(7)).unwrap();
        assert_eq!(announced(dir.path()), Some(announcement(7)));
        drop(guard);
        assert_eq!(announced(dir.path()), Some(Announcement { address: None, ..announcement(7) }));
    }

    #[test]
    fn the_file_of_a_successor_stays() {
        let dir = tempfile::tempdir().unwrap();
        let old = announce(dir.path(), &announcement(7)).unwrap();
        let _new = announce(dir.path(), &announcement(8)).unwrap();
        drop(old);
        assert_eq!(announced(dir.path()), Some(announcement(8)));
    }
}
