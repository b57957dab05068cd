//! Resets that pass a router twice, because an interface without source/dest check passes them on.
//!
//! Linux destroys a connection's entry as soon as it sees a reset while nothing else has answered
//! (`nf_conntrack_tcp_packet`: no `IPS_SEEN_REPLY`). So a refusal's first pass is the last thing that conntrack knows of
//! the flow, and its second pass has no entry at all: it would be judged by rules, although every group on its way admitted
//! the flow (SG-16). No setting turns that off. What the entry knew when it died is kept in a map for as long as an entry
//! of a closed connection would have lived, and asked for by such packets only.

use std::time::Duration;

use fabric::Family;
use model::traffic::protocol::TCP;
use netlink::nft::build::{Load, ct_state_is, has_any, is, load_key};
use netlink::nft::{Chain, CompareOp, CtKey, DynamicOp, Expr, Reg, Set, ct_state, ct_status};

use super::phrase::{FIRST, all, goto, jump, then};
use super::{Table, family};

/// Map from a reset's addresses and ports to what the flow's entry knew: mark, label, direction of the reset.
const RESETS: &str = "resets";
/// The chain between the groups of an interface without source/dest check and delivery to it.
pub const RELAY: &str = "relay";
/// `nf_conntrack_tcp_timeout_close`.
const CLOSED: Duration = Duration::from_secs(10);
/// The flag in the TCP header's flag byte.
const RST: u8 = 0x04;

fn flow(of: Family) -> [Load; 4] {
    [family::source(of), family::destination(of), Load::SourcePort, Load::DestinationPort]
}

/// Where a value lies: at the end of the registers, behind the longest key (40 bytes).
const MARK: Reg = Reg(10);
const LABEL: Reg = Reg(11);
const DIRECTION: Reg = Reg(15);
/// Bytes of a value; a direction is padded.
const VALUE: u32 = 24;

/// Adds the map and the chain that fills it: for a VPC that has interfaces without source/dest check.
pub fn relay(of: Family, table: &mut Table) {
    table.set(Set::map(RESETS, flow(of).map(Load::length), VALUE).dynamic(65_535, CLOSED), []);
    let mut remember = all([has_any(Load::CtStatus, &ct_status::DYING.to_ne_bytes()), reset(), load_key(&flow(of), FIRST).0]);
    remember.extend([
        Load::CtMark.into_register(MARK),
        Expr::Ct { key: CtKey::Labels, direction: None, register: LABEL },
        Load::CtDirection.into_register(DIRECTION),
        change(DynamicOp::Update),
    ]);
    table.chain(Chain::new(RELAY), vec![remember, vec![Expr::Verdict(goto("deliver"))]]);
}

/// Whether such resets can be met in this table.
pub fn is_possible(table: &Table) -> bool {
    table.sets.contains_key(RESETS)
}

/// What the dead entry must have known, for packets of one direction of its flow.
pub enum Knew {
    /// Any of these bits of the mark.
    Mark(u32),
    /// Any of these bits of the label.
    Label([u8; 2]),
}

/// Adds a chain that sends resets of remembered flows on, and lets return whatever else it meets. `ends` says that nobody passes
/// them on after this: each passes once. Returns the rule that calls it.
pub fn recall(name: &str, of: Family, knew: [Knew; 2], onward: &str, ends: bool, table: &mut Table) -> Vec<Expr> {
    let rules = [0u8, 1].into_iter().zip(knew).map(|(direction, knew)| {
        let mut rule = load_key(&flow(of), FIRST).0;
        rule.push(Expr::LookupMap { set: RESETS.to_owned(), key: FIRST, data: MARK });
        rule.push(Expr::Compare { register: DIRECTION, op: CompareOp::Eq, value: vec![direction] });
        let (register, mask) = match knew {
            Knew::Mark(bits) => (MARK, bits.to_ne_bytes().to_vec()),
            Knew::Label(bits) => (LABEL, netlink::nft::build::labels(&bits).to_vec()),
        };
        let zero = vec![0; mask.len()];
        rule.push(Expr::Bitwise { from: register, to: register, mask, xor: zero.clone() });
        rule.push(Expr::Compare { register, op: CompareOp::Neq, value: zero });
        if ends {
            rule.push(change(DynamicOp::Delete));
        }
        then(rule, goto(onward))
    });
    let rules = rules.collect();
    table.chain(Chain::new(name), rules);
    // An entry speaks for itself: only what has none asks here.
    then(all([ct_state_is(ct_state::INVALID), reset()]), jump(name))
}

fn reset() -> Vec<Expr> {
    all([is(Load::Protocol, &[TCP]), has_any(Load::TcpFlags, &[RST])])
}

/// The kernel wants to be told a value even when an element is removed.
fn change(op: DynamicOp) -> Expr {
    let data = Some(MARK);
    Expr::DynamicSet { set: RESETS.to_owned(), op, key: FIRST, data, timeout: None, expressions: Vec::new(), inverted: false }
}
