//! A DNS server (RFC 1034, 4.3.2) for the names that it is told: addresses, and names of addresses. It asks nobody else; over
//! TCP a length stands before each message (RFC 1035, 4.2.2).

use std::collections::BTreeMap;
use std::net::IpAddr;

use wire::dns::{Code, Data, DnsError, Kind, Query, Record, Response, reverse_address};

use crate::host::Host;
use crate::table::Table;
use crate::time::Time;
use crate::trace::Reason;

use super::{App, Calls, Datagram, End, SendTo, SocketId, StreamEvent, StreamId};

/// The port of a name server.
pub const PORT: u16 = 53;
/// How long an answer may be remembered, seconds.
pub const TTL: u32 = 300;

/// Names and their addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zone {
    /// As they were written, by the name in lower case.
    names: BTreeMap<String, (String, Vec<IpAddr>)>,
}

impl Zone {
    /// These names. Upper and lower case are the same (RFC 4343).
    pub fn new<'a>(names: impl IntoIterator<Item = (&'a str, &'a [IpAddr])>) -> Self {
        let entry = |(name, addresses): (&str, &[IpAddr])| {
            let name = name.strip_suffix('.').unwrap_or(name);
            (name.to_ascii_lowercase(), (name.to_owned(), addresses.to_vec()))
        };
        Self { names: names.into_iter().map(entry).collect() }
    }

    /// The answer to a question.
    pub fn answer(&self, query: &Query) -> Response {
        let records = match reverse_address(&query.name) {
            Some(address) => self.pointers(query, address),
            None => self.addresses(query),
        };
        let (code, records) = match records {
            Some(records) => (Code::NoError, records),
            None => (Code::NoSuchName, Vec::new()),
        };
        Response { authoritative: true, recursion_available: false, ..Response::new(code, records) }
    }

    /// Nothing if there is no such name; no records if there are none of the type.
    fn addresses(&self, query: &Query) -> Option<Vec<Record>> {
        let name = query.name.to_ascii_lowercase();
        let Some((_, addresses)) = self.names.get(&name) else {
            // A name that others lie under is there, without records (RFC 8020).
            let is_above = |known: &String| known.strip_suffix(&name).is_some_and(|rest| rest.ends_with('.'));
            return self.names.keys().any(is_above).then(Vec::new);
        };
        let fits = |address: &&IpAddr| match query.kind {
            Kind::A => address.is_ipv4(),
            Kind::AAAA => address.is_ipv6(),
            Kind::ANY => true,
            _ => false,
        };
        let record = |address: &IpAddr| Record { name: query.name.clone(), ttl: TTL, data: Data::from(*address) };
        Some(addresses.iter().filter(fits).map(record).collect())
    }

    fn pointers(&self, query: &Query, address: IpAddr) -> Option<Vec<Record>> {
        let has = |(_, addresses): &&(String, Vec<IpAddr>)| addresses.contains(&address);
        let record =
            |(name, _): &(String, Vec<IpAddr>)| Record { name: query.name.clone(), ttl: TTL, data: Data::Ptr(name.clone()) };
        let records: Vec<Record> = self.names.values().filter(has).map(record).collect();
        let is_asked = matches!(query.kind, Kind::PTR | Kind::ANY);
        (!records.is_empty()).then(|| if is_asked { records } else { Vec::new() })
    }
}

/// The program. It runs until it is cancelled.
#[derive(Debug)]
pub struct Server {
    zone: Zone,
    /// What came on connections and is not a whole question yet.
    partial: BTreeMap<StreamId, Vec<u8>>,
}

impl Server {
    /// To be installed on a host.
    pub fn new(zone: Zone) -> Self {
        Self { zone, partial: BTreeMap::new() }
    }

    /// The answer to a message as bytes, if there is any; at most `limit` bytes unless that is what a datagram may have.
    fn reply(&self, calls: &mut Calls<'_, '_>, message: &[u8], limit: Option<usize>) -> Option<Vec<u8>> {
        match Query::parse(message) {
            Ok(query) => {
                let answer = self.zone.answer(&query);
                calls.say(Reason::Reply, || said(&query, &answer));
                answer.emit(&query, limit.unwrap_or_else(|| query.udp_limit())).ok()
            }
            Err(DnsError::Unsupported { answer }) => Some(answer),
            Err(_) => None,
        }
    }
}

fn said(query: &Query, answer: &Response) -> String {
    let (kind, name) = (query.kind, &query.name);
    match answer.code {
        Code::NoError => format!("{kind} {name}: {} records", answer.records.len()),
        _ => format!("{kind} {name}: NXDOMAIN"),
    }
}

