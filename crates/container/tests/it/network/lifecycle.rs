//! Twice changes nothing, what was flushed comes back, what goes leaves nothing, what is others' stays.

use container::network::firewall::{FAMILIES, TABLE};
use container::network::{Error, Survey, listeners, publish};
use netlink::nft::{Chain, Family, Hook, Table, TableFlags, Transaction, dump, priority};
use netlink::rtnl::link::{self, LinkKind, LinkSpec, Target};
use netlink::rtnl::{address, route};
use netlink::{Batch, Protocol};

use super::instance::{INSTANCE, Instance};
use crate::netlink_common::{in_own_namespaces, ip};

/// Two networks, one of them closed, three containers, ports.
fn busy() -> Instance {
    let mut instance = Instance::with_docker0();
    instance.network("closed", |options| options.icc = false);
    instance.network("vault", |options| options.internal = true);
    instance.connect("web", "bridge", &["8080:80", "127.0.0.1:5353:53/udp"]);
    instance.connect("web", "closed", &[]);
    instance.connect("db", "closed", &["5432"]);
    instance.connect("safe", "vault", &[]);
    instance
}

#[test]
fn twice_changes_nothing_whoever_asks() {
    in_own_namespaces("network::lifecycle::twice_changes_nothing_whoever_asks", || {
        let mut instance = busy();
        assert!(!instance.apply().is_unchanged());
        assert!(instance.apply().is_unchanged());
    });
}

#[test]
fn what_was_flushed_comes_back() {
    in_own_namespaces("network::lifecycle::what_was_flushed_comes_back", || {
        let mut instance = busy();
        instance.apply();
        let web = instance.listen("web", "0.0.0.0:80");
        let mut nft = instance.space(INSTANCE).socket(Protocol::Netfilter);
        let mut flush = Transaction::new();
        for family in FAMILIES {
            flush.destroy_table(&Table::new(family, TABLE));
        }
        flush.commit(&mut nft).unwrap();
        assert!(instance.apply().rules > 0);
        assert!(instance.tcp("outside", "10.0.0.10:8080", &web).is_some());

        // One rule less is noticed, and one chain emptied.
        let table = Table::new(Family::Ip, TABLE);
        let mut less = Transaction::new();
        let rules = dump::rules(&mut nft, &table, Some("into-docker0")).unwrap();
        less.delete_rule(&table, "into-docker0", rules[0].handle);
        less.flush_chain(&table, "postrouting");
        less.commit(&mut nft).unwrap();
        assert!(instance.apply().rules > 0);
        assert!(instance.tcp("web", "10.0.0.10:8080", &web).is_some());
        assert!(instance.apply().is_unchanged());
    });
}

#[test]
fn rules_that_stay_keep_what_they_have_counted() {
    in_own_namespaces(
        "network::lifecycle::rules_that_stay_keep_what_they_have_counted",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("web", "bridge", &["8080:80"]);
            instance.apply();
            let web = instance.listen("web", "0.0.0.0:80");
            assert!(instance.tcp("outside", "10.0.0.10:8080", &web).is_some());
            let count = |instance: &Instance| {
                let mut nft = instance.space(INSTANCE).socket(Protocol::Netfilter);
                let table = Table::new(Family::Ip, TABLE);
                let rules = dump::rules(&mut nft, &table, Some("publish")).unwrap();
                let counts = rules.iter().filter_map(|rule| rule.count);
                counts.map(|count| count.packets).collect::<Vec<_>>()
            };
            assert_eq!(count(&instance), [1], "the first packet of a connection");
            // One before it and one behind it.
            instance.connect("low", "bridge", &["7000:80"]);
            instance.connect("high", "bridge", &["9000:80"]);
            instance.apply();
            assert_eq!(count(&instance), [0, 1, 0]);
            instance.disconnect("low", "bridge");
            instance.apply();
            assert_eq!(count(&instance), [1, 0]);
        },
    );
}

