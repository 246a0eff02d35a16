//! Who is adopted: exactly who was recorded, in this boot. And that it costs less than a start.

use std::fs;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pinfold::table;
use sys::process::Identity;

use super::common::processes::Process;
use super::common::{Family, Sandbox, expect};
use super::ordeal::Ordeal;
use super::scene::Scene;

/// A process that belongs to nobody.
struct Stranger(Child);

impl Stranger {
    fn new() -> Self {
        Stranger(Command::new("sleep").arg("1000000").stdin(Stdio::null()).spawn().unwrap())
    }

    fn process(&self) -> Process {
        Process::look(self.0.id() as i32).unwrap()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Everything is killed, the table is changed, the next svscan reads it.
fn after(ordeal: Ordeal, change: impl FnOnce(&Scene)) -> Scene {
    let Ordeal { mut scene, guardian, supervisor } = ordeal;
    let catcher = scene.catcher();
    for process in [&guardian, &supervisor, &catcher] {
        process.signal(Signal::SIGSTOP);
    }
    for process in [&guardian, &supervisor, &catcher] {
        process.signal(Signal::SIGKILL);
    }
    scene.scanner.take().unwrap().ended();
    scene.gone(&supervisor);
    scene.gone(&catcher);
    change(&scene);
    scene.open();
    scene
}

/// Rewrites the record of squid.
fn rewrite(scene: &Scene, change: impl FnOnce(&mut pinfold::record::Record)) {
    let view = table::read(&scene.run()).unwrap();
    let (slot, mut record) = view.records.into_iter().find(|(_, record)| record.name == b"squid").unwrap();
    change(&mut record);
    let mut table = table::Table::open(&scene.run()).unwrap();
    table.keep_slot(slot);
    table.put(slot, &record).unwrap();
}

/// The pid is somebody else's by now: its start time says so.
#[test]
fn a_pid_that_is_used_again_is_not_adopted() {
    let stranger = Stranger::new();
    let ordeal = Ordeal::new("reused", &["squid", "other"]);
    let (squid, other) = (ordeal.sandbox.up("squid"), ordeal.sandbox.up("other"));
    let scene = after(ordeal, |scene| {
        scene.process(squid).signal(Signal::SIGKILL);
        rewrite(scene, |record| {
            let recorded = record.leader.unwrap();
            record.leader = Some(Identity { pid: stranger.process().pid, start: recorded.start });
        });
    });
    let now = scene.other("squid", squid);
    assert_ne!(now, stranger.process().pid);
    assert_eq!(scene.sandbox.up("other"), other);
    scene.svc("-d", "squid");
    scene.sandbox.down("squid");
    assert!(stranger.process().is_alive(), "who was not the service is not stopped with it");
    scene.close();
    assert!(stranger.process().is_alive());
}

/// A table of another boot: its pids mean nobody, even if pid and start time should fit.
#[test]
fn a_table_of_another_boot_is_not_believed() {
    let stranger = Stranger::new();
    let ordeal = Ordeal::new("rebooted", &["squid"]);
    let squid = ordeal.sandbox.up("squid");
    let scene = after(ordeal, |scene| {
        // as a reboot would: nobody lives, and no group is there
        scene.process(squid).signal(Signal::SIGKILL);
        scene.sandbox.wait_for("the groups to be removed", || {
            let groups = scene.sandbox.cgroups();
            groups.iter().for_each(|group| drop(fs::remove_dir(group)));
            expect(groups.is_empty(), groups)
        });
        rewrite(scene, |record| {
            record.leader = Identity::of(stranger.process().pid);
        });
        let mut head = table::read(&scene.run()).unwrap().head;
        head.boot[0] ^= 1;
        table::Table::open(&scene.run()).unwrap().put_head(&head).unwrap();
    });
    let now = scene.other("squid", squid);
    assert_ne!(now, stranger.process().pid);
    scene.svc("-d", "squid");
    scene.sandbox.down("squid");
    scene.close();
    assert!(stranger.process().is_alive());
}

/// Nobody had kept them: the new guardian keeps its services' locks from then on.
#[test]
fn what_is_taken_over_is_kept() {
    let ordeal = Ordeal::new("kept", &["squid", "other"]);
    let squid = ordeal.sandbox.up("squid");
    let scene = after(ordeal, |_| ());
    scene.supervisor_after(&scene.guardian());
    let guardian = scene.guardian().pid;
    scene.sandbox.wait_for("the guardian to keep squid's lock", || {
        let all = fs::read_dir(format!("/proc/{guardian}/fd")).unwrap().flatten();
        let all: Vec<_> = all.filter_map(|fd| fs::read_link(fd.path()).ok()).collect();
        expect(all.iter().any(|file| file.ends_with("squid/lock")), all)
    });
    assert_eq!(scene.sandbox.up("squid"), squid);
    scene.close();
}

/// A fault of its own, where it waits: it takes the address 0 for a number's.
#[cfg(target_arch = "x86_64")]
fn crash(scene: &Scene, process: &Process) {
    const STORE_AT_0: [u8; 9] = [0x48, 0x31, 0xc0, 0xc7, 0x00, 0, 0, 0, 0]; // xor rax, rax; mov dword [rax], 0
    let place = scene.sandbox.wait_for("it to wait", || {
        let waits = fs::read_to_string(format!("/proc/{}/syscall", process.pid)).unwrap();
        let place =
            waits.trim_end().rsplit(" 0x").next().and_then(|place| u64::from_str_radix(place, 16).ok());
        place.filter(|_| waits.split(' ').count() > 2).ok_or(waits)
    });
    let memory = fs::File::options().write(true).open(format!("/proc/{}/mem", process.pid)).unwrap();
    memory.write_all_at(&STORE_AT_0, place).unwrap();
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_supervisor_that_crashes() {
    if !super::common::is_root() {
        return super::common::skipped("needs root to write into a process's memory");
    }
    let ordeal = Ordeal::new("crashes", &["squid", "other"]);
    let pids = || ["squid", "other"].map(|service| ordeal.sandbox.up(service));
    let before = pids();
    for _ in 0..3 {
        let supervisor = ordeal.supervisor();
        crash(&ordeal, &supervisor);
        // wakes it
        ordeal.svc("-c", "squid");
        ordeal.gone(&supervisor);
        ordeal.supervisor_after(&supervisor);
        assert_eq!(pids(), before);
    }
    ordeal.says(&["the supervisor ended", "SIGSEGV"]);
    ordeal.works("squid");
    ordeal.scene.close();
}

/// Adoption of a thousand takes less time than to start them: from the death of the supervisor on until the next one
/// obeys, and from svscan's start until the last one is up.
#[test]
fn a_thousand_are_adopted_faster_than_started() {
    const COUNT: usize = 1000;
    let sandbox = Sandbox::new("adopt-thousand", Family::Ours).unwrap();
    for n in 0..COUNT {
        sandbox.file(&format!("s{n}/run"), "#!/bin/sh\nexec sleep 1000000\n");
    }
    let mut scene = Scene::of(sandbox);
    let begin = Instant::now();
    scene.open();
    let pids = || (0..COUNT).map(|n| scene.sandbox.status(&format!("s{n}")).map_or(0, |status| status.pid));
    scene.sandbox.wait_for("all to be up", || {
        let down = pids().filter(|pid| *pid == 0).count();
        expect(down == 0, down)
    });
    let started = begin.elapsed();
    let before: Vec<i32> = pids().collect();
    // the best of three: what else this machine does takes time from either
    let adopted = (0..3).map(|_| adoption(&scene)).min().unwrap();
    println!("{COUNT} services: started in {started:?}, adopted in {adopted:?}");
    assert_eq!(pids().collect::<Vec<_>>(), before);
    assert!(adopted < started, "started in {started:?}, adopted in {adopted:?}");
    scene.close();
}

fn adoption(scene: &Scene) -> Duration {
    let before = scene.supervisor();
    // nobody reads it until all are adopted: a rename tells, by the status of one that is made to change
    let status = fs::File::open(scene.path("s7/supervise/stat")).unwrap();
    let mut text = [0; 64];
    assert!(status.read_at(&mut text, 0).unwrap() > 0);
    let begin = Instant::now();
    scene.kill(&before);
    scene.supervisor_after(&before);
    scene.svc("-p", "s7");
    scene.recorded("s7", "paused", |record| record.state.paused);
    let took = begin.elapsed();
    scene.svc("-c", "s7");
    scene.recorded("s7", "going on", |record| !record.state.paused);
    took
}
