//! What a learning switch does with frames, and says about it.

use sim::device::{Switch, SwitchSettings, bridge};
use sim::{Bounds, LinkSpec, NodeId, Reason, Simulator, Span, Stop, Time, Verb};

use crate::stations::{EVERYBODY, Station, count, events, frame, mac, send};

struct Lan {
    sim: Simulator,
    switch: NodeId,
    stations: Vec<NodeId>,
}

fn lan_of(switch: Switch, stations: usize) -> Lan {
    let mut sim = Simulator::new(1, Bounds::default());
    let switch = sim.add("switch", switch);
    let stations: Vec<_> = (0..stations).map(|n| sim.add(&format!("s{n}"), Station::default())).collect();
    for station in &stations {
        sim.join(switch, *station, LinkSpec::default());
    }
    Lan { sim, switch, stations }
}

fn lan(settings: SwitchSettings) -> Lan {
    lan_of(Switch::new(settings), 4)
}

impl Lan {
    /// Station `from` sends to an address; returns how many frames came to each station.
    fn say(&mut self, from: usize, to: [u8; 6]) -> Vec<usize> {
        let before: Vec<_> = self.counts();
        send(&mut self.sim, self.stations[from], frame(to, mac(from as u8), 60));
        assert_eq!(self.sim.run_quiet(Time::NEVER, 1_000), Stop::Quiet);
        self.counts().iter().zip(before).map(|(after, before)| after - before).collect()
    }

    fn counts(&self) -> Vec<usize> {
        self.stations.iter().map(|station| count(&self.sim, *station)).collect()
    }

    fn wait(&mut self, span: Span) {
        self.sim.run_until(self.sim.now() + span, 1_000);
    }

    fn count(&self, verb: Verb, reason: Reason) -> usize {
        events(&self.sim, verb, reason).len()
    }

    fn mac_table(&self) -> Vec<Vec<String>> {
        self.sim.inspect(self.switch).swap_remove(0).rows
    }
}

#[test]
fn a_switch_floods_for_an_unknown_address_and_forwards_once_it_has_heard_it() {
    let mut lan = lan(SwitchSettings::default());
    assert_eq!(lan.say(0, mac(1)), [0, 1, 1, 1]);
    assert_eq!(lan.say(1, mac(0)), [1, 0, 0, 0]);
    assert_eq!(lan.say(0, mac(1)), [0, 1, 0, 0]);
    assert_eq!(lan.count(Verb::Learn, Reason::SourceMac), 2, "an address is learned once");
    let flood = events(&lan.sim, Verb::Flood, Reason::UnknownMac);
    assert_eq!((flood.len(), flood[0].port, flood[0].value), (1, 0, 3));
    let forwards: Vec<_> = events(&lan.sim, Verb::Forward, Reason::KnownMac).iter().map(|event| event.port).collect();
    assert_eq!(forwards, [0, 1]);
}

#[test]
fn broadcasts_and_multicasts_go_everywhere_for_their_own_reasons() {
    let mut lan = lan(SwitchSettings::default());
    assert_eq!(lan.say(2, EVERYBODY), [1, 1, 0, 1]);
    assert_eq!(lan.say(2, [0x01, 0, 0x5e, 1, 2, 3]), [1, 1, 0, 1]);
    assert_eq!(lan.count(Verb::Flood, Reason::BroadcastMac), 1);
    assert_eq!(lan.count(Verb::Flood, Reason::MulticastMac), 1);
}

#[test]
fn a_frame_for_a_station_on_its_own_port_goes_nowhere() {
    let mut lan = lan(SwitchSettings::default());
    let station = lan.stations[0];
    send(&mut lan.sim, station, frame(EVERYBODY, mac(9), 60));
    lan.wait(Span::milliseconds(1));
    assert_eq!(lan.say(0, mac(9)), [0, 0, 0, 0]);
    assert_eq!(lan.count(Verb::Drop, Reason::SamePort), 1);
}

#[test]
fn a_station_that_moves_is_found_at_its_new_port() {
    let mut lan = lan(SwitchSettings::default());
    lan.say(0, EVERYBODY);
    let (away, other) = (lan.stations[3], 1);
    send(&mut lan.sim, away, frame(EVERYBODY, mac(0), 60));
    lan.wait(Span::milliseconds(1));
    assert_eq!(lan.say(other, mac(0)), [0, 0, 0, 1]);
    let moved = events(&lan.sim, Verb::Learn, Reason::MovedMac);
    assert_eq!((moved.len(), moved[0].port, moved[0].value), (1, 3, 0));
}

