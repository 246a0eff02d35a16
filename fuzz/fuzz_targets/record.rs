//! A record of the table: what is written is what is read, whatever a service is called and comes to; and what is
//! understood of a changed one is written, and read, as the same again.
#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use pinfold::machine::{Cause, Leader, Phase, Rung, State, Want};
use pinfold::place;
use pinfold::record::{Met, NAMED, Receipt, Record, SIZE, Words};
use sys::process::Identity;
use sys::reap::Ending;
use sys::spawn::Stage;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut u = Unstructured::new(bytes);
    let (Ok(changes), Ok(record)) = (u.arbitrary::<[(u16, u8); 4]>(), record(&mut u)) else { return };
    let mut block = record.encode();
    assert_eq!(Record::decode(&block), Some(record));

    let (content, sum) = block.split_at_mut(SIZE - 8);
    changes.iter().for_each(|(at, byte)| content[usize::from(*at) % (SIZE - 8)] = *byte);
    sum.copy_from_slice(&place::hash(content).to_le_bytes());
    if let Some(record) = Record::decode(&block) {
        check(&record);
    }
});

fn check(record: &Record) {
    let mut again = Record::decode(&record.encode()).unwrap_or_else(|| panic!("unreadable: {record:?}"));
    // What was no UTF-8 has become longer, and may have been cut.
    if record.message.contains('\u{fffd}') {
        again.message.clone_from(&record.message);
    }
    if record.words.status.contains('\u{fffd}') {
        again.words.status.clone_from(&record.words.status);
    }
    for (again, met) in again.receipt.named.iter_mut().zip(&record.receipt.named) {
        if met.command.contains('\u{fffd}') {
            again.command.clone_from(&met.command);
        }
    }
    assert_eq!(&again, record);
}

fn record(u: &mut Unstructured<'_>) -> Result<Record> {
    Ok(Record {
        // as long as file names are, with `/log`
        name: [b"n", &u.arbitrary::<[u8; 258]>()?[..u.int_in_range(0..=258)?]].concat(),
        state: State {
            phase: phase(u)?,
            want: *u.choose(&[Want::Up, Want::Once, Want::Down])?,
            paused: u.arbitrary()?,
            termed: u.arbitrary()?,
            leaving: u.arbitrary()?,
            everybody: u.arbitrary()?,
            quick_deaths: u.arbitrary()?,
            started: u.arbitrary()?,
            deadline: time(u)?,
        },
        leader: identity(u)?,
        root: identity(u)?,
        generation: u.arbitrary()?,
        notifies: u.arbitrary()?,
        strayed: u.arbitrary()?,
        pipes: u.arbitrary()?,
        changed: u.arbitrary()?,
        restarts: u.arbitrary()?,
        last_exit: ending(u)?,
        not_started: u.arbitrary::<bool>()?.then_some((*u.choose(&Stage::ALL)?, u.arbitrary()?)),
        timeout_kill: time(u)?,
        message: text(u, 158)?,
        words: Words { status: text(u, 200)?, reloading: u.arbitrary()?, ending: u.arbitrary()? },
        receipt: Receipt {
            took_ms: u.arbitrary()?,
            found: u.arbitrary()?,
            killed: u.arbitrary()?,
            named: (0..u.int_in_range(0..=NAMED)?).map(|_| met(u)).collect::<Result<_>>()?,
        },
    })
}

fn phase(u: &mut Unstructured<'_>) -> Result<Phase> {
    let since = u.arbitrary()?;
    let [quick, clean, finished] = u.arbitrary()?;
    let exited = Cause::Exited { quick, clean };
    let causes = [Cause::NotStarted, Cause::Late, Cause::Unfit, Cause::Hung, Cause::GaveUp];
    let cause = *u.choose(&[&[Cause::Asked, exited], &causes[..]].concat())?;
    let leader = *u.choose(&[Leader::Run, Leader::Daemon, Leader::Nobody])?;
    let rung = *u.choose(&[Rung::Asked, Rung::Killed])?;
    Ok(*u.choose(&[
        Phase::Down,
        Phase::Starting { since, leader },
        Phase::Ready { since, leader },
        Phase::Daemonising { since },
        Phase::Stopping { cause, rung },
        Phase::Sweeping { cause, finished, rung },
        Phase::Finishing { cause, rung },
        Phase::Backoff { cause },
        Phase::Failed { cause },
    ])?)
}

fn met(u: &mut Unstructured<'_>) -> Result<Met> {
    let [leader, stray, killed] = u.arbitrary()?;
    Ok(Met { pid: u.arbitrary()?, command: text(u, 16)?, leader, stray, killed, ended: ending(u)? })
}

/// A text that fits: a longer one is cut.
fn text(u: &mut Unstructured<'_>, most: usize) -> Result<String> {
    let text: &str = u.arbitrary()?;
    Ok(text[..text.floor_char_boundary(most)].to_owned())
}

/// No process has the pid 0.
fn identity(u: &mut Unstructured<'_>) -> Result<Option<Identity>> {
    let (pid, start) = u.arbitrary()?;
    Ok((pid != 0).then_some(Identity { pid, start }))
}

fn ending(u: &mut Unstructured<'_>) -> Result<Option<Ending>> {
    let (number, core) = u.arbitrary()?;
    let endings = [Ending::Code(number), Ending::Signal { number, core }, Ending::Unknown];
    Ok(u.arbitrary::<bool>()?.then_some(*u.choose(&endings)?))
}

/// The end of all times stands for none.
fn time(u: &mut Unstructured<'_>) -> Result<Option<u64>> {
    Ok(u.arbitrary::<Option<u64>>()?.filter(|time| *time != u64::MAX))
}
