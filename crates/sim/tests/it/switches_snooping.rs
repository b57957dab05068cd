//! Multicast in switches that read IGMP and MLD.

use sim::device::{Switch, SwitchSettings};
use sim::{Bounds, LinkSpec, NodeId, Reason, Simulator, Span, Stop, Verb};

use crate::stations::{Station, count, events, mac, send};

struct Lan {
    sim: Simulator,
    switch: NodeId,
    stations: Vec<NodeId>,
}

fn lan() -> Lan {
    let mut sim = Simulator::new(1, Bounds::default());
    let switch = sim.add("switch", Switch::new(SwitchSettings { snooping: true, ..SwitchSettings::default() }));
    let stations: Vec<_> = (0..4).map(|n| sim.add(&format!("s{n}"), Station::default())).collect();
    stations.iter().for_each(|station| _ = sim.join(switch, *station, LinkSpec::default()));
    Lan { sim, switch, stations }
}

/// A packet to a group of IPv4, with protocol and payload.
fn ipv4(from: u8, group: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [_, b, c, d] = group;
    let mut bytes = vec![0x01, 0, 0x5e, b & 0x7f, c, d];
    bytes.extend(mac(from));
    bytes.extend([0x08, 0, 0x45, 0, 0, 20 + payload.len() as u8, 0, 0, 0, 0, 1, protocol, 0, 0, 10, 0, 0, from]);
    bytes.extend(group);
    bytes.extend(payload);
    bytes
}

const GROUP: [u8; 4] = [239, 1, 2, 3];
const ROUTERS: [u8; 4] = [224, 0, 0, 2];
const ALL: [u8; 4] = [224, 0, 0, 1];

fn igmp(from: u8, to: [u8; 4], kind: u8, group: [u8; 4]) -> Vec<u8> {
    ipv4(from, to, 2, &[&[kind, 0, 0, 0], &group[..]].concat())
}

impl Lan {
    fn say(&mut self, from: usize, bytes: Vec<u8>) -> Vec<usize> {
        let counts = |lan: &Self| -> Vec<usize> { lan.stations.iter().map(|station| count(&lan.sim, *station)).collect() };
        let before = counts(self);
        send(&mut self.sim, self.stations[from], bytes);
        assert_eq!(self.sim.run_until(self.sim.now() + Span::milliseconds(1), 1_000), Stop::Quiet);
        counts(self).iter().zip(before).map(|(after, before)| after - before).collect()
    }

    fn data(&mut self, group: [u8; 4]) -> Vec<usize> {
        self.say(3, ipv4(3, group, 17, &[0; 20]))
    }

    fn wait(&mut self, seconds: u64) {
        self.sim.run_until(self.sim.now() + Span::seconds(seconds), 1_000);
    }
}

#[test]
fn a_group_goes_to_its_members_and_to_routers_only() {
    let mut lan = lan();
    assert_eq!(lan.data(GROUP), [1, 1, 1, 0], "nobody has said anything");
    assert_eq!(lan.say(0, igmp(0, ALL, 0x11, [0; 4])), [0, 1, 1, 1], "a query goes everywhere");
    assert_eq!(lan.say(1, igmp(1, GROUP, 0x16, GROUP)), [1, 0, 0, 0], "a report to routers");
    assert_eq!(lan.data(GROUP), [1, 1, 0, 0]);
    assert_eq!(lan.data([239, 9, 9, 9]), [1, 0, 0, 0], "a group without members");
    assert_eq!(lan.data([224, 0, 0, 5]), [1, 1, 1, 0], "what belongs to the link goes everywhere");
    let joins = events(&lan.sim, Verb::Learn, Reason::Snooped);
    assert_eq!(joins.iter().map(|event| event.port).collect::<Vec<_>>(), [0, 1]);
    let table = lan.sim.inspect(lan.switch).swap_remove(1);
    assert_eq!((table.name, table.rows), ("multicast", vec![vec!["239.1.2.3".into(), "1".into()], vec!["routers".into(), "0".into()]]));
}

#[test]
fn a_member_that_leaves_is_served_until_it_could_have_been_asked_twice() {
    let mut lan = lan();
    lan.say(0, igmp(0, ALL, 0x11, [0; 4]));
    lan.say(1, igmp(1, GROUP, 0x16, GROUP));
    lan.say(1, igmp(1, ROUTERS, 0x17, GROUP));
    lan.wait(1);
    assert_eq!(lan.data(GROUP), [1, 1, 0, 0]);
    lan.wait(1);
    assert_eq!(lan.data(GROUP), [1, 0, 0, 0]);
    assert_eq!(events(&lan.sim, Verb::Forget, Reason::Snooped).len(), 1);
}

