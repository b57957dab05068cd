//! The rules of an instance's containers: own tables, so that the instance's other rules stay as they are.
//!
//! One chain a bridge, found through verdict maps by the name of the device; what a rule decides and for whom is its comment,
//! `STAGE/SUBJECT: words`, so that a trace explains itself (see [`policy_of`]).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use netlink::nft::build::{self, Load};
use netlink::nft::{
    Chain, CompareOp, Expr, Family, Hook, MetaKey, NatKind, Reg, Set, Table, Verdict, comment,
    ct_state, ct_status, fib_flags, priority,
};
use sha2::{Digest as _, Sha256};

use super::definition::{Endpoint, Network};
use super::frames;
use super::publish::{PublishedPort, Transport};

/// Name of our tables.
pub const TABLE: &str = "vpclab-docker";
/// The tables that there may be: of packets of each family, and of frames where a network's containers must not reach each other.
pub const FAMILIES: [Family; 3] = [Family::Ip, Family::Ip6, Family::Bridge];

/// The chain that leads published ports to containers.
pub(super) const PUBLISH: &str = "publish";

/// nft(8)'s number of "interface name".
const TYPE_IFNAME: u32 = 41;
/// `RTN_LOCAL`.
const LOCAL_ADDRESS: u32 = 2;
/// Kind of the user data that holds a rule's fingerprint; nft(8) passes over kinds it does not know.
const FINGERPRINT: u8 = 0xf0;
/// A comment is cut here, so that it and the fingerprint fit into 256 bytes.
const LONGEST_COMMENT: usize = 200;

/// A rule and what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `STAGE/SUBJECT: words`.
    pub comment: String,
    /// Its instructions.
    pub expressions: Vec<Expr>,
}

impl Rule {
    /// What the kernel keeps with it: the comment, and a fingerprint of the instructions, by which it is known again.
    pub fn user_data(&self) -> Vec<u8> {
        let mut end = self.comment.len().min(LONGEST_COMMENT);
        while !self.comment.is_char_boundary(end) {
            end -= 1;
        }
        let mut data = comment(&self.comment[..end]);
        let digest = Sha256::digest(format!("{:?}", self.expressions));
        data.extend([FINGERPRINT, 8]);
        data.extend(&digest[..8]);
        data
    }
}

/// A map of devices' names to the chains of their bridges, or a set of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Devices {
    /// How the kernel is asked for it.
    pub set: Set,
    /// Name of the device, and what is decided; nothing in a set.
    pub elements: BTreeMap<String, Option<Verdict>>,
}

/// The content of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleSet {
    /// Sets and maps by name.
    pub devices: BTreeMap<String, Devices>,
    /// Chains by name, with their rules in order.
    pub chains: BTreeMap<String, (Chain, Vec<Rule>)>,
}

impl RuleSet {
    pub(super) fn base(&mut self, chain: Chain, rules: Vec<Rule>) {
        self.chains.insert(chain.name.clone(), (chain, rules));
    }

    pub(super) fn chain(&mut self, name: String, rules: Vec<Rule>) {
        self.base(Chain::new(name), rules);
    }

    pub(super) fn map(&mut self, name: &str, elements: BTreeMap<String, Option<Verdict>>) {
        let set = if elements.values().all(Option::is_some) && !elements.is_empty() {
            Set::verdict_map(name, [16])
        } else {
            Set::new(name, [16])
        };
        let set = Set {
            key_type: TYPE_IFNAME,
            key_is_native: true,
            ..set
        };
        self.devices
            .insert(name.to_owned(), Devices { set, elements });
    }
}

/// Stage and subject of a rule's comment: `docker-publish` and `3f1c…/tcp/0.0.0.0:8080`.
pub fn policy_of(comment: &str) -> Option<(&str, &str)> {
    let (id, _) = comment.split_once(": ")?;
    let (stage, subject) = id.split_once('/')?;
    stage.starts_with("docker-").then_some((stage, subject))
}

/// A port that leads to an endpoint.
pub(super) struct Lead<'a> {
    pub endpoint: &'a Endpoint,
    pub network: &'a Network,
    pub port: &'a PublishedPort,
    /// The container's address, of the family of the port's.
    pub address: IpAddr,
}

/// A network as one family of addresses sees it.
#[derive(Clone, Copy)]
struct Face<'a> {
    network: &'a Network,
    subnet: IpNet,
}

impl Face<'_> {
    fn is_v6(&self) -> bool {
        matches!(self.subnet, IpNet::V6(_))
    }

    /// Packets of its containers' addresses.
    fn sources(&self) -> Vec<Expr> {
        build::in_prefix(source(self.is_v6()), self.subnet)
    }
}

