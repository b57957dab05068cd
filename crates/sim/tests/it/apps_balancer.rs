//! An L4 switch: who gets which connection, what each end sees, and what happens when a server is gone.

use std::net::IpAddr;

use sim::app::{AppId, ConnectSpec, DatagramSpec, End, GetSpec, PingSpec, http};
use sim::device::{Switch, SwitchSettings};
use sim::host::{Backend, BalancerSpec, Protocol, Services};
use sim::{LinkSpec, NodeId, Reason};

use crate::hosts_net::{Net, address};

const VIRTUAL: &str = "10.0.0.100";

struct Lan {
    net: Net,
    client: NodeId,
    balancer: NodeId,
    servers: Vec<NodeId>,
}

/// A client, a balancer with TCP 80 and UDP 53, and servers that give their own number as a page, all at one switch.
fn lan(servers: usize) -> Lan {
    let mut net = Net::new();
    let client = net.host("client", &[&["10.0.0.1/24"]], "");
    let balancer = net.host("balancer", &[&["10.0.0.2/24"]], "");
    let addresses: Vec<String> = (1..=servers).map(|n| format!("10.0.0.1{n}/24")).collect();
    let add = |(at, text): (usize, &String)| net.host(&format!("server-{}", at + 1), &[&[text]], "");
    let servers: Vec<NodeId> = addresses.iter().enumerate().map(add).collect();
    let switch = net.sim.add("switch", Switch::new(SwitchSettings::default()));
    for node in [client, balancer].iter().chain(&servers) {
        let port = net.sim.new_port(switch);
        net.sim.connect((*node, 0), (switch, port), LinkSpec::default());
    }
    for (at, node) in servers.iter().enumerate() {
        let page = format!("server-{}", at + 1);
        net.at(*node, |host, context| host.run(context, http::Server::new(80, page.as_bytes())));
        let open = [(Protocol::UDP, 53)].into();
        net.at(*node, |host, _| host.set_services(Services { open, ..Services::default() }));
    }
    let backends = (1..=servers.len()).map(|n| Backend { name: format!("server-{n}"), address: Some(address(&format!("10.0.0.1{n}"))) });
    let spec = BalancerSpec {
        virtual_address: address(VIRTUAL),
        ports: vec![(Protocol::TCP, 80), (Protocol::UDP, 53)],
        backends: backends.collect(),
    };
    net.at(balancer, |host, _| host.set_balancer(spec));
    Lan { net, client, balancer, servers }
}

impl Lan {
    fn get(&mut self) -> AppId {
        let app = self.net.at(self.client, |host, context| host.http_get(context, GetSpec::new(address(VIRTUAL), 80)));
        self.net.run(10);
        app
    }

    /// The page that a client gets, or how it ended.
    fn page(&mut self) -> Result<String, End> {
        let app = self.get();
        let outcome = self.net.outcome(self.client, app);
        let text = String::from_utf8_lossy(&outcome.data);
        if outcome.end == End::Answered { Ok(text.lines().last().unwrap_or_default().to_owned()) } else { Err(outcome.end) }
    }

    fn column(&self, table: &str, column: usize) -> Vec<String> {
        self.net.table(self.balancer, table).into_iter().map(|row| row[column].clone()).collect()
    }

    fn cut(&mut self, server: usize, is_up: bool) {
        let node = self.servers[server];
        let (link, _) = self.net.sim.links().find(|(_, link)| link.ends().iter().any(|(end, _)| *end == node)).expect("a link");
        self.net.sim.set_link(link, is_up);
    }
}

#[test]
fn connections_go_to_the_servers_in_turn_and_stay_there() {
    let mut lan = lan(3);
    let pages: Vec<_> = (0..6).map(|_| lan.page().expect("a page")).collect();
    assert_eq!(pages, ["server-1", "server-2", "server-3", "server-1", "server-2", "server-3"]);
    assert_eq!(lan.column("connections", 3).len(), 6);
    assert_eq!(lan.column("backends", 4), ["2", "2", "2"]);
    assert_eq!(lan.column("connections", 6), ["closing"; 6]);
}

