//! Standard input, read in large pieces, each line stamped when its first byte has come.

use memchr::memchr;
use nix::errno::Errno;
use nix::unistd::read;

use super::stamp::Stamps;
use super::step::HEAD;

/// How much is read at a time.
const PIECE: usize = 64 * 1024;

/// What was read and is not taken care of yet.
pub(super) struct Input {
    /// What comes from the descriptor. The pages of a logger with little to do are hardly touched.
    raw: Vec<u8>,
    /// How much of `raw` is the text, if lines are not stamped. Between readings that is less than [`HEAD`].
    filled: usize,
    stamping: Option<Stamping>,
}

struct Stamping {
    stamps: Stamps,
    /// Lines with their stamps.
    text: Vec<u8>,
    /// The last line is not at its end.
    inside: bool,
}

impl Input {
    /// Lines are given `stamps`, if any.
    pub(super) fn new(stamps: Option<Stamps>) -> Input {
        let stamping = stamps.map(|stamps| Stamping { stamps, text: Vec::new(), inside: false });
        Input { raw: vec![0; HEAD + PIECE], filled: 0, stamping }
    }

    /// Reads once, at most `limit` bytes; 0 is the end.
    pub(super) fn read(&mut self, limit: usize) -> Result<usize, Errno> {
        let limit = limit.min(PIECE);
        let room = &mut self.raw[self.filled..][..limit];
        let len = read(std::io::stdin(), room)?;
        match &mut self.stamping {
            Some(stamping) if len > 0 => stamping.add(&room[..len]),
            Some(_) => {}
            None => self.filled += len,
        }
        Ok(len)
    }

    /// The text that waits: at its start the rest of an earlier one.
    pub(super) fn text(&self) -> &[u8] {
        match &self.stamping {
            Some(stamping) => &stamping.text,
            None => &self.raw[..self.filled],
        }
    }

    /// The first `len` bytes of the text are taken care of. Less than [`HEAD`] may be left.
    pub(super) fn consume(&mut self, len: usize) {
        match &mut self.stamping {
            Some(stamping) => drop(stamping.text.drain(..len)),
            None => {
                self.raw.copy_within(len..self.filled, 0);
                self.filled -= len;
            }
        }
    }
}

impl Stamping {
    fn add(&mut self, piece: &[u8]) {
        self.stamps.arrival();
        let mut rest = piece;
        while !rest.is_empty() {
            if !self.inside {
                self.text.extend_from_slice(self.stamps.next());
            }
            let newline = memchr(b'\n', rest);
            let (part, after) = rest.split_at(newline.map_or(rest.len(), |at| at + 1));
            self.text.extend_from_slice(part);
            self.inside = newline.is_none();
            rest = after;
        }
    }
}
