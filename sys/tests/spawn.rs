//! Children made by every way there is, on this kernel.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::CString;
use std::io::Read;
use std::os::fd::AsFd;
use sys::reap::{Ending, Whom, reap};
use sys::spawn::{Place, Program, Spawner, Stage, Way};

fn program(file: &str, arguments: &[&str], directory: &str) -> Program {
    let c = |s: &str| CString::new(s).unwrap();
    Program {
        file: c(file),
        arguments: arguments.iter().map(|s| c(s)).collect(),
        environment: vec![c("A=b")],
        directory: c(directory),
        session: true,
    }
}

fn wait(pid: i32) -> Ending {
    loop {
        if let Some((_, ending)) = reap(Whom::Pid(pid)) {
            return ending;
        }
        std::thread::yield_now();
    }
}

/// One test, so that one Spawner owns the tray of this process.
#[test]
fn every_way_starts_reports_and_inherits_nothing() {
    let mut spawner = Spawner::new().unwrap();
    for way in [Way::Clone3, Way::Vfork, Way::Clone] {
        spawner.way = way;
        becomes_the_program(&mut spawner);
        says_where_it_failed(&mut spawner);
        inherits_only_what_it_is_given(&mut spawner);
        gets_each_descriptor_under_its_number(&mut spawner);
        says_that_it_was_killed(&mut spawner);
        let (used, of) = spawner.stack_used();
        println!("{way:?}: {used} of {of} bytes of stack");
        assert!(used > 0 && used <= of / 2, "{used} of {of} bytes of stack");
        is_made_a_thousand_times(&mut spawner);
    }
}

fn becomes_the_program(spawner: &mut Spawner) {
    let child = spawner.spawn(program("/bin/sh", &["sh", "-c", "exit 7"], "/"), &Place::Here, &[]).unwrap();
    assert_eq!(wait(child.pid), Ending::Code(7));
    assert_eq!(spawner.verdict(child.pid), None);
    let child = spawner.spawn(program("/bin/sleep", &["sleep", "1000"], "/"), &Place::Here, &[]).unwrap();
    child.pidfd.signal(nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(wait(child.pid), Ending::Signal { number: 15, core: false });
}

fn says_where_it_failed(spawner: &mut Spawner) {
    for (file, directory, stage, errno) in [
        ("/nonexistent", "/", Stage::Exec, sys::Errno::ENOENT),
        ("/", "/", Stage::Exec, sys::Errno::EACCES),
        ("/bin/true", "/nonexistent", Stage::Directory, sys::Errno::ENOENT),
    ] {
        let child = spawner.spawn(program(file, &["x"], directory), &Place::Here, &[]).unwrap();
        assert_eq!(wait(child.pid), Ending::Code(111));
        let verdict = spawner.verdict(child.pid).unwrap();
        assert_eq!((verdict.stage, verdict.errno), (stage, errno));
        assert_eq!(spawner.verdict(child.pid), None, "said once");
    }
    let procs = Place::Writes(c"/nonexistent/cgroup.procs".into());
    let child = spawner.spawn(program("/bin/true", &["x"], "/"), &procs, &[]).unwrap();
    wait(child.pid);
    assert_eq!(spawner.verdict(child.pid).unwrap().stage, Stage::Cgroup);
}

fn inherits_only_what_it_is_given(spawner: &mut Spawner) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let script = "echo $A $(ulimit -n) $$ $(cut -d' ' -f6 /proc/$$/stat) \
                  $(grep -E 'SigBlk|SigIgn' /proc/$$/status | tr -s '\\n\\t' '  ') ; exec ls /proc/$$/fd >&9";
    let fds = [(writer.as_fd(), 1), (writer.as_fd(), 9)];
    let child = spawner.spawn(program("/bin/sh", &["sh", "-c", script], "/tmp"), &Place::Here, &fds).unwrap();
    drop(writer);
    assert_eq!(wait(child.pid), Ending::Code(0));
    spawner.reclaim();
    let mut text = String::new();
    // the end of file proves that the tray has let go of the pipe
    reader.read_to_string(&mut text).unwrap();
    let mut words = text.split_whitespace();
    assert_eq!(words.next(), Some("b"));
    assert_eq!(words.next().unwrap(), spawner.child_limit().0.to_string());
    assert_eq!(words.next(), words.next(), "leads its own session");
    let signals: Vec<&str> = words.by_ref().take(4).collect();
    assert_eq!(
        signals,
        ["SigBlk:", &mask("SigBlk:", 0), "SigIgn:", &mask("SigIgn:", sigpipe())],
        "SIGPIPE is not ignored"
    );
    assert_eq!(words.collect::<Vec<_>>(), ["0", "1", "2", "3", "9"], "3 is the listing itself: {text}");
}

