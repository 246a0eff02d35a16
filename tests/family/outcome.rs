//! What a script did, and the files in which that is kept.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use crate::case::{self, Case};

/// A script's doing as text: `1| ` a line of standard output, `2| ` of standard error, `1\ ` the same
/// without a newline at its end, `= ` the exit code.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Outcome(String);

impl Outcome {
    /// From the bytes written, with pids, times and the scratch directory made the same for all.
    pub(crate) fn new(out: &[u8], err: &[u8], end: &str, scratch: &str) -> Outcome {
        let mut text = String::new();
        for (fd, bytes) in [(1, out), (2, err)] {
            for line in bytes.split_inclusive(|b| *b == b'\n') {
                let (line, mark) = line.strip_suffix(b"\n").map_or((line, '\\'), |line| (line, '|'));
                let line = line.escape_ascii().to_string().replace("\\\"", "\"").replace("\\'", "'");
                text += &format!("{fd}{mark} {}\n", neutral(&line.replace(scratch, "$T")));
            }
        }
        Outcome(text + &format!("= {end}\n"))
    }

    /// From the first line that differs to the last, as it should be and as it is.
    pub(crate) fn compare(&self, other: &Outcome) -> String {
        let (a, b): (Vec<_>, Vec<_>) = (self.0.lines().collect(), other.0.lines().collect());
        let same =
            |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(x, y)| x == y).count();
        let start = same(&mut a.iter().zip(&b));
        let end = same(&mut a[start..].iter().rev().zip(b[start..].iter().rev()));
        let part = |lines: &[&str], mark: &str| -> String {
            lines[start..lines.len() - end].iter().map(|line| format!("{mark}{line}\n")).collect()
        };
        part(&a, "-") + &part(&b, "+")
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Replaces what no two runs have in common: `pid 123` by `pid N`, `12 seconds` and ` 12s` by `S`.
fn neutral(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, digits) = rest.split_at(at);
        let len = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let (digits, after) = digits.split_at(len);
        text += before;
        let seconds = after.starts_with(" seconds")
            || before.ends_with(' ') && matches!(after.as_bytes(), [b's'] | [b's', b',' | b';', ..]);
        text += match () {
            () if before.ends_with("pid ") => "N",
            // Absurd times come from made-up stamps and are exactly what is tested.
            () if seconds && len < 9 => "S",
            () => digits,
        };
        rest = after;
    }
    text + rest
}

/// The expected outcomes of a tool's cases.
pub(crate) struct Golden {
    path: PathBuf,
    outcomes: BTreeMap<String, Outcome>,
}

impl Golden {
    /// Reads `TOOL.out`, or `TOOL.ours.out`.
    pub(crate) fn read(tool: &str, side: &str) -> Golden {
        let path = case::folder().join("expected").join(format!("{tool}{side}.out"));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let outcomes = text
            .split("#: ")
            .skip(1)
            .map(|section| {
                let (name, outcome) = section.split_once('\n').expect("a name");
                (name.to_owned(), Outcome(outcome.to_owned()))
            })
            .collect();
        Golden { path, outcomes }
    }

    pub(crate) fn get(&self, case: &Case) -> Outcome {
        self.outcomes.get(&case.name).cloned().unwrap_or_default()
    }

    pub(crate) fn put(&mut self, case: &Case, outcome: Outcome) {
        self.outcomes.insert(case.name.clone(), outcome);
    }

    /// Writes the file in the order of the cases; no file if there is nothing to say.
    pub(crate) fn write(&self, cases: &[Case]) {
        let text: String = cases
            .iter()
            .filter_map(|case| Some(format!("#: {}\n{}", case.name, self.outcomes.get(&case.name)?)))
            .collect();
        if text.is_empty() {
            let _ = std::fs::remove_file(&self.path);
        } else {
            std::fs::write(&self.path, text).unwrap();
        }
    }
}

#[test]
fn what_differs_between_runs() {
    for (line, expected) in [
        ("a: up (pid 12) 3 seconds, paused", "a: up (pid N) S seconds, paused"),
        (
            "run: r: (pid 12) 3s; run: log: (pid 4) 5s, want down",
            "run: r: (pid N) Ss; run: log: (pid N) Ss, want down",
        ),
        ("down: r2: 0s, normally up", "down: r2: Ss, normally up"),
        ("a: down 4611686020222731264 seconds", "a: down 4611686020222731264 seconds"),
        ("1s 22 x3", "1s 22 x3"),
    ] {
        assert_eq!(neutral(line), expected);
    }
}
