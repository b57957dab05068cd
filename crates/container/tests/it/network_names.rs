//! Names inside containers: asked at 127.0.0.11 of a container in a lab, answered by the embedded server.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use container::network::dns::{self, Resolver, Zone};
use container::network::{Endpoint, Lab, Link, Network, NetworkOptions, Plan, apply};
use sandbox::SocketSpec;
use wire::dns::{Code, Data, Kind, Query, Record, Response};

use crate::sandbox_common::Lab as Holder;

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn socket(lab: &Holder, key: &str, bound: &str) -> UdpSocket {
    let spec = SocketSpec::udp(key, bound.parse().unwrap());
    let socket = UdpSocket::from(lab.client.open_socket(spec).unwrap());
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

/// A network `app` with two containers called `api`, and `web` which asks; `vault` is internal and has `safe`.
struct Names {
    lab: Holder,
    networks: Vec<Network>,
    endpoints: Vec<Endpoint>,
    forward_to: Vec<IpAddr>,
    resolver: Resolver,
}

impl Names {
    fn new(forward_to: &[&str]) -> Names {
        let lab = Holder::with_instance("i-1");
        let mut networks = vec![Network::default_bridge(id('0'), &[], 1500).unwrap()];
        for (name, digit) in [("app", 'a'), ("vault", 'e')] {
            let mut options = NetworkOptions::new(name, id(digit));
            options.internal = name == "vault";
            networks.push(Network::create(options, &networks, &[], 1500).unwrap());
        }
        let mut endpoints = Vec::new();
        for (name, digit, network, last) in [
            ("web", '1', 1, 2),
            ("api-1", '2', 1, 3),
            ("api-2", '3', 1, 4),
            ("safe", '4', 2, 2),
            ("lone", '5', 0, 2),
        ] {
            let key = format!("i-1/{name}");
            lab.client
                .create_container_netns(&key, "i-1", false)
                .unwrap();
            let network: &Network = &networks[network];
            let [a, b, c, _] = network.gateway.octets();
            let address = Ipv4Addr::new(a, b, c, last);
            let mut endpoint = Endpoint::new(id(digit), name, key, network, address);
            if name.starts_with("api") {
                endpoint.aliases = vec!["api".into()];
            }
            endpoints.push(endpoint);
        }
        endpoints[0].links = vec![Link {
            container: id('2'),
            alias: "Backend".into(),
        }];
        let resolver = Resolver::start(Arc::new(lab.handle.client().unwrap())).unwrap();
        let forward_to = forward_to.iter().map(|text| address(text)).collect();
        let mut names = Names {
            lab,
            networks,
            endpoints,
            forward_to,
            resolver,
        };
        names.bring();
        names
    }

    fn zone(&self, endpoint: &Endpoint) -> Zone {
        Zone::of(
            &endpoint.container,
            &self.networks,
            &self.endpoints,
            &self.forward_to,
        )
    }

    fn bring(&mut self) {
        let mut namespaces = Lab::new(&self.lab.client);
        let plan = Plan::new(&self.networks, &self.endpoints).unwrap();
        apply(&mut namespaces, "i-1", &plan).unwrap();
        for endpoint in &self.endpoints {
            let zone = self.zone(endpoint);
            self.resolver
                .serve(&mut namespaces, &endpoint.namespace, zone)
                .unwrap();
        }
    }

    fn ask(&self, from: &str, name: &str, kind: Kind) -> Response {
        let socket = socket(&self.lab, &format!("i-1/{from}"), "0.0.0.0:0");
        let question = Query::new(77, name, kind).emit().unwrap();
        socket.send_to(&question, "127.0.0.11:53").unwrap();
        let mut buffer = [0; 4096];
        let (length, server) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!(server, "127.0.0.11:53".parse().unwrap());
        let (id, response) = Response::parse(&buffer[..length]).unwrap();
        assert_eq!(id, 77);
        response
    }

    fn addresses(&self, from: &str, name: &str) -> Vec<String> {
        let response = self.ask(from, name, Kind::A);
        assert_eq!(response.code, Code::NoError, "{name}");
        let addresses = response.records.iter().map(|record| match &record.data {
            Data::A(address) => address.to_string(),
            other => panic!("{other:?}"),
        });
        addresses.collect()
    }
}

#[test]
fn containers_of_a_user_network_know_each_other() {
    let names = Names::new(&[]);
    for name in [
        "api-1",
        "API-1",
        "api-1.app",
        "222222222222",
        "backend",
        "api-1.",
    ] {
        assert_eq!(names.addresses("web", name), ["172.18.0.3"], "{name}");
    }
    assert_eq!(names.addresses("web", "web"), ["172.18.0.2"], "itself");
    // Several have the alias: another one comes first each time.
    let first: std::collections::BTreeSet<String> = (0..2)
        .map(|_| {
            let addresses = names.addresses("web", "api");
            assert_eq!(addresses.len(), 2);
            addresses[0].clone()
        })
        .collect();
    assert_eq!(first.len(), 2);
    let reverse = names.ask("web", "4.0.18.172.in-addr.arpa", Kind::PTR);
    assert_eq!(reverse.records[0].data, Data::Ptr("api-2.app".into()));
    // A name that is known has no IPv6 address; that is no failure, or clients would not use the other.
    let six = names.ask("web", "api", Kind::AAAA);
    assert_eq!((six.code, six.records), (Code::NoError, vec![]));
    // Links are one container's own; other networks are not known; the default bridge has no names.
    for (from, name) in [
        ("api-1", "backend"),
        ("web", "safe"),
        ("safe", "web"),
        ("lone", "lone"),
    ] {
        let response = names.ask(from, name, Kind::A);
        assert_eq!(response.code, Code::ServerFailure, "{from} asks for {name}");
    }
    let asked = names.resolver.asked("i-1/web");
    assert_eq!(asked.len(), 12);
    assert_eq!(
        (asked[0].question.as_str(), asked[0].answer.as_str()),
        ("api-1 A", "172.18.0.3")
    );
}

#[test]
fn what_is_not_known_is_asked_outside_the_next_server_where_one_is_silent() {
    // The first refuses packets, the second answers.
    let names = Names::new(&["172.17.0.1", "172.18.0.1"]);
    let upstream = socket(&names.lab, "i-1", "172.18.0.1:53");
    let server = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        let mut seen = Vec::new();
        for _ in 0..2 {
            let (length, peer) = upstream.recv_from(&mut buffer).unwrap();
            let query = Query::parse(&buffer[..length]).unwrap();
            let record = Record {
                name: query.name.clone(),
                ttl: 5,
                data: Data::A(Ipv4Addr::new(93, 184, 216, 34)),
            };
            let response = Response::new(Code::NoError, vec![record]);
            let bytes = response.emit(&query, 512).unwrap();
            upstream.send_to(&bytes, peer).unwrap();
            seen.push((query.name, peer.ip()));
        }
        seen
    });
    let began = Instant::now();
    assert_eq!(names.addresses("web", "example.com"), ["93.184.216.34"]);
    assert!(
        began.elapsed() < Duration::from_millis(1500),
        "who refuses is not waited for"
    );
    assert_eq!(names.addresses("lone", "example.org"), ["93.184.216.34"]);
    let seen = server.join().unwrap();
    assert_eq!(seen[0], ("example.com".into(), address("172.18.0.2")));
    assert_eq!(seen[1].0, "example.org");
    // An internal network has no way to ask.
    let response = names.ask("safe", "example.com", Kind::A);
    assert_eq!(response.code, Code::ServerFailure);
    let asked = names.resolver.asked("i-1/web");
    assert_eq!(asked[0].answer, "93.184.216.34 by 172.18.0.1");
}

