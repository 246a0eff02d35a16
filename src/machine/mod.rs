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

mod adoption;
mod step;
mod words;

use serde::{Deserialize, Serialize};

pub use step::step;

/// Milliseconds on the monotonic clock.
pub type Ms = u64;

/// What the administrator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Want {
    /// Running, and started again when it ends.
    Up,
    /// Running until it ends.
    Once,
    /// Not running.
    Down,
}

/// Who stands for the service while it is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Leader {
    /// The process that `run` became.
    Run,
    /// A daemon that `run` left behind, or whom the service has named; its end is the service's end.
    Daemon,
    /// Nobody: the fold is the service, and it is up while the fold is populated.
    Nobody,
}

/// How a process of ours ended, as far as the machine cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Exit {
    /// Code 0.
    Clean,
    /// Anything else.
    Dirty,
    /// `finish` exited 125: do not start again.
    GiveUp,
}

/// Why a service went, or is going, down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Its watchdog was not fed in time.
    Hung,
    /// `finish` said not to start it again, or it died too often.
    GaveUp,
}

/// How far down the ladder of persuasion a stop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Rung {
    /// Told to end.
    Asked,
    /// Killed, and killed again until gone.
    Killed,
}

/// What a service is doing; see the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Phase {
    Down,
    Starting { since: Ms, leader: Leader },
    Ready { since: Ms, leader: Leader },
    Daemonising { since: Ms },
    Stopping { cause: Cause, rung: Rung },
    Sweeping { cause: Cause, finished: bool, rung: Rung },
    Finishing { cause: Cause, rung: Rung },
    Backoff { cause: Cause },
    Failed { cause: Cause },
}

/// All that the machine remembers of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

impl State {
    /// Of a service in whose fold somebody lives of whom nothing is recorded: as if a supervisor had died between a
    /// start and its record. [`Event::Adopted`] has them swept before anything is started.
    pub fn unrecorded(since: Ms) -> State {
        State { phase: Phase::Starting { since, leader: Leader::Run }, ..State::new(Want::Down) }
    }
}

/// What an administrator says, by `svc` and its kin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The service said that it is alive.
    Alive,
    /// The service said that it has found itself to hang.
    Hung,
    /// The service has named one of its processes as the one that stands for it, and the supervisor has
    /// taken it. Only while it is up, or may have daemonised.
    Led,
    /// The service asks for so much time from now on, for what it is doing.
    Extend(Ms),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Daemonised {
    /// If it does so within its first minute, and a look shows a daemon.
    Auto,
    /// Whenever a look shows a daemon.
    Yes,
    /// Never: leftovers are swept.
    No,
}

/// The settings that matter to the machine. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How long it may be silent while it is ready; `None`: for ever. Only for one that `notifies`.
    pub watchdog: Option<Ms>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
