//! The case files: `#: NAME`, then lines `#! WORD`, then a shell script up to the next case.

use std::path::{Path, PathBuf};

/// One script with what is to be known about it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) script: String,
    /// `#! root`: needs to be run by root.
    pub(crate) root: bool,
    /// `#! peers`: needs the original supervisors also for ours.
    pub(crate) peers: bool,
    /// `#! differs: REASON`: ours is meant to do something else than theirs.
    pub(crate) differs: Option<String>,
}

/// Where the cases and what is expected of them stand.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/family")
}

/// All cases of a tool.
pub(crate) fn read(tool: &str) -> Vec<Case> {
    let path = folder().join("cases").join(format!("{tool}.sh"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, cases) = text.split_once("#: ").expect("no case");
    let cases: Vec<Case> = cases.split("\n#: ").map(parse).collect();
    for (n, case) in cases.iter().enumerate() {
        assert!(cases[n + 1..].iter().all(|c| c.name != case.name), "two cases: {}", case.name);
    }
    cases
}

fn parse(text: &str) -> Case {
    let (name, rest) = text.split_once('\n').unwrap_or((text, ""));
    let script = rest.to_owned();
    let mut case = Case { name: name.to_owned(), script, root: false, peers: false, differs: None };
    for word in rest.lines().filter_map(|line| line.strip_prefix("#! ")) {
        match word.split_once(": ") {
            None if word == "root" => case.root = true,
            None if word == "peers" => case.peers = true,
            Some(("differs", reason)) => case.differs = Some(reason.to_owned()),
            _ => panic!("{name}: what is \"{word}\"?"),
        }
    }
    case
}
