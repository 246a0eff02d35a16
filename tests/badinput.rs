//! What administrators, packages and full disks do to a supervisor: each is told in clear words (what was
//! tried, on which path, why it failed), nothing is lost, nothing crashes, and no other service has to wait.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "badinput/full.rs"]
mod full;
#[path = "badinput/yard.rs"]
mod yard;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use common::processes::Process;
use common::{Family, expect, is_root, skipped};
use nix::sys::stat::Mode;
use yard::{SOUND, Yard};

fn fifo(path: &Path) {
    nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o777)).unwrap();
}

/// What is wrong with a service, how it is put right, and what is said meanwhile.
struct Fault {
    name: &'static str,
    spoil: fn(&Path),
    cure: fn(&Path),
    words: &'static [&'static str],
}

/// All faults at once beside a sound service; each is named, cured, and then runs by itself.
fn all_named_and_cured(label: &str, faults: &[Fault]) {
    let mut yard = Yard::new(label);
    for fault in faults {
        yard.sandbox.directory(&yard.path(fault.name));
        (fault.spoil)(&yard.path(fault.name));
    }
    yard.open();
    faults.iter().for_each(|fault| yard.says(fault.name, fault.words));
    yard.sound_works();
    for fault in faults {
        (fault.cure)(&yard.path(fault.name));
    }
    // By itself, or when it is told to: whichever was promised, it must not stay down for ever.
    for fault in faults {
        yard.sandbox.run("svc", ["-u", fault.name]);
        yard.runs(fault.name);
    }
    yard.close();
}

