//! The walker's memory and its ways: what flows live on, what NAT keeps, which interface a guest answers by.

use fabric::engine::{Engine, GuestCommand, PacketProbe, Probe, Side};
use model::InstanceState;

use crate::support::{Bench, World, sender};

const DENIED: &str = "forward sg-in:web1 ENI_SG_RULES_MISMATCH";

fn icmp_error(bench: &mut Bench, from: &str, to: &str, connection: &str) -> String {
    let from = sender(&bench.fabric, from);
    let to = to.parse().unwrap();
    let (icmp_type, code, side) = (3, 4, Side::Server);
    bench.carry_out(Probe::IcmpError { from, to, icmp_type, code, connection: connection.into(), side })
}

#[test]
fn tracked_flows_outlive_their_rule_and_untracked_ones_do_not() {
    // SG-18
    let mut bench = Bench::of(World::t3());
    assert_eq!(bench.open("tracked", "web1", "10.0.10.10", "tcp 8080"), "10.0.0.10 > 10.0.10.10");
    assert_eq!(bench.open("untracked", "inet2", "198.51.100.10", "tcp 443"), "192.0.2.77 > 10.0.0.10");
    bench.change(|w| {
        w.revoke_in("app", "tcp 8080 sg-web");
        w.revoke_in("web", "tcp 443 0.0.0.0/0");
    });
    assert_eq!(bench.say("tracked", Side::Client), "10.0.0.10 > 10.0.10.10");
    assert_eq!(bench.say("tracked", Side::Server), "10.0.10.10 > 10.0.0.10");
    assert_eq!(bench.say("untracked", Side::Client), DENIED);
    // SG-23: a list has no memory.
    bench.change(|w| {
        w.acl("app", "app-a");
        w.entry("app", "in 50 deny tcp 8080 10.0.0.10/32");
    });
    assert_eq!(bench.say("tracked", Side::Client), "forward acl-in:app-a SUBNET_ACL_RESTRICTION");
}

#[test]
fn flows_through_a_nat_gateway_are_tracked_whatever_the_rules() {
    // SG-21: app1 leaves by the NAT gateway, web2 by its own address; both are open in both directions.
    let mut bench = Bench::with(World::t3(), |w| {
        w.group("open", "a", &["tcp 0.0.0.0/0"]);
        w.groups("app1", &["open"]);
        w.groups("web2", &["open"]);
        w.eip("198.51.100.11", "web2", "10.0.0.11");
    });
    bench.open("nat", "app1", "192.0.2.77", "tcp 443");
    bench.open("own", "web2", "192.0.2.77", "tcp 443");
    bench.change(|w| w.clear_out("open"));
    assert_eq!(bench.say("nat", Side::Client), "198.51.100.20 > 192.0.2.77");
    assert_eq!(bench.say("own", Side::Client), "forward sg-out:web2 SG_HAS_NO_RULES");
}

#[test]
fn the_class_of_a_flow_is_fixed_by_its_first_packet() {
    // SG-17: the reply of an untracked flow is no new, tracked flow.
    let mut bench = Bench::of(World::t3());
    bench.open("c", "inet2", "198.51.100.10", "tcp 443");
    bench.change(|w| w.clear_out("web"));
    assert_eq!(bench.say("c", Side::Server), "forward sg-out:web1 SG_HAS_NO_RULES");
    // A flow that began while nothing was open to everywhere stays tracked.
    let mut bench = Bench::with(World::t3(), |w| w.clear_out("web"));
    bench.open("c", "inet2", "198.51.100.10", "tcp 443");
    bench.change(|w| {
        w.allow_out("web", "all 0.0.0.0/0");
        w.revoke_in("web", "tcp 443 0.0.0.0/0");
    });
    assert_eq!(bench.say("c", Side::Client), "192.0.2.77 > 10.0.0.10");
}

#[test]
fn idle_flows_are_forgotten() {
    // SG-19
    for (what, alive, gone) in [("udp 5000", 29, 30), ("tcp 5000", 431_999, 432_000)] {
        for (second, expected) in [(alive, "192.0.2.77 > 10.0.0.10"), (gone, DENIED)] {
            let mut bench = Bench::of(World::t3());
            bench.open("c", "web1", "192.0.2.77", what);
            bench.at(second);
            let expected = match (expected == DENIED, what.starts_with("tcp")) {
                // What the client got is as the server sent it, but to the private address.
                (false, _) => "192.0.2.77 > 10.0.0.10",
                (true, _) => DENIED,
            };
            assert_eq!(bench.say("c", Side::Server), expected, "{what} after {second} s");
        }
    }
    // A second request makes a stream of it, which lives for 180 s.
    let mut bench = Bench::of(World::t3());
    bench.open("c", "web1", "192.0.2.77", "udp 5000");
    bench.say("c", Side::Client);
    bench.at(179);
    assert_eq!(bench.say("c", Side::Server), "192.0.2.77 > 10.0.0.10");
}

