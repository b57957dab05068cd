//! What is there: tables, chains, rules, sets, elements, counters, read from the kernel.

use std::time::Duration;

use super::encode::OBJECT_COUNTER;
use super::set::Data;
use super::terms::Verdict;
use super::transaction::Table;
use super::{Family, SUBSYSTEM, header};
use crate::error::{Error, Malformed};
use crate::message::{Attribute, Attributes, Batch, Body, DUMP, Message};
use crate::socket::Socket;

fn request(message: u16, flags: u16, family: u8, body: impl FnOnce(&mut Body<'_>)) -> Batch {
    let mut batch = Batch::new();
    batch.push(SUBSYSTEM | message, flags, |inner| body(inner.raw(&header(family, 0))));
    batch
}

fn open<'a>(message: &Message<'a>) -> Result<(Option<Family>, Attributes<'a>), Malformed> {
    let (header, attributes) = message.split(4)?;
    Ok((Family::from_number(header[0]), attributes))
}

fn text(attributes: &Attributes<'_>, kind: u16) -> String {
    attributes.get(kind).map(|attribute| attribute.string()).unwrap_or_default()
}

/// Packets and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes of the network layer.
    pub bytes: u64,
}

impl Count {
    fn parse(attributes: Attributes<'_>) -> Count {
        let word = |kind| attributes.get(kind).and_then(|a| a.be64()).unwrap_or(0);
        Count { bytes: word(1), packets: word(2) }
    }

    /// The first counter of a list of expressions.
    fn of_expressions(list: Attributes<'_>) -> Option<Count> {
        list.into_iter().find_map(|element| Count::of_expression(element.nested()))
    }

    fn of_expression(expression: Attributes<'_>) -> Option<Count> {
        (text(&expression, 1) == "counter").then(|| Count::parse(expression.get(2).map(|a| a.nested()).unwrap_or_default()))
    }
}

/// The generation of the rule set: it rises with every transaction of anybody in this namespace.
pub fn generation(socket: &mut Socket) -> Result<u32, Error> {
    socket.get(&request(16, 0, 0, |_| {}), |message| {
        let (_, attributes) = open(&message)?;
        attributes.get(1).and_then(|id| id.be32()).ok_or(Malformed("generation"))
    })
}

/// Every table of the namespace, sorted.
pub fn tables(socket: &mut Socket) -> Result<Vec<Table>, Error> {
    let mut tables = socket.dump(&request(1, DUMP, 0, |_| {}), |message| {
        let (family, attributes) = open(&message)?;
        Ok(family.map(|family| Table::new(family, text(&attributes, 1))))
    })?;
    tables.sort();
    Ok(tables)
}

/// A chain as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEntry {
    /// Name.
    pub name: String,
    /// Unique in its table.
    pub handle: u64,
    /// Hook number and priority of a base chain.
    pub hook: Option<(u32, i32)>,
    /// A base chain drops at its end.
    pub drop: bool,
    /// Devices of a `netdev` base chain.
    pub devices: Vec<String>,
    /// Rules in it and jumps to it.
    pub uses: u32,
}

/// The chains of a table, by name.
pub fn chains(socket: &mut Socket, table: &Table) -> Result<Vec<ChainEntry>, Error> {
    let mut chains = socket.dump(&request(4, DUMP, table.family.number(), |_| {}), |message| {
        let (family, attributes) = open(&message)?;
        if family != Some(table.family) || text(&attributes, 1) != table.name {
            return Ok(None);
        }
        let hook = attributes.get(4).map(|hook| hook.nested());
        let devices = hook.and_then(|hook| hook.get(4)).map(|devices| devices.nested()).unwrap_or_default();
        Ok(Some(ChainEntry {
            name: text(&attributes, 3),
            handle: attributes.get(2).and_then(|a| a.be64()).unwrap_or(0),
            hook: hook.and_then(|hook| Some((hook.get(1)?.be32()?, hook.get(2)?.be32()? as i32))),
            drop: attributes.get(5).and_then(|a| a.be32()) == Some(0),
            devices: devices.map(|device| device.string()).collect(),
            uses: attributes.get(6).and_then(|a| a.be32()).unwrap_or(0),
        }))
    })?;
    chains.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(chains)
}

/// A rule as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleEntry {
    /// Its chain.
    pub chain: String,
    /// Unique in its table; trace events and [`super::Position`] name it.
    pub handle: u64,
    /// As it was given.
    pub user_data: Vec<u8>,
    /// Names of its expressions, in order.
    pub expressions: Vec<String>,
    /// Its first counter.
    pub count: Option<Count>,
}

/// The rules of a table, or of one of its chains, in their order.
pub fn rules(socket: &mut Socket, table: &Table, chain: Option<&str>) -> Result<Vec<RuleEntry>, Error> {
    let request = request(7, DUMP, table.family.number(), |body| {
        body.string(1, &table.name);
        if let Some(chain) = chain {
            body.string(2, chain);
        }
    });
    socket.dump(&request, |message| {
        let (_, attributes) = open(&message)?;
        let entry = RuleEntry {
            chain: text(&attributes, 2),
            handle: attributes.get(3).and_then(|a| a.be64()).ok_or(Malformed("rule handle"))?,
            user_data: attributes.get(7).map(|a| a.value.to_vec()).unwrap_or_default(),
            expressions: list(attributes.get(4)).map(|expression| text(&expression.nested(), 1)).collect(),
            count: Count::of_expressions(list(attributes.get(4))),
        };
        let wanted = text(&attributes, 1) == table.name && chain.is_none_or(|chain| chain == entry.chain);
        Ok(wanted.then_some(entry))
    })
}

