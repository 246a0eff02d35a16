//! A machine of its own, with a supervisor over its `/etc/service`: where Debian's service directories find
//! everything under the names they expect, and do nothing to this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::common::processes::Process;
use crate::common::sandbox::Said;
use crate::common::{Family, Sandbox, Supervisor, expect, family, is_root, look_until, skipped};

/// Whose programs are at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Under {
    /// runit's `runsvdir`, `sv` and `chpst`: to see that the test is right.
    Runit,
    /// Our `svscan`; runit's `sv` and `chpst`.
    OursByDebiansSv,
    /// Our `svscan`, `sv` and `chpst`.
    OursByOurSv,
}

/// The fields are dropped in this order: the supervisor before its sandbox.
pub(crate) struct Machine {
    supervisor: Supervisor,
    pub(crate) sandbox: Sandbox,
    under: Under,
}

/// What the machine and the services on it are made with.
const PROGRAMS: &[&str] = &[
    "/usr/bin/logger",
    "/usr/bin/nsenter",
    "/usr/bin/ssh",
    "/usr/lib/git-core/git-daemon",
    "/usr/sbin/ip",
    "/usr/sbin/useradd",
];

/// How `machine.sh` ends where it cannot make one.
const CANNOT: i32 = 77;

impl Machine {
    /// With these packages besides runit. `None`, and said so, where that cannot be had.
    pub(crate) fn new(under: Under, label: &str, packages: &[&str]) -> Option<Machine> {
        let packages = [&["runit"], packages].concat();
        let needed = packages.iter().map(|package| family::peers().join(package));
        let mut needed = needed.chain(PROGRAMS.iter().map(PathBuf::from));
        if let Some(path) = needed.find(|path| !path.exists()) {
            skipped(&format!("no {}; tests/setup brings it", path.display()));
            return None;
        }
        let namespaces = Command::new("unshare").args(["--mount", "--net", "true"]).output();
        if !is_root() || !namespaces.is_ok_and(|said| said.status.success()) {
            skipped("needs root, who may make namespaces");
            return None;
        }
        let sandbox = Sandbox::new(label, Family::Ours).unwrap_or_else(|why| panic!("{why}"));
        let supervisor = make(&sandbox, under, &packages.join(" "));
        let mut machine = Machine { supervisor, sandbox, under };
        if !machine.is_made() {
            skipped(machine.sandbox.reports().lines().last().unwrap_or_default());
            return None;
        }
        Some(machine)
    }

    /// Waits until the supervisor is at work in there.
    fn is_made(&mut self) -> bool {
        let link = format!("/proc/{}/root", self.supervisor.process().pid);
        let made = look_until(|| {
            if self.supervisor.has_ended() {
                return Ok(false);
            }
            let root = fs::read_link(&link);
            expect(root.as_ref().is_ok_and(|root| *root == root_of(&self.sandbox)), root).map(|()| true)
        });
        let made = made.unwrap_or_else(|seen| panic!("no machine: {seen}\n{}", self.sandbox.reports()));
        assert!(made || self.supervisor.ended() == CANNOT, "{}", self.sandbox.reports());
        made
    }

