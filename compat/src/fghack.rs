//! `fghack`: keeps a program that puts itself into the background from seeming to have ended
//! (`fghack(8)`).

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, dup, pipe, read};

use crate::chain;
use crate::environment::Environment;
use crate::errors::{Die, code};

/// How many copies of the pipe the program inherits, so that it is not likely to close them all.
const COPIES: usize = 30;

/// `fghack PROGRAM...`: ends, with the program's exit code, when nothing that came of it is left that holds
/// a descriptor it does not know of; 111 if it was killed.
pub fn main(args: &[OsString]) -> u8 {
    chain::begin();
    code(run(args))
}

fn run(args: &[OsString]) -> Result<u8, Die> {
    let child = args.get(1..).filter(|child| !child.is_empty());
    let child = child.ok_or_else(|| Die::usage("fghack: usage: fghack child"))?;
    let sys = |doing: &'static [u8]| move |e| Die::sys("fghack", &[doing], e);
    let (input, output) = pipe().map_err(sys(b"unable to create pipe"))?;
    let pid = start(child, input.as_fd(), output)?;
    // What they write there, if anything, is not for us.
    let mut bytes = [0; 4096];
    while matches!(read(&input, &mut bytes), Ok(1..) | Err(Errno::EINTR)) {}
    loop {
        return match waitpid(pid, None) {
            Err(Errno::EINTR) => continue,
            Err(e) => Err(sys(b"wait failed")(e)),
            Ok(WaitStatus::Exited(_, code)) => Ok(u8::try_from(code).unwrap_or(u8::MAX)),
            Ok(_) => Err(Die::fatal("fghack", &[b"child crashed"])),
        };
    }
}

/// Starts the program with copies of the pipe's end, which are closed here again.
fn start(child: &[OsString], input: BorrowedFd<'_>, output: OwnedFd) -> Result<Pid, Die> {
    let unable = |e| Die::sys("fghack", &[b"unable to run ", child[0].as_encoded_bytes()], e);
    let _copies: Vec<OwnedFd> = (0..COPIES).flat_map(|_| dup(&output)).collect();
    let arguments = chain::strings(child);
    let environment = Environment::inherited();
    let mut actions = PosixSpawnFileActions::init().map_err(unable)?;
    actions.add_close(std::os::fd::AsRawFd::as_raw_fd(&input)).map_err(unable)?;
    let attributes = PosixSpawnAttr::init().map_err(unable)?;
    chain::search(child[0].as_os_str(), |path| {
        posix_spawn(path, &actions, &attributes, &arguments, environment.strings())
    })
    .map_err(unable)
}
