//! What is easily told apart by two engines: each probe alone, in a volley, and on the walker, with one answer.
#![cfg(target_os = "linux")]

use std::sync::Arc;

use fabric::engine::{
    Answer, Engine as _, EngineError, GuestCommand, ListenerState, Outcome, PacketProbe, Probe, Request, Sender, Traffic,
};
use fabric::{Fabric, Walker};
use model::InstanceState;

use crate::bench::{Bench, ip};
use crate::support::World;

const OPEN: ListenerState = ListenerState::Open;
const CLOSED: ListenerState = ListenerState::Closed;
const ECHO: Traffic = Traffic::Icmp { icmp_type: 8, code: 0 };

fn tcp(destination_port: u16) -> Traffic {
    Traffic::Tcp { source_port: 49_152, destination_port }
}

fn udp(destination_port: u16) -> Traffic {
    Traffic::Udp { source_port: 49_152, destination_port }
}

fn said(fabric: &Fabric, answer: &Result<Answer, EngineError>) -> String {
    match answer.as_ref().map(|answer| &answer.outcome) {
        Ok(Outcome::Allowed(arrival)) => format!("{} > {}", arrival.source, arrival.destination),
        Ok(Outcome::Dropped(drop)) => {
            format!("{:?} {}", drop.leg, drop.at.map_or_else(|| "?".to_owned(), |at| at.label(fabric)))
        }
        Ok(Outcome::Refused { at }) => format!("refused by {}", at.map_or_else(|| "?".to_owned(), |at| at.label(fabric))),
        other => format!("{other:?}"),
    }
}

/// Asks everything in all three ways; every answer must be the expected one.
fn agree(world: &World, cases: &[(&str, &str, Traffic, ListenerState, &str)]) {
    let fabric = Arc::new(Fabric::compile(&world.model));
    let mut walker = Walker::new();
    walker.apply(&Arc::new(world.model.clone()), &fabric).expect("apply");
    let mut bench = Bench::up(&world.model);
    let requests: Vec<Request> = cases
        .iter()
        .map(|(from, to, traffic, listener, _)| {
            let from = match from.parse() {
                Ok(address) => Sender::Outside(address),
                Err(_) => Sender::Interface(format!("eni-{from}").parse().expect("id")),
            };
            let probe = PacketProbe { listener: *listener, ..PacketProbe::new(from, ip(to).into(), *traffic) };
            Probe::Packet(probe).into()
        })
        .collect();
    let alone: Vec<_> = requests.iter().map(|request| bench.engine.probe(request)).collect();
    let together = bench.engine.probe_all(&requests);
    let proof = walker.probe_all(&requests);
    for (at, (.., expected)) in cases.iter().enumerate() {
        let answers = [&proof[at], &alone[at], &together[at]].map(|answer| said(&fabric, answer));
        assert_eq!(answers, [*expected; 3], "walker, alone, together: {:?}", cases[at]);
    }
}

#[test]
fn what_is_sent_to_many_goes_nowhere() {
    // L2-4; the kernel itself opens no TCP connection to such an address.
    let addresses = ["224.0.0.1", "255.255.255.255", "10.0.0.255"];
    let kinds = [tcp(80), udp(9), ECHO];
    let cases: Vec<_> =
        addresses.iter().flat_map(|to| kinds.map(|traffic| ("web1", *to, traffic, OPEN, "Forward fabric"))).collect();
    agree(&World::t3(), &cases);
    // The internet has no route to them.
    let targets = ["224.0.0.1", "255.255.255.255"];
    let cases: Vec<_> =
        targets.iter().flat_map(|to| kinds.map(|traffic| ("192.0.2.77", *to, traffic, OPEN, "Forward internet"))).collect();
    agree(&World::t3(), &cases);
}

#[test]
fn the_public_dns_is_a_host_of_every_internet_and_nobody_else_is() {
    let there = "198.51.100.10 > 8.8.8.8";
    agree(&World::t3(), &[
        ("web1", "8.8.8.8", ECHO, OPEN, there),
        ("web1", "8.8.8.8", udp(53), OPEN, there),
        ("web1", "8.8.8.8", tcp(443), OPEN, there),
        ("web1", "8.8.8.8", tcp(444), CLOSED, "refused by internet"),
        ("app1", "8.8.8.8", ECHO, OPEN, "198.51.100.20 > 8.8.8.8"),
        ("web2", "8.8.8.8", ECHO, OPEN, "Forward igw-a"),
        ("192.0.2.77", "8.8.8.8", ECHO, OPEN, "192.0.2.77 > 8.8.8.8"),
        ("web1", "8.8.4.4", ECHO, OPEN, "Forward internet"),
    ]);
    // An address of the lab's own is that.
    let mut world = World::t3();
    world.eip("8.8.8.8", "web2", "10.0.0.11");
    agree(&world, &[
        ("192.0.2.77", "8.8.8.8", tcp(443), OPEN, "192.0.2.77 > 10.0.0.11"),
        ("192.0.2.77", "8.8.8.8", ECHO, OPEN, "Forward sg-in:web2"),
    ]);
}

