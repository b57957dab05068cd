//! VPCs, their blocks and subnets: VPC-1 … VPC-15, SUB-1 … SUB-12, QUO-1.

use model::operation::*;
use model::vpc::CidrBlockState;
use model::*;

use crate::cloud::*;

fn add(model: &mut Model, vpc: &VpcId, block: &str) -> Result<VpcCidrAssociationId, ApiError> {
    let block = NewVpcBlock::Ipv4(net(block));
    associate_vpc_cidr_block(model, AssociateVpcCidrBlock { vpc_id: vpc.clone(), block })
}

fn add_ipv6(model: &mut Model, vpc: &VpcId) -> VpcCidrAssociationId {
    let request = AssociateVpcCidrBlock { vpc_id: vpc.clone(), block: NewVpcBlock::AmazonProvidedIpv6 };
    associate_vpc_cidr_block(model, request).unwrap()
}

#[test]
fn blocks_of_a_vpc_have_a_size_and_a_canonical_form() {
    let mut model = empty();
    for (block, stored) in [("10.0.0.0/16", "10.0.0.0/16"), ("100.68.0.18/18", "100.68.0.0/18"), ("10.8.0.18/28", "10.8.0.16/28")] {
        let id = vpc(&mut model, block);
        assert_eq!(model.vpcs[&id].primary_cidr_block(), net(stored), "VPC-1 {block}");
    }
    for block in ["10.0.0.0/15", "10.0.0.0/29", "169.254.10.0/24", "127.0.0.0/16", "224.1.0.0/16", "0.0.0.0/16"] {
        let request = CreateVpc { cidr_block: net(block), ..CreateVpc::default() };
        assert_eq!(refused(&mut model, |m| create_vpc(m, request)), "InvalidVpc.Range", "VPC-1, VPC-8 {block}");
    }
}

#[test]
fn a_new_vpc_comes_with_a_main_table_a_list_a_group_and_an_option_set() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let table = &model.route_tables[&main_table(&model, &id)];
    let routes: Vec<_> = table.routes.iter().map(|r| (r.destination.clone(), r.target.clone())).collect();
    assert_eq!(routes, [(to("10.0.0.0/16"), RouteTarget::Local)], "VPC-3, RT-1");
    let acl = model.network_acls.values().find(|acl| acl.vpc_id == id).unwrap();
    assert!(acl.is_default && acl.ingress.iter().all(|e| e.allow && e.rule_number == 100), "ACL-2");
    let group = model.security_groups.values().find(|group| group.vpc_id == id).unwrap();
    assert!(group.is_default() && group.ingress[0].peer == Peer::SecurityGroup(group.id.clone()), "SG-5");
    let options = &model.dhcp_options[model.vpcs[&id].dhcp_options_id.as_ref().unwrap()];
    assert_eq!(options.domain_name.as_deref(), Some("ap-northeast-2.compute.internal"), "DHCP-2");
    vpc(&mut model, "10.1.0.0/16");
    assert_eq!(model.dhcp_options.len(), 1, "one default set serves the region");
    assert_eq!((model.subnets.len(), model.internet_gateways.len()), (0, 0), "VPC-3");
}

#[test]
fn secondary_blocks_follow_the_table_of_families() {
    for (primary, refused_blocks, accepted) in [
        ("10.5.0.0/16", ["172.16.0.0/16", "192.168.0.0/24", "198.19.0.0/24"], ["10.0.0.0/16", "100.64.0.0/16", "8.8.0.0/16"]),
        ("10.1.0.0/16", ["10.0.0.0/16", "10.0.5.0/24", "192.168.0.0/16"], ["10.2.0.0/16", "100.64.0.0/16", "11.0.0.0/16"]),
        ("172.20.0.0/16", ["10.9.0.0/16", "172.31.0.0/20", "198.19.0.0/16"], ["172.16.0.0/16", "100.64.0.0/16", "8.8.0.0/16"]),
        ("192.168.0.0/20", ["10.9.0.0/16", "172.16.0.0/16", "198.19.0.0/16"], ["192.168.32.0/20", "100.64.0.0/16", "8.8.0.0/16"]),
        ("198.19.0.0/20", ["10.9.0.0/16", "172.16.0.0/16", "192.168.0.0/16"], ["8.8.0.0/16", "100.64.0.0/16", "11.0.0.0/16"]),
        ("100.64.0.0/16", ["10.9.0.0/16", "172.16.0.0/16", "198.19.0.0/16"], ["100.65.0.0/16", "8.8.0.0/16", "11.0.0.0/16"]),
    ] {
        let mut model = empty();
        let id = vpc(&mut model, primary);
        for block in refused_blocks {
            assert_eq!(refused(&mut model, |m| add(m, &id, block)), "InvalidVpc.Range", "VPC-7 {primary} + {block}");
        }
        for block in accepted {
            add(&mut model, &id, block).unwrap_or_else(|e| panic!("VPC-7 {primary} + {block}: {e}"));
        }
    }
}

