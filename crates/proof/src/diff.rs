//! What changes in who reaches whom from one cloud to another: `internet -> db-1 tcp/3306: blocked -> OPEN`.
//!
//! Start at [`Connectivity::between`]. The two clouds are compared by the names of their places, because ids are drawn
//! anew in each. The difference of two clouds is the mirror image of the difference the other way round.

mod side;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fabric::Fabric;
use fabric::engine::EngineError;
use serde::Serialize;

use crate::reach::{Between, Options, Reach};
use crate::traffic::TrafficSet;
use crate::who::{label, products};
use side::{Name, Side, names};

/// What some places can say to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// One of the two is not there.
    Absent,
    /// No request arrives.
    Blocked,
    /// Requests arrive, their answers do not.
    OneWay,
    /// Requests and answers arrive.
    Open,
}

impl State {
    /// As it was.
    pub fn before(self) -> &'static str {
        match self {
            Self::Absent => "not there",
            Self::Blocked => "blocked",
            Self::OneWay => "one way",
            Self::Open => "open",
        }
    }

    /// As it becomes: what gets through is louder.
    pub fn after(self) -> &'static str {
        match self {
            Self::OneWay => "ONE WAY",
            Self::Open => "OPEN",
            quiet => quiet.before(),
        }
    }
}

/// The same change for every pair of some senders with some receivers, nobody paired with himself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Who sends, in the order of places.
    pub from: Vec<String>,
    /// Who receives, in the order of places.
    pub to: Vec<String>,
    /// How many pairs that is.
    pub pairs: usize,
    /// Which requests.
    pub traffic: TrafficSet,
    /// What they found.
    pub before: State,
    /// What they find.
    pub after: State,
    #[serde(skip)]
    first: (usize, usize),
}

impl Change {
    /// Whether more gets through than before.
    pub fn opens(&self) -> bool {
        self.after > self.before
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: &[String]| label(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let (from, to) = (names(&self.from), names(&self.to));
        let (before, after) = (self.before.before(), self.after.after());
        write!(f, "{from} -> {to} {}: {before} -> {after}", self.traffic)
    }
}

/// Everything that changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Connectivity {
    /// Places that the first cloud does not have.
    pub appear: Vec<String>,
    /// Places that the second cloud does not have.
    pub vanish: Vec<String>,
    /// What opens first, then what closes; in the order of places, those outside first.
    pub changes: Vec<Change>,
}

impl Connectivity {
    /// Compares two clouds, each with its proof. Errors: the walker's.
    pub fn between(
        before: (&Fabric, &Reach),
        after: (&Fabric, &Reach),
        options: Options,
    ) -> Result<Self, EngineError> {
        let [one, other] = Side::pair(before, after, options);
        let names = names(&one, &other);
        let lost = |has: &Side, lacks: &Side| {
            let gone = |name: &&Name| has.has(name) && !lacks.has(name) && !name.is_outside();
            names.iter().filter(gone).map(Name::to_string).collect()
        };
        let (vanish, appear) = (lost(&one, &other), lost(&other, &one));
        type Kind = (State, State, TrafficSet, bool);
        let mut kinds: BTreeMap<Kind, Vec<(usize, usize)>> = BTreeMap::new();
        // Places that neither cloud tells apart are asked once for all.
        let mut alike: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (row, name) in names.iter().enumerate() {
            let key = (one.class(name), other.class(name));
            alike.entry(key).or_default().push(row);
        }
        let alike: Vec<Vec<usize>> = alike.into_values().collect();
        let is_pair = |row: usize, column: usize| {
            row != column && !(names[row].is_outside() && names[column].is_outside())
        };
        for (senders, receivers) in alike.iter().flat_map(|a| alike.iter().map(move |b| (a, b))) {
            let all = senders
                .iter()
                .flat_map(|a| receivers.iter().map(move |b| (*a, *b)));
            let pairs = || all.clone().filter(|(row, column)| is_pair(*row, *column));
            let Some((row, column)) = pairs().next() else {
                continue;
            };
            let (from, to) = (&names[row], &names[column]);
            let (was, is) = (one.between(from, to)?, other.between(from, to)?);
            for (kind, traffic) in parts(was.as_ref(), is.as_ref()) {
                // Exposure to the outside is said apart from what happens inside.
                let key = (kind.0, kind.1, traffic, from.is_outside());
                kinds.entry(key).or_default().extend(pairs());
            }
        }
        let mut changes = Vec::new();
        for ((before, after, traffic, _), pairs) in kinds {
            for (from, to) in products(pairs.iter().copied()) {
                let both = from.intersection(&to).count();
                let texts =
                    |of: &BTreeSet<usize>| of.iter().map(|i| names[*i].to_string()).collect();
                let first = |of: &BTreeSet<usize>| of.first().copied().unwrap_or_default();
                changes.push(Change {
                    from: texts(&from),
                    to: texts(&to),
                    pairs: from.len() * to.len() - both,
                    traffic: traffic.clone(),
                    before,
                    after,
                    first: (first(&from), first(&to)),
                });
            }
        }
        let mut all = Self {
            appear,
            vanish,
            changes,
        };
        all.sort();
        Ok(all)
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.appear.is_empty() && self.vanish.is_empty() && self.changes.is_empty()
    }

    /// The difference the other way round.
    pub fn mirrored(mut self) -> Self {
        std::mem::swap(&mut self.appear, &mut self.vanish);
        for change in &mut self.changes {
            std::mem::swap(&mut change.before, &mut change.after);
        }
        self.sort();
        self
    }

    fn sort(&mut self) {
        self.changes.sort_by_cached_key(|change| {
            let key = (change.first, change.to.clone(), change.traffic.clone());
            (!change.opens(), key, change.before, change.after)
        });
    }
}

/// Requests of a pair by what they found and find, where that is not the same.
fn parts(was: Option<&Between>, is: Option<&Between>) -> Vec<((State, State), TrafficSet)> {
    if was == is {
        return Vec::new();
    }
    let (was, is) = (states(was), states(is));
    let mut parts = Vec::new();
    for (before, old) in &was {
        for (after, new) in &is {
            let is_news = match (before, after) {
                // Nobody misses what never got through.
                (State::Absent, State::Blocked) | (State::Blocked, State::Absent) => false,
                (before, after) => before != after,
            };
            let traffic = old.intersection(new);
            if is_news && !traffic.is_empty() {
                parts.push(((*before, *after), traffic));
            }
        }
    }
    parts
}

/// Every request by what it finds.
fn states(between: Option<&Between>) -> Vec<(State, TrafficSet)> {
    match between {
        None => vec![(State::Absent, TrafficSet::all())],
        Some(between) => vec![
            (
                State::Blocked,
                TrafficSet::all().difference(&between.request),
            ),
            (State::OneWay, between.request.difference(&between.both)),
            (State::Open, between.both.clone()),
        ],
    }
}