#[test]
fn nobody_who_answers_is_a_failure_in_time() {
    let names = Names::new(&["172.18.0.1"]);
    let _silent = socket(&names.lab, "i-1", "172.18.0.1:53");
    let began = Instant::now();
    let response = names.ask("web", "example.com", Kind::A);
    assert_eq!(response.code, Code::ServerFailure);
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_eq!(
        names.resolver.asked("i-1/web")[0].answer,
        "no server answered"
    );
}

#[test]
fn names_are_answered_over_tcp_too() {
    let names = Names::new(&[]);
    let spec = SocketSpec::tcp("i-1/web", false);
    let stream = names.lab.client.open_socket(spec).unwrap();
    let server: SocketAddr = "127.0.0.11:53".parse().unwrap();
    rustix::net::connect(&stream, &server).unwrap();
    let mut stream = TcpStream::from(stream);
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    for name in ["api-1", "api-2"] {
        let question = Query::new(5, name, Kind::A).emit().unwrap();
        let length = u16::try_from(question.len()).unwrap().to_be_bytes();
        stream
            .write_all(&[&length[..], &question].concat())
            .unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        let (_, response) = Response::parse(&answer).unwrap();
        assert_eq!(response.records.len(), 1, "{name}");
    }
}

#[test]
fn a_program_of_the_container_may_have_port_53_and_names_follow_changes() {
    let mut names = Names::new(&[]);
    let own = socket(&names.lab, "i-1/web", "0.0.0.0:53");
    assert_eq!(names.addresses("web", "api-2"), ["172.18.0.4"]);
    drop(own);
    names.endpoints.retain(|endpoint| endpoint.name != "api-2");
    let zone = names.zone(&names.endpoints[0]);
    assert!(names.resolver.update("i-1/web", zone));
    assert_eq!(names.addresses("web", "api"), ["172.18.0.3"]);
    let response = names.ask("web", "api-2", Kind::A);
    assert_eq!(response.code, Code::ServerFailure);
    // Served anew, by another server: the rule leads to the new sockets.
    names.resolver = Resolver::start(Arc::new(names.lab.handle.client().unwrap())).unwrap();
    names.bring();
    assert_eq!(names.addresses("web", "api"), ["172.18.0.3"]);
    names.resolver.end("i-1/web");
    assert!(names.resolver.asked("i-1/web").is_empty());
}

