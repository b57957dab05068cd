//! One request and what comes of it: the loop that waits for a reply, for a drop to be reported, or for nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use fabric::{Component, Fabric, InterfaceKind};
use fabric::engine::{Arrival, Drop, Leg, Outcome};
use model::traffic::protocol;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::drops::Dropped;
use super::engine::Engine;
use super::error::{Error, Result};
use super::packet::{Complaint, Payload, Seen, echo_type};
use super::packet_probe::unrouted_by_guest;
use super::place::Place;
use super::tag::{ACK, RST};

/// How long silence must last before it counts as an answer. Everything happens on this machine: a packet that is
/// not there after this time was dropped without a report, or the machine is overloaded.
pub(crate) const SILENCE: Duration = Duration::from_millis(1_500);
/// After a drop was reported: time for a reply that overtook the report, and for a kernel's thread that packets wait for where there
/// is much to do.
pub(crate) const AFTERMATH: Duration = Duration::from_millis(10);

/// A middlebox that a packet met, and the TTL that it had there.
pub type Met = (u8, fabric::InterfaceIndex);

/// What belongs to one exchange, whatever translation did to its addresses and source port.
#[derive(Debug, Clone, Copy)]
pub enum Matcher {
    /// TCP or UDP towards this port.
    Port(u8, u16),
    /// The same from a port: a reply that a NAT gateway lets out as a flow of its own has one of the two still.
    Ports {
        /// Protocol number.
        number: u8,
        /// The client's.
        source: u16,
        /// The server's.
        destination: u16,
    },
    /// ICMP of this type.
    Icmp(u8),
    /// Any packet of this protocol.
    Protocol(u8),
}

impl Matcher {
    /// Whether the packet is part of the request.
    pub fn is_request(self, packet: &Seen) -> bool {
        match (self, &packet.payload) {
            (Self::Port(number, port) | Self::Ports { number, destination: port, .. }, _) => {
                packet.protocol == number && packet.ports().is_some_and(|(_, destination)| destination == port)
            }
            (Self::Icmp(wanted), Payload::Icmp { icmp_type, .. }) => *icmp_type == wanted,
            (Self::Icmp(wanted), Payload::IcmpError { icmp_type, .. }) => *icmp_type == wanted,
            (Self::Icmp(_), _) => false,
            (Self::Protocol(number), _) => packet.protocol == number,
        }
    }

    /// Whether the packet is part of the reply, errors about the request included.
    pub fn is_reply(self, packet: &Seen) -> bool {
        if let Payload::IcmpError { quoted: Some(quoted), .. } = &packet.payload
            && !self.is_request(packet)
        {
            return self.is_request(quoted);
        }
        match (self, &packet.payload) {
            (Self::Port(number, port), _) => {
                packet.protocol == number && packet.ports().is_some_and(|(source, _)| source == port)
            }
            (Self::Ports { number, source: client, destination: server }, _) => {
                let is_way_back = |(source, destination)| source == server || destination == client;
                packet.protocol == number && packet.ports().is_some_and(is_way_back)
            }
            (Self::Icmp(request), Payload::Icmp { icmp_type, .. }) => reply_type(request) == Some(*icmp_type),
            (Self::Icmp(_), _) => false,
            (Self::Protocol(number), _) => packet.protocol == number,
        }
    }

    fn concerns(self, packet: &Seen) -> bool {
        self.is_request(packet) || self.is_reply(packet) || self.refuses_reply(packet) || self.went_in_a_circle(packet)
    }

    /// Whether somebody says with this packet that the TTL of the request or the reply ran out. Only echo requests are ever
    /// sent with less than a full one.
    fn went_in_a_circle(self, packet: &Seen) -> bool {
        match &packet.payload {
            Payload::IcmpError { complaint: Complaint::TimeExceeded, quoted: Some(quoted), .. } => match self {
                Self::Icmp(_) => !self.is_request(quoted) && self.is_reply(quoted),
                _ => self.is_request(quoted) || self.is_reply(quoted),
            },
            _ => false,
        }
    }

    /// Whether somebody says with this packet that no program of theirs waits for the reply: an ICMP error, or the reset by
    /// which a sender's system answers a handshake that it knows nothing of (RFC 9293, 3.10.7.1).
    pub fn refuses_reply(self, packet: &Seen) -> bool {
        match &packet.payload {
            Payload::Tcp { flags, .. } => flags & (RST | ACK) == RST && self.is_request(packet),
            Payload::IcmpError { complaint: Complaint::NobodyListens, quoted: Some(quoted), .. } => {
                !self.is_request(quoted) && self.is_reply(quoted)
            }
            _ => false,
        }
    }
}

/// The loss of a packet whose TTL ran out, told by the drop of the error about it: routes lead in a circle, and where on it the
/// packet was just then says nothing.
pub(crate) fn circled(dropped: Dropped) -> Dropped {
    Dropped { at: Some(Component::Fabric), code: None, ..dropped }
}

