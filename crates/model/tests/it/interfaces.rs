//! Network interfaces (ENI-1 … ENI-10, EIP-9, PIP-4, SUB-2, SUB-5, SG-5, SG-28), rule by rule.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use model::operation::*;
use model::*;

use crate::cloud::*;

fn at(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// A VPC with an internet gateway and a subnet 10.0.0.0/24.
fn home(model: &mut Model) -> (VpcId, SubnetId) {
    let vpc = vpc(model, "10.0.0.0/16");
    igw(model, &vpc);
    let subnet = subnet(model, &vpc, "10.0.0.0/24");
    (vpc, subnet)
}

fn with_addresses(subnet: &SubnetId, addresses: &[&str]) -> CreateNetworkInterface {
    let private_ip_addresses = addresses.iter().map(|a| at(a)).collect();
    CreateNetworkInterface { private_ip_addresses, ..CreateNetworkInterface::in_subnet(subnet.clone()) }
}

fn held(model: &Model, eni: &NetworkInterfaceId) -> Vec<String> {
    model.network_interfaces[eni].private_ip_addresses.iter().map(Ipv4Addr::to_string).collect()
}

fn assign(eni: &NetworkInterfaceId, addresses: &[&str], count: usize, allow: bool) -> AssignPrivateIpAddresses {
    AssignPrivateIpAddresses {
        network_interface_id: eni.clone(),
        private_ip_addresses: addresses.iter().map(|a| at(a)).collect(),
        secondary_private_ip_address_count: count,
        allow_reassignment: allow,
    }
}

fn attach(eni: &NetworkInterfaceId, instance: &InstanceId, device_index: u32) -> AttachNetworkInterface {
    AttachNetworkInterface { network_interface_id: eni.clone(), instance_id: instance.clone(), device_index }
}

#[test]
fn addresses_are_those_asked_for_or_the_lowest_free() {
    let mut model = empty();
    let (vpc, subnet) = home(&mut model);
    let named = create_network_interface(&mut model, with_addresses(&subnet, &["10.0.0.5", "10.0.0.9"])).unwrap();
    assert_eq!(held(&model, &named), ["10.0.0.5", "10.0.0.9"], "ENI-1: the primary one first");
    let counted = CreateNetworkInterface { secondary_private_ip_address_count: 2, ..with_addresses(&subnet, &[]) };
    let counted = create_network_interface(&mut model, counted).unwrap();
    assert_eq!(held(&model, &counted), ["10.0.0.4", "10.0.0.6", "10.0.0.7"]);
    let interface = &model.network_interfaces[&counted];
    assert!(interface.source_dest_check && interface.attachment.is_none() && interface.auto_public_ip.is_none(), "ENI-5");
    let default = model.security_groups.values().find(|g| g.vpc_id == vpc && g.is_default()).unwrap();
    assert_eq!(interface.groups, std::slice::from_ref(&default.id), "SG-5");

    for (addresses, code) in [
        (&["10.0.0.3"][..], "InvalidParameterValue"),
        (&["10.0.0.255"], "InvalidParameterValue"),
        (&["10.0.1.4"], "InvalidParameterValue"),
        (&["10.0.0.5"], "InvalidIPAddress.InUse"),
        (&["10.0.0.20", "10.0.0.9"], "InvalidIPAddress.InUse"),
        (&["10.0.0.20", "10.0.0.20"], "InvalidIPAddress.InUse"),
    ] {
        let request = with_addresses(&subnet, addresses);
        assert_eq!(refused(&mut model, |m| create_network_interface(m, request)), code, "ENI-10, SUB-2 {addresses:?}");
    }
    let both = CreateNetworkInterface {
        secondary_private_ip_address_count: 1,
        ..with_addresses(&subnet, &["10.0.0.20", "10.0.0.21"])
    };
    assert_eq!(refused(&mut model, |m| create_network_interface(m, both)), "InvalidParameterCombination");
    let nowhere = with_addresses(&"subnet-0".parse().unwrap(), &[]);
    assert_eq!(refused(&mut model, |m| create_network_interface(m, nowhere)), "InvalidSubnetID.NotFound");
    model.quotas.interfaces_per_region = 2;
    let code = refused(&mut model, |m| create_network_interface(m, with_addresses(&subnet, &[])));
    assert_eq!(code, "NetworkInterfaceLimitExceeded");
}

#[test]
fn a_full_subnet_says_so() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let small = subnet(&mut model, &id, "10.0.0.0/28");
    let ten = CreateNetworkInterface { secondary_private_ip_address_count: 10, ..with_addresses(&small, &[]) };
    let ten = create_network_interface(&mut model, ten).unwrap();
    assert_eq!(held(&model, &ten).len(), 11, "SUB-4");
    let code = refused(&mut model, |m| create_network_interface(m, with_addresses(&small, &[])));
    assert_eq!(code, "InsufficientFreeAddressesInSubnet", "SUB-5");
    delete_network_interface(&mut model, &ten).unwrap();
    eni(&mut model, &small);
}

