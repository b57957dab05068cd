//! Watching a running lab as a person does: ping, traceroute, capture, sockets.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use sandbox::SocketSpec;
use serde_json::Value;

use crate::shop::{SHOP, Shop, text};

/// What these tests ask of the shop.
trait Watched {
    fn json(&self, arguments: &[&str]) -> Value;
    fn capturing(&self, arguments: &[&str]) -> Child;
}

impl Watched for Shop {
    fn json(&self, arguments: &[&str]) -> Value {
        let done = self.vpclab(arguments);
        serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", text(&done.stdout), text(&done.stderr)))
    }

    /// A capture that looks already.
    fn capturing(&self, arguments: &[&str]) -> Child {
        let mut child = self.command(&[&["capture"], arguments].concat()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        errors.read_line(&mut first).unwrap();
        assert!(first.starts_with("capturing at "), "{first}");
        // Somebody must read it on, or the last line finds a closed pipe.
        std::thread::spawn(move || errors.read_to_end(&mut Vec::new()));
        child
    }
}

/// Without what differs from run to run: times and addresses that AWS would choose.
fn timeless(bytes: &[u8]) -> String {
    let text = text(bytes);
    let lines = text.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let is_time = |at: usize| words.get(at + 1) == Some(&"ms") && words[at].parse::<f64>().is_ok();
        let kept = words.iter().enumerate().filter(|(at, word)| !(is_time(*at) || **word == "ms" && *at > 0 && is_time(*at - 1)));
        kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

fn ended(mut child: Child) -> (Option<i32>, Vec<u8>) {
    let mut out = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_end(&mut out).unwrap();
    }
    (child.wait().unwrap().code(), out)
}

#[test]
fn a_ping_says_what_came_and_where_the_rest_was_lost() {
    let shop = Shop::up();
    let done = shop.vpclab(&["ping", "db-1", "internet", "-c", "2", "-i", "0.05", "-W", "30"]);
    let out = text(&done.stdout);
    assert!(out.starts_with("PING internet (198.18.0.1) from 192.168.0.132 : 56(84) bytes of data.\n"), "{out}{}", text(&done.stderr));
    // The NAT gateway is a hop (L2-5).
    assert!(out.contains("64 bytes from internet (198.18.0.1): icmp_seq=2 ttl=63 time="), "{out}");
    assert!(out.contains("\n2 packets transmitted, 2 received, 0% packet loss, time "), "{out}");
    assert_eq!(done.status.code(), Some(0));

    let lost = shop.vpclab(&["ping", "web-1", "db-1", "-c", "1", "-W", "0.2"]);
    assert!(text(&lost.stdout).ends_with("\nrequest dropped at sg-in:db-1 (ENI_SG_RULES_MISMATCH)\n"), "{}", text(&lost.stdout));
    assert_eq!(lost.status.code(), Some(1));

    let json = shop.json(&["ping", "web-1", "bastion", "-c", "1", "-W", "0.2", "-o", "json"]);
    assert_eq!((&json["transmitted"], &json["received"], &json["lost"]["at"]), (&1.into(), &0.into(), &"sg-in:bastion".into()), "{json}");

    for (words, code, expected) in [
        (&["internet", "db-1"][..], 1, "error: db-1 has no public address"),
        (&["web-1", "db-9"], 2, "there are: bastion, db-1, internet, office, web-1, web-2"),
        (&["web-1", "web-1"], 2, "error: the two ends are one and the same"),
        (&["web-1"], 2, "error: the destination is missing"),
        (&["sg:web", "db-1"], 2, "error: `sg:web` means 2 interfaces"),
        (&["web-1", "db-1", "tcp/3306"], 2, "hint: vpclab check web-1 db-1 tcp/3306"),
    ] {
        let done = shop.vpclab(&[&["ping"], words].concat());
        assert!(text(&done.stderr).contains(expected), "{words:?}: {}", text(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{words:?}");
    }
}

#[test]
fn a_trace_shows_hops_that_answered_and_those_passed_unseen() {
    let shop = Shop::up();
    for (words, code, expected) in [
        (
            &["db-1", "internet"][..],
            0,
            "traceroute from db-1 to internet (198.18.0.1), icmp/echo\n 1  nat public-a (192.168.0.5)\n 2  internet (198.18.0.1)\n    passed unseen: shop router, igw",
        ),
        (
            &["web-1", "db-1", "tcp/3306"],
            0,
            "traceroute from web-1 to db-1 (192.168.0.132), tcp/3306\n 1  db-1 (192.168.0.132)\n    passed unseen: shop router",
        ),
        (
            &["web-1", "db-1:22", "-w", "0.3"],
            1,
            "traceroute from web-1 to db-1 (192.168.0.132), tcp/22\n    passed unseen: shop router\nnot reached: request dropped at sg-in:db-1 (ENI_SG_RULES_MISMATCH)",
        ),
    ] {
        let done = shop.vpclab(&[&["traceroute"], words].concat());
        // Two spaces stand before each time.
        let out = timeless(&done.stdout).lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n");
        assert_eq!(out, expected, "{}", text(&done.stderr));
        assert_eq!(done.status.code(), Some(code), "{words:?}");
    }
    let json = shop.json(&["traceroute", "office", "bastion", "tcp/22", "-o", "json"]);
    let expected = serde_json::json!(["igw", "shop router", "bastion"]);
    assert_eq!((&json["reached"], &json["passed"]), (&true.into(), &expected), "{json}");
}

#[test]
fn a_capture_of_all_hops_is_one_file_with_an_interface_a_hop() {
    let shop = Shop::up();
    let path = shop.home.path().join("all.pcapng");
    let capture = shop.capturing(&["--all-hops", "-w", path.to_str().unwrap(), "icmp"]);
    assert!(shop.vpclab(&["ping", "db-1", "internet", "-c", "1"]).status.success());
    // What passed is in the file before the capture ends: a reader sees it live.
    let deadline = Instant::now() + Duration::from_secs(60);
    while blocks(&std::fs::read(&path).unwrap(), 6).len() < 20 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    let packets = blocks(&std::fs::read(&path).unwrap(), 6);
    interrupt(&capture);
    assert_eq!(ended(capture).0, Some(0));
    let bytes = std::fs::read(&path).unwrap();
    let interfaces: Vec<String> = blocks(&bytes, 1).iter().map(|body| option(&body[8..], 2)).collect();
    assert_eq!(interfaces, ["bastion", "db-1", "web-1", "web-2", "shop router", "nat public-a", "igw", "internet"]);
    assert_eq!(blocks(&bytes, 6), packets, "nothing more came");
    assert_eq!(blocks(&bytes, 5).len(), interfaces.len(), "counts at the end");
    let way: Vec<String> = packets.iter().map(|packet| interfaces[word(packet, 0)].clone()).collect();
    let there = "db-1 shop_router shop_router nat_public-a nat_public-a shop_router shop_router igw igw internet";
    let expected: Vec<String> = there.split(' ').chain(there.split(' ').rev()).map(|name| name.replace('_', " ")).collect();
    assert_eq!(way, expected);
    // IPv4 source, behind the block's fields and the Ethernet header: before and behind each translation.
    let source = |packet: &Vec<u8>| packet[20 + 26..20 + 30].to_vec();
    let public = public_address(&shop);
    let sources: Vec<Vec<u8>> = packets[..10].iter().map(source).collect();
    assert_eq!(sources[..4], vec![vec![192, 168, 0, 132]; 4]);
    assert_eq!(sources[4..8], vec![vec![192, 168, 0, 5]; 4]);
    assert_eq!(sources[8..], vec![public; 2]);
}

/// The public address of the NAT gateway, as a trace from outside would see it.
fn public_address(shop: &Shop) -> Vec<u8> {
    let capture = shop.capturing(&["internet", "-c", "1", "-o", "json", "icmp"]);
    assert!(shop.vpclab(&["ping", "db-1", "internet", "-c", "1"]).status.success());
    let (code, out) = ended(capture);
    assert_eq!(code, Some(0));
    let line: Value = serde_json::from_slice(&out).unwrap();
    let address: std::net::Ipv4Addr = line["source"].as_str().unwrap().parse().unwrap();
    address.octets().to_vec()
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// The bodies of whole blocks of a kind.
fn blocks(mut bytes: &[u8], kind: usize) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while bytes.len() >= 12 && bytes.len() >= word(bytes, 4) {
        let length = word(bytes, 4);
        assert_eq!(word(bytes, length - 4), length);
        if word(bytes, 0) == kind {
            found.push(bytes[8..length - 4].to_vec());
        }
        bytes = &bytes[length..];
    }
    found
}

/// An option's text.
fn option(mut options: &[u8], wanted: usize) -> String {
    while options.len() >= 4 {
        let (code, length) = (word(options, 0) & 0xffff, word(options, 0) >> 16);
        if code == wanted {
            return text(&options[4..4 + length]);
        }
        options = &options[4 + length.next_multiple_of(4)..];
    }
    String::new()
}

#[test]
fn a_capture_ends_with_its_reader_its_count_its_time_and_its_lab() {
    let shop = Shop::up();
    let mut capture = shop.capturing(&["web-1", "-w", "-"]);
    drop(capture.stdout.take());
    assert_eq!(ended(capture), (Some(0), Vec::new()), "nobody reads, and no packet passed to notice it by");

    let capture = shop.capturing(&["web-1", "-c", "1", "icmp", "and", "dst", "host", "web-1"]);
    assert!(shop.vpclab(&["ping", "web-1", "internet", "-c", "2", "-i", "0.05", "-W", "30"]).status.success());
    let (code, out) = ended(capture);
    let line = text(&out);
    assert!(line.contains(" web-1 in: IP 198.18.0.1 > 192.168.0.4: ICMP echo reply"), "{line}");
    assert_eq!((code, line.lines().count()), (Some(0), 1));

    assert_eq!(ended(shop.capturing(&["nat", "--duration", "0.1"])), (Some(0), Vec::new()));

    let capture = shop.capturing(&["internet"]);
    assert!(shop.daemon.take_down("shop").unwrap().existed);
    assert_eq!(ended(capture).0, Some(0));

    let done = shop.vpclab(&["capture", "internet"]);
    assert_eq!(done.status.code(), Some(2), "{}", text(&done.stderr));
}

#[test]
fn a_capture_that_makes_no_sense_is_refused() {
    let shop = Shop::up();
    for (words, expected) in [
        (&[][..], "error: where?"),
        (&["web-7"], "hint: there are: bastion, db-1, web-1, web-2, shop router, nat public-a, igw, internet"),
        (&["web-1", "hots", "x"], "error: filter: `hots` is no word of a filter and nothing in this lab"),
        (&["web-1", "tcp", "and"], "error: filter: the filter ends too early"),
        (&["web-1", "-d", "1e99"], "error: --duration "),
    ] {
        let done = shop.vpclab(&[&["capture"], words].concat());
        assert!(text(&done.stderr).contains(expected), "{words:?}: {}", text(&done.stderr));
        assert_eq!((done.status.code(), done.stdout), (Some(2), Vec::new()), "{words:?}");
    }
    let done = shop.vpclab(&["capture", "web-1", "-w", "/nowhere/x.pcapng"]);
    assert_eq!(done.status.code(), Some(2), "{}", text(&done.stderr));
}

#[test]
fn many_clients_of_one_port_are_told_apart() {
    let shop = Shop::up();
    let (holder, database): (_, SocketAddr) = (shop.holder(), "192.168.0.132:3306".parse().unwrap());
    let client = |from: &str| {
        let socket = holder.open_socket(SocketSpec::tcp(shop.namespace(from), false)).unwrap();
        rustix::net::connect(&socket, &database).unwrap();
        TcpStream::from(socket)
    };
    let clients = ["web-1", "web-1", "web-2"].map(client);
    let rows = || -> Vec<Value> { shop.json(&["sockets", "db-1", "-o", "json"]).as_array().unwrap().clone() };
    let established = |rows: &[Value]| rows.iter().filter(|row| row["state"] == "ESTABLISHED" && row["local"]["port"] == 3306).count();
    let deadline = Instant::now() + Duration::from_secs(60);
    while established(&rows()) < 3 && Instant::now() < deadline {}
    let seen = rows();
    assert_eq!(established(&seen), 3, "{seen:?}");
    let mut peers: Vec<&str> = seen.iter().filter_map(|row| row["remote"]["name"].as_str()).collect();
    peers.sort_unstable();
    assert_eq!(peers, ["web-1", "web-1", "web-2"]);
    assert_eq!(seen[0]["state"], "LISTEN", "{seen:?}");
    assert_eq!(seen[0]["processes"].as_array().map(Vec::len), Some(1), "the instance's own listener: {seen:?}");
    let table = text(&shop.vpclab(&["sockets", "web-1"]).stdout);
    let own = |line: &&str| line.contains("ESTABLISHED") && line.contains("192.168.0.132:3306") && line.contains("db-1") && line.contains("/");
    assert_eq!(table.lines().filter(own).count(), 2, "{table}");
    drop(clients);
    assert!(text(&shop.vpclab(&["sockets", "db-1", "-L"]).stdout).lines().count() == 2, "a heading and the listener");
}

#[test]
fn an_instance_whose_routes_are_gone_is_where_packets_end() {
    let shop = Shop::up();
    shop.shell("web-1", "ip route del default");
    for (from, to, packet, said) in [
        ("web-1", "db-1", "tcp/3306", "filtered at web-1 itself"),
        ("web-1", "internet", "icmp/echo", "filtered at web-1 itself"),
        ("bastion", "web-1", "tcp/22", "reply filtered at web-1 itself"),
        ("web-2", "db-1", "tcp/3306", "open"),
    ] {
        let done = shop.vpclab(&["check", "--lab", "shop", from, to, packet]);
        let out = text(&done.stdout);
        let hints = text(&done.stderr);
        assert!(out.ends_with(&format!(": {said}\n")), "{from} {to} {packet}: {out}{hints}");
        assert_eq!(done.status.code(), Some(i32::from(said != "open")));
        assert_eq!(hints.contains("`ip route add default via 192.168.0.1 dev eth0 onlink`"), said != "open", "{hints}");
    }
    for command in [&["ping", "-c1", "web-1", "db-1"][..], &["traceroute", "web-1", "db-1"]] {
        let done = shop.vpclab(&[command, &["--lab", "shop"]].concat());
        assert_eq!(done.status.code(), Some(1), "{}", text(&done.stderr));
        assert!(text(&done.stdout).contains("request dropped at web-1"), "{}", text(&done.stdout));
        assert!(text(&done.stderr).contains("vpclab exec web-1 -- ip route"), "{}", text(&done.stderr));
    }
    // What the hint leads to repairs it.
    assert!(shop.shell("web-1", "ip route add default via 192.168.0.1 dev eth0 onlink").success());
    let done = shop.vpclab(&["check", "--lab", "shop", "web-1", "db-1", "tcp/3306"]);
    assert_eq!(done.status.code(), Some(0), "{}{}", text(&done.stdout), text(&done.stderr));
}

#[test]
fn a_stopped_instance_is_said_to_be_stopped() {
    let shop = Shop::up();
    let claims = shop.home.path().join("claims.yaml");
    std::fs::write(&claims, "expect:\n  - internet -> web-1 icmp/echo: allowed\n  - web-1 -> db-1 tcp/3306: open\n").unwrap();
    let hint = "web-1 is stopped: vpclab start web-1";
    let tried = |engine| {
        let done = shop.vpclab(&["test", "--lab", "shop", "--engine", engine, "--expect", claims.to_str().unwrap()]);
        (text(&done.stdout), done.status.code())
    };
    assert!(!tried("proof").0.contains("stopped"));
    assert_eq!(shop.vpclab(&["stop", "web-1"]).status.code(), Some(0));
    for engine in ["proof", "linux"] {
        let (out, code) = tried(engine);
        assert_eq!((out.matches(hint).count(), code), (2, Some(1)), "{engine}: {out}");
        assert!(out.contains("internet -> web-1 icmp/echo: no public address (same for icmp/8)\n         web-1 is stopped"), "{out}");
    }
    for arguments in [
        &["check", "internet", "web-1", "tcp/80"][..],
        &["check", "bastion", "web-1", "tcp/22"],
        &["check", "web-1", "db-1", "tcp/3306"],
        &["ping", "-c1", "bastion", "web-1"],
        &["ping", "-c1", "internet", "web-1"],
    ] {
        let done = shop.vpclab(&[arguments, &["--lab", "shop"]].concat());
        let said = text(&done.stderr);
        assert_eq!((done.status.code(), said.matches(hint).count()), (Some(1), 1), "{arguments:?}: {said}");
    }
}

#[test]
fn quiet_prints_nothing_when_all_went_well() {
    let shop = Shop::up();
    let file = shop.home.path().join("shop.yaml");
    let described = std::fs::read_to_string(SHOP).unwrap().replace("tcp/3306 from sg:web", "tcp/3307 from sg:web");
    std::fs::write(&file, described).unwrap();
    // The first changes something, the second nothing.
    for changes in [true, false] {
        let done = shop.vpclab(&["up", "-q", file.to_str().unwrap()]);
        assert_eq!(done.status.code(), Some(0));
        assert_eq!((text(&done.stdout), text(&done.stderr)), (String::new(), String::new()), "changes: {changes}");
    }
    let done = shop.vpclab(&["check", "-q", "--lab", "shop", "web-1", "db-1", "tcp/3306"]);
    assert_eq!(done.status.code(), Some(1), "the change is in: {}", text(&done.stdout));
}

#[test]
fn a_built_in_listener_is_no_ssh_server_and_does_not_pretend_to_be_one() {
    let shop = Shop::empty();
    let up = shop.vpclab(&["up", "-f", SHOP]);
    assert_eq!(up.status.code(), Some(0), "{}", text(&up.stderr));
    // Whoever sends on would wait for ever for what never ends.
    let line = "exec 3<>/dev/tcp/192.168.0.4/22; printf 'SSH-2.0-test\\r\\n' >&3; timeout 10 cat <&3; echo $?";
    let done = shop.vpclab(&["exec", "--lab", "shop", "bastion", "--", "bash", "-c", line]);
    let said = text(&done.stdout);
    assert!(said.starts_with("web-1 192.168.0.4:22 sees you as 192.168.0."), "{said}{}", text(&done.stderr));
    assert!(!said.contains("SSH-2.0-test") && said.ends_with("\n0\n"), "{said}");
}
