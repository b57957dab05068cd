//! Networks of containers without a kernel: what `-p` says, which addresses and ports are given, what a plan holds.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use container::network::firewall::policy_of;
use container::network::names::{self, ExtraHost, ResolverOptions};
use container::network::publish::allocate;
use container::network::{
    Endpoint, Error, HostPort, Link, Network, NetworkMode, NetworkOptions, Plan, PublishRequest,
    Taken, Transport, ipam, mac_of, parse_exposed, parse_publish,
};
use ipnet::Ipv4Net;
use proptest::prelude::*;

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn address(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn in_words(request: &PublishRequest) -> String {
    let host = match request.host_port {
        HostPort::Random => "random".to_owned(),
        HostPort::Exactly(port) => port.to_string(),
        HostPort::OneOf(first, last) => format!("one of {first}-{last}"),
    };
    let PublishRequest {
        host_address,
        container_port,
        transport,
        ..
    } = request;
    format!("{host_address} {host} {container_port}/{transport}")
}

#[test]
fn every_form_of_publishing_is_read() {
    for (text, expected) in [
        ("80", "0.0.0.0 random 80/tcp"),
        ("80/tcp", "0.0.0.0 random 80/tcp"),
        ("8080:80", "0.0.0.0 8080 80/tcp"),
        ("53:53/udp", "0.0.0.0 53 53/udp"),
        ("127.0.0.1:8080:80", "127.0.0.1 8080 80/tcp"),
        ("localhost:8080:80", "127.0.0.1 8080 80/tcp"),
        ("127.0.0.1::80", "127.0.0.1 random 80/tcp"),
        (":80", "0.0.0.0 random 80/tcp"),
        ("8000-8010:80", "0.0.0.0 one of 8000-8010 80/tcp"),
        ("80->80", "0.0.0.0 80 80/tcp"),
        ("8080 -> 80/udp", "0.0.0.0 8080 80/udp"),
        ("10.0.0.5:8080->80", "10.0.0.5 8080 80/tcp"),
        ("[::1]:8080:80", "::1 8080 80/tcp"),
        ("[::]::80/udp", ":: random 80/udp"),
        (
            "8000-8001:90-91",
            "0.0.0.0 8000 90/tcp, 0.0.0.0 8001 91/tcp",
        ),
        ("90-91/udp", "0.0.0.0 random 90/udp, 0.0.0.0 random 91/udp"),
    ] {
        let requests = parse_publish(text).unwrap();
        let words: Vec<String> = requests.iter().map(in_words).collect();
        assert_eq!(words.join(", "), expected, "{text}");
    }
}

#[test]
fn what_publishes_nothing_says_why() {
    for (text, why) in [
        ("", "no port of the container is given"),
        ("8080:", "no port of the container is given"),
        ("http:80", "`http` is no port: ports are 1 to 65535"),
        ("80:http", "`http` is no port: ports are 1 to 65535"),
        ("70000:80", "`70000` is no port: ports are 1 to 65535"),
        ("0:80", "port 0 is none: ports are 1 to 65535"),
        ("80/icmp", "`icmp` is no protocol: write tcp or udp"),
        ("80/sctp", "SCTP is not published: write tcp or udp"),
        (
            "300.0.0.1:80:80",
            "`300.0.0.1` is no address of the instance: write 127.0.0.1 or [::1]",
        ),
        (
            "[127.0.0.1]:80:80",
            "`[127.0.0.1]` is no address of the instance: write 127.0.0.1 or [::1]",
        ),
        ("90-80:1", "range 90-80 runs backwards"),
        (
            "8000-8010:80-85",
            "11 ports of the instance for 6 of the container: both ranges must be as long",
        ),
        ("1-65535", "65535 ports at once are more than 1000"),
    ] {
        let error = parse_publish(text).expect_err(text).to_string();
        assert_eq!(error, format!("invalid port specification `{text}`: {why}"));
    }
    let exposed = parse_exposed("80-81/udp").unwrap();
    assert_eq!(
        exposed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["80/udp", "81/udp"]
    );
    assert!(parse_exposed("x").is_err());
}

fn requests(texts: &[&str]) -> Vec<PublishRequest> {
    texts
        .iter()
        .flat_map(|t| parse_publish(t).unwrap())
        .collect()
}

#[test]
fn ports_are_given_lowest_first_and_never_twice() {
    let first = allocate(&requests(&["80", "8000-8002:80", "32768:90"]), &[]).unwrap();
    let words: Vec<String> = first.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "0.0.0.0:32769->80/tcp",
            "0.0.0.0:8000->80/tcp",
            "0.0.0.0:32768->90/tcp"
        ]
    );
    let taken: Vec<Taken> = first
        .iter()
        .map(|port| Taken::by_container("web", port))
        .collect();
    let second = allocate(&requests(&["8000-8002:80", "8000:80/udp"]), &taken).unwrap();
    assert_eq!(second[0].host_port, 8001);
    assert_eq!(second[1].host_port, 8000, "UDP has ports of its own");
    for text in ["8000:80", "127.0.0.1:8000:80"] {
        let error = allocate(&requests(&[text]), &taken).unwrap_err();
        let text = error.to_string();
        assert!(
            text.ends_with(":8000 failed: port is already allocated (container web publishes it)"),
            "{text}"
        );
    }
    let one = [Taken::by_container(
        "web",
        &allocate(&requests(&["8000:80"]), &[]).unwrap()[0],
    )];
    let error = allocate(&requests(&["8000-8000:80"]), &one).unwrap_err();
    assert!(matches!(error, Error::PortTaken { .. }));
    // Two addresses of the instance have a port each; all of them and one of them do not.
    assert!(allocate(&requests(&["10.0.0.5:80:80", "10.0.0.6:80:80"]), &[]).is_ok());
    assert!(allocate(&requests(&["80:80", "10.0.0.6:80:81"]), &[]).is_err());
    assert_eq!(
        allocate(&requests(&["80:80", "80:80"]), &[]).unwrap().len(),
        1
    );
}

