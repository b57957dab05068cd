//! The devices of a fabric and the cables between them, made once and kept equal to the fabric from then on.

mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use fabric::gateway::{TransitEnd, VpcEndpointKind};
use fabric::stage::exempt;
use fabric::stage::internet::PUBLIC_DNS;
use fabric::{Fabric, InterfaceIndex, InterfaceKind};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use model::{
    EgressOnlyInternetGatewayId, InternetGatewayId, NatGatewayId, NetworkInterfaceId, TransitGatewayId, VpcEndpointId, VpcId,
    VpnGatewayId,
};
use wire::Mac;

use super::endpoint::Endpoint;
use super::gateway::{EgressOnlyInternetGateway, INSIDE, InternetGateway, OUTSIDE, VpnGateway};
use super::internet::{Beyond, Internet};
use super::judge::Clock;
use super::lease;
use super::nat::NatGateway;
use super::neighbor::ROUTER_IPV6;
use super::resolver::{GuestNames, NameServer};
use super::router::{Router, Side, host_mac};
use super::transit::{Attached, TransitGateway};
use crate::app::AppId;
use crate::host::{Host, HostSpec, InterfaceSpec, RouteSpec, Services, link_local};
use crate::link::LinkSpec;
use crate::node::NodeId;
use crate::simulator::{LinkId, Simulator};
use crate::time::Span;
use crate::trace::Bounds;

/// Between an instance and its VPC's router: ten gigabits, and about what a ping inside a zone takes.
fn cable() -> LinkSpec {
    LinkSpec {
        rate_bits_per_second: 10_000_000_000,
        delay: Span::microseconds(25),
        mtu_bytes: u32::from(lease::MTU),
        ..LinkSpec::default()
    }
}

/// Between a gateway and a host on the internet.
fn long_cable() -> LinkSpec {
    LinkSpec { delay: Span::milliseconds(2), ..cable() }
}

/// A cloud in a simulation.
pub struct Cloud {
    /// The simulation.
    pub simulator: Simulator,
    fabric: Arc<Fabric>,
    internet: NodeId,
    routers: BTreeMap<VpcId, NodeId>,
    services: BTreeMap<NodeId, VpcId>,
    /// The programs of the resolvers of VPCs and of the public DNS.
    resolvers: Vec<(NodeId, AppId)>,
    internet_gateways: BTreeMap<InternetGatewayId, NodeId>,
    egress_only: BTreeMap<EgressOnlyInternetGatewayId, NodeId>,
    vpn_gateways: BTreeMap<VpnGatewayId, NodeId>,
    nat_gateways: BTreeMap<NatGatewayId, NodeId>,
    transit_gateways: BTreeMap<TransitGatewayId, NodeId>,
    endpoints: BTreeMap<VpcEndpointId, NodeId>,
    /// Instances, and services behind interface endpoints, by the interfaces that they were made with.
    guests: BTreeMap<Vec<NetworkInterfaceId>, NodeId>,
    places: BTreeMap<NetworkInterfaceId, (NodeId, u16)>,
    hosts: BTreeMap<IpAddr, NodeId>,
    /// Hosts that are the service of an endpoint.
    service_hosts: Vec<NodeId>,
    /// Cables that are there, by router and what it leads to.
    plugged: BTreeSet<(VpcId, Side)>,
}

impl Cloud {
    /// The devices of a fabric.
    pub fn new(seed: u64, trace: Bounds, fabric: Arc<Fabric>) -> Self {
        let mut simulator = Simulator::new(seed, trace);
        let internet = simulator.add("internet", Internet::new(Arc::clone(&fabric)));
        let mut cloud = Self {
            simulator,
            fabric: Arc::clone(&fabric),
            internet,
            routers: BTreeMap::new(),
            services: BTreeMap::new(),
            resolvers: Vec::new(),
            internet_gateways: BTreeMap::new(),
            egress_only: BTreeMap::new(),
            vpn_gateways: BTreeMap::new(),
            nat_gateways: BTreeMap::new(),
            transit_gateways: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            guests: BTreeMap::new(),
            places: BTreeMap::new(),
            hosts: BTreeMap::new(),
            service_hosts: Vec::new(),
            plugged: BTreeSet::new(),
        };
        cloud.apply(fabric);
        cloud
    }

