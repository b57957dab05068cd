//! The neighbours of a host, for ARP (RFC 826) and neighbour discovery (RFC 4861) alike: who has which address, what waits
//! for an answer, and when to ask again.

use std::net::IpAddr;

use wire::Mac;

use crate::frame::FrameId;
use crate::node::Context;
use crate::time::{Span, Time};
use crate::trace::{Reason, Verb};

use super::Host;
use super::deadlines::Alarm;

/// A question is repeated after this (RFC 4861, 10: RETRANS_TIMER).
pub const RETRANSMISSION: Span = Span::seconds(1);
/// Questions before a neighbour counts as gone.
pub const ATTEMPTS: u8 = 3;
/// An answer is good for this long (RFC 4861, 10: REACHABLE_TIME).
pub const REACHABLE: Span = Span::seconds(30);
/// After that it is used for this long before it is asked for again (RFC 4861, 10: DELAY_FIRST_PROBE_TIME).
pub const DELAY: Span = Span::seconds(5);
/// Packets that wait for a neighbour; the oldest gives way.
pub const WAITING: usize = 100;

/// What is known of a neighbour (RFC 4861, 7.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It was asked for.
    Incomplete,
    /// It answered; after [`REACHABLE`] that is stale.
    Known,
    /// What is stale was used.
    Delay,
    /// It is asked whether it is still there.
    Probe,
    /// It was told, and holds for ever.
    Permanent,
}

#[derive(Debug)]
pub(crate) struct Neighbor {
    pub interface: u16,
    pub address: IpAddr,
    pub mac: Mac,
    pub state: State,
    /// When it last answered, or was first asked for.
    pub since: Time,
    tries: u8,
    due: Option<Time>,
    waiting: Vec<FrameId>,
}

impl Neighbor {
    /// As tables show it.
    pub fn word(&self, now: Time) -> &'static str {
        match self.state {
            State::Incomplete => "incomplete",
            State::Known if now.since(self.since) <= REACHABLE => "reachable",
            State::Known => "stale",
            State::Delay => "delay",
            State::Probe => "probe",
            State::Permanent => "permanent",
        }
    }
}

/// Neighbours, sorted by interface and address.
#[derive(Debug, Default)]
pub(crate) struct Neighbors {
    /// What is searched first, apart from the rest: of IPv4 all of the key, of IPv6 its beginning.
    starts: Vec<u64>,
    /// Interface, whether it is IPv6, address.
    keys: Vec<Key>,
    sorted: Vec<Neighbor>,
    /// Where those that were found last are, each at the place that its key gives it: a power of two of places, at least twice as
    /// many as neighbours, so that few share one.
    recent: Vec<u32>,
}

type Key = (u16, bool, u128);

fn key(interface: u16, address: IpAddr) -> Key {
    match address {
        IpAddr::V4(address) => (interface, false, u128::from(address.to_bits())),
        IpAddr::V6(address) => (interface, true, address.to_bits()),
    }
}

/// The highest bits of a key: as many as IPv4 has.
fn start((interface, is_v6, address): Key) -> u64 {
    let high = if is_v6 { (address >> 96) as u32 } else { address as u32 };
    u64::from(interface) << 33 | u64::from(is_v6) << 32 | u64::from(high)
}

impl Neighbors {
    /// Where a key is, or would be.
    #[inline(never)]
    fn search(&self, key: Key) -> Result<usize, usize> {
        let start = start(key);
        let from = self.starts.partition_point(|known| *known < start);
        if key.1 {
            let same = self.starts[from..].partition_point(|known| *known == start);
            let found = self.keys[from..from + same].binary_search(&key);
            return found.map(|at| from + at).map_err(|at| from + at);
        }
        if self.starts.get(from) == Some(&start) { Ok(from) } else { Err(from) }
    }

    /// The same, tried first where it was found the last time.
    #[inline]
    pub fn find(&mut self, interface: u16, address: IpAddr) -> Result<usize, usize> {
        if let IpAddr::V4(address) = address {
            let start = u64::from(interface) << 33 | u64::from(address.to_bits());
            let place = self.place(start);
            if let Some(last) = self.recent.get(place)
                && self.starts.get(*last as usize) == Some(&start)
            {
                return Ok(*last as usize);
            }
        }
        self.find_again(key(interface, address))
    }

