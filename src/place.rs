//! Where pinfold keeps what it knows of a scan directory: `/run/pinfold/<escaped path>/`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use sys::{Errno, Fail, resolve};

/// The environment variable that names another place than `/run/pinfold`.
pub const VARIABLE: &str = "PINFOLD_RUN";

/// Below which directory all houses of this user are: `$PINFOLD_RUN`, else `/run/pinfold` for root, else
/// `$XDG_RUNTIME_DIR/pinfold`, else `/tmp/pinfold-UID`.
pub fn base() -> PathBuf {
    if let Some(chosen) = std::env::var_os(VARIABLE).filter(|v| !v.is_empty()) {
        return PathBuf::from(chosen);
    }
    let user = nix::unistd::geteuid();
    if user.is_root() {
        return PathBuf::from("/run/pinfold");
    }
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|v| !v.is_empty()) {
        Some(runtime) => PathBuf::from(runtime).join("pinfold"),
        None => PathBuf::from(format!("/tmp/pinfold-{user}")),
    }
}

/// Makes the house of `directory`, everybody may look at it, and gives its path. What is kept there decides whom we signal
/// and where we write: a house, or a base, that another user could have furnished is refused.
pub fn make(directory: &Path) -> Result<PathBuf, Fail> {
    let base = base();
    let run = base.join(escape(directory.as_os_str()));
    for place in [&base, &run] {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(place)
            .map_err(|e| Fail::io("make directory", place, &e))?;
        let found = resolve::find(place).map_err(|e| Fail::at("look at", place, e))?;
        if !is_ours(&found, place == &base) {
            return Err(Fail::at("trust the directory of another user,", place, Errno::EPERM));
        }
    }
    Ok(run)
}

/// Whether nobody but root and this user can change what they have there: it is theirs, and only they may write to
/// it; others, too, to a `shared` one, if what is there is its owner's to remove (as in `/tmp`).
pub fn is_safe(place: &Path, shared: bool) -> bool {
    resolve::find(place).is_ok_and(|found| is_ours(&found, shared))
}

fn is_ours(found: &resolve::Found, shared: bool) -> bool {
    let (owner, mode) = (found.stat.st_uid, found.stat.st_mode);
    let is_ours = owner == 0 || owner == nix::unistd::geteuid().as_raw();
    found.is_directory() && is_ours && (mode & 0o022 == 0 || shared && mode & 0o1000 != 0)
}

/// Removes a run directory: the lock last, so that nobody who comes after finds his own files removed.
pub fn remove(run: &Path) {
    for entry in std::fs::read_dir(run).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name() != "lock" && std::fs::remove_dir_all(&path).is_err() {
            // what can't be removed (a full or read-only file system) is only litter
            let _ = std::fs::remove_file(&path);
        }
    }
    let _ = std::fs::remove_file(run.join("lock"));
    let _ = std::fs::remove_dir(run);
}

/// Where a service's `supervise/` stands in its supervisor's run directory, if its own directory has only a link to it.
pub fn house(run: &Path, service: &[u8]) -> PathBuf {
    run.join("supervise").join(escape(OsStr::from_bytes(service)))
}

/// A path as one file name: `/` becomes `-`, what is not plain becomes `\xNN`; a leading `/` is dropped.
/// Two paths never share a name (long ones are cut and end in a hash of the whole).
pub fn escape(path: &OsStr) -> OsString {
    let bytes = path.as_bytes();
    let bytes = bytes.strip_prefix(b"/").unwrap_or(bytes);
    let mut name = Vec::with_capacity(bytes.len());
    for (n, &byte) in bytes.iter().enumerate() {
        match byte {
            b'/' => name.push(b'-'),
            b'.' if n == 0 => name.extend_from_slice(b"\\x2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b':' | b'@' | b'+' => name.push(byte),
            _ => name.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    if name.is_empty() {
        name.push(b'-');
    }
    if name.len() > 200 {
        name.truncate(180);
        name.extend_from_slice(format!("-{:016x}", hash(bytes)).as_bytes());
    }
    OsString::from_vec(name)
}

/// For names and checksums, where nobody is trying to collide: FNV-1a in words of eight bytes, with the high bits
/// brought down again, in four sums side by side, none of which waits for another. Any change within one word changes it.
pub fn hash(bytes: &[u8]) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let step = |sum: u64, word: u64| {
        let sum = (sum ^ word).wrapping_mul(STEP);
        sum ^ sum >> 32
    };
    let (whole, rest) = bytes.as_chunks::<32>();
    let mut last = [0; 32];
    last[..rest.len()].copy_from_slice(rest);
    let [mut a, mut b, mut c, mut d] = [1, 2, 3, 4].map(|n| 0xcbf2_9ce4_8422_2325 ^ n);
    for four in whole.iter().chain([&last]) {
        let word = |n: usize| four.as_chunks::<8>().0.get(n).map_or(0, |word| u64::from_le_bytes(*word));
        (a, b, c, d) = (step(a, word(0)), step(b, word(1)), step(c, word(2)), step(d, word(3)));
    }
    [b, c, d, bytes.len() as u64].into_iter().fold(a, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_change_anywhere_is_seen() {
        let mut bytes: Vec<u8> = (0..100).collect();
        let mut seen = HashSet::from([hash(&bytes)]);
        for n in 0..bytes.len() {
            bytes[n] ^= 0x40;
            assert!(seen.insert(hash(&bytes)), "the change of byte {n}");
            bytes[n] ^= 0x40;
            assert!(seen.insert(hash(&bytes[..n])), "the first {n} bytes");
        }
        assert!(seen.insert(hash(&[&bytes[..], &[0]].concat())), "a zero more");
    }

    #[test]
    fn names_are_plain_and_do_not_collide() {
        let paths =
            ["/service", "/etc/sv", "/etc-sv", "/etc/s\nv", "/.hidden", "/", "/a/b-c", "/a-b/c", "/a/b/c"];
        let names: HashSet<OsString> = paths.iter().map(|p| escape(OsStr::new(p))).collect();
        assert_eq!(names.len(), paths.len());
        assert!(names.iter().all(|n| !n.as_bytes().contains(&b'/') && n.as_bytes()[0] != b'.'));
        assert_eq!(escape(OsStr::new("/etc/sv")), "etc-sv");
        let long = format!("/{}", "x".repeat(4000));
        let other = format!("/{}y", "x".repeat(3999));
        assert!(escape(OsStr::new(&long)).len() < 255);
        assert_ne!(escape(OsStr::new(&long)), escape(OsStr::new(&other)));
    }
}
