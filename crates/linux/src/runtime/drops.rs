//! Packets that the fabric dropped, told by the drop itself: every dropping rule logs the packet with its reason
//! (NFLOG group 1), and prefix, devices and mark say where that was. Nothing here asks what the fabric *would* do.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use fabric::{Component, Direction, ExplanationCode, Fabric, InterfaceKind};
use netlink::nflog::{self, Logged};
use netlink::{Protocol, Socket, rtnl};
use sandbox::{Client, SocketSpec};

use super::error::{Error, Result};
use super::packet::Seen;
use super::sockets::Sockets;
use crate::naming::Directory;

/// The NFLOG group of every dropping rule.
pub const GROUP: u16 = 1;
/// Bytes of a dropped packet that are reported: headers, and what an ICMP error quotes.
const COPY: u32 = 128;

/// A packet that died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// What dropped it.
    pub at: Option<Component>,
    /// AWS's code, if RA-8 has one for it.
    pub code: Option<ExplanationCode>,
    /// The reason as the rule logged it.
    pub prefix: String,
    /// The packet as it was at that point.
    pub packet: Option<Seen>,
    /// Its first bytes, from the network header on.
    pub bytes: Vec<u8>,
}

/// Listens to the drops of all namespaces of a lab.
#[derive(Default)]
pub struct Drops {
    listeners: BTreeMap<String, Listener>,
}

struct Listener {
    socket: Socket,
    /// A second descriptor of the same socket, for event loops.
    descriptor: OwnedFd,
    links: BTreeMap<u32, String>,
}

impl Drops {
    /// Listens in exactly these namespaces from now on.
    pub fn listen(&mut self, client: &Client, sockets: &mut Sockets, namespaces: &[String]) -> Result<()> {
        self.listeners.retain(|key, _| namespaces.contains(key));
        let new: Vec<&String> = namespaces.iter().filter(|key| !self.listeners.contains_key(*key)).collect();
        let specs: Vec<_> = new.iter().map(|key| SocketSpec::netlink(*key, libc::NETLINK_NETFILTER)).collect();
        for (key, fd) in new.into_iter().zip(client.open_sockets(&specs)?) {
            let descriptor = fd.try_clone().map_err(Error::os("duplicating a descriptor"))?;
            let mut socket = Socket::from_fd(fd).map_err(Error::netlink(key))?;
            let config = nflog::Config { copy: COPY, threshold: 1, ..nflog::Config::new(GROUP) };
            nflog::bind(&mut socket, &config).map_err(Error::netlink(key))?;
            let links = links(client, sockets, key)?;
            self.listeners.insert(key.clone(), Listener { socket, descriptor, links });
        }
        Ok(())
    }

    /// Learns the links of namespaces anew, after links came or went.
    pub fn relearn(&mut self, client: &Client, sockets: &mut Sockets) -> Result<()> {
        for (key, listener) in &mut self.listeners {
            listener.links = links(client, sockets, key)?;
        }
        Ok(())
    }

    /// What was dropped since the last call, oldest first within a namespace.
    pub fn read(&mut self, fabric: &Fabric, directory: &Directory) -> Result<Vec<Dropped>> {
        let mut dropped = Vec::new();
        for (key, listener) in &mut self.listeners {
            let mut packets = Vec::new();
            nflog::receive(&mut listener.socket, Duration::ZERO, &mut packets).map_err(Error::netlink(key))?;
            dropped.extend(packets.iter().map(|logged| explain(fabric, directory, key, &listener.links, logged)));
        }
        Ok(dropped)
    }

    /// Descriptors that become readable when something was dropped.
    pub fn descriptors(&self) -> impl Iterator<Item = std::os::fd::BorrowedFd<'_>> {
        self.listeners.values().map(|listener| listener.descriptor.as_fd())
    }
}

fn links(client: &Client, sockets: &mut Sockets, key: &str) -> Result<BTreeMap<u32, String>> {
    let socket = sockets.get(client, key, Protocol::Route)?;
    let links = rtnl::link::dump(socket).map_err(Error::netlink(key))?;
    Ok(links.into_iter().map(|link| (link.index, link.name)).collect())
}

