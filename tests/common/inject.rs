//! Errors and signals at chosen system calls of a running process, by strace(1).

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::processes::Process;
use super::{Sandbox, expect};

/// Lasts until it is dropped: then the process goes on by itself.
pub(crate) struct Injection(Child);

impl Injection {
    /// `what` happens at `calls`, both in strace's words (`openat,clone3`, `error=ENFILE`), to this process and to
    /// none that it starts. An error says why that can't be had here.
    pub(crate) fn new(sandbox: &Sandbox, into: &Process, calls: &str, what: &str) -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let log = sandbox.lab().join(format!("strace.{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let mut command = Command::new("strace");
        command.args(["-p", &into.pid.to_string(), "-e", &format!("trace={calls}")]);
        command.args(["-e", &format!("inject={calls}:{what}")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let child = command.spawn().map_err(|error| format!("no strace: {error}"))?;
        let mut injection = Injection(child);
        // said once the process has been halted for it: it makes no call any more that is not seen
        let attached = sandbox.wait_for("strace to be attached", || {
            let said = fs::read_to_string(&log).unwrap();
            let over = injection.0.try_wait().unwrap().is_some();
            expect(over || said.contains(" attached"), &said).map(|()| if over { Err(said) } else { Ok(()) })
        });
        attached.map(|()| injection).map_err(|said| format!("strace: {}", said.trim_end()))
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        // strace detaches when it is asked to end, and only then in good order
        let _ = kill(Pid::from_raw(self.0.id() as i32), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}
