//! A transaction: changes that the kernel makes all together or not at all.

use super::encode::{self, OBJECT_COUNTER};
use super::expr::Expr;
use super::set::{Element, Set};
use super::{Family, SUBSYSTEM, header};
use crate::error::Error;
use crate::message::{APPEND, Batch, Body, CREATE, EXCLUSIVE, REPLACE};
use crate::socket::Socket;

/// A table: its family and its name, unique in the family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    /// Which packets its chains see.
    pub family: Family,
    /// Name.
    pub name: String,
}

impl Table {
    /// Names a table.
    pub fn new(family: Family, name: impl Into<String>) -> Table {
        Table { family, name: name.into() }
    }
}

/// Properties of a new table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableFlags {
    /// Belongs to the socket that made it: nobody else may change it, and it goes when the socket closes.
    pub owner: bool,
    /// Exists, but its chains see nothing.
    pub dormant: bool,
}

/// Where a base chain sees packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of nft(8)")]
pub enum Hook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
    /// Of a device (`netdev`), or of every packet of one (`inet`).
    Ingress,
    /// Of a device (`netdev`).
    Egress,
}

impl Hook {
    fn number(self, family: Family) -> u32 {
        match (self, family) {
            (Hook::Prerouting, _) => 0,
            // ARP has two hooks, input and output.
            (Hook::Input, Family::Arp) => 0,
            (Hook::Output, Family::Arp) => 1,
            (Hook::Input, _) => 1,
            (Hook::Forward, _) => 2,
            (Hook::Output, _) => 3,
            (Hook::Postrouting, _) => 4,
            (Hook::Ingress, Family::Inet) => 5,
            (Hook::Ingress, _) => 0,
            (Hook::Egress, _) => 1,
        }
    }
}

/// Usual priorities of base chains; lower sees a packet earlier (include/uapi/linux/netfilter_ipv4.h).
#[expect(missing_docs, reason = "the names of nft(8)")]
pub mod priority {
    pub const RAW: i32 = -300;
    /// Conntrack's own place: earlier, `notrack` and zones work; later, there is a state.
    pub const CONNTRACK: i32 = -200;
    pub const MANGLE: i32 = -150;
    pub const DSTNAT: i32 = -100;
    pub const FILTER: i32 = 0;
    pub const SECURITY: i32 = 50;
    pub const SRCNAT: i32 = 100;
}

/// A chain to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Name, unique in its table.
    pub name: String,
    /// Where it hooks in; none: a chain that others jump to.
    pub hook: Option<(Hook, i32)>,
    /// `filter`, `nat` or `route`.
    pub kind: &'static str,
    /// A packet that reaches the end of a base chain is dropped.
    pub drop: bool,
    /// Devices of a `netdev` base chain.
    pub devices: Vec<String>,
}

impl Chain {
    /// A chain that others jump to.
    pub fn new(name: impl Into<String>) -> Chain {
        Chain { name: name.into(), hook: None, kind: "filter", drop: false, devices: Vec::new() }
    }

    /// A base chain of type `filter` that accepts at its end.
    pub fn base(name: impl Into<String>, hook: Hook, priority: i32) -> Chain {
        Chain { hook: Some((hook, priority)), ..Chain::new(name) }
    }

    /// Of type `nat`: sees the first packet of a connection only.
    #[must_use]
    pub fn nat(self) -> Chain {
        Chain { kind: "nat", ..self }
    }

    /// Of type `route`: a packet whose mark it changes is routed anew.
    #[must_use]
    pub fn route(self) -> Chain {
        Chain { kind: "route", ..self }
    }

    /// Drops at its end.
    #[must_use]
    pub fn policy_drop(self) -> Chain {
        Chain { drop: true, ..self }
    }

    /// Devices of a `netdev` base chain.
    #[must_use]
    pub fn devices(self, devices: impl IntoIterator<Item = impl Into<String>>) -> Chain {
        Chain { devices: devices.into_iter().map(Into::into).collect(), ..self }
    }
}

/// Where a rule goes. Handles come from [`super::dump::rules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Last in its chain.
    Last,
    /// First in its chain.
    First,
    /// Right behind the rule with this handle.
    After(u64),
    /// Right before the rule with this handle.
    Before(u64),
    /// In place of the rule with this handle.
    Replace(u64),
}

/// Changes that are made all together or not at all. One transaction is one system call, so its
/// [`Transaction::byte_len`] must stay below [`Socket::send_capacity`]; the caller splits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    batch: Batch,
    sets: u32,
}

/// Kinds of `NFNL_MSG_BATCH_BEGIN` and `END`.
const BEGIN: u16 = 0x10;
const END: u16 = 0x11;
/// Lists of elements are cut here: an attribute holds less than 64 KiB.
const ELEMENT_LIST: usize = 32 << 10;

