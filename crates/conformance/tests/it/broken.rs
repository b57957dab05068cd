//! Text that cannot be executed fails its scenario, with the place and the reason; it is never guessed or skipped.

use conformance::run::run_corpus;
use conformance::scenario::Corpus;
use conformance::{EngineName, Options, Report, Status};

const TOPOLOGY: &str = "```yaml\ntopology: X\nvpcs: {v: {cidr: [10.0.0.0/16], main: rt}}\n\
    subnets: {s: {vpc: v, cidr: 10.0.0.0/24, zone: a, rt: rt}}\nroute_tables: {rt: {vpc: v, routes: {}}}\n\
    sgs: {g: {vpc: v, in: [tcp 80 g]}}\nenis:\n  a: {subnet: s, ip: [10.0.0.10], sg: [g]}\n  b: {subnet: s, ip: [10.0.0.11], sg: [g]}\n```\n";

const GOOD: &str = "id: S\nbase: X\nprobe: {from: a, to: 10.0.0.11, proto: tcp, dport: 80}\nexpect: {verdict: ALLOW}\n";

fn run(files: &[(&str, &str)], engine: EngineName) -> Report {
    let mut corpus = Corpus::default();
    files.iter().for_each(|(name, text)| corpus.add(name, text));
    run_corpus(&corpus, engine, &Options::default(), &mut std::io::sink()).unwrap()
}

fn scenario(yaml: &str) -> Report {
    run(&[("f.md", &format!("{TOPOLOGY}```yaml\n{yaml}```\n"))], EngineName::Proof)
}

#[test]
fn the_unbroken_scenario_passes() {
    let report = scenario(GOOD);
    assert_eq!(report.count(Status::Passed), 1, "{:?}", report.results);
}

