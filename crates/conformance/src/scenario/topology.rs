//! Topologies as written: sections of named entries, and `extends`.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::delta::{Delta, GroupRule, PeeringState, RouteDestination, SubnetTable};
use super::fault::Fault;
use super::fields::{Fields, address, parse, text};
use super::yaml::Node;

/// A named entry of a section.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<T> {
    /// Its name.
    pub name: String,
    /// Its line.
    pub line: u32,
    /// What it says.
    pub body: T,
}

/// Entries in the order of the text.
pub type Section<T> = Vec<Entry<T>>;

/// A topology, its base not yet merged in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Topology {
    /// Its name.
    pub name: String,
    /// The topology it extends, by name.
    pub extends: Option<String>,
    /// Region; `ap-northeast-2` if no topology of the chain says otherwise.
    pub region: Option<String>,
    /// The default VPC, if there is one.
    pub default_vpc: Option<DefaultVpc>,
    /// VPCs.
    pub vpcs: Section<VpcEntry>,
    /// Subnets.
    pub subnets: Section<SubnetEntry>,
    /// Route tables.
    pub route_tables: Section<RouteTableEntry>,
    /// NAT gateways.
    pub nat: Section<NatEntry>,
    /// Security groups.
    pub sgs: Section<GroupEntry>,
    /// Interfaces with their instances.
    pub enis: Section<InterfaceEntry>,
    /// Peering connections.
    pub pcx: Section<PeeringEntry>,
    /// Internet hosts.
    pub hosts: Section<IpAddr>,
    /// What the sections have no words for, with its lines; after everything else, in order.
    pub deltas: Vec<(u32, Delta)>,
}

/// Names for the parts of the default VPC (VPC-11).
#[derive(Debug, Clone, PartialEq)]
pub struct DefaultVpc {
    /// The VPC.
    pub vpc: String,
    /// Its block.
    pub cidr: Ipv4Net,
    /// Its internet gateway.
    pub igw: Option<String>,
    /// Its main route table.
    pub main: Option<String>,
    /// Its default subnets: zone letter, name.
    pub subnets: Vec<(String, String)>,
}

/// A VPC.
#[derive(Debug, Clone, PartialEq)]
pub struct VpcEntry {
    /// Blocks, the primary one first.
    pub cidr: Vec<Ipv4Net>,
    /// Attached internet gateway.
    pub igw: Option<String>,
    /// Name of the main route table.
    pub main: Option<String>,
    /// DNS-2; AWS's default if absent.
    pub dns_support: Option<bool>,
    /// DNS-5; AWS's default if absent.
    pub dns_hostnames: Option<bool>,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq)]
pub struct SubnetEntry {
    /// VPC.
    pub vpc: String,
    /// Block.
    pub cidr: Ipv4Net,
    /// Zone letter.
    pub zone: String,
    /// Route table.
    pub rt: SubnetTable,
}

/// A route table; the local routes are not written.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteTableEntry {
    /// VPC.
    pub vpc: String,
    /// Destinations and targets with their lines.
    pub routes: Vec<(u32, RouteDestination, String)>,
}

/// A NAT gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct NatEntry {
    /// Subnet.
    pub subnet: String,
    /// Private address.
    pub ip: Ipv4Addr,
    /// Elastic IP address of a public one.
    pub eip: Option<Ipv4Addr>,
}

/// A security group; egress is open unless written.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupEntry {
    /// VPC.
    pub vpc: String,
    /// Ingress rules.
    pub ingress: Vec<(u32, GroupRule)>,
    /// Egress rules, if not the default one.
    pub egress: Option<Vec<(u32, GroupRule)>>,
}

/// An interface and its running instance.
#[derive(Debug, Clone, PartialEq)]
pub struct InterfaceEntry {
    /// Subnet.
    pub subnet: String,
    /// Private addresses, the primary one first.
    pub ip: Vec<Ipv4Addr>,
    /// Elastic IP addresses: private, public.
    pub eip: Vec<(u32, Ipv4Addr, Ipv4Addr)>,
    /// Security groups; the VPC's default one if empty (SG-5).
    pub sg: Vec<String>,
    /// Source/dest check.
    pub check: bool,
    /// Whether the guest forwards.
    pub forward: bool,
    /// Whether the guest forwards behind its own address.
    pub masquerade: bool,
}

/// A peering connection.
#[derive(Debug, Clone, PartialEq)]
pub struct PeeringEntry {
    /// Requester, accepter.
    pub vpcs: (String, String),
    /// State.
    pub state: PeeringState,
}

