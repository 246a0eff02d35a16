//! Processes as `/proc` shows them, by identity (pid and start time).

use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

/// A process that was seen. The pid alone may be somebody else's by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Clock ticks since boot (proc_pid_stat(5), field 22).
    pub(crate) start: u64,
    pub(crate) parent: i32,
    /// `R`, `S`, `Z` … as in proc_pid_stat(5).
    pub(crate) state: char,
    pub(crate) command: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
        let (pid, parent, state, command) = (self.pid, self.parent, self.state, &self.command);
        write!(f, "{pid} below {parent} {state} {command}: {}", arguments.escape_debug())
    }
}

impl Process {
    pub(crate) fn look(pid: i32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        // The name may contain anything, also ") Z 1".
        let (open, close) = (stat.find('(')?, stat.rfind(')')?);
        let fields: Vec<&str> = stat[close + 1..].split_ascii_whitespace().collect();
        Some(Process {
            pid,
            start: fields.get(19)?.parse().ok()?,
            parent: fields.get(1)?.parse().ok()?,
            state: fields.first()?.chars().next()?,
            command: stat[open + 1..close].escape_default().to_string(),
        })
    }

    pub(crate) fn all() -> Vec<Self> {
        numbers(Path::new("/proc")).into_iter().filter_map(Self::look).collect()
    }

    pub(crate) fn is_alive(&self) -> bool {
        Self::look(self.pid).is_some_and(|now| now.start == self.start && now.state != 'Z')
    }

    /// Sends a signal, unless the pid means somebody else by now.
    pub(crate) fn signal(&self, signal: Signal) {
        if Self::look(self.pid).is_some_and(|now| now.start == self.start) {
            let _ = signal::kill(Pid::from_raw(self.pid), signal);
        }
    }

    /// The threads' directories, since the files of a leader that has exited are seen through the others only.
    fn tasks(&self) -> Vec<PathBuf> {
        let process = PathBuf::from(format!("/proc/{}", self.pid));
        match self.state {
            'Z' => {
                numbers(&process.join("task")).iter().map(|tid| process.join(format!("task/{tid}"))).collect()
            }
            _ => vec![process],
        }
    }

    /// What this process has inherited.
    pub(crate) fn traces(&self) -> Traces {
        let mut traces = Traces::default();
        for task in self.tasks() {
            let read = |file: &str| fs::read(task.join(file)).unwrap_or_default();
            traces.files.extend(numbers(&task.join("fd")).into_iter().filter_map(|fd| {
                Some((format!("descriptor {fd}"), fs::read_link(task.join(format!("fd/{fd}"))).ok()?))
            }));
            traces
                .files
                .extend(fs::read_link(task.join("cwd")).ok().map(|path| ("working directory".into(), path)));
            traces.words.push(("argument", read("cmdline")));
            traces.words.push(("environment", read("environ")));
        }
        traces
    }

    pub(crate) fn descriptor_count(&self) -> usize {
        numbers(&PathBuf::from(format!("/proc/{}/fd", self.pid))).len()
    }
}

/// What a process shows of where it comes from, read once.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    files: Vec<(String, PathBuf)>,
    words: Vec<(&'static str, Vec<u8>)>,
}

impl Traces {
    /// Without the files that lead to `programs`: who has one open has come to read it, as a profiler of the whole machine
    /// does.
    pub(crate) fn but_for_readers_of(mut self, programs: &Path) -> Traces {
        self.files.retain(|(_, target)| !target.starts_with(programs));
        self
    }

    /// How they lead to a place: a descriptor or working directory at or below `path`, or `word` in arguments
    /// or environment. `None`: they do not.
    pub(crate) fn lead_to(&self, path: &Path, word: &str) -> Option<String> {
        let by_file =
            self.files.iter().find(|(_, target)| target.starts_with(path)).map(|(how, _)| how.clone());
        let says = |text: &[u8]| text.windows(word.len()).any(|window| window == word.as_bytes());
        let by_word = || self.words.iter().find(|(_, text)| says(text)).map(|(how, _)| (*how).to_owned());
        by_file.or_else(by_word)
    }
}

/// The entries of a directory that are numbers: pids, tids, descriptors.
fn numbers(directory: &Path) -> Vec<i32> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| std::str::from_utf8(entry.file_name().as_bytes()).ok()?.parse().ok())
        .collect()
}
