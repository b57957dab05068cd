//! Words and sentences of lans: rates, addresses, MAC addresses, links, routes, rules, services.

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use model::lan::{FilterRule, RoutingProtocol, Service, StaticRoute, address_problem, mac_problem};
use model::network_interface::MacAddress;

use crate::code::Code;
use crate::decode::{Decode, Decoder, Word};
use crate::diagnostic::{Diagnostic, nearest};
use crate::file::container::phrase;
use crate::file::phrase::{Phrase, not_a_sentence};
use crate::sentence::{
    LinkEnd, LinkSentence, SentenceError, parse_filter_rule, parse_link, parse_rate, parse_service, parse_static_route,
};
use crate::source::{Located, Span};
use crate::yaml::{Node, Value};

/// A rate in bits per second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate(pub u64);

impl Word for Rate {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        decoder.scalar(node, "a rate such as `10M`")?;
        phrase(node, decoder, parse_rate).map(Self)
    }
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceAddress {
    /// One that DHCP gives.
    Dhcp,
    /// This one, in the network of this prefix.
    Fixed(IpNet),
}

impl Word for InterfaceAddress {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let (text, _) = decoder.scalar(node, "an address such as `10.0.1.10/24`")?;
        if text == "dhcp" {
            return Some(Self::Dhcp);
        }
        let problem = match text.parse::<IpNet>() {
            Ok(address) => match address_problem(address) {
                None => return Some(Self::Fixed(address)),
                Some(why) => Diagnostic::new(Code::BadInterfaceAddress, node.span, why).label("not a host's").maybe_hint(host_of(address)),
            },
            Err(_) => {
                let problem = Diagnostic::new(Code::NotABlock, node.span, format!("`{text}` is not an address with a prefix length"));
                match (text.parse::<IpAddr>(), nearest(text, ["dhcp"])) {
                    (Ok(IpAddr::V4(address)), _) => problem.label("a prefix length is missing").hint(format!("write `{address}/24`")),
                    (Ok(IpAddr::V6(address)), _) => problem.label("a prefix length is missing").hint(format!("write `{address}/64`")),
                    (_, Some(_)) => problem.label("not understood").hint("did you mean `dhcp`?"),
                    _ => problem.label("not understood").hint("such as `10.0.1.10/24`, or dhcp"),
                }
            }
        };
        decoder.problem(problem);
        None
    }
}

/// An address that a host of this network could have.
fn host_of(address: IpNet) -> Option<String> {
    let first = address.hosts().next().and_then(|host| IpNet::new(host, address.prefix_len()).ok());
    let host = first.filter(|host| address_problem(*host).is_none());
    Some(host.map_or("such as 10.0.1.10/24".to_owned(), |host| format!("a host of this network is {host}")))
}

/// A MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac(pub MacAddress);

impl Word for Mac {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let (text, _) = decoder.scalar(node, "a MAC address such as `02:00:00:00:00:0a`")?;
        // Windows writes dashes, Cisco dots.
        let problem = match text.parse::<MacAddress>() {
            Ok(mac) => match mac_problem(mac) {
                None => return Some(Self(mac)),
                Some(why) => Diagnostic::new(Code::BadMac, node.span, why).label("not an interface's").hint(format!("such as `{}`", individual(mac))),
            },
            Err(_) => {
                let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
                let written = text.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '-' | '.' | ':'));
                let pairs: Vec<&str> = (0..digits.len() / 2).map(|at| &digits[2 * at..2 * at + 2]).collect();
                let hint = match written && digits.len() == 12 {
                    true => format!("write `{}`", pairs.join(":").to_ascii_lowercase()),
                    false => "six pairs of hexadecimal digits: `02:00:00:00:00:0a`".to_owned(),
                };
                Diagnostic::new(Code::BadMac, node.span, format!("`{text}` is not a MAC address")).label("not understood").hint(hint)
            }
        };
        decoder.problem(problem);
        None
    }
}

