//! Routers that are heard at an interface, and how far the exchange of databases with each is (RFC 2328 10).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;

use crate::time::Time;

use super::lsa::{Header, Key};
use super::packet::Description;

/// How far it is with a neighbour (10.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It was heard, but does not say that it hears this router.
    Init,
    /// Both hear each other.
    TwoWay,
    /// Who leads the exchange is being agreed on.
    ExStart,
    /// Databases are described.
    Exchange,
    /// What is missing is asked for.
    Loading,
    /// Both databases are the same.
    Full,
}

impl State {
    /// As the RFC writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Init => "Init",
            Self::TwoWay => "2-Way",
            Self::ExStart => "ExStart",
            Self::Exchange => "Exchange",
            Self::Loading => "Loading",
            Self::Full => "Full",
        }
    }
}

/// A neighbour.
#[derive(Debug)]
pub struct Neighbor {
    /// Its router id.
    pub id: Ipv4Addr,
    /// Its address on the link.
    pub address: Ipv4Addr,
    /// How much it wants to be designated.
    pub priority: u8,
    /// Whom it takes for the designated router.
    pub designated: Ipv4Addr,
    /// Whom it takes for the backup.
    pub backup: Ipv4Addr,
    /// How far it is.
    pub state: State,
    /// When it is given up.
    pub dead_at: Time,
    /// Whether this router leads the exchange.
    pub is_master: bool,
    /// Counts descriptions.
    pub sequence: u32,
    /// What came last, without its headers: flags, options, sequence.
    pub last: Option<(u8, u8, u32)>,
    /// What was sent last.
    pub sent: Option<Description>,
    /// When that is sent again.
    pub describe_at: Time,
    /// What is yet to be described.
    pub summary: VecDeque<Header>,
    /// What it has and this router has not.
    pub requests: BTreeMap<Key, Header>,
    /// What of it was asked for last.
    pub asked: BTreeSet<Key>,
    /// When that is asked for again.
    pub ask_at: Time,
    /// What it has not acknowledged.
    pub unacknowledged: BTreeMap<Key, Header>,
    /// When that is sent again.
    pub resend_at: Time,
}

impl Neighbor {
    /// One that was heard for the first time.
    pub fn new(id: Ipv4Addr, address: Ipv4Addr, sequence: u32) -> Self {
        Self {
            id,
            address,
            priority: 0,
            designated: Ipv4Addr::UNSPECIFIED,
            backup: Ipv4Addr::UNSPECIFIED,
            state: State::Init,
            dead_at: Time::NEVER,
            is_master: false,
            sequence,
            last: None,
            sent: None,
            describe_at: Time::NEVER,
            summary: VecDeque::new(),
            requests: BTreeMap::new(),
            asked: BTreeSet::new(),
            ask_at: Time::NEVER,
            unacknowledged: BTreeMap::new(),
            resend_at: Time::NEVER,
        }
    }

    /// The exchange is over or begins anew.
    pub fn clear(&mut self) {
        (self.last, self.sent) = (None, None);
        self.summary.clear();
        self.requests.clear();
        self.asked.clear();
        self.unacknowledged.clear();
        (self.describe_at, self.ask_at, self.resend_at) = (Time::NEVER, Time::NEVER, Time::NEVER);
    }

    /// When something is to be done about it.
    pub fn next(&self) -> Time {
        self.dead_at.min(self.describe_at).min(self.ask_at).min(self.resend_at)
    }

    /// It said, in whichever way, that it has something.
    pub fn acknowledged(&mut self, key: &Key) {
        self.unacknowledged.remove(key);
        if self.unacknowledged.is_empty() {
            self.resend_at = Time::NEVER;
        }
    }
}
