//! What a host writes into the headers of its packets besides addresses: who may cut them, and how urgent they are.

use sim::app::DatagramSpec;
use sim::{Reason, Verb};
use wire::{Ipv4, icmpv4, protocol};

use crate::hosts_net::{Net, address};

/// The IPv4 headers of what a host sent to another, who has no program, after one datagram of so many bytes.
fn headers(bytes: usize, sender: bool) -> Vec<Ipv4> {
    let mut net = Net::new();
    let (a, b) = (net.host("a", &[&["10.0.0.1/24"]], ""), net.host("b", &[&["10.0.0.2/24"]], ""));
    net.connect((a, 0), (b, 0));
    let spec = DatagramSpec::new(address("10.0.0.2"), 9, &vec![7; bytes]);
    net.at(a, |host, context| host.datagram(context, spec));
    net.run(10);
    let frames = net.frames(if sender { a } else { b }, Verb::Send, Reason::Wire);
    frames.iter().filter(|frame| frame[12..14] == [8, 0]).map(|frame| Ipv4::parse(&frame[14..]).expect("IPv4").0).collect()
}

#[test]
fn a_datagram_that_fits_is_cut_by_nobody_and_one_that_does_not_by_its_sender_alone() {
    let fits = headers(1_472, true);
    assert_eq!((fits.len(), fits[0].dont_fragment, fits[0].is_fragment()), (1, true, false));
    let pieces = headers(3_000, true);
    assert_eq!(pieces.len(), 3);
    assert!(pieces.iter().all(|piece| piece.is_fragment() && !piece.dont_fragment), "{pieces:?}");
}

#[test]
fn an_icmp_error_has_the_precedence_of_internetwork_control() {
    let errors = headers(6, false);
    assert_eq!((errors.len(), errors[0].protocol), (1, protocol::ICMP));
    assert_eq!(errors[0].traffic_class, icmpv4::ERROR_SERVICE);
    assert_eq!(headers(6, true)[0].traffic_class, 0);
}
