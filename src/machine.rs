//! The life of a service: one pure function.
//!
//! `step(state, event, now, config) -> (state, actions)`. No clock, no descriptors, no pids, no heap;
//! `tests/model.rs` walks every state it can reach beside an adversarial world.
//!
//! # What a service is doing
//!
//! A *phase* says what is alive in the service's fold:
//!
//! | phase | alive | left by |
//! |---|---|---|
//! | Down, Failed | nothing | a command |
//! | Backoff | nothing | its deadline, or a command |
//! | Starting, Ready | the leader and whatever it made | the leader's end |
//! | Daemonising | what `run` left behind when it exited 0 | a look, half a second later |
//! | Stopping | the leader, told to end | the leader's end |
//! | Sweeping | leftovers only | the fold being empty |
//! | Finishing | `finish` | its end |
//!
//! So "the fold is empty" is no flag: Down, Failed and Backoff mean it. *Want* (up, once, down) stands
//! beside the phase and is read in one place, [`Turn::settle`], when nothing is alive any more.
//! *Cause* says why the service is on its way down, and decides between restart, back-off and failure.
//!
//! # Three sorts of output
//!
//! Edges are [`Action`]s, done once, in order. Levels (deadline, phase, want, paused) are read off the
//! state after the step: there is no action to arm a timer or write a status that one could forget.
//! Handles (pids, descriptors) belong to the supervisor's loop and never enter.
//!
//! # Events carry levels
//!
//! `emptied` in an event was read after the wait, not inferred from a notification; a late notification
//! is harmless. A spawn that fails at once is an event of the same turn.

/// Milliseconds on the monotonic clock.
pub type Ms = u64;

/// What the administrator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Want {
    /// Running, and started again when it ends.
    Up,
    /// Running until it ends.
    Once,
    /// Not running.
    Down,
}

/// Who stands for the service while it is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leader {
    /// The process that `run` became.
    Run,
    /// A daemon that `run` left behind; its end is the service's end.
    Daemon,
    /// Nobody: the fold is the service, and it is up while the fold is populated.
    Nobody,
}

/// How a process of ours ended, as far as the machine cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Code 0.
    Clean,
    /// Anything else.
    Dirty,
    /// `finish` exited 125: do not start again.
    GiveUp,
}

/// Why a service went, or is going, down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Somebody asked: a stop, a restart, a signal.
    Asked,
    /// It ended by itself.
    Exited {
        /// It ran for less than a second.
        quick: bool,
        /// With exit code 0.
        clean: bool,
    },
    /// `run` could not be started.
    NotStarted,
    /// It was not ready within `timeout-up`.
    Late,
    /// Its own start check took it down.
    Unfit,
    /// `finish` said not to start it again, or it died too often.
    GaveUp,
}

/// How far down the ladder of persuasion a stop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rung {
    /// Told to end.
    Asked,
    /// Killed, and killed again until gone.
    Killed,
}

/// What a service is doing; see the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Phase {
    Down,
    Starting { since: Ms },
    Ready { since: Ms, leader: Leader },
    Daemonising { since: Ms },
    Stopping { cause: Cause, rung: Rung },
    Sweeping { cause: Cause, finished: bool, rung: Rung },
    Finishing { cause: Cause, rung: Rung },
    Backoff { cause: Cause },
    Failed { cause: Cause },
}

/// All that the machine remembers of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What it is doing.
    pub phase: Phase,
    /// What is wanted of it.
    pub want: Want,
    /// Frozen by `svc -p`. Only in Starting and Ready.
    pub paused: bool,
    /// TERM has been sent to the present leader (runit's "got TERM"). Only while there is one.
    pub termed: bool,
    /// To be forgotten as soon as nothing of it is alive (`svc -x`).
    pub leaving: bool,
    /// A stop means everybody, also what `kill-mode: leader` would leave. Until the next start or rest:
    /// a stop in progress ends as it began.
    pub everybody: bool,
    /// Quick deaths in a row.
    pub quick_deaths: u16,
    /// When `run` was last started.
    pub started: Ms,
    /// When to say [`Event::DeadlinePassed`].
    pub deadline: Option<Ms>,
}

