//! Route tables and routes: RT-1 … RT-22.

use model::network_interface::InterfaceType;
use model::operation::*;
use model::route_table::{Associated, RouteState};
use model::*;

use crate::cloud::*;

/// Whether a table's route to `destination` is active, or `None` without such a route.
fn state(model: &Model, table: &RouteTableId, destination: &str) -> Option<RouteState> {
    let table = &model.route_tables[table];
    let found = table.routes.iter().find(|route| route.destination == to(destination))?;
    Some(model.route_state(table, found))
}

#[test]
fn inside_the_vpc_only_whole_subnets_go_to_interfaces_and_nat_gateways() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let gateway = RouteTarget::InternetGateway(igw(&mut model, &id));
    let home = subnet(&mut model, &id, "10.0.20.0/24");
    let appliance = RouteTarget::NetworkInterface(eni(&mut model, &home));
    let table = table(&mut model, &id);
    for (destination, target, code, rule) in [
        ("10.0.20.0/24", &gateway, "InvalidParameterValue", "RT-4: not to a gateway"),
        ("10.0.0.0/16", &gateway, "InvalidParameterValue", "RT-4: not the whole VPC"),
        ("10.0.20.0/25", &appliance, "InvalidParameterValue", "RT-4: not a part of a subnet"),
        ("10.0.30.0/24", &appliance, "InvalidParameterValue", "RT-4: not beside the subnets"),
        ("10.0.0.0/16", &appliance, "RouteAlreadyExists", "RT-1: the local route is replaced, never made"),
        ("169.254.168.0/24", &appliance, "InvalidParameterValue", "RT-8"),
        ("fd00:ec2::/32", &appliance, "InvalidParameterValue", "RT-8"),
    ] {
        let request = route(&table, destination, target.clone());
        assert_eq!(refused(&mut model, |m| create_route(m, request)), code, "{rule}: {destination}");
    }
    create_route(&mut model, route(&table, "10.0.20.9/24", appliance)).unwrap();
    assert!(state(&model, &table, "10.0.20.0/24").is_some(), "canonical form");
    create_route(&mut model, route(&table, "10.0.0.0/8", gateway.clone())).unwrap();
    create_route(&mut model, route(&table, "169.254.0.0/16", gateway)).expect("RT-8: a wider route may cover it");
}

#[test]
fn a_destination_has_one_static_route() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let gateway = RouteTarget::InternetGateway(igw(&mut model, &id));
    let home = subnet(&mut model, &id, "10.0.0.0/24");
    let appliance = RouteTarget::NetworkInterface(eni(&mut model, &home));
    let table = table(&mut model, &id);
    let missing = route(&table, "0.0.0.0/0", gateway.clone());
    assert_eq!(refused(&mut model, |m| replace_route(m, missing)), "InvalidParameterValue", "RT-15");
    create_route(&mut model, route(&table, "0.0.0.0/0", gateway.clone())).unwrap();
    let generation = model.generation;
    create_route(&mut model, route(&table, "0.0.0.0/0", gateway.clone())).expect("the same again is no error");
    assert_eq!(model.generation, generation, "and changes nothing");
    let other = route(&table, "0.0.0.0/0", appliance.clone());
    assert_eq!(refused(&mut model, |m| create_route(m, other.clone())), "RouteAlreadyExists", "RT-15");
    replace_route(&mut model, other).unwrap();
    assert_eq!(model.route_tables[&table].routes.iter().filter(|r| r.target == appliance).count(), 1);
    delete_route(&mut model, &table, &to("0.0.0.0/0")).unwrap();
    let gone = refused(&mut model, |m| delete_route(m, &table, &to("0.0.0.0/0")));
    assert_eq!(gone, "InvalidRoute.NotFound", "RT-15");
    let local = refused(&mut model, |m| delete_route(m, &table, &to("10.0.0.0/16")));
    assert_eq!(local, "InvalidParameterValue", "RT-1");
}

