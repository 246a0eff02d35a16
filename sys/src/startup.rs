//! How this program was started, from before the standard library touched it.
//!
//! Rust's runtime sets SIGPIPE to "ignore" and opens `/dev/null` for closed standard descriptors before
//! `main`. A program that execs others, or that ends quietly when its reader has gone, needs both as they
//! were. A function in `.init_array`, which the C library calls before the runtime starts, writes them
//! down, at the price of three system calls.

use std::ffi::{CStr, c_char, c_int};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// What was found at the start; written once, before `main`.
struct AtStart {
    /// The last argument's text, null when there is no argument or it was handed out.
    last: AtomicPtr<c_char>,
    /// The environment's strings, ended by a null pointer.
    environment: AtomicPtr<*mut c_char>,
    sigpipe_ignored: bool,
    mask: SigSet,
    /// Which of the descriptors 0, 1 and 2 were closed.
    closed: [bool; 3],
}

static AT_START: OnceLock<AtStart> = OnceLock::new();

// SAFETY: (link_section) the C library calls each pointer of `.init_array` after it is initialised itself, glibc
// with arguments that `record` does not take and musl with none; `record` only makes system calls and stores.
#[used]
#[unsafe(link_section = ".init_array")]
static RECORD: extern "C" fn() = record;

unsafe extern "C" {
    /// environ(7).
    static environ: *mut *mut c_char;
}

extern "C" fn record() {
    // SAFETY: the library has set it, and nobody changes it before `main`.
    let environment = unsafe { environ };
    let _ = AT_START.set(AtStart {
        // SAFETY: nobody has changed the environment yet.
        last: AtomicPtr::new(unsafe { last_argument(environment) }),
        environment: AtomicPtr::new(environment),
        sigpipe_ignored: ignored(Signal::SIGPIPE),
        mask: SigSet::thread_get_mask().unwrap_or(SigSet::empty()),
        closed: closed(),
    });
}

/// The last argument's text, null if there is none.
///
/// As the kernel starts a program there are on its stack, one after the other: the number of arguments, a pointer to
/// each, a null, a pointer to each string of the environment, a null (System V ABI, "process initialization").
///
/// # Safety
/// `environment` must be what the kernel has put there.
unsafe fn last_argument(environment: *mut *mut c_char) -> *mut c_char {
    if environment.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: two below the environment, past the null, is the last argument or, if there is none, their number.
    unsafe {
        let last = environment.sub(2);
        if (*last).is_null() { std::ptr::null_mut() } else { *last }
    }
}

fn ignored(signal: Signal) -> bool {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with a null new action the call only writes the present one to `now`, which is a
    // sigaction; all-zero bytes are a valid value of it if the call fails.
    let now = unsafe {
        libc::sigaction(signal as c_int, std::ptr::null(), now.as_mut_ptr());
        now.assume_init()
    };
    now.sa_sigaction == libc::SIG_IGN
}

/// Which of the standard descriptors are closed, in one call.
fn closed() -> [bool; 3] {
    let mut fds = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: poll writes to the `revents` of three pollfds, and there are three.
    if unsafe { libc::poll(fds.as_mut_ptr(), 3, 0) } < 0 {
        return [false; 3];
    }
    fds.map(|fd| fd.revents & libc::POLLNVAL != 0)
}

/// What a program that took this process's place by exec was started with, and its successor counts as: it
/// blocks all signals itself.
static SUCCEEDED: OnceLock<(SigSet, bool)> = OnceLock::new();

/// Whether the program was started with SIGPIPE ignored.
pub fn sigpipe_ignored() -> bool {
    let own = || AT_START.get().is_some_and(|start| start.sigpipe_ignored);
    SUCCEEDED.get().map_or_else(own, |(_, ignored)| *ignored)
}

/// The signals that were blocked when the program was started.
pub fn signal_mask() -> SigSet {
    let own = || AT_START.get().map_or(SigSet::empty(), |start| start.mask);
    SUCCEEDED.get().map_or_else(own, |(mask, _)| *mask)
}

/// The same two as text, for a program that is about to take this process's place: the blocked signals'
/// numbers, `-` if there are none, and 1 or 0.
pub fn as_text() -> String {
    let numbers: Vec<String> = signal_mask().iter().map(|signal| (signal as i32).to_string()).collect();
    let mask = if numbers.is_empty() { "-".to_owned() } else { numbers.join(",") };
    format!("{mask} {}", u8::from(sigpipe_ignored()))
}

/// To be called first thing by the program that has taken the place, with that text; `None` if it is none.
pub fn succeed(text: &str) -> Option<()> {
    let (mask, ignored) = text.split_once(' ')?;
    let numbers = mask.split(',').filter(|number| *number != "-");
    let signals = numbers.map(|number| Signal::try_from(number.parse::<i32>().ok()?).ok());
    let mask: SigSet = signals.collect::<Option<Vec<_>>>()?.into_iter().collect();
    SUCCEEDED.set((mask, ignored == "1")).ok()
}

