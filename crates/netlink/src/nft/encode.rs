//! nf_tables values as attributes: expressions, verdicts, sets, elements.

use super::expr::Expr;
use super::set::{Data, Element, Key, Set, SetData, successor};
use super::terms::{Base, Checksum, CtDirection, NatKind, Reg, Reject, Verdict};
use super::{SUBSYSTEM, header};
use crate::message::{Attributes, Body};

const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
/// `NFT_DATA_VERDICT` as the data type of a map.
const TYPE_VERDICT: u32 = 0xffff_ff00;
/// nft(8)'s number of "integer": what a map's values are shown as.
const TYPE_INTEGER: u32 = 4;
/// `NFT_OBJECT_COUNTER`.
pub(super) const OBJECT_COUNTER: u32 = 1;
const REG_VERDICT: u32 = 0;

fn value(body: &mut Body<'_>, kind: u16, bytes: &[u8]) {
    body.nest(kind, |data| {
        data.bytes(DATA_VALUE, bytes);
    });
}

fn verdict(body: &mut Body<'_>, kind: u16, verdict: &Verdict) {
    body.nest(kind, |data| {
        data.nest(DATA_VERDICT, |inner| {
            inner.be32(1, verdict.code() as u32);
            if let Some(chain) = verdict.chain() {
                inner.string(2, chain);
            }
        });
    });
}

fn registers(body: &mut Body<'_>, range: Option<(Reg, Option<Reg>)>, low: u16, high: u16) {
    if let Some((min, max)) = range {
        body.be32(low, min.number());
        if let Some(max) = max {
            body.be32(high, max.number());
        }
    }
}

/// A list of expressions under `kind`, each a list element.
pub(super) fn expressions(body: &mut Body<'_>, kind: u16, list: &[Expr]) {
    body.nest(kind, |body| {
        for expr in list {
            expression(body, 1, expr);
        }
    });
}

/// One expression as it stands in a set or an element, several as a list: two attributes, by history.
fn one_or_list(body: &mut Body<'_>, one: u16, list: u16, found: &[Expr]) {
    match found {
        [] => {}
        [only] => expression(body, one, only),
        several => expressions(body, list, several),
    }
}

fn expression(body: &mut Body<'_>, kind: u16, expr: &Expr) {
    body.nest(kind, |body| {
        body.string(1, name(expr));
        if !matches!(expr, Expr::NoTrack) {
            body.nest(2, |body| details(body, expr));
        }
    });
}

fn name(expr: &Expr) -> &'static str {
    match expr {
        Expr::Payload { .. } | Expr::PayloadStore { .. } => "payload",
        Expr::Meta { .. } | Expr::MetaStore { .. } => "meta",
        Expr::Compare { .. } => "cmp",
        Expr::Range { .. } => "range",
        Expr::Bitwise { .. } | Expr::Shift { .. } => "bitwise",
        Expr::ByteOrder { .. } => "byteorder",
        Expr::Lookup { .. } | Expr::LookupMap { .. } | Expr::LookupVerdict { .. } => "lookup",
        Expr::DynamicSet { .. } => "dynset",
        Expr::Immediate { .. } | Expr::Verdict(_) => "immediate",
        Expr::Ct { .. } | Expr::CtStore { .. } => "ct",
        Expr::Counter => "counter",
        Expr::NamedCounter(_) | Expr::CounterMap { .. } => "objref",
        Expr::Limit { .. } => "limit",
        Expr::ConnLimit { .. } => "connlimit",
        Expr::Log { .. } => "log",
        Expr::Nat { .. } => "nat",
        Expr::Masquerade { .. } => "masq",
        Expr::Redirect { .. } => "redir",
        Expr::Reject(_) => "reject",
        Expr::Fib { .. } => "fib",
        Expr::NoTrack => "notrack",
        Expr::Exthdr { .. } | Expr::ExthdrStore { .. } => "exthdr",
        Expr::Rt { .. } => "rt",
        Expr::Forward { .. } => "fwd",
        Expr::Duplicate { .. } => "dup",
        Expr::Hash { .. } => "hash",
        Expr::NumberGenerator { .. } => "numgen",
    }
}

