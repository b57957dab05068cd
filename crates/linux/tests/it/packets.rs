//! Plans on a real kernel: what a packet meets on its way, asked with real sockets. Ids are those of
//! `conformance/scenarios.md` and of the semantics reference.

use model::InstanceState;

use crate::support::icmp::Echo;
use crate::support::{self, Lab, Seen, World, in_own_namespaces, tcp};

const WEB1: &str = "10.0.0.10";
const WEB1_PUBLIC: &str = "198.51.100.10";
const APP1: &str = "10.0.10.10";
const DB1: &str = "10.0.20.10";
const INET2: &str = "192.0.2.77";

#[test]
fn three_tiers_as_built() {
    in_own_namespaces("packets::three_tiers_as_built", || {
        let mut lab = Lab::of(&World::t3());
        let lab = &mut lab;
        // SC-001 … SC-010
        assert_eq!(tcp(lab, "internet", INET2, WEB1_PUBLIC, 443, "web1"), "192.0.2.77 > 10.0.0.10");
        assert_eq!(tcp(lab, "internet", INET2, WEB1_PUBLIC, 22, "web1"), "Silence sg-in");
        assert_eq!(tcp(lab, "internet", "203.0.113.50", "198.51.100.90", 22, "bastion"), "203.0.113.50 > 10.0.90.10");
        assert_eq!(tcp(lab, "internet", INET2, "198.51.100.90", 22, "bastion"), "Silence sg-in");
        assert_eq!(tcp(lab, "bastion", "10.0.90.10", APP1, 22, "app1"), "10.0.90.10 > 10.0.10.10");
        assert_eq!(tcp(lab, "bastion", "10.0.90.10", APP1, 8080, "app1"), "Silence sg-in");
        assert_eq!(tcp(lab, "web1", WEB1, APP1, 8080, "app1"), "10.0.0.10 > 10.0.10.10");
        assert_eq!(tcp(lab, "web1", WEB1, DB1, 5432, "db1"), "Silence sg-in");
        assert_eq!(tcp(lab, "app1", APP1, DB1, 5432, "db1"), "10.0.10.10 > 10.0.20.10");
        assert_eq!(tcp(lab, "db1", DB1, APP1, 8080, "app1"), "Silence sg-in");
    });
}

#[test]
fn ways_out_and_none() {
    in_own_namespaces("packets::ways_out_and_none", || {
        let mut lab = Lab::of(&World::t3());
        let lab = &mut lab;
        // SC-011, SC-012
        assert_eq!(tcp(lab, "app1", APP1, INET2, 443, "internet"), "198.51.100.20 > 192.0.2.77");
        assert!(lab.udp("app1", APP1, INET2, 5000, "internet").is_open());
        assert!(lab.pings("app1", APP1, INET2));
        // SC-013 … SC-019
        assert_eq!(tcp(lab, "internet", INET2, "198.51.100.20", 443, "web1"), "Silence nat-inbound");
        assert!(!lab.pings("internet", INET2, "198.51.100.20"));
        assert!(!lab.pings("app1", APP1, "10.0.0.200"));
        lab.drops();
        assert_eq!(tcp(lab, "db1", DB1, INET2, 443, "internet"), "Silence no-route");
        assert_eq!(tcp(lab, "web2", "10.0.0.11", INET2, 443, "internet"), "Silence igw-no-public");
        assert_eq!(tcp(lab, "app1", APP1, "10.0.0.11", 80, "web2"), "10.0.10.10 > 10.0.0.11");
        // SC-021: out and in again
        assert_eq!(tcp(lab, "app1", APP1, WEB1_PUBLIC, 443, "web1"), "198.51.100.20 > 10.0.0.10");
        // SC-075
        assert_eq!(tcp(lab, "app1", APP1, "10.0.20.99", 5432, "db1"), "Silence fabric");
        assert_eq!(tcp(lab, "app1", APP1, "10.0.77.1", 80, "db1"), "Silence fabric");
        // the internet has nobody there
        assert_eq!(tcp(lab, "web1", WEB1, "192.0.2.78", 80, "internet"), "Silence internet");
    });
}

