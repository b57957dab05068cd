//! VPCs, subnets, route tables, gateways of a VPC, DHCP options.

use model::dhcp_options::NameServer;
use model::route_table::{Associated, RouteOrigin, RouteTableAssociation};
use model::vpc::{CidrBlock, CidrBlockState};
use model::*;

use super::field::{Item, Reader};
use super::json::cut;
use super::note::NoteKind;
use super::{Dump, derived};

/// Words of a block's association; failures count as gone.
const BLOCK_STATES: [(&str, CidrBlockState); 6] = [
    ("associated", CidrBlockState::Associated),
    ("associating", CidrBlockState::Associating),
    ("disassociating", CidrBlockState::Disassociating),
    ("disassociated", CidrBlockState::Disassociated),
    ("failing", CidrBlockState::Disassociated),
    ("failed", CidrBlockState::Disassociated),
];

/// What `State: attached` and `available` mean alike.
fn attachments(item: &Item<'_>, reader: &mut Reader<'_>, key: &str) -> Vec<VpcId> {
    let all = item.list(reader, key);
    let mut vpcs = Vec::new();
    for attachment in all {
        let state = attachment.text(reader, "State").unwrap_or("attached");
        if matches!(state, "attached" | "available" | "attaching") {
            vpcs.extend(attachment.required_id::<VpcId>(reader, "VpcId"));
        }
    }
    vpcs
}

impl Dump<'_, '_> {
    pub(super) fn vpcs(&mut self) {
        for mut item in self.calls.take("Vpcs") {
            let Some(id) = item.required_id::<VpcId>(&mut self.reader, "VpcId") else { continue };
            item.path = id.to_string();
            let Some(vpc) = self.vpc(&item, &id) else { continue };
            self.place(&id, &item);
            self.model.vpcs.insert(id, vpc);
        }
        for item in self.calls.take("VpcAttributes") {
            let Some(id) = item.required_id::<VpcId>(&mut self.reader, "VpcId") else { continue };
            let Some(vpc) = self.model.vpcs.get_mut(&id) else {
                self.reader.note(NoteKind::Missing, item.span(), format!("{id} has an attribute and no description"));
                continue;
            };
            if let Some(value) = item.object(&mut self.reader, "EnableDnsSupport") {
                vpc.enable_dns_support = value.bool(&mut self.reader, "Value", true);
            }
            if let Some(value) = item.object(&mut self.reader, "EnableDnsHostnames") {
                vpc.enable_dns_hostnames = value.bool(&mut self.reader, "Value", false);
            }
        }
    }

    fn vpc(&mut self, item: &Item<'_>, id: &VpcId) -> Option<Vpc> {
        let reader = &mut self.reader;
        if !item.has("CidrBlock") {
            item.missing(reader, "CidrBlock");
        }
        let primary = item.ipv4_block(reader, "CidrBlock")?;
        let mut cidr_blocks = Vec::new();
        for part in item.list(reader, "CidrBlockAssociationSet") {
            let Some(block) = part.ipv4_block(reader, "CidrBlock") else { continue };
            cidr_blocks.push(CidrBlock {
                association_id: part.id(reader, "AssociationId").or_else(|| derived("vpc-cidr-assoc", &format!("{id}{block}")))?,
                block,
                state: block_state(&part, reader, "CidrBlockState"),
                settles_at: Timestamp(0),
            });
        }
        if !cidr_blocks.iter().any(|b| b.block == primary) {
            let association_id = derived("vpc-cidr-assoc", &format!("{id}{primary}"))?;
            cidr_blocks.push(CidrBlock { association_id, block: primary, state: CidrBlockState::Associated, settles_at: Timestamp(0) });
        }
        // The primary block stands first (VPC-4).
        cidr_blocks.sort_by_key(|b| b.block != primary);
        let mut ipv6_cidr_blocks = Vec::new();
        for part in item.list(reader, "Ipv6CidrBlockAssociationSet") {
            let Some(block) = part.ipv6_block(reader, "Ipv6CidrBlock") else { continue };
            ipv6_cidr_blocks.push(CidrBlock {
                association_id: part.id(reader, "AssociationId").or_else(|| derived("vpc-cidr-assoc", &format!("{id}{block}")))?,
                block,
                state: block_state(&part, reader, "Ipv6CidrBlockState"),
                settles_at: Timestamp(0),
            });
        }
        let is_default = item.bool(reader, "IsDefault", false);
        let dhcp = item.text(reader, "DhcpOptionsId").filter(|text| !matches!(*text, "" | "default"));
        Some(Vpc {
            id: id.clone(),
            cidr_blocks,
            ipv6_cidr_blocks,
            available_at: Timestamp(0),
            dhcp_options_id: dhcp.and_then(|_| item.id(reader, "DhcpOptionsId")),
            dedicated_tenancy: item.text(reader, "InstanceTenancy") == Some("dedicated"),
            is_default,
            // `describe-vpc-attribute` tells; without it, what AWS gives a new VPC (VPC-11, VPC-15).
            enable_dns_support: true,
            enable_dns_hostnames: is_default,
            tags: item.tags(reader),
            origin: item.origin(reader),
        })
    }

