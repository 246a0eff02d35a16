//! `pinfold import`: what other managers' services become, and that they work when they have become it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[allow(dead_code)] // a part of it is used
#[path = "commands/house.rs"]
mod house;
#[path = "import/links.rs"]
mod links;
#[path = "import/live.rs"]
mod live;
#[path = "import/units.rs"]
mod units;
