//! Containers: their images (what they are called, how they are kept, read and written) and their networks.
//!
//! Start reading at [`Store`] (images by name, over [`blob::Blobs`] and
//! [`layers`]) and [`load`] (archives into it), then [`unpack`] (a stranger's layer as a folder); [`Reference`] says what
//! a name means, [`oci`] what the documents are, [`tar`] how archives are read without belief in what they say, and
//! [`limits`] how large anything may be.
//!
//! [`registry`] is the way to other people's images, and the only part that opens connections.
//!
//! [`network`] is what Docker does to a host's network, for one instance: bridges, addresses, published ports, names.
//!
//! [`engine`] is the life of containers: their records, volumes and logs, and what is done to them.
//!
//! The rooms below are `netlink`, `sandbox` and `wire`; this one knows nothing of clouds.

#![forbid(unsafe_code)]

pub mod blob;
pub mod build;
pub mod compression;
pub mod digest;
pub mod engine;
pub mod error;
pub mod import;
pub mod layers;
pub mod limits;
pub mod load;
pub mod network;
pub mod oci;
mod overlay;
pub mod reference;
pub mod registry;
pub mod save;
pub mod store;
pub mod tar;
pub mod unpack;
mod work;

pub use digest::Digest;
pub use error::{Error, Result};
pub use limits::Limits;
pub use reference::Reference;
pub use store::{Image, Store};
