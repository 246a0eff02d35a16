//! `/proc/PID/stat`: any bytes, and lines as the kernel writes them, whatever the process calls itself.
#![no_main]

use sys::process::Stat;

libfuzzer_sys::fuzz_target!(|input: (&[u8], [i32; 4], u64, &[u8])| {
    let (name, [pid, parent, group, session], start, text) = input;
    let _ = Stat::parse(text);
    let mut line = format!("{pid} (").into_bytes();
    line.extend(name);
    line.extend(format!(") S {parent} {group} {session}{} {start} 1 2\n", " -1".repeat(15)).bytes());
    let expected = Stat {
        pid,
        command: String::from_utf8_lossy(name).into_owned(),
        state: b'S',
        parent,
        group,
        session,
        start,
    };
    assert_eq!(Stat::parse(&line), Some(expected));
});
