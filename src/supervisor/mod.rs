//! The supervisor: one process, one thread, one blocking call, every service of a directory.
//!
//! [`Supervisor::run`] waits for something to happen; what it is becomes an [`Event`] for the service it
//! concerns; [`machine::step`] says what to do; [`perform`] does it. After start-up no error ends it:
//! what fails is said once and tried again.

mod adopt;
mod commands;
mod desk;
mod ends;
mod face;
mod keeping;
mod logs;
mod mail;
mod open;
mod output;
mod perform;
mod pipes;
mod publish;
mod receipt;
mod reunion;
mod roots;
mod roster;
mod scan;
mod scripts;
mod service;
mod shutdown;
mod source;
mod start;
mod strays;
mod thrift;
mod timers;
mod unpublished;
mod unrecorded;
mod upgrade;
mod watching;

use crate::fold::{Fence, Fold};
use crate::journal::Journal;
use crate::machine::{self, Action, Actions, Event, Ms, State};
use crate::say;
use crate::table::Table;
use crate::trace::{Trace, Turn};
use keeping::Keeping;
use nix::sys::epoll::{Epoll, EpollEvent, EpollTimeout};
use nix::sys::inotify::Inotify;
use nix::sys::signal::Signal;
use scan::Scan;
use service::{Inode, Service};
use shutdown::Shutdown;
use source::Source;
use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use strays::Lookout;
use sys::clock::monotonic_ms;
use sys::process::Identity;
use sys::signals::Signals;
use sys::spawn::Spawner;
use sys::{Errno, Fail};
use timers::{Kind, Timers};
use unpublished::Unpublished;

/// What a pid of ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// A service's leader.
    Leader,
    /// The fold root above a leader.
    Root,
    /// A service's `finish`.
    Finish,
    /// A script beside a service.
    Script,
    /// Somebody met during a stop.
    Met,
    /// Somebody who has left his service's cgroup, and has been named.
    Stray,
    /// A child of ours that takes a message out of a service's mailbox.
    Carrier,
}

/// How this supervisor was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// `svscan`: every service in this directory, below a guardian.
    Directory(PathBuf),
    /// `supervise`: this one service, by hand.
    One(PathBuf),
}

impl Task {
    /// The directory the house is named after.
    pub fn directory(&self) -> &std::path::Path {
        match self {
            Task::Directory(path) | Task::One(path) => path,
        }
    }
}

/// The supervisor.
pub struct Supervisor {
    task: Task,
    /// Ourselves.
    me: Identity,
    /// Held by the one supervisor that there is.
    seat: OwnedFd,
    run: PathBuf,
    services: Vec<Option<Service>>,
    /// Free places of `services`; those freed in this turn come in at its end.
    free: Vec<u32>,
    freed: Vec<u32>,
    by_name: BTreeMap<Rc<[u8]>, u32>,
    /// By the inode of their directories, where these are known.
    by_inode: HashMap<Inode, u32>,
    pids: HashMap<i32, (u32, Role)>,
    /// Services that wait for their fold to be empty.
    waiting: Vec<u32>,
    /// Services that have changed in this turn and are to be saved.
    unsaved: Vec<u32>,
    /// Services that have changed and are to be published.
    dirty: Unpublished,
    timers: Timers,
    epoll: Epoll,
    /// What epoll could not be told to watch.
    unheard: watching::Unheard,
    signals: Signals,
    spawner: Spawner,
    fence: Fence,
    table: Table,
    keeping: Option<Keeping>,
    /// The pipes between services and their loggers, by the service's name: both ends, so that neither sees
    /// the other's restarts.
    pipes: HashMap<Vec<u8>, service::Pipe>,
    scan: Scan,
    environment: Vec<CString>,
    /// The journal, where our own standard error goes there.
    journal: Option<Journal>,
    shutdown: Option<Shutdown>,
    /// Folds of start checks that have ended or will.
    rubbish: Vec<(i32, Fold)>,
    /// The signal of the command in hand.
    passing: Option<Signal>,
    /// Services to be looked at, once all ends have been taken.
    to_look: Vec<u32>,
    /// Services whose leader has ended since children were last taken.
    leaders_ended: Vec<u32>,
    lookout: Lookout,
    /// logind's directory of sessions, where there is one.
    logind: Option<Inotify>,
    /// The run directory, while there is no guardian.
    reunion: Option<Inotify>,
    /// When this image of the supervisor began.
    since: Ms,
    /// Where our executable was found.
    executable: PathBuf,
    /// Somebody of ours is alive whom no table tells of.
    unrecorded: bool,
    /// What the guardian kept for services that no table tells of; empty once all have been taken up.
    kept: keeping::Kept,
    /// Where turns are written down, if they are.
    trace: Option<Trace>,
    /// A new executable is to take our place, as soon as nobody is on his way into a program.
    upgrading: bool,
    /// The login uid that this process, and so its services, have by birth.
    own_login: Option<u32>,
    /// A process that is nobody's we know has ended: all that wait look again.
    stranger_ended: bool,
    ended: ends::Ended,
    /// `supervise` ended by a signal leaves its service as it is.
    abandon: bool,
}

