//! Lans in words: what `view` compares of them.

use std::collections::BTreeMap;
use std::fmt::Display;

use model::Lan;
use model::lan::{BitsPerSecond, Device, Interface, Nanoseconds, StaticRoute, Switch};

use super::view::{Kind, Reader, Thing, View};

impl Reader<'_> {
    /// A lan is its links; each of its devices is a thing of its own, whose name is unique in the lab.
    pub(super) fn lans(&self, view: &mut View) {
        for (name, lan) in &self.model.lans {
            view.add(Kind::Lan, name, Thing::default().listed(links(lan)).summary(summary(lan)).at(&lan.origin));
            for (device_name, device) in &lan.devices {
                let thing = thing(device).open("lan", name).at(device.origin());
                view.add(Kind::LanDevice(device.kind()), device_name, thing);
            }
        }
    }
}

/// Each link as the file writes it; links alike are told apart by their number.
fn links(lan: &Lan) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = Vec::with_capacity(lan.links.len());
    for link in &lan.links {
        let sentence = lan.sentence(link);
        let count = counts.entry(sentence.clone()).or_default();
        *count += 1;
        all.push(if *count == 1 { sentence } else { format!("{sentence} ({count})") });
    }
    all
}

fn summary(lan: &Lan) -> String {
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!("{}, {}", many(lan.devices.len(), "device"), many(lan.links.len(), "link"))
}

fn thing(device: &Device) -> Thing {
    let thing = Thing::default();
    match device {
        Device::Hub(repeater) | Device::Repeater(repeater) => {
            let rate = BitsPerSecond(repeater.rate_bits_per_second);
            thing.open("rate", rate).summary(rate)
        }
        Device::Switch(switch) | Device::Bridge(switch) => self::switch(thing, switch),
        Device::Router(router) => {
            let thing = interfaces(thing, &router.interfaces).open("filter", words(&router.filter));
            let thing = thing.open("protocols", words(&router.protocols)).open("nat", router.nat_interface.as_deref().unwrap_or("none"));
            routes(thing, &router.routes).listed(router.serve.iter().map(|service| format!("serves {service}")))
        }
        Device::Host(host) => {
            let thing = interfaces(thing, &host.interfaces).open("gateway", words(&host.gateways)).open("name servers", words(&host.dns));
            let thing = thing.listed(host.listen.iter().map(|listener| format!("listens on {listener}")));
            routes(thing, &host.routes).listed(host.serve.iter().map(|service| format!("serves {service}")))
        }
        Device::Balancer(balancer) => {
            let thing = interfaces(thing, &balancer.interfaces).open("gateway", words(&balancer.gateways));
            let thing = thing.open("virtual address", balancer.virtual_address).open("to", balancer.to.join(", "));
            thing.listed(balancer.ports.iter().map(|listener| format!("spreads {listener}"))).summary(balancer.virtual_address)
        }
    }
}

fn switch(thing: Thing, switch: &Switch) -> Thing {
    let ageing = Nanoseconds(u64::from(switch.ageing_seconds) * 1_000_000_000);
    let on = |on: bool| if on { "on" } else { "off" };
    let thing = thing.open("ageing", ageing).open("table", switch.table_entries).open("priority", switch.priority);
    thing.open("spanning tree", on(switch.spanning_tree)).open("IGMP snooping", on(switch.igmp_snooping))
}

fn interfaces(thing: Thing, interfaces: &BTreeMap<String, Interface>) -> Thing {
    let mut thing = thing;
    let mut all = Vec::new();
    for (name, interface) in interfaces {
        let dhcp = interface.dhcp.then(|| "dhcp".to_owned());
        let addresses: Vec<String> = interface.addresses.iter().map(ToString::to_string).chain(dhcp).collect();
        let text = if addresses.is_empty() { "no address".to_owned() } else { addresses.join(", ") };
        all.extend(addresses);
        thing = thing.open(name, text).open(format!("{name} MAC"), interface.mac.map_or("any".to_owned(), |mac| mac.to_string()));
    }
    thing.summary(all.join(", "))
}

fn routes(thing: Thing, routes: &[StaticRoute]) -> Thing {
    thing.listed(routes.iter().map(|route| format!("route {route}")))
}

/// Their order matters, or there are few: one text.
fn words<'a, T: Display + 'a>(all: impl IntoIterator<Item = &'a T>) -> String {
    let all: Vec<String> = all.into_iter().map(ToString::to_string).collect();
    if all.is_empty() { "none".to_owned() } else { all.join("; ") }
}
