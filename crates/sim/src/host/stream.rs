//! TCP at a host: which connection a segment belongs to, who listens, what goes out, and who is told. The protocol itself is
//! [`crate::tcp`]'s.

use std::net::IpAddr;

use wire::tcp::Flags;
use wire::{Tcp, checksum, protocol};

use crate::app::{AppId, IcmpError, StreamEvent, StreamId};
use crate::frame::FrameId;
use crate::node::Context;
use crate::tcp::{Again, Connection, Error, Event, Events, Purpose, Segment, State, Terms, Unreachable, reset_for};
use crate::time::Time;
use crate::trace::{Reason, TraceEvent, Verb};

use super::Host;
use super::SendError;
use super::deadlines::Alarm;
use super::output::Outgoing;
use super::packet::Packet;
use super::spec::Protocol;
use super::streams::{BACKLOG, Flow};

impl Host {
    /// What a connection towards an address starts with: its segments fill the packets that the interface takes.
    fn terms(&self, context: &Context<'_>, remote: IpAddr) -> Terms {
        let interface = self.path(remote, None).map_or(super::output::LOOPBACK, |path| path.interface);
        let headers = if remote.is_ipv4() { 40 } else { 60 };
        let mtu = self.mtu(context, interface).min(65_535);
        let unannounced_mss = if remote.is_ipv4() { 536 } else { 1_220 };
        Terms {
            mss: mtu.saturating_sub(headers) as u16,
            unannounced_mss,
            ..self.tcp_terms.as_deref().cloned().unwrap_or_default()
        }
    }

    /// Begins a connection. Errors: no way there, or no port free.
    pub(crate) fn open_stream(
        &mut self,
        context: &mut Context<'_>,
        flow: Flow,
        app: AppId,
        ttl: Option<u8>,
        syn_retries: Option<u8>,
    ) -> StreamId {
        let mut terms = self.terms(context, flow.remote);
        if let Some(retries) = syn_retries {
            terms.syn_retries = retries;
        }
        let sequence = self.streams.initial_sequence(context);
        let connection = Connection::connect(context.now(), &terms, flow.port, flow.remote_port, sequence);
        let id = self.streams.add(connection, flow, Some(app), ttl);
        self.dirty.push(id);
        id
    }

    pub(crate) fn receive_tcp(&mut self, context: &mut Context<'_>, port: u16, frame: FrameId, packet: &Packet) {
        let now = context.now();
        let bytes = &context.bytes(frame)[packet.upper..packet.end];
        if !checksum::segment_is_valid(packet.source, packet.destination, protocol::TCP, bytes) {
            let reason = if bytes.len() < Tcp::LENGTH { Reason::MalformedSegment } else { Reason::TransportChecksum };
            return self.drop_frame(context, port, reason, frame);
        }
        let Ok((header, payload)) = Tcp::parse(bytes) else {
            return self.drop_frame(context, port, Reason::MalformedSegment, frame);
        };
        // RFC 1122, 4.2.3.10: connections have one end each.
        if packet.to_group {
            return self.drop_frame(context, port, Reason::NotForMe, frame);
        }
        let segment = Segment { header: &header, payload };
        let flow = Flow {
            local: packet.destination,
            port: header.destination_port,
            remote: packet.source,
            remote_port: header.source_port,
        };
        if let Some(id) = self.streams.find(&flow) {
            let Some(stream) = self.streams.get_mut(id) else { return };
            if !stream.connection.yields_to(&segment) {
                let before = stream.connection.receivable();
                stream.last_ttl = packet.ttl;
                stream.connection.on_segment(now, &segment);
                let grew = stream.connection.receivable() > before;
                if let Some(reason) = reason_of(&header, grew) {
                    self.counters.delivered += 1;
                    context.trace(port, Verb::Deliver, reason, frame);
                }
                return self.attend(context, id, port, frame);
            }
            self.streams.remove(id);
        }
        let listens = self.streams.listener(flow.port);
        let is_open = listens.is_some() || self.services.answers(Protocol::TCP, flow.port);
        if !is_open || !segment.has(Flags::SYN) || segment.has(Flags::ACK) {
            let reset = reset_for(&segment);
            self.drop_frame(context, port, if reset.is_some() { Reason::PortClosed } else { Reason::Reset }, frame);
            if let Some(reset) = reset {
                let outgoing = Outgoing {
                    source: Some(flow.local),
                    parent: frame,
                    dont_fragment: true,
                    ..Outgoing::new(protocol::TCP, flow.remote)
                };
                self.answer(context, port, frame, &outgoing, |source, destination, out| {
                    reset.emit(source, destination, &[], out)
                });
            }
            return;
        }
        if self.streams.half_open() >= BACKLOG {
            return self.drop_frame(context, port, Reason::BacklogFull, frame);
        }
        let terms = self.terms(context, flow.remote);
        let sequence = self.streams.initial_sequence(context);
        let Some(connection) = Connection::accept(now, &terms, &segment, sequence) else {
            return self.drop_frame(context, port, Reason::MalformedSegment, frame);
        };
        self.counters.delivered += 1;
        context.trace(port, Verb::Deliver, Reason::Handshake, frame);
        let id = self.streams.add(connection, flow, listens, None);
        self.streams.count_half_open(id);
        if let Some(stream) = self.streams.get_mut(id) {
            stream.last_ttl = packet.ttl;
        }
        self.attend(context, id, port, frame);
    }

