//! What is kept of a lab: enough to bring it up again with the same ids and addresses, or to take it down.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::claim::Claim;
use model::{InstanceId, Model, Timestamp};
use serde::{Deserialize, Serialize};

/// A lab as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabRecord {
    /// Name, unique per user.
    pub name: String,
    /// The file it came from last.
    pub file: Option<PathBuf>,
    /// The cloud.
    pub model: Model,
    /// The model that the kernel holds; `None` before the first time and after `down`.
    pub applied: Option<Model>,
    /// What the file promises.
    pub claims: Vec<Claim>,
    /// When it was first brought up.
    pub created: Timestamp,
    /// What runs in instances besides their init.
    pub running: BTreeMap<InstanceId, Running>,
    /// The process that holds the built-in listeners: its number at the holder.
    pub listeners: Option<u64>,
}

/// What was started in an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Whether the user data ran: once, at the first boot (UD-1).
    pub booted: bool,
    /// Command lines with their process's number at the holder.
    pub commands: Vec<(String, u64)>,
}
