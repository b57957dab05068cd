//! Internet gateways, Elastic IP addresses and NAT gateways: IGW-1, IGW-9, IGW-10, EIP-1 … EIP-10, PIP-1, NAT-1 … NAT-4, NAT-18.

use std::collections::BTreeSet;

use model::nat_gateway::NatGatewayState;
use model::operation::*;
use model::*;

use crate::cloud::*;

/// A VPC with a gateway and a subnet whose instances get public addresses.
fn public_cloud(model: &mut Model) -> (VpcId, SubnetId) {
    let id = vpc(model, "10.0.0.0/16");
    igw(model, &id);
    let home = subnet(model, &id, "10.0.0.0/24");
    let attribute = SubnetAttribute::MapPublicIpOnLaunch(true);
    modify_subnet_attribute(model, ModifySubnetAttribute { subnet_id: home.clone(), attribute }).unwrap();
    (id, home)
}

/// The public address that the internet knows an instance by.
fn public_ip(model: &Model, instance: &InstanceId) -> Option<std::net::Ipv4Addr> {
    let interface = interface_of(model, instance);
    model.public_ip_of(&interface, interface.primary_address())
}

fn give(model: &mut Model, address: &AllocationId, host: &InstanceId) -> AddressAssociationId {
    let interface = interface_of(model, host).id;
    associate_eip(model, address, &interface)
}

#[test]
fn a_vpc_has_one_gateway_and_keeps_it_while_public_addresses_are_mapped() {
    let mut model = empty();
    let (id, home) = public_cloud(&mut model);
    let other = vpc(&mut model, "10.1.0.0/16");
    let first = model.internet_gateway_of(&id).unwrap().id.clone();
    let second = create_internet_gateway(&mut model, CreateInternetGateway::default()).unwrap();
    let code = refused(&mut model, |m| attach_internet_gateway(m, &second, &id));
    assert_eq!(code, "InvalidParameterValue", "IGW-1");
    let code = refused(&mut model, |m| attach_internet_gateway(m, &first, &other));
    assert_eq!(code, "Resource.AlreadyAssociated", "IGW-1");
    let code = refused(&mut model, |m| detach_internet_gateway(m, &second, &id));
    assert_eq!(code, "Gateway.NotAttached", "IGW-9");
    assert_eq!(refused(&mut model, |m| delete_internet_gateway(m, &first)), "DependencyViolation", "IGW-10");
    let host = instance(&mut model, &home);
    let detach = |m: &mut Model| detach_internet_gateway(m, &first, &id);
    assert_eq!(refused(&mut model, detach), "DependencyViolation", "IGW-9: an auto-assigned address");
    terminate_instances(&mut model, &[host]).unwrap();
    settle(&mut model);
    let (loose, allocation) = (eni(&mut model, &home), eip(&mut model));
    let association = associate_eip(&mut model, &allocation, &loose);
    assert_eq!(refused(&mut model, detach), "DependencyViolation", "IGW-9: an Elastic IP address");
    disassociate_address(&mut model, &AssociationName::Association(association)).unwrap();
    detach(&mut model).unwrap();
    delete_internet_gateway(&mut model, &first).unwrap();
}

#[test]
fn addresses_are_the_accounts_until_released_and_nobody_elses() {
    let mut model = empty();
    let (_, home) = public_cloud(&mut model);
    let host = OutsideHost { addresses: vec!["203.0.113.50".parse().unwrap()], origin: Origin::default() };
    set_outside_host(&mut model, "inet1", host).unwrap();
    let wanted = |address: &str| AllocateAddress { address: Some(address.parse().unwrap()), ..Default::default() };
    let id = allocate_address(&mut model, wanted("198.51.100.10")).unwrap();
    assert_eq!(model.addresses[&id].public_ip.to_string(), "198.51.100.10");
    for (address, code) in [
        ("198.51.100.10", "InvalidIPAddress.InUse"),
        ("203.0.113.50", "InvalidIPAddress.InUse"),
        ("10.1.2.3", "InvalidParameterValue"),
        ("100.64.0.1", "InvalidParameterValue"),
        ("169.254.169.254", "InvalidParameterValue"),
        ("127.0.0.1", "InvalidParameterValue"),
        ("224.0.0.1", "InvalidParameterValue"),
        ("255.255.255.255", "InvalidParameterValue"),
    ] {
        assert_eq!(refused(&mut model, |m| allocate_address(m, wanted(address))), code, "{address}");
    }
    instance(&mut model, &home);
    for _ in 0..4 {
        eip(&mut model);
    }
    assert_eq!(refused(&mut model, |m| allocate_address(m, Default::default())), "AddressLimitExceeded", "EIP-1");
    let elastic = model.addresses.values().map(|address| address.public_ip);
    let all: Vec<_> = elastic.chain(model.network_interfaces.values().filter_map(|eni| eni.auto_public_ip)).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 6, "PIP-1: no address is given out twice");
    release_address(&mut model, &AddressName::Allocation(id.clone())).unwrap();
    let gone = refused(&mut model, |m| release_address(m, &AddressName::Allocation(id.clone())));
    assert_eq!(gone, "InvalidAllocationID.NotFound");
    let by_ip = AddressName::PublicIp("198.51.100.10".parse().unwrap());
    assert_eq!(refused(&mut model, |m| release_address(m, &by_ip)), "InvalidAddress.NotFound");
}

