//! Launch templates: what a launch says, under a name and in versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{LaunchTemplateId, Origin, Tags, Timestamp};

/// A launch template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchTemplate {
    /// Identifier.
    pub id: LaunchTemplateId,
    /// Name, unique in the region.
    pub name: String,
    /// The version that a launch takes that names none.
    pub default_version: u64,
    /// The number that was given last; numbers of versions that are gone do not come back.
    pub latest_version: u64,
    /// The versions that are there, by number from 1.
    pub versions: BTreeMap<u64, LaunchTemplateVersion>,
    /// When it was made.
    pub create_time: Timestamp,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// One version of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchTemplateVersion {
    /// Free text.
    pub description: String,
    /// The parameters, as the API names them, in JSON. Whoever knows the API reads them: here they are a text.
    pub parameters: String,
    /// When it was made.
    pub create_time: Timestamp,
}
