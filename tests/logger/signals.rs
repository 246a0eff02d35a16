//! TERM and ALRM.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::place::{End, Place, Side, end, same, sides, until};

/// A logger whose input is a pipe that is kept open, and one end of which stays here.
struct Running {
    child: Child,
    writer: PipeWriter,
    reader: PipeReader,
}

fn start(place: &Place, side: Side, script: &[&str]) -> Running {
    let (reader, writer) = pipe().unwrap();
    let child = place.command(side, script).stdin(Stdio::from(reader.try_clone().unwrap())).spawn().unwrap();
    Running { child, writer, reader }
}

impl Running {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Writes, and waits until the logger has read it and waits for more.
    fn write(&mut self, text: &[u8]) {
        self.writer.write_all(text).unwrap();
        let syscall = format!("/proc/{}/syscall", self.child.id());
        let available = |reader: &PipeReader| {
            let mut fds =
                [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(reader), nix::poll::PollFlags::POLLIN)];
            nix::poll::poll(&mut fds, nix::poll::PollTimeout::ZERO).unwrap() > 0
        };
        // It waits in read (0), poll (7) or ppoll (271).
        let waits = |text: String| ["0 ", "7 ", "271 "].iter().any(|call| text.starts_with(call));
        until("the logger to have read", || {
            !available(&self.reader) && std::fs::read_to_string(&syscall).is_ok_and(waits)
        });
    }

    fn end(self) -> End {
        end(self.child)
    }
}

const OK: End = End { code: Some(0), said: String::new() };

#[test]
fn term_between_lines() {
    same(|side, place| {
        let mut logger = start(place, side, &["./d"]);
        logger.write(b"one\ntwo\n");
        logger.signal(Signal::SIGTERM);
        assert_eq!(logger.end(), OK);
        place.picture("d")
    });
}

/// A line that has begun is read to its end, and not a byte more.
#[test]
fn term_within_a_line() {
    for (script, head) in [(&["./d"][..], 0), (&["./d"], 3000), (&["-no", "./d"], 3000), (&["-no", "./d"], 0)]
    {
        same(|side, place| {
            let mut logger = start(place, side, script);
            logger.write(&[b"one\ntw", &vec![b'x'; head][..]].concat());
            logger.signal(Signal::SIGTERM);
            logger.write(b"y");
            logger.writer.write_all(b"o\nthree\n").unwrap();
            let Running { child, writer, mut reader } = logger;
            let seen = (end(child), place.picture("d"));
            drop(writer);
            let mut left = String::new();
            reader.read_to_string(&mut left).unwrap();
            assert_eq!(left, "three\n", "{side:?}");
            seen
        });
    }
}

#[test]
fn alarm_rotates_what_is_not_empty() {
    same(|side, place| {
        let mut logger = start(place, side, &["./d", "-*", "./e"]);
        logger.write(b"one\ntw");
        logger.signal(Signal::SIGALRM);
        until("the first rotation", || place.old("d").len() == 1);
        logger.write(b"o\n");
        logger.signal(Signal::SIGALRM);
        until("the second rotation", || place.old("d").len() == 2);
        // There is nothing more to rotate.
        logger.signal(Signal::SIGALRM);
        logger.signal(Signal::SIGTERM);
        assert_eq!(logger.end(), OK);
        (place.picture("d"), place.picture("e"))
    });
}

/// Signals that were blocked or ignored when the logger was started work all the same.
#[test]
fn term_although_ignored() {
    for side in sides() {
        let place = Place::new();
        let program = place.command(side, &[]).get_program().to_owned();
        let (reader, mut writer) = pipe().unwrap();
        let applet = if side == Side::Ours { "multilog" } else { "" };
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("trap '' TERM ALRM; exec \"$0\" {applet} ./d")]);
        let child =
            shell.arg(program).current_dir(&place.0).stdin(reader).stderr(Stdio::piped()).spawn().unwrap();
        writer.write_all(b"one\n").unwrap();
        until("the line", || std::fs::read(place.0.join("d/current")).is_ok_and(|log| log == b"one\n"));
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert_eq!(end(child), OK, "{side:?}");
    }
}
