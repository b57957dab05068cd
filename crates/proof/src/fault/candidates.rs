//! Which mistakes a cloud offers: for each resource those that people make with it, in the order of the model.

use std::collections::BTreeSet;

use model::network_acl::NetworkAclEntry;
use model::network_interface::InterfaceType;
use model::operation::Direction;
use model::route_table::{Associated, RouteOrigin};
use model::{
    Model, NetworkAcl, NetworkInterface, Origin, Peer, PortRange, RouteTable, RouteTarget,
    SecurityGroup, SecurityGroupRule, Tags, TrafficMatch, VpcId, tag,
};

use super::{Change, Fault};

/// Every mistake that a cloud offers; whether it changes what flows is for the caller to ask.
pub fn faults(model: &Model) -> Vec<Fault> {
    let mut faults = Vec::new();
    model
        .route_tables
        .values()
        .for_each(|table| routes(model, table, &mut faults));
    associations(model, &mut faults);
    gateways(model, &mut faults);
    model
        .security_groups
        .values()
        .for_each(|group| rules(model, group, &mut faults));
    lists(model, &mut faults);
    interfaces(model, &mut faults);
    faults
}

/// A network ACL by name; the one that came with a VPC has none.
fn list(model: &Model, acl: &NetworkAcl) -> String {
    match (tag::name(&acl.tags), model.vpcs.get(&acl.vpc_id)) {
        (None, Some(vpc)) if acl.is_default => format!("acl of vpc {}", name(&vpc.tags, &vpc.id)),
        _ => format!("acl {}", name(&acl.tags, &acl.id)),
    }
}

/// Where a route leads, by name.
fn place(model: &Model, target: &RouteTarget) -> String {
    let tags = match target {
        RouteTarget::InternetGateway(id) => model.internet_gateways.get(id).map(|igw| &igw.tags),
        RouteTarget::NatGateway(id) => model.nat_gateways.get(id).map(|nat| &nat.tags),
        RouteTarget::VpcPeeringConnection(id) => {
            model.vpc_peering_connections.get(id).map(|pcx| &pcx.tags)
        }
        RouteTarget::NetworkInterface(id) => {
            return model
                .network_interfaces
                .get(id)
                .map_or_else(|| id.to_string(), |eni| holder(model, eni));
        }
        _ => None,
    };
    tags.map_or_else(|| target.to_string(), |tags| name(tags, target))
}

fn name(tags: &Tags, id: &impl ToString) -> String {
    tag::name(tags).map_or_else(|| id.to_string(), str::to_owned)
}

fn routes(model: &Model, table: &RouteTable, faults: &mut Vec<Fault>) {
    let subject = format!("rtb {}", name(&table.tags, &table.id));
    for route in table
        .routes
        .iter()
        .filter(|route| route.created_by == RouteOrigin::CreateRoute)
    {
        faults.push(Fault {
            change: Change::LostRoute {
                route_table: table.id.clone(),
                destination: route.destination.clone(),
            },
            subject: subject.clone(),
            text: format!(
                "the route {} -> {} is gone",
                route.destination,
                place(model, &route.target)
            ),
            origin: route.origin.clone(),
        });
        for target in others(model, &table.vpc_id, &route.target) {
            faults.push(Fault {
                text: format!(
                    "the route {} leads to {} instead of {}",
                    route.destination,
                    place(model, &target),
                    place(model, &route.target)
                ),
                change: Change::WrongTarget {
                    route_table: table.id.clone(),
                    destination: route.destination.clone(),
                    target,
                },
                subject: subject.clone(),
                origin: route.origin.clone(),
            });
        }
    }
}

/// Targets of the same kind, or of the kind that is easily taken for it, in the same VPC.
fn others(model: &Model, vpc: &VpcId, target: &RouteTarget) -> Vec<RouteTarget> {
    let igws = model
        .internet_gateways
        .values()
        .filter(|igw| igw.vpc_id.as_ref() == Some(vpc))
        .map(|igw| RouteTarget::InternetGateway(igw.id.clone()));
    let live = |nat: &&model::NatGateway| {
        nat.vpc_id == *vpc && nat.state == model::nat_gateway::NatGatewayState::Available
    };
    let nats = model
        .nat_gateways
        .values()
        .filter(live)
        .map(|nat| RouteTarget::NatGateway(nat.id.clone()));
    let peers = model
        .vpc_peering_connections
        .values()
        .filter(|pcx| pcx.status.is_open() && pcx.peer_of(vpc).is_some());
    let peers = peers.map(|pcx| RouteTarget::VpcPeeringConnection(pcx.id.clone()));
    let all: Vec<RouteTarget> = match target {
        RouteTarget::InternetGateway(_) => nats.collect(),
        RouteTarget::NatGateway(_) => igws.chain(nats).collect(),
        RouteTarget::VpcPeeringConnection(_) => peers.collect(),
        _ => Vec::new(),
    };
    all.into_iter().filter(|other| other != target).collect()
}

