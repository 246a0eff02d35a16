//! The frame of a filter: standard input, a piece at a time, to standard output.

use nix::errno::Errno;
use nix::unistd::read;

use crate::errors::TEMPORARY;

/// How much is read at a time.
const PIECE: usize = 64 * 1024;

/// Whether more may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    NotYet,
    Reached,
}

/// Calls `change` with each piece of input, and once with none at its end; what it appends to its second
/// argument is written before more is read. Gives the exit code: 111 if reading or writing fails.
pub(crate) fn filter(mut change: impl FnMut(&[u8], &mut Vec<u8>, End)) -> u8 {
    sys::startup::restore_sigpipe();
    sys::startup::restore_descriptors();
    let (mut bytes, mut out) = (vec![0; PIECE], Vec::new());
    loop {
        let len = match read(std::io::stdin(), &mut bytes) {
            Err(Errno::EINTR) => continue,
            Err(_) => return TEMPORARY,
            Ok(len) => len,
        };
        let end = if len == 0 { End::Reached } else { End::NotYet };
        change(&bytes[..len], &mut out, end);
        if write(&out).is_err() {
            return TEMPORARY;
        }
        out.clear();
        if end == End::Reached {
            return 0;
        }
    }
}

/// Writes all of it, past the standard library's buffer and its leniency with a closed output.
fn write(bytes: &[u8]) -> Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match nix::unistd::write(std::io::stdout(), rest) {
            Ok(len) => rest = &rest[len..],
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
