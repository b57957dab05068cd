//! What the rules of CSMA/CD do to single frames, and how the trace tells it.

use sim::device::{Hub, Switch, SwitchSettings};
use sim::media::{HubTree, Layout, Segment, SegmentSpec};
use sim::{Bounds, LinkSpec, MediumId, NodeId, Reason, Simulator, Span, Time, TraceEvent, Verb};

use crate::stations::{EVERYBODY, Station, count, events, frame, mac, send, times};

struct Lan {
    sim: Simulator,
    medium: MediumId,
    stations: Vec<NodeId>,
}

fn lan(spec: SegmentSpec, layout: Layout, positions: &[u64]) -> Lan {
    let mut sim = Simulator::new(1, Bounds::default());
    let medium = Segment::new(sim.next_medium(), spec, layout);
    let medium = sim.add_medium(Box::new(medium));
    let mut lan = Lan { sim, medium, stations: Vec::new() };
    for position in positions {
        let station = lan.sim.add("station", Station::default());
        lan.attach(station, *position);
        lan.stations.push(station);
    }
    lan
}

impl Lan {
    fn attach(&mut self, node: NodeId, position: u64) {
        let port = self.sim.new_port(node);
        self.sim.attach(node, port, self.medium, position);
    }

    fn send(&mut self, station: usize, bytes: usize) {
        send(&mut self.sim, self.stations[station], frame(EVERYBODY, mac(station as u8), bytes));
    }

    fn send_at(&mut self, nanoseconds: u64, station: usize, bytes: usize) {
        self.sim.run_until(Time(nanoseconds), u64::MAX);
        self.send(station, bytes);
    }

    fn finish(&mut self) {
        self.sim.run_until(Time::NEVER, u64::MAX);
    }

    fn times(&self, station: usize) -> Vec<u64> {
        times(&self.sim, self.stations[station])
    }

    fn at(&self, station: usize, verb: Verb) -> Vec<(u64, Reason, u32)> {
        let here = |event: &TraceEvent| event.node == self.stations[station] && event.verb == verb;
        let events = self.sim.trace().events().iter().filter(here);
        events.map(|event| (event.time.0, event.reason, event.value)).collect()
    }
}

fn bus(positions: &[u64]) -> Lan {
    lan(SegmentSpec::default(), Layout::Bus, positions)
}

#[test]
fn everybody_hears_a_frame_after_its_bits_and_the_way() {
    let mut lan = bus(&[0, 1_000, 4_000]);
    lan.send(1, 60);
    lan.finish();
    assert_eq!((lan.times(0), lan.times(1), lan.times(2)), (vec![58_600], vec![], vec![60_600]));
    assert_eq!(lan.at(1, Verb::Send), [(0, Reason::Wire, 1)]);
}

#[test]
fn a_station_that_hears_another_one_waits_for_its_end_and_a_gap() {
    let mut lan = bus(&[0, 1_000]);
    lan.send(0, 60);
    lan.send_at(1_000, 1, 60);
    lan.finish();
    // It hears the end at 58.6 µs.
    assert_eq!(lan.at(1, Verb::Send), [(68_200, Reason::Wire, 1)]);
    assert_eq!(lan.at(1, Verb::Wait), [(1_000, Reason::CarrierBusy, 0)]);
    assert_eq!(lan.times(0), [68_200 + 57_600 + 1_000]);
}

#[test]
fn a_station_with_a_frame_in_the_gap_waits_for_the_rest_of_it() {
    let mut lan = bus(&[0, 1_000]);
    lan.send(0, 60);
    lan.send_at(60_000, 1, 60);
    lan.finish();
    assert_eq!(lan.at(1, Verb::Send), [(68_200, Reason::Wire, 1)]);
    assert_eq!(lan.at(1, Verb::Wait), [(60_000, Reason::Gap, 0)]);
}

#[test]
fn two_that_begin_before_they_hear_each_other_collide_jam_and_back_off() {
    let mut lan = bus(&[0, 1_000]);
    lan.send(0, 60);
    lan.send_at(900, 1, 60);
    lan.finish();
    assert_eq!(lan.at(0, Verb::Collide)[0], (1_900, Reason::Collision, 1));
    assert_eq!(lan.at(1, Verb::Collide)[0], (1_000, Reason::Collision, 1));
    // Each finishes its preamble of 64 bits and sends 32 of jam.
    let backoff = |station| lan.at(station, Verb::Wait)[0];
    assert_eq!((backoff(0).0, backoff(0).1), (9_600, Reason::Backoff));
    assert_eq!((backoff(1).0, backoff(1).1), (10_500, Reason::Backoff));
    assert_eq!(lan.at(0, Verb::Jam)[0].2, 32);
    assert_eq!(lan.at(0, Verb::Drop)[0], (11_500, Reason::Runt, 0), "the fragment of the other one");
    assert_eq!((lan.times(0).len(), lan.times(1).len()), (1, 1), "both came through in the end");
}

