//! `setlock`: runs a program while a file is locked (`setlock(8)`).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::chain;
use crate::environment::Environment;
use crate::errors::{Die, code, errno_of};
use crate::getopt::{Getopt, Opt};

const USAGE: &str = "setlock: usage: setlock [ -nNxX ] file program [ arg ... ]";

/// `setlock [-nNxX] FILE PROGRAM...`: `-n` does not wait for the lock (`-N` does), `-x` ends silently and
/// with 0 if the lock cannot be had (`-X` complains with 111).
pub fn main(args: &[OsString]) -> u8 {
    chain::begin();
    code(run(args))
}

fn run(args: &[OsString]) -> Result<u8, Die> {
    let (mut wait, mut silent) = (true, false);
    let mut options = Getopt::new(args, b"nNxX");
    for option in options.by_ref() {
        match option.map_err(|bad| Die::option(&bad, &args[0], USAGE))? {
            Opt::Flag(b'n') => wait = false,
            Opt::Flag(b'N') => wait = true,
            Opt::Flag(letter) => silent = letter == b'x',
            Opt::Value(..) => {}
        }
    }
    let [file, child @ ..] = options.rest() else { return Err(Die::usage(USAGE)) };
    if child.is_empty() {
        return Err(Die::usage(USAGE));
    }
    match lock(file, wait) {
        // The program inherits the descriptor, and with it the lock.
        Ok(locked) => std::mem::forget(locked),
        Err(_) if silent => return Ok(0),
        Err((doing, errno)) => return Err(Die::sys("setlock", &[doing, file.as_bytes()], errno)),
    };
    Err(chain::run("setlock", child, &Environment::inherited()))
}

/// Opens a file, making it if need be, and locks it (flock); else what could not be done and why.
pub(crate) fn lock(file: &OsStr, wait: bool) -> Result<File, (&'static [u8], Errno)> {
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_APPEND | OFlag::O_CREAT;
    let fd = open(file, flags, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|e| (&b"unable to open "[..], e))?;
    let file = File::from(fd);
    let locked = match wait {
        true => file.lock(),
        false => file.try_lock().map_err(io::Error::from),
    };
    locked.map_err(|e| (&b"unable to lock "[..], errno_of(&e)))?;
    Ok(file)
}
