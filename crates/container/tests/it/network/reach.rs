//! Who reaches whom, and as whom.

use container::network::firewall::TABLE;
use container::network::{Link, parse_exposed};
use netlink::nft::{Family, Table, Transaction};
use netlink::rtnl::link::{self, Ipv4Conf, LinkSpec, Target};
use netlink::rtnl::route::{self, Route, RouteKind};
use netlink::{Batch, Protocol};

use super::instance::{Instance, datagram, seen};
use crate::netlink_common::{in_own_namespaces, ip};

#[test]
fn containers_of_a_network_reach_each_other_as_themselves() {
    in_own_namespaces(
        "network::reach::containers_of_a_network_reach_each_other_as_themselves",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("web", "bridge", &[]);
            instance.connect("db", "bridge", &[]);
            instance.apply();
            let db = instance.listen("db", "0.0.0.0:5432");
            assert_eq!(
                instance.tcp("web", "172.17.0.3:5432", &db),
                seen("172.17.0.2")
            );
            let udp = instance.udp("db", "0.0.0.0:53");
            let client = instance.udp("web", "0.0.0.0:4000");
            assert_eq!(
                datagram(&client, "172.17.0.3:53", &udp),
                "172.17.0.2:4000".parse().ok()
            );
        },
    );
}

#[test]
fn beyond_the_instance_a_container_sends_as_the_instance() {
    in_own_namespaces(
        "network::reach::beyond_the_instance_a_container_sends_as_the_instance",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("web", "bridge", &[]);
            instance.network("plain", |options| options.masquerade = false);
            instance.connect("bare", "plain", &[]);
            instance.apply();
            let outside = instance.listen("outside", "0.0.0.0:443");
            assert_eq!(
                instance.tcp("web", "10.0.0.1:443", &outside),
                seen("10.0.0.10")
            );
            instance.route_from_outside("172.18.0.0/16");
            assert_eq!(
                instance.tcp("bare", "10.0.0.1:443", &outside),
                seen("172.18.0.2")
            );
            // To the instance itself nobody is translated.
            let own = instance.listen("i-1", "0.0.0.0:8000");
            assert_eq!(
                instance.tcp("web", "172.17.0.1:8000", &own),
                seen("172.17.0.2")
            );
            assert_eq!(
                instance.tcp("web", "10.0.0.10:8000", &own),
                seen("172.17.0.2")
            );
        },
    );
}

#[test]
fn a_published_port_is_reached_from_outside_and_nothing_else_is() {
    in_own_namespaces(
        "network::reach::a_published_port_is_reached_from_outside_and_nothing_else_is",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("web", "bridge", &["8080:80", "5353:53/udp"]);
            instance.apply();
            let web = instance.listen("web", "0.0.0.0:80");
            assert_eq!(
                instance.tcp("outside", "10.0.0.10:8080", &web),
                seen("10.0.0.1")
            );
            let dns = instance.udp("web", "0.0.0.0:53");
            let client = instance.udp("outside", "10.0.0.1:4000");
            assert_eq!(
                datagram(&client, "10.0.0.10:5353", &dns),
                "10.0.0.1:4000".parse().ok()
            );
            // The answer comes from where the question went.
            assert_eq!(
                datagram(&dns, "10.0.0.1:4000", &client),
                "10.0.0.10:5353".parse().ok()
            );
            // Whoever knows the way to the containers reaches none directly, not even where a port is published.
            instance.route_from_outside("172.17.0.0/16");
            assert_eq!(instance.tcp("outside", "172.17.0.2:80", &web), None);
            let other = instance.listen("web", "0.0.0.0:81");
            assert_eq!(instance.tcp("outside", "172.17.0.2:81", &other), None);
            assert_eq!(datagram(&client, "172.17.0.2:53", &dns), None);
        },
    );
}

