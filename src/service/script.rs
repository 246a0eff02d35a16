//! What a script's first line says, for an error message that helps.

use std::path::Path;

/// The interpreter named in the `#!` line of the file at `path`, if it has one.
pub fn interpreter(path: &Path) -> Option<String> {
    // the kernel looks at the first 256 bytes; execve(2)
    let data = sys::files::read(path, sys::files::BOUND).ok()??;
    let line = data.strip_prefix(b"#!")?.split(|&b| b == b'\n').next()?;
    // as the kernel has it: blanks end the name, and a carriage return is part of it
    let word = line.split(|&b| b == b' ' || b == b'\t').find(|word| !word.is_empty())?;
    Some(String::from_utf8_lossy(word).into_owned())
}
