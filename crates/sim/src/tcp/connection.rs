//! A connection: its variables (RFC 9293 3.3.1), its beginnings and ends, and what its user may ask of it.

use super::buffer::{ReceiveBuffer, SendBuffer};
use super::congestion::Congestion;
use super::reassembly::Reassembly;
use super::rto::{Estimator, Timed};
use super::scoreboard::Scoreboard;
use super::segment::{Again, Offer, Segment};
use super::timer::Timers;
use super::{Error, Event, Events, LEAST_SEGMENT, MAXIMUM_SHIFT, Sequence, State, Terms};
use crate::Time;
use wire::tcp::Flags;

/// Buffers stay so small that no window reaches half the sequence space.
const LARGEST_BUFFER: u32 = 1 << 30;

/// One end of a connection.
#[derive(Debug, Clone)]
pub struct Connection {
    pub(super) terms: Terms,
    pub(super) state: State,
    pub(super) error: Option<Error>,
    pub(super) local_port: u16,
    pub(super) remote_port: u16,
    pub(super) events: Events,
    pub(super) timers: Timers,

    // What is sent.
    pub(super) iss: Sequence,
    pub(super) snd_una: Sequence,
    pub(super) snd_nxt: Sequence,
    pub(super) snd_wnd: u32,
    pub(super) snd_wl1: Sequence,
    pub(super) snd_wl2: Sequence,
    pub(super) largest_window: u32,
    pub(super) outbound: SendBuffer,
    pub(super) mss: u32,
    pub(super) snd_shift: u8,
    pub(super) fin_queued: bool,
    pub(super) fin_sent: bool,

    // What is received.
    pub(super) irs: Sequence,
    pub(super) rcv_nxt: Sequence,
    /// The right edge of the window that was announced.
    pub(super) rcv_edge: Sequence,
    pub(super) inbound: ReceiveBuffer,
    pub(super) reassembly: Reassembly,
    pub(super) rcv_shift: u8,
    /// Where the peer's FIN is, once seen, even beyond a gap.
    pub(super) fin_at: Option<Sequence>,
    /// Segments received since the last acknowledgement.
    pub(super) unacknowledged: u8,
    /// What was acknowledged last (RFC 7323 "Last.ACK.sent").
    pub(super) acknowledged: Sequence,

    // Losses.
    pub(super) estimator: Estimator,
    pub(super) timed: Option<Timed>,
    pub(super) congestion: Congestion,
    pub(super) scoreboard: Scoreboard,
    /// What was in flight when the last loss was told ends here (RFC 6582 "recover").
    pub(super) recover: Sequence,
    pub(super) duplicates: u32,
    /// Timeouts since something new was acknowledged.
    pub(super) attempts: u8,
    pub(super) partial: bool,
    pub(super) last_sent: Time,
    pub(super) retransmissions: u64,

    pub(super) sack: bool,
    pub(super) timestamps: bool,
    /// The peer's clock to be echoed (RFC 7323 "TS.Recent").
    pub(super) recent: u32,

    // What goes out next.
    pub(super) syn_due: bool,
    pub(super) ack_due: bool,
    /// The third step of the handshake was not sent yet.
    pub(super) third_due: bool,
    pub(super) abort_due: bool,
    pub(super) keep_alive_due: bool,
    pub(super) probe_due: bool,
    /// The last byte sent was a window probe.
    pub(super) probing: bool,
    /// The next retransmission goes out whatever the window.
    pub(super) forced: bool,
    /// What told that something is to be sent again.
    pub(super) again: Again,
    /// An RST with this sequence number answers a segment of another connection.
    pub(super) reset_reply: Option<Sequence>,
    pub(super) soft_error: bool,
    /// The peer began.
    pub(super) passive: bool,
    /// The user is gone: nobody will read.
    pub(super) detached: bool,
}

impl Connection {
    /// Begins a connection: SYN-SENT. The SYN goes out at the next poll.
    pub fn connect(now: Time, terms: &Terms, local_port: u16, remote_port: u16, initial_sequence: u32) -> Self {
        Self::new(now, terms, local_port, remote_port, Sequence(initial_sequence), State::SynSent)
    }

    /// Takes up the connection that a SYN to a listener asks for: SYN-RECEIVED. The SYN-ACK goes out at the next poll.
    /// Nothing if the segment is no SYN that begins a connection.
    pub fn accept(now: Time, terms: &Terms, syn: &Segment<'_>, initial_sequence: u32) -> Option<Self> {
        let header = syn.header;
        if !syn.has(Flags::SYN) || [Flags::ACK, Flags::RST, Flags::FIN].iter().any(|&flag| syn.has(flag)) {
            return None;
        }
        let (local, remote) = (header.destination_port, header.source_port);
        let mut connection = Self::new(now, terms, local, remote, Sequence(initial_sequence), State::SynReceived);
        connection.passive = true;
        connection.meet(syn);
        Some(connection)
    }

