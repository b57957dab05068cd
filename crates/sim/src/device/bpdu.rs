//! The messages by which bridges agree on a spanning tree (IEEE 802.1D-1998 clause 9), in frames to 01-80-C2-00-00-00 with an
//! 802.2 LLC header.

use wire::Mac;

/// Where bridges listen.
pub const GROUP: Mac = Mac([0x01, 0x80, 0xc2, 0, 0, 0]);

/// LLC: destination and source 0x42, unnumbered information.
const LLC: [u8; 3] = [0x42, 0x42, 0x03];
const TOPOLOGY_CHANGE: u8 = 0x01;
const TOPOLOGY_CHANGE_ACK: u8 = 0x80;

/// A bridge's identity: its priority, 16 bits, above its address, 48 bits. The lower, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BridgeId(pub u64);

impl BridgeId {
    /// An identity.
    pub fn new(priority: u16, address: Mac) -> Self {
        Self(u64::from(priority) << 48 | super::mac_table::number(address))
    }

    /// The priority.
    pub const fn priority(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// The address.
    pub fn address(self) -> Mac {
        super::mac_table::address(self.0 & 0xffff_ffff_ffff)
    }
}

impl std::fmt::Display for BridgeId {
    /// `32768/02:00:00:00:00:01`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.priority(), self.address())
    }
}

/// Who offers a way to which root, and how good it is: in order of importance, the lower, the better (8.6.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// The root, as far as the sender knows.
    pub root: BridgeId,
    /// Cost of the sender's way there.
    pub cost: u32,
    /// The sender.
    pub bridge: BridgeId,
    /// The sender's port: priority, 8 bits, and number.
    pub port: u16,
}

/// A configuration message. Times are in 1/256 of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Configuration {
    /// What it offers.
    pub offer: Offer,
    /// The topology has changed: forget addresses soon.
    pub topology_change: bool,
    /// The notification of a change has come.
    pub acknowledges: bool,
    /// Time since the root sent what this follows from.
    pub message_age: u16,
    /// When that is void.
    pub max_age: u16,
    /// How often the root sends.
    pub hello_time: u16,
    /// How long a port listens, and learns.
    pub forward_delay: u16,
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bpdu {
    /// What the tree is.
    Configuration(Configuration),
    /// A bridge tells the root that a port began or ceased to forward.
    TopologyChange,
}

impl Bpdu {
    /// Writes a whole frame, without padding.
    pub fn emit(&self, source: Mac, frame: &mut Vec<u8>) {
        frame.extend(GROUP.0);
        frame.extend(source.0);
        let length: u16 = match self {
            Self::Configuration(_) => 38,
            Self::TopologyChange => 7,
        };
        frame.extend(length.to_be_bytes());
        frame.extend(LLC);
        frame.extend([0, 0, 0]);
        let Self::Configuration(message) = self else { return frame.push(0x80) };
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        let flags = flag(message.topology_change, TOPOLOGY_CHANGE) | flag(message.acknowledges, TOPOLOGY_CHANGE_ACK);
        frame.extend([0, flags]);
        frame.extend(message.offer.root.0.to_be_bytes());
        frame.extend(message.offer.cost.to_be_bytes());
        frame.extend(message.offer.bridge.0.to_be_bytes());
        frame.extend(message.offer.port.to_be_bytes());
        for time in [message.message_age, message.max_age, message.hello_time, message.forward_delay] {
            frame.extend(time.to_be_bytes());
        }
    }

    /// Reads a frame to [`GROUP`]; nothing if it is no message of this protocol.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let llc = frame.get(14..)?;
        let message = llc.strip_prefix(&LLC)?;
        match *message {
            [0, 0, _, 0x80, ..] => Some(Self::TopologyChange),
            [0, 0, _, 0, flags, ..] => {
                let body = message.get(5..35)?;
                let short = |place: usize| u16::from_be_bytes([body[place], body[place + 1]]);
                let long = |place: usize| u32::from(short(place)) << 16 | u32::from(short(place + 2));
                let bridge = |place: usize| BridgeId(u64::from(long(place)) << 32 | u64::from(long(place + 4)));
                Some(Self::Configuration(Configuration {
                    offer: Offer { root: bridge(0), cost: long(8), bridge: bridge(12), port: short(20) },
                    topology_change: flags & TOPOLOGY_CHANGE != 0,
                    acknowledges: flags & TOPOLOGY_CHANGE_ACK != 0,
                    message_age: short(22),
                    max_age: short(24),
                    hello_time: short(26),
                    forward_delay: short(28),
                }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_configuration_is_written_as_a_capture_has_it() {
        let root = BridgeId::new(32_768, Mac([0, 0x1c, 0x0e, 0x87, 0x78, 0]));
        let bridge = BridgeId::new(32_768, Mac([0, 0x1c, 0x0e, 0x87, 0x85, 0]));
        let message = Configuration {
            offer: Offer { root, cost: 4, bridge, port: 0x8004 },
            topology_change: true,
            acknowledges: false,
            message_age: 1 << 8,
            max_age: 20 << 8,
            hello_time: 2 << 8,
            forward_delay: 15 << 8,
        };
        let mut frame = Vec::new();
        Bpdu::Configuration(message).emit(Mac([0, 0x1c, 0x0e, 0x87, 0x85, 4]), &mut frame);
        let expected = "0180c2000000 001c0e878504 0026 424203 0000 00 00 01 8000001c0e877800 00000004 8000001c0e878500 8004 \
                        0100 1400 0200 0f00";
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected.replace(' ', ""));
        assert_eq!(Bpdu::parse(&frame), Some(Bpdu::Configuration(message)));
    }

    #[test]
    fn a_topology_change_notification_is_read_back() {
        let mut frame = Vec::new();
        Bpdu::TopologyChange.emit(Mac([2; 6]), &mut frame);
        assert_eq!((frame.len(), Bpdu::parse(&frame)), (21, Some(Bpdu::TopologyChange)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut frame = vec![0; 14];
            frame.extend(LLC);
            frame.extend(&bytes);
            let _ = (Bpdu::parse(&bytes), Bpdu::parse(&frame));
        }
    }
}
