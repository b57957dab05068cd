//! Rules of routers and balancers as nf_tables: a stateful filter for what is forwarded, and connections spread in turn.

use std::net::IpAddr;

use ipnet::IpNet;
use model::claim::Traffic;
use model::guest::Listener;
use model::lan::{Balancer, FilterRule};
use model::traffic::protocol;
use model::TrafficMatch;
use netlink::nft::build::{Load, ct_state_is, has_any, in_prefix, in_range, is};
use netlink::nft::{Chain, Element, Expr, Family, Hook, MetaKey, NatKind, Set, Verdict, ct_state, priority};

use super::super::phrase::{FIRST, all, device_is, then};
use super::super::{Namespace, Table};
use super::device::TABLE;
use super::wiring::Wiring;

/// `NFPROTO_IPV4`, `NFPROTO_IPV6`.
const V4: u8 = 2;
const V6: u8 = 10;
/// `IPS_DST_NAT`: the connection's destination is translated.
const TRANSLATED: u32 = 0x20;

/// Adds the rules of a router: the first that matches a connection's first packet decides, what belongs to it passes.
pub(super) fn plan(rules: &[FilterRule], table: &mut Table) {
    let known = then(ct_state_is(ct_state::ESTABLISHED | ct_state::RELATED), Verdict::Accept);
    let rules = std::iter::once(known).chain(rules.iter().flat_map(lines)).collect();
    table.chain(Chain::base("forward", Hook::Forward, priority::FILTER), rules);
}

/// A rule as lines: one for each protocol and ports that it names.
fn lines(rule: &FilterRule) -> Vec<Vec<Expr>> {
    let Traffic(traffic) = &rule.traffic;
    let mut ends = Vec::new();
    for (name, key) in [(&rule.in_interface, MetaKey::Iif), (&rule.out_interface, MetaKey::Oif)] {
        ends.extend(name.iter().flat_map(|name| device_is(key, name)));
    }
    for (block, loads) in [(rule.from, [Load::SourceV4, Load::SourceV6]), (rule.to, [Load::DestinationV4, Load::DestinationV6])] {
        ends.extend(block.into_iter().flat_map(|block| within(block, loads)));
    }
    let verdict = if rule.allow { Verdict::Accept } else { Verdict::Drop };
    let line = |traffic: &TrafficMatch| {
        let mut line = all([ends.clone(), matches(*traffic)]);
        line.extend([Expr::Counter, Expr::Verdict(verdict.clone())]);
        line
    };
    traffic.iter().map(line).collect()
}

fn within(block: IpNet, [v4, v6]: [Load; 2]) -> Vec<Expr> {
    let (family, load) = if block.addr().is_ipv4() { (V4, v4) } else { (V6, v6) };
    let own = is(Load::NfProto, &[family]);
    if block.prefix_len() == 0 { own } else { all([own, in_prefix(load, block)]) }
}

fn matches(traffic: TrafficMatch) -> Vec<Expr> {
    let number = |number: u8| is(Load::Protocol, &[number]);
    let ports = |number_: u8, ports: model::PortRange| match ports {
        model::PortRange::ALL => number(number_),
        ports => all([number(number_), in_range(Load::DestinationPort, &ports.from.to_be_bytes(), &ports.to.to_be_bytes())]),
    };
    let icmp = |number_: u8, icmp: model::traffic::IcmpMatch| {
        let kind = icmp.icmp_type.map(|kind| is(Load::IcmpType, &[kind])).unwrap_or_default();
        let code = icmp.code.map(|code| is(Load::IcmpCode, &[code])).unwrap_or_default();
        all([number(number_), kind, code])
    };
    match traffic {
        TrafficMatch::All => Vec::new(),
        TrafficMatch::Tcp(range) => ports(protocol::TCP, range),
        TrafficMatch::Udp(range) => ports(protocol::UDP, range),
        TrafficMatch::Icmp(kind) => icmp(protocol::ICMP, kind),
        TrafficMatch::Icmpv6(kind) => icmp(protocol::ICMPV6, kind),
        TrafficMatch::Other(other) => number(other),
    }
}

/// Adds what spreads connections: to the servers in turn, as if they came from the balancer, so that answers pass it.
pub(super) fn spread(wiring: &Wiring, balancer: &Balancer, namespace: &mut Namespace) {
    let own = |address: &IpAddr| address.is_ipv4() == balancer.virtual_address.is_ipv4();
    let first = |name: &String| {
        let addresses = wiring.interfaces(name).flat_map(|(interface, _)| wiring.addresses(name, interface));
        addresses.map(|address| address.addr()).find(own)
    };
    let servers: Vec<IpAddr> = balancer.to.iter().filter_map(first).collect();
    let Ok(count) = u32::try_from(servers.len()) else { return };
    if count == 0 {
        return;
    }
    let (family, load) = match balancer.virtual_address {
        IpAddr::V4(_) => (Family::Ip, Load::DestinationV4),
        IpAddr::V6(_) => (Family::Ip6, Load::DestinationV6),
    };
    let table = namespace.table(family, TABLE);
    let server = |(number, address): (u32, &IpAddr)| Element::new(number.to_ne_bytes()).value(octets(*address));
    let length = if balancer.virtual_address.is_ipv4() { 4 } else { 16 };
    table.set(Set::map("servers", [4], length), (0..).zip(&servers).map(server));
    let rule = |listener: &Listener| {
        let (number, port) = match *listener {
            Listener::Tcp(port) => (protocol::TCP, port),
            Listener::Udp(port) => (protocol::UDP, port),
        };
        let mut rule = all([
            is(load, &octets(balancer.virtual_address)),
            is(Load::Protocol, &[number]),
            is(Load::DestinationPort, &port.to_be_bytes()),
        ]);
        rule.extend([
            Expr::NumberGenerator { modulus: count, offset: 0, register: FIRST },
            Expr::LookupMap { set: "servers".to_owned(), key: FIRST, data: FIRST },
            Expr::Nat { kind: NatKind::Destination, family, address: Some((FIRST, None)), port: None, flags: 0 },
        ]);
        rule
    };
    let rules = balancer.ports.iter().map(rule).collect();
    table.chain(Chain::base("prerouting", Hook::Prerouting, priority::DSTNAT).nat(), rules);
    let mut hide = has_any(Load::CtStatus, &TRANSLATED.to_ne_bytes());
    hide.push(Expr::Masquerade { port: None, flags: 0 });
    table.chain(Chain::base("postrouting", Hook::Postrouting, priority::SRCNAT).nat(), vec![hide]);
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
