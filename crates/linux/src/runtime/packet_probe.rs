//! A request to a listener by real sockets: TCP, UDP, ICMP and other protocols.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use fabric::engine::{Drop, EngineError, Leg, ListenerState, Outcome, PacketProbe, Traffic};
use fabric::{Component, ExplanationCode, Fabric, Family, InterfaceIndex, Reason, Stage};
use model::traffic::protocol;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, sockopt};
use sandbox::spec::SocketAddress;
use sandbox::SocketSpec;

use super::engine::Engine;
use super::error::{Error, Result};
use super::exchange::{Matcher, Progress, reply_type};
use super::kept::{Kept, KeptPair};
use super::packet::{self, Payload, Raw, Seen};
use super::place::Place;
use crate::aside;

/// What a UDP or raw probe carries. It is as long as a DNS header and asks for an operation that there is not, so that name
/// servers answer too (RFC 1035: "not implemented").
pub(crate) const BODY: &[u8] = b"vpclab probe";

/// Tries of a probe that its sender's system seems not to have sent: workers of a kernel with much to do come late.
const MOST_TRIES: usize = 4;

/// A protocol number that hands over whole packets, IP header included (raw(7): IPPROTO_RAW).
pub(crate) const IPPROTO_RAW: i32 = 255;

/// A packet probe with both ends found on this machine.
pub(crate) struct Ends {
    pub sender: Place,
    pub receiver: Option<Place>,
    pub source: IpAddr,
    pub to: IpAddr,
    pub is_aside: bool,
}

impl Engine {
    /// Carries out one packet probe.
    pub(crate) fn packet_probe(&mut self, probe: &PacketProbe) -> std::result::Result<Outcome, EngineError> {
        let ends = self.ends(probe)?;
        if let Some(gateway) = &probe.inject_at {
            return Ok(self.inject(probe, gateway, &ends)?);
        }
        if let Some(interface) = self.is_stopped_and_alone(&ends) {
            let at = Some(Component::Interface(interface));
            return Ok(Outcome::Dropped(Drop { leg: Leg::Forward, at, code: Some(ExplanationCode::BadState), reason: None }));
        }
        if probe.connections > 1 {
            return self.many(probe, &ends);
        }
        let places: Vec<&Place> = std::iter::once(&ends.sender).chain(ends.receiver.as_ref()).collect();
        self.clear_evidence(&places)?;
        let mut outcome = self.once(probe, &ends)?;
        // A device that was made a moment ago may swallow its first packets: the kernel gives it a queue when a worker comes to
        // it, and until then nothing leaves. What stays silent is the system's own doing.
        for _ in 1..MOST_TRIES {
            if !matches!(&outcome, Outcome::Dropped(drop) if is_unsent(drop)) {
                break;
            }
            self.clear_evidence(&places)?;
            outcome = self.once(probe, &ends)?;
        }
        Ok(outcome)
    }

    fn once(&mut self, probe: &PacketProbe, ends: &Ends) -> std::result::Result<Outcome, EngineError> {
        let outcome = match probe.traffic {
            Traffic::Tcp { source_port, destination_port } => self.tcp(probe, ends, source_port, destination_port),
            Traffic::Udp { source_port, destination_port } => self.udp(probe, ends, source_port, destination_port),
            Traffic::Icmp { icmp_type, code } => self.icmp(ends, icmp_type, code),
            Traffic::Other(number) => self.other(ends, number),
        };
        match (outcome, ends.sender.interface) {
            // Whoever is root in an instance may take its routes away: then nothing leaves it.
            (Err(error), Some(interface)) if error.is_without_route() => {
                Ok(Outcome::Dropped(unrouted_by_guest(interface, Leg::Forward, probe.to)))
            }
            (outcome, _) => Ok(outcome?),
        }
    }

