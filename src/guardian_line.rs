//! What guardian and supervisor say to each other, one message each.

use sys::handover::LONGEST;
use sys::process::Identity;
use sys::reap::Ending;

/// A message on the line between guardian and supervisor. Descriptors travel beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// Supervisor: keep these descriptors under this key, in place of what was kept.
    Keep(Key),
    /// Supervisor: close what is kept under this key.
    Drop(Key),
    /// Supervisor: the end of this orphan has been taken note of; reap it.
    Reap(Identity),
    /// Supervisor: start-up is over, everything that should run has been started once.
    Started,
    /// Supervisor: everything has been stopped; there is nobody to restart. Guardian, to the catcher: the same.
    Done,
    /// Guardian: what was kept under this key.
    Kept(Key),
    /// Guardian: that was all that was kept.
    AllKept,
    /// Guardian: everything is to be stopped; a second time, to be killed. Supervisor, to a new guardian: so it has
    /// been asked.
    Ending,
    /// Guardian: speak to this standard error from now on.
    Voice,
    /// Guardian: the scan directory is to be read anew.
    Rescan,
    /// Guardian: a new executable is to take your place, as it has taken mine.
    Upgrade,
    /// Supervisor: whoever takes my place is to be told what a new supervisor is told.
    Again,
    /// Guardian: this orphan has ended, and stays a zombie until [`Say::Reap`].
    Ended(Identity, Ending),
}

/// What descriptors are kept under.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// What they are.
    pub kind: Kind,
    /// The service's name below the scan directory.
    pub name: Vec<u8>,
}

/// What kept descriptors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `lock`, `control`, and `ok` where it is a FIFO of its own.
    Desk,
    /// The pipe to the log service: its reading and its writing end.
    Log,
    /// The pipe to the catcher: both ends.
    Output,
    /// What a fold root reports on: the reading end.
    Report,
    /// Where a service says that it is ready: the reading end.
    Ready,
    /// Where a service writes what it says of itself.
    Mail,
}

const KINDS: [Kind; 6] = [Kind::Desk, Kind::Log, Kind::Output, Kind::Report, Kind::Ready, Kind::Mail];

impl Say {
    /// The message's bytes, at most [`LONGEST`].
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32);
        match self {
            Say::Keep(key) => key.encode(b'K', &mut bytes),
            Say::Drop(key) => key.encode(b'D', &mut bytes),
            Say::Kept(key) => key.encode(b'k', &mut bytes),
            Say::AllKept => bytes.push(b'a'),
            Say::Ending => bytes.push(b'T'),
            Say::Rescan => bytes.push(b'H'),
            Say::Voice => bytes.push(b'V'),
            Say::Upgrade => bytes.push(b'U'),
            Say::Again => bytes.push(b'G'),
            Say::Done => bytes.push(b'X'),
            Say::Started => bytes.push(b'S'),
            Say::Reap(who) => {
                bytes.push(b'R');
                identity(*who, &mut bytes);
            }
            Say::Ended(who, ending) => {
                bytes.push(b'e');
                identity(*who, &mut bytes);
                bytes.extend(match *ending {
                    Ending::Code(code) => [0, code],
                    Ending::Signal { number, core } => [1 + u8::from(core), number],
                    Ending::Unknown => [3, 0],
                });
            }
        }
        debug_assert!(bytes.len() <= LONGEST);
        bytes
    }

    /// The message in these bytes; `None` if it is none of ours.
    pub fn decode(bytes: &[u8]) -> Option<Say> {
        let (&tag, rest) = bytes.split_first()?;
        Some(match tag {
            b'K' => Say::Keep(Key::decode(rest)?),
            b'D' => Say::Drop(Key::decode(rest)?),
            b'k' => Say::Kept(Key::decode(rest)?),
            b'a' => Say::AllKept,
            b'T' => Say::Ending,
            b'H' => Say::Rescan,
            b'V' => Say::Voice,
            b'U' => Say::Upgrade,
            b'G' => Say::Again,
            b'X' => Say::Done,
            b'S' => Say::Started,
            b'R' => Say::Reap(whose(rest)?),
            b'e' => {
                let ending = match *rest.get(12..14)? {
                    [0, code] => Ending::Code(code),
                    [1, number] => Ending::Signal { number, core: false },
                    [2, number] => Ending::Signal { number, core: true },
                    _ => Ending::Unknown,
                };
                Say::Ended(whose(rest)?, ending)
            }
            _ => return None,
        })
    }
}

impl Key {
    /// As text for a successor in the guardian's place: the kind's number and the name in hexadecimal digits.
    pub fn to_text(&self) -> String {
        let name: String = self.name.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} {name}", self.kind as u8)
    }

    /// From these two words.
    pub fn from_text(kind: &str, name: &str) -> Option<Key> {
        let kind = *KINDS.get(kind.parse::<usize>().ok()?)?;
        let digits = name.as_bytes().chunks(2);
        let name = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        Some(Key { kind, name: name.collect::<Option<Vec<u8>>>()? })
    }

    fn encode(&self, tag: u8, bytes: &mut Vec<u8>) {
        bytes.extend([tag, self.kind as u8]);
        bytes.extend_from_slice(&self.name);
    }

    fn decode(bytes: &[u8]) -> Option<Key> {
        let (&kind, name) = bytes.split_first()?;
        Some(Key { kind: *KINDS.get(usize::from(kind))?, name: name.to_vec() })
    }
}

fn identity(who: Identity, bytes: &mut Vec<u8>) {
    bytes.extend(who.pid.to_le_bytes());
    bytes.extend(who.start.to_le_bytes());
}

fn whose(bytes: &[u8]) -> Option<Identity> {
    let pid = i32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let start = u64::from_le_bytes(bytes.get(4..12)?.try_into().ok()?);
    Some(Identity { pid, start })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_the_trip() {
        let who = Identity { pid: 7, start: 1 << 40 };
        let name = vec![b'x'; 259];
        for kind in KINDS {
            let key = Key { kind, name: name.clone() };
            let text = key.to_text();
            let (first, second) = text.split_once(' ').unwrap();
            assert_eq!(Key::from_text(first, second).as_ref(), Some(&key));
            for say in [Say::Keep(key.clone()), Say::Drop(key.clone()), Say::Kept(key)] {
                assert_eq!(Say::decode(&say.encode()), Some(say));
            }
        }
        let killed = Ending::Signal { number: 9, core: false };
        let dumped = Ending::Signal { number: 11, core: true };
        for ending in [Ending::Code(3), killed, dumped, Ending::Unknown] {
            let say = Say::Ended(who, ending);
            assert_eq!(Say::decode(&say.encode()), Some(say));
        }
        for say in
            [Say::AllKept, Say::Voice, Say::Upgrade, Say::Again, Say::Started, Say::Done, Say::Reap(who)]
        {
            assert_eq!(Say::decode(&say.encode()), Some(say));
        }
        assert_eq!(Say::decode(b"?"), None);
        assert_eq!(Say::decode(b"R12"), None);
    }
}
