//! What the kernel must hold for a fabric: plain data, compared and applied elsewhere. `docs/linux-engine.md` is the map.

mod address_space;
mod egress_only_internet_gateway;
mod family;
pub mod flow_log;
mod gateway_endpoint;
mod guest;
mod ingress;
mod internet;
mod internet_gateway;
mod ipv6;
pub mod lan;
mod nat_gateway;
mod network_acl;
mod peering;
mod phrase;
mod reset;
mod router;
mod security_group;
mod text;
mod transit_gateway;

pub use internet::{AWS_API, PUBLIC_DNS, SINK as NOWHERE};
pub use ipv6::link_local;
pub use router::{METADATA, RESOLVER, TIME};

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use fabric::{Fabric, Family, InstanceIndex, InterfaceIndex, Stage, VpcIndex};
use ipnet::{IpNet, Ipv4Net};
use netlink::nft::{self, Chain, Element, Expr, Key, Set};
use netlink::rtnl::link::BridgeSettings;
use netlink::rtnl::qdisc::Qdisc;

/// The largest packet inside a VPC (L2-7), bytes.
pub const MTU_VPC: u32 = 9_001;
/// The largest packet on the internet (L2-7), bytes.
pub const MTU_INTERNET: u32 = 1_500;
/// The largest packet that a NAT gateway takes (NAT-15), bytes.
pub const MTU_NAT: u32 = 8_500;
/// Hardware address of every router end: the fabric's own (L2-2).
pub const ROUTER_MAC: [u8; 6] = [0x02, 0x76, 0x70, 0x63, 0, 1];

/// How a fabric is to be planned.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// For tests: this stage decides the other way round.
    pub invert: Option<Stage>,
    /// The most tracked flows of one interface (SG-31); none: no ceiling. Usually a quarter of `nf_conntrack_max`.
    pub flows_per_interface: Option<u32>,
    /// What this kernel has for the links of lans.
    pub shaping: lan::Shaping,
}

/// Why a fabric cannot be built here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The conntrack label has 128 bits, four for each such interface.
    #[error("VPC {vpc} has {count} interfaces without source/dest check; this engine can tell the flows of {limit} apart")]
    TooManyUnchecked {
        /// The VPC.
        vpc: String,
        /// How many.
        count: usize,
        /// How many can be.
        limit: usize,
    },
}

/// Everything that the kernel must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Namespaces by key.
    pub namespaces: BTreeMap<String, Arc<Namespace>>,
    /// Links by the near end's namespace and name.
    pub links: BTreeMap<(String, String), Veth>,
}

/// One network namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Whether an instance, or a device of a lan, lives in it (and owns it).
    pub is_instance: bool,
    /// Bridges by name. They live as long as their namespace.
    pub bridges: BTreeMap<String, BridgeSettings>,
    /// Values under `/proc/sys`.
    pub sysctls: BTreeMap<String, String>,
    /// Addresses.
    pub addresses: BTreeSet<Address>,
    /// Routes.
    pub routes: BTreeSet<Route>,
    /// Rules that choose a routing table.
    pub rules: BTreeSet<Rule>,
    /// Permanent neighbours: device and address to hardware address.
    pub neighbours: BTreeMap<(String, IpAddr), [u8; 6]>,
    /// nf_tables tables.
    pub tables: BTreeMap<nft::Table, Table>,
}

/// A pair of Ethernet devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Veth {
    /// The end that the pair is found by.
    pub near: LinkEnd,
    /// The other.
    pub far: LinkEnd,
}

impl Veth {
    /// Whether this pair becomes that one without being made anew.
    pub fn can_become(&self, other: &Veth) -> bool {
        let fixed = |end: &LinkEnd| LinkEnd { is_up: true, qdisc: None, ..end.clone() };
        fixed(&self.near) == fixed(&other.near) && fixed(&self.far) == fixed(&other.far)
    }
}

