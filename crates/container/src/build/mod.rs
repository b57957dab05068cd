//! Building images of Dockerfiles.

pub mod config;
pub mod dockerfile;
pub mod error;

pub use error::{Error, Mistake, Place, Result};
