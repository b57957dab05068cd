//! The OSI view.

use sim::device::Hub;
use sim::media::{Layout, Segment, SegmentSpec};
use sim::view::layers::{Hop, Side};
use sim::view::{Filter, Layers, View};
use sim::{Bounds, Framing, LinkSpec, Simulator, Span};
use wire::tcp::Flags;

use super::world::{Station, addresses, arp_request, echo, send, tcp, udp, world};

fn hops(sim: &Simulator, filter: &str) -> Vec<Hop> {
    let view = View::new(sim);
    let filter = Filter::parse(filter, &view, &addresses).expect("a filter");
    Layers::new(&view, &filter).hops
}

/// `layer unit protocol, protocol` from the first layer up.
fn levels(side: &Side) -> Vec<String> {
    let level = |level: &sim::view::layers::Level| {
        let headers: Vec<&str> = level.headers.iter().map(|header| header.protocol).collect();
        format!("{} {} {}", level.layer, level.unit, headers.join(", "))
    };
    side.layers.iter().map(level).collect()
}

/// The value of a field of a layer, and what it was.
fn field<'s>(side: &'s Side, layer: u8, name: &str) -> Option<(&'s str, Option<&'s str>)> {
    let level = side.layers.iter().find(|level| level.layer == layer)?;
    let field = level.headers.iter().flat_map(|header| &header.fields).find(|field| field.name == name)?;
    Some((field.value.as_str(), field.was.as_deref()))
}

fn changed(side: &Side) -> Vec<String> {
    let levels = side.layers.iter().flat_map(|level| {
        level.headers.iter().flat_map(move |header| header.fields.iter().map(move |field| (level.layer, field)))
    });
    levels
        .filter_map(|(layer, field)| {
            field.was.as_ref().map(|was| format!("{layer} {}: {was} → {}", field.name, field.value))
        })
        .collect()
}

