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
    chain setuidgid envuidgid envdir softlimit setlock pgrphack fghack tai64n tai64nlocal chpst
}

/// Runs all cases of one tool and compares.
fn check(tool: &str) {
    let cases = case::read(tool);
    let bench = Bench::new(tool);
    let mode = std::env::var("UNDER_TEST").unwrap_or_default();
    let (mut theirs, mut ours) = (Golden::read(tool, ""), Golden::read(tool, ".ours"));
    let mut wrong = Vec::new();
    for case in cases.iter().filter(|case| bench.can_run(case)) {
        if mode == "record" {
            theirs.put(case, bench.run(Side::Theirs, case));
            if case.differs.is_some() {
                ours.put(case, bench.run(Side::Ours, case));
            }
            continue;
        }
        let expected = theirs.get(case);
        if mode != "ours" && bench.has(Side::Theirs) {
            complain(&mut wrong, case, "theirs", &expected, &bench.run(Side::Theirs, case));
        }
        if mode != "theirs" {
            let own = if case.differs.is_some() { ours.get(case) } else { expected.clone() };
            complain(&mut wrong, case, "ours", &own, &bench.run(Side::Ours, case));
            if case.differs.is_some() && own == expected {
                wrong.push(format!("{}: listed as a difference, but it is none any more", case.name));
            }
        }
    }
    if mode == "record" {
        theirs.write(&cases);
        ours.write(&cases);
    }
    assert!(wrong.is_empty(), "{tool}: {} of {} cases\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn complain(wrong: &mut Vec<String>, case: &Case, side: &str, expected: &Outcome, got: &Outcome) {
    if expected != got {
        wrong.push(format!("--- {} ({side})\nexpected:\n{expected}got:\n{got}", case.name));
    }
}
