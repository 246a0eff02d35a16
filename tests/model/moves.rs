//! What can happen in a world: everything that processes, the kernel, the clock and an administrator may
//! do, at the worst moment.

use crate::world::{End, Model, Other, Proc, World};
use pinfold::machine::{Command, Phase};

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Say(Command),
    /// So many milliseconds pass.
    Time(u32),
    /// The deadline is due, and the supervisor wakes up.
    Alarm,
    LeaderEnds(End),
    LeaderForks,
    LeaderSpeaks,
    /// It feeds its watchdog.
    LeaderPings,
    /// It says that it hangs.
    LeaderGivesUp,
    /// Somebody of the service asks for a millisecond from now on.
    AskForTime,
    /// The kill takes effect.
    LeaderDies,
    FinishEnds(End),
    FinishForks,
    FinishDies,
    /// The service names it as the one that stands for it.
    OtherIsNamed,
    OtherEnds,
    OtherDies,
    OtherStrays,
    OtherHides,
    OtherIsSeen,
    OtherIsBroughtBack,
    /// It left on purpose (`strays=report`): named, and no longer ours.
    OtherIsLetGo,
    TellLeader,
    TellFinish,
    TellEmpty,
    /// The leader has moved elsewhere, and the cgroup it left is empty.
    TellElsewhere,
    SupervisorDies,
    SupervisorReturns,
}

pub(crate) const COMMANDS: [Command; 11] = [
    Command::Up,
    Command::Once,
    Command::Down,
    Command::DownAll,
    Command::DownNow,
    Command::Unfit,
    Command::Leave,
    Command::Pause,
    Command::Continue,
    Command::Term,
    Command::Signal,
];

impl Model<'_> {
    /// Everything but commands.
    pub(crate) fn moves(&self, w: &World, out: &mut Vec<Move>) {
        out.clear();
        if w.forgotten {
            return;
        }
        self.clock_moves(w, out);
        self.leader_moves(w, out);
        finish_moves(w, out);
        self.other_moves(w, out);
        if !w.supervised {
            return out.push(Move::SupervisorReturns);
        }
        out.push(Move::SupervisorDies);
        if matches!(w.leader.proc, Proc::Zombie(_)) {
            out.push(Move::TellLeader);
        }
        if matches!(w.finish.proc, Proc::Zombie(_)) {
            out.push(Move::TellFinish);
        }
        if w.notice {
            out.push(Move::TellEmpty);
        }
        if w.leader.lives() && w.leader.known && !w.finish.lives() && !w.other.is_seen() {
            out.push(Move::TellElsewhere);
        }
    }

    /// The supervisor wakes up in time, unless it is dead.
    fn clock_moves(&self, w: &World, out: &mut Vec<Move>) {
        if w.supervised && w.is_due() {
            return out.push(Move::Alarm);
        }
        let ages = w.s.started > w.now - self.horizon;
        if ages || w.s.deadline.is_some_and(|at| at > w.now) {
            out.push(Move::Time(1));
        }
    }

    fn leader_moves(&self, w: &World, out: &mut Vec<Move>) {
        if w.leader.proc == Proc::Alive {
            out.push(Move::LeaderEnds(End::Dirty)); // or killed by somebody, which no freezing prevents
            if !w.frozen {
                out.push(Move::LeaderEnds(End::Clean));
                if w.s.started == w.now {
                    out.push(Move::LeaderEnds(End::NeverStarted));
                }
                if w.other == Other::None {
                    out.push(Move::LeaderForks);
                }
            }
        }
        if w.leader.proc == Proc::Doomed {
            out.push(Move::LeaderDies);
        }
        // what it said may arrive when it is frozen, or dead
        if self.config.notifies && w.leader.is_known() && w.supervised {
            out.push(Move::LeaderSpeaks);
            if self.config.watchdog.is_some() {
                out.extend([Move::LeaderPings, Move::LeaderGivesUp]);
            }
        }
    }

    fn other_moves(&self, w: &World, out: &mut Vec<Move>) {
        let can_speak = self.config.notifies && w.supervised;
        if can_speak && !w.is_empty() {
            out.push(Move::AskForTime);
        }
        let may_be_led = w.s.phase.is_up() || matches!(w.s.phase, Phase::Daemonising { .. });
        if can_speak && may_be_led && w.other == Other::Inside {
            out.push(Move::OtherIsNamed);
        }
        match w.other {
            Other::Inside => {
                out.push(Move::OtherEnds);
                if self.strays && !w.frozen {
                    out.push(Move::OtherStrays);
                    if !w.supervised || w.s.phase.is_up() {
                        out.push(Move::OtherHides); // not in a stop: every step of one is a look
                    }
                }
            }
            Other::Away => out.extend([Move::OtherEnds, Move::OtherIsBroughtBack, Move::OtherIsLetGo]),
            Other::Hidden => {
                out.push(Move::OtherEnds);
                if w.supervised && !w.s.phase.is_still() {
                    out.push(Move::OtherIsSeen);
                }
            }
            Other::Doomed => out.push(Move::OtherDies),
            Other::None => {}
        }
    }
}

fn finish_moves(w: &World, out: &mut Vec<Move>) {
    match w.finish.proc {
        Proc::Alive => {
            out.extend([Move::FinishEnds(End::Clean), Move::FinishEnds(End::GiveUp)]);
            if w.other == Other::None {
                out.push(Move::FinishForks);
            }
        }
        Proc::Doomed => out.push(Move::FinishDies),
        Proc::None | Proc::Zombie(_) => {}
    }
}
