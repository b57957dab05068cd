//! Model to fabric: every reference resolved once, rows sorted by id, ties between routes broken.

pub(crate) mod edit;
mod groups;
mod routes;
mod transit;
mod witness;
mod witness_ipv6;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use model::endpoint::{VpcEndpointKind as ModelEndpointKind, VpcEndpointState};
use model::nat_gateway::NatGatewayState;
use model::network_interface::InterfaceType;
use model::route_table::Associated;
use model::{InstanceState, Model, NetworkInterfaceId, PrefixListId, Tags, tag};

use crate::acl::Acl;
use crate::fabric::*;
use crate::gateway::*;
use crate::index::*;
use crate::names::Names;

/// Rows of a map by id: where each identifier went.
pub(crate) struct Rows<Id, Index>(BTreeMap<Id, Index>);

impl<Id: Ord + Clone, Index: RowIndex> Rows<Id, Index> {
    fn of<'m>(ids: impl Iterator<Item = &'m Id>) -> Self
    where
        Id: 'm,
    {
        Self(ids.enumerate().map(|(row, id)| (id.clone(), Index::from_usize(row))).collect())
    }

    /// The row of an identifier, if it exists.
    pub(crate) fn get(&self, id: &Id) -> Option<Index> {
        self.0.get(id).copied()
    }
}

/// Identifiers to rows, for everything that others refer to.
pub(crate) struct Places<'m> {
    pub(crate) model: &'m Model,
    pub(crate) vpcs: Rows<model::VpcId, VpcIndex>,
    pub(crate) subnets: Rows<model::SubnetId, SubnetIndex>,
    pub(crate) interfaces: Rows<NetworkInterfaceId, InterfaceIndex>,
    instances: Rows<model::InstanceId, InstanceIndex>,
    pub(crate) groups: Rows<model::SecurityGroupId, GroupIndex>,
    acls: Rows<model::NetworkAclId, AclIndex>,
    route_tables: Rows<model::RouteTableId, RouteTableIndex>,
    pub(crate) internet_gateways: Rows<model::InternetGatewayId, InternetGatewayIndex>,
    pub(crate) egress_only: Rows<model::EgressOnlyInternetGatewayId, EgressOnlyInternetGatewayIndex>,
    pub(crate) vpn_gateways: Rows<model::VpnGatewayId, VpnGatewayIndex>,
    pub(crate) transit_gateways: Rows<model::TransitGatewayId, TransitGatewayIndex>,
    pub(crate) nat_gateways: Rows<model::NatGatewayId, NatGatewayIndex>,
    pub(crate) endpoints: Rows<model::VpcEndpointId, VpcEndpointIndex>,
    /// Elastic IP addresses by interface and private address.
    elastic: BTreeMap<(NetworkInterfaceId, Ipv4Addr), Ipv4Addr>,
}

impl<'m> Places<'m> {
    fn of(model: &'m Model) -> Self {
        let elastic = model.addresses.values().filter_map(|address| {
            let association = address.association.as_ref()?;
            let at = (association.network_interface_id.clone(), association.private_ip_address);
            Some((at, address.public_ip))
        });
        Self {
            model,
            vpcs: Rows::of(model.vpcs.keys()),
            subnets: Rows::of(model.subnets.keys()),
            interfaces: Rows::of(model.network_interfaces.keys()),
            instances: Rows::of(live_instances(model).map(|i| &i.id)),
            groups: Rows::of(model.security_groups.keys()),
            acls: Rows::of(model.network_acls.keys()),
            route_tables: Rows::of(model.route_tables.keys()),
            internet_gateways: Rows::of(model.internet_gateways.keys()),
            egress_only: Rows::of(model.egress_only_internet_gateways.keys()),
            vpn_gateways: Rows::of(model.vpn_gateways.keys()),
            transit_gateways: Rows::of(model.transit_gateways.keys()),
            nat_gateways: Rows::of(model.nat_gateways.keys()),
            endpoints: Rows::of(model.vpc_endpoints.keys()),
            elastic: elastic.collect(),
        }
    }

    fn public_of(&self, interface: &model::NetworkInterface, private: Ipv4Addr) -> Option<Ipv4Addr> {
        match self.elastic.get(&(interface.id.clone(), private)) {
            Some(public) => Some(*public),
            None if private == interface.primary_address() => interface.auto_public_ip,
            None => None,
        }
    }
}

fn live_instances(model: &Model) -> impl Iterator<Item = &model::Instance> {
    model.instances.values().filter(|instance| instance.state != InstanceState::Terminated)
}

