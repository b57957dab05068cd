//! Network interfaces (ENI-1 … ENI-11) and auto-assigned public addresses (PIP-1 … PIP-4).

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::{AttachmentId, InstanceId, NetworkInterfaceId, Origin, SecurityGroupId, SubnetId, Tags, Timestamp, VpcId};

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInterface {
    /// Identifier.
    pub id: NetworkInterfaceId,
    /// The subnet, for life (ENI-1).
    pub subnet_id: SubnetId,
    /// The VPC.
    pub vpc_id: VpcId,
    /// Free text.
    pub description: String,
    /// Unique, locally administered unicast, for life (ENI-9).
    pub mac_address: MacAddress,
    /// Private IPv4 addresses, the primary one first (ENI-1).
    pub private_ip_addresses: Vec<Ipv4Addr>,
    /// IPv6 addresses.
    pub ipv6_addresses: Vec<Ipv6Addr>,
    /// The auto-assigned public address of the primary private address (PIP-1); hidden by an EIP there (EIP-6).
    pub auto_public_ip: Option<Ipv4Addr>,
    /// When an auto-assigned address comes back after an Elastic IP address left (EIP-6).
    pub auto_public_ip_due: Option<Timestamp>,
    /// The public-addressing setting it was created with or given later (SUB-7, PIP-4).
    pub associate_public_ip_address: bool,
    /// Security groups; never empty for an interface of a user (SG-28), empty for a NAT gateway's (NAT-13).
    pub groups: Vec<SecurityGroupId>,
    /// ENI-5.
    pub source_dest_check: bool,
    /// What it is attached to.
    pub attachment: Option<Attachment>,
    /// Who it serves.
    pub interface_type: InterfaceType,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl NetworkInterface {
    /// The primary private address.
    pub fn primary_address(&self) -> Ipv4Addr {
        self.private_ip_addresses[0]
    }

    /// The instance it is attached to.
    pub fn instance_id(&self) -> Option<&InstanceId> {
        self.attachment.as_ref().map(|a| &a.instance_id)
    }
}

/// What an interface is for. All but `Interface` are requester-managed (ENI-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InterfaceType {
    /// An ordinary one.
    Interface,
    /// A NAT gateway's (NAT-1).
    NatGateway,
    /// An interface endpoint's (VPCE-5).
    VpcEndpoint,
}

/// An attachment to an instance (ENI-2, ENI-3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Identifier.
    pub id: AttachmentId,
    /// The instance.
    pub instance_id: InstanceId,
    /// 0 is the primary interface (ENI-3).
    pub device_index: u32,
    /// ENI-8.
    pub delete_on_termination: bool,
    /// When it was attached.
    pub attach_time: Timestamp,
}

/// A 48-bit MAC address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MacAddress(pub [u8; 6]);

impl std::fmt::Display for MacAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl std::fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> Self {
        mac.to_string()
    }
}

impl std::str::FromStr for MacAddress {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|p| p.len() == 2).ok_or("a MAC address has six two-digit parts")?;
            *byte = u8::from_str_radix(part, 16).map_err(|e| e.to_string())?;
        }
        match parts.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err("a MAC address has six two-digit parts".to_owned()),
        }
    }
}

impl TryFrom<String> for MacAddress {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
