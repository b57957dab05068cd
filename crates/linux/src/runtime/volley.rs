//! Many packet probes in flight at once: sent in bursts, told apart by the tag in each packet, and judged by the same
//! evidence as single ones.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use fabric::Fabric;
use fabric::engine::{Drop, Leg, ListenerState, Outcome, PacketProbe, Traffic};
use model::traffic::protocol;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::SendFlags;

use super::drops::Dropped;
use super::engine::Engine;
use super::error::{Error, Result};
use super::exchange::{AFTERMATH, Matcher, Met, circled};
use super::gear::{Gear, Station};
use super::packet::{self, Complaint, Payload, Raw, Seen, echo_type};
use super::packet_probe::{Ends, echo, icmp_number};
use super::tag::{self, Role};

/// Requests sent between two looks at what came of them. A burst and its answers must fit into the receive buffer of
/// the router's reports: 400 of them where the system allows no more than its default.
const BURST: usize = 128;
/// Of these at most so many from or to one place, whose packet socket gets six frames of each.
const BURST_A_PLACE: usize = 16;
/// Probes of which nothing is known yet; beyond, answers are waited for.
const UNDECIDED: usize = 1_024;
/// How long a look may wait while there is more to send, or a drop to be confirmed.
const PAUSE: Duration = Duration::from_millis(1);

/// A probe ready to be sent.
pub(crate) struct Shot {
    /// Sender and receiver on this machine.
    pub ends: Ends,
    /// What is sent.
    pub traffic: Traffic,
    /// Whether somebody listens.
    pub listener: ListenerState,
}

impl Shot {
    /// Port or type that tells the request from its answer.
    fn matcher(&self) -> Matcher {
        match self.traffic {
            Traffic::Tcp { source_port: source, destination_port: destination } => {
                Matcher::Ports { number: protocol::TCP, source, destination }
            }
            Traffic::Udp { source_port: source, destination_port: destination } => {
                Matcher::Ports { number: protocol::UDP, source, destination }
            }
            Traffic::Icmp { icmp_type, .. } => Matcher::Icmp(icmp_type),
            Traffic::Other(number) => Matcher::Protocol(number),
        }
    }

    /// Protocol number, source and destination port.
    pub(crate) fn numbers(&self) -> (u8, u16, u16) {
        match self.traffic {
            Traffic::Tcp { source_port, destination_port } => (protocol::TCP, source_port, destination_port),
            Traffic::Udp { source_port, destination_port } => (protocol::UDP, source_port, destination_port),
            Traffic::Icmp { .. } => (icmp_number(self.ends.to), 0, 0),
            Traffic::Other(number) => (number, 0, 0),
        }
    }
}

/// Whether a probe can be told from others by a tag.
pub(crate) fn can_be_tagged(probe: &PacketProbe) -> bool {
    let has_room = match probe.traffic {
        // A datagram between equal ports says not which way it goes.
        Traffic::Udp { source_port, destination_port } => source_port != destination_port,
        Traffic::Tcp { .. } => true,
        Traffic::Icmp { icmp_type, .. } => icmp_type == echo_type(probe.to.is_ipv6(), false),
        Traffic::Other(_) => false,
    };
    has_room
        && matches!(probe.from, fabric::engine::Sender::Interface(_) | fabric::engine::Sender::Outside(_))
        && (probe.source.is_none() && probe.inject_at.is_none() && probe.keep.is_none() && probe.connections == 1)
}

/// What a volley says of one probe.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It is decided.
    Is(Outcome),
    /// Nothing happened for long enough.
    Silence(Leg),
    /// Something happened that only an exchange of its own can make sense of.
    Unclear,
}

/// What is known of a probe in flight.
#[derive(Default)]
pub(crate) struct Flight {
    sent: Option<Instant>,
    pub(crate) identifier: u16,
    /// The request as the receiver's end got it.
    pub(crate) request: Option<Seen>,
    replied: bool,
    /// The answer came to the sender, but not from where the request went.
    strayed: bool,
    refused: bool,
    ended: bool,
    unclear: bool,
    dropped: Option<(Instant, Role, Dropped)>,
    there: Vec<Met>,
    back: Vec<Met>,
    verdict: Option<Verdict>,
}

