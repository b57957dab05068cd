//! A segment arrives: is it acceptable, does it end the connection, what does it acknowledge, what does it bring
//! (RFC 9293 3.10.7, in its order; RFC 5961 where that is stricter).

use super::congestion::Phase;
use super::output::clock;
use super::scoreboard::DUPLICATE_THRESHOLD;
use super::segment::{Again, Segment, timestamps};
use super::{Connection, Error, Event, Sequence, State};
use crate::{Span, Time};
use wire::tcp::{Flags, TcpOption};

/// Acknowledgements that answer segments without data are at least so far apart (RFC 5961 7), lest two ends that
/// disagree answer each other for ever.
const CHALLENGE_INTERVAL: Span = Span::milliseconds(500);

impl Connection {
    /// A segment of this connection arrived; ports and checksum were right.
    pub fn on_segment(&mut self, now: Time, segment: &Segment<'_>) {
        match self.state {
            State::Closed => {}
            State::SynSent => self.on_segment_in_syn_sent(now, segment),
            _ => self.on_segment_in_window(now, segment),
        }
    }

    /// RFC 9293 3.10.7.3.
    fn on_segment_in_syn_sent(&mut self, now: Time, segment: &Segment<'_>) {
        let header = segment.header;
        let acknowledgement = Sequence(header.acknowledgement);
        let acknowledges = segment.has(Flags::ACK);
        if acknowledges && (!acknowledgement.after(self.iss) || acknowledgement.after(self.snd_nxt)) {
            // A half-open connection of the past (RFC 9293 3.5.1).
            if !segment.has(Flags::RST) {
                self.reset_reply = Some(acknowledgement);
            }
            self.events.note(Event::Unacceptable);
            return;
        }
        if segment.has(Flags::RST) {
            if acknowledges {
                self.events.note(Event::ResetByPeer);
                self.end(Some(Error::Refused));
            }
            return;
        }
        if !segment.has(Flags::SYN) {
            return;
        }
        self.meet(segment);
        if !acknowledges {
            // Both began at once (RFC 9293 3.5, figure 7).
            self.enter(State::SynReceived);
            (self.syn_due, self.again) = (true, Again::Synchronize);
            return;
        }
        self.acknowledge_syn(now, acknowledgement);
        self.establish(now);
        // Alone, before what a program sends that only now hears of the connection.
        (self.ack_due, self.third_due) = (true, true);
        let fits = segment.payload.len().min(self.announced_window() as usize);
        let fin = segment.has(Flags::FIN) && fits == segment.payload.len();
        self.bring(now, self.rcv_nxt, &segment.payload[..fits], fin);
    }

    fn acknowledge_syn(&mut self, now: Time, acknowledgement: Sequence) {
        self.snd_una = acknowledgement;
        self.snd_wl2 = acknowledgement;
        self.scoreboard.acknowledge(acknowledgement);
        if let Some(timed) = self.timed.take() {
            self.estimator.measure(now.since(timed.sent));
        }
    }

