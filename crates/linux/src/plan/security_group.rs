//! Chains of security groups: one a set of groups and direction, shared by all interfaces that carry it; interfaces
//! without source/dest check have one more for flows that are not theirs. State per interface as `docs/linux-engine.md`
//! says (SG-16 … SG-20). Every chain goes on to the next stage by itself, so that nothing passes that met none.

use fabric::{Direction, Fabric, Family, GroupSetIndex, RulePeer, Stage};
use ipnet::{IpNet, Ipv4Net};
use model::traffic::protocol::{TCP, UDP};
use model::{IcmpMatch, PortRange, TrafficMatch};
use netlink::nft::build::{Load, has_any, in_set, is, load_key, masked_is, not_in_set, set_ct, set_ct_mark_bits};
use netlink::nft::{Chain, CtKey, DynamicOp, Element, Expr, Field, MetaKey, Set, concat};

use super::address_space::{Addresses, Ports, disjoint, range, union};
use super::phrase::{FIRST, all, device_in_set, goto, then};
use super::reset::{self, Knew};
use super::{Options, Table, family};

/// Set of devices whose interface passes on what is not its own: without source/dest check, or a NAT gateway's.
pub const PASSES_ON: &str = "passes_on";
/// Set of such devices with the addresses that are their own.
pub const OWN: &str = "own";
/// Set of devices with source/dest check that others' packets may come to, with the addresses that are their own.
pub const CHECKED: &str = "checked";
/// Set of devices of NAT gateways.
pub const NAT: &str = "nat";
/// Set of devices through which flows are always tracked (SG-21): those of NAT gateways, the way to an egress-only gateway.
pub const TRACKS: &str = "tracks";
/// Set of devices that lead out of a VPC, where one may pass on what comes by another: where it has a transit gateway.
pub const OUTSIDE: &str = "outside";
/// Set in which the tracked flows of every interface are counted (SG-31).
const FLOWS: &str = "flows";

/// The chain in which a packet goes on that this side's groups have let pass.
pub fn next(direction: Direction) -> &'static str {
    match direction {
        Direction::Egress => "network",
        Direction::Ingress => "deliver",
    }
}

/// The same by who keeps the flow: to whoever passes on what is not its own, resets go by a chain that remembers them.
fn onward(direction: Direction, keeper: Keeper) -> &'static str {
    match (direction, keeper) {
        (Direction::Ingress, Keeper::Label(_)) => reset::RELAY,
        (_, Keeper::Mark | Keeper::Nobody | Keeper::Label(_)) => next(direction),
    }
}

/// The interface's device, and the other side's.
fn devices(direction: Direction) -> [MetaKey; 2] {
    match direction {
        Direction::Egress => [MetaKey::Iif, MetaKey::Oif],
        Direction::Ingress => [MetaKey::Oif, MetaKey::Iif],
    }
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "in",
        Direction::Egress => "out",
    }
}

/// Bits of the conntrack mark: which end knows the flow, and which holds it untracked.
#[derive(Clone, Copy)]
struct Bits {
    tracked: u32,
    untracked: u32,
}

/// The end that a packet of original direction comes from.
const SOURCE_END: Bits = Bits { tracked: 0x1, untracked: 0x4 };
/// The end that a packet of original direction goes to.
const DESTINATION_END: Bits = Bits { tracked: 0x2, untracked: 0x8 };

/// `IP_CT_DIR_ORIGINAL` and `IP_CT_DIR_REPLY`.
const ORIGINAL: u8 = 0;
const REPLY: u8 = 1;

/// Who keeps the state of a chain's flows.
#[derive(Clone, Copy)]
pub enum Keeper {
    /// The mark, by the packet's end: for interfaces that see their own flows only.
    Mark,
    /// Four bits of the label, from this one on: for an interface without source/dest check.
    Label(u8),
    /// Nobody: what comes to an interface whose source/dest check will drop it begins no flow there, and is part of none.
    Nobody,
}

/// How many interfaces without source/dest check a VPC can have: 128 bits, four each.
pub const UNCHECKED_LIMIT: usize = 32;