    /// A stopped instance that would talk to itself: no device sees that, and nothing runs that could do it (INST-6).
    fn is_stopped_and_alone(&self, ends: &Ends) -> Option<InterfaceIndex> {
        let is_stopped = |interface: &InterfaceIndex| !self.fabric().interfaces[*interface].status.is_running();
        let alone = ends.sender.talks_to_itself(ends.receiver.as_ref(), ends.to);
        ends.sender.interface.filter(|interface| alone && is_stopped(interface))
    }

    pub(crate) fn ends(&mut self, probe: &PacketProbe) -> std::result::Result<Ends, EngineError> {
        let to = probe.to;
        let fabric = self.fabric().clone();
        let sender = Place::of_sender(&fabric, &probe.from)?;
        // Whoever says a source needs no address of the family.
        let mut sender = match probe.source {
            Some(source) if Family::of(source) == Family::of(to) => sender.clone().towards(&fabric, to).unwrap_or(Place { address: source, ..sender }),
            Some(source) => return Err(EngineError::BadProbe(format!("{source} and {to} are of different families"))),
            None => sender.towards(&fabric, to)?,
        };
        self.prepare_sender(&probe.from, &sender)?;
        let source = probe.source.unwrap_or(sender.address);
        if sender.interface.is_none() {
            sender.address = source;
        }
        let vpc = match &probe.inject_at {
            None => None,
            Some(id) => {
                let gateway = fabric.internet_gateways.iter().find(|(_, igw)| igw.id == *id);
                gateway.ok_or_else(|| EngineError::NotFound(id.to_string()))?.1.vpc
            }
        };
        let receiver = Place::of_receiver(&fabric, &sender, vpc, to);
        let is_aside = probe.is_aside;
        Ok(match sender.talks_to_itself(receiver.as_ref(), to) {
            false => Ends { sender, receiver, source, to, is_aside },
            true => Ends { sender: sender.on_any_device(), receiver: receiver.map(Place::on_any_device), source, to, is_aside },
        })
    }

    fn client_socket(&self, ends: &Ends, mut spec: SocketSpec, source_port: u16) -> Result<OwnedFd> {
        spec.nonblocking = true;
        spec.reuse_address = true;
        // A source that the guest does not own must leave it all the same: whether it gets far is the fabric's affair.
        spec.transparent = ends.source != ends.sender.address;
        spec.bind = Some(SocketAddress::Inet(SocketAddr::new(ends.source, source_port)));
        let said = ends.sender.device.clone().filter(|_| ends.sender.is_one_of_several(self.fabric()));
        spec.device = said.or_else(|| ends.sender.link_of(ends.to));
        let socket = self.client().open_socket(spec)?;
        if ends.is_aside {
            let marked = match ends.to {
                IpAddr::V4(_) => sockopt::set_ip_tos(&socket, aside::DS_FIELD),
                IpAddr::V6(_) => sockopt::set_ipv6_tclass(&socket, aside::DS_FIELD.into()),
            };
            marked.map_err(Error::os("marking a question"))?;
        }
        Ok(socket)
    }

    /// A socket where the request arrives, unless something of the guest's own holds the port already.
    fn server_socket(&mut self, probe: &PacketProbe, receiver: Option<&Place>, port: u16, tcp: bool) -> Result<Option<OwnedFd>> {
        let Some(place) = receiver.filter(|_| probe.listener == ListenerState::Open) else { return Ok(None) };
        let address = SocketAddr::new(place.address, port);
        let mut spec = match tcp {
            true => SocketSpec::tcp_listener(&place.namespace, address),
            false => SocketSpec::udp(&place.namespace, address),
        };
        spec.nonblocking = true;
        Ok(self.open_servers(&[spec])?.pop().flatten())
    }