    /// The place of a key in [`Neighbors::recent`], which has some.
    #[inline]
    fn place(&self, start: u64) -> usize {
        (start.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & self.recent.len().wrapping_sub(1)
    }

    #[inline(never)]
    fn find_again(&mut self, key: Key) -> Result<usize, usize> {
        let place = self.place(start(key));
        if let Some(last) = self.recent.get(place)
            && self.keys.get(*last as usize) == Some(&key)
        {
            return Ok(*last as usize);
        }
        let found = self.search(key);
        if let (Ok(at), Some(last)) = (found, self.recent.get_mut(place)) {
            *last = at as u32;
        }
        found
    }

    fn insert(&mut self, at: usize, neighbor: Neighbor) {
        let key = key(neighbor.interface, neighbor.address);
        if self.recent.len() < 2 * (self.starts.len() + 1) {
            self.recent = vec![0; (2 * (self.starts.len() + 1)).next_power_of_two()];
        }
        self.starts.insert(at, start(key));
        self.keys.insert(at, key);
        self.sorted.insert(at, neighbor);
    }

    fn remove(&mut self, at: usize) -> Neighbor {
        self.starts.remove(at);
        self.keys.remove(at);
        self.sorted.remove(at)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Neighbor> {
        self.sorted.iter()
    }

    pub fn get(&self, interface: u16, address: IpAddr) -> Option<&Neighbor> {
        self.search(key(interface, address)).ok().map(|at| &self.sorted[at])
    }
}

impl Host {
    /// Sends a frame of its own to a neighbour, as soon as its Ethernet address is known. `place` is what
    /// [`Neighbors::find`] said of it.
    pub(crate) fn send_to_neighbor(
        &mut self,
        context: &mut Context<'_>,
        interface: u16,
        address: IpAddr,
        place: Result<usize, usize>,
        frame: FrameId,
    ) {
        let now = context.now();
        let at = match place {
            Ok(at) => at,
            Err(at) => {
                let (state, mac) = (State::Incomplete, Mac::default());
                let (tries, due, waiting) = (1, Some(now + RETRANSMISSION), Vec::new());
                let neighbor = Neighbor { interface, address, mac, state, since: now, tries, due, waiting };
                self.neighbors.insert(at, neighbor);
                self.deadlines.push(now + RETRANSMISSION, Alarm::Neighbor(interface, address));
                self.wait_for_neighbor(context, at, frame);
                return self.ask_for_neighbor(context, interface, address, None);
            }
        };
        match self.reach(now, at) {
            Some(mac) => send_to_mac(context, interface, mac, frame),
            None => self.wait_for_neighbor(context, at, frame),
        }
    }

    /// The Ethernet address of a next hop that is known as a neighbour, to be sent to now.
    #[inline(always)]
    pub(crate) fn mac_of(&mut self, now: Time, interface: u16, address: IpAddr) -> Option<Mac> {
        let at = self.neighbors.find(interface, address).ok()?;
        self.reach(now, at)
    }

    /// The Ethernet address of a neighbour that is sent to now, unless it has not answered yet. What is stale is soon asked for
    /// again.
    #[inline(always)]
    fn reach(&mut self, now: Time, at: usize) -> Option<Mac> {
        let neighbor = &mut self.neighbors.sorted[at];
        if neighbor.state == State::Known && now.since(neighbor.since) > REACHABLE {
            (neighbor.state, neighbor.due) = (State::Delay, Some(now + DELAY));
            self.deadlines.push(now + DELAY, Alarm::Neighbor(neighbor.interface, neighbor.address));
        }
        (neighbor.state != State::Incomplete).then_some(neighbor.mac)
    }

    fn wait_for_neighbor(&mut self, context: &mut Context<'_>, at: usize, frame: FrameId) {
        let neighbor = &mut self.neighbors.sorted[at];
        let reason = if neighbor.address.is_ipv4() { Reason::ArpRequest } else { Reason::NeighborSolicitation };
        context.trace(neighbor.interface, Verb::Wait, reason, frame);
        if neighbor.waiting.len() >= WAITING {
            let oldest = neighbor.waiting.remove(0);
            context.trace(neighbor.interface, Verb::Drop, Reason::NeighborQueue, oldest);
            context.release(oldest);
            self.counters.dropped += 1;
        }
        neighbor.waiting.push(frame);
    }

    /// Asks for an address: everybody, or the one who had it.
    pub(crate) fn ask_for_neighbor(&mut self, context: &mut Context<'_>, interface: u16, address: IpAddr, mac: Option<Mac>) {
        match address {
            IpAddr::V4(address) => self.send_arp_request(context, interface, address, mac),
            IpAddr::V6(address) => self.send_solicitation(context, interface, address, mac),
        }
    }

    /// A neighbour says where it is. `may_add` if the host is to know it although it did not ask.
    pub(crate) fn learn_neighbor(
        &mut self,
        context: &mut Context<'_>,
        interface: u16,
        address: IpAddr,
        mac: Mac,
        may_add: bool,
    ) {
        self.tell_neighbor(context, interface, address, mac);
        let now = context.now();
        let at = match self.neighbors.find(interface, address) {
            Ok(at) => at,
            Err(_) if !may_add => return,
            Err(at) => {
                let (tries, due, waiting) = (0, None, Vec::new());
                let neighbor = Neighbor {
                    interface,
                    address,
                    mac: Mac::default(),
                    state: State::Known,
                    since: now,
                    tries,
                    due,
                    waiting,
                };
                self.neighbors.insert(at, neighbor);
                at
            }
        };
        let neighbor = &mut self.neighbors.sorted[at];
        if neighbor.state == State::Permanent {
            return;
        }
        let is_new = neighbor.mac != mac || neighbor.state == State::Incomplete;
        (neighbor.mac, neighbor.since, neighbor.state, neighbor.due) = (mac, now, State::Known, None);
        let waiting = std::mem::take(&mut neighbor.waiting);
        if is_new {
            let reason = if address.is_ipv4() { Reason::ArpReply } else { Reason::NeighborAdvertisement };
            context.trace_text(interface, Verb::Learn, reason, FrameId::NONE, || format!("{address} is at {mac}"));
        }
        for frame in waiting {
            send_to_mac(context, interface, mac, frame);
        }
    }

    /// A neighbour that needs no question.
    pub fn set_neighbor(&mut self, interface: u16, address: IpAddr, mac: Mac) {
        let (tries, due, waiting, since) = (0, None, Vec::new(), Time::ZERO);
        match self.neighbors.find(interface, address) {
            Ok(at) => {
                let neighbor = &mut self.neighbors.sorted[at];
                (neighbor.mac, neighbor.state, neighbor.due) = (mac, State::Permanent, None);
            }
            Err(at) => {
                let neighbor = Neighbor { interface, address, mac, state: State::Permanent, since, tries, due, waiting };
                self.neighbors.insert(at, neighbor);
            }
        }
    }

    /// The time of a neighbour has come.
    pub(crate) fn neighbor_is_due(&mut self, context: &mut Context<'_>, interface: u16, address: IpAddr) {
        let now = context.now();
        let Ok(at) = self.neighbors.find(interface, address) else { return };
        let neighbor = &mut self.neighbors.sorted[at];
        if neighbor.due != Some(now) {
            return;
        }
        let is_asked = matches!(neighbor.state, State::Incomplete | State::Probe);
        if is_asked && neighbor.tries >= ATTEMPTS {
            let gone = self.neighbors.remove(at);
            let reason = if address.is_ipv4() { Reason::ArpTimeout } else { Reason::NeighborTimeout };
            context.trace_text(interface, Verb::Forget, reason, FrameId::NONE, || format!("{address} does not answer"));
            for frame in gone.waiting {
                self.counters.dropped += 1;
                context.trace(interface, Verb::Drop, reason, frame);
                self.next_hop_is_gone(context, interface, frame);
                context.release(frame);
            }
            return;
        }
        if neighbor.state == State::Delay {
            (neighbor.state, neighbor.tries) = (State::Probe, 0);
        }
        neighbor.tries += 1;
        neighbor.due = Some(now + RETRANSMISSION);
        let mac = (neighbor.state == State::Probe).then_some(neighbor.mac);
        self.deadlines.push(now + RETRANSMISSION, Alarm::Neighbor(interface, address));
        self.ask_for_neighbor(context, interface, address, mac);
    }

    /// Forgets the neighbours at an interface, as when its link fails.
    pub(crate) fn forget_neighbors(&mut self, context: &mut Context<'_>, interface: u16) {
        let mut lost = Vec::new();
        self.neighbors.sorted.retain_mut(|neighbor| {
            let stays = neighbor.interface != interface || neighbor.state == State::Permanent;
            if !stays {
                lost.append(&mut neighbor.waiting);
            }
            stays
        });
        self.neighbors.keys = self.neighbors.sorted.iter().map(|known| key(known.interface, known.address)).collect();
        self.neighbors.starts = self.neighbors.keys.iter().map(|known| start(*known)).collect();
        for frame in lost {
            self.counters.dropped += 1;
            context.trace(interface, Verb::Drop, Reason::LinkDown, frame);
            context.release(frame);
        }
    }
}

/// Fills in the destination address of an own frame and sends it.
pub(crate) fn send_to_mac(context: &mut Context<'_>, interface: u16, mac: Mac, frame: FrameId) {
    let frame = context.change(frame, true, |bytes| bytes[..6].copy_from_slice(&mac.0));
    context.send(interface, frame);
}
