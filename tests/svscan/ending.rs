//! How all of it ends: in order, at once, and in spite of everything.

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use pinfold::machine::{Leader, Phase};

use super::common::cgroups::Hierarchy;
use super::common::processes::Process;
use super::common::{expect, is_root, skipped};
use super::scene::{COUNTS, LOGS, STARTED, STAYS, Scene, assert_counted};

/// Says three lines when it is told to end, and takes its time until `go` is there.
const LAST_WORDS: &str = r#"#!/bin/sh
trap 'echo told >>told; while [ ! -e go ]; do sleep 0.05; done; echo one; echo two; echo three; echo service >>order; exit 0' TERM
echo $$ >>starts
echo zero
while :; do sleep 0.05; done
"#;

/// Slow, and does not end before its input does.
const SLOW_LOGGER: &str = r#"#!/bin/sh
trap 'echo TERM >>../order' TERM
while read -r line; do sleep 0.3; echo "$line" >>../logged; done
echo logger >>../order
"#;

#[test]
fn services_end_before_their_loggers_and_every_line_is_kept() {
    let mut scene = Scene::new("order");
    scene.sandbox.file("squid/run", LAST_WORDS);
    scene.sandbox.file("squid/log/run", SLOW_LOGGER);
    scene.sandbox.file("counts/run", COUNTS);
    scene.sandbox.file("counts/log/run", LOGS);
    scene.sandbox.file("plain/run", STAYS);
    scene.open();
    scene.started("squid");
    scene.line("squid/logged", "zero");
    scene.count("counts/logged", 100);
    scene.guardian().signal(Signal::SIGTERM);
    scene.line("squid/told", "told");
    // the logger waits for its service
    assert!(scene.sandbox.up("squid/log") != 0);
    scene.touch("squid/go");
    assert_eq!(scene.scanner.as_mut().unwrap().ended(), 0, "{}", scene.sandbox.reports());
    assert_eq!(scene.lines("squid/logged"), ["zero", "one", "two", "three"]);
    assert_eq!(scene.lines("squid/order"), ["service", "logger"]);
    assert!(assert_counted(&scene.text("counts/logged")) > 100);
    assert_eq!(scene.starts("squid"), 1, "nothing is restarted meanwhile");
    scene.nothing_left();
}

/// Ignores TERM and says so; only KILL ends it.
pub(crate) const STUBBORN: &str =
    "#!/bin/sh\ntrap 'echo told >>told' TERM\necho $$ >>starts\nwhile :; do sleep 0.05; done\n";

#[test]
fn a_second_term_kills_what_is_left() {
    let mut scene = Scene::new("second-term");
    scene.sandbox.file("squid/run", STUBBORN);
    scene.sandbox.file("squid/timeout-kill", "0\n");
    scene.open();
    let process = scene.process(scene.started("squid"));
    scene.guardian().signal(Signal::SIGTERM);
    scene.line("squid/told", "told");
    assert!(process.is_alive());
    scene.guardian().signal(Signal::SIGTERM);
    assert_eq!(scene.scanner.as_mut().unwrap().ended(), 0);
    assert!(!process.is_alive());
    scene.nothing_left();
}

#[test]
fn an_interrupt_from_the_terminal_is_one_and_not_two() {
    let mut scene = Scene::new("interrupt");
    scene.sandbox.file("squid/run", LAST_WORDS);
    scene.sandbox.file("squid/log/run", LOGS);
    scene.open();
    scene.started("squid");
    // what a terminal does at ^C: everybody in the foreground group
    signal::killpg(Pid::from_raw(scene.guardian().pid), Signal::SIGINT).unwrap();
    scene.line("squid/told", "told");
    scene.touch("squid/go");
    assert_eq!(scene.scanner.as_mut().unwrap().ended(), 0);
    assert_eq!(scene.said(&["second time"]), 0, "{}", scene.sandbox.reports());
    assert_eq!(scene.lines("squid/logged"), ["zero", "one", "two", "three"]);
    scene.nothing_left();
}