/// What the rules of one set of groups and direction admit.
#[derive(Default)]
struct Admits {
    /// TCP and UDP by address and port, from blocks.
    ports: Vec<(u8, Addresses, Ports)>,
    /// ICMP by address and type-code.
    icmp: Vec<(Addresses, Ports)>,
    /// Other protocols by address.
    other: Vec<(Addresses, (u8, u8))>,
    /// TCP and UDP from everywhere, held untracked (SG-17).
    untracked: Vec<(u8, Ports)>,
}

impl Admits {
    fn is_empty(&self) -> bool {
        self.ports.is_empty() && self.icmp.is_empty() && self.other.is_empty()
    }

    fn add(&mut self, of: Family, traffic: TrafficMatch, addresses: &[Addresses], untracked: [bool; 2]) {
        let every_port = PortRange::ALL;
        match (traffic, of) {
            (TrafficMatch::All, _) => {
                self.add(of, TrafficMatch::Tcp(every_port), addresses, untracked);
                self.add(of, TrafficMatch::Udp(every_port), addresses, untracked);
                self.add_icmp(IcmpMatch::default(), addresses);
                self.other.extend(addresses.iter().flat_map(|a| other_protocols(of).map(|range| (*a, range))));
            }
            (TrafficMatch::Tcp(ports), _) => self.add_ports(TCP, ports, addresses, untracked[0]),
            (TrafficMatch::Udp(ports), _) => self.add_ports(UDP, ports, addresses, untracked[1]),
            (TrafficMatch::Icmp(wanted), Family::V4) | (TrafficMatch::Icmpv6(wanted), Family::V6) => self.add_icmp(wanted, addresses),
            // Neither is the other family's traffic (SG-10).
            (TrafficMatch::Icmp(_), Family::V6) | (TrafficMatch::Icmpv6(_), Family::V4) => {}
            (TrafficMatch::Other(number), _) => self.other.extend(addresses.iter().map(|a| (*a, (number, number)))),
        }
    }

    fn add_icmp(&mut self, wanted: IcmpMatch, addresses: &[Addresses]) {
        let codes = match (wanted.icmp_type, wanted.code) {
            (None, _) => (0, u16::MAX),
            (Some(icmp_type), None) => (u16::from(icmp_type) << 8, u16::from(icmp_type) << 8 | 0xff),
            (Some(icmp_type), Some(code)) => {
                let both = u16::from(icmp_type) << 8 | u16::from(code);
                (both, both)
            }
        };
        self.icmp.extend(addresses.iter().map(|a| (*a, codes)));
    }
}

impl Admits {
    /// What may be held untracked is among the ordinary ports too: some flows are always tracked.
    fn add_ports(&mut self, number: u8, ports: PortRange, addresses: &[Addresses], untracked: bool) {
        let ports = (ports.from, ports.to);
        if untracked {
            self.untracked.push((number, ports));
        }
        self.ports.extend(addresses.iter().map(|a| (number, *a, ports)));
    }
}

/// All protocols but TCP, UDP and the family's ICMP.
fn other_protocols(of: Family) -> [(u8, u8); 4] {
    match of {
        Family::V4 => [(0, 0), (2, 5), (7, 16), (18, 255)],
        Family::V6 => [(0, 5), (7, 16), (18, 57), (59, 255)],
    }
}

