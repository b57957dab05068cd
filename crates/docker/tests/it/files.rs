//! `/containers/{id}/archive` and `/export` as `docker cp` uses them.

use base64::Engine as _;
use container::Limits;
use container::engine::Options;
use container::network::NetworkMode;
use container::tar::Reader;
use serde_json::Value;

use crate::common::{Desk, tar};

fn container(desk: &Desk) -> String {
    desk.image("app", "content");
    let options = Options {
        image: "app".into(),
        name: Some("c1".into()),
        command: vec!["/etc/content".into()],
        network: NetworkMode::None,
        ..Options::default()
    };
    desk.engine.create("i-1", options, None).unwrap().id.to_string()
}

fn names(bytes: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(bytes, "test", Limits::default());
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        all.push(entry.name());
    }
    all
}

#[test]
fn a_path_is_described_in_a_header_as_docker_cp_reads_it() {
    let desk = Desk::new();
    let id = container(&desk);
    let answer = desk.ask("HEAD", &format!("/v1.50/containers/{id}/archive?path=%2Fetc%2Fcontent")).is(200);
    let stat = answer.header("x-docker-container-path-stat").unwrap();
    let stat: Value = serde_json::from_slice(&base64::engine::general_purpose::STANDARD.decode(stat).unwrap()).unwrap();
    assert_eq!((&stat["name"], &stat["size"], &stat["mode"]), (&"content".into(), &7.into(), &0o755.into()));
    assert_eq!((&stat["linkTarget"], &stat["mtime"]), (&"".into(), &"2023-11-14T22:13:20.000000000Z".into()));
    desk.ask("HEAD", "/containers/c1/archive?path=/nothing").is(404);
    desk.ask("HEAD", "/containers/c1/archive").is(400);
    let answer = desk.ask("GET", "/containers/c1/archive?path=/nothing").is(404);
    assert_eq!(answer.json()["message"], "Could not find the file /nothing in container c1");
    desk.ask("GET", "/containers/none/archive?path=/").is(404);
}

#[test]
fn what_is_put_in_comes_out_again() {
    let desk = Desk::new();
    container(&desk);
    let put = |path: &str, body: &[u8]| desk.send("PUT", path, &[], body);
    put("/containers/c1/archive?path=/srv&noOverwriteDirNonDir=true", &tar(&[("a/b", "one")])).is(200);
    let answer = desk.ask("GET", "/containers/c1/archive?path=/srv").is(200);
    assert_eq!(answer.header("content-type").as_deref(), Some("application/x-tar"));
    assert!(answer.header("x-docker-container-path-stat").is_some());
    assert_eq!(names(&answer.body), ["srv/", "srv/a/", "srv/a/b", "srv/x"]);
    let answer = put("/containers/c1/archive?path=/srv&noOverwriteDirNonDir=1", &tar(&[("a", "file")])).is(400);
    assert!(answer.json()["message"].as_str().unwrap().starts_with("cannot overwrite directory"));
    let answer = put("/containers/c1/archive?path=/etc/content", &tar(&[("a", "file")])).is(400);
    assert_eq!(answer.json()["message"], "extraction point is not a directory");
    put("/containers/c1/archive?path=/none", &tar(&[("a", "file")])).is(404);
    put("/containers/c1/archive?path=/srv", b"this is no tar at all, whatever it says").is(500);
    let answer = put("/containers/c1/archive?path=/srv", &tar(&[("../../up", "out")])).is(400);
    assert!(answer.json()["message"].as_str().unwrap().contains("`..`"), "{}", answer.text());
    let all = desk.ask("GET", "/containers/c1/export").is(200);
    assert!(names(&all.body).contains(&"srv/a/b".to_owned()), "{:?}", names(&all.body));
}
