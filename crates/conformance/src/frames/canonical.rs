//! The canonical form of what passed a place: per flow the ordered list of what happened, in words that two engines share. Pure.
//!
//! Left out, because each system chooses them as it likes: TCP options and windows, pure acknowledgements, identifications, sequence
//! numbers (only what is new counts, so what is sent again is not seen), how a stream is cut into segments, ephemeral ports, the ports
//! of NAT gateways (`~1`, `~2` in the order of appearance) and ICMP identifiers, identifiers and times to live inside DNS
//! messages, and checksums, which a kernel leaves to its devices. Kept: direction, addresses, well-known ports, flags, payload, TTL,
//! "don't fragment", traffic class, fragments, and of ICMP errors type, code, MTU, how much they quote and the header that they quote.
//! Of IPv6 the same, flow labels left out.
//!
//! Neighbours are a list of their own, ARP and neighbour discovery: who was asked for, and what was answered, once each. It is
//! compared where hosts are told to ask, not before every flow: a guest of the linux engine knows its router by heart, because a
//! kernel has one table of neighbours for all namespaces, while a simulated one asks; and when a cache is asked again is timing. What
//! else is said on a link (routers, groups of multicast) is each system's own.

mod control;
mod header;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use wire::tcp::Flags;
use wire::{Arp, EtherType, Ethernet, Icmpv6, Mac, Tcp, Udp, arp, dns, protocol};

use self::control::Control;
use self::header::Header;

/// Payload that is shown byte by byte; of more there is a length and a sum.
const SHOWN: usize = 24;

/// The name of the list of neighbours.
pub const NEIGHBOURS: &str = "neighbours";

/// Messages among neighbours: members of groups, routers, neighbours, redirects (RFC 2710, 3810, 4861).
const AMONG_NEIGHBOURS: [std::ops::RangeInclusive<u8>; 2] = [130..=137, 143..=143];
/// Neighbour solicitation and advertisement (RFC 4861, 4.3 and 4.4).
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// What every system calls alike.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Ports that are nobody's choice.
    pub ports: BTreeSet<u16>,
    /// Ethernet addresses that the lab gives its interfaces. The router's is each engine's own.
    pub stations: BTreeSet<Mac>,
}

/// A frame that passed a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Where.
    pub place: String,
    /// Whether whoever is there sent it; else it came in.
    pub is_outbound: bool,
    /// From its Ethernet header on.
    pub frame: Vec<u8>,
}

/// What happened to one flow at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence {
    /// Where.
    pub place: String,
    /// The flow by its first packet, or [`NEIGHBOURS`].
    pub flow: String,
    /// What passed, in order.
    pub lines: Vec<String>,
}

/// The sequences of everything that passed, by place, flows in the order of their beginning. 
pub fn sequences(passed: &[Passed], known: &Known) -> Vec<Sequence> {
    let mut places: BTreeMap<&str, Place<'_>> = BTreeMap::new();
    for Passed { place, is_outbound, frame } in passed {
        places.entry(place).or_insert_with(|| Place::new(known)).take(*is_outbound, frame);
    }
    places.into_iter().flat_map(|(name, place)| place.sequences(name)).collect()
}

/// The two ends of a flow, the smaller one first; of an ICMP echo both have its identifier.
type Key = (u8, [(IpAddr, u16); 2]);

fn key(number: u8, source: (IpAddr, u16), destination: (IpAddr, u16)) -> Key {
    (number, if source <= destination { [source, destination] } else { [destination, source] })
}

struct Place<'a> {
    known: &'a Known,
    /// What ports are called that are some system's choice.
    numbers: BTreeMap<(u8, IpAddr, u16), usize>,
    flows: Vec<(Key, Flow)>,
    /// The flow of a fragmented packet by its addresses, protocol and identification.
    pieces: BTreeMap<(IpAddr, IpAddr, u8, u32), Key>,
    neighbours: BTreeSet<String>,
}

#[derive(Default)]
struct Flow {
    name: String,
    lines: Vec<Line>,
    /// Who began.
    first: Option<IpAddr>,
    /// What of each stream has passed, by direction and sender: a system that passes packets on sees each twice.
    streams: BTreeMap<(bool, IpAddr, u16), Stream>,
}

enum Line {
    Text(String),
    /// Bytes of a stream, which may go on.
    Data { head: String, bytes: Vec<u8> },
}

