//! A lan beside a VPC, as a person types it: both ways through the virtual private gateway, what is wrong on either side, and
//! claims about both.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const LAB: &str = "vpcs:
  shop:
    cidr: 10.0.0.0/16
    subnets:
      private: { az: a, cidr: 10.0.1.0/24 }
      closed: { az: a, cidr: 10.0.2.0/24, route: own }
      static: { az: a, cidr: 10.0.3.0/24, route: written }
    route_tables:
      own: { propagation: false, routes: {} }
      written: { propagation: false, routes: { 192.168.1.0/24: vpn } }
security_groups:
  web: [ tcp/22 from 192.168.1.0/24, icmp/echo from 192.168.0.0/16 ]
instances:
  web-1: { subnet: private, sg: web, private_ip: 10.0.1.10, listen: tcp/22 }
  far-1: { subnet: closed, sg: web, private_ip: 10.0.2.10, listen: tcp/22 }
  old-1: { subnet: static, sg: web, private_ip: 10.0.3.10, listen: tcp/22 }
lans:
  branch:
    switches: [sw-1, sw-2]
    routers:
      r-1: { interfaces: { eth0: 192.168.1.1/24, eth1: [], eth2: 192.168.2.1/24 }, routes: [192.168.3.0/24 via 192.168.2.2] }
      r-2: { interfaces: { eth0: 192.168.2.2/24, eth1: 192.168.3.1/24 }, routes: [default via 192.168.2.1] }
    hosts:
      desk: { address: 192.168.1.10/24, gateway: 192.168.1.1, serve: http }
      pc-1: { address: 192.168.1.11/24, gateway: 192.168.1.1 }
      lost: 192.168.1.12/24
      deep: { address: 192.168.3.10/24, gateway: 192.168.3.1, serve: http }
    links:
      - desk, pc-1, lost, r-1:eth0 -- sw-1
      - r-1:eth2, r-2:eth0 -- sw-2
      - deep -- r-2:eth1
      - r-1:eth1 -- vpc:shop 50M 10ms
expect:
  - desk -> web-1 tcp/22: open
  - desk -> web-1 tcp/23: blocked by sg
  - web-1 -> desk, deep tcp/80: open
  - web-1 -> desk tcp/81: refused
  - pc-1 -> desk icmp: open
  - desk -> far-1 tcp/23: blocked
  - far-1 -> desk tcp/80: no route
  - old-1 -> desk tcp/80: open
  - 192.168.1.11 -> web-1 icmp/echo: allowed
  - r-1 -> deep icmp/echo: allowed
  - only desk, pc-1, lost, r-1 -> web-1 tcp/23: blocked
  - far-1 -> web-1 tcp/22: blocked
";

fn lab(name: &str, text: &str) -> PathBuf {
    let file = scratch_folder!("{name}").join("branch.yaml");
    std::fs::write(&file, text).expect("a file");
    file
}

