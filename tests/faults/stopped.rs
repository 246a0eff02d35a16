//! Guardian or supervisor stopped for a while (SIGSTOP, a debugger, a machine that swaps): nobody takes their place,
//! what is asked of them meanwhile is done afterwards.

use std::fs;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use pinfold::machine::Phase;

use super::common::expect;
use super::ordeal::Ordeal;

#[test]
fn a_stopped_supervisor() {
    let ordeal = Ordeal::new("stopped", &["dies", "is-stopped", "other"]);
    let pids = ["dies", "is-stopped", "other"].map(|service| ordeal.sandbox.up(service));
    ordeal.supervisor.signal(Signal::SIGSTOP);
    ordeal.state(ordeal.supervisor.pid, 'T');
    ordeal.process(pids[0]).signal(Signal::SIGKILL);
    ordeal.svc("-d", "is-stopped");
    ordeal.sandbox.file("late/run", super::scene::STAYS);
    ordeal.while_it_lasts();
    ordeal.unharmed();
    // commands that wait do so for a bounded time, and views do not wait at all
    let said = ordeal.sandbox.run("svcstop", ["-w", "0.5", ordeal.path("other").to_str().unwrap()]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("left"), "{said:?}");
    let said = ordeal.sandbox.run("pinfold", ["status"]);
    assert!(said.out.contains("other"), "{said:?}");
    assert!(ordeal.process(pids[2]).is_alive());
    ordeal.supervisor.signal(Signal::SIGCONT);
    ordeal.other("dies", pids[0]);
    for service in ["is-stopped", "other"] {
        ordeal.sandbox.down(service);
    }
    ordeal.started("late");
    ordeal.over(&["dies", "is-stopped", "other", "late"]);
}

/// Longer than any deadline of a start, a retry or a look at a name.
#[test]
fn a_supervisor_that_is_stopped_for_a_minute() {
    let services = ["dies", "is-stopped", "is-restarted", "crashes", "other"];
    let ordeal = Ordeal::new("minute", &services);
    let pids = services.map(|service| ordeal.sandbox.up(service));
    fs::write(ordeal.path("crashes/run"), "#!/bin/sh\necho $$ >>starts\nexit 1\n").unwrap();
    ordeal.svc("-t", "crashes");
    ordeal.phase("crashes", "to wait for its next start", |phase| matches!(phase, Phase::Backoff { .. }));
    ordeal.supervisor.signal(Signal::SIGSTOP);
    ordeal.state(ordeal.supervisor.pid, 'T');
    let starts = ordeal.starts("crashes");
    ordeal.process(pids[0]).signal(Signal::SIGKILL);
    ordeal.svc("-d", "is-stopped");
    ordeal.svc("-t", "is-restarted");
    ordeal.sandbox.file("late/run", super::scene::STAYS);
    thread::sleep(Duration::from_secs(61)); // bounded: the fault itself
    ordeal.unharmed();
    assert!(ordeal.process(pids[1]).is_alive() && ordeal.process(pids[2]).is_alive());
    assert_eq!(ordeal.starts("crashes"), starts);
    ordeal.supervisor.signal(Signal::SIGCONT);
    ordeal.other("dies", pids[0]);
    ordeal.sandbox.down("is-stopped");
    ordeal.other("is-restarted", pids[2]);
    ordeal.started("late");
    // one start is due, not all those that there was no time for
    ordeal.count("crashes/starts", starts + 1);
    fs::write(ordeal.path("crashes/run"), super::scene::STAYS).unwrap();
    assert!(ordeal.starts("crashes") <= starts + 3, "{}", ordeal.starts("crashes"));
    assert_eq!(ordeal.sandbox.up("other"), pids[4]);
    ordeal.over(&["dies", "is-stopped", "is-restarted", "crashes", "other", "late"]);
}

#[test]
fn a_stopped_guardian() {
    let ordeal = Ordeal::new("stopped-guardian", &["squid", "adopted"]);
    // those whose parent the guardian is
    let adopted = ordeal.sandbox.up("adopted");
    ordeal.lose_supervisor();
    let supervisor = ordeal.supervisor();
    ordeal.guardian.signal(Signal::SIGSTOP);
    ordeal.state(ordeal.guardian.pid, 'T');
    ordeal.works("squid");
    for n in 0..50 {
        let late = format!("late{n}");
        ordeal.sandbox.file(&format!("{late}/run"), super::scene::STAYS);
        ordeal.started(&late);
    }
    // it can't be reaped, so that it can't be known how it ended; nothing is started beside a zombie's fold
    ordeal.process(adopted).signal(Signal::SIGKILL);
    ordeal.sandbox.wait_for("its end", || {
        let process = super::common::processes::Process::look(adopted);
        expect(process.as_ref().is_none_or(|process| process.state == 'Z'), process)
    });
    ordeal.guardian.signal(Signal::SIGCONT);
    ordeal.other("adopted", adopted);
    assert_eq!(ordeal.supervisor().pid, supervisor.pid);
    // what it was to keep meanwhile it keeps
    ordeal.kill(&supervisor);
    ordeal.supervisor_after(&supervisor);
    for n in 0..50 {
        assert_eq!(ordeal.starts(&format!("late{n}")), 1);
    }
    ordeal.works("late7");
    ordeal.works("squid");
    ordeal.works("adopted");
    ordeal.scene.close();
}

/// A command given to a stopped supervisor whose successor carries it out.
#[test]
fn what_a_killed_supervisor_has_not_read_is_read_by_the_next() {
    let ordeal = Ordeal::new("unread", &["squid"]);
    ordeal.supervisor.signal(Signal::SIGSTOP);
    ordeal.state(ordeal.supervisor.pid, 'T');
    fs::write(ordeal.path("squid/supervise/control"), "d").unwrap();
    ordeal.kill(&ordeal.supervisor);
    ordeal.sandbox.down("squid");
    ordeal.works("squid");
    ordeal.scene.close();
}