#[test]
fn a_block_does_not_swallow_a_route_and_brings_its_local_route() {
    let mut model = empty();
    let (a, b) = (vpc(&mut model, "10.0.0.0/16"), vpc(&mut model, "10.1.0.0/16"));
    let pcx = peer(&mut model, &a, &b).unwrap();
    settle(&mut model);
    accept_vpc_peering_connection(&mut model, &pcx).unwrap();
    settle(&mut model);
    let table = main_table(&model, &a);
    create_route(&mut model, route(&table, "10.9.0.0/24", RouteTarget::VpcPeeringConnection(pcx))).unwrap();
    for block in ["10.9.0.0/24", "10.9.0.0/23", "10.9.0.0/16"] {
        assert_eq!(refused(&mut model, |m| add(m, &a, block)), "InvalidParameterValue", "VPC-5 {block}");
    }
    assert_eq!(refused(&mut model, |m| add(m, &a, "10.0.128.0/17")), "InvalidVpc.Range", "VPC-4 overlap");
    let association = add(&mut model, &a, "10.9.0.0/25").unwrap();
    let block = &model.vpcs[&a].cidr_blocks[1];
    assert_eq!((block.association_id.clone(), block.state), (association.clone(), CidrBlockState::Associating), "VPC-4");
    let has_local = |m: &Model| m.route_tables[&table].routes.iter().any(|r| r.destination == to("10.9.0.0/25"));
    assert!(has_local(&model), "VPC-6");

    settle(&mut model);
    assert_eq!(model.vpcs[&a].cidr_blocks[1].state, CidrBlockState::Associated);
    let inside = subnet(&mut model, &a, "10.9.0.0/28");
    let leave = |m: &mut Model| disassociate_vpc_cidr_block(m, &association);
    assert_eq!(refused(&mut model, leave), "DependencyViolation", "a subnet lies in it");
    delete_subnet(&mut model, &inside).unwrap();
    disassociate_vpc_cidr_block(&mut model, &association).unwrap();
    assert!(!has_local(&model));
    settle(&mut model);
    assert_eq!(model.vpcs[&a].cidr_blocks[1].state, CidrBlockState::Disassociated);
    let primary = model.vpcs[&a].cidr_blocks[0].association_id.clone();
    let leave = |m: &mut Model| disassociate_vpc_cidr_block(m, &primary);
    assert_eq!(refused(&mut model, leave), "OperationNotPermitted", "VPC-4");
    let leave = |m: &mut Model| disassociate_vpc_cidr_block(m, &association);
    assert_eq!(refused(&mut model, leave), "InvalidVpcCidrBlockAssociationID.NotFound");
}

#[test]
fn peers_limit_what_blocks_may_be_added() {
    let mut model = empty();
    let (a, b) = (vpc(&mut model, "10.0.0.0/16"), vpc(&mut model, "10.1.0.0/16"));
    let pcx = peer(&mut model, &a, &b).unwrap();
    settle(&mut model);
    assert_eq!(refused(&mut model, |m| add(m, &a, "10.2.0.0/16")), "IncorrectState", "PCX-7 requester while pending");
    add(&mut model, &b, "10.3.0.0/16").unwrap();
    accept_vpc_peering_connection(&mut model, &pcx).unwrap();
    settle(&mut model);
    assert_eq!(refused(&mut model, |m| add(m, &a, "10.3.0.0/20")), "InvalidVpc.Range", "PCX-7 overlap with the peer");
    add(&mut model, &a, "10.4.0.0/16").unwrap();
}

