//! Laws that hold after any sequence of calls: what exists is consistent, and what is refused changes nothing.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;
use model::cidr::overlaps;
use model::endpoint::VpcEndpointKind;
use model::operation::*;
use model::route_table::{Associated, RouteOrigin};
use model::*;
use proptest::prelude::*;

use crate::cloud::*;

/// One call with numbers that choose among what exists and among some arguments.
type Step = (u8, u8, u8, u8);

/// The `n`th of the things there are, going round; a made-up id when there are none.
fn nth<Id: Clone + std::str::FromStr, T>(things: &Table<Id, T>, n: u8, made_up: &str) -> Id {
    match things.keys().nth(usize::from(n) % things.len().max(1)) {
        // Now and then an id that nobody has.
        Some(id) if n < 240 => id.clone(),
        _ => made_up.parse().unwrap_or_else(|_| panic!("{made_up} is no id")),
    }
}

const BLOCKS: [&str; 12] = [
    "10.0.0.0/16", "10.1.0.0/16", "10.0.0.0/24", "10.0.0.128/25", "10.0.1.0/24", "10.1.0.0/24", "10.1.1.0/28",
    "100.64.0.0/16", "100.64.0.0/24", "172.16.0.0/16", "0.0.0.0/0", "192.168.0.0/29",
];

/// A /26 of one of the VPC's blocks, most of the time.
fn inside(model: &Model, vpc: &VpcId, n: u8, choice: u8) -> Option<Ipv4Net> {
    let blocks: Vec<_> = model.vpcs.get(vpc)?.ipv4_blocks().collect();
    let whole = blocks[usize::from(n) % blocks.len()];
    let length = whole.prefix_len().max(26);
    (!choice.is_multiple_of(4)).then(|| whole.subnets(length).unwrap().nth(usize::from(n % 32)))?
}

