//! Accounts and groups: in `/etc/passwd` and `/etc/group`, else from `getent`.
//!
//! A static program cannot load the modules of nsswitch.conf, so what is not in the files (LDAP, SSSD,
//! systemd's dynamic users) is asked of the system's own `getent`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use crate::softlimit;

/// A user's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Finds an account by its name.
pub(crate) fn account(name: &OsStr) -> Option<Account> {
    let name = name.as_bytes();
    find("passwd", name, |line| {
        Some(Account { uid: number(field(line, 2)?)?, gid: number(field(line, 3)?)? })
    })
}

/// Finds a group's number by its name.
pub(crate) fn group(name: &OsStr) -> Option<u32> {
    find("group", name.as_bytes(), |line| number(field(line, 2)?))
}

/// The user and groups of a text by runit's rules: `USER`, `USER:GROUP[:GROUP]...`, or in numbers
/// `:UID:GID[:GID]...`, of which an empty one is 0. A user without groups has the account's.
pub(crate) fn identity(text: &OsStr) -> Option<(u32, Vec<u32>)> {
    let mut parts = text.as_bytes().split(|b| *b == b':');
    if text.as_bytes().starts_with(b":") {
        let wide = |part| softlimit::number(part).map(|number| number as u32);
        let numbers: Vec<u32> = parts.skip(1).map(wide).collect::<Option<_>>()?;
        let (uid, gids) = numbers.split_first()?;
        return (!gids.is_empty()).then(|| (*uid, gids.to_vec()));
    }
    let account = account(OsStr::from_bytes(parts.next()?))?;
    let groups: Vec<u32> = parts.map(|name| group(OsStr::from_bytes(name))).collect::<Option<_>>()?;
    Some((account.uid, if groups.is_empty() { vec![account.gid] } else { groups }))
}

/// All groups of an account, its own first, as `initgroups` would set them.
pub(crate) fn groups(name: &OsStr, account: Account) -> Vec<u32> {
    let mut groups = vec![account.gid];
    let others = match getent("initgroups", name.as_bytes()) {
        // NAME and numbers, between blanks
        Some(text) => text.split(u8::is_ascii_whitespace).skip(1).flat_map(number).collect(),
        None => member_of(&std::fs::read("/etc/group").unwrap_or_default(), name.as_bytes()),
    };
    for gid in others {
        if !groups.contains(&gid) {
            groups.push(gid);
        }
    }
    groups
}

/// Becomes that user with these groups, the first of which is the main one; says which call failed.
pub(crate) fn become_user(uid: u32, groups: &[u32]) -> Result<(), (&'static str, Errno)> {
    let gids: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&gids).map_err(|e| ("setgroups", e))?;
    if let Some(main) = gids.first() {
        setgid(*main).map_err(|e| ("setgid", e))?;
    }
    setuid(Uid::from_raw(uid)).map_err(|e| ("setuid", e))
}

/// Finds the line of a database that is this name's, and understands it.
fn find<T>(database: &str, name: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    // No name of an account, and it would be an option or another line to getent.
    if name.is_empty() || name.iter().any(|b| matches!(b, b':' | b'\n')) {
        return None;
    }
    let read =
        |text: &[u8]| text.split(|b| *b == b'\n').filter(|l| field(l, 0) == Some(name)).find_map(&read);
    let file = std::fs::read(format!("/etc/{database}")).unwrap_or_default();
    read(&file).or_else(|| read(&getent(database, name)?))
}

/// What `getent` says of a name; `None` if there is no such name, or no getent.
fn getent(database: &str, name: &[u8]) -> Option<Vec<u8>> {
    let output = Command::new("getent")
        .args([database, "--"])
        .arg(OsStr::from_bytes(name))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}

fn field(line: &[u8], at: usize) -> Option<&[u8]> {
    line.split(|b| *b == b':').nth(at)
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+'))?.parse().ok()
}

/// The groups in the text of `/etc/group` that have this name among their members.
pub(crate) fn member_of(text: &[u8], name: &[u8]) -> Vec<u32> {
    let lines = text.split(|b| *b == b'\n');
    let member = |line: &[u8]| field(line, 3).is_some_and(|all| all.split(|b| *b == b',').any(|m| m == name));
    lines.filter(|line| member(line)).filter_map(|line| number(field(line, 2)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_in_the_files() {
        assert_eq!(account(OsStr::new("root")), Some(Account { uid: 0, gid: 0 }));
        assert_eq!(group(OsStr::new("root")), Some(0));
    }

    #[test]
    fn what_is_no_name() {
        // getent would take a number for a uid; only a name finds an account.
        for name in ["", "0", "nobody-of-that-name", "root:x", "root\n", "--help", "-s"] {
            assert_eq!(account(OsStr::new(name)), None, "{name}");
            assert_eq!(group(OsStr::new(name)), None, "{name}");
        }
    }

    #[test]
    fn identities() {
        let of = |text| identity(OsStr::new(text));
        assert_eq!(of("root"), Some((0, vec![0])));
        assert_eq!(of("root:root"), Some((0, vec![0])));
        assert_eq!(of(":1:2"), Some((1, vec![2])));
        assert_eq!(of(":1:2:3:"), Some((1, vec![2, 3, 0])));
        assert_eq!(of("::"), Some((0, vec![0])));
        for text in ["", ":", ":1", ":1:x", ":-1:2", "root:", "root:nosuchgroup", "nosuchuser", "0", "root:0"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn members() {
        let text = b"root:x:0:\nadm:x:4:syslog,amy\nx:x:bad:amy\nlast:x:7:amy";
        assert_eq!(member_of(text, b"amy"), [4, 7]);
        assert_eq!(member_of(text, b"am"), []);
        assert_eq!(member_of(text, b""), [0]);
    }

    #[test]
    fn own_group_comes_first_and_once() {
        let groups = groups(OsStr::new("root"), Account { uid: 0, gid: 7 });
        assert_eq!(groups[0], 7);
        assert_eq!(groups.iter().filter(|gid| **gid == 7).count(), 1);
    }
}
