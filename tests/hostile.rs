//! A service's own user as the enemy: the directories that are his, his processes and their output are used
//! against root's svscan and root's tools. Whatever he does, root writes, reads, locks and signals nothing that is
//! not his service's, and no other service has to wait. `docs/security.md` names the test for each attack.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "hostile/den.rs"]
mod den;
#[path = "hostile/desks.rs"]
mod desks;
#[path = "hostile/floods.rs"]
mod floods;
#[path = "hostile/house.rs"]
mod house;
#[path = "hostile/impostors.rs"]
mod impostors;
#[path = "hostile/mailboxes.rs"]
mod mailboxes;
#[path = "hostile/reading.rs"]
mod reading;
#[path = "hostile/tools.rs"]
mod tools;
#[path = "badinput/yard.rs"]
mod yard;
