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
    /// How many bytes it has, and what it is indented by.
    Text(usize, &'static str),
}

/// A table of `N` columns, of which the second is coloured, and the last holds remarks of any length.
///
/// Where a terminal is too narrow for it, columns that can be spared are left out, and what is long (a name, a remark)
/// stands on lines of its own: everything can be read.
pub(super) struct Table<const N: usize> {
    /// All that it says, line by line and cell by cell.
    text: String,
    lines: Vec<Line<N>>,
    /// The characters of each column's widest cell.
    widths: [usize; N],
    spare: &'static [usize],
    empty: bool,
}

impl<const N: usize> Table<N> {
    /// One with these heads; `spare` are the columns that are left out where there is no room, the first of them first.
    pub(super) fn new(heads: &[&str; N], spare: &'static [usize]) -> Table<N> {
        let mut table = Table { text: String::new(), lines: Vec::new(), widths: [0; N], spare, empty: true };
        table.cells(heads, None);
        table
    }

    /// A line over the rows that follow.
    pub(super) fn title(&mut self, title: Option<String>) {
        title.iter().for_each(|title| self.line(title, ""));
    }

    /// A line under the last row.
    pub(super) fn note(&mut self, note: &str) {
        self.line(note, "  ");
    }

    fn line(&mut self, words: &str, indent: &'static str) {
        let words = clean(words);
        self.text.push_str(&words);
        self.lines.push(Line::Text(words.len(), indent));
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
        let layout = self.layout(width);
        let mut cells = &*self.text;
        let mut text = String::with_capacity(2 * cells.len());
        for line in &self.lines {
            match line {
                Line::Text(length, indent) => wrap(take(&mut cells, *length), indent, width, &mut text),
                Line::Row(sizes, paint) => {
                    layout.row(sizes, &mut cells, paint.filter(|_| coloured), &mut text);
                }
            }
        }
        text
    }

    fn layout(&self, width: Option<usize>) -> Layout<N> {
        let mut layout = Layout { widths: self.widths, spared: [false; N], width, narrow: false };
        layout.narrow = !layout.fits();
        if layout.narrow {
            let names = self.lines.iter().filter_map(|line| match line {
                Line::Row(sizes, _) if !layout.stands_alone(sizes[0].1) => Some(sizes[0].1),
                _ => None,
            });
            layout.widths[0] = names.max().unwrap_or(0);
        }
        for &column in self.spare {
            layout.spared[column] = !layout.fits();
        }
        layout
    }
}

/// How wide the columns are, and which of them are shown.
struct Layout<const N: usize> {
    widths: [usize; N],
    spared: [bool; N],
    /// The terminal's.
    width: Option<usize>,
    /// The terminal is too narrow for the table as it is.
    narrow: bool,
}

impl<const N: usize> Layout<N> {
    /// The characters before the remarks.
    fn used(&self) -> usize {
        (0..N - 1).filter(|&column| !self.spared[column]).map(|column| self.widths[column] + 2).sum()
    }

    fn fits(&self) -> bool {
        self.width.is_none_or(|width| self.used() <= width + 2)
    }

    /// A name of so many characters takes too much from the other columns, and has a line of its own.
    fn stands_alone(&self, chars: usize) -> bool {
        self.narrow && self.width.is_some_and(|width| chars > width * 2 / 5)
    }

    /// Takes a row's cells, and lays them out.
    fn row(&self, sizes: &[(usize, usize); N], cells: &mut &str, paint: Option<Paint>, text: &mut String) {
        let alone = self.stands_alone(sizes[0].1);
        if alone {
            wrap(take(cells, sizes[0].0), "", self.width, text);
        }
        let begin = text.len();
        for (column, size) in sizes.iter().enumerate().take(N - 1) {
            let (bytes, chars) = if column == 0 && alone { (0, 0) } else { *size };
            let cell = take(cells, bytes);
            if !self.spared[column] {
                text.push_str(cell);
                blanks(self.widths[column] + 2 - chars, text);
            }
        }
        let remark = take(cells, sizes[N - 1].0);
        let beside =
            remark.is_empty() || self.width.is_none_or(|width| self.used() + sizes[N - 1].1 <= width);
        text.push_str(if beside { remark } else { "" });
        text.truncate(begin + text[begin..].trim_end().len());
        if let Cow::Owned(short) = cut(&text[begin..], self.width) {
            text.truncate(begin);
            text.push_str(&short);
        }
        if let Some(paint) = paint {
            self.colour(text, begin, sizes[1].1, paint);
        }
        text.push('\n');
        if !beside {
            wrap(remark, "  ", self.width, text);
        }
    }

