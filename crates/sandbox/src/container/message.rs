//! What holder and shim say to each other.

use serde::{Deserialize, Serialize};

use super::spec::{Attach, ContainerEnd, ContainerExecSpec};
use crate::error::Fault;
use crate::process::ExitStatus;
use crate::protocol::StdioKind;

/// Holder to shim.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToShim {
    /// Carries what [`StdioKind`] says.
    Exec {
        process: u64,
        spec: ContainerExecSpec,
        stdio: StdioKind,
    },
    /// To a command that [`ToShim::Exec`] started.
    SignalProcess { process: u64, signal: i32 },
    /// To the container's first process.
    Signal { signal: i32 },
    /// Carries the shim's ends of the pipes: those that are wanted, in the order input, output, errors.
    Attach { attach: Attach },
    /// Answered with [`ToHolder::Answer`].
    Resize { request: u64, rows: u16, columns: u16 },
    /// Answered. Every process is stopped or goes on by signals.
    Stop { request: u64, stop: bool },
    /// Answered with a descriptor of its root.
    OpenRoot { request: u64 },
    /// Answered.
    WriteFile { request: u64, path: String, content: String },
}

/// Shim to holder.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToHolder {
    /// Carries a pidfd of the first process and its network namespace.
    Started { instance_pid: i32, started: u64, warnings: Vec<String> },
    NotStarted(Fault),
    /// Carries the terminal's master where one was asked for.
    ProcessStarted { process: u64, pid: i32 },
    ProcessNotStarted { process: u64, fault: Fault },
    ProcessExited { process: u64, status: ExitStatus },
    /// Carries what was asked for, if it was a descriptor.
    Answer { request: u64, refused: Option<Fault> },
    Ended(ContainerEnd),
}

/// What a caller is told of a container that was started.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Started {
    pub pid: i32,
    pub instance_pid: i32,
    pub started: u64,
    pub warnings: Vec<String>,
}
