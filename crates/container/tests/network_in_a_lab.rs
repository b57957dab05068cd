//! Networks of containers through a lab's holder: an instance's namespace, a container's that the instance owns.
#![allow(clippy::unwrap_used)]

#[path = "../../sandbox/tests/common/mod.rs"]
mod common;

use std::net::UdpSocket;
use std::time::Duration;

use common::Lab as Holder;
use container::network::{Endpoint, Lab, Network, Plan, Survey, apply, parse_publish, publish};
use sandbox::{ExitStatus, NetnsSpec, SocketSpec};

sandbox::reexec_in_tests!();

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
        let spec = NetnsSpec::instance(format!("i-1/{name}"));
        lab.client.create_netns(spec).unwrap();
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
    web.published = publish::allocate(&requests, &survey.taken).unwrap();
    let plan = Plan::new(std::slice::from_ref(&network), &[web, db]).unwrap();
    assert!(!apply(&mut namespaces, "i-1", &plan).unwrap().is_unchanged());
    assert!(apply(&mut namespaces, "i-1", &plan).unwrap().is_unchanged());

    let server = udp(&lab, "i-1/web", "0.0.0.0:53");
    for (client, to) in [("i-1/db", "172.17.0.2:53"), ("i-1", "127.0.0.1:5353")] {
        let socket = udp(&lab, client, "0.0.0.0:0");
        let mut buffer = [0; 8];
        // A cable carries packets a moment after it is up.
        let arrived = (0..50).any(|_| {
            socket.send_to(b"ask", to).unwrap();
            server
                .set_read_timeout(Some(Duration::from_millis(100)))
                .unwrap();
            server
                .recv_from(&mut buffer)
                .is_ok_and(|(_, from)| server.send_to(b"answer", from).is_ok())
        });
        assert!(arrived, "{client} to {to}");
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!(
            (&buffer[..length], from),
            (&b"answer"[..], to.parse().unwrap())
        );
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
