//! Peering connections, endpoints, prefix lists, DHCP option sets, tags: PCX-1 … PCX-8, VPCE-1 … VPCE-6, RT-21, DHCP-1 … DHCP-3.

use model::dhcp_options::NameServer;
use model::endpoint::{VpcEndpointKind, VpcEndpointState};
use model::operation::*;
use model::peering::PeeringStatus;
use model::prefix_list::PrefixListEntry;
use model::*;

use crate::cloud::*;

fn status(model: &Model, id: &VpcPeeringConnectionId) -> PeeringStatus {
    model.vpc_peering_connections[id].status
}

#[test]
fn a_peering_is_asked_for_accepted_and_ended() {
    let mut model = empty();
    let (a, b) = (vpc(&mut model, "10.0.0.0/16"), vpc(&mut model, "10.1.0.0/16"));
    let id = peer(&mut model, &a, &b).unwrap();
    assert_eq!(status(&model, &id), PeeringStatus::InitiatingRequest, "PCX-1");
    settle(&mut model);
    assert_eq!(status(&model, &id), PeeringStatus::PendingAcceptance, "PCX-1");
    for (x, y) in [(&a, &b), (&b, &a)] {
        assert_eq!(refused(&mut model, |m| peer(m, x, y)), "VpcPeeringConnectionAlreadyExists", "PCX-1: one a pair");
    }
    assert_eq!(refused(&mut model, |m| peer(m, &a, &a)), "InvalidParameterValue");
    let options = ModifyVpcPeeringConnectionOptions {
        vpc_peering_connection_id: id.clone(),
        requester_allows_dns_resolution: Some(true),
        accepter_allows_dns_resolution: None,
    };
    let early = options.clone();
    assert_eq!(refused(&mut model, |m| modify_vpc_peering_connection_options(m, early)), "OperationNotPermitted", "DNS-8");
    accept_vpc_peering_connection(&mut model, &id).unwrap();
    assert_eq!(status(&model, &id), PeeringStatus::Provisioning);
    settle(&mut model);
    assert_eq!(status(&model, &id), PeeringStatus::Active);
    modify_vpc_peering_connection_options(&mut model, options).unwrap();
    let connection = &model.vpc_peering_connections[&id];
    assert!(connection.requester_allows_dns_resolution && !connection.accepter_allows_dns_resolution, "DNS-8");
    for verb in [accept_vpc_peering_connection, reject_vpc_peering_connection] {
        assert_eq!(refused(&mut model, |m| verb(m, &id)), "InvalidStateTransition");
    }
    delete_vpc_peering_connection(&mut model, &id).unwrap();
    assert_eq!(status(&model, &id), PeeringStatus::Deleting);
    settle(&mut model);
    assert_eq!(status(&model, &id), PeeringStatus::Deleted);
    peer(&mut model, &a, &b).expect("PCX-1: the pair is free again");
}

#[test]
fn overlapping_blocks_make_a_peering_fail() {
    for (second, extra) in [("10.0.128.0/17", None), ("10.1.0.0/16", Some("100.64.0.0/16"))] {
        let mut model = empty();
        let (a, b) = (vpc(&mut model, "10.0.0.0/16"), vpc(&mut model, second));
        if let Some(block) = extra {
            for id in [&a, &b] {
                let request = AssociateVpcCidrBlock { vpc_id: id.clone(), block: NewVpcBlock::Ipv4(net(block)) };
                associate_vpc_cidr_block(&mut model, request).unwrap();
            }
        }
        let id = peer(&mut model, &a, &b).expect("PCX-2: the call succeeds");
        let early = refused(&mut model, |m| accept_vpc_peering_connection(m, &id));
        assert_eq!(early, "InvalidStateTransition", "what will fail cannot be accepted");
        settle(&mut model);
        assert_eq!(status(&model, &id), PeeringStatus::Failed, "PCX-2 {second}");
        assert_eq!(refused(&mut model, |m| delete_vpc_peering_connection(m, &id)), "InvalidStateTransition");
    }
}

