//! What a ready descriptor is about, as the 64 bits that epoll carries.

/// A source of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A signal has come.
    Signals,
    /// The guardian has something to say.
    Guardian,
    /// Names came or went in the scan directory.
    Directory,
    /// logind has opened a session.
    Sessions,
    /// A new guardian may be there.
    Meeting,
    /// Letters for a service.
    Control(u32),
    /// An adopted leader, not our child, has ended.
    Leader(u32),
    /// A service says that it is ready.
    Ready(u32),
    /// A fold root has something to report.
    Report(u32),
    /// A service has written to its mailbox.
    Mail(u32),
}

impl Source {
    /// As epoll's data.
    pub(super) fn token(self) -> u64 {
        let (kind, service) = match self {
            Source::Signals => (0, 0),
            Source::Guardian => (1, 0),
            Source::Directory => (2, 0),
            Source::Control(n) => (3, n),
            Source::Leader(n) => (4, n),
            Source::Ready(n) => (5, n),
            Source::Report(n) => (6, n),
            Source::Sessions => (7, 0),
            Source::Meeting => (8, 0),
            Source::Mail(n) => (9, n),
        };
        kind << 32 | u64::from(service)
    }

    /// From epoll's data.
    pub(super) fn from_token(token: u64) -> Option<Source> {
        let service = token as u32;
        Some(match token >> 32 {
            0 => Source::Signals,
            1 => Source::Guardian,
            2 => Source::Directory,
            3 => Source::Control(service),
            4 => Source::Leader(service),
            5 => Source::Ready(service),
            6 => Source::Report(service),
            7 => Source::Sessions,
            8 => Source::Meeting,
            9 => Source::Mail(service),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_survives_the_trip() {
        use Source::*;
        for source in [
            Signals,
            Guardian,
            Directory,
            Sessions,
            Meeting,
            Control(0),
            Leader(1),
            Ready(u32::MAX),
            Report(7),
            Mail(3),
        ] {
            assert_eq!(Source::from_token(source.token()), Some(source));
        }
        assert_eq!(Source::from_token(u64::MAX), None);
    }
}
