//! A NAT gateway: many to one on its private address (NAT-4 … NAT-20), or on the first of several with room (NAT-11).
//!
//! Each address counts what asked for it, so what found no room there is counted at the next one as well, and stays counted at both. No
//! address ever has more than its share; once flows of the first have ended while more than one address was in use, those behind it
//! are gone to sooner than they would have to be.

use std::time::Duration;

use fabric::gateway::NatGateway;
use fabric::{Fabric, Stage};
use netlink::nft::build::{Load, ct_state_is, has_any, is, is_not, load_key, masked_is, set_mark};
use netlink::nft::{
    Chain, DynamicOp, Expr, Family, Hook, NatKind, Reg, Reject, Set, Verdict, ct_state, priority,
};

use super::phrase::{FIRST, all, goto, then, within};
use super::{ANYWHERE, MAIN, MTU_NAT, Options, Plan, ROUTER_MAC, RouteTo, Table, host};
use crate::naming::nat_gateway_namespace;

/// Simultaneous connections to one address, port and protocol (NAT-11).
const CONNECTIONS: u32 = 55_000;
/// Lowest and highest port that it translates to (NAT-5).
const PORTS: (u16, u16) = (1_024, 65_535);
/// Idle seconds after which it forgets (NAT-12).
const IDLE: &str = "350";

/// Adds a gateway that works.
pub fn plan(fabric: &Fabric, gateway: &NatGateway, options: Options, plan: &mut Plan) {
    let Some(interface) = gateway.interface.map(|i| &fabric.interfaces[i]).filter(|i| i.status.is_running()) else { return };
    let router = fabric.subnets[gateway.subnet].router;
    let namespace = plan.namespace(&nat_gateway_namespace(&gateway.id));
    namespace.forward();
    let conntrack = [
        "tcp_timeout_established", "tcp_timeout_syn_sent", "tcp_timeout_syn_recv", "tcp_timeout_unacknowledged",
        "tcp_timeout_max_retrans", "udp_timeout", "udp_timeout_stream", "icmp_timeout", "generic_timeout",
    ];
    for name in conntrack {
        namespace.sysctls.insert(format!("net/netfilter/nf_conntrack_{name}"), IDLE.to_owned());
    }
    for (name, value) in [
        // A segment without a connection opens none; one inside a connection is not judged by its window.
        ("tcp_loose", "0"),
        ("tcp_be_liberal", "1"),
        ("tcp_ignore_invalid_rst", "1"),
    ] {
        namespace.sysctls.insert(format!("net/netfilter/nf_conntrack_{name}"), value.to_owned());
    }
    for address in &interface.addresses {
        namespace.address("eth0", host(address.private));
    }
    namespace.neighbour("eth0", router, ROUTER_MAC);
    // Its device takes what the VPC sends; what it passes on is smaller, and it says so (NAT-15).
    // Of several addresses the first one says what there is to say (NAT-16).
    let speaker = (interface.addresses.len() > 1).then(|| interface.primary_address().into());
    let to = RouteTo::Device { device: "eth0".to_owned(), via: Some(router.into()), source: speaker, mtu: Some(MTU_NAT) };
    namespace.route(MAIN, ANYWHERE, 0, to);

    let own: Vec<[u8; 4]> = interface.addresses.iter().map(|address| address.private.octets()).collect();
    let invert = options.invert == Some(Stage::NatGateway);
    filter(fabric, gateway, own.len(), invert, namespace.table(Family::Ip, "nat"));
    circle(&own, namespace.table(Family::Ip, "nat"));
    translate(&own, namespace.table(Family::Ip, "nat"));
    fragments(namespace.table(Family::Netdev, "nat"));
}

