//! What can be called: the lasting processes, and the administrator's commands.
//!
//! The commands know the supervisor by its files only: letters on `control`, `supervise/status`, the table,
//! the catcher's files. There is no socket, and a command works as well, or as ill, when the supervisor hangs.

mod administer;
mod check;
mod cli;
mod doctor;
mod failure;
mod import;
mod json;
mod judge;
mod last_words;
mod lasting;
mod line;
mod lint;
mod members;
mod metrics;
mod reason;
mod rows;
mod scan;
mod script;
mod service;
mod session;
mod start;
mod status;
mod stop;
mod tables;
mod terminal;
mod tree;
mod upgrade;
mod verbs;
mod vigil;
mod wait;

use compat::Applet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Pinfold's own commands by their names, beside the family's in [`compat::APPLETS`].
pub const APPLETS: &[Applet] = &[
    applet("svscan", lasting::svscan, "supervise every service of a directory"),
    applet("supervise", lasting::supervise, "supervise one service by hand"),
    applet(
        "svscanboot",
        |args| compat::svscanboot::main(args, tables::is_supervised),
        "start svscan from init",
    ),
    applet(
        "svcstart",
        |args| administer::applet("svcstart", args),
        "start services, and check that they work",
    ),
    applet(
        "svcstop",
        |args| administer::applet("svcstop", args),
        "stop services, and check that nothing is left",
    ),
    applet(
        "svcrestart",
        |args| administer::applet("svcrestart", args),
        "stop and start services that are running",
    ),
    applet(
        "svcreset",
        |args| administer::applet("svcreset", args),
        "start or stop services as their file down says",
    ),
];

/// Names that pinfold gives its own processes, for `ps`, and by which it asks another version of itself; not for people to
/// call.
const OWN: &[Applet] = &[
    applet("pinfold:", lasting::supervisor, ""),
    applet("pinfold-catcher:", lasting::catcher, ""),
    applet(crate::upgrade::ASK, lasting::forms, ""),
];

/// The verbs of `pinfold` itself: no tools with names of their own.
const VERBS: Applet = applet("pinfold", pinfold, "");

const fn applet(name: &'static str, main: fn(&[std::ffi::OsString]) -> u8, help: &'static str) -> Applet {
    Applet { name, main, help }
}

/// `pinfold ARGUMENTS…` where the first of them names no tool: a verb, a wish for help, or a mistake.
pub fn pinfold(args: &[std::ffi::OsString]) -> u8 {
    verbs::main(args)
}

/// The command lines that clap reads: `pinfold` with its verbs, and the tools that are verbs, too. Man pages and
/// completions are made of these.
pub fn command_lines() -> Vec<clap::Command> {
    std::iter::once(verbs::define()).chain(administer::define_applets()).collect()
}

/// Finds a command, the family's or pinfold's own, by exactly its name.
pub fn find(name: &OsStr) -> Option<&'static Applet> {
    let tools = compat::APPLETS.iter().chain(APPLETS).chain(OWN);
    let mut named = tools.filter(|applet| applet.name.as_bytes() == name.as_bytes());
    named.next().or_else(|| verbs::is_one(name).then_some(&VERBS))
}
