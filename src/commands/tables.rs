//! All the tables that can be read from here: what every supervisor has published.

use crate::place;
use crate::record::Record;
use crate::table::{self, Head, View};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::process::{Identity, Stat};

/// Whether somebody carries out what the table's services are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// The supervisor is there.
    Supervised,
    /// It has died, and its guardian is about to start another.
    Between,
    /// Both are gone: the table says what was last known.
    Gone,
}

/// Whether the processes named in a table's head live.
pub(super) fn life(head: &Head) -> Life {
    let lives = |who: Option<Identity>| {
        let stat = who.and_then(|who| Stat::read(who.pid).filter(|stat| stat.identity() == who));
        stat.is_some_and(|stat| !stat.is_zombie())
    };
    match (lives(head.supervisor), lives(head.guardian)) {
        (true, _) => Life::Supervised,
        (false, true) => Life::Between,
        (false, false) => Life::Gone,
    }
}

/// Whether a supervisor, or a guardian that is about to start one, has the services of this scan directory.
pub(super) fn is_supervised(scanned: &Path) -> bool {
    let Ok(scanned) = scanned.canonicalize() else { return false };
    all().iter().any(|view| directory(&view.head) == scanned && life(&view.head) != Life::Gone)
}

/// Whether the table is `supervise`'s: one service, and no guardian.
pub(super) fn is_single(head: &Head) -> bool {
    head.guardian.is_none()
}

/// The directory a table is about: the scan directory, or the one service's.
pub(super) fn directory(head: &Head) -> &Path {
    Path::new(OsStr::from_bytes(&head.directory))
}

/// A service's directory, by its record.
pub(super) fn directory_of(head: &Head, record: &Record) -> PathBuf {
    if is_single(head) {
        return directory(head).to_owned();
    }
    directory(head).join(OsStr::from_bytes(&record.name))
}

/// The tables of this boot, in the order of their directories. One that can't be read is left out: it is
/// another version's, or being made.
pub(super) fn all() -> Vec<View> {
    let mut bases = vec![place::base()];
    let roots = PathBuf::from("/run/pinfold");
    if std::env::var_os(place::VARIABLE).is_none() && bases[0] != roots {
        bases.push(roots);
    }
    // what another user could have put there is nothing to go by
    bases.retain(|base| place::is_safe(base, true));
    let runs = bases.iter().flat_map(|base| std::fs::read_dir(base).into_iter().flatten().flatten());
    let boot = sys::clock::boot_id();
    let mut views: Vec<View> = runs
        .map(|entry| entry.path())
        .filter(|run| place::is_safe(run, false))
        .filter_map(|run| table::read(&run).ok())
        .filter(|view| view.head.boot == boot)
        .collect();
    views.sort_by(|a, b| a.head.directory.cmp(&b.head.directory));
    views
}