#[test]
fn the_client_sees_the_virtual_address_and_the_server_sees_the_balancer() {
    let mut lan = lan(1);
    let spec = ConnectSpec { keep_open: true, ..ConnectSpec::new(address(VIRTUAL), 80) };
    let app = lan.net.at(lan.client, |host, context| host.connect(context, spec));
    lan.net.run(1);
    assert_eq!(lan.net.outcome(lan.client, app).replies[0].from.to_string(), "10.0.0.100:80");
    let row = &lan.net.table(lan.balancer, "connections")[0];
    let expected = ["tcp", "10.0.0.1:49152", "10.0.0.100:80", "server-1", "10.0.0.11:80", "10.0.0.2:49152", "answered"];
    assert_eq!(row[..7], expected);
    let sockets = lan.net.table(lan.servers[0], "tcp");
    assert_eq!(sockets[0][0], "10.0.0.11:80 - 10.0.0.2:49152");
    assert_eq!(lan.net.sim.kind(lan.balancer), "balancer");
}

#[test]
fn datagrams_of_the_same_ends_go_to_the_same_server() {
    let mut lan = lan(2);
    let ask = |lan: &mut Lan, port| {
        let spec = DatagramSpec { source_port: Some(port), ..DatagramSpec::new(address(VIRTUAL), 53, b"who?") };
        lan.net.at(lan.client, |host, context| host.datagram(context, spec))
    };
    let first = ask(&mut lan, 5_000);
    lan.net.run(1);
    lan.net.at(lan.client, |host, context| host.send_on(context, first, b" and you?"));
    let other = ask(&mut lan, 5_001);
    lan.net.run(1);
    assert_eq!(lan.net.host_ref(lan.client).progress(first).data, b"who? and you?");
    assert_eq!(lan.net.outcome(lan.client, other).replies[0].from.to_string(), "10.0.0.100:53");
    assert_eq!(lan.column("connections", 3), ["server-1", "server-2"]);
    lan.net.run(200);
    assert!(lan.column("connections", 3).is_empty(), "UDP is forgotten after three minutes");
}

#[test]
fn without_a_server_a_connection_is_reset_and_a_datagram_refused() {
    let mut lan = lan(0);
    assert!(matches!(lan.page(), Err(End::Refused(sim::app::RefusedBy::Reset { from, .. })) if from == address(VIRTUAL)));
    let spec = DatagramSpec::new(address(VIRTUAL), 53, b"who?");
    let app = lan.net.at(lan.client, |host, context| host.datagram(context, spec));
    lan.net.run(1);
    assert!(matches!(lan.net.outcome(lan.client, app).end, End::Refused(sim::app::RefusedBy::Icmp(error)) if error.from == address(VIRTUAL)));
    assert_eq!(lan.net.drops(), [(lan.balancer, Reason::NoBackend), (lan.balancer, Reason::NoBackend)]);
}

#[test]
fn a_server_that_is_gone_is_skipped_and_its_connection_goes_to_the_next() {
    let mut lan = lan(2);
    lan.cut(0, false);
    let pages: Vec<_> = (0..3).map(|_| lan.page().expect("a page")).collect();
    assert_eq!(pages, ["server-2"; 3]);
    assert!(lan.column("backends", 2)[0].starts_with("skipped for"));
    lan.cut(0, true);
    lan.net.run(30);
    assert_eq!(lan.column("backends", 2), ["up", "up"]);
    let pages: Vec<_> = (0..2).map(|_| lan.page().expect("a page")).collect();
    assert_eq!(pages, ["server-1", "server-2"]);
}