#[test]
fn errors_about_a_tracked_flow_pass() {
    // SG-22: tracked at app1, untracked at web1.
    let mut bench = Bench::of(World::t3());
    bench.open("tracked", "web1", "10.0.10.10", "tcp 8080");
    assert_eq!(icmp_error(&mut bench, "web1", "10.0.10.10", "tracked"), "10.0.0.10 > 10.0.10.10");
    bench.open("untracked", "inet2", "198.51.100.10", "tcp 443");
    assert_eq!(icmp_error(&mut bench, "inet2", "198.51.100.10", "untracked"), DENIED);
    bench.change(|w| w.allow_in("web", "icmp 3/4 0.0.0.0/0"));
    assert_eq!(icmp_error(&mut bench, "inet2", "198.51.100.10", "untracked"), "192.0.2.77 > 10.0.0.10");
}

#[test]
fn a_nat_gateway_forgets_after_350_seconds() {
    // NAT-12
    let mut bench = Bench::of(World::t3());
    bench.open("c", "app1", "192.0.2.77", "tcp 443");
    bench.at(349);
    assert_eq!(bench.say("c", Side::Client), "198.51.100.20 > 192.0.2.77");
    bench.at(349 + 350);
    assert_eq!(bench.say("c", Side::Server), "forward nat-a none");
    assert_eq!(bench.say("c", Side::Client), "reset nat-a");
}

#[test]
fn a_nat_gateway_gives_everybody_a_port_of_their_own() {
    // NAT-5, NAT-20
    let mut bench = Bench::of(World::t3());
    bench.open("one", "app1", "192.0.2.77", "udp 53 from 40000");
    bench.open("two", "app2", "192.0.2.77", "udp 53 from 40000");
    for (name, expected) in [("one", "192.0.2.77 > 10.0.10.10"), ("two", "192.0.2.77 > 10.0.10.11")] {
        assert_eq!(bench.say(name, Side::Server), expected);
    }
}

#[test]
fn moving_an_elastic_address_moves_no_connection() {
    // EIP-10: the new holder knows nothing of it.
    let mut bench = Bench::of(World::t3());
    bench.open("c", "inet2", "198.51.100.10", "tcp 443");
    bench.change(|w| w.eip("198.51.100.10", "web2", "10.0.0.11"));
    assert_eq!(bench.say("c", Side::Client), "reset web2");
}

#[test]
fn a_closed_port_refuses_and_a_stopped_instance_is_silent() {
    // PIPE-10, INST-6
    let mut bench = Bench::of(World::t3());
    assert_eq!(bench.ask_closed("web1", "10.0.10.10", "tcp 8080"), "reset app1");
    bench.change(|w| w.state("app1", InstanceState::Stopped));
    assert_eq!(bench.ask("web1", "10.0.10.10", "tcp 8080"), "forward eni:app1 BAD_STATE");
    assert_eq!(bench.ask("app1", "10.0.0.10", "tcp 80"), "forward eni:app1 BAD_STATE");
}

#[test]
fn a_guest_answers_by_its_own_routes() {
    // ENI-11: srv has a second interface in the middlebox's subnet; its default is by the first.
    let mut bench = Bench::with(World::mb(), |w| {
        w.instance("two", "fw", "10.3.2.20", "srv");
        attach_second(w, "two", "i-srv");
        w.unroute("cli", "10.3.3.0/24");
        w.unroute("srv", "10.3.1.0/24");
        w.allow_in("srv", "tcp 80 10.3.2.0/24");
    });
    assert_eq!(bench.ask("cli", "10.3.2.20", "tcp 80"), "return check:srv ENI_SOURCE_DEST_CHECK_RESTRICTION");
    assert_eq!(bench.ask("fw", "10.3.2.20", "tcp 80"), "10.3.2.10 > 10.3.2.20");
    assert_eq!(bench.ask("cli", "10.3.3.10", "tcp 80"), "10.3.1.10 > 10.3.3.10");
}

#[test]
fn a_middlebox_passes_on_by_the_interface_that_is_near() {
    // The second interface of fw stands in srv's subnet: what goes there crosses no border (ACL-3), what comes back does.
    let mut bench = Bench::with(World::mb(), |w| {
        w.instance("two", "srv", "10.3.3.20", "fw");
        attach_second(w, "two", "i-fw");
        w.check("two", false);
        w.acl("one-way", "fw");
        w.entry("one-way", "in 100 allow all 0.0.0.0/0");
    });
    assert_eq!(bench.ask("cli", "10.3.3.10", "tcp 80"), "return acl-out:fw SUBNET_ACL_RESTRICTION");
    bench.change(|w| w.entry("one-way", "out 100 allow tcp 32768-65535 10.3.1.0/24"));
    assert_eq!(bench.ask("cli", "10.3.3.10", "tcp 80"), "10.3.1.10 > 10.3.3.10 via fw,fw");
}

