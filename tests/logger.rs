//! The logger: Debian's `multilog` and ours do the same with the same script and input, take each other's
//! directories over, and lose nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "logger/cost.rs"]
mod cost;
#[path = "logger/full.rs"]
mod full;
#[path = "logger/left.rs"]
mod left;
#[path = "logger/lines.rs"]
mod lines;
#[path = "logger/lost.rs"]
mod lost;
#[path = "logger/place.rs"]
mod place;
#[path = "logger/rotated.rs"]
mod rotated;
#[path = "logger/signals.rs"]
mod signals;
