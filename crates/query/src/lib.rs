//! The query protocols of AWS: HTTP bytes on one side, on the other the JSON of the SDKs that `ec2::call` speaks
//! (`--cli-input-json` in, boto3's answers out). EC2 has a protocol of its own, STS and IAM share another.
//!
//! Start at [`Endpoint::answer`]: it verifies the signature ([`sigv4`]), reads the form ([`form`]), turns it into
//! parameters ([`parameters`]), asks a [`Backend`], and writes XML ([`answer`], [`refusal`]). Names, types and bounds
//! of each operation are data: [`shapes`]. Rules that all operations share are here too: client tokens
//! ([`client_token`]) and pages ([`page`]). What an operation does, and whether the caller may, is decided behind
//! [`Backend`]. The client's half is here as well, for tests and clients of our own: [`parameters::write`],
//! [`sigv4::sign`], [`reply`]. Pure: no sockets, no clock, no randomness.
#![forbid(unsafe_code)]

pub mod answer;
pub mod client_token;
pub mod endpoint;
pub mod form;
pub mod http;
pub mod page;
pub mod parameters;
pub mod refusal;
pub mod reply;
pub mod resource;
pub mod shapes;
pub mod sigv4;
mod xml;

pub use endpoint::{Backend, Call, Endpoint};
pub use http::{Request, Response};
pub use refusal::Refusal;
pub use shapes::{Operation, Protocol, Service};
