//! A file of an envdir: the value it stands for, against the manual's words.
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

libfuzzer_sys::fuzz_target!(|content: &[u8]| {
    let mut line: Vec<u8> = content.iter().copied().take_while(|byte| *byte != b'\n').collect();
    while line.pop_if(|last| matches!(last, b' ' | b'\t')).is_some() {}
    line.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b'\n');
    let expected = (!content.is_empty()).then(|| OsString::from_vec(line));
    assert_eq!(compat::fuzzing::envdir_value(content), expected);
});
