//! Commands inside guests: ping, traceroute, arping, and those that only have to be carried out.

use std::net::IpAddr;
use std::sync::Arc;

use fabric::engine::{Drop, EngineError, GuestCommand, Leg, Observation, Outcome, PacketProbe, Sender, Traffic};
use fabric::stage::exempt;
use fabric::{Component, Family, Reason as StageReason, Stage};
use ipnet::IpNet;
use model::network_interface::MacAddress;
use wire::dhcp::{MessageType, Request};
use wire::ethernet::Mac;

use super::engine::SimEngine;
use super::exchange::Origin;
use super::lease;
use super::outcome;
use crate::app::{DatagramSpec, End, PingSpec};
use crate::host::Host;
use crate::time::Span;

/// Headers of an ICMP packet, bytes: of IP without options, and eight.
fn overhead(to: IpAddr) -> u32 {
    if to.is_ipv4() { 28 } else { 48 }
}
/// Payload of ping(8), bytes.
const DEFAULT_PAYLOAD: u32 = 56;
/// traceroute(8)'s limit.
const MAXIMUM_HOPS: u8 = 30;
/// Hops in a row that do not answer, after which traceroute gives up.
const SILENT_HOPS: usize = 3;

/// What a ping sends.
#[derive(Debug, Clone, Copy)]
struct Shape {
    ttl: u8,
    /// Payload of the ICMP message, bytes.
    size: u32,
    dont_fragment: bool,
}

impl SimEngine {
    pub(super) fn guest_command(&mut self, from: &Sender, command: &GuestCommand) -> Result<Outcome, EngineError> {
        match *command {
            GuestCommand::Ping { to, count, ttl, size, dont_fragment, broadcast: _ } => {
                let shape = Shape { ttl: ttl.unwrap_or(64), size: size.unwrap_or(DEFAULT_PAYLOAD), dont_fragment };
                self.ping(from, to, count.max(1), shape)
            }
            GuestCommand::Traceroute { to } => self.traceroute(from, to),
            GuestCommand::Arping { to, count } => self.arping(from, to, count.max(1)),
            GuestCommand::IpAddr => self.addresses(from),
            GuestCommand::Ntp { to } => {
                let traffic = Traffic::Udp { source_port: 123, destination_port: 123 };
                let is_service = matches!(to, IpAddr::V4(exempt::TIME)) || to == IpAddr::V6(exempt::TIME_IPV6);
                let outcome = self.packet_probe(&PacketProbe::new(from.clone(), to, traffic))?;
                Ok(match (is_service, &outcome, from) {
                    (true, Outcome::Allowed(_), Sender::Interface(_)) => Outcome::Observed(Observation::Done),
                    _ => outcome,
                })
            }
            GuestCommand::DhcpRenew => self.renew_lease(from),
        }
    }

    fn ping(&mut self, from: &Sender, to: IpAddr, count: u32, shape: Shape) -> Result<Outcome, EngineError> {
        let origin = match self.origin(from, Family::of(to))? {
            Ok(origin) => Origin { counts_hops: shape.ttl < 64, ..origin },
            Err(reason) => return Ok(outcome::dropped(Leg::Forward, reason)),
        };
        self.meet(to)?;
        self.bind(from, &origin, origin.source)?;
        let (mut replies, mut icmp_error, mut last) = (0, None, None);
        for number in 0..count {
            if number > 0 {
                self.running()?.simulator.clear_trace();
            }
            let outcome = self.one_echo(&origin, to, shape)?;
            match &outcome {
                Outcome::Allowed(_) => replies += 1,
                Outcome::Observed(Observation::Ping { icmp_error: error, .. }) => icmp_error = *error,
                _ => {}
            }
            last = Some(outcome);
        }
        match last {
            Some(outcome) if icmp_error.is_none() && (replies == count || replies == 0) => Ok(outcome),
            _ => Ok(Outcome::Observed(Observation::Ping { replies, icmp_error })),
        }
    }

    fn one_echo(&mut self, origin: &Origin, to: IpAddr, shape: Shape) -> Result<Outcome, EngineError> {
        if shape.dont_fragment && shape.size + overhead(to) > u32::from(lease::MTU) {
            let cloud = self.running()?;
            let at = outcome::component(cloud, origin.node, 0, origin.source);
            let text = format!("the interface sends at most {} bytes at a time", lease::MTU);
            return Ok(outcome::dropped(Leg::Forward, StageReason::new(Stage::Guest, at, text)));
        }
        let size = u16::try_from(shape.size).map_err(|_| EngineError::BadProbe(format!("{} bytes are more than a packet", shape.size)))?;
        let (source, ttl, dont_fragment) = (Some(origin.source), Some(shape.ttl), shape.dont_fragment);
        let spec = PingSpec { source, count: 1, ttl, size, dont_fragment, ..PingSpec::new(to) };
        let cloud = self.running()?;
        let app = cloud.simulator.with(origin.node, |host: &mut Host, context| host.ping(context, spec));
        self.run()?;
        let cloud = self.running()?;
        let request = outcome::first_sent(cloud, origin.node).unwrap_or_else(|| super::forged::echo(origin.source, to, 0));
        let outcome = self.judge(origin, &request, fabric::engine::ListenerState::Open)?;
        self.cancel(origin.node, app)?;
        Ok(outcome)
    }

