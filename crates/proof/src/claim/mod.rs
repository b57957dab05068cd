//! Whether a cloud keeps its promises: every claim decided over all pairs and all packets, not over samples.
//!
//! Start at [`Prover`]. `party` finds whom a claim means, `judge` decides one pair, `node` knows the places on the way,
//! `because` says why. What `allowed`, `blocked` and the other results mean stands at [`model::claim::Expected`].

mod because;
mod bucket;
mod judge;
mod node;
mod party;
mod sample;

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use fabric::engine::{EngineError, Leg, Sender};
use fabric::{Component, Explanation, Fabric, Family};
use model::claim::{AddressFamily, Ends, Expected, Sources};
use model::{Claim, Model, ProbePacket};

use crate::atom::Atoms;
use crate::reach::{Between, Options, Reach};
use crate::traffic::TrafficSet;

pub use because::Because;
pub use party::Party;
pub use sample::Sample;

/// Decides claims about one cloud.
pub struct Prover<'a> {
    model: &'a Model,
    /// With hosts inside and outside of every block that a claim names; rows are those of `real`.
    fabric: Fabric,
    real: &'a Fabric,
    reach: &'a Reach,
    options: Options,
    atoms: Atoms,
    claims: &'a [Claim],
    world: party::World,
    asked: RefCell<BTreeMap<(Sender, IpAddr), Between>>,
    stated: OnceCell<Vec<Stated>>,
}

/// What came of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Pairs that the claim speaks of; for `only` and `nothing else` with everybody who must stay out.
    pub pairs: usize,
    /// Every pair that is not as promised, sources and destinations in order.
    pub broken: Vec<Broken>,
    /// Why the claim cannot be decided; then nothing else is known.
    pub undecided: Option<Undecided>,
}

impl Proof {
    /// Whether the claim holds.
    pub fn holds(&self) -> bool {
        self.undecided.is_none() && self.broken.is_empty()
    }
}

/// A claim that says nothing about this cloud.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// A name means nothing.
    #[error("no {what} is called `{name}`")]
    Unknown {
        /// What it should be.
        what: &'static str,
        /// The name.
        name: String,
        /// Names there are.
        known: Vec<String>,
    },
    /// Several things have a name: says which.
    #[error("{0}")]
    Several(String),
    /// A set of ends is empty.
    #[error("`{0}` selects nobody")]
    Nobody(String),
    /// The claim is about a family of addresses that nobody of a set has.
    #[error("`{0}` has no {name} address", name = .1.name())]
    NoAddress(String, AddressFamily),
    /// There are ends, and no two of them make a pair.
    #[error("the claim speaks of no pair")]
    NoPair,
    /// The walker has no answer.
    #[error("{0}")]
    Engine(#[from] EngineError),
}

/// A pair that is not as promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Who sends.
    pub from: Arc<Party>,
    /// Who receives.
    pub to: Arc<Party>,
    /// The address that is asked; `None`: there is none to send to.
    pub address: Option<IpAddr>,
    /// Every packet that breaks the promise.
    pub traffic: Arc<TrafficSet>,
    /// The one of them that stands for all.
    pub packet: ProbePacket,
    /// Which promise it breaks.
    pub breach: Breach,
}

/// In which way a promise is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Breach {
    /// The result is another one.
    Result,
    /// Something gets through that must not.
    Exposed,
    /// Somebody gets through, and `only` others may.
    OnlyOthers,
    /// Somebody gets through, and no claim says so.
    Unstated,
    /// The way does not lead through the node.
    Bypasses(String),
}

/// What a packet finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A service answers.
    Open,
    /// The host answers that nothing listens.
    Refused,
    /// Silence.
    Dropped {
        /// Which way is lost.
        leg: Leg,
        /// The first that drops it; `None`: nobody in particular.
        at: Option<Component>,
    },
    /// There is no address to send to.
    NoPublicAddress,
}

/// Whom another claim lets in, where, and with what.
struct Stated {
    sources: BTreeSet<Sender>,
    destinations: BTreeSet<Sender>,
    traffic: TrafficSet,
    over: Option<AddressFamily>,
}

impl<'a> Prover<'a> {
    /// For all claims of a file: `nothing else` means what none of the others says.
    pub fn new(
        model: &'a Model,
        fabric: &'a Fabric,
        reach: &'a Reach,
        options: Options,
        claims: &'a [Claim],
    ) -> Self {
        let real = fabric;
        let fabric = real.with_hosts_in(&party::blocks(claims));
        Self {
            model,
            reach,
            options,
            atoms: Atoms::of(&fabric, options.ephemeral),
            claims,
            world: party::World::of(&fabric, reach),
            fabric,
            real,
            asked: RefCell::default(),
            stated: OnceCell::new(),
        }
    }

    /// The cloud.
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// Everybody: interfaces, then named places outside, then the internet.
    pub fn everybody(&self) -> &[Party] {
        &self.world.everybody
    }

    /// Decides a claim.
    pub fn prove(&self, claim: &Claim) -> Proof {
        self.decide(claim).unwrap_or_else(|why| Proof {
            pairs: 0,
            broken: Vec::new(),
            undecided: Some(why),
        })
    }

