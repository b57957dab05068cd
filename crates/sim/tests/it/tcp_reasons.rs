//! Why segments are sent again and why connections end, as the connection knows it and as the trace says it.

use sim::app::bulk::Receiver;
use sim::app::{ConnectSpec, GetSpec};
use sim::tcp::{Again, Event, State, Terms};
use sim::{LinkSpec, Reason, Span, Verb};
use wire::tcp::TcpOption;

use crate::hosts_net::{Net, address};
use crate::tcp_hand::*;

fn sending(terms: &Terms, options: Vec<TcpOption>) -> Hand {
    let mut hand = Hand::established_with(terms, options);
    hand.connection.send_pattern(1_000_000);
    hand.take();
    hand
}

fn block(from: i64, to: i64) -> Vec<TcpOption> {
    let number = |segment: i64| (i64::from(OURS) + 1 + segment * 100) as u32;
    vec![TcpOption::Sack(vec![(number(from), number(to))])]
}

#[test]
fn rfc_6298_5_4_what_the_timer_sends_again_says_so() {
    let mut hand = sending(&plain(), vec![]);
    hand.wait();
    assert_eq!(hand.repeats(), [Again::Timeout]);
    let mut hand = Hand::connect(&plain());
    hand.take();
    hand.wait();
    assert_eq!(hand.repeats(), [Again::Timeout]);
}

#[test]
fn rfc_5681_3_2_and_6582_three_duplicates_then_each_partial_acknowledgement_send_again_for_their_own_reason() {
    let mut hand = sending(&plain(), vec![]);
    for _ in 0..3 {
        hand.give(ACK, 1, 1, b"");
    }
    assert_eq!(hand.repeats(), [Again::FastRetransmit]);
    hand.give(ACK, 1, 401, b"");
    assert_eq!(hand.repeats(), [Again::PartialAcknowledgement]);
    hand.wait();
    assert_eq!(hand.repeats(), [Again::Timeout], "a timeout in recovery is one all the same");
}

#[test]
fn rfc_6675_5_the_first_is_a_fast_retransmission_and_the_holes_after_it_are_selective() {
    let terms = Terms { sack: true, ..plain() };
    let mut hand = sending(&terms, vec![TcpOption::SackPermitted]);
    // Segments 0, 2 and 4 are lost.
    for (from, to) in [(1, 2), (3, 4), (5, 6), (6, 7), (7, 8), (8, 9)] {
        hand.give_with(ACK, 1, 1, b"", block(from, to));
    }
    let (first, then) = (Again::FastRetransmit, Again::SelectiveAcknowledgement);
    assert_eq!(hand.repeats()[..3], [first, then, then]);
}

#[test]
fn rfc_1191_6_4_what_was_too_long_for_the_way_is_sent_again_because_of_that() {
    let mut hand = sending(&plain(), vec![]);
    hand.connection.on_packet_too_big(OURS + 1, 50);
    let repeats = hand.repeats();
    assert!(!repeats.is_empty() && repeats.iter().all(|again| *again == Again::PathMtu), "{repeats:?}");
    assert!(hand.connection.take_events().has(Event::PathChanged));
}

#[test]
fn rfc_9293_3_5_a_syn_that_comes_again_is_answered_again_because_of_that() {
    let mut hand = Hand::in_state(State::SynReceived);
    hand.give(SYN, 0, -i64::from(OURS), b"");
    assert_eq!(hand.repeats(), [Again::Synchronize]);
}

/// Two hosts on a cable.
fn pair(spec: LinkSpec) -> (Net, sim::NodeId, sim::NodeId) {
    let mut net = Net::new();
    let a = net.host("a", &[&["10.0.0.1/24"]], "");
    let b = net.host("b", &[&["10.0.0.2/24"]], "");
    net.connect_as((a, 0), (b, 0), spec);
    (net, a, b)
}