#[test]
fn a_container_that_is_started_anew_gets_its_cable_though_the_old_one_is_there() {
    in_own_namespaces(
        "network::lifecycle::a_container_that_is_started_anew_gets_its_cable_though_the_old_one_is_there",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("web", "bridge", &["8080:80"]);
            instance.apply();
            let _old = instance.restart("web");
            assert!(!instance.apply().is_unchanged());
            let web = instance.listen("web", "0.0.0.0:80");
            assert!(instance.tcp("outside", "10.0.0.10:8080", &web).is_some());
        },
    );
}

#[test]
fn a_device_that_went_comes_back() {
    in_own_namespaces("network::lifecycle::a_device_that_went_comes_back", || {
        let mut instance = busy();
        instance.apply();
        let web = instance.listen("web", "0.0.0.0:80");
        let cable = instance.endpoint("web").host_device();
        let mut rtnl = instance.space(INSTANCE).socket(Protocol::Route);
        for device in [cable.as_str(), "docker0"] {
            let mut batch = Batch::new();
            link::delete(&mut batch, Target::Name(device));
            rtnl.execute(&batch).unwrap();
            assert!(instance.apply().devices > 0);
            assert!(
                instance.tcp("outside", "10.0.0.10:8080", &web).is_some(),
                "{device}"
            );
        }
    });
}

#[test]
fn removal_leaves_nothing_and_what_is_others_stays() {
    in_own_namespaces(
        "network::lifecycle::removal_leaves_nothing_and_what_is_others_stays",
        || {
            let mut instance = busy();
            let mut nft = instance.space(INSTANCE).socket(Protocol::Netfilter);
            let theirs = Table::new(Family::Ip, "theirs");
            let mut transaction = Transaction::new();
            transaction.add_table(&theirs, TableFlags::default());
            let chain = Chain::base("forward", Hook::Forward, priority::FILTER);
            transaction.add_chain(&theirs, &chain);
            transaction.commit(&mut nft).unwrap();
            let mut rtnl = instance.space(INSTANCE).socket(Protocol::Route);
            let mut batch = Batch::new();
            link::create(&mut batch, &LinkSpec::named("mine"), &LinkKind::Bridge);
            rtnl.execute(&batch).unwrap();
            let before = (
                link::dump(&mut rtnl).unwrap().len(),
                address::dump(&mut rtnl, None, None).unwrap(),
                route::dump(&mut rtnl, netlink::rtnl::Family::V4, None).unwrap(),
            );
            instance.apply();
            assert_eq!(dump::tables(&mut nft).unwrap().len(), 3);

            instance.endpoints.clear();
            instance.networks.clear();
            instance.apply();
            let after = (
                link::dump(&mut rtnl).unwrap().len(),
                address::dump(&mut rtnl, None, None).unwrap(),
                route::dump(&mut rtnl, netlink::rtnl::Family::V4, None).unwrap(),
            );
            assert_eq!(before, after);
            assert_eq!(dump::tables(&mut nft).unwrap(), [theirs]);
            assert!(instance.apply().is_unchanged());
            for container in ["web", "db", "safe"] {
                let mut inside = instance.space(container).socket(Protocol::Route);
                let left = link::dump(&mut inside).unwrap();
                assert_eq!(left.len(), 1, "only lo: {left:?}");
            }
        },
    );
}

#[test]
fn a_device_that_is_not_ours_is_not_touched() {
    in_own_namespaces(
        "network::lifecycle::a_device_that_is_not_ours_is_not_touched",
        || {
            let mut instance = Instance::with_docker0();
            let mut rtnl = instance.space(INSTANCE).socket(Protocol::Route);
            let mut batch = Batch::new();
            link::create(&mut batch, &LinkSpec::named("docker0"), &LinkKind::Bridge);
            rtnl.execute(&batch).unwrap();
            let error = instance.try_apply().unwrap_err().to_string();
            assert!(error.contains("ip link del docker0"), "{error}");
            assert!(link::get(&mut rtnl, Target::Name("docker0")).is_ok());
        },
    );
}

fn exits(instance: &Instance, name: &str) -> Vec<std::net::IpAddr> {
    let mut inside = instance.space(name).socket(Protocol::Route);
    let routes = route::dump(&mut inside, netlink::rtnl::Family::V4, Some(route::MAIN)).unwrap();
    let default = routes.iter().filter(|r| r.destination.prefix_len() == 0);
    default.filter_map(|route| route.gateway).collect()
}