/// The ICMP or ICMPv6 type that answers a request type (RFC 792, RFC 4443); `None` for what nobody answers.
pub fn reply_type(request: u8) -> Option<u8> {
    match request {
        8 => Some(echo_type(false, true)),
        128 => Some(echo_type(true, true)),
        13 => Some(14),
        15 => Some(16),
        17 => Some(18),
        _ => None,
    }
}

/// How far the reply has come.
pub enum Progress {
    /// Nothing yet.
    Waiting,
    /// The sender has its reply.
    Answered,
    /// The sender was told that nobody listens.
    Refused,
}

/// The system that an address is of, as seen anywhere between its owner and the internet; `first` is asked first, because two
/// VPCs may have the same addresses.
fn system_at(fabric: &Fabric, first: &Place, address: IpAddr) -> Option<Component> {
    let holder = |index: fabric::InterfaceIndex| fabric.interfaces[index].holds(address).then_some(index);
    let in_vpc = |vpc: fabric::VpcIndex| fabric.vpcs[vpc].addresses.get(&address).copied();
    let near = first.interface.and_then(|index| holder(index).or_else(|| in_vpc(fabric.interfaces[index].vpc)));
    let public = || match address {
        IpAddr::V4(address) => fabric.public_addresses.get(&address).map(|mapping| mapping.interface),
        IpAddr::V6(_) => None,
    };
    let anywhere = || fabric.vpcs.iter().find_map(|(vpc, _)| in_vpc(vpc));
    let interface = near.or_else(public).or_else(anywhere);
    interface.map(Component::Guest).or_else(|| outside_component(fabric, address))
}

/// A NAT gateway waits for nothing itself and so refuses nothing: what has its address is somebody's behind it.
fn is_nat_gateway(fabric: &Fabric, component: &Component) -> bool {
    matches!(component, Component::Guest(index) if matches!(fabric.interfaces[*index].kind, InterfaceKind::NatGateway(_)))
}

/// The host outside that has an address.
fn outside_component(fabric: &Fabric, address: IpAddr) -> Option<Component> {
    let unnamed = || fabric.is_outside_host(address).then_some(Component::Internet);
    fabric.outside_host(address).map(Component::Outside).or_else(unnamed)
}

impl Engine {
    /// Forgets what was seen and dropped so far.
    pub(crate) fn clear_evidence(&mut self, places: &[&Place]) -> Result<()> {
        for place in places {
            self.watch(place)?.clear()?;
        }
        for place in self.middleboxes() {
            self.watch(&place)?.clear()?;
        }
        self.read_drops()?;
        Ok(())
    }

