//! What each delta does: one or two operations of the model.

use std::net::Ipv4Addr;

use ipnet::IpNet;
use model::operation::{self as op, *};
use model::nat_gateway::NatGatewayState;
use model::peering::PeeringStatus;
use model::prefix_list::PrefixListEntry;
use model::route_table::Associated;
use model::vpc::CidrBlockState;
use model::*;

use super::routes::*;
use super::{World, WorldError, parts, settle};
use crate::scenario::delta::{
    Delta, GroupRule, PeeringState, RuleDirection, RulePeer,
};

pub(super) type Outcome = Result<(), WorldError>;

/// The type of every instance of a topology: room for ten addresses an interface and three interfaces (ENI-4).
const INSTANCE_TYPE: &str = "m5.large";

pub(super) fn apply(world: &mut World, delta: &Delta) -> Outcome {
    match delta {
        Delta::AddRoute { table, destination, target, propagated } => {
            add_route(world, table, destination, target, *propagated)
        }
        Delta::RemoveRoute { table, destination } => {
            let table = world.names.route_tables.find(table)?;
            let destination = route_destination(world, destination)?;
            remove_route(world, &table, &destination)
        }
        Delta::NewTable { table, vpc } => {
            world.names.route_tables.check_free(table)?;
            let vpc_id = world.names.vpcs.find(vpc)?;
            let request = CreateRouteTable { vpc_id, tags: Tags::new(), origin: Origin::default() };
            let id = op::create_route_table(&mut world.model, request)?;
            world.names.route_tables.add(table, id)
        }
        Delta::Edge { gateway, table } => edge(world, gateway, table),
        Delta::Subnet { subnet, vpc, cidr, zone, table } => {
            world.names.subnets.check_free(subnet)?;
            let mut request = CreateSubnet::new(world.names.vpcs.find(vpc)?, *cidr);
            request.availability_zone = Some(format!("{}{zone}", world.model.region));
            let id = op::create_subnet(&mut world.model, request)?;
            world.names.subnets.add(subnet, id)?;
            subnet_table(world, subnet, table)
        }
        Delta::SubnetTable { subnet, table } => subnet_table(world, subnet, table),
        Delta::SubnetIpv6 { subnet, cidr } => {
            let request = AssociateSubnetCidrBlock { subnet_id: world.names.subnets.find(subnet)?, ipv6_cidr_block: *cidr };
            op::associate_subnet_cidr_block(&mut world.model, request)?;
            Ok(())
        }
        Delta::Main { vpc, table } => {
            let main = parts::main_table(world, &world.names.vpcs.find(vpc)?)?;
            let table = world.names.route_tables.find(table)?;
            replace_association(world, &Associated::Main, &main, &table)
        }
        Delta::Interface { eni, subnet, addresses, groups } => interface(world, eni, subnet, addresses, groups),
        Delta::InterfaceGroups { eni, groups } => {
            let groups = groups.iter().map(|g| world.names.groups.find(g)).collect::<Result<_, _>>()?;
            modify_interface(world, eni, |request| request.groups = Some(groups))
        }
        Delta::SourceDestCheck { eni, on } => modify_interface(world, eni, |request| request.source_dest_check = Some(*on)),
        Delta::ElasticIp { eni, private, public } => {
            let target = AddressTarget::NetworkInterface(world.names.interfaces.find(eni)?);
            let address = AddressName::Allocation(allocation(world, *public)?);
            let request =
                AssociateAddress { address, target, private_ip_address: *private, allow_reassociation: Some(true) };
            op::associate_address(&mut world.model, request)?;
            Ok(())
        }
        Delta::NoElasticIp { eni } => {
            let id = world.names.interfaces.find(eni)?;
            let held = world.model.addresses.values().filter_map(|address| address.association.as_ref());
            let held: Vec<_> = held.filter(|a| a.network_interface_id == id).map(|a| a.id.clone()).collect();
            for association in held {
                op::disassociate_address(&mut world.model, &AssociationName::Association(association))?;
            }
            Ok(())
        }
        Delta::SecondaryAddress { eni, address } => {
            let request = AssignPrivateIpAddresses {
                network_interface_id: world.names.interfaces.find(eni)?,
                private_ip_addresses: vec![*address],
                secondary_private_ip_address_count: 0,
                allow_reassignment: false,
            };
            op::assign_private_ip_addresses(&mut world.model, request)?;
            Ok(())
        }
        Delta::Ipv6Address { eni, address } => {
            let network_interface_id = world.names.interfaces.find(eni)?;
            let request =
                AssignIpv6Addresses { network_interface_id, ipv6_addresses: vec![*address], ipv6_address_count: 0 };
            op::assign_ipv6_addresses(&mut world.model, request)?;
            Ok(())
        }
        Delta::Forward { eni } => guest(world, eni, |guest| guest.ip_forward = true),
        Delta::Masquerade { eni } => guest(world, eni, |guest| (guest.ip_forward, guest.masquerade) = (true, true)),
        Delta::Stopped { eni } => {
            let instance = instance(world, eni)?;
            op::stop_instances(&mut world.model, &[instance])?;
            Ok(())
        }
        Delta::HttpTokens { eni, required } => metadata(world, eni, |m| m.http_tokens_required = Some(*required)),
        Delta::HopLimit { eni, hops } => metadata(world, eni, |m| m.http_put_response_hop_limit = Some(*hops)),
        Delta::Container { eni } => {
            world.names.interfaces.find(eni)?;
            world.names.containers.insert(eni.clone());
            Ok(())
        }
        Delta::NewGroup { group, vpc } => {
            world.names.groups.check_free(group)?;
            let request = CreateSecurityGroup {
                // SG-25: AWS keeps names that start with `sg-`, and `default`, for itself.
                group_name: format!("topology {group}"),
                description: format!("group {group} of the topology"),
                vpc_id: Some(world.names.vpcs.find(vpc)?),
                tags: Tags::new(),
                origin: Origin::default(),
            };
            let id = op::create_security_group(&mut world.model, request)?;
            world.names.groups.add(group, id)
        }
        Delta::AddRule { group, direction, rule } => {
            let group_id = world.names.groups.find(group)?;
            let rules = vec![RuleSpecification::new(rule.traffic, peer(world, rule)?)];
            let request = AuthorizeSecurityGroup { group_id, rules };
            let added = match direction {
                RuleDirection::In => op::authorize_security_group_ingress(&mut world.model, request),
                RuleDirection::Out => op::authorize_security_group_egress(&mut world.model, request),
            };
            match added {
                // A new group has open egress for IPv6 too once its VPC has a block (SG-4): the rule is there already.
                Err(error) if error.code == ErrorCode::InvalidPermissionDuplicate => Ok(()),
                added => Ok(added.map(drop)?),
            }
        }
        Delta::RemoveRule { group, direction, rule } => {
            let rules = vec![(rule.traffic, peer(world, rule)?)];
            revoke(world, group, *direction, rules, Vec::new())
        }
        Delta::ClearRules { group, direction } => {
            let id = world.names.groups.find(group)?;
            let rules = world.model.security_groups.get(&id).map(|g| match direction {
                RuleDirection::In => &g.ingress,
                RuleDirection::Out => &g.egress,
            });
            let rules: Vec<_> = rules.into_iter().flatten().map(|rule| rule.id.clone()).collect();
            match rules.is_empty() {
                true => Ok(()),
                false => revoke(world, group, *direction, Vec::new(), rules),
            }
        }
        Delta::Acl { acl, subnets } => acl_of_subnets(world, acl, subnets),
        Delta::AclEntry { acl, direction, number, allow, traffic, cidr } => {
            let request = PutNetworkAclEntry {
                network_acl_id: world.names.acls.find(acl)?,
                direction: acl_direction(*direction),
                rule_number: *number,
                traffic: *traffic,
                cidr_block: *cidr,
                allow: *allow,
                origin: Origin::default(),
            };
            match op::create_network_acl_entry(&mut world.model, request.clone()) {
                Err(error) if error.code == ErrorCode::NetworkAclEntryAlreadyExists => {
                    Ok(op::replace_network_acl_entry(&mut world.model, request)?)
                }
                made => Ok(made?),
            }
        }
        Delta::DeleteAclEntry { acl, direction, number } => {
            let id = world.names.acls.find(acl)?;
            Ok(op::delete_network_acl_entry(&mut world.model, &id, acl_direction(*direction), *number)?)
        }
        Delta::Nat { nat, subnet, address, public } => nat_gateway(world, nat, subnet, *address, *public),
        Delta::DeleteNat { nat } => {
            let id = world.names.nat_gateways.find(nat)?;
            Ok(op::delete_nat_gateway(&mut world.model, &id)?)
        }
        Delta::Vpc { vpc, cidr, gateway } => {
            world.names.vpcs.check_free(vpc)?;
            let request = CreateVpc {
                cidr_block: *cidr,
                amazon_provided_ipv6_cidr_block: false,
                ipv6_cidr_block: None,
                instance_tenancy: None,
                tags: Tags::new(),
                origin: Origin::default(),
            };
            let id = op::create_vpc(&mut world.model, request)?;
            parts::name_vpc(world, vpc, &id)?;
            let Some(gateway) = gateway else { return Ok(()) };
            world.names.internet_gateways.check_free(gateway)?;
            let igw = op::create_internet_gateway(&mut world.model, CreateInternetGateway::default())?;
            op::attach_internet_gateway(&mut world.model, &igw, &id)?;
            world.names.internet_gateways.add(gateway, igw)
        }
        Delta::VpcBlock { vpc, cidr } => vpc_block(world, vpc, NewVpcBlock::Ipv4(*cidr)),
        Delta::VpcIpv6 { vpc, cidr } => vpc_block(world, vpc, NewVpcBlock::Ipv6(*cidr)),
        Delta::DnsSupport { vpc, on } => vpc_attribute(world, vpc, VpcAttribute::EnableDnsSupport(*on)),
        Delta::DnsHostnames { vpc, on } => vpc_attribute(world, vpc, VpcAttribute::EnableDnsHostnames(*on)),
        Delta::Peering { pcx, requester, accepter, state } => {
            world.names.peerings.check_free(pcx)?;
            let request = CreateVpcPeeringConnection {
                vpc_id: world.names.vpcs.find(requester)?,
                peer_vpc_id: world.names.vpcs.find(accepter)?,
                tags: Tags::new(),
                origin: Origin::default(),
            };
            let before = world.model.clone();
            let id = op::create_vpc_peering_connection(&mut world.model, request)?;
            settle::finish_what_began(&mut world.model, &before);
            world.names.peerings.add(pcx, id)?;
            peering_state(world, pcx, *state)
        }
        Delta::PeeringState { pcx, state } => peering_state(world, pcx, *state),
        Delta::PrefixList { list, entries } => prefix_list(world, list, entries),
        Delta::Host { host, address } => {
            let place = OutsideHost { addresses: vec![*address], origin: Origin::default() };
            op::set_outside_host(&mut world.model, host, place)?;
            world.names.hosts.insert(host.clone(), *address);
            Ok(())
        }
        Delta::EgressOnlyGateway { gateway, vpc } => {
            world.names.egress_only_gateways.check_free(gateway)?;
            let vpc_id = world.names.vpcs.find(vpc)?;
            let request = CreateEgressOnlyInternetGateway { vpc_id, tags: Tags::new(), origin: Origin::default() };
            let id = op::create_egress_only_internet_gateway(&mut world.model, request)?;
            world.names.egress_only_gateways.add(gateway, id)
        }
        Delta::VpnGateway { gateway, vpc } => {
            world.names.vpn_gateways.check_free(gateway)?;
            let vpc = world.names.vpcs.find(vpc)?;
            let id = op::create_vpn_gateway(&mut world.model, CreateVpnGateway::default())?;
            op::attach_vpn_gateway(&mut world.model, &id, &vpc)?;
            world.names.vpn_gateways.add(gateway, id)
        }
        Delta::Endpoint { endpoint, vpc, service, list, tables } => {
            gateway_endpoint(world, endpoint, vpc, service, list, tables)
        }
        Delta::Transit(delta) => super::transit::apply(world, delta),
        Delta::FlowLog { log, eni, traffic, fields } => super::flow_log::make(world, log, eni, *traffic, fields),
        Delta::User { .. } | Delta::UserGroup { .. } | Delta::Role { .. } => Ok(world.identities.apply(delta)?),
    }
}

