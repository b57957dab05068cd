//! OSPF between routers: neighbours, election, the same database everywhere, the cheapest ways, and failures.

use sim::device::{Switch, SwitchSettings};
use sim::host::Origin;
use sim::routing::{Ospf, OspfSpec};
use sim::{Bounds, Framing, LinkSpec, NodeId, Reason, Simulator, Span, Verb};

use crate::hosts_net::{Net, address, route};
use crate::routing_net::{Triangle, install_rip, metric, reaches, seconds_until, triangle, via};

fn install_ospf(net: &mut Net, router: NodeId) {
    net.at(router, |host, context| host.run(context, Ospf::new(OspfSpec::default())));
}

/// Role and state of each neighbour, by router id.
fn neighbors(net: &Net, router: NodeId) -> Vec<(String, String, String)> {
    let row = |row: Vec<String>| (row[0].clone(), row[3].clone(), row[2].clone());
    net.table(router, "ospf-neighbors").into_iter().map(row).collect()
}

/// The database without ages.
fn database(net: &Net, router: NodeId) -> Vec<Vec<String>> {
    let without_age = |mut row: Vec<String>| {
        row.remove(3);
        row
    };
    net.table(router, "ospf-database").into_iter().map(without_age).collect()
}

fn all_full(net: &Net, router: NodeId) -> bool {
    let all = neighbors(net, router);
    !all.is_empty() && all.iter().all(|(_, _, state)| state == "Full")
}

#[test]
fn three_routers_on_ethernet_listen_for_forty_seconds_and_agree_within_six_more() {
    let Triangle { mut net, routers, hosts, .. } = triangle(install_ospf);
    net.run(39);
    assert!(routers.iter().all(|router| metric(&net, *router, "10.0.2.0/24").is_none()), "still waiting");
    net.run(7);
    for (router, networks) in routers.into_iter().zip([
        ["10.0.2.0/24", "10.0.3.0/24"],
        ["10.0.1.0/24", "10.0.3.0/24"],
        ["10.0.1.0/24", "10.0.2.0/24"],
    ]) {
        // Links of a gigabit cost 1 each.
        assert_eq!(networks.map(|to| metric(&net, router, to)), [Some(2), Some(2)]);
        assert!(all_full(&net, router), "{:?}", neighbors(&net, router));
        assert_eq!(database(&net, router), database(&net, routers[0]));
    }
    assert_eq!(database(&net, routers[0]).len(), 3 + 3, "a router LSA each, and a network LSA for each net between two");
    assert!(reaches(&mut net, hosts[0], "10.0.3.2"));
}

#[test]
fn rfc_2328_a_1_its_packets_have_the_precedence_of_internetwork_control() {
    let Triangle { mut net, routers: [r1, ..], .. } = triangle(install_ospf);
    net.run(60);
    let frames = net.frames(r1, Verb::Send, Reason::Wire);
    let services: Vec<u8> = frames.iter().filter(|frame| frame[12..14] == [8, 0] && frame[23] == 89).map(|frame| frame[15]).collect();
    assert!(services.len() > 10 && services.iter().all(|service| *service == 0xc0), "{services:x?}");
}

#[test]
fn a_link_that_goes_down_is_gone_round_within_six_seconds() {
    let Triangle { mut net, routers: [r1, r2, _], hosts, links } = triangle(install_ospf);
    net.run(60);
    net.sim.set_link(links[0], false);
    // A router that said something of itself less than 5 s ago waits that long.
    let seconds = seconds_until(&mut net, 30, |net| {
        metric(net, r1, "10.0.2.0/24") == Some(3) && metric(net, r2, "10.0.1.0/24") == Some(3)
    });
    assert!(seconds.is_some_and(|seconds| seconds <= 6), "{seconds:?}");
    assert!(reaches(&mut net, hosts[0], "10.0.2.2"));
    net.sim.set_link(links[0], true);
    let seconds = seconds_until(&mut net, 60, |net| metric(net, r1, "10.0.2.0/24") == Some(2));
    assert!(seconds.is_some_and(|seconds| (40..=50).contains(&seconds)), "listens again first: {seconds:?}");
}

