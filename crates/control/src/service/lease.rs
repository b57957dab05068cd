//! DHCP in a VPC, as far as somebody with an address meets it (DHCP-4): the subnet's router gives an interface more time on
//! its primary address. Guests are born with their addresses, so nobody asks for a first lease here.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fabric::{Fabric, VpcIndex};
use wire::dhcp::{Lease, MessageType, Request};

/// How long a lease lasts.
const DURATION: Duration = Duration::from_secs(3_600);

/// The answer to a message from the interface that has `peer`; `None`: it is no question, or nobody's there.
pub fn answer(fabric: &Fabric, vpc: VpcIndex, peer: Ipv4Addr, message: &[u8]) -> Option<Vec<u8>> {
    let asked = Request::parse(message).ok()?;
    let vpc = fabric.vpcs.get(vpc)?;
    let interface = &fabric.interfaces[*vpc.addresses.get(&IpAddr::V4(peer))?];
    let subnet = &fabric.subnets[interface.subnet];
    if !matches!(asked.kind, MessageType::Request | MessageType::Inform) || asked.mac.0 != interface.mac.0 {
        return None;
    }
    let wanted = asked.requested.unwrap_or(asked.current);
    if wanted != interface.primary_address() {
        return Some(asked.reply(MessageType::Refuse, subnet.router, None).emit());
    }
    let lease = Lease {
        address: interface.primary_address(),
        subnet_mask: subnet.cidr.netmask(),
        router: subnet.router,
        name_servers: vpc.name_servers.clone(),
        domain_name: vpc.search_domain.clone(),
        host_name: None,
        ntp_servers: Vec::new(),
        mtu: u16::try_from(linux::plan::MTU_VPC).unwrap_or(u16::MAX),
        duration: DURATION,
    };
    Some(asked.reply(MessageType::Acknowledge, subnet.router, Some(lease)).emit())
}
