//! The environment a chain-loading tool gives to the next program, changed by daemontools' rules.

use std::borrow::Cow;
use std::ffi::{CStr, CString};

/// A list of `NAME=VALUE` strings. Order, repeated names and strings of other forms are kept.
pub(crate) struct Environment {
    strings: Vec<Cow<'static, CStr>>,
}

impl Environment {
    /// The one this program was started with.
    pub(crate) fn inherited() -> Environment {
        let strings = sys::startup::environment().into_iter().map(Cow::Borrowed).collect();
        Environment { strings }
    }

    /// Sets or, with no value, unsets a variable. The first string of that name goes, the last one takes
    /// its place, and the new one comes to the end: the order is the original's too.
    ///
    /// A NUL in either, which no string here can hold, ends the text there.
    pub(crate) fn change(&mut self, name: &[u8], value: Option<&[u8]>) {
        let mut text = name.to_vec();
        if let Some(value) = value {
            text.push(b'=');
            text.extend_from_slice(value);
        }
        text.truncate(text.iter().position(|b| *b == 0).unwrap_or(text.len()));
        // A name that has a `=` in it is a shorter name, and set also when it was to be unset.
        let len = text.iter().position(|b| *b == b'=');
        let name = &text[..len.unwrap_or(text.len())];
        let same =
            |string: &CStr| string.to_bytes().strip_prefix(name).is_some_and(|rest| rest.starts_with(b"="));
        if let Some(at) = self.strings.iter().position(|string| same(string)) {
            self.strings.swap_remove(at);
        }
        if let (Some(_), Ok(text)) = (len, CString::new(text)) {
            self.strings.push(Cow::Owned(text));
        }
    }

    /// The strings, as `execve` takes them.
    pub(crate) fn strings(&self) -> &[Cow<'static, CStr>] {
        &self.strings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn of(strings: &[&CStr]) -> Environment {
        Environment { strings: strings.iter().map(|s| Cow::Owned((*s).to_owned())).collect() }
    }

    fn text(environment: &Environment) -> String {
        let strings: Vec<_> = environment.strings.iter().map(|s| s.to_str().unwrap()).collect();
        strings.join(" ")
    }

    #[test]
    fn changes() {
        let mut e = of(&[c"A=1", c"B=2", c"odd", c"A=3", c"C=4"]);
        e.change(b"B", Some(b"x"));
        assert_eq!(text(&e), "A=1 C=4 odd A=3 B=x");
        e.change(b"A", None);
        assert_eq!(text(&e), "B=x C=4 odd A=3");
        e.change(b"odd", None);
        e.change(b"nosuch", None);
        assert_eq!(text(&e), "B=x C=4 odd A=3");
        e.change(b"C=D", Some(b"5"));
        assert_eq!(text(&e), "B=x A=3 odd C=D=5");
        e.change(b"C=E", None);
        assert_eq!(text(&e), "B=x A=3 odd C=E");
        e.change(b"F", Some(b""));
        assert_eq!(text(&e), "B=x A=3 odd C=E F=");
    }

    /// Against a map: where names come once, the last change of each is what counts.
    #[test]
    fn like_a_map() {
        let mut random = Random::new("environment");
        for _ in 0..500 {
            let (mut e, mut map) = (of(&[]), std::collections::BTreeMap::new());
            for _ in 0..random.below(30) {
                let name = vec![b'a' + random.byte(4); 1 + usize::from(random.byte(2))];
                let value = random.bytes(b"=ab ", 5);
                if random.byte(3) == 0 {
                    e.change(&name, None);
                    map.remove(&name);
                } else {
                    e.change(&name, Some(&value));
                    map.insert(name, value);
                }
            }
            let mut strings: Vec<_> = e.strings.iter().map(|s| s.to_bytes().to_vec()).collect();
            strings.sort();
            let mut expected: Vec<_> = map.iter().map(|(n, v)| [&n[..], b"=", v].concat()).collect();
            expected.sort();
            assert_eq!(strings, expected);
        }
    }
}
