//! The words of a command line in a unit: quotes, escapes, `%` specifiers and `$` variables. See systemd.service(5),
//! COMMAND LINES, and systemd.unit(5), SPECIFIERS.

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// The value of a variable, whatever is in it.
    Variable(String),
}

/// A word as it is when the program is executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// One argument.
    One(Vec<Piece>),
    /// As many arguments as the value of the variable has words.
    Split(String),
}

/// Splits at blanks, and takes quotes and escapes away. An escape that C does not know stays as it is, as systemd
/// has it (with a warning).
pub fn split(text: &str) -> Result<Vec<String>, &'static str> {
    Ok(commands(text)?.into_iter().flatten().collect())
}

/// The same, in parts: where a word is a semicolon without quotes, another command begins.
pub fn commands(text: &str) -> Result<Vec<Vec<String>>, &'static str> {
    let mut found = vec![Vec::new()];
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (raw, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        let last = found.len() - 1;
        match raw {
            ";" => found.push(Vec::new()),
            "\\;" => found[last].push(";".to_owned()),
            _ => {
                let (word, after) = word(rest)?;
                found[last].push(word);
                rest = after.trim_start();
                continue;
            }
        }
        rest = after.trim_start();
    }
    found.retain(|command| !command.is_empty());
    Ok(found)
}

/// The first word, and what follows it.
fn word(text: &str) -> Result<(String, &str), &'static str> {
    let mut word = String::new();
    let mut quote = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match (c, quote) {
            ('\\', _) => {
                rest = escape(&rest[1..], &mut word)?;
                continue;
            }
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            (c, None) if c.is_whitespace() => return Ok((word, rest)),
            (c, _) => word.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    if quote.is_some() { Err("a quote is not closed") } else { Ok((word, rest)) }
}

/// What stands after a backslash; what follows that.
fn escape<'a>(text: &'a str, word: &mut String) -> Result<&'a str, &'static str> {
    let Some(c) = text.chars().next() else { return Err("it ends with a backslash") };
    let plain = match c {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        's' => ' ',
        '\\' | '"' | '\'' => c,
        _ => {
            let (skip, digits, radix) = match c {
                'x' => (1, 2, 16),
                'u' => (1, 4, 16),
                'U' => (1, 8, 16),
                _ => (0, 3, 8),
            };
            let number = text.get(skip..skip + digits).and_then(|text| number(text, radix));
            return match number {
                // bytes above ASCII need not be text
                Some(number) if c != 'u' && c != 'U' && number > 127 => {
                    Err("it has an escaped byte that is not ASCII")
                }
                Some(number) => {
                    word.extend(char::from_u32(number));
                    Ok(&text[skip + digits..])
                }
                None => {
                    word.push('\\');
                    word.push(c);
                    Ok(&text[c.len_utf8()..])
                }
            };
        }
    };
    word.push(plain);
    Ok(&text[c.len_utf8()..])
}

/// A number other than 0, of digits only.
fn number(text: &str, radix: u32) -> Option<u32> {
    let digits = text.chars().all(|c| c.is_digit(radix));
    u32::from_str_radix(text, radix).ok().filter(|&n| digits && n != 0 && char::from_u32(n).is_some())
}

/// What the variables of a word are.
pub fn variables(word: &str) -> Result<Word, &'static str> {
    if let Some(name) = word.strip_prefix('$').filter(|rest| !rest.starts_with(['{', '$'])) {
        let nothing = "a word that begins with $ and is no variable's name is left out by systemd";
        return if is_name(name) { Ok(Word::Split(name.to_owned())) } else { Err(nothing) };
    }
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = word;
    while let Some(at) = rest.find('$') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            text.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            if !is_name(name) {
                return Err("${…} is not a variable's name");
            }
            pieces.push(Piece::Text(std::mem::take(&mut text)));
            pieces.push(Piece::Variable(name.to_owned()));
            rest = after;
        } else {
            text.push('$');
        }
    }
    text.push_str(rest);
    pieces.push(Piece::Text(text));
    pieces.retain(|piece| *piece != Piece::Text(String::new()));
    Ok(Word::One(pieces))
}

/// Whether a variable can have this name.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A unit's name, for its specifiers.
#[derive(Clone, Debug)]
pub struct Names {
    /// Without its suffix.
    pub whole: String,
    /// Its suffix, with the dot.
    pub suffix: String,
}

impl Names {
    /// Of `NAME.service`.
    pub fn of(file: &str) -> Names {
        let (whole, suffix) = file.rsplit_once('.').unwrap_or((file, "service"));
        Names { whole: whole.to_owned(), suffix: format!(".{suffix}") }
    }

    /// Whether it is a template without an instance.
    pub fn is_template(&self) -> bool {
        self.whole.ends_with('@')
    }

    fn prefix(&self) -> &str {
        self.whole.split_once('@').map_or(&*self.whole, |(prefix, _)| prefix)
    }

