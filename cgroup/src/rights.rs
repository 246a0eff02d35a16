//! What this process may do, and what it follows that it cannot catch. See capabilities(7).

use crate::rung::Rung;
use caps::{CapSet, Capability};

fn has(capability: Capability) -> bool {
    // an answer that can't be had (no /proc, an old kernel) is taken for yes: the attempt will tell
    caps::has_cap(None, CapSet::Effective, capability).unwrap_or(true)
}

/// Whether this process may mount file systems.
pub(crate) fn may_mount() -> bool {
    has(Capability::CAP_SYS_ADMIN)
}

/// What escapes containment by `rung` with the rights this process has, a clause each.
pub(crate) fn cannot_catch(rung: Rung) -> Vec<String> {
    let mut clauses = Vec::new();
    if !rung.cannot_catch().is_empty() {
        clauses.push(rung.cannot_catch().to_owned());
    }
    // cgroup.kill asks nobody; every other signal is sent by us
    if !has(Capability::CAP_KILL) && rung != Rung::Kill {
        clauses.push("without CAP_KILL: processes that run as another user (setuid programs)".to_owned());
    }
    if !has(Capability::CAP_DAC_OVERRIDE) && rung != Rung::Subtree {
        clauses.push(
            "without CAP_DAC_OVERRIDE: strays in a cgroup that belongs to another user cannot be brought back"
                .to_owned(),
        );
    }
    if !may_mount() && rung == Rung::V1 {
        clauses.push("without CAP_SYS_ADMIN: the better cgroup v2 cannot be mounted from here".to_owned());
    }
    clauses
}