#[test]
fn the_instance_reaches_its_published_ports_at_every_address_of_its_own() {
    in_own_namespaces(
        "network::reach::the_instance_reaches_its_published_ports_at_every_address_of_its_own",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("web", "bridge", &["8080:80", "127.0.0.1:9090:90"]);
            instance.apply();
            let web = instance.listen("web", "0.0.0.0:80");
            assert_eq!(
                instance.tcp("i-1", "127.0.0.1:8080", &web),
                seen("172.17.0.1")
            );
            assert_eq!(
                instance.tcp("i-1", "10.0.0.10:8080", &web),
                seen("10.0.0.10")
            );
            assert_eq!(
                instance.tcp("i-1", "172.17.0.2:80", &web),
                seen("172.17.0.1")
            );
            // Published on 127.0.0.1 is published to the instance alone.
            let private = instance.listen("web", "0.0.0.0:90");
            assert_eq!(
                instance.tcp("i-1", "127.0.0.1:9090", &private),
                seen("172.17.0.1")
            );
            let client = instance.udp("outside", "10.0.0.1:4000");
            let outside = instance.space("outside").enter(|| {
                std::net::TcpStream::connect_timeout(
                    &"10.0.0.10:9090".parse().unwrap(),
                    std::time::Duration::from_secs(2),
                )
            });
            let refused = outside.expect_err("published on 127.0.0.1 only").kind();
            assert_eq!(refused, std::io::ErrorKind::ConnectionRefused);
            drop(client);
        },
    );
}

#[test]
fn containers_reach_published_ports_of_their_own_instance() {
    in_own_namespaces(
        "network::reach::containers_reach_published_ports_of_their_own_instance",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("web", "bridge", &["8080:80", "5353:53/udp"]);
            instance.connect("db", "bridge", &[]);
            instance.network("other", |_| ());
            instance.connect("far", "other", &[]);
            instance.apply();
            let web = instance.listen("web", "0.0.0.0:80");
            // From its own bridge it sees the gateway, as with Docker's proxy.
            for client in ["db", "web"] {
                for address in ["10.0.0.10:8080", "172.17.0.1:8080"] {
                    assert_eq!(instance.tcp(client, address, &web), seen("172.17.0.1"));
                }
            }
            assert_eq!(
                instance.tcp("far", "10.0.0.10:8080", &web),
                seen("172.17.0.1")
            );
            let dns = instance.udp("web", "0.0.0.0:53");
            let client = instance.udp("db", "0.0.0.0:4000");
            let seen = datagram(&client, "10.0.0.10:5353", &dns).expect("arrives");
            assert_eq!(seen.ip(), ip("172.17.0.1"));
            assert_eq!(
                datagram(&dns, &seen.to_string(), &client),
                "10.0.0.10:5353".parse().ok()
            );
        },
    );
}

#[test]
fn without_icc_only_published_ports_and_links_lead_to_a_neighbour() {
    in_own_namespaces(
        "network::reach::without_icc_only_published_ports_and_links_lead_to_a_neighbour",
        || {
            let mut instance = Instance::with_docker0();
            instance.network("closed", |options| options.icc = false);
            let web = instance.connect("web", "closed", &["8080:80"]);
            let db = instance.connect("db", "closed", &[]);
            instance.connect("app", "closed", &[]);
            let container = instance.endpoint("db").container.clone();
            let alias = "database".to_owned();
            // Said twice, it is one link.
            let link = Link { container, alias };
            instance.endpoint("app").links = vec![link.clone(), link];
            instance.endpoint("db").exposed = ["5432", "5432/tcp"]
                .iter()
                .flat_map(|text| parse_exposed(text).unwrap())
                .collect();
            instance.apply();
            assert!(instance.apply().is_unchanged());
            let at_web = instance.listen("web", "0.0.0.0:80");
            let at_db = instance.listen("db", "0.0.0.0:5432");
            let hidden = instance.listen("db", "0.0.0.0:22");
            assert_eq!(instance.tcp("db", &format!("{web}:80"), &at_web), None);
            assert_eq!(
                instance.tcp("db", "10.0.0.10:8080", &at_web),
                seen("172.18.0.1")
            );
            assert_eq!(
                instance.tcp("app", &format!("{db}:5432"), &at_db),
                seen("172.18.0.4")
            );
            assert_eq!(instance.tcp("app", &format!("{db}:22"), &hidden), None);
            assert_eq!(instance.tcp("web", &format!("{db}:5432"), &at_db), None);
            let outside = instance.listen("outside", "0.0.0.0:443");
            assert_eq!(
                instance.tcp("web", "10.0.0.1:443", &outside),
                seen("10.0.0.10")
            );
        },
    );
}

