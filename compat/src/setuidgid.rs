//! `setuidgid`: runs a program as another user (`setuidgid(8)`).

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use crate::account::{account, become_user, groups};
use crate::chain;
use crate::environment::Environment;
use crate::errors::{Die, code};

const USAGE: &str = "setuidgid: usage: setuidgid account child";

/// `setuidgid ACCOUNT PROGRAM...`: with the account's user and group, and no other groups.
///
/// `setuidgid -s ACCOUNT PROGRAM...` keeps all of the account's groups, as in daemontools-encore.
pub fn main(args: &[OsString]) -> u8 {
    chain::begin();
    code(run(args))
}

fn run(args: &[OsString]) -> Result<u8, Die> {
    let rest = args.get(1..).unwrap_or_default();
    let all = rest.first().is_some_and(|arg| arg == "-s");
    let [name, child @ ..] = &rest[usize::from(all)..] else { return Err(Die::usage(USAGE)) };
    if child.is_empty() {
        return Err(Die::usage(USAGE));
    }
    let unknown = || Die::fatal("setuidgid", &[b"unknown account ", name.as_bytes()]);
    let account = account(name).ok_or_else(unknown)?;
    let groups = if all { groups(name, account) } else { vec![account.gid] };
    become_user(account.uid, &groups).map_err(|(call, errno)| {
        // The original does not tell setgroups from setgid.
        let what: &[u8] = if call == "setuid" { b"unable to setuid" } else { b"unable to setgid" };
        Die::sys("setuidgid", &[what], errno)
    })?;
    Err(chain::run("setuidgid", child, &Environment::inherited()))
}
