//! What must hold: of every turn of the machine, of every action at the moment it is done, and of every
//! world. The laws judge by the world and by a memory of their own, not by what the machine believes.

use crate::supervisor::Luck;
use crate::world::{Patience, World};
use pinfold::machine::{
    Action, Actions, Cause, Command, Config, Daemonised, Event, Exit, Leader, Ms, Phase, Rung, State, Want,
};

/// What the machine made of an event.
pub(crate) struct Turn {
    pub(crate) before: State,
    pub(crate) event: Event,
    pub(crate) now: Ms,
    pub(crate) after: State,
    pub(crate) actions: Actions,
    pub(crate) luck: Luck,
    /// As it was before the event.
    pub(crate) patience: Patience,
}

impl Turn {
    pub(crate) fn does(&self, action: Action) -> bool {
        self.actions.iter().any(|a| a == action)
    }
}

type Verdict = Result<(), String>;

/// Breaks the law `name` if `guilty`.
fn law(guilty: bool, name: &str) -> Verdict {
    if guilty { Err(name.to_string()) } else { Ok(()) }
}

/// What the leader leaves behind is carried over.
pub(crate) fn leaves_others(s: &State, config: &Config) -> bool {
    config.leader_only && !s.everybody
}

fn is_stop(phase: Phase) -> bool {
    matches!(phase, Phase::Stopping { .. } | Phase::Sweeping { .. })
}

/// `run`, or what it left behind, is alive.
fn is_alive(phase: Phase) -> bool {
    phase.is_up() || phase.has_leader() || matches!(phase, Phase::Daemonising { .. })
}

fn adopted(event: Event) -> bool {
    matches!(event, Event::Adopted { .. })
}

fn rung(phase: Phase) -> Option<Rung> {
    match phase {
        Phase::Stopping { rung, .. } | Phase::Sweeping { rung, .. } | Phase::Finishing { rung, .. } => {
            Some(rung)
        }
        _ => None,
    }
}

/// Why a phase on the way down, or after it, is what it is.
fn cause(phase: Phase) -> Option<Cause> {
    match phase {
        Phase::Stopping { cause, .. } | Phase::Sweeping { cause, .. } | Phase::Finishing { cause, .. } => {
            Some(cause)
        }
        Phase::Backoff { cause } | Phase::Failed { cause } => Some(cause),
        _ => None,
    }
}

/// Keeps the laws' memory, after the event and before the actions.
pub(crate) fn remember(w: &mut World, turn: &Turn, config: &Config) {
    let (before, after) = (turn.before.phase, turn.after.phase);
    let memory = &mut w.memory;
    match turn.event {
        Event::Command(Command::Up | Command::Once) => (memory.gave_up, memory.once_over) = (false, false),
        Event::Command(Command::DownAll | Command::DownNow) => memory.all_down = config.leader_only,
        _ => {}
    }
    let daemonises = matches!(after, Phase::Daemonising { .. });
    let over = match turn.event {
        Event::LeaderGone { started, .. } => before.is_up() && started && !daemonises,
        Event::Emptied => {
            before.is_up() && !before.has_leader() || matches!(before, Phase::Daemonising { .. })
        }
        Event::Looked(None) => true,
        _ => false,
    };
    let ended = is_alive(before) && !is_alive(after) && !adopted(turn.event);
    let gone = matches!(turn.event, Event::LeaderGone { .. }) && !daemonises;
    memory.owes_finish |= config.has_finish && (ended || gone) && turn.event != Event::RunSpawnFailed;
    memory.once_over |= over && turn.before.want == Want::Once;
    memory.once_over &= !matches!(after, Phase::Down);
    let told = matches!(turn.event, Event::FinishGone { exit: Exit::GiveUp, .. });
    memory.gave_up |= matches!(after, Phase::Failed { .. }) || told && cause(before) != Some(Cause::Asked);
    if let (Event::Extend(ms), Patience::Until(at)) = (turn.event, &mut memory.patience) {
        *at = (*at).max(w.now + ms);
    }
    memory.patience = match after {
        _ if rung(after) == Some(Rung::Killed) => Patience::Over,
        Phase::Stopping { .. } | Phase::Sweeping { .. } if is_stop(before) => memory.patience,
        Phase::Stopping { .. } | Phase::Sweeping { .. } => patience(w.now, config.timeout_kill),
        Phase::Finishing { .. } if matches!(before, Phase::Finishing { .. }) => memory.patience,
        Phase::Finishing { .. } => patience(w.now, config.timeout_finish),
        _ => Patience::Unasked,
    };
}

fn patience(now: Ms, timeout: Option<Ms>) -> Patience {
    timeout.map_or(Patience::Ever, |ms| Patience::Until(now + ms))
}