#[derive(Default)]
struct Stream {
    /// The next byte that is new.
    next: Option<u32>,
    /// Numbers that connections began with.
    begun: BTreeSet<u32>,
    /// Segments with SYN, FIN or RST that have passed.
    marks: BTreeSet<(u8, u32)>,
}

/// Direction, whether it goes the flow's way or back, and what of the IP header counts.
fn envelope(is_outbound: bool, is_back: bool, header: &Header) -> String {
    let way = if is_outbound { "out" } else { "in " };
    let arrow = if is_back { '<' } else { '>' };
    let fragment = if header.dont_fragment { " df" } else { "" };
    let class = if header.class == 0 { String::new() } else { format!(" class {:#04x}", header.class) };
    format!("{way} {arrow} ttl {}{fragment}{class}", header.ttl)
}

impl Flow {
    fn segment(&mut self, of: (bool, IpAddr, u16), head: &str, tcp: &Tcp, data: &[u8]) {
        let stream = self.streams.entry(of).or_default();
        let mark = tcp.flags.0 & (Flags::SYN.0 | Flags::FIN.0 | Flags::RST.0);
        let flags = Flags(tcp.flags.0 & !Flags::PSH.0);
        if tcp.flags.has(Flags::SYN) {
            // A SYN that is sent again to somebody who was refused meanwhile begins a connection of another number; it is the same answer.
            let of = if tcp.flags.has(Flags::ACK) { tcp.acknowledgement } else { tcp.sequence };
            if stream.begun.insert(tcp.sequence) {
                stream.next = Some(tcp.sequence.wrapping_add(1));
            }
            if stream.marks.insert((mark, of)) {
                self.lines.push(Line::Text(format!("{head}: [{flags}]")));
            }
            return;
        }
        let known = stream.next.unwrap_or(tcp.sequence);
        let seen = known.wrapping_sub(tcp.sequence);
        // What lies before is sent again; what lies beyond is as new as it can be.
        let fresh = if seen < 1 << 31 { data.get(seen as usize..).unwrap_or_default() } else { data };
        let end = tcp.sequence.wrapping_add(data.len() as u32);
        if !fresh.is_empty() {
            stream.next = Some(end);
            match self.lines.last_mut() {
                Some(Line::Data { head: last, bytes }) if last == head => bytes.extend_from_slice(fresh),
                _ => self.lines.push(Line::Data { head: head.to_owned(), bytes: fresh.to_vec() }),
            }
        }
        if mark != 0 && stream.marks.insert((mark, end)) {
            self.lines.push(Line::Text(format!("{head}: [{flags}]")));
        }
    }
}

impl<'a> Place<'a> {
    fn new(known: &'a Known) -> Self {
        Self { known, numbers: BTreeMap::new(), flows: Vec::new(), pieces: BTreeMap::new(), neighbours: BTreeSet::new() }
    }

    fn take(&mut self, is_outbound: bool, frame: &[u8]) {
        let Ok((link, packet)) = Ethernet::parse(frame) else { return };
        match link.ether_type {
            EtherType::IPV4 | EtherType::IPV6 => self.take_packet(is_outbound, packet),
            EtherType::ARP => {
                let Ok(arp) = Arp::parse(packet) else { return };
                match arp.operation {
                    arp::Operation::Request => self.asked(is_outbound, arp.target.into(), arp.sender.into()),
                    arp::Operation::Reply => self.told(is_outbound, arp.sender.into(), arp.sender_mac, ""),
                }
            }
            _ => {}
        }
    }

    fn asked(&mut self, is_outbound: bool, target: IpAddr, by: IpAddr) {
        let way = if is_outbound { "out" } else { "in " };
        self.neighbours.insert(format!("{way} who has {target}, says {by}"));
    }

    fn told(&mut self, is_outbound: bool, address: IpAddr, mac: Mac, remark: &str) {
        let way = if is_outbound { "out" } else { "in " };
        let at = if self.known.stations.contains(&mac) { mac.to_string() } else { "the router".to_owned() };
        self.neighbours.insert(format!("{way} {address} is at {at}{remark}"));
    }