    fn tcp(&mut self, probe: &PacketProbe, ends: &Ends, source_port: u16, port: u16) -> Result<Outcome> {
        let server = self.server_socket(probe, ends.receiver.as_ref(), port, true)?;
        let client = self.client_socket(ends, SocketSpec::tcp(&ends.sender.namespace, ends.to.is_ipv6()), source_port)?;
        match rustix::net::connect(&client, &SocketAddr::new(ends.to, port)) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            // The kernel opens no connection to many at once; what becomes of its first packet is asked all the same.
            Err(Errno::NETUNREACH | Errno::ACCESS) if !is_one_host(self.fabric(), ends) => {
                let syn = packet::tcp_syn((ends.source, source_port), (ends.to, port), 1);
                self.send_raw(&ends.sender, ends.source, ends.to, protocol::TCP, 64, true, syn)?;
                let matcher = Matcher::Ports { number: protocol::TCP, source: source_port, destination: port };
                return self.settle(matcher, &ends.sender, ends.receiver.as_ref(), &[], |_, _| Ok(Progress::Waiting));
            }
            Err(error) => return Err(Error::os("connecting")(error)),
        }
        let mut accepted = None;
        let outcome = self.settle(
            Matcher::Ports { number: protocol::TCP, source: source_port, destination: port },
            &ends.sender,
            ends.receiver.as_ref(),
            &[],
            |_, _| {
                if accepted.is_none() && let Some(server) = &server {
                    accepted = rustix::net::accept(server).ok();
                }
                Ok(match connected(&client)? {
                    // With a listener of ours the handshake is over when it has the connection too.
                    Some(Ok(())) if server.is_none() || accepted.is_some() => Progress::Answered,
                    Some(Ok(())) | None => Progress::Waiting,
                    Some(Err(Errno::CONNREFUSED | Errno::CONNRESET)) => Progress::Refused,
                    Some(Err(_)) => Progress::Waiting,
                })
            },
        )?;
        match (&probe.keep, &outcome, accepted) {
            (Some(name), Outcome::Allowed(_), Some(server)) => {
                let pair = KeptPair::Tcp { client, server };
                let receiver = ends.receiver.clone();
                self.keep(name, Kept { sender: ends.sender.clone(), receiver, port, pair, last: Default::default() });
            }
            // A reset instead of an orderly end: no TIME-WAIT that would hold the ports for the next probe.
            (_, _, accepted) => {
                for fd in std::iter::once(client).chain(accepted) {
                    let _ = sockopt::set_socket_linger(&fd, Some(std::time::Duration::ZERO));
                }
            }
        }
        Ok(outcome)
    }

    fn udp(&mut self, probe: &PacketProbe, ends: &Ends, source_port: u16, port: u16) -> Result<Outcome> {
        let server = self.server_socket(probe, ends.receiver.as_ref(), port, false)?;
        let spec = datagrams(&ends.sender.namespace, ends.to);
        let client = self.client_socket(ends, spec, source_port)?;
        sockopt::set_socket_broadcast(&client, true).map_err(Error::os("allowing broadcast"))?;
        rustix::net::connect(&client, &SocketAddr::new(ends.to, port)).map_err(Error::os("connecting"))?;
        send(&client, BODY)?;
        let outcome = self.settle(
            Matcher::Ports { number: protocol::UDP, source: source_port, destination: port },
            &ends.sender,
            ends.receiver.as_ref(),
            &[],
            |_, _| {
                if let Some(server) = &server {
                    echo(server)?;
                }
                udp_progress(&client)
            },
        )?;
        if let (Some(name), Outcome::Allowed(_), Some(server)) = (&probe.keep, &outcome, server) {
            let receiver = ends.receiver.clone();
            let pair = KeptPair::Udp { client, server };
            self.keep(name, Kept { sender: ends.sender.clone(), receiver, port, pair, last: Default::default() });
        }
        Ok(outcome)
    }

    fn icmp(&mut self, ends: &Ends, icmp_type: u8, code: u8) -> Result<Outcome> {
        let identifier = self.fresh_identifier();
        let [high, low] = identifier.to_be_bytes();
        // Timestamp and address mask messages have a body of fixed length (RFC 792, RFC 950).
        let body: &[u8] = match icmp_type {
            13 | 14 if ends.to.is_ipv4() => &[0; 12],
            17 | 18 if ends.to.is_ipv4() => &[0; 4],
            _ => BODY,
        };
        let message = packet::icmp_message((ends.source, ends.to), icmp_type, code, [high, low, 0, 1], body);
        let (source, destination, protocol) = (ends.source, ends.to, icmp_number(ends.to));
        let raw = Raw { source, destination, protocol, ttl: 64, dont_fragment: true, payload: message, is_aside: ends.is_aside };
        self.send_packet(&ends.sender, &raw)?;
        let matcher = Matcher::Icmp(icmp_type);
        let sender = ends.sender.clone();
        self.settle(matcher, &sender, ends.receiver.as_ref(), &[], |engine, request| {
            Ok(match reply_type(icmp_type) {
                None if request.is_some() => Progress::Answered,
                None => Progress::Waiting,
                Some(reply) => engine.icmp_reply(&sender, reply, identifier)?,
            })
        })
    }

    fn icmp_reply(&mut self, sender: &Place, reply: u8, identifier: u16) -> Result<Progress> {
        let address = sender.address;
        let watch = self.watch(sender)?;
        watch.read()?;
        let came = watch.frames().filter_map(|frame| frame.packet()).any(|packet| {
            packet.destination == address
                && matches!(packet.payload, Payload::Icmp { icmp_type, identifier: id, .. } if icmp_type == reply && id == identifier)
        });
        Ok(if came { Progress::Answered } else { Progress::Waiting })
    }

    /// A protocol without ports: the receiver's end answers with the same, by hand.
    fn other(&mut self, ends: &Ends, number: u8) -> Result<Outcome> {
        // A raw socket of that protocol keeps the receiver's kernel from answering "protocol unreachable".
        let _listener = match &ends.receiver {
            Some(place) => {
                let spec = SocketSpec::raw(&place.namespace, ends.to.is_ipv6(), i32::from(number));
                Some(self.client().open_socket(SocketSpec { nonblocking: true, ..spec })?)
            }
            None => None,
        };
        self.send_raw(&ends.sender, ends.source, ends.to, number, 64, true, BODY.to_vec())?;
        let (sender, receiver) = (ends.sender.clone(), ends.receiver.clone());
        let mut answered = false;
        self.settle(Matcher::Protocol(number), &sender, receiver.as_ref(), &[], |engine, request| {
            if let (Some(request), Some(place), false) = (request, &receiver, answered) {
                answered = true;
                engine.send_raw(place, request.destination, request.source, number, 64, true, BODY.to_vec())?;
            }
            let address = sender.address;
            let watch = engine.watch(&sender)?;
            watch.read()?;
            let came = watch.frames().filter_map(|f| f.packet()).any(|p: Seen| p.protocol == number && p.destination == address);
            Ok(if answered && came { Progress::Answered } else { Progress::Waiting })
        })
    }

    /// Sends a packet with a header of our own from a namespace.
    #[allow(clippy::too_many_arguments, reason = "the fields of an IP header")]
    pub(crate) fn send_raw(
        &self,
        from: &Place,
        source: IpAddr,
        destination: IpAddr,
        protocol: u8,
        ttl: u8,
        dont_fragment: bool,
        payload: Vec<u8>,
    ) -> Result<()> {
        self.send_packet(from, &Raw { source, destination, protocol, ttl, dont_fragment, payload, is_aside: false })
    }

    fn send_packet(&self, from: &Place, raw: &Raw) -> Result<()> {
        let destination = raw.destination;
        let socket = self.client().open_socket(from.raw_socket(raw.source, destination))?;
        sockopt::set_socket_broadcast(&socket, true).map_err(Error::os("allowing broadcast"))?;
        match rustix::net::sendto(&socket, &raw.bytes(), SendFlags::empty(), &SocketAddr::new(destination, 0)) {
            // EPERM: the sender's own namespace dropped it, and logged why.
            Ok(_) | Err(Errno::PERM) => Ok(()),
            Err(error) => Err(Error::os(format!("sending to {destination}"))(error)),
        }
    }
}

