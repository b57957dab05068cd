//! What ping says: pure, fed with what was sent and received and when. Times are since the start.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use wire::{Icmpv4, Icmpv6, Ipv4, Ipv6, protocol};

use crate::icmp;

/// Requests of which we still know when they were sent; older ones count as lost.
const REMEMBERED: usize = 4_096;

struct Sent {
    at: Duration,
    answers: u32,
}

/// One run.
pub(crate) struct Report {
    /// As typed.
    host: String,
    target: IpAddr,
    source: Option<IpAddr>,
    size: usize,
    identifier: u16,
    sent: BTreeMap<u64, Sent>,
    transmitted: u64,
    received: u64,
    duplicates: u64,
    corrupted: u64,
    errors: u64,
    times: Times,
    last: Duration,
}

#[derive(Default)]
struct Times {
    count: u64,
    least: Duration,
    most: Duration,
    sum: f64,
    sum_of_squares: f64,
}

/// Something worth a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Who says it; its name may be put before it.
    pub from: IpAddr,
    /// How the line starts, and how it goes on behind the sender.
    pub(crate) start: String,
    pub(crate) rest: String,
    /// The reply, unless it is an error.
    pub reply: Option<Reply>,
}

/// A reply to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// Number of the request, from 1.
    pub sequence: u16,
    /// TTL that it arrived with.
    pub ttl: u8,
    /// Time there and back, unless nobody knows when the request went.
    pub time: Option<Duration>,
}

impl Line {
    /// The line as ping prints it, with the sender's name if there is one.
    pub fn text(&self, name: Option<&str>) -> String {
        let from = match name {
            Some(name) => format!("{name} ({})", self.from),
            None => self.from.to_string(),
        };
        format!("{}{from}{}", self.start, self.rest)
    }
}

/// Times there and back, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Shortest.
    pub least: f64,
    /// Mean.
    pub average: f64,
    /// Longest.
    pub most: f64,
    /// Standard deviation.
    pub deviation: f64,
}

impl Report {
    pub(crate) fn new(host: &str, target: IpAddr, source: Option<IpAddr>, size: usize, identifier: u16) -> Report {
        Report {
            host: host.to_owned(),
            target,
            source,
            size,
            identifier,
            sent: BTreeMap::new(),
            transmitted: 0,
            received: 0,
            duplicates: 0,
            corrupted: 0,
            errors: 0,
            times: Times::default(),
            last: Duration::ZERO,
        }
    }

    /// The first line.
    pub(crate) fn header(&self) -> String {
        let Report { host, target, size, .. } = self;
        if target.is_ipv6() {
            let from = self.source.map(|source| format!("from {source} : ")).unwrap_or_default();
            return format!("PING {host}({target}) {from}{size} data bytes");
        }
        let from = self.source.map(|source| format!(" from {source} :")).unwrap_or_default();
        format!("PING {host} ({target}){from} {size}({}) bytes of data.", size + 28)
    }

    /// The request to send next. Its data count up, as those of every ping.
    pub(crate) fn request(&self) -> Vec<u8> {
        let data = (0..self.size).map(|at| at as u8).collect();
        let (id, sequence) = (self.identifier, (self.transmitted + 1) as u16);
        match self.target {
            IpAddr::V4(_) => Icmpv4::Echo { reply: false, id, sequence, data }.message(),
            // The kernel, which knows the source, puts the checksum in (RFC 3542, 3.1).
            IpAddr::V6(target) => Icmpv6::Echo { reply: false, id, sequence, data }.message(Ipv6Addr::UNSPECIFIED, target),
        }
    }

    /// That request was sent, or the kernel refused it.
    pub(crate) fn sent(&mut self, now: Duration) {
        self.transmitted += 1;
        self.last = now;
        self.sent.insert(self.transmitted, Sent { at: now, answers: 0 });
        if self.sent.len() > REMEMBERED {
            self.sent.pop_first();
        }
    }

    /// The kernel would not send it.
    pub(crate) fn refused(&mut self) {
        self.errors += 1;
    }

