//! IPv6: blocks of VPCs and subnets, addresses of interfaces, egress-only internet gateways. What the file leaves open is
//! chosen here, in file order, and what a running cloud has chosen stays.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use ipnet::Ipv6Net;
use model::cidr::AMAZON_IPV6;
use model::operation::*;
use model::{Model, SubnetId, VpcId};

use super::{Build, tags};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::file::{Instance, InternetGatewayChoice, Ipv6Addresses, RouteWord, Subnet, SubnetIpv6, Vpc, VpcIpv6};
use crate::load::Lab;
use crate::names::{Device, Names};
use crate::source::{Located, Span};

/// What Amazon gives to a VPC (VPC-10).
const AMAZON_PREFIX: u8 = 56;
/// Of a subnet (VPC-10).
const SUBNET_PREFIX: u8 = 64;
/// First addresses of a subnet that nobody gets.
const RESERVED: u128 = 4;
/// Where addresses of a subnet are chosen from, counted from its start, as the operations choose them.
const FIRST_CHOSEN: u128 = 16;
/// No type lets an interface have more (ENI-4); a launch that asks for more is refused with what is there.
const MOST: u32 = 51;

/// What a running cloud has chosen of IPv6, by names.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptIpv6 {
    vpcs: BTreeMap<String, Vec<Ipv6Net>>,
    subnets: BTreeMap<String, Ipv6Net>,
    interfaces: BTreeMap<Device, Vec<Ipv6Addr>>,
}

impl KeptIpv6 {
    /// Reads a cloud.
    pub fn of(model: &Model, names: &Names) -> Self {
        let mut kept = Self::default();
        for (name, id) in names.vpcs.iter() {
            kept.vpcs.extend(model.vpcs.get(id).map(|vpc| (name.to_owned(), vpc.ipv6_blocks().collect())));
        }
        for (name, id) in names.subnets.iter() {
            kept.subnets.extend(model.subnets.get(id).and_then(|subnet| Some((name.to_owned(), subnet.ipv6_block()?))));
        }
        for (device, id) in &names.interfaces {
            kept.interfaces.extend(model.network_interfaces.get(id).map(|eni| (device.clone(), eni.ipv6_addresses.clone())));
        }
        kept
    }
}

/// Who is to have which block and address.
#[derive(Debug, Default)]
pub(super) struct Ipv6Plan {
    /// Blocks of VPCs by name, with the place that asks for them.
    vpcs: BTreeMap<String, Vec<(Ipv6Net, Span)>>,
    /// Addresses that the file gives to somebody.
    pinned: BTreeSet<Ipv6Addr>,
    /// Addresses kept for those who have them now and are still in the file.
    reserved: BTreeSet<Ipv6Addr>,
    /// Given away.
    used: BTreeSet<Ipv6Addr>,
    /// By block: no free address lies below.
    lowest: BTreeMap<Ipv6Net, u128>,
}

