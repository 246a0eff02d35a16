//! Floor 1: the fold's outer fence.
//!
//! A service is kept together by a control group, or, where there is none to be had, by a tiny
//! subreaper above it. This crate finds out which of the two this machine allows ([`Containment::probe`],
//! by trying, never by reading what is said to be there), and makes, lists, freezes, kills and removes
//! the groups. It knows nothing of services but their names.
//!
//! From the bottom: [`mounts`] and [`names`] are pure; [`House`] and [`Group`] the groups; `kill` the ways of ending
//! what is in one; [`Containment`] the choice among them. Beside them [`subtree`] for where there are none, and
//! [`strays`] for who is not where he should be.
//!
//! Everything here is for a single-threaded program that must not block: a call does a bounded piece
//! of work and says whether there is more. The exception is start-up: a probe may take milliseconds.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod advice;
mod at;
mod claim;
#[cfg(feature = "controllers")]
pub mod controllers;
pub mod group;
pub mod hierarchy;
pub mod house;
mod kill;
pub mod mounts;
pub mod names;
mod probe;
mod rights;
pub mod rung;
pub mod sessions;
pub mod strays;
pub mod subtree;
mod tree;
pub mod walk;

pub use group::{Entry, Group};
pub use hierarchy::{Containment, Request};
pub use house::House;
pub use kill::Pass;
pub use rung::Rung;
