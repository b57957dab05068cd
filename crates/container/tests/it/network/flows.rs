//! What connection tracking remembers when ports and containers come and go.

use super::instance::{Instance, datagram, published};
use crate::netlink_common::in_own_namespaces;

#[test]
fn a_datagram_flow_ends_with_its_port() {
    in_own_namespaces("network::flows::a_datagram_flow_ends_with_its_port", || {
        let mut instance = Instance::with_docker0();
        instance.connect("dns", "bridge", &["5353:53/udp"]);
        instance.apply();
        let dns = instance.udp("dns", "0.0.0.0:53");
        let client = instance.udp("outside", "10.0.0.1:4000");
        assert!(datagram(&client, "10.0.0.10:5353", &dns).is_some());
        assert!(datagram(&dns, "10.0.0.1:4000", &client).is_some());

        instance.endpoint("dns").published.clear();
        let outcome = instance.apply();
        assert_eq!(outcome.flows, 1);
        assert_eq!(datagram(&client, "10.0.0.10:5353", &dns), None);

        // The flow that began unpublished is led where the port leads from now on.
        instance.endpoint("dns").published = published(&["5353:53/udp"]);
        instance.apply();
        assert!(datagram(&client, "10.0.0.10:5353", &dns).is_some());
    });
}

#[test]
fn a_datagram_flow_follows_its_port_to_another_container() {
    in_own_namespaces(
        "network::flows::a_datagram_flow_follows_its_port_to_another_container",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("old", "bridge", &["5353:53/udp"]);
            instance.connect("new", "bridge", &[]);
            instance.apply();
            let (old, new) = (
                instance.udp("old", "0.0.0.0:53"),
                instance.udp("new", "0.0.0.0:53"),
            );
            let client = instance.udp("outside", "10.0.0.1:4000");
            assert!(datagram(&client, "10.0.0.10:5353", &old).is_some());
            instance.endpoint("old").published.clear();
            instance.endpoint("new").published = published(&["5353:53/udp"]);
            instance.apply();
            assert!(datagram(&client, "10.0.0.10:5353", &new).is_some());
            assert_eq!(datagram(&client, "10.0.0.10:5353", &old), None);
        },
    );
}

#[test]
fn a_flow_out_of_a_container_ends_with_it_even_where_its_address_is_given_again() {
    in_own_namespaces(
        "network::flows::a_flow_out_of_a_container_ends_with_it_even_where_its_address_is_given_again",
        || {
            let mut instance = Instance::with_docker0();
            let first = instance.connect("first", "bridge", &[]);
            instance.apply();
            let outside = instance.udp("outside", "10.0.0.1:53");
            let client = instance.udp("first", "0.0.0.0:4000");
            let seen = datagram(&client, "10.0.0.1:53", &outside).unwrap();
            assert!(datagram(&outside, &seen.to_string(), &client).is_some());

            instance.disconnect("first", "bridge");
            let second = instance.connect("second", "bridge", &[]);
            assert_eq!(first, second, "the lowest free address");
            assert_eq!(instance.apply().flows, 1);
            let stranger = instance.udp("second", "0.0.0.0:4000");
            assert_eq!(datagram(&outside, &seen.to_string(), &stranger), None);
        },
    );
}

#[test]
fn other_flows_of_the_instance_are_left_alone() {
    in_own_namespaces("network::flows::other_flows_of_the_instance_are_left_alone", || {
        let mut instance = Instance::with_docker0();
        instance.connect("web", "bridge", &["8080:80"]);
        instance.apply();
        let own = instance.udp("i-1", "10.0.0.10:5353");
        let outside = instance.udp("outside", "10.0.0.1:4000");
        assert!(datagram(&outside, "10.0.0.10:5353", &own).is_some());
        let web = instance.listen("web", "0.0.0.0:80");
        assert!(instance.tcp("outside", "10.0.0.10:8080", &web).is_some());
        instance.connect("dns", "bridge", &["5454:53/udp"]);
        assert_eq!(instance.apply().flows, 0);
    });
}

#[test]
fn flows_that_nobody_came_to_forget_are_forgotten_by_the_next() {
    in_own_namespaces(
        "network::flows::flows_that_nobody_came_to_forget_are_forgotten_by_the_next",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("dns", "bridge", &["5353:53/udp"]);
            instance.connect("gone", "bridge", &[]);
            instance.apply();
            let dns = instance.udp("dns", "0.0.0.0:53");
            let client = instance.udp("outside", "10.0.0.1:4000");
            assert!(datagram(&client, "10.0.0.10:5353", &dns).is_some());

            // Once a port goes, once a container: whoever does it dies when the rules and devices are changed.
            instance.endpoint("dns").published.clear();
            instance.lives = Some(1);
            assert!(instance.try_apply().is_err());
            instance.lives = None;
            assert_eq!(instance.apply().flows, 1);
            assert_eq!(datagram(&client, "10.0.0.10:5353", &dns), None);

            let outside = instance.udp("outside", "10.0.0.1:53");
            let asker = instance.udp("gone", "0.0.0.0:4000");
            assert!(datagram(&asker, "10.0.0.1:53", &outside).is_some());
            instance.disconnect("gone", "bridge");
            instance.lives = Some(1);
            assert!(instance.try_apply().is_err());
            instance.lives = None;
            assert_eq!(instance.apply().flows, 1);
            assert!(instance.apply().is_unchanged());
        },
    );
}
