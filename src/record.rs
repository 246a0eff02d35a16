//! One service as the table has it: the fixed record that readers map their views from and that a new
//! supervisor takes the service over by.

use crate::machine::{Cause, Leader, Ms, Phase, Rung, State, Want};
use crate::notice::LONGEST_STATUS;
use std::borrow::Cow;
use sys::process::Identity;
use sys::reap::Ending;
use sys::spawn::Stage;

/// The size of a record, and of the table's head, in bytes.
pub const SIZE: usize = 1024;
/// How many processes a receipt names; more are counted.
pub const NAMED: usize = 8;
const MESSAGE: usize = 160;
const NAME: usize = 264;
const STATUS: usize = LONGEST_STATUS + 2;

/// What is known of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name below the scan directory: `squid`, `squid/log`. Bytes, since file names are.
    pub name: Vec<u8>,
    /// The machine's state.
    pub state: State,
    /// The process that stands for it.
    pub leader: Option<Identity>,
    /// The fold root above the leader, where there is one.
    pub root: Option<Identity>,
    /// Which generation of its group it is in.
    pub generation: u32,
    /// Whether it says when it is ready.
    pub notifies: bool,
    /// It has had strays: a fold root from the next start on.
    pub strayed: bool,
    /// The pipes it has to its logger and to the catcher, by their inodes; 0 for none.
    pub pipes: (u64, u64),
    /// When it went up or down, on the wall clock: (seconds, nanoseconds).
    pub changed: (i64, u32),
    /// How often it was started after the first time.
    pub restarts: u32,
    /// How its leader last ended.
    pub last_exit: Option<Ending>,
    /// Why it could not be started the last time.
    pub not_started: Option<(Stage, i32)>,
    /// After how many milliseconds what was told to end is killed; `None`: never.
    pub timeout_kill: Option<Ms>,
    /// What an administrator should know, in words; may be empty.
    pub message: String,
    /// What it says of itself.
    pub words: Words,
    /// The last stop.
    pub receipt: Receipt,
}

/// What a service says of itself by sd_notify(3), while it is up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// `STATUS=`: anything at all, at most [`LONGEST_STATUS`] bytes.
    pub status: String,
    /// It reads its configuration anew.
    pub reloading: bool,
    /// It is about to end by itself.
    pub ending: bool,
}

/// What a stop found: who was there, what each got, how it ended, how long it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// From the command to the empty fold.
    pub took_ms: u32,
    /// How many processes were there, the leader included.
    pub found: u32,
    /// How many of them had to be killed.
    pub killed: u32,
    /// The first [`NAMED`] of them.
    pub named: Vec<Met>,
}

/// A process met during a stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// Its pid.
    pub pid: i32,
    /// Its command name, at most 15 bytes.
    pub command: String,
    /// It was the leader.
    pub leader: bool,
    /// It was outside the service's group.
    pub stray: bool,
    /// It was killed (else: told to end).
    pub killed: bool,
    /// How it ended, if we could know.
    pub ended: Option<Ending>,
}

impl Record {
    /// The record as bytes. Names and messages that are too long are cut (names can't be: NAME_MAX is less).
    pub fn encode(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        let mut put = Put { bytes: &mut bytes, at: 0 };
        put.text(&self.name, NAME);
        put_state(&mut put, &self.state);
        put_identity(&mut put, self.leader);
        put_identity(&mut put, self.root);
        put.u32(self.generation);
        let flags = [self.notifies, self.strayed, self.words.reloading, self.words.ending];
        put.u8(flags.iter().rev().fold(0, |bits, &bit| bits << 1 | u8::from(bit)));
        put.u64(self.pipes.0);
        put.u64(self.pipes.1);
        put.u64(self.changed.0 as u64);
        put.u32(self.changed.1);
        put.u32(self.restarts);
        put_ending(&mut put, self.last_exit);
        put.u8(self.not_started.map_or(0xff, |(stage, _)| stage as u8));
        put.u32(self.not_started.map_or(0, |(_, errno)| errno as u32));
        put.option(self.timeout_kill);
        put.text(shortened(&self.message, MESSAGE - 2).as_bytes(), MESSAGE);
        put.text(self.words.status.as_bytes(), STATUS);
        put_receipt(&mut put, &self.receipt);
        debug_assert!(put.at <= SIZE - 8, "a record of {} bytes", put.at);
        seal(&mut bytes);
        bytes
    }

