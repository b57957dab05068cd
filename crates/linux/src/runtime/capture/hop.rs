//! Where packets can be watched: every place that they pass in a lab, under the name that people know it by. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use fabric::{
    EgressOnlyInternetGatewayIndex, Entity, Fabric, InterfaceIndex, InterfaceKind, InternetGatewayIndex, NatGatewayIndex, TransitGatewayIndex,
    VpcIndex,
};
use fabric::gateway::{TransitEnd, VpcEndpointKind};

use crate::naming;
use crate::plan::device_index;

/// What a hop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An instance's end of an interface, or an endpoint's.
    Interface(InterfaceIndex),
    /// The router of a VPC.
    Router(VpcIndex),
    /// A NAT gateway.
    NatGateway(NatGatewayIndex),
    /// An internet gateway.
    InternetGateway(InternetGatewayIndex),
    /// An egress-only internet gateway.
    EgressOnlyInternetGateway(EgressOnlyInternetGatewayIndex),
    /// A transit gateway.
    TransitGateway(TransitGatewayIndex),
    /// Beyond the gateways.
    Internet,
    /// A device of a lan.
    Device,
}

/// A place where packets can be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// As people know it: `web-1`, `shop router`, `igw`, `nat public-a`, `internet`. No two hops of a lab share one.
    pub name: String,
    /// A sentence more: id, device, address.
    pub description: String,
    /// What it is.
    pub kind: Kind,
    /// Its network namespace.
    pub namespace: String,
    /// The one device watched there; `None`: all of them.
    pub device: Option<String>,
    /// What is at the other end of its devices, by device index.
    pub links: BTreeMap<u32, String>,
}

impl Hop {
    /// Every hop of a lab: interfaces by name, then routers, NAT gateways, internet gateways, the internet.
    pub fn all(fabric: &Fabric) -> Vec<Hop> {
        let mut hops: Vec<Hop> = fabric.interfaces.iter().filter_map(|(index, _)| interface(fabric, index)).collect();
        hops.sort_by(|a, b| a.name.cmp(&b.name));
        hops.extend(fabric.vpcs.iter().map(|(index, _)| router(fabric, index)));
        hops.extend(fabric.nat_gateways.iter().filter_map(|(index, _)| nat_gateway(fabric, index)));
        hops.extend(fabric.internet_gateways.iter().filter(|(_, gateway)| gateway.vpc.is_some()).map(|(index, _)| internet_gateway(fabric, index)));
        let spoken = |vpc: VpcIndex| !fabric.vpcs[vpc].ipv6_blocks.is_empty();
        let egress_only = fabric.egress_only_internet_gateways.iter().filter(|(_, gateway)| spoken(gateway.vpc));
        hops.extend(egress_only.map(|(index, _)| egress_only_gateway(fabric, index)));
        let attached = fabric.transit_gateways.iter().filter(|(_, gateway)| !gateway.attachments.is_empty());
        hops.extend(attached.map(|(index, _)| transit_gateway(fabric, index)));
        hops.push(internet(fabric));
        unique(hops)
    }

    /// The hops that a word means: `internet`, a hop's own name, the name, id or address of anything in the lab, or all of
    /// a kind by `router`, `igw`, `nat`. Of an instance: every interface; of a subnet or group: every interface in it.
    pub fn named(fabric: &Fabric, word: &str) -> Vec<Hop> {
        let all = Hop::all(fabric);
        let by = |wanted: &dyn Fn(&Hop) -> bool| all.iter().filter(|hop| wanted(hop)).cloned().collect::<Vec<_>>();
        let found = match fabric.find(word) {
            Some(entity) => by(&|hop| belongs(fabric, hop.kind, entity)),
            None => Vec::new(),
        };
        if !found.is_empty() {
            return found;
        }
        let exactly = by(&|hop| hop.name == word);
        if !exactly.is_empty() {
            return exactly;
        }
        match word {
            "router" => by(&|hop| matches!(hop.kind, Kind::Router(_))),
            "igw" => by(&|hop| matches!(hop.kind, Kind::InternetGateway(_))),
            "eigw" => by(&|hop| matches!(hop.kind, Kind::EgressOnlyInternetGateway(_))),
            "tgw" => by(&|hop| matches!(hop.kind, Kind::TransitGateway(_))),
            "nat" => by(&|hop| matches!(hop.kind, Kind::NatGateway(_))),
            _ if word.parse().is_ok_and(|address: IpAddr| fabric.is_outside_host(address)) => by(&|hop| hop.kind == Kind::Internet),
            _ => Vec::new(),
        }
    }

