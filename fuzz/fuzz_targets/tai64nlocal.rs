//! Lines with stamps, and with what only looks like one, against one line at a time; however the input is cut into
//! pieces, the output is the same.
#![no_main]

use std::io::Write;

libfuzzer_sys::fuzz_target!(|input: (u16, &[u8])| {
    let (cut, text) = input;
    let mut expected = Vec::new();
    text.split_inclusive(|byte| *byte == b'\n').for_each(|line| naive(line, &mut expected));
    assert_eq!(compat::fuzzing::tai64nlocal(&[text]), expected);
    let (head, tail) = text.split_at(usize::from(cut) % (text.len() + 1));
    assert_eq!(compat::fuzzing::tai64nlocal(&[head, tail]), expected);
});

fn naive(line: &[u8], out: &mut Vec<u8>) {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let digits = line.iter().skip(1).take_while(|byte| is_digit(byte)).count();
    let (Some(b'@'), Some(rest)) = (line.first(), line.get(digits + 1..).filter(|rest| !rest.is_empty()))
    else {
        return out.extend(line);
    };
    // 24 digits count; where there are fewer, there might be zeros
    let number = [&b"0".repeat(24), &line[1..=digits]].concat();
    let number = str::from_utf8(&number[number.len() - 24..]).unwrap();
    let label = u64::from_str_radix(&number[..16], 16).unwrap();
    let nanos = u32::from_str_radix(&number[16..], 16).unwrap();
    let time = sys::classic::local_time(label.wrapping_sub(compat::tai::OFFSET).cast_signed());
    match time.filter(|_| digits <= 4096) {
        Some(t) => {
            let year = t.year.cast_unsigned();
            write!(
                out,
                "{year}-{:02}-{:02} {:02}:{:02}:{:02}.{nanos:09}",
                t.month, t.day, t.hour, t.minute, t.second
            )
            .unwrap();
            out.extend(rest);
        }
        None => out.extend(line),
    }
}
