//! The table of phases and events, made from what the machine does in every world it can get into, as it
//! stands in ARCHITECTURE.md.

use crate::walk::number;
use crate::world::World;
use pinfold::machine::{Action, Actions, Command, Event, State};
use std::collections::{BTreeMap, BTreeSet};

const BEGIN: &str = "<!-- table:begin -->";
const END: &str = "<!-- table:end -->";
const NEW: &str = "# Architecture\n\n## The machine\n\n";

const PHASES: [&str; 9] =
    ["Down", "Starting", "Ready", "Daemonising", "Stopping", "Sweeping", "Finishing", "Backoff", "Failed"];

const EVENTS: [&str; 25] = [
    "`u`",
    "`o`",
    "`d`",
    "`svcstop --all`",
    "`svcstop -k`",
    "unfit",
    "`x`",
    "`p`",
    "`c`",
    "`t`",
    "other signal",
    "`run` can't be started",
    "leader gone",
    "`finish` gone",
    "said ready",
    "said alive",
    "said hung",
    "named its leader",
    "asked for time",
    "fold empty",
    "looked: a daemon",
    "looked: none",
    "deadline",
    "adopted, leader recorded",
    "adopted, none recorded",
];

fn event_number(event: Event) -> usize {
    match event {
        Event::Command(command) => match command {
            Command::Up => 0,
            Command::Once => 1,
            Command::Down => 2,
            Command::DownAll => 3,
            Command::DownNow => 4,
            Command::Unfit => 5,
            Command::Leave => 6,
            Command::Pause => 7,
            Command::Continue => 8,
            Command::Term => 9,
            Command::Signal => 10,
        },
        Event::RunSpawnFailed => 11,
        Event::LeaderGone { .. } => 12,
        Event::FinishGone { .. } => 13,
        Event::SaidReady => 14,
        Event::Alive => 15,
        Event::Hung => 16,
        Event::Led => 17,
        Event::Extend(_) => 18,
        Event::Emptied => 19,
        Event::Looked(Some(_)) => 20,
        Event::Looked(None) => 21,
        Event::DeadlinePassed => 22,
        Event::Adopted { present: true, .. } => 23,
        Event::Adopted { present: false, .. } => 24,
    }
}

/// Done in some cases and not in others, which makes no two outcomes of them.
const BY_THE_WAY: [Action; 3] = [Action::Thaw, Action::Freeze, Action::Forget];

const LEGEND: &str = "In a cell: the phase that follows, if it is another, and what is done. `[In brackets]`: in some \
    cases. `·`: nothing is done, and the phase stays. Empty: can't happen.";

/// A phase reached, and the actions on the way.
type Outcome = (usize, Vec<Action>);

/// By event and phase.
#[derive(Default)]
pub(crate) struct Table(BTreeMap<(usize, usize), Vec<Outcome>>);

impl Table {
    pub(crate) fn record(&mut self, w: &World, event: Event, after: &State, actions: &Actions) {
        let cell = self.0.entry((event_number(event), number(w.s.phase))).or_default();
        let reached = number(after.phase);
        if !cell.iter().any(|(phase, done)| *phase == reached && done.iter().copied().eq(actions.iter())) {
            cell.push((reached, actions.iter().collect()));
        }
    }

    fn markdown(&self) -> String {
        let mut text = format!("{LEGEND}\n\n| | {} |\n|---{}|\n", PHASES.join(" | "), "|---".repeat(9));
        for (e, event) in EVENTS.iter().enumerate() {
            let cell = |p| self.0.get(&(e, p)).map_or(String::new(), |cell| show(cell, p));
            text += &format!("| {event} | {} |\n", (0..9).map(cell).collect::<Vec<_>>().join(" | "));
        }
        text
    }

    /// The document with this table in it. A new document if there is none.
    pub(crate) fn put_into(&self, document: &str) -> String {
        let table = format!("{BEGIN}\n{}{END}", self.markdown());
        match (document.find(BEGIN), document.find(END)) {
            (Some(begin), Some(end)) => {
                format!("{}{table}{}", &document[..begin], &document[end + END.len()..])
            }
            _ => format!("{document}{NEW}{table}\n"),
        }
    }
}

fn show(cell: &[Outcome], from: usize) -> String {
    let less = |(to, done): &Outcome, out: Action| -> Outcome {
        (*to, done.iter().copied().filter(|&action| action != out).collect())
    };
    let is_part = |one: &Outcome| {
        let more = |other: &Outcome| BY_THE_WAY.iter().any(|&a| other != one && less(other, a) == *one);
        cell.iter().any(more)
    };
    // what is done, and where that leads to
    let mut lines: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for outcome in cell.iter().filter(|outcome| !is_part(outcome)) {
        let word =
            |&action: &Action| match BY_THE_WAY.contains(&action) && cell.contains(&less(outcome, action)) {
                true => format!("[{action:?}]"),
                false => format!("{action:?}"),
            };
        let words: Vec<String> = outcome.1.iter().map(word).collect();
        lines.entry(words.join(" ")).or_default().insert(outcome.0);
    }
    let line = |(words, phases): (&String, &BTreeSet<usize>)| {
        let names: Vec<&str> = phases.iter().map(|&p| PHASES[p]).collect();
        match (names.join("/"), words.as_str()) {
            (name, "") if name == PHASES[from] => "·".to_string(),
            (name, words) if name == PHASES[from] => words.to_string(),
            (names, "") => names,
            (names, words) => format!("{names}: {words}"),
        }
    };
    lines.iter().map(line).collect::<Vec<_>>().join("<br>")
}
