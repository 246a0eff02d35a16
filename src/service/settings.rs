//! The one vocabulary of a service directory.
//!
//! A setting is a file, as in the whole family: no parser, atomic to change, easy for a package to drop
//! in. Names that a peer already uses keep that peer's meaning. [`TABLE`] is the only list: the reader,
//! the help, the man page and `pinfold check` all go by it.

use crate::machine::{Config, Daemonised, Times};
use nix::sys::signal::Signal;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
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
    /// What asks the service to end, in place of TERM.
    pub down_signal: Signal,
    /// Processes put into another cgroup on purpose are brought back and stopped.
    pub kill_strays: bool,
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
            down_signal: Signal::SIGTERM,
            kill_strays: false,
            containment: None,
            env: false,
            pidfile: None,
            config: Config {
                has_finish: false,
                notifies: false,
                timeout_up: Some(60_000),
                timeout_kill: Some(90_000),
                timeout_finish: Some(5_000),
                leader_only: false,
                daemonised: Daemonised::Auto,
                backoff_max: 10_000,
                max_quick_deaths: 0,
                times: Times::REAL,
            },
        }
    }
}

/// What kind of thing a name in the directory is.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Its content matters; the function reads it, and says what it expected if it can't.
    File(fn(&mut Settings, &str) -> Result<(), &'static str>),
    /// That it is there matters.
    Flag(fn(&mut Settings)),
    /// Pinfold's or a peer's, but nothing that the supervisor reads.
    Known,
}

/// One name of the vocabulary.
pub struct Setting {
    /// The file's name.
    pub name: &'static str,
    /// How it is read.
    pub kind: Kind,
    /// Whose word it is.
    pub from: &'static str,
    /// What it means, in a line.
    pub help: &'static str,
}

/// The vocabulary.
pub const TABLE: &[Setting] = &[
    known("run", "daemontools", "the service's program, in the foreground or not"),
    flag("down", |s| s.down = true, "daemontools", "not started at boot or at pick-up"),
    flag("log", |s| s.log = true, "daemontools", "directory of the log service, which reads what run writes"),
    known("supervise", "daemontools", "the supervisor's own files"),
    flag(
        "start",
        |s| s.scripts.start = true,
        "Syn-3",
        "starts the service by svc -u and checks it; also the check after an automatic restart",
    ),
    known("stop", "Syn-3", "stops the service by svc -d and checks it"),
    flag(
        "finish",
        |s| {
            s.scripts.finish = true;
            s.config.has_finish = true
        },
        "runit",
        "run after each exit, as: finish CODE STATUS; 125 gives up",
    ),
    flag("check", |s| s.scripts.check = true, "runit", "exits 0 when the service works"),
    flag(
        "control",
        |s| s.scripts.control = true,
        "runit",
        "directory of scripts run before a command's signal",
    ),
    flag("env", |s| s.env = true, "runit", "directory of environment variables, as envdir reads it"),
    file("notification-fd", notification_fd, "s6", "descriptor number; a newline written to it means ready"),
    file("timeout-up", timeout_up, "s6-rc", "ms until it must be ready, 0 = for ever; 60000"),
    file("down-signal", down_signal, "s6", "what asks it to end; TERM"),
    file("timeout-finish", timeout_finish, "s6", "ms that finish may take, 0 = for ever; 5000"),
    file(
        "max-death-tally",
        max_deaths,
        "s6",
        "so many deaths in a row within a second make it failed, 0 = never; 0",
    ),
    file("timeout-kill", timeout_kill, "s6", "ms from being told to end to being killed, 0 = never; 90000"),
    file(
        "kill-mode",
        kill_mode,
        "systemd",
        "fold: a stop concerns everything it started; leader: its first process only",
    ),
    file(
        "strays",
        strays,
        "pinfold",
        "what moved to another cgroup on purpose: report it, or kill it with the rest",
    ),
    file(
        "containment",
        containment,
        "pinfold",
        "the least to start with: kill, freeze, list, v1, subtree, or cgroup for any but subtree",
    ),
    file(
        "daemonised",
        daemonised,
        "pinfold",
        "auto, yes or no: whether run may leave a daemon behind and exit",
    ),
    file("pidfile", pidfile, "pinfold", "path of the file in which the daemon writes its pid"),
    file("backoff-max", backoff_max, "pinfold", "s, the cap of the growing delay between quick deaths; 10"),
    known("event", "s6", "s6's listeners; not used"),
    known("data", "s6", "files of the service's own"),
    known("conf", "runit", "settings of the service's own, read by its run script"),
    known("README", "everybody", "for people"),
];

