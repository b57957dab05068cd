//! How people name the ends of a packet's way: by instance, group, subnet, tag, place or address.
//!
//! A selector is data; which interfaces it means in a model is answered by [`Selector::ends`].

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Instance, InstanceId, Model, NetworkInterfaceId, SecurityGroup, Subnet, Tags, Vpc, tag};

/// Words that name no resource because sentences need them.
pub const RESERVED_WORDS: [&str; 12] =
    ["internet", "anywhere", "any", "all", "tcp", "udp", "icmp", "igw", "eigw", "nat", "local", "none"];

/// One way to say who sends or receives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selector {
    /// All public addresses except named outside places and the lab's own.
    Internet,
    /// An instance, interface, outside place or host of a lan by name, or an `i-…` or `eni-…` id.
    Named(String),
    /// Every interface that carries a security group: `sg:NAME`, `sg:VPC/NAME` or an `sg-…` id.
    SecurityGroup(String),
    /// Every interface of a subnet: `subnet:NAME`, `subnet:VPC/NAME` or a `subnet-…` id.
    Subnet(String),
    /// Every interface of a VPC: `vpc:NAME` or a `vpc-…` id.
    Vpc(String),
    /// Every interface of an instance with this tag: `tag:KEY=VALUE`.
    Tag {
        /// Key.
        key: String,
        /// Value.
        value: String,
    },
    /// Every address of a block.
    Block(IpNet),
    /// One address.
    Address(IpAddr),
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internet => f.write_str("internet"),
            Self::Named(name) => f.write_str(name),
            Self::SecurityGroup(name) => write!(f, "sg:{name}"),
            Self::Subnet(name) => write!(f, "subnet:{name}"),
            Self::Vpc(name) => write!(f, "vpc:{name}"),
            Self::Tag { key, value } => write!(f, "tag:{key}={value}"),
            Self::Block(block) => block.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// One concrete end that a selector means in a model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// A network interface, with the instance it is attached to if any.
    Interface {
        /// The interface.
        interface: NetworkInterfaceId,
        /// Its instance.
        instance: Option<InstanceId>,
    },
    /// A named outside place.
    Outside(String),
    /// Some public address that nobody in the model has.
    Internet,
    /// An address as given, whoever has it.
    Address(IpAddr),
    /// A block as given.
    Block(IpNet),
}

/// A selector that means nothing in a model, or a name that several things have: no packet is sent from or to one of them by chance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NothingSelected {
    /// What was asked for.
    pub selector: Selector,
    /// Names of the same kind that exist, sorted; ids where several have the name.
    pub known: Vec<String>,
    /// What has the name, if more than one does.
    pub several: Option<&'static str>,
}

/// Ids of one name that a sentence lists.
const LISTED: usize = 8;

impl fmt::Display for NothingSelected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { selector, known, several } = self;
        let Some(what) = several else { return write!(f, "`{selector}` names nothing in this lab") };
        let more = known.len().saturating_sub(LISTED);
        let listed = known.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        write!(f, "`{selector}` is {} {what}: {listed}{more}: say which", known.len())
    }
}

impl std::error::Error for NothingSelected {}

