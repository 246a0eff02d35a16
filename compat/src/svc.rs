//! `svc`: sends commands to the supervisors of services (`svc(8)`).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::chdir;

use crate::control::{DJB, LETTERS, TABLE};
use crate::errors::{Die, code, errno_of, warn};
use crate::fifo;
use crate::getopt::{Getopt, Opt};
use crate::origin::Origin;
use crate::verdict;

/// `svc -LETTERS DIR...`; 0 also when services cannot be told, which is only warned about.
///
/// Beyond daemontools' options those for QUIT, USR1, USR2 and WINCH are taken, as in daemontools-encore.
pub fn main(args: &[OsString]) -> u8 {
    code(run(args))
}

fn run(args: &[OsString]) -> Result<u8, Die> {
    // SIGPIPE stays ignored, as Rust's runtime sets it: a supervisor that goes meanwhile is warned about.
    let mut options = Getopt::new(args, &LETTERS);
    let mut letters = Vec::with_capacity(TABLE.len());
    for option in options.by_ref() {
        match option {
            Ok(Opt::Flag(letter) | Opt::Value(letter, _)) if letters.contains(&letter) => {}
            Ok(Opt::Flag(letter) | Opt::Value(letter, _)) => letters.push(letter),
            Err(bad) => return Err(Die::option(&bad, &args[0], &usage())),
        }
    }
    let origin = Origin::remember("svc")?;
    for dir in options.rest() {
        tell(dir, &letters);
        origin.back()?;
    }
    Ok(0)
}

fn usage() -> String {
    let options: Vec<String> =
        TABLE[..DJB].iter().map(|e| format!("{} {}", char::from(e.letter), e.word)).collect();
    format!("svc options: {}", options.join(", "))
}

/// Goes into `dir` and writes the letters to its supervisor, all at once so that they stay together.
fn tell(dir: &OsStr, letters: &[u8]) {
    let name = dir.as_bytes();
    if let Err(e) = chdir(dir) {
        return warn("svc", &[b"unable to chdir to ", name], Some(e));
    }
    // Non-blocking, or the open would wait for a supervisor; but the write waits for room.
    let control = match fifo::open(Path::new("supervise"), "control") {
        Ok(control) => control,
        Err(Errno::ENXIO) => {
            return warn("svc", &[b"unable to control ", name, b": supervise not running"], None);
        }
        Err(Errno::ESPIPE) => {
            return warn("svc", &[b"unable to control ", name, b": supervise/control is not a fifo"], None);
        }
        Err(e) => return warn("svc", &[b"unable to control ", name], Some(e)),
    };
    let _ = fcntl(&control, FcntlArg::F_SETFL(OFlag::O_WRONLY));
    let mut letters = letters.to_vec();
    verdict::judge(&mut letters, Path::new("."));
    if let Err(e) = File::from(control).write_all(&letters) {
        warn("svc", &[b"error writing commands to ", name], Some(errno_of(&e)));
    }
}
