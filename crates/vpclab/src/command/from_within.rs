//! Ends of `ping` and `traceroute` of which one is a container, or a device of a lan: where packets leave from, and where the other one is asked.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use fabric::dock::Place as At;
use fabric::dock::way::{self, Asked};
use fabric::engine::Sender;
use linux::runtime::place::Place;
use model::{InstanceId, Probe, Selector};
use sandbox::{Client, SocketSpec};

use super::devices;
use super::ends::Ends;
use super::running::Running;
use super::within::{self, Docks, Within, asked, translated};
use crate::exit::{Failure, Result};

/// One who sends and one who is asked, at least one of them a container.
pub struct Between {
    /// Both, as commands know them; the sender is the interface that packets leave the instance by.
    pub ends: Ends,
    /// Where packets leave from.
    pub place: Place,
    /// The container that sends; `None`: an instance or somebody outside does.
    pub source: Option<Within>,
    /// Whether both are in one instance, or one is in a lan: then what is between them is no stage of a VPC.
    pub is_inside: bool,
    /// Whether a device of a lan is an end: no stage says anything of that, the simulator does.
    pub is_of_lan: bool,
}

impl Between {
    /// What to type next where nothing came back.
    pub fn hint(&self, words: &[String]) -> String {
        let words = words.join(" ");
        let command = if self.is_of_lan { "sim check" } else { "why" };
        let packet = if words.contains('/') { "" } else { " icmp/echo" };
        format!("vpclab {command} {words}{packet}")
    }
}

/// Both ends of a question; `None` where no container and no device of a lan is one. Errors: a container does not run, or has no address where the
/// sender is.
pub fn between(probe: &Probe, command: &str, running: &Running) -> Result<Option<Between>> {
    if let Some(way) = devices::way(probe, running)? {
        let place = way.place(&running.holder()?);
        let IpAddr::V4(address) = way.to else { return Err(Failure::usage(format!("{command} sends over IPv4"))) };
        let (from, to) = (probe.source.to_string(), probe.destination.to_string());
        let ends = Ends { from, sender: Sender::Outside(place.address), to, address: address.into(), packet: probe.packet };
        return Ok(Some(Between { ends, place, source: None, is_inside: true, is_of_lan: true }));
    }
    let docks = Docks::of(&running.model, Some(running))?;
    let (source, destination) = (docks.end(&probe.source)?, docks.end(&probe.destination)?);
    let own = match (&source, &destination) {
        (None, None) => return Ok(None),
        (Some(source), _) => Some(source.instance.clone()),
        (None, Some(_)) => instance_of(&probe.source, running),
    };
    if source.is_some() && source == destination {
        return Err(Failure::usage("the two ends are one and the same"));
    }
    let elsewhere = destination.as_ref().filter(|to| own.as_ref() != Some(&to.instance));
    // A container of another instance is asked at the port that leads to its port.
    let packet = match elsewhere {
        Some(to) => at_port(&docks, to, probe, command)?,
        None => probe.packet,
    };
    let Some(instance) = own.filter(|own| source.is_some() || destination.as_ref().is_some_and(|to| to.instance == *own)) else {
        let Some(to) = elsewhere else { return Ok(None) };
        let led = Probe { source: probe.source.clone(), destination: Selector::Named(to.instance.as_str().to_owned()), packet };
        let ends = Ends { to: to.text.clone(), ..Ends::of(&led, running)? };
        let place = sender_of(&ends, running)?;
        return Ok(Some(Between { ends, place, source: None, is_inside: false, is_of_lan: false }));
    };
    let (IpAddr::V4(address), _) = within::address(&docks, &running.fabric, &instance, source.as_ref(), &probe.destination)? else {
        return Err(Failure::usage(format!("{command} sends over IPv4")));
    };
    let eni = running.model.interfaces_of(&instance).first().map(|eni| (eni.id.clone(), eni.primary_address()));
    let Some((eni, own)) = eni else { return Err(Failure::usage("the instance has no interface")) };
    let (namespace, own) = match &source {
        Some(source) => docks.place(source)?,
        None => (linux::naming::instance_namespace(&instance), own),
    };
    // Of several addresses the one that its routes choose.
    let from = source_address(&running.holder()?, &namespace, address).unwrap_or(own).into();
    let place = Place { namespace, device: None, mac: [0; 6], address: from, interface: running.fabric.interface_by_id(&eni) };
    let is_inside = match &destination {
        Some(to) => to.instance == instance,
        None => instance_of(&probe.destination, running).as_ref() == Some(&instance),
    };
    let ends = Ends { from: probe.source.to_string(), sender: Sender::Interface(eni), to: probe.destination.to_string(), address: address.into(), packet };
    Ok(Some(Between { ends, place, source, is_inside, is_of_lan: false }))
}

/// Where packets between two ends begin. Errors: the sender has no address of the family.
pub fn sender_of(ends: &Ends, running: &Running) -> Result<Place> {
    let place = Place::of_sender(&running.fabric, &ends.sender).and_then(|place| place.towards(&running.fabric, ends.address));
    place.map_err(|e| Failure::usage(e.to_string()))
}

fn instance_of(selector: &Selector, running: &Running) -> Option<InstanceId> {
    let Selector::Named(name) = selector else { return None };
    running.instance(name).ok().map(|instance| instance.id.clone())
}

/// The packet that reaches a container of another instance. Errors: none does.
fn at_port(docks: &Docks<'_>, to: &Within, probe: &Probe, command: &str) -> Result<model::ProbePacket> {
    let dock = docks.dock(&to.instance)?.unwrap_or_default();
    let container = dock.container(&to.container).ok_or_else(|| Failure::usage("the container is gone"))?;
    let is_led = match asked(probe.packet) {
        Asked::Port(protocol, port) => way::lead_to(container, protocol, port).is_some(),
        Asked::Echo | Asked::Other => false,
    };
    if is_led || *dock.place(container) == At::Host {
        return Ok(translated(container, probe.packet));
    }
    let (from, name) = (&probe.source, &dock.instance);
    let why = match asked(probe.packet) {
        Asked::Port(..) => format!("vpclab why {from} {} {}", to.text, probe.packet),
        Asked::Echo | Asked::Other => format!("vpclab {command} {from} {name}, or vpclab check {from} {} tcp/PORT", to.text),
    };
    Err(Failure::usage(format!("{} has an address inside {name} only", to.text)).hint(why))
}

/// The address that a namespace sends from to reach another; `None` where no route leads there.
pub fn source_address(holder: &Client, namespace: &str, to: Ipv4Addr) -> Option<Ipv4Addr> {
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let socket = holder.open_socket(SocketSpec::udp(namespace, any)).ok()?;
    // A datagram socket that is connected has chosen its route; nothing is sent.
    rustix::net::connect(&socket, &SocketAddr::from((to, 9))).ok()?;
    match SocketAddr::try_from(rustix::net::getsockname(&socket).ok()?).ok()? {
        SocketAddr::V4(own) => Some(*own.ip()),
        SocketAddr::V6(_) => None,
    }
}
