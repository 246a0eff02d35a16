//! What is wrong with a service's directory, or may be: the rules of `pinfold check`.
//!
//! Names and values go by the vocabulary that the supervisor itself reads by, [`settings::TABLE`].

use crate::service::settings::{self, Kind, Settings};
use serde::Serialize;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use sys::files;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// Worth knowing.
    Hint,
    /// Probably not what was meant.
    Warning,
    /// The service does not start with it.
    Error,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// How bad.
    pub(super) level: Level,
    /// Which file.
    pub(super) file: PathBuf,
    /// Which line of it, from 1.
    pub(super) line: Option<usize>,
    /// What.
    pub(super) text: String,
}

/// The scripts a service may have.
const SCRIPTS: [&str; 5] = ["run", "start", "stop", "finish", "check"];
/// What su and its like do.
const MOVES: &str = "moves the service into a login session where there is systemd-logind; setuidgid does not, nor does \
                     su where a file `session` says none";
/// Words in a run script that pinfold makes needless or difficult, and what to say of them.
const WORDS: [(&str, &str); 5] = [
    ("fghack", "is not needed: what daemonises is found and stopped without it"),
    ("pgrphack", "is not needed: every service has a session of its own"),
    ("su", MOVES),
    ("sudo", MOVES),
    ("runuser", MOVES),
];
/// Letters for which `control/LETTER` is run; see runsv(8).
const CONTROL: &[u8] = b"tdhaikq12w";

/// Everything about one service, the worst first.
pub(super) fn service(directory: &Path) -> Vec<Finding> {
    let mut lint = Lint { directory, found: Vec::new() };
    lint.names();
    lint.values();
    lint.alone();
    SCRIPTS.iter().for_each(|name| lint.script(name));
    lint.control();
    lint.run_text();
    lint.owners();
    lint.found.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.file.cmp(&b.file)));
    lint.found
}

struct Lint<'a> {
    directory: &'a Path,
    found: Vec<Finding>,
}

impl Lint<'_> {
    fn say(&mut self, level: Level, name: impl AsRef<Path>, line: Option<usize>, text: impl Into<String>) {
        let file = self.directory.join(name);
        self.found.push(Finding { level, file, line, text: text.into() });
    }

    /// Names that nobody knows.
    fn names(&mut self) {
        let entries = match files::list(self.directory) {
            Ok(entries) => entries,
            Err(fail) => return self.say(Level::Error, "", None, sys::fail::words(fail.errno)),
        };
        let names = entries.take(settings::MOST_ENTRIES).flatten().map(|entry| entry.file_name());
        for name in names.filter(|name| !name.as_bytes().starts_with(b".")) {
            // where multilog is usually told to write
            let is_usual = self.directory.ends_with("log") && name == "main";
            if is_usual || settings::lookup(name.as_bytes()).is_some() {
                continue;
            }
            match resembling(&name) {
                Some(known) => {
                    let text = format!("pinfold does not know this name; did you mean `{known}`?");
                    self.say(Level::Warning, &name, None, text);
                }
                None => {
                    self.say(Level::Hint, &name, None, "pinfold does not know this name, and leaves it alone")
                }
            }
        }
        let log = self.directory.join("log");
        if log.exists() && !log.is_dir() {
            self.say(Level::Warning, "log", None, "is not a directory, so there is no log service");
        }
    }

    /// Settings that can't be used.
    fn values(&mut self) {
        for setting in settings::TABLE {
            let Kind::File(read) = setting.kind else { continue };
            let text = match files::read(&self.directory.join(setting.name), 4096) {
                Ok(None) => continue,
                Ok(Some(data)) => String::from_utf8_lossy(&data).into_owned(),
                Err(fail) => {
                    self.say(Level::Error, setting.name, None, sys::fail::words(fail.errno));
                    continue;
                }
            };
            let word = text.lines().next().unwrap_or("").trim();
            if let Err(expected) = read(&mut Settings::default(), word) {
                let shown: String = word.chars().take(40).collect();
                let text = format!("is \"{}\", expected {expected}", shown.escape_debug());
                self.say(Level::Error, setting.name, Some(1), text);
            } else if let Some(at) = text.lines().skip(1).position(|line| !line.trim().is_empty()) {
                self.say(Level::Warning, setting.name, Some(at + 2), "only the first line counts");
            }
        }
    }

    /// Settings that need another one.
    fn alone(&mut self) {
        let there = |name: &str| self.directory.join(name).symlink_metadata().is_ok();
        if there("timeout-watchdog") && !there("notify") {
            let text = "has no effect without `notify`: nobody could feed the watchdog";
            self.say(Level::Warning, "timeout-watchdog", None, text);
        }
    }

    /// A script that can't be executed.
    fn script(&mut self, name: &str) {
        let is_run = name == "run";
        let level = if is_run { Level::Error } else { Level::Warning };
        let path = self.directory.join(name);
        let meta = match std::fs::metadata(&path) {
            Ok(meta) => meta,
            Err(_) if path.is_symlink() => {
                return self.say(level, name, None, "is a link that leads nowhere");
            }
            Err(_) if is_run => return self.say(level, name, None, "is missing: there is nothing to start"),
            Err(_) => return,
        };
        if let Some(why) = not_executable(&meta) {
            let so = if is_run { "" } else { ", so it is not run" };
            return self.say(level, name, None, format!("{why}{so}"));
        }
        if let Some(why) = not_a_program(&path) {
            self.say(Level::Error, name, Some(1), why);
        }
    }

    /// Scripts in `control/` that are never run.
    fn control(&mut self) {
        let Ok(entries) = files::list(&self.directory.join("control")) else { return };
        for entry in entries.take(settings::MOST_ENTRIES).flatten() {
            let name = entry.file_name();
            let place = Path::new("control").join(&name);
            match name.as_bytes() {
                [b'.', ..] => {}
                [letter] if CONTROL.contains(letter) => {
                    let meta = std::fs::metadata(self.directory.join(&place)).ok();
                    if let Some(why) = meta.as_ref().and_then(not_executable) {
                        self.say(Level::Warning, place, None, format!("{why}, so it is not run"));
                    }
                }
                _ => self.say(Level::Warning, place, None, "is never run: no command has this letter"),
            }
        }
    }

    /// Programs of root's svscan that somebody else could exchange.
    fn owners(&mut self) {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        for name in [""].iter().chain(&SCRIPTS).chain(&["env", "control"]) {
            let Ok(meta) = std::fs::metadata(self.directory.join(name)) else { continue };
            let who = match (meta.uid(), meta.mode() & 0o002) {
                (0, 0) => continue,
                (0, _) => "can be written to by everybody, who".to_owned(),
                (uid, _) => format!("belongs to user {uid}, who"),
            };
            let text = format!("{who} can so have anything done by root's svscan");
            return self.say(Level::Warning, name, None, text);
        }
    }

    /// What a shell script says that is needless or has consequences.
    fn run_text(&mut self) {
        let Ok(Some(data)) = files::read(&self.directory.join("run"), files::BOUND) else { return };
        let text = String::from_utf8_lossy(&data);
        let Some(shell) = text.lines().next().and_then(|line| line.strip_prefix("#!")) else { return };
        let program = shell.split_whitespace().next().unwrap_or("").rsplit('/').next().unwrap_or("");
        if !["sh", "bash", "dash", "ash", "ksh", "zsh"].contains(&program) {
            return;
        }
        let lines = (1..).zip(text.lines().map(str::trim));
        let lines: Vec<(usize, &str)> =
            lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect();
        for (number, line) in &lines {
            let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || ";&|()".contains(c)).collect();
            for (word, text) in WORDS.iter().filter(|(word, _)| words.iter().any(|w| base(w) == *word)) {
                self.say(Level::Hint, "run", Some(*number), format!("{word} {text}"));
            }
        }
        if !lines.iter().any(|(_, line)| line.contains("exec ")) {
            let text = "never says exec: a shell stays above the program. A stop ends both, but other signals \
                        (svc -h, -1, -2) reach the shell only";
            self.say(Level::Hint, "run", lines.last().map(|(number, _)| *number), text);
        }
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A name of the vocabulary that somebody may have meant.
fn resembling(name: &OsStr) -> Option<&'static str> {
    let name = name.to_str()?.to_lowercase().replace('_', "-");
    let near =
        settings::TABLE.iter().map(|setting| (strsim::osa_distance(setting.name, &name), setting.name));
    let (distance, known) = near.min()?;
    // a short word is soon near to another
    (distance <= known.len().div_ceil(4).min(2)).then_some(known)
}