#[test]
fn pings_and_their_sizes() {
    in_own_namespaces("packets::pings_and_their_sizes", || {
        let mut world = World::t3();
        world.allow_in("db", "icmp 10.0.0.0/16");
        world.allow_in("web", "icmp 8 0.0.0.0/0");
        let mut lab = Lab::of(&world);
        // SC-115: the fabric is no hop
        let once = lab.echo("app1", APP1, DB1, Echo { ttl: 1, ..Echo::default() }).expect("reply");
        assert_eq!((once.kind, once.ttl, once.checksums_hold), (0, 64, true));
        // SC-117
        let jumbo = Echo { size: 8973, dont_fragment: true, ..Echo::default() };
        assert_eq!(lab.echo("app1", APP1, DB1, jumbo).map(|a| a.kind), Some(0));
        lab.drops();
        let needed = lab.echo("web1", WEB1, INET2, Echo { size: 1473, dont_fragment: true, ..Echo::default() }).expect("error");
        assert_eq!((needed.kind, needed.code, needed.mtu), (3, 4, 1500));
        assert_eq!(needed.source.to_string(), "10.0.0.1");
        assert!(needed.checksums_hold);
        let fits = lab.echo("web1", WEB1, INET2, Echo { size: 1472, dont_fragment: true, ..Echo::default() });
        assert_eq!(fits.map(|a| a.kind), Some(0));
        let cut = lab.echo("web1", WEB1, INET2, Echo { size: 4000, ..Echo::default() });
        assert_eq!(cut.map(|a| a.kind), Some(0), "without DF it is fragmented (IGW-8)");
        // SC-034: the type is matched exactly
        assert!(lab.pings("internet", INET2, WEB1_PUBLIC));
        // L2-5: what a host outside receives has lost nothing on its way, and won nothing.
        assert_eq!(lab.echo("internet", INET2, WEB1_PUBLIC, Echo::default()).map(|a| a.ttl), Some(64));
        assert_eq!(lab.echo("internet", INET2, WEB1_PUBLIC, Echo { kind: 13, size: 12, ..Echo::default() }), None);
        assert_eq!(lab.why(), ["sg-in"]);
        // SC-116: the NAT gateway is a hop
        let hop = lab.echo("app1", APP1, INET2, Echo { ttl: 1, ..Echo::default() }).expect("time exceeded");
        assert_eq!((hop.kind, hop.source.to_string().as_str()), (11, "10.0.0.200"));
        assert_eq!(lab.echo("app1", APP1, INET2, Echo { ttl: 2, ..Echo::default() }).map(|a| a.kind), Some(0));
        // NAT-14
        assert_eq!(lab.echo("app1", APP1, INET2, Echo { size: 10_000, ..Echo::default() }), None);
        assert_eq!(lab.why(), ["nat-fragment"]);
    });
}

#[test]
fn closed_ports_and_protocols() {
    in_own_namespaces("packets::closed_ports_and_protocols", || {
        let mut world = World::t3();
        // SC-031: -1 ignores ports
        world.allow_in("app", "all sg-web");
        let mut lab = Lab::of(&world);
        assert!(lab.udp("web1", WEB1, APP1, 9999, "app1").is_open());
        // SC-023: the guest's own reset comes through
        let seen = lab.namespace("web1").enter(|| std::net::TcpStream::connect((APP1, 8081)).map(|_| ()));
        assert_eq!(seen.map_err(|e| e.kind()), Err(std::io::ErrorKind::ConnectionRefused));
        // SC-043
        assert_eq!(lab.udp("internet", INET2, WEB1_PUBLIC, 5000, "web1"), Seen::Silence);
        assert_eq!(lab.why(), ["sg-in"]);
        // The port unreachable of a closed UDP port is about a tracked flow (SG-22), through two translations.
        let refused = lab.namespace("app1").enter(|| {
            let socket = std::net::UdpSocket::bind((APP1, 0)).expect("bind");
            socket.connect((INET2, 4999)).expect("connect");
            socket.send(b"x").expect("send");
            socket.set_read_timeout(Some(support::PATIENCE)).expect("timeout");
            socket.recv(&mut [0; 8]).map_err(|e| e.kind())
        });
        assert_eq!(refused, Err(std::io::ErrorKind::ConnectionRefused), "drops: {:?}", lab.why());
        let refused = lab.namespace("internet").enter(|| {
            let socket = std::net::UdpSocket::bind((INET2, 0)).expect("bind");
            socket.connect((WEB1_PUBLIC, 4999)).expect("connect");
            socket.send(b"x").expect("send");
            socket.set_read_timeout(Some(support::SILENCE)).expect("timeout");
            socket.recv(&mut [0; 8]).map_err(|e| e.kind())
        });
        assert_eq!(refused, Err(std::io::ErrorKind::WouldBlock), "sg-web admits no UDP");
    });
}

