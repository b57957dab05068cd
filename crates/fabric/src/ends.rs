//! From what people name to what engines send: who sends for an end, and at which address another end is asked.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use model::RouteTarget;
use model::selector::End;

use crate::engine::Sender;
use crate::fabric::Fabric;
use crate::gateway::TransitEnd;
use crate::index::{InterfaceIndex, TransitGatewayIndex, VpcIndex};
use crate::names::Entity;
use crate::packet::Family;

/// An end that cannot send, or cannot be asked, there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndError {
    /// Nothing is there.
    #[error("`{0}` is not in this lab")]
    NotFound(String),
    /// Nobody in the block or at the address sends.
    #[error("nobody has an address in {0}")]
    Nobody(String),
    /// The receiver has no public address, and the sender is not where it could use the private one.
    #[error("{0} has no public address")]
    NoPublicAddress(String),
    /// The sender has IPv6 addresses only, and the receiver none.
    #[error("{0} has no IPv6 address")]
    NoIpv6Address(String),
}

impl Fabric {
    /// Who sends for an end, sorted: an interface, every host of an outside place, the hosts that stand for `internet`;
    /// for a block, everyone who has an address in it.
    pub fn senders(&self, end: &End) -> Result<Vec<Sender>, EndError> {
        let nobody = |what: &dyn ToString| EndError::Nobody(what.to_string());
        let mut senders = match end {
            End::Interface { interface, .. } => match self.interface_by_id(interface) {
                Some(_) => vec![Sender::Interface(interface.clone())],
                None => return Err(EndError::NotFound(interface.to_string())),
            },
            End::Outside(name) => self.host_addresses(name)?.into_iter().map(Sender::Outside).collect(),
            End::Internet => self.representatives().into_iter().map(|a| Sender::Outside(IpAddr::V4(a))).collect(),
            End::Address(address) => vec![self.sender_at(*address).ok_or_else(|| nobody(address))?],
            End::Block(block) => self.addresses_in(*block).into_iter().filter_map(|a| self.sender_at(a)).collect(),
        };
        senders.sort();
        senders.dedup();
        match (senders.is_empty(), end) {
            (true, End::Block(block)) => Err(nobody(block)),
            (true, _) => Err(nobody(&"the internet")),
            (false, _) => Ok(senders),
        }
    }

    /// The addresses at which `from` asks an end: the private address where a private way is meant
    /// ([`Fabric::is_private_way_meant`]), else the public one (what a public name resolves to, DNS-5).
    pub fn destinations(&self, from: &Sender, to: &End) -> Result<Vec<IpAddr>, EndError> {
        match to {
            End::Interface { interface, .. } => {
                let index = self.interface_by_id(interface).ok_or_else(|| EndError::NotFound(interface.to_string()))?;
                self.address_from(from, index).map(|address| vec![address])
            }
            End::Outside(name) => self.host_addresses(name),
            End::Internet => Ok(self.representatives().into_iter().map(IpAddr::V4).collect()),
            End::Address(address) => Ok(vec![*address]),
            End::Block(block) => match self.addresses_in(*block) {
                none if none.is_empty() => Err(EndError::Nobody(block.to_string())),
                some => Ok(some),
            },
        }
    }

    /// Who sends over IPv6 where an end is said: hosts outside with an address of it, the internet by its own.
    pub fn ipv6_senders(&self, from: &End) -> Result<Vec<Sender>, EndError> {
        if *from == End::Internet {
            return Ok(self.ipv6_representatives().iter().map(|address| Sender::Outside(IpAddr::V6(*address))).collect());
        }
        let all = self.senders(from)?.into_iter();
        Ok(all.filter(|sender| !matches!(sender, Sender::Outside(IpAddr::V4(_)))).collect())
    }

