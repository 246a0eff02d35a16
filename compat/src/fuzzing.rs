//! What the fuzz targets (`fuzz/`) call of this crate beside what is public; compiled for them only.

use std::ffi::OsString;

use crate::multilog::{pattern, script, stamp};

/// See [`crate::envdir`].
pub fn envdir_value(content: &[u8]) -> Option<OsString> {
    crate::envdir::value(content)
}

/// The output of `tai64nlocal` for input that comes in these pieces.
pub fn tai64nlocal(pieces: &[&[u8]]) -> Vec<u8> {
    crate::tai64nlocal::convert(pieces)
}

/// The groups in the text of `/etc/group` that have this member.
pub fn member_of(text: &[u8], name: &[u8]) -> Vec<u32> {
    crate::account::member_of(text, name)
}

/// Whether a pattern of multilog's matches a line.
pub fn multilog_matches(pattern: &[u8], line: &[u8]) -> bool {
    pattern::matches(pattern, line)
}

/// The letter by which multilog's script asks for stamps, if it does; and its steps.
pub fn multilog_script(arguments: &[OsString]) -> (Option<u8>, Vec<MultilogStep>) {
    let script = script::Script::parse(arguments);
    let letter = |form| match form {
        stamp::Form::Tai => b't',
        stamp::Form::Local => b'T',
    };
    (script.stamp.map(letter), script.steps.into_iter().map(MultilogStep::from).collect())
}

/// A step of multilog's script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultilogStep {
    /// `+`, `-`, `=` or `e`, and what follows it.
    Text(u8, OsString),
    /// A log directory, with what the script has said of its files before it.
    Log {
        /// Its path.
        directory: OsString,
        /// Bytes of a file.
        size: usize,
        /// Files.
        files: u64,
        /// The command that full files go through.
        processor: Option<OsString>,
    },
}

impl From<script::Step> for MultilogStep {
    fn from(step: script::Step) -> Self {
        use std::os::unix::ffi::OsStringExt;
        match step {
            script::Step::Select(pattern) => MultilogStep::Text(b'+', OsString::from_vec(pattern)),
            script::Step::Deselect(pattern) => MultilogStep::Text(b'-', OsString::from_vec(pattern)),
            script::Step::Stderr => MultilogStep::Text(b'e', OsString::new()),
            script::Step::Keep(file) => MultilogStep::Text(b'=', file),
            script::Step::Log(directory, limits) => MultilogStep::Log {
                directory,
                size: limits.size,
                files: limits.files,
                processor: limits.processor,
            },
        }
    }
}