    /// The record in these bytes; `None` for an empty slot and for one caught while being written.
    pub fn decode(bytes: &[u8]) -> Option<Record> {
        if !is_whole(bytes) || bytes.get(..2)? == [0, 0] {
            return None;
        }
        let mut take = Take { bytes, at: 0 };
        let name = take.text(NAME)?;
        let state = take_state(&mut take)?;
        let leader = take_identity(&mut take)?;
        let root = take_identity(&mut take)?;
        let generation = take.u32()?;
        let flags = take.u8()?;
        let pipes = (take.u64()?, take.u64()?);
        let changed = (take.u64()? as i64, take.u32()?);
        let restarts = take.u32()?;
        let last_exit = take_ending(&mut take)?;
        let stage = take.u8()?;
        let errno = take.u32()? as i32;
        Some(Record {
            name,
            state,
            leader,
            root,
            generation,
            notifies: flags & 1 != 0,
            strayed: flags & 2 != 0,
            pipes,
            changed,
            restarts,
            last_exit,
            not_started: Stage::ALL.get(usize::from(stage)).map(|stage| (*stage, errno)),
            timeout_kill: take.option()?,
            message: String::from_utf8_lossy(&take.text(MESSAGE)?).into_owned(),
            words: Words {
                status: String::from_utf8_lossy(&take.text(STATUS)?).into_owned(),
                reloading: flags & 4 != 0,
                ending: flags & 8 != 0,
            },
            receipt: take_receipt(&mut take)?,
        })
    }
}

/// Whether a block was read as it was written: its last 8 bytes are the sum of the rest.
pub fn is_whole(block: &[u8]) -> bool {
    <&[u8; SIZE]>::try_from(block).is_ok_and(|block| sum(block) == sealed_by(block))
}

/// Puts the sum of a block at its end.
pub(crate) fn seal(block: &mut [u8; SIZE]) {
    let sum = sum(block);
    block[SIZE - 8..].copy_from_slice(&sum.to_le_bytes());
}

/// The sum at the end of a block, which stands for its content.
pub(crate) fn sealed_by(block: &[u8; SIZE]) -> u64 {
    block.last_chunk().map_or(0, |sum| u64::from_le_bytes(*sum))
}

fn sum(block: &[u8; SIZE]) -> u64 {
    crate::place::hash(&block[..SIZE - 8])
}

/// Writes fields one after another.
pub(crate) struct Put<'a> {
    pub(crate) bytes: &'a mut [u8],
    pub(crate) at: usize,
}

impl Put<'_> {
    fn raw(&mut self, data: &[u8]) {
        self.bytes[self.at..self.at + data.len()].copy_from_slice(data);
        self.at += data.len();
    }
    pub(crate) fn u8(&mut self, value: u8) {
        self.raw(&[value]);
    }
    pub(crate) fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }
    pub(crate) fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }
    pub(crate) fn option(&mut self, value: Option<u64>) {
        self.u64(value.unwrap_or(u64::MAX));
    }
    /// A length in two bytes, then the text, in `room` bytes altogether; cut if longer.
    pub(crate) fn text(&mut self, text: &[u8], room: usize) {
        let length = text.len().min(room - 2);
        let end = self.at + room;
        self.raw(&(length as u16).to_le_bytes());
        self.raw(&text[..length]);
        self.at = end;
    }
}

/// Reads them back.
pub(crate) struct Take<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

impl Take<'_> {
    fn raw<const N: usize>(&mut self) -> Option<[u8; N]> {
        let data = self.bytes.get(self.at..self.at + N)?.try_into().ok()?;
        self.at += N;
        Some(data)
    }
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.raw().map(u8::from_le_bytes)
    }
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.raw().map(u32::from_le_bytes)
    }
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.raw().map(u64::from_le_bytes)
    }
    pub(crate) fn option(&mut self) -> Option<Option<u64>> {
        self.u64().map(|value| (value != u64::MAX).then_some(value))
    }
    pub(crate) fn text(&mut self, room: usize) -> Option<Vec<u8>> {
        let start = self.at + 2;
        let length = usize::from(self.raw().map(u16::from_le_bytes)?);
        self.at = start - 2 + room;
        (length <= room - 2).then(|| self.bytes.get(start..start + length).map(<[u8]>::to_vec))?
    }
}

/// A text of at most `room` bytes; a longer one ends in `…`.
fn shortened(text: &str, room: usize) -> Cow<'_, str> {
    const MORE: &str = "…";
    match text.len() > room {
        true => Cow::Owned(format!("{}{MORE}", &text[..text.floor_char_boundary(room - MORE.len())])),
        false => Cow::Borrowed(text),
    }
}

fn put_state(put: &mut Put<'_>, state: &State) {
    let (tag, since, cause, leader, rung, finished) = match state.phase {
        Phase::Down => (0, 0, None, None, None, false),
        Phase::Starting { since, leader } => (1, since, None, Some(leader), None, false),
        Phase::Ready { since, leader } => (2, since, None, Some(leader), None, false),
        Phase::Daemonising { since } => (3, since, None, None, None, false),
        Phase::Stopping { cause, rung } => (4, 0, Some(cause), None, Some(rung), false),
        Phase::Sweeping { cause, finished, rung } => (5, 0, Some(cause), None, Some(rung), finished),
        Phase::Finishing { cause, rung } => (6, 0, Some(cause), None, Some(rung), false),
        Phase::Backoff { cause } => (7, 0, Some(cause), None, None, false),
        Phase::Failed { cause } => (8, 0, Some(cause), None, None, false),
    };
    put.u8(tag);
    put.u64(since);
    put.u8(cause.map_or(0, cause_code));
    put.u8(leader.map_or(0, |leader| leader as u8));
    put.u8(rung.map_or(0, |rung| rung as u8) | u8::from(finished) << 1);
    put.u8(state.want as u8);
    put.u8([state.paused, state.termed, state.leaving, state.everybody]
        .iter()
        .rev()
        .fold(0, |bits, &bit| bits << 1 | u8::from(bit)));
    put.u32(u32::from(state.quick_deaths));
    put.u64(state.started);
    put.option(state.deadline);
}