/// Adds the chain of a set of groups to the table of a family; returns its name.
pub fn chain(
    fabric: &Fabric,
    set: GroupSetIndex,
    direction: Direction,
    of: Family,
    keeper: Keeper,
    options: Options,
    table: &mut Table,
) -> String {
    let word = word(direction);
    let base = format!("sg_{word}_{}", set_name(fabric, set));
    let name = match keeper {
        Keeper::Mark => base.clone(),
        Keeper::Label(bit) => format!("{base}_l{bit}"),
        Keeper::Nobody => format!("{base}_foreign"),
    };
    if table.chains.contains_key(&name) {
        return name;
    }
    let invert = options.invert == Some(Stage::SecurityGroup);
    let empty = fabric.group_sets[set].rules(direction).is_empty();
    let drop = table.drop_chain(&format!("sg-{word}{}", if empty { "-empty" } else { "" }));
    let (direct, references) = admits(fabric, set, direction, of);
    let accept = accept_chain(direction, keeper, false, options, table);
    // For tests: what the rules admit is dropped, and the rest passes.
    let (admitted, refused) = match invert {
        false => (goto(accept), goto(drop.clone())),
        true => (goto(drop.clone()), goto(onward(direction, keeper))),
    };

    let mut rules = known(direction, keeper);
    rules.extend(passed_before(direction, of, keeper, table));
    let load = peer_address(direction, of);
    if matches!(keeper, Keeper::Mark) && !direct.untracked.is_empty() {
        let accept = accept_chain(direction, keeper, true, options, table);
        add_any(&base, &direct.untracked, table);
        let tracked_anyway = match table.sets.contains_key(TRACKS) {
            true => device_in_set(devices(direction)[1], TRACKS, true, &[]),
            false => Vec::new(),
        };
        let lookup = in_set(&[Load::Protocol, Load::DestinationPort], &format!("{base}_any"));
        let verdict = if invert { goto(drop) } else { goto(accept) };
        rules.push(then(all([tracked_anyway, lookup]), verdict));
    }
    let sets = [(base.clone(), &direct), (format!("{base}_refs"), &references)];
    for (index, (prefix, admits)) in sets.iter().enumerate() {
        if admits.is_empty() {
            continue;
        }
        add_sets(prefix, of, admits, table);
        // A group means packets straight from or to its members, not those that an appliance passes on (SG-12).
        if index == 1 && table.sets.contains_key(PASSES_ON) {
            let neighbour = devices(direction)[1];
            let passed_on =
                all([device_in_set(neighbour, PASSES_ON, false, &[]), device_in_set(neighbour, OWN, true, &[load])]);
            rules.push(then(passed_on, refused.clone()));
        }
        if !admits.ports.is_empty() {
            let lookup = in_set(&[load, Load::Protocol, Load::DestinationPort], &format!("{prefix}_ports"));
            rules.push(then(lookup, admitted.clone()));
        }
        if !admits.icmp.is_empty() {
            rules.push(then(all([is(Load::Protocol, &[family::icmp(of)]), icmp_in_set(load, &format!("{prefix}_icmp"))]), admitted.clone()));
        }
        if !admits.other.is_empty() {
            rules.push(then(in_set(&[load, Load::Protocol], &format!("{prefix}_other")), admitted.clone()));
        }
    }
    rules.push(vec![Expr::Verdict(refused)]);
    table.chain(Chain::new(name.clone()), rules);
    name
}

/// The chain of an interface without source/dest check: flows of its own are like anybody's, those of others are kept
/// apart by label. It may see one leg of such a flow only. Returns its name.
pub fn passing_on(
    fabric: &Fabric,
    set: GroupSetIndex,
    direction: Direction,
    of: Family,
    bit: u8,
    options: Options,
    table: &mut Table,
) -> String {
    let own = chain(fabric, set, direction, of, Keeper::Mark, options, table);
    let others = chain(fabric, set, direction, of, Keeper::Label(bit), options, table);
    let load = match direction {
        Direction::Ingress => family::destination(of),
        Direction::Egress => family::source(of),
    };
    let name = format!("{own}_via_l{bit}");
    let rules = vec![
        then(device_in_set(devices(direction)[0], OWN, false, &[load]), goto(own)),
        vec![Expr::Verdict(goto(others))],
    ];
    table.chain(Chain::new(name.clone()), rules);
    name
}

/// The ingress chain of an interface with source/dest check that some route sends others' packets to: its groups see them
/// before the check does (PIPE-5), whatever the interfaces at the flow's ends know of it. Returns its name.
pub fn checked(fabric: &Fabric, set: GroupSetIndex, of: Family, options: Options, table: &mut Table) -> String {
    let own = chain(fabric, set, Direction::Ingress, of, Keeper::Mark, options, table);
    let foreign = chain(fabric, set, Direction::Ingress, of, Keeper::Nobody, options, table);
    let name = format!("{own}_checked");
    let rules = vec![
        then(device_in_set(MetaKey::Oif, CHECKED, false, &[family::destination(of)]), goto(own)),
        vec![Expr::Verdict(goto(foreign))],
    ];
    table.chain(Chain::new(name.clone()), rules);
    name
}

/// The address that rules of this direction speak of.
fn peer_address(direction: Direction, of: Family) -> Load {
    match direction {
        Direction::Ingress => family::source(of),
        Direction::Egress => family::destination(of),
    }
}