#[test]
fn ipv6_opens_the_default_group_and_list_that_nobody_edited() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let association = add_ipv6(&mut model, &id);
    let block = model.vpcs[&id].ipv6_blocks().next().unwrap();
    assert_eq!(block.prefix_len(), 56, "VPC-10");
    let acl = model.network_acls.values().next().unwrap();
    assert_eq!(acl.ingress.iter().map(|e| e.rule_number).collect::<Vec<_>>(), [100, 101], "ACL-2");
    let group = model.security_groups.values().next().unwrap();
    assert_eq!(group.egress.len(), 2, "SG-4");
    let other = vpc(&mut model, "10.1.0.0/16");
    add_ipv6(&mut model, &other);
    let second = model.vpcs[&other].ipv6_blocks().next().unwrap();
    assert!(!block.contains(&second) && !second.contains(&block), "VPC-10: global addresses are handed out once");

    let inner = block.subnets(64).unwrap().next().unwrap();
    let home = subnet(&mut model, &id, "10.0.0.0/24");
    for (wanted, code) in [(block, "InvalidSubnet.Range"), (net6("2001:db8::/64"), "InvalidSubnet.Range")] {
        let request = AssociateSubnetCidrBlock { subnet_id: home.clone(), ipv6_cidr_block: wanted };
        assert_eq!(refused(&mut model, |m| associate_subnet_cidr_block(m, request)), code, "{wanted}");
    }
    let request = AssociateSubnetCidrBlock { subnet_id: home.clone(), ipv6_cidr_block: inner };
    let subnet_association = associate_subnet_cidr_block(&mut model, request.clone()).unwrap();
    assert_eq!(refused(&mut model, |m| associate_subnet_cidr_block(m, request)), "InvalidSubnet.Conflict");
    assert_eq!(refused(&mut model, |m| disassociate_vpc_cidr_block(m, &association)), "DependencyViolation");
    disassociate_subnet_cidr_block(&mut model, &subnet_association).unwrap();
    disassociate_vpc_cidr_block(&mut model, &association).unwrap();
}

#[test]
fn the_default_vpc_is_made_whole_once_and_refilled() {
    let mut model = empty();
    let create_subnet_in = |m: &mut Model, zone: &str| {
        create_default_subnet(m, CreateDefaultSubnet { availability_zone: zone.into(), ..Default::default() })
    };
    assert_eq!(refused(&mut model, |m| create_subnet_in(m, "ap-northeast-2a")), "DefaultVpcDoesNotExist");
    let generation = model.generation;
    let id = create_default_vpc(&mut model, CreateDefaultVpc::default()).unwrap();
    assert_eq!(model.generation, generation + 1, "one operation, one generation");
    let made = &model.vpcs[&id];
    assert!(made.is_default && made.enable_dns_hostnames && made.enable_dns_support, "VPC-11");
    let blocks: Vec<_> = model.subnets.values().map(|s| (s.availability_zone.clone(), s.cidr_block)).collect();
    let mut blocks = blocks;
    blocks.sort();
    let zones = ["a", "b", "c", "d"].map(|zone| format!("ap-northeast-2{zone}"));
    let expected = ["172.31.0.0/20", "172.31.16.0/20", "172.31.32.0/20", "172.31.48.0/20"].map(net);
    assert_eq!(blocks, zones.into_iter().zip(expected).collect::<Vec<_>>(), "VPC-11, VPC-12");
    assert!(model.subnets.values().all(|s| s.map_public_ip_on_launch && model.available_ip_address_count(s) == 4_091));
    let main = &model.route_tables[&main_table(&model, &id)];
    assert!(main.routes.iter().any(|r| r.destination == to("0.0.0.0/0")), "VPC-11");
    assert_eq!(refused(&mut model, |m| create_default_vpc(m, CreateDefaultVpc::default())), "DefaultVpcAlreadyExists");
    let taken = refused(&mut model, |m| create_subnet_in(m, "ap-northeast-2b"));
    assert_eq!(taken, "DefaultSubnetAlreadyExistsInAvailabilityZone", "VPC-12");
    let gone = model.subnets.values().find(|s| s.availability_zone.ends_with('b')).unwrap().id.clone();
    delete_subnet(&mut model, &gone).unwrap();
    let again = create_subnet_in(&mut model, "ap-northeast-2b").unwrap();
    assert_eq!(model.subnets[&again].cidr_block, net("172.31.16.0/20"), "VPC-12: the next free slot");
    assert_eq!(refused(&mut model, |m| create_subnet_in(m, "eu-west-1a")), "InvalidParameterValue", "GEO-2");
}