#[test]
fn requests_lapse_and_are_limited() {
    let mut model = empty();
    let (a, b) = (vpc(&mut model, "10.0.0.0/16"), vpc(&mut model, "10.1.0.0/16"));
    let c = vpc(&mut model, "10.2.0.0/16");
    let lapsing = peer(&mut model, &a, &b).unwrap();
    model.quotas.outstanding_peerings = 1;
    assert_eq!(refused(&mut model, |m| peer(m, &a, &c)), "OutstandingVpcPeeringConnectionLimitExceeded", "PCX-8");
    model.advance_to(model.context.now.plus(7 * 86_400 - 1));
    assert_eq!(status(&model, &lapsing), PeeringStatus::PendingAcceptance);
    model.advance_to(model.context.now.plus(1));
    assert_eq!(status(&model, &lapsing), PeeringStatus::Expired, "PCX-1: after seven days");
    let rejected = peer(&mut model, &a, &c).unwrap();
    settle(&mut model);
    reject_vpc_peering_connection(&mut model, &rejected).unwrap();
    assert_eq!(status(&model, &rejected), PeeringStatus::Rejected, "PCX-1");
    model.quotas.active_peerings_per_vpc = 0;
    let limited = peer(&mut model, &b, &c).unwrap();
    settle(&mut model);
    let code = refused(&mut model, |m| accept_vpc_peering_connection(m, &limited));
    assert_eq!(code, "ActiveVpcPeeringConnectionPerVpcLimitExceeded", "PCX-8");
}

fn endpoint(vpc: &VpcId, service: &str, kind: CreateVpcEndpointKind) -> CreateVpcEndpoint {
    CreateVpcEndpoint {
        vpc_id: vpc.clone(),
        service_name: format!("com.amazonaws.ap-northeast-2.{service}"),
        kind,
        policy_document: None,
        tags: Tags::new(),
        origin: Origin::default(),
    }
}

#[test]
fn a_gateway_endpoint_is_a_route_that_only_it_may_change() {
    let mut model = empty();
    let (id, other) = (vpc(&mut model, "10.0.0.0/16"), vpc(&mut model, "10.1.0.0/16"));
    let (first, second, foreign) = (table(&mut model, &id), table(&mut model, &id), main_table(&model, &other));
    let gateway = |tables: &[&RouteTableId]| CreateVpcEndpointKind::Gateway {
        route_table_ids: tables.iter().map(|t| (*t).clone()).collect(),
    };
    for (request, code) in [
        (endpoint(&id, "nosuch", gateway(&[])), "InvalidServiceName"),
        (endpoint(&id, "ec2", gateway(&[])), "InvalidParameter"),
        (endpoint(&id, "s3", gateway(&[&foreign])), "InvalidParameterValue"),
        (endpoint(&id, "s3", gateway(&[&first, &first])), "RouteAlreadyExists"),
    ] {
        assert_eq!(refused(&mut model, |m| create_vpc_endpoint(m, request)), code, "VPCE-1");
    }
    let made = create_vpc_endpoint(&mut model, endpoint(&id, "s3", gateway(&[&first]))).unwrap();
    let VpcEndpointKind::Gateway { prefix_list_id, .. } = model.vpc_endpoints[&made].kind.clone() else { panic!() };
    assert!(model.prefix_lists[&prefix_list_id].is_aws_managed);
    let twice = endpoint(&id, "s3", gateway(&[&first]));
    assert_eq!(refused(&mut model, |m| create_vpc_endpoint(m, twice)), "RouteAlreadyExists", "VPCE-1: one a table");
    let destination = Destination::PrefixList(prefix_list_id);
    let has_route = |m: &Model, table: &RouteTableId| m.route_tables[table].routes.iter().any(|r| r.destination == destination);
    assert!(has_route(&model, &first) && !has_route(&model, &second));
    let code = refused(&mut model, |m| delete_route(m, &first, &destination));
    assert_eq!(code, "InvalidParameterValue", "RT-16");
    assert_eq!(model.vpc_endpoints[&made].state, VpcEndpointState::Pending, "VPCE-6");
    settle(&mut model);
    assert_eq!(model.vpc_endpoints[&made].state, VpcEndpointState::Available, "VPCE-6");
    let moved = ModifyVpcEndpoint {
        add_route_table_ids: vec![second.clone()],
        remove_route_table_ids: vec![first.clone()],
        ..ModifyVpcEndpoint::new(made.clone())
    };
    modify_vpc_endpoint(&mut model, moved).unwrap();
    assert!(!has_route(&model, &first) && has_route(&model, &second), "VPCE-1: the route leaves with the association");
    let interface_only = ModifyVpcEndpoint { private_dns_enabled: Some(true), ..ModifyVpcEndpoint::new(made.clone()) };
    assert_eq!(refused(&mut model, |m| modify_vpc_endpoint(m, interface_only)), "InvalidParameter");
    delete_vpc_endpoint(&mut model, &made).unwrap();
    assert!(!has_route(&model, &second));
    assert_eq!(refused(&mut model, |m| delete_vpc_endpoint(m, &made)), "InvalidVpcEndpointId.NotFound");
    settle(&mut model);
    assert!(model.vpc_endpoints.is_empty());
}

