//! Devices of lans as ends of packets in a lab that is up: a host of a lan sends and answers from a namespace of its own, as an
//! instance does, and what is between is the kernel's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use fabric::Fabric;
use fabric::engine::Traffic;
use linux::runtime::place::Place;
use linux::runtime::trace::{self, Request};
use model::lan::Device;
use model::{Instance, Model, Probe, ProbePacket, Selector};
use sandbox::{Client, SocketSpec};
use serde_json::json;
use tool::Interrupt;
use tool::ping::{Echo, through};

use super::ends::Names;
use super::from_within::source_address;
use super::probing::Seen;
use super::running::Running;
use super::within;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// How long an echo's answer is waited for: a slow line may be in between.
const PATIENCE: Duration = Duration::from_secs(2);

/// One who sends and one who is asked, at least one of them a device of a lan.
#[derive(Debug, Clone)]
pub struct Way {
    /// Key of the namespace that packets leave from.
    pub from: String,
    /// The address that is asked.
    pub to: IpAddr,
}

/// Somebody of a lab: the namespace and the addresses there.
struct Somebody {
    namespace: String,
    addresses: Vec<IpAddr>,
    is_device: bool,
}

/// Both ends of a question; `None` where no device of a lan is one, or where an end is none that one socket sends from or asks.
/// Errors: both are one, or the other end has no address of a family that the sender has too.
pub fn way(probe: &Probe, running: &Running) -> Result<Option<Way>> {
    way_in(probe, &running.model, &running.fabric)
}

/// The same in any lab that real packets go through.
pub fn way_in(probe: &Probe, model: &Model, fabric: &Fabric) -> Result<Option<Way>> {
    let (source, destination) = (somebody(&probe.source, model, fabric)?, somebody(&probe.destination, model, fabric)?);
    let is_device = |end: &Option<Somebody>| end.as_ref().is_some_and(|end| end.is_device);
    let is_free = || super::lan_ends::free_address(model, &probe.destination).is_some();
    if !is_device(&source) && !is_device(&destination) && !is_free() {
        return Ok(None);
    }
    let Some(source) = source.filter(|source| !source.addresses.is_empty()) else { return Ok(None) };
    let asked = match (&destination, literal(&probe.destination)) {
        (_, Some(address)) => vec![address],
        (Some(somebody), None) => somebody.addresses.clone(),
        (None, None) => return Ok(None),
    };
    if destination.as_ref().is_some_and(|end| end.namespace == source.namespace) {
        return Err(Failure::usage("the two ends are one and the same"));
    }
    let speaks = |address: &&IpAddr| source.addresses.iter().any(|own| own.is_ipv4() == address.is_ipv4());
    let to = asked.iter().find(speaks).copied();
    let to = to.ok_or_else(|| Failure::usage(format!("`{}` has no address that `{}` could ask", probe.destination, probe.source)))?;
    Ok(Some(Way { from: source.namespace, to }))
}

fn literal(selector: &Selector) -> Option<IpAddr> {
    selector.to_string().parse().ok()
}

fn somebody(selector: &Selector, model: &Model, fabric: &Fabric) -> Result<Option<Somebody>> {
    let word = selector.to_string();
    if let Some((name, device)) = device(model, &word) {
        let addresses = model.lans.values().filter_map(|lan| linux::plan::lan::addresses(lan).remove(name)).flatten().collect();
        return Ok(Some(Somebody { namespace: linux::naming::device_namespace(name, device), addresses, is_device: true }));
    }
    let Some(instance) = instance(model, fabric, &word)? else { return Ok(None) };
    let addresses = model.interfaces_of(&instance.id).first().map(|eni| eni.primary_address().into());
    let namespace = linux::naming::instance_namespace(&instance.id);
    Ok(Some(Somebody { namespace, addresses: addresses.into_iter().collect(), is_device: false }))
}

/// A device of a lan by name or one of its addresses.
pub fn device<'m>(model: &'m Model, word: &str) -> Option<(&'m str, &'m Device)> {
    let address: Option<IpAddr> = word.parse().ok();
    model.lans.values().find_map(|lan| match (lan.devices.get_key_value(word), address) {
        (Some((name, device)), _) => Some((name.as_str(), device)),
        (None, Some(address)) => {
            let of = linux::plan::lan::addresses(lan).into_iter().find(|(_, own)| own.contains(&address));
            of.and_then(|(name, _)| lan.devices.get_key_value(name)).map(|(name, device)| (name.as_str(), device))
        }
        (None, None) => None,
    })
}

/// An instance by name, id or one of its addresses, running or not; `None`: there is none. Errors: several have the name.
pub fn instance<'m>(model: &'m Model, fabric: &Fabric, word: &str) -> Result<Option<&'m Instance>> {
    let by_address = || {
        let fabric::Entity::Interface(index) = fabric.find_address(word.parse().ok()?)? else { return None };
        let id = model.network_interfaces.get(&fabric.interfaces[index].id)?.instance_id()?;
        model.instances.get(id)
    };
    match model::selector::instance(model, word) {
        Ok(instance) => Ok(Some(instance)),
        Err(several) if several.several.is_some() => Err(Failure::usage(several.to_string())),
        Err(_) => Ok(by_address()),
    }
}

impl Way {
    /// The sender, as commands that send by themselves know it.
    pub fn place(&self, holder: &Client) -> Place {
        let own = match self.to {
            IpAddr::V4(to) => source_address(holder, &self.from, to),
            IpAddr::V6(_) => None,
        };
        let address = own.unwrap_or(Ipv4Addr::UNSPECIFIED).into();
        Place { namespace: self.from.clone(), device: None, mac: [0; 6], address, interface: None }
    }

