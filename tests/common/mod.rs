//! Support for the tests on real processes: a [`Sandbox`] in which a supervisor (ours, or a peer's)
//! runs over a scan directory of its own, waiting on conditions, and finding what was left behind.
//!
//! Everything that happens in a sandbox carries its name (in the environment, in paths, in the names of
//! cgroups), so that tests run side by side and a failed one can be swept up without guessing.
#![allow(dead_code, unused_imports)] // each test uses a part

pub(crate) mod cgroups;
pub(crate) mod conformance;
pub(crate) mod family;
mod guard;
pub(crate) mod inject;
pub(crate) mod processes;
pub(crate) mod sandbox;
pub(crate) mod supervisor;
pub(crate) mod survivors;

use std::thread;
use std::time::{Duration, Instant};

pub(crate) use family::Family;
pub(crate) use sandbox::Sandbox;
pub(crate) use supervisor::{Status, Supervisor};
pub(crate) use survivors::{Marker, survivors};

/// The user that tests take on when they run as root and need an ordinary one: nobody.
pub(crate) const NOBODY: u32 = 65534;

/// How long a condition may take before a test fails. Generous: no test depends on speed.
/// `PINFOLD_TEST_PATIENCE` multiplies it.
pub(crate) fn bound() -> Duration {
    let patience =
        std::env::var("PINFOLD_TEST_PATIENCE").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    Duration::from_secs(60) * patience
}

/// Looks until `look` succeeds, and gives its last complaint when that does not happen within [`bound`].
pub(crate) fn look_until<T>(mut look: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(seen) if start.elapsed() > bound() => return Err(seen),
            // Not a guess at how long something takes: just how often to look.
            Err(_) => thread::sleep(Duration::from_millis(2)), // bounded: by `bound`, above
        }
    }
}

/// `Ok` when `condition` holds, else what was seen instead: the usual last line of a look.
pub(crate) fn expect(condition: bool, seen: impl std::fmt::Debug) -> Result<(), String> {
    if condition { Ok(()) } else { Err(format!("{seen:?}")) }
}

/// Whether this process may do everything.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Says loudly that a test cannot run here, and why.
pub(crate) fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    eprintln!("SKIPPED: {test}: {why}");
}
