//! Who can reach somebody, what somebody can reach, and how many places that behave alike become one line.

mod likeness;

use std::collections::{BTreeMap, BTreeSet};

use fabric::engine::EngineError;
use serde::Serialize;

use crate::claim::{Party, Prover, is_pair};
use crate::traffic::TrafficSet;

pub use likeness::{alike, label, natural, products, short};

/// The same requests for every pair of some senders with some receivers, nobody paired with himself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Who sends, those outside last.
    pub from: Vec<String>,
    /// Who receives, those outside last.
    pub to: Vec<String>,
    /// What arrives.
    pub traffic: TrafficSet,
    /// Whether the answers arrive as well.
    pub answered: bool,
}

/// What passes from some to others, of what was asked for; those whom the same reaches are together, in the order in
/// which they were given.
pub fn routes(
    prover: &Prover,
    from: &[Party],
    to: &[Party],
    wanted: &TrafficSet,
) -> Result<Vec<Route>, EngineError> {
    let mut kinds: BTreeMap<(TrafficSet, bool, bool), Vec<(usize, usize)>> = BTreeMap::new();
    // One numbering for both, so that those who all reach each other are one line.
    let mut names: Vec<&str> = Vec::new();
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for party in from.iter().chain(to) {
        numbers.entry(&party.name).or_insert_with(|| {
            names.push(&party.name);
            names.len() - 1
        });
    }
    for sender in from {
        for receiver in to.iter().filter(|receiver| is_pair(sender, receiver)) {
            let between = prover.between(sender, receiver)?;
            let wanted = &wanted.over(receiver.family());
            let answered = between.both.intersection(wanted);
            let lost = between
                .request
                .difference(&between.both)
                .intersection(wanted);
            let pair = (
                numbers[sender.name.as_str()],
                numbers[receiver.name.as_str()],
            );
            for (traffic, is_answered) in [(answered, true), (lost, false)] {
                if !traffic.is_empty() {
                    // Whoever comes from outside is said apart.
                    let key = (traffic, is_answered, sender.is_outside());
                    kinds.entry(key).or_default().push(pair);
                }
            }
        }
    }
    let mut routes: Vec<((usize, usize), Route)> = Vec::new();
    for ((traffic, answered, _), pairs) in kinds {
        for (from, to) in products(pairs) {
            let named = |set: &BTreeSet<usize>| set.iter().map(|i| names[*i].to_owned()).collect();
            let first = |set: &BTreeSet<usize>| set.first().copied().unwrap_or_default();
            let route = Route {
                from: named(&from),
                to: named(&to),
                traffic: traffic.clone(),
                answered,
            };
            routes.push(((first(&from), first(&to)), route));
        }
    }
    routes.sort_by_key(|(first, route)| (*first, !route.answered, route.traffic.clone()));
    Ok(routes.into_iter().map(|(_, route)| route).collect())
}