#[test]
fn icmp_errors_are_translated_inside() {
    in_own_namespaces("packets::icmp_errors_are_translated_inside", || {
        let mut world = World::t3();
        world.allow_in("web", "udp 4999 203.0.113.0/24");
        let mut lab = Lab::of(&world);
        lab.drops();
        let refused = lab.namespace("internet").enter(|| {
            let socket = std::net::UdpSocket::bind(("203.0.113.50", 0)).expect("bind");
            socket.connect((WEB1_PUBLIC, 4999)).expect("connect");
            socket.send(b"x").expect("send");
            socket.set_read_timeout(Some(support::PATIENCE)).expect("timeout");
            socket.recv(&mut [0; 8]).map_err(|e| e.kind())
        });
        assert_eq!(refused, Err(std::io::ErrorKind::ConnectionRefused), "drops: {:?}", lab.why());
    });
}

#[test]
fn groups_keep_state_of_tracked_flows_only() {
    in_own_namespaces("packets::groups_keep_state_of_tracked_flows_only", || {
        let mut world = World::t3();
        let mut lab = Lab::of(&world);
        // SC-056: tracked, because the rule names a group
        let (_, kept) = lab.connect("web1", WEB1, 0, APP1, 8080, "app1");
        let mut tracked = kept.expect("open");
        // SC-057: untracked, because anybody may come in and everything may go out
        let (_, kept) = lab.connect("internet", INET2, 0, WEB1_PUBLIC, 443, "web1");
        let mut untracked = kept.expect("open");
        world.revoke_in("app", "tcp 8080 sg-web");
        world.revoke_in("web", "tcp 443 0.0.0.0/0");
        lab.apply(&world.model);
        lab.drops();
        assert!(tracked.client_says() && tracked.server_says());
        assert_eq!(lab.drops(), Vec::<String>::new());
        assert!(untracked.client_is_cut());
        assert_eq!(lab.why(), ["sg-in"]);
        assert_eq!(tcp(&mut lab, "web1", WEB1, APP1, 8080, "app1"), "Silence sg-in");
        // A later rule lets the untracked flow on, and does not change its class.
        world.allow_in("web", "tcp 443 192.0.2.0/24");
        lab.apply(&world.model);
        assert!(untracked.client_says());
        world.revoke_in("web", "tcp 443 192.0.2.0/24");
        lab.apply(&world.model);
        lab.drops();
        assert!(untracked.client_is_cut());
        drop(untracked);
        // SC-059: other groups
        world.group("empty", "a", &[]);
        world.groups("app1", &["empty"]);
        lab.apply(&world.model);
        assert!(tracked.client_says() && tracked.server_says());
        // The end of the cut connection is still being told, again and again.
        lab.drops();
        assert_eq!(lab.connect("web1", WEB1, 0, APP1, 8080, "app1").0, Seen::Silence);
        assert!(lab.drops().contains(&"sg-in-empty".to_owned()));
    });
}

#[test]
fn replies_need_no_rule() {
    in_own_namespaces("packets::replies_need_no_rule", || {
        let mut world = World::t3();
        world.clear_out("web");
        let mut lab = Lab::of(&world);
        // SC-024, SC-025
        assert_eq!(tcp(&mut lab, "internet", INET2, WEB1_PUBLIC, 443, "web1"), "192.0.2.77 > 10.0.0.10");
        assert_eq!(tcp(&mut lab, "web1", WEB1, INET2, 443, "internet"), "Silence sg-out-empty");
        // SC-026
        world.clear_out("app");
        world.allow_out("app", "tcp 5432 sg-db");
        lab.apply(&world.model);
        assert_eq!(tcp(&mut lab, "app1", APP1, DB1, 5432, "db1"), "10.0.10.10 > 10.0.20.10");
        assert_eq!(tcp(&mut lab, "app1", APP1, INET2, 443, "internet"), "Silence sg-out");
        // SC-060
        let (_, kept) = lab.connect("app1", APP1, 0, DB1, 5432, "db1");
        let mut kept = kept.expect("open");
        world.clear_out("db");
        lab.apply(&world.model);
        assert!(kept.server_says() && kept.client_says());
    });
}

