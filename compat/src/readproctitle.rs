//! `readproctitle`: shows the end of what it reads as its own last argument, for `ps` to be seen in
//! (`readproctitle(8)`).

use std::ffi::OsString;

use nix::errno::Errno;
use nix::unistd::read;

use crate::errors::{PERMANENT, TEMPORARY};

/// The least length of an argument that can serve: three dots that stay, and two bytes that move.
const SHORTEST: usize = 5;

/// `readproctitle TITLE... AREA`: 0 at the end of input, 111 if it cannot be read, 100 if the last
/// argument is too short to show anything.
pub fn main(args: &[OsString]) -> u8 {
    sys::startup::restore_sigpipe();
    sys::startup::restore_descriptors();
    let area = if args.len() < 2 { None } else { sys::startup::title_area() };
    let Some(mut area) = area.filter(|area| area.len() >= SHORTEST) else {
        return PERMANENT;
    };
    let mut shown = vec![b'.'; area.len()];
    area.set(&shown);
    let mut bytes = [0; 4096];
    loop {
        match read(std::io::stdin(), &mut bytes) {
            Ok(0) => return 0,
            Ok(len) => {
                push(&mut shown[3..], &bytes[..len]);
                area.set(&shown);
            }
            Err(Errno::EINTR) => {}
            Err(_) => return TEMPORARY,
        }
    }
}

/// Moves `line` to the left as the bytes come in at its right; a NUL would end the title and is left out.
fn push(line: &mut [u8], bytes: &[u8]) {
    for run in bytes.split(|b| *b == 0) {
        let run = &run[run.len().saturating_sub(line.len())..];
        line.copy_within(run.len().., 0);
        let kept = line.len() - run.len();
        line[kept..].copy_from_slice(run);
    }
}

#[cfg(test)]
mod tests {
    use super::push;

    #[test]
    fn bytes_move_in_from_the_right() {
        for (bytes, expected) in [
            (&b""[..], &b"......"[..]),
            (b"a", b".....a"),
            (b"a\nb", b"...a\nb"),
            (b"a\0\0b", b"....ab"),
            (b"abcdef", b"abcdef"),
            (b"abcdefgh", b"cdefgh"),
            (b"abcdefgh\0ij", b"efghij"),
        ] {
            let mut line = *b"......";
            push(&mut line, bytes);
            assert_eq!(line, expected);
            // One byte at a time gives the same.
            let mut line = *b"......";
            bytes.iter().for_each(|b| push(&mut line, &[*b]));
            assert_eq!(line, expected);
        }
    }
}