fn interface(world: &mut World, eni: &str, subnet: &str, addresses: &[Ipv4Addr], groups: &[String]) -> Outcome {
    world.names.interfaces.check_free(eni)?;
    let groups = groups.iter().map(|g| world.names.groups.find(g)).collect::<Result<_, _>>()?;
    let launched = LaunchInterface {
        subnet_id: Some(world.names.subnets.find(subnet)?),
        groups,
        private_ip_addresses: addresses.to_vec(),
        // "no public IP", whatever the subnet's attribute says.
        associate_public_ip_address: Some(false),
        ..LaunchInterface::default()
    };
    let image = image::default_for(&world.model.region, instance_type::Architecture::X86_64);
    let mut request = RunInstances::of(image);
    request.instance_type = INSTANCE_TYPE.to_owned();
    request.network_interfaces = vec![launched];
    let launched = op::run_instances(&mut world.model, request)?;
    let Some(instance) = launched.into_iter().next() else { return Ok(()) };
    let interfaces = world.model.interfaces_of(&instance);
    let Some(id) = interfaces.first().map(|eni| eni.id.clone()) else { return Ok(()) };
    world.names.instances.insert(eni.to_owned(), instance);
    world.names.interfaces.add(eni, id)
}

fn instance(world: &World, eni: &str) -> Result<InstanceId, WorldError> {
    let instance = world.names.instances.get(eni).cloned();
    instance.ok_or_else(|| WorldError::Unknown { what: "instance", name: eni.to_owned() })
}