/// Chains for ends that admit everything: `outside` for what is beyond an internet gateway or a peering, `nat` for a NAT
/// gateway. A flow is known (and no group is asked again) once both ends know it, so these must say that they do. A NAT
/// gateway speaks for itself and for what is outside the VPC; an address inside has an interface that must admit the flow
/// itself (SG-16). `blocks` are the VPC's; none of IPv6, which no NAT gateway carries.
pub fn open_ends(blocks: &[Ipv4Net], table: &mut Table) {
    let has_nat = table.sets.contains_key(NAT);
    if !blocks.is_empty() {
        table.set(
            Set::new("blocks", [4]).interval(),
            Ipv4Net::aggregate(&blocks.to_vec()).into_iter().map(|block| Element::prefix(IpNet::V4(block))),
        );
    }
    for direction in [Direction::Egress, Direction::Ingress] {
        let own = match direction {
            Direction::Egress => Load::SourceV4,
            Direction::Ingress => Load::DestinationV4,
        };
        let onward = || Expr::Verdict(goto(next(direction)));
        let (mut outside, mut nat) = (Vec::new(), Vec::new());
        if table.sets.contains_key(OUTSIDE) {
            // What only passes through is no interface's flow: an answer that comes to one with the same address is news to its groups.
            outside.push(then(device_in_set(devices(direction)[1], OUTSIDE, false, &[]), goto(next(direction))));
        }
        for ct_direction in [ORIGINAL, REPLY] {
            let bit = end_of(direction, ct_direction).tracked;
            let note = || all([set_ct_mark_bits(bit, bit), vec![onward()]]);
            outside.push(all([direction_is(ct_direction), note()]));
            if has_nat {
                let itself = device_in_set(devices(direction)[0], OWN, false, &[own]);
                nat.push(all([direction_is(ct_direction), itself, note()]));
                nat.push(all([direction_is(ct_direction), not_in_set(&[own], "blocks"), note()]));
            }
        }
        outside.push(vec![onward()]);
        table.chain(Chain::new(format!("outside_{}", word(direction))), outside);
        if !nat.is_empty() {
            nat.push(vec![onward()]);
            table.chain(Chain::new(format!("nat_{}", word(direction))), nat);
        }
    }
}

/// Matches a flow that both ends know and track.
pub fn known_to_both() -> Vec<Expr> {
    let both = (SOURCE_END.tracked | DESTINATION_END.tracked).to_ne_bytes();
    masked_is(Load::CtMark, &both, &both)
}

/// The same name for the same groups in every plan.
fn set_name(fabric: &Fabric, set: GroupSetIndex) -> String {
    let ids: Vec<&str> = fabric.group_sets[set].groups.iter().map(|g| fabric.groups[*g].id.as_str()).collect();
    format!("{:08x}", crate::naming::number(&ids.join(" ")))
}

fn admits(fabric: &Fabric, set: GroupSetIndex, direction: Direction, of: Family) -> (Admits, Admits) {
    let (mut direct, mut references) = (Admits::default(), Admits::default());
    let open = fabric.group_sets[set].open(direction.opposite());
    for (_, rule) in fabric.rules_of(set, direction) {
        match &rule.peer {
            RulePeer::Block(block) => {
                let Some(addresses) = range_of(block, of) else { continue };
                let anywhere = rule.anywhere == Some(of);
                let untracked = [TCP, UDP].map(|number| anywhere && open.covers(number, of));
                direct.add(of, rule.traffic, &[addresses], untracked);
            }
            RulePeer::PrefixList { blocks, .. } => {
                let addresses: Vec<Addresses> = blocks.iter().filter_map(|block| range_of(block, of)).collect();
                direct.add(of, rule.traffic, &addresses, [false; 2]);
            }
            RulePeer::Group { group: Some(group), .. } => {
                let members = fabric.groups[*group].member_addresses.iter().filter(|address| Family::of(**address) == of);
                let members: Vec<Addresses> = members.map(|address| range(IpNet::from(*address))).collect();
                references.add(of, rule.traffic, &members, [false; 2]);
            }
            RulePeer::Group { group: None, .. } => {}
        }
    }
    (direct, references)
}

fn range_of(block: &IpNet, of: Family) -> Option<Addresses> {
    (family::of_block(block) == of).then(|| range(*block))
}