fn take_state(take: &mut Take<'_>) -> Option<State> {
    let tag = take.u8()?;
    let since = take.u64()?;
    let cause = cause_from(take.u8()?)?;
    let leader = *[Leader::Run, Leader::Daemon, Leader::Nobody].get(usize::from(take.u8()?))?;
    let bits = take.u8()?;
    let (rung, finished) = (if bits & 1 == 0 { Rung::Asked } else { Rung::Killed }, bits & 2 != 0);
    let want = *[Want::Up, Want::Once, Want::Down].get(usize::from(take.u8()?))?;
    let flags = take.u8()?;
    let phase = match tag {
        0 => Phase::Down,
        1 => Phase::Starting { since, leader },
        2 => Phase::Ready { since, leader },
        3 => Phase::Daemonising { since },
        4 => Phase::Stopping { cause, rung },
        5 => Phase::Sweeping { cause, finished, rung },
        6 => Phase::Finishing { cause, rung },
        7 => Phase::Backoff { cause },
        8 => Phase::Failed { cause },
        _ => return None,
    };
    Some(State {
        phase,
        want,
        paused: flags & 1 != 0,
        termed: flags & 2 != 0,
        leaving: flags & 4 != 0,
        everybody: flags & 8 != 0,
        quick_deaths: take.u32()? as u16,
        started: take.u64()?,
        deadline: take.option()?,
    })
}

/// Every cause, at the place of its code.
const CAUSES: [Cause; 10] = [
    Cause::Asked,
    Cause::Exited { quick: false, clean: false },
    Cause::Exited { quick: false, clean: true },
    Cause::Exited { quick: true, clean: false },
    Cause::Exited { quick: true, clean: true },
    Cause::NotStarted,
    Cause::Late,
    Cause::Unfit,
    Cause::GaveUp,
    Cause::Hung,
];

fn cause_code(cause: Cause) -> u8 {
    CAUSES.iter().position(|&known| known == cause).unwrap_or(0) as u8
}

fn cause_from(code: u8) -> Option<Cause> {
    CAUSES.get(usize::from(code)).copied()
}

fn put_identity(put: &mut Put<'_>, who: Option<Identity>) {
    put.u32(who.map_or(0, |who| who.pid as u32));
    put.u64(who.map_or(0, |who| who.start));
}

fn take_identity(take: &mut Take<'_>) -> Option<Option<Identity>> {
    let (pid, start) = (take.u32()? as i32, take.u64()?);
    Some((pid != 0).then_some(Identity { pid, start }))
}

fn put_ending(put: &mut Put<'_>, ending: Option<Ending>) {
    let (tag, value) = match ending {
        None => (0, 0),
        Some(Ending::Code(code)) => (1, code),
        Some(Ending::Signal { number, core: false }) => (2, number),
        Some(Ending::Signal { number, core: true }) => (3, number),
        Some(Ending::Unknown) => (4, 0),
    };
    put.u8(tag);
    put.u8(value);
}

fn take_ending(take: &mut Take<'_>) -> Option<Option<Ending>> {
    let (tag, value) = (take.u8()?, take.u8()?);
    Some(match tag {
        0 => None,
        1 => Some(Ending::Code(value)),
        2 => Some(Ending::Signal { number: value, core: false }),
        3 => Some(Ending::Signal { number: value, core: true }),
        _ => Some(Ending::Unknown),
    })
}

fn put_receipt(put: &mut Put<'_>, receipt: &Receipt) {
    put.u32(receipt.took_ms);
    put.u32(receipt.found);
    put.u32(receipt.killed);
    put.u8(receipt.named.len().min(NAMED) as u8);
    for met in receipt.named.iter().take(NAMED) {
        put.u32(met.pid as u32);
        put.text(met.command.as_bytes(), 18);
        put.u8(u8::from(met.leader) | u8::from(met.stray) << 1 | u8::from(met.killed) << 2);
        put_ending(put, met.ended);
    }
}

fn take_receipt(take: &mut Take<'_>) -> Option<Receipt> {
    let (took_ms, found, killed) = (take.u32()?, take.u32()?, take.u32()?);
    let count = usize::from(take.u8()?);
    let named = (0..count.min(NAMED))
        .map(|_| {
            let pid = take.u32()? as i32;
            let command = String::from_utf8_lossy(&take.text(18)?).into_owned();
            let flags = take.u8()?;
            let ended = take_ending(take)?;
            let (leader, stray, killed) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
            Some(Met { pid, command, leader, stray, killed, ended })
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Receipt { took_ms, found, killed, named })
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
