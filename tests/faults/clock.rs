//! The clock on the wall, set a year back and forward. It is the whole machine's: so only where nobody minds.

use std::env;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime, clock_settime};

use super::common::skipped;
use super::ordeal::Ordeal;

const YEAR: i64 = 365 * 24 * 3600;

/// Sets the clock back to what it would have been, also when the test fails.
struct Shift(i64);

impl Shift {
    fn by(&mut self, seconds: i64) {
        let now = clock_gettime(ClockId::CLOCK_REALTIME).unwrap();
        clock_settime(ClockId::CLOCK_REALTIME, now + TimeSpec::new(seconds, 0)).unwrap();
        self.0 += seconds;
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        let back = -self.0;
        self.by(back);
    }
}

#[test]
fn the_clock_is_set() {
    if env::var_os("PINFOLD_MAY_SET_CLOCK").is_none() {
        return skipped("would set the clock of this machine; PINFOLD_MAY_SET_CLOCK=1 allows it");
    }
    let ordeal = Ordeal::new("clock", &["squid", "other"]);
    let squid = ordeal.sandbox.up("squid");
    let mut shift = Shift(0);
    for seconds in [-YEAR, 2 * YEAR, -YEAR] {
        shift.by(seconds);
        ordeal.works("other");
        ordeal.lose_supervisor();
        ordeal.works("other");
        assert_eq!(ordeal.sandbox.up("squid"), squid, "nobody is taken for another");
        // an age that can't be known is none, and not an error
        let said = ordeal.sandbox.svstat("squid");
        assert!(said.starts_with("up (pid "), "{said}");
    }
    drop(shift);
    ordeal.works("squid");
    ordeal.scene.close();
}
