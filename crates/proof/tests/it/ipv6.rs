//! IPv6 beside IPv4: whoever has both is two places, what gets through over either is exposed, and what the proof says of
//! pairs is what single packets meet. Random clouds are given it here.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use fabric::engine::PacketProbe;
use fabric::walker::Verdict;
use fabric::{Fabric, Family, explain};
use ipnet::{IpNet, Ipv6Net};
use model::network_acl::NetworkAclEntry;
use model::random::SplitMix64;
use model::route_table::RouteOrigin;
use model::{
    Destination, EgressOnlyInternetGateway, IcmpMatch, Model, Origin, Peer, PortRange, ProbePacket, Route, RouteTarget, SecurityGroupRule, TrafficMatch,
};
use proof::claim::Prover;
use proof::reach::traffic;
use proof::{Options, Place, Reach};

use crate::clouds;
use crate::support;

/// Ports that rules here name, and their neighbours.
const PORTS: [u16; 7] = [22, 79, 80, 443, 444, 1_024, 50_000];

fn below(random: &mut SplitMix64, bound: u64) -> u64 {
    random.next_u64() % bound
}

fn some_traffic(random: &mut SplitMix64) -> TrafficMatch {
    let range = |random: &mut SplitMix64| {
        let from = PORTS[below(random, 5) as usize];
        PortRange { from, to: from.max(PORTS[below(random, 7) as usize]) }
    };
    match below(random, 6) {
        0 => TrafficMatch::All,
        1 => TrafficMatch::Udp(range(random)),
        2 => TrafficMatch::Icmpv6(IcmpMatch { icmp_type: (below(random, 2) == 0).then_some(128), code: None }),
        3 => TrafficMatch::Icmp(IcmpMatch::default()),
        _ => TrafficMatch::Tcp(range(random)),
    }
}

/// Blocks that cut what is inside and what is outside in several ways.
fn some_block(model: &Model, random: &mut SplitMix64) -> Ipv6Net {
    let own: Vec<Ipv6Net> = model.subnets.values().flat_map(|subnet| subnet.ipv6_cidr_blocks.iter().map(|block| block.block)).collect();
    let fixed = ["::/0", "::/0", "2001:db8::/32", "2600:1f00::/24", "2600:1f18::/36"].map(|text| text.parse().unwrap());
    match below(random, 8) {
        number @ 0..=4 => fixed[number as usize],
        _ if own.is_empty() => fixed[0],
        5 => Ipv6Net::new(Ipv6Addr::from(u128::from(own[below(random, own.len() as u64) as usize].network()) + 4), 127).unwrap().trunc(),
        _ => own[below(random, own.len() as u64) as usize],
    }
}

