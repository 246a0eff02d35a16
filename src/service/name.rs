//! From what an administrator types to a service's directory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The directory in which bare names are looked up: `SVDIR`, else `/service`, else `/etc/service`.
pub fn root() -> PathBuf {
    match std::env::var_os("SVDIR").filter(|v| !v.is_empty()) {
        Some(chosen) => PathBuf::from(chosen),
        None if Path::new("/service").is_dir() => PathBuf::from("/service"),
        None => PathBuf::from("/etc/service"),
    }
}

/// A NAME is a bare name below [`root`], or a path (it holds a slash, or is `.` or `..`), with or without a
/// slash at its end. `log` services have the name `squid/log`: a first part that is a service of the root
/// is a name, too.
pub fn resolve(name: &OsStr) -> PathBuf {
    let bytes = name.as_bytes();
    let trimmed = match bytes.iter().rposition(|&b| b != b'/') {
        Some(last) => &bytes[..=last],
        None => bytes, // nothing but slashes
    };
    let path = Path::new(OsStr::from_bytes(trimmed));
    let bare = !trimmed.contains(&b'/') && trimmed != b"." && trimmed != b"..";
    let of_root = || trimmed.ends_with(b"/log") && !trimmed.starts_with(b"/") && !path.exists();
    if bare || of_root() { root().join(path) } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_names_are_below_the_root_and_paths_are_paths() {
        let root = root();
        let resolve = |s: &str| resolve(OsStr::new(s));
        assert_eq!(resolve("squid"), root.join("squid"));
        assert_eq!(resolve("squid/"), root.join("squid"));
        assert_eq!(resolve("no-such/log"), root.join("no-such/log"));
        assert_eq!(resolve("/service/squid/"), Path::new("/service/squid"));
        assert_eq!(resolve("./squid"), Path::new("./squid"));
        assert_eq!(resolve("."), Path::new("."));
        assert_eq!(resolve("/"), Path::new("/"));
    }
}