    /// Waits until `progress` has an answer, a drop is reported, or nothing happens for long enough.
    pub(crate) fn settle(
        &mut self,
        matcher: Matcher,
        sender: &Place,
        receiver: Option<&Place>,
        descriptors: &[BorrowedFd<'_>],
        mut progress: impl FnMut(&mut Engine, Option<&Seen>) -> Result<Progress>,
    ) -> Result<Outcome> {
        let deadline = Instant::now() + SILENCE;
        let mut drops: Vec<Dropped> = Vec::new();
        let mut over: Option<Instant> = None;
        loop {
            // Everything of before this moment is seen below: a process that had to wait for a processor gives no silence.
            let looked = Instant::now();
            let request = match receiver {
                Some(place) => self.request_seen(matcher, place)?,
                None => None,
            };
            match progress(self, request.as_ref())? {
                Progress::Answered => return Ok(Outcome::Allowed(self.arrival(matcher, sender, receiver, request)?)),
                Progress::Refused => return self.refused(matcher, receiver, request.is_some()),
                Progress::Waiting => {}
            }
            for dropped in self.read_drops()?.into_iter().filter(|d| d.packet.as_ref().is_none_or(|p| matcher.concerns(p))) {
                drops.push(match &dropped.packet {
                    Some(packet) if matcher.refuses_reply(packet) => {
                        let reached_sender = self.reply_seen(matcher, sender)?;
                        self.refused_reply(sender, reached_sender, dropped)
                    }
                    Some(packet) if matcher.went_in_a_circle(packet) => circled(dropped),
                    _ => dropped,
                });
            }
            if over.map_or(drops.is_empty() && looked >= deadline, |over| looked >= over) {
                let leg = if request.is_some() { Leg::Return } else { Leg::Forward };
                // On the way there the first drop decides; on the way back an earlier one of a retransmission cannot
                // exist, because the request arrived.
                let dropped = drops.into_iter().next();
                if dropped.is_none()
                    && let Some(at) = self.refusal_met(matcher, sender, receiver)?
                {
                    return Ok(Outcome::Dropped(Drop { leg: Leg::Return, at: Some(at), code: None, reason: None }));
                }
                if dropped.is_none()
                    && let Some(silent) = self.unsent(matcher, sender, receiver, request.as_ref())?
                {
                    return Ok(Outcome::Dropped(silent));
                }
                return Ok(Outcome::Dropped(Drop {
                    leg,
                    at: dropped.as_ref().and_then(|d| d.at),
                    code: dropped.as_ref().and_then(|d| d.code),
                    reason: None,
                }));
            }
            let wait = if drops.is_empty() {
                deadline.saturating_duration_since(Instant::now()).min(Duration::from_millis(20))
            } else {
                over.get_or_insert_with(|| Instant::now() + AFTERMATH).saturating_duration_since(Instant::now())
            };
            self.wait(descriptors, wait)?;
        }
    }

    /// The loss of a reply, told by the drop of what refuses it: it was lost where nobody waits for it, and that this is
    /// said in vain elsewhere is another packet's affair. Whom the refusal comes from says less than where the reply was seen:
    /// translation on its way may have given it another source.
    pub(crate) fn refused_reply(&self, sender: &Place, reached_sender: bool, dropped: Dropped) -> Dropped {
        let fabric = self.fabric();
        let at = match reached_sender {
            true => sender.interface.map(Component::Guest).or_else(|| outside_component(fabric, sender.address)),
            false => dropped.packet.as_ref().and_then(|refusal| system_at(fabric, sender, refusal.source)),
        };
        Dropped { at: at.filter(|at| !is_nat_gateway(fabric, at)), code: None, ..dropped }
    }

    /// Who refused the reply, where that was told to the receiver: the reply went where nobody waits for it. Where the reply was
    /// seen says who that is; whom the refusal comes from says it only where nobody hides others behind that address.
    fn refusal_met(&mut self, matcher: Matcher, sender: &Place, receiver: Option<&Place>) -> Result<Option<Component>> {
        let Some(receiver) = receiver.filter(|receiver| receiver.interface.is_some()) else { return Ok(None) };
        let fabric = self.fabric().clone();
        let refuses = |packet: &Seen| matcher.refuses_reply(packet) && receiver.is_end_of(&fabric, packet.destination);
        let Some(refusal) = self.came_in(receiver, refuses)? else { return Ok(None) };
        if self.reply_seen(matcher, sender)? {
            return Ok(sender.interface.map(Component::Guest).or_else(|| outside_component(&fabric, sender.address)));
        }
        let at = system_at(&fabric, sender, refusal.source);
        if let Some(Component::Guest(index)) = at
            && self.passed_refusal_on(matcher, index)?
        {
            return Ok(None);
        }
        Ok(at.filter(|at| !is_nat_gateway(&fabric, at)))
    }

    /// Whether a refusal of the reply came in at a guest that passes packets on: then it is of somebody else.
    fn passed_refusal_on(&mut self, matcher: Matcher, guest: fabric::InterfaceIndex) -> Result<bool> {
        match self.middleboxes().into_iter().find(|place| place.interface == Some(guest)) {
            Some(place) => Ok(self.came_in(&place, |packet| matcher.refuses_reply(packet))?.is_some()),
            None => Ok(false),
        }
    }

    /// The first packet of a kind that came in at a place.
    fn came_in(&mut self, place: &Place, mut is_it: impl FnMut(&Seen) -> bool) -> Result<Option<Seen>> {
        let watch = self.watch(place)?;
        watch.read()?;
        let mut came = watch.frames().filter(|frame| frame.incoming).filter_map(|frame| frame.packet());
        Ok(came.find(|packet| is_it(packet)))
    }

    /// Whether the reply came in at the sender, from whomever.
    fn reply_seen(&mut self, matcher: Matcher, sender: &Place) -> Result<bool> {
        let fabric = self.fabric().clone();
        let is_it = |packet: &Seen| {
            let is_error = matches!(packet.payload, Payload::IcmpError { .. });
            !is_error && matcher.is_reply(packet) && sender.is_end_of(&fabric, packet.destination)
        };
        Ok(self.came_in(sender, is_it)?.is_some())
    }

    /// The request as the receiver's end got it, if it did.
    fn request_seen(&mut self, matcher: Matcher, receiver: &Place) -> Result<Option<Seen>> {
        let fabric = self.fabric().clone();
        let is_internet = receiver.interface.is_none();
        let watch = self.watch(receiver)?;
        watch.read()?;
        let seen = watch.frames().filter(|frame| frame.incoming || is_internet).filter_map(|frame| frame.packet());
        Ok(seen.into_iter().find(|packet| matcher.is_request(packet) && receiver.is_end_of(&fabric, packet.destination)))
    }

    /// Where nothing in the fabric dropped a packet: the request that never left the sender, or the answer that never left
    /// the receiver. Their own systems have other ideas then than the VPC.
    fn unsent(&mut self, matcher: Matcher, sender: &Place, receiver: Option<&Place>, request: Option<&Seen>) -> Result<Option<Drop>> {
        let (place, leg, to) = match (request, receiver) {
            (Some(request), Some(receiver)) => (receiver, Leg::Return, request.source),
            (None, Some(receiver)) if receiver.namespace == sender.namespace => return Ok(None),
            (None, Some(receiver)) => (sender, Leg::Forward, receiver.address),
            _ => return Ok(None),
        };
        let Some(interface) = place.interface else { return Ok(None) };
        let watch = self.watch(place)?;
        watch.read()?;
        let mut sent = watch.frames().filter(|frame| !frame.incoming).filter_map(|frame| frame.packet());
        let left = sent.any(|packet| if leg == Leg::Return { matcher.is_reply(&packet) } else { matcher.is_request(&packet) });
        Ok((!left).then(|| unrouted_by_guest(interface, leg, to)))
    }

    fn arrival(
        &mut self,
        matcher: Matcher,
        sender: &Place,
        receiver: Option<&Place>,
        request: Option<Seen>,
    ) -> Result<Arrival> {
        let ends = [Some(sender), receiver].into_iter().flatten().filter_map(|place| place.interface).collect::<Vec<_>>();
        let (mut there, mut back) = (Vec::new(), Vec::new());
        for place in self.middleboxes() {
            let Some(index) = place.interface.filter(|i| !ends.contains(i)) else { continue };
            let watch = self.watch(&place)?;
            watch.read()?;
            let packets: Vec<Seen> = watch.frames().filter(|f| f.incoming).filter_map(|f| f.packet()).collect();
            there.extend(packets.iter().find(|p| matcher.is_request(p)).map(|p| (p.ttl, index)));
            back.extend(packets.iter().find(|p| matcher.is_reply(p)).map(|p| (p.ttl, index)));
        }
        Ok(self.arrived(sender, receiver, request, there, back))
    }

    /// An arrival, from the request as it came in, and the TTLs at the middleboxes that it and its reply met.
    pub(crate) fn arrived(
        &self,
        sender: &Place,
        receiver: Option<&Place>,
        request: Option<Seen>,
        mut there: Vec<Met>,
        mut back: Vec<Met>,
    ) -> Arrival {
        // Each appliance takes one off the TTL: that is the order in which a packet met them.
        for way in [&mut there, &mut back] {
            way.sort_by_key(|(ttl, index)| (std::cmp::Reverse(*ttl), *index));
        }
        let via = there.into_iter().chain(back).map(|(_, index)| self.fabric().interfaces[index].id.clone()).collect();
        let nowhere = match sender.address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let unknown = Seen {
            source: sender.address,
            destination: receiver.map_or(nowhere, |place| place.address),
            protocol: protocol::TCP,
            ttl: 0,
            payload: Payload::Other,
        };
        let ttl = request.as_ref().map(|seen| seen.ttl);
        let seen = request.unwrap_or(unknown);
        Arrival {
            source: seen.source,
            destination: seen.destination,
            source_port: seen.ports().map(|(source, _)| source),
            ttl,
            via: Some(via),
            path: None,
        }
    }

    fn refused(&mut self, matcher: Matcher, receiver: Option<&Place>, request_seen: bool) -> Result<Outcome> {
        // A NAT gateway that refuses reports it like a drop, with the packet that it refused.
        let reported =
            self.read_drops()?.into_iter().find(|d| d.packet.as_ref().is_some_and(|p| matcher.concerns(p)));
        Ok(self.refused_by(reported.as_ref(), receiver.filter(|_| request_seen)))
    }

    /// A refusal; `receiver` if the request got there, `reported` if a drop was.
    pub(crate) fn refused_by(&self, reported: Option<&Dropped>, receiver: Option<&Place>) -> Outcome {
        let at = match (reported, receiver) {
            (Some(dropped), _) if dropped.prefix == "nat-no-entry" => dropped.at,
            (_, Some(place)) => match place.interface {
                Some(index) => Some(Component::Guest(index)),
                None => outside_component(self.fabric(), place.address),
            },
            _ => None,
        };
        Outcome::Refused { at }
    }

    /// Sleeps until one of these descriptors, a watch or a drop report is readable, at most for `timeout`.
    pub(crate) fn wait(&mut self, descriptors: &[BorrowedFd<'_>], timeout: Duration) -> Result<()> {
        self.read_watches()?;
        let mut all: Vec<PollFd<'_>> =
            descriptors.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN | PollFlags::OUT)).collect();
        let events = self.event_descriptors();
        all.extend(events.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)));
        let limit = Timespec {
            tv_sec: timeout.as_secs().cast_signed(),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        match poll(&mut all, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(Error::os("waiting for packets")(error)),
        }
    }
}