fn http() -> Simulator {
    let mut sim = world();
    send(&mut sim, "pc-1", &tcp(80, Flags::ACK, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    sim
}

#[test]
fn a_host_has_all_layers_a_switch_two_and_a_router_three() {
    let sim = http();
    let hops = hops(&sim, "");
    let seen: Vec<(&str, u8)> = hops.iter().map(|hop| (hop.node.as_str(), hop.height)).collect();
    assert_eq!(seen, [("pc-1", 7), ("sw-1", 2), ("r-1", 3), ("web-1", 7)]);
    let all = [
        "1 bits medium",
        "2 frame Ethernet",
        "3 packet IPv4",
        "4 segment TCP",
        "5 data socket pair",
        "6 data encoding",
        "7 data HTTP",
    ];
    assert_eq!(levels(&hops[0].outgoing[0]), all);
    assert!(hops[0].incoming.is_none() && hops[3].outgoing.is_empty());
    let sides: Vec<&Side> = hops[1].incoming.iter().chain(&hops[1].outgoing).collect();
    assert!(sides.iter().all(|side| levels(side) == all[..2] && side.carried == ["IPv4", "TCP", "HTTP"]));
    assert_eq!(levels(hops[2].incoming.as_ref().expect("it came")), all[..3]);
    assert_eq!(levels(hops[3].incoming.as_ref().expect("it came")), all);
}

#[test]
fn a_switch_changes_nothing_and_a_router_the_addresses_of_the_frame_and_the_time_to_live() {
    let sim = http();
    let hops = hops(&sim, "");
    assert_eq!(changed(&hops[1].outgoing[0]), Vec::<String>::new());
    let changes = changed(&hops[2].outgoing[0]);
    let expected = [
        "2 destination: 02:00:00:00:01:01 → 02:00:00:00:00:02",
        "2 source: 02:00:00:00:00:01 → 02:00:00:00:01:02",
        "2 frame check sequence: ",
        "3 TTL: 64 → 63",
        "3 header checksum: ",
    ];
    assert!(
        changes.len() == expected.len() && changes.iter().zip(expected).all(|(found, known)| found.starts_with(known)),
        "{changes:?}"
    );
}

#[test]
fn each_decision_names_the_field_that_decided() {
    let mut sim = world();
    send(&mut sim, "pc-1", &arp_request());
    send(&mut sim, "pc-1", &echo(1));
    let decisions: Vec<String> = hops(&sim, "")
        .iter()
        .flat_map(|hop| hop.decisions.iter().map(move |decision| (hop, decision)))
        .map(|(hop, decision)| {
            let fields: Vec<String> =
                decision.fields.iter().map(|field| format!("{} {}", field.name, field.value)).collect();
            format!("{} {} {} by {}", hop.node, decision.layer, decision.verb, fields.join(", "))
        })
        .collect();
    let expected = [
        "sw-1 2 learn by source 02:00:00:00:00:01",
        "sw-1 2 flood by destination ff:ff:ff:ff:ff:ff (everybody)",
        "r-1 2 drop by destination ff:ff:ff:ff:ff:ff (everybody)",
        "sw-1 2 learn by source 02:00:00:00:00:01",
        "sw-1 2 forward by destination 02:00:00:00:01:01",
        "r-1 3 drop by TTL 1",
    ];
    assert_eq!(decisions, expected);
}

#[test]
fn the_first_layer_counts_the_bits_and_the_second_pads_and_checks() {
    let mut sim = world();
    send(&mut sim, "pc-1", &arp_request());
    let hops = hops(&sim, "node pc-1");
    let side = &hops[0].outgoing[0];
    for (layer, name, value) in [
        (1, "rate", "1 Gb/s (a bit takes 1 ns)"),
        (1, "bits", "576 = preamble 64 + frame 336 + padding 144 + check sequence 32"),
        (1, "time to send", "576 ns"),
        (2, "padding", "18 bytes to the shortest frame"),
        // CRC-32 of the frame with its padding, as another implementation computes it.
        (2, "frame check sequence", "0xfa5b06e9"),
    ] {
        assert_eq!(field(side, layer, name), Some((value, None)), "{name}");
    }
}

#[test]
fn a_serial_link_has_flags_instead_of_a_preamble() {
    let mut sim = Simulator::new(1, sim::Bounds::default());
    let (a, b) = (sim.add("a", Station(wire::Mac([2; 6]))), sim.add("b", Station(wire::Mac([4; 6]))));
    let spec = LinkSpec {
        framing: Framing::Ppp,
        rate_bits_per_second: 64_000,
        delay: Span::milliseconds(2),
        ..LinkSpec::default()
    };
    sim.join(a, b, spec);
    send(&mut sim, "a", &[&[0xff, 3, 0, 0x21][..], &echo(7)[14..]].concat());
    let hops = hops(&sim, "node a");
    let side = &hops[0].outgoing[0];
    assert_eq!(levels(side)[..3], ["1 bits medium", "2 frame PPP", "3 packet IPv4, ICMP"]);
    assert_eq!(field(side, 1, "medium"), Some(("serial link, 2 ms long", None)));
    assert_eq!(field(side, 1, "bits"), Some(("728 = flag 8 + frame 704 + check sequence 16", None)));
}

#[test]
fn a_connection_has_a_state_and_a_datagram_none() {
    let mut sim = world();
    send(&mut sim, "pc-1", &tcp(80, Flags::SYN, b""));
    send(&mut sim, "pc-1", &udp(53, b"?"));
    let states: Vec<String> = hops(&sim, "node web-1")
        .iter()
        .filter_map(|hop| field(hop.incoming.as_ref()?, 5, "state").map(|(state, _)| state.to_owned()))
        .collect();
    assert_eq!(states, ["SYN-SENT at 10.0.0.1:40000, LISTEN or CLOSED at 10.0.1.2:80", "none: each datagram stands alone"]);
}

#[test]
fn a_flood_is_one_side_with_its_ports() {
    let mut sim = world();
    send(&mut sim, "pc-1", &arp_request());
    let hops = hops(&sim, "flood");
    assert_eq!((hops.len(), hops[0].outgoing.len(), hops[0].outgoing[0].ports.join(" ")), (1, 1, "eth1 eth2".to_owned()));
}

#[test]
fn a_paragraph_goes_up_the_layers_and_down_again() {
    let sim = http();
    let view = View::new(&sim);
    let filter = Filter::parse("node r-1", &view, &addresses).expect("a filter");
    let text = Layers::new(&view, &filter).text();
    let starts: Vec<&str> = text.lines().map(|line| line.get(..30).unwrap_or(line).trim_end()).collect();
    let expected = [
        "1  r-1 (router), 1.588 µs",
        "   in  eth0: decapsulation",
        "     1 physical     bits",
        "     2 data link    frame",
        "     3 network      packet",
        "     above          unread",
        "   forward (layer 3) by destin",
        "   out eth1: encapsulation",
        "     above          unread",
        "     3 network      packet",
        "     2 data link    frame",
        "     1 physical     bits",
    ];
    assert_eq!(starts, expected);
    assert!(text.contains("TTL 64 → 63"));
}

#[test]
fn the_json_has_stable_keys() {
    let sim = http();
    let json = serde_json::to_value(Layers::new(&View::new(&sim), &Filter::All)).expect("JSON");
    assert_eq!(json["schema"], "vpclab-sim-layers/1");
    let hop = &json["hops"][2];
    let expected = serde_json::json!({
        "layer": 3, "verb": "forward", "reason": "route", "fields": [{"name": "destination", "value": "10.0.1.2"}],
        "why": "the longest prefix of the route table decides: 10.0.1.2 is in 10.0.1.0/24, by eth1",
    });
    assert_eq!(hop["decisions"][0], expected);
    let ttl = hop["outgoing"][0]["layers"][2]["headers"][0]["fields"]
        .as_array()
        .expect("fields")
        .iter()
        .find(|field| field["name"] == "TTL");
    assert_eq!(ttl, Some(&serde_json::json!({"name": "TTL", "value": "63", "was": "64"})));
}

#[test]
fn a_hub_repeats_the_bits_of_one_station_to_all_others_and_reads_none() {
    let mut sim = Simulator::new(1, Bounds::default());
    let hub = sim.add("box", Hub::new());
    let mut segment = Segment::new(sim.next_medium(), SegmentSpec::default(), Layout::Star { hub: Span::ZERO });
    segment.repeats_at(hub, 0);
    let medium = sim.add_medium(Box::new(segment));
    for (name, last) in [("pc-1", 1), ("pc-2", 2), ("pc-3", 3)] {
        let station = sim.add(name, Station(wire::Mac([2, 0, 0, 0, 0, last])));
        let port = sim.add_port(station, "eth0");
        sim.attach(station, port, medium, 500_000);
    }
    send(&mut sim, "pc-1", &arp_request());
    let hops = hops(&sim, "node box");
    let [hop] = hops.as_slice() else { panic!("one hop: {hops:?}") };
    let (came, went) = (hop.incoming.as_ref().expect("bits came"), &hop.outgoing[0]);
    assert_eq!((came.ports.join(", ").as_str(), went.ports.join(", ").as_str()), ("port of pc-1", "port of pc-2, port of pc-3"));
    assert_eq!(levels(came), ["1 bits medium"]);
    assert_eq!(field(came, 1, "medium"), Some(("shared, half duplex: one collision domain of 3 stations", None)));
    let view = View::new(&sim);
    let text = Layers::new(&view, &Filter::parse("node box", &view, &addresses).expect("a filter")).text();
    assert!(text.contains("   in  port of pc-1: bits\n") && text.contains("   out port of pc-2, port of pc-3: the same bits\n"), "{text}");
}