#[test]
fn an_interface_endpoint_has_one_interface_a_zone_with_groups() {
    let mut model = empty();
    let (id, other) = (vpc(&mut model, "10.0.0.0/16"), vpc(&mut model, "10.1.0.0/16"));
    let zone = |m: &mut Model, block: &str, zone: &str| {
        let request = CreateSubnet { availability_zone: Some(zone.into()), ..CreateSubnet::new(id.clone(), net(block)) };
        create_subnet(m, request).unwrap()
    };
    let a = zone(&mut model, "10.0.0.0/24", "ap-northeast-2a");
    let a2 = zone(&mut model, "10.0.1.0/24", "ap-northeast-2a");
    let c = zone(&mut model, "10.0.2.0/24", "ap-northeast-2c");
    let foreign = subnet(&mut model, &other, "10.1.0.0/24");
    let default_group = |m: &Model, vpc: &VpcId| m.security_groups.values().find(|g| g.vpc_id == *vpc).unwrap().id.clone();
    let foreign_group = default_group(&model, &other);
    let kind = |subnets: &[&SubnetId], groups: &[&SecurityGroupId], private_dns_enabled| CreateVpcEndpointKind::Interface {
        subnet_ids: subnets.iter().map(|s| (*s).clone()).collect(),
        security_group_ids: groups.iter().map(|g| (*g).clone()).collect(),
        private_dns_enabled,
    };
    for (kind, code) in [
        (kind(&[&a, &a2], &[], false), "InvalidParameter"),
        (kind(&[&foreign], &[], false), "InvalidParameterValue"),
        (kind(&[&a], &[&foreign_group], false), "InvalidParameterValue"),
        (kind(&[&a], &[], true), "InvalidParameter"),
    ] {
        let request = endpoint(&id, "ssm", kind);
        assert_eq!(refused(&mut model, |m| create_vpc_endpoint(m, request)), code, "VPCE-5");
    }
    let attribute = VpcAttribute::EnableDnsHostnames(true);
    modify_vpc_attribute(&mut model, ModifyVpcAttribute { vpc_id: id.clone(), attribute }).unwrap();
    let made = create_vpc_endpoint(&mut model, endpoint(&id, "ssm", kind(&[&a], &[], true))).unwrap();
    let second = endpoint(&id, "ssm", kind(&[&c], &[], true));
    assert_eq!(refused(&mut model, |m| create_vpc_endpoint(m, second)), "InvalidParameter", "the name is taken");
    let groups = |m: &Model| m.network_interfaces_of_endpoint(&made).iter().map(|eni| eni.groups.clone()).collect::<Vec<_>>();
    let default = default_group(&model, &id);
    assert_eq!(groups(&model), [vec![default.clone()]], "VPCE-5: the default group if none");
    let request = CreateSecurityGroup {
        group_name: "web".into(),
        description: "web".into(),
        vpc_id: Some(id.clone()),
        ..Default::default()
    };
    let web = create_security_group(&mut model, request).unwrap();
    let change = ModifyVpcEndpoint {
        add_subnet_ids: vec![c.clone()],
        add_security_group_ids: vec![web.clone()],
        remove_security_group_ids: vec![default],
        ..ModifyVpcEndpoint::new(made.clone())
    };
    modify_vpc_endpoint(&mut model, change).unwrap();
    assert_eq!(groups(&model), [vec![web.clone()], vec![web.clone()]]);
    let last = ModifyVpcEndpoint { remove_security_group_ids: vec![web], ..ModifyVpcEndpoint::new(made.clone()) };
    assert_eq!(refused(&mut model, |m| modify_vpc_endpoint(m, last)), "InvalidParameter", "one group must stay");
    assert_eq!(refused(&mut model, |m| delete_subnet(m, &a)), "DependencyViolation", "SUB-10");
    let leave = ModifyVpcEndpoint { remove_subnet_ids: vec![a.clone()], ..ModifyVpcEndpoint::new(made.clone()) };
    modify_vpc_endpoint(&mut model, leave).unwrap();
    delete_subnet(&mut model, &a).unwrap();
    delete_vpc_endpoint(&mut model, &made).unwrap();
    assert!(model.network_interfaces.is_empty(), "the interfaces go at once");
}

