//! Network interfaces, instances, Elastic IP addresses; and what instances may be taken to run.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use model::address::AddressAssociation;
use model::instance::{InstanceOptions, MetadataOptions};
use model::network_interface::{Attachment, InterfaceType, MacAddress};
use model::*;

use super::field::Item;
use super::note::NoteKind;
use super::{Dump, MAX_INTERFACES, derived, hash, time};
use crate::assumed::{self, Teller};
use crate::code::Code;
use crate::diagnostic::Diagnostic;

impl Dump<'_, '_> {
    pub(super) fn network_interfaces(&mut self) {
        for mut item in self.calls.take("NetworkInterfaces") {
            let Some(id) = item.required_id::<NetworkInterfaceId>(&mut self.reader, "NetworkInterfaceId") else { continue };
            item.path = id.to_string();
            if self.model.network_interfaces.len() >= MAX_INTERFACES {
                let message = format!("NetworkInterfaces: more than {MAX_INTERFACES} in all, {id} is one too many");
                let problem = Diagnostic::new(Code::DumpTooLarge, item.span(), message).label("one too many");
                self.reader.problem(problem.hint("one folder for each account and region"));
                return;
            }
            let Some(interface) = self.network_interface(&item, &id, None) else { continue };
            self.place(&id, &item);
            self.model.network_interfaces.insert(id, interface);
        }
    }

    fn network_interface(&mut self, item: &Item<'_>, id: &NetworkInterfaceId, of: Option<&InstanceId>) -> Option<NetworkInterface> {
        let reader = &mut self.reader;
        let subnet_id = item.required_id::<SubnetId>(reader, "SubnetId")?;
        let vpc_id = item.required_id::<VpcId>(reader, "VpcId")?;
        let mut addresses: Vec<(bool, Ipv4Addr)> = Vec::new();
        let mut auto_public_ip = None;
        let primary = item.address(reader, "PrivateIpAddress");
        for part in item.list(reader, "PrivateIpAddresses") {
            let reader = &mut self.reader;
            let Some(address) = part.address(reader, "PrivateIpAddress") else { continue };
            let is_primary = part.bool(reader, "Primary", false) || primary == Some(address);
            if let Some(association) = part.object(reader, "Association") {
                auto_public_ip = auto_public_ip.or(self.association(&association, id, address, is_primary));
            }
            addresses.push((!is_primary, address));
        }
        let reader = &mut self.reader;
        if let Some(primary) = primary && addresses.iter().all(|(_, address)| *address != primary) {
            if let Some(association) = item.object(reader, "Association") {
                auto_public_ip = self.association(&association, id, primary, true);
            }
            addresses.push((false, primary));
        }
        addresses.sort_by_key(|(secondary, _)| *secondary);
        let reader = &mut self.reader;
        if addresses.is_empty() {
            reader.note(NoteKind::NotModelled, item.span(), format!("{id} has no IPv4 address"));
            return None;
        }
        let mut ipv6_addresses = Vec::new();
        for part in item.list(reader, "Ipv6Addresses") {
            ipv6_addresses.extend(part.parsed::<Ipv6Addr>(reader, "Ipv6Address", "an IPv6 address"));
        }
        let mut groups = Vec::new();
        for part in item.list(reader, "Groups") {
            groups.extend(part.required_id::<SecurityGroupId>(reader, "GroupId"));
        }
        let interface_type = match item.text(reader, "InterfaceType") {
            Some("nat_gateway" | "natGateway") => InterfaceType::NatGateway,
            Some("vpc_endpoint") => InterfaceType::VpcEndpoint,
            _ => InterfaceType::Interface,
        };
        let mac = item.parsed::<MacAddress>(reader, "MacAddress", "a MAC address");
        let tags = item.tags(reader);
        let description = item.words(reader, "Description");
        let source_dest_check = item.bool(reader, "SourceDestCheck", true);
        let attachment = item.object(reader, "Attachment").and_then(|part| self.attachment(&part, id, of, interface_type));
        Some(NetworkInterface {
            id: id.clone(),
            subnet_id,
            vpc_id,
            description,
            mac_address: mac.unwrap_or_else(|| mac_of(id.as_str())),
            private_ip_addresses: addresses.into_iter().map(|(_, address)| address).collect(),
            ipv6_addresses,
            auto_public_ip,
            auto_public_ip_due: None,
            associate_public_ip_address: auto_public_ip.is_some(),
            groups,
            source_dest_check,
            attachment,
            interface_type,
            tags,
            origin: item.origin(&self.reader),
        })
    }