    /// What its routers counted for flow logs since they were asked before.
    pub fn take_counts(&mut self) -> Vec<fabric::flow_log::Sighting> {
        let simulator = &mut self.simulator;
        let of = |node: &NodeId| simulator.with(*node, |router: &mut Router, _| router.take_counts());
        self.routers.values().filter_map(of).flatten().collect()
    }

    /// What it stands for.
    pub fn fabric(&self) -> &Arc<Fabric> {
        &self.fabric
    }

    /// Makes what a new fabric has more, and tells every device of it. What is gone keeps its cables, and the router no
    /// longer knows of it. Flows, translations and connections live on as SG-18, SG-23, NAT-18 and EIP-10 say.
    pub fn apply(&mut self, fabric: Arc<Fabric>) {
        self.fabric = Arc::clone(&fabric);
        self.tell(&fabric);
        for vpc in fabric.vpcs.values() {
            if !self.routers.contains_key(&vpc.id) {
                self.add_router(&fabric, &vpc.id, &vpc.name);
            }
        }
        self.add_gateways(&fabric);
        self.add_transit_gateways(&fabric);
        self.add_peerings(&fabric);
        self.add_endpoints(&fabric);
        self.add_guests(&fabric);
        for host in fabric.outside.values() {
            for address in &host.addresses {
                self.host(*address);
            }
        }
    }

    /// Tells every device of a fabric.
    fn tell(&mut self, fabric: &Arc<Fabric>) {
        let simulator = &mut self.simulator;
        for node in self.routers.values() {
            simulator.with(*node, |router: &mut Router, _| router.apply(Arc::clone(fabric)));
        }
        macro_rules! renew {
            ($nodes:expr, $device:ty) => {
                for node in $nodes {
                    simulator.with(*node, |device: &mut $device, _| device.judge.fabric = Arc::clone(fabric));
                }
            };
        }
        renew!([&self.internet], Internet);
        renew!(self.internet_gateways.values(), InternetGateway);
        renew!(self.egress_only.values(), EgressOnlyInternetGateway);
        renew!(self.vpn_gateways.values(), VpnGateway);
        renew!(self.transit_gateways.values(), TransitGateway);
        renew!(self.endpoints.values(), Endpoint);
        for (node, app) in &self.resolvers {
            simulator.with(*node, |host: &mut Host, context| {
                host.app(context, *app, |resolver: &mut NameServer, _| resolver.apply(Arc::clone(fabric)));
            });
        }
        for (id, node) in &self.nat_gateways {
            // NAT-18: a gateway that is gone forgot everything.
            let nat = fabric.nat_gateways.find(id, |nat| &nat.id).map(|nat| fabric.nat_gateways[nat].state);
            let works = nat == Some(model::nat_gateway::NatGatewayState::Available);
            simulator.with(*node, |nat: &mut NatGateway, _| {
                nat.judge.fabric = Arc::clone(fabric);
                if !works {
                    nat.reset();
                }
            });
        }
    }

    /// Sets the time of day everywhere.
    pub fn set_clock(&mut self, clock: Clock) {
        let simulator = &mut self.simulator;
        for node in self.routers.values() {
            simulator.with(*node, |router: &mut Router, _| router.set_clock(clock));
        }
        for node in self.nat_gateways.values() {
            simulator.with(*node, |nat: &mut NatGateway, _| nat.set_clock(clock));
        }
        for node in self.egress_only.values() {
            simulator.with(*node, |gateway: &mut EgressOnlyInternetGateway, _| gateway.set_clock(clock));
        }
    }