    pub(super) fn subnets(&mut self) {
        for mut item in self.calls.take("Subnets") {
            let Some(id) = item.required_id::<SubnetId>(&mut self.reader, "SubnetId") else { continue };
            item.path = id.to_string();
            let reader = &mut self.reader;
            let Some(vpc_id) = item.required_id::<VpcId>(reader, "VpcId") else { continue };
            if !item.has("CidrBlock") && item.bool(reader, "Ipv6Native", false) {
                reader.note(NoteKind::NotModelled, item.span(), format!("{id} has IPv6 addresses only"));
                continue;
            }
            if !item.has("CidrBlock") {
                item.missing(reader, "CidrBlock");
            }
            let Some(cidr_block) = item.ipv4_block(reader, "CidrBlock") else { continue };
            let mut ipv6_cidr_blocks = Vec::new();
            for part in item.list(reader, "Ipv6CidrBlockAssociationSet") {
                let Some(block) = part.ipv6_block(reader, "Ipv6CidrBlock") else { continue };
                let known = part.id(reader, "AssociationId");
                let Some(association_id) = known.or_else(|| derived("subnet-cidr-assoc", &format!("{id}{block}"))) else { continue };
                let state = block_state(&part, reader, "Ipv6CidrBlockState");
                ipv6_cidr_blocks.push(CidrBlock { association_id, block, state, settles_at: Timestamp(0) });
            }
            let subnet = Subnet {
                id: id.clone(),
                vpc_id,
                cidr_block,
                ipv6_cidr_blocks,
                availability_zone: item.words(reader, "AvailabilityZone"),
                map_public_ip_on_launch: item.bool(reader, "MapPublicIpOnLaunch", false),
                assign_ipv6_address_on_creation: item.bool(reader, "AssignIpv6AddressOnCreation", false),
                default_for_az: item.bool(reader, "DefaultForAz", false),
                available_at: Timestamp(0),
                tags: item.tags(reader),
                origin: item.origin(reader),
            };
            self.place(&id, &item);
            self.model.subnets.insert(id, subnet);
        }
    }

