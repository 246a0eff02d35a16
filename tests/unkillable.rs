//! Processes that nothing can end for now: in a cgroup or a file system that somebody else has frozen, held by a
//! debugger. A stop of theirs takes bounded time and names them; nothing is started beside them; when they go,
//! the service goes on by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "svscan/scene.rs"]
mod scene;

use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::cgroups::{self, Hierarchy};
use common::processes::Process;
use common::sandbox::Said;
use common::{Family, Sandbox, expect, is_root, skipped};
use scene::Scene;

/// A scanner over `squid`, whose processes are told to end and killed soon after.
fn squid(label: &str, run: &str) -> Scene {
    let sandbox = Sandbox::new(label, Family::Ours).unwrap();
    sandbox.file("squid/run", run);
    sandbox.file("squid/timeout-kill", "500\n");
    let mut scene = Scene::of(sandbox);
    scene.open();
    scene.started("squid");
    scene
}

/// One of the test programs, compiled.
fn program(scene: &Sandbox, name: &str) -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/unkillable/{name}.c"));
    let output = scene.lab().join(name);
    let done = Command::new("cc").args(["-O1", "-Wall", "-Wextra", "-o"]).arg(&output).arg(source).output();
    let done = done.map_err(|error| format!("no C compiler: cc: {error}"))?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(output)
}

impl Scene {
    fn stop(&self) -> Said {
        self.sandbox.run("svcstop", ["-w", "2", self.path("squid").to_str().unwrap()])
    }

    /// It is not stopped, is said to be there, and nothing is started beside it.
    #[track_caller]
    fn cannot_be_stopped(&self, who: &Process, words: &[&str]) {
        let said = self.stop();
        assert_eq!(said.code, 1, "{said:?}");
        // it may have become another program since it was first looked at
        let command = Process::look(who.pid).map_or(who.command.clone(), |now| now.command);
        let begin = format!("{} {command}", who.pid);
        let line = said.out.lines().find(|line| line.trim_start().starts_with(&begin));
        let line = line.unwrap_or_else(|| panic!("{} is not named: {said:?}", who.pid));
        for word in words {
            assert!(line.contains(word), "no {word:?} in {line:?}\n{said:?}");
        }
        let starts = self.starts("squid");
        self.svc("-u", "squid");
        self.svc("-t", "squid");
        let said = self.stop();
        assert_eq!(said.code, 1, "{said:?}");
        self.svc("-u", "squid");
        assert_ne!(self.sandbox.status("squid").unwrap().pid, 0, "it is not down");
        assert_eq!(self.starts("squid"), starts, "nothing is started beside it");
        // the others do not wait for it
        self.sandbox.file("other/run", scene::STAYS);
        self.started("other");
    }

    /// It goes, and what was wanted last comes to pass by itself.
    #[track_caller]
    fn goes_on(mut self, starts: usize) {
        self.count("squid/starts", starts + 1);
        self.svc("-d", "squid");
        self.sandbox.down("squid");
        self.end();
    }
}

/// A group above svscan's own, as a container manager freezes a container or a backup program a session. Whoever is
/// to stop the service is not in it.
fn frozen_by_somebody_else(v2: bool) {
    let Some(hierarchy) = Hierarchy::find(v2).filter(|_| is_root()) else {
        return skipped("needs root and the hierarchy");
    };
    let scene = squid(if v2 { "frozen" } else { "frozen-v1" }, scene::STAYS);
    let who = scene.process(scene.sandbox.up("squid"));
    scene.sandbox.wait_for("its program", || {
        expect(Process::look(who.pid).is_some_and(|now| now.command == "sleep"), ())
    });
    let who = scene.process(who.pid);
    // in v2 a sub-group of the fold: frozen there, it is frozen whatever the fold's own switch says
    let group = if v2 {
        let fold =
            cgroups::of(who.pid).into_iter().find(|group| group.starts_with(&hierarchy.mount)).unwrap();
        fold.join("held")
    } else {
        hierarchy.mount.join(format!("{}-held", scene.sandbox.name))
    };
    fs::create_dir(&group).unwrap();
    fs::write(group.join("cgroup.procs"), who.pid.to_string()).unwrap();
    let freeze = |on: bool| {
        let (file, word) = if v2 {
            ("cgroup.freeze", if on { "1" } else { "0" })
        } else {
            ("freezer.state", if on { "FROZEN" } else { "THAWED" })
        };
        fs::write(group.join(file), word).unwrap();
    };
    freeze(true);
    if v2 {
        // killing works on the frozen of v2: the service is down
        let said = scene.stop();
        assert_eq!(said.code, 0, "{said:?}");
        assert!(!who.is_alive() && !group.exists());
        scene.svc("-u", "squid");
        scene.started("squid");
        return scene.close();
    }
    scene.sandbox.wait_for("it to be frozen", || {
        let state = fs::read_to_string(group.join("freezer.state")).unwrap();
        expect(state == "FROZEN\n", state)
    });
    let starts = scene.starts("squid");
    let held = format!("state D: frozen in cgroup /{}-held, ", scene.sandbox.name);
    scene.cannot_be_stopped(&who, &[&held, "before it is thawed"]);
    freeze(false);
    scene.gone(&who);
    fs::remove_dir(&group).unwrap();
    scene.goes_on(starts);
}

