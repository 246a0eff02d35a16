//! What the supervisor raises for itself, and never passes on.

use crate::say;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Of a service that runs: lock, control, a handle on its leader, both ends of its output's pipe.
const EACH: u64 = 5;
/// For what is open for a moment only: with none left nothing that runs could be published or stopped.
const SPARE: u64 = 32;

/// Whether a service may be taken up of whose descriptors this is the last so far: they are numbered in a row.
pub fn leaves_some(fd: BorrowedFd<'_>) -> bool {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((u64::MAX, 0));
    fd.as_raw_fd() as u64 + EACH + SPARE < soft
}

/// As many descriptors as may be had: up to what one for every service of a large machine needs.
/// Children get the limit from before (see [`sys::spawn::Spawner`]).
pub fn raise_descriptors() {
    const PLENTY: u64 = 262_144;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    // root may raise the hard limit, up to /proc/sys/fs/nr_open
    let wishes = [(PLENTY, hard.max(PLENTY)), (hard.min(PLENTY), hard)];
    let raised = wishes.iter().any(|&(s, h)| s > soft && setrlimit(Resource::RLIMIT_NOFILE, s, h).is_ok());
    if !raised && soft < 4096 {
        // the tray, and some that are there once
        let services = soft.saturating_sub(90 + SPARE) / EACH;
        say::warning(&format!(
            "only {soft} descriptors may be open: more than {services} services will fail (RLIMIT_NOFILE: \
             ulimit -n, LimitNOFILE=)"
        ));
    }
}
