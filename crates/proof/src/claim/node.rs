//! Places on a packet's way: where it must be stopped (`blocked by`), and where it must pass (`through`, `via`).

use std::collections::BTreeSet;

use fabric::walker::Way;
use fabric::{Component, Entity, Fabric, InterfaceIndex, InterfaceKind};
use model::claim::{Blocker, Waypoint};
use model::{NetworkAclId, SecurityGroupId};

use super::{Prover, Undecided};

/// Where a packet must be stopped.
pub(super) enum Stop {
    SecurityGroups(Option<BTreeSet<SecurityGroupId>>),
    NetworkAcl(Option<BTreeSet<NetworkAclId>>),
    InternetGateway,
    EgressOnlyInternetGateway,
    Nat,
    Peering,
    TransitGateway,
    SourceDestCheck,
    NoRoute,
    NoPublicAddress,
}

impl Stop {
    pub fn of(prover: &Prover, blocker: &Blocker) -> Result<Self, Undecided> {
        let model = prover.model;
        Ok(match blocker {
            Blocker::SecurityGroup(None) => Self::SecurityGroups(None),
            Blocker::SecurityGroup(Some(name)) => {
                let named = model::selector::security_groups(model, name);
                let ids: BTreeSet<_> = named.map(|group| group.id.clone()).collect();
                if ids.is_empty() {
                    let known = model.security_groups.values();
                    let known = known.map(|group| group.group_name.clone()).collect();
                    return Err(unknown("security group", name, known));
                }
                Self::SecurityGroups(Some(ids))
            }
            Blocker::NetworkAcl(None) => Self::NetworkAcl(None),
            Blocker::NetworkAcl(Some(name)) => {
                let own = name.rsplit('/').next().unwrap_or(name);
                let acls = model.network_acls.values();
                let named = acls.filter(|acl| {
                    acl.id.as_str() == name || model::tag::name(&acl.tags) == Some(own)
                });
                let ids: BTreeSet<_> = named.map(|acl| acl.id.clone()).collect();
                if ids.is_empty() {
                    let known = model.network_acls.values();
                    let known = known.filter_map(|acl| model::tag::name(&acl.tags));
                    return Err(unknown(
                        "network ACL",
                        name,
                        known.map(str::to_owned).collect(),
                    ));
                }
                Self::NetworkAcl(Some(ids))
            }
            Blocker::InternetGateway => Self::InternetGateway,
            Blocker::EgressOnlyInternetGateway => Self::EgressOnlyInternetGateway,
            Blocker::Nat => Self::Nat,
            Blocker::Peering => Self::Peering,
            Blocker::TransitGateway => Self::TransitGateway,
            Blocker::SourceDestCheck => Self::SourceDestCheck,
        })
    }

    /// Whether a component is this stage.
    pub fn is_stage(&self, fabric: &Fabric, at: Component) -> bool {
        match (self, at) {
            (Self::SecurityGroups(wanted), Component::SecurityGroups(interface, _)) => {
                let mut groups = fabric.interfaces[interface].groups.iter();
                wanted.as_ref().is_none_or(|wanted| {
                    groups.any(|group| wanted.contains(&fabric.groups[*group].id))
                })
            }
            (Self::NetworkAcl(wanted), Component::NetworkAcl(subnet, _)) => {
                let acl = &fabric.acls[fabric.subnets[subnet].acl].id;
                wanted.as_ref().is_none_or(|wanted| wanted.contains(acl))
            }
            (Self::InternetGateway, Component::InternetGateway(_))
            | (Self::EgressOnlyInternetGateway, Component::EgressOnlyInternetGateway(_))
            | (Self::Nat, Component::NatGateway(_))
            | (Self::Peering, Component::Peering(_))
            | (Self::TransitGateway, Component::TransitGateway(_))
            | (Self::SourceDestCheck, Component::SourceDestCheck(_)) => true,
            _ => false,
        }
    }
}

