//! A new executable takes the supervisor's place, in the same process: its children stay its children. What it needs to
//! go on is in the table and with the guardian, as after a death; so there is nothing else to hand over.

use super::Supervisor;
use super::timers::Kind;
use crate::guardian::LINE;
use crate::guardian_line::Say;
use crate::{say, upgrade};
use std::os::unix::ffi::OsStrExt;
use sys::Fail;
use sys::clock::monotonic_ms;

/// How often it is looked whether nobody is on his way into a program any more.
const SOON_MS: u64 = 10;

impl Supervisor {
    /// The guardian has a new executable in its place already.
    pub(super) fn asked_to_upgrade(&mut self) {
        self.upgrading = self.shutdown.is_none();
    }

    /// At the end of a turn, when everything has been saved and published.
    pub(super) fn upgrade(&mut self) {
        self.upgrading = self.shutdown.is_none() && self.keeping.is_some();
        let busy = !self.spawner.is_idle() || self.says_to_guardian();
        if !self.upgrading || busy {
            return self.timers.set(u32::MAX, Kind::Upgrade, None, Some(monotonic_ms() + SOON_MS));
        }
        self.upgrading = false;
        if let Err(fail) = self.try_upgrade() {
            say::warning(&format!("not upgraded, going on as before: {fail}"));
        }
    }

    fn try_upgrade(&mut self) -> Result<(), Fail> {
        let Some(keeping) = &self.keeping else { return Ok(()) };
        let arguments = [c"pinfold:".to_owned(), path(self.task.directory())?];
        self.spawner.leave(Some(keeping.fd()), LINE)?;
        // it hands over anew, as to a supervisor that has just been started
        let limit = self.spawner.child_limit();
        let errno = match keeping.tell(&Say::Again) {
            Ok(()) => upgrade::become_it(&self.executable, &arguments, &self.environment, limit, None),
            Err(errno) => errno,
        };
        self.spawner.leave(None, LINE)?;
        Err(Fail::at("execute", &self.executable, errno))
    }
}

fn path(path: &std::path::Path) -> Result<std::ffi::CString, Fail> {
    std::ffi::CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Fail::at("name", path, sys::Errno::EINVAL))
}