#[test]
fn an_address_moves_displaces_and_stays_put_when_told() {
    let mut model = empty();
    let (_, home) = public_cloud(&mut model);
    let (a, b) = (eni(&mut model, &home), eni(&mut model, &home));
    let (x, y) = (eip(&mut model), eip(&mut model));
    let first = associate_eip(&mut model, &x, &a);
    let generation = model.generation;
    assert_eq!(associate_eip(&mut model, &x, &a), first, "EIP-4: the same again is no error");
    assert_eq!(model.generation, generation);
    let firmly = |eip: &AllocationId, eni: &NetworkInterfaceId| AssociateAddress {
        allow_reassociation: Some(false),
        ..eip_to(eip, eni)
    };
    let request = firmly(&x, &b);
    assert_eq!(refused(&mut model, |m| associate_address(m, request)), "Resource.AlreadyAssociated", "EIP-4");
    let request = firmly(&y, &a);
    assert_eq!(refused(&mut model, |m| associate_address(m, request)), "Resource.AlreadyAssociated", "EIP-4");
    let moved = associate_eip(&mut model, &x, &b);
    assert_ne!(moved, first, "EIP-4: it moves");
    assert!(model.network_interfaces[&a].private_ip_addresses.iter().all(|p| model.elastic_ip_of(&a, *p).is_none()));
    associate_eip(&mut model, &y, &b);
    assert_eq!(model.addresses[&x].association, None, "EIP-4: displaced, still allocated");
    let gone = AssociationName::Association(moved);
    assert_eq!(refused(&mut model, |m| disassociate_address(m, &gone)), "InvalidAssociationID.NotFound");
    let idle = AssociationName::PublicIp(model.addresses[&x].public_ip);
    disassociate_address(&mut model, &idle).expect("ending what is not there is no error");
    let name = AddressName::Allocation(y.clone());
    assert_eq!(refused(&mut model, |m| release_address(m, &name)), "InvalidIPAddress.InUse", "EIP-7");
}

#[test]
fn the_target_of_an_address_must_be_one_interface_in_a_vpc_with_a_gateway() {
    let mut model = empty();
    let (_, home) = public_cloud(&mut model);
    let dark = vpc(&mut model, "10.1.0.0/16");
    let dark = subnet(&mut model, &dark, "10.1.0.0/24");
    let in_the_dark = eni(&mut model, &dark);
    let address = eip(&mut model);
    let request = eip_to(&address, &in_the_dark);
    assert_eq!(refused(&mut model, |m| associate_address(m, request)), "Gateway.NotAttached", "EIP-5");
    let host = instance(&mut model, &home);
    let to_instance = AssociateAddress { target: AddressTarget::Instance(host.clone()), ..eip_to(&address, &in_the_dark) };
    let foreign = AssociateAddress { private_ip_address: Some("10.0.0.99".parse().unwrap()), ..to_instance.clone() };
    assert_eq!(refused(&mut model, |m| associate_address(m, foreign)), "InvalidParameterValue");
    let second = eni(&mut model, &home);
    let attach = AttachNetworkInterface { network_interface_id: second, instance_id: host.clone(), device_index: 1 };
    attach_network_interface(&mut model, attach).unwrap();
    assert_eq!(refused(&mut model, |m| associate_address(m, to_instance.clone())), "InvalidInstanceID", "EIP-3");
    let nat_address = eip(&mut model);
    let gateway = create_nat_gateway(&mut model, nat(&home, Some(&nat_address))).unwrap();
    let managed = model.nat_gateways[&gateway].network_interface_id.clone().unwrap();
    let request = eip_to(&address, &managed);
    assert_eq!(refused(&mut model, |m| associate_address(m, request)), "OperationNotPermitted", "ENI-7");
    let taken = eip_to(&nat_address, &interface_of(&model, &host).id);
    assert_eq!(refused(&mut model, |m| associate_address(m, taken)), "AuthFailure", "a NAT gateway has it");
    let end = AssociationName::PublicIp(model.addresses[&nat_address].public_ip);
    assert_eq!(refused(&mut model, |m| disassociate_address(m, &end)), "AuthFailure");
    terminate_instances(&mut model, &[host]).unwrap();
    let code = refused(&mut model, |m| associate_address(m, to_instance));
    assert_eq!(code, "IncorrectInstanceState");
}

