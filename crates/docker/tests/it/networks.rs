//! `/networks` as the docker CLI and compose use it.

use std::process::Command;

use container::engine::Options;
use container::import::{Settings, root_file_system};
use container::network::NetworkMode;
use container::tar::{Kind, Writer};
use serde_json::{Value, json};

use crate::common::{Answer, Desk, entry};

fn post(desk: &Desk, path: &str, body: &Value) -> Answer {
    desk.send("POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
}

fn create(desk: &Desk, body: &Value) -> String {
    let answer = post(desk, "/v1.50/networks/create", body).is(201).json();
    assert_eq!(answer["Warning"], "");
    answer["Id"].as_str().unwrap().to_owned()
}

/// `filters=` as clients write it.
fn filters(json: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let encoded = json.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    format!("filters={}", encoded.collect::<String>())
}

/// What was refused, and why.
fn message(answer: Answer, status: u16) -> String {
    answer.is(status).json()["message"].as_str().unwrap().to_owned()
}

/// A container that sleeps, made of this machine's `sleep` and its libraries.
fn start(desk: &Desk, name: &str, network: NetworkMode) -> String {
    if desk.engine.store.find("sleeper").is_err() {
        let program = std::path::Path::new("/bin/sleep");
        let output = Command::new("ldd").arg(program).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let libraries = text.split_whitespace().filter(|word| word.starts_with('/'));
        let mut writer = Writer::new(Vec::new());
        for path in libraries.chain(["/bin/sleep"]) {
            let bytes = std::fs::read(path).unwrap();
            writer.append(&entry(path.trim_start_matches('/'), Kind::File, bytes.len()), &bytes[..]).unwrap();
        }
        let settings = Settings { name: Some("sleeper".parse().unwrap()), ..Settings::default() };
        root_file_system(&desk.engine.store, &writer.finish().unwrap()[..], "image", &settings).unwrap();
    }
    let options = Options {
        image: "sleeper".into(),
        name: Some(name.into()),
        command: vec!["/bin/sleep".into(), "1000".into()],
        stop_signal: Some("KILL".into()),
        network,
        ..Options::default()
    };
    let record = desk.engine.create("i-1", options, None).unwrap();
    desk.engine.start(&record.id, Default::default()).unwrap();
    record.id.to_string()
}

#[test]
fn a_network_is_made_shown_found_and_removed() {
    let desk = Desk::new();
    // As `docker network create --subnet 10.88.0.0/24 --gateway 10.88.0.1 --label a=b -o …mtu=1400 --ipv6 n1` asks.
    let asked = json!({
        "Name": "n1", "Driver": "bridge", "Scope": "", "EnableIPv6": true, "Internal": false, "Attachable": false, "Ingress": false,
        "ConfigOnly": false, "ConfigFrom": null, "Labels": {"a": "b"},
        "IPAM": {"Driver": "default", "Options": {}, "Config": [
            {"Subnet": "10.88.0.0/24", "Gateway": "10.88.0.1", "IPRange": "", "AuxiliaryAddresses": {"printer": "10.88.0.9"}},
            {"Subnet": "fd88::/64"},
        ]},
        "Options": {"com.docker.network.driver.mtu": "1400"},
    });
    let id = create(&desk, &asked);
    let shown = desk.ask("GET", &format!("/v1.50/networks/{}?verbose=false", &id[..12])).is(200).json();
    for (pointer, value) in [
        ("/Name", json!("n1")),
        ("/Id", json!(id)),
        ("/Driver", json!("bridge")),
        ("/Scope", json!("local")),
        ("/EnableIPv4", json!(true)),
        ("/EnableIPv6", json!(true)),
        ("/Labels", json!({"a": "b"})),
        ("/Options", json!({"com.docker.network.driver.mtu": "1400"})),
        ("/IPAM/Config/0", json!({"Subnet": "10.88.0.0/24", "Gateway": "10.88.0.1", "AuxiliaryAddresses": {"printer": "10.88.0.9"}})),
        ("/IPAM/Config/1", json!({"Subnet": "fd88::/64", "Gateway": "fd88::1"})),
        ("/Containers", json!({})),
        ("/Internal", json!(false)),
    ] {
        assert_eq!(shown.pointer(pointer), Some(&value), "{pointer}");
    }
    create(&desk, &json!({"Name": "n2", "Internal": true, "CheckDuplicate": true}));
    let names = |json: &str| -> Vec<String> {
        let all = desk.ask("GET", &format!("/v1.50/networks?{}", filters(json))).is(200).json();
        all.as_array().unwrap().iter().map(|network| network["Name"].as_str().unwrap().to_owned()).collect()
    };
    for (json, expected) in [
        ("", &["bridge", "host", "n1", "n2", "none"][..]),
        (r#"{"name":["n"]}"#, &["n1", "n2", "none"]),
        (r#"{"driver":["null","host"]}"#, &["host", "none"]),
        (r#"{"type":{"custom":true}}"#, &["n1", "n2"]),
        (r#"{"type":["builtin"],"driver":["bridge"]}"#, &["bridge"]),
        (r#"{"label":["a"]}"#, &["n1"]),
        (r#"{"label":["a=c"]}"#, &[]),
        (r#"{"scope":["swarm"]}"#, &[]),
        (r#"{"dangling":["true"]}"#, &["n1", "n2"]),
        (&format!(r#"{{"id":["{}"]}}"#, &id[..20]), &["n1"]),
    ] {
        assert_eq!(names(json), expected, "{json}");
    }
    message(desk.ask("GET", &format!("/networks?{}", filters(r#"{"type":["other"]}"#))), 400);
    desk.ask("DELETE", "/v1.50/networks/n2").is(204);
    assert_eq!(message(desk.ask("DELETE", "/networks/n2"), 404), "network n2 not found");
    assert_eq!(message(desk.ask("GET", "/networks/n2"), 404), "network n2 not found");
    let prune = |json: &str| post(&desk, &format!("/networks/prune?{}", filters(json)), &json!({})).is(200).json();
    assert_eq!(prune(r#"{"label!":["a"]}"#), json!({"NetworksDeleted": null}));
    assert_eq!(prune(r#"{"until":["1h"]}"#), json!({"NetworksDeleted": null}));
    assert_eq!(prune(""), json!({"NetworksDeleted": ["n1"]}));
    assert_eq!(names("").len(), 3);
}

#[test]
fn what_happens_to_networks_is_told() {
    let desk = Desk::new();
    let id = create(&desk, &json!({"Name": "n1"}));
    let container = start(&desk, "web", NetworkMode::Bridge("n1".into()));
    post(&desk, "/networks/bridge/connect", &json!({"Container": "web"})).is(200);
    post(&desk, "/networks/n1/disconnect", &json!({"Container": "web"})).is(200);
    desk.ask("DELETE", "/networks/n1").is(204);
    let told = desk.engine.events.follow().read();
    let of_networks = told.iter().filter(|event| event.kind == container::engine::events::Kind::Network);
    let words: Vec<(&str, &str, bool)> = of_networks
        .map(|event| {
            let attribute = |name: &str| event.attributes.get(name).map(String::as_str);
            (event.verb(), attribute("name").unwrap(), attribute("container") == Some(container.as_str()))
        })
        .collect();
    let expected =
        [("create", "n1", false), ("connect", "n1", true), ("connect", "bridge", true), ("disconnect", "n1", true), ("destroy", "n1", false)];
    assert_eq!(words, expected);
    assert!(told.iter().any(|event| event.id == id));
}

#[test]
fn what_no_network_can_be_has_dockers_status() {
    let desk = Desk::new();
    create(&desk, &json!({"Name": "n1", "IPAM": {"Config": [{"Subnet": "10.88.0.0/24"}]}}));
    let pool = |subnet: &str| json!({"Config": [{"Subnet": subnet}]});
    for (body, status, words) in [
        (json!({"Name": "n1"}), 409, "network with name n1 already exists"),
        (json!({"Name": "bridge"}), 403, "operation is not permitted on predefined bridge network"),
        (json!({"Name": ""}), 400, "network name cannot be blank"),
        (json!({"Name": "x", "Driver": "macvlan"}), 404, "could not find plugin macvlan"),
        (json!({"Name": "x", "Driver": "host"}), 403, "only one instance of \"host\" network is allowed"),
        (json!({"Name": "x", "IPAM": pool("10.88.0.128/25")}), 403, "10.88.0.128/25 and 10.88.0.0/24 of network n1"),
        (json!({"Name": "x", "IPAM": pool("10.88.1.1/24")}), 400, "write 10.88.1.0/24"),
        (json!({"Name": "x", "IPAM": {"Driver": "dhcp"}}), 400, "invalid ipam driver dhcp"),
        (json!({"Name": "x", "Ingress": true}), 503, "not a swarm manager"),
        (json!({"Name": "x", "EnableIPv4": false}), 400, "IPv4 is not optional"),
    ] {
        let said = message(post(&desk, "/networks/create", &body), status);
        assert!(said.contains(words), "{body}: {said}");
    }
    message(desk.send("POST", "/networks/create", &[], b"{"), 400);
    for name in ["bridge", "host", "none"] {
        let said = message(desk.ask("DELETE", &format!("/networks/{name}")), 403);
        assert_eq!(said, format!("{name} is a pre-defined network and cannot be removed"));
    }
}

#[test]
fn containers_are_connected_and_disconnected_while_they_run() {
    let desk = Desk::new();
    let id = create(&desk, &json!({"Name": "n1", "EnableIPv6": true, "IPAM": {"Config": [{"Subnet": "10.88.0.0/24"}, {"Subnet": "fd88::/64"}]}}));
    let container = start(&desk, "web", NetworkMode::Bridge("bridge".into()));
    let connect = |body: Value| post(&desk, "/v1.50/networks/n1/connect", &body);
    let asked = json!({"IPv4Address": "10.88.0.7", "IPv6Address": "fd88::7"});
    let config = json!({"IPAMConfig": asked, "Aliases": ["al"], "Links": null, "GwPriority": 100, "DriverOpts": {}, "MacAddress": "02:00:00:00:00:07"});
    connect(json!({"Container": "web", "EndpointConfig": config})).is(200);
    let member = desk.ask("GET", &format!("/networks/{id}")).is(200).json()["Containers"][&container].clone();
    assert_eq!(member["Name"], "web");
    assert_eq!(member["IPv4Address"], "10.88.0.7/24");
    assert_eq!(member["IPv6Address"], "fd88::7/64");
    assert_eq!(member["MacAddress"], "02:00:00:00:00:07");
    let record = desk.engine.find("web", None).unwrap();
    let settings = desk.engine.inspect(&record)["NetworkSettings"]["Networks"].clone();
    assert_eq!(settings["n1"]["IPAMConfig"], asked);
    assert_eq!((&settings["n1"]["GwPriority"], &settings["n1"]["Aliases"]), (&json!(100), &json!(["al"])));
    assert_eq!(settings["n1"]["DNSNames"], json!(["web", "al", &container[..12]]));
    assert_eq!(settings["bridge"]["IPAddress"], "172.17.0.2");
    let said = message(connect(json!({"Container": "web"})), 403);
    assert_eq!(said, "endpoint with name web already exists in network n1");
    let said = message(desk.ask("DELETE", "/networks/n1"), 403);
    assert!(said.starts_with("error while removing network: network n1 has active endpoints (name:\"web\""), "{said}");
    assert_eq!(post(&desk, "/networks/prune", &json!({})).is(200).json(), json!({"NetworksDeleted": null}));
    let other = start(&desk, "other", NetworkMode::None);
    let said = message(connect(json!({"Container": other})), 403);
    assert!(said.contains("private (none) mode"), "{said}");
    message(connect(json!({"Container": "nobody"})), 404);
    message(connect(json!({"Container": "web", "EndpointConfig": {"IPAMConfig": {"IPv4Address": "x"}}})), 400);
    message(post(&desk, "/networks/none/connect", &json!({"Container": "web"})), 403);

    let disconnect = |body: Value| post(&desk, "/v1.50/networks/n1/disconnect", &body);
    disconnect(json!({"Container": &container[..12], "Force": false})).is(200);
    let said = message(disconnect(json!({"Container": "web"})), 403);
    assert_eq!(said, "container web is not connected to network n1");
    disconnect(json!({"Container": "web", "Force": true})).is(200);
    disconnect(json!({"Container": "nobody", "Force": true})).is(200);
    message(disconnect(json!({"Container": "nobody"})), 404);
    desk.ask("DELETE", "/networks/n1").is(204);
    // The last one goes too; it still runs, and comes into another.
    post(&desk, "/networks/bridge/disconnect", &json!({"Container": "web"})).is(200);
    let settings = desk.engine.inspect(&desk.engine.find("web", None).unwrap());
    assert_eq!(settings["NetworkSettings"]["Networks"], json!({}));
    assert_eq!(settings["State"]["Running"], true);
    post(&desk, "/networks/bridge/connect", &json!({"Container": "web"})).is(200);
    let settings = desk.engine.inspect(&desk.engine.find("web", None).unwrap());
    assert_eq!(settings["NetworkSettings"]["Networks"]["bridge"]["IPAddress"], "172.17.0.2");
}
