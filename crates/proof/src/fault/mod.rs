//! Mistakes that people make in clouds, as changes to a model: to practise on, and to learn what expectations would not
//! notice.
//!
//! Start at [`faults`]: every mistake that a cloud offers. Each is one operation, or two, that AWS would accept.

mod candidates;

use std::collections::BTreeMap;

use fabric::Fabric;
use model::network_acl::NetworkAclEntry;
use model::operation::{self, CreateRoute};
use model::operation::{
    AddressName, AssociationName, Direction, ModifyNetworkInterfaceAttribute,
    ModifySecurityGroupRules, PutNetworkAclEntry, RevokeSecurityGroup, RuleSpecification,
};
use model::{
    AllocationId, ApiError, Destination, InstanceId, InternetGatewayId, Model, NatGatewayId,
    NetworkAclAssociationId, NetworkAclId, NetworkInterfaceId, Origin, Peer,
    RouteTableAssociationId, RouteTableId, RouteTarget, SecurityGroupId, SecurityGroupRuleId,
    Timestamp, TrafficMatch, VpcId,
};
use serde::{Deserialize, Serialize};

pub use candidates::faults;

use crate::place::PlaceIndex;
use crate::reach::Reach;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What changes.
    pub change: Change,
    /// What it is about, by name: `rtb internal`, `sg db`.
    pub subject: String,
    /// What was done, in a sentence.
    pub text: String,
    /// Where what it spoils was written.
    pub origin: Origin,
}

/// What a mistake changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A route is lost.
    LostRoute {
        /// The table.
        route_table: RouteTableId,
        /// Its destination.
        destination: Destination,
    },
    /// A route leads to another gateway, connection or interface than was meant.
    WrongTarget {
        /// The table.
        route_table: RouteTableId,
        /// Its destination.
        destination: Destination,
        /// Where it leads now.
        target: RouteTarget,
    },
    /// A NAT gateway is deleted, and its routes are blackholes (NAT-18).
    LostNatGateway(NatGatewayId),
    /// A rule of a security group is lost.
    LostRule {
        /// The group.
        group: SecurityGroupId,
        /// Of its outgoing rules.
        egress: bool,
        /// The rule.
        rule: SecurityGroupRuleId,
    },
    /// A rule of a security group says something else.
    WrongRule {
        /// The group.
        group: SecurityGroupId,
        /// The rule.
        rule: SecurityGroupRuleId,
        /// Protocol and ports now.
        traffic: TrafficMatch,
        /// Peer now.
        peer: Peer,
    },
    /// An entry of a network ACL denies what others allow.
    DenyingEntry {
        /// The list.
        acl: NetworkAclId,
        /// Of what leaves.
        egress: bool,
        /// The entry.
        entry: NetworkAclEntry,
    },
    /// A subnet has another route table.
    SwappedRouteTable {
        /// Which association.
        association: RouteTableAssociationId,
        /// The table now.
        route_table: RouteTableId,
    },
    /// A subnet has another network ACL.
    SwappedAcl {
        /// Which association.
        association: NetworkAclAssociationId,
        /// The list now.
        acl: NetworkAclId,
    },
    /// An internet gateway is detached.
    DetachedGateway {
        /// The gateway.
        gateway: InternetGatewayId,
        /// From where.
        vpc: VpcId,
        /// Addresses that must be given up first (IGW-9).
        addresses: Vec<AllocationId>,
    },
    /// The source/dest check of a middlebox is on again (ENI-5).
    SourceDestCheck(NetworkInterfaceId),
    /// An elastic address is given up.
    LostAddress(AllocationId),
    /// An instance carries another security group.
    WrongGroup {
        /// The interface.
        interface: NetworkInterfaceId,
        /// Its groups now.
        groups: Vec<SecurityGroupId>,
    },
    /// An instance is stopped.
    Stopped(InstanceId),
}

impl Change {
    /// The kind of mistake, as one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LostRoute { .. } => "lost-route",
            Self::WrongTarget { .. } => "wrong-target",
            Self::LostNatGateway(_) => "lost-nat-gateway",
            Self::LostRule { .. } => "lost-rule",
            Self::WrongRule { .. } => "wrong-rule",
            Self::DenyingEntry { .. } => "denying-entry",
            Self::SwappedRouteTable { .. } => "swapped-route-table",
            Self::SwappedAcl { .. } => "swapped-acl",
            Self::DetachedGateway { .. } => "detached-gateway",
            Self::SourceDestCheck(_) => "source-dest-check",
            Self::LostAddress(_) => "lost-address",
            Self::WrongGroup { .. } => "wrong-group",
            Self::Stopped(_) => "stopped",
        }
    }

    /// Where to look, without saying what it is.
    pub fn hint(&self) -> &'static str {
        hint(self.kind())
    }
}

/// Where to look for a mistake of this kind, without saying what it is.
pub fn hint(kind: &str) -> &'static str {
    match kind {
        "lost-route" | "wrong-target" | "lost-nat-gateway" | "swapped-route-table" => {
            "look at how packets are routed, there and back"
        }
        "lost-rule" | "wrong-rule" | "wrong-group" => "look at the security groups",
        "denying-entry" | "lost-entry" | "swapped-acl" => {
            "what a security group remembers, a network ACL does not"
        }
        "detached-gateway" | "lost-address" => "look at the border to the internet",
        "source-dest-check" | "no-forwarding" => "somebody drops what is not his own",
        _ => "is everybody there?",
    }
}

