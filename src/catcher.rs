//! The catcher: where the output of services without a logger goes.
//!
//! readproctitle's successor. One pipe for each service; the last [`KEPT`] bytes of each stand in a file
//! of the run directory (none for a service that says nothing), for `pinfold status`, `svcstart` and
//! whoever asks what a service last said. Everything is passed on to standard error, as far as somebody
//! reads that: a full terminal or a stuck readproctitle holds up no service.

use crate::guardian::LINE;
use crate::guardian_line::Say;
use crate::place;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use sys::Fail;
use sys::handover::{Line, Nothing};

/// How much of what a service said is kept.
pub const KEPT: usize = 4096;
/// The directory of the files, in the run directory.
pub const DIRECTORY: &str = "output";
/// What a pipe holds; pipe(7).
const PIPE: usize = 64 * 1024;
const GUARDIAN: u64 = u64::MAX;
const RUN: u64 = u64::MAX - 1;

/// Where the last output of a service stands.
pub fn path(run: &Path, service: &[u8]) -> PathBuf {
    run.join(DIRECTORY).join(place::escape(OsStr::from_bytes(service)))
}

struct Source {
    name: Box<[u8]>,
    pipe: OwnedFd,
    last: Vec<u8>,
    /// It is to be closed when it is empty.
    closing: bool,
}

/// What a turn leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Turn,
    /// The guardian has gone, unexpectedly: the services go on, and so does what they say.
    Alone,
    /// Read what is left, and go.
    End,
}

struct Catcher {
    run: PathBuf,
    epoll: Epoll,
    line: Line,
    /// The guardian is there; the next one brings a catcher of its own.
    guarded: bool,
    /// The run directory, once it has gone.
    watch: Option<Inotify>,
    /// By the number under which epoll knows it.
    sources: Vec<Option<Source>>,
    /// Somebody reads our standard error.
    heard: bool,
}

/// Reads until the guardian says that all is done, then what is left, and returns. Without a guardian it reads on until
/// the next one is there, or every service has ended.
pub fn run(run: &Path) -> Result<(), Fail> {
    let line = sys::handover::inherited(LINE).ok_or(Fail::of("find the guardian's line", Errno::EBADF))?;
    // what inherits it would keep the guardian from seeing the end of us
    let line = Line::from_fd(sys::spawn::above_tray(line.as_fd())?);
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|e| Fail::of("set up epoll", e))?;
    epoll
        .add(&line, EpollEvent::new(EpollFlags::EPOLLIN, GUARDIAN))
        .map_err(|e| Fail::of("watch the guardian's line", e))?;
    // signals for the group are the guardian's business
    let _nothing = sys::signals::Signals::take(&[])?;
    std::fs::create_dir_all(run.join(DIRECTORY)).map_err(|e| Fail::io("make directory", run, &e))?;
    let mut catcher = Catcher {
        run: run.to_owned(),
        epoll,
        line,
        guarded: true,
        watch: None,
        sources: Vec::new(),
        heard: true,
    };
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match catcher.turn(&mut buffer) {
            Next::Turn => {}
            Next::Alone => catcher.go_on_alone(),
            Next::End => break,
        }
        if !catcher.guarded && catcher.sources.iter().all(Option::is_none) {
            break;
        }
    }
    catcher.drain(&mut buffer);
    Ok(())
}

impl Catcher {
    /// One wait and what it brought.
    fn turn(&mut self, buffer: &mut [u8]) -> Next {
        let mut events = [EpollEvent::empty(); 64];
        let count = self.epoll.wait(&mut events, EpollTimeout::NONE).unwrap_or(0);
        let mut next = Next::Turn;
        for event in &events[..count] {
            match event.data() {
                GUARDIAN => next = self.listen(buffer),
                RUN => {
                    let _ = self.watch.as_ref().map(Inotify::read_events);
                    self.seek_guardian();
                }
                id => self.read(id as usize, buffer),
            }
        }
        next
    }

    fn listen(&mut self, buffer: &mut [u8]) -> Next {
        loop {
            match self.line.receive() {
                Ok(mut message) => match Say::decode(&message.bytes) {
                    // the pipe's reading end comes first
                    Some(Say::Kept(key)) if !message.fds.is_empty() => {
                        self.add(key.name, message.fds.swap_remove(0));
                    }
                    Some(Say::Drop(key)) => self.close(&key.name, buffer),
                    Some(Say::Done) => return Next::End,
                    _ => {}
                },
                Err(Nothing::Yet) => return Next::Turn,
                Err(Nothing::Ever | Nothing::Failed(_)) => return Next::Alone,
            }
        }
    }