/// A random cloud in which most have IPv6 addresses as well.
fn cloud(seed: u64) -> Model {
    let mut model = support::cloud("random.yaml", &clouds::lab(seed)).0;
    let mut random = SplitMix64(seed);
    let origin = Origin::default();
    let mut blocks = BTreeMap::new();
    for (number, vpc) in (0_u128..).zip(model.vpcs.values_mut()) {
        let block = Ipv6Net::new(Ipv6Addr::from(0x2406_da12 << 96 | number << 72), 56).unwrap();
        vpc.ipv6_cidr_blocks = vec![associated(block, "vpc-cidr-assoc-00000000000000001")];
        blocks.insert(vpc.id.clone(), block);
    }
    for (number, subnet) in (0_u128..).zip(model.subnets.values_mut()) {
        let block = u128::from(blocks[&subnet.vpc_id].network()) | number << 64;
        subnet.ipv6_cidr_blocks = vec![associated(Ipv6Net::new(block.into(), 64).unwrap(), "subnet-cidr-assoc-00000000000000001")];
    }
    for (number, interface) in (0_u128..).zip(model.network_interfaces.values_mut()) {
        if below(&mut random, 4) > 0 {
            let block = model.subnets[&interface.subnet_id].ipv6_cidr_blocks[0].block;
            interface.ipv6_addresses = vec![Ipv6Addr::from(u128::from(block.network()) + 4 + number)];
        }
    }
    let gateways: BTreeMap<_, _> = model.internet_gateways.values().filter_map(|gateway| Some((gateway.vpc_id.clone()?, gateway.id.clone()))).collect();
    let vpcs: Vec<_> = blocks.keys().cloned().collect();
    for vpc_id in &vpcs {
        let gateway = EgressOnlyInternetGateway { id: model.context.next_id(), vpc_id: vpc_id.clone(), tags: BTreeMap::new(), origin: origin.clone() };
        model.egress_only_internet_gateways.insert(gateway.id.clone(), gateway);
    }
    let tables: Vec<_> = model.route_tables.keys().cloned().collect();
    for id in tables {
        let vpc = model.route_tables[&id].vpc_id.clone();
        let only_out = model.egress_only_internet_gateways.values().find(|gateway| gateway.vpc_id == vpc).unwrap().id.clone();
        let out = match (below(&mut random, 3), gateways.get(&vpc)) {
            (0, Some(gateway)) => Some(RouteTarget::InternetGateway(gateway.clone())),
            (1, _) => Some(RouteTarget::EgressOnlyInternetGateway(only_out)),
            _ => None,
        };
        let route = |block: Ipv6Net, target: RouteTarget, created_by: RouteOrigin| Route {
            destination: Destination::Ipv6(block),
            target,
            created_by,
            origin: origin.clone(),
        };
        let narrow = some_block(&model, &mut random);
        let routes = &mut model.route_tables.get_mut(&id).unwrap().routes;
        routes.push(route(blocks[&vpc], RouteTarget::Local, RouteOrigin::CreateRouteTable));
        if let Some(out) = out {
            let to = if below(&mut random, 3) > 0 || blocks.values().any(|own| own.contains(&narrow)) { "::/0".parse().unwrap() } else { narrow };
            routes.push(route(to, out, RouteOrigin::CreateRoute));
        }
    }
    let groups: Vec<_> = model.security_groups.keys().cloned().collect();
    for id in groups {
        for _ in 0..=below(&mut random, 2) {
            let rule = SecurityGroupRule {
                id: model.context.next_id(),
                traffic: some_traffic(&mut random),
                peer: Peer::Ipv6(some_block(&model, &mut random)),
                description: String::new(),
                tags: BTreeMap::new(),
                origin: origin.clone(),
            };
            let is_out = below(&mut random, 2) == 0;
            let group = model.security_groups.get_mut(&id).unwrap();
            if is_out { &mut group.egress } else { &mut group.ingress }.push(rule);
        }
    }
    let acls: Vec<_> = model.network_acls.keys().cloned().collect();
    for id in acls {
        for number in 1..=2 + below(&mut random, 3) {
            let entry = |random: &mut SplitMix64, traffic, block: Ipv6Net, allow| NetworkAclEntry {
                rule_number: 10_000 + number as u16 + (below(random, 100) * 100) as u16,
                traffic,
                cidr_block: IpNet::V6(block),
                allow,
                origin: origin.clone(),
            };
            for is_out in [false, true] {
                // Most let everything pass in the end.
                let new = match number {
                    1 => NetworkAclEntry { rule_number: 32_000, ..entry(&mut random, TrafficMatch::All, "::/0".parse().unwrap(), true) },
                    _ => {
                        let (traffic, block) = (some_traffic(&mut random), some_block(&model, &mut random));
                        let allow = below(&mut random, 2) == 0;
                        entry(&mut random, traffic, block, allow)
                    }
                };
                let acl = model.network_acls.get_mut(&id).unwrap();
                let entries = if is_out { &mut acl.egress } else { &mut acl.ingress };
                if entries.iter().all(|other| other.rule_number != new.rule_number) {
                    entries.push(new);
                    entries.sort_by_key(|entry| entry.rule_number);
                }
            }
        }
    }
    model
}

