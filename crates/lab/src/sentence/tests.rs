use ipnet::IpNet;
use model::claim::{AddressFamily, Blocker, Ends, Expected, Sources, Traffic, Waypoint};
use model::{Claim, IcmpMatch, Origin, PortRange, ProbePacket, Selector, TrafficMatch};
use proptest::prelude::*;

use super::*;

fn caret(text: &str, error: &SentenceError) -> String {
    format!("{text}\n{}{}\n{}: {}", " ".repeat(error.range.start), "^".repeat(error.range.len().max(1)), error.code, error.message)
}

#[test]
fn rules_are_read() {
    for (text, egress, count, peers) in [
        ("tcp/80,443 from anywhere", false, 2, vec![RulePeer::Anywhere]),
        ("tcp/80, 443 from anywhere", false, 2, vec![RulePeer::Anywhere]),
        ("in tcp/22 from sg:bastion, office", false, 1, vec![RulePeer::SecurityGroup("bastion".into()), RulePeer::Outside("office".into())]),
        ("out all to 10.0.0.5", true, 1, vec![RulePeer::Block("10.0.0.5/32".parse().unwrap())]),
        ("udp/53 from vpc:shop,subnet:shop/admin", false, 1, vec![RulePeer::Vpc("shop".into()), RulePeer::Subnet("shop/admin".into())]),
    ] {
        let (rule, ranges) = parse_rule(text).unwrap_or_else(|e| panic!("{}", caret(text, &e)));
        assert_eq!((rule.egress, rule.traffic.0.len(), &rule.peers), (egress, count, &peers), "{text}");
        assert_eq!(ranges.peers.len(), peers.len());
    }
}

#[test]
fn a_service_stands_for_its_port() {
    for (text, expected) in [
        ("tcp/http", "tcp/80"),
        ("tcp/ssh,HTTPS,8080", "tcp/22,443,8080"),
        ("tcp/ftp-data", "tcp/20"),
        ("tcp/ftp-data-ssh", "error"),
        ("tcp/ssh-http", "tcp/22-80"),
        ("udp/dns", "udp/53"),
        ("udp/http", "error"),
        ("tcp/htpp", "error"),
    ] {
        let read = parse_traffic(text).map_or("error".to_owned(), |traffic| traffic.to_string());
        assert_eq!(read, expected, "{text}");
    }
    assert_eq!(parse_probe(&["web-1", "db-1:mysql"]).unwrap().packet, ProbePacket::Tcp(3306));
    assert_eq!(parse_listeners("udp/tftp").unwrap(), [model::guest::Listener::Udp(69)]);
}

#[test]
fn errors_point_at_the_word() {
    for (text, code, part) in [
        ("tpc/80 from anywhere", Code::UnknownProtocol, "tpc"),
        ("tcp/80,44x from anywhere", Code::BadPorts, "44x"),
        ("tcp/80 to anywhere", Code::RuleSyntax, "to"),
        ("tcp/80 from sg:web app", Code::RuleSyntax, "app"),
        ("tcp/80 from 10.0.0.1/8", Code::HostBits, "10.0.0.1/8"),
        ("tcp/70000 from anywhere", Code::BadPorts, "70000"),
        ("tcp/90-80 from anywhere", Code::BadPorts, "90-80"),
        ("deny tcp/80 from anywhere", Code::RuleSyntax, "deny"),
    ] {
        let error = parse_rule(text).unwrap_err();
        assert_eq!((error.code, &text[error.range.clone()]), (code, part), "{}", caret(text, &error));
    }
}