fn explain(
    fabric: &Fabric,
    directory: &Directory,
    namespace: &str,
    links: &BTreeMap<u32, String>,
    logged: &Logged,
) -> Dropped {
    use Direction::{Egress, Ingress};
    use ExplanationCode as Code;
    let name = |index: Option<u32>| index.and_then(|i| links.get(&i)).map(String::as_str).unwrap_or_default();
    let interface = |index| directory.interface(namespace, name(index));
    let (iif, oif) = (logged.iif, logged.oif);
    let leg = |index| directory.leg(namespace, name(index));
    let subnet = |index| interface(index).map(|i| fabric.interfaces[i].subnet).or_else(|| leg(index).map(|(_, subnet)| subnet));
    let transit = || directory.transit_gateway(namespace).map(Component::TransitGateway);
    let gateway = || directory.internet_gateway(namespace).map(Component::InternetGateway);
    let behind = |index| match fabric.interfaces[interface(index)?].kind {
        InterfaceKind::NatGateway(nat) => Some(nat),
        _ => None,
    };
    let nat = || directory.nat_gateway(namespace).or_else(|| behind(oif)).map(Component::NatGateway);
    let table = || directory.route_table(namespace, logged.mark).map(Component::RouteTable);
    let (at, code) = match logged.prefix.as_str() {
        "check-out" => (interface(iif).map(Component::SourceDestCheck), Some(Code::EniSourceDestCheckRestriction)),
        "check-in" => (interface(oif).map(Component::SourceDestCheck), Some(Code::EniSourceDestCheckRestriction)),
        "sg-out" => (interface(iif).map(|i| Component::SecurityGroups(i, Egress)), Some(Code::EniSgRulesMismatch)),
        "sg-out-empty" => (interface(iif).map(|i| Component::SecurityGroups(i, Egress)), Some(Code::SgHasNoRules)),
        "sg-in" => (interface(oif).map(|i| Component::SecurityGroups(i, Ingress)), Some(Code::EniSgRulesMismatch)),
        "sg-in-empty" => (interface(oif).map(|i| Component::SecurityGroups(i, Ingress)), Some(Code::SgHasNoRules)),
        // SG-31: AWS has a metric for it, and no code.
        "sg-out-limit" => (interface(iif).map(|i| Component::SecurityGroups(i, Egress)), None),
        "sg-in-limit" => (interface(oif).map(|i| Component::SecurityGroups(i, Ingress)), None),
        "acl-out" => (subnet(iif).map(|s| Component::NetworkAcl(s, Egress)), Some(Code::SubnetAclRestriction)),
        "acl-in" => (subnet(oif).map(|s| Component::NetworkAcl(s, Ingress)), Some(Code::SubnetAclRestriction)),
        "no-route" => (table(), Some(Code::NoRouteToDestination)),
        "blackhole" => (table(), Some(Code::BadStateRoute)),
        "fabric" => (Some(Component::Fabric), Some(Code::NoPossibleDestination)),
        "fabric-broadcast" => (Some(Component::Fabric), None),
        "eni" => (interface(oif).map(Component::Interface), Some(Code::BadState)),
        "eni-out" => (interface(iif).map(Component::Interface), Some(Code::BadState)),
        "pcx" => {
            let link = name(oif);
            (directory.peering(namespace, link).map(Component::Peering), Some(Code::PcxRequiresAddressInVpcCidr))
        }
        "tgw-zone" => (leg(oif).map(|(gateway, _)| Component::TransitGateway(gateway)), Some(Code::TgwRouteAzRestriction)),
        "tgw-no-table" => (transit(), Some(Code::TgwAttachMissingTgwRtbAssociation)),
        "tgw-no-route" => (transit(), Some(Code::TgwRtbNoRouteToTgwAttachment)),
        "tgw-blackhole" => (transit(), Some(Code::TgwRtbBadStateRoute)),
        // L2-8: nobody is told.
        "tgw-mtu" => (transit(), None),
        "circle" => (Some(Component::Fabric), None),
        "vpce-source" => (
            directory.endpoint(namespace, name(oif)).map(Component::VpcEndpoint),
            Some(Code::VpceGatewayEgressSourceAddressRestriction),
        ),
        "vpce-protocol" => {
            (directory.endpoint(namespace, name(oif)).map(Component::VpcEndpoint), Some(Code::VpceGatewayProtocolRestriction))
        }
        "igw-dst-1918" => (gateway(), Some(Code::IgwDestinationAddressNotInRfc1918Egress)),
        "igw-dst-6598" => (gateway(), Some(Code::IgwDestinationAddressNotInRfc6598Egress)),
        "igw-no-public" => (gateway(), Some(Code::IgwPublicIpAssociationForEgress)),
        "igw-src-1918" => (gateway(), Some(Code::IgwSourceAddressNotInRfc1918Ingress)),
        "igw-src-6598" => (gateway(), Some(Code::IgwSourceAddressNotInRfc6598Ingress)),
        "igw-spoof" => (gateway(), Some(Code::GatewayRejectsSpoofedTraffic)),
        "igw-unmapped" => (gateway(), Some(Code::IgwPrivateIpAssociationForIngress)),
        "igw-edge" => (gateway(), Some(Code::IngressRtbNoPublicIp)),
        "nat-protocol" => (nat(), Some(Code::ProtocolRestriction)),
        "nat-source" => (nat(), Some(Code::NgwRequiresSourceInVpc)),
        prefix if prefix.starts_with("nat-") => (nat(), None),
        "resolver" => (directory.vpc(namespace).map(Component::Resolver), None),
        "eigw-inbound" => (directory.egress_only_gateway(namespace).map(Component::EgressOnlyInternetGateway), None),
        "internet" => (Some(Component::Internet), None),
        _ => (None, None),
    };
    Dropped { at, code, prefix: logged.prefix.clone(), packet: Seen::parse(&logged.payload), bytes: logged.payload.clone() }
}
