//! From words to a filter.
//!
//! ```text
//! filter := term { [and | or] term }        term := not term | ( filter ) | …
//! NODE, NODE:PORT, node NODE, at NODE:PORT  where it happened
//! layer 2, L2, layer network                where it was decided
//! drop, verb drop; queue-full, reason queue-full; security-group, stage security-group
//! arp, tcp, icmp, stp, dns, http, …, protocol http
//! ADDRESS:PORT, ADDRESS, ADDRESS/LENGTH, flow …, src|dst host|net|port …, tcp/443, port ssh, proto 89
//! "router shop"                             a name with spaces
//! frame 12, packet 12                      that frame; with what was made of it
//! ```

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use wire::filter::End;

use super::words::{self, Word};
use super::{Filter, Misread};
use crate::simulator::Simulator;
use crate::view::nearest::nearest;

/// Words of one filter; this bounds how deep parentheses nest.
const MOST_WORDS: usize = 200;

pub(super) fn parse(text: &str, sim: &Simulator, addresses: &dyn Fn(&str) -> Vec<IpAddr>) -> Result<Filter, Misread> {
    let words = words::split(text);
    let parser = Parser { text, words: &words, at: 0, sim, addresses };
    if words.len() > MOST_WORDS {
        return Err(parser.wrong(words[MOST_WORDS].span(), format!("a filter has at most {MOST_WORDS} words")));
    }
    parser.whole()
}

struct Parser<'p> {
    text: &'p str,
    words: &'p [Word<'p>],
    at: usize,
    sim: &'p Simulator,
    addresses: &'p dyn Fn(&str) -> Vec<IpAddr>,
}

fn is_joint(word: &str) -> bool {
    matches!(word, "and" | "or" | "not" | "(" | ")" | "!" | "&&" | "||")
}

impl<'p> Parser<'p> {
    fn whole(mut self) -> Result<Filter, Misread> {
        if self.words.is_empty() {
            return Ok(Filter::All);
        }
        let filter = self.expression()?;
        match self.peek() {
            None => Ok(filter),
            Some(word) => Err(self.wrong(word.span(), "this parenthesis closes nothing")),
        }
    }

    fn wrong(&self, span: Range<usize>, message: impl Into<String>) -> Misread {
        Misread { text: self.text.to_owned(), span, message: message.into(), hint: None }
    }