/// Performs one step; `Ok(())` if the call succeeded.
fn perform(model: &mut Model, (verb, a, b, c): Step) -> Result<(), ApiError> {
    let block = |n: u8| net(BLOCKS[usize::from(n) % BLOCKS.len()]);
    let vpc = nth(&model.vpcs, a, "vpc-0");
    let subnet = nth(&model.subnets, a, "subnet-0");
    let table = nth(&model.route_tables, a, "rtb-0");
    let gateway = nth(&model.internet_gateways, a, "igw-0");
    let interface = nth(&model.network_interfaces, b, "eni-0");
    let address = nth(&model.addresses, a, "eipalloc-0");
    let nat_gateway = nth(&model.nat_gateways, a, "nat-0");
    let peering = nth(&model.vpc_peering_connections, a, "pcx-0");
    let endpoint = nth(&model.vpc_endpoints, a, "vpce-0");
    let instance = nth(&model.instances, a, "i-0");
    let (tags, origin) = (Tags::new(), Origin::default());
    match verb % 36 {
        0 | 1 => create_vpc(model, CreateVpc {
            cidr_block: block(a), amazon_provided_ipv6_cidr_block: b.is_multiple_of(3), ..CreateVpc::default()
        }).map(drop),
        2 => create_default_vpc(model, CreateDefaultVpc::default()).map(drop),
        3 => delete_vpc(model, &vpc),
        4 => associate_vpc_cidr_block(model, AssociateVpcCidrBlock {
            vpc_id: vpc,
            block: if c % 4 == 0 { NewVpcBlock::AmazonProvidedIpv6 } else { NewVpcBlock::Ipv4(block(b)) },
        }).map(drop),
        5 => {
            let skip = usize::from(!b.is_multiple_of(8)); // Mostly secondary blocks: the primary one never leaves.
            let all: Vec<_> =
                model.vpcs.values().flat_map(|v| v.cidr_blocks.iter().skip(skip).map(|b| &b.association_id)).collect();
            let id = all.get(usize::from(a) % all.len().max(1)).map_or("vpc-cidr-assoc-0".parse().unwrap(), |id| (*id).clone());
            disassociate_vpc_cidr_block(model, &id).map(drop)
        }
        6 => {
            let attribute = if b % 2 == 0 { VpcAttribute::EnableDnsSupport(c % 2 == 0) } else { VpcAttribute::EnableDnsHostnames(c % 2 == 0) };
            modify_vpc_attribute(model, ModifyVpcAttribute { vpc_id: vpc, attribute })
        }
        7..=9 => create_subnet(model, CreateSubnet {
            availability_zone: (c % 3 == 0).then(|| "ap-northeast-2b".to_owned()),
            ..CreateSubnet::new(vpc.clone(), inside(model, &vpc, b, c).unwrap_or(block(b)))
        }).map(drop),
        10 => delete_subnet(model, &subnet),
        11 => {
            let attribute = SubnetAttribute::MapPublicIpOnLaunch(b % 2 == 0);
            modify_subnet_attribute(model, ModifySubnetAttribute { subnet_id: subnet, attribute })
        }
        12 => create_route_table(model, CreateRouteTable { vpc_id: vpc, tags, origin }).map(drop),
        13 => delete_route_table(model, &table),
        14 => {
            let to = match c % 3 {
                0 => Associated::InternetGateway(nth(&model.internet_gateways, b, "igw-0")),
                _ => Associated::Subnet(nth(&model.subnets, b, "subnet-0")),
            };
            associate(model, &table, to).map(drop)
        }
        15 => {
            let all: Vec<_> = model.route_tables.values().flat_map(|t| t.associations.iter().map(|x| &x.id)).collect();
            let id = all.get(usize::from(b) % all.len().max(1)).map_or("rtbassoc-0".parse().unwrap(), |id| (*id).clone());
            match c % 2 {
                0 => disassociate_route_table(model, &id),
                _ => replace_route_table_association(model, &id, &table).map(drop),
            }
        }
        16 | 17 => {
            let target = match c % 6 {
                0 => RouteTarget::InternetGateway(nth(&model.internet_gateways, b, "igw-0")),
                1 => RouteTarget::NatGateway(nth(&model.nat_gateways, b, "nat-0")),
                2 => RouteTarget::VpcPeeringConnection(nth(&model.vpc_peering_connections, b, "pcx-0")),
                3 => RouteTarget::Local,
                _ => RouteTarget::NetworkInterface(interface),
            };
            let request = CreateRoute { route_table_id: table, destination: Destination::Ipv4(block(b)), target, origin };
            if verb % 36 == 16 { create_route(model, request) } else { replace_route(model, request) }
        }
        18 => delete_route(model, &table, &Destination::Ipv4(block(b))),
        19 => create_internet_gateway(model, CreateInternetGateway { tags, origin }).map(drop),
        20 => attach_internet_gateway(model, &gateway, &nth(&model.vpcs, b, "vpc-0")),
        21 => detach_internet_gateway(model, &gateway, &nth(&model.vpcs, b, "vpc-0")),
        22 => delete_internet_gateway(model, &gateway),
        23 => allocate_address(model, AllocateAddress {
            address: (a % 4 == 0).then(|| [198, 51, 100, b].into()), tags, origin,
        }).map(drop),
        24 => associate_address(model, AssociateAddress {
            allow_reassociation: (c % 3 == 0).then_some(false), ..eip_to(&address, &interface)
        }).map(drop),
        25 => {
            let ip = model.addresses.get(&address).map_or([1, 2, 3, 4].into(), |address| address.public_ip);
            disassociate_address(model, &AssociationName::PublicIp(ip))
        }
        26 => release_address(model, &AddressName::Allocation(address)),
        27 => create_nat_gateway(model, nat(&subnet, (b % 3 != 0).then(|| nth(&model.addresses, b, "eipalloc-0")).as_ref())).map(drop),
        28 => delete_nat_gateway(model, &nat_gateway),
        29 => peer(model, &vpc, &nth(&model.vpcs, b, "vpc-0")).map(drop),
        30 => match b % 4 {
            0 => delete_vpc_peering_connection(model, &peering),
            1 => reject_vpc_peering_connection(model, &peering),
            _ => accept_vpc_peering_connection(model, &peering),
        },
        31 => {
            let kind = match b % 2 {
                0 => CreateVpcEndpointKind::Gateway { route_table_ids: vec![nth(&model.route_tables, c, "rtb-0")] },
                _ => CreateVpcEndpointKind::Interface {
                    subnet_ids: vec![nth(&model.subnets, c, "subnet-0")], security_group_ids: vec![], private_dns_enabled: c % 2 == 0,
                },
            };
            let service_name = "com.amazonaws.ap-northeast-2.s3".to_owned();
            create_vpc_endpoint(model, CreateVpcEndpoint { vpc_id: vpc, service_name, kind, policy_document: None, tags, origin }).map(drop)
        }
        32 => match b % 2 {
            0 => delete_vpc_endpoint(model, &endpoint),
            _ => modify_vpc_endpoint(model, ModifyVpcEndpoint {
                remove_subnet_ids: vec![nth(&model.subnets, c, "subnet-0")], ..ModifyVpcEndpoint::new(endpoint)
            }),
        },
        33 => match b % 2 {
            0 => create_network_interface(model, CreateNetworkInterface::in_subnet(subnet)).map(drop),
            _ => delete_network_interface(model, &interface),
        },
        34 => {
            let image = image::default_for(&model.region, instance_type::Architecture::X86_64);
            run_instances(model, RunInstances { subnet_id: Some(subnet), ..RunInstances::of(image) }).map(drop)
        }
        _ => match b % 3 {
            0 => start_instances(model, &[instance]).map(drop),
            1 => stop_instances(model, &[instance]).map(drop),
            _ => terminate_instances(model, &[instance]).map(drop),
        },
    }
}

