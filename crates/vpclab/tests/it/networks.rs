//! Networks of containers as a person types them: made, joined, left and removed while containers run, with names, addresses
//! and links.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::home::{Home, image};

const LAB: &str = "\
name: nets
vpcs:
  main:
    cidr: 10.0.0.0/16
    subnets:
      a: { cidr: 10.0.1.0/24 }
instances:
  web-1: { subnet: a }
  db-1: { subnet: a }
";

/// A home of this test's own, with a lab that is up and goes with it.
struct Desk(Home);

impl std::ops::Deref for Desk {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.0
    }
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk(Home::with_lab(LAB));
        desk.write("root.tar", image("sh cat sleep env", &[]));
        desk.yes(&["images", "import", "root.tar", "app", "--cmd", "sleep 1000"]);
        desk.yes(&["up"]);
        desk
    }

    /// Why it does not; with which code.
    fn no(&self, arguments: &[&str]) -> (i32, String) {
        let done = self.run(arguments);
        assert_ne!(done.code, 0, "{arguments:?}: {}", done.stdout);
        (done.code, done.stderr)
    }

    /// Starts a container in `web-1` that sleeps.
    fn start(&self, name: &str, flags: &[&str]) {
        let start = ["containers", "run", "-d", "--stop-signal", "KILL", "--instance", "web-1", "--name", name];
        self.yes(&[&start[..], flags, &["app"]].concat());
    }

    fn inside(&self, name: &str, words: &[&str]) -> String {
        self.yes(&[&["containers", "exec", name], words].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.yes(&[arguments, &["-o", "json"]].concat())).unwrap()
    }

    fn places(&self, name: &str) -> Value {
        self.json(&["containers", "inspect", name])[0]["NetworkSettings"]["Networks"].clone()
    }
}

#[test]
fn a_container_joins_and_leaves_networks_while_it_runs() {
    let desk = Desk::new();
    desk.yes(&["networks", "create", "--instance", "web-1", "front"]);
    let back = ["networks", "create", "--instance", "web-1", "--subnet", "10.88.0.0/24", "--ipv6", "--subnet", "fd88::/64", "back"];
    desk.yes(&back);
    let program = format!("{}:/bin/nc:ro", env!("CARGO_BIN_EXE_vpclab"));
    desk.start("web", &["--network", "front", "-p", "8080:80", "-v", &program]);
    desk.start("db", &["--network", "name=back,ip=10.88.0.7,ip6=fd88::7,alias=store", "-v", &program]);
    desk.yes(&["networks", "connect", "--alias", "site", "--ip", "10.88.0.9", "back", "web"]);
    let places = desk.places("web");
    assert_eq!(places["front"]["IPAddress"], "172.18.0.2");
    assert_eq!(places["back"]["IPAddress"], "10.88.0.9");
    assert_eq!(places["back"]["IPAMConfig"]["IPv4Address"], "10.88.0.9");
    assert_eq!(places["back"]["GlobalIPv6Address"], "fd88::2");
    assert_eq!(places["back"]["Aliases"][0], "site");
    let hosts = desk.inside("web", &["cat", "/etc/hosts"]);
    assert!(hosts.contains("172.18.0.2\t") && hosts.contains("10.88.0.9\t") && hosts.contains("fd88::2\t"), "{hosts}");
    // By name and address; the daemon answers names once it has seen them.
    let listen = ["containers", "exec", "-d", "db", "nc", "-l", "-k", "5432"];
    desk.yes(&listen);
    let deadline = Instant::now() + Duration::from_secs(20);
    for target in ["store", "10.88.0.7", "db.back"] {
        while desk.run(&["containers", "exec", "web", "nc", "-z", target, "5432"]).code != 0 {
            assert!(Instant::now() < deadline, "{target} is never reached");
        }
    }
    assert_eq!(desk.inside("web", &["cat", "/etc/resolv.conf"]).lines().next(), Some("nameserver 127.0.0.11"));

    let (code, why) = desk.no(&["networks", "connect", "back", "web"]);
    assert!(code == 1 && why.contains("endpoint with name web already exists in network back"), "{why}");
    let (code, why) = desk.no(&["networks", "rm", "back"]);
    assert!(code == 1 && why.contains("active endpoints (name:\"db\"") && why.contains("name:\"web\""), "{why}");
    let inside = desk.json(&["networks", "inspect", "back"]);
    assert_eq!(inside[0]["Containers"].as_object().unwrap().len(), 2);

    // Ports follow: first they lead by `back`, the first by name; then by what is left; an internal network has none.
    let ports = "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n";
    assert_eq!(desk.yes(&["containers", "port", "web"]), ports);
    desk.yes(&["networks", "disconnect", "back", "web"]);
    assert_eq!(desk.yes(&["containers", "port", "web"]), "80/tcp -> 0.0.0.0:8080\n");
    assert!(!desk.inside("web", &["cat", "/etc/hosts"]).contains("10.88.0.9"));
    desk.yes(&["networks", "create", "--instance", "web-1", "--internal", "vault"]);
    desk.yes(&["networks", "connect", "vault", "web"]);
    desk.yes(&["networks", "disconnect", "front", "web"]);
    assert_eq!(desk.yes(&["containers", "port", "web"]), "");
    // Whoever comes meanwhile has it; when it is let go, it is published again.
    desk.start("other", &["-p", "8080:80"]);
    let (_, why) = desk.no(&["networks", "connect", "front", "web"]);
    assert!(why.contains("container other publishes it"), "{why}");
    assert!(desk.places("web").get("front").is_none(), "what fails leaves it as it was");
    desk.yes(&["containers", "rm", "-f", "other"]);
    desk.yes(&["networks", "connect", "front", "web"]);
    assert_eq!(desk.yes(&["containers", "port", "web"]), "80/tcp -> 0.0.0.0:8080\n");
    // What was changed while it ran counts when it is started again.
    desk.yes(&["containers", "restart", "web"]);
    let names: Vec<String> = desk.places("web").as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["front", "vault"]);
    desk.yes(&["containers", "rm", "-f", "db"]);
    let (code, why) = desk.no(&["networks", "prune"]);
    assert!(code == 2 && why.contains("this removes 1 networks: back"), "{why}");
    assert_eq!(desk.yes(&["networks", "prune", "--yes"]), "back\n");
}

