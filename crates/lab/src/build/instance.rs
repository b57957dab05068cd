//! Instances: launched with addresses that are chosen here, because what a running cloud has is to stay.

use std::net::Ipv4Addr;

use model::image;
use model::instance_type::Architecture;
use model::operation::*;
use model::{Guest, InstanceId, SecurityGroupId, SubnetId, VpcId};

use super::ipv6::most_addresses;
use super::{Build, tags};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::file::{Instance, Interface, PublicIp, SecondaryAddresses};
use crate::names::Device;
use crate::source::Located;

impl Build<'_, '_> {
    pub(super) fn instances(&mut self) {
        self.pin_ipv6_addresses();
        for (name, instance) in &self.lab.instances {
            if self.gives_up() {
                return;
            }
            if let Some(id) = self.launch(name, instance) {
                self.names.instances.add(Some(name.value.clone()), &id);
                for interface in self.model.interfaces_of(&id) {
                    self.names.add_interface(interface);
                }
                self.interface_attributes(name, instance);
                self.guest(name, instance, &id);
                self.containers(instance, &id);
            }
        }
    }

    fn launch(&mut self, name: &Located<String>, instance: &Instance) -> Option<InstanceId> {
        let interfaces = self.launch_interfaces(name, instance)?;
        let image = image::default_for(&self.model.region, Architecture::X86_64);
        let mut request = RunInstances {
            user_data: self.lab.user_data.get(&name.value).map(|text| text.clone().into_bytes()),
            key_name: instance.key.as_ref().map(|key| key.value.clone()),
            iam_instance_profile: self.profile(instance),
            metadata_options: metadata(instance),
            tags: tags(&name.value, &instance.tags),
            origin: self.origin(name.span),
            ..RunInstances::of(image)
        };
        if let Some(written) = &instance.r#type {
            request.instance_type = written.value.clone();
        } else if interfaces.len() > 2 || instance.interfaces.iter().any(|i| i.secondary_ips.is_some()) || most_addresses(instance) > 2 {
            // Small types have two interfaces of two addresses of each family (ENI-4).
            request.instance_type = "m5.large".to_owned();
        }
        request.network_interfaces = interfaces;
        let result = run_instances(self.model, request);
        self.op(name.span, result)?.into_iter().next()
    }

    /// The profile that gives the instance its role. That it is there is looked at where identities are made.
    fn profile(&self, instance: &Instance) -> Option<model::operation::InstanceProfile> {
        let name = instance.profile.as_ref().or(instance.role.as_ref())?;
        let profiles = self.lab.file.iam.iter().flat_map(|iam| &iam.instance_profiles.0);
        let written = profiles.filter(|(known, _)| known.value.eq_ignore_ascii_case(&name.value)).map(|(known, profile)| (known, &profile.path)).next();
        let (name, path) = match written {
            Some((known, path)) => (&known.value, path.as_ref().map_or("/", |path| path.value.as_str())),
            None => (&name.value, "/"),
        };
        let arn = format!("arn:aws:iam::{}:instance-profile{path}{name}", self.model.account_id);
        Some(model::operation::InstanceProfile { arn, id: String::new() })
    }

    fn launch_interfaces(&mut self, name: &Located<String>, instance: &Instance) -> Option<Vec<LaunchInterface>> {
        if instance.interfaces.is_empty() {
            let Some(written) = &instance.subnet else {
                let problem = Diagnostic::new(Code::MissingKey, name.span, format!("instance `{}` is in no subnet", name.value));
                self.problem(problem.label("`subnet` is missing").hint("such as `subnet: public-a`"));
                return None;
            };
            let subnet = self.subnet(written)?;
            let groups = self.groups_of(&instance.sg.0, &subnet)?;
            let written: Vec<_> = instance.private_ip.iter().map(|a| a.value).collect();
            let device = (name.value.clone(), 0);
            return Some(vec![LaunchInterface {
                groups,
                private_ip_addresses: self.private_addresses(&device, &subnet, written, 0),
                ipv6_addresses: self.ipv6_addresses(&device, &subnet, instance.ipv6.as_ref())?,
                ipv6_address_count: Some(0),
                subnet_id: Some(subnet),
                associate_public_ip_address: automatic(instance.public_ip.as_ref()),
                ..LaunchInterface::default()
            }]);
        }
        let private = instance.private_ip.as_ref().map(|address| (address.span, "private_ip"));
        if let Some((span, key)) = private.or(instance.ipv6.as_ref().map(|ipv6| (ipv6.span, "ipv6"))) {
            let problem = Diagnostic::new(Code::Conflict, span, "with `interfaces`, addresses stand in the interfaces");
            self.problem(problem.label("which interface?").hint(format!("move `{key}` to the first entry of `interfaces`")));
            return None;
        }
        let mut all = Vec::new();
        for (index, interface) in (0..).zip(&instance.interfaces) {
            all.push(self.launch_interface(name, instance, index, interface)?);
        }
        Some(all)
    }

    fn launch_interface(
        &mut self,
        name: &Located<String>,
        instance: &Instance,
        index: u32,
        interface: &Interface,
    ) -> Option<LaunchInterface> {
        let Some(written) = interface.subnet.as_ref().or(instance.subnet.as_ref()) else {
            self.problem(
                Diagnostic::new(Code::MissingKey, interface.span, "an interface is in no subnet").label("`subnet` is missing"),
            );
            return None;
        };
        let subnet = self.subnet(written)?;
        let written = if interface.sg.0.is_empty() { &instance.sg.0 } else { &interface.sg.0 };
        let groups = self.groups_of(written, &subnet)?;
        let device = (name.value.clone(), index);
        let mut addresses: Vec<_> = interface.private_ip.iter().map(|a| a.value).collect();
        let mut more = 0;
        match &interface.secondary_ips {
            Some(SecondaryAddresses::List(list)) => {
                // A primary address is chosen where the list gives none.
                if addresses.is_empty() {
                    addresses = self.private_addresses(&device, &subnet, Vec::new(), 0);
                }
                addresses.extend(list.iter().map(|a| a.value));
            }
            Some(SecondaryAddresses::Count(count)) => more = count.value as usize,
            None => {}
        }
        let public = interface.public_ip.as_ref().or(instance.public_ip.as_ref().filter(|_| index == 0));
        Some(LaunchInterface {
            device_index: index,
            groups,
            private_ip_addresses: self.private_addresses(&device, &subnet, addresses, more),
            ipv6_addresses: self.ipv6_addresses(&device, &subnet, interface.ipv6.as_ref())?,
            ipv6_address_count: Some(0),
            subnet_id: Some(subnet),
            associate_public_ip_address: if instance.interfaces.len() > 1 { None } else { automatic(public) },
            ..LaunchInterface::default()
        })
    }

    /// The addresses written, a primary one if there is none, and so many more. A full subnet shows as too few; the
    /// launch then says so.
    fn private_addresses(
        &mut self,
        device: &Device,
        subnet: &SubnetId,
        mut written: Vec<Ipv4Addr>,
        more: usize,
    ) -> Vec<Ipv4Addr> {
        /// No type lets an interface have more (ENI-4); a launch that asks for more is refused with what is there.
        const MOST: usize = 51;
        let name = self.names.subnets.name(subnet).unwrap_or_default().to_owned();
        written.iter().for_each(|address| self.addresses.take(&name, *address));
        let Some(subnet) = self.model.subnets.get(subnet) else { return written };
        let wanted = (written.len().max(1) + more).min(MOST.max(written.len()));
        while written.len() < wanted {
            let had = self.kept.interface(device, &name, written.len());
            match self.addresses.choose(&name, subnet, had) {
                Some(address) => written.push(address),
                None => return Vec::new(),
            }
        }
        written
    }

    fn groups_of(&mut self, written: &[Located<String>], subnet: &SubnetId) -> Option<Vec<SecurityGroupId>> {
        let vpc: VpcId = self.model.subnets.get(subnet)?.vpc_id.clone();
        written.iter().map(|name| self.group(name, &vpc)).collect()
    }

    /// Source/dest checks (ENI-5) and tags as written.
    fn interface_attributes(&mut self, name: &Located<String>, instance: &Instance) {
        // A system that forwards is of no use with the check on, so its default is off.
        let forwards =
            instance.forward.as_ref().is_some_and(|f| f.value) || instance.masquerade.as_ref().is_some_and(|m| m.value);
        let default = instance.source_dest_check.as_ref().map_or(!forwards, |c| c.value);
        let interfaces = (0..).map_while(|index| self.names.interfaces.get(&(name.value.clone(), index)).cloned());
        let interfaces: Vec<_> = interfaces.collect();
        for (index, interface) in interfaces.into_iter().enumerate() {
            let written = instance.interfaces.get(index);
            let mut tags: model::Tags =
                written.iter().flat_map(|i| &i.tags.0).map(|(key, value)| (key.value.clone(), value.value.clone())).collect();
            tags.extend(written.and_then(|i| i.name.as_ref()).map(|n| ("Name".to_owned(), n.value.clone())));
            if !tags.is_empty() {
                let result = create_tags(self.model, CreateTags { resources: vec![interface.to_string()], tags });
                self.op(name.span, result);
            }
            if !written.and_then(|i| i.source_dest_check.as_ref()).map_or(default, |c| c.value) {
                let request = ModifyNetworkInterfaceAttribute {
                    source_dest_check: Some(false),
                    ..ModifyNetworkInterfaceAttribute::of(interface)
                };
                let result = modify_network_interface_attribute(self.model, request);
                self.op(name.span, result);
            }
        }
    }

    fn guest(&mut self, name: &Located<String>, instance: &Instance, id: &InstanceId) {
        let mut listen: Vec<_> = instance.listen.0.iter().flat_map(|phrase| phrase.listeners.clone()).collect();
        listen.sort();
        listen.dedup();
        let guest = Guest {
            listen,
            run: instance.run.0.iter().map(|line| line.value.clone()).collect(),
            ip_forward: instance.forward.as_ref().is_some_and(|f| f.value)
                || instance.masquerade.as_ref().is_some_and(|m| m.value),
            masquerade: instance.masquerade.as_ref().is_some_and(|m| m.value),
        };
        if guest != Guest::default() {
            let result = set_guest(self.model, id, guest);
            self.op(name.span, result);
        }
    }

    /// Stops what is written as stopped: a launch must have ended before (INST-2).
    pub(super) fn power(&mut self) {
        let stopped = self.lab.instances.iter().filter(|(_, instance)| instance.stopped.as_ref().is_some_and(|s| s.value));
        let ids: Vec<InstanceId> = stopped.filter_map(|(name, _)| self.names.instances.id(&name.value).cloned()).collect();
        if !ids.is_empty() {
            self.settle();
            let result = stop_instances(self.model, &ids);
            self.op(Default::default(), result);
        }
    }
}

/// Whether an auto-assigned public address is wanted; `None` = as the subnet has it (SUB-6).
fn automatic(written: Option<&Located<PublicIp>>) -> Option<bool> {
    written.map(|public| public.value == PublicIp::Auto)
}

fn metadata(instance: &Instance) -> MetadataOptionsRequest {
    let Some(metadata) = &instance.metadata else {
        return MetadataOptionsRequest { http_tokens_required: Some(false), ..MetadataOptionsRequest::default() };
    };
    MetadataOptionsRequest {
        http_tokens_required: Some(metadata.tokens.as_ref().is_some_and(|t| t.value == "required")),
        http_put_response_hop_limit: metadata.hop_limit.as_ref().map(|h| h.value),
        http_endpoint_enabled: metadata.enabled.as_ref().map(|e| e.value),
        instance_metadata_tags: metadata.tags.as_ref().map(|t| t.value),
    }
}
