//! `pinfold VERB …`: the table of verbs, and the help over them.

use super::failure::{NO, USAGE};
use super::{APPLETS, administer, check, cli, doctor, import, metrics, scan, status, tree, upgrade, wait};
use clap::{ArgMatches, Command};
use std::ffi::{OsStr, OsString};
use std::io::Write;

/// One verb.
struct Verb {
    name: &'static str,
    /// Its command line.
    define: fn() -> Command,
    /// Does it, and gives the exit code.
    run: fn(&ArgMatches) -> u8,
}

/// One of the orders of [`administer`] as a verb.
macro_rules! order {
    ($name:literal) => {
        Verb {
            name: $name,
            define: || administer::order($name).define_verb(),
            run: |matches| administer::order($name).run_verb(matches),
        }
    };
}

/// Every verb, in the order of the help.
const VERBS: [Verb; 15] = [
    Verb { name: "status", define: status::define, run: status::run },
    Verb { name: "tree", define: tree::define, run: tree::run },
    Verb { name: "metrics", define: metrics::define, run: metrics::run },
    order!("start"),
    order!("stop"),
    order!("restart"),
    order!("reset"),
    order!("enable"),
    order!("disable"),
    Verb { name: "wait", define: wait::define, run: wait::run },
    Verb { name: "scan", define: scan::define, run: scan::run },
    Verb { name: "upgrade", define: upgrade::define, run: upgrade::run },
    Verb { name: "check", define: check::define, run: check::run },
    Verb { name: "import", define: import::define, run: import::run },
    Verb { name: "doctor", define: doctor::define, run: doctor::run },
];

/// What is asked for in place of a verb.
const HELP: [&str; 5] = ["help", "--help", "-h", "--version", "-V"];

const ABOUT: &str = "\
A process supervisor in which no process strays.

Each directory below the service root is a service: its program `run` is started, started again when it ends, and \
stopped with everything that it has started. svscan supervises; these verbs show and control.";

/// Whether `pinfold NAME` is for us.
pub(super) fn is_one(name: &OsStr) -> bool {
    VERBS.iter().map(|verb| verb.name).chain(HELP).any(|known| name == known)
}

/// `VERB ARGUMENTS…`.
pub(super) fn main(args: &[OsString]) -> u8 {
    let verb = args.first().and_then(|name| VERBS.iter().find(|verb| name == verb.name));
    match verb {
        Some(verb) => {
            let command = (verb.define)().bin_name(format!("pinfold {}", verb.name));
            cli::parse(command, args, USAGE, verb.run)
        }
        None => help(args),
    }
}

/// `pinfold help`, `pinfold help VERB`, `pinfold --version`; or what is no verb at all.
fn help(args: &[OsString]) -> u8 {
    let args = std::iter::once(OsString::from("pinfold")).chain(args.iter().cloned());
    cli::parse(define(), &args.collect::<Vec<_>>(), USAGE, |_| {
        // every verb is found before; there is nothing else that could be asked for
        let _ = writeln!(std::io::stderr(), "pinfold: no such verb; see pinfold help");
        NO
    })
}

/// The command line of `pinfold` with all its verbs.
pub(super) fn define() -> Command {
    let tools: Vec<String> = compat::APPLETS
        .iter()
        .chain(APPLETS)
        .map(|applet| format!("  {:13} {}", applet.name, applet.help))
        .collect();
    let after = format!(
        "Tools, by their own names or as pinfold TOOL ARGUMENTS:\n{}\n\nExit codes: 0 done, or yes; 1 failed, or \
         no; 2 wrong usage; 3 the one service asked about is not running; 4 no permission.",
        tools.join("\n")
    );
    Command::new("pinfold")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(after)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(false)
        .max_term_width(100)
        .subcommands(VERBS.iter().map(|verb| (verb.define)()))
}
