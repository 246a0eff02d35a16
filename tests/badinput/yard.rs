//! A scan directory with one sound service, which must never suffer for the others.
#![allow(dead_code)] // each test uses a part

use std::path::PathBuf;

use nix::sys::signal::Signal;
use pinfold::{place, table};

use super::common::processes::Process;
use super::common::{Family, Sandbox, Supervisor, expect};

/// A run script with nothing wrong.
pub(crate) const SOUND: &str = "#!/bin/sh\nexec sleep 1000000\n";

pub(crate) struct Yard {
    scanner: Option<Supervisor>,
    /// How many supervisors a test has killed.
    lost: usize,
    pub(crate) sandbox: Sandbox,
}

impl Yard {
    pub(crate) fn new(label: &str) -> Self {
        let sandbox = Sandbox::new(label, Family::Ours).unwrap();
        sandbox.file("sound/run", SOUND);
        Yard { scanner: None, lost: 0, sandbox }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.scan().join(name)
    }

    /// Starts the scanner, and sees the sound service run.
    pub(crate) fn open(&mut self) {
        self.open_as(self.sandbox.scanner());
    }

    /// The same with this scanner.
    pub(crate) fn open_as(&mut self, scanner: Supervisor) {
        self.scanner = Some(scanner);
        self.runs("sound");
    }

    /// Waits until the service runs, and gives its pid.
    #[track_caller]
    pub(crate) fn runs(&self, service: &str) -> i32 {
        self.sandbox.up(service)
    }

    /// Waits until one line says all this, of this service.
    #[track_caller]
    pub(crate) fn says(&self, service: &str, words: &[&str]) {
        self.sandbox.wait_for(&format!("a line on {service} with {words:?}"), || {
            let reports = self.sandbox.reports();
            let all = |line: &&str| line.contains(service) && words.iter().all(|word| line.contains(word));
            expect(reports.lines().any(|line| all(&line)), "no such line")
        });
    }

    /// The sound service does as it is told, whatever happens beside it.
    #[track_caller]
    pub(crate) fn sound_works(&self) {
        let before = self.runs("sound");
        self.sandbox.run("svc", ["-t", "sound"]);
        self.sandbox.wait_for("the sound service to be restarted", || {
            let status = self.sandbox.status("sound");
            expect(status.as_ref().is_some_and(|now| now.pid != 0 && now.pid != before), status)
        });
        self.sandbox.run("svc", ["-d", "sound"]);
        self.sandbox.down("sound");
        self.sandbox.run("svc", ["-u", "sound"]);
        self.runs("sound");
    }

    /// Kills the supervisor, and waits for the next one.
    pub(crate) fn lose_supervisor(&mut self) {
        let run = self.sandbox.run_directory().join(place::escape(self.sandbox.scan().as_os_str()));
        let supervisor = || table::read(&run).ok()?.head.supervisor;
        let before = supervisor().unwrap();
        Process::look(before.pid).unwrap().signal(Signal::SIGKILL);
        self.sandbox.wait_for("another supervisor", || {
            let now = supervisor();
            expect(now.is_some_and(|now| now != before), now)
        });
        self.lost += 1;
    }

    /// The scanner still lives, ends well when it is told to, and leaves nothing.
    #[track_caller]
    pub(crate) fn close(self) {
        self.close_and(|| ());
    }

    /// The same; at last, before the sandbox goes, a look at what is left.
    #[track_caller]
    pub(crate) fn close_and<T>(mut self, look: impl FnOnce() -> T) {
        let mut scanner = self.scanner.take().unwrap();
        self.sandbox.processes().iter().for_each(|process| drop(self.sandbox.note_groups(process.pid)));
        assert!(!scanner.has_ended(), "{}", self.sandbox.reports());
        assert_eq!(scanner.terminate(), 0, "{}", self.sandbox.reports());
        let (processes, groups) = (self.sandbox.processes(), self.sandbox.cgroups());
        assert!(
            processes.is_empty() && groups.is_empty(),
            "{processes:?} {groups:?}\n{}",
            self.sandbox.reports()
        );
        let reports = self.sandbox.reports();
        let others = reports.matches("starting another").count();
        assert!(!reports.contains("panicked") && others <= self.lost, "{reports}");
        look();
    }
}
