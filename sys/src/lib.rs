//! Floor 0: the kernel calls that neither the standard library nor `nix` offers, wrapped once.
//!
//! This is the only crate that may say `unsafe`; each block carries its proof. Nothing here knows
//! what a service is. Only `OwnedFd` and `BorrowedFd` cross a function's boundary.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod child;
pub mod classic;
pub mod clock;
pub mod directory;
pub mod fail;
pub mod files;
pub mod foldroot;
pub mod handover;
mod listing;
pub mod mailbox;
pub mod memory;
mod newborn;
pub mod process;
pub mod raw;
pub mod reap;
pub mod resolve;
pub mod signals;
pub mod spawn;
pub mod startup;
pub mod voice;

pub use directory::Directory;
pub use fail::Fail;
pub use nix::errno::Errno;
