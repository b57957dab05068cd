//! Writes captures in pcapng (draft-ietf-opsawg-pcapng): one section, any number of interfaces with
//! names, packets with nanosecond times and comments, names of addresses, counts of what was missed.
//! Little-endian, to anything that takes bytes.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

/// What the packets of an interface start with (IANA "PCAP Link Types").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// An Ethernet header.
    pub const ETHERNET: LinkType = LinkType(1);
    /// An IPv4 or IPv6 header.
    pub const RAW: LinkType = LinkType(101);
}

/// An interface of the capture, as [`Writer::interface`] numbered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interface(u32);

/// Which way a packet went, seen from its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Not known.
    #[default]
    Unknown,
    /// Received.
    Inbound,
    /// Sent.
    Outbound,
}

/// A packet to write.
#[derive(Debug, Clone, Copy)]
pub struct Captured<'a> {
    /// Since 1970.
    pub time: Duration,
    /// Its bytes, or the first of them.
    pub bytes: &'a [u8],
    /// How many bytes it had.
    pub original_length: usize,
    /// Which way it went.
    pub direction: Direction,
    /// Shown with the packet; empty for none.
    pub comment: &'a str,
}

impl<'a> Captured<'a> {
    /// A whole packet.
    pub fn new(time: Duration, bytes: &'a [u8]) -> Captured<'a> {
        Captured { time, bytes, original_length: bytes.len(), direction: Direction::Unknown, comment: "" }
    }
}

/// Writes a capture. Every call writes whole blocks, so a capture that ends early is still readable.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    interfaces: u32,
}

const OPTION_COMMENT: u16 = 1;

impl<W: Write> Writer<W> {
    /// Starts a section; `application` says who captured.
    pub fn new(mut out: W, application: &str) -> io::Result<Writer<W>> {
        const USER_APPLICATION: u16 = 4;
        let mut body = Vec::new();
        body.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
        body.extend_from_slice(&1u16.to_le_bytes());
        body.extend_from_slice(&0u16.to_le_bytes());
        body.extend_from_slice(&u64::MAX.to_le_bytes()); // length of the section: not known
        option(&mut body, USER_APPLICATION, application.as_bytes());
        end_of_options(&mut body);
        block(&mut out, 0x0a0d_0d0a, &body)?;
        Ok(Writer { out, interfaces: 0 })
    }

    /// Declares an interface. `snapshot_length` is the most that is kept of a packet; 0: all.
    pub fn interface(&mut self, name: &str, description: &str, link_type: LinkType, snapshot_length: u32) -> io::Result<Interface> {
        const NAME: u16 = 2;
        const DESCRIPTION: u16 = 3;
        const TIME_RESOLUTION: u16 = 9;
        let mut body = Vec::new();
        body.extend_from_slice(&link_type.0.to_le_bytes());
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(&snapshot_length.to_le_bytes());
        option(&mut body, NAME, name.as_bytes());
        if !description.is_empty() {
            option(&mut body, DESCRIPTION, description.as_bytes());
        }
        option(&mut body, TIME_RESOLUTION, &[9]); // 10^-9 s
        end_of_options(&mut body);
        block(&mut self.out, 1, &body)?;
        let interface = Interface(self.interfaces);
        self.interfaces += 1;
        Ok(interface)
    }

    /// Writes a packet.
    pub fn packet(&mut self, interface: Interface, packet: &Captured<'_>) -> io::Result<()> {
        const FLAGS: u16 = 2;
        let time = nanoseconds(packet.time);
        let lengths = [packet.bytes.len(), packet.original_length.max(packet.bytes.len())];
        let mut body = Vec::with_capacity(packet.bytes.len() + 64);
        for word in [interface.0, (time >> 32) as u32, time as u32] {
            body.extend_from_slice(&word.to_le_bytes());
        }
        for length in lengths {
            let length = u32::try_from(length).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "packet over 4 GiB"))?;
            body.extend_from_slice(&length.to_le_bytes());
        }
        body.extend_from_slice(packet.bytes);
        pad(&mut body);
        let flags: u32 = match packet.direction {
            Direction::Unknown => 0,
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        };
        if !packet.comment.is_empty() {
            option(&mut body, OPTION_COMMENT, packet.comment.as_bytes());
        }
        if flags != 0 {
            option(&mut body, FLAGS, &flags.to_le_bytes());
        }
        if flags != 0 || !packet.comment.is_empty() {
            end_of_options(&mut body);
        }
        block(&mut self.out, 6, &body)
    }

    /// Gives names to addresses, for readers that show names instead. Call it before the packets.
    pub fn names(&mut self, names: &BTreeMap<IpAddr, String>) -> io::Result<()> {
        const IPV4: u16 = 1;
        const IPV6: u16 = 2;
        let mut body = Vec::new();
        for (address, name) in names {
            let (kind, mut value) = match address {
                IpAddr::V4(address) => (IPV4, address.octets().to_vec()),
                IpAddr::V6(address) => (IPV6, address.octets().to_vec()),
            };
            // A name ends with a zero byte, so it holds none; cut like any other option.
            value.extend(name.bytes().filter(|byte| *byte != 0).take(255));
            value.push(0);
            option(&mut body, kind, &value);
        }
        end_of_options(&mut body);
        block(&mut self.out, 4, &body)
    }

    /// Says how many packets an interface received and how many of them the capture lost. Call it at the end.
    pub fn statistics(&mut self, interface: Interface, time: Duration, received: u64, dropped: u64) -> io::Result<()> {
        const RECEIVED: u16 = 4;
        const DROPPED: u16 = 5;
        let time = nanoseconds(time);
        let mut body = Vec::new();
        for word in [interface.0, (time >> 32) as u32, time as u32] {
            body.extend_from_slice(&word.to_le_bytes());
        }
        option(&mut body, RECEIVED, &received.to_le_bytes());
        option(&mut body, DROPPED, &dropped.to_le_bytes());
        end_of_options(&mut body);
        block(&mut self.out, 5, &body)
    }

    /// Passes what is buffered on.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Ends and gives the sink back.
    pub fn into_inner(self) -> W {
        self.out
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 12).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "block over 4 GiB"))?;
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(body)?;
    out.write_all(&length.to_le_bytes())
}

