//! What a fold root reports: whole records only, and each by its kind.
#![no_main]

use sys::foldroot::{RECORD, Report};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut reports = Report::parse_all(bytes);
    for record in bytes.chunks_exact(RECORD) {
        let pid = i32::from_ne_bytes(record[4..8].try_into().unwrap());
        let kind = i32::from_ne_bytes(record[..4].try_into().unwrap());
        if !(1..=3).contains(&kind) {
            continue;
        }
        let (number, of) = match reports.next().unwrap() {
            Report::Started { pid } => (1, pid),
            Report::Failed { pid, .. } => (2, pid),
            Report::Ended { pid, .. } => (3, pid),
        };
        assert_eq!((number, of), (kind, pid));
    }
    assert_eq!(reports.next(), None);
});
