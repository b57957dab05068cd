//! DHCP in a VPC (DHCP-4): the router of the subnet leases every interface its primary address.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fabric::{Fabric, InterfaceIndex, Transport};
use wire::dhcp::{Lease, MessageType, Request, SERVER_PORT};
use wire::ethernet::Mac;
use wire::{EtherType, Ethernet, Ipv4, Udp, protocol};

use super::bytes::ETHERNET;
use super::judge::Travel;
use crate::node::Context;
use crate::trace::{Reason, Verb};

/// How long a lease lasts.
const DURATION: Duration = Duration::from_secs(3_600);
/// MTU of an interface, bytes (L2-7).
pub const MTU: u16 = 9_001;

/// Answers a client that asks for its lease; whether the packet was that.
pub fn answer(context: &mut Context<'_>, fabric: &Fabric, interface: InterfaceIndex, travel: &Travel) -> bool {
    let Transport::Udp { source_port: 68, destination_port: SERVER_PORT } = travel.packet.header.transport else { return false };
    let own = &fabric.interfaces[interface];
    let (vpc, subnet) = (&fabric.vpcs[own.vpc], &fabric.subnets[own.subnet]);
    let asked = context.bytes(travel.frame).get(ETHERNET..).and_then(|ip| {
        let (_, datagram) = Ipv4::parse(ip).ok()?;
        let (_, message) = Udp::parse(datagram).ok()?;
        Request::parse(message).ok()
    });
    let Some(asked) = asked else {
        context.trace(travel.port, Verb::Drop, Reason::MalformedPacket, travel.frame);
        return true;
    };
    let kind = match asked.kind {
        MessageType::Discover => MessageType::Offer,
        _ if asked.requested.or(Some(asked.current).filter(|a| !a.is_unspecified())).is_some_and(|a| a != own.primary_address()) => {
            MessageType::Refuse
        }
        _ => MessageType::Acknowledge,
    };
    let lease = (kind != MessageType::Refuse).then(|| Lease {
        address: own.primary_address(),
        subnet_mask: subnet.cidr.netmask(),
        router: subnet.router,
        name_servers: vpc.name_servers.clone(),
        domain_name: vpc.search_domain.clone(),
        host_name: None,
        ntp_servers: Vec::new(),
        mtu: MTU,
        duration: DURATION,
    });
    let reply = asked.reply(kind, subnet.router, lease);
    let (destination, port) = reply.destination();
    let datagram = Udp { source_port: SERVER_PORT, destination_port: port };
    let addresses = (IpAddr::V4(subnet.router), IpAddr::V4(destination));
    let datagram = datagram.datagram(addresses.0, addresses.1, &reply.emit());
    let packet = Ipv4::new(subnet.router, destination, protocol::UDP).packet(&datagram);
    let mac = if destination == Ipv4Addr::BROADCAST { Mac([0xff; 6]) } else { Mac(own.mac.0) };
    let ethernet = Ethernet { destination: mac, source: Mac(subnet.router_mac().0), ether_type: EtherType::IPV4 };
    context.trace(travel.port, Verb::Answer, Reason::Dhcp, travel.frame);
    let frame = context.make(travel.frame, |out| {
        ethernet.emit(out);
        out.extend_from_slice(&packet);
    });
    context.send(travel.port, frame);
    true
}
