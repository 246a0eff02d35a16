//! TAI64N, the family's time stamp: a second and its nanosecond, as bytes or as `@` and 24 hex digits.
//!
//! As in daemontools and runit the label of a second is its Unix time plus 2^62 + 10: no table of leap
//! seconds. (s6's stamps are 27 s larger.)

use std::time::{SystemTime, UNIX_EPOCH};

/// What is added to a Unix time to get the TAI64 label of that second.
pub const OFFSET: u64 = 0x4000_0000_0000_000a;

/// The length of the text form: `@` and 24 digits.
pub const TEXT: usize = 25;

/// A moment. Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tai64n {
    /// The TAI64 label of the second: Unix time + [`OFFSET`].
    pub label: u64,
    /// Nanoseconds; up to 999 999 999 in a proper stamp, but any value is carried faithfully.
    pub nanos: u32,
}

impl Tai64n {
    /// The moment `secs` s and `nanos` ns after the Unix epoch; `secs` may be negative.
    pub fn from_unix(secs: i64, nanos: u32) -> Self {
        Tai64n { label: OFFSET.wrapping_add_signed(secs), nanos }
    }

    /// Seconds since the Unix epoch and nanoseconds.
    pub fn to_unix(self) -> (i64, u32) {
        (self.label.wrapping_sub(OFFSET).cast_signed(), self.nanos)
    }

    /// The moment by the real-time clock.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// How many seconds later the label of `later` is, 0 if it is not later: how `svstat` and `sv` count,
    /// who leave the nanoseconds aside.
    pub fn seconds_until(self, later: Tai64n) -> u64 {
        later.label.saturating_sub(self.label)
    }

    /// The 12 bytes of the status file: label and nanoseconds, big-endian.
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&self.label.to_be_bytes());
        bytes[8..].copy_from_slice(&self.nanos.to_be_bytes());
        bytes
    }

    /// The reverse of [`Tai64n::to_bytes`].
    pub fn from_bytes(bytes: [u8; 12]) -> Self {
        let [a, b, c, d, e, f, g, h, nanos @ ..] = bytes;
        Tai64n { label: u64::from_be_bytes([a, b, c, d, e, f, g, h]), nanos: u32::from_be_bytes(nanos) }
    }

    /// The text form: `@` and 24 lower-case hex digits.
    pub fn to_text(self) -> [u8; TEXT] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'@'; TEXT];
        for (pair, byte) in text[1..].chunks_exact_mut(2).zip(self.to_bytes()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        text
    }

    /// Reads exactly the text form; upper-case digits are none, as in the file names of log directories.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let (b'@', digits) = text.split_first()? else { return None };
        if digits.len() != TEXT - 1 {
            return None;
        }
        let mut bytes = [0; 12];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex(pair[0])? << 4 | hex(pair[1])?;
        }
        Some(Self::from_bytes(bytes))
    }
}

/// The value of a lower-case hex digit.
pub fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl From<SystemTime> for Tai64n {
    fn from(time: SystemTime) -> Self {
        let secs = |d: std::time::Duration| i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self::from_unix(secs(after), after.subsec_nanos()),
            Err(e) => {
                let before = e.duration();
                match before.subsec_nanos() {
                    0 => Self::from_unix(-secs(before), 0),
                    nanos => Self::from_unix(-secs(before) - 1, 1_000_000_000 - nanos),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The example of tai64nlocal's manual page: 2001-07-09 23:09:44.848605500 UTC.
    const EXAMPLE: &[u8] = b"@400000003b4a39c23294b13c";

    #[test]
    fn the_manuals_example() {
        let stamp = Tai64n::from_text(EXAMPLE).unwrap();
        assert_eq!(stamp.to_unix(), (994_720_184, 848_605_500));
        assert_eq!(stamp.to_text(), EXAMPLE);
        assert_eq!(Tai64n::from_unix(994_720_184, 848_605_500), stamp);
    }

    #[test]
    fn bytes_are_big_endian() {
        let bytes = Tai64n::from_unix(0, 1).to_bytes();
        assert_eq!(bytes, [0x40, 0, 0, 0, 0, 0, 0, 0x0a, 0, 0, 0, 1]);
    }

    #[test]
    fn forms_round_trip() {
        for secs in [i64::MIN, -62_135_596_800, -1, 0, 1, 1_700_000_000, 1 << 40, i64::MAX] {
            for nanos in [0, 1, 500, 999_999_999, u32::MAX] {
                let stamp = Tai64n::from_unix(secs, nanos);
                assert_eq!(stamp.to_unix(), (secs, nanos));
                assert_eq!(Tai64n::from_bytes(stamp.to_bytes()), stamp);
                assert_eq!(Tai64n::from_text(&stamp.to_text()), Some(stamp));
            }
        }
    }

    #[test]
    fn what_is_no_stamp() {
        let long = [EXAMPLE, b"0"].concat();
        let upper = EXAMPLE.to_ascii_uppercase();
        let other = [b"x", &EXAMPLE[1..]].concat();
        for text in [&b""[..], b"@", &EXAMPLE[1..], &EXAMPLE[..24], &long, &upper, &other] {
            assert_eq!(Tai64n::from_text(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn times_of_the_system() {
        let from = |t| Tai64n::from(t).to_unix();
        assert_eq!(from(UNIX_EPOCH + Duration::new(5, 7)), (5, 7));
        assert_eq!(from(UNIX_EPOCH - Duration::new(5, 0)), (-5, 0));
        assert_eq!(from(UNIX_EPOCH - Duration::new(5, 1)), (-6, 999_999_999));
    }

    #[test]
    fn seconds_are_whole_and_never_negative() {
        let at = Tai64n::from_unix;
        assert_eq!(at(10, 500).seconds_until(at(12, 500)), 2);
        assert_eq!(at(10, 999_999_999).seconds_until(at(11, 0)), 1);
        assert_eq!(at(10, 500).seconds_until(at(9, 0)), 0);
    }

    /// Against the standard library's reading of hex numbers.
    #[test]
    fn texts_at_random() {
        let mut random = crate::random::Random::new("tai");
        let mut stamps = 0;
        for _ in 0..20_000 {
            let mut text = random.bytes(b"0123456789abcdef", 24);
            text.insert(0, b'@');
            if random.byte(4) == 0 {
                let at = random.below(text.len());
                text[at] = b"@AFg+ \xff0"[random.below(8)];
            }
            text.resize(TEXT - random.below(2), b'7');
            let clean = text.len() == TEXT && text[0] == b'@' && !text.iter().any(u8::is_ascii_uppercase);
            let digits = |range| str::from_utf8(text.get(range)?).ok().filter(|digits| !digits.contains('+'));
            let naive = || {
                let label = u64::from_str_radix(digits(1..17)?, 16).ok()?;
                let nanos = u32::from_str_radix(digits(17..25)?, 16).ok()?;
                Some(Tai64n { label, nanos })
            };
            let expected = if clean { naive() } else { None };
            assert_eq!(Tai64n::from_text(&text), expected, "{}", text.escape_ascii());
            stamps += usize::from(expected.is_some());
        }
        assert!((1000..19_000).contains(&stamps), "{stamps}");
    }
}
