//! Mistakes about what a service says of itself.

use crate::mutants::{Mutant, NOTIFIES, WATCHED, deaf, misread, mutants};
use pinfold::machine::{Config, Daemonised, Event, Leader, Phase};

const FORKS: Config = Config { daemonised: Daemonised::Auto, ..NOTIFIES };

pub(crate) fn all() -> Vec<Mutant> {
    mutants! {
        "a sign of life is not heard", WATCHED, |w, event, c| {
            if event == Event::Alive { deaf(w) } else { misread(w, event, c) }
        };
        "the watchdog does not bite", WATCHED, |w, event, c| match (event, w.s.phase) {
            (Event::DeadlinePassed, Phase::Ready { .. }) => misread(w, Event::Alive, c),
            (event, _) => misread(w, event, c),
        };
        "the watchdog is asleep after a pause", WATCHED, |w, event, c| {
            let mut turn = misread(w, event, c);
            if w.s.paused && !turn.0.paused && turn.0.phase.is_up() { turn.0.deadline = None; }
            turn
        };
        "the watchdog bites who is paused", WATCHED, |w, event, c| {
            let mut turn = misread(w, event, c);
            if turn.0.paused { turn.0.deadline = w.s.deadline; }
            turn
        };
        "asking for time feeds the watchdog", WATCHED, |w, event, c| match event {
            Event::Extend(_) => misread(w, Event::Alive, c),
            event => misread(w, event, c),
        };
        "one that says it hangs is left", WATCHED, |w, event, c| {
            if event == Event::Hung { deaf(w) } else { misread(w, event, c) }
        };
        "the time that was asked for is not given", NOTIFIES, |w, event, c| {
            if let Event::Extend(_) = event { deaf(w) } else { misread(w, event, c) }
        };
        "the time that was asked for is taken instead", NOTIFIES, |w, event, c| {
            let mut turn = misread(w, event, c);
            if let (Event::Extend(ms), Some(_)) = (event, w.s.deadline) { turn.0.deadline = Some(w.now + ms); }
            turn
        };
        "who was named while it daemonised is forgotten", FORKS, |w, event, c| {
            if event == Event::Led { deaf(w) } else { misread(w, event, c) }
        };
        "readiness makes run the leader again", NOTIFIES, |w, event, c| {
            let mut turn = misread(w, event, c);
            if let (Event::SaidReady, Phase::Ready { leader, .. }) = (event, &mut turn.0.phase) {
                *leader = Leader::Run;
            }
            turn
        };
        "who was named may leave a daemon behind", FORKS, |w, event, c| {
            let mut w = *w;
            if let Event::LeaderGone { .. } = event
                && let Phase::Starting { leader, .. } | Phase::Ready { leader, .. } = &mut w.s.phase {
                *leader = Leader::Run;
            }
            misread(&w, event, c)
        };
    }
}
