//! Tar: POSIX ustar and pax, and what GNU made of it, as far as images use them. [`Reader`] reads a stream once and
//! believes no number in it; [`Writer`] writes the same bytes for the same entries.

mod header;
mod pax;
mod reader;
mod sparse;
mod writer;

pub use reader::{Entry, Kind, Reader};
pub use writer::Writer;
