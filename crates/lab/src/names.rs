//! What people call the things of a cloud: by `Name` tag, below a VPC as `vpc/name`.
//!
//! Two clouds are compared by these names, because ids are drawn anew in each.

use std::collections::BTreeMap;
use std::fmt::Display;

use model::endpoint::VpcEndpointState;
use model::nat_gateway::NatGatewayState;
use model::network_interface::InterfaceType;
use model::transit_gateway::AttachedTo;
use model::*;

/// The main route table that comes with a VPC has no name of its own.
pub(crate) const MAIN_TABLE: &str = "(main)";
/// The network ACL that comes with a VPC, and the group of that name.
pub(crate) const DEFAULT: &str = "default";

/// Names of the things of one kind, both ways.
#[derive(Debug, Clone)]
pub(crate) struct Index<Id> {
    ids: BTreeMap<String, Id>,
    names: BTreeMap<Id, String>,
}

impl<Id> Default for Index<Id> {
    fn default() -> Self {
        Self { ids: BTreeMap::new(), names: BTreeMap::new() }
    }
}

impl<Id: Ord + Clone + Display> Index<Id> {
    /// Notes a thing; what has no name, or one that another has, goes by its id.
    pub fn add(&mut self, name: Option<String>, id: &Id) {
        let free = name.filter(|name| !self.ids.contains_key(name));
        let name = free.unwrap_or_else(|| id.to_string());
        self.ids.insert(name.clone(), id.clone());
        self.names.insert(id.clone(), name);
    }

    /// Forgets a thing.
    pub fn remove(&mut self, id: &Id) {
        if let Some(name) = self.names.remove(id) {
            self.ids.remove(&name);
        }
    }

    /// The thing of a name.
    pub fn id(&self, name: &str) -> Option<&Id> {
        self.ids.get(name)
    }

    /// The name of a thing.
    pub fn name(&self, id: &Id) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Id)> {
        self.ids.iter().map(|(name, id)| (name.as_str(), id))
    }
}

/// An interface of an instance: whose, and at which position.
pub(crate) type Device = (String, u32);

/// The names of everything in one cloud. Things on their way out are not in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub vpcs: Index<VpcId>,
    pub subnets: Index<SubnetId>,
    pub route_tables: Index<RouteTableId>,
    pub nat_gateways: Index<NatGatewayId>,
    pub security_groups: Index<SecurityGroupId>,
    pub network_acls: Index<NetworkAclId>,
    pub instances: Index<InstanceId>,
    pub peerings: Index<VpcPeeringConnectionId>,
    pub endpoints: Index<VpcEndpointId>,
    pub transit_gateways: Index<TransitGatewayId>,
    /// `GATEWAY/VPC`, or `REQUESTER/tgw ACCEPTER`.
    pub transit_attachments: Index<TransitGatewayAttachmentId>,
    /// `GATEWAY/TABLE`.
    pub transit_tables: Index<TransitGatewayRouteTableId>,
    pub flow_logs: Index<FlowLogId>,
    /// Prefix lists, AWS's own included: their names differ from all others.
    pub prefix_lists: Index<PrefixListId>,
    /// Interfaces of instances.
    pub interfaces: BTreeMap<Device, NetworkInterfaceId>,
    /// Elastic IP addresses by what they are for.
    pub elastic: Index<AllocationId>,
}

impl Names {
    /// Reads the names of a cloud.
    pub fn of(model: &Model) -> Self {
        let mut names = Self::default();
        for vpc in model.vpcs.values() {
            names.vpcs.add(tag::name(&vpc.tags).map(str::to_owned), &vpc.id);
        }
        for subnet in model.subnets.values() {
            names.subnets.add(names.below(&subnet.vpc_id, tag::name(&subnet.tags)), &subnet.id);
        }
        for table in model.route_tables.values() {
            names.route_tables.add(names.below(&table.vpc_id, Some(tag::name(&table.tags).unwrap_or(MAIN_TABLE))), &table.id);
        }
        for gateway in model.nat_gateways.values().filter(|gateway| is_live_nat(gateway)) {
            names.nat_gateways.add(names.below(&gateway.vpc_id, tag::name(&gateway.tags)), &gateway.id);
        }
        for group in model.security_groups.values() {
            names.security_groups.add(names.below(&group.vpc_id, Some(&group.group_name)), &group.id);
        }
        // The default list first: a list that calls itself `default` is another one.
        for acl in model.network_acls.values().filter(|acl| acl.is_default) {
            names.network_acls.add(names.below(&acl.vpc_id, Some(DEFAULT)), &acl.id);
        }
        for acl in model.network_acls.values().filter(|acl| !acl.is_default) {
            names.network_acls.add(names.below(&acl.vpc_id, tag::name(&acl.tags)), &acl.id);
        }
        for instance in model.instances.values().filter(|instance| is_live(instance)) {
            names.instances.add(tag::name(&instance.tags).map(str::to_owned), &instance.id);
        }
        for peering in model.vpc_peering_connections.values().filter(|peering| peering.status.is_open()) {
            names.peerings.add(tag::name(&peering.tags).map(str::to_owned), &peering.id);
        }
        for endpoint in model.vpc_endpoints.values().filter(|endpoint| endpoint.state != VpcEndpointState::Deleting) {
            names.endpoints.add(tag::name(&endpoint.tags).map(str::to_owned), &endpoint.id);
        }
        names.add_transit(model);
        for log in model.flow_logs.values() {
            names.flow_logs.add(tag::name(&log.tags).map(str::to_owned), &log.id);
        }
        for list in model.prefix_lists.values() {
            names.prefix_lists.add(Some(list.name.clone()), &list.id);
        }
        for interface in model.network_interfaces.values() {
            names.add_interface(interface);
        }
        for address in model.addresses.values() {
            names.elastic.add(names.role(model, address), &address.allocation_id);
        }
        names
    }

