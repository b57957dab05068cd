//! Tables of nodes.

use sim::device::{Switch, SwitchSettings};
use sim::view::Tables;
use sim::{Bounds, LinkSpec, Simulator};

use super::world::{PC_1, Station, arp_request, node, send, world};

#[test]
fn tables_are_shown_by_node_and_an_empty_one_only_if_it_was_asked_for() {
    let sim = world();
    let (pc, switch) = (node(&sim, "pc-1"), node(&sim, "sw-1"));
    let expected = "pc-1 (host): arp\n  ADDRESS     MAC\n  10.0.0.254  02:00:00:00:01:01\n";
    assert_eq!(Tables::new(&sim, [pc, switch], None).text(), expected);
    assert_eq!(Tables::new(&sim, [pc, switch], Some("sockets")).text(), "pc-1 (host): sockets\n  empty\n");
}

#[test]
fn the_json_has_the_rows_under_their_columns_and_only_the_tables_that_were_asked_for() {
    let sim = world();
    let json = serde_json::to_value(Tables::new(&sim, [node(&sim, "pc-1")], Some("arp"))).expect("JSON");
    let arp =
        serde_json::json!({"name": "arp", "columns": ["address", "mac"], "rows": [["10.0.0.254", "02:00:00:00:01:01"]]});
    let nodes = serde_json::json!([{"node": "pc-1", "kind": "host", "tables": [arp]}]);
    assert_eq!(json, serde_json::json!({"schema": "vpclab-sim-tables/1", "time_nanoseconds": 0, "nodes": nodes}));
}

#[test]
fn ports_of_a_switch_have_the_names_that_events_call_them_by() {
    let mut sim = Simulator::new(1, Bounds::default());
    let pc = sim.add("pc-1", Station(PC_1.0));
    let switch = sim.add("sw-1", Switch::new(SwitchSettings::default()));
    sim.join(pc, switch, LinkSpec::default());
    send(&mut sim, "pc-1", &arp_request());
    let tables = Tables::new(&sim, [switch], Some("mac"));
    assert_eq!(tables.nodes[0].tables[0].rows[0][..2], [PC_1.0.to_string(), "eth0".to_owned()]);
}
