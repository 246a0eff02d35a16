//! Mistakes, planted between the machine and its world: events that are misread, actions that are not
//! done, states that are not what the machine said. Each must break a law.

use crate::world::{Other, World};
use crate::{BACKOFF_MAX, TIMEOUT, TINY};
use pinfold::machine::{
    Action, Actions, Cause, Command, Config, Daemonised, Event, Exit, Leader, Phase, Rung, State, Want, step,
};

type Turn = (State, Actions);

/// A mistake, and settings under which it can show.
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    pub(crate) config: Config,
    pub(crate) strays: bool,
    pub(crate) step: fn(&World, Event, &Config) -> Turn,
}

const PLAIN: Config = Config {
    has_finish: false,
    notifies: false,
    timeout_up: None,
    timeout_kill: TIMEOUT,
    timeout_finish: TIMEOUT,
    watchdog: None,
    leader_only: false,
    daemonised: Daemonised::No,
    backoff_max: BACKOFF_MAX,
    max_quick_deaths: 2,
    times: TINY,
};
const FINISH: Config = Config { has_finish: true, ..PLAIN };
pub(crate) const NOTIFIES: Config = Config { notifies: true, timeout_up: TIMEOUT, ..PLAIN };
pub(crate) const WATCHED: Config = Config { watchdog: TIMEOUT, ..NOTIFIES };
const DAEMON: Config = Config { daemonised: Daemonised::Auto, ..PLAIN };
const LEADER: Config = Config { leader_only: true, ..PLAIN };

/// The machine with another event in place of the one that happened.
pub(crate) fn misread(w: &World, event: Event, config: &Config) -> Turn {
    step(w.s, event, w.now, config)
}

/// The machine from another state.
fn from(s: State, w: &World, event: Event, config: &Config) -> Turn {
    step(s, event, w.now, config)
}

fn without((s, actions): Turn, left_out: &[Action]) -> Turn {
    (s, actions.iter().filter(|action| !left_out.contains(action)).collect())
}

fn with((s, actions): Turn, added: Action) -> Turn {
    (s, actions.iter().chain([added]).collect())
}

/// Nothing happens.
pub(crate) fn deaf(w: &World) -> Turn {
    (w.s, Actions::default())
}

fn launch(mut s: State, w: &World, config: &Config) -> Turn {
    s.phase = Phase::Down;
    let (want, turn) = (s.want, step(s, Event::Command(Command::Up), w.now, config));
    (State { want, ..turn.0 }, turn.1)
}

fn said(event: Event, command: Command) -> bool {
    event == Event::Command(command)
}

fn is_adopted(event: Event) -> bool {
    matches!(event, Event::Adopted { .. })
}

/// As a supervisor that reads only the cgroup.
fn blind_to_strays(w: &World, event: Event) -> Event {
    let blind = w.other == Other::Away && !w.leader.lives() && !w.finish.lives();
    match event {
        Event::LeaderGone { exit, started, emptied } => {
            Event::LeaderGone { exit, started, emptied: emptied || blind }
        }
        Event::FinishGone { exit, emptied } => Event::FinishGone { exit, emptied: emptied || blind },
        event => event,
    }
}

macro_rules! mutants {
    ($($name:literal, $config:expr, |$w:ident, $event:ident, $c:ident| $step:expr;)*) => {
        vec![$(crate::mutants::Mutant { name: $name, config: $config, strays: false, step: |$w, $event, $c| $step }),*]
    };
}

pub(crate) use mutants;

pub(crate) fn all() -> Vec<Mutant> {
    let mut all = stops();
    all.extend(starts());
    all.extend(daemons());
    all.extend(adoptions());
    all.extend(strays());
    all.extend(crate::words::all());
    all
}