fn not_executable(meta: &Metadata) -> Option<&'static str> {
    match (meta.is_file(), meta.is_dir(), meta.mode() & 0o111) {
        (true, _, 0) => Some("is not executable (chmod +x)"),
        (true, ..) => None,
        (false, true, _) => Some("is a directory"),
        (false, false, _) => Some("is not a file"),
    }
}

/// Why the kernel would refuse an executable file, as far as its first line shows. See execve(2).
fn not_a_program(path: &Path) -> Option<String> {
    let mut head = [0; 256];
    let length = std::io::Read::read(&mut files::open(path).ok()??, &mut head).ok()?;
    let head = &head[..length];
    if head.starts_with(b"\x7fELF") {
        return None;
    }
    let Some(line) = head.strip_prefix(b"#!") else {
        return Some("names no interpreter: the first line must be as #!/bin/sh".to_owned());
    };
    let line = line.split(|&b| b == b'\n').next()?;
    if line.ends_with(b"\r") {
        return Some("has DOS line ends: the kernel takes the carriage return for part of a name (dos2unix, or sed -i 's/\\r$//')".to_owned());
    }
    let word = line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty()).unwrap_or(b"");
    let interpreter = Path::new(OsStr::from_bytes(word));
    let shown = super::failure::shown(interpreter);
    match std::fs::metadata(interpreter) {
        _ if word.is_empty() => Some("names no interpreter after #!".to_owned()),
        Ok(_) if interpreter.is_relative() => Some(format!("interpreter {shown} is not an absolute path")),
        Ok(meta) => not_executable(&meta).map(|why| format!("interpreter {shown} {why}")),
        Err(_) => Some(format!("interpreter {shown} does not exist")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearly_right_is_recognised_and_own_files_are_left_alone() {
        let meant = |name: &str| resembling(OsStr::new(name));
        assert_eq!(meant("timout-kill"), Some("timeout-kill"));
        assert_eq!(meant("timeout_kill"), Some("timeout-kill"));
        assert_eq!(meant("notification-df"), Some("notification-fd"));
        assert_eq!(meant("daemonized"), Some("daemonised"));
        assert_eq!(meant("Run"), Some("run"));
        assert_eq!(meant("finnish"), Some("finish"));
        assert_eq!(meant("htpasswd"), None);
        assert_eq!(meant("www"), None);
        assert_eq!(meant("sun"), Some("run"));
        assert_eq!(meant("dawn"), Some("down"));
    }
}