#[test]
fn frozen_by_somebody_else_with_cgroup_v1() {
    frozen_by_somebody_else(false);
}

#[test]
fn frozen_by_somebody_else_with_cgroup_v2() {
    frozen_by_somebody_else(true);
}

/// In a write to a file system that somebody has frozen, as backup programs do: see fsfreeze(8).
#[test]
fn writing_to_a_frozen_file_system() {
    let sandbox = Sandbox::new("fsfreeze", Family::Ours).unwrap();
    let run = "#!/bin/sh\necho $$ >>starts\nwhile [ ! -e go ]; do sleep 0.05; done\n\
        rm go; exec dd if=/dev/zero of=disk/file bs=1k count=1000000 2>/dev/null\n";
    sandbox.file("squid/run", run);
    sandbox.file("squid/timeout-kill", "500\n");
    let (disk, place) = (sandbox.lab().join("disk"), sandbox.scan().join("squid/disk"));
    sandbox.directory(&place);
    let make = "truncate -s 8M \"$1\" && mke2fs -q -t ext4 \"$1\" && mount -o loop \"$1\" \"$2\"";
    let mounted = |then: &str| {
        let mut command = sandbox.command("unshare");
        command.args(["-m", "sh", "-c", &format!("{make} && {then}"), "sh"]).args([&disk, &place]);
        command
    };
    let tried = sandbox.finish(mounted("fsfreeze -f \"$2\" && fsfreeze -u \"$2\""));
    if tried.code != 0 {
        return skipped(&format!("no file system can be mounted and frozen: {}", tried.err.trim_end()));
    }
    let command = mounted(&format!("exec svscan {}", sandbox.scan().display()));
    let mut scene = Scene::of(sandbox);
    scene.scanner = Some(scene.sandbox.start_command(command));
    scene.started("squid");
    let who = scene.process(scene.sandbox.up("squid"));
    let place = format!("/proc/{}/root{}", who.pid, place.display());
    let frozen = Frozen::new(&place);
    scene.touch("squid/go");
    scene.state(who.pid, 'D');
    let who = scene.process(who.pid);
    let starts = scene.starts("squid");
    scene.cannot_be_stopped(&who, &["state D: nothing can end it before it returns from "]);
    drop(frozen);
    scene.gone(&who);
    scene.count("squid/starts", starts + 1);
    scene.svc("-d", "squid");
    scene.sandbox.down("squid");
    fs::remove_dir(scene.path("squid/disk")).unwrap();
    scene.close();
}

/// A file system in which nobody can write as long as this lasts.
struct Frozen(fs::File);

impl Frozen {
    fn new(place: &str) -> Self {
        // held, so that it can be thawed whatever becomes of those who see the mount
        let frozen = Frozen(fs::File::open(place).unwrap());
        frozen.set("-f");
        frozen
    }

    fn set(&self, option: &str) {
        let path = format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd());
        assert!(Command::new("fsfreeze").args([option, &path]).status().unwrap().success());
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.set("-u");
    }
}

/// A parent that waits for its child in vfork(2) is in state D too, and can be killed: kernel, `TASK_KILLABLE`.
#[test]
fn waiting_for_a_stopped_child_in_vfork() {
    let scene = Sandbox::new("vfork", Family::Ours).unwrap();
    let program = match program(&scene, "vfork") {
        Ok(program) => program,
        Err(why) => return skipped(&why),
    };
    scene.file("squid/run", &format!("#!/bin/sh\necho $$ >>starts\nexec {}\n", program.display()));
    scene.file("squid/timeout-kill", "500\n");
    let mut scene = Scene::of(scene);
    scene.open();
    let pid = scene.started("squid");
    scene.state(pid, 'D');
    let said = scene.stop();
    assert_eq!(said.code, 0, "{said:?}");
    scene.close();
}

/// By a debugger that attends to nothing: killed, it stays a zombie that its parent can't reap. See ptrace(2).
#[test]
fn held_by_a_debugger() {
    let scene = squid("traced", scene::STAYS);
    let program = match program(&scene.sandbox, "hold") {
        Ok(program) => program,
        Err(why) => return skipped(&why),
    };
    let who = scene.process(scene.sandbox.up("squid"));
    scene.sandbox.wait_for("its program", || {
        expect(Process::look(who.pid).is_some_and(|now| now.command == "sleep"), ())
    });
    let who = scene.process(who.pid);
    let debugger = Debugger::attach(&scene, &program, &who);
    let starts = scene.starts("squid");
    scene.cannot_be_stopped(&who, &["state Z", &debugger.0.id().to_string()]);
    drop(debugger);
    scene.gone(&who);
    scene.goes_on(starts);
}

/// A debugger from outside: nobody's of the service. Its end lets go whom it holds.
struct Debugger(Child);

impl Debugger {
    fn attach(scene: &Scene, program: &Path, who: &Process) -> Self {
        let mut command = Command::new(program);
        command.arg(who.pid.to_string()).stdin(Stdio::null());
        let debugger = Debugger(command.spawn().unwrap());
        let pid = debugger.0.id().to_string();
        scene.sandbox.wait_for("the debugger to be attached", || {
            let status = fs::read_to_string(format!("/proc/{}/status", who.pid)).unwrap();
            expect(status.lines().any(|line| line.strip_prefix("TracerPid:\t") == Some(&pid)), status)
        });
        debugger
    }
}

impl Drop for Debugger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
