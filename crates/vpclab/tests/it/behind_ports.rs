//! Behind published ports: what `why` says of a container is what real packets meet. Each question is asked of a lab that is
//! up, with `--verify`, and `check` sends one more: three answers that must agree, one row a cause.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::boxes::Desk;

const LAB: &str = "\
name: ways
vpcs:
  main:
    cidr: 10.0.0.0/16
    subnets:
      a: { cidr: 10.0.1.0/24 }
security_groups:
  web: [ tcp/8000-8999 from 10.0.1.0/24, udp/8000-8999 from 10.0.1.0/24 ]
  db: [ tcp/3306 from sg:web ]
instances:
  web-1:
    subnet: a
    sg: web
    containers:
      site: { image: app, command: [nc, -l, -k, '80'], mounts: 'NC:/bin/nc:ro', stop_signal: KILL, publish: [8080->80, 8081->81, '127.0.0.1:8082->80', 8083->80/udp] }
      shy: { image: app, command: [nc, -l, -k, 127.0.0.1, '80'], mounts: 'NC:/bin/nc:ro', stop_signal: KILL, publish: 8090->80 }
      gone: { image: app, command: [sh, -c, exit 3], publish: 8091->80 }
      back: { image: app, command: [nc, -l, -k, '80'], mounts: 'NC:/bin/nc:ro', stop_signal: KILL, networks: [back], publish: 8092->80 }
      mute: { image: app, command: [sleep, '1000'], stop_signal: KILL, cap_drop: [NET_RAW], publish: 8093->80 }
      alone: { image: app, command: [sleep, '1000'], stop_signal: KILL, networks: none }
  db-1:
    subnet: a
    sg: db
    containers:
      store: { image: app, command: [nc, -l, -k, '3306'], mounts: 'NC:/bin/nc:ro', stop_signal: KILL, publish: 3306->3306 }
  cl-1: { subnet: a }
";

fn desk() -> Desk {
    Desk::with(&LAB.replace("NC:", &format!("{}:", env!("CARGO_BIN_EXE_vpclab"))))
}

/// What `why` answers, what the packet it sends sees, and what `check` says.
fn ask(desk: &Desk, question: &str) -> (Value, i32, String) {
    let words: Vec<&str> = question.split(' ').collect();
    let done = desk.run(&[&["-o", "json", "why", "--verify"], &words[..]].concat());
    let answer: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{question}: {}{}", done.stdout, done.stderr));
    let check = desk.run(&[&["check"], &words[..]].concat());
    (answer, done.code, check.stdout.trim().rsplit(": ").next().unwrap_or_default().to_owned())
}

fn expect(desk: &Desk, question: &str, result: &str, code: Option<&str>) {
    let (answer, exit, check) = ask(desk, question);
    let said = format!("{question}: {answer:#} check says {check}");
    assert_eq!(answer["verified"]["agrees"], true, "{said}");
    assert_eq!(answer["result"], result, "{said}");
    assert_eq!(exit, i32::from(result != "open"), "{said}");
    // A filtered one is told with the stage that did it.
    let seen = if result == "unanswered" { "open" } else { result };
    assert!(check.starts_with(seen), "{said}");
    let stops = answer["request"]["blockers"].as_array().unwrap().last().map(|blocker| blocker["code"].clone());
    assert_eq!(stops.as_ref().and_then(Value::as_str), code, "{said}");
    if code.is_some_and(|code| code != "ENI_SG_RULES_MISMATCH") && code != Some("OTHER_PROTOCOL") {
        assert!(answer["next"].as_array().is_some_and(|next| !next.is_empty()), "what to type next is missing: {said}");
    }
}