    /// RFC 9293 3.10.7.4.
    fn on_segment_in_window(&mut self, now: Time, segment: &Segment<'_>) {
        let header = segment.header;
        let mut sequence = Sequence(header.sequence);
        let mut payload = segment.payload;
        let mut fin = segment.has(Flags::FIN);
        let mut syn = segment.has(Flags::SYN);
        let acknowledges = segment.has(Flags::ACK);

        if self.timestamps && self.is_too_old(segment) {
            self.events.note(Event::OldTimestamp);
            return self.challenge(now, !payload.is_empty() || fin);
        }
        if syn && self.state == State::SynReceived && sequence == self.irs && !segment.has(Flags::RST) {
            if !acknowledges {
                // The SYN-ACK was lost.
                (self.syn_due, self.again) = (true, Again::Synchronize);
                return;
            }
            // The other half of a simultaneous open.
            syn = false;
            sequence = sequence.plus(1);
        }

        // First and second: sequence number and RST.
        let end = self.window_end();
        let length = payload.len() as u32 + u32::from(fin) + u32::from(syn);
        if segment.has(Flags::RST) {
            return self.on_reset(now, sequence, end);
        }
        if !self.is_acceptable(sequence, length, end) {
            let known = !payload.is_empty() && sequence.before(self.rcv_nxt);
            self.events.note(if known { Event::Duplicate } else { Event::Unacceptable });
            if sequence == self.rcv_nxt && !syn {
                // A window probe: its acknowledgement counts, its data or FIN does not (RFC 9293 3.10.7.4, first).
                self.events.note(Event::BeyondWindow);
                self.ack_due = true;
                (payload, fin) = (&[], false);
            } else {
                if self.state == State::TimeWait && fin {
                    self.timers.wait = now + self.terms.time_wait;
                }
                return self.challenge(now, length > 0 && !syn);
            }
        }
        // Fourth: SYN (RFC 5961 4).
        if syn {
            self.events.note(Event::Challenge);
            return self.challenge(now, false);
        }
        // Fifth: ACK.
        if !acknowledges {
            return;
        }
        if self.timers.keep_alive != Time::NEVER {
            self.keep_alive_from(now);
        }
        if self.timestamps {
            self.note_timestamp(segment, sequence);
        }
        let quiet = payload.is_empty() && !fin;
        if !self.on_acknowledgement(now, segment, sequence, quiet) {
            return;
        }

        // Seventh and eighth: data and FIN, without what is there already and what does not fit.
        if quiet {
            return;
        }
        if self.detached && !payload.is_empty() && self.state.receives() {
            return self.abort();
        }
        if sequence.before(self.rcv_nxt) {
            let known = self.rcv_nxt.since(sequence).min(payload.len() as u32);
            self.events.note(Event::Duplicate);
            self.ack_due = true;
            payload = &payload[known as usize..];
            sequence = sequence.plus(known);
        }
        let fits = end.since(sequence);
        if payload.len() as u32 > fits {
            self.events.note(Event::BeyondWindow);
            self.ack_due = true;
            payload = &payload[..fits as usize];
            fin = false;
        }
        self.bring(now, sequence, payload, fin);
    }

    /// Data and FIN that are within the window.
    fn bring(&mut self, now: Time, sequence: Sequence, payload: &[u8], fin: bool) {
        if !self.state.receives() {
            return;
        }
        if fin && self.fin_at.is_none() {
            self.fin_at = Some(sequence.plus(payload.len() as u32));
        }
        if !payload.is_empty() {
            self.take_data(now, sequence, payload);
        }
        match self.fin_at {
            Some(place) if place == self.rcv_nxt => self.take_fin(now),
            Some(_) if fin => self.ack_due = true,
            _ => {}
        }
    }

    /// RFC 9293 3.4, table 6; an acknowledgement right behind a full window is taken, too.
    fn is_acceptable(&self, sequence: Sequence, length: u32, end: Sequence) -> bool {
        let first = self.rcv_nxt;
        if length == 0 {
            return !sequence.before(first) && !sequence.after(end);
        }
        let last = sequence.plus(length - 1);
        let inside = |place: Sequence| !place.before(first) && place.before(end);
        inside(sequence) || inside(last) || sequence.before(first) && last.after(end)
    }

    /// An RST counts only where its number is exactly the next (RFC 5961 3).
    fn on_reset(&mut self, now: Time, sequence: Sequence, end: Sequence) {
        if sequence == self.rcv_nxt {
            self.events.note(Event::ResetByPeer);
            let error = match self.state {
                State::SynReceived => Some(Error::Refused),
                State::Closing | State::LastAck | State::TimeWait => None,
                _ => Some(Error::Reset),
            };
            self.end(error);
        } else if sequence.after(self.rcv_nxt) && sequence.before(end) {
            self.events.note(Event::Challenge);
            self.challenge(now, false);
        } else {
            self.events.note(Event::Unacceptable);
        }
    }

    /// Answers by an acknowledgement; segments without data not every time.
    fn challenge(&mut self, now: Time, always: bool) {
        if self.state == State::SynReceived && !always {
            return;
        }
        if always {
            self.ack_due = true;
        } else if self.timers.challenge <= now {
            self.ack_due = true;
            self.timers.challenge = now + CHALLENGE_INTERVAL;
        }
    }

    /// RFC 7323 5.3, R1; an RST is not judged by it.
    fn is_too_old(&self, segment: &Segment<'_>) -> bool {
        let clock = timestamps(segment.header).map(|(clock, _)| Sequence(clock));
        !segment.has(Flags::RST) && clock.is_some_and(|clock| clock.before(Sequence(self.recent)))
    }

