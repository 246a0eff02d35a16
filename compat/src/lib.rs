//! The family.
