//! The one executable: called by a classic tool's name it is that tool, and `pinfold NAME ARGUMENTS`
//! does the same.

mod process_one;

use pinfold::commands::{find, pinfold};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let code = dispatch(&args);
    if code == 0 {
        process_one::power_off_if_last();
    }
    ExitCode::from(code)
}

fn dispatch(args: &[OsString]) -> u8 {
    let by_name = |name: &OsString| find(base(name)).or_else(|| compat::find_by_link(name));
    if let Some(applet) = args.first().and_then(by_name) {
        return (applet.main)(args);
    }
    let rest = args.get(1..).unwrap_or_default();
    match rest.first().and_then(|name| find(name)) {
        Some(applet) => (applet.main)(rest),
        None => pinfold(rest),
    }
}

/// The part of a path after its last slash.
fn base(path: &OsStr) -> &OsStr {
    let bytes = path.as_bytes();
    OsStr::from_bytes(bytes.rsplit(|b| *b == b'/').next().unwrap_or(bytes))
}