    /// RFC 7323 4.3, (2).
    fn note_timestamp(&mut self, segment: &Segment<'_>, sequence: Sequence) {
        if let Some((clock, _)) = timestamps(segment.header).filter(|_| !sequence.after(self.acknowledged)) {
            self.recent = clock;
        }
    }

    /// The ACK field. False if the segment counts no further.
    fn on_acknowledgement(&mut self, now: Time, segment: &Segment<'_>, sequence: Sequence, quiet: bool) -> bool {
        let acknowledgement = Sequence(segment.header.acknowledgement);
        let beyond = acknowledgement.after(self.snd_nxt);
        if self.state == State::SynReceived {
            if beyond || !acknowledgement.after(self.iss) {
                self.reset_reply = Some(acknowledgement);
                return false;
            }
            self.acknowledge_syn(now, self.iss.plus(1));
            self.establish(now);
        }
        // RFC 5961 5.2.
        if beyond || acknowledgement.before(self.snd_una.minus(self.largest_window)) {
            self.events.note(Event::Challenge);
            self.challenge(now, !quiet);
            return false;
        }
        let flight = self.snd_nxt.since(self.snd_una);
        let reported = if self.sack && !self.probing { self.take_blocks(segment) } else { 0 };
        if acknowledgement.after(self.snd_una) {
            self.acknowledge_new(now, segment, acknowledgement, flight);
            self.update_window(segment, sequence, acknowledgement);
            return self.state != State::Closed;
        }
        if acknowledgement == self.snd_una {
            let update = self.update_window(segment, sequence, acknowledgement);
            let duplicate = if self.sack { reported > 0 } else { quiet && !update && flight > 0 && !self.probing };
            if duplicate {
                self.on_duplicate(flight);
            } else if update && quiet {
                self.events.note(Event::WindowUpdate);
            }
        }
        true
    }

    fn take_blocks(&mut self, segment: &Segment<'_>) -> u32 {
        let first = self.snd_una.latest(Sequence(segment.header.acknowledgement));
        let mut news = 0;
        for option in &segment.header.options {
            if let TcpOption::Sack(blocks) = option {
                for &(from, to) in blocks {
                    news += self.scoreboard.report((Sequence(from), Sequence(to)), first, self.snd_nxt);
                }
            }
        }
        if news > 0 {
            self.events.note(Event::SelectiveAcknowledgement);
            if self.congestion.phase() != Phase::Open {
                self.scoreboard.note_losses(self.mss);
            }
        }
        news
    }

    /// SND.UNA moves.
    fn acknowledge_new(&mut self, now: Time, segment: &Segment<'_>, acknowledgement: Sequence, flight: u32) {
        let numbers = acknowledgement.since(self.snd_una);
        let fin = self.fin_sent && acknowledgement == self.snd_nxt;
        self.outbound.advance(numbers - u32::from(fin));
        self.snd_una = acknowledgement;
        self.scoreboard.acknowledge(acknowledgement);
        self.attempts = 0;
        self.soft_error = false;
        self.forced = false;
        self.timers.persist = Time::NEVER;
        self.timers.persists = 0;
        // A probe waits for the reader as well as for the network.
        if !std::mem::take(&mut self.probing) {
            self.measure(now, segment);
        }

        let restarts = self.note_progress(numbers, flight);
        if self.snd_una == self.snd_nxt {
            self.timers.retransmission = Time::NEVER;
        } else if restarts {
            self.timers.retransmission = now + self.estimator.timeout();
        }
        if fin {
            match self.state {
                State::FinWait1 => {
                    self.enter(State::FinWait2);
                    if self.detached {
                        self.timers.wait = now + self.terms.time_wait;
                    }
                }
                State::Closing => self.wait(now),
                State::LastAck => self.end(None),
                _ => {}
            }
        }
    }