fn name(tags: &Tags, id: &str) -> String {
    tag::name(tags).unwrap_or(id).to_owned()
}

/// Blocks of a prefix list's newest version, sorted; empty when the list is gone.
pub(crate) fn blocks_of(model: &Model, list: &PrefixListId) -> Vec<IpNet> {
    let mut blocks: Vec<IpNet> =
        model.prefix_lists.get(list).map(|l| l.entries.iter().map(|e| e.cidr).collect()).unwrap_or_default();
    blocks.sort();
    blocks.dedup();
    blocks
}

impl Fabric {
    /// What a model means for packets. Equal models give equal fabrics.
    pub fn compile(model: &Model) -> Fabric {
        let places = Places::of(model);
        let interfaces = interfaces(&places);
        let (groups, group_sets, set_of) = groups::compile(&places, &interfaces);
        let interfaces: Table<InterfaceIndex, Interface> = interfaces
            .into_iter()
            .map(|mut interface| {
                interface.group_set = set_of.get(&interface.groups).copied().filter(|_| !interface.groups.is_empty());
                interface
            })
            .collect();
        let mut fabric = Fabric {
            generation: model.generation,
            region: model.region.clone(),
            vpcs: vpcs(&places, &interfaces),
            subnets: subnets(&places, &interfaces),
            instances: instances(&places, &interfaces),
            groups,
            group_sets,
            acls: acls(&places),
            route_tables: Table::default(),
            internet_gateways: internet_gateways(&places, &interfaces),
            egress_only_internet_gateways: egress_only(&places),
            vpn_gateways: vpn_gateways(&places),
            transit_gateways: transit::compile(&places),
            nat_gateways: nat_gateways(&places),
            peerings: peerings(&places),
            vpc_endpoints: endpoints(&places),
            outside: outside(model),
            public_addresses: public_addresses(&interfaces),
            interfaces,
            logged: Default::default(),
            held: Vec::new(),
            witnesses: Vec::new(),
            witness: None,
            ipv6_witnesses: Vec::new(),
            ipv6_witness: None,
            names: Names::default(),
        };
        fabric.held = held(&fabric.vpcs);
        for (row, first) in neighbourhoods(&fabric).into_iter().enumerate() {
            if let Some(vpc) = fabric.vpcs.get_mut(VpcIndex::from_usize(row)) {
                vpc.neighbourhood = first;
            }
        }
        fabric.logged = crate::flow_log::watched(model, &fabric);
        fabric.route_tables = routes::compile(model, &fabric);
        (fabric.witnesses, fabric.witness) = witness::choose(&fabric);
        (fabric.ipv6_witnesses, fabric.ipv6_witness) = witness_ipv6::choose(&fabric, &[]);
        fabric.names = Names::of(&fabric);
        fabric
    }
}

