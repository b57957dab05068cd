//! `traceroute`: probes with growing TTL, by UDP, ICMP or TCP. Exit codes: 0 done, 1 could not, 2 wrong usage.

mod options;
mod probe;
mod trace;

use std::io;
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use self::options::{Method, Options};
use self::probe::Probes;
use self::trace::Trace;
use crate::names::{self, Reverse};
use crate::output::say;
use crate::socket::{self, Raw};

pub(crate) fn run(arguments: &[String]) -> u8 {
    let options = match options::parse(arguments) {
        Ok(options) => options,
        Err(wrong) => return crate::options::refuse("traceroute", options::USAGE, &wrong),
    };
    match traceroute(&options) {
        Ok(()) => 0,
        Err(sentence) => {
            eprintln!("traceroute: {sentence}");
            1
        }
    }
}

fn traceroute(options: &Options) -> Result<(), String> {
    let target = names::ipv4(&options.host).map_err(|error| format!("{}: {error}", options.host))?;
    let said = |error: io::Error| socket::text(&error);
    let source = socket::source_towards(target.into()).map_err(|error| format!("connect: {}", socket::text(&error)))?;
    let std::net::IpAddr::V4(source) = source else { return Err("traceroute speaks IPv4".to_owned()) };
    let errors = Raw::icmp().map_err(|error| format!("socket: {}", socket::text(&error)))?;
    let sender = match options.method {
        Method::Icmp => Raw::icmp(),
        Method::Tcp => Raw::tcp(),
        Method::Udp | Method::UdpTo => Raw::udp(),
    };
    let sender = sender.map_err(|error| format!("socket: {}", socket::text(&error)))?;
    let identifier = std::process::id() as u16;
    let probes = Probes {
        method: options.method,
        source,
        target,
        port: options.port,
        // Above what most services use, below the kernel's last ephemeral port, and another in each run.
        own_port: 40_000 + identifier % 16_000,
        identifier,
        payload: options.payload(),
    };
    let mut names = (!options.numeric).then(Reverse::new);
    // Asked before the first probe is on its way: a name server that does not answer must not count as distance.
    if let Some(names) = &mut names {
        names.name(target.into());
    }
    say(&format!("traceroute to {} ({target}), {} hops max, {} byte packets", options.host, options.most, options.length))
        .map_err(said)?;
    let mut trace = Trace::new(options);
    let mut buffer = vec![0; 65_536];
    let start = Instant::now();
    while !trace.is_over() {
        while let Some((probe, ttl)) = trace.next() {
            sockopt::set_ip_ttl(&sender, ttl.into()).map_err(|error| said(error.into()))?;
            trace.sent(start.elapsed());
            match sender.send(&probes.message(probe), target) {
                // A full queue or a refusal of the local filter is a lost packet, as it would be further on.
                Err(error) if !matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::EPERM)) => {
                    return Err(format!("send: {}", socket::text(&error)));
                }
                _ => {}
            }
            receive(&[&errors, &sender], &probes, &mut trace, start, &mut buffer).map_err(said)?;
        }
        let deadline = trace.deadline().map(|deadline| start + deadline);
        socket::wait_readable([&errors, &sender], deadline.or(Some(Instant::now() + Duration::from_millis(1)))).map_err(said)?;
        // The clock first, then what came until then: an answer that waited for us while others ran was in time.
        let now = start.elapsed();
        receive(&[&errors, &sender], &probes, &mut trace, start, &mut buffer).map_err(said)?;
        trace.expire(now);
        let mut described = |address: std::net::Ipv4Addr| match &mut names {
            Some(names) => names.described(address.into()),
            None => address.to_string(),
        };
        while let Some(line) = trace.line(&mut described) {
            say(&line).map_err(said)?;
        }
    }
    Ok(())
}

fn receive(sockets: &[&Raw], probes: &Probes, trace: &mut Trace, start: Instant, buffer: &mut [u8]) -> io::Result<()> {
    for socket in sockets {
        // A flood of packets must not keep us from looking at the clock.
        for _ in 0..64 {
            let Some(packet) = socket.receive(buffer)? else { break };
            let now = start.elapsed();
            if let Some(answer) = probes.answer(packet) {
                trace.answered(answer, now);
            }
        }
    }
    Ok(())
}
