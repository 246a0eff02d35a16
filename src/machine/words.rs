//! What a service says of itself, and what follows from its silence.

use super::step::Turn;
use super::{Cause, Leader, Ms, Phase, Rung};

impl Turn<'_> {
    pub(super) fn ready(&mut self, since: Ms, leader: Leader) {
        self.enter(Phase::Ready { since, leader }, self.config.watchdog.filter(|_| !self.s.paused));
    }

    pub(super) fn said_ready(&mut self) {
        if let Phase::Starting { since, leader } = self.s.phase {
            self.ready(since, leader);
        }
        // else: late words of a service that is on its way down
    }

    pub(super) fn alive(&mut self) {
        if let Phase::Ready { .. } = self.s.phase
            && !self.s.paused
        {
            self.wait(self.config.watchdog);
        }
    }

    pub(super) fn hung(&mut self) {
        if self.s.phase.is_up() {
            self.stop(Cause::Hung);
        }
    }

    pub(super) fn led(&mut self) {
        let leader = Leader::Daemon;
        match self.s.phase {
            Phase::Starting { since, .. } => self.go_on(Phase::Starting { since, leader }),
            Phase::Ready { since, .. } => self.go_on(Phase::Ready { since, leader }),
            Phase::Daemonising { since } => self.ready(since, leader),
            Phase::Down
            | Phase::Stopping { .. }
            | Phase::Sweeping { .. }
            | Phase::Finishing { .. }
            | Phase::Backoff { .. }
            | Phase::Failed { .. } => debug_assert!(false, "one that is not up is led"),
        }
    }

    /// Only what it is at itself: a kill that is due, or a restart, it can't put off.
    pub(super) fn extend(&mut self, ms: Ms) {
        if let Phase::Starting { .. }
        | Phase::Stopping { rung: Rung::Asked, .. }
        | Phase::Sweeping { rung: Rung::Asked, .. }
        | Phase::Finishing { rung: Rung::Asked, .. } = self.s.phase
        {
            let until = self.now.saturating_add(ms);
            self.s.deadline = self.s.deadline.map(|at| at.max(until));
        }
    }
}
