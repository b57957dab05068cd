//! What is wrong with a lan as a whole: ends that lead nowhere, interfaces that are linked twice, addresses that cannot be.
//! Each problem knows its place, so that whoever has the file can point at it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::check::{loss_problem, service_problem};
use super::*;
use crate::operation::check_name;

/// A part of a lan that can be wrong. Indexes count from 0 in the order of the data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A device.
    Device(String),
    /// One of its interfaces.
    Interface(String, String),
    /// One address of an interface.
    Address(String, String, usize),
    /// The MAC address of an interface.
    Mac(String, String),
    /// One gateway of a device.
    Gateway(String, usize),
    /// One route.
    Route(String, usize),
    /// The interface that hides addresses.
    Nat(String),
    /// One rule of a filter.
    Filter(String, usize),
    /// One thing that is served.
    Service(String, usize),
    /// One port that is listened on, or that a balancer spreads.
    Listener(String, usize),
    /// The address that a balancer's clients know.
    Virtual(String),
    /// One host of a balancer.
    Target(String, usize),
    /// A link.
    Link(usize),
    /// The first end of a link.
    A(usize),
    /// The other end.
    B(usize),
}

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A name that is none, or that means something else.
    Name,
    /// An address that cannot be here.
    Address,
    /// Something that is named and is not there.
    Unknown,
    /// A link that cannot be.
    Link,
    /// A number out of range.
    Range,
    /// Two things that contradict each other.
    Conflict,
    /// Something that it cannot do without.
    Missing,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing.
    pub fault: Fault,
    /// Where.
    pub place: Place,
    /// What and why, as a sentence.
    pub message: String,
    /// What to do about it, if there is more to say.
    pub hint: Option<String>,
    /// What was named and is not there, and what is.
    pub unknown: Option<Unknown>,
    /// Another place that it is about.
    pub other: Option<Place>,
}

/// A name that nothing has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Kind of thing: `device`, `interface`, `host`.
    pub what: &'static str,
    /// The name.
    pub name: String,
    /// Names that there are.
    pub known: Vec<String>,
}