/// Laws of the step from one state to the next.
pub(crate) fn of_turn(turn: &Turn, config: &Config) -> Verdict {
    let heeded = match turn.event {
        Event::Command(command) => of_command(command, turn),
        Event::Adopted { present, .. } => of_adoption(present, turn),
        Event::Looked(leader) => of_look(leader, turn),
        Event::SaidReady | Event::Alive | Event::Hung | Event::Led | Event::Extend(_) => {
            of_words(turn, config)
        }
        _ => Ok(()),
    };
    heeded
        .and_then(|()| of_stop(turn, config))
        .and_then(|()| of_run(turn, config))
        .and_then(|()| of_watchdog(turn, config))
        .map_err(|law| format!("{law}\n    in {:?} from {:?} to {:?}", turn.event, turn.before, turn.after))
}

fn of_command(command: Command, turn: &Turn) -> Verdict {
    let (before, after) = (&turn.before, &turn.after);
    let heeded = match command {
        Command::Up => after.want == Want::Up && !after.leaving,
        Command::Once => after.want == Want::Once && !after.leaving,
        Command::Down | Command::DownAll => after.want == Want::Down,
        Command::DownNow => {
            let killed = rung(after.phase) == Some(Rung::Killed) && turn.does(Action::Kill);
            after.want == Want::Down && (killed || after.phase == Phase::Down)
        }
        Command::Unfit => !(is_alive(before.phase) && is_alive(after.phase)) || is_stop(after.phase),
        Command::Leave => after.leaving,
        Command::Pause => after.paused || !before.phase.is_up(),
        Command::Continue => !after.paused,
        Command::Term | Command::Signal => {
            let daemonises = matches!(before.phase, Phase::Daemonising { .. });
            turn.does(Action::PassOn) || !(before.phase.has_leader() || daemonises)
        }
    };
    law(!heeded, "a command is not heeded")
}

/// A new supervisor disturbs nobody whom it knows.
fn of_adoption(present: bool, turn: &Turn) -> Verdict {
    let told = [Action::AskLeader, Action::AskAll, Action::Kill].into_iter().any(|action| turn.does(action));
    law(present && turn.before.phase != turn.after.phase, "adopting a process changes its phase")
        .and(law(present && turn.before.phase.is_up() && told, "adopting a process ends it"))
}

fn of_look(leader: Option<Leader>, turn: &Turn) -> Verdict {
    match leader {
        None => law(!is_stop(turn.after.phase), "what is no daemon is not swept"),
        Some(found) => {
            let leads = matches!(turn.after.phase, Phase::Ready { leader, .. } if leader == found);
            law(!leads, "a daemon is not taken for the service")
        }
    }
}

/// Who leads one that is up.
fn leader(phase: Phase) -> Option<Leader> {
    match phase {
        Phase::Starting { leader, .. } | Phase::Ready { leader, .. } => Some(leader),
        _ => None,
    }
}

/// What a service says of itself means something where it can be true, and nothing elsewhere.
fn of_words(turn: &Turn, config: &Config) -> Verdict {
    let (before, after) = (turn.before, turn.after);
    let same = State { deadline: None, ..before } == State { deadline: None, ..after };
    match turn.event {
        Event::SaidReady => law(leader(before.phase) != leader(after.phase), "another leads after readiness")
            .and(law(matches!(after.phase, Phase::Starting { .. }), "ready, and not taken for it")),
        Event::Led => law(leader(after.phase) != Some(Leader::Daemon), "who was named does not lead"),
        Event::Hung => law(after.phase.is_up(), "one that hangs stays up"),
        Event::Alive => {
            let fed = config.watchdog.filter(|_| !before.paused).map(|ms| turn.now + ms);
            let is_ready = matches!(before.phase, Phase::Ready { .. });
            law(!same, "a sign of life changes something")
                .and(law(is_ready && after.deadline != fed, "a sign of life is missed"))
        }
        Event::Extend(_) => law(!same, "asking for time changes something")
            .and(law(after.deadline < before.deadline, "asking for time takes some away")),
        _ => Ok(()),
    }
}

/// A watchdog bites when it must, and is put off by nothing but a sign of life.
fn of_watchdog(turn: &Turn, config: &Config) -> Verdict {
    let (before, after) = (turn.before, turn.after);
    let watched = config.watchdog.is_some() && matches!(before.phase, Phase::Ready { .. });
    let stays = matches!(after.phase, Phase::Ready { .. }) && before.paused == after.paused;
    let heard = turn.event == Event::Alive || adopted(turn.event);
    let bites = !adopted(turn.event) && cause(before.phase) != Some(Cause::Hung);
    law(watched && turn.event == Event::DeadlinePassed && stays, "its watchdog does not bite")
        .and(law(watched && stays && !heard && before.deadline != after.deadline, "its watchdog is put off"))
        .and(law(
            cause(after.phase) == Some(Cause::Hung)
                && bites
                && !matches!(turn.event, Event::Hung | Event::DeadlinePassed),
            "called hung without a reason",
        ))
}

