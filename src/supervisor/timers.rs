//! When to look at which service again. One entry a service and kind at most; asking costs nothing.

use crate::machine::Ms;
use std::collections::BTreeSet;

/// What a time is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// The machine's deadline.
    Deadline,
    /// Whether the fold is empty by now: a net below the notifications.
    Recheck,
    /// An auxiliary script has had its time.
    Script,
    /// A message that could not be taken out of a mailbox is tried again.
    Mail,
    /// Folds of start checks are to be emptied.
    Rubbish,
    /// Loggers have had time to drain.
    Shutdown,
    /// A directory that was found without `run`: is it there now?
    Unpacking,
    /// Is there another guardian by now?
    Reunion,
    /// Our children are to be looked through.
    Lookout,
    /// More of them may have ended than we were told.
    Ends,
    /// Can the new executable take our place now?
    Upgrade,
    /// Can what could not be watched be watched now?
    Watch,
}

/// The times to come, the next first.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeSet<(Ms, u32, Kind)>,
}

impl Timers {
    /// Replaces the time of `kind` for a service; `was` is the one it had.
    pub(super) fn set(&mut self, service: u32, kind: Kind, was: Option<Ms>, now: Option<Ms>) {
        if was == now {
            return;
        }
        if let Some(was) = was {
            self.queue.remove(&(was, service, kind));
        }
        if let Some(now) = now {
            self.queue.insert((now, service, kind));
        }
    }

    /// The next time, if any.
    pub(super) fn next(&self) -> Option<Ms> {
        self.queue.first().map(|&(at, _, _)| at)
    }

    /// Takes one whose time has come.
    pub(super) fn due(&mut self, now: Ms) -> Option<(u32, Kind)> {
        let &(at, service, kind) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.queue.pop_first();
        Some((service, kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_in_order_and_only_once() {
        let mut timers = Timers::default();
        timers.set(1, Kind::Deadline, None, Some(20));
        timers.set(2, Kind::Deadline, None, Some(10));
        timers.set(2, Kind::Recheck, None, Some(10));
        timers.set(1, Kind::Deadline, Some(20), Some(5));
        assert_eq!(timers.next(), Some(5));
        assert_eq!(timers.due(4), None);
        assert_eq!(timers.due(10), Some((1, Kind::Deadline)));
        assert_eq!(timers.due(10), Some((2, Kind::Deadline)));
        timers.set(2, Kind::Recheck, Some(10), None);
        assert_eq!(timers.due(100), None);
    }
}
