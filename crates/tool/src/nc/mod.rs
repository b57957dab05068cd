//! `nc`: connections by hand, both ways, and looking which ports are open. Messages as the BSD netcat; the end of
//! the input is passed on to the other side, so that both ends of a transfer end. Exit codes: 0 connected,
//! 1 not, 2 wrong usage.

mod client;
mod options;
mod server;

use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use self::options::{Options, Role};
use crate::names;
use crate::relay::{Afterwards, End, HalfClose, Limits, Plain, REST, relay};
use crate::socket;

/// How long datagrams are waited for when the input has ended: their sender cannot say that it is done.
const UDP_SILENCE: Duration = Duration::from_secs(2);

pub(crate) fn run(arguments: &[String]) -> u8 {
    let options = match options::parse(arguments) {
        Ok(options) => options,
        Err(wrong) => return crate::options::refuse("nc", options::USAGE, &wrong),
    };
    let result = match &options.role {
        Role::Client { .. } => client::run(&options),
        Role::Server { .. } => server::run(&options),
    };
    match result {
        Ok(connected) => u8::from(!connected),
        Err(sentence) => {
            eprintln!("nc: {sentence}");
            1
        }
    }
}

/// The addresses of a host that the options let us use.
fn addresses(options: &Options, host: &str) -> Result<Vec<IpAddr>, String> {
    let said = |error: &str| format!("getaddrinfo for host \"{host}\": {error}");
    let addresses = match options.numeric {
        true => vec![host.parse().map_err(|_| said("Name or service not known"))?],
        false => names::addresses(host).map_err(|error| said(&error))?,
    };
    let wanted = |address: &IpAddr| options.only_ipv4.is_none_or(|only| address.is_ipv4() == only);
    let addresses: Vec<IpAddr> = addresses.into_iter().filter(wanted).collect();
    if addresses.is_empty() { Err(said("Address family for hostname not supported")) } else { Ok(addresses) }
}

/// Between the terminal and a connected socket, which must not block.
fn exchange(options: &Options, socket: impl AsFd) -> io::Result<End> {
    let afterwards = match (options.quit, options.udp) {
        (Some(quit), _) => Afterwards::Total(quit),
        (None, true) if !options.detached => Afterwards::Silence(options.wait.unwrap_or(UDP_SILENCE)),
        (None, _) => Afterwards::Stay,
    };
    let half_close = match options.role {
        _ if options.udp || options.detached => HalfClose::Never,
        Role::Client { .. } => HalfClose::Always,
        Role::Server { .. } => HalfClose::IfAnything,
    };
    let input = io::stdin();
    // Who sits at a terminal is not in the middle of sending when the other side ends.
    let send_on = !input.is_terminal();
    let limits = Limits { idle: options.wait, afterwards, half_close, send_on, rest: REST, stream: !options.udp };
    let input = (!options.detached).then(|| input.as_fd());
    relay(input, &mut io::stdout(), socket, &mut Plain, limits)
}

/// An exchange that broke: said, unless only the reader of our output went away.
fn said(result: io::Result<End>) -> Result<bool, String> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        Err(error) => Err(format!("read: {}", socket::text(&error))),
    }
}