fn associations(model: &Model, faults: &mut Vec<Fault>) {
    for table in model.route_tables.values() {
        for association in &table.associations {
            let Associated::Subnet(subnet) = &association.to else {
                continue;
            };
            let Some(subnet) = model.subnets.get(subnet) else {
                continue;
            };
            let of_gateway = |other: &RouteTable| {
                other.associations.iter().any(|a| {
                    matches!(
                        a.to,
                        Associated::InternetGateway(_) | Associated::VpnGateway(_)
                    )
                })
            };
            for other in model
                .route_tables
                .values()
                .filter(|o| o.vpc_id == table.vpc_id && o.id != table.id && !of_gateway(o))
            {
                faults.push(Fault {
                    change: Change::SwappedRouteTable {
                        association: association.id.clone(),
                        route_table: other.id.clone(),
                    },
                    subject: format!("subnet {}", name(&subnet.tags, &subnet.id)),
                    text: format!(
                        "it uses route table {} instead of {}",
                        name(&other.tags, &other.id),
                        name(&table.tags, &table.id)
                    ),
                    origin: subnet.origin.clone(),
                });
            }
        }
    }
    for acl in model.network_acls.values() {
        for association in &acl.associations {
            let Some(subnet) = model.subnets.get(&association.subnet_id) else {
                continue;
            };
            for other in model
                .network_acls
                .values()
                .filter(|other| other.vpc_id == acl.vpc_id && other.id != acl.id)
            {
                faults.push(Fault {
                    change: Change::SwappedAcl {
                        association: association.id.clone(),
                        acl: other.id.clone(),
                    },
                    subject: format!("subnet {}", name(&subnet.tags, &subnet.id)),
                    text: format!(
                        "it uses {} instead of {}",
                        list(model, other),
                        list(model, acl)
                    ),
                    origin: subnet.origin.clone(),
                });
            }
        }
    }
}

fn gateways(model: &Model, faults: &mut Vec<Fault>) {
    for nat in model
        .nat_gateways
        .values()
        .filter(|nat| nat.state == model::nat_gateway::NatGatewayState::Available)
    {
        faults.push(Fault {
            change: Change::LostNatGateway(nat.id.clone()),
            subject: format!("nat {}", name(&nat.tags, &nat.id)),
            text: "it was deleted; routes to it are blackholes".to_owned(),
            origin: nat.origin.clone(),
        });
    }
    for igw in model.internet_gateways.values() {
        let Some(vpc) = &igw.vpc_id else { continue };
        let inside = |address: &&model::Address| {
            let interface = address
                .association
                .as_ref()
                .map(|a| &a.network_interface_id);
            interface
                .and_then(|id| model.network_interfaces.get(id))
                .is_some_and(|eni| eni.vpc_id == *vpc)
        };
        faults.push(Fault {
            change: Change::DetachedGateway {
                gateway: igw.id.clone(),
                vpc: vpc.clone(),
                addresses: model
                    .addresses
                    .values()
                    .filter(inside)
                    .map(|address| address.allocation_id.clone())
                    .collect(),
            },
            subject: format!("igw {}", name(&igw.tags, &igw.id)),
            text: "it is attached to no VPC any more".to_owned(),
            origin: igw.origin.clone(),
        });
    }
    for address in model.addresses.values() {
        let Some(association) = &address.association else {
            continue;
        };
        let Some(eni) = model
            .network_interfaces
            .get(&association.network_interface_id)
        else {
            continue;
        };
        // AWS does not let go of a NAT gateway's.
        if eni.interface_type != InterfaceType::Interface {
            continue;
        }
        faults.push(Fault {
            change: Change::LostAddress(address.allocation_id.clone()),
            subject: holder(model, eni),
            text: format!(
                "the elastic address {} is not associated any more",
                address.public_ip
            ),
            origin: eni.origin.clone(),
        });
    }
}

fn rules(model: &Model, group: &SecurityGroup, faults: &mut Vec<Fault>) {
    let subject = format!("sg {}", group.group_name);
    let both = [(false, &group.ingress), (true, &group.egress)];
    for (egress, rule) in both
        .into_iter()
        .flat_map(|(egress, rules)| rules.iter().map(move |rule| (egress, rule)))
    {
        let said = says(model, egress, rule.traffic, &rule.peer);
        let mut push = |change, text| {
            faults.push(Fault {
                change,
                subject: subject.clone(),
                text,
                origin: rule.origin.clone(),
            })
        };
        push(
            Change::LostRule {
                group: group.id.clone(),
                egress,
                rule: rule.id.clone(),
            },
            format!("the rule `{said}` is gone"),
        );
        for (traffic, peer) in misread(model, group, rule) {
            let text = format!(
                "the rule `{said}` says `{}`",
                says(model, egress, traffic, &peer)
            );
            push(
                Change::WrongRule {
                    group: group.id.clone(),
                    rule: rule.id.clone(),
                    traffic,
                    peer,
                },
                text,
            );
        }
    }
}