fn modify_interface(
    world: &mut World,
    eni: &str,
    change: impl FnOnce(&mut ModifyNetworkInterfaceAttribute),
) -> Outcome {
    let mut request = ModifyNetworkInterfaceAttribute::of(world.names.interfaces.find(eni)?);
    change(&mut request);
    Ok(op::modify_network_interface_attribute(&mut world.model, request)?)
}

fn guest(world: &mut World, eni: &str, change: impl FnOnce(&mut Guest)) -> Outcome {
    let instance = instance(world, eni)?;
    let mut guest = world.model.guests.get(&instance).cloned().unwrap_or_default();
    change(&mut guest);
    Ok(op::set_guest(&mut world.model, &instance, guest)?)
}

fn metadata(world: &mut World, eni: &str, change: impl FnOnce(&mut MetadataOptionsRequest)) -> Outcome {
    let instance = instance(world, eni)?;
    let mut options = MetadataOptionsRequest::default();
    change(&mut options);
    Ok(op::modify_instance_metadata_options(&mut world.model, &instance, options)?)
}

/// The allocation of an address, made if nobody has it.
fn allocation(world: &mut World, public: Ipv4Addr) -> Result<AllocationId, WorldError> {
    if let Some(address) = world.model.addresses.values().find(|address| address.public_ip == public) {
        return Ok(address.allocation_id.clone());
    }
    let request = AllocateAddress { address: Some(public), ..AllocateAddress::default() };
    Ok(op::allocate_address(&mut world.model, request)?)
}

