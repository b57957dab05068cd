//! Small networks beside the cloud: addresses that two have, loops, gateways that nobody is, cables that are too long.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use ipnet::Ipv4Net;
use model::lan::{CableKind, Device, Interface, Link, Port};
use model::{Lan, Model, Origin};

use super::{Check, Finding};

/// Longest twisted pair of IEEE 802.3, centimetres.
const LONGEST_UTP_CENTIMETRES: u64 = 10_000;
/// Longest coaxial segment of IEEE 802.3, centimetres: 10BASE5.
const LONGEST_COAX_CENTIMETRES: u64 = 50_000;
/// Fastest shared medium whose collisions fit into the shortest frame, bits per second: 100BASE-TX.
const FASTEST_HUB_BITS_PER_SECOND: u64 = 100_000_000;

pub(super) fn findings(model: &Model) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, lan) in &model.lans {
        for domain in lan.broadcast_domains() {
            duplicates(lan, &domain, &mut findings);
            gateways(lan, &domain, &mut findings);
            unserved(lan, &domain, &mut findings);
        }
        loops(name, lan, &mut findings);
        unlinked(lan, &mut findings);
        findings.extend(lan.devices.iter().filter_map(|(name, device)| fast_hub(name, device)));
        findings.extend(lan.links.iter().filter_map(|link| cable(lan, link)));
    }
    overlaps(model, &mut findings);
    findings
}

/// Networks that lans announce to a VPC: what the VPC has itself it never sends to its gateway (RT-6), and of two lans with the
/// same network one gets everything.
fn overlaps(model: &Model, findings: &mut Vec<Finding>) {
    let mut told: Vec<(&str, Ipv4Net, &str)> = Vec::new();
    for (name, lan) in &model.lans {
        for (index, (.., to)) in lan.tunnels() {
            let link = &lan.links[index];
            let vpc = model.vpcs.values().find(|vpc| model::tag::name(&vpc.tags) == Some(to));
            for network in lan.announced(index) {
                let meets = |other: &Ipv4Net| other.contains(&network) || network.contains(other);
                if let Some(block) = vpc.and_then(|vpc| vpc.ipv4_blocks().find(|block| meets(block))) {
                    let text = format!("announces {network} to VPC {to}, which has {block} itself: nothing in the VPC goes there by the gateway");
                    findings.push(Finding::new(Check::OverlappingLan, format!("lan {name}"), text, "networks that do not overlap; or name others behind `announce`", &link.origin));
                }
                if let Some((_, other, of)) = told.iter().find(|(vpc, other, of)| *vpc == to && *of != name && meets(other)) {
                    let text = format!("announces {network} to VPC {to}, and lan {of} announces {other}");
                    findings.push(Finding::new(Check::OverlappingLan, format!("lan {name}"), text, "the longer prefix gets the packets, of equal ones the first", &link.origin));
                }
                told.push((to, network, name));
            }
        }
    }
}

/// Interfaces of a domain.
fn interfaces<'l>(lan: &'l Lan, domain: &'l [Port<'l>]) -> impl Iterator<Item = (Port<'l>, &'l Device, &'l Interface)> {
    domain.iter().filter_map(|(device, interface)| {
        let found = lan.devices.get(*device)?;
        Some(((*device, *interface), found, found.interfaces()?.get(*interface)?))
    })
}

fn duplicates(lan: &Lan, domain: &[Port], findings: &mut Vec<Finding>) {
    let addresses = interfaces(lan, domain).flat_map(|(port, _, interface)| {
        interface.addresses.iter().map(move |address| (address.addr(), port.0, &interface.origin))
    });
    let virtual_addresses = interfaces(lan, domain).filter_map(|(port, device, _)| match device {
        Device::Balancer(balancer) => Some((balancer.virtual_address, port.0, &balancer.origin)),
        _ => None,
    });
    let hint = "give one of them another, or watch in the simulator who answers for it";
    twice(addresses.chain(virtual_addresses), Check::DuplicateAddress, hint, findings);
    let macs = interfaces(lan, domain).filter_map(|(port, _, interface)| Some((interface.mac?, port.0, &interface.origin)));
    twice(macs, Check::DuplicateMac, "give one of them another: a switch sends frames now here, now there", findings);
}

/// Things that two devices have.
fn twice<'l, Key: Ord + Display>(
    all: impl Iterator<Item = (Key, &'l str, &'l Origin)>,
    check: Check,
    hint: &str,
    findings: &mut Vec<Finding>,
) {
    let mut by_key: BTreeMap<Key, Vec<(&str, &Origin)>> = BTreeMap::new();
    for (key, device, origin) in all {
        let holders = by_key.entry(key).or_default();
        if !holders.iter().any(|(known, _)| *known == device) {
            holders.push((device, origin));
        }
    }
    for (key, holders) in by_key {
        if let [(first, _), .., (last, origin)] = holders.as_slice() {
            let text = format!("{key} is the address of {first} too, on the same network");
            findings.push(Finding::new(check, *last, text, hint, origin));
        }
    }
}