#[test]
fn a_server_that_refuses_is_skipped_the_next_time() {
    let mut lan = lan(2);
    lan.net.at(lan.servers[0], |host, context| host.cancel(context, AppId(0)));
    assert!(matches!(lan.page(), Err(End::Refused(_))));
    let pages: Vec<_> = (0..2).map(|_| lan.page().expect("a page")).collect();
    assert_eq!(pages, ["server-2"; 2]);
}

#[test]
fn the_error_of_a_server_reaches_the_client_with_the_ends_that_it_knows() {
    let mut lan = lan(1);
    lan.net.at(lan.servers[0], |host, _| host.set_services(Services::default()));
    let app = lan.net.at(lan.client, |host, context| host.datagram(context, DatagramSpec::new(address(VIRTUAL), 53, b"who?")));
    lan.net.run(1);
    let End::Refused(sim::app::RefusedBy::Icmp(error)) = lan.net.outcome(lan.client, app).end else { panic!("refused") };
    assert_eq!((error.from, error.about.destination, error.about.destination_port), (address(VIRTUAL), address(VIRTUAL), 53));
}

#[test]
fn what_is_not_spread_is_the_balancers_own() {
    let mut lan = lan(1);
    let ping = lan.net.at(lan.client, |host, context| host.ping(context, PingSpec::new(address(VIRTUAL))));
    let closed = lan.net.at(lan.client, |host, context| host.connect(context, ConnectSpec::new(address(VIRTUAL), 22)));
    lan.net.run(10);
    assert_eq!(lan.net.outcome(lan.client, ping).replies.len(), 4);
    assert!(matches!(lan.net.outcome(lan.client, closed).end, End::Refused(_)));
}

#[test]
fn it_balances_ipv6_as_well() {
    let mut net = Net::new();
    let client = net.host("client", &[&["2001:db8::1/64"]], "");
    let balancer = net.router("balancer", &["2001:db8::2/64", "2001:db8:1::2/64"], vec![]);
    let server = net.host("server", &[&["2001:db8:1::11/64"]], "");
    net.connect((client, 0), (balancer, 0));
    net.connect((balancer, 1), (server, 0));
    net.at(server, |host, context| host.run(context, http::Server::new(80, b"six")));
    let virtual_address: IpAddr = address("2001:db8::100");
    let backends = vec![Backend { name: "server".to_owned(), address: Some(address("2001:db8:1::11")) }];
    let spec = BalancerSpec { virtual_address, ports: vec![(Protocol::TCP, 80), (Protocol::UDP, 53)], backends };
    net.at(balancer, |host, _| host.set_balancer(spec));
    let app = net.at(client, |host, context| host.http_get(context, GetSpec::new(virtual_address, 80)));
    let refused = net.at(client, |host, context| host.datagram(context, DatagramSpec::new(virtual_address, 53, b"?")));
    net.run(10);
    assert!(net.outcome(client, app).data.ends_with(b"six"));
    assert!(matches!(net.outcome(client, refused).end, End::Refused(_)), "the server's error comes through");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let hash = || {
        let mut lan = lan(3);
        let _ = (0..4).map(|_| lan.page()).collect::<Vec<_>>();
        lan.net.sim.trace_hash()
    };
    assert_eq!(hash(), hash());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    #[test]
    fn no_packet_upsets_it(bytes: Vec<u8>, number in proptest::sample::select(vec![1_u8, 6, 17, 47]), kind in 0_u8..16) {
        let mut lan = lan(2);
        lan.page().expect("a page");
        let mut packet = bytes;
        if number == 1 && !packet.is_empty() {
            packet[0] = kind;
        }
        for (node, to) in [(lan.client, VIRTUAL), (lan.servers[0], "10.0.0.2")] {
            let spec = sim::app::RawSpec::new(address(to), number, &packet);
            lan.net.at(node, |host, context| host.raw(context, spec));
        }
        lan.net.run(5);
        proptest::prop_assert!(lan.page().is_ok());
    }
}
