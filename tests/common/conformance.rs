//! What a supervisor did is what its machine says: every turn that was traced in a sandbox is taken again.

use std::collections::HashMap;
use std::path::Path;

use pinfold::machine::{Event, State, step};
use pinfold::trace::Turn;

/// The turns in a trace, in order. What is no turn is a mistake; so is a line that was cut short, but at a place where
/// a supervisor was killed.
pub(crate) fn turns(path: &Path) -> Vec<Turn> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Takes every turn again; what differs is said.
pub(crate) fn differences(turns: &[Turn]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut last: HashMap<(&str, &str), State> = HashMap::new();
    for turn in turns {
        let (after, actions) = step(turn.before, turn.event, turn.now, &turn.config);
        if after != turn.after || !turn.does(&actions) {
            wrong.push(format!("{turn:?}: the machine says {after:?}, {actions:?}"));
        }
        let known = last.insert((&turn.directory, &turn.service), turn.after);
        // a supervisor that dies between a state's saving and its tracing leaves a turn out
        let anew = matches!(turn.event, Event::Adopted { .. }) || turn.before.started == 0;
        if known.is_some_and(|known| known != turn.before && !anew) {
            wrong.push(format!("{turn:?}: the turn before led to {known:?}"));
        }
    }
    wrong
}
