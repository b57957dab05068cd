//! The words that instructions are made of: registers, verdicts, keys, operators.

/// A 32-bit register slot, 0 to 15 (`NFT_REG32_00` …). A value longer than 4 bytes takes the slots that
/// follow, so a concatenated key is loaded field by field into neighbouring slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reg(pub u8);

impl Reg {
    /// The kernel's register number.
    pub const fn number(self) -> u32 {
        8 + self.0 as u32
    }

    /// The first slot behind a value of `length` bytes that starts here.
    pub const fn after(self, length: u32) -> Reg {
        Reg(self.0 + length.div_ceil(4) as u8)
    }
}

/// What a rule, or an element of a verdict map, decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Pass; base chains of later priority still see the packet.
    Accept,
    /// Discard, silently.
    Drop,
    /// Go on with the next rule.
    Continue,
    /// End this rule (`NFT_BREAK`), go on with the next.
    Break,
    /// Back to the calling chain; in a base chain: its policy.
    Return,
    /// Call a chain.
    Jump(String),
    /// Continue in a chain and do not come back here.
    Goto(String),
}

impl Verdict {
    /// The kernel's code.
    pub const fn code(&self) -> i32 {
        match self {
            Verdict::Drop => 0,
            Verdict::Accept => 1,
            Verdict::Continue => -1,
            Verdict::Break => -2,
            Verdict::Jump(_) => -3,
            Verdict::Goto(_) => -4,
            Verdict::Return => -5,
        }
    }

    /// The chain that a jump or goto names.
    pub fn chain(&self) -> Option<&str> {
        match self {
            Verdict::Jump(chain) | Verdict::Goto(chain) => Some(chain),
            _ => None,
        }
    }

    /// From the kernel's code and chain.
    pub fn from_code(code: i32, chain: Option<String>) -> Option<Verdict> {
        Some(match (code, chain) {
            (0, _) => Verdict::Drop,
            (1, _) => Verdict::Accept,
            (-1, _) => Verdict::Continue,
            (-2, _) => Verdict::Break,
            (-5, _) => Verdict::Return,
            (-3, Some(chain)) => Verdict::Jump(chain),
            (-4, Some(chain)) => Verdict::Goto(chain),
            _ => return None,
        })
    }
}

/// Where a payload offset counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The link-layer header.
    Link,
    /// The network header (IP, ARP).
    Network,
    /// The transport header. Nothing matches in later fragments.
    Transport,
    /// What follows the transport header.
    Inner,
}

/// What is kept correct when a payload is overwritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Nothing.
    None,
    /// For an IPv6 address: TCP, UDP and ICMPv6 sum it up, and the header has no checksum.
    PseudoHeader,
    /// The internet checksum at `offset` from the same base.
    Internet {
        /// Offset of the checksum field, bytes.
        offset: u32,
        /// The written bytes are part of the L4 pseudo header (addresses): correct TCP, UDP and ICMPv6 too.
        pseudo_header: bool,
    },
}

impl Checksum {
    /// For a field of the IPv4 header that is not in the L4 pseudo header (TTL, DSCP).
    pub const IPV4_HEADER: Checksum = Checksum::Internet { offset: 10, pseudo_header: false };
    /// For an IPv4 address.
    pub const IPV4_ADDRESS: Checksum = Checksum::Internet { offset: 10, pseudo_header: true };
    /// For a TCP port or flag.
    pub const TCP: Checksum = Checksum::Internet { offset: 16, pseudo_header: false };
    /// For a UDP port.
    pub const UDP: Checksum = Checksum::Internet { offset: 6, pseudo_header: false };
    /// For a field of ICMP or ICMPv6.
    pub const ICMP: Checksum = Checksum::Internet { offset: 2, pseudo_header: false };
}

/// What is known about a packet beside its bytes (`enum nft_meta_keys`). Integers are in the machine's
/// byte order, but `Protocol` is in network order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[expect(missing_docs, reason = "the kernel's names, one to one")]
pub enum MetaKey {
    Length = 0,
    /// EtherType, 2 bytes, network order.
    Protocol = 1,
    Priority = 2,
    Mark = 3,
    /// Index of the receiving device.
    Iif = 4,
    /// Index of the sending device.
    Oif = 5,
    /// 16 bytes, NUL-padded.
    IifName = 6,
    /// 16 bytes, NUL-padded.
    OifName = 7,
    IifType = 8,
    OifType = 9,
    SocketUid = 10,
    SocketGid = 11,
    /// 1 byte; set it to 1 to trace the packet. Cannot be loaded.
    NfTrace = 12,
    /// 1 byte, `NFPROTO_*`.
    NfProto = 15,
    /// 1 byte, the IP protocol.
    L4Proto = 16,
    /// 1 byte, `PACKET_HOST` …
    PacketType = 19,
    Cpu = 20,
    /// Device group of the receiving device.
    IifGroup = 21,
    /// Device group of the sending device.
    OifGroup = 22,
    Random = 24,
    /// 8 bytes, nanoseconds since 1970.
    TimeNs = 30,
}

/// `enum nft_cmp_ops`; orders compare as big-endian bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum CompareOp {
    /// Equal.
    Eq = 0,
    /// Not equal.
    Neq = 1,
    /// Less.
    Lt = 2,
    /// Less or equal.
    Lte = 3,
    /// Greater.
    Gt = 4,
    /// Greater or equal.
    Gte = 5,
}

