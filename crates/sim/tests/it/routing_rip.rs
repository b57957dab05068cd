//! RIP between routers: how fast it finds ways, how it loses them, and that it counts no further than 16.

use sim::app::PingSpec;
use sim::host::Origin;
use sim::{Bounds, LinkSpec, NodeId, Reason, Simulator, Span, Verb};

use crate::hosts_net::{Net, address, route};
use crate::routing_net::{Triangle, install_rip, metric, reaches, seconds_until, triangle, via};

#[test]
fn three_routers_know_every_network_within_a_second_of_their_start() {
    let Triangle { mut net, routers, .. } = triangle(install_rip);
    net.run(1);
    for (router, networks) in routers.into_iter().zip([
        ["10.0.2.0/24", "10.0.3.0/24"],
        ["10.0.1.0/24", "10.0.3.0/24"],
        ["10.0.1.0/24", "10.0.2.0/24"],
    ]) {
        assert_eq!(networks.map(|to| metric(&net, router, to)), [Some(2), Some(2)]);
    }
    let at_routers: Vec<_> = net.drops().into_iter().filter(|(node, _)| routers.contains(node)).collect();
    assert_eq!(at_routers, []);
}

#[test]
fn a_host_reaches_another_one_over_routes_that_were_learned() {
    let Triangle { mut net, hosts, .. } = triangle(install_rip);
    net.run(2);
    assert!(reaches(&mut net, hosts[0], "10.0.2.2"));
    let spec = PingSpec { count: 1, ..PingSpec::new(address("10.0.2.2")) };
    let app = net.at(hosts[0], |host, context| host.ping(context, spec));
    net.run(2);
    assert_eq!(net.outcome(hosts[0], app).replies[0].ttl, 62, "straight, not round the triangle");
}

#[test]
fn a_failed_link_is_gone_round_at_once_where_the_other_way_is_told_again() {
    let Triangle { mut net, routers: [r1, r2, _], hosts, links } = triangle(install_rip);
    net.run(60);
    net.sim.set_link(links[0], false);
    assert_eq!(metric(&net, r1, "10.0.2.0/24"), None, "what was learned over the link is lost with it");
    // The third router answers no triggered update; its next regular one comes within 35 seconds.
    let seconds = seconds_until(&mut net, 40, |net| {
        metric(net, r1, "10.0.2.0/24") == Some(3) && metric(net, r2, "10.0.1.0/24") == Some(3)
    });
    assert!(seconds.is_some_and(|seconds| seconds <= 35), "{seconds:?}");
    assert!(reaches(&mut net, hosts[0], "10.0.2.2"));
    net.sim.set_link(links[0], true);
    let seconds = seconds_until(&mut net, 10, |net| metric(net, r1, "10.0.2.0/24") == Some(2));
    assert_eq!(seconds, Some(1), "the neighbour is asked at once");
}

#[test]
fn a_neighbour_that_falls_silent_is_given_up_after_180_seconds() {
    let Triangle { mut net, routers: [r1, ..], hosts, links } = triangle(install_rip);
    net.run(60);
    net.sim.set_spec(links[0], LinkSpec { loss_per_million: 1_000_000, ..LinkSpec::default() });
    net.run(140);
    assert_eq!(metric(&net, r1, "10.0.2.0/24"), Some(2), "nobody noticed");
    let seconds = seconds_until(&mut net, 90, |net| metric(net, r1, "10.0.2.0/24") == Some(3));
    // The last word came up to 35 s before the loss, and half of the timeout later an equal way would have been taken.
    assert!(seconds.is_some_and(|seconds| (5..=75).contains(&seconds)), "{seconds:?}");
    net.run(60);
    assert!(reaches(&mut net, hosts[0], "10.0.2.2"));
}

/// Routers in a row, each with a subnet towards the next; the last one with a stub 10.99.0.0/16.
fn row(count: u8) -> (Net, Vec<NodeId>, Vec<sim::LinkId>) {
    row_of(Net::new(), count)
}

fn row_of(mut net: Net, count: u8) -> (Net, Vec<NodeId>, Vec<sim::LinkId>) {
    let mut routers = Vec::new();
    for at in 0..count {
        let left = format!("10.{at}.0.2/24");
        let right = if at + 1 == count { "10.99.0.1/16".to_owned() } else { format!("10.{}.0.1/24", at + 1) };
        routers.push(net.router(&format!("r{at}"), &[&left, &right], Vec::new()));
    }
    let mut links = Vec::new();
    for pair in routers.windows(2) {
        links.push(net.connect((pair[0], 1), (pair[1], 0)));
    }
    let stub = net.host("stub", &[&["10.99.0.2/16"]], "10.99.0.1");
    links.push(net.connect((routers[routers.len() - 1], 1), (stub, 0)));
    routers.iter().for_each(|router| install_rip(&mut net, *router));
    (net, routers, links)
}

#[test]
fn fifteen_hops_are_reached_and_sixteen_are_not() {
    let (mut net, routers, _) = row(17);
    net.run(300);
    let metrics: Vec<_> = routers.iter().rev().skip(1).map(|router| metric(&net, *router, "10.99.0.0/16")).collect();
    let wanted: Vec<_> = (2..=15).map(Some).chain([None, None]).collect();
    assert_eq!(metrics, wanted);
}