#[test]
fn a_default_vpc_that_cannot_be_finished_leaves_nothing() {
    let mut model = empty();
    model.quotas.internet_gateways_per_region = 0;
    let code = refused(&mut model, |m| create_default_vpc(m, CreateDefaultVpc::default()));
    assert_eq!(code, "InternetGatewayLimitExceeded");
}

#[test]
fn a_vpc_goes_when_nothing_of_its_user_is_left() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let violated = |m: &mut Model, what: &str| {
        assert_eq!(refused(m, |m| delete_vpc(m, &id)), "DependencyViolation", "VPC-14 {what}");
    };
    let home = subnet(&mut model, &id, "10.0.0.0/24");
    violated(&mut model, "subnet");
    delete_subnet(&mut model, &home).unwrap();
    let gateway = igw(&mut model, &id);
    violated(&mut model, "internet gateway");
    detach_internet_gateway(&mut model, &gateway, &id).unwrap();
    let extra = table(&mut model, &id);
    violated(&mut model, "route table");
    delete_route_table(&mut model, &extra).unwrap();
    let request = CreateVpcEndpoint {
        vpc_id: id.clone(),
        service_name: "com.amazonaws.ap-northeast-2.s3".into(),
        kind: CreateVpcEndpointKind::Gateway { route_table_ids: vec![] },
        policy_document: None,
        tags: Tags::new(),
        origin: Origin::default(),
    };
    let endpoint = create_vpc_endpoint(&mut model, request).unwrap();
    violated(&mut model, "endpoint");
    delete_vpc_endpoint(&mut model, &endpoint).unwrap();
    let group = CreateSecurityGroup {
        group_name: "g".into(),
        description: "g".into(),
        vpc_id: Some(id.clone()),
        ..Default::default()
    };
    let group = create_security_group(&mut model, group).unwrap();
    violated(&mut model, "security group");
    delete_security_group(&mut model, &group).unwrap();
    let eigw = CreateEgressOnlyInternetGateway { vpc_id: id.clone(), tags: Tags::new(), origin: Origin::default() };
    let eigw = create_egress_only_internet_gateway(&mut model, eigw).unwrap();
    violated(&mut model, "egress-only internet gateway");
    delete_egress_only_internet_gateway(&mut model, &eigw).unwrap();
    let other = vpc(&mut model, "10.1.0.0/16");
    let pcx = peer(&mut model, &id, &other).unwrap();
    delete_vpc(&mut model, &id).unwrap();
    assert_eq!(model.vpc_peering_connections[&pcx].status, peering::PeeringStatus::Deleted);
    let left = model.route_tables.len() + model.network_acls.len() + model.security_groups.len();
    assert_eq!(left, 3, "only the other VPC's table, list and group are left");
}

#[test]
fn host_names_need_dns_support() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let set = |attribute| ModifyVpcAttribute { vpc_id: id.clone(), attribute };
    modify_vpc_attribute(&mut model, set(VpcAttribute::EnableDnsHostnames(true))).unwrap();
    let off = set(VpcAttribute::EnableDnsSupport(false));
    assert_eq!(refused(&mut model, |m| modify_vpc_attribute(m, off.clone())), "InvalidParameterValue", "VPC-15");
    modify_vpc_attribute(&mut model, set(VpcAttribute::EnableDnsHostnames(false))).unwrap();
    modify_vpc_attribute(&mut model, off).unwrap();
    let on = set(VpcAttribute::EnableDnsHostnames(true));
    assert_eq!(refused(&mut model, |m| modify_vpc_attribute(m, on)), "InvalidParameterValue", "VPC-15");
}

#[test]
fn tenancy_changes_one_way() {
    let mut model = empty();
    let host = CreateVpc { cidr_block: net("10.0.0.0/16"), instance_tenancy: Some("host".into()), ..Default::default() };
    assert_eq!(refused(&mut model, |m| create_vpc(m, host)), "InvalidParameterValue", "VPC-9");
    let dedicated =
        CreateVpc { cidr_block: net("10.0.0.0/16"), instance_tenancy: Some("dedicated".into()), ..Default::default() };
    let id = create_vpc(&mut model, dedicated).unwrap();
    assert_eq!(refused(&mut model, |m| modify_vpc_tenancy(m, &id, "dedicated")), "InvalidParameterValue", "VPC-9");
    modify_vpc_tenancy(&mut model, &id, "default").unwrap();
    assert!(!model.vpcs[&id].dedicated_tenancy);
}

