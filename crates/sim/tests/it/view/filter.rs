//! The filter language.

use sim::Simulator;
use sim::view::{Filter, List, View};
use wire::tcp::Flags;

use super::world::{addresses, arp_request, echo, send, tcp, udp, world};

fn traffic() -> Simulator {
    let mut sim = world();
    send(&mut sim, "pc-1", &arp_request());
    send(&mut sim, "pc-1", &echo(64));
    send(&mut sim, "pc-1", &echo(1));
    send(&mut sim, "pc-1", &tcp(80, Flags::SYN, b""));
    let query = wire::dns::Query::new(9, "example.com", wire::dns::Kind::A).emit().expect("a question");
    send(&mut sim, "pc-1", &udp(53, &query));
    sim
}

fn parse(sim: &Simulator, text: &str) -> Result<Filter, String> {
    Filter::parse(text, &View::new(sim), &addresses).map_err(|error| error.to_string())
}

/// Lines of a filter as `place verb`.
fn found(sim: &Simulator, text: &str) -> Vec<String> {
    let filter = parse(sim, text).expect(text);
    let list = List::new(&View::new(sim), &filter, false);
    list.events.iter().map(|line| format!("{} {}", line.place(), line.verb)).collect()
}

#[test]
fn a_filter_finds_what_it_says() {
    let sim = traffic();
    let (learned, routed) = ("sw-1:eth0 learn", "r-1:eth1 → web-1 forward");
    for (text, expected) in [
        ("drop", vec!["r-1:eth0 drop", "r-1:eth0 drop"]),
        ("verb drop and reason time-exceeded", vec!["r-1:eth0 drop"]),
        ("time-exceeded", vec!["r-1:eth0 drop"]),
        ("flood", vec!["sw-1 → r-1:eth0, pc-3 flood"]),
        ("arp and node pc-3", vec!["sw-1 → r-1:eth0, pc-3 flood"]),
        ("web-1 and receive and icmp", vec![routed]),
        ("\"web-1\" and receive and icmp", vec![routed]),
        ("node 'r-1' and time-exceeded", vec!["r-1:eth0 drop"]),
        ("at r-1:eth1", vec![routed, routed, routed]),
        ("r-1:eth1 and tcp", vec![routed]),
        ("layer 3 and r-1 and not drop and udp", vec![routed]),
        ("L3 and icmp and verb forward", vec![routed]),
        ("layer data link and learn and http", vec![learned]),
        ("dns and learn", vec![learned]),
        ("10.0.1.2:80 and learn", vec![learned]),
        ("10.0.1.2:http and learn", vec![learned]),
        ("flow web-1 and learn and udp", vec![learned]),
        ("web-1:dns and learn", vec![learned]),
        ("10.0.0.1:80", vec![]),
        ("src host pc-1 and dst port http and learn", vec![learned]),
        ("tcp/http learn", vec![learned]),
        ("10.0.1.0/24 and tcp and learn", vec![learned]),
        ("(arp or tcp) and learn", vec![learned, learned]),
        ("arp or tcp and forward and r-1", vec![routed]),
        ("!(arp || icmp) && learn", vec![learned, learned]),
        ("port eth1 and receive and icmp", vec![]),
        ("frame 1 and receive and r-1", vec!["sw-1:eth1 → r-1:eth0 forward"]),
        ("packet 1 and (r-1 or web-1)", vec!["sw-1:eth1 → r-1:eth0 forward", routed, "web-1 deliver"]),
        ("stp", vec![]),
    ] {
        assert_eq!(found(&sim, text), expected, "{text}");
    }
}

#[test]
fn no_words_mean_everything() {
    let sim = traffic();
    assert!(parse(&sim, "  ").expect("a filter").is_all());
}

#[test]
fn mistakes_are_shown_where_they_are_with_what_may_be_meant() {
    let sim = traffic();
    for (text, expected) in [
        (
            "tpc and drop",
            "`tpc` is no word of a filter and nothing in this lab\n  tpc and drop\n  ^^^\nhint: did you mean `tcp`?",
        ),
        (
            "drop and node sw1",
            "there is no node `sw1`\n  drop and node sw1\n                ^^^\nhint: did you mean `sw-1`?",
        ),
        (
            "reason queue-ful",
            "`queue-ful` is no reason\n  reason queue-ful\n         ^^^^^^^^^\nhint: did you mean `queue-full`?",
        ),
        ("layer 9", "`9` is no layer\n  layer 9\n        ^\nhint: layers are 1 to 7"),
        ("verb", "something is missing behind `verb`\n  verb\n  ^^^^\nhint: there are: send, receive, drop, …"),
        ("(drop", "this parenthesis is not closed\n  (drop\n  ^"),
        ("drop)", "this parenthesis closes nothing\n  drop)\n      ^"),
        ("drop and", "the filter ends too early\n  drop and\n          ^"),
        ("or drop", "nothing stands before `or`\n  or drop\n  ^^"),
        ("\"the router\" and drop", "there is no node `the router`\n  \"the router\" and drop\n  ^^^^^^^^^^^^\nhint: there are: …"),
        ("r-1:eth7", "`r-1` has no port `eth7`\n  r-1:eth7\n      ^^^^\nhint: did you mean `eth0`?"),
        ("port 70000", "`70000` is no port\n  port 70000\n       ^^^^^\nhint: port 80, port ssh, …"),
        ("host r-1", "`r-1` has no address\n  host r-1\n       ^^^"),
        ("스위치 and drop", "`스위치` is no word of a filter and nothing in this lab\n  스위치 and drop\n  ^^^\nhint: a node, node:port, `layer 2`, `verb drop`, …"),
    ] {
        let said = parse(&sim, text).expect_err(text);
        match expected.strip_suffix('…') {
            Some(begin) => assert!(said.starts_with(begin), "{said}"),
            None => assert_eq!(said, expected),
        }
    }
}

#[test]
fn a_filter_of_many_words_is_refused_and_does_not_exhaust_the_stack() {
    let sim = world();
    assert!(parse(&sim, &"(".repeat(100_000)).expect_err("too long").starts_with("a filter has at most 200 words"));
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z0-9:./()!& |\\[\\]-]{0,40}|\\PC{0,20}") {
        let sim = world();
        let _ = parse(&sim, &text);
    }
}
