//! Connections that outlive the probe which opened them: later packets of either side, and forged errors about them.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use fabric::engine::{EngineError, Outcome, PacketProbe, Sender, Side, Traffic};
use model::traffic::protocol;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use sandbox::SocketSpec;
use sandbox::spec::SocketAddress;

use super::engine::Engine;
use super::error::{Error, Result};
use super::exchange::{Matcher, Progress};
use super::packet;
use super::packet_probe::{BODY, Ends, datagrams, echo, icmp_number, send, udp_progress};
use super::place::Place;

/// Bytes of the original datagram that an ICMP error quotes behind its IP header (RFC 792).
const QUOTED_PAYLOAD: usize = 8;

/// One kept connection.
pub struct Kept {
    /// Who opened it.
    pub sender: Place,
    /// Who answered.
    pub receiver: Option<Place>,
    /// The port it was opened to.
    pub port: u16,
    /// Its two ends.
    pub pair: KeptPair,
    /// The last packet of each side as it arrived at the other: client's, server's.
    pub last: [Option<Vec<u8>>; 2],
}

/// The sockets of a kept connection.
pub enum KeptPair {
    /// TCP.
    Tcp {
        /// The end that connected.
        client: OwnedFd,
        /// The end that accepted.
        server: OwnedFd,
    },
    /// UDP.
    Udp {
        /// The end that asked; connected.
        client: OwnedFd,
        /// The end that answers; not connected.
        server: OwnedFd,
    },
}

impl Engine {
    /// Keeps a connection; one of the same name is closed.
    pub(crate) fn keep(&mut self, name: &str, mut connection: Kept) {
        let _ = self.remember_last(&mut connection);
        self.kept_mut().insert(name.to_owned(), connection);
    }

    /// Sends on a kept connection and waits for what the other side makes of it.
    pub(crate) fn kept_probe(&mut self, name: &str, side: Side) -> std::result::Result<Outcome, EngineError> {
        let missing = || EngineError::NotFound(format!("kept connection {name}"));
        let mut connection = self.kept_mut().remove(name).ok_or_else(missing)?;
        let outcome = self.kept_exchange(&mut connection, side);
        self.kept_mut().insert(name.to_owned(), connection);
        Ok(outcome?)
    }

    fn kept_exchange(&mut self, connection: &mut Kept, side: Side) -> Result<Outcome> {
        let client_place = connection.sender.clone();
        let server_place = connection.receiver.clone();
        let places: Vec<&Place> = std::iter::once(&client_place).chain(server_place.as_ref()).collect();
        self.clear_evidence(&places)?;
        let (from, to) = match side {
            Side::Client => (client_place.clone(), server_place.clone()),
            Side::Server => (server_place.clone().unwrap_or_else(|| client_place.clone()), Some(client_place.clone())),
        };
        let outcome = match &connection.pair {
            KeptPair::Tcp { client, server } => {
                let (speaker, hearer) = if side == Side::Client { (client, server) } else { (server, client) };
                let matcher = match side {
                    Side::Client => Matcher::Port(protocol::TCP, connection.port),
                    // The server's packets go to the client's port, whatever translation made of it in between:
                    // at the client's end it is the client's own.
                    Side::Server => Matcher::Port(protocol::TCP, local_port(client)?),
                };
                let refused = send_stream(speaker)?;
                let mut heard = false;
                self.settle(matcher, &from, to.as_ref(), &[], |_, _| {
                    heard |= receive(hearer)?.is_some_and(|length| length > 0);
                    match (refused, receive(speaker)) {
                        (true, _) | (_, Err(_)) => return Ok(Progress::Refused),
                        _ => {}
                    }
                    // Nothing left to acknowledge: the answer came back.
                    let acknowledged = rustix::io::ioctl_fionread(speaker).is_ok() && unacknowledged(speaker)? == 0;
                    Ok(if heard && acknowledged { Progress::Answered } else { Progress::Waiting })
                })?
            }
            KeptPair::Udp { client, server } => match side {
                Side::Client => {
                    send(client, BODY)?;
                    self.settle(Matcher::Port(protocol::UDP, connection.port), &from, to.as_ref(), &[], |_, _| {
                        echo(server)?;
                        udp_progress(client)
                    })?
                }
                Side::Server => {
                    let port = local_port(client)?;
                    let peer = self.udp_peer(connection)?;
                    rustix::net::sendto(server, BODY, SendFlags::NOSIGNAL, &peer).map_err(Error::os("sending"))?;
                    let mut answered = false;
                    self.settle(Matcher::Port(protocol::UDP, port), &from, to.as_ref(), &[], |_, request| {
                        if request.is_some() && !answered && matches!(udp_progress(client)?, Progress::Answered) {
                            answered = true;
                            send(client, BODY)?;
                        }
                        udp_progress(server)
                    })?
                }
            },
        };
        self.remember_last(connection)?;
        Ok(outcome)
    }

