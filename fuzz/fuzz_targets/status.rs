//! The status record: each byte means what it has always meant, and what was understood is written as the same.
#![no_main]

use compat::status::{DJB_LEN, Status, Want};
use compat::tai::Tai64n;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let status = Status::decode(bytes);
    assert_eq!(status.is_some(), bytes.len() >= DJB_LEN);
    let Some(status) = status else { return };
    assert_eq!(status.stamp, Tai64n::from_bytes(*bytes.first_chunk().unwrap()));
    assert_eq!(status.pid.to_le_bytes(), bytes[12..16]);
    assert_eq!(status.paused, bytes[16] != 0);
    let want = match bytes[17] {
        b'u' => Want::Up,
        b'd' => Want::Down,
        _ => Want::Once,
    };
    assert_eq!(status.want, want);
    assert_eq!(status.got_term, bytes.get(18).is_some_and(|byte| *byte != 0));
    let written = Status { paused: status.paused && status.pid != 0, ..status };
    assert_eq!(Status::decode(&status.encode()), Some(written));
});
