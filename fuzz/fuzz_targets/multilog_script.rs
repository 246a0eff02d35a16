//! multilog's script, against its manual page taken literally.
#![no_main]

use compat::fuzzing::{MultilogStep, multilog_script};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

libfuzzer_sys::fuzz_target!(|script: &[u8]| {
    let arguments: Vec<&[u8]> = script.split(|byte| *byte == 0).collect();
    let given: Vec<OsString> =
        arguments.iter().map(|argument| OsString::from_vec(argument.to_vec())).collect();
    let (stamp, steps) = multilog_script(&given);
    assert_eq!(stamp, arguments[0].first().copied().filter(|action| matches!(action, b't' | b'T')));
    assert_eq!(steps, naive(&arguments));
});

fn naive(arguments: &[&[u8]]) -> Vec<MultilogStep> {
    let (mut size, mut files, mut processor) = (99_999, 10, None);
    let mut steps = Vec::new();
    for argument in arguments.iter().filter(|argument| !argument.is_empty()) {
        let rest = &argument[1..];
        let text = || OsString::from_vec(rest.to_vec());
        match argument[0] {
            b's' => size = number(rest).clamp(4096, 16_777_215) as usize,
            b'n' => files = number(rest).max(2),
            b'!' => processor = Some(text()),
            action @ (b'+' | b'-' | b'=') => steps.push(MultilogStep::Text(action, text())),
            b'e' => steps.push(MultilogStep::Text(b'e', OsString::new())),
            b'.' | b'/' => {
                let directory = OsString::from_vec(argument.to_vec());
                steps.push(MultilogStep::Log { directory, size, files, processor: processor.clone() });
            }
            _ => {}
        }
    }
    steps
}

/// The number at the start of a text, of which 64 bits count.
fn number(text: &[u8]) -> u64 {
    let mut number = 0u128;
    for digit in text.iter().take_while(|byte| byte.is_ascii_digit()) {
        number = (number * 10 + u128::from(digit - b'0')) % (1 << 64);
    }
    number as u64
}
