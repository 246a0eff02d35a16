//! Lines are counted: none is lost or torn while loggers come and go and the pipe stays.

use std::collections::BTreeSet;
use std::io::{PipeReader, Write, pipe};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::place::{Place, Side, end, numbered, sides, until};

const LINES: usize = 60_000;

/// Feeds numbered lines to loggers of which each is ended by `signal` when it has put a few files aside.
/// Gives how many there were.
fn relay(place: &Place, loggers: &[Side], script: &[&str], signal: Signal) -> usize {
    let (reader, mut writer) = pipe().unwrap();
    let keep: PipeReader = reader.try_clone().unwrap();
    let feeder = std::thread::spawn(move || writer.write_all(&numbered(LINES)).unwrap());
    let mut lives = 0;
    for side in loggers.iter().cycle() {
        let mut command = place.command(*side, script);
        let mut child = command.stdin(Stdio::from(reader.try_clone().unwrap())).spawn().unwrap();
        drop(command);
        let goal = if place.0.join("d").exists() { place.old("d").len() } else { 0 } + 40;
        lives += 1;
        let ended = |child: &mut std::process::Child| child.try_wait().unwrap().is_some();
        until("the logger to be busy", || {
            let written = feeder.is_finished();
            written || ended(&mut child) || (place.0.join("d").exists() && place.old("d").len() >= goal)
        });
        if feeder.is_finished() {
            // The last one reads to the end: nobody else may hold the pipe, and there is no writer any more.
            drop((reader, keep));
            assert_eq!(end(child).code, Some(0));
            break;
        }
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        let end = end(child);
        assert_eq!(end.code, if signal == Signal::SIGKILL { None } else { Some(0) }, "{}", end.said);
    }
    lives
}

#[test]
fn nothing_is_lost_by_term() {
    let script = ["s4096", "n100000", "./d"];
    let mut teams = vec![vec![Side::Ours]];
    if sides().len() == 2 {
        teams.push(vec![Side::Ours, Side::Theirs]);
    }
    for loggers in teams {
        let place = Place::new();
        let lives = relay(&place, &loggers, &script, Signal::SIGTERM);
        assert!(lives > 3, "only {lives}");
        assert!(place.all("d") == numbered(LINES), "lost or torn, {lives} lives");
    }
}

/// A kill takes what was read and not written yet with it, which is less than two pieces; all else is there,
/// in order, once, and whole, but for the last line of a file that says by its name that it is unfinished.
#[test]
fn a_kill_takes_a_piece_at_most() {
    let place = Place::new();
    let lives = relay(&place, &[Side::Ours], &["s4096", "n100000", "./d"], Signal::SIGKILL);
    assert!(lives > 3, "only {lives}");
    let mut seen = BTreeSet::new();
    for name in place.old("d").into_iter().chain(["current".into()]) {
        let text = place.read(&format!("d/{name}"));
        let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
        for (n, line) in lines.iter().enumerate() {
            let whole = line.ends_with(b" the quick brown fox jumps over the lazy dog\n") && line.len() == 51;
            // The next logger starts wherever in a line the pipe had come to.
            let edge = n == 0 || (n + 1 == lines.len() && !name.ends_with(".s"));
            assert!(whole || edge, "{name}: {}", line.escape_ascii());
            if whole {
                assert!(seen.insert(line.to_vec()), "twice: {}", line.escape_ascii());
            }
        }
    }
    let lost = LINES - seen.len();
    let most = (lives - 1) * (2 * 65_536 / 51 + 2);
    assert!(lost <= most, "{lost} lines lost in {lives} lives");
}
