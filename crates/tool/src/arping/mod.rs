//! `arping`: ARP questions (RFC 826) from a packet socket, output as iputils. Exit codes: 0 somebody has the
//! address, 1 nobody answered (with `-D` the other way round), 2 anything else.

mod options;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use netlink::rtnl::{Family, address, link, route};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};
use wire::arp::Operation;
use wire::{Arp, EtherType, Ethernet, Mac};

use self::options::Options;
use crate::names;
use crate::output::say;
use crate::socket;
use crate::sys::{Interrupt, LinkAddress};

pub(crate) fn run(arguments: &[String]) -> u8 {
    let options = match options::parse(arguments) {
        Ok(options) => options,
        Err(wrong) => return crate::options::refuse("arping", options::USAGE, &wrong),
    };
    match arping(&options) {
        Ok(answered) => u8::from(answered == options.duplicate),
        Err(sentence) => {
            eprintln!("arping: {sentence}");
            2
        }
    }
}

/// The device that asks, and as whom.
struct Asker {
    device: String,
    index: u32,
    mac: Mac,
    address: Ipv4Addr,
}

impl Asker {
    fn find(options: &Options, target: Ipv4Addr) -> Result<Asker, String> {
        let said = |error: netlink::Error| error.to_string();
        let mut netlink = netlink::Socket::open(netlink::Protocol::Route).map_err(said)?;
        let link = match &options.device {
            Some(device) => {
                link::get(&mut netlink, link::Target::Name(device)).map_err(|_| format!("Device {device} not available."))?
            }
            None => {
                let found = route::get(&mut netlink, &route::Query::to(target.into()));
                let index = found.ok().and_then(|route| route.device);
                let index = index.ok_or_else(|| format!("no route to {target}: which device? (-I DEVICE)"))?;
                link::get(&mut netlink, link::Target::Index(index)).map_err(said)?
            }
        };
        if !link.is_up() {
            return Err(format!("Interface \"{}\" is down", link.name));
        }
        // The loopback device has no neighbours; its address is all zeros.
        let mac = link.mac.filter(|mac| *mac != [0; 6]).ok_or_else(|| format!("Interface \"{}\" is not ARPable", link.name))?;
        let own = address::dump(&mut netlink, Some(Family::V4), Some(link.index)).map_err(said)?;
        // Of several addresses the one in the target's own network is what neighbours expect to be asked from.
        let own: Vec<_> = own.into_iter().filter(|own| own.device == link.index).map(|own| own.address).collect();
        let best = own.iter().find(|own| own.contains(&IpAddr::V4(target))).or(own.first()).map(|own| own.addr());
        let address = match (options.duplicate, options.source, best) {
            (true, ..) => Ipv4Addr::UNSPECIFIED,
            (_, Some(source), _) => source,
            (_, None, Some(IpAddr::V4(own))) => own,
            _ => return Err(format!("Interface \"{}\" has no IPv4 address (-s SOURCE, or -D)", link.name)),
        };
        Ok(Asker { device: link.name, index: link.index, mac: Mac(mac), address })
    }

    fn open(&self) -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Protocol 0 receives nothing until bind names the device and the frames' type.
        let socket = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None::<Protocol>)?;
        rustix::net::bind(&socket, &LinkAddress::new(self.index, EtherType::ARP.0))?;
        Ok(socket)
    }

    /// A question: to everybody, or to who answered before.
    fn question(&self, target: Ipv4Addr, to: Option<Mac>) -> Vec<u8> {
        let arp = Arp::request(self.mac, self.address, target);
        let Some(to) = to else {
            return arp.frame();
        };
        let mut frame = Vec::new();
        Ethernet { destination: to, source: self.mac, ether_type: EtherType::ARP }.emit(&mut frame);
        arp.emit(&mut frame);
        frame
    }

    /// Who has the address, if a frame says so to us; and whether it says so to everybody.
    fn answer(&self, frame: &[u8], target: Ipv4Addr) -> Option<(Mac, bool)> {
        let (ethernet, rest) = Ethernet::parse(frame).ok()?;
        let arp = Arp::parse(rest).ok()?;
        let is_answer = ethernet.ether_type == EtherType::ARP
            && arp.operation == Operation::Reply
            && arp.sender == target
            && arp.target == self.address
            && arp.target_mac == self.mac;
        is_answer.then_some((arp.sender_mac, ethernet.destination == Mac::BROADCAST))
    }
}

/// What is counted.
#[derive(Default)]
struct Counts {
    sent: u64,
    broadcast: u64,
    received: u64,
}

impl Counts {
    fn summary(&self) -> String {
        format!("Sent {} probes ({} broadcast(s))\nReceived {} response(s)", self.sent, self.broadcast, self.received)
    }
}

fn reply_line(from: Ipv4Addr, mac: Mac, broadcast: bool, time: Duration) -> String {
    let how = if broadcast { "Broadcast" } else { "Unicast" };
    format!("{how} reply from {from} [{}]  {:.3}ms", mac.to_string().to_uppercase(), time.as_secs_f64() * 1_000.0)
}