    /// An ICMP error about a segment that was sent.
    pub(crate) fn tell_stream_error(&mut self, context: &mut Context<'_>, error: &IcmpError) {
        let about = &error.about;
        let flow = Flow {
            local: about.source,
            port: about.source_port,
            remote: about.destination,
            remote_port: about.destination_port,
        };
        let Some(id) = self.streams.find(&flow) else { return };
        let Some(stream) = self.streams.get_mut(id) else { return };
        let headers = if flow.local.is_ipv4() { 40 } else { 60 };
        match error.mtu {
            Some(mtu) => stream.connection.on_packet_too_big(about.sequence, mtu.saturating_sub(headers).min(65_535) as u16),
            None => {
                let hard = if flow.local.is_ipv4() {
                    error.kind == 3 && !matches!(error.code, 0 | 1 | 5)
                } else {
                    error.kind == 1 && matches!(error.code, 1 | 4)
                };
                let reason = if hard { Unreachable::Hard } else { Unreachable::Soft };
                stream.connection.on_unreachable(about.sequence, reason);
            }
        }
        if let (Some(app), None) = (stream.app, error.mtu) {
            self.with_app(context, app, |app, calls| app.on_error(calls, error));
        }
        self.attend(context, id, TraceEvent::NO_PORT, FrameId::NONE);
    }

    /// The time of a connection has come.
    pub(crate) fn stream_is_due(&mut self, context: &mut Context<'_>, at: u32) {
        let now = context.now();
        let id = StreamId(at);
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.armed > now {
            return;
        }
        stream.armed = Time::NEVER;
        if stream.connection.next_timer().is_some_and(|due| due <= now) {
            stream.connection.on_timer(now);
        }
        self.attend(context, id, TraceEvent::NO_PORT, FrameId::NONE);
    }

    /// After a connection was touched: tells what happened, sends what may go, sets its alarm, and lets go of it at its end.
    pub(crate) fn attend(&mut self, context: &mut Context<'_>, id: StreamId, port: u16, frame: FrameId) {
        self.streams.count_half_open(id);
        let Some(stream) = self.streams.get_mut(id) else { return };
        let events = stream.connection.take_events();
        if !events.is_empty() {
            self.trace_stream(context, id, port, frame, events);
        }
        self.tell_stream(context, id, events);
        self.transmit(context, id, frame);
        let now = context.now();
        let Some(stream) = self.streams.get_mut(id) else { return };
        let later = stream.connection.take_events();
        if !later.is_empty() {
            self.trace_stream(context, id, port, frame, later);
        }
        let Some(stream) = self.streams.get_mut(id) else { return };
        if stream.connection.state() == State::Closed {
            let (app, error) = (stream.app, stream.connection.error());
            if let Some(app) = app {
                self.with_app(context, app, |app, calls| app.on_stream(calls, id, StreamEvent::Ended(error)));
            }
            self.streams.remove(id);
            return;
        }
        if let Some(due) = stream.connection.next_timer()
            && due < stream.armed
        {
            let due = due.max(now);
            stream.armed = due;
            self.deadlines.push(due, Alarm::Stream(id.0));
        }
    }