/// Seconds of model time after which every state has settled.
const SETTLED: u64 = 900;

impl Fault {
    /// Makes the mistake. Errors: those of the operation; the model may be half changed then.
    pub fn apply(&self, model: &mut Model) -> Result<(), ApiError> {
        match &self.change {
            Change::LostRoute {
                route_table,
                destination,
            } => operation::delete_route(model, route_table, destination)?,
            Change::WrongTarget {
                route_table,
                destination,
                target,
            } => {
                let request = CreateRoute {
                    route_table_id: route_table.clone(),
                    destination: destination.clone(),
                    target: target.clone(),
                    origin: Origin::default(),
                };
                operation::replace_route(model, request)?;
            }
            Change::LostNatGateway(nat) => operation::delete_nat_gateway(model, nat)?,
            Change::LostRule {
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
            Change::WrongRule {
                group,
                rule,
                traffic,
                peer,
            } => {
                let says = RuleSpecification::new(*traffic, peer.clone());
                let request = ModifySecurityGroupRules {
                    group_id: group.clone(),
                    security_group_rules: vec![(rule.clone(), says)],
                };
                operation::modify_security_group_rules(model, request)?;
            }
            Change::DenyingEntry { acl, egress, entry } => {
                let request = PutNetworkAclEntry {
                    network_acl_id: acl.clone(),
                    direction: if *egress {
                        Direction::Egress
                    } else {
                        Direction::Ingress
                    },
                    rule_number: entry.rule_number,
                    traffic: entry.traffic,
                    cidr_block: entry.cidr_block,
                    allow: entry.allow,
                    origin: Origin::default(),
                };
                operation::create_network_acl_entry(model, request)?;
            }
            Change::SwappedRouteTable {
                association,
                route_table,
            } => {
                operation::replace_route_table_association(model, association, route_table)?;
            }
            Change::SwappedAcl { association, acl } => {
                operation::replace_network_acl_association(model, association, acl)?;
            }
            Change::DetachedGateway {
                gateway,
                vpc,
                addresses,
            } => {
                for address in addresses {
                    give_up(model, address)?;
                }
                operation::detach_internet_gateway(model, gateway, vpc)?;
            }
            Change::SourceDestCheck(interface) => {
                let mut request = ModifyNetworkInterfaceAttribute::of(interface.clone());
                request.source_dest_check = Some(true);
                operation::modify_network_interface_attribute(model, request)?;
            }
            Change::LostAddress(address) => give_up(model, address)?,
            Change::WrongGroup { interface, groups } => {
                let mut request = ModifyNetworkInterfaceAttribute::of(interface.clone());
                request.groups = Some(groups.clone());
                operation::modify_network_interface_attribute(model, request)?;
            }
            Change::Stopped(instance) => {
                operation::stop_instances(model, std::slice::from_ref(instance))?;
            }
        }
        let now: Timestamp = model.context.now;
        model.advance_to(now.plus(SETTLED));
        Ok(())
    }
}

fn give_up(model: &mut Model, address: &AllocationId) -> Result<(), ApiError> {
    let association = model
        .addresses
        .get(address)
        .and_then(|a| a.association.as_ref())
        .map(|a| a.id.clone());
    match association {
        Some(association) => {
            operation::disassociate_address(model, &AssociationName::Association(association))
        }
        None => operation::release_address(model, &AddressName::Allocation(address.clone())),
    }
}

/// Whether two clouds let the same packets through between all that both of them have, by id and address.
pub fn same_traffic(one: (&Fabric, &Reach), two: (&Fabric, &Reach)) -> bool {
    let key = |fabric: &Fabric, place: crate::Place| match place {
        crate::Place::Interface(interface) => fabric.interfaces[interface].id.to_string(),
        crate::Place::Ipv6(interface) => format!("{} (IPv6)", fabric.interfaces[interface].id),
        crate::Place::Outside(_, address) | crate::Place::Internet(address) => address.to_string(),
    };
    let other: BTreeMap<String, PlaceIndex> = two
        .1
        .indices()
        .map(|(index, place)| (key(two.0, place), index))
        .collect();
    // Answers are the same for all of a class; two of each pair of classes show whether its members reach each other.
    let mut kinds: BTreeMap<(usize, usize), Vec<(PlaceIndex, PlaceIndex)>> = BTreeMap::new();
    for (index, place) in one.1.indices() {
        let Some(too) = other.get(&key(one.0, place)).copied() else { continue };
        let members = kinds.entry((one.1.class_of(index), two.1.class_of(too))).or_default();
        if members.len() < 2 {
            members.push((index, too));
        }
    }
    kinds.values().all(|senders| {
        kinds.values().all(|receivers| {
            let (from, from_too) = senders[0];
            let receiver = receivers.iter().find(|(to, _)| *to != from);
            receiver.is_none_or(|(to, to_too)| one.1.between(from, *to) == two.1.between(from_too, *to_too))
        })
    })
}
