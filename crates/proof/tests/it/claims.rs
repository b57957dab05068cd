//! Claims about the labs of `examples/`, and about small ones, decided.

use fabric::Fabric;
use lab::sentence::parse_claim;
use model::{Claim, Model};
use proof::claim::Prover;
use proof::{Options, Reach};

use crate::support::{cloud, example};

/// Each claim with what is wrong: its broken pairs, a line each, or why it is undecided.
fn decide(of: &(Model, Fabric), claims: &[&str]) -> Vec<Vec<String>> {
    let (model, fabric) = of;
    let reach = Reach::of(fabric, Options::default()).unwrap();
    let claims: Vec<Claim> = claims
        .iter()
        .map(|text| {
            parse_claim(text)
                .unwrap_or_else(|e| panic!("{text}: {e}"))
                .0
        })
        .collect();
    let prover = Prover::new(model, fabric, &reach, Options::default(), &claims);
    let lines = |claim: &Claim| {
        let proof = prover.prove(claim);
        let undecided = proof.undecided.iter().map(|why| why.to_string());
        let broken = proof.broken.iter().map(|broken| {
            let (from, to, packet) = (&broken.from.name, &broken.to.name, broken.packet);
            let seen = prover.because(broken).seen;
            let traffic = &broken.traffic;
            format!("{from} -> {to} {packet} of {traffic}: {seen}")
        });
        undecided.chain(broken).collect()
    };
    claims.iter().map(lines).collect()
}

fn check(of: &(Model, Fabric), table: &[(&str, &[&str])]) {
    // Each alone: others would be statements to `nothing else`.
    for (claim, wanted) in table {
        assert_eq!(decide(of, &[claim])[0], *wanted, "{claim}");
    }
}