/// What must hold of every model; the rule or the reason is named where it does not.
fn check(model: &Model) -> Result<(), TestCaseError> {
    for vpc in model.vpcs.values() {
        let tables = || model.route_tables.values().filter(|t| t.vpc_id == vpc.id);
        prop_assert_eq!(tables().filter(|t| t.is_main()).count(), 1, "RT-11: one main table");
        prop_assert_eq!(model.network_acls.values().filter(|l| l.vpc_id == vpc.id && l.is_default).count(), 1, "ACL-2");
        prop_assert_eq!(model.security_groups.values().filter(|g| g.vpc_id == vpc.id && g.is_default()).count(), 1, "SG-5");
        prop_assert!(vpc.enable_dns_support || !vpc.enable_dns_hostnames, "VPC-15");
        let attached = model.internet_gateways.values().filter(|g| g.vpc_id.as_ref() == Some(&vpc.id)).count();
        prop_assert!(attached <= 1, "IGW-1");
        let blocks: Vec<Ipv4Net> = vpc.ipv4_blocks().collect();
        prop_assert!(pairs(&blocks).all(|(a, b)| !overlaps(*a, *b)), "VPC-4: {:?}", blocks);
        let wanted: BTreeSet<_> =
            blocks.iter().copied().map(Destination::Ipv4).chain(vpc.ipv6_blocks().map(Destination::Ipv6)).collect();
        for table in tables() {
            let local = table.routes.iter().filter(|r| r.created_by == RouteOrigin::CreateRouteTable);
            let local: Vec<_> = local.map(|r| r.destination.clone()).collect();
            prop_assert_eq!(local.len(), wanted.len(), "RT-1, VPC-6: one local route a block");
            prop_assert_eq!(&local.into_iter().collect::<BTreeSet<_>>(), &wanted, "RT-1, VPC-6");
            let mut seen = BTreeSet::new();
            prop_assert!(table.routes.iter().all(|r| seen.insert(&r.destination)), "RT-15: one route a destination");
        }
    }
    prop_assert!(model.route_tables.values().all(|t| model.vpcs.contains_key(&t.vpc_id)));
    let gateways = model.internet_gateways.values().filter_map(|g| g.vpc_id.as_ref());
    prop_assert!(gateways.into_iter().all(|vpc| model.vpcs.contains_key(vpc)));

    let subnets: Vec<&Subnet> = model.subnets.values().collect();
    prop_assert!(pairs(&subnets).all(|(a, b)| a.vpc_id != b.vpc_id || !overlaps(a.cidr_block, b.cidr_block)), "SUB-1");
    for subnet in &subnets {
        let vpc = &model.vpcs[&subnet.vpc_id];
        prop_assert!(vpc.ipv4_blocks().any(|block| block.contains(&subnet.cidr_block)), "SUB-1");
        let lists = model.network_acls.values().flat_map(|acl| acl.associations.iter().map(move |a| (&acl.vpc_id, a)));
        let lists: Vec<_> = lists.filter(|(_, a)| a.subnet_id == subnet.id).collect();
        prop_assert!(matches!(lists[..], [(vpc, _)] if *vpc == subnet.vpc_id), "SUB-9: exactly one list");
        let explicit = Associated::Subnet(subnet.id.clone());
        let uses = model.route_tables.values().flat_map(|t| &t.associations).filter(|a| a.to == explicit).count();
        prop_assert!(uses <= 1, "SUB-9, RT-22");
        prop_assert!(model.route_table_of(subnet).is_some_and(|t| t.vpc_id == subnet.vpc_id), "SUB-9");
    }
    for association in model.route_tables.values().flat_map(|t| &t.associations) {
        if let Associated::Subnet(id) = &association.to {
            prop_assert!(model.subnets.contains_key(id), "no association outlives its subnet");
        }
    }
    for association in model.network_acls.values().flat_map(|acl| &acl.associations) {
        prop_assert!(model.subnets.contains_key(&association.subnet_id), "no association outlives its subnet");
    }
    check_addresses(model)?;
    for endpoint in model.vpc_endpoints.values() {
        if let VpcEndpointKind::Gateway { route_table_ids, .. } = &endpoint.kind {
            let target = RouteTarget::VpcEndpoint(endpoint.id.clone());
            let with_route = model.route_tables.values().filter(|t| t.routes.iter().any(|r| r.target == target));
            let with_route: Vec<_> = with_route.map(|t| t.id.clone()).collect();
            let named: BTreeSet<_> = route_table_ids.iter().cloned().collect();
            prop_assert!(!endpoint.state.holds_the_vpc() || named == with_route.into_iter().collect(), "VPCE-1");
        }
    }
    Ok(())
}

