//! The instructions of a rule as values. How they become bytes is in `encode`, their words in `terms`.

use std::time::Duration;

use super::terms::{
    Base, Checksum, CompareOp, CtDirection, CtKey, DynamicOp, ExthdrOp, FibResult, LimitUnit, MetaKey, NatKind, Reg, Reject,
    RtKey, Verdict,
};
#[cfg(doc)]
use super::terms::{fib_flags, nat_flags};

/// One instruction. An instruction that does not match ends its rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// Loads packet bytes. Does not match where the packet has none.
    Payload {
        /// Where the offset counts from.
        base: Base,
        /// Bytes.
        offset: u32,
        /// Bytes.
        length: u32,
        /// Destination.
        register: Reg,
    },
    /// Overwrites packet bytes.
    PayloadStore {
        /// Where the offset counts from.
        base: Base,
        /// Bytes.
        offset: u32,
        /// Bytes.
        length: u32,
        /// Source.
        register: Reg,
        /// What to keep correct.
        checksum: Checksum,
    },
    /// Loads metadata.
    Meta {
        /// Which.
        key: MetaKey,
        /// Destination.
        register: Reg,
    },
    /// Sets metadata (mark, nftrace, priority, packet type).
    MetaStore {
        /// Which.
        key: MetaKey,
        /// Source.
        register: Reg,
    },
    /// Matches when a register compares so with a value.
    Compare {
        /// Left side.
        register: Reg,
        /// How.
        op: CompareOp,
        /// Right side; its length is what is compared.
        value: Vec<u8>,
    },
    /// Matches a value inside (or outside) a range, ends included.
    Range {
        /// What is compared.
        register: Reg,
        /// Outside instead.
        inverted: bool,
        /// Lowest.
        from: Vec<u8>,
        /// Highest.
        to: Vec<u8>,
    },
    /// `to = (from & mask) ^ xor`; both constants as long as the value.
    Bitwise {
        /// Source.
        from: Reg,
        /// Destination.
        to: Reg,
        /// And.
        mask: Vec<u8>,
        /// Exclusive or.
        xor: Vec<u8>,
    },
    /// `to = from << bits`, or `>>`; 4 bytes, machine order.
    Shift {
        /// Source.
        from: Reg,
        /// Destination.
        to: Reg,
        /// Positive: to the left; negative: to the right.
        bits: i8,
    },
    /// Swaps between machine and network order, in place or not.
    ByteOrder {
        /// Source.
        from: Reg,
        /// Destination.
        to: Reg,
        /// True: machine to network.
        to_network: bool,
        /// Bytes of all values.
        length: u32,
        /// Bytes of one value: 2, 4 or 8.
        size: u32,
    },
    /// Matches when a set has the key.
    Lookup {
        /// Name of the set in the same table.
        set: String,
        /// The key.
        key: Reg,
        /// Match when it has not.
        inverted: bool,
    },
    /// Loads the value that a map has for the key; no match without one.
    LookupMap {
        /// Name of the map.
        set: String,
        /// The key.
        key: Reg,
        /// Destination.
        data: Reg,
    },
    /// Carries out the verdict that a verdict map has for the key; no match without one.
    LookupVerdict {
        /// Name of the verdict map.
        set: String,
        /// The key.
        key: Reg,
    },
    /// Adds, renews or removes an element of a set (flag `dynamic`). No match when the set is full or
    /// a nested expression does not match.
    DynamicSet {
        /// Name of the set.
        set: String,
        /// What to do.
        op: DynamicOp,
        /// The key.
        key: Reg,
        /// The value, in a map.
        data: Option<Reg>,
        /// Other than the set's default.
        timeout: Option<Duration>,
        /// Run with state of their own for each element (connlimit, counter, limit).
        expressions: Vec<Expr>,
        /// Match when it would not have.
        inverted: bool,
    },
    /// Loads a constant.
    Immediate {
        /// Destination.
        register: Reg,
        /// The constant.
        value: Vec<u8>,
    },
    /// Decides.
    Verdict(Verdict),
    /// Loads what conntrack knows. No match without an entry, but for the state.
    Ct {
        /// Which.
        key: CtKey,
        /// Which tuple, for keys that need it.
        direction: Option<CtDirection>,
        /// Destination.
        register: Reg,
    },
    /// Sets mark, labels, zone or event mask. Labels are replaced as a whole.
    CtStore {
        /// Which.
        key: CtKey,
        /// Which direction's zone; none: both.
        direction: Option<CtDirection>,
        /// Source.
        register: Reg,
    },
    /// Counts here.
    Counter,
    /// Counts in a counter with a name.
    NamedCounter(String),
    /// Counts in the counter that a map of counters ([`crate::nft::SetData::Counter`]) has for the key.
    CounterMap {
        /// Name of the map.
        set: String,
        /// The key.
        key: Reg,
    },
    /// Matches while below a rate.
    Limit {
        /// Packets or bytes for each unit.
        rate: u64,
        /// The unit.
        unit: LimitUnit,
        /// Packets that may come at once (0: 5); with `bytes`: how many beyond the rate.
        burst: u32,
        /// Counts bytes.
        bytes: bool,
        /// Match while above.
        inverted: bool,
    },
    /// Matches while at most `count` connections are open (in this element, inside a dynamic set).
    ConnLimit {
        /// How many.
        count: u32,
        /// Match while more are.
        inverted: bool,
    },
    /// Copies the packet to an NFLOG group.
    Log {
        /// The group.
        group: u16,
        /// Up to 127 bytes; empty for none.
        prefix: String,
        /// Bytes of the packet; 0: all of it.
        snaplen: u32,
        /// Packets queued before the kernel sends them up; 0: its default.
        threshold: u16,
    },
    /// Translates. Registers hold the lowest and the highest address and port.
    Nat {
        /// Which side.
        kind: NatKind,
        /// Family of the address (`Ip`, `Ip6`).
        family: super::Family,
        /// Lowest and highest address.
        address: Option<(Reg, Option<Reg>)>,
        /// Lowest and highest port.
        port: Option<(Reg, Option<Reg>)>,
        /// [`nat_flags`].
        flags: u32,
    },
    /// Translates the source to the address of the sending device.
    Masquerade {
        /// Lowest and highest port.
        port: Option<(Reg, Option<Reg>)>,
        /// [`nat_flags`].
        flags: u32,
    },
    /// Translates the destination to the receiving device's address.
    Redirect {
        /// Lowest and highest port.
        port: Option<(Reg, Option<Reg>)>,
        /// [`nat_flags`].
        flags: u32,
    },
    /// Discards and answers.
    Reject(Reject),
    /// Asks the routing tables.
    Fib {
        /// What to load.
        result: FibResult,
        /// [`fib_flags`].
        flags: u32,
        /// Destination.
        register: Reg,
    },
    /// Keeps conntrack away from the packet (before priority -200).
    NoTrack,
    /// Loads from an IPv6 extension header or a TCP option.
    Exthdr {
        /// Which header.
        op: ExthdrOp,
        /// Its type (TCP MSS: 2).
        kind: u8,
        /// Offset in it, bytes.
        offset: u32,
        /// Bytes.
        length: u32,
        /// Loads 1 or 0: is it there?
        present: bool,
        /// Destination.
        register: Reg,
    },
    /// Overwrites a TCP option and corrects the checksum. MSS is only ever lowered.
    ExthdrStore {
        /// The option (MSS: 2).
        kind: u8,
        /// Offset in it, bytes.
        offset: u32,
        /// Bytes.
        length: u32,
        /// Source.
        register: Reg,
    },
    /// Loads a property of the packet's route.
    Rt {
        /// Which.
        key: RtKey,
        /// Destination.
        register: Reg,
    },
    /// Sends the packet out of another device (netdev).
    Forward {
        /// Holds the device index, machine order.
        device: Reg,
    },
    /// Sends a copy out of another device (netdev), or to another address (ip, ip6).
    Duplicate {
        /// Holds the address.
        address: Option<Reg>,
        /// Holds the device index, machine order.
        device: Option<Reg>,
    },
    /// Loads `offset`, `offset + 1`, … `offset + modulus - 1` in turn, one for each packet that gets here.
    NumberGenerator {
        /// How many numbers.
        modulus: u32,
        /// The first of them.
        offset: u32,
        /// Destination; the machine's order.
        register: Reg,
    },
    /// `register = hash(from[..length]) mod modulus + offset` (Jenkins).
    Hash {
        /// Source.
        from: Reg,
        /// Bytes of it.
        length: u32,
        /// Result below this.
        modulus: u32,
        /// Same seed, same result.
        seed: u32,
        /// Added.
        offset: u32,
        /// Destination.
        register: Reg,
    },
}