#[test]
fn every_promise_of_every_example_holds() {
    for name in ["bastion", "dual-stack", "middlebox", "peering", "shop", "three-tier"] {
        let path = format!("examples/{name}.yaml");
        let of = example(&path);
        let text = std::fs::read_to_string(format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR")))
            .unwrap();
        let claims: Vec<String> = text
            .lines()
            .skip_while(|line| *line != "expect:")
            .filter_map(|line| line.trim().strip_prefix("- "))
            .map(|line| line.split(" #").next().unwrap_or(line).trim().to_owned())
            .collect();
        assert!(claims.len() > 4, "{name}");
        let claims: Vec<&str> = claims.iter().map(String::as_str).collect();
        for (claim, wrong) in claims.iter().zip(decide(&of, &claims)) {
            assert_eq!(wrong, Vec::<String>::new(), "{name}: {claim}");
        }
    }
}

#[test]
fn a_claim_over_one_family_is_kept_or_broken_there() {
    let lab = "vpcs:
  v:
    cidr: 10.0.0.0/16
    ipv6: true
    subnets:
      s: { cidr: /24, ipv6: true, route: eigw }
      t: { cidr: /24, route: igw }
security_groups:
  a: [ tcp/80 from ::/0 ]
  b: [ tcp/80 from 0.0.0.0/0 ]
instances:
  one: { subnet: s, sg: a, listen: tcp/80 }
  two: { subnet: s, sg: b, listen: tcp/80 }
  old: { subnet: t, sg: b, listen: tcp/80 }
";
    let of = cloud("v.yaml", lab);
    check(
        &of,
        &[
            ("two -> one tcp/80 over ipv6: open", &[]),
            ("two -> one tcp/80 over ipv4: open", &["two -> one tcp/80 of tcp/80: dropped at sg-in:one"]),
            ("two -> one tcp/80: blocked", &["two (IPv6) -> one (IPv6) tcp/80 of tcp/80: open"]),
            ("two -> one tcp/80 over ipv4: blocked by sg:a", &[]),
            ("one -> two tcp/80: open", &[]),
            ("one -> two tcp/80 over ipv6: open", &["one (IPv6) -> two (IPv6) tcp/80 of tcp/80: dropped at sg-in:two"]),
            ("one -> internet tcp/443 over ipv6: allowed via eigw", &[]),
            ("only two, internet -> one tcp/80 over ipv6: open", &["internet (IPv6) -> one (IPv6) tcp/80 of tcp/80: dropped at v-eigw"]),
            ("internet -> one tcp/80 over ipv6: blocked by eigw", &[]),
            ("one -> old tcp/80 over ipv6: open", &["`old` has no IPv6 address"]),
            ("old -> one tcp/80 over ipv6: blocked", &["`old` has no IPv6 address"]),
            ("nothing else -> two tcp/80 over ipv6", &[]),
            ("nothing else -> one tcp/80 over ipv4", &[]),
            ("nothing else -> one tcp/80 over ipv6", &["two (IPv6) -> one (IPv6) tcp/80 of tcp/80: open, and no claim says so"]),
        ],
    );
    // What is said over one family lets nobody in over the other.
    let both = ["two -> one tcp/80 over ipv4: blocked", "two -> one tcp/80 over ipv6: open", "nothing else -> one tcp/80"];
    assert_eq!(decide(&of, &both), vec![Vec::<String>::new(); 3]);
    let one = ["one, old -> two tcp/80 over ipv4: open", "nothing else -> two tcp/80 over ipv4"];
    assert_eq!(decide(&of, &one), vec![Vec::<String>::new(); 2]);
}

#[test]
fn results_are_told_apart() {
    let shop = example("examples/shop.yaml");
    check(
        &shop,
        &[
            ("internet -> web-1 tcp/80,443: allowed", &[]),
            (
                "internet -> web-1 tcp/80,443: open",
                &["internet -> web-1 tcp/443 of tcp/443: refused: nothing listens"],
            ),
            (
                "internet -> web-1 tcp/80,443: refused",
                &["internet -> web-1 tcp/80 of tcp/80: open"],
            ),
            ("internet -> web-1 tcp/443: refused", &[]),
            (
                "internet -> web-1 tcp/442-443: allowed",
                &["internet -> web-1 tcp/442 of tcp/442: dropped at sg-in:web-1"],
            ),
            ("internet -> web-1 tcp/81-442: blocked", &[]),
            (
                "internet -> web-1 tcp/80-442: blocked",
                &["internet -> web-1 tcp/80 of tcp/80: open"],
            ),
            (
                "internet -> web-1 tcp/443: no route",
                &["internet -> web-1 tcp/443 of tcp/443: refused: nothing listens"],
            ),
            ("internet -> db-1 any: no public address", &[]),
            ("internet -> db-1 any: blocked", &[]),
            (
                "internet -> db-1 tcp/22: blocked by sg",
                &["internet -> db-1 tcp/22 of tcp/22: no public address"],
            ),
            (
                "internet -> db-1 tcp/22: allowed",
                &["internet -> db-1 tcp/22 of tcp/22: no public address"],
            ),
            (
                "internet -> web-1 tcp/22: no public address",
                &["internet -> web-1 tcp/22 of tcp/22: dropped at sg-in:web-1"],
            ),
            ("bastion -> db-1 any: blocked by sg:db", &[]),
            (
                "bastion -> db-1 any: blocked by sg:web",
                &["bastion -> db-1 tcp/1 of all: dropped at sg-in:db-1"],
            ),
            (
                "bastion -> db-1 any: blocked by acl",
                &["bastion -> db-1 tcp/1 of all: dropped at sg-in:db-1"],
            ),
            // One port of a wide range that is open is found.
            (
                "web-1 -> db-1 tcp/1-6000: blocked",
                &["web-1 -> db-1 tcp/3306 of tcp/3306: open"],
            ),
            (
                "web-1 -> db-1 any: blocked by sg",
                &["web-1 -> db-1 tcp/3306 of tcp/3306: open"],
            ),
        ],
    );
}

#[test]
fn every_pair_counts() {
    let shop = example("examples/shop.yaml");
    check(
        &shop,
        &[
            (
                "vpc:shop -> db-1 tcp/3306: open",
                &["bastion -> db-1 tcp/3306 of tcp/3306: dropped at sg-in:db-1"],
            ),
            ("vpc:shop except bastion -> db-1 tcp/3306: open", &[]),
            (
                "vpc:shop except sg:web, bastion -> db-1 tcp/3306: blocked",
                &["the claim speaks of no pair"],
            ),
            (
                "sg:web -> vpc:shop except sg:web, 192.168.0.128/27 any: blocked",
                &[],
            ),
            (
                "192.168.0.0/24 except 192.168.0.160/27 -> db-1 tcp/3306: open",
                &[],
            ),
            ("web-1, web-2 -> db-1 udp/3306: blocked by sg:db", &[]),
            (
                "nobody -> db-1 tcp/3306: open",
                &["no instance or place outside is called `nobody`"],
            ),
            (
                "bastion -> db-1 tcp/22: blocked by sg:bd",
                &["no security group is called `bd`"],
            ),
            (
                "10.9.0.0/16 -> db-1 tcp/22: blocked",
                &["`10.9.0.0/16` selects nobody"],
            ),
            (
                "internet -> office tcp/22: blocked",
                &["the claim speaks of no pair"],
            ),
        ],
    );
}

#[test]
fn only_means_nobody_else_over_all_ports() {
    let shop = example("examples/shop.yaml");
    check(
        &shop,
        &[
            ("only web-1, web-2 -> db-1 tcp/3306: open", &[]),
            (
                "only web-1, web-2 -> db-1 any: allowed",
                &[
                    "web-1 -> db-1 tcp/1 of tcp/0-3305,3307-65535 udp icmp icmpv6 other protocols: dropped at sg-in:db-1",
                    "web-2 -> db-1 tcp/1 of tcp/0-3305,3307-65535 udp icmp icmpv6 other protocols: dropped at sg-in:db-1",
                ],
            ),
            (
                "only web-1 -> db-1 tcp/1-65535: blocked",
                &[
                    "web-1 -> db-1 tcp/3306 of tcp/3306: open",
                    "web-2 -> db-1 tcp/3306 of tcp/3306: open, and only others may",
                ],
            ),
            (
                "only office -> bastion any: blocked",
                &["office -> bastion tcp/22 of tcp/22: open"],
            ),
            (
                "only bastion -> web-1 tcp/1-79: allowed",
                &["bastion -> web-1 tcp/1 of tcp/1-21,23-79: dropped at sg-in:web-1"],
            ),
            ("only bastion -> web-1 tcp/22: open", &[]),
        ],
    );
}

#[test]
fn nothing_else_closes_the_world() {
    let shop = example("examples/shop.yaml");
    let out: Vec<String> = decide(
        &shop,
        &[
            "internet, office, vpc:shop -> web-1, web-2 tcp/80,443: allowed",
            "bastion -> web-1, web-2 tcp/22: open",
            "office -> bastion tcp/22: open",
            "sg:web -> db-1 tcp/3306: open",
            "nothing else -> vpc:shop",
            "nothing else",
        ],
    )
    .into_iter()
    .flatten()
    .collect();
    // What goes out was not stated, and was not asked for in the claim before.
    assert_eq!(out.len(), 8, "{out:#?}");
    assert!(
        out.iter()
            .all(|line| line.contains("-> internet ") || line.contains("-> office ")),
        "{out:#?}"
    );
    assert_eq!(
        out[0],
        "bastion -> office tcp/1 of all: open, and no claim says so"
    );
    // Less said, more found: the ports that no claim names.
    let out = decide(
        &shop,
        &[
            "internet, office -> sg:web tcp/80: open",
            "nothing else -> web-1 tcp",
        ],
    );
    assert_eq!(
        out[1],
        [
            "bastion -> web-1 tcp/22 of tcp/22,80,443: open, and no claim says so",
            "db-1 -> web-1 tcp/80 of tcp/80,443: open, and no claim says so",
            "web-2 -> web-1 tcp/80 of tcp/80,443: open, and no claim says so",
            "office -> web-1 tcp/443 of tcp/443: refused: nothing listens, and no claim says so",
            "internet -> web-1 tcp/443 of tcp/443: refused: nothing listens, and no claim says so",
        ]
    );
}

#[test]
fn a_node_is_on_every_way_or_it_is_not() {
    let lab = example("examples/middlebox.yaml");
    check(
        &lab,
        &[
            ("app-1 -> db-1 tcp/5432 through inspector: open", &[]),
            ("app-1 -> db-1 tcp/5432: open via inspector", &[]),
            (
                "app-1 -> internet tcp/443 through inspector: allowed via nat",
                &[],
            ),
            ("app-1 -> internet tcp/443 through igw: allowed", &[]),
            (
                "app-1 -> internet tcp/443: allowed via peering",
                &["app-1 -> internet tcp/443 of tcp/443: open, but not via peering"],
            ),
            (
                "app-1 -> inspector tcp/22 through db-1: allowed",
                &["app-1 -> inspector tcp/22 of tcp/22: dropped at sg-in:inspector"],
            ),
            (
                "app-1 -> db-1 tcp/5432 through inspecter: open",
                &["no node that packets can pass is called `inspecter`"],
            ),
        ],
    );
}

/// Answers are lost on their way through a list; and rules that tell addresses of the internet apart.
const LISTS: &str = "
vpcs:
  a:
    cidr: 10.0.0.0/16
    subnets:
      front: { cidr: /24, route: igw }
      back: { cidr: /24, acl: mute }
acls:
  mute:
    - 100 allow tcp/5432 from anywhere
    - 110 allow udp/53 from anywhere
    - 100 allow out tcp/1024-40000 to anywhere
    - 110 allow out udp/1024-65535 to anywhere
outside:
  office: 203.0.113.7
security_groups:
  front: [tcp/22 from 203.0.113.0/24]
  back: [all from sg:front]
instances:
  web: { subnet: front, sg: front, public_ip: true, listen: [tcp/22] }
  db: { subnet: back, sg: back, listen: [tcp/5432] }
";

#[test]
fn a_request_that_arrives_is_exposure() {
    let lab = cloud("lists.yaml", LISTS);
    check(
        &lab,
        &[
            (
                "web -> db tcp/5432: open",
                &["web -> db tcp/5432 of tcp/5432: reply dropped at acl-out:back"],
            ),
            (
                "web -> db tcp/5432: blocked",
                &[
                    "web -> db tcp/5432 of tcp/5432: reply dropped at acl-out:back, but the request arrives",
                ],
            ),
            (
                "web -> db tcp/5432: blocked by acl",
                &[
                    "web -> db tcp/5432 of tcp/5432: reply dropped at acl-out:back, but the request arrives",
                ],
            ),
            ("web -> db tcp/5431: blocked by acl:mute", &[]),
            ("web -> db udp/53: allowed", &[]),
            // The list lets answers pass and the message that nobody listens not.
            (
                "web -> db udp/53: refused",
                &["web -> db udp/53 of udp/53: refused: nothing listens"],
            ),
        ],
    );
}

#[test]
fn blocks_are_met_inside_and_outside() {
    let lab = cloud("lists.yaml", LISTS);
    check(
        &lab,
        &[
            ("203.0.113.0/24 -> web tcp/22: open", &[]),
            ("203.0.113.128/25 -> web tcp/22: open", &[]),
            ("203.0.113.200 -> web tcp/22: open", &[]),
            (
                "203.0.112.0/23 -> web tcp/22: open",
                &["internet (203.0.112.1) -> web tcp/22 of tcp/22: dropped at sg-in:web"],
            ),
            (
                "internet except 203.0.113.0/24 -> web any: blocked by sg",
                &[],
            ),
            (
                "internet except 203.0.113.0/25 -> web tcp/22: blocked",
                &["internet (203.0.113.128) -> web tcp/22 of tcp/22: open"],
            ),
            (
                "only office -> web tcp/22: open",
                &["internet (203.0.113.1) -> web tcp/22 of tcp/22: open, and only others may"],
            ),
            ("only 203.0.113.0/24 -> web tcp/22: open", &[]),
            (
                "only 203.0.113.0/25 -> web tcp/22: open",
                &["internet (203.0.113.128) -> web tcp/22 of tcp/22: open, and only others may"],
            ),
        ],
    );
}

/// Four servers that the cloud does not tell apart, and one that listens elsewhere.
fn alike() -> (Model, Fabric) {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/shop.yaml"
    ))
    .unwrap();
    let more = "  api: { subnet: internal, sg: web, listen: [tcp/80], count: 4 }\n  odd: { subnet: internal, sg: web, listen: [tcp/443] }\n  db-1: ";
    cloud(
        "shop.yaml",
        &text
            .split("expect:")
            .next()
            .unwrap()
            .replace("  db-1: ", more),
    )
}

