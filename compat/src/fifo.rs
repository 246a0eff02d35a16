//! The FIFOs of a `supervise` directory, which may be anybody's: what is told to one service reaches that one or nobody.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use sys::Directory;

/// Opens a FIFO of `supervise` to write to it, without waiting for its reader: `ENXIO` if there is none.
///
/// Unlike the originals not by another user's link to what is not his, and nothing that is no FIFO (`ESPIPE`).
pub(crate) fn open(supervise: &Path, name: &str) -> Result<OwnedFd, Errno> {
    Directory::open(supervise).map_err(|fail| fail.errno)?.open_to_tell(OsStr::new(name))
}
