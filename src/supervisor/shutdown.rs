//! The end: services first, then their loggers once drained, then the house.

use super::keeping::Note;
use super::service::Kin;
use super::timers::Kind;
use super::{Supervisor, Task};
use crate::guardian_line::{self, Say};
use crate::machine::{Command, Event, Ms};
use crate::say;
use sys::clock::monotonic_ms;

/// How long a logger gets to end by itself at the end of its input, before it is told to.
const DRAIN_MS: Ms = 5000;

/// An orderly stop of everything.
#[derive(Debug, Default)]
pub(super) struct Shutdown {
    /// Loggers whose input has ended, and when they are told to end.
    drained: Vec<(u32, Ms)>,
    /// The time in the queue.
    next: Option<Ms>,
    /// Asked a second time: no more waiting.
    now: bool,
}

impl Supervisor {
    /// TERM or INT. A second one kills what is left.
    pub(super) fn asked_to_end(&mut self) {
        if let Task::One(_) = self.task {
            // djb's supervise leaves its service; the next one adopts it
            self.abandon = true;
            return;
        }
        match &mut self.shutdown {
            None => {
                self.shutdown = Some(Shutdown::default());
                self.end_services(Command::DownAll);
            }
            Some(shutdown) if !shutdown.now => {
                shutdown.now = true;
                say::info("told a second time: killing what is left");
                for index in self.indices() {
                    self.turn(index, Event::Command(Command::DownNow));
                }
            }
            Some(_) => {}
        }
    }

    /// An earlier supervisor has been asked to end, so many times; nothing is done yet.
    pub(super) fn was_ending(&mut self, times: usize) {
        self.shutdown = (times > 0).then(Shutdown::default);
    }

    /// Does what an earlier supervisor has been asked for.
    pub(super) fn go_on_ending(&mut self, times: usize) {
        if times > 0 {
            self.end_services(Command::DownAll);
        }
        (1..times).for_each(|_| self.asked_to_end());
    }

    /// How often the end has been asked for, as far as that matters.
    pub(super) fn endings(&self) -> usize {
        self.shutdown.as_ref().map_or(0, |shutdown| 1 + usize::from(shutdown.now))
    }

    /// HUP: rescan; for `supervise` as TERM, as its signal would have ended djb's.
    pub(super) fn hung_up(&mut self) {
        match self.task {
            Task::Directory(_) => self.rescan(),
            Task::One(_) => self.abandon = true,
        }
    }

    fn end_services(&mut self, command: Command) {
        for index in self.indices() {
            if self.service(index).is_some_and(|service| !service.is_log()) {
                self.turn(index, Event::Command(command));
                self.turn(index, Event::Command(Command::Leave));
            }
        }
    }

    /// Loggers whose service is gone get the end of their input, and later a word.
    pub(super) fn see_to_shutdown(&mut self) {
        if self.shutdown.is_none() {
            return;
        }
        let now = monotonic_ms();
        for index in self.indices() {
            self.end_logger(index, now);
        }
        let Some(shutdown) = &mut self.shutdown else { return };
        // those whose time has come have been told, or have gone by themselves
        let next = shutdown.drained.iter().map(|&(_, at)| at).filter(|&at| at > now && at < Ms::MAX).min();
        self.timers.set(u32::MAX, Kind::Shutdown, shutdown.next, next);
        shutdown.next = next;
    }

    fn end_logger(&mut self, index: u32, now: Ms) {
        let Some(service) = self.services[index as usize].as_ref() else { return };
        if service.kin != Kin::LogOf(None) {
            return;
        }
        let Some(shutdown) = &mut self.shutdown else { return };
        let known = shutdown.drained.iter().position(|&(log, _)| log == index);
        match known {
            None => {
                shutdown.drained.push((index, now + DRAIN_MS));
                let main = service.name.strip_suffix(b"/log").unwrap_or(&service.name).to_vec();
                // closed when the service was forgotten, but for one forgotten by an earlier supervisor; a
                // tray may hold another
                if self.pipes.remove(&main).is_some() {
                    self.unkeep(crate::guardian_line::Kind::Log, &main);
                }
                self.spawner.reclaim();
                self.turn(index, Event::Command(Command::Leave));
            }
            Some(at) if shutdown.drained[at].1 <= now => {
                shutdown.drained[at].1 = Ms::MAX;
                self.turn(index, Event::Command(Command::DownAll));
            }
            Some(_) => {}
        }
    }

    /// Everything is down and forgotten (or, for `supervise` ended by a signal, left as it is).
    pub(super) fn close(mut self) -> bool {
        if self.abandon {
            self.publish_all();
            return false;
        }
        // the table stays, without records: by its head others find the house if we are killed before it is left
        self.note(Note::Plain(Say::Done));
        self.drain_guardian();
        self.fence.end_people();
        if let Err(fail) = self.fence.containment.leave() {
            say::warning(&fail.to_string());
        }
        true
    }

    /// The guardian's pid, while there is one.
    pub(super) fn guardian_pid(&self) -> Option<i32> {
        self.keeping.as_ref().map(|keeping| keeping.guardian)
    }

    /// Start-up is over.
    pub(super) fn announce(&mut self) {
        self.note(Note::Plain(guardian_line::Say::Started));
        self.flush_guardian();
    }
}
