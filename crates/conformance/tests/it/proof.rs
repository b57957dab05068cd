//! The project's corpus on the proof engine: everything that it serves passes, and a stage turned around is noticed.

use std::path::PathBuf;

use conformance::engine::proof_with_inverted;
use conformance::run::{Running, run_corpus, run_on};
use conformance::scenario::{Corpus, Kind};
use conformance::{EngineName, Options, Report, Status};
use fabric::Stage;

fn corpus() -> Corpus {
    Corpus::load(&[PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance")]).unwrap()
}

fn run(corpus: &Corpus, running: &mut Running) -> Report {
    run_on(corpus, EngineName::Proof, running, &Options::default(), &mut std::io::sink()).unwrap()
}

/// The kind that a proof cannot judge: it sends no packets that could be counted.
const OF_PACKETS: [Kind; 1] = [Kind::FlowLog];

#[test]
fn every_scenario_of_the_kinds_that_are_served_passes() {
    let corpus = corpus();
    let report = run(&corpus, &mut None);
    let failed: Vec<String> = corpus
        .scenarios
        .iter()
        .zip(&report.results)
        .filter(|(scenario, result)| result.status != Status::Passed && !OF_PACKETS.contains(&scenario.kind))
        .map(|(_, result)| format!("{}: {:?} {:?} {:?}", result.id, result.expected, result.got, result.reason))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let served = corpus.scenarios.iter().filter(|s| !OF_PACKETS.contains(&s.kind)).count();
    assert!(served >= 133 && report.count(Status::Passed) >= served, "{}", report.summary());
}

#[test]
fn the_same_run_twice_writes_the_same() {
    let corpus = corpus();
    let output = || {
        let mut out = Vec::new();
        run_corpus(&corpus, EngineName::Proof, &Options::default(), &mut out).unwrap();
        // Tokens of the metadata service are random; no line of the report may show one.
        String::from_utf8(out).unwrap()
    };
    assert_eq!(output(), output());
}

#[test]
fn every_stage_turned_around_fails_a_scenario() {
    let mut corpus = corpus();
    // The corpus asks for routes to a virtual private gateway, but sends nothing through one.
    let (vpn, _) = EXTRA.split_once("```yaml\nid: EX-2").unwrap();
    corpus.add("extra.md", vpn);
    let statuses = |running: &mut Running| run(&corpus, running).results.into_iter().map(|r| r.status).collect();
    let straight: Vec<Status> = statuses(&mut None);
    let unnoticed: Vec<Stage> = Stage::ALL
        .into_iter()
        .filter(|stage| {
            let turned: Vec<Status> = statuses(&mut Some(proof_with_inverted(*stage)));
            !straight.iter().zip(&turned).any(|pair| pair == (&Status::Passed, &Status::Failed))
        })
        .collect();
    assert_eq!(unnoticed, []);
}

#[test]
fn the_extra_scenarios_pass() {
    let mut corpus = Corpus::default();
    corpus.add("extra.md", EXTRA);
    let report = run(&corpus, &mut None);
    assert_eq!((report.count(Status::Passed), report.results.len()), (4, 4), "{:#?}", report.results);
}

/// What the corpus has no example of.
const EXTRA: &str = r#"
```yaml
topology: X
vpcs: {v: {cidr: [10.0.0.0/16], igw: igw, main: rt}}
subnets:
  pub: {vpc: v, cidr: 10.0.0.0/24, zone: a, rt: rt}
  prv: {vpc: v, cidr: 10.0.1.0/24, zone: a, rt: rt-prv}
route_tables:
  rt: {vpc: v, routes: {0.0.0.0/0: igw}}
  rt-prv: {vpc: v, routes: {0.0.0.0/0: nat}}
nat: {nat: {subnet: pub, ip: 10.0.0.200, type: public, eip: 198.51.100.9}}
sgs: {g: {vpc: v, in: [tcp 443 0.0.0.0/0]}}
enis:
  w: {subnet: pub, ip: [10.0.0.10], sg: [g], eip: {10.0.0.10: 198.51.100.10}}
  p: {subnet: prv, ip: [10.0.1.10], sg: [g]}
hosts: {office: 192.168.9.9, out: 192.0.2.7}
```
```yaml
id: EX-1
base: X
delta: [vgw vgw = v, rt rt + 192.168.0.0/16 > vgw propagated, rt rt-prv + 192.168.0.0/16 > vgw propagated]
steps:
  - probe: {from: p, to: 192.168.9.9, proto: tcp, dport: 22}
    expect: {verdict: ALLOW, seen: 10.0.1.10 > 192.168.9.9, path: [p, g, "default-acl:v", rt-prv, vgw]}
  - probe: {from: office, to: 10.0.0.10, proto: tcp, dport: 443}
    expect: {verdict: ALLOW, seen: 192.168.9.9 > 10.0.0.10}
```
```yaml
id: EX-2
base: X
steps:
  - call: {op: RunInstances, args: {ImageId: image, MinCount: 1, MaxCount: 1, SubnetId: pub, SecurityGroupIds: [g]}, save: {i: Instances.0.InstanceId, ip: Instances.0.PrivateIpAddress, e: Instances.0.NetworkInterfaces.0.NetworkInterfaceId}}
    expect: {verdict: API_OK}
  - t: 300
    probe: {from: $i, to: 192.0.2.7, proto: tcp, dport: 80}
    expect: {verdict: DROP, dir: forward, at: igw, code: IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS}
  - do: [sg g in - tcp 443 0.0.0.0/0, sg g in + tcp 443 10.9.0.0/16]
    probe: {from: w, to: $ip, proto: tcp, dport: 443}
    expect: {verdict: DROP, dir: forward, at: "sg-in:$e", code: ENI_SG_RULES_MISMATCH}
```
```yaml
id: EX-3
title: as many translations to one destination as there are, and not one more
base: X
steps:
  - probe: {from: p, to: 192.0.2.7, proto: tcp, dport: 80, connections: 55000}
    expect: {verdict: ALLOW, seen: 198.51.100.9 > 192.0.2.7}
  - probe: {from: p, to: 192.0.2.7, proto: tcp, dport: 80, sport: 9999}
    expect: {verdict: DROP, dir: forward, at: nat, code: none}
  - probe: {from: p, to: 192.0.2.7, proto: tcp, dport: 81, sport: 9999}
    expect: {verdict: ALLOW, seen: 198.51.100.9 > 192.0.2.7}
```
```yaml
id: EX-4
title: an ICMP error finds the flow it speaks of through the NAT gateway
base: X
steps:
  - probe: {from: p, to: 192.0.2.7, proto: tcp, dport: 80, open: c}
    expect: {verdict: ALLOW, seen: 198.51.100.9 > 192.0.2.7}
  - probe: {from: out, to: 198.51.100.9, icmp_error: {type: 3, code: 4, conn: c, side: client}}
    expect: {verdict: ALLOW, seen: 192.0.2.7 > 10.0.1.10}
```
"#;
