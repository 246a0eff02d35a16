//! A thousand services under one scanner, and nothing left of them: no process, no cgroup, no descriptor, no
//! file in `/run`, and not a word of complaint.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::processes::Process;
use common::{Family, Sandbox, Status, Supervisor, expect};

const COUNT: usize = 1000;
/// What guardian, supervisor and catcher may have for themselves, with so many services.
const MOST_KB: u64 = 2600;

struct Thousand {
    names: Vec<String>,
    scanner: Supervisor,
    sandbox: Sandbox,
}

impl Thousand {
    /// A scanner that is at work: over one service.
    fn new(label: &str) -> Self {
        let sandbox = Sandbox::new(label, Family::Ours).unwrap();
        fs::write(sandbox.lab().join("run"), "#!/bin/sh\nexec sleep 1000000\n").unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(sandbox.lab().join("run"), executable).unwrap();
        sandbox.file("first/run", "#!/bin/sh\necho here\nexec sleep 1000000\n");
        let scanner = sandbox.scanner();
        let first = sandbox.up("first");
        // it has become its program, and the catcher has its pipe
        let run = sandbox.run_directory().join(pinfold::place::escape(sandbox.scan().as_os_str()));
        sandbox.wait_for("the first to be settled", || {
            let process = Process::look(first).filter(|process| process.command == "sleep");
            let heard = pinfold::catcher::path(&run, b"first").exists();
            expect(heard && process.is_some_and(|process| process.descriptor_count() == 3), heard)
        });
        Thousand { names: (0..COUNT).map(|n| format!("s{n:04}")).collect(), scanner, sandbox }
    }

    /// Lays out the services, each a link to one template.
    fn lay_out(&self, down: bool) {
        for name in &self.names {
            let service = self.sandbox.lab().join(name);
            fs::create_dir(&service).unwrap();
            symlink(self.sandbox.lab().join("run"), service.join("run")).unwrap();
            if down {
                fs::write(service.join("down"), "").unwrap();
            }
            // Whole at once, as a package would do it.
            fs::rename(&service, self.sandbox.scan().join(name)).unwrap();
        }
    }

    fn svc(&self, options: &str) {
        let said =
            self.sandbox.run("svc", std::iter::once(options).chain(self.names.iter().map(String::as_str)));
        assert_eq!((said.code, &*said.out, &*said.err), (0, "", ""));
    }

    fn pids(&self) -> Vec<Option<i32>> {
        let scan = self.sandbox.scan();
        self.names.iter().map(|name| Status::read(&scan.join(name)).map(|status| status.pid)).collect()
    }

    fn await_all(&self, what: &str, is_so: impl Fn(Option<i32>) -> bool) {
        self.sandbox.wait_for(&format!("all to be {what}"), || {
            let not = self.pids().into_iter().filter(|pid| !is_so(*pid)).count();
            expect(not == 0, format!("{not} are not"))
        });
    }

    fn all_up(&self) {
        self.await_all("up", |pid| pid.is_some_and(|pid| pid != 0));
        let pids: HashSet<_> = self.pids().into_iter().collect();
        assert_eq!(pids.len(), COUNT, "each has a process of its own");
    }

    fn all_down(&self) {
        self.await_all("down", |pid| pid == Some(0));
    }

    /// The sandbox's processes and how many descriptors each has.
    fn descriptors(&self) -> BTreeMap<i32, usize> {
        let processes = self.sandbox.processes();
        processes.iter().map(|process| (process.pid, process.descriptor_count())).collect()
    }

    /// Waits until processes and descriptors are what they were; the supervisor may still be at it.
    fn as_before(&self, before: &BTreeMap<i32, usize>) {
        self.sandbox.wait_for(&format!("processes and descriptors as before, {before:?}"), || {
            let now = self.descriptors();
            expect(now == *before, now)
        });
    }

