//! `envuidgid`: tells a program an account's numbers in its environment (`envuidgid(8)`).

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::account::account;
use crate::chain;
use crate::environment::Environment;
use crate::errors::{Die, code};

/// `envuidgid ACCOUNT PROGRAM...`: sets GID and UID.
pub fn main(args: &[OsString]) -> u8 {
    chain::begin();
    code(run(args))
}

fn run(args: &[OsString]) -> Result<u8, Die> {
    let [_, name, child @ ..] = args else { return Err(usage()) };
    if child.is_empty() {
        return Err(usage());
    }
    let unknown = || Die::fatal("envuidgid", &[b"unknown account ", name.as_bytes()]);
    let account = account(name).ok_or_else(unknown)?;
    let mut environment = Environment::inherited();
    environment.change(b"GID", Some(account.gid.to_string().as_bytes()));
    environment.change(b"UID", Some(account.uid.to_string().as_bytes()));
    Err(chain::run("envuidgid", child, &environment))
}

fn usage() -> Die {
    Die::usage("envuidgid: usage: envuidgid account child")
}
