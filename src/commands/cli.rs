//! The command lines of pinfold's own commands: what they have in common, and how they are read.

use super::failure::{Failure, NO, OK, shown};
use super::session::Wish;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What every help about services says of their names.
const NAMES: &str = "\
NAME is a service below the service root ($SVDIR, else /service, else /etc/service), or, with a slash in it, \
the path of its directory; a slash at its end does not matter. The log service of squid is squid/log.";

/// How long a service must stay up to count as started, in seconds.
const SETTLE: &str = "3";

/// A command of this name: what it is for in a line, more about that, examples, exit codes.
pub(super) fn command(name: &'static str, about: &'static str, more: &str, after: &str) -> Command {
    Command::new(name)
        .about(about)
        .long_about(if more.is_empty() { about.to_owned() } else { format!("{about}\n\n{more}") })
        .after_long_help(after.to_owned())
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .max_term_width(100)
}

/// Services by name.
pub(super) fn names(required: bool) -> Arg {
    Arg::new("names")
        .value_name("NAME")
        .help("Services, by name or path")
        .long_help(NAMES)
        .num_args(1..)
        .required(required)
        .value_parser(value_parser!(OsString))
}

/// The names given.
pub(super) fn named(matches: &ArgMatches) -> Vec<OsString> {
    matches.get_many("names").map_or(Vec::new(), |names| names.cloned().collect())
}

/// The scan directory.
pub(super) fn directory() -> Arg {
    Arg::new("directory")
        .value_name("DIR")
        .help("The scan directory [default: $SVDIR, else /service, else /etc/service]")
        .value_parser(value_parser!(OsString))
}

/// Does something to the svscan of the directory that was given, and says what went wrong.
pub(super) fn to_svscan(
    matches: &ArgMatches,
    verb: &str,
    act: impl FnOnce(&Path) -> Result<(), Failure>,
) -> u8 {
    let given = matches.get_one::<OsString>("directory").map(PathBuf::from);
    let directory = given.unwrap_or_else(crate::service::name::root);
    let real = std::fs::canonicalize(&directory)
        .map_err(|e| Failure::at("look at", &directory, sys::fail::errno_of(&e)));
    match real.and_then(|real| act(&real)) {
        Ok(()) => OK,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "pinfold {verb}: {}: {}", shown(&directory), failure.reason);
            failure.code
        }
    }
}

/// A switch.
pub(super) fn switch(name: &'static str, letter: Option<char>, help: &'static str) -> Arg {
    let arg = Arg::new(name).long(name).help(help).action(ArgAction::SetTrue);
    match letter {
        Some(letter) => arg.short(letter),
        None => arg,
    }
}

/// Whether a switch was given; one that the command does not know was not.
pub(super) fn is_on(matches: &ArgMatches, name: &str) -> bool {
    matches!(matches.try_get_one::<bool>(name), Ok(Some(true)))
}

/// An option that takes a time.
pub(super) fn time(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("SECONDS").help(help).value_parser(seconds)
}

/// A number of seconds, decimals allowed.
fn seconds(text: &str) -> Result<Duration, String> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: Option<f64> = if plain { text.parse().ok() } else { None };
    // thirty years are as good as for ever, but they have to fit
    number
        .map(|s| Duration::from_secs_f64(s.min(1e9)))
        .ok_or_else(|| "expected a number of seconds".to_owned())
}

/// The time given to an option.
pub(super) fn given_time(matches: &ArgMatches, name: &str) -> Option<Duration> {
    matches.try_get_one(name).ok().flatten().copied()
}

/// The options of a command that starts services, stops them, or both.
pub(super) fn with_manner(command: Command, starts: bool, stops: bool) -> Command {
    let wait = match (starts, stops) {
        (true, false) => "Wait at most so long [default: as timeout-up says, 90 at least]",
        (false, _) => "Wait at most so long [default: 90]",
        (true, true) => "Wait at most so long for each step [default: 90, a start at least timeout-up]",
    };
    let settle = "How long it must stay up to count as started, unless it says itself when it is ready";
    let verbose = if stops { "Tell who was there and how each ended" } else { "Tell pid and uptime" };
    let starting = starts.then(|| time("settle", settle).default_value(SETTLE));
    let stopping = stops.then(|| {
        [
            switch("kill", Some('k'), "Kill at once, instead of telling it to end and waiting"),
            switch("all", Some('A'), "Also stop those that `kill-mode: leader` would leave"),
        ]
    });
    command
        .arg(names(true))
        .args(starting)
        .args(stopping.into_iter().flatten())
        .arg(time("wait", wait).short('w'))
        .arg(switch("quiet", Some('q'), "Say nothing but failures"))
        .arg(switch("verbose", Some('v'), verbose))
}

/// What these options say.
pub(super) fn wish(matches: &ArgMatches) -> Wish {
    Wish {
        // without the option nothing is started
        settle: given_time(matches, "settle").unwrap_or_default(),
        wait: given_time(matches, "wait"),
        kill: is_on(matches, "kill"),
        all: is_on(matches, "all"),
        quiet: is_on(matches, "quiet"),
        verbose: is_on(matches, "verbose"),
    }
}

/// Whether all of it was printed. A reader that has seen enough is no trouble; what else went wrong is said.
pub(super) fn is_out(printed: &std::io::Result<()>) -> bool {
    let Err(e) = printed else { return true };
    if e.kind() != std::io::ErrorKind::BrokenPipe {
        let why = sys::fail::words(sys::fail::errno_of(e));
        let _ = writeln!(std::io::stderr(), "pinfold: write standard output: {why}");
    }
    false
}

/// Reads a command line, and does it; or says what is wrong with it, or the help that it asks for.
pub(super) fn parse(
    command: Command,
    args: &[OsString],
    usage_code: u8,
    run: impl FnOnce(&ArgMatches) -> u8,
) -> u8 {
    match command.try_get_matches_from(args) {
        Ok(matches) => run(&matches),
        Err(error) => {
            let printed = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion if printed.is_ok() => OK,
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => NO,
                _ => usage_code,
            }
        }
    }
}
