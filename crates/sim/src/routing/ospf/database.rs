//! The link state database (RFC 2328 12.2): the newest of every advertisement, growing older by itself.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::time::{Span, Time};

use super::lsa::{Header, Key, Lsa, MAX_AGE};

/// An advertisement that is kept.
#[derive(Debug, Clone)]
struct Stored {
    /// As it was at that time.
    lsa: Lsa,
    at: Time,
    /// Whether it came without being asked for.
    is_flooded: bool,
}

impl Stored {
    fn age(&self, now: Time) -> u16 {
        let passed = now.since(self.at).0 / 1_000_000_000;
        u16::try_from(u64::from(self.lsa.header.age) + passed).unwrap_or(MAX_AGE).min(MAX_AGE)
    }

    fn header(&self, now: Time) -> Header {
        Header { age: self.age(now), ..self.lsa.header }
    }
}

/// All advertisements.
#[derive(Debug, Default)]
pub struct Database {
    all: BTreeMap<Key, Stored>,
}

impl Database {
    /// The header of what is known, with its age now.
    pub fn header(&self, key: &Key, now: Time) -> Option<Header> {
        self.all.get(key).map(|stored| stored.header(now))
    }

    /// What is known, with its age now.
    pub fn get(&self, key: &Key, now: Time) -> Option<Lsa> {
        self.all.get(key).map(|stored| Lsa { header: stored.header(now), body: stored.lsa.body.clone() })
    }

    /// The body of what is known and not flushed.
    pub fn body(&self, key: &Key, now: Time) -> Option<&[u8]> {
        self.all.get(key).filter(|stored| stored.age(now) < MAX_AGE).map(|stored| &stored.lsa.body[..])
    }

    /// Advertisements of a type about one thing, by whichever router.
    pub fn about(&self, kind: u8, id: Ipv4Addr, now: Time) -> impl Iterator<Item = (Key, &[u8])> {
        let key = |router| Key { kind, id, router };
        let range = self.all.range(key(Ipv4Addr::UNSPECIFIED)..=key(Ipv4Addr::BROADCAST));
        range.filter(move |(_, stored)| stored.age(now) < MAX_AGE).map(|(key, stored)| (*key, &stored.lsa.body[..]))
    }

    /// When it came, if it came without being asked for.
    pub fn flooded(&self, key: &Key) -> Option<Time> {
        self.all.get(key).filter(|stored| stored.is_flooded).map(|stored| stored.at)
    }

    /// All headers with their ages now.
    pub fn headers(&self, now: Time) -> impl Iterator<Item = Header> {
        self.all.values().map(move |stored| stored.header(now))
    }

    /// Keeps it in the place of what was known. Whether ways may be others now: a refresh changes none.
    pub fn install(&mut self, lsa: Lsa, is_flooded: bool, now: Time) -> bool {
        let is_flushed = lsa.header.is_flushed();
        let old = self.all.get(&lsa.header.key);
        let is_news = old.is_none_or(|old| old.lsa.body != lsa.body || (old.age(now) >= MAX_AGE) != is_flushed);
        self.all.insert(lsa.header.key, Stored { lsa, at: now, is_flooded });
        is_news
    }

    /// It is too old from now on.
    pub fn flush(&mut self, key: &Key, now: Time) {
        if let Some(stored) = self.all.get_mut(key) {
            (stored.lsa.header.age, stored.at) = (MAX_AGE, now);
        }
    }

    /// Forgets it.
    pub fn remove(&mut self, key: &Key) {
        self.all.remove(key);
    }

    /// When the next one becomes too old.
    pub fn next_flush(&self, now: Time) -> Time {
        let young = self.all.values().filter(|stored| stored.age(now) < MAX_AGE);
        young
            .map(|stored| stored.at + Span::seconds(u64::from(MAX_AGE - stored.lsa.header.age)))
            .min()
            .unwrap_or(Time::NEVER)
    }
}
