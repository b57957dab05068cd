//! `--filter FIELD=VALUE`: which records are shown, by the fields that their format has.

use std::net::IpAddr;

use fabric::flow_log::Line;
use ipnet::IpNet;
use model::flow_log::{LogField, LogFormat};

use super::super::source::did_you_mean;
use crate::exit::{Failure, Result};

/// What one field must be, or must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    field: LogField,
    is_not: bool,
    wanted: Wanted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// One of these words.
    Words(Vec<String>),
    /// An address in one of these blocks.
    Blocks(Vec<IpNet>),
    /// A number in one of these ranges.
    Ranges(Vec<(u64, u64)>),
}

impl Filter {
    /// Reads `dstport=22`, `action!=ACCEPT`, `srcaddr=10.0.0.0/8`, `packets=100-200`, `protocol=6,17`.
    pub fn parse(text: &str) -> Result<Filter> {
        let (name, value) = text
            .split_once('=')
            .filter(|(name, value)| !name.trim_end_matches('!').is_empty() && !value.is_empty())
            .ok_or_else(|| Failure::usage(format!("`{text}` is no FIELD=VALUE")).hint("--filter action=REJECT, --filter dstport=22"))?;
        let (name, is_not) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
        let field: LogField = name.parse().map_err(|_| {
            let known: Vec<&str> = LogField::ALL.iter().map(|field| field.as_str()).collect();
            Failure::usage(format!("records have no field `{name}`")).hint(did_you_mean(name, "field", &known))
        })?;
        let words = || value.split(',').map(str::trim);
        let wrong = |what: &str| Failure::usage(format!("`{value}` is no {what}, which {name} is")).hint(format!("--filter {}", example(field)));
        let wanted = match field {
            LogField::SourceAddress
            | LogField::DestinationAddress
            | LogField::PacketSourceAddress
            | LogField::PacketDestinationAddress => {
                let block = |word: &str| word.parse::<IpNet>().ok().or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from));
                Wanted::Blocks(words().map(block).collect::<Option<_>>().ok_or_else(|| wrong("address or block"))?)
            }
            LogField::SourcePort
            | LogField::DestinationPort
            | LogField::Packets
            | LogField::Bytes
            | LogField::Start
            | LogField::End
            | LogField::TcpFlags
            | LogField::TrafficPath => {
                let range = |word: &str| {
                    let (from, to) = word.split_once('-').unwrap_or((word, word));
                    Some((from.parse().ok()?, to.parse().ok()?))
                };
                Wanted::Ranges(words().map(range).collect::<Option<_>>().ok_or_else(|| wrong("number or range"))?)
            }
            LogField::Protocol => {
                let number = |word: &str| match word {
                    "icmp" => "1".to_owned(),
                    "tcp" => "6".to_owned(),
                    "udp" => "17".to_owned(),
                    "icmpv6" => "58".to_owned(),
                    number => number.to_owned(),
                };
                Wanted::Words(words().map(number).collect())
            }
            LogField::Action => Wanted::Words(words().map(str::to_ascii_uppercase).collect()),
            _ => Wanted::Words(words().map(str::to_owned).collect()),
        };
        Ok(Filter { field, is_not, wanted })
    }

    /// Whether records of this format can be judged. Errors: they do not have the field.
    pub fn check(&self, log: &str, format: &LogFormat) -> Result<()> {
        match format.fields().contains(&self.field) {
            true => Ok(()),
            false => {
                let failure = Failure::usage(format!("records of {log} have no field `{}`", self.field.as_str()));
                Err(failure.hint(format!("they have: {}", format.header())))
            }
        }
    }

    /// Whether a record is shown.
    pub fn keeps(&self, line: &Line) -> bool {
        let value = line.get(self.field).unwrap_or_default();
        let is = match &self.wanted {
            Wanted::Words(words) => words.iter().any(|word| word == value),
            Wanted::Blocks(blocks) => value.parse::<IpAddr>().is_ok_and(|address| blocks.iter().any(|block| block.contains(&address))),
            Wanted::Ranges(ranges) => value.parse().is_ok_and(|number: u64| ranges.iter().any(|(from, to)| (*from..=*to).contains(&number))),
        };
        is != self.is_not
    }
}

fn example(field: LogField) -> String {
    let value = match field {
        LogField::SourceAddress | LogField::DestinationAddress | LogField::PacketSourceAddress | LogField::PacketDestinationAddress => {
            "10.0.0.0/8"
        }
        _ => "1-1023",
    };
    format!("{}={value}", field.as_str())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what cannot be read is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn a_filter_keeps_what_its_field_says() {
        let format = LogFormat::default();
        let text = "2 111122223333 eni-1 192.0.2.77 10.0.0.10 40000 22 6 3 180 1795597709 1795597712 REJECT OK";
        let line = Line::parse(text, &format).unwrap();
        for (filter, keeps) in [
            ("action=REJECT", true),
            ("action=reject", true),
            ("action!=REJECT", false),
            ("dstport=22", true),
            ("dstport=20-25", true),
            ("dstport=80,443", false),
            ("srcaddr=192.0.2.0/24", true),
            ("srcaddr=192.0.2.77", true),
            ("srcaddr!=192.0.2.0/24", false),
            ("dstaddr=192.0.2.0/24", false),
            ("protocol=tcp", true),
            ("protocol=17,1", false),
            ("log-status=OK", true),
            ("interface-id=eni-2", false),
        ] {
            assert_eq!(Filter::parse(filter).unwrap().keeps(&line), keeps, "{filter}");
        }
    }

    #[test]
    fn what_is_no_filter_says_what_would_be() {
        for (filter, message) in [
            ("action", "`action` is no FIELD=VALUE"),
            ("=x", "`=x` is no FIELD=VALUE"),
            ("colour=red", "records have no field `colour`"),
            ("srcaddr=web-1", "`web-1` is no address or block, which srcaddr is"),
            ("dstport=ssh", "`ssh` is no number or range, which dstport is"),
        ] {
            assert_eq!(Filter::parse(filter).unwrap_err().message, message);
        }
        let without: LogFormat = "${srcaddr}".parse().unwrap();
        let failure = Filter::parse("dstport=22").unwrap().check("fl-1", &without).unwrap_err();
        assert_eq!((failure.message.as_str(), failure.hint.as_deref()), ("records of fl-1 have no field `dstport`", Some("they have: srcaddr")));
    }
}
