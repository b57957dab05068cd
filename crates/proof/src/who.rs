//! Who can reach somebody, what somebody can reach, and how many places that behave alike become one line.

mod likeness;

use model::ProbePacket;

use crate::place::PlaceIndex;
use crate::reach::{Between, Reach};
use crate::traffic::TrafficSet;

pub use likeness::{label, natural, products, short};

/// Somebody at the other end, and what passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub place: PlaceIndex,
    /// What passes of what was asked for.
    pub between: Between,
}

/// Everybody whose requests arrive at any of some places, with what; in the order of the places.
pub fn who_reaches(reach: &Reach, to: &[PlaceIndex], wanted: &TrafficSet) -> Vec<Peer> {
    peers(reach, to, wanted, |other, own| reach.between(other, own))
}

/// Everybody at whom requests of any of some places arrive, with what; in the order of the places.
pub fn reached_by(reach: &Reach, from: &[PlaceIndex], wanted: &TrafficSet) -> Vec<Peer> {
    peers(reach, from, wanted, |other, own| reach.between(own, other))
}

fn peers(
    reach: &Reach,
    own: &[PlaceIndex],
    wanted: &TrafficSet,
    between: impl Fn(PlaceIndex, PlaceIndex) -> Between,
) -> Vec<Peer> {
    let of = |other: PlaceIndex| {
        let mut all = Between::default();
        for own in own.iter().filter(|own| **own != other) {
            let one = between(other, *own);
            all.request = all.request.union(&one.request.intersection(wanted));
            all.both = all.both.union(&one.both.intersection(wanted));
        }
        all
    };
    let all = reach.indices().map(|(place, _)| Peer {
        place,
        between: of(place),
    });
    all.filter(|peer| !peer.between.request.is_empty())
        .collect()
}

/// Ports that people name, as a set.
pub fn set_of(packets: &[ProbePacket]) -> TrafficSet {
    packets.iter().fold(TrafficSet::empty(), |all, packet| {
        all.union(&TrafficSet::packet(*packet))
    })
}
