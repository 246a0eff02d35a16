//! Full disks: file systems of a few pages, in a mount namespace of the scanner's own.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::common::processes::Process;
use super::common::{Family, Sandbox, Status, Supervisor, expect, is_root, skipped};
use super::yard::SOUND;

/// A scanner that sees a tiny file system where nobody else does.
struct Flooded {
    scanner: Supervisor,
    /// Where the tiny file system is, seen from here.
    tiny: PathBuf,
    sandbox: Sandbox,
}

impl Flooded {
    /// Mounts `size` bytes at a path below the sandbox's directory.
    fn new(sandbox: Sandbox, at: &Path, size: &str, full_from_the_start: bool) -> Self {
        let mut command = sandbox.command("unshare");
        let fill = if full_from_the_start { "cat /dev/zero >\"$1/filler\" 2>/dev/null" } else { "true" };
        let script =
            format!("mount -t tmpfs -o size={size} none \"$1\" && {{ {fill}; exec svscan \"$2\"; }}");
        command.args(["-m", "sh", "-c", &script, "sh"]).arg(at).arg(sandbox.scan());
        let scanner = sandbox.start_command(command);
        let tiny = Self::inside(scanner.process().pid, at);
        let flooded = Flooded { scanner, tiny, sandbox };
        flooded.sandbox.wait_for("the scanner to be started", || {
            let process = Process::look(flooded.scanner.process().pid);
            expect(process.as_ref().is_some_and(|process| process.command == "svscan"), process)
        });
        flooded
    }

    fn inside(pid: i32, path: &Path) -> PathBuf {
        PathBuf::from(format!("/proc/{pid}/root{}", path.display()))
    }

    /// A service's `supervise`, also where it is a link: it would be followed from here, not from inside.
    fn desk(&self, name: &str) -> PathBuf {
        let inside = |path: &Path| Self::inside(self.scanner.process().pid, path);
        let desk = inside(&self.sandbox.scan().join(name).join("supervise"));
        fs::read_link(&desk).map_or(desk, |target| inside(&target))
    }

    fn fill(&self) {
        let mut filler = File::options().append(true).create(true).open(self.tiny.join("filler")).unwrap();
        while filler.write_all(&[0; 512]).is_ok() {}
    }

    fn drain(&self) {
        fs::remove_file(self.tiny.join("filler")).unwrap();
    }

    fn command(&self, name: &str, letters: &str) {
        fs::write(self.desk(name).join("control"), letters).unwrap();
    }

    fn status(&self, name: &str, is_so: impl Fn(&Status) -> bool) -> Status {
        self.sandbox.wait_for(&format!("the status of {name}"), || {
            let status = Status::read_in(&self.desk(name));
            status.clone().filter(&is_so).ok_or_else(|| format!("{status:?}"))
        })
    }

    fn says(&self, words: &[&str]) {
        self.sandbox.wait_for(&format!("a line with {words:?}"), || {
            let reports = self.sandbox.reports();
            expect(reports.lines().any(|line| words.iter().all(|word| line.contains(word))), "no such line")
        });
    }

    /// The leaders: who sleeps.
    fn sleepers(&self) -> Vec<Process> {
        self.sandbox.processes().into_iter().filter(|process| process.command == "sleep").collect()
    }

    fn close(mut self) {
        assert!(!self.scanner.has_ended(), "{}", self.sandbox.reports());
        assert_eq!(self.scanner.terminate(), 0, "{}", self.sandbox.reports());
        let left = self.sandbox.processes();
        assert!(left.is_empty(), "{left:?}");
        let reports = self.sandbox.reports();
        assert!(!reports.contains("panicked") && !reports.contains("starting another"), "{reports}");
    }
}

fn sandbox(label: &str) -> Option<Sandbox> {
    if !is_root() {
        skipped("needs root to mount a file system");
        return None;
    }
    let sandbox = Sandbox::new(label, Family::Ours).unwrap();
    sandbox.file("sound/run", SOUND);
    Some(sandbox)
}

#[test]
fn supervise_on_a_disk_that_is_full_from_the_start() {
    let Some(sandbox) = sandbox("full") else { return };
    sandbox.file("squid/run", SOUND);
    sandbox.directory(&sandbox.scan().join("squid/supervise"));
    let at = sandbox.scan().join("squid/supervise");
    let flooded = Flooded::new(sandbox, &at, "32k", true);
    flooded.says(&["squid", "space"]);
    flooded.status("sound", |status| status.pid != 0);
    flooded.drain();
    // Room again: the service runs, and its status says so, without anybody's doing.
    let up = flooded.status("squid", |status| status.pid != 0);
    flooded.command("squid", "d");
    flooded.status("squid", |status| status.pid == 0);
    assert!(Process::look(up.pid).is_none());
    flooded.close();
}

#[test]
fn supervise_on_a_disk_that_fills_up() {
    let Some(sandbox) = sandbox("fills") else { return };
    sandbox.file("squid/run", SOUND);
    sandbox.directory(&sandbox.scan().join("squid/supervise"));
    let at = sandbox.scan().join("squid/supervise");
    let flooded = Flooded::new(sandbox, &at, "32k", false);
    let first = flooded.status("squid", |status| status.pid != 0);
    flooded.fill();
    // Commands are obeyed, whether or not it can be written down.
    flooded.command("squid", "t");
    flooded.sandbox.wait_for("a restart on a full disk", || {
        let sleepers = flooded.sleepers();
        let renewed = sleepers.iter().all(|process| process.pid != first.pid) && sleepers.len() == 2;
        expect(renewed, sleepers)
    });
    flooded.command("squid", "d");
    flooded.sandbox.wait_for("a stop on a full disk", || {
        let sleepers = flooded.sleepers();
        expect(sleepers.len() == 1, sleepers)
    });
    flooded.drain();
    flooded.status("squid", |status| status.pid == 0);
    flooded.close();
}

#[test]
fn the_run_directory_fills_up() {
    const LATE: usize = 20;
    let Some(sandbox) = sandbox("run_fills") else { return };
    let at = sandbox.run_directory();
    let flooded = Flooded::new(sandbox, &at, "4m", false);
    flooded.status("sound", |status| status.pid != 0);
    flooded.fill();
    for n in 0..LATE {
        flooded.sandbox.file(&format!("late{n}/run"), SOUND);
    }
    flooded.says(&["space"]);
    flooded.command("sound", "d");
    flooded.sandbox.wait_for("a stop with a full run directory", || {
        let cwd = |process: &Process| fs::read_link(format!("/proc/{}/cwd", process.pid)).ok();
        let sound =
            flooded.sleepers().into_iter().find(|one| cwd(one).is_some_and(|path| path.ends_with("sound")));
        expect(sound.is_none(), sound)
    });
    flooded.drain();
    for n in 0..LATE {
        flooded.status(&format!("late{n}"), |status| status.pid != 0);
    }
    let reports = flooded.sandbox.reports();
    let repeated = reports.lines().filter(|line| line.contains("late7:")).count();
    assert!(repeated < 10, "what does not change is not said every second:\n{reports}");
    flooded.close();
}
