//! Which pairs a change opens or closes: everybody's reach before and after it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fabric::Fabric;
use fabric::engine::Sender;
use model::Model;
use model::selector::End;

use super::{Question, view};
use crate::place::{Place, PlaceIndex};
use crate::reach::{Options, Reach};
use crate::who::{natural, products, short};

/// Pairs that are asked at most; more take too long for a command.
pub(super) const MOST_PLACES: usize = 1_500;
/// Products that are named one by one.
const NAMED: usize = 2;

/// A place by what it keeps when the cloud changes: id or address.
type Key = String;

/// Who reaches whom, where there are not too many.
pub(super) fn reach(fabric: &Fabric, options: Options) -> Option<Reach> {
    (!is_large(fabric))
        .then(|| Reach::of(fabric, options).ok())
        .flatten()
}

/// Whether there are more places than are asked.
pub(super) fn is_large(fabric: &Fabric) -> bool {
    Place::all(fabric).len() > MOST_PLACES
}

fn key(fabric: &Fabric, place: Place) -> Key {
    match place {
        Place::Interface(interface) => fabric.interfaces[interface].id.to_string(),
        Place::Ipv6(interface) => format!("{} (IPv6)", fabric.interfaces[interface].id),
        Place::Outside(_, address) | Place::Internet(address) => address.to_string(),
    }
}

/// Pairs that can say more to each other in the second cloud than in the first.
pub(super) fn opened(
    before: (&Fabric, &Reach),
    after: (&Fabric, &Reach),
    question: &Question,
) -> view::Exposure {
    let old: BTreeMap<Key, PlaceIndex> = before
        .1
        .indices()
        .map(|(index, place)| (key(before.0, place), index))
        .collect();
    let all: Vec<(PlaceIndex, Key)> = after
        .1
        .indices()
        .map(|(index, place)| (index, key(after.0, place)))
        .collect();
    let class = |reach: &Reach, place: Option<PlaceIndex>| place.map(|place| reach.class_of(place));
    // Pairs of the same classes in both clouds fare alike.
    let mut known: HashMap<_, bool> = HashMap::new();
    let mut grown: BTreeSet<(PlaceIndex, PlaceIndex)> = BTreeSet::new();
    for (from, from_key) in &all {
        let old_from = old.get(from_key).copied();
        for (to, to_key) in all.iter().filter(|(to, _)| to != from) {
            let old_to = old.get(to_key).copied();
            let classes = (
                (class(after.1, Some(*from)), class(after.1, Some(*to))),
                (class(before.1, old_from), class(before.1, old_to)),
            );
            let grows = known.entry(classes).or_insert_with(|| {
                let was = old_from.zip(old_to);
                let was = was
                    .map(|(from, to)| before.1.between(from, to).both)
                    .unwrap_or_default();
                !after.1.between(*from, *to).both.is_subset(&was)
            });
            if *grows {
                grown.insert((*from, *to));
            }
        }
    }
    let (this_from, this_to) = this_pair(question);
    let find = |wanted: &Key| {
        all.iter()
            .find(|(_, key)| key == wanted)
            .map(|(index, _)| *index)
    };
    let this = find(&this_from).zip(find(&this_to));
    let with_this = this.is_some_and(|pair| grown.contains(&pair));
    let is_this = |pair: &(PlaceIndex, PlaceIndex)| {
        this.is_some_and(|(from, to)| *pair == (from, to) || *pair == (to, from))
    };
    view::Exposure {
        pairs: grown.len(),
        only_this: with_this && grown.iter().all(is_this),
        with_this,
        label: label(&grown, after),
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

/// `4 web x 3 db; internet x 2 web; …`, the largest first.
fn label(pairs: &BTreeSet<(PlaceIndex, PlaceIndex)>, cloud: (&Fabric, &Reach)) -> String {
    let names: Vec<String> = cloud
        .1
        .places()
        .iter()
        .map(|place| place.name(cloud.0))
        .collect();
    let short_of = |places: &BTreeSet<PlaceIndex>| {
        let mut sorted: Vec<&str> = places
            .iter()
            .map(|place| names[place.0 as usize].as_str())
            .collect();
        sorted.sort_by_key(|name| natural(name));
        match (short(&sorted), group(places, cloud)) {
            (text, Some(group)) if text.ends_with(" places") => {
                format!("{} sg:{group}", sorted.len())
            }
            (text, _) => text,
        }
    };
    let mut all = products(pairs.iter().copied());
    all.sort_by_key(|(from, to)| std::cmp::Reverse(from.len() * to.len()));
    // A product and its mirror image are told once.
    let mut told: Vec<(BTreeSet<PlaceIndex>, BTreeSet<PlaceIndex>, bool)> = Vec::new();
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
    let text = |(from, to, both): &(BTreeSet<PlaceIndex>, BTreeSet<PlaceIndex>, bool)| match (
        from == to,
        both,
    ) {
        (true, _) if from.len() == 2 => {
            let both: Vec<&str> = from
                .iter()
                .map(|place| names[place.0 as usize].as_str())
                .collect();
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

/// The group whose members some places are, all of them.
fn group<'f>(places: &BTreeSet<PlaceIndex>, cloud: (&'f Fabric, &Reach)) -> Option<&'f str> {
    let (fabric, reach) = cloud;
    let interface = |place: &PlaceIndex| match reach.places()[place.0 as usize] {
        Place::Interface(index) => Some(index),
        _ => None,
    };
    let interfaces: BTreeSet<_> = places.iter().map(interface).collect::<Option<_>>()?;
    let is_whole = |group: &&fabric::SecurityGroup| {
        group.members.len() == interfaces.len()
            && group.members.iter().all(|m| interfaces.contains(m))
    };
    fabric
        .groups
        .values()
        .find(is_whole)
        .map(|group| group.name.as_str())
}

/// The model, compiled, and everybody's reach in it.
pub(super) fn proved(model: &Model, options: Options) -> Option<(Fabric, Reach)> {
    let fabric = Fabric::compile(model);
    let reach = reach(&fabric, options)?;
    Some((fabric, reach))
}
