//! `NAME/start` and `NAME/stop`: run in the service's directory, with pinfold's tools on PATH, and so that
//! they leak nothing; the script does `svc` itself, and what it says must be true.

use std::fs;

use super::house::{House, STAYS, contains, died};
use crate::common::{Family, Sandbox};

/// Starts the service and polls, as Syn-3's slapd does.
const START: &str = "\
svc -u .
for n in 3 2 1; do
  echo \"Waiting for app to start.. ($n)\"
  [ -e ready ] && exit 0
  sleep 0.3
done
svc -d .
exit 1";

#[test]
fn a_start_script_starts_and_its_words_are_passed_on() {
    let house = House::new("script-start");
    let start = "{ pwd; command -v svc; ps -o sid= -p $$; echo $$; } >seen\nprintf 'no newline'\nsvc -u .";
    house.service("app", STAYS, &[("start", start)]);
    house.service("polls", "echo >ready; exec sleep 1000000", &[("start", START)]);
    let house = house.scanned();
    let out = house.done("svcstart", &["app"]);
    let head = house.head("Starting", "app");
    assert_eq!(out, format!("{head}\nno newline\n{head}OK\n"), "on lines of their own");
    let seen = house.read("app/seen");
    let [directory, svc, session, pid] = seen.lines().collect::<Vec<_>>()[..] else { panic!("{seen}") };
    assert_eq!(directory, house.path("app").display().to_string());
    let tools = fs::canonicalize(svc).unwrap();
    assert!(tools.ends_with("pinfold") && !svc.starts_with("/usr"), "another svc is first on PATH: {svc}");
    assert_eq!(session.trim(), pid, "a session of its own");
    contains(&house.done("svcstart", &["polls"]), "Waiting for app to start.. (3)\n");
}

/// It takes the service down again and exits 1: so does svcstart.
#[test]
fn a_start_script_that_fails_fails() {
    let house = House::new("script-fails");
    house.service("app", STAYS, &[("start", START)]);
    house.service("shell", STAYS, &[("start", "#!/usr/bin/nonesuch")]);
    let house = house.scanned();
    let out = house.fails("svcstart", &["app"]);
    contains(&out, "(1)\n");
    contains(&out, "FAILED: start: exit 1");
    house.sandbox.down("app");
    contains(&house.fails("svcstart", &["shell"]), "FAILED: start can't be executed: ");
    contains(&house.fails("svcstart", &["shell"]), "its interpreter (line 1) does not exist");
}

/// A script that returns 0 is believed only if the service is really up.
#[test]
fn a_start_script_that_lies_fails() {
    let house = House::new("script-lies");
    house.service("idle", STAYS, &[("start", "exit 0")]);
    house.service("dies", "echo oh no; exit 9", &[("start", "svc -u .; exit 0")]);
    house.service("later", "sleep 1.1; exit 9", &[("start", "svc -u .; sleep 0.2; exit 0")]);
    let house = house.scanned();
    contains(&house.fails("svcstart", &["idle"]), "FAILED: start returned 0, but the service is not up");
    let out = house.fails("svcstart", &["dies"]);
    contains(&out, "FAILED: it ended");
    died(&out, "exit 9");
    contains(&out, "    oh no\n");
    contains(&house.fails("svcstart", &["later"]), "FAILED: it ended");
}

/// Nothing of a script is left, whatever it does: neither when it hangs nor when it returns.
#[test]
fn scripts_leave_nothing_behind() {
    let house = House::new("script-leaks");
    house.service("hangs", STAYS, &[("start", "svc -u .\nsleep 88888883 & sleep 88888883")]);
    house.service("talks", STAYS, &[("start", "exec yes 88888886")]);
    let left = "trap '' TERM\nsvc -u .\n(setsid sh -c \"trap '' TERM; sleep 88888884\" & ) \nsetsid sleep 88888884 & exit 0";
    house.service("leaves", STAYS, &[("start", left)]);
    let house = house.scanned();
    let out = house.fails("svcstart", &["-w", "2", "hangs"]);
    contains(&out, "FAILED: start has not come back after ");
    assert!(house.with_word("88888883").is_empty());
    contains(&house.fails("svcstart", &["-q", "-w", "1", "talks"]), "start has not come back after ");
    assert!(house.with_word("88888886").is_empty());
    house.done("svcstart", &["leaves"]);
    assert!(house.with_word("88888884").is_empty());
    assert!(!house.is_down("leaves"), "the service itself is not the script's");
}