/// Two ends of a flow, as the sender has them.
type FlowKey = (usize, u8, IpAddr, u16, IpAddr, u16);

pub(crate) struct Volley<'a> {
    shots: &'a [Shot],
    gear: Gear,
    flights: Vec<Flight>,
    first_tag: u32,
    /// What is still to be sent, by sender.
    queues: Vec<VecDeque<usize>>,
    next_queue: usize,
    /// Sent and not decided.
    open: Vec<usize>,
    keys: HashMap<FlowKey, usize>,
    buffer: Vec<u8>,
}

impl<'a> Volley<'a> {
    /// Opens what is needed to send and observe.
    pub(crate) fn prepare(engine: &mut Engine, shots: &'a [Shot]) -> Result<Volley<'a>> {
        let gear = Gear::open(engine, shots)?;
        let mut by_sender: BTreeMap<usize, VecDeque<usize>> = BTreeMap::new();
        for (index, posts) in gear.posts.iter().enumerate() {
            by_sender.entry(posts.sender).or_default().push_back(index);
        }
        let mut queues: Vec<VecDeque<usize>> = by_sender.into_values().collect();
        // Everybody begins with another receiver: no place is at the end of all packets of a burst.
        for (number, queue) in queues.iter_mut().enumerate() {
            let by = number % queue.len();
            queue.rotate_left(by);
        }
        let first_tag = engine.fresh_tags(u32::try_from(shots.len()).unwrap_or(u32::MAX));
        engine.read_drops()?;
        Ok(Volley {
            shots,
            gear,
            flights: shots.iter().map(|_| Flight::default()).collect(),
            first_tag,
            queues,
            next_queue: 0,
            open: Vec::new(),
            keys: HashMap::new(),
            buffer: vec![0; 65_536],
        })
    }

    /// Sends everything and waits until each probe is decided, or silent for as long as `patience`.
    pub(crate) fn fly(mut self, engine: &mut Engine, patience: Duration) -> Result<(Vec<Verdict>, Vec<Flight>)> {
        loop {
            let undecided = self.open.iter().filter(|index| self.flights[**index].dropped.is_none()).count();
            let sent = if undecided < UNDECIDED { self.burst(engine)? } else { 0 };
            let more = self.queues.iter().any(|queue| !queue.is_empty());
            if self.open.is_empty() && !more {
                break;
            }
            let wait = match (sent, more || undecided < self.open.len()) {
                (1.., _) => Duration::ZERO,
                (0, true) => PAUSE,
                (0, false) => Duration::from_millis(20),
            };
            let looked = self.look(engine, wait)?;
            self.judge(engine, looked, patience)?;
        }
        let verdicts = self.flights.iter_mut().map(|flight| flight.verdict.take().unwrap_or(Verdict::Unclear)).collect();
        Ok((verdicts, self.flights))
    }

    /// Sends a burst, one of each sender in turn.
    fn burst(&mut self, engine: &mut Engine) -> Result<usize> {
        let mut places = vec![0usize; self.gear.stations.len()];
        let (mut sent, mut idle) = (0, 0);
        while sent < BURST && idle < self.queues.len() {
            let turn = self.next_queue % self.queues.len();
            self.next_queue = turn + 1;
            idle += 1;
            let Some(&index) = self.queues[turn].front() else { continue };
            let posts = &self.gear.posts[index];
            let busy = std::iter::once(posts.sender).chain(posts.receiver).any(|place| places[place] >= BURST_A_PLACE);
            if busy || self.flow(index).is_some_and(|key| self.keys.contains_key(&key)) {
                continue;
            }
            std::iter::once(posts.sender).chain(posts.receiver).for_each(|place| places[place] += 1);
            self.queues[turn].pop_front();
            self.send(engine, index)?;
            (sent, idle) = (sent + 1, 0);
        }
        Ok(sent)
    }

    /// What no two probes in flight may share; an echo has an identifier of its own.
    fn flow(&self, index: usize) -> Option<FlowKey> {
        let (shot, (number, source, destination)) = (&self.shots[index], self.shots[index].numbers());
        (!matches!(shot.traffic, Traffic::Icmp { .. }))
            .then_some((self.gear.posts[index].sender, number, shot.ends.source, source, shot.ends.to, destination))
    }

    fn send(&mut self, engine: &mut Engine, index: usize) -> Result<()> {
        let shot = &self.shots[index];
        let ends = &shot.ends;
        let identifier = engine.fresh_identifier();
        let tag = self.first_tag.wrapping_add(u32::try_from(index).unwrap_or(u32::MAX));
        let flight = &mut self.flights[index];
        (flight.sent, flight.identifier) = (Some(Instant::now()), identifier);
        let Some(payload) = tag::request(shot.traffic, tag, identifier, ends.source, ends.to) else {
            flight.verdict = Some(Verdict::Unclear);
            return Ok(());
        };
        if self.gear.send(index, &self.packet_of(index, payload)).is_err() {
            // Whoever asks alone gets to hear why.
            self.flights[index].verdict = Some(Verdict::Unclear);
            return Ok(());
        }
        self.open.push(index);
        if let Some(key) = self.flow(index) {
            self.keys.insert(key, index);
        }
        Ok(())
    }

    fn packet_of(&self, index: usize, payload: Vec<u8>) -> Raw {
        let shot = &self.shots[index];
        let (protocol, ..) = shot.numbers();
        Raw { source: shot.ends.source, destination: shot.ends.to, protocol, ttl: 64, dont_fragment: true, payload, is_aside: shot.ends.is_aside }
    }

    /// Waits for news and takes in all there is; answers with the moment before which everything was seen.
    fn look(&mut self, engine: &mut Engine, wait: Duration) -> Result<Instant> {
        let events = engine.drop_descriptors();
        let stations = self.gear.stations.iter().map(|station| station.watch.descriptor());
        let servers = self.gear.echoing.iter().map(|server| server.as_fd());
        let all = stations.chain(servers).chain(events.iter().copied());
        let mut all: Vec<PollFd<'_>> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let limit = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() };
        match poll(&mut all, Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Error::os("waiting for packets")(error)),
        }
        let ready: Vec<bool> = all.iter().map(|fd| !fd.revents().is_empty()).collect();
        let looked = Instant::now();
        let (stations, rest) = ready.split_at(self.gear.stations.len());
        let (servers, drops) = rest.split_at(self.gear.echoing.len());
        for server in self.gear.echoing.iter().zip(servers).filter(|(_, ready)| **ready).map(|(server, _)| server) {
            echo(server)?;
        }
        for at in (0..stations.len()).filter(|at| stations[*at]) {
            self.take(engine.fabric(), at)?;
        }
        if drops.contains(&true) {
            for dropped in engine.read_drops()? {
                let tagged = tag::read(&dropped.bytes, |tag| self.port_of(tag));
                if let Some((index, role)) = tagged.and_then(|(tag, role)| Some((self.index_of(tag)?, role))) {
                    self.flights[index].dropped.get_or_insert((Instant::now(), role, dropped));
                }
            }
        }
        Ok(looked)
    }

