//! The names in a directory, by getdents64(2) into memory of the caller's: no stream is allocated, and nothing is
//! asked of the directory but its names.

use crate::Errno;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd};

/// Room for about a hundred names; the kernel never gives part of an entry.
#[repr(C, align(8))]
struct Buffer([u8; 4096]);

/// The inode, the offset (8 bytes each), the entry's length (2) and type (1) stand before the name.
const LENGTH_AT: usize = 16;
const NAME_AT: usize = 19;

/// Calls `each` with every name but `.` and `..`, until it breaks off.
pub(crate) fn each_name(
    directory: impl AsFd,
    each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<(), Errno> {
    let fd = directory.as_fd().as_raw_fd();
    let mut buffer = Buffer([0; 4096]);
    loop {
        let room = buffer.0.len();
        // SAFETY: the kernel writes at most `room` bytes into the buffer, which is aligned as its entries are.
        let filled = unsafe { libc::syscall(libc::SYS_getdents64, fd, buffer.0.as_mut_ptr(), room) };
        let filled = usize::try_from(Errno::result(filled)?).unwrap_or(0);
        if filled == 0 {
            return Ok(());
        }
        let mut rest = buffer.0.get(..filled).unwrap_or_default();
        while let Some((name, after)) = first(rest) {
            rest = after;
            if !matches!(name, b"." | b"..") && each(name).is_break() {
                return Ok(());
            }
        }
    }
}

/// The name of the first entry, and the entries after it.
fn first(entries: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = entries.get(LENGTH_AT..LENGTH_AT + 2)?;
    let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
    let name = entries.get(NAME_AT..length)?;
    let end = name.iter().position(|&byte| byte == 0)?;
    Some((name.get(..end)?, entries.get(length..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn all_names_are_given_until_it_is_enough() {
        let path = std::env::temp_dir().join(format!("pinfold-listing-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let mut there: Vec<String> = (1..250).map(|n| "n".repeat(n)).collect();
        there.iter().for_each(|name| fs::write(path.join(name), "").unwrap());
        let mut found = Vec::new();
        let mut all = |name: &[u8]| {
            found.push(String::from_utf8(name.to_vec()).unwrap());
            ControlFlow::Continue(())
        };
        each_name(fs::File::open(&path).unwrap(), &mut all).unwrap();
        found.sort();
        there.sort();
        assert_eq!(found, there);
        let mut count = 0;
        let mut some = |_: &[u8]| {
            count += 1;
            if count == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        each_name(fs::File::open(&path).unwrap(), &mut some).unwrap();
        assert_eq!(count, 7);
        let file = fs::File::open(path.join("n")).unwrap();
        assert_eq!(each_name(file, &mut |_| ControlFlow::Continue(())), Err(Errno::ENOTDIR));
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn what_is_cut_short_is_no_entry() {
        let mut entry = [0u8; 24];
        entry[LENGTH_AT] = 24;
        entry[NAME_AT..NAME_AT + 2].copy_from_slice(b"ab");
        assert_eq!(first(&entry), Some((&b"ab"[..], &b""[..])));
        assert_eq!(first(&entry[..20]), None);
        assert_eq!(first(&[]), None);
    }
}