    /// An exchange begins: what it begins in tables is over with [`Cloud::close`].
    pub fn begin(&mut self) {
        for node in self.routers.values() {
            self.simulator.with(*node, |router: &mut Router, _| router.begin());
        }
        for node in self.nat_gateways.values() {
            self.simulator.with(*node, |nat: &mut NatGateway, _| nat.begin());
        }
    }

    /// The exchange ended and closed its TCP connections.
    pub fn close(&mut self) {
        for node in self.routers.values() {
            self.simulator.with(*node, |router: &mut Router, _| router.close());
        }
        for node in self.nat_gateways.values() {
            self.simulator.with(*node, |nat: &mut NatGateway, _| nat.close());
        }
    }

    /// Plugs a cable of a lan's router into the virtual private gateway of a VPC, behind which these networks lie from then on;
    /// the cable and the VPC's IPv4 blocks, `None` if it has no gateway.
    pub fn attach_lan(
        &mut self,
        vpc: &str,
        end: (NodeId, u16),
        spec: LinkSpec,
        networks: Vec<Ipv4Net>,
    ) -> Option<(LinkId, Vec<Ipv4Net>)> {
        let fabric = Arc::clone(&self.fabric);
        let own = fabric.vpcs.values().find(|own| own.name == vpc || own.id.as_str() == vpc)?;
        let node = self.vpn_gateways.get(&fabric.vpn_gateways[own.vpn_gateway?].id).copied()?;
        let router = self.simulator.get(end.0).and_then(|host: &Host| host.interfaces().get(usize::from(end.1)).map(|own| own.mac))?;
        let port = self.simulator.new_port(node);
        let link = self.simulator.connect((node, port), end, spec);
        self.simulator.with(node, |gateway: &mut VpnGateway, _| gateway.plug(networks, port, router.0));
        Some((link, own.blocks.clone()))
    }

    /// The host outside with an address: made when it is first spoken of.
    pub fn host(&mut self, address: IpAddr) -> NodeId {
        if let Some(node) = self.hosts.get(&address) {
            return *node;
        }
        let name = match self.fabric.outside_host(address) {
            Some(outside) if self.fabric.outside[outside].addresses.len() == 1 => self.fabric.outside[outside].name.clone(),
            Some(outside) => format!("{}-{address}", self.fabric.outside[outside].name),
            None => address.to_string(),
        };
        let mut host = outside_host(address);
        let is_public_dns = address == IpAddr::V4(PUBLIC_DNS);
        let resolver = is_public_dns.then(|| host.install(NameServer::new(Arc::clone(&self.fabric), None)));
        host.set_name_servers(vec![IpAddr::V4(PUBLIC_DNS)]);
        let node = self.simulator.add(&name, host);
        self.resolvers.extend(resolver.map(|app| (node, app)));
        let port = self.simulator.new_port(node);
        let at = self.simulator.add_port(self.internet, &name);
        self.simulator.connect((self.internet, at), (node, port), long_cable());
        self.simulator.with(self.internet, |internet: &mut Internet, _| internet.plug(Beyond::Host(address), at));
        self.open(node);
        self.hosts.insert(address, node);
        self.add_service_hosts(address);
        node
    }

    /// Where an address is the service of an endpoint, a host there too.
    fn add_service_hosts(&mut self, address: IpAddr) {
        let fabric = Arc::clone(&self.fabric);
        for endpoint in fabric.vpc_endpoints.values() {
            let VpcEndpointKind::Gateway { blocks, .. } = &endpoint.kind else { continue };
            let Some(node) = self.endpoints.get(&endpoint.id).copied() else { continue };
            let known = self.simulator.get(node).is_some_and(|device: &Endpoint| device.port(address).is_some());
            if known || !blocks.iter().any(|block| block.contains(&address)) {
                continue;
            }
            let host = self.simulator.add(&format!("{}-{address}", endpoint.name), outside_host(address));
            let (port, at) = (self.simulator.new_port(host), self.simulator.new_port(node));
            self.simulator.connect((node, at), (host, port), long_cable());
            self.simulator.with(node, |device: &mut Endpoint, _| device.plug(address, at));
            self.open(host);
            self.service_hosts.push(host);
        }
    }

