//! DNS messages (RFC 1035) as fields.

use wire::dns::{Code, Data, Query, Response};

use super::Unit;
use crate::trace::Layer;

/// A question or an answer; over TCP its length stands before it (RFC 1035 4.2.2).
pub(super) fn read(bytes: &[u8], over_tcp: bool, at: usize) -> Option<Unit> {
    let bytes = if over_tcp { bytes.get(2..)? } else { bytes };
    let unit = Unit::new(Layer::Application, "dns", "DNS", "message", (at, bytes.len()));
    if let Ok(query) = Query::parse(bytes) {
        let unit = unit.with("id", query.id).with("question", format!("{} {}", query.kind, query.name));
        let recursion = if query.recursion_desired { "+" } else { "" };
        return Some(unit.brief(format!("{}{recursion} {}? {}. ({})", query.id, query.kind, query.name, bytes.len())));
    }
    let (id, answer) = Response::parse(bytes).ok()?;
    let mut unit = unit.with("id", id).with("code", code(answer.code));
    for (set, name) in [(answer.authoritative, "authoritative"), (answer.truncated, "truncated")] {
        if set {
            unit = unit.with("flag", name);
        }
    }
    let mut said = Vec::new();
    for record in &answer.records {
        let data = match &record.data {
            Data::A(address) => format!("A {address}"),
            Data::Aaaa(address) => format!("AAAA {address}"),
            Data::Ptr(name) => format!("PTR {name}."),
            Data::Cname(name) => format!("CNAME {name}."),
        };
        unit = unit.with("answer", format!("{} {} s {data}", record.name, record.ttl));
        said.push(data);
    }
    let end = if answer.code == Code::NoError { String::new() } else { format!(" {}", code(answer.code)) };
    let said = if said.is_empty() { String::new() } else { format!(" {}", said.join(", ")) };
    Some(unit.brief(format!("{id}{end} {}{said} ({})", answer.records.len(), bytes.len())))
}

fn code(code: Code) -> String {
    match code {
        Code::NoError => "NoError".to_owned(),
        Code::FormatError => "FormErr".to_owned(),
        Code::ServerFailure => "ServFail".to_owned(),
        Code::NoSuchName => "NXDomain".to_owned(),
        Code::NotImplemented => "NotImp".to_owned(),
        Code::Refused => "Refused".to_owned(),
        Code::Other(other) => format!("code {other}"),
    }
}
