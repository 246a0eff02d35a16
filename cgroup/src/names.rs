//! Names of groups: readable, and never two services with the same.
//!
//! A name keeps letters, digits and `_ . - @ : + , =`; every other byte is `%` and two hexadecimal
//! digits. The one exception is for the eye: the log service of `squid`, whose name is `squid/log`,
//! becomes `squid.log`, and a service that is really called `squid.log` becomes `squid%2Elog`.
//! The suffix `.service` keeps a group from ever looking like one of the kernel's files, which by
//! promise of the kernel's documentation (cgroup-v2, "Avoid Name Collisions") never end that way.

/// The longest name of a file: NAME_MAX.
const NAME_MAX: usize = 255;
/// What follows an escaped name at most: `.service`, and a generation of up to five digits.
const TAIL: usize = ".service.65535".len();
/// A name that is cut short ends in `%~` and this many hexadecimal digits of its hash.
const HASH: usize = 32;

/// The group of a service, without generation: `squid.service`.
pub fn of_service(name: &[u8]) -> String {
    let mut escaped = String::new();
    match name.strip_suffix(b"/log") {
        Some(service) => {
            service.iter().for_each(|&byte| push(&mut escaped, byte));
            escaped.push_str(".log");
        }
        None => {
            let (body, end) = match name.strip_suffix(b".log") {
                Some(body) => (body, "%2Elog"),
                None => (name, ""),
            };
            body.iter().for_each(|&byte| push(&mut escaped, byte));
            escaped.push_str(end);
        }
    }
    let mut group = shortened(escaped, name);
    group.push_str(".service");
    group
}

fn push(escaped: &mut String, byte: u8) {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => escaped.push(char::from(byte)),
        b'_' | b'.' | b'-' | b'@' | b':' | b'+' | b',' | b'=' => escaped.push(char::from(byte)),
        _ => {
            const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
            escaped.push('%');
            escaped.push(char::from(DIGITS[usize::from(byte >> 4)]));
            escaped.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// `escaped` if it is short enough, else its beginning and a hash of what it stands for.
fn shortened(mut escaped: String, original: &[u8]) -> String {
    if escaped.len() <= NAME_MAX - TAIL {
        return escaped;
    }
    let mut keep = NAME_MAX - TAIL - "%~".len() - HASH;
    // not in the middle of an escape
    while escaped.as_bytes()[keep.saturating_sub(2)..keep].contains(&b'%') {
        keep -= 1;
    }
    escaped.truncate(keep);
    // `%~` is no escape, so no name that fits looks like this
    escaped.push_str(&format!("%~{:032x}", hash(original)));
    escaped
}

/// FNV-1a, 128 bits: the same in every version and on every machine.
fn hash(data: &[u8]) -> u128 {
    let basis = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    let prime = 0x0000_0000_0100_0000_0000_0000_0000_013b_u128;
    data.iter().fold(basis, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(prime))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn readable_where_it_can_be() {
        assert_eq!(of_service(b"squid"), "squid.service");
        assert_eq!(of_service(b"squid/log"), "squid.log.service");
        assert_eq!(of_service(b"squid.log"), "squid%2Elog.service");
        assert_eq!(of_service(b"squid.log/log"), "squid.log.log.service");
        assert_eq!(of_service(b"getty@tty1"), "getty@tty1.service");
        assert_eq!(of_service(b"memory.max"), "memory.max.service");
        assert_eq!(of_service(b"a\nb c%"), "a%0Ab%20c%25.service");
        assert_eq!(of_service(b".."), "...service");
    }

    /// Every name of up to four letters of an alphabet that has all that is special.
    #[test]
    fn no_two_services_share_a_group() {
        let alphabet: [&[u8]; 8] = [b"a", b"/log", b".log", b".", b"%", b"%2E", b"/", b"\xff"];
        let mut names: Vec<Vec<u8>> = vec![vec![]];
        let mut from = 0;
        for _ in 0..4 {
            let to = names.len();
            for n in from..to {
                for letter in alphabet {
                    names.push([&names[n][..], letter].concat());
                }
            }
            from = to;
        }
        let mut seen: HashMap<String, Vec<u8>> = HashMap::new();
        for name in names {
            let group = of_service(&name);
            assert!(group.bytes().all(|b| b.is_ascii_graphic() && b != b'/'), "{group}");
            if let Some(other) = seen.insert(group, name.clone()) {
                // the same name can be spelled by different letters of the alphabet
                assert_eq!(other, name);
            }
        }
    }

    #[test]
    fn long_names_fit_and_differ() {
        let mut seen = std::collections::HashSet::new();
        for length in 200..=255 {
            for byte in [b'a', b'\xe9', b'%', b'\n'] {
                for last in [b'a', b'b', b'/'] {
                    let mut name = vec![byte; length - 1];
                    name.push(last);
                    let group = of_service(&name);
                    assert!(group.len() + ".65535".len() <= 255, "{}", group.len());
                    assert!(seen.insert(group.clone()), "{group}");
                }
            }
        }
    }
}
