//! Rotation, with and without a processor.

use super::place::{Place, Side, numbered, same, sides};

/// What must hold of a rotated directory whatever the input's pieces were.
fn check(place: &Place, dir: &str, size: usize) {
    for name in place.old(dir) {
        assert!(name.len() == 27 && name.ends_with(".s"), "{name}");
        let old = place.read(&format!("{dir}/{name}"));
        assert!(old.len() >= size - 2000 && old.len() <= size, "{name}: {}", old.len());
        assert!(old.ends_with(b"\n"), "{name} is cut within a line");
    }
    let picture = place.picture(dir);
    let modes = picture.iter().map(|(name, (mode, _))| (name.as_str(), mode & 0o7777));
    for (name, mode) in modes {
        let expected = match name {
            "." => 0o700,
            "lock" => 0o600,
            "state" => 0o644,
            _ => 0o744,
        };
        assert_eq!(mode, expected, "{name}");
    }
}

#[test]
fn sizes_and_numbers() {
    let input = numbered(5000);
    for (size, script) in
        [(4096, ["s1", "n500", "./d"]), (10_000, ["s10000", "n500", "./d"]), (99_999, ["q", "n500", "./d"])]
    {
        for side in sides() {
            let place = Place::new();
            let end = place.log(side, &script, &input);
            assert_eq!((end.code, end.said.as_str()), (Some(0), ""));
            assert!(place.all("d") == input, "{side:?} {size}: something is lost or torn");
            check(&place, "d", size);
        }
    }
}

#[test]
fn old_files_are_limited() {
    for (files, script) in [(1, "n1"), (1, "n2"), (4, "n5"), (9, "q")] {
        same(|side, place| {
            place.write("d/@4.s", 0o644, b"a name too short to be an old file's");
            place.write("d/@400000000000000000000000.anything", 0o600, b"the oldest");
            assert_eq!(place.log(side, &["s4096", script, "./d"], &numbered(3000)).code, Some(0));
            let old = place.old("d");
            assert!(place.0.join("d/@4.s").exists());
            assert!(numbered(3000).ends_with(&place.read("d/current")));
            assert_eq!(old.iter().filter(|name| name.len() >= 25).count(), files, "{old:?}");
        });
    }
}

/// Lines longer than the slack are cut where a file is full, and nothing else happens to them.
#[test]
fn lines_longer_than_files() {
    let input = [&vec![b'a'; 9000][..], b"\nb\n", &vec![b'c'; 3000], b"\n", &vec![b'd'; 5000]].concat();
    for side in sides() {
        let place = Place::new();
        assert_eq!(place.log(side, &["s4096", "./d"], &input).code, Some(0));
        assert!(place.all("d") == [&input[..], b"\n"].concat(), "{side:?}");
    }
}

/// A processor gets the file and the state, and its output and its new state take their places.
#[test]
fn processors() {
    for side in sides() {
        let place = Place::new();
        let command =
            "!read n <&4; echo $((n + 1)) >&5; tr a-z A-Z; pwd >>seen; cat /proc/self/status >status";
        assert_eq!(place.log(side, &["s4096", "n500", command, "./d"], &numbered(1000)).code, Some(0));
        let files = place.old("d").len();
        assert!(files > 3, "{side:?}");
        let (current, all) = (place.read("d/current"), place.all("d"));
        let processed = all.len() - current.len();
        assert!(all[..processed] == numbered(1000)[..processed].to_ascii_uppercase(), "{side:?}");
        assert!(numbered(1000)[processed..] == current, "{side:?}");
        assert_eq!(place.read("d/state"), format!("{files}\n").into_bytes());
        let there = format!("{}\n", place.0.join("d").canonicalize().unwrap().display());
        assert_eq!(place.read("d/seen"), there.repeat(files).into_bytes());
        let status = String::from_utf8(place.read("d/status")).unwrap();
        assert!(status.contains("SigBlk:\t0000000000000000"), "{side:?}: {status}");
        for file in ["d/seen", "d/status"] {
            std::fs::remove_file(place.0.join(file)).unwrap();
        }
        check(&place, "d", 4096);
    }
}

/// One that fails or crashes is run again, with the state as it was, until it succeeds.
#[test]
fn processors_that_fail() {
    for side in sides() {
        let place = Place::new();
        let command = "!echo n >>tries; echo junk; echo junk >&5; case $(wc -l <tries) in 1) exit 3;; 2) kill -9 $$;; esac; \
            cat; cat <&4 >&5; echo done >&5";
        let end = place.log(side, &["s4096", command, "./d"], &numbered(60));
        assert_eq!(end.code, Some(0));
        let said: Vec<&str> = end.said.lines().collect();
        assert_eq!(said[0], "multilog: warning: processor failed in ./d, pausing", "{side:?}");
        // The original goes on with the text of an error that has nothing to do with it, and says of the same
        // attempt that it failed.
        assert!(
            said[1].starts_with("multilog: warning: processor crashed in ./d, pausing"),
            "{side:?}: {said:?}"
        );
        assert_eq!(said.len(), if side == Side::Theirs { 3 } else { 2 }, "{side:?}: {said:?}");
        assert_eq!(place.read("d/state"), b"junk\ndone\n");
        let old = place.old("d");
        assert_eq!(old.len(), 1);
        assert_eq!(place.all("d"), [b"junk\n", &numbered(60)[..]].concat());
    }
}

/// A file that is already larger than its size when it is taken up is put aside at the first line.
#[test]
fn too_large_from_the_start() {
    same(|side, place| {
        place.write("d/current", 0o744, &[b'x'; 5000]);
        let end = place.log(side, &["s4096", "./d"], b"y\n");
        (end, place.picture("d"))
    });
}

/// The sides take turns at one directory, so each goes on with what the other has left.
#[test]
fn turns_at_one_directory() {
    if sides().len() < 2 {
        return;
    }
    let (place, input) = (Place::new(), numbered(4000));
    for (n, piece) in input.chunks(7001).enumerate() {
        let side = if n % 2 == 0 { Side::Theirs } else { Side::Ours };
        // Without its newline, which the logger adds.
        let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
        let command = "!cat; wc -c <&4 >&5";
        assert_eq!(place.log(side, &["s4096", "n900", command, "./d"], piece).said, "", "{side:?}");
    }
    let without = |bytes: &[u8]| bytes.iter().copied().filter(|b| *b != b'\n').collect::<Vec<u8>>();
    assert!(without(&place.all("d")) == without(&input));
}