    /// A public address: an Elastic IP address is noted, an auto-assigned one answered.
    fn association(&mut self, item: &Item<'_>, id: &NetworkInterfaceId, private: Ipv4Addr, is_primary: bool) -> Option<Ipv4Addr> {
        let reader = &mut self.reader;
        let public = item.address(reader, "PublicIp")?;
        let allocation = item.id::<AllocationId>(reader, "AllocationId");
        let is_auto = allocation.is_none() && item.text(reader, "IpOwnerId").is_none_or(|owner| owner.starts_with("amazon"));
        if is_auto && is_primary {
            return Some(public);
        }
        // The address may be described by its own call too, which then replaces this.
        let allocation = allocation.or_else(|| derived("eipalloc", &public.to_string()))?;
        let association = AddressAssociation {
            id: item.id(reader, "AssociationId").or_else(|| derived("eipassoc", &public.to_string()))?,
            network_interface_id: id.clone(),
            private_ip_address: private,
        };
        let address = Address { allocation_id: allocation.clone(), public_ip: public, association: Some(association), tags: Tags::new(), origin: item.origin(reader) };
        self.place(&allocation, item);
        self.model.addresses.insert(allocation, address);
        None
    }

    fn attachment(&mut self, item: &Item<'_>, id: &NetworkInterfaceId, of: Option<&InstanceId>, kind: InterfaceType) -> Option<Attachment> {
        let reader = &mut self.reader;
        if matches!(item.text(reader, "Status"), Some("detached" | "detaching")) || kind != InterfaceType::Interface {
            return None;
        }
        let written = item.id::<InstanceId>(reader, "InstanceId").or_else(|| of.cloned());
        // A load balancer, a database or a function: an interface that answers, and no instance of the account.
        let instance_id = written.or_else(|| format!("i-{}", id.as_str().trim_start_matches("eni-")).parse().ok())?;
        Some(Attachment {
            id: item.id(reader, "AttachmentId").or_else(|| derived("eni-attach", id.as_str()))?,
            instance_id,
            device_index: u32::try_from(item.number(reader, "DeviceIndex", 0, 64).unwrap_or(0)).unwrap_or(0),
            delete_on_termination: item.bool(reader, "DeleteOnTermination", false),
            attach_time: time::parse(item.text(reader, "AttachTime").unwrap_or_default()),
        })
    }

