//! What is done with the lines, step by step of the script.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use memchr::{memchr, memrchr};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{Whence, lseek, write};

use super::directory::Directory;
use super::pattern::matches;
use super::script::Step;
use super::{PROG, insist};
use crate::errors::Die;

/// The head of a line, its stamp included: what patterns look at, and what is kept of a last line. The rest of
/// a longer line goes where its head went, without waiting for its end.
pub(super) const HEAD: usize = 1000;

/// How much of a line goes to standard error.
const SHORT: usize = 200;

/// The steps with what they write to.
pub(super) struct Steps {
    sinks: Vec<Sink>,
    /// All lines go to all directories, and nowhere else.
    plain: bool,
    /// The text goes on inside a line whose head has been decided on.
    through: bool,
    /// What goes to standard error, collected over one text.
    shown: Vec<u8>,
}

enum Sink {
    Select(Vec<u8>),
    Deselect(Vec<u8>),
    Stderr,
    /// `last` is where the head of the last selected line is in the text.
    Keep {
        file: OwnedFd,
        name: Vec<u8>,
        last: Option<(usize, usize)>,
    },
    /// `selected` is the decision on the line that is being read, `lines` those of the text that go here.
    Log {
        log: Directory,
        selected: bool,
        lines: Vec<u8>,
    },
}

impl Steps {
    /// Opens all that the script names, in its order.
    pub(super) fn open(script: Vec<Step>) -> Result<Steps, Die> {
        let mut sinks = Vec::new();
        for step in script {
            sinks.push(match step {
                Step::Select(pattern) => Sink::Select(pattern),
                Step::Deselect(pattern) => Sink::Deselect(pattern),
                Step::Stderr => Sink::Stderr,
                Step::Keep(file) => open_kept(file.as_bytes())?,
                Step::Log(dir, limits) => {
                    Sink::Log { log: Directory::open(&dir, limits)?, selected: false, lines: Vec::new() }
                }
            });
        }
        let plain = sinks.iter().all(|sink| matches!(sink, Sink::Log { .. }));
        Ok(Steps { sinks, plain, through: false, shown: Vec::new() })
    }

    /// Whether nothing of a line is with the sinks that is not followed by its end.
    pub(super) fn at_line_start(&self) -> bool {
        !self.through
    }

    /// Does what is to be done with a text. Gives how much of it was taken care of: all, but for a last line
    /// that is not at its end and shorter than [`HEAD`].
    pub(super) fn take(&mut self, text: &[u8]) -> usize {
        let end = if self.plain { self.find_end(text) } else { self.sort(text) };
        // There is nobody to tell if standard error cannot be written.
        let _ = std::io::stderr().write_all(&self.shown);
        self.shown.clear();
        for sink in &mut self.sinks {
            match sink {
                Sink::Log { log, lines, .. } => {
                    log.write(if self.plain { &text[..end] } else { lines });
                    lines.clear();
                }
                Sink::Keep { file, name, last } => {
                    if let Some((from, to)) = last.take() {
                        keep(file, name, &text[from..to]);
                    }
                }
                Sink::Stderr | Sink::Select(_) | Sink::Deselect(_) => {}
            }
        }
        end
    }

    /// Where the text is to be cut when all of it goes to the same places.
    fn find_end(&mut self, text: &[u8]) -> usize {
        let end = memrchr(b'\n', text).map_or(0, |at| at + 1);
        self.through = text.len() - end >= HEAD || (end == 0 && self.through);
        if self.through { text.len() } else { end }
    }

    /// Puts each line of the text where the script wants it. Gives how far it came.
    fn sort(&mut self, text: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let rest = &text[at..];
            let newline = memchr(b'\n', rest);
            if !self.through {
                let len = newline.unwrap_or(rest.len());
                if newline.is_none() && len < HEAD {
                    return at;
                }
                self.decide(text, at, len.min(HEAD));
            }
            let part = newline.map_or(rest, |newline| &rest[..=newline]);
            self.through = newline.is_none();
            for sink in &mut self.sinks {
                if let Sink::Log { selected: true, lines, .. } = sink {
                    lines.extend_from_slice(part);
                }
            }
            at += part.len();
            if at == text.len() {
                return at;
            }
        }
    }

    /// Goes through the steps with the head of a line, `len` bytes of the text from `at`.
    fn decide(&mut self, text: &[u8], at: usize, len: usize) {
        let head = &text[at..at + len];
        let mut chosen = true;
        for sink in &mut self.sinks {
            match sink {
                Sink::Select(pattern) => chosen = chosen || matches(pattern, head),
                Sink::Deselect(pattern) => chosen = chosen && !matches(pattern, head),
                Sink::Stderr if chosen => {
                    self.shown.extend_from_slice(&head[..len.min(SHORT)]);
                    self.shown.extend_from_slice(if len > SHORT { b"...\n" } else { b"\n" });
                }
                Sink::Keep { last, .. } if chosen => *last = Some((at, at + len)),
                Sink::Stderr | Sink::Keep { .. } => {}
                Sink::Log { selected, .. } => *selected = chosen,
            }
        }
    }

    /// Rotates every log that has something in its current file.
    pub(super) fn rotate(&mut self) {
        for log in self.logs().filter(|log| log.has_lines()) {
            log.rotate();
        }
    }

    /// Ends all logs in good order.
    pub(super) fn close(&mut self) {
        self.logs().for_each(Directory::close);
    }

    fn logs(&mut self) -> impl Iterator<Item = &mut Directory> {
        self.sinks.iter_mut().filter_map(|sink| match sink {
            Sink::Log { log, .. } => Some(log),
            _ => None,
        })
    }
}

fn open_kept(name: &[u8]) -> Result<Sink, Die> {
    let die = |e| Die::sys(PROG, &[b"unable to create ", name], e);
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_CREAT;
    let file = open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR).map_err(die)?;
    Ok(Sink::Keep { file, name: name.to_vec(), last: None })
}

/// Overwrites the start of a file by a line and newlines, always as many bytes.
fn keep(file: &OwnedFd, name: &[u8], head: &[u8]) {
    let mut line = [b'\n'; HEAD + 1];
    line[..head.len()].copy_from_slice(head);
    insist(&[b"unable to move to beginning of ", name], || lseek(file, 0, Whence::SeekSet));
    let mut rest = &line[..];
    while !rest.is_empty() {
        let written = insist(&[b"unable to write to ", name], || match write(file, rest) {
            Ok(0) => Err(Errno::ENOSPC),
            other => other,
        });
        rest = &rest[written..];
    }
}
