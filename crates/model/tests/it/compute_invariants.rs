//! Laws: whatever is called in whatever order, the model stays whole, a refusal changes nothing, a success raises the
//! generation, and a model survives being written and read.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use model::instance_type::Architecture;
use model::network_interface::InterfaceType;
use model::operation::*;
use model::*;
use proptest::prelude::*;

use crate::cloud::*;

/// One call: which verb, and three numbers that choose what it names.
type Call = (u8, u8, u8, u8);

/// The n-th of what there is, or an id that nobody has when there is nothing.
fn pick<Id: Clone + std::str::FromStr>(from: impl Iterator<Item = Id>, n: u8, prefix: &str) -> Id {
    let all: Vec<Id> = from.collect();
    match all.is_empty() {
        false => all[usize::from(n) % all.len()].clone(),
        true => format!("{prefix}-0").parse().ok().unwrap(),
    }
}

/// Two VPCs, three subnets (one of 11 addresses), a gateway, some address space to grow into.
fn start() -> Model {
    let mut model = empty();
    let a = vpc(&mut model, "10.0.0.0/16");
    let b = vpc(&mut model, "10.1.0.0/16");
    igw(&mut model, &a);
    let small = subnet(&mut model, &a, "10.0.0.0/28");
    subnet(&mut model, &a, "10.0.1.0/24");
    subnet(&mut model, &b, "10.1.0.0/24");
    let attribute = SubnetAttribute::MapPublicIpOnLaunch(true);
    modify_subnet_attribute(&mut model, ModifySubnetAttribute { subnet_id: small, attribute }).unwrap();
    model.quotas.rules_per_security_group = 4;
    model.quotas.entries_per_network_acl = 3;
    model.quotas.interfaces_per_region = 12;
    model
}

