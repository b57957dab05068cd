//! Who reaches whom over IPv6: the same rules as over IPv4, and neighbours are found.

use container::network::{Link, parse_exposed};
use netlink::rtnl::{Family, route};

use super::instance::{INSTANCE, Instance, datagram, seen};
use crate::netlink_common::in_own_namespaces;

/// An instance with `six`, fd01::/64.
fn instance() -> Instance {
    let mut instance = Instance::with_docker0();
    instance.network("six", |options| {
        options.ipv6 = true;
        options.subnet_v6 = Some("fd01::/64".parse().unwrap());
    });
    instance
}

#[test]
fn containers_reach_each_other_and_their_gateway_in_an_instance_without_ipv6() {
    in_own_namespaces(
        "network::reach_v6::containers_reach_each_other_and_their_gateway_in_an_instance_without_ipv6",
        || {
            let mut instance = instance();
            // As instances are made: no device has IPv6, those to come neither.
            for path in ["all", "default"] {
                let path = format!("/proc/sys/net/ipv6/conf/{path}/disable_ipv6");
                instance
                    .space(INSTANCE)
                    .enter(|| std::fs::write(&path, "1").unwrap());
            }
            instance.connect("web", "six", &[]);
            instance.connect("db", "six", &[]);
            assert!(!instance.apply().is_unchanged());
            assert!(instance.apply().is_unchanged(), "twice changes nothing");
            let web = instance.listen("web", "[::]:80");
            assert_eq!(instance.tcp("db", "[fd01::2]:80", &web), seen("fd01::3"));
            assert_eq!(instance.tcp("i-1", "[fd01::2]:80", &web), seen("fd01::1"));
            let gateway = instance.listen("i-1", "[fd01::1]:81");
            assert_eq!(
                instance.tcp("web", "[fd01::1]:81", &gateway),
                seen("fd01::2")
            );
            let mut inside = instance.space("web").socket(netlink::Protocol::Route);
            let routes = route::dump(&mut inside, Family::V6, Some(route::MAIN)).unwrap();
            let default = routes.iter().find(|r| r.destination.prefix_len() == 0);
            assert_eq!(default.and_then(|route| route.gateway), seen("fd01::1"));
        },
    );
}

#[test]
fn beyond_the_instance_a_container_sends_as_the_instance_and_is_reached_by_published_ports_only() {
    in_own_namespaces(
        "network::reach_v6::beyond_the_instance_a_container_sends_as_the_instance_and_is_reached_by_published_ports_only",
        || {
            let mut instance = instance();
            instance.give_v6();
            instance.connect(
                "web",
                "six",
                &["8080:80", "[fc10::10]:9090:90", "53:53/udp"],
            );
            instance.connect("db", "six", &[]);
            instance.apply();
            let outside = instance.listen("outside", "[::]:443");
            assert_eq!(
                instance.tcp("web", "[fc10::1]:443", &outside),
                seen("fc10::10")
            );
            let web = instance.listen("web", "[fd01::2]:80");
            assert_eq!(
                instance.tcp("outside", "[fc10::10]:8080", &web),
                seen("fc10::1")
            );
            let private = instance.listen("web", "[::]:90");
            assert_eq!(
                instance.tcp("outside", "[fc10::10]:9090", &private),
                seen("fc10::1")
            );
            // The same port leads there over IPv4, to the IPv4 address.
            let web_v4 = instance.listen("web", "172.18.0.2:80");
            assert_eq!(
                instance.tcp("outside", "10.0.0.10:8080", &web_v4),
                seen("10.0.0.1")
            );
            // Hairpin: a neighbour and the container itself, by the instance's address.
            for client in ["db", "web"] {
                assert_eq!(
                    instance.tcp(client, "[fc10::10]:8080", &web),
                    seen("fd01::1")
                );
            }
            let dns = instance.udp("web", "[::]:53");
            let client = instance.udp("outside", "[fc10::1]:4000");
            assert!(datagram(&client, "[fc10::10]:53", &dns).is_some());
            assert_eq!(
                datagram(&dns, "[fc10::1]:4000", &client),
                "[fc10::10]:53".parse().ok()
            );
            // Whoever knows the way to the containers reaches none directly.
            instance.route_from_outside_v6("fd01::/64");
            assert_eq!(instance.tcp("outside", "[fd01::2]:80", &web), None);
            // What was published and is not any more leads nowhere, whatever was remembered (moby 53384).
            instance.endpoint("web").published.clear();
            assert_eq!(instance.apply().flows, 1);
            assert_eq!(datagram(&client, "[fc10::10]:53", &dns), None);
        },
    );
}

