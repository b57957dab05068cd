//! Containers over a socket as clients use them: made, attached to before their start, waited for, run in, their logs and
//! events; and clients that do not behave.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use container::import::{Settings, root_file_system};
use container::tar::{Kind, Writer};
use serde_json::{Value, json};

use crate::common::{Answer, Desk, entry, eventually};

/// A desk with an image `tools` of this machine's own shell and a few programs.
fn desk() -> Desk {
    let desk = Desk::new();
    let mut writer = Writer::new(Vec::new());
    let mut known = std::collections::BTreeSet::new();
    for program in ["/bin/sh", "/bin/cat", "/bin/sleep"] {
        let output = Command::new("ldd").arg(program).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for path in text.split_whitespace().filter(|word| word.starts_with('/')).chain([program]) {
            if known.insert(path.to_owned()) {
                let bytes = std::fs::read(path).unwrap();
                writer.append(&entry(path.trim_start_matches('/'), Kind::File, bytes.len()), &bytes[..]).unwrap();
            }
        }
    }
    let settings = Settings { name: Some("tools".parse().unwrap()), ..Settings::default() };
    root_file_system(&desk.engine.store, &writer.finish().unwrap()[..], "image", &settings).unwrap();
    desk
}

fn post(desk: &Desk, path: &str, body: &Value) -> Answer {
    desk.send("POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
}

/// Makes a container that runs a line of shell; `more` is laid over the request.
fn create(desk: &Desk, line: &str, more: &Value) -> String {
    let mut asked = json!({"Image": "tools", "Cmd": ["/bin/sh", "-c", line], "HostConfig": {"NetworkMode": "none"}});
    for (name, value) in more.as_object().unwrap() {
        asked[name] = value.clone();
    }
    post(desk, "/v1.50/containers/create", &asked).is(201).json()["Id"].as_str().unwrap().to_owned()
}

/// A connection that becomes a stream; what came behind the headers stays unread.
fn hijack(desk: &Desk, path: &str, body: &str) -> (UnixStream, String) {
    let mut stream = UnixStream::connect(desk.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    (stream.try_clone().unwrap(), headers(&mut stream))
}

fn headers(stream: &mut UnixStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Bytes of both streams out of their frames.
fn frames(mut bytes: &[u8]) -> (String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let [stream, 0, 0, 0, a, b, c, d, rest @ ..] = bytes {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        if *stream == 1 { &mut out } else { &mut err }.extend(&rest[..length]);
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty(), "half a frame: {bytes:?}");
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn rest(mut stream: UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn what_the_cli_does_to_run_hears_the_first_byte_and_the_code() {
    let desk = desk();
    let id = create(&desk, "cat; echo problem >&2; exit 7", &json!({"OpenStdin": true, "StdinOnce": true, "HostConfig": {"AutoRemove": true, "NetworkMode": "none"}}));
    let (mut stream, head) = hijack(&desk, &format!("/v1.50/containers/{id}/attach?stdin=1&stdout=1&stderr=1&stream=1"), "");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.to_ascii_lowercase().contains("application/vnd.docker.multiplexed-stream"), "{head}");
    let mut waiting = UnixStream::connect(desk.socket()).unwrap();
    waiting.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(waiting, "POST /v1.50/containers/{id}/wait?condition=removed HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").unwrap();
    // The headers come before there is anything to tell.
    assert!(headers(&mut waiting).starts_with("HTTP/1.1 200 "));
    desk.ask("POST", &format!("/v1.50/containers/{id}/start")).is(204);
    stream.write_all(b"typed\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(frames(&rest(stream)), ("typed\n".into(), "problem\n".into()));
    let told = String::from_utf8(rest(waiting)).unwrap();
    assert!(told.contains("{\"StatusCode\":7}"), "{told}");
    desk.ask("GET", &format!("/v1.50/containers/{id}/json")).is(404);
}

#[test]
fn a_program_that_is_not_there_is_said_in_dockers_words_and_leaves_nothing_behind() {
    let desk = desk();
    for (program, words) in [("nosuch", "exec: \"nosuch\": executable file not found in $PATH"), ("/nosuch", "no such file or directory")] {
        let id = create(&desk, "", &json!({"Cmd": [program], "HostConfig": {"AutoRemove": true, "NetworkMode": "none"}}));
        let answer = desk.ask("POST", &format!("/v1.50/containers/{id}/start")).is(400).json();
        assert!(answer["message"].as_str().unwrap().contains(words), "{answer}");
        desk.ask("GET", &format!("/v1.50/containers/{id}/json")).is(404);
    }
}

#[test]
fn a_container_lives_through_its_verbs() {
    let desk = desk();
    let id = create(&desk, "echo one; echo two >&2; sleep 1000", &json!({"Labels": {"tier": "front"}}));
    let path = |verb: &str| format!("/v1.43/containers/{}/{verb}", &id[..12]);
    desk.ask("POST", &path("start")).is(204);
    desk.ask("POST", &path("start")).is(304);
    desk.ask("POST", &path("pause")).is(204);
    desk.ask("POST", &path("pause")).is(409);
    let listed = desk.ask("GET", "/v1.43/containers/json?filters=%7B%22status%22%3A%7B%22paused%22%3Atrue%7D%7D").is(200).json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["Labels"]["tier"]), (1, &json!("front")), "{listed}");
    desk.ask("POST", &path("unpause")).is(204);
    desk.ask("POST", &path("rename?name=other")).is(204);
    assert_eq!(desk.ask("GET", "/containers/other/json").is(200).json()["Name"], "/other");
    let top = desk.ask("GET", &path("top?ps_args=-o%20pid,args")).is(200).json();
    assert_eq!(top["Titles"], json!(["PID", "COMMAND"]));
    desk.ask("DELETE", "/containers/other").is(409);
    let logs = |query: &str| frames(&desk.ask("GET", &path(&format!("logs?{query}"))).is(200).body);
    eventually("both lines are there", || logs("stdout=1&stderr=1") == ("one\n".into(), "two\n".into()));
    assert_eq!(logs("stdout=1&tail=1"), (String::new(), String::new()), "the last line is the other stream's");
    assert_eq!(logs("stderr=1&tail=all").1, "two\n");
    desk.ask("GET", &path("logs")).is(400);
    desk.ask("POST", &path("kill?signal=NOPE")).is(400);
    desk.ask("POST", &path("kill?signal=KILL")).is(204);
    desk.ask("POST", &path("kill")).is(409);
    let shown = desk.ask("GET", "/containers/other/json").is(200).json();
    assert_eq!((&shown["State"]["Status"], &shown["State"]["ExitCode"], &shown["Config"]["StopSignal"]), (&json!("exited"), &json!(137), &json!("SIGTERM")));
    desk.ask("DELETE", "/containers/other?v=1").is(204);
    let events = desk.ask("GET", "/v1.43/events?since=0.1&until=0s").is(200);
    let events: Vec<Value> = events.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let actions: Vec<&str> = events.iter().filter(|event| event["id"] == json!(id)).map(|event| event["Action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["create", "start", "pause", "unpause", "rename", "kill", "die", "destroy"]);
    let died = events.iter().find(|event| event["Action"] == "die").unwrap();
    assert_eq!((&died["Actor"]["Attributes"]["exitCode"], &died["from"]), (&json!("137"), &json!("tools")));
}

#[test]
fn commands_run_in_a_container_with_their_streams_and_codes() {
    let desk = desk();
    let id = create(&desk, "sleep 1000", &json!({}));
    desk.ask("POST", &format!("/containers/{id}/start")).is(204);
    let exec = |asked: Value| post(&desk, &format!("/containers/{id}/exec"), &asked).is(201).json()["Id"].as_str().unwrap().to_owned();
    let run = exec(json!({"AttachStdin": true, "AttachStdout": true, "AttachStderr": true, "Cmd": ["/bin/sh", "-c", "cat; echo $A >&2; exit 3"], "Env": ["A=5"]}));
    let (mut stream, head) = hijack(&desk, &format!("/exec/{run}/start"), "{\"Detach\":false,\"Tty\":false}");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream.write_all(b"in\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(frames(&rest(stream)), ("in\n".into(), "5\n".into()));
    let shown = desk.ask("GET", &format!("/exec/{run}/json")).is(200).json();
    assert_eq!((&shown["Running"], &shown["ExitCode"]), (&json!(false), &json!(3)));
    post(&desk, &format!("/exec/{run}/start"), &json!({"Detach": true})).is(409);
    let missing = exec(json!({"AttachStdout": true, "Cmd": ["nosuch"]}));
    let (stream, _) = hijack(&desk, &format!("/exec/{missing}/start"), "{}");
    assert!(frames(&rest(stream)).0.contains("executable file not found in $PATH"));
    assert_eq!(desk.ask("GET", &format!("/exec/{missing}/json")).json()["ExitCode"], 127);
    let away = exec(json!({"Cmd": ["/bin/sh", "-c", "exit 4"]}));
    post(&desk, &format!("/exec/{away}/start"), &json!({"Detach": true})).is(200);
    eventually("it has ended", || desk.ask("GET", &format!("/exec/{away}/json")).json()["ExitCode"] == 4);
    post(&desk, &format!("/containers/{id}/exec"), &json!({"Cmd": []})).is(400);
}

#[test]
fn logs_are_followed_to_the_end() {
    let desk = desk();
    let id = create(&desk, "for i in 1 2 3 4 5; do echo $i; sleep 0.05; done", &json!({"Tty": false}));
    desk.ask("POST", &format!("/containers/{id}/start")).is(204);
    let followed = desk.ask("GET", &format!("/containers/{id}/logs?follow=1&stdout=1")).is(200);
    assert_eq!(frames(&followed.body).0, "1\n2\n3\n4\n5\n");
}

#[test]
fn what_is_not_there_is_refused_and_what_only_tunes_is_a_warning() {
    let desk = desk();
    let asked = |host: Value| post(&desk, "/containers/create", &json!({"Image": "tools", "Cmd": ["x"], "HostConfig": host}));
    let warned = asked(json!({"CpuShares": 512, "MemorySwappiness": null})).is(201).json();
    assert!(warned["Warnings"][0].as_str().unwrap().contains("shares"), "{warned}");
    asked(json!({"Devices": [{"PathOnHost": "/dev/null"}]})).is(501);
    asked(json!({"PidMode": "host"})).is(501);
    asked(json!({"RestartPolicy": {"Name": "sometimes"}})).is(400);
    asked(json!({"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}})).is(400);
    asked(json!({"LogConfig": {"Type": "smoke"}})).is(400);
    asked(json!({"NanoCpus": 500_000_000, "CpuQuota": 50_000})).is(400);
    asked(json!({"MemorySwap": 64 << 20})).is(400);
    assert_eq!(post(&desk, "/containers/create", &json!({"Image": "tools", "Env": ["=x"]})).is(400).json()["message"], "invalid environment variable: =x");
    post(&desk, "/containers/create?platform=a/b/c/d", &json!({"Image": "tools", "Cmd": ["x"]})).is(400);
    post(&desk, "/containers/create?platform=plan9/amd64", &json!({"Image": "tools", "Cmd": ["x"]})).is(404);
    post(&desk, "/containers/create?platform=linux", &json!({"Image": "tools", "Cmd": ["x"]})).is(201);
    asked(json!({"Mounts": [{"Type": "bind", "Source": "/nosuch-here", "Target": "/x"}]})).is(400);
    let missing = post(&desk, "/containers/create", &json!({"Image": "nosuch"})).is(404).json();
    assert_eq!(missing["message"], "No such image: nosuch:latest");
    let twice = || post(&desk, "/containers/create?name=one", &json!({"Image": "tools", "Cmd": ["x"]}));
    twice().is(201);
    assert!(twice().is(409).text().contains("is already in use by container"));
    desk.send("POST", "/containers/create", &[], b"{").is(400);
}

#[test]
fn the_door_speaks_its_versions_and_nothing_else() {
    let desk = Desk::new();
    let ping = desk.ask("GET", "/_ping").is(200);
    for (name, value) in [("api-version", "1.50"), ("ostype", "linux"), ("builder-version", "1"), ("docker-experimental", "false"), ("swarm", "inactive")] {
        assert_eq!(ping.header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(ping.text(), "OK");
    assert!(desk.ask("GET", "/v1.23/info").is(400).text().contains("is too old"));
    assert!(desk.ask("GET", "/v1.51/info").is(400).text().contains("is too new"));
    assert_eq!(desk.ask("GET", "/nosuch").is(404).json()["message"], "page not found");
    assert!(desk.ask("GET", "/nodes").is(503).text().contains("This node is not a swarm manager"));
    assert_eq!(desk.ask("GET", "/plugins").is(200).json(), json!([]));
    assert_eq!(desk.ask("GET", "/v1.24/info").is(200).json()["Name"], "web-1");
    desk.ask("POST", "/session").is(404);
    assert_eq!(std::fs::metadata(desk.socket()).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(desk.socket()).unwrap();
    let request = format!("GET /version HTTP/1.1\r\nHost: d\r\nX-Long: {}\r\n\r\n", "x".repeat(200_000));
    // It may hang up before all is written, and whatever it says then may be lost.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    desk.ask("GET", "/version").is(200);
}

#[test]
fn who_reads_nothing_and_two_hundred_others_do_not_stop_anybody() {
    let desk = desk();
    let id = create(&desk, "while :; do echo 0123456789012345678901234567890123456789; done", &json!({}));
    desk.ask("POST", &format!("/containers/{id}/start")).is(204);
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut stream = UnixStream::connect(desk.socket()).unwrap();
        write!(stream, "GET /containers/{id}/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: d\r\n\r\n").unwrap();
        idle.push(stream);
    }
    for _ in 0..150 {
        let mut stream = UnixStream::connect(desk.socket()).unwrap();
        stream.write_all(b"GET /version HTTP/1.1\r\n").unwrap();
        idle.push(stream);
    }
    let begun = Instant::now();
    desk.ask("GET", "/version").is(200);
    desk.ask("POST", &format!("/containers/{id}/kill")).is(204);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn what_go_writes_as_null_is_nothing_said() {
    let desk = desk();
    let id = create(&desk, "sleep 1000", &json!({}));
    desk.ask("POST", &format!("/containers/{id}/start")).is(204);
    let asked = json!({"Cmd": ["/bin/sh", "-c", "exit 3"], "Tty": null, "AttachStdin": null, "Env": null, "User": null, "DetachKeys": null});
    let exec = post(&desk, &format!("/containers/{id}/exec"), &asked).is(201).json()["Id"].as_str().unwrap().to_owned();
    post(&desk, &format!("/exec/{exec}/start"), &json!({"Detach": true, "Tty": null})).is(200);
    eventually("the command ends", || desk.ask("GET", &format!("/exec/{exec}/json")).json()["ExitCode"] == 3);
    post(&desk, "/networks/create", &json!({"Name": "n1", "Internal": null, "Labels": null, "IPAM": null})).is(201);
    post(&desk, "/networks/n1/disconnect", &json!({"Container": "nobody", "Force": null})).is(404);
    desk.ask("POST", &format!("/containers/{id}/kill")).is(204);
}

#[test]
fn a_container_takes_what_it_wrote_and_its_image_unpacked() {
    let desk = desk();
    let id = create(&desk, "x", &json!({}));
    let image = desk.ask("GET", "/images/tools/json").is(200).json()["Size"].as_u64().unwrap();
    let shown = desk.ask("GET", &format!("/containers/{id}/json?size=1")).is(200).json();
    let listed = desk.ask("GET", "/containers/json?all=1&size=1").is(200).json()[0].clone();
    for one in [&shown, &listed] {
        assert_eq!(one["SizeRootFs"].as_u64().unwrap(), image + one["SizeRw"].as_u64().unwrap());
    }
}
