//! Networks of containers through a lab's holder: an instance's namespace, a container's that the instance owns.

use std::net::UdpSocket;
use std::time::Duration;

use container::network::{
    Endpoint, Going, Lab, Network, Plan, Survey, apply, hold, listeners, parse_publish, publish,
};
use sandbox::{ExitStatus, SocketSpec};

use crate::sandbox_common::Lab as Holder;

fn udp(lab: &Holder, key: &str, address: &str) -> UdpSocket {
    let spec = SocketSpec::udp(key, address.parse().unwrap());
    let socket = UdpSocket::from(lab.client.open_socket(spec).unwrap());
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    socket
}

#[test]
fn a_container_of_an_instance_is_reached_by_its_published_port() {
    let lab = Holder::with_instance("i-1");
    for name in ["web", "db"] {
        let key = format!("i-1/{name}");
        lab.client
            .create_container_netns(&key, "i-1", false)
            .unwrap();
    }
    let mut namespaces = Lab::new(&lab.client);
    let survey = Survey::of(&mut namespaces, "i-1").unwrap();
    let id = |digit: &str| digit.repeat(64);
    let network = Network::default_bridge(id("0"), &survey.routes, survey.uplink_mtu).unwrap();
    let endpoint = |name: &str, digit: &str, address: &str| {
        let namespace = format!("i-1/{name}");
        Endpoint::new(
            id(digit),
            name,
            namespace,
            &network,
            address.parse().unwrap(),
        )
    };
    let mut web = endpoint("web", "1", "172.17.0.2");
    let db = endpoint("db", "2", "172.17.0.3");
    let requests = parse_publish("5353:53/udp").unwrap();
    web.published = publish::allocate(&requests, &listeners(&mut namespaces, "i-1").unwrap()).unwrap();
    let plan = Plan::new(std::slice::from_ref(&network), &[web, db]).unwrap();
    assert!(!apply(&mut namespaces, "i-1", &plan).unwrap().is_unchanged());
    assert!(apply(&mut namespaces, "i-1", &plan).unwrap().is_unchanged());

    let server = udp(&lab, "i-1/web", "0.0.0.0:53");
    for (client, to) in [("i-1/db", "172.17.0.2:53"), ("i-1", "127.0.0.1:5353")] {
        let socket = udp(&lab, client, "0.0.0.0:0");
        for end in [&socket, &server] {
            end.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        }
        // A cable carries packets a moment after it is up, each end by itself: a question may arrive and its answer not.
        let answer = (0..50).find_map(|_| {
            let mut buffer = [0; 8];
            socket.send_to(b"ask", to).unwrap();
            let (_, from) = server.recv_from(&mut buffer).ok()?;
            server.send_to(b"answer", from).ok()?;
            let (length, from) = socket.recv_from(&mut buffer).ok()?;
            Some((buffer[..length].to_vec(), from))
        });
        assert_eq!(answer, Some((b"answer".to_vec(), to.parse().unwrap())), "{client} to {to}");
    }
    // Those inside see it as on any machine.
    let (status, output) = lab.shell("i-1", "cat /proc/net/route /proc/sys/net/ipv4/ip_forward");
    assert_eq!(status, ExitStatus::Code(0), "{output}");
    assert!(
        output.contains("docker0") && output.ends_with("1\n"),
        "{output}"
    );

    apply(&mut namespaces, "i-1", &Plan::default()).unwrap();
    let (_, output) = lab.shell("i-1", "cat /proc/net/dev");
    assert!(
        !output.contains("docker0") && !output.contains("veth"),
        "{output}"
    );
}

