//! Guard rails in counted things: what an event costs the supervisor in system calls, and that it costs no memory
//! for good; what a tool costs; and what is said where a limit of the system is met.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "guards/tools.rs"]
mod tools;

use std::fs;
use std::process::{Child, Command, Stdio};

use common::processes::Process;
use common::{Family, Sandbox, Status, Supervisor, expect, is_root, skipped};
use nix::sys::signal::Signal;

const COUNT: usize = 50;

struct Fifty {
    names: Vec<String>,
    scanner: Supervisor,
    sandbox: Sandbox,
}

impl Fifty {
    /// A scanner over one service, and fifty laid out aside.
    fn new(label: &str) -> Self {
        let sandbox = Sandbox::new(label, Family::Ours).unwrap();
        sandbox.file("first/run", "#!/bin/sh\nexec sleep 1000000\n");
        // writing its turns down takes system calls, too
        let mut command = sandbox.command("svscan");
        command.arg(sandbox.scan()).env_remove(pinfold::trace::VARIABLE);
        let scanner = sandbox.start_command(command);
        sandbox.up("first");
        Fifty { names: (0..COUNT).map(|n| format!("s{n:02}")).collect(), scanner, sandbox }
    }

    /// The supervisor, the guardian's child of that name.
    fn supervisor(&self) -> i32 {
        let is_it = |process: &Process| process.command == "pinfold";
        self.sandbox.processes().into_iter().find(is_it).unwrap().pid
    }

    fn lay_out(&self) {
        for name in &self.names {
            let aside = self.sandbox.lab().join(name);
            fs::create_dir(&aside).unwrap();
            fs::copy(self.sandbox.scan().join("first/run"), aside.join("run")).unwrap();
            fs::write(aside.join("down"), "").unwrap();
            fs::rename(&aside, self.sandbox.scan().join(name)).unwrap();
        }
        self.all("down", |pid| pid == Some(0));
    }

    fn pids(&self) -> Vec<Option<i32>> {
        let scan = self.sandbox.scan();
        self.names.iter().map(|name| Status::read(&scan.join(name)).map(|status| status.pid)).collect()
    }

    fn all(&self, what: &str, is_so: impl Fn(Option<i32>) -> bool) {
        self.sandbox.wait_for(&format!("all to be {what}"), || {
            let pids = self.pids();
            expect(pids.iter().all(|pid| is_so(*pid)), pids)
        });
    }

    fn up(&self) {
        self.svc("-u");
        self.all("up", |pid| pid.is_some_and(|pid| pid != 0));
    }

    fn down(&self) {
        self.svc("-d");
        self.all("down", |pid| pid == Some(0));
    }

    fn svc(&self, option: &str) {
        let said =
            self.sandbox.run("svc", std::iter::once(option).chain(self.names.iter().map(String::as_str)));
        assert_eq!((said.code, &*said.out, &*said.err), (0, "", ""));
    }

    /// Kills every leader, and waits until each has a successor.
    fn crash(&self) {
        let before = self.pids();
        before.iter().for_each(|pid| Process::look(pid.unwrap()).unwrap().signal(Signal::SIGKILL));
        self.sandbox.wait_for("successors", || {
            let now = self.pids();
            let new = now.iter().zip(&before).all(|(now, before)| now != before && *now != Some(0));
            expect(new, now)
        });
    }

    fn end(mut self) {
        assert_eq!(self.scanner.terminate(), 0, "{}", self.sandbox.reports());
    }
}

/// strace, counting what one process asks the kernel for.
struct Count {
    strace: Child,
    log: std::path::PathBuf,
}

impl Count {
    /// An error says why nothing can be counted here.
    fn begin(all: &Fifty, pid: i32) -> Result<Self, String> {
        let log = all.sandbox.lab().join("count");
        let _ = fs::remove_file(&log);
        let mut strace = Command::new("strace");
        strace.args(["-c", "-o"]).arg(&log).args(["-p", &pid.to_string()]).stderr(Stdio::piped());
        let mut strace = strace.spawn().map_err(|e| format!("no strace here: {e}"))?;
        let attached = all.sandbox.wait_for("strace", || {
            let ended = strace.try_wait().unwrap().is_some();
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let traced =
                status.lines().any(|line| line.strip_prefix("TracerPid:").is_some_and(|n| n.trim() != "0"));
            if traced || ended { Ok(!ended) } else { Err("not yet".to_owned()) }
        });
        if attached { Ok(Count { strace, log }) } else { Err("nothing can be traced here".to_owned()) }
    }

    /// How many calls there were since it began.
    fn end(mut self) -> f64 {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.strace.id() as i32), Signal::SIGINT).unwrap();
        self.strace.wait().unwrap();
        let text = fs::read_to_string(&self.log).unwrap();
        println!("{text}");
        // % time, seconds, usecs/call, calls, errors (if any), name; fcntl is left out, since a debug build asks by it of
        // every descriptor that it closes whether that is open
        let calls = |line: &str| -> Option<f64> {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            let is_call = words.len() >= 5 && !["total", "fcntl"].contains(words.last()?);
            words.get(3).filter(|_| is_call)?.parse().ok()
        };
        text.lines().filter_map(calls).sum()
    }
}

