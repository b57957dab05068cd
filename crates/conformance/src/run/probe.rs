//! Probes as an engine takes them, and its answers in the words of the form.

use std::net::IpAddr;

use fabric::Fabric;
use fabric::engine::{self, Answer, NameServer, Observation, Outcome, Probe as Asked, Request, Sender, Traffic};
use fabric::NextHop;
use serde_json::{Value, json};

use super::outcome::{Observed, ProbeResult};
use super::scope::Scope;
use crate::scenario::expect::Leg;
use crate::scenario::probe::{CaptureFilter, GuestCommand, PacketProbe, Probe, ProbeKind, Protocol, Side};
use crate::topology::{Names, component, path};

/// The source port when nothing else is said.
const SOURCE_PORT: u16 = 40_000;
/// The first source port of several connections.
const FIRST_OF_MANY: u16 = 10_000;
/// Protocol number of GRE.
const GRE: u8 = 47;

/// A probe for the engine.
///
/// Errors: a name that nothing has, an address that is none, or what no engine can be asked yet.
pub fn request(scope: &Scope, probe: &Probe) -> Result<Request, String> {
    let asked = match &probe.kind {
        ProbeKind::Packet(packet) => Asked::Packet(packet_probe(scope, packet)?),
        ProbeKind::Kept { connection, side } => Asked::Kept { connection: connection.clone(), side: sent_by(*side) },
        ProbeKind::IcmpError { from, to, icmp_type, code, connection, side } => Asked::IcmpError {
            from: sender(scope, from)?,
            to: address(scope, to)?,
            icmp_type: *icmp_type,
            code: *code,
            connection: connection.clone(),
            side: sent_by(*side),
        },
        ProbeKind::Lookup { address: to, table } => Asked::RouteLookup {
            route_table: route_table(scope, table)?,
            destination: address(scope, to)?,
        },
        ProbeKind::Dns { from, name, record_type, server } => Asked::Dns {
            from: sender(scope, from)?,
            name: scope.text(name)?,
            record_type: record_type.clone(),
            server: match server.as_str() {
                "public" => NameServer::Public,
                server => NameServer::Address(address(scope, server)?),
            },
        },
        ProbeKind::Http { from, method, url, headers } => Asked::Http {
            from: sender(scope, from)?,
            method: method.clone(),
            url: scope.text(url)?,
            headers: headers.iter().map(|(name, value)| Ok((name.clone(), scope.text(value)?))).collect::<Result<_, String>>()?,
        },
        ProbeKind::Guest { from, command } => {
            Asked::Guest { from: sender(scope, from)?, command: guest_command(scope, command)? }
        }
        ProbeKind::Analyze { .. } => return Err("engine cannot analyze paths".to_owned()),
        ProbeKind::FlowLog { .. } => return Err("a flow log is no question to an engine".to_owned()),
    };
    let capture = match &probe.capture {
        None => None,
        Some((at, filter)) => Some(engine::Capture {
            at: match sender(scope, at)? {
                Sender::Interface(id) => id,
                _ => return Err(format!("a capture stands at an interface; `{at}` is none")),
            },
            filter: match filter {
                CaptureFilter::Arp => engine::CaptureFilter::Arp,
                CaptureFilter::Icmp => engine::CaptureFilter::Icmp,
            },
        }),
    };
    Ok(Request { probe: asked, capture })
}

/// The look-up that a probe with `to_name` starts with, and the only answer that will do.
pub fn name_lookup(scope: &Scope, probe: &PacketProbe) -> Result<Option<(Request, String)>, String> {
    let Some(name) = &probe.to_name else { return Ok(None) };
    let (from, to) = (sender(scope, &probe.from)?, address(scope, &probe.to)?);
    let server = match &from {
        Sender::Outside(_) => NameServer::Public,
        // Every VPC's resolver answers there too (DNS-1).
        _ => NameServer::Address(IpAddr::from([169, 254, 169, 253])),
    };
    let record_type = if to.is_ipv4() { "A" } else { "AAAA" }.to_owned();
    let asked = Asked::Dns { from, name: scope.text(name)?, record_type, server };
    Ok(Some((Request::from(asked), to.to_string())))
}

