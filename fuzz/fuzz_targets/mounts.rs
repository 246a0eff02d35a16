//! `/proc/self/mountinfo` and `/proc/PID/cgroup`: any bytes, and lines as the kernel writes them, whatever the paths
//! hold.
#![no_main]

use cgroup::mounts::{parse, position};
use std::os::unix::ffi::OsStrExt;
use std::path::Component;

libfuzzer_sys::fuzz_target!(|input: (&[u8], &[u8], &[u8], &[u8])| {
    let (root, point, mountinfo, groups) = input;
    for mount in parse(mountinfo) {
        let Some(position) = position(groups, &mount.hierarchy) else { continue };
        if let Some(directory) = mount.directory(&position) {
            assert!(directory.starts_with(&mount.point), "{mount:?} {directory:?}");
            assert!(!position.components().any(|part| part == Component::ParentDir), "{position:?}");
        }
    }

    let line = [b"30 20 0:40 ", &escaped(root)[..], b" ", &escaped(point), b" rw - cgroup2 none rw"].concat();
    let mounts = parse(&line);
    let [mount] = &mounts[..] else { panic!("{mounts:?} from {}", line.escape_ascii()) };
    assert_eq!((mount.root.as_os_str().as_bytes(), mount.point.as_os_str().as_bytes()), (root, point));
});

/// A path as the kernel writes it.
fn escaped(path: &[u8]) -> Vec<u8> {
    let byte = |&byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' | b'#' => format!("\\{byte:03o}").into_bytes(),
        _ => vec![byte],
    };
    path.iter().flat_map(byte).collect()
}