#[test]
fn macs_are_unique_and_locally_administered() {
    let mut model = empty();
    let (_, subnet) = home(&mut model);
    let macs: BTreeSet<_> = (0..200)
        .map(|_| {
            let id = eni(&mut model, &subnet);
            model.network_interfaces[&id].mac_address
        })
        .collect();
    assert_eq!(macs.len(), 200, "ENI-9");
    assert!(macs.iter().all(|mac| mac.0[0] & 0b11 == 0b10), "ENI-9");
}

#[test]
fn groups_are_of_the_vpc_and_at_most_five() {
    let mut model = empty();
    let (id, subnet) = home(&mut model);
    let other = vpc(&mut model, "10.1.0.0/16");
    let group = |model: &mut Model, vpc: &VpcId, name: usize| {
        let request = CreateSecurityGroup {
            group_name: format!("g{name}"),
            description: "x".to_owned(),
            vpc_id: Some(vpc.clone()),
            ..CreateSecurityGroup::default()
        };
        create_security_group(model, request).unwrap()
    };
    let groups: Vec<_> = (0..6).map(|n| group(&mut model, &id, n)).collect();
    let foreign = group(&mut model, &other, 9);
    let eni = eni(&mut model, &subnet);
    let modify = |groups: &[SecurityGroupId]| ModifyNetworkInterfaceAttribute {
        groups: Some(groups.to_vec()),
        ..ModifyNetworkInterfaceAttribute::of(eni.clone())
    };
    for (groups, code) in [
        (&groups[..], "SecurityGroupsPerInterfaceLimitExceeded"),
        (&[], "InvalidParameterValue"),
        (std::slice::from_ref(&foreign), "InvalidGroup.NotFound"),
    ] {
        assert_eq!(refused(&mut model, |m| modify_network_interface_attribute(m, modify(groups))), code, "SG-28, INST-9");
    }
    modify_network_interface_attribute(&mut model, modify(&groups[..5])).unwrap();
    assert_eq!(model.network_interfaces[&eni].groups, groups[..5]);
}

#[test]
fn secondary_addresses_move_with_their_elastic_ip_only_when_that_is_allowed() {
    let mut model = empty();
    let (_, subnet) = home(&mut model);
    let one = create_network_interface(&mut model, with_addresses(&subnet, &["10.0.0.10", "10.0.0.11"])).unwrap();
    let two = create_network_interface(&mut model, with_addresses(&subnet, &["10.0.0.20"])).unwrap();
    let elastic = eip(&mut model);
    let to = AssociateAddress { private_ip_address: Some(at("10.0.0.11")), ..eip_to(&elastic, &one) };
    associate_address(&mut model, to).unwrap();

    for (request, code) in [
        (assign(&two, &["10.0.0.11"], 0, false), "InvalidIPAddress.InUse"),
        (assign(&two, &["10.0.0.10"], 0, true), "InvalidParameterValue"),
        (assign(&two, &["10.0.0.30", "10.0.0.10"], 0, true), "InvalidParameterValue"),
        (assign(&two, &["10.0.0.2"], 0, true), "InvalidParameterValue"),
        (assign(&two, &["10.0.0.30", "10.0.0.30"], 0, true), "InvalidParameterValue"),
        (assign(&two, &["10.0.0.30"], 1, true), "InvalidParameterCombination"),
        (assign(&two, &[], 0, true), "MissingParameter"),
    ] {
        assert_eq!(refused(&mut model, |m| assign_private_ip_addresses(m, request.clone())), code, "ENI-6 {request:?}");
    }
    assign_private_ip_addresses(&mut model, assign(&two, &["10.0.0.11", "10.0.0.30"], 0, true)).unwrap();
    assert_eq!(held(&model, &one), ["10.0.0.10"]);
    assert_eq!(held(&model, &two), ["10.0.0.20", "10.0.0.11", "10.0.0.30"]);
    assert!(model.elastic_ip_of(&two, at("10.0.0.11")).is_some(), "EIP-9: it moves along");

    unassign_private_ip_addresses(&mut model, &two, &[at("10.0.0.11")]).unwrap();
    assert_eq!(model.addresses[&elastic].association, None, "EIP-9: unassigned, disassociated");
    for address in ["10.0.0.20", "10.0.0.11"] {
        let code = refused(&mut model, |m| unassign_private_ip_addresses(m, &two, &[at("10.0.0.30"), at(address)]));
        assert_eq!(code, "InvalidParameterValue", "primary, or not there: {address}");
    }
    let chosen = assign_private_ip_addresses(&mut model, assign(&two, &[], 2, false)).unwrap();
    assert_eq!(chosen, [at("10.0.0.4"), at("10.0.0.5")]);
    // What one has already is no error.
    assign_private_ip_addresses(&mut model, assign(&two, &["10.0.0.4"], 0, false)).unwrap();
    assert_eq!(held(&model, &two).len(), 4);
}