/// What happens between two waits, at the most.
const BATCH: usize = 256;
/// How long what has changed may stay unpublished while there is more to do.
const UNPUBLISHED_MS: Ms = 30;
/// How long those who have been told to go may take for it without being published as told.
const AT_ONCE_MS: Ms = 2;

impl Supervisor {
    /// Runs until everything is down and forgotten; false if `supervise` was ended and its service goes on.
    pub fn run(mut self) -> bool {
        let mut events = vec![EpollEvent::empty(); BATCH];
        // those of which an earlier image of us was told
        self.reap_all();
        self.look_at_ended();
        while !self.is_over() {
            let count = self.wait(&mut events);
            self.fence.forget_walk();
            for event in &events[..count] {
                if let Some(source) = Source::from_token(event.data()) {
                    self.heed(source);
                }
            }
            self.reap();
            self.take_due();
            // a time may have brought an end to light
            if !self.to_look.is_empty() || !self.leaders_ended.is_empty() || self.stranger_ended {
                self.look_at_ended();
            }
            self.see_to_shutdown();
            self.end_turn();
        }
        self.close()
    }

    /// The one blocking call. Who has been told to go is published as such only after a moment: who goes at once is
    /// published once.
    fn wait(&mut self, events: &mut [EpollEvent]) -> usize {
        if let Some(passed) = self.dirty.waiting(monotonic_ms()) {
            let moment = AT_ONCE_MS.saturating_sub(passed).min(self.ms_to_next());
            let count = self.wait_for(events, Some(moment));
            if count > 0 && passed < UNPUBLISHED_MS {
                return count;
            }
            self.publish_all();
            if count > 0 {
                return count;
            }
        }
        let timeout = self.timers.next().map(|_| self.ms_to_next());
        self.wait_for(events, timeout)
    }

    /// Until the first of the times that are set; long, if none is.
    fn ms_to_next(&self) -> Ms {
        self.timers.next().map_or(Ms::MAX, |at| at.saturating_sub(monotonic_ms()))
    }

    fn wait_for(&self, events: &mut [EpollEvent], ms: Option<Ms>) -> usize {
        let timeout = ms.map_or(EpollTimeout::NONE, |ms| {
            EpollTimeout::try_from(ms.min(1 << 30) as i32).unwrap_or(EpollTimeout::ZERO)
        });
        match self.epoll.wait(events, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => {
                // can't happen with a valid descriptor; if it does, a pause keeps it from spinning
                say::warning(&Fail::of("wait for events", errno).to_string());
                std::thread::sleep(std::time::Duration::from_millis(100)); // bounded: a failing kernel
                0
            }
        }
    }

    fn heed(&mut self, source: Source) {
        match source {
            Source::Signals => self.take_signals(),
            Source::Guardian => self.hear_guardian(),
            Source::Directory => self.directory_changed(),
            Source::Control(index) => self.read_letters(index),
            Source::Leader(index) => self.adopted_leader_ended(index),
            Source::Sessions => self.session_opened(),
            Source::Meeting => self.run_directory_changed(),
            Source::Ready(index) => self.read_readiness(index),
            Source::Report(index) => self.read_report(index),
            Source::Mail(index) => self.read_mail(index),
        }
    }

    fn take_signals(&mut self) {
        while let Some((signal, pid)) = self.signals.next_of() {
            match signal {
                Signal::SIGCHLD => self.ended.told.push(pid),
                Signal::SIGTERM | Signal::SIGINT => self.asked_to_end(),
                Signal::SIGHUP => self.hung_up(),
                _ => {}
            }
        }
    }

