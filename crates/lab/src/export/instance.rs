//! Instances with the addresses that they have.

use std::net::Ipv4Addr;

use model::instance::MetadataOptions;
use model::*;

use super::Writer;
use super::yaml::{key, one_or_many, quoted};

impl Writer<'_> {
    pub(super) fn instances(&mut self) {
        let mut all: Vec<&Instance> = self.instances_of().collect();
        all.sort_by_key(|instance| &self.called.instances[&instance.id]);
        if all.is_empty() {
            return;
        }
        self.line(0, "instances:");
        for instance in all {
            let name = self.called.instances[&instance.id].clone();
            self.instance(&name, instance);
        }
    }

    fn instance(&mut self, name: &str, instance: &Instance) {
        let interfaces = self.interfaces_of(&instance.id).to_vec();
        let guest = self.model.guests.get(&instance.id).cloned().unwrap_or_default();
        let check = !(guest.ip_forward || guest.masquerade);
        let is_plain = interfaces.len() == 1 && interfaces[0].private_ip_addresses.len() == 1 && tags_of(interfaces[0]).is_empty();
        let mut parts = Vec::new();
        if is_plain {
            parts.extend(self.interface(interfaces[0], check, true));
        }
        if let Some(kind) = self.instance_type(instance, &interfaces) {
            parts.push(format!("type: {kind}"));
        }
        if let Some(key_name) = instance.key_name.as_ref().filter(|name| self.model.key_pairs.contains_key(*name)) {
            parts.push(format!("key: {}", quoted(key_name)));
        }
        parts.extend(self.profile(instance));
        let listen: Vec<String> = guest.listen.iter().map(ToString::to_string).collect();
        if !listen.is_empty() {
            parts.push(format!("listen: [{}]", listen.join(", ")));
        }
        if !guest.run.is_empty() {
            parts.push(format!("run: [{}]", guest.run.iter().map(|line| quoted(line)).collect::<Vec<_>>().join(", ")));
        }
        if guest.ip_forward && !guest.masquerade {
            parts.push("forward: true".to_owned());
        }
        if guest.masquerade {
            parts.push("masquerade: true".to_owned());
        }
        parts.extend(metadata(&instance.metadata_options));
        if matches!(instance.state, InstanceState::Stopped | InstanceState::Stopping) {
            parts.push("stopped: true".to_owned());
        }
        match instance.user_data.as_deref().map(std::str::from_utf8) {
            Some(Ok(text)) => parts.push(format!("user_data: {}", quoted(text))),
            Some(Err(_)) => self.unsaid(format!("{}: user data that is no text", instance.id)),
            None => {}
        }
        parts.extend(self.containers(&instance.id));
        parts.extend(self.tags(&instance.tags));
        if is_plain {
            self.line(1, format!("{}: {{ {} }}", key(name), parts.join(", ")));
            return;
        }
        self.line(1, format!("{}:", key(name)));
        parts.into_iter().for_each(|part| self.line(2, part));
        self.line(2, "interfaces:");
        for (index, interface) in interfaces.iter().enumerate() {
            let written = interface.attachment.as_ref().map_or(0, |a| a.device_index);
            if usize::try_from(written).is_ok_and(|written| written != index) {
                self.changed(format!("device {written} of {} becomes {index}", instance.id));
            }
            let mut parts = self.interface(interface, check, interfaces.len() == 1);
            let tags = tags_of(interface);
            parts.extend(tags.get("Name").map(|name| format!("name: {}", quoted(name))));
            parts.extend(self.tags(&tags));
            self.line(3, format!("- {{ {} }}", parts.join(", ")));
        }
    }

    /// The instance profile, if the account has it.
    fn profile(&mut self, instance: &Instance) -> Option<String> {
        let profile = instance.iam_instance_profile.as_ref()?;
        if self.account.is_some_and(|account| account.profiles().any(|known| account.profile_arn(known) == profile.arn)) {
            return Some(format!("profile: {}", quoted(profile.name())));
        }
        self.unsaid(format!("{}: its instance profile {}", instance.id, profile.arn));
        None
    }

    /// Subnet, groups and addresses. A lone interface may have an address that AWS chooses.
    fn interface(&mut self, interface: &NetworkInterface, check: bool, is_alone: bool) -> Vec<String> {
        let model = self.model;
        let Some(subnet) = model.subnets.get(&interface.subnet_id) else { return Vec::new() };
        let mut parts = vec![format!("subnet: {}", self.called.subnet(subnet))];
        let groups = self.groups(interface);
        if !groups.is_empty() {
            parts.push(format!("sg: {}", one_or_many(&groups)));
        }
        parts.push(format!("private_ip: {}", interface.primary_address()));
        let secondary: Vec<String> = interface.private_ip_addresses[1..].iter().map(Ipv4Addr::to_string).collect();
        if !secondary.is_empty() {
            parts.push(format!("secondary_ips: [{}]", secondary.join(", ")));
        }
        let ipv6: Vec<String> = interface.ipv6_addresses.iter().map(ToString::to_string).collect();
        match ipv6.is_empty() {
            true if subnet.ipv6_block().is_some() && subnet.assign_ipv6_address_on_creation => parts.push("ipv6: false".to_owned()),
            true => {}
            false => parts.push(format!("ipv6: [{}]", ipv6.iter().map(|address| quoted(address)).collect::<Vec<_>>().join(", "))),
        }
        let has_gateway = model.internet_gateway_of(&interface.vpc_id).is_some();
        let elastic = |private: Ipv4Addr| model.elastic_ip_of(&interface.id, private);
        if !has_gateway && interface.private_ip_addresses.iter().any(|private| elastic(*private).is_some()) {
            self.unsaid(format!("{}: its Elastic IP address, in a VPC without an internet gateway", interface.id));
        }
        let is_stopped = interface.instance_id().and_then(|id| model.instances.get(id)).is_some_and(|i| i.state != InstanceState::Running);
        match (elastic(interface.primary_address()).filter(|_| has_gateway), interface.auto_public_ip) {
            (Some(address), _) => {
                let word = self.elastic(address);
                parts.push(format!("public_ip: {word}"));
            }
            (None, Some(_)) if is_alone => {
                parts.push("public_ip: true".to_owned());
                self.changed("auto-assigned public addresses are drawn anew");
            }
            (None, Some(address)) if has_gateway => {
                parts.push(format!("public_ip: {address}"));
                self.changed(format!("the auto-assigned address of {} becomes an Elastic IP address", interface.id));
            }
            (None, _) if is_stopped && interface.associate_public_ip_address => parts.push("public_ip: true".to_owned()),
            (None, _) if is_alone && subnet.map_public_ip_on_launch => parts.push("public_ip: false".to_owned()),
            (None, _) => {}
        }
        let more = interface.private_ip_addresses[1..].iter().filter(|_| has_gateway);
        let more: Vec<String> = more.filter_map(|private| Some(format!("{private}: {}", self.elastic(elastic(*private)?)))).collect();
        if !more.is_empty() {
            parts.push(format!("public_ips: {{ {} }}", more.join(", ")));
        }
        if interface.source_dest_check != check {
            parts.push(format!("source_dest_check: {}", interface.source_dest_check));
        }
        parts
    }

    /// The type, if the file must say it: another one where the lab does not know it or it has no room.
    fn instance_type(&mut self, instance: &Instance, interfaces: &[&NetworkInterface]) -> Option<String> {
        let count = u32::try_from(interfaces.len()).unwrap_or(u32::MAX);
        let most = |of: fn(&NetworkInterface) -> usize| u32::try_from(interfaces.iter().map(|i| of(i)).max().unwrap_or(1)).unwrap_or(u32::MAX);
        let (ipv4, ipv6) = (most(|i| i.private_ip_addresses.len()), most(|i| i.ipv6_addresses.len()));
        let most = ipv4.max(ipv6);
        let is_roomy = |t: &instance_type::InstanceType| t.max_interfaces >= count && t.addresses_per_interface >= most;
        // The lab runs images for x86 unless a file could say another.
        let fits = |t: &instance_type::InstanceType| is_roomy(t) && t.architecture == instance_type::Architecture::X86_64;
        if instance_type::find(&instance.instance_type).is_some_and(|t| fits(&t)) {
            let is_default = instance.instance_type == instance_type::DEFAULT && count <= 2 && ipv4 == 1 && ipv6 <= 2;
            return (!is_default).then(|| instance.instance_type.clone());
        }
        let instead = instance_type::find(instance_type::DEFAULT).filter(fits).or_else(|| instance_type::all().find(fits));
        match instead {
            Some(instead) => {
                self.changed(format!("type {} of {} becomes {}", instance.instance_type, instance.id, instead.name()));
                Some(instead.name())
            }
            None => {
                self.unsaid(format!("{}: so many interfaces or addresses", instance.id));
                None
            }
        }
    }
}

/// Tags of an interface that a launch does not give it.
fn tags_of(interface: &NetworkInterface) -> Tags {
    interface.tags.clone()
}

/// The hop limit of an instance that says none: what the image that labs launch asks for (IMDS-7).
const HOP_LIMIT: u8 = 2;

/// What differs from what a lab file without the key has.
fn metadata(options: &MetadataOptions) -> Option<String> {
    let mut parts = Vec::new();
    if options.http_tokens_required {
        parts.push("tokens: required".to_owned());
    }
    if options.http_put_response_hop_limit != HOP_LIMIT {
        parts.push(format!("hop_limit: {}", options.http_put_response_hop_limit));
    }
    if !options.http_endpoint_enabled {
        parts.push("enabled: false".to_owned());
    }
    if options.instance_metadata_tags {
        parts.push("tags: true".to_owned());
    }
    (!parts.is_empty()).then(|| format!("metadata: {{ {} }}", parts.join(", ")))
}
