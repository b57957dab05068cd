//! What one container may ask: names of the networks that it is in, and where everything else is asked.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::dns::{Code, Data, Kind, Query, Record, Response};

use crate::network::definition::{Endpoint, Network};

/// How long an answer may be remembered, seconds; Docker's.
const TTL: u32 = 600;

/// The names that one container knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zone {
    /// Names in lower case, each with its addresses, sorted.
    names: BTreeMap<String, Vec<IpAddr>>,
    /// `NAME.NETWORK` of each address.
    addresses: BTreeMap<IpAddr, String>,
    /// Servers that are asked what is not known here; none where there is no way out.
    forward_to: Vec<IpAddr>,
}

/// What is to be done about a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is answered here.
    Here(Response),
    /// Others are asked.
    Forward,
}

impl Zone {
    /// The names that `container` knows: of everybody in its user networks the name, the aliases and the id, each with and
    /// without the network's name behind it, and its own links. `forward_to` are the instance's servers, see
    /// [`crate::network::names::resolver`].
    pub fn of(
        container: &str,
        networks: &[Network],
        endpoints: &[Endpoint],
        forward_to: &[IpAddr],
    ) -> Zone {
        let mut zone = Zone::default();
        for own in endpoints.iter().filter(|own| own.container == container) {
            let Some(network) = networks.iter().find(|network| network.id == own.network) else {
                continue;
            };
            if !network.internal {
                zone.forward_to = forward_to.to_vec();
            }
            if network.is_default() {
                continue;
            }
            for member in endpoints.iter().filter(|other| other.network == network.id) {
                let id = member.container.get(..12).unwrap_or(&member.container);
                let names = [member.name.as_str(), id].into_iter();
                let mut names: Vec<&str> = names.collect();
                names.extend(member.aliases.iter().map(String::as_str));
                let links = own.links.iter().filter(|l| l.container == member.container);
                let links: Vec<&str> = links.map(|link| link.alias.as_str()).collect();
                for address in member.addresses() {
                    for name in &names {
                        zone.add(name, address);
                        zone.add(&format!("{name}.{}", network.name), address);
                    }
                    for alias in &links {
                        zone.add(alias, address);
                    }
                    let full = format!("{}.{}", member.name, network.name);
                    zone.addresses.insert(address, full);
                }
            }
        }
        zone
    }

    fn add(&mut self, name: &str, address: IpAddr) {
        let addresses = self.names.entry(name.to_ascii_lowercase()).or_default();
        if let Err(at) = addresses.binary_search(&address) {
            addresses.insert(at, address);
        }
    }

    /// Servers that are asked what is not known here, in order.
    pub fn forward_to(&self) -> &[IpAddr] {
        &self.forward_to
    }

    /// Answers a question. Of several addresses another one comes first each `turn`.
    pub fn answer(&self, query: &Query, turn: usize) -> Answer {
        let name = query.name.trim_end_matches('.').to_ascii_lowercase();
        let record = |data| Record {
            name: query.name.clone(),
            ttl: TTL,
            data,
        };
        let here = |records| Answer::Here(Response::new(Code::NoError, records));
        if let Some(addresses) = self.names.get(&name) {
            // Nothing but addresses is known of it: any other question has an empty answer, not a failure.
            let asked: Vec<Data> = addresses
                .iter()
                .filter_map(|address| match address {
                    IpAddr::V4(address) => [Kind::A, Kind::ANY]
                        .contains(&query.kind)
                        .then_some(Data::A(*address)),
                    IpAddr::V6(address) => [Kind::AAAA, Kind::ANY]
                        .contains(&query.kind)
                        .then_some(Data::Aaaa(*address)),
                })
                .collect();
            let first = turn % asked.len().max(1);
            let (later, sooner) = asked.split_at(first);
            let ordered = sooner.iter().chain(later).cloned();
            return here(ordered.map(record).collect());
        }
        if query.kind == Kind::PTR
            && let Some(full) = reversed(&name).and_then(|address| self.addresses.get(&address))
        {
            return here(vec![record(Data::Ptr(full.clone()))]);
        }
        if self.forward_to.is_empty() {
            return Answer::Here(Response::new(Code::ServerFailure, Vec::new()));
        }
        Answer::Forward
    }
}

/// The address of `3.0.18.172.in-addr.arpa`, or of 32 digits in front of `ip6.arpa` (RFC 3596).
fn reversed(name: &str) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(".ip6.arpa") {
        let mut value = 0u128;
        let mut count = 0;
        for digit in digits.split('.').rev() {
            let number = u8::from_str_radix(digit, 16).ok().filter(|n| *n < 16)?;
            value = value << 4 | u128::from(number);
            count += 1;
        }
        return (count == 32).then(|| Ipv6Addr::from(value).into());
    }
    let mut octets: Vec<u8> = name
        .strip_suffix(".in-addr.arpa")?
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    octets.reverse();
    let octets = <[u8; 4]>::try_from(octets).ok()?;
    Some(Ipv4Addr::from(octets).into())
}
