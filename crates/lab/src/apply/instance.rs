//! Instances: launched once, then changed in place where AWS lets one.

use std::collections::BTreeSet;

use model::image;
use model::instance_type::Architecture;
use model::operation::*;
use model::{Guest, InstanceId, InstanceState, NetworkInterfaceId, SecurityGroupId, VpcId};

use super::{Action, Apply, is_called, tags};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::file::{Instance, PublicIp, SecondaryAddresses};
use crate::source::{Located, Span};

impl Apply<'_, '_> {
    /// The live instance of a name.
    pub(super) fn instance_called(&self, name: &str) -> Option<InstanceId> {
        let live = |i: &&model::Instance| !matches!(i.state, InstanceState::Terminated | InstanceState::ShuttingDown);
        self.model.instances.values().filter(live).find(|i| is_called(&i.tags, name)).map(|i| i.id.clone())
    }

    pub(super) fn instances(&mut self) {
        let all = &self.lab.instances;
        for (name, instance) in all {
            let id = match self.instance_called(&name.value) {
                Some(id) => {
                    self.change_instance(name, instance, &id);
                    id
                }
                None => match self.launch(name, instance) {
                    Some(id) => id,
                    None => continue,
                },
            };
            self.guest(name, instance, &id);
            self.power(name, instance, &id);
        }
    }