/// The same address as one of an interface, locally administered.
fn individual(mac: MacAddress) -> MacAddress {
    let [first, rest @ ..] = mac.0;
    let [a, b, c, d, e] = rest;
    MacAddress([(first & !1) | 2, a, b, c, d, e])
}

impl Word for RoutingProtocol {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let (text, _) = decoder.scalar(node, "rip or ospf")?;
        let hint = match text {
            "rip" => return Some(Self::Rip),
            "ospf" => return Some(Self::Ospf),
            "ripv2" | "rip2" | "rip-2" => "did you mean `rip`?".to_owned(),
            _ => nearest(text, ["rip", "ospf"]).map_or("rip or ospf".to_owned(), |near| format!("did you mean `{near}`?")),
        };
        let problem = Diagnostic::new(Code::NotAChoice, node.span, format!("`{text}` is not a routing protocol here"));
        decoder.problem(problem.label("unknown").hint(hint));
        None
    }
}

fn sentence<T>(node: &Node, decoder: &mut Decoder, what: &str, example: &str, parse: fn(&str) -> Result<T, SentenceError>) -> Option<T> {
    match &node.value {
        Value::Scalar { .. } if !node.is_null() => phrase(node, decoder, parse),
        _ => not_a_sentence(node, what, example, decoder),
    }
}

/// A link, or several that share an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkPhrase {
    /// The sentence.
    pub sentence: LinkSentence,
    /// Its ends before the dashes, with their places.
    pub a: Vec<Located<LinkEnd>>,
    /// Its ends behind them.
    pub b: Vec<Located<LinkEnd>>,
    /// Where it stands.
    pub span: Span,
}

impl Decode for LinkPhrase {
    fn is_cut_by_a_comma(items: &[Node], decoder: &mut Decoder) -> bool {
        let plain = |node: &Node| match &node.value {
            Value::Scalar { text, plain: true } if !node.is_null() => Some(text.clone()),
            _ => None,
        };
        // `[pc-1, pc-2 -- sw-1]`: of two items side by side one has no dashes. Lines of their own are further apart.
        let cut = items.windows(2).find_map(|pair| {
            let (one, two) = (plain(&pair[0])?, plain(&pair[1])?);
            let near = pair[1].span.start.saturating_sub(pair[0].span.end) <= 2;
            (near && one.contains("--") != two.contains("--")).then(|| (pair[0].span, format!("{one}, {two}")))
        });
        let Some((span, whole)) = cut else { return false };
        let problem = Diagnostic::new(Code::LinkSyntax, span, "a comma ends an item of a list in brackets").label("ends here");
        decoder.problem(problem.hint(format!("in quotes it is one sentence: `[ \"{whole}\" ]`; or put each link on a line of its own")));
        true
    }

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        // `r-1: eth0 -- sw-1` is a mapping of `r-1` to YAML.
        if let Value::Mapping(entries) = &node.value
            && let [(key, value)] = entries.as_slice()
            && let (Some(device), Some(rest)) = (key.text(), value.text().filter(|_| !value.is_null()))
        {
            let problem = Diagnostic::new(Code::SpaceAfterColon, key.span, "the space after the colon makes a mapping of this link");
            decoder.problem(problem.label("a name ends at its colon").hint(format!("no space inside an end: `{device}:{rest}`")));
            return None;
        }
        let sentence = sentence(node, decoder, "a link", "pc-1 -- sw-1", parse_link)?;
        let phrase = Phrase::new(node, decoder.sources)?;
        let placed = |ends: &[(LinkEnd, Range<usize>)]| {
            ends.iter().map(|(end, range)| Located::new(end.clone(), phrase.place(range.clone()))).collect()
        };
        Some(Self { a: placed(&sentence.a), b: placed(&sentence.b), sentence, span: node.span })
    }
}

impl Word for StaticRoute {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        sentence(node, decoder, "a route", "10.0.3.0/24 via 10.0.2.2", parse_static_route)
    }
}

impl Word for FilterRule {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        sentence(node, decoder, "a rule of a filter", "deny tcp/23", parse_filter_rule)
    }
}

impl Word for Service {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        sentence(node, decoder, "a service", "http", parse_service)
    }
}
