//! The Dockerfile: lines ([`line`]), instructions ([`instruction`]), variables ([`word`]). Pure; no bytes make it panic.

pub mod flags;
pub mod heredoc;
pub mod instruction;
pub mod line;
pub mod parse;
pub mod word;

pub use instruction::{Command, Instruction, Step};
pub use parse::{Dockerfile, change, parse};
