//! `ping`: echo requests (RFC 792, RFC 4443) from a raw socket, output and exit codes as iputils: 0 somebody answered,
//! 1 nobody did, 2 anything else.

mod options;
pub(crate) mod report;
mod through;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use netlink::rtnl::{Family, address, link};
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};

use self::options::{Discovery, Options};
use self::report::Report;
pub use self::report::{Figures, Line, Reply};
pub use self::through::{Echo, Tally, through};
use crate::names::{self, Reverse};
use crate::output::say;
use crate::socket::{self, Raw};
use crate::sys::Interrupt;

/// How long the answer to the last request is waited for when none came before (iputils' MAXWAIT).
const LINGER: Duration = Duration::from_secs(10);

pub(crate) fn run(arguments: &[String]) -> u8 {
    let options = match options::parse(arguments) {
        Ok(options) => options,
        Err(wrong) => return crate::options::refuse("ping", options::USAGE, &wrong),
    };
    match ping(&options) {
        Ok(answered) => u8::from(!answered),
        Err(sentence) if sentence.is_empty() => 1,
        Err(sentence) => {
            eprintln!("ping: {sentence}");
            2
        }
    }
}

/// Where we send from, opened and set up.
struct Sender {
    socket: Raw,
    target: IpAddr,
    source: Option<IpAddr>,
}

impl Sender {
    fn open(options: &Options, target: IpAddr) -> Result<Sender, String> {
        let opened = if target.is_ipv6() { Raw::icmp_v6() } else { Raw::icmp() };
        let socket = opened.map_err(|error| format!("socket: {}", socket::text(&error)))?;
        let said = |what: &'static str| move |error: rustix::io::Errno| format!("{what}: {}", socket::text(&error.into()));
        if let Some(ttl) = options.ttl {
            match target {
                IpAddr::V4(_) => sockopt::set_ip_ttl(&socket, ttl.into()),
                IpAddr::V6(_) => sockopt::set_ipv6_unicast_hops(&socket, Some(ttl)),
            }
            .map_err(said("setsockopt"))?;
        }
        if let Some(discovery) = options.discovery {
            let (v4, v6) = match discovery {
                Discovery::Do => (Ipv4PathMtuDiscovery::DO, Ipv6PathMtuDiscovery::DO),
                Discovery::Want => (Ipv4PathMtuDiscovery::WANT, Ipv6PathMtuDiscovery::WANT),
                Discovery::Dont => (Ipv4PathMtuDiscovery::DONT, Ipv6PathMtuDiscovery::DONT),
            };
            match target {
                IpAddr::V4(_) => sockopt::set_ip_mtu_discover(&socket, v4),
                IpAddr::V6(_) => sockopt::set_ipv6_mtu_discover(&socket, v6),
            }
            .map_err(said("setsockopt"))?;
        }
        if matches!(target, IpAddr::V4(target) if target.is_broadcast()) {
            sockopt::set_socket_broadcast(&socket, true).map_err(said("setsockopt"))?;
        }
        let source = options.from.as_deref().map(|from| bind(&socket, from, target.is_ipv6())).transpose()?;
        if source.is_none() {
            socket::source_towards(target).map_err(|error| format!("connect: {}", socket::text(&error)))?;
        }
        Ok(Sender { socket, target, source })
    }

    fn send(&self, request: &[u8]) -> io::Result<()> {
        self.socket.send(request, self.target)
    }

    /// The kernel's refusal, as iputils puts it.
    fn refusal(&self, error: &io::Error) -> String {
        let mtu = || {
            let udp = UdpSocket::bind((socket::unspecified(self.target), 0)).ok()?;
            udp.connect((self.target, 9)).ok()?;
            match self.target {
                IpAddr::V4(_) => sockopt::ip_mtu(&udp).ok(),
                IpAddr::V6(_) => sockopt::ipv6_mtu(&udp).ok(),
            }
        };
        match (error.raw_os_error() == Some(libc::EMSGSIZE)).then(mtu).flatten() {
            Some(mtu) => format!("ping: local error: message too long, mtu={mtu}"),
            None => format!("ping: sendmsg: {}", socket::text(error)),
        }
    }
}

/// Binds to an address, or to a device and its first address.
fn bind(socket: &Raw, from: &str, is_v6: bool) -> Result<IpAddr, String> {
    let address = match from.parse::<IpAddr>() {
        Ok(address) if address.is_ipv6() == is_v6 => address,
        Ok(address) => return Err(format!("{address} is of the other family")),
        Err(_) => {
            let address = address_of(from, is_v6).map_err(|_| format!("unknown iface: {from}"))?;
            crate::sys::bind_to_device(socket, from).map_err(|error| format!("SO_BINDTODEVICE {from}: {}", socket::text(&error)))?;
            address.ok_or_else(|| format!("{from} has no IPv{} address", if is_v6 { 6 } else { 4 }))?
        }
    };
    rustix::net::bind(socket, &SocketAddr::new(address, 0)).map_err(|error| format!("bind: {}", socket::text(&error.into())))?;
    Ok(address)
}

