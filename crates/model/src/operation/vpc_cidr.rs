//! Which blocks a VPC may have (VPC-1, VPC-4 … VPC-8, VPC-10), and what adding or removing one changes.

use ipnet::{Ipv4Net, Ipv6Net};

use super::has_dependencies;
use crate::cidr::{AMAZON_IPV6, LINK_LOCAL, RFC_1918, overlaps};
use crate::network_acl::NetworkAcl;
use crate::peering::PeeringStatus;
use crate::route_table::RouteOrigin;
use crate::vpc::{CidrBlock, CidrBlockState};
use crate::*;

/// Seconds from `associating` to `associated`, and from `disassociating` to `disassociated` (VPC-4).
const SETTLES_AFTER: u64 = 5;

/// RFC 2544's upper half, which VPC-7 treats as a family of its own.
const BENCHMARK: Ipv4Net = net(198, 19, 16);

/// A block that passed its checks, in canonical form.
pub(super) enum Added {
    Ipv4(Ipv4Net),
    Ipv6(Ipv6Net),
}

const fn net(a: u8, b: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(std::net::Ipv4Addr::new(a, b, 0, 0), length)
}

fn out_of_range(block: impl std::fmt::Display, why: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidVpcRange, format!("The CIDR '{block}' is invalid. {why}").trim_end())
}

/// VPC-1, VPC-8.
pub(super) fn check_size_and_range(block: Ipv4Net) -> Result<(), ApiError> {
    if !(16..=28).contains(&block.prefix_len()) {
        return Err(out_of_range(block, "A block is from /16 to /28."));
    }
    // "This" network, loopback, link-local, multicast and the reserved class E can be nobody's addresses.
    let never = [net(0, 0, 8), net(127, 0, 8), LINK_LOCAL, net(224, 0, 4), net(240, 0, 4)];
    match never.into_iter().any(|range| overlaps(range, block)) {
        false => Ok(()),
        true => Err(out_of_range(block, "The range is reserved.")),
    }
}

/// A secondary block for this VPC, in canonical form.
pub(super) fn check_ipv4(model: &Model, vpc: &Vpc, given: Ipv4Net) -> Result<Ipv4Net, ApiError> {
    check_size_and_range(given)?;
    let block = given.trunc();
    if vpc.ipv4_blocks().any(|present| overlaps(present, block)) {
        return Err(out_of_range(given, "It overlaps a block of the VPC."));
    }
    if let Some(refused) = refused_families(vpc).into_iter().find(|range| overlaps(*range, block)) {
        return Err(out_of_range(given, &format!("{refused} cannot be combined with the VPC's primary block.")));
    }
    // VPC-5: a route as narrow as the block or narrower would change its meaning.
    let tables = model.route_tables.values().filter(|table| table.vpc_id == vpc.id);
    let mut routes = tables.flat_map(|table| table.routes.iter().map(move |route| (table, route)));
    let inside = |route: &Route| match &route.destination {
        _ if route.created_by == RouteOrigin::CreateRouteTable => false,
        Destination::Ipv4(destination) => block.contains(destination),
        Destination::Ipv6(_) => false,
        Destination::PrefixList(list) => model.prefix_lists.get(list).is_some_and(|list| {
            list.entries.iter().any(|entry| matches!(entry.cidr, ipnet::IpNet::V4(net) if block.contains(&net)))
        }),
    };
    match routes.find(|(_, route)| inside(route)) {
        None => Ok(block),
        Some((table, route)) => Err(super::invalid_value(
            given,
            "cidrBlock",
            format!("Route table {} has a route to {}, which is not larger than the block.", table.id, route.destination),
        )),
    }
}

/// VPC-7: what a secondary block must not touch, by the family of the primary one.
fn refused_families(vpc: &Vpc) -> Vec<Ipv4Net> {
    let [ten, one_seven_two, one_nine_two] = RFC_1918;
    let primary = vpc.primary_cidr_block();
    match primary {
        p if ten.contains(&p) => {
            let mut refused = vec![one_seven_two, one_nine_two, BENCHMARK];
            if vpc.ipv4_blocks().any(|present| net(10, 0, 15).contains(&present)) {
                refused.push(net(10, 0, 16));
            }
            refused
        }
        p if one_seven_two.contains(&p) => vec![ten, one_nine_two, BENCHMARK, net(172, 31, 16)],
        p if one_nine_two.contains(&p) => vec![ten, one_seven_two, BENCHMARK],
        p if BENCHMARK.contains(&p) => RFC_1918.to_vec(),
        _ => vec![ten, one_seven_two, one_nine_two, BENCHMARK],
    }
}