impl Ipv6Plan {
    /// Gives every VPC its blocks: those that are written, those that it has, then the lowest free ones.
    pub fn new(lab: &Lab, kept: &KeptIpv6) -> Self {
        // An alias in YAML has the place of what it repeats, so a block is known by its VPC and its number there.
        let written = || {
            let of = |(name, vpc): (_, &'_ Vpc)| -> Vec<_> { vpc.ipv6.0.iter().cloned().enumerate().map(|(n, block)| ((name, n), block)).collect() };
            lab.file.vpcs.iter().map(|(name, vpc)| (name.value.as_str(), vpc)).flat_map(of)
        };
        let mut taken: Vec<Ipv6Net> = written().filter_map(|(_, block)| block_of(block.value)).collect();
        let hosts = lab.file.outside.iter().flat_map(|(_, addresses)| &addresses.0);
        taken.extend(hosts.filter_map(|address| match address.value {
            IpAddr::V6(address) => Some(Ipv6Net::from(address)),
            IpAddr::V4(_) => None,
        }));
        let is_free = |taken: &[Ipv6Net], block: &Ipv6Net| !taken.iter().any(|other| other.contains(block) || block.contains(other));
        let mut chosen: BTreeMap<(&str, usize), Ipv6Net> = BTreeMap::new();
        let amazons: Vec<_> = written().filter(|(_, block)| block.value == VpcIpv6::Amazon).map(|(key, _)| key).collect();
        for key in &amazons {
            let mut had = kept.vpcs.get(key.0).into_iter().flatten().filter(|had| had.prefix_len() == AMAZON_PREFIX);
            if let Some(had) = had.find(|had| is_free(&taken, had)) {
                taken.push(*had);
                chosen.insert(*key, *had);
            }
        }
        for key in &amazons {
            let mut all = AMAZON_IPV6.subnets(AMAZON_PREFIX).into_iter().flatten();
            if !chosen.contains_key(key)
                && let Some(free) = all.find(|free| is_free(&taken, free))
            {
                taken.push(free);
                chosen.insert(*key, free);
            }
        }
        let mut plan = Self::default();
        for (key, block) in written() {
            let net = block_of(block.value).or_else(|| chosen.get(&key).copied());
            plan.vpcs.entry(key.0.to_owned()).or_default().extend(net.map(|net| (net, block.span)));
        }
        let instances: BTreeSet<&str> = lab.instances.iter().map(|(name, _)| name.value.as_str()).collect();
        let stay = kept.interfaces.iter().filter(|((instance, _), _)| instances.contains(instance.as_str()));
        plan.reserved = stay.flat_map(|(_, addresses)| addresses).copied().collect();
        plan
    }

    /// Chooses an address of a block, `had` before if that is possible.
    fn choose(&mut self, block: Ipv6Net, had: Option<Ipv6Addr>) -> Option<Ipv6Addr> {
        let is_free = |plan: &Self, address: &Ipv6Addr| {
            block.contains(address) && !plan.used.contains(address) && !plan.pinned.contains(address)
        };
        let address = match had.filter(|address| is_free(self, address)) {
            Some(had) => had,
            None => {
                let start = u128::from(block.network()) + FIRST_CHOSEN;
                let mut next = self.lowest.get(&block).copied().unwrap_or(start);
                // As many are looked at as are spoken for, and one more.
                let mut address = Ipv6Addr::from(next);
                while !is_free(self, &address) || self.reserved.contains(&address) {
                    next = next.checked_add(1).filter(|_| block.contains(&address))?;
                    address = Ipv6Addr::from(next);
                }
                self.lowest.insert(block, next);
                address
            }
        };
        self.used.insert(address);
        Some(address)
    }
}

fn block_of(written: VpcIpv6) -> Option<Ipv6Net> {
    match written {
        VpcIpv6::Block(block) => Some(block),
        VpcIpv6::Amazon | VpcIpv6::No => None,
    }
}

/// An address as it is meant in a block: `::10` is counted from the block's start.
fn within(block: Ipv6Net, written: Ipv6Addr) -> Ipv6Addr {
    match u128::from(written) & u128::from(block.netmask()) {
        0 => Ipv6Addr::from(u128::from(block.network()) | u128::from(written)),
        _ => written,
    }
}

impl Build<'_, '_> {
    /// The blocks of a VPC that exists.
    pub(super) fn vpc_ipv6(&mut self, name: &Located<String>, id: &VpcId) {
        for (block, span) in self.ipv6.vpcs.get(&name.value).cloned().unwrap_or_default() {
            let request = AssociateVpcCidrBlock { vpc_id: id.clone(), block: NewVpcBlock::Ipv6(block) };
            let result = associate_vpc_cidr_block(self.model, request);
            self.op(span, result);
        }
    }

    /// The /64 of every subnet, in file order: those that are written, those that subnets have, then the lowest free ones.
    pub(super) fn subnet_blocks(&mut self, name: &Located<String>, vpc: &Vpc, id: &VpcId) -> Vec<Option<Ipv6Net>> {
        let whole: Vec<Ipv6Net> = self.model.vpcs.get(id).map(|vpc| vpc.ipv6_blocks().collect()).unwrap_or_default();
        let mut taken: BTreeMap<Ipv6Net, Span> = BTreeMap::new();
        let mut blocks: Vec<Option<Ipv6Net>> = Vec::new();
        for (_, subnet) in vpc.subnets.iter() {
            blocks.push(match &subnet.ipv6 {
                Some(Located { value: SubnetIpv6::Block(block), span }) => self.pinned_block(name, &whole, *block, *span, &mut taken),
                _ => None,
            });
        }
        let wants = |subnet: &Subnet| subnet.ipv6.as_ref().filter(|ipv6| ipv6.value == SubnetIpv6::Next).map(|ipv6| ipv6.span);
        for ((subnet_name, subnet), block) in vpc.subnets.iter().zip(&mut blocks) {
            let Some(span) = wants(subnet) else { continue };
            let had = self.kept.ipv6.subnets.get(&format!("{}/{}", name.value, subnet_name.value));
            let had = had.filter(|had| whole.iter().any(|whole| whole.contains(*had)) && !taken.contains_key(*had));
            *block = had.copied();
            taken.extend(block.map(|block| (block, span)));
        }
        let mut free = whole.iter().flat_map(|whole| whole.subnets(SUBNET_PREFIX)).flatten();
        for ((_, subnet), block) in vpc.subnets.iter().zip(&mut blocks).filter(|(_, block)| block.is_none()) {
            let Some(span) = wants(subnet) else { continue };
            if whole.is_empty() {
                self.no_ipv6(name, span, "a subnet's IPv6 block is part of the VPC's");
                break;
            }
            *block = free.find(|block| !taken.contains_key(block));
            if block.is_none() {
                let problem = Diagnostic::new(Code::NoRoom, span, format!("no /64 of VPC `{}` is left", name.value));
                self.problem(problem.label("does not fit").hint("another block for the VPC: `ipv6: [true, true]`"));
                break;
            }
        }
        blocks
    }

