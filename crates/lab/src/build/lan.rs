//! Lans as the file has them. What is wrong with one is found by the model, which knows no file; here it gets its place.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::lan::{
    Device, End, FIRST_INTERFACE, Fault, Framing, Interface, LINK_DELAY_NANOSECONDS, LINK_MTU_BYTES, LINK_RATE_BITS_PER_SECOND,
    Link, Place, Problem, QUEUE_FRAMES, SERIAL_RATE_BITS_PER_SECOND,
};
use model::operation::{lan_between_alike, set_lans};

use super::Build;
use crate::code::Code;
use crate::decode::{Named, OneOrMany};
use crate::diagnostic::{Diagnostic, known_names};
use crate::file::{Balancer, Host, InterfaceAddress, Lan, LanInterface, LinkPhrase, ListenPhrase, Mac, Repeater, Router, Switch};
use crate::sentence::LinkEnd;
use crate::source::{Located, Span};

/// Where the parts of a lan stand in the file.
type Places = BTreeMap<Place, Span>;
/// Names that are taken: where, and by what.
type Taken<'l> = BTreeMap<&'l str, (Span, &'static str)>;

impl Build<'_, '_> {
    pub(super) fn lans(&mut self) {
        let lab = self.lab;
        let Some((first, _)) = lab.file.lans.0.first() else { return };
        let mut taken: Taken = lab.file.outside.iter().map(|(name, _)| (name.value.as_str(), (name.span, "an outside place"))).collect();
        taken.extend(lab.instances.iter().map(|(name, _)| (name.value.as_str(), (name.span, "an instance"))));
        let before = self.problems.len();
        let mut lans = BTreeMap::new();
        for (name, written) in lab.file.lans.iter() {
            if self.gives_up() {
                return;
            }
            let mut places = Places::new();
            let mut lan = model::Lan { origin: self.origin(name.span), ..model::Lan::default() };
            self.lan_devices(written, &mut lan, &mut taken, &mut places);
            self.lan_links(written, &mut lan, &mut places);
            for problem in lan.problems().into_iter().chain(lan_between_alike(self.model, &lan)) {
                self.lan_problem(name, problem, &places);
            }
            lans.insert(name.value.clone(), lan);
        }
        if self.problems.len() == before {
            let result = set_lans(self.model, lans);
            self.op(first.span, result);
        }
    }

    /// The device of this name, and the lan that has it.
    pub(super) fn lan_of(&self, device: &str) -> Option<(String, Device)> {
        self.model.lans.iter().find_map(|(name, lan)| Some((name.clone(), lan.devices.get(device)?.clone())))
    }

    fn lan_devices<'l>(&mut self, written: &'l Lan, lan: &mut model::Lan, taken: &mut Taken<'l>, places: &mut Places) {
        let mut add = |build: &mut Self, name: &'l Located<String>, device: Device, places: &mut Places| {
            if let Some((first, what)) = taken.insert(&name.value, (name.span, "a device of a lan")) {
                let clash = Diagnostic::new(Code::NameClash, name.span, format!("`{}` is {what} already", name.value));
                build.problem(clash.label("one name for two").other(first, "the other one").hint("instances, outside places and devices of lans share one set of names"));
            }
            places.insert(Place::Device(name.value.clone()), name.span);
            lan.devices.insert(name.value.clone(), device);
        };
        for (name, hub) in &written.hubs.0 {
            let device = Device::Hub(self.repeater(name, hub));
            add(self, name, device, places);
        }
        for (name, repeater) in &written.repeaters.0 {
            let device = Device::Repeater(self.repeater(name, repeater));
            add(self, name, device, places);
        }
        for (name, switch) in &written.switches.0 {
            let device = Device::Switch(self.switch(name, switch));
            add(self, name, device, places);
        }
        for (name, bridge) in &written.bridges.0 {
            let device = Device::Bridge(self.switch(name, bridge));
            add(self, name, device, places);
        }
        for (name, router) in written.routers.iter() {
            let device = Device::Router(self.router(name, router, places));
            add(self, name, device, places);
        }
        for (name, host) in written.hosts.iter() {
            let device = Device::Host(self.lan_host(name, host, places));
            add(self, name, device, places);
        }
        for (name, balancer) in written.balancers.iter() {
            if let Some(balancer) = self.balancer(name, balancer, places) {
                add(self, name, Device::Balancer(balancer), places);
            }
        }
    }

    fn repeater(&self, name: &Located<String>, written: &Repeater) -> model::lan::Repeater {
        let mut repeater = model::lan::Repeater { origin: self.origin(name.span), ..Default::default() };
        written.rate.iter().for_each(|rate| repeater.rate_bits_per_second = rate.value.0);
        repeater
    }

    fn switch(&self, name: &Located<String>, written: &Switch) -> model::lan::Switch {
        let mut switch = model::lan::Switch { origin: self.origin(name.span), ..Default::default() };
        let seconds = written.ageing.map(|ageing| u32::try_from(ageing.value.0 / 1000).unwrap_or(u32::MAX));
        seconds.iter().for_each(|seconds| switch.ageing_seconds = *seconds);
        written.table.iter().for_each(|table| switch.table_entries = table.value);
        written.spanning_tree.iter().for_each(|on| switch.spanning_tree = on.value);
        written.priority.iter().for_each(|priority| switch.priority = priority.value);
        written.igmp_snooping.iter().for_each(|on| switch.igmp_snooping = on.value);
        switch
    }

    fn router(&self, name: &Located<String>, written: &Router, places: &mut Places) -> model::lan::Router {
        let device = &name.value;
        if let Some(nat) = &written.nat {
            places.insert(Place::Nat(device.clone()), nat.span);
        }
        model::lan::Router {
            interfaces: self.interfaces(device, &written.interfaces, places),
            routes: self.each(&written.routes, |at| Place::Route(device.clone(), at), places, |route, origin| route.origin = origin),
            protocols: written.protocols.0.iter().map(|protocol| protocol.value).collect(),
            nat_interface: written.nat.as_ref().map(|nat| nat.value.clone()),
            filter: self.each(&written.filter, |at| Place::Filter(device.clone(), at), places, |rule, origin| rule.origin = origin),
            serve: self.each(&written.serve.0, |at| Place::Service(device.clone(), at), places, |_, _| ()),
            origin: self.origin(name.span),
        }
    }

    fn lan_host(&mut self, name: &Located<String>, written: &Host, places: &mut Places) -> model::lan::Host {
        let device = &name.value;
        let own = LanInterface { span: name.span, address: written.address.clone(), mac: written.mac, dhcp: written.dhcp };
        model::lan::Host {
            interfaces: self.one_or_more(name, own, &written.interfaces, places),
            gateways: gateways(device, &written.gateway, places),
            routes: self.each(&written.routes, |at| Place::Route(device.clone(), at), places, |route, origin| route.origin = origin),
            dns: written.dns.0.iter().map(|server| server.value).collect(),
            listen: listeners(device, &written.listen, places),
            serve: self.each(&written.serve.0, |at| Place::Service(device.clone(), at), places, |_, _| ()),
            origin: self.origin(name.span),
        }
    }

    fn balancer(&mut self, name: &Located<String>, written: &Balancer, places: &mut Places) -> Option<model::lan::Balancer> {
        let device = &name.value;
        let Some(virtual_address) = written.r#virtual else {
            let problem = Diagnostic::new(Code::MissingKey, name.span, format!("balancer `{device}` has no address that clients know"));
            self.problem(problem.label("`virtual` is missing").hint("such as `virtual: 10.0.1.100`"));
            return None;
        };
        places.insert(Place::Virtual(device.clone()), virtual_address.span);
        for (at, target) in written.to.0.iter().enumerate() {
            places.insert(Place::Target(device.clone(), at), target.span);
        }
        let own = LanInterface { span: name.span, address: written.address.clone(), mac: written.mac, dhcp: None };
        Some(model::lan::Balancer {
            interfaces: self.one_or_more(name, own, &written.interfaces, places),
            gateways: gateways(device, &written.gateway, places),
            virtual_address: virtual_address.value,
            ports: listeners(device, &written.ports, places),
            to: written.to.0.iter().map(|target| target.value.clone()).collect(),
            origin: self.origin(name.span),
        })
    }

    /// eth0, or what is written instead.
    fn one_or_more(
        &mut self,
        name: &Located<String>,
        own: LanInterface,
        more: &Named<LanInterface>,
        places: &mut Places,
    ) -> BTreeMap<String, Interface> {
        if more.0.is_empty() {
            let first = Located::new(FIRST_INTERFACE.to_owned(), name.span);
            return self.interfaces(&name.value, &Named(vec![(first, own)]), places);
        }
        let written = own.address.0.first().map(|address| ("address", address.span));
        let written = written.or(own.mac.map(|mac| ("mac", mac.span))).or(own.dhcp.map(|dhcp| ("dhcp", dhcp.span)));
        if let Some((key, span)) = written {
            let problem = Diagnostic::new(Code::Conflict, span, format!("`{key}` is eth0's, and `{}` has `interfaces`", name.value));
            self.problem(problem.label("whose?").hint("write it at one of the interfaces"));
        }
        self.interfaces(&name.value, more, places)
    }

    fn interfaces(&self, device: &str, written: &Named<LanInterface>, places: &mut Places) -> BTreeMap<String, Interface> {
        let mut interfaces = BTreeMap::new();
        for (name, written) in written.iter() {
            places.insert(Place::Interface(device.to_owned(), name.value.clone()), name.span);
            let mut interface = Interface { origin: self.origin(name.span), ..Interface::default() };
            interface.dhcp = written.dhcp.is_some_and(|dhcp| dhcp.value);
            for address in &written.address.0 {
                match address.value {
                    InterfaceAddress::Dhcp => interface.dhcp = true,
                    InterfaceAddress::Fixed(fixed) => {
                        let at = interface.addresses.len();
                        places.insert(Place::Address(device.to_owned(), name.value.clone(), at), address.span);
                        interface.addresses.push(fixed);
                    }
                }
            }
            if let Some(Located { value: Mac(mac), span }) = written.mac {
                places.insert(Place::Mac(device.to_owned(), name.value.clone()), span);
                interface.mac = Some(mac);
            }
            interfaces.insert(name.value.clone(), interface);
        }
        interfaces
    }

    /// Sentences with their places; where one is written it knows itself.
    fn each<T: Clone>(
        &self,
        written: &[Located<T>],
        place: impl Fn(usize) -> Place,
        places: &mut Places,
        set_origin: impl Fn(&mut T, model::Origin),
    ) -> Vec<T> {
        let one = |(at, written): (usize, &Located<T>)| {
            places.insert(place(at), written.span);
            let mut value = written.value.clone();
            set_origin(&mut value, self.origin(written.span));
            value
        };
        written.iter().enumerate().map(one).collect()
    }

    fn lan_links(&mut self, written: &Lan, lan: &mut model::Lan, places: &mut Places) {
        let mut ports: BTreeMap<&str, usize> = BTreeMap::new();
        for phrase in &written.links {
            for (a, b) in phrase.a.iter().flat_map(|a| phrase.b.iter().map(move |b| (a, b))) {
                let ends = [a, b].map(|end| self.lan_end(end, lan, &mut ports));
                let [Some(a_end), Some(b_end)] = ends else { continue };
                let at = lan.links.len();
                let link = self.lan_link(phrase, a_end, b_end, lan);
                places.extend([(Place::Link(at), phrase.span), (Place::A(at), a.span), (Place::B(at), b.span)]);
                lan.links.push(link);
            }
        }
    }

    /// Where a link ends. A device that is not there is found later, with all others.
    fn lan_end<'l>(&mut self, written: &'l Located<LinkEnd>, lan: &model::Lan, ports: &mut BTreeMap<&'l str, usize>) -> Option<End> {
        let (device, interface) = match &written.value {
            LinkEnd::Device(device, interface) => (device, interface),
            LinkEnd::Vpc(name) => {
                let known: Vec<&str> = self.lab.file.vpcs.names().collect();
                if !known.contains(&name.as_str()) {
                    let known = known.into_iter().map(str::to_owned).collect();
                    let place = written.span.part("vpc:".len(), "vpc:".len() + name.len());
                    return self.unknown(Code::UnknownVpc, "VPC", &Located::new(name.clone(), place), known);
                }
                return Some(End::Vpc(name.clone()));
            }
        };
        let found = lan.devices.get(device);
        let interface = match (found.map(Device::interfaces), interface) {
            (Some(None), None) => {
                let count = ports.entry(device).or_default();
                *count += 1;
                format!("port{count}")
            }
            (Some(None), Some(_)) => {
                let kind = found.map_or("", Device::kind);
                let problem = Diagnostic::new(Code::LinkSyntax, written.span, format!("the ports of a {kind} have no names"));
                self.problem(problem.label("a port comes with each link").hint(format!("write `{device}`")));
                return None;
            }
            (_, Some(interface)) => interface.clone(),
            (Some(Some(interfaces)), None) => match interfaces.keys().collect::<Vec<_>>().as_slice() {
                [one] => (*one).clone(),
                [] => FIRST_INTERFACE.to_owned(),
                several => {
                    let problem = Diagnostic::new(Code::LinkSyntax, written.span, format!("`{device}` has several interfaces"));
                    let several: Vec<String> = several.iter().take(8).map(|interface| format!("`{device}:{interface}`")).collect();
                    self.problem(problem.label("which one?").hint(several.join(", ")));
                    return None;
                }
            },
            (None, None) => FIRST_INTERFACE.to_owned(),
        };
        Some(End::Device { device: device.clone(), interface })
    }

    fn lan_link(&mut self, phrase: &LinkPhrase, a: End, b: End, lan: &model::Lan) -> Link {
        let sentence = &phrase.sentence;
        let shared = [&a, &b].into_iter().filter_map(|end| lan.devices.get(end.device()?)).find_map(Device::shared_rate);
        let framing = sentence.framing.unwrap_or_default();
        let usual = match framing {
            Framing::Ethernet => LINK_RATE_BITS_PER_SECOND,
            Framing::Ppp | Framing::Hdlc => SERIAL_RATE_BITS_PER_SECOND,
        };
        let delay = sentence.cable.map_or(LINK_DELAY_NANOSECONDS, model::lan::Cable::delay_nanoseconds);
        Link {
            a,
            b,
            rate_bits_per_second: sentence.rate.or(shared).unwrap_or(usual),
            half_duplex: shared.is_some(),
            delay_nanoseconds: sentence.delay.unwrap_or(delay),
            loss_per_million: sentence.loss.unwrap_or(0),
            duplicate_per_million: sentence.duplicate.unwrap_or(0),
            reorder_per_million: sentence.reorder.unwrap_or(0),
            queue_frames: sentence.queue.unwrap_or(QUEUE_FRAMES),
            mtu_bytes: sentence.mtu.unwrap_or(LINK_MTU_BYTES),
            cable: sentence.cable,
            framing,
            up: sentence.up.unwrap_or(true),
            announce: sentence.announce.clone().unwrap_or_default(),
            origin: self.origin(phrase.span),
        }
    }

    fn lan_problem(&mut self, lan: &Located<String>, problem: Problem, places: &Places) {
        let place = |place: &Place| places.get(place).copied().unwrap_or(lan.span);
        let (code, label) = match (problem.fault, &problem.place) {
            (_, Place::Mac(..)) => (Code::BadMac, "not an interface's"),
            (Fault::Address, Place::Service(..)) => (Code::BadService, "cannot be"),
            (Fault::Name, _) => (Code::BadName, "not a name"),
            (Fault::Address, _) => (Code::BadInterfaceAddress, "cannot be here"),
            (Fault::Unknown, _) => (Code::UnknownDevice, "not found"),
            (Fault::Link, _) => (Code::BadLink, "cannot be"),
            (Fault::Range, _) => (Code::OutOfRange, "out of range"),
            (Fault::Conflict, _) => (Code::Conflict, "contradicts"),
            (Fault::Missing, _) => (Code::MissingKey, "missing"),
        };
        let hint = problem.unknown.map(|unknown| known_names(&unknown.name, unknown.what, unknown.known.iter().map(String::as_str)));
        let usual = match code {
            Code::BadInterfaceAddress => Some("neighbours have addresses in a network of its own interfaces"),
            Code::BadService => Some("such as `dhcp 10.0.1.100-10.0.1.199 gateway 10.0.1.1`, all in a network of its own"),
            Code::Conflict => Some("leave one of them out"),
            _ => None,
        };
        let hint = problem.hint.or(hint).or(usual.map(str::to_owned));
        let mut diagnostic = Diagnostic::new(code, place(&problem.place), problem.message).label(label).maybe_hint(hint);
        if let Some(other) = &problem.other {
            diagnostic = diagnostic.other(place(other), "the first one");
        }
        self.problem(diagnostic);
    }
}

fn gateways(device: &str, written: &OneOrMany<Located<IpAddr>>, places: &mut Places) -> Vec<IpAddr> {
    for (at, gateway) in written.0.iter().enumerate() {
        places.insert(Place::Gateway(device.to_owned(), at), gateway.span);
    }
    written.0.iter().map(|gateway| gateway.value).collect()
}

fn listeners(device: &str, written: &OneOrMany<ListenPhrase>, places: &mut Places) -> Vec<model::guest::Listener> {
    let mut all = Vec::new();
    for phrase in &written.0 {
        for listener in &phrase.listeners {
            places.insert(Place::Listener(device.to_owned(), all.len()), phrase.span);
            all.push(*listener);
        }
    }
    all
}
