//! `svcstop NAME` stops it and checks that it is *really* stopped: the fold is empty.

use std::fs;

use nix::sys::signal::Signal;

use super::house::{House, STAYS, after, contains};
use crate::common::processes::Process;

/// A leader that hears TERM and says so, with a child in a session of its own.
const FAMILY: &str = "\
trap 'echo heard >>heard; exit 3' TERM
setsid sleep 1000000 &
echo ready >ready
while :; do sleep 0.1; done";

/// Ignores TERM, and so does its child.
const DEAF: &str = "trap '' TERM\nsleep 1000000 &\necho ready >ready\nwhile :; do sleep 1; done";

fn ready(house: &House, name: &str) {
    house.sandbox.wait_for(&format!("{name} to be ready"), || {
        crate::common::expect(house.read(&format!("{name}/ready")) == "ready\n", "not ready")
    });
}

/// Output as administrators know it, and `-v` prints the receipt: who was there, what each got, how it ended.
#[test]
fn nothing_is_left_and_the_receipt_tells_who_was_there() {
    let house = House::new("stop");
    house.service("mldonkey", FAMILY, &[]);
    let house = house.scanned();
    house.done("svcstart", &["--settle", "0.1", "mldonkey"]);
    ready(&house, "mldonkey");
    let pid = house.sandbox.status("mldonkey").unwrap().pid;
    let out = house.done("svcstop", &["-v", "mldonkey"]);
    let rest = after(&out, &house.head("Stopping", "mldonkey")).trim_start_matches('.');
    let receipt: Vec<&str> = after(rest, "OK\n").lines().collect();
    assert!(receipt[0].contains(" processes ended in ") && receipt[0].ends_with(" s"), "{out}");
    assert_eq!(receipt[1], format!("  {pid} run: told to end, exit 3, leader"), "{out}");
    assert!(receipt[2..].iter().any(|line| line.contains(" sleep: told to end, ")), "{out}");
    assert_eq!(house.read("mldonkey/heard"), "heard\n");
    assert!(house.is_down("mldonkey"));

    // without -v nothing but the line; and what is down may be stopped
    assert_eq!(house.done("svcstop", &["mldonkey"]), house.head("Stopping", "mldonkey") + "OK\n");
    contains(&house.done("svcstop", &["-v", "mldonkey"]), "OK\n  nothing of it was running\n");
    assert_eq!(house.done("svcstop", &["-q", "mldonkey"]), "");
}

/// What ignores TERM is killed after `timeout-kill`, and the receipt says so.
#[test]
fn who_ignores_term_is_killed_and_named() {
    let house = House::new("stop-deaf");
    house.service("deaf", DEAF, &[("timeout-kill", "1000")]);
    let house = house.scanned();
    house.done("svcstart", &["--settle", "0.1", "deaf"]);
    ready(&house, "deaf");
    let pid = house.sandbox.status("deaf").unwrap().pid;
    let out = house.done("svcstop", &["-v", "deaf"]);
    contains(&out, &format!("\n  {pid} run: killed, leader\n"));
    contains(&out, " sleep: killed\n");
    contains(&out, " killed\n");
    assert!(house.is_down("deaf"));
    // also who did not ask for more learns why it took so long
    std::fs::remove_file(house.path("deaf/ready")).unwrap();
    house.done("svcstart", &["--settle", "0.1", "deaf"]);
    ready(&house, "deaf");
    let out = house.done("svcstop", &["deaf"]);
    contains(&out, "OK\n  ");
    contains(&out, " did not end when told to, and were killed (pinfold status -v shows whom)\n");
}

/// `-k` kills at once: nobody is told.
#[test]
fn kill_does_not_ask() {
    let house = House::new("stop-kill");
    house.service("mldonkey", FAMILY, &[("timeout-kill", "0")]);
    let house = house.scanned();
    house.done("svcstart", &["--settle", "0.1", "mldonkey"]);
    ready(&house, "mldonkey");
    let out = house.done("svcstop", &["-vk", "mldonkey"]);
    contains(&out, " run: killed, leader\n");
    assert_eq!(house.read("mldonkey/heard"), "");
    assert!(house.is_down("mldonkey"));
}

