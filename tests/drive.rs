//! Everybody's commands drive everybody's supervisor: the family's protocol is a few files, and whoever
//! writes them right needs no other.
//!
//! Each scenario is run first with Debian's commands on Debian's supervisor. What they say of one another is
//! what our commands must say of theirs, and theirs of ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "drive/driver.rs"]
mod driver;

use driver::{Driver, Keeper};

/// One test for each pair of commands and supervisor.
macro_rules! pairs {
    ($scenario:ident: $($test:ident: $commands:ident on $keeper:ident;)*) => { $(
        #[test]
        fn $test() {
            if let Some(mut driver) = Driver::new(stringify!($test), common::Family::$commands, Keeper::$keeper) {
                $scenario(&mut driver);
            }
        }
    )* };
}

pairs! { svc_life:
    debians_svc_drives_debians_supervise: Daemontools on Supervise;
    debians_svc_drives_debians_svscan: Daemontools on Svscan;
    debians_svc_drives_runsv: Daemontools on Runsv;
    debians_svc_drives_our_supervise: Daemontools on OurSupervise;
    debians_svc_drives_our_svscan: Daemontools on OurSvscan;
    our_svc_drives_debians_supervise: Ours on Supervise;
    our_svc_drives_debians_svscan: Ours on Svscan;
    our_svc_drives_runsv: Ours on Runsv;
    our_svc_drives_our_supervise: Ours on OurSupervise;
    our_svc_drives_our_svscan: Ours on OurSvscan;
}

pairs! { sv_life:
    sv_drives_runsv: Runit on Runsv;
    sv_drives_our_supervise: Runit on OurSupervise;
    sv_drives_our_svscan: Runit on OurSvscan;
}

pairs! { sv_with_a_log:
    sv_shows_runsvs_log: Runit on Runsv;
    sv_shows_our_log: Runit on OurSvscan;
}

pairs! { exit:
    svc_x_ends_debians_supervise: Daemontools on Supervise;
    svc_x_ends_our_supervise: Daemontools on OurSupervise;
    our_svc_x_ends_debians_supervise: Ours on Supervise;
    our_svc_x_ends_runsv: Ours on Runsv;
    our_svc_x_ends_our_supervise: Ours on OurSupervise;
}

/// `svc`, `svstat` and `svok` through a service's whole life.
fn svc_life(driver: &mut Driver) {
    assert_eq!(driver.svok(), 100, "nobody is there yet");
    driver.svstat("unable to open supervise/ok: file does not exist");
    driver.start();
    driver.svstat("down N seconds");

    driver.svc("-u");
    driver.svstat("up (pid N) N seconds, normally down");
    let first = driver.pid_in_position();
    driver.svc("-p");
    driver.svstat("up (pid N) N seconds, normally down, paused");
    driver.pauses(first, true);
    driver.svc("-c");
    driver.svstat("up (pid N) N seconds, normally down");
    driver.pauses(first, false);

    for (option, signal) in [("-h", "HUP"), ("-a", "ALRM"), ("-i", "INT")] {
        driver.svc(option);
        driver.heard(first, signal);
    }
    driver.svc("-t");
    driver.heard(first, "TERM");
    let second = driver.pid_after(first);
    driver.svc("-k");
    let third = driver.pid_after(second);
    assert_eq!(driver.heard_by(second), "", "KILL is not heard");

    driver.svc("-d");
    driver.heard(third, "TERM");
    driver.svstat("down N seconds");
    driver.is_gone(third);

    driver.svc("-o");
    driver.svstat_one_of(driver.keeper.once());
    let once = driver.pid_in_position();
    driver.svc("-k");
    driver.svstat("down N seconds");
    driver.is_gone(once);

    driver.svc("-uk");
    let killed_first = driver.pid_in_position();
    driver.svc("-dk");
    driver.svstat("down N seconds");
    driver.is_gone(killed_first);
    assert_eq!(driver.svok(), 0);
}

/// `x` together with `d`: the supervisor ends when the service has; not before, and not without.
fn exit(driver: &mut Driver) {
    driver.start();
    driver.svc("-u");
    let pid = driver.pid_in_position();
    driver.svc("-dx");
    driver.heard(pid, "TERM");
    assert_eq!(driver.supervisor_ended(), 0);
    driver.is_gone(pid);
    assert_eq!(driver.svok(), 100);
    driver.svstat("supervise not running");
}

/// `sv` with its own waiting for what was asked.
fn sv_life(driver: &mut Driver) {
    driver.start();
    driver.sv("status", "down: ./squid: Ns");
    driver.sv("up", "ok: run: ./squid: (pid N) Ns, normally down");
    let first = driver.pid_in_position();
    driver.sv("status", "run: ./squid: (pid N) Ns, normally down");
    driver.sv("pause", "ok: run: ./squid: (pid N) Ns, normally down, paused");
    driver.pauses(first, true);
    driver.sv("cont", "ok: run: ./squid: (pid N) Ns, normally down");
    driver.pauses(first, false);
    for (command, signal) in [
        ("hup", "HUP"),
        ("alarm", "ALRM"),
        ("interrupt", "INT"),
        ("quit", "QUIT"),
        ("1", "USR1"),
        ("2", "USR2"),
    ] {
        driver.sv(command, "ok: run: ./squid: (pid N) Ns, normally down");
        driver.heard(first, signal);
    }
    driver.sv("term", "ok: run: ./squid: (pid N) Ns, normally down");
    driver.heard(first, "TERM");
    let second = driver.pid_after(first);
    driver.sv("kill", "ok: run: ./squid: (pid N) Ns, normally down");
    let third = driver.pid_after(second);
    driver.sv("down", "ok: down: ./squid: Ns");
    driver.heard(third, "TERM");
    driver.is_gone(third);

    // `sv` takes "down" for an answer within the second in which it became so, and "run" likewise.
    driver.a_second_later();
    driver.sv("once", "ok: run: ./squid: (pid N) Ns, normally down, want down");
    let once = driver.pid_in_position();
    driver.a_second_later();
    driver.sv("kill", "ok: down: ./squid: Ns");
    driver.sv_until("status", "down: ./squid: Ns");
    driver.is_gone(once);

    driver.sv("start", "ok: run: ./squid: (pid N) Ns, normally down");
    let started = driver.pid_in_position();
    driver.sv("check", "ok: run: ./squid: (pid N) Ns, normally down");
    driver.sv("reload", "ok: run: ./squid: (pid N) Ns, normally down");
    driver.heard(started, "HUP");
    driver.sv("restart", "ok: run: ./squid: (pid N) Ns, normally down");
    let restarted = driver.pid_after(started);
    driver.sv("try-restart", "ok: run: ./squid: (pid N) Ns, normally down");
    let again = driver.pid_after(restarted);
    driver.sv("stop", "ok: down: ./squid: Ns");
    driver.is_gone(again);
    driver.sv("force-stop", "ok: down: ./squid: Ns");
}

/// The log service is shown beside its service.
fn sv_with_a_log(driver: &mut Driver) {
    driver.add_log();
    driver.start();
    driver.sv_until("status", "down: ./squid: Ns; run: log: (pid N) Ns");
    driver.sv("up", "ok: run: ./squid: (pid N) Ns, normally down");
    driver.sv_until("status", "run: ./squid: (pid N) Ns, normally down; run: log: (pid N) Ns");
    driver.logged("ready");
    driver.sv("down", "ok: down: ./squid: Ns");
    driver.sv_until("status", "down: ./squid: Ns; run: log: (pid N) Ns");
}
