//! UDP (RFC 768), echo replies and packets of any other protocol: from the wire to the socket that they belong to, or to the
//! service that answers everything, or back as an ICMP error.

use std::net::IpAddr;
use std::net::SocketAddr;

use wire::{Udp, checksum, protocol};

use crate::app::{AppId, Datagram, IcmpError, SocketId};
use crate::frame::FrameId;
use crate::node::Context;
use crate::trace::{Reason, Verb};

use super::Host;
use super::icmp::{Problem, seal_icmp};
use super::output::Outgoing;
use super::packet::{Packet, word};
use super::socket::{Ends, Socket};
use super::spec::Protocol;

impl Host {
    pub(crate) fn receive_udp(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet) {
        let bytes = &context.bytes(frame)[packet.upper..packet.end];
        let length = usize::from(word(bytes, 4));
        if bytes.len() < 8 || length < 8 || length > bytes.len() {
            return self.drop_frame(context, port, Reason::MalformedSegment, frame);
        }
        let datagram = &bytes[..length];
        if !checksum::segment_is_valid(packet.source, packet.destination, protocol::UDP, datagram) {
            return self.drop_frame(context, port, Reason::TransportChecksum, frame);
        }
        let (remote_port, local_port) = packet.ports(context.bytes(frame));
        let ends = Ends {
            protocol: protocol::UDP,
            local: packet.destination,
            port: local_port,
            remote: packet.source,
            remote_port,
        };
        let payload = (packet.upper + 8, packet.upper + length);
        if let Some(taker) = self.sockets.find(&ends).map(Socket::taker) {
            context.trace(port, Verb::Deliver, Reason::Datagram, frame);
            return self.deliver(context, port, frame, packet, taker, &ends, payload);
        }
        let is_open = self.services.answers(Protocol::UDP, local_port)
            && !packet.to_group
            && remote_port != 0
            && !self.sockets.is_spent(protocol::UDP, local_port, packet.source);
        if !is_open {
            return self.refuse(context, port, frame, packet, Reason::PortUnreachable, Problem::PortUnreachable);
        }
        self.counters.delivered += 1;
        context.trace(port, Verb::Deliver, Reason::Datagram, frame);
        let echo = context.bytes(frame)[payload.0..payload.1].to_vec();
        if !self.echoes.may(protocol::UDP, ends.flow(), &echo, context.now()) {
            return context.trace(port, Verb::Note, Reason::DuplicateSegment, frame);
        }
        let header = Udp { source_port: local_port, destination_port: remote_port };
        let outgoing =
            Outgoing { source: Some(packet.destination), parent: frame, ..Outgoing::new(protocol::UDP, packet.source) };
        self.answer(context, port, frame, &outgoing, |source, destination, out| {
            header.emit(source, destination, &echo, out);
        });
    }

    pub(crate) fn receive_echo_reply(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet) {
        let ends = Ends {
            protocol: packet.protocol,
            local: packet.destination,
            port: word(context.bytes(frame), packet.upper + 4),
            remote: packet.source,
            remote_port: 0,
        };
        let mut takers = self.sockets.takers(&ends);
        takers.extend(self.sockets.find(&ends).map(Socket::taker));
        if takers.is_empty() {
            return self.drop_frame(context, port, Reason::PortClosed, frame);
        }
        context.trace(port, Verb::Deliver, Reason::EchoReply, frame);
        for taker in takers {
            self.deliver(context, port, frame, packet, taker, &ends, (packet.upper, packet.end));
        }
    }