#[test]
fn a_silent_member_stays_for_260_seconds() {
    let mut lan = lan();
    lan.say(1, igmp(1, GROUP, 0x16, GROUP));
    lan.say(2, igmp(2, [239, 7, 7, 7], 0x16, [239, 7, 7, 7]));
    lan.wait(259);
    assert_eq!(lan.data(GROUP), [0, 1, 0, 0]);
    lan.wait(1);
    assert_eq!(lan.data(GROUP), [1, 1, 1, 0], "as before it joined");
}

#[test]
fn version_3_reports_and_leaves_are_understood() {
    let mut lan = lan();
    let report = |kind: u8| {
        let message = [&[0x22, 0, 0, 0, 0, 0, 0, 1, kind, 0, 0, 0], &GROUP[..]].concat();
        ipv4(1, [224, 0, 0, 22], 2, &message)
    };
    lan.say(0, igmp(0, ALL, 0x11, [0; 4]));
    lan.say(1, report(4));
    assert_eq!(lan.data(GROUP), [1, 1, 0, 0]);
    lan.say(1, report(3));
    lan.wait(2);
    assert_eq!(lan.data(GROUP), [1, 0, 0, 0]);
}

#[test]
fn multicast_listener_discovery_steers_groups_of_ipv6_beyond_the_link() {
    let group = |scope: u8| {
        let mut group = [0; 16];
        (group[0], group[1], group[15]) = (0xff, scope, 0x42);
        group
    };
    let packet = |from: u8, to: [u8; 16], next: u8, payload: &[u8]| {
        let mut bytes = vec![0x33, 0x33, 0, 0, 0, to[15]];
        bytes.extend(mac(from));
        bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, payload.len() as u8, next, 1]);
        bytes.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, from]);
        bytes.extend(to);
        bytes.extend(payload);
        bytes
    };
    // A hop-by-hop header with the router alert option, then the message.
    let mld = |kind: u8, of: [u8; 16]| [&[58, 0, 5, 2, 0, 0, 1, 0, kind, 0, 0, 0, 0, 0, 0, 0], &of[..]].concat();
    let mut lan = lan();
    lan.say(0, packet(0, group(2), 0, &mld(130, [0; 16])));
    lan.say(1, packet(1, group(5), 0, &mld(131, group(5))));
    assert_eq!(lan.say(3, packet(3, group(5), 17, &[0; 8])), [1, 1, 0, 0]);
    assert_eq!(lan.say(3, packet(3, group(2), 17, &[0; 8])), [1, 1, 1, 0], "groups of the link go everywhere");
    lan.say(1, packet(1, group(2), 0, &mld(132, group(5))));
    lan.wait(2);
    assert_eq!(lan.say(3, packet(3, group(5), 17, &[0; 8])), [1, 0, 0, 0]);
}

#[test]
fn rfc_4541_2_1_1_a_report_reaches_no_host_even_where_no_router_is_known() {
    let mut lan = lan();
    assert_eq!(lan.say(1, igmp(1, GROUP, 0x16, GROUP)), [0; 4]);
    assert_eq!(events(&lan.sim, Verb::Drop, Reason::GroupRouter).len(), 1);
    assert_eq!(lan.data(GROUP), [0, 1, 0, 0], "and is believed all the same");
    assert_eq!(lan.say(1, igmp(1, ROUTERS, 0x17, GROUP)), [0; 4]);
}

#[test]
fn what_goes_by_the_group_table_is_forwarded_port_by_port_and_only_changes_of_it_are_learning() {
    let mut lan = lan();
    lan.say(0, igmp(0, ALL, 0x11, [0; 4]));
    lan.say(1, igmp(1, GROUP, 0x16, GROUP));
    lan.data(GROUP);
    let ports = |verb, reason| events(&lan.sim, verb, reason).iter().map(|event| event.port).collect::<Vec<_>>();
    assert_eq!(ports(Verb::Forward, Reason::GroupRouter), [0], "the report");
    assert_eq!(ports(Verb::Forward, Reason::GroupMember), [0, 1], "the data");
    assert_eq!(ports(Verb::Flood, Reason::Snooped), [0; 0]);
    assert_eq!(ports(Verb::Learn, Reason::Snooped), [0, 1]);
    // Who sends to a group that only its own port is in.
    let mut lan = self::lan();
    lan.say(3, igmp(3, GROUP, 0x16, GROUP));
    assert_eq!(lan.data(GROUP), [0; 4]);
    assert_eq!(events(&lan.sim, Verb::Drop, Reason::SamePort).len(), 1);
}