    fn open(&mut self, node: NodeId) {
        let services = Services { default_open: true, ..Services::default() };
        self.simulator.with(node, |host: &mut Host, _| host.set_services(services));
    }

    fn add_router(&mut self, fabric: &Arc<Fabric>, id: &VpcId, name: &str) {
        let node = self.simulator.add(&format!("{name}-router"), Router::new(Arc::clone(fabric), id.clone()));
        self.routers.insert(id.clone(), node);
        let vpc = fabric.vpcs.find(id, |vpc| &vpc.id).map(|vpc| &fabric.vpcs[vpc]);
        let own = vpc.map_or(exempt::RESOLVER, |vpc| vpc.resolver);
        let v4 = [own, exempt::RESOLVER, exempt::METADATA, exempt::TIME].map(|a| IpNet::V4(Ipv4Net::new_assert(a, 32)));
        let v6 = [exempt::RESOLVER_IPV6, exempt::METADATA_IPV6, exempt::TIME_IPV6].map(|a| IpNet::V6(Ipv6Net::new_assert(a, 128)));
        let mut services = host_spec(v4.into_iter().chain(v6).collect(), Mac(host_mac(IpAddr::V4(exempt::RESOLVER))), u32::from(lease::MTU));
        services.routes = everywhere();
        let mut services = Host::new(services);
        let resolver = services.install(NameServer::new(Arc::clone(fabric), Some(id.clone())));
        let host = self.simulator.add(&format!("{name}-services"), services);
        self.resolvers.push((host, resolver));
        self.open(host);
        self.services.insert(host, id.clone());
        self.plug(id, Side::Services, "services", host, None);
    }

    /// A cable from a VPC's router to a port of a node, a new one if none is named. Nothing if it is there.
    fn plug(&mut self, vpc: &VpcId, side: Side, name: &str, node: NodeId, port: Option<u16>) {
        let Some(router) = self.routers.get(vpc).copied() else { return };
        if !self.plugged.insert((vpc.clone(), side.clone())) {
            return;
        }
        let at = self.simulator.add_port(router, name);
        let port = port.unwrap_or_else(|| {
            let name = self.simulator.name(router).to_owned();
            self.simulator.add_port(node, &name)
        });
        self.simulator.connect((router, at), (node, port), cable());
        self.simulator.with(router, |router: &mut Router, _| router.plug(side, at));
    }

    fn gateway_node(&mut self, name: &str, node: impl crate::node::Node, beyond: Beyond) -> NodeId {
        let node = self.simulator.add(name, node);
        let (inside, outside) = (self.simulator.add_port(node, "inside"), self.simulator.add_port(node, "outside"));
        debug_assert_eq!((inside, outside), (INSIDE, OUTSIDE));
        let at = self.simulator.add_port(self.internet, name);
        self.simulator.connect((self.internet, at), (node, outside), long_cable());
        self.simulator.with(self.internet, |internet: &mut Internet, _| internet.plug(beyond, at));
        node
    }