#[test]
fn backoff_grows_to_1023_slots_and_the_sixteenth_collision_ends_the_frame() {
    let mut lan = lan(SegmentSpec { backoff_limit: 0, ..SegmentSpec::default() }, Layout::Bus, &[0, 0]);
    // With no backoff at all they meet every time.
    lan.send(0, 60);
    lan.send(1, 60);
    lan.finish();
    assert_eq!((lan.at(0, Verb::Send).len(), lan.times(0).len()), (16, 0));
    let dropped = lan.at(0, Verb::Drop).into_iter().find(|(_, reason, _)| *reason == Reason::ExcessiveCollisions);
    assert_eq!(dropped.map(|(_, _, attempts)| attempts), Some(16));

    let mut many = self::lan(SegmentSpec::default(), Layout::Bus, &[0; 200]);
    (0..200).for_each(|station| many.send(station, 60));
    many.finish();
    let slots: Vec<_> = events(&many.sim, Verb::Wait, Reason::Backoff).iter().map(|event| event.value).collect();
    assert!(slots.iter().all(|slots| *slots <= 1_023) && slots.iter().any(|slots| *slots > 512));
}

#[test]
fn on_a_cable_of_90_microseconds_short_frames_collide_and_their_senders_do_not_notice() {
    let mut lan = bus(&[0, 45_000, 90_000]);
    lan.send(0, 60);
    lan.send(2, 60);
    lan.finish();
    let undetected = events(&lan.sim, Verb::Drop, Reason::UndetectedCollision);
    assert_eq!(undetected.len(), 2, "the station in the middle hears both at once");
    assert!(undetected.iter().all(|event| event.node == lan.stations[1]));
    assert_eq!(lan.at(0, Verb::Collide), []);
    assert_eq!((lan.times(0).len(), lan.times(1).len(), lan.times(2).len()), (1, 0, 1), "the ends hear them one after the other");
}

#[test]
fn a_collision_after_the_slot_time_is_late_and_the_frame_is_tried_again() {
    let mut lan = bus(&[0, 40_000]);
    lan.send(0, 1_000);
    lan.send_at(39_000, 1, 1_000);
    lan.finish();
    assert_eq!(lan.at(0, Verb::Collide)[0], (79_000, Reason::LateCollision, 1));
    assert_eq!(lan.at(1, Verb::Collide)[0], (40_000, Reason::Collision, 1));
    let dropped = lan.at(1, Verb::Drop)[0];
    assert_eq!(dropped, (79_000 + 3_200 + 40_000, Reason::LateCollision, 0), "the fragment is longer than a runt");
    assert_eq!((lan.times(0).len(), lan.times(1).len()), (1, 1));
}

#[test]
fn a_full_queue_and_a_frame_that_is_too_long_are_drops() {
    let mut lan = lan(SegmentSpec { queue_frames: 2, ..SegmentSpec::default() }, Layout::Bus, &[0, 100]);
    (0..4).for_each(|_| lan.send(0, 60));
    lan.send(1, 1_519);
    lan.finish();
    assert_eq!(lan.times(1).len(), 3, "one that is sent and two that wait");
    let drops: Vec<_> = [0, 1].iter().map(|station| lan.at(*station, Verb::Drop)[0].1).collect();
    assert_eq!(drops, [Reason::QueueFull, Reason::TooLong]);
}

#[test]
fn a_port_of_a_switch_on_a_hub_is_a_station_like_others() {
    let mut lan = lan(SegmentSpec::default(), Layout::Star { hub: Span(500) }, &[100, 200]);
    let switch = lan.sim.add("switch", Switch::new(SwitchSettings::default()));
    lan.attach(switch, 300);
    let far = lan.sim.add("far", Station::default());
    lan.sim.join(switch, far, LinkSpec::default());
    lan.send(0, 60);
    // Both want to send as the first one's end reaches them.
    send(&mut lan.sim, far, frame(mac(0), mac(9), 60));
    lan.send(1, 60);
    lan.finish();
    assert_eq!((count(&lan.sim, far), lan.times(0).len()), (2, 2));
    assert!(!events(&lan.sim, Verb::Collide, Reason::Collision).is_empty(), "the switch contends for the medium");
}

#[test]
fn hubs_that_are_joined_are_one_domain_in_which_each_repeats() {
    let mut tree = HubTree::default();
    let (one, other) = (tree.hub(Span(500)), tree.hub(Span(700)));
    tree.join(one, other, Span(1_000));
    let positions = [tree.station(one, Span(100)), tree.station(other, Span(200))];
    let mut lan = lan(SegmentSpec::default(), tree.layout().expect("a tree"), &positions);
    let hubs = ["one", "other"].map(|name| lan.sim.add(name, Hub::new()));
    let segment: &mut Segment = lan.sim.medium_mut(lan.medium).expect("a segment");
    segment.repeats_at(hubs[0], one as u64);
    segment.repeats_at(hubs[1], other as u64);
    lan.send(0, 60);
    lan.finish();
    assert_eq!(lan.times(1), [57_600 + 100 + 500 + 1_000 + 700 + 200]);
    let repeats = events(&lan.sim, Verb::Repeat, Reason::Repeated);
    let repeats: Vec<_> = repeats.iter().map(|event| (event.time.0, event.node)).collect();
    assert_eq!(repeats, [(100, hubs[0]), (1_600, hubs[1])]);
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_one_another() {
    let hash = |seed| {
        let mut sim = Simulator::new(seed, Bounds::default());
        let segment = Segment::new(sim.next_medium(), SegmentSpec::default(), Layout::Bus);
        let medium = sim.add_medium(Box::new(segment));
        for position in 0..5 {
            let station = sim.add("station", Station::default());
            let port = sim.new_port(station);
            sim.attach(station, port, medium, position * 500);
        }
        (0..50).for_each(|n| send(&mut sim, NodeId(n % 5), frame(EVERYBODY, mac(n as u8), 60)));
        sim.run_until(Time::NEVER, u64::MAX);
        sim.trace_hash()
    };
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
}
