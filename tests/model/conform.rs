//! Real supervisors are walks of the model: a trace of what one did is followed through every world that could
//! explain it, by all that processes and kernel may have done unseen. When no world is left, the model is not one of
//! this program.

use crate::moves::Move;
use crate::supervisor::Outcome;
use crate::world::{Model, World};
use pinfold::machine::{Actions, Command, Config, Event, Ms, State, Want};
use pinfold::trace::Turn;
use std::collections::HashSet;

/// So far back the real machine looks: its longest wait of its own.
const HORIZON: Ms = 60_000;
/// A state that no machine has: the event was not the one that happened.
const ANOTHER: u16 = u16::MAX;
/// More worlds than this would explain anything.
const MOST: usize = 20_000;

/// Follows the turns of one service. An error says which one is inexplicable.
pub(crate) fn follow(turns: &[Turn]) -> Result<(), String> {
    let mut worlds = HashSet::new();
    let mut clock = 0;
    for group in groups(turns) {
        let first = &group[0];
        let fresh = first.before == State { want: first.before.want, ..State::new(Want::Down) };
        if fresh && !matches!(first.event, Event::Adopted { .. }) {
            worlds = HashSet::from([World::new(HORIZON)]);
            clock = first.now;
        }
        let before = worlds.clone();
        worlds = explain(&worlds, (first.now - clock) as u32, group)?;
        clock = first.now;
        if worlds.is_empty() {
            return Err(format!("no world of the model explains {group:#?}\n    after {before:#?}"));
        }
    }
    Ok(())
}

/// A turn with those that follow from its own actions.
fn groups(turns: &[Turn]) -> impl Iterator<Item = &[Turn]> {
    turns.chunk_by(|_, next| next.echo)
}

/// The worlds in which these turns may have led, from any of `worlds`, `passed` milliseconds ago.
fn explain(worlds: &HashSet<World>, passed: u32, group: &[Turn]) -> Result<HashSet<World>, String> {
    let config = group[0].config;
    let replay = |w: &World, event: Event, config: &Config| replay(w, event, config, group);
    let model = Model { config, horizon: HORIZON, strays: true, step: &replay };
    let mut found = HashSet::new();
    let mut outcomes = Vec::new();
    for w in unseen(&model, worlds, passed)? {
        for m in tellings(&w, group[0].event) {
            model.apply(w, m, &mut outcomes);
            let possible = outcomes.drain(..).filter_map(Outcome::ok).map(|(w, _)| w);
            found.extend(possible.filter(|w| w.s.quick_deaths != ANOTHER && is_end(w, group)));
        }
    }
    Ok(found)
}

/// The machine as it was traced, where the event is the one that was.
fn replay(w: &World, event: Event, config: &Config, group: &[Turn]) -> (State, Actions) {
    let same = |turn: &&Turn| turn.event == event && canonical(turn.before, turn.now, config) == w.s;
    match group.iter().find(same) {
        Some(_) => pinfold::machine::step(w.s, event, w.now, config),
        None => (State { quick_deaths: ANOTHER, ..w.s }, Actions::default()),
    }
}

fn is_end(w: &World, group: &[Turn]) -> bool {
    // a supervisor that died in the middle has saved the state that it was in
    group.iter().any(|turn| canonical(turn.after, turn.now, &turn.config) == w.s)
}

/// A real state as the model's worlds have it: with ages for times.
fn canonical(s: State, now: Ms, config: &Config) -> State {
    World { s, now, ..World::new(HORIZON) }.canonical(config, HORIZON).s
}

/// Every world that may have come about unseen meanwhile.
fn unseen(model: &Model, worlds: &HashSet<World>, passed: u32) -> Result<Vec<World>, String> {
    let mut known: HashSet<World> = HashSet::new();
    let mut pending: Vec<World> = worlds.iter().copied().collect();
    let (mut moves, mut outcomes) = (Vec::new(), Vec::new());
    for time in [0, passed] {
        let mut later = Vec::new();
        if time > 0 {
            for w in known.drain() {
                model.apply(w, Move::Time(time), &mut outcomes);
                later.extend(outcomes.drain(..).filter_map(Outcome::ok).map(|(w, _)| w));
            }
            pending = later;
        }
        while let Some(w) = pending.pop() {
            if !known.insert(w) {
                continue;
            }
            if known.len() > MOST {
                return Err(format!("more than {MOST} worlds explain it all"));
            }
            model.moves(&w, &mut moves);
            for &m in moves.iter().filter(|m| is_unseen(**m)) {
                model.apply(w, m, &mut outcomes);
                pending.extend(outcomes.drain(..).filter_map(Outcome::ok).map(|(w, _)| w));
            }
        }
    }
    Ok(known.into_iter().collect())
}

/// What happens without the machine's being told.
fn is_unseen(m: Move) -> bool {
    match m {
        Move::Say(_)
        | Move::Time(_)
        | Move::Alarm
        | Move::LeaderSpeaks
        | Move::LeaderPings
        | Move::LeaderGivesUp
        | Move::AskForTime
        | Move::OtherIsNamed
        | Move::TellLeader
        | Move::TellFinish
        | Move::TellEmpty
        | Move::TellElsewhere
        | Move::SupervisorReturns => false,
        Move::SupervisorDies
        | Move::LeaderEnds(_)
        | Move::LeaderForks
        | Move::LeaderDies
        | Move::FinishEnds(_)
        | Move::FinishForks
        | Move::FinishDies
        | Move::OtherEnds
        | Move::OtherDies
        | Move::OtherStrays
        | Move::OtherHides
        | Move::OtherIsSeen
        | Move::OtherIsBroughtBack
        | Move::OtherIsLetGo => true,
    }
}

/// The moves by which the machine is told of this event in this world.
fn tellings(w: &World, event: Event) -> Vec<Move> {
    let say = |command: Command| vec![Move::Say(command)];
    match event {
        Event::Adopted { .. } if !w.supervised => vec![Move::SupervisorReturns],
        Event::Adopted { .. } => Vec::new(),
        _ if !w.supervised => Vec::new(),
        Event::Command(command) => say(command),
        Event::LeaderGone { .. } => vec![Move::TellLeader],
        Event::FinishGone { .. } => vec![Move::TellFinish],
        Event::SaidReady => vec![Move::LeaderSpeaks],
        Event::Alive => vec![Move::LeaderPings],
        Event::Hung => vec![Move::LeaderGivesUp],
        Event::Led => vec![Move::OtherIsNamed],
        Event::Extend(_) => vec![Move::AskForTime],
        Event::Emptied => vec![Move::TellEmpty, Move::TellElsewhere],
        Event::DeadlinePassed if w.is_due() => vec![Move::Alarm],
        // only ever answers to an action
        Event::DeadlinePassed | Event::RunSpawnFailed | Event::Looked(_) => Vec::new(),
    }
}
