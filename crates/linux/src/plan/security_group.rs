//! Chains of security groups: one a set of groups and direction, shared by all interfaces that carry it; interfaces
//! without source/dest check have their own. State per interface as `docs/linux-engine.md` says (SG-16 … SG-20).

use fabric::{Direction, Fabric, Family, GroupSetIndex, RulePeer, VpcIndex};
use ipnet::IpNet;
use model::traffic::protocol::{ICMP, TCP, UDP};
use model::{IcmpMatch, PortRange, TrafficMatch};
use netlink::nft::build::{Load, has_any, in_set, is, load_key, set_ct, set_ct_mark_bits};
use netlink::nft::{Chain, CompareOp, CtKey, Element, Expr, Field, MetaKey, Reg, Set, Verdict, concat};

use super::Table;
use super::address_space::{Addresses, Ports, disjoint, octets, range, union};
use super::phrase::{FIRST, all, goto, then};

/// Set of links whose interface may send as others.
pub const UNCHECKED: &str = "unchecked";
/// Set of such links with the addresses that are their own.
pub const OWN_OF_UNCHECKED: &str = "own_of_unchecked";

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
        self.ports.is_empty() && self.icmp.is_empty() && self.other.is_empty() && self.untracked.is_empty()
    }

    fn add(&mut self, traffic: TrafficMatch, addresses: &[Addresses], untracked: [bool; 2]) {
        let every_port = PortRange::ALL;
        match traffic {
            TrafficMatch::All => {
                self.add(TrafficMatch::Tcp(every_port), addresses, untracked);
                self.add(TrafficMatch::Udp(every_port), addresses, untracked);
                self.add(TrafficMatch::Icmp(IcmpMatch::default()), addresses, untracked);
                self.other.extend(addresses.iter().flat_map(|a| OTHER_PROTOCOLS.map(|range| (*a, range))));
            }
            TrafficMatch::Tcp(ports) if untracked[0] => self.untracked.push((TCP, (ports.from, ports.to))),
            TrafficMatch::Udp(ports) if untracked[1] => self.untracked.push((UDP, (ports.from, ports.to))),
            TrafficMatch::Tcp(ports) => self.ports.extend(addresses.iter().map(|a| (TCP, *a, (ports.from, ports.to)))),
            TrafficMatch::Udp(ports) => self.ports.extend(addresses.iter().map(|a| (UDP, *a, (ports.from, ports.to)))),
            TrafficMatch::Icmp(wanted) => {
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
            // ICMP for IPv6 is no IPv4 traffic (SG-10).
            TrafficMatch::Icmpv6(_) => {}
            TrafficMatch::Other(number) => self.other.extend(addresses.iter().map(|a| (*a, (number, number)))),
        }
    }
}

/// All protocols but ICMP, TCP and UDP.
const OTHER_PROTOCOLS: [(u8, u8); 4] = [(0, 0), (2, 5), (7, 16), (18, 255)];

