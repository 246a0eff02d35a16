//! What only the classic tools need of the C library.

use nix::errno::Errno;

/// A moment as the clock on the wall shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The year, as it is counted.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
}

/// The local time (`TZ`, else `/etc/localtime`) of a moment, in seconds since the Unix epoch; `None` if its
/// year does not fit into the C library's. See localtime(3).
pub fn local_time(seconds: i64) -> Option<LocalTime> {
    // SAFETY: a `tm` is integers and a pointer, for all of which zero is a value.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right types. The environment, which the call may
    // read, is not written to while it runs: nothing in this program sets variables.
    let done = unsafe { libc::localtime_r(&seconds, &mut tm) };
    if done.is_null() {
        return None;
    }
    let small = |number| u8::try_from(number).ok();
    Some(LocalTime {
        year: 1900 + i64::from(tm.tm_year),
        month: small(tm.tm_mon + 1)?,
        day: small(tm.tm_mday)?,
        hour: small(tm.tm_hour)?,
        minute: small(tm.tm_min)?,
        second: small(tm.tm_sec)?,
    })
}

/// Adds to the nice value of this process. See nice(2).
pub fn nice(increment: i32) -> Result<(), Errno> {
    Errno::clear();
    // SAFETY: the call takes a number and touches no memory. -1 is an error only with errno set.
    match unsafe { libc::nice(increment) } {
        -1 if Errno::last_raw() != 0 => Err(Errno::last()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_near_its_year() {
        let time = local_time(0);
        assert!(time.is_some_and(|t| (t.year, t.month) == (1970, 1) || (t.year, t.month) == (1969, 12)));
    }

    #[test]
    fn absurd_years() {
        assert_eq!(local_time(i64::MAX), None);
        assert_eq!(local_time(i64::MIN), None);
    }
}