#[test]
fn a_supervisor_killed_over_the_stop_is_followed_by_one_that_goes_on_with_it() {
    let mut scene = Scene::new("killed-over-it");
    scene.sandbox.file("squid/run", LAST_WORDS);
    scene.sandbox.file("squid/log/run", LOGS);
    scene.sandbox.file("plain/run", STAYS);
    scene.open();
    scene.started("squid");
    scene.started("plain");
    scene.guardian().signal(Signal::SIGTERM);
    scene.line("squid/told", "told");
    scene.sandbox.wait_for("the plain one to be forgotten", || {
        let record = scene.record("plain");
        expect(record.is_none(), record)
    });
    scene.lose_supervisor();
    scene.touch("squid/go");
    assert_eq!(scene.scanner.as_mut().unwrap().ended(), 0, "{}", scene.sandbox.reports());
    assert_eq!(scene.lines("squid/logged"), ["zero", "one", "two", "three"]);
    assert_eq!(scene.starts("plain"), 1, "what had been stopped stays so");
    assert_eq!(scene.starts("squid"), 1);
    scene.nothing_left();
}

#[test]
fn loggers_end_by_their_input_also_when_their_service_is_forgotten_already() {
    let mut scene = Scene::new("logger-alone");
    scene.sandbox.file("squid/run", "#!/bin/sh\necho $$ >>starts\necho one\necho two\nexec sleep 1000000\n");
    scene.sandbox.file(
        "squid/log/run",
        "#!/bin/sh\ntrap 'echo TERM >>../order' TERM\nwhile read -r line; do\n echo \"$line\" >>../logged\n \
         while [ ! -e ../go ]; do sleep 0.05; done\ndone\necho logger >>../order\n",
    );
    scene.open();
    scene.started("squid");
    scene.line("squid/logged", "one");
    scene.guardian().signal(Signal::SIGTERM);
    scene.sandbox.wait_for("the service to be forgotten", || {
        let record = scene.record("squid");
        expect(record.is_none(), record)
    });
    scene.lose_supervisor();
    scene.touch("squid/go");
    assert_eq!(scene.scanner.as_mut().unwrap().ended(), 0, "{}", scene.sandbox.reports());
    assert_eq!(scene.lines("squid/logged"), ["one", "two"]);
    scene.nothing_left();
}

#[test]
fn told_to_end_while_it_is_just_starting() {
    for _ in 0..10 {
        let mut scene = Scene::new("early");
        scene.sandbox.file("squid/run", STAYS);
        scene.open();
        scene.sandbox.wait_for("a lock", || expect(scene.run().join("lock").exists(), "none"));
        scene.supervisor();
        scene.guardian().signal(Signal::SIGTERM);
        assert_eq!(scene.scanner.as_mut().unwrap().ended(), 0, "{}", scene.sandbox.reports());
        scene.nothing_left();
    }
}

/// A service in every phase it can be in.
fn one_of_each(scene: &mut Scene) {
    let daemons = "#!/bin/sh\nfor n in 1 2; do setsid sleep 1000000 & done\nsleep 0.2\n";
    for (path, content) in [
        ("paused/run", STAYS),
        ("starting/run", STAYS),
        ("starting/notification-fd", "3\n"),
        ("finishing/run", STAYS),
        ("finishing/finish", "#!/bin/sh\necho $$ >>finishes\nexec sleep 1000000\n"),
        ("finishing/timeout-finish", "1500\n"),
        ("backoff/run", "#!/bin/sh\nexit 1\n"),
        ("failed/run", "#!/bin/sh\nexit 1\n"),
        ("failed/finish", "#!/bin/sh\nexit 125\n"),
        ("headless/run", daemons),
        ("stubborn/run", STUBBORN),
        ("stubborn/timeout-kill", "1500\n"),
        ("missing/env/WORD", "no run here"),
        ("down/run", STAYS),
        ("down/down", ""),
        ("logged/run", COUNTS),
        ("logged/log/run", LOGS),
    ] {
        scene.sandbox.file(path, content);
    }
    scene.open();
    for service in ["paused", "starting", "finishing", "stubborn"] {
        scene.started(service);
    }
    scene.svc("-p", "paused");
    scene.paused(scene.sandbox.up("paused"));
    scene.svc("-t", "finishing");
    scene.count("finishing/finishes", 1);
    scene.phase("headless", "led by nobody", |phase| {
        matches!(phase, Phase::Ready { leader: Leader::Nobody, .. })
    });
    scene.phase("failed", "failed", |phase| matches!(phase, Phase::Failed { .. }));
    scene.recorded("backoff", "dying", |record| record.state.quick_deaths > 0);
    scene.count("logged/logged", 10);
}

#[test]
fn whatever_a_service_is_doing_it_ends() {
    let mut scene = Scene::new("each");
    one_of_each(&mut scene);
    scene.end();
    assert_counted(&scene.text("logged/logged"));
    assert_eq!(scene.starts("finishing"), 1);
}