fn interfaces(places: &Places<'_>) -> Vec<Interface> {
    let model = places.model;
    let of_nat: BTreeMap<_, _> =
        model.nat_gateways.values().filter_map(|nat| Some((nat.network_interface_id.as_ref()?, nat))).collect();
    let of_endpoint: BTreeMap<_, _> = model
        .vpc_endpoints
        .values()
        .flat_map(|endpoint| match &endpoint.kind {
            ModelEndpointKind::Interface { network_interface_ids, .. } => network_interface_ids.as_slice(),
            ModelEndpointKind::Gateway { .. } => &[],
        }
        .iter()
        .map(move |id| (id, endpoint)))
        .collect();
    let row = |interface: &model::NetworkInterface| -> Option<Interface> {
        let (kind, status, serves) = match (interface.interface_type, interface.instance_id()) {
            (InterfaceType::NatGateway, _) => match of_nat.get(&interface.id) {
                Some(nat) => {
                    let running = nat.state == NatGatewayState::Available;
                    let status = if running { InterfaceStatus::Running } else { InterfaceStatus::Unattached };
                    let index = places.nat_gateways.get(&nat.id)?;
                    (InterfaceKind::NatGateway(index), status, Some(name(&nat.tags, nat.id.as_str())))
                }
                None => (InterfaceKind::Unattached, InterfaceStatus::Unattached, None),
            },
            (InterfaceType::VpcEndpoint, _) => match of_endpoint.get(&interface.id) {
                Some(endpoint) => {
                    let running = endpoint.state == VpcEndpointState::Available;
                    let status = if running { InterfaceStatus::Running } else { InterfaceStatus::Unattached };
                    (InterfaceKind::VpcEndpoint(places.endpoints.get(&endpoint.id)?), status, Some(name(&endpoint.tags, endpoint.id.as_str())))
                }
                None => (InterfaceKind::Unattached, InterfaceStatus::Unattached, None),
            },
            (InterfaceType::Interface, Some(id)) => match (places.instances.get(id), model.instances.get(id)) {
                (Some(index), Some(instance)) => {
                    let device_index = interface.attachment.as_ref().map_or(0, |a| a.device_index);
                    let status = match instance.state {
                        InstanceState::Running => InterfaceStatus::Running,
                        state => InterfaceStatus::Stopped(state),
                    };
                    let own = name(&instance.tags, id.as_str());
                    let serves = if device_index == 0 { own } else { format!("{own}/{device_index}") };
                    (InterfaceKind::Instance { instance: index, device_index }, status, Some(serves))
                }
                _ => (InterfaceKind::Unattached, InterfaceStatus::Unattached, None),
            },
            (InterfaceType::Interface, None) => (InterfaceKind::Unattached, InterfaceStatus::Unattached, None),
        };
        let mut groups: Vec<GroupIndex> = interface.groups.iter().filter_map(|id| places.groups.get(id)).collect();
        groups.sort();
        groups.dedup();
        let addresses = interface
            .private_ip_addresses
            .iter()
            .map(|private| PrivateAddress { private: *private, public: places.public_of(interface, *private) });
        let called = tag::name(&interface.tags).map(str::to_owned).or(serves);
        Some(Interface {
            id: interface.id.clone(),
            name: called.unwrap_or_else(|| interface.id.to_string()),
            mac: interface.mac_address,
            subnet: places.subnets.get(&interface.subnet_id)?,
            vpc: places.vpcs.get(&interface.vpc_id)?,
            addresses: addresses.collect(),
            ipv6: interface.ipv6_addresses.clone(),
            groups,
            group_set: None,
            source_dest_check: interface.source_dest_check,
            kind,
            status,
            origin: interface.origin.clone(),
        })
    };
    // Operations keep references whole, so every interface has its subnet; a broken dump must not shift the rows, so
    // such an interface would be a bug worth the panic in tests only.
    model.network_interfaces.values().filter_map(row).collect()
}

fn vpcs(places: &Places<'_>, interfaces: &Table<InterfaceIndex, Interface>) -> Table<VpcIndex, Vpc> {
    let model = places.model;
    // One walk over all interfaces, not one for each VPC.
    let mut held = vec![BTreeMap::new(); model.vpcs.len()];
    for (at, interface) in interfaces.iter() {
        held[interface.vpc.as_usize()].extend(interface.all_addresses().map(|address| (address, at)));
    }
    let row = |(vpc, addresses): (&model::Vpc, BTreeMap<IpAddr, InterfaceIndex>)| {
        let subnets = model.subnets.values().filter(|s| s.vpc_id == vpc.id).filter_map(|s| places.subnets.get(&s.id));
        let resolver = Ipv4Addr::from(u32::from(vpc.primary_cidr_block().network()) + 2);
        let set = vpc.dhcp_options_id.as_ref().and_then(|id| model.dhcp_options.get(id));
        // The word `default`: no options, so only what every VPC has.
        let name_servers = set.map_or_else(|| vec![resolver], |set| set.name_servers(resolver).collect());
        Vpc {
            id: vpc.id.clone(),
            name: name(&vpc.tags, vpc.id.as_str()),
            blocks: vpc.ipv4_blocks().collect(),
            ipv6_blocks: vpc.ipv6_blocks().collect(),
            dns_support: vpc.enable_dns_support,
            dns_hostnames: vpc.enable_dns_hostnames,
            resolver,
            name_servers,
            search_domain: set.and_then(|set| set.domain_name.clone()),
            internet_gateway: model.internet_gateway_of(&vpc.id).and_then(|igw| places.internet_gateways.get(&igw.id)),
            egress_only_internet_gateway: model
                .egress_only_internet_gateways
                .values()
                .find(|gateway| gateway.vpc_id == vpc.id)
                .and_then(|gateway| places.egress_only.get(&gateway.id)),
            vpn_gateway: model
                .vpn_gateways
                .values()
                .find(|gateway| gateway.vpc_id.as_ref() == Some(&vpc.id))
                .and_then(|gateway| places.vpn_gateways.get(&gateway.id)),
            neighbourhood: VpcIndex(0),
            subnets: subnets.collect(),
            addresses,
        }
    };
    model.vpcs.values().zip(held).map(row).collect()
}

