//! Behind the wire: accounts and their networks, and whoever knocks. A request that `query` has read is let in or not
//! (`iam` decides, [`authorise`] says on what), and served by `ec2`, by IAM or by STS.
//!
//! A room of its own, above those three: `ec2` knows no account, `iam` no network, and `query` neither. Start at [`Visit`],
//! which is `query`'s [`Backend`](query::Backend) for one request, or [`Look`] for one that changes nothing. [`rights`] asks without a
//! call, [`lint`] says what of an account looks wrong. Pure: sockets, files and the clock are whose accounts and
//! networks these are.
#![forbid(unsafe_code)]

pub mod authorise;
pub mod caller;
mod cloud;
mod knock;
pub mod lint;
mod look;
mod pieces;
pub mod rights;
mod stock;
mod visit;

pub use cloud::{Cloud, Kept, Made, Regions};
pub use knock::Knock;
pub use look::{Look, is_reading};
pub use pieces::Pieces;
pub use visit::Visit;