fn entry(block: &str) -> PrefixListEntry {
    PrefixListEntry { cidr: block.parse().unwrap(), description: String::new() }
}

#[test]
fn a_prefix_list_has_a_family_a_maximum_and_versions() {
    let mut model = empty();
    let of = |name: &str, max_entries: u32, entries: &[&str]| CreateManagedPrefixList {
        prefix_list_name: name.into(),
        max_entries,
        entries: entries.iter().map(|e| entry(e)).collect(),
        ..Default::default()
    };
    for (request, code) in [
        (of("com.amazonaws.mine", 1, &[]), "ReservedPrefixListName"),
        (of("", 1, &[]), "InvalidParameterValue"),
        (of("l", 0, &[]), "InvalidParameterValue"),
        (of("l", 1_001, &[]), "InvalidParameterValue"),
        (of("l", 1, &["10.0.0.0/8", "11.0.0.0/8"]), "PrefixListMaxEntriesExceeded"),
        (of("l", 2, &["10.0.0.0/8", "10.1.0.0/8"]), "InvalidParameterValue"),
        (of("l", 1, &["2001:db8::/32"]), "InvalidParameterValue"),
    ] {
        let what = format!("{request:?}");
        assert_eq!(refused(&mut model, |m| create_managed_prefix_list(m, request)), code, "RT-21 {what}");
    }
    let id = create_managed_prefix_list(&mut model, of("office", 2, &["203.0.113.9/24"])).unwrap();
    assert_eq!(model.prefix_lists[&id].entries, [entry("203.0.113.0/24")], "canonical form");
    let change = ModifyManagedPrefixList {
        prefix_list_id: id.clone(),
        current_version: Some(1),
        prefix_list_name: None,
        max_entries: None,
        add_entries: vec![entry("198.51.100.0/24")],
        remove_entries: vec!["203.0.113.0/24".parse().unwrap()],
    };
    for (request, code) in [
        (ModifyManagedPrefixList { current_version: None, ..change.clone() }, "MissingParameter"),
        (ModifyManagedPrefixList { current_version: Some(2), ..change.clone() }, "PrefixListVersionMismatch"),
        (ModifyManagedPrefixList { max_entries: Some(5), ..change.clone() }, "InvalidParameterCombination"),
        (ModifyManagedPrefixList { remove_entries: vec!["9.0.0.0/8".parse().unwrap()], ..change.clone() }, "InvalidParameterValue"),
        (
            ModifyManagedPrefixList { add_entries: ["1.0.0.0/8", "2.0.0.0/8", "3.0.0.0/8"].map(entry).to_vec(), ..change.clone() },
            "PrefixListMaxEntriesExceeded",
        ),
    ] {
        assert_eq!(refused(&mut model, |m| modify_managed_prefix_list(m, request)), code, "RT-21");
    }
    modify_managed_prefix_list(&mut model, change).unwrap();
    let list = &model.prefix_lists[&id];
    assert_eq!((list.version, list.entries.clone()), (2, vec![entry("198.51.100.0/24")]), "RT-21");

    let vpc_id = vpc(&mut model, "10.0.0.0/16");
    let gateway = RouteTarget::InternetGateway(igw(&mut model, &vpc_id));
    let destination = Destination::PrefixList(id.clone());
    let table = main_table(&model, &vpc_id);
    let by_list = CreateRoute {
        route_table_id: table.clone(),
        destination: destination.clone(),
        target: gateway,
        origin: Origin::default(),
    };
    create_route(&mut model, by_list).unwrap();
    assert_eq!(refused(&mut model, |m| delete_managed_prefix_list(m, &id)), "DependencyViolation");
    delete_route(&mut model, &table, &destination).unwrap();
    delete_managed_prefix_list(&mut model, &id).unwrap();
    let aws = aws_managed_prefix_list(&mut model, "com.amazonaws.ap-northeast-2.s3").unwrap();
    assert_eq!(refused(&mut model, |m| delete_managed_prefix_list(m, &aws)), "OperationNotPermitted");
}