fn vpclab(file: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpclab"));
    command.arg("-f").arg(file).args(words.split(' ')).env("NO_COLOR", "1");
    command.env("VPCLAB_HOME", file.with_file_name("home")).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn holds(file: &Path, table: &[(&str, i32, &str)]) {
    for (words, code, expected) in table {
        let done = vpclab(file, words);
        let said = format!("{}{}", text(&done.stdout), text(&done.stderr));
        // Long lines are broken where they have to be, or not.
        let in_a_row = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(done.status.code() == Some(*code) && (said.contains(expected) || in_a_row.contains(expected)), "{words}: {:?}, not {code} with {expected}\n{said}", done.status.code());
    }
}

#[test]
fn packets_go_both_ways_and_end_where_a_side_says_no() {
    let file = lab("ways", LAB);
    holds(&file, &[
        ("sim ping desk web-1", 0, "1 sent, 1 received"),
        ("sim ping web-1 deep", 0, "1 received"),
        ("sim check deep web-1 tcp/22", 1, "filtered"),
        ("sim check web-1 deep tcp/80", 0, "open"),
        ("sim check desk web-1 tcp/22", 0, "open"),
        ("sim check desk web-1 tcp/23", 1, "filtered"),
        ("sim check old-1 desk tcp/80", 0, "open"),
        ("sim check desk old-1 tcp/22", 0, "open"),
        ("sim check far-1 desk tcp/80", 1, "filtered"),
        ("sim check lost web-1 tcp/22", 1, "not sent"),
        ("sim http web-1 desk", 0, "HTTP 200"),
        ("sim traceroute desk web-1", 0, "192.168.1.1"),
        ("sim ping 192.168.1.10 web-1", 0, "1 received"),
    ]);
}

#[test]
fn a_router_answers_over_a_line_without_addresses_in_another_interfaces_name() {
    let file = lab("unnumbered", LAB);
    // What r-1 says of a packet from the VPC whose time is up leaves by eth1, which has no address.
    holds(&file, &[("sim traceroute web-1 deep tcp/80", 0, "192.168.1.1"), ("sim ping r-1 web-1", 0, "1 received")]);
}

#[test]
fn a_tunnel_cuts_what_may_be_cut_and_drops_the_rest_without_a_word() {
    let file = lab("mtu", LAB);
    holds(&file, &[
        ("sim ping desk web-1 --size 1418 --dont-fragment", 0, "1 received"),
        ("sim ping desk web-1 --size 1419 --dont-fragment", 1, "nobody is told"),
        ("sim ping desk web-1 --size 1472", 0, "1 received"),
    ]);
    // The largest segment of a connection fits (L2-10).
    holds(&file, &[("sim http web-1 desk --tables tcp", 0, "  1406  ")]);
}

#[test]
fn two_links_to_one_vpc_stand_in_for_each_other() {
    let twice = LAB.replace("eth2: 192.168.2.1/24", "eth3: [], eth2: 192.168.2.1/24").replace(
        "      - r-1:eth1 -- vpc:shop 50M 10ms\n",
        "      - r-1:eth1 -- vpc:shop 50M 10ms down\n      - r-1:eth3 -- vpc:shop 50M 10ms\n",
    );
    let file = lab("twice", &twice);
    holds(&file, &[("validate", 0, "legal"), ("sim check web-1 desk tcp/80", 0, "open")]);
}

#[test]
fn the_proof_knows_what_lies_behind_the_gateway() {
    let file = lab("proof", LAB);
    holds(&file, &[
        ("why web-1 192.168.1.10 tcp/22", 0, "shop-vgw"),
        ("why web-1 desk tcp/22", 0, "in a lan, behind the virtual private gateway"),
        ("why desk web-1 tcp/22", 0, "ALLOWED"),
        ("why desk web-1 tcp/23", 1, "web"),
        ("why far-1 desk tcp/22", 1, "no route"),
        ("why desk pc-1 tcp/22", 2, "no stage of a cloud is between them"),
        ("why web-1 192.168.1.99 tcp/80", 1, "nobody in the lan has 192.168.1.99: a router asks for it in 192.168.1.0/24, and nobody answers (ARP)"),
        ("why 192.168.1.99 web-1 tcp/22", 2, "192.168.1.99 is a free address of lan branch: nobody sends from it"),
        ("check --engine proof web-1 192.168.1.99 tcp/80", 1, "filtered"),
        ("check --engine proof desk web-1 tcp/22", 0, "open"),
        ("check --engine proof far-1 desk tcp/80", 1, "filtered"),
    ]);
}

#[test]
fn commands_without_an_engine_ask_the_simulator_about_hosts_of_lans() {
    let file = lab("commands", LAB);
    holds(&file, &[
        ("check desk web-1 tcp/22", 0, "desk is a host of lan branch: the answer is the simulator's"),
        ("check 192.168.1.10 web-1 tcp/23", 1, "filtered"),
        ("check desk desk tcp/80", 2, "one and the same"),
        ("check --engine linux desk web-1 tcp/22", 2, "desk is a host of lan branch"),
        ("ping desk web-1", 0, "3 sent, 3 received"),
        ("traceroute web-1 deep tcp/80", 0, "192.168.3.10"),
    ]);
    let done = vpclab(&file, "check desk web-1 tcp/22 -o json");
    let rows: Value = serde_json::from_slice(&done.stdout).expect("JSON alone on standard output");
    assert_eq!((&rows[0]["result"], &rows[0]["engine"]), (&Value::from("open"), &Value::from("sim")));
}

#[test]
fn claims_about_hosts_of_lans_are_judged_by_simulated_packets() {
    let file = lab("claims", LAB);
    holds(&file, &[
        ("validate", 0, "legal"),
        ("test --engine proof", 0, "12 passed, 0 failed"),
        ("test --engine proof", 0, "desk -> web-1 tcp/22: open (by the sim engine)"),
        ("sim test", 0, "12 passed, 0 failed"),
    ]);
    let done = vpclab(&file, "test --engine proof -o json");
    let claims: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let engines: Vec<&str> = claims.as_array().into_iter().flatten().filter_map(|claim| claim["engine"].as_str()).collect();
    assert_eq!(engines.iter().filter(|engine| **engine == "sim").count(), 11, "{engines:?}");
    let broken = lab("broken", &LAB.replace("desk -> web-1 tcp/23: blocked by sg", "desk -> web-1 tcp/23: open"));
    holds(&broken, &[("test --engine proof", 1, "desk -> web-1 tcp/23: filtered"), ("test --engine proof", 1, "11 passed, 1 failed")]);
    let arrives = lab("arrives", &LAB.replace("desk -> far-1 tcp/23: blocked", "desk -> far-1 tcp/22: blocked"));
    holds(&arrives, &[("test --engine proof", 1, "desk -> far-1 tcp/22: the request arrives, the answer is lost")]);
    let other = lab("other", &LAB.replace("desk -> web-1 tcp/23: blocked by sg", "desk -> web-1 tcp/23: blocked by acl"));
    holds(&other, &[("test --engine proof", 1, "11 passed, 1 failed")]);
}

const TWO_FAMILIES: &str = "lans:
  l:
    switches: [sw-1, sw-2]
    routers: { r-1: { interfaces: { eth0: 10.0.1.1/24, eth1: 10.0.2.1/24 } } }
    hosts:
      pc-1: { address: [10.0.1.11/24, \"fd00:1::b/64\"], gateway: 10.0.1.1 }
      srv: { address: [10.0.2.80/24, \"fd00:2::80/64\"], gateway: 10.0.2.1, serve: http }
    links: [\"pc-1, r-1:eth0 -- sw-1\", \"srv, r-1:eth1 -- sw-2\"]
expect:
  - pc-1 -> fd00:2::80 tcp/80: no route
  - pc-1 -> 10.0.2.80 tcp/80: open
  - pc-1 -> 10.0.1.1, 10.0.2.1 icmp/echo: allowed
";

#[test]
fn an_address_that_is_typed_is_asked_and_no_other_of_the_same_device() {
    let file = lab("typed", TWO_FAMILIES);
    holds(&file, &[
        ("sim ping pc-1 fd00:2::80", 1, "nothing was sent"),
        ("sim ping pc-1 10.0.2.1", 0, "PING 10.0.2.1 (10.0.2.1) from pc-1"),
        ("sim ping pc-1 10.0.2.1", 0, "bytes from 10.0.2.1:"),
        ("sim check pc-1 fd00:2::80 tcp/80", 1, "(fd00:2::80) tcp/80: not sent"),
        ("sim traceroute pc-1 10.0.2.80", 0, "(10.0.2.80)"),
        ("sim use ping pc-1 10.0.2.1", 0, "10.0.2.1"),
        ("check pc-1 fd00:2::80 tcp/80", 1, "pc-1 -> fd00:2::80: not sent"),
        ("sim ping pc-1 srv", 0, "PING srv (10.0.2.80)"),
        ("test --engine proof", 0, "3 passed, 0 failed"),
    ]);
    let done = vpclab(&file, "test --engine proof -o json");
    let claims: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(claims[2]["pairs"], 2, "{claims}");
}

#[test]
fn claims_that_nobody_can_judge_are_refused_or_say_why() {
    let with = |claim: &str| LAB.replace("pc-1 -> desk icmp: open", claim);
    let file = lab("hub", &with("pc-1 -> sw-1 icmp: open"));
    holds(&file, &[("validate", 2, "`sw-1` is a switch of the lan `branch`: it has no address")]);
    let file = lab("unknown", &with("pc-1 -> dsk icmp: open"));
    holds(&file, &[("validate", 2, "did you mean `desk`?")]);
    let file = lab("way", &with("pc-1 -> web-1 icmp through fw: allowed"));
    holds(&file, &[("test --engine proof", 1, "not asked by which way")]);
}

#[test]
fn a_network_that_the_vpc_has_itself_is_pointed_at() {
    let file = lab("overlap", &LAB.replace("192.168.3", "10.0.7"));
    holds(&file, &[("lint", 1, "overlapping-lan"), ("lint", 1, "announces 10.0.7.0/24 to VPC shop, which has 10.0.0.0/16 itself")]);
}

#[test]
fn a_link_that_is_down_leads_nowhere_on_any_engine() {
    let file = lab("down", &LAB.replace("50M 10ms", "50M 10ms down"));
    let proof = [("check --engine proof web-1 desk tcp/80", 2, "knows of lans only what lies behind"), ("why web-1 desk tcp/80", 2, "no virtual private gateway knows of it")];
    holds(&file, &proof);
    holds(&file, &[("sim check web-1 desk tcp/80", 1, "filtered"), ("sim check desk web-1 tcp/22", 1, "unreachable")]);
}

#[test]
fn a_lan_that_announces_everything_is_not_the_internet() {
    let open = LAB
        .replace("50M 10ms", "announce 0.0.0.0/0")
        .replace("cidr: 10.0.0.0/16", "cidr: 10.0.0.0/16\n    igw: true")
        .replace("web: [ ", "web: [ all from anywhere, ");
    let text = open.split("expect:").next().unwrap_or_default().to_owned()
        + "expect:\n  - web-1 -> internet tcp/443: blocked\n  - internet -> web-1 tcp/22: blocked\n  - web-1 -> desk tcp/80: open\n  - web-1 -> 8.8.8.8 tcp/53: blocked\n";
    let file = lab("everything", &text);
    holds(&file, &[
        ("validate", 0, "legal"),
        ("test --engine proof", 0, "4 passed, 0 failed"),
        ("sim test", 0, "4 passed, 0 failed"),
        ("check --engine proof web-1 internet tcp/443", 1, "filtered"),
        ("sim check web-1 internet tcp/443", 1, "leads into a lan that it is not in"),
        ("why web-1 8.8.8.8 tcp/53", 1, "is outside, and 0.0.0.0/0 leads into a lan that it is not in"),
    ]);
}

#[test]
fn an_address_of_a_lan_that_nobody_has_is_judged_as_the_simulator_finds_it() {
    let text = LAB.split("expect:").next().unwrap_or_default().to_owned()
        + "expect:\n  - web-1 -> 192.168.1.99 tcp/80: blocked\n  - desk -> 192.168.1.99 icmp: blocked\n  - web-1 -> 192.168.1.10/31 icmp: allowed\n";
    let file = lab("free", &text);
    holds(&file, &[("test --engine proof", 0, "3 passed, 0 failed"), ("test --engine proof", 0, "web-1 -> 192.168.1.99 tcp/80: blocked (by the sim engine)")]);
    let open = lab("free-open", &text.replace("192.168.1.99 tcp/80: blocked", "192.168.1.99 tcp/80: open"));
    holds(&open, &[("test --engine proof", 1, "web-1 -> 192.168.1.99 tcp/80: unreachable"), ("test --engine proof", 1, "2 passed, 1 failed")]);
    let from = lab("free-from", &text.replace("web-1 -> 192.168.1.99 tcp/80: blocked", "192.168.1.99 -> web-1 tcp/22: open"));
    holds(&from, &[("test --engine proof", 1, "nobody in lan branch has the address 192.168.1.99")]);
    holds(&file, &[("check web-1 192.168.1.99 tcp/80", 1, "192.168.1.99 is a free address of lan branch"), ("sim check 192.168.1.99 web-1 tcp/22", 2, "nobody in lan branch")]);
}

#[test]
fn hints_are_of_the_lab_that_was_asked() {
    let file = lab("hints", LAB);
    let path = file.display().to_string();
    holds(&file, &[("check --engine linux desk web-1 tcp/22", 2, &format!("hint: vpclab -f {path} sim check desk web-1 tcp/22"))]);
}

#[test]
fn pictures_of_a_lab_show_its_lans() {
    let file = lab("graph", LAB);
    let folder = file.parent().expect("a folder");
    holds(&file, &[
        ("graph", 0, "lan branch  8 links"),
        ("graph", 0, "router r-1  192.168.1.1/24, 192.168.2.1/24  -- sw-1, sw-2, vpc:shop"),
        ("graph", 0, "VPN gateway shop-vgw"),
        ("graph --kind mermaid", 0, "[\"branch\"]"),
        ("graph --kind svg", 0, "data-name=\"desk\""),
        ("graph --kind svg", 0, "data-name=\"web-1\""),
    ]);
    // What vpclab drew is drawn again; other files stay.
    let picture = folder.join("p.svg");
    let write = format!("graph -w {}", picture.display());
    holds(&file, &[(&write, 0, ""), (&write, 0, "")]);
    std::fs::write(&picture, "my notes").expect("a file");
    holds(&file, &[(&write, 2, "was not drawn by vpclab: it stays as it is"), (&format!("{write} --force"), 0, "")]);
    let capture = folder.join("notes.pcap");
    std::fs::write(&capture, "my notes").expect("a file");
    let sent = format!("sim ping desk pc-1 --pcap {}", capture.display());
    holds(&file, &[(&sent, 2, "is no capture: it stays as it is"), (&format!("{sent} --force"), 0, "frames in")]);
}