#[test]
fn references_mean_private_addresses_of_members() {
    in_own_namespaces("packets::references_mean_private_addresses_of_members", || {
        let mut world = World::t3();
        let mut lab = Lab::of(&world);
        // SC-038
        assert_eq!(tcp(&mut lab, "bastion", "10.0.90.10", WEB1, 22, "web1"), "10.0.90.10 > 10.0.0.10");
        assert_eq!(tcp(&mut lab, "bastion", "10.0.90.10", WEB1_PUBLIC, 22, "web1"), "Silence sg-in");
        // SC-039
        world.eni("web1").private_ip_addresses.push("10.0.0.15".parse().expect("address"));
        lab.apply(&world.model);
        assert_eq!(tcp(&mut lab, "web1", "10.0.0.15", APP1, 8080, "app1"), "10.0.0.15 > 10.0.10.10");
        // SC-040
        world.groups("app1", &["web"]);
        lab.apply(&world.model);
        assert_eq!(tcp(&mut lab, "app1", APP1, DB1, 5432, "db1"), "Silence sg-in");
    });
}

#[test]
fn lists_keep_no_state_and_end_at_the_border() {
    in_own_namespaces("packets::lists_keep_no_state_and_end_at_the_border", || {
        let mut world = World::t3();
        world.allow_in("app", "tcp 8080 sg-app");
        world.acl("app", "app-a");
        let mut lab = Lab::of(&world);
        let lab = &mut lab;
        // SC-044, SC-049
        assert_eq!(tcp(lab, "bastion", "10.0.90.10", APP1, 22, "app1"), "Silence acl-in");
        assert_eq!(tcp(lab, "app1", APP1, "10.0.10.11", 8080, "app2"), "10.0.10.10 > 10.0.10.11");
        // Inside the subnet, an address that nobody has never gets to the list.
        assert_eq!(tcp(lab, "app1", APP1, "10.0.10.99", 8080, "app2"), "Silence fabric");
        // SC-045
        world.entry("app", "in 100 allow tcp 8080 10.0.0.0/24");
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "web1", WEB1, APP1, 8080, "app1"), "Silence acl-out");
        // SC-046
        world.entry("app", "out 100 allow tcp 32768-65535 10.0.0.0/24");
        lab.apply(&world.model);
        lab.drops();
        assert!(lab.connect("web1", WEB1, 40000, APP1, 8080, "app1").0.is_open());
        assert_eq!(lab.connect("web1", WEB1, 1025, APP1, 8080, "app1").0, Seen::Silence);
        assert_eq!(lab.why(), ["acl-out"]);
        // SC-058: a deny cuts a tracked connection
        let (_, kept) = lab.connect("web1", WEB1, 0, APP1, 8080, "app1");
        let mut kept = kept.expect("open");
        world.entry("app", "in 50 deny tcp 8080 10.0.0.10/32");
        lab.apply(&world.model);
        lab.drops();
        assert!(kept.client_is_cut());
        assert_eq!(lab.why(), ["acl-in"]);
    });
}

#[test]
fn lists_around_a_nat_gateway() {
    in_own_namespaces("packets::lists_around_a_nat_gateway", || {
        let mut world = World::t3();
        // SC-051: the packet enters the NAT gateway's subnet with its own header
        world.acl("pub", "pub-a");
        world.entry("pub", "in 100 allow tcp 443 0.0.0.0/0");
        world.entry("pub", "in 110 allow tcp 1024-65535 0.0.0.0/0");
        world.entry("pub", "out 90 deny all 198.51.100.0/24");
        world.entry("pub", "out 100 allow all 0.0.0.0/0");
        let mut lab = Lab::of(&world);
        let lab = &mut lab;
        assert_eq!(tcp(lab, "app1", APP1, INET2, 443, "internet"), "198.51.100.20 > 192.0.2.77");
        assert_eq!(tcp(lab, "app1", APP1, INET2, 80, "internet"), "Silence acl-in");
        // SC-053: no list sees a public address of the VPC
        assert_eq!(tcp(lab, "internet", INET2, WEB1_PUBLIC, 443, "web1"), "192.0.2.77 > 10.0.0.10");
        // SC-050: the answer keeps the internet's address
        world.acl("app", "app-a");
        world.entry("app", "in 100 allow all 10.0.0.0/16");
        world.entry("app", "out 100 allow all 0.0.0.0/0");
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "app1", APP1, INET2, 443, "internet"), "Silence acl-in");
    });
}

