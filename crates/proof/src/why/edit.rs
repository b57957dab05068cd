//! One change to a cloud, as an operation of the model, and as a lab file says it.

use ipnet::IpNet;
use model::network_acl::NetworkAclEntry;
use model::operation::{self, *};
use model::route_table::Associated;
use model::{
    ApiError, Destination, InstanceId, Model, NetworkAclId, NetworkInterfaceId, Origin, Peer,
    RouteTableId, RouteTarget, SecurityGroupId, SecurityGroupRuleId, SubnetId, TrafficMatch, VpcId,
    VpcPeeringConnectionId, tag,
};

use super::instance_name;
use super::view::{self, EditText};
use super::words::{Cloud, sentence};

/// Seconds of model time after which every state has settled.
const SETTLED: u64 = 900;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A rule more in a group.
    Authorize {
        /// The group.
        group: SecurityGroupId,
        /// For what leaves.
        egress: bool,
        /// Protocol and ports.
        traffic: TrafficMatch,
        /// The other side.
        peer: Peer,
    },
    /// A rule less in a group.
    Revoke {
        /// The group.
        group: SecurityGroupId,
        /// Of what leaves.
        egress: bool,
        /// The rule.
        rule: SecurityGroupRuleId,
    },
    /// An interface carries a group more.
    Join {
        /// The interface.
        interface: NetworkInterfaceId,
        /// The group.
        group: SecurityGroupId,
    },
    /// An entry more in a list.
    PutEntry {
        /// The list.
        acl: NetworkAclId,
        /// For what leaves.
        egress: bool,
        /// The entry.
        entry: NetworkAclEntry,
    },
    /// An entry less.
    RemoveEntry {
        /// The list.
        acl: NetworkAclId,
        /// Of what leaves.
        egress: bool,
        /// Its number.
        number: u16,
    },
    /// A route more.
    Route {
        /// The table.
        table: RouteTableId,
        /// Destination.
        destination: Destination,
        /// Target.
        target: RouteTarget,
    },
    /// A route leads elsewhere.
    Reroute {
        /// The table.
        table: RouteTableId,
        /// Destination.
        destination: Destination,
        /// Target now.
        target: RouteTarget,
    },
    /// A route less.
    RemoveRoute {
        /// The table.
        table: RouteTableId,
        /// Destination.
        destination: Destination,
    },
    /// A subnet uses another route table.
    UseTable {
        /// The subnet.
        subnet: SubnetId,
        /// The table.
        table: RouteTableId,
    },
    /// A subnet uses another network ACL.
    UseAcl {
        /// The subnet.
        subnet: SubnetId,
        /// The list.
        acl: NetworkAclId,
    },
    /// A stopped instance runs.
    Start(InstanceId),
    /// An interface gets an elastic address for its primary private one.
    PublicAddress {
        /// The interface.
        interface: NetworkInterfaceId,
    },
    /// An interface passes what is not its own.
    SourceDestCheckOff(NetworkInterfaceId),
    /// An instance's system forwards.
    Forward(InstanceId),
    /// A VPC gets an internet gateway.
    InternetGateway(VpcId),
    /// A peering that waits is accepted.
    AcceptPeering(VpcPeeringConnectionId),
    /// Two VPCs are peered.
    Peer(VpcId, VpcId),
}

fn direction(egress: bool) -> Direction {
    if egress {
        Direction::Egress
    } else {
        Direction::Ingress
    }
}

fn seen(egress: bool) -> fabric::Direction {
    if egress {
        fabric::Direction::Egress
    } else {
        fabric::Direction::Ingress
    }
}

