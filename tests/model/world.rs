//! One service's processes, its kernel and its supervisor: the machine's state beside the truth.

use pinfold::machine::{Actions, Config, Event, Ms, Phase, State, Want};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    Clean,
    Dirty,
    GiveUp,
    /// It never became what it was to be: the exec failed.
    NeverStarted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Proc {
    None,
    Alive,
    /// Killed, not yet dead.
    Doomed,
    /// Dead; nobody has been told yet.
    Zombie(End),
}

/// The leader, or `finish`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Child {
    pub(crate) proc: Proc,
    /// Its pid is in the table. If not, it is *lost*: the supervisor died right after the spawn.
    pub(crate) known: bool,
}

impl Child {
    pub(crate) const NONE: Child = Child { proc: Proc::None, known: false };
    pub(crate) const BORN: Child = Child { proc: Proc::Alive, known: true };

    pub(crate) fn lives(self) -> bool {
        matches!(self.proc, Proc::Alive | Proc::Doomed)
    }

    /// There, and the supervisor knows it.
    pub(crate) fn is_known(self) -> bool {
        self.proc != Proc::None && self.known
    }

    /// The guardian reaps it; it keeps the end of one that the supervisor knows until that was told.
    pub(crate) fn end(&mut self, end: End) {
        *self = if self.known { Child { proc: Proc::Zombie(end), ..*self } } else { Child::NONE };
    }

    pub(crate) fn doom(&mut self) {
        if self.proc == Proc::Alive {
            self.proc = Proc::Doomed;
        }
    }
}

/// What a leader or a `finish` has forked: one process or many, it makes no difference to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Other {
    None,
    Inside,
    /// A stray of ours: it has left the cgroup, and is found by whoever looks.
    Away,
    /// A stray that a look does not find (nobody looked when it went) until the next supervisor does.
    Hidden,
    Doomed,
}

impl Other {
    pub(crate) fn is_seen(self) -> bool {
        !matches!(self, Other::None | Other::Hidden)
    }
}

/// The earliest time at which what is to end may be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Patience {
    /// Nothing has been told to end.
    Unasked,
    Until(Ms),
    Ever,
    Over,
}

/// What the laws remember, beside what the machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Memory {
    pub(crate) patience: Patience,
    /// Wanted once, and that once is over.
    pub(crate) once_over: bool,
    /// It has Failed, and nobody has said `u` or `o` since.
    pub(crate) gave_up: bool,
    /// It has ended, and `finish` has not been run yet.
    pub(crate) owes_finish: bool,
    /// Somebody said DownAll or DownNow, and it has not been started since.
    pub(crate) all_down: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// The machine's state, which is saved before its actions are done.
    pub(crate) s: State,
    pub(crate) now: Ms,
    /// The supervisor lives.
    pub(crate) supervised: bool,
    pub(crate) leader: Child,
    pub(crate) finish: Child,
    pub(crate) other: Other,
    pub(crate) frozen: bool,
    /// A notice is under way that the fold may have become empty.
    pub(crate) notice: bool,
    pub(crate) forgotten: bool,
    pub(crate) memory: Memory,
}

impl World {
    /// A service just found, at `horizon` so that its ages have room below.
    pub(crate) fn new(horizon: Ms) -> World {
        let memory = Memory {
            patience: Patience::Unasked,
            once_over: false,
            gave_up: false,
            owes_finish: false,
            all_down: false,
        };
        World {
            s: State::new(Want::Down),
            now: horizon,
            supervised: true,
            leader: Child::NONE,
            finish: Child::NONE,
            other: Other::None,
            frozen: false,
            notice: false,
            forgotten: false,
            memory,
        }
    }

    /// What a look says: the cgroup is empty, and no stray of ours is left.
    pub(crate) fn is_empty(&self) -> bool {
        !self.leader.lives() && !self.finish.lives() && !self.other.is_seen()
    }

    pub(crate) fn is_due(&self) -> bool {
        self.s.deadline.is_some_and(|at| at <= self.now)
    }

    /// Times become ages, none above the horizon: worlds which differ only in the clock are one.
    pub(crate) fn canonical(mut self, config: &Config, horizon: Ms) -> World {
        let age = |t: Ms| (t + horizon).saturating_sub(self.now);
        let left = |t: Ms| t.max(self.now) + horizon - self.now;
        match &mut self.s.phase {
            Phase::Starting { since, .. } | Phase::Ready { since, .. } | Phase::Daemonising { since } => {
                *since = age(*since);
            }
            _ => {}
        }
        self.s.started = age(self.s.started);
        self.s.deadline = self.s.deadline.map(left);
        if let Patience::Until(at) = &mut self.memory.patience {
            *at = left(*at);
        }
        self.now = horizon;
        // of a fold that is not empty any more, a notice makes the supervisor read just that
        self.notice &= self.is_empty();
        if config.max_quick_deaths == 0 {
            // beyond the cap of the back-off, one death more makes no difference
            let cap = config.backoff_max.div_ceil(config.times.spacing).next_power_of_two().ilog2();
            self.s.quick_deaths = self.s.quick_deaths.min(cap as u16);
        }
        self
    }
}

/// `step`, one with a mistake, or one that is listened to.
pub(crate) type Step<'a> = dyn Fn(&World, Event, &Config) -> (State, Actions) + 'a;

/// A machine with its settings, and what its world may do.
pub(crate) struct Model<'a> {
    pub(crate) config: Config,
    /// So far back the world remembers.
    pub(crate) horizon: Ms,
    /// Processes leave the cgroup.
    pub(crate) strays: bool,
    pub(crate) step: &'a Step<'a>,
}