    fn add_gateways(&mut self, fabric: &Arc<Fabric>) {
        for gateway in fabric.internet_gateways.values() {
            let id = &gateway.id;
            if !self.internet_gateways.contains_key(id) {
                let device = InternetGateway::new(Arc::clone(fabric), id.clone());
                let node = self.gateway_node(&gateway.name, device, Beyond::InternetGateway(id.clone()));
                self.internet_gateways.insert(id.clone(), node);
            }
            if let Some(vpc) = gateway.vpc {
                // A gateway may go from one VPC to another and back: its one cable goes with it.
                let (vpc, side) = (fabric.vpcs[vpc].id.clone(), Side::InternetGateway(id.clone()));
                self.move_plug(&vpc, side, &gateway.name, self.internet_gateways[id]);
            }
        }
        for gateway in fabric.egress_only_internet_gateways.values() {
            let id = &gateway.id;
            if !self.egress_only.contains_key(id) {
                let device = EgressOnlyInternetGateway::new(Arc::clone(fabric), id.clone());
                let node = self.gateway_node(&gateway.name, device, Beyond::EgressOnlyInternetGateway(id.clone()));
                self.egress_only.insert(id.clone(), node);
            }
            let vpc = fabric.vpcs[gateway.vpc].id.clone();
            self.plug(&vpc, Side::EgressOnlyInternetGateway(id.clone()), &gateway.name, self.egress_only[id], Some(INSIDE));
        }
        for gateway in fabric.vpn_gateways.values() {
            let id = &gateway.id;
            if !self.vpn_gateways.contains_key(id) {
                let device = VpnGateway::new(Arc::clone(fabric), id.clone());
                let node = self.gateway_node(&gateway.name, device, Beyond::VpnGateway(id.clone()));
                self.vpn_gateways.insert(id.clone(), node);
            }
            if let Some(vpc) = gateway.vpc {
                let vpc = fabric.vpcs[vpc].id.clone();
                self.move_plug(&vpc, Side::VpnGateway(id.clone()), &gateway.name, self.vpn_gateways[id]);
            }
        }
        for nat in fabric.nat_gateways.values() {
            if !self.nat_gateways.contains_key(&nat.id) {
                let node = self.simulator.add(&nat.name, NatGateway::new(Arc::clone(fabric), nat.id.clone()));
                self.simulator.add_port(node, "eth0");
                self.nat_gateways.insert(nat.id.clone(), node);
            }
            if let Some(interface) = nat.interface {
                let side = Side::Interface(fabric.interfaces[interface].id.clone());
                let vpc = fabric.vpcs[nat.vpc].id.clone();
                self.plug(&vpc, side, &nat.name, self.nat_gateways[&nat.id], Some(0));
            }
        }
    }

    /// The inner port of a gateway is plugged into this router, whatever it was plugged into before.
    fn move_plug(&mut self, vpc: &VpcId, side: Side, name: &str, node: NodeId) {
        let elsewhere: Vec<VpcId> = self.plugged.iter().filter(|(other, known)| other != vpc && *known == side).map(|(other, _)| other.clone()).collect();
        if elsewhere.is_empty() {
            return self.plug(vpc, side, name, node, Some(INSIDE));
        }
        let Some(router) = self.routers.get(vpc).copied() else { return };
        let at = self.simulator.get(router).and_then(|router: &Router| router.port(&side));
        match at {
            Some(at) => {
                self.simulator.connect((router, at), (node, INSIDE), cable());
            }
            None => self.plug(vpc, side, name, node, Some(INSIDE)),
        }
    }

    fn add_transit_gateways(&mut self, fabric: &Arc<Fabric>) {
        for gateway in fabric.transit_gateways.values() {
            if !self.transit_gateways.contains_key(&gateway.id) {
                let device = TransitGateway::new(Arc::clone(fabric), gateway.id.clone());
                let node = self.simulator.add(&gateway.name, device);
                self.transit_gateways.insert(gateway.id.clone(), node);
            }
        }
        let zones: BTreeSet<String> = fabric.subnets.values().map(|subnet| subnet.availability_zone.clone()).collect();
        for gateway in fabric.transit_gateways.values() {
            let node = self.transit_gateways[&gateway.id];
            for attachment in &gateway.attachments {
                match &attachment.to {
                    TransitEnd::Vpc { vpc, subnets } => {
                        for subnet in subnets {
                            let subnet = fabric.subnets[*subnet].id.clone();
                            let attached = Attached::Vpc(subnet.clone());
                            let Some(port) = self.new_attached(node, attached) else { continue };
                            let side = Side::TransitGateway(gateway.id.clone(), subnet);
                            let vpc = fabric.vpcs[*vpc].id.clone();
                            self.plug(&vpc, side, &gateway.name, node, Some(port));
                        }
                    }
                    TransitEnd::Peering { gateway: other, .. } => {
                        let other = self.transit_gateways[&fabric.transit_gateways[*other].id];
                        for zone in &zones {
                            let attached = Attached::Peering(attachment.id.clone(), zone.clone());
                            if let (Some(port), Some(there)) = (self.new_attached(node, attached.clone()), self.new_attached(other, attached)) {
                                self.simulator.connect((node, port), (other, there), cable());
                            }
                        }
                    }
                }
            }
        }
    }

