//! Flow logs of a lab that is up: what a command shows of them, and that no daemon need live for them.
#![cfg(target_os = "linux")]

use control::client::Daemon;
use control::paths::Paths;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::home::Home;

const LAB: &str = "outside: { office: 203.0.113.7 }
vpcs: { shop: { cidr: 10.0.0.0/16, subnets: { public: { cidr: 10.0.1.0/24, route: igw } } } }
security_groups: { web: [ tcp/80 from anywhere ] }
instances:
  web-1: { subnet: public, sg: web, public_ip: eip, listen: tcp/80 }
  web-2: { subnet: public, sg: web, public_ip: eip, listen: tcp/80 }
flow_logs:
  minutes: { vpc: shop, interval: 60, fields: [flow-direction] }
  stopped: { instance: web-2, traffic: reject, format: \"${srcaddr} ${dstport}\" }
";

fn records(home: &Home, arguments: &[&str]) -> Vec<Value> {
    let shown = home.yes(&[&["flowlogs", "--open", "-o", "json"], arguments].concat());
    serde_json::from_str(&shown).unwrap()
}

#[test]
fn what_was_counted_outlives_a_daemon_that_is_killed() {
    let home = Home::with_lab(LAB);
    home.yes(&["up"]);
    home.yes(&["check", "office", "web-1", "tcp/80"]);
    let before = records(&home, &["minutes", "--interface", "web-1", "--filter", "dstport=80"]);
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!((&before[0]["action"], &before[0]["srcaddr"]), (&"ACCEPT".into(), &"203.0.113.7".into()));

    // Not what was read already, and not what was counted since.
    assert_eq!(home.run(&["check", "office", "web-1", "tcp/22"]).code, 1);
    let daemon = Daemon::find(Paths { home: home.path("home") }).unwrap().unwrap();
    let pid = i32::try_from(daemon.about().unwrap().pid).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    drop(daemon);

    let after = records(&home, &["minutes", "--interface", "web-1", "--filter", "flow-direction=ingress"]);
    let shown: Vec<_> = after.iter().map(|record| (record["dstport"].as_u64().unwrap(), record["action"].as_str().unwrap())).collect();
    assert!(shown.contains(&(80, "ACCEPT")) && shown.contains(&(22, "REJECT")), "{shown:?}");
    assert_eq!(after.iter().find(|record| record["dstport"] == 80).map(|record| &record["packets"]), Some(&before[0]["packets"]));

    // A change of the lab loses nothing either: interfaces that stay and logs that stay go on.
    home.yes(&["stop", "web-2"]);
    let later = records(&home, &["minutes", "--interface", "web-1", "--filter", "dstport=22"]);
    assert!(!later.is_empty());
}

#[test]
fn a_flow_log_shows_what_it_is_asked_for() {
    let home = Home::with_lab(LAB);
    home.yes(&["up"]);
    for (host, port, code) in [("web-1", "tcp/22", 1), ("web-2", "tcp/80", 0), ("web-2", "tcp/23", 1)] {
        assert_eq!(home.run(&["check", "office", host, port]).code, code, "{host} {port}");
    }
    let stopped = home.yes(&["flowlogs", "stopped", "--open"]);
    assert!(stopped.starts_with("srcaddr dstport\n203.0.113.7 23\n"), "{stopped}");
    assert!(!stopped.contains(" 80\n") && !stopped.contains(" 22\n"), "only what is stopped, only there: {stopped}");
    let names: Vec<Value> = records(&home, &["minutes", "--subnet", "public", "--filter", "action=reject"]);
    let names: std::collections::BTreeSet<&str> = names.iter().map(|record| record["name"].as_str().unwrap()).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["web-1", "web-2"]);
    assert_eq!(records(&home, &["minutes", "--vpc", "shop", "--filter", "srcaddr=198.18.0.0/15"]), Vec::<Value>::new());
    // No window is over yet.
    let none = home.run(&["flowlogs", "minutes"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    assert!(none.stderr.contains("no window is over yet") && none.stderr.contains("--open"), "{}", none.stderr);
    let listed = home.yes(&["ls", "flow-logs", "-o", "csv"]);
    assert!(listed.contains("minutes,shop,ALL,60 s,minutes,fl-"), "{listed}");
}

#[test]
fn what_cannot_be_shown_says_what_can() {
    let home = Home::with_lab(LAB);
    home.yes(&["up"]);
    for (arguments, message, hint) in [
        (vec!["flowlogs", "minute"], "has no flow log `minute`", "did you mean `minutes`?"),
        (vec!["flowlogs", "fl-0"], "has no flow log `fl-0`", ""),
        (vec!["flowlogs", "--interface", "web-3"], "there is no interface `web-3`", "did you mean"),
        (vec!["flowlogs", "--subnet", "publik"], "there is no subnet `publik`", "did you mean `public`?"),
        (vec!["flowlogs", "--filter", "action"], "`action` is no FIELD=VALUE", "--filter action=REJECT"),
        (vec!["flowlogs", "--filter", "acton=REJECT"], "records have no field `acton`", "did you mean `action`?"),
        (vec!["flowlogs", "--filter", "action=REJECT"], "have no field `action`", "they have: srcaddr dstport"),
        (vec!["flowlogs", "-o", "csv"], "does not print as csv", "-o table"),
    ] {
        let done = home.run(&arguments);
        assert_eq!(done.code, 2, "{arguments:?}: {}", done.stderr);
        assert!(done.stderr.contains(message) && done.stderr.contains(hint), "{arguments:?}: {}", done.stderr);
    }
    home.write("lab.yaml", LAB.split("flow_logs:").next().unwrap());
    home.yes(&["up"]);
    let none = home.run(&["flowlogs"]);
    assert_eq!(none.code, 2);
    assert!(none.stderr.contains("has no flow logs") && none.stderr.contains("`flow_logs:`"), "{}", none.stderr);
}