fn perform(m: &mut Model, (verb, a, b, c): Call) -> Result<(), ApiError> {
    let vpc = pick(m.vpcs.keys().cloned(), a, "vpc");
    let subnet = pick(m.subnets.keys().cloned(), a, "subnet");
    let group = pick(m.security_groups.keys().cloned(), b, "sg");
    let other_group = pick(m.security_groups.keys().cloned(), c, "sg");
    let acl = pick(m.network_acls.keys().cloned(), a, "acl");
    let eni = pick(m.network_interfaces.keys().cloned(), a, "eni");
    let instance = pick(m.instances.keys().cloned(), b, "i");
    let elastic = pick(m.addresses.keys().cloned(), b, "eipalloc");
    let direction = if c % 2 == 0 { Direction::Ingress } else { Direction::Egress };
    let block = format!("10.{}.0.0/16", c % 4).parse().unwrap();
    let traffic = TrafficMatch::Tcp(PortRange::one(u16::from(a % 3)));
    let peer = if b % 2 == 0 { Peer::Ipv4(block) } else { Peer::SecurityGroup(other_group.clone()) };
    let address = |n: u8| m.subnets.get(&subnet).map_or(Ipv4Addr::LOCALHOST, |s| {
        Ipv4Addr::from(u32::from(s.cidr_block.network()) + u32::from(n % 16))
    });
    let (one, two) = (address(b), address(c));
    match verb % 28 {
        0 => create_security_group(m, CreateSecurityGroup {
            group_name: format!("g{}", b % 5), description: "x".into(), vpc_id: Some(vpc), ..Default::default()
        }).map(drop),
        1 => delete_security_group(m, &group),
        2 | 3 => {
            let rules = [RuleSpecification::new(traffic, peer), RuleSpecification::new(TrafficMatch::All, Peer::Ipv4(block))];
            let request = AuthorizeSecurityGroup { group_id: group, rules: rules[..usize::from(1 + a % 2)].to_vec() };
            match direction {
                Direction::Ingress => authorize_security_group_ingress(m, request).map(drop),
                Direction::Egress => authorize_security_group_egress(m, request).map(drop),
            }
        }
        4 => {
            let request = RevokeSecurityGroup { group_id: group, rules: vec![(traffic, peer)], security_group_rule_ids: vec![] };
            revoke_security_group_ingress(m, request)
        }
        5 => {
            let rule = m.security_groups.get(&group).and_then(|g| g.egress.get(usize::from(a % 4))).map(|r| r.id.clone());
            let rule = rule.unwrap_or_else(|| "sgr-0".parse().unwrap());
            let request = ModifySecurityGroupRules {
                group_id: group,
                security_group_rules: vec![(rule, RuleSpecification::new(traffic, peer))],
            };
            modify_security_group_rules(m, request)
        }
        6 => create_network_acl(m, CreateNetworkAcl { vpc_id: vpc, tags: Tags::new(), origin: Origin::default() }).map(drop),
        7 => delete_network_acl(m, &acl),
        8 | 9 => {
            let entry = PutNetworkAclEntry {
                network_acl_id: acl,
                direction,
                rule_number: u16::from(b % 5),
                traffic,
                cidr_block: ipnet::IpNet::V4(block),
                allow: a % 2 == 0,
                origin: Origin::default(),
            };
            if verb % 28 == 8 { create_network_acl_entry(m, entry) } else { replace_network_acl_entry(m, entry) }
        }
        10 => delete_network_acl_entry(m, &acl, direction, u16::from(b % 5)),
        11 => {
            let uses: Vec<_> = m.network_acls.values().flat_map(|acl| &acl.associations).map(|a| a.id.clone()).collect();
            let from = pick(uses.into_iter(), b, "aclassoc");
            replace_network_acl_association(m, &from, &acl).map(drop)
        }
        12 | 13 => create_network_interface(m, CreateNetworkInterface {
            groups: if b % 3 == 0 { vec![group] } else { vec![] },
            private_ip_addresses: match c % 3 { 0 => vec![], 1 => vec![one], _ => vec![one, two] },
            secondary_private_ip_address_count: usize::from(a % 3),
            ..CreateNetworkInterface::in_subnet(subnet)
        }).map(drop),
        14 => delete_network_interface(m, &eni),
        15 => attach_network_interface(m, AttachNetworkInterface {
            network_interface_id: eni, instance_id: instance, device_index: u32::from(c % 3),
        }).map(drop),
        16 => {
            let all: Vec<_> = m.network_interfaces.values().filter_map(|e| e.attachment.as_ref()).map(|a| a.id.clone()).collect();
            detach_network_interface(m, &pick(all.into_iter(), a, "eni-attach"))
        }
        17 => modify_network_interface_attribute(m, ModifyNetworkInterfaceAttribute {
            groups: (b % 2 == 0).then(|| vec![group, other_group]),
            source_dest_check: (c % 3 == 0).then_some(a % 2 == 0),
            associate_public_ip_address: (c % 3 == 1).then_some(a % 2 == 0),
            ..ModifyNetworkInterfaceAttribute::of(eni)
        }),
        18 | 19 => assign_private_ip_addresses(m, AssignPrivateIpAddresses {
            network_interface_id: eni,
            private_ip_addresses: if b % 3 == 0 { vec![] } else { vec![one, two] },
            secondary_private_ip_address_count: usize::from(b % 3 == 0),
            allow_reassignment: c % 2 == 0,
        }).map(drop),
        20 => unassign_private_ip_addresses(m, &eni, &[one]),
        21 | 22 => {
            let image = image::default_for(&m.region, Architecture::X86_64);
            let interface = |device_index, existing: bool| LaunchInterface {
                device_index,
                network_interface_id: existing.then(|| eni.clone()),
                subnet_id: (!existing).then(|| subnet.clone()),
                ..LaunchInterface::default()
            };
            let network_interfaces = match c % 4 {
                0 => vec![interface(0, true)],
                1 => vec![interface(0, false), interface(1, b % 2 == 0)],
                _ => vec![interface(0, false)],
            };
            run_instances(m, RunInstances {
                min_count: 1, max_count: u32::from(1 + b % 3), network_interfaces, ..RunInstances::of(image)
            }).map(drop)
        }
        23 => match c % 3 {
            0 => start_instances(m, &[instance]).map(drop),
            1 => stop_instances(m, &[instance]).map(drop),
            _ => reboot_instances(m, &[instance]),
        },
        24 => terminate_instances(m, &[instance]).map(drop),
        25 => allocate_address(m, AllocateAddress::default()).map(drop),
        26 => associate_address(m, AssociateAddress {
            private_ip_address: (c % 2 == 0).then_some(one),
            ..eip_to(&elastic, &eni)
        }).map(drop),
        _ => disassociate_address(m, &AssociationName::PublicIp(m.addresses.get(&elastic).map_or(one, |a| a.public_ip))),
    }
}

/// What must hold of every model.
fn check(m: &Model) {
    for subnet in m.subnets.values() {
        let lists: Vec<_> =
            m.network_acls.values().filter(|acl| acl.associations.iter().any(|a| a.subnet_id == subnet.id)).collect();
        assert!(lists.len() == 1 && lists[0].vpc_id == subnet.vpc_id, "SUB-9");
    }
    for acl in m.network_acls.values() {
        for entries in [&acl.ingress, &acl.egress] {
            assert!(entries.windows(2).all(|pair| pair[0].rule_number < pair[1].rule_number), "ACL-1: sorted, no twins");
            assert!(entries.len() <= m.quotas.entries_per_network_acl, "ACL-13");
        }
    }
    let mut rule_ids = BTreeSet::new();
    for group in m.security_groups.values() {
        for rules in [&group.ingress, &group.egress] {
            let said: BTreeSet<_> = rules.iter().map(|rule| (rule.traffic, &rule.peer)).collect();
            assert_eq!(said.len(), rules.len(), "SG-26");
            assert!(rules.len() <= m.quotas.rules_per_security_group, "SG-28");
            assert!(rules.iter().all(|rule| rule_ids.insert(&rule.id)), "rule ids are unique");
            for rule in rules {
                if let Peer::SecurityGroup(id) = &rule.peer {
                    assert!(m.security_groups[id].vpc_id == group.vpc_id, "SG-27: no peering here, so none is stale");
                }
            }
        }
    }
    check_interfaces(m);
    check_instances(m);
    check_public_addresses(m);
}