fn good_run(service: &Path) {
    let run = service.join("run");
    let _ = fs::remove_dir(&run);
    let _ = fs::remove_file(&run);
    fs::write(service.join("new"), SOUND).unwrap();
    fs::set_permissions(service.join("new"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(service.join("new"), run).unwrap();
}

fn odd_run(service: &Path, content: &str, mode: u32) {
    fs::write(service.join("run"), content).unwrap();
    fs::set_permissions(service.join("run"), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn programs_that_cannot_be_run() {
    all_named_and_cured(
        "programs",
        &[
            Fault { name: "empty-directory", spoil: |_| (), cure: good_run, words: &["run", "no such file"] },
            Fault {
                name: "run-is-a-directory",
                spoil: |service| fs::create_dir(service.join("run")).unwrap(),
                cure: good_run,
                words: &["run-is-a-directory/run", "is a directory"],
            },
            Fault {
                name: "not-executable",
                spoil: |service| odd_run(service, SOUND, 0o644),
                cure: |service| {
                    fs::set_permissions(service.join("run"), fs::Permissions::from_mode(0o755)).unwrap()
                },
                words: &["not-executable/run", "permission denied", "chmod"],
            },
            Fault {
                name: "bad-interpreter",
                spoil: |service| odd_run(service, "#!/nonexistent/shell\n", 0o755),
                cure: good_run,
                words: &["bad-interpreter/run", "/nonexistent/shell"],
            },
            Fault {
                name: "dos-line-ends",
                spoil: |service| odd_run(service, "#!/bin/sh\r\nexec sleep 1000\r\n", 0o755),
                cure: good_run,
                words: &["dos-line-ends/run", "has DOS line ends"],
            },
            Fault {
                name: "empty-file",
                spoil: |service| odd_run(service, "", 0o755),
                cure: good_run,
                words: &["empty-file/run", "#!/bin/sh"],
            },
            Fault {
                name: "dangling-run",
                spoil: |service| symlink("nowhere", service.join("run")).unwrap(),
                cure: good_run,
                words: &["run", "link"],
            },
            Fault {
                name: "fifo-run",
                spoil: |service| fifo(&service.join("run")),
                cure: good_run,
                words: &["fifo-run/run", "not a regular file"],
            },
        ],
    );
}

/// A sound service with a setting.
fn setting(service: &Path, name: &str, content: &[u8]) {
    good_run(service);
    fs::write(service.join(name), content).unwrap();
}

#[test]
fn settings_that_cannot_be_read() {
    fn without_it(service: &Path) {
        let path = service.join("timeout-kill");
        let _ = fs::remove_dir(&path);
        let _ = fs::remove_file(&path);
    }
    let mut faults = vec![
        Fault {
            name: "malformed",
            spoil: |service| setting(service, "timeout-kill", b"soon\n"),
            cure: without_it,
            words: &["timeout-kill", "line 1", "soon", "milliseconds"],
        },
        Fault {
            name: "binary",
            spoil: |service| setting(service, "timeout-kill", b"\0\xff\x1b[2J"),
            cure: without_it,
            words: &["timeout-kill", "line 1", "milliseconds"],
        },
        Fault {
            name: "endless",
            spoil: |service| setting(service, "timeout-kill", &vec![b'9'; 1 << 20]),
            cure: without_it,
            words: &["timeout-kill"],
        },
        Fault {
            name: "directory",
            spoil: |service| {
                good_run(service);
                fs::create_dir(service.join("timeout-kill")).unwrap();
            },
            cure: without_it,
            words: &["timeout-kill", "directory"],
        },
        Fault {
            name: "fifo",
            spoil: |service| {
                good_run(service);
                fifo(&service.join("timeout-kill"));
            },
            cure: without_it,
            words: &["timeout-kill"],
        },
        Fault {
            name: "dangling",
            spoil: |service| {
                good_run(service);
                symlink("nowhere", service.join("timeout-kill")).unwrap();
            },
            cure: without_it,
            words: &["timeout-kill"],
        },
    ];
    if !is_root() {
        faults.push(Fault {
            name: "unreadable",
            spoil: |service| {
                setting(service, "timeout-kill", b"1000\n");
                fs::set_permissions(service.join("timeout-kill"), fs::Permissions::from_mode(0o000)).unwrap();
            },
            cure: without_it,
            words: &["timeout-kill", "denied"],
        });
    }
    all_named_and_cured("settings", &faults);
}

#[test]
fn a_running_service_is_not_disturbed_by_a_bad_setting() {
    let mut yard = Yard::new("disturbed");
    yard.sandbox.file("squid/run", SOUND);
    yard.open();
    let pid = yard.runs("squid");
    yard.sandbox.file("squid/timeout-kill", "soon\n");
    yard.sandbox.run("svc", ["-u", "squid"]);
    yard.sandbox.run("svc", ["-p", "squid"]);
    yard.sandbox.run("svc", ["-c", "squid"]);
    yard.sound_works();
    assert_eq!(yard.runs("squid"), pid);
    // It is told of, but does as it is told.
    yard.sandbox.run("svc", ["-t", "squid"]);
    yard.says("squid", &["timeout-kill", "soon"]);
    yard.sandbox.run("svc", ["-d", "squid"]);
    yard.sandbox.down("squid");
    yard.close();
}

#[test]
fn supervise_directories_that_are_none() {
    fn sound_again(service: &Path) {
        let _ = fs::remove_file(service.join("supervise"));
        let _ = fs::remove_dir_all(service.join("supervise"));
    }
    fn with(service: &Path, spoil: impl Fn(&Path)) {
        good_run(service);
        fs::create_dir(service.join("supervise")).unwrap();
        spoil(&service.join("supervise"));
    }
    all_named_and_cured(
        "supervise",
        &[
            Fault {
                name: "supervise-is-a-file",
                spoil: |service| setting(service, "supervise", b""),
                cure: sound_again,
                words: &["supervise", "directory"],
            },
            Fault {
                name: "control-is-a-file",
                spoil: |service| with(service, |supervise| fs::write(supervise.join("control"), "").unwrap()),
                cure: sound_again,
                words: &["supervise/control"],
            },
            Fault {
                name: "lock-is-a-directory",
                spoil: |service| with(service, |supervise| fs::create_dir(supervise.join("lock")).unwrap()),
                cure: sound_again,
                words: &["supervise/lock", "directory"],
            },
        ],
    );
}

/// Told of or put right, but not taken for a status.
#[test]
fn a_status_that_is_a_directory() {
    let mut yard = Yard::new("status");
    yard.sandbox.file("squid/run", SOUND);
    yard.sandbox.directory(&yard.path("squid/supervise/status/in-the-way"));
    yard.open();
    yard.sandbox.wait_for("the status, or a word about it", || {
        let (status, reports) = (yard.sandbox.status("squid"), yard.sandbox.reports());
        let told = reports.lines().any(|line| line.contains("squid: ") && line.contains("supervise/status"));
        expect(status.is_some() || told, reports)
    });
    yard.sound_works();
    let _ = fs::remove_dir_all(yard.path("squid/supervise/status"));
    let _ = fs::remove_dir_all(yard.path("squid/supervise/status.new"));
    yard.runs("squid");
    yard.sandbox.run("svc", ["-d", "squid"]);
    yard.sandbox.down("squid");
    yard.close();
}

#[test]
fn names_that_are_hard_to_say() {
    let mut yard = Yard::new("names");
    let long = "n".repeat(255);
    let names = ["new\nline", "-d", " space ", "per%cent", "squid.log", "cgroup.procs", "ünï", &long];
    for name in names {
        yard.sandbox.file(&format!("{name}/run"), SOUND);
        yard.sandbox.file(&format!("{name}/log/run"), "#!/bin/sh\nexec cat >/dev/null\n");
    }
    // Not even a name in any encoding.
    let raw = yard.sandbox.scan().join(std::ffi::OsStr::from_bytes(b"raw\xff"));
    fs::create_dir(&raw).unwrap();
    good_run(&raw);
    yard.open();
    for name in names {
        yard.runs(name);
        yard.runs(&format!("{name}/log"));
        let said = yard.sandbox.run("svstat", [yard.path(name)]);
        assert!(said.out.contains("up (pid "), "{said:?}");
        yard.sandbox.run("svc", ["-d".as_ref(), yard.path(name).as_os_str()]);
        yard.sandbox.down(name);
    }
    yard.sandbox.wait_for("raw", || {
        let status = common::Status::read(&raw);
        expect(status.as_ref().is_some_and(|status| status.pid != 0), status)
    });
    assert!(!yard.sandbox.reports().contains("new\nline"), "a name does not break a line");
    yard.close();
}

#[test]
fn links_that_lead_nowhere() {
    let mut yard = Yard::new("links");
    let scan = yard.sandbox.scan();
    symlink("/nonexistent/service", scan.join("dangling")).unwrap();
    symlink("loop", scan.join("loop")).unwrap();
    fs::write(scan.join("just-a-file"), "").unwrap();
    fs::create_dir(scan.join(".hidden")).unwrap();
    // Left by a reboot: what it pointed to was on a tmpfs.
    yard.sandbox.file("rebooted/run", SOUND);
    symlink(yard.sandbox.run_directory().join("from-before/rebooted"), yard.path("rebooted/supervise"))
        .unwrap();
    yard.open();
    yard.says("dangling", &["stat", "dangling"]);
    yard.says("loop", &["stat", "loop"]);
    yard.runs("rebooted");
    yard.sound_works();
    // And when it leads somewhere again, that is a service.
    let service = yard.sandbox.lab().join("service");
    fs::create_dir(&service).unwrap();
    good_run(&service);
    fs::remove_file(scan.join("dangling")).unwrap();
    symlink(&service, scan.join("dangling")).unwrap();
    yard.runs("dangling");
    let reports = yard.sandbox.reports();
    assert!(!reports.contains("just-a-file") && !reports.contains(".hidden"), "{reports}");
    yard.close();
}

#[test]
fn a_directory_that_vanishes() {
    let mut yard = Yard::new("vanishes");
    for name in ["running", "stopped"] {
        yard.sandbox.file(&format!("{name}/run"), SOUND);
    }
    yard.sandbox.file("stopped/down", "");
    yard.open();
    let pid = yard.runs("running");
    // its pid is shown from its birth on: without the directory it could not become `run` any more
    yard.sandbox.wait_for("the program to be executed", || {
        let process = Process::look(pid);
        expect(process.as_ref().is_some_and(|process| process.command == "sleep"), process)
    });
    let process = Process::look(pid).unwrap();
    fs::remove_dir_all(yard.path("running")).unwrap();
    fs::remove_dir_all(yard.path("stopped")).unwrap();
    yard.says("running", &["running"]);
    yard.sound_works();
    assert!(process.is_alive(), "what runs is not killed with its directory\n{}", yard.sandbox.reports());
    // The same names, other directories: new services, beside the one that still runs.
    yard.sandbox.file("stopped/run", SOUND);
    yard.runs("stopped");
    yard.close();
    assert!(!process.is_alive(), "but it ends with its supervisor");
}

#[test]
fn a_second_supervisor_is_refused() {
    let mut yard = Yard::new("second");
    yard.open();
    let pid = yard.runs("sound");
    let mut others = vec![(Family::Ours, "supervise", "sound", &["sound", "lock"][..])];
    others.push((Family::Ours, "svscan", ".", &["svscan"][..]));
    match Family::Daemontools.peer_directory() {
        Ok(_) => others.push((Family::Daemontools, "supervise", "sound", &["sound/supervise/lock"][..])),
        Err(why) => skipped(&why),
    }
    for (family, program, directory, words) in others {
        let mut command = yard.sandbox.command_of(family, program);
        command.arg(directory);
        let said = yard.sandbox.finish(command);
        assert_eq!(said.code, 111, "{family:?} {program}: {said:?}");
        let missing: Vec<_> = words.iter().filter(|word| !said.err.contains(**word)).collect();
        assert!(missing.is_empty(), "{family:?} {program}: no {missing:?} in {said:?}");
        assert_eq!(yard.runs("sound"), pid);
    }
    yard.sound_works();
    yard.close();
}

/// Somebody else's supervisor is respected, and its service taken over when it is gone.
#[test]
fn anothers_service_is_left_alone_and_taken_over_afterwards() {
    if let Err(why) = Family::Daemontools.peer_directory() {
        return skipped(&why);
    }
    let mut yard = Yard::new("others");
    yard.sandbox.file("squid/run", SOUND);
    let mut command = yard.sandbox.command_of(Family::Daemontools, "supervise");
    command.arg("squid");
    let mut original = yard.sandbox.start_command(command);
    let first = yard.runs("squid");
    yard.open();
    yard.says("squid", &["somebody else", "lock"]);
    yard.sound_works();
    assert_eq!(yard.runs("squid"), first);
    yard.sandbox.run("svc", ["-dx", "squid"]);
    assert_eq!(original.ended(), 0);
    yard.sandbox.wait_for("the service under the scanner", || {
        let status = yard.sandbox.status("squid");
        expect(status.as_ref().is_some_and(|now| now.pid != 0 && now.pid != first), status)
    });
    yard.close();
}

#[test]
fn scan_directories_that_are_none() {
    let yard = Yard::new("nowhere");
    fs::write(yard.path("a-file"), "").unwrap();
    for (directory, word) in [("missing", "missing"), ("a-file", "a-file")] {
        for program in ["svscan", "supervise"] {
            let said = yard.sandbox.run(program, [directory]);
            assert_eq!(said.code, 111, "{program}: {said:?}");
            assert!(
                said.err.starts_with(&format!("{program}: fatal: ")) && said.err.contains(word),
                "{said:?}"
            );
        }
    }
    let said = yard.sandbox.run("supervise", [] as [&str; 0]);
    assert_eq!((said.code, &*said.err), (100, "supervise: usage: supervise dir\n"));
}