#[test]
fn supervisors_killed_over_and_over_do_not_keep_it_from_ending() {
    let mut scene = Scene::new("each-storm");
    one_of_each(&mut scene);
    scene.guardian().signal(Signal::SIGTERM);
    for _ in 0..3 {
        let guardian = scene.guardian();
        let is_over = || Process::look(guardian.pid).is_none_or(|now| now.state == 'Z');
        let supervisor = scene.sandbox.wait_for("a supervisor, or the end", || {
            let all = Process::all().into_iter();
            let mut ours = all.filter(|one| one.parent == guardian.pid && one.command == "pinfold");
            match ours.find(|one| one.state != 'Z') {
                Some(supervisor) => Ok(Some(supervisor)),
                None => expect(is_over(), "neither").map(|()| None),
            }
        });
        supervisor.inspect(|supervisor| scene.kill(supervisor));
    }
    assert_eq!(scene.scanner.as_mut().unwrap().ended(), 0, "{}", scene.sandbox.reports());
    assert_counted(&scene.text("logged/logged"));
    for service in ["paused", "starting", "stubborn", "finishing"] {
        assert_eq!(scene.starts(service), 1, "{service} was started again\n{}", scene.sandbox.reports());
    }
    assert_eq!(scene.starts("down"), 0);
    scene.nothing_left();
}

/// A logger that has gone by itself must not be waited for in place of one that has to be told.
#[test]
fn a_logger_that_reads_no_end_of_file_is_told_also_after_others_have_gone() {
    let mut scene = Scene::new("deaf-logger");
    scene.sandbox.file("first/run", STAYS);
    scene.sandbox.file("first/log/run", "#!/bin/sh\nexec cat >/dev/null\n");
    let slow = "#!/bin/sh\ntrap 'sleep 1; exit' TERM\necho $$ >>starts\nwhile :; do sleep 0.05; done\n";
    scene.sandbox.file("second/run", slow);
    scene.sandbox.file("second/log/run", "#!/bin/sh\necho $$ >>starts\nexec sleep 1000000 </dev/null\n");
    scene.open();
    for service in ["first", "second", "second/log"] {
        scene.started(service);
    }
    scene.end();
}

/// People who were set aside at a restart end with everything: told first, as at the end of a session, and killed if
/// they do not heed it.
#[test]
fn people_are_told_before_they_are_killed() {
    let mut scene = Scene::new("people");
    let person = |name: &str, traps: &str| {
        format!(
            "sh -c 'echo 12345 >/proc/self/loginuid && {traps} && echo $$ >{name} && while :; do sleep 0.1; done' >/dev/null 2>&1 &\n"
        )
    };
    let polite = person("polite", "trap \"echo told >>told; exit\" TERM HUP");
    let shell = person("shell", "trap \"\" TERM && trap \"echo hung up >>told; exit\" HUP");
    let deaf = person("deaf", "trap \"\" TERM HUP");
    let run = format!("{STARTED}[ -e shell ] || {{ {polite}{shell}{deaf}:; }}\nexec sleep 1000000\n");
    scene.sandbox.file("squid/run", &run);
    scene.open();
    let squid = scene.started("squid");
    let login_uid = format!("/proc/{squid}/loginuid");
    let can_be_set = is_root() && std::fs::read_to_string(&login_uid).is_ok_and(|uid| uid == "4294967295");
    if !can_be_set || Hierarchy::find(true).is_none() {
        return skipped("needs root, cgroup v2 and a login uid that is not set");
    }
    let names = ["polite", "shell", "deaf"];
    let people = names.map(|name| {
        let pid = scene.count(&format!("squid/{name}"), 1)[0].parse().unwrap();
        scene.process(pid)
    });
    scene.svc("-t", "squid");
    scene.other("squid", squid);
    assert!(people.iter().all(Process::is_alive), "{}", scene.sandbox.reports());
    scene.svc("-d", "squid");
    scene.sandbox.down("squid");
    assert!(people.iter().all(Process::is_alive), "{}", scene.sandbox.reports());
    // who says all does not mean them, and is told so
    let path = scene.path("squid").display().to_string();
    let said = scene.sandbox.run("svcstop", ["--all", &path]);
    for person in &people {
        let named = format!("\n  left alone: {} sh, a login's", person.pid);
        assert!(said.code == 0 && said.out.contains(&named), "{said:?}");
    }
    assert!(people.iter().all(Process::is_alive), "{}", scene.sandbox.reports());
    scene.end();
    let mut told = scene.lines("squid/told");
    told.sort();
    assert_eq!(told, ["hung up", "told"]);
    assert!(!people.iter().any(Process::is_alive));
}
