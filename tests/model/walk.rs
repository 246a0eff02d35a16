//! A random walk with the times that pinfold really uses: too many worlds to look at all of them.

use crate::moves::{COMMANDS, Move};
use crate::supervisor::{Luck, Outcome};
use crate::world::{Model, World};
use pinfold::machine::{Command, Ms, Phase, Want};

/// Times between one moment and the next, as far as the deadline allows.
const PAUSES: [u32; 8] = [1, 1, 40, 500, 1000, 4000, 30_000, 90_000];
/// A stop that lasts for more moves than this will never end.
const PATIENCE: usize = 200;

/// Numbers that look random (xorshift), the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % n
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

pub(crate) struct Walk<'a> {
    pub(crate) model: Model<'a>,
    pub(crate) dice: Dice,
    w: World,
    /// The last moves, for who has to find out.
    way: Vec<Move>,
    moves: Vec<Move>,
    outcomes: Vec<Outcome>,
    /// How often each phase was entered, by its number in [`number`].
    pub(crate) phases: [usize; 9],
}

impl<'a> Walk<'a> {
    pub(crate) fn new(model: Model<'a>, seed: u64) -> Walk<'a> {
        let w = World::new(model.horizon);
        let (dice, way) = (Dice::new(seed), Vec::new());
        Walk { model, dice, w, way, moves: Vec::new(), outcomes: Vec::new(), phases: [0; 9] }
    }

    /// So many moves; every now and then the service is told to go down and must get there.
    pub(crate) fn walk(&mut self, steps: usize) -> Result<(), String> {
        for step in 0..steps {
            if self.w.forgotten {
                self.w = World::new(self.model.horizon);
                self.way.clear();
            }
            let m = self.any_move();
            self.go(m)?;
            if step % 1000 == 999 {
                self.get_down()?;
            }
        }
        Ok(())
    }

    fn any_move(&mut self) -> Move {
        match self.dice.below(32) {
            0..4 if self.w.supervised => Move::Say(self.dice.pick(&COMMANDS)),
            4 if self.w.supervised => Move::SupervisorDies,
            _ => {
                self.model.moves(&self.w, &mut self.moves);
                self.moves.retain(|&m| m != Move::SupervisorDies);
                // nothing but a command can happen to one that rests
                let rests = self.moves.is_empty();
                let m = if rests { Move::Say(Command::Up) } else { self.dice.pick(&self.moves) };
                self.longer(m)
            }
        }
    }

    /// Time passes in leaps, but not past the deadline.
    fn longer(&mut self, m: Move) -> Move {
        let Move::Time(_) = m else { return m };
        let left = self.w.s.deadline.map_or(Ms::MAX, |at| at.saturating_sub(self.w.now));
        let pause = self.dice.pick(&PAUSES);
        Move::Time(if left == 0 { pause } else { left.min(Ms::from(pause)) as u32 })
    }

    fn go(&mut self, m: Move) -> Result<(), String> {
        let before = number(self.w.s.phase);
        self.way.push(m);
        self.model.apply(self.w, m, &mut self.outcomes);
        let mut ends = Vec::new();
        for outcome in self.outcomes.drain(..) {
            let last = &self.way[self.way.len().saturating_sub(30)..];
            ends.push(outcome.map_err(|law| format!("{law}\n    by {last:?}"))?);
        }
        // mostly things go well
        let good = ends.iter().filter(|(_, luck)| *luck == Luck::Good).count();
        if good > 0 && self.dice.below(8) != 0 {
            ends.retain(|(_, luck)| *luck == Luck::Good);
        }
        (self.w, _) = self.dice.pick(&ends);
        let after = number(self.w.s.phase);
        self.phases[after] += usize::from(after != before);
        Ok(())
    }

    /// Down, and then nothing but what can't be refused: told to end, no process does.
    fn get_down(&mut self) -> Result<(), String> {
        for _ in 0..PATIENCE {
            if self.w.forgotten || (self.w.supervised && self.w.s.phase == Phase::Down) {
                return Ok(());
            }
            if self.w.supervised && self.w.s.want != Want::Down {
                self.go(Move::Say(Command::Down))?;
                continue;
            }
            self.model.moves(&self.w, &mut self.moves);
            self.moves.retain(|m| crate::progress::force(*m).is_some());
            // the clock last, or it would be all that happens
            let soon = self.moves.iter().copied().find(|m| !matches!(m, Move::Time(_) | Move::Alarm));
            let Some(m) = soon.or(self.moves.first().copied()) else { break };
            let m = self.longer(m);
            self.go(m)?;
        }
        Err(format!("never gets down\n    in {:?}\n    by {:?}", self.w, self.way))
    }
}

/// The number of a phase, in the order of the machine's table.
pub(crate) fn number(phase: Phase) -> usize {
    match phase {
        Phase::Down => 0,
        Phase::Starting { .. } => 1,
        Phase::Ready { .. } => 2,
        Phase::Daemonising { .. } => 3,
        Phase::Stopping { .. } => 4,
        Phase::Sweeping { .. } => 5,
        Phase::Finishing { .. } => 6,
        Phase::Backoff { .. } => 7,
        Phase::Failed { .. } => 8,
    }
}
