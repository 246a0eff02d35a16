//! Directories as loggers that were killed leave them, at every point, and as they should never be.

use std::fs;

use super::place::{Place, same};

type Leave = fn(&Place);

/// What stands in the directory before; each was, or could be, left by a kill at another point.
const STATES: &[(&str, Leave)] = &[
    ("nothing", |_| {}),
    ("ended in good order", |p| {
        p.write("d/current", 0o744, b"old\n");
        p.write("d/state", 0o644, b"7");
    }),
    ("killed in use", |p| {
        p.write("d/current", 0o644, b"old\nhalf a li");
        p.write("d/state", 0o644, b"7");
    }),
    ("killed before the mode was set", |p| p.write("d/current", 0o600, b"")),
    ("previous without current", |p| p.write("d/previous", 0o644, b"prev\n")),
    ("previous, complete, and a new current", |p| {
        p.write("d/previous", 0o744, b"prev\n");
        p.write("d/current", 0o644, b"cur\n");
    }),
    ("previous has its new name already", |p| {
        p.write("d/previous", 0o744, b"prev\n");
        p.write("d/current", 0o644, b"");
        fs::hard_link(p.0.join("d/previous"), p.0.join("d/@400000004b3a39c23294b13c.s")).unwrap();
    }),
    ("the processor was at work", |p| {
        p.write("d/previous", 0o744, b"prev\n");
        p.write("d/processed", 0o644, b"PR");
        p.write("d/newstate", 0o644, b"8");
        p.write("d/state", 0o644, b"7");
        p.write("d/current", 0o644, b"cur\n");
    }),
    ("the processor was done", |p| {
        p.write("d/previous", 0o744, b"prev\n");
        p.write("d/processed", 0o744, b"PREV\n");
        p.write("d/newstate", 0o644, b"8");
        p.write("d/state", 0o644, b"7");
        p.write("d/current", 0o644, b"cur\n");
    }),
    ("previous was removed", |p| {
        p.write("d/processed", 0o744, b"PREV\n");
        p.write("d/newstate", 0o644, b"8");
        p.write("d/current", 0o644, b"cur\n");
    }),
    ("processed has its new name already", |p| {
        p.write("d/processed", 0o744, b"PREV\n");
        p.write("d/state", 0o644, b"8");
        p.write("d/current", 0o644, b"");
        fs::hard_link(p.0.join("d/processed"), p.0.join("d/@400000004b3a39c23294b13c.s")).unwrap();
    }),
    ("current complete among remains", |p| {
        p.write("d/current", 0o744, b"cur\n");
        p.write("d/previous", 0o744, b"prev\n");
        p.write("d/processed", 0o744, b"PREV\n");
        p.write("d/newstate", 0o600, b"8");
    }),
    ("current executable for others only", |p| p.write("d/current", 0o655, b"cur\n")),
    ("current writable for its owner only", |p| p.write("d/current", 0o700, b"cur\n")),
    ("too many old files", |p| {
        p.write("d/current", 0o644, b"cur\n");
        (0..9).for_each(|n| p.write(&format!("d/@40000000000000000000000{n}.s"), 0o744, b"old\n"));
    }),
    ("processed and current, no mode", |p| {
        p.write("d/processed", 0o000, b"x");
        p.write("d/current", 0o000, b"cur\n");
    }),
    ("a directory of another mode", |p| {
        p.write("d/lock", 0o666, b"text");
        p.write("d/current", 0o744, b"");
        fs::set_permissions(p.0.join("d"), std::os::unix::fs::PermissionsExt::from_mode(0o2755)).unwrap();
    }),
];

#[test]
fn states_are_taken_up() {
    for (name, leave) in STATES {
        for script in [&["n5", "./d"][..], &["!cat", "s4096", "./d"]] {
            for input in [&b""[..], b"new\n"] {
                same(|side, place| {
                    leave(place);
                    let end = place.log(side, script, input);
                    assert_eq!((end.code, end.said.as_str()), (Some(0), ""), "{name}, {side:?}");
                    (*name, place.picture("d"))
                });
            }
        }
    }
}

/// A second life after the first: what one side made of the remains, the other goes on with.
#[test]
fn states_are_taken_up_in_turns() {
    for (name, leave) in STATES {
        same(|side, place| {
            leave(place);
            for side in [side, super::place::Side::Ours, side] {
                assert_eq!(place.log(side, &["./d"], b"new\n").code, Some(0), "{name}");
            }
            (*name, place.picture("d"))
        });
    }
}