/// One end of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkEnd {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Hardware address.
    pub mac: [u8; 6],
    /// Largest packet, bytes.
    pub mtu: u32,
    /// Device group.
    pub group: u32,
    /// Whether it answers ARP for what is routed elsewhere.
    pub proxy_arp: bool,
    /// The bridge that it is a port of.
    pub bridge: Option<String>,
    /// Whether others are asked for their hardware addresses; on a line between two there is nobody else.
    pub asks: bool,
    /// Whether it has a link-local IPv6 address.
    pub link_local: bool,
    /// Whether it is set up.
    pub is_up: bool,
    /// How fast, late and surely what is sent leaves.
    pub qdisc: Option<Qdisc>,
}

impl LinkEnd {
    /// An end in device group 0, up, for ordinary IPv4.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, mac: [u8; 6], mtu: u32) -> LinkEnd {
        LinkEnd {
            namespace: namespace.into(),
            name: name.into(),
            mac,
            mtu,
            group: 0,
            proxy_arp: false,
            bridge: None,
            asks: true,
            link_local: false,
            is_up: true,
            qdisc: None,
        }
    }

    /// The device's index: made from its name, so that routes can name it before it exists.
    pub fn index(&self) -> u32 {
        device_index(&self.name)
    }
}

/// The index of a device by name. `eth0` has 2, as it would by itself; later ones are far from what the kernel gives to the
/// guest's own devices (`docker0`), which may be there first.
pub fn device_index(name: &str) -> u32 {
    match name.strip_prefix("eth").and_then(|n| n.parse::<u32>().ok()) {
        Some(0) => 2,
        Some(n) => 0x1000_0000 + n,
        None if name == "lo" => 1,
        None => crate::naming::number(name),
    }
}

/// An address on a device; no route comes with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Device.
    pub device: String,
    /// Address with prefix length.
    pub address: IpNet,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Routing table.
    pub table: u32,
    /// Destination.
    pub destination: IpNet,
    /// Rank among routes to the same destination; the lowest wins.
    pub metric: u32,
    /// What it does.
    pub to: RouteTo,
}

/// What a route does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteTo {
    /// Ask the next rule.
    Throw,
    /// Out of a device, to a neighbour if one is named.
    Device {
        /// Device.
        device: String,
        /// Neighbour.
        via: Option<IpAddr>,
        /// Source address of packets that this namespace itself sends.
        source: Option<IpAddr>,
        /// The largest packet this way, if less than the device's.
        mtu: Option<u32>,
    },
}

/// A rule that chooses a routing table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Of which family's packets.
    pub family: Family,
    /// Rank; the lowest is asked first.
    pub priority: u32,
    /// Only packets with this mark.
    pub mark: Option<u32>,
    /// Routing table.
    pub table: u32,
}

/// One nf_tables table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Sets and maps by name.
    pub sets: BTreeMap<String, (Set, BTreeMap<ElementKey, Element>)>,
    /// Chains by name, each rule a list of expressions.
    pub chains: BTreeMap<String, (Chain, Arc<Vec<Vec<Expr>>>)>,
}

/// An element's key in an order that is the same every time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ElementKey(Vec<u8>, Vec<u8>);

impl ElementKey {
    /// The key of an element.
    pub fn of(element: &Element) -> ElementKey {
        match &element.key {
            Key::Exact(key) => ElementKey(key.clone(), Vec::new()),
            Key::Range(from, to) => ElementKey(from.clone(), to.clone()),
            Key::CatchAll => ElementKey(Vec::new(), vec![1]),
        }
    }
}

impl Table {
    /// Adds a set.
    pub fn set(&mut self, set: Set, elements: impl IntoIterator<Item = Element>) {
        let entry = self.sets.entry(set.name.clone()).or_insert_with(|| (set, BTreeMap::new()));
        for element in elements {
            entry.1.insert(ElementKey::of(&element), element);
        }
    }

    /// Adds an element to a set that is there already.
    pub fn element(&mut self, set: &str, element: Element) {
        if let Some((_, elements)) = self.sets.get_mut(set) {
            elements.insert(ElementKey::of(&element), element);
        }
    }

    /// Adds a chain.
    pub fn chain(&mut self, chain: Chain, rules: Vec<Vec<Expr>>) {
        self.chains.insert(chain.name.clone(), (chain, Arc::new(rules)));
    }