fn base(base: Base) -> u32 {
    match base {
        Base::Link => 0,
        Base::Network => 1,
        Base::Transport => 2,
        Base::Inner => 3,
    }
}

fn direction(body: &mut Body<'_>, direction: Option<CtDirection>) {
    match direction {
        Some(CtDirection::Original) => body.u8(3, 0),
        Some(CtDirection::Reply) => body.u8(3, 1),
        None => body,
    };
}

fn details(body: &mut Body<'_>, expr: &Expr) {
    match expr {
        Expr::Payload { base: from, offset, length, register } => {
            body.be32(1, register.number()).be32(2, base(*from)).be32(3, *offset).be32(4, *length);
        }
        Expr::PayloadStore { base: to, offset, length, register, checksum } => {
            body.be32(5, register.number()).be32(2, base(*to)).be32(3, *offset).be32(4, *length);
            match checksum {
                Checksum::None => body.be32(6, 0).be32(7, 0),
                Checksum::PseudoHeader => body.be32(6, 0).be32(7, 0).be32(8, 1),
                Checksum::Internet { offset, pseudo_header } => {
                    body.be32(6, 1).be32(7, *offset).be32(8, u32::from(*pseudo_header))
                }
            };
        }
        Expr::Meta { key, register } => {
            body.be32(1, register.number()).be32(2, *key as u32);
        }
        Expr::MetaStore { key, register } => {
            body.be32(3, register.number()).be32(2, *key as u32);
        }
        Expr::Compare { register, op, value: right } => {
            value(body.be32(1, register.number()).be32(2, *op as u32), 3, right);
        }
        Expr::Range { register, inverted, from, to } => {
            body.be32(1, register.number()).be32(2, u32::from(*inverted));
            value(body, 3, from);
            value(body, 4, to);
        }
        Expr::Bitwise { from, to, mask, xor } => {
            body.be32(1, from.number()).be32(2, to.number()).be32(3, mask.len() as u32).be32(6, 0);
            value(body, 4, mask);
            value(body, 5, xor);
        }
        Expr::Shift { from, to, bits } => {
            let op = if *bits >= 0 { 1 } else { 2 };
            body.be32(1, from.number()).be32(2, to.number()).be32(3, 4).be32(6, op);
            value(body, 7, &u32::from(bits.unsigned_abs()).to_ne_bytes());
        }
        Expr::ByteOrder { from, to, to_network, length, size } => {
            body.be32(1, from.number()).be32(2, to.number()).be32(3, u32::from(*to_network));
            body.be32(4, *length).be32(5, *size);
        }
        Expr::Lookup { set, key, inverted } => {
            body.string(1, set).be32(2, key.number());
            if *inverted {
                body.be32(5, 1);
            }
        }
        Expr::LookupMap { set, key, data } => {
            body.string(1, set).be32(2, key.number()).be32(3, data.number());
        }
        Expr::LookupVerdict { set, key } => {
            body.string(1, set).be32(2, key.number()).be32(3, REG_VERDICT);
        }
        Expr::DynamicSet { set, op, key, data, timeout, expressions, inverted } => {
            body.string(1, set).be32(3, *op as u32).be32(4, key.number());
            if let Some(data) = data {
                body.be32(5, data.number());
            }
            if let Some(timeout) = timeout {
                body.be64(6, timeout.as_millis() as u64);
            }
            let listed = u32::from(expressions.len() > 1) << 1;
            let flags = u32::from(*inverted) | listed;
            if flags != 0 {
                body.be32(9, flags);
            }
            one_or_list(body, 7, 10, expressions);
        }
        Expr::Immediate { register, value: constant } => value(body.be32(1, register.number()), 2, constant),
        Expr::Verdict(decision) => verdict(body.be32(1, REG_VERDICT), 2, decision),
        Expr::Ct { key, direction: of, register } => {
            body.be32(1, register.number()).be32(2, *key as u32);
            direction(body, *of);
        }
        Expr::CtStore { key, direction: of, register } => {
            body.be32(2, *key as u32).be32(4, register.number());
            direction(body, *of);
        }
        Expr::Counter => {
            body.be64(1, 0).be64(2, 0);
        }
        Expr::NamedCounter(name) => {
            body.be32(1, OBJECT_COUNTER).string(2, name);
        }
        Expr::CounterMap { set, key } => {
            body.be32(3, key.number()).string(4, set);
        }
        Expr::Limit { rate, unit, burst, bytes, inverted } => {
            body.be64(1, *rate).be64(2, *unit as u64).be32(3, *burst);
            body.be32(4, u32::from(*bytes)).be32(5, u32::from(*inverted));
        }
        Expr::ConnLimit { count, inverted } => {
            body.be32(1, *count).be32(2, u32::from(*inverted));
        }
        Expr::Log { group, prefix, snaplen, threshold } => {
            body.be16(1, *group);
            if !prefix.is_empty() {
                body.string(2, prefix);
            }
            if *snaplen != 0 {
                body.be32(3, *snaplen);
            }
            if *threshold != 0 {
                body.be16(4, *threshold);
            }
        }
        Expr::Nat { kind, family, address, port, flags } => {
            let kind = match kind {
                NatKind::Source => 0,
                NatKind::Destination => 1,
            };
            body.be32(1, kind).be32(2, u32::from(family.number()));
            registers(body, *address, 3, 4);
            registers(body, *port, 5, 6);
            if *flags != 0 {
                body.be32(7, *flags);
            }
        }
        Expr::Masquerade { port, flags } => {
            if *flags != 0 {
                body.be32(1, *flags);
            }
            registers(body, *port, 2, 3);
        }
        Expr::Redirect { port, flags } => {
            registers(body, *port, 1, 2);
            if *flags != 0 {
                body.be32(3, *flags);
            }
        }
        Expr::Reject(how) => {
            match how {
                Reject::Icmp(code) => body.be32(1, 0).u8(2, *code),
                Reject::TcpReset => body.be32(1, 1).u8(2, 0),
                Reject::Icmpx(code) => body.be32(1, 2).u8(2, *code),
            };
        }
        Expr::Fib { result, flags, register } => {
            body.be32(1, register.number()).be32(2, *result as u32).be32(3, *flags);
        }
        Expr::NoTrack => {}
        Expr::Exthdr { op, kind, offset, length, present, register } => {
            body.be32(1, register.number()).u8(2, *kind).be32(3, *offset).be32(4, *length);
            if *present {
                body.be32(5, 1);
            }
            body.be32(6, *op as u32);
        }
        Expr::ExthdrStore { kind, offset, length, register } => {
            body.be32(7, register.number()).u8(2, *kind).be32(3, *offset).be32(4, *length);
            body.be32(6, super::ExthdrOp::TcpOption as u32);
        }
        Expr::Rt { key, register } => {
            body.be32(1, register.number()).be32(2, *key as u32);
        }
        Expr::Forward { device } => {
            body.be32(1, device.number());
        }
        Expr::Duplicate { address, device } => {
            registers(body, address.map(|register| (register, None)), 1, 1);
            registers(body, device.map(|register| (register, None)), 2, 2);
        }
        Expr::Hash { from, length, modulus, seed, offset, register } => {
            body.be32(1, from.number()).be32(2, register.number()).be32(3, *length).be32(4, *modulus);
            body.be32(5, *seed).be32(6, *offset).be32(7, 0);
        }
        // Type 0: in turn.
        Expr::NumberGenerator { modulus, offset, register } => {
            body.be32(1, register.number()).be32(2, *modulus).be32(3, 0).be32(4, *offset);
        }
    }
}

