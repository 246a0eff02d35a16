//! The two clocks: one that only goes forward, and the one on the wall.

use nix::sys::time::TimeSpec;

fn read(id: libc::clockid_t) -> TimeSpec {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid timespec that the call fills; it cannot fail for these clocks.
    unsafe { libc::clock_gettime(id, &raw mut now) };
    TimeSpec::from_timespec(now)
}

/// Milliseconds since boot, unmoved by changes of the wall clock. Comparable between processes of one boot.
pub fn monotonic_ms() -> u64 {
    let now = read(libc::CLOCK_MONOTONIC);
    now.tv_sec() as u64 * 1000 + now.tv_nsec() as u64 / 1_000_000
}

/// The time since boot, suspension included, in the clock ticks in which `/proc/PID/stat` has start times. See
/// proc_pid_stat(5); a tick is 10 ms on all that Linux runs on today.
pub fn boot_ticks() -> u64 {
    let now = read(libc::CLOCK_BOOTTIME);
    now.tv_sec() as u64 * 100 + now.tv_nsec() as u64 / 10_000_000
}

/// Seconds and nanoseconds since 1970, as the wall clock has it.
pub fn wall() -> (i64, u32) {
    let now = read(libc::CLOCK_REALTIME);
    (now.tv_sec(), now.tv_nsec() as u32)
}

/// The identity of this boot (`/proc/sys/kernel/random/boot_id`, 16 bytes), zeros where it can't be read. Once read it is
/// known: a table that is written when no more files can be opened must not seem to be of another boot.
pub fn boot_id() -> [u8; 16] {
    static KNOWN: std::sync::OnceLock<[u8; 16]> = std::sync::OnceLock::new();
    if let Some(id) = KNOWN.get() {
        return *id;
    }
    let mut id = [0u8; 16];
    let Ok(text) = std::fs::read("/proc/sys/kernel/random/boot_id") else { return id };
    let digits = text.iter().filter_map(|&c| (c as char).to_digit(16));
    for (n, digit) in digits.take(32).enumerate() {
        id[n / 2] = id[n / 2] << 4 | digit as u8;
    }
    *KNOWN.get_or_init(|| id)
}