impl Topology {
    /// Reads the mapping of a topology block.
    pub fn read(node: &Node) -> Result<Self, Fault> {
        let f = Fields::of(node, "topology")?;
        let topology = Self {
            name: f.need_text("topology")?,
            extends: f.text("extends")?,
            region: f.text("region")?,
            default_vpc: f.get("default_vpc").map(default_vpc).transpose()?,
            vpcs: section(&f, "vpcs", vpc)?,
            subnets: section(&f, "subnets", subnet)?,
            route_tables: section(&f, "route_tables", route_table)?,
            nat: section(&f, "nat", nat)?,
            sgs: section(&f, "sgs", group)?,
            enis: section(&f, "enis", interface)?,
            pcx: section(&f, "pcx", peering)?,
            hosts: section(&f, "hosts", |node, name| address(&text(node, name)?, node.line, name))?,
            deltas: f.texts("delta")?.into_iter().map(delta).collect::<Result<_, _>>()?,
        };
        f.finish()?;
        Ok(topology)
    }

    /// This topology on top of its base: entries of the same name are replaced whole.
    pub fn over(self, base: Self) -> Self {
        Self {
            name: self.name,
            extends: None,
            region: self.region.or(base.region),
            default_vpc: self.default_vpc.or(base.default_vpc),
            vpcs: merge(base.vpcs, self.vpcs),
            subnets: merge(base.subnets, self.subnets),
            route_tables: merge(base.route_tables, self.route_tables),
            nat: merge(base.nat, self.nat),
            sgs: merge(base.sgs, self.sgs),
            enis: merge(base.enis, self.enis),
            pcx: merge(base.pcx, self.pcx),
            hosts: merge(base.hosts, self.hosts),
            deltas: base.deltas.into_iter().chain(self.deltas).collect(),
        }
    }
}

fn delta((line, text): (u32, String)) -> Result<(u32, Delta), Fault> {
    let delta = Delta::parse(&text).map_err(|why| Fault::new(line, why))?;
    Ok((line, delta))
}

fn merge<T>(mut base: Section<T>, over: Section<T>) -> Section<T> {
    for entry in over {
        match base.iter_mut().find(|present| present.name == entry.name) {
            Some(present) => *present = entry,
            None => base.push(entry),
        }
    }
    base
}

fn section<'n, T>(
    fields: &Fields<'n>,
    key: &'n str,
    read: impl Fn(&'n Node, &'n str) -> Result<T, Fault>,
) -> Result<Section<T>, Fault> {
    let entries = fields.entries(key)?.into_iter();
    entries.map(|(line, name, node)| Ok(Entry { name: name.to_owned(), line, body: read(node, name)? })).collect()
}

fn default_vpc(node: &Node) -> Result<DefaultVpc, Fault> {
    let f = Fields::of(node, "default_vpc")?;
    let subnets = f.entries("subnets")?.into_iter();
    let default = DefaultVpc {
        vpc: f.need_text("vpc")?,
        cidr: need(&f, "cidr", "an IPv4 block")?,
        igw: f.text("igw")?,
        main: f.text("main")?,
        subnets: subnets.map(|(_, zone, name)| Ok((zone.to_owned(), text(name, zone)?))).collect::<Result<_, _>>()?,
    };
    f.finish()?;
    Ok(default)
}

fn vpc(node: &Node, name: &str) -> Result<VpcEntry, Fault> {
    let f = Fields::of(node, name)?;
    let vpc = VpcEntry {
        cidr: parsed_list(&f, "cidr", "an IPv4 block")?,
        igw: f.text("igw")?,
        main: f.text("main")?,
        dns_support: f.boolean("dns_support")?,
        dns_hostnames: f.boolean("dns_hostnames")?,
    };
    f.finish()?;
    match vpc.cidr.is_empty() {
        true => Err(Fault::new(node.line, format!("VPC `{name}` has no block"))),
        false => Ok(vpc),
    }
}

fn subnet(node: &Node, name: &str) -> Result<SubnetEntry, Fault> {
    let f = Fields::of(node, name)?;
    let rt = match f.text("rt")?.as_deref() {
        None | Some("main") => SubnetTable::Main,
        Some(table) => SubnetTable::Named(table.to_owned()),
    };
    let subnet =
        SubnetEntry { vpc: f.need_text("vpc")?, cidr: need(&f, "cidr", "an IPv4 block")?, zone: f.need_text("zone")?, rt };
    f.finish()?;
    Ok(subnet)
}

fn route_table(node: &Node, name: &str) -> Result<RouteTableEntry, Fault> {
    let f = Fields::of(node, name)?;
    let vpc = f.need_text("vpc")?;
    let mut routes = Vec::new();
    for (line, destination, target) in f.entries("routes")? {
        let parsed = match destination.strip_prefix("pl:") {
            Some(list) => RouteDestination::PrefixList(list.to_owned()),
            None => RouteDestination::Cidr(parse(destination, line, "routes", "a CIDR block")?),
        };
        routes.push((line, parsed, text(target, destination)?));
    }
    f.finish()?;
    Ok(RouteTableEntry { vpc, routes })
}