#[test]
fn a_lost_network_is_told_down_the_row_by_triggered_updates_and_forgotten_later() {
    let (mut net, routers, links) = row(5);
    net.run(120);
    assert_eq!(metric(&net, routers[0], "10.99.0.0/16"), Some(5));
    net.sim.set_link(links[4], false);
    let gone = |net: &Net| routers.iter().all(|router| metric(net, *router, "10.99.0.0/16").is_none());
    let seconds = seconds_until(&mut net, 60, gone);
    assert!(seconds.is_some_and(|seconds| seconds <= 20), "at most 5 s a hop: {seconds:?}");
    let state =
        |net: &Net| net.table(routers[0], "rip").into_iter().find(|row| row[0] == "10.99.0.0/16").map(|row| row[4].clone());
    assert_eq!(state(&net).as_deref(), Some("garbage"));
    net.run(150);
    assert_eq!(state(&net), None);
}

#[test]
fn counting_to_infinity_ends_at_sixteen() {
    // In a circle, what is lost can come back round it: poisoned reverse stops circles of two only.
    let Triangle { mut net, routers, links, .. } = triangle(install_rip);
    net.run(120);
    // Every word to the third router about the loss is lost for a while.
    let silent = LinkSpec { loss_per_million: 1_000_000, ..LinkSpec::default() };
    net.sim.set_spec(links[2], silent);
    net.sim.set_link(links[3], false);
    net.run(10);
    net.sim.set_spec(links[2], LinkSpec::default());
    let gone = |net: &Net| routers.iter().all(|router| metric(net, *router, "10.0.1.0/24").is_none());
    let seconds = seconds_until(&mut net, 600, gone);
    assert!(seconds.is_some_and(|seconds| seconds <= 300), "{seconds:?}");
    let metrics = |net: &Net| routers.map(|router| net.host_ref(router).routes().iter().map(|route| route.metric).max());
    assert!(metrics(&net).into_iter().flatten().all(|metric| metric < 16));
}

#[test]
fn what_is_learned_from_a_neighbour_is_told_back_to_it_as_infinite() {
    let (mut net, routers, _) = row(2);
    net.run(60);
    let frames = net.frames(routers[0], Verb::Deliver, Reason::Datagram);
    let told = net.frames(routers[1], Verb::Deliver, Reason::Datagram);
    // The payload begins behind 14 bytes of Ethernet, 20 of IP and 8 of UDP.
    let entries =
        |frame: &[u8]| sim::routing::rip::Message::parse(&frame[42..]).map(|message| message.entries).unwrap_or_default();
    let metrics = |frames: &[Vec<u8>], to: [u8; 4]| -> Vec<u32> {
        let all = frames.iter().flat_map(|frame| entries(frame));
        all.filter(|entry| entry.address.octets() == to && entry.family == 2).map(|entry| entry.metric).collect()
    };
    assert!(metrics(&frames, [10, 99, 0, 0]).iter().all(|metric| *metric == 1));
    let back = metrics(&told, [10, 99, 0, 0]);
    assert!(!back.is_empty() && back.iter().all(|metric| *metric == 16), "{back:?}");
}

#[test]
fn a_written_route_is_told_to_others_and_is_trusted_more_than_what_they_say() {
    let (mut net, routers, _) = row(3);
    net.at(routers[2], |host, _| host.set_route(route("0.0.0.0/0", "10.99.0.2", 1)));
    net.at(routers[0], |host, _| host.set_route(route("10.99.0.0/16", "10.1.0.9", 1)));
    net.run(60);
    assert_eq!(metric(&net, routers[0], "0.0.0.0/0"), Some(3));
    assert_eq!(via(&net, routers[0], "10.99.0.7"), Some((address("10.1.0.9"), Origin::Static)));
    net.at(routers[0], |host, _| host.remove_route("10.99.0.0/16".parse().expect("a net")));
    net.run(60);
    assert_eq!(via(&net, routers[0], "10.99.0.7"), Some((address("10.1.0.2"), Origin::Rip)));
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_one_other_times() {
    let run = |seed| {
        let (mut net, ..) = row_of(Net { sim: Simulator::new(seed, Bounds::default()) }, 3);
        net.run(200);
        net.sim.trace_hash()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn updates_come_every_thirty_seconds_five_more_or_less() {
    let (mut net, routers, _) = row(2);
    net.run(2_000);
    let is_update = |frame: &[u8]| frame.get(30..34) == Some(&[224, 0, 0, 9]);
    let sent = |event: &sim::TraceEvent| {
        (event.node, event.port, event.verb) == (routers[0], 1, Verb::Send) && is_update(net.sim.frames().bytes(event.frame))
    };
    let times: Vec<_> = net.events().iter().filter(sent).map(|event| event.time).collect();
    let regular: Vec<Span> =
        times.windows(2).map(|pair| pair[1].since(pair[0])).filter(|gap| *gap > Span::seconds(20)).collect();
    assert!(regular.len() > 50 && regular.iter().all(|gap| (25..35).contains(&(gap.0 / 1_000_000_000))), "{regular:?}");
    let (least, most) = (regular.iter().min(), regular.iter().max());
    assert!(least < Some(&Span::seconds(27)) && most > Some(&Span::seconds(33)), "chance is used: {least:?} {most:?}");
}

#[test]
fn bytes_that_are_no_message_and_strangers_change_nothing() {
    let (mut net, routers, _) = row(2);
    net.run(2);
    let before = net.table(routers[0], "routes");
    let response = |to: &str, metric| sim::routing::rip::Message {
        command: sim::routing::rip::Command::Response,
        entries: vec![sim::routing::rip::Entry::route(to.parse().expect("a net"), metric)],
    };
    let stranger = response("10.55.0.0/16", 1).emit();
    for payload in [vec![], vec![2, 9, 0, 0], vec![2, 2, 0, 0, 1], stranger] {
        net.at(routers[1], |host, context| {
            // Not from port 520.
            host.datagram(context, sim::app::DatagramSpec::new(address("10.1.0.1"), 520, &payload))
        });
        net.run(2);
    }
    assert_eq!(net.table(routers[0], "routes"), before);
}