#[test]
fn every_broken_text_fails_with_its_line_and_what_is_wrong() {
    let step = |step: &str| format!("id: S\nbase: X\nsteps:\n  - {step}\n");
    let delta = |delta: &str| format!("id: S\nbase: X\ndelta: [{delta}]\nprobe: {{from: a, to: 10.0.0.11, proto: tcp, dport: 80}}\nexpect: {{verdict: ALLOW}}\n");
    let probe = |probe: &str, expect: &str| format!("id: S\nbase: X\nprobe: {probe}\nexpect: {expect}\n");
    let tcp = "{from: a, to: 10.0.0.11, proto: tcp, dport: 80}";
    for (yaml, line, why) in [
        (format!("{GOOD}colour: red\n"), 16, "unknown key `colour`"),
        (GOOD.replace("base: X", "base: Y"), 12, "there is no topology `Y`"),
        (GOOD.replace("base: X\n", ""), 12, "lacks `base`"),
        (format!("{GOOD}kind: packets\n"), 12, "unknown kind `packets`"),
        (format!("{GOOD}basis: gossip\n"), 12, "unknown basis `gossip`"),
        (format!("{GOOD}steps: []\n"), 12, "`probe` with `expect`, or `steps`"),
        ("id: S\nbase: X\nsteps: []\n".to_owned(), 12, "`steps` is empty"),
        ("id: S\nbase: {\n".to_owned(), 13, "not YAML"),
        (format!("{GOOD}base: X\n"), 16, "not YAML"),
        (delta("eni a chek off"), 14, "`chek`"),
        (delta("reboot a"), 14, "unknown delta `reboot`"),
        (delta("eni c check off"), 14, "there is no interface `c`"),
        (delta("rt rt + 0.0.0.0/0 > igw-x"), 14, "there is no route target `igw-x`"),
        (delta("sg g in + tcp 80 sg-x"), 14, "there is no security group `sg-x`"),
        (delta("eni a eip = 198.51.100.1"), 14, "not attached to any internet gateway"),
        (delta("subnet t = v 10.1.0.0/24 a main"), 14, "InvalidSubnet.Range"),
        (delta("eni a = s 10.0.0.12 g"), 14, "there is a interface `a` already"),
        (delta("tgw t = x"), 14, "there is no subnet `x`"),
        (delta("flowlog f = c ALL default"), 14, "there is no interface `c`"),
        (delta("'flowlog f = a ALL default,srcaddr'"), 14, "the field `srcaddr` stands there twice"),
        (delta("eni a container, 7"), 14, "a delta is a text or a document"),
        (delta("identity: {user: u, colour: red}"), 14, "unknown key `colour`"),
        (delta("person: {user: u}"), 14, "unknown document delta `person`"),
        (probe("{from: c, to: 10.0.0.11, proto: tcp, dport: 80}", "{verdict: ALLOW}"), 14, "no interface or host `c`"),
        (probe("{from: a/container, to: 10.0.0.11, proto: icmp}", "{verdict: ALLOW}"), 14, "no container `a/container`"),
        (probe("{from: a, to: b, proto: tcp, dport: 80}", "{verdict: ALLOW}"), 14, "`b` is not an IP address"),
        (probe("{from: a, to: 10.0.0.11, proto: sctp, dport: 80}", "{verdict: ALLOW}"), 14, "unknown protocol `sctp`"),
        (probe("{from: a, to: 10.0.0.11, proto: tcp}", "{verdict: ALLOW}"), 14, "need `dport`"),
        (probe("{from: a, to: 10.0.0.11, proto: icmp, dport: 80}", "{verdict: ALLOW}"), 14, "only TCP and UDP have ports"),
        (probe("{from: a, to: 10.0.0.11, proto: tcp, dport: 80000}", "{verdict: ALLOW}"), 14, "is not a port"),
        (probe("{from: a, to: 10.0.0.11, proto: tcp, dport: 80, via: b}", "{verdict: ALLOW}"), 14, "unknown key `via`"),
        (probe("{from: a, to: $x, proto: tcp, dport: 80}", "{verdict: ALLOW}"), 14, "nothing is saved as `$x`"),
        (probe("{conn: c, side: client}", "{verdict: ALLOW}"), 14, "the kept connection `c` does not exist"),
        (probe("{conn: c, side: middle}", "{verdict: ALLOW}"), 14, "unknown side `middle`"),
        (probe("{from: a, guest: dig, args: {to: 10.0.0.11}}", "{verdict: ALLOW}"), 14, "unknown guest command `dig`"),
        (probe("{from: a, guest: ping, args: {to: 10.0.0.11, speed: 9}}", "{verdict: ALLOW}"), 14, "unknown key `speed`"),
        (probe(tcp, "{verdict: PASS}"), 15, "unknown verdict `PASS`"),
        (probe(tcp, "{verdict: API_OK}"), 15, "does not go with a probe"),
        (probe(tcp, "{verdict: ALLOW, at: fabric}"), 15, "`at` does not go with verdict ALLOW"),
        (probe(tcp, "{verdict: ALLOW, seen: 10.0.0.10}"), 15, "is not SOURCE > DESTINATION"),
        (probe(tcp, "{verdict: DROP, dir: sideways}"), 15, "unknown direction `sideways`"),
        (probe(tcp, "{verdict: ANSWER, value: {a: {nott: 1}}}"), 15, "unknown comparison word `nott`"),
        (probe(tcp, "{verdict: ANSWER, value: {a: {matches: \"(\"}}}"), 15, "is not a regular expression"),
        (probe(tcp, "{verdict: ANSWER, value: {a: {absent: maybe}}}"), 15, "`absent` must be true or false"),
        (probe(tcp, "{verdict: ANSWER, value: {\"a[b\": 1}}"), 15, "a bracket does not close"),
        (probe("{lookup: 10.0.0.11, rt: rt-x}", "{verdict: ANSWER, value: local}"), 14, "there is no route table `rt-x`"),
        (probe("{lookup: 10.0.0.11, rt: rt}", "{verdict: ANSWER, value: {a: local}}"), 14, "is the name of the next hop"),
        (step("{t: 5}"), 15, "a step needs a call or a probe"),
        (step(&format!("{{probe: {tcp}}}")), 15, "lacks `expect`"),
        (step(&format!("{{probe: {tcp}, call: {{op: DescribeVpcs}}, expect: {{verdict: ALLOW}}}}")), 15, "not both"),
        (step("{call: {op: DescribeVpcz}, expect: {verdict: API_OK}}"), 15, "engine cannot serve the operation DescribeVpcz"),
        (step("{call: {op: DescribeVpcs, args: {Colour: red}}, expect: {verdict: API_OK}}"), 15, "DescribeVpcs has no parameter Colour"),
        (step("{call: {op: DescribeVpcs, args: {VpcIds: [$v]}}, expect: {verdict: API_OK}}"), 15, "nothing is saved as `$v`"),
        (step("{call: {op: DescribeVpcs, as: {user: dev, secret: good}}, expect: {verdict: API_OK}}"), 15, "`secret: good` is unknown"),
        (step("{call: {op: DescribeVpcs, as: dev}, expect: {verdict: API_OK}}"), 15, "there is no user `dev` with a key"),
        (step("{call: {op: \"s3:ListBuckets\"}, expect: {verdict: API_OK}}"), 15, "engine cannot serve calls of s3"),
        (step("{call: {op: DescribeVpcs, save: {v: Vpcs.7}}, expect: {verdict: API_OK}}"), 15, "the answer has no Vpcs.7"),
        (step("{call: {op: DescribeVpcs, times: 2}, expect: {verdict: API_ERROR, error: X, at_call: 3}}"), 15, "beyond `times`"),
        (step("{call: {op: DescribeVpcs}, expect: {verdict: API_ERROR}}"), 15, "API_ERROR needs `error`"),
        (step("{call: {op: DescribeVpcs}, expect: {verdict: API_OK, value: {Vpcs.0.CidrBlock: 10.9.0.0/16}}}"), 15, "Vpcs.0.CidrBlock is 10.0.0.0/16"),
        (step("{do: [\"eni a sg = $x\"], call: {op: DescribeVpcs}, expect: {verdict: API_OK}}"), 15, "nothing is saved as `$x`"),
    ] {
        let report = scenario(&yaml);
        let [result] = report.results.as_slice() else { panic!("{yaml}: {report:?}") };
        assert_eq!(result.status, Status::Failed, "{yaml}");
        assert_eq!(result.id, "S", "{yaml}");
        let reason = result.reason.as_deref().unwrap_or_default();
        assert!(reason.contains(why), "{yaml}: {reason}");
        assert!(reason.starts_with(&format!("f.md:{line}: ")), "{yaml}: line {line} expected: {reason}");
    }
}

