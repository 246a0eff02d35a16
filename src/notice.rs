//! What a service says by sd_notify(3): lines of `NAME=value`. Names that mean nothing here are passed over.

use crate::machine::Ms;

/// The longest status text that is kept, in bytes.
pub const LONGEST_STATUS: usize = 200;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// `READY=1`
    pub ready: bool,
    /// `RELOADING=1`
    pub reloading: bool,
    /// `STOPPING=1`
    pub stopping: bool,
    /// `WATCHDOG=1`
    pub alive: bool,
    /// `WATCHDOG=trigger`
    pub hung: bool,
    /// `STATUS=`, cut at [`LONGEST_STATUS`]; empty takes an earlier one back.
    pub status: Option<String>,
    /// `MAINPID=`
    pub main_pid: Option<i32>,
    /// `EXTEND_TIMEOUT_USEC=`, in milliseconds.
    pub extend: Option<Ms>,
}

impl Notice {
    /// Reads a message. What is no number where one is due is passed over.
    pub fn parse(text: &[u8]) -> Notice {
        let mut notice = Notice::default();
        for line in text.split(|&byte| byte == b'\n') {
            let mut parts = line.splitn(2, |&byte| byte == b'=');
            let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
            let is_one = value == b"1";
            match name {
                b"READY" => notice.ready |= is_one,
                b"RELOADING" => notice.reloading |= is_one,
                b"STOPPING" => notice.stopping |= is_one,
                b"WATCHDOG" => {
                    notice.alive |= is_one;
                    notice.hung |= value == b"trigger";
                }
                b"STATUS" => notice.status = Some(cut(&String::from_utf8_lossy(value))),
                b"MAINPID" => notice.main_pid = number(value).and_then(|pid| i32::try_from(pid).ok()),
                b"EXTEND_TIMEOUT_USEC" => notice.extend = number(value).map(|usec| usec / 1000),
                _ => {}
            }
        }
        notice
    }
}

fn number(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    // as far as a clock goes
    digits.then(|| std::str::from_utf8(value).ok()?.parse().ok())?.filter(|&n| n < 1 << 53)
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(LONGEST_STATUS)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_what_is_unknown_is_passed_over() {
        let notice = Notice::parse(b"READY=1\nSTATUS=at work=x\nMAINPID=42\nFDSTORE=1\nX_MINE=\n\nnonsense");
        let expected =
            Notice { ready: true, status: Some("at work=x".into()), main_pid: Some(42), ..Notice::default() };
        assert_eq!(notice, expected);
        let notice = Notice::parse(b"WATCHDOG=1\nEXTEND_TIMEOUT_USEC=2500000\nSTOPPING=1\n");
        assert_eq!(notice, Notice { alive: true, extend: Some(2500), stopping: true, ..Notice::default() });
        let notice = Notice::parse(b"RELOADING=1\nMONOTONIC_USEC=5\nWATCHDOG=trigger");
        assert_eq!(notice, Notice { reloading: true, hung: true, ..Notice::default() });
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["MAINPID=", "MAINPID=-1", "MAINPID=1x", "MAINPID=99999999999", "MAINPID=1 ", "READY=0"] {
            assert_eq!(Notice::parse(text.as_bytes()), Notice::default(), "{text}");
        }
        let far = format!("EXTEND_TIMEOUT_USEC={}", u64::MAX);
        assert_eq!(Notice::parse(far.as_bytes()), Notice::default());
    }

    #[test]
    fn a_long_status_is_cut_between_characters() {
        let text = format!("STATUS=x{}", "é".repeat(300));
        let status = Notice::parse(text.as_bytes()).status.unwrap();
        assert_eq!((status.len(), status.chars().count()), (199, 100));
        assert_eq!(Notice::parse(b"STATUS=\xff").status.unwrap(), "\u{fffd}");
        assert_eq!(Notice::parse(b"STATUS=").status.unwrap(), "");
    }
}
