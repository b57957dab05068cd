//! Regions and availability zones (GEO-1 … GEO-5), by table.

use serde::{Deserialize, Serialize};

/// A region by its code, such as `ap-northeast-2`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Region(pub String);

impl Default for Region {
    fn default() -> Self {
        Self("ap-northeast-2".to_owned())
    }
}

impl std::fmt::Display for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}