/// What an administrator says, by `svc` and its kin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `u`
    Up,
    /// `o`
    Once,
    /// `d`
    Down,
    /// Down, and everybody with it, whatever `kill-mode` says (`svcstop --all`, shutdown).
    DownAll,
    /// Down, by killing the fold now (`svcstop -k`).
    DownNow,
    /// The service's own start check takes it down: stop, and try again later.
    Unfit,
    /// `x`: forget the service once it is down.
    Leave,
    /// `p`
    Pause,
    /// `c`
    Continue,
    /// `t`: TERM to the leader.
    Term,
    /// Another signal to the leader.
    Signal,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody said something.
    Command(Command),
    /// `run` could not even be made a process.
    RunSpawnFailed,
    /// The leader is gone. `started` is false if it never became `run`.
    LeaderGone {
        /// How it ended.
        exit: Exit,
        /// Whether `run` was executed at all.
        started: bool,
        /// Whether the fold was then empty.
        emptied: bool,
    },
    /// `finish` is gone (or could not be started).
    FinishGone {
        /// How it ended.
        exit: Exit,
        /// Whether the fold was then empty.
        emptied: bool,
    },
    /// The service said that it is ready.
    SaidReady,
    /// The fold is empty.
    Emptied,
    /// The answer to [`Action::LookForDaemon`]: who leads now, `None` if nobody there is a daemon.
    Looked(Option<Leader>),
    /// The deadline has passed.
    DeadlinePassed,
    /// A new supervisor has taken this state from the table, and looked.
    Adopted {
        /// A leader (or `finish`, in Finishing) is recorded. Of one that has ended meanwhile its own event
        /// tells next, with [`Exit::Dirty`] if nobody knows how. If none is recorded, the supervisor died
        /// before it could start one, or right after.
        present: bool,
        /// The fold is empty.
        emptied: bool,
    },
}

/// What is to be done, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start `run` in an empty fold.
    SpawnRun,
    /// Start `finish` in an empty fold.
    SpawnFinish,
    /// TERM to the leader (or `down-signal`), then CONT; by way of `control/t` and `control/d`.
    AskLeader,
    /// TERM, then CONT, to everyone in the fold.
    AskAll,
    /// Kill everyone in the fold; the leader alone if the service's `kill-mode` says so.
    Kill,
    /// STOP to the leader, and freeze the fold.
    Freeze,
    /// Thaw the fold, and CONT to the leader.
    Thaw,
    /// Pass on the signal that the command carried.
    PassOn,
    /// Is what `run` left behind a daemon? Answered by [`Event::Looked`] in the same turn.
    LookForDaemon,
    /// Close the service's files and forget it.
    Forget,
}

/// The actions of one step: at most four, no heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions {
    list: [Option<Action>; 4],
}

impl Actions {
    fn push(&mut self, action: Action) {
        debug_assert!(self.list[3].is_none(), "more than four actions in a step");
        if let Some(free) = self.list.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(action);
        }
    }

    /// The actions, in order.
    pub fn iter(&self) -> impl Iterator<Item = Action> + '_ {
        self.list.iter().copied().flatten()
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Actions {
        let mut list = Actions::default();
        actions.into_iter().for_each(|action| list.push(action));
        list
    }
}

/// Whether what exits 0 and leaves processes behind has daemonised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Daemonised {
    /// If it does so within its first minute, and a look shows a daemon.
    Auto,
    /// Whenever a look shows a daemon.
    Yes,
    /// Never: leftovers are swept.
    No,
}