proptest! {
    #[test]
    fn an_address_given_is_the_lowest_free_one(
        length in 24u8..=29,
        used in prop::collection::btree_set(0u32..256, 0..40),
    ) {
        let subnet = Ipv4Net::new(address("10.9.0.0"), length).unwrap();
        let options = NetworkOptions { subnet: Some(subnet), ..NetworkOptions::new("n", id('a')) };
        let network = Network::create(options, &[], &[], 1500).unwrap();
        let base = u32::from(subnet.network());
        let used: BTreeSet<Ipv4Addr> = used.into_iter().map(|n| Ipv4Addr::from(base + n)).collect();
        let free = subnet.hosts().filter(|a| *a != network.gateway && !used.contains(a)).min();
        match ipam::allocate_address(&network, &used, None) {
            Ok(given) => prop_assert_eq!(Some(given), free),
            Err(Error::NoAddress { .. }) => prop_assert_eq!(None, free),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn what_was_published_is_read_again(port in 1u16.., other in 1u16.., udp: bool) {
        let transport = if udp { Transport::Udp } else { Transport::Tcp };
        let text = format!("10.1.2.3:{port}->{other}/{transport}");
        let published = allocate(&parse_publish(&text).unwrap(), &[]).unwrap();
        prop_assert_eq!(published[0].to_string(), text);
    }
}

#[test]
fn subnets_are_dockers_and_none_is_on_a_route() {
    let first = ipam::choose_subnet(&[], &[net("0.0.0.0/0"), net("10.0.0.0/24")]).unwrap();
    assert_eq!(
        first,
        net("172.17.0.0/16"),
        "a default route is in nobody's way"
    );
    let routes = [net("172.16.0.0/12")];
    assert_eq!(
        ipam::choose_subnet(&[], &routes).unwrap(),
        net("192.168.0.0/20")
    );
    let mut networks: Vec<Ipv4Net> = Vec::new();
    while let Ok(subnet) = ipam::choose_subnet(&networks, &[net("172.20.5.0/24")]) {
        assert!(networks.iter().all(|other| !ipam::overlap(*other, subnet)));
        networks.push(subnet);
    }
    assert_eq!(networks.len(), 15 + 16 - 1);
    assert!(!networks.contains(&net("172.20.0.0/16")));
    let moved = Network::default_bridge(id('0'), &[net("172.17.3.0/24")], 1500).unwrap();
    assert_eq!(
        (moved.subnet, moved.gateway),
        (net("172.18.0.0/16"), address("172.18.0.1"))
    );
}

#[test]
fn a_network_is_checked_before_it_is_made() {
    let docker0 = Network::default_bridge(id('0'), &[], 1500).unwrap();
    let refused = |change: &dyn Fn(&mut NetworkOptions)| {
        let mut options = NetworkOptions::new("app", id('a'));
        change(&mut options);
        let routes = [net("0.0.0.0/0"), net("10.0.0.0/24")];
        let made = Network::create(options, std::slice::from_ref(&docker0), &routes, 9001);
        made.map_err(|error| error.to_string())
    };
    let made = refused(&|_| ()).unwrap();
    assert_eq!(made.bridge, "br-aaaaaaaaaaaa");
    assert_eq!((made.subnet, made.mtu), (net("172.18.0.0/16"), 9001));
    let ranged = refused(&|o| {
        o.subnet = Some(net("192.168.5.0/24"));
        o.ip_range = Some(net("192.168.5.128/25"));
    });
    let ranged = ranged.unwrap();
    assert_eq!(ranged.gateway, address("192.168.5.128"));
    let next = ipam::allocate_address(&ranged, &BTreeSet::new(), None).unwrap();
    assert_eq!(next, address("192.168.5.129"));
    type Change<'a> = &'a dyn Fn(&mut NetworkOptions);
    let cases: [(Change<'_>, &str); 11] = [
        (&|o| o.name = "-x".into(), "a name has letters"),
        (&|o| o.name = "a b".into(), "a name has letters"),
        (&|o| o.name = "host".into(), "the name is reserved"),
        (&|o| o.id = "a".into(), "64 hexadecimal digits"),
        (
            &|o| o.subnet = Some(net("172.17.128.0/20")),
            "Pool overlaps with other one on this address space: 172.17.128.0/20 and 172.17.0.0/16 of network bridge",
        ),
        (
            &|o| o.subnet = Some(net("10.0.0.0/16")),
            "and the instance's route 10.0.0.0/24",
        ),
        (
            &|o| o.subnet = Some(net("10.5.0.1/24")),
            "write 10.5.0.0/24",
        ),
        (&|o| o.subnet = Some(net("10.5.0.0/31")), "no room"),
        (
            &|o| o.gateway = Some(address("10.9.9.9")),
            "gateway 10.9.9.9 is no usable address",
        ),
        (
            &|o| o.ip_range = Some(net("10.9.0.0/24")),
            "is not inside subnet",
        ),
        (
            &|o| o.bridge = Some("docker0".into()),
            "bridge name docker0 is used by network bridge",
        ),
    ];
    for (change, expected) in cases {
        let error = refused(change).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn docker0_finds_its_subnet_free_whenever_it_is_made() {
    let make = |subnet: Option<Ipv4Net>, routes: &[Ipv4Net]| {
        let options = NetworkOptions {
            subnet,
            ..NetworkOptions::new("app", id('a'))
        };
        Network::create(options, &[], routes, 1500)
    };
    let routes = [net("172.17.0.0/24")];
    for routes in [&[][..], &routes] {
        let app = make(None, routes).unwrap();
        let docker0 = Network::default_bridge(id('0'), routes, 1500).unwrap();
        assert!(app.subnet > docker0.subnet);
        assert!(Plan::new(&[app, docker0], &[]).is_ok());
    }
    let error = make(Some(net("172.17.0.0/16")), &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("172.17.0.0/16 of network bridge"),
        "{error}"
    );
}

#[test]
fn a_static_address_is_inside_and_free() {
    let docker0 = Network::default_bridge(id('0'), &[], 1500).unwrap();
    let options = NetworkOptions {
        subnet: Some(net("10.7.0.0/24")),
        ..NetworkOptions::new("app", id('a'))
    };
    let app = Network::create(options, &[], &[], 1500).unwrap();
    let used = BTreeSet::from([address("10.7.0.2")]);
    let wanted = |network: &Network, text: &str| {
        let given = ipam::allocate_address(network, &used, Some(address(text)));
        given.map_err(|error| error.to_string())
    };
    assert_eq!(wanted(&app, "10.7.0.9"), Ok(address("10.7.0.9")));
    for (network, text, why) in [
        (&app, "10.7.0.2", "Address already in use"),
        (&app, "10.7.0.1", "it is the gateway"),
        (&app, "10.7.0.255", "no usable address"),
        (&app, "10.8.0.2", "no usable address"),
        (&docker0, "172.17.0.9", "user defined networks only"),
    ] {
        let error = wanted(network, text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn modes_are_read() {
    let read = |text: &str| NetworkMode::parse(text).unwrap();
    assert_eq!(read("host"), NetworkMode::Host);
    assert_eq!(read("none"), NetworkMode::None);
    assert_eq!(read("default"), NetworkMode::Bridge("bridge".into()));
    assert_eq!(read("app"), NetworkMode::Bridge("app".into()));
    assert_eq!(read("container:web"), NetworkMode::Container("web".into()));
    assert!(NetworkMode::parse("container:").is_err());
    assert!(NetworkMode::parse("pod:x").is_err());
    assert!(read("host").refuses_ports().is_some());
    assert_eq!(read("app").refuses_ports(), None);
}

/// docker0 with a published web server, a closed network, an internal one.
fn shop() -> (Vec<Network>, Vec<Endpoint>) {
    let docker0 = Network::default_bridge(id('0'), &[], 9001).unwrap();
    let mut networks = vec![docker0];
    for (name, digit) in [("closed", 'c'), ("vault", 'e')] {
        let mut options = NetworkOptions::new(name, id(digit));
        options.icc = name != "closed";
        options.internal = name == "vault";
        let network = Network::create(options, &networks, &[], 9001).unwrap();
        networks.push(network);
    }
    let endpoint = |name: &str, digit: char, network: &Network, last: u8| {
        let [a, b, c, _] = network.gateway.octets();
        let address = Ipv4Addr::new(a, b, c, last);
        Endpoint::new(id(digit), name, format!("i-1/{name}"), network, address)
    };
    let mut web = endpoint("web", '1', &networks[0], 2);
    let texts = ["8080:80", "127.0.0.1:5353:53/udp"];
    web.published = allocate(&requests(&texts), &[]).unwrap();
    let mut second = endpoint("web", '1', &networks[2], 2);
    second.interface = "eth1".into();
    let mut app = endpoint("app", '2', &networks[1], 2);
    let mut db = endpoint("db", '3', &networks[1], 3);
    db.exposed = parse_exposed("5432").unwrap();
    app.links = vec![Link {
        container: db.container.clone(),
        alias: "database".into(),
    }];
    (networks, vec![web, second, app, db])
}

#[test]
fn a_plan_says_everything_it_will_do() {
    let (networks, endpoints) = shop();
    let plan = Plan::new(&networks, &endpoints).unwrap();
    insta::assert_snapshot!(plan.to_string());
    let mut turned = endpoints.clone();
    turned.reverse();
    assert_eq!(
        Plan::new(&networks, &turned).unwrap(),
        plan,
        "order means nothing"
    );
    assert_eq!(mac_of(address("172.17.0.2")), [0x02, 0x42, 172, 17, 0, 2]);
}

#[test]
fn every_rule_names_its_policy_and_fits_the_kernel() {
    let (networks, mut endpoints) = shop();
    endpoints[0].name = "ö".repeat(300);
    let plan = Plan::new(&networks, &endpoints).unwrap();
    for table in plan.tables.values() {
        for (_, rules) in table.chains.values() {
            for rule in rules {
                assert!(policy_of(&rule.comment).is_some(), "{}", rule.comment);
                assert!(rule.user_data().len() <= 256);
            }
        }
    }
    assert_eq!(
        policy_of("docker-icc/docker0: words"),
        Some(("docker-icc", "docker0"))
    );
    assert_eq!(policy_of("my rule: docker-icc/x"), None);
}

#[test]
fn contradictions_are_refused() {
    let (networks, endpoints) = shop();
    let refused = |change: &dyn Fn(&mut Vec<Network>, &mut Vec<Endpoint>)| {
        let (mut networks, mut endpoints) = (networks.clone(), endpoints.clone());
        change(&mut networks, &mut endpoints);
        Plan::new(&networks, &endpoints).unwrap_err().to_string()
    };
    for (error, expected) in [
        (
            refused(&|_, e| e[3].address = e[2].address),
            "have the same address",
        ),
        (
            refused(&|_, e| e[3].address = address("172.18.0.1")),
            "cannot have address",
        ),
        (
            refused(&|_, e| e[3].address = address("10.0.0.1")),
            "cannot have address",
        ),
        (refused(&|n, _| drop(n.remove(1))), "which does not exist"),
        (
            refused(&|_, e| e[1].interface = "eth0".into()),
            "has device eth0 twice",
        ),
        (
            refused(&|n, _| n[1].subnet = net("172.17.9.0/24")),
            "Pool overlaps",
        ),
        (
            refused(&|_, e| e[2].published = e[0].published.clone()),
            "failed: port is already allocated (container",
        ),
    ] {
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn hosts_has_itself_what_it_is_linked_to_and_what_was_added() {
    let docker0 = Network::default_bridge(id('0'), &[], 1500).unwrap();
    let mut web = Endpoint::new(id('1'), "web", "n1", &docker0, address("172.17.0.2"));
    let db = Endpoint::new(id('2'), "db", "n2", &docker0, address("172.17.0.3"));
    web.links = vec![Link {
        container: id('2'),
        alias: "database".into(),
    }];
    let gateway = docker0.gateway;
    let extra: Vec<ExtraHost> = [
        "api:10.0.0.9",
        "host.docker.internal=host-gateway",
        "six:[::1]",
    ]
    .iter()
    .map(|text| ExtraHost::parse(text, gateway).unwrap())
    .collect();
    let text = names::hosts(
        "web.shop",
        &id('1'),
        std::slice::from_ref(&docker0),
        &[web, db],
        &extra,
    );
    insta::assert_snapshot!(text, @r"
    127.0.0.1	localhost
    ::1	localhost ip6-localhost ip6-loopback
    fe00::	ip6-localnet
    ff00::	ip6-mcastprefix
    ff02::1	ip6-allnodes
    ff02::2	ip6-allrouters
    10.0.0.9	api
    172.17.0.1	host.docker.internal
    ::1	six
    172.17.0.3	database 222222222222 db
    172.17.0.2	web.shop web
    ");
    for wrong in ["api", ":10.0.0.1", "api:nowhere"] {
        assert!(ExtraHost::parse(wrong, gateway).is_err(), "{wrong}");
    }
}

#[test]
fn the_resolver_is_the_instances_or_the_embedded_one() {
    let instance = "# made by hand\nsearch ec2.internal\nnameserver 127.0.0.53\nnameserver 10.0.0.2\noptions timeout:2 edns0\n";
    let none = ResolverOptions::default();
    let direct = names::resolver(instance, &none, false);
    assert_eq!(
        direct.text,
        "nameserver 10.0.0.2\nsearch ec2.internal\noptions timeout:2 edns0\n"
    );
    let embedded = names::resolver(instance, &none, true);
    assert_eq!(
        embedded.text,
        "nameserver 127.0.0.11\nsearch ec2.internal\noptions timeout:2 edns0 ndots:0\n"
    );
    assert_eq!(embedded.forward_to, [address("10.0.0.2")]);
    let chosen = ResolverOptions {
        servers: vec!["9.9.9.9".parse().unwrap()],
        search: vec![".".into()],
        options: vec!["ndots:3".into()],
    };
    assert_eq!(
        names::resolver(instance, &chosen, false).text,
        "nameserver 9.9.9.9\noptions ndots:3\n"
    );
    assert_eq!(
        names::resolver(instance, &chosen, true).text,
        "nameserver 127.0.0.11\noptions ndots:3\n"
    );
}