#[test]
fn the_local_route_goes_to_a_middlebox_and_back() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let gateway = RouteTarget::InternetGateway(igw(&mut model, &id));
    let home = subnet(&mut model, &id, "10.0.0.0/24");
    let appliance = RouteTarget::NetworkInterface(eni(&mut model, &home));
    let table = table(&mut model, &id);
    let to_gateway = route(&table, "10.0.0.0/16", gateway.clone());
    assert_eq!(refused(&mut model, |m| replace_route(m, to_gateway)), "InvalidParameterValue", "RT-1");
    replace_route(&mut model, route(&table, "10.0.0.0/16", appliance)).unwrap();
    replace_route(&mut model, route(&table, "10.0.0.0/16", RouteTarget::Local)).unwrap();
    create_route(&mut model, route(&table, "0.0.0.0/0", gateway)).unwrap();
    let not_local = route(&table, "0.0.0.0/0", RouteTarget::Local);
    assert_eq!(refused(&mut model, |m| replace_route(m, not_local)), "InvalidParameterValue", "RT-1");
}

#[test]
fn targets_exist_belong_to_the_vpc_and_carry_the_family() {
    let mut model = empty();
    let (a, b, c) = (vpc(&mut model, "10.0.0.0/16"), vpc(&mut model, "10.1.0.0/16"), vpc(&mut model, "10.2.0.0/16"));
    let (home, away) = (subnet(&mut model, &a, "10.0.0.0/24"), subnet(&mut model, &b, "10.1.0.0/24"));
    let foreign_igw = igw(&mut model, &b);
    let loose_igw = create_internet_gateway(&mut model, CreateInternetGateway::default()).unwrap();
    let foreign_nat = create_nat_gateway(&mut model, nat(&away, None)).unwrap();
    let own_nat = create_nat_gateway(&mut model, nat(&home, None)).unwrap();
    let foreign_eni = eni(&mut model, &away);
    let foreign_pcx = peer(&mut model, &b, &c).unwrap();
    let eigw = CreateEgressOnlyInternetGateway { vpc_id: a.clone(), tags: Tags::new(), origin: Origin::default() };
    let eigw = create_egress_only_internet_gateway(&mut model, eigw).unwrap();
    let table = table(&mut model, &a);
    let (v4, v6) = ("0.0.0.0/0", "::/0");
    for (destination, target, code, rule) in [
        (v4, RouteTarget::InternetGateway(foreign_igw), "InvalidParameterValue", "RT-14"),
        (v4, RouteTarget::InternetGateway(loose_igw), "InvalidParameterValue", "RT-14"),
        (v4, RouteTarget::InternetGateway("igw-0".parse().unwrap()), "InvalidGatewayID.NotFound", "RT-16"),
        (v4, RouteTarget::NatGateway(foreign_nat), "InvalidParameterValue", "RT-14"),
        (v4, RouteTarget::NatGateway("nat-0".parse().unwrap()), "NatGatewayNotFound", "RT-16"),
        (v6, RouteTarget::NatGateway(own_nat.clone()), "InvalidParameterValue", "RT-16: IPv4 only"),
        (v4, RouteTarget::NetworkInterface(foreign_eni), "InvalidParameterValue", "RT-14"),
        (v4, RouteTarget::VpcPeeringConnection(foreign_pcx), "InvalidParameterValue", "RT-14"),
        (v4, RouteTarget::EgressOnlyInternetGateway(eigw.clone()), "InvalidParameterValue", "RT-16: IPv6 only"),
        (v4, RouteTarget::TransitGateway("tgw-0".parse().unwrap()), "InvalidTransitGatewayID.NotFound", "RT-16"),
        (v4, RouteTarget::VpcEndpoint("vpce-0".parse().unwrap()), "InvalidParameterValue", "RT-16"),
        (v4, RouteTarget::Local, "InvalidParameterValue", "RT-1"),
    ] {
        let request = route(&table, destination, target.clone());
        assert_eq!(refused(&mut model, |m| create_route(m, request)), code, "{rule} {target}");
    }
    create_route(&mut model, route(&table, v6, RouteTarget::EgressOnlyInternetGateway(eigw.clone()))).unwrap();
    create_route(&mut model, route(&table, v4, RouteTarget::NatGateway(own_nat))).unwrap();
    assert_eq!(state(&model, &table, v6), Some(RouteState::Active));
    delete_egress_only_internet_gateway(&mut model, &eigw).unwrap();
    assert_eq!(state(&model, &table, v6), Some(RouteState::Blackhole), "RT-9, EIGW-1");
}

