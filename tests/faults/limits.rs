//! No more descriptors, processes, groups or watches.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use super::common::cgroups::{hierarchies, members};
use super::common::processes::Process;
use super::common::{Family, Sandbox, expect, is_root, skipped};
use super::ordeal::Ordeal;
use super::scene::{STAYS, Scene};

impl Ordeal {
    /// Lets a running process open so many more descriptors. What it has open stays open.
    fn spare_descriptors(&self, process: &Process, more: usize) {
        let open = fs::read_dir(format!("/proc/{}/fd", process.pid)).unwrap().flatten();
        let open: Vec<usize> = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        let free = (3..).filter(|number| !open.contains(number)).nth(more).unwrap();
        self.limit_descriptors(process, free);
    }

    fn limit_descriptors(&self, process: &Process, limit: usize) {
        let (pid, limit) = (process.pid.to_string(), format!("--nofile={limit}:"));
        let said = self.sandbox.run("prlimit", ["--pid", &pid, &limit]);
        assert_eq!(said.code, 0, "{said:?}");
    }

    fn free_descriptors(&self, process: &Process) {
        let limits = fs::read_to_string(format!("/proc/{}/limits", process.pid)).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let hard = line.split_ascii_whitespace().nth(4).unwrap();
        self.limit_descriptors(process, hard.parse().unwrap());
    }
}

#[test]
fn the_supervisor_may_open_nothing() {
    let ordeal = Ordeal::new("emfile", &["squid", "other"]);
    let other = ordeal.sandbox.up("other");
    ordeal.spare_descriptors(&ordeal.supervisor, 0);
    // what runs is stopped; what is to be started can't be; nothing new can be taken up
    ordeal.process(ordeal.sandbox.up("squid")).signal(Signal::SIGKILL);
    ordeal.says(&["squid: ", "too many open files"]);
    ordeal.sandbox.file("late/run", STAYS);
    ordeal.says(&["late: ", "too many open files"]);
    for letter in ["d", "u", "p", "c", "h"] {
        fs::write(ordeal.path("squid/supervise/control"), letter).unwrap();
    }
    ordeal.while_it_lasts();
    ordeal.unharmed();
    // once for each way in which it shows: a fold that can't be read, a status that can't be written; and again
    // for `svc -u`
    ordeal.said_at_most(2, &["squid: read cgroup", "too many open files"]);
    ordeal.said_at_most(6, &["squid: ", "too many open files"]);
    ordeal.said_at_most(1, &["late: ", "too many open files"]);
    assert_eq!(ordeal.copies("squid").len(), 0);
    ordeal.free_descriptors(&ordeal.supervisor);
    ordeal.started("squid");
    ordeal.started("late");
    assert_eq!(ordeal.sandbox.up("other"), other);
    ordeal.over(&["squid", "late", "other"]);
}

/// Each of the descriptors that a start needs is once the one that is not to be had.
#[test]
fn the_supervisor_may_open_a_few() {
    let ordeal = Ordeal::new("emfile-few", &["squid"]);
    for more in 0..14 {
        let before = ordeal.started("squid");
        ordeal.spare_descriptors(&ordeal.supervisor, more);
        ordeal.process(before).signal(Signal::SIGKILL);
        ordeal.sandbox.wait_for("its end to be noticed", || {
            let (copies, said) = (ordeal.copies("squid"), ordeal.said(&["too many open files"]));
            expect(copies.iter().all(|copy| copy.pid != before), (copies, said))
        });
        fs::write(ordeal.path("squid/supervise/control"), "u").unwrap();
        ordeal.free_descriptors(&ordeal.supervisor);
        ordeal.other("squid", before);
        ordeal.unharmed();
        // what was started then is known as well as any other, also to the next supervisor
        let now = ordeal.started("squid");
        assert_eq!(ordeal.copies("squid").len(), 1, "{:?}", ordeal.copies("squid"));
        let record = ordeal.recorded("squid", "its leader", |record| record.leader.is_some());
        assert_eq!(record.leader.unwrap().start, Process::look(now).unwrap().start, "{more}");
    }
    ordeal.over(&["squid"]);
}

