//! The function itself: for each event, what it means in each phase. No `_` arm hides a phase.

use super::{
    Action, Actions, Cause, Command, Config, Daemonised, Event, Exit, Leader, Ms, Phase, Rung, State, Want,
};

pub(super) struct Turn<'a> {
    pub(super) s: State,
    pub(super) out: Actions,
    pub(super) now: Ms,
    pub(super) config: &'a Config,
}

/// One event's worth of life.
pub fn step(state: State, event: Event, now: Ms, config: &Config) -> (State, Actions) {
    let mut turn = Turn { s: state, out: Actions::default(), now, config };
    match event {
        Event::Command(command) => turn.command(command),
        Event::RunSpawnFailed => turn.settle(Cause::NotStarted),
        Event::LeaderGone { exit, started, emptied } => turn.leader_gone(exit, started, emptied),
        Event::FinishGone { exit, emptied } => turn.finish_gone(exit, emptied),
        Event::SaidReady => turn.said_ready(),
        Event::Alive => turn.alive(),
        Event::Hung => turn.hung(),
        Event::Led => turn.led(),
        Event::Extend(ms) => turn.extend(ms),
        Event::Emptied => turn.emptied(),
        Event::Looked(leader) => turn.looked(leader),
        Event::DeadlinePassed => turn.deadline_passed(),
        Event::Adopted { present, emptied } => turn.adopted(present, emptied),
    }
    (turn.s, turn.out)
}

