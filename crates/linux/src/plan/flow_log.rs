//! What a router counts for flow logs: packets by interface, direction, verdict, 5-tuple and TCP flags, in a set that rules
//! fill. Every packet of the forward hook is counted once for each end that is watched, where its way through the groups and
//! lists ends: in the chain that drops it, or behind all of them (FL-4, FL-8, FL-13). What the router serves itself never comes
//! by the forward hook (FL-9).
//!
//! There are two sets of a kind, and rules fill one of them. Who reads turns to the other one and has all the time it wants:
//! no packet is counted twice or never. A router without flow logs has none of this.

use std::time::Duration;

use fabric::flow_log::Action;
use fabric::{Direction, Fabric, Family, VpcIndex};
use model::traffic::protocol::{TCP, UDP};
use netlink::nft::build::{Load, in_set};
use netlink::nft::{Base, Chain, CompareOp, DynamicOp, Element, Expr, Hook, Set, Verdict, priority};

use super::{Table, family};
use crate::aside;
use super::phrase::{FIRST, device_key, goto, jump, then};
use crate::naming::interface_link;

/// Devices of interfaces that some flow log watches.
const LOGGED: &str = "flow_logged";
/// Flows that one set holds; what is beyond is known to be lost (SKIPDATA).
const MOST_FLOWS: u32 = 65_535;
/// SCTP has ports where TCP and UDP have them (RFC 9260).
const SCTP: u8 = 132;
/// FIN, SYN, RST and ACK: what records speak of (FL-11).
const FLAGS: u8 = 0x17;

/// The two sets of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that rules fill in a plan.
    A,
    /// The other.
    B,
}

impl Side {
    /// The other one.
    pub fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Side::A => "a",
            Side::B => "b",
        }
    }

    /// The set of flows that are counted.
    pub fn flows(self) -> String {
        format!("flows_{}", self.word())
    }

    /// The set of devices at which packets passed that were not.
    pub fn lost(self) -> String {
        format!("flows_lost_{}", self.word())
    }
}

/// What is counted apart: which end of a packet's way, and what became of it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Seen from the interface.
    pub direction: Direction,
    /// What groups and lists made of it.
    pub action: Action,
}

impl Kind {
    /// All of them; their numbers are their places.
    pub const ALL: [Kind; 4] = [
        Kind { direction: Direction::Egress, action: Action::Accept },
        Kind { direction: Direction::Egress, action: Action::Reject },
        Kind { direction: Direction::Ingress, action: Action::Accept },
        Kind { direction: Direction::Ingress, action: Action::Reject },
    ];

    fn number(self) -> u32 {
        Kind::ALL.iter().position(|kind| *kind == self).unwrap_or_default() as u32
    }

    /// The chain that packets of this kind come to.
    pub fn chain(self) -> String {
        let end = if self.direction == Direction::Egress { "out" } else { "in" };
        format!("flow_{end}_{}", self.action.as_str().to_ascii_lowercase())
    }

    /// The chain that counts them on one side.
    pub fn counting(self, side: Side) -> String {
        format!("{}_{}", self.chain(), side.word())
    }

    /// The device of the interface.
    fn device(self) -> Load {
        match self.direction {
            Direction::Egress => Load::Iif,
            Direction::Ingress => Load::Oif,
        }
    }
}

/// The rule of [`Kind::chain`] that has packets counted on a side.
pub fn turn_to(kind: Kind, side: Side) -> Vec<Expr> {
    vec![Expr::Verdict(goto(kind.counting(side)))]
}

/// Bytes of the fields of a counted flow: kind, device, addresses, protocol, ports, flags.
pub fn fields(of: Family) -> [u32; 7] {
    let address = family::length(of);
    [4, 4, address, address, 1, 4, 1]
}

