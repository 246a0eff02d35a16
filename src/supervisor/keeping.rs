//! The supervisor's end of the line to its guardian: what is to be kept, and what the guardian tells.

use super::{Source, Supervisor};
use crate::guardian_line::{Key, Kind, Say};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{EpollEvent, EpollFlags};
use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::clock::monotonic_ms;
use sys::handover::{Line, Nothing};
use sys::process::Identity;
use sys::{Errno, Fail};

/// The line, and what still has to go over it.
pub(super) struct Keeping {
    line: Line,
    /// The guardian's pid.
    pub(super) guardian: i32,
    queue: VecDeque<Note>,
    /// epoll also tells when the line takes more.
    full: bool,
}

/// A message to the guardian. Descriptors are looked up when it is sent: until then the service has them.
pub(super) enum Note {
    /// Keep these of this service.
    Keep(Kind, Vec<u8>),
    /// Anything that needs no descriptor.
    Plain(Say),
}

/// What a guardian gives a new supervisor.
pub(super) type Kept = HashMap<Key, Vec<OwnedFd>>;

impl Keeping {
    /// Takes up the line, and waits until the guardian has handed over what it keeps. `notes` are the ends
    /// of orphans it told meanwhile.
    pub(super) fn open(line: Line) -> Result<(Keeping, Kept, Vec<Say>), Fail> {
        let mut kept = Kept::new();
        let mut told = Vec::new();
        let deadline = monotonic_ms() + 30_000;
        loop {
            match line.receive() {
                Ok(message) => match Say::decode(&message.bytes) {
                    Some(Say::Kept(_)) if message.fds.is_empty() => {
                        return Err(Fail::of("take what the guardian keeps", Errno::EMFILE));
                    }
                    Some(Say::Kept(key)) => {
                        kept.insert(key, message.fds);
                    }
                    Some(Say::AllKept) => {
                        let guardian = nix::unistd::getppid().as_raw();
                        return Ok((Keeping::with(line, guardian), kept, told));
                    }
                    Some(say) => told.push(say),
                    None => {}
                },
                Err(Nothing::Yet) if monotonic_ms() < deadline => {
                    let _ =
                        poll(&mut [PollFd::new(line.as_fd(), PollFlags::POLLIN)], PollTimeout::from(1000u16));
                }
                Err(Nothing::Yet) => return Err(Fail::of("hear from the guardian", Errno::ETIMEDOUT)),
                Err(Nothing::Ever) => return Err(Fail::of("hear from the guardian", Errno::ECONNRESET)),
                Err(Nothing::Failed(errno)) => return Err(Fail::of("hear from the guardian", errno)),
            }
        }
    }

    /// A line to this guardian, with nothing said yet.
    pub(super) fn with(line: Line, guardian: i32) -> Keeping {
        Keeping { line, guardian, queue: VecDeque::new(), full: false }
    }

    /// Says something at once, before anything that is still to be said.
    pub(super) fn tell(&self, say: &Say) -> Result<(), Errno> {
        self.line.send(&say.encode(), &[])
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}

impl Supervisor {
    /// Has the guardian keep a duplicate of a service's descriptors.
    pub(super) fn keep(&mut self, index: u32, kind: Kind) {
        let Some(name) = self.service(index).map(|service| service.name.to_vec()) else { return };
        self.note(Note::Keep(kind, name));
    }

    /// Has the guardian close what it keeps.
    pub(super) fn unkeep(&mut self, kind: Kind, name: &[u8]) {
        self.note(Note::Plain(Say::Drop(Key { kind, name: name.to_vec() })));
    }

    /// Queues a message; it is sent at the end of the turn.
    pub(super) fn note(&mut self, note: Note) {
        if let Some(keeping) = &mut self.keeping {
            keeping.queue.push_back(note);
        }
    }

    pub(super) fn reap_at_guardian(&mut self, who: Identity) {
        self.note(Note::Plain(Say::Reap(who)));
    }

    /// Whether something is still to be said.
    pub(super) fn says_to_guardian(&self) -> bool {
        self.keeping.as_ref().is_some_and(|keeping| !keeping.queue.is_empty())
    }

