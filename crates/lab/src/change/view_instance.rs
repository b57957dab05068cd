//! Instances and their interfaces in words: what `view` compares of them.

use std::collections::{BTreeMap, BTreeSet};

use model::{InstanceState, NetworkInterface, guest};

use super::view::{Kind, Reader, Thing, Value, View, on};
use crate::names::own_name;

impl Reader<'_> {
    pub(super) fn instances(&self, view: &mut View) {
        let mut by_instance: BTreeMap<&str, Vec<(u32, &NetworkInterface)>> = BTreeMap::new();
        for ((instance, index), id) in &self.names.interfaces {
            let interface = self.model.network_interfaces.get(id).map(|interface| (*index, interface));
            by_instance.entry(instance).or_default().extend(interface);
        }
        for (name, id) in self.names.instances.iter() {
            let Some(instance) = self.model.instances.get(id) else { continue };
            let mut thing = Thing::default()
                .fixed("image", &instance.image_id)
                .fixed("key pair", instance.key_name.as_deref().unwrap_or("none"))
                .open("type", &instance.instance_type)
                .open("instance profile", instance.iam_instance_profile.as_ref().map_or("none", |profile| &profile.arn))
                .open("CPU credits", if instance.unlimited_cpu_credits { "unlimited" } else { "standard" })
                .open(
                    "state",
                    if matches!(instance.state, InstanceState::Stopped | InstanceState::Stopping) {
                        "stopped"
                    } else {
                        "running"
                    },
                );
            let user_data = instance.user_data.as_deref().unwrap_or_default();
            thing.fixed.insert("user data".to_owned(), Value::Long(String::from_utf8_lossy(user_data).into_owned()));
            let metadata = &instance.metadata_options;
            thing = thing
                .open("metadata tokens", if metadata.http_tokens_required { "required" } else { "optional" })
                .open("metadata hop limit", metadata.http_put_response_hop_limit)
                .open("metadata service", on(metadata.http_endpoint_enabled))
                .open("metadata tags", on(metadata.instance_metadata_tags));
            for (index, interface) in by_instance.get(name).into_iter().flatten() {
                thing = self.interface(thing, *index, interface);
            }
            let guest = self.model.guests.get(id).cloned().unwrap_or_default();
            let listen = guest.listen.iter().map(|listener| match listener {
                guest::Listener::Tcp(port) => format!("listens on tcp/{port}"),
                guest::Listener::Udp(port) => format!("listens on udp/{port}"),
            });
            thing = thing.listed(listen).open("forwarding", on(guest.ip_forward)).open("masquerading", on(guest.masquerade));
            thing.open.insert("what runs in it".to_owned(), Value::Long(guest.run.join("\n")));
            view.add(Kind::Instance, name, thing.tags(&instance.tags).at(&instance.origin));
        }
    }

    fn interface(&self, thing: Thing, index: u32, interface: &NetworkInterface) -> Thing {
        let of = |what: &str| if index == 0 { what.to_owned() } else { format!("{what} of interface {index}") };
        let groups = interface.groups.iter().map(|id| own_name(self.names.security_groups.name(id).unwrap_or(id.as_str())));
        let groups: BTreeSet<&str> = groups.collect();
        let mut thing = thing
            .fixed(of("subnet"), own_name(self.subnet(&interface.subnet_id)))
            .fixed(of("private address"), interface.primary_address())
            .open(of("security groups"), groups.into_iter().collect::<Vec<_>>().join(", "))
            .open(of("source/dest check"), on(interface.source_dest_check))
            .listed(interface.private_ip_addresses[1..].iter().map(|a| of(&format!("address {a}"))))
            .open(of("IPv6 addresses"), one_or_more(&interface.ipv6_addresses))
            .lives_in(Kind::Subnet, self.subnet(&interface.subnet_id));
        if index == 0 {
            thing = thing
                .open("public address at launch", on(interface.associate_public_ip_address))
                .open("automatic public address", on(interface.auto_public_ip.is_some()));
        }
        interface.tags.iter().fold(thing, |thing, (key, value)| thing.open(of(&format!("interface tag {key}")), value))
    }
}

fn one_or_more(addresses: &[std::net::Ipv6Addr]) -> String {
    match addresses {
        [] => "none".to_owned(),
        all => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}
