//! `tai64nlocal`: makes time stamps readable (`tai64nlocal(8)`).

use std::ffi::OsString;
use std::io::Write;

use sys::classic::local_time;

use crate::filter::{End, filter};
use crate::tai::{Tai64n, hex};

/// A run of digits longer than this is no stamp but text. (The original has no limit, and no use for one.)
const LONGEST: usize = 4096;

/// `tai64nlocal`: copies standard input to standard output, with the stamp at the start of each line that
/// has one turned into local time.
pub fn main(_args: &[OsString]) -> u8 {
    let mut lines = Lines::default();
    filter(|bytes, out, end| lines.convert(bytes, out, end))
}

/// Where in a line the conversion is.
#[derive(Default)]
enum At {
    #[default]
    Start,
    Stamp,
    Text,
}

/// The conversion, which goes on from piece to piece.
#[derive(Default)]
struct Lines {
    at: At,
    /// The digits seen of a stamp that is not at its end yet.
    digits: Vec<u8>,
}

impl Lines {
    fn convert(&mut self, mut bytes: &[u8], out: &mut Vec<u8>, end: End) {
        while let Some(first) = bytes.first() {
            match self.at {
                At::Start if *first == b'@' => {
                    self.at = At::Stamp;
                    bytes = &bytes[1..];
                }
                At::Start => self.at = At::Text,
                At::Stamp => {
                    let len = bytes.iter().position(|b| hex(*b).is_none()).unwrap_or(bytes.len());
                    self.digits.extend_from_slice(&bytes[..len]);
                    bytes = &bytes[len..];
                    if self.digits.len() > LONGEST {
                        self.give_up(out);
                    } else if !bytes.is_empty() {
                        self.finish(out);
                    }
                }
                At::Text => {
                    let newline = bytes.iter().position(|b| *b == b'\n');
                    let (text, rest) = bytes.split_at(newline.map_or(bytes.len(), |at| at + 1));
                    out.extend_from_slice(text);
                    bytes = rest;
                    self.at = if newline.is_some() { At::Start } else { At::Text };
                }
            }
        }
        if end == End::Reached && matches!(self.at, At::Stamp) {
            self.give_up(out);
        }
    }

    /// The stamp is complete: writes the time, or the stamp as it was if there is no such time.
    fn finish(&mut self, out: &mut Vec<u8>) {
        let (seconds, nanos) = stamp(&self.digits).to_unix();
        let Some(t) = local_time(seconds) else { return self.give_up(out) };
        // A year before the first is one of unsigned numbers to the original; writing cannot fail.
        let _ = write!(out, "{}-{:02}-{:02} ", t.year.cast_unsigned(), t.month, t.day);
        let _ = write!(out, "{:02}:{:02}:{:02}.{nanos:09}", t.hour, t.minute, t.second);
        self.digits.clear();
        self.at = At::Text;
    }

    /// It is no stamp, so it stays as it was.
    fn give_up(&mut self, out: &mut Vec<u8>) {
        out.push(b'@');
        out.append(&mut self.digits);
        self.at = At::Text;
    }
}

/// A stamp of any number of digits: the last eight are nanoseconds, those before them seconds, of which
/// 64 bits count.
fn stamp(digits: &[u8]) -> Tai64n {
    let (mut label, mut nanos) = (0u64, 0u32);
    for digit in digits.iter().flat_map(|digit| hex(*digit)) {
        label = label << 4 | u64::from(nanos >> 28);
        nanos = nanos << 4 | u32::from(digit);
    }
    Tai64n { label, nanos }
}

/// The whole output for input that comes in these pieces.
#[cfg(any(test, fuzzing))]
pub(crate) fn convert(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut lines, mut out) = (Lines::default(), Vec::new());
    pieces.iter().for_each(|piece| lines.convert(piece, &mut out, End::NotYet));
    lines.convert(b"", &mut out, End::Reached);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn stamps() {
        assert_eq!(stamp(b"400000003b4a39c23294b13c").to_unix(), (994_720_184, 848_605_500));
        assert_eq!(stamp(b"4000"), Tai64n { label: 0, nanos: 0x4000 });
        assert_eq!(stamp(b""), Tai64n { label: 0, nanos: 0 });
        assert_eq!(stamp(b"ffff400000003b4a39c23294b13c").to_unix(), (994_720_184, 848_605_500));
    }

    /// However the input is cut into pieces, the output is the same.
    #[test]
    fn pieces_do_not_matter() {
        let mut random = Random::new("tai64nlocal");
        for _ in 0..2000 {
            let mut text = Vec::new();
            for _ in 0..random.below(6) {
                match random.below(4) {
                    0 => text.extend(random.bytes(b"@4a\nx", 6)),
                    1 => text.extend(Tai64n::from_unix(random.next() as i64 >> 34, 5).to_text()),
                    2 => text.push(b'\n'),
                    _ => text.extend(random.bytes(b" xyz@", 6)),
                }
            }
            let whole = convert(&[&text]);
            let (a, b) = text.split_at(random.below(text.len() + 1));
            assert_eq!(convert(&[a, b]), whole, "{}", text.escape_ascii());
            let bytes: Vec<&[u8]> = text.chunks(1).collect();
            assert_eq!(convert(&bytes), whole, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_stamp_stays() {
        let digits = [b'4'; LONGEST + 1];
        let long = [b"@", &digits[..], b" x\n"].concat();
        for text in [&b"x @400000003b4a39c23294b13c\n"[..], b" @4 x", b"@4000", b"@", b"\n\n", &long] {
            assert_eq!(convert(&[text]), text, "{}", text.escape_ascii());
        }
    }
}
