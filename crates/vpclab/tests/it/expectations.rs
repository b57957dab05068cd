//! `test` as a person and a pipeline type it: proofs, claims in a file of their own, wrong input.

use std::process::{Command, Output};

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop.yaml");

/// Without anything of whoever runs the tests; the proof engine finds no daemon to ask and starts none.
fn vpclab(arguments: &[&str]) -> Output {
    let home = scratch!("home");
    Command::new(env!("CARGO_BIN_EXE_vpclab")).args(arguments).env("NO_COLOR", "1").env("VPCLAB_HOME", home).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn file(name: &str, content: &str) -> String {
    let path = scratch!("{name}");
    std::fs::write(&path, content).unwrap();
    path
}

fn test(name: &str, claims: &str, more: &[&str], code: i32) -> String {
    let path = file(&format!("claims-{name}.yaml"), claims);
    let done = vpclab(&[&["test", "-f", SHOP, "--expect", &path, "--engine", "proof"], more].concat());
    assert_eq!(done.status.code(), Some(code), "{}{}", text(&done.stdout), text(&done.stderr));
    text(&done.stdout).replace(SHOP, "shop.yaml").replace(&path, "claims.yaml")
}

#[test]
fn claims_of_another_file_are_proved_and_what_fails_says_why() {
    let claims = "expect:
  - internet -> sg:web tcp/80,443: allowed
  - office -> web-1 tcp/80: blocked
  - bastion -> db-1 any: allowed
  - nothing else -> bastion
";
    let wanted = "\
ok   internet -> sg:web tcp/80,443: allowed
FAIL office -> web-1 tcp/80: blocked
       office -> ADDRESS tcp/80: open
         let through at sg-in:web-1 by web#1 tcp/80 from anywhere (shop.yaml:18)
FAIL bastion -> db-1 all: allowed
       bastion -> 192.168.0.132 tcp/1: dropped at sg-in:db-1 (same for all)
         sg-in:db-1: no rule admits tcp/1 from 192.168.0.164 (bastion, member of: bastion) [ENI_SG_RULES_MISMATCH]
FAIL nothing else -> bastion all
       office -> ADDRESS tcp/22: open, and no claim says so
         let through at sg-in:bastion by bastion#1 tcp/22 from office (shop.yaml:23)
1 passed, 3 failed
";
    let hide = |line: &str| {
        let words = line.split(' ').map(|word| match word.parse::<std::net::Ipv4Addr>() {
            Ok(address) if !address.is_private() => "ADDRESS",
            _ => word,
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let printed: String = test("proved", claims, &[], 1).lines().map(|line| hide(line) + "\n").collect();
    assert_eq!(printed, wanted);
}

#[test]
fn many_pairs_that_fail_alike_take_one_line_with_a_witness() {
    let shop = std::fs::read_to_string(SHOP).unwrap();
    let more = "  api: { subnet: internal, sg: bastion, count: 12 }\n  db-1: ";
    let path = file("many.yaml", &shop.replace("  db-1: ", more));
    let claims = file("many-claims.yaml", "expect:\n  - sg:bastion -> sg:web tcp/22: blocked\n");
    let done = vpclab(&["test", "-f", &path, "--expect", &claims, "--engine", "proof"]);
    let wanted = "\
FAIL sg:bastion -> sg:web tcp/22: blocked
       api-1 -> 192.168.0.4 tcp/22: open
         let through at sg-in:web-1 by web#5 tcp/22 from sg:bastion (many.yaml:19)
         and so 13 places (api-1 … bastion) -> web-1, web-2
0 passed, 1 failed
";
    assert_eq!(text(&done.stdout).replace(&path, "many.yaml"), wanted, "{}", text(&done.stderr));
    let json: serde_json::Value =
        serde_json::from_slice(&vpclab(&["test", "-f", &path, "--expect", &claims, "--engine", "proof", "--json"]).stdout).unwrap();
    assert_eq!(json[0]["broken"].as_array().unwrap().len(), 26);
    assert_eq!((&json[0]["pairs"], &json[0]["packets"]), (&26.into(), &0.into()));
    assert_eq!(json[0]["broken"][0]["traffic"], serde_json::json!(["tcp/22"]));
}

#[test]
fn names_that_mean_nothing_fail_with_the_nearest_that_does() {
    let claims = "expect:
  - sg:wbe -> db-1 tcp/22: open
  - web-1 -> dbb-1 tcp/22: blocked
  - web-1 -> db-1 tcp/3306 through natt: open
  - web-1 -> db-1 tcp/22: blocked by acl:nowhere
  - db-1 -> db-1 tcp/22: open
";
    let wanted = "\
FAIL sg:wbe -> db-1 tcp/22: open
       no security group is called `sg:wbe`; did you mean `sg:web`? (claims.yaml:2)
FAIL web-1 -> dbb-1 tcp/22: blocked
       no instance or place outside is called `dbb-1`; did you mean `db-1`? (claims.yaml:3)
FAIL web-1 -> db-1 tcp/3306 through natt: open
       no node that packets can pass is called `natt`; did you mean `nat`? (claims.yaml:4)
FAIL web-1 -> db-1 tcp/22: blocked by acl:nowhere
       no network ACL is called `nowhere`; this lab has no network ACL (claims.yaml:5)
FAIL db-1 -> db-1 tcp/22: open
       the claim speaks of no pair (claims.yaml:6)
0 passed, 5 failed
";
    assert_eq!(test("nearest", claims, &[], 1), wanted);
    // The packets of the claims that mean something are sent all the same.
    let path = file("half.yaml", "expect:\n  - sg:wbe -> db-1 tcp/22: open\n  - web-1 -> db-1 tcp/3306: open\n");
    let done = vpclab(&["test", "-f", SHOP, "--expect", &path]);
    assert!(text(&done.stdout).ends_with("1 passed, 1 failed\n"), "{}{}", text(&done.stdout), text(&done.stderr));
}

#[test]
fn a_file_without_claims_is_a_mistake_and_so_is_one_that_cannot_be_read() {
    let nothing = file("nothing.yaml", "name: nothing\n");
    let broken = file("wrong.yaml", "expect:\n  - web-1 => db-1 tcp/22: open\n");
    for (path, wanted) in [
        (nothing.as_str(), "nothing.yaml promises nothing"),
        (broken.as_str(), "wrong.yaml:2:11"),
        ("nowhere.yaml", "nowhere.yaml: No such file"),
    ] {
        let done = vpclab(&["test", "-f", SHOP, "--expect", path, "--engine", "proof"]);
        assert_eq!(done.status.code(), Some(2), "{path}");
        assert!(text(&done.stderr).contains(wanted) && done.stdout.is_empty(), "{path}: {}", text(&done.stderr));
    }
}

#[test]
fn a_proof_makes_no_home_and_starts_no_daemon() {
    let home = scratch!("no-home");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    let done = command.args(["test", "-f", SHOP, "--engine", "proof"]).env("VPCLAB_HOME", &home).output().unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(!std::path::Path::new(&home).exists(), "{home}");
}

#[test]
fn the_same_lines_with_real_packets() {
    let claims = "expect:\n  - internet -> sg:web any: blocked by sg\n  - sg:web -> db-1 any: allowed\n  - only office -> bastion any: blocked\n  - db-1 -> internet any: blocked\n  - nothing else\n";
    let path = file("both.yaml", claims);
    let run = |engine| {
        let done = vpclab(&["test", "-f", SHOP, "--expect", &path, "--engine", engine]);
        assert_eq!(done.status.code(), Some(1), "{engine}: {}", text(&done.stderr));
        text(&done.stdout)
    };
    assert_eq!(run("linux"), run("proof"));
}

#[test]
fn what_is_dropped_names_the_rules_that_almost_admit_it() {
    let shop = std::fs::read_to_string(SHOP).unwrap();
    let path = file("near.yaml", &shop.replace("tcp/3306 from sg:web", "tcp/3307 from sg:web"));
    let done = vpclab(&["test", "-f", &path, "--engine", "proof", "db-1 tcp/3306: open"]);
    let wanted = "\
FAIL web-1, web-2 -> db-1 tcp/3306: open
       web-1 -> 192.168.0.132 tcp/3306: dropped at sg-in:db-1
         sg-in:db-1: no rule admits tcp/3306 from 192.168.0.4 (web-1, member of: web) [ENI_SG_RULES_MISMATCH]
           near: db#1 tcp/3307 from sg:web (near.yaml:21): port
       web-2 -> 192.168.0.132 tcp/3306: dropped at sg-in:db-1
         sg-in:db-1: no rule admits tcp/3306 from 192.168.0.68 (web-2, member of: web) [ENI_SG_RULES_MISMATCH]
0 passed, 1 failed
";
    assert_eq!(text(&done.stdout).replace(&path, "near.yaml"), wanted);
}
