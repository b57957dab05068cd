//! Netlink without policy: values to bytes and back, and one blocking socket.
//!
//! - [`message`]: a [`Batch`] of requests, and the reader of what the kernel answers.
//! - [`socket`]: [`Socket`], which sends a batch and says which of its messages was refused.
//! - [`rtnl`]: links, addresses, routes, rules, neighbours.
//! - [`nft`]: nf_tables: [`nft::Transaction`], [`nft::Expr`], dumps and trace events.
//! - [`conntrack`], [`nflog`], [`sock_diag`]: connection entries, logged packets, open sockets.
//!
//! What to send, and when, is decided elsewhere. Start reading at [`Batch`] and [`Socket`].
#![cfg(target_os = "linux")]
#![deny(unsafe_code)]

pub mod conntrack;
pub mod error;
pub mod message;
pub mod nflog;
pub mod nft;
pub mod rtnl;
pub mod sock_diag;
pub mod socket;

pub use error::{Error, Malformed, Refusal};
pub use message::{Attributes, Batch, Body, Message};
pub use socket::{Protocol, Socket};