    fn take(&mut self, fabric: &Fabric, at: usize) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut packets = Vec::new();
        let result = self.gear.stations[at].watch.take(&mut buffer, |bytes| packets.push(bytes[..bytes.len().min(256)].to_vec()));
        self.buffer = buffer;
        result?;
        packets.iter().for_each(|bytes| self.note(fabric, at, bytes));
        Ok(())
    }

    fn index_of(&self, tag: u32) -> Option<usize> {
        let index = usize::try_from(tag.wrapping_sub(self.first_tag)).ok()?;
        self.flights.get(index).filter(|flight| flight.sent.is_some()).map(|_| index)
    }

    fn port_of(&self, tag: u32) -> Option<u16> {
        self.index_of(tag).map(|index| self.shots[index].numbers().2)
    }

    /// Adds a packet that came in at a station to what is known of its probe.
    fn note(&mut self, fabric: &Fabric, at: usize, bytes: &[u8]) {
        let Some(seen) = Seen::parse(bytes) else { return };
        let tagged = tag::read(bytes, |tag| self.port_of(tag)).and_then(|(tag, role)| Some((self.index_of(tag)?, role)));
        let Some((index, role)) = tagged else { return self.note_untagged(at, &seen) };
        let (shot, posts) = (&self.shots[index], &self.gear.posts[index]);
        let matcher = shot.matcher();
        let is_own = match role {
            Role::Request | Role::End => matcher.is_request(&seen),
            Role::Reply | Role::Refusal | Role::Error { .. } => matcher.is_reply(&seen),
        };
        if !is_own {
            return;
        }
        let station = &self.gear.stations[at];
        let flight = &mut self.flights[index];
        let is_back = seen.destination == shot.ends.source && is_from(shot, &seen);
        match role {
            Role::Request | Role::End if posts.receiver == Some(at) => {
                let receiver = shot.ends.receiver.as_ref();
                if receiver.is_some_and(|place| place.is_end_of(fabric, seen.destination)) {
                    flight.ended |= role == Role::End;
                    if role == Role::Request {
                        flight.request.get_or_insert(seen);
                    }
                }
            }
            Role::Reply if posts.sender == at && is_back => flight.replied = true,
            Role::Reply if posts.sender == at && seen.destination == shot.ends.source => flight.strayed = true,
            Role::Refusal if posts.sender == at && is_back => flight.refused = true,
            Role::Error { complaint, .. } if posts.sender == at && seen.destination == shot.ends.source && is_about(shot, &seen) => {
                match (shot.traffic, complaint) {
                    (Traffic::Tcp { .. } | Traffic::Udp { .. }, Complaint::NobodyListens) => flight.refused = true,
                    (Traffic::Udp { .. }, _) => flight.unclear = true,
                    _ => {}
                }
            }
            role => {
                let Some(middlebox) = station.middlebox else { return };
                let ends = [Some(&shot.ends.sender), shot.ends.receiver.as_ref()];
                if ends.into_iter().flatten().any(|place| place.interface == Some(middlebox)) {
                    return;
                }
                let way = match role {
                    Role::Request => &mut flight.there,
                    Role::End => return,
                    Role::Reply | Role::Refusal | Role::Error { .. } => &mut flight.back,
                };
                if !way.iter().any(|(_, met)| *met == middlebox) {
                    way.push((seen.ttl, middlebox));
                }
            }
        }
    }

    /// A service of the guest's own may answer a datagram with something else.
    fn note_untagged(&mut self, at: usize, seen: &Seen) {
        let Some((source, destination)) = seen.ports() else { return };
        let key = (at, seen.protocol, seen.destination, destination, seen.source, source);
        let Some(&index) = self.keys.get(&key).filter(|_| seen.protocol == protocol::UDP) else { return };
        let flight = &mut self.flights[index];
        flight.replied = true;
        // Which middleboxes such an answer met cannot be told.
        flight.unclear = self.gear.stations.iter().any(|station: &Station| station.middlebox.is_some());
    }

    /// Decides what can be decided of what was seen before `looked`.
    fn judge(&mut self, engine: &Engine, looked: Instant, patience: Duration) -> Result<()> {
        let open = std::mem::take(&mut self.open);
        for index in open {
            match self.verdict(engine, index, looked, patience) {
                None => self.open.push(index),
                Some(verdict) => {
                    self.flights[index].verdict = Some(verdict);
                    if let Some(key) = self.flow(index) {
                        self.keys.remove(&key);
                    }
                    self.hang_up(index)?;
                }
            }
        }
        Ok(())
    }

    fn verdict(&mut self, engine: &Engine, index: usize, looked: Instant, patience: Duration) -> Option<Verdict> {
        let (shot, flight) = (&self.shots[index], &mut self.flights[index]);
        let (sender, receiver) = (&shot.ends.sender, shot.ends.receiver.as_ref());
        // With a listener of ours the handshake is over when the sender's last word has arrived too.
        let is_over = flight.ended || !(self.gear.posts[index].is_heard && matches!(shot.traffic, Traffic::Tcp { .. }));
        if flight.unclear {
            return Some(Verdict::Unclear);
        }
        if flight.refused {
            let reported = flight.dropped.as_ref().map(|(.., dropped)| dropped);
            return Some(Verdict::Is(engine.refused_by(reported, receiver.filter(|_| flight.request.is_some()))));
        }
        if flight.replied && is_over {
            let (there, back) = (std::mem::take(&mut flight.there), std::mem::take(&mut flight.back));
            let arrival = engine.arrived(sender, receiver, flight.request.clone(), there, back);
            return Some(Verdict::Is(Outcome::Allowed(arrival)));
        }
        let leg = if flight.request.is_some() { Leg::Return } else { Leg::Forward };
        match &flight.dropped {
            Some((when, role, dropped)) if *when + AFTERMATH <= looked => {
                let refused = || Some(engine.refused_reply(sender, flight.strayed, dropped.clone()));
                let told = match role {
                    Role::Error { complaint: Complaint::NobodyListens, about_answer: true } => refused(),
                    // The last word of a handshake that the sender knows of is a loss of its own.
                    Role::End if !flight.replied => refused(),
                    Role::Error { complaint: Complaint::TimeExceeded, .. } => Some(circled(dropped.clone())),
                    _ => None,
                };
                let dropped = told.as_ref().unwrap_or(dropped);
                let drop = Drop { leg, at: dropped.at, code: dropped.code, reason: None };
                Some(Verdict::Is(Outcome::Dropped(drop)))
            }
            None if flight.sent.is_some_and(|sent| sent + patience <= looked) => {
                Some(if flight.replied { Verdict::Unclear } else { Verdict::Silence(leg) })
            }
            _ => None,
        }
    }

    /// A receiver whose answer got lost would repeat it for a minute: it is told that nobody waits.
    fn hang_up(&self, index: usize) -> Result<()> {
        let (shot, flight) = (&self.shots[index], &self.flights[index]);
        let Traffic::Tcp { source_port, destination_port } = shot.traffic else { return Ok(()) };
        if flight.request.is_some() && !flight.replied && !flight.refused {
            let sequence = self.first_tag.wrapping_add(u32::try_from(index).unwrap_or(u32::MAX)).wrapping_add(1);
            let reset = packet::tcp_reset((shot.ends.source, source_port), (shot.ends.to, destination_port), sequence);
            // It is a courtesy: where it cannot be sent, the receiver waits.
            let _ = self.gear.send(index, &self.packet_of(index, reset));
        }
        Ok(())
    }
}

