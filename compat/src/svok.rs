//! `svok`: whether a service has a supervisor (`svok(8)`).

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::chdir;

use crate::errors::{Die, PERMANENT, code};

/// `svok DIR`: 0 if it is supervised, 100 if not, 111 if that cannot be told; silent on success.
pub fn main(args: &[OsString]) -> u8 {
    code(run(args))
}

fn run(args: &[OsString]) -> Result<u8, Die> {
    let dir = args.get(1).ok_or_else(|| Die::usage("svok: usage: svok dir"))?;
    let name = dir.as_bytes();
    chdir(dir.as_os_str()).map_err(|e| Die::sys("svok", &[b"unable to chdir to ", name], e))?;
    // The supervisor holds the fifo open for reading as long as it lives.
    match open("supervise/ok", OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW, Mode::empty()) {
        Ok(_) => Ok(0),
        Err(Errno::ENOENT | Errno::ENXIO) => Ok(PERMANENT),
        Err(e) => Err(Die::sys("svok", &[b"unable to open ", name, b"/supervise/ok"], e)),
    }
}