#[test]
fn networks_come_and_go_while_a_container_runs() {
    in_own_namespaces(
        "network::lifecycle::networks_come_and_go_while_a_container_runs",
        || {
            let mut instance = Instance::with_docker0();
            instance.network("app", |_| ());
            instance.connect("web", "bridge", &["8080:80"]);
            instance.apply();
            assert_eq!(exits(&instance, "web"), [ip("172.17.0.1")]);
            let web = instance.listen("web", "0.0.0.0:80");

            // `app` comes first by name: the way out, and what is published, moves there.
            instance.connect("web", "app", &[]);
            instance.apply();
            assert_eq!(exits(&instance, "web"), [ip("172.18.0.1")]);
            assert!(instance.tcp("outside", "10.0.0.10:8080", &web).is_some());

            // A higher priority wins over the name.
            instance.endpoint("web").gateway_priority = 1;
            instance.apply();
            assert_eq!(exits(&instance, "web"), [ip("172.17.0.1")]);
            assert!(instance.tcp("outside", "10.0.0.10:8080", &web).is_some());

            instance.disconnect("web", "app");
            instance.apply();
            assert_eq!(exits(&instance, "web"), [ip("172.17.0.1")]);
            instance.disconnect("web", "bridge");
            instance.apply();
            assert!(exits(&instance, "web").is_empty());
        },
    );
}

#[test]
fn what_a_network_changes_is_changed_in_place() {
    in_own_namespaces(
        "network::lifecycle::what_a_network_changes_is_changed_in_place",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("web", "bridge", &[]);
            instance.connect("db", "bridge", &[]);
            instance.apply();
            let db = instance.listen("db", "0.0.0.0:5432");
            assert!(instance.tcp("web", "172.17.0.3:5432", &db).is_some());
            instance.networks[0].icc = false;
            instance.networks[0].mtu = 1300;
            instance.apply();
            assert_eq!(instance.tcp("web", "172.17.0.3:5432", &db), None);
            let mut inside = instance.space("web").socket(Protocol::Route);
            assert_eq!(
                link::get(&mut inside, Target::Name("eth0")).unwrap().mtu,
                1300
            );
            instance.networks[0].icc = true;
            instance.apply();
            assert!(instance.tcp("web", "172.17.0.3:5432", &db).is_some());
            assert!(instance.apply().is_unchanged());
        },
    );
}

#[test]
fn a_survey_knows_routes_the_way_out_and_who_listens() {
    in_own_namespaces(
        "network::lifecycle::a_survey_knows_routes_the_way_out_and_who_listens",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("web", "bridge", &["8080:80"]);
            instance.apply();
            let _listener = instance.listen(INSTANCE, "127.0.0.1:9000");
            let _anyone = instance.udp(INSTANCE, "0.0.0.0:53");
            let survey = Survey::of(&mut instance, INSTANCE).unwrap();
            let taken = listeners(&mut instance, INSTANCE).unwrap();
            let routes: Vec<String> = survey.routes.iter().map(ToString::to_string).collect();
            assert_eq!(
                routes,
                ["0.0.0.0/0", "10.0.0.0/24"],
                "docker0's own is left out"
            );
            assert_eq!(survey.uplink_mtu, 1400);
            for (text, message) in [
                (
                    "9000:80",
                    "Bind for 0.0.0.0:9000 failed: port is already allocated (a program of the instance listens on it)",
                ),
                (
                    "127.0.0.1:9000:80",
                    "Bind for 127.0.0.1:9000 failed: port is already allocated (a program of the instance listens on it)",
                ),
                (
                    "10.0.0.10:53:53/udp",
                    "Bind for 10.0.0.10:53 failed: port is already allocated (a program of the instance listens on it)",
                ),
            ] {
                let requests = publish::parse_publish(text).unwrap();
                let error: Error = publish::allocate(&requests, &taken).unwrap_err();
                assert_eq!(error.to_string(), message);
            }
            for free in ["10.0.0.10:9000:80", "53:53/tcp"] {
                let requests = publish::parse_publish(free).unwrap();
                assert!(
                    publish::allocate(&requests, &taken).is_ok(),
                    "{free}"
                );
            }
        },
    );
}

