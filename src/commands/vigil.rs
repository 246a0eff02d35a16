//! Waiting for a service to change: by inotify, with a look once a second as the net below.
//!
//! `supervise/status` is exchanged or renamed into place, the table is written in place: both are watched.
//! Where a watch can't be had, the look once a second is all there is.

use super::service::Service;
use crate::machine::Ms;
use crate::table;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use sys::clock::monotonic_ms;

/// How often to look when nothing is heard: a new supervisor announces itself to nobody.
const TICK_MS: Ms = 1000;
/// How long what has been seen in the table may take to be seen in `supervise/status`: it may be that it
/// can't be written at all.
const PUBLISHED_MS: Ms = 2000;

/// Waits, and hears INT and TERM meanwhile.
pub(super) struct Vigil {
    inotify: Option<Inotify>,
    /// A byte for each signal; `None` if that can't be had, and a signal then ends the command.
    signals: Option<UnixStream>,
    interrupted: bool,
}

impl Vigil {
    /// One that hears signals, and watches nothing yet.
    pub(super) fn new() -> Vigil {
        Vigil { inotify: None, signals: hear_signals().ok(), interrupted: false }
    }

    /// Watches this service from now on, and nothing else.
    pub(super) fn watch(&mut self, service: &Service) {
        self.inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok();
        let Some(inotify) = &self.inotify else { return };
        let published = AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_CLOSE_WRITE;
        // what can't be watched is looked at once a second
        let _ = inotify.add_watch(&service.supervise, published);
        if let Some(entry) = &service.entry {
            let _ = inotify.add_watch(&entry.run.join(table::NAME), AddWatchFlags::IN_MODIFY);
        }
    }

    /// Also watches a directory in which files are written.
    pub(super) fn watch_also(&self, directory: &std::path::Path) {
        if let Some(inotify) = &self.inotify {
            let _ = inotify.add_watch(directory, AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MODIFY);
        }
    }

    /// Waits until something has happened, one of `others` is ready, or `until`; a second at most.
    pub(super) fn wait(&mut self, until: Ms, others: &[BorrowedFd<'_>]) {
        let wait = until.saturating_sub(monotonic_ms()).min(TICK_MS);
        let mut fds: Vec<PollFd<'_>> = others.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
        fds.extend(self.inotify.iter().map(|inotify| PollFd::new(inotify.as_fd(), PollFlags::POLLIN)));
        fds.extend(self.signals.iter().map(|signals| PollFd::new(signals.as_fd(), PollFlags::POLLIN)));
        // interrupted or not: everything is looked at anew
        let _ = poll(&mut fds, PollTimeout::from(wait as u16));
        // what was changed is seen by looking; an empty or overflown queue is as good
        while self.inotify.as_ref().is_some_and(|inotify| inotify.read_events().is_ok()) {}
        let mut byte = [0; 16];
        if let Some(signals) = &mut self.signals {
            self.interrupted |= signals.read(&mut byte).is_ok_and(|n| n > 0);
        }
    }

    /// Waits until other programs can see, too, what has been seen of a service.
    pub(super) fn await_published(&mut self, service: &mut Service) {
        let until = monotonic_ms() + PUBLISHED_MS;
        while monotonic_ms() < until && !self.interrupted {
            let sight = service.look();
            if service.is_published(&sight) {
                return;
            }
            self.wait(until, &[]);
        }
    }

    /// Somebody has pressed Ctrl-C, or sent TERM.
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted
    }
}

fn hear_signals() -> std::io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    Ok(read)
}
