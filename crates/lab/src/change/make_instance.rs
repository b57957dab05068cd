//! Elastic IP addresses and instances as the target has them.

use std::net::Ipv4Addr;

use model::instance::InstanceProfileAssociation;
use model::network_interface::InterfaceType;
use model::operation::*;
use model::*;

use super::transition::{Step, Transition};
use crate::names::{Device, nat_role};

impl Transition<'_> {
    /// Every Elastic IP address that the target has is allocated; who has it comes later.
    pub(super) fn make_addresses(&mut self) -> Step {
        let target = self.target;
        let all = target.names.elastic.iter().filter_map(|(role, id)| Some((role, target.model.addresses.get(id)?)));
        // Those that must be certain ones come first: what is drawn then is none of them.
        let (certain, any): (Vec<_>, Vec<_>) = all.partition(|(_, wanted)| target.fixed.contains(&wanted.public_ip));
        for (role, wanted) in certain.into_iter().chain(any) {
            let fixed = Some(wanted.public_ip).filter(|address| target.fixed.contains(address));
            let had = self.elastic.get(role).and_then(|id| self.model.addresses.get(id));
            let had = had.filter(|had| self.suits(had.public_ip, wanted.public_ip));
            let there = || self.model.addresses.values().find(|a| Some(a.public_ip) == fixed && a.association.is_none());
            let allocation = match had.or_else(there).map(|known| (known.allocation_id.clone(), known.tags.clone())) {
                Some((id, tags)) => {
                    self.set_tags(id.to_string(), &tags, &wanted.tags)?;
                    id
                }
                None => {
                    let request = AllocateAddress { address: fixed, tags: wanted.tags.clone(), origin: wanted.origin.clone() };
                    let result = allocate_address(self.model, request);
                    self.op(role, result)?
                }
            };
            self.elastic.insert(role.to_owned(), allocation);
        }
        Ok(())
    }

    /// Elastic IP addresses get to instances; NAT gateways have theirs from the beginning.
    pub(super) fn map_addresses(&mut self) -> Step {
        let target = self.target;
        let gateways: Vec<String> = target.names.nat_gateways.iter().map(|(name, _)| nat_role(name)).collect();
        for (role, id) in target.names.elastic.iter().filter(|(role, _)| !gateways.iter().any(|gateway| gateway == role)) {
            let association = target.model.addresses.get(id).and_then(|address| address.association.as_ref());
            let (Some(association), Some(allocation)) = (association, self.elastic.get(role).cloned()) else { continue };
            let device = target.names.device(&target.model, &association.network_interface_id);
            let Some(interface) = device.and_then(|device| self.names.interfaces.get(&device)).cloned() else { continue };
            let private = association.private_ip_address;
            let is = self.model.addresses.get(&allocation).and_then(|address| address.association.as_ref());
            if is.is_some_and(|is| is.network_interface_id == interface && is.private_ip_address == private) {
                continue;
            }
            let request = AssociateAddress {
                address: AddressName::Allocation(allocation),
                target: AddressTarget::NetworkInterface(interface),
                private_ip_address: Some(private),
                allow_reassociation: Some(true),
            };
            let result = associate_address(self.model, request);
            self.op(role, result)?;
        }
        Ok(())
    }

    pub(super) fn make_instances(&mut self) -> Step {
        let target = self.target;
        let mut launched = false;
        for (name, id) in target.names.instances.iter() {
            let Some(wanted) = target.model.instances.get(id) else { continue };
            let id = match self.names.instances.id(name).cloned() {
                Some(id) => {
                    self.change_instance(name, &id, wanted)?;
                    id
                }
                None => {
                    launched = true;
                    self.launch(name, wanted)?
                }
            };
            self.make_guest(name, &id, &wanted.id)?;
        }
        for (device, id) in &target.names.interfaces {
            if let Some(wanted) = target.model.network_interfaces.get(id) {
                self.interface(device, wanted)?;
            }
        }
        if launched {
            self.settle();
        }
        Ok(())
    }

    fn launch(&mut self, name: &str, wanted: &Instance) -> Step<InstanceId> {
        let target = self.target;
        let mut interfaces = Vec::new();
        let wanted_interfaces = (0..).map_while(|index| target.names.interfaces.get(&(name.to_owned(), index)));
        let wanted_interfaces: Vec<_> = wanted_interfaces.filter_map(|id| target.model.network_interfaces.get(id)).collect();
        for (index, interface) in (0..).zip(&wanted_interfaces) {
            interfaces.push(LaunchInterface {
                device_index: index,
                subnet_id: Some(self.own_subnet(&interface.subnet_id)?),
                groups: self.own_groups(&interface.groups)?,
                private_ip_addresses: interface.private_ip_addresses.clone(),
                ipv6_addresses: interface.ipv6_addresses.clone(),
                ipv6_address_count: Some(0),
                // Several interfaces take what the subnet says (PIP-3).
                associate_public_ip_address: Some(interface.associate_public_ip_address).filter(|_| wanted_interfaces.len() == 1),
                ..LaunchInterface::default()
            });
        }
        let request = RunInstances {
            instance_type: wanted.instance_type.clone(),
            user_data: wanted.user_data.clone(),
            key_name: wanted.key_name.clone(),
            iam_instance_profile: profile(wanted),
            metadata_options: metadata(wanted),
            network_interfaces: interfaces,
            tags: wanted.tags.clone(),
            origin: wanted.origin.clone(),
            ..RunInstances::of(wanted.image_id.clone())
        };
        let result = run_instances(self.model, request);
        let id = self.op(name, result)?.into_iter().next();
        let id = self.op(name, id.ok_or_else(|| ApiError::new(ErrorCode::InternalError, "nothing was launched")))?;
        self.names.instances.add(Some(name.to_owned()), &id);
        for interface in self.model.interfaces_of(&id) {
            self.names.add_interface(interface);
        }
        Ok(id)
    }

    fn change_instance(&mut self, name: &str, id: &InstanceId, wanted: &Instance) -> Step {
        let Some(known) = self.model.instances.get(id).cloned() else { return Ok(()) };
        self.set_tags(id.to_string(), &known.tags, &wanted.tags)?;
        if known.metadata_options != wanted.metadata_options {
            let result = modify_instance_metadata_options(self.model, id, metadata(wanted));
            self.op(name, result)?;
        }
        if known.instance_type != wanted.instance_type {
            // Only while it is stopped (INST-7); it is started again with the others.
            if known.state != InstanceState::Stopped {
                self.settle();
                if known.disable_api_stop {
                    let request =
                        ModifyInstanceAttribute { disable_api_stop: Some(false), ..ModifyInstanceAttribute::of(id.clone()) };
                    let result = modify_instance_attribute(self.model, request);
                    self.op(name, result)?;
                }
                let result = stop_instances(self.model, std::slice::from_ref(id));
                self.op(name, result)?;
                self.settle();
            }
            // Only burstable types have credits to speak of: they are set while there are some.
            let is_burstable = |name: &str| instance_type::find(name).is_some_and(|kind| kind.burstable);
            if is_burstable(&known.instance_type) && !is_burstable(&wanted.instance_type) {
                self.set_credits(name, id, false)?;
            }
            let request = ModifyInstanceAttribute {
                instance_type: Some(wanted.instance_type.clone()),
                ..ModifyInstanceAttribute::of(id.clone())
            };
            let result = modify_instance_attribute(self.model, request);
            self.op(name, result)?;
        }
        self.set_profile(name, id, wanted)?;
        self.set_credits(name, id, wanted.unlimited_cpu_credits)
    }

    fn set_profile(&mut self, name: &str, id: &InstanceId, wanted: &Instance) -> Step {
        let known = self.model.instances.get(id).and_then(|instance| instance.iam_instance_profile.clone());
        let arn = |profile: &InstanceProfileAssociation| profile.arn.clone();
        if known.as_ref().map(arn) == wanted.iam_instance_profile.as_ref().map(arn) {
            return Ok(());
        }
        if let Some(known) = known {
            let result = disassociate_iam_instance_profile(self.model, &known.id);
            self.op(name, result)?;
        }
        if let Some(profile) = profile(wanted) {
            let result = associate_iam_instance_profile(self.model, id, profile);
            self.op(name, result)?;
        }
        Ok(())
    }

    fn set_credits(&mut self, name: &str, id: &InstanceId, unlimited: bool) -> Step {
        if self.model.instances.get(id).is_some_and(|instance| instance.unlimited_cpu_credits != unlimited) {
            let result = modify_instance_credit_specification(self.model, id, unlimited);
            self.op(name, result)?;
        }
        Ok(())
    }

    fn interface(&mut self, device: &Device, wanted: &NetworkInterface) -> Step {
        let Some(known) = self.names.interfaces.get(device).and_then(|id| self.model.network_interfaces.get(id)).cloned() else {
            return Ok(());
        };
        let (name, id) = (device.0.as_str(), known.id.clone());
        self.set_tags(id.to_string(), &known.tags, &wanted.tags)?;
        let groups = self.own_groups(&wanted.groups)?;
        let request = ModifyNetworkInterfaceAttribute {
            groups: Some(groups).filter(|groups| *groups != known.groups),
            source_dest_check: Some(wanted.source_dest_check).filter(|check| *check != known.source_dest_check),
            ..ModifyNetworkInterfaceAttribute::of(id.clone())
        };
        if request != ModifyNetworkInterfaceAttribute::of(id.clone()) {
            let result = modify_network_interface_attribute(self.model, request);
            self.op(name, result)?;
        }
        let missing: Vec<Ipv4Addr> =
            wanted.private_ip_addresses.iter().filter(|a| !known.private_ip_addresses.contains(a)).copied().collect();
        if !missing.is_empty() {
            let request = AssignPrivateIpAddresses {
                network_interface_id: id.clone(),
                private_ip_addresses: missing,
                secondary_private_ip_address_count: 0,
                allow_reassignment: false,
            };
            let result = assign_private_ip_addresses(self.model, request);
            self.op(name, result)?;
        }
        self.make_ipv6_addresses(name, &known, wanted)?;
        if device.1 == 0 && known.interface_type == InterfaceType::Interface {
            self.automatic_address(name, &id, wanted)?;
        }
        Ok(())
    }

    /// Whether the interface is to have an automatic public address, and has it.
    fn automatic_address(&mut self, name: &str, id: &NetworkInterfaceId, wanted: &NetworkInterface) -> Step {
        let has = |model: &Model| model.network_interfaces.get(id).is_some_and(|eni| eni.auto_public_ip.is_some());
        let is = |model: &Model| model.network_interfaces.get(id).is_some_and(|eni| eni.associate_public_ip_address);
        let running = wanted.instance_id().and_then(|id| self.target.model.instances.get(id));
        let running = running.is_some_and(|instance| instance.state == InstanceState::Running);
        if running && wanted.auto_public_ip.is_some() && !has(self.model) {
            // None comes while an Elastic IP address is there (EIP-6); that one comes back to its place later.
            let here = |a: &&Address| a.association.as_ref().is_some_and(|a| a.network_interface_id == *id);
            let elastic: Vec<_> = self.model.addresses.values().filter(here).map(|a| a.public_ip).collect();
            for address in elastic {
                let result = disassociate_address(self.model, &AssociationName::PublicIp(address));
                self.op(name, result)?;
            }
            self.set_associate(name, id, true)?;
        }
        if wanted.auto_public_ip.is_none() && has(self.model) && running {
            self.set_associate(name, id, false)?;
        }
        if is(self.model) != wanted.associate_public_ip_address {
            self.set_associate(name, id, wanted.associate_public_ip_address)?;
        }
        Ok(())
    }

    /// Starts and stops what is to run or not.
    pub(super) fn power(&mut self) -> Step {
        let (mut stop, mut start) = (Vec::new(), Vec::new());
        for (name, id) in self.target.names.instances.iter() {
            let is = |state| matches!(state, InstanceState::Stopped | InstanceState::Stopping);
            let wanted = self.target.model.instances.get(id).is_some_and(|instance| is(instance.state));
            let Some(known) = self.names.instances.id(name).and_then(|id| self.model.instances.get(id)) else { continue };
            match (is(known.state), wanted) {
                (true, false) => start.push(known.id.clone()),
                (false, true) => stop.push(known.id.clone()),
                _ => {}
            }
        }
        if stop.is_empty() && start.is_empty() {
            return Ok(());
        }
        self.settle();
        if !stop.is_empty() {
            let protected: Vec<_> =
                stop.iter().filter(|id| self.model.instances.get(id).is_some_and(|i| i.disable_api_stop)).cloned().collect();
            for id in protected {
                let request = ModifyInstanceAttribute { disable_api_stop: Some(false), ..ModifyInstanceAttribute::of(id) };
                let result = modify_instance_attribute(self.model, request);
                self.op("stop protection", result)?;
            }
            let result = stop_instances(self.model, &stop);
            self.op("stopping", result)?;
        }
        if !start.is_empty() {
            let result = start_instances(self.model, &start);
            self.op("starting", result)?;
        }
        Ok(())
    }
}

/// The profile that an instance is to have; nobody here knows its identifier.
fn profile(wanted: &Instance) -> Option<InstanceProfile> {
    wanted.iam_instance_profile.as_ref().map(|profile| InstanceProfile { arn: profile.arn.clone(), id: profile.profile_id.clone() })
}

fn metadata(wanted: &Instance) -> MetadataOptionsRequest {
    let options = &wanted.metadata_options;
    MetadataOptionsRequest {
        http_tokens_required: Some(options.http_tokens_required),
        http_put_response_hop_limit: Some(options.http_put_response_hop_limit),
        http_endpoint_enabled: Some(options.http_endpoint_enabled),
        instance_metadata_tags: Some(options.instance_metadata_tags),
    }
}
