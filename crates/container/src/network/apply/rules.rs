//! Tables, chains, rules and maps: what differs, in one transaction where it fits.

use std::collections::BTreeMap;

use netlink::nft::{
    Chain, Data, Element, Family, Key, Position, SetData, Table, TableFlags, Transaction, Verdict,
    comment_text, dump,
};
use netlink::{Protocol, Socket};

use super::Namespaces;
use crate::network::error::{Error, Result};
use crate::network::firewall::{
    Devices, FAMILIES, PUBLISH, Rule, RuleSet, TABLE, device_key, policy_of,
};
use crate::network::plan::Plan;

/// Of more rules than this one transaction may be too large for a socket without privileges (about 1,180 fit).
const RULES_AT_ONCE: usize = 600;

/// An empty chain that is there while connections may be remembered that contradict the plan: it comes in the transaction
/// that makes them so and goes when they are forgotten, whoever dies in between.
const STALE_FLOWS: &str = "stale-flows";

/// What became of rules.
pub struct Rules {
    /// How many changes.
    pub changes: usize,
    /// Connections may be remembered that contradict the plan.
    pub has_stale_flows: bool,
}

/// Makes the tables as planned. `loses_some`: containers or networks will go.
pub fn apply(
    namespaces: &mut impl Namespaces,
    key: &str,
    plan: &Plan,
    loses_some: bool,
) -> Result<Rules> {
    let socket = namespaces.socket(key, Protocol::Netfilter)?;
    bring(socket, &plan.tables, Some(loses_some)).map_err(Error::kernel(key))
}

/// Connections have been looked through.
pub fn settle(namespaces: &mut impl Namespaces, key: &str, plan: &Plan) -> Result<()> {
    let table = Table::new(Family::Ip, TABLE);
    if !plan.tables.contains_key(&table) {
        return Ok(());
    }
    let mut transaction = Transaction::new();
    transaction.delete_chain(&table, STALE_FLOWS);
    let socket = namespaces.socket(key, Protocol::Netfilter)?;
    transaction.commit(socket).map_err(Error::kernel(key))
}

/// Makes our tables in the namespace of a socket as wanted; those that are not wanted go. `loses_some` is for instances:
/// elsewhere nobody looks through connections.
pub fn bring(
    socket: &mut Socket,
    wanted: &BTreeMap<Table, RuleSet>,
    loses_some: Option<bool>,
) -> std::result::Result<Rules, netlink::Error> {
    let there = dump::tables(socket)?;
    let mut change = Change::new(socket, wanted)?;
    change.has_stale_flows = loses_some.unwrap_or(false);
    let mut is_noted = false;
    for family in FAMILIES {
        let table = Table::new(family, TABLE);
        let is_there = there.contains(&table);
        match wanted.get(&table) {
            None if is_there => {
                change.transaction.delete_table(&table);
            }
            None => {}
            Some(rules) if !is_there => change.create(&table, rules)?,
            Some(rules) => {
                let found = Found::read(change.socket, &table)?;
                is_noted |= found.chains.contains_key(STALE_FLOWS);
                if found.has_other_hooks(rules) {
                    // A base chain cannot move: the table is made anew.
                    change.transaction.delete_table(&table);
                    change.create(&table, rules)?;
                } else {
                    change.difference(&table, &found, rules)?;
                }
            }
        }
    }
    let changes = change.made + change.transaction.len();
    let has_stale_flows = loses_some.is_some() && (change.has_stale_flows || is_noted);
    let table = Table::new(Family::Ip, TABLE);
    if has_stale_flows && wanted.contains_key(&table) {
        let chain = Chain::new(STALE_FLOWS);
        change.transaction.add_chain(&table, &chain);
    }
    change.commit()?;
    Ok(Rules {
        changes,
        has_stale_flows,
    })
}

/// What a table holds.
#[derive(Default)]
struct Found {
    /// Handle and user data of each rule, in order, by chain.
    chains: BTreeMap<String, Vec<(u64, Vec<u8>)>>,
    hooks: BTreeMap<String, Option<(u32, i32)>>,
    devices: BTreeMap<String, BTreeMap<Vec<u8>, Option<Verdict>>>,
}