fn check_addresses(model: &Model) -> Result<(), TestCaseError> {
    let (mut private, mut macs, mut public) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for eni in model.network_interfaces.values() {
        let subnet = model.subnets.get(&eni.subnet_id);
        prop_assert!(subnet.is_some(), "SUB-10: an interface keeps its subnet");
        let subnet = &model.subnets[&eni.subnet_id];
        prop_assert_eq!(&subnet.vpc_id, &eni.vpc_id);
        prop_assert!(macs.insert(eni.mac_address), "ENI-9");
        for address in &eni.private_ip_addresses {
            prop_assert!(subnet.cidr_block.contains(address) && !subnet.is_reserved(*address), "SUB-2 {}", address);
            prop_assert!(private.insert((&eni.subnet_id, address)), "ENI-10: {} twice", address);
        }
        for group in &eni.groups {
            prop_assert!(model.security_groups.get(group).is_some_and(|g| g.vpc_id == eni.vpc_id), "SG-1");
        }
        if let Some(address) = eni.auto_public_ip {
            prop_assert!(public.insert(address), "PIP-1: {} twice", address);
            let elastic = model.elastic_ip_of(&eni.id, eni.primary_address());
            prop_assert!(elastic.is_none(), "EIP-6: the auto-assigned address is gone");
        }
    }
    let mut mapped = BTreeSet::new();
    for address in model.addresses.values() {
        prop_assert!(public.insert(address.public_ip), "EIP-1: {} twice", address.public_ip);
        let Some(association) = &address.association else { continue };
        let eni = model.network_interfaces.get(&association.network_interface_id);
        prop_assert!(eni.is_some_and(|e| e.private_ip_addresses.contains(&association.private_ip_address)), "EIP-2");
        prop_assert!(mapped.insert((&association.network_interface_id, association.private_ip_address)), "EIP-2");
    }
    for gateway in model.nat_gateways.values() {
        use model::nat_gateway::NatGatewayState::{Available, Pending};
        let works = matches!(gateway.state, Available | Pending) && gateway.failure.is_none();
        let has = gateway.network_interface_id.as_ref().is_some_and(|id| model.network_interfaces.contains_key(id));
        prop_assert_eq!(works, has, "NAT-1, NAT-18: the interface lives as long as the gateway works");
    }
    Ok(())
}

fn pairs<T>(things: &[T]) -> impl Iterator<Item = (&T, &T)> {
    things.iter().enumerate().flat_map(|(i, a)| things[i + 1..].iter().map(move |b| (a, b)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_calls_leave_a_consistent_model_and_refusals_change_nothing(
        starts_with_default_vpc: bool,
        steps in proptest::collection::vec(any::<(Step, u16)>(), 1..80),
    ) {
        let mut model = empty();
        if starts_with_default_vpc {
            create_default_vpc(&mut model, CreateDefaultVpc::default()).unwrap();
        }
        model.quotas.addresses_per_region = 20;
        for (step, pause) in steps {
            let before = model.clone();
            match perform(&mut model, step) {
                Err(error) => prop_assert!(model == before, "{:?} was refused and changed the model: {}", step, error),
                Ok(()) if model.generation == before.generation => {
                    prop_assert!(model == before, "{:?} changed the model without raising the generation", step);
                }
                Ok(()) => {}
            }
            check(&model)?;
            let at = model.context.now.plus(u64::from(pause % 64));
            model.advance_to(at);
            check(&model)?;
        }
        let end = model.context.now.plus(10_000);
        model.advance_to(end);
        check(&model)?;
        let settled = model.clone();
        model.advance_to(end);
        prop_assert!(model == settled, "time that does not pass changes nothing");
        let text = serde_json::to_string(&model).unwrap();
        prop_assert!(serde_json::from_str::<Model>(&text).unwrap() == model, "what is stored is what is read");
    }
}
