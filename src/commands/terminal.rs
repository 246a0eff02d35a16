//! Output for people: aligned columns, as wide as the terminal, coloured where that is seen.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};

/// What colour says of a row, beside its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// As it should be.
    Good,
    /// On its way.
    Busy,
    /// In trouble.
    Bad,
    /// At rest.
    Down,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Paint::Good => "\x1b[32m",
            Paint::Busy => "\x1b[33m",
            Paint::Bad => "\x1b[31m",
            Paint::Down => "\x1b[2m",
        }
    }
}

/// Whether standard output shows colours: a terminal, and nobody has said otherwise (no-color.org).
fn is_coloured() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    !plain && !dumb && std::io::stdout().is_terminal()
}

/// The columns of the terminal; `None` where there is none to fit into.
pub(super) fn width() -> Option<usize> {
    std::io::stdout().is_terminal().then(terminal_size::terminal_size)?.map(|(width, _)| width.0.into())
}

/// A text in which nothing moves the cursor.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    // most are of the plainest kind
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    match !is_plain && text.contains(is_active) {
        true => Cow::Owned(text.chars().map(escaped).collect()),
        false => Cow::Borrowed(text),
    }
}

/// The same of a text of many lines.
pub(super) fn clean_lines(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\t') { c.to_string() } else { escaped(c) }).collect()
}

fn escaped(c: char) -> String {
    if is_active(c) { c.escape_default().to_string() } else { c.to_string() }
}

/// Moves the cursor, breaks a line, or turns the direction of what follows.
pub(super) fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
}

/// A text of at most `width` characters; a longer one ends in `…`.
pub(super) fn cut(text: &str, width: Option<usize>) -> Cow<'_, str> {
    match width {
        Some(width) if text.chars().count() > width => {
            Cow::Owned(text.chars().take(width.saturating_sub(1)).chain(['…']).collect())
        }
        _ => Cow::Borrowed(text),
    }
}

/// A line of a table.
enum Line<const N: usize> {
    /// How many bytes and characters each of its cells has.
    Row([(usize, usize); N], Option<Paint>),
    /// How many bytes it has.
    Text(usize),
}

/// A table of `N` columns, of which the last is as wide as there is room, and the second is coloured.
pub(super) struct Table<const N: usize> {
    /// All that it says, line by line and cell by cell.
    text: String,
    lines: Vec<Line<N>>,
    /// The characters of each column's widest cell.
    widths: [usize; N],
    empty: bool,
}

impl<const N: usize> Table<N> {
    /// One with these heads.
    pub(super) fn new(heads: &[&str; N]) -> Table<N> {
        let mut table = Table { text: String::new(), lines: Vec::new(), widths: [0; N], empty: true };
        table.cells(heads, None);
        table
    }

    /// A line over the rows that follow.
    pub(super) fn title(&mut self, title: Option<String>) {
        title.iter().for_each(|title| self.note(title));
    }

    /// A line under the last row.
    pub(super) fn note(&mut self, note: &str) {
        let note = clean(note);
        self.text.push_str(&note);
        self.lines.push(Line::Text(note.len()));
    }

    /// A row.
    pub(super) fn row(&mut self, cells: &[impl AsRef<str>; N], paint: Paint) {
        self.cells(cells, Some(paint));
        self.empty = false;
    }

    fn cells(&mut self, cells: &[impl AsRef<str>; N], paint: Option<Paint>) {
        let mut sizes = [(0, 0); N];
        for ((size, width), cell) in sizes.iter_mut().zip(&mut self.widths).zip(cells) {
            let cell = clean(cell.as_ref());
            *size = (cell.len(), cell.chars().count());
            *width = size.1.max(*width);
            self.text.push_str(&cell);
        }
        self.lines.push(Line::Row(sizes, paint));
    }

    /// Writes it out; nothing, if it has no rows.
    pub(super) fn print(&self) -> std::io::Result<()> {
        if self.empty {
            return Ok(());
        }
        let text = self.text(width(), is_coloured());
        std::io::stdout().write_all(text.as_bytes())
    }

    fn text(&self, width: Option<usize>, coloured: bool) -> String {
        let mut cells = &*self.text;
        let mut text = String::with_capacity(2 * cells.len());
        for line in &self.lines {
            let begin = text.len();
            match line {
                Line::Text(length) => text.push_str(take(&mut cells, *length)),
                Line::Row(sizes, _) => self.lay_out(sizes, &mut cells, &mut text),
            }
            if let Cow::Owned(short) = cut(&text[begin..], width) {
                text.truncate(begin);
                text.push_str(&short);
            }
            if let Line::Row(sizes, Some(paint)) = line
                && coloured
            {
                self.colour(&mut text, begin, sizes[1].1, *paint);
            }
            text.push('\n');
        }
        text
    }

    fn lay_out(&self, sizes: &[(usize, usize); N], cells: &mut &str, text: &mut String) {
        let begin = text.len();
        for ((bytes, chars), width) in sizes.iter().zip(&self.widths) {
            text.push_str(take(cells, *bytes));
            let mut blanks = width + 2 - chars;
            while blanks > 0 {
                let some = blanks.min(BLANKS.len());
                text.push_str(&BLANKS[..some]);
                blanks -= some;
            }
        }
        text.truncate(begin + text[begin..].trim_end().len());
    }

    /// Colours the second column of the line that begins there, which has so many characters.
    fn colour(&self, text: &mut String, begin: usize, chars: usize, paint: Paint) {
        let from = self.widths[0] + 2;
        let byte = |n: usize| text[begin..].char_indices().nth(n).map_or(text.len(), |(at, _)| begin + at);
        let (from, to) = (byte(from), byte(from + chars));
        text.insert_str(to, "[0m");
        text.insert_str(from, paint.code());
    }
}

const BLANKS: &str = "                                ";

/// Takes so many bytes from the beginning.
fn take<'a>(text: &mut &'a str, bytes: usize) -> &'a str {
    let (taken, rest) = text.split_at(bytes);
    *text = rest;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<3> {
        let mut table = Table::new(&["NAME", "STATE", ""]);
        table.row(&["ä", "up", "a long message"], Paint::Good);
        table.title(Some("/etc/service:".into()));
        table.row(&["no\nline", "failed", ""], Paint::Bad);
        table
    }

    #[test]
    fn columns_are_aligned_and_control_characters_escaped() {
        let text = "NAME      STATE\nä         up      a long message\n/etc/service:\nno\\nline  failed\n";
        assert_eq!(table().text(None, false), text);
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        let text = table().text(Some(22), false);
        assert!(text.contains("ä         up      a l…\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 22), "{text}");
    }

    #[test]
    fn the_state_is_coloured_also_where_it_is_cut() {
        let text = table().text(Some(12), true);
        assert!(text.contains("no\\nline  \x1b[31mf…\x1b[0m\n"), "{text}");
        assert!(table().text(None, true).contains("\x1b[32mup\x1b[0m      a long"));
    }
}
