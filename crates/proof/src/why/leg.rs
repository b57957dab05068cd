//! One way of an exchange as data: hops with names, rules, near misses, and what each translation changed.

use fabric::packet::Transport;
use fabric::walker::{Hop, Way};
use fabric::{Component, ExplanationCode, Header, InterfaceIndex, Stage};
use model::PortRange;
use model::traffic::protocol;

use super::near;
use super::view;
use super::words::Cloud;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Request,
    Reply,
}

/// A way, told. `ephemeral` stands for the client's port; `lost` are the client ports whose answers are lost.
pub(super) fn tell(
    cloud: &Cloud<'_>,
    way: &Way,
    direction: Direction,
    ephemeral: PortRange,
    lost: Option<String>,
) -> view::Leg {
    let header = |header: &Header| tell_header(header, direction, ephemeral);
    let counts = |hop: &&Hop| {
        use Stage::{Exempt, Internet, LocalDelivery, SourceDestCheck};
        let is_quiet = matches!(
            hop.reason.stage,
            Exempt | Internet | LocalDelivery | SourceDestCheck
        );
        hop.blocks || !is_quiet
    };
    let mut hops: Vec<view::Hop> = Vec::new();
    let mut seen: Vec<Component> = Vec::new();
    let mut assumed = false;
    hops.extend(guest(cloud, way.from, header(&way.sent), "sends"));
    seen.extend(way.from.filter(|_| !hops.is_empty()));
    for (position, hop) in way.hops.iter().enumerate().filter(|(_, hop)| counts(hop)) {
        let next = way.hops.get(position + 1).map(|next| &next.header);
        let next = next.or(way.arrived.as_ref());
        let after = next.filter(|next| **next != hop.header).map(header);
        let again = seen.last() == Some(&hop.reason.at) && !hop.blocks;
        match hops.last_mut() {
            // Both decisions of one gateway about one packet are one hop.
            Some(last) if again && !last.blocks && hop.reason.stage != Stage::Guest => {
                last.after = after.or(last.after.take());
            }
            _ => {
                let mut told = tell_hop(cloud, hop, &header);
                told.after = after;
                told.assumed = assumed;
                hops.push(told);
                seen.push(hop.reason.at);
            }
        }
        assumed |= hop.blocks;
    }
    // What blocks after the last stage, such as that nobody waits for the answer, is no stage's.
    if way.is_open()
        && let Some(arrived) = &way.arrived
    {
        hops.extend(guest(cloud, way.to, header(arrived), "receives"));
    }
    goes_on(cloud, way, &mut hops);
    let blockers = way.blockers.iter().map(|reason| view::Blocker {
        code: reason.code.map(ExplanationCode::as_str),
        at: reason.at.label(cloud.fabric),
        text: reason.text.clone(),
        rule: reason.rule.as_ref().map(|rule| cloud.rule(reason.at, rule)),
    });
    let name = |index: &InterfaceIndex| cloud.fabric.interfaces[*index].name.clone();
    view::Leg {
        delivered: way.is_open(),
        sent: header(&way.sent),
        arrived: way.arrived.as_ref().map(header),
        hops,
        blockers: blockers.collect(),
        lost_ports: lost,
        via: way.via.iter().map(name).collect(),
    }
}

/// The system at an end of the way.
fn guest(
    cloud: &Cloud<'_>,
    at: Option<Component>,
    header: view::Header,
    text: &str,
) -> Option<view::Hop> {
    let at = at.filter(|at| matches!(at, Component::Guest(_)))?;
    Some(view::Hop {
        text: text.to_owned(),
        ..plain(cloud, at, "guest".to_owned(), header)
    })
}

fn plain(cloud: &Cloud<'_>, at: Component, stage: String, before: view::Header) -> view::Hop {
    view::Hop {
        id: cloud.id(at, None),
        at: at.label(cloud.fabric),
        stage,
        name: cloud.name(at),
        direction: None,
        blocks: false,
        assumed: false,
        unknown: false,
        rule: None,
        code: None,
        text: String::new(),
        before,
        after: None,
        near: Vec::new(),
        shadows: Vec::new(),
        routes: Vec::new(),
        reachable_by: Vec::new(),
        goes_on_by: None,
    }
}

fn tell_hop(cloud: &Cloud<'_>, hop: &Hop, header: &impl Fn(&Header) -> view::Header) -> view::Hop {
    let reason = &hop.reason;
    let mut told = view::Hop {
        id: cloud.id(reason.at, reason.rule.as_ref()),
        direction: reason.direction,
        blocks: hop.blocks,
        rule: reason.rule.as_ref().map(|rule| cloud.rule(reason.at, rule)),
        code: reason
            .code
            .filter(|_| hop.blocks)
            .map(ExplanationCode::as_str),
        text: reason.text.clone(),
        ..plain(
            cloud,
            reason.at,
            stage_name(reason.stage),
            header(&hop.header),
        )
    };
    match reason.at {
        Component::SecurityGroups(interface, direction) if hop.blocks => {
            told.text = no_rule(cloud, interface, direction, hop, &told.before);
            told.near = near::of_groups(cloud, interface, direction, &hop.header);
        }
        Component::NetworkAcl(subnet, direction) => {
            told.shadows = near::shadowed(cloud, subnet, direction, &hop.header);
            if hop.blocks {
                told.near = near::of_list(cloud, subnet, direction, &hop.header);
            }
        }
        Component::RouteTable(table) if hop.blocks => {
            let vpc = cloud.fabric.route_tables[table].vpc;
            told.routes = cloud.routes(table);
            told.reachable_by = cloud.reachable_by(vpc, hop.header.destination);
        }
        _ => {}
    }
    told
}