/// Appends an option; a value over its 65,535 bytes is cut.
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    body.extend_from_slice(&code.to_le_bytes());
    body.extend_from_slice(&(value.len() as u16).to_le_bytes());
    body.extend_from_slice(value);
    pad(body);
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend_from_slice(&[0; 4]);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_has_the_layout_of_the_draft() {
        let mut writer = Writer::new(Vec::new(), "vpclab").unwrap();
        let eth0 = writer.interface("eth0", "", LinkType::ETHERNET, 0).unwrap();
        let packet = Captured {
            direction: Direction::Outbound,
            comment: "hi",
            original_length: 60,
            ..Captured::new(Duration::new(1, 5), &[1, 2, 3])
        };
        writer.packet(eth0, &packet).unwrap();
        let time = 1_000_000_005u64;
        let expected = [
            // Section header: magic, version 1.0, unknown length, application.
            &0x0a0d_0d0a_u32.to_le_bytes()[..],
            &44u32.to_le_bytes(),
            &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[4, 0, 6, 0, b'v', b'p', b'c', b'l', b'a', b'b', 0, 0, 0, 0, 0, 0],
            &44u32.to_le_bytes(),
            // Interface: Ethernet, no limit, name, nanoseconds.
            &1u32.to_le_bytes(),
            &40u32.to_le_bytes(),
            &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 4, 0, b'e', b't', b'h', b'0', 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0],
            &40u32.to_le_bytes(),
            // Packet: interface 0, time, 3 bytes of 60, padding, comment, outbound.
            &6u32.to_le_bytes(),
            &56u32.to_le_bytes(),
            &[0; 4],
            &((time >> 32) as u32).to_le_bytes(),
            &(time as u32).to_le_bytes(),
            &[3, 0, 0, 0, 60, 0, 0, 0, 1, 2, 3, 0],
            &[1, 0, 2, 0, b'h', b'i', 0, 0, 2, 0, 4, 0, 2, 0, 0, 0, 0, 0, 0, 0],
            &56u32.to_le_bytes(),
        ];
        assert_eq!(writer.into_inner(), expected.concat());
    }

    #[test]
    fn interfaces_count_up() {
        let mut writer = Writer::new(Vec::new(), "").unwrap();
        let first = writer.interface("a", "the first", LinkType::RAW, 128).unwrap();
        let second = writer.interface("b", "", LinkType::ETHERNET, 128).unwrap();
        assert_eq!((first, second), (Interface(0), Interface(1)));
        writer.packet(second, &Captured::new(Duration::ZERO, &[7; 5])).unwrap();
        let bytes = writer.into_inner();
        // The packet block without options: 8 bytes of padding-free header, 20 of fields, 8 of data, 4.
        assert_eq!(&bytes[bytes.len() - 40..bytes.len() - 28], [6, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn names_and_counts_have_the_layout_of_the_draft() {
        let mut writer = Writer::new(Vec::new(), "").unwrap();
        let eth0 = writer.interface("a", "", LinkType::ETHERNET, 0).unwrap();
        let before = writer.out.len();
        let names = BTreeMap::from([
            (IpAddr::from([10, 0, 0, 5]), "web-1".to_owned()),
            (IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), "a\0b".to_owned()),
        ]);
        writer.names(&names).unwrap();
        writer.statistics(eth0, Duration::from_nanos(7), 3, 1).unwrap();
        let expected = [
            // Name resolution: an IPv4 record, an IPv6 record, the end.
            &4u32.to_le_bytes()[..],
            &56u32.to_le_bytes(),
            &[1, 0, 10, 0, 10, 0, 0, 5, b'w', b'e', b'b', b'-', b'1', 0, 0, 0],
            &[2, 0, 19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, b'a', b'b', 0, 0],
            &[0; 4],
            &56u32.to_le_bytes(),
            // Statistics: interface 0, time, received, dropped.
            &5u32.to_le_bytes(),
            &52u32.to_le_bytes(),
            &[0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0],
            &[4, 0, 8, 0, 3, 0, 0, 0, 0, 0, 0, 0],
            &[5, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0],
            &[0; 4],
            &52u32.to_le_bytes(),
        ];
        assert_eq!(writer.out[before..], expected.concat());
    }
}
