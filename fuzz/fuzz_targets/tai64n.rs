//! TAI64N stamps: what is read is what was written, and nothing else is read.
#![no_main]

use compat::tai::Tai64n;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let is_stamp = bytes.len() == 25
        && bytes[0] == b'@'
        && bytes[1..].iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let stamp = Tai64n::from_text(bytes);
    assert_eq!(stamp.is_some(), is_stamp);
    if let Some(stamp) = stamp {
        assert_eq!(stamp.to_text(), bytes);
    }
    if let Some(bytes) = bytes.first_chunk() {
        let stamp = Tai64n::from_bytes(*bytes);
        let (seconds, nanos) = stamp.to_unix();
        assert_eq!(&stamp.to_bytes(), bytes);
        assert_eq!(Tai64n::from_unix(seconds, nanos), stamp);
        assert_eq!(Tai64n::from_text(&stamp.to_text()), Some(stamp));
    }
});
