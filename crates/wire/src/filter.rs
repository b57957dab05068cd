//! Which packets people mean, in the words that tcpdump taught them: `host web-1 and tcp port 80`.
//!
//! A subset of pcap-filter(7), with its precedence: `not` binds first, `and` and `or` bind alike, from left to right;
//! words that follow each other without either are joined by `and`. Three things more: names stand for addresses (the
//! caller says which), a bare name or address means `host`, and `tcp/443` means `tcp port 443`.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::packet::{Flow, Ip, Network, Packet, Transport};
use crate::protocol;

/// Words of one filter; more is no question that a person types, and it bounds how deep parentheses nest.
const MOST_WORDS: usize = 200;

/// A question to a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Every packet.
    All,
    /// ARP.
    Arp,
    /// IPv4 (4) or IPv6 (6).
    Version(u8),
    /// One of these IP protocols.
    Protocol(Vec<u8>),
    /// One of these addresses at that end; ARP has addresses, too.
    Host(End, Vec<IpAddr>),
    /// An address of this block (network, prefix length) at that end.
    Net(End, IpAddr, u8),
    /// A TCP or UDP port at that end.
    Port(End, RangeInclusive<u16>),
    /// The opposite.
    Not(Box<Filter>),
    /// Both.
    And(Box<Filter>, Box<Filter>),
    /// Either.
    Or(Box<Filter>, Box<Filter>),
}

/// Which end of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum End {
    /// Sender or receiver.
    #[default]
    Either,
    /// Sender.
    Source,
    /// Receiver.
    Destination,
}

/// A filter that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Misunderstood {
    /// What is wrong.
    pub message: String,
}

fn wrong<T>(message: impl Into<String>) -> Result<T, Misunderstood> {
    Err(Misunderstood { message: message.into() })
}

impl Filter {
    /// Reads words; each may hold several (`"tcp port 80"`). `resolve` gives the addresses of a name, none if nobody has it.
    /// No words at all mean every packet.
    pub fn parse<S: AsRef<str>>(words: &[S], resolve: impl Fn(&str) -> Option<Vec<IpAddr>>) -> Result<Filter, Misunderstood> {
        let text: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let text = text.join(" ").replace('(', " ( ").replace(')', " ) ").replace('!', " not ");
        let text = text.replace("&&", " and ").replace("||", " or ");
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() > MOST_WORDS {
            return wrong(format!("a filter of more than {MOST_WORDS} words"));
        }
        let mut parser = Parser { words: &words, at: 0, resolve: &resolve };
        if words.is_empty() {
            return Ok(Filter::All);
        }
        let filter = parser.expression()?;
        match parser.peek() {
            None => Ok(filter),
            Some(word) => wrong(format!("`{word}` closes nothing")),
        }
    }

    /// Whether a packet is meant.
    pub fn matches(&self, packet: &Packet) -> bool {
        match self {
            Filter::All => true,
            Filter::Arp => matches!(packet.network, Network::Arp(_)),
            Filter::Version(version) => packet.ip().is_some_and(|ip| (*version == 4) == ip.source.is_ipv4()),
            Filter::Protocol(numbers) => packet.ip().is_some_and(|ip| numbers.contains(&ip.protocol)),
            Filter::Host(end, wanted) => at(*end, addresses(packet), |address| wanted.contains(&address)),
            Filter::Net(end, network, length) => at(*end, addresses(packet), |address| within(address, *network, *length)),
            Filter::Port(end, range) => at(*end, packet.ip().and_then(ports), |port| range.contains(&port)),
            Filter::Not(inner) => !inner.matches(packet),
            Filter::And(one, other) => one.matches(packet) && other.matches(packet),
            Filter::Or(one, other) => one.matches(packet) || other.matches(packet),
        }
    }
}

fn at<T: Copy>(end: End, both: Option<(T, T)>, wanted: impl Fn(T) -> bool) -> bool {
    let Some((source, destination)) = both else { return false };
    match end {
        End::Either => wanted(source) || wanted(destination),
        End::Source => wanted(source),
        End::Destination => wanted(destination),
    }
}

fn addresses(packet: &Packet) -> Option<(IpAddr, IpAddr)> {
    match &packet.network {
        Network::Ip(ip) => Some((ip.source, ip.destination)),
        Network::Arp(arp) => Some((arp.sender.into(), arp.target.into())),
        Network::Other { .. } => None,
    }
}

fn ports(ip: &Ip) -> Option<(u16, u16)> {
    let flow = Flow::of(ip);
    matches!(ip.transport, Transport::Tcp(..) | Transport::Udp(..)).then_some((flow.source_port, flow.destination_port))
}