/// Adds the chain of a set of groups; returns its name.
pub fn chain(
    fabric: &Fabric,
    vpc: VpcIndex,
    set: GroupSetIndex,
    direction: Direction,
    keeper: Keeper,
    invert: bool,
    table: &mut Table,
) -> String {
    let word = match direction {
        Direction::Ingress => "in",
        Direction::Egress => "out",
    };
    let base = format!("sg_{word}_{}", set_name(fabric, set));
    let name = match keeper {
        Keeper::Mark => base.clone(),
        Keeper::Label(bit) => format!("{base}_l{bit}"),
    };
    if table.chains.contains_key(&name) {
        return name;
    }
    let empty = fabric.group_sets[set].rules(direction).is_empty();
    let drop = table.drop_chain(&format!("sg-{word}{}", if empty { "-empty" } else { "" }));
    let (direct, references) = admits(fabric, vpc, set, direction, matches!(keeper, Keeper::Mark));
    let accept = accept_chain(direction, keeper, false, table);
    let accept_untracked = accept_chain(direction, keeper, true, table);
    // For tests: what the rules admit is dropped, and the rest passes.
    let (admitted, admitted_untracked, refused) = match invert {
        false => (goto(accept), goto(accept_untracked), goto(drop.clone())),
        true => (goto(drop.clone()), goto(drop.clone()), Verdict::Return),
    };

    let mut rules = known(direction, keeper);
    let load = match direction {
        Direction::Ingress => Load::SourceV4,
        Direction::Egress => Load::DestinationV4,
    };
    let sets = [(base.clone(), &direct), (format!("{base}_refs"), &references)];
    for (index, (prefix, admits)) in sets.iter().enumerate() {
        if admits.is_empty() {
            continue;
        }
        add_sets(prefix, admits, table);
        // A group means the packets of its members, not those that an appliance passed on (SG-12).
        if index == 1 && direction == Direction::Ingress && table.sets.contains_key(UNCHECKED) {
            let passed_on = all([device_in_set(UNCHECKED, false, &[]), device_in_set(OWN_OF_UNCHECKED, true, &[load])]);
            rules.push(then(passed_on, refused.clone()));
        }
        if !admits.untracked.is_empty() {
            let lookup = in_set(&[Load::Protocol, Load::DestinationPort], &format!("{prefix}_any"));
            rules.push(then(lookup, admitted_untracked.clone()));
        }
        if !admits.ports.is_empty() {
            let lookup = in_set(&[load, Load::Protocol, Load::DestinationPort], &format!("{prefix}_ports"));
            rules.push(then(lookup, admitted.clone()));
        }
        if !admits.icmp.is_empty() {
            rules.push(then(all([is(Load::Protocol, &[ICMP]), icmp_in_set(load, &format!("{prefix}_icmp"))]), admitted.clone()));
        }
        if !admits.other.is_empty() {
            rules.push(then(in_set(&[load, Load::Protocol], &format!("{prefix}_other")), admitted.clone()));
        }
    }
    rules.push(vec![Expr::Verdict(refused)]);
    table.chain(Chain::new(name.clone()), rules);
    name
}

/// The same name for the same groups in every plan.
fn set_name(fabric: &Fabric, set: GroupSetIndex) -> String {
    let ids: Vec<&str> = fabric.group_sets[set].groups.iter().map(|g| fabric.groups[*g].id.as_str()).collect();
    format!("{:08x}", crate::naming::number(&ids.join(" ")))
}

fn admits(fabric: &Fabric, vpc: VpcIndex, set: GroupSetIndex, direction: Direction, may_be_untracked: bool) -> (Admits, Admits) {
    let _ = vpc;
    let (mut direct, mut references) = (Admits::default(), Admits::default());
    let open = fabric.group_sets[set].open(direction.opposite());
    for (_, rule) in fabric.rules_of(set, direction) {
        match &rule.peer {
            RulePeer::Block(block) => {
                let Some(addresses) = v4(block) else { continue };
                let anywhere = rule.anywhere == Some(Family::V4) && may_be_untracked;
                let untracked = [TCP, UDP].map(|number| anywhere && open.covers(number, Family::V4));
                direct.add(rule.traffic, &[addresses], untracked);
            }
            RulePeer::PrefixList { blocks, .. } => {
                let addresses: Vec<Addresses> = blocks.iter().filter_map(v4).collect();
                direct.add(rule.traffic, &addresses, [false; 2]);
            }
            RulePeer::Group { group: Some(group), .. } => {
                let members = fabric.groups[*group].member_addresses.iter().filter_map(|address| match address {
                    std::net::IpAddr::V4(address) => Some((u32::from(*address), u32::from(*address))),
                    std::net::IpAddr::V6(_) => None,
                });
                references.add(rule.traffic, &members.collect::<Vec<_>>(), [false; 2]);
            }
            RulePeer::Group { group: None, .. } => {}
        }
    }
    (direct, references)
}

fn v4(block: &IpNet) -> Option<Addresses> {
    match block {
        IpNet::V4(block) => Some(range(*block)),
        IpNet::V6(_) => None,
    }
}

