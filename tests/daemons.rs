//! Real daemons from Debian's packages, each with the run script an administrator would write
//! (`tests/daemons/NAME/`), controlled by `svcstart` and `svcstop`. Every file, socket and address is the
//! sandbox's own. What each test says of daemontools was seen with Debian's daemontools 0.76.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "daemons/service.rs"]
mod service;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use common::processes::Process;
use common::{Family, Sandbox};
use nix::sys::signal::Signal;
use service::{Owner, Service};

/// Runs a command of the test's own that must succeed.
fn must(mut command: Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn mariadb(owner: Owner, name: &'static str, from: &[&str]) -> Option<Service> {
    let programs = ["mysqld_safe", "mysqladmin", "mariadb", "mariadb-install-db"];
    let service = Service::install(owner, name, from, &programs)?;
    // Not /tmp: a mariadbd that starts removes the temporary tables of all others there.
    let [data, temporary] = ["data", "tmp"].map(|name| match owner {
        Owner::Root => service.directory_of("mysql", name),
        Owner::Ordinary => service.directory(name),
    });
    let mut install = service.sandbox.command("mariadb-install-db");
    install.args([
        "--no-defaults",
        "--skip-test-db",
        "--force", // also where the name of the host is unknown
        "--auth-root-authentication-method=normal",
    ]);
    install.arg(format!("--datadir={}", data.display())).arg(format!("--tmpdir={}", temporary.display()));
    if owner == Owner::Root {
        install.arg("--user=mysql");
    }
    must(install);
    Some(service.scanned())
}

fn sql(service: &Service, statement: &str) -> String {
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "--user=root", "--batch", "--skip-column-names"]);
    client.arg(format!("--socket={}", service.path("data/socket").display())).args(["-e", statement]);
    must(client)
}

const RECOVERY: &str = "crash recovery";

/// A stop must end in MariaDB's own clean shutdown, and the next start must have nothing to recover.
fn stops_mariadb_cleanly(service: &Service) {
    let said = service.start();
    assert!(said.out.contains("mysqld is alive"), "the start script has not pinged: {said:?}");
    sql(service, "CREATE DATABASE d; CREATE TABLE d.t (n INT); INSERT INTO d.t VALUES (42)");
    service.stop();
    service.assert_says("data/error.log", "mariadbd: Shutdown complete");
    let seen = service.read("data/error.log").len();

    service.start();
    assert_eq!(sql(service, "SELECT n FROM d.t"), "42\n");
    let second = service.read("data/error.log").split_off(seen);
    assert!(second.contains("ready for connections"), "{second}");
    assert!(!second.contains(RECOVERY), "{second}");
}

/// daemontools: `svc -d` ends the shell, `svstat` says down, and mysqld_safe and mariadbd run on below
/// init. The next `svc -u` repeats "A mysqld process already exists" every second.
#[test]
fn mariadb_by_mysqld_safe_without_exec_ends_cleanly() {
    let Some(service) = mariadb(Owner::Root, "mariadb", &["mariadb"]) else { return };
    stops_mariadb_cleanly(&service);

    // What an unclean end looks like, so that its absence above means something. mysqld_safe restarts it.
    // A page may have been written just before; then there is nothing to recover, and it is killed again.
    service.sandbox.wait_for("a killed mariadbd to need recovery", || {
        let before = service.read("data/error.log").len();
        sql(&service, "INSERT INTO d.t VALUES (43)");
        service.process("mariadbd").signal(Signal::SIGKILL);
        let log = service.sandbox.wait_for("mysqld_safe to restart a killed mariadbd", || {
            let log = service.read("data/error.log").split_off(before);
            if log.contains("ready for connections") { Ok(log) } else { Err(log) }
        });
        common::expect(log.contains(RECOVERY), log)
    });
    service.stop();
}

/// daemontools: `svc -d` ends the shell, `svstat` says down, and su, its shell, mysqld_safe and mariadbd
/// all run on. With `exec su` it ends su ("Session terminated, killing shell... ...killed.") after 2 s, and
/// the other three run on.
#[test]
fn mariadb_under_su_ends_cleanly() {
    let Some(service) = mariadb(Owner::Root, "mariadb-su", &["mariadb", "mariadb-su"]) else { return };
    stops_mariadb_cleanly(&service);
    service.stop();
}

/// Without root there may be no cgroup to write to; the fold is what descends from its root.
#[test]
fn mariadb_of_an_ordinary_user_ends_cleanly() {
    let Some(service) = mariadb(Owner::Ordinary, "mariadb-user", &["mariadb"]) else { return };
    stops_mariadb_cleanly(&service);
    service.stop();
}