fn associated<Net, Id: std::str::FromStr<Err: std::fmt::Debug>>(block: Net, id: &str) -> model::vpc::CidrBlock<Net, Id> {
    model::vpc::CidrBlock { association_id: id.parse().unwrap(), block, state: model::vpc::CidrBlockState::Associated, settles_at: model::Timestamp(0) }
}

/// Verdicts of one packet from each of these ports.
fn verdicts(fabric: &Fabric, from: Place, to: IpAddr, packet: ProbePacket, ports: &[u16]) -> Vec<Verdict> {
    let probe = |port: &u16| PacketProbe::new(from.sender(fabric), to, traffic(packet, *port));
    ports.iter().map(|port| explain(fabric, &probe(port)).unwrap().verdict).collect()
}

#[test]
fn what_is_said_of_a_pair_is_what_single_packets_meet() {
    let many = std::env::var("VPCLAB_LAW_CLOUDS").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    let mut seen: BTreeMap<Verdict, usize> = BTreeMap::new();
    for seed in 1..=many {
        let fabric = Fabric::compile(&cloud(seed));
        let reach = Reach::of(&fabric, Options::default()).unwrap();
        let ipv6: Vec<_> = reach.indices().filter(|(_, place)| place.family() == Family::V6).collect();
        let mut random = SplitMix64(seed);
        for (from, source) in &ipv6 {
            for (to, place) in &ipv6 {
                if from == to || source.is_outside() && place.is_outside() {
                    continue;
                }
                let model::selector::End::Address(address) = place.end(&fabric) else { panic!("{place:?}") };
                let between = reach.between(*from, *to);
                let packet = match below(&mut random, 5) {
                    0 => ProbePacket::Icmpv6 { icmp_type: [128, 1, 135][below(&mut random, 3) as usize], code: 0 },
                    1 => ProbePacket::Udp(PORTS[below(&mut random, 7) as usize]),
                    2 => ProbePacket::Other(50),
                    _ => ProbePacket::Tcp(PORTS[below(&mut random, 7) as usize]),
                };
                let any = 1_024 + below(&mut random, 64_000) as u16;
                let worst = verdicts(&fabric, *source, address, packet, reach.atoms().reply_ports()).into_iter().min().unwrap();
                let of_any = verdicts(&fabric, *source, address, packet, &[any])[0];
                let told = (between.request.contains(packet), between.both.contains(packet));
                let what = format!("seed {seed}: {} -> {} {packet}, from port {any}: {told:?}, worst {worst:?}, {of_any:?}", source.name(&fabric), place.name(&fabric));
                assert_eq!(told, (worst != Verdict::Denied, worst == Verdict::Allowed), "{what}");
                assert!(of_any >= worst, "{what}");
                *seen.entry(worst).or_default() += 1;
            }
        }
    }
    println!("{seen:?}");
    assert!(seen.len() == 3 && seen.values().all(|count| *count as u64 > many), "{seen:?}");
}

#[test]
fn families_never_mix() {
    let fabric = Fabric::compile(&cloud(1));
    let reach = Reach::of(&fabric, Options::default()).unwrap();
    for (from, source) in reach.indices() {
        for (to, _) in reach.indices().filter(|(_, place)| place.family() != source.family()) {
            assert_eq!(reach.between(from, to), proof::Between::default());
        }
    }
}

