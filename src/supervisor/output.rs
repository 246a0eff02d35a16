//! Where services write: to their logger, else to the journal or the catcher.

use super::Supervisor;
use super::service::{Kin, Pipe, Service};
use crate::journal;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::Fail;
use sys::spawn::Program;

impl Supervisor {
    /// A stream to the journal under the service's name, where that is what our own standard error is. Without it, the
    /// pipe to the catcher is there. The program is told, as systemd does it.
    pub(super) fn make_way_out(&mut self, index: u32, program: &mut Program) -> Option<OwnedFd> {
        let Some(journal) = &self.journal else {
            self.make_output(index);
            return None;
        };
        let service = self.services.get(index as usize).and_then(Option::as_ref)?;
        match journal.stream(&service.shown_name()) {
            Ok(stream) => {
                let words = journal::words_of(&stream).unwrap_or_default();
                crate::environment::set(&mut program.environment, journal::STREAM, words.as_bytes());
                Some(stream)
            }
            Err(errno) => {
                let fail = Fail::at("connect to the journal", journal.socket(), errno);
                self.inform(index, &format!("its output goes to svscan's: {fail}"));
                self.make_output(index);
                None
            }
        }
    }
}

/// The descriptors 1 and 2 of a program of a service that is not its `run`.
pub(super) fn both<'a>(service: &'a Service, stream: Option<&'a OwnedFd>) -> Vec<(BorrowedFd<'a>, i32)> {
    let out = stream.or(service.output.as_ref().map(|pipe| &pipe.write));
    out.into_iter().flat_map(|out| [(out.as_fd(), 1), (out.as_fd(), 2)]).collect()
}

/// The descriptors 0 to 2 of one that is: with a logger, 1 or 0 is the pipe between the two.
pub(super) fn all<'a>(
    pipes: &'a HashMap<Vec<u8>, Pipe>,
    service: &'a Service,
    stream: Option<&'a OwnedFd>,
) -> Vec<(BorrowedFd<'a>, i32)> {
    let mut fds = both(service, stream);
    match service.kin {
        Kin::LogOf(_) => {
            let main = service.name.strip_suffix(b"/log").unwrap_or(&service.name);
            fds.extend(pipes.get(main).map(|pipe| (pipe.read.as_fd(), 0)));
        }
        Kin::LoggedBy(_) => {
            fds.retain(|(_, number)| *number != 1);
            fds.extend(pipes.get(&*service.name).map(|pipe| (pipe.write.as_fd(), 1)));
        }
        Kin::Alone => {}
    }
    fds
}