    /// Ends the scanner; nothing is left, and nothing was complained of.
    fn end(mut self) {
        let noted: Vec<_> =
            self.sandbox.processes().into_iter().flat_map(|one| self.sandbox.note_groups(one.pid)).collect();
        assert_eq!(self.scanner.terminate(), 0, "{}", self.sandbox.reports());
        let left = self.sandbox.processes();
        assert!(left.is_empty(), "{left:?}");
        let left: Vec<_> = self.sandbox.cgroups();
        assert!(left.is_empty(), "of {} groups: {left:?}", noted.len());
        let left = files(&self.sandbox.run_directory());
        assert!(left.is_empty(), "{left:?}");
        let reports = self.sandbox.reports();
        assert!(reports.lines().all(|line| line == "here" || line.contains(": info: ")), "{reports}");
    }
}

/// Everything below a directory.
fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    entries
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => {
                let mut below = files(&entry.path());
                below.push(entry.path().display().to_string());
                below
            }
            _ => vec![entry.path().display().to_string()],
        })
        .collect()
}

#[test]
fn a_thousand_services_come_and_go_without_a_trace() {
    let all = Thousand::new("thousand");
    let empty = all.descriptors();
    all.lay_out(true);
    all.all_down();
    let round = || {
        all.svc("-u");
        all.all_up();
        all.svc("-d");
        all.all_down();
    };
    // The first start makes each service's pipes, which stay with it.
    round();
    let idle = all.descriptors();
    round();
    all.as_before(&idle);
    // As daemontools' manual says it: out of the scan directory, then `svc -dx`.
    let aside = all.sandbox.lab().join("aside");
    fs::create_dir(&aside).unwrap();
    all.names.iter().for_each(|name| fs::rename(all.sandbox.scan().join(name), aside.join(name)).unwrap());
    let asides = all.names.iter().map(|name| aside.join(name).into_os_string());
    all.sandbox.run("svc", std::iter::once("-dx".into()).chain(asides));
    all.as_before(&empty);
    all.end();
}

#[test]
fn a_thousand_running_services_end_with_their_scanner() {
    let all = Thousand::new("thousand_end");
    all.lay_out(false);
    all.all_up();
    all.end();
}

/// What a process has for itself, in kB: a page of the program does not count, which is private or shared by who else
/// runs it at the time.
fn private_kb(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

/// How often a process has waited for something.
fn waits(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    line.trim().parse().unwrap()
}

/// Guard rails, in counted things: memory and descriptors per service, and nobody wakes up while nothing happens.
#[test]
fn a_thousand_services_at_rest_cost_little() {
    let all = Thousand::new("thousand_rest");
    let before = all.descriptors();
    all.lay_out(false);
    all.all_up();
    let ours: Vec<i32> = before.keys().copied().filter(|pid| is_ours(*pid)).collect();
    assert_eq!(ours.len(), 3, "guardian, supervisor and catcher");
    let mut last = Vec::new();
    all.sandbox.wait_for("three seconds in which none of them wakes up", || {
        std::thread::sleep(std::time::Duration::from_secs(3)); // bounded: how long a rest is
        let now: Vec<u64> = ours.iter().map(|pid| waits(*pid)).collect();
        let rested = now == last;
        last = now;
        expect(rested, &last)
    });
    let after = all.descriptors();
    let mut sum = 0;
    for pid in ours {
        let (kb, more) = (private_kb(pid), after[&pid] - before[&pid]);
        let name = Process::look(pid).unwrap().command;
        println!("{name}: {kb} kB private, {more} descriptors more");
        // lock, control, a pidfd, and both ends of the output's pipe
        assert!(more <= 5 * COUNT + 10, "{name}: {more} descriptors for {COUNT} services");
        sum += kb;
    }
    println!("{sum} kB private");
    // all three together: 2 kB a service, and what the program itself needs
    assert!(sum <= MOST_KB, "{sum} kB for {COUNT} services");
    all.end();
}

fn is_ours(pid: i32) -> bool {
    Process::look(pid)
        .is_some_and(|process| ["svscan", "pinfold", "pinfold-catcher"].contains(&&*process.command))
}