#[test]
fn what_ipv6_exposes_breaks_a_claim_and_what_is_promised_need_not_hold_over_it() {
    let text = include_str!("../../../lab/tests/terraform/ipv6.plan.json").to_owned();
    let model = lab::terraform::read(lab::aws::DumpFile { name: "plan.json".to_owned(), text }, model::Timestamp(0)).unwrap().model;
    let fabric = Fabric::compile(&model);
    let reach = Reach::of(&fabric, Options::default()).unwrap();
    let broken = |text: &str| {
        let claims = [lab::sentence::parse_claim(text).unwrap().0];
        let prover = Prover::new(&model, &fabric, &reach, Options::default(), &claims);
        let proof = prover.prove(&claims[0]);
        let broken = proof.broken.iter().map(|one| format!("{} -> {} {}", one.from.name, one.to.name, one.traffic));
        proof.undecided.iter().map(ToString::to_string).chain(broken).collect::<Vec<_>>()
    };
    // Nobody has a public IPv4 address; `web` is open to all of IPv6, `worker` behind an egress-only gateway.
    assert_eq!(broken("internet -> web tcp/443: blocked"), ["internet (IPv6) -> web (IPv6) tcp/443"]);
    assert_eq!(broken("internet -> worker tcp/443: blocked"), [""; 0]);
    assert_eq!(broken("2001:db8::/32 -> web tcp/443: allowed"), [""; 0]);
    assert_eq!(broken("worker -> 2001:db8::/32 tcp/443: allowed"), [""; 0]);
    assert_eq!(broken("2001:db8::/32 -> worker tcp/443: allowed").len(), 1);
    assert_eq!(broken("only worker -> web tcp/443: allowed").len(), 2, "IPv4 lets nobody in, IPv6 everybody");
    assert_eq!(broken("nothing else").len(), 5, "both, and the internet");
}

#[test]
fn echo_requests_of_a_claim_are_those_of_the_family_that_is_asked() {
    let text = include_str!("../../../lab/tests/terraform/ipv6.plan.json").to_owned();
    let mut model = lab::terraform::read(lab::aws::DumpFile { name: "plan.json".to_owned(), text }, model::Timestamp(0)).unwrap().model;
    let echo = TrafficMatch::Icmpv6(IcmpMatch { icmp_type: Some(128), code: None });
    for rule in model.security_groups.values_mut().flat_map(|group| &mut group.ingress).filter(|rule| rule.peer == Peer::Ipv6("::/0".parse().unwrap())) {
        rule.traffic = echo;
    }
    let broken = |sentence: &str| {
        let fabric = Fabric::compile(&model);
        let reach = Reach::of(&fabric, Options::default()).unwrap();
        let claims = [lab::sentence::parse_claim(sentence).unwrap().0];
        let prover = Prover::new(&model, &fabric, &reach, Options::default(), &claims);
        let proof = prover.prove(&claims[0]);
        assert!(proof.undecided.is_none(), "{sentence}");
        proof.broken.len()
    };
    assert_eq!(broken("2001:db8::/32 -> web icmp/echo: allowed"), 0);
    assert_eq!(broken("internet -> web icmp/echo: blocked"), 1);
    assert_eq!(broken("internet -> web icmp: blocked"), 1);
    assert_eq!(broken("internet -> web icmp/13: blocked"), 0);
}

#[test]
fn a_difference_over_ipv6_is_one_of_ipv6_places() {
    let text = include_str!("../../../lab/tests/terraform/ipv6.plan.json").to_owned();
    let before = lab::terraform::read(lab::aws::DumpFile { name: "plan.json".to_owned(), text }, model::Timestamp(0)).unwrap().model;
    let mut after = before.clone();
    let narrow: Ipv6Net = "2001:db8:5::/48".parse().unwrap();
    for rule in after.security_groups.values_mut().flat_map(|group| &mut group.ingress).filter(|rule| rule.peer == Peer::Ipv6("::/0".parse().unwrap())) {
        rule.peer = Peer::Ipv6(narrow);
    }
    let clouds = [&before, &after].map(Fabric::compile);
    let reaches = clouds.each_ref().map(|fabric| Reach::of(fabric, Options::default()).unwrap());
    let changes = |one: usize, other: usize| {
        let connectivity = proof::diff::Connectivity::between((&clouds[one], &reaches[one]), (&clouds[other], &reaches[other]), Options::default()).unwrap();
        connectivity.changes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let closed = changes(0, 1);
    assert!(closed.iter().any(|line| line == "internet (IPv6) -> web (IPv6) tcp/443: open -> blocked"), "{closed:#?}");
    assert!(closed.iter().all(|line| !line.contains("2001:db8:5:") && !line.contains("OPEN")), "{closed:#?}");
    assert_eq!(changes(1, 0).len(), closed.len());
}
