use super::*;

fn sample() -> Record {
    Record {
        name: b"squid/log".to_vec(),
        state: State {
            phase: Phase::Sweeping { cause: Cause::Late, finished: true, rung: Rung::Killed },
            want: Want::Once,
            paused: false,
            termed: true,
            leaving: false,
            everybody: true,
            quick_deaths: 7,
            started: 12345,
            deadline: Some(99),
        },
        leader: Some(Identity { pid: 42, start: 777 }),
        root: None,
        generation: 3,
        notifies: true,
        strayed: true,
        pipes: (7, 1 << 40),
        changed: (1_700_000_000, 5),
        restarts: 9,
        last_exit: Some(Ending::Signal { number: 11, core: true }),
        not_started: Some((Stage::Exec, 2)),
        timeout_kill: None,
        message: "exec ./run: no such file".into(),
        words: Words { status: "é".repeat(100), reloading: true, ending: false },
        receipt: Receipt {
            took_ms: 1234,
            found: 12,
            killed: 2,
            named: (0..NAMED as i32)
                .map(|n| Met {
                    pid: 1000 + n,
                    command: "fifteen-letters".into(),
                    leader: n == 0,
                    stray: n == 1,
                    killed: n == 2,
                    ended: (n != 3).then_some(Ending::Code(n as u8)),
                })
                .collect(),
        },
    }
}

#[test]
fn what_is_written_is_what_is_read() {
    let record = sample();
    assert_eq!(Record::decode(&record.encode()), Some(record));
}

#[test]
fn every_phase_survives_the_trip() {
    for cause in CAUSES {
        for phase in [
            Phase::Down,
            Phase::Starting { since: 5, leader: Leader::Run },
            Phase::Ready { since: 6, leader: Leader::Nobody },
            Phase::Ready { since: 6, leader: Leader::Daemon },
            Phase::Daemonising { since: 7 },
            Phase::Stopping { cause, rung: Rung::Asked },
            Phase::Sweeping { cause, finished: false, rung: Rung::Asked },
            Phase::Finishing { cause, rung: Rung::Killed },
            Phase::Backoff { cause },
            Phase::Failed { cause },
        ] {
            let mut record = sample();
            record.state.phase = phase;
            assert_eq!(Record::decode(&record.encode()).unwrap().state.phase, phase);
        }
    }
}

#[test]
fn a_torn_or_empty_block_is_no_record() {
    let mut bytes = sample().encode();
    assert_eq!(Record::decode(&[0; SIZE]), None);
    for at in 0..SIZE {
        bytes[at] ^= 1;
        assert_eq!(Record::decode(&bytes), None, "byte {at}");
        bytes[at] ^= 1;
    }
    assert_eq!(Record::decode(&bytes[..SIZE - 1]), None);
}

#[test]
fn the_longest_names_and_messages_fit() {
    let mut record = sample();
    record.name = [vec![b'n'; 255], b"/log".to_vec()].concat();
    record.message = "m".repeat(1000);
    let read = Record::decode(&record.encode()).unwrap();
    assert_eq!(read.name, record.name);
    assert_eq!(read.message.len(), MESSAGE - 2);
    assert!(read.message.ends_with("m…"), "{}", read.message);
    // no character is cut in two
    for before in ["", "m", "mm", "mmm"] {
        record.message = before.to_owned() + &"€".repeat(1000);
        let read = Record::decode(&record.encode()).unwrap();
        assert!(read.message.ends_with("€…") && !read.message.contains('\u{fffd}'), "{}", read.message);
    }
}
