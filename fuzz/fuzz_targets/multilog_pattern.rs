//! multilog's patterns, against the manual's words taken a byte of the line at a time: a star is a string without
//! the byte that follows it in the pattern.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (&[u8], &[u8])| {
    let (pattern, line) = input;
    assert_eq!(compat::fuzzing::multilog_matches(pattern, line), naive(pattern, line));
});

fn naive(pattern: &[u8], line: &[u8]) -> bool {
    let mut at = 0;
    for byte in line {
        while let [b'*', follows, ..] = pattern[at..]
            && follows == *byte
        {
            at += 1;
        }
        match pattern[at..] {
            [b'*', ..] => {}
            [first, ..] if first == *byte => at += 1,
            _ => return false,
        }
    }
    matches!(pattern[at..], [] | [b'*'])
}