    /// Requests sent, replies that came.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.transmitted, self.received)
    }

    /// Whether everything that was sent is answered, with a reply or an error.
    pub(crate) fn is_settled(&self) -> bool {
        self.received + self.errors >= self.transmitted
    }

    /// Longest time to a reply, if any came.
    pub(crate) fn longest(&self) -> Option<Duration> {
        (self.times.count > 0).then_some(self.times.most)
    }

    /// The last request, when nothing came for it (`-O`).
    pub(crate) fn outstanding(&self) -> Option<String> {
        let last = self.sent.get(&self.transmitted)?;
        (last.answers == 0).then(|| format!("no answer yet for icmp_seq={}", self.transmitted as u16))
    }

    /// A packet of the raw socket, from its IP header on. None if it is none of our business.
    pub(crate) fn received(&mut self, packet: &[u8], now: Duration) -> Option<Line> {
        match self.target {
            IpAddr::V4(_) => self.received_v4(packet, now),
            IpAddr::V6(target) => self.received_v6(packet, target, now),
        }
    }

    /// The kernel has looked at the checksum.
    fn received_v6(&mut self, packet: &[u8], target: Ipv6Addr, now: Duration) -> Option<Line> {
        let (header, payload) = Ipv6::parse(packet).ok()?;
        match Icmpv6::parse(payload).ok()? {
            Icmpv6::Echo { reply: true, id, sequence, data } if id == self.identifier => {
                let valid = data.iter().enumerate().all(|(at, byte)| *byte == at as u8);
                Some(self.reply(header.source.into(), header.hop_limit, sequence, data.len(), valid, now))
            }
            message => {
                let (id, sequence) = icmp::quoted_echo_v6(&message, target)?;
                (id == self.identifier).then(|| self.error(header.source.into(), sequence, true, &icmp::sentence_v6(&message)))
            }
        }
    }

    fn received_v4(&mut self, packet: &[u8], now: Duration) -> Option<Line> {
        let IpAddr::V4(target) = self.target else { return None };
        let (header, payload) = Ipv4::parse(packet).ok()?;
        if header.protocol != protocol::ICMP || header.is_fragment() {
            return None;
        }
        match Icmpv4::parse(payload).ok()? {
            Icmpv4::Echo { reply: true, id, sequence, data } if id == self.identifier => {
                let valid = Icmpv4::checksum_is_valid(payload) && data.iter().enumerate().all(|(at, byte)| *byte == at as u8);
                Some(self.reply(header.source.into(), header.ttl, sequence, data.len(), valid, now))
            }
            message => {
                let (id, sequence) = icmp::quoted_echo(&message, target)?;
                // A redirect is advice: the request went on its way (RFC 1122, section 3.2.2.2).
                let is_end = !matches!(message, Icmpv4::Redirect { .. });
                (id == self.identifier).then(|| self.error(header.source.into(), sequence, is_end, &icmp::sentence(&message)))
            }
        }
    }

    /// Somebody said something of a request: what, and whether that was its end.
    fn error(&mut self, from: IpAddr, sequence: u16, is_end: bool, sentence: &str) -> Line {
        if is_end {
            self.errors += 1;
            let number = self.number(sequence);
            if let Some(sent) = self.sent.get_mut(&number) {
                sent.answers += 1;
            }
        }
        Line { from, start: "From ".to_owned(), rest: format!(" icmp_seq={sequence} {sentence}"), reply: None }
    }

    fn reply(&mut self, from: IpAddr, ttl: u8, sequence: u16, length: usize, valid: bool, now: Duration) -> Line {
        let number = self.number(sequence);
        let mut rest = format!(": icmp_seq={sequence} ttl={ttl}");
        let sent = self.sent.get_mut(&number);
        let mut took = None;
        let again = sent.as_ref().is_some_and(|sent| sent.answers > 0);
        if let Some(sent) = sent {
            sent.answers += 1;
            let time = now.saturating_sub(sent.at);
            self.times.add(time);
            took = Some(time);
            let _ = write!(rest, " time={} ms", milliseconds(time));
        }
        match (valid, again) {
            (false, _) => {
                self.corrupted += 1;
                rest.push_str(" (BAD CHECKSUM!)");
            }
            (true, true) => {
                self.duplicates += 1;
                rest.push_str(" (DUP!)");
            }
            (true, false) => self.received += 1,
        }
        let is_many = self.target.is_multicast() || matches!(self.target, IpAddr::V4(target) if target.is_broadcast());
        if from != self.target && !is_many {
            rest.push_str(" (DIFFERENT ADDRESS!)");
        }
        self.last = now;
        Line { from, start: format!("{} bytes from ", length + Icmpv4::LENGTH), rest, reply: Some(Reply { sequence, ttl, time: took }) }
    }

    /// Which request a sequence number means: they wrap, the latest that fits is meant.
    fn number(&self, sequence: u16) -> u64 {
        let behind = (self.transmitted as u16).wrapping_sub(sequence);
        self.transmitted.saturating_sub(u64::from(behind))
    }

    /// Times, if any reply came.
    pub(crate) fn figures(&self) -> Option<Figures> {
        self.times.figures()
    }

    /// The last lines.
    pub(crate) fn summary(&self, now: Duration) -> String {
        let mut text = format!("\n--- {} ping statistics ---\n{} packets transmitted, {} received", self.host, self.transmitted, self.received);
        for (count, word) in [(self.duplicates, "duplicates"), (self.corrupted, "corrupted"), (self.errors, "errors")] {
            if count > 0 {
                let _ = write!(text, ", +{count} {word}");
            }
        }
        if self.transmitted > 0 {
            let lost = self.transmitted.saturating_sub(self.received) as f64 * 100.0 / self.transmitted as f64;
            let elapsed = if self.received > 0 { self.last } else { now };
            // iputils prints with %g: six significant digits, no zeros at the end.
            let _ = write!(text, ", {}% packet loss, time {}ms", significant(lost), elapsed.as_millis());
        }
        text.push('\n');
        if let Some(Figures { least, average, most, deviation }) = self.figures() {
            let _ = writeln!(text, "rtt min/avg/max/mdev = {least:.3}/{average:.3}/{most:.3}/{deviation:.3} ms");
        }
        text
    }
}