/// The first address of a device; of IPv6 one that is good beyond its link.
fn address_of(device: &str, is_v6: bool) -> Result<Option<IpAddr>, netlink::Error> {
    let mut socket = netlink::Socket::open(netlink::Protocol::Route)?;
    let link = link::get(&mut socket, link::Target::Name(device))?;
    let addresses = address::dump(&mut socket, Some(if is_v6 { Family::V6 } else { Family::V4 }), Some(link.index))?;
    let is_link_local = |address: &IpAddr| matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    let own = addresses.into_iter().filter(|found| found.device == link.index).map(|found| found.address.addr());
    Ok(own.into_iter().find(|address| !is_link_local(address)))
}

/// What there is to say in the course of a run.
pub enum Said<'a> {
    /// The first line, or the last ones.
    Frame(&'a str),
    /// A reply or an error that came.
    Line(&'a Line),
    /// Nothing has come yet (`-O`).
    Outstanding(&'a str),
    /// The kernel would not send.
    Refused(&'a str),
}

/// Says lines, with names where they help.
struct Speaker {
    /// None: numbers only.
    names: Option<Reverse>,
    quiet: bool,
    timestamps: bool,
}

impl Speaker {
    fn say(&mut self, said: Said<'_>) -> io::Result<()> {
        match said {
            Said::Frame(text) => say(text),
            Said::Refused(text) => {
                eprintln!("{text}");
                Ok(())
            }
            Said::Line(_) if self.quiet => Ok(()),
            Said::Line(line) => {
                let text = line.text(self.names.as_mut().and_then(|names| names.name(line.from)).as_deref());
                self.stamped(&text)
            }
            Said::Outstanding(text) => self.stamped(text),
        }
    }

    fn stamped(&self, text: &str) -> io::Result<()> {
        let stamp = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(now) if self.timestamps => format!("[{}.{:06}] ", now.as_secs(), now.subsec_micros()),
            _ => String::new(),
        };
        say(&format!("{stamp}{text}"))
    }
}

/// Runs to the end; says whether anybody answered. An empty error means that nobody reads any more.
fn ping(options: &Options) -> Result<bool, String> {
    let target = names::address(&options.host, options.is_v6).map_err(|error| format!("{}: {error}", options.host))?;
    let sender = Sender::open(options, target)?;
    let interrupt = Interrupt::new().map_err(|error| socket::text(&error))?;
    let mut report = Report::new(&options.host, target, sender.source, options.size, std::process::id() as u16);
    // An address that was typed as numbers is printed as numbers.
    let named = !options.numeric && options.host.parse::<IpAddr>().is_err();
    let mut speaker = Speaker { names: named.then(Reverse::new), quiet: options.quiet, timestamps: options.timestamps };
    let start = Instant::now();
    say(&report.header()).map_err(|_| String::new())?;
    exchange(options, &sender, &interrupt, &mut report, &mut |said| speaker.say(said), start).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => String::new(),
        _ => socket::text(&error),
    })?;
    say(&report.summary(start.elapsed())).map_err(|_| String::new())?;
    let (_, received) = report.counts();
    // With a deadline, fewer answers than asked for are a failure too.
    let enough = options.deadline.and(options.count).unwrap_or(1);
    Ok(received >= enough.max(1))
}

fn exchange(
    options: &Options,
    sender: &Sender,
    interrupt: &Interrupt,
    report: &mut Report,
    speak: &mut dyn FnMut(Said<'_>) -> io::Result<()>,
    start: Instant,
) -> io::Result<()> {
    let mut buffer = vec![0; 65_536];
    let end = options.deadline.map(|deadline| start + deadline);
    let mut next = start;
    let mut interrupted = false;
    loop {
        // The clock first, then what came until then: an answer that waited for us while others ran was in time.
        let now = Instant::now();
        // A flood of packets must not keep us from looking at the clock.
        for _ in 0..64 {
            let Some(packet) = sender.socket.receive(&mut buffer)? else { break };
            if let Some(line) = report.received(packet, start.elapsed()) {
                speak(Said::Line(&line))?;
            }
        }
        let (transmitted, _) = report.counts();
        let is_last = options.count.is_some_and(|count| transmitted >= count);
        if interrupted || is_last && report.is_settled() || end.is_some_and(|end| now >= end) {
            return Ok(());
        }
        if now >= next {
            if is_last {
                return Ok(());
            }
            if let Some(text) = report.outstanding().filter(|_| options.outstanding) {
                speak(Said::Outstanding(&text))?;
            }
            let refused = sender.send(&report.request()).err();
            report.sent(start.elapsed());
            if let Some(error) = refused {
                speak(Said::Refused(&sender.refusal(&error)))?;
                report.refused();
            }
            next = Instant::now() + options.interval;
            if options.count.is_some_and(|count| report.counts().0 >= count) {
                next = Instant::now() + last_wait(options, report);
            }
            continue;
        }
        let deadline = end.map_or(next, |end| end.min(next));
        [_, interrupted] = socket::wait_readable([&sender.socket, interrupt], Some(deadline))?;
    }
}

/// How long to stay after the last request: what was asked, else twice the slowest answer but an interval at
/// least, else [`LINGER`].
fn last_wait(options: &Options, report: &Report) -> Duration {
    match (options.timeout, report.longest()) {
        (Some(timeout), _) => timeout,
        (None, Some(longest)) => (2 * longest).max(options.interval),
        (None, None) => LINGER,
    }
}