#[test]
fn option_sets_are_checked_used_and_replaced() {
    let mut model = empty();
    let servers = |count: u8| (1..=count).map(|i| NameServer::Address([10, 0, 0, i].into())).collect::<Vec<_>>();
    for (request, code) in [
        (CreateDhcpOptions { domain_name_servers: servers(5), ..Default::default() }, "InvalidParameterValue"),
        (CreateDhcpOptions { netbios_node_type: Some(3), ..Default::default() }, "InvalidParameterValue"),
        (CreateDhcpOptions::default(), "MissingParameter"),
    ] {
        assert_eq!(refused(&mut model, |m| create_dhcp_options(m, request)), code, "DHCP-1");
    }
    let request = CreateDhcpOptions { domain_name_servers: servers(4), ..Default::default() };
    let set = create_dhcp_options(&mut model, request).unwrap();
    let id = vpc(&mut model, "10.0.0.0/16");
    let give = |set: Option<&DhcpOptionsId>| AssociateDhcpOptions { dhcp_options_id: set.cloned(), vpc_id: id.clone() };
    associate_dhcp_options(&mut model, give(Some(&set))).unwrap();
    assert_eq!(refused(&mut model, |m| delete_dhcp_options(m, &set)), "DependencyViolation", "DHCP-3");
    associate_dhcp_options(&mut model, give(None)).unwrap();
    assert_eq!(model.vpcs[&id].dhcp_options_id, None, "DHCP-1: the word default");
    delete_dhcp_options(&mut model, &set).unwrap();
    assert_eq!(refused(&mut model, |m| associate_dhcp_options(m, give(Some(&set)))), "InvalidDhcpOptionID.NotFound");
}

#[test]
fn tags_go_on_anything_with_an_id_all_or_none() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let home = subnet(&mut model, &id, "10.0.0.0/24");
    let group = model.security_groups.values().next().unwrap().clone();
    let tags = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<Tags>();
    let on = |ids: &[&str], pairs: &[(&str, &str)]| CreateTags {
        resources: ids.iter().map(|id| id.to_string()).collect(),
        tags: tags(pairs),
    };
    let all = [id.as_str(), home.as_str(), group.id.as_str(), group.ingress[0].id.as_str()];
    create_tags(&mut model, on(&all, &[("Name", "a"), ("env", "lab")])).unwrap();
    assert_eq!(model.vpcs[&id].tags, tags(&[("Name", "a"), ("env", "lab")]));
    assert_eq!(model.security_groups[&group.id].ingress[0].tags.len(), 2);
    let long = "x".repeat(129);
    for (request, code) in [
        (on(&[id.as_str(), "subnet-0"], &[("a", "b")]), "InvalidSubnetID.NotFound"),
        (on(&["nonsense"], &[("a", "b")]), "InvalidID"),
        (on(&["sgr-0"], &[("a", "b")]), "InvalidID"),
        (on(&[id.as_str()], &[("aws:x", "b")]), "InvalidParameterValue"),
        (on(&[id.as_str()], &[(&long, "b")]), "InvalidParameterValue"),
        (on(&[id.as_str()], &[]), "MissingParameter"),
        (on(&[], &[("a", "b")]), "MissingParameter"),
    ] {
        assert_eq!(refused(&mut model, |m| create_tags(m, request)), code);
    }
    let many: Tags = (0..49).map(|i| (format!("k{i}"), String::new())).collect();
    let too_many = CreateTags { resources: vec![id.to_string()], tags: many };
    assert_eq!(refused(&mut model, |m| create_tags(m, too_many)), "TagLimitExceeded");
    let off = |pairs: &[(&str, Option<&str>)]| DeleteTags {
        resources: vec![id.to_string()],
        tags: pairs.iter().map(|(k, v)| (k.to_string(), v.map(str::to_owned))).collect(),
    };
    delete_tags(&mut model, off(&[("env", Some("other")), ("absent", None)])).unwrap();
    assert_eq!(model.vpcs[&id].tags.len(), 2, "a tag with another value stays");
    delete_tags(&mut model, off(&[("env", Some("lab"))])).unwrap();
    assert_eq!(model.vpcs[&id].tags, tags(&[("Name", "a")]));
    delete_tags(&mut model, off(&[])).unwrap();
    assert!(model.vpcs[&id].tags.is_empty(), "no keys: all go");
}