/// An IPv6 block that somebody asks for, in canonical form: /44 to /60, in use by no VPC.
pub(super) fn check_ipv6(model: &Model, given: Ipv6Net) -> Result<Ipv6Net, ApiError> {
    let block = given.trunc();
    if !(44..=60).contains(&block.prefix_len()) || !block.prefix_len().is_multiple_of(4) {
        return Err(super::invalid_value(given, "ipv6CidrBlock", "Its length is from /44 to /60 in steps of four."));
    }
    let mut present = model.vpcs.values().flat_map(Vpc::ipv6_blocks);
    match present.any(|present| present.contains(&block) || block.contains(&present)) {
        false => Ok(block),
        true => Err(super::invalid_value(given, "ipv6CidrBlock", "It overlaps a block that is in use.")),
    }
}

/// The lowest /56 of Amazon's that no VPC has and no outside host lives in (VPC-10).
pub(super) fn amazon_provided_block(model: &Model) -> Result<Ipv6Net, ApiError> {
    let taken: Vec<Ipv6Net> = model.vpcs.values().flat_map(Vpc::ipv6_blocks).collect();
    let hosts: Vec<_> = model.outside.values().flat_map(|host| host.addresses.iter()).collect();
    let is_free = |block: &Ipv6Net| {
        !taken.iter().any(|t| t.contains(block) || block.contains(t))
            && !hosts.iter().any(|host| matches!(host, std::net::IpAddr::V6(address) if block.contains(address)))
    };
    let mut blocks = AMAZON_IPV6.subnets(56).into_iter().flatten();
    blocks.find(is_free).ok_or_else(|| {
        ApiError::new(ErrorCode::CidrLimitExceeded, "There is no free Amazon-provided IPv6 CIDR block")
    })
}

/// QUO-1.
pub(super) fn check_quota(model: &Model, vpc: &Vpc, added: &Added) -> Result<(), ApiError> {
    let (present, limit) = match added {
        Added::Ipv4(_) => (vpc.ipv4_blocks().count(), model.quotas.ipv4_blocks_per_vpc),
        Added::Ipv6(_) => (vpc.ipv6_blocks().count(), model.quotas.ipv6_blocks_per_vpc),
    };
    match present < limit {
        true => Ok(()),
        false => Err(ApiError::new(
            ErrorCode::CidrLimitExceeded,
            format!("This network '{}' has met its maximum number of allowed CIDRs: {limit}", vpc.id),
        )),
    }
}