impl Selector {
    /// The ends that this selector means, sorted and without repeats.
    ///
    /// A named instance means its primary interface, a host of a lan its address; a group, subnet, VPC or tag means every ordinary
    /// interface. An existing group or subnet without interfaces selects an empty list; a name that does
    /// not exist, or that several instances or interfaces have, is an error.
    pub fn ends(&self, model: &Model) -> Result<Vec<End>, NothingSelected> {
        let nothing = |known: Vec<String>| NothingSelected { selector: self.clone(), known, several: None };
        match self {
            Self::Internet => Ok(vec![End::Internet]),
            Self::Address(address) => Ok(vec![End::Address(*address)]),
            Self::Block(block) => Ok(vec![End::Block(*block)]),
            Self::Named(name) => named(model, name)?.ok_or_else(|| nothing(known_ends(model))),
            Self::SecurityGroup(name) => {
                let groups: BTreeSet<_> = security_groups(model, name).map(|g| g.id.clone()).collect();
                match groups.is_empty() {
                    true => Err(nothing(model.security_groups.values().map(|g| g.group_name.clone()).collect())),
                    false => Ok(interfaces(model, |eni| eni.groups.iter().any(|g| groups.contains(g)))),
                }
            }
            Self::Subnet(name) => {
                let subnets: BTreeSet<_> = subnets(model, name).map(|s| s.id.clone()).collect();
                match subnets.is_empty() {
                    true => Err(nothing(model.subnets.values().filter_map(|s| tag::name(&s.tags)).map(str::to_owned).collect())),
                    false => Ok(interfaces(model, |eni| subnets.contains(&eni.subnet_id))),
                }
            }
            Self::Vpc(name) => {
                let vpcs: BTreeSet<_> = vpcs(model, name).map(|v| v.id.clone()).collect();
                match vpcs.is_empty() {
                    true => Err(nothing(model.vpcs.values().filter_map(|v| tag::name(&v.tags)).map(str::to_owned).collect())),
                    false => Ok(interfaces(model, |eni| vpcs.contains(&eni.vpc_id))),
                }
            }
            Self::Tag { key, value } => {
                let tagged: BTreeSet<_> =
                    live_instances(model).filter(|i| i.tags.get(key) == Some(value)).map(|i| i.id.clone()).collect();
                match tagged.is_empty() {
                    true => Err(nothing(known_tags(model))),
                    false => Ok(interfaces(model, |eni| eni.instance_id().is_some_and(|i| tagged.contains(i)))),
                }
            }
        }
    }
}

/// Groups of this name, `VPC/NAME` or id. A name may exist in several VPCs (SG-25).
pub fn security_groups<'m>(model: &'m Model, name: &'m str) -> impl Iterator<Item = &'m SecurityGroup> {
    let (vpc, own) = split_vpc(name);
    model.security_groups.values().filter(move |group| {
        group.id.as_str() == name || (group.group_name == own && in_vpc(model, &group.vpc_id, vpc))
    })
}

/// Subnets of this name, `VPC/NAME` or id.
pub fn subnets<'m>(model: &'m Model, name: &'m str) -> impl Iterator<Item = &'m Subnet> {
    let (vpc, own) = split_vpc(name);
    model.subnets.values().filter(move |subnet| {
        subnet.id.as_str() == name || (tag::name(&subnet.tags) == Some(own) && in_vpc(model, &subnet.vpc_id, vpc))
    })
}

/// VPCs of this name or id.
pub fn vpcs<'m>(model: &'m Model, name: &'m str) -> impl Iterator<Item = &'m Vpc> {
    model.vpcs.values().filter(move |vpc| vpc.id.as_str() == name || tag::name(&vpc.tags) == Some(name))
}

/// The instance of this name or id that still exists. Errors: there is none, or several have the name.
pub fn instance<'m>(model: &'m Model, name: &str) -> Result<&'m Instance, NothingSelected> {
    let known = || live_instances(model).filter_map(|i| tag::name(&i.tags)).map(str::to_owned).collect();
    let nothing = || NothingSelected { selector: Selector::Named(name.to_owned()), known: known(), several: None };
    instance_if_any(model, name)?.ok_or_else(nothing)
}

fn instance_if_any<'m>(model: &'m Model, name: &str) -> Result<Option<&'m Instance>, NothingSelected> {
    only(name, "instances", live_instances(model), |i| (i.id.as_str(), &i.tags))
}

/// The one thing of an id or a name, if there is any. Errors: several have the name.
fn only<'m, T>(
    name: &str,
    what: &'static str,
    all: impl Iterator<Item = &'m T>,
    called: impl Fn(&'m T) -> (&'m str, &'m Tags),
) -> Result<Option<&'m T>, NothingSelected> {
    let found: Vec<&T> = all.filter(|own| called(own).0 == name || tag::name(called(own).1) == Some(name)).collect();
    // An id is nobody else's, whatever others are called.
    if let Some(own) = found.iter().find(|own| called(own).0 == name) {
        return Ok(Some(*own));
    }
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        several => Err(NothingSelected {
            selector: Selector::Named(name.to_owned()),
            known: several.iter().map(|own| called(own).0.to_owned()).collect(),
            several: Some(what),
        }),
    }
}

/// Instances that may be an end: a terminated one stays visible for an hour (INST-3) but is nobody's end any more.
pub fn live_instances(model: &Model) -> impl Iterator<Item = &Instance> {
    model.instances.values().filter(|i| is_live(i))
}