    /// A new port of a transit gateway; `None` if it is there.
    fn new_attached(&mut self, node: NodeId, attached: Attached) -> Option<u16> {
        if self.simulator.get(node).is_none_or(|gateway: &TransitGateway| gateway.port(&attached).is_some()) {
            return None;
        }
        let port = self.simulator.new_port(node);
        self.simulator.with(node, |gateway: &mut TransitGateway, _| gateway.plug(attached, port));
        Some(port)
    }

    fn add_peerings(&mut self, fabric: &Arc<Fabric>) {
        for peering in fabric.peerings.values() {
            let (Some(one), Some(other)) = (peering.requester, peering.accepter) else { continue };
            let side = Side::Peering(peering.id.clone());
            let (one, other) = (fabric.vpcs[one].id.clone(), fabric.vpcs[other].id.clone());
            if one == other || self.plugged.contains(&(one.clone(), side.clone())) {
                continue;
            }
            let node = self.routers[&other];
            let port = self.simulator.add_port(node, &peering.name);
            self.simulator.with(node, |router: &mut Router, _| router.plug(side.clone(), port));
            self.plugged.insert((other, side.clone()));
            self.plug(&one, side, &peering.name, node, Some(port));
        }
    }

    fn add_endpoints(&mut self, fabric: &Arc<Fabric>) {
        for endpoint in fabric.vpc_endpoints.values() {
            let vpc = fabric.vpcs[endpoint.vpc].id.clone();
            if let VpcEndpointKind::Gateway { .. } = endpoint.kind
                && !self.endpoints.contains_key(&endpoint.id)
            {
                let node = self.simulator.add(&endpoint.name, Endpoint::new(Arc::clone(fabric), endpoint.id.clone()));
                let port = self.simulator.add_port(node, "inside");
                self.endpoints.insert(endpoint.id.clone(), node);
                self.plug(&vpc, Side::VpcEndpoint(endpoint.id.clone()), &endpoint.name, node, Some(port));
                let known: Vec<IpAddr> = self.hosts.keys().copied().collect();
                known.into_iter().for_each(|address| self.add_service_hosts(address));
            }
        }
    }

    fn add_guests(&mut self, fabric: &Arc<Fabric>) {
        for instance in fabric.instances.values() {
            self.add_guest(fabric, &instance.name, &instance.interfaces, instance.guest.ip_forward, instance.guest.masquerade);
        }
        let services = fabric.interfaces.iter().filter(|(_, own)| matches!(own.kind, InterfaceKind::VpcEndpoint(_)));
        for (index, own) in services {
            self.add_guest(fabric, &own.name, &[index], false, false);
        }
    }