#[test]
fn an_elastic_address_replaces_the_auto_assigned_one_and_a_new_one_comes_back() {
    let mut model = empty();
    let (_, home) = public_cloud(&mut model);
    let host = instance(&mut model, &home);
    let auto = public_ip(&model, &host).expect("SUB-6");
    let address = eip(&mut model);
    let elastic = model.addresses[&address].public_ip;
    let association = give(&mut model, &address, &host);
    assert_eq!(public_ip(&model, &host), Some(elastic), "EIP-6");
    assert_eq!(interface_of(&model, &host).auto_public_ip, None, "EIP-6: released for good");
    disassociate_address(&mut model, &AssociationName::Association(association)).unwrap();
    assert_eq!(public_ip(&model, &host), None, "EIP-6: after a while");
    assert!(model.next_transition().is_some_and(|at| at > model.context.now));
    settle(&mut model);
    let new = public_ip(&model, &host).expect("EIP-6");
    assert!(new != auto && new != elastic, "EIP-6: a new one");

    // With a second interface none comes back (EIP-6).
    let second = eni(&mut model, &home);
    let attach = AttachNetworkInterface { network_interface_id: second, instance_id: host.clone(), device_index: 1 };
    attach_network_interface(&mut model, attach).unwrap();
    let association = give(&mut model, &address, &host);
    disassociate_address(&mut model, &AssociationName::Association(association)).unwrap();
    settle(&mut model);
    assert_eq!(public_ip(&model, &host), None, "EIP-6, PIP-3");
}

#[test]
fn an_elastic_address_outlives_stop_and_termination() {
    let mut model = empty();
    let (_, home) = public_cloud(&mut model);
    let host = instance(&mut model, &home);
    let address = eip(&mut model);
    give(&mut model, &address, &host);
    let elastic = model.addresses[&address].public_ip;
    stop_instances(&mut model, std::slice::from_ref(&host)).unwrap();
    settle(&mut model);
    start_instances(&mut model, std::slice::from_ref(&host)).unwrap();
    settle(&mut model);
    assert_eq!(public_ip(&model, &host), Some(elastic), "EIP-8");
    terminate_instances(&mut model, &[host]).unwrap();
    settle(&mut model);
    assert_eq!(model.addresses[&address].association, None, "EIP-8: disassociated, still allocated");
}

#[test]
fn in_the_default_vpc_release_ends_the_association() {
    let mut model = empty();
    create_default_vpc(&mut model, CreateDefaultVpc::default()).unwrap();
    let home = model.subnets.keys().next().unwrap().clone();
    let loose = eni(&mut model, &home);
    let address = eip(&mut model);
    associate_eip(&mut model, &address, &loose);
    release_address(&mut model, &AddressName::Allocation(address)).expect("EIP-7");
    assert!(model.addresses.is_empty());
}

