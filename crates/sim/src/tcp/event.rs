//! What happened inside a connection, cheap to note and to read: one bit each, and the state before.

use serde::Serialize;

use super::State;

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// Something that a trace may want to tell.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        #[repr(u8)]
        pub enum Event { $($(#[$doc])* $name,)* }

        impl Event {
            /// All of them, in the order in which they are listed.
            pub const ALL: &'static [Event] = &[$(Event::$name,)*];

            /// In words.
            pub const fn text(self) -> &'static str {
                match self { $(Event::$name => $text,)* }
            }
        }
    };
}

events! {
    /// The retransmission timer ran out.
    RetransmissionTimeout => "retransmission timeout",
    /// Bytes, a SYN or a FIN were sent again.
    Retransmission => "retransmission",
    /// Duplicate acknowledgements told a loss, and recovery began (RFC 5681 3.2).
    FastRetransmission => "fast retransmission",
    /// An acknowledgement said nothing new while data was under way.
    DuplicateAcknowledgement => "duplicate acknowledgement",
    /// Part of what was in flight when recovery began is acknowledged (RFC 6582).
    PartialAcknowledgement => "partial acknowledgement",
    /// All that was in flight when a loss was told is acknowledged.
    Recovered => "recovered",
    /// A block of a SACK option was news.
    SelectiveAcknowledgement => "selective acknowledgement",
    /// The peer's window closed.
    ZeroWindow => "zero window",
    /// The peer's window opened again.
    WindowOpened => "window opened",
    /// The peer changed its window without acknowledging anything.
    WindowUpdate => "window update",
    /// A closed window was probed (RFC 9293 3.8.6.1).
    WindowProbe => "window probe",
    /// A silent peer was asked whether it is there (RFC 9293 3.8.4).
    KeepAlive => "keep-alive",
    /// Data arrived beyond a gap.
    OutOfOrder => "out of order",
    /// Data arrived that closed a gap.
    GapFilled => "gap filled",
    /// Data arrived that was there already.
    Duplicate => "duplicate",
    /// Data did not fit into the window and was cut.
    BeyondWindow => "beyond window",
    /// A segment was outside the window and was answered by an acknowledgement at most.
    Unacceptable => "unacceptable",
    /// A segment that an attacker could have sent was answered by an acknowledgement (RFC 5961).
    Challenge => "challenge acknowledgement",
    /// A timestamp was older than the last (RFC 7323 5).
    OldTimestamp => "old timestamp",
    /// The network reported an error that does not end the connection (RFC 1122 4.2.3.9).
    SoftError => "soft error",
    /// The path takes smaller segments only.
    PathChanged => "path takes less",
    /// The peer's RST ended the connection.
    ResetByPeer => "reset by peer",
    /// The connection gave up waiting.
    GaveUp => "gave up",
}

/// Events and the change of state since they were last taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Events {
    bits: u32,
    /// The state before and after, if it changed.
    pub change: Option<(State, State)>,
}

impl Events {
    /// True if nothing happened.
    pub fn is_empty(self) -> bool {
        self.bits == 0 && self.change.is_none()
    }

    /// True if this happened.
    pub fn has(self, event: Event) -> bool {
        self.bits & (1 << event as u8) != 0
    }

    /// What happened, each once, in the order of [`Event::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Event> {
        Event::ALL.iter().copied().filter(move |&event| self.has(event))
    }

    pub(super) fn note(&mut self, event: Event) {
        self.bits |= 1 << event as u8;
    }

    pub(super) fn changed(&mut self, from: State, to: State) {
        self.change = Some((self.change.map_or(from, |(first, _)| first), to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_once_and_states_from_the_first_to_the_last() {
        let mut events = Events::default();
        assert!(events.is_empty());
        events.note(Event::Retransmission);
        events.note(Event::RetransmissionTimeout);
        events.note(Event::Retransmission);
        assert_eq!(events.iter().collect::<Vec<_>>(), [Event::RetransmissionTimeout, Event::Retransmission]);
        events.changed(State::SynReceived, State::Established);
        events.changed(State::Established, State::CloseWait);
        assert_eq!(events.change, Some((State::SynReceived, State::CloseWait)));
    }

    #[test]
    fn every_event_has_a_bit_of_its_own() {
        assert!(Event::ALL.len() <= 32);
        assert!(Event::ALL.iter().enumerate().all(|(at, &event)| at == event as usize));
    }
}