/// What a rule says when one thing in it is mistaken: the neighbouring port, another group, another group's source or
/// everybody.
fn misread(
    model: &Model,
    group: &SecurityGroup,
    rule: &SecurityGroupRule,
) -> Vec<(TrafficMatch, Peer)> {
    let mut wrong = Vec::new();
    match rule.traffic {
        TrafficMatch::Tcp(PortRange { from, to }) if from == to && to < u16::MAX => {
            wrong.push((TrafficMatch::Tcp(PortRange::one(to + 1)), rule.peer.clone()));
        }
        TrafficMatch::Udp(PortRange { from, to }) if from == to && to < u16::MAX => {
            wrong.push((TrafficMatch::Udp(PortRange::one(to + 1)), rule.peer.clone()));
        }
        _ => {}
    }
    if let Peer::SecurityGroup(named) = &rule.peer {
        let others = model
            .security_groups
            .values()
            .filter(|other| other.vpc_id == group.vpc_id && other.id != *named);
        wrong.extend(others.map(|other| (rule.traffic, Peer::SecurityGroup(other.id.clone()))));
        // Too wide is a mistake too, and one that nobody who uses the service notices.
        wrong.push((rule.traffic, Peer::Ipv4(ipnet::Ipv4Net::default())));
    }
    wrong
}

fn lists(model: &Model, faults: &mut Vec<Fault>) {
    let answers = TrafficMatch::Tcp(PortRange {
        from: 1_024,
        to: u16::MAX,
    });
    for acl in model
        .network_acls
        .values()
        .filter(|acl| !acl.associations.is_empty())
    {
        for (direction, entries) in [
            (Direction::Ingress, &acl.ingress),
            (Direction::Egress, &acl.egress),
        ] {
            let allowing = entries.iter().filter(|entry| entry.allow);
            let Some(number) = allowing
                .map(|entry| entry.rule_number)
                .min()
                .and_then(|first| free_before(entries, first))
            else {
                continue;
            };
            let entry = NetworkAclEntry {
                rule_number: number,
                traffic: answers,
                cidr_block: ipnet::IpNet::V4(ipnet::Ipv4Net::default()),
                allow: false,
                origin: Origin::default(),
            };
            let egress = direction == Direction::Egress;
            faults.push(Fault {
                text: format!(
                    "entry {number} denies {answers} {}: answers are lost",
                    if egress { "out" } else { "in" }
                ),
                change: Change::DenyingEntry {
                    acl: acl.id.clone(),
                    egress,
                    entry,
                },
                subject: list(model, acl),
                origin: acl.origin.clone(),
            });
        }
    }
}

fn free_before(entries: &[NetworkAclEntry], first: u16) -> Option<u16> {
    let taken: BTreeSet<u16> = entries.iter().map(|entry| entry.rule_number).collect();
    (1..first).rev().find(|number| !taken.contains(number))
}

fn interfaces(model: &Model, faults: &mut Vec<Fault>) {
    for eni in model
        .network_interfaces
        .values()
        .filter(|eni| eni.interface_type == InterfaceType::Interface)
    {
        let mut push = |change, text| {
            faults.push(Fault {
                change,
                subject: holder(model, eni),
                text,
                origin: eni.origin.clone(),
            })
        };
        if !eni.source_dest_check {
            push(
                Change::SourceDestCheck(eni.id.clone()),
                "its source/dest check is on".to_owned(),
            );
        }
        let [carried] = eni.groups.as_slice() else {
            continue;
        };
        for other in model
            .security_groups
            .values()
            .filter(|other| other.vpc_id == eni.vpc_id && other.id != *carried)
        {
            let was = model
                .security_groups
                .get(carried)
                .map_or_else(|| carried.to_string(), |group| group.group_name.clone());
            push(
                Change::WrongGroup {
                    interface: eni.id.clone(),
                    groups: vec![other.id.clone()],
                },
                format!("it carries sg {} instead of {was}", other.group_name),
            );
        }
    }
    for instance in model
        .instances
        .values()
        .filter(|instance| instance.state == model::InstanceState::Running)
    {
        faults.push(Fault {
            change: Change::Stopped(instance.id.clone()),
            subject: name(&instance.tags, &instance.id),
            text: "it is stopped".to_owned(),
            origin: instance.origin.clone(),
        });
    }
}

fn holder(model: &Model, eni: &NetworkInterface) -> String {
    let instance = eni.instance_id().and_then(|id| model.instances.get(id));
    instance.map_or_else(
        || name(&eni.tags, &eni.id),
        |instance| name(&instance.tags, &instance.id),
    )
}

fn says(model: &Model, egress: bool, traffic: TrafficMatch, peer: &Peer) -> String {
    let peer = match peer {
        Peer::Ipv4(block) if block.prefix_len() == 0 => "anywhere".to_owned(),
        Peer::Ipv4(block) => block.to_string(),
        Peer::Ipv6(block) => block.to_string(),
        Peer::PrefixList(id) => id.to_string(),
        Peer::SecurityGroup(id) => {
            let group = model.security_groups.get(id);
            format!(
                "sg:{}",
                group.map_or_else(|| id.to_string(), |group| group.group_name.clone())
            )
        }
    };
    if egress {
        format!("out {traffic} to {peer}")
    } else {
        format!("{traffic} from {peer}")
    }
}
