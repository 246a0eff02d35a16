//! A scanner over a few services, and an administrator's words for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::common::processes::Process;
use crate::common::sandbox::Said;
use crate::common::{Family, Sandbox, Supervisor, expect};

/// Stays until it is told to end.
pub(crate) const STAYS: &str = "exec sleep 1000000";

/// The fields are dropped in this order: the scanner before its sandbox.
pub(crate) struct House {
    svscan: Option<Supervisor>,
    pub(crate) sandbox: Sandbox,
}

impl House {
    pub(crate) fn new(test: &str) -> House {
        House::of(test, |sandbox| sandbox)
    }

    /// One whose sandbox is made ready by `furnish`.
    pub(crate) fn of(test: &str, furnish: impl FnOnce(Sandbox) -> Sandbox) -> House {
        let sandbox = Sandbox::new(test, Family::Ours).unwrap_or_else(|why| panic!("{why}"));
        let root = sandbox.scan().into_os_string().into_string().unwrap();
        House { svscan: None, sandbox: furnish(sandbox.set("SVDIR", &root)) }
    }

    /// A service that is down at first, with this `run` and these other files. Scripts are for `sh`.
    pub(crate) fn service(&self, name: &str, run: &str, files: &[(&str, &str)]) {
        for (file, content) in [("run", run), ("down", "")].iter().chain(files) {
            let script = ["run", "start", "stop", "finish", "check"].iter().any(|name| file.ends_with(name));
            let shell = if script && !content.starts_with("#!") { "#!/bin/sh\n" } else { "" };
            self.sandbox.file(&format!("{name}/{file}"), &format!("{shell}{content}\n"));
        }
    }

    /// With the scanner running, and every service taken up.
    pub(crate) fn scanned(mut self) -> House {
        self.svscan = Some(self.sandbox.scanner());
        for entry in fs::read_dir(self.sandbox.scan()).unwrap() {
            self.taken_up(entry.unwrap().file_name().to_str().unwrap());
        }
        self
    }

    /// Waits until a service is supervised.
    pub(crate) fn taken_up(&self, name: &str) {
        self.sandbox.wait_for(&format!("{name} to be taken up"), || {
            let said = self.run("svok", &[name]);
            expect(said.code == 0, said)
        });
    }

    /// Ends the scanner as an administrator does.
    pub(crate) fn terminate(&mut self) -> i32 {
        self.svscan.take().unwrap().terminate()
    }

    /// Starts the scanner again.
    pub(crate) fn again(self) -> House {
        self.scanned()
    }

    /// The guardian, which the test has started.
    pub(crate) fn guardian(&self) -> Process {
        self.svscan.as_ref().unwrap().process()
    }

    /// The supervisor below it.
    pub(crate) fn supervisor(&self) -> Process {
        let guardian = self.guardian().pid;
        self.sandbox.wait_for("a supervisor", || {
            let mut all = Process::all();
            all.retain(|process| process.parent == guardian && process.command == "pinfold");
            all.pop().ok_or_else(|| "none".to_owned())
        })
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Said {
        self.sandbox.run(program, arguments)
    }

    /// A command that is to succeed: what it printed.
    pub(crate) fn done(&self, program: &str, arguments: &[&str]) -> String {
        let said = self.run(program, arguments);
        assert_eq!(said.code, 0, "{program} {arguments:?}: {said:?}\n{}", self.sandbox.reports());
        said.out
    }

    /// A command that is to fail with exit code 1: what it printed, and what it complained.
    pub(crate) fn fails(&self, program: &str, arguments: &[&str]) -> String {
        let said = self.run(program, arguments);
        assert_eq!(said.code, 1, "{program} {arguments:?}: {said:?}\n{}", self.sandbox.reports());
        said.out + &said.err
    }

    /// Starts a command in the background, its output going to a file of the lab of this name.
    pub(crate) fn begin(&self, program: &str, arguments: &[&str], output: &str) -> std::process::Child {
        let file = fs::File::create(self.lab(output)).unwrap();
        let mut command: Command = self.sandbox.command(program);
        command.args(arguments).stdout(file.try_clone().unwrap()).stderr(file);
        command.spawn().unwrap()
    }

    /// Waits for the end of a command in the background: its exit code.
    pub(crate) fn end(&self, child: &mut std::process::Child) -> i32 {
        let end = self.sandbox.wait_for("a command to end", || {
            child.try_wait().unwrap().ok_or_else(|| "still running".to_owned())
        });
        end.code().unwrap_or(-1)
    }

    /// `Starting SCAN/NAME/ `.
    pub(crate) fn head(&self, verb: &str, name: &str) -> String {
        format!("{verb} {}/{name}/ ", self.sandbox.scan().display())
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.sandbox.scan().join(file)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap_or_default()
    }

    pub(crate) fn lab(&self, file: &str) -> PathBuf {
        self.sandbox.lab().join(file)
    }

    /// Waits until a file of the lab contains `text`.
    pub(crate) fn says(&self, file: &str, text: &str) {
        self.sandbox.wait_for(&format!("{file} to say {text:?}"), || {
            let content = fs::read_to_string(self.lab(file)).unwrap_or_default();
            expect(content.contains(text), content)
        });
    }

    /// Everybody in the sandbox whose arguments or environment hold `word`.
    pub(crate) fn with_word(&self, word: &str) -> Vec<Process> {
        let mut all = self.sandbox.processes();
        let nowhere = Path::new("/nowhere");
        all.retain(|process| process.is_alive() && process.traces().lead_to(nowhere, word).is_some());
        all
    }

    pub(crate) fn is_down(&self, name: &str) -> bool {
        self.sandbox.status(name).is_some_and(|status| status.pid == 0)
    }

    /// Kills the supervisor, without waiting for what follows.
    pub(crate) fn kill_supervisor(&self) {
        self.supervisor().signal(Signal::SIGKILL);
    }
}

/// The text without `begin`, if it begins so.
#[track_caller]
pub(crate) fn after<'a>(text: &'a str, begin: &str) -> &'a str {
    text.strip_prefix(begin).unwrap_or_else(|| panic!("{text:?} does not begin with {begin:?}"))
}

#[track_caller]
pub(crate) fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "no {part:?} in:\n{text}");
}

/// What is said of a start whose service ended so. (Whether within a second is a matter of the machine.)
#[track_caller]
pub(crate) fn died(text: &str, ending: &str) {
    let line = text.lines().find(|line| line.contains("it ended"));
    assert!(
        line.is_some_and(|line| line.ends_with(&format!(": {ending}"))),
        "no end with {ending:?} in:\n{text}"
    );
}
