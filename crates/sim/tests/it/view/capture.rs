//! Captures.

use sim::view::{Filter, View, capture};
use sim::{Framing, LinkSpec};

use super::world::{addresses, arp_request, echo, send, world, world_with};

/// Kind and body of each block.
fn blocks(mut bytes: &[u8]) -> Vec<(u32, &[u8])> {
    let mut blocks = Vec::new();
    while !bytes.is_empty() {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let length = word(4) as usize;
        blocks.push((word(0), &bytes[8..length - 4]));
        bytes = &bytes[length..];
    }
    blocks
}

fn written(sim: &sim::Simulator, filter: &str) -> (usize, Vec<u8>) {
    let view = View::new(sim);
    let filter = Filter::parse(filter, &view, &addresses).expect("a filter");
    let mut bytes = Vec::new();
    (capture::write(&view, &filter, &mut bytes).expect("memory takes all"), bytes)
}

#[test]
fn every_port_is_an_interface_and_every_frame_is_there_where_it_left_and_where_it_came() {
    let mut sim = world();
    send(&mut sim, "pc-1", &echo(64));
    let (packets, bytes) = written(&sim, "");
    let blocks = blocks(&bytes);
    let of = |kind: u32| blocks.iter().filter(|(known, _)| *known == kind).map(|(_, body)| *body).collect::<Vec<_>>();
    assert_eq!((packets, of(6).len(), of(1).len()), (6, 6, 8));
    let names: Vec<String> = of(1).iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect();
    assert!(names[1].contains("sw-1:eth0") && names[2].contains("sw-1:eth1"), "{names:?}");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(
        text.contains("forward (route): the longest prefix of the route table decides: 10.0.1.2 is in 10.0.1.0/24, by eth1")
    );
    assert!(text.contains("deliver (own-address): it is for an address of this node"));
}

#[test]
fn a_capture_of_drops_has_the_frames_that_were_dropped() {
    let mut sim = world();
    send(&mut sim, "pc-1", &arp_request());
    send(&mut sim, "pc-1", &echo(1));
    let (packets, bytes) = written(&sim, "drop and time-exceeded");
    assert_eq!(packets, 1);
    assert!(String::from_utf8_lossy(&bytes).contains("drop (time-exceeded): its time to live is used up"));
}

#[test]
fn serial_links_have_their_own_link_types_and_are_there_when_something_passed_them() {
    for (framing, expected) in [(Framing::Ethernet, 1), (Framing::Ppp, 9), (Framing::Hdlc, 104)] {
        let mut sim = world_with(LinkSpec { framing, ..LinkSpec::default() });
        let types = |sim: &sim::Simulator, filter: &str| -> Vec<u16> {
            let (_, bytes) = written(sim, filter);
            let blocks = blocks(&bytes);
            let interfaces = blocks.iter().filter(|(kind, _)| *kind == 1);
            interfaces.map(|(_, body)| u16::from_le_bytes([body[0], body[1]])).collect()
        };
        // pc-1, three of sw-1, r-1's first; then the two ends of the last link, and pc-3.
        let everywhere = [1, 1, 1, 1, 1, expected, expected, 1];
        let ethernet: Vec<u16> = everywhere.into_iter().filter(|kind| *kind == 1).collect();
        assert_eq!(types(&sim, ""), ethernet, "nothing passed: {framing:?}");
        send(&mut sim, "pc-1", &echo(64));
        assert_eq!(types(&sim, ""), everywhere, "{framing:?}");
        assert_eq!(types(&sim, "node pc-1"), ethernet, "{framing:?}");
    }
}