fn stops() -> Vec<Mutant> {
    mutants! {
        "a stop does not thaw", PLAIN, |w, event, c| {
            let turn = misread(w, event, c);
            if said(event, Command::Down) { without(turn, &[Action::Thaw]) } else { turn }
        };
        "killed while frozen, and not thawed", PLAIN, |w, event, c| {
            let turn = misread(w, event, c);
            if matches!(event, Event::LeaderGone { .. }) { without(turn, &[Action::Thaw]) } else { turn }
        };
        "a pause does not freeze", PLAIN, |w, event, c| without(misread(w, event, c), &[Action::Freeze]);
        "a stop has no clock", PLAIN, |w, event, c| {
            let mut turn = misread(w, event, c);
            if let Phase::Stopping { rung: Rung::Asked, .. } = turn.0.phase { turn.0.deadline = None; }
            turn
        };
        "the leader's end winds up the clock of the stop", PLAIN, |w, event, c| {
            let mut turn = misread(w, event, c);
            if let (Phase::Stopping { .. }, Event::LeaderGone { .. }) = (w.s.phase, event) {
                turn.0.deadline = turn.0.deadline.and(c.timeout_kill).map(|ms| w.now + ms);
            }
            turn
        };
        "a stop kills at once", PLAIN, |w, event, c| {
            let turn = misread(w, event, c);
            if said(event, Command::Down) && w.s.phase.is_up() { with(turn, Action::Kill) } else { turn }
        };
        "nobody is killed when the time is up", PLAIN, |w, event, c| {
            let turn = misread(w, event, c);
            if event == Event::DeadlinePassed { without(turn, &[Action::Kill]) } else { turn }
        };
        "the daemon behind a wrapper gets no chance to flush", PLAIN, |w, event, c| {
            without(misread(w, event, c), &[Action::AskAll])
        };
        "an empty fold is not noticed in a sweep", PLAIN, |w, event, c| {
            if event == Event::Emptied { deaf(w) } else { misread(w, event, c) }
        };
        "svcstop -k only asks", PLAIN, |w, event, c| {
            misread(w, if said(event, Command::DownNow) { Event::Command(Command::Down) } else { event }, c)
        };
        "svcstop --all leaves what is carried over", LEADER, |w, event, c| {
            misread(w, if said(event, Command::DownAll) { Event::Command(Command::Down) } else { event }, c)
        };
        "kill-mode: leader is ignored", LEADER, |w, event, c| {
            misread(w, event, &Config { leader_only: false, ..*c })
        };
        "u takes back that everybody goes", LEADER, |w, event, c| {
            let mut turn = misread(w, event, c);
            if said(event, Command::Up) { turn.0.everybody = false; }
            turn
        };
        "x does not wait", PLAIN, |w, event, c| {
            let turn = misread(w, event, c);
            if said(event, Command::Leave) && w.s.phase.is_up() { with(turn, Action::Forget) } else { turn }
        };
        "d is not heeded in Backoff", PLAIN, |w, event, c| match w.s.phase {
            Phase::Backoff { .. } if said(event, Command::Down) => deaf(w),
            _ => misread(w, event, c),
        };
        "finish may take for ever", FINISH, |w, event, c| {
            misread(w, event, &Config { timeout_finish: None, ..*c })
        };
        "after a sweep there is no finish", FINISH, |w, event, c| {
            misread(w, event, &Config { has_finish: event != Event::Emptied, ..*c })
        };
    }
}