    fn hinted(&self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Misread {
        Misread { hint: Some(hint.into()), ..self.wrong(span, message) }
    }

    /// A word that is none of those that may stand here.
    fn unknown<'c>(&self, word: Word<'_>, message: impl Into<String>, known: impl IntoIterator<Item = &'c str>) -> Misread {
        let known: Vec<&str> = known.into_iter().collect();
        let hint = match nearest(word.text, known.iter().copied()) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None => (!known.is_empty()).then(|| listed(&known)),
        };
        Misread { hint, ..self.wrong(word.span(), message) }
    }

    fn peek(&self) -> Option<Word<'p>> {
        self.words.get(self.at).copied()
    }

    fn take(&mut self, wanted: &[&str]) -> bool {
        let is_next = self.peek().is_some_and(|word| wanted.contains(&word.text));
        self.at += usize::from(is_next);
        is_next
    }

    /// The word behind another.
    fn behind(&mut self, of: Word<'_>) -> Result<Word<'p>, Misread> {
        match self.peek().filter(|word| !is_joint(word.text)) {
            Some(word) => {
                self.at += 1;
                Ok(word)
            }
            None => Err(self.hinted(of.span(), format!("something is missing behind `{}`", of.text), example(of.text, self.sim))),
        }
    }

    fn expression(&mut self) -> Result<Filter, Misread> {
        let mut filter = self.term()?;
        loop {
            if self.peek().is_none_or(|word| word.text == ")") {
                return Ok(filter);
            }
            if self.take(&["or", "||"]) {
                filter = Filter::Or(filter.into(), self.term()?.into());
            } else {
                self.take(&["and", "&&"]);
                filter = Filter::And(filter.into(), self.term()?.into());
            }
        }
    }

    fn term(&mut self) -> Result<Filter, Misread> {
        let Some(word) = self.peek() else {
            let end = self.text.len();
            return Err(self.wrong(end..end, "the filter ends too early"));
        };
        self.at += 1;
        match word.text {
            _ if word.is_quoted => self.place(word)?.ok_or_else(|| self.no_node(word)),
            "not" | "!" => Ok(Filter::Not(self.term()?.into())),
            "(" => {
                let inner = self.expression()?;
                if self.take(&[")"]) { Ok(inner) } else { Err(self.wrong(word.span(), "this parenthesis is not closed")) }
            }
            text if is_joint(text) => Err(self.wrong(word.span(), format!("nothing stands before `{text}`"))),
            "node" | "at" => {
                let name = self.behind(word)?;
                self.place(name)?.ok_or_else(|| self.no_node(name))
            }
            "layer" => self.layer(word),
            "verb" => {
                let name = self.behind(word)?;
                let known = || crate::Verb::ALL.iter().map(|verb| verb.word());
                words::verb(name.text)
                    .map(Filter::Verb)
                    .ok_or_else(|| self.unknown(name, format!("`{}` is no verb", name.text), known()))
            }
            "reason" => {
                let name = self.behind(word)?;
                let known = || crate::Reason::ALL.iter().map(|reason| reason.word());
                words::reason(name.text)
                    .map(Filter::Reason)
                    .ok_or_else(|| self.unknown(name, format!("`{}` is no reason", name.text), known()))
            }
            "stage" => {
                let name = self.behind(word)?;
                let known: Vec<String> = fabric::Stage::ALL.iter().map(|stage| super::serde_word(*stage)).collect();
                let wrong = || self.unknown(name, format!("`{}` is no stage", name.text), known.iter().map(String::as_str));
                words::stage(name.text).map(Filter::Stage).ok_or_else(wrong)
            }
            "protocol" => {
                let name = self.behind(word)?;
                let known: Vec<String> = words::all();
                let wrong = || {
                    self.unknown(
                        name,
                        format!("`{}` is no protocol that is known here", name.text),
                        known.iter().map(String::as_str),
                    )
                };
                self.protocol(name.text).ok_or_else(wrong)
            }
            "frame" | "packet" if self.peek().is_some_and(|next| next.text.bytes().all(|byte| byte.is_ascii_digit())) => {
                let number = self.behind(word)?;
                let filter = if word.text == "frame" { Filter::Frame } else { Filter::MadeOf };
                number.text.parse().map(filter).map_err(|_| self.hinted(number.span(), "there is no frame of this number", "frame 12"))
            }
            "flow" => {
                let end = self.behind(word)?;
                self.endpoint(end)?.ok_or_else(|| {
                    self.hinted(end.span(), format!("`{}` is no end of a flow", end.text), "flow 10.0.0.1:80")
                })
            }
            "port" if self.peek().is_some_and(|next| self.is_port_name(next.text)) => {
                self.at += 1;
                Ok(Filter::PortNamed(self.words[self.at - 1].text.to_owned()))
            }
            "host" | "net" | "port" | "portrange" | "src" | "dst" | "proto" => self.primitive(word),
            _ => self.bare(word),
        }
    }

    /// The layer behind `layer`; `data link` are two words.
    fn layer(&mut self, of: Word<'_>) -> Result<Filter, Misread> {
        let name = self.behind(of)?;
        if name.text == "data" && self.take(&["link"]) {
            return Ok(Filter::Layer(crate::Layer::DataLink));
        }
        let known = crate::Layer::ALL.iter().map(|layer| layer.name());
        let wrong = || Misread {
            hint: nearest(name.text, known)
                .map_or_else(|| Some("layers are 1 to 7".to_owned()), |near| Some(format!("did you mean `{near}`?"))),
            ..self.wrong(name.span(), format!("`{}` is no layer", name.text))
        };
        words::layer(name.text).map(Filter::Layer).ok_or_else(wrong)
    }

    /// A word without a keyword before it: of the trace, of a packet, a place, an address.
    fn bare(&mut self, word: Word<'p>) -> Result<Filter, Misread> {
        if let Some(layer) = word.text.strip_prefix(['L', 'l']).and_then(words::layer) {
            return Ok(Filter::Layer(layer));
        }
        let meanings = [
            self.protocol(word.text),
            words::verb(word.text).map(Filter::Verb),
            words::reason(word.text).map(Filter::Reason),
            words::stage(word.text).map(Filter::Stage),
        ];
        if let Some(filter) = meanings.into_iter().flatten().reduce(|one, other| Filter::Or(one.into(), other.into())) {
            return Ok(filter);
        }
        if let Some(place) = self.place(word)? {
            return Ok(place);
        }
        if let Some(flow) = self.endpoint(word)? {
            return Ok(flow);
        }
        if let Some((protocol @ ("tcp" | "udp"), ports)) = word.text.split_once('/') {
            let ports = port_number(ports);
            return self.packet(&[&format!("{protocol}/{ports}")], word.span()).map(Filter::Packet);
        }
        let known = words::all();
        let nodes = self.sim.nodes().map(|node| self.sim.name(node));
        let near = nearest(word.text, nodes.chain(known.iter().map(String::as_str)));
        let hint = near.map_or_else(|| FORMS.to_owned(), |near| format!("did you mean `{near}`?"));
        Err(self.hinted(word.span(), format!("`{}` is no word of a filter and nothing in this lab", word.text), hint))
    }

    fn protocol(&self, word: &str) -> Option<Filter> {
        if words::PACKET_WORDS.contains(&word) {
            return self.packet(&[word], 0..0).ok().map(Filter::Packet);
        }
        words::protocol(word).map(Filter::Protocol)
    }

    fn is_port_name(&self, name: &str) -> bool {
        self.sim.nodes().any(|node| self.sim.ports(node).iter().any(|port| &*port.name == name))
    }

    /// A node, or `node:port`; a port that is a number or a service is one of a flow.
    fn place(&self, word: Word<'p>) -> Result<Option<Filter>, Misread> {
        if let Some(node) = self.sim.find(word.text) {
            return Ok(Some(Filter::Node(node)));
        }
        let Some((name, port)) = word.text.rsplit_once(':') else { return Ok(None) };
        let Some(node) = self.sim.find(name) else { return Ok(None) };
        let ports = self.sim.ports(node);
        if let Some(index) = ports.iter().position(|known| &*known.name == port) {
            return Ok(Some(Filter::At(node, index as u16)));
        }
        let span = word.start + name.len() + 1..word.span().end;
        match self.number(port) {
            Some(number) => {
                let addresses = (self.addresses)(name);
                if addresses.is_empty() {
                    return Err(self.wrong(word.span(), format!("`{name}` has no address")));
                }
                Ok(Some(Filter::Flow(ends(addresses, Some(number)))))
            }
            None => {
                let port = Word { text: port, start: span.start, is_quoted: false };
                Err(self.unknown(
                    port,
                    format!("`{name}` has no port `{}`", port.text),
                    ports.iter().map(|port| &*port.name),
                ))
            }
        }
    }

    fn no_node(&self, word: Word<'_>) -> Misread {
        let nodes: Vec<&str> = self.sim.nodes().map(|node| self.sim.name(node)).collect();
        self.unknown(word, format!("there is no node `{}`", word.text), nodes)
    }

    /// A port's number, or that of a service.
    fn number(&self, text: &str) -> Option<u16> {
        text.parse().ok().or_else(|| model::service::called(text).map(|service| service.port))
    }

    /// An address, alone, with a port, or with a prefix length.
    fn endpoint(&self, word: Word<'p>) -> Result<Option<Filter>, Misread> {
        if let Ok(end) = word.text.parse::<SocketAddr>() {
            return Ok(Some(Filter::Flow(ends(vec![end.ip()], Some(end.port())))));
        }
        if let Ok(address) = word.text.parse::<IpAddr>() {
            return Ok(Some(Filter::Flow(ends(vec![address], None))));
        }
        if let Some((address, service)) = word.text.rsplit_once(':')
            && let (Ok(address), Some(port)) = (address.trim_matches(['[', ']']).parse::<IpAddr>(), self.number(service))
        {
            return Ok(Some(Filter::Flow(ends(vec![address], Some(port)))));
        }
        let is_block = word.text.split_once('/').is_some_and(|(address, _)| address.parse::<IpAddr>().is_ok());
        if is_block {
            return self.packet(&[word.text], word.span()).map(|filter| Some(Filter::Flow(filter)));
        }
        if self.sim.find(word.text).is_some() {
            let addresses = (self.addresses)(word.text);
            return Ok((!addresses.is_empty()).then(|| Filter::Flow(ends(addresses, None))));
        }
        Ok(None)
    }

    /// `src host web-1`, `port ssh`, `proto 89`: `wire` reads them, services and node names resolved.
    fn primitive(&mut self, first: Word<'p>) -> Result<Filter, Misread> {
        let mut texts = vec![first.text.to_owned()];
        let mut kind = first;
        let mut last = self.behind(first)?;
        if matches!(first.text, "src" | "dst") && matches!(last.text, "host" | "net" | "port" | "portrange") {
            texts.push(last.text.to_owned());
            (kind, last) = (last, self.behind(last)?);
        }
        let value = if kind.text == "port" { port_number(last.text) } else { last.text.to_owned() };
        texts.push(value);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let is_name =
            matches!(kind.text, "host" | "src" | "dst") && last.text.parse::<IpAddr>().is_err() && !last.text.contains('/');
        if is_name && (self.addresses)(last.text).is_empty() {
            return Err(match self.sim.find(last.text) {
                Some(_) => self.wrong(last.span(), format!("`{}` has no address", last.text)),
                None => self.no_node(last),
            });
        }
        self.packet(&texts, last.span()).map(Filter::Packet)
    }

    fn packet(&self, words: &[&str], span: Range<usize>) -> Result<wire::Filter, Misread> {
        let resolve = |name: &str| Some((self.addresses)(name)).filter(|addresses| !addresses.is_empty());
        wire::Filter::parse(words, resolve).map_err(|error| {
            let hint = words.first().map(|first| example(first, self.sim));
            Misread { hint, ..self.wrong(span, error.message) }
        })
    }
}

