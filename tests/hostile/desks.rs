//! `supervise`, and everything in it, as the service's user may leave it.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use super::common::expect;
use super::common::processes::Process;
use super::den::{Den, USER, run};

#[test]
fn a_link_in_place_of_supervise_leads_root_nowhere() {
    let Some(mut den) = Den::new("link") else { return };
    let links = [
        ("directory", "ln -s $VICTIM supervise"),
        ("file", "ln -s $VICTIM/precious supervise"),
        ("dangling", "ln -s $VICTIM/new/directories supervise"),
        ("chain", "mkdir d && ln -s $VICTIM d/link && ln -s d/link supervise"),
        ("through", "ln -s .. d && ln -s d/chain/../../../lab/victim supervise"),
        ("loop", "ln -s supervise supervise"),
        ("process", "ln -s /proc/self/cwd supervise"),
    ];
    for (name, script) in links {
        let service = den.service(name);
        den.as_user(&service, script);
    }
    den.open();
    links.iter().for_each(|(name, _)| den.yard.says(name, &["supervise"]));
    den.close();
}

/// The other's files are as much as its name: its lock keeps it from being started, its control stops it.
#[test]
fn a_link_to_anothers_supervise_takes_nothing_from_it() {
    let Some(mut den) = Den::new("others") else { return };
    den.yard.sandbox.file("other/run", &run());
    fs::create_dir(den.yard.path("other/supervise")).unwrap();
    // taken up before the other one is
    let first = den.service("first");
    den.as_user(&first, "ln -s ../other/supervise supervise");
    den.open();
    let pid = den.yard.runs("other");
    den.yard.says("first", &["first/supervise"]);
    assert!(Process::look(pid).unwrap().is_alive());
    den.close();
}

/// Somebody takes the service's directory, or its `supervise`, away and puts a link there.
#[test]
fn renames_under_our_feet() {
    let Some(mut den) = Den::new("renames") else { return };
    let home = den.yard.sandbox.lab().join("home");
    fs::create_dir(&home).unwrap();
    den.give(&home);
    let inner = den.with_supervise("inner");
    let outer = den.with_supervise("outer");
    let linked = den.service("linked"); // its files are in the house, by a link of root's
    for (service, name) in [(&outer, "outer"), (&linked, "linked")] {
        fs::rename(service, home.join(name)).unwrap();
        symlink(home.join(name), service).unwrap();
    }
    den.open();
    let names = ["inner", "outer", "linked"];
    let pids: Vec<i32> = names.iter().map(|name| den.yard.runs(name)).collect();
    den.as_user(&inner, "mv supervise away && ln -s $VICTIM supervise");
    den.as_user(&home, "mv outer away && ln -s $VICTIM outer && mv linked gone && ln -s $VICTIM linked");
    // each has something to publish now, and is started again
    pids.iter().for_each(|&pid| Process::look(pid).unwrap().signal(Signal::SIGKILL));
    den.yard.sandbox.wait_for("the deaths to be taken note of", || {
        let alive: Vec<_> = pids.iter().filter_map(|&pid| Process::look(pid)).collect();
        expect(alive.is_empty(), alive)
    });
    den.yard.sound_works();
    den.untouched();
    // nor does who takes over go by another way
    den.yard.lose_supervisor();
    den.yard.sound_works();
    den.close();
}

/// At the end a service's directory is left as it was found; but only that one.
#[test]
fn the_end_removes_nobody_elses_link() {
    let Some(mut den) = Den::new("end") else { return };
    let home = den.yard.sandbox.lab().join("home");
    fs::create_dir(&home).unwrap();
    let service = den.service("squid");
    fs::rename(&service, home.join("squid")).unwrap();
    symlink(home.join("squid"), &service).unwrap();
    den.give(&home);
    den.open();
    den.yard.runs("squid");
    // as if it belonged to another svscan that has a service of this name
    let target = fs::read_link(home.join("squid/supervise")).unwrap();
    let other = den.yard.sandbox.lab().join("other");
    fs::create_dir(&other).unwrap();
    symlink(&target, other.join("supervise")).unwrap();
    den.as_user(&home, &format!("mv squid away && ln -s {} squid", other.display()));
    let there = std::cell::Cell::new(false);
    let link = other.join("supervise");
    den.yard.close_and(|| there.set(link.symlink_metadata().is_ok()));
    assert!(there.get(), "{} was removed", link.display());
}

const FILES: [&str; 9] =
    ["lock", "control", "ok", "status", "status.new", "pid", "pid.new", "stat", "stat.new"];

