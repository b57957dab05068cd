//! What routers and hosts of a lan do, a sentence each: static routes, rules of a filter, services.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use model::Origin;
use model::lan::{Application, DhcpService, FilterRule, LEASE_SECONDS, Service, StaticRoute};

use super::cursor::{Cursor, Word};
use super::quantity::parse_time;
use super::{SentenceError, parse_traffic};
use crate::code::Code;
use crate::diagnostic::nearest;

/// Reads `BLOCK via ADDRESS [dev INTERFACE]` or `BLOCK dev INTERFACE`; the origin is left open.
pub fn parse_static_route(text: &str) -> Result<StaticRoute, SentenceError> {
    const FORM: &str = "such as `10.0.3.0/24 via 10.0.2.2` or `default via 10.0.1.1`";
    let bad = |range: Range<usize>, message: String| SentenceError::new(Code::LanRouteSyntax, range, message).hint(FORM);
    let mut cursor = Cursor::new(text);
    let Some(first) = cursor.word() else { return Err(bad(0..0, "a route is missing".to_owned()).label("nothing")) };
    let (mut via, mut interface) = (None, None);
    while let Some(word) = cursor.word() {
        let place = cursor.place();
        let value = cursor.word();
        let value = || value.ok_or_else(|| bad(place.clone(), format!("`{}` what?", word.text)).label("missing"));
        let again = || bad(word.range(), format!("`{}` is written twice", word.text)).label("again");
        match word.text {
            "via" if via.is_some() => return Err(again()),
            "dev" if interface.is_some() => return Err(again()),
            "via" => via = Some(address(value()?)?),
            "dev" => interface = Some(value()?.text.to_owned()),
            text => return Err(bad(word.range(), format!("expected `via` or `dev`, found `{text}`")).label("not here")),
        }
    }
    if via.is_none() && interface.is_none() {
        return Err(bad(cursor.place(), "the route leads nowhere".to_owned()).label("`via` is missing"));
    }
    let destination = match (first.text, via) {
        ("default", Some(IpAddr::V6(_))) => IpNet::V6(Ipv6Net::default()),
        ("default", _) => IpNet::V4(Ipv4Net::default()),
        _ => block(first)?,
    };
    Ok(StaticRoute { destination, via, interface, origin: Origin::default() })
}

/// Reads `(allow|deny) PROTO[/PORTS] [from BLOCK] [to BLOCK] [in INTERFACE] [out INTERFACE]`; the origin is left open.
pub fn parse_filter_rule(text: &str) -> Result<FilterRule, SentenceError> {
    const FORM: &str = "such as `deny tcp/23` or `allow tcp/80 from 10.0.1.0/24 out eth1`";
    let bad = |range: Range<usize>, message: String| SentenceError::new(Code::FilterSyntax, range, message).hint(FORM);
    let mut cursor = Cursor::new(text);
    let allow = match cursor.word() {
        Some(Word { text: "allow", .. }) => true,
        Some(Word { text: "deny", .. }) => false,
        Some(word) => {
            let error = bad(word.range(), format!("a rule starts with `allow` or `deny`, not `{}`", word.text)).label("not here");
            return Err(match word.text {
                "accept" | "permit" | "pass" => error.hint("write `allow`"),
                "drop" | "reject" | "block" => error.hint("write `deny`"),
                other => nearest(other, ["allow", "deny"]).map_or(error.clone(), |near| error.hint(format!("did you mean `{near}`?"))),
            });
        }
        None => return Err(bad(0..0, "a rule is missing".to_owned()).label("nothing")),
    };
    let Some((proto, range)) = cursor.joined_word() else {
        return Err(bad(cursor.place(), "the rule has no protocol".to_owned()).label("missing"));
    };
    let traffic = parse_traffic(&proto).map_err(|error| error.shifted(range.start).within(&range))?;
    let mut rule = FilterRule { allow, traffic, from: None, to: None, in_interface: None, out_interface: None, origin: Origin::default() };
    while let Some(word) = cursor.word() {
        let place = cursor.place();
        let Some(value) = cursor.word() else {
            return Err(bad(place, format!("`{}` what?", word.text)).label("missing"));
        };
        let again = match word.text {
            "from" => rule.from.replace(block_or_address(value)?).is_some(),
            "to" => rule.to.replace(block_or_address(value)?).is_some(),
            "in" => rule.in_interface.replace(value.text.to_owned()).is_some(),
            "out" => rule.out_interface.replace(value.text.to_owned()).is_some(),
            text => return Err(bad(word.range(), format!("expected from, to, in or out, found `{text}`")).label("not here")),
        };
        if again {
            return Err(bad(word.range(), format!("`{}` is written twice", word.text)).label("again"));
        }
    }
    Ok(rule)
}

