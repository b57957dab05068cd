//! Lans in the file's words.

use std::collections::BTreeMap;

use model::lan::{BitsPerSecond, Device, FIRST_INTERFACE, Interface, Repeater, Switch};
use model::Lan;

use super::Writer;
use super::yaml::{key, one_or_many, quoted};

impl Writer<'_> {
    pub(super) fn lans(&mut self) {
        let model = self.model;
        if !model.lans.is_empty() {
            self.line(0, "lans:");
        }
        for (name, lan) in &model.lans {
            self.line(1, format!("{}:", key(name)));
            self.lan(lan);
        }
    }

    fn lan(&mut self, lan: &Lan) {
        for (group, kind) in [
            ("hubs", "hub"),
            ("repeaters", "repeater"),
            ("switches", "switch"),
            ("bridges", "bridge"),
            ("routers", "router"),
            ("hosts", "host"),
            ("balancers", "balancer"),
        ] {
            let mut of_kind = lan.devices.iter().filter(|(_, device)| device.kind() == kind).peekable();
            if of_kind.peek().is_some() {
                self.line(2, format!("{group}:"));
            }
            for (name, device) in of_kind {
                self.line(3, format!("{}: {}", key(name), self::device(device)));
            }
        }
        if !lan.links.is_empty() {
            self.line(2, "links:");
        }
        for link in &lan.links {
            let called = |end: &model::lan::End| match end {
                // A VPC's name may have to change for a file.
                model::lan::End::Vpc(name) => model::lan::End::Vpc(self.vpc_of_name(name)),
                end => end.clone(),
            };
            let link = model::lan::Link { a: called(&link.a), b: called(&link.b), ..link.clone() };
            self.line(3, format!("- {}", lan.sentence(&link)));
        }
    }

    /// What the file calls the VPC whose `Name` tag this is.
    fn vpc_of_name(&self, name: &str) -> String {
        let vpc = self.model.vpcs.values().find(|vpc| model::tag::name(&vpc.tags) == Some(name));
        vpc.and_then(|vpc| self.called.vpcs.get(&vpc.id)).cloned().unwrap_or_else(|| name.to_owned())
    }
}

fn device(device: &Device) -> String {
    let parts = match device {
        Device::Hub(Repeater { rate_bits_per_second, .. }) | Device::Repeater(Repeater { rate_bits_per_second, .. }) => {
            return BitsPerSecond(*rate_bits_per_second).to_string();
        }
        Device::Switch(switch) | Device::Bridge(switch) => self::switch(switch),
        Device::Router(router) => {
            let mut parts = vec![interfaces(&router.interfaces)];
            parts.extend(list("routes", &router.routes));
            parts.extend(list("protocols", &router.protocols));
            parts.extend(router.nat_interface.iter().map(|nat| format!("nat: {}", key(nat))));
            parts.extend(list("filter", &router.filter));
            parts.extend(list("serve", &router.serve));
            parts
        }
        Device::Host(host) => {
            let mut parts = vec![one_or_more(&host.interfaces)];
            parts.extend(list("gateway", &host.gateways));
            parts.extend(list("routes", &host.routes));
            parts.extend(list("dns", &host.dns));
            parts.extend(list("listen", &host.listen));
            parts.extend(list("serve", &host.serve));
            parts
        }
        Device::Balancer(balancer) => {
            let mut parts = vec![one_or_more(&balancer.interfaces)];
            parts.extend(list("gateway", &balancer.gateways));
            parts.push(format!("virtual: {}", quoted(&balancer.virtual_address.to_string())));
            parts.extend(list("ports", &balancer.ports));
            parts.push(format!("to: [{}]", balancer.to.iter().map(|name| key(name)).collect::<Vec<_>>().join(", ")));
            parts
        }
    };
    format!("{{ {} }}", parts.join(", "))
}

fn switch(switch: &Switch) -> Vec<String> {
    let Switch { ageing_seconds, table_entries, spanning_tree, priority, igmp_snooping, .. } = switch;
    let usual = Switch::default();
    let said = |text: String, is_usual: bool| Some(text).filter(|_| !is_usual);
    [
        said(format!("ageing: {ageing_seconds}s"), *ageing_seconds == usual.ageing_seconds),
        said(format!("table: {table_entries}"), *table_entries == usual.table_entries),
        said(format!("spanning_tree: {spanning_tree}"), *spanning_tree == usual.spanning_tree),
        said(format!("priority: {priority}"), *priority == usual.priority),
        said(format!("igmp_snooping: {igmp_snooping}"), *igmp_snooping == usual.igmp_snooping),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `address: …` for eth0 alone, else `interfaces: {…}`.
fn one_or_more(all: &BTreeMap<String, Interface>) -> String {
    match all.get(FIRST_INTERFACE).filter(|_| all.len() == 1) {
        Some(interface) => interface_keys(interface).join(", "),
        None => interfaces(all),
    }
}

fn interfaces(all: &BTreeMap<String, Interface>) -> String {
    let one = |(name, interface): (&String, &Interface)| format!("{}: {{ {} }}", key(name), interface_keys(interface).join(", "));
    format!("interfaces: {{ {} }}", all.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn interface_keys(interface: &Interface) -> Vec<String> {
    let dhcp = interface.dhcp.then(|| "dhcp".to_owned());
    let addresses: Vec<String> = interface.addresses.iter().map(|address| quoted(&address.to_string())).chain(dhcp).collect();
    let mac = interface.mac.map(|mac| format!("mac: {}", quoted(&mac.to_string())));
    std::iter::once(format!("address: {}", one_or_many(&addresses))).chain(mac).collect()
}

fn list<'a, T: ToString + 'a>(name: &str, all: impl IntoIterator<Item = &'a T>) -> Option<String> {
    let all: Vec<String> = all.into_iter().map(|one| quoted(&one.to_string())).collect();
    (!all.is_empty()).then(|| format!("{name}: [{}]", all.join(", ")))
}