#[test]
fn services_of_the_vpc_answer_on_their_ports_only() {
    // PIPE-2, L2-6
    agree(&World::t3(), &[
        ("web1", "10.0.0.1", ECHO, OPEN, "Forward fabric"),
        ("web1", "10.0.0.2", ECHO, OPEN, "Forward fabric"),
        ("web1", "10.0.0.2", tcp(22), OPEN, "Forward fabric"),
    ]);
}

#[test]
fn a_system_talks_to_itself_without_its_interfaces() {
    // No group of its own admits any of these.
    let itself = "10.0.20.10 > 10.0.20.10";
    let world = World::t3();
    agree(&world, &[
        ("db1", "10.0.20.10", ECHO, OPEN, itself),
        ("db1", "10.0.20.10", tcp(80), OPEN, itself),
        ("db1", "10.0.20.10", udp(53), OPEN, itself),
        ("db1", "10.0.20.10", tcp(81), CLOSED, "refused by db1"),
        ("db1", "10.0.20.10", udp(54), CLOSED, "refused by db1"),
        // IGW-7: the public address is outside.
        ("web1", "198.51.100.10", tcp(443), OPEN, "198.51.100.10 > 10.0.0.10"),
        ("web1", "198.51.100.10", ECHO, OPEN, "Forward sg-in:web1"),
    ]);
    let to = ip("10.0.20.10").into();
    let ping = GuestCommand::Ping { to, count: 2, ttl: None, size: None, dont_fragment: false, broadcast: false };
    let from = Sender::Interface("eni-db1".parse().expect("id"));
    let answer = Bench::up(&world.model).engine.probe(&Probe::Guest { from, command: ping }.into());
    assert!(matches!(&answer, Ok(Answer { outcome: Outcome::Allowed(_), .. })), "{answer:?}");
}

/// Requests reach the server straight, replies are routed through an instance whose check is on, and whose groups admit this.
fn behind_a_check(admitted: &[&str]) -> World {
    let mut world = World::mb();
    world.check("fw", true);
    world.unroute("cli", "10.3.3.0/24");
    world.revoke_in("fw", "all 10.3.0.0/16");
    admitted.iter().for_each(|rule| world.allow_in("fw", rule));
    world.allow_in("srv", "udp 53 10.3.1.0/24");
    world
}

#[test]
fn groups_see_a_packet_before_the_check_drops_it() {
    // PIPE-5, ENI-5: however well the ends of the flow know it, the groups of who stands between them do not (SG-16).
    let kinds = [(tcp(80), OPEN), (tcp(80), CLOSED), (udp(53), OPEN)];
    let back = |at| kinds.map(|(traffic, listener)| ("cli", "10.3.3.10", traffic, listener, at));
    agree(&behind_a_check(&["all 10.3.0.0/16"]), &back("Return check:fw"));
    agree(&behind_a_check(&[]), &back("Return sg-in:fw"));
    agree(&behind_a_check(&["udp 10.3.0.0/16"]), &[
        ("cli", "10.3.3.10", tcp(80), OPEN, "Return sg-in:fw"),
        ("cli", "10.3.3.10", udp(53), OPEN, "Return check:fw"),
    ]);
    // Its own flows are as ever, and a request that passes is no other case than a reply.
    let mut world = behind_a_check(&[]);
    world.allow_in("fw", "tcp 22 10.3.1.0/24");
    world.allow_in("srv", "tcp 80 10.3.2.0/24");
    world.route("cli", "10.3.3.0/24", "eni-fw");
    agree(&world, &[
        ("cli", "10.3.2.10", tcp(22), OPEN, "10.3.1.10 > 10.3.2.10"),
        ("fw", "10.3.3.10", tcp(80), OPEN, "10.3.2.10 > 10.3.3.10"),
        ("cli", "10.3.3.10", tcp(80), OPEN, "Forward sg-in:fw"),
        ("cli", "10.3.3.10", tcp(22), OPEN, "Forward check:fw"),
    ]);
    // RT-9: no route leads to one that is stopped.
    world.state("fw", InstanceState::Stopped);
    agree(&world, &[
        ("cli", "10.3.3.10", tcp(22), OPEN, "Forward rtb:rt-cli"),
        ("cli", "10.3.2.10", tcp(22), OPEN, "Forward eni:fw"),
    ]);
}