/// The attributes of `NFT_MSG_NEWSET` behind table and name.
pub(super) fn set(body: &mut Body<'_>, set: &Set, id: u32) {
    // Only ranges field by field need to know the fields; to a hash the key is one string of bytes,
    // and a description without the flag NFT_SET_CONCAT is refused.
    let concatenated = set.fields.len() > 1 && set.interval;
    let mut flags = 0;
    for (on, bit) in [
        (set.constant, 0x2),
        (set.interval, 0x4),
        (matches!(set.data, Some(SetData::Bytes(_) | SetData::Verdict)), 0x8),
        (set.timeout.is_some(), 0x10),
        (set.dynamic, 0x20),
        (matches!(set.data, Some(SetData::Counter)), 0x40),
        (concatenated, 0x80),
        (set.expressions.len() > 1, 0x100),
    ] {
        flags |= if on { bit } else { 0 };
    }
    body.be32(3, flags).be32(4, set.key_type).be32(5, set.key_length());
    match set.data {
        Some(SetData::Bytes(length)) => {
            body.be32(6, TYPE_INTEGER).be32(7, length);
        }
        Some(SetData::Verdict) => {
            body.be32(6, TYPE_VERDICT).be32(7, 0);
        }
        Some(SetData::Counter) => {
            body.be32(15, OBJECT_COUNTER);
        }
        None => {}
    }
    body.be32(10, id);
    if let Some(timeout) = set.timeout.filter(|timeout| !timeout.is_zero()) {
        body.be64(11, timeout.as_millis() as u64);
    }
    if set.size.is_some() || concatenated {
        body.nest(9, |body| {
            if let Some(size) = set.size {
                body.be32(1, size);
            }
            if concatenated {
                body.nest(2, |body| {
                    for field in &set.fields {
                        body.nest(1, |body| {
                            body.be32(1, *field);
                        });
                    }
                });
            }
        });
    }
    if set.key_is_native {
        // libnftnl's user data: NFTNL_UDATA_SET_KEYBYTEORDER, 4 bytes, BYTEORDER_HOST_ENDIAN.
        let [a, b, c, d] = 1u32.to_ne_bytes();
        body.bytes(13, &[0, 4, a, b, c, d]);
    }
    one_or_list(body, 17, 18, &set.expressions);
}