fn source(is_v6: bool) -> Load {
    if is_v6 {
        Load::SourceV6
    } else {
        Load::SourceV4
    }
}

pub(super) fn destination_is(address: IpAddr) -> Vec<Expr> {
    match address {
        IpAddr::V4(address) => build::is(Load::DestinationV4, &address.octets()),
        IpAddr::V6(address) => build::is(Load::DestinationV6, &address.octets()),
    }
}

/// The tables of these networks; empty without any.
pub(super) fn tables(
    networks: &[&Network],
    members: &BTreeMap<&str, Vec<&Endpoint>>,
    leads: &[Lead<'_>],
) -> BTreeMap<Table, RuleSet> {
    let mut tables = BTreeMap::new();
    if networks.is_empty() {
        return tables;
    }
    let faces: Vec<Face<'_>> = networks
        .iter()
        .map(|network| Face {
            network,
            subnet: network.subnet.into(),
        })
        .collect();
    tables.insert(Table::new(Family::Ip, TABLE), packets(&faces, leads));
    let faces: Vec<Face<'_>> = networks
        .iter()
        .filter_map(|network| {
            let subnet = network.ipv6?.subnet.into();
            Some(Face { network, subnet })
        })
        .collect();
    if !faces.is_empty() {
        tables.insert(Table::new(Family::Ip6, TABLE), packets(&faces, leads));
    }
    let closed: Vec<&Network> = networks
        .iter()
        .copied()
        .filter(|network| !network.icc)
        .collect();
    if !closed.is_empty() {
        tables.insert(
            Table::new(Family::Bridge, TABLE),
            frames::frames(&closed, members),
        );
    }
    tables
}

/// What a container's own namespace gets where names are answered inside: port 53 of `address` leads to the sockets that
/// are open there (UDP's port, TCP's port).
pub(super) fn resolver_tables(
    address: Ipv4Addr,
    (udp, tcp): (u16, u16),
) -> BTreeMap<Table, RuleSet> {
    let lead = |transport: Transport, port: u16| {
        let mut expressions = build::is(Load::DestinationV4, &address.octets());
        expressions.extend(to_port(transport, 53));
        expressions.push(Expr::Counter);
        expressions.extend(translate(address.into(), port));
        Rule {
            comment: format!("docker-dns/{transport}: names are answered at {address}"),
            expressions,
        }
    };
    let mut rules = RuleSet::default();
    rules.base(
        Chain::base("output", Hook::Output, priority::DSTNAT).nat(),
        vec![lead(Transport::Udp, udp), lead(Transport::Tcp, tcp)],
    );
    BTreeMap::from([(Table::new(Family::Ip, TABLE), rules)])
}

/// Another destination.
fn translate(to: IpAddr, port: u16) -> [Expr; 3] {
    // An IPv6 address fills four slots.
    let (address, number) = (Reg(0), Reg(4));
    let (family, value) = match to {
        IpAddr::V4(to) => (Family::Ip, to.octets().to_vec()),
        IpAddr::V6(to) => (Family::Ip6, to.octets().to_vec()),
    };
    [
        Expr::Immediate {
            register: address,
            value,
        },
        Expr::Immediate {
            register: number,
            value: port.to_be_bytes().to_vec(),
        },
        Expr::Nat {
            kind: NatKind::Destination,
            family,
            address: Some((address, None)),
            port: Some((number, None)),
            flags: 0,
        },
    ]
}

/// The rules for packets of one family: `faces` are the networks that have it, at least one.
fn packets(faces: &[Face<'_>], leads: &[Lead<'_>]) -> RuleSet {
    let mut rules = RuleSet::default();
    let is_v6 = faces.iter().any(Face::is_v6);
    let leads: Vec<&Lead<'_>> = leads
        .iter()
        .filter(|lead| lead.address.is_ipv6() == is_v6)
        .collect();
    // `route_localnet` on the bridges lets 127.0.0.1 of the instance reach published ports; this keeps others out of it.
    let (loopback, destination) = match is_v6 {
        false => (LOOPBACK, Load::DestinationV4),
        true => (LOOPBACK_V6, Load::DestinationV6),
    };
    let guard = rule(
        format!("docker-loopback/guard: {loopback} is reached from inside only"),
        [
            device_is_not(MetaKey::IifName, "lo"),
            build::in_prefix(destination, loopback),
        ],
        Verdict::Drop,
    );
    rules.base(
        Chain::base("raw", Hook::Prerouting, priority::RAW),
        vec![guard],
    );

    let to_this_host = || {
        rule(
            "docker-publish/any: addressed to this instance",
            [build::fib_type_is(fib_flags::DADDR, LOCAL_ADDRESS)],
            Verdict::Jump(PUBLISH.into()),
        )
    };
    rules.base(
        Chain::base("prerouting", Hook::Prerouting, priority::DSTNAT).nat(),
        vec![to_this_host()],
    );
    rules.base(
        Chain::base("output", Hook::Output, priority::DSTNAT).nat(),
        vec![to_this_host()],
    );
    rules.chain(
        PUBLISH.into(),
        leads.iter().map(|lead| publish(lead)).collect(),
    );
    rules.base(
        Chain::base("postrouting", Hook::Postrouting, priority::SRCNAT).nat(),
        faces.iter().flat_map(|face| hide(*face)).collect(),
    );

    rules.base(
        Chain::base("forward", Hook::Forward, priority::FILTER),
        vec![
            rule(
                "docker-bridge/established: belongs to a connection that was let in",
                [build::ct_state_is(
                    ct_state::ESTABLISHED | ct_state::RELATED,
                )],
                Verdict::Accept,
            ),
            by_device(
                "docker-bridge/from: by the bridge it comes from",
                MetaKey::IifName,
                "from",
            ),
            by_device(
                "docker-bridge/into: by the bridge it goes to",
                MetaKey::OifName,
                "into",
            ),
        ],
    );
    let (mut from, mut into, mut bridges) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for Face { network, .. } in faces {
        let bridge = &network.bridge;
        bridges.insert(bridge.clone(), None);
        if network.internal {
            from.insert(
                bridge.clone(),
                Some(Verdict::Jump(format!("from-{bridge}"))),
            );
            let egress = rule(
                format!(
                    "docker-internal/{bridge}/egress: network {} is internal: no way out",
                    network.name
                ),
                [device_is_not(MetaKey::OifName, bridge)],
                Verdict::Drop,
            );
            rules.chain(format!("from-{bridge}"), vec![egress]);
        }
        into.insert(
            bridge.clone(),
            Some(Verdict::Jump(format!("into-{bridge}"))),
        );
        rules.chain(format!("into-{bridge}"), into_bridge(network, &leads));
    }
    // A map without an element would be made as a set; there is always a bridge to go into.
    if from.is_empty() {
        if let Some((_, forward)) = rules.chains.get_mut("forward") {
            forward.retain(|rule| !rule.comment.starts_with("docker-bridge/from:"));
        }
    } else {
        rules.map("from", from);
    }
    rules.map("into", into);
    rules.map("bridges", bridges);
    rules
}

const LOOPBACK_V6: IpNet = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128));
const LOOPBACK: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8));

