//! Services that have changed and are still to be published.

use crate::machine::Ms;

/// Which, and since when there are any.
#[derive(Default)]
pub(super) struct Unpublished {
    services: Vec<u32>,
    /// Set when it is first asked for; never while there are none.
    since: Option<Ms>,
}

impl Unpublished {
    /// One more; it is not among them yet.
    pub(super) fn add(&mut self, index: u32) {
        self.services.push(index);
    }

    /// For how long there have been some, first asked `now`; `None` if there are none.
    pub(super) fn waiting(&mut self, now: Ms) -> Option<Ms> {
        if self.services.is_empty() {
            return None;
        }
        Some(now.saturating_sub(*self.since.get_or_insert(now)))
    }

    /// Takes those that need not wait any longer.
    pub(super) fn take(&mut self, may_wait: impl Fn(u32) -> bool) -> Vec<u32> {
        let (later, now) = std::mem::take(&mut self.services).into_iter().partition(|&index| may_wait(index));
        self.services = later;
        self.since = self.since.filter(|_| !self.services.is_empty());
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_counts_anew_when_all_have_been_taken() {
        let mut all = Unpublished::default();
        assert_eq!(all.waiting(5), None);
        all.add(1);
        all.add(2);
        assert_eq!((all.waiting(10), all.waiting(13)), (Some(0), Some(3)));
        assert_eq!(all.take(|index| index == 2), [1]);
        // the one that is left has waited all the time
        assert_eq!(all.waiting(14), Some(4));
        assert_eq!(all.take(|_| false), [2]);
        assert_eq!(all.waiting(15), None);
        all.add(3);
        assert_eq!(all.waiting(1000), Some(0));
    }
}