fn add_sets(prefix: &str, admits: &Admits, table: &mut Table) {
    let byte = Field::byte;
    let address = |value: u32| Field(octets(value).to_vec());
    if !admits.untracked.is_empty() {
        let elements = [TCP, UDP].into_iter().flat_map(|number| {
            let ports = admits.untracked.iter().filter(move |(n, _)| *n == number);
            let joined = union(ports.map(|(_, (from, to))| (u32::from(*from), u32::from(*to))).collect());
            joined.into_iter().map(move |(from, to)| {
                let key = |port: u32| concat(&[byte(number), Field::port(port as u16)]);
                Element::range(key(from), key(to))
            })
        });
        table.set(Set::new(format!("{prefix}_any"), [1, 2]).interval(), elements.collect::<Vec<_>>());
    }
    if !admits.ports.is_empty() {
        let elements = [TCP, UDP].into_iter().flat_map(|number| {
            let mine: Vec<_> = admits.ports.iter().filter(|(n, ..)| *n == number).map(|(_, a, p)| (*a, *p)).collect();
            disjoint(&mine).into_iter().map(move |((low, high), (from, to))| {
                let key = |a: u32, port: u16| concat(&[address(a), byte(number), Field::port(port)]);
                Element::range(key(low, from), key(high, to))
            })
        });
        table.set(Set::new(format!("{prefix}_ports"), [4, 1, 2]).interval(), elements.collect::<Vec<_>>());
    }
    if !admits.icmp.is_empty() {
        let elements = disjoint(&admits.icmp).into_iter().map(|((low, high), (from, to))| {
            let key = |a: u32, code: u16| concat(&[address(a), Field::port(code)]);
            Element::range(key(low, from), key(high, to))
        });
        table.set(Set::new(format!("{prefix}_icmp"), [4, 2]).interval(), elements.collect::<Vec<_>>());
    }
    if !admits.other.is_empty() {
        let rectangles: Vec<_> =
            admits.other.iter().map(|(a, (from, to))| (*a, (u16::from(*from), u16::from(*to)))).collect();
        let elements = disjoint(&rectangles).into_iter().map(|((low, high), (from, to))| {
            let key = |a: u32, number: u16| concat(&[address(a), byte(number as u8)]);
            Element::range(key(low, from), key(high, to))
        });
        table.set(Set::new(format!("{prefix}_other"), [4, 1]).interval(), elements.collect::<Vec<_>>());
    }
}

/// Type and code are the first two bytes of the ICMP header.
fn icmp_in_set(load: Load, set: &str) -> Vec<Expr> {
    let (mut rule, next) = load_key(&[load], FIRST);
    rule.push(Expr::Payload { base: netlink::nft::Base::Transport, offset: 0, length: 2, register: next });
    rule.push(Expr::Lookup { set: set.to_owned(), key: FIRST, inverted: false });
    rule
}

/// Looks the receiving device, and what follows, up in a set.
fn device_in_set(set: &str, inverted: bool, more: &[Load]) -> Vec<Expr> {
    let mut rule = vec![Expr::Meta { key: MetaKey::IifName, register: FIRST }];
    rule.extend(load_key(more, Reg(4)).0);
    rule.push(Expr::Lookup { set: set.to_owned(), key: FIRST, inverted });
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
                // The same way before, or the other way in the other direction: this is the reply.
                Keeper::Label(bit) => has_label([
                    label(bit, direction, ct_direction),
                    label(bit, direction.opposite(), 1 - ct_direction),
                ]),
            };
            then(all([direction_is(ct_direction), knows]), Verdict::Return)
        })
        .into()
}

/// The chain that remembers an admission; untracked flows only get their class (SG-17), which never changes.
fn accept_chain(direction: Direction, keeper: Keeper, untracked: bool, table: &mut Table) -> String {
    let word = match direction {
        Direction::Ingress => "in",
        Direction::Egress => "out",
    };
    let (name, rules) = match keeper {
        Keeper::Mark => {
            let class = if untracked { "untracked" } else { "tracked" };
            let rules = [ORIGINAL, REPLY].map(|ct_direction| {
                let end = end_of(direction, ct_direction);
                let (bit, forbidden) = match untracked {
                    false => (end.tracked, end.untracked),
                    true => (end.untracked, end.tracked | end.untracked),
                };
                let unset = [
                    Load::CtMark.into_register(FIRST),
                    Expr::Bitwise {
                        from: FIRST,
                        to: FIRST,
                        mask: forbidden.to_ne_bytes().to_vec(),
                        xor: vec![0; 4],
                    },
                    Expr::Compare { register: FIRST, op: CompareOp::Eq, value: vec![0; 4] },
                ];
                all([direction_is(ct_direction), unset.to_vec(), set_ct_mark_bits(bit, bit)])
            });
            (format!("{class}_{word}"), rules)
        }
        Keeper::Label(bit) => {
            // Setting labels adds to those that are there (nf_connlabels_replace with the data as mask).
            let rules = [ORIGINAL, REPLY].map(|ct_direction| {
                let bits = netlink::nft::build::labels(&[label(bit, direction, ct_direction)]);
                all([direction_is(ct_direction), set_ct(CtKey::Labels, &bits)])
            });
            (format!("tracked_{word}_l{bit}"), rules)
        }
    };
    table.chain(Chain::new(name.clone()), rules.into());
    name
}
