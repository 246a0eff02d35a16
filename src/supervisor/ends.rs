//! Processes end: whose end it was, and whether it leaves anybody behind.
//!
//! Orphans of a service come back to the supervisor (a subreaper) or to the guardian, which tells of them;
//! so the end of the last one in a fold is always told. Nothing here relies on a cgroup notification,
//! which comes late just when it matters; a recheck while somebody is waited for is the net below.

use super::service::Service;
use super::thrift::{FEW, Thrift};
use super::timers::Kind as Timer;
use super::{Role, Supervisor};
use crate::machine::{Event, Exit, Ms, Phase, Rung, Want};
use std::collections::HashSet;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};
use sys::clock::monotonic_ms;
use sys::process::{Identity, Stat};
use sys::reap::{Ending, Whom, reap};
use sys::spawn::NotStarted;

/// The end of a leader or of `finish`, held back while the fold is read again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Held {
    /// The leader's; whether it had become `run`.
    Leader(Ending, bool),
    /// `finish`'s.
    Finish(Ending),
}

/// How long after a death a fold that still reads "populated" with nobody alive in it is read again: the
/// kernel takes the dead out of their cgroup a moment after it tells of them.
const REREADS_MS: [u64; 3] = [1, 1, 5];
/// The waits for a stranger to reap what was ours, until its end is called unknown.
const STRANGE_MS: [u64; 8] = [1, 1, 5, 10, 20, 50, 100, 200];
/// The waits between looks at a fold that is being emptied; the last one repeats.
const LOOKS_MS: [u64; 8] = [5, 5, 10, 20, 50, 100, 200, 500];

/// What is known of children that have ended and have not been reaped.
#[derive(Default)]
pub(super) struct Ended {
    /// By SIGCHLD: one that comes while another is waiting is lost, so there may be more than are told of.
    pub(super) told: Vec<i32>,
    /// Services whose leaders have been sent a signal that may end them.
    awaited: HashSet<u32>,
    thrift: Thrift,
    /// The time in the queue.
    next: Option<Ms>,
}

/// How long after all children were asked they are not asked again, if nobody waits for an end.
const SELDOM: Duration = Duration::from_millis(100);

impl Supervisor {
    /// A service's leader has been sent a signal that may end it.
    pub(super) fn await_end(&mut self, index: u32) {
        self.ended.awaited.insert(index);
    }

    /// It has ended, or is another by now. Whether its end was waited for.
    pub(super) fn await_no_end(&mut self, index: u32) -> bool {
        self.ended.awaited.remove(&index)
    }

    /// Takes the ends of children that have ended: of those we were told of, and, since asking for any takes time
    /// that grows with their number, of others at once only where somebody waits for them.
    pub(super) fn reap(&mut self) {
        let told = std::mem::take(&mut self.ended.told);
        for &pid in &told {
            if let Some((pid, ending)) = reap(Whom::Pid(pid)) {
                self.process_ended(pid, ending);
            }
        }
        if !told.is_empty() {
            let urgent = self.pids.len() <= FEW || !self.waiting.is_empty() || !self.rubbish.is_empty();
            let least = if self.ended.awaited.is_empty() { SELDOM } else { Duration::ZERO };
            match self.ended.thrift.pause(least).filter(|_| !urgent) {
                None => self.reap_all(),
                Some(_) if self.ended.next.is_some() => {}
                Some(pause) => {
                    let at = monotonic_ms() + pause.as_millis() as Ms + 1;
                    self.timers.set(u32::MAX, Timer::Ends, None, Some(at));
                    self.ended.next = Some(at);
                }
            }
        }
        self.look_at_ended();
    }

    /// Takes the ends of all children that have ended.
    pub(super) fn reap_all(&mut self) {
        self.timers.set(u32::MAX, Timer::Ends, self.ended.next.take(), None);
        loop {
            let begun = Instant::now();
            let Some((pid, ending)) = reap(Whom::Any) else {
                // all were asked
                return self.ended.thrift.done(begun);
            };
            self.process_ended(pid, ending);
        }
    }

    /// What follows from the ends that have been taken.
    pub(super) fn look_at_ended(&mut self) {
        let ended = std::mem::take(&mut self.leaders_ended);
        if !ended.is_empty() {
            self.leaders_are_gone(&ended);
        }
        let mut look = std::mem::take(&mut self.to_look);
        if std::mem::take(&mut self.stranger_ended) {
            look.extend(&self.waiting);
        }
        look.sort_unstable();
        look.dedup();
        for index in look {
            self.look_again(index);
        }
    }

    /// The guardian has seen an orphan's end.
    pub(super) fn orphan_ended(&mut self, who: Identity, ending: Ending) {
        let index = self.pids.get(&who.pid).map(|&(index, _)| index);
        self.process_ended(who.pid, ending);
        // the end that a service is about to learn of is acknowledged when its state says so: until then
        // another supervisor would have to be told again
        match index.and_then(|index| self.service(index)).filter(|service| service.held.is_some()) {
            Some(service) => service.unacknowledged = Some(who),
            None => self.reap_at_guardian(who),
        }
    }

