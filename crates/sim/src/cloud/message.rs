//! A question to a resolver as a scenario asks it, and what came back, as messages that pass the wire.

use wire::dns::{Code, Data, Kind, Query, Response};
use wire::{Ipv4, Ipv6, Udp, protocol};

use super::bytes::ETHERNET;
use crate::app::dns::PORT;

/// A question. Errors: a type of record that cannot be asked for.
pub fn question(identifier: u16, name: &str, record_type: &str) -> Result<Query, String> {
    let kind = match record_type {
        "A" => Kind::A,
        "AAAA" => Kind::AAAA,
        "PTR" => Kind::PTR,
        "CNAME" => Kind::CNAME,
        other => return Err(format!("records of type {other} cannot be asked for")),
    };
    Ok(Query::new(identifier, name, kind))
}

/// The answer in a frame, with its question's identifier; `None` for a frame of anything else.
pub fn answer(frame: &[u8]) -> Option<(u16, Response)> {
    let ip = frame.get(ETHERNET..)?;
    let (number, datagram) = match ip.first()? >> 4 {
        4 => Ipv4::parse(ip).ok().map(|(header, body)| (header.protocol, body))?,
        _ => Ipv6::parse(ip).ok().map(|(header, body)| (header.next_header, body))?,
    };
    let (udp, message) = Udp::parse(datagram).ok().filter(|_| number == protocol::UDP)?;
    Response::parse(message).ok().filter(|_| udp.source_port == PORT)
}

/// An answer as it is told: response code, and the records as text.
pub fn told(response: &Response) -> (u8, Vec<String>) {
    let code = match response.code {
        Code::NoError => 0,
        Code::FormatError => 1,
        Code::ServerFailure => 2,
        Code::NoSuchName => 3,
        Code::NotImplemented => 4,
        Code::Refused => 5,
        Code::Other(other) => u8::try_from(other).unwrap_or(u8::MAX),
    };
    let text = |data: &Data| match data {
        Data::A(address) => address.to_string(),
        Data::Aaaa(address) => address.to_string(),
        Data::Ptr(name) | Data::Cname(name) => name.clone(),
    };
    (code, response.records.iter().map(|record| text(&record.data)).collect())
}
