//! `supervise/status`: the record by which `svstat`, `svup` and `sv` know a service.
//!
//! | bytes | what |
//! |---|---|
//! | 0-11 | [`Tai64n`] of the last change of state |
//! | 12-15 | pid, little-endian; 0 when nothing runs |
//! | 16 | 1 if paused |
//! | 17 | `u` want up, `d` want down, 0 once |
//! | 18 | 1 if TERM was sent to this run (runit) |
//! | 19 | 0 down, 1 run, 2 finish (runit) |
//!
//! daemontools writes and reads the first 18 bytes, runit's `sv` needs all 20. daemontools-encore has
//! its own meaning for bytes 18 and 19 and takes 38 bytes or more for two records, so the file is
//! exactly 20 bytes long.

use crate::tai::Tai64n;

/// The length of the record as it is written.
pub const LEN: usize = 20;

/// The length of daemontools' record, the least that can be read.
pub const DJB_LEN: usize = 18;

/// What the supervisor is to do about the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Want {
    /// It runs, and is started again when it ends.
    Up,
    /// It is not to run.
    Down,
    /// It may run to its end and is not started again.
    Once,
}

/// What runs (runit's byte 19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Nothing.
    Down,
    /// `./run`.
    Run,
    /// `./finish`.
    Finish,
}

/// The record's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status {
    /// When the service last went up or down.
    pub stamp: Tai64n,
    /// The process that runs, 0 for none.
    pub pid: u32,
    /// Paused. Written only with a pid, as daemontools does.
    pub paused: bool,
    /// What is wanted.
    pub want: Want,
    /// TERM was sent to the present run.
    pub got_term: bool,
    /// What runs.
    pub run: RunState,
}

impl Status {
    /// The record's bytes.
    pub fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..12].copy_from_slice(&self.stamp.to_bytes());
        bytes[12..16].copy_from_slice(&self.pid.to_le_bytes());
        bytes[16] = u8::from(self.paused && self.pid != 0);
        bytes[17] = match self.want {
            Want::Up => b'u',
            Want::Down => b'd',
            Want::Once => 0,
        };
        bytes[18] = u8::from(self.got_term);
        bytes[19] = match self.run {
            RunState::Down => 0,
            RunState::Run => 1,
            RunState::Finish => 2,
        };
        bytes
    }

    /// Reads a record of 18 bytes or more; `None` if there are fewer. What daemontools' short record
    /// does not say is filled in from the pid.
    pub fn decode(bytes: &[u8]) -> Option<Status> {
        let (djb, rest) = bytes.split_first_chunk::<DJB_LEN>()?;
        let [stamp @ .., p0, p1, p2, p3, paused, want] = *djb;
        let pid = u32::from_le_bytes([p0, p1, p2, p3]);
        Some(Status {
            stamp: Tai64n::from_bytes(stamp),
            pid,
            paused: paused != 0,
            want: match want {
                b'u' => Want::Up,
                b'd' => Want::Down,
                _ => Want::Once,
            },
            got_term: rest.first().is_some_and(|b| *b != 0),
            run: match (rest.get(1), pid) {
                (Some(0), _) | (None | Some(3..), 0) => RunState::Down,
                (Some(2), _) => RunState::Finish,
                _ => RunState::Run,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(pid: u32, want: Want, run: RunState) -> Status {
        Status { stamp: Tai64n::from_unix(1_700_000_000, 5), pid, paused: false, want, got_term: false, run }
    }

    /// The bytes after the stamp, as the originals were seen to write them.
    #[test]
    fn bytes_of_the_originals() {
        let tail = |s: Status| s.encode()[12..].to_vec();
        let pid = 0x7528;
        assert_eq!(tail(status(pid, Want::Up, RunState::Run)), [0x28, 0x75, 0, 0, 0, b'u', 0, 1]);
        assert_eq!(tail(status(pid, Want::Once, RunState::Run)), [0x28, 0x75, 0, 0, 0, 0, 0, 1]);
        assert_eq!(tail(status(0, Want::Down, RunState::Down)), [0, 0, 0, 0, 0, b'd', 0, 0]);
        assert_eq!(tail(status(pid, Want::Up, RunState::Finish)), [0x28, 0x75, 0, 0, 0, b'u', 0, 2]);
    }

    #[test]
    fn every_record_round_trips() {
        for pid in [0, 1, 4_194_304, u32::MAX] {
            for want in [Want::Up, Want::Down, Want::Once] {
                for run in [RunState::Down, RunState::Run, RunState::Finish] {
                    for flags in 0..4 {
                        let paused = flags & 1 != 0 && pid != 0;
                        let s = Status { paused, got_term: flags & 2 != 0, ..status(pid, want, run) };
                        assert_eq!(Status::decode(&s.encode()), Some(s));
                    }
                }
            }
        }
    }

    #[test]
    fn short_and_long_records() {
        let up = status(7, Want::Up, RunState::Run);
        let bytes = up.encode();
        assert_eq!(Status::decode(&bytes[..DJB_LEN]), Some(up));
        assert_eq!(Status::decode(&[&bytes[..], b"more"].concat()), Some(up));
        let down = status(0, Want::Up, RunState::Down);
        assert_eq!(Status::decode(&down.encode()[..DJB_LEN]), Some(down));
        for len in 0..DJB_LEN {
            assert_eq!(Status::decode(&bytes[..len]), None);
        }
    }

    #[test]
    fn paused_is_written_only_with_a_pid() {
        let s = Status { paused: true, ..status(0, Want::Up, RunState::Down) };
        assert_eq!(s.encode()[16], 0);
    }

    /// Whatever stands in the file: what was understood of it is written, and read, as the same again.
    #[test]
    fn any_bytes() {
        let mut random = crate::random::Random::new("status");
        for _ in 0..10_000 {
            let mut bytes: Vec<u8> = (0..random.below(24)).map(|_| random.byte(255)).collect();
            if random.byte(2) == 0 && bytes.len() > 17 {
                bytes[17] = b"ud\0"[random.below(3)];
                bytes[12..16].fill(0);
            }
            let Some(status) = Status::decode(&bytes) else {
                assert!(bytes.len() < DJB_LEN);
                continue;
            };
            let again = Status::decode(&status.encode()).unwrap();
            assert_eq!(again, Status { paused: status.paused && status.pid != 0, ..status });
        }
    }
}
