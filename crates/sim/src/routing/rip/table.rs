//! What RIP knows: networks, how far they are, who says so, and how long that holds (RFC 2453 3.6, 3.8, 3.9.2).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::time::{Span, Time};

use super::message::INFINITY;

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The subnet of an own address.
    Connected,
    /// A route that somebody wrote.
    Static,
    /// A neighbour.
    Router {
        /// To whom packets go.
        next_hop: Ipv4Addr,
        /// Who told it; unlike the next hop only if it said so.
        teller: Ipv4Addr,
        /// Until when this holds if it is not said again.
        until: Time,
    },
}

/// What is known of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Hops; 16 if it cannot be reached any more.
    pub metric: u32,
    /// Out of which interface it is reached.
    pub interface: u16,
    /// Who says so.
    pub source: Source,
    /// The tag that came with it.
    pub tag: u16,
    /// When it is forgotten, of a network that cannot be reached.
    pub gone: Option<Time>,
    /// Whether neighbours are yet to be told.
    pub is_changed: bool,
}

/// What came of a route that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing that neighbours or the route table care about.
    None,
    /// There is a way, by who told it.
    Way,
    /// There is none any more.
    Lost,
}

/// A route as a neighbour tells it, with the hop to the neighbour counted.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Where it leads.
    pub to: Ipv4Net,
    /// Hops.
    pub metric: u32,
    /// To whom packets go.
    pub next_hop: Ipv4Addr,
    /// Who tells it.
    pub teller: Ipv4Addr,
    /// Where it was told.
    pub interface: u16,
    /// The tag that came with it.
    pub tag: u16,
}

/// All that is known.
#[derive(Debug)]
pub struct Networks {
    known: BTreeMap<Ipv4Net, Known>,
    timeout: Span,
    garbage: Span,
}

impl Networks {
    pub fn new(timeout: Span, garbage: Span) -> Self {
        Self { known: BTreeMap::new(), timeout, garbage }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Ipv4Net, &Known)> {
        self.known.iter().map(|(to, known)| (*to, known))
    }

    pub fn get(&self, to: Ipv4Net) -> Option<&Known> {
        self.known.get(&to)
    }

    /// An own network: whether that is news.
    pub fn own(&mut self, to: Ipv4Net, interface: u16, source: Source) -> bool {
        let known = Known { metric: 1, interface, source, tag: 0, gone: None, is_changed: true };
        match self.known.get_mut(&to) {
            // Connected comes before written.
            Some(old) if old.metric == 1 && (old.source == source || old.source == Source::Connected) => false,
            Some(old) => {
                *old = known;
                true
            }
            None => {
                self.known.insert(to, known);
                true
            }
        }
    }

    /// A network cannot be reached any more: whether that is news.
    pub fn lose(&mut self, to: Ipv4Net, now: Time) -> bool {
        let gone = now + self.garbage;
        match self.known.get_mut(&to) {
            Some(known) if known.metric < INFINITY => {
                (known.metric, known.gone, known.is_changed) = (INFINITY, Some(gone), true);
                true
            }
            _ => false,
        }
    }

    /// A neighbour told a route.
    pub fn learn(&mut self, told: Told, now: Time) -> Change {
        let Told { to, metric, next_hop, teller, interface, tag } = told;
        let until = now + self.timeout;
        let source = Source::Router { next_hop, teller, until };
        let new = Known { metric, interface, source, tag, gone: None, is_changed: true };
        let Some(old) = self.known.get_mut(&to) else {
            if metric >= INFINITY {
                return Change::None;
            }
            self.known.insert(to, new);
            return Change::Way;
        };
        let Source::Router { teller: old_teller, until: old_until, next_hop: old_hop } = old.source else {
            if old.metric < INFINITY || metric >= INFINITY {
                return Change::None;
            }
            *old = new;
            return Change::Way;
        };
        let is_same = old_teller == teller && old.interface == interface;
        if is_same && old.metric < INFINITY && metric >= INFINITY {
            self.lose(to, now);
            return Change::Lost;
        }
        if is_same && old.metric == metric && old_hop == next_hop {
            if metric < INFINITY {
                old.source = source;
            }
            return Change::None;
        }
        // An equal way by another router is taken if half of the time is over in which this one should have been said again.
        let is_half_over = old_until.since(now) <= Span(self.timeout.0 / 2);
        let is_better = metric < old.metric || metric == old.metric && is_half_over && !is_same;
        if metric < INFINITY && (is_same || is_better) {
            *old = new;
            return Change::Way;
        }
        Change::None
    }