#[test]
fn an_address_is_forgotten_300_seconds_after_it_was_last_heard() {
    let mut lan = lan(SwitchSettings::default());
    lan.say(1, EVERYBODY);
    lan.wait(Span::seconds(200));
    lan.say(1, EVERYBODY);
    lan.wait(Span::seconds(299));
    assert_eq!(lan.say(0, mac(1)), [0, 1, 0, 0]);
    lan.wait(Span::seconds(1));
    assert!(lan.mac_table().iter().all(|row| row[0] != "02:00:00:00:00:01"));
    assert_eq!(lan.say(0, mac(1)), [0, 1, 1, 1]);
    assert_eq!(lan.count(Verb::Forget, Reason::AgedMac), 1);
}

#[test]
fn a_full_table_learns_nothing_until_something_ages() {
    let mut lan = lan(SwitchSettings { table_addresses: 2, ageing: Span::seconds(10), ..SwitchSettings::default() });
    for station in 0..3 {
        lan.say(station, EVERYBODY);
    }
    assert_eq!(lan.count(Verb::Note, Reason::TableFull), 1);
    assert_eq!(lan.say(0, mac(2)), [0, 1, 1, 1], "unknown, so everywhere");
    lan.wait(Span::seconds(11));
    lan.say(2, EVERYBODY);
    assert_eq!(lan.say(0, mac(2)), [0, 0, 1, 0]);
}

#[test]
fn the_table_shows_addresses_in_order_with_port_and_age() {
    let mut lan = lan(SwitchSettings::default());
    lan.say(2, EVERYBODY);
    lan.wait(Span::seconds(5));
    lan.say(1, EVERYBODY);
    lan.sim.run_until(Time(6_000_000_000), 1_000);
    let table = lan.mac_table();
    let shown: Vec<_> = table.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
    assert_eq!(shown, [("02:00:00:00:00:01", "1"), ("02:00:00:00:00:02", "2")]);
    // 576 bits at a gigabit and 50 ns of cable after the beginning.
    assert_eq!(table[1][2], "5.999999374 s");
}

#[test]
fn what_was_learned_at_a_port_is_forgotten_when_its_link_goes_down() {
    let mut lan = lan(SwitchSettings::default());
    lan.say(1, EVERYBODY);
    let link = lan.sim.link_between(lan.switch, lan.stations[1]).expect("a link");
    lan.sim.set_link(link, false);
    assert_eq!(lan.say(0, mac(1)), [0, 0, 1, 1], "flooded, and not into a link that is down");
    assert_eq!(events(&lan.sim, Verb::Forget, Reason::LinkDown)[0].value, 1);
}

#[test]
fn a_bridge_has_two_ports_and_a_frame_at_a_third_is_dropped() {
    let mut lan = lan_of(bridge(SwitchSettings::default()), 3);
    assert_eq!(lan.say(0, EVERYBODY), [0, 1, 0]);
    assert_eq!(lan.say(2, EVERYBODY), [0, 0, 0]);
    assert_eq!(lan.count(Verb::Drop, Reason::PortLimit), 1);
    assert_eq!(lan.sim.kind(lan.switch), "bridge");
}

#[test]
fn frames_for_the_neighbouring_bridge_alone_and_stumps_of_frames_go_no_further() {
    let mut lan = lan(SwitchSettings::default());
    assert_eq!(lan.say(0, [0x01, 0x80, 0xc2, 0, 0, 0x0e]), [0, 0, 0, 0]);
    assert_eq!(lan.count(Verb::Drop, Reason::ReservedMac), 1);
    let station = lan.stations[0];
    send(&mut lan.sim, station, vec![0xff; 13]);
    lan.wait(Span::milliseconds(1));
    assert_eq!(lan.count(Verb::Drop, Reason::MalformedFrame), 1);
}

#[test]
fn a_loop_of_switches_is_a_broadcast_storm_that_the_budget_ends() {
    let mut sim = Simulator::new(1, Bounds::default());
    let switches: Vec<_> = (0..3).map(|n| sim.add(&format!("sw{n}"), Switch::new(SwitchSettings::default()))).collect();
    for n in 0..3 {
        sim.join(switches[n], switches[(n + 1) % 3], LinkSpec::default());
    }
    let station = sim.add("a", Station::default());
    sim.join(station, switches[0], LinkSpec::default());
    send(&mut sim, station, frame(EVERYBODY, mac(0), 60));
    assert_eq!(sim.run_quiet(Time::NEVER, 10_000), Stop::Budget);
    assert!(count(&sim, station) > 1_000, "the same frame comes back again and again: {}", count(&sim, station));
}