/// Where a packet must pass.
pub(super) enum Node {
    Nat,
    InternetGateway,
    EgressOnlyInternetGateway,
    Peering,
    TransitGateway,
    /// One of these: an instance by its interfaces.
    These {
        components: BTreeSet<Component>,
        interfaces: BTreeSet<InterfaceIndex>,
    },
}

impl Node {
    pub fn of(prover: &Prover, waypoint: &Waypoint) -> Result<Self, Undecided> {
        let fabric = &prover.fabric;
        let name = match waypoint {
            Waypoint::Nat => return Ok(Self::Nat),
            Waypoint::InternetGateway => return Ok(Self::InternetGateway),
            Waypoint::EgressOnlyInternetGateway => return Ok(Self::EgressOnlyInternetGateway),
            Waypoint::Peering => return Ok(Self::Peering),
            Waypoint::TransitGateway => return Ok(Self::TransitGateway),
            Waypoint::Named(name) => name,
        };
        let (mut components, mut interfaces) = (BTreeSet::new(), BTreeSet::new());
        for entity in fabric.find_all(name) {
            match *entity {
                Entity::Instance(i) => interfaces.extend(&fabric.instances[i].interfaces),
                Entity::Interface(i) => {
                    interfaces.insert(i);
                }
                Entity::NatGateway(i) => {
                    components.insert(Component::NatGateway(i));
                }
                Entity::InternetGateway(i) => {
                    components.insert(Component::InternetGateway(i));
                }
                Entity::EgressOnlyInternetGateway(i) => {
                    components.insert(Component::EgressOnlyInternetGateway(i));
                }
                Entity::VpnGateway(i) => {
                    components.insert(Component::VpnGateway(i));
                }
                Entity::Peering(i) => {
                    components.insert(Component::Peering(i));
                }
                Entity::TransitGateway(i) => {
                    components.insert(Component::TransitGateway(i));
                }
                Entity::VpcEndpoint(i) => {
                    components.insert(Component::VpcEndpoint(i));
                }
                _ => {}
            }
        }
        match components.is_empty() && interfaces.is_empty() {
            false => Ok(Self::These {
                components,
                interfaces,
            }),
            true => {
                let instances = fabric.instances.values().map(|i| i.name.clone());
                let nats = fabric.nat_gateways.values().map(|nat| nat.name.clone());
                let peerings = fabric.peerings.values().map(|p| p.name.clone());
                let words = ["nat", "igw", "eigw", "peering", "tgw"].map(str::to_owned);
                let transit = fabric.transit_gateways.values().map(|gateway| gateway.name.clone());
                let known = instances.chain(nats).chain(peerings).chain(transit).chain(words).collect();
                Err(unknown("node that packets can pass", name, known))
            }
        }
    }

    /// Whether the way leads through it.
    pub fn is_passed(&self, fabric: &Fabric, way: &Way) -> bool {
        let mut at = way.hops.iter().map(|hop| hop.reason.at);
        match self {
            Self::Nat => {
                let is_nat = |i: &InterfaceIndex| {
                    matches!(fabric.interfaces[*i].kind, InterfaceKind::NatGateway(_))
                };
                way.via.iter().any(is_nat) || at.any(|at| matches!(at, Component::NatGateway(_)))
            }
            Self::InternetGateway => at.any(|at| matches!(at, Component::InternetGateway(_))),
            Self::EgressOnlyInternetGateway => at.any(|at| matches!(at, Component::EgressOnlyInternetGateway(_))),
            Self::Peering => at.any(|at| matches!(at, Component::Peering(_))),
            Self::TransitGateway => at.any(|at| matches!(at, Component::TransitGateway(_))),
            Self::These {
                components,
                interfaces,
            } => {
                way.via.iter().any(|i| interfaces.contains(i))
                    || at.any(|at| components.contains(&at))
            }
        }
    }
}

fn unknown(what: &'static str, name: &str, mut known: Vec<String>) -> Undecided {
    known.sort();
    known.dedup();
    Undecided::Unknown {
        what,
        name: name.to_owned(),
        known,
    }
}
