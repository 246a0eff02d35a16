//! A process that the guardian watches: the supervisor or the catcher.

use super::LINE;
use super::shelf::Shelf;
use crate::guardian_line::Say;
use std::collections::VecDeque;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use sys::clock::monotonic_ms;
use sys::handover::Line;
use sys::process::{Identity, Pidfd, Stat};
use sys::reap::{Ending, Whom, reap};
use sys::spawn::{Place, Program, Spawner};
use sys::{Errno, Fail};

/// A process of ours.
pub(super) struct Ward {
    pub(super) who: Identity,
    pub(super) pidfd: Pidfd,
    pub(super) line: Line,
    /// What is still to be sent to it.
    pub(super) queue: VecDeque<Say>,
    /// When it was started, or taken over.
    pub(super) born: u64,
}

impl Ward {
    /// Starts this program again, under another name, with a line to us and `queue` to be said first.
    pub(super) fn start(
        name: &str,
        directory: &Path,
        environment: &[CString],
        spawner: &mut Spawner,
        queue: VecDeque<Say>,
    ) -> Result<Ward, Fail> {
        let (ours, theirs) = Line::pair()?;
        let fail = |errno: Errno| Fail::of("start another pinfold process", errno);
        let c = |bytes: &[u8]| CString::new(bytes).map_err(|_| fail(Errno::EINVAL));
        let program = Program {
            file: c"/proc/self/exe".into(),
            arguments: vec![c(name.as_bytes())?, c(directory.as_os_str().as_bytes())?],
            environment: environment.to_vec(),
            directory: c"/".into(),
            // a terminal's interrupt is for the guardian alone: heard by both, it would count as two
            session: true,
        };
        let child = spawner.spawn(program, &Place::Here, &[(theirs.as_fd(), LINE)]).map_err(fail)?;
        let who = child.identity();
        Ok(Ward { who, pidfd: child.pidfd, line: ours, queue, born: monotonic_ms() })
    }

    /// How it has ended, once it has. It is reaped, if it is ours to reap.
    pub(super) fn ended(&self) -> Option<Ending> {
        if !self.pidfd.has_ended() {
            return None;
        }
        if let Some((_, ending)) = reap(Whom::Pid(self.who.pid)) {
            return Some(ending);
        }
        // somebody else's child: known once that one has reaped it, if at all
        let zombie = Stat::read(self.who.pid).is_some_and(|stat| stat.identity() == self.who);
        Some(self.pidfd.ending().filter(|_| !zombie).unwrap_or(Ending::Unknown))
    }

    /// Sends what its line takes; the descriptors are those that are kept.
    pub(super) fn speak(&mut self, kept: &Shelf) {
        let voice = std::io::stderr();
        while let Some(say) = self.queue.front() {
            let fds: Vec<BorrowedFd<'_>> = match say {
                Say::Kept(key) => kept.get(key).collect(),
                Say::Voice => vec![voice.as_fd()],
                _ => Vec::new(),
            };
            match self.line.send(&say.encode(), &fds) {
                Ok(()) => {}
                Err(Errno::EAGAIN) => break,
                // it is dying; its successor gets everything anew
                Err(_) => {}
            }
            self.queue.pop_front();
        }
        sys::memory::emptied(&mut self.queue);
    }
}