/// What each event costs. The bounds are what it was when they were set and a tenth more: who meets them has made every
/// start or stop of every service dearer, and should know why.
#[test]
fn an_event_takes_no_more_system_calls_than_it_did() {
    let all = Fifty::new("guards_calls");
    let supervisor = all.supervisor();
    let phases: [(&str, f64, &dyn Fn()); 5] = [
        ("taken up", 54.0, &|| all.lay_out()),
        // the pipe to the catcher is made with the first start
        ("first start", 35.0, &|| all.up()),
        // published twice, or once where the end is quicker
        ("stop", 36.0, &|| all.down()),
        ("start", 30.0, &|| all.up()),
        // of one that has run for less than a second: published as waiting in between
        ("restart", 53.0, &|| all.crash()),
    ];
    for (what, most, does) in phases {
        let count = match Count::begin(&all, supervisor) {
            Ok(count) => count,
            Err(why) => return skipped(&why),
        };
        does();
        let each = count.end() / COUNT as f64;
        println!("{what}: {each:.1} system calls each");
        assert!(each > 5.0, "{what}: {each} is too little to be true");
        assert!(each <= most, "{what}: {each} system calls each, {most} at the most");
    }
    all.end();
}

/// A stop asks of each process that is left over once who it is and whether it is a person's, tells it, and takes its
/// end: that many calls, however many there are.
#[test]
fn a_leftover_takes_no_more_system_calls_than_it_did() {
    let all = Fifty::new("guards_leftovers");
    let mut counts = Vec::new();
    for n in [100, 300] {
        let name = format!("crowd{n}");
        let child = "sleep 1000000 & i=$((i + 1))";
        all.sandbox.file(
            &format!("{name}/run"),
            &format!("#!/bin/sh\ni=0\nwhile [ $i -lt {n} ]; do {child}; done\nexec sleep 1000000\n"),
        );
        let leader = all.sandbox.up(&name);
        let is_there = |process: &&Process| process.command == "sleep" && process.parent == leader;
        all.sandbox.wait_for("the crowd", || {
            let there = all.sandbox.processes().iter().filter(is_there).count();
            expect(there == n, there)
        });
        let count = match Count::begin(&all, all.supervisor()) {
            Ok(count) => count,
            Err(why) => return skipped(&why),
        };
        all.sandbox.run("svc", ["-d", &name]);
        let service = all.sandbox.scan().join(&name);
        all.sandbox.wait_for("its end", || {
            let pid = Status::read(&service).map(|status| status.pid);
            expect(pid == Some(0), pid)
        });
        counts.push(count.end());
    }
    let each = (counts[1] - counts[0]) / 200.0;
    println!("{counts:?}: {each:.1} system calls for each leftover");
    assert!(each > 5.0, "{each} is too little to be true");
    // a handle, its name, its login, two signals, its end; and what is to spare is for ends that come one by one
    assert!(each <= 13.0, "{each} system calls for each leftover, 13 at the most");
    all.end();
}

/// What a process has for itself, in kB: a page of the program does not count, which is private or shared by who else
/// runs it at the time.
fn private_kb(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

/// A thousand starts and stops leave nothing behind in memory; neither does a long life with them.
#[test]
fn memory_does_not_grow_with_what_has_happened() {
    let all = Fifty::new("guards_memory");
    let supervisor = all.supervisor();
    all.lay_out();
    let round = || {
        all.up();
        all.down();
    };
    (0..4).for_each(|_| round());
    let before = private_kb(supervisor);
    (0..20).for_each(|_| round());
    let after = private_kb(supervisor);
    println!("{before} kB before, {after} kB after 1000 starts and 1000 stops");
    // pages that were not touched before may be, a few; 100 bytes kept for each event would be 200 kB
    assert!(after <= before + 64, "from {before} to {after} kB by 1000 starts and stops");
    all.end();
}

/// Where the descriptors do not suffice that is said, with the setting that gives more; and the services for which they
/// do suffice run.
#[test]
fn too_few_descriptors_are_named_by_their_setting() {
    let sandbox = Sandbox::new("guards_nofile", Family::Ours).unwrap();
    // whoever may raise the limit does
    let sandbox = if is_root() { sandbox.unprivileged() } else { sandbox };
    for n in 0..COUNT {
        sandbox.file(&format!("s{n:02}/run"), "#!/bin/sh\nexec sleep 1000000\n");
    }
    let mut command = sandbox.command("sh");
    command.args(["-c", "ulimit -n 200; exec svscan \"$1\"", "sh"]).arg(sandbox.scan());
    let mut scanner = sandbox.start_command(command);
    let reports = sandbox.wait_for("what is said", || {
        let reports = sandbox.reports();
        expect(
            reports.contains("only 200 descriptors") && reports.contains("too many open files"),
            &reports,
        )?;
        Ok::<_, String>(reports)
    });
    for line in reports.lines().filter(|line| line.contains("too many open files")) {
        assert!(line.contains("RLIMIT_NOFILE"), "{line}");
    }
    sandbox.up("s00");
    scanner.terminate();
}
