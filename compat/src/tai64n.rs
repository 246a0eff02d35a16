//! `tai64n`: puts a time stamp before each line (`tai64n(8)`).

use std::ffi::OsString;

use crate::filter::{End, filter};
use crate::tai::Tai64n;

/// `tai64n`: reads lines from standard input until its end and writes them, stamped, to standard output.
pub fn main(_args: &[OsString]) -> u8 {
    let mut inside = false;
    filter(|bytes, out, _: End| {
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            // A line's stamp is that of its first byte.
            if !inside {
                out.extend_from_slice(&Tai64n::now().to_text());
                out.push(b' ');
            }
            out.extend_from_slice(line);
            inside = !line.ends_with(b"\n");
        }
    })
}