#[test]
fn routes_decide_and_blackholes_swallow() {
    in_own_namespaces("packets::routes_decide_and_blackholes_swallow", || {
        let mut world = World::t3();
        // SC-063
        world.route("app", "192.0.2.0/24", "igw-a");
        let mut lab = Lab::of(&world);
        let lab = &mut lab;
        assert_eq!(tcp(lab, "app1", APP1, INET2, 443, "internet"), "Silence igw-no-public");
        assert_eq!(tcp(lab, "app1", APP1, "203.0.113.50", 443, "internet"), "198.51.100.20 > 203.0.113.50");
        world.unroute("app", "192.0.2.0/24");
        // SC-064
        world.route("app", "0.0.0.0/0", "nat-gone");
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "app1", APP1, INET2, 443, "internet"), "Silence blackhole");
        // SC-069, SC-068
        world.route("app", "0.0.0.0/0", "nat-a");
        world.eip("198.51.100.30", "app1", APP1);
        world.allow_in("app", "tcp 22 0.0.0.0/0");
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "app1", APP1, INET2, 443, "internet"), "198.51.100.20 > 192.0.2.77");
        assert_eq!(tcp(lab, "internet", INET2, "198.51.100.30", 22, "app1"), "Silence nat-no-entry");
        // SC-067
        world.eip("198.51.100.31", "db1", DB1);
        world.allow_in("db", "tcp 22 0.0.0.0/0");
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "internet", INET2, "198.51.100.31", 22, "db1"), "Silence no-route");
        // RT-8
        assert_eq!(tcp(lab, "web1", WEB1, "169.254.170.2", 80, "internet"), "Silence no-route");
        // SC-106
        world.unroute("pub", "0.0.0.0/0");
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "app1", APP1, INET2, 443, "internet"), "Silence no-route");
    });
}

#[test]
fn an_appliance_between_two_subnets() {
    in_own_namespaces("packets::an_appliance_between_two_subnets", || {
        let mut world = World::mb();
        let mut lab = Lab::of(&world);
        let lab = &mut lab;
        // SC-076
        assert_eq!(tcp(lab, "cli", "10.3.1.10", "10.3.3.10", 80, "srv"), "10.3.1.10 > 10.3.3.10");
        let through = forwarded(lab, "fw");
        assert!(through > 0, "the appliance saw packets");
        // SC-077
        world.check("fw", true);
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "cli", "10.3.1.10", "10.3.3.10", 80, "srv"), "Silence check-in");
        // SC-078: the answer goes past it
        world.check("fw", false);
        world.unroute("srv", "10.3.1.0/24");
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "cli", "10.3.1.10", "10.3.3.10", 80, "srv"), "10.3.1.10 > 10.3.3.10");
        // SC-079: only the answer goes through it
        world.route("srv", "10.3.1.0/24", "eni-fw");
        world.unroute("cli", "10.3.3.0/24");
        world.revoke_in("fw", "all 10.3.0.0/16");
        world.allow_in("fw", "tcp 80 10.3.1.0/24");
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "cli", "10.3.1.10", "10.3.3.10", 80, "srv"), "Silence sg-in");
    });
}

/// Packets that a guest has forwarded.
fn forwarded(lab: &mut Lab, place: &str) -> u64 {
    let text = lab.namespace(place).enter(|| std::fs::read_to_string("/proc/thread-self/net/snmp").expect("snmp"));
    let mut lines = text.lines().filter(|line| line.starts_with("Ip: "));
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let at = names.split(' ').position(|name| name == "ForwDatagrams").expect("column");
    values.split(' ').nth(at).and_then(|value| value.parse().ok()).expect("number")
}