#[test]
fn subnets_lie_inside_and_beside_each_other() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    subnet(&mut model, &id, "10.0.10.0/24");
    for (block, code) in [
        ("10.0.10.128/25", "InvalidSubnet.Conflict"),
        ("10.0.0.0/16", "InvalidSubnet.Conflict"),
        ("10.1.0.0/24", "InvalidSubnet.Range"),
        ("10.0.20.0/29", "InvalidSubnet.Range"),
        ("10.0.0.0/15", "InvalidSubnet.Range"),
    ] {
        let request = CreateSubnet::new(id.clone(), net(block));
        assert_eq!(refused(&mut model, |m| create_subnet(m, request)), code, "SUB-1 {block}");
    }
    let canonical = subnet(&mut model, &id, "10.0.20.77/24");
    assert_eq!(model.subnets[&canonical].cidr_block, net("10.0.20.0/24"), "SUB-1");
    let whole = vpc(&mut model, "10.2.0.0/24");
    subnet(&mut model, &whole, "10.2.0.0/24");
    let by_id = CreateSubnet { availability_zone: Some("apne2-az3".into()), ..CreateSubnet::new(id, net("10.0.30.0/24")) };
    let by_id = create_subnet(&mut model, by_id).unwrap();
    assert_eq!(model.subnets[&by_id].availability_zone, "ap-northeast-2c", "GEO-3");
}

#[test]
fn five_addresses_are_kept_and_stopped_instances_hold_theirs() {
    let mut model = empty();
    let id = vpc(&mut model, "10.0.0.0/16");
    let small = subnet(&mut model, &id, "10.0.0.0/28");
    let free = |m: &Model| m.available_ip_address_count(&m.subnets[&small]);
    assert_eq!(free(&model), 11, "SUB-4");
    let first = eni(&mut model, &small);
    assert_eq!(model.network_interfaces[&first].primary_address().to_string(), "10.0.0.4", "SUB-2: the lowest free one");
    let host = instance(&mut model, &small);
    create_nat_gateway(&mut model, nat(&small, None)).unwrap();
    assert_eq!(free(&model), 8, "SUB-4: interface, instance, NAT gateway");
    stop_instances(&mut model, &[host]).unwrap();
    settle(&mut model);
    assert_eq!(free(&model), 8, "SUB-4: a stopped instance holds its address");
    for (address, code) in [
        ("10.0.0.0", "InvalidParameterValue"),
        ("10.0.0.3", "InvalidParameterValue"),
        ("10.0.0.15", "InvalidParameterValue"),
        ("10.0.1.5", "InvalidParameterValue"),
        ("10.0.0.4", "InvalidIPAddress.InUse"),
    ] {
        let mut request = nat(&small, None);
        request.private_ip_address = Some(address.parse().unwrap());
        assert_eq!(refused(&mut model, |m| create_nat_gateway(m, request)), code, "SUB-2, ENI-10 {address}");
    }
    assert_eq!(refused(&mut model, |m| delete_subnet(m, &small)), "DependencyViolation", "SUB-10");
    for _ in 0..8 {
        eni(&mut model, &small);
    }
    let more = CreateNetworkInterface::in_subnet(small.clone());
    let code = refused(&mut model, |m| create_network_interface(m, more));
    assert_eq!(code, "InsufficientFreeAddressesInSubnet", "SUB-5");
}

#[test]
fn quotas_of_vpcs_blocks_and_subnets_hold() {
    let mut model = empty();
    for i in 0..5 {
        vpc(&mut model, &format!("10.{i}.0.0/16"));
    }
    let sixth = CreateVpc { cidr_block: net("10.9.0.0/16"), ..CreateVpc::default() };
    assert_eq!(refused(&mut model, |m| create_vpc(m, sixth)), "VpcLimitExceeded", "QUO-1");
    let id = model.vpcs.keys().next().unwrap().clone();
    for i in 0..4 {
        add(&mut model, &id, &format!("100.{}.0.0/16", 64 + i)).unwrap();
    }
    assert_eq!(refused(&mut model, |m| add(m, &id, "100.80.0.0/16")), "CidrLimitExceeded", "QUO-1");
    model.quotas.subnets_per_vpc = 1;
    subnet(&mut model, &id, "100.64.0.0/24");
    let second = CreateSubnet::new(id, net("100.64.1.0/24"));
    assert_eq!(refused(&mut model, |m| create_subnet(m, second)), "SubnetLimitExceeded", "QUO-1");
}