    /// Whether packets pass it without noticing: it answers no probe and takes nothing off the TTL (L2-5).
    pub fn is_unseen(&self) -> bool {
        matches!(
            self.kind,
            Kind::Router(_) | Kind::InternetGateway(_) | Kind::EgressOnlyInternetGateway(_) | Kind::TransitGateway(_)
        )
    }

    /// What is at the other end of a device.
    pub fn link(&self, device: u32) -> Option<&str> {
        self.links.get(&device).map(String::as_str)
    }
}

/// The addresses of a lab with the names of who has them; those that two VPCs both use have none.
pub fn names(fabric: &Fabric) -> BTreeMap<IpAddr, String> {
    let mut names: BTreeMap<IpAddr, BTreeSet<String>> = BTreeMap::new();
    let mut add = |address: IpAddr, name: &str| {
        names.entry(address).or_default().insert(name.to_owned());
    };
    for (_, interface) in fabric.interfaces.iter() {
        let name = match interface.kind {
            InterfaceKind::NatGateway(nat) => nat_name(fabric, nat),
            _ => interface.name.clone(),
        };
        interface.all_addresses().for_each(|address| add(address, &name));
        interface.addresses.iter().filter_map(|a| a.public).for_each(|public| add(public.into(), &name));
    }
    for (_, subnet) in fabric.subnets.iter() {
        subnet.routers().for_each(|router| add(router, &format!("router of {}", subnet.name)));
    }
    for (_, vpc) in fabric.vpcs.iter() {
        add(vpc.resolver.into(), "resolver");
    }
    for (_, host) in fabric.outside.iter() {
        host.addresses.iter().for_each(|address| add(*address, &host.name));
    }
    names.into_iter().filter_map(|(address, mut of)| (of.len() == 1).then(|| of.pop_first()).flatten().map(|name| (address, name))).collect()
}

fn belongs(fabric: &Fabric, kind: Kind, entity: Entity) -> bool {
    match (kind, entity) {
        (Kind::Interface(i), Entity::Interface(wanted)) => i == wanted,
        (Kind::Interface(i), Entity::Instance(wanted)) => fabric.interfaces[i].instance() == Some(wanted),
        (Kind::Interface(i), Entity::Subnet(wanted)) => fabric.interfaces[i].subnet == wanted,
        (Kind::Interface(i), Entity::Group(wanted)) => fabric.interfaces[i].groups.contains(&wanted),
        (Kind::Interface(i), Entity::VpcEndpoint(wanted)) => fabric.interfaces[i].kind == InterfaceKind::VpcEndpoint(wanted),
        (Kind::Router(vpc), Entity::Vpc(wanted)) => vpc == wanted,
        (Kind::NatGateway(nat), Entity::NatGateway(wanted)) => nat == wanted,
        (Kind::NatGateway(nat), Entity::Interface(wanted)) => fabric.nat_gateways[nat].interface == Some(wanted),
        (Kind::InternetGateway(gateway), Entity::InternetGateway(wanted)) => gateway == wanted,
        (Kind::EgressOnlyInternetGateway(gateway), Entity::EgressOnlyInternetGateway(wanted)) => gateway == wanted,
        (Kind::TransitGateway(gateway), Entity::TransitGateway(wanted)) => gateway == wanted,
        (Kind::Internet, Entity::Outside(_)) => true,
        _ => false,
    }
}

fn interface(fabric: &Fabric, index: InterfaceIndex) -> Option<Hop> {
    let interface = &fabric.interfaces[index];
    let (namespace, device, name) = match interface.kind {
        InterfaceKind::Instance { instance, device_index } => {
            let name = match device_index {
                0 => fabric.instances[instance].name.clone(),
                n => format!("{} eth{n}", fabric.instances[instance].name),
            };
            (naming::instance_namespace(&fabric.instances[instance].id), format!("eth{device_index}"), name)
        }
        InterfaceKind::VpcEndpoint(endpoint) => {
            let own = &fabric.vpc_endpoints[endpoint];
            let VpcEndpointKind::Interface { interfaces } = &own.kind else { return None };
            let place = interfaces.iter().position(|i| *i == index).filter(|_| interface.status.is_running())?;
            let name = format!("endpoint {} {}", own.name, fabric.subnets[interface.subnet].name);
            (naming::endpoint_namespace(&own.id), format!("eth{place}"), name)
        }
        InterfaceKind::NatGateway(_) | InterfaceKind::Unattached => return None,
    };
    let public = interface.addresses.iter().find_map(|address| address.public);
    let address = match public {
        Some(public) => format!("{} (public {public})", interface.primary_address()),
        None => interface.primary_address().to_string(),
    };
    let ipv6: String = interface.ipv6.iter().map(|own| format!(" {own}")).collect();
    let description = format!("{}, {device}, {address}{ipv6}", interface.id);
    let links = BTreeMap::from([(device_index(&device), router_name(fabric, interface.vpc))]);
    Some(Hop { name, description, kind: Kind::Interface(index), namespace, device: Some(device), links })
}