#[test]
fn a_neighbour_that_falls_silent_is_given_up_after_forty_seconds() {
    let Triangle { mut net, routers: [r1, ..], hosts, links } = triangle(install_ospf);
    net.run(60);
    net.sim.set_spec(links[0], LinkSpec { loss_per_million: 1_000_000, ..LinkSpec::default() });
    net.run(29);
    assert_eq!(metric(&net, r1, "10.0.2.0/24"), Some(2), "nobody noticed");
    let seconds = seconds_until(&mut net, 30, |net| metric(net, r1, "10.0.2.0/24") == Some(3));
    assert!(seconds.is_some_and(|seconds| seconds <= 17), "{seconds:?}");
    assert!(reaches(&mut net, hosts[0], "10.0.2.2"));
}

#[test]
fn serial_links_need_no_election_and_are_full_within_a_second() {
    for framing in [Framing::Ppp, Framing::Hdlc] {
        let mut net = Net::new();
        let r1 = net.router("r1", &["10.0.1.1/24", "10.9.0.1/30"], Vec::new());
        let r2 = net.router("r2", &["10.0.2.1/24", "10.9.0.2/30"], Vec::new());
        let hosts = [("h1", "10.0.1.2/24", "10.0.1.1", r1), ("h2", "10.0.2.2/24", "10.0.2.1", r2)].map(
            |(name, own, gateway, router)| {
                let host = net.host(name, &[&[own]], gateway);
                net.connect((router, 0), (host, 0));
                host
            },
        );
        let spec = LinkSpec { framing, rate_bits_per_second: 2_000_000, ..LinkSpec::default() };
        net.connect_as((r1, 1), (r2, 1), spec);
        [r1, r2].into_iter().for_each(|router| install_ospf(&mut net, router));
        net.run(1);
        assert_eq!(neighbors(&net, r1), [("10.9.0.2".into(), "-".into(), "Full".into())]);
        let seconds = seconds_until(&mut net, 10, |net| metric(net, r1, "10.0.2.0/24") == Some(51));
        assert!(seconds.is_some_and(|seconds| seconds <= 6), "100 Mb/s by 2 Mb/s, and 1 behind it: {seconds:?}");
        assert_eq!(via(&net, r1, "10.0.2.9"), Some((address("10.9.0.2"), Origin::Ospf)));
        assert!(reaches(&mut net, hosts[0], "10.0.2.2"));
    }
}

#[test]
fn the_cheaper_of_two_ways_is_taken_by_its_rate_even_if_it_is_longer() {
    // Rate of the straight link, bits per second; cost of the way from r1 to the net of r2.
    for (rate, cost, next) in [(100_000_000, 2, "10.12.0.2"), (10_000_000, 3, "10.13.0.3"), (64_000, 3, "10.13.0.3")] {
        let Triangle { mut net, routers: [r1, ..], links, .. } = triangle(|_, _| {});
        net.sim.set_spec(links[0], LinkSpec { rate_bits_per_second: rate, ..LinkSpec::default() });
        let routers: Vec<NodeId> = net.sim.nodes().take(3).collect();
        routers.into_iter().for_each(|router| install_ospf(&mut net, router));
        net.run(60);
        assert_eq!(metric(&net, r1, "10.0.2.0/24"), Some(cost), "{rate}");
        assert_eq!(via(&net, r1, "10.0.2.2"), Some((address(next), Origin::Ospf)), "{rate}");
    }
}

/// Routers with ids of their addresses 10.0.0.N on one switch, each with a net 10.N.0.0/24 and a host in it.
fn on_a_switch(priorities: &[u8]) -> (Net, Vec<NodeId>, Vec<sim::LinkId>) {
    let mut net = Net::new();
    let switch = net.sim.add("switch", Switch::new(SwitchSettings::default()));
    let (mut routers, mut links) = (Vec::new(), Vec::new());
    for number in 1..=priorities.len() as u8 {
        let router =
            net.router(&format!("r{number}"), &[&format!("10.0.0.{number}/24"), &format!("10.{number}.0.1/24")], Vec::new());
        let host = net.host(&format!("h{number}"), &[&[&format!("10.{number}.0.2/24")]], &format!("10.{number}.0.1"));
        let port = net.sim.new_port(switch);
        links.push(net.connect((router, 0), (switch, port)));
        net.connect((router, 1), (host, 0));
        routers.push(router);
    }
    for (router, priority) in routers.iter().zip(priorities) {
        let number = routers.iter().position(|one| one == router).unwrap_or_default() as u8 + 1;
        let id = Some([10, 0, 0, number].into());
        net.at(*router, |host, context| {
            host.run(context, Ospf::new(OspfSpec { id, priority: *priority, ..OspfSpec::default() }))
        });
    }
    (net, routers, links)
}