    fn go_on_alone(&mut self) {
        let _ = self.epoll.delete(&self.line);
        if std::mem::take(&mut self.guarded) {
            let watched = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).and_then(|inotify| {
                inotify.add_watch(&self.run, AddWatchFlags::IN_MOVED_TO).map(|_| inotify)
            });
            self.watch = watched.ok();
            if let Some(inotify) = &self.watch {
                let _ = self.epoll.add(inotify, EpollEvent::new(EpollFlags::EPOLLIN, RUN));
            }
        }
        self.seek_guardian();
    }

    /// Asks the next guardian, if there is one, whether to go: it brings a catcher of its own.
    fn seek_guardian(&mut self) {
        if let Ok((line, _)) = Line::join(&self.run)
            && self.epoll.add(&line, EpollEvent::new(EpollFlags::EPOLLIN, GUARDIAN)).is_ok()
        {
            self.line = line;
        }
    }

    fn add(&mut self, name: Vec<u8>, pipe: OwnedFd) {
        if let Some(id) = self.find(&name) {
            self.sources[id] = None;
        }
        let free = self.sources.iter().position(Option::is_none);
        let id = free.unwrap_or_else(|| {
            self.sources.push(None);
            self.sources.len() - 1
        });
        let last = std::fs::read(path(&self.run, &name)).unwrap_or_default();
        if self.epoll.add(&pipe, EpollEvent::new(EpollFlags::EPOLLIN, id as u64)).is_ok() {
            self.sources[id] = Some(Source { name: name.into(), pipe, last, closing: false });
        }
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.sources.iter().position(|source| source.as_ref().is_some_and(|source| *source.name == *name))
    }

    /// A service is gone for good: what it has said is read to the end, then its file goes too.
    fn close(&mut self, name: &[u8], buffer: &mut [u8]) {
        if let Some(id) = self.find(name) {
            if let Some(source) = &mut self.sources[id] {
                source.closing = true;
            }
            self.read(id, buffer);
        }
        let _ = std::fs::remove_file(path(&self.run, name));
    }

    /// Reads what a service has said, a pipe's worth at the most: it may talk without end, and others have
    /// something to say, too.
    fn read(&mut self, id: usize, buffer: &mut [u8]) {
        for _ in 0..PIPE / buffer.len() {
            let Some(source) = self.sources.get_mut(id).and_then(Option::as_mut) else { return };
            let ready = poll(&mut [PollFd::new(source.pipe.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO);
            let length = match ready {
                Ok(0) => 0,
                _ => nix::unistd::read(&source.pipe, buffer).unwrap_or(0),
            };
            if length == 0 {
                if source.closing || ready != Ok(0) {
                    self.sources[id] = None;
                }
                return;
            }
            let said = &buffer[..length];
            source.keep(said);
            if !source.closing {
                let _ = std::fs::write(path(&self.run, &source.name), &source.last);
            }
            pass_on(said, &mut self.heard);
        }
        if self.sources[id].as_ref().is_some_and(|source| source.closing) {
            self.sources[id] = None;
        }
    }

    fn drain(&mut self, buffer: &mut [u8]) {
        for id in 0..self.sources.len() {
            self.read(id, buffer);
        }
    }
}

impl Source {
    fn keep(&mut self, said: &[u8]) {
        self.last.extend_from_slice(said);
        if self.last.len() > KEPT {
            let cut = self.last.len() - KEPT;
            // from the start of a line, if there is one
            let line = self.last[cut..].iter().position(|&b| b == b'\n').map_or(cut, |n| cut + n + 1);
            self.last.drain(..if line < self.last.len() { line } else { cut });
        }
    }
}

/// Writes to standard error without ever waiting for its reader: what can't be written now is left out.
fn pass_on(said: &[u8], heard: &mut bool) {
    for part in said.chunks(4096) {
        if *heard {
            let written = sys::voice::write_now(std::io::stderr().as_fd(), part);
            *heard = !matches!(written, Err(Errno::EPIPE | Errno::EIO));
        }
    }
}