/// A gateway that stands in the network of one of the interfaces, and is nobody's address there.
fn gateways(lan: &Lan, domain: &[Port], findings: &mut Vec<Finding>) {
    let known: BTreeSet<_> = interfaces(lan, domain).flat_map(|(_, _, interface)| &interface.addresses).map(|a| a.addr()).collect();
    // Who asks DHCP may be the gateway; nobody knows yet.
    if interfaces(lan, domain).any(|(_, device, interface)| interface.dhcp && matches!(device, Device::Router(_))) {
        return;
    }
    for ((name, _), device, interface) in interfaces(lan, domain) {
        let (gateways, origin) = match device {
            Device::Host(host) => (&host.gateways, &host.origin),
            Device::Balancer(balancer) => (&balancer.gateways, &balancer.origin),
            _ => continue,
        };
        let here = gateways.iter().filter(|gateway| interface.addresses.iter().any(|block| block.contains(*gateway)));
        for gateway in here.filter(|gateway| !known.contains(gateway)) {
            let text = format!("nobody on its network is its gateway {gateway}");
            findings.push(Finding::new(Check::NobodysGateway, name, text, "write the address of a router's interface there", origin));
        }
    }
}

/// Who asks DHCP where nobody answers.
fn unserved(lan: &Lan, domain: &[Port], findings: &mut Vec<Finding>) {
    let lends = |device: &Device| {
        let serve = match device {
            Device::Host(host) => &host.serve,
            Device::Router(router) => &router.serve,
            _ => return false,
        };
        serve.iter().any(|service| matches!(service, model::lan::Service::Dhcp(_)))
    };
    if interfaces(lan, domain).any(|(_, device, _)| lends(device)) {
        return;
    }
    for ((name, port), _, interface) in interfaces(lan, domain).filter(|(_, _, interface)| interface.dhcp) {
        let text = format!("{port} asks for an address, and no DHCP server is on its network");
        let hint = "such as `serve: dhcp 10.0.1.100-10.0.1.199 gateway 10.0.1.1` at the router";
        findings.push(Finding::new(Check::NoDhcpServer, name, text, hint, &interface.origin));
    }
}

fn loops(name: &str, lan: &Lan, findings: &mut Vec<Finding>) {
    for link in lan.loops().into_iter().filter_map(|index| lan.links.get(index)) {
        let kinds = [&link.a, &link.b].into_iter().filter_map(|end| lan.devices.get(end.device()?));
        let hint = match kinds.into_iter().any(|device| matches!(device, Device::Switch(_) | Device::Bridge(_))) {
            true => "`spanning_tree: true` at the switches of the loop; or take a link away",
            false => "take a link away: hubs know no spanning tree",
        };
        let text = format!("`{}` closes a loop: a broadcast goes round in it for ever", lan.sentence(link));
        findings.push(Finding::new(Check::LanLoop, format!("lan {name}"), text, hint, &link.origin));
    }
}

fn unlinked(lan: &Lan, findings: &mut Vec<Finding>) {
    let linked: BTreeSet<&str> =
        lan.links.iter().flat_map(|link| [link.a.device(), link.b.device()]).flatten().collect();
    for (name, device) in lan.devices.iter().filter(|(name, _)| !linked.contains(name.as_str())) {
        let (text, hint) = (format!("no link leads to this {}", device.kind()), format!("such as `- {name} -- sw-1` under `links:`"));
        findings.push(Finding::new(Check::Unlinked, name, text, hint, device.origin()));
    }
}

/// At 1 Gb/s a slot is 512 bytes, to which IEEE 802.3 clause 4.2.3.4 extends the carrier of short frames.
fn fast_hub(name: &str, device: &Device) -> Option<Finding> {
    let (Device::Hub(hub) | Device::Repeater(hub)) = device else { return None };
    (hub.rate_bits_per_second > FASTEST_HUB_BITS_PER_SECOND).then(|| {
        let text = format!(
            "this {} is faster than 100 Mb/s: half duplex needs carrier extension there, which is not simulated; \
             a collision of short frames stays unnoticed beyond some 50 m",
            device.kind()
        );
        Finding::new(Check::FastHub, name, text, "10M or 100M; or a switch, whose links are full duplex", &hub.origin)
    })
}

fn cable(lan: &Lan, link: &Link) -> Option<Finding> {
    let cable = link.cable?;
    let most = match cable.kind {
        CableKind::Utp => LONGEST_UTP_CENTIMETRES,
        CableKind::Coax => LONGEST_COAX_CENTIMETRES,
        CableKind::Fiber => return None,
    };
    (cable.length_centimetres > most).then(|| {
        let text = format!("`{}`: {} carries Ethernet over {} m", lan.sentence(link), cable.kind, most / 100);
        Finding::new(Check::LongCable, "link", text, "fiber goes further; or a switch in between", &link.origin)
    })
}
