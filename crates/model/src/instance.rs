//! Instances (INST-1 … INST-10, UD-1) and their metadata options (IMDS-3 … IMDS-7).

use serde::{Deserialize, Serialize};

use crate::{ImageId, InstanceId, InstanceProfileAssociationId, Origin, ReservationId, SpotInstanceRequestId, Tags, Timestamp};

/// An instance. Its interfaces point at it ([`crate::Model::interfaces_of`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Identifier.
    pub id: InstanceId,
    /// The launch it came from.
    pub reservation_id: ReservationId,
    /// Position in that launch.
    pub ami_launch_index: u32,
    /// Machine image.
    pub image_id: ImageId,
    /// Type, such as `t3.micro`; limits interfaces and addresses (ENI-4).
    pub instance_type: String,
    /// Key pair by name.
    pub key_name: Option<String>,
    /// The instance profile that gives it a role (IAM-3).
    #[serde(default)]
    pub iam_instance_profile: Option<InstanceProfileAssociation>,
    /// State now.
    pub state: InstanceState,
    /// When a passing state (`pending`, `stopping`, `shutting-down`) ends.
    pub settles_at: Timestamp,
    /// When its status checks pass, once it runs.
    #[serde(default)]
    pub checks_pass_at: Timestamp,
    /// When it was launched or last started.
    pub launch_time: Timestamp,
    /// How often it was told to reboot; when this rises, an engine starts the guest anew.
    pub reboots: u32,
    /// Why it left `running`, as the API prints it; empty otherwise.
    pub state_transition_reason: String,
    /// Zone name.
    pub availability_zone: String,
    /// User data, decoded, at most 16 KiB (UD-1).
    pub user_data: Option<Vec<u8>>,
    /// Metadata service settings.
    pub metadata_options: MetadataOptions,
    /// INST-4.
    pub disable_api_termination: bool,
    /// Whether StopInstances is refused.
    pub disable_api_stop: bool,
    /// Whether a burstable type may spend more CPU credits than it has earned (shown, nothing else).
    #[serde(default)]
    pub unlimited_cpu_credits: bool,
    /// Whether detailed monitoring was asked for (shown, nothing else).
    pub monitoring: bool,
    /// Whether a shutdown from inside terminates instead of stopping (INST-8).
    pub terminate_on_shutdown: bool,
    /// Whether the resource name `i-….REGION.compute.internal` answers (DNS-3).
    pub resource_name_dns: bool,
    /// Name of the device that it boots from.
    #[serde(default)]
    pub root_device_name: String,
    /// Settings that a launch makes and few calls change.
    #[serde(default)]
    pub options: InstanceOptions,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

/// Settings of an instance that mean nothing for its network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceOptions {
    /// Whether it has a network of its own to its volumes (shown, nothing else).
    pub ebs_optimized: bool,
    /// Whether the hardware is for this account alone (shown, nothing else).
    pub is_dedicated: bool,
    /// Cores and threads of each, where they differ from the type's; they bound what the instance may use.
    pub cpu: Option<(u32, u32)>,
    /// Whether a broken machine is not replaced by itself (shown, nothing else).
    pub auto_recovery_disabled: bool,
    /// Whether a planned reboot does not move it (shown, nothing else).
    pub reboot_migration_disabled: bool,
    /// Whether it takes no capacity that somebody reserved; there is none here.
    pub refuses_reserved_capacity: bool,
    /// The request at the spot price that it came of.
    pub spot_instance_request_id: Option<SpotInstanceRequestId>,
}

/// Which instance profile an instance has. What the profile gives is not known here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceProfileAssociation {
    /// Identifier.
    pub id: InstanceProfileAssociationId,
    /// The profile's resource name: `arn:aws:iam::ACCOUNT:instance-profile/NAME`.
    pub arn: String,
    /// The profile's own identifier, `AIPA…`; empty where nobody has said it yet.
    pub profile_id: String,
    /// Since when.
    pub since: Timestamp,
}

impl InstanceProfileAssociation {
    /// The profile's name, without its path.
    pub fn name(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or(&self.arn)
    }
}

/// INST-1. The code is the low byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Starting.
    Pending,
    /// Up.
    Running,
    /// Terminating.
    ShuttingDown,
    /// Gone, still shown for about an hour (INST-3).
    Terminated,
    /// Stopping.
    Stopping,
    /// Off; keeps its addresses (INST-5).
    Stopped,
}

impl InstanceState {
    /// AWS's code.
    pub fn code(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }

    /// AWS's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

/// How the metadata service answers an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataOptions {
    /// Whether a token is required (IMDS-3).
    pub http_tokens_required: bool,
    /// IP TTL of the token response, 1 to 64 (IMDS-5).
    pub http_put_response_hop_limit: u8,
    /// Whether the service answers at all (IMDS-4).
    pub http_endpoint_enabled: bool,
    /// Whether tags are shown (IMDS-9).
    pub instance_metadata_tags: bool,
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self {
            http_tokens_required: false,
            http_put_response_hop_limit: 1,
            http_endpoint_enabled: true,
            instance_metadata_tags: false,
        }
    }
}
