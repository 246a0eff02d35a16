//! Becoming the guardian of a supervisor whose own guardian has died.
//!
//! The table says who the supervisor is. A meeting is opened in the run directory, to which it comes as soon as
//! it sees it; it then hands over what a guardian keeps. Until then nothing is started: there is one supervisor.

use super::Guardian;
use super::ward::Ward;
use crate::guardian_line::Say;
use crate::{place, say, table};
use nix::poll::{PollFd, PollFlags};
use std::os::fd::AsFd;
use sys::clock::monotonic_ms;
use sys::handover::Meeting;
use sys::process::{Identity, Pidfd};

/// For how long a supervisor that does not come is waited for without a word.
const PATIENCE_MS: u64 = 5000;

/// A supervisor that is to come.
pub(super) struct Expected {
    who: Identity,
    pidfd: Pidfd,
    /// When to say that it has not come.
    complain: Option<u64>,
}

impl Expected {
    /// What tells that it has died instead.
    pub(super) fn awaited(&self) -> PollFd<'_> {
        PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)
    }

    /// Until when it is waited for without a word.
    pub(super) fn patience(&self) -> Option<u64> {
        self.complain
    }
}

impl Guardian {
    /// Somebody may have emptied the run directory: then its lock is no lock any more, and nobody finds the meeting.
    pub(super) fn make_run_directory_again(&mut self) {
        let path = self.run.join("lock");
        let held = nix::sys::stat::fstat(&self.lock).map(|stat| (stat.st_dev, stat.st_ino));
        if nix::sys::stat::stat(&path).map(|stat| (stat.st_dev, stat.st_ino)) == held {
            return;
        }
        let made = place::make(&self.directory).and_then(|run| {
            self.lock = sys::files::lock(&path)?;
            self.meeting = Meeting::open(&run)?;
            Ok(())
        });
        if let Err(fail) = made {
            say::warning(&fail.to_string());
        }
    }

    /// Looks whether a supervisor of this directory is alive.
    pub(super) fn expect_survivor(&mut self) {
        let view = table::read(&self.run).ok().filter(|view| view.head.boot == sys::clock::boot_id());
        let Some(who) = view.and_then(|view| view.head.supervisor) else { return };
        let Some(pidfd) = Pidfd::of(who).ok().filter(|pidfd| !pidfd.has_ended()) else { return };
        self.expected = Some(Expected { who, pidfd, complain: Some(monotonic_ms() + PATIENCE_MS) });
    }

    /// The supervisor that was just started could not begin: there may be another one at work, which this guardian does
    /// not know yet.
    pub(super) fn expect_somebody(&mut self, born: u64) {
        self.expect_survivor();
        if self.expected.is_none() {
            // on its way: it has not said yet who it is
            self.again = Some(super::next_start(born));
        }
    }

    /// Receives it when it has come; when it has died instead, its successor is started.
    pub(super) fn receive_survivor(&mut self) {
        while let Some((line, pid)) = self.meeting.accept() {
            let Some(Expected { who, pidfd, .. }) = self.expected.take_if(|expected| expected.who.pid == pid)
            else {
                // a catcher, which can go now; a stranger is told the same
                let _ = line.send(&Say::Done.encode(), &[]);
                continue;
            };
            let queue = std::iter::once(Say::Voice).chain(vec![Say::Ending; self.endings]);
            let queue = queue.chain([Say::Rescan]).collect();
            self.supervisor = Some(Ward { who, pidfd, line, queue, born: monotonic_ms() });
        }
        let now = monotonic_ms();
        let Some(expected) = &mut self.expected else { return };
        if expected.pidfd.has_ended() {
            self.expected = None;
            self.start_supervisor();
        } else if expected.complain.is_some_and(|at| at <= now) {
            expected.complain = None;
            let pid = expected.who.pid;
            say::warning(&format!("the supervisor (pid {pid}) lives and does not answer; waiting for it"));
        }
    }
}