fn router(fabric: &Fabric, index: VpcIndex) -> Hop {
    let vpc = &fabric.vpcs[index];
    let mut links = BTreeMap::new();
    for (_, interface) in fabric.interfaces.iter().filter(|(_, interface)| interface.vpc == index) {
        let name = match interface.kind {
            InterfaceKind::NatGateway(nat) => nat_name(fabric, nat),
            _ => interface.name.clone(),
        };
        links.insert(device_index(&naming::interface_link(&interface.id)), name);
    }
    if let Some(gateway) = vpc.internet_gateway {
        links.insert(device_index(naming::ROUTER_TO_GATEWAY), gateway_name(fabric, gateway));
    }
    if let Some(gateway) = vpc.egress_only_internet_gateway {
        links.insert(device_index(naming::ROUTER_TO_EGRESS_ONLY), egress_only_name(fabric, gateway));
    }
    for (_, peering) in fabric.peerings.iter().filter(|(_, peering)| peering.peer_of(index).is_some()) {
        links.insert(device_index(&naming::peering_link(&peering.id)), peering.name.clone());
    }
    for gateway in fabric.transit_gateways.values() {
        for attachment in &gateway.attachments {
            let TransitEnd::Vpc { vpc, subnets } = &attachment.to else { continue };
            for subnet in subnets.iter().filter(|_| *vpc == index) {
                let link = naming::transit_link(attachment.id.as_str(), fabric.subnets[*subnet].id.as_str());
                links.insert(device_index(&link), gateway.name.clone());
            }
        }
    }
    for (_, endpoint) in fabric.vpc_endpoints.iter().filter(|(_, endpoint)| endpoint.vpc == index) {
        links.insert(device_index(&naming::endpoint_link(&endpoint.id)), endpoint.name.clone());
    }
    let blocks = vpc.blocks.iter().map(ToString::to_string).chain(vpc.ipv6_blocks.iter().map(ToString::to_string));
    let blocks: Vec<String> = blocks.collect();
    Hop {
        name: router_name(fabric, index),
        description: format!("router of {}, {}", vpc.id, blocks.join(" ")),
        kind: Kind::Router(index),
        namespace: naming::router_namespace(&vpc.id),
        device: None,
        links,
    }
}

fn nat_gateway(fabric: &Fabric, index: NatGatewayIndex) -> Option<Hop> {
    let nat = &fabric.nat_gateways[index];
    let own = nat.interface.map(|interface| &fabric.interfaces[interface]).filter(|interface| interface.status.is_running())?;
    let address = |own: &fabric::fabric::PrivateAddress| match own.public {
        Some(public) => format!("{} (public {public})", own.private),
        None => own.private.to_string(),
    };
    let address = own.addresses.iter().map(address).collect::<Vec<_>>().join(", ");
    Some(Hop {
        name: nat_name(fabric, index),
        description: format!("{}, eth0, {address}", nat.id),
        kind: Kind::NatGateway(index),
        namespace: naming::nat_gateway_namespace(&nat.id),
        device: Some("eth0".to_owned()),
        links: BTreeMap::from([(device_index("eth0"), router_name(fabric, nat.vpc))]),
    })
}

fn internet_gateway(fabric: &Fabric, index: InternetGatewayIndex) -> Hop {
    let gateway = &fabric.internet_gateways[index];
    let mut links = BTreeMap::from([(device_index(naming::GATEWAY_OUT), "internet".to_owned())]);
    if let Some(vpc) = gateway.vpc {
        links.insert(device_index(naming::GATEWAY_IN), router_name(fabric, vpc));
    }
    Hop {
        name: gateway_name(fabric, index),
        description: format!("internet gateway {} {}", gateway.name, gateway.id),
        kind: Kind::InternetGateway(index),
        namespace: naming::internet_gateway_namespace(&gateway.id),
        device: None,
        links,
    }
}