#[test]
fn links_and_worse_in_place_of_its_files() {
    let Some(mut den) = Den::new("files") else { return };
    let by_user = [
        ("link", "ln -s $VICTIM/precious"),
        ("dangling", "ln -s $VICTIM/new"),
        ("fifo", "mkfifo"),
        ("directory", "mkdir"),
        ("huge", "truncate -s 64M"),
    ];
    let mut names = Vec::new();
    for file in FILES {
        for (form, command) in by_user {
            let service = den.with_supervise(&format!("{file}-{form}"));
            den.as_user(&service, &format!("{command} supervise/{file}"));
            names.push(format!("{file}-{form}"));
        }
        // by an older kernel's leave (fs.protected_hardlinks = 0), or root's own mistake
        let service = den.with_supervise(&format!("{file}-hard"));
        fs::hard_link(den.victim().join("precious"), service.join("supervise").join(file)).unwrap();
        names.push(format!("{file}-hard"));
        let service = den.with_supervise(&format!("{file}-device"));
        device(&service.join("supervise").join(file));
        names.push(format!("{file}-device"));
    }
    den.open();
    names.iter().for_each(|name| den.settled(name));
    // what was locked was no file of root's
    let precious = File::open(den.victim().join("precious")).unwrap();
    drop(Flock::lock(precious, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno).unwrap());
    // each that runs is published anew, over what was exchanged
    for name in &names {
        if let Some(leader) = Process::look(den.pid(name)).filter(|_| den.pid(name) != 0) {
            leader.signal(Signal::SIGKILL);
        }
    }
    den.close();
}

fn device(path: &Path) {
    mknod(path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3)).unwrap();
    chown(path, Some(USER), Some(USER)).unwrap();
}

/// A FIFO that is another service's would have its commands read by this one.
#[test]
fn a_hard_link_of_anothers_control_is_not_read() {
    let Some(mut den) = Den::new("control") else { return };
    den.yard.sandbox.file("squid/run", &run());
    fs::create_dir(den.yard.path("squid/supervise")).unwrap();
    den.open();
    let pid = den.yard.runs("squid");
    let thief = den.yard.sandbox.lab().join("thief");
    fs::create_dir(&thief).unwrap();
    fs::create_dir(thief.join("supervise")).unwrap();
    for file in ["control", "ok"] {
        fs::hard_link(den.yard.path("squid/supervise").join(file), thief.join("supervise").join(file))
            .unwrap();
    }
    fs::copy(den.yard.path("squid/run"), thief.join("run")).unwrap();
    fs::rename(&thief, den.yard.path("thief")).unwrap();
    den.yard.says("thief", &["supervise/control"]);
    den.yard.sandbox.run("svc", ["-t", "squid"]);
    den.yard.sandbox.wait_for("the command to reach whom it was for", || {
        let status = den.yard.sandbox.status("squid");
        expect(status.as_ref().is_some_and(|status| status.pid != 0 && status.pid != pid), status)
    });
    den.close();
}

/// What packages and administrators do still works.
#[test]
fn links_that_mean_no_harm_are_followed() {
    let Some(mut den) = Den::new("harmless") else { return };
    let run = den.yard.sandbox.lab().join("run");
    fs::create_dir(&run).unwrap();
    // a package's link into a directory that is there, and one that went with the last boot
    den.yard.sandbox.file("package/run", &super::den::run());
    den.yard.sandbox.file("rebooted/run", &super::den::run());
    fs::create_dir(run.join("package")).unwrap();
    symlink(run.join("package"), den.yard.path("package/supervise")).unwrap();
    symlink(run.join("below/rebooted"), den.yard.path("rebooted/supervise")).unwrap();
    // a package's link in a directory that is the user's
    let given = den.service("given");
    symlink(run.join("given"), given.join("supervise")).unwrap();
    // a link of the user's to what is his own
    let own = den.service("own");
    den.as_user(&own, "mkdir files && ln -s files supervise");
    // a directory that was given to the user, so that he may control his service
    den.yard.sandbox.file("chowned/run", &super::den::run());
    fs::create_dir(den.yard.path("chowned/supervise")).unwrap();
    den.give(&den.yard.path("chowned/supervise"));
    den.open();
    for (name, files) in [
        ("package", run.join("package")),
        ("rebooted", run.join("below/rebooted")),
        ("given", run.join("given")),
        ("own", own.join("files")),
        ("chowned", den.yard.path("chowned/supervise")),
    ] {
        den.yard.runs(name);
        assert!(files.join("status").metadata().unwrap().is_file(), "{name}");
        assert_eq!(files.join("status").metadata().unwrap().uid(), 0, "{name}");
    }
    den.close();
}