/// What a filter is made of.
const FORMS: &str = "a node, node:port, `layer 2`, `verb drop`, `reason no-route`, `stage route-table`, a protocol (arp, tcp, icmp, dns), \
an address, 10.0.0.1:80, tcp/443, `port ssh`, `src host NODE`, `frame 12`; joined by and, or, not and ( )";

/// How many of what there is are listed.
const MOST_LISTED: usize = 80;

fn listed(known: &[&str]) -> String {
    let more = known.len().saturating_sub(MOST_LISTED);
    let list = known.iter().take(MOST_LISTED).copied().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("there are: {list}, and {more} more") } else { format!("there are: {list}") }
}

/// What may stand behind a word.
fn example(word: &str, sim: &Simulator) -> String {
    let node = sim.nodes().next().map_or("NODE", |node| sim.name(node));
    match word {
        "node" | "at" => format!("{word} {node}"),
        "layer" => "layers are 1 to 7".to_owned(),
        "verb" => listed(&crate::Verb::ALL.iter().map(|verb| verb.word()).collect::<Vec<_>>()),
        "reason" => listed(&crate::Reason::ALL.iter().map(|reason| reason.word()).collect::<Vec<_>>()),
        "stage" => {
            let stages: Vec<String> = fabric::Stage::ALL.iter().map(|stage| super::serde_word(*stage)).collect();
            listed(&stages.iter().map(String::as_str).collect::<Vec<_>>())
        }
        "protocol" => listed(&words::all().iter().map(String::as_str).collect::<Vec<_>>()),
        "port" => "port 80, port ssh, or the name of a port: port eth0".to_owned(),
        "portrange" => "portrange 1000-2000".to_owned(),
        "net" => "net 10.0.0.0/8".to_owned(),
        "proto" => "proto 89".to_owned(),
        "frame" | "packet" => format!("{word} 12"),
        "flow" => "flow 10.0.0.1:80".to_owned(),
        _ => format!("{word} host {node}, {word} port 80"),
    }
}

/// A port or range of ports as `wire` reads it.
fn port_number(text: &str) -> String {
    model::service::called(text).map_or_else(|| text.to_owned(), |service| service.port.to_string())
}

/// Packets from or to one of these addresses, at that end with this port.
fn ends(addresses: Vec<IpAddr>, port: Option<u16>) -> wire::Filter {
    let Some(port) = port else { return wire::Filter::Host(End::Either, addresses) };
    let end = |end| {
        wire::Filter::And(wire::Filter::Host(end, addresses.clone()).into(), wire::Filter::Port(end, port..=port).into())
    };
    wire::Filter::Or(end(End::Source).into(), end(End::Destination).into())
}