#[test]
fn a_link_is_a_line_in_hosts_and_variables() {
    let desk = Desk::new();
    desk.start("db", &["--expose", "5432", "-e", "USER=shop"]);
    desk.start("app", &["--link", "db:the-store"]);
    let hosts = desk.inside("app", &["cat", "/etc/hosts"]);
    assert!(hosts.contains("172.17.0.2\tthe-store ") && hosts.contains(" db\n"), "{hosts}");
    // A command in it has the container's own variables alone, as with Docker; its program has all.
    let variables = desk.inside("app", &["sh", "-c", "cat /proc/1/environ"]).replace('\0', "\n");
    for line in [
        "THE_STORE_PORT=tcp://172.17.0.2:5432",
        "THE_STORE_PORT_5432_TCP_ADDR=172.17.0.2",
        "THE_STORE_PORT_5432_TCP_PROTO=tcp",
        "THE_STORE_NAME=/app/the-store",
        "THE_STORE_ENV_USER=shop",
    ] {
        assert!(variables.lines().any(|other| other == line), "{line}: {variables}");
    }
    // The target comes back with another address, and the line follows it.
    desk.yes(&["containers", "stop", "db"]);
    let (_, why) = desk.no(&["containers", "run", "--rm", "--instance", "web-1", "--link", "db", "app"]);
    assert!(why.contains("Cannot link to a non running container: /db AS "), "{why}");
    desk.start("squatter", &[]);
    desk.yes(&["containers", "start", "db"]);
    let hosts = desk.inside("app", &["cat", "/etc/hosts"]);
    assert!(hosts.contains("172.17.0.4\tthe-store ") && !hosts.contains("172.17.0.2\tthe-store"), "{hosts}");
    let (_, why) = desk.no(&["containers", "run", "--rm", "--instance", "web-1", "--network", "host", "--link", "db", "app"]);
    assert!(why.contains("host type networking can't be used with links"), "{why}");
}