/// [`Vpc::neighbourhood`] of every VPC.
fn neighbourhoods(fabric: &Fabric) -> Vec<VpcIndex> {
    let mut of: Vec<VpcIndex> = fabric.vpcs.indices().collect();
    let mut join = |one: VpcIndex, other: VpcIndex| {
        let (a, b) = (of[one.as_usize()], of[other.as_usize()]);
        of.iter_mut().filter(|at| **at == a || **at == b).for_each(|at| *at = a.min(b));
    };
    for peering in fabric.peerings.values().filter(|peering| peering.status.is_open()) {
        if let (Some(one), Some(other)) = (peering.requester, peering.accepter) {
            join(one, other);
        }
    }
    for gateway in fabric.transit_gateways.indices() {
        let mut behind = fabric.vpcs.indices().filter(|vpc| fabric.is_behind(gateway, *vpc));
        if let Some(first) = behind.next() {
            behind.for_each(|vpc| join(first, vpc));
        }
    }
    of
}

/// Who holds which address in any VPC: each VPC's are sorted, and of one address the first VPC's stays.
fn held(vpcs: &Table<VpcIndex, Vpc>) -> Vec<(IpAddr, InterfaceIndex)> {
    let all = vpcs.values().flat_map(|vpc| vpc.addresses.iter().map(|(address, at)| (*address, *at)));
    let mut held: Vec<(IpAddr, InterfaceIndex)> = all.collect();
    held.sort_by_key(|(address, _)| *address);
    held.dedup_by_key(|(address, _)| *address);
    held
}

fn subnets(places: &Places<'_>, interfaces: &Table<InterfaceIndex, Interface>) -> Table<SubnetIndex, Subnet> {
    let model = places.model;
    let mut table_of: BTreeMap<&model::SubnetId, RouteTableIndex> = BTreeMap::new();
    let mut main_of: BTreeMap<&model::VpcId, RouteTableIndex> = BTreeMap::new();
    for table in model.route_tables.values() {
        let Some(index) = places.route_tables.get(&table.id) else { continue };
        for association in &table.associations {
            match &association.to {
                Associated::Subnet(subnet) => drop(table_of.insert(subnet, index)),
                Associated::Main => drop(main_of.insert(&table.vpc_id, index)),
                _ => {}
            }
        }
    }
    let acl_of: BTreeMap<&model::SubnetId, AclIndex> = model
        .network_acls
        .values()
        .flat_map(|acl| acl.associations.iter().filter_map(|a| Some((&a.subnet_id, places.acls.get(&acl.id)?))))
        .collect();
    // One walk over all interfaces, not one for each subnet.
    let mut held: Vec<Vec<InterfaceIndex>> = vec![Vec::new(); model.subnets.len()];
    interfaces.iter().for_each(|(index, interface)| held[interface.subnet.as_usize()].push(index));
    let row = |(subnet, interfaces): (&model::Subnet, Vec<InterfaceIndex>)| {
        let table = table_of.get(&subnet.id).or_else(|| main_of.get(&subnet.vpc_id));
        Subnet {
            id: subnet.id.clone(),
            name: name(&subnet.tags, subnet.id.as_str()),
            // A subnet without VPC, table or list cannot be made (SUB-9).
            vpc: places.vpcs.get(&subnet.vpc_id).unwrap_or(VpcIndex(0)),
            cidr: subnet.cidr_block,
            ipv6_blocks: subnet.ipv6_cidr_blocks.iter().filter(|b| b.state.is_live()).map(|b| b.block).collect(),
            availability_zone: subnet.availability_zone.clone(),
            router: subnet.router_address(),
            route_table: table.copied().unwrap_or(RouteTableIndex(0)),
            acl: acl_of.get(&subnet.id).copied().unwrap_or(AclIndex(0)),
            interfaces,
        }
    };
    model.subnets.values().zip(held).map(row).collect()
}