/// `no rule admits tcp/3306 from 10.0.1.10 (web-1, member of: web)`.
fn no_rule(
    cloud: &Cloud<'_>,
    interface: InterfaceIndex,
    direction: fabric::Direction,
    hop: &Hop,
    header: &view::Header,
) -> String {
    if hop.reason.code == Some(ExplanationCode::SgHasNoRules) {
        return hop.reason.text.clone();
    }
    let address = near::peer_address(&hop.header, direction);
    let port = header.destination_port.as_ref();
    let packet = port.map_or_else(
        || header.protocol.clone(),
        |port| format!("{}/{port}", header.protocol),
    );
    let way = match direction {
        fabric::Direction::Ingress => "from",
        fabric::Direction::Egress => "to",
    };
    let vpc = cloud.fabric.interfaces[interface].vpc;
    let near = cloud.fabric.vpcs[vpc].addresses.get(&address).copied();
    let holder = near.or(match cloud.fabric.find_address(address) {
        Some(fabric::Entity::Interface(index)) => Some(index),
        _ => None,
    });
    match holder {
        Some(holder) => {
            let own = cloud.name(Component::SecurityGroups(holder, direction));
            let name = &cloud.fabric.interfaces[holder].name;
            match own.is_empty() {
                true => format!("no rule admits {packet} {way} {address} ({name})"),
                false => {
                    format!("no rule admits {packet} {way} {address} ({name}, member of: {own})")
                }
            }
        }
        None => format!("no rule admits {packet} {way} {address}"),
    }
}

/// Says by which way a packet is taken to go on after a route that is missing.
fn goes_on(cloud: &Cloud<'_>, way: &Way, hops: &mut [view::Hop]) {
    let missing = way
        .hops
        .iter()
        .position(|hop| hop.blocks && hop.reason.stage == Stage::RouteTable);
    let Some(position) = missing else { return };
    let Some(next) = way.hops.get(position + 1) else {
        return;
    };
    let Component::RouteTable(table) = way.hops[position].reason.at else {
        return;
    };
    let fabric = cloud.fabric;
    let vpc = fabric.route_tables[table].vpc;
    let destination = way.hops[position].header.destination;
    let holds = |peer: &fabric::VpcIndex| fabric.vpcs[*peer].addresses.contains_key(&destination);
    let by = match next.reason.at {
        Component::InternetGateway(_)
        | Component::TransitGateway(_)
        | Component::EgressOnlyInternetGateway(_)
        | Component::VpnGateway(_) => Some(cloud.name(next.reason.at)),
        _ => {
            let open = fabric.peerings.values().filter(|p| p.status.is_open());
            let mut peers = open.filter(|p| p.peer_of(vpc).as_ref().is_some_and(holds));
            peers
                .next()
                .map(|peering| format!("peering {}", peering.name))
                .or_else(|| {
                    let nats = way.hops[position..].iter();
                    nats.map(|hop| hop.reason.at)
                        .find(|at| matches!(at, Component::NatGateway(_)))
                        .map(|at| format!("NAT gateway {}", cloud.name(at)))
                })
        }
    };
    let at = way.hops[position].reason.at.label(fabric);
    if let Some(hop) = hops.iter_mut().find(|hop| hop.blocks && hop.at == at) {
        hop.goes_on_by = by;
    }
}

/// A stage's name in JSON.
fn stage_name(stage: Stage) -> String {
    match stage {
        Stage::Exempt => "exempt",
        Stage::SourceDestCheck => "source-dest-check",
        Stage::SecurityGroup => "security-group",
        Stage::NetworkAcl => "network-acl",
        Stage::RouteTable => "route-table",
        Stage::LocalDelivery => "local-delivery",
        Stage::InternetGateway => "internet-gateway",
        Stage::NatGateway => "nat-gateway",
        Stage::Peering => "peering",
        Stage::VpcEndpoint => "vpc-endpoint",
        Stage::EgressOnlyInternetGateway => "egress-only-internet-gateway",
        Stage::VpnGateway => "vpn-gateway",
        Stage::TransitGateway => "transit-gateway",
        Stage::InterfaceState => "interface",
        Stage::Guest => "guest",
        Stage::Internet => "internet",
    }
    .to_owned()
}

/// The client's port is any of the ephemeral range, unless somebody on the way chose it.
fn tell_header(header: &Header, direction: Direction, ephemeral: PortRange) -> view::Header {
    let any = || Some(ephemeral.to_string());
    let (source_port, destination_port) = match (header.ports(), direction) {
        (None, _) => (None, None),
        (Some((_, port)), Direction::Request) => (any(), Some(port.to_string())),
        (Some((port, _)), Direction::Reply) => (Some(port.to_string()), any()),
    };
    let protocol = match (&header.transport, header.protocol()) {
        (
            Transport::Icmp {
                icmp_type, code, ..
            },
            number,
        ) => {
            let name = if number == protocol::ICMP {
                "icmp"
            } else {
                "icmpv6"
            };
            format!("{name}/{icmp_type}/{code}")
        }
        (_, protocol::TCP) => "tcp".to_owned(),
        (_, protocol::UDP) => "udp".to_owned(),
        (_, number) => format!("proto-{number}"),
    };
    view::Header {
        protocol,
        source: header.source.to_string(),
        source_port,
        destination: header.destination.to_string(),
        destination_port,
    }
}
