//! What the file leaves open: addresses and blocks. A cloud that runs has chosen already, and its choices are kept
//! as long as the file allows them, so that an edit disturbs nothing that it does not speak of.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use model::network_interface::InterfaceType;
use model::{Model, Subnet};

use super::ipv6::KeptIpv6;
use crate::file::{ElasticIp, PublicIp, SecondaryAddresses};
use crate::load::Lab;
use crate::names::{Device, Names};

/// What a running cloud has chosen, by names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    /// Blocks of subnets by `vpc/subnet`.
    pub blocks: BTreeMap<String, Ipv4Net>,
    /// Private addresses of instances' interfaces, with their subnet.
    interfaces: BTreeMap<Device, (String, Vec<Ipv4Addr>)>,
    /// Private addresses of NAT gateways by `vpc/gateway`, with their subnet.
    nat_gateways: BTreeMap<String, (String, Ipv4Addr)>,
    /// Elastic IP addresses by what they are for.
    pub elastic: BTreeMap<String, Ipv4Addr>,
    /// Addresses of endpoints' interfaces by subnet.
    endpoints: BTreeMap<String, BTreeSet<Ipv4Addr>>,
    /// What it has of IPv6.
    pub ipv6: KeptIpv6,
}

impl Kept {
    /// Reads a cloud.
    pub fn of(model: &Model) -> Self {
        let names = Names::of(model);
        let mut kept = Self { ipv6: KeptIpv6::of(model, &names), ..Self::default() };
        for (name, id) in names.subnets.iter() {
            kept.blocks.extend(model.subnets.get(id).map(|subnet| (name.to_owned(), subnet.cidr_block)));
        }
        for interface in model.network_interfaces.values() {
            let Some(subnet) = names.subnets.name(&interface.subnet_id).map(str::to_owned) else { continue };
            if let Some(device) = names.device(model, &interface.id) {
                kept.interfaces.insert(device, (subnet, interface.private_ip_addresses.clone()));
            } else if interface.interface_type == InterfaceType::VpcEndpoint {
                kept.endpoints.entry(subnet).or_default().extend(&interface.private_ip_addresses);
            }
        }
        for (name, id) in names.nat_gateways.iter() {
            let Some(gateway) = model.nat_gateways.get(id) else { continue };
            let (Some(subnet), Some(address)) = (names.subnets.name(&gateway.subnet_id), gateway.private_ip) else { continue };
            kept.nat_gateways.insert(name.to_owned(), (subnet.to_owned(), address));
        }
        for (role, id) in names.elastic.iter() {
            kept.elastic.extend(model.addresses.get(id).map(|address| (role.to_owned(), address.public_ip)));
        }
        kept
    }
}

/// Chooses private addresses: what the cloud had, else the lowest that nobody has, had or asks for.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// Addresses that the file gives to somebody.
    pinned: BTreeSet<Ipv4Addr>,
    subnets: BTreeMap<String, Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// Given away.
    used: BTreeSet<Ipv4Addr>,
    /// Kept for those who have them now.
    reserved: BTreeSet<Ipv4Addr>,
    /// No free address lies below.
    lowest: u32,
}

impl Addresses {
    /// Reads which addresses are spoken for. Only things that are still in the file keep what they have.
    pub fn new(lab: &Lab, kept: &Kept, vpc_nat_gateways: &BTreeSet<String>) -> Self {
        let mut all = Self { pinned: pinned(lab), subnets: BTreeMap::new() };
        let instances: BTreeSet<&str> = lab.instances.iter().map(|(name, _)| name.value.as_str()).collect();
        for ((instance, _), (subnet, addresses)) in &kept.interfaces {
            if instances.contains(instance.as_str()) {
                all.subnets.entry(subnet.clone()).or_default().reserved.extend(addresses);
            }
        }
        for (gateway, (subnet, address)) in &kept.nat_gateways {
            if vpc_nat_gateways.contains(gateway) {
                all.subnets.entry(subnet.clone()).or_default().reserved.insert(*address);
            }
        }
        for (subnet, addresses) in &kept.endpoints {
            all.subnets.entry(subnet.clone()).or_default().reserved.extend(addresses);
        }
        all
    }