fn instances(places: &Places<'_>, interfaces: &Table<InterfaceIndex, Interface>) -> Table<InstanceIndex, Instance> {
    let model = places.model;
    let mut of: BTreeMap<InstanceIndex, Vec<(u32, InterfaceIndex)>> = BTreeMap::new();
    for (index, interface) in interfaces.iter() {
        if let InterfaceKind::Instance { instance, device_index } = interface.kind {
            of.entry(instance).or_default().push((device_index, index));
        }
    }
    let row = |(index, instance): (usize, &model::Instance)| {
        let mut mine = of.remove(&InstanceIndex::from_usize(index)).unwrap_or_default();
        mine.sort();
        Instance {
            id: instance.id.clone(),
            name: name(&instance.tags, instance.id.as_str()),
            state: instance.state,
            interfaces: mine.into_iter().map(|(_, interface)| interface).collect(),
            resource_name_dns: instance.resource_name_dns,
            guest: model.guests.get(&instance.id).cloned().unwrap_or_default(),
            published: model.published_ports(&instance.id),
            origin: instance.origin.clone(),
        }
    };
    live_instances(model).enumerate().map(row).collect()
}

fn acls(places: &Places<'_>) -> Table<AclIndex, Acl> {
    let row = |acl: &model::NetworkAcl| Acl {
        id: acl.id.clone(),
        name: name(&acl.tags, acl.id.as_str()),
        vpc: places.vpcs.get(&acl.vpc_id).unwrap_or(VpcIndex(0)),
        is_default: acl.is_default,
        ingress: acl.ingress.clone(),
        egress: acl.egress.clone(),
        origin: acl.origin.clone(),
    };
    places.model.network_acls.values().map(row).collect()
}

fn internet_gateways(
    places: &Places<'_>,
    interfaces: &Table<InterfaceIndex, Interface>,
) -> Table<InternetGatewayIndex, InternetGateway> {
    let model = places.model;
    let edge = |id: &model::InternetGatewayId| {
        let wanted = Associated::InternetGateway(id.clone());
        let table = model.route_tables.values().find(|t| t.associations.iter().any(|a| a.to == wanted));
        table.and_then(|t| places.route_tables.get(&t.id))
    };
    let all = public_addresses(interfaces);
    let row = |gateway: &model::InternetGateway| {
        let vpc = gateway.vpc_id.as_ref().and_then(|id| places.vpcs.get(id));
        let by_public: BTreeMap<Ipv4Addr, PublicMapping> =
            all.iter().filter(|(_, mapping)| Some(mapping.vpc) == vpc).map(|(public, mapping)| (*public, *mapping)).collect();
        InternetGateway {
            id: gateway.id.clone(),
            name: name(&gateway.tags, gateway.id.as_str()),
            vpc,
            edge_route_table: edge(&gateway.id),
            by_private: by_public.iter().map(|(public, mapping)| (mapping.private, *public)).collect(),
            by_public,
            origin: gateway.origin.clone(),
        }
    };
    model.internet_gateways.values().map(row).collect()
}

fn egress_only(places: &Places<'_>) -> Table<EgressOnlyInternetGatewayIndex, EgressOnlyInternetGateway> {
    let row = |gateway: &model::EgressOnlyInternetGateway| EgressOnlyInternetGateway {
        id: gateway.id.clone(),
        name: name(&gateway.tags, gateway.id.as_str()),
        vpc: places.vpcs.get(&gateway.vpc_id).unwrap_or(VpcIndex(0)),
        origin: gateway.origin.clone(),
    };
    places.model.egress_only_internet_gateways.values().map(row).collect()
}

/// Of the lans that are linked to a VPC.
#[derive(Default)]
struct Linked {
    /// What they announce, each network once, longest prefix first.
    networks: Vec<Ipv4Net>,
    /// The networks that they are, sorted.
    own: Vec<Ipv4Net>,
    /// The addresses that somebody there has, or may be lent: ranges, sorted.
    held: Vec<(Ipv4Addr, Ipv4Addr)>,
}

fn linked(model: &Model, vpc: &model::VpcId) -> Linked {
    let Some(name) = model.vpcs.get(vpc).and_then(|vpc| tag::name(&vpc.tags)) else { return Linked::default() };
    let Linked { mut networks, mut own, mut held } = Linked::default();
    for lan in model.lans.values() {
        let before = networks.len();
        networks.extend(lan.tunnels().filter(|(_, (_, _, to))| *to == name).flat_map(|(link, _)| lan.announced(link)));
        if networks.len() > before {
            own.extend(lan.ipv4_networks());
            held.extend(lan.ipv4_held());
        }
    }
    networks.sort_unstable_by_key(|network: &Ipv4Net| (std::cmp::Reverse(network.prefix_len()), network.addr()));
    networks.dedup();
    own.sort_unstable();
    own.dedup();
    held.sort_unstable();
    held.dedup();
    Linked { networks, own, held }
}