#[test]
fn addresses_are_kept_by_those_who_asked_for_them() {
    let desk = Desk::new();
    desk.yes(&["networks", "create", "--instance", "web-1", "--subnet", "10.88.0.0/24", "--label", "tier=back", "back"]);
    desk.start("db", &["--restart", "always", "--network", "back", "--ip", "10.88.0.2", "--mac-address", "02:00:00:00:00:07"]);
    desk.start("web", &["--restart", "always", "--network", "back"]);
    let addresses = || ["db", "web"].map(|name| desk.places(name)["back"]["IPAddress"].as_str().unwrap().to_owned());
    assert_eq!(addresses(), ["10.88.0.2", "10.88.0.3"]);
    assert_eq!(desk.places("db")["back"]["MacAddress"], "02:00:00:00:00:07");
    for (flags, why) in [
        (&["--network", "back", "--ip", "10.88.0.2"][..], "Address already in use in network back"),
        (&["--network", "back", "--ip", "10.9.0.3"][..], "no usable address of 10.88.0.0/24"),
        (&["--ip", "172.17.0.9"][..], "user specified IP address is supported on user defined networks only"),
        (&["--network", "back", "--ip6", "fd00::9"][..], "network back has no IPv6"),
        (&["--network", "back", "--mac-address", "02:00:00:00:00:07"][..], "container db has the same MAC address"),
        (&["--network", "beck"][..], "network beck not found"),
    ] {
        let (code, said) = desk.no(&[&["containers", "run", "--rm", "--instance", "web-1"][..], flags, &["app"]].concat());
        assert!(said.contains(why), "{flags:?} ends with {code}: {said}");
    }
    // The daemon comes back, and the instance; networks and addresses are what they were.
    let before = desk.json(&["networks", "inspect", "back"]);
    desk.yes(&["daemon", "stop"]);
    assert_eq!(desk.json(&["networks", "inspect", "back"]), before);
    desk.yes(&["stop", "web-1"]);
    desk.yes(&["start", "web-1"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !["db", "web"].iter().all(|name| desk.places(name)["back"]["IPAddress"] != "") {
        assert!(Instant::now() < deadline, "they never come back");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Whoever was first: the lowest address is free then, and still nobody's but the one who asked for it.
    assert_eq!(desk.places("db")["back"]["IPAddress"], "10.88.0.2");
    assert_eq!(desk.json(&["networks", "inspect", "back"])[0]["Labels"]["tier"], "back");
}

#[test]
fn networks_that_are_always_there_stay() {
    let desk = Desk::new();
    for name in ["bridge", "host", "none"] {
        let (code, why) = desk.no(&["networks", "rm", &format!("web-1/{name}")]);
        assert!(code == 1 && why.contains(&format!("{name} is a pre-defined network and cannot be removed")), "{why}");
        let (_, why) = desk.no(&["networks", "create", "--instance", "web-1", name]);
        assert!(why.contains(&format!("operation is not permitted on predefined {name} network")), "{why}");
    }
    let (_, why) = desk.no(&["networks", "create", "--instance", "web-1", "--subnet", "10.0.1.128/25", "back"]);
    assert!(why.contains("10.0.1.128/25 and the instance's route 10.0.1.0/24"), "{why}");
    desk.yes(&["networks", "create", "--instance", "web-1", "back"]);
    let (_, why) = desk.no(&["networks", "create", "--instance", "web-1", "back"]);
    assert!(why.contains("network with name back already exists"), "{why}");
    // Another instance's is another network.
    desk.yes(&["networks", "create", "--instance", "db-1", "back"]);
    let (code, why) = desk.no(&["networks", "inspect", "back"]);
    assert!(code == 2 && why.contains("web-1/back") && why.contains("db-1/back"), "{why}");
    desk.start("lone", &["--network", "none"]);
    let (_, why) = desk.no(&["networks", "connect", "back", "lone"]);
    assert!(why.contains("private (none) mode"), "{why}");
    let (_, why) = desk.no(&["networks", "connect", "host", "lone"]);
    assert!(why.contains("private (none) mode"), "{why}");
    assert_eq!(desk.json(&["networks", "inspect", "web-1/none"])[0]["Containers"].as_object().unwrap().len(), 1);
}
