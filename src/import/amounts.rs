//! Times, sizes, yes and no as units write them. See systemd.time(7) and systemd.syntax(7).

/// Milliseconds of a time span, whose numbers are seconds unless they have a unit; `Some(None)` for ever.
pub fn milliseconds(text: &str) -> Option<Option<u64>> {
    if text == "infinity" {
        return Some(None);
    }
    let mut rest = text.trim();
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(rest.len());
        total += number * unit(&rest[..letters])?;
        rest = rest[letters..].trim_start();
    }
    // more than thirty years are for ever
    Some((total < 1e12).then_some(total.ceil() as u64))
}

fn unit(name: &str) -> Option<f64> {
    const SECOND: f64 = 1000.0;
    const DAY: f64 = 86_400.0 * SECOND;
    Some(match name {
        "us" | "usec" | "µs" | "μs" => 0.001,
        "ms" | "msec" => 1.0,
        "" | "s" | "sec" | "second" | "seconds" => SECOND,
        "m" | "min" | "minute" | "minutes" => 60.0 * SECOND,
        "h" | "hr" | "hour" | "hours" => 3600.0 * SECOND,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => 7.0 * DAY,
        "M" | "month" | "months" => 30.44 * DAY,
        "y" | "year" | "years" => 365.25 * DAY,
        _ => return None,
    })
}

/// Bytes, or a plain number: `K`, `M`, `G`, `T` are powers of 1024; `Some(None)` without limit.
pub fn size(text: &str) -> Option<Option<u64>> {
    if text == "infinity" {
        return Some(None);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match &text[digits..] {
        "" | "B" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(factor).map(Some)
}

/// Yes or no.
pub fn boolean(text: &str) -> Option<bool> {
    match &*text.to_ascii_lowercase() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sizes_and_answers_are_read_as_systemd_reads_them() {
        for (text, ms) in [
            ("5", 5000),
            ("1.5s", 1500),
            ("5min 20s", 320_000),
            ("5min20s", 320_000),
            ("100ms", 100),
            ("1us", 1),
            ("1 h", 3_600_000),
            ("0", 0),
        ] {
            assert_eq!(milliseconds(text), Some(Some(ms)), "{text}");
        }
        assert_eq!(milliseconds("infinity"), Some(None));
        assert_eq!(milliseconds("99999999999y"), Some(None));
        assert!(["", "s", "5 parsecs", "-1", "1..2"].iter().all(|text| milliseconds(text).is_none()));
        assert_eq!(size("64K"), Some(Some(65536)));
        assert_eq!(size("infinity"), Some(None));
        assert!(size("1Q").is_none() && size("").is_none() && size("99999999999T").is_none());
        assert_eq!((boolean("On"), boolean("0"), boolean("maybe")), (Some(true), Some(false), None));
    }
}