/// Also where the numbers are those under which the spawner keeps descriptors for its children.
fn gets_each_descriptor_under_its_number(spawner: &mut Spawner) {
    for numbers in [[7, 6, 5, 4, 3], [4, 5, 6, 7, 3], [3, 0, 4, 1, 60], [9, 3, 8, 12, 6]] {
        let (readers, writers): (Vec<_>, Vec<_>) = numbers.iter().map(|_| std::io::pipe().unwrap()).unzip();
        let fds: Vec<_> = writers.iter().map(AsFd::as_fd).zip(numbers).collect();
        // sh has no redirection to descriptors above 9
        let script = "for n in $0; do printf $n > /proc/self/fd/$n; done";
        let list = numbers.map(|n| n.to_string()).join(" ");
        let program = program("/bin/sh", &["sh", "-c", script, &list], "/");
        let child = spawner.spawn(program, &Place::Here, &fds).unwrap();
        assert_eq!(wait(child.pid), Ending::Code(0), "{numbers:?}");
        assert_eq!(spawner.verdict(child.pid), None);
        drop(writers);
        for (mut reader, number) in readers.into_iter().zip(numbers) {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, number.to_string(), "{numbers:?}");
        }
    }
}

/// By a signal between clone and exec; here it waits in the open of a FIFO that nobody reads.
fn says_that_it_was_killed(spawner: &mut Spawner) {
    if spawner.way != Way::Clone3 {
        return; // the others would wait with it
    }
    let fifo = std::env::temp_dir().join(format!("pinfold-spawn-{}", std::process::id()));
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let place = Place::Writes(CString::new(fifo.to_str().unwrap()).unwrap());
    let child = spawner.spawn(program("/bin/true", &["true"], "/"), &place, &[]).unwrap();
    while sys::process::Stat::read(child.pid).is_none_or(|stat| stat.state != b'S') {
        std::thread::yield_now();
    }
    child.pidfd.signal(nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(wait(child.pid), Ending::Signal { number: 9, core: false });
    let verdict = spawner.verdict(child.pid).expect("it never became the program");
    assert_eq!((verdict.stage, verdict.errno), (Stage::Cgroup, sys::Errno::UnknownErrno));
    std::fs::remove_file(fifo).unwrap();
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

fn is_made_a_thousand_times(spawner: &mut Spawner) {
    let before = std::fs::read_dir("/proc/self/fd").unwrap().count();
    // as many at a time as the usual limit of descriptors allows
    for _ in 0..4 {
        let children: Vec<_> = (0..250)
            .map(|_| spawner.spawn(program("/bin/true", &["true"], "/"), &Place::Here, &[]).unwrap())
            .collect();
        assert!(children.iter().all(|child| child.pidfd.as_fd().try_clone_to_owned().is_ok()));
        for child in &children {
            assert_eq!(wait(child.pid), Ending::Code(0));
            assert_eq!(spawner.verdict(child.pid), None);
        }
    }
    assert_eq!(std::fs::read_dir("/proc/self/fd").unwrap().count(), before);
}
