//! A hub as a box into which full-duplex cables are plugged. Hubs of one collision domain are tested in `csma_cd`.

use sim::device::Hub;
use sim::{Bounds, LinkSpec, Node, Reason, Simulator, Stop, Time, Verb};

use crate::stations::{Station, count, events, frame, mac, send};

#[test]
fn a_hub_repeats_to_every_other_port_whatever_the_address() {
    let mut sim = Simulator::new(1, Bounds::default());
    let hub = sim.add("hub", Hub::new());
    let stations = [0, 1, 2].map(|n| sim.add(&format!("s{n}"), Station::default()));
    stations.iter().for_each(|station| _ = sim.join(hub, *station, LinkSpec::default()));
    send(&mut sim, stations[0], frame(mac(1), mac(0), 60));
    assert_eq!(sim.run_until(Time::NEVER, 100), Stop::Quiet);
    assert_eq!(stations.map(|station| count(&sim, station)), [0, 1, 1]);
    assert_eq!(events(&sim, Verb::Repeat, Reason::Repeated).len(), 1);
    assert_eq!((sim.kind(hub), Hub::repeater().kind()), ("hub", "repeater"));
}

#[test]
fn hubs_in_a_loop_repeat_a_frame_until_the_budget_ends() {
    let mut sim = Simulator::new(1, Bounds::default());
    let hubs = ["a", "b", "c"].map(|name| sim.add(name, Hub::new()));
    for n in 0..3 {
        sim.join(hubs[n], hubs[(n + 1) % 3], LinkSpec::default());
    }
    let station = sim.add("station", Station::default());
    sim.join(station, hubs[0], LinkSpec::default());
    send(&mut sim, station, frame(mac(1), mac(0), 60));
    assert_eq!(sim.run_quiet(Time::NEVER, 1_000), Stop::Budget);
}