impl Lan {
    /// All that is wrong with it by itself, devices first, then links. Names that the rest of the lab has, and whether the
    /// VPCs are there, is [`crate::operation::set_lans`]'s to see.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        for (name, device) in &self.devices {
            problems.device(self, name, device);
        }
        problems.links(self);
        problems.0
    }
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, fault: Fault, place: Place, message: impl Into<String>) -> &mut Problem {
        self.0.push(Problem { fault, place, message: message.into(), hint: None, unknown: None, other: None });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    fn maybe(&mut self, fault: Fault, place: impl FnOnce() -> Place, message: Option<String>) {
        if let Some(message) = message {
            self.add(fault, place(), message);
        }
    }

    fn device(&mut self, lan: &Lan, name: &str, device: &Device) {
        if let Err(error) = check_name(name) {
            self.add(Fault::Name, Place::Device(name.to_owned()), error.message).hint = error.hint;
        }
        // A link would not know the device from a VPC, nor the name from a number.
        if name == "vpc" || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.add(Fault::Name, Place::Device(name.to_owned()), format!("`{name}` cannot be the name of a device")).hint =
                Some("a name starts with a letter, and `vpc:NAME` is a VPC at the end of a link".to_owned());
        }
        for (interface, written) in device.interfaces().into_iter().flatten() {
            self.interface(name, interface, written);
        }
        match device {
            Device::Hub(Repeater { rate_bits_per_second, .. }) | Device::Repeater(Repeater { rate_bits_per_second, .. }) => {
                self.maybe(Fault::Range, || Place::Device(name.to_owned()), rate_problem(*rate_bits_per_second));
            }
            Device::Switch(switch) | Device::Bridge(switch) => {
                let none = [("time is 0s", switch.ageing_seconds), ("table has no entries", switch.table_entries)];
                for (what, _) in none.into_iter().filter(|(_, number)| *number == 0) {
                    let message = format!("{} `{name}` remembers nothing: its {what}", device.kind());
                    self.add(Fault::Range, Place::Device(name.to_owned()), message).hint = Some("what remembers nothing is a hub".to_owned());
                }
            }
            Device::Router(router) => {
                self.routes(name, &router.interfaces, &router.routes);
                let nat = router.nat_interface.as_ref();
                if let Some(unknown) = nat.filter(|nat| !router.interfaces.contains_key(*nat)) {
                    self.unknown_interface(Place::Nat(name.to_owned()), name, unknown, &router.interfaces);
                }
                self.filter(name, router);
                self.services(name, &router.interfaces, &[], &router.serve);
            }
            Device::Host(host) => {
                self.gateways(name, &host.interfaces, &host.gateways);
                self.routes(name, &host.interfaces, &host.routes);
                self.services(name, &host.interfaces, &host.listen, &host.serve);
            }
            Device::Balancer(balancer) => {
                self.gateways(name, &balancer.interfaces, &balancer.gateways);
                self.balancer(lan, name, balancer);
            }
        }
    }

    fn interface(&mut self, device: &str, name: &str, interface: &Interface) {
        let own = || Place::Interface(device.to_owned(), name.to_owned());
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(fine) || name.len() > 15 {
            self.add(Fault::Name, own(), format!("`{name}` is not the name of an interface")).hint =
                Some("up to 15 letters, digits, `-`, `_` and `.`, the first a letter: eth0, serial0".to_owned());
        }
        for (index, address) in interface.addresses.iter().enumerate() {
            let place = || Place::Address(device.to_owned(), name.to_owned(), index);
            self.maybe(Fault::Address, place, address_problem(*address));
            if interface.addresses[..index].iter().any(|other| other.addr() == address.addr()) {
                self.add(Fault::Conflict, place(), format!("{} is written twice", address.addr()));
            }
        }
        self.maybe(Fault::Address, || Place::Mac(device.to_owned(), name.to_owned()), interface.mac.and_then(mac_problem));
        if let Some(address) = interface.addresses.iter().find(|address| interface.dhcp && matches!(address, IpNet::V4(_))) {
            let message = format!("{device}:{name} has {} and asks DHCP for another address", address.addr());
            self.add(Fault::Conflict, own(), message).hint = Some("leave one of them out".to_owned());
        }
    }

    fn gateways(&mut self, name: &str, interfaces: &BTreeMap<String, Interface>, gateways: &[IpAddr]) {
        for (index, gateway) in gateways.iter().enumerate() {
            let place = || Place::Gateway(name.to_owned(), index);
            self.maybe(Fault::Address, place, unreachable(*gateway, interfaces.values()));
            if gateways[..index].iter().any(|other| other.is_ipv4() == gateway.is_ipv4()) {
                self.add(Fault::Conflict, place(), format!("`{name}` has two gateways of one family")).hint =
                    Some("a second one is a route: `routes: [10.0.9.0/24 via …]`".to_owned());
            }
        }
    }

    fn routes(&mut self, name: &str, interfaces: &BTreeMap<String, Interface>, routes: &[StaticRoute]) {
        for (index, route) in routes.iter().enumerate() {
            let place = || Place::Route(name.to_owned(), index);
            if route.destination.trunc() != route.destination {
                let message = format!("{} has bits set behind its prefix", route.destination);
                self.add(Fault::Address, place(), message).hint = Some(format!("write `{}`", route.destination.trunc()));
            }
            let dev = route.interface.as_ref();
            if let Some(unknown) = dev.filter(|dev| !interfaces.contains_key(*dev)) {
                self.unknown_interface(place(), name, unknown, interfaces);
                continue;
            }
            match (route.via, dev.and_then(|dev| interfaces.get(dev))) {
                (None, None) => {
                    self.add(Fault::Conflict, place(), "a route leads to a next hop or out of an interface").hint =
                        Some("10.0.3.0/24 via 10.0.2.2, or 10.0.3.0/24 dev serial0".to_owned());
                }
                (Some(via), _) if via.is_ipv4() != route.destination.addr().is_ipv4() => {
                    let message = format!("{via} is of another family than {}", route.destination);
                    self.add(Fault::Address, place(), message).hint = Some("a next hop is of the family that it is for".to_owned());
                }
                // An interface without an address (a serial line may have none) reaches whoever is at its other end.
                (Some(via), Some(interface)) if !interface.addresses.is_empty() => {
                    self.maybe(Fault::Address, place, unreachable(via, [interface]));
                }
                (Some(via), None) => self.maybe(Fault::Address, place, unreachable(via, interfaces.values())),
                _ => {}
            }
        }
    }

    fn filter(&mut self, name: &str, router: &Router) {
        for (index, rule) in router.filter.iter().enumerate() {
            let place = || Place::Filter(name.to_owned(), index);
            for unknown in [&rule.in_interface, &rule.out_interface].into_iter().flatten() {
                if !router.interfaces.contains_key(unknown) {
                    self.unknown_interface(place(), name, unknown, &router.interfaces);
                }
            }
            if let (Some(from), Some(to)) = (rule.from, rule.to)
                && from.addr().is_ipv4() != to.addr().is_ipv4()
            {
                self.add(Fault::Address, place(), format!("no packet goes from {from} to {to}: one is IPv4, one IPv6")).hint =
                    Some("two rules, one for each family".to_owned());
            }
        }
    }

    fn services(&mut self, name: &str, interfaces: &BTreeMap<String, Interface>, listen: &[Listener], serve: &[Service]) {
        let mut taken = BTreeSet::new();
        for (index, listener) in listen.iter().enumerate() {
            let place = || Place::Listener(name.to_owned(), index);
            if !taken.insert(*listener) {
                self.add(Fault::Conflict, place(), format!("`{name}` listens on {listener} twice"));
            }
        }
        for (index, service) in serve.iter().enumerate() {
            let place = || Place::Service(name.to_owned(), index);
            let blocks = interfaces.values().flat_map(|interface| &interface.addresses);
            self.maybe(Fault::Address, place, service_problem(service, blocks));
            for listener in service.listeners() {
                if !taken.insert(listener) {
                    self.add(Fault::Conflict, place(), format!("{listener} of `{name}` is taken already"));
                }
            }
        }
    }

    fn balancer(&mut self, lan: &Lan, name: &str, balancer: &Balancer) {
        let host = IpNet::from(balancer.virtual_address);
        if let Some(why) = address_problem(host) {
            self.add(Fault::Address, Place::Virtual(name.to_owned()), why).hint = Some("such as 10.0.1.100".to_owned());
        }
        for (index, listener) in balancer.ports.iter().enumerate() {
            if balancer.ports[..index].contains(listener) {
                let place = Place::Listener(name.to_owned(), index);
                self.add(Fault::Conflict, place, format!("`{name}` spreads {listener} twice"));
            }
        }
        for (what, is_empty) in [("no ports to spread", balancer.ports.is_empty()), ("no hosts to spread over", balancer.to.is_empty())] {
            if is_empty {
                let problem = self.add(Fault::Missing, Place::Device(name.to_owned()), format!("balancer `{name}` has {what}"));
                problem.hint = Some("such as `ports: [tcp/80], to: [web-1, web-2]`".to_owned());
            }
        }
        for (index, target) in balancer.to.iter().enumerate() {
            let place = || Place::Target(name.to_owned(), index);
            match lan.devices.get(target) {
                Some(Device::Host(_)) if balancer.to[..index].contains(target) => {
                    self.add(Fault::Conflict, place(), format!("`{target}` is written twice"));
                }
                Some(Device::Host(_)) => {}
                Some(other) => {
                    self.add(Fault::Unknown, place(), format!("`{target}` is a {}: connections go to hosts", other.kind())).hint =
                        Some("`to` names hosts of this lan".to_owned());
                }
                None => {
                    let hosts = lan.devices.iter().filter(|(_, device)| matches!(device, Device::Host(_)));
                    self.unknown(place(), "host", target, hosts.map(|(name, _)| name)).message = format!("no host of this lan is called `{target}`");
                }
            }
        }
    }

    fn links(&mut self, lan: &Lan) {
        let mut taken: BTreeMap<(&str, &str), Place> = BTreeMap::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, link) in lan.links.iter().enumerate() {
            let ends = [(&link.a, Place::A(index)), (&link.b, Place::B(index))];
            if link.a == link.b && link.a.device().is_some() {
                let problem = self.add(Fault::Link, Place::B(index), format!("a link from {} to itself leads nowhere", link.a));
                problem.hint = Some("the other end is another interface".to_owned());
                continue;
            }
            let mut whole = true;
            for (end, place) in ends {
                let End::Device { device, interface } = end else { continue };
                let Some(found) = lan.devices.get(device) else {
                    self.unknown(place, "device", device, lan.devices.keys()).message = format!("no device of this lan is called `{device}`");
                    whole = false;
                    continue;
                };
                match found.interfaces() {
                    Some(interfaces) if !interfaces.contains_key(interface) => {
                        self.unknown_interface(place, device, interface, interfaces);
                        whole = false;
                    }
                    Some(_) => {
                        if let Some(first) = taken.insert((device, interface), place.clone()) {
                            let problem = self.add(Fault::Link, place, format!("{device}:{interface} is linked twice"));
                            problem.other = Some(first);
                            problem.hint = Some("a hub or a switch has many ports; an interface has one".to_owned());
                        }
                    }
                    None => {
                        let count = counts.entry(device).or_default();
                        *count += 1;
                        if let Some(most) = found.most_links().filter(|most| *count == most + 1) {
                            let kind = found.kind();
                            let problem = self.add(Fault::Link, place, format!("{kind} `{device}` has {most} ports, this is link {count}"));
                            let many = if kind == "bridge" { "a switch" } else { "a hub" };
                            problem.hint = Some(format!("{many} has more"));
                        }
                    }
                }
            }
            if whole {
                self.link(lan, index, link);
            }
        }
        for index in lan.hub_circles() {
            let link = &lan.links[index];
            let (a, b) = (link.a.device().unwrap_or_default(), link.b.device().unwrap_or_default());
            let message = format!("this link joins `{a}` and `{b}` in a circle: what repeats every bit repeats it for ever");
            self.add(Fault::Link, Place::Link(index), message).hint =
                Some("hubs know no spanning tree: take a link away, or make one of them a switch".to_owned());
        }
    }

    fn link(&mut self, lan: &Lan, index: usize, link: &Link) {
        let place = || Place::Link(index);
        let devices = [&link.a, &link.b].map(|end| end.device().and_then(|name| lan.devices.get(name)));
        let [a, b] = devices;
        match (&link.a, &link.b) {
            (End::Vpc(_), End::Vpc(_)) => {
                self.add(Fault::Link, place(), "a link between two VPCs is a peering connection").hint =
                    Some("peerings: { ab: { vpcs: [a, b] } }".to_owned());
            }
            (End::Vpc(vpc), _) | (_, End::Vpc(vpc)) => {
                let other = a.or(b).filter(|device| !matches!(device, Device::Router(_)));
                if let Some(other) = other {
                    let message = format!("a VPC is reached through a router, and this is a {}", other.kind());
                    self.add(Fault::Link, place(), message).hint = Some(format!("- r-1:eth1 -- vpc:{vpc}"));
                }
                if link.framing.is_serial() {
                    self.add(Fault::Link, place(), format!("no serial line ends at a VPC ({})", link.framing));
                }
            }
            _ => {}
        }
        let ports = [a, b].into_iter().flatten().find(|device| device.interfaces().is_none());
        if let Some(device) = ports.filter(|_| link.framing.is_serial()) {
            let message = format!("{} is for serial lines, and a {} has none", link.framing, device.kind());
            self.add(Fault::Link, place(), message).hint = Some("serial lines are between routers or hosts".to_owned());
        }
        let shared = [a, b].into_iter().flatten().filter_map(Device::shared_rate).collect::<BTreeSet<_>>();
        match shared.first() {
            Some(rate) if shared.len() > 1 || link.rate_bits_per_second != *rate => {
                let rates: Vec<String> = shared.iter().map(|rate| BitsPerSecond(*rate).to_string()).collect();
                let message = format!("what repeats bits has one rate at all ports: {}", rates.join(" and "));
                self.add(Fault::Link, place(), message).hint = Some("a bridge or a switch joins two rates".to_owned());
            }
            _ => self.maybe(Fault::Range, place, rate_problem(link.rate_bits_per_second)),
        }
        if !link.announce.is_empty() && lan.tunnel(link).is_none() {
            self.add(Fault::Conflict, place(), "networks are announced to a VPC, and this link ends at none");
        }
        for block in link.announce.iter().filter(|block| block.trunc() != **block) {
            self.add(Fault::Address, place(), format!("{block} has bits set behind its prefix")).hint = Some(format!("write `{}`", block.trunc()));
        }
        if link.half_duplex == shared.is_empty() {
            self.add(Fault::Conflict, place(), "a link is half duplex at a hub or a repeater, and nowhere else");
        }
        self.maybe(Fault::Range, place, delay_problem(link.delay_nanoseconds));
        self.maybe(Fault::Range, place, mtu_problem(link.mtu_bytes));
        for (what, share) in
            [("loss", link.loss_per_million), ("duplicate", link.duplicate_per_million), ("reorder", link.reorder_per_million)]
        {
            self.maybe(Fault::Range, place, loss_problem(what, share));
        }
        if link.queue_frames == 0 {
            self.add(Fault::Range, place(), "a queue of no frames sends none").hint = Some("at least `queue 1`".to_owned());
        }
    }

    fn unknown_interface(&mut self, place: Place, device: &str, name: &str, interfaces: &BTreeMap<String, Interface>) {
        self.unknown(place, "interface", name, interfaces.keys()).message = format!("`{device}` has no interface `{name}`");
    }

    fn unknown<'a>(&mut self, place: Place, what: &'static str, name: &str, known: impl Iterator<Item = &'a String>) -> &mut Problem {
        let problem = self.add(Fault::Unknown, place, String::new());
        problem.unknown = Some(Unknown { what, name: name.to_owned(), known: known.cloned().collect() });
        problem
    }
}

fn unreachable<'a>(gateway: IpAddr, interfaces: impl IntoIterator<Item = &'a Interface>) -> Option<String> {
    let interfaces: Vec<&Interface> = interfaces.into_iter().collect();
    // What an address from DHCP reaches is not known before there is one.
    let any = gateway.is_ipv4() && interfaces.iter().any(|interface| interface.dhcp);
    gateway_problem(gateway, interfaces.iter().flat_map(|interface| &interface.addresses)).filter(|_| !any)
}
