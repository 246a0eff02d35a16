//! The result: form × rung.

use std::collections::BTreeMap;
use std::fmt;

use super::forms::FORMS;

/// What happened to one form on one rung.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    /// Processes alive at `down`; `None`: it was never down.
    pub(crate) left: Option<usize>,
    /// Why what was left is as it should be.
    pub(crate) excuse: Option<&'static str>,
    /// What went wrong, in full.
    pub(crate) faults: Vec<String>,
}

impl Cell {
    fn word(&self) -> String {
        match (self.faults.is_empty(), self.left, self.excuse) {
            (true, Some(0), _) => "ok".into(),
            (true, Some(left), Some(_)) => format!("({left})"),
            (_, Some(left), _) if left > 0 => format!("{left} LEFT"),
            _ => "FAULT".into(),
        }
    }
}

#[derive(Default)]
pub(crate) struct Table {
    rungs: Vec<&'static str>,
    cells: BTreeMap<(&'static str, &'static str), Cell>,
    notes: Vec<String>,
}

impl Table {
    pub(crate) fn skip(&mut self, rung: &'static str, why: &str) {
        eprintln!("SKIPPED: rung {rung}: {why}");
        self.notes.push(format!("SKIPPED: rung {rung}: {why}"));
    }

    pub(crate) fn add(&mut self, rung: &'static str, cells: BTreeMap<&'static str, Cell>) {
        self.rungs.push(rung);
        self.cells.extend(cells.into_iter().map(|(form, cell)| ((form, rung), cell)));
    }

    /// Processes left of `form`; `None` if it was not tried.
    pub(crate) fn left(&self, form: &'static str, rung: &'static str) -> Option<usize> {
        self.cells.get(&(form, rung))?.left
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        let name = |(form, rung): &(&str, &str), fault: &str| format!("{form} on {rung}: {fault}");
        self.cells
            .iter()
            .flat_map(|(key, cell)| cell.faults.iter().map(move |fault| name(key, fault)))
            .collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{:24}", "processes left at down")?;
        self.rungs.iter().try_for_each(|rung| write!(f, "{rung:>13}"))?;
        let tried = |name| self.rungs.iter().any(|rung| self.cells.contains_key(&(name, *rung)));
        for form in FORMS.iter().filter(|form| tried(form.name)) {
            write!(f, "\n{:24}", form.name)?;
            for rung in &self.rungs {
                let word = self.cells.get(&(form.name, *rung)).map_or("-".into(), Cell::word);
                write!(f, "{word:>13}")?;
            }
        }
        writeln!(f, "\n- not on this rung, (n) left alone by design:")?;
        let mut excuses: Vec<_> = self
            .cells
            .iter()
            .filter(|(_, cell)| cell.left > Some(0) && cell.faults.is_empty())
            .filter_map(|((form, _), cell)| Some(format!("  {form}: {}", cell.excuse?)))
            .collect();
        excuses.dedup();
        excuses.iter().chain(&self.notes).try_for_each(|line| writeln!(f, "{line}"))
    }
}