#[test]
fn a_route_turns_blackhole_with_its_target_and_stays() {
    let mut model = empty();
    let (a, b) = (vpc(&mut model, "10.0.0.0/16"), vpc(&mut model, "10.1.0.0/16"));
    let gateway = igw(&mut model, &a);
    let home = subnet(&mut model, &a, "10.0.0.0/24");
    let host = instance(&mut model, &home);
    let pcx = peer(&mut model, &a, &b).unwrap();
    let nat = create_nat_gateway(&mut model, nat(&home, None)).unwrap();
    let loose = eni(&mut model, &home);
    let table = table(&mut model, &a);
    let through_host = route_target_of_instance(&model, &host).unwrap();
    for (destination, target) in [
        ("1.0.0.0/8", RouteTarget::InternetGateway(gateway.clone())),
        ("2.0.0.0/8", RouteTarget::NatGateway(nat.clone())),
        ("3.0.0.0/8", through_host),
        ("10.1.0.0/16", RouteTarget::VpcPeeringConnection(pcx.clone())),
        ("5.0.0.0/8", RouteTarget::NetworkInterface(loose)),
    ] {
        create_route(&mut model, route(&table, destination, target)).unwrap();
    }
    let active = |m: &Model| {
        ["1.0.0.0/8", "2.0.0.0/8", "3.0.0.0/8", "10.1.0.0/16", "5.0.0.0/8"]
            .map(|destination| state(m, &table, destination).unwrap() == RouteState::Active)
    };
    assert_eq!(active(&model), [true, false, true, false, false], "pending NAT and peering, loose interface");
    settle(&mut model);
    accept_vpc_peering_connection(&mut model, &pcx).unwrap();
    settle(&mut model);
    assert_eq!(active(&model), [true, true, true, true, false], "RT-9");
    stop_instances(&mut model, std::slice::from_ref(&host)).unwrap();
    delete_nat_gateway(&mut model, &nat).unwrap();
    delete_vpc_peering_connection(&mut model, &pcx).unwrap();
    assert_eq!(active(&model), [true, false, false, false, false], "RT-9");
    detach_internet_gateway(&mut model, &gateway, &a).unwrap();
    terminate_instances(&mut model, &[host]).unwrap();
    model.advance_to(model.context.now.plus(10_000));
    assert_eq!(active(&model), [false; 5], "RT-9: the routes stay until someone deletes them");
    let again = route(&table, "6.0.0.0/8", RouteTarget::NatGateway(nat));
    assert_eq!(refused(&mut model, |m| create_route(m, again)), "NatGatewayNotFound");
}

