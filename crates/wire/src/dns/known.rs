//! The answer of a resolver that asks nobody else, from what it knows. Whence it knows it is its own business.

use std::net::IpAddr;

use super::{Code, Data, Kind, Query, Record, Response, reverse_address};

/// The answer to a question: `addresses` are those of a name, `None` where there is no such name, `pointer` is the name of an
/// address. A name that exists without records of the type is no error (RFC 2308, section 2.2). `ttl` in seconds.
pub fn answer(
    query: &Query,
    ttl: u32,
    addresses: impl FnOnce(&str) -> Option<Vec<IpAddr>>,
    pointer: impl FnOnce(IpAddr) -> Option<String>,
) -> Response {
    let record = |data| Record { name: query.name.clone(), ttl, data };
    let records: Option<Vec<Record>> = match query.kind {
        Kind::PTR => reverse_address(&query.name).and_then(pointer).map(|name| vec![record(Data::Ptr(name))]),
        kind => addresses(&query.name).map(|known| {
            let fits = |address: &IpAddr| matches!((kind, address), (Kind::A | Kind::ANY, IpAddr::V4(_)) | (Kind::AAAA | Kind::ANY, IpAddr::V6(_)));
            known.into_iter().filter(fits).map(|address| record(Data::from(address))).collect()
        }),
    };
    match records {
        Some(records) => Response::new(Code::NoError, records),
        None => Response::new(Code::NoSuchName, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_records_of_the_type_and_an_address_its_name() {
        let web: [IpAddr; 2] = [IpAddr::from([10, 0, 0, 5]), "2001:db8::5".parse().expect("an address")];
        let ask = |name: &str, kind| {
            let addresses = |name: &str| (name == "web.lab").then(|| web.to_vec());
            let pointer = |address| (address == web[0]).then(|| "web.lab".to_owned());
            let answer = answer(&Query::new(1, name, kind), 60, addresses, pointer);
            (answer.code, answer.records.into_iter().map(|record| record.data).collect::<Vec<_>>())
        };
        for (name, kind, expected) in [
            ("web.lab", Kind::A, (Code::NoError, vec![web[0].into()])),
            ("web.lab", Kind::AAAA, (Code::NoError, vec![web[1].into()])),
            ("web.lab", Kind::ANY, (Code::NoError, vec![web[0].into(), web[1].into()])),
            ("web.lab", Kind::MX, (Code::NoError, vec![])),
            ("db.lab", Kind::A, (Code::NoSuchName, vec![])),
            ("5.0.0.10.in-addr.arpa", Kind::PTR, (Code::NoError, vec![Data::Ptr("web.lab".to_owned())])),
            ("6.0.0.10.in-addr.arpa", Kind::PTR, (Code::NoSuchName, vec![])),
            ("web.lab", Kind::PTR, (Code::NoSuchName, vec![])),
        ] {
            assert_eq!(ask(name, kind), expected, "{name} {kind}");
        }
    }
}
