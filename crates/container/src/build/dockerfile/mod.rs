//! The Dockerfile. [`parse`] is where its text becomes stages of instructions ([`instruction`]): lines ([`line`]), what each
//! instruction is called and may have ([`form`]), what stands behind its name (`arguments`, `flagged`), variables ([`word`]).
//! Pure; no bytes make it panic.

mod arguments;
mod flagged;
pub mod flags;
pub mod form;
pub mod heredoc;
pub mod instruction;
pub mod line;
pub mod parse;
pub mod word;

pub use instruction::{Command, Instruction, Step};
pub use parse::{Dockerfile, change, parse};
