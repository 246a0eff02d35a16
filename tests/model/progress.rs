//! Whether a service gets to where it is wanted.

use crate::explore::Explored;
use crate::graph::Parts;
use crate::moves::Move;
use crate::world::{End, Other, Proc, World};
use pinfold::machine::{Command, Config, Leader, Phase, Rung, Want};
use std::collections::VecDeque;

/// What must happen in the end: no process can refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Force {
    Clock,
    LeaderDies,
    FinishDies,
    OtherDies,
    TellLeader,
    TellFinish,
    TellEmpty,
    Returns,
}

const FORCES: [Force; 8] = [
    Force::Clock,
    Force::LeaderDies,
    Force::FinishDies,
    Force::OtherDies,
    Force::TellLeader,
    Force::TellFinish,
    Force::TellEmpty,
    Force::Returns,
];

pub(crate) fn force(m: Move) -> Option<Force> {
    match m {
        Move::Time(_) | Move::Alarm => Some(Force::Clock),
        Move::LeaderDies => Some(Force::LeaderDies),
        Move::FinishDies => Some(Force::FinishDies),
        Move::OtherDies => Some(Force::OtherDies),
        Move::TellLeader => Some(Force::TellLeader),
        Move::TellFinish => Some(Force::TellFinish),
        Move::TellEmpty => Some(Force::TellEmpty),
        Move::SupervisorReturns => Some(Force::Returns),
        _ => None,
    }
}

/// Told to go down and then left alone, the service gets down, whatever its processes do: in no part of
/// the graph can it stay for ever without refusing something that can't be refused.
pub(crate) fn gets_down(found: &Explored, config: &Config) -> Result<(), String> {
    let on_its_way =
        |w: &World| w.s.want == Want::Down && !w.forgotten && !(w.s.phase == Phase::Down && w.supervised);
    let parts = Parts::of(found, |at| on_its_way(&found.worlds[at as usize]), |_| true);
    for part in parts.iter() {
        let leaves = |force_: Force| {
            part.iter().all(|&at| {
                let mut forced = found.edges(at).iter().filter(|e| force(e.m) == Some(force_)).peekable();
                forced.peek().is_some() && forced.all(|e| !parts.are_one(e.to, at))
            })
        };
        let goodwill = part.iter().all(|&at| waits_for_goodwill(&found.worlds[at as usize], config));
        if !goodwill && !FORCES.into_iter().any(leaves) {
            let at = part[0] as usize;
            return Err(found.trace(&format!("never gets down\n    in {:?}", found.worlds[at]), at, &[]));
        }
    }
    Ok(())
}

/// With no limit on a stop (daemontools' way) it takes the goodwill of whoever has been asked.
fn waits_for_goodwill(w: &World, config: &Config) -> bool {
    let finish = w.finish.proc == Proc::Alive;
    let leader = w.leader.proc == Proc::Alive;
    let other = !matches!(w.other, Other::None | Other::Doomed);
    match w.s.phase {
        Phase::Stopping { rung: Rung::Asked, .. } => config.timeout_kill.is_none() && leader,
        Phase::Sweeping { rung: Rung::Asked, .. } => {
            config.timeout_kill.is_none() && (leader || finish || other)
        }
        Phase::Finishing { rung: Rung::Asked, .. } => config.timeout_finish.is_none() && finish,
        _ => false,
    }
}

/// Told to come up and then left alone with processes that behave, the service gets up.
pub(crate) fn gets_up(found: &Explored) -> Result<(), String> {
    reaches(found, found.wanted.iter().copied(), |w| w.supervised && matches!(w.s.phase, Phase::Ready { .. }))
}

/// Whatever has happened to one that is wanted up, from there it gets up again, or has Failed.
pub(crate) fn gets_up_again(found: &Explored) -> Result<(), String> {
    let is_wanted = |w: &World| w.s.want == Want::Up && !w.s.leaving;
    let wanted = (0..found.worlds.len() as u32).filter(|&at| is_wanted(&found.worlds[at as usize]));
    reaches(found, wanted, |w| {
        w.supervised && matches!(w.s.phase, Phase::Ready { .. } | Phase::Failed { .. })
    })
}

/// From everywhere on the way from `starts`, by moves of processes that behave, there is a way on to the
/// goal.
fn reaches(
    found: &Explored,
    starts: impl Iterator<Item = u32>,
    is_goal: impl Fn(&World) -> bool,
) -> Result<(), String> {
    let n = found.worlds.len();
    let (mut reached, mut via) = (vec![false; n], vec![None; n]);
    let mut queue: VecDeque<u32> = starts.collect();
    queue.iter().for_each(|&at| reached[at as usize] = true);
    while let Some(at) = queue.pop_front() {
        if is_goal(&found.worlds[at as usize]) {
            continue;
        }
        for e in found.edges(at).iter().filter(|e| e.behaved) {
            if !std::mem::replace(&mut reached[e.to as usize], true) {
                via[e.to as usize] = Some((at, e.m));
                queue.push_back(e.to);
            }
        }
    }
    let on_its_way = |at: u32| reached[at as usize] && !is_goal(&found.worlds[at as usize]);
    let parts = Parts::of(found, on_its_way, |e| e.behaved);
    let leaves = |at: u32| found.edges(at).iter().any(|e| e.behaved && !parts.are_one(e.to, at));
    match parts.iter().find(|part| !part.iter().any(|&at| leaves(at))) {
        Some(stuck) => Err(way_there(found, stuck[0], &via)),
        None => Ok(()),
    }
}

fn way_there(found: &Explored, stuck: u32, via: &[Option<(u32, Move)>]) -> String {
    let broken = format!("never gets up\n    in {:?}", found.worlds[stuck as usize]);
    let (mut at, mut alone) = (stuck, Vec::new());
    while let Some((before, m)) = via[at as usize] {
        alone.push(m);
        at = before;
    }
    alone.reverse();
    format!("{}; then, left alone: {alone:?}", found.trace(&broken, at as usize, &[]))
}

/// Whether a service that behaves makes this move here: it ends when told and not before, speaks in
/// time, and forks nothing.
pub(crate) fn is_behaved(w: &World, m: Move) -> bool {
    let told = matches!(w.s.phase, Phase::Stopping { .. } | Phase::Sweeping { .. });
    match m {
        Move::LeaderEnds(end) => (told || w.s.termed) && end != End::NeverStarted,
        Move::OtherEnds => told,
        Move::FinishEnds(end) => end == End::Clean,
        Move::Alarm => !w.s.phase.is_up(),
        Move::LeaderForks | Move::FinishForks | Move::LeaderGivesUp | Move::OtherIsNamed => false,
        Move::OtherStrays | Move::OtherHides | Move::OtherIsSeen | Move::OtherIsLetGo => false,
        _ => true,
    }
}

/// Whether the command asks for a service that can behave: not if it has ended, or was told to,
/// before the command came.
pub(crate) fn is_wanted_by(command: Command, w: &World) -> bool {
    let behaves = match w.s.phase {
        Phase::Starting { .. } => w.leader.proc == Proc::Alive && !w.s.termed,
        Phase::Ready { leader: Leader::Nobody, .. } => w.other.is_seen(),
        Phase::Ready { .. } => w.leader.proc == Proc::Alive,
        Phase::Daemonising { .. } => w.other.is_seen() && w.s.want == Want::Up,
        _ => true,
    };
    behaves && matches!(command, Command::Up | Command::Once)
}