#[test]
fn a_faulty_topology_fails_the_scenarios_that_stand_on_it_and_no_other() {
    let bad = TOPOLOGY.replace("topology: X", "topology: Z").replace("zone: a", "zone: a, colour: red");
    let text = format!("{TOPOLOGY}{bad}```yaml\n{GOOD}```\n```yaml\n{}```\n", GOOD.replace("base: X", "base: Z"));
    let report = run(&[("f.md", &text)], EngineName::Proof);
    assert_eq!(report.results[0].status, Status::Passed);
    assert_eq!(report.results[1].status, Status::Failed);
    let reason = report.results[1].reason.as_deref().unwrap_or_default();
    assert!(reason.contains("topology `Z`: f.md:14: unknown key `colour`"), "{reason}");
}

#[test]
fn topologies_may_stand_in_another_file_and_differ_nowhere() {
    let scenario = format!("```yaml\n{GOOD}```\n");
    let report = run(&[("s.md", &scenario), ("t.md", TOPOLOGY)], EngineName::Proof);
    assert_eq!(report.count(Status::Passed), 1, "{:?}", report.results);
    let report = run(&[("s.md", &scenario), ("t.md", TOPOLOGY), ("u.md", &format!("\n{TOPOLOGY}"))], EngineName::Proof);
    assert_eq!(report.count(Status::Passed), 1, "{:?}", report.results);
    let other = TOPOLOGY.replace("10.0.0.11", "10.0.0.12");
    let report = run(&[("s.md", &scenario), ("t.md", TOPOLOGY), ("u.md", &other)], EngineName::Proof);
    let reason = report.results[0].reason.as_deref().unwrap_or_default();
    assert!(reason.contains("topology `X` differs between t.md:2 and u.md:2"), "{reason}");
}

#[test]
fn a_chain_of_bases_ends() {
    let text = "```yaml\ntopology: A\nextends: B\n```\n```yaml\ntopology: B\nextends: A\n```\n";
    let report = run(&[("f.md", &format!("{text}```yaml\n{}```\n", GOOD.replace("base: X", "base: A")))], EngineName::Proof);
    let reason = report.results[0].reason.as_deref().unwrap_or_default();
    assert!(reason.contains("extends itself"), "{reason}");
}

#[test]
fn what_an_engine_does_not_serve_is_skipped_but_faulty_text_fails_there_too() {
    let served = format!("{TOPOLOGY}```yaml\n{GOOD}kind: flowlog\n```\n");
    let report = run(&[("f.md", &served)], EngineName::Proof);
    assert_eq!(report.summary(), "0 passed, 0 failed, 1 skipped");
    assert_eq!(report.exit_code(), 0);
    let faulty = format!("{TOPOLOGY}```yaml\n{GOOD}kind: flowlog\ncolour: red\n```\n");
    let report = run(&[("f.md", &faulty)], EngineName::Proof);
    assert_eq!(report.summary(), "0 passed, 1 failed, 0 skipped");
    assert_eq!(report.exit_code(), 1);
}

#[test]
fn lines_and_json_say_the_same() {
    let mut corpus = Corpus::default();
    let wrong = GOOD.replace("id: S", "id: T\ntitle: closed").replace("dport: 80", "dport: 81");
    corpus.add("f.md", &format!("{TOPOLOGY}```yaml\n{GOOD}title: open\n```\n```yaml\n{wrong}```\n"));
    let mut out = Vec::new();
    let report = run_corpus(&corpus, EngineName::Proof, &Options::default(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text,
        "ok   S open\nFAIL T closed\n       expected: ALLOW\n       got:      DROP forward at sg-in:b, code \
         ENI_SG_RULES_MISMATCH (no rule allows it)\n       reason:   f.md:22: the verdict differs\n1 passed, 1 failed, 0 skipped\n"
    );
    assert_eq!(report.exit_code(), 1);
    let mut out = Vec::new();
    let options = Options { filter: vec!["T".to_owned()], json: true };
    run_corpus(&corpus, EngineName::Proof, &options, &mut out).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(json.as_array().map(Vec::len), Some(1));
    assert_eq!((&json[0]["id"], &json[0]["engine"], &json[0]["status"]), (&"T".into(), &"proof".into(), &"failed".into()));
    assert_eq!(json[0]["expected"], "ALLOW");
    for key in ["got", "reason"] {
        assert!(json[0][key].is_string(), "{key}");
    }
}