fn check_interfaces(m: &Model) {
    assert!(m.network_interfaces.len() <= m.quotas.interfaces_per_region);
    let mut macs = BTreeSet::new();
    let mut held = BTreeSet::new();
    for eni in m.network_interfaces.values() {
        let subnet = &m.subnets[&eni.subnet_id];
        assert_eq!(eni.vpc_id, subnet.vpc_id);
        assert!(macs.insert(eni.mac_address), "ENI-9");
        assert!(!eni.private_ip_addresses.is_empty(), "ENI-1");
        for address in &eni.private_ip_addresses {
            assert!(subnet.cidr_block.contains(address) && !subnet.is_reserved(*address), "SUB-2 {address}");
            assert!(held.insert((&eni.vpc_id, *address)), "ENI-10 {address}");
        }
        assert_eq!(eni.interface_type, InterfaceType::Interface);
        assert!((1..=m.quotas.security_groups_per_interface).contains(&eni.groups.len()), "SG-28");
        assert!(eni.groups.iter().all(|id| m.security_groups[id].vpc_id == eni.vpc_id), "SG-1");
    }
    for subnet in m.subnets.values() {
        let held = m.network_interfaces.values().filter(|e| e.subnet_id == subnet.id);
        let held: usize = held.map(|e| e.private_ip_addresses.len()).sum();
        let usable = cidr::usable_addresses(subnet.cidr_block);
        assert_eq!(m.available_ip_address_count(subnet) as usize + held, usable as usize, "SUB-4");
    }
}

fn check_instances(m: &Model) {
    for eni in m.network_interfaces.values() {
        let Some(attachment) = &eni.attachment else { continue };
        let instance = &m.instances[&attachment.instance_id];
        assert_ne!(instance.state, InstanceState::Terminated);
        assert_eq!(instance.availability_zone, m.subnets[&eni.subnet_id].availability_zone, "GEO-5");
        let limit = instance_type::find(&instance.instance_type).unwrap().addresses_per_interface;
        assert!(eni.private_ip_addresses.len() <= limit as usize, "ENI-4");
    }
    for instance in m.instances.values().filter(|i| i.state != InstanceState::Terminated) {
        let interfaces = m.interfaces_of(&instance.id);
        let indexes: BTreeSet<_> = interfaces.iter().map(|e| e.attachment.as_ref().unwrap().device_index).collect();
        assert!(indexes.contains(&0) && indexes.len() == interfaces.len(), "ENI-3");
        assert!(interfaces.len() <= 2, "ENI-4: t3.micro");
    }
}

fn check_public_addresses(m: &Model) {
    let mut public = BTreeSet::new();
    let mut private = BTreeMap::new();
    for address in m.addresses.values() {
        assert!(public.insert(address.public_ip), "a public address has one holder");
        if let Some(a) = &address.association {
            let eni = &m.network_interfaces[&a.network_interface_id];
            assert!(eni.private_ip_addresses.contains(&a.private_ip_address), "EIP-2, EIP-9");
            assert!(private.insert((&eni.id, a.private_ip_address), address.public_ip).is_none(), "EIP-2");
        }
    }
    for eni in m.network_interfaces.values() {
        let Some(automatic) = eni.auto_public_ip else { continue };
        assert!(public.insert(automatic), "a public address has one holder");
        assert!(!private.contains_key(&(&eni.id, eni.primary_address())), "EIP-6");
        let state = eni.instance_id().map(|id| m.instances[id].state);
        assert!(!matches!(state, None | Some(InstanceState::Stopped)), "PIP-2");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_model_stays_whole(calls in prop::collection::vec(any::<Call>(), 1..120)) {
        let mut model = start();
        check(&model);
        for call in calls {
            // Now and then some seconds pass, not always enough for what was started to end.
            if call.0 % 5 == 0 {
                model.advance_to(model.context.now.plus(u64::from(call.3 % 8)));
                check(&model);
            }
            let before = model.clone();
            match perform(&mut model, call) {
                Ok(()) => prop_assert!(model.generation >= before.generation),
                Err(error) => prop_assert!(model == before, "{call:?} was refused and changed the model: {error}"),
            }
            if model != before {
                prop_assert!(model.generation > before.generation, "{call:?} changed the model in secret");
            }
            check(&model);
        }
        let written = serde_json::to_string(&model).unwrap();
        prop_assert_eq!(serde_json::from_str::<Model>(&written).unwrap(), model);
    }
}

/// A law that is never put to the test holds of anything: most verbs must succeed somewhere in a long run.
#[test]
fn every_verb_succeeds_now_and_then() {
    let mut draws = Context::seeded(7, Timestamp(0));
    let mut succeeded = BTreeSet::new();
    for _ in 0..60 {
        let mut model = start();
        for _ in 0..150 {
            let [verb, a, b, c, pause, ..] = draws.next_u64().to_be_bytes();
            if pause % 4 == 0 {
                model.advance_to(model.context.now.plus(5));
            }
            if perform(&mut model, (verb, a, b, c)).is_ok() {
                succeeded.insert(verb % 28);
            }
        }
    }
    assert_eq!(succeeded, (0..28).collect(), "verbs that never succeed prove nothing");
}