impl Found {
    fn read(socket: &mut Socket, table: &Table) -> std::result::Result<Found, netlink::Error> {
        let mut found = Found::default();
        for chain in dump::chains(socket, table)? {
            found.chains.insert(chain.name.clone(), Vec::new());
            found.hooks.insert(chain.name, chain.hook);
        }
        for rule in dump::rules(socket, table, None)? {
            found
                .chains
                .entry(rule.chain)
                .or_default()
                .push((rule.handle, rule.user_data));
        }
        for set in dump::sets(socket, table)? {
            let elements = dump::elements(socket, table, &set)?;
            let elements = elements.into_iter().map(|element| {
                let verdict = match element.data {
                    Some(Data::Verdict(verdict)) => Some(verdict),
                    _ => None,
                };
                (element.key, verdict)
            });
            found.devices.insert(set, elements.collect());
        }
        Ok(found)
    }

    fn has_other_hooks(&self, wanted: &RuleSet) -> bool {
        wanted.chains.iter().any(|(name, (chain, _))| {
            // No name of ours is ever given to a chain of another hook; only older versions may have another priority.
            let wanted = chain.hook.map(|(_, priority)| priority);
            let found = self.hooks.get(name);
            found.is_some_and(|found| found.map(|(_, priority)| priority) != wanted)
        })
    }
}

/// A transaction under way, or the last of several.
struct Change<'a> {
    socket: &'a mut Socket,
    transaction: Transaction,
    limit: usize,
    made: usize,
    has_stale_flows: bool,
}

