//! The routing protocols of a lab file's routers.

use std::collections::BTreeMap;

use model::Origin as Place;
use model::lan::{Device, End, Framing, Host, Interface, Lan, Link, Router, RoutingProtocol};
use sim::app::{End as Outcome, PingSpec};
use sim::{Bounds, Simulator, Span, lan};

fn interfaces(all: &[(&str, &str)]) -> BTreeMap<String, Interface> {
    let one = |(name, address): &(&str, &str)| {
        let addresses = vec![address.parse().expect("an address")];
        ((*name).to_owned(), Interface { addresses, ..Interface::default() })
    };
    all.iter().map(one).collect()
}

fn link(a: (&str, &str), b: (&str, &str), framing: Framing) -> Link {
    let end = |(device, interface): (&str, &str)| End::Device { device: device.to_owned(), interface: interface.to_owned() };
    Link {
        a: end(a),
        b: end(b),
        rate_bits_per_second: 10_000_000,
        half_duplex: false,
        delay_nanoseconds: 500,
        loss_per_million: 0,
        duplicate_per_million: 0,
        reorder_per_million: 0,
        queue_frames: 100,
        mtu_bytes: 1_500,
        cable: None,
        framing,
        up: true,
        announce: Vec::new(),
        origin: Place::default(),
    }
}

/// pc-1 - r1 - r2 - pc-2, the middle one a serial line.
fn campus(protocol: Option<RoutingProtocol>) -> Lan {
    let mut lan = Lan::default();
    for n in ["1", "2"] {
        let (inside, outside) = (format!("192.168.{n}.1/24"), format!("10.0.0.{n}/30"));
        let router = Router {
            interfaces: interfaces(&[("lan", &inside), ("wan", &outside)]),
            protocols: protocol.into_iter().collect(),
            ..Router::default()
        };
        let own = format!("192.168.{n}.10/24");
        let gateways = vec![format!("192.168.{n}.1").parse().expect("an address")];
        let host = Host { interfaces: interfaces(&[("eth0", &own)]), gateways, ..Host::default() };
        lan.devices.insert(format!("r{n}"), Device::Router(router));
        lan.devices.insert(format!("pc-{n}"), Device::Host(host));
        lan.links.push(link((&format!("r{n}"), "lan"), (&format!("pc-{n}"), "eth0"), Framing::Ethernet));
    }
    lan.links.push(link(("r1", "wan"), ("r2", "wan"), Framing::Ppp));
    lan
}

#[test]
fn routers_that_a_lab_lets_speak_find_each_others_networks() {
    for (protocol, answered) in [(None, false), (Some(RoutingProtocol::Rip), true), (Some(RoutingProtocol::Ospf), true)] {
        let mut simulator = Simulator::new(1, Bounds::default());
        lan::add(&mut simulator, &campus(protocol)).expect("a lan");
        let run = |simulator: &mut Simulator, seconds| {
            let until = simulator.now() + Span::seconds(seconds);
            simulator.run_until(until, 1_000_000);
        };
        run(&mut simulator, 10);
        let pc = simulator.find("pc-1").expect("pc-1");
        let spec = PingSpec { count: 1, ..PingSpec::new("192.168.2.10".parse().expect("an address")) };
        let app = simulator.with(pc, |host: &mut sim::host::Host, context| host.ping(context, spec)).expect("a host");
        run(&mut simulator, 10);
        let host: &sim::host::Host = simulator.get(pc).expect("a host");
        assert_eq!(host.outcome(app).map(|outcome| outcome.end == Outcome::Answered), Some(answered), "{protocol:?}");
        let router = simulator.find("r1").expect("r1");
        let shown = simulator.inspect(router).iter().any(|table| ["rip", "ospf-neighbors"].contains(&table.name));
        assert_eq!(shown, protocol.is_some());
    }
}
