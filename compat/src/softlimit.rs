//! `softlimit`: runs a program with lower resource limits (`softlimit(8)`).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::chain;
use crate::environment::Environment;
use crate::errors::{Die, code};
use crate::getopt::{Getopt, Opt};

const USAGE: &str = "softlimit: usage: softlimit [-a allbytes] [-c corebytes] [-d databytes] [-f filebytes] \
     [-l lockbytes] [-m membytes] [-o openfiles] [-p processes] [-r residentbytes] [-s stackbytes] \
     [-t cpusecs] child";

/// `softlimit [-LETTER VALUE]... PROGRAM...`: sets soft limits, in the order given. A value is a number,
/// which the hard limit caps, or `=` for the hard limit.
pub fn main(args: &[OsString]) -> u8 {
    chain::begin();
    code(run(args))
}

fn run(args: &[OsString]) -> Result<u8, Die> {
    let mut options = Getopt::new(args, b"a:c:d:f:l:m:o:p:r:s:t:");
    for option in options.by_ref() {
        match option {
            Ok(Opt::Value(letter, value)) => set(letter, value)?,
            Ok(Opt::Flag(_)) => {}
            Err(bad) => return Err(Die::option(&bad, &args[0], USAGE)),
        }
    }
    match options.rest() {
        [] => Err(Die::usage(USAGE)),
        child => Err(chain::run("softlimit", child, &Environment::inherited())),
    }
}

fn set(letter: u8, value: &OsStr) -> Result<(), Die> {
    let value = match value.as_bytes() {
        b"=" => None,
        digits => Some(number(digits).ok_or_else(|| Die::usage(USAGE))?),
    };
    for resource in resources(letter) {
        let (_, hard) = getrlimit(*resource).map_err(|e| Die::sys("softlimit", &[b"getrlimit failed"], e))?;
        let soft = value.map_or(hard, |value| value.min(hard));
        setrlimit(*resource, soft, hard).map_err(|e| Die::sys("softlimit", &[b"setrlimit failed"], e))?;
    }
    Ok(())
}

/// What a letter limits.
fn resources(letter: u8) -> &'static [Resource] {
    use Resource::*;
    match letter {
        b'a' => &[RLIMIT_AS],
        b'c' => &[RLIMIT_CORE],
        b'd' => &[RLIMIT_DATA],
        b'f' => &[RLIMIT_FSIZE],
        b'l' => &[RLIMIT_MEMLOCK],
        b'm' => &[RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK, RLIMIT_AS],
        b'o' => &[RLIMIT_NOFILE],
        b'p' => &[RLIMIT_NPROC],
        b'r' => &[RLIMIT_RSS],
        b's' => &[RLIMIT_STACK],
        b't' => &[RLIMIT_CPU],
        _ => &[],
    }
}

/// A number as daemontools reads it (`scan_ulong`): digits only, none at all are 0, and what does not fit
/// into 64 bits wraps around.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0u64, |n, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        Some(n.wrapping_mul(10).wrapping_add(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("", Some(0)),
            ("0", Some(0)),
            ("007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", Some(0)),
            ("-1", None),
            ("+1", None),
            ("1k", None),
            (" 1", None),
            ("=", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
    }
}