    /// An adopted leader (or `finish`) has ended. If we are its parent, that tells how, and so does the guardian if it
    /// is; else the kernel does, as soon as whoever is its parent has reaped it. A parent that takes its time (a
    /// guardian that is stopped) is not waited for.
    pub(super) fn adopted_leader_ended(&mut self, index: u32) {
        let Some(service) = self.service(index) else { return };
        let Some(process) = service.leader.as_ref().or(service.finish.as_deref()) else { return };
        let (who, ending) = (process.who, process.pidfd.ending());
        let stat = Stat::read(who.pid).filter(|stat| stat.identity() == who);
        let ours = stat.as_ref().is_some_and(|stat| stat.parent == std::process::id() as i32);
        // somebody else's zombie
        let early = !ours && stat.is_some() && ending.is_none() && service.strange_looks < STRANGE_MS.len();
        let wait = early.then(|| STRANGE_MS[service.strange_looks]);
        service.strange_looks = if early { service.strange_looks + 1 } else { 0 };
        // either way it is readable for good now: look no more
        if let Some(service) = self.services[index as usize].as_ref()
            && let Some(process) = service.leader.as_ref().or(service.finish.as_deref())
        {
            self.unwatch(process.pidfd.as_fd());
        }
        match wait {
            Some(wait) => self.recheck_at(index, Some(monotonic_ms() + wait)),
            None if ours => {}
            None => {
                let ending = ending.or_else(|| Stat::ending_of(who)).unwrap_or(Ending::Unknown);
                self.process_ended(who.pid, ending);
            }
        }
    }

    pub(super) fn process_ended(&mut self, pid: i32, ending: Ending) {
        self.fence.forget_walk();
        let Some((index, role)) = self.pids.remove(&pid) else {
            // a child that never got as far as being recorded may have left a verdict; nobody will ask
            let _ = self.spawner.verdict(pid);
            self.stranger_ended = true;
            return;
        };
        match role {
            Role::Leader => self.leader_ended(index, pid, ending),
            Role::Finish => self.finish_ended(index, pid, ending),
            Role::Script => self.script_ended(index, pid, ending),
            Role::Stray => {}
            Role::Carrier => self.letter_taken_out(index),
            Role::Root => self.root_ended(index, pid),
            Role::Met => {
                let stop = self.service(index).and_then(|service| service.stop.as_mut());
                let more = stop.is_some_and(|stop| {
                    stop.ended(pid, ending);
                    stop.expects_an_end()
                });
                if !more {
                    self.to_look.push(index);
                }
            }
        }
    }

    fn leader_ended(&mut self, index: u32, pid: i32, ending: Ending) {
        let verdict = self.spawner.verdict(pid);
        let Some(service) = self.service(index) else { return };
        // below a fold root it may have ended before we could take it
        let other = service.leader.as_ref().is_some_and(|leader| leader.who.pid != pid);
        if other || service.held.is_some() || !service.state.phase.has_leader() {
            return;
        }
        let verdict = verdict.or(service.root_failed.take());
        if let Some(stop) = &mut service.stop {
            stop.ended(pid, ending);
        }
        self.end_of_leader(index, ending, verdict);
    }

    /// The leader is gone; `verdict` says why it never became `run`, if it did not.
    pub(super) fn end_of_leader(&mut self, index: u32, ending: Ending, verdict: Option<NotStarted>) {
        // ended by a signal of ours while still on its way to exec: that is an end like others
        let struck = self.await_no_end(index);
        let verdict = verdict.filter(|_| !(struck && matches!(ending, Ending::Signal { .. })));
        if let Some(why) = verdict
            && self.never_started(index, why)
        {
            return;
        }
        let Some(service) = self.service(index) else { return };
        // if its handle was watched, that ends with it: nobody else has it open
        service.leader = None;
        (service.rereads, service.strange_looks) = (0, 0);
        service.held = Some(Held::Leader(ending, verdict.is_none()));
        service.shown_as.last_exit = verdict.is_none().then_some(ending);
        if verdict.is_none() {
            service.missing_since = None;
        }
        let by_descent = service.fold.root().is_some();
        if !by_descent {
            self.leaders_ended.push(index);
        }
        self.to_look.push(index);
    }

    fn finish_ended(&mut self, index: u32, pid: i32, ending: Ending) {
        if let Some(why) = self.spawner.verdict(pid) {
            self.complain(index, &format!("finish could not be executed: {}", why.errno.desc()));
        }
        let Some(service) = self.service(index) else { return };
        service.finish = None;
        (service.rereads, service.strange_looks) = (0, 0);
        service.held = Some(Held::Finish(ending));
        self.let_go(index);
    }