impl<'a> Change<'a> {
    fn new(
        socket: &'a mut Socket,
        wanted: &BTreeMap<Table, RuleSet>,
    ) -> std::result::Result<Change<'a>, netlink::Error> {
        let rules: usize = wanted
            .values()
            .flat_map(|table| table.chains.values())
            .map(|(_, rules)| rules.len())
            .sum();
        let limit = if rules <= RULES_AT_ONCE {
            usize::MAX
        } else {
            socket.send_capacity()? / 2
        };
        Ok(Change {
            socket,
            transaction: Transaction::new(),
            limit,
            made: 0,
            has_stale_flows: false,
        })
    }

    fn commit(&mut self) -> std::result::Result<(), netlink::Error> {
        self.made += self.transaction.len();
        self.transaction.commit(self.socket)?;
        self.transaction = Transaction::new();
        Ok(())
    }

    fn commit_when_large(&mut self) -> std::result::Result<(), netlink::Error> {
        if self.transaction.byte_len() > self.limit {
            self.commit()?;
        }
        Ok(())
    }

    fn create(
        &mut self,
        table: &Table,
        rules: &RuleSet,
    ) -> std::result::Result<(), netlink::Error> {
        // Nobody knows what went before.
        self.has_stale_flows = true;
        self.transaction.add_table(table, TableFlags::default());
        self.difference(table, &Found::default(), rules)
    }

    fn difference(
        &mut self,
        table: &Table,
        found: &Found,
        wanted: &RuleSet,
    ) -> std::result::Result<(), netlink::Error> {
        for (name, devices) in &wanted.devices {
            if !found.devices.contains_key(name) {
                self.transaction.add_set(table, &devices.set);
            }
        }
        for (name, (chain, _)) in &wanted.chains {
            if !found.chains.contains_key(name) {
                self.transaction.add_chain(table, chain);
            }
        }
        let is_map = |devices: &Devices| devices.set.data == Some(SetData::Verdict);
        // Sets before the rules that ask them; verdict maps after the chains that they lead to are filled.
        for devices in wanted.devices.values().filter(|devices| !is_map(devices)) {
            self.elements(table, found, devices);
        }
        for (name, (_, rules)) in &wanted.chains {
            let there = found.chains.get(name).map_or(&[][..], Vec::as_slice);
            self.rules(table, name, there, rules)?;
        }
        for devices in wanted.devices.values().filter(|devices| is_map(devices)) {
            self.elements(table, found, devices);
            self.commit_when_large()?;
        }
        let chains = || {
            found
                .chains
                .keys()
                .filter(|name| !wanted.chains.contains_key(*name) && *name != STALE_FLOWS)
        };
        for (name, elements) in &found.devices {
            if !wanted.devices.contains_key(name) {
                // What it leads to can only go when it leads nowhere.
                if !elements.is_empty() {
                    self.transaction.flush_set(table, name);
                }
                self.transaction.delete_set(table, name);
            }
        }
        for name in chains() {
            self.transaction.flush_chain(table, name);
        }
        for name in chains() {
            self.transaction.delete_chain(table, name);
        }
        Ok(())
    }

    /// Removes what is not planned and adds what is not there, in its place: rules that stay keep what they have counted.
    fn rules(
        &mut self,
        table: &Table,
        chain: &str,
        there: &[(u64, Vec<u8>)],
        rules: &[Rule],
    ) -> std::result::Result<(), netlink::Error> {
        let planned: Vec<Vec<u8>> = rules.iter().map(Rule::user_data).collect();
        let places: BTreeMap<&[u8], usize> = (0..)
            .zip(&planned)
            .map(|(place, rule)| (rule.as_slice(), place))
            .collect();
        // Handles of the rules that stay, by their place in the plan: those of them that are in its order.
        let mut stays: BTreeMap<usize, u64> = BTreeMap::new();
        for (handle, rule) in there {
            let place = places.get(rule.as_slice()).copied();
            let last = stays.last_key_value().map(|(last, _)| *last);
            match place.filter(|place| last.is_none_or(|last| *place > last)) {
                Some(place) => drop(stays.insert(place, *handle)),
                None => {
                    let text = comment_text(rule).unwrap_or_default();
                    self.has_stale_flows |= leads_datagrams(chain, text);
                    self.transaction.delete_rule(table, chain, *handle);
                }
            }
        }
        for (place, (rule, user_data)) in rules.iter().zip(&planned).enumerate() {
            if stays.contains_key(&place) {
                continue;
            }
            let next = stays.range(place..).next();
            let position = next.map_or(Position::Last, |(_, handle)| Position::Before(*handle));
            let expressions = &rule.expressions;
            self.has_stale_flows |= leads_datagrams(chain, &rule.comment);
            self.transaction
                .add_rule(table, chain, position, expressions, user_data);
            self.commit_when_large()?;
        }
        Ok(())
    }

    fn elements(&mut self, table: &Table, found: &Found, wanted: &Devices) {
        let nothing = BTreeMap::new();
        let there = found.devices.get(&wanted.set.name).unwrap_or(&nothing);
        let planned: BTreeMap<Vec<u8>, Option<Verdict>> = wanted
            .elements
            .iter()
            .map(|(name, verdict)| (device_key(name), verdict.clone()))
            .collect();
        let element = |(key, verdict): (&Vec<u8>, &Option<Verdict>)| Element {
            key: Key::Exact(key.clone()),
            data: verdict.clone().map(Data::Verdict),
            timeout: None,
            expires: None,
            expressions: Vec::new(),
        };
        let gone: Vec<Element> = there
            .iter()
            .filter(|(key, verdict)| planned.get(*key) != Some(*verdict))
            .map(element)
            .collect();
        let new: Vec<Element> = planned
            .iter()
            .filter(|(key, verdict)| there.get(*key) != Some(*verdict))
            .map(element)
            .collect();
        if !gone.is_empty() {
            self.transaction.delete_elements(table, &wanted.set, &gone);
        }
        if !new.is_empty() {
            self.transaction.add_elements(table, &wanted.set, &new);
        }
    }
}

/// Whether a rule leads datagrams to a container: their flows last while packets come, whatever the rules are by then.
fn leads_datagrams(chain: &str, comment: &str) -> bool {
    chain == PUBLISH && policy_of(comment).is_some_and(|(_, subject)| subject.contains("/udp/"))
}
