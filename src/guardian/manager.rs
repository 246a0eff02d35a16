//! The service manager that started svscan, if it wants to be told how things are: systemd's, or whoever speaks its
//! protocol. See sd_notify(3).
//!
//! Nothing here waits: a manager that does not listen misses what was said.

use crate::environment;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, sendto, socket};
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use sys::clock::monotonic_ms;

const SOCKET: &[u8] = b"NOTIFY_SOCKET";
/// Variables for us, not for services: what they said in our name would be taken for ours.
const OURS: [&[u8]; 3] = [SOCKET, b"WATCHDOG_USEC", b"WATCHDOG_PID"];
/// While services end, the manager is asked for so much more time, so often.
const MORE_MS: u64 = 60_000;
const ASK_MS: u64 = 20_000;

/// The manager.
pub(super) struct Manager {
    socket: Option<(OwnedFd, UnixAddr)>,
    /// How often it wants a sign of life, and when the next is due.
    watchdog: Option<(u64, u64)>,
    /// When it is to be asked for more time.
    extend: Option<u64>,
    /// Our variables, for a successor in this process.
    variables: Vec<CString>,
}

impl Manager {
    /// Whoever the environment names; takes our variables out of it.
    pub(super) fn from_environment(environment: &mut Vec<CString>) -> Manager {
        let get = |name: &[u8]| environment::get(environment, name).map(<[u8]>::to_vec);
        let number = |name: &[u8]| std::str::from_utf8(&get(name)?).ok()?.parse::<u64>().ok();
        let ours = number(b"WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let period = number(b"WATCHDOG_USEC").filter(|_| ours).map(|usec| (usec / 2000).max(1));
        let socket = get(SOCKET).and_then(|name| open(&name));
        let variables = OURS.iter().filter_map(|name| {
            let value = environment::get(environment, name)?;
            CString::new([name, &b"="[..], value].concat()).ok()
        });
        let variables = variables.collect();
        OURS.iter().for_each(|name| environment::unset(environment, name));
        let watchdog = period.filter(|_| socket.is_some()).map(|period| (period, monotonic_ms()));
        Manager { socket, watchdog, extend: None, variables }
    }

    /// The environment with our variables, for a successor.
    pub(super) fn with_variables(&self, environment: &[CString]) -> Vec<CString> {
        environment.iter().chain(&self.variables).cloned().collect()
    }

    /// Everything that is to run has been started.
    pub(super) fn ready(&self, directory: &std::path::Path) {
        let shown = directory.display().to_string().escape_debug().to_string();
        self.say(&format!("READY=1\nSTATUS=supervising {shown}"));
    }

    /// A new executable is about to take our place; followed by [`Manager::ready`] in either case.
    pub(super) fn reloading(&self) {
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=upgrading", monotonic_ms() * 1000));
    }

    /// Everything is being stopped. From now on it is asked for more time, as long as that lasts.
    pub(super) fn stopping(&mut self) {
        self.say("STOPPING=1\nSTATUS=stopping all services");
        self.extend = self.socket.as_ref().map(|_| monotonic_ms());
    }

    /// When it is to hear from us again.
    pub(super) fn next(&self) -> Option<u64> {
        self.watchdog.map(|(_, at)| at).into_iter().chain(self.extend).min()
    }

    /// Says what is due.
    pub(super) fn keep_in_touch(&mut self) {
        let now = monotonic_ms();
        if let Some((period, _)) = self.watchdog.filter(|(_, at)| *at <= now) {
            self.say("WATCHDOG=1");
            self.watchdog = Some((period, now + period));
        }
        if self.extend.is_some_and(|at| at <= now) {
            self.say(&format!("EXTEND_TIMEOUT_USEC={}", MORE_MS * 1000));
            self.extend = Some(now + ASK_MS);
        }
    }

    fn say(&self, words: &str) {
        let Some((socket, address)) = &self.socket else { return };
        // one that is not there, or behind, misses it
        let _ = sendto(
            socket.as_raw_fd(),
            words.as_bytes(),
            address,
            MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT,
        );
    }
}

fn open(name: &[u8]) -> Option<(OwnedFd, UnixAddr)> {
    let address = match name {
        [b'@', abstract_name @ ..] => UnixAddr::new_abstract(abstract_name),
        [b'/', ..] => UnixAddr::new(name),
        _ => return None,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None).ok()?;
    Some((socket, address.ok()?))
}