/// One element as one list entry, or as two where the set marks the end of a range with an element.
pub(super) fn element(body: &mut Body<'_>, set: &Set, element: &Element) {
    const INTERVAL_END: u32 = 1;
    const CATCH_ALL: u32 = 2;
    let concatenated = set.fields.len() > 1;
    let (from, to) = match &element.key {
        Key::Exact(key) if set.interval && !concatenated => (Some(key), Some(key)),
        Key::Exact(key) => (Some(key), None),
        Key::Range(from, to) => (Some(from), Some(to)),
        Key::CatchAll => (None, None),
    };
    body.nest(1, |body| {
        match from {
            Some(from) => value(body, 1, from),
            None => {
                body.be32(3, CATCH_ALL);
            }
        }
        if let (true, Some(to)) = (concatenated, to) {
            value(body, 10, to);
        }
        match &element.data {
            Some(Data::Bytes(data)) => value(body, 2, data),
            Some(Data::Verdict(decision)) => verdict(body, 2, decision),
            Some(Data::Counter(name)) => {
                body.string(9, name);
            }
            None => {}
        }
        if let Some(timeout) = element.timeout {
            body.be64(4, timeout.as_millis() as u64);
        }
        if let Some(expires) = element.expires {
            body.be64(5, expires.as_millis() as u64);
        }
        one_or_list(body, 7, 11, &element.expressions);
    });
    if let (false, Some(end)) = (concatenated, to.and_then(|to| successor(to))) {
        body.nest(1, |body| {
            value(body, 1, &end);
            body.be32(3, INTERVAL_END);
        });
    }
}

