//! The list of events.

use sim::view::{Filter, List, View};
use sim::{Bounds, Detail, LinkSpec, Reason, Simulator, TraceEvent, Verb};

use sim::media::{Layout, Segment, SegmentSpec};
use wire::tcp::Flags;

use super::world::{Station, arp_request, echo, node, send, tcp, world, world_with};

fn list(sim: &Simulator) -> List {
    List::new(&View::new(sim), &Filter::All, false)
}

fn lines(list: &List) -> Vec<String> {
    list.events.iter().map(|line| format!("{} | {} | {}", line.place(), line.verb, line.what)).collect()
}

#[test]
fn a_flood_is_one_line_with_all_who_hear_it() {
    let mut sim = world();
    send(&mut sim, "pc-1", &arp_request());
    let what = "ARP, Request who-has 10.0.0.254 tell 10.0.0.1";
    assert_eq!(
        lines(&list(&sim)),
        [
            format!("pc-1 → sw-1:eth0 | send | {what}"),
            format!("sw-1:eth0 | learn | {what}"),
            format!("sw-1 → r-1:eth0, pc-3 | flood | {what}"),
            format!("r-1:eth0 | drop | {what}"),
        ]
    );
}

#[test]
fn a_hop_is_one_line_with_the_decision_and_shows_the_frame_that_goes_out() {
    let mut sim = world();
    send(&mut sim, "pc-1", &echo(64));
    let list = list(&sim);
    let what = "IP 10.0.0.1 > 10.0.1.2: ICMP echo request, id 7, seq 1, length 64";
    assert_eq!(
        lines(&list),
        [
            format!("pc-1 → sw-1:eth0 | send | {what}"),
            format!("sw-1:eth0 | learn | {what}"),
            format!("sw-1:eth1 → r-1:eth0 | forward | {what}"),
            format!("r-1:eth1 → web-1 | forward | {what}"),
            format!("web-1 | deliver | {what}"),
        ]
    );
    let routed = &list.events[3];
    assert_eq!(routed.why, "the longest prefix of the route table decides: 10.0.1.2 is in 10.0.1.0/24, by eth1");
    assert_eq!(list.events[1].why, "its source address shows where that station is: 02:00:00:00:00:01 is at eth0");
    assert_eq!(list.events[2].why, "the MAC table knows the port of this address: 02:00:00:00:01:01 is at eth1");
    assert_eq!((routed.layer, routed.parent), (3, list.events[0].frame));
    assert_ne!(routed.frame, routed.parent);
    assert!(routed.to[0].time_nanoseconds > Some(routed.time_nanoseconds));
}

#[test]
fn every_event_is_a_line_when_all_are_asked_for() {
    let mut sim = world();
    send(&mut sim, "pc-1", &echo(64));
    let view = View::new(&sim);
    let all = List::new(&view, &Filter::All, true);
    assert_eq!(all.events.len(), sim.trace().events().len());
    let verbs: Vec<&str> = all.events.iter().map(|line| line.verb.word()).collect();
    assert_eq!(verbs, ["send", "receive", "learn", "forward", "send", "receive", "forward", "send", "receive", "deliver"]);
}

#[test]
fn a_frame_that_is_lost_shows_where_it_was_to_arrive_and_that_it_did_not() {
    let mut sim = world_with(LinkSpec { loss_per_million: 1_000_000, ..LinkSpec::default() });
    send(&mut sim, "pc-1", &echo(64));
    let list = list(&sim);
    let last: Vec<_> = list.events.iter().rev().take(2).collect();
    assert_eq!((last[0].verb, last[0].reason, last[0].why.as_str()), (Verb::Drop, Reason::Lost, "the link lost it"));
    assert_eq!((last[1].place().as_str(), last[1].to[0].time_nanoseconds), ("r-1:eth1 → web-1", None));
}

#[test]
fn the_same_frame_sent_twice_on_a_cable_arrives_twice() {
    let mut sim = world();
    let (pc, bytes) = (node(&sim, "pc-1"), arp_request());
    sim.with(pc, |_: &mut Station, context| {
        let frame = context.make(sim::FrameId::NONE, |out| out.extend_from_slice(&bytes));
        context.forward(0, frame);
        context.send(0, frame);
    })
    .expect("a station");
    sim.run_quiet(sim::Time::NEVER, 1_000);
    let list = list(&sim);
    let times: Vec<_> =
        list.events.iter().filter(|line| line.node == "pc-1").map(|line| line.to[0].time_nanoseconds).collect();
    assert!(times.len() == 2 && times[0].is_some() && times[1] > times[0], "{times:?}");
}

