//! What the analyzer says: component names of both ways in AWS's order, and the codes of everything that blocks.

use std::net::IpAddr;

use fabric::engine::{Engine, PacketProbe, Sender, Traffic};
use fabric::walker::{Explanation, Verdict, Way};
use fabric::{Component, Fabric};
use serde_json::{Value, json};

use super::probe::sender;
use super::scope::Scope;
use crate::scenario::probe::Protocol;
use crate::topology::{Names, component};

/// Asks an engine. Errors: an end that is neither an interface nor an internet gateway, or an engine that cannot.
pub fn run(
    scope: &Scope,
    engine: &mut dyn Engine,
    fabric: &Fabric,
    (from, to): (&str, &str),
    protocol: Protocol,
    port: Option<u16>,
) -> Result<Value, String> {
    let probe = question(scope, fabric, from, to, protocol, port)?;
    let why = engine.explain(&probe).map_err(|error| error.to_string())?;
    Ok(answer(&why, fabric, &scope.world.names))
}

fn question(
    scope: &Scope,
    fabric: &Fabric,
    from: &str,
    to: &str,
    protocol: Protocol,
    port: Option<u16>,
) -> Result<PacketProbe, String> {
    let gateway = |name: &str| scope.world.names.internet_gateways.get(name);
    let host = || fabric.representative().map(IpAddr::V4).ok_or("no address is left for a host outside".to_owned());
    let from_gateway = gateway(from);
    let source = if from_gateway.is_some() { Sender::Outside(host()?) } else { sender(scope, from)? };
    let destination = match gateway(to) {
        Some(_) => host()?,
        None => match sender(scope, to)? {
            Sender::Outside(address) => address,
            Sender::Interface(id) | Sender::Container(id) => {
                let index = fabric.interface_by_id(&id).ok_or_else(|| format!("there is no interface `{to}`"))?;
                let own = fabric.interfaces[index].addresses[0];
                match (&source, own.public) {
                    (Sender::Outside(_), Some(public)) => IpAddr::V4(public),
                    _ => IpAddr::V4(own.private),
                }
            }
        },
    };
    let (source_port, destination_port) = (40_000, port.unwrap_or_default());
    let traffic = match protocol {
        Protocol::Tcp => Traffic::Tcp { source_port, destination_port },
        Protocol::Udp => Traffic::Udp { source_port, destination_port },
        Protocol::Icmp | Protocol::Gre => return Err("the analyzer knows tcp and udp (RA-2)".to_owned()),
    };
    Ok(PacketProbe { inject_at: from_gateway, ..PacketProbe::new(source, destination, traffic) })
}

fn answer(why: &Explanation, fabric: &Fabric, names: &Names) -> Value {
    let found = why.verdict == Verdict::Allowed;
    let components = |way: &Way| -> Vec<String> {
        way.components().into_iter().flat_map(|at| called(at, fabric, names)).collect()
    };
    // Each once, in the order of the way.
    let mut codes: Vec<&str> = Vec::new();
    for code in why.blockers().map(|reason| reason.code.map_or("none", |code| code.as_str())) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    match found {
        true => json!({
            "NetworkPathFound": true,
            "forward": components(&why.request),
            "return": why.reply.as_ref().map(components).unwrap_or_default(),
            "codes": [],
        }),
        false => json!({ "NetworkPathFound": false, "codes": codes }),
    }
}

/// Groups and lists by their own names; a group on the way back stands without a rule (RA-5).
fn called(at: Component, fabric: &Fabric, names: &Names) -> Vec<String> {
    let name = |id: &str| names.name_of(id).unwrap_or(id).to_owned();
    match at {
        Component::SecurityGroups(interface, _) => {
            fabric.interfaces[interface].groups.iter().map(|group| name(fabric.groups[*group].id.as_str())).collect()
        }
        Component::NetworkAcl(subnet, _) => vec![name(fabric.acls[fabric.subnets[subnet].acl].id.as_str())],
        Component::RouteTable(table) => vec![name(fabric.route_tables[table].id.as_str())],
        at => vec![component(at, fabric, names)],
    }
}