    /// Any other protocol, and ICMP messages that the host itself has no use for.
    pub(crate) fn receive_other(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet) {
        let ends =
            Ends { protocol: packet.protocol, local: packet.destination, port: 0, remote: packet.source, remote_port: 0 };
        let takers = self.sockets.takers(&ends);
        if !takers.is_empty() {
            context.trace(port, Verb::Deliver, Reason::Packet, frame);
            for taker in takers {
                self.deliver(context, port, frame, packet, taker, &ends, (packet.upper, packet.end));
            }
            return;
        }
        let is_icmp = matches!(packet.protocol, protocol::ICMP | protocol::ICMPV6);
        let is_spent = self.sockets.is_spent(packet.protocol, 0, packet.source);
        if is_icmp || packet.to_group || is_spent || !self.services.answers(Protocol(packet.protocol), 0) {
            if is_icmp || packet.to_group || is_spent {
                return self.drop_frame(context, port, Reason::NotForMe, frame);
            }
            return self.refuse(context, port, frame, packet, Reason::ProtocolUnreachable, Problem::ProtocolUnreachable);
        }
        self.counters.delivered += 1;
        context.trace(port, Verb::Deliver, Reason::Packet, frame);
        let echo = context.bytes(frame)[packet.upper..packet.end].to_vec();
        if !self.echoes.may(packet.protocol, ends.flow(), &echo, context.now()) {
            return context.trace(port, Verb::Note, Reason::DuplicateSegment, frame);
        }
        let outgoing =
            Outgoing { source: Some(packet.destination), parent: frame, ..Outgoing::new(packet.protocol, packet.source) };
        self.answer(context, port, frame, &outgoing, |_, _, out| out.extend_from_slice(&echo));
    }

    #[expect(clippy::too_many_arguments, reason = "where it came from and where it goes")]
    fn deliver(
        &mut self,
        context: &mut Context<'_>,
        port: u16,
        frame: FrameId,
        packet: &Packet,
        (app, socket): (AppId, SocketId),
        ends: &Ends,
        payload: (usize, usize),
    ) {
        self.counters.delivered += 1;
        let datagram = Datagram {
            frame,
            from: payload.0 as u32,
            to: payload.1 as u32,
            source: SocketAddr::new(ends.remote, ends.remote_port),
            destination: SocketAddr::new(ends.local, ends.port),
            protocol: packet.protocol,
            ttl: packet.ttl,
            interface: port,
        };
        self.with_app(context, app, |app, calls| app.on_datagram(calls, socket, &datagram));
    }

    /// An ICMP error came, or the host itself found one: tells whom it is about.
    pub(crate) fn tell_error(&mut self, context: &mut Context<'_>, error: &IcmpError) {
        let about = &error.about;
        if about.protocol == protocol::TCP {
            return self.tell_stream_error(context, error);
        }
        let ends = Ends {
            protocol: about.protocol,
            local: about.source,
            port: about.source_port,
            remote: about.destination,
            remote_port: about.destination_port,
        };
        let mut takers = self.sockets.takers(&ends);
        if ends.port != 0 {
            // What was sent to many has one sender.
            takers.extend(self.sockets.find(&ends).map(Socket::taker));
        }
        for (app, _) in takers {
            self.with_app(context, app, |app, calls| app.on_error(calls, error));
        }
    }

    /// Sends a datagram of UDP.
    pub(crate) fn send_udp(
        &mut self,
        context: &mut Context<'_>,
        outgoing: &Outgoing,
        ports: (u16, u16),
        payload: &[u8],
    ) -> Result<(), super::SendError> {
        let header = Udp { source_port: ports.0, destination_port: ports.1 };
        let outgoing = Outgoing { length: 8 + payload.len(), ..*outgoing };
        self.send_packet(context, &outgoing, |source, destination, out| {
            header.emit(source, destination, payload, out);
        })
    }

    /// Sends a packet of any protocol; the checksum of ICMP is filled in.
    pub(crate) fn send_raw(
        &mut self,
        context: &mut Context<'_>,
        outgoing: &Outgoing,
        payload: &[u8],
    ) -> Result<(), super::SendError> {
        let is_icmp = matches!(outgoing.protocol, protocol::ICMP | protocol::ICMPV6);
        self.send_packet(context, outgoing, |source, destination: IpAddr, out| {
            let start = out.len();
            out.extend_from_slice(payload);
            if is_icmp {
                seal_icmp(out, start, (source, destination));
            }
        })
    }
}