#[test]
fn an_answer_that_nobody_waits_for_is_lost_where_it_came_to() {
    // The answer takes a NAT gateway and comes from another address than was asked. A system that gets a datagram like that
    // says so (ICMP 3/3), and what becomes of this is another question.
    let mut world = World::t3();
    world.eip("198.51.100.30", "app1", "10.0.10.10");
    world.allow_in("app", "udp 53 0.0.0.0/0");
    world.allow_in("app", "tcp 80 0.0.0.0/0");
    agree(&world, &[("web1", "198.51.100.30", udp(53), OPEN, "Return sg-in:web1")]);
    world.allow_in("web", "udp 0.0.0.0/0");
    agree(&world, &[
        ("web1", "198.51.100.30", udp(53), OPEN, "Return web1"),
        ("192.0.2.77", "198.51.100.30", udp(53), OPEN, "Return inet2"),
        ("192.0.2.77", "198.51.100.30", tcp(80), OPEN, "Return nat-a"),
    ]);
    // The same where the complaint goes on to an instance whose check drops it.
    world.route("pub", "10.0.10.0/24", "eni-bastion");
    agree(&world, &[("web1", "198.51.100.30", udp(53), OPEN, "Return web1")]);
}

#[test]
fn a_nat_instance_speaks_for_itself_and_answers_of_others_pass_it_unchanged() {
    // Replies are routed through an instance that masquerades, which never saw the requests. What begins a flow in its eyes gets
    // its address and is its own, also for groups that name its group (SG-11); an echo reply begins none.
    let mut world = World::mb();
    world.unroute("cli", "10.3.3.0/24");
    world.masquerade("fw");
    world.allow_in("srv", "udp 53 10.3.1.0/24");
    world.allow_in("srv", "icmp 10.3.1.0/24");
    let asked = |datagram| {
        [
            ("cli", "10.3.3.10", ECHO, OPEN, "10.3.1.10 > 10.3.3.10"),
            ("cli", "10.3.3.10", tcp(80), OPEN, "10.3.1.10 > 10.3.3.10"),
            ("cli", "10.3.3.10", udp(53), OPEN, datagram),
        ]
    };
    agree(&world, &asked("Return sg-in:cli"));
    // Let in, it comes to who asked another address, whose complaint takes the same way back and is dropped there.
    world.allow_in("cli", "udp sg-fw");
    world.acl("cli", "cli");
    world.entry("cli", "in 100 allow all 10.3.0.0/16");
    world.entry("cli", "out 90 deny icmp 10.3.2.0/24");
    world.entry("cli", "out 100 allow all 10.3.0.0/16");
    agree(&world, &asked("Return cli"));
}

#[test]
fn a_gateway_route_table_leads_only_to_instances_with_a_public_address() {
    // RT-19
    let mut world = World::mb();
    world.igw("m", "m");
    world.host("inet2", "192.0.2.77");
    world.eip("198.51.100.40", "srv", "10.3.3.10");
    world.allow_in("srv", "tcp 80 0.0.0.0/0");
    world.allow_in("fw", "all 0.0.0.0/0");
    world.route("srv", "0.0.0.0/0", "eni-fw");
    world.route("fw", "0.0.0.0/0", "igw-m");
    world.table("edge", "m");
    world.route("edge", "10.3.3.0/24", "eni-fw");
    world.edge("edge", "m");
    let asked = |seen| [("192.0.2.77", "198.51.100.40", tcp(80), OPEN, seen), ("192.0.2.77", "198.51.100.40", ECHO, OPEN, seen)];
    agree(&world, &asked("Forward igw-m"));
    world.allow_in("srv", "icmp 0.0.0.0/0");
    world.eip("198.51.100.41", "fw", "10.3.2.10");
    agree(&world, &asked("192.0.2.77 > 10.3.3.10"));
}

#[test]
fn a_stopped_instance_neither_sends_nor_receives() {
    // INST-6
    let mut world = World::t3();
    world.state("web1", InstanceState::Stopped);
    let kinds = [tcp(80), udp(53), ECHO];
    let targets = ["10.0.0.10", "10.0.0.11", "10.0.10.10", "192.0.2.77", "10.0.0.2", "224.0.0.1"];
    let cases: Vec<_> =
        targets.iter().flat_map(|to| kinds.map(|traffic| ("web1", *to, traffic, OPEN, "Forward eni:web1"))).collect();
    agree(&world, &cases);
    agree(&world, &[("web2", "10.0.0.10", tcp(443), OPEN, "Forward eni:web1")]);
}
