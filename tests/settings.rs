//! Every setting of a service's directory, and every letter, on real processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "settings/daemons.rs"]
mod daemons;
#[path = "settings/deaths.rs"]
mod deaths;
#[path = "settings/environment.rs"]
mod environment;
#[path = "settings/notify.rs"]
mod notify;
#[path = "settings/readiness.rs"]
mod readiness;
#[path = "svscan/scene.rs"]
mod scene;
#[path = "settings/scripts.rs"]
mod scripts;
#[path = "settings/stops.rs"]
mod stops;
