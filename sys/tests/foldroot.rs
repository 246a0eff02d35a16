//! The fold root, on real processes.
#![allow(clippy::unwrap_used, clippy::panic)]

use nix::sys::signal::Signal;
use std::ffi::CString;
use std::io::Read;
use std::os::fd::AsFd;
use sys::foldroot::{FoldRoot, NAME, RECORD, Report};
use sys::process::{Identity, Pidfd, Stat, all};
use sys::reap::{Ending, Whom, reap};
use sys::spawn::{Child, Place, Program, Spawner};

/// Where the reports go: an unlikely number.
const REPORT: i32 = 41;

fn script(text: &str) -> Program {
    let c = |s: &str| CString::new(s).unwrap();
    Program {
        file: c("/bin/sh"),
        arguments: vec![c("-sh"), c("-c"), c(text)],
        environment: vec![c("PATH=/usr/bin:/bin"), c("A=b")],
        directory: c("/tmp"),
        session: true,
    }
}

struct Fold {
    root: Child,
    reports: std::io::PipeReader,
    output: std::io::PipeReader,
    /// Killed in the end, also when a test fails.
    leader: Option<Pidfd>,
}

impl Drop for Fold {
    fn drop(&mut self) {
        if let Some(leader) = &self.leader {
            let _ = leader.signal(Signal::SIGKILL);
        }
    }
}

impl Fold {
    fn start(program: Program, foldroot: &FoldRoot, spawner: &mut Spawner) -> Fold {
        let (reports, report) = std::io::pipe().unwrap();
        let (output, out) = std::io::pipe().unwrap();
        let fds = [(report.as_fd(), REPORT), (out.as_fd(), 1), (out.as_fd(), 7)];
        let root = spawner.spawn(foldroot.above(program, REPORT), &Place::Here, &fds).unwrap();
        Fold { root, reports, output, leader: None }
    }

    fn next(&mut self) -> Report {
        let mut record = [0; RECORD];
        self.reports.read_exact(&mut record).unwrap();
        Report::parse(&record).unwrap()
    }

    fn leader(&mut self) -> i32 {
        match self.next() {
            Report::Started { pid } => {
                self.leader = Pidfd::open(pid).ok();
                pid
            }
            other => panic!("{other:?}"),
        }
    }

    /// Everything that it says until it ends, and how it ends.
    fn rest(mut self, spawner: &mut Spawner) -> Vec<Report> {
        let end = loop {
            if let Some((_, end)) = reap(Whom::Pid(self.root.pid)) {
                break end;
            }
            std::thread::yield_now();
        };
        assert_eq!((spawner.verdict(self.root.pid), end), (None, Ending::Code(0)));
        let mut bytes = Vec::new();
        self.reports.read_to_end(&mut bytes).unwrap();
        Report::parse_all(&bytes).collect()
    }
}

fn line(from: &mut std::io::PipeReader) -> String {
    let mut text = Vec::new();
    loop {
        let mut byte = [0];
        match from.read(&mut byte).unwrap() {
            1 if byte[0] != b'\n' => text.push(byte[0]),
            _ => return String::from_utf8(text).unwrap(),
        }
    }
}

/// Set where memory can't be executed.
const ELSEWHERE: &str = "PINFOLD_TEST_NO_MEMFD";

/// The same test where memory can't be executed: a setting of pid namespaces since Linux 6.3.
fn again_from_a_file() {
    let command = "echo 2 > /proc/sys/vm/memfd_noexec && exec \"$0\" --nocapture";
    let output = std::process::Command::new("unshare")
        .args(["--pid", "--fork", "--mount", "--mount-proc", "sh", "-c", command])
        .arg(std::env::current_exe().unwrap())
        .env(ELSEWHERE, "1")
        .output();
    let Ok(output) = output else {
        return println!("SKIPPED: the fold root from a file: no unshare");
    };
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() && !out.contains("running 1 test") {
        return println!("SKIPPED: the fold root from a file: {err}");
    }
    assert!(output.status.success() && out.contains("from a file"), "{out}{err}");
}