/// A daemon that flushes for 10 s, in the ways `su` is written. daemontools: with exec, su kills its child
/// 2 s after its own TERM: `exec flushd` in the middle of flushing; otherwise the shell between them, and
/// flushd runs on, as it does without exec.
fn flushes_to_the_end(name: &'static str, command: &str) {
    let Some(service) = Service::install(Owner::Root, name, &["flush"], &["su", "runuser"]) else { return };
    let record = service.directory_of("nobody", "record").join("flush");
    service.write(
        "run",
        &format!("#!/bin/sh\nexec 2>&1\nFLUSHD=\"$PWD/flushd {}\"\n{command}\n", record.display()),
    );
    let service = service.scanned();
    service.start();
    service.sandbox.wait_for("flushd to be ready", || {
        let record = service.read("record/flush");
        common::expect(record == "ready\n", record)
    });
    let said = service.stop();
    let record = service.read("record/flush");
    assert!(record.ends_with("flushing, second 10\nflushed\n"), "cut short: {record}\n{said:?}");
    assert_eq!(record.matches("flushed").count(), 1, "{record}");
}

#[test]
fn su_by_exec_does_not_cut_the_flushing_short() {
    flushes_to_the_end("su-exec", r#"exec su - nobody -s /bin/sh -c "$FLUSHD""#);
}

#[test]
fn su_by_exec_and_exec_below_does_not_cut_the_flushing_short() {
    flushes_to_the_end("su-exec-exec", r#"exec su - nobody -s /bin/sh -c "exec $FLUSHD""#);
}

#[test]
fn su_without_exec_does_not_cut_the_flushing_short() {
    flushes_to_the_end("su-no-exec", r#"su - nobody -s /bin/sh -c "exec $FLUSHD""#);
}

#[test]
fn runuser_does_not_cut_the_flushing_short() {
    flushes_to_the_end("runuser", r#"exec runuser -l nobody -s /bin/sh -c "exec $FLUSHD""#);
}

fn slapd(name: &'static str) -> Option<Service> {
    let service = Service::install(Owner::Root, name, &["slapd"], &["slapd", "ldapwhoami"])?;
    service.directory_of("openldap", "data");
    service.own_address();
    Some(service.scanned())
}

#[test]
fn slapd_is_started_when_it_answers() {
    let Some(service) = slapd("slapd") else { return };
    let said = service.start();
    assert!(said.out.contains("anonymous"), "the start script has not asked: {said:?}");
    assert_eq!(service.process("slapd").pid, service.sandbox.up("slapd"));
    service.stop();
}

/// The start script asks at the wrong port. As with daemontools it is the script that takes the service
/// down again; here `svcstart` must say so, and nothing may be left.
#[test]
fn slapd_that_does_not_answer_is_not_started() {
    let Some(service) = slapd("slapd-mute") else { return };
    let start = service.read("start").replace("$(cat address)", "127.0.0.1:1").replace("left=15", "left=2");
    service.write("start", &start);
    let said = service.sandbox.run("svcstart", [service.name]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("Waiting for slapd to start.. (1)"), "{said:?}");
    assert!(said.out.contains("FAILED"), "{said:?}");
    service.sandbox.down(service.name);
    let left = service.processes();
    assert!(left.is_empty(), "{left:?}");
    assert!(service.sandbox.svstat(service.name).starts_with("down"));
}

fn apache(owner: Owner, name: &'static str, from: &[&str]) -> Option<(Service, String)> {
    let service = Service::install(owner, name, from, &["apache2"])?;
    service.write("www/index.html", "Hello from the fold\n");
    let address = service.own_address();
    Some((service.scanned(), address))
}

/// The page, and with it that the workers work.
fn page(service: &Service, address: &str) {
    use std::io::{Read, Write};
    service.sandbox.wait_for("Apache's page", || {
        let mut connection = std::net::TcpStream::connect(address).map_err(|error| error.to_string())?;
        let mut answer = String::new();
        connection
            .write_all(b"GET /index.html HTTP/1.0\r\n\r\n")
            .and_then(|()| connection.read_to_string(&mut answer))
            .map_err(|error| error.to_string())?;
        common::expect(answer.ends_with("Hello from the fold\n"), answer)
    });
}

/// daemontools: on TERM Apache's prefork signals its whole process group, and that is also supervise's and
/// svscan's: `svc -d` ends them all, and `svstat` says "supervise not running".
#[test]
fn apache_in_the_foreground_ends_with_its_workers() {
    let Some((service, address)) = apache(Owner::Root, "apache", &["apache"]) else { return };
    service.start();
    page(&service, &address);
    assert!(service.processes().len() > 1, "prefork has workers: {:?}", service.processes());
    service.stop();
    service.assert_says("error.log", "caught SIGTERM, shutting down");
}

/// daemontools: run ends at once with 0, and again every second ("httpd (pid 16214) already running"),
/// while `svstat` says up; after `svc -d` it says down, and Apache serves on.
fn daemonised_apache_ends(owner: Owner, name: &'static str) {
    let Some((service, address)) = apache(owner, name, &["apache", "apache-daemon"]) else { return };
    let mut before = String::new();
    for _ in 0..2 {
        service.start();
        page(&service, &address);
        let parent = service.read("run.pid");
        assert_ne!(parent, before, "it is still the first one");
        let reports = service.sandbox.reports();
        assert!(!reports.contains("already running"), "started twice\n{reports}");
        service.stop();
        service.assert_says("error.log", "caught SIGTERM, shutting down");
        before = parent;
    }
}

#[test]
fn apache_that_daemonises_is_up_and_ends_with_its_workers() {
    daemonised_apache_ends(Owner::Root, "apache-daemon");
}

#[test]
fn apache_of_an_ordinary_user_ends_with_its_workers() {
    daemonised_apache_ends(Owner::Ordinary, "apache-user");
}

/// A daemon whose parent ends before anybody has looked is found and told to end all the same, also where
/// descent is all that keeps a service together. Several at once, so that some of them are that quick.
#[test]
fn quick_daemons_of_an_ordinary_user_are_told_to_end() {
    let names =
        ["daemon-1", "daemon-2", "daemon-3", "daemon-4", "daemon-5", "daemon-6", "daemon-7", "daemon-8"];
    let sandbox = Sandbox::new("quick", Family::Ours).unwrap_or_else(|why| panic!("{why}")).unprivileged();
    let run = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/service/daemon/run");
    let run = fs::read_to_string(run).unwrap();
    names.iter().for_each(|name| sandbox.file(&format!("{name}/run"), &run));
    let _svscan = sandbox.scanner();
    for name in names {
        sandbox.wait_for("svscan to take the daemons up", || {
            let said = sandbox.run("svok", [name]);
            common::expect(said.code == 0, said)
        });
        let said = sandbox.run("svcstart", [sandbox.scan().join(name)]);
        assert_eq!(said.code, 0, "{said:?}");
    }
    for name in names {
        let said = sandbox.run("svcstop", [Path::new("-v"), &sandbox.scan().join(name)]);
        assert!(said.code == 0 && said.out.contains("told to end"), "{said:?}");
        assert!(!said.out.contains("killed"), "{said:?}");
    }
}

/// daemontools: `svc -d` ends the outer shell, and all that stands below setpriv runs on.
#[test]
fn setpriv_without_exec_leaves_nothing() {
    let Some(service) = Service::install(Owner::Root, "setpriv", &["setpriv"], &["setpriv", "setsid"]) else {
        return;
    };
    let service = service.scanned();
    service.start();
    service.sandbox.wait_for("both sleeps of nobody", || {
        let mut found = service.processes();
        found.retain(|process| process.command == "sleep");
        let nobody = |process: &Process| {
            fs::metadata(format!("/proc/{}", process.pid))
                .is_ok_and(|process| process.uid() == common::NOBODY)
        };
        common::expect(found.len() == 2 && found.iter().all(nobody), found)
    });
    service.stop();
}

/// The user does not exist. daemontools: `svstat` says up, 0 or 1 seconds, over and over; the message is
/// in readproctitle's line at the bottom of `ps`.
fn tells_that_the_user_is_missing(name: &'static str, command: &str, message: &str) {
    let program = command.split(' ').next().unwrap();
    let Some(service) = Service::install(Owner::Root, name, &[], &["su"]) else { return };
    service.write("run", &format!("#!/bin/sh\nexec {command}\n"));
    let service = service.scanned();
    let said = service.sandbox.run("svcstart", [service.name]);
    assert_eq!(said.code, 1, "{program}: {said:?}");
    let text = said.out + &said.err;
    assert!(text.contains("FAILED") && text.contains(message), "{program}: svcstart says {text}");
    let said = service.sandbox.run("pinfold", ["status", service.name]);
    assert!(said.out.contains(message), "{program}: status says {said:?}");
}

#[test]
fn setuidgid_to_a_missing_user_is_told() {
    tells_that_the_user_is_missing(
        "by-setuidgid",
        "setuidgid download sleep 1000",
        "unknown account download",
    );
}

#[test]
fn chpst_to_a_missing_user_is_told() {
    tells_that_the_user_is_missing(
        "by-chpst",
        "chpst -u download sleep 1000",
        "unknown user/group: download",
    );
}

#[test]
fn su_to_a_missing_user_is_told() {
    tells_that_the_user_is_missing("by-su", "su - download -c 'sleep 1000'", "user download does not exist");
}
