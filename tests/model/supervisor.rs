//! Makes a move in a world as the supervisor and the kernel would: feeds the machine, performs its
//! actions and judges what came of it by the laws. One move can end in several ways: a spawn fails, the
//! supervisor dies between two actions.

use crate::laws::{self, Turn};
use crate::moves::Move;
use crate::world::{Child, End, Memory, Model, Other, Proc, World};
use pinfold::machine::{Action, Event, Exit, Leader, Ms, Phase};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How a move went, beside the world it led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Luck {
    Good,
    SpawnFailed,
    SupervisorDied,
}

/// A world and how it came about, or the law that was broken.
pub(crate) type Outcome = Result<(World, Luck), String>;

impl Model<'_> {
    /// Makes a move; every way it can end goes into `out`.
    pub(crate) fn apply(&self, mut w: World, m: Move, out: &mut Vec<Outcome>) {
        let was_empty = w.is_empty();
        match m {
            Move::Say(command) => return self.feed(w, Event::Command(command), Luck::Good, out),
            Move::Alarm => return self.feed(w, Event::DeadlinePassed, Luck::Good, out),
            Move::LeaderSpeaks => return self.feed(w, Event::SaidReady, Luck::Good, out),
            Move::LeaderPings => return self.feed(w, Event::Alive, Luck::Good, out),
            Move::LeaderGivesUp => return self.feed(w, Event::Hung, Luck::Good, out),
            Move::AskForTime => return self.feed(w, Event::Extend(1), Luck::Good, out),
            Move::OtherIsNamed => return self.name(w, out),
            Move::TellLeader => return self.tell_leader(w, out),
            Move::TellFinish => return self.tell_finish(w, out),
            Move::TellElsewhere => return self.feed(w, Event::Emptied, Luck::Good, out),
            Move::TellEmpty => {
                w.notice = false;
                return self.feed(w, Event::Emptied, Luck::Good, out);
            }
            Move::SupervisorReturns => return self.adopt(w, out),
            Move::SupervisorDies => {
                w.supervised = false;
                w.notice = false;
            }
            Move::Time(ms) => w.now += Ms::from(ms),
            Move::LeaderEnds(end) => w.leader.end(end),
            Move::LeaderDies => w.leader.end(End::Dirty),
            Move::FinishEnds(end) => w.finish.end(end),
            Move::FinishDies => w.finish.end(End::Dirty),
            Move::LeaderForks | Move::FinishForks | Move::OtherIsBroughtBack => w.other = Other::Inside,
            Move::OtherStrays | Move::OtherIsSeen => w.other = Other::Away,
            Move::OtherHides => w.other = Other::Hidden,
            Move::OtherEnds | Move::OtherDies | Move::OtherIsLetGo => w.other = Other::None,
        }
        w.notice |= w.supervised && !was_empty && w.is_empty();
        self.settle(w, Luck::Good, out);
    }

    fn tell_leader(&self, mut w: World, out: &mut Vec<Outcome>) {
        let Proc::Zombie(end) = w.leader.proc else { return };
        w.leader = Child::NONE;
        let (started, emptied) = (end != End::NeverStarted, w.is_empty());
        self.feed(w, Event::LeaderGone { exit: exit(end), started, emptied }, Luck::Good, out);
    }

    /// The one that is named leads, and who led is one of the others.
    fn name(&self, mut w: World, out: &mut Vec<Outcome>) {
        let former = std::mem::replace(&mut w.leader, Child::BORN);
        w.other = match former.proc {
            Proc::Alive => Other::Inside,
            Proc::Doomed => Other::Doomed,
            Proc::None | Proc::Zombie(_) => Other::None,
        };
        self.feed(w, Event::Led, Luck::Good, out);
    }

    fn tell_finish(&self, mut w: World, out: &mut Vec<Outcome>) {
        let Proc::Zombie(end) = w.finish.proc else { return };
        w.finish = Child::NONE;
        let emptied = w.is_empty();
        self.feed(w, Event::FinishGone { exit: exit(end), emptied }, Luck::Good, out);
    }

    /// A new supervisor: it reads the table and looks. What was said to it in the gap waits in the
    /// FIFO, so the next `Say` may as well be that.
    fn adopt(&self, mut w: World, out: &mut Vec<Outcome>) {
        w.supervised = true;
        if w.other == Other::Hidden {
            w.other = Other::Away;
            w.memory.all_down = false; // whoever said so did not know of this one
        }
        let child = if matches!(w.s.phase, Phase::Finishing { .. }) { w.finish } else { w.leader };
        let (present, emptied) = (child.is_known(), w.is_empty());
        self.feed(w, Event::Adopted { present, emptied }, Luck::Good, out);
    }

    /// One turn of the machine.
    fn feed(&self, mut w: World, event: Event, luck: Luck, out: &mut Vec<Outcome>) {
        let stepped = catch_unwind(AssertUnwindSafe(|| (self.step)(&w, event, &self.config)));
        let Ok((after, actions)) = stepped else {
            return out.push(Err(format!("the machine panicked\n    in {event:?} from {:?}", w.s)));
        };
        let turn = Turn { before: w.s, event, now: w.now, after, actions, luck, patience: w.memory.patience };
        w.s = after;
        laws::remember(&mut w, &turn, &self.config);
        match laws::of_turn(&turn, &self.config) {
            Ok(()) => self.perform(w, &turn, 0, None, out),
            Err(law) => out.push(Err(law)),
        }
    }

    /// Performs the actions from the `n`th on, then says what came of them. Before each the supervisor
    /// may die.
    fn perform(&self, mut w: World, turn: &Turn, n: usize, answer: Option<Event>, out: &mut Vec<Outcome>) {
        let Some(action) = turn.actions.iter().nth(n) else {
            return match answer {
                Some(event @ Event::Looked(_)) => self.feed(w, event, turn.luck, out),
                Some(failed) => self.feed(w, failed, Luck::SpawnFailed, out),
                None => self.settle(w, turn.luck, out),
            };
        };
        if let Err(law) = laws::of_action(&w, action, turn, &self.config) {
            return out.push(Err(format!(
                "{law}\n    in {action:?} after {:?} from {:?}",
                turn.event, turn.before
            )));
        }
        let owes_finish = w.memory.owes_finish && !turn.does(Action::SpawnFinish); // at most once
        let memory = Memory { owes_finish, ..w.memory };
        self.die(World { memory, ..w }, out);
        match action {
            Action::SpawnRun => {
                w.memory.all_down = false;
                self.perform(w, turn, n + 1, Some(Event::RunSpawnFailed), out);
                self.die(World { leader: Child { known: false, ..Child::BORN }, ..w }, out);
                w.leader = Child::BORN;
            }
            Action::SpawnFinish => {
                w.memory.owes_finish = false;
                let failed = Event::FinishGone { exit: Exit::Dirty, emptied: w.is_empty() };
                self.perform(w, turn, n + 1, Some(failed), out);
                self.die(World { finish: Child { known: false, ..Child::BORN }, ..w }, out);
                w.finish = Child::BORN;
            }
            Action::LookForDaemon => {
                if w.other.is_seen() {
                    self.perform(w, turn, n + 1, Some(Event::Looked(Some(Leader::Nobody))), out);
                    let proc = if w.other == Other::Doomed { Proc::Doomed } else { Proc::Alive };
                    let led = World { leader: Child { proc, known: true }, other: Other::None, ..w };
                    self.perform(led, turn, n + 1, Some(Event::Looked(Some(Leader::Daemon))), out);
                }
                return self.perform(w, turn, n + 1, Some(Event::Looked(None)), out);
            }
            Action::Kill => self.kill(&mut w),
            // who tells everybody sees whether there is anybody
            Action::AskAll => w.notice |= w.is_empty(),
            Action::Freeze => w.frozen = true,
            Action::Thaw => w.frozen = false,
            Action::Forget => w.forgotten = true,
            Action::AskLeader | Action::PassOn => {}
        }
        self.perform(w, turn, n + 1, answer, out);
    }

    /// Strays are brought in before the fold is killed.
    fn kill(&self, w: &mut World) {
        let everybody = !laws::leaves_others(&w.s, &self.config);
        if everybody || w.leader.known {
            w.leader.doom();
        }
        if everybody || w.finish.known {
            w.finish.doom();
        }
        if everybody && w.other.is_seen() {
            w.other = Other::Doomed;
        }
        w.notice |= w.is_empty();
    }

    fn die(&self, mut w: World, out: &mut Vec<Outcome>) {
        w.supervised = false;
        w.notice = false;
        self.settle(w, Luck::SupervisorDied, out);
    }

    fn settle(&self, w: World, luck: Luck, out: &mut Vec<Outcome>) {
        let w = w.canonical(&self.config, self.horizon);
        out.push(laws::of_world(&w, &self.config).map(|()| (w, luck)));
    }
}

fn exit(end: End) -> Exit {
    match end {
        End::Clean => Exit::Clean,
        End::Dirty | End::NeverStarted => Exit::Dirty,
        End::GiveUp => Exit::GiveUp,
    }
}