/// Adds to a router's filter table what counts for flow logs, if one watches an interface of the VPC. Everything else is in
/// the table already.
pub fn plan(fabric: &Fabric, vpc: VpcIndex, of: Family, table: &mut Table) {
    let logged: Vec<Element> = fabric
        .logged
        .iter()
        .map(|index| &fabric.interfaces[*index])
        .filter(|interface| interface.vpc == vpc)
        .map(|interface| Element::new(device_key(&interface_link(&interface.id))))
        .collect();
    if logged.is_empty() {
        return;
    }
    let find = |direction, action| Kind { direction, action };
    let ends = |kind: Kind| {
        let mut rule = in_set(&[kind.device()], LOGGED);
        rule.push(Expr::Verdict(jump(kind.chain())));
        rule
    };
    let sends = ends(find(Direction::Egress, Action::Accept));
    for (name, (_, rules)) in &mut table.chains {
        let counted = match name.strip_prefix("drop_") {
            // What the router was asked itself.
            None | Some("router" | "resolver") => continue,
            Some(reason) if reason.starts_with("sg_out") || reason == "acl_out" => {
                vec![ends(find(Direction::Egress, Action::Reject))]
            }
            Some(reason) if reason.starts_with("sg_in") || reason == "acl_in" => {
                vec![sends.clone(), ends(find(Direction::Ingress, Action::Reject))]
            }
            // FL-13: neither groups nor lists stopped it.
            Some(_) => vec![sends.clone()],
        };
        let dropping = rules.iter().cloned();
        *rules = std::sync::Arc::new(counted.into_iter().chain(dropping).collect());
    }
    // FL-9: what the router says itself.
    let of_router = then(in_set(&[family::source(of)], "routers"), Verdict::Accept);
    let passed = vec![of_router, sends, ends(find(Direction::Ingress, Action::Accept))];
    table.chain(Chain::base("flow_log", Hook::Forward, priority::FILTER + 10), passed);
    table.set(Set::new(LOGGED, [4]), logged);
    for side in [Side::A, Side::B] {
        table.set(Set::new(side.flows(), fields(of)).dynamic(MOST_FLOWS, Duration::ZERO), []);
        table.set(Set::new(side.lost(), [4]).dynamic(MOST_FLOWS, Duration::ZERO), []);
        for kind in Kind::ALL {
            table.chain(Chain::new(kind.counting(side)), count(kind, side, of));
        }
    }
    for kind in Kind::ALL {
        table.chain(Chain::new(kind.chain()), vec![turn_to(kind, Side::A)]);
    }
}

/// TCP with ports and flags, others with ports, the rest, but no question aside; what could not be counted is noted by device.
fn count(kind: Kind, side: Side, of: Family) -> Vec<Vec<Expr>> {
    let protocol = |op, value: u8| Expr::Compare { register: FIRST, op, value: vec![value] };
    let ask = || Load::Protocol.into_register(FIRST);
    let with_ports = |number: u8| vec![ask(), protocol(CompareOp::Eq, number)];
    let mut without = vec![ask()];
    without.extend([TCP, UDP, SCTP].map(|number| protocol(CompareOp::Neq, number)));
    let rules = [(with_ports(TCP), true, true), (with_ports(UDP), true, false), (with_ports(SCTP), true, false), (without, false, false)];
    let (offset, mask, value) = aside::field(of == Family::V6);
    let is_aside = vec![
        Expr::Payload { base: Base::Network, offset, length: mask.len() as u32, register: FIRST },
        Expr::Bitwise { from: FIRST, to: FIRST, mask: mask.to_vec(), xor: vec![0; mask.len()] },
        Expr::Compare { register: FIRST, op: CompareOp::Eq, value: value.to_vec() },
    ];
    let counting = rules
        .into_iter()
        .map(|(mut rule, has_ports, has_flags)| {
            rule.extend(key(kind, of, has_ports, has_flags));
            rule.push(add(side.flows()));
            rule.push(Expr::Verdict(Verdict::Return));
            rule
        });
    let mut chain: Vec<Vec<Expr>> = std::iter::once(then(is_aside, Verdict::Return)).chain(counting).collect();
    chain.push(vec![kind.device().into_register(FIRST), add(side.lost())]);
    chain
}

/// Loads the key of a flow from the first register on.
fn key(kind: Kind, of: Family, has_ports: bool, has_flags: bool) -> Vec<Expr> {
    let mut next = FIRST;
    let mut place = |length: u32| {
        let here = next;
        next = next.after(length);
        here
    };
    let mut key = vec![Expr::Immediate { register: place(4), value: kind.number().to_ne_bytes().to_vec() }];
    for load in [kind.device(), family::source(of), family::destination(of), Load::Protocol] {
        key.push(load.into_register(place(load.length())));
    }
    let ports = place(4);
    key.push(match has_ports {
        true => Expr::Payload { base: Base::Transport, offset: 0, length: 4, register: ports },
        false => Expr::Immediate { register: ports, value: vec![0; 4] },
    });
    let flags = place(1);
    match has_flags {
        true => key.extend([
            Load::TcpFlags.into_register(flags),
            Expr::Bitwise { from: flags, to: flags, mask: vec![FLAGS], xor: vec![0] },
        ]),
        false => key.push(Expr::Immediate { register: flags, value: vec![0; 4] }),
    }
    key
}

/// Adds one to the element that the first register begins the key of; where none can be added any more, the rule ends.
fn add(set: String) -> Expr {
    Expr::DynamicSet {
        set,
        op: DynamicOp::Add,
        key: FIRST,
        data: None,
        timeout: None,
        expressions: vec![Expr::Counter],
        inverted: false,
    }
}