/// A UDP socket of the family of an address.
pub(crate) fn datagrams(namespace: &str, of: IpAddr) -> SocketSpec {
    SocketSpec::new(namespace, if of.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET }, libc::SOCK_DGRAM, 0)
}

/// The number of ICMP, or between addresses of IPv6 that of ICMPv6.
pub(crate) fn icmp_number(of: IpAddr) -> u8 {
    if of.is_ipv6() { protocol::ICMPV6 } else { protocol::ICMP }
}

/// Whether a system itself did not send what it should have.
fn is_unsent(drop: &Drop) -> bool {
    matches!(drop.at, Some(Component::Guest(_))) && drop.reason.as_ref().is_some_and(|reason| reason.stage == Stage::Guest)
}

/// A packet that a guest's own routes lead nowhere.
pub(crate) fn unrouted_by_guest(interface: InterfaceIndex, leg: Leg, to: IpAddr) -> Drop {
    let at = Component::Guest(interface);
    let text = format!("its own system has no route to {to}");
    Drop { leg, at: Some(at), code: None, reason: Some(Reason::new(Stage::Guest, at, text)) }
}

/// Whether the destination is one host's and not that of many (L2-4), as the sender's system sees it.
fn is_one_host(fabric: &Fabric, ends: &Ends) -> bool {
    let subnet = ends.sender.interface.map(|interface| &fabric.subnets[fabric.interfaces[interface].subnet]);
    let is_broadcast = matches!(ends.to, IpAddr::V4(to) if to.is_broadcast() || subnet.is_some_and(|subnet| subnet.cidr.broadcast() == to));
    !(ends.to.is_multicast() || is_broadcast)
}