    /// Traceroute by ICMP: a hop is who says that the TTL ran out.
    fn traceroute(&mut self, from: &Sender, to: IpAddr) -> Result<Outcome, EngineError> {
        let origin = match self.origin(from, Family::of(to))? {
            Ok(origin) => Origin { counts_hops: true, ..origin },
            Err(reason) => return Ok(outcome::dropped(Leg::Forward, reason)),
        };
        self.meet(to)?;
        let mut hops: Vec<Option<IpAddr>> = Vec::new();
        for ttl in 1..=MAXIMUM_HOPS {
            self.running()?.simulator.clear_trace();
            let shape = Shape { ttl, size: DEFAULT_PAYLOAD, dont_fragment: false };
            match self.one_echo(&origin, to, shape)? {
                Outcome::Allowed(_) => {
                    hops.push(Some(to));
                    break;
                }
                Outcome::Observed(Observation::Ping { icmp_error: Some(error), .. }) => hops.push(Some(error.from)),
                _ => hops.push(None),
            }
            if hops.len() >= SILENT_HOPS && hops.iter().rev().take(SILENT_HOPS).all(Option::is_none) {
                break;
            }
        }
        Ok(Outcome::Observed(Observation::Traceroute { hops }))
    }

    /// ARP requests one after another.
    fn arping(&mut self, from: &Sender, to: IpAddr, count: u32) -> Result<Outcome, EngineError> {
        let (Sender::Interface(id), IpAddr::V4(_)) = (from, to) else {
            return Err(EngineError::BadProbe("arping asks for an IPv4 address from an interface".to_owned()));
        };
        let cloud = self.running()?;
        let (node, port) = cloud.place(id).ok_or_else(|| EngineError::NotFound(id.to_string()))?;
        let app = cloud.simulator.with(node, |host: &mut Host, context| host.arping(context, port, to, count));
        let until = cloud.simulator.now() + Span::seconds(u64::from(count) + 1);
        cloud.simulator.run_until(until, 1_000_000);
        let replies = app.and_then(|app| cloud.simulator.get(node).map(|host: &Host| host.progress(app).replies.clone()));
        let replies = replies.unwrap_or_default();
        Ok(match replies.first() {
            Some(reply) => {
                let mac = reply.mac.map(|mac| MacAddress(mac.0));
                Outcome::Observed(Observation::Arping { replies: replies.len() as u32, mac })
            }
            None => {
                let text = format!("nobody in the subnet has {to}");
                let reason = StageReason::new(Stage::LocalDelivery, Component::Fabric, text);
                Outcome::Dropped(Drop { leg: Leg::Forward, at: Some(reason.at), code: None, reason: Some(reason) })
            }
        })
    }

    /// The addresses that the guest itself has on the interface: public ones are the gateway's business (IGW-2).
    fn addresses(&mut self, from: &Sender) -> Result<Outcome, EngineError> {
        let Sender::Interface(id) = from else {
            return Err(EngineError::BadProbe("ip-addr is asked of an interface".to_owned()));
        };
        let cloud = self.running()?;
        let (node, port) = cloud.place(id).ok_or_else(|| EngineError::NotFound(id.to_string()))?;
        let host: Option<&Host> = cloud.simulator.get(node);
        let all = host.map(|host| host.addresses(port)).unwrap_or_default();
        Ok(Outcome::Observed(Observation::Addresses(all.into_iter().filter(|a| matches!(a, IpNet::V4(_))).collect())))
    }

    fn renew_lease(&mut self, from: &Sender) -> Result<Outcome, EngineError> {
        let origin = match self.origin(from, Family::V4)? {
            Ok(origin) => origin,
            Err(reason) => return Ok(outcome::dropped(Leg::Forward, reason)),
        };
        let Sender::Interface(id) = from else {
            return Err(EngineError::BadProbe("a lease is an interface's".to_owned()));
        };
        let transaction = u32::from(self.fresh_identifier());
        let cloud = self.running()?;
        let fabric = Arc::clone(cloud.fabric());
        let interface = fabric.interface_by_id(id).ok_or_else(|| EngineError::NotFound(id.to_string()))?;
        let own = &fabric.interfaces[interface];
        let request = Request {
            kind: MessageType::Request,
            transaction,
            mac: Mac(own.mac.0),
            broadcast: false,
            current: own.primary_address(),
            relay: std::net::Ipv4Addr::UNSPECIFIED,
            requested: None,
            server: None,
            host_name: None,
            wanted: Vec::new(),
        };
        let router = IpAddr::V4(fabric.subnets[own.subnet].router);
        let (source, source_port) = (Some(origin.source), Some(wire::dhcp::CLIENT_PORT));
        let spec = DatagramSpec { source, source_port, ..DatagramSpec::new(router, wire::dhcp::SERVER_PORT, &request.emit()) };
        let app = cloud.simulator.with(origin.node, |host: &mut Host, context| host.datagram(context, spec));
        self.run()?;
        let cloud = self.running()?;
        let outcome = app.and_then(|app| cloud.simulator.get(origin.node).map(|host: &Host| host.progress(app).end));
        self.cancel(origin.node, app)?;
        match outcome {
            Some(End::Answered) => Ok(Outcome::Observed(Observation::Done)),
            _ => Ok(Outcome::Dropped(Drop { leg: Leg::Forward, at: None, code: None, reason: None })),
        }
    }
}