#[test]
fn the_trace_of_a_lossy_transfer_tells_timeouts_fast_retransmissions_and_sack_repairs_apart() {
    let (mut net, a, b) = pair(LinkSpec { loss_per_million: 20_000, delay: Span::milliseconds(5), ..LinkSpec::default() });
    net.at(b, |host, context| host.run(context, Receiver::new(5_001)));
    net.at(a, |host, context| host.send_bulk(context, address("10.0.0.2"), 5_001, 3_000_000));
    net.run(300);
    let notes = |reason| net.count(a, Verb::Note, reason);
    let again = |reason| net.count(a, Verb::Retransmit, reason);
    assert!(notes(Reason::FastRetransmit) > 0);
    assert_eq!(again(Reason::FastRetransmit), notes(Reason::FastRetransmit), "one segment each goes out at once");
    assert!(again(Reason::SackRecovery) > 0);
    assert!(again(Reason::RetransmissionTimeout) >= notes(Reason::RetransmissionTimeout));
}

/// The reason with which a host's connection came to CLOSED.
fn closing(net: &Net, node: sim::NodeId) -> Vec<Reason> {
    let trace = net.sim.trace();
    let is_end = |event: &sim::TraceEvent| trace.detail(event).is_some_and(|detail| format!("{detail:?}").contains("to CLOSED"));
    let closes = |event: &sim::TraceEvent| event.node == node && event.verb == Verb::State && is_end(event);
    net.events().iter().filter(closes).map(|event| event.reason).collect()
}

#[test]
fn a_connection_that_is_given_up_ends_for_that_reason_and_not_because_all_was_sent() {
    // All is sent, and both ends say so.
    let (mut net, a, b) = pair(LinkSpec::default());
    let link = net.sim.link_between(a, b).expect("a link");
    net.at(b, |host, context| host.run(context, Receiver::new(5_001)));
    net.at(a, |host, context| host.send_bulk(context, address("10.0.0.2"), 5_001, 1_000));
    net.run(200);
    assert_eq!(closing(&net, a), [Reason::TimeWait]);
    assert_eq!(closing(&net, b), [Reason::Closing]);
    // The link fails in the middle.
    net.sim.clear_trace();
    net.at(a, |host, context| host.send_bulk(context, address("10.0.0.2"), 5_001, 1_000_000_000));
    net.run(1);
    net.sim.set_link(link, false);
    net.run(2_000);
    assert_eq!(closing(&net, a), [Reason::GivenUp]);
    assert_eq!(net.count(a, Verb::Note, Reason::GivenUp), 1);
    // And stays so: the host itself finds that nobody is there.
    net.sim.clear_trace();
    net.at(a, |host, context| host.send_bulk(context, address("10.0.0.2"), 5_001, 1_000));
    net.run(2_000);
    assert_eq!(closing(&net, a), [Reason::Unreachable]);
    // Whoever asked waits no longer than that.
    net.sim.clear_trace();
    let spec = ConnectSpec { timeout: Span::seconds(2), ..ConnectSpec::new(address("10.0.0.2"), 80) };
    net.at(a, |host, context| host.connect(context, spec));
    net.run(200);
    assert_eq!(closing(&net, a), [Reason::Aborted]);
}

#[test]
fn a_syn_that_nobody_answers_ends_the_connection_for_that_reason() {
    let mut net = Net::new();
    let a = net.host("a", &[&["10.0.0.1/24"]], "10.0.0.254");
    let r = net.router("r", &["10.0.0.254/24", "10.0.1.254/24"], vec![]);
    // It has no way back.
    let b = net.host("b", &[&["10.0.1.2/24"]], "");
    net.connect((a, 0), (r, 0));
    net.connect((r, 1), (b, 0));
    net.at(b, |host, context| host.run(context, Receiver::new(5_001)));
    net.at(a, |host, context| host.send_bulk(context, address("10.0.1.2"), 5_001, 1_000));
    net.run(300);
    assert_eq!(closing(&net, a), [Reason::ConnectTimeout]);
    assert_eq!(net.count(a, Verb::Note, Reason::ConnectTimeout), 1);
    assert_eq!(net.count(a, Verb::Retransmit, Reason::RetransmissionTimeout), 6);
}

#[test]
fn a_refused_connection_ends_by_the_reset() {
    let (mut net, a, _) = pair(LinkSpec::default());
    net.at(a, |host, context| host.http_get(context, GetSpec::new(address("10.0.0.2"), 81)));
    net.run(5);
    assert_eq!(closing(&net, a), [Reason::Reset]);
}
