//! Which pairs a change opens or closes: everybody's reach before and after it.

use std::collections::{BTreeMap, BTreeSet};

use fabric::Fabric;
use fabric::engine::Sender;
use model::Model;
use model::selector::End;

use super::{Question, view};
use crate::place::Place;
use crate::reach::{Options, Reach};
use crate::traffic::TrafficSet;
use crate::who::{natural, products, short};

/// Pairs that are asked at most; more take too long for a command.
const MOST_PLACES: usize = 600;
/// Products that are named one by one.
const NAMED: usize = 2;

/// A place by what it keeps when the cloud changes: id or address.
type Key = String;

/// Who reaches whom, where there are not too many.
pub(super) fn reach(fabric: &Fabric, options: Options) -> Option<Reach> {
    (Place::all(fabric).len() <= MOST_PLACES)
        .then(|| Reach::of(fabric, options).ok())
        .flatten()
}

fn key(fabric: &Fabric, place: Place) -> Key {
    match place {
        Place::Interface(interface) => fabric.interfaces[interface].id.to_string(),
        Place::Outside(_, address) | Place::Internet(address) => address.to_string(),
    }
}

fn pairs(fabric: &Fabric, reach: &Reach) -> BTreeMap<(Key, Key), TrafficSet> {
    let mut pairs = BTreeMap::new();
    for (from, source) in reach.indices() {
        for (to, destination) in reach.indices() {
            let both = reach.between(from, to).both;
            if !both.is_empty() {
                pairs.insert((key(fabric, source), key(fabric, destination)), both);
            }
        }
    }
    pairs
}

/// Pairs that can say more to each other in the second cloud than in the first.
pub(super) fn opened(
    before: (&Fabric, &Reach),
    after: (&Fabric, &Reach),
    question: &Question,
) -> view::Exposure {
    let old = pairs(before.0, before.1);
    let new = pairs(after.0, after.1);
    let grows =
        |pair: &(Key, Key), now: &TrafficSet| old.get(pair).is_none_or(|was| !now.is_subset(was));
    let grown: BTreeSet<(Key, Key)> = new
        .iter()
        .filter(|(pair, now)| grows(pair, now))
        .map(|(pair, _)| pair.clone())
        .collect();
    let this = this_pair(question);
    let reverse = (this.1.clone(), this.0.clone());
    // Both clouds know the names; a place that only one has is named by it.
    let mut names: BTreeMap<Key, String> = BTreeMap::new();
    for (fabric, reach) in [after, before] {
        for place in reach.places() {
            names.insert(key(fabric, *place), place.name(fabric));
        }
    }
    let with_this = grown.contains(&this);
    view::Exposure {
        pairs: grown.len(),
        only_this: with_this && grown.iter().all(|pair| *pair == this || *pair == reverse),
        with_this,
        label: label(&grown, &names),
    }
}

fn this_pair(question: &Question) -> (Key, Key) {
    let from = match &question.from {
        Sender::Interface(id) | Sender::Container(id) => id.to_string(),
        Sender::Outside(address) => address.to_string(),
    };
    let to = match &question.to {
        End::Interface { interface, .. } => interface.to_string(),
        End::Address(address) => address.to_string(),
        other => format!("{other:?}"),
    };
    (from, to)
}

/// `4 web x 3 db, internet x 2 web, …`, the largest first.
fn label(pairs: &BTreeSet<(Key, Key)>, names: &BTreeMap<Key, String>) -> String {
    fn name<'n>(names: &'n BTreeMap<Key, String>, key: &'n Key) -> &'n str {
        names.get(key).map_or(key.as_str(), String::as_str)
    }
    let short_of = |keys: &BTreeSet<&str>| {
        let mut sorted: Vec<&str> = keys.iter().copied().collect();
        sorted.sort_by_key(|name| natural(name));
        short(&sorted)
    };
    let named: BTreeSet<(&str, &str)> = pairs
        .iter()
        .map(|(from, to)| (name(names, from), name(names, to)))
        .collect();
    let mut all = products(named);
    all.sort_by_key(|(from, to)| std::cmp::Reverse(from.len() * to.len()));
    // A product and its mirror image are told once.
    let mut told: Vec<(BTreeSet<&str>, BTreeSet<&str>, bool)> = Vec::new();
    for (from, to) in all {
        match told
            .iter_mut()
            .find(|(a, b, _)| *a == to && *b == from && from != to)
        {
            Some((.., both)) => *both = true,
            None => told.push((from, to, false)),
        }
    }
    let more = told.len().saturating_sub(NAMED);
    let text = |(from, to, both): &(BTreeSet<&str>, BTreeSet<&str>, bool)| match (from == to, both)
    {
        (true, _) if from.len() == 2 => {
            let both: Vec<&str> = from.iter().copied().collect();
            format!("{}, both ways", both.join(" x "))
        }
        (true, _) => format!("{} among themselves", short_of(from)),
        (false, true) => format!("{} x {}, both ways", short_of(from), short_of(to)),
        (false, false) => format!("{} x {}", short_of(from), short_of(to)),
    };
    let mut texts: Vec<String> = told.iter().take(NAMED).map(text).collect();
    if more > 0 {
        texts.push("…".to_owned());
    }
    texts.join("; ")
}

/// The model, compiled, and everybody's reach in it.
pub(super) fn proved(model: &Model, options: Options) -> Option<(Fabric, Reach)> {
    let fabric = Fabric::compile(model);
    let reach = reach(&fabric, options)?;
    Some((fabric, reach))
}