fn filter(fabric: &Fabric, gateway: &NatGateway, addresses: usize, invert: bool, table: &mut Table) {
    let drops = ["nat-protocol", "nat-source", "nat-no-entry", "nat-limit", "nat-inbound"];
    let [protocol, source, no_entry, limit, inbound] = drops.map(|prefix| table.drop_chain(prefix));
    // A connection that it forgot is ended with a reset towards the inside (NAT-12), and that is reported.
    let report = Expr::Log { group: 1, prefix: "nat-no-entry".to_owned(), snaplen: 128, threshold: 1 };
    table.chain(Chain::new("forgotten"), vec![vec![report, Expr::Reject(Reject::TcpReset)]]);
    let blocks = fabric.vpcs[gateway.vpc].blocks.iter().map(|block| then(within(Load::SourceV4, *block), Verdict::Return));
    // Where some come by a transit gateway, the router knows who may (NAT-10).
    let inside = match super::transit_gateway::legs(fabric, gateway.vpc).is_empty() {
        true => blocks.chain([vec![Expr::Verdict(goto(source))]]).collect(),
        false => Vec::new(),
    };
    table.chain(Chain::new("inside"), inside);
    let number = |n: u8| is(Load::Protocol, &[n]);
    // SYN or RST in the flag byte: a handshake's second half or an end is not worth an answer.
    let plain = masked_is(Load::TcpFlags, &[0x06], &[0]);
    let syn = all([number(6), masked_is(Load::TcpFlags, &[0x06], &[0x02])]);
    let mut rules = vec![
        // NAT-15, L2-9.
        all([syn, netlink::nft::build::clamp_mss_to_route()]),
        then(ct_state_is(ct_state::ESTABLISHED | ct_state::RELATED), Verdict::Accept),
        vec![Expr::Verdict(Verdict::Jump("inside".to_owned()))],
        then(all([is_not(Load::Protocol, &[1]), is_not(Load::Protocol, &[6]), is_not(Load::Protocol, &[17])]), goto(protocol)),
        then(all([number(6), ct_state_is(ct_state::INVALID), plain]), goto("forgotten")),
        then(ct_state_is(ct_state::INVALID), goto(no_entry)),
    ];
    // What finds no room goes on to the next address, and from the last one nowhere.
    let after = |place: usize| if place + 1 < addresses { goto(further(place + 1)) } else { goto(limit.clone()) };
    let too_many = counted(0, table);
    for protocol in [6, 17] {
        rules.push(then(all([number(protocol), too_many.clone()]), after(0)));
    }
    for place in 1..addresses {
        let too_many = counted(place, table);
        table.chain(Chain::new(further(place)), vec![then(too_many, after(place)), then(set_mark(place as u32), Verdict::Accept)]);
    }
    rules.push(vec![Expr::Verdict(Verdict::Accept)]);
    if invert {
        rules = vec![vec![Expr::Verdict(goto(inbound.clone()))]];
    }
    table.chain(Chain::base("forward", Hook::Forward, priority::FILTER).policy_drop(), rules);
    table.chain(
        Chain::base("input", Hook::Input, priority::FILTER).policy_drop(),
        vec![vec![Expr::Verdict(goto(inbound))]],
    );
}

/// What comes with an address of its own went out by it: its subnet's route leads back (NAT-17). The kernel would drop that, too,
/// and not say so.
fn circle(own: &[[u8; 4]], table: &mut Table) {
    let drop = table.drop_chain("nat-circle");
    let rules = own.iter().map(|own| then(is(Load::SourceV4, own), goto(drop.clone()))).collect();
    table.chain(Chain::base("prerouting", Hook::Prerouting, priority::RAW), rules);
}

/// The chain of an address beside the first.
fn further(place: usize) -> String {
    format!("further_{place}")
}

/// Counts a flow among those that asked for an address; matches where that has no room. An element keeps the expression that it was
/// made with, so this is said in one way, however many addresses there are.
fn counted(place: usize, table: &mut Table) -> Vec<Expr> {
    let set = if place == 0 { "connections".to_owned() } else { format!("connections_{place}") };
    table.set(Set::new(set.clone(), [4, 1, 2]).dynamic(65_535, Duration::ZERO), []);
    let mut counted = load_key(&[Load::DestinationV4, Load::Protocol, Load::DestinationPort], FIRST).0;
    counted.push(Expr::DynamicSet {
        set,
        op: DynamicOp::Add,
        key: FIRST,
        data: None,
        timeout: None,
        expressions: vec![Expr::ConnLimit { count: CONNECTIONS, inverted: true }],
        inverted: false,
    });
    counted
}

fn translate(own: &[[u8; 4]], table: &mut Table) {
    let [first, ..] = own else { return };
    let (address, from, to) = (Reg(0), Reg(1), Reg(2));
    let behind = |own: &[u8; 4]| {
        let mut rule = is_not(Load::SourceV4, first);
        rule.extend([
            Expr::Immediate { register: address, value: own.to_vec() },
            Expr::Immediate { register: from, value: PORTS.0.to_be_bytes().to_vec() },
            Expr::Immediate { register: to, value: PORTS.1.to_be_bytes().to_vec() },
            Expr::Nat {
                kind: NatKind::Source,
                family: Family::Ip,
                address: Some((address, None)),
                port: Some((from, Some(to))),
                flags: 0,
            },
        ]);
        rule
    };
    let further = own.iter().enumerate().skip(1);
    let mut rules: Vec<_> = further.map(|(place, own)| all([is(Load::Mark, &(place as u32).to_ne_bytes()), behind(own)])).collect();
    rules.push(behind(first));
    table.chain(Chain::base("postrouting", Hook::Postrouting, priority::SRCNAT).nat(), rules);
}

/// Fragments pass for UDP only (NAT-14); they are told apart before the kernel puts them together.
fn fragments(table: &mut Table) {
    let drop = table.drop_chain("nat-fragment");
    // More fragments, or an offset.
    let fragment = has_any(Load::FragmentV4, &[0x3f, 0xff]);
    let rule = then(all([super::phrase::ethertype(netlink::nft::CompareOp::Eq, 0x0800), fragment, is_not(Load::ProtocolV4, &[17])]), goto(drop));
    table.chain(Chain::base("eth0", Hook::Ingress, 0).devices(["eth0"]), vec![rule]);
}