fn within(address: IpAddr, network: IpAddr, length: u8) -> bool {
    let (address, network, bits) = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => (u128::from(address.to_bits()), u128::from(network.to_bits()), 32),
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits(), network.to_bits(), 128),
        _ => return false,
    };
    let shift = u32::from(bits - length.min(bits));
    address.checked_shr(shift).unwrap_or(0) == network.checked_shr(shift).unwrap_or(0)
}

struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
    resolve: &'a dyn Fn(&str) -> Option<Vec<IpAddr>>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    fn take(&mut self, wanted: &str) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    /// The word behind `of`.
    fn behind(&mut self, of: &str) -> Result<&'a str, Misunderstood> {
        let word = self.peek().filter(|word| !matches!(*word, "and" | "or" | "not" | "(" | ")"));
        self.at += usize::from(word.is_some());
        word.map_or_else(|| wrong(format!("something is missing behind `{of}`")), Ok)
    }

    fn expression(&mut self) -> Result<Filter, Misunderstood> {
        let mut filter = self.term()?;
        loop {
            match self.peek() {
                None | Some(")") => return Ok(filter),
                Some("or") => {
                    self.at += 1;
                    filter = Filter::Or(filter.into(), self.term()?.into());
                }
                Some(_) => {
                    self.take("and");
                    filter = Filter::And(filter.into(), self.term()?.into());
                }
            }
        }
    }

    fn term(&mut self) -> Result<Filter, Misunderstood> {
        if self.take("not") {
            return Ok(Filter::Not(self.term()?.into()));
        }
        if self.take("(") {
            let inner = self.expression()?;
            return if self.take(")") { Ok(inner) } else { wrong("a parenthesis is not closed") };
        }
        let Some(word) = self.peek() else { return wrong("the filter ends too early") };
        if matches!(word, "and" | "or" | ")") {
            return wrong(format!("nothing stands before `{word}`"));
        }
        self.at += 1;
        let one = |number| Ok(Filter::Protocol(vec![number]));
        match word {
            "arp" => Ok(Filter::Arp),
            "ip" => Ok(Filter::Version(4)),
            "ip6" => Ok(Filter::Version(6)),
            "tcp" => one(protocol::TCP),
            "udp" => one(protocol::UDP),
            "icmp" => Ok(Filter::Protocol(vec![protocol::ICMP, protocol::ICMPV6])),
            "gre" => one(protocol::GRE),
            "esp" => one(protocol::ESP),
            "proto" => {
                let number = self.behind(word)?;
                number.parse().map_or_else(|_| wrong(format!("`{number}` is no protocol number")), one)
            }
            "src" => self.primitive(End::Source, word),
            "dst" => self.primitive(End::Destination, word),
            "host" | "net" | "port" | "portrange" => {
                self.at -= 1;
                self.primitive(End::Either, word)
            }
            _ => match word.split_once('/') {
                Some((name @ ("tcp" | "udp"), port)) => {
                    let number = if name == "tcp" { protocol::TCP } else { protocol::UDP };
                    Ok(Filter::And(Filter::Protocol(vec![number]).into(), Filter::Port(End::Either, range(port)?).into()))
                }
                Some(_) => net(End::Either, word),
                None => self.host(End::Either, word),
            },
        }
    }

    fn primitive(&mut self, end: End, before: &str) -> Result<Filter, Misunderstood> {
        match self.behind(before)? {
            kind @ "host" => {
                let name = self.behind(kind)?;
                self.host(end, name)
            }
            kind @ "net" => net(end, self.behind(kind)?),
            kind @ ("port" | "portrange") => Ok(Filter::Port(end, range(self.behind(kind)?)?)),
            word if word.contains('/') => net(end, word),
            name => self.host(end, name),
        }
    }

    fn host(&self, end: End, name: &str) -> Result<Filter, Misunderstood> {
        let addresses = match name.parse() {
            Ok(address) => Some(vec![address]),
            Err(_) => (self.resolve)(name),
        };
        match addresses {
            Some(addresses) => Ok(Filter::Host(end, addresses)),
            None => wrong(format!("`{name}` is no word of a filter and nothing in this lab")),
        }
    }
}

fn range(text: &str) -> Result<RangeInclusive<u16>, Misunderstood> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.parse(), to.parse()) {
        (Ok(from), Ok(to)) if from <= to => Ok(from..=to),
        _ => wrong(format!("`{text}` is no port")),
    }
}

