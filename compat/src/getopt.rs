//! djb's option rules (`sgetopt`), which every classic tool follows.
//!
//! Flags combine (`-dx`); a value is the rest of the word or the next word (`-o9`, `-o 9`); the first
//! word that is no option ends the options, a lone `-` too; a word that starts with `--` ends them and
//! is dropped, whatever follows the dashes.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// A walk over the options at the front of an argument list.
pub struct Getopt<'a> {
    args: &'a [OsString],
    /// The word being read.
    word: usize,
    /// How far into that word; 0 at its start.
    at: usize,
    /// The letters known; one followed by `:` takes a value.
    spec: &'a [u8],
}

/// An option found.
#[derive(Debug, PartialEq, Eq)]
pub enum Opt<'a> {
    /// A letter without a value.
    Flag(u8),
    /// A letter with its value.
    Value(u8, &'a OsStr),
}

/// An option that is not known or lacks its value.
#[derive(Debug, PartialEq, Eq)]
pub struct BadOption {
    letter: u8,
    missing_value: bool,
}

impl BadOption {
    /// The line for standard error, newline included. `argv0` is the program as it was called.
    pub fn line(&self, argv0: &OsStr) -> Vec<u8> {
        let name = argv0.as_bytes().rsplit(|b| *b == b'/').next().unwrap_or_default();
        let what: &[u8] = match self.missing_value {
            true => b": option requires an argument -- ",
            false => b": illegal option -- ",
        };
        [name, what, &[self.letter, b'\n']].concat()
    }
}

impl<'a> Getopt<'a> {
    /// Starts after `args[0]`, the program's name. `spec` lists the letters, `:` after those with a value.
    pub fn new(args: &'a [OsString], spec: &'a [u8]) -> Self {
        Getopt { args, word: 1, at: 0, spec }
    }

    /// What is left after the options.
    pub fn rest(&self) -> &'a [OsString] {
        self.args.get(self.word..).unwrap_or_default()
    }

    /// Whether a known letter takes a value; `None` for an unknown one.
    fn takes_value(&self, letter: u8) -> Option<bool> {
        let at = self.spec.iter().position(|b| *b == letter && letter != b':')?;
        Some(self.spec.get(at + 1) == Some(&b':'))
    }
}

impl<'a> Iterator for Getopt<'a> {
    type Item = Result<Opt<'a>, BadOption>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at > 0 && self.at >= self.args.get(self.word)?.len() {
            self.word += 1;
            self.at = 0;
        }
        let word = self.args.get(self.word)?.as_bytes();
        if self.at == 0 {
            match word {
                [b'-', b'-', ..] => {
                    self.word += 1;
                    return None;
                }
                [b'-', _, ..] => self.at = 1,
                _ => return None,
            }
        }
        let letter = word[self.at];
        self.at += 1;
        match self.takes_value(letter) {
            None => Some(Err(BadOption { letter, missing_value: false })),
            Some(false) => Some(Ok(Opt::Flag(letter))),
            Some(true) => {
                let rest = &word[self.at..];
                self.word += 1;
                self.at = 0;
                if !rest.is_empty() {
                    return Some(Ok(Opt::Value(letter, OsStr::from_bytes(rest))));
                }
                let Some(value) = self.args.get(self.word) else {
                    return Some(Err(BadOption { letter, missing_value: true }));
                };
                self.word += 1;
                Some(Ok(Opt::Value(letter, value)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The options as text (`a`, `n=9`, `!z`), then `|` and the rest.
    fn parse(words: &str) -> String {
        let args: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        let mut options = Getopt::new(&args, b"abn:");
        let mut seen = Vec::new();
        for option in options.by_ref() {
            match option {
                Ok(Opt::Flag(c)) => seen.push(char::from(c).to_string()),
                Ok(Opt::Value(c, v)) => seen.push(format!("{}={}", char::from(c), v.display())),
                Err(bad) => {
                    seen.push(String::from_utf8(bad.line(OsStr::new("/bin/p"))).unwrap());
                    break;
                }
            }
        }
        let rest: Vec<_> = options.rest().iter().map(|s| s.to_str().unwrap()).collect();
        format!("{}|{}", seen.join(" "), rest.join(" "))
    }

    #[test]
    fn rules() {
        for (words, expected) in [
            ("p", "|"),
            ("p x", "|x"),
            ("p -ab -a x -b", "a b a|x -b"),
            ("p -n9 -n 8 -an7 x", "n=9 n=8 a n=7|x"),
            ("p -n -a x", "n=-a|x"),
            ("p -a - -b", "a|- -b"),
            ("p -a -- -b", "a|-b"),
            ("p -a --whatever -b", "a|-b"),
            ("p -a- b", "a p: illegal option -- -\n|-a- b"),
            ("p -z x", "p: illegal option -- z\n|-z x"),
            ("p -: x", "p: illegal option -- :\n|-: x"),
            ("p -an", "a p: option requires an argument -- n\n|"),
        ] {
            assert_eq!(parse(words), expected, "{words}");
        }
    }

    #[test]
    fn empty_words_and_lists() {
        let args = [OsString::from("p"), OsString::new()];
        let mut options = Getopt::new(&args, b"a");
        assert_eq!(options.next(), None);
        assert_eq!(options.rest().len(), 1);
        assert_eq!(Getopt::new(&[], b"a").next(), None);
        assert_eq!(Getopt::new(&[], b"a").rest().len(), 0);
    }
}