/// `None`: the handshake goes on. Else how it ended.
fn connected(socket: &OwnedFd) -> Result<Option<std::result::Result<(), Errno>>> {
    let mut fds = [rustix::event::PollFd::new(socket, rustix::event::PollFlags::OUT)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut fds, Some(&now)).map_err(Error::os("looking at a connection"))?;
    if fds[0].revents().is_empty() {
        return Ok(None);
    }
    Ok(Some(sockopt::socket_error(socket).map_err(Error::os("looking at a connection"))?))
}

/// Sends a datagram; an error left on the socket by an earlier ICMP message is no failure of this call.
pub(crate) fn send(socket: &OwnedFd, body: &[u8]) -> Result<()> {
    match rustix::net::send(socket, body, SendFlags::NOSIGNAL) {
        // EPERM: the sender's own namespace dropped it, and logged why (the internet has no route to private addresses).
        Ok(_) | Err(Errno::CONNREFUSED | Errno::PERM) => Ok(()),
        Err(error) => Err(Error::os("sending")(error)),
    }
}

/// Answers every datagram that waits.
pub(crate) fn echo(server: &OwnedFd) -> Result<()> {
    let mut buffer = [0; 2_048];
    loop {
        match rustix::net::recvfrom(server, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((length, _, Some(peer))) => {
                rustix::net::sendto(server, &buffer[..length], SendFlags::NOSIGNAL, &peer).map_err(Error::os("answering"))?;
            }
            Ok(_) => {}
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(Error::os("receiving")(error)),
        }
    }
}

/// Whether a datagram came back.
pub(crate) fn udp_progress(client: &OwnedFd) -> Result<Progress> {
    let mut buffer = [0; 2_048];
    match rustix::net::recv(client.as_fd(), &mut buffer[..], RecvFlags::DONTWAIT) {
        Ok(_) => Ok(Progress::Answered),
        Err(Errno::AGAIN) => Ok(Progress::Waiting),
        Err(Errno::CONNREFUSED) => Ok(Progress::Refused),
        Err(error) => Err(Error::os("receiving")(error)),
    }
}
