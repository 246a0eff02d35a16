//! The turns of the machine, written down as they happen: with `PINFOLD_TRACE=FILE` a supervisor appends a line of
//! JSON for each. For tests, which take the machine through the same turns again, and for whoever has to find out
//! why a service did what it did.

use crate::machine::{Action, Actions, Config, Event, Ms, State};
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use sys::Fail;
use sys::spawn::above_tray;

/// The environment variable that names the file.
pub const VARIABLE: &str = "PINFOLD_TRACE";

/// One event of one service, and what the machine made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Which supervisor it is: the scan directory, or the one service's.
    pub directory: String,
    /// The service's name, what is no UTF-8 replaced.
    pub service: String,
    /// It follows from an action of the turn before.
    pub echo: bool,
    /// When, on the monotonic clock.
    pub now: Ms,
    /// The state before.
    pub before: State,
    /// What happened.
    pub event: Event,
    /// The state after.
    pub after: State,
    /// What is to be done.
    pub actions: Vec<Action>,
    /// By which settings.
    pub config: Config,
}

impl Turn {
    /// Whether these are the actions.
    pub fn does(&self, actions: &Actions) -> bool {
        actions.iter().eq(self.actions.iter().copied())
    }
}

/// Where turns are written down.
pub struct Trace {
    file: OwnedFd,
}

impl Trace {
    /// The trace that the environment asks for, if it does.
    pub fn from_environment() -> Option<Trace> {
        let path = std::env::var_os(VARIABLE).filter(|path| !path.is_empty())?;
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
        let opened = OpenOptions::new().append(true).create(true).custom_flags(flags.bits()).open(&path);
        let fail = |e: &std::io::Error| Fail::io("open", Path::new(&path), e);
        match opened.map_err(|e| fail(&e)).and_then(|file| above_tray(file.as_fd())) {
            Ok(file) => Some(Trace { file }),
            Err(fail) => {
                crate::say::warning(&format!("{fail}; going on without a trace"));
                None
            }
        }
    }

    /// Writes a turn down, in one piece. What can't be written is left out: nothing waits for a trace.
    pub fn note(&self, turn: &Turn) {
        if let Ok(mut line) = serde_json::to_vec(turn) {
            line.push(b'\n');
            let _ = nix::unistd::write(&self.file, &line);
        }
    }
}