#[test]
fn ipv6_addresses_come_from_the_subnets_block() {
    let mut model = empty();
    let request = CreateVpc { cidr_block: net("10.0.0.0/16"), amazon_provided_ipv6_cidr_block: true, ..CreateVpc::default() };
    let id = create_vpc(&mut model, request).unwrap();
    let block: ipnet::Ipv6Net = {
        let whole = model.vpcs[&id].ipv6_blocks().next().unwrap();
        whole.subnets(64).unwrap().next().unwrap()
    };
    let request = CreateSubnet { ipv6_cidr_block: Some(block), ..CreateSubnet::new(id.clone(), net("10.0.0.0/24")) };
    let six = create_subnet(&mut model, request).unwrap();
    let four = subnet(&mut model, &id, "10.0.1.0/24");
    let (with, without) = (eni(&mut model, &six), eni(&mut model, &four));
    let assign = |eni: &NetworkInterfaceId, addresses: &[Ipv6Addr], count| AssignIpv6Addresses {
        network_interface_id: eni.clone(),
        ipv6_addresses: addresses.to_vec(),
        ipv6_address_count: count,
    };
    let two = assign_ipv6_addresses(&mut model, assign(&with, &[], 2)).unwrap();
    assert!(two.len() == 2 && two[0] != two[1] && two.iter().all(|a| block.contains(a)));
    for (request, code) in [
        (assign(&without, &[], 1), "InvalidParameterValue"),
        (assign(&with, &["2001:db8::1".parse().unwrap()], 0), "InvalidParameterValue"),
        (assign(&with, &two[..1], 0), "InvalidIPAddress.InUse"),
        (assign(&with, &[], 51), "PrivateIpAddressLimitExceeded"),
    ] {
        assert_eq!(refused(&mut model, |m| assign_ipv6_addresses(m, request)), code);
    }
    unassign_ipv6_addresses(&mut model, &with, &two[..1]).unwrap();
    assert_eq!(model.network_interfaces[&with].ipv6_addresses, two[1..]);
    let code = refused(&mut model, |m| unassign_ipv6_addresses(m, &with, &two[..1]));
    assert_eq!(code, "InvalidParameterValue");
}

#[test]
fn attaching_keeps_to_state_zone_index_and_type() {
    let mut model = empty();
    let (id, here) = home(&mut model);
    let zone_c = CreateSubnet {
        availability_zone: Some("ap-northeast-2c".to_owned()),
        ..CreateSubnet::new(id.clone(), net("10.0.2.0/24"))
    };
    let there = create_subnet(&mut model, zone_c).unwrap();
    let host = instance(&mut model, &here);
    let (second, third, far) = (eni(&mut model, &here), eni(&mut model, &here), eni(&mut model, &there));
    let wide = create_network_interface(&mut model, with_addresses(&here, &["10.0.0.50", "10.0.0.51", "10.0.0.52"])).unwrap();
    for (request, code, rule) in [
        (attach(&far, &host, 1), "InvalidParameterCombination", "GEO-5"),
        (attach(&second, &host, 0), "InvalidParameterValue", "ENI-3"),
        (attach(&wide, &host, 1), "PrivateIpAddressLimitExceeded", "ENI-4: t3.micro has two"),
        (attach(&second, &"i-0".parse().unwrap(), 1), "InvalidInstanceID.NotFound", ""),
        (attach(&"eni-0".parse().unwrap(), &host, 1), "InvalidNetworkInterfaceID.NotFound", ""),
    ] {
        assert_eq!(refused(&mut model, |m| attach_network_interface(m, request)), code, "{rule}");
    }
    let attachment = attach_network_interface(&mut model, attach(&second, &host, 1)).unwrap();
    let code = refused(&mut model, |m| attach_network_interface(m, attach(&third, &host, 2)));
    assert_eq!(code, "AttachmentLimitExceeded", "ENI-4");
    let other = instance(&mut model, &here);
    let code = refused(&mut model, |m| attach_network_interface(m, attach(&second, &other, 1)));
    assert_eq!(code, "InvalidNetworkInterface.InUse");
    assert_eq!(refused(&mut model, |m| delete_network_interface(m, &second)), "InvalidNetworkInterface.InUse", "ENI-7");
    let code = refused(&mut model, |m| assign_private_ip_addresses(m, assign(&second, &[], 2, false)));
    assert_eq!(code, "PrivateIpAddressLimitExceeded", "ENI-4");

    let primary = interface_of(&model, &host).attachment.unwrap().id;
    assert_eq!(refused(&mut model, |m| detach_network_interface(m, &primary)), "OperationNotPermitted", "ENI-3");
    detach_network_interface(&mut model, &attachment).unwrap();
    let code = refused(&mut model, |m| detach_network_interface(m, &attachment));
    assert_eq!(code, "InvalidAttachmentID.NotFound");

    stop_instances(&mut model, std::slice::from_ref(&host)).unwrap();
    let code = refused(&mut model, |m| attach_network_interface(m, attach(&second, &host, 1)));
    assert_eq!(code, "IncorrectInstanceState", "while stopping");
    settle(&mut model);
    attach_network_interface(&mut model, attach(&second, &host, 1)).unwrap();
}