    /// Tells a program, or does what a service does.
    fn tell_stream(&mut self, context: &mut Context<'_>, id: StreamId, events: Events) {
        let opened = events.change.is_some_and(|(from, to)| {
            matches!(from, State::SynSent | State::SynReceived) && to.is_synchronized() && to != State::SynReceived
        });
        let Some(stream) = self.streams.get_mut(id) else { return };
        let Some(app) = stream.app else {
            let ready = stream.connection.receivable();
            stream.connection.consume(ready);
            if stream.connection.is_finished() {
                stream.connection.close();
            }
            return;
        };
        if opened {
            self.with_app(context, app, |app, calls| app.on_stream(calls, id, StreamEvent::Opened));
        }
        if self.streams.get(id).is_some_and(|stream| stream.connection.receivable() > 0) {
            self.with_app(context, app, |app, calls| app.on_stream(calls, id, StreamEvent::Data));
        }
        if let Some(stream) = self.streams.get_mut(id)
            && stream.connection.is_finished()
            && stream.connection.error().is_none()
            && !stream.is_told_finished
        {
            stream.is_told_finished = true;
            self.with_app(context, app, |app, calls| app.on_stream(calls, id, StreamEvent::Finished));
        }
    }

    fn transmit(&mut self, context: &mut Context<'_>, id: StreamId, parent: FrameId) {
        let now = context.now();
        let Some(mut stream) = self.streams.take(id) else { return };
        let outgoing = Outgoing {
            source: Some(stream.flow.local),
            ttl: stream.ttl,
            dont_fragment: true,
            parent,
            ..Outgoing::new(protocol::TCP, stream.flow.remote)
        };
        while let Some(segment) = stream.connection.poll_transmit(now) {
            if let Purpose::Retransmission(again) = segment.purpose {
                let flow = stream.flow;
                context.trace_text(
                    TraceEvent::NO_PORT,
                    Verb::Retransmit,
                    reason_to_repeat(again),
                    FrameId::NONE,
                    || format!("{flow}: sequence {}, {} bytes", segment.header.sequence, segment.length),
                );
            }
            let (first, second) = stream.connection.payload(&segment);
            let outgoing = Outgoing { length: 40 + segment.length as usize, ..outgoing };
            let sent = self.send_packet(context, &outgoing, |source, destination, out| {
                if second.is_empty() {
                    segment.header.emit(source, destination, first, out);
                } else {
                    segment.header.emit(source, destination, &[first, second].concat(), out);
                }
            });
            match sent {
                Ok(()) => {}
                Err(SendError::TooLong(limit)) => {
                    let headers = if stream.flow.local.is_ipv4() { 40 } else { 60 };
                    let mss = limit.saturating_sub(headers).min(65_535) as u16;
                    stream.connection.on_packet_too_big(segment.header.sequence, mss);
                }
                Err(SendError::NoRoute | SendError::NoAddress) => {
                    context.trace_text(TraceEvent::NO_PORT, Verb::Drop, Reason::NoRoute, FrameId::NONE, || {
                        format!("no way to {}", stream.flow.remote)
                    });
                    stream.connection.on_unreachable(segment.header.sequence, Unreachable::Soft);
                }
            }
        }
        self.streams.put_back(id, stream);
    }