/// The settings that matter to the machine. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// There is a `finish`.
    pub has_finish: bool,
    /// The service says when it is ready.
    pub notifies: bool,
    /// How long until it must be ready; `None`: for ever.
    pub timeout_up: Option<Ms>,
    /// How long until what was told to end is killed; `None`: never (daemontools' way).
    pub timeout_kill: Option<Ms>,
    /// How long `finish` may take; `None`: for ever.
    pub timeout_finish: Option<Ms>,
    /// `kill-mode: leader`.
    pub leader_only: bool,
    /// See [`Daemonised`].
    pub daemonised: Daemonised,
    /// The cap of the growing delay between quick deaths.
    pub backoff_max: Ms,
    /// So many quick deaths in a row make it Failed; 0: never.
    pub max_quick_deaths: u16,
    /// The spacing and the waits that are the same for every service.
    pub times: Times,
}

/// Waits that no setting changes; the model uses small ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Least time from start to start; a shorter life is a quick death.
    pub spacing: Ms,
    /// From `run`'s exit to the look for a daemon.
    pub look: Ms,
    /// A `run` that lives longer than this has not daemonised.
    pub minute: Ms,
    /// From kill to kill, while somebody will not die.
    pub rekill: Ms,
}

impl Times {
    /// What pinfold uses.
    pub const REAL: Times = Times { spacing: 1000, look: 500, minute: 60_000, rekill: 1000 };
}

impl Phase {
    /// A leader is there (as a process, or for [`Leader::Nobody`] as the fold).
    pub fn is_up(self) -> bool {
        matches!(self, Phase::Starting { .. } | Phase::Ready { .. })
    }

    /// There is one process whose end is the service's end.
    pub fn has_leader(self) -> bool {
        match self {
            Phase::Starting { .. } | Phase::Stopping { .. } => true,
            Phase::Ready { leader, .. } => leader != Leader::Nobody,
            _ => false,
        }
    }

    /// Nothing is alive.
    pub fn is_still(self) -> bool {
        matches!(self, Phase::Down | Phase::Backoff { .. } | Phase::Failed { .. })
    }
}

impl State {
    /// A service just found.
    pub const fn new(want: Want) -> State {
        State {
            phase: Phase::Down,
            want,
            paused: false,
            termed: false,
            leaving: false,
            everybody: false,
            quick_deaths: 0,
            started: 0,
            deadline: None,
        }
    }
}

struct Turn<'a> {
    s: State,
    out: Actions,
    now: Ms,
    config: &'a Config,
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
        Event::Emptied => turn.emptied(),
        Event::Looked(leader) => turn.looked(leader),
        Event::DeadlinePassed => turn.deadline_passed(),
        Event::Adopted { present, emptied } => turn.adopted(present, emptied),
    }
    (turn.s, turn.out)
}