    fn new(now: Time, terms: &Terms, local_port: u16, remote_port: u16, iss: Sequence, state: State) -> Self {
        let mut terms = terms.clone();
        terms.mss = terms.mss.max(LEAST_SEGMENT);
        terms.receive_buffer = terms.receive_buffer.min(LARGEST_BUFFER);
        terms.send_buffer = terms.send_buffer.min(LARGEST_BUFFER);
        let mss = u32::from(terms.mss);
        Self {
            state,
            error: None,
            local_port,
            remote_port,
            events: Events::default(),
            timers: Timers::default(),
            iss,
            snd_una: iss,
            snd_nxt: iss,
            snd_wnd: 0,
            snd_wl1: Sequence::default(),
            snd_wl2: iss,
            largest_window: 0,
            outbound: SendBuffer::default(),
            mss,
            snd_shift: 0,
            fin_queued: false,
            fin_sent: false,
            irs: Sequence::default(),
            rcv_nxt: Sequence::default(),
            rcv_edge: Sequence::default(),
            inbound: ReceiveBuffer::default(),
            reassembly: Reassembly::default(),
            rcv_shift: terms.window_scale.unwrap_or(0).min(MAXIMUM_SHIFT),
            fin_at: None,
            unacknowledged: 0,
            acknowledged: Sequence::default(),
            estimator: Estimator::new(terms.minimum_rto),
            timed: None,
            congestion: Congestion::new(mss, terms.initial_segments),
            scoreboard: Scoreboard::new(iss),
            recover: iss,
            duplicates: 0,
            attempts: 0,
            partial: false,
            last_sent: now,
            retransmissions: 0,
            sack: terms.sack,
            timestamps: terms.timestamps,
            recent: 0,
            syn_due: true,
            ack_due: false,
            third_due: false,
            abort_due: false,
            keep_alive_due: false,
            probe_due: false,
            probing: false,
            forced: false,
            again: Again::Timeout,
            reset_reply: None,
            soft_error: false,
            passive: false,
            detached: false,
            terms,
        }
    }

    /// Learns from the peer's SYN.
    pub(super) fn meet(&mut self, syn: &Segment<'_>) {
        let header = syn.header;
        let offer = Offer::of(header);
        self.irs = Sequence(header.sequence);
        self.rcv_nxt = self.irs.plus(1);
        self.acknowledged = self.rcv_nxt;
        self.rcv_edge = self.rcv_nxt.plus(self.terms.receive_buffer.min(u32::from(u16::MAX)));
        self.sack &= offer.sack;
        self.timestamps &= offer.timestamps;
        if let Some((clock, _)) = super::segment::timestamps(header).filter(|_| self.timestamps) {
            self.recent = clock;
        }
        // Either both ends scale or none does (RFC 7323 2.2).
        match (self.terms.window_scale, offer.window_scale) {
            (Some(_), Some(shift)) => self.snd_shift = shift,
            _ => (self.snd_shift, self.rcv_shift) = (0, 0),
        }
        let theirs = offer.mss.unwrap_or(self.terms.unannounced_mss);
        self.mss = u32::from(theirs.max(LEAST_SEGMENT).min(self.terms.mss));
        self.congestion = Congestion::new(self.mss, self.terms.initial_segments);
        // The window of a SYN is never scaled.
        self.snd_wnd = u32::from(header.window);
        self.largest_window = self.snd_wnd;
        self.snd_wl1 = self.irs;
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Why the connection ended, unless by two FINs.
    pub fn error(&self) -> Option<Error> {
        self.error
    }

    /// The port at this end.
    pub fn local_port(&self) -> u16 {
        self.local_port
    }

    /// The port at the other end.
    pub fn remote_port(&self) -> u16 {
        self.remote_port
    }

    /// True if the peer began.
    pub fn is_passive(&self) -> bool {
        self.passive
    }

    /// What happened since this was last asked.
    pub fn take_events(&mut self) -> Events {
        std::mem::take(&mut self.events)
    }

    /// How many written bytes would be taken now.
    pub fn sendable(&self) -> usize {
        if self.fin_queued || !self.may_send() {
            return 0;
        }
        self.terms.send_buffer.saturating_sub(self.outbound.written()) as usize
    }

    /// Queues bytes, and returns how many were taken: none once closed.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.sendable());
        if taken > 0 {
            self.outbound.write(&bytes[..taken]);
        }
        taken
    }

    /// Queues so many bytes of a pattern ([`super::pattern_byte`] of their places in the stream), which take no memory
    /// and so have no limit. False once closed, and while written bytes follow an earlier pattern.
    pub fn send_pattern(&mut self, bytes: u64) -> bool {
        !self.fin_queued && self.may_send() && self.outbound.write_pattern(bytes)
    }