fn peer(world: &World, rule: &GroupRule) -> Result<Peer, WorldError> {
    match &rule.peer {
        RulePeer::Cidr(IpNet::V4(net)) => Ok(Peer::Ipv4(*net)),
        RulePeer::Cidr(IpNet::V6(net)) => Ok(Peer::Ipv6(*net)),
        RulePeer::Group(group) => Ok(Peer::SecurityGroup(world.names.groups.find(group)?)),
        RulePeer::PrefixList(list) => Ok(Peer::PrefixList(world.names.prefix_lists.find(list)?)),
    }
}

fn revoke(
    world: &mut World,
    group: &str,
    direction: RuleDirection,
    rules: Vec<(TrafficMatch, Peer)>,
    security_group_rule_ids: Vec<SecurityGroupRuleId>,
) -> Outcome {
    let group_id = world.names.groups.find(group)?;
    let request = RevokeSecurityGroup { group_id, rules, security_group_rule_ids };
    match direction {
        RuleDirection::In => op::revoke_security_group_ingress(&mut world.model, request)?,
        RuleDirection::Out => op::revoke_security_group_egress(&mut world.model, request)?,
    }
    Ok(())
}

fn acl_direction(direction: RuleDirection) -> op::Direction {
    match direction {
        RuleDirection::In => op::Direction::Ingress,
        RuleDirection::Out => op::Direction::Egress,
    }
}