/// Number of the designated router and of its backup, as a router sees it.
fn elected(net: &Net, router: NodeId) -> (String, String) {
    let row = net.table(router, "ospf-interfaces").into_iter().next().expect("an interface");
    (row[5].clone(), row[6].clone())
}

#[test]
fn of_four_on_a_switch_the_highest_ids_are_elected_and_the_others_are_adjacent_to_them_alone() {
    let (mut net, routers, _) = on_a_switch(&[1, 1, 1, 1]);
    net.run(60);
    for router in &routers {
        assert_eq!(elected(&net, *router), ("10.0.0.4".to_owned(), "10.0.0.3".to_owned()));
        assert_eq!(database(&net, *router), database(&net, routers[0]));
    }
    let states = neighbors(&net, routers[0]);
    let wanted = [("10.0.0.2", "DROther", "2-Way"), ("10.0.0.3", "BDR", "Full"), ("10.0.0.4", "DR", "Full")];
    assert_eq!(states, wanted.map(|(id, role, state)| (id.into(), role.into(), state.into())));
    assert_eq!(metric(&net, routers[0], "10.2.0.0/24"), Some(2));
    assert_eq!(via(&net, routers[0], "10.2.0.2"), Some((address("10.0.0.2"), Origin::Ospf)), "straight, not by the DR");
}

#[test]
fn priority_comes_before_the_id_and_none_keeps_a_router_out() {
    for (priorities, wanted) in [([1, 9, 1], (2, 3)), ([1, 0, 0], (1, 0)), ([5, 5, 0], (2, 1))] {
        let (mut net, routers, _) = on_a_switch(&priorities);
        net.run(70);
        let name = |number: i32| {
            if number == 0 { "0.0.0.0".to_owned() } else { format!("10.0.0.{number}") }
        };
        for router in &routers {
            assert_eq!(elected(&net, *router), (name(wanted.0), name(wanted.1)), "{priorities:?}");
        }
    }
}

#[test]
fn when_the_designated_router_is_cut_off_its_backup_follows_and_it_comes_back_as_another() {
    let (mut net, routers, links) = on_a_switch(&[1, 1, 1, 1]);
    net.run(60);
    net.sim.set_link(links[3], false);
    net.run(50);
    for router in &routers[..3] {
        assert_eq!(elected(&net, *router), ("10.0.0.3".to_owned(), "10.0.0.2".to_owned()));
        assert_eq!(metric(&net, *router, "10.4.0.0/24"), None);
    }
    assert_eq!(metric(&net, routers[0], "10.2.0.0/24"), Some(2));
    net.sim.set_link(links[3], true);
    net.run(60);
    for router in &routers {
        assert_eq!(elected(&net, *router), ("10.0.0.3".to_owned(), "10.0.0.2".to_owned()), "who is designated stays so");
    }
    assert_eq!(metric(&net, routers[0], "10.4.0.0/24"), Some(2));
    assert_eq!(database(&net, routers[0]), database(&net, routers[3]));
    let networks: Vec<_> =
        database(&net, routers[0]).into_iter().filter(|row| row[0] == "network").map(|row| row[1].clone()).collect();
    assert_eq!(networks, ["10.0.0.3"], "the old network LSA is flushed");
}

#[test]
fn a_link_that_loses_every_fifth_frame_delays_but_does_not_break() {
    let Triangle { mut net, routers, links, .. } = triangle(|_, _| {});
    for link in &links[..3] {
        net.sim.set_spec(*link, LinkSpec { loss_per_million: 200_000, ..LinkSpec::default() });
    }
    routers.into_iter().for_each(|router| install_ospf(&mut net, router));
    net.run(200);
    for link in &links[..3] {
        net.sim.set_spec(*link, LinkSpec::default());
    }
    net.run(60);
    assert!(routers.iter().any(|router| net.count(*router, Verb::Retransmit, Reason::OpenShortestPath) > 0));
    for router in routers {
        assert!(all_full(&net, router), "{:?}", neighbors(&net, router));
        assert_eq!(database(&net, router), database(&net, routers[0]));
    }
}

#[test]
fn what_a_router_said_is_said_again_each_half_hour_and_never_grows_old() {
    let Triangle { mut net, routers, hosts, .. } = triangle(install_ospf);
    net.run(4_000);
    for router in routers {
        let ages: Vec<u32> = net
            .table(router, "ospf-database")
            .iter()
            .map(|row| row[3].trim_end_matches(" s").parse().expect("an age"))
            .collect();
        assert_eq!(ages.len(), 6);
        assert!(ages.iter().all(|age| *age <= 1_810), "{ages:?}");
    }
    assert!(reaches(&mut net, hosts[0], "10.0.3.2"));
}

