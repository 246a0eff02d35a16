//! Chaos: random commands, kills and faults against tens of services of every kind, with the promises checked all the
//! time: never two generations of a service, never `down` while anybody of it is alive, no service lost, and at the
//! end no descriptor, process, cgroup, zombie or file left.
//!
//! `SEED=` chooses the decisions of a run (7 unless told otherwise; with 0 others each time, and the seed is printed), `CHAOS_SECONDS=` sets its length.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "chaos/deeds.rs"]
mod deeds;
#[path = "chaos/dice.rs"]
mod dice;
#[path = "chaos/kinds.rs"]
mod kinds;
#[path = "chaos/promises.rs"]
mod promises;
#[path = "svscan/scene.rs"]
mod scene;

use std::env;
use std::time::{Duration, Instant};

use deeds::Chaos;
use dice::Dice;

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().and_then(|text| text.parse().ok())
}

#[test]
fn whatever_happens_the_promises_hold() {
    let seed = number("SEED").unwrap_or(7);
    let seed = if seed != 0 {
        seed
    } else {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.unwrap().as_millis() as u64
    };
    let length = Duration::from_secs(number("CHAOS_SECONDS").unwrap_or(30));
    println!("SEED={seed} CHAOS_SECONDS={}", length.as_secs());
    let mut chaos = Chaos::new(Dice::new(seed));
    let begin = Instant::now();
    while begin.elapsed() < length {
        chaos.deed();
        chaos.promises_hold();
    }
    chaos.end();
}