    /// Bytes that were queued and are not yet acknowledged.
    pub fn unacknowledged(&self) -> u64 {
        self.outbound.len()
    }

    /// How many bytes can be read.
    pub fn receivable(&self) -> usize {
        self.inbound.ready() as usize
    }

    /// True once everything was read that the peer will ever send.
    pub fn is_finished(&self) -> bool {
        self.inbound.ready() == 0
            && !self.state.receives()
            && !matches!(self.state, State::SynSent | State::SynReceived)
    }

    /// The bytes that can be read, in two parts where the buffer closes its ring.
    pub fn peek(&self) -> (&[u8], &[u8]) {
        self.inbound.read()
    }

    /// Lets go of the first bytes that can be read, and may open the window.
    pub fn consume(&mut self, bytes: usize) {
        let bytes = (bytes as u64).min(u64::from(self.inbound.ready())) as u32;
        self.inbound.consume(bytes);
        if !self.state.receives() {
            self.inbound.release();
        } else if bytes > 0 {
            self.announce_opened_window();
        }
    }

    /// Reads bytes, and returns how many.
    pub fn receive(&mut self, into: &mut [u8]) -> usize {
        let (first, second) = self.inbound.read();
        let (a, b) = (first.len().min(into.len()), second.len().min(into.len().saturating_sub(first.len())));
        into[..a].copy_from_slice(&first[..a]);
        into[a..a + b].copy_from_slice(&second[..b]);
        self.consume(a + b);
        a + b
    }

    /// Sends no more: a FIN follows what is queued (RFC 9293 3.10.4). Reading goes on.
    pub fn close(&mut self) {
        match self.state {
            State::SynSent => self.end(None),
            // The FIN waits for the handshake.
            State::SynReceived => self.fin_queued = true,
            State::Established => {
                self.fin_queued = true;
                self.enter(State::FinWait1);
            }
            State::CloseWait => {
                self.fin_queued = true;
                self.enter(State::LastAck);
            }
            _ => {}
        }
    }

    /// The user is gone for good: closes, and resets where data is or comes that nobody will read (RFC 1122 4.2.2.13).
    pub fn detach(&mut self, now: Time) {
        self.detached = true;
        if self.inbound.ready() > 0 && self.state != State::TimeWait {
            return self.abort();
        }
        self.close();
        if self.state == State::FinWait2 {
            self.timers.wait = now + self.terms.time_wait;
        }
    }

    /// Ends the connection at once, with an RST where the peer knows of it (RFC 9293 3.10.5).
    pub fn abort(&mut self) {
        self.abort_due =
            !matches!(self.state, State::SynSent | State::Closing | State::LastAck | State::TimeWait | State::Closed);
        if self.state != State::Closed {
            self.end(Some(Error::Aborted));
        }
    }

    /// True if a SYN may begin a new connection in the place of this one, which is in TIME-WAIT (RFC 9293 3.6.1).
    pub fn yields_to(&self, syn: &Segment<'_>) -> bool {
        let later = || match super::segment::timestamps(syn.header).filter(|_| self.timestamps) {
            Some((clock, _)) if clock != self.recent => Sequence(clock).after(Sequence(self.recent)),
            _ => Sequence(syn.header.sequence).after(self.rcv_nxt),
        };
        self.state == State::TimeWait && syn.has(Flags::SYN) && !syn.has(Flags::ACK) && !syn.has(Flags::RST) && later()
    }

    fn may_send(&self) -> bool {
        matches!(self.state, State::SynSent | State::SynReceived | State::Established | State::CloseWait)
    }

    pub(super) fn enter(&mut self, state: State) {
        if state != self.state {
            self.events.changed(self.state, state);
            self.state = state;
        }
    }

    /// Closed, for this reason or by two FINs. What can be read stays.
    pub(super) fn end(&mut self, error: Option<Error>) {
        self.enter(State::Closed);
        self.error = self.error.or(error);
        self.timers = Timers::default();
        self.outbound.release();
        self.reassembly.release();
        self.inbound.release();
        (self.syn_due, self.ack_due, self.keep_alive_due, self.probe_due) = (false, false, false, false);
    }

    /// The handshake is over.
    pub(super) fn establish(&mut self, now: Time) {
        if self.attempts > 0 {
            self.estimator.after_lost_syn();
            self.congestion.after_lost_syn();
        }
        self.attempts = 0;
        self.timers.retransmission = Time::NEVER;
        self.syn_due = false;
        self.soft_error = false;
        self.keep_alive_from(now);
        self.enter(State::Established);
        if self.fin_queued {
            self.enter(State::FinWait1);
        }
    }

    pub(super) fn give_up(&mut self, error: Error) {
        self.events.note(Event::GaveUp);
        self.end(Some(error));
    }
}