impl Edit {
    /// Makes the change, and lets what it starts settle. Errors: those of the operation; the model may be half changed.
    pub fn apply(&self, model: &mut Model) -> Result<(), ApiError> {
        match self {
            Self::Authorize {
                group,
                egress,
                traffic,
                peer,
            } => {
                let request = AuthorizeSecurityGroup {
                    group_id: group.clone(),
                    rules: vec![RuleSpecification::new(*traffic, peer.clone())],
                };
                match egress {
                    true => operation::authorize_security_group_egress(model, request)?,
                    false => operation::authorize_security_group_ingress(model, request)?,
                };
            }
            Self::Revoke {
                group,
                egress,
                rule,
            } => {
                let request = RevokeSecurityGroup {
                    group_id: group.clone(),
                    rules: Vec::new(),
                    security_group_rule_ids: vec![rule.clone()],
                };
                match egress {
                    true => operation::revoke_security_group_egress(model, request)?,
                    false => operation::revoke_security_group_ingress(model, request)?,
                }
            }
            Self::Join { interface, group } => {
                let mut groups = model
                    .network_interfaces
                    .get(interface)
                    .map(|eni| eni.groups.clone())
                    .unwrap_or_default();
                groups.push(group.clone());
                let mut request = ModifyNetworkInterfaceAttribute::of(interface.clone());
                request.groups = Some(groups);
                operation::modify_network_interface_attribute(model, request)?;
            }
            Self::PutEntry { acl, egress, entry } => {
                let request = PutNetworkAclEntry {
                    network_acl_id: acl.clone(),
                    direction: direction(*egress),
                    rule_number: entry.rule_number,
                    traffic: entry.traffic,
                    cidr_block: entry.cidr_block,
                    allow: entry.allow,
                    origin: entry.origin.clone(),
                };
                operation::create_network_acl_entry(model, request)?;
            }
            Self::RemoveEntry {
                acl,
                egress,
                number,
            } => {
                operation::delete_network_acl_entry(model, acl, direction(*egress), *number)?;
            }
            Self::Route {
                table,
                destination,
                target,
            } => {
                operation::create_route(model, route(table, destination, target))?;
            }
            Self::Reroute {
                table,
                destination,
                target,
            } => {
                operation::replace_route(model, route(table, destination, target))?;
            }
            Self::RemoveRoute { table, destination } => {
                operation::delete_route(model, table, destination)?;
            }
            Self::UseTable { subnet, table } => {
                let to = Associated::Subnet(subnet.clone());
                let mut associations = model.route_tables.values().flat_map(|t| &t.associations);
                match associations.find(|a| a.to == to).map(|a| a.id.clone()) {
                    Some(id) => operation::replace_route_table_association(model, &id, table)?,
                    None => {
                        let route_table_id = table.clone();
                        let request = AssociateRouteTable { route_table_id, to };
                        operation::associate_route_table(model, request)?
                    }
                };
            }
            Self::UseAcl { subnet, acl } => {
                let mut associations = model.network_acls.values().flat_map(|a| &a.associations);
                let found = associations.find(|a| a.subnet_id == *subnet);
                if let Some(id) = found.map(|association| association.id.clone()) {
                    operation::replace_network_acl_association(model, &id, acl)?;
                }
            }
            Self::Start(instance) => {
                operation::start_instances(model, std::slice::from_ref(instance))?;
            }
            Self::PublicAddress { interface } => {
                let request = AllocateAddress {
                    address: None,
                    tags: model::Tags::new(),
                    origin: Origin::default(),
                };
                let allocated = operation::allocate_address(model, request)?;
                let request = AssociateAddress {
                    address: AddressName::Allocation(allocated),
                    target: AddressTarget::NetworkInterface(interface.clone()),
                    private_ip_address: None,
                    allow_reassociation: None,
                };
                operation::associate_address(model, request)?;
            }
            Self::SourceDestCheckOff(interface) => {
                let mut request = ModifyNetworkInterfaceAttribute::of(interface.clone());
                request.source_dest_check = Some(false);
                operation::modify_network_interface_attribute(model, request)?;
            }
            Self::Forward(instance) => {
                let guest = model.guests.get(instance).cloned().unwrap_or_default();
                let guest = model::Guest {
                    ip_forward: true,
                    ..guest
                };
                operation::set_guest(model, instance, guest)?;
            }
            Self::InternetGateway(vpc) => {
                let request = CreateInternetGateway {
                    tags: model::Tags::new(),
                    origin: Origin::default(),
                };
                let id = operation::create_internet_gateway(model, request)?;
                operation::attach_internet_gateway(model, &id, vpc)?;
            }
            Self::AcceptPeering(id) => operation::accept_vpc_peering_connection(model, id)?,
            Self::Peer(requester, accepter) => {
                let request = CreateVpcPeeringConnection {
                    vpc_id: requester.clone(),
                    peer_vpc_id: accepter.clone(),
                    tags: model::Tags::from([(
                        "Name".to_owned(),
                        peering_name(model, requester, accepter),
                    )]),
                    origin: Origin::default(),
                };
                let id = operation::create_vpc_peering_connection(model, request)?;
                let now = model.context.now;
                model.advance_to(now.plus(SETTLED));
                operation::accept_vpc_peering_connection(model, &id)?;
            }
        }
        let now = model.context.now;
        model.advance_to(now.plus(SETTLED));
        Ok(())
    }