/// After the time it names who is left and returns 1; the stop goes on.
#[test]
fn who_will_not_end_is_named() {
    let house = House::new("stop-left");
    house.service("deaf", DEAF, &[("timeout-kill", "0")]);
    let house = house.scanned();
    house.done("svcstart", &["--settle", "0.1", "deaf"]);
    ready(&house, "deaf");
    let pid = house.sandbox.status("deaf").unwrap().pid;
    let out = house.fails("svcstop", &["-w", "1.5", "deaf"]);
    let line = after(&out, &house.head("Stopping", "deaf"));
    let dots = line.len() - line.trim_start_matches('.').len();
    assert!(dots >= 1 && line[dots..].starts_with("FAILED: "), "a dot a second: {out:?}");
    contains(line, " processes are left (stopping, however long it takes)\n");
    contains(line, &format!("\n  {pid} run (state S)\n"));
    contains(line, " sleep (state S)\n");
    assert_eq!(house.sandbox.status("deaf").unwrap().want, b'd');
    house.done("svcstop", &["-k", "deaf"]);
}

/// `--all` ends also what `kill-mode: leader` leaves.
#[test]
fn with_kill_mode_leader_only_all_ends_everybody() {
    let house = House::new("stop-all");
    let run = "setsid sleep 88888882 &\necho ready >ready\nexec sleep 1000000";
    house.service("host", run, &[("kill-mode", "leader")]);
    let house = house.scanned();
    house.done("svcstart", &["--settle", "0.1", "host"]);
    ready(&house, "host");
    house.done("svcstop", &["host"]);
    let guests = || house.with_word("88888882");
    if guests().is_empty() && !crate::common::is_root() {
        return crate::common::skipped("nobody can be left to himself below a fold root");
    }
    assert_eq!(guests().len(), 1, "kill-mode: leader leaves the others");
    house.done("svcstop", &["--all", "host"]);
    assert!(guests().is_empty(), "{:?}", guests());
}

/// Ctrl-C ends the waiting, not the stop.
#[test]
fn an_interrupted_stop_goes_on() {
    let house = House::new("stop-interrupted");
    house.service("deaf", DEAF, &[("timeout-kill", "3000")]);
    let house = house.scanned();
    house.done("svcstart", &["--settle", "0.1", "deaf"]);
    ready(&house, "deaf");
    let mut stop = house.begin("svcstop", &["deaf", "deaf"], "said");
    house.says("said", "Stopping ");
    Process::look(stop.id() as i32).unwrap().signal(Signal::SIGINT);
    assert_eq!(house.end(&mut stop), 1);
    let said = fs::read_to_string(house.lab("said")).unwrap();
    contains(&said, "FAILED: interrupted; the stop goes on in the supervisor\n");
    assert_eq!(said.matches("Stopping").count(), 1, "nothing more is begun: {said}");
    house.sandbox.down("deaf");
}

/// `svcstop` waits for what a new supervisor goes on with.
#[test]
fn a_supervisor_killed_meanwhile_makes_no_difference() {
    let house = House::new("stop-killed");
    house.service("deaf", DEAF, &[("timeout-kill", "2000")]);
    let house = house.scanned();
    house.done("svcstart", &["--settle", "0.1", "deaf"]);
    ready(&house, "deaf");
    let mut stop = house.begin("svcstop", &["deaf"], "said");
    house.says("said", ".");
    house.kill_supervisor();
    assert_eq!(house.end(&mut stop), 0, "{}", fs::read_to_string(house.lab("said")).unwrap());
    assert!(house.is_down("deaf"));
}

/// Each line is there before its service is waited for, in the order of the names.
#[test]
fn several_services_are_stopped_one_after_the_other() {
    let house = House::new("stop-several");
    for name in ["a", "b", "c"] {
        house.service(name, STAYS, &[]);
    }
    let house = house.scanned();
    house.done("svcstart", &["--settle", "0.1", "a", "b", "c"]);
    let out = house.done("svcstop", &["c", "a", "b"]);
    let lines = ["c", "a", "b"].map(|name| house.head("Stopping", name) + "OK\n");
    assert_eq!(out, lines.concat());
    assert!(["a", "b", "c"].iter().all(|name| house.is_down(name)));
}
