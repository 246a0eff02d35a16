//! The script: one action an argument, known by its first byte.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::stamp::Form;

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Script {
    /// Lines are stamped.
    pub(crate) stamp: Option<Form>,
    /// What is done with each line, in this order.
    pub(crate) steps: Vec<Step>,
}

/// One step of what is done with a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `+`: selects lines that match.
    Select(Vec<u8>),
    /// `-`: deselects lines that match.
    Deselect(Vec<u8>),
    /// `e`: selected lines go to standard error.
    Stderr,
    /// `=`: the last selected line is kept in this file.
    Keep(OsString),
    /// `/` or `.`: selected lines go to this log directory.
    Log(OsString, Limits),
}

/// How a log directory is rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes that `current` may have: `s`.
    pub(crate) size: usize,
    /// Files of the directory, `current` counted: `n`.
    pub(crate) files: u64,
    /// The command through which a full file goes: `!`.
    pub(crate) processor: Option<OsString>,
}

impl Script {
    /// Reads the arguments after the program's name. There is no wrong script: what is no action is
    /// ignored, a number that is none is 0, and limits are put into their bounds, as in the original.
    pub(crate) fn parse(args: &[OsString]) -> Script {
        let stamp = match args.first().and_then(|first| first.as_bytes().first()) {
            Some(b't') => Some(Form::Tai),
            Some(b'T') => Some(Form::Local),
            _ => None,
        };
        let mut limits = Limits { size: 99_999, files: 10, processor: None };
        let mut steps = Vec::new();
        for arg in args {
            let Some((action, rest)) = arg.as_bytes().split_first() else { continue };
            let text = || OsStr::from_bytes(rest).to_owned();
            match action {
                b's' => limits.size = usize::try_from(number(rest).clamp(4096, 0xff_ffff)).unwrap_or(4096),
                b'n' => limits.files = number(rest).max(2),
                b'!' => limits.processor = Some(text()),
                b'+' => steps.push(Step::Select(rest.to_vec())),
                b'-' => steps.push(Step::Deselect(rest.to_vec())),
                b'e' => steps.push(Step::Stderr),
                b'=' => steps.push(Step::Keep(text())),
                b'.' | b'/' => steps.push(Step::Log(arg.clone(), limits.clone())),
                _ => {}
            }
        }
        Script { stamp, steps }
    }
}

/// The decimal number that a text begins with, wrapping as the C library of the family does; 0 if none.
fn number(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|b| b.is_ascii_digit());
    digits.fold(0u64, |n, digit| n.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(script: &str) -> Script {
        Script::parse(&script.split_ascii_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    fn limits(script: &str) -> (usize, u64) {
        match parse(script).steps.pop() {
            Some(Step::Log(_, limits)) => (limits.size, limits.files),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn steps_in_order() {
        let script = parse("t -* +b*c e =f ./d n3 !cat /x");
        assert_eq!(script.stamp, Some(Form::Tai));
        let log = |dir: &str, files, processor: Option<&str>| {
            Step::Log(dir.into(), Limits { size: 99_999, files, processor: processor.map(Into::into) })
        };
        let steps = [
            Step::Deselect(b"*".to_vec()),
            Step::Select(b"b*c".to_vec()),
            Step::Stderr,
            Step::Keep("f".into()),
            log("./d", 10, None),
            log("/x", 3, Some("cat")),
        ];
        assert_eq!(script.steps, steps);
    }

    #[test]
    fn only_the_first_argument_stamps() {
        assert_eq!(parse("e t").stamp, None);
        assert_eq!(parse("tfoo e").stamp, Some(Form::Tai));
        assert_eq!(parse("T").stamp, Some(Form::Local));
    }

    #[test]
    fn limits_are_bounded() {
        assert_eq!(limits("./d"), (99_999, 10));
        assert_eq!(limits("s n ./d"), (4096, 2));
        assert_eq!(limits("s99999999 n1 ./d"), (16_777_215, 2));
        assert_eq!(limits("s5000x n3-4 ./d"), (5000, 3));
        assert_eq!(limits("s-5000 n+4 ./d"), (4096, 2));
        assert_eq!(limits("s18446744073709556616 n18446744073709551619 ./d"), (5000, 3));
    }

    #[test]
    fn what_is_no_action() {
        let nothing = Script::parse(&["".into(), "q".into(), "Z".into(), "x/y".into()]);
        assert_eq!(nothing, Script { stamp: None, steps: Vec::new() });
    }
}
