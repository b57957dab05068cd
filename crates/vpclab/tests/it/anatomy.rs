//! `anatomy` of containers and instances that run, held against what the kernel says elsewhere.
#![cfg(target_os = "linux")]

use serde_json::Value;

use crate::boxes::Desk;

fn json(desk: &Desk, words: &[&str]) -> Value {
    let text = desk.yes(&[&["-o", "json", "anatomy"], words].concat());
    serde_json::from_str(&text).unwrap()
}

/// Columns of a command in an instance or container.
fn said(desk: &Desk, words: &[&str]) -> String {
    desk.yes(words).trim().to_owned()
}

#[test]
fn a_container_is_shown_as_the_kernel_has_it() {
    let desk = Desk::new("");
    desk.yes(&["up"]);
    let run = ["containers", "run", "-d", "--name", "one", "--instance", "web-1", "-p", "8080:80", "-v", "data:/data", "-v", "/opt:/opt:ro", "--cap-add", "NET_ADMIN"];
    desk.yes(&[&run[..], &["--cap-drop", "CHOWN", "--security-opt", "no-new-privileges", "app", "sh", "-c", "echo x > /own; sleep 1000 & wait"]].concat());
    desk.yes(&["containers", "run", "-d", "--name", "two", "--instance", "web-1", "app", "sleep", "1000"]);
    let found = json(&desk, &["one"]);
    assert_eq!(found["schema"], "vpclab-anatomy/1");
    // One kernel, by three who say so.
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    for who in ["machine", "instance", "container"] {
        assert_eq!(found["kernel"][who], kernel.trim(), "{who}");
    }
    // The instance's own process list has the numbers that are shown for it, and this machine's the others.
    let own: Vec<&Value> = found["processes"].as_array().unwrap().iter().filter(|one| one["role"] == "container").collect();
    assert_eq!(own.iter().map(|one| one["container"].as_i64().unwrap()).min(), Some(1), "{own:?}");
    for process in &own {
        let number = process["instance"].as_i64().unwrap();
        let there = said(&desk, &["exec", "web-1", "--", "ps", "-o", "args=", "-p", &number.to_string()]);
        assert_eq!(there, process["command"].as_str().unwrap());
        let here = std::fs::read_to_string(format!("/proc/{}/cmdline", process["machine"])).unwrap();
        assert_eq!(here.trim_end_matches('\0').replace('\0', " "), there);
    }
    // Namespaces by their inodes, as the container's own links have them.
    for one in found["namespaces"].as_array().unwrap() {
        let kind = one["kind"].as_str().unwrap();
        let link = std::fs::read_link(format!("/proc/{}/ns/{kind}", own[0]["machine"]));
        // Who is not root sees those of its own processes only.
        if let Ok(link) = link {
            assert_eq!(link.to_string_lossy(), format!("{kind}:[{}]", one["inode"]));
        }
        let instance = said(&desk, &["exec", "web-1", "--", "readlink", &format!("/proc/self/ns/{kind}")]);
        assert_eq!(instance, format!("{kind}:[{}]", one["instance"]), "{kind}");
        let is_shared = matches!(kind, "user" | "time");
        assert_eq!(one["is_own"], !is_shared, "{one}");
        assert_eq!(one["inode"] == one["instance"], is_shared, "{one}");
    }
    // The root, and what was written.
    assert_eq!((found["root"]["root_of_first"].as_str(), found["root"]["file_system"].as_str()), (Some("/"), Some("overlay")));
    assert_eq!(found["root"]["layers"].as_array().unwrap().len(), 1);
    assert_eq!(found["root"]["layers"][0]["shared_by"], 1);
    let written: Vec<&str> = found["root"]["own"]["entries"].as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    assert!(written.contains(&"/own"), "{written:?}");
    // Rights.
    assert_eq!(found["rights"]["beyond_docker"], serde_json::json!(["NET_ADMIN"]));
    assert_eq!(found["rights"]["taken_away"], serde_json::json!(["CHOWN"]));
    assert_eq!((found["rights"]["no_new_privileges"].as_bool(), found["rights"]["seccomp"].as_str()), (Some(true), Some("filter")));
    // Mounts: what survives, and what may be written.
    let mount = |target: &str| found["mounts"].as_array().unwrap().iter().find(|one| one["target"] == target).unwrap().clone();
    assert_eq!((mount("/data")["kind"].as_str(), mount("/data")["survives"].as_bool()), (Some("volume"), Some(true)));
    assert_eq!((mount("/opt")["kind"].as_str(), mount("/opt")["is_read_only"].as_bool()), (Some("bind"), Some(true)));
    assert_eq!(mount("/proc/sys")["kind"], "mask");
    // The cable: each end says the index of the other, and the bridge has both containers.
    let cable = &found["network"]["cables"][0];
    assert_eq!((&cable["inside"]["peer"], &cable["outside"]["peer"]), (&cable["outside"]["index"], &cable["inside"]["index"]));
    let index = said(&desk, &["exec", "web-1", "--", "cat", &format!("/sys/class/net/{}/ifindex", cable["outside"]["name"].as_str().unwrap())]);
    assert_eq!(index, cable["outside"]["index"].to_string());
    let bridge = &found["network"]["bridges"][0];
    assert_eq!((bridge["device"]["name"].as_str(), bridge["members"].as_array().unwrap().len()), (Some("docker0"), 2));
    assert_eq!(found["network"]["published"][0]["port"], 8080);
    let rules: Vec<&str> = found["network"]["rules"].as_array().unwrap().iter().map(|rule| rule["does"].as_str().unwrap()).collect();
    assert!(rules.contains(&"dnat") && rules.contains(&"masquerade"), "{rules:?}");
    assert!(found["network"]["resolver"][0].as_str().unwrap().starts_with("nameserver "));
    // By its instance's name too; the instance itself; one that nobody has.
    assert_eq!(json(&desk, &["web-1/one"])["subject"]["id"], found["subject"]["id"]);
    let instance = json(&desk, &["web-1"]);
    assert_eq!(instance["subject"]["containers"], serde_json::json!({"one": "running", "two": "running"}));
    let programs = instance["processes"].as_array().unwrap().iter().filter(|one| one["role"] == "container").count();
    assert!(programs >= 3, "{instance:#}");
    let wrong = desk.run(&["anatomy", "onne"]);
    assert!(wrong.code != 0 && wrong.stderr.contains("did you mean `one`?"), "{}", wrong.stderr);
    // A picture, and one that is none.
    desk.yes(&["anatomy", "one", "-w", "one.svg"]);
    assert!(std::fs::read_to_string(desk.path("one.svg")).unwrap().contains("docker0"));
    assert_eq!(desk.run(&["anatomy", "one", "-w", "one.png"]).code, 2);
    // What is left of one that ended.
    desk.yes(&["containers", "kill", "one"]);
    let left = json(&desk, &["one"]);
    assert_eq!((left["subject"]["exit_code"].as_i64(), left["subject"]["is_alive"].as_bool()), (Some(137), Some(false)));
    assert_eq!((left["processes"].as_array().unwrap().len(), left["namespaces"].as_array().unwrap().len()), (0, 0));
    assert!(!left["root"]["own"]["entries"].as_array().unwrap().is_empty());
    assert!(desk.yes(&["anatomy", "one"]).contains("does not run"));
}