/// What a message asks for, in words, read from its bytes: `new rule, table vpc, chain forward`.
pub(crate) fn describe(message: &[u8]) -> Option<String> {
    let kind = u16::from_ne_bytes([*message.get(4)?, *message.get(5)?]);
    if kind & 0xff00 != SUBSYSTEM {
        return None;
    }
    let (what, names): (&str, &[(u16, &str)]) = match kind & 0xff {
        0 => ("new table", &[(1, "table")]),
        2 => ("delete table", &[(1, "table")]),
        3 => ("new chain", &[(1, "table"), (3, "chain")]),
        5 => ("delete chain", &[(1, "table"), (3, "chain")]),
        6 => ("new rule", &[(1, "table"), (2, "chain")]),
        8 => ("delete rule", &[(1, "table"), (2, "chain")]),
        9 => ("new set", &[(1, "table"), (2, "set")]),
        11 => ("delete set", &[(1, "table"), (2, "set")]),
        12 => ("new elements", &[(1, "table"), (2, "set")]),
        14 => ("delete elements", &[(1, "table"), (2, "set")]),
        18 => ("new object", &[(1, "table"), (2, "object")]),
        20 => ("delete object", &[(1, "table"), (2, "object")]),
        1 | 4 | 7 | 10 | 13 | 16 | 19 => ("list", &[(1, "table")]),
        _ => return None,
    };
    let attributes = Attributes::new(message.get(crate::message::HEADER + header(0, 0).len()..)?);
    let mut text = what.to_owned();
    for (kind, label) in names {
        if let Some(attribute) = attributes.get(*kind) {
            text.push_str(&format!(", {label} {}", attribute.string()));
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::{Chain, Element, Family, Hook, Position, Table, TableFlags, Transaction, build, concat, priority};

    /// The body of the one change of a transaction, behind its netlink header.
    fn body(change: &Transaction) -> Vec<u8> {
        assert_eq!(change.len(), 1);
        change.batch().message(1).expect("a change behind the begin marker")[16..].to_vec()
    }

    fn table() -> Table {
        Table::new(Family::Ip, "t")
    }

    /// Attribute headers are in the machine's order, values in network order; written for either machine.
    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = [((value.len() + 4) as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn nest(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
        attribute(kind | 0x8000, &parts.concat())
    }

    #[test]
    fn a_rule_has_the_kernels_layout() {
        let mut change = Transaction::new();
        let rule = [build::is(build::Load::ProtocolV4, &[6]), build::verdict(Verdict::Jump("x".into()))].concat();
        change.add_rule(&table(), "c", Position::Last, &rule, b"u");
        let word = |kind, value: u32| attribute(kind, &value.to_be_bytes());
        let expression = |name: &[u8], parts: &[Vec<u8>]| nest(1, &[attribute(1, name), nest(2, parts)]);
        let expected = [
            vec![2, 0, 0, 0],
            attribute(1, b"t\0"),
            attribute(2, b"c\0"),
            nest(
                4,
                &[
                    expression(b"payload\0", &[word(1, 8), word(2, 1), word(3, 9), word(4, 1)]),
                    expression(b"cmp\0", &[word(1, 8), word(2, 0), nest(3, &[attribute(1, &[6])])]),
                    expression(
                        b"immediate\0",
                        &[word(1, 0), nest(2, &[nest(2, &[word(1, -3i32 as u32), attribute(2, b"x\0")])])],
                    ),
                ],
            ),
            attribute(7, b"u"),
        ];
        assert_eq!(body(&change), expected.concat());
        let header = change.batch().message(1).expect("change");
        assert_eq!(u16::from_ne_bytes([header[4], header[5]]), 0x0a06);
        assert_eq!(u16::from_ne_bytes([header[6], header[7]]), 0x0001 | 0x0400 | 0x0800);
    }

    #[test]
    fn a_transaction_starts_with_its_subsystem() {
        let mut change = Transaction::at_generation(5);
        change.add_table(&table(), TableFlags { owner: true, dormant: false });
        let begin = change.batch().message(0).expect("begin");
        assert_eq!(u16::from_ne_bytes([begin[4], begin[5]]), 0x10);
        assert_eq!(begin[16..], [vec![0, 0, 0, 10], attribute(1, &[0, 0, 0, 5])].concat());
        assert_eq!(body(&change), [vec![2, 0, 0, 0], attribute(1, b"t\0"), attribute(2, &[0, 0, 0, 2])].concat());
    }

    #[test]
    fn a_base_chain_has_hook_policy_and_type() {
        let mut change = Transaction::new();
        change.add_chain(&table(), &Chain::base("c", Hook::Postrouting, priority::RAW).policy_drop());
        let hook = nest(4, &[attribute(1, &[0, 0, 0, 4]), attribute(2, &(-300i32).to_be_bytes())]);
        let expected = [
            vec![2, 0, 0, 0],
            attribute(1, b"t\0"),
            attribute(3, b"c\0"),
            hook,
            attribute(5, &[0; 4]),
            attribute(7, b"filter\0"),
        ];
        assert_eq!(body(&change), expected.concat());
    }

    #[test]
    fn a_range_ends_in_a_key_or_in_a_marker() {
        let plain = Set::new("s", [2]).interval();
        let fields = Set::new("s", [2, 1]).interval();
        let elements = |set: &Set, element: Element| {
            let mut change = Transaction::new();
            change.add_elements(&table(), set, &[element]);
            body(&change)[4 + 8 + 8 + 4..].to_vec()
        };
        let data = |kind, bytes: &[u8]| nest(kind, &[attribute(1, bytes)]);
        let marked = [nest(1, &[data(1, &[0, 80])]), nest(1, &[data(1, &[1, 0]), attribute(3, &[0, 0, 0, 1])])];
        assert_eq!(elements(&plain, Element::range([0, 80], [0, 255])), marked.concat());
        let open = [nest(1, &[data(1, &[0, 80])])];
        assert_eq!(elements(&plain, Element::range([0, 80], [255, 255])), open.concat(), "nothing is behind the last key");
        let key = |port: u16| concat(&[crate::nft::Field::port(port), crate::nft::Field::byte(6)]);
        let both = [nest(1, &[data(1, &[0, 80, 0, 0, 6, 0, 0, 0]), data(10, &[0, 90, 0, 0, 6, 0, 0, 0])])];
        assert_eq!(elements(&fields, Element::range(key(80), key(90))), both.concat());
    }

    #[test]
    fn a_set_of_fields_describes_them_only_for_ranges() {
        let flags_and_fields = |definition: &Set| {
            let mut change = Transaction::new();
            change.add_set(&table(), definition);
            let bytes = body(&change);
            let attributes = Attributes::new(&bytes[4..]);
            let fields = attributes.get(9).and_then(|description| description.nested().get(2)).map(|fields| {
                fields.nested().filter_map(|field| field.nested().get(1)?.be32()).collect::<Vec<_>>()
            });
            (attributes.get(3).and_then(|flags| flags.be32()), attributes.get(5).and_then(|length| length.be32()), fields)
        };
        let ranges = Set::new("s", [4, 1, 2]).interval();
        assert_eq!(flags_and_fields(&ranges), (Some(0x84), Some(12), Some(vec![4, 1, 2])));
        assert_eq!(flags_and_fields(&Set::new("s", [4, 1, 2])), (Some(0), Some(12), None));
        assert_eq!(flags_and_fields(&Set::verdict_map("s", [2]).constant()), (Some(0xa), Some(2), None));
    }
}