    /// The change as a lab file says it. `cloud` is the cloud before the change, or one in which changes before it are made.
    pub fn text(&self, cloud: &Cloud<'_>) -> EditText {
        let model = cloud.model;
        let edit = |subject: String, sign: char, text: String, origin: Option<&Origin>| EditText {
            subject,
            sign,
            text,
            origin: origin.and_then(view::origin),
        };
        match self {
            Self::Authorize {
                group,
                egress,
                traffic,
                peer,
            } => edit(
                format!("sg {}", cloud.group(group)),
                '+',
                sentence(*traffic, seen(*egress), &peer_text(cloud, peer)),
                model.security_groups.get(group).map(|group| &group.origin),
            ),
            Self::Revoke {
                group,
                egress,
                rule,
            } => {
                let own = model.security_groups.get(group);
                let rules = own.map(|own| if *egress { &own.egress } else { &own.ingress });
                let rule = rules.and_then(|rules| rules.iter().find(|r| r.id == *rule));
                let text = rule.map_or_else(String::new, |rule| {
                    sentence(rule.traffic, seen(*egress), &peer_text(cloud, &rule.peer))
                });
                edit(
                    format!("sg {}", cloud.group(group)),
                    '-',
                    text,
                    rule.map(|rule| &rule.origin),
                )
            }
            Self::Join { interface, group } => {
                let eni = model.network_interfaces.get(interface);
                edit(
                    self.interface_name(cloud, interface),
                    '+',
                    format!("sg {}", cloud.group(group)),
                    eni.map(|eni| &eni.origin),
                )
            }
            Self::PutEntry { acl, egress, entry } => edit(
                format!("acl {}", cloud.acl(acl)),
                '+',
                cloud.entry(entry, seen(*egress)),
                model.network_acls.get(acl).map(|acl| &acl.origin),
            ),
            Self::RemoveEntry {
                acl,
                egress,
                number,
            } => {
                let own = model.network_acls.get(acl);
                let entries = own.map(|own| if *egress { &own.egress } else { &own.ingress });
                let entry = entries.and_then(|e| e.iter().find(|e| e.rule_number == *number));
                let text = entry.map_or_else(String::new, |e| cloud.entry(e, seen(*egress)));
                edit(
                    format!("acl {}", cloud.acl(acl)),
                    '-',
                    text,
                    entry.map(|entry| &entry.origin),
                )
            }
            Self::Route {
                table,
                destination,
                target,
            } => edit(
                table_name(cloud, table),
                '+',
                format!("{destination}: {}", cloud.target(target)),
                model.route_tables.get(table).map(|table| &table.origin),
            ),
            Self::Reroute {
                table,
                destination,
                target,
            } => edit(
                table_name(cloud, table),
                '~',
                format!("{destination}: {}", cloud.target(target)),
                written_route(model, table, destination),
            ),
            Self::RemoveRoute { table, destination } => edit(
                table_name(cloud, table),
                '-',
                destination.to_string(),
                written_route(model, table, destination),
            ),
            Self::UseTable { subnet, table } => {
                let own = model.subnets.get(subnet);
                let text = format!("route: {}", route_word(cloud, table));
                edit(
                    subnet_name(model, subnet),
                    '~',
                    text,
                    own.map(|s| &s.origin),
                )
            }
            Self::UseAcl { subnet, acl } => {
                let own = model.subnets.get(subnet);
                let is_default = model
                    .network_acls
                    .get(acl)
                    .is_some_and(|acl| acl.is_default);
                let now = model.network_acl_of(subnet).map(|now| cloud.acl(&now.id));
                // Without the key a subnet has the list that came with the VPC.
                let (sign, name) = match now.filter(|_| is_default) {
                    Some(now) => ('-', now),
                    None => ('~', cloud.acl(acl)),
                };
                let text = format!("acl: {name}");
                edit(
                    subnet_name(model, subnet),
                    sign,
                    text,
                    own.map(|s| &s.origin),
                )
            }
            Self::Start(instance) => {
                let name = instance_name(model, instance);
                let text = format!("vpclab start {name}");
                let own = model.instances.get(instance);
                edit(name, '~', text, own.map(|own| &own.origin))
            }
            Self::PublicAddress { interface } => edit(
                self.interface_name(cloud, interface),
                '+',
                "public_ip: eip".to_owned(),
                model
                    .network_interfaces
                    .get(interface)
                    .map(|eni| &eni.origin),
            ),
            Self::SourceDestCheckOff(interface) => edit(
                self.interface_name(cloud, interface),
                '~',
                "source_dest_check: false".to_owned(),
                model
                    .network_interfaces
                    .get(interface)
                    .map(|eni| &eni.origin),
            ),
            Self::Forward(instance) => edit(
                instance_name(model, instance),
                '~',
                "forward: true".to_owned(),
                model.instances.get(instance).map(|own| &own.origin),
            ),
            Self::InternetGateway(vpc) => edit(
                format!("vpc {}", cloud.vpc(vpc)),
                '+',
                "igw: auto".to_owned(),
                model.vpcs.get(vpc).map(|vpc| &vpc.origin),
            ),
            Self::AcceptPeering(id) => {
                let peering = model.vpc_peering_connections.get(id);
                let name = peering
                    .and_then(|p| tag::name(&p.tags))
                    .unwrap_or(id.as_str());
                edit(
                    format!("peering {name}"),
                    '~',
                    "accept it".to_owned(),
                    peering.map(|p| &p.origin),
                )
            }
            Self::Peer(one, other) => {
                let (one, other) = (cloud.vpc(one), cloud.vpc(other));
                edit(
                    "peerings".to_owned(),
                    '+',
                    format!("{one}-{other}: [{one}, {other}]"),
                    None,
                )
            }
        }
    }

