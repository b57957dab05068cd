//! What differs between two views: the plan.

use std::collections::{BTreeMap, BTreeSet};

use super::view::{Key, Kind, Thing, Value, View, comes_along};
use super::{Action, Change};
use crate::names::own_name;

/// A plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Difference {
    /// In the order in which people read: what goes and is replaced first.
    pub changes: Vec<Change>,
    /// Things that must go: not wanted any more, or in the way of what takes their place.
    pub doomed: BTreeSet<Key>,
}

impl Difference {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// What makes `wanted` of `is`.
pub(crate) fn differences(is: &View, wanted: &View) -> Difference {
    let doomed = doomed(is, wanted);
    let show = |key: &Key| -> String {
        let one_vpc = is.vpcs <= 1 && wanted.vpcs <= 1;
        match key.0 {
            Kind::ElasticIp => {
                key.1.strip_prefix("nat ").map_or(key.1.clone(), |path| if one_vpc { own_name(path) } else { path }.to_owned())
            }
            // `web-1/nginx`: the instance belongs to a container's name, and the gateway to what is attached to it.
            Kind::Container | Kind::TransitAttachment | Kind::TransitTable => key.1.clone(),
            _ if one_vpc => own_name(&key.1).to_owned(),
            _ => key.1.clone(),
        }
    };
    let change = |action, key: &Key, detail: String| Change { action, kind: key.0.text(), name: show(key), detail };
    let mut deleted = Vec::new();
    let mut rest = Vec::new();
    let keys: BTreeSet<&Key> = is.things.keys().chain(wanted.things.keys()).collect();
    let place = |key: &Key| wanted.things.get(key).or(is.things.get(key)).map(|thing| &thing.place);
    let mut keys: Vec<&Key> = keys.into_iter().collect();
    keys.sort_by_key(|key| (key.0, place(key)));
    for key in keys {
        match (is.things.get(key), wanted.things.get(key)) {
            // What a VPC or a transit gateway brings along comes and goes without a word.
            (Some(_), None) if comes_along(key.0, &key.1) => {}
            // What is in a volume is nobody's to remove but who asks for just that.
            (Some(_), None) if key.0 == Kind::Volume => {
                rest.push(change(Action::Change, key, "not in the file any more; what is in it stays".to_owned()));
            }
            (Some(_), None) => deleted.push(change(Action::Delete, key, String::new())),
            (None, Some(_)) if comes_along(key.0, &key.1) => {}
            (None, Some(new)) => rest.push(change(Action::Create, key, new.summary.clone())),
            (Some(old), Some(new)) => match doomed.get(key) {
                Some(_) if comes_along(key.0, &key.1) => {}
                Some(why) => rest.push(change(Action::Replace, key, why.clone())),
                None => rest.extend(edits(old, new).into_iter().map(|detail| change(Action::Change, key, detail))),
            },
            (None, None) => {}
        }
    }
    // Dependents are named before what they live in, as they go.
    deleted.reverse();
    deleted.extend(rest);
    Difference { changes: deleted, doomed: doomed.into_keys().collect() }
}

/// What cannot stay, with the reason.
fn doomed(is: &View, wanted: &View) -> BTreeMap<Key, String> {
    let mut doomed: BTreeMap<Key, String> = BTreeMap::new();
    let moves = is.region.is_some() && wanted.region.is_some() && is.region != wanted.region;
    for (key, old) in &is.things {
        let why = match wanted.things.get(key) {
            None => Some(String::new()),
            // Quotas, outside places and lans belong to no region.
            Some(_) if moves && !matches!(key.0, Kind::Quota | Kind::Outside | Kind::Lan | Kind::LanDevice(_)) => {
                Some(format!("region: {}", wanted.region.as_ref().map_or(String::new(), |region| region.to_string())))
            }
            Some(new) if old.fixed != new.fixed => Some(fixed_differences(old, new)),
            Some(_) => None,
        };
        if let Some(why) = why {
            doomed.insert(key.clone(), why);
        }
    }
    loop {
        let mut more = BTreeMap::new();
        for (key, old) in is.things.iter().filter(|(key, _)| !doomed.contains_key(*key)) {
            if let Some((kind, name)) = old.lives_in.iter().find(|home| doomed.contains_key(*home)) {
                let name = if is.vpcs <= 1 { own_name(name) } else { name };
                more.insert(key.clone(), format!("{} {name} is replaced", kind.text()));
            } else if !old.stands_on.is_empty() && old.stands_on.iter().all(|ground| doomed.contains_key(ground)) {
                let mut names = old.stands_on.iter().map(|(_, name)| own_name(name));
                let kind = old.stands_on.iter().next().map_or("", |(kind, _)| kind.text());
                let why = match (names.next(), names.next()) {
                    (Some(only), None) => format!("{kind} {only} does not stay"),
                    _ => format!("no {kind} of it stays"),
                };
                more.insert(key.clone(), why);
            }
        }
        if more.is_empty() {
            return doomed;
        }
        doomed.extend(more);
    }
}

fn fixed_differences(old: &Thing, new: &Thing) -> String {
    let names: BTreeSet<&String> = old.fixed.keys().chain(new.fixed.keys()).collect();
    let texts = names.into_iter().filter_map(|name| edit(name, old.fixed.get(name), new.fixed.get(name)));
    texts.collect::<Vec<_>>().join(", ")
}

fn edits(old: &Thing, new: &Thing) -> Vec<String> {
    let names: BTreeSet<&String> = old.open.keys().chain(new.open.keys()).collect();
    names.into_iter().filter_map(|name| edit(name, old.open.get(name), new.open.get(name))).collect()
}

fn edit(name: &str, old: Option<&Value>, new: Option<&Value>) -> Option<String> {
    match (old, new) {
        (old, new) if old == new => None,
        (Some(Value::Text(old) | Value::Address(_, old)), Some(Value::Text(new) | Value::Address(_, new))) => {
            Some(format!("{name}: {old} → {new}"))
        }
        (None, Some(Value::Text(new))) => Some(format!("+ {name} {new}")),
        (Some(Value::Text(old)), None) => Some(format!("- {name} {old}")),
        (None, Some(Value::Listed)) => Some(format!("+ {name}")),
        (Some(Value::Listed), None) => Some(format!("- {name}")),
        _ => Some(name.to_owned()),
    }
}