#[test]
fn what_a_service_made_only_the_service_changes() {
    let mut model = empty();
    let (_, here) = home(&mut model);
    let elastic = eip(&mut model);
    create_nat_gateway(&mut model, nat(&here, Some(&elastic))).unwrap();
    settle(&mut model);
    let managed = model.network_interfaces.keys().next().unwrap().clone();
    let host = instance(&mut model, &here);
    type Try = Box<dyn Fn(&mut Model) -> Result<(), ApiError>>;
    let (a, b, c, d, e) = (managed.clone(), managed.clone(), managed.clone(), managed.clone(), managed.clone());
    let tries: [(&str, Try); 5] = [
        ("delete", Box::new(move |m| delete_network_interface(m, &a))),
        ("attach", Box::new(move |m| attach_network_interface(m, attach(&b, &host, 1)).map(drop))),
        ("assign", Box::new(move |m| assign_private_ip_addresses(m, assign(&c, &[], 1, true)).map(drop))),
        (
            "modify",
            Box::new(move |m| {
                let request = ModifyNetworkInterfaceAttribute {
                    source_dest_check: Some(true),
                    ..ModifyNetworkInterfaceAttribute::of(d.clone())
                };
                modify_network_interface_attribute(m, request)
            }),
        ),
        (
            "launch with it",
            Box::new(move |m| {
                let interface = LaunchInterface { network_interface_id: Some(e.clone()), ..LaunchInterface::default() };
                let image = image::default_for(&m.region, instance_type::Architecture::X86_64);
                run_instances(m, RunInstances { network_interfaces: vec![interface], ..RunInstances::of(image) }).map(drop)
            }),
        ),
    ];
    for (what, attempt) in tries {
        assert_eq!(refused(&mut model, attempt), "OperationNotPermitted", "ENI-7 {what}");
    }
}

#[test]
fn the_public_address_of_a_primary_interface_is_switched_after_launch() {
    let mut model = empty();
    let (_, here) = home(&mut model);
    let host = instance(&mut model, &here);
    let primary = interface_of(&model, &host);
    assert_eq!(primary.auto_public_ip, None, "SUB-6: a nondefault subnet gives none");
    let switch = |eni: &NetworkInterfaceId, on| ModifyNetworkInterfaceAttribute {
        associate_public_ip_address: Some(on),
        ..ModifyNetworkInterfaceAttribute::of(eni.clone())
    };
    modify_network_interface_attribute(&mut model, switch(&primary.id, true)).unwrap();
    assert!(interface_of(&model, &host).auto_public_ip.is_some(), "PIP-4");
    modify_network_interface_attribute(&mut model, switch(&primary.id, false)).unwrap();
    assert_eq!(interface_of(&model, &host).auto_public_ip, None, "PIP-4");

    let second = eni(&mut model, &here);
    attach_network_interface(&mut model, attach(&second, &host, 1)).unwrap();
    let code = refused(&mut model, |m| modify_network_interface_attribute(m, switch(&second, true)));
    assert_eq!(code, "InvalidParameterCombination", "PIP-4: the primary one only");
    let nothing = ModifyNetworkInterfaceAttribute::of(second.clone());
    let code = refused(&mut model, |m| modify_network_interface_attribute(m, nothing));
    assert_eq!(code, "InvalidParameterCombination");
}
