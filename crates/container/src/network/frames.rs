//! Frames between the ports of bridges whose containers must not reach each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netlink::nft::build::{self, Load};
use netlink::nft::{Chain, Hook, MetaKey, Verdict, priority};

use super::definition::{Endpoint, Network};
use super::firewall::{RuleSet, by_device, destination_is, rule};

const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ETHERTYPE_V6: [u8; 2] = [0x86, 0xdd];
const ICMP_V6: u8 = 58;
/// Neighbour solicitation and advertisement (RFC 4861).
const NEIGHBOUR_DISCOVERY: [u8; 2] = [135, 136];

/// Frames between the ports of bridges whose containers must not reach each other; ordinary packets never leave a bridge, so
/// no rule for packets sees them.
pub(super) fn frames(closed: &[&Network], members: &BTreeMap<&str, Vec<&Endpoint>>) -> RuleSet {
    let mut rules = RuleSet::default();
    let mut ports = BTreeMap::new();
    for network in closed {
        let Network { bridge, name, .. } = network;
        let members = members
            .get(network.id.as_str())
            .map_or(&[][..], Vec::as_slice);
        for member in members {
            ports.insert(
                member.host_device(),
                Some(Verdict::Jump(format!("icc-{bridge}"))),
            );
        }
        let mut chain = vec![rule(
            format!("docker-icc/{bridge}/arp: addresses are resolved"),
            [build::is(Load::PacketProtocol, &ETHERTYPE_ARP)],
            Verdict::Accept,
        )];
        if network.ipv6.is_some() {
            for kind in NEIGHBOUR_DISCOVERY {
                chain.push(rule(
                    format!("docker-icc/{bridge}/ndp: addresses are resolved (type {kind})"),
                    [
                        build::is(Load::PacketProtocol, &ETHERTYPE_V6),
                        build::is(Load::Protocol, &[ICMP_V6]),
                        build::is(Load::IcmpType, &[kind]),
                    ],
                    Verdict::Accept,
                ));
            }
        }
        for (from, to) in linked(members) {
            for port in to.exposed.iter().collect::<BTreeSet<_>>() {
                let pair = |one: IpAddr, other: IpAddr| {
                    let sender = match one {
                        IpAddr::V4(one) => build::is(Load::SourceV4, &one.octets()),
                        IpAddr::V6(one) => build::is(Load::SourceV6, &one.octets()),
                    };
                    [
                        sender,
                        destination_is(other),
                        build::is(Load::Protocol, &[port.transport.number()]),
                    ]
                    .concat()
                };
                let text = |way: &str| {
                    format!(
                        "docker-icc/{bridge}/link: {} is linked to {} {port}: {way}",
                        from.name, to.name
                    )
                };
                let number = port.number.to_be_bytes();
                let v6 = from.address_v6.zip(to.address_v6);
                let addresses = std::iter::once((from.address.into(), to.address.into()))
                    .chain(v6.map(|(from, to)| (from.into(), to.into())));
                for (from, to) in addresses {
                    chain.push(rule(
                        text("request"),
                        [pair(from, to), build::is(Load::DestinationPort, &number)],
                        Verdict::Accept,
                    ));
                    chain.push(rule(
                        text("reply"),
                        [pair(to, from), build::is(Load::SourcePort, &number)],
                        Verdict::Accept,
                    ));
                }
            }
        }
        chain.push(rule(
            format!("docker-icc/{bridge}: containers of network {name} do not reach each other (icc off)"),
            [],
            Verdict::Drop,
        ));
        rules.chain(format!("icc-{bridge}"), chain);
    }
    let dispatch = if ports.is_empty() {
        Vec::new()
    } else {
        rules.map("ports", ports);
        vec![by_device(
            "docker-icc/ports: by the port it comes from",
            MetaKey::IifName,
            "ports",
        )]
    };
    rules.base(
        Chain::base("forward", Hook::Forward, priority::FILTER),
        dispatch,
    );
    rules
}

/// Who is linked to whom, each pair once.
fn linked<'a>(members: &[&'a Endpoint]) -> Vec<(&'a Endpoint, &'a Endpoint)> {
    let mut pairs = BTreeMap::new();
    for from in members {
        for link in &from.links {
            let to = members.iter().find(|to| to.container == link.container);
            pairs.extend(to.map(|to| ((from.address, to.address), (*from, *to))));
        }
    }
    pairs.into_values().collect()
}