    /// Colours the second column of the line that begins there, which has so many characters.
    fn colour(&self, text: &mut String, begin: usize, chars: usize, paint: Paint) {
        let from = self.widths[0] + 2;
        let byte = |n: usize| text[begin..].char_indices().nth(n).map_or(text.len(), |(at, _)| begin + at);
        let (from, to) = (byte(from), byte(from + chars));
        text.insert_str(to, "\x1b[0m");
        text.insert_str(from, paint.code());
    }
}

fn blanks(mut count: usize, text: &mut String) {
    while count > 0 {
        let some = count.min(BLANKS.len());
        text.push_str(&BLANKS[..some]);
        count -= some;
    }
}

const BLANKS: &str = "                                ";

/// Takes so many bytes from the beginning.
fn take<'a>(text: &mut &'a str, bytes: usize) -> &'a str {
    let (taken, rest) = text.split_at(bytes);
    *text = rest;
    taken
}

/// A text as lines of at most `width` characters, broken between words where that can be; all of them begin with `indent`,
/// those that follow the first with two blanks more.
fn wrap(words: &str, indent: &str, width: Option<usize>, text: &mut String) {
    // a terminal that is narrower than that breaks lines itself
    let room = width.map_or(usize::MAX, |width| width.max(20) - indent.len());
    let (mut rest, mut room, mut begin) = (words, room, indent.to_owned());
    loop {
        text.push_str(&begin);
        let end = rest.char_indices().nth(room).map_or(rest.len(), |(at, _)| at);
        let blank =
            rest[..end].trim_end().rfind(' ').filter(|_| end < rest.len() && !rest[end..].starts_with(' '));
        let (line, next) = rest.split_at(blank.filter(|&at| !rest[..at].trim().is_empty()).unwrap_or(end));
        text.push_str(line.trim_end());
        text.push('\n');
        if next.is_empty() {
            return;
        }
        if begin == indent {
            begin.push_str("  ");
            room -= 2;
        }
        rest = next.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<4> {
        let mut table = Table::new(&["NAME", "STATE", "SPARE", ""], &[2]);
        table.row(&["ä", "up", "-", "a long message"], Paint::Good);
        table.title(Some("/etc/service:".into()));
        table.row(&["no\nline", "failed", "-", ""], Paint::Bad);
        table.note("said: a word or two, and more");
        table
    }

    #[test]
    fn columns_are_aligned_and_control_characters_escaped() {
        let text = "NAME      STATE   SPARE\nä         up      -      a long message\n/etc/service:\n\
                    no\\nline  failed  -\n  said: a word or two, and more\n";
        assert_eq!(table().text(None, false), text);
    }

    #[test]
    fn a_narrow_terminal_shows_all_that_matters() {
        let text = "NAME      STATE\nä         up\n  a long message\n/etc/service:\nno\\nline  failed\n  \
                    said: a word or two,\n    and more\n";
        assert_eq!(table().text(Some(22), false), text);
        // also where only the blanks after the last column have no room
        let text = table().text(Some(21), false);
        assert!(text.starts_with("NAME      STATE\n") && !text.contains("\n  \n"), "{text}");
        assert!(table().text(Some(24), false).contains("\nno\\nline  failed  -\n  said"));
        let mut table = table();
        table.row(&["a-name-that-is-long", "up", "-", ""], Paint::Good);
        let text = table.text(Some(22), false);
        assert!(text.ends_with("\na-name-that-is-long\n          up\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 22), "{text}");
    }

    #[test]
    fn what_has_no_blanks_is_broken_anywhere() {
        let mut text = String::new();
        wrap(&"ä".repeat(50), "  ", Some(20), &mut text);
        assert_eq!(text, format!("  {0}\n    {1}\n    {1}\n", "ä".repeat(18), "ä".repeat(16)));
    }

    #[test]
    fn the_state_is_coloured_also_where_it_is_cut() {
        let text = table().text(Some(22), true);
        assert!(text.contains("no\\nline  \x1b[31mfailed\x1b[0m\n"), "{text}");
        let text = table().text(Some(12), true);
        assert!(text.contains("\x1b[31m"), "{text}");
        assert!(table().text(None, true).contains("\x1b[32mup\x1b[0m      -      a long"));
    }
}
