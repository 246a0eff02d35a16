//! `pgrphack`: runs a program in a session and process group of its own (`pgrphack(8)`).

use std::ffi::OsString;

use nix::unistd::setsid;

use crate::chain;
use crate::environment::Environment;
use crate::errors::{Die, code};

/// `pgrphack PROGRAM...`
pub fn main(args: &[OsString]) -> u8 {
    chain::begin();
    code(run(args))
}

fn run(args: &[OsString]) -> Result<u8, Die> {
    let child = args.get(1..).filter(|child| !child.is_empty());
    let child = child.ok_or_else(|| Die::usage("pgrphack: usage: pgrphack child"))?;
    // It fails for the leader of a group, who has what it wants.
    let _ = setsid();
    Err(chain::run("pgrphack", child, &Environment::inherited()))
}