fn net(end: End, text: &str) -> Result<Filter, Misunderstood> {
    let (address, length) = text.split_once('/').unwrap_or((text, "128"));
    match (address.parse::<IpAddr>(), length.parse::<u8>()) {
        (Ok(address), Ok(length)) if length <= 32 || (address.is_ipv6() && length <= 128) || !text.contains('/') => {
            Ok(Filter::Net(end, address, length))
        }
        _ => wrong(format!("`{text}` is no address block")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::Flags;
    use crate::{Arp, Icmpv4, Ipv4, Mac, Tcp, Udp};

    fn parse(text: &str) -> Result<Filter, String> {
        let known = |name: &str| (name == "web-1").then(|| vec![IpAddr::from([10, 0, 0, 1]), IpAddr::from([54, 0, 0, 1])]);
        Filter::parse(&[text], known).map_err(|error| error.to_string())
    }

    fn packets() -> Vec<(&'static str, Packet)> {
        let (a, b) = ([10, 0, 0, 1].into(), [10, 0, 1, 2].into());
        let syn = Tcp {
            source_port: 40_000,
            destination_port: 443,
            sequence: 0,
            acknowledgement: 0,
            flags: Flags::SYN,
            window: 0,
            urgent: 0,
            options: Vec::new(),
        };
        let ip = |protocol, payload: &[u8]| Packet::from_ip(&Ipv4::new(a, b, protocol).packet(payload));
        let dns = Udp { source_port: 53, destination_port: 40_000 }.datagram(a.into(), b.into(), b"x");
        let echo = Icmpv4::Echo { reply: false, id: 1, sequence: 1, data: Vec::new() };
        vec![
            ("tcp", ip(6, &syn.segment(a.into(), b.into(), &[]))),
            ("udp", ip(17, &dns)),
            ("icmp", ip(1, &echo.message())),
            ("arp", Packet::from_frame(&Arp::request(Mac([2; 6]), a, b).frame())),
        ]
    }

    #[test]
    fn a_filter_finds_what_it_says() {
        for (text, expected) in [
            ("", "tcp udp icmp arp"),
            ("tcp", "tcp"),
            ("icmp or arp", "icmp arp"),
            ("not tcp", "udp icmp arp"),
            ("!(tcp or udp)", "icmp arp"),
            ("host 10.0.0.1", "tcp udp icmp arp"),
            ("web-1", "tcp udp icmp arp"),
            ("dst web-1", ""),
            ("src host web-1 and ip", "tcp udp icmp"),
            ("dst host 10.0.1.2 udp", "udp"),
            ("port 443", "tcp"),
            ("dst port 40000", "udp"),
            ("src portrange 1-100", "udp"),
            ("tcp port 53", ""),
            ("udp/53", "udp"),
            ("tcp/440-450", "tcp"),
            ("net 10.0.1.0/24", "tcp udp icmp arp"),
            ("src net 10.0.1.0/24", ""),
            ("0.0.0.0/0 && icmp", "icmp"),
            ("proto 17", "udp"),
            ("ip6", ""),
            // and and or bind alike, from left to right, as pcap-filter(7) says.
            ("arp or tcp and port 443", "tcp"),
            ("arp or (tcp and port 443)", "tcp arp"),
        ] {
            let filter = parse(text).unwrap();
            let found: Vec<&str> = packets().into_iter().filter(|(_, packet)| filter.matches(packet)).map(|(name, _)| name).collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn a_port_of_a_later_fragment_is_not_known() {
        let later = Ipv4 { fragment_offset: 1_480, ..Ipv4::new([10, 0, 0, 1].into(), [10, 0, 1, 2].into(), 17) };
        let packet = Packet::from_ip(&later.packet(&[0, 53, 0, 53, 0, 8, 0, 0]));
        assert!(parse("udp").unwrap().matches(&packet) && !parse("port 53").unwrap().matches(&packet));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("host", "something is missing behind `host`"),
            ("port and tcp", "something is missing behind `port`"),
            ("port http", "`http` is no port"),
            ("port 9-1", "`9-1` is no port"),
            ("net 10.0.0.0/33", "`10.0.0.0/33` is no address block"),
            ("web-9", "`web-9` is no word of a filter and nothing in this lab"),
            ("tcp and", "the filter ends too early"),
            ("or tcp", "nothing stands before `or`"),
            ("(tcp", "a parenthesis is not closed"),
            ("tcp)", "`)` closes nothing"),
            ("proto x", "`x` is no protocol number"),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected, "{text}");
        }
        assert!(parse(&"( ".repeat(100_000)).is_err(), "no stack is deep enough for that");
    }
}