impl Default for Transaction {
    fn default() -> Self {
        Transaction::new()
    }
}

impl Transaction {
    /// An empty transaction.
    pub fn new() -> Transaction {
        Transaction::begin(None)
    }

    /// A transaction that is refused with `ERESTART` when the rule set is not of this generation any
    /// more (see [`super::dump::generation`]). Generation 0, which never is, is not checked.
    pub fn at_generation(generation: u32) -> Transaction {
        Transaction::begin(Some(generation))
    }

    fn begin(generation: Option<u32>) -> Transaction {
        let mut batch = Batch::new();
        batch.push(BEGIN, 0, |body| {
            body.raw(&header(0, SUBSYSTEM >> 8));
            if let Some(generation) = generation {
                body.be32(1, generation);
            }
        });
        Transaction { batch, sets: 0 }
    }

    /// How many changes.
    pub fn len(&self) -> usize {
        self.batch.len() - 1
    }

    /// True without changes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that [`Transaction::commit`] sends in one piece.
    pub fn byte_len(&self) -> usize {
        self.batch.byte_len() + crate::message::HEADER + 4
    }

    /// The messages, without the end marker.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Carries everything out, or nothing and says which change was refused (counted from 0).
    pub fn commit(&self, socket: &mut Socket) -> Result<(), Error> {
        if self.is_empty() {
            return Ok(());
        }
        let mut batch = self.batch.clone();
        batch.push(END, 0, |body| {
            body.raw(&header(0, SUBSYSTEM >> 8));
        });
        // Kernels before 6.10 do not acknowledge the end marker: ask for the last change.
        socket.execute_atomic(&batch, self.len()).map_err(|error| match error {
            Error::Refused(mut refusal) => {
                refusal.index = refusal.index.and_then(|index| index.checked_sub(1));
                Error::Refused(refusal)
            }
            other => other,
        })
    }