fn is_live(instance: &Instance) -> bool {
    use crate::InstanceState::{ShuttingDown, Terminated};
    !matches!(instance.state, ShuttingDown | Terminated)
}

fn split_vpc(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((vpc, own)) => (Some(vpc), own),
        None => (None, name),
    }
}

fn in_vpc(model: &Model, id: &crate::VpcId, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| vpcs(model, wanted).any(|vpc| vpc.id == *id))
}

fn named(model: &Model, name: &str) -> Result<Option<Vec<End>>, NothingSelected> {
    if let Some(instance) = instance_if_any(model, name)? {
        let primary = model.interfaces_of(&instance.id).first().map(|eni| eni.id.clone());
        return Ok(primary.map(|interface| vec![End::Interface { interface, instance: Some(instance.id.clone()) }]));
    }
    if model.outside.contains_key(name) {
        return Ok(Some(vec![End::Outside(name.to_owned())]));
    }
    if let Some(address) = lan_address(model, name) {
        return Ok(Some(vec![End::Address(address)]));
    }
    let eni = only(name, "network interfaces", model.network_interfaces.values(), |eni| (eni.id.as_str(), &eni.tags))?;
    Ok(eni.map(|eni| vec![End::Interface { interface: eni.id.clone(), instance: eni.instance_id().cloned() }]))
}

/// The address that a device of a lan speaks with, IPv4 if it has one: of its first interface with any.
fn lan_address(model: &Model, name: &str) -> Option<IpAddr> {
    let device = model.lans.values().find_map(|lan| lan.devices.get(name))?;
    let addresses = || device.interfaces().into_iter().flatten().flat_map(|(_, interface)| &interface.addresses).map(|own| own.addr());
    addresses().find(IpAddr::is_ipv4).or_else(|| addresses().next())
}

fn interfaces(model: &Model, wanted: impl Fn(&crate::NetworkInterface) -> bool) -> Vec<End> {
    let ordinary = crate::network_interface::InterfaceType::Interface;
    let mut ends: Vec<End> = model
        .network_interfaces
        .values()
        .filter(|eni| eni.interface_type == ordinary && wanted(eni))
        .map(|eni| End::Interface { interface: eni.id.clone(), instance: eni.instance_id().cloned() })
        .collect();
    ends.sort();
    ends
}

fn known_ends(model: &Model) -> Vec<String> {
    let instances = live_instances(model).filter_map(|i| tag::name(&i.tags)).map(str::to_owned);
    let devices = model.lans.values().flat_map(|lan| &lan.devices);
    let of_lans = devices.filter(|(_, device)| device.interfaces().is_some()).map(|(name, _)| name.clone());
    let mut names: Vec<String> = instances.chain(model.outside.keys().cloned()).chain(of_lans).collect();
    names.push("internet".to_owned());
    names.sort();
    names
}

fn known_tags(model: &Model) -> Vec<String> {
    let tags = live_instances(model).flat_map(|i| i.tags.iter());
    let mut known: Vec<String> = tags.map(|(key, value)| format!("tag:{key}={value}")).collect();
    known.sort();
    known.dedup();
    known
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, OutsideHost, Region, Timestamp};

    #[test]
    fn an_outside_place_and_an_unknown_name_are_told_apart() {
        let mut model = Model::new("111122223333", Region::default(), Context::seeded(1, Timestamp(0)));
        let host = OutsideHost { addresses: vec!["203.0.113.7".parse().unwrap()], origin: Default::default() };
        model.outside.insert("office".to_owned(), host);
        assert_eq!(Selector::Named("office".into()).ends(&model), Ok(vec![End::Outside("office".into())]));
        let error = Selector::Named("ofice".into()).ends(&model).unwrap_err();
        assert_eq!(error.known, ["internet", "office"]);
        assert_eq!(error.to_string(), "`ofice` names nothing in this lab");
    }

    #[test]
    fn selectors_print_as_people_write_them() {
        for (selector, text) in [
            (Selector::Internet, "internet"),
            (Selector::SecurityGroup("shop/web".into()), "sg:shop/web"),
            (Selector::Tag { key: "role".into(), value: "db".into() }, "tag:role=db"),
            (Selector::Block("10.0.0.0/8".parse().unwrap()), "10.0.0.0/8"),
            (Selector::Address("::1".parse().unwrap()), "::1"),
        ] {
            assert_eq!(selector.to_string(), text);
        }
    }
}
