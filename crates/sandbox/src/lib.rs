//! Processes with their own namespaces and root file system; the holder that keeps a lab alive.
//!
//! Start reading at [`launch`] (a caller brings a holder to life), then [`client::Client`] (what a
//! holder does for its callers), [`spec`] (what an instance is) and [`process`] (what runs in one).
//! [`container`] is the same for containers inside instances.
//! The other side is `holder` (pid 1 of a lab), `init` (pid 1 of an instance) and `root` (the file
//! system an instance sees). [`capabilities`] says what this machine allows, [`relay`] carries TCP from
//! the host into a lab, [`uplink`] a lab's packets to the real internet.
//!
//! This room knows Linux and nothing of clouds: no address, route or rule is decided here, and no
//! netlink message is built. Everything is synchronous; holder and init are single-threaded.

/// Says something on stderr, as `eprintln!` does, which ends the process where that cannot be written: the log of a holder, a
/// shim or the daemon lies on a disk that may be full, and what they keep is worth more than the sentence.
#[macro_export]
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($words)*);
    }};
}

pub mod abort;
pub mod capabilities;
mod cgroup;
mod channel;
pub mod client;
mod connection;
pub mod container;
mod disk;
pub mod entry;
mod error;
mod exec;
mod filter;
mod holder;
mod identity;
mod init;
pub mod launch;
mod owners;
pub mod process;
mod protocol;
pub mod relay;
mod root;
pub mod running;
mod seal;
pub mod spec;
mod sys;
pub mod uplink;

pub use capabilities::Capabilities;
pub use client::Client;
pub use container::spec::{ContainerExecSpec, ContainerNetwork, ContainerRoot, ContainerSpec, ContainerUser, ProcessSpec};
pub use container::{CapabilitySet, ContainerExit};
pub use disk::remove_tree;
pub use entry::SelfCommand;
pub use error::{Error, Fault, FaultKind, Result};
pub use launch::{HolderHandle, HolderSpec, launch};
pub use owners::{at_rest, instance_ids, program_with_instance_ids};
pub use process::{ExitStatus, Process};
pub use spec::{
    Bind, ExecSpec, InstanceSpec, Limits, NetnsOwner, NetnsSpec, RootBase, RootSpec, SocketAddress,
    SocketSpec, Stdio, Tool,
};
pub use sys::raise_descriptor_limit;