#[test]
fn references_are_lost_behind_an_appliance() {
    in_own_namespaces("packets::references_are_lost_behind_an_appliance", || {
        let mut world = World::mb();
        world.allow_in("srv", "tcp 81 sg-cli");
        world.allow_in("srv", "tcp 82 sg-fw");
        let mut lab = Lab::of(&world);
        let lab = &mut lab;
        // SG-12: the packet comes from fw, whose address it does not carry.
        assert_eq!(tcp(lab, "cli", "10.3.1.10", "10.3.3.10", 81, "srv"), "Silence sg-in");
        // What fw sends itself is a member's.
        assert_eq!(tcp(lab, "fw", "10.3.2.10", "10.3.3.10", 82, "srv"), "10.3.2.10 > 10.3.3.10");
        // Towards a group, past an appliance: the next hop is no member.
        world.clear_out("cli");
        world.allow_out("cli", "tcp 80 sg-srv");
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "cli", "10.3.1.10", "10.3.3.10", 80, "srv"), "Silence sg-out");
        world.unroute("cli", "10.3.3.0/24");
        world.unroute("srv", "10.3.1.0/24");
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "cli", "10.3.1.10", "10.3.3.10", 81, "srv"), "Silence sg-out");
        assert_eq!(tcp(lab, "cli", "10.3.1.10", "10.3.3.10", 80, "srv"), "10.3.1.10 > 10.3.3.10");
    });
}

#[test]
fn a_nat_instance() {
    in_own_namespaces("packets::a_nat_instance", || {
        let mut world = World::t3();
        world.group("nat", "a", &["all 10.0.0.0/16"]);
        world.instance("natinst", "pub-a", "10.0.0.60", "nat");
        world.eip("198.51.100.60", "natinst", "10.0.0.60");
        world.masquerade("natinst");
        world.route("app", "0.0.0.0/0", "eni-natinst");
        let mut lab = Lab::of(&world);
        let lab = &mut lab;
        // SC-080
        assert_eq!(tcp(lab, "app1", APP1, INET2, 443, "internet"), "Silence check-in");
        world.check("natinst", false);
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "app1", APP1, INET2, 443, "internet"), "198.51.100.60 > 192.0.2.77");
        assert!(lab.pings("app1", APP1, INET2));
        // SC-081
        world.revoke_in("nat", "all 10.0.0.0/16");
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "app1", APP1, INET2, 444, "internet"), "Silence sg-in-empty");
        // SC-082
        world.state("natinst", InstanceState::Stopped);
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "app1", APP1, INET2, 443, "internet"), "Silence blackhole");
    });
}

#[test]
fn inspection_by_a_gateway_route_table() {
    in_own_namespaces("packets::inspection_by_a_gateway_route_table", || {
        // SC-083
        let mut world = World::t3();
        world.group("appl", "a", &["all 0.0.0.0/0"]);
        world.table("appl", "a");
        world.route("appl", "0.0.0.0/0", "igw-a");
        world.subnet("insp-a", "a", "10.0.95.0/24", "appl");
        world.instance("appl", "insp-a", "10.0.95.10", "appl");
        world.eip("198.51.100.95", "appl", "10.0.95.10");
        world.check("appl", false);
        world.forward("appl");
        world.table("edge", "a");
        world.route("edge", "10.0.0.0/24", "eni-appl");
        world.edge("edge", "a");
        world.route("pub", "0.0.0.0/0", "eni-appl");
        let mut lab = Lab::of(&world);
        let lab = &mut lab;
        let (seen, kept) = lab.connect("internet", INET2, 40_000, WEB1_PUBLIC, 443, "web1");
        let expected = Seen::Open { source: INET2.into(), port: 40_000, destination: WEB1.into() };
        assert_eq!(seen, expected, "drops: {:?}", lab.why());
        assert!(forwarded(lab, "appl") >= 4);
        drop(kept);
        assert_eq!(tcp(lab, "internet", INET2, "198.51.100.95", 9, "appl"), "192.0.2.77 > 10.0.95.10");
    });
}

