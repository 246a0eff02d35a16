//! What process 1 of a machine does instead of ending.

use nix::sys::reboot::{RebootMode, reboot};
use std::path::Path;

/// The first pid namespace's inode: `PID_NS_INIT_INO` of linux/nsfs.h, the same since Linux 3.8.
const FIRST_NAMESPACE: &str = "pid:[4026531836]";

/// Powers the machine off, if this is its process 1, at whose end the kernel would panic. The end of a
/// container's process 1 is the container's, and nothing is done.
pub(crate) fn power_off_if_last() {
    let is_first =
        || std::fs::read_link("/proc/self/ns/pid").is_ok_and(|it| it == Path::new(FIRST_NAMESPACE));
    if std::process::id() == 1 && is_first() {
        pinfold::say::info("everything has ended: powering off");
        // reboot(2) does not write out what is only in memory
        nix::unistd::sync();
        // without the right to do so this is no machine of ours: what follows is the end of process 1
        let _ = reboot(RebootMode::RB_POWER_OFF);
    }
}