    fn trace_stream(&mut self, context: &mut Context<'_>, id: StreamId, port: u16, frame: FrameId, events: Events) {
        if !context.is_traced() {
            return;
        }
        let Some(stream) = self.streams.get(id) else { return };
        let (flow, error) = (stream.flow, stream.connection.error());
        if let Some((from, to)) = events.change {
            let reason = match to {
                State::SynSent | State::SynReceived | State::Established => Reason::Handshake,
                State::TimeWait => Reason::TimeWait,
                _ if events.has(Event::ResetByPeer) => Reason::Reset,
                State::Closed => reason_to_end(from, error, events.has(Event::GaveUp)),
                _ => Reason::Closing,
            };
            context.trace_text(port, Verb::State, reason, frame, || format!("{flow}: {} to {}", from.name(), to.name()));
        }
        for event in events.iter() {
            let reason = match event {
                Event::RetransmissionTimeout => Reason::RetransmissionTimeout,
                Event::FastRetransmission => Reason::FastRetransmit,
                Event::ZeroWindow | Event::WindowProbe => Reason::ZeroWindow,
                Event::OutOfOrder => Reason::OutOfOrder,
                Event::Duplicate => Reason::DuplicateSegment,
                Event::BeyondWindow | Event::Unacceptable | Event::OldTimestamp | Event::Challenge => Reason::OutOfWindow,
                Event::Recovered | Event::PartialAcknowledgement => Reason::Congestion,
                Event::GaveUp => events.change.map_or(Reason::GivenUp, |(from, _)| reason_to_end(from, error, true)),
                Event::PathChanged => Reason::PathMtu,
                Event::ResetByPeer => Reason::Reset,
                _ => continue,
            };
            context.trace_text(port, Verb::Note, reason, frame, || format!("{flow}: {}", event.text()));
        }
    }

    /// Bytes that a program sent over connections that stand, and that their other ends acknowledged.
    pub fn acknowledged(&self, app: AppId) -> u64 {
        let streams = self.streams.of(app).into_iter().filter_map(|id| self.streams.get(id));
        streams.map(|stream| stream.connection.inspect().delivered).sum()
    }

    /// Why a connection ended, in the words of whoever asked for it.
    pub(crate) fn stream_error(&self, id: StreamId) -> Option<Error> {
        self.streams.get(id).and_then(|stream| stream.connection.error())
    }
}

/// Why something is sent again.
fn reason_to_repeat(again: Again) -> Reason {
    match again {
        Again::Timeout => Reason::RetransmissionTimeout,
        Again::FastRetransmit => Reason::FastRetransmit,
        Again::PartialAcknowledgement => Reason::PartialAcknowledgement,
        Again::SelectiveAcknowledgement => Reason::SackRecovery,
        Again::PathMtu => Reason::PathMtu,
        Again::Synchronize => Reason::SynAgain,
    }
}

/// Why a connection is over that the other end did not reset (RFC 9293 3.8.3, 3.10.4 and 3.10.5).
fn reason_to_end(from: State, error: Option<Error>, was_given_up: bool) -> Reason {
    match (error, from) {
        (_, State::SynSent | State::SynReceived) if was_given_up => Reason::ConnectTimeout,
        (Some(Error::TimedOut), _) => Reason::GivenUp,
        _ if was_given_up => Reason::GivenUp,
        (Some(Error::Unreachable), _) => Reason::Unreachable,
        (Some(Error::Aborted), _) | (None, State::SynSent) => Reason::Aborted,
        (Some(Error::Refused | Error::Reset), _) => Reason::Reset,
        (None, State::FinWait2) => Reason::GivenUp,
        (None, State::TimeWait) => Reason::TimeWait,
        (None, _) => Reason::Closing,
    }
}

/// What a segment brought to a program, if anything.
fn reason_of(header: &Tcp, grew: bool) -> Option<Reason> {
    if header.flags.has(Flags::RST) {
        return Some(Reason::Reset);
    }
    if header.flags.has(Flags::SYN) {
        return Some(Reason::Handshake);
    }
    if grew {
        return Some(Reason::Segment);
    }
    header.flags.has(Flags::FIN).then_some(Reason::Closing)
}
