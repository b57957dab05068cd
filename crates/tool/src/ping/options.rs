//! What ping was asked to do.

use std::time::Duration;

use crate::options::{Item, Wrong, number, seconds, split};

pub(crate) const USAGE: &str =
    "ping [-46nqDO] [-c COUNT] [-i INTERVAL] [-W TIMEOUT] [-w DEADLINE] [-t TTL] [-s SIZE] [-M do|want|dont] [-I ADDRESS|DEVICE] HOST";

/// Largest payload of an IPv4 packet behind both headers.
const MOST_BYTES: usize = 65_535 - 28;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// As typed.
    pub(crate) host: String,
    /// How many to send; without end if none.
    pub(crate) count: Option<u64>,
    pub(crate) interval: Duration,
    /// How long to wait for answers after the last one was sent.
    pub(crate) timeout: Option<Duration>,
    /// When to stop whatever came.
    pub(crate) deadline: Option<Duration>,
    pub(crate) ttl: Option<u8>,
    /// Bytes of data in each request.
    pub(crate) size: usize,
    pub(crate) discovery: Option<Discovery>,
    /// Address or device to send from.
    pub(crate) from: Option<String>,
    /// IPv6, or IPv4, and nothing else.
    pub(crate) is_v6: Option<bool>,
    /// Numbers only.
    pub(crate) numeric: bool,
    /// Header and summary only.
    pub(crate) quiet: bool,
    /// The time of day before each line.
    pub(crate) timestamps: bool,
    /// Say what was not answered before the next is sent.
    pub(crate) outstanding: bool,
}

/// Path MTU discovery (`-M`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discovery {
    /// Never fragment, not even here.
    Do,
    /// Fragment here if too large for the path.
    Want,
    /// Let others fragment.
    Dont,
}

pub(crate) fn parse(arguments: &[String]) -> Result<Options, Wrong> {
    let mut options = Options {
        host: String::new(),
        count: None,
        interval: Duration::from_secs(1),
        timeout: None,
        deadline: None,
        ttl: None,
        size: 56,
        discovery: None,
        from: None,
        is_v6: None,
        numeric: false,
        quiet: false,
        timestamps: false,
        outstanding: false,
    };
    let mut hosts = Vec::new();
    for item in split("c:i:W:w:t:s:M:I:46nqDOUv", arguments)? {
        match item {
            Item::Value('c', text) => options.count = Some(number(&text, 1, u64::from(u32::MAX))?),
            Item::Value('i', text) => {
                options.interval = seconds(&text)?;
                // iputils asks the same of everybody but root; our root is an instance's.
                if options.interval < Duration::from_millis(2) {
                    return Err(Wrong::Usage("cannot flood, minimal interval is 2ms".to_owned()));
                }
            }
            Item::Value('W', text) => options.timeout = Some(seconds(&text)?),
            Item::Value('w', text) => options.deadline = Some(seconds(&text)?),
            Item::Value('t', text) => options.ttl = Some(number(&text, 1, 255)?),
            Item::Value('s', text) => options.size = number(&text, 0, MOST_BYTES)?,
            Item::Value('M', text) => {
                options.discovery = Some(match text.as_str() {
                    "do" => Discovery::Do,
                    "want" => Discovery::Want,
                    "dont" => Discovery::Dont,
                    other => return Err(format!("invalid -M argument: {other} (do, want or dont)").into()),
                });
            }
            Item::Value(_, text) => options.from = Some(text),
            Item::Flag('4') => options.is_v6 = Some(false),
            Item::Flag('6') => options.is_v6 = Some(true),
            Item::Flag('n') => options.numeric = true,
            Item::Flag('q') => options.quiet = true,
            Item::Flag('D') => options.timestamps = true,
            Item::Flag('O') => options.outstanding = true,
            Item::Flag(_) => {}
            Item::Operand(host) => hosts.push(host),
        }
    }
    match <[String; 1]>::try_from(hosts) {
        Ok([host]) => Ok(Options { host, ..options }),
        Err(hosts) if hosts.is_empty() => Err(Wrong::Usage("usage error: Destination address required".to_owned())),
        Err(_) => Err(Wrong::Usage("usage error: one destination, please".to_owned())),
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
        let plain = typed("db-1").unwrap();
        assert_eq!((plain.host.as_str(), plain.count, plain.size, plain.interval), ("db-1", None, 56, Duration::from_secs(1)));
        let plain_family = plain.is_v6;
        let full = typed("-c3 -i 0.2 -W 1 -t 5 -s 1472 -M do -I 10.0.0.5 -n 10.0.0.9").unwrap();
        let expected = Options {
            host: "10.0.0.9".to_owned(),
            count: Some(3),
            interval: Duration::from_millis(200),
            timeout: Some(Duration::from_secs(1)),
            ttl: Some(5),
            size: 1472,
            discovery: Some(Discovery::Do),
            from: Some("10.0.0.5".to_owned()),
            numeric: true,
            ..plain
        };
        assert_eq!(full, expected);
        assert_eq!((typed("-6 db-1").unwrap().is_v6, typed("-4 db-1").unwrap().is_v6, plain_family), (Some(true), Some(false), None));
        assert_eq!(typed("db-1 -c 3").unwrap().count, Some(3), "options behind the host");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in ["", "a b", "-c 0 a", "-c x a", "-t 256 a", "-t 0 a", "-s 65508 a", "-M maybe a", "-i 0 a", "-Z a", "-c"] {
            assert!(matches!(typed(line), Err(Wrong::Usage(_))), "{line}");
        }
    }
}
