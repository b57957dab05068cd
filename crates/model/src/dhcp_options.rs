//! DHCP option sets (DHCP-1 … DHCP-3).

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::{DhcpOptionsId, Origin, Tags};

/// An immutable option set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpOptions {
    /// Identifier.
    pub id: DhcpOptionsId,
    /// Search domain.
    pub domain_name: Option<String>,
    /// Resolvers, up to four.
    pub domain_name_servers: Vec<NameServer>,
    /// Time servers.
    pub ntp_servers: Vec<Ipv4Addr>,
    /// NetBIOS name servers.
    pub netbios_name_servers: Vec<Ipv4Addr>,
    /// 1, 2, 4 or 8.
    pub netbios_node_type: Option<u8>,
    /// Tags.
    pub tags: Tags,
    /// Where it was written.
    pub origin: Origin,
}

impl DhcpOptions {
    /// Its resolvers by address, where the Amazon resolver of the VPC is at `amazon`.
    pub fn name_servers(&self, amazon: Ipv4Addr) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.domain_name_servers.iter().map(move |server| match server {
            NameServer::AmazonProvidedDns => amazon,
            NameServer::Address(address) => *address,
        })
    }
}

/// One resolver of an option set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameServer {
    /// The word `AmazonProvidedDNS`: the resolver at base + 2 (DNS-1).
    AmazonProvidedDns,
    /// A resolver by address.
    Address(Ipv4Addr),
}