#[test]
fn the_guardian_may_open_nothing() {
    let ordeal = Ordeal::new("emfile-guardian", &["squid", "other"]);
    let squid = ordeal.sandbox.up("squid");
    ordeal.spare_descriptors(&ordeal.guardian, 0);
    // what it is to keep it can't; what it is to start it can't
    ordeal.sandbox.file("late/run", STAYS);
    ordeal.started("late");
    ordeal.catcher().signal(Signal::SIGKILL);
    ordeal.says(&["too many open files", "trying again"]);
    ordeal.supervisor.signal(Signal::SIGKILL);
    ordeal.says(&["the supervisor ended"]);
    ordeal.while_it_lasts();
    ordeal.said_at_most(2, &["too many open files", "trying again"]);
    assert!(ordeal.guardian.is_alive());
    ordeal.free_descriptors(&ordeal.guardian);
    ordeal.supervisor_after(&ordeal.supervisor);
    ordeal.catcher();
    // it has been given what it could not take
    let has = |path: &str| {
        let all = fs::read_dir(format!("/proc/{}/fd", ordeal.guardian.pid)).unwrap().flatten();
        all.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|file| file.ends_with(path))
    };
    ordeal.sandbox.wait_for("it to keep late's lock", || expect(has("late/lock"), ()));
    assert_eq!(ordeal.sandbox.up("squid"), squid);
    ordeal.works("squid");
    ordeal.works("late");
    ordeal.lose_supervisor();
    ordeal.works("late");
    ordeal.scene.close();
}

/// A group of the v1 hierarchy that counts processes, for a whole svscan.
struct Count(PathBuf);

impl Count {
    fn new(sandbox: &Sandbox) -> Result<Count, &'static str> {
        if !is_root() {
            return Err("needs root to limit the number of processes by a cgroup");
        }
        let counted = |selector: &str| selector.split(',').any(|name| name == "pids");
        let hierarchy = hierarchies().iter().find(|one| counted(&one.selector));
        let hierarchy = hierarchy.ok_or("no cgroup v1 hierarchy counts processes here")?;
        let group = hierarchy.mount.join(&sandbox.name);
        fs::create_dir(&group).map_err(|_| "no group can be made there")?;
        Ok(Count(group))
    }

    /// Lets everybody in it go, and removes it.
    fn dissolve(self) {
        for pid in members(&self.0) {
            fs::write(self.0.parent().unwrap().join("cgroup.procs"), pid.to_string()).unwrap();
        }
        fs::remove_dir(&self.0).unwrap();
    }

    fn most(&self, most: &str) {
        fs::write(self.0.join("pids.max"), most).unwrap();
    }
}

#[test]
fn no_process_can_be_started() {
    let sandbox = Sandbox::new("eagain", Family::Ours).unwrap();
    let count = match Count::new(&sandbox) {
        Ok(count) => count,
        Err(why) => return skipped(why),
    };
    for service in ["squid", "other"] {
        sandbox.file(&format!("{service}/run"), STAYS);
        sandbox.file(&format!("{service}/finish"), "#!/bin/sh\nexit 0\n");
    }
    let mut command = sandbox.command("sh");
    command.args(["-c", "echo $$ >\"$1/cgroup.procs\" && exec svscan \"$2\"", "sh"]).arg(&count.0);
    command.arg(sandbox.scan());
    let mut scene = Scene::of(sandbox);
    scene.scanner = Some(scene.sandbox.start_command(command));
    scene.started("squid");
    let other = scene.started("other");
    let ordeal = Ordeal::of(scene);
    count.most("0");
    ordeal.process(ordeal.sandbox.up("squid")).signal(Signal::SIGKILL);
    ordeal.says(&["squid: ", "start", "try again"]);
    ordeal.catcher().signal(Signal::SIGKILL);
    ordeal.says(&["start another pinfold process"]);
    ordeal.while_it_lasts();
    ordeal.unharmed_but_for_the_catcher();
    ordeal.said_at_most(2, &["squid: ", "try again"]);
    ordeal.said_at_most(2, &["start another pinfold process"]);
    // the supervisor's own end is followed by the next as soon as there is room
    ordeal.supervisor.signal(Signal::SIGKILL);
    ordeal.says(&["the supervisor ended"]);
    ordeal.while_it_lasts();
    ordeal.said_at_most(3, &["start another pinfold process"]);
    count.most("max");
    ordeal.supervisor_after(&ordeal.supervisor);
    ordeal.started("squid");
    assert_eq!(ordeal.sandbox.up("other"), other);
    ordeal.works("squid");
    count.dissolve();
    ordeal.scene.close();
}