fn attach_second(world: &mut World, interface: &str, instance: &str) {
    let attachment = world.eni(interface).attachment.as_mut().unwrap();
    (attachment.instance_id, attachment.device_index) = (instance.parse().unwrap(), 1);
}

#[test]
fn every_address_that_stands_for_the_internet_is_a_host() {
    let mut bench = Bench::of(World::t3());
    let all = bench.fabric.representatives();
    assert_eq!(all.len(), 2, "one inside 203.0.113.0/24, which sg-bastion names, one in nothing: {all:?}");
    for address in all {
        let expected = format!("198.51.100.10 > {address}");
        assert_eq!(bench.ask("web1", &address.to_string(), "tcp 443"), expected);
    }
    assert_eq!(bench.ask("web1", "8.8.4.4", "tcp 443"), "forward internet none");
}

#[test]
fn middleboxes_that_lead_in_a_circle_are_noticed() {
    let mut bench = Bench::with(World::mb(), |w| {
        w.instance("fw2", "fw", "10.3.2.11", "fw");
        w.check("fw2", false);
        w.forward("fw2");
        w.route("fw", "10.3.3.0/24", "eni-fw2");
    });
    // fw2's own subnet sends it to itself again.
    assert_eq!(bench.ask("cli", "10.3.3.10", "tcp 80"), "forward fabric none");
}

#[test]
fn hops_are_those_who_count_down() {
    // L2-5, NAT-16
    let mut bench = Bench::with(World::t3(), |w| w.allow_in("db", "icmp 10.0.0.0/16"));
    for (from, to, expected) in
        [("app1", "10.0.20.10", "10.0.20.10"), ("app1", "192.0.2.77", "10.0.0.200 192.0.2.77"), ("app1", "10.0.20.99", "* * *")]
    {
        let command = GuestCommand::Traceroute { to: to.parse().unwrap() };
        assert_eq!(bench.guest(from, command), expected);
    }
}

#[test]
fn what_is_too_big_for_the_internet_is_told_to_the_sender() {
    // IGW-8, L2-8, NAT-14
    let mut bench = Bench::of(World::t3());
    let ping = |size, dont_fragment| GuestCommand::Ping {
        to: "192.0.2.77".parse().unwrap(),
        count: 1,
        ttl: None,
        size: Some(size),
        dont_fragment,
        broadcast: false,
    };
    assert_eq!(bench.guest("web1", ping(1_472, true)), "198.51.100.10 > 192.0.2.77");
    assert_eq!(bench.guest("web1", ping(1_473, true)), "0 replies, icmp 3/4 from 10.0.0.1 mtu Some(1500)");
    assert_eq!(bench.guest("web1", ping(1_473, false)), "198.51.100.10 > 192.0.2.77");
    assert_eq!(bench.guest("app1", ping(10_000, false)), "forward nat-a none");
}

#[test]
fn a_probe_that_was_reset_or_forgotten_leaves_nothing() {
    let mut bench = Bench::of(World::t3());
    bench.open("c", "web1", "10.0.10.10", "tcp 8080");
    bench.walker.reset().unwrap();
    let probe = Probe::Kept { connection: "c".into(), side: Side::Client };
    assert!(bench.walker.probe(&probe.into()).is_err());
}

#[test]
fn several_connections_count_their_source_ports_up() {
    let mut bench = Bench::of(World::t3());
    let probe = PacketProbe { connections: 500, ..bench.probe("app1", "192.0.2.77", "tcp 443 from 65000") };
    assert_eq!(bench.send(probe), "198.51.100.20 > 192.0.2.77");
    let probe = PacketProbe { connections: 600, ..bench.probe("app1", "192.0.2.77", "tcp 443 from 65000") };
    assert!(bench.walker.probe(&Probe::Packet(probe).into()).is_err(), "there are not so many ports");
}

#[test]
fn a_nat_instance_s_own_flows_are_told_from_those_that_it_hides() {
    // NATI-1: from the same port to the same place; the answer to each comes to who asked.
    let mut bench = Bench::with(World::mb(), |w| {
        w.masquerade("fw");
        w.allow_in("srv", "udp 53 10.3.0.0/16");
        w.unroute("srv", "10.3.1.0/24");
    });
    for name in ["hidden", "again"] {
        assert_eq!(bench.open(name, "cli", "10.3.3.10", "udp 53"), "10.3.2.10 > 10.3.3.10 via fw,fw");
    }
    assert_eq!(bench.open("own", "fw", "10.3.3.10", "udp 53"), "10.3.2.10 > 10.3.3.10");
    assert_eq!(bench.say("own", Side::Server), "10.3.3.10 > 10.3.2.10");
    assert_eq!(bench.say("hidden", Side::Server), "10.3.3.10 > 10.3.1.10 via fw,fw");
}
