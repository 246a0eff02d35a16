//! The escape matrix: every form of leaving one's service, on every rung of the containment ladder.
//!
//! `down` is a promise: at the moment at which `supervise/status` says it, nothing of the service may be left
//! (found by an inherited lock, not by name), and no two generations may ever be alive together (each looks
//! for the older ones before it does anything else). Debian's svscan goes through the same, and must be
//! caught: a finder that finds nothing proves nothing.
//!
//! `PINFOLD_RUNGS=kill,v1` and `PINFOLD_FORMS=su,comet` restrict the matrix while developing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "escape/forms.rs"]
mod forms;
#[path = "escape/table.rs"]
mod table;
#[path = "escape/trial.rs"]
mod trial;

use std::sync::Mutex;
use std::thread;

use common::{Family, is_root, skipped};
use forms::FORMS;
use table::Table;
use trial::{Rung, Trial};

/// Runs the rungs, two at a time, over the forms that make sense on them.
fn run(rungs: &[Rung]) -> Table {
    let (next, table) = (Mutex::new(rungs.iter()), Mutex::new(Table::default()));
    let work = || {
        loop {
            let Some(rung) = next.lock().unwrap().next() else { return };
            match Trial::new(rung) {
                Ok(trial) => trial.run(&table),
                Err(why) => table.lock().unwrap().skip(rung.name, &why),
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    table.into_inner().unwrap()
}

/// A comma-separated list in the environment, or everything.
fn chosen(variable: &str, name: &str) -> bool {
    std::env::var(variable).map_or(true, |list| list.split(',').any(|one| one == name))
}

#[test]
fn no_stop_leaves_a_process_behind() {
    let rungs: Vec<Rung> =
        Rung::ours().into_iter().filter(|rung| chosen("PINFOLD_RUNGS", rung.name)).collect();
    let table = run(&rungs);
    println!("{table}");
    assert!(table.faults().is_empty(), "{table}\n{}", table.faults().join("\n"));
}

/// The same forms under Debian's svscan: what is not tame survives, and is found.
#[test]
fn survivors_of_the_original_are_found() {
    if let Err(why) = Family::Daemontools.peer_directory() {
        return skipped(&why);
    }
    let table = run(&[Rung::original()]);
    println!("{table}");
    let missed: Vec<_> = FORMS
        .iter()
        .filter(|form| is_root() || !form.root_only)
        .filter(|form| table.left(form.name, "original").is_some_and(|left| (left == 0) != form.is_tame()))
        .map(|form| format!("{}: {:?} left", form.name, table.left(form.name, "original")))
        .collect();
    assert!(missed.is_empty(), "{table}\n{}", missed.join("\n"));
}