    /// The addresses at which an end is asked over IPv6: nothing stands for them, so it does not matter who asks.
    pub fn ipv6_destinations(&self, from: &Sender, to: &End) -> Result<Vec<IpAddr>, EndError> {
        match to {
            End::Interface { interface, .. } => {
                let index = self.interface_by_id(interface).ok_or_else(|| EndError::NotFound(interface.to_string()))?;
                let own = &self.interfaces[index];
                let first = own.ipv6.first().ok_or_else(|| EndError::NoIpv6Address(own.name.clone()))?;
                Ok(vec![IpAddr::V6(*first)])
            }
            End::Internet => Ok(self.ipv6_representatives().iter().map(|address| IpAddr::V6(*address)).collect()),
            End::Outside(_) | End::Address(_) | End::Block(_) => {
                Ok(self.destinations(from, to)?.into_iter().filter(IpAddr::is_ipv6).collect())
            }
        }
    }

    /// Whether a sender has an address of a family.
    pub fn speaks(&self, sender: &Sender, family: Family) -> bool {
        match sender {
            Sender::Outside(address) => Family::of(*address) == family,
            Sender::Interface(id) => {
                self.interface_by_id(id).is_some_and(|index| self.interfaces[index].all_addresses().any(|own| Family::of(own) == family))
            }
            Sender::Container(_) => family == Family::V4,
        }
    }

    fn address_from(&self, from: &Sender, to: InterfaceIndex) -> Result<IpAddr, EndError> {
        let own = &self.interfaces[to];
        if matches!(from, Sender::Outside(IpAddr::V6(_))) {
            let first = own.ipv6.first().copied();
            return first.map(IpAddr::V6).ok_or_else(|| EndError::NoIpv6Address(own.name.clone()));
        }
        let sender = match from {
            Sender::Interface(id) | Sender::Container(id) => {
                Some(self.interface_by_id(id).ok_or_else(|| EndError::NotFound(id.to_string()))?)
            }
            Sender::Outside(_) => None,
        };
        let is_inside = sender.is_some_and(|sender| self.is_private_way_meant(sender, to));
        // Behind a virtual private gateway private addresses are asked too.
        let behind = |a: Ipv4Addr| self.all_behind_vpn(IpAddr::V4(a)).any(|gateway| self.vpn_gateways[gateway].vpc == Some(own.vpc));
        let is_private_host = matches!(from, Sender::Outside(IpAddr::V4(a)) if is_private(*a) || behind(*a));
        match is_inside || is_private_host {
            true => Ok(IpAddr::V4(own.primary_address())),
            false => {
                let public = own.addresses.iter().find_map(|address| address.public);
                public.map(IpAddr::V4).ok_or_else(|| EndError::NoPublicAddress(own.name.clone()))
            }
        }
    }

    /// Whether who names `to` at `from` means its private address: the two VPCs are one or joined; or a route of `from` for that
    /// address leads to a peering, a transit gateway, a virtual private gateway or a middlebox, wherever that ends; or `to` has
    /// no public address, and there is a private way but for a step: a default route to such a gateway, a peering connection
    /// that is not accepted, or a chain of connections through other VPCs, as which peering does not work (PCX-4).
    pub fn is_private_way_meant(&self, from: InterfaceIndex, to: InterfaceIndex) -> bool {
        let (sender, receiver) = (&self.interfaces[from], &self.interfaces[to]);
        let (one, other) = (sender.vpc, receiver.vpc);
        if one == other || self.are_joined(one, other) {
            return true;
        }
        let is_public = receiver.addresses.iter().any(|address| address.public.is_some());
        let table = &self.route_tables[self.subnets[sender.subnet].route_table];
        let routed = table.lookup(receiver.primary_address().into()).is_some_and(|route| match route.target {
            RouteTarget::VpcPeeringConnection(_) | RouteTarget::TransitGateway(_) => !is_public || route.destination.prefix_len() > 0,
            RouteTarget::VpnGateway(_) | RouteTarget::NetworkInterface(_) => route.destination.prefix_len() > 0,
            _ => false,
        });
        // An address that the sender's own VPC has leads nowhere else.
        let is_ambiguous = self.vpcs[one].contains(receiver.primary_address().into());
        routed || !is_public && !is_ambiguous && self.vpcs[one].neighbourhood == self.vpcs[other].neighbourhood
    }