fn packet_probe(scope: &Scope, probe: &PacketProbe) -> Result<engine::PacketProbe, String> {
    let to = address(scope, &probe.to)?;
    let first = if probe.connections.is_some() { FIRST_OF_MANY } else { SOURCE_PORT };
    let source_port = probe.source_port.unwrap_or(first);
    let destination_port = probe.destination_port.unwrap_or_default();
    let traffic = match probe.protocol {
        Protocol::Tcp => Traffic::Tcp { source_port, destination_port },
        Protocol::Udp => Traffic::Udp { source_port, destination_port },
        Protocol::Icmp => {
            use fabric::packet::icmp::{ECHO_REQUEST, V6_ECHO_REQUEST};
            let echo = if to.is_ipv4() { ECHO_REQUEST } else { V6_ECHO_REQUEST };
            Traffic::Icmp { icmp_type: probe.icmp_type.unwrap_or(echo), code: 0 }
        }
        Protocol::Gre => Traffic::Other(GRE),
    };
    let gateway = |name: &String| {
        scope.world.names.internet_gateways.get(name).ok_or_else(|| format!("there is no internet gateway `{name}`"))
    };
    Ok(engine::PacketProbe {
        from: sender(scope, &probe.from)?,
        source: probe.source.as_ref().map(|source| address(scope, source)).transpose()?,
        to,
        traffic,
        inject_at: probe.inject_at.as_ref().map(gateway).transpose()?,
        listener: if probe.closed { engine::ListenerState::Closed } else { engine::ListenerState::Open },
        keep: probe.open.clone(),
        connections: probe.connections.unwrap_or(1),
        is_aside: false,
    })
}

fn guest_command(scope: &Scope, command: &GuestCommand) -> Result<engine::GuestCommand, String> {
    Ok(match command {
        GuestCommand::Ping { to, count, ttl, size, df, broadcast } => engine::GuestCommand::Ping {
            to: address(scope, to)?,
            count: *count,
            ttl: *ttl,
            size: *size,
            dont_fragment: *df,
            broadcast: *broadcast,
        },
        GuestCommand::Traceroute { to } => engine::GuestCommand::Traceroute { to: address(scope, to)? },
        GuestCommand::Arping { to, count } => engine::GuestCommand::Arping { to: address(scope, to)?, count: *count },
        GuestCommand::IpAddr => engine::GuestCommand::IpAddr,
        GuestCommand::Ntp { to } => engine::GuestCommand::Ntp { to: address(scope, to)? },
        GuestCommand::DhcpRenew => engine::GuestCommand::DhcpRenew,
    })
}

fn sent_by(side: Side) -> engine::Side {
    match side {
        Side::Client => engine::Side::Client,
        Side::Server => engine::Side::Server,
    }
}

/// Who a `from` is: an interface, an instance id, a container, a host.
pub(super) fn sender(scope: &Scope, text: &str) -> Result<Sender, String> {
    let text = scope.text(text)?;
    let (names, model) = (&scope.world.names, &scope.world.model);
    if let Some(host) = text.strip_suffix("/container") {
        let id = names.interfaces.get(host).filter(|_| names.containers.contains(host));
        return id.map(Sender::Container).ok_or_else(|| format!("there is no container `{text}`"));
    }
    if let Some(id) = names.interfaces.get(&text) {
        return Ok(Sender::Interface(id));
    }
    if let Some(address) = names.hosts.get(&text) {
        return Ok(Sender::Outside(*address));
    }
    if let Some(id) = text.parse().ok().filter(|id| model.instances.contains_key(id)) {
        let primary = model.interfaces_of(&id).first().map(|eni| eni.id.clone());
        return primary.map(Sender::Interface).ok_or_else(|| format!("instance {id} has no interface"));
    }
    match text.parse().ok().filter(|id| model.network_interfaces.contains_key(id)) {
        Some(id) => Ok(Sender::Interface(id)),
        None => Err(format!("there is no interface or host `{text}`")),
    }
}

