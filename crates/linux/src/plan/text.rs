//! Plans as text close to ip(8) and nft(8), for `inspect` and for snapshots. Rules are read as the kernel would carry them
//! out: what a register holds when it is compared or looked up is what the line says.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::net::Ipv4Addr;

use netlink::nft::{Base, CompareOp, CtKey, Data, Element, Expr, Key, MetaKey, Reg, Set, Verdict};

use super::{LinkEnd, Namespace, Plan, RouteTo, Table};

/// How the bytes of a value read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Address,
    /// Network order.
    Number,
    /// The machine's order.
    Native,
    Device,
    Mac,
}

/// What a register slot holds: its name, how it reads, its bytes.
#[derive(Debug, Clone)]
struct Held {
    what: String,
    kind: Kind,
    length: usize,
}

impl Held {
    fn new(what: impl Into<String>, kind: Kind, length: usize) -> Held {
        Held { what: what.into(), kind, length }
    }
}

/// Names of devices by index.
type Devices = BTreeMap<u32, String>;

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn native(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_ne_bytes)
}

fn value(kind: Kind, bytes: &[u8], devices: &Devices) -> String {
    match (kind, bytes) {
        (Kind::Address, &[a, b, c, d]) => Ipv4Addr::new(a, b, c, d).to_string(),
        (Kind::Device, _) => devices.get(&native(bytes)).cloned().unwrap_or_else(|| format!("#{}", native(bytes))),
        (Kind::Native, _) if bytes.len() == 4 => format!("{:#x}", native(bytes)),
        (Kind::Mac, _) => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"),
        (_, bytes) if bytes.len() <= 8 => number(bytes).to_string(),
        (_, bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

fn payload(base: Base, offset: u32, length: u32, in_arp: bool) -> Held {
    let (what, kind) = match (base, offset, length) {
        (Base::Link, 6, 6) => ("ether saddr", Kind::Mac),
        (Base::Link, 0, 6) => ("ether daddr", Kind::Mac),
        (Base::Network, 6, 2) if in_arp => ("arp operation", Kind::Number),
        (Base::Network, 8, 6) => ("arp saddr ether", Kind::Mac),
        (Base::Network, 14, 4) => ("arp saddr ip", Kind::Address),
        (Base::Network, 24, 4) => ("arp daddr ip", Kind::Address),
        (Base::Network, 6, 2) => ("ip frag-off", Kind::Number),
        (Base::Network, 8, 1) => ("ip ttl", Kind::Number),
        (Base::Network, 9, 1) => ("ip protocol", Kind::Number),
        (Base::Network, 12, 4) => ("ip saddr", Kind::Address),
        (Base::Network, 16, 4) => ("ip daddr", Kind::Address),
        (Base::Transport, 0, 1) => ("icmp type", Kind::Number),
        (Base::Transport, 1, 1) => ("icmp code", Kind::Number),
        (Base::Transport, 0, 2) => ("icmp type-code", Kind::Number),
        (Base::Transport, 2, 2) => ("th dport", Kind::Number),
        (Base::Transport, 13, 1) => ("tcp flags", Kind::Number),
        (Base::Transport, 20, 4) => ("icmp quoted saddr", Kind::Address),
        (Base::Transport, 24, 4) => ("icmp quoted daddr", Kind::Address),
        _ => return Held::new(format!("@{base:?}+{offset}").to_lowercase(), Kind::Number, length as usize),
    };
    Held::new(what, kind, length as usize)
}

fn meta(key: MetaKey) -> Held {
    let (what, kind, length) = match key {
        MetaKey::Iif => ("iif", Kind::Device, 4),
        MetaKey::Oif => ("oif", Kind::Device, 4),
        MetaKey::IifGroup => ("iifgroup", Kind::Native, 4),
        MetaKey::OifGroup => ("oifgroup", Kind::Native, 4),
        MetaKey::Mark => ("mark", Kind::Native, 4),
        MetaKey::L4Proto => ("l4proto", Kind::Number, 1),
        MetaKey::Protocol => ("ether type", Kind::Number, 2),
        MetaKey::PacketType => ("pkttype", Kind::Number, 1),
        other => return Held::new(format!("{other:?}").to_lowercase(), Kind::Native, 4),
    };
    Held::new(what, kind, length)
}

fn ct(key: CtKey) -> Held {
    let (what, kind, length) = match key {
        CtKey::State => ("ct state", Kind::Native, 4),
        CtKey::Direction => ("ct direction", Kind::Number, 1),
        CtKey::Mark => ("ct mark", Kind::Native, 4),
        CtKey::Labels => ("ct label", Kind::Number, 16),
        other => return Held::new(format!("ct {other:?}").to_lowercase(), Kind::Native, 4),
    };
    Held::new(what, kind, length)
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// One rule under way.
struct Reading<'a> {
    devices: &'a Devices,
    in_arp: bool,
    slots: BTreeMap<u8, Held>,
    words: Vec<String>,
    /// How the keys of sets read, learnt from the rules that look them up.
    sets: &'a mut BTreeMap<String, Vec<(Kind, usize)>>,
    /// How the values of maps read, learnt from where they go.
    values: BTreeMap<u8, String>,
    maps: &'a mut BTreeMap<String, Kind>,
}

impl Reading<'_> {
    fn hold(&mut self, register: Reg, held: Held) {
        self.slots.insert(register.0, held);
    }

    fn held(&self, register: Reg) -> Held {
        let part = || {
            // A later word of what a map had.
            let (from, map) = self.values.range(..register.0).next_back()?;
            Some(Held::new(format!("@{map}[{}]", register.0 - from), Kind::Number, 4))
        };
        self.slots.get(&register.0).cloned().or_else(part).unwrap_or_else(|| Held::new("?", Kind::Number, 4))
    }

    /// The fields that make up the key from this register on, as many as the set has bytes for.
    fn key(&mut self, register: Reg, set: &str, lengths: Option<&Vec<u32>>) -> String {
        let count = lengths.map_or(1, Vec::len);
        let (mut next, mut fields, mut kinds) = (register, Vec::new(), Vec::new());
        for _ in 0..count {
            let held = self.held(next);
            kinds.push((held.kind, held.length));
            next = next.after(held.length as u32);
            fields.push(held.what);
        }
        self.sets.entry(set.to_owned()).or_insert(kinds);
        fields.join(" . ")
    }

    fn store(&mut self, what: &str, kind: Kind, register: Reg) {
        if let Some(map) = self.values.get(&register.0) {
            self.maps.insert(map.clone(), kind);
        }
        let from = self.held(register).what;
        self.words.push(format!("{what} set {from}"));
    }

    fn read(&mut self, expr: &Expr, fields: &BTreeMap<String, Vec<u32>>) {
        match expr {
            Expr::Payload { base, offset, length, register } => {
                let held = payload(*base, *offset, *length, self.in_arp);
                self.hold(*register, held);
            }
            Expr::Meta { key, register } => self.hold(*register, meta(*key)),
            Expr::Ct { key, register, .. } => self.hold(*register, ct(*key)),
            Expr::Immediate { register, value: bytes } => {
                let text = match bytes.len() {
                    4 => format!("{:#x}", native(bytes)),
                    _ => value(Kind::Number, bytes, self.devices),
                };
                self.hold(*register, Held::new(text, Kind::Native, bytes.len()));
            }
            Expr::Bitwise { from, to, mask, xor } => {
                let held = self.held(*from);
                let constant = |bytes: &[u8]| match held.kind {
                    Kind::Native => format!("{:#x}", native(bytes)),
                    kind => value(kind, bytes, self.devices),
                };
                let mut what = format!("{} & {}", held.what, constant(mask));
                if xor.iter().any(|byte| *byte != 0) {
                    what = format!("{what} ^ {}", constant(xor));
                }
                self.hold(*to, Held { what, ..held });
            }
            Expr::Compare { register, op, value: right } => {
                let held = self.held(*register);
                let op = match op {
                    CompareOp::Eq => "",
                    CompareOp::Neq => "!= ",
                    CompareOp::Lt => "< ",
                    CompareOp::Lte => "<= ",
                    CompareOp::Gt => "> ",
                    CompareOp::Gte => ">= ",
                };
                self.words.push(format!("{} {op}{}", held.what, value(held.kind, right, self.devices)));
            }
            Expr::Range { register, inverted, from, to } => {
                let held = self.held(*register);
                let [from, to] = [from, to].map(|bytes| value(held.kind, bytes, self.devices));
                self.words.push(format!("{} {}{from}-{to}", held.what, if *inverted { "!= " } else { "" }));
            }
            Expr::Lookup { set, key, inverted } => {
                let key = self.key(*key, set, fields.get(set));
                self.words.push(format!("{key} {}@{set}", if *inverted { "!= " } else { "" }));
            }
            Expr::LookupVerdict { set, key } => {
                let key = self.key(*key, set, fields.get(set));
                self.words.push(format!("{key} vmap @{set}"));
            }
            Expr::LookupMap { set, key, data } => {
                let key = self.key(*key, set, fields.get(set));
                self.hold(*data, Held::new(format!("{key} map @{set}"), Kind::Number, 4));
                self.values.insert(data.0, set.clone());
            }
            Expr::DynamicSet { set, op, key, data, expressions, .. } => {
                let key = self.key(*key, set, fields.get(set));
                let counted = expressions.iter().find_map(|expr| match expr {
                    Expr::ConnLimit { count, inverted } => {
                        Some(format!(" ct count {}{count}", if *inverted { "over " } else { "" }))
                    }
                    _ => None,
                });
                let op = format!("{op:?}").to_lowercase();
                let value = data.map(|data| format!(" : {} …", self.held(data).what)).unwrap_or_default();
                self.words.push(format!("{op} @{set} {{ {key}{}{value} }}", counted.unwrap_or_default()));
            }
            Expr::PayloadStore { base, offset, length, register, .. } => {
                let held = payload(*base, *offset, *length, self.in_arp);
                self.store(&held.what, held.kind, *register);
            }
            Expr::MetaStore { key, register } => self.store(&meta(*key).what, Kind::Native, *register),
            Expr::CtStore { key, register, .. } => self.store(&ct(*key).what, Kind::Native, *register),
            Expr::Verdict(decision) => self.words.push(verdict(decision)),
            Expr::Counter => self.words.push("counter".to_owned()),
            Expr::Log { group, prefix, .. } => self.words.push(format!("log group {group} prefix \"{prefix}\"")),
            Expr::Nat { address, port, .. } => {
                let held = |pair: &Option<(Reg, Option<Reg>)>| {
                    pair.map(|(from, to)| {
                        let to = to.map(|to| format!("-{}", self.held(to).what)).unwrap_or_default();
                        format!("{}{to}", self.held(from).what)
                    })
                };
                self.words.push(format!("nat to {}:{}", held(address).unwrap_or_default(), held(port).unwrap_or_default()));
            }
            Expr::Masquerade { .. } => self.words.push("masquerade".to_owned()),
            Expr::Reject(how) => self.words.push(format!("reject with {how:?}")),
            Expr::Fib { register, .. } => self.hold(*register, Held::new("fib daddr type", Kind::Native, 4)),
            Expr::Rt { register, .. } => self.hold(*register, Held::new("rt mtu", Kind::Number, 2)),
            Expr::ByteOrder { .. } => {}
            Expr::ExthdrStore { register, .. } => self.store("tcp option maxseg size", Kind::Number, *register),
            other => self.words.push(format!("{other:?}")),
        }
    }
}

fn element(element: &Element, kinds: Option<&Vec<(Kind, usize)>>, data: Kind, set: &Set, devices: &Devices) -> String {
    let fields = |bytes: &[u8]| -> Vec<String> {
        let mut at = 0;
        set.fields
            .iter()
            .enumerate()
            .map(|(index, length)| {
                let length = *length as usize;
                let kind = kinds.and_then(|kinds| kinds.get(index)).map_or(Kind::Number, |(kind, _)| *kind);
                let field = bytes.get(at..at + length).unwrap_or_default();
                at += length.next_multiple_of(4);
                value(kind, field, devices)
            })
            .collect()
    };
    let key = match &element.key {
        Key::Exact(key) => fields(key).join(" . "),
        Key::Range(from, to) => {
            let pairs = fields(from).into_iter().zip(fields(to));
            pairs.map(|(a, b)| if a == b { a } else { format!("{a}-{b}") }).collect::<Vec<_>>().join(" . ")
        }
        Key::CatchAll => "*".to_owned(),
    };
    match &element.data {
        None => key,
        Some(Data::Verdict(decision)) => format!("{key} : {}", verdict(decision)),
        Some(Data::Bytes(bytes)) => format!("{key} : {}", value(data, bytes, devices)),
        Some(Data::Counter(name)) => format!("{key} : {name}"),
    }
}

fn write_table(f: &mut Formatter<'_>, table: &Table, in_arp: bool, devices: &Devices) -> fmt::Result {
    let fields: BTreeMap<String, Vec<u32>> =
        table.sets.iter().map(|(name, (set, _))| (name.clone(), set.fields.clone())).collect();
    let (mut sets, mut maps) = (BTreeMap::new(), BTreeMap::new());
    let mut lines = Vec::new();
    for (name, (chain, rules)) in &table.chains {
        let base = chain.hook.map(|(hook, priority)| {
            let device = chain.devices.iter().map(|device| format!(" device {device}")).collect::<String>();
            let policy = if chain.drop { "drop" } else { "accept" };
            let hook = format!("{hook:?}").to_lowercase();
            format!(" type {} hook {hook}{device} priority {priority} policy {policy}", chain.kind)
        });
        lines.push(format!("  chain {name} {{{}", base.unwrap_or_default()));
        for rule in rules.iter() {
            let (slots, words, values) = Default::default();
            let mut reading = Reading { devices, in_arp, slots, words, sets: &mut sets, values, maps: &mut maps };
            rule.iter().for_each(|expr| reading.read(expr, &fields));
            lines.push(format!("    {}", reading.words.join(" ")));
        }
        lines.push("  }".to_owned());
    }
    for (name, (set, elements)) in &table.sets {
        writeln!(f, "  set {name} {{")?;
        // 254 lines that say n : n + 1 tell nobody anything.
        for held in elements.values().take(if name == "ttl" { 1 } else { usize::MAX }) {
            let data = maps.get(name).copied().unwrap_or(Kind::Number);
            writeln!(f, "    {}", element(held, sets.get(name), data, set, devices))?;
        }
        f.write_str("  }\n")?;
    }
    lines.iter().try_for_each(|line| writeln!(f, "{line}"))
}

fn write_namespace(f: &mut Formatter<'_>, namespace: &Namespace, ends: &[(&LinkEnd, &LinkEnd)]) -> fmt::Result {
    for (path, value) in &namespace.sysctls {
        writeln!(f, "sysctl {path} = {value}")?;
    }
    for (name, bridge) in &namespace.bridges {
        writeln!(f, "bridge {name} {bridge:?}")?;
    }
    let mut devices: Devices = ends.iter().map(|(end, _)| (end.index(), end.name.clone())).collect();
    devices.insert(1, "lo".to_owned());
    for (end, other) in ends {
        let mac = value(Kind::Mac, &end.mac, &devices);
        write!(f, "link {} mac {mac} mtu {} group {:#x}", end.name, end.mtu, end.group)?;
        if let Some(bridge) = &end.bridge {
            write!(f, " master {bridge}")?;
        }
        let words = [(!end.is_up, " down"), (!end.asks, " noarp"), (end.link_local, " link-local")];
        words.iter().filter(|(said, _)| *said).try_for_each(|(_, word)| f.write_str(word))?;
        if let Some(qdisc) = &end.qdisc {
            write!(f, " qdisc {qdisc:?}")?;
        }
        writeln!(f, " peer {} {}", other.namespace, other.name)?;
    }
    for address in &namespace.addresses {
        writeln!(f, "address {} dev {}", address.address, address.device)?;
    }
    for ((device, address), mac) in &namespace.neighbours {
        writeln!(f, "neighbour {address} dev {device} lladdr {}", value(Kind::Mac, mac, &devices))?;
    }
    for route in &namespace.routes {
        write!(f, "route table {} {}", route.table, route.destination)?;
        match &route.to {
            RouteTo::Throw => f.write_str(" throw")?,
            RouteTo::Device { device, via, source, mtu } => {
                if let Some(via) = via {
                    write!(f, " via {via}")?;
                }
                write!(f, " dev {device}")?;
                if let Some(source) = source {
                    write!(f, " src {source}")?;
                }
                if let Some(mtu) = mtu {
                    write!(f, " mtu {mtu}")?;
                }
            }
        }
        if route.metric > 0 {
            write!(f, " metric {}", route.metric)?;
        }
        f.write_str("\n")?;
    }
    for rule in &namespace.rules {
        write!(f, "rule {}", rule.priority)?;
        if let Some(mark) = rule.mark {
            write!(f, " fwmark {mark:#x}")?;
        }
        let family = if rule.family == fabric::Family::V6 { " of ipv6" } else { "" };
        writeln!(f, " lookup {}{family}", rule.table)?;
    }
    for (name, table) in &namespace.tables {
        writeln!(f, "table {} {} {{", format!("{:?}", name.family).to_lowercase(), name.name)?;
        let in_arp = name.family == netlink::nft::Family::Arp;
        write_table(f, table, in_arp, &devices)?;
        f.write_str("}\n")?;
    }
    Ok(())
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (key, namespace) in &self.namespaces {
            let both = self.links.values().flat_map(|link| [(&link.near, &link.far), (&link.far, &link.near)]);
            let mut ends: Vec<_> = both.filter(|(end, _)| end.namespace == *key).collect();
            ends.sort_by_key(|(end, _)| &end.name);
            writeln!(f, "== {key}")?;
            write_namespace(f, namespace, &ends)?;
        }
        Ok(())
    }
}
