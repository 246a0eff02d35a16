//! The patterns of `+` and `-`.

use memchr::memchr;

/// Whether a pattern matches the whole of `line`.
///
/// A star matches up to the first place of the byte that follows it in the pattern, whatever that byte is,
/// or the rest of the line at the pattern's end. There is no going back: `*ab` does not match `aab`.
pub(crate) fn matches(pattern: &[u8], line: &[u8]) -> bool {
    let (mut pattern, mut line) = (pattern, line);
    while let Some((first, rest)) = pattern.split_first() {
        if *first == b'*' {
            let Some(next) = rest.first() else { return true };
            let Some(at) = memchr(*next, line) else { return false };
            line = &line[at..];
        } else {
            let Some(after) = line.strip_prefix(&[*first]) else { return false };
            line = after;
        }
        pattern = rest;
    }
    line.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// The manual's words, slowly: a star is a string without the next byte of the pattern.
    fn naive(pattern: &[u8], line: &[u8]) -> bool {
        match pattern {
            [] => line.is_empty(),
            [b'*'] => true,
            [b'*', next, ..] => (0..=line.len()).any(|at| {
                !line[..at].contains(next)
                    && line[at..].first() == Some(next)
                    && naive(&pattern[1..], &line[at..])
            }),
            [first, rest @ ..] => line.first() == Some(first) && naive(rest, &line[1..]),
        }
    }

    #[test]
    fn as_the_manual_says() {
        let mut random = Random::new("patterns");
        let mut matched = 0;
        for _ in 0..200_000 {
            let (pattern, line) = (random.bytes(b"ab**", 6), random.bytes(b"aab*", 8));
            let is = matches(&pattern, &line);
            assert_eq!(is, naive(&pattern, &line), "{} {}", pattern.escape_ascii(), line.escape_ascii());
            matched += usize::from(is);
        }
        assert!(matched > 1000, "{matched}");
    }

    #[test]
    fn examples() {
        let yes: &[(&[u8], &[u8])] = &[
            (b"", b""),
            (b"*", b""),
            (b"*: *", b"a: b"),
            (b"**", b"x*y"),
            (b"a*", b"a\0b"),
            (b"*\xff", b"\xff"),
        ];
        let no: &[(&[u8], &[u8])] =
            &[(b"", b"a"), (b"a", b""), (b"*ab", b"aab"), (b"**", b"xy"), (b"*a", b"aa")];
        for (pattern, line) in yes {
            assert!(matches(pattern, line), "{}", pattern.escape_ascii());
        }
        for (pattern, line) in no {
            assert!(!matches(pattern, line), "{}", pattern.escape_ascii());
        }
    }
}