fn egress_only_gateway(fabric: &Fabric, index: EgressOnlyInternetGatewayIndex) -> Hop {
    let gateway = &fabric.egress_only_internet_gateways[index];
    let links = [
        (device_index(naming::GATEWAY_OUT), "internet".to_owned()),
        (device_index(naming::GATEWAY_IN), router_name(fabric, gateway.vpc)),
    ];
    Hop {
        name: egress_only_name(fabric, index),
        description: format!("egress-only internet gateway {} {}", gateway.name, gateway.id),
        kind: Kind::EgressOnlyInternetGateway(index),
        namespace: naming::egress_only_namespace(&gateway.id),
        device: None,
        links: BTreeMap::from(links),
    }
}

fn transit_gateway(fabric: &Fabric, index: TransitGatewayIndex) -> Hop {
    let gateway = &fabric.transit_gateways[index];
    let zones: BTreeSet<&str> = fabric.subnets.values().map(|subnet| subnet.availability_zone.as_str()).collect();
    let mut links = BTreeMap::new();
    for attachment in &gateway.attachments {
        let link = |place: &str| device_index(&naming::transit_link(attachment.id.as_str(), place));
        match &attachment.to {
            TransitEnd::Vpc { vpc, subnets } => {
                links.extend(subnets.iter().map(|subnet| (link(fabric.subnets[*subnet].id.as_str()), router_name(fabric, *vpc))));
            }
            TransitEnd::Peering { gateway: other, .. } => {
                links.extend(zones.iter().map(|zone| (link(zone), fabric.transit_gateways[*other].name.clone())));
            }
        }
    }
    Hop {
        name: gateway.name.clone(),
        description: format!("transit gateway {}", gateway.id),
        kind: Kind::TransitGateway(index),
        namespace: naming::transit_gateway_namespace(&gateway.id),
        device: None,
        links,
    }
}

/// `eigw` where there is only one, else its own name.
fn egress_only_name(fabric: &Fabric, index: EgressOnlyInternetGatewayIndex) -> String {
    match fabric.egress_only_internet_gateways.iter().count() {
        1 => "eigw".to_owned(),
        _ => fabric.egress_only_internet_gateways[index].name.clone(),
    }
}

fn internet(fabric: &Fabric) -> Hop {
    let gateways = fabric.internet_gateways.iter();
    let links = gateways.map(|(index, gateway)| (device_index(&naming::outside_link(&gateway.id)), gateway_name(fabric, index)));
    let egress_only = fabric.egress_only_internet_gateways.iter();
    let egress_only = egress_only.map(|(index, gateway)| (device_index(&naming::egress_only_link(&gateway.id)), egress_only_name(fabric, index)));
    let links = links.chain(egress_only);
    let places: Vec<&str> = fabric.outside.iter().map(|(_, host)| host.name.as_str()).collect();
    let places = if places.is_empty() { String::new() } else { format!(": {}", places.join(", ")) };
    Hop {
        name: naming::INTERNET.to_owned(),
        description: format!("beyond the gateways{places}"),
        kind: Kind::Internet,
        namespace: naming::INTERNET.to_owned(),
        device: None,
        links: links.collect(),
    }
}

fn router_name(fabric: &Fabric, vpc: VpcIndex) -> String {
    format!("{} router", fabric.vpcs[vpc].name)
}

/// `igw` where there is only one, else its own name.
fn gateway_name(fabric: &Fabric, index: InternetGatewayIndex) -> String {
    match fabric.internet_gateways.iter().filter(|(_, gateway)| gateway.vpc.is_some()).count() {
        1 => "igw".to_owned(),
        _ => fabric.internet_gateways[index].name.clone(),
    }
}

/// By its subnet, unless it has a name of its own.
fn nat_name(fabric: &Fabric, index: NatGatewayIndex) -> String {
    let nat = &fabric.nat_gateways[index];
    let subnet = &fabric.subnets[nat.subnet].name;
    match nat.name == nat.id.as_str() || nat.name == format!("nat-{subnet}") {
        true => format!("nat {subnet}"),
        false if nat.name.starts_with("nat") => nat.name.clone(),
        false => format!("nat {}", nat.name),
    }
}

/// Names may clash (two VPCs have an instance of one name): then the id says which.
fn unique(mut hops: Vec<Hop>) -> Vec<Hop> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    hops.iter().for_each(|hop| *seen.entry(hop.name.clone()).or_default() += 1);
    for hop in hops.iter_mut().filter(|hop| seen.get(&hop.name).is_some_and(|count| *count > 1)) {
        let id = hop.description.split(',').next().unwrap_or_default();
        hop.name = format!("{} {id}", hop.name);
    }
    hops
}