    fn decide(&self, claim: &Claim) -> Result<Proof, Undecided> {
        let judge = judge::Judge::of(self, claim)?;
        let destinations = self.destinations(claim)?.into_iter().map(Arc::new);
        let destinations: Vec<Arc<Party>> = destinations.collect();
        let (named, others) = self.sources(claim)?;
        let is_closed_world = claim.sources == Sources::NothingElse;
        // A promise to be reached is kept over IPv4; over IPv6 too where the claim names such addresses.
        let is_promise = matches!(claim.expected, Expected::Allowed | Expected::Open | Expected::Refused);
        let is_meant = |from: &Party, to: &Party| is_pair(from, to) && !(is_promise && from.is_beside && to.is_beside);
        let (pairs, mut broken) = self.judge((&named, &destinations), is_meant, false, |from, to| {
            judge.named(from, to)
        })?;
        let (more, rest) = self.judge((&others, &destinations), is_pair, is_closed_world, |from, to| {
            judge.other(from, to)
        })?;
        broken.extend(rest);
        match pairs + more {
            0 => Err(Undecided::NoPair),
            pairs => Ok(Proof {
                pairs,
                broken,
                undecided: None,
            }),
        }
    }

    /// Who is named, and who else must not get through.
    fn sources(&self, claim: &Claim) -> Result<(Vec<Party>, Vec<Party>), Undecided> {
        match &claim.sources {
            Sources::Each(ends) => Ok((over(claim, ends, self.senders(ends)?)?, Vec::new())),
            Sources::Only(ends) => {
                let named = over(claim, ends, self.senders(ends)?)?;
                let known: BTreeSet<&Sender> = named.iter().map(|party| &party.who).collect();
                let others = self.world.everybody.iter();
                let is_meant = |party: &&Party| is_over(claim, party) && !known.contains(&party.who);
                let others = others.filter(is_meant).cloned();
                let others = others.collect();
                Ok((named, others))
            }
            Sources::NothingElse => Ok((Vec::new(), self.everybody_over(claim))),
        }
    }

    fn destinations(&self, claim: &Claim) -> Result<Vec<Party>, Undecided> {
        match claim.destinations.of.is_empty() {
            true => Ok(self.everybody_over(claim)),
            false => over(claim, &claim.destinations, self.parties(&claim.destinations)?),
        }
    }

    fn everybody_over(&self, claim: &Claim) -> Vec<Party> {
        self.world.everybody.iter().filter(|party| is_over(claim, party)).cloned().collect()
    }

    /// What the claims of the file let in. Those that are themselves undecided let nobody in.
    fn stated(&self) -> &[Stated] {
        self.stated.get_or_init(|| {
            let lets_in = |claim: &&Claim| {
                matches!(
                    claim.expected,
                    Expected::Allowed | Expected::Open | Expected::Refused
                )
            };
            let stated = |claim: &Claim| {
                let (Sources::Each(sources) | Sources::Only(sources)) = &claim.sources else {
                    return None;
                };
                let who = |parties: Vec<Party>| parties.into_iter().map(|p| p.who).collect();
                Some(Stated {
                    sources: who(self.parties(sources).ok()?),
                    destinations: who(self.parties(&claim.destinations).ok()?),
                    traffic: TrafficSet::of_any(&claim.traffic.0),
                    over: claim.over,
                })
            };
            self.claims
                .iter()
                .filter(lets_in)
                .filter_map(stated)
                .collect()
        })
    }

    /// What the other claims say that one may send to another.
    fn stated_between(&self, from: &Party, to: &Party) -> TrafficSet {
        let of_pair = self
            .stated()
            .iter()
            .filter(|s| s.sources.contains(&from.who) && s.destinations.contains(&to.who))
            .filter(|s| s.over.is_none_or(|over| family(over) == to.family()));
        of_pair.fold(TrafficSet::empty(), |all, s| all.union(&s.traffic.over(to.family())))
    }

    /// What a packet finds, and the way it takes; of all ports that a client may send from, at the worst.
    pub fn seen(
        &self,
        from: &Party,
        to: &Party,
        packet: ProbePacket,
    ) -> Result<(Seen, Option<Explanation>), EngineError> {
        let Some(address) = self.address(from, to)? else {
            return Ok((Seen::NoPublicAddress, None));
        };
        let way = self.worst(&from.who, address, packet)?;
        let first = |way: &fabric::walker::Way| way.blockers.first().map(|reason| reason.at);
        let seen = match (&way.request, &way.reply) {
            (request, _) if !request.is_open() => Seen::Dropped {
                leg: Leg::Forward,
                at: first(request),
            },
            (_, Some(reply)) if !reply.is_open() => Seen::Dropped {
                leg: Leg::Return,
                at: first(reply),
            },
            _ if self.answers(to).contains(packet) => Seen::Open,
            _ => Seen::Refused,
        };
        Ok((seen, Some(way)))
    }
}

/// A family as engines call it.
fn family(family: AddressFamily) -> Family {
    match family {
        AddressFamily::Ipv4 => Family::V4,
        AddressFamily::Ipv6 => Family::V6,
    }
}

/// Whether a claim speaks of somebody at this family of addresses.
fn is_over(claim: &Claim, party: &Party) -> bool {
    claim.over.is_none_or(|over| family(over) == party.family())
}

/// Those of a set of whom a claim speaks. What a family is named for must be kept there: nobody is beside then.
fn over(claim: &Claim, ends: &Ends, parties: Vec<Party>) -> Result<Vec<Party>, Undecided> {
    let Some(named) = claim.over else { return Ok(parties) };
    let meant = parties.into_iter().filter(|party| is_over(claim, party));
    let meant: Vec<Party> = meant.map(|party| Party { is_beside: false, ..party }).collect();
    match meant.is_empty() {
        true => Err(Undecided::NoAddress(ends.to_string(), named)),
        false => Ok(meant),
    }
}

/// Nobody asks itself over the network, how hosts outside reach each other is not the cloud's affair, and no packet is
/// of two families.
pub fn is_pair(from: &Party, to: &Party) -> bool {
    let is_outside = |party: &Party| matches!(party.who, Sender::Outside(_));
    from.who != to.who && !(is_outside(from) && is_outside(to)) && from.family() == to.family()
}