    fn pinned_block(
        &mut self,
        vpc: &Located<String>,
        whole: &[Ipv6Net],
        block: Ipv6Net,
        span: Span,
        taken: &mut BTreeMap<Ipv6Net, Span>,
    ) -> Option<Ipv6Net> {
        if whole.is_empty() {
            self.no_ipv6(vpc, span, "a subnet's IPv6 block is part of the VPC's");
            return None;
        }
        if !whole.iter().any(|whole| whole.contains(&block)) {
            let blocks = whole.iter().map(Ipv6Net::to_string).collect::<Vec<_>>().join(", ");
            let problem = Diagnostic::new(Code::NotABlock, span, format!("{block} is no part of VPC `{}`", vpc.value));
            self.problem(problem.label("outside").hint(format!("the VPC has {blocks}; `ipv6: true` takes the next free /64 of it")));
            return None;
        }
        if let Some(first) = taken.get(&block) {
            let problem = Diagnostic::new(Code::Conflict, span, format!("two subnets have the IPv6 block {block}")).label("again");
            self.problem(problem.other(*first, "first").hint("`ipv6: true` takes the next free /64"));
            return None;
        }
        taken.insert(block, span);
        Some(block)
    }

    /// Something needs IPv6 that the VPC does not have.
    pub(super) fn no_ipv6(&mut self, vpc: &Located<String>, span: Span, why: &str) {
        let problem = Diagnostic::new(Code::NoIpv6, span, format!("VPC `{}` has no IPv6: {why}", vpc.value));
        self.problem(problem.label("IPv6").hint(format!("add `ipv6: true` to `{}`", vpc.value)));
    }

    /// Whether instances of a new subnet get IPv6 addresses at launch.
    pub(super) fn assigns_ipv6(&mut self, subnet: &Subnet, id: &SubnetId, has_block: bool) {
        let span = subnet.assign_ipv6.as_ref().map_or_else(Span::default, |assign| assign.span);
        if subnet.assign_ipv6.as_ref().map_or(has_block, |assign| assign.value) {
            let attribute = SubnetAttribute::AssignIpv6AddressOnCreation(true);
            let result = modify_subnet_attribute(self.model, ModifySubnetAttribute { subnet_id: id.clone(), attribute });
            self.op(span, result);
        }
    }

    /// Addresses that the file names, before any is chosen. What is wrong with a name is said where it is used.
    pub(super) fn pin_ipv6_addresses(&mut self) {
        let mut pinned = BTreeSet::new();
        for (_, instance) in &self.lab.instances {
            let own = std::iter::once((&instance.subnet, &instance.ipv6));
            let all = own.chain(instance.interfaces.iter().map(|i| (if i.subnet.is_some() { &i.subnet } else { &instance.subnet }, &i.ipv6)));
            for (subnet, ipv6) in all {
                let (Some(subnet), Some(Located { value: Ipv6Addresses::List(list), .. })) = (subnet, ipv6) else { continue };
                let block = match self.subnets_called(&subnet.value).as_slice() {
                    [one] => self.model.subnets.get(one).and_then(model::Subnet::ipv6_block),
                    _ => None,
                };
                pinned.extend(block.into_iter().flat_map(|block| list.iter().map(move |address| within(block, address.value))));
            }
        }
        self.ipv6.pinned = pinned;
    }