fn nat(node: &Node, name: &str) -> Result<NatEntry, Fault> {
    let f = Fields::of(node, name)?;
    let (subnet, ip) = (f.need_text("subnet")?, need(&f, "ip", "an IPv4 address")?);
    let eip = f.parsed("eip", "an IPv4 address")?;
    let kind = f.need_text("type")?;
    f.finish()?;
    match (kind.as_str(), eip) {
        ("public", Some(_)) | ("private", None) => Ok(NatEntry { subnet, ip, eip }),
        ("public", None) => Err(Fault::new(node.line, format!("public NAT gateway `{name}` lacks `eip`"))),
        ("private", Some(_)) => Err(Fault::new(node.line, format!("private NAT gateway `{name}` has no `eip`"))),
        (other, _) => Err(Fault::new(node.line, format!("unknown NAT gateway type `{other}`"))),
    }
}

fn group(node: &Node, name: &str) -> Result<GroupEntry, Fault> {
    let f = Fields::of(node, name)?;
    let rules = |key| {
        let texts = f.texts(key)?.into_iter();
        let rule = |(line, text): (u32, String)| Ok((line, GroupRule::parse(&text).map_err(|why| Fault::new(line, why))?));
        texts.map(rule).collect::<Result<Vec<_>, Fault>>()
    };
    let (ingress, egress) = (rules("in")?, if f.has("out") { Some(rules("out")?) } else { None });
    let group = GroupEntry { vpc: f.need_text("vpc")?, ingress, egress };
    f.finish()?;
    Ok(group)
}

fn interface(node: &Node, name: &str) -> Result<InterfaceEntry, Fault> {
    let f = Fields::of(node, name)?;
    let mut eip = Vec::new();
    for (line, private, public) in f.entries("eip")? {
        const ADDRESS: &str = "an IPv4 address";
        eip.push((line, parse(private, line, "eip", ADDRESS)?, parse(&text(public, "eip")?, line, "eip", ADDRESS)?));
    }
    let interface = InterfaceEntry {
        subnet: f.need_text("subnet")?,
        ip: parsed_list(&f, "ip", "an IPv4 address")?,
        eip,
        sg: f.texts("sg")?.into_iter().map(|(_, name)| name).collect(),
        check: f.boolean("check")?.unwrap_or(true),
        forward: f.boolean("forward")?.unwrap_or(false),
        masquerade: f.boolean("masquerade")?.unwrap_or(false),
    };
    f.finish()?;
    match interface.ip.is_empty() {
        true => Err(Fault::new(node.line, format!("interface `{name}` needs an address"))),
        false => Ok(interface),
    }
}

fn peering(node: &Node, name: &str) -> Result<PeeringEntry, Fault> {
    let f = Fields::of(node, name)?;
    let vpcs: Vec<_> = f.texts("vpcs")?.into_iter().map(|(_, vpc)| vpc).collect();
    let word = f.need_text("state")?;
    let state =
        PeeringState::parse(&word).ok_or_else(|| Fault::new(node.line, format!("unknown peering state `{word}`")))?;
    f.finish()?;
    match <[String; 2]>::try_from(vpcs) {
        Ok([requester, accepter]) => Ok(PeeringEntry { vpcs: (requester, accepter), state }),
        Err(_) => Err(Fault::new(node.line, format!("peering connection `{name}` has two VPCs"))),
    }
}

fn need<T: std::str::FromStr>(f: &Fields<'_>, key: &'static str, expected: &str) -> Result<T, Fault> {
    parse(&f.need_text(key)?, f.line, key, expected)
}

fn parsed_list<T: std::str::FromStr>(f: &Fields<'_>, key: &'static str, expected: &str) -> Result<Vec<T>, Fault> {
    f.texts(key)?.into_iter().map(|(line, item)| parse(&item, line, key, expected)).collect()
}

impl Topology {
    /// The same with every line number 0, for comparison of what two files say.
    pub fn without_lines(&self) -> Self {
        fn flat<T: Clone>(section: &Section<T>) -> Section<T> {
            section.iter().map(|entry| Entry { line: 0, ..entry.clone() }).collect()
        }
        let mut same = Self {
            vpcs: flat(&self.vpcs),
            subnets: flat(&self.subnets),
            route_tables: flat(&self.route_tables),
            nat: flat(&self.nat),
            sgs: flat(&self.sgs),
            enis: flat(&self.enis),
            pcx: flat(&self.pcx),
            hosts: flat(&self.hosts),
            ..self.clone()
        };
        same.route_tables.iter_mut().flat_map(|t| &mut t.body.routes).for_each(|route| route.0 = 0);
        same.enis.iter_mut().flat_map(|e| &mut e.body.eip).for_each(|eip| eip.0 = 0);
        for group in &mut same.sgs {
            let rules = group.body.ingress.iter_mut().chain(group.body.egress.iter_mut().flatten());
            rules.for_each(|rule| rule.0 = 0);
        }
        same
    }
}
