//! A question to a resolver and its answer as the messages that pass the wire, and the program that answers with one.

use std::net::IpAddr;

use wire::dns::{Code, Data, DnsError, Kind, Query, Record, Response};

use crate::app::{App, Calls, Datagram, End, SendTo, SocketId};

/// How long an answer may be remembered, seconds.
const TTL: u32 = 60;

/// A question as bytes, and its answer, if there is to be any: response code and record data as text. Errors: what is no name.
pub fn exchange(
    identifier: u16,
    name: &str,
    record_type: &str,
    served: Option<&(u8, Vec<String>)>,
) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
    let kind = match record_type {
        "A" => Kind::A,
        "AAAA" => Kind::AAAA,
        "PTR" => Kind::PTR,
        "CNAME" => Kind::CNAME,
        other => return Err(format!("records of type {other} cannot be asked for")),
    };
    let query = Query::new(identifier, name, kind);
    let question = query.emit().map_err(|error| error.to_string())?;
    let Some((code, answers)) = served else { return Ok((question, None)) };
    let mut owner = query.name.clone();
    let records = answers.iter().map(|text| {
        let data = match (text.parse(), kind) {
            (Ok(IpAddr::V4(address)), _) => Data::A(address),
            (Ok(IpAddr::V6(address)), _) => Data::Aaaa(address),
            (Err(_), Kind::PTR) => Data::Ptr(text.clone()),
            (Err(_), _) => Data::Cname(text.clone()),
        };
        let name = owner.clone();
        if let Data::Cname(target) = &data {
            owner.clone_from(target);
        }
        Record { name, ttl: TTL, data }
    });
    let code = match code {
        0 => Code::NoError,
        1 => Code::FormatError,
        2 => Code::ServerFailure,
        3 => Code::NoSuchName,
        4 => Code::NotImplemented,
        5 => Code::Refused,
        other => Code::Other(u16::from(*other)),
    };
    let response = Response::new(code, records.collect());
    let answer = response.emit(&query, query.udp_limit()).map_err(|error| error.to_string())?;
    Ok((question, Some(answer)))
}

/// The resolver's program at the port of DNS: what it is asked, somebody else answers, and tells it in advance. Bytes that are no
/// question it answers as name servers do: not at all, or that it does not understand (RFC 1035, 4.1.1).
#[derive(Default)]
pub struct Resolver(Option<Vec<u8>>);

impl Resolver {
    /// Answers every question with one message from now on, or with none.
    pub fn answer_with(&mut self, answer: Option<Vec<u8>>) {
        self.0 = answer;
    }
}

impl App for Resolver {
    fn kind(&self) -> &'static str {
        "resolver"
    }

    fn on_start(&mut self, calls: &mut Calls<'_, '_>) {
        if let Err(reason) = calls.bind(None, Some(crate::app::dns::PORT), None) {
            calls.finish(End::Failed(reason));
        }
    }

    fn on_datagram(&mut self, calls: &mut Calls<'_, '_>, socket: SocketId, datagram: &Datagram) {
        let answer = match Query::parse(calls.payload(datagram)) {
            Ok(_) => self.0.clone(),
            Err(DnsError::Unsupported { answer }) => Some(answer),
            Err(_) => None,
        };
        if let Some(answer) = answer {
            let how = SendTo { source: Some(datagram.destination.ip()), ..SendTo::default() };
            // Whoever asked has an address, or it would not have come here.
            let _ = calls.send_to(socket, datagram.source, how, &answer);
        }
    }
}
