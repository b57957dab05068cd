//! The conversations of Docker's clients by hand, through the socket of an instance: what the docker command would say, without it.
#![cfg(target_os = "linux")]

mod http;

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::docker_cli::desk::Desk;
use http::{Http, frames};

fn client() -> (Desk, Http) {
    let desk = Desk::new();
    let http = Http::new(&desk.socket());
    (desk, http)
}

fn create(http: &Http, name: &str, body: &Value) -> String {
    let answer = http.post(&format!("/v1.50/containers/create?name={name}"), body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["Id"].as_str().unwrap().to_owned()
}

/// As `docker run`: attach, wait, start, until it ends. What it said on both streams, and its code.
fn run(http: &Http, body: &Value) -> (String, String, i64) {
    let id = create(http, "", body);
    let (attached, mut streams) = http.hijack(&format!("/v1.50/containers/{id}/attach?stream=1&stdout=1&stderr=1"), "");
    assert_eq!(attached.status, 101, "{}", attached.text());
    assert!(attached.headers.contains("multiplexed-stream"), "{}", attached.headers);
    let started = http.post(&format!("/v1.50/containers/{id}/start"), &Value::Null);
    assert_eq!(started.status, 204, "{}", started.text());
    let [_, out, err] = frames(&mut streams);
    let code = http.post(&format!("/v1.50/containers/{id}/wait"), &Value::Null).json()["StatusCode"].as_i64().unwrap();
    assert_eq!(http.delete(&format!("/v1.50/containers/{id}?v=1")).status, 204);
    (out, err, code)
}

#[test]
fn a_client_finds_out_whom_it_talks_to() {
    let (desk, http) = client();
    for path in ["/_ping", "/v1.24/_ping", "/v1.50/_ping"] {
        let answer = http.ask("HEAD", path, "text/plain", b"");
        assert_eq!(answer.status, 200);
        assert!(answer.headers.contains("api-version: 1.50") && answer.headers.contains("ostype: linux"), "{}", answer.headers);
    }
    assert_eq!(http.get("/_ping").text(), "OK");
    let version = http.get("/v1.50/version").json();
    assert_eq!((&version["ApiVersion"], &version["MinAPIVersion"]), (&json!("1.50"), &json!("1.24")));
    assert_eq!(http.get("/v1.50/info").json()["OSType"], "linux");
    assert_eq!(http.get("/v1.99/info").status, 400, "too new");
    assert_eq!(http.get("/v1.50/nosuch").status, 404);
    assert_eq!(http.get("/v1.50/swarm").status, 503);
    assert_eq!(http.get("/v1.50/nodes").status, 503);
    assert_eq!(http.get("/v1.50/plugins").json(), json!([]));
    // Nobody else of this machine is let in.
    let mode = std::fs::metadata(desk.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[test]
fn a_container_is_run_as_the_command_does_it() {
    let (_desk, http) = client();
    let said = run(&http, &json!({"Image": "busybox", "Cmd": ["sh", "-c", "echo out; echo err >&2; exit 7"]}));
    assert_eq!(said, ("out\n".into(), "err\n".into(), 7));
    let environment = json!({"Image": "busybox", "Cmd": ["sh", "-c", "echo $A; pwd"], "Env": ["A=1"], "WorkingDir": "/tmp"});
    assert_eq!(run(&http, &environment).0, "1\n/tmp\n");
    // Standard input ends where the client half-closes, and output goes on.
    let id = create(&http, "typed", &json!({"Image": "busybox", "Cmd": ["sh", "-c", "cat; echo end"], "OpenStdin": true, "StdinOnce": true, "AttachStdin": true}));
    let (attached, mut streams) = http.hijack(&format!("/v1.50/containers/{id}/attach?stream=1&stdin=1&stdout=1"), "");
    assert_eq!(attached.status, 101);
    assert_eq!(http.post(&format!("/v1.50/containers/{id}/start"), &Value::Null).status, 204);
    assert_eq!(http.post(&format!("/v1.50/containers/{id}/start"), &Value::Null).status, 304, "it runs");
    streams.get_mut().write_all(b"line\n").unwrap();
    streams.get_mut().shutdown(Shutdown::Write).unwrap();
    assert_eq!(frames(&mut streams)[1], "line\nend\n");
    let missing = http.post("/v1.50/containers/create", &json!({"Image": "nosuch", "Cmd": ["true"]}));
    assert_eq!((missing.status, missing.message()), (404, "No such image: nosuch:latest".into()));
    let taken = http.post("/v1.50/containers/create?name=typed", &json!({"Image": "busybox"}));
    assert!(taken.status == 409 && taken.message().contains("is already in use by container"), "{}", taken.text());
    let id = create(&http, "bad", &json!({"Image": "busybox", "Cmd": ["/nosuch"]}));
    let refused = http.post(&format!("/v1.50/containers/{id}/start"), &Value::Null);
    assert!(refused.status == 400 && refused.message().contains("no such file or directory"), "{}", refused.text());
    assert_eq!(http.get("/v1.50/containers/bad/json").json()["State"]["ExitCode"], 127);
    for (path, body) in [("/v1.50/containers/create", "{"), ("/v1.50/containers/create", "[]"), ("/v1.50/containers/create", "{\"Cmd\": 7}")] {
        let answer = http.ask("POST", path, "application/json", body.as_bytes());
        assert!(answer.status == 400 && !answer.message().is_empty(), "{body}: {}", answer.text());
    }
}

#[test]
fn one_that_runs_is_looked_into_and_ended() {
    let (_desk, http) = client();
    let script = "echo begun; trap 'echo asked; exit 5' TERM; while :; do sleep 0.05; done";
    let id = create(&http, "c1", &json!({"Image": "busybox", "Cmd": ["sh", "-c", script], "Labels": {"a": "b"}, "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}, "ExposedPorts": {"80/tcp": {}}}));
    assert_eq!(http.post("/v1.50/containers/c1/start", &Value::Null).status, 204);
    // The headers of a wait come at once: clients start the container only then.
    let waiting = std::thread::spawn({
        let socket = Http::new(&_desk.socket());
        move || socket.post("/v1.50/containers/c1/wait?condition=not-running", &Value::Null).json()
    });
    let shown = http.get("/v1.50/containers/json?filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D").json();
    assert_eq!((&shown[0]["Id"], &shown[0]["State"], &shown[0]["Names"]), (&json!(id), &json!("running"), &json!(["/c1"])));
    assert_eq!(shown[0]["Ports"][0]["PublicPort"], 8080);
    assert_eq!(http.get("/v1.50/containers/json?filters=%7B%22nosuch%22%3A%5B%22x%22%5D%7D").status, 400);
    let exec = http.post("/v1.50/containers/c1/exec", &json!({"Cmd": ["sh", "-c", "echo in; exit 9"], "AttachStdout": true, "AttachStderr": true}));
    assert_eq!(exec.status, 201);
    let exec = exec.json()["Id"].as_str().unwrap().to_owned();
    let (started, mut streams) = http.hijack(&format!("/v1.50/exec/{exec}/start"), "{\"Detach\":false,\"Tty\":false}");
    assert_eq!(started.status, 101);
    assert_eq!(frames(&mut streams)[1], "in\n");
    let seen = http.get(&format!("/v1.50/exec/{exec}/json")).json();
    assert_eq!((&seen["Running"], &seen["ExitCode"]), (&json!(false), &json!(9)));
    let top = http.get("/v1.50/containers/c1/top").json();
    assert!(top["Titles"].as_array().unwrap().contains(&json!("PID")) && !top["Processes"].as_array().unwrap().is_empty());
    let stats = http.get("/v1.50/containers/c1/stats?stream=false").json();
    assert_eq!(stats["name"], "/c1");
    let logs = http.get("/v1.50/containers/c1/logs?stdout=1&stderr=1&tail=all");
    assert_eq!(frames(&mut &logs.body[..])[1], "begun\n");
    assert_eq!(http.get("/v1.50/containers/c1/logs").status, 400, "neither stream was asked for");
    assert_eq!(http.post("/v1.50/containers/c1/pause", &Value::Null).status, 204);
    assert_eq!(http.get("/v1.50/containers/c1/json").json()["State"]["Status"], "paused");
    assert_eq!(http.post("/v1.50/containers/c1/unpause", &Value::Null).status, 204);
    assert_eq!(http.post("/v1.50/containers/c1/rename?name=c2", &Value::Null).status, 204);
    assert_eq!(http.delete("/v1.50/containers/c2").status, 409, "it runs");
    assert_eq!(http.post("/v1.50/containers/c2/stop?t=5", &Value::Null).status, 204);
    assert_eq!(http.post("/v1.50/containers/c2/stop?t=5", &Value::Null).status, 304, "it does not run");
    assert_eq!(waiting.join().unwrap()["StatusCode"], 5);
    assert_eq!(http.post("/v1.50/containers/c2/kill", &Value::Null).status, 409);
    let changes = http.get("/v1.50/containers/c2/changes").json();
    assert!(changes.is_null() || changes.as_array().is_some(), "{changes}");
    assert_eq!(http.delete("/v1.50/containers/c2").status, 204);
    assert_eq!(http.get("/v1.50/containers/c2/json").message(), "No such container: c2");
}

#[test]
fn whoever_is_removed_by_force_is_told_to_have_died_first() {
    let (_desk, http) = client();
    // Now and then the kill finds it gone already.
    const TIMES: usize = 30;
    for number in 0..TIMES {
        let id = create(&http, &format!("c{number}"), &json!({"Image": "busybox", "Cmd": ["sleep", "1000"]}));
        assert_eq!(http.post(&format!("/v1.50/containers/{id}/start"), &Value::Null).status, 204);
        assert_eq!(http.delete(&format!("/v1.50/containers/{id}?force=1")).status, 204);
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let events = http.get(&format!("/v1.50/events?since=1&until={}&filters=%7B%22event%22%3A%5B%22die%22%2C%22destroy%22%5D%7D", now + 1));
    let actions: Vec<Value> = events.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["Action"].clone()).collect();
    assert_eq!(actions, ["die", "destroy"].repeat(TIMES));
}

#[test]
fn files_volumes_networks_and_images_are_there() {
    let (desk, http) = client();
    assert_eq!(http.post("/v1.50/volumes/create", &json!({"Name": "vol", "Labels": {"x": "y"}})).json()["Name"], "vol");
    let id = create(&http, "c1", &json!({"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"Binds": ["vol:/data"]}}));
    assert_eq!(http.delete("/v1.50/volumes/vol").status, 409, "it is in use");
    assert_eq!(http.post(&format!("/v1.50/containers/{id}/start"), &Value::Null).status, 204);
    let mut writer = container::tar::Writer::new(Vec::new());
    let entry = container::tar::Entry { size: 3, ..container::tar::Entry::new("f", container::tar::Kind::File) };
    writer.append(&entry, &b"abc"[..]).unwrap();
    let archive = writer.finish().unwrap();
    assert_eq!(http.ask("PUT", "/v1.50/containers/c1/archive?path=/data", "application/x-tar", &archive).status, 200);
    let back = http.get("/v1.50/containers/c1/archive?path=/data/f");
    assert!(back.status == 200 && back.headers.contains("x-docker-container-path-stat") && back.body.windows(3).any(|three| three == b"abc"));
    assert_eq!(http.ask("HEAD", "/v1.50/containers/c1/archive?path=/nosuch", "", b"").status, 404);
    assert_eq!(http.post("/v1.50/networks/create", &json!({"Name": "net", "IPAM": {"Config": [{"Subnet": "10.77.0.0/24"}]}})).status, 201);
    assert_eq!(http.post("/v1.50/networks/net/connect", &json!({"Container": "c1"})).status, 200);
    let seen = http.get("/v1.50/containers/c1/json").json();
    assert_eq!(seen["NetworkSettings"]["Networks"]["net"]["IPAddress"], "10.77.0.2");
    assert!(matches!(http.delete("/v1.50/networks/net").status, 403 | 409), "it is in use");
    assert_eq!(http.delete("/v1.50/containers/c1?force=1").status, 204);
    assert_eq!(http.delete("/v1.50/networks/net").status, 204);
    assert_eq!(http.get("/v1.50/networks/net").message(), "network net not found");
    assert_eq!(http.delete("/v1.50/volumes/vol").status, 204);
    assert_eq!(http.get("/v1.50/volumes/vol").status, 404);
    assert_eq!(http.get("/v1.50/images/json").json()[0]["RepoTags"], json!(["busybox:latest"]));
    assert_eq!(http.post("/v1.50/images/busybox/tag?repo=other&tag=2", &Value::Null).status, 201);
    assert_eq!(http.delete("/v1.50/images/other:2").json()[0]["Untagged"], "other:2");
    assert_eq!(http.get("/v1.50/images/nosuch/json").message(), "No such image: nosuch:latest");
    assert!(http.get("/v1.50/images/busybox/history").json().as_array().is_some());
    let taken = http.get("/v1.50/system/df").json();
    assert!(taken["Images"].as_array().is_some());
    let rows: Value = serde_json::from_str(&desk.yes(&["images", "df", "-o", "json"])).unwrap();
    assert_eq!(rows[0]["bytes"], taken["LayersSize"], "one figure for images: {rows}");
    // An image that says no date has none, for the command too; the archive of busybox says one.
    let created = if desk.is_busybox { 1_700_000_000 } else { -62_135_596_800_i64 };
    assert_eq!(http.get("/v1.50/images/json").json()[0]["Created"], created);
    let anonymous = http.post("/v1.50/volumes/create", &json!({})).json();
    assert_eq!(anonymous["Labels"], json!({"com.docker.volume.anonymous": ""}));
    assert_eq!(http.post("/v1.50/volumes/create", &json!({"Name": "named"})).status, 201);
    assert_eq!(http.post("/v1.50/volumes/create", &json!({"Name": "named"})).status, 201, "it is there, and that is what was asked for");
    assert_eq!(http.post("/v1.50/volumes/prune", &Value::Null).json()["VolumesDeleted"], json!([anonymous["Name"]]));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let filters = "%7B%22container%22%3A%5B%22c1%22%5D%2C%22event%22%3A%5B%22create%22%2C%22destroy%22%5D%7D";
    let events = http.get(&format!("/v1.50/events?since=1&until={}&filters={filters}", now + 1));
    let actions: Vec<Value> = events.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["Action"].clone()).collect();
    assert_eq!(actions, ["create", "destroy"]);
}

#[test]
fn what_is_no_request_is_refused_and_harms_nobody() {
    let (_desk, http) = client();
    // A client that begins and never goes on; one that never reads.
    let mut silent = http.connect();
    silent.write_all(b"POST /v1.50/containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{").unwrap();
    let id = create(&http, "loud", &json!({"Image": "busybox", "Cmd": ["sh", "-c", "while :; do echo 0123456789012345678901234567890123456789; done"]}));
    assert_eq!(http.post(&format!("/v1.50/containers/{id}/start"), &Value::Null).status, 204);
    let mut deaf = http.connect();
    write!(deaf, "POST /v1.50/containers/{id}/attach?stream=1&stdout=1&logs=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n").unwrap();
    // Headers, and what would be another one.
    let mut odd = http.connect();
    odd.write_all(b"GET /v1.50/info HTTP/1.1\r\nHost: x\r\nX: a\rInjected: b\r\n\r\n").unwrap();
    let injected = http.get("/v1.50/containers/a%0d%0aInjected:%20b/json");
    assert!(matches!(injected.status, 400 | 404) && !injected.headers.contains("injected"), "{}", injected.headers);
    let long = "x".repeat(200_000);
    let mut greedy = http.connect();
    let _ = write!(greedy, "GET /v1.50/info HTTP/1.1\r\nHost: x\r\nX: {long}\r\n\r\n");
    // Two hundred at once are all answered meanwhile.
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..200).map(|_| scope.spawn(|| http.get("/v1.50/containers/json").status)).collect();
        for one in all {
            assert_eq!(one.join().unwrap(), 200);
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(http.post(&format!("/v1.50/containers/{id}/kill"), &Value::Null).status, 204);
    assert_eq!(http.delete(&format!("/v1.50/containers/{id}?force=1")).status, 204);
}