fn of_stop(turn: &Turn, config: &Config) -> Verdict {
    let (before, after) = (turn.before.phase, turn.after.phase);
    let asked = rung(after) == Some(Rung::Asked);
    let fresh = adopted(turn.event) || std::mem::discriminant(&before) != std::mem::discriminant(&after);
    let sweeping = matches!(after, Phase::Sweeping { .. });
    let carried = leaves_others(&turn.after, config);
    law(
        is_stop(after) && !sweeping && asked && fresh && !turn.does(Action::AskLeader),
        "a leader is not told",
    )
    .and(law(sweeping && asked && fresh && !turn.does(Action::AskAll), "who is left is not told"))
    .and(law(sweeping && carried, "sweeping what kill-mode: leader carries over"))
}

fn of_run(turn: &Turn, config: &Config) -> Verdict {
    let (before, after) = (turn.before.phase, turn.after.phase);
    let ran = turn.now - turn.before.started;
    let started = if turn.does(Action::SpawnRun) { turn.now } else { turn.before.started };
    let could = match config.daemonised {
        _ if config.leader_only || leader(before) == Some(Leader::Daemon) => false,
        Daemonised::Auto => ran < config.times.minute,
        Daemonised::Yes => true,
        Daemonised::No => false,
    };
    let could_hear = before.is_up() || matches!(before, Phase::Daemonising { .. });
    let termed = turn.before.termed && could_hear && turn.before.want == Want::Up;
    let crashed = matches!(cause(after), Some(Cause::Exited { .. }));
    let left = matches!(turn.event, Event::LeaderGone { exit: Exit::Clean, started: true, emptied: false });
    let daemonises =
        matches!(after, Phase::Daemonising { .. }) && !matches!(before, Phase::Daemonising { .. });
    let (was, is) = (turn.before.want, turn.after.want);
    let said = matches!(turn.event, Event::Command(_));
    law(!said && is != was && (was, is) != (Want::Once, Want::Down), "something else is wanted, unsaid")
        .and(law(turn.after.started != started, "when it was started is not true"))
        .and(law(daemonises && !(could && left), "taken for a daemon"))
        .and(law(termed && crashed, "svc -t counts as a crash"))
}

/// Laws of an action at the moment it is done.
pub(crate) fn of_action(w: &World, action: Action, turn: &Turn, config: &Config) -> Verdict {
    match action {
        Action::SpawnRun => of_start(w, turn, config),
        Action::SpawnFinish => law(w.frozen, "finish started in a frozen fold")
            .and(law(w.leader.lives() || w.finish.lives(), "finish started beside another"))
            .and(law(w.other.is_seen() && !leaves_others(&w.s, config), "finish started beside leftovers")),
        Action::AskLeader => law(w.frozen, "told to end while frozen")
            .and(law(!w.leader.is_known(), "a leader is told to end that is not there")),
        Action::AskAll => law(w.frozen, "told to end while frozen"),
        Action::PassOn => law(
            !w.leader.is_known()
                && !matches!(
                    w.s.phase,
                    Phase::Ready { leader: Leader::Nobody, .. } | Phase::Daemonising { .. }
                ),
            "a signal to nobody",
        ),
        Action::Kill => law(!may_kill(w, turn), "killed before its time"),
        Action::Forget => law(
            w.leader.lives() || w.finish.lives() || (w.other.is_seen() && !leaves_others(&w.s, config)),
            "forgotten with somebody alive",
        ),
        Action::Freeze | Action::Thaw | Action::LookForDaemon => Ok(()),
    }
}

fn may_kill(w: &World, turn: &Turn) -> bool {
    match turn.patience {
        _ if turn.event == Event::Command(Command::DownNow) => true,
        Patience::Until(at) => w.now >= at,
        Patience::Over => true,
        Patience::Unasked | Patience::Ever => false,
    }
}

fn of_start(w: &World, turn: &Turn, config: &Config) -> Verdict {
    let commanded = matches!(turn.event, Event::Command(Command::Up | Command::Once));
    let carried = config.leader_only && !w.memory.all_down;
    law(w.leader.lives() || w.finish.lives(), "a second copy")
        .and(law(w.other.is_seen() && !carried, "run started beside leftovers"))
        .and(law(w.frozen, "run started in a frozen fold"))
        .and(law(w.s.want == Want::Down, "started though wanted down"))
        .and(law(w.memory.once_over && w.s.want == Want::Once, "once ran twice"))
        .and(law(w.memory.owes_finish, "started before finish"))
        .and(law(w.memory.gave_up, "started without a command after it had failed"))
        .and(law(turn.event == Event::RunSpawnFailed, "started again in the turn of a failed start"))
        .and(law(
            !commanded && turn.now - turn.before.started < config.times.spacing,
            "started again too soon",
        ))
}

