//! The scenes that come with the program, for its lab. Data.

use super::{End, Talk, What};

const ECHO: What = What::Echo { ttl: 64, size: 56, dont_fragment: false };

const fn echo(ttl: u8) -> What {
    What::Echo { ttl, size: 32, dont_fragment: false }
}

const fn udp(port: u16, is_open: bool) -> What {
    What::Udp { port, ttl: 64, size: 6, is_open }
}

const fn tcp(port: u16, end: End) -> What {
    What::Tcp { port, ttl: 64, talk: Some(Talk { there: 5, back: 7, end }) }
}

const fn closed(port: u16) -> What {
    What::Tcp { port, ttl: 64, talk: None }
}

const fn bulk(port: u16, there: usize, back: usize) -> What {
    What::Tcp { port, ttl: 64, talk: Some(Talk { there, back, end: End::ClientCloses }) }
}

/// A name, and who does what with whom: `NAME` for a host's own address, `NAME!` for its public one, `NAME/6` for that of IPv6.
pub(super) type Written = (&'static str, &'static [(&'static str, &'static str, What)]);

/// Scenes of [`super::LAB`].
pub(super) const SCENES: &[Written] = &[
    ("ARP", &[
        ("web", "10.1.0.1", What::Neighbour),
        ("app", "shut", What::Neighbour),
        ("app", "10.1.1.200", What::Neighbour),
        ("app", "web", What::Neighbour),
    ]),
    ("ping", &[("web", "app", ECHO), ("web", "office", ECHO), ("office", "web!", ECHO), ("app", "db", ECHO)]),
    ("ping through NAT", &[("app", "office", ECHO)]),
    ("ping without an answer", &[("app", "shut", ECHO), ("office", "app", ECHO)]),
    ("TCP, open", &[
        ("web", "app", tcp(80, End::ClientCloses)),
        ("office", "web!", tcp(80, End::ClientCloses)),
        ("web", "office", tcp(443, End::ServerCloses)),
        ("app", "web", tcp(80, End::HalfClose)),
        ("app", "db", tcp(5_432, End::ClientCloses)),
    ]),
    ("TCP, closed", &[("web", "app", closed(81)), ("office", "web!", closed(81)), ("app", "db", closed(81))]),
    ("TCP, filtered", &[("web", "shut", closed(80)), ("office", "app", closed(80))]),
    ("TCP, bulk", &[("web", "app", bulk(80, 100_000, 50_000)), ("office", "web!", bulk(80, 30_000, 60_000))]),
    ("reset", &[
        ("web", "app", tcp(80, End::ClientResets)),
        ("web", "app", tcp(80, End::ServerResets)),
        ("office", "web!", tcp(80, End::ServerResets)),
        ("app", "office", tcp(80, End::ClientResets)),
    ]),
    ("UDP, open", &[("web", "app", udp(5_000, true)), ("office", "web!", udp(5_000, true)), ("app", "db", udp(5_000, true))]),
    ("UDP, closed", &[("web", "app", udp(5_001, false)), ("office", "web!", udp(5_001, false)), ("app", "db", udp(5_001, false))]),
    ("UDP, filtered", &[("web", "shut", udp(5_000, true))]),
    ("NAT", &[
        ("app", "office", tcp(443, End::ClientCloses)),
        ("app", "office", closed(444)),
        ("app", "office", udp(5_000, true)),
        ("app", "office", udp(5_001, false)),
        ("app", "office", bulk(443, 20_000, 40_000)),
    ]),
    ("NAT, from outside", &[("web", "10.1.0.100", closed(80)), ("web", "10.1.0.100", udp(5_000, true)), ("web", "10.1.0.100", ECHO)]),
    ("traceroute by ICMP", &[("app", "office", echo(1)), ("app", "office", echo(2)), ("app", "db", echo(1)), ("app", "db", echo(2)), ("web", "office", echo(1))]),
    ("traceroute by UDP", &[
        ("app", "office", What::Udp { port: 33_434, ttl: 1, size: 32, is_open: false }),
        ("app", "office", What::Udp { port: 33_435, ttl: 2, size: 32, is_open: false }),
        ("app", "db", What::Udp { port: 33_434, ttl: 1, size: 32, is_open: false }),
        ("app", "db", What::Udp { port: 33_435, ttl: 2, size: 32, is_open: false }),
    ]),
    ("traceroute by TCP", &[
        ("app", "office", What::Tcp { port: 80, ttl: 1, talk: None }),
        ("app", "office", What::Tcp { port: 80, ttl: 2, talk: None }),
        ("app", "db", What::Tcp { port: 80, ttl: 1, talk: None }),
        ("app", "db", What::Tcp { port: 80, ttl: 2, talk: None }),
    ]),
    ("DNS", &[
        ("web", "10.1.0.2", What::Dns("ip-10-1-1-10.ap-northeast-2.compute.internal", "A")),
        ("app", "169.254.169.253", What::Dns("ip-10-1-1-10.ap-northeast-2.compute.internal", "A")),
        ("web", "10.1.0.2", What::Dns("nowhere.ap-northeast-2.compute.internal", "A")),
    ]),
    ("path-MTU discovery", &[
        ("web", "app", What::Echo { ttl: 64, size: 4_000, dont_fragment: true }),
        ("web", "office", What::Echo { ttl: 64, size: 2_000, dont_fragment: true }),
        ("app", "office", What::Echo { ttl: 64, size: 2_000, dont_fragment: true }),
        ("web", "office", What::Echo { ttl: 64, size: 1_472, dont_fragment: true }),
    ]),
    ("fragments", &[("web", "app", What::Udp { port: 5_000, ttl: 64, size: 20_000, is_open: true })]),
    ("no question of DNS", &[
        ("web", "10.1.0.2", udp(53, true)),
        ("web", "169.254.169.253", What::Udp { port: 53, ttl: 64, size: 12, is_open: true }),
        ("app", "10.1.0.2", What::Udp { port: 53, ttl: 64, size: 40, is_open: true }),
        ("app", "8.8.8.8", What::Udp { port: 53, ttl: 64, size: 40, is_open: true }),
    ]),
    ("gateway endpoint", &[
        ("web", "store", tcp(443, End::ClientCloses)),
        ("web", "store", closed(81)),
        ("web", "store", ECHO),
        ("web", "store", udp(5_000, true)),
        ("store", "web!", tcp(80, End::ClientCloses)),
        ("store", "web!", closed(81)),
        ("store", "web!", ECHO),
    ]),
    ("neighbour discovery", &[
        ("web", "2001:db8:a:1::1", What::Neighbour),
        ("web", "fe80::1", What::Neighbour),
        ("app", "shut/6", What::Neighbour),
        ("app", "2001:db8:a:2::200", What::Neighbour),
        ("app", "web/6", What::Neighbour),
    ]),
    ("ping over IPv6", &[
        ("web", "app/6", ECHO),
        ("web", "six", ECHO),
        ("six", "web/6", ECHO),
        ("app", "db/6", ECHO),
        ("app", "six", ECHO),
    ]),
    ("ping over IPv6 without an answer", &[("app", "shut/6", ECHO), ("six", "app/6", ECHO), ("db", "six", ECHO)]),
    ("TCP over IPv6", &[
        ("web", "app/6", tcp(80, End::ClientCloses)),
        ("six", "web/6", tcp(80, End::ClientCloses)),
        ("web", "six", tcp(443, End::ServerCloses)),
        ("app", "web/6", tcp(80, End::HalfClose)),
        ("app", "db/6", tcp(5_432, End::ClientCloses)),
        ("app", "six", tcp(443, End::ClientResets)),
        ("web", "app/6", closed(81)),
        ("six", "web/6", closed(81)),
        ("app", "db/6", closed(81)),
        ("app", "six", closed(444)),
        ("web", "shut/6", closed(80)),
        ("six", "app/6", closed(80)),
        ("web", "app/6", bulk(80, 100_000, 50_000)),
        ("six", "web/6", bulk(80, 30_000, 60_000)),
    ]),
    ("UDP over IPv6", &[
        ("web", "app/6", udp(5_000, true)),
        ("six", "web/6", udp(5_000, true)),
        ("app", "db/6", udp(5_000, true)),
        ("app", "six", udp(5_000, true)),
        ("web", "app/6", udp(5_001, false)),
        ("six", "web/6", udp(5_001, false)),
        ("app", "db/6", udp(5_001, false)),
        ("web", "shut/6", udp(5_000, true)),
    ]),
    ("traceroute over IPv6", &[
        ("app", "db/6", echo(1)),
        ("app", "db/6", echo(2)),
        ("app", "six", echo(1)),
        ("app", "db/6", What::Udp { port: 33_434, ttl: 1, size: 32, is_open: false }),
        ("app", "db/6", What::Udp { port: 33_435, ttl: 2, size: 32, is_open: false }),
        ("app", "db/6", What::Tcp { port: 80, ttl: 1, talk: None }),
        ("app", "db/6", What::Tcp { port: 80, ttl: 2, talk: None }),
    ]),
    ("DNS of IPv6", &[
        ("web", "10.1.0.2", What::Dns("app.ap-northeast-2.compute.internal", "AAAA")),
        ("app", "fd00:ec2::253", What::Dns("app.ap-northeast-2.compute.internal", "AAAA")),
        ("app", "fd00:ec2::253", What::Dns("ip-10-1-1-10.ap-northeast-2.compute.internal", "A")),
        ("app", "fd00:ec2::253", What::Dns("nowhere.ap-northeast-2.compute.internal", "AAAA")),
        ("app", "fd00:ec2::253", What::Udp { port: 53, ttl: 64, size: 40, is_open: true }),
    ]),
    ("Packet Too Big", &[
        ("web", "app/6", What::Echo { ttl: 64, size: 4_000, dont_fragment: true }),
        ("web", "six", What::Echo { ttl: 64, size: 2_000, dont_fragment: true }),
        ("app", "six", What::Echo { ttl: 64, size: 2_000, dont_fragment: true }),
        ("web", "six", What::Echo { ttl: 64, size: 1_452, dont_fragment: true }),
    ]),
    ("fragments of IPv6", &[("web", "app/6", What::Udp { port: 5_000, ttl: 64, size: 20_000, is_open: true })]),
];
