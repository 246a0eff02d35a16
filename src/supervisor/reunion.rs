//! Without a guardian: services and supervisor go on, and wait for the next `svscan` on the same directory. It
//! opens a meeting in the run directory; the supervisor comes, and hands over what a guardian keeps.

use super::keeping::{Keeping, Note};
use super::{Source, Supervisor};
use crate::guardian_line::{Kind, Say};
use crate::say;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::os::fd::AsFd;
use sys::handover::{Line, Meeting};
use sys::spawn::above_tray;

/// When a guardian is looked for again that ended as it was found.
const AGAIN_MS: u64 = 100;

impl Supervisor {
    /// The guardian has ended. The next one's meeting may be open already.
    pub(super) fn lose_guardian(&mut self) {
        let Some(keeping) = self.keeping.take() else { return };
        self.unwatch(keeping.fd());
        if self.reunion.is_some() {
            // one that was about to end itself: it had not said anything yet
            let again = sys::clock::monotonic_ms() + AGAIN_MS;
            return self.timers.set(u32::MAX, super::Kind::Reunion, None, Some(again));
        }
        say::warning(
            "the guardian is gone: services and supervisor go on; start svscan again to have the supervisor watched",
        );
        let watched = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .and_then(|inotify| inotify.add_watch(&self.run, AddWatchFlags::IN_MOVED_TO).map(|_| inotify));
        match watched {
            Ok(inotify) => {
                self.watch(inotify.as_fd(), Source::Meeting);
                self.reunion = Some(inotify);
            }
            Err(errno) => say::warning(&sys::Fail::at("watch", &self.run, errno).to_string()),
        }
        self.seek_guardian();
    }

    /// Something has got its name in the run directory: the meeting, or one of our own files.
    pub(super) fn run_directory_changed(&mut self) {
        let Some(inotify) = &self.reunion else { return };
        let events = inotify.read_events().unwrap_or_default();
        if events.iter().any(|event| event.name.as_deref() == Some(Meeting::NAME.as_ref())) {
            self.seek_guardian();
        }
    }

    /// Joins the next guardian's meeting, if there is one.
    pub(super) fn seek_guardian(&mut self) {
        if self.keeping.is_some() {
            return;
        }
        let Ok((line, guardian)) = Line::join(&self.run) else { return };
        // the tray is laid over the low numbers
        let Ok(line) = above_tray(line.as_fd()).map(Line::from_fd) else { return };
        let keeping = Keeping::with(line, guardian);
        self.watch(keeping.fd(), Source::Guardian);
        self.keeping = Some(keeping);
        self.hand_over();
    }

    /// The next guardian has said the first word: it is one.
    pub(super) fn guardian_spoke(&mut self) {
        let Some(inotify) = self.reunion.take() else { return };
        self.unwatch(inotify.as_fd());
        self.put_head();
        let guardian = self.guardian_pid().unwrap_or_default();
        say::info(&format!("svscan (pid {guardian}) has taken over; services and supervisor go on"));
    }

    /// Everything that a guardian keeps, and how often the end has been asked for.
    fn hand_over(&mut self) {
        self.keep_everything();
        for _ in 0..self.endings() {
            self.note(Note::Plain(Say::Ending));
        }
        self.announce();
    }

    /// Everything that a guardian keeps; also when one could not receive all of it before.
    pub(super) fn keep_everything(&mut self) {
        for index in self.indices() {
            for kind in [Kind::Desk, Kind::Output, Kind::Report, Kind::Ready, Kind::Mail] {
                self.keep(index, kind);
            }
        }
        let logged: Vec<Vec<u8>> = self.pipes.keys().cloned().collect();
        logged.into_iter().for_each(|name| self.note(Note::Keep(Kind::Log, name)));
    }
}
