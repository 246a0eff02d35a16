use super::*;
use crate::machine::State;
use crate::record::Receipt;
use sys::process::Identity;
use sys::reap::Ending;

const SETTLE: Ms = 3000;

/// A service as a table has it: `started` tells its runs apart.
fn sight(phase: Phase, started: Ms, pid: i32) -> Sight {
    let state = State { phase, started, ..State::new(Want::Up) };
    Sight::Ours(Box::new(Record {
        name: b"squid".to_vec(),
        state,
        leader: (pid != 0).then_some(Identity { pid, start: 1 }),
        root: None,
        generation: 0,
        notifies: false,
        strayed: false,
        pipes: (7, 1 << 40),
        changed: (0, 0),
        restarts: 0,
        last_exit: Some(Ending::Code(5)),
        not_started: None,
        timeout_kill: None,
        message: String::new(),
        words: crate::record::Words::default(),
        receipt: Receipt::default(),
    }))
}

fn up(since: Ms, pid: i32) -> Sight {
    sight(Phase::Ready { since, leader: Leader::Run }, since, pid)
}

fn with(sight: &Sight, change: impl FnOnce(&mut Record)) -> Sight {
    let Sight::Ours(mut record) = sight.clone() else { panic!() };
    change(&mut record);
    Sight::Ours(record)
}

fn down(started: Ms) -> Sight {
    with(&sight(Phase::Down, started, 0), |record| record.state.want = Want::Down)
}

const CRASHED: Cause = Cause::Exited { quick: true, clean: false };

fn is_bad(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Bad(_))
}

#[test]
fn up_for_long_enough_is_good() {
    let mut judge = Judge::new(&down(0), SETTLE, 1000);
    assert_eq!(judge.look(&down(0), 1001), Verdict::Wait, "not heard yet");
    assert!(!judge.has_begun());
    assert_eq!(judge.look(&up(1010, 7), 1020), Verdict::Up(4010));
    assert!(judge.has_begun());
    assert_eq!(judge.look(&up(1010, 7), 4009), Verdict::Up(4010));
    assert_eq!(judge.look(&up(1010, 7), 4010), Verdict::Good);
    // up before anybody asked
    assert_eq!(Judge::new(&up(1, 7), SETTLE, 9000).look(&up(1, 7), 9000), Verdict::Good);
}

#[test]
fn another_run_is_a_crash_also_if_it_is_up() {
    for before in [up(1010, 7), down(0)] {
        let mut judge = Judge::new(&before, SETTLE, 1000);
        assert_eq!(judge.look(&up(1010, 7), 1100), Verdict::Up(4010));
        let verdict = judge.look(&up(2200, 8), 2300);
        assert_eq!(verdict, Verdict::Bad("it ended, and was started again: exit 5".to_owned()));
    }
}

#[test]
fn a_crash_that_nobody_saw_happen_is_one() {
    let crashed = |started| sight(Phase::Backoff { cause: CRASHED }, started, 0);
    // from rest, and from an older crash
    for before in [down(0), crashed(500)] {
        let mut judge = Judge::new(&before, SETTLE, 1000);
        assert_eq!(judge.look(&before, 1001), Verdict::Wait, "the old crash is not the new one's");
        assert!(is_bad(&judge.look(&crashed(1002), 1003)));
    }
    let given_up = sight(Phase::Failed { cause: CRASHED }, 900, 0);
    let mut judge = Judge::new(&given_up, SETTLE, 1000);
    assert_eq!(judge.look(&given_up, 1001), Verdict::Wait);
}

#[test]
fn a_service_on_its_way_down_is_waited_for() {
    let stopping = sight(Phase::Stopping { cause: Cause::Asked, rung: crate::machine::Rung::Asked }, 500, 7);
    let mut judge = Judge::new(&stopping, SETTLE, 1000);
    assert_eq!(judge.look(&stopping, 2000), Verdict::Wait);
    assert_eq!(judge.look(&up(2500, 8), 2500), Verdict::Up(5500));
    // but not one that is stopped again meanwhile
    let again = with(&stopping, |record| {
        record.state.started = 2500;
        record.state.want = Want::Down;
    });
    assert!(is_bad(&judge.look(&again, 2600)));
}

#[test]
fn one_that_notifies_is_good_when_it_has_and_never_before() {
    let notifies = |phase| with(&sight(phase, 1010, 7), |record| record.notifies = true);
    let mut judge = Judge::new(&down(0), SETTLE, 1000);
    assert_eq!(
        judge.look(&notifies(Phase::Starting { since: 1010, leader: Leader::Run }), 60_000),
        Verdict::Wait
    );
    let ready = notifies(Phase::Ready { since: 1010, leader: Leader::Run });
    assert_eq!(judge.look(&ready, 60_001), Verdict::Good);
    let late = notifies(Phase::Stopping { cause: Cause::Late, rung: crate::machine::Rung::Asked });
    let verdict = judge.look(&late, 60_002);
    assert_eq!(verdict, Verdict::Bad("not ready in time (timeout-up)".to_owned()));
}

#[test]
fn a_daemon_must_stay_as_long_as_any_other() {
    let mut judge = Judge::new(&down(0), SETTLE, 1000);
    assert_eq!(judge.look(&up(1010, 7), 1020), Verdict::Up(4010));
    let leaving = sight(Phase::Daemonising { since: 1010 }, 1010, 0);
    assert_eq!(judge.look(&leaving, 3000), Verdict::Wait);
    let daemon = sight(Phase::Ready { since: 1010, leader: Leader::Daemon }, 1010, 9);
    assert_eq!(judge.look(&daemon, 3500), Verdict::Up(6500));
    assert_eq!(judge.look(&daemon, 6500), Verdict::Good);
}

#[test]
fn a_paused_one_and_an_unsupervised_one_are_not_started() {
    let mut judge = Judge::new(&up(1, 7), SETTLE, 9000);
    assert!(is_bad(&judge.look(&with(&up(1, 7), |record| record.state.paused = true), 9001)));
    assert!(is_bad(&judge.look(&Sight::Nobody, 9002)));
}