/// Reads `http`, `telnet 2323`, `dhcp FIRST-LAST [gateway A] [dns A] [lease TIME]`, `dns NAME=ADDRESS …`.
pub fn parse_service(text: &str) -> Result<Service, SentenceError> {
    let mut cursor = Cursor::new(text);
    let Some(first) = cursor.word() else { return Err(no_service(0..0, "a service is missing").label("nothing").hint("such as `http`")) };
    match first.text {
        "dhcp" => dhcp(&mut cursor).map(Service::Dhcp),
        "dns" => names(&mut cursor).map(Service::Dns),
        name => {
            let Some(protocol) = Application::ALL.into_iter().find(|known| known.as_str() == name) else {
                let error = no_service(first.range(), format!("`{name}` is nothing that can be served")).label("unknown");
                let known = Application::ALL.map(Application::as_str);
                return Err(match nearest(name, known.into_iter().chain(["dhcp", "dns"])) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint(format!("known: {}, dhcp, dns; other ports are `listen: [tcp/8080]`", known.join(", "))),
                });
            };
            let port = match cursor.word() {
                None => protocol.port(),
                Some(word) => word.text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                    no_service(word.range(), format!("`{}` is not a port", word.text)).label("1 to 65535").hint(format!("such as `{name} 8080`"))
                })?,
            };
            match cursor.peek() {
                None => Ok(Service::Application { protocol, port }),
                Some(extra) => Err(no_service(extra.range(), format!("`{}` does not belong here", extra.text)).label("too much").hint("a list has an item for each service")),
            }
        }
    }
}

fn dhcp(cursor: &mut Cursor) -> Result<DhcpService, SentenceError> {
    const FORM: &str = "such as `dhcp 10.0.1.100-10.0.1.199 gateway 10.0.1.1 dns 10.0.1.2 lease 1h`";
    let Some(range) = cursor.word() else { return Err(no_service(cursor.place(), "dhcp lends a range of addresses").label("missing").hint(FORM)) };
    let parsed = range.text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    let Some((first, last)) = parsed else {
        return Err(no_service(range.range(), format!("`{}` is not a range of IPv4 addresses", range.text)).label("not understood").hint(FORM));
    };
    let mut service = DhcpService { first, last, gateway: None, dns: Vec::new(), lease_seconds: LEASE_SECONDS };
    while let Some(word) = cursor.word() {
        let place = cursor.place();
        let Some(value) = cursor.word() else {
            return Err(no_service(place, format!("`{}` what?", word.text)).label("missing").hint(FORM));
        };
        match word.text {
            "gateway" => service.gateway = Some(address_v4(value)?),
            "dns" => service.dns.push(address_v4(value)?),
            "lease" => {
                let seconds = parse_time(value.text).map_err(|error| error.shifted(value.start))? / 1_000_000_000;
                service.lease_seconds = u32::try_from(seconds).ok().filter(|seconds| *seconds > 0).ok_or_else(|| {
                    no_service(value.range(), format!("`{}` is no time for a lease", value.text)).label("1s to 136 years").hint("such as `lease 1h`")
                })?;
            }
            text => return Err(no_service(word.range(), format!("expected gateway, dns or lease, found `{text}`")).label("not here").hint(FORM)),
        }
    }
    Ok(service)
}

fn names(cursor: &mut Cursor) -> Result<BTreeMap<String, Vec<IpAddr>>, SentenceError> {
    const FORM: &str = "such as `dns www.example=10.0.1.20 db.example=10.0.1.21`";
    let mut records: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    while let Some(word) = cursor.word() {
        let Some((name, text)) = word.text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(no_service(word.range(), format!("`{}` is not NAME=ADDRESS", word.text)).label("not understood").hint(FORM));
        };
        let Ok(address) = text.parse() else {
            let range = word.start + name.len() + 1..word.range().end;
            return Err(no_service(range, format!("`{text}` is not an address")).label("not understood").hint(FORM));
        };
        records.entry(name.to_ascii_lowercase()).or_default().push(address);
    }
    match records.is_empty() {
        true => Err(no_service(cursor.place(), "a name server without names knows nothing").label("missing").hint(FORM)),
        false => Ok(records),
    }
}

fn address(word: Word) -> Result<IpAddr, SentenceError> {
    word.text.parse().map_err(|_| {
        let error = SentenceError::new(Code::NotAnAddress, word.range(), format!("`{}` is not an IP address", word.text)).label("not understood");
        match word.text.split_once('/') {
            Some((address, _)) => error.hint(format!("without a prefix length: `{address}`")),
            None => error.hint("such as `10.0.1.1`"),
        }
    })
}

fn address_v4(word: Word) -> Result<Ipv4Addr, SentenceError> {
    match address(word)? {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(address) => {
            let error = SentenceError::new(Code::NotAnAddress, word.range(), format!("{address} is not an IPv4 address"));
            Err(error.label("IPv6").hint("DHCP is IPv4's"))
        }
    }
}

