//! What connects: NAT gateways, peering connections, endpoints.

use model::endpoint::{VpcEndpointKind, VpcEndpointState};
use model::nat_gateway::NatGatewayState;
use model::network_interface::InterfaceType;
use model::peering::PeeringStatus;
use model::*;

use super::json::cut;
use super::note::NoteKind;
use super::{Dump, derived, interface, time};

impl Dump<'_, '_> {
    pub(super) fn nat_gateways(&mut self) {
        const STATES: [(&str, NatGatewayState); 5] = [
            ("pending", NatGatewayState::Pending),
            ("failed", NatGatewayState::Failed),
            ("available", NatGatewayState::Available),
            ("deleting", NatGatewayState::Deleting),
            ("deleted", NatGatewayState::Deleted),
        ];
        for mut item in self.calls.take("NatGateways") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<NatGatewayId>(reader, "NatGatewayId") else { continue };
            item.path = id.to_string();
            if item.text(reader, "AvailabilityMode") == Some("regional") {
                reader.note(NoteKind::NotModelled, item.span(), format!("{id} is a regional NAT gateway (NAT-22)"));
                continue;
            }
            let Some(subnet_id) = item.required_id::<SubnetId>(reader, "SubnetId") else { continue };
            let Some(vpc_id) = item.required_id::<VpcId>(reader, "VpcId") else { continue };
            let state = item.choice(reader, "State", &STATES, NatGatewayState::Failed);
            let is_public = item.text(reader, "ConnectivityType") != Some("private");
            let mut gateway = NatGateway {
                id: id.clone(),
                subnet_id,
                vpc_id,
                is_public,
                network_interface_id: None,
                private_ip: None,
                allocation_id: None,
                state,
                failure: None,
                settles_at: self.model.context.now,
                create_time: time::parse(item.text(reader, "CreateTime").unwrap_or_default()),
                delete_time: item.text(reader, "DeleteTime").map(time::parse),
                tags: item.tags(reader),
                origin: item.origin(reader),
            };
            let addresses = item.list(reader, "NatGatewayAddresses");
            let primary = addresses.iter().find(|part| part.bool(reader, "IsPrimary", false)).or(addresses.first());
            if let Some(part) = primary {
                gateway.network_interface_id = part.id(reader, "NetworkInterfaceId");
                gateway.private_ip = part.address(reader, "PrivateIp");
                gateway.allocation_id = part.id(reader, "AllocationId");
                let public = part.address(reader, "PublicIp");
                self.interface_of(&gateway, public, &item.path);
            }
            if addresses.len() > 1 {
                let text = format!("{} more addresses of {id}: only the first translates here", addresses.len() - 1);
                self.reader.note(NoteKind::NotModelled, item.span(), text);
            }
            self.place(&id, &item);
            self.model.nat_gateways.insert(id, gateway);
        }
    }

    /// The interface and the Elastic IP address of a NAT gateway, if only the gateway itself tells of them.
    fn interface_of(&mut self, gateway: &NatGateway, public: Option<std::net::Ipv4Addr>, path: &str) {
        let (Some(id), Some(private)) = (&gateway.network_interface_id, gateway.private_ip) else { return };
        if !matches!(gateway.state, NatGatewayState::Available | NatGatewayState::Pending) {
            return;
        }
        if let Some(known) = self.model.network_interfaces.get_mut(id) {
            // Emulators call it an ordinary interface.
            known.interface_type = InterfaceType::NatGateway;
            known.source_dest_check = false;
            known.groups.clear();
            known.attachment = None;
        } else {
            let interface = NetworkInterface {
                id: id.clone(),
                subnet_id: gateway.subnet_id.clone(),
                vpc_id: gateway.vpc_id.clone(),
                description: format!("Interface for NAT Gateway {}", gateway.id),
                mac_address: interface::mac_of(id.as_str()),
                private_ip_addresses: vec![private],
                ipv6_addresses: Vec::new(),
                auto_public_ip: None,
                auto_public_ip_due: None,
                associate_public_ip_address: false,
                groups: Vec::new(),
                source_dest_check: false,
                attachment: None,
                interface_type: InterfaceType::NatGateway,
                tags: Tags::new(),
                origin: gateway.origin.clone(),
            };
            self.model.network_interfaces.insert(id.clone(), interface);
        }
        let association = derived("eipassoc", path);
        if let (Some(allocation), Some(public_ip), Some(association)) = (&gateway.allocation_id, public, association) {
            let association = model::address::AddressAssociation { id: association, network_interface_id: id.clone(), private_ip_address: private };
            let address = Address {
                allocation_id: allocation.clone(),
                public_ip,
                association: Some(association),
                tags: Tags::new(),
                origin: gateway.origin.clone(),
            };
            self.model.addresses.get_or_insert_with(allocation.clone(), || address);
        }
    }

    pub(super) fn peerings(&mut self) {
        const STATES: [(&str, PeeringStatus); 9] = [
            ("initiating-request", PeeringStatus::InitiatingRequest),
            ("pending-acceptance", PeeringStatus::PendingAcceptance),
            ("failed", PeeringStatus::Failed),
            ("expired", PeeringStatus::Expired),
            ("rejected", PeeringStatus::Rejected),
            ("provisioning", PeeringStatus::Provisioning),
            ("active", PeeringStatus::Active),
            ("deleting", PeeringStatus::Deleting),
            ("deleted", PeeringStatus::Deleted),
        ];
        for mut item in self.calls.take("VpcPeeringConnections") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<VpcPeeringConnectionId>(reader, "VpcPeeringConnectionId") else { continue };
            item.path = id.to_string();
            let mut sides = ["RequesterVpcInfo", "AccepterVpcInfo"].map(|key| {
                if !item.has(key) {
                    item.missing(reader, key);
                }
                let side = item.object(reader, key)?;
                let options = side.object(reader, "PeeringOptions");
                let dns = options.is_some_and(|o| o.bool(reader, "AllowDnsResolutionFromRemoteVpc", false));
                Some((side.required_id::<VpcId>(reader, "VpcId")?, dns))
            });
            let (Some(requester), Some(accepter)) = (sides[0].take(), sides[1].take()) else { continue };
            let status = item.object(reader, "Status");
            let (code, message) = match &status {
                Some(part) => (part.choice(reader, "Code", &STATES, PeeringStatus::Failed), part.words(reader, "Message")),
                None => (PeeringStatus::Active, String::new()),
            };
            let mut peering = VpcPeeringConnection {
                id: id.clone(),
                requester_vpc_id: requester.0,
                accepter_vpc_id: accepter.0,
                status: code,
                settles: None,
                status_message: message,
                expiration_time: time::parse(item.text(reader, "ExpirationTime").unwrap_or_default()),
                requester_allows_dns_resolution: requester.1,
                accepter_allows_dns_resolution: accepter.1,
                tags: item.tags(reader),
                origin: item.origin(reader),
            };
            if let Some(known) = self.model.vpc_peering_connections.get(&id) {
                // Each side sees its own tags and options.
                let same = (&known.requester_vpc_id, &known.accepter_vpc_id, known.status) == (&peering.requester_vpc_id, &peering.accepter_vpc_id, code);
                if !same {
                    let place = self.place_of(&id);
                    self.reader.contradiction(item.span(), format!("{id} is described twice, and differently"), Some((place, "first")));
                }
                peering.requester_allows_dns_resolution |= known.requester_allows_dns_resolution;
                peering.accepter_allows_dns_resolution |= known.accepter_allows_dns_resolution;
                let mut tags = known.tags.clone();
                tags.extend(std::mem::take(&mut peering.tags));
                peering.tags = tags;
            }
            self.place(&id, &item);
            self.model.vpc_peering_connections.insert(id, peering);
        }
    }

    pub(super) fn endpoints(&mut self) {
        const STATES: [(&str, VpcEndpointState); 7] = [
            ("pending", VpcEndpointState::Pending),
            ("pendingAcceptance", VpcEndpointState::Pending),
            ("available", VpcEndpointState::Available),
            ("deleting", VpcEndpointState::Deleting),
            ("deleted", VpcEndpointState::Deleted),
            ("rejected", VpcEndpointState::Deleted),
            ("failed", VpcEndpointState::Deleted),
        ];
        for mut item in self.calls.take("VpcEndpoints") {
            let reader = &mut self.reader;
            let Some(id) = item.required_id::<VpcEndpointId>(reader, "VpcEndpointId") else { continue };
            item.path = id.to_string();
            let Some(vpc_id) = item.required_id::<VpcId>(reader, "VpcId") else { continue };
            let service_name = item.words(reader, "ServiceName");
            let kind = match item.text(reader, "VpcEndpointType").unwrap_or("Gateway") {
                "Gateway" => {
                    let known = self.model.prefix_lists.values().find(|list| list.name == service_name).map(|list| list.id.clone());
                    let Some(prefix_list_id) = known.or_else(|| derived("pl", &service_name)) else { continue };
                    VpcEndpointKind::Gateway { prefix_list_id, route_table_ids: item.all(reader, "RouteTableIds", "the id of a route table") }
                }
                "Interface" => {
                    let network_interface_ids: Vec<NetworkInterfaceId> = item.all(reader, "NetworkInterfaceIds", "the id of an interface");
                    for eni in &network_interface_ids {
                        // Emulators call it an ordinary interface.
                        if let Some(known) = self.model.network_interfaces.get_mut(eni) {
                            known.interface_type = InterfaceType::VpcEndpoint;
                            known.attachment = None;
                        }
                    }
                    VpcEndpointKind::Interface {
                        subnet_ids: item.all(reader, "SubnetIds", "the id of a subnet"),
                        network_interface_ids,
                        private_dns_enabled: item.bool(reader, "PrivateDnsEnabled", false),
                    }
                }
                other => {
                    reader.note(NoteKind::NotModelled, item.span(), format!("{id} is an endpoint of type {}", cut(other)));
                    continue;
                }
            };
            let endpoint = VpcEndpoint {
                id: id.clone(),
                vpc_id,
                service_name,
                kind,
                state: item.choice(reader, "State", &STATES, VpcEndpointState::Deleted),
                settles_at: self.model.context.now,
                create_time: time::parse(item.text(reader, "CreationTimestamp").unwrap_or_default()),
                policy_document: None,
                tags: item.tags(reader),
                origin: item.origin(reader),
            };
            self.place(&id, &item);
            self.model.vpc_endpoints.insert(id, endpoint);
        }
    }
}
