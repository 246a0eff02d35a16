//! `pinfold scan`: has svscan look at its directory again.

use super::cli;
use super::failure::Failure;
use super::tables::{self, Life};
use clap::{ArgMatches, Command};
use nix::sys::signal::Signal;
use std::path::Path;
use sys::Errno;
use sys::process::Pidfd;

/// The verb's command line.
pub(super) fn define() -> Command {
    let more = "\
New directories are picked up, and those that are gone are noticed, without being asked; this is for file systems \
that do not tell of changes, and for the impatient.";
    let after = "\
Examples:
  pinfold scan
  pinfold scan /etc/service

Exit codes: 0 svscan has been told; 1 none supervises DIR; 2 wrong usage; 4 no permission.";
    cli::command("scan", "Have svscan look at its directory again", more, after).arg(cli::directory())
}

/// Does it.
pub(super) fn run(matches: &ArgMatches) -> u8 {
    cli::to_svscan(matches, "scan", tell)
}

fn tell(directory: &Path) -> Result<(), Failure> {
    let views = tables::all();
    let of_it = views.iter().filter(|view| tables::directory(&view.head) == directory);
    let living = of_it.filter(|view| tables::life(&view.head) != Life::Gone);
    let Some(view) = living.into_iter().next() else {
        return Err(Failure::no("no svscan of pinfold's supervises it"));
    };
    if tables::is_single(&view.head) {
        return Err(Failure::no("it is a service, supervised by hand; there is nothing to scan"));
    }
    // the guardian passes it on, also to a supervisor that is just being started
    let sent = [view.head.guardian, view.head.supervisor].into_iter().flatten().map(|who| {
        let pidfd = Pidfd::of(who)?;
        pidfd.signal(Signal::SIGHUP)
    });
    match sent.reduce(|first, second| first.or(second)) {
        Some(Ok(())) => Ok(()),
        Some(Err(Errno::EPERM)) => Err(Failure::at("signal svscan of", directory, Errno::EPERM)),
        Some(Err(_)) | None => Err(Failure::no("its svscan has just gone")),
    }
}