/// Gives subnets a list; a new name makes a new, empty list in the VPC of the first subnet.
fn acl_of_subnets(world: &mut World, acl: &str, subnets: &[String]) -> Outcome {
    let subnets = subnets.iter().map(|s| world.names.subnets.find(s)).collect::<Result<Vec<_>, _>>()?;
    let id = match (world.names.acls.get(acl), subnets.first().and_then(|s| world.model.subnets.get(s))) {
        (Some(id), _) => id,
        (None, Some(subnet)) => {
            let vpc_id = subnet.vpc_id.clone();
            let request = CreateNetworkAcl { vpc_id, tags: Tags::new(), origin: Origin::default() };
            let id = op::create_network_acl(&mut world.model, request)?;
            world.names.acls.add(acl, id.clone())?;
            id
        }
        (None, None) => return Err(WorldError::Unknown { what: "network ACL", name: acl.to_owned() }),
    };
    for subnet in subnets {
        let mut associations = world.model.network_acls.values().flat_map(|acl| &acl.associations);
        let present = associations.find(|a| a.subnet_id == subnet).map(|a| a.id.clone());
        if let Some(present) = present {
            op::replace_network_acl_association(&mut world.model, &present, &id)?;
        }
    }
    Ok(())
}

fn nat_gateway(world: &mut World, nat: &str, subnet: &str, address: Ipv4Addr, public: Option<Ipv4Addr>) -> Outcome {
    // A name may pass to a successor once its gateway is gone.
    let is_live = |id: &NatGatewayId| {
        use NatGatewayState::{Deleted, Deleting, Failed};
        world.model.nat_gateways.get(id).is_some_and(|n| !matches!(n.state, Deleted | Deleting | Failed))
    };
    if world.names.nat_gateways.get(nat).as_ref().is_some_and(is_live) {
        world.names.nat_gateways.check_free(nat)?;
    }
    let request = CreateNatGateway {
        subnet_id: world.names.subnets.find(subnet)?,
        is_public: public.is_some(),
        allocation_id: public.map(|public| allocation(world, public)).transpose()?,
        private_ip_address: Some(address),
        tags: Tags::new(),
        origin: Origin::default(),
    };
    let id = op::create_nat_gateway(&mut world.model, request)?;
    if let Some((code, message)) = world.model.nat_gateways.get(&id).and_then(|n| n.failure.clone()) {
        return Err(ApiError::new(code, message).into());
    }
    world.names.nat_gateways.replace(nat, id);
    Ok(())
}

fn vpc_block(world: &mut World, vpc: &str, block: NewVpcBlock) -> Outcome {
    let vpc_id = world.names.vpcs.find(vpc)?;
    let id = op::associate_vpc_cidr_block(&mut world.model, AssociateVpcCidrBlock { vpc_id: vpc_id.clone(), block })?;
    debug_assert!(world.model.vpcs.get(&vpc_id).is_none_or(|vpc| {
        let states = vpc.cidr_blocks.iter().filter(|b| b.association_id == id).map(|b| b.state);
        states.into_iter().all(CidrBlockState::is_live)
    }));
    Ok(())
}

fn vpc_attribute(world: &mut World, vpc: &str, attribute: VpcAttribute) -> Outcome {
    let request = ModifyVpcAttribute { vpc_id: world.names.vpcs.find(vpc)?, attribute };
    Ok(op::modify_vpc_attribute(&mut world.model, request)?)
}

/// Puts a connection into a state. AWS leads from `active` back to no other state than `deleted`; a topology may ask
/// for any, so the state is written down where no call leads there.
fn peering_state(world: &mut World, pcx: &str, state: PeeringState) -> Outcome {
    let id = world.names.peerings.find(pcx)?;
    let wanted = match state {
        PeeringState::Active => PeeringStatus::Active,
        PeeringState::PendingAcceptance => PeeringStatus::PendingAcceptance,
        PeeringState::Rejected => PeeringStatus::Rejected,
        PeeringState::Deleted => PeeringStatus::Deleted,
        PeeringState::Expired => PeeringStatus::Expired,
    };
    let Some(present) = world.model.vpc_peering_connections.get(&id).map(|p| p.status) else { return Ok(()) };
    match (present, wanted) {
        (PeeringStatus::Failed, _) => {
            Err(WorldError::Contradiction(format!("`{pcx}` failed: blocks of its two VPCs overlap")))
        }
        (present, wanted) if present == wanted => Ok(()),
        (PeeringStatus::PendingAcceptance, PeeringStatus::Active) => {
            Ok(op::accept_vpc_peering_connection(&mut world.model, &id)?)
        }
        (PeeringStatus::PendingAcceptance, PeeringStatus::Rejected) => {
            Ok(op::reject_vpc_peering_connection(&mut world.model, &id)?)
        }
        (PeeringStatus::Active | PeeringStatus::PendingAcceptance, PeeringStatus::Deleted) => {
            Ok(op::delete_vpc_peering_connection(&mut world.model, &id)?)
        }
        _ => {
            let now = world.model.context.now;
            if let Some(connection) = world.model.vpc_peering_connections.get_mut(&id) {
                (connection.status, connection.settles) = (wanted, None);
                connection.expiration_time = connection.expiration_time.max(now.plus(7 * 86_400));
                world.model.generation += 1;
            }
            Ok(())
        }
    }
}

