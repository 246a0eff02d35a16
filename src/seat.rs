//! The supervisor's seat: a locked file in the run directory. Whoever has the lock is the supervisor.
//!
//! The table says who it is, but only after a supervisor has got so far. One that was started by a guardian which then
//! died may be on its way there when the next guardian looks; without the seat there would be two.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;
use sys::clock::monotonic_ms;
use sys::{Errno, Fail, files};

/// The exit code of a supervisor that could not begin now and may later: it has found the seat taken, or the system
/// lacks something. (`EX_TEMPFAIL` of sysexits.h.)
pub const LATER: u8 = 75;

/// The file's name in the run directory.
const NAME: &str = "supervisor";
/// For how long the seat is waited for: the kernel takes a moment to let go of the locks of the dead.
const PATIENCE_MS: u64 = 3000;

/// Takes the seat; `None` if another supervisor has it, and keeps it.
pub fn take(run: &Path) -> Result<Option<OwnedFd>, Fail> {
    let until = monotonic_ms() + PATIENCE_MS;
    loop {
        match files::lock(&run.join(NAME)) {
            Ok(seat) => return Ok(Some(seat)),
            Err(fail) if fail.errno != Errno::EAGAIN => return Err(fail),
            Err(_) if monotonic_ms() >= until => return Ok(None),
            Err(_) => std::thread::sleep(Duration::from_millis(5)), // bounded, and before anything is supervised
        }
    }
}
