//! Whatever comes to a router that translates and filters, it does not panic, and nothing is held for ever.

use proptest::prelude::*;
use sim::app::{ConnectSpec, DatagramSpec, PingSpec};
use sim::host::{Action, FilterSpec, Host, HostSpec, PortForward, Protocol, Services};
use sim::{FrameId, Framing, LinkSpec, NodeId};

use crate::hosts_net::{Net, address};

/// a - router - c, all busy; the first link as said.
fn busy(framing: Framing) -> (Net, [NodeId; 3]) {
    let mut net = Net::new();
    let a = net.host("a", &[&["192.168.1.2/24", "2001:db8:1::2/64"]], "192.168.1.1");
    let spec = HostSpec { forwarding: true, masquerade: Some(1), ..HostSpec::default() };
    let router =
        net.with_spec("r", &[&["192.168.1.1/24", "2001:db8:1::1/64"], &["203.0.113.1/24", "2001:db8:2::1/64"]], spec);
    let c = net.host("c", &[&["203.0.113.9/24", "2001:db8:2::9/64"]], "");
    net.connect_as((a, 0), (router, 0), LinkSpec { framing, ..LinkSpec::default() });
    net.connect((router, 1), (c, 0));
    let services = Services { default_open: true, ..Services::default() };
    net.at(a, |host, _| host.set_services(services.clone()));
    net.at(c, |host, _| host.set_services(services));
    let forward = PortForward { protocol: Protocol::UDP, port: 53, to: address("192.168.1.2"), to_port: 53 };
    net.at(router, |host, _| {
        host.set_port_forward(forward);
        host.set_filter(Some(FilterSpec { default: Action::Allow, ..FilterSpec::default() }));
    });
    let to = address("203.0.113.9");
    net.at(a, |host, context| host.ping(context, PingSpec { count: 2, size: 3_000, ..PingSpec::new(to) }));
    net.at(a, |host, context| host.connect(context, ConnectSpec { keep_open: true, ..ConnectSpec::new(to, 80) }));
    net.at(a, |host, context| host.datagram(context, DatagramSpec::new(to, 9, b"hello")));
    net.at(a, |host, context| host.ping(context, PingSpec { count: 1, ..PingSpec::new(address("2001:db8:1::1")) }));
    net.run(3);
    (net, [a, router, c])
}

fn inject(net: &mut Net, from: NodeId, bytes: &[u8]) {
    net.sim.with(from, |_: &mut Host, context| {
        let frame = context.make(FrameId::NONE, |out| out.extend_from_slice(bytes));
        context.send(0, frame);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn frames_of_any_bytes_are_survived(
        framing in prop_oneof![Just(Framing::Ethernet), Just(Framing::Ppp), Just(Framing::Hdlc)],
        frames in prop::collection::vec((any::<bool>(), 0usize..3, prop::collection::vec(any::<u8>(), 0..120)), 1..40),
    ) {
        let (mut net, [a, _, c]) = busy(framing);
        for (from_a, head, mut bytes) in frames {
            let heads: [&[u8]; 3] = [&[2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 8, 0, 0x45], &[0xff, 3, 0, 0x21, 0x45], &[0x0f, 0, 8, 0, 0x45]];
            let head = heads[head];
            let length = head.len().min(bytes.len());
            bytes[..length].copy_from_slice(&head[..length]);
            inject(&mut net, if from_a { a } else { c }, &bytes);
        }
        net.run(100);
    }

    /// Frames that were really sent, with some bytes changed and the IP checksum made right again.
    #[test]
    fn frames_that_were_changed_on_the_way_are_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec((14usize..90, any::<u8>()), 0..4), any::<bool>()), 1..40),
    ) {
        let (mut net, [a, router, c]) = busy(Framing::Ethernet);
        let sent = |net: &Net, node| net.frames(node, sim::Verb::Send, sim::Reason::Wire);
        let (from_a, from_c) = (sent(&net, a), sent(&net, c));
        for (which, bytes, is_a) in changes {
            let (frames, node) = if is_a { (&from_a, a) } else { (&from_c, c) };
            let mut frame = which.get(frames).clone();
            for (at, byte) in bytes {
                if let Some(place) = frame.get_mut(at) {
                    *place = byte;
                }
            }
            if frame.len() >= 34 && frame[12..14] == [8, 0] {
                frame[24..26].copy_from_slice(&[0, 0]);
                let end = (14 + usize::from(frame[14] & 15) * 4).min(frame.len());
                let sum = wire::checksum::of(&frame[14..end]);
                frame[24..26].copy_from_slice(&sum.to_be_bytes());
            }
            inject(&mut net, node, &frame);
        }
        net.run(100);
        net.sim.clear_trace();
        net.run(1_000);
        net.sim.clear_trace();
        prop_assert!(net.table(router, "fragments").is_empty());
        prop_assert_eq!(net.sim.frames().held(), 0, "nothing waits any more");
    }
}