/// An answer comes from where the request went, or it is somebody else's: of a flow that passes the sender, who hides others
/// behind its address. Its destination port says nothing: such a guest may have chosen another for its own packets too.
fn is_from(shot: &Shot, seen: &Seen) -> bool {
    match shot.traffic {
        Traffic::Tcp { destination_port, .. } | Traffic::Udp { destination_port, .. } => {
            seen.source == shot.ends.to && seen.ports().is_some_and(|(source, _)| source == destination_port)
        }
        Traffic::Icmp { .. } => seen.source == shot.ends.to,
        Traffic::Other(_) => true,
    }
}

/// Whether an error is about what was sent here, and not about what a flow that passes the sender became.
fn is_about(shot: &Shot, seen: &Seen) -> bool {
    match &seen.payload {
        Payload::IcmpError { quoted: Some(quoted), .. } => quoted.destination == shot.ends.to,
        _ => true,
    }
}

/// Sends a packet with a header of its own.
pub(crate) fn send_raw(socket: &OwnedFd, raw: &Raw) -> Result<()> {
    let to = SocketAddr::new(raw.destination, 0);
    match rustix::net::sendto(socket, &raw.bytes(), SendFlags::empty(), &to) {
        // EPERM: the sender's own namespace dropped it, and logged why.
        Ok(_) | Err(Errno::PERM) => Ok(()),
        Err(error) => Err(Error::os(format!("sending to {}", raw.destination))(error)),
    }
}
