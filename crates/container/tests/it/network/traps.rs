//! What surprised people of Docker's networks, by the number of the issue in moby: what is as with Docker, and what is not.

use netlink::Protocol;
use netlink::nft::build::{Load, is};
use netlink::nft::{Chain, Expr, Family, Hook, Table, TableFlags, Transaction, Verdict};

use super::instance::{INSTANCE, Instance, datagram, published, seen};
use crate::netlink_common::{in_own_namespaces, ip};

/// A firewall of the instance's own that drops what goes to a port at this hook.
fn drop_port(instance: &Instance, hook: Hook, port: u16) {
    let table = Table::new(Family::Ip, "firewall");
    let drop = [
        is(Load::Protocol, &[6]),
        is(Load::DestinationPort, &port.to_be_bytes()),
        vec![Expr::Verdict(Verdict::Drop)],
    ];
    let mut transaction = Transaction::new();
    transaction.destroy_table(&table);
    transaction.add_table(&table, TableFlags::default());
    transaction.add_chain(&table, &Chain::base("own", hook, 0));
    transaction.append(&table, "own", &drop.concat());
    let mut nft = instance.space(INSTANCE).socket(Protocol::Netfilter);
    transaction.commit(&mut nft).unwrap();
}

#[test]
fn moby_22054_a_published_port_passes_by_what_the_instance_drops_at_its_input() {
    in_own_namespaces(
        "network::traps::moby_22054_a_published_port_passes_by_what_the_instance_drops_at_its_input",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("web", "bridge", &["8080:80"]);
            instance.apply();
            let web = instance.listen("web", "0.0.0.0:80");
            drop_port(&instance, Hook::Input, 8080);
            assert_eq!(
                instance.tcp("outside", "10.0.0.10:8080", &web),
                seen("10.0.0.1")
            );
            // What is forwarded has the container's port by then, and is the place for such a rule.
            drop_port(&instance, Hook::Forward, 80);
            assert_eq!(instance.tcp("outside", "10.0.0.10:8080", &web), None);
            assert!(
                instance.apply().is_unchanged(),
                "rules of the instance are its own"
            );
        },
    );
}

#[test]
fn moby_8795_who_asked_before_the_port_was_published_is_heard_after() {
    in_own_namespaces(
        "network::traps::moby_8795_who_asked_before_the_port_was_published_is_heard_after",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("log", "bridge", &[]);
            instance.apply();
            let log = instance.udp("log", "0.0.0.0:514");
            let client = instance.udp("outside", "10.0.0.1:4000");
            // It goes on sending all the time, so that its flow never ends by itself.
            assert_eq!(datagram(&client, "10.0.0.10:514", &log), None);
            instance.endpoint("log").published = published(&["514:514/udp"]);
            instance.apply();
            assert!(datagram(&client, "10.0.0.10:514", &log).is_some());
        },
    );
}

#[test]
fn moby_53384_a_flow_follows_a_container_that_comes_back_with_another_address() {
    in_own_namespaces(
        "network::traps::moby_53384_a_flow_follows_a_container_that_comes_back_with_another_address",
        || {
            let mut instance = Instance::with_docker0();
            let first = instance.connect("dns", "bridge", &["53:53/udp"]);
            instance.apply();
            let before = instance.udp("dns", "0.0.0.0:53");
            let client = instance.udp("outside", "10.0.0.1:4000");
            assert!(datagram(&client, "10.0.0.10:53", &before).is_some());

            instance.disconnect("dns", "bridge");
            let _old = instance.restart("dns");
            instance.connect("squatter", "bridge", &[]);
            let second = instance.connect("dns", "bridge", &["53:53/udp"]);
            assert_ne!(first, second);
            assert!(instance.apply().flows > 0);
            let after = instance.udp("dns", "0.0.0.0:53");
            assert!(datagram(&client, "10.0.0.10:53", &after).is_some());
            let squatter = instance.udp("squatter", "0.0.0.0:53");
            assert_eq!(datagram(&client, "10.0.0.10:53", &squatter), None);
        },
    );
}

#[test]
fn moby_49509_networks_are_apart_whatever_a_container_routes_by_itself() {
    in_own_namespaces(
        "network::traps::moby_49509_networks_are_apart_whatever_a_container_routes_by_itself",
        || {
            let mut instance = Instance::with_docker0();
            instance.network("back", |_| ());
            instance.network("closed", |options| options.icc = false);
            instance.connect("web", "bridge", &[]);
            let db = instance.connect("db", "back", &["5432:5432"]);
            let lone = instance.connect("lone", "closed", &[]);
            instance.apply();
            let at_db = instance.listen("db", "0.0.0.0:5432");
            let at_lone = instance.listen("lone", "0.0.0.0:80");
            // The gateway of its own bridge forwards to no other, published or not; the published port is the way.
            assert_eq!(instance.tcp("web", &format!("{db}:5432"), &at_db), None);
            assert_eq!(instance.tcp("web", &format!("{lone}:80"), &at_lone), None);
            assert_eq!(
                instance.tcp("web", "10.0.0.10:5432", &at_db),
                seen("172.18.0.1"),
                "what leaves a bridge is sent as the instance"
            );
            assert_eq!(
                instance.tcp("lone", "10.0.0.10:5432", &at_db),
                seen("172.18.0.1")
            );
        },
    );
}

#[test]
fn moby_49667_a_container_reaches_its_own_published_port() {
    in_own_namespaces(
        "network::traps::moby_49667_a_container_reaches_its_own_published_port",
        || {
            let mut instance = Instance::with_docker0();
            instance.network("front", |_| ());
            instance.network("internal", |options| options.internal = true);
            instance.connect("web", "front", &["8080:80", "53:53/udp"]);
            instance.connect("web", "internal", &[]);
            instance.apply();
            let web = instance.listen("web", "0.0.0.0:80");
            for address in ["10.0.0.10:8080", "172.18.0.1:8080"] {
                assert_eq!(instance.tcp("web", address, &web), seen("172.18.0.1"));
            }
            let server = instance.udp("web", "0.0.0.0:53");
            let client = instance.udp("web", "0.0.0.0:4000");
            let from = datagram(&client, "10.0.0.10:53", &server).expect("arrives");
            assert_eq!(from.ip(), ip("172.18.0.1"));
            // The answer comes back from where the question went.
            assert_eq!(
                datagram(&server, &from.to_string(), &client),
                "10.0.0.10:53".parse().ok()
            );
        },
    );
}

#[test]
fn moby_49792_a_containers_address_is_reached_from_outside_by_published_ports_alone() {
    in_own_namespaces(
        "network::traps::moby_49792_a_containers_address_is_reached_from_outside_by_published_ports_alone",
        || {
            let mut instance = Instance::with_docker0();
            instance.network("open", |options| options.masquerade = false);
            let web = instance.connect("web", "open", &["8080:80"]);
            instance.apply();
            instance.route_from_outside("172.18.0.0/16");
            let at_web = instance.listen("web", "0.0.0.0:80");
            assert_eq!(
                instance.tcp("outside", "10.0.0.10:8080", &at_web),
                seen("10.0.0.1")
            );
            for port in [80, 8080] {
                let direct = format!("{web}:{port}");
                assert_eq!(instance.tcp("outside", &direct, &at_web), None, "{direct}");
            }
            // Without masquerading it is seen as itself outside, and answers find the way back.
            let outside = instance.listen("outside", "0.0.0.0:443");
            assert_eq!(
                instance.tcp("web", "10.0.0.1:443", &outside),
                seen(&web.to_string())
            );
        },
    );
}
