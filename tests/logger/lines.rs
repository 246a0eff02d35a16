//! What the script makes of lines.

use super::place::{End, Place, Side, same, sides};

const OK: End = End { code: Some(0), said: String::new() };

#[test]
fn selection() {
    let input = b"apple\nbanana\n\ncherry: 1\ncherry 2\n\0nul\xff\nlast";
    let scripts: &[&[&str]] = &[
        &["./d"],
        &["-*", "+*an*", "./d"],
        &["-*:*", "./d", "-a*", "./e", "+*", "./f"],
        &["-", "./d"],
        &["-*", "+", "+*l", "./d", "e"],
        &["e", "./d", "=st"],
        &["-cherry*", "=st", "-banana", "e", "-*", "./d"],
        &["", "x", "t", "./d", "q*"],
        &["efoo", "./d"],
        &[],
    ];
    for script in scripts {
        same(|side, place| {
            let end = place.log(side, script, input);
            assert_eq!(end.code, Some(0), "{script:?}: {end:?}");
            let dirs = ["d", "e", "f"].iter().filter(|dir| place.0.join(dir).exists());
            let logs: Vec<_> = dirs.map(|dir| place.picture(dir)).collect();
            (end, logs, place.0.join("st").exists().then(|| place.read("st")))
        });
    }
}

/// Lines around every length that means something, with pieces of input around the size of buffers.
#[test]
fn long_lines() {
    let lengths =
        [0, 1, 199, 200, 201, 999, 1000, 1001, 1023, 1024, 1025, 2000, 65_535, 65_536, 65_537, 200_000];
    for length in lengths {
        let line = [&vec![b'x'; length][..], b"END"].concat();
        let input = [b"first\n", &line[..], b"\n-", &line[..length], b"\nshort\n", &line[..]].concat();
        for script in [
            &["s9999999", "./d", "e", "=st"][..],
            &["s9999999", "-x*END", "./d", "+*", "-*", "./e"],
            &["s9999999", "./d"],
        ] {
            same(|side, place| {
                let end = place.log(side, script, &input);
                let status = place.0.join("st").exists().then(|| place.read("st"));
                (end, place.picture("d"), status)
            });
        }
    }
}

#[test]
fn stamps_increase_and_lines_stay() {
    let input: Vec<u8> =
        (0..50_000).flat_map(|n| vec![b"\n".to_vec(), format!("{n}\n").into_bytes()]).flatten().collect();
    for side in sides() {
        let place = Place::new();
        assert_eq!(place.log(side, &["t", "s9999999", "./d"], &input), OK);
        let log = place.all("d");
        let lines: Vec<&[u8]> = log.split_inclusive(|b| *b == b'\n').collect();
        assert_eq!(lines.iter().flat_map(|line| &line[26..]).copied().collect::<Vec<u8>>(), input);
        assert!(lines.iter().all(|line| line[0] == b'@' && line[25] == b' '));
        if side == Side::Ours {
            assert!(lines.windows(2).all(|two| two[0][..25] < two[1][..25]), "stamps do not increase");
        }
    }
}

/// Patterns see the stamp, also that of the addition.
#[test]
fn stamps_are_part_of_the_line() {
    same(|side, place| {
        assert_eq!(place.log(side, &["t", "-*", "+@4* yes", "./d"], b"no\nyes\n@4 no\n"), OK);
        place.read("d/current")[25..].to_vec()
    });
    let place = Place::new();
    assert_eq!(place.log(Side::Ours, &["T", "-*", "+2*-*-* *:*:*.* yes", "./d"], b"no\nyes\n"), OK);
    let log = place.read("d/current");
    assert_eq!((log.len(), &log[29..]), (34, &b" yes\n"[..]), "{}", log.escape_ascii());
}

/// `=file` is overwritten in place, never cut, and has room for a head of 1000 bytes.
#[test]
fn status_files() {
    for (before, input) in
        [(None, &b""[..]), (None, b"a\nlonger\nb"), (Some(1500), b"x\n"), (Some(10), &[b'y'; 3000])]
    {
        same(|side, place| {
            if let Some(length) = before {
                place.write("st", 0o640, &vec![b'o'; length]);
            }
            (place.log(side, &["=st"], input), place.read("st"))
        });
    }
}

#[test]
fn what_cannot_be_opened() {
    let cases: &[&[&str]] = &[
        &["./no/such"],
        &["=./no/such"],
        &["./file"],
        &["=/etc"],
        &["./locked", "./locked"],
        &["./a"],
        &["./b"],
        &["./c"],
        &["./e", "./file"],
    ];
    for script in cases {
        same(|side, place| {
            place.write("file", 0o644, b"");
            for blocked in ["a/current", "b/state", "c/lock"] {
                std::fs::create_dir_all(place.0.join(blocked)).unwrap();
            }
            // A directory is executable, so this `current` looks complete.
            let end = place.log(side, script, b"x\n");
            assert_eq!(end.code, Some(111), "{script:?}: {end:?}");
            end
        });
    }
}