    pub(super) fn instances(&mut self) {
        let mut all: Vec<(Option<ReservationId>, Item<'_>)> = Vec::new();
        for reservation in self.calls.take("Reservations") {
            let id = reservation.id(&mut self.reader, "ReservationId");
            all.extend(reservation.list(&mut self.reader, "Instances").into_iter().map(|item| (id.clone(), item)));
        }
        all.extend(self.calls.take("Instances").into_iter().map(|item| (None, item)));
        for (reservation, mut item) in all {
            let Some(id) = item.required_id::<InstanceId>(&mut self.reader, "InstanceId") else { continue };
            item.path = id.to_string();
            let Some(instance) = self.instance(&item, &id, reservation) else { continue };
            if !self.place(&id, &item) {
                let place = self.place_of(&id);
                self.reader.contradiction(item.span(), format!("{id} is described twice"), Some((place, "last")));
            }
            self.model.instances.insert(id.clone(), instance);
            // `describe-instances` tells interfaces too; their own call tells more.
            for mut part in item.list(&mut self.reader, "NetworkInterfaces") {
                let Some(eni) = part.required_id::<NetworkInterfaceId>(&mut self.reader, "NetworkInterfaceId") else { continue };
                part.path = eni.to_string();
                if self.model.network_interfaces.contains_key(&eni) {
                    continue;
                }
                let Some(interface) = self.network_interface(&part, &eni, Some(&id)) else { continue };
                self.place(&eni, &part);
                self.model.network_interfaces.insert(eni, interface);
            }
        }
    }

    fn instance(&mut self, item: &Item<'_>, id: &InstanceId, reservation: Option<ReservationId>) -> Option<Instance> {
        let reader = &mut self.reader;
        const STATES: [(&str, InstanceState); 6] = [
            ("pending", InstanceState::Pending),
            ("running", InstanceState::Running),
            ("shutting-down", InstanceState::ShuttingDown),
            ("terminated", InstanceState::Terminated),
            ("stopping", InstanceState::Stopping),
            ("stopped", InstanceState::Stopped),
        ];
        if !item.has("State") {
            item.missing(reader, "State");
        }
        let state = item.object(reader, "State")?.choice(reader, "Name", &STATES, InstanceState::Stopped);
        let placement = item.object(reader, "Placement");
        let zone = placement.map_or_else(String::new, |p| p.words(reader, "AvailabilityZone"));
        let metadata = item.object(reader, "MetadataOptions").map_or_else(MetadataOptions::default, |part| MetadataOptions {
            http_tokens_required: part.text(reader, "HttpTokens") == Some("required"),
            http_put_response_hop_limit: part.number(reader, "HttpPutResponseHopLimit", 0, 64).and_then(|n| u8::try_from(n).ok()).unwrap_or(1).max(1),
            http_endpoint_enabled: part.text(reader, "HttpEndpoint") != Some("disabled"),
            instance_metadata_tags: part.text(reader, "InstanceMetadataTags") == Some("enabled"),
        });
        let monitoring = item.object(reader, "Monitoring").is_some_and(|m| m.text(reader, "State") == Some("enabled"));
        let names = item.object(reader, "PrivateDnsNameOptions");
        let index = item.number(reader, "AmiLaunchIndex", 0, i64::from(u32::MAX)).unwrap_or(0);
        Some(Instance {
            id: id.clone(),
            reservation_id: reservation.or_else(|| derived("r", id.as_str()))?,
            ami_launch_index: u32::try_from(index).unwrap_or(0),
            image_id: item.id(reader, "ImageId").or_else(|| derived("ami", id.as_str()))?,
            instance_type: item.text(reader, "InstanceType").unwrap_or(model::instance_type::DEFAULT).to_owned(),
            key_name: item.text(reader, "KeyName").filter(|name| !name.is_empty()).map(str::to_owned),
            iam_instance_profile: None,
            state,
            settles_at: self.model.context.now,
            checks_pass_at: Timestamp(0),
            launch_time: time::parse(item.text(reader, "LaunchTime").unwrap_or_default()),
            reboots: 0,
            state_transition_reason: item.words(reader, "StateTransitionReason"),
            availability_zone: zone,
            user_data: None,
            metadata_options: metadata,
            disable_api_termination: false,
            disable_api_stop: false,
            unlimited_cpu_credits: false,
            monitoring,
            terminate_on_shutdown: false,
            resource_name_dns: names.is_some_and(|n| n.bool(reader, "EnableResourceNameDnsARecord", false)),
            root_device_name: item.words(reader, "RootDeviceName"),
            options: InstanceOptions::default(),
            tags: item.tags(reader),
            origin: item.origin(reader),
        })
    }

    /// Interfaces of services (a load balancer's, a database's) stand in the model as instances that run: they answer.
    pub(super) fn served(&mut self) {
        let mut made = Vec::new();
        for interface in self.model.network_interfaces.values() {
            let Some(attachment) = &interface.attachment else { continue };
            let own = format!("i-{}", interface.id.as_str().trim_start_matches("eni-"));
            if attachment.instance_id.as_str() != own || self.model.instances.contains_key(&attachment.instance_id) {
                continue;
            }
            let text = format!("{} serves `{}`: taken for an instance that runs", interface.id, interface.description);
            made.push((attachment.instance_id.clone(), interface.clone(), text));
        }
        for (id, interface, text) in made {
            let zone = self.model.subnets.get(&interface.subnet_id).map_or_else(String::new, |s| s.availability_zone.clone());
            let (Some(reservation_id), Some(image_id)) = (derived("r", id.as_str()), derived("ami", id.as_str())) else { continue };
            let mut tags = interface.tags.clone();
            if !interface.description.is_empty() {
                tags.entry("Name".to_owned()).or_insert_with(|| interface.description.clone());
            }
            let instance = Instance {
                id: id.clone(),
                reservation_id,
                ami_launch_index: 0,
                image_id,
                instance_type: model::instance_type::DEFAULT.to_owned(),
                key_name: None,
                iam_instance_profile: None,
                state: InstanceState::Running,
                settles_at: self.model.context.now,
                checks_pass_at: Timestamp(0),
                launch_time: Timestamp(0),
                reboots: 0,
                state_transition_reason: String::new(),
                availability_zone: zone,
                user_data: None,
                metadata_options: MetadataOptions::default(),
                disable_api_termination: false,
                disable_api_stop: false,
                unlimited_cpu_credits: false,
                monitoring: false,
                terminate_on_shutdown: false,
                resource_name_dns: false,
                root_device_name: String::new(),
                options: InstanceOptions::default(),
                tags,
                origin: interface.origin.clone(),
            };
            let place = self.place_of(&interface.id);
            self.reader.note(NoteKind::Assumed, place, text);
            if let Some(attachment) = self.model.network_interfaces.get_mut(&interface.id).and_then(|eni| eni.attachment.as_mut()) {
                attachment.device_index = 0;
            }
            self.model.instances.insert(id, instance);
        }
    }

    pub(super) fn addresses(&mut self) {
        for mut item in self.calls.take("Addresses") {
            let reader = &mut self.reader;
            let Some(public_ip) = item.required::<Ipv4Addr>(reader, "PublicIp", "an IPv4 address") else { continue };
            item.path = public_ip.to_string();
            let Some(allocation_id) = item.id::<AllocationId>(reader, "AllocationId").or_else(|| derived("eipalloc", &item.path)) else { continue };
            let interface = item.id::<NetworkInterfaceId>(reader, "NetworkInterfaceId");
            let private = item.address(reader, "PrivateIpAddress");
            let known = item.id(reader, "AssociationId").or_else(|| derived("eipassoc", &item.path));
            let association = match (interface, private, known) {
                (Some(network_interface_id), Some(private_ip_address), Some(id)) => {
                    Some(AddressAssociation { id, network_interface_id, private_ip_address })
                }
                _ => None,
            };
            let address = Address { allocation_id: allocation_id.clone(), public_ip, association, tags: item.tags(reader), origin: item.origin(reader) };
            // What interfaces said of it is the same fact, perhaps by an id that was made up.
            self.model.addresses.retain(|id, known| known.public_ip != public_ip || *id == allocation_id);
            self.place(&allocation_id, &item);
            self.model.addresses.insert(allocation_id, address);
        }
        // An interface shows an Elastic IP address like an auto-assigned one when its owner is not told.
        let elastic: BTreeSet<Ipv4Addr> = self.model.addresses.values().map(|a| a.public_ip).collect();
        for interface in self.model.network_interfaces.values_mut() {
            interface.auto_public_ip = interface.auto_public_ip.filter(|public| !elastic.contains(public));
        }
    }

    /// What instances run is no affair of EC2's. They are taken to listen where their security groups let somebody in,
    /// and to forward where they may (NATI-1).
    pub(super) fn guests(&mut self) {
        let model = &self.model;
        let mut guests = Vec::new();
        let mut forwarding = Vec::new();
        // Sorted out once: asking the model for each instance goes through all interfaces every time.
        let mut interfaces_of: BTreeMap<&InstanceId, Vec<&NetworkInterface>> = BTreeMap::new();
        for interface in model.network_interfaces.values() {
            if let Some(instance) = interface.instance_id() {
                interfaces_of.entry(instance).or_default().push(interface);
            }
        }
        for instance in model.instances.values() {
            let interfaces = interfaces_of.remove(&instance.id).unwrap_or_default();
            let ip_forward = interfaces.iter().any(|eni| !eni.source_dest_check);
            let masquerade = ip_forward && interfaces.iter().any(|eni| is_nat_instance(model, eni));
            if ip_forward {
                let what = if masquerade { "forward and hide what it forwards behind its own address" } else { "forward" };
                forwarding.push((instance.id.clone(), format!("{} has no source/dest check: taken to {what}", instance.id)));
                guests.push((instance.id.clone(), Guest { ip_forward, masquerade, ..Guest::default() }));
            }
        }
        self.model.guests.extend(guests);
        let unsaid = assumed::unsaid(&self.model, Teller::Nobody);
        assumed::assume(&mut self.model, &unsaid);
        for (id, text) in forwarding {
            let place = self.place_of(id);
            self.reader.note(NoteKind::Assumed, place, text);
        }
    }
}

/// An interface without the check that has a public address and is where somebody's way to the internet leads.
fn is_nat_instance(model: &Model, interface: &NetworkInterface) -> bool {
    let everywhere = Destination::Ipv4(ipnet::Ipv4Net::default());
    let leads_here = |route: &Route| route.destination == everywhere && route.target == RouteTarget::NetworkInterface(interface.id.clone());
    !interface.source_dest_check
        && interface.private_ip_addresses.iter().any(|private| model.public_ip_of(interface, *private).is_some())
        && model.route_tables.values().any(|table| table.routes.iter().any(leads_here))
}

/// A locally administered address that follows from an id (ENI-9).
pub(super) fn mac_of(id: &str) -> MacAddress {
    let [_, _, _, a, b, c, d, e] = hash(id).to_be_bytes();
    MacAddress([2, a, b, c, d, e])
}
