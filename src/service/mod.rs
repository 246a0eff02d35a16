//! A service's directory: what the files in it say.

pub mod env;
pub mod name;
pub mod script;
pub mod settings;

pub use settings::Settings;