/// Laws of the world between two turns.
pub(crate) fn of_world(w: &World, config: &Config) -> Verdict {
    if !w.supervised || w.forgotten {
        return Ok(()); // what nobody watches obeys no law; `Adopted` must put it right
    }
    of_state(&w.s, config).and_then(|()| of_truth(w, config)).map_err(|law| format!("{law}\n    in {w:?}"))
}

/// Laws of a state by itself.
pub(crate) fn of_state(s: &State, config: &Config) -> Verdict {
    let up = s.phase.is_up();
    let waits = match s.phase {
        Phase::Backoff { .. } | Phase::Daemonising { .. } => true,
        Phase::Starting { .. } => config.timeout_up.is_some() && !s.paused,
        Phase::Ready { .. } => config.watchdog.is_some() && !s.paused,
        phase => rung(phase) == Some(Rung::Killed),
    };
    let since = match s.phase {
        Phase::Starting { since, .. } | Phase::Ready { since, .. } | Phase::Daemonising { since } => since,
        _ => s.started,
    };
    let hears = up || s.phase.has_leader() || matches!(s.phase, Phase::Daemonising { .. });
    let rests = match s.phase {
        Phase::Ready { .. } => config.watchdog.is_none() || s.paused,
        phase => matches!(phase, Phase::Down | Phase::Failed { .. }),
    };
    let tried = config.max_quick_deaths != 0 && s.quick_deaths >= config.max_quick_deaths;
    law(s.paused && !up, "paused in a phase that can't be")
        .and(law(s.termed && !hears, "TERM is said to have been sent to nobody"))
        .and(law(
            s.want == Want::Down && (up || s.phase.is_still() && s.phase != Phase::Down),
            "wanted down, and not on its way",
        ))
        .and(law(s.want != Want::Down && s.phase == Phase::Down && !s.leaving, "wanted, and rests"))
        .and(law(s.leaving && s.phase.is_still(), "to be forgotten, and kept"))
        .and(law(waits && s.deadline.is_none(), "nothing will ever wake it"))
        .and(law(rests && s.deadline.is_some(), "it waits for nothing"))
        .and(law(since != s.started, "when it came up is not true"))
        .and(law(matches!(s.phase, Phase::Backoff { .. }) && tried, "tried too often"))
}

fn of_truth(w: &World, config: &Config) -> Verdict {
    let s = &w.s;
    let finishing = matches!(s.phase, Phase::Finishing { .. });
    let fold_leads = match s.phase {
        Phase::Daemonising { .. } | Phase::Sweeping { .. } => true,
        phase => phase.is_up() && !phase.has_leader(),
    };
    let lost = (w.leader.lives() && !w.leader.known) || (w.finish.lives() && !w.finish.known);
    let clock = match w.memory.patience {
        Patience::Until(at) => s.deadline == Some(at),
        Patience::Ever => s.deadline.is_none(),
        Patience::Unasked | Patience::Over => true,
    };
    let carried = config.leader_only && !w.memory.all_down;
    law(s.phase.has_leader() != w.leader.is_known(), "the machine and the world disagree about the leader")
        .and(law(finishing != w.finish.is_known(), "the machine and the world disagree about finish"))
        .and(law(lost && !matches!(s.phase, Phase::Sweeping { .. }), "a lost process is not swept"))
        .and(law(s.paused != w.frozen, "paused is not frozen"))
        .and(law(fold_leads && w.is_empty() && !w.notice, "empty, and nobody will ever say so"))
        .and(law(s.phase.is_still() && w.other.is_seen() && !carried, "at rest with somebody alive"))
        .and(law(s.phase.is_still() && w.memory.owes_finish, "at rest before finish"))
        .and(law(!clock, "the clock of a stop is wrong"))
        .and_then(|()| of_delay(w, config))
}

/// One that ran for long is started again at once, one that ended well as soon as starts are far
/// enough apart, and nobody waits longer than the cap.
fn of_delay(w: &World, config: &Config) -> Verdict {
    let (Phase::Backoff { cause }, Some(at)) = (w.s.phase, w.s.deadline) else { return Ok(()) };
    let spacing = config.times.spacing;
    let soon = at <= w.now.max(w.s.started + spacing);
    let delay = match cause {
        Cause::Exited { quick: false, .. } => false,
        Cause::Exited { clean: true, .. } | Cause::Asked | Cause::Hung => soon,
        _ => at <= w.now + config.backoff_max.max(spacing),
    };
    law(!delay, "it waits for too long")
}