#[test]
fn what_is_said_of_containers_is_what_packets_meet() {
    let desk = desk();
    desk.yes(&["up"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    for question in [["db-1", "web-1:8092"], ["web-1/site", "db-1:3306"], ["cl-1", "web-1:8080"]] {
        while question[0] != "db-1" && desk.run(&[&["check"], &question[..]].concat()).code != 0 {
            assert!(Instant::now() < deadline, "nobody listens: {question:?}");
        }
    }
    while desk.run(&["check", "web-1", "web-1/back:80"]).code != 0 {
        assert!(Instant::now() < deadline, "back does not listen");
    }
    for (question, result, code) in [
        ("cl-1 web-1:8080", "open", None),
        ("cl-1 web-1/site tcp/80", "open", None),
        ("cl-1 web-1:8092", "open", None),
        ("cl-1 web-1:8081", "refused", Some("NOBODY_LISTENS")),
        ("cl-1 web-1:8082", "refused", Some("PUBLISHED_ON_LOOPBACK")),
        ("cl-1 web-1:8083", "refused", Some("OTHER_PROTOCOL")),
        ("cl-1 web-1 udp/8083", "refused", Some("OTHER_PROTOCOL")),
        ("cl-1 web-1:8090", "refused", Some("LISTENS_ON_LOOPBACK")),
        ("cl-1 web-1:8091", "refused", Some("EXITED")),
        ("cl-1 web-1:8093", "refused", Some("NOBODY_LISTENS")),
        ("cl-1 web-1/mute tcp/8500", "filtered", Some("NOT_PUBLISHED")),
        ("cl-1 db-1/store tcp/3306", "filtered", Some("ENI_SG_RULES_MISMATCH")),
        ("web-1/site db-1 tcp/3306", "open", None),
        ("web-1/site db-1/store tcp/3306", "open", None),
        ("db-1/store web-1/site tcp/80", "open", None),
        ("web-1/alone db-1 tcp/3306", "filtered", Some("NO_NETWORK")),
        ("web-1/site web-1/back tcp/80", "filtered", Some("DIFFERENT_NETWORKS")),
        ("web-1/site web-1/shy tcp/80", "refused", Some("LISTENS_ON_LOOPBACK")),
        ("web-1/mute web-1/site tcp/80", "open", None),
        ("web-1/back web-1 tcp/8080", "open", None),
        ("web-1/site web-1 tcp/8080", "open", None),
        ("web-1 web-1/site tcp/80", "open", None),
    ] {
        expect(&desk, question, result, code);
    }
    // One that stands still takes connections, and nobody answers in them.
    desk.yes(&["containers", "pause", "site"]);
    expect(&desk, "cl-1 web-1:8080", "unanswered", Some("PAUSED"));
    desk.yes(&["containers", "unpause", "site"]);
    // Another's rules in the instance drop what is forwarded.
    let nft = "command -v nft >/dev/null && nft add table ip own && nft add chain ip own fwd '{ type filter hook forward priority 0; policy drop; }'";
    if desk.run(&["exec", "web-1", "--", "sh", "-c", nft]).code == 0 {
        expect(&desk, "cl-1 web-1:8080", "filtered", Some("FORWARD_DROPPED"));
        desk.yes(&["exec", "web-1", "--", "nft", "delete", "table", "ip", "own"]);
    }
    expect(&desk, "cl-1 web-1:8080", "open", None);
    // A ping from inside, and one of a container that may not.
    let pong = desk.run(&["ping", "-c", "1", "web-1/site", "web-1/shy"]);
    assert!(pong.code == 0 && pong.stdout.contains("1 received"), "{}{}", pong.stdout, pong.stderr);
    let why = desk.run(&["why", "web-1/mute", "web-1/site", "icmp/echo"]);
    assert!(why.code == 1 && why.stdout.contains("MISSING_CAPABILITY") && why.stdout.contains("cap_add: [NET_RAW]"), "{}", why.stdout);
    traces(&desk);
}

/// The way of a packet to a container and out of one: hops that answer, and the stages before and behind them.
fn traces(desk: &Desk) {
    let led = desk.yes(&["traceroute", "cl-1", "web-1:8080"]);
    assert!(led.contains("DNAT 8080 -> site 172.17.0.") && led.contains("listens on *:80"), "{led}");
    let named = desk.yes(&["traceroute", "cl-1", "web-1/site", "tcp/80"]);
    assert!(named.contains("to web-1/site (10.0.1.") && named.contains("), tcp/8080\n") && named.contains("DNAT 8080 -> site"), "{named}");
    // Out: its bridge is the first hop, and the other end sees the instance.
    let out = desk.yes(&["traceroute", "web-1/site", "db-1", "tcp/3306"]);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("traceroute from web-1/site to db-1 (10.0.1."), "{out}");
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {out}"));
    let order = ["ok  docker-bridge", "ok  docker-masquerade", " 1  docker0 of web-1 (172.17.0.1)", " 2  db-1 (10.0.1.", "ok  docker-publish  DNAT 3306"];
    assert!(order.map(at).is_sorted(), "{out}");
    // cl-1's security group lets nobody in.
    let denied = desk.run(&["traceroute", "-m", "3", "-w", "0.3", "web-1/site", "cl-1", "tcp/80"]);
    assert!(denied.code == 1 && denied.stdout.contains("docker0 of web-1") && denied.stdout.contains("not reached\n"), "{}", denied.stdout);
    assert!(denied.stderr.contains("hint: vpclab why web-1/site cl-1 tcp/80"), "{}", denied.stderr);
    // Within an instance there is no hop between.
    let near = desk.yes(&["traceroute", "web-1/site", "web-1/shy"]);
    assert!(near.contains(" 1  web-1/shy (172.17.0."), "{near}");
    let own = desk.yes(&["traceroute", "web-1", "web-1/site", "tcp/80"]);
    assert!(own.contains(" 1  web-1/site (172.17.0."), "{own}");
    let json: Value = serde_json::from_str(&desk.yes(&["-o", "json", "traceroute", "web-1/site", "db-1", "tcp/3306"])).unwrap();
    assert_eq!((&json["reached"], &json["hops"][0]["answers"][0]["name"]), (&true.into(), &"docker0 of web-1".into()), "{json:#}");
    assert_eq!(json["inside"][0]["stage"], "docker-bridge", "{json:#}");
    for (words, code, hint) in [
        (["web-1/gone", "db-1", "tcp/3306"], 1, "vpclab containers start web-1/gone"),
        (["web-1/alone", "db-1", "tcp/3306"], 1, "--network none"),
        (["cl-1", "web-1/site", "icmp/echo"], 2, "vpclab traceroute cl-1 web-1"),
        (["cl-1", "web-1/site", "tcp/9"], 2, "vpclab why cl-1 web-1/site tcp/9"),
    ] {
        let done = desk.run(&[&["traceroute"], &words[..]].concat());
        assert!(done.code == code && done.stderr.contains(hint), "{words:?}: {}: {}", done.code, done.stderr);
    }
}

#[test]
fn networks_that_are_internal_or_closed_are_what_packets_meet() {
    let desk = desk();
    desk.yes(&["up"]);
    let program = format!("{}:/bin/nc:ro", env!("CARGO_BIN_EXE_vpclab"));
    desk.yes(&["networks", "create", "--instance", "web-1", "--internal", "inner"]);
    desk.yes(&["networks", "create", "--instance", "web-1", "--opt", "com.docker.network.bridge.enable_icc=false", "quiet"]);
    for (name, network) in [("in-1", "inner"), ("in-2", "inner"), ("no-1", "quiet"), ("no-2", "quiet")] {
        desk.yes(&["containers", "run", "-d", "--name", name, "--instance", "web-1", "--network", network, "-v", &program, "app", "nc", "-l", "-k", "80"]);
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while desk.run(&["check", "web-1/in-1", "web-1/in-2:80"]).code != 0 || desk.run(&["check", "web-1", "web-1/no-2:80"]).code != 0 {
        assert!(Instant::now() < deadline, "nobody listens");
    }
    for (question, result, code) in [
        ("web-1/in-1 web-1/in-2 tcp/80", "open", None),
        ("web-1/in-1 db-1 tcp/3306", "filtered", Some("INTERNAL_NETWORK")),
        ("web-1/no-1 web-1/no-2 tcp/80", "filtered", Some("ICC_OFF")),
        ("web-1/no-1 db-1 tcp/3306", "open", None),
        ("web-1/no-1 web-1/in-1 tcp/80", "filtered", Some("DIFFERENT_NETWORKS")),
    ] {
        expect(&desk, question, result, code);
    }
}

#[test]
fn a_file_alone_says_what_it_can_and_no_more() {
    let desk = desk();
    let ask = |words: &str| desk.run(&[&["-o", "json", "why"], &words.split(' ').collect::<Vec<_>>()[..]].concat());
    let answer = |words: &str| serde_json::from_str::<Value>(&ask(words).stdout).unwrap();
    // Whether the program listens is in no file.
    assert_eq!((answer("cl-1 web-1:8080")["result"].clone(), ask("cl-1 web-1:8080").code), ("unknown".into(), 0));
    assert_eq!((answer("cl-1 web-1:8082")["result"].clone(), ask("cl-1 web-1:8082").code), ("refused".into(), 1));
    assert_eq!(answer("web-1/site web-1/back tcp/80")["request"]["blockers"][0]["code"], "DIFFERENT_NETWORKS");
    assert_eq!(answer("web-1/alone db-1:3306")["result"], "filtered");
    let denied = answer("cl-1 db-1/store tcp/3306");
    let stages: Vec<&str> = denied["request"]["hops"].as_array().unwrap().iter().map(|hop| hop["stage"].as_str().unwrap()).collect();
    assert!(stages.ends_with(&["docker-publish", "docker-bridge", "listener"]), "it goes on down to the listener: {stages:?}");
    let wrong = desk.run(&["why", "web-1/sitte", "db-1:3306"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("did you mean `site`?"), "{}", wrong.stderr);
    let sends = desk.run(&["check", "web-1/site", "db-1:3306"]);
    assert!(sends.code == 2 && sends.stderr.contains("vpclab up"), "{}", sends.stderr);
}
