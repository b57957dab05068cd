//! Lans with real packets: a classroom is brought up, asked, edited, and taken down.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use control::client::Daemon;
use control::paths::Paths;
use rustix::process::{Pid, Signal, kill_process};

use crate::home::Home;

const CLASSROOM: &str = include_str!("../../../../docs/classroom.yaml");

/// The routers of the page about lans, its web server at a port more.
const CAMPUS: &str = "
lans:
  campus:
    switches: [sw-1, sw-2]
    routers:
      r-1:
        interfaces: { eth0: 10.0.1.1/24, eth1: 203.0.113.2/30, serial0: [] }
        routes: [10.0.2.0/24 dev serial0, default via 203.0.113.1]
        nat: eth1
        filter: [allow tcp/80 to 10.0.1.10, allow icmp/echo in eth1, deny all in eth1]
      r-2: { interfaces: { eth0: 10.0.2.1/24, serial0: [] }, routes: [default dev serial0] }
      isp: { interfaces: { eth0: 203.0.113.1/30 }, routes: [10.0.1.0/24 via 203.0.113.2] }
    hosts:
      web: { address: 10.0.1.10/24, gateway: 10.0.1.1, serve: http, listen: tcp/81 }
      pc: { address: 10.0.2.10/24, gateway: 10.0.2.1 }
    links:
      - web, r-1:eth0 -- sw-1
      - pc, r-2:eth0 -- sw-2
      - r-1:serial0 -- r-2:serial0 ppp
      - r-1:eth1 -- isp 1G fiber 20km
";

#[test]
fn a_classroom_is_up_and_says_what_is_the_simulators() {
    let home = Home::with_lab(CLASSROOM);
    let up = home.run(&["up"]);
    assert_eq!(up.code, 0, "{}", up.stderr);
    for note in [
        "note: collisions of hub-1 are the simulator's alone",
        "note: r-1:serial0 -- r-2:serial0: a serial line carries packets as Ethernet frames here, PPP and HDLC are the simulator's",
        "note: r-1 and r-2 have the routes that RIP ends with; to see it spoken, play it in the simulator",
    ] {
        assert!(up.stderr.contains(note), "{note}\n{}", up.stderr);
    }
    assert!(up.stdout.contains("0 instances, 12 devices running"), "{}", up.stdout);
    assert!(home.yes(&["exec", "pc-1", "--", "ip", "-o", "-4", "address"]).contains("10.0.1.11/24"));
    assert!(home.yes(&["exec", "sw-1", "--", "ls", "/sys/class/net"]).contains("port4"));
    assert!(home.yes(&["exec", "server", "--", "hostname"]).contains("server"));

    let ping = home.yes(&["ping", "pc-1", "server", "-c", "2", "-i", "0.1"]);
    assert!(ping.contains("2 received") && ping.contains("ttl=62"), "{ping}");
    let trace = home.yes(&["traceroute", "pc-1", "server"]);
    let hops: Vec<&str> = trace.lines().filter_map(|line| ["10.0.1.1", "10.0.9.2", "10.0.3.10"].into_iter().find(|a| line.contains(a) && !line.starts_with('t'))).collect();
    assert_eq!(hops, ["10.0.1.1", "10.0.9.2", "10.0.3.10"], "{trace}");
    assert!(home.yes(&["inspect", "pc-1"]).contains("10.0.1.11/24"));
    let refused = home.run(&["check", "pc-1", "server", "tcp/81"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, "pc-1 -> 10.0.3.10: refused\n"), "{}", refused.stderr);
}

/// The verdict at the end of what a command prints: `open`, `refused`, or neither.
fn verdict(text: &str) -> &'static str {
    let last = text.trim_end().lines().last().unwrap_or_default();
    match () {
        () if last.ends_with(": open") => "open",
        () if last.contains("refused") => "refused",
        () => "neither",
    }
}