    /// Takes the round trip of the timed segment, or of the echoed timestamp (RFC 6298 3).
    fn measure(&mut self, now: Time, segment: &Segment<'_>) {
        match self.timed {
            Some(timed) if !self.snd_una.before(timed.end) => {
                self.estimator.measure(now.since(timed.sent));
                self.timed = None;
            }
            None if self.timestamps => {
                if let Some((_, echo)) = timestamps(segment.header).filter(|&(_, echo)| echo != 0) {
                    self.estimator.measure(Span::milliseconds(u64::from(clock(now).wrapping_sub(echo))));
                }
            }
            _ => {}
        }
    }

    /// What new acknowledgements mean for recovery and window. False if the retransmission timer is to go on.
    fn note_progress(&mut self, numbers: u32, flight: u32) -> bool {
        self.duplicates = 0;
        if self.is_recovered() {
            self.events.note(Event::Recovered);
            self.scoreboard.begin(self.snd_una);
            match self.congestion.phase() {
                Phase::Recovery => self.congestion.leave_recovery(self.snd_nxt.since(self.snd_una), self.sack),
                _ => {
                    self.congestion.acknowledged(numbers, flight);
                    self.congestion.leave_loss();
                }
            }
            return true;
        }
        match self.congestion.phase() {
            Phase::Open => {
                // Kept near, so that it still compares after 2^31 bytes.
                self.recover = self.recover.latest(self.snd_una.minus(1));
                self.congestion.acknowledged(numbers, flight);
                true
            }
            Phase::Loss => {
                self.congestion.acknowledged(numbers, flight);
                true
            }
            Phase::Recovery => {
                self.events.note(Event::PartialAcknowledgement);
                if self.sack {
                    self.scoreboard.note_losses(self.mss);
                    return true;
                }
                // RFC 6582 3.2, step 3: the next segment is lost, too; the timer restarts for the first of them only.
                self.congestion.deflate(numbers);
                self.again = Again::PartialAcknowledgement;
                self.lose_first();
                !std::mem::replace(&mut self.partial, true)
            }
        }
    }

    fn lose_first(&mut self) {
        self.scoreboard.lose_before(self.snd_una.plus(self.mss).earliest(self.snd_nxt));
        self.forced = true;
    }

    /// An acknowledgement that tells that something arrived, but not the next (RFC 5681 3.2, RFC 6675 5).
    fn on_duplicate(&mut self, flight: u32) {
        self.events.note(Event::DuplicateAcknowledgement);
        match self.congestion.phase() {
            Phase::Open => {
                self.duplicates += 1;
                let told = self.duplicates as usize >= DUPLICATE_THRESHOLD;
                let enters = if self.sack {
                    !self.snd_una.before(self.recover)
                        && (told || self.scoreboard.first_is_lost(self.snd_una, self.mss))
                } else {
                    self.snd_una.after(self.recover) && told
                };
                if enters {
                    self.enter_recovery(flight);
                }
            }
            Phase::Recovery if !self.sack => self.congestion.inflate(),
            _ => {}
        }
    }

    fn enter_recovery(&mut self, flight: u32) {
        self.events.note(Event::FastRetransmission);
        self.congestion.enter_recovery(flight, self.sack);
        self.recover = self.snd_nxt;
        self.partial = false;
        self.scoreboard.begin(self.snd_una);
        self.again = Again::FastRetransmit;
        self.lose_first();
        if self.sack {
            self.scoreboard.note_losses(self.mss);
        }
    }

    /// True if the window changed (RFC 9293 3.10.7.4, fifth).
    fn update_window(&mut self, segment: &Segment<'_>, sequence: Sequence, acknowledgement: Sequence) -> bool {
        let newer = self.snd_wl1.before(sequence) || self.snd_wl1 == sequence && !acknowledgement.before(self.snd_wl2);
        if !newer {
            return false;
        }
        let window = u32::from(segment.header.window) << self.snd_shift;
        let before = std::mem::replace(&mut self.snd_wnd, window);
        self.largest_window = self.largest_window.max(window);
        (self.snd_wl1, self.snd_wl2) = (sequence, acknowledgement);
        if window == 0 {
            // The peer is there, so waiting for it has no limit (RFC 9293 3.8.6.1).
            self.attempts = 0;
            if before > 0 {
                self.events.note(Event::ZeroWindow);
            }
        } else if before == 0 {
            self.events.note(Event::WindowOpened);
            self.withdraw_probe();
            self.timers.persist = Time::NEVER;
            self.timers.persists = 0;
        }
        before != window
    }
}