/// No more groups than there are: what runs goes on, what is to be started is as soon as there is room.
#[test]
fn no_group_can_be_made() {
    let ordeal = Ordeal::new("eagain-groups", &["squid", "other"]);
    let other = ordeal.sandbox.up("other");
    let view = pinfold::table::read(&ordeal.run()).unwrap();
    let house = PathBuf::from(OsStr::from_bytes(&view.head.house));
    let most = house.join("cgroup.max.descendants");
    if !most.exists() {
        ordeal.over(&["squid", "other"]);
        return skipped("nobody limits the number of groups here: no cgroup v2");
    }
    fs::write(&most, "0").unwrap();
    ordeal.sandbox.file("late/run", STAYS);
    ordeal.says(&["late: make cgroup", "try again", "cgroup.max.descendants"]);
    // it has a group, and keeps it
    ordeal.process(ordeal.sandbox.up("squid")).signal(Signal::SIGKILL);
    ordeal.while_it_lasts();
    ordeal.unharmed();
    ordeal.said_at_most(1, &["late: make cgroup"]);
    ordeal.started("squid");
    assert_eq!(ordeal.sandbox.up("other"), other);
    fs::write(&most, "max").unwrap();
    ordeal.started("late");
    ordeal.over(&["squid", "late", "other"]);
}

/// A user, or a container, that may watch nothing: the directory is read every five seconds, which is said together with
/// what would give more.
#[test]
fn nothing_may_be_watched() {
    let sandbox = Sandbox::new("no-inotify", Family::Ours).unwrap();
    let mut command = sandbox.command("unshare");
    let limit = "echo 0 >/proc/sys/user/max_inotify_instances && echo limited >&2 && exec svscan \"$1\"";
    command.args(["--user", "--map-root-user", "sh", "-c", limit, "sh"]).arg(sandbox.scan());
    let mut scanner = sandbox.start_command(command);
    let tried = sandbox.wait_for("the limit", || {
        let reports = sandbox.reports();
        let limited = reports.lines().any(|line| line == "limited");
        expect(limited || scanner.has_ended(), &reports)?;
        Ok::<_, String>(if limited { Ok(()) } else { Err(reports) })
    });
    if let Err(why) = tried {
        return skipped(&format!("no user namespace of our own here: {why}"));
    }
    sandbox.wait_for("what is said", || {
        let reports = sandbox.reports();
        expect(
            reports.contains("looking every 5 s") && reports.contains("fs.inotify.max_user_instances"),
            &reports,
        )
    });
    sandbox.file("late/run", STAYS);
    sandbox.up("late");
    assert_eq!(scanner.terminate(), 0, "{}", sandbox.reports());
}

/// No process for a user who has too many already.
#[test]
fn the_user_has_too_many_processes() {
    let sandbox = Sandbox::new("nproc", Family::Ours).unwrap().unprivileged();
    sandbox.file("squid/run", STAYS);
    let mut scene = Scene::of(sandbox);
    scene.open();
    scene.started("squid");
    let ordeal = Ordeal::of(scene);
    let pid = ordeal.supervisor.pid.to_string();
    let limit = |limit: &str| {
        let said = ordeal.sandbox.run("prlimit", ["--pid", &pid, limit]);
        assert_eq!(said.code, 0, "{said:?}");
    };
    limit("--nproc=0:");
    ordeal.process(ordeal.sandbox.up("squid")).signal(Signal::SIGKILL);
    ordeal.says(&["squid: ", "start", "try again"]);
    ordeal.while_it_lasts();
    ordeal.said_at_most(2, &["squid: ", "try again"]);
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max processes")).unwrap();
    limit(&format!("--nproc={}:", line.split_ascii_whitespace().nth(3).unwrap()));
    ordeal.started("squid");
    ordeal.over(&["squid"]);
}