impl Turn<'_> {
    fn enter(&mut self, phase: Phase, wait: Option<Ms>) {
        self.go_on(phase);
        self.s.deadline = wait.map(|ms| self.now.saturating_add(ms));
    }

    /// As [`Turn::enter`], with the deadline that is already running: a stop's clock is not wound up again.
    fn go_on(&mut self, phase: Phase) {
        self.s.phase = phase;
        self.s.termed &= phase.is_up() || phase.has_leader();
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
                if self.s.phase.is_up() || self.s.phase.has_leader() {
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
            if let Phase::Starting { .. } = self.s.phase {
                self.s.deadline = None; // what is frozen can't be late
            }
            self.out.push(Action::Freeze);
        }
    }

    fn thaw_if_paused(&mut self) {
        if !std::mem::take(&mut self.s.paused) {
            return;
        }
        self.out.push(Action::Thaw);
        if let Phase::Starting { .. } = self.s.phase {
            self.s.deadline = self.config.timeout_up.map(|ms| self.now.saturating_add(ms));
        }
    }

    fn term(&mut self) {
        if self.s.phase.is_up() {
            self.s.termed = true;
            self.out.push(Action::PassOn);
        } else if self.s.phase.has_leader() {
            self.out.push(Action::PassOn);
        }
    }

    /// Only ever called with nothing alive in the fold (or with what `kill-mode: leader` carries over).
    fn launch(&mut self) {
        self.s.started = self.now;
        self.s.termed = false;
        self.s.everybody = false;
        self.out.push(Action::SpawnRun);
        if self.config.notifies {
            self.enter(Phase::Starting { since: self.now }, self.config.timeout_up);
        } else {
            self.enter(Phase::Ready { since: self.now, leader: Leader::Run }, None);
        }
    }

    fn stop(&mut self, cause: Cause) {
        self.thaw_if_paused();
        if self.s.phase.has_leader() {
            self.s.termed = true;
            self.out.push(Action::AskLeader);
            self.enter(Phase::Stopping { cause, rung: Rung::Asked }, self.config.timeout_kill);
        } else {
            self.ask_all(cause, false);
        }
    }

    fn ask_all(&mut self, cause: Cause, finished: bool) {
        self.out.push(Action::AskAll);
        self.enter(Phase::Sweeping { cause, finished, rung: Rung::Asked }, self.config.timeout_kill);
    }

    fn said_ready(&mut self) {
        if let Phase::Starting { since } = self.s.phase {
            self.enter(Phase::Ready { since, leader: Leader::Run }, None);
        }
        // else: late words of a service that is on its way down
    }

    fn leader_gone(&mut self, exit: Exit, started: bool, emptied: bool) {
        let termed = std::mem::take(&mut self.s.termed);
        let quiet = emptied || self.leaves_others();
        match self.s.phase {
            Phase::Starting { since } | Phase::Ready { since, .. } => {
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
    fn leaves_others(&self) -> bool {
        self.config.leader_only && !self.s.everybody
    }

    fn may_daemonise(&self, since: Ms) -> bool {
        let leader_can =
            matches!(self.s.phase, Phase::Starting { .. } | Phase::Ready { leader: Leader::Run, .. });
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

    fn looked(&mut self, leader: Option<Leader>) {
        let Phase::Daemonising { since } = self.s.phase else { return };
        match leader {
            Some(leader) => self.enter(Phase::Ready { since, leader }, None),
            None => {
                let cause = self.exited(since, Exit::Clean);
                self.ask_all(cause, false);
            }
        }
    }

    fn emptied(&mut self) {
        match self.s.phase {
            Phase::Sweeping { cause, finished: false, .. } => self.finish(cause),
            Phase::Sweeping { cause, finished: true, .. } => self.settle(cause),
            Phase::Daemonising { since } => {
                let cause = self.exited(since, Exit::Clean);
                self.finish(cause);
            }
            Phase::Ready { since, leader: Leader::Nobody } => {
                self.thaw_if_paused();
                let asked = self.s.termed && self.s.want != Want::Once;
                let cause = if asked { Cause::Asked } else { self.exited(since, Exit::Dirty) };
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

    fn finish(&mut self, cause: Cause) {
        if !self.config.has_finish {
            return self.settle(cause);
        }
        self.out.push(Action::SpawnFinish);
        self.enter(Phase::Finishing { cause, rung: Rung::Asked }, self.config.timeout_finish);
    }

    fn finish_gone(&mut self, exit: Exit, emptied: bool) {
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
    fn settle(&mut self, cause: Cause) {
        if self.s.leaving {
            return self.rest();
        }
        match (self.s.want, cause) {
            (Want::Down, _) => self.rest(),
            (Want::Up | Want::Once, Cause::GaveUp) => self.enter(Phase::Failed { cause }, None),
            (Want::Once, Cause::Exited { .. }) => {
                self.s.want = Want::Down;
                self.rest();
            }
            (Want::Up | Want::Once, Cause::Asked) | (Want::Up, Cause::Exited { quick: false, .. }) => {
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

    fn rest(&mut self) {
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

    /// The state was saved before its actions were done, so the last ones may be missing, a thaw or a
    /// freeze among them: those that can be repeated without harm are, and a start that left no leader
    /// behind is undone.
    fn adopted(&mut self, present: bool, emptied: bool) {
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
            Phase::Ready { leader: Leader::Nobody, .. } => self.freeze_again(),
            Phase::Starting { .. } | Phase::Ready { .. } if present => self.freeze_again(),
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