/// PCX-7.
pub(super) fn check_peers(model: &Model, vpc: &Vpc, added: &Added) -> Result<(), ApiError> {
    for connection in model.vpc_peering_connections.values() {
        let Some(peer) = connection.peer_of(&vpc.id) else { continue };
        let is_pending =
            matches!(connection.status, PeeringStatus::InitiatingRequest | PeeringStatus::PendingAcceptance);
        if is_pending && connection.requester_vpc_id == vpc.id {
            let message = format!("The VPC {} has a pending peering request {}.", vpc.id, connection.id);
            return Err(ApiError::new(ErrorCode::IncorrectState, message));
        }
        let is_active = matches!(connection.status, PeeringStatus::Provisioning | PeeringStatus::Active);
        let Some(peer) = model.vpcs.get(peer).filter(|_| is_active || is_pending) else { continue };
        let why = format!("It overlaps the peer VPC {}.", peer.id);
        match added {
            Added::Ipv4(block) if peer.ipv4_blocks().any(|b| overlaps(b, *block)) => {
                return Err(out_of_range(block, &why));
            }
            Added::Ipv6(block) if peer.ipv6_blocks().any(|b| b.contains(block) || block.contains(&b)) => {
                return Err(out_of_range(block, &why));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A new association that settles soon.
pub(super) fn associating<Net>(context: &mut Context, block: Net) -> CidrBlock<Net> {
    CidrBlock {
        association_id: context.next_id(),
        block,
        state: CidrBlockState::Associating,
        settles_at: context.now.plus(SETTLES_AFTER),
    }
}

/// Adds the block and its local routes (VPC-6); the first IPv6 block opens the default group and list (SG-4, ACL-2).
pub(super) fn add(model: &mut Model, id: &VpcId, added: Added) -> Result<VpcCidrAssociationId, ApiError> {
    let had_ipv6 = model.vpc(id)?.ipv6_blocks().next().is_some();
    let (destination, association_id) = match added {
        Added::Ipv4(block) => {
            let association = associating(&mut model.context, block);
            let association_id = association.association_id.clone();
            model.vpc_mut(id)?.cidr_blocks.push(association);
            (Destination::Ipv4(block), association_id)
        }
        Added::Ipv6(block) => {
            let association = associating(&mut model.context, block);
            let association_id = association.association_id.clone();
            model.vpc_mut(id)?.ipv6_cidr_blocks.push(association);
            if !had_ipv6 {
                open_defaults_to_ipv6(model, id);
            }
            (Destination::Ipv6(block), association_id)
        }
    };
    let origin = model.vpc(id)?.origin.clone();
    for (_, table) in model.route_tables.iter_mut_where(|_, table| table.vpc_id == *id) {
        table.routes.push(super::vpc::local_route(destination.clone(), &origin));
    }
    Ok(association_id)
}

fn open_defaults_to_ipv6(model: &mut Model, id: &VpcId) {
    let context = &mut model.context;
    for (_, acl) in model.network_acls.iter_mut_where(|_, acl| acl.vpc_id == *id && acl.is_default) {
        let unedited = NetworkAcl::default_entries(false, &acl.origin);
        if acl.ingress == unedited && acl.egress == unedited {
            acl.ingress = NetworkAcl::default_entries(true, &acl.origin);
            acl.egress = acl.ingress.clone();
        }
    }
    for (_, group) in model.security_groups.iter_mut_where(|_, group| group.vpc_id == *id && group.is_default()) {
        let is_unedited = matches!(&group.egress[..], [only]
            if only.traffic == TrafficMatch::All && only.peer == Peer::Ipv4(Ipv4Net::default()));
        if is_unedited {
            let rule = SecurityGroupRule::all_with(Peer::Ipv6(Ipv6Net::default()), context, &group.origin);
            group.egress.push(rule);
        }
    }
}

/// Starts the end of an association and takes its local routes away.
pub(super) fn remove(model: &mut Model, id: &VpcCidrAssociationId) -> Result<VpcId, ApiError> {
    let found = model.vpcs.values().find_map(|vpc| {
        let ipv4 = vpc.cidr_blocks.iter().position(|b| b.association_id == *id && b.state.is_live());
        let ipv6 = vpc.ipv6_cidr_blocks.iter().position(|b| b.association_id == *id && b.state.is_live());
        let destination = match (ipv4, ipv6) {
            (Some(index), _) => Destination::Ipv4(vpc.cidr_blocks[index].block),
            (None, Some(index)) => Destination::Ipv6(vpc.ipv6_cidr_blocks[index].block),
            (None, None) => return None,
        };
        Some((vpc.id.clone(), ipv4 == Some(0), destination))
    });
    let Some((vpc_id, is_primary, destination)) = found else {
        let message = format!("The vpc CIDR block with association ID {id} does not exist");
        return Err(ApiError::new(ErrorCode::InvalidVpcCidrBlockAssociationIdNotFound, message));
    };
    if is_primary {
        let message = format!(
            "The vpc CIDR block with association ID {id} may not be disassociated. It is the primary IPv4 CIDR \
             block of the VPC"
        );
        return Err(ApiError::new(ErrorCode::OperationNotPermitted, message));
    }
    let lies_inside = |subnet: &Subnet| match &destination {
        Destination::Ipv4(block) => block.contains(&subnet.cidr_block),
        Destination::Ipv6(block) => {
            subnet.ipv6_cidr_blocks.iter().any(|b| b.state.is_live() && block.contains(&b.block))
        }
        Destination::PrefixList(_) => false,
    };
    if model.subnets.values().any(|subnet| subnet.vpc_id == vpc_id && lies_inside(subnet)) {
        return Err(has_dependencies("vpc CIDR block", id));
    }
    let settles_at = model.context.now.plus(SETTLES_AFTER);
    let leaving = (CidrBlockState::Disassociating, settles_at);
    let vpc = model.vpc_mut(&vpc_id)?;
    for block in vpc.cidr_blocks.iter_mut().filter(|b| b.association_id == *id) {
        (block.state, block.settles_at) = leaving;
    }
    for block in vpc.ipv6_cidr_blocks.iter_mut().filter(|b| b.association_id == *id) {
        (block.state, block.settles_at) = leaving;
    }
    for table in model.route_tables.values_mut().filter(|table| table.vpc_id == vpc_id) {
        table.routes.retain(|r| r.created_by != RouteOrigin::CreateRouteTable || r.destination != destination);
    }
    Ok(vpc_id)
}