fn address(scope: &Scope, text: &str) -> Result<IpAddr, String> {
    let text = scope.text(text)?;
    text.parse().map_err(|_| format!("`{text}` is not an IP address"))
}

fn route_table(scope: &Scope, text: &str) -> Result<model::RouteTableId, String> {
    let text = scope.text(text)?;
    let named = scope.world.names.route_tables.get(&text);
    named.or_else(|| text.parse().ok()).ok_or_else(|| format!("there is no route table `{text}`"))
}

/// An answer in the words of the form.
pub fn observed(answer: Answer, probe: &Probe, fabric: &Fabric, names: &Names) -> Observed {
    let name = |id: &str| names.name_of(id).unwrap_or(id).to_owned();
    let label = |at: fabric::Component| component(at, fabric, names);
    let result = match answer.outcome {
        Outcome::Allowed(arrival) => ProbeResult::Allow {
            seen: (arrival.source.to_string(), arrival.destination.to_string()),
            sport: arrival.source_port,
            ttl: arrival.ttl,
            via: arrival.via.map(|via| via.iter().map(|id| name(id.as_str())).collect()),
            path: arrival.path.map(|reasons| path(&reasons, fabric, names)),
            count: requests(probe),
        },
        Outcome::Dropped(drop) => ProbeResult::Drop {
            dir: match drop.leg {
                engine::Leg::Forward => Leg::Forward,
                engine::Leg::Return => Leg::Return,
            },
            at: drop.at.map(label),
            code: drop.code.map_or("none", |code| code.as_str()).to_owned(),
            why: drop.reason.map(|reason| reason.text).unwrap_or_default(),
        },
        Outcome::Refused { at } => ProbeResult::Reset { at: at.map(label) },
        Outcome::Observed(observation) => ProbeResult::Answer { value: answer_value(observation, fabric, names) },
    };
    Observed { result, captured: answer.captured }
}

/// How many requests a probe sends.
fn requests(probe: &Probe) -> u32 {
    match &probe.kind {
        ProbeKind::Guest { command: GuestCommand::Ping { count, .. }, .. } => *count,
        ProbeKind::Packet(packet) => packet.connections.unwrap_or(1),
        _ => 1,
    }
}

/// The shape that the paths of `value` lead into.
fn answer_value(observation: Observation, fabric: &Fabric, names: &Names) -> Value {
    match observation {
        Observation::Ping { replies, icmp_error } => {
            let error = icmp_error.map(|e| json!({"type": e.icmp_type, "code": e.code, "mtu": e.mtu, "from": e.from}));
            json!({"replies": replies, "icmp_error": error})
        }
        Observation::Traceroute { hops } => json!({"hops": hops}),
        Observation::Arping { replies, mac } => json!({"replies": replies, "mac": mac.map(|mac| mac.to_string())}),
        Observation::Addresses(addresses) => json!({"addresses": addresses}),
        Observation::Dns { response_code, answers } => json!({"answers": answers, "response_code": response_code}),
        Observation::Http { status, headers, body } => json!({"status": status, "headers": headers, "body": body}),
        Observation::NextHop(hop) => hop.map_or(Value::Null, |hop| next_hop(&hop, fabric, names).into()),
        Observation::Done => json!({}),
    }
}

fn next_hop(hop: &NextHop, fabric: &Fabric, names: &Names) -> String {
    use fabric::Component as C;
    let at = match *hop {
        NextHop::Local => return "local".to_owned(),
        NextHop::Blackhole(_) => return "blackhole".to_owned(),
        NextHop::Interface(i) => C::Guest(i),
        NextHop::InternetGateway(i) => C::InternetGateway(i),
        NextHop::NatGateway(i) => C::NatGateway(i),
        NextHop::Peering { peering, .. } => C::Peering(peering),
        NextHop::EgressOnlyInternetGateway(i) => C::EgressOnlyInternetGateway(i),
        NextHop::VpcEndpoint(i) => C::VpcEndpoint(i),
        NextHop::VpnGateway(i) => C::VpnGateway(i),
        NextHop::TransitGateway(i) => C::TransitGateway(i),
    };
    component(at, fabric, names)
}
