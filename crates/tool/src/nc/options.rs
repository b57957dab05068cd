//! What nc was asked to do: the letters on which the BSD, the traditional and the nmap netcat agree, and both ways
//! to name the port to listen on.

use std::net::IpAddr;
use std::time::Duration;

use crate::options::{Item, Wrong, port, seconds, split};

pub(crate) const USAGE: &str =
    "nc [-46dknNuvz] [-i|-w SECONDS] [-q SECONDS] [-s ADDRESS] [-p PORT] HOST PORT[-PORT]...
       nc -l [-46dknNuv] [-w SECONDS] [-q SECONDS] {[-p] PORT | ADDRESS PORT | -p PORT ADDRESS}";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) role: Role,
    pub(crate) udp: bool,
    pub(crate) verbose: bool,
    /// Addresses only, no names.
    pub(crate) numeric: bool,
    /// IPv4 or IPv6 only.
    pub(crate) only_ipv4: Option<bool>,
    /// For a connection, and afterwards for something to move.
    pub(crate) wait: Option<Duration>,
    /// Leave so long after the input ended.
    pub(crate) quit: Option<Duration>,
    /// Do not read the input.
    pub(crate) detached: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// Connect, or only look (`-z`).
    Client {
        host: String,
        /// Both ends included, in the order typed.
        ports: Vec<(u16, u16)>,
        only_look: bool,
        source: Option<IpAddr>,
        source_port: Option<u16>,
        /// Between two ports of a scan.
        interval: Duration,
    },
    /// Wait for somebody.
    Server {
        address: Option<String>,
        port: u16,
        /// For one after the other.
        again: bool,
    },
}

pub(crate) fn parse(arguments: &[String]) -> Result<Options, Wrong> {
    let (mut listen, mut only_look, mut again) = (false, false, false);
    let (mut source, mut own_port, mut interval) = (None, None, Duration::ZERO);
    let mut operands = Vec::new();
    let mut options = Options {
        role: Role::Server { address: None, port: 0, again: false },
        udp: false,
        verbose: false,
        numeric: false,
        only_ipv4: None,
        wait: None,
        quit: None,
        detached: false,
    };
    for item in split("w:q:s:p:i:46dklnNtuvz", arguments)? {
        match item {
            Item::Flag('4') => options.only_ipv4 = Some(true),
            Item::Flag('6') => options.only_ipv4 = Some(false),
            Item::Flag('d') => options.detached = true,
            Item::Flag('k') => again = true,
            Item::Flag('l') => listen = true,
            Item::Flag('n') => options.numeric = true,
            Item::Flag('u') => options.udp = true,
            Item::Flag('v') => options.verbose = true,
            Item::Flag('z') => only_look = true,
            // -N, to pass the end of the input on, is what we do anyway; -t answers telnet options, which is telnet's.
            Item::Flag(_) => {}
            Item::Value('w', text) => options.wait = Some(seconds(&text)?).filter(|wait| !wait.is_zero()),
            Item::Value('q', text) => options.quit = if text.starts_with('-') { None } else { Some(seconds(&text)?) },
            Item::Value('i', text) => interval = seconds(&text)?,
            Item::Value('s', text) => source = Some(text.parse().map_err(|_| format!("invalid source address: {text}"))?),
            Item::Value(_, text) => own_port = Some(port(&text)?),
            Item::Operand(operand) => operands.push(operand),
        }
    }
    options.role = match listen {
        true if only_look => return Err(Wrong::Usage("cannot use -z and -l".to_owned())),
        true => server(own_port, &operands, again)?,
        false if again => return Err(Wrong::Usage("must use -l with -k".to_owned())),
        false => {
            let (host, ports) = operands.split_first().ok_or_else(|| Wrong::Usage("a host is missing".to_owned()))?;
            let ports = ports.iter().map(|text| range(text)).collect::<Result<Vec<_>, _>>()?;
            if ports.is_empty() {
                return Err(Wrong::Usage("missing port number".to_owned()));
            }
            Role::Client { host: host.clone(), ports, only_look, source, source_port: own_port, interval }
        }
    };
    Ok(options)
}

/// `PORT`, `FROM-TO`. A service's name may hold a dash, so whole words are tried first.
fn range(text: &str) -> Result<(u16, u16), Wrong> {
    if let Ok(one) = port(text) {
        return Ok((one, one));
    }
    let (from, to) = text.split_once('-').ok_or_else(|| format!("port number invalid: {text}"))?;
    let (from, to) = (port(from)?, port(to)?);
    Ok((from.min(to), from.max(to)))
}

fn server(own_port: Option<u16>, operands: &[String], again: bool) -> Result<Role, Wrong> {
    let (address, port) = match (own_port, operands) {
        (Some(own), []) => (None, own),
        (Some(own), [address]) => (Some(address), own),
        (None, [text]) => (None, port(text)?),
        (None, [address, text]) => (Some(address), port(text)?),
        (None, []) => return Err(Wrong::Usage("missing port number".to_owned())),
        _ => return Err(Wrong::Usage("one address and one port to listen on, please".to_owned())),
    };
    Ok(Role::Server { address: address.cloned(), port, again })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &str) -> Result<Options, Wrong> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn client(line: &str) -> (String, Vec<(u16, u16)>, bool) {
        match typed(line).map(|options| options.role) {
            Ok(Role::Client { host, ports, only_look, .. }) => (host, ports, only_look),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn clients_of_both_habits() {
        assert_eq!(client("db-1 3306"), ("db-1".to_owned(), vec![(3306, 3306)], false));
        assert_eq!(client("-zv -w3 db-1 20-25"), ("db-1".to_owned(), vec![(20, 25)], true));
        assert_eq!(client("-z db-1 22 80 https"), ("db-1".to_owned(), vec![(22, 22), (80, 80), (443, 443)], true));
        let options = typed("-nzvw 2 -u 10.0.0.1 53").unwrap();
        assert!(options.numeric && options.verbose && options.udp);
        assert_eq!(options.wait, Some(Duration::from_secs(2)));
    }

    #[test]
    fn servers_of_both_habits() {
        let server = |line: &str| match typed(line).map(|options| options.role) {
            Ok(Role::Server { address, port, again }) => (address, port, again),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(server("-l 8080"), (None, 8080, false));
        assert_eq!(server("-lvnp 8080"), (None, 8080, false));
        assert_eq!(server("-l -p 8080 -k"), (None, 8080, true));
        assert_eq!(server("-lk 10.0.0.1 8080"), (Some("10.0.0.1".to_owned()), 8080, true));
        assert_eq!(server("-l -p 8080 10.0.0.1"), (Some("10.0.0.1".to_owned()), 8080, false));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in ["", "db-1", "-l", "-lz 80", "-k a 80", "a 0", "a 80-x", "a 65536", "-s x a 80", "-e sh a 80", "-l 1 2 3"] {
            assert!(matches!(typed(line), Err(Wrong::Usage(_))), "{line}");
        }
    }
}
