//! What takes longer the more services there are is not done for every event, but in a bounded part of the time.

use std::time::{Duration, Instant};

/// Of the time that passes, such work takes one part in so many.
const SHARE: u32 = 50;
/// With so few processes it costs nothing worth saving, and is done at once.
pub(super) const FEW: usize = 64;

/// When such work was last done, and how long it took.
#[derive(Default)]
pub(super) struct Thrift {
    last: Option<(Instant, Duration)>,
}

impl Thrift {
    /// How long it has to wait yet, and `least` after the last time; `None` if it may be done now.
    pub(super) fn pause(&self, least: Duration) -> Option<Duration> {
        let (time, cost) = self.last?;
        least.max(cost * SHARE).checked_sub(time.elapsed())
    }

    /// It has been done since `begun`.
    pub(super) fn done(&mut self, begun: Instant) {
        self.last = Some((Instant::now(), begun.elapsed()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_long_waits_longer() {
        let mut thrift = Thrift::default();
        assert_eq!(thrift.pause(Duration::from_secs(1)), None);
        let second = Duration::from_secs(1);
        thrift.done(Instant::now() - 100 * second);
        let pause = thrift.pause(Duration::ZERO).unwrap();
        assert!(pause > 100 * (SHARE - 1) * second && pause <= 101 * SHARE * second, "{pause:?}");
        thrift.last = Some((Instant::now() - 10 * second, Duration::ZERO));
        assert_eq!(thrift.pause(second), None);
        assert!(thrift.pause(1000 * second).is_some());
    }
}
