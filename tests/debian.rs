//! Service directories that Debian ships for runit, unmodified: of ssh, git-daemon and socklog. Each under our
//! `svscan`, controlled by Debian's `sv` and by ours; and under runit itself, to see that the test is right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "debian/login.rs"]
mod login;
#[path = "debian/machine.rs"]
mod machine;

use common::skipped;
use login::Login;
use machine::{Machine, Under};

macro_rules! under_each {
    ($($name:ident)*) => { $(
        mod $name {
            use super::machine::Under;

            #[test]
            fn under_runit() {
                super::$name(Under::Runit);
            }

            #[test]
            fn under_ours_by_debians_sv() {
                super::$name(Under::OursByDebiansSv);
            }

            #[test]
            fn under_ours_by_our_sv() {
                super::$name(Under::OursByOurSv);
            }
        }
    )* };
}

under_each! { ssh git_daemon socklog }

/// Who has logged in stays, whatever becomes of the daemon; and goes when everything ends.
fn ssh(under: Under) {
    let Some(machine) = Machine::new(under, "ssh", &["openssh-server"]) else { return };
    login::make_keys(&machine);
    machine.add("ssh");
    login::is_possible(&machine);
    let mut login = Login::open(&machine);
    if under != Under::Runit && !login.is_known() {
        return skipped("no login uid is set here, by which a login is known");
    }

    for disturb in [Machine::restart, Machine::crash] {
        disturb(&machine, "ssh");
        login.is_still_there();
        login::is_possible(&machine);
    }
    machine.stop("ssh");
    login.is_still_there();
    let refused = machine.sandbox.finish(login::ssh(&machine, &["true"]));
    assert!(refused.code == 255 && refused.err.contains("Connection refused"), "{refused:?}");
    machine.must("sv", &["start", "ssh"]);
    login::is_possible(&machine);

    let log = "/var/log/runit/ssh/current";
    machine.says(log, "Starting ssh...", 4);
    machine.says(log, "Accepted publickey for visitor", 4);
    machine.says(log, "ssh Stopped", 3);
    if under == Under::Runit {
        return machine.close();
    }
    let reports = machine.sandbox.reports();
    assert!(reports.contains(&format!("left alone: sh (pid {})", login.shell.pid)), "{reports}");
    let is_seen = machine.sandbox.processes().iter().any(|process| process.pid == login.shell.pid);
    assert!(is_seen, "it could be left without being seen");
    machine.close();
    login.ends();
}

fn git_daemon(under: Under) {
    let Some(machine) = Machine::new(under, "git", &["git-daemon-run"]) else { return };
    let repository = "cd /var/lib/git
        git init -q --bare hello.git
        touch hello.git/git-daemon-export-ok
        commit=$(git -C hello.git -c user.name=n -c user.email=e commit-tree -m hello $(git -C hello.git mktree </dev/null))
        git -C hello.git update-ref HEAD $commit
        chown -R gitdaemon: hello.git
        mkdir /clones";
    machine.must("sh", &["-euc", repository]);
    let mut clones = 0;
    let mut is_cloned = || {
        clones += 1;
        let to = format!("/clones/{clones}");
        machine.sandbox.wait_for("a clone", || {
            let said = machine.run("git", &["clone", "-q", "git://127.0.0.1/git/hello.git", &to]);
            common::expect(said.code == 0, said)
        });
        assert_eq!(machine.must("git", &["-C", &to, "log", "--format=%s"]), "hello\n");
    };

    machine.add("git-daemon");
    is_cloned();
    for disturb in [Machine::restart, Machine::crash] {
        disturb(&machine, "git-daemon");
        is_cloned();
    }
    let log = "/var/log/git-daemon/current";
    machine.says(log, "git-daemon starting.", 3);
    machine.says(log, "Request upload-pack for '/git/hello.git'", 3);

    machine.stop("git-daemon");
    let said = machine.run("git", &["ls-remote", "git://127.0.0.1/git/hello.git"]);
    assert!(said.code == 128 && said.err.contains("Connection refused"), "{said:?}");

    // The log service is one of its own, as with daemontools; runit's ends with the other.
    machine.must("update-service", &["--remove", "/etc/sv/git-daemon"]);
    for service in ["/etc/sv/git-daemon", "/etc/sv/git-daemon/log"] {
        machine.run("sv", &["stop", service]);
        machine.run("sv", &["exit", service]);
    }
    machine.sandbox.wait_for("the end of both", || {
        let said = machine.run("sv", &["status", "/etc/sv/git-daemon"]);
        let processes = machine.sandbox.processes();
        let is_over = said.code != 0 && processes.iter().all(|process| process.command != "svlogd");
        common::expect(is_over, (said, processes))
    });
    machine.close();
}

fn socklog(under: Under) {
    let Some(machine) = Machine::new(under, "socklog", &["socklog", "socklog-run"]) else { return };
    let (main, mail) = ("/var/log/runit/socklog/main/current", "/var/log/runit/socklog/mail/current");
    machine.add("socklog-unix");
    machine.add("socklog-inet");
    let log = |message: &str| {
        // its own check script asks whether it listens
        machine.must("sv", &["check", "socklog-unix"]);
        machine.must("logger", &["--priority", "mail.info", message]);
        machine.says(main, message, 1);
        machine.says(mail, message, 1);
    };
    log("the first message");
    machine.restart("socklog-unix");
    log("after a restart");
    machine.crash("socklog-unix");
    log("after a crash");
    machine.restart("socklog-unix/log");
    log("to another logger");
    machine.crash("socklog-unix/log");
    log("to a third logger");
    assert!(!machine.text("/var/log/runit/socklog/daemon/current").contains("message"));

    let inet = "/var/log/runit/socklog-inet/current";
    let send = ["--udp", "--server", "127.0.0.1", "--port", "514", "by the network"];
    machine.must("logger", &send);
    machine.says(inet, "127.0.0.1: user.notice: ", 1);
    machine.says(inet, "by the network", 1);
    machine.close();
}