/// Takes a whole message out of what came on a connection.
pub(crate) fn take_message(partial: &mut Vec<u8>) -> Option<Vec<u8>> {
    let [high, low, rest @ ..] = &partial[..] else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let message = rest.get(..length)?.to_vec();
    partial.drain(..2 + length);
    Some(message)
}

/// A message with its length before it.
pub(crate) fn with_length(message: &[u8]) -> Vec<u8> {
    let message = &message[..message.len().min(usize::from(u16::MAX))];
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

impl App for Server {
    fn kind(&self) -> &'static str {
        "dns-server"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        if let Err(reason) = calls.bind(None, Some(PORT), None).and_then(|_| calls.listen(PORT)) {
            calls.finish(End::Failed(reason));
        }
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, socket: SocketId, datagram: &Datagram) {
        let message = calls.payload(datagram).to_vec();
        calls.outcome().bytes_received += message.len() as u64;
        let Some(reply) = self.reply(calls, &message, None) else { return };
        let is_own = calls.host().is_own(datagram.destination.ip());
        let how = SendTo { source: is_own.then_some(datagram.destination.ip()), ..SendTo::default() };
        if calls.send_to(socket, datagram.source, how, &reply).is_ok() {
            let outcome = calls.outcome();
            outcome.sent += 1;
            outcome.bytes_sent += reply.len() as u64;
        }
    }

    fn on_stream(&mut self, calls: &mut Calls<'_, '_>, stream: StreamId, event: StreamEvent) {
        match event {
            StreamEvent::Opened => {}
            StreamEvent::Data => {
                let bytes = calls.read(stream);
                let mut partial = self.partial.remove(&stream).unwrap_or_default();
                partial.extend_from_slice(&bytes);
                while let Some(message) = take_message(&mut partial) {
                    if let Some(reply) = self.reply(calls, &message, Some(usize::from(u16::MAX))) {
                        calls.write(stream, &with_length(&reply));
                        calls.outcome().sent += 1;
                    }
                }
                self.partial.insert(stream, partial);
            }
            StreamEvent::Finished => calls.close(stream),
            StreamEvent::Ended(_) => {
                self.partial.remove(&stream);
            }
        }
    }

    fn inspect(&self, _: &Host, _: Time) -> Vec<Table> {
        let mut table = Table::new("names", &["name", "type", "data"]);
        for (name, addresses) in self.zone.names.values() {
            for address in addresses {
                let kind = if address.is_ipv4() { Kind::A } else { Kind::AAAA };
                table.row([name.clone(), kind.to_string(), address.to_string()]);
            }
        }
        vec![table]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn names_and_addresses_lead_to_each_other_and_others_do_not_exist() {
        let web = [address("10.0.0.5"), address("2001:db8::5"), address("10.0.0.6")];
        let zone = Zone::new([("Web.shop.test", &web[..]), ("db.test", &web[..1])]);
        let ask = |name: &str, kind| {
            let answer = zone.answer(&Query::new(1, name, kind));
            (answer.code, answer.records.into_iter().map(|record| record.data).collect::<Vec<_>>())
        };
        let pointer = |name: &str| Data::Ptr(name.to_owned());
        for (name, kind, expected) in [
            ("web.SHOP.test", Kind::A, (Code::NoError, vec![web[0].into(), web[2].into()])),
            ("web.shop.test", Kind::AAAA, (Code::NoError, vec![web[1].into()])),
            ("db.test", Kind::AAAA, (Code::NoError, vec![])),
            ("shop.test", Kind::A, (Code::NoError, vec![])),
            ("hop.test", Kind::A, (Code::NoSuchName, vec![])),
            ("x.db.test", Kind::A, (Code::NoSuchName, vec![])),
            ("5.0.0.10.in-addr.arpa", Kind::PTR, (Code::NoError, vec![pointer("db.test"), pointer("Web.shop.test")])),
            ("7.0.0.10.in-addr.arpa", Kind::PTR, (Code::NoSuchName, vec![])),
            ("5.0.0.10.in-addr.arpa", Kind::A, (Code::NoError, vec![])),
        ] {
            assert_eq!(ask(name, kind), expected, "{name} {kind}");
        }
    }

    #[test]
    fn messages_on_a_connection_are_taken_whole() {
        let mut partial = [with_length(b"one"), with_length(b"two")].concat();
        partial.push(0);
        assert_eq!(take_message(&mut partial).as_deref(), Some(&b"one"[..]));
        assert_eq!(take_message(&mut partial).as_deref(), Some(&b"two"[..]));
        assert_eq!((take_message(&mut partial), &partial[..]), (None, &[0][..]));
    }
}
