//! What a new supervisor makes of a state that an earlier one has left, in each phase.

use super::step::Turn;
use super::{Action, Cause, Exit, Leader, Phase, Rung};

impl Turn<'_> {
    /// The state was saved before its actions were done, so the last ones may be missing, a thaw or a
    /// freeze among them: those that can be repeated without harm are, and a start that left no leader
    /// behind is undone.
    pub(super) fn adopted(&mut self, present: bool, emptied: bool) {
        let quiet = emptied || self.leaves_others();
        if !self.s.paused {
            self.out.push(Action::Thaw); // whatever follows needs it
        }
        match self.s.phase {
            Phase::Down if !quiet => self.ask_all(Cause::Asked, true),
            Phase::Backoff { cause } | Phase::Failed { cause } if !quiet => self.ask_all(cause, true),
            Phase::Down if self.s.leaving => self.rest(),
            Phase::Down | Phase::Backoff { .. } | Phase::Failed { .. } => {}
            Phase::Ready { leader: Leader::Nobody, .. } if emptied => self.emptied(),
            Phase::Ready { leader: Leader::Nobody, .. } => {
                self.alive();
                self.freeze_again();
            }
            Phase::Starting { .. } | Phase::Ready { .. } if present => {
                self.alive(); // what it has said meanwhile is still to be read
                self.freeze_again();
            }
            Phase::Starting { .. } | Phase::Ready { .. } => {
                self.thaw_if_paused();
                if emptied { self.settle(Cause::Asked) } else { self.sweep_lost(Cause::Asked) }
            }
            Phase::Daemonising { .. } if emptied => self.emptied(),
            Phase::Daemonising { .. } if self.s.deadline.is_none() => self.out.push(Action::LookForDaemon),
            Phase::Daemonising { .. } => {}
            Phase::Stopping { rung, .. } if present => {
                self.out.push(if rung == Rung::Killed { Action::Kill } else { Action::AskLeader });
            }
            Phase::Stopping { cause, .. } if quiet => self.finish(cause),
            Phase::Stopping { cause, rung } => {
                self.out.push(Action::AskAll);
                self.go_on(Phase::Sweeping { cause, finished: false, rung });
            }
            Phase::Sweeping { .. } if emptied => self.emptied(),
            Phase::Sweeping { rung, .. } => {
                self.out.push(if rung == Rung::Killed { Action::Kill } else { Action::AskAll });
            }
            Phase::Finishing { .. } if present => {}
            Phase::Finishing { .. } if emptied => self.finish_gone(Exit::Dirty, emptied),
            Phase::Finishing { cause, .. } => self.sweep_lost(cause),
        }
    }

    /// Somebody in the fold may be the process that was started and not recorded any more. It can't be
    /// told from what `kill-mode: leader` carries over, so everybody goes: never a second copy.
    fn sweep_lost(&mut self, cause: Cause) {
        self.s.everybody = true;
        self.ask_all(cause, true);
    }

    fn freeze_again(&mut self) {
        if self.s.paused {
            self.out.push(Action::Freeze);
        }
    }
}
