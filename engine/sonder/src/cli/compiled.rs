//! Where commands keep the compiled code of plugins from one run to the next: a component of an interpreted language takes
//! seconds to compile. The running engine keeps its own, in the data directory.
//!
//! Code is found by the content of its component, so that it can never be that of another one. Where nothing can be kept,
//! each run compiles.

use sonder_activate::host::{Host, HostConfig, HostError};
use std::ffi::OsString;
use std::path::PathBuf;

/// A sandbox for a command.
pub fn host(config: HostConfig) -> Result<Host, HostError> {
    match directory(&|name| std::env::var_os(name)) {
        Some(directory) => {
            let cached = Host::new(HostConfig { cache: Some(directory), ..config.clone() });
            cached.or_else(|_| Host::new(config))
        }
        None => Host::new(config),
    }
}

/// `SONDER_CACHE`, or where the system keeps such things for the user.
fn directory(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = path("SONDER_CACHE")
        .or_else(|| Some(path("XDG_CACHE_HOME")?.join("sonder")))
        .or_else(|| Some(path("HOME")?.join(".cache/sonder")))?;
    Some(cache.join("compiled"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_somebody_says_or_where_the_user_keeps_caches() {
        let with = |set: &[(&str, &str)]| {
            let variable = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
            directory(&variable).map(|path| path.display().to_string())
        };
        let home = ("HOME", "/home/ann");
        assert_eq!(with(&[home, ("SONDER_CACHE", "/tmp/c")]).as_deref(), Some("/tmp/c/compiled"));
        assert_eq!(with(&[home, ("XDG_CACHE_HOME", "/x")]).as_deref(), Some("/x/sonder/compiled"));
        assert_eq!(with(&[home, ("SONDER_CACHE", "")]).as_deref(), Some("/home/ann/.cache/sonder/compiled"));
        assert_eq!(with(&[]), None);
    }
}