    fn interface_name(&self, cloud: &Cloud<'_>, id: &NetworkInterfaceId) -> String {
        let index = cloud.fabric.interface_by_id(id);
        index.map_or_else(
            || id.to_string(),
            |i| cloud.fabric.interfaces[i].name.clone(),
        )
    }
}

/// What a subnet's `route` says for a table: where its only route leads, else the table's name.
fn route_word(cloud: &Cloud<'_>, table: &RouteTableId) -> String {
    let Some(index) = cloud.fabric.route_tables.find(table, |t| &t.id) else {
        return table.to_string();
    };
    let own = cloud.model.route_tables.get(table);
    let routes = own.map(|table| table.routes.as_slice()).unwrap_or_default();
    let made: Vec<_> = routes
        .iter()
        .filter(|route| route.target != RouteTarget::Local)
        .collect();
    let everything = Destination::Ipv4(ipnet::Ipv4Net::default());
    match made.as_slice() {
        [] => "none".to_owned(),
        [one] if one.destination == everything => match one.target {
            RouteTarget::InternetGateway(_) | RouteTarget::NatGateway(_) => {
                cloud.target(&one.target)
            }
            _ => cloud.table(index),
        },
        _ => cloud.table(index),
    }
}

fn subnet_name(model: &Model, id: &SubnetId) -> String {
    let name = model
        .subnets
        .get(id)
        .and_then(|subnet| tag::name(&subnet.tags));
    format!("subnet {}", name.unwrap_or(id.as_str()))
}

/// The name of a peering that a lab file would give it.
fn peering_name(model: &Model, one: &VpcId, other: &VpcId) -> String {
    let name = |id: &VpcId| {
        let name = model.vpcs.get(id).and_then(|vpc| tag::name(&vpc.tags));
        name.map_or_else(|| id.to_string(), str::to_owned)
    };
    format!("{}-{}", name(one), name(other))
}

fn route(table: &RouteTableId, destination: &Destination, target: &RouteTarget) -> CreateRoute {
    CreateRoute {
        route_table_id: table.clone(),
        destination: destination.clone(),
        target: target.clone(),
        origin: Origin::default(),
    }
}

fn table_name(cloud: &Cloud<'_>, table: &RouteTableId) -> String {
    let index = cloud.fabric.route_tables.find(table, |t| &t.id);
    format!(
        "rtb {}",
        index.map_or_else(|| table.to_string(), |index| cloud.table(index))
    )
}

fn written_route<'m>(
    model: &'m Model,
    table: &RouteTableId,
    destination: &Destination,
) -> Option<&'m Origin> {
    let routes = &model.route_tables.get(table)?.routes;
    let route = routes
        .iter()
        .find(|route| route.destination == *destination)?;
    Some(&route.origin)
}

fn peer_text(cloud: &Cloud<'_>, peer: &Peer) -> String {
    match peer {
        Peer::Ipv4(block) => cloud.block(IpNet::V4(*block)),
        Peer::Ipv6(block) => cloud.block(IpNet::V6(*block)),
        Peer::PrefixList(id) => {
            let list = cloud.model.prefix_lists.get(id);
            format!(
                "pl:{}",
                list.map_or_else(|| id.to_string(), |list| list.name.clone())
            )
        }
        Peer::SecurityGroup(id) => format!("sg:{}", cloud.group(id)),
    }
}
