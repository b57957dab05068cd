//! Interfaces that speak OSPF, and what they are on their networks (RFC 2328 9).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::time::Time;

use super::election::Candidate;
use super::lsa::Header;
use super::neighbor::{Neighbor, State as Progress};

/// What an interface is on its network (9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its link is down.
    Down,
    /// It listens who is designated already.
    Waiting,
    /// There is one other router at most.
    PointToPoint,
    /// Others are designated.
    Other,
    /// It is to become designated if the designated router fails.
    Backup,
    /// It speaks for the network.
    Designated,
}

impl State {
    /// As the RFC writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Down => "Down",
            Self::Waiting => "Waiting",
            Self::PointToPoint => "Point-to-point",
            Self::Other => "DROther",
            Self::Backup => "Backup",
            Self::Designated => "DR",
        }
    }

    /// Whether all routers on the network listen to it.
    pub const fn is_elected(self) -> bool {
        matches!(self, Self::Backup | Self::Designated)
    }
}

/// An interface.
#[derive(Debug)]
pub struct Interface {
    /// Its number at the router.
    pub port: u16,
    /// The address that it speaks from, with its subnet.
    pub net: Ipv4Net,
    /// Its other subnets.
    pub others: Vec<Ipv4Net>,
    /// Whether any number of routers may be there.
    pub is_broadcast: bool,
    /// What a packet pays.
    pub cost: u16,
    /// How much it wants to be designated.
    pub priority: u8,
    /// What it is.
    pub state: State,
    /// The designated router's address.
    pub designated: Ipv4Addr,
    /// The backup's.
    pub backup: Ipv4Addr,
    /// When it says hello next.
    pub hello_at: Time,
    /// Until when it waits.
    pub wait_until: Time,
    /// Who is there, by router id.
    pub neighbors: BTreeMap<Ipv4Addr, Neighbor>,
    /// What is to be acknowledged.
    pub acknowledgments: Vec<Header>,
    /// When.
    pub acknowledge_at: Time,
}

impl Interface {
    /// Its own address.
    pub fn address(&self) -> Ipv4Addr {
        self.net.addr()
    }

    /// Whether databases are exchanged with a neighbour (10.4).
    pub fn is_adjacent_to(&self, neighbor: &Neighbor) -> bool {
        !self.is_broadcast || self.state.is_elected() || [self.designated, self.backup].contains(&neighbor.address)
    }

    /// Those that may be designated, besides itself.
    pub fn candidates(&self) -> Vec<Candidate> {
        let both = self.neighbors.values().filter(|neighbor| neighbor.state >= Progress::TwoWay);
        let candidate = |of: &Neighbor| Candidate {
            priority: of.priority,
            id: of.id,
            address: of.address,
            designated: of.designated,
            backup: of.backup,
        };
        both.map(candidate).collect()
    }

    /// Neighbours whose databases are the same.
    pub fn full(&self) -> impl Iterator<Item = &Neighbor> {
        self.neighbors.values().filter(|neighbor| neighbor.state == Progress::Full)
    }

    /// Whether a router there is the network's to speak of: the designated one, with which the databases agree.
    pub fn is_transit(&self) -> bool {
        match self.state {
            State::Designated => self.full().next().is_some(),
            State::Other | State::Backup => self.full().any(|neighbor| neighbor.address == self.designated),
            State::Down | State::Waiting | State::PointToPoint => false,
        }
    }

    /// When something is to be done about it or its neighbours.
    pub fn next(&self) -> Time {
        let own = self.hello_at.min(self.wait_until).min(self.acknowledge_at);
        self.neighbors.values().map(Neighbor::next).fold(own, Time::min)
    }
}