    /// Transit gateways, what is attached to them, and their tables: the one that a gateway comes with is `default`.
    fn add_transit(&mut self, model: &Model) {
        for gateway in model.transit_gateways.values() {
            self.transit_gateways.add(tag::name(&gateway.tags).map(str::to_owned), &gateway.id);
        }
        for attachment in model.transit_gateway_attachments.values() {
            self.transit_attachments.add(self.attachment(attachment), &attachment.id);
        }
        let is_default = |table: &TransitGatewayRouteTable| {
            model.transit_gateways.get(&table.transit_gateway_id).is_some_and(|gateway| gateway.default_route_table.as_ref() == Some(&table.id))
        };
        let (first, rest): (Vec<_>, Vec<_>) = model.transit_gateway_route_tables.values().partition(|table| is_default(table));
        for table in first {
            self.transit_tables.add(self.below_transit(&table.transit_gateway_id, Some(DEFAULT)), &table.id);
        }
        for table in rest {
            self.transit_tables.add(self.below_transit(&table.transit_gateway_id, tag::name(&table.tags)), &table.id);
        }
    }

    /// What an attachment is called, by what it joins.
    pub fn attachment(&self, attachment: &TransitGatewayAttachment) -> Option<String> {
        let gateway = self.transit_gateways.name(&attachment.transit_gateway_id)?;
        Some(match &attachment.to {
            AttachedTo::Vpc { vpc_id, .. } => format!("{gateway}/{}", self.vpcs.name(vpc_id)?),
            AttachedTo::Peering { accepter } => format!("{gateway}/tgw {}", self.transit_gateways.name(accepter)?),
        })
    }

    /// `gateway/name`.
    pub fn below_transit(&self, gateway: &TransitGatewayId, name: Option<&str>) -> Option<String> {
        Some(format!("{}/{}", self.transit_gateways.name(gateway)?, name?))
    }

    /// `vpc/name`.
    pub fn below(&self, vpc: &VpcId, name: Option<&str>) -> Option<String> {
        Some(format!("{}/{}", self.vpcs.name(vpc)?, name?))
    }

    /// Notes an interface if it is an instance's.
    pub fn add_interface(&mut self, interface: &NetworkInterface) {
        let Some(attachment) = &interface.attachment else { return };
        let Some(instance) = self.instances.name(&attachment.instance_id) else { return };
        self.interfaces.insert((instance.to_owned(), attachment.device_index), interface.id.clone());
    }

    /// Notes what a new VPC brought along: a main table, a default group and a default list (VPC-3).
    pub fn add_what_came(&mut self, model: &Model, vpc: &VpcId) {
        for table in model.route_tables.values().filter(|table| table.vpc_id == *vpc) {
            self.route_tables.add(self.below(vpc, Some(MAIN_TABLE)), &table.id);
        }
        for group in model.security_groups.values().filter(|group| group.vpc_id == *vpc) {
            self.security_groups.add(self.below(vpc, Some(&group.group_name)), &group.id);
        }
        for acl in model.network_acls.values().filter(|acl| acl.vpc_id == *vpc) {
            self.network_acls.add(self.below(vpc, Some(DEFAULT)), &acl.id);
        }
    }

    /// Whose interface, and which.
    pub fn device(&self, model: &Model, id: &NetworkInterfaceId) -> Option<Device> {
        let attachment = model.network_interfaces.get(id)?.attachment.as_ref()?;
        Some((self.instances.name(&attachment.instance_id)?.to_owned(), attachment.device_index))
    }

    /// What an Elastic IP address is for, by where it is mapped to.
    fn role(&self, model: &Model, address: &Address) -> Option<String> {
        let association = address.association.as_ref()?;
        let interface = model.network_interfaces.get(&association.network_interface_id)?;
        if interface.interface_type == InterfaceType::NatGateway {
            let is_its = |n: &&NatGateway| n.network_interface_id.as_ref() == Some(&interface.id);
            let gateway = model.nat_gateways.values().find(is_its)?;
            return self.nat_gateways.name(&gateway.id).map(nat_role);
        }
        let (instance, index) = self.device(model, &interface.id)?;
        let secondary = Some(association.private_ip_address).filter(|a| *a != interface.primary_address());
        Some(interface_role(&instance, index, secondary))
    }
}

/// The Elastic IP address of a NAT gateway `vpc/name`.
pub(crate) fn nat_role(gateway: &str) -> String {
    format!("nat {gateway}")
}

/// The Elastic IP address of an interface's primary address, or of a secondary one.
pub(crate) fn interface_role(instance: &str, index: u32, secondary: Option<std::net::Ipv4Addr>) -> String {
    let device = device_text(instance, index);
    match secondary {
        None => device,
        Some(address) => format!("{device} {address}"),
    }
}

/// `web-1`, or `fw/1` for a second interface.
pub(crate) fn device_text(instance: &str, index: u32) -> String {
    match index {
        0 => instance.to_owned(),
        _ => format!("{instance}/{index}"),
    }
}

/// Whether an instance is not on its way out.
pub(crate) fn is_live(instance: &Instance) -> bool {
    !matches!(instance.state, InstanceState::Terminated | InstanceState::ShuttingDown)
}

/// Whether a NAT gateway works or soon will.
pub(crate) fn is_live_nat(gateway: &NatGateway) -> bool {
    matches!(gateway.state, NatGatewayState::Pending | NatGatewayState::Available)
}

/// The last part of `vpc/name`.
pub(crate) fn own_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