#[test]
fn a_container_that_leaves_answers_no_more_and_its_address_is_anothers_at_once() {
    let lab = Holder::with_instance("i-1");
    let survey = Survey::of(&mut Lab::new(&lab.client), "i-1").unwrap();
    let id = |digit: &str| digit.repeat(64);
    let network = Network::default_bridge(id("0"), &survey.routes, survey.uplink_mtu).unwrap();
    let networks = std::slice::from_ref(&network);
    let address = "172.17.0.2";
    let mut left: Vec<String> = Vec::new();
    for round in 1..=5_u8 {
        let key = format!("i-1/web{round}");
        let made = lab.client.create_container_netns(&key, "i-1", false).unwrap();
        let web = Endpoint::new(id(&round.to_string()), "web", key.clone(), &network, address.parse().unwrap());
        let mut namespaces = Lab::new(&lab.client);
        namespaces.leave(left.clone(), Going::Already);
        namespaces.lend(&key, made).unwrap();
        let device = web.host_device();
        let plan = Plan::new(networks, &[web]).unwrap();
        apply(&mut namespaces, "i-1", &plan).unwrap();
        let server = udp(&lab, &key, "0.0.0.0:53");
        let asker = udp(&lab, "i-1", "0.0.0.0:0");
        let mut buffer = [0; 8];
        // A cable carries packets a moment after it is up.
        let begun = std::time::Instant::now();
        server.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        while {
            asker.send_to(b"ask", format!("{address}:53")).unwrap();
            server.recv_from(&mut buffer).is_err()
        } {
            assert!(begun.elapsed() < Duration::from_secs(1), "round {round}");
        }
        // It leaves. Its socket keeps its namespace, and it answers nobody.
        let mut namespaces = Lab::new(&lab.client);
        namespaces.leave(left.clone(), Going::Already);
        namespaces.leave([device.clone()], Going::WithItsNamespace);
        let plan = Plan::new(networks, &[]).unwrap();
        apply(&mut namespaces, "i-1", &plan).unwrap();
        lab.client.remove_netnses(&[&key]).unwrap();
        asker.send_to(b"late", format!("{address}:53")).unwrap();
        // What was asked before may wait there still.
        while let Ok((length, _)) = server.recv_from(&mut buffer) {
            assert_eq!(&buffer[..length], b"ask", "round {round}");
        }
        assert!(lab.shell("i-1", "cat /proc/net/dev").1.contains(&device));
        left.push(device);
    }
    // The kernel removes the cables when the holder lets go.
    let begun = std::time::Instant::now();
    while lab.shell("i-1", "cat /proc/net/dev").1.contains("veth") {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_published_port_is_held_in_the_instance_until_it_is_released() {
    let lab = Holder::with_instance("i-1");
    let (client, container) = (&lab.client, "c1");
    let ports = |texts: &[&str]| {
        let requests: Vec<_> = texts
            .iter()
            .flat_map(|text| parse_publish(text).unwrap())
            .collect();
        publish::allocate(&requests, &[]).unwrap()
    };
    let program = |address: &str| {
        let spec = SocketSpec::tcp_listener("i-1", address.parse().unwrap());
        client.open_socket(spec)
    };
    let wanted = ports(&["8080:80", "127.0.0.1:53:53/udp"]);
    hold::hold(client, "i-1", container, &wanted).unwrap();
    assert!(program("0.0.0.0:8080").is_err());
    assert!(program("127.0.0.1:8080").is_err());
    let mut namespaces = Lab::new(client);
    let taken = listeners(&mut namespaces, "i-1").unwrap();
    assert_eq!(taken.len(), 2, "{taken:?}");

    // All or none: the second is taken, so the first is not held either.
    let own = program("0.0.0.0:9001").unwrap();
    let error = hold::hold(client, "i-1", "c2", &ports(&["9000:80", "9001:81"])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Bind for 0.0.0.0:9001 failed: port is already allocated (a program of the instance listens on it)"
    );
    assert!(program("0.0.0.0:9000").is_ok());
    drop(own);
    let error = hold::hold(client, "i-1", "c2", &ports(&["10.9.9.9:9000:80"])).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the instance has no address 10.9.9.9")
    );

    hold::release(client, "i-1", container, "container/none").unwrap();
    assert!(program("0.0.0.0:8080").is_ok());
    assert!(client.list_kept().unwrap().is_empty());
}

#[test]
fn networks_that_were_flushed_come_back_and_those_that_were_not_are_let_be() {
    use std::collections::BTreeMap;

    use container::engine::Engine;
    use container::network::NetworkOptions;
    use container::network::apply::Namespaces as _;
    use container::network::firewall::TABLE;
    use netlink::Protocol;
    use netlink::nft::{Family, Table, Transaction, dump};

    let lab = Holder::with_instance("i-1");
    let root = lab.directory.path();
    let store = container::Store::open(&root.join("images")).unwrap();
    let client = lab.handle.client().unwrap();
    let folder = root.join("labs/test");
    std::fs::create_dir_all(&folder).unwrap();
    let engine = Engine::new(&folder, store, client, BTreeMap::new());
    let mut seen = BTreeMap::new();
    assert!(engine.mend_networks(&mut seen).unwrap().is_empty());
    assert!(seen.is_empty(), "an instance without networks is left alone");
    let made = engine
        .create_network("i-1", |id| NetworkOptions::new("back", id))
        .unwrap();
    // Its bridge is there at once.
    let (_, output) = lab.shell("i-1", "cat /proc/net/dev");
    assert!(output.contains(&made.bridge), "{output}");
    assert!(engine.mend_networks(&mut seen).unwrap().is_empty());
    let first = seen.clone();
    assert!(engine.mend_networks(&mut seen).unwrap().is_empty());
    assert_eq!(seen, first, "what is right is not touched");

    let mut namespaces = Lab::new(&lab.client);
    let table = Table::new(Family::Ip, TABLE);
    let nft = namespaces.socket("i-1", Protocol::Netfilter).unwrap();
    let mut flush = Transaction::new();
    flush.destroy_table(&table);
    flush.commit(nft).unwrap();
    assert!(engine.mend_networks(&mut seen).unwrap().is_empty());
    let nft = namespaces.socket("i-1", Protocol::Netfilter).unwrap();
    assert!(dump::tables(nft).unwrap().contains(&table));
    assert_ne!(seen, first);

    assert_eq!(engine.remove_network("i-1", "back").unwrap(), "back");
    let (_, output) = lab.shell("i-1", "cat /proc/net/dev");
    assert!(!output.contains(&made.bridge), "{output}");
}