    fn instance(&self) -> &str {
        self.whole.split_once('@').map_or("", |(_, instance)| instance)
    }

    /// Replaces the specifiers of a text by what they stand for under the system's manager.
    pub fn expand(&self, text: &str) -> Result<String, String> {
        let mut done = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            done.push_str(&rest[..at]);
            let Some(letter) = rest[at + 1..].chars().next() else { return Err("it ends with a %".into()) };
            done.push_str(
                &self
                    .specifier(letter)
                    .ok_or_else(|| format!("%{letter} is not known here: write out what it stands for"))?,
            );
            rest = &rest[at + 1 + letter.len_utf8()..];
        }
        done.push_str(rest);
        Ok(done)
    }

    fn specifier(&self, letter: char) -> Option<String> {
        let last = || self.prefix().rsplit('-').next().unwrap_or("").to_owned();
        Some(match letter {
            '%' => "%".into(),
            'n' => format!("{}{}", self.whole, self.suffix),
            'N' => self.whole.clone(),
            'p' => self.prefix().into(),
            'P' => unescaped(self.prefix()),
            'i' => self.instance().into(),
            'I' => unescaped(self.instance()),
            'j' => last(),
            'J' => unescaped(&last()),
            'f' => {
                let name = if self.instance().is_empty() { self.prefix() } else { self.instance() };
                format!("/{}", unescaped(name).trim_start_matches('/'))
            }
            't' => "/run".into(),
            'S' => "/var/lib".into(),
            'C' => "/var/cache".into(),
            'L' => "/var/log".into(),
            'E' => "/etc".into(),
            'T' => "/tmp".into(),
            'V' => "/var/tmp".into(),
            'h' => "/root".into(),
            'u' | 'g' => "root".into(),
            'U' | 'G' => "0".into(),
            _ => return None,
        })
    }
}

/// What systemd-escape(1) has made of a path or a word, back again.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let coded = rest.strip_prefix("\\x").and_then(|after| number(after.get(..2)?, 16));
        match coded {
            Some(byte) => bytes.push(byte as u8),
            None if c == '-' => bytes.push(b'/'),
            None => bytes.extend_from_slice(&rest.as_bytes()[..c.len_utf8()]),
        }
        rest = &rest[if coded.is_some() { 4 } else { c.len_utf8() }..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_escapes_are_taken_away() {
        for (text, words) in [
            ("/bin/a  b\tc ", &["/bin/a", "b", "c"][..]),
            (r#"a "b c" 'd "e' f"g h"i ''"#, &["a", "b c", "d \"e", "fg hi", ""]),
            (r#"a\sb \x41\102\u00e9 "\"" '\'' \\"#, &["a b", "ABé", "\"", "'", "\\"]),
            (r"\d \x0 \000 \q", &[r"\d", r"\x0", r"\000", r"\q"]),
            (r#"a \; ";""#, &["a", ";", ";"]),
        ] {
            assert_eq!(split(text).unwrap(), words, "{text}");
        }
        assert_eq!(split("a 'b"), Err("a quote is not closed"));
        assert_eq!(split("a\\"), Err("it ends with a backslash"));
        assert!(split(r"\xff").is_err());
        assert_eq!(commands("a b ; c ;").unwrap(), [vec!["a", "b"], vec!["c"]]);
    }

    #[test]
    fn variables_are_those_of_systemd_and_no_others() {
        let text = |text: &str| Piece::Text(text.into());
        let variable = |name: &str| Piece::Variable(name.into());
        assert_eq!(variables("$A_1").unwrap(), Word::Split("A_1".into()));
        assert_eq!(variables("${A}").unwrap(), Word::One(vec![variable("A")]));
        assert_eq!(variables("x${A}$B").unwrap(), Word::One(vec![text("x"), variable("A"), text("$B")]));
        assert_eq!(variables("$$A$$").unwrap(), Word::One(vec![text("$A$")]));
        assert_eq!(variables("a$").unwrap(), Word::One(vec![text("a$")]));
        assert_eq!(variables("a${").unwrap(), Word::One(vec![text("a${")]));
        assert_eq!(variables("").unwrap(), Word::One(vec![]));
        assert!(variables("$A/b").is_err() && variables("${A:-b}").is_err());
    }

    #[test]
    fn specifiers_stand_for_parts_of_the_name_and_places() {
        let names = Names::of("my-data@srv-a\\x2db.service");
        let all = names.expand("%n %N %p %i %I %j %f %t %%").unwrap();
        assert_eq!(
            all,
            "my-data@srv-a\\x2db.service my-data@srv-a\\x2db my-data srv-a\\x2db srv/a-b data /srv/a-b /run %"
        );
        assert_eq!(Names::of("cron.service").expand("%p %i%f").unwrap(), "cron /cron");
        assert!(names.expand("%H").unwrap_err().contains("%H"));
        assert!(names.expand("100%").is_err());
        assert!(Names::of("a@.service").is_template() && !names.is_template());
    }
}