    /// Gives a service an event, does what the machine then wants, and goes on with what that brings.
    fn turn(&mut self, index: u32, event: Event) {
        let mut next = Some(event);
        let mut echo = false;
        let now = monotonic_ms();
        while let Some(event) = next.take() {
            let Some(service) = self.service(index) else { return };
            let (state, actions) = machine::step(service.state, event, now, &service.settings.config);
            let before = std::mem::replace(&mut service.state, state);
            self.note_turn(index, (before, event, now), &actions, echo);
            self.entered(index, before, now);
            // written ahead: a supervisor that dies in the middle of the actions knows what it was about
            self.save(index);
            for action in actions.iter() {
                if let Some(answer) = self.perform(index, action) {
                    next = Some(answer);
                } else if action == Action::SpawnRun && !matches!(event, Event::Command(_)) {
                    self.start_check(index);
                }
            }
            echo = true;
        }
        self.touch(index);
        self.let_go_if_gone(index);
    }

    /// Writes a turn down, where that is asked for.
    fn note_turn(&self, index: u32, (before, event, now): (State, Event, Ms), actions: &Actions, echo: bool) {
        let Some(trace) = &self.trace else { return };
        let Some(service) = self.services[index as usize].as_ref() else { return };
        trace.note(&Turn {
            directory: self.task.directory().to_string_lossy().into_owned(),
            service: String::from_utf8_lossy(&service.name).into_owned(),
            echo,
            now,
            before,
            event,
            after: service.state,
            actions: actions.iter().collect(),
            config: service.settings.config,
        });
    }

    fn service(&mut self, index: u32) -> Option<&mut Service> {
        self.services.get_mut(index as usize)?.as_mut()
    }

    fn indices(&self) -> Vec<u32> {
        (0..self.services.len() as u32).filter(|&n| self.services[n as usize].is_some()).collect()
    }

    /// Marks a service to be saved at the end of this turn, and to be published.
    fn touch(&mut self, index: u32) {
        let Some(service) = self.service(index) else { return };
        let (saved, clean) = (!service.unsaved, !service.dirty);
        (service.unsaved, service.dirty) = (true, true);
        if saved {
            self.unsaved.push(index);
        }
        if clean {
            self.dirty.add(index);
        }
    }

    fn take_due(&mut self) {
        let now = monotonic_ms();
        while let Some((index, kind)) = self.timers.due(now) {
            match kind {
                Kind::Deadline => {
                    if let Some(service) = self.service(index) {
                        service.deadline = None;
                        self.turn(index, Event::DeadlinePassed);
                    }
                }
                Kind::Recheck => {
                    if let Some(service) = self.service(index) {
                        service.recheck = None;
                        self.look_again(index);
                    }
                }
                Kind::Script => self.scripts_due(index, now),
                Kind::Mail => self.watch_mailbox(index),
                Kind::Unpacking => self.unpacking_due(),
                Kind::Rubbish => self.clear_rubbish(),
                Kind::Reunion => self.seek_guardian(),
                Kind::Watch => self.watch_again(),
                Kind::Lookout => self.lookout_due(),
                Kind::Ends => self.reap_all(),
                Kind::Upgrade => {}
                Kind::Shutdown => {}
            }
        }
    }

    /// Sets or clears a service's recheck.
    fn recheck_at(&mut self, index: u32, at: Option<Ms>) {
        let Some(service) = self.services.get_mut(index as usize).and_then(Option::as_mut) else { return };
        self.timers.set(index, Kind::Recheck, service.recheck, at);
        service.recheck = at;
    }

    fn end_turn(&mut self) {
        self.save_changed();
        self.publish_dirty();
        self.spawner.reclaim();
        self.flush_guardian();
        self.watch_again_later();
        self.free.append(&mut self.freed);
        if self.upgrading {
            self.publish_all();
            self.upgrade();
        }
    }

    fn is_over(&self) -> bool {
        let empty = self.services.iter().all(Option::is_none) && self.rubbish.is_empty();
        match &self.task {
            Task::Directory(_) => self.shutdown.is_some() && empty,
            Task::One(_) => self.abandon || empty,
        }
    }
}
