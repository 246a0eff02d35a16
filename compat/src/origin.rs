//! Visiting directories one after the other, as `svc` and `svstat` do: into each, and back.

use std::os::fd::OwnedFd;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::fchdir;

use crate::errors::Die;

/// The directory a tool was started in.
pub(crate) struct Origin {
    prog: &'static str,
    fd: OwnedFd,
}

impl Origin {
    /// Remembers the current directory.
    pub(crate) fn remember(prog: &'static str) -> Result<Origin, Die> {
        match open(".", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()) {
            Ok(fd) => Ok(Origin { prog, fd }),
            Err(e) => Err(Die::sys(prog, &[b"unable to open current directory"], e)),
        }
    }

    /// Goes back there.
    pub(crate) fn back(&self) -> Result<(), Die> {
        fchdir(&self.fd).map_err(|e| Die::sys(self.prog, &[b"unable to set directory"], e))
    }
}
