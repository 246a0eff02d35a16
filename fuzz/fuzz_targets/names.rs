//! Names of services and scan directories, which are any bytes: no two get the same name of a group or of a run
//! directory, and each is one that may be given to a file.
#![no_main]

use pinfold::place;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let (mut groups, mut places) = (HashMap::new(), HashMap::new());
    let names: Vec<Vec<u8>> = text.split(|byte| *byte == 0).flat_map(resembling).collect();
    for name in &names {
        if let Some(service) = service(name) {
            let group = cgroup::names::of_service(service);
            assert!(group.ends_with(".service") && !group.contains('/') && group.len() <= 249, "{group}");
            let other = groups.insert(group, service);
            assert!(other.is_none_or(|other| other == service), "{}", service.escape_ascii());
        }
        if let Some(path) = directory(name) {
            let place = place::escape(OsStr::from_bytes(path));
            let bytes = place.as_bytes();
            assert!(!bytes.is_empty() && bytes.len() <= 255 && bytes[0] != b'.' && !bytes.contains(&b'/'));
            let other = places.insert(place, path);
            assert!(other.is_none_or(|other| other == path), "{}", path.escape_ascii());
        }
    }
});

/// The name itself, and those that an escape might take for it.
fn resembling(name: &[u8]) -> Vec<Vec<u8>> {
    let ends: [&[u8]; 6] = [b"", b"/log", b".log", b".log/log", b"%2Elog", b".service"];
    let mut names: Vec<Vec<u8>> = ends.iter().map(|end| [name, end].concat()).collect();
    let replaced = |from, to| name.iter().map(|&byte| if byte == from { to } else { byte }).collect();
    names.extend([replaced(b'/', b'-'), replaced(b'-', b'/'), replaced(b'%', b'.')]);
    names
}

/// A name of a directory, or of the log service in it.
fn service(name: &[u8]) -> Option<&[u8]> {
    let first = name.strip_suffix(b"/log").unwrap_or(name);
    (!first.is_empty() && first.len() <= 255 && !first.contains(&b'/')).then_some(name)
}

/// An absolute path without detours.
fn directory(path: &[u8]) -> Option<&[u8]> {
    let below = path.strip_prefix(b"/")?;
    let is_plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
    (below.is_empty() || below.split(|byte| *byte == b'/').all(is_plain)).then_some(path)
}
