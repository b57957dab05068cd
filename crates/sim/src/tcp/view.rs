//! What can be seen of a connection.

use serde::Serialize;

use super::{Connection, Error, Phase, Sequence, State};
use crate::{Span, Time};

/// A connection at one moment. Sequence numbers are as on the wire, windows in bytes after scaling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the RFCs' variables, and what the names say")]
pub struct View {
    pub state: State,
    pub error: Option<Error>,
    pub local_port: u16,
    pub remote_port: u16,
    pub iss: Sequence,
    pub snd_una: Sequence,
    pub snd_nxt: Sequence,
    /// What the peer takes.
    pub snd_wnd: u32,
    pub irs: Sequence,
    pub rcv_nxt: Sequence,
    /// What was announced to the peer.
    pub rcv_wnd: u32,
    /// Bytes that a segment carries at most.
    pub mss: u32,
    /// Powers of two of the windows sent and received.
    pub snd_wind_shift: u8,
    pub rcv_wind_shift: u8,
    pub sack: bool,
    pub timestamps: bool,
    pub cwnd: u32,
    /// Before the first loss: none.
    pub ssthresh: Option<u32>,
    pub phase: Phase,
    pub duplicate_acknowledgements: u32,
    /// Sequence numbers sent and not acknowledged.
    pub flight: u32,
    /// Of those, thought to be in the network.
    pub pipe: u32,
    /// Of those, reported to have arrived.
    pub sacked: u32,
    pub rto: Span,
    pub srtt: Option<Span>,
    pub rttvar: Option<Span>,
    /// Timeouts in a row.
    pub attempts: u8,
    pub retransmissions: u64,
    /// Bytes queued, sent ones included, that are not acknowledged.
    pub send_queue: u64,
    /// Bytes acknowledged so far.
    pub delivered: u64,
    /// Bytes that wait to be read.
    pub receive_queue: u32,
    /// Bytes that wait behind a gap.
    pub out_of_order: u32,
    /// When each timer is due.
    pub retransmission_timer: Option<Time>,
    pub persist_timer: Option<Time>,
    pub acknowledgement_timer: Option<Time>,
    pub wait_timer: Option<Time>,
    pub keep_alive_timer: Option<Time>,
}

impl Connection {
    /// All there is to see.
    pub fn inspect(&self) -> View {
        let due = |time: Time| (time != Time::NEVER).then_some(time);
        let (srtt, rttvar) = self.estimator.round_trip().unzip();
        let threshold = self.congestion.threshold();
        View {
            state: self.state,
            error: self.error,
            local_port: self.local_port,
            remote_port: self.remote_port,
            iss: self.iss,
            snd_una: self.snd_una,
            snd_nxt: self.snd_nxt,
            snd_wnd: self.snd_wnd,
            irs: self.irs,
            rcv_nxt: self.rcv_nxt,
            rcv_wnd: self.announced_window(),
            mss: self.mss,
            snd_wind_shift: self.snd_shift,
            rcv_wind_shift: self.rcv_shift,
            sack: self.sack,
            timestamps: self.timestamps,
            cwnd: self.congestion.window(),
            ssthresh: (threshold != u32::MAX).then_some(threshold),
            phase: self.congestion.phase(),
            duplicate_acknowledgements: self.duplicates,
            flight: self.snd_nxt.since(self.snd_una),
            pipe: self.scoreboard.pipe(self.snd_una, self.snd_nxt),
            sacked: self.scoreboard.sacked(),
            rto: self.estimator.timeout(),
            srtt,
            rttvar,
            attempts: self.attempts,
            retransmissions: self.retransmissions,
            send_queue: self.outbound.len(),
            delivered: self.outbound.position(),
            receive_queue: self.inbound.ready(),
            out_of_order: self.reassembly.bytes(),
            retransmission_timer: due(self.timers.retransmission),
            persist_timer: due(self.timers.persist),
            acknowledgement_timer: due(self.timers.acknowledgement),
            wait_timer: due(self.timers.wait),
            keep_alive_timer: due(self.timers.keep_alive),
        }
    }
}