/// One test, so that one Spawner owns the tray of this process.
#[test]
fn a_fold_root_keeps_its_fold_together() {
    if std::env::var_os(ELSEWHERE).is_none() {
        again_from_a_file();
    }
    let mut spawner = Spawner::new().unwrap();
    let directory = std::env::temp_dir().join(format!("pinfold-foldroot-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let foldroot = FoldRoot::prepare(&directory, &mut spawner).unwrap();
    the_leader_is_as_without_one(&foldroot, &mut spawner);
    what_cannot_be_executed_is_said(&foldroot, &mut spawner);
    orphans_return_and_are_reported(&foldroot, &mut spawner);
    it_outlives_signals_and_its_reader(&foldroot, &mut spawner);
    it_is_small_and_holds_nothing(&foldroot, &mut spawner);
    a_reader_that_is_behind_misses_no_end_of_the_leader(&foldroot, &mut spawner);
    println!("{}", if directory.join(NAME).exists() { "from a file" } else { "from memory" });
    std::fs::remove_dir_all(directory).unwrap();
}

fn the_leader_is_as_without_one(foldroot: &FoldRoot, spawner: &mut Spawner) {
    // name, session = own, directory, environment, descriptors, signals, parent's name
    let text = "echo $0 $(cut -d' ' -f6 /proc/$$/stat) $PWD $A $(cut -d' ' -f2 /proc/$PPID/stat) \
        $(grep -E 'SigBlk|SigIgn' /proc/$$/status | tr -s '\\n\\t' '  '); exec ls /proc/$$/fd";
    for session in [true, false] {
        let mut fold = Fold::start(Program { session, ..script(text) }, foldroot, spawner);
        let leader = fold.leader();
        let said = line(&mut fold.output);
        let words: Vec<&str> = said.split(' ').collect();
        let own = Stat::read(std::process::id() as i32).unwrap().session;
        let wanted = if session { leader } else { own };
        assert_eq!(words[..5], ["-sh", &wanted.to_string(), "/tmp", "b", "(foldroot)"]);
        assert_eq!(words[5..], ["SigBlk:", &mask("SigBlk:", 0), "SigIgn:", &mask("SigIgn:", sigpipe())]);
        for descriptor in ["0", "1", "2", "3", "7"] {
            assert_eq!(line(&mut fold.output), descriptor, "3 is the listing itself");
        }
        let rest = fold.rest(spawner);
        assert_eq!(rest, [Report::Ended { pid: leader, ending: Ending::Code(0) }]);
    }
}

fn what_cannot_be_executed_is_said(foldroot: &FoldRoot, spawner: &mut Spawner) {
    let program = Program { file: c"./nonexistent".to_owned(), ..script("") };
    let mut fold = Fold::start(program, foldroot, spawner);
    let pid = fold.leader();
    assert_eq!(fold.next(), Report::Failed { pid, errno: sys::Errno::ENOENT });
    assert_eq!(fold.rest(spawner), [Report::Ended { pid, ending: Ending::Code(111) }]);
}

fn orphans_return_and_are_reported(foldroot: &FoldRoot, spawner: &mut Spawner) {
    let text = "(setsid sh -c 'echo $$ >&7; exec sleep 1000' &); exit 0";
    let mut fold = Fold::start(script(text), foldroot, spawner);
    let leader = fold.leader();
    let orphan: i32 = line(&mut fold.output).parse().unwrap();
    let handle = Pidfd::open(orphan).unwrap();
    let mut ended = Vec::new();
    while !ended.contains(&leader) {
        match fold.next() {
            Report::Ended { pid, ending } => {
                assert_eq!(ending, Ending::Code(0));
                ended.push(pid);
            }
            other => panic!("{other:?}"),
        }
    }
    while Stat::read(orphan).unwrap().parent != fold.root.pid {
        std::thread::yield_now();
    }
    handle.signal(Signal::SIGTERM).unwrap();
    let rest = fold.rest(spawner);
    let ending = Ending::Signal { number: 15, core: false };
    assert!(rest.contains(&Report::Ended { pid: orphan, ending }), "{rest:?}");
}

fn it_outlives_signals_and_its_reader(foldroot: &FoldRoot, spawner: &mut Spawner) {
    let mut fold = Fold::start(script("echo x; exec sleep 1000"), foldroot, spawner);
    fold.leader();
    line(&mut fold.output);
    // the reader is gone from here on
    fold.reports = std::io::pipe().unwrap().0;
    for signal in Signal::iterator().filter(|signal| !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP)) {
        fold.root.pidfd.signal(signal).unwrap();
    }
    fold.leader.as_ref().unwrap().signal(Signal::SIGKILL).unwrap();
    let end = loop {
        if let Some((_, end)) = reap(Whom::Pid(fold.root.pid)) {
            break end;
        }
        std::thread::yield_now();
    };
    assert_eq!(end, Ending::Code(0), "not by one of those signals, nor by the broken pipe");
}

fn it_is_small_and_holds_nothing(foldroot: &FoldRoot, spawner: &mut Spawner) {
    let mut fold = Fold::start(script("echo x; exec sleep 1000"), foldroot, spawner);
    fold.leader();
    line(&mut fold.output);
    let root = fold.root.pid;
    let stat = Stat::read(root).unwrap();
    assert_eq!(stat.command, NAME);
    assert!(all().iter().any(|one| one.identity() == Identity::of(root).unwrap()));
    // asleep, so it has done all that it does before
    while Stat::read(root).unwrap().state != b'S' {
        std::thread::yield_now();
    }
    let descriptors: Vec<_> = std::fs::read_dir(format!("/proc/{root}/fd")).unwrap().collect();
    assert_eq!(descriptors.len(), 1, "{descriptors:?}");
    assert_eq!(std::fs::read_link(format!("/proc/{root}/cwd")).unwrap().to_str(), Some("/"));
    let rollup = std::fs::read_to_string(format!("/proc/{root}/smaps_rollup")).unwrap();
    let field = |name: &str| -> u32 {
        let line = rollup.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    println!("private dirty {} kB, pss {} kB", field("Private_Dirty:"), field("Pss:"));
    // the stack: a page or two in use, and those of arguments and environment
    assert!(field("Private_Dirty:") <= 16, "{rollup}");
    fold.leader.as_ref().unwrap().signal(Signal::SIGKILL).unwrap();
    fold.rest(spawner);
}

/// A pipe of one page that nobody reads, filled by the ends of orphans.
fn a_reader_that_is_behind_misses_no_end_of_the_leader(foldroot: &FoldRoot, spawner: &mut Spawner) {
    let (reports, report) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).unwrap();
    nix::fcntl::fcntl(&report, nix::fcntl::FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    let (mut output, out) = std::io::pipe().unwrap();
    let text = "n=0; while [ $n -lt 400 ]; do (: &); n=$((n+1)); done; echo x; exit 9";
    let fds = [(report.as_fd(), REPORT), (out.as_fd(), 1)];
    let root = spawner.spawn(foldroot.above(script(text), REPORT), &Place::Here, &fds).unwrap();
    drop((report, out));
    line(&mut output);
    spawner.reclaim();
    // It waits for room, and is found alive, with everything but the leader's end said: then it is read.
    let mut bytes = Vec::new();
    let mut reader = std::fs::File::from(reports);
    let mut piece = [0; 4096];
    let leader = loop {
        match reader.read(&mut piece) {
            Ok(0) => break None,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(e) => panic!("{e}"),
        }
        let found = Report::parse_all(&bytes).find_map(|report| match report {
            Report::Ended { pid, ending: Ending::Code(9) } => Some(pid),
            _ => None,
        });
        if found.is_some() {
            break found;
        }
    };
    assert_eq!(Report::parse_all(&bytes).next(), leader.map(|pid| Report::Started { pid }));
    while reap(Whom::Pid(root.pid)).is_none() {
        std::thread::yield_now();
    }
}

/// The bit of SIGPIPE, if it was Rust's runtime that ignores it here.
fn sigpipe() -> u64 {
    if sys::startup::sigpipe_ignored() { 0 } else { 1 << 12 }
}

/// A mask of our own, from `/proc/self/status`, without the bits in `less`.
fn mask(name: &str, less: u64) -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let bits = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
    format!("{:016x}", bits & !less)
}