fn block(word: Word) -> Result<IpNet, SentenceError> {
    let text = word.text;
    let Ok(block) = text.parse::<IpNet>() else {
        let error = SentenceError::new(Code::NotABlock, word.range(), format!("`{text}` is not a block of addresses")).label("not understood");
        return Err(match text.parse::<IpAddr>() {
            Ok(address) => error.hint(format!("one address is `{}`", IpNet::from(address))),
            Err(_) => error.hint("such as `10.0.3.0/24`, or `default`"),
        });
    };
    match block.trunc() == block {
        true => Ok(block),
        false => {
            let message = format!("`{block}` has bits set after its first {}", block.prefix_len());
            let error = SentenceError::new(Code::HostBits, word.range(), message).label("not the start of the block");
            Err(error.hint(format!("write `{}`", block.trunc())))
        }
    }
}

fn block_or_address(word: Word) -> Result<IpNet, SentenceError> {
    match word.text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => block(word),
    }
}

fn no_service(range: Range<usize>, message: impl Into<String>) -> SentenceError {
    SentenceError::new(Code::BadService, range, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_what_was_read() {
        for text in ["10.0.3.0/24 via 10.0.2.2", "default via 10.0.2.254", "default via fe80::1 dev eth0", "10.9.0.0/16 dev serial0", "::/0 dev serial0"] {
            assert_eq!(parse_static_route(text).map(|route| route.to_string()).as_deref(), Ok(text));
        }
        for text in ["deny tcp/23", "allow tcp/80,443 from 10.0.1.0/24 to 10.0.2.7 in eth0 out eth1", "deny all", "allow icmp/echo in eth0"] {
            assert_eq!(parse_filter_rule(text).map(|rule| rule.to_string()).as_deref(), Ok(text));
        }
        for text in [
            "http",
            "telnet 2323",
            "dhcp 10.0.1.100-10.0.1.199",
            "dhcp 10.0.1.100-10.0.1.199 gateway 10.0.1.1 dns 10.0.1.2 dns 10.0.1.3 lease 60s",
            "dns db.example=10.0.1.21 www.example=10.0.1.20 www.example=2001:db8::1",
        ] {
            assert_eq!(parse_service(text).map(|service| service.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn wrong_routes_are_pointed_at() {
        for (text, piece) in [
            ("", ""),
            ("10.0.3.0/24", ""),
            ("10.0.3.0/24 10.0.2.2", "10.0.2.2"),
            ("10.0.3.1/24 via 10.0.2.2", "10.0.3.1/24"),
            ("10.0.3.0 via 10.0.2.2", "10.0.3.0"),
            ("default via", ""),
            ("default via 10.0.2.2/24", "10.0.2.2/24"),
            ("default via 10.0.2.2 via 10.0.2.3", "via"),
        ] {
            let error = parse_static_route(text).expect_err(text);
            assert_eq!(&text[error.range.clone()], piece, "{text}: {error}");
            assert!(error.hint.is_some(), "{text}");
        }
    }

    #[test]
    fn wrong_rules_are_pointed_at() {
        for (text, piece) in [
            ("", ""),
            ("tcp/23", "tcp/23"),
            ("drop tcp/23", "drop"),
            ("deny", ""),
            ("deny tpc/23", "tpc"),
            ("deny tcp/23 eth0", ""),
            ("deny tcp/23 at eth0", "at"),
            ("deny tcp/23 from 10.0.0.1/8", "10.0.0.1/8"),
            ("deny tcp/23 from", ""),
            ("deny tcp/23 in eth0 in eth1", "in"),
        ] {
            let error = parse_filter_rule(text).expect_err(text);
            assert_eq!(&text[error.range.clone()], piece, "{text}: {error}");
            assert!(error.hint.is_some(), "{text}");
        }
    }

    #[test]
    fn wrong_services_are_pointed_at() {
        for (text, piece) in [
            ("", ""),
            ("htpp", "htpp"),
            ("http 0", "0"),
            ("http 80 https", "https"),
            ("dhcp", ""),
            ("dhcp 10.0.1.100", "10.0.1.100"),
            ("dhcp 10.0.1.1-10.0.1.9 router 10.0.1.1", "router"),
            ("dhcp 10.0.1.1-10.0.1.9 gateway", ""),
            ("dhcp 10.0.1.1-10.0.1.9 gateway ::1", "::1"),
            ("dhcp 10.0.1.1-10.0.1.9 lease 0s", "0s"),
            ("dns", ""),
            ("dns www", "www"),
            ("dns www=10.0.1", "10.0.1"),
        ] {
            let error = parse_service(text).expect_err(text);
            assert_eq!(&text[error.range.clone()], piece, "{text}: {error}");
            assert!(error.hint.is_some(), "{text}");
        }
    }
}