/// The set of ports that are open to everywhere.
fn add_any(prefix: &str, untracked: &[(u8, Ports)], table: &mut Table) {
    let elements = [TCP, UDP].into_iter().flat_map(|number| {
        let ports = untracked.iter().filter(move |(n, _)| *n == number);
        let joined = union(ports.map(|(_, (from, to))| (u128::from(*from), u128::from(*to))).collect());
        joined.into_iter().map(move |(from, to)| {
            let key = |port: u128| concat(&[Field::byte(number), Field::port(port as u16)]);
            Element::range(key(from), key(to))
        })
    });
    table.set(Set::new(format!("{prefix}_any"), [1, 2]).interval(), elements.collect::<Vec<_>>());
}

fn add_sets(prefix: &str, of: Family, admits: &Admits, table: &mut Table) {
    let (byte, length) = (Field::byte, family::length(of));
    let address = |value: u128| Field(family::octets(family::address(of, value)));
    if !admits.ports.is_empty() {
        let elements = [TCP, UDP].into_iter().flat_map(|number| {
            let mine: Vec<_> = admits.ports.iter().filter(|(n, ..)| *n == number).map(|(_, a, p)| (*a, *p)).collect();
            disjoint(&mine).into_iter().map(move |((low, high), (from, to))| {
                let key = |a: u128, port: u16| concat(&[address(a), byte(number), Field::port(port)]);
                Element::range(key(low, from), key(high, to))
            })
        });
        table.set(Set::new(format!("{prefix}_ports"), [length, 1, 2]).interval(), elements.collect::<Vec<_>>());
    }
    if !admits.icmp.is_empty() {
        let elements = disjoint(&admits.icmp).into_iter().map(|((low, high), (from, to))| {
            let key = |a: u128, code: u16| concat(&[address(a), Field::port(code)]);
            Element::range(key(low, from), key(high, to))
        });
        table.set(Set::new(format!("{prefix}_icmp"), [length, 2]).interval(), elements.collect::<Vec<_>>());
    }
    if !admits.other.is_empty() {
        let rectangles: Vec<_> =
            admits.other.iter().map(|(a, (from, to))| (*a, (u16::from(*from), u16::from(*to)))).collect();
        let elements = disjoint(&rectangles).into_iter().map(|((low, high), (from, to))| {
            let key = |a: u128, number: u16| concat(&[address(a), byte(number as u8)]);
            Element::range(key(low, from), key(high, to))
        });
        table.set(Set::new(format!("{prefix}_other"), [length, 1]).interval(), elements.collect::<Vec<_>>());
    }
}

/// Type and code are the first two bytes of the ICMP header.
fn icmp_in_set(load: Load, set: &str) -> Vec<Expr> {
    let (mut rule, next) = load_key(&[load], FIRST);
    rule.push(Expr::Payload { base: netlink::nft::Base::Transport, offset: 0, length: 2, register: next });
    rule.push(Expr::Lookup { set: set.to_owned(), key: FIRST, inverted: false });
    rule
}

fn direction_is(direction: u8) -> Vec<Expr> {
    is(Load::CtDirection, &[direction])
}

/// Label bits of an interface without source/dest check: ingress and egress admitted, in each direction.
fn label(bit: u8, direction: Direction, ct_direction: u8) -> u8 {
    let side = match direction {
        Direction::Ingress => 0,
        Direction::Egress => 1,
    };
    bit + side + 2 * ct_direction
}

/// The bits of which one lets a packet pass: the same way before, or the other way in the other direction: this is the reply.
fn passes_by(bit: u8, direction: Direction, ct_direction: u8) -> [u8; 2] {
    [label(bit, direction, ct_direction), label(bit, direction.opposite(), 1 - ct_direction)]
}

fn has_label(bits: [u8; 2]) -> Vec<Expr> {
    netlink::nft::build::has_ct_label(&bits)
}

fn end_of(direction: Direction, ct_direction: u8) -> Bits {
    match (direction, ct_direction) {
        (Direction::Egress, ORIGINAL) | (Direction::Ingress, REPLY) => SOURCE_END,
        _ => DESTINATION_END,
    }
}

/// Packets of flows that this interface admitted and tracks pass at once (SG-16).
fn known(direction: Direction, keeper: Keeper) -> Vec<Vec<Expr>> {
    [ORIGINAL, REPLY]
        .map(|ct_direction| {
            let knows = match keeper {
                Keeper::Mark => has_any(Load::CtMark, &end_of(direction, ct_direction).tracked.to_ne_bytes()),
                Keeper::Label(bit) => has_label(passes_by(bit, direction, ct_direction)),
                Keeper::Nobody => return None,
            };
            Some(then(all([direction_is(ct_direction), knows]), goto(onward(direction, keeper))))
        })
        .into_iter()
        .flatten()
        .collect()
}