    /// Where the server sends: the client as the server saw it last.
    fn udp_peer(&self, connection: &Kept) -> Result<SocketAddr> {
        let seen = connection.last[0].as_deref().and_then(packet::Seen::parse);
        let port = seen.as_ref().and_then(|packet| packet.ports());
        match (seen, port) {
            (Some(packet), Some((port, _))) => Ok(SocketAddr::new(packet.source, port)),
            _ => Err(Error::Plan("the server has not seen the client yet".to_owned())),
        }
    }

    fn remember_last(&mut self, connection: &mut Kept) -> Result<()> {
        let number = match connection.pair {
            KeptPair::Tcp { .. } => protocol::TCP,
            KeptPair::Udp { .. } => protocol::UDP,
        };
        let request = Matcher::Port(number, connection.port);
        if let Some(receiver) = connection.receiver.clone()
            && let Some(bytes) = self.last_frame(&receiver, |packet| request.is_request(packet))?
        {
            connection.last[0] = Some(bytes);
        }
        let sender = connection.sender.clone();
        if let Some(bytes) = self.last_frame(&sender, |packet| request.is_reply(packet))? {
            connection.last[1] = Some(bytes);
        }
        Ok(())
    }

    fn last_frame(&mut self, place: &Place, wanted: impl Fn(&packet::Seen) -> bool) -> Result<Option<Vec<u8>>> {
        let address = place.address;
        let watch = self.watch(place)?;
        watch.read()?;
        let frame = watch
            .frames()
            .rev()
            .find(|frame| frame.packet().is_some_and(|packet| packet.destination == address && wanted(&packet)));
        Ok(frame.map(|frame| frame.payload.clone()))
    }

    /// Sends an ICMP error that quotes the last packet of one side, as it arrived at the other.
    pub(crate) fn icmp_error_probe(
        &mut self,
        from: &Sender,
        to: IpAddr,
        icmp_type: u8,
        code: u8,
        name: &str,
        side: Side,
    ) -> std::result::Result<Outcome, EngineError> {
        let connection = self.kept_mut().get(name).ok_or_else(|| EngineError::NotFound(format!("kept connection {name}")))?;
        let quoted = connection.last[if side == Side::Client { 0 } else { 1 }].clone();
        let quoted = quoted.ok_or_else(|| EngineError::BadProbe(format!("nothing of that side of {name} has arrived yet")))?;
        let header = if quoted[0] >> 4 == 6 { 40 } else { usize::from(quoted[0] & 0xf) * 4 };
        let quoted = &quoted[..quoted.len().min(header + QUOTED_PAYLOAD)];
        let fabric = self.fabric().clone();
        let sender = Place::of_sender(&fabric, from)?.towards(&fabric, to)?;
        let receiver = Place::of_receiver(&fabric, &sender, None, to);
        let places: Vec<&Place> = std::iter::once(&sender).chain(receiver.as_ref()).collect();
        self.clear_evidence(&places)?;
        // Word two of "fragmentation needed" and of "packet too big" is the next hop's MTU (RFC 1191, RFC 4443).
        let says_mtu = matches!((to.is_ipv6(), icmp_type, code), (false, 3, 4) | (true, 2, _));
        let rest = if says_mtu { [0, 0, 0x05, 0xdc] } else { [0; 4] };
        let message = packet::icmp_message((sender.address, to), icmp_type, code, rest, quoted);
        self.send_raw(&sender, sender.address, to, icmp_number(to), 64, false, message)?;
        // Nobody answers an error (RFC 1122 §3.2.2): arriving is all it can do.
        Ok(self.settle(Matcher::Icmp(icmp_type), &sender, receiver.as_ref(), &[], |_, request| {
            Ok(if request.is_some() { Progress::Answered } else { Progress::Waiting })
        })?)
    }