#[test]
fn whom_the_cloud_does_not_tell_apart_the_claims_may() {
    let lab = alike();
    let wrong = decide(
        &lab,
        &[
            "api-1 -> db-1 tcp/3306: allowed",
            "only api-1, api-2 -> db-1 tcp/3306: allowed",
            "sg:web except web-1, web-2 -> db-1 tcp/3306: blocked",
            "bastion -> sg:web except web-1, web-2 tcp/80: open",
            "nothing else -> db-1",
        ],
    );
    let names = |wrong: &[String]| {
        let names = wrong
            .iter()
            .map(|line| line.split(" tcp").next().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let to_db = |names: &[&str]| {
        names
            .iter()
            .map(|n| format!("{n} -> db-1"))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&wrong[0]), Vec::<String>::new());
    assert_eq!(
        names(&wrong[1]),
        to_db(&["api-3", "api-4", "odd", "web-1", "web-2"])
    );
    assert_eq!(
        names(&wrong[2]),
        to_db(&["api-1", "api-2", "api-3", "api-4", "odd"])
    );
    assert_eq!(
        wrong[3],
        ["bastion -> odd tcp/80 of tcp/80: refused: nothing listens"]
    );
    // The first two claims state what these two may do.
    assert_eq!(
        names(&wrong[4]),
        to_db(&["api-3", "api-4", "odd", "web-1", "web-2"])
    );
}

#[test]
fn one_pair_of_each_kind_speaks_for_all_as_the_pairs_themselves_do() {
    for of in [
        alike(),
        example("examples/three-tier.yaml"),
        example("examples/middlebox.yaml"),
    ] {
        let (model, fabric) = &of;
        let reach = Reach::of(fabric, Options::default()).unwrap();
        let claims = ["nothing else"].map(|text| parse_claim(text).unwrap().0);
        let prover = Prover::new(model, fabric, &reach, Options::default(), &claims);
        let proof = prover.prove(&claims[0]);
        let mut wanted = Vec::new();
        let mut pairs = 0;
        for from in prover.everybody() {
            for to in prover.everybody() {
                if from == to || (from.is_outside() && to.is_outside()) {
                    continue;
                }
                pairs += 1;
                let (a, b) = (from.place().unwrap(), to.place().unwrap());
                let request = reach.between(a, b).request;
                if !request.is_empty() {
                    wanted.push((from.name.clone(), to.name.clone(), request));
                }
            }
        }
        let found: Vec<_> = proof
            .broken
            .iter()
            .map(|b| (b.from.name.clone(), b.to.name.clone(), (*b.traffic).clone()))
            .collect();
        assert_eq!((proof.pairs, found), (pairs, wanted));
    }
}

/// What a claim calls exposed or lost is what single packets find, in the shop and after each mistake that it offers.
#[test]
fn single_packets_find_what_the_claims_say_after_every_mistake() {
    use fabric::engine::PacketProbe;
    use fabric::walker::Verdict;
    use proof::reach::traffic;
    let (shop, _) = example("examples/shop.yaml");
    let claims = [
        "vpc:shop, office, internet -> vpc:shop any: blocked",
        "vpc:shop, office, internet -> vpc:shop any: allowed",
    ];
    let claims = claims.map(|text| parse_claim(text).unwrap().0);
    let packets = [1, 22, 80, 443, 3306, 3307, 65_535].map(model::ProbePacket::Tcp);
    let packets = packets
        .into_iter()
        .chain([model::ProbePacket::ECHO, model::ProbePacket::Udp(53)]);
    let packets: Vec<model::ProbePacket> = packets.collect();
    let mut models = vec![shop.clone()];
    models.extend(proof::fault::faults(&shop).into_iter().filter_map(|fault| {
        let mut broken = shop.clone();
        fault.apply(&mut broken).ok().map(|()| broken)
    }));
    assert!(models.len() > 10);
    for model in &models {
        let fabric = Fabric::compile(model);
        let reach = Reach::of(&fabric, Options::default()).unwrap();
        let prover = Prover::new(model, &fabric, &reach, Options::default(), &claims);
        let [exposed, lost] = [0, 1].map(|index: usize| prover.prove(&claims[index]));
        assert_eq!(exposed.undecided, None);
        for broken in &lost.broken {
            let is_exposed = exposed
                .broken
                .iter()
                .find(|b| b.from == broken.from && b.to == broken.to);
            for packet in &packets {
                let verdict = broken.address.map(|to| {
                    let probe =
                        PacketProbe::new(broken.from.who.clone(), to, traffic(*packet, 49_152));
                    fabric::explain(prover.fabric(), &probe).unwrap().verdict
                });
                let pair = (&broken.from.name, &broken.to.name, packet);
                assert_eq!(
                    broken.traffic.contains(*packet),
                    verdict != Some(Verdict::Allowed),
                    "{pair:?}"
                );
                let arrives = is_exposed.is_some_and(|b| b.traffic.contains(*packet));
                assert_eq!(
                    arrives,
                    verdict.is_some_and(|v| v != Verdict::Denied),
                    "{pair:?}"
                );
            }
        }
    }
}
