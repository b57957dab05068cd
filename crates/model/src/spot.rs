//! Requests for instances at the spot price. There is room for everybody here: a request is fulfilled at once, and nothing is
//! taken back.

use serde::{Deserialize, Serialize};

use crate::{InstanceId, SpotInstanceRequestId, Tags, Timestamp};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpotInstanceRequest {
    /// Identifier.
    pub id: SpotInstanceRequestId,
    /// The instance that came of it.
    pub instance_id: InstanceId,
    /// State.
    pub state: SpotState,
    /// Whether an instance that ends is to be followed by another one.
    pub is_persistent: bool,
    /// The most that is paid, as it was given.
    pub max_price: Option<String>,
    /// What becomes of an instance that is taken back: `terminate`, `stop`, `hibernate`.
    pub interruption_behavior: String,
    /// When it was made.
    pub create_time: Timestamp,
    /// Tags.
    pub tags: Tags,
}

/// How a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpotState {
    /// Its instance is there.
    Active,
    /// Cancelled; the instance goes on.
    Cancelled,
    /// Its instance was terminated.
    Closed,
}

impl SpotState {
    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Cancelled => "cancelled",
            Self::Closed => "closed",
        }
    }
}
