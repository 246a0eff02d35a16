//! A supervisor that a test has started, and what it publishes.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};

use nix::sys::signal::Signal;

use super::look_until;
use super::processes::Process;

/// The end of what has been said, as much as a person wants to read.
pub(crate) fn reports(path: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let start = text.len().saturating_sub(16_000);
    text.get(start..).map_or(text.clone(), str::to_owned)
}

/// The exit code, or minus the signal.
pub(crate) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
}

/// A supervisor that was started here. Killed when it is dropped.
pub(crate) struct Supervisor {
    child: Child,
    reports: PathBuf,
}

impl Supervisor {
    pub(crate) fn new(child: Child, reports: PathBuf) -> Self {
        Supervisor { child, reports }
    }

    pub(crate) fn process(&self) -> Process {
        Process::look(self.child.id() as i32).unwrap()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end: the exit code, or minus the signal.
    pub(crate) fn ended(&mut self) -> i32 {
        let end = look_until(|| self.child.try_wait().unwrap().ok_or_else(|| "still running".to_owned()));
        let pid = self.child.id();
        code(end.unwrap_or_else(|seen| {
            panic!("waited for supervisor {pid} to end: {seen}\n{}", reports(&self.reports))
        }))
    }

    /// SIGTERM, and its end.
    pub(crate) fn terminate(&mut self) -> i32 {
        self.process().signal(Signal::SIGTERM);
        self.ended()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The record of `supervise/status`, as daemontools' svstat and runit's sv read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// 0: down.
    pub(crate) pid: i32,
    pub(crate) paused: bool,
    /// `u`, `d` or 0 (daemontools' once).
    pub(crate) want: u8,
    pub(crate) length: usize,
}

impl Status {
    pub(crate) fn read(service: &Path) -> Option<Self> {
        Self::read_in(&service.join("supervise"))
    }

    pub(crate) fn read_in(supervise: &Path) -> Option<Self> {
        let record = fs::read(supervise.join("status")).ok()?;
        let pid = record.get(12..16)?.try_into().ok()?;
        Some(Status {
            pid: i32::from_le_bytes(pid),
            paused: *record.get(16)? != 0,
            want: *record.get(17)?,
            length: record.len(),
        })
    }
}
