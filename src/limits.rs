//! What the supervisor raises for itself, and never passes on.

use crate::say;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// As many descriptors as may be had: up to what one for every service of a large machine needs.
/// Children get the limit from before (see [`sys::spawn::Spawner`]).
pub fn raise_descriptors() {
    const PLENTY: u64 = 262_144;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    // root may raise the hard limit, up to /proc/sys/fs/nr_open
    let wishes = [(PLENTY, hard.max(PLENTY)), (hard.min(PLENTY), hard)];
    let raised = wishes.iter().any(|&(s, h)| s > soft && setrlimit(Resource::RLIMIT_NOFILE, s, h).is_ok());
    if !raised && soft < 4096 {
        say::warning(&format!(
            "only {soft} descriptors may be open: more than {} services will fail",
            soft / 4
        ));
    }
}