    /// Notes what neighbours say to each other over IPv6; whether a message was that.
    fn take_discovery(&mut self, is_outbound: bool, header: &Header, message: &[u8]) -> bool {
        let Ok(Icmpv6::Other { kind, rest, data, .. }) = Icmpv6::parse(message) else { return false };
        if !AMONG_NEIGHBOURS.iter().any(|kinds| kinds.contains(&kind)) {
            return false;
        }
        let target = data.get(..16).and_then(|octets| <[u8; 16]>::try_from(octets).ok()).map(|octets| IpAddr::from(Ipv6Addr::from(octets)));
        match (kind, target) {
            (SOLICITATION, Some(target)) => self.asked(is_outbound, target, header.source),
            (ADVERTISEMENT, Some(target)) => {
                let mac = data.get(18..24).and_then(|octets| octets.try_into().ok()).map_or_else(Mac::default, Mac);
                self.told(is_outbound, target, mac, &format!(", flags {:#04x}", rest[0]));
            }
            _ => {}
        }
        true
    }

    fn take_packet(&mut self, is_outbound: bool, packet: &[u8]) {
        let Ok((header, payload)) = Header::read(packet) else { return };
        if header.protocol == protocol::ICMPV6 && !header.is_fragment() && self.take_discovery(is_outbound, &header, payload) {
            return;
        }
        let piece = (header.source, header.destination, header.protocol, header.identification);
        let (flow, name) = match header.is_later_fragment() {
            false => self.ends(&header, payload),
            true => {
                let flow = self.pieces.get(&piece).copied();
                (flow.unwrap_or_else(|| key(header.protocol, (piece.0, 0), (piece.1, 0))), "fragments".to_owned())
            }
        };
        let message = (header.protocol != protocol::TCP && !header.is_fragment()).then(|| self.message(header.protocol, payload));
        let at = self.flow(flow, name);
        let flow_of = &mut self.flows[at].1;
        let first = *flow_of.first.get_or_insert(piece.0);
        let head = envelope(is_outbound, piece.1 == first, &header);
        let line = match (message, header.fragment) {
            (Some(message), _) => message,
            (None, Some((offset, has_more))) => {
                self.pieces.entry(piece).or_insert(flow);
                let more = if has_more { ", more follow" } else { "" };
                format!("bytes {offset} to {}{more}", usize::from(offset) + payload.len())
            }
            (None, None) => match Tcp::parse(payload) {
                Ok((tcp, data)) => return flow_of.segment((is_outbound, piece.0, tcp.source_port), &head, &tcp, data),
                Err(error) => error.to_string(),
            },
        };
        self.flows[at].1.lines.push(Line::Text(format!("{head}: {line}")));
    }

    /// The flow of a packet, and its ends in words. An ICMP error belongs to the flow that it is about.
    fn ends(&mut self, header: &Header, payload: &[u8]) -> (Key, String) {
        let (source, destination) = (header.source, header.destination);
        let (word, from, to) = match header.protocol {
            protocol::ICMP | protocol::ICMPV6 => match Control::parse(header.protocol, payload) {
                Ok(Control::Echo { id, .. } | Control::Timestamp { id, .. }) => ("icmp", id, id),
                Ok(Control::Other { quoted: Some(quoted), .. }) => match Header::read(&quoted) {
                    Ok((about, rest)) => return self.ends(&about, rest),
                    Err(_) => ("icmp", 0, 0),
                },
                _ => ("icmp", 0, 0),
            },
            protocol::TCP | protocol::UDP => {
                let port = |at: usize| payload.get(at..at + 2).map_or(0, |port| u16::from_be_bytes([port[0], port[1]]));
                (if header.protocol == protocol::TCP { "tcp" } else { "udp" }, port(0), port(2))
            }
            _ => ("protocol", 0, 0),
        };
        let number = header.protocol;
        let from_word = self.end(number, source, from);
        let to_word = self.end(number, destination, to);
        let word = if word == "protocol" { format!("protocol {number}") } else { word.to_owned() };
        (key(number, (source, from), (destination, to)), format!("{word} {from_word} > {to_word}"))
    }

    /// An end in words.
    fn end(&mut self, number: u8, address: IpAddr, port: u16) -> String {
        match number {
            protocol::TCP | protocol::UDP => {
                let address_text = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
                if self.known.ports.contains(&port) {
                    return format!("{address_text}:{port}");
                }
                let next = self.numbers.len() + 1;
                let number = *self.numbers.entry((number, address, port)).or_insert(next);
                format!("{address_text}:~{number}")
            }
            _ => address.to_string(),
        }
    }

