//! Switches in loops: with spanning tree no frame goes round, and when a link fails another one takes its place.

use sim::device::{Hub, PortState, SpanningTreeSettings, Switch, SwitchSettings};
use sim::{Bounds, LinkId, LinkSpec, NodeId, Reason, Simulator, Span, Stop, Time, Verb};

use crate::stations::{EVERYBODY, Station, events, frame, mac, send};

/// Switches in a ring, with a station at each.
struct Ring {
    sim: Simulator,
    switches: Vec<NodeId>,
    stations: Vec<NodeId>,
    links: Vec<LinkId>,
}

fn ring(length: usize) -> Ring {
    let mut sim = Simulator::new(1, Bounds::default());
    let tree = |priority| SpanningTreeSettings { priority, ..SpanningTreeSettings::default() };
    // The last one is to be the root, though the first has the lowest address.
    let settings = |n| SwitchSettings {
        spanning_tree: Some(tree(if n + 1 == length { 0x1000 } else { 0x8000 })),
        ..SwitchSettings::default()
    };
    let switches: Vec<_> = (0..length).map(|n| sim.add(&format!("sw{n}"), Switch::new(settings(n)))).collect();
    let links = (0..length).map(|n| sim.join(switches[n], switches[(n + 1) % length], LinkSpec::default())).collect();
    let stations: Vec<_> = (0..length).map(|n| sim.add(&format!("s{n}"), Station::default())).collect();
    for (switch, station) in switches.iter().zip(&stations) {
        sim.join(*switch, *station, LinkSpec::default());
    }
    Ring { sim, switches, stations, links }
}

impl Ring {
    fn wait(&mut self, seconds: u64) {
        assert_eq!(self.sim.run_until(self.sim.now() + Span::seconds(seconds), 1_000_000), Stop::Time);
    }

    /// How many frames of a station's come to each station; those of bridges are not counted.
    fn say(&mut self, from: usize, to: [u8; 6]) -> Vec<usize> {
        let heard = |ring: &Self| -> Vec<usize> { ring.stations.iter().map(|station| of_stations(&ring.sim, *station)).collect() };
        let before = heard(self);
        send(&mut self.sim, self.stations[from], frame(to, mac(from as u8), 60));
        assert_eq!(self.sim.run_until(self.sim.now() + Span::milliseconds(100), 10_000), Stop::Time);
        heard(self).iter().zip(before).map(|(after, before)| after - before).collect()
    }

    fn states(&self) -> Vec<PortState> {
        let ports = |switch: &NodeId| {
            let switch: &Switch = self.sim.get(*switch).expect("a switch");
            (0..3).map(|port| switch.tree().expect("it takes part").state(port)).collect::<Vec<_>>()
        };
        self.switches.iter().flat_map(ports).collect()
    }

    fn blocked(&self) -> usize {
        self.states().iter().filter(|state| **state == PortState::Blocking).count()
    }
}

fn root(sim: &Simulator, switch: NodeId) -> [u8; 6] {
    sim.get::<Switch>(switch).and_then(|switch| switch.tree()).expect("a tree").root().address().0
}

fn of_stations(sim: &Simulator, station: NodeId) -> usize {
    let came = &sim.get::<Station>(station).expect("a station").came;
    came.iter().filter(|(_, bytes)| bytes[0] != 0x01).count()
}

#[test]
fn bridges_elect_the_one_with_the_best_priority_and_block_one_port_of_a_ring() {
    let mut ring = ring(4);
    ring.wait(40);
    let root = ring.sim.get::<Switch>(ring.switches[0]).and_then(|switch| switch.tree()).expect("a tree").root();
    assert_eq!((root.priority(), root.address().0), (0x1000, [0x06, 0x53, 0x57, 0, 0, 3]));
    assert_eq!(ring.blocked(), 1);
    assert_eq!(ring.states().iter().filter(|state| **state == PortState::Forwarding).count(), 11);
}

#[test]
fn ports_listen_and_learn_for_15_seconds_each_before_they_forward() {
    let mut ring = ring(3);
    ring.wait(1);
    assert!(ring.states().iter().filter(|state| **state == PortState::Listening).count() >= 8);
    assert_eq!(ring.say(0, EVERYBODY), [0, 0, 0], "nothing is forwarded yet");
    assert!(!events(&ring.sim, Verb::Drop, Reason::PortBlocked).is_empty());
    ring.wait(15);
    assert!(ring.states().iter().filter(|state| **state == PortState::Learning).count() >= 8);
    ring.say(1, EVERYBODY);
    let table = |ring: &Ring| ring.sim.inspect(ring.switches[1]).swap_remove(0).rows;
    assert_eq!(table(&ring).len(), 1, "but addresses are learned");
    ring.wait(15);
    assert_eq!(ring.say(0, EVERYBODY), [0, 1, 1]);
}