/// The same for resets whose first pass was the end of the flow's entry. From its own sender a packet comes for the first
/// time; so this is for interfaces that pass on what is not their own, and for who receives from those.
fn passed_before(direction: Direction, of: Family, keeper: Keeper, table: &mut Table) -> Option<Vec<Expr>> {
    if !reset::is_possible(table) {
        return None;
    }
    let word = word(direction);
    match (direction, keeper) {
        (Direction::Egress, Keeper::Mark) | (_, Keeper::Nobody) => None,
        (Direction::Ingress, Keeper::Mark) => {
            let knew = [ORIGINAL, REPLY].map(|of| Knew::Mark(end_of(direction, of).tracked));
            let recall = reset::recall("recall_in", of, knew, onward(direction, keeper), true, table);
            let neighbour = devices(direction)[1];
            let passed_on = [
                device_in_set(neighbour, PASSES_ON, false, &[]),
                device_in_set(neighbour, OWN, true, &[peer_address(direction, of)]),
                recall,
            ];
            Some(all(passed_on))
        }
        (_, Keeper::Label(bit)) => {
            let knew = [ORIGINAL, REPLY].map(|of| Knew::Label(passes_by(bit, direction, of)));
            Some(reset::recall(&format!("recall_{word}_l{bit}"), of, knew, onward(direction, keeper), false, table))
        }
    }
}

/// The chain that remembers an admission; untracked flows only get their class (SG-17), which never changes.
fn accept_chain(direction: Direction, keeper: Keeper, untracked: bool, options: Options, table: &mut Table) -> String {
    let word = word(direction);
    let name = match (keeper, untracked) {
        (Keeper::Mark, false) => format!("tracked_{word}"),
        (Keeper::Mark, true) => format!("untracked_{word}"),
        (Keeper::Label(bit), _) => format!("tracked_{word}_l{bit}"),
        (Keeper::Nobody, _) => return onward(direction, keeper).to_owned(),
    };
    if table.chains.contains_key(&name) {
        return name;
    }
    let mut rules = Vec::new();
    for ct_direction in [ORIGINAL, REPLY] {
        let end = end_of(direction, ct_direction);
        let (condition, note) = match keeper {
            Keeper::Mark => {
                let (bit, forbidden) = match untracked {
                    false => (end.tracked, end.untracked),
                    true => (end.untracked, end.tracked | end.untracked),
                };
                (masked_is(Load::CtMark, &forbidden.to_ne_bytes(), &[0; 4]), set_ct_mark_bits(bit, bit))
            }
            // Setting labels adds to those that are there (nf_connlabels_replace with the data as mask).
            Keeper::Label(bit) => {
                let bits = netlink::nft::build::labels(&[label(bit, direction, ct_direction)]);
                (Vec::new(), set_ct(CtKey::Labels, &bits))
            }
            Keeper::Nobody => (Vec::new(), Vec::new()),
        };
        let condition = all([direction_is(ct_direction), condition]);
        if let (Some(limit), false) = (options.flows_per_interface, untracked) {
            let drop = table.drop_chain(&format!("sg-{word}-limit"));
            let over = over_limit(devices(direction)[0], limit, table);
            rules.push(then(all([condition.clone(), over]), goto(drop)));
        }
        rules.push(all([condition, note]));
    }
    rules.push(vec![Expr::Verdict(goto(onward(direction, keeper)))]);
    table.chain(Chain::new(name.clone()), rules);
    name
}

/// Counts a flow of a device, and matches when it is one too many (SG-31).
fn over_limit(device: MetaKey, limit: u32, table: &mut Table) -> Vec<Expr> {
    table.set(Set::new(FLOWS, [4]).dynamic(65_535, std::time::Duration::ZERO), []);
    let count = Expr::DynamicSet {
        set: FLOWS.to_owned(),
        op: DynamicOp::Add,
        key: FIRST,
        data: None,
        timeout: None,
        expressions: vec![Expr::ConnLimit { count: limit, inverted: true }],
        inverted: false,
    };
    vec![Expr::Meta { key: device, register: FIRST }, count]
}
