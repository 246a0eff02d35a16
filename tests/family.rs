//! Same test, theirs and ours: the classic tools against Debian's daemontools and runit.
//!
//! `family/cases/TOOL.sh` holds small shell scripts, `family/expected/TOOL.out` what Debian's original
//! does with each: standard output, standard error and exit code, byte by byte. By default every case is
//! run with both and must give that; `UNDER_TEST=theirs` or `ours` runs one side only. What legitimately
//! differs says so with its reason, its own outcome is in `TOOL.ours.out`, and a difference that is no
//! more fails the test. `UNDER_TEST=record` writes the expected files anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "family/case.rs"]
mod case;
#[path = "family/originals.rs"]
mod originals;
#[path = "family/outcome.rs"]
mod outcome;
#[path = "family/side.rs"]
mod side;

use case::Case;
use outcome::{Golden, Outcome};
use side::{Bench, Side};

macro_rules! tools {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() {
            check(stringify!($name));
        }
    )* };
}

tools! {
    svok svc svstat svscanboot readproctitle
    chain setuidgid envuidgid envdir softlimit setlock pgrphack fghack tai64n tai64nlocal chpst sv
}

/// Runs all cases of one tool and compares.
fn check(tool: &str) {
    let cases = case::read(tool);
    let bench = Bench::new(tool);
    let runnable: Vec<&Case> = cases.iter().filter(|case| bench.can_run(case)).collect();
    let (mut theirs, mut ours) = (Golden::read(tool, ""), Golden::read(tool, ".ours"));
    let mode = std::env::var("UNDER_TEST").unwrap_or_default();
    if mode == "record" {
        for (case, outcome) in runnable.iter().zip(bench.run_all(Side::Theirs, &runnable)) {
            theirs.put(case, outcome);
        }
        let differing: Vec<&Case> = runnable.into_iter().filter(|case| case.differs.is_some()).collect();
        for (case, outcome) in differing.iter().zip(bench.run_all(Side::Ours, &differing)) {
            ours.put(case, outcome);
        }
        theirs.write(&cases);
        ours.write(&cases);
        return;
    }
    let mut wrong = Vec::new();
    if mode != "ours" && bench.has(Side::Theirs) {
        for (case, outcome) in runnable.iter().zip(bench.run_all(Side::Theirs, &runnable)) {
            complain(&mut wrong, case, "theirs", &theirs.get(case), &outcome);
        }
    }
    if mode != "theirs" {
        for (case, outcome) in runnable.iter().zip(bench.run_all(Side::Ours, &runnable)) {
            let differs = case.differs.is_some();
            complain(&mut wrong, case, "ours", &if differs { &ours } else { &theirs }.get(case), &outcome);
            if differs && outcome == theirs.get(case) {
                wrong.push(format!("--- {}: listed as a difference, but it is none any more", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{tool}: {} wrong of {} cases\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn complain(wrong: &mut Vec<String>, case: &Case, side: &str, expected: &Outcome, got: &Outcome) {
    if expected != got {
        wrong.push(format!("--- {} ({side}; - expected, + got)\n{}", case.name, expected.compare(got)));
    }
}