    /// The IPv6 addresses of an interface; `None`: it cannot have them, which was said.
    pub(super) fn ipv6_addresses(
        &mut self,
        device: &Device,
        subnet: &SubnetId,
        written: Option<&Located<Ipv6Addresses>>,
    ) -> Option<Vec<Ipv6Addr>> {
        let known = self.model.subnets.get(subnet)?;
        let (block, assigns) = (known.ipv6_block(), known.assign_ipv6_address_on_creation);
        let count = match written.map(|written| &written.value) {
            None => u32::from(assigns),
            Some(Ipv6Addresses::Count(count)) => *count,
            Some(Ipv6Addresses::List(_)) => 0,
        };
        let Some(block) = block else {
            let Some(written) = written.filter(|written| written.value != Ipv6Addresses::Count(0)) else { return Some(Vec::new()) };
            let name = self.names.subnets.name(subnet).map_or("", crate::names::own_name);
            let problem = Diagnostic::new(Code::NoIpv6, written.span, format!("subnet `{name}` has no IPv6"));
            let hint = format!("add `ipv6: true` to subnet `{name}`, and to its VPC if that has none");
            self.problem(problem.label("no address of it").hint(hint));
            return None;
        };
        let mut addresses = Vec::new();
        if let Some(Located { value: Ipv6Addresses::List(list), .. }) = written {
            for address in list {
                let meant = within(block, address.value);
                if !block.contains(&meant) {
                    let problem = Diagnostic::new(Code::NotAnAddress, address.span, format!("{meant} is not in the subnet's {block}"));
                    self.problem(problem.label("outside").hint("`::10` is counted from the start of the block"));
                    return None;
                }
                let own = u128::from(meant) - u128::from(block.network());
                if own < RESERVED || meant == block.broadcast() {
                    let problem = Diagnostic::new(Code::NotAnAddress, address.span, format!("{meant} is kept by AWS (SUB-2)"));
                    self.problem(problem.label("reserved").hint("the first four addresses of a subnet and its last are; `::10` is free"));
                    return None;
                }
                self.ipv6.used.insert(meant);
                addresses.push(meant);
            }
        }
        for n in 0..count.min(MOST) {
            let had = self.kept.ipv6.interfaces.get(device).and_then(|had| had.get(n as usize)).copied();
            addresses.push(self.ipv6.choose(block, had)?);
        }
        Some(addresses)
    }

    /// Makes the egress-only internet gateway of a VPC if the file asks for it or a route leads to it.
    pub(super) fn egress_only_internet_gateway(&mut self, name: &Located<String>, vpc: &Vpc, id: &VpcId) {
        let is_wanted = match vpc.eigw.as_ref().map(|choice| choice.value) {
            Some(InternetGatewayChoice::Yes) => true,
            Some(InternetGatewayChoice::No) => false,
            Some(InternetGatewayChoice::Auto) | None => {
                let by_subnet = vpc.subnets.iter().any(|(_, s)| s.route.as_ref().is_some_and(|route| route.value.is_egress_only()));
                let routes = || vpc.route_tables.iter().flat_map(|(_, table)| &table.routes.0);
                by_subnet || routes().any(|(_, to)| to.value == RouteWord::EgressOnly)
            }
        };
        if !is_wanted {
            return;
        }
        let called = format!("{}-eigw", name.value);
        let tags = tags(&called, &Default::default());
        let request = CreateEgressOnlyInternetGateway { vpc_id: id.clone(), tags, origin: self.origin(name.span) };
        let result = create_egress_only_internet_gateway(self.model, request);
        self.op(name.span, result);
    }

    /// Whether a VPC has IPv6.
    pub(super) fn has_ipv6(&self, id: &VpcId) -> bool {
        self.model.vpcs.get(id).is_some_and(|vpc| vpc.ipv6_blocks().next().is_some())
    }
}

/// How many IPv6 addresses the file asks for at an interface of an instance, at most.
pub(super) fn most_addresses(instance: &Instance) -> usize {
    let all = std::iter::once(&instance.ipv6).chain(instance.interfaces.iter().map(|interface| &interface.ipv6)).flatten();
    let count = |written: &Located<Ipv6Addresses>| match &written.value {
        Ipv6Addresses::Count(count) => *count as usize,
        Ipv6Addresses::List(list) => list.len(),
    };
    all.map(count).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_prefix_is_counted_from_the_start_of_the_block() {
        let block: Ipv6Net = "2001:db8:0:1::/64".parse().unwrap();
        for (written, meant) in [("::10", "2001:db8:0:1::10"), ("::a:b", "2001:db8:0:1::a:b"), ("2001:db8:0:2::1", "2001:db8:0:2::1")] {
            assert_eq!(within(block, written.parse().unwrap()), meant.parse::<Ipv6Addr>().unwrap(), "{written}");
        }
    }
}
