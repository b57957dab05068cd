//! The states of a connection and why one ends (RFC 9293 3.3.2). LISTEN belongs to whoever accepts.

use std::fmt;

use serde::Serialize;

/// A state of the connection; closed ones are gone but for a last segment that may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
#[expect(missing_docs, reason = "RFC 9293 names and describes them")]
pub enum State {
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
    Closed,
}

impl State {
    /// The RFC's name.
    pub const fn name(self) -> &'static str {
        match self {
            State::SynSent => "SYN-SENT",
            State::SynReceived => "SYN-RECEIVED",
            State::Established => "ESTABLISHED",
            State::FinWait1 => "FIN-WAIT-1",
            State::FinWait2 => "FIN-WAIT-2",
            State::CloseWait => "CLOSE-WAIT",
            State::Closing => "CLOSING",
            State::LastAck => "LAST-ACK",
            State::TimeWait => "TIME-WAIT",
            State::Closed => "CLOSED",
        }
    }

    /// Both ends know each other's first sequence number.
    pub const fn is_synchronized(self) -> bool {
        !matches!(self, State::SynSent | State::SynReceived | State::Closed)
    }

    /// Data or a FIN may still have to be sent, or sent again.
    pub(super) const fn transmits(self) -> bool {
        matches!(self, State::Established | State::FinWait1 | State::CloseWait | State::Closing | State::LastAck)
    }

    /// The peer may still send data.
    pub(super) const fn receives(self) -> bool {
        matches!(self, State::Established | State::FinWait1 | State::FinWait2)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a connection ended otherwise than by two FINs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Error {
    /// A SYN was answered by an RST.
    #[error("connection refused")]
    Refused,
    /// An RST came for a connection that was there.
    #[error("connection reset by peer")]
    Reset,
    /// Nobody answered as often as it was tried.
    #[error("connection timed out")]
    TimedOut,
    /// The network said that it cannot deliver, and a SYN or the last retransmission had no other answer.
    #[error("destination unreachable")]
    Unreachable,
    /// The user gave it up.
    #[error("connection aborted")]
    Aborted,
}