    /// A guest with these interfaces. One that has others by now is another system; one with other addresses or another task
    /// is told so.
    fn add_guest(&mut self, fabric: &Arc<Fabric>, name: &str, interfaces: &[InterfaceIndex], forwards: bool, masquerades: bool) {
        let ids: Vec<NetworkInterfaceId> = interfaces.iter().map(|index| fabric.interfaces[*index].id.clone()).collect();
        if ids.is_empty() {
            return;
        }
        let names = GuestNames::of(fabric, interfaces);
        for server in names.servers.iter().filter(|server| fabric.is_outside_host(**server)) {
            self.host(*server);
        }
        let spec = guest_spec(fabric, interfaces, forwards, masquerades);
        if let Some(node) = self.guests.get(&ids) {
            self.simulator.with(*node, |host: &mut Host, context| {
                names.give(host);
                host.configure(context, spec);
            });
            return;
        }
        self.guests.retain(|known, _| !known.iter().any(|id| ids.contains(id)));
        let mut host = Host::new(spec);
        names.give(&mut host);
        let node = self.simulator.add(name, host);
        for (index, id) in interfaces.iter().zip(&ids) {
            let own = &fabric.interfaces[*index];
            let port = self.simulator.new_port(node);
            let vpc = fabric.vpcs[own.vpc].id.clone();
            let side = Side::Interface(id.clone());
            let router = self.routers[&vpc];
            match self.simulator.get(router).and_then(|router: &Router| router.port(&side)) {
                Some(at) => {
                    self.simulator.connect((router, at), (node, port), cable());
                }
                None => self.plug(&vpc, side, &own.name, node, Some(port)),
            }
            self.places.insert(id.clone(), (node, port));
        }
        self.open(node);
        self.guests.insert(ids, node);
    }
}

/// A host with one interface.
fn host_spec(addresses: Vec<IpNet>, mac: Mac, mtu: u32) -> HostSpec {
    HostSpec { interfaces: vec![InterfaceSpec { name: "eth0".to_owned(), mac, addresses, mtu }], ..HostSpec::default() }
}

/// Everything is on the cable.
fn everywhere() -> Vec<RouteSpec> {
    let all = [IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)), IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0))];
    all.into_iter().map(|destination| RouteSpec { destination, via: None, interface: 0, metric: 0 }).collect()
}

fn outside_host(address: IpAddr) -> Host {
    let mut spec = host_spec(vec![IpNet::from(address)], Mac(host_mac(address)), 1_500);
    spec.routes = everywhere();
    Host::new(spec)
}

fn guest_spec(fabric: &Fabric, interfaces: &[InterfaceIndex], forwards: bool, masquerades: bool) -> HostSpec {
    let mut spec = HostSpec { forwarding: forwards || masquerades, masquerade: masquerades.then_some(0), ..HostSpec::default() };
    for (port, index) in interfaces.iter().enumerate() {
        let own = &fabric.interfaces[*index];
        let subnet = &fabric.subnets[own.subnet];
        let v4 = own.addresses.iter().map(|a| IpNet::V4(Ipv4Net::new_assert(a.private, subnet.cidr.prefix_len())));
        let v6 = own.ipv6.iter().map(|a| {
            let block = subnet.ipv6_blocks.iter().find(|block| block.contains(a));
            IpNet::V6(Ipv6Net::new_assert(*a, block.map_or(128, Ipv6Net::prefix_len)))
        });
        // No router is announced where there is no IPv6; where there is, whoever passes packets on needs no address but its link's.
        let has_ipv6 = !subnet.ipv6_blocks.is_empty();
        let of_link = has_ipv6.then(|| IpNet::V6(Ipv6Net::new_assert(link_local(Mac(own.mac.0)), 64)));
        let addresses = v4.chain(v6).chain(of_link).collect();
        spec.interfaces.push(InterfaceSpec { name: format!("eth{port}"), mac: Mac(own.mac.0), addresses, mtu: u32::from(lease::MTU) });
        // ENI-11: one default route, by the first interface; those of the others are for what is bound to them.
        let (all, all_v6) = (Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0), Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0));
        let gateways = [(IpNet::V4(all), IpAddr::V4(subnet.router)), (IpNet::V6(all_v6), IpAddr::V6(ROUTER_IPV6))];
        for (destination, via) in gateways.into_iter().filter(|(_, via)| via.is_ipv4() || has_ipv6) {
            spec.routes.push(RouteSpec { destination, via: Some(via), interface: port as u16, metric: port as u32 });
        }
    }
    spec
}