#[test]
fn a_stage_names_its_rule_and_where_it_is_written() {
    let mut sim = world();
    let (pc, bytes) = (node(&sim, "pc-1"), echo(64));
    let origin = model::Origin { file: "shop.yaml".to_owned(), line: 24, column: 7 };
    let acl: model::NetworkAclId = "acl-0123456789abcdef0".parse().expect("an id");
    let rule = fabric::Rule::NetworkAclEntry { acl, rule_number: Some(100), origin };
    let at = fabric::Component::Fabric;
    let reason = fabric::Reason::new(fabric::Stage::NetworkAcl, at, "the entry denies it")
        .rule(rule)
        .code(fabric::ExplanationCode::SubnetAclRestriction);
    sim.with(pc, |_: &mut Station, context| {
        let frame = context.make(sim::FrameId::NONE, |out| out.extend_from_slice(&bytes));
        context.trace_with(TraceEvent::NO_PORT, Verb::Drop, Reason::Stage, frame, || Detail::Stage(Box::new(reason)));
        context.release(frame);
    })
    .expect("a station");
    let list = list(&sim);
    assert_eq!(list.events[0].why, "network-acl: the entry denies it (rule 100 of acl-0123456789abcdef0, shop.yaml:24)");
    let decided = serde_json::to_value(&list.events[0].decided).expect("JSON");
    let expected = serde_json::json!({
        "stage": "network-acl", "rule": "rule 100 of acl-0123456789abcdef0", "origin": "shop.yaml:24",
        "code": "SUBNET_ACL_RESTRICTION",
    });
    assert_eq!(decided, expected);
}

#[test]
fn the_text_is_in_columns_and_says_when_the_trace_is_full() {
    let mut sim = Simulator::new(1, Bounds { events: 1, frame_bytes: 1 << 20 });
    let (a, b) = (sim.add("a", Station(wire::Mac([2; 6]))), sim.add("b", Station(wire::Mac([4; 6]))));
    sim.join(a, b, LinkSpec::default());
    send(&mut sim, "a", &arp_request());
    let expected = "TIME  WHERE  LAYER  VERB  WHAT                                           WHY\n\
                    0 ns  a → b  1      send  ARP, Request who-has 10.0.0.254 tell 10.0.0.1\n\
                    the trace is full: what came later is not recorded\n";
    assert_eq!(list(&sim).text(), expected);
}

#[test]
fn the_json_has_stable_keys() {
    let mut sim = world();
    send(&mut sim, "pc-1", &arp_request());
    let json = serde_json::to_value(list(&sim)).expect("JSON");
    assert_eq!(json["schema"], "vpclab-sim-events/1");
    let expected = serde_json::json!({
        "time_nanoseconds": 0, "node": "pc-1", "port": "eth0",
        "to": [{"node": "sw-1", "port": "eth0", "time_nanoseconds": 626}],
        "layer": 1, "verb": "send", "reason": "wire", "what": "ARP, Request who-has 10.0.0.254 tell 10.0.0.1",
        "frame": 0, "length": 42, "protocols": ["ethernet", "arp"],
    });
    assert_eq!(json["events"][0], expected);
}

#[test]
fn the_numbers_of_a_connection_are_counted_from_its_beginning() {
    let mut sim = world();
    send(&mut sim, "pc-1", &tcp(80, Flags::SYN, b""));
    let mut data = tcp(80, Flags::ACK, b"abc");
    // One more than the SYN's 1000, and the checksum that belongs to it.
    data[14 + 20 + 7] += 1;
    send(&mut sim, "pc-1", &data);
    let list = list(&sim);
    let said: Vec<&str> = list.events.iter().filter(|line| line.node == "pc-1").map(|line| line.what.as_str()).collect();
    let expected = [
        "IP 10.0.0.1.40000 > 10.0.1.2.80: Flags [S], seq 1000, win 65535, length 0",
        "IP 10.0.0.1.40000 > 10.0.1.2.80: Flags [.], seq 1:4, ack 0, win 65535, length 3",
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_collision_is_told_with_its_attempts_and_every_listener_of_the_one_that_succeeds() {
    let mut sim = Simulator::new(1, Bounds::default());
    let medium = Segment::new(sim.next_medium(), SegmentSpec::default(), Layout::Bus);
    let medium = sim.add_medium(Box::new(medium));
    for (name, position) in [("a", 0), ("b", 500), ("c", 1_000)] {
        let node = sim.add(name, Station(wire::Mac([2; 6])));
        let port = sim.new_port(node);
        sim.attach(node, port, medium, position);
    }
    for name in ["a", "c"] {
        let station = node(&sim, name);
        sim.with(station, |_: &mut Station, context| {
            let frame = context.make(sim::FrameId::NONE, |out| out.extend_from_slice(&arp_request()));
            context.send(0, frame);
        })
        .expect("a station");
    }
    sim.run_until(sim::Time::NEVER, 10_000);
    let list = list(&sim);
    let of = |verb: Verb| list.events.iter().filter(move |line| line.verb == verb);
    let attempts: Vec<&str> = of(Verb::Collide).map(|line| line.why.as_str()).collect();
    assert_eq!(attempts[..2], ["two stations sent at once: attempt 1"; 2]);
    assert!(of(Verb::Wait).all(|line| line.reason == Reason::Backoff && line.why.ends_with(" slot times")));
    let arrived: Vec<String> =
        of(Verb::Send).filter(|line| !line.to.is_empty()).map(|line| format!("{} {}", line.place(), line.why)).collect();
    let fits = |line: &String| line.starts_with("a → b, c attempt ") || line.starts_with("c → a, b attempt ");
    assert!(arrived.len() == 2 && arrived.iter().all(fits), "{arrived:?}");
}
