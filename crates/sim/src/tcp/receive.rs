//! The receiving side: the window it announces, data in and out of order, the peer's FIN, and when to acknowledge.

use super::{Connection, Event, Sequence, State};
use crate::Time;

impl Connection {
    /// Bytes that fit.
    fn space(&self) -> u32 {
        self.terms.receive_buffer.saturating_sub(self.inbound.ready())
    }

    /// How much more window is worth announcing at once (RFC 9293 3.8.6.2.2).
    fn worthwhile(&self) -> u32 {
        (self.terms.receive_buffer / 2).min(u32::from(self.terms.mss))
    }

    /// The right edge of what is accepted: what was announced, or what fits now.
    pub(super) fn window_end(&self) -> Sequence {
        self.rcv_nxt.plus(self.space()).latest(self.rcv_edge)
    }

    /// The window to announce now, as the header carries it. The right edge moves on by steps that are worth a segment,
    /// and not back: a window that is no multiple of its unit is rounded up then, until half the buffer is lent.
    pub(super) fn announce_window(&mut self) -> u16 {
        let edge = self.rcv_nxt.plus(self.space());
        let moves = edge.after(self.rcv_edge) && edge.since(self.rcv_edge) >= self.worthwhile();
        let window = if moves { edge } else { self.rcv_edge }.since(self.rcv_nxt);
        let down = window >> self.rcv_shift;
        let up = window.div_ceil(1 << self.rcv_shift);
        let retreats = self.rcv_nxt.plus(down << self.rcv_shift).before(self.rcv_edge);
        let lent = (self.inbound.ready() + (up << self.rcv_shift)).saturating_sub(self.terms.receive_buffer);
        let field = if retreats && lent <= self.terms.receive_buffer / 2 { up } else { down };
        let field = u16::try_from(field).unwrap_or(u16::MAX);
        self.rcv_edge = self.rcv_edge.latest(self.rcv_nxt.plus(u32::from(field) << self.rcv_shift));
        field
    }

    /// The window as it was announced, bytes.
    pub(super) fn announced_window(&self) -> u32 {
        self.rcv_edge.since(self.rcv_nxt)
    }

    /// The user has read: an opened window is announced unasked if it was too small for a segment, or half the buffer
    /// opened; otherwise with the next acknowledgement.
    pub(super) fn announce_opened_window(&mut self) {
        let announced = self.announced_window();
        let opened = self.space().saturating_sub(announced);
        let was_shut = announced < u32::from(self.terms.mss) && opened >= self.worthwhile();
        if was_shut || opened >= self.terms.receive_buffer / 2 {
            self.ack_due = true;
        }
    }

    /// Takes data that fits into the window, from `sequence` on.
    pub(super) fn take_data(&mut self, now: Time, sequence: Sequence, payload: &[u8]) {
        let length = payload.len() as u32;
        let end = sequence.plus(length);
        let offset = sequence.since(self.rcv_nxt);
        if offset > 0 {
            self.events.note(Event::OutOfOrder);
            self.ack_due = true;
            if self.reassembly.insert((sequence, end)) {
                self.inbound.write(offset, payload);
            }
            return;
        }
        self.inbound.write(0, payload);
        let whole = if self.reassembly.is_empty() {
            end
        } else {
            // RFC 5681 4.2: what fills a gap, wholly or in part, is acknowledged at once.
            self.events.note(Event::GapFilled);
            self.ack_due = true;
            self.reassembly.advance(end)
        };
        self.inbound.complete(whole.since(self.rcv_nxt));
        self.expect(whole);
        self.acknowledge_soon(now);
    }

    fn expect(&mut self, next: Sequence) {
        self.rcv_nxt = next;
        // What fitted was taken even if it had not been announced.
        self.rcv_edge = self.rcv_edge.latest(next);
    }

    /// Data arrived in order: every second segment is acknowledged at once, one alone after a while (RFC 1122 4.2.3.2).
    fn acknowledge_soon(&mut self, now: Time) {
        self.unacknowledged = self.unacknowledged.saturating_add(1);
        if self.unacknowledged >= 2 || self.terms.delayed_ack.0 == 0 {
            self.ack_due = true;
        } else if self.timers.acknowledgement == Time::NEVER {
            self.timers.acknowledgement = now + self.terms.delayed_ack;
        }
    }

    /// Everything before the peer's FIN has arrived (RFC 9293 3.10.7.4, eighth).
    pub(super) fn take_fin(&mut self, now: Time) {
        self.expect(self.rcv_nxt.plus(1));
        self.ack_due = true;
        match self.state {
            State::SynReceived | State::Established => self.enter(State::CloseWait),
            State::FinWait1 => self.enter(State::Closing),
            State::FinWait2 => self.wait(now),
            _ => {}
        }
    }

    /// Both FINs are acknowledged, or about to be: TIME-WAIT.
    pub(super) fn wait(&mut self, now: Time) {
        self.enter(State::TimeWait);
        self.timers.retransmission = Time::NEVER;
        self.timers.keep_alive = Time::NEVER;
        self.timers.wait = now + self.terms.time_wait;
        self.outbound.release();
        self.reassembly.release();
        self.inbound.release();
    }
}
