//! Devices of lans as ends of packets in a lab that is up: a host of a lan sends and answers from a namespace of its own, as an
//! instance does, and what is between is the kernel's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use linux::runtime::place::Place;
use model::{Probe, ProbePacket, Selector};
use sandbox::{Client, SocketSpec};
use serde_json::json;
use tool::Interrupt;
use tool::ping::{Echo, through};

use super::from_within::source_address;
use super::probing::Seen;
use super::running::Running;
use super::within;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// How long an echo's answer is waited for: a slow line may be in between.
const PATIENCE: Duration = Duration::from_secs(2);

/// One who sends and one who is asked, at least one of them a device of a lan.
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
    let (source, destination) = (somebody(&probe.source, running), somebody(&probe.destination, running));
    let is_device = |end: &Option<Somebody>| end.as_ref().is_some_and(|end| end.is_device);
    if !is_device(&source) && !is_device(&destination) {
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

fn somebody(selector: &Selector, running: &Running) -> Option<Somebody> {
    let word = selector.to_string();
    if let Some((name, device)) = running.device(&word) {
        let addresses = running.model.lans.values().filter_map(|lan| linux::plan::lan::addresses(lan).remove(name)).flatten().collect();
        return Some(Somebody { namespace: linux::naming::device_namespace(name, device), addresses, is_device: true });
    }
    let instance = running.instance(&word).ok()?;
    let addresses = running.model.interfaces_of(&instance.id).first().map(|eni| eni.primary_address().into());
    let namespace = linux::naming::instance_namespace(&instance.id);
    Some(Somebody { namespace, addresses: addresses.into_iter().collect(), is_device: false })
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

/// `check` where a device of a lan is an end of a lab that is up; `None` where none is.
pub fn check(probe: &Probe, running: &Running, output: &Output) -> Result<Option<ExitCode>> {
    let Some(way) = way(probe, running)? else { return Ok(None) };
    let seen = way.send(&running.holder()?, probe.packet)?;
    let (from, to) = (probe.source.to_string(), way.to.to_string());
    if output.format == Format::Json {
        output.json(&[json!({"from": from, "to": to, "result": seen.result(), "at": None::<String>})])?;
    } else {
        output.line(format!("{from} -> {to}: {}", seen.result()));
    }
    let is_open = matches!(seen, Seen::Open(_));
    if !is_open {
        output.hint(format!("vpclab sim check {} {} {}", probe.source, probe.destination, probe.packet));
    }
    Ok(Some(if is_open { ExitCode::SUCCESS } else { exit::NO.into() }))
}