#[test]
fn networks_that_are_no_bridge_are_shown_as_they_are() {
    let desk = Desk::new("");
    desk.yes(&["up"]);
    for (name, network) in [("at-home", "host"), ("alone", "none"), ("owner", "bridge")] {
        desk.yes(&["containers", "run", "-d", "--name", name, "--instance", "web-1", "--network", network, "app", "sleep", "1000"]);
    }
    desk.yes(&["containers", "run", "-d", "--name", "guest", "--instance", "web-1", "--network", "container:owner", "--init", "app", "sleep", "1000"]);
    let net = |found: &Value| found["namespaces"].as_array().unwrap().iter().find(|one| one["kind"] == "net").unwrap()["shared_with"].clone();
    let home = json(&desk, &["at-home"]);
    assert_eq!(net(&home), serde_json::json!(["instance web-1"]));
    assert!(home["network"]["devices"].as_array().unwrap().iter().any(|device| device["addresses"][0].as_str().is_some_and(|own| own.starts_with("10.0.1."))));
    let alone = json(&desk, &["alone"]);
    assert_eq!(alone["network"]["devices"].as_array().unwrap().len(), 1);
    let (owner, guest) = (json(&desk, &["owner"]), json(&desk, &["guest"]));
    assert_eq!(net(&owner), serde_json::json!(["container guest"]));
    assert_eq!(owner["network"]["devices"][1]["mac"], guest["network"]["devices"][1]["mac"]);
    // With an init of ours in front the program is the second, and everything of it is shown all the same.
    assert!(guest["rights"]["seccomp"] == "filter" || guest["rights"]["seccomp"] == "disabled", "{}", guest["rights"]);
    assert_eq!(guest["processes"].as_array().unwrap().iter().filter(|one| one["role"] == "container").count(), 2);
}