fn significant(number: f64) -> String {
    let digits: usize = if number >= 10.0 { 4 } else { 5 };
    let text = format!("{number:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Three significant digits from a millisecond on, microseconds below, as iputils does.
pub(crate) fn milliseconds(time: Duration) -> String {
    let micros = time.as_micros();
    let (whole, rest) = (micros / 1_000, micros % 1_000);
    match micros {
        100_000.. => format!("{whole}"),
        10_000.. => format!("{whole}.{}", rest / 100),
        1_000.. => format!("{whole}.{:02}", rest / 10),
        _ => format!("{whole}.{rest:03}"),
    }
}

impl Times {
    fn add(&mut self, time: Duration) {
        self.least = if self.count == 0 { time } else { self.least.min(time) };
        self.most = self.most.max(time);
        self.count += 1;
        let milliseconds = time.as_secs_f64() * 1_000.0;
        self.sum += milliseconds;
        self.sum_of_squares += milliseconds * milliseconds;
    }

    fn figures(&self) -> Option<Figures> {
        if self.count == 0 {
            return None;
        }
        let mean = self.sum / self.count as f64;
        let variance = self.sum_of_squares / self.count as f64 - mean * mean;
        let milliseconds = |time: Duration| time.as_secs_f64() * 1_000.0;
        let (least, most) = (milliseconds(self.least), milliseconds(self.most));
        Some(Figures { least, average: mean, most, deviation: variance.max(0.0).sqrt() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::net::Ipv4Addr;

    const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const TARGET: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
    const ID: u16 = 77;

    fn at(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    fn report() -> Report {
        Report::new("db-1", TARGET.into(), None, 16, ID)
    }

    fn answer(request: &[u8], from: Ipv4Addr) -> Vec<u8> {
        let reply = Icmpv4::parse(request).unwrap().echo_reply().unwrap();
        Ipv4 { ttl: 63, ..Ipv4::new(from, ME, protocol::ICMP) }.packet(&reply.message())
    }

    fn error(request: &[u8], from: Ipv4Addr, make: impl Fn(Vec<u8>) -> Icmpv4) -> Vec<u8> {
        let quoted = wire::icmpv4::quote(&Ipv4::new(ME, TARGET, protocol::ICMP).packet(request));
        Ipv4::new(from, ME, protocol::ICMP).packet(&make(quoted).message())
    }

    fn shown(line: Option<Line>) -> String {
        line.map_or("-".to_owned(), |line| line.text(None))
    }

    #[test]
    fn a_run_with_an_answer_an_error_a_duplicate_and_silence() {
        let mut report = report();
        let mut lines = vec![report.header()];
        let requests: Vec<Vec<u8>> = (0..4)
            .map(|second| {
                let request = report.request();
                report.sent(at(second * 1_000_000));
                request
            })
            .collect();
        let unreachable = |quoted| Icmpv4::Unreachable { code: 1, mtu: 0, quoted };
        for (packet, now) in [
            (answer(&requests[0], TARGET), 437),
            (answer(&requests[0], TARGET), 512),
            (error(&requests[1], [10, 0, 0, 254].into(), unreachable), 1_003_000),
            (answer(&requests[2], TARGET), 2_012_345),
            (requests[2].clone(), 2_012_400),
        ] {
            lines.push(shown(report.received(&packet, at(now))));
        }
        lines.push(report.outstanding().unwrap());
        lines.push(report.summary(at(4_000_000)));
        insta::assert_snapshot!(lines.join("\n"));
        assert_eq!((report.counts(), report.is_settled()), ((4, 2), false));
    }

    #[test]
    fn what_others_ping_is_none_of_our_business() {
        let mut report = report();
        let request = Report::new("db-1", TARGET.into(), None, 16, ID + 1).request();
        report.sent(at(0));
        assert_eq!(report.received(&answer(&request, TARGET), at(9)), None);
        let exceeded = |quoted| Icmpv4::TimeExceeded { code: 0, quoted };
        assert_eq!(report.received(&error(&request, ME, exceeded), at(9)), None);
        let own_request_on_loopback = Ipv4::new(TARGET, TARGET, protocol::ICMP).packet(&report.request());
        assert_eq!(report.received(&own_request_on_loopback, at(9)), None);
        assert_eq!(report.received(&[0x45, 0, 0], at(9)), None);
    }

    #[test]
    fn an_answer_from_elsewhere_or_with_other_data_is_marked() {
        let mut report = report();
        let request = report.request();
        report.sent(at(0));
        let elsewhere = shown(report.received(&answer(&request, [10, 0, 0, 8].into()), at(90)));
        assert!(elsewhere.ends_with("time=0.090 ms (DIFFERENT ADDRESS!)"), "{elsewhere}");
        let mut spoilt = answer(&request, TARGET);
        *spoilt.last_mut().unwrap() ^= 1;
        let spoilt = shown(report.received(&spoilt, at(95)));
        assert!(spoilt.ends_with("(BAD CHECKSUM!)"), "{spoilt}");
    }

    #[test]
    fn sequence_numbers_wrap() {
        let mut report = report();
        for number in 0..65_537 {
            report.sent(at(number * 10));
        }
        report.transmitted -= 1;
        let request = report.request();
        report.transmitted += 1;
        let line = shown(report.received(&answer(&request, TARGET), at(655_360 + 123)));
        assert!(line.contains("icmp_seq=1 ttl=63 time=0.123 ms"), "{line}");
        assert!(report.sent.len() <= REMEMBERED);
    }

    #[test]
    fn nothing_came() {
        let mut report = report();
        for second in 0..3 {
            report.sent(at(second * 1_000_000));
        }
        assert_eq!(report.summary(at(12_000_000)), "\n--- db-1 ping statistics ---\n3 packets transmitted, 0 received, 100% packet loss, time 12000ms\n");
        assert_eq!([33.333_333_3, 0.0, 100.0, 6.25].map(significant), ["33.3333", "0", "100", "6.25"]);
    }

    #[test]
    fn times_have_the_digits_of_iputils() {
        for (micros, text) in [(30, "0.030"), (999, "0.999"), (1_234, "1.23"), (12_345, "12.3"), (123_456, "123")] {
            assert_eq!(milliseconds(at(micros)), text);
        }
    }

    #[test]
    fn over_ipv6_requests_are_answered_and_errors_are_told() {
        let (me, target): (Ipv6Addr, Ipv6Addr) = ("2001:db8::1".parse().unwrap(), "2001:db8::9".parse().unwrap());
        let mut report = Report::new("db-1", target.into(), None, 16, ID);
        assert_eq!(report.header(), "PING db-1(2001:db8::9) 16 data bytes");
        let from = |source: Ipv6Addr, message: &Icmpv6| Ipv6 { hop_limit: 63, ..Ipv6::new(source, me, protocol::ICMPV6) }.packet(&message.message(source, me));
        let request = report.request();
        report.sent(Duration::ZERO);
        let Icmpv6::Echo { id, sequence, data, .. } = Icmpv6::parse(&request).unwrap() else { panic!("{request:?}") };
        let line = report.received(&from(target, &Icmpv6::Echo { reply: true, id, sequence, data }), Duration::from_millis(2)).unwrap();
        assert_eq!(line.text(None), "24 bytes from 2001:db8::9: icmp_seq=1 ttl=63 time=2.00 ms");

        let quoted = Ipv6::new(me, target, protocol::ICMPV6).packet(&report.request());
        report.sent(Duration::from_millis(3));
        let router: Ipv6Addr = "2001:db8::ff".parse().unwrap();
        let line = report.received(&from(router, &Icmpv6::PacketTooBig { mtu: 1_500, quoted: quoted.clone() }), Duration::from_millis(4)).unwrap();
        assert_eq!(line.text(None), "From 2001:db8::ff icmp_seq=2 Packet too big: mtu=1500");
        // What is about somebody else's packet is not ours to tell.
        let other = Ipv6::new(me, router, protocol::ICMPV6).packet(&quoted[40..]);
        assert_eq!(report.received(&from(router, &Icmpv6::Unreachable { code: 0, quoted: other }), Duration::from_millis(5)), None);
    }
}