fn vpn_gateways(places: &Places<'_>) -> Table<VpnGatewayIndex, VpnGateway> {
    let row = |gateway: &model::gateway::VpnGateway| {
        let wanted = Associated::VpnGateway(gateway.id.clone());
        let mut tables = places.model.route_tables.values();
        let edge = tables.find(|t| t.associations.iter().any(|a| a.to == wanted));
        let Linked { networks, own, held } = gateway.vpc_id.as_ref().map_or_else(Linked::default, |vpc| linked(places.model, vpc));
        VpnGateway {
            id: gateway.id.clone(),
            name: name(&gateway.tags, gateway.id.as_str()),
            vpc: gateway.vpc_id.as_ref().and_then(|id| places.vpcs.get(id)),
            edge_route_table: edge.and_then(|t| places.route_tables.get(&t.id)),
            networks,
            own,
            held,
            origin: gateway.origin.clone(),
        }
    };
    places.model.vpn_gateways.values().map(row).collect()
}

fn nat_gateways(places: &Places<'_>) -> Table<NatGatewayIndex, NatGateway> {
    let model = places.model;
    let row = |gateway: &model::NatGateway| {
        let interface = gateway.network_interface_id.as_ref().and_then(|id| model.network_interfaces.get(id));
        let public = interface.and_then(|i| places.public_of(i, i.primary_address()));
        NatGateway {
            id: gateway.id.clone(),
            name: name(&gateway.tags, gateway.id.as_str()),
            vpc: places.vpcs.get(&gateway.vpc_id).unwrap_or(VpcIndex(0)),
            subnet: places.subnets.get(&gateway.subnet_id).unwrap_or(SubnetIndex(0)),
            interface: interface.and_then(|i| places.interfaces.get(&i.id)),
            private_address: gateway.private_ip,
            public_address: public,
            is_public: gateway.is_public,
            state: gateway.state,
            origin: gateway.origin.clone(),
        }
    };
    model.nat_gateways.values().map(row).collect()
}

fn peerings(places: &Places<'_>) -> Table<PeeringIndex, Peering> {
    let row = |peering: &model::VpcPeeringConnection| Peering {
        id: peering.id.clone(),
        name: name(&peering.tags, peering.id.as_str()),
        requester: places.vpcs.get(&peering.requester_vpc_id),
        accepter: places.vpcs.get(&peering.accepter_vpc_id),
        status: peering.status,
        requester_allows_dns_resolution: peering.requester_allows_dns_resolution,
        accepter_allows_dns_resolution: peering.accepter_allows_dns_resolution,
        origin: peering.origin.clone(),
    };
    places.model.vpc_peering_connections.values().map(row).collect()
}

fn endpoints(places: &Places<'_>) -> Table<VpcEndpointIndex, VpcEndpoint> {
    let row = |endpoint: &model::VpcEndpoint| VpcEndpoint {
        id: endpoint.id.clone(),
        name: name(&endpoint.tags, endpoint.id.as_str()),
        vpc: places.vpcs.get(&endpoint.vpc_id).unwrap_or(VpcIndex(0)),
        service_name: endpoint.service_name.clone(),
        kind: match &endpoint.kind {
            ModelEndpointKind::Gateway { prefix_list_id, .. } => VpcEndpointKind::Gateway {
                prefix_list: prefix_list_id.clone(),
                blocks: blocks_of(places.model, prefix_list_id),
            },
            ModelEndpointKind::Interface { network_interface_ids, .. } => VpcEndpointKind::Interface {
                interfaces: network_interface_ids.iter().filter_map(|id| places.interfaces.get(id)).collect(),
            },
        },
        state: endpoint.state,
        origin: endpoint.origin.clone(),
    };
    places.model.vpc_endpoints.values().map(row).collect()
}

fn outside(model: &Model) -> Table<OutsideIndex, OutsideHost> {
    let row = |(name, host): (&String, &model::OutsideHost)| OutsideHost {
        name: name.clone(),
        addresses: host.addresses.clone(),
        origin: host.origin.clone(),
    };
    model.outside.iter().map(row).collect()
}

fn public_addresses(interfaces: &Table<InterfaceIndex, Interface>) -> BTreeMap<Ipv4Addr, PublicMapping> {
    let of = |(index, interface): (InterfaceIndex, &Interface)| {
        let pairs = interface.addresses.iter().filter_map(|a| Some((a.public?, a.private)));
        let vpc = interface.vpc;
        pairs.map(|(public, private)| (public, PublicMapping { vpc, interface: index, private })).collect::<Vec<_>>()
    };
    interfaces.iter().flat_map(of).collect()
}
