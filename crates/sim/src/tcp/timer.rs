//! The timers of a connection and what their end means, and the network's errors, which are another kind of silence.

use super::congestion::Phase;
use super::segment::Again;
use super::{Connection, Error, Event, LEAST_SEGMENT, Sequence, State, rto};
use crate::{Span, Time};

/// When each timer is due; never, when it does not run.
#[derive(Debug, Clone)]
pub(super) struct Timers {
    pub retransmission: Time,
    /// The window is closed: when to probe it.
    pub persist: Time,
    pub acknowledgement: Time,
    /// TIME-WAIT, or FIN-WAIT-2 without a user.
    pub wait: Time,
    pub keep_alive: Time,
    /// No challenge acknowledgement before.
    pub challenge: Time,
    pub persists: u8,
    pub keep_alives: u8,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            retransmission: Time::NEVER,
            persist: Time::NEVER,
            acknowledgement: Time::NEVER,
            wait: Time::NEVER,
            keep_alive: Time::NEVER,
            challenge: Time::ZERO,
            persists: 0,
            keep_alives: 0,
        }
    }
}

/// What an ICMP "destination unreachable" means for TCP (RFC 1122 4.2.3.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unreachable {
    /// May pass: network or host unreachable, source route failed, time exceeded, parameter problem.
    Soft,
    /// Will not pass: protocol or port unreachable, prohibited.
    Hard,
}

impl Connection {
    /// When [`Connection::on_timer`] is due next; it may be called at any time.
    pub fn next_timer(&self) -> Option<Time> {
        let timers = &self.timers;
        let due = timers
            .retransmission
            .min(timers.persist)
            .min(timers.acknowledgement)
            .min(timers.wait)
            .min(timers.keep_alive);
        (due != Time::NEVER).then_some(due)
    }

    /// Time has come this far.
    pub fn on_timer(&mut self, now: Time) {
        if self.timers.acknowledgement <= now {
            self.timers.acknowledgement = Time::NEVER;
            self.ack_due = true;
        }
        if self.timers.wait <= now {
            return self.end(None);
        }
        if self.timers.retransmission <= now {
            self.retransmission_timeout(now);
        }
        if self.timers.persist <= now {
            self.persist_timeout(now);
        }
        if self.timers.keep_alive <= now {
            self.keep_alive_timeout(now);
        }
    }

    /// RFC 6298 5.4 to 5.6, RFC 5681 3.1.
    fn retransmission_timeout(&mut self, now: Time) {
        let most = match self.state {
            State::SynSent => self.terms.syn_retries,
            State::SynReceived => self.terms.syn_ack_retries,
            _ => self.terms.retries,
        };
        if self.attempts >= most {
            let unreachable = self.soft_error;
            return self.give_up(if unreachable { Error::Unreachable } else { Error::TimedOut });
        }
        self.events.note(Event::RetransmissionTimeout);
        self.again = Again::Timeout;
        self.estimator.back_off();
        self.timed = None;
        self.timers.retransmission = now + self.estimator.timeout();
        if matches!(self.state, State::SynSent | State::SynReceived) {
            self.syn_due = true;
        } else {
            let flight = self.snd_nxt.since(self.snd_una);
            self.congestion.timed_out(flight, self.attempts > 0);
            self.scoreboard.lose_all(self.snd_una, self.snd_nxt);
            self.recover = self.snd_nxt;
            self.duplicates = 0;
            self.forced = true;
        }
        self.attempts += 1;
    }

    /// The window stays closed: probe it, at longer and longer intervals, as long as the peer answers (RFC 9293 3.8.6.1).
    fn persist_timeout(&mut self, now: Time) {
        if self.attempts >= self.terms.retries {
            return self.give_up(Error::TimedOut);
        }
        self.probe_due = true;
        self.attempts += 1;
        self.timers.persists = self.timers.persists.saturating_add(1);
        self.timers.persist = now + self.persist_interval();
    }

    pub(super) fn persist_interval(&self) -> Span {
        let factor = 1u64 << self.timers.persists.min(16);
        self.estimator.timeout().times(factor).min(rto::MAXIMUM)
    }

    fn keep_alive_timeout(&mut self, now: Time) {
        let Some(terms) = self.terms.keep_alive else { return };
        if self.snd_nxt != self.snd_una || self.timers.persist != Time::NEVER {
            // Data under way asks the same question.
            return self.keep_alive_from(now);
        }
        if self.timers.keep_alives >= terms.probes {
            return self.give_up(Error::TimedOut);
        }
        self.timers.keep_alives += 1;
        self.keep_alive_due = true;
        self.timers.keep_alive = now + terms.interval;
    }

    /// The peer was heard of.
    pub(super) fn keep_alive_from(&mut self, now: Time) {
        if let Some(terms) = self.terms.keep_alive.filter(|_| self.state != State::TimeWait) {
            self.timers.keep_alives = 0;
            self.timers.keep_alive = now + terms.idle;
        }
    }

    /// The network cannot deliver a segment that began at `sequence`. Errors about nothing in flight are ignored
    /// (RFC 5927 4.1); a connection that stands is never ended by one (RFC 5927 5.2).
    pub fn on_unreachable(&mut self, sequence: u32, reason: Unreachable) {
        let sequence = Sequence(sequence);
        if sequence.before(self.snd_una) || !sequence.before(self.snd_nxt) {
            return;
        }
        self.events.note(Event::SoftError);
        self.soft_error = true;
        let begins = matches!(self.state, State::SynSent | State::SynReceived);
        if begins && (reason == Unreachable::Hard || self.terms.soft_errors_end_syn) {
            self.end(Some(Error::Unreachable));
        }
    }

    /// The path takes segments of `mss` bytes only (its MTU less IP and TCP headers), says the network of a segment that
    /// began at `sequence`. What is in flight is cut anew and sent again; the congestion window stays (RFC 1191 6.4).
    pub fn on_packet_too_big(&mut self, sequence: u32, mss: u16) {
        let (sequence, mss) = (Sequence(sequence), u32::from(mss.max(LEAST_SEGMENT)));
        if sequence.before(self.snd_una) || !sequence.before(self.snd_nxt) || mss >= self.mss {
            return;
        }
        self.events.note(Event::PathChanged);
        self.mss = mss;
        self.congestion.resize(mss);
        if self.state.transmits() {
            self.scoreboard.lose_all(self.snd_una, self.snd_nxt);
            self.forced = true;
            self.again = Again::PathMtu;
            self.timed = None;
        }
    }

    /// Everything is acknowledged that was in flight when the timer ran out or duplicates told a loss.
    pub(super) fn is_recovered(&self) -> bool {
        self.congestion.phase() != Phase::Open && !self.snd_una.before(self.recover)
    }
}