#[test]
fn a_question_from_before_anybody_serves_is_answered_when_somebody_does() {
    let mut names = Names::new(&[]);
    let key = "i-1/web";
    names.resolver.end(key);
    // Started anew: another namespace under the same key, the old one still held by a socket.
    let _old = socket(&names.lab, key, "0.0.0.0:0");
    names.lab.client.remove_netnses(&[key]).unwrap();
    names
        .lab
        .client
        .create_container_netns(key, "i-1", false)
        .unwrap();
    let client = &names.lab.client;
    dns::open(client, &mut Lab::new(client), key).unwrap();
    let asker = socket(&names.lab, key, "0.0.0.0:0");
    let question = Query::new(9, "api-1", Kind::A).emit().unwrap();
    asker.send_to(&question, "127.0.0.11:53").unwrap();
    names.bring();
    let mut buffer = [0; 512];
    let (length, _) = asker.recv_from(&mut buffer).unwrap();
    let (id, response) = Response::parse(&buffer[..length]).unwrap();
    assert_eq!((id, response.records.len()), (9, 1));

    // Served while it is started anew once more, nobody having said that it ended.
    names.lab.client.remove_netnses(&[key]).unwrap();
    names
        .lab
        .client
        .create_container_netns(key, "i-1", false)
        .unwrap();
    names.bring();
    assert_eq!(names.addresses("web", "api-1"), ["172.18.0.3"]);
    dns::close(&names.lab.client, key).unwrap();
    assert!(names.lab.client.list_kept().unwrap().is_empty());
}
