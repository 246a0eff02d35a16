//! Every world there is, breadth first, so that the way to a broken law is a shortest one.

use crate::graph::Mix;
use crate::moves::{COMMANDS, Move};
use crate::progress;
use crate::supervisor::Luck;
use crate::world::{Model, World};
use std::collections::hash_map::{Entry, HashMap};
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// What happens when nobody says anything and the supervisor does not die.
#[derive(Clone, Copy)]
pub(crate) struct Edge {
    pub(crate) to: u32,
    pub(crate) m: Move,
    /// A service that behaves does this.
    pub(crate) behaved: bool,
}

/// The worlds that were found.
#[derive(Default)]
pub(crate) struct Explored {
    pub(crate) worlds: Vec<World>,
    pub(crate) transitions: usize,
    /// Worlds in which somebody has just said `u` or `o`.
    pub(crate) wanted: Vec<u32>,
    /// By their hash, or the next free number.
    ids: HashMap<u64, u32, BuildHasherDefault<Mix>>,
    from: Vec<Option<(u32, Move, Luck)>>,
    edges: Vec<Edge>,
    /// Where each world's edges begin.
    first: Vec<u32>,
}

/// Looks at every world that can be reached. An error is a broken law and the way there.
pub(crate) fn explore(model: &Model) -> Result<Explored, String> {
    let mut found = Explored::default();
    found.enter(World::new(model.horizon), None);
    let (mut moves, mut outcomes) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < found.worlds.len() {
        let w = found.worlds[at];
        found.first.push(found.edges.len() as u32);
        model.moves(&w, &mut moves);
        if w.supervised && !w.forgotten {
            moves.extend(COMMANDS.map(Move::Say));
        }
        for &m in &moves {
            model.apply(w, m, &mut outcomes);
            for outcome in outcomes.drain(..) {
                let (next, luck) = outcome.map_err(|broken| found.trace(&broken, at, &[m]))?;
                let to = found.enter(next, Some((at as u32, m, luck)));
                found.connect(to, &w, m, luck, &next);
            }
        }
        at += 1;
    }
    found.first.push(found.edges.len() as u32);
    progress::gets_down(&found, &model.config)?;
    progress::gets_up(&found)?;
    progress::gets_up_again(&found)?;
    Ok(found)
}

impl Explored {
    /// The number of a world, which is a new one if it has not been seen yet.
    fn enter(&mut self, w: World, from: Option<(u32, Move, Luck)>) -> u32 {
        let mut mix = Mix::default();
        w.hash(&mut mix);
        let mut place = mix.finish();
        loop {
            match self.ids.entry(place) {
                Entry::Occupied(known) if self.worlds[*known.get() as usize] == w => return *known.get(),
                Entry::Occupied(_) => place = place.wrapping_add(1),
                Entry::Vacant(free) => {
                    free.insert(self.worlds.len() as u32);
                    self.worlds.push(w);
                    self.from.push(from);
                    return self.worlds.len() as u32 - 1;
                }
            }
        }
    }

    fn connect(&mut self, to: u32, w: &World, m: Move, luck: Luck, next: &World) {
        self.transitions += 1;
        let lucky = luck == Luck::Good;
        match m {
            Move::SupervisorDies => {}
            // who goes on asking for time is not told to hurry
            Move::AskForTime => {}
            Move::Say(command) if lucky && progress::is_wanted_by(command, next) => self.wanted.push(to),
            Move::Say(_) => {}
            _ if luck == Luck::SupervisorDied => {}
            _ => self.edges.push(Edge { to, m, behaved: lucky && progress::is_behaved(w, m) }),
        }
    }

    pub(crate) fn edges(&self, at: u32) -> &[Edge] {
        let at = at as usize;
        &self.edges[self.first[at] as usize..self.first[at + 1] as usize]
    }

    /// A broken law, and the moves that lead to it by way of the world `at`.
    pub(crate) fn trace(&self, broken: &str, mut at: usize, then: &[Move]) -> String {
        let mut moves: Vec<String> = then.iter().rev().map(|m| format!("{m:?}")).collect();
        while let Some((parent, m, luck)) = self.from[at] {
            moves.push(match luck {
                Luck::Good => format!("{m:?}"),
                Luck::SpawnFailed => format!("{m:?} [the spawn fails]"),
                Luck::SupervisorDied => format!("{m:?} [the supervisor dies in it]"),
            });
            at = parent as usize;
        }
        moves.reverse();
        format!("{broken}\n    by {}", moves.join(", "))
    }
}