#[test]
fn the_kernel_and_the_simulator_give_the_same_verdicts() {
    let classroom = ["pc-1 server tcp/80", "pc-1 server tcp/81", "pc-4 pc-1 icmp/echo", "pc-1 pc-2 tcp/22", "server pc-6 icmp/echo", "pc-2 server udp/7", "pc-2 server udp/9", "pc-3 server tcp/23"];
    let campus = ["pc web tcp/80", "pc web tcp/22", "web isp icmp/echo", "isp web tcp/80", "isp web tcp/81", "isp web icmp/echo", "pc isp tcp/22", "isp pc icmp/echo"];
    let mut seen = BTreeSet::new();
    for (lab, questions) in [(CLASSROOM, classroom), (CAMPUS, campus)] {
        let home = Home::with_lab(lab);
        home.yes(&["up"]);
        for question in questions {
            let words: Vec<&str> = question.split(' ').collect();
            let kernel = home.run(&[&["check"], &words[..]].concat());
            let simulator = home.run(&[&["sim", "check"], &words[..]].concat());
            assert_eq!(verdict(&kernel.stdout), verdict(&simulator.stdout), "{question}\n{}{}\n{}", kernel.stdout, kernel.stderr, simulator.stdout);
            seen.insert(verdict(&kernel.stdout));
        }
    }
    assert_eq!(seen, BTreeSet::from(["neither", "open", "refused"]), "questions with every answer were asked");
}

#[test]
fn a_capture_shows_a_hub_repeat_and_a_switch_choose() {
    let home = Home::with_lab(CLASSROOM);
    home.yes(&["up"]);
    let heard = |at: &str, from: &str, to: &str| {
        home.yes(&["ping", from, to, "-c", "1"]);
        let mut capture = home.command(&["capture", at, "icmp", "-d", "3"]);
        let capture = capture.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_secs(1));
        home.yes(&["ping", from, to, "-c", "1"]);
        let seen = String::from_utf8(capture.wait_with_output().unwrap().stdout).unwrap();
        seen.lines().filter(|line| line.contains("in from")).count()
    };
    assert_eq!(heard("pc-3", "pc-1", "pc-2"), 2, "request and answer pass everybody at a hub");
    assert_eq!(heard("pc-6", "pc-4", "pc-5"), 0, "nobody else at a switch");
    assert_eq!(heard("sw-1", "pc-4", "pc-5"), 2, "but the switch");
}

