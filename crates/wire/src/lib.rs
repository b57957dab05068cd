//! Packets as bytes: headers, checksums, DNS, DHCP and NTP messages, pcapng, filters. Sans I/O, pure.
//!
//! Every header is a plain value with `parse` (bytes to value and the rest) and `emit` (value to
//! bytes). `parse` does not judge checksums, because captured packets often have none yet; whoever
//! plays a host verifies them with [`checksum`]. Start reading at [`Packet`], which sums up a whole
//! frame, or at [`Ipv4`] for how a header looks.
#![forbid(unsafe_code)]

pub mod arp;
pub mod checksum;
pub mod dhcp;
pub mod dns;
pub mod ethernet;
pub mod filter;
pub mod gre;
pub mod icmpv4;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod ntp;
pub mod packet;
pub mod pcapng;
mod read;
pub mod tcp;
pub mod udp;

pub use arp::Arp;
pub use ethernet::{EtherType, Ethernet, Mac};
pub use filter::Filter;
pub use gre::Gre;
pub use icmpv4::Icmpv4;
pub use icmpv6::Icmpv6;
pub use ipv4::{Ipv4, ROUTER_ALERT};
pub use ipv6::Ipv6;
pub use packet::{Flow, Packet};
pub use read::Malformed;
pub use tcp::Tcp;
pub use udp::Udp;

/// IP protocol numbers (IANA "Assigned Internet Protocol Numbers").
#[expect(missing_docs, reason = "the registry's names")]
pub mod protocol {
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const GRE: u8 = 47;
    pub const ESP: u8 = 50;
    pub const ICMPV6: u8 = 58;
}
