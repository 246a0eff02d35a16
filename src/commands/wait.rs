//! `pinfold wait`: for scripts that need services to be somewhere before they go on.

use super::cli;
use super::failure::{Failure, NO, OK};
use super::service::{Service, Sight};
use super::vigil::Vigil;
use crate::machine::{Leader, Ms, Phase};
use clap::{ArgGroup, ArgMatches, Command};
use std::ffi::OsStr;
use std::io::Write;
use sys::clock::monotonic_ms;

/// Where a service is to be.
#[derive(Clone, Copy)]
enum Goal {
    Up,
    Ready,
    Down,
}

/// The verb's command line.
pub(super) fn define() -> Command {
    let more = "\
Nothing is started or stopped by this. A service is up when its program runs, ready when it has said so on its \
notification-fd (one that never says so is ready when it is up), and down when nothing of it is left and nothing \
will be started. All NAMEs must have been there, one after the other.";
    let after = "\
Examples:
  pinfold wait --ready -t 30 mysql && run-the-migration
  svc -d squid && pinfold wait --down squid

Exit codes: 0 they are there; 1 not in time, or not supervised; 2 wrong usage; 4 no permission.";
    cli::command("wait", "Wait until services are up, ready or down", more, after)
        .arg(cli::switch("up", None, "Wait until they are up"))
        .arg(cli::switch("ready", None, "Wait until they are ready"))
        .arg(cli::switch("down", None, "Wait until they are down"))
        .group(ArgGroup::new("goal").args(["up", "ready", "down"]).required(true))
        .arg(cli::time("timeout", "Wait at most so long [default: for ever]").short('t'))
        .arg(cli::names(true))
}

/// Does it.
pub(super) fn run(matches: &ArgMatches) -> u8 {
    let goal = match (cli::is_on(matches, "up"), cli::is_on(matches, "ready")) {
        (true, _) => Goal::Up,
        (false, true) => Goal::Ready,
        (false, false) => Goal::Down,
    };
    let timeout = cli::given_time(matches, "timeout");
    let deadline = timeout.map_or(Ms::MAX, |time| monotonic_ms() + time.as_millis() as Ms);
    let mut vigil = Vigil::new();
    for name in cli::named(matches) {
        if let Err(failure) = until(goal, &name, deadline, &mut vigil) {
            let _ = writeln!(std::io::stderr(), "{}: {}", Service::as_named(&name), failure.reason);
            return failure.code;
        }
    }
    OK
}

fn until(goal: Goal, name: &OsStr, deadline: Ms, vigil: &mut Vigil) -> Result<(), Failure> {
    let mut service = Service::find(name)?;
    vigil.watch(&service);
    loop {
        let sight = service.look();
        if let Sight::Nobody = sight {
            // says whether it may not be asked, or there is nobody to ask
            service.tell(&[])?;
            return Err(Failure::no("not supervised"));
        }
        if goal.is_reached(&sight) {
            vigil.await_published(&mut service);
            return Ok(());
        }
        if monotonic_ms() >= deadline {
            return Err(Failure::no(format!("not {} in time", goal.word())));
        }
        vigil.wait(deadline, &[]);
        if vigil.is_interrupted() {
            return Err(Failure { code: NO, ..Failure::no("interrupted") });
        }
    }
}

impl Goal {
    fn word(self) -> &'static str {
        match self {
            Goal::Up => "up",
            Goal::Ready => "ready",
            Goal::Down => "down",
        }
    }

    fn is_reached(self, sight: &Sight) -> bool {
        match (self, sight) {
            (Goal::Up, _) => sight.is_up(),
            (Goal::Down, _) => sight.is_down(),
            (Goal::Ready, Sight::Ours(record)) => {
                let ready = matches!(record.state.phase, Phase::Ready { leader: Leader::Run, .. });
                ready || sight.is_up() && !record.notifies
            }
            (Goal::Ready, _) => sight.is_up(),
        }
    }
}