    /// Sends one packet by a socket of the sender: what comes back.
    pub fn send(&self, holder: &Client, packet: ProbePacket) -> Result<Seen> {
        let port = match packet {
            ProbePacket::Tcp(port) | ProbePacket::Udp(port) => port,
            ProbePacket::ECHO => return self.echo(holder),
            _ => return Err(Failure::usage("between devices of lans, ports and icmp/echo are tried")),
        };
        within::send(holder, &self.from, SocketAddr::new(self.to, port), packet)
    }

    fn echo(&self, holder: &Client) -> Result<Seen> {
        let broken = |what: &str, why: String| Failure::environment(format!("{what}: {why}"));
        let target = self.to;
        let number = if target.is_ipv6() { 58 } else { 1 };
        let interrupt = Interrupt::new().map_err(|e| broken("waiting for signals", e.to_string()))?;
        let spec = SocketSpec { nonblocking: true, ..SocketSpec::raw(&self.from, target.is_ipv6(), number) };
        let socket = holder.open_socket(spec).map_err(|e| broken("a socket inside", e.to_string()))?;
        let echo = Echo { host: "", target, source: None, count: Some(1), interval: Duration::ZERO, timeout: PATIENCE, size: 56 };
        let tally = through(socket, &echo, &interrupt, |_| Ok(())).map_err(|e| broken("ping", e.to_string()))?;
        Ok(if tally.received > 0 { Seen::Open(self.to) } else { Seen::Dropped { is_reply: false, at: None } })
    }
}

/// How long answers to probes with few hops are waited for.
const PATIENCE_OF_HOPS: Duration = Duration::from_millis(1_200);
/// Hops that are looked at.
const MOST_HOPS: u8 = 16;

/// How far packets of a question come: who answers last where each may take a hop more.
pub struct Reach {
    /// His name, or his address where nobody of the lab has it; `None`: nobody answers, or nothing was sent.
    pub last: Option<String>,
    /// The same as a sentence.
    pub text: String,
}

impl Way {
    /// Where packets that bring no answer end, as far as a sender can find out. `None` for what no trace is sent of.
    pub fn ends_at(&self, holder: &Client, running: &Running, packet: ProbePacket) -> Option<Reach> {
        let IpAddr::V4(to) = self.to else { return None };
        if source_address(holder, &self.from, to).is_none() {
            return Some(Reach { last: None, text: format!("no route leads to {to} from there") });
        }
        let traffic = match packet {
            ProbePacket::Tcp(destination_port) => Traffic::Tcp { source_port: super::probing::SOURCE_PORT, destination_port },
            ProbePacket::Udp(destination_port) => Traffic::Udp { source_port: super::probing::SOURCE_PORT, destination_port },
            ProbePacket::Icmp { icmp_type, code } => Traffic::Icmp { icmp_type, code },
            _ => return None,
        };
        let request = Request { from: self.place(holder), to: self.to, traffic, most: MOST_HOPS, queries: 1, wait: PATIENCE_OF_HOPS };
        let seen = trace::trace(holder, &running.fabric, &request).ok()?;
        let names = Names::of(&running.fabric);
        let name = |address: IpAddr| match device(&running.model, &address.to_string()) {
            Some((name, _)) => Some(name),
            None => names.name(address),
        };
        let last = seen.steps.iter().flatten().filter_map(|step| step.from).next_back();
        Some(match last {
            // Its own system says so when nobody on the link answers for the next hop.
            Some(own) if own == request.from.address => {
                Reach { last: name(own).map(str::to_owned), text: "nobody on the sender's own link answers for the next hop (ARP)".to_owned() }
            }
            Some(last) => {
                let named = name(last).map_or_else(|| last.to_string(), |name| format!("{name} ({last})"));
                Reach { last: Some(name(last).map_or_else(|| last.to_string(), str::to_owned)), text: format!("{named} is the last who answers on the way") }
            }
            None => Reach { last: None, text: "nobody answers on the way, not even the first hop".to_owned() },
        })
    }
}

/// `check` where a device of a lan is an end of a lab that is up; `None` where none is.
pub fn check(probe: &Probe, running: &Running, output: &Output) -> Result<Option<ExitCode>> {
    let Some(way) = way(probe, running)? else { return Ok(None) };
    let holder = running.holder()?;
    let seen = way.send(&holder, probe.packet)?;
    let (from, to) = (probe.source.to_string(), way.to.to_string());
    let ended = if matches!(seen, Seen::Dropped { .. }) { way.ends_at(&holder, running, probe.packet) } else { None };
    if output.format == Format::Json {
        let (at, why) = (ended.as_ref().and_then(|ended| ended.last.clone()), ended.as_ref().map(|ended| ended.text.clone()));
        output.json(&[json!({"from": from, "to": to, "result": seen.result(), "at": at, "why": why})])?;
    } else {
        output.line(format!("{from} -> {to}: {}", seen.result()));
        ended.iter().for_each(|ended| output.line(format!("  {}", ended.text)));
    }
    let is_open = matches!(seen, Seen::Open(_));
    if !is_open {
        output.hint(format!("vpclab sim check {} {} {}", probe.source, probe.destination, probe.packet));
    }
    Ok(Some(if is_open { ExitCode::SUCCESS } else { exit::NO.into() }))
}
