//! What must change in the kernel to get from one plan to the next: pure, in an order in which no packet of an unaffected
//! flow is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use netlink::nft::{self, Chain, Element, Expr, Set};
use netlink::rtnl::link::BridgeSettings;

use crate::plan::{Address, Namespace, Plan, Route, Rule, Table, Veth};

/// Everything that changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Namespaces that appear: key, and whether an instance lives there.
    pub new_namespaces: Vec<(String, bool)>,
    /// Namespaces that go, with all that is in them.
    pub gone_namespaces: Vec<String>,
    /// Links that appear.
    pub new_links: Vec<Veth>,
    /// Links that stay and are set anew: up or down, rate, delay.
    pub changed_links: Vec<Veth>,
    /// Links that go (those of vanished namespaces go by themselves).
    pub gone_links: Vec<Veth>,
    /// What changes inside the namespaces that stay or appear.
    pub inside: BTreeMap<String, NamespaceChanges>,
}

/// What changes in one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamespaceChanges {
    /// Values to write under `/proc/sys`.
    pub sysctls: Vec<(String, String)>,
    /// Bridges to make (`true`) or to set anew.
    pub bridges: Vec<(String, BridgeSettings, bool)>,
    /// Addresses to add and to remove.
    pub addresses: Difference<Address>,
    /// Routes to add and to remove.
    pub routes: Difference<Route>,
    /// Routes that take another's place under the same key.
    pub replaced_routes: Vec<Route>,
    /// Rules to add and to remove.
    pub rules: Difference<Rule>,
    /// Neighbours to add or change, and to remove.
    pub neighbours: Difference<(String, IpAddr, [u8; 6])>,
    /// Tables.
    pub tables: Vec<(nft::Table, TableChanges)>,
}

/// What appears and what goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference<T> {
    /// What appears.
    pub new: Vec<T>,
    /// What goes.
    pub gone: Vec<T>,
}

impl<T> Default for Difference<T> {
    fn default() -> Self {
        Self { new: Vec::new(), gone: Vec::new() }
    }
}

impl<T: Ord + Clone> Difference<T> {
    fn between(old: &BTreeSet<T>, new: &BTreeSet<T>) -> Self {
        Self { new: new.difference(old).cloned().collect(), gone: old.difference(new).cloned().collect() }
    }
}

/// What changes in one nf_tables table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableChanges {
    /// The table itself is new.
    pub is_new: bool,
    /// The table goes; nothing else matters then.
    pub is_gone: bool,
    /// Sets that appear.
    pub new_sets: Vec<Set>,
    /// Sets that go.
    pub gone_sets: Vec<String>,
    /// Elements to add and to remove, set by set.
    pub elements: Vec<(Set, Vec<Element>, Vec<Element>)>,
    /// Chains that appear.
    pub new_chains: Vec<Chain>,
    /// Chains whose rules are set anew, the new ones too.
    pub rules: Vec<(String, bool, Vec<Vec<Expr>>)>,
    /// Chains that go.
    pub gone_chains: Vec<Chain>,
}

impl Changes {
    /// From `old` to `new`.
    pub fn between(old: &Plan, new: &Plan) -> Changes {
        let mut changes = Changes::default();
        for (key, namespace) in &new.namespaces {
            if !old.namespaces.contains_key(key) {
                changes.new_namespaces.push((key.clone(), namespace.is_instance));
            }
        }
        let stays = |key: &String| new.namespaces.contains_key(key);
        changes.gone_namespaces = old.namespaces.keys().filter(|key| !stays(key)).cloned().collect();
        for (key, link) in &new.links {
            match old.links.get(key) {
                Some(same) if same == link => {}
                Some(other) if other.can_become(link) => changes.changed_links.push(link.clone()),
                Some(other) => {
                    changes.gone_links.push(other.clone());
                    changes.new_links.push(link.clone());
                }
                None => changes.new_links.push(link.clone()),
            }
        }
        let gone = old.links.iter().filter(|(key, link)| {
            !new.links.contains_key(*key) && stays(&link.near.namespace) && stays(&link.far.namespace)
        });
        changes.gone_links.extend(gone.map(|(_, link)| link.clone()));
        // What hung on a link that is made anew has gone with the old one.
        let reborn: BTreeSet<(&str, &str)> = changes
            .new_links
            .iter()
            .flat_map(|link| [&link.near, &link.far])
            .map(|end| (end.namespace.as_str(), end.name.as_str()))
            .collect();
        let empty = Arc::new(Namespace::default());
        for (key, namespace) in &new.namespaces {
            let before = old.namespaces.get(key).unwrap_or(&empty);
            // Most are as they were; to say so costs far less than to take differences of everything that they hold.
            let is_reborn = reborn.range((key.as_str(), "")..).next().is_some_and(|(place, _)| place == key);
            if before == namespace && !is_reborn {
                continue;
            }
            let inside = NamespaceChanges::between(key, before, namespace, &reborn);
            if inside != NamespaceChanges::default() {
                changes.inside.insert(key.clone(), inside);
            }
        }
        changes
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }

