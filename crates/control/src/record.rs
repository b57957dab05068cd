//! What is kept of a lab: enough to bring it up again with the same ids and addresses, or to take it down.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::claim::Claim;
use model::{Context, InstanceId, Model, Timestamp};
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
    /// What the file promises about rights.
    #[serde(default)]
    pub rights: Vec<iam::Claim>,
    /// When it was first brought up.
    pub created: Timestamp,
    /// What runs in instances besides their init.
    pub running: BTreeMap<InstanceId, Running>,
    /// A change was begun and not finished: what the kernel holds is not known.
    pub is_changing: bool,
    /// The process that holds the built-in listeners: its number at the holder.
    pub listeners: Option<u64>,
    /// The lab that it is a part of: the network of another account or region.
    #[serde(default)]
    pub part_of: Option<String>,
}

/// What was started in an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Whether the user data ran in this holder's time: once, at the first boot (UD-1). The instance's disk remembers longer.
    pub booted: bool,
    /// Command lines with their process's number at the holder.
    pub commands: Vec<(String, u64)>,
}

impl LabRecord {
    /// A lab that holds nothing and never was up.
    pub fn new(name: &str, nothing: Model, created: Timestamp) -> LabRecord {
        LabRecord {
            name: name.to_owned(),
            file: None,
            model: nothing,
            applied: None,
            claims: Vec::new(),
            rights: Vec::new(),
            created,
            running: BTreeMap::new(),
            is_changing: false,
            listeners: None,
            part_of: None,
        }
    }

    /// Whether it never was up, or is gone.
    pub fn is_new(&self) -> bool {
        self.model.generation == 0 && self.applied.is_none()
    }

    /// Back to a lab that never was.
    pub fn forget(&mut self) {
        let nothing = Model::new(&self.model.account_id, self.model.region.clone(), Context::seeded(0, self.created));
        *self = LabRecord::new(&self.name, nothing, self.created);
    }

    /// Its holder is gone, and with it everything that ran. The files of its instances are on their disks.
    pub fn note_down(&mut self) {
        self.applied = None;
        self.is_changing = false;
        self.listeners = None;
        self.running.clear();
    }
}