    /// Whether two VPCs know each other's private addresses: by an active peering connection, or by transit gateways.
    pub fn are_joined(&self, one: VpcIndex, other: VpcIndex) -> bool {
        let peered = self.peerings.values().any(|peering| peering.is_active() && peering.peer_of(one) == Some(other));
        peered || self.transit_gateways.indices().any(|gateway| self.is_attached(gateway, one) && self.is_behind(gateway, other))
    }

    /// Whether a VPC is attached to a transit gateway.
    pub fn is_attached(&self, gateway: TransitGatewayIndex, vpc: VpcIndex) -> bool {
        let is_its = |end: &TransitEnd| matches!(end, TransitEnd::Vpc { vpc: own, .. } if *own == vpc);
        self.transit_gateways[gateway].attachments.iter().any(|attachment| is_its(&attachment.to))
    }

    /// Whether a VPC is attached to a transit gateway, or to one that it is peered with, and so on.
    pub(crate) fn is_behind(&self, gateway: TransitGatewayIndex, vpc: VpcIndex) -> bool {
        let (mut known, mut next) = (vec![gateway], 0);
        while let Some(gateway) = known.get(next).copied() {
            if self.is_attached(gateway, vpc) {
                return true;
            }
            for attachment in &self.transit_gateways[gateway].attachments {
                if let TransitEnd::Peering { gateway: other, .. } = attachment.to
                    && !known.contains(&other)
                {
                    known.push(other);
                }
            }
            next += 1;
        }
        false
    }

    fn host_addresses(&self, name: &str) -> Result<Vec<IpAddr>, EndError> {
        let host = self.outside.values().find(|host| host.name == name);
        host.map(|host| host.addresses.clone()).ok_or_else(|| EndError::NotFound(name.to_owned()))
    }

    /// Whoever has an address: an interface, else a host outside. Any public address may be a host's.
    fn sender_at(&self, address: IpAddr) -> Option<Sender> {
        match self.find_address(address) {
            Some(Entity::Interface(index)) => Some(Sender::Interface(self.interfaces[index].id.clone())),
            Some(_) => Some(Sender::Outside(address)),
            None if self.is_outside_host(address) || self.behind_vpn(address).is_some() => Some(Sender::Outside(address)),
            None => match address {
                IpAddr::V4(a) if is_private(a) || self.vpcs.values().any(|vpc| vpc.contains(address)) => None,
                _ => Some(Sender::Outside(address)),
            },
        }
    }

    /// Every address in a block that somebody has: interfaces, places outside, hosts that stand for `internet`; of a
    /// block of public addresses that nobody has, its first one.
    fn addresses_in(&self, block: IpNet) -> Vec<IpAddr> {
        let held = self.interfaces.values().flat_map(|interface| interface.all_addresses());
        let outside = self.outside.values().flat_map(|host| host.addresses.iter().copied());
        let witnesses = self.witnesses.iter().map(|address| IpAddr::V4(*address));
        let witnesses = witnesses.chain(self.ipv6_witnesses.iter().map(|address| IpAddr::V6(*address)));
        let mut addresses: Vec<IpAddr> =
            held.chain(outside).chain(witnesses).filter(|address| block.contains(address)).collect();
        if addresses.is_empty() {
            addresses.extend(block.hosts().next().filter(|first| self.sender_at(*first).is_some()));
        }
        addresses.sort();
        addresses.dedup();
        addresses
    }
}

fn is_private(address: Ipv4Addr) -> bool {
    use model::cidr::{LINK_LOCAL, RFC_1918, RFC_6598};
    RFC_1918.iter().chain([&RFC_6598, &LINK_LOCAL]).any(|block| block.contains(&address))
}