fn list(attribute: Option<Attribute<'_>>) -> Attributes<'_> {
    attribute.map(|attribute| attribute.nested()).unwrap_or_default()
}

/// Names of a table's sets and maps, sorted.
pub fn sets(socket: &mut Socket, table: &Table) -> Result<Vec<String>, Error> {
    let request = request(10, DUMP, table.family.number(), |body| {
        body.string(1, &table.name);
    });
    let mut names = socket.dump(&request, |message| {
        let (_, attributes) = open(&message)?;
        Ok((text(&attributes, 1) == table.name).then(|| text(&attributes, 2)))
    })?;
    names.sort();
    Ok(names)
}

/// An element as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementEntry {
    /// The key, or the first of a range. Empty: all other keys.
    pub key: Vec<u8>,
    /// The last key of a range in a set of several fields.
    pub last: Option<Vec<u8>>,
    /// A plain interval set marks with such an element where a range has ended: the first key after it.
    pub interval_end: bool,
    /// What it holds.
    pub data: Option<Data>,
    /// How long it was to last.
    pub timeout: Option<Duration>,
    /// How long it will still last.
    pub expires: Option<Duration>,
    /// Its first counter.
    pub count: Option<Count>,
}

impl ElementEntry {
    fn parse(attributes: Attributes<'_>) -> Result<ElementEntry, Malformed> {
        let value = |kind| attributes.get(kind).and_then(|a| a.nested().get(1)).map(|a| a.value.to_vec());
        let time = |kind| attributes.get(kind).and_then(|a| a.be64()).map(Duration::from_millis);
        let counter = attributes.get(9).map(|name| Data::Counter(name.string()));
        let data = attributes.get(2).map(|data| data_of(data.nested())).transpose()?;
        let single = attributes.get(7).and_then(|expression| Count::of_expression(expression.nested()));
        Ok(ElementEntry {
            key: value(1).unwrap_or_default(),
            last: value(10),
            interval_end: attributes.get(3).and_then(|a| a.be32()).unwrap_or(0) & 1 != 0,
            data: data.or(counter),
            timeout: time(4),
            expires: time(5),
            count: single.or_else(|| Count::of_expressions(list(attributes.get(11)))),
        })
    }
}

fn data_of(data: Attributes<'_>) -> Result<Data, Malformed> {
    if let Some(value) = data.get(1) {
        return Ok(Data::Bytes(value.value.to_vec()));
    }
    let verdict = data.get(2).and_then(|verdict| verdict_of(verdict.nested()));
    verdict.map(Data::Verdict).ok_or(Malformed("element's value"))
}

/// Reads `NFTA_VERDICT_*`.
pub(super) fn verdict_of(verdict: Attributes<'_>) -> Option<Verdict> {
    Verdict::from_code(verdict.get(1)?.be32()? as i32, verdict.get(2).map(|chain| chain.string()))
}

/// The elements of a set, sorted by key.
pub fn elements(socket: &mut Socket, table: &Table, set: &str) -> Result<Vec<ElementEntry>, Error> {
    let request = request(13, DUMP, table.family.number(), |body| {
        body.string(1, &table.name).string(2, set);
    });
    let pages = socket.dump(&request, |message| {
        let (_, attributes) = open(&message)?;
        list(attributes.get(3)).map(|element| ElementEntry::parse(element.nested())).collect::<Result<Vec<_>, _>>().map(Some)
    })?;
    let mut elements: Vec<ElementEntry> = pages.into_iter().flatten().collect();
    elements.sort_by(|a, b| (&a.key, a.interval_end).cmp(&(&b.key, b.interval_end)));
    Ok(elements)
}

/// The named counters of a table, by name; `reset` puts them back to zero in the same step.
pub fn counters(socket: &mut Socket, table: &Table, reset: bool) -> Result<Vec<(String, Count)>, Error> {
    let message = if reset { 21 } else { 19 };
    let request = request(message, DUMP, table.family.number(), |body| {
        body.string(1, &table.name).be32(3, OBJECT_COUNTER);
    });
    let mut counters = socket.dump(&request, |message| {
        let (_, attributes) = open(&message)?;
        let wanted = text(&attributes, 1) == table.name && attributes.get(3).and_then(|a| a.be32()) == Some(OBJECT_COUNTER);
        Ok(wanted.then(|| (text(&attributes, 2), Count::parse(list(attributes.get(4))))))
    })?;
    counters.sort();
    Ok(counters)
}

/// One named counter.
pub fn counter(socket: &mut Socket, table: &Table, name: &str, reset: bool) -> Result<Count, Error> {
    let message = if reset { 21 } else { 19 };
    let request = request(message, 0, table.family.number(), |body| {
        body.string(1, &table.name).string(2, name).be32(3, OBJECT_COUNTER);
    });
    socket.get(&request, |message| Ok(Count::parse(list(open(&message)?.1.get(4)))))
}