    /// Addresses that leave a router: what conntrack knows of them must go, lest a later holder inherit it.
    pub fn orphaned(&self) -> BTreeMap<String, Vec<IpAddr>> {
        let mut orphaned = BTreeMap::new();
        for (key, inside) in &self.inside {
            let came: BTreeSet<IpAddr> = inside.neighbours.new.iter().map(|(_, address, _)| *address).collect();
            let gone = inside.neighbours.gone.iter().map(|(_, address, _)| *address);
            let addresses: Vec<IpAddr> = gone.chain(came).collect();
            if key.starts_with("vpc/") && !addresses.is_empty() {
                orphaned.insert(key.clone(), addresses);
            }
        }
        orphaned
    }
}

impl NamespaceChanges {
    fn between(key: &str, old: &Namespace, new: &Namespace, reborn: &BTreeSet<(&str, &str)>) -> Self {
        let is_reborn = |device: &str| reborn.contains(&(key, device));
        let sysctls = new
            .sysctls
            .iter()
            .filter(|(path, value)| old.sysctls.get(*path) != Some(*value))
            .map(|(path, value)| (path.clone(), value.clone()))
            .collect();
        let bridges = new.bridges.iter().filter(|(name, bridge)| old.bridges.get(*name) != Some(*bridge));
        let bridges = bridges.map(|(name, bridge)| (name.clone(), *bridge, !old.bridges.contains_key(name))).collect();
        let addresses: BTreeSet<Address> = old.addresses.iter().filter(|a| !is_reborn(&a.device)).cloned().collect();
        let old_routes: BTreeSet<Route> =
            old.routes.iter().filter(|r| r.device().is_none_or(|device| !is_reborn(device))).cloned().collect();
        let mut routes = Difference::between(&old_routes, &new.routes);
        let gone: BTreeSet<_> = routes.gone.iter().map(Route::key).collect();
        let (replaced, added): (Vec<Route>, Vec<Route>) = routes.new.into_iter().partition(|r| gone.contains(&r.key()));
        let kept: BTreeSet<_> = replaced.iter().map(Route::key).collect();
        routes.new = added;
        routes.gone.retain(|route| !kept.contains(&route.key()));
        let flat = |namespace: &Namespace| -> BTreeSet<(String, IpAddr, [u8; 6])> {
            namespace.neighbours.iter().map(|((device, address), mac)| (device.clone(), *address, *mac)).collect()
        };
        let old_neighbours = flat(old).into_iter().filter(|(device, ..)| !is_reborn(device)).collect();
        let mut tables = Vec::new();
        let no_table = Table::default();
        for (name, table) in &new.tables {
            let before = old.tables.get(name);
            let mut changes = TableChanges::between(before.unwrap_or(&no_table), table, |device| is_reborn(device));
            changes.is_new = before.is_none();
            if changes != TableChanges::default() {
                tables.push((name.clone(), changes));
            }
        }
        for name in old.tables.keys().filter(|name| !new.tables.contains_key(*name)) {
            tables.push((name.clone(), TableChanges { is_gone: true, ..TableChanges::default() }));
        }
        Self {
            sysctls,
            bridges,
            addresses: Difference::between(&addresses, &new.addresses),
            routes,
            replaced_routes: replaced,
            rules: Difference::between(&old.rules, &new.rules),
            neighbours: Difference::between(&old_neighbours, &flat(new)),
            tables,
        }
    }
}

impl TableChanges {
    fn between(old: &Table, new: &Table, is_reborn: impl Fn(&str) -> bool) -> Self {
        let mut changes = TableChanges::default();
        for (name, (set, elements)) in &new.sets {
            let before = old.sets.get(name).map(|(_, elements)| elements);
            if before.is_none() {
                changes.new_sets.push(set.clone());
            }
            let empty = BTreeMap::new();
            let before = before.unwrap_or(&empty);
            let added = elements.iter().filter(|(key, element)| before.get(*key) != Some(*element));
            let removed = before.iter().filter(|(key, element)| elements.get(*key) != Some(*element));
            let added: Vec<Element> = added.map(|(_, element)| element.clone()).collect();
            let removed: Vec<Element> = removed.map(|(_, element)| element.clone()).collect();
            if !added.is_empty() || !removed.is_empty() {
                changes.elements.push((set.clone(), added, removed));
            }
        }
        changes.gone_sets = old.sets.keys().filter(|name| !new.sets.contains_key(*name)).cloned().collect();
        for (name, (chain, rules)) in &new.chains {
            let before = old.chains.get(name);
            let hangs_on_reborn = chain.devices.iter().any(|device| is_reborn(device));
            match before {
                Some((same, same_rules)) if same == chain && !hangs_on_reborn => {
                    if same_rules != rules {
                        changes.rules.push((name.clone(), true, rules.to_vec()));
                    }
                }
                Some((other, _)) => {
                    changes.gone_chains.push(other.clone());
                    changes.new_chains.push(chain.clone());
                    changes.rules.push((name.clone(), false, rules.to_vec()));
                }
                None => {
                    changes.new_chains.push(chain.clone());
                    changes.rules.push((name.clone(), false, rules.to_vec()));
                }
            }
        }
        let gone = old.chains.iter().filter(|(name, _)| !new.chains.contains_key(*name));
        changes.gone_chains.extend(gone.map(|(_, (chain, _))| chain.clone()));
        changes
    }
}

impl TableChanges {
    /// How much this is, in rules and elements.
    pub fn size(&self) -> usize {
        let elements: usize = self.elements.iter().map(|(_, added, removed)| added.len() + removed.len()).sum();
        let rules: usize = self.rules.iter().map(|(_, _, rules)| rules.len()).sum();
        elements + 4 * rules + self.new_chains.len() + self.new_sets.len()
    }
}
