//! A switch's memory of where stations are: address to port, for as long as something came from the address not too long
//! ago. Open addressing on the 48 bits of the address, so that a look-up takes a few nanoseconds.

use wire::Mac;

use crate::time::{Span, Time};

/// A slot that holds nothing: no address has 64 bits.
const EMPTY: u64 = u64::MAX;
/// Slots of a table that begins to be filled.
const FIRST_SLOTS: usize = 16;

#[derive(Debug, Clone, Copy)]
struct Entry {
    address: u64,
    seen: Time,
    port: u16,
}

const VACANT: Entry = Entry { address: EMPTY, seen: Time::ZERO, port: 0 };

/// What came of learning an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// It was not known.
    New,
    /// It was known at this port.
    Known,
    /// It was known at another port.
    Moved(u16),
    /// It was known at a port, too long ago.
    Aged(u16),
    /// It was not known and there is no room.
    Full,
}

/// What is known of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Where it is.
    Port(u16),
    /// Where it was, too long ago; that is forgotten now.
    Aged(u16),
    /// Nothing.
    Unknown,
}

/// The table.
#[derive(Debug)]
pub struct MacTable {
    slots: Vec<Entry>,
    length: usize,
    limit: usize,
    ageing: Span,
    /// Takes a product of 64 bits to the number of a slot.
    shift: u32,
    /// Nothing in the table was last seen before this.
    oldest: Time,
}

