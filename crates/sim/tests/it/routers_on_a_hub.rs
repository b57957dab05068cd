//! Several hosts hear one frame of a hub at one moment: none of them hears what another one makes of it.

use sim::app::SourceSpec;
use sim::app::flow::{Sink, Source};
use sim::host::Host;
use sim::media::{Layout, Segment, SegmentSpec};
use sim::{Bounds, Simulator, Span, Time};

use crate::hosts_net::{Net, address, route};

/// `from` and two routers on a hub, equally far from it. The first router passes on by way of the second one, on the same hub;
/// `to` is behind that. What each router passed on, and what came.
fn passed_on(bounds: Bounds) -> [u64; 3] {
    let mut net = Net { sim: Simulator::new(1, bounds) };
    let from = net.host("from", &[&["10.0.0.1/24"]], "10.0.0.2");
    let first = net.router("first", &["10.0.0.2/24"], vec![route("10.0.1.0/24", "10.0.0.3", 0)]);
    let second = net.router("second", &["10.0.0.3/24", "10.0.1.1/24"], Vec::new());
    let to = net.host("to", &[&["10.0.1.2/24"]], "10.0.1.1");
    net.connect((second, 1), (to, 0));
    let sim = &mut net.sim;
    let hub = sim.add_medium(Box::new(Segment::new(sim.next_medium(), SegmentSpec::default(), Layout::Star { hub: Span::ZERO })));
    [from, first, second].into_iter().for_each(|node| sim.attach(node, 0, hub, 1_000));
    let spec = SourceSpec { count: 20, ..SourceSpec::new(address("10.0.1.2"), 9) };
    sim.with(from, |host: &mut Host, context| host.run(context, Source::new(spec))).expect("a host");
    sim.with(to, |host: &mut Host, context| host.run(context, Sink::new(9))).expect("a host");
    sim.run_until(Time::ZERO + Span::seconds(1), 100_000);
    let counters = [first, second, to].map(|node| sim.get::<Host>(node).expect("a host").counters());
    [counters[0].forwarded, counters[1].forwarded, counters[2].delivered]
}

#[test]
fn a_router_hears_what_was_sent_and_not_what_another_one_made_of_it() {
    assert_eq!(passed_on(Bounds::default()), [20, 20, 20]);
    assert_eq!(passed_on(Bounds::NONE), [20, 20, 20], "without a trace, frames are changed where they are");
}
