//! Who is left of a service, found by what was inherited and not by name.

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::cgroups;
use super::processes::{Process, Traces};

/// What the processes of one generation of a service have inherited: a locked file (exact, since the
/// kernel keeps the lock as long as anybody has a descriptor of it, however fast he forks), and a word in
/// the arguments or the environment for those that close their descriptors.
#[derive(Clone, Debug)]
pub(crate) struct Marker {
    file: PathBuf,
    word: String,
}

impl Marker {
    pub(crate) fn new(file: &Path, word: &str) -> Self {
        Marker { file: file.to_owned(), word: word.to_owned() }
    }

    /// Whether somebody still has the locked file open. Takes microseconds.
    pub(crate) fn is_locked(&self) -> bool {
        // Nobody has made it, so nobody has it.
        let Ok(file) = File::open(&self.file) else { return false };
        // Shared: two who look at once must not take each other for a holder.
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Whether, and how, a process shows the mark.
    pub(crate) fn shown_in(&self, traces: &Traces) -> Option<String> {
        traces.lead_to(&self.file, &self.word)
    }
}

/// Everybody who shows one of the marks. A lock whose holder is in no list (it forks faster than /proc is
/// read) is listed as such.
pub(crate) fn survivors(markers: &[Marker]) -> Vec<Survivor> {
    let judge = |process: Process| {
        let traces = process.traces();
        let how = markers.iter().find_map(|marker| marker.shown_in(&traces))?;
        let groups = cgroups::of(process.pid);
        Some(Survivor { process: Some(process), how, groups })
    };
    let mut found: Vec<Survivor> = Process::all().into_iter().filter_map(judge).collect();
    if found.is_empty() && markers.iter().any(Marker::is_locked) {
        found.push(Survivor { process: None, how: "the lock is held".into(), groups: Vec::new() });
    }
    found
}

/// Somebody who should not be there any more.
#[derive(Clone, Debug)]
pub(crate) struct Survivor {
    /// `None`: known by the lock only.
    pub(crate) process: Option<Process>,
    pub(crate) how: String,
    /// Its cgroups, as directories.
    pub(crate) groups: Vec<PathBuf>,
}

impl fmt::Display for Survivor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some(process) => {
                write!(f, "{} {:?} {} ({})", process.pid, process.command, process.state, self.how)?
            }
            None => write!(f, "{}", self.how)?,
        }
        self.groups.iter().try_for_each(|group| write!(f, " {}", group.display()))
    }
}
