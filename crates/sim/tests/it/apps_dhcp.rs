//! DHCP between a client and a server: every message on the wire, how long a lease stays, and what the host has by it.

use std::net::Ipv4Addr;

use sim::app::dhcp_client::{Client, State};
use sim::app::dhcp_server::{Pool, Server};
use sim::app::{AppId, End, PingSpec};
use sim::device::{Switch, SwitchSettings};
use sim::{LinkSpec, NodeId, Reason, Verb};
use wire::dhcp::{MessageType, Reply, Request};

use crate::hosts_net::{Net, address};

const LEASE: u32 = 600;

fn pool(last: u8) -> Pool {
    Pool {
        interface: 0,
        first: [10, 0, 0, 100].into(),
        last: [10, 0, 0, last].into(),
        gateway: Some([10, 0, 0, 1].into()),
        name_servers: vec![[10, 0, 0, 2].into()],
        lease_seconds: LEASE,
    }
}

/// A server, a switch, and clients without addresses.
fn lan(last: u8, clients: usize) -> (Net, NodeId, Vec<(NodeId, AppId)>) {
    let mut net = Net::new();
    let server = net.host("server", &[&["10.0.0.1/24"]], "");
    let names = ["a", "b", "c"];
    let hosts: Vec<NodeId> = names.iter().take(clients).map(|name| net.host(name, &[&[]], "")).collect();
    let switch = net.sim.add("switch", Switch::new(SwitchSettings::default()));
    for node in hosts.iter().chain([&server]) {
        let port = net.sim.new_port(switch);
        net.sim.connect((*node, 0), (switch, port), LinkSpec::default());
    }
    net.at(server, |host, context| host.run(context, Server::new(vec![pool(last)])));
    let start = |(node, name): (&NodeId, &str)| {
        let app = net.at(*node, |host, context| host.dhcp(context, &[0], Some(name)));
        net.run(5);
        (*node, app)
    };
    let clients = hosts.iter().zip(names).map(start).collect();
    (net, server, clients)
}

/// DHCP messages that a node sent, as (kind, source, destination of the packet).
fn said(net: &Net, node: NodeId) -> Vec<(MessageType, Ipv4Addr, Ipv4Addr)> {
    let read = |frame: Vec<u8>| {
        let (ip, datagram) = wire::Ipv4::parse(frame.get(14..)?).ok()?;
        let (_, message) = wire::Udp::parse(datagram).ok()?;
        let kind = Request::parse(message).map(|request| request.kind).or_else(|_| Reply::parse(message).map(|reply| reply.kind)).ok()?;
        Some((kind, ip.source, ip.destination))
    };
    net.frames(node, Verb::Send, Reason::Wire).into_iter().filter_map(read).collect()
}

fn kinds(net: &Net, node: NodeId) -> Vec<MessageType> {
    said(net, node).into_iter().map(|(kind, ..)| kind).collect()
}

/// What a node said for a reason.
fn notes(net: &Net, node: NodeId, reason: Reason) -> Vec<String> {
    let said = net.events().iter().filter(|event| (event.node, event.verb, event.reason) == (node, Verb::Note, reason));
    let text = |event| match net.sim.trace().detail(&event) {
        Some(sim::Detail::Text(text)) => Some(text.to_string()),
        _ => None,
    };
    said.filter_map(text).collect()
}

const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const ALL: Ipv4Addr = Ipv4Addr::BROADCAST;
const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

#[test]
fn a_client_gets_an_address_a_gateway_and_name_servers_in_four_messages() {
    let (net, server, clients) = lan(110, 1);
    let (a, app) = clients[0];
    assert_eq!(said(&net, a), [(MessageType::Discover, NOBODY, ALL), (MessageType::Request, NOBODY, ALL)]);
    assert_eq!(said(&net, server), [(MessageType::Offer, SERVER, ALL), (MessageType::Acknowledge, SERVER, ALL)]);
    assert_eq!((net.outcome(a, app).end, &net.outcome(a, app).addresses[..]), (End::Answered, &[address("10.0.0.100")][..]));
    assert_eq!(net.host_ref(a).addresses(0), ["10.0.0.100/24".parse().expect("a net")]);
    assert_eq!(net.host_ref(a).name_servers(), [address("10.0.0.2")]);
    let default: Vec<String> = net.table(a, "routes").into_iter().find(|row| row[0] == "0.0.0.0/0").expect("a default route");
    assert_eq!((default[1].as_str(), default[4].as_str()), ("10.0.0.1", "dhcp"));
    assert_eq!(net.table(a, "lease")[0][1..4], ["BOUND", "10.0.0.100", "10.0.0.1"]);
    assert_eq!(net.table(server, "leases")[0][..4], ["10.0.0.100", "02:00:00:00:01:00", "a", "lent"]);
}