/// What conntrack knows (`enum nft_ct_keys`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[expect(missing_docs, reason = "the kernel's names, one to one")]
pub enum CtKey {
    /// 4 bytes, machine order, bits of [`ct_state`].
    State = 0,
    /// 1 byte: 0 original, 1 reply.
    Direction = 1,
    /// 4 bytes, machine order, bits of [`ct_status`].
    Status = 2,
    /// 4 bytes, machine order.
    Mark = 3,
    /// 4 bytes, milliseconds left.
    Expiration = 5,
    /// 1 byte, `NFPROTO_*`.
    L3Protocol = 7,
    /// 1 byte.
    Protocol = 10,
    /// Needs a direction; 2 bytes, network order.
    ProtoSource = 11,
    /// Needs a direction; 2 bytes, network order.
    ProtoDestination = 12,
    /// 16 bytes, a bit set.
    Labels = 13,
    Packets = 14,
    Bytes = 15,
    /// 2 bytes, machine order. Set it before conntrack sees the packet.
    Zone = 17,
    EventMask = 18,
    /// Needs a direction; 4 bytes.
    SourceV4 = 19,
    /// Needs a direction; 4 bytes.
    DestinationV4 = 20,
    /// Needs a direction; 16 bytes.
    SourceV6 = 21,
    /// Needs a direction; 16 bytes.
    DestinationV6 = 22,
    Id = 23,
}

/// The tuple of a connection that a conntrack key reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CtDirection {
    /// As the first packet.
    Original,
    /// As its answers.
    Reply,
}

/// Bits of [`CtKey::State`].
#[expect(missing_docs, reason = "the names of nft(8)")]
pub mod ct_state {
    pub const INVALID: u32 = 1 << 0;
    pub const ESTABLISHED: u32 = 1 << 1;
    pub const RELATED: u32 = 1 << 2;
    pub const NEW: u32 = 1 << 3;
    pub const UNTRACKED: u32 = 1 << 6;
}

/// Bits of [`CtKey::Status`] and of a conntrack entry's status (`IPS_*`).
#[expect(missing_docs, reason = "the kernel's names")]
pub mod ct_status {
    pub const EXPECTED: u32 = 1 << 0;
    pub const SEEN_REPLY: u32 = 1 << 1;
    pub const ASSURED: u32 = 1 << 2;
    pub const CONFIRMED: u32 = 1 << 3;
    pub const SRC_NAT: u32 = 1 << 4;
    pub const DST_NAT: u32 = 1 << 5;
    pub const DYING: u32 = 1 << 9;
    pub const FIXED_TIMEOUT: u32 = 1 << 10;
}

/// What a rule does with a dynamic set's element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum DynamicOp {
    /// Insert, keep the expiry of one that exists.
    Add = 0,
    /// Insert or renew the expiry.
    Update = 1,
    /// Remove.
    Delete = 2,
}

/// The unit of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
#[expect(missing_docs, reason = "the word says it")]
pub enum LimitUnit {
    Second = 1,
    Minute = 60,
    Hour = 3600,
    Day = 86400,
}

/// Source or destination translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NatKind {
    /// Rewrites the source (postrouting, input).
    Source,
    /// Rewrites the destination (prerouting, output).
    Destination,
}

/// Flags of nat and masquerade (`NF_NAT_RANGE_*`).
pub mod nat_flags {
    /// An address range is given (set by the encoder where there is one).
    pub const MAP_IPS: u32 = 1 << 0;
    /// A port range is given (set by the encoder where there is one).
    pub const PROTO_SPECIFIED: u32 = 1 << 1;
    /// Random ports.
    pub const RANDOM: u32 = 1 << 2;
    /// The same address for the same client.
    pub const PERSISTENT: u32 = 1 << 3;
    /// Fully random ports.
    pub const RANDOM_FULLY: u32 = 1 << 4;
    /// Prefix to prefix, the host part is kept.
    pub const NETMAP: u32 = 1 << 6;
}

/// How a refused packet is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reject {
    /// A TCP RST.
    TcpReset,
    /// ICMP or ICMPv6 destination unreachable with this code of the table's family (`ip`, `ip6`).
    Icmp(u8),
    /// The same thing in both families (`inet`): 0 no route, 1 port, 2 host, 3 administratively prohibited.
    Icmpx(u8),
}

/// What a route look-up returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum FibResult {
    /// Device index, 4 bytes.
    Oif = 1,
    /// Device name, 16 bytes.
    OifName = 2,
    /// `RTN_*`, 4 bytes.
    AddressType = 3,
}

/// Flags of [`super::Expr::Fib`].
#[expect(missing_docs, reason = "the names of nft(8)")]
pub mod fib_flags {
    pub const SADDR: u32 = 1 << 0;
    pub const DADDR: u32 = 1 << 1;
    pub const MARK: u32 = 1 << 2;
    pub const IIF: u32 = 1 << 3;
    pub const OIF: u32 = 1 << 4;
    pub const PRESENT: u32 = 1 << 5;
}

/// Which header [`super::Expr::Exthdr`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum ExthdrOp {
    /// An IPv6 extension header.
    Ipv6 = 0,
    /// A TCP option (2: MSS).
    TcpOption = 1,
    /// An IPv4 option.
    Ipv4 = 2,
}

/// What [`super::Expr::Rt`] reads of the packet's route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum RtKey {
    /// Realm.
    ClassId = 0,
    /// IPv4 next hop.
    NextHop4 = 1,
    /// IPv6 next hop.
    NextHop6 = 2,
    /// The TCP MSS that fits the route, 2 bytes, machine order.
    TcpMss = 3,
}