    /// Sends what the line takes; never waits.
    pub(super) fn flush_guardian(&mut self) {
        let Some(keeping) = &mut self.keeping else { return };
        while let Some(note) = keeping.queue.front() {
            let (say, fds) = match note {
                Note::Plain(say) => (say.clone(), Vec::new()),
                Note::Keep(kind, name) => {
                    let index = self.by_name.get(&**name);
                    let service = index.and_then(|&n| self.services[n as usize].as_ref());
                    let fds: Vec<BorrowedFd<'_>> = match (kind, service) {
                        (Kind::Desk, Some(service)) => service.desk.kept(),
                        (Kind::Report, Some(service)) => service.fold.report().into_iter().collect(),
                        (Kind::Ready, Some(service)) => service.ready.iter().map(AsFd::as_fd).collect(),
                        (Kind::Mail, Some(service)) => service.mailbox.iter().map(AsFd::as_fd).collect(),
                        (Kind::Output, Some(service)) => ends(service.output.as_ref()),
                        (Kind::Log, _) => ends(self.pipes.get(name)),
                        (_, None) => Vec::new(),
                    };
                    (Say::Keep(Key { kind: *kind, name: name.clone() }), fds)
                }
            };
            // a service that has been forgotten meanwhile has nothing to keep
            if matches!(note, Note::Keep(..)) && fds.is_empty() {
                keeping.queue.pop_front();
                continue;
            }
            match keeping.line.send(&say.encode(), &fds) {
                Ok(()) => {
                    keeping.queue.pop_front();
                }
                Err(Errno::EAGAIN) => break,
                Err(_) => {
                    // it is gone; what it was to be told is told the next one
                    self.lose_guardian();
                    return;
                }
            }
        }
        sys::memory::emptied(&mut keeping.queue);
        let full = !keeping.queue.is_empty();
        if full != keeping.full {
            keeping.full = full;
            let mut flags = EpollFlags::EPOLLIN;
            flags.set(EpollFlags::EPOLLOUT, full);
            let mut event = EpollEvent::new(flags, Source::Guardian.token());
            let _ = self.epoll.modify(&keeping.line, &mut event);
        }
    }

    /// Sends everything, at the end, when there is nothing else to do; a guardian that hangs is not waited for.
    pub(super) fn drain_guardian(&mut self) {
        for _ in 0..100 {
            self.flush_guardian();
            let Some(keeping) = self.keeping.as_ref().filter(|keeping| keeping.full) else { return };
            let _ =
                poll(&mut [PollFd::new(keeping.line.as_fd(), PollFlags::POLLOUT)], PollTimeout::from(100u16));
        }
    }

    /// What the guardian has to say.
    pub(super) fn hear_guardian(&mut self) {
        loop {
            let Some(keeping) = &self.keeping else { return };
            match keeping.line.receive() {
                Ok(message) => match Say::decode(&message.bytes) {
                    Some(Say::Ended(who, ending)) => self.orphan_ended(who, ending),
                    Some(Say::Ending) => self.asked_to_end(),
                    Some(Say::Rescan) => self.hung_up(),
                    Some(Say::Again) => self.keep_everything(),
                    Some(Say::Upgrade) => self.asked_to_upgrade(),
                    Some(Say::Voice) => {
                        take_voice(&message.fds);
                        self.guardian_spoke();
                    }
                    _ => {}
                },
                Err(Nothing::Yet) => return,
                Err(Nothing::Ever | Nothing::Failed(_)) => {
                    self.lose_guardian();
                    return;
                }
            }
        }
    }
}

/// Both ends of a pipe, the reading one first.
fn ends(pipe: Option<&super::service::Pipe>) -> Vec<BorrowedFd<'_>> {
    pipe.map_or(Vec::new(), |pipe| vec![pipe.read.as_fd(), pipe.write.as_fd()])
}

/// From now on the supervisor speaks where its guardian does.
fn take_voice(fds: &[OwnedFd]) {
    if let Some(fd) = fds.first() {
        let _ = nix::unistd::dup2_stderr(fd);
    }
}
