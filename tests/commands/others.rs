//! The same commands under the other families' supervisors, which have no table.

use crate::common::sandbox::Said;
use crate::common::{Family, Sandbox, expect, skipped};

use super::house::contains;

fn scene(test: &str, family: Family) -> Option<(Sandbox, crate::common::Supervisor)> {
    let sandbox = match Sandbox::new(test, family) {
        Ok(sandbox) => sandbox,
        Err(why) => {
            skipped(&why);
            return None;
        }
    };
    let root = sandbox.scan().display().to_string();
    let sandbox = sandbox.set("SVDIR", &root);
    for (name, run) in [
        ("app", "exec sleep 1000000"),
        ("crash", "echo no; exit 1"),
        ("late", "sleep 1.1; exit 1"),
        ("deaf", "trap '' TERM; while :; do sleep 1; done"),
    ] {
        sandbox.file(&format!("{name}/run"), &format!("#!/bin/sh\n{run}\n"));
        sandbox.file(&format!("{name}/down"), "");
    }
    let scanner = sandbox.scanner();
    for name in ["app", "crash", "late", "deaf"] {
        sandbox.wait_for("the services to be taken up", || {
            expect(ours(&sandbox, "svok", &[name]).code == 0, name)
        });
    }
    Some((sandbox, scanner))
}

fn ours(sandbox: &Sandbox, program: &str, arguments: &[&str]) -> Said {
    let mut command = sandbox.command_of(Family::Ours, program);
    command.args(arguments);
    sandbox.finish(command)
}

fn life(test: &str, family: Family) {
    let Some((sandbox, _scanner)) = scene(test, family) else { return };
    let run = |code: i32, program: &str, arguments: &[&str]| {
        let said = ours(&sandbox, program, arguments);
        assert_eq!(said.code, code, "{program} {arguments:?}: {said:?}\n{}", sandbox.reports());
        said.out + &said.err
    };
    contains(&run(0, "svcstart", &["app"]), "OK\n");
    let pid = sandbox.status("app").unwrap().pid;
    assert_ne!(pid, 0);
    let shown = run(0, "pinfold", &["status", "app"]);
    contains(&shown, &format!(" {pid} "));
    contains(&shown, " none ");
    contains(&run(0, "pinfold", &["tree", "app"]), "sleep 1000000");
    contains(&run(0, "svcrestart", &["app"]), "Starting ");
    assert_ne!(sandbox.status("app").unwrap().pid, pid);
    contains(&run(0, "svcreset", &["app"]), "Stopping ");
    contains(&run(0, "svcrestart", &["app"]), "not running: nothing done\n");
    run(3, "pinfold", &["status", "app"]);
    contains(&run(1, "svcstart", &["crash"]), "FAILED: it ended again");
    contains(&run(1, "svcstart", &["late"]), "FAILED: it ended again");
    contains(&run(0, "svcstop", &["crash", "late"]), "OK\n");
    run(0, "svcstart", &["deaf"]);
    contains(&run(1, "svcstop", &["-w", "1.2", "deaf"]), "FAILED: it still runs (pid ");
    contains(&run(0, "svcstop", &["-k", "deaf"]), "OK\n");
    sandbox.down("deaf");
}

#[test]
fn debians_daemontools() {
    life("others-daemontools", Family::Daemontools);
}

#[test]
fn debians_runit() {
    life("others-runit", Family::Runit);
}