impl Turn<'_> {
    pub(super) fn enter(&mut self, phase: Phase, wait: Option<Ms>) {
        self.go_on(phase);
        self.wait(wait);
    }

    pub(super) fn wait(&mut self, wait: Option<Ms>) {
        self.s.deadline = wait.map(|ms| self.now.saturating_add(ms));
    }

    /// As [`Turn::enter`], with the deadline that is already running: a stop's clock is not wound up again.
    pub(super) fn go_on(&mut self, phase: Phase) {
        self.s.phase = phase;
        self.s.termed &= phase.is_up() || phase.has_leader() || matches!(phase, Phase::Daemonising { .. });
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Up | Command::Once => self.up(command),
            Command::Down | Command::DownAll => self.down(command),
            Command::DownNow => self.down_now(),
            Command::Unfit => self.unfit(),
            Command::Leave => self.leave(),
            Command::Pause => self.pause(),
            Command::Continue => self.thaw_if_paused(),
            Command::Term => self.term(),
            Command::Signal => {
                if self.hears_signals() {
                    self.out.push(Action::PassOn);
                }
            }
        }
    }

    fn up(&mut self, command: Command) {
        self.s.want = if command == Command::Once { Want::Once } else { Want::Up };
        self.s.leaving = false;
        match &mut self.s.phase {
            Phase::Down | Phase::Backoff { .. } | Phase::Failed { .. } => {
                self.s.quick_deaths = 0;
                self.launch();
            }
            // on its way down: what it ends of does not count any more, `settle` starts it again
            Phase::Stopping { cause, .. }
            | Phase::Sweeping { cause, .. }
            | Phase::Finishing { cause, .. } => *cause = Cause::Asked,
            Phase::Starting { .. } | Phase::Ready { .. } | Phase::Daemonising { .. } => {}
        }
    }

    fn down(&mut self, command: Command) {
        self.s.want = Want::Down;
        self.s.everybody |= command == Command::DownAll;
        match self.s.phase {
            Phase::Down | Phase::Backoff { .. } | Phase::Failed { .. }
                if self.sweeps_carried_over(command) =>
            {
                self.ask_all(Cause::Asked, true);
            }
            Phase::Down | Phase::Backoff { .. } | Phase::Failed { .. } => self.rest(),
            Phase::Starting { .. } | Phase::Ready { .. } => self.stop(Cause::Asked),
            Phase::Daemonising { .. } => self.ask_all(Cause::Asked, false),
            Phase::Stopping { .. } | Phase::Sweeping { .. } | Phase::Finishing { .. } => {}
        }
    }

    /// With `kill-mode: leader` somebody may be alive at rest; "everybody" is then still to be told.
    fn sweeps_carried_over(&self, command: Command) -> bool {
        self.config.leader_only && command == Command::DownAll
    }

    fn down_now(&mut self) {
        self.s.want = Want::Down;
        self.s.everybody = true;
        self.thaw_if_paused();
        let rung = Rung::Killed;
        let killing = match self.s.phase {
            Phase::Down if !self.config.leader_only => return self.rest(),
            Phase::Backoff { .. } | Phase::Failed { .. } if !self.config.leader_only => return self.rest(),
            Phase::Starting { .. } | Phase::Ready { leader: Leader::Run | Leader::Daemon, .. } => {
                Phase::Stopping { cause: Cause::Asked, rung }
            }
            Phase::Stopping { cause, .. } => Phase::Stopping { cause, rung },
            Phase::Sweeping { cause, finished, .. } => Phase::Sweeping { cause, finished, rung },
            Phase::Finishing { cause, .. } => Phase::Finishing { cause, rung },
            Phase::Ready { leader: Leader::Nobody, .. } | Phase::Daemonising { .. } => {
                Phase::Sweeping { cause: Cause::Asked, finished: false, rung }
            }
            Phase::Down | Phase::Backoff { .. } | Phase::Failed { .. } => {
                Phase::Sweeping { cause: Cause::Asked, finished: true, rung }
            }
        };
        self.out.push(Action::Kill);
        self.enter(killing, Some(self.config.times.rekill));
    }

    fn unfit(&mut self) {
        match self.s.phase {
            Phase::Starting { .. } | Phase::Ready { .. } => self.stop(Cause::Unfit),
            Phase::Daemonising { .. } => self.ask_all(Cause::Unfit, false),
            // down, or on its way there
            Phase::Down
            | Phase::Stopping { .. }
            | Phase::Sweeping { .. }
            | Phase::Finishing { .. }
            | Phase::Backoff { .. }
            | Phase::Failed { .. } => {}
        }
    }

    fn leave(&mut self) {
        self.s.leaving = true;
        if self.s.phase.is_still() {
            self.rest();
        }
    }

    fn pause(&mut self) {
        if self.s.phase.is_up() && !self.s.paused {
            self.s.paused = true;
            self.s.deadline = None; // what is frozen can't be late
            self.out.push(Action::Freeze);
        }
    }

    pub(super) fn thaw_if_paused(&mut self) {
        if !std::mem::take(&mut self.s.paused) {
            return;
        }
        self.out.push(Action::Thaw);
        match self.s.phase {
            Phase::Starting { .. } => self.wait(self.config.timeout_up),
            Phase::Ready { .. } => self.wait(self.config.watchdog),
            _ => {}
        }
    }

    fn term(&mut self) {
        if self.hears_signals() {
            self.s.termed |= !matches!(self.s.phase, Phase::Stopping { .. });
            self.out.push(Action::PassOn);
        }
    }

    /// There is a leader; or a daemon may be one in a moment, and must not miss what is said meanwhile.
    fn hears_signals(&self) -> bool {
        let phase = self.s.phase;
        phase.is_up() || phase.has_leader() || matches!(phase, Phase::Daemonising { .. })
    }

    /// Only ever called with nothing alive in the fold (or with what `kill-mode: leader` carries over).
    fn launch(&mut self) {
        self.s.started = self.now;
        self.s.termed = false;
        self.s.everybody = false;
        self.out.push(Action::SpawnRun);
        if self.config.notifies {
            self.enter(Phase::Starting { since: self.now, leader: Leader::Run }, self.config.timeout_up);
        } else {
            self.ready(self.now, Leader::Run);
        }
    }

    pub(super) fn stop(&mut self, cause: Cause) {
        self.thaw_if_paused();
        if self.s.phase.has_leader() {
            self.s.termed = true;
            self.out.push(Action::AskLeader);
            self.enter(Phase::Stopping { cause, rung: Rung::Asked }, self.config.timeout_kill);
        } else {
            self.ask_all(cause, false);
        }
    }

    pub(super) fn ask_all(&mut self, cause: Cause, finished: bool) {
        self.out.push(Action::AskAll);
        self.enter(Phase::Sweeping { cause, finished, rung: Rung::Asked }, self.config.timeout_kill);
    }

    fn leader_gone(&mut self, exit: Exit, started: bool, emptied: bool) {
        let termed = std::mem::take(&mut self.s.termed);
        let quiet = emptied || self.leaves_others();
        match self.s.phase {
            Phase::Starting { since, .. } | Phase::Ready { since, .. } => {
                self.thaw_if_paused(); // it died of a KILL while frozen
                let cause = match (started, termed) {
                    (false, _) => Cause::NotStarted,
                    (true, true) if self.s.want != Want::Once => Cause::Asked,
                    (true, _) => self.exited(since, exit),
                };
                if !emptied && exit == Exit::Clean && !termed && self.may_daemonise(since) {
                    self.enter(Phase::Daemonising { since }, Some(self.config.times.look));
                } else if quiet {
                    self.finish(cause);
                } else {
                    self.ask_all(cause, false);
                }
            }
            Phase::Stopping { cause, .. } if quiet => self.finish(cause),
            Phase::Stopping { cause, rung: Rung::Asked } => {
                // the real daemon behind a wrapper must get its chance to flush: told now, on the same clock
                self.out.push(Action::AskAll);
                self.go_on(Phase::Sweeping { cause, finished: false, rung: Rung::Asked });
            }
            Phase::Stopping { cause, rung: Rung::Killed } => {
                self.out.push(Action::Kill);
                self.go_on(Phase::Sweeping { cause, finished: false, rung: Rung::Killed });
            }
            Phase::Down
            | Phase::Daemonising { .. }
            | Phase::Sweeping { .. }
            | Phase::Finishing { .. }
            | Phase::Backoff { .. }
            | Phase::Failed { .. } => debug_assert!(false, "a leader is gone that was not there"),
        }
    }

    /// What the leader leaves is carried over, not swept.
    pub(super) fn leaves_others(&self) -> bool {
        self.config.leader_only && !self.s.everybody
    }

    fn may_daemonise(&self, since: Ms) -> bool {
        let leader_can = matches!(
            self.s.phase,
            Phase::Starting { leader: Leader::Run, .. } | Phase::Ready { leader: Leader::Run, .. }
        );
        leader_can
            && !self.config.leader_only
            && match self.config.daemonised {
                Daemonised::Yes => true,
                Daemonised::Auto => self.now.saturating_sub(since) < self.config.times.minute,
                Daemonised::No => false,
            }
    }

    fn exited(&self, since: Ms, exit: Exit) -> Cause {
        let quick = self.now.saturating_sub(since) < self.config.times.spacing;
        Cause::Exited { quick, clean: exit == Exit::Clean }
    }

    /// Why a fold that was the service is empty.
    fn vanished(&self, since: Ms, exit: Exit) -> Cause {
        let asked = self.s.termed && self.s.want != Want::Once;
        if asked { Cause::Asked } else { self.exited(since, exit) }
    }

    fn looked(&mut self, leader: Option<Leader>) {
        let Phase::Daemonising { since } = self.s.phase else { return };
        match leader {
            Some(leader) => self.ready(since, leader),
            None => {
                let cause = self.vanished(since, Exit::Clean);
                self.ask_all(cause, false);
            }
        }
    }

    pub(super) fn emptied(&mut self) {
        match self.s.phase {
            Phase::Sweeping { cause, finished: false, .. } => self.finish(cause),
            Phase::Sweeping { cause, finished: true, .. } => self.settle(cause),
            Phase::Daemonising { since } => {
                let cause = self.vanished(since, Exit::Clean);
                self.finish(cause);
            }
            Phase::Ready { since, leader: Leader::Nobody } => {
                self.thaw_if_paused();
                let cause = self.vanished(since, Exit::Dirty);
                self.finish(cause);
            }
            // A living leader may be elsewhere: an empty cgroup is not the end. Where the leader or
            // `finish` is gone as well, its own event says so.
            Phase::Starting { .. }
            | Phase::Ready { .. }
            | Phase::Stopping { .. }
            | Phase::Finishing { .. }
            | Phase::Down
            | Phase::Backoff { .. }
            | Phase::Failed { .. } => {}
        }
    }

    pub(super) fn finish(&mut self, cause: Cause) {
        if !self.config.has_finish {
            return self.settle(cause);
        }
        self.out.push(Action::SpawnFinish);
        self.enter(Phase::Finishing { cause, rung: Rung::Asked }, self.config.timeout_finish);
    }

    pub(super) fn finish_gone(&mut self, exit: Exit, emptied: bool) {
        let Phase::Finishing { cause, rung } = self.s.phase else {
            return debug_assert!(false, "a finish is gone that was not there");
        };
        let cause = if exit == Exit::GiveUp && cause != Cause::Asked { Cause::GaveUp } else { cause };
        if emptied || self.leaves_others() {
            self.settle(cause);
        } else if rung == Rung::Killed {
            self.out.push(Action::Kill);
            self.go_on(Phase::Sweeping { cause, finished: true, rung });
        } else {
            self.ask_all(cause, true);
        }
    }

    /// Nothing is alive any more: what next?
    pub(super) fn settle(&mut self, cause: Cause) {
        if self.s.leaving {
            return self.rest();
        }
        match (self.s.want, cause) {
            (Want::Down, _) => self.rest(),
            (Want::Up | Want::Once, Cause::GaveUp) => self.enter(Phase::Failed { cause }, None),
            (Want::Once, Cause::Exited { .. } | Cause::Hung) => {
                self.s.want = Want::Down;
                self.rest();
            }
            (Want::Up | Want::Once, Cause::Asked)
            | (Want::Up, Cause::Exited { quick: false, .. } | Cause::Hung) => {
                self.s.quick_deaths = 0;
                self.launch_in(cause, 0);
            }
            (Want::Up, Cause::Exited { quick: true, clean: true }) => self.launch_in(cause, 0),
            (Want::Up, Cause::Exited { quick: true, clean: false })
            | (Want::Up | Want::Once, Cause::NotStarted | Cause::Late | Cause::Unfit) => self.back_off(cause),
        }
    }

    fn back_off(&mut self, cause: Cause) {
        self.s.quick_deaths = self.s.quick_deaths.saturating_add(1);
        let most = self.config.max_quick_deaths;
        if most != 0 && self.s.quick_deaths >= most {
            return self.enter(Phase::Failed { cause }, None);
        }
        let doublings = u32::from(self.s.quick_deaths - 1).min(16);
        let delay = (self.config.times.spacing << doublings).min(self.config.backoff_max);
        self.launch_in(cause, delay);
    }

    /// Starts now if starts are then far enough apart, else when they are. `delay` counts from the last
    /// start for one that died quickly, from now for one that was up for long and is no good.
    fn launch_in(&mut self, cause: Cause, delay: Ms) {
        let from = if matches!(cause, Cause::Late | Cause::Unfit) { self.now } else { self.s.started };
        let at = from.saturating_add(delay).max(self.s.started.saturating_add(self.config.times.spacing));
        // a failed start is never tried again in the same turn, whatever the settings say
        let at = if cause == Cause::NotStarted { at.max(self.now + 1) } else { at };
        if at <= self.now {
            return self.launch();
        }
        self.enter(Phase::Backoff { cause }, Some(at - self.now));
    }

    pub(super) fn rest(&mut self) {
        self.enter(Phase::Down, None);
        self.s.everybody = false;
        if self.s.leaving {
            self.out.push(Action::Forget);
        }
    }

    fn deadline_passed(&mut self) {
        self.s.deadline = None;
        let (rung, rekill) = (Rung::Killed, Some(self.config.times.rekill));
        match self.s.phase {
            Phase::Starting { .. } => self.stop(Cause::Late),
            Phase::Ready { .. } if self.config.watchdog.is_some() => self.stop(Cause::Hung),
            Phase::Daemonising { .. } => self.out.push(Action::LookForDaemon),
            Phase::Backoff { .. } => self.launch(),
            Phase::Stopping { cause, .. } => {
                self.out.push(Action::Kill);
                self.enter(Phase::Stopping { cause, rung }, rekill);
            }
            Phase::Sweeping { cause, finished, .. } => {
                self.out.push(Action::Kill);
                self.enter(Phase::Sweeping { cause, finished, rung }, rekill);
            }
            Phase::Finishing { cause, .. } => {
                self.out.push(Action::Kill);
                self.enter(Phase::Finishing { cause, rung }, rekill);
            }
            Phase::Down | Phase::Ready { .. } | Phase::Failed { .. } => {}
        }
    }
}
