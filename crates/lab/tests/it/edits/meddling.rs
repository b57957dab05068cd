//! What people do to a running lab by other doors, and that the file still has the last word.

use model::operation::*;
use model::route_table::Associated;
use model::transit_gateway::VpcAttachmentOptions;
use model::*;

/// Does something to a cloud, chosen by four bytes. What is refused changes nothing.
pub fn meddle(model: &mut Model, [what, a, b, c]: [u8; 4]) {
    let [a, b, c] = [a, b, c].map(usize::from);
    macro_rules! any {
        ($things:ident, $at:expr) => {{
            let all: Vec<_> = model.$things.keys().cloned().collect();
            match all.is_empty() {
                true => return,
                false => all[$at % all.len()].clone(),
            }
        }};
    }
    let image = image::default_for(&model.region, instance_type::Architecture::X86_64);
    match what % 39 {
        0 => {
            let table = any!(route_tables, a);
            let routes = &model.route_tables[&table].routes;
            let destination = routes[b % routes.len()].destination.clone();
            let _ = delete_route(model, &table, &destination);
        }
        1 => {
            let _ = run_instances(model, RunInstances { subnet_id: Some(any!(subnets, a)), ..RunInstances::of(image) });
        }
        2 => {
            let protected = RunInstances {
                subnet_id: Some(any!(subnets, a)),
                disable_api_termination: true,
                disable_api_stop: true,
                ..RunInstances::of(image)
            };
            let _ = run_instances(model, protected);
        }
        3 => drop(stop_instances(model, &[any!(instances, a)])),
        4 => drop(terminate_instances(model, &[any!(instances, a)])),
        5 => {
            let gateway = any!(internet_gateways, a);
            if let Some(vpc) = model.internet_gateways[&gateway].vpc_id.clone() {
                let _ = detach_internet_gateway(model, &gateway, &vpc);
            }
        }
        6 => drop(create_network_interface(model, CreateNetworkInterface::in_subnet(any!(subnets, a)))),
        7 => {
            let instance = any!(instances, a);
            if let Ok(network_interface_id) = create_network_interface(model, CreateNetworkInterface::in_subnet(any!(subnets, b)))
            {
                let request =
                    AttachNetworkInterface { network_interface_id, instance_id: instance, device_index: 1 + c as u32 % 2 };
                let _ = attach_network_interface(model, request);
            }
        }
        8 => {
            let request = CreateSecurityGroup {
                group_name: format!("g{b}"),
                description: "x".into(),
                vpc_id: Some(any!(vpcs, a)),
                ..CreateSecurityGroup::default()
            };
            if let Ok(group) = create_security_group(model, request) {
                let interface = any!(network_interfaces, c);
                let request = ModifyNetworkInterfaceAttribute {
                    groups: Some(vec![group]),
                    ..ModifyNetworkInterfaceAttribute::of(interface)
                };
                let _ = modify_network_interface_attribute(model, request);
            }
        }
        9 => {
            let (group_id, peer) = (any!(security_groups, a), Peer::SecurityGroup(any!(security_groups, b)));
            let rules = vec![RuleSpecification::new(TrafficMatch::All, peer)];
            let _ = authorize_security_group_ingress(model, AuthorizeSecurityGroup { group_id, rules });
        }
        10 => {
            let group_id = any!(security_groups, a);
            let security_group_rule_ids = model.security_groups[&group_id].egress.iter().map(|rule| rule.id.clone()).collect();
            let _ =
                revoke_security_group_egress(model, RevokeSecurityGroup { group_id, rules: Vec::new(), security_group_rule_ids });
        }
        11 => {
            if let Ok(allocation) = allocate_address(model, AllocateAddress::default()) {
                let request = AssociateAddress {
                    address: AddressName::Allocation(allocation),
                    target: AddressTarget::NetworkInterface(any!(network_interfaces, a)),
                    private_ip_address: None,
                    allow_reassociation: Some(true),
                };
                let _ = associate_address(model, request);
            }
        }
        12 => {
            let address = model.addresses[&any!(addresses, a)].public_ip;
            let _ = disassociate_address(model, &AssociationName::PublicIp(address));
            if b % 2 == 0 {
                let _ = release_address(model, &AddressName::PublicIp(address));
            }
        }
        13 => drop(delete_nat_gateway(model, &any!(nat_gateways, a))),
        14 => drop(delete_vpc_peering_connection(model, &any!(vpc_peering_connections, a))),
        15 => drop(delete_vpc_endpoint(model, &any!(vpc_endpoints, a))),
        16 => {
            let cidr_block = format!("10.{}.0.0/16", 100 + b % 50).parse().unwrap();
            if let Ok(vpc) = create_vpc(model, CreateVpc { cidr_block, ..CreateVpc::default() }) {
                let block = format!("10.{}.1.0/24", 100 + b % 50).parse().unwrap();
                let _ = create_subnet(model, CreateSubnet::new(vpc, block));
            }
        }
        17 => {
            // Another name for a thing, or a name that another thing has.
            let ids = [
                any!(subnets, a).to_string(),
                any!(vpcs, a).to_string(),
                any!(instances, a).to_string(),
                any!(route_tables, a).to_string(),
            ];
            let name = ["a", "shop", "web", "t1", "other"][c % 5].to_owned();
            let tags = [("Name".to_owned(), name)].into();
            let _ = create_tags(model, CreateTags { resources: vec![ids[b % 4].clone()], tags });
        }
        18 => {
            let table = any!(route_tables, a);
            let vpc = model.route_tables[&table].vpc_id.clone();
            let main = model.route_tables.values().find(|t| t.vpc_id == vpc && t.is_main()).unwrap();
            let association = main.associations.iter().find(|a| a.to == Associated::Main).unwrap().id.clone();
            let _ = replace_route_table_association(model, &association, &table);
        }
        19 => {
            if let Ok(gateway) = create_vpn_gateway(model, CreateVpnGateway::default()) {
                let _ = attach_vpn_gateway(model, &gateway, &any!(vpcs, a));
                let table = any!(route_tables, b);
                let _ = enable_vgw_route_propagation(model, &table, &gateway);
                let destination = Destination::Ipv4("172.20.0.0/16".parse().unwrap());
                let _ = propagate_route(model, &table, &gateway, destination, Origin::default());
            }
        }
        20 => {
            let request = AssociateVpcCidrBlock {
                vpc_id: any!(vpcs, a),
                block: NewVpcBlock::Ipv4(format!("10.{}.0.0/16", 200 + b % 50).parse().unwrap()),
            };
            let _ = associate_vpc_cidr_block(model, request);
        }
        21 => {
            let request = AssignPrivateIpAddresses {
                network_interface_id: any!(network_interfaces, a),
                private_ip_addresses: Vec::new(),
                secondary_private_ip_address_count: 1,
                allow_reassignment: false,
            };
            let _ = assign_private_ip_addresses(model, request);
        }
        22 => {
            let vpc_id = any!(vpcs, a);
            let _ = modify_vpc_attribute(
                model,
                ModifyVpcAttribute { vpc_id: vpc_id.clone(), attribute: VpcAttribute::EnableDnsHostnames(false) },
            );
            let _ = modify_vpc_attribute(
                model,
                ModifyVpcAttribute { vpc_id: vpc_id.clone(), attribute: VpcAttribute::EnableDnsSupport(b % 2 == 0) },
            );
            let _ = associate_dhcp_options(model, AssociateDhcpOptions { dhcp_options_id: None, vpc_id });
        }
        23 => {
            let acl = any!(network_acls, a);
            if let Some(association) =
                model.network_acls.values().flat_map(|acl| &acl.associations).nth(b % 4).map(|a| a.id.clone())
            {
                let _ = replace_network_acl_association(model, &association, &acl);
            }
            let entries = &model.network_acls[&acl].ingress;
            if let Some(number) = entries.first().map(|entry| entry.rule_number) {
                let _ = delete_network_acl_entry(model, &acl, Direction::Ingress, number);
            }
        }
        24 => {
            let instance = any!(instances, a);
            let request = ModifyInstanceAttribute {
                disable_api_termination: Some(true),
                disable_api_stop: Some(true),
                ..ModifyInstanceAttribute::of(instance)
            };
            let _ = modify_instance_attribute(model, request);
        }
        25 => {
            let request = ModifyNetworkInterfaceAttribute {
                source_dest_check: Some(b % 2 == 0),
                associate_public_ip_address: Some(c % 2 == 0),
                ..ModifyNetworkInterfaceAttribute::of(any!(network_interfaces, a))
            };
            let _ = modify_network_interface_attribute(model, request);
        }
        26 => drop(
            create_route_table(model, CreateRouteTable { vpc_id: any!(vpcs, a), tags: Tags::new(), origin: Origin::default() })
                .map(|route_table_id| {
                    let to = Associated::Subnet(model.subnets.keys().nth(b % model.subnets.len().max(1)).unwrap().clone());
                    associate_route_table(model, AssociateRouteTable { route_table_id, to })
                }),
        ),
        27 => {
            let route = CreateRoute {
                route_table_id: any!(route_tables, a),
                destination: Destination::Ipv4(["0.0.0.0/0", "198.51.100.0/24", "10.0.0.0/8"][b % 3].parse().unwrap()),
                target: RouteTarget::NetworkInterface(any!(network_interfaces, c)),
                origin: Origin::default(),
            };
            let _ = create_route(model, route.clone()).or_else(|_| replace_route(model, route));
        }
        28 => {
            let attachment = model.network_interfaces[&any!(network_interfaces, a)].attachment.as_ref().map(|a| a.id.clone());
            attachment.iter().for_each(|attachment| drop(detach_network_interface(model, attachment)));
        }
        29 => {
            let _ = create_egress_only_internet_gateway(
                model,
                CreateEgressOnlyInternetGateway { vpc_id: any!(vpcs, a), tags: Tags::new(), origin: Origin::default() },
            );
            let _ = create_vpc_peering_connection(
                model,
                CreateVpcPeeringConnection {
                    vpc_id: any!(vpcs, a),
                    peer_vpc_id: any!(vpcs, b),
                    tags: Tags::new(),
                    origin: Origin::default(),
                },
            );
        }
        30 => {
            let _ = set_outside_host(
                model,
                "elsewhere",
                OutsideHost { addresses: vec!["203.0.113.77".parse().unwrap()], origin: Origin::default() },
            );
            let instance = any!(instances, a);
            let _ = set_guest(model, &instance, Guest { run: vec!["other".into()], ..Guest::default() });
        }
        31 => {
            let vpc_id = any!(vpcs, a);
            let _ = associate_vpc_cidr_block(model, AssociateVpcCidrBlock { vpc_id: vpc_id.clone(), block: NewVpcBlock::AmazonProvidedIpv6 });
            let block = model.vpcs[&vpc_id].ipv6_blocks().next().and_then(|block| block.subnets(64).ok()?.nth(b));
            let subnets: Vec<_> = model.subnets.values().filter(|subnet| subnet.vpc_id == vpc_id).map(|subnet| subnet.id.clone()).collect();
            if let (Some(ipv6_cidr_block), Some(subnet_id)) = (block, subnets.get(c % subnets.len().max(1)).cloned()) {
                let request = AssociateSubnetCidrBlock { subnet_id: subnet_id.clone(), ipv6_cidr_block };
                let _ = associate_subnet_cidr_block(model, request);
                let attribute = SubnetAttribute::AssignIpv6AddressOnCreation(b % 2 == 0);
                let _ = modify_subnet_attribute(model, ModifySubnetAttribute { subnet_id, attribute });
            }
        }
        32 => {
            let network_interface_id = any!(network_interfaces, a);
            let request = AssignIpv6Addresses { network_interface_id, ipv6_addresses: Vec::new(), ipv6_address_count: 1 + b % 2 };
            let _ = assign_ipv6_addresses(model, request);
        }
        33 => {
            let id = any!(network_interfaces, a);
            let first = model.network_interfaces[&id].ipv6_addresses.iter().take(1).copied().collect::<Vec<_>>();
            let _ = unassign_ipv6_addresses(model, &id, &first);
            let gateway = any!(egress_only_internet_gateways, b);
            let _ = delete_egress_only_internet_gateway(model, &gateway);
        }
        34 => drop(delete_transit_gateway_attachment(model, &any!(transit_gateway_attachments, a))),
        35 => {
            let _ = create_transit_gateway(model, CreateTransitGateway { default_route_table: b % 2 == 0, ..CreateTransitGateway::default() });
            let gateway = any!(transit_gateways, a);
            let _ = create_transit_gateway_route_table(model, &gateway, Tags::new(), Origin::default());
        }
        36 => {
            let subnet = any!(subnets, a);
            let request = CreateTransitGatewayVpcAttachment {
                transit_gateway_id: any!(transit_gateways, b),
                vpc_id: model.subnets[&subnet].vpc_id.clone(),
                subnet_ids: vec![subnet],
                options: VpcAttachmentOptions { ipv6_support: c % 2 == 0, ..VpcAttachmentOptions::default() },
                tags: Tags::new(),
                origin: Origin::default(),
            };
            let _ = create_transit_gateway_vpc_attachment(model, request);
        }
        37 => {
            let (table, attachment) = (any!(transit_gateway_route_tables, a), any!(transit_gateway_attachments, b));
            let _ = disassociate_transit_gateway_route_table(model, &table, &attachment);
            let _ = set_transit_gateway_route_table_propagation(model, &table, &attachment, c % 2 == 0);
            let block = ["10.9.0.0/16", "0.0.0.0/0"][c % 2].parse().unwrap();
            let _ = create_transit_gateway_route(model, &table, block, Some(&attachment).filter(|_| c % 3 == 0));
        }
        _ => {
            let list = any!(prefix_lists, a);
            let current_version = Some(model.prefix_lists[&list].version);
            let entry = prefix_list::PrefixListEntry { cidr: "192.0.2.0/24".parse().unwrap(), description: "x".into() };
            let request = ModifyManagedPrefixList {
                prefix_list_id: list,
                current_version,
                prefix_list_name: (b % 2 == 0).then(|| "renamed".to_owned()),
                max_entries: None,
                add_entries: vec![entry],
                remove_entries: Vec::new(),
            };
            let _ = modify_managed_prefix_list(model, request);
        }
    }
    let now = model.context.now;
    model.advance_to(now.plus(if c % 3 == 0 { 1 } else { 60 }));
}