#[test]
fn a_subnet_uses_one_table_and_falls_back_to_the_main_one() {
    let mut model = empty();
    let (id, foreign) = (vpc(&mut model, "10.0.0.0/16"), vpc(&mut model, "10.1.0.0/16"));
    let home = subnet(&mut model, &id, "10.0.0.0/24");
    let (first, second) = (table(&mut model, &id), table(&mut model, &id));
    let uses = |m: &Model| m.route_table_of(&m.subnets[&home]).unwrap().id.clone();
    let main = main_table(&model, &id);
    assert_eq!(uses(&model), main, "SUB-9");
    let association = associate(&mut model, &first, Associated::Subnet(home.clone())).unwrap();
    assert_eq!(uses(&model), first);
    assert_eq!(associate(&mut model, &first, Associated::Subnet(home.clone())).unwrap(), association, "same again");
    let other = refused(&mut model, |m| associate(m, &second, Associated::Subnet(home.clone())));
    assert_eq!(other, "Resource.AlreadyAssociated", "RT-22");
    let foreign_table = main_table(&model, &foreign);
    let elsewhere = refused(&mut model, |m| replace_route_table_association(m, &association, &foreign_table));
    assert_eq!(elsewhere, "InvalidParameterValue", "another network");
    let association = replace_route_table_association(&mut model, &association, &second).unwrap();
    assert_eq!(uses(&model), second);
    assert_eq!(refused(&mut model, |m| delete_route_table(m, &second)), "DependencyViolation", "RT-13");
    disassociate_route_table(&mut model, &association).unwrap();
    assert_eq!(uses(&model), main, "RT-13");
    let twice = refused(&mut model, |m| disassociate_route_table(m, &association));
    assert_eq!(twice, "InvalidAssociationID.NotFound");

    let main_association = model.route_tables[&main].associations[0].id.clone();
    let end = refused(&mut model, |m| disassociate_route_table(m, &main_association));
    assert_eq!(end, "InvalidParameterValue", "RT-11");
    assert_eq!(refused(&mut model, |m| delete_route_table(m, &main)), "DependencyViolation", "RT-11");
    let made = refused(&mut model, |m| associate(m, &first, Associated::Main));
    assert_eq!(made, "InvalidParameterValue", "RT-11: replaced, never made");
    replace_route_table_association(&mut model, &main_association, &first).unwrap();
    assert_eq!((main_table(&model, &id), uses(&model)), (first.clone(), first), "RT-11");
    delete_route_table(&mut model, &main).expect("RT-11: it is not main any more");
}

#[test]
fn a_gateways_table_leads_to_middleboxes_and_nowhere_else() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let gateway = igw(&mut model, &id);
    let home = subnet(&mut model, &id, "10.0.0.0/24");
    let appliance = RouteTarget::NetworkInterface(eni(&mut model, &home));
    let edge = table(&mut model, &id);
    let to_gateway = Associated::InternetGateway(gateway.clone());

    let ordinary = table(&mut model, &id);
    create_route(&mut model, route(&ordinary, "0.0.0.0/0", RouteTarget::InternetGateway(gateway.clone()))).unwrap();
    for unfit in [ordinary, main_table(&model, &id)] {
        let code = refused(&mut model, |m| associate(m, &unfit, to_gateway.clone()));
        assert_eq!(code, "InvalidParameterValue", "RT-18");
    }
    create_route(&mut model, route(&edge, "10.0.0.0/24", appliance.clone())).unwrap();
    associate(&mut model, &edge, to_gateway.clone()).unwrap();
    for (destination, target) in [("0.0.0.0/0", &appliance), ("8.0.0.0/8", &RouteTarget::InternetGateway(gateway.clone()))] {
        let request = route(&edge, destination, target.clone());
        assert_eq!(refused(&mut model, |m| create_route(m, request)), "InvalidParameterValue", "RT-18 {destination}");
    }
    let list = CreateManagedPrefixList { prefix_list_name: "l".into(), max_entries: 1, ..Default::default() };
    let list = create_managed_prefix_list(&mut model, list).unwrap();
    let by_list = CreateRoute {
        route_table_id: edge.clone(),
        destination: Destination::PrefixList(list),
        target: appliance.clone(),
        origin: Origin::default(),
    };
    assert_eq!(refused(&mut model, |m| create_route(m, by_list)), "InvalidParameterValue", "RT-18: no prefix lists");
    replace_route(&mut model, route(&edge, "10.0.0.0/16", appliance)).expect("RT-18: a whole VPC block");
    let main = main_table(&model, &id);
    let main_association = model.route_tables[&main].associations[0].id.clone();
    let as_main = refused(&mut model, |m| replace_route_table_association(m, &main_association, &edge));
    assert_eq!(as_main, "InvalidParameterValue", "RT-18");
    detach_internet_gateway(&mut model, &gateway, &id).unwrap();
    assert!(model.route_tables[&edge].associations.is_empty(), "the edge association goes with the attachment");
}