/// An address as a number below 2^48.
pub fn number(mac: Mac) -> u64 {
    let [a, b, c, d, e, f] = mac.0;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

/// The address that a number stands for.
pub fn address(number: u64) -> Mac {
    let [_, _, a, b, c, d, e, f] = number.to_be_bytes();
    Mac([a, b, c, d, e, f])
}

impl MacTable {
    /// An empty table for at most so many addresses, each for so long.
    pub fn new(limit: usize, ageing: Span) -> Self {
        Self { slots: Vec::new(), length: 0, limit, ageing, shift: 0, oldest: Time::NEVER }
    }

    /// Addresses that are held, those that have aged unnoticed included.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How long an address lives after it was last seen.
    pub fn ageing(&self) -> Span {
        self.ageing
    }

    /// Changes that, for what is held too.
    pub fn set_ageing(&mut self, ageing: Span) {
        self.ageing = ageing;
    }

    #[inline]
    fn home(&self, address: u64) -> usize {
        // Fibonacci hashing: the highest bits of the product depend on all bits of the address.
        (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// The slot of an address, or the one where it would be put. At least half of the slots are vacant.
    #[inline]
    fn slot(&self, address: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut index = self.home(address);
        loop {
            let known = self.slots[index].address;
            if known == address || known == EMPTY {
                return index;
            }
            index = (index + 1) & mask;
        }
    }

    fn has_aged(&self, entry: &Entry, now: Time) -> bool {
        now.since(entry.seen) >= self.ageing
    }

    /// A frame came from an address by a port.
    #[inline]
    pub fn learn(&mut self, address: u64, port: u16, now: Time) -> Learned {
        if !self.slots.is_empty() {
            let (index, ageing) = (self.slot(address), self.ageing);
            let entry = &mut self.slots[index];
            if entry.address == address {
                let (was, seen) = (entry.port, entry.seen);
                (entry.port, entry.seen) = (port, now);
                return match was {
                    was if now.since(seen) >= ageing => Learned::Aged(was),
                    was if was == port => Learned::Known,
                    was => Learned::Moved(was),
                };
            }
        }
        self.add(address, port, now)
    }

    /// Whether an address is known to be at a port, by which a frame came from it: then that is all there is to learn.
    #[inline]
    pub fn refresh(&mut self, address: u64, port: u16, now: Time) -> bool {
        if self.slots.is_empty() {
            return false;
        }
        let (index, ageing) = (self.slot(address), self.ageing);
        let entry = &mut self.slots[index];
        let is_known = entry.address == address && entry.port == port && now.since(entry.seen) < ageing;
        if is_known {
            entry.seen = now;
        }
        is_known
    }

    /// Where an address is; nothing is forgotten that has aged.
    #[inline]
    pub fn known(&self, address: u64, now: Time) -> Option<u16> {
        if self.slots.is_empty() {
            return None;
        }
        let entry = &self.slots[self.slot(address)];
        (entry.address == address && !self.has_aged(entry, now)).then_some(entry.port)
    }

    /// A frame came from an address that is not known.
    #[inline(never)]
    fn add(&mut self, address: u64, port: u16, now: Time) -> Learned {
        if self.slots.is_empty() {
            self.resize(FIRST_SLOTS);
        }
        if self.length >= self.limit {
            self.sweep(now);
            if self.length >= self.limit {
                return Learned::Full;
            }
        }
        if 2 * (self.length + 1) > self.slots.len() {
            self.resize(2 * self.slots.len());
        }
        let index = self.slot(address);
        self.slots[index] = Entry { address, seen: now, port };
        self.length += 1;
        self.oldest = self.oldest.min(now);
        Learned::New
    }

    /// Where an address is.
    #[inline]
    pub fn find(&mut self, address: u64, now: Time) -> Found {
        if self.slots.is_empty() {
            return Found::Unknown;
        }
        let index = self.slot(address);
        let entry = self.slots[index];
        if entry.address != address {
            Found::Unknown
        } else if self.has_aged(&entry, now) {
            self.remove(index);
            Found::Aged(entry.port)
        } else {
            Found::Port(entry.port)
        }
    }

    /// Forgets what is at a port. Returns how many addresses that were.
    pub fn forget_port(&mut self, port: u16) -> usize {
        self.retain(|entry| entry.port != port)
    }

    /// Addresses that have not aged, in their order, with their ports and when they were last seen.
    pub fn entries(&self, now: Time) -> Vec<(Mac, u16, Time)> {
        let live = self.slots.iter().filter(|entry| entry.address != EMPTY && !self.has_aged(entry, now));
        let mut entries: Vec<_> = live.map(|entry| (address(entry.address), entry.port, entry.seen)).collect();
        entries.sort_unstable();
        entries
    }

    /// Makes room, if anything can have aged since the last time.
    fn sweep(&mut self, now: Time) {
        if now.since(self.oldest) >= self.ageing {
            let ageing = self.ageing;
            self.retain(|entry| now.since(entry.seen) < ageing);
        }
    }

    fn retain(&mut self, stays: impl Fn(&Entry) -> bool) -> usize {
        let before = self.length;
        let slots = std::mem::take(&mut self.slots);
        self.slots = vec![VACANT; slots.len()];
        (self.length, self.oldest) = (0, Time::NEVER);
        for entry in slots.into_iter().filter(|entry| entry.address != EMPTY && stays(entry)) {
            self.put(entry);
        }
        before - self.length
    }

    fn resize(&mut self, slots: usize) {
        let entries = std::mem::replace(&mut self.slots, vec![VACANT; slots]);
        (self.length, self.shift) = (0, 64 - slots.trailing_zeros());
        for entry in entries.into_iter().filter(|entry| entry.address != EMPTY) {
            self.put(entry);
        }
    }

    fn put(&mut self, entry: Entry) {
        let index = self.slot(entry.address);
        self.slots[index] = entry;
        self.length += 1;
        self.oldest = self.oldest.min(entry.seen);
    }

    /// Empties a slot and moves up what was put behind it for want of room.
    #[inline(never)]
    fn remove(&mut self, mut hole: usize) {
        let mask = self.slots.len() - 1;
        let mut index = hole;
        loop {
            index = (index + 1) & mask;
            let entry = self.slots[index];
            if entry.address == EMPTY {
                break;
            }
            // It may move if its home does not lie between the hole and itself.
            let from_home = index.wrapping_sub(self.home(entry.address)) & mask;
            if from_home >= (index.wrapping_sub(hole) & mask) {
                self.slots[hole] = entry;
                hole = index;
            }
        }
        self.slots[hole] = VACANT;
        self.length -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The law: the table says what a sorted map with the same rules says, after any mixture of steps.
        #[test]
        fn the_table_agrees_with_a_map(
            steps in prop::collection::vec((0_u8..8, 0_u64..24, 0_u16..4, 0_u64..40), 1..300),
            limit in 1_usize..20,
        ) {
            let ageing = 100;
            let mut table = MacTable::new(limit, Span(ageing));
            let mut model: BTreeMap<u64, (u16, u64)> = BTreeMap::new();
            let mut now = 0;
            for (action, low, port, pause) in steps {
                now += pause;
                // Addresses that crowd into few homes.
                let address = low << 40;
                match action {
                    0 => {
                        let before = model.len();
                        model.retain(|_, (at, _)| *at != port);
                        prop_assert_eq!(table.forget_port(port), before - model.len());
                    }
                    1..4 => {
                        let expected = match model.get(&address) {
                            None => Found::Unknown,
                            Some((at, seen)) if now - seen < ageing => Found::Port(*at),
                            Some((at, _)) => Found::Aged(*at),
                        };
                        let known = if let Found::Port(at) = expected { Some(at) } else { None };
                        prop_assert_eq!(table.known(address, Time(now)), known);
                        if matches!(expected, Found::Aged(_)) {
                            model.remove(&address);
                        }
                        prop_assert_eq!(table.find(address, Time(now)), expected);
                    }
                    _ => {
                        let known = model.get(&address).copied();
                        if known.is_none() && model.len() >= limit {
                            model.retain(|_, (_, seen)| now - *seen < ageing);
                        }
                        let expected = match known {
                            Some((at, seen)) if now - seen >= ageing => Learned::Aged(at),
                            Some((at, _)) if at == port => Learned::Known,
                            Some((at, _)) => Learned::Moved(at),
                            None if model.len() >= limit => Learned::Full,
                            None => Learned::New,
                        };
                        prop_assert_eq!(table.refresh(address, port, Time(now)), expected == Learned::Known);
                        if expected != Learned::Full {
                            model.insert(address, (port, now));
                        }
                        prop_assert_eq!(table.learn(address, port, Time(now)), expected);
                    }
                }
                prop_assert_eq!(table.len(), model.len());
                let live: Vec<_> = model.iter().filter(|(_, (_, seen))| now - seen < ageing).collect();
                let shown = table.entries(Time(now));
                prop_assert_eq!(shown.len(), live.len());
                for ((mac, at, seen), (address, (port, time))) in shown.iter().zip(live) {
                    prop_assert_eq!((number(*mac), *at, seen.0), (*address, *port, *time));
                }
            }
        }
    }
}