#[test]
fn the_advertisement_of_a_router_that_is_gone_ends_after_an_hour() {
    let Triangle { mut net, routers: [r1, r2, _], links, .. } = triangle(install_ospf);
    net.run(60);
    for link in [links[1], links[2], links[5]] {
        net.sim.set_link(link, false);
    }
    net.run(60);
    let of_third = |net: &Net, router| database(net, router).iter().filter(|row| row[2] == "10.23.0.3").count();
    assert_eq!(metric(&net, r1, "10.0.3.0/24"), None, "nobody on the map leads there");
    assert!(of_third(&net, r1) > 0, "but it is remembered");
    net.run(3_600);
    assert_eq!((of_third(&net, r1), of_third(&net, r2)), (0, 0));
}

#[test]
fn a_written_route_is_told_from_outside_and_trusted_more_where_it_is_written() {
    let Triangle { mut net, routers: [r1, r2, r3], hosts, .. } = triangle(install_ospf);
    net.at(r3, |host, _| host.set_route(route("0.0.0.0/0", "10.0.3.2", 0)));
    net.at(r2, |host, _| host.set_route(route("10.0.1.0/24", "10.23.0.3", 2)));
    net.run(60);
    assert_eq!(metric(&net, r1, "0.0.0.0/0"), Some(20));
    assert_eq!(via(&net, r1, "8.8.8.8"), Some((address("10.13.0.3"), Origin::Ospf)));
    assert_eq!(via(&net, r2, "10.0.1.2"), Some((address("10.23.0.3"), Origin::Static)), "although it is the longer way");
    assert!(reaches(&mut net, hosts[1], "10.0.1.2"));
    net.at(r3, |host, _| host.remove_route("0.0.0.0/0".parse().expect("a net")));
    net.run(20);
    assert_eq!(metric(&net, r1, "0.0.0.0/0"), None);
}

#[test]
fn of_two_protocols_the_one_with_the_map_is_trusted_more() {
    let Triangle { mut net, routers: [r1, ..], .. } = triangle(|net, router| {
        install_rip(net, router);
        install_ospf(net, router);
    });
    net.run(10);
    assert_eq!(via(&net, r1, "10.0.2.2"), Some((address("10.12.0.2"), Origin::Rip)), "RIP is the first to know");
    net.run(50);
    assert_eq!(via(&net, r1, "10.0.2.2"), Some((address("10.12.0.2"), Origin::Ospf)));
}

#[test]
fn routers_that_differ_in_their_timers_are_no_neighbours() {
    let Triangle { mut net, routers: [r1, r2, r3], .. } = triangle(|_, _| {});
    install_ospf(&mut net, r1);
    install_ospf(&mut net, r3);
    net.at(r2, |host, context| host.run(context, Ospf::new(OspfSpec { hello_seconds: 5, ..OspfSpec::default() })));
    net.run(60);
    assert_eq!(neighbors(&net, r1).len(), 1);
    assert_eq!(neighbors(&net, r2).len(), 0);
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_one_another() {
    let run = |seed| {
        let mut net = Net { sim: Simulator::new(seed, Bounds::default()) };
        let r1 = net.router("r1", &["10.9.0.1/24"], Vec::new());
        let r2 = net.router("r2", &["10.9.0.2/24"], Vec::new());
        net.connect_as(
            (r1, 0),
            (r2, 0),
            LinkSpec { loss_per_million: 100_000, delay: Span::milliseconds(2), ..LinkSpec::default() },
        );
        [r1, r2].into_iter().for_each(|router| install_ospf(&mut net, router));
        net.run(300);
        net.sim.trace_hash()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn bytes_that_are_no_packet_change_nothing() {
    let Triangle { mut net, routers: [r1, r2, _], .. } = triangle(install_ospf);
    net.run(60);
    let before = (database(&net, r1), neighbors(&net, r1), net.table(r1, "routes"));
    for payload in [vec![], vec![2; 24], vec![2, 1, 0, 24, 9, 9, 9, 9], (0..=255).collect()] {
        net.at(r2, |host, context| host.raw(context, sim::app::RawSpec::new(address("10.12.0.1"), 89, &payload)));
        net.run(2);
    }
    assert_eq!((database(&net, r1), neighbors(&net, r1), net.table(r1, "routes")), before);
}