#[test]
fn propagated_routes_come_and_go_with_their_gateway() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let vgw = create_vpn_gateway(&mut model, CreateVpnGateway::default()).unwrap();
    let table = table(&mut model, &id);
    let code = refused(&mut model, |m| enable_vgw_route_propagation(m, &table, &vgw));
    assert_eq!(code, "Gateway.NotAttached");
    attach_vpn_gateway(&mut model, &vgw, &id).unwrap();
    let announce = |m: &mut Model, block: &str| propagate_route(m, &table, &vgw, to(block), Origin::default());
    assert_eq!(refused(&mut model, |m| announce(m, "10.0.1.0/24")), "Gateway.NotAttached", "not enabled");
    enable_vgw_route_propagation(&mut model, &table, &vgw).unwrap();
    announce(&mut model, "10.0.1.0/24").expect("RT-6: it may be announced, and never beats the local route");
    announce(&mut model, "192.168.0.0/16").unwrap();
    let static_route = route(&table, "192.168.0.0/16", RouteTarget::VpnGateway(vgw.clone()));
    create_route(&mut model, static_route).expect("RT-5: a static route may stand beside the propagated one");
    assert_eq!(refused(&mut model, |m| announce(m, "2001:db8::/32")), "InvalidParameterValue", "VPN-1");
    let gone = refused(&mut model, |m| delete_route(m, &table, &to("10.0.1.0/24")));
    assert_eq!(gone, "InvalidRoute.NotFound", "a propagated route is not a call's to delete");
    disable_vgw_route_propagation(&mut model, &table, &vgw).unwrap();
    assert_eq!(model.route_tables[&table].routes.len(), 2, "the local and the static route are left");
    detach_vpn_gateway(&mut model, &vgw, &id).unwrap();
    assert_eq!(state(&model, &table, "192.168.0.0/16"), Some(RouteState::Blackhole), "RT-9");
}

#[test]
fn quotas_count_routes_by_family_and_prefix_lists_by_their_maximum() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let gateway = RouteTarget::InternetGateway(igw(&mut model, &id));
    model.quotas.routes_per_table = 10;
    model.quotas.route_tables_per_vpc = 2;
    let table = table(&mut model, &id);
    let list = CreateManagedPrefixList { prefix_list_name: "l".into(), max_entries: 8, ..Default::default() };
    let list = create_managed_prefix_list(&mut model, list).unwrap();
    let by_list = CreateRoute {
        route_table_id: table.clone(),
        destination: Destination::PrefixList(list),
        target: gateway.clone(),
        origin: Origin::default(),
    };
    create_route(&mut model, by_list).unwrap();
    for block in ["1.0.0.0/8", "2.0.0.0/8"] {
        create_route(&mut model, route(&table, block, gateway.clone())).unwrap();
    }
    let eleventh = route(&table, "3.0.0.0/8", gateway.clone());
    assert_eq!(refused(&mut model, |m| create_route(m, eleventh)), "RouteLimitExceeded", "RT-17");
    create_route(&mut model, route(&table, "::/0", gateway)).expect("RT-17: the families are counted apart");
    let third = CreateRouteTable { vpc_id: id, tags: Tags::new(), origin: Origin::default() };
    assert_eq!(refused(&mut model, |m| create_route_table(m, third)), "RouteTableLimitExceeded", "QUO-1");
}

#[test]
fn an_instance_stands_for_its_only_interface() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let home = subnet(&mut model, &id, "10.0.0.0/24");
    let host = instance(&mut model, &home);
    let own = interface_of(&model, &host);
    assert_eq!(own.interface_type, InterfaceType::Interface);
    assert_eq!(route_target_of_instance(&model, &host), Ok(RouteTarget::NetworkInterface(own.id)), "RT-16");
    let second = eni(&mut model, &home);
    let attach = AttachNetworkInterface { network_interface_id: second, instance_id: host.clone(), device_index: 1 };
    attach_network_interface(&mut model, attach).unwrap();
    assert_eq!(refused(&mut model, |m| route_target_of_instance(m, &host)), "InvalidInstanceID", "RT-16");
}
