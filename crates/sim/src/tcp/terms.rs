//! What one end of a connection may be set to.

use serde::Serialize;

use crate::Span;

/// The least that a segment is taken to carry, whatever a peer or a path says: RFC 791's 68-byte packet.
pub const LEAST_SEGMENT: u16 = 28;

/// Settings of one end. The defaults are Linux's, where it has any.
#[derive(Debug, Clone, Serialize)]
pub struct Terms {
    /// Largest segment that this end's link takes, bytes without IP and TCP headers: announced, and never exceeded.
    pub mss: u16,
    /// What a peer takes that announces nothing: 536 over IPv4, 1220 over IPv6 (RFC 9293 3.7.1).
    pub unannounced_mss: u16,
    /// Bytes that wait to be read at most; at most 2^30. Up to half more where a scaled window can only be rounded up.
    pub receive_buffer: u32,
    /// Written bytes that wait to be sent or acknowledged at most; at most 2^30.
    pub send_buffer: u32,
    /// Offered factor of the window, a power of two up to 14 (RFC 7323 2); `None` offers none and takes none.
    pub window_scale: Option<u8>,
    /// Selective acknowledgements (RFC 2018).
    pub sack: bool,
    /// Timestamps (RFC 7323 3).
    pub timestamps: bool,
    /// Small segments wait while data is under way (RFC 9293 3.7.4).
    pub nagle: bool,
    /// How long an acknowledgement waits for company (RFC 1122 4.2.3.2: less than half a second). None: never.
    pub delayed_ack: Span,
    /// How long TIME-WAIT lasts, and FIN-WAIT-2 once the user is gone.
    pub time_wait: Span,
    /// The shortest retransmission timeout.
    pub minimum_rto: Span,
    /// How often a SYN is sent again.
    pub syn_retries: u8,
    /// How often a SYN-ACK is sent again.
    pub syn_ack_retries: u8,
    /// How often data, a FIN, or an unanswered window probe is sent again.
    pub retries: u8,
    /// Segments of the initial congestion window (RFC 6928); `None`: as RFC 5681 3.1 says.
    pub initial_segments: Option<u8>,
    /// A SYN gives up at once where the network cannot deliver it, even for a reason that may pass (RFC 5461 3.1).
    pub soft_errors_end_syn: bool,
    /// Asking a silent peer whether it is there (RFC 9293 3.8.4).
    pub keep_alive: Option<KeepAlive>,
}

/// When a silent peer is asked whether it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KeepAlive {
    /// After so much silence.
    pub idle: Span,
    /// Again after so much more.
    pub interval: Span,
    /// So often, then the connection has timed out.
    pub probes: u8,
}

impl Default for KeepAlive {
    /// Two hours, 75 seconds, nine times.
    fn default() -> Self {
        Self { idle: Span::seconds(7200), interval: Span::seconds(75), probes: 9 }
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            mss: 1460,
            unannounced_mss: 536,
            receive_buffer: 262_144,
            send_buffer: 262_144,
            window_scale: Some(7),
            sack: true,
            timestamps: false,
            nagle: true,
            delayed_ack: Span::milliseconds(40),
            time_wait: Span::seconds(60),
            minimum_rto: Span::milliseconds(200),
            syn_retries: 6,
            syn_ack_retries: 5,
            retries: 15,
            initial_segments: Some(10),
            soft_errors_end_syn: true,
            keep_alive: None,
        }
    }
}