#[test]
fn a_broadcast_in_a_ring_comes_to_everybody_once() {
    let mut ring = ring(5);
    ring.wait(40);
    assert_eq!(ring.say(2, EVERYBODY), [1, 1, 0, 1, 1]);
    assert_eq!(ring.say(0, mac(2)), [0, 0, 1, 0, 0], "and an answer by the way that was learned");
}

#[test]
fn when_a_link_of_the_tree_fails_the_blocked_one_takes_its_place_and_addresses_are_forgotten_soon() {
    let mut ring = ring(4);
    ring.wait(40);
    (0..4).for_each(|station| _ = ring.say(station, EVERYBODY));
    let root_link = ring.links[3];
    ring.sim.set_link(root_link, false);
    ring.wait(60);
    assert_eq!((ring.blocked(), ring.say(0, EVERYBODY)), (0, vec![0, 1, 1, 1]));
    assert_eq!(ring.say(3, mac(0)), [1, 0, 0, 0]);
    ring.sim.set_link(root_link, true);
    ring.wait(60);
    assert_eq!((ring.blocked(), ring.say(1, EVERYBODY)), (1, vec![1, 0, 1, 1]));
}

#[test]
fn when_the_root_is_cut_off_another_one_is_elected() {
    let mut ring = ring(3);
    ring.wait(40);
    for link in [ring.links[1], ring.links[2]] {
        ring.sim.set_link(link, false);
    }
    ring.wait(60);
    assert_eq!([root(&ring.sim, ring.switches[0]), root(&ring.sim, ring.switches[1])], [[0x06, 0x53, 0x57, 0, 0, 0]; 2]);
    assert_eq!(ring.say(0, EVERYBODY), [0, 1, 0]);
}

#[test]
fn what_a_silent_root_said_is_void_after_20_seconds() {
    let mut sim = Simulator::new(1, Bounds::default());
    let settings = |priority| SwitchSettings {
        spanning_tree: Some(SpanningTreeSettings { priority, ..SpanningTreeSettings::default() }),
        ..SwitchSettings::default()
    };
    let best = sim.add("best", Switch::new(settings(0)));
    let other = sim.add("other", Switch::new(settings(0x8000)));
    // Between them a box that does not pass on that a link is down.
    let hub = sim.add("hub", Hub::new());
    let link = sim.join(best, hub, LinkSpec::default());
    sim.join(hub, other, LinkSpec::default());
    // The last hello comes at 40 s.
    assert_eq!(sim.run_until(Time(41_000_000_000), 100_000), Stop::Time);
    let address = [0x06, 0x53, 0x57, 0, 0, 0];
    assert_eq!(root(&sim, other), address);
    sim.set_link(link, false);
    sim.run_until(Time(60_000_000_000), 100_000);
    assert_eq!(root(&sim, other), address);
    sim.run_until(Time(60_100_000_000), 100_000);
    assert_eq!(root(&sim, other), [0x06, 0x53, 0x57, 0, 0, 1]);
}

#[test]
fn the_root_says_hello_every_two_seconds_in_real_frames() {
    let mut ring = ring(3);
    ring.wait(41);
    let came = &ring.sim.get::<Station>(ring.stations[2]).expect("a station").came;
    let hellos: Vec<_> = came.iter().filter(|(time, _)| *time > Time(30_000_000_000)).collect();
    assert_eq!(hellos.len(), 6, "every two seconds from the thirtieth to the fortieth");
    assert_eq!(hellos[0].1[..6], [0x01, 0x80, 0xc2, 0, 0, 0]);
    assert_eq!(hellos[0].1[12..17], [0, 38, 0x42, 0x42, 0x03]);
    assert!(hellos.windows(2).all(|pair| pair[1].0.since(pair[0].0) == Span::seconds(2)));
}

#[test]
fn a_switch_with_two_ports_on_one_hub_blocks_one_of_them() {
    let mut sim = Simulator::new(1, Bounds::default());
    let settings = SwitchSettings { spanning_tree: Some(SpanningTreeSettings::default()), ..SwitchSettings::default() };
    let switch = sim.add("switch", Switch::new(settings));
    let hub = sim.add("hub", Hub::new());
    sim.join(switch, hub, LinkSpec::default());
    sim.join(switch, hub, LinkSpec::default());
    let station = sim.add("station", Station::default());
    sim.join(hub, station, LinkSpec::default());
    assert_eq!(sim.run_until(Time(40_000_000_000), 100_000), Stop::Time);
    let tree = sim.get::<Switch>(switch).and_then(|switch| switch.tree()).expect("a tree");
    assert_eq!([tree.state(0), tree.state(1)], [PortState::Forwarding, PortState::Blocking]);
    let before = of_stations(&sim, station);
    send(&mut sim, station, frame(EVERYBODY, mac(1), 60));
    assert_eq!(sim.run_until(Time(40_500_000_000), 1_000), Stop::Time);
    assert_eq!(of_stations(&sim, station), before, "the switch does not send it back");
}