    /// What a packet that is no segment says.
    fn message(&mut self, number: u8, payload: &[u8]) -> String {
        match number {
            protocol::UDP => match Udp::parse(payload) {
                Ok((udp, data)) if udp.source_port == 53 || udp.destination_port == 53 => dns_text(data),
                Ok((_, data)) => bytes_text(data),
                Err(error) => error.to_string(),
            },
            protocol::ICMP | protocol::ICMPV6 => match Control::parse(number, payload) {
                Ok(Control::Echo { is_reply, sequence, data, .. }) => {
                    let what = if is_reply { "reply" } else { "request" };
                    format!("echo {what} {sequence}, {}", bytes_text(&data))
                }
                Ok(Control::Timestamp { is_reply, .. }) => format!("timestamp {}", if is_reply { "reply" } else { "request" }),
                Ok(Control::Other { kind: (kind, code), remark, quoted }) => {
                    let is_v6 = number == protocol::ICMPV6;
                    let quoted = quoted.map_or_else(String::new, |quoted| match Header::read(&quoted) {
                        Ok((about, rest)) => {
                            let (_, ends) = self.ends(&about, rest);
                            format!(" about {ends}{}", quote_text((kind, is_v6), &about, quoted.len()))
                        }
                        Err(error) => format!(" about {error}"),
                    });
                    format!("{} {kind}/{code}{remark}{quoted}", if is_v6 { "icmpv6" } else { "icmp" })
                }
                Err(error) => error.to_string(),
            },
            _ => bytes_text(payload),
        }
    }

    /// The place of a flow among all.
    fn flow(&mut self, flow: Key, name: String) -> usize {
        self.flows.iter().position(|(known, _)| *known == flow).unwrap_or_else(|| {
            self.flows.push((flow, Flow { name, ..Flow::default() }));
            self.flows.len() - 1
        })
    }

    fn sequences(self, place: &str) -> Vec<Sequence> {
        let text = |line: Line| match line {
            Line::Text(text) => text,
            Line::Data { head, bytes } => format!("{head}: {}", bytes_text(&bytes)),
        };
        let flows = self.flows.into_iter().map(|(_, flow)| (flow.name, flow.lines.into_iter().map(text).collect::<Vec<_>>()));
        let neighbours = (!self.neighbours.is_empty()).then(|| (NEIGHBOURS.to_owned(), self.neighbours.into_iter().collect()));
        let sequence = |(flow, lines)| Sequence { place: place.to_owned(), flow, lines };
        // A flow of which nothing but acknowledgements passed says nothing.
        flows.chain(neighbours).map(sequence).filter(|sequence| !sequence.lines.is_empty()).collect()
    }
}

/// What counts of a quoted packet besides its ends. Where its hops ran out, how many are left; a kernel that is to be no hop
/// adds one where a packet comes in, and quotes that. How long a segment's header is, its options say, which do not count.
fn quote_text(kind: (u8, bool), about: &Header, length: usize) -> String {
    // Time exceeded (RFC 792, RFC 4443).
    let ttl = if matches!(kind, (11, false) | (3, true)) { format!(" ttl {}", about.ttl) } else { String::new() };
    let length = if about.protocol == protocol::TCP { String::new() } else { format!(", {length} bytes of it") };
    ttl + &length
}

fn bytes_text(bytes: &[u8]) -> String {
    if bytes.len() <= SHOWN {
        return format!("{} bytes {}", bytes.len(), bytes.escape_ascii());
    }
    // FNV-1a, 64 bits.
    let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{} bytes, sum {sum:016x}", bytes.len())
}

/// A DNS message without its identifier and the times that its records may be remembered.
fn dns_text(message: &[u8]) -> String {
    if let Ok(query) = dns::Query::parse(message) {
        return format!("dns query {} {}", query.kind, query.name);
    }
    match dns::Response::parse(message) {
        Ok((_, response)) => {
            let records: Vec<String> = response.records.iter().map(|record| format!("{} {:?}", record.name, record.data)).collect();
            format!("dns response {:?}: {}", response.code, records.join(", "))
        }
        Err(_) => bytes_text(message),
    }
}

#[cfg(test)]
mod tests;