fn starts() -> Vec<Mutant> {
    mutants! {
        "leftovers are not seen", PLAIN, |w, event, c| match event {
            Event::LeaderGone { exit, started, .. } => {
                misread(w, Event::LeaderGone { exit, started, emptied: true }, c)
            }
            event => misread(w, event, c),
        };
        "u does not wait for a sweep", PLAIN, |w, event, c| match w.s.phase {
            Phase::Sweeping { .. } if said(event, Command::Up) => {
                launch(State { want: Want::Up, ..w.s }, w, c)
            }
            _ => misread(w, event, c),
        };
        "an empty cgroup is taken for the leader's end", PLAIN, |w, event, c| match w.s.phase {
            Phase::Ready { .. } if event == Event::Emptied => {
                misread(w, Event::LeaderGone { exit: Exit::Dirty, started: true, emptied: true }, c)
            }
            _ => misread(w, event, c),
        };
        "once is for ever", PLAIN, |w, event, c| {
            let ends = w.s.want == Want::Once && matches!(event, Event::LeaderGone { .. });
            from(State { want: if ends { Want::Up } else { w.s.want }, ..w.s }, w, event, c)
        };
        "svc -t starts a once again", PLAIN, |w, event, c| {
            let ends = w.s.termed && w.s.want == Want::Once && matches!(event, Event::LeaderGone { .. });
            let (mut s, actions) = from(State { want: if ends { Want::Up } else { w.s.want }, ..w.s }, w, event, c);
            if ends { s.want = Want::Once; }
            (s, actions)
        };
        "svc -t is not heard while daemonising", DAEMON, |w, event, c| {
            match (w.s.phase, event) {
                (Phase::Daemonising { .. }, Event::Command(Command::Term)) => deaf(w),
                _ => misread(w, event, c),
            }
        };
        "svc -t while daemonising is a crash", DAEMON, |w, event, c| {
            let looks = matches!(event, Event::Looked(_));
            from(State { termed: w.s.termed && !looks, ..w.s }, w, event, c)
        };
        "svc -t is a crash", PLAIN, |w, event, c| {
            let ends = matches!(event, Event::LeaderGone { .. });
            from(State { termed: w.s.termed && !ends, ..w.s }, w, event, c)
        };
        "a late word revives", NOTIFIES, |w, event, c| {
            let mut turn = misread(w, event, c);
            if let (Phase::Stopping { .. }, Event::SaidReady) = (w.s.phase, event) {
                turn.0.phase = Phase::Ready { since: w.s.started, leader: Leader::Run };
                turn.0.deadline = None;
            }
            turn
        };
        "one that never gets ready is waited for", NOTIFIES, |w, event, c| {
            misread(w, event, &Config { timeout_up: None, ..*c })
        };
        "what gave up is tried again", FINISH, |w, event, c| {
            let (mut s, actions) = misread(w, event, c);
            if let Phase::Failed { cause: Cause::GaveUp } = s.phase {
                s.phase = Phase::Backoff { cause: Cause::GaveUp };
                s.deadline = Some(w.now + 1);
            }
            (s, actions)
        };
        "max-death-tally is not counted", PLAIN, |w, event, c| {
            misread(w, event, &Config { max_quick_deaths: 0, ..*c })
        };
        "the back-off has no cap", Config { max_quick_deaths: 0, ..PLAIN }, |w, event, c| {
            misread(w, event, &Config { backoff_max: 100, ..*c })
        };
        "a failed start is tried again at once", PLAIN, |w, event, c| {
            if event == Event::RunSpawnFailed { launch(w.s, w, c) } else { misread(w, event, c) }
        };
        "starts are not spaced", PLAIN, |w, event, c| {
            let turn = misread(w, event, c);
            let ended = matches!(event, Event::LeaderGone { .. });
            if let (true, Phase::Backoff { .. }) = (ended, turn.0.phase) { launch(turn.0, w, c) } else { turn }
        };
        "u is lost in a stop", PLAIN, |w, event, c| match w.s.phase {
            Phase::Stopping { .. } if said(event, Command::Up) => deaf(w),
            _ => misread(w, event, c),
        };
        "o in a sweep counts for the run before", PLAIN, |w, event, c| {
            let mut turn = misread(w, event, c);
            if let (Phase::Sweeping { .. }, true) = (w.s.phase, said(event, Command::Once)) {
                turn.0.phase = w.s.phase;
            }
            turn
        };
        "an unfit service goes on", PLAIN, |w, event, c| {
            if said(event, Command::Unfit) { deaf(w) } else { misread(w, event, c) }
        };
    }
}

fn daemons() -> Vec<Mutant> {
    mutants! {
        "helpers are taken for a daemon", DAEMON, |w, event, c| {
            let event = if event == Event::Looked(None) { Event::Looked(Some(Leader::Nobody)) } else { event };
            misread(w, event, c)
        };
        "a daemon is taken for a helper", DAEMON, |w, event, c| {
            misread(w, if matches!(event, Event::Looked(_)) { Event::Looked(None) } else { event }, c)
        };
        "nobody is watched where a daemon leads", DAEMON, |w, event, c| {
            let (mut s, actions) = misread(w, event, c);
            if let Phase::Ready { leader: leader @ Leader::Daemon, .. } = &mut s.phase { *leader = Leader::Nobody; }
            (s, actions)
        };
        "nobody looks for a daemon", DAEMON, |w, event, c| {
            without(misread(w, event, c), &[Action::LookForDaemon])
        };
        "a run that takes more than a minute daemonises", DAEMON, |w, event, c| {
            misread(w, event, &Config { daemonised: Daemonised::Yes, ..*c })
        };
        "the end of a service without a leader is not noticed", DAEMON, |w, event, c| match w.s.phase {
            Phase::Ready { leader: Leader::Nobody, .. } if event == Event::Emptied => deaf(w),
            _ => misread(w, event, c),
        };
    }
}