    /// Networks of which nobody spoke for too long; they are lost.
    pub fn time_out(&mut self, now: Time) -> Vec<Ipv4Net> {
        let is_over = |known: &Known| match known.source {
            Source::Router { until, .. } => known.metric < INFINITY && until <= now,
            _ => false,
        };
        let over: Vec<Ipv4Net> = self.known.iter().filter(|(_, known)| is_over(known)).map(|(to, _)| *to).collect();
        over.iter().for_each(|to| _ = self.lose(*to, now));
        over
    }

    /// Forgets what could not be reached for long enough. Returns what that was.
    pub fn collect(&mut self, now: Time) -> Vec<Ipv4Net> {
        let is_gone = |known: &Known| known.gone.is_some_and(|gone| gone <= now);
        let gone: Vec<Ipv4Net> = self.known.iter().filter(|(_, known)| is_gone(known)).map(|(to, _)| *to).collect();
        gone.iter().for_each(|to| _ = self.known.remove(to));
        gone
    }

    /// When the next network times out or is forgotten.
    pub fn next(&self) -> Time {
        let due = |known: &Known| match (known.gone, known.source) {
            (Some(gone), _) => gone,
            (None, Source::Router { until, .. }) => until,
            (None, _) => Time::NEVER,
        };
        self.known.values().map(due).min().unwrap_or(Time::NEVER)
    }

    pub fn has_changed(&self) -> bool {
        self.known.values().any(|known| known.is_changed)
    }

    pub fn all_told(&mut self) {
        self.known.values_mut().for_each(|known| known.is_changed = false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NET: &str = "10.9.0.0/16";

    fn networks() -> Networks {
        Networks::new(Span::seconds(180), Span::seconds(120))
    }

    fn told(metric: u32, by: u8) -> Told {
        let router = Ipv4Addr::new(10, 0, 0, by);
        Told { to: NET.parse().unwrap(), metric, next_hop: router, teller: router, interface: 0, tag: 0 }
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::seconds(seconds)
    }

    #[test]
    fn a_nearer_way_replaces_and_a_farther_one_by_the_same_router_too() {
        // Metric and router of what is known, then of what is told; what becomes of it.
        let table = [
            ((3, 1), (2, 2), Change::Way),
            ((3, 1), (3, 2), Change::None),
            ((3, 1), (4, 2), Change::None),
            ((3, 1), (5, 1), Change::Way),
            ((3, 1), (3, 1), Change::None),
            ((3, 1), (16, 1), Change::Lost),
            ((3, 1), (16, 2), Change::None),
        ];
        for ((metric, by), (next, other), wanted) in table {
            let mut networks = networks();
            assert_eq!(networks.learn(told(metric, by), at(0)), Change::Way);
            assert_eq!(networks.learn(told(next, other), at(1)), wanted, "{metric} by {by}, then {next} by {other}");
        }
    }

    #[test]
    fn an_equal_way_is_taken_from_another_router_when_half_the_timeout_is_over() {
        for (seconds, wanted) in [(89, Change::None), (90, Change::Way)] {
            let mut networks = networks();
            networks.learn(told(3, 1), at(0));
            assert_eq!(networks.learn(told(3, 2), at(seconds)), wanted);
        }
    }

    #[test]
    fn what_is_not_said_again_is_lost_after_180_seconds_and_forgotten_after_120_more() {
        let mut networks = networks();
        networks.learn(told(3, 1), at(0));
        assert_eq!((networks.time_out(at(179)), networks.next()), (vec![], at(180)));
        assert_eq!((networks.time_out(at(180)).len(), networks.next()), (1, at(300)));
        assert_eq!(networks.get(NET.parse().unwrap()).map(|known| known.metric), Some(INFINITY));
        assert_eq!((networks.collect(at(299)).len(), networks.collect(at(300)).len()), (0, 1));
        assert_eq!(networks.next(), Time::NEVER);
    }

    #[test]
    fn an_own_network_is_never_learned_from_others_while_it_works() {
        let mut networks = networks();
        let net = NET.parse().unwrap();
        assert!(networks.own(net, 2, Source::Connected) && !networks.own(net, 3, Source::Static));
        assert_eq!(networks.learn(told(1, 1), at(0)), Change::None);
        assert!(networks.lose(net, at(1)));
        assert_eq!(networks.learn(told(2, 1), at(2)), Change::Way);
        assert!(networks.own(net, 2, Source::Connected));
    }
}
