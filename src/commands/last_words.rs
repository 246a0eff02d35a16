//! What a service has said, since a command was given or ever: the last lines, for whoever asks why it failed.
//!
//! They stand in the catcher's file, or where the service's logger writes them. Both are written a moment
//! after the service itself is gone, so there is a short wait for them.

use super::service::Service;
use super::terminal::clean;
use super::vigil::Vigil;
use crate::catcher;
use std::path::{Path, PathBuf};
use sys::clock::monotonic_ms;

/// How many lines are shown.
const SHOWN: usize = 5;
/// How long to wait for somebody to write down what was said.
const PATIENCE_MS: u64 = 2000;
/// When nothing more has come for so long, that was all.
const QUIET_MS: u64 = 100;
/// How much of a log is read at the most, from its end.
const MOST: u64 = 64 * 1024;

/// Where a service's words are written down, and what stood there before.
pub(super) struct LastWords {
    sources: Vec<(PathBuf, Vec<u8>)>,
    /// Its name in the journal, where that is where its words go.
    journal: Option<String>,
}

/// Where else to look.
pub(super) fn in_journal(name: &str) -> String {
    format!("in the journal: journalctl -t {}", clean(name))
}

impl LastWords {
    /// Remembers what stands there now.
    pub(super) fn before(service: &Service) -> LastWords {
        let entry = service.entry.as_ref().map(|entry| (&*entry.run, &*entry.name));
        let remember = |path: PathBuf| {
            let before = tail(&path);
            (path, before)
        };
        let journal = service.entry.as_ref().filter(|entry| entry.head.journal);
        let journal = journal.map(|entry| String::from_utf8_lossy(&entry.name).into_owned());
        LastWords { sources: sources(&service.directory, entry).map(remember).collect(), journal }
    }

    /// The last lines of what was added since.
    pub(super) fn since(&self, vigil: &mut Vigil) -> Vec<String> {
        for directory in self.sources.iter().filter_map(|(path, _)| path.parent()) {
            vigil.watch_also(directory);
        }
        let begin = monotonic_ms();
        let mut said = self.added();
        let mut until =
            begin + if said.is_empty() && self.journal.is_none() { PATIENCE_MS } else { QUIET_MS };
        while monotonic_ms() < until && !vigil.is_interrupted() {
            vigil.wait(until, &[]);
            let now_said = self.added();
            if now_said != said {
                said = now_said;
                until = (monotonic_ms() + QUIET_MS).min(begin + PATIENCE_MS);
            }
        }
        match &self.journal {
            Some(name) if said.is_empty() => vec![in_journal(name)],
            _ => lines(&said),
        }
    }

    fn added(&self) -> Vec<u8> {
        self.sources.iter().flat_map(|(path, before)| added(before, &tail(path))).collect()
    }
}

/// The last lines of a service, whenever it said them; its place in a table is the supervisor's run directory and
/// its name.
pub(super) fn all(directory: &Path, entry: Option<(&Path, &[u8])>) -> Vec<String> {
    lines(&sources(directory, entry).flat_map(|path| tail(&path)).collect::<Vec<u8>>())
}

/// The files in which a service's words are written down: the catcher's, and its logger's.
fn sources(directory: &Path, entry: Option<(&Path, &[u8])>) -> impl Iterator<Item = PathBuf> {
    let caught = entry.map(|(run, name)| catcher::path(run, name));
    caught.into_iter().chain([directory.join("log/main/current")])
}

/// The end of a file; nothing if there is none. A FIFO in its place must not be waited for.
fn tail(path: &Path) -> Vec<u8> {
    use std::io::{Read, Seek, SeekFrom};
    let mut text = Vec::new();
    let Ok(Some(mut file)) = sys::files::open(path) else { return text };
    let length = file.metadata().map_or(0, |meta| meta.len());
    if length > 0 && file.seek(SeekFrom::Start(length.saturating_sub(MOST))).is_ok() {
        let _ = file.take(MOST).read_to_end(&mut text);
    }
    text
}

/// What `after` has at its end that `before` had not. Both are the end of something that only grows.
fn added(before: &[u8], after: &[u8]) -> Vec<u8> {
    let kept = (0..before.len()).find(|&cut| after.starts_with(&before[cut..]));
    after[kept.map_or(0, |cut| before.len() - cut)..].to_vec()
}

/// The last lines, without multilog's stamps, fit for a terminal.
fn lines(said: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(SHOWN)..].iter();
    last.map(|line| clean(unstamped(line)).into_owned()).collect()
}

fn unstamped(line: &str) -> &str {
    match line.split_once(' ') {
        Some((stamp, rest)) if compat::tai::Tai64n::from_text(stamp.as_bytes()).is_some() => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_says_nothing_and_is_not_waited_for() {
        let path = std::env::temp_dir().join(format!("pinfold-last-words-{}", std::process::id()));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(tail(&path).is_empty());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_was_there_before_is_not_said_again() {
        assert_eq!(added(b"", b"one\n"), b"one\n");
        assert_eq!(added(b"one\n", b"one\ntwo\n"), b"two\n");
        assert_eq!(added(b"one\n", b"one\n"), b"");
        assert_eq!(added(b"one\ntwo\n", b"two\nthree\n"), b"three\n", "the first line was pushed out");
        assert_eq!(added(b"one\n", b"else\n"), b"else\n", "a rotated log");
    }

    #[test]
    fn the_last_lines_are_fit_for_a_terminal() {
        let said = b"1\n2\n3\n4\n\n@400000003b4a39c23294b13c five\n\x1b[31mred\xff\n";
        assert_eq!(lines(said), ["2", "3", "4", "five", "\\u{1b}[31mred\u{fffd}"]);
        assert!(lines(b"").is_empty());
    }
}
