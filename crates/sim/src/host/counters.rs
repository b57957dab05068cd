//! What a host counted.

/// Counters of a host, in packets unless the name says otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// That came in with a right header.
    pub received: u64,
    /// Of its own that it sent.
    pub sent: u64,
    /// That it passed on.
    pub forwarded: u64,
    /// Frames and packets that ended here.
    pub dropped: u64,
    /// That reached a program or a service.
    pub delivered: u64,
    /// Pieces that it cut.
    pub fragmented: u64,
    /// Packets that it put together.
    pub reassembled: u64,
    /// ICMP errors that it sent.
    pub errors_sent: u64,
    /// ICMP errors that it did not send because it sent too many.
    pub errors_withheld: u64,
    /// Times that somebody else said to have one of its addresses.
    pub conflicts: u64,
}

impl Counters {
    /// Names and values, as tables show them.
    pub fn rows(&self) -> [(&'static str, u64); 10] {
        [
            ("received", self.received),
            ("sent", self.sent),
            ("forwarded", self.forwarded),
            ("dropped", self.dropped),
            ("delivered", self.delivered),
            ("fragmented", self.fragmented),
            ("reassembled", self.reassembled),
            ("errors sent", self.errors_sent),
            ("errors withheld", self.errors_withheld),
            ("conflicts", self.conflicts),
        ]
    }
}
