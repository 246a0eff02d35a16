//! The one executable: called by a classic tool's name it is that tool, and `pinfold NAME ARGUMENTS`
//! does the same.

use pinfold::commands::{APPLETS, find};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    ExitCode::from(dispatch(&args))
}

fn dispatch(args: &[OsString]) -> u8 {
    let by_name = |name: &OsString| find(base(name)).or_else(|| compat::find_by_link(name));
    if let Some(applet) = args.first().and_then(by_name) {
        return (applet.main)(args);
    }
    let Some((name, args)) = args.get(1..).and_then(|rest| rest.first().map(|name| (name, rest))) else {
        return usage();
    };
    match find(name) {
        Some(applet) => (applet.main)(args),
        None => usage(),
    }
}

/// The part of a path after its last slash.
fn base(path: &OsStr) -> &OsStr {
    let bytes = path.as_bytes();
    OsStr::from_bytes(bytes.rsplit(|b| *b == b'/').next().unwrap_or(bytes))
}

fn usage() -> u8 {
    eprintln!("usage: pinfold COMMAND [ARGUMENTS]");
    for applet in APPLETS.iter().chain(compat::APPLETS) {
        eprintln!("  {:14} {}", applet.name, applet.help);
    }
    2
}
