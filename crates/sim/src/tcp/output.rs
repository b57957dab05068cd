//! What goes out next: one segment a poll, the most urgent first (RFC 9293 3.8.6.2.1, RFC 6675 5, RFC 5681).

use super::congestion::Phase;
use super::reassembly::MAXIMUM_BLOCKS;
use super::rto::Timed;
use super::segment::{Again, Outgoing, Purpose};
use super::{Connection, Event, Sequence, State};
use crate::Time;
use wire::Tcp;
use wire::tcp::{Flags, TcpOption};

/// A timestamps option in a header, padded (RFC 7323 A).
const TIMESTAMPS_LENGTH: u32 = 12;

impl Connection {
    /// The next segment to send, if any may go now.
    pub fn poll_transmit(&mut self, now: Time) -> Option<Outgoing> {
        if let Some(sequence) = self.reset_reply.take() {
            let header = self.header(sequence, Sequence(0), Flags::RST, 0);
            return Some(Outgoing { header, purpose: Purpose::Reset, length: 0, offset: 0 });
        }
        match self.state {
            State::Closed => return self.abort_segment(),
            State::SynSent | State::SynReceived if self.syn_due => return Some(self.synchronize(now)),
            State::SynSent => return None,
            state if state.transmits() => {
                if std::mem::take(&mut self.third_due) {
                    return Some(self.acknowledge(now, self.snd_nxt, Purpose::Acknowledgement));
                }
                let probes = std::mem::take(&mut self.probe_due);
                let segment = self.retransmit(now);
                let segment = segment.or_else(|| if probes { self.probe(now) } else { None });
                let segment = segment.or_else(|| self.send_new(now, false));
                let segment = segment.or_else(|| self.retransmit_hole(now));
                if segment.is_some() {
                    return segment;
                }
                self.persist_if_stuck(now);
            }
            _ => {}
        }
        if std::mem::take(&mut self.keep_alive_due) {
            self.events.note(Event::KeepAlive);
            return Some(self.acknowledge(now, self.snd_nxt.minus(1), Purpose::KeepAlive));
        }
        self.ack_due.then(|| self.acknowledge(now, self.snd_nxt, Purpose::Acknowledgement))
    }

    /// The data of a segment that was just polled, in two parts where the buffer closes its ring.
    pub fn payload(&self, segment: &Outgoing) -> (&[u8], &[u8]) {
        self.outbound.read(segment.offset, segment.length)
    }

    fn header(&self, sequence: Sequence, acknowledgement: Sequence, flags: Flags, window: u16) -> Tcp {
        Tcp {
            source_port: self.local_port,
            destination_port: self.remote_port,
            sequence: sequence.0,
            acknowledgement: acknowledgement.0,
            flags,
            window,
            urgent: 0,
            options: Vec::new(),
        }
    }

    /// A header that acknowledges, and so does away with acknowledgements that wait.
    fn acknowledging(&mut self, now: Time, sequence: Sequence, flags: Flags) -> Tcp {
        let window = self.announce_window();
        let mut header = self.header(sequence, self.rcv_nxt, flags.with(Flags::ACK), window);
        if self.timestamps {
            header.options.push(TcpOption::Timestamps(clock(now), self.recent));
        }
        if self.sack && !self.reassembly.is_empty() {
            header.options.push(TcpOption::Sack(self.reassembly.blocks(self.blocks_that_fit()).collect()));
        }
        self.ack_due = false;
        self.unacknowledged = 0;
        self.timers.acknowledgement = Time::NEVER;
        self.acknowledged = self.rcv_nxt;
        header
    }

    fn blocks_that_fit(&self) -> usize {
        MAXIMUM_BLOCKS - usize::from(self.timestamps)
    }

    /// What a segment may carry now, beside its options (RFC 6691 3).
    fn room(&self) -> u32 {
        let mut options = if self.timestamps { TIMESTAMPS_LENGTH } else { 0 };
        if self.sack && !self.reassembly.is_empty() {
            options += 4 + 8 * self.reassembly.blocks(self.blocks_that_fit()).count() as u32;
        }
        self.mss.saturating_sub(options).max(8)
    }

    fn acknowledge(&mut self, now: Time, sequence: Sequence, purpose: Purpose) -> Outgoing {
        Outgoing { header: self.acknowledging(now, sequence, Flags::ACK), purpose, length: 0, offset: 0 }
    }