const fn known(name: &'static str, from: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: Kind::Known, from, help }
}

const fn flag(name: &'static str, set: fn(&mut Settings), from: &'static str, help: &'static str) -> Setting {
    Setting { name, kind: Kind::Flag(set), from, help }
}

const fn file(
    name: &'static str,
    read: fn(&mut Settings, &str) -> Result<(), &'static str>,
    from: &'static str,
    help: &'static str,
) -> Setting {
    Setting { name, kind: Kind::File(read), from, help }
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
        for entry in entries(directory)? {
            let Some(setting) = lookup(&entry) else { continue };
            match setting.kind {
                Kind::Known => {}
                Kind::Flag(set) => set(&mut settings),
                Kind::File(read) => settings.take(directory, setting.name, read)?,
            }
        }
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

/// The names of [`TABLE`] that are in the directory.
fn entries(directory: &Path) -> Result<Vec<Vec<u8>>, Unusable> {
    let listing = files::list(directory).map_err(|fail| Unusable { what: fail.to_string() })?;
    let mut found: Vec<Vec<u8>> = Vec::new();
    for (n, entry) in listing.enumerate() {
        if n == MOST_ENTRIES {
            return Ok(one_by_one(directory));
        }
        if let Ok(entry) = entry {
            let name = entry.file_name();
            if lookup(name.as_bytes()).is_some() {
                found.push(name.as_bytes().to_vec());
            }
        }
    }
    Ok(found)
}

/// The same for a directory too large to be listed: every known name is asked for.
fn one_by_one(directory: &Path) -> Vec<Vec<u8>> {
    let there = TABLE.iter().filter(|setting| directory.join(setting.name).symlink_metadata().is_ok());
    there.map(|setting| setting.name.as_bytes().to_vec()).collect()
}

/// The setting of this name.
pub fn lookup(name: &[u8]) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.name.as_bytes() == name)
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn milliseconds(text: &str) -> Result<Option<u64>, &'static str> {
    let ms = number(text).filter(|&ms| ms < 1 << 40).ok_or("a number of milliseconds")?;
    Ok((ms != 0).then_some(ms))
}

fn timeout_up(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.config.timeout_up = milliseconds(text)?;
    Ok(())
}

fn timeout_kill(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.config.timeout_kill = milliseconds(text)?;
    Ok(())
}

fn timeout_finish(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.config.timeout_finish = milliseconds(text)?;
    Ok(())
}

fn notification_fd(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    let fd = number(text).filter(|fd| (1..1024).contains(fd)).ok_or("a descriptor number from 1 to 1023")?;
    settings.notification_fd = Some(fd as i32);
    settings.config.notifies = true;
    Ok(())
}

fn down_signal(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    let upper = text.to_ascii_uppercase();
    let by_name = || format!("SIG{}", upper.strip_prefix("SIG").unwrap_or(&upper)).parse().ok();
    let by_number = || number(text).and_then(|n| Signal::try_from(n as i32).ok());
    settings.down_signal = by_number().or_else(by_name).ok_or("a signal's name or number, as TERM or 15")?;
    Ok(())
}

fn max_deaths(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.config.max_quick_deaths =
        number(text).filter(|&n| n <= 4096).ok_or("a number from 0 to 4096")? as u16;
    Ok(())
}

fn kill_mode(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.config.leader_only = match text {
        "fold" => false,
        "leader" => true,
        _ => return Err("fold or leader"),
    };
    Ok(())
}

fn strays(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.kill_strays = match text {
        "report" => false,
        "kill" => true,
        _ => return Err("report or kill"),
    };
    Ok(())
}

fn containment(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    if !["kill", "freeze", "list", "v1", "subtree", "cgroup"].contains(&text) {
        return Err("kill, freeze, list, v1, subtree or cgroup");
    }
    settings.containment = Some(text.to_owned());
    Ok(())
}

fn daemonised(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    settings.config.daemonised = match text {
        "auto" => Daemonised::Auto,
        "yes" => Daemonised::Yes,
        "no" => Daemonised::No,
        _ => return Err("auto, yes or no"),
    };
    Ok(())
}

fn pidfile(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("a path");
    }
    settings.pidfile = Some(text.to_owned());
    Ok(())
}

fn backoff_max(settings: &mut Settings, text: &str) -> Result<(), &'static str> {
    let seconds = number(text).filter(|s| (1..=86_400).contains(s)).ok_or("seconds from 1 to 86400")?;
    settings.config.backoff_max = seconds * 1000;
    Ok(())
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