#[test]
fn failures_of_a_nat_gateway_show_in_its_state() {
    let mut model = empty();
    let (_, home) = public_cloud(&mut model);
    let dark_vpc = vpc(&mut model, "10.1.0.0/16");
    let dark = subnet(&mut model, &dark_vpc, "10.1.0.0/24");
    let full = subnet(&mut model, &dark_vpc, "10.1.1.0/28");
    for _ in 0..11 {
        eni(&mut model, &full);
    }
    let (free, used) = (eip(&mut model), eip(&mut model));
    let good = create_nat_gateway(&mut model, nat(&home, Some(&used))).unwrap();
    let private = create_nat_gateway(&mut model, nat(&dark, None)).unwrap();
    let unknown = "eipalloc-0".parse().unwrap();
    let failing = [
        (nat(&dark, Some(&free)), "Gateway.NotAttached"),
        (nat(&home, Some(&used)), "Resource.AlreadyAssociated"),
        (nat(&home, Some(&unknown)), "InvalidAllocationID.NotFound"),
        (nat(&full, None), "InsufficientFreeAddressesInSubnet"),
    ];
    model.quotas.nat_gateways_per_zone = failing.len() + 2;
    let failing = failing.map(|(request, code)| (create_nat_gateway(&mut model, request).unwrap(), code));
    for (id, _) in &failing {
        assert_eq!(model.nat_gateways[id].state, NatGatewayState::Pending, "NAT-3: the call succeeds");
        assert_eq!(model.nat_gateways[id].network_interface_id, None);
    }
    settle(&mut model);
    for (id, code) in &failing {
        let gateway = &model.nat_gateways[id];
        let shown = gateway.failure.as_ref().map(|(code, _)| code.as_str());
        assert_eq!((gateway.state, shown), (NatGatewayState::Failed, Some(*code)), "NAT-3");
    }
    for id in [&good, &private] {
        assert_eq!(model.nat_gateways[id].state, NatGatewayState::Available, "NAT-2, NAT-4: no route is needed");
    }
    model.advance_to(model.context.now.plus(3_600));
    assert_eq!(model.nat_gateways.len(), 2, "NAT-3: failed ones disappear after about an hour");
}

#[test]
fn what_a_nat_gateway_is_refused_at_once() {
    let mut model = empty();
    let (_, home) = public_cloud(&mut model);
    let address = eip(&mut model);
    let public_without = CreateNatGateway { is_public: true, ..nat(&home, None) };
    let private_with = CreateNatGateway { is_public: false, ..nat(&home, Some(&address)) };
    let nowhere = nat(&"subnet-0".parse().unwrap(), None);
    for (request, code) in [
        (public_without, "MissingParameter"),
        (private_with, "InvalidParameterCombination"),
        (nowhere, "InvalidSubnetID.NotFound"),
    ] {
        assert_eq!(refused(&mut model, |m| create_nat_gateway(m, request)), code, "NAT-2, NAT-3");
    }
    for _ in 0..5 {
        create_nat_gateway(&mut model, nat(&home, None)).unwrap();
    }
    let sixth = nat(&home, None);
    assert_eq!(refused(&mut model, |m| create_nat_gateway(m, sixth.clone())), "NatGatewayLimitExceeded", "QUO-1");
    let one = model.nat_gateways.keys().next().unwrap().clone();
    delete_nat_gateway(&mut model, &one).unwrap();
    assert_eq!(refused(&mut model, |m| create_nat_gateway(m, sixth.clone())), "NatGatewayLimitExceeded", "deleting counts");
    settle(&mut model);
    create_nat_gateway(&mut model, sixth).unwrap();
}

#[test]
fn a_deleted_nat_gateway_gives_its_addresses_back_and_is_shown_for_an_hour() {
    let mut model = empty();
    let (_, home) = public_cloud(&mut model);
    let address = eip(&mut model);
    let mut request = nat(&home, Some(&address));
    request.private_ip_address = Some("10.0.0.200".parse().unwrap());
    let id = create_nat_gateway(&mut model, request).unwrap();
    let gateway = &model.nat_gateways[&id];
    let managed = &model.network_interfaces[gateway.network_interface_id.as_ref().unwrap()];
    assert_eq!(managed.primary_address().to_string(), "10.0.0.200", "NAT-1");
    assert!(managed.groups.is_empty() && !managed.source_dest_check, "NAT-13");
    assert_eq!(model.public_ip_of(managed, managed.primary_address()), Some(model.addresses[&address].public_ip), "NAT-5");
    settle(&mut model);
    delete_nat_gateway(&mut model, &id).unwrap();
    delete_nat_gateway(&mut model, &id).expect("once more, while it lasts");
    assert_eq!(model.addresses[&address].association, None, "NAT-18");
    assert!(model.network_interfaces.is_empty());
    settle(&mut model);
    assert_eq!(model.nat_gateways[&id].state, NatGatewayState::Deleted, "NAT-18");
    assert_eq!(refused(&mut model, |m| delete_nat_gateway(m, &id)), "NatGatewayNotFound");
    model.advance_to(model.context.now.plus(3_600));
    assert!(model.nat_gateways.is_empty(), "NAT-18");
    delete_subnet(&mut model, &home).unwrap();
}