    fn abort_segment(&mut self) -> Option<Outgoing> {
        if !std::mem::take(&mut self.abort_due) {
            return None;
        }
        let header = self.header(self.snd_nxt, self.rcv_nxt, Flags::RST.with(Flags::ACK), 0);
        Some(Outgoing { header, purpose: Purpose::Reset, length: 0, offset: 0 })
    }

    /// A SYN, or a SYN-ACK; the window in it is not scaled (RFC 7323 2.2).
    fn synchronize(&mut self, now: Time) -> Outgoing {
        let again = self.snd_nxt != self.iss;
        let window = self.terms.receive_buffer.min(u32::from(u16::MAX)) as u16;
        let answers = self.state == State::SynReceived;
        let (flags, acknowledgement) =
            if answers { (Flags::SYN.with(Flags::ACK), self.rcv_nxt) } else { (Flags::SYN, Sequence(0)) };
        let mut header = self.header(self.iss, acknowledgement, flags, window);
        header.options.push(TcpOption::MaximumSegmentSize(self.terms.mss));
        if self.sack {
            header.options.push(TcpOption::SackPermitted);
        }
        if self.timestamps {
            header.options.push(TcpOption::Timestamps(clock(now), self.recent));
        }
        let scales = !answers || self.snd_shift != 0 || self.rcv_shift != 0;
        if let Some(shift) = self.terms.window_scale.filter(|_| scales) {
            header.options.push(TcpOption::WindowScale(shift.min(super::MAXIMUM_SHIFT)));
        }
        self.syn_due = false;
        self.ack_due = false;
        self.snd_nxt = self.iss.plus(1);
        self.last_sent = now;
        if again {
            self.note_retransmission(self.snd_nxt);
        } else {
            self.timed = Some(Timed { end: self.snd_nxt, sent: now });
        }
        if self.timers.retransmission == Time::NEVER {
            self.timers.retransmission = now + self.estimator.timeout();
        }
        let purpose = if again { Purpose::Retransmission(self.again) } else { Purpose::Synchronize };
        Outgoing { header, purpose, length: 0, offset: 0 }
    }

    fn note_retransmission(&mut self, from: Sequence) {
        self.events.note(Event::Retransmission);
        self.retransmissions += 1;
        // Karn's algorithm: an acknowledgement would not tell which copy it is for (RFC 6298 3).
        if self.timed.is_some_and(|timed| !from.after(timed.end)) {
            self.timed = None;
        }
    }

    /// Lost bytes, as the congestion window permits; the first of a recovery whatever it permits.
    fn retransmit(&mut self, now: Time) -> Option<Outgoing> {
        let (from, to) = self.scoreboard.next_lost()?;
        let length = to.since(from).min(self.room());
        if !std::mem::take(&mut self.forced) {
            let pipe = self.scoreboard.pipe(self.snd_una, self.snd_nxt);
            if pipe.saturating_add(length) > self.congestion.window() || !self.is_in_window(from, length) {
                return None;
            }
        }
        Some(self.send_again(now, from, length))
    }

    /// Nothing is lost for sure and nothing new can go, but holes below what arrived are likely losses.
    fn retransmit_hole(&mut self, now: Time) -> Option<Outgoing> {
        if self.congestion.phase() != Phase::Recovery {
            return None;
        }
        let (from, to) = self.scoreboard.next_hole()?;
        let length = to.since(from).min(self.room());
        let pipe = self.scoreboard.pipe(self.snd_una, self.snd_nxt);
        let fits = pipe.saturating_add(length) <= self.congestion.window() && self.is_in_window(from, length);
        fits.then(|| self.send_again(now, from, length))
    }

    /// True unless the peer took its window back.
    fn is_in_window(&self, from: Sequence, length: u32) -> bool {
        from == self.snd_una || from.since(self.snd_una).saturating_add(length) <= self.snd_wnd
    }

    fn send_again(&mut self, now: Time, from: Sequence, length: u32) -> Outgoing {
        let offset = u64::from(from.since(self.snd_una));
        let left = self.outbound.len() - offset;
        // A FIN is the last of the lost sequence numbers.
        let fin = self.fin_sent && u64::from(length) > left;
        let bytes = self.outbound.piece(offset, length);
        let fin = fin && u64::from(bytes) == left;
        let end = from.plus(bytes + u32::from(fin));
        self.scoreboard.resent_to(end);
        self.note_retransmission(from);
        let purpose = Purpose::Retransmission(self.again);
        // What is found lost from here on, blocks above it tell.
        if self.sack && (self.again == Again::FastRetransmit || self.scoreboard.next_lost().is_none()) {
            self.again = Again::SelectiveAcknowledgement;
        }
        self.emit(now, from, offset, bytes, fin, purpose)
    }