/// Gives SIGPIPE back the disposition the program was started with, which is usually to die of it.
pub fn restore_sigpipe() {
    if !sigpipe_ignored() {
        // SAFETY: the default disposition runs no code of ours.
        let _ = unsafe { nix::sys::signal::signal(Signal::SIGPIPE, nix::sys::signal::SigHandler::SigDfl) };
    }
}

/// Puts signal mask and SIGPIPE as they were; to be called before another program is exec'ed.
pub fn restore_signals() {
    restore_sigpipe();
    let _ = nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&signal_mask()), None);
}

/// The environment the program was started with, string by string as it came: also strings that are no
/// `NAME=VALUE`, and names that come twice.
pub fn environment() -> Vec<&'static CStr> {
    let mut strings = Vec::new();
    let Some(start) = AT_START.get() else { return strings };
    let mut at = start.environment.load(Ordering::Relaxed);
    while !at.is_null() {
        // SAFETY: `at` is within the array that the kernel put on the stack, which ends with a null and
        // which nobody writes to: setenv makes an array of its own.
        let string = unsafe { *at };
        if string.is_null() {
            break;
        }
        // SAFETY: the array's pointers are to NUL-terminated strings, which live as long as the process
        // and which nobody writes to.
        strings.push(unsafe { CStr::from_ptr(string) });
        // SAFETY: this string was not the last, so the array goes on.
        at = unsafe { at.add(1) };
    }
    strings
}

/// Closes those of the descriptors 0, 1 and 2 again that the program was started without; to be called
/// before another program is exec'ed, and when nothing of this one has been opened on them.
pub fn restore_descriptors() {
    let closed = AT_START.get().map_or([false; 3], |start| start.closed);
    for (fd, closed) in (0..).zip(closed) {
        if closed {
            // SAFETY: what is open there is the runtime's /dev/null, which nobody owns.
            let _ = unsafe { libc::close(fd) };
        }
    }
}

/// The memory of the program's last argument, which `ps` and `/proc/PID/cmdline` show.
///
/// There is one at most in a program, and it is not `Send`: it belongs to the thread that took it.
pub struct TitleArea {
    text: *mut u8,
    len: usize,
}

/// Hands out the last argument's memory, once; `None` later, or where there are no arguments.
///
/// `std::env::args` reads the same memory: afterwards it gives what was written there. It must not be
/// called by another thread meanwhile.
pub fn title_area() -> Option<TitleArea> {
    let text = AT_START.get()?.last.swap(std::ptr::null_mut(), Ordering::AcqRel);
    if text.is_null() {
        return None;
    }
    // SAFETY: argv's pointers are to NUL-terminated strings, which live as long as the process.
    let len = unsafe { libc::strlen(text) };
    Some(TitleArea { text: text.cast(), len })
}

impl TitleArea {
    /// How many bytes there are, the terminating NUL not counted.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Overwrites the start of the area by as much of `text` as fits.
    pub fn set(&mut self, text: &[u8]) {
        let len = text.len().min(self.len);
        // SAFETY: `len` bytes from `self.text` are ours alone (`title_area` gives them out once), the
        // stack they lie on is writable, and no reference to them exists.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), self.text, len) };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn the_title_area_is_the_last_argument() {
        let last = std::env::args_os().next_back().unwrap();
        let mut area = title_area().unwrap();
        assert_eq!(area.len(), last.len());
        area.set(b"!");
        let shown = std::fs::read("/proc/self/cmdline").unwrap();
        let start = shown.len() - 1 - last.len();
        assert_eq!(shown[start], b'!');
        area.set(last.as_bytes());
        assert_eq!(std::env::args_os().next_back().unwrap(), last);
        assert!(title_area().is_none());
    }

    #[test]
    fn the_environment_is_the_programs() {
        let all: Vec<_> = environment().into_iter().map(|s| s.to_bytes().to_vec()).collect();
        assert!(!all.is_empty());
        let pairs = std::env::vars_os().map(|(k, v)| [k.as_bytes(), b"=", v.as_bytes()].concat());
        for pair in pairs {
            assert!(all.contains(&pair), "{}", pair.escape_ascii());
        }
    }

    #[test]
    fn recorded_before_the_runtime_began() {
        assert!(AT_START.get().is_some());
        assert!(ignored(Signal::SIGPIPE), "the runtime has changed its mind, and this module its reason");
        restore_sigpipe();
        assert_eq!(ignored(Signal::SIGPIPE), sigpipe_ignored());
    }
}