    fn push(&mut self, message: u16, flags: u16, family: Family, body: impl FnOnce(&mut Body<'_>)) -> &mut Self {
        self.batch.push(SUBSYSTEM | message, flags, |inner| body(inner.raw(&header(family.number(), 0))));
        self
    }

    /// Makes a table, or does nothing if it is there.
    pub fn add_table(&mut self, table: &Table, flags: TableFlags) -> &mut Self {
        self.push(0, CREATE, table.family, |body| {
            body.string(1, &table.name).be32(2, u32::from(flags.dormant) | u32::from(flags.owner) << 1);
        })
    }

    /// Removes a table and all that is in it.
    pub fn delete_table(&mut self, table: &Table) -> &mut Self {
        self.push(2, 0, table.family, |body| {
            body.string(1, &table.name);
        })
    }

    /// Removes a table if it is there (adds it first, so that the deletion cannot fail).
    pub fn destroy_table(&mut self, table: &Table) -> &mut Self {
        self.add_table(table, TableFlags::default()).delete_table(table)
    }

    /// Makes a chain, or changes policy or devices of the one that is there.
    pub fn add_chain(&mut self, table: &Table, chain: &Chain) -> &mut Self {
        self.chain_message(3, CREATE, table, chain)
    }

    /// Removes a chain that nobody jumps to, with its rules.
    pub fn delete_chain(&mut self, table: &Table, chain: &str) -> &mut Self {
        self.push(5, 0, table.family, |body| {
            body.string(1, &table.name).string(3, chain);
        })
    }

    /// Takes devices away from a `netdev` base chain; `chain` as it was added, with only those devices.
    pub fn delete_chain_devices(&mut self, table: &Table, chain: &Chain) -> &mut Self {
        self.chain_message(5, 0, table, chain)
    }

    fn chain_message(&mut self, message: u16, flags: u16, table: &Table, chain: &Chain) -> &mut Self {
        self.push(message, flags, table.family, |body| {
            body.string(1, &table.name).string(3, &chain.name);
            let Some((hook, priority)) = chain.hook else { return };
            body.nest(4, |body| {
                body.be32(1, hook.number(table.family)).be32(2, priority as u32);
                match &chain.devices[..] {
                    [] => {}
                    [device] => {
                        body.string(3, device);
                    }
                    devices => {
                        body.nest(4, |body| {
                            for device in devices {
                                body.string(1, device);
                            }
                        });
                    }
                }
            });
            if message == 3 {
                body.be32(5, u32::from(!chain.drop)).string(7, chain.kind);
            }
        })
    }

    /// Removes every rule of a chain.
    pub fn flush_chain(&mut self, table: &Table, chain: &str) -> &mut Self {
        self.push(8, 0, table.family, |body| {
            body.string(1, &table.name).string(2, chain);
        })
    }

    /// Adds a rule. `user_data` (256 bytes at most) comes back in dumps; [`comment`] makes nft(8) show it.
    pub fn add_rule(&mut self, table: &Table, chain: &str, position: Position, expressions: &[Expr], user_data: &[u8]) -> &mut Self {
        let flags = match position {
            Position::Last | Position::After(_) => CREATE | APPEND,
            Position::First | Position::Before(_) => CREATE,
            Position::Replace(_) => REPLACE,
        };
        self.push(6, flags, table.family, |body| {
            body.string(1, &table.name).string(2, chain);
            match position {
                Position::After(handle) | Position::Before(handle) => {
                    body.be64(6, handle);
                }
                Position::Replace(handle) => {
                    body.be64(3, handle);
                }
                Position::Last | Position::First => {}
            }
            encode::expressions(body, 4, expressions);
            if !user_data.is_empty() {
                body.bytes(7, user_data);
            }
        })
    }

    /// Adds a rule at the end of a chain.
    pub fn append(&mut self, table: &Table, chain: &str, expressions: &[Expr]) -> &mut Self {
        self.add_rule(table, chain, Position::Last, expressions, &[])
    }

    /// Removes one rule.
    pub fn delete_rule(&mut self, table: &Table, chain: &str, handle: u64) -> &mut Self {
        self.push(8, 0, table.family, |body| {
            body.string(1, &table.name).string(2, chain).be64(3, handle);
        })
    }

    /// Makes a set or map.
    pub fn add_set(&mut self, table: &Table, set: &Set) -> &mut Self {
        // The kernel wants an id for every new set; names are what we refer to it by.
        self.sets += 1;
        let id = self.sets;
        self.push(9, CREATE, table.family, |body| {
            encode::set(body.string(1, &table.name).string(2, &set.name), set, id);
        })
    }

    /// Removes a set that no rule uses.
    pub fn delete_set(&mut self, table: &Table, set: &str) -> &mut Self {
        self.push(11, 0, table.family, |body| {
            body.string(1, &table.name).string(2, set);
        })
    }

    /// Adds elements; those that are there already with the same value are no error.
    pub fn add_elements(&mut self, table: &Table, set: &Set, elements: &[Element]) -> &mut Self {
        self.elements(12, CREATE, table, set, elements)
    }

    /// Adds elements that must not be there yet.
    pub fn create_elements(&mut self, table: &Table, set: &Set, elements: &[Element]) -> &mut Self {
        self.elements(12, CREATE | EXCLUSIVE, table, set, elements)
    }

    /// Removes elements that must be there. To change a map's value: delete and add in one transaction.
    pub fn delete_elements(&mut self, table: &Table, set: &Set, elements: &[Element]) -> &mut Self {
        self.elements(14, 0, table, set, elements)
    }

    /// Removes every element of a set.
    pub fn flush_set(&mut self, table: &Table, set: &str) -> &mut Self {
        self.push(14, 0, table.family, |body| {
            body.string(1, &table.name).string(2, set);
        })
    }

    fn elements(&mut self, message: u16, flags: u16, table: &Table, set: &Set, elements: &[Element]) -> &mut Self {
        let mut list = Vec::new();
        for (at, element) in elements.iter().enumerate() {
            encode::element(&mut Body::on(&mut list), set, element);
            if list.len() >= ELEMENT_LIST || at + 1 == elements.len() {
                self.push(message, flags, table.family, |body| {
                    body.string(1, &table.name).string(2, &set.name).nest(3, |body| {
                        body.raw(&list);
                    });
                });
                list.clear();
            }
        }
        self
    }

    /// Makes a counter with a name, at zero.
    pub fn add_counter(&mut self, table: &Table, name: &str) -> &mut Self {
        self.push(18, CREATE, table.family, |body| {
            body.string(1, &table.name).string(2, name).be32(3, OBJECT_COUNTER).nest(4, |body| {
                body.be64(1, 0).be64(2, 0);
            });
        })
    }

    /// Removes a counter that no rule and no map uses.
    pub fn delete_counter(&mut self, table: &Table, name: &str) -> &mut Self {
        self.push(20, 0, table.family, |body| {
            body.string(1, &table.name).string(2, name).be32(3, OBJECT_COUNTER);
        })
    }
}

/// User data that nft(8) shows as `comment "text"`: type 0, length, text, NUL. Text over 253 bytes is cut.
pub fn comment(text: &str) -> Vec<u8> {
    let mut end = text.len().min(253);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut data = vec![0, (end + 1) as u8];
    data.extend_from_slice(&text.as_bytes()[..end]);
    data.push(0);
    data
}

/// The text of user data that [`comment`] (or nft) made.
pub fn comment_text(user_data: &[u8]) -> Option<&str> {
    let mut rest = user_data;
    while let [kind, length, tail @ ..] = rest {
        let value = tail.get(..usize::from(*length))?;
        if *kind == 0 {
            return std::str::from_utf8(value.strip_suffix(&[0]).unwrap_or(value)).ok();
        }
        rest = &tail[value.len()..];
    }
    None
}
