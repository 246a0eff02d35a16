//! What a service shows to the family's clients: `status` for daemontools' and runit's, `pid` and `stat`, runit's text
//! forms, for scripts. See supervise(8), runsv(8).

use compat::status::{LEN, RunState, Status};
use std::ffi::OsStr;
use sys::Errno;
use sys::directory::{Directory, Spare};

/// All that is shown at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Face {
    /// `supervise/status`.
    pub(super) status: Status,
    /// `supervise/stat`.
    pub(super) stat: Stat,
}

/// runit's words for a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) run: RunState,
    pub(super) paused: bool,
    pub(super) got_term: bool,
    pub(super) want_exit: bool,
    pub(super) want_down: bool,
}

impl Stat {
    fn text(self) -> String {
        let mut text = match self.run {
            RunState::Down => "down",
            RunState::Run => "run",
            RunState::Finish => "finish",
        }
        .to_owned();
        for (holds, words) in [
            (self.paused, ", paused"),
            (self.got_term, ", got TERM"),
            (self.want_exit, ", want exit"),
            (self.want_down, ", want down"),
        ] {
            if holds {
                text.push_str(words);
            }
        }
        text.push('\n');
        text
    }
}

fn pid_text(pid: u32) -> String {
    if pid == 0 { String::new() } else { format!("{pid}\n") }
}

/// The three files, and what they are known to hold.
#[derive(Default)]
pub(super) struct Sheets {
    pid: Sheet<u32>,
    stat: Sheet<Stat>,
    status: Sheet<[u8; LEN]>,
}

impl Sheets {
    /// Those of a directory in which there are none yet.
    pub(super) fn fresh() -> Sheets {
        Sheets { pid: Sheet::fresh(), stat: Sheet::fresh(), status: Sheet::fresh() }
    }

    /// Whether all of this stands there already.
    pub(super) fn show(&self, face: &Face) -> bool {
        let Face { status, stat } = face;
        (self.pid.shown, self.stat.shown, self.status.shown)
            == (Some(status.pid), Some(*stat), Some(status.encode()))
    }

    /// Publishes what has changed. In a directory that is `ours` alone nobody else changes the files.
    pub(super) fn publish(&mut self, directory: &Directory, face: &Face, ours: bool) -> Result<(), Errno> {
        let Face { status, stat } = face;
        self.pid.publish(directory, "pid", status.pid, ours, |pid| pid_text(pid).into_bytes())?;
        self.stat.publish(directory, "stat", *stat, ours, |stat| stat.text().into_bytes())?;
        // last: clients wait for it
        self.status.publish(directory, "status", status.encode(), ours, |status| status.to_vec())
    }
}

/// One file, and the spare one that it is exchanged with.
struct Sheet<T> {
    /// What was last published; `None` if that is not known.
    shown: Option<T>,
    /// What the spare file holds.
    spare: Other<T>,
}

#[derive(Clone, Copy)]
enum Other<T> {
    Unknown,
    /// It is not there, nor is the file itself, as far as nothing has been published.
    Missing,
    Has(T),
}

impl<T> Default for Sheet<T> {
    fn default() -> Self {
        Sheet { shown: None, spare: Other::Unknown }
    }
}

impl<T: Copy + PartialEq> Sheet<T> {
    fn fresh() -> Self {
        Sheet { shown: None, spare: Other::Missing }
    }

    fn publish(
        &mut self,
        directory: &Directory,
        name: &str,
        value: T,
        ours: bool,
        text: impl Fn(T) -> Vec<u8>,
    ) -> Result<(), Errno> {
        if self.shown == Some(value) {
            return Ok(());
        }
        let spare = match self.spare {
            Other::Has(there) if ours && there == value => Spare::Same,
            Other::Has(there) if ours => Spare::Ours(text(there).len()),
            Other::Missing if ours && self.shown.is_none() => Spare::Neither,
            Other::Missing if ours => Spare::Missing,
            _ => Spare::Unknown,
        };
        // half done, nothing is known of either
        let before = std::mem::take(self).shown;
        directory.publish(OsStr::new(name), &text(value), 0o644, spare)?;
        self.shown = Some(value);
        self.spare = match before {
            Some(before) => Other::Has(before),
            None if spare == Spare::Neither => Other::Missing,
            None => Other::Unknown,
        };
        Ok(())
    }
}
