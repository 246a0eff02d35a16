//! Whether a service that was told to start has started: one that crashes never has.
//!
//! A judge is shown the service as often as somebody looks, and follows *one* run of it: the one that was
//! there already, else the first after the command. When that run is over, so is the trial.

use super::reason;
use super::service::{Run, Sight};
use crate::machine::{Cause, Leader, Ms, Phase, Want};
use crate::record::Record;

/// What is to be thought of a service now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not up yet.
    Wait,
    /// Up; and started, if it is still so then (monotonic ms).
    Up(Ms),
    /// Started.
    Good,
    /// Not started, and why.
    Bad(String),
}

/// Follows one run of a service.
pub(super) struct Judge {
    /// How long it must stay up unless it says itself when it is ready.
    settle: Ms,
    /// The run that was over when the command was given.
    before: Run,
    /// The run that counts.
    run: Option<Run>,
    /// Who leads it, and since when that has been so.
    pid: Option<i32>,
    steady: Ms,
}

impl Judge {
    /// One who has seen the service just before it was told to start.
    pub(super) fn new(sight: &Sight, settle: Ms, now: Ms) -> Judge {
        let run = is_running(sight).then(|| sight.run());
        Judge { settle, before: sight.run(), run, pid: sight.pid(), steady: sight.up_since(now) }
    }

    /// What to think of the service as it is now.
    pub(super) fn look(&mut self, sight: &Sight, now: Ms) -> Verdict {
        if let Sight::Nobody = sight {
            return Verdict::Bad("nobody supervises it any more".to_owned());
        }
        let current = sight.run();
        let run = match self.run {
            Some(run) => run,
            None if current == self.before => return Verdict::Wait,
            None => {
                (self.pid, self.steady) = (sight.pid(), sight.up_since(now));
                *self.run.insert(current)
            }
        };
        if run != current {
            return Verdict::Bad(reason::over(sight));
        }
        match sight {
            Sight::Ours(record) => self.ours(sight, record, now),
            Sight::Others(_) if sight.is_up() => self.steady(sight, now),
            Sight::Others(_) | Sight::Nobody => Verdict::Bad(reason::over(sight)),
        }
    }

    /// Whether the command has had any effect yet.
    pub(super) fn has_begun(&self) -> bool {
        self.run.is_some()
    }

    fn ours(&mut self, sight: &Sight, record: &Record, now: Ms) -> Verdict {
        let state = &record.state;
        let by_somebody = || Verdict::Bad("somebody has stopped it meanwhile".to_owned());
        match state.phase {
            _ if state.paused => Verdict::Bad("it is paused; svc -c lets it go on".to_owned()),
            Phase::Starting { .. } => Verdict::Wait,
            Phase::Daemonising { .. } => {
                self.steady = now;
                Verdict::Wait
            }
            Phase::Ready { leader: Leader::Run, .. } if record.notifies => Verdict::Good,
            Phase::Ready { .. } => self.steady(sight, now),
            Phase::Stopping { .. } | Phase::Sweeping { .. } | Phase::Down if state.want == Want::Down => {
                by_somebody()
            }
            Phase::Stopping { cause: Cause::Asked, .. } | Phase::Sweeping { cause: Cause::Asked, .. } => {
                Verdict::Bad("somebody restarts it meanwhile".to_owned())
            }
            Phase::Stopping { .. }
            | Phase::Sweeping { .. }
            | Phase::Finishing { .. }
            | Phase::Backoff { .. }
            | Phase::Failed { .. }
            | Phase::Down => Verdict::Bad(reason::over(sight)),
        }
    }

    fn steady(&mut self, sight: &Sight, now: Ms) -> Verdict {
        if sight.pid() != self.pid {
            // a daemon has taken over from `run`
            (self.pid, self.steady) = (sight.pid(), now);
        }
        let until = self.steady + self.settle;
        if now >= until { Verdict::Good } else { Verdict::Up(until) }
    }
}

fn is_running(sight: &Sight) -> bool {
    let daemonising = matches!(sight, Sight::Ours(r) if matches!(r.state.phase, Phase::Daemonising { .. }));
    sight.is_up() || daemonising
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