    /// The chain that reports a packet with a reason and drops it; made on first use.
    pub fn drop_chain(&mut self, prefix: &str) -> String {
        let name = format!("drop_{}", prefix.replace('-', "_"));
        if !self.chains.contains_key(&name) {
            let report = Expr::Log { group: 1, prefix: prefix.to_owned(), snaplen: 128, threshold: 1 };
            let rule = vec![Expr::Counter, report, Expr::Verdict(nft::Verdict::Drop)];
            self.chains.insert(name.clone(), (Chain::new(name.clone()), Arc::new(vec![rule])));
        }
        name
    }
}

impl Plan {
    /// The plan of a fabric.
    pub fn new(fabric: &Fabric, options: Options) -> Result<Plan, PlanError> {
        Plan::after(None, fabric, options)
    }

    /// The plan of a fabric, the same as [`Plan::new`] makes, with what it shares with an earlier plan of the same options
    /// taken from there: then neither making, comparing nor dropping it costs anything.
    pub fn renew(before: &Plan, of: &Fabric, fabric: &Fabric, options: Options) -> Result<Plan, PlanError> {
        Plan::after(Some(Before { plan: before, fabric: of }), fabric, options)
    }

    fn after(before: Option<Before<'_>>, fabric: &Fabric, options: Options) -> Result<Plan, PlanError> {
        let mut plan = Plan::default();
        internet::plan(fabric, options, &mut plan);
        for (index, _) in fabric.vpcs.iter() {
            router::plan(fabric, index, options, before, &mut plan)?;
        }
        for (_, gateway) in fabric.internet_gateways.iter() {
            internet_gateway::plan(fabric, gateway, options, &mut plan);
        }
        for gateway in fabric.egress_only_internet_gateways.values() {
            egress_only_internet_gateway::plan(fabric, gateway, options, &mut plan);
        }
        for (_, gateway) in fabric.nat_gateways.iter() {
            nat_gateway::plan(fabric, gateway, options, &mut plan);
        }
        for (_, peering) in fabric.peerings.iter() {
            peering::plan(fabric, peering, &mut plan);
        }
        for (index, _) in fabric.transit_gateways.iter() {
            transit_gateway::plan(fabric, index, options, &mut plan);
        }
        for endpoint in fabric.vpc_endpoints.values() {
            gateway_endpoint::plan(fabric, endpoint, &mut plan);
        }
        for (index, instance) in fabric.instances.iter() {
            let key = crate::naming::instance_namespace(&instance.id);
            match before.and_then(|before| before.guest(&key, fabric, index)) {
                Some(same) => drop(plan.namespaces.insert(key, same)),
                None => guest::plan(fabric, index, &mut plan),
            }
        }
        guest::plan_endpoints(fabric, &mut plan);
        Ok(plan)
    }

    /// A namespace, made on first use with what every namespace of a lab needs.
    fn namespace(&mut self, key: &str) -> &mut Namespace {
        let namespace = self.namespaces.entry(key.to_owned()).or_insert_with(|| {
            let mut namespace = Namespace::default();
            for path in [
                "net/ipv4/conf/all/rp_filter",
                "net/ipv4/conf/all/send_redirects",
                "net/ipv4/conf/all/accept_redirects",
                "net/ipv4/conf/default/rp_filter",
                "net/ipv4/conf/default/send_redirects",
                "net/ipv4/conf/default/accept_redirects",
                // Every dropped packet that deserves an ICMP message gets one; the default is one a second.
                "net/ipv4/icmp_ratelimit",
            ] {
                namespace.sysctls.insert(path.to_owned(), "0".to_owned());
            }
            Arc::new(namespace)
        });
        Arc::make_mut(namespace)
    }

    fn link(&mut self, near: LinkEnd, far: LinkEnd) {
        self.links.insert((near.namespace.clone(), near.name.clone()), Veth { near, far });
    }
}

/// What was planned before, and for which fabric.
#[derive(Clone, Copy)]
struct Before<'a> {
    plan: &'a Plan,
    fabric: &'a Fabric,
}