    /// New data and the FIN, as both windows, Nagle and the avoidance of silly windows permit (RFC 9293 3.8.6.2.1);
    /// `anyhow` if the override timer let it.
    fn send_new(&mut self, now: Time, anyhow: bool) -> Option<Outgoing> {
        if self.fin_sent || self.probing {
            return None;
        }
        let flight = self.snd_nxt.since(self.snd_una);
        let unsent = self.outbound.len() - u64::from(flight);
        if unsent == 0 && !self.fin_queued {
            return None;
        }
        if flight == 0 && now.since(self.last_sent) > self.estimator.timeout() {
            self.congestion.restart_after_idle();
        }
        let offered = self.snd_wnd.saturating_sub(flight);
        let room = self.room();
        let mut length = 0;
        if unsent > 0 {
            let permitted = self.window().saturating_sub(self.scoreboard.pipe(self.snd_una, self.snd_nxt));
            length = unsent.min(u64::from(room.min(offered).min(permitted))) as u32;
            let whole = u64::from(length) == unsent;
            let idle = flight == 0 || !self.terms.nagle;
            let worthwhile = length == room
                || whole && (idle || self.fin_queued)
                || length == offered && idle && length >= self.largest_window / 2
                || anyhow;
            if length == 0 || !worthwhile {
                return None;
            }
            length = self.outbound.piece(u64::from(flight), length);
        }
        let fin = self.fin_queued && u64::from(length) == unsent && offered > length;
        if length == 0 && !fin {
            return None;
        }
        let from = self.snd_nxt;
        self.snd_nxt = from.plus(length + u32::from(fin));
        self.fin_sent |= fin;
        if self.timed.is_none() {
            self.timed = Some(Timed { end: self.snd_nxt, sent: now });
        }
        self.timers.persist = Time::NEVER;
        self.timers.persists = 0;
        Some(self.emit(now, from, u64::from(flight), length, fin, Purpose::New))
    }

    /// The congestion window, and what Limited Transmit adds for the first two duplicates (RFC 3042).
    fn window(&self) -> u32 {
        let window = self.congestion.window();
        if self.duplicates == 0 || self.sack || self.congestion.phase() != Phase::Open {
            return window;
        }
        window.saturating_add(self.duplicates.min(2) * self.mss)
    }

    fn emit(&mut self, now: Time, from: Sequence, offset: u64, length: u32, fin: bool, purpose: Purpose) -> Outgoing {
        let mut flags = Flags::ACK;
        if length > 0 && offset + u64::from(length) == self.outbound.len() {
            flags = flags.with(Flags::PSH);
        }
        if fin {
            flags = flags.with(Flags::FIN);
        }
        self.last_sent = now;
        if self.timers.retransmission == Time::NEVER && purpose != Purpose::WindowProbe {
            self.timers.retransmission = now + self.estimator.timeout();
        }
        Outgoing { header: self.acknowledging(now, from, flags), purpose, length, offset }
    }

    /// The persist timer ran out: what the window takes, however little, or one byte beyond it.
    fn probe(&mut self, now: Time) -> Option<Outgoing> {
        if self.snd_nxt != self.snd_una && !self.probing {
            return None;
        }
        if self.snd_wnd > 0 {
            self.withdraw_probe();
            return self.send_new(now, true);
        }
        let data = !self.outbound.is_empty();
        if !data && !self.fin_queued {
            return None;
        }
        self.events.note(Event::WindowProbe);
        self.probing = true;
        self.snd_nxt = self.snd_una.plus(1);
        self.fin_sent = !data;
        Some(self.emit(now, self.snd_una, 0, u32::from(data), !data, Purpose::WindowProbe))
    }

    /// The probe was not taken: its byte counts as unsent.
    pub(super) fn withdraw_probe(&mut self) {
        if std::mem::take(&mut self.probing) {
            self.snd_nxt = self.snd_una;
            self.fin_sent = false;
        }
    }

    /// Something waits, nothing is under way and nothing may go: only the persist timer can end that.
    fn persist_if_stuck(&mut self, now: Time) {
        let waits = self.timers.persist == Time::NEVER && self.snd_nxt == self.snd_una;
        if waits && (!self.outbound.is_empty() || self.fin_queued) {
            self.timers.persist = now + self.persist_interval();
        }
    }
}

/// The clock of timestamps: milliseconds (RFC 7323 5.4).
pub(super) fn clock(now: Time) -> u32 {
    (now.0 / 1_000_000) as u32
}
