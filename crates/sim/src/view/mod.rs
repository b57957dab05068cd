//! What people see of a trace: the list of events ([`list`]), the OSI view ([`layers`]), tables ([`tables`]), captures
//! ([`capture`]), and the language that says which of it ([`filter`]). Text without colour, and values that serialise.
//!
//! Start at [`View`]. Everything here reads and nothing changes; what happened is decided elsewhere.

pub mod capture;
pub(crate) mod columns;
pub mod filter;
pub mod fold;
pub mod layers;
pub mod list;
pub(crate) mod nearest;
mod relative;
mod scene;
pub mod summary;
pub mod tables;
pub mod unit;
pub mod why;

pub use filter::Filter;
pub use layers::Layers;
pub use list::List;
pub use scene::View;
pub use tables::Tables;