    /// A command on the machine.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.sandbox.command("nsenter");
        command.arg(format!("--target={}", self.supervisor.process().pid));
        command.args(["--mount", "--net", "--root", "--wd"]).arg(program);
        command.env("PATH", path(&self.sandbox, self.under)).env("HOME", "/root");
        // sv's patience, in seconds
        command.env("SVWAIT", "60");
        command
    }

    /// Runs a command on the machine to its end.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Said {
        let mut command = self.command(program);
        command.args(arguments);
        self.sandbox.finish(command)
    }

    /// A command that succeeds, and its output.
    #[track_caller]
    pub(crate) fn must(&self, program: &str, arguments: &[&str]) -> String {
        let said = self.run(program, arguments);
        assert_eq!(said.code, 0, "{program} {arguments:?}: {said:?}\n{}", self.sandbox.reports());
        said.out
    }

    /// A file of the machine, as text; empty if it is not there.
    pub(crate) fn text(&self, path: &str) -> String {
        let root = PathBuf::from(format!("/proc/{}/root", self.supervisor.process().pid));
        let bytes = fs::read(root.join(path.trim_start_matches('/'))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until a file of the machine has so many lines with `text`.
    #[track_caller]
    pub(crate) fn says(&self, path: &str, text: &str, times: usize) {
        self.sandbox.wait_for(&format!("{text:?} in {path}"), || {
            let content = self.text(path);
            expect(content.lines().filter(|line| line.contains(text)).count() >= times, content)
        });
    }

    /// Enables a service of `/etc/sv` by Debian's own program, and waits until it is up.
    pub(crate) fn add(&self, service: &str) -> Process {
        self.must("update-service", &["--add", &format!("/etc/sv/{service}")]);
        self.up(service, 0)
    }

    /// Waits until `sv` says that a service runs as another process than `before`.
    #[track_caller]
    pub(crate) fn up(&self, service: &str, before: i32) -> Process {
        self.sandbox.wait_for(&format!("{service} to be up"), || {
            let said = self.run("sv", &["status", service]);
            let pid = said.out.strip_prefix(&format!("run: {service}: (pid "));
            let pid = pid.and_then(|rest| rest.split_once(')')?.0.parse().ok());
            let process = pid.filter(|&pid| pid != before).and_then(Process::look);
            process.ok_or_else(|| format!("{said:?}"))
        })
    }

    /// Restarts a service by `sv`, and waits for its next process.
    #[track_caller]
    pub(crate) fn restart(&self, service: &str) -> Process {
        let before = self.up(service, 0).pid;
        let said = self.must("sv", &["restart", service]);
        assert!(said.starts_with(&format!("ok: run: {service}: (pid ")), "{said}");
        self.up(service, before)
    }

    /// Kills a service's first process, and waits for the next.
    #[track_caller]
    pub(crate) fn crash(&self, service: &str) -> Process {
        let before = self.up(service, 0);
        before.signal(Signal::SIGKILL);
        self.up(service, before.pid)
    }

    /// Stops a service by `sv`.
    #[track_caller]
    pub(crate) fn stop(&self, service: &str) {
        let said = self.must("sv", &["stop", service]);
        assert!(said.starts_with(&format!("ok: down: {service}: ")), "{said}");
    }

    /// Ends the supervisor: of ours nothing may be left.
    pub(crate) fn close(mut self) {
        if self.under == Under::Runit {
            self.supervisor.process().signal(Signal::SIGHUP);
            assert_eq!(self.supervisor.ended(), 111, "{}", self.sandbox.reports());
            return;
        }
        self.sandbox.processes().iter().for_each(|process| drop(self.sandbox.note_groups(process.pid)));
        assert_eq!(self.supervisor.terminate(), 0, "{}", self.sandbox.reports());
        let (processes, groups) = (self.sandbox.processes(), self.sandbox.cgroups());
        let reports = self.sandbox.reports();
        assert!(processes.is_empty() && groups.is_empty(), "{processes:?} {groups:?}\n{reports}");
        assert!(!reports.contains("panicked"), "{reports}");
    }
}

/// Starts the making of a machine, and on it the supervisor.
fn make(sandbox: &Sandbox, under: Under, packages: &str) -> Supervisor {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/debian/machine.sh");
    let mut command = sandbox.command("unshare");
    command.args(["--mount", "--net", "sh"]).arg(script);
    command.arg(sandbox.scan().parent().unwrap()).arg(family::peers()).arg(packages);
    match under {
        // the directory as its own boot script makes it
        Under::Runit => {
            command.args(["sh", "-c", r#"mkdir -p /run/runit/supervise && exec runsvdir -P "$1""#, "sh"])
        }
        _ => command.arg(sandbox.programs().join("svscan")),
    };
    command.arg(sandbox.scan()).env("PATH", path(sandbox, under));
    sandbox.start_command(command)
}

/// The machine's root directory, as it is seen from here.
fn root_of(sandbox: &Sandbox) -> PathBuf {
    sandbox.scan().with_file_name("root")
}

/// Where the services and their administrator find programs. Not in /usr/local: it is this machine's.
fn path(sandbox: &Sandbox, under: Under) -> String {
    let system = "/usr/sbin:/usr/bin:/sbin:/bin";
    match under {
        Under::OursByOurSv => format!("{}:{system}", sandbox.programs().display()),
        _ => system.to_owned(),
    }
}