#[test]
fn peerings() {
    in_own_namespaces("packets::peerings", || {
        let mut world = World::p2();
        let mut lab = Lab::of(&world);
        let lab = &mut lab;
        // SC-086 … SC-090
        assert_eq!(tcp(lab, "app1", APP1, "10.1.0.10", 22, "bhost"), "10.0.10.10 > 10.1.0.10");
        assert_eq!(tcp(lab, "web1", WEB1, "10.1.0.10", 22, "bhost"), "Silence igw-dst-1918");
        world.route("app", "10.2.0.0/16", "pcx-ab");
        world.route("b", "0.0.0.0/0", "pcx-ab");
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "app1", APP1, "10.2.0.10", 22, "chost"), "Silence pcx");
        assert_eq!(tcp(lab, "bhost", "10.1.0.10", INET2, 443, "internet"), "Silence pcx");
        // SC-091
        world.revoke_in("b", "all 10.0.0.0/8");
        world.allow_in("b", "tcp 22 sg-app");
        world.groups("app2", &["web"]);
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "app1", APP1, "10.1.0.10", 22, "bhost"), "10.0.10.10 > 10.1.0.10");
        assert_eq!(tcp(lab, "app2", "10.0.10.11", "10.1.0.10", 22, "bhost"), "Silence sg-in");
        // SC-087
        world.unroute("b", "10.0.0.0/16");
        world.unroute("b", "0.0.0.0/0");
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "app1", APP1, "10.1.0.10", 22, "bhost"), "Silence no-route");
        // SC-092
        let pcx = "pcx-ab".parse().expect("id");
        world.model.vpc_peering_connections.get_mut(&pcx).expect("peering").status = model::peering::PeeringStatus::PendingAcceptance;
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "app1", APP1, "10.1.0.10", 22, "bhost"), "Silence blackhole");
    });
}

#[test]
fn public_addresses_move_at_once() {
    in_own_namespaces("packets::public_addresses_move_at_once", || {
        let mut world = World::t3();
        let mut lab = Lab::of(&world);
        let lab = &mut lab;
        let (_, kept) = lab.connect("internet", INET2, 0, WEB1_PUBLIC, 443, "web1");
        let mut kept = kept.expect("open");
        // SC-095, EIP-10
        world.eip(WEB1_PUBLIC, "web2", "10.0.0.11");
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "internet", INET2, WEB1_PUBLIC, 443, "web2"), "192.0.2.77 > 10.0.0.11");
        assert!(kept.client_is_cut());
        assert_eq!(tcp(lab, "web1", WEB1, INET2, 443, "internet"), "Silence igw-no-public");
        // SC-098: nobody receives at a stopped instance
        world.state("web2", InstanceState::Stopped);
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "internet", INET2, WEB1_PUBLIC, 443, "web2"), "Silence eni");
        world.state("web2", InstanceState::Running);
        lab.apply(&world.model);
        assert_eq!(tcp(lab, "internet", INET2, WEB1_PUBLIC, 443, "web2"), "192.0.2.77 > 10.0.0.11");
    });
}

#[test]
fn two_vpcs_with_the_same_addresses_meet_in_public_only() {
    in_own_namespaces("packets::two_vpcs_with_the_same_addresses_meet_in_public_only", || {
        let mut world = World::t3();
        world.vpc("z", "10.0.0.0/16");
        world.igw("z", "z");
        world.table("z", "z");
        world.subnet("z", "z", "10.0.0.0/24", "z");
        world.route("z", "0.0.0.0/0", "igw-z");
        world.group("z", "z", &["tcp 443 0.0.0.0/0"]);
        world.instance("twin", "z", WEB1, "z");
        world.eip("198.51.100.99", "twin", WEB1);
        let mut lab = Lab::of(&world);
        let lab = &mut lab;
        assert_eq!(tcp(lab, "twin", WEB1, WEB1_PUBLIC, 443, "web1"), "198.51.100.99 > 10.0.0.10");
        assert_eq!(tcp(lab, "web1", WEB1, "198.51.100.99", 443, "twin"), "198.51.100.10 > 10.0.0.10");
        assert_eq!(tcp(lab, "twin", WEB1, APP1, 8080, "app1"), "Silence fabric");
        // IGW-7: to its own public address, out and in again
        assert_eq!(tcp(lab, "web1", WEB1, WEB1_PUBLIC, 443, "web1"), "198.51.100.10 > 10.0.0.10");
    });
}