#[test]
fn an_internal_network_has_no_way_out_and_none_in() {
    in_own_namespaces(
        "network::reach::an_internal_network_has_no_way_out_and_none_in",
        || {
            let mut instance = Instance::with_docker0();
            instance.network("vault", |options| options.internal = true);
            instance.connect("web", "bridge", &[]);
            let a = instance.connect("a", "vault", &["8080:80"]);
            let b = instance.connect("b", "vault", &[]);
            instance.apply();
            let at_a = instance.listen("a", "0.0.0.0:80");
            assert_eq!(
                instance.tcp("b", &format!("{a}:80"), &at_a),
                seen(&b.to_string())
            );
            let outside = instance.listen("outside", "0.0.0.0:443");
            assert_eq!(instance.tcp("a", "10.0.0.1:443", &outside), None);
            // Somebody inside who adds the route gets no further.
            instance.give_default_route("a", "172.18.0.1");
            assert_eq!(instance.tcp("a", "10.0.0.1:443", &outside), None);
            assert_eq!(instance.tcp("web", &format!("{a}:80"), &at_a), None);
            instance.route_from_outside("172.18.0.0/16");
            assert_eq!(instance.tcp("outside", &format!("{a}:80"), &at_a), None);
            assert!(
                instance.plan().published.is_empty(),
                "an internal network publishes nothing"
            );
        },
    );
}

#[test]
fn bridges_are_apart() {
    in_own_namespaces("network::reach::bridges_are_apart", || {
        let mut instance = Instance::with_docker0();
        instance.network("back", |_| ());
        let web = instance.connect("web", "bridge", &["8080:80"]);
        let db = instance.connect("db", "back", &[]);
        instance.apply();
        let at_web = instance.listen("web", "0.0.0.0:80");
        let at_db = instance.listen("db", "0.0.0.0:5432");
        assert_eq!(instance.tcp("web", &format!("{db}:5432"), &at_db), None);
        assert_eq!(instance.tcp("db", &format!("{web}:80"), &at_web), None);
        // In both networks it reaches both.
        let second = instance.connect("web", "back", &[]);
        instance.apply();
        assert_eq!(
            instance.tcp("web", &format!("{db}:5432"), &at_db),
            seen(&second.to_string())
        );
        assert_eq!(
            instance.tcp("db", &format!("{second}:80"), &at_web),
            seen(&db.to_string())
        );
    });
}

#[test]
fn a_container_does_not_reach_what_listens_on_the_instances_loopback() {
    in_own_namespaces(
        "network::reach::a_container_does_not_reach_what_listens_on_the_instances_loopback",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("web", "bridge", &[]);
            instance.apply();
            // Somebody inside who sends 127.0.0.1 over the cable.
            let mut inside = instance.space("web").socket(Protocol::Route);
            let eth0 = link::get(&mut inside, Target::Name("eth0")).unwrap().index;
            let mut batch = Batch::new();
            let settings = LinkSpec {
                ipv4: vec![(Ipv4Conf::RouteLocalnet, 1)],
                ..LinkSpec::default()
            };
            link::change(&mut batch, Target::Index(eth0), &settings);
            for net in ["127.0.0.1/32", "127.0.0.0/8"] {
                let own = Route::new(route::LOCAL, net.parse().unwrap());
                route::delete(&mut batch, &own.kind(RouteKind::Local));
            }
            let away = Route::new(route::MAIN, "127.0.0.0/8".parse().unwrap());
            route::add(&mut batch, &away.via(ip("172.17.0.1")).device(eth0));
            inside.execute(&batch).unwrap();
            let private = instance.udp("i-1", "127.0.0.1:9000");
            let client = instance.udp("web", "172.17.0.2:4000");
            assert_eq!(datagram(&client, "127.0.0.1:9000", &private), None);
            // It is the rule that keeps it away.
            let mut nft = instance.space("i-1").socket(Protocol::Netfilter);
            let mut open = Transaction::new();
            open.flush_chain(&Table::new(Family::Ip, TABLE), "raw");
            open.commit(&mut nft).unwrap();
            assert!(datagram(&client, "127.0.0.1:9000", &private).is_some());
        },
    );
}
