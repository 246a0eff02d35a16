//! `pinfold upgrade`: a new executable takes the place of the running one; services do not notice.

use super::cli;
use super::failure::Failure;
use super::tables::{self, Life};
use crate::table::View;
use crate::upgrade;
use clap::{ArgMatches, Command};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sys::process::{Identity, Pidfd};
use sys::spawn::Spawner;

/// How long svscan may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// The verb's command line.
pub(super) fn define() -> Command {
    let more = "\
svscan and its supervisor execute the file they were started from again, in place: same processes, same services, \
not one of which is restarted. The new file is asked first whether it understands what is handed over; if not, \
nothing is changed. SIGUSR1 to svscan does the same.";
    let after = "\
Examples:
  pinfold upgrade
  pinfold upgrade /etc/service

Exit codes: 0 the new executable is at work; 1 it is not, and why; 2 wrong usage; 4 no permission.";
    cli::command("upgrade", "Replace the running svscan by the installed one", more, after)
        .arg(cli::directory())
}

/// Does it.
pub(super) fn run(matches: &ArgMatches) -> u8 {
    cli::to_svscan(matches, "upgrade", change)
}

fn change(directory: &Path) -> Result<(), Failure> {
    let (view, guardian) = guardian_of(directory)?;
    let executable = executable_of(guardian)?;
    let mut spawner = Spawner::new().map_err(|fail| Failure::no(fail.to_string()))?;
    upgrade::ask(&executable, &mut spawner).map_err(Failure::no)?;
    let told = Pidfd::of(guardian).and_then(|pidfd| pidfd.signal(Signal::SIGUSR1));
    told.map_err(|errno| Failure::at("signal svscan of", directory, errno))?;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let now = tables::all().into_iter().find(|now| now.run == view.run);
        if now.is_some_and(|now| now.head.since > view.head.since) {
            return Ok(());
        }
        std::thread::sleep(PAUSE); // bounded: see PATIENCE
    }
    Err(Failure::no("svscan goes on as before; its messages say why"))
}

/// The running svscan of this directory.
fn guardian_of(directory: &Path) -> Result<(View, Identity), Failure> {
    let mut views = tables::all().into_iter().filter(|view| tables::directory(&view.head) == directory);
    let view = views.find(|view| tables::life(&view.head) != Life::Gone);
    let Some(view) = view else { return Err(Failure::no("no svscan of pinfold's supervises it")) };
    match view.head.guardian {
        Some(guardian) => Ok((view, guardian)),
        None => Err(Failure::no(
            "it is a service, supervised by hand: end supervise and start the new one, which takes over",
        )),
    }
}

/// The file that svscan was started from, or what has been installed in its place.
fn executable_of(guardian: Identity) -> Result<PathBuf, Failure> {
    let link = PathBuf::from(format!("/proc/{}/exe", guardian.pid));
    let file = std::fs::read_link(&link).map_err(|e| Failure::at("read", &link, sys::fail::errno_of(&e)))?;
    let text = file.to_string_lossy();
    Ok(text.strip_suffix(" (deleted)").map_or_else(|| file.clone(), PathBuf::from))
}