    /// Tells the machine of a held-back end, now that the fold has been read; or reads it again soon.
    fn let_go(&mut self, index: u32) {
        let Some(service) = self.services.get_mut(index as usize).and_then(Option::as_mut) else { return };
        let Some(held) = service.held else { return };
        service.fold.let_spared_go(&mut self.fence);
        let emptied = look(service, &mut self.fence);
        self.say_unread(index);
        let Some(service) = self.services.get_mut(index as usize).and_then(Option::as_mut) else { return };
        // the fold root goes by itself when nobody is left below it, if it gets to run
        let most = if service.fold.root().is_some() { 100 } else { REREADS_MS.len() };
        let again = !emptied && (service.rereads as usize) < most;
        if again && service.fold.anybody(&mut self.fence).is_none() {
            let wait = REREADS_MS[(service.rereads as usize).min(REREADS_MS.len() - 1)];
            service.rereads += 1;
            self.recheck_at(index, Some(monotonic_ms() + wait));
            return;
        }
        service.held = None;
        let event = match held {
            Held::Leader(ending, started) => {
                let exit = if ending == Ending::Code(0) { Exit::Clean } else { Exit::Dirty };
                Event::LeaderGone { exit, started, emptied }
            }
            Held::Finish(ending) => {
                let exit = match ending {
                    Ending::Code(0) => Exit::Clean,
                    Ending::Code(125) => Exit::GiveUp,
                    _ => Exit::Dirty,
                };
                Event::FinishGone { exit, emptied }
            }
        };
        let seen = service.unacknowledged.take();
        self.turn(index, event);
        if let Some(who) = seen {
            self.reap_at_guardian(who);
        }
        self.look_if_waiting(index);
    }

    /// Is it empty by now?
    pub(super) fn look_again(&mut self, index: u32) {
        let Some(service) = self.services.get_mut(index as usize).and_then(Option::as_mut) else {
            self.waiting.retain(|&waiting| waiting != index);
            return;
        };
        if service.held.is_some() {
            return self.let_go(index);
        }
        if service.strange_looks > 0 {
            return self.adopted_leader_ended(index);
        }
        if !service.waits() {
            self.waiting.retain(|&waiting| waiting != index);
            self.touch(index);
            return;
        }
        // a daemon may stay for years: its end is told, and it is not asked about
        let soon = !matches!(service.state.phase, Phase::Ready { .. });
        service.fold.let_spared_go(&mut self.fence);
        let emptied = look(service, &mut self.fence);
        let killed = matches!(service.state.phase, Phase::Sweeping { rung: Rung::Killed, .. });
        self.say_unread(index);
        if emptied && !self.has_left_somebody(index) {
            self.turn(index, Event::Emptied);
            return self.look_if_waiting(index);
        }
        if killed {
            // one pass may not reach everybody (never more than one is needed with cgroup.kill)
            self.perform(index, crate::machine::Action::Kill);
        }
        let Some(service) = self.services.get_mut(index as usize).and_then(Option::as_mut) else { return };
        let still = service.stop.as_ref().is_some_and(|stop| stop.expects(service.shown));
        if !still && let Some(living) = service.fold.anybody(&mut self.fence) {
            service.shown = living.pid;
            self.touch(index);
        }
        if soon {
            self.look_soon(index);
        }
    }

    /// Whether those of its fold who were met by a stop, and have all ended, leave somebody outside who has been brought
    /// back now: he is our child since then.
    fn has_left_somebody(&mut self, index: u32) -> bool {
        if self.service(index).is_none_or(|service| service.stop.is_none()) {
            return false;
        }
        self.leaders_are_gone(&[index]);
        let service = self.services.get_mut(index as usize).and_then(Option::as_mut);
        service.is_some_and(|service| !look(service, &mut self.fence))
    }

    /// What keeps a fold from being read keeps its service from being down, and is said.
    fn say_unread(&mut self, index: u32) {
        if let Some(fail) = self.fence.unread.take() {
            self.complain(index, &fail.to_string());
        }
    }

    /// After an event that may have led to another wait.
    fn look_if_waiting(&mut self, index: u32) {
        let Some(service) = self.service(index) else { return };
        if !service.waits() {
            self.waiting.retain(|&waiting| waiting != index);
        } else if !service.state.phase.is_up() {
            self.look_soon(index);
        }
    }

    /// Sets the next look at a fold that is being emptied: soon at first, then at leisure.
    pub(super) fn look_soon(&mut self, index: u32) {
        let now = monotonic_ms();
        let Some(service) = self.service(index) else { return };
        if service.recheck.is_some_and(|at| at > now) && service.rereads > 0 {
            return;
        }
        let wait = LOOKS_MS[(service.rereads as usize).min(LOOKS_MS.len() - 1)];
        service.rereads = service.rereads.saturating_add(1);
        self.recheck_at(index, Some(now + wait));
    }
}

/// Whether nobody is in the fold; where it is to stay down, its group is removed by way of proof.
fn look(service: &mut Service, fence: &mut crate::fold::Fence) -> bool {
    if service.state.want == Want::Down && !service.settings.config.has_finish {
        service.fold.is_cleared(fence)
    } else {
        service.fold.is_empty(fence)
    }
}