    /// Gives a written address away.
    pub fn take(&mut self, subnet: &str, address: Ipv4Addr) {
        self.subnets.entry(subnet.to_owned()).or_default().used.insert(address);
    }

    /// Chooses an address, `had` before if that is possible. `None`: the subnet is full.
    pub fn choose(&mut self, name: &str, subnet: &Subnet, had: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        let taken = self.subnets.entry(name.to_owned()).or_default();
        let is_free = |taken: &Taken, pinned: &BTreeSet<Ipv4Addr>, address: &Ipv4Addr| {
            subnet.cidr_block.contains(address)
                && !subnet.is_reserved(*address)
                && !taken.used.contains(address)
                && !pinned.contains(address)
        };
        if let Some(address) = had.filter(|address| is_free(taken, &self.pinned, address)) {
            taken.used.insert(address);
            return Some(address);
        }
        let (first, last) = (u32::from(subnet.cidr_block.network()), u32::from(subnet.cidr_block.broadcast()));
        let mut next = taken.lowest.max(first);
        while next <= last {
            let address = Ipv4Addr::from(next);
            next += 1;
            if is_free(taken, &self.pinned, &address) && !taken.reserved.contains(&address) {
                taken.lowest = next;
                taken.used.insert(address);
                return Some(address);
            }
        }
        taken.lowest = next;
        // All that is left is what somebody had: better to move that one than to refuse.
        let left = taken.reserved.iter().copied().find(|address| is_free(taken, &self.pinned, address))?;
        taken.used.insert(left);
        Some(left)
    }
}

impl Kept {
    /// The `n`th private address that an interface had, if it was in this subnet.
    pub fn interface(&self, device: &Device, subnet: &str, n: usize) -> Option<Ipv4Addr> {
        let (was_in, addresses) = self.interfaces.get(device)?;
        addresses.get(n).copied().filter(|_| was_in == subnet)
    }

    /// The private address that a NAT gateway had, if it was in this subnet.
    pub fn nat_gateway(&self, gateway: &str, subnet: &str) -> Option<Ipv4Addr> {
        let (was_in, address) = self.nat_gateways.get(gateway)?;
        Some(*address).filter(|_| was_in == subnet)
    }
}

/// Private addresses that the file names.
fn pinned(lab: &Lab) -> BTreeSet<Ipv4Addr> {
    let mut all = BTreeSet::new();
    for (_, instance) in &lab.instances {
        all.extend(instance.private_ip.as_ref().map(|a| a.value));
        for interface in &instance.interfaces {
            all.extend(interface.private_ip.as_ref().map(|a| a.value));
            if let Some(SecondaryAddresses::List(list)) = &interface.secondary_ips {
                all.extend(list.iter().map(|a| a.value));
            }
        }
    }
    let gateways = lab.file.vpcs.iter().flat_map(|(_, vpc)| vpc.nat_gateways.iter());
    all.extend(gateways.filter_map(|(_, nat)| nat.private_ip.as_ref().map(|a| a.value)));
    all
}

/// Public addresses that the file names, for somebody inside or outside.
pub(super) fn pinned_public(lab: &Lab) -> BTreeSet<Ipv4Addr> {
    let mut all = BTreeSet::new();
    let public = |written: &Option<crate::source::Located<PublicIp>>| match written.as_ref().map(|p| p.value) {
        Some(PublicIp::Elastic(ElasticIp::Address(address))) => Some(address),
        _ => None,
    };
    for (_, instance) in &lab.instances {
        all.extend(public(&instance.public_ip));
        for interface in &instance.interfaces {
            all.extend(public(&interface.public_ip));
            all.extend(interface.public_ips.0.iter().filter_map(|(_, elastic)| match elastic.value {
                ElasticIp::Address(address) => Some(address),
                ElasticIp::Any => None,
            }));
        }
    }
    let gateways = lab.file.vpcs.iter().flat_map(|(_, vpc)| vpc.nat_gateways.iter());
    all.extend(gateways.filter_map(|(_, nat)| nat.eip.as_ref().map(|a| a.value)));
    for (_, addresses) in lab.file.outside.iter() {
        all.extend(addresses.0.iter().filter_map(|a| match a.value {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }));
    }
    all
}