    pub(super) fn gateways(&mut self) {
        for mut item in self.calls.take("InternetGateways") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<InternetGatewayId>(reader, "InternetGatewayId") else { continue };
            item.path = id.to_string();
            let vpc_id = attachments(&item, reader, "Attachments").into_iter().next();
            let gateway = InternetGateway { id: id.clone(), vpc_id, tags: item.tags(reader), origin: item.origin(reader) };
            self.place(&id, &item);
            self.model.internet_gateways.insert(id, gateway);
        }
        for mut item in self.calls.take("EgressOnlyInternetGateways") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<EgressOnlyInternetGatewayId>(reader, "EgressOnlyInternetGatewayId") else { continue };
            item.path = id.to_string();
            let Some(vpc_id) = attachments(&item, reader, "Attachments").into_iter().next() else { continue };
            let gateway = EgressOnlyInternetGateway { id: id.clone(), vpc_id, tags: item.tags(reader), origin: item.origin(reader) };
            self.place(&id, &item);
            self.model.egress_only_internet_gateways.insert(id, gateway);
        }
        for mut item in self.calls.take("VpnGateways") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<VpnGatewayId>(reader, "VpnGatewayId") else { continue };
            item.path = id.to_string();
            if item.text(reader, "State") == Some("deleted") {
                continue;
            }
            let vpc_id = attachments(&item, reader, "VpcAttachments").into_iter().next();
            let (tags, origin) = (item.tags(reader), item.origin(reader));
            let gateway = model::gateway::VpnGateway { id: id.clone(), vpc_id, detached_vpc_id: None, tags, origin };
            self.place(&id, &item);
            self.model.vpn_gateways.insert(id, gateway);
        }
    }

    pub(super) fn dhcp_options(&mut self) {
        for mut item in self.calls.take("DhcpOptions") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<DhcpOptionsId>(reader, "DhcpOptionsId") else { continue };
            item.path = id.to_string();
            let mut options = DhcpOptions {
                id: id.clone(),
                domain_name: None,
                domain_name_servers: Vec::new(),
                ntp_servers: Vec::new(),
                netbios_name_servers: Vec::new(),
                netbios_node_type: None,
                tags: item.tags(reader),
                origin: item.origin(reader),
            };
            for option in item.list(reader, "DhcpConfigurations") {
                let key = option.words(reader, "Key");
                let mut values = Vec::new();
                for value in option.list(reader, "Values") {
                    values.extend(value.text(reader, "Value").map(str::to_owned));
                }
                let addresses = values.iter().filter_map(|v| v.parse().ok());
                match key.as_str() {
                    "domain-name" => options.domain_name = values.into_iter().next(),
                    "domain-name-servers" => {
                        let server = |text: &String| match text.as_str() {
                            "AmazonProvidedDNS" => Some(NameServer::AmazonProvidedDns),
                            text => text.parse().ok().map(NameServer::Address),
                        };
                        options.domain_name_servers = values.iter().filter_map(server).collect();
                    }
                    "ntp-servers" => options.ntp_servers = addresses.collect(),
                    "netbios-name-servers" => options.netbios_name_servers = addresses.collect(),
                    "netbios-node-type" => options.netbios_node_type = values.first().and_then(|v| v.parse().ok()),
                    _ => {}
                }
            }
            self.place(&id, &item);
            self.model.dhcp_options.insert(id, options);
        }
    }

    pub(super) fn route_tables(&mut self) {
        for mut item in self.calls.take("RouteTables") {
            let Some(id) = item.required_id::<RouteTableId>(&mut self.reader, "RouteTableId") else { continue };
            item.path = id.to_string();
            let Some(vpc_id) = item.required_id::<VpcId>(&mut self.reader, "VpcId") else { continue };
            let mut routes = Vec::new();
            for part in item.list(&mut self.reader, "Routes") {
                let Some(route) = self.route(&part) else { continue };
                if part.text(&mut self.reader, "State") == Some("blackhole") {
                    self.blackholes.insert((id.clone(), route.destination.clone()));
                }
                routes.push(route);
            }
            let reader = &mut self.reader;
            let mut associations = Vec::new();
            for part in item.list(reader, "Associations") {
                let state = part.object(reader, "AssociationState").and_then(|state| state.text(reader, "State"));
                if matches!(state, Some("disassociating" | "disassociated" | "failed")) {
                    continue;
                }
                let to = if part.bool(reader, "Main", false) {
                    Some(Associated::Main)
                } else if part.has("SubnetId") {
                    part.id(reader, "SubnetId").map(Associated::Subnet)
                } else if part.text(reader, "GatewayId").is_some_and(|id| id.starts_with("vgw-")) {
                    part.id(reader, "GatewayId").map(Associated::VpnGateway)
                } else {
                    part.required_id(reader, "GatewayId").map(Associated::InternetGateway)
                };
                let known = part.id(reader, "RouteTableAssociationId");
                let association_id = known.or_else(|| derived("rtbassoc", &format!("{id}{to:?}")));
                if let (Some(to), Some(association_id)) = (to, association_id) {
                    associations.push(RouteTableAssociation { id: association_id, to });
                }
            }
            let mut propagating_vgws = Vec::new();
            for part in item.list(reader, "PropagatingVgws") {
                propagating_vgws.extend(part.required_id::<VpnGatewayId>(reader, "GatewayId"));
            }
            let tags = item.tags(reader);
            let origin = item.origin(reader);
            self.place(&id, &item);
            self.model.route_tables.insert(id.clone(), RouteTable { id, vpc_id, routes, associations, propagating_vgws, tags, origin });
        }
    }

    fn route(&mut self, item: &Item<'_>) -> Option<Route> {
        let reader = &mut self.reader;
        let destination = if item.has("DestinationCidrBlock") {
            Destination::Ipv4(item.ipv4_block(reader, "DestinationCidrBlock")?)
        } else if item.has("DestinationIpv6CidrBlock") {
            Destination::Ipv6(item.ipv6_block(reader, "DestinationIpv6CidrBlock")?)
        } else if item.has("DestinationPrefixListId") {
            Destination::PrefixList(item.id(reader, "DestinationPrefixListId")?)
        } else {
            item.missing(reader, "DestinationCidrBlock");
            return None;
        };
        let created_by = match item.text(reader, "Origin") {
            Some("CreateRouteTable") => RouteOrigin::CreateRouteTable,
            Some("EnableVgwRoutePropagation") => RouteOrigin::EnableVgwRoutePropagation,
            _ => RouteOrigin::CreateRoute,
        };
        let target = self.target(item)?;
        Some(Route { destination, target, created_by, origin: item.origin(&self.reader) })
    }

    fn target(&mut self, item: &Item<'_>) -> Option<RouteTarget> {
        let reader = &mut self.reader;
        if let Some(gateway) = item.text(reader, "GatewayId").filter(|text| !text.is_empty()) {
            return match gateway.split_once('-').map_or(gateway, |(kind, _)| kind) {
                "local" => Some(RouteTarget::Local),
                "vgw" => item.id(reader, "GatewayId").map(RouteTarget::VpnGateway),
                "vpce" => item.id(reader, "GatewayId").map(RouteTarget::VpcEndpoint),
                _ => item.id(reader, "GatewayId").map(RouteTarget::InternetGateway),
            };
        }
        if item.has("NatGatewayId") {
            return item.id(reader, "NatGatewayId").map(RouteTarget::NatGateway);
        }
        if item.has("NetworkInterfaceId") {
            return item.id(reader, "NetworkInterfaceId").map(RouteTarget::NetworkInterface);
        }
        if item.has("VpcPeeringConnectionId") {
            return item.id(reader, "VpcPeeringConnectionId").map(RouteTarget::VpcPeeringConnection);
        }
        if item.has("EgressOnlyInternetGatewayId") {
            return item.id(reader, "EgressOnlyInternetGatewayId").map(RouteTarget::EgressOnlyInternetGateway);
        }
        if item.has("VpcEndpointId") {
            return item.id(reader, "VpcEndpointId").map(RouteTarget::VpcEndpoint);
        }
        if let Some(instance) = item.id::<InstanceId>(reader, "InstanceId") {
            // AWS writes the interface beside the instance; some tools leave it out.
            let primary = self.model.interfaces_of(&instance).first().map(|eni| eni.id.clone());
            return primary.or_else(|| derived("eni", instance.as_str())).map(RouteTarget::NetworkInterface);
        }
        if item.has("TransitGatewayId") {
            return item.id(reader, "TransitGatewayId").map(RouteTarget::TransitGateway);
        }
        // Targets that the model does not know lead nowhere, as a transit gateway does.
        for key in ["CarrierGatewayId", "LocalGatewayId", "CoreNetworkArn", "OdbNetworkArn"] {
            if let Some(text) = item.text(reader, key) {
                reader.note(NoteKind::NotModelled, item.span(), format!("{} leads to {}: such a route drops what it takes", item.path, cut(text)));
                return derived("tgw", text).map(RouteTarget::TransitGateway);
            }
        }
        // A blackhole may have lost its target altogether.
        if item.text(reader, "State") == Some("blackhole") {
            return derived("eni", &item.path).map(RouteTarget::NetworkInterface);
        }
        item.missing(reader, "target (GatewayId, NatGatewayId, …)");
        None
    }
}

fn block_state(item: &Item<'_>, reader: &mut Reader<'_>, key: &str) -> CidrBlockState {
    match item.object(reader, key) {
        Some(state) => state.choice(reader, "State", &BLOCK_STATES, CidrBlockState::Associated),
        None => CidrBlockState::Associated,
    }
}
