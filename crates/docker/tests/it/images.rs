//! `/images`, `/volumes`, `/system/df`, `/commit` over a socket, with a registry that the test is itself.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use container::engine::Options;
use container::network::NetworkMode;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use serde_json::{Value, json};

use crate::common::{Desk, tar};

fn names(list: &Value) -> Vec<String> {
    let tags = list.as_array().unwrap().iter().flat_map(|image| image["RepoTags"].as_array().unwrap().clone());
    let mut all: Vec<String> = tags.map(|tag| tag.as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

fn filters(value: &Value) -> String {
    let text = value.to_string();
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn images_are_listed_by_what_is_asked_for() {
    let desk = Desk::new();
    let one = desk.image("shop/web:1", "one");
    desk.image("busybox", "two");
    desk.image("shop/web:1", "three");
    let list = |value: Value| desk.ask("GET", &format!("/images/json?filters={}", filters(&value))).is(200).json();
    assert_eq!(names(&desk.ask("GET", "/v1.50/images/json").is(200).json()), ["busybox:latest", "shop/web:1"]);
    assert_eq!(names(&list(json!({"reference": ["busy*"]}))), ["busybox:latest"]);
    assert_eq!(names(&list(json!({"reference": {"*/web": true}}))), ["shop/web:1"]);
    let dangling = list(json!({"dangling": ["true"]}));
    assert_eq!(dangling.as_array().unwrap().len(), 1);
    assert_eq!(dangling[0]["Id"], one.id.to_string());
    assert_eq!(dangling[0]["RepoTags"], json!([]));
    desk.ask("GET", &format!("/images/json?filters={}", filters(&json!({"odd": ["x"]})))).is(400);
    let tree = desk.ask("GET", "/images/json?manifests=1").is(200).json();
    assert_eq!(tree[0]["Manifests"][0]["Kind"], "image");
}

#[test]
fn an_image_is_found_by_names_with_slashes_and_told_about() {
    let desk = Desk::new();
    let image = desk.image("127.0.0.1:5000/library/bb:2", "x");
    let found = desk.ask("GET", "/images/127.0.0.1:5000/library/bb:2/json").is(200).json();
    assert_eq!((&found["Id"], &found["RepoTags"]), (&json!(image.id), &json!(["127.0.0.1:5000/library/bb:2"])));
    assert_eq!((&found["Os"], &found["RootFS"]["Type"]), (&json!("linux"), &json!("layers")));
    let history = desk.ask("GET", "/images/127.0.0.1:5000%2Flibrary%2Fbb:2/history").is(200).json();
    assert_eq!((&history[0]["CreatedBy"], &history[0]["Id"]), (&json!("import"), &json!(image.id)));
    let answer = desk.ask("GET", "/images/nosuch/json").is(404);
    assert_eq!(answer.json()["message"], "No such image: nosuch:latest");
    desk.ask("POST", "/images/127.0.0.1:5000/library/bb:2/tag?repo=other&tag=3").is(201);
    desk.ask("GET", "/images/other:3/json").is(200);
    desk.ask("POST", "/images/other:3/tag?repo=Upper&tag=3").is(400);
}

#[test]
fn what_is_used_stays_and_what_goes_is_told() {
    let desk = Desk::new();
    let image = desk.image("app", "x");
    let options = Options { image: "app".into(), command: vec!["x".into()], network: NetworkMode::None, ..Options::default() };
    let record = desk.engine.create("i-1", options, None).unwrap();
    let answer = desk.ask("DELETE", "/images/app").is(409);
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("conflict: unable to remove repository reference \"app\" (must force) - container"), "{message}");
    desk.ask("DELETE", &format!("/images/{}", image.id.short())).is(409);
    // With force the name goes, and the image stays for its container.
    assert_eq!(desk.ask("DELETE", "/images/app?force=1").is(200).json(), json!([{"Untagged": "app:latest"}]));
    desk.ask("GET", &format!("/images/{}/json", image.id)).is(200);
    desk.ask("POST", &format!("/images/{}/tag?repo=app", image.id)).is(201);
    let pruned = desk.ask("POST", &format!("/images/prune?filters={}", filters(&json!({"dangling": ["false"]})))).is(200).json();
    assert_eq!(pruned["ImagesDeleted"], Value::Null);
    desk.engine.remove(&record.id, Default::default()).unwrap();
    let gone = desk.ask("DELETE", "/images/app").is(200).json();
    assert_eq!(gone, json!([{"Untagged": "app:latest"}, {"Deleted": image.id}]));
    desk.ask("DELETE", "/images/app").is(404);
}

#[test]
fn archives_go_out_and_come_in() {
    let desk = Desk::new();
    let image = desk.image("app", "x");
    let saved = desk.ask("GET", "/images/get?names=app").is(200);
    assert_eq!(saved.header("content-type").as_deref(), Some("application/x-tar"));
    desk.ask("DELETE", "/images/app").is(200);
    let lines = desk.send("POST", "/images/load?quiet=1", &[], &saved.body).is(200).lines();
    assert_eq!(lines, [json!({"stream": "Loaded image: app:latest\n"})]);
    assert_eq!(desk.ask("GET", "/images/app/json").json()["Id"], json!(image.id));
    desk.ask("GET", "/images/get?names=none").is(404);
    desk.send("POST", "/images/load?quiet=1", &[], b"no archive").is(400);
    let changes = "/images/create?fromSrc=-&repo=made&tag=1&changes=CMD%20%5B%22a%22%5D&changes=ENV%20X%3D1&message=by%20hand";
    let lines = desk.send("POST", changes, &[], &tar(&[("bin/a", "a")])).is(200).lines();
    let made = desk.ask("GET", "/images/made:1/json").is(200).json();
    assert_eq!((&lines[0]["status"], &made["Config"]["Cmd"], &made["Config"]["Env"]), (&made["Id"], &json!(["a"]), &json!(["X=1"])));
    assert_eq!(made["Comment"], "by hand");
}

/// A port of loopback that refuses connections for as long as the socket lives.
fn port_without_listener() -> (OwnedFd, u16) {
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let bound = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
    (socket, bound.port())
}

#[test]
fn registries_that_are_not_there_and_logins_are_refused_in_dockers_shape() {
    let desk = Desk::new();
    // Nobody listens at this port, and no registry of a test beside this one is given it.
    let (_held, port) = port_without_listener();
    let answer = desk.ask("POST", &format!("/images/create?fromImage=127.0.0.1:{port}/nosuch&tag=latest")).is(500);
    assert!(answer.json()["message"].as_str().unwrap().contains("cannot be reached"), "{}", answer.text());
    let body = json!({"username": "u", "password": "p", "serveraddress": format!("127.0.0.1:{port}")}).to_string();
    desk.send("POST", "/auth", &[], body.as_bytes()).is(500);
    desk.send("POST", "/images/app/push?tag=1", &[("X-Registry-Auth", "%%%")], &[]).is(400);
    let lines = desk.ask("POST", "/images/127.0.0.1:1/none/push?tag=1").is(200).lines();
    assert_eq!(lines[0]["status"], "The push refers to repository [127.0.0.1:1/none]");
    assert_eq!(lines[1]["error"], "An image does not exist locally with the tag: 127.0.0.1:1/none:1");
    desk.ask("GET", "/images/search?term=busybox").is(500);
    desk.ask("POST", "/build?version=2").is(400);
}

#[test]
fn volumes_live_as_docker_shows_them() {
    let desk = Desk::new();
    let create = |body: Value| desk.send("POST", "/volumes/create", &[], body.to_string().as_bytes());
    let made = create(json!({"Name": "v1", "Labels": {"x": "y"}})).is(201).json();
    assert_eq!((&made["Name"], &made["Driver"], &made["Scope"], &made["Labels"]), (&json!("v1"), &json!("local"), &json!("local"), &json!({"x": "y"})));
    create(json!({"Name": "v1"})).is(201);
    let until = container::engine::Moment::now();
    let made = filters(&json!({"type": ["volume"], "event": ["create"]}));
    let events = desk.ask("GET", &format!("/events?since=0&until={until}&filters={made}")).is(200).text();
    assert_eq!(events.lines().count(), 1, "one that was there is no news: {events}");
    create(json!({"Name": "a/b"})).is(400);
    create(json!({"Name": "v9", "Driver": "nfs"})).is(404);
    let anonymous = create(json!({})).is(201).json()["Name"].as_str().unwrap().to_owned();
    desk.image("app", "x");
    let mounts = vec![container::engine::words::volume("v1:/d", std::path::Path::new("/"), None).unwrap()];
    let options = Options { image: "app".into(), command: vec!["x".into()], network: NetworkMode::None, mounts, ..Options::default() };
    let record = desk.engine.create("i-1", options, None).unwrap();
    let list = |value: Value| {
        let all = desk.ask("GET", &format!("/volumes?filters={}", filters(&value))).is(200).json();
        all["Volumes"].as_array().unwrap().iter().map(|volume| volume["Name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(json!({"dangling": ["true"]})), std::slice::from_ref(&anonymous));
    assert_eq!(list(json!({"label": ["x=y"]})), ["v1"]);
    assert!(list(json!({"name": ["v"]})).contains(&"v1".to_owned()));
    let answer = desk.ask("DELETE", "/volumes/v1").is(409);
    assert!(answer.json()["message"].as_str().unwrap().contains(record.id.as_str()), "{}", answer.text());
    let df = desk.ask("GET", "/v1.50/system/df").is(200).json();
    let sizes = &df["Volumes"].as_array().unwrap()[usize::from(df["Volumes"][0]["Name"] != "v1")];
    assert_eq!(sizes["UsageData"], json!({"RefCount": 1, "Size": 0}));
    assert_eq!((&df["Images"][0]["Containers"], &df["Containers"][0]["SizeRw"]), (&json!(1), &json!(0)));
    desk.engine.remove(&record.id, Default::default()).unwrap();
    desk.ask("DELETE", "/volumes/v1").is(204);
    desk.ask("DELETE", "/volumes/v1").is(404);
    desk.ask("DELETE", "/volumes/v1?force=1").is(204);
    create(json!({"Name": "kept"})).is(201);
    let pruned = desk.ask("POST", &format!("/volumes/prune?filters={}", filters(&json!({"all": ["true"]})))).is(200).json();
    assert!(pruned["VolumesDeleted"].as_array().unwrap().contains(&json!("kept")), "{pruned}");
}

#[test]
fn a_container_becomes_an_image() {
    let desk = Desk::new();
    desk.image("app", "x");
    let options =
        Options { image: "app".into(), name: Some("c1".into()), command: vec!["x".into()], network: NetworkMode::None, ..Options::default() };
    desk.engine.create("i-1", options, None).unwrap();
    desk.send("PUT", "/containers/c1/archive?path=/srv", &[], &tar(&[("new", "new")])).is(200);
    let made = desk.ask("POST", "/commit?container=c1&repo=made&tag=1&comment=msg&author=me&changes=ENV%20X%3D1").is(201).json();
    let image = desk.ask("GET", "/images/made:1/json").is(200).json();
    assert_eq!((&made["Id"], &image["Author"], &image["Comment"]), (&image["Id"], &json!("me"), &json!("msg")));
    desk.ask("POST", "/commit?container=none").is(404);
}

#[test]
fn a_dockerfile_becomes_an_image_and_its_steps_are_kept_until_they_are_pruned() {
    let desk = Desk::new();
    desk.image("base", "x");
    let context = tar(&[("Dockerfile", "FROM base\nARG A\nLABEL a=$A\nCOPY file /file\nCMD [\"/file\"]\n"), ("file", "content")]);
    let build = |query: &str, body: &[u8]| desk.send("POST", &format!("/build?{query}"), &[("Content-Type", "application/x-tar")], body);
    let arguments = filters(&json!({"A": "1"}));
    let lines = build(&format!("version=1&t=made:1&t=made:2&buildargs={arguments}&labels={}", filters(&json!({"l": "m"}))), &context).is(200).lines();
    let id = lines.iter().find_map(|line| line["aux"]["ID"].as_str()).unwrap().to_owned();
    let said: String = lines.iter().filter_map(|line| line["stream"].as_str()).collect();
    assert!(said.starts_with("Step 1/6 : FROM base\n"), "{said}");
    assert!(said.contains("Successfully built") && said.contains("Successfully tagged made:2"), "{said}");
    let image = desk.ask("GET", "/images/made:2/json").is(200).json();
    assert_eq!((&image["Id"], &image["Config"]["Labels"]["a"], &image["Config"]["Labels"]["l"]), (&json!(id), &json!("1"), &json!("m")));
    let again = build(&format!("q=1&buildargs={arguments}&labels={}", filters(&json!({"l": "m"}))), &context).is(200).lines();
    assert_eq!(again.last().unwrap()["stream"], format!("{id}\n"));
    // What cannot be is told in the stream, or at once where nothing was said yet.
    let bad = build("", &tar(&[("Dockerfile", "FROM base\nCOPY none /x\n")])).lines();
    assert!(bad.last().unwrap()["errorDetail"]["message"].as_str().unwrap().contains("none"), "{bad:?}");
    build("", &tar(&[("Dockerfile", "FRO base\n")])).is(400);
    build("dockerfile=Other", &context).is(400);
    build("remote=http://x/y", &context).is(501);
    assert!(!desk.ask("GET", "/system/df?type=build-cache").json()["BuildCache"].as_array().unwrap().is_empty());
    desk.ask("POST", "/build/prune?all=1").is(200);
    assert_eq!(desk.ask("GET", "/system/df?type=build-cache").json()["BuildCache"], json!([]));
    desk.ask("GET", "/images/made:1/json").is(200);
}
