//! The stamps of lines: one reading of the clock for all lines that came together, then a nanosecond more
//! for each, so that sorting by stamps keeps the order.

use std::io::Write;

use sys::classic::local_time;
use sys::clock::wall;

use crate::tai::Tai64n;

/// How a stamp is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `t`: `@` and 24 hex digits.
    Tai,
    /// `T`: local time, as `tai64nlocal` would make of it.
    Local,
}

const BILLION: u32 = 1_000_000_000;

/// The longest text: a year of 20 digits does not occur, one of 10 could.
const LONGEST: usize = 40;

/// The stamps of one input. Each is later than the one before, unless the clock is put back by a second or
/// more: then they follow it, since a wrong time for hours is worse than one step back.
pub(super) struct Stamps {
    form: Form,
    /// What the last stamp says: seconds since the epoch, nanoseconds.
    last: (i64, u32),
    /// The last stamp with its space; all but the nanoseconds stays good for a second.
    text: [u8; LONGEST],
    len: usize,
}

impl Stamps {
    pub(super) fn new(form: Form) -> Stamps {
        Stamps { form, last: (i64::MIN, 0), text: [0; LONGEST], len: 0 }
    }

    /// Lines have come.
    pub(super) fn arrival(&mut self) {
        self.arrival_at(wall());
    }

    fn arrival_at(&mut self, now: (i64, u32)) {
        let put_back = (now.0.saturating_add(1), now.1) <= self.last;
        if now > self.last || put_back {
            // `next` adds the nanosecond again.
            let before = match now {
                (seconds, 0) => (seconds - 1, BILLION - 1),
                (seconds, nanos) => (seconds, nanos - 1),
            };
            if before.0 != self.last.0 {
                self.len = 0;
            }
            self.last = before;
        }
    }

    /// The next line's stamp, with the space after it.
    pub(super) fn next(&mut self) -> &[u8] {
        self.last.1 += 1;
        if self.last.1 >= BILLION {
            self.last = (self.last.0 + 1, 0);
            self.len = 0;
        }
        if self.len == 0 {
            self.write_second();
        }
        let end = self.len - 1;
        match self.form {
            Form::Tai => digits::<8, 16>(&mut self.text[end - 8..end], self.last.1),
            Form::Local => digits::<9, 10>(&mut self.text[end - 9..end], self.last.1),
        }
        &self.text[..self.len]
    }

    /// Writes the whole text anew, with some nanoseconds or other.
    fn write_second(&mut self) {
        let mut room = &mut self.text[..];
        let stamp = || Tai64n::from_unix(self.last.0, 0).to_text();
        // A text that does not fit is cut, which no year that the C library knows can bring about.
        let _ = match (self.form, local_time(self.last.0)) {
            (Form::Local, Some(t)) => write!(
                room,
                "{}-{:02}-{:02} {:02}:{:02}:{:02}.000000000 ",
                t.year, t.month, t.day, t.hour, t.minute, t.second
            ),
            _ => room.write_all(&stamp()).and_then(|()| room.write_all(b" ")),
        };
        let left = room.len();
        self.len = LONGEST - left;
    }
}

/// Writes the last `N` digits of a number to the base `BASE`.
fn digits<const N: usize, const BASE: u32>(text: &mut [u8], mut number: u32) {
    for place in text.iter_mut().rev().take(N) {
        *place = b"0123456789abcdef"[(number % BASE) as usize];
        number /= BASE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(form: Form, arrivals: &[((i64, u32), usize)]) -> Vec<String> {
        let mut stamps = Stamps::new(form);
        let mut texts = Vec::new();
        for (now, lines) in arrivals {
            stamps.arrival_at(*now);
            texts.extend((0..*lines).map(|_| String::from_utf8(stamps.next().to_vec()).unwrap()));
        }
        texts
    }

    fn tai(seconds: i64, nanos: u32) -> String {
        String::from_utf8(Tai64n::from_unix(seconds, nanos).to_text().to_vec()).unwrap() + " "
    }

    #[test]
    fn a_nanosecond_a_line() {
        let got = texts(Form::Tai, &[((7, 5), 3), ((7, 6), 1), ((9, 0), 1)]);
        assert_eq!(got, [tai(7, 5), tai(7, 6), tai(7, 7), tai(7, 8), tai(9, 0)]);
    }

    #[test]
    fn seconds_are_carried() {
        let got = texts(Form::Tai, &[((7, BILLION - 1), 2), ((8, 0), 1)]);
        assert_eq!(got, [tai(7, BILLION - 1), tai(8, 0), tai(8, 1)]);
    }

    #[test]
    fn a_clock_put_back_is_followed() {
        let got = texts(Form::Tai, &[((7, 5), 1), ((6, 6), 1), ((6, 6), 1), ((5, 7), 1), ((4, 6), 1)]);
        assert_eq!(got, [tai(7, 5), tai(7, 6), tai(6, 6), tai(6, 7), tai(4, 6)]);
    }

    #[test]
    fn local_time_as_text() {
        let got = texts(Form::Local, &[((994_720_184, 848_605_500), 1)]);
        assert!(got[0].starts_with("2001-07-") && got[0].ends_with(".848605500 "), "{got:?}");
        assert_eq!(got[0].len(), 30);
    }
}