#[test]
fn clients_get_different_addresses_and_reach_each_other() {
    let (mut net, _, clients) = lan(110, 3);
    let addresses: Vec<_> = clients.iter().map(|(node, app)| net.outcome(*node, *app).addresses[0]).collect();
    assert_eq!(addresses, [address("10.0.0.100"), address("10.0.0.101"), address("10.0.0.102")]);
    let ping = net.at(clients[0].0, |host, context| host.ping(context, PingSpec::new(addresses[2])));
    net.run(5);
    assert_eq!(net.outcome(clients[0].0, ping).replies.len(), 4);
}

#[test]
fn a_pool_without_a_free_address_says_nothing_and_says_why() {
    let (mut net, server, clients) = lan(100, 2);
    net.run(60);
    let (b, app) = clients[1];
    assert!(net.host_ref(b).outcome(app).is_none(), "it still asks");
    let discovers = kinds(&net, b).len();
    assert!((4..=6).contains(&discovers), "{discovers}: at about 0, 4, 12, 28 and 60 seconds");
    assert_eq!(net.count(server, Verb::Note, Reason::AddressesExhausted), discovers);
    assert_eq!(kinds(&net, server).len(), 2, "what the first client got");
}

#[test]
fn a_lease_is_renewed_at_half_of_its_time_with_the_server_alone() {
    let (mut net, server, clients) = lan(110, 1);
    let (a, _) = clients[0];
    net.sim.clear_trace();
    net.run(u64::from(LEASE) / 2);
    assert_eq!(said(&net, a), [(MessageType::Request, A, SERVER)]);
    assert_eq!(said(&net, server), [(MessageType::Acknowledge, SERVER, A)]);
    net.run(u64::from(LEASE) * 3);
    assert_eq!(net.table(a, "lease")[0][1], "BOUND");
    assert_eq!(net.host_ref(a).addresses(0).len(), 1);
}

#[test]
fn a_lease_that_nobody_renews_is_given_up_when_its_time_is_over() {
    let (mut net, server, clients) = lan(110, 1);
    let (a, app) = clients[0];
    net.at(server, |host, context| host.cancel(context, AppId(0)));
    net.sim.clear_trace();
    net.run(u64::from(LEASE) - 20);
    assert_eq!(net.host_ref(a).addresses(0).len(), 1, "it is good until the end");
    let state = net.host_ref(a).app_ref::<Client>(app).and_then(|client| client.lease(0)).map(|(state, _)| state);
    assert_eq!(state, Some(State::Rebinding));
    let asked = said(&net, a);
    assert!(asked.iter().any(|(_, _, to)| *to == SERVER) && asked.last() == Some(&(MessageType::Request, A, ALL)), "{asked:?}");
    net.run(60);
    assert_eq!(net.host_ref(a).addresses(0), []);
    assert_eq!(net.host_ref(a).name_servers(), Vec::<std::net::IpAddr>::new());
    assert!(net.table(a, "routes").is_empty());
    assert_eq!(kinds(&net, a).last(), Some(&MessageType::Discover));
}

#[test]
fn a_server_refuses_an_address_that_is_not_its_own_to_give() {
    let (mut net, server, clients) = lan(110, 1);
    let (a, _) = clients[0];
    net.at(server, |host, context| host.cancel(context, AppId(0)));
    let moved = Pool { first: [10, 0, 0, 150].into(), last: [10, 0, 0, 160].into(), ..pool(110) };
    net.at(server, |host, context| host.run(context, Server::new(vec![moved])));
    net.sim.clear_trace();
    net.run(u64::from(LEASE) / 2 + 10);
    use MessageType::{Acknowledge, Discover, Offer, Refuse, Request};
    assert_eq!(kinds(&net, a), [Request, Discover, Request]);
    assert_eq!(kinds(&net, server), [Refuse, Offer, Acknowledge]);
    assert_eq!(net.host_ref(a).addresses(0), ["10.0.0.150/24".parse().expect("a net")]);
}

#[test]
fn an_address_that_somebody_has_is_declined_and_not_lent_again() {
    let mut net = Net::new();
    let server = net.host("server", &[&["10.0.0.1/24"]], "");
    let squatter = net.host("squatter", &[&["10.0.0.100/24"]], "");
    let a = net.host("a", &[&[]], "");
    let switch = net.sim.add("switch", Switch::new(SwitchSettings::default()));
    for node in [server, squatter, a] {
        let port = net.sim.new_port(switch);
        net.sim.connect((node, 0), (switch, port), LinkSpec::default());
    }
    net.at(server, |host, context| host.run(context, Server::new(vec![pool(110)])));
    net.at(a, |host, context| host.dhcp(context, &[0], None));
    net.run(20);
    use MessageType::{Decline, Discover, Request};
    assert_eq!(kinds(&net, a), [Discover, Request, Decline, Discover, Request]);
    assert_eq!(net.host_ref(a).addresses(0), ["10.0.0.101/24".parse().expect("a net")]);
    assert_eq!(net.table(server, "leases")[0][3], "declined");
}

