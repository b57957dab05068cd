//! Joining and leaving multicast groups, as hosts and routers say it on the wire.

use std::net::Ipv4Addr;

use sim::app::AppId;
use sim::device::{Switch, SwitchSettings};
use sim::routing::igmp::{Kind, Member, Message, Querier};
use sim::{FrameId, NodeId, Reason, Time, Verb};

use crate::hosts_net::Net;

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

/// Routers and hosts on one switch, 10.0.0.N.
fn lan(routers: u8, hosts: u8) -> (Net, Vec<NodeId>, Vec<NodeId>) {
    let mut net = Net::new();
    let switch = net.sim.add("switch", Switch::new(SwitchSettings::default()));
    let mut all = Vec::new();
    for number in 1..=routers + hosts {
        let address = format!("10.0.0.{number}/24");
        let node = if number <= routers {
            net.router(&format!("r{number}"), &[&address], Vec::new())
        } else {
            net.host(&format!("h{number}"), &[&[&address]], "")
        };
        let port = net.sim.new_port(switch);
        net.connect((node, 0), (switch, port));
        all.push(node);
    }
    let hosts = all.split_off(routers.into());
    for router in &all {
        net.at(*router, |host, context| host.run(context, Querier::new()));
    }
    (net, all, hosts)
}

fn join(net: &mut Net, host: NodeId) -> AppId {
    net.at(host, |host, context| host.run(context, Member::new(0, GROUP)))
}

fn leave(net: &mut Net, host: NodeId, app: AppId) {
    assert!(net.at(host, |host, context| host.app(context, app, |member: &mut Member, calls| member.leave(calls))));
}

/// What a node sent, and when.
fn sent(net: &Net, node: NodeId) -> Vec<(Time, Message)> {
    let fits = |event: &sim::TraceEvent| (event.node, event.verb) == (node, Verb::Send) && event.frame != FrameId::NONE;
    let events = net.events().iter().filter(fits);
    events
        .filter_map(|event| Some((event.time, Message::parse(net.sim.frames().bytes(event.frame).get(38..)?).ok()?)))
        .collect()
}

fn kinds(net: &Net, node: NodeId) -> Vec<Kind> {
    sent(net, node).into_iter().map(|(_, message)| message.kind).collect()
}

fn has_members(net: &Net, router: NodeId) -> bool {
    net.table(router, "igmp").iter().any(|row| row[2] == GROUP.to_string())
}

#[test]
fn a_join_is_said_twice_and_a_leave_once() {
    let (mut net, _, hosts) = lan(0, 1);
    let app = join(&mut net, hosts[0]);
    net.run(20);
    assert_eq!(kinds(&net, hosts[0]), [Kind::Report, Kind::Report]);
    leave(&mut net, hosts[0], app);
    assert_eq!(kinds(&net, hosts[0]), [Kind::Report, Kind::Report, Kind::Leave]);
    assert!(net.host_ref(hosts[0]).interfaces()[0].groups.is_empty());
}

#[test]
fn one_of_several_members_answers_a_query_and_the_others_are_silent() {
    let (mut net, routers, hosts) = lan(1, 4);
    hosts.iter().for_each(|host| _ = join(&mut net, *host));
    // The first two queries come at once and after 31.25 s, the third 125 s later.
    net.run(140);
    let before: usize = hosts.iter().map(|host| kinds(&net, *host).len()).sum();
    net.run(30);
    let after: usize = hosts.iter().map(|host| kinds(&net, *host).len()).sum();
    assert_eq!(after - before, 1);
    assert!(has_members(&net, routers[0]));
    assert_eq!(kinds(&net, routers[0]), [Kind::Query; 3]);
}

#[test]
fn a_router_asks_whether_anyone_is_left_and_forgets_the_group_two_seconds_later() {
    let (mut net, routers, hosts) = lan(1, 2);
    let apps: Vec<_> = hosts.iter().map(|host| join(&mut net, *host)).collect();
    net.run(60);
    for (left, host) in hosts.iter().enumerate() {
        leave(&mut net, *host, apps[left]);
        net.run(1);
        assert!(has_members(&net, routers[0]));
        net.run(2);
        assert_eq!(has_members(&net, routers[0]), left == 0, "the second one was the last");
    }
}

#[test]
fn a_member_that_falls_silent_is_forgotten_after_260_seconds() {
    let (mut net, routers, hosts) = lan(1, 1);
    let app = join(&mut net, hosts[0]);
    net.run(60);
    net.at(hosts[0], |host, context| host.cancel(context, app));
    net.run(200);
    assert!(has_members(&net, routers[0]));
    net.run(90);
    assert!(!has_members(&net, routers[0]));
}

#[test]
fn of_two_routers_the_one_with_the_lower_address_asks_until_it_is_gone() {
    let (mut net, routers, _) = lan(2, 1);
    net.run(300);
    let since = net.sim.now();
    net.run(300);
    let recent = |net: &Net, node| sent(net, node).into_iter().filter(|(at, _)| *at > since).count();
    assert_eq!((recent(&net, routers[0]) > 0, recent(&net, routers[1])), (true, 0));
    let link = net.sim.links().next().map(|(id, _)| id).expect("the first router's link");
    net.sim.set_link(link, false);
    net.run(300);
    assert!(recent(&net, routers[1]) > 0);
    assert!(net.count(routers[1], Verb::State, Reason::Igmp) >= 2);
}

#[test]
fn rfc_2236_2_every_message_has_the_router_alert_option_and_goes_one_hop() {
    let (mut net, routers, hosts) = lan(1, 1);
    let app = join(&mut net, hosts[0]);
    net.run(60);
    leave(&mut net, hosts[0], app);
    net.run(5);
    for node in [routers[0], hosts[0]] {
        let frames = net.frames(node, Verb::Send, Reason::Wire);
        let packets: Vec<&[u8]> = frames.iter().filter(|frame| frame.get(23) == Some(&2)).map(|frame| &frame[14..]).collect();
        assert!(packets.len() >= 3);
        for packet in packets {
            let (header, message) = wire::Ipv4::parse(packet).expect("a packet");
            assert_eq!((header.options, header.ttl, message.len()), (vec![0x94, 4, 0, 0], 1, 8));
            assert!(packet[..4] == [0x46, 0, 0, 32] && wire::Ipv4::checksum_is_valid(packet));
        }
    }
}
