use super::*;
use crate::machine::{Leader, State};
use crate::record::{Receipt, Words};

fn record(phase: Phase) -> Record {
    Record {
        name: b"squid".to_vec(),
        state: State { phase, ..State::new(Want::Up) },
        leader: None,
        root: None,
        generation: 0,
        notifies: false,
        strayed: false,
        pipes: (7, 1 << 40),
        changed: (0, 0),
        restarts: 0,
        last_exit: Some(Ending::Signal { number: 11, core: true }),
        not_started: None,
        timeout_kill: Some(90_000),
        message: String::new(),
        words: Words::default(),
        receipt: Receipt::default(),
    }
}

#[test]
fn states_in_words() {
    let stopping = Phase::Stopping { cause: Cause::Asked, rung: Rung::Asked };
    let crashed = Cause::Exited { quick: true, clean: false };
    let up = Phase::Ready { since: 0, leader: Leader::Run };
    let words = |phase, change: &dyn Fn(&mut Record)| {
        let mut record = record(phase);
        record.state.deadline = Some(155_000);
        change(&mut record);
        state(&record, 100_000)
    };
    let nothing = |_: &mut Record| {};
    assert_eq!(words(Phase::Down, &nothing), "down");
    assert_eq!(words(up, &nothing), "up");
    assert_eq!(words(up, &|r| r.notifies = true), "ready");
    assert_eq!(words(up, &|r| (r.notifies, r.words.reloading) = (true, true)), "reloading");
    assert_eq!(words(up, &|r| r.words.ending = true), "ending by itself");
    assert_eq!(words(up, &|r| r.state.want = Want::Once), "up once");
    assert_eq!(words(up, &|r| r.state.paused = true), "paused");
    assert_eq!(
        words(Phase::Starting { since: 95_000, leader: Leader::Run }, &nothing),
        "starting for 5 s of 60"
    );
    assert_eq!(
        words(Phase::Starting { since: 95_000, leader: Leader::Run }, &|r| r.state.deadline = None),
        "starting for 5 s"
    );
    assert_eq!(words(stopping, &nothing), "stopping for 35 s of 90");
    assert_eq!(words(stopping, &|r| r.timeout_kill = None), "stopping, however long it takes");
    let killed = Phase::Sweeping { cause: crashed, finished: false, rung: Rung::Killed };
    assert_eq!(words(killed, &nothing), "sweeping, killed and not gone yet");
    assert_eq!(words(Phase::Backoff { cause: crashed }, &nothing), "restarting, again in 55 s");
    let loops = |r: &mut Record| r.state.quick_deaths = 2;
    assert_eq!(words(Phase::Backoff { cause: crashed }, &loops), "crash loop, again in 55 s");
    assert_eq!(words(Phase::Backoff { cause: Cause::NotStarted }, &nothing), "can't start, again in 55 s");
    assert_eq!(words(Phase::Failed { cause: crashed }, &nothing), "failed");
}

#[test]
fn ends_in_words() {
    let words = |phase, change: &dyn Fn(&mut Record)| {
        let mut record = record(phase);
        change(&mut record);
        over(&Sight::Ours(Box::new(record)))
    };
    let backoff = |cause| Phase::Backoff { cause };
    let nothing = |_: &mut Record| {};
    let quick = backoff(Cause::Exited { quick: true, clean: false });
    assert_eq!(
        words(quick, &nothing),
        "it ended within a second of its start: ended by SIGSEGV (core dumped)"
    );
    assert_eq!(words(backoff(Cause::Unfit), &nothing), "its own start check took it down");
    let exec = |r: &mut Record| r.not_started = Some((sys::spawn::Stage::Exec, 13));
    assert_eq!(words(backoff(Cause::NotStarted), &exec), "exec: permission denied");
    let told = |r: &mut Record| r.message = "timeout-kill: \u{1b}[31m".to_owned();
    assert_eq!(words(backoff(Cause::NotStarted), &told), "timeout-kill: \\u{1b}[31m");
}