fn arping(options: &Options) -> Result<bool, String> {
    let target = names::ipv4(&options.host).map_err(|error| format!("{}: {error}", options.host))?;
    let asker = Asker::find(options, target)?;
    let socket = asker.open().map_err(|error| format!("socket: {}", socket::text(&error)))?;
    let interrupt = Interrupt::new().map_err(|error| socket::text(&error))?;
    let tell = |line: &str| if options.quiet { Ok(()) } else { say(line).map_err(|error| socket::text(&error)) };
    tell(&format!("ARPING {target} from {} {}", asker.address, asker.device))?;
    let mut counts = Counts::default();
    ask(options, &asker, &socket, &interrupt, target, &mut counts, &tell)?;
    tell(&counts.summary())?;
    Ok(counts.received > 0)
}

fn ask(
    options: &Options,
    asker: &Asker,
    socket: &OwnedFd,
    interrupt: &Interrupt,
    target: Ipv4Addr,
    counts: &mut Counts,
    tell: &impl Fn(&str) -> Result<(), String>,
) -> Result<(), String> {
    let said = |error: io::Error| socket::text(&error);
    let start = Instant::now();
    let end = options.deadline.map(|deadline| start + deadline);
    let (mut next, mut sent_at, mut holder) = (start, start, None);
    let mut interrupted = false;
    let mut buffer = [0; 2_048];
    loop {
        // The clock first, then what came until then: an answer that waited for us while others ran was in time.
        let now = Instant::now();
        // A flood of frames must not keep us from looking at the clock.
        for _ in 0..64 {
            let length = match rustix::net::recv(socket, &mut buffer, RecvFlags::empty()) {
                Ok((length, _)) => length,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => break,
                Err(error) => return Err(said(error.into())),
            };
            let Some((mac, broadcast)) = asker.answer(&buffer[..length], target) else {
                continue;
            };
            counts.received += 1;
            holder = Some(mac);
            tell(&reply_line(target, mac, broadcast, sent_at.elapsed()))?;
            let all = options.count.is_some_and(|count| counts.received >= count);
            if all || options.first_only || options.duplicate {
                return Ok(());
            }
        }
        if interrupted || end.is_some_and(|end| now >= end) {
            return Ok(());
        }
        if now >= next {
            if options.count.is_some_and(|count| counts.sent >= count) {
                return Ok(());
            }
            let to = holder.filter(|_| !options.broadcast);
            sent_at = Instant::now();
            rustix::net::send(socket, &asker.question(target, to), SendFlags::empty()).map_err(|error| said(error.into()))?;
            counts.sent += 1;
            counts.broadcast += u64::from(to.is_none());
            next = sent_at + options.interval;
        }
        let deadline = end.map_or(next, |end| end.min(next));
        [_, interrupted] = socket::wait_readable([socket, interrupt], Some(deadline)).map_err(said)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
    const HOLDER: Mac = Mac([2, 0, 0, 0, 0, 9]);

    fn asker() -> Asker {
        Asker { device: "eth0".to_owned(), index: 2, mac: Mac([2, 0, 0, 0, 0, 1]), address: [10, 0, 0, 1].into() }
    }

    #[test]
    fn only_an_answer_to_us_about_the_address_counts() {
        let asker = asker();
        let question = Arp::request(asker.mac, asker.address, TARGET);
        let answer = question.reply(HOLDER);
        assert_eq!(asker.answer(&answer.frame(), TARGET), Some((HOLDER, false)));
        assert_eq!(asker.answer(&question.frame(), TARGET), None, "a question");
        assert_eq!(asker.answer(&answer.frame(), [10, 0, 0, 8].into()), None, "another address");
        let to_another = Arp { target_mac: HOLDER, ..answer };
        assert_eq!(asker.answer(&to_another.frame(), TARGET), None, "to somebody else");
    }

    #[test]
    fn the_second_question_goes_to_who_answered() {
        let frame = asker().question(TARGET, Some(HOLDER));
        let (ethernet, rest) = Ethernet::parse(&frame).unwrap();
        assert_eq!((ethernet.destination, Arp::parse(rest).unwrap().target), (HOLDER, TARGET));
        let (ethernet, _) = Ethernet::parse(&asker().question(TARGET, None)).map(|(e, r)| (e, r.len())).unwrap();
        assert_eq!(ethernet.destination, Mac::BROADCAST);
    }

    #[test]
    fn lines_read_as_those_of_iputils() {
        let line = reply_line(TARGET, HOLDER, false, Duration::from_micros(612));
        assert_eq!(line, "Unicast reply from 10.0.0.9 [02:00:00:00:00:09]  0.612ms");
        let counts = Counts { sent: 3, broadcast: 1, received: 2 };
        assert_eq!(counts.summary(), "Sent 3 probes (1 broadcast(s))\nReceived 2 response(s)");
    }
}
