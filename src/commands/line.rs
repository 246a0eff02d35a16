//! What an administrator sees while a command works: `Stopping /service/mldonkey/ ....OK`.

use super::failure::Failure;
use std::io::Write;

/// The line of one service: its head, a dot a second, and how it ended.
pub(super) struct Line {
    program: String,
    shown: String,
    head: String,
    quiet: bool,
    dots: u64,
    began: u64,
    /// A script has said something since: the line must be begun anew, and the last byte it wrote.
    after: Option<u8>,
}

impl Line {
    /// Begins it: `Stopping /service/mldonkey/ `. `quiet`: only failures are told, on standard error.
    pub(super) fn begin(program: &str, verb: &str, shown: &str, quiet: bool) -> Line {
        let head = format!("{verb} {shown} ");
        let began = sys::clock::monotonic_ms();
        let (program, shown) = (program.to_owned(), shown.to_owned());
        let line = Line { program, shown, head, quiet, dots: 0, began, after: None };
        line.write(line.head.as_bytes());
        line
    }

    /// As many dots as seconds have passed.
    pub(super) fn dots(&mut self, now: u64) {
        let due = now.saturating_sub(self.began) / 1000;
        if self.after.is_none() {
            self.write(".".repeat(due.saturating_sub(self.dots) as usize).as_bytes());
        }
        self.dots = due;
    }

    /// When the next dot is due.
    pub(super) fn next_dot(&self) -> u64 {
        self.began + (self.dots + 1) * 1000
    }

    /// Passes on what a script says, on lines of its own.
    pub(super) fn pass(&mut self, said: &[u8]) {
        let Some(&last) = said.last() else { return };
        if self.after.is_none() {
            self.write(b"\n");
        }
        self.write(said);
        self.after = Some(last);
    }

    /// Ends it: `OK`, and what there is to add.
    pub(super) fn ok(mut self, note: &str, remarks: &[String]) {
        self.close(&format!("OK{}{note}", if note.is_empty() { "" } else { ", " }), remarks);
    }

    /// Ends it: `FAILED`, why, and the details indented below.
    pub(super) fn failed(mut self, failure: &Failure) {
        if self.quiet {
            let text = format!("{}: {}: {}", self.program, self.shown, failure.reason);
            let lines = std::iter::once(text).chain(failure.details.iter().map(|line| format!("  {line}")));
            lines.for_each(|line| drop(writeln!(std::io::stderr(), "{line}")));
            return;
        }
        self.close(&format!("FAILED: {}", failure.reason), &failure.details);
    }

    /// Ends it with words of another kind, and details below.
    pub(super) fn close(&mut self, words: &str, details: &[String]) {
        let mut text = String::new();
        if let Some(last) = self.after {
            text.push_str(if last == b'\n' { "" } else { "\n" });
            text.push_str(&self.head);
        }
        text.push_str(words);
        text.push('\n');
        for line in details {
            text.push_str("  ");
            text.push_str(line);
            text.push('\n');
        }
        self.write(text.as_bytes());
    }

    /// At once, since it is about to wait. Nobody may be reading; the exit code tells all the same.
    fn write(&self, text: &[u8]) {
        if !self.quiet {
            let mut out = std::io::stdout();
            let _ = out.write_all(text).and_then(|()| out.flush());
        }
    }
}
