//! What epoll is asked to watch. What it can't be told for now (no memory, too many watches: epoll_ctl(2)) is told
//! it again every second, and looked at by poll(2) until then: nobody stays unheard.

use super::timers::Kind;
use super::{Source, Supervisor};
use crate::machine::Ms;
use crate::say;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{EpollEvent, EpollFlags};
use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd};
use sys::clock::monotonic_ms;
use sys::{Errno, Fail};

const AGAIN_MS: Ms = 1000;

/// Sources that are not watched and should be.
#[derive(Debug, Default)]
pub(super) struct Unheard {
    /// Noted by whoever has borrowed the supervisor to look at what is to be watched.
    sources: RefCell<Vec<Source>>,
    /// The time in the queue.
    next: Option<Ms>,
}

impl Supervisor {
    /// From now on what comes from `fd` is heard.
    pub(super) fn watch(&self, fd: BorrowedFd<'_>, source: Source) {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, source.token());
        match self.epoll.add(fd, event) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => {
                let mut sources = self.unheard.sources.borrow_mut();
                if sources.is_empty() && self.unheard.next.is_none() {
                    say::warning(&format!("{}; trying again", Fail::of("watch a descriptor", errno)));
                }
                if !sources.contains(&source) {
                    sources.push(source);
                }
            }
        }
    }

    pub(super) fn unwatch(&self, fd: BorrowedFd<'_>) {
        // it may not have been watched; then there is nothing to end
        let _ = self.epoll.delete(fd);
    }

    /// At the end of a turn.
    pub(super) fn watch_again_later(&mut self) {
        if self.unheard.next.is_none() && !self.unheard.sources.get_mut().is_empty() {
            let at = Some(monotonic_ms() + AGAIN_MS);
            self.timers.set(u32::MAX, Kind::Watch, None, at);
            self.unheard.next = at;
        }
    }

    /// Tells epoll again, and takes what has come: slowly, everybody is heard meanwhile.
    pub(super) fn watch_again(&mut self) {
        for source in self.unheard.sources.take() {
            let Some(fd) = self.descriptor(source) else { continue };
            let speaks = poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(1);
            self.watch(fd, source);
            if speaks {
                self.heed(source);
            }
        }
        self.unheard.next = None;
    }

    /// Where a source is heard, if it still exists.
    fn descriptor(&self, source: Source) -> Option<BorrowedFd<'_>> {
        let service = |index: u32| self.services.get(index as usize)?.as_ref();
        match source {
            Source::Signals => Some(self.signals.as_fd()),
            Source::Guardian => self.keeping.as_ref().map(|keeping| keeping.fd()),
            Source::Directory => self.scan.watched(),
            Source::Sessions => self.logind.as_ref().map(AsFd::as_fd),
            Source::Meeting => self.reunion.as_ref().map(AsFd::as_fd),
            Source::Control(index) => Some(service(index)?.desk.control()),
            Source::Leader(index) => {
                let service = service(index)?;
                let process = service.leader.as_ref().or(service.finish.as_deref());
                process.map(|process| process.pidfd.as_fd())
            }
            Source::Ready(index) => service(index)?.ready.as_ref().map(AsFd::as_fd),
            Source::Report(index) => service(index)?.fold.report(),
            Source::Mail(index) => service(index)?.mailbox.as_ref().map(AsFd::as_fd),
        }
    }
}
