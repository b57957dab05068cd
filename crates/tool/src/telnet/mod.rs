//! `telnet`: most often typed to see whether a port is open. Line mode; messages and banners as the BSD telnet.
//! Exit codes: 0 there was a connection, 1 there was none, 2 wrong usage.

mod protocol;

use std::io::{self, BufRead, IsTerminal, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios};

use self::protocol::{ESCAPE, Telnet};
use crate::names;
use crate::options::{Item, Wrong, port, seconds, split};
use crate::relay::{Afterwards, End, HalfClose, Limits, REST, relay};
use crate::socket;

const USAGE: &str = "telnet [-46] [-w SECONDS] HOST [PORT]";

/// How long a connection is waited for unless `-w` says so. A filtered port is silent, and the kernel alone would
/// try for more than two minutes.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long an answer is waited for when the input has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Options {
    host: String,
    port: u16,
    wait: Duration,
    /// IPv4 or IPv6 only.
    only_ipv4: Option<bool>,
}

fn parse(arguments: &[String]) -> Result<Options, Wrong> {
    let (mut wait, mut only_ipv4, mut operands) = (PATIENCE, None, Vec::new());
    for item in split("w:46E", arguments)? {
        match item {
            Item::Value(_, text) => wait = seconds(&text)?,
            Item::Flag('4') => only_ipv4 = Some(true),
            Item::Flag('6') => only_ipv4 = Some(false),
            Item::Flag(_) => {}
            Item::Operand(operand) => operands.push(operand),
        }
    }
    match &operands[..] {
        [host] => Ok(Options { host: host.clone(), port: 23, wait, only_ipv4 }),
        [host, typed] => Ok(Options { host: host.clone(), port: port(typed)?, wait, only_ipv4 }),
        [] => Err(Wrong::Usage("a host is missing".to_owned())),
        _ => Err(Wrong::Usage("one host and one port, please".to_owned())),
    }
}

pub(crate) fn run(arguments: &[String]) -> u8 {
    let options = match parse(arguments) {
        Ok(options) => options,
        Err(wrong) => return crate::options::refuse("telnet", USAGE, &wrong),
    };
    let Some(stream) = connect(&options) else {
        return 1;
    };
    let result = talk(&stream);
    match result {
        // Where this line goes, standard error, is where the BSD telnet puts it.
        Ok(End::Remote) => eprintln!("Connection closed by foreign host."),
        Ok(_) => println!("Connection closed."),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(error) => eprintln!("telnet: {}\nConnection closed by foreign host.", socket::text(&error)),
    }
    0
}

/// Tries one address after the other and says so.
fn connect(options: &Options) -> Option<TcpStream> {
    let addresses = match names::addresses(&options.host) {
        Ok(addresses) => addresses,
        Err(error) => {
            eprintln!("telnet: could not resolve {}/{}: {error}", options.host, options.port);
            return None;
        }
    };
    let wanted = |address: &IpAddr| options.only_ipv4.is_none_or(|only| address.is_ipv4() == only);
    let addresses: Vec<IpAddr> = addresses.into_iter().filter(wanted).collect();
    let Some(last) = addresses.last().copied() else {
        eprintln!("telnet: could not resolve {}/{}: Address family for hostname not supported", options.host, options.port);
        return None;
    };
    for address in addresses {
        println!("Trying {address}...");
        let _ = io::stdout().flush();
        match socket::connect(SocketAddr::new(address, options.port), None, Some(options.wait)) {
            Ok(stream) => {
                println!("Connected to {}.\nEscape character is '^]'.", options.host);
                return Some(stream);
            }
            Err(error) if address == last => {
                eprintln!("telnet: Unable to connect to remote host: {}", socket::text(&error));
            }
            Err(error) => eprintln!("telnet: connect to address {address}: {}", socket::text(&error)),
        }
    }
    None
}

fn talk(stream: &TcpStream) -> io::Result<End> {
    let _terminal = EscapeAtOnce::set();
    let afterwards = Afterwards::Silence(LAST_WORDS);
    let limits = Limits { idle: None, afterwards, half_close: HalfClose::Always, send_on: false, rest: REST, stream: true };
    let mut telnet = Telnet::new(prompt);
    relay(Some(io::stdin().as_fd()), &mut io::stdout(), stream, &mut telnet, limits)
}

/// What Ctrl-] leads to: a line that says whether to go on. An end of the input means no.
fn prompt() -> bool {
    let mut input = io::stdin().lock();
    loop {
        print!("\ntelnet> ");
        let _ = io::stdout().flush();
        let mut line = String::new();
        match input.read_line(&mut line) {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
        match line.trim() {
            "" => return true,
            word if "quit".starts_with(word) || "close".starts_with(word) || word == "exit" => return false,
            _ => println!("Commands: quit (or close) ends the connection, an empty line returns to it."),
        }
    }
}

/// A terminal that passes Ctrl-] on at once, as the end of a line, while it edits lines as always; the old settings
/// return when this is dropped.
struct EscapeAtOnce {
    before: Termios,
}

impl EscapeAtOnce {
    fn set() -> Option<EscapeAtOnce> {
        let input = io::stdin();
        if !input.is_terminal() {
            return None;
        }
        let before = rustix::termios::tcgetattr(&input).ok()?;
        let mut settings = before.clone();
        settings.special_codes[SpecialCodeIndex::VEOL] = ESCAPE;
        rustix::termios::tcsetattr(&input, OptionalActions::Now, &settings).ok()?;
        Some(EscapeAtOnce { before })
    }
}

impl Drop for EscapeAtOnce {
    fn drop(&mut self) {
        // Nobody is left to tell if the terminal is gone.
        let _ = rustix::termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
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
        let options = |host: &str, port| Options { host: host.to_owned(), port, wait: PATIENCE, only_ipv4: None };
        assert_eq!(typed("db-1"), Ok(options("db-1", 23)));
        assert_eq!(typed("db-1 3306"), Ok(options("db-1", 3306)));
        assert_eq!(typed("db-1 http"), Ok(options("db-1", 80)));
        let full = typed("-4 -w 2 db-1 80").unwrap();
        assert_eq!((full.wait, full.only_ipv4), (Duration::from_secs(2), Some(true)));
        for line in ["", "a 1 2", "a 0", "a x", "-w a", "-w x a", "-q a"] {
            assert!(matches!(typed(line), Err(Wrong::Usage(_))), "{line}");
        }
    }
}
