//! Parties that neither the cloud nor the claims tell apart, so that one pair of them speaks for all.

use std::collections::BTreeMap;
use std::sync::Arc;

use fabric::engine::{EngineError, Sender};

use super::{Broken, Party, Prover};
use crate::traffic::TrafficSet;

/// What parties of one bucket share: the class of their place, what answers there, and which statements are about them.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Like(usize, TrafficSet, Vec<usize>),
    Alone(usize),
}

/// Positions in a list of parties.
type Bucket = Vec<usize>;

/// Which side of a pair a party is on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Sender,
    Receiver,
}

impl Prover<'_> {
    /// Judges every pair that is meant by one of each kind; what is broken, in the order of senders, then of receivers, and how many
    /// pairs there are.
    pub(super) fn judge(
        &self,
        (senders, receivers): (&[Party], &[Arc<Party>]),
        is_meant: impl Fn(&Party, &Party) -> bool,
        is_closed_world: bool,
        judge: impl Fn(&Party, &Party) -> Result<Option<Broken>, EngineError>,
    ) -> Result<(usize, Vec<Broken>), EngineError> {
        let senders: Vec<Arc<Party>> = senders.iter().cloned().map(Arc::new).collect();
        let from = self.buckets(&senders, Side::Sender, is_closed_world);
        let to = self.buckets(receivers, Side::Receiver, is_closed_world);
        let (mut pairs, mut broken) = (0, Vec::new());
        for some in &from {
            for others in &to {
                let all = some
                    .iter()
                    .flat_map(|a| others.iter().map(move |b| (*a, *b)));
                let mut all = all.filter(|(a, b)| is_meant(&senders[*a], &receivers[*b]));
                let Some(first) = all.next() else { continue };
                let Some(found) = judge(&senders[first.0], &receivers[first.1])? else {
                    pairs += 1 + all.count();
                    continue;
                };
                for (a, b) in std::iter::once(first).chain(all) {
                    pairs += 1;
                    let address = self.address(&senders[a], &receivers[b])?;
                    let (from, to) = (senders[a].clone(), receivers[b].clone());
                    broken.push((
                        (a, b),
                        Broken {
                            from,
                            to,
                            address,
                            ..found.clone()
                        },
                    ));
                }
            }
        }
        broken.sort_by_key(|(place, _)| *place);
        Ok((
            pairs,
            broken.into_iter().map(|(_, broken)| broken).collect(),
        ))
    }

    fn buckets(&self, parties: &[Arc<Party>], side: Side, is_closed_world: bool) -> Vec<Bucket> {
        let mut buckets: BTreeMap<Key, Bucket> = BTreeMap::new();
        for (index, party) in parties.iter().enumerate() {
            let place = match side {
                // Whoever sends does so from its usual address.
                Side::Sender => self.world.places.get(&(party.who.clone(), party.family())).copied(),
                Side::Receiver => party.place,
            };
            let key = match (place, &party.who) {
                (Some(place), Sender::Interface(_)) => {
                    let about = if is_closed_world {
                        self.about(party, side)
                    } else {
                        Vec::new()
                    };
                    Key::Like(self.reach.class_of(place), self.answers(party), about)
                }
                _ => Key::Alone(index),
            };
            buckets.entry(key).or_default().push(index);
        }
        let mut buckets: Vec<Bucket> = buckets.into_values().collect();
        buckets.sort_unstable();
        buckets
    }

    /// Which statements of the file are about somebody.
    fn about(&self, party: &Party, side: Side) -> Vec<usize> {
        let stated = self.stated().iter().enumerate();
        let is_about = stated.filter(|(_, stated)| match side {
            Side::Sender => stated.sources.contains(&party.who),
            Side::Receiver => stated.destinations.contains(&party.who),
        });
        is_about.map(|(number, _)| number).collect()
    }
}