#[test]
fn bridges_are_apart_and_closed_networks_closed() {
    in_own_namespaces(
        "network::reach_v6::bridges_are_apart_and_closed_networks_closed",
        || {
            let mut instance = instance();
            instance.give_v6();
            instance.network("closed", |options| {
                options.ipv6 = true;
                options.icc = false;
                options.subnet_v6 = Some("fd02::/64".parse().unwrap());
            });
            instance.network("vault", |options| {
                options.ipv6 = true;
                options.internal = true;
                options.subnet_v6 = Some("fd03::/64".parse().unwrap());
            });
            instance.connect("web", "six", &[]);
            instance.connect("db", "closed", &[]);
            instance.connect("app", "closed", &["8080:80"]);
            instance.connect("other", "closed", &[]);
            instance.connect("safe", "vault", &[]);
            let container = instance.endpoint("db").container.clone();
            instance.endpoint("db").exposed = parse_exposed("5432").unwrap();
            instance.endpoint("app").links = vec![Link {
                container,
                alias: "database".into(),
            }];
            instance.apply();
            assert!(instance.apply().is_unchanged());
            let db = instance.listen("db", "[::]:5432");
            let app = instance.listen("app", "[::]:80");
            let safe = instance.listen("safe", "[::]:80");
            assert_eq!(instance.tcp("web", "[fd02::2]:5432", &db), None);
            assert_eq!(instance.tcp("other", "[fd02::2]:5432", &db), None);
            assert_eq!(instance.tcp("app", "[fd02::2]:5432", &db), seen("fd02::3"));
            assert_eq!(
                instance.tcp("other", "[fc10::10]:8080", &app),
                seen("fd02::1")
            );
            let outside = instance.listen("outside", "[::]:443");
            assert_eq!(instance.tcp("safe", "[fc10::1]:443", &outside), None);
            assert_eq!(instance.tcp("web", "[fd03::2]:80", &safe), None);
            assert_eq!(
                instance.tcp("other", "[fc10::1]:443", &outside),
                seen("fc10::10")
            );
        },
    );
}

#[test]
fn the_default_route_of_each_family_is_chosen_by_itself() {
    in_own_namespaces(
        "network::reach_v6::the_default_route_of_each_family_is_chosen_by_itself",
        || {
            let mut instance = instance();
            instance.give_v6();
            instance.network("a-four", |_| ());
            instance.connect("web", "six", &["8080:80"]);
            instance.connect("web", "a-four", &[]);
            instance.apply();
            // IPv4 leaves by the first network by name, IPv6 by the only one that has it, and ports follow both.
            let four = instance.listen("web", "172.19.0.2:80");
            let six = instance.listen("web", "[fd01::2]:80");
            assert!(instance.tcp("outside", "10.0.0.10:8080", &four).is_some());
            assert!(instance.tcp("outside", "[fc10::10]:8080", &six).is_some());
            instance.disconnect("web", "a-four");
            assert!(!instance.apply().is_unchanged());
            let four = instance.listen("web", "172.18.0.2:80");
            assert!(instance.tcp("outside", "10.0.0.10:8080", &four).is_some());
        },
    );
}