impl Before<'_> {
    /// The namespace of an instance, if all that it is planned from is what it was.
    fn guest(&self, key: &str, fabric: &Fabric, index: InstanceIndex) -> Option<Arc<Namespace>> {
        let instance = &fabric.instances[index];
        let is_same = self.fabric.instances.get(index) == Some(instance)
            && instance.interfaces.iter().all(|interface| self.knows(fabric, *interface));
        is_same.then(|| self.plan.namespaces.get(key).cloned())?
    }

    /// Whether an interface and its subnet are what they were.
    fn knows(&self, fabric: &Fabric, index: InterfaceIndex) -> bool {
        let interface = &fabric.interfaces[index];
        let subnet = interface.subnet;
        self.fabric.interfaces.get(index) == Some(interface) && self.fabric.subnets.get(subnet) == Some(&fabric.subnets[subnet])
    }

    /// The rules of an interface's ingress chain, if all that they are planned from is what it was: see `interface_rules`.
    fn ingress(&self, fabric: &Fabric, index: InterfaceIndex, router: &str, chain: &str) -> Option<Arc<Vec<Vec<Expr>>>> {
        let interface = &fabric.interfaces[index];
        let (vpc, table) = (interface.vpc, fabric.subnets[interface.subnet].route_table);
        // What IPv6 adds has sets and chains of its own.
        let is_same = self.knows(fabric, index)
            && !ipv6::speaks(fabric, vpc)
            && self.fabric.vpcs.get(vpc).is_some_and(|v| v.ipv6_blocks.is_empty())
            && self.fabric.vpcs.get(vpc).is_some_and(|v| v.resolver == fabric.vpcs[vpc].resolver)
            && self.fabric.route_tables.get(table).is_some_and(|t| t.id == fabric.route_tables[table].id)
            && transit_gateway::subnet_mark(self.fabric, interface.subnet) == transit_gateway::subnet_mark(fabric, interface.subnet);
        let table = nft::Table::new(nft::Family::Netdev, router::TABLE);
        is_same.then(|| self.plan.namespaces.get(router)?.tables.get(&table)?.chains.get(chain).map(|(_, rules)| rules.clone()))?
    }
}

impl Namespace {
    fn forward(&mut self) {
        self.sysctls.insert("net/ipv4/ip_forward".to_owned(), "1".to_owned());
    }

    fn table(&mut self, family: nft::Family, name: &str) -> &mut Table {
        self.tables.entry(nft::Table::new(family, name)).or_default()
    }

    fn neighbour(&mut self, device: &str, address: impl Into<IpAddr>, mac: [u8; 6]) {
        self.neighbours.insert((device.to_owned(), address.into()), mac);
    }

    fn address(&mut self, device: &str, address: impl Into<IpNet>) {
        self.addresses.insert(Address { device: device.to_owned(), address: address.into() });
    }

    fn route(&mut self, table: u32, destination: impl Into<IpNet>, metric: u32, to: RouteTo) {
        self.routes.insert(Route { table, destination: destination.into(), metric, to });
    }
}

impl RouteTo {
    fn device(device: &str) -> RouteTo {
        RouteTo::Device { device: device.to_owned(), via: None, source: None, mtu: None }
    }

    fn via(device: &str, via: impl Into<IpAddr>) -> RouteTo {
        RouteTo::Device { device: device.to_owned(), via: Some(via.into()), source: None, mtu: None }
    }
}

/// The address itself as a block.
fn host(address: impl Into<IpAddr>) -> IpNet {
    IpNet::from(address.into())
}

/// The blocks of a VPC, of one family.
fn blocks(fabric: &Fabric, vpc: VpcIndex, of: Family) -> impl Iterator<Item = IpNet> {
    let vpc = &fabric.vpcs[vpc];
    let all = vpc.blocks.iter().copied().map(IpNet::V4).chain(vpc.ipv6_blocks.iter().copied().map(IpNet::V6));
    all.filter(move |block| family::of_block(block) == of)
}

/// 0.0.0.0/0.
const ANYWHERE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0);
/// The kernel's main table.
const MAIN: u32 = 254;

impl Route {
    /// What the kernel tells routes apart by.
    pub fn key(&self) -> (u32, IpNet, u32) {
        (self.table, self.destination, self.metric)
    }

    /// The device it leads to.
    pub fn device(&self) -> Option<&str> {
        match &self.to {
            RouteTo::Throw => None,
            RouteTo::Device { device, .. } => Some(device),
        }
    }
}
