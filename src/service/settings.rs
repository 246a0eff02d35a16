//! The one vocabulary of a service directory.
//!
//! A setting is a file, as in the whole family: no parser, atomic to change, easy for a package to drop
//! in. Names that a peer already uses keep that peer's meaning. [`TABLE`] is the only list: the reader,
//! the help, the man page and `pinfold check` all go by it.

mod values;
mod vocabulary;

pub use vocabulary::{Kind, Setting, TABLE, lookup};

use crate::machine::{Config, Daemonised, Times};
use nix::sys::signal::Signal;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use sys::files;

/// What a service's directory says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `down` is there: not started at boot or at pick-up.
    pub down: bool,
    /// There is a `log` directory.
    pub log: bool,
    /// Executable scripts that are there.
    pub scripts: Scripts,
    /// The number of the descriptor on which a newline means "ready".
    pub notification_fd: Option<i32>,
    /// It is offered sd_notify's socket.
    pub notify: bool,
    /// What asks the service to end, in place of TERM.
    pub down_signal: Signal,
    /// Processes put into another cgroup on purpose are brought back and stopped.
    pub kill_strays: bool,
    /// Its environment asks logind to open no session for it.
    pub no_session: bool,
    /// The least rung of containment to start with, as its word.
    pub containment: Option<String>,
    /// There is an `env` directory.
    pub env: bool,
    /// Where a daemon writes its pid.
    pub pidfile: Option<String>,
    /// What the machine goes by.
    pub config: Config,
}

/// Which scripts a service has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scripts {
    /// `start`: run by svcstart, and as the check after an automatic restart.
    pub start: bool,
    /// `finish`
    pub finish: bool,
    /// `check`
    pub check: bool,
    /// `control/`
    pub control: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            down: false,
            log: false,
            scripts: Scripts::default(),
            notification_fd: None,
            notify: false,
            down_signal: Signal::SIGTERM,
            kill_strays: false,
            no_session: false,
            containment: None,
            env: false,
            pidfile: None,
            config: Config {
                has_finish: false,
                notifies: false,
                timeout_up: Some(60_000),
                timeout_kill: Some(90_000),
                timeout_finish: Some(5_000),
                watchdog: None,
                leader_only: false,
                daemonised: Daemonised::Auto,
                backoff_max: 10_000,
                max_quick_deaths: 0,
                times: Times::REAL,
            },
        }
    }
}

/// A setting that can't be used: which file, which line, what was expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    what: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Settings {
    /// Reads a service's directory. Nothing it may hold can block or exhaust the reader: the directory is
    /// listed once (at most [`MOST_ENTRIES`]), files are opened without waiting and read up to a bound.
    pub fn read(directory: &Path) -> Result<Settings, Unusable> {
        let mut settings = Settings::default();
        for setting in found_in(directory)? {
            match setting.kind {
                Kind::Known => {}
                Kind::Flag(set) => set(&mut settings),
                Kind::File(read) => settings.take(directory, setting.name, read)?,
            }
        }
        // who can't be heard is not waited for
        settings.config.watchdog = settings.config.watchdog.filter(|_| settings.notify);
        Ok(settings)
    }

    fn take(
        &mut self,
        directory: &Path,
        name: &str,
        read: fn(&mut Settings, &str) -> Result<(), &'static str>,
    ) -> Result<(), Unusable> {
        let path = directory.join(name);
        let unusable = |what: String| Unusable { what };
        let data = match files::read(&path, 4096).map_err(|e| unusable(e.to_string()))? {
            Some(data) => data,
            None if path.symlink_metadata().is_ok() => {
                let shown = path.display().to_string();
                return Err(unusable(format!("read {}: it is a dangling link", shown.escape_debug())));
            }
            None => return Ok(()), // removed since the directory was listed
        };
        let text = String::from_utf8_lossy(&data);
        let word = text.lines().next().unwrap_or("").trim();
        read(self, word).map_err(|expected| {
            let shown: String = word.chars().take(40).collect();
            unusable(format!(
                "read {}: line 1 is \"{}\", expected {expected}",
                path.display().to_string().escape_debug(),
                shown.escape_debug()
            ))
        })
    }
}

/// The most names of a directory that are looked at.
pub const MOST_ENTRIES: usize = 1000;

/// The settings that are in the directory.
fn found_in(directory: &Path) -> Result<Vec<&'static Setting>, Unusable> {
    let (mut found, mut left) = (Vec::new(), MOST_ENTRIES);
    let mut each = |name: &[u8]| {
        found.extend(lookup(name));
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    files::each_name(directory, &mut each).map_err(|fail| Unusable { what: fail.to_string() })?;
    // too large to be listed: every known name is asked for
    let is_there = |setting: &&Setting| directory.join(setting.name).symlink_metadata().is_ok();
    Ok(if left == 0 { TABLE.iter().filter(is_there).collect() } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> std::path::PathBuf {
        static N: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let n = N.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("pinfold-settings-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            std::fs::write(path.join(name), text).unwrap();
        }
        path
    }

    fn read(files: &[(&str, &str)]) -> Result<Settings, String> {
        let path = directory(files);
        let settings = Settings::read(&path).map_err(|e| e.to_string());
        std::fs::remove_dir_all(path).unwrap();
        settings
    }

    #[test]
    fn an_empty_directory_gives_the_defaults() {
        assert_eq!(read(&[]).unwrap(), Settings::default());
    }

    #[test]
    fn what_is_there_counts() {
        let s = read(&[
            ("down", ""),
            ("timeout-kill", "0\n"),
            ("down-signal", "sighup\n"),
            ("notification-fd", "3"),
        ])
        .unwrap();
        assert!(s.down && s.config.notifies);
        assert_eq!(
            (s.config.timeout_kill, s.down_signal, s.notification_fd),
            (None, Signal::SIGHUP, Some(3))
        );
        assert_eq!(read(&[("down-signal", "10")]).unwrap().down_signal, Signal::SIGUSR1);
        assert_eq!(read(&[("down-signal", "QUIT")]).unwrap().down_signal, Signal::SIGQUIT);
    }

    #[test]
    fn what_is_malformed_is_named_with_what_was_expected() {
        for (name, text, expected) in [
            ("timeout-kill", "soon\n", "timeout-kill: line 1 is \"soon\", expected a number of milliseconds"),
            ("timeout-kill", "", "line 1 is \"\", expected a number of milliseconds"),
            ("timeout-up", "-1", "expected a number of milliseconds"),
            ("notification-fd", "0", "from 1 to 1023"),
            ("down-signal", "STOPP", "a signal's name or number"),
            ("kill-mode", "group\u{7}", "line 1 is \"group\\u{7}\", expected fold or leader"),
            ("backoff-max", "0", "seconds from 1"),
            ("daemonised", "maybe", "auto, yes or no"),
            ("session", "never", "expected none"),
        ] {
            let error = read(&[(name, text)]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn names_are_unique_and_described() {
        for (n, setting) in TABLE.iter().enumerate() {
            assert!(TABLE[n + 1..].iter().all(|other| other.name != setting.name), "{}", setting.name);
            assert!(!setting.help.is_empty() && !setting.from.is_empty());
        }
    }

    #[test]
    fn a_huge_directory_is_not_listed_to_its_end() {
        let path = directory(&[("down", "")]);
        for n in 0..=MOST_ENTRIES {
            std::fs::write(path.join(format!("data-{n}")), "").unwrap();
        }
        assert!(Settings::read(&path).unwrap().down);
        std::fs::remove_dir_all(path).unwrap();
    }
}