    /// Opens many connections at once and keeps them; the first that fails decides.
    pub(crate) fn many(&mut self, probe: &PacketProbe, ends: &Ends) -> std::result::Result<Outcome, EngineError> {
        let single = |offset: u16| {
            let traffic = match probe.traffic {
                Traffic::Tcp { source_port, destination_port } => {
                    Traffic::Tcp { source_port: source_port.saturating_add(offset), destination_port }
                }
                Traffic::Udp { source_port, destination_port } => {
                    Traffic::Udp { source_port: source_port.saturating_add(offset), destination_port }
                }
                other => other,
            };
            PacketProbe { traffic, connections: 1, ..probe.clone() }
        };
        if let (Traffic::Udp { source_port, destination_port }, Some(receiver)) = (probe.traffic, &ends.receiver) {
            return Ok(self.many_udp(ends, receiver, source_port, destination_port, probe.connections)?);
        }
        let name = probe.keep.clone().unwrap_or_else(|| "connection".to_owned());
        let mut last = None;
        for number in 0..probe.connections {
            let offset = u16::try_from(number).unwrap_or(u16::MAX);
            let kept = PacketProbe { keep: Some(format!("{name}#{number}")), ..single(offset) };
            match self.packet_probe(&kept)? {
                outcome @ Outcome::Allowed(_) => last = Some(outcome),
                outcome => return Ok(outcome),
            }
        }
        last.ok_or_else(|| EngineError::BadProbe("no connection was asked for".to_owned()))
    }

    /// One datagram per flow through one raw socket: tens of thousands of flows without as many descriptors.
    fn many_udp(&mut self, ends: &Ends, receiver: &Place, first: u16, port: u16, count: u32) -> Result<Outcome> {
        let places = [&ends.sender, receiver];
        let mut outcome = None;
        let server = SocketSpec {
            nonblocking: true,
            reuse_address: true,
            bind: Some(SocketAddress::Inet((receiver.address, port).into())),
            ..datagrams(&receiver.namespace, receiver.address)
        };
        let server = self.client().open_socket(server)?;
        for number in 0..count {
            let source_port = first.saturating_add(u16::try_from(number).unwrap_or(u16::MAX));
            // Evidence of a thousand flows at a time is plenty; the last flow gets a clean slate.
            if number % 1_000 == 0 || number + 1 == count {
                self.clear_evidence(&places)?;
            }
            let datagram = packet::udp_datagram((ends.source, source_port), (ends.to, port), BODY);
            self.send_raw(&ends.sender, ends.source, ends.to, protocol::UDP, 64, true, datagram)?;
            if number % 100 == 0 || number + 1 == count {
                let sender = ends.sender.clone();
                let address = sender.address;
                let result = self.settle(Matcher::Port(protocol::UDP, port), &sender, Some(receiver), &[], |engine, _| {
                    echo(&server)?;
                    let watch = engine.watch(&sender)?;
                    watch.read()?;
                    let back = watch.frames().filter_map(|f| f.packet()).any(|p| {
                        p.destination == address && p.ports() == Some((port, source_port))
                    });
                    Ok(if back { Progress::Answered } else { Progress::Waiting })
                })?;
                match result {
                    Outcome::Allowed(_) => outcome = Some(result),
                    other => return Ok(other),
                }
            } else {
                echo(&server)?;
            }
        }
        outcome.ok_or_else(|| Error::Plan("no connection was asked for".to_owned()))
    }
}

/// Sends on a stream; true when the connection is known to be reset already.
fn send_stream(socket: &OwnedFd) -> Result<bool> {
    match rustix::net::send(socket, BODY, SendFlags::NOSIGNAL) {
        Ok(_) => Ok(false),
        Err(Errno::CONNRESET | Errno::PIPE) => Ok(true),
        Err(error) => Err(Error::os("sending")(error)),
    }
}

/// Bytes that wait; `None` when nothing does. Errors: the connection was reset.
fn receive(socket: &OwnedFd) -> Result<Option<usize>> {
    let mut buffer = [0; 2_048];
    match rustix::net::recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) {
        Ok((length, _)) => Ok(Some(length)),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(Error::os("receiving")(error)),
    }
}

/// Bytes sent and not yet acknowledged (`SIOCOUTQ`, tcp(7)).
fn unacknowledged(socket: &OwnedFd) -> Result<u32> {
    super::sys::output_queue(socket).map_err(Error::os("looking at a connection"))
}

fn local_port(socket: &OwnedFd) -> Result<u16> {
    let address = rustix::net::getsockname(socket).map_err(Error::os("looking at a socket"))?;
    SocketAddr::try_from(address).map(|a| a.port()).map_err(Error::os("looking at a socket"))
}