fn prefix_list(world: &mut World, list: &str, entries: &[IpNet]) -> Outcome {
    let wanted: Vec<_> =
        entries.iter().map(|cidr| PrefixListEntry { cidr: cidr.trunc(), description: String::new() }).collect();
    let is_ipv6 = entries.first().is_some_and(|cidr| matches!(cidr, IpNet::V6(_)));
    let max_entries = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
    let Some(id) = world.names.prefix_lists.get(list) else {
        let request = CreateManagedPrefixList {
            prefix_list_name: list.to_owned(),
            is_ipv6,
            max_entries,
            entries: wanted,
            ..CreateManagedPrefixList::default()
        };
        let id = op::create_managed_prefix_list(&mut world.model, request)?;
        return world.names.prefix_lists.add(list, id);
    };
    let Some(present) = world.model.prefix_lists.get(&id).cloned() else { return Ok(()) };
    let change = |max_entries, add_entries, remove_entries| ModifyManagedPrefixList {
        prefix_list_id: id.clone(),
        current_version: Some(present.version),
        prefix_list_name: None,
        max_entries,
        add_entries,
        remove_entries,
    };
    if max_entries > present.max_entries {
        op::modify_managed_prefix_list(&mut world.model, change(Some(max_entries), Vec::new(), Vec::new()))?;
    }
    let old: Vec<_> = present.entries.iter().map(|e| e.cidr).filter(|cidr| !entries.contains(cidr)).collect();
    let new: Vec<_> = wanted.into_iter().filter(|e| !present.entries.iter().any(|p| p.cidr == e.cidr)).collect();
    if !old.is_empty() || !new.is_empty() {
        op::modify_managed_prefix_list(&mut world.model, change(None, new, old))?;
    }
    let services: Vec<_> = world.services.iter().filter(|(l, _)| l == list).map(|(_, s)| s.clone()).collect();
    for service in services {
        let blocks = entries.iter().copied();
        op::define_aws_managed_prefix_list(&mut world.model, &service, blocks, Origin::default())?;
    }
    Ok(())
}

/// A gateway endpoint whose service lives at the addresses of a list.
fn gateway_endpoint(
    world: &mut World,
    endpoint: &str,
    vpc: &str,
    service: &str,
    list: &str,
    tables: &[String],
) -> Outcome {
    world.names.endpoints.check_free(endpoint)?;
    let service_name = format!("com.amazonaws.{}.{service}", world.model.region);
    let list_id = world.names.prefix_lists.find(list)?;
    let blocks: Vec<IpNet> =
        world.model.prefix_lists.get(&list_id).map_or_else(Vec::new, |l| l.entries.iter().map(|e| e.cidr).collect());
    op::define_aws_managed_prefix_list(&mut world.model, &service_name, blocks, Origin::default())?;
    world.services.push((list.to_owned(), service_name.clone()));
    let route_table_ids = tables.iter().map(|t| world.names.route_tables.find(t)).collect::<Result<_, _>>()?;
    let request = CreateVpcEndpoint {
        vpc_id: world.names.vpcs.find(vpc)?,
        service_name,
        kind: CreateVpcEndpointKind::Gateway { route_table_ids },
        policy_document: None,
        tags: Tags::new(),
        origin: Origin::default(),
    };
    let id = op::create_vpc_endpoint(&mut world.model, request)?;
    world.names.endpoints.add(endpoint, id)
}
