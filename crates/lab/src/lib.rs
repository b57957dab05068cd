//! The lab file: what people write, read with places, turned into operations on a model.
//!
//! Start at [`load`]. `yaml` makes nodes of text, `decode` and `file` make typed mappings of nodes, `sentence`
//! reads rules, claims and probes. [`Lab::apply`] lets `build` make the lab in an empty cloud by operations, and
//! `change` take the cloud that is there to that one; [`Lab::plan`] says what that would change. Every error is a
//! [`Diagnostic`] with a place and a [`Code`]. [`aws::read`] makes a model of what AWS's tools wrote, [`terraform::read`] one of
//! a plan, [`Lab::identities`] an account of the file's users and roles, [`export`] a lab file of a model; [`assumed`] says what
//! may listen where nobody says it, [`slip::slips`] are mistakes that a file offers; [`snapshot`] keeps a model as one file that
//! is read in a moment. Pure: files come in through [`Files`].
#![forbid(unsafe_code)]

pub mod assumed;
pub mod aws;
mod build;
mod change;
pub mod code;
pub mod compose;
mod containers;
pub mod decode;
pub mod diagnostic;
mod export;
pub mod file;
mod identity;
pub mod load;
mod names;
pub mod sentence;
pub mod slip;
pub mod snapshot;
pub mod source;
pub mod terraform;
pub mod yaml;

pub use code::Code;
pub use containers::ContainerFiles;
pub use diagnostic::{Diagnostic, Diagnostics};
pub use change::{Action, Change, changes_between};
pub use export::{Exported, export, export_with};
pub use file::schema;
pub use identity::{IdentityChanges, identity_changes};
pub use load::{Files, Lab, load};