/// What may go into a bridge as the first packet of a connection.
fn into_bridge(network: &Network, leads: &[&Lead<'_>]) -> Vec<Rule> {
    let Network { bridge, name, .. } = network;
    let mut rules = Vec::new();
    if network.internal {
        rules.push(rule(
            format!("docker-internal/{bridge}/ingress: network {name} is internal: none comes in"),
            [device_is_not(MetaKey::IifName, bridge)],
            Verdict::Drop,
        ));
    }
    // A container's port may be published more than once.
    let mut seen = BTreeSet::new();
    for lead in leads.iter().filter(|lead| lead.network.id == network.id) {
        let (endpoint, port) = (lead.endpoint, lead.port);
        if !seen.insert((lead.address, port.transport, port.container_port)) {
            continue;
        }
        rules.push(rule(
            format!(
                "docker-publish/{}/{}/{}: {} is reached as published",
                short(&endpoint.container),
                port.transport,
                port.container_port,
                endpoint.name
            ),
            [
                build::has_any(Load::CtStatus, &ct_status::DST_NAT.to_ne_bytes()),
                destination_is(lead.address),
                to_port(port.transport, port.container_port),
            ],
            Verdict::Accept,
        ));
    }
    let (icc, verdict) = match network.icc {
        true => ("reach each other", Verdict::Accept),
        false => ("do not reach each other (icc off)", Verdict::Drop),
    };
    rules.push(rule(
        format!("docker-icc/{bridge}: containers of network {name} {icc}"),
        [device_is(MetaKey::IifName, bridge)],
        verdict,
    ));
    rules.push(rule(
        format!("docker-isolation/{bridge}: network {name} is not reached from other networks"),
        [vec![
            Expr::Meta {
                key: MetaKey::IifName,
                register: FIRST,
            },
            Expr::Lookup {
                set: "bridges".into(),
                key: FIRST,
                inverted: false,
            },
        ]],
        Verdict::Drop,
    ));
    rules.push(rule(
        format!(
            "docker-direct/{bridge}: from outside network {name} is reached by published ports only"
        ),
        [],
        Verdict::Drop,
    ));
    rules
}

/// Leads a port of the instance to a container.
fn publish(lead: &Lead<'_>) -> Rule {
    let Lead {
        endpoint,
        port,
        address,
        ..
    } = lead;
    let mut expressions = Vec::new();
    if !port.host_address.is_unspecified() {
        expressions.extend(destination_is(port.host_address));
    }
    expressions.extend(to_port(port.transport, port.host_port));
    expressions.push(Expr::Counter);
    expressions.extend(translate(*address, port.container_port));
    Rule {
        comment: format!(
            "docker-publish/{}/{}/{}: {} {port}",
            short(&endpoint.container),
            port.transport,
            port.host(),
            endpoint.name
        ),
        expressions,
    }
}

/// Whose packets leave with another source, and which.
fn hide(face: Face<'_>) -> Vec<Rule> {
    let network = face.network;
    let Network { bridge, name, .. } = network;
    let masquerade = |comment: String, matches: Vec<Vec<Expr>>| {
        let mut expressions = matches.concat();
        expressions.push(Expr::Counter);
        expressions.push(Expr::Masquerade {
            port: None,
            flags: 0,
        });
        Rule {
            comment,
            expressions,
        }
    };
    let (loopback, shown) = match face.is_v6() {
        false => (build::in_prefix(Load::SourceV4, LOOPBACK), "127.0.0.1"),
        true => (build::in_prefix(Load::SourceV6, LOOPBACK_V6), "::1"),
    };
    let mut rules = vec![
        // The answer would else go straight to the one who asked, from an address that it did not ask.
        masquerade(
            format!(
                "docker-hairpin/{bridge}: a container of network {name} reaches it by a published port"
            ),
            vec![
                device_is(MetaKey::OifName, bridge),
                face.sources(),
                build::has_any(Load::CtStatus, &ct_status::DST_NAT.to_ne_bytes()),
            ],
        ),
        masquerade(
            format!("docker-loopback/{bridge}: {shown} reaches network {name} by a published port"),
            vec![device_is(MetaKey::OifName, bridge), loopback],
        ),
    ];
    if network.masquerade && !network.internal {
        rules.push(masquerade(
            format!("docker-masquerade/{bridge}: network {name} sends as the instance"),
            vec![face.sources(), device_is_not(MetaKey::OifName, bridge)],
        ));
    }
    rules
}

const FIRST: Reg = Reg(0);

/// Everything that matches, a counter, the verdict.
pub(super) fn rule<const N: usize>(
    comment: impl Into<String>,
    matches: [Vec<Expr>; N],
    verdict: Verdict,
) -> Rule {
    let mut expressions = matches.concat();
    expressions.push(Expr::Counter);
    expressions.push(Expr::Verdict(verdict));
    Rule {
        comment: comment.into(),
        expressions,
    }
}

pub(super) fn by_device(comment: &str, key: MetaKey, map: &str) -> Rule {
    Rule {
        comment: comment.into(),
        expressions: vec![
            Expr::Meta {
                key,
                register: FIRST,
            },
            Expr::LookupVerdict {
                set: map.into(),
                key: FIRST,
            },
        ],
    }
}

fn device_is(key: MetaKey, name: &str) -> Vec<Expr> {
    device(key, CompareOp::Eq, name)
}

fn device_is_not(key: MetaKey, name: &str) -> Vec<Expr> {
    device(key, CompareOp::Neq, name)
}

fn device(key: MetaKey, op: CompareOp, name: &str) -> Vec<Expr> {
    vec![
        Expr::Meta {
            key,
            register: FIRST,
        },
        Expr::Compare {
            register: FIRST,
            op,
            value: device_key(name),
        },
    ]
}

/// A device's name as the kernel compares it.
pub(super) fn device_key(name: &str) -> Vec<u8> {
    let mut value = name.as_bytes().to_vec();
    value.resize(16, 0);
    value
}

fn to_port(transport: Transport, port: u16) -> Vec<Expr> {
    [
        build::is(Load::Protocol, &[transport.number()]),
        build::is(Load::DestinationPort, &port.to_be_bytes()),
    ]
    .concat()
}

/// The first 12 digits of an id, as `docker ps` shows it.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