#[test]
fn probes_are_read_in_every_spelling() {
    for words in [vec!["web-1", "db-1", "tcp/3306"], vec!["web-1", "db-1:3306"], vec!["web-1", "db-1", "tcp:3306"], vec!["web-1", "db-1", "tcp 3306"], vec!["web-1 db-1 tcp/3306"]] {
        let probe = parse_probe(&words).unwrap();
        assert_eq!(probe.to_string(), "web-1 db-1 tcp/3306", "{words:?}");
    }
    assert_eq!(parse_probe(&["a", "b", "icmp"]).unwrap().packet, ProbePacket::ECHO);
    assert_eq!(parse_probe(&["a", "-", "b", "tcp/22"]).unwrap_err().code, Code::ArrowInProbe);
    for bad in [vec![], vec!["a"], vec!["a", "b"], vec!["a", "b", "tcp"], vec!["a", "b", "all"], vec!["a", "b", "tcp/1,2"], vec!["a", "b", "tcp", "1", "2"], vec!["a", "b:x"]] {
        assert!(parse_probe(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn claims_with_every_clause_are_read() {
    let text = "only web-1, sg:app except web-2 -> subnet:db tcp/3306 through fw: allowed via nat";
    let (claim, ranges) = parse_claim(text).unwrap();
    assert_eq!(claim.to_string(), text);
    assert_eq!(ranges.selectors.len(), 4);
    assert_eq!(&text[ranges.waypoints[1].1.clone()], "nat");
    let (claim, _) = parse_claim("nothing else -> db-1").unwrap();
    assert_eq!((claim.sources, claim.traffic), (Sources::NothingElse, Traffic::all()));
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9_-]{0,8}".prop_filter("reserved words have a meaning", |n| {
        !model::selector::RESERVED_WORDS.contains(&n.as_str()) && !["only", "nothing", "peering", "tgw"].contains(&n.as_str())
    })
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![name(), (name(), name()).prop_map(|(a, b)| format!("{a}/{b}"))]
}

fn block() -> impl Strategy<Value = IpNet> {
    prop_oneof![
        (any::<u32>(), 0..=31u8).prop_map(|(a, l)| IpNet::new(std::net::Ipv4Addr::from(a).into(), l).unwrap().trunc()),
        (any::<u128>(), 0..=127u8).prop_map(|(a, l)| IpNet::new(std::net::Ipv6Addr::from(a).into(), l).unwrap().trunc()),
    ]
}

fn traffic() -> impl Strategy<Value = Traffic> {
    let range = || (any::<u16>(), any::<u16>()).prop_map(|(a, b)| PortRange { from: a.min(b), to: a.max(b) }).prop_filter("all is no list", |r| *r != PortRange::ALL);
    let icmp = || (any::<Option<u8>>(), any::<Option<u8>>()).prop_map(|(t, c)| IcmpMatch { icmp_type: t, code: t.and(c) });
    prop_oneof![
        Just(Traffic::all()),
        Just(Traffic(vec![TrafficMatch::Tcp(PortRange::ALL)])),
        prop::collection::vec(range(), 1..4).prop_map(|v| Traffic(v.into_iter().map(TrafficMatch::Tcp).collect())),
        prop::collection::vec(range(), 1..4).prop_map(|v| Traffic(v.into_iter().map(TrafficMatch::Udp).collect())),
        icmp().prop_map(|m| Traffic(vec![TrafficMatch::Icmp(m)])),
        icmp().prop_map(|m| Traffic(vec![TrafficMatch::Icmpv6(m)])),
        any::<u8>().prop_filter("named ones", |n| ![1, 6, 17, 58].contains(n)).prop_map(|n| Traffic(vec![TrafficMatch::Other(n)])),
    ]
}

fn peer() -> impl Strategy<Value = RulePeer> {
    prop_oneof![
        Just(RulePeer::Anywhere),
        block().prop_map(RulePeer::Block),
        any::<u32>().prop_map(|a| RulePeer::Block(IpNet::from(std::net::IpAddr::from(std::net::Ipv4Addr::from(a))))),
        path().prop_map(RulePeer::SecurityGroup),
        name().prop_map(RulePeer::PrefixList),
        path().prop_map(RulePeer::Subnet),
        name().prop_map(RulePeer::Vpc),
        name().prop_map(RulePeer::Outside),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    (any::<bool>(), traffic(), prop::collection::vec(peer(), 1..4)).prop_map(|(egress, traffic, peers)| Rule { egress, traffic, peers })
}

fn selector() -> impl Strategy<Value = Selector> {
    prop_oneof![
        Just(Selector::Internet),
        name().prop_map(Selector::Named),
        path().prop_map(Selector::SecurityGroup),
        path().prop_map(Selector::Subnet),
        name().prop_map(Selector::Vpc),
        (name(), "[a-z0-9.]{0,5}").prop_map(|(key, value)| Selector::Tag { key, value }),
        block().prop_map(Selector::Block),
        any::<u32>().prop_map(|a| Selector::Address(std::net::Ipv4Addr::from(a).into())),
    ]
}

fn ends() -> impl Strategy<Value = Ends> {
    (prop::collection::vec(selector(), 1..3), prop::collection::vec(selector(), 0..2)).prop_map(|(of, except)| Ends { of, except })
}

fn waypoint() -> impl Strategy<Value = Waypoint> {
    prop_oneof![Just(Waypoint::Nat), Just(Waypoint::InternetGateway), Just(Waypoint::EgressOnlyInternetGateway), Just(Waypoint::Peering), Just(Waypoint::TransitGateway), name().prop_map(Waypoint::Named)]
}

fn expected() -> impl Strategy<Value = Expected> {
    prop_oneof![
        Just(Expected::Allowed),
        Just(Expected::Open),
        Just(Expected::Refused),
        Just(Expected::NoRoute),
        Just(Expected::NoPublicAddress),
        Just(Expected::Blocked(None)),
        prop::option::of(path()).prop_map(|n| Expected::Blocked(Some(Blocker::SecurityGroup(n)))),
        prop::option::of(path()).prop_map(|n| Expected::Blocked(Some(Blocker::NetworkAcl(n)))),
        prop::sample::select(vec![Blocker::InternetGateway, Blocker::EgressOnlyInternetGateway, Blocker::Nat, Blocker::Peering, Blocker::TransitGateway, Blocker::SourceDestCheck]).prop_map(|b| Expected::Blocked(Some(b))),
    ]
}

fn claim() -> impl Strategy<Value = Claim> {
    let sources = prop_oneof![ends().prop_map(Sources::Each), ends().prop_map(Sources::Only)];
    let over = || prop::option::of(prop::sample::select(vec![AddressFamily::Ipv4, AddressFamily::Ipv6]));
    let way = (over(), prop::option::of(waypoint()));
    let full = (sources, ends(), traffic(), way, expected(), prop::option::of(waypoint())).prop_map(
        |(sources, destinations, traffic, (over, through), expected, via)| Claim {
            sources, destinations, traffic, over, through, expected, via, origin: Origin::default(),
        },
    );
    let rest = (ends(), traffic(), over()).prop_map(|(destinations, traffic, over)| Claim {
        sources: Sources::NothingElse,
        destinations,
        traffic,
        over,
        through: None,
        expected: Expected::Blocked(None),
        via: None,
        origin: Origin::default(),
    });
    prop_oneof![9 => full, 1 => rest]
}

proptest! {
    #[test]
    fn a_rule_reads_back_as_it_prints(rule in rule()) {
        prop_assert_eq!(parse_rule(&rule.to_string()).map(|r| r.0), Ok(rule));
    }

    #[test]
    fn an_acl_entry_reads_back_as_it_prints(number in 1u16..=32_766, allow: bool, rule in rule()) {
        let entry = AclEntry { number, allow, rule };
        prop_assert_eq!(parse_acl_entry(&entry.to_string()).map(|r| r.0), Ok(entry));
    }

    #[test]
    fn a_claim_reads_back_as_it_prints(claim in claim()) {
        prop_assert_eq!(parse_claim(&claim.to_string()).map(|r| r.0), Ok(claim));
    }

    #[test]
    fn any_text_gives_an_answer_and_ranges_inside_it(text in "[ a-z0-9,:/>.\\-\u{e9}\u{ac00}]{0,40}|\\PC{0,40}") {
        for error in [parse_rule(&text).err(), parse_acl_entry(&text).err(), parse_claim(&text).err(), parse_traffic(&text).err(), parse_selector(&text).err()].into_iter().flatten() {
            prop_assert!(error.range.start <= error.range.end && error.range.end <= text.len() + 1, "{error:?}");
        }
        let _ = parse_probe(&[text.as_str()]);
        let _ = parse_listeners(&text);
    }
}

#[test]
fn nothing_else_alone_closes_the_whole_world() {
    for text in ["nothing else", " nothing  else "] {
        let (claim, ranges) = parse_claim(text).unwrap();
        assert_eq!((claim.sources.clone(), claim.destinations.of.len()), (Sources::NothingElse, 0));
        assert_eq!((claim.to_string().as_str(), ranges), ("nothing else", ClaimRanges::default()));
    }
    assert!(parse_claim_parts("nothing else", Some("blocked")).is_ok());
    assert_eq!(parse_claim_parts("nothing else", Some("open")).unwrap_err().1.code, Code::UnknownResult);
    assert_eq!(parse_claim("nothing").unwrap_err().code, Code::NoArrow);
}