#[test]
fn a_lab_with_lans_outlives_its_daemon_is_edited_and_leaves_nothing() {
    let home = Home::with_lab(CLASSROOM);
    home.yes(&["up"]);
    home.yes(&["exec", "pc-4", "--", "sh", "-c", "echo kept > /root/note"]);
    let daemon = Daemon::find(Paths { home: home.path("home") }).unwrap().unwrap();
    let pid = Pid::from_raw(i32::try_from(daemon.about().unwrap().pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    // Questions start no daemon; this does.
    assert!(home.yes(&["ls"]).contains("up"));
    assert_eq!(home.yes(&["check", "pc-1", "server", "tcp/80"]), "pc-1 -> 10.0.3.10: open\n");

    let more = CLASSROOM.replace("pc-6: {", "pc-7: { address: 10.0.2.17/24, gateway: 10.0.2.1 }\n      pc-6: {");
    home.write("lab.yaml", more.replace("pc-6, r-1:eth1 --", "pc-6, r-1:eth1, pc-7 --"));
    home.yes(&["up"]);
    assert_eq!(home.yes(&["check", "pc-7", "server", "tcp/80"]), "pc-7 -> 10.0.3.10: open\n");
    assert_eq!(home.yes(&["exec", "pc-4", "--", "cat", "/root/note"]), "kept\n", "others are what they were");

    home.write("lab.yaml", CLASSROOM.replace("5ms", "5ms down"));
    home.yes(&["up"]);
    assert_eq!(home.run(&["check", "pc-1", "server", "tcp/80"]).code, 1, "the line is down");
    home.yes(&["down"]);
    let begun = Instant::now();
    while home.path("home/labs/lab").exists() {
        assert!(begun.elapsed() < Duration::from_secs(20), "files of the lab are left");
        std::thread::sleep(Duration::from_millis(50));
    }
}

const CLAIMS: &str = "
lans:
  floor:
    switches: [sw-1, sw-2]
    routers: { r-1: { interfaces: { eth0: 10.0.1.1/24, eth1: 10.0.2.1/24 }, filter: [deny tcp/23 in eth0] } }
    hosts:
      pc-1: { address: 10.0.1.11/24, gateway: 10.0.1.1 }
      pc-2: 10.0.1.12/24
      server: { address: 10.0.2.10/24, gateway: 10.0.2.1, serve: [http, telnet, echo] }
    links:
      - pc-1, pc-2, r-1:eth0 -- sw-1
      - server, r-1:eth1 -- sw-2
expect:
  - pc-1 -> server tcp/80: open
  - pc-1 -> server udp/7: open
  - pc-1 -> server tcp/25: refused
  - pc-1 -> server tcp/23: blocked
  - pc-1 -> pc-2 icmp: allowed
  - pc-2 -> 10.0.2.10 tcp/80: no route
  - pc-1 -> 10.0.1.99 tcp/80: blocked
";

#[test]
fn claims_about_lans_are_tried_with_real_packets() {
    let home = Home::with_lab(CLAIMS);
    // In a lab of the command's own, whose listeners are the file's; then in the one that is up.
    let alone = home.run(&["test"]);
    assert!(alone.code == 0 && alone.stdout.contains("7 passed, 0 failed") && !alone.stdout.contains("by the sim engine"), "{}{}", alone.stdout, alone.stderr);
    home.yes(&["up"]);
    let up = home.run(&["test", "-o", "json"]);
    assert_eq!(up.code, 0, "{}{}", up.stdout, up.stderr);
    assert_eq!(up.stdout.matches("\"engine\": \"linux\"").count(), 7, "{}", up.stdout);
    // Somebody went in and stopped what forwards: the simulator knows nothing of that, real packets do.
    home.yes(&["exec", "r-1", "--", "sh", "-c", "ip link set eth1 down"]);
    let cut = home.run(&["test"]);
    assert_eq!(cut.code, 5, "{}{}", cut.stdout, cut.stderr);
    assert!(cut.stdout.contains("pc-1 -> server tcp/80: a real packet finds filtered, and the simulator says open"), "{}", cut.stdout);
}

#[test]
fn a_check_says_where_packets_of_a_lan_end() {
    let home = Home::with_lab(CLAIMS);
    home.yes(&["up"]);
    for (words, code, said) in [
        ("check pc-1 server tcp/23", 1, "r-1 (10.0.1.1) is the last who answers on the way"),
        ("check pc-2 10.0.2.10 tcp/80", 1, "no route leads to 10.0.2.10 from there"),
        ("check pc-1 10.0.1.99 tcp/80", 1, "nobody on the sender's own link answers for the next hop (ARP)"),
        ("check pc-1 server tcp/25", 1, "refused"),
        ("traceroute pc-2 10.0.2.10", 1, "not reached: pc-2 has no route to 10.0.2.10"),
        ("ping pc-1 10.0.1.99 -c 1", 1, "hint: vpclab sim check pc-1 10.0.1.99 icmp/echo"),
        ("logs pc-1", 2, "pc-1 is a host of lan floor, and no instance"),
        ("stop pc-1", 2, "pc-1 is a host of lan floor, and no instance"),
        ("ls lans", 0, "floor"),
        ("ls hosts", 0, "10.0.2.10/24"),
        ("ls links", 0, "server:eth0 -- sw-2:port1"),
        ("down", 0, "6 devices"),
    ] {
        let done = home.run(&words.split(' ').collect::<Vec<_>>());
        let all = format!("{}{}", done.stdout, done.stderr);
        assert!(done.code == code && all.contains(said), "{words}: {} not {code} with {said}\n{all}", done.code);
    }
}