#[test]
fn more_ports_than_one_transaction_takes_are_published() {
    in_own_namespaces(
        "network::lifecycle::more_ports_than_one_transaction_takes_are_published",
        || {
            let mut instance = Instance::with_docker0();
            instance.connect("web", "bridge", &["2000-2999:3000-3999"]);
            instance.apply();
            let web = instance.listen("web", "0.0.0.0:3999");
            let seen = instance.tcp("outside", "10.0.0.10:2999", &web);
            assert_eq!(seen, Some(ip("10.0.0.1")));
            assert!(instance.apply().is_unchanged());
            instance.endpoint("web").published.truncate(500);
            instance.apply();
            let refused = instance.space("outside").enter(|| {
                let address = "10.0.0.10:2999".parse().unwrap();
                let patience = std::time::Duration::from_secs(5);
                std::net::TcpStream::connect_timeout(&address, patience)
            });
            let kind = refused.expect_err("no longer published").kind();
            assert_eq!(kind, std::io::ErrorKind::ConnectionRefused);
        },
    );
}

#[test]
fn whatever_comes_after_whatever_is_as_planned_and_stays_so() {
    in_own_namespaces(
        "network::lifecycle::whatever_comes_after_whatever_is_as_planned_and_stays_so",
        || {
            let mut instance = Instance::with_docker0();
            instance.network("app", |_| ());
            instance.network("vault", |options| options.internal = true);
            let all = instance.networks.clone();
            let mut state = 0x9e37_79b9_7f4a_7c15_u64;
            let mut random = |below: u64| {
                // xorshift64*: the same walk each time.
                state ^= state >> 12;
                state ^= state << 25;
                state ^= state >> 27;
                (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
            };
            for step in 0..60 {
                let name = ["a", "b", "c", "d"][random(4) as usize];
                match random(8) {
                    // A network comes or goes, with all who are in it.
                    0 => {
                        let network = &all[random(3) as usize];
                        let before = instance.networks.len();
                        instance.networks.retain(|other| other.id != network.id);
                        instance
                            .endpoints
                            .retain(|endpoint| endpoint.network != network.id);
                        if instance.networks.len() == before {
                            instance.networks.push(network.clone());
                        }
                    }
                    1 if !instance.networks.is_empty() => {
                        let at = random(instance.networks.len() as u64) as usize;
                        let network = &mut instance.networks[at];
                        match random(4) {
                            0 => network.icc = !network.icc,
                            1 => network.internal = !network.internal,
                            2 => network.masquerade = !network.masquerade,
                            _ => network.mtu = 1200 + random(3) as u32 * 100,
                        }
                    }
                    2 | 3 => instance.endpoints.retain(|endpoint| endpoint.name != name),
                    _ if !instance.networks.is_empty() => {
                        let at = random(instance.networks.len() as u64) as usize;
                        let network = instance.networks[at].clone();
                        let mine = |e: &container::network::Endpoint| e.name == name;
                        let is_in = instance
                            .endpoints
                            .iter()
                            .any(|e| mine(e) && e.network == network.id);
                        let has_eth0 = instance
                            .endpoints
                            .iter()
                            .any(|e| mine(e) && e.interface == "eth0");
                        if is_in {
                            instance.disconnect(name, &network.name);
                        } else {
                            let port = format!(
                                "{}:80/{}",
                                8000 + u32::from(name.as_bytes()[0]),
                                ["tcp", "udp"][random(2) as usize]
                            );
                            instance.connect(name, &network.name, &[&port]);
                            let last = instance.endpoints.last_mut().unwrap();
                            last.interface = if has_eth0 {
                                format!("eth{}", 1 + at)
                            } else {
                                "eth0".into()
                            };
                        }
                    }
                    _ => {}
                }
                instance.apply();
                let again = instance.apply();
                assert!(
                    again.is_unchanged(),
                    "step {step}: {again:?}
{}",
                    instance.plan()
                );
            }
        },
    );
}
