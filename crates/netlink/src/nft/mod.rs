//! nf_tables: transactions of tables, chains, sets and rules; dumps; trace events.
//!
//! Read [`Transaction`] first, then [`Expr`]; [`build`] has the usual phrases ("source address in set"),
//! [`dump`] reads a rule set back, [`trace`] listens. Everything under nfnetlink is in network byte order
//! (include/uapi/linux/netfilter/nf_tables.h).

pub mod build;
pub mod dump;
mod encode;
mod expr;
mod set;
mod terms;
pub mod trace;
mod transaction;

pub use expr::Expr;
pub use set::{Data, Element, Field, Key, Set, SetData, concat};
pub use terms::{
    Base, Checksum, CompareOp, CtDirection, CtKey, DynamicOp, ExthdrOp, FibResult, LimitUnit, MetaKey, NatKind, Reg, Reject,
    RtKey, Verdict, ct_state, ct_status, fib_flags, nat_flags,
};
pub use transaction::{Chain, Hook, Position, Table, TableFlags, Transaction, comment, comment_text, priority};

/// `NFNL_SUBSYS_NFTABLES` in the upper byte of a message's kind.
pub(crate) const SUBSYSTEM: u16 = 10 << 8;

/// The address family of a table: which packets its chains see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// ARP.
    Arp,
    /// One device's ingress or egress.
    Netdev,
    /// Bridged frames.
    Bridge,
}

impl Family {
    /// `NFPROTO_*`.
    pub const fn number(self) -> u8 {
        match self {
            Family::Inet => 1,
            Family::Ip => 2,
            Family::Arp => 3,
            Family::Netdev => 5,
            Family::Bridge => 7,
            Family::Ip6 => 10,
        }
    }

    /// The family of an `NFPROTO_*` number.
    pub const fn from_number(number: u8) -> Option<Family> {
        Some(match number {
            1 => Family::Inet,
            2 => Family::Ip,
            3 => Family::Arp,
            5 => Family::Netdev,
            7 => Family::Bridge,
            10 => Family::Ip6,
            _ => return None,
        })
    }
}

/// `struct nfgenmsg`: family, version 0, resource id (network order).
pub(crate) fn header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

pub(crate) use encode::describe;
