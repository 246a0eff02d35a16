//! What others see: the table for pinfold's own readers, `supervise/` for the rest of the family.

use super::timers::Kind;
use super::{Role, Supervisor};
use crate::machine::{Cause, Ms, Phase, State};
use crate::say;
use sys::clock::wall;
use sys::{Errno, Fail};

/// What is being done when `supervise/` can't be kept up to date.
const PUBLISH: &str = "write supervise/status";
/// So many quick deaths in a row are reported as a crash loop.
const LOOP: u16 = 3;

impl Supervisor {
    /// The state of a service has changed from `before`: deadlines, stamps, what is waited for.
    pub(super) fn entered(&mut self, index: u32, before: State, now: Ms) {
        self.arm(index);
        let Some(service) = self.service(index) else { return };
        let state = service.state;
        if state.phase == before.phase {
            return;
        }
        if before.phase.is_still() != state.phase.is_still() || before.started != state.started {
            service.shown_as.changed = wall();
        }
        if state.phase.is_still() {
            service.shown = 0;
            service.shown_as.words = None;
            if let Some(stop) = service.stop.take() {
                let met: Vec<i32> = stop.pids().collect();
                service.shown_as.receipt = Some(Box::new(stop.receipt(now)));
                self.forget_met(index, &met);
            }
        }
        let Some(service) = self.service(index) else { return };
        match state.phase {
            // nobody tries any more what could not be done
            Phase::Down if before.phase.is_still() => service.shown_as.message.clear(),
            Phase::Failed { cause } => self.complain(index, failed(cause)),
            Phase::Backoff { cause: Cause::Exited { quick: true, clean: false } }
                if state.quick_deaths >= LOOP =>
            {
                self.report_loop(index);
            }
            Phase::Backoff { cause: Cause::Late } => {
                self.complain(index, "it was not ready in time (timeout-up)")
            }
            Phase::Stopping { cause: Cause::Hung, .. } | Phase::Sweeping { cause: Cause::Hung, .. }
                if before.phase.is_up() =>
            {
                self.complain(index, "it hangs: no WATCHDOG=1 in time (timeout-watchdog); restarting it")
            }
            Phase::Backoff { cause: Cause::Unfit } => {
                self.complain(index, "failed: its own start check took it down")
            }
            _ => {}
        }
    }

    /// A stop is over: of those it has met some were reaped by others, who do not tell us.
    fn forget_met(&mut self, index: u32, met: &[i32]) {
        for pid in met {
            if self.pids.get(pid) == Some(&(index, Role::Met)) {
                self.pids.remove(pid);
            }
        }
    }

    /// It dies as soon as it is started, again and again.
    fn report_loop(&mut self, index: u32) {
        let Some(service) = self.service(index) else { return };
        let how = service.shown_as.last_exit.map_or(String::new(), |ending| format!(" ({ending})"));
        let cap = service.settings.config.backoff_max / 1000;
        self.complain(
            index,
            &format!("crash loop: it ends within a second of each start{how}; tried every {cap} s at most"),
        );
    }

    /// What the state asks for: a deadline, and to be looked at until its fold is empty.
    pub(super) fn arm(&mut self, index: u32) {
        let Some(service) = self.services.get_mut(index as usize).and_then(Option::as_mut) else { return };
        let deadline = service.state.deadline;
        self.timers.set(index, Kind::Deadline, service.deadline, deadline);
        service.deadline = deadline;
        if service.waits() && !self.waiting.contains(&index) {
            self.waiting.push(index);
        }
    }

    /// Writes a service's record into the table.
    pub(super) fn save(&mut self, index: u32) {
        let Some(service) = self.services.get(index as usize).and_then(Option::as_ref) else { return };
        if let Err(errno) = self.table.put(service.slot, &service.record()) {
            self.complain_of(index, "write the table", errno);
        }
    }

    /// Saves what has changed in this turn: each service once.
    pub(super) fn save_changed(&mut self) {
        for index in std::mem::take(&mut self.unsaved) {
            if let Some(service) = self.service(index) {
                service.unsaved = false;
                self.save(index);
            }
        }
    }

    /// Publishes what has changed: each service once. Those that have just been told to go stay for later.
    pub(super) fn publish_dirty(&mut self) {
        let services = &self.services;
        let is_told = |index: u32| {
            let service = services.get(index as usize).and_then(Option::as_ref);
            service.is_some_and(|service| matches!(service.state.phase, Phase::Stopping { .. }))
        };
        let changed = self.dirty.take(is_told);
        self.publish(changed);
    }

    /// Publishes all that has changed.
    pub(super) fn publish_all(&mut self) {
        let changed = self.dirty.take(|_| false);
        self.publish(changed);
    }

    fn publish(&mut self, changed: Vec<u32>) {
        for index in changed {
            let Some(service) = self.service(index) else { continue };
            service.dirty = false;
            // first what a next supervisor goes by: whoever is shown to be the service is known to it
            if service.unsaved {
                self.save(index);
            }
            let Some(service) = self.service(index) else { continue };
            if service.awaits_leader() {
                continue;
            }
            let face = service.face();
            match service.desk.publish(&face) {
                Ok(()) if service.shown_as.message.starts_with(PUBLISH) => {
                    service.shown_as.message.clear();
                    service.said = [0; 4];
                    self.save(index);
                }
                Ok(()) => {}
                Err(errno) => {
                    self.complain_of(index, PUBLISH, errno);
                    // tried again until it can be done; nobody else will tell us when
                    let again = sys::clock::monotonic_ms() + 1000;
                    self.recheck_at(index, Some(again));
                }
            }
        }
    }

    fn complain_of(&mut self, index: u32, doing: &'static str, errno: Errno) {
        self.complain(index, &Fail::of(doing, errno).to_string());
    }

    /// Says something about a service on standard error and in the table; the same thing once only.
    pub(super) fn complain(&mut self, index: u32, text: &str) {
        let Some(service) = self.service(index) else { return };
        text.clone_into(&mut service.shown_as.message);
        if service.is_news(text) {
            let name = service.shown_name();
            say::warning(&format!("{name}: {text}"));
        }
        self.touch(index);
    }

    /// What was said is over; the next time it is said again.
    pub(super) fn content(&mut self, index: u32) {
        if let Some(service) = self.service(index) {
            service.said = [0; 4];
            service.shown_as.message.clear();
            service.shown_as.not_started = None;
        }
    }
}

fn failed(cause: Cause) -> &'static str {
    match cause {
        Cause::GaveUp => "failed: finish exited 125, which means not to start it again; svc -u does",
        _ => "failed: too many quick deaths in a row (max-death-tally); svc -u starts it again",
    }
}