/// A script that calls svcstart or svcstop on its own service does not recurse for ever.
#[test]
fn a_script_may_call_the_command_that_runs_it() {
    let house = House::new("script-recursion");
    house.service(
        "app",
        STAYS,
        &[("start", "echo x >>starts\nsvcstart --settle 0.1 ."), ("stop", "echo x >>stops\nsvcstop ../app/")],
    );
    let house = house.scanned();
    house.done("svcstart", &["app"]);
    assert_eq!(house.read("app/starts"), "x\n");
    house.done("svcstop", &["app"]);
    assert_eq!(house.read("app/stops"), "x\n");
    assert!(house.is_down("app"));
}

#[test]
fn a_stop_script_must_really_stop() {
    let house = House::new("script-stop");
    house.service("good", STAYS, &[("stop", "echo bye\nsvc -d .\nexit 0")]);
    house.service("bad", STAYS, &[("stop", "exit 2")]);
    house.service("liar", STAYS, &[("stop", "exit 0")]);
    let house = house.scanned();
    house.done("svcstart", &["--settle", "0.1", "good", "bad", "liar"]);
    contains(&house.done("svcstop", &["-v", "good"]), "\nbye\n");
    assert!(house.is_down("good"));
    contains(&house.fails("svcstop", &["bad"]), "FAILED: stop: exit 2");
    let out = house.fails("svcstop", &["liar"]);
    contains(&out, "FAILED: stop returned 0, but the service still runs");
    contains(&out, " sleep (state S)\n");
    // -k does not ask the script
    house.done("svcstop", &["-k", "liar", "bad"]);
    assert!(house.is_down("liar") && house.is_down("bad"));
}

/// As an ordinary user: the same tools, over one's own supervisor.
#[test]
fn scripts_of_an_ordinary_user_find_the_tools() {
    let house = House::of("script-user", Sandbox::unprivileged);
    house.service("app", STAYS, &[("start", "command -v svc >seen\nsvc -u .")]);
    let house = house.scanned();
    house.done("svcstart", &["app"]);
    contains(&house.read("app/seen"), "/svc\n");
    assert!(!house.read("app/seen").starts_with("/usr"), "{}", house.read("app/seen"));
    house.done("svcstop", &["app"]);
}

/// Also where another family supervises, so that there is no run directory.
#[test]
fn scripts_under_another_familys_supervisor_find_the_tools() {
    let sandbox = match Sandbox::new("script-others", Family::Daemontools) {
        Ok(sandbox) => sandbox,
        Err(why) => return crate::common::skipped(&why),
    };
    sandbox.file("app/run", "#!/bin/sh\nexec sleep 1000000\n");
    sandbox.file("app/down", "");
    sandbox.file("app/start", "#!/bin/sh\nreadlink -f $(command -v svc) >seen\nsvc -u .\n");
    let _svscan = sandbox.scanner();
    sandbox.wait_for("app to be taken up", || {
        crate::common::expect(sandbox.run("svok", ["app"]).code == 0, "not yet")
    });
    // called by its path, alone in its directory: the tools are not beside it
    let alone = sandbox.lab().join("svcstart");
    fs::copy(env!("CARGO_BIN_EXE_pinfold"), &alone).unwrap();
    let mut command = sandbox.command("svcstart");
    command = {
        drop(command);
        sandbox.command(&alone)
    };
    command.arg("./app");
    let said = sandbox.finish(command);
    assert_eq!(said.code, 0, "{said:?}");
    let seen = fs::read_to_string(sandbox.scan().join("app/seen")).unwrap();
    assert_eq!(seen.trim(), alone.display().to_string());
    let tools: Vec<_> = fs::read_dir(std::env::temp_dir())
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("pinfold-tools-"))
        .filter(|entry| entry.path().join("bin/svc").read_link().is_ok_and(|to| to == alone))
        .collect();
    assert!(tools.is_empty(), "{tools:?} is left");
}
