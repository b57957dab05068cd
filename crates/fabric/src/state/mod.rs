//! What outlives a packet, for engines that ask the stages: flows that interfaces remember, translations of gateways and
//! guests. The linux engine has the kernel's tables for it.

pub mod flows;
pub mod nat_table;
pub mod outbound;
pub mod translation;

pub use flows::{Circumstances, Flows};
pub use nat_table::NatTable;
pub use outbound::Outbound;
pub use translation::{Terms, Translations, with_destination, with_source};