fn adoptions() -> Vec<Mutant> {
    mutants! {
        "a restart forgets the leader", PLAIN, |w, event, c| match event {
            Event::Adopted { emptied, .. } => misread(w, Event::Adopted { present: false, emptied }, c),
            event => misread(w, event, c),
        };
        "a restart starts a second copy", PLAIN, |w, event, c| {
            let present = matches!(event, Event::Adopted { present: true, .. });
            if present && w.s.phase.is_up() { launch(w.s, w, c) } else { misread(w, event, c) }
        };
        "a restart loses a stop in progress", PLAIN, |w, event, c| match w.s.phase {
            Phase::Stopping { .. } if is_adopted(event) => {
                let phase = Phase::Ready { since: w.s.started, leader: Leader::Run };
                (State { phase, deadline: None, ..w.s }, Actions::default())
            }
            _ => misread(w, event, c),
        };
        "a restart loses the clock", PLAIN, |w, event, c| {
            let mut turn = misread(w, event, c);
            if is_adopted(event) { turn.0.deadline = None; }
            turn
        };
        "a restart winds up the clock", PLAIN, |w, event, c| {
            let mut turn = misread(w, event, c);
            if let (true, Phase::Stopping { .. }) = (is_adopted(event), w.s.phase) {
                turn.0.deadline = Some(w.now + 2);
            }
            turn
        };
        "a restart does not thaw", PLAIN, |w, event, c| {
            let turn = misread(w, event, c);
            if is_adopted(event) { without(turn, &[Action::Thaw]) } else { turn }
        };
        "a restart does not freeze", PLAIN, |w, event, c| {
            let turn = misread(w, event, c);
            if is_adopted(event) { without(turn, &[Action::Freeze]) } else { turn }
        };
        "a restart does not repeat what was told", PLAIN, |w, event, c| {
            let turn = misread(w, event, c);
            if is_adopted(event) { without(turn, &[Action::AskLeader, Action::AskAll]) } else { turn }
        };
        "a restart does not look for a daemon again", DAEMON, |w, event, c| {
            let turn = misread(w, event, c);
            if is_adopted(event) { without(turn, &[Action::LookForDaemon]) } else { turn }
        };
        "a restart does not forget what was to be forgotten", PLAIN, |w, event, c| {
            let turn = misread(w, event, c);
            if is_adopted(event) { without(turn, &[Action::Forget]) } else { turn }
        };
        "a restart takes a lost leader for carried over", LEADER, |w, event, c| match event {
            Event::Adopted { present: false, .. } => {
                misread(w, Event::Adopted { present: false, emptied: true }, c)
            }
            event => misread(w, event, c),
        };
    }
}

fn strays() -> Vec<Mutant> {
    let mut strays = mutants! {
        "an empty cgroup is taken for an empty fold", PLAIN, |w, event, c| {
            misread(w, blind_to_strays(w, event), c)
        };
        "a stray found by a restart is left", PLAIN, |w, event, c| match event {
            Event::Adopted { present, .. } if w.s.phase.is_still() => {
                misread(w, Event::Adopted { present, emptied: true }, c)
            }
            event => misread(w, event, c),
        };
        "a stray found by a restart revives what has failed", PLAIN, |w, event, c| {
            let mut turn = misread(w, event, c);
            if let (true, Phase::Sweeping { cause, .. }) = (is_adopted(event), &mut turn.0.phase) {
                *cause = Cause::Asked;
            }
            turn
        };
    };
    strays.iter_mut().for_each(|mutant| mutant.strays = true);
    strays
}
