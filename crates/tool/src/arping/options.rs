//! What arping was asked to do.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::options::{Item, Wrong, number, seconds, split};

pub(crate) const USAGE: &str = "arping [-bfqD] [-c COUNT] [-i INTERVAL] [-w DEADLINE] [-s SOURCE] [-I DEVICE] ADDRESS";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) host: String,
    pub(crate) count: Option<u64>,
    pub(crate) interval: Duration,
    pub(crate) deadline: Option<Duration>,
    /// By the route to the address if none.
    pub(crate) device: Option<String>,
    pub(crate) source: Option<Ipv4Addr>,
    /// Keep asking everybody, also when somebody has answered.
    pub(crate) broadcast: bool,
    /// Stop at the first answer.
    pub(crate) first_only: bool,
    pub(crate) quiet: bool,
    /// Ask from 0.0.0.0 whether the address is taken (RFC 5227): an answer is exit code 1.
    pub(crate) duplicate: bool,
}

pub(crate) fn parse(arguments: &[String]) -> Result<Options, Wrong> {
    let mut options = Options {
        host: String::new(),
        count: None,
        interval: Duration::from_secs(1),
        deadline: None,
        device: None,
        source: None,
        broadcast: false,
        first_only: false,
        quiet: false,
        duplicate: false,
    };
    let mut hosts = Vec::new();
    for item in split("c:i:w:s:I:bfqDV", arguments)? {
        match item {
            Item::Value('c', text) => options.count = Some(number(&text, 1, u64::from(u32::MAX))?),
            Item::Value('i', text) => options.interval = seconds(&text)?.max(Duration::from_millis(10)),
            Item::Value('w', text) => options.deadline = Some(seconds(&text)?),
            Item::Value('s', text) => {
                options.source = Some(text.parse().map_err(|_| format!("invalid source {text}"))?);
            }
            Item::Value(_, text) => options.device = Some(text),
            Item::Flag('b') => options.broadcast = true,
            Item::Flag('f') => options.first_only = true,
            Item::Flag('q') => options.quiet = true,
            Item::Flag('D') => options.duplicate = true,
            Item::Flag(_) => {}
            Item::Operand(host) => hosts.push(host),
        }
    }
    match <[String; 1]>::try_from(hosts) {
        Ok([host]) => Ok(Options { host, ..options }),
        Err(_) => Err(Wrong::Usage("one address, please".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Result<Options, Wrong> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_people_type_is_understood() {
        let options = typed("-c 2 -I eth0 -w 3 10.0.0.1").unwrap();
        assert_eq!((options.count, options.device.as_deref(), options.deadline), (Some(2), Some("eth0"), Some(Duration::from_secs(3))));
        let options = typed("10.0.0.1 -fqDb").unwrap();
        assert!(options.first_only && options.quiet && options.duplicate && options.broadcast);
        for line in ["", "a b", "-c 0 a", "-s x a", "-I", "-z a"] {
            assert!(matches!(typed(line), Err(Wrong::Usage(_))), "{line}");
        }
    }
}