    fn launch(&mut self, name: &Located<String>, instance: &Instance) -> Option<InstanceId> {
        let interfaces = self.launch_interfaces(name, instance)?;
        let image = image::default_for(&self.model.region, Architecture::X86_64);
        let mut request = RunInstances {
            user_data: self.lab.user_data.get(&name.value).map(|text| text.clone().into_bytes()),
            key_name: instance.key.as_ref().map(|key| key.value.clone()),
            metadata_options: metadata(instance),
            tags: tags(&name.value, &instance.tags),
            origin: self.origin(name.span),
            ..RunInstances::of(image)
        };
        if let Some(written) = &instance.r#type {
            request.instance_type = written.value.clone();
        } else if interfaces.len() > 2 || instance.interfaces.iter().any(|i| i.secondary_ips.is_some()) {
            // Small types have two interfaces of two addresses each (ENI-4).
            request.instance_type = "m5.large".to_owned();
        }
        request.network_interfaces = interfaces;
        let result = run_instances(self.model, request);
        let id = self.op(name.span, result)?.into_iter().next()?;
        self.note(Action::Create, "instance", &name.value, "");
        self.checks(name, instance, &id);
        Some(id)
    }

    fn launch_interfaces(&mut self, name: &Located<String>, instance: &Instance) -> Option<Vec<LaunchInterface>> {
        let mut all = Vec::new();
        if instance.interfaces.is_empty() {
            let Some(written) = &instance.subnet else {
                let problem = Diagnostic::new(Code::MissingKey, name.span, format!("instance `{}` is in no subnet", name.value));
                self.problem(problem.label("`subnet` is missing").hint("such as `subnet: public-a`"));
                return None;
            };
            let subnet = self.subnet(written)?;
            let groups = self.groups_of(&instance.sg.0, &subnet)?;
            all.push(LaunchInterface {
                subnet_id: Some(subnet),
                groups,
                private_ip_addresses: instance.private_ip.iter().map(|a| a.value).collect(),
                associate_public_ip_address: automatic(instance.public_ip.as_ref()),
                ..LaunchInterface::default()
            });
            return Some(all);
        }
        for (index, interface) in (0..).zip(&instance.interfaces) {
            let Some(written) = interface.subnet.as_ref().or(instance.subnet.as_ref()) else {
                self.problem(Diagnostic::new(Code::MissingKey, interface.span, "an interface is in no subnet").label("`subnet` is missing"));
                return None;
            };
            let subnet = self.subnet(written)?;
            let written = if interface.sg.0.is_empty() { &instance.sg.0 } else { &interface.sg.0 };
            let groups = self.groups_of(written, &subnet)?;
            let mut addresses: Vec<_> = interface.private_ip.iter().map(|a| a.value).collect();
            let mut count = 0;
            match &interface.secondary_ips {
                Some(SecondaryAddresses::List(list)) => addresses.extend(list.iter().map(|a| a.value)),
                Some(SecondaryAddresses::Count(n)) => count = n.value as usize,
                None => {}
            }
            let public = interface.public_ip.as_ref().or(instance.public_ip.as_ref().filter(|_| index == 0));
            all.push(LaunchInterface {
                device_index: index,
                subnet_id: Some(subnet),
                groups,
                private_ip_addresses: addresses,
                secondary_private_ip_address_count: count,
                associate_public_ip_address: if instance.interfaces.len() > 1 { None } else { automatic(public) },
                ..LaunchInterface::default()
            });
        }
        Some(all)
    }

    fn groups_of(&mut self, written: &[Located<String>], subnet: &model::SubnetId) -> Option<Vec<SecurityGroupId>> {
        let vpc: VpcId = self.model.subnets.get(subnet)?.vpc_id.clone();
        written.iter().map(|name| self.group(name, &vpc)).collect()
    }

    /// Source/dest checks as written (ENI-5).
    fn checks(&mut self, name: &Located<String>, instance: &Instance, id: &InstanceId) {
        // A system that forwards is of no use with the check on, so its default is off.
        let forwards = instance.forward.as_ref().is_some_and(|f| f.value) || instance.masquerade.as_ref().is_some_and(|m| m.value);
        let default = instance.source_dest_check.as_ref().map_or(!forwards, |c| c.value);
        let known: Vec<(NetworkInterfaceId, bool)> =
            self.model.interfaces_of(id).into_iter().map(|i| (i.id.clone(), i.source_dest_check)).collect();
        for (index, (interface, is)) in known.into_iter().enumerate() {
            let written = instance.interfaces.get(index).and_then(|i| i.source_dest_check.as_ref());
            let wanted = written.map_or(default, |c| c.value);
            if wanted != is {
                let request = ModifyNetworkInterfaceAttribute {
                    source_dest_check: Some(wanted),
                    ..ModifyNetworkInterfaceAttribute::of(interface)
                };
                let result = modify_network_interface_attribute(self.model, request);
                if self.op(name.span, result).is_some() && !self.is_new(&name.value) {
                    self.note(Action::Change, "instance", &name.value, "source/dest check");
                }
            }
        }
    }

    fn is_new(&self, name: &str) -> bool {
        self.changes.iter().any(|c| c.action == Action::Create && c.kind == "instance" && c.name == name)
    }

    fn change_instance(&mut self, name: &Located<String>, instance: &Instance, id: &InstanceId) {
        let interfaces: Vec<_> = self.model.interfaces_of(id).into_iter().cloned().collect();
        let first = instance.interfaces.first();
        let written_subnet = first.and_then(|i| i.subnet.as_ref()).or(instance.subnet.as_ref());
        if let Some(written) = written_subnet
            && let Some(subnet) = self.subnet(written)
            && interfaces.first().is_some_and(|i| i.subnet_id != subnet)
        {
            self.cannot_change(written.span, &name.value, "its subnet");
            return;
        }
        let written_address = first.and_then(|i| i.private_ip.as_ref()).or(instance.private_ip.as_ref());
        if let Some(written) = written_address
            && interfaces.first().is_some_and(|i| i.primary_address() != written.value)
        {
            self.cannot_change(written.span, &name.value, "its private address");
        }
        for (index, interface) in interfaces.iter().enumerate() {
            let own = instance.interfaces.get(index).map(|i| &i.sg.0).filter(|sg| !sg.is_empty());
            let written = own.unwrap_or(&instance.sg.0);
            let Some(mut wanted) = self.groups_of(written, &interface.subnet_id) else { continue };
            if wanted.is_empty() {
                let mut defaults = self.model.security_groups.values();
                wanted.extend(defaults.find(|g| g.vpc_id == interface.vpc_id && g.is_default()).map(|g| g.id.clone()));
            }
            let same = wanted.iter().collect::<BTreeSet<_>>() == interface.groups.iter().collect::<BTreeSet<_>>();
            if !same {
                let request = ModifyNetworkInterfaceAttribute {
                    groups: Some(wanted),
                    ..ModifyNetworkInterfaceAttribute::of(interface.id.clone())
                };
                let result = modify_network_interface_attribute(self.model, request);
                if self.op(name.span, result).is_some() {
                    self.note(Action::Change, "instance", &name.value, "security groups");
                }
            }
        }
        self.checks(name, instance, id);
        let wanted = metadata(instance);
        let known = self.model.instances.get(id).map(|i| i.metadata_options.clone());
        let differs = known.is_some_and(|known| {
            wanted.http_tokens_required.is_some_and(|w| w != known.http_tokens_required)
                || wanted.http_put_response_hop_limit.is_some_and(|w| w != known.http_put_response_hop_limit)
                || wanted.http_endpoint_enabled.is_some_and(|w| w != known.http_endpoint_enabled)
                || wanted.instance_metadata_tags.is_some_and(|w| w != known.instance_metadata_tags)
        });
        if differs {
            let result = modify_instance_metadata_options(self.model, id, wanted);
            if self.op(name.span, result).is_some() {
                self.note(Action::Change, "instance", &name.value, "metadata options");
            }
        }
    }

    fn cannot_change(&mut self, span: Span, name: &str, what: &str) {
        let message = format!("instance `{name}` runs with another value; {what} cannot change");
        let hint = format!("vpclab rm {name} && vpclab up");
        self.problem(Diagnostic::new(Code::NotDescribable, span, message).label("differs").hint(hint));
    }

    fn guest(&mut self, name: &Located<String>, instance: &Instance, id: &InstanceId) {
        let mut listen: Vec<_> = instance.listen.0.iter().flat_map(|phrase| phrase.listeners.clone()).collect();
        listen.sort();
        listen.dedup();
        let guest = Guest {
            listen,
            run: instance.run.0.iter().map(|line| line.value.clone()).collect(),
            ip_forward: instance.forward.as_ref().is_some_and(|f| f.value) || instance.masquerade.as_ref().is_some_and(|m| m.value),
            masquerade: instance.masquerade.as_ref().is_some_and(|m| m.value),
        };
        if self.model.guests.get(id).cloned().unwrap_or_default() == guest {
            return;
        }
        let result = set_guest(self.model, id, guest);
        if self.op(name.span, result).is_some() && !self.is_new(&name.value) {
            self.note(Action::Change, "instance", &name.value, "what runs in it");
        }
    }

    fn power(&mut self, name: &Located<String>, instance: &Instance, id: &InstanceId) {
        let Some(stopped) = &instance.stopped else { return };
        let state = self.model.instances.get(id).map(|i| i.state);
        let is_stopped = matches!(state, Some(InstanceState::Stopped | InstanceState::Stopping));
        if stopped.value == is_stopped {
            return;
        }
        // A launch must have ended before it can be stopped (INST-2).
        self.settle();
        let ids = [id.clone()];
        let result = if stopped.value { stop_instances(self.model, &ids) } else { start_instances(self.model, &ids) };
        if self.op(stopped.span, result).is_some() {
            self.note(Action::Change, "instance", &name.value, if stopped.value { "stopped" } else { "started" });
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