#[test]
fn a_short_lease_does_not_bring_a_declined_address_back() {
    let mut net = Net::new();
    let server = net.host("server", &[&["10.0.0.1/24"]], "");
    let squatter = net.host("squatter", &[&["10.0.0.100/24"]], "");
    let a = net.host("a", &[&[]], "");
    let switch = net.sim.add("switch", Switch::new(SwitchSettings::default()));
    for node in [server, squatter, a] {
        let port = net.sim.new_port(switch);
        net.sim.connect((node, 0), (switch, port), LinkSpec::default());
    }
    let short = Pool { lease_seconds: 8, ..pool(100) };
    net.at(server, |host, context| host.run(context, Server::new(vec![short])));
    net.at(a, |host, context| host.dhcp(context, &[0], None));
    net.run(600);
    let declined = kinds(&net, a).into_iter().filter(|kind| *kind == MessageType::Decline).count();
    assert_eq!(declined, 1, "it is not offered again");
    let why = notes(&net, server, Reason::AddressesExhausted);
    assert_eq!(
        why.first().map(String::as_str),
        Some("the pool's one address 10.0.0.100 is not free for 02:00:00:00:02:00: 1 in use by somebody who was not lent it")
    );
}

#[test]
fn a_server_says_what_became_of_the_addresses_of_an_empty_pool() {
    let (mut net, server, _) = lan(101, 3);
    net.run(1);
    let why = notes(&net, server, Reason::AddressesExhausted);
    assert_eq!(why.first().map(String::as_str), Some("none of the 2 addresses 10.0.0.100-10.0.0.101 is free for 02:00:00:00:03:00: 2 lent"));
}

#[test]
fn an_address_that_is_given_back_is_lent_to_the_next() {
    let (mut net, server, clients) = lan(100, 2);
    let [(a, app), (b, _)] = clients[..] else { panic!("two clients") };
    net.sim.clear_trace();
    assert!(net.at(a, |host, context| host.dhcp_release(context, app)));
    net.run(70);
    assert_eq!(said(&net, a), [(MessageType::Release, A, SERVER)]);
    assert_eq!(net.host_ref(a).addresses(0), []);
    assert_eq!(net.host_ref(b).addresses(0), ["10.0.0.100/24".parse().expect("a net")]);
    assert_eq!(net.table(server, "leases").len(), 1);
}

#[test]
fn a_client_whose_cable_was_pulled_asks_for_the_address_that_it_had() {
    let (mut net, _, clients) = lan(110, 1);
    let (a, _) = clients[0];
    let (link, _) = net.sim.links().find(|(_, link)| link.ends().iter().any(|(node, _)| *node == a)).expect("a link");
    net.sim.set_link(link, false);
    net.run(5);
    net.sim.clear_trace();
    net.sim.set_link(link, true);
    net.run(5);
    assert_eq!(kinds(&net, a), [MessageType::Request]);
    assert_eq!(net.table(a, "lease")[0][1..3], ["BOUND", "10.0.0.100"]);
}

#[test]
fn the_same_seed_gives_the_same_exchange() {
    let hash = || {
        let (mut net, ..) = lan(101, 3);
        net.run(2_000);
        net.sim.trace_hash()
    };
    assert_eq!(hash(), hash());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_upset_client_or_server(bytes: Vec<u8>, at in 0_usize..300, kind in 1_u8..=8, reply: bool) {
        let (mut net, server, clients) = lan(110, 1);
        let mut message = Request {
            kind: MessageType::Request, transaction: 1, mac: wire::Mac([2, 0, 0, 0, 1, 0]), broadcast: false, current: NOBODY,
            relay: NOBODY, requested: Some(A), server: None, host_name: None, wanted: vec![],
        }.emit();
        message[0] = if reply { 2 } else { 1 };
        message[242] = kind;
        message.splice(at.., bytes);
        for (from, to, port) in [(clients[0].0, "10.0.0.1", 67), (server, "10.0.0.100", 68)] {
            let spec = sim::app::DatagramSpec::new(address(to), port, &message);
            net.at(from, |host, context| host.datagram(context, spec));
        }
        net.run(1_000);
    }
}
