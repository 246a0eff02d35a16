//! A new executable in the guardian's place: the same process, which init knows, with the same descriptors.
//!
//! What is left to the successor is a text in memory, a line for each thing; the numbers in it are those of
//! descriptors that stay open over the exec. Its form has a number of its own, see `upgrade.rs`.

use super::Guardian;
use super::ward::Ward;
use crate::guardian_line::{Key, Say};
use crate::{say, upgrade};
use std::collections::VecDeque;
use std::ffi::CString;
use std::fmt::Write;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use sys::handover::{Line, inherited, outlives_exec, written_down};
use sys::process::{Identity, Pidfd};
use sys::{Errno, Fail};

impl Guardian {
    /// SIGUSR1. Comes back if the executable can't take our place; then nothing has changed.
    pub(super) fn upgrade(&mut self) {
        self.manager.reloading();
        let why = if self.endings > 0 || self.done {
            "everything is being stopped".to_owned()
        } else if self.expected.is_some() {
            "the supervisor has not come yet".to_owned()
        } else if self.incomplete.is_some() {
            // a supervisor that replaces itself has what is kept here, and nothing else
            "too many descriptors to keep".to_owned()
        } else {
            match upgrade::ask(&self.executable, &mut self.spawner) {
                Ok(()) => self.make_way().to_string(),
                Err(why) => why,
            }
        };
        say::warning(&format!("not upgraded, going on as before: {why}"));
        self.manager.ready(&self.directory);
    }

    /// Becomes the executable; comes back with the reason why not.
    fn make_way(&self) -> Fail {
        let fail = |errno| Fail::at("execute", &self.executable, errno);
        let Ok(text) = written_down(self.written().as_bytes()) else { return fail(Errno::ENOMEM) };
        let Ok(directory) = CString::new(self.directory.as_os_str().as_bytes()) else {
            return fail(Errno::EINVAL);
        };
        let stays = |on| self.descriptors().chain([text.as_fd()]).try_for_each(|fd| outlives_exec(fd, on));
        let errno = stays(true).err().unwrap_or_else(|| {
            let arguments = [c"svscan".to_owned(), directory];
            let (limit, number) = (self.spawner.child_limit(), Some(text.as_raw_fd()));
            let environment = self.manager.with_variables(&self.environment);
            upgrade::become_it(&self.executable, &arguments, &environment, limit, number)
        });
        let _ = stays(false);
        fail(errno)
    }

    fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let lines = [&self.supervisor, &self.catcher].into_iter().flatten().map(|ward| ward.line.as_fd());
        lines.chain(self.kept.all()).chain([self.lock.as_fd()])
    }

    fn written(&self) -> String {
        let mut text = format!("lock {}\n", self.lock.as_raw_fd());
        for (name, ward) in [("supervisor", &self.supervisor), ("catcher", &self.catcher)] {
            let Some(Ward { who, line, born, .. }) = ward else { continue };
            let _ = writeln!(text, "{name} {} {} {} {born}", who.pid, who.start, line.as_fd().as_raw_fd());
        }
        for key in self.kept.keys() {
            let _ = write!(text, "kept {}", key.to_text());
            for fd in self.kept.get(&key) {
                let _ = write!(text, " {}", fd.as_raw_fd());
            }
            text.push('\n');
        }
        text
    }

    /// Takes up what the predecessor in this process has left: `text` is the descriptor it stands in.
    pub(super) fn succeed(&mut self, text: OwnedFd) -> Result<(), Fail> {
        let broken = || Fail::of("read what the guardian before has left", Errno::EINVAL);
        let mut left = String::new();
        std::fs::File::from(text).read_to_string(&mut left).map_err(|_| broken())?;
        for line in left.lines().filter(|line| !line.starts_with("lock ")) {
            self.take_up(line).ok_or_else(broken)?;
        }
        self.proven = true;
        if let Some(supervisor) = &mut self.supervisor {
            supervisor.queue.push_back(Say::Upgrade);
        }
        // the catcher has nothing that its successor would not find
        if let Some(catcher) = self.catcher.take() {
            let _ = catcher.line.send(&Say::Done.encode(), &[]);
        }
        Ok(())
    }

    fn take_up(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        match words.next()? {
            "kept" => {
                let key = Key::from_text(words.next()?, words.next()?)?;
                let fds = words.map(descriptor).collect::<Option<Vec<_>>>()?;
                self.kept.put(key, fds);
            }
            name => {
                let who = Identity { pid: words.next()?.parse().ok()?, start: words.next()?.parse().ok()? };
                let line = Line::from_fd(descriptor(words.next()?)?);
                let born = words.next()?.parse().ok()?;
                // one that has ended meanwhile is started again, as ever
                let ward =
                    Pidfd::of(who).ok().map(|pidfd| Ward { who, pidfd, line, queue: VecDeque::new(), born });
                match name {
                    "supervisor" => self.supervisor = ward,
                    _ => self.catcher = ward,
                }
            }
        }
        Some(())
    }
}

/// The descriptor of a predecessor's lock, found in what it has written down; the text is left at its beginning.
pub(super) fn lock(text: &OwnedFd) -> Option<OwnedFd> {
    let mut buffer = [0; 64];
    let length = nix::sys::uio::pread(text, &mut buffer, 0).ok()?;
    let first = std::str::from_utf8(&buffer[..length]).ok()?.lines().next()?;
    descriptor(first.strip_prefix("lock ")?)
}

fn descriptor(number: &str) -> Option<OwnedFd> {
    let fd = inherited(number.parse().ok()?)?;
    outlives_exec(fd.as_fd(), false).ok().map(|()| fd)
}
