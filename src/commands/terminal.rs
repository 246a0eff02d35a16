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
    match text.contains(is_active) {
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

enum Line<const N: usize> {
    Row([String; N], Option<Paint>),
    Text(String),
}

/// A table of `N` columns, of which the last is as wide as there is room, and the second is coloured.
pub(super) struct Table<const N: usize> {
    lines: Vec<Line<N>>,
    empty: bool,
}

impl<const N: usize> Table<N> {
    /// One with these heads.
    pub(super) fn new(heads: &[&str; N]) -> Table<N> {
        Table { lines: vec![Line::Row(heads.map(str::to_owned), None)], empty: true }
    }

    /// A line over the rows that follow.
    pub(super) fn title(&mut self, title: Option<String>) {
        self.lines.extend(title.map(|title| Line::Text(clean(&title).into_owned())));
    }

    /// A line under the last row.
    pub(super) fn note(&mut self, note: String) {
        self.lines.push(Line::Text(clean(&note).into_owned()));
    }

    /// A row.
    pub(super) fn row(&mut self, mut cells: [String; N], paint: Paint) {
        for cell in &mut cells {
            if let Cow::Owned(clean) = clean(cell) {
                *cell = clean;
            }
        }
        self.lines.push(Line::Row(cells, Some(paint)));
        self.empty = false;
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
        let mut widths = [0; N];
        for line in &self.lines {
            if let Line::Row(cells, _) = line {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = cell.chars().count().max(*width);
                }
            }
        }
        let mut text = String::new();
        for line in &self.lines {
            match line {
                Line::Text(line) => text.push_str(&cut(line, width)),
                Line::Row(cells, paint) => text.push_str(&lay_out(cells, *paint, &widths, width, coloured)),
            }
            text.push('\n');
        }
        text
    }
}

fn lay_out<const N: usize>(
    cells: &[String; N],
    paint: Option<Paint>,
    widths: &[usize; N],
    width: Option<usize>,
    coloured: bool,
) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
    }
    let line = cut(line.trim_end(), width).into_owned();
    let Some(paint) = paint.filter(|_| coloured) else { return line };
    // the second column: from its first character to its last
    let (from, length) = (widths[0] + 2, cells[1].chars().count());
    let byte = |n: usize| line.char_indices().nth(n).map_or(line.len(), |(at, _)| at);
    let (from, to) = (byte(from), byte(from + length));
    format!("{}{}{}\x1b[0m{}", &line[..from], paint.code(), &line[from..to], &line[to..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<3> {
        let mut table = Table::new(&["NAME", "STATE", ""]);
        table.row(["ä".into(), "up".into(), "a long message".into()], Paint::Good);
        table.title(Some("/etc/service:".into()));
        table.row(["no\nline".into(), "failed".into(), String::new()], Paint::Bad);
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
