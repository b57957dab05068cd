//! Pulls as a client sees them: lines, refusals, logins, and what is left when it goes away.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use container::Digest;
use serde_json::json;

use crate::common::{Desk, eventually};
use crate::registry;
use crate::registry::server::{Answer, Server, Shelf};

fn shelf(layers: &[Vec<u8>]) -> Shelf {
    let mut shelf = Shelf::default();
    let manifest = shelf.image(layers, <[u8]>::to_vec);
    shelf.tag("1", container::oci::MANIFEST, manifest);
    shelf
}

#[test]
fn a_pull_tells_what_every_layer_does() {
    let layers = [registry::files(&[("a", b"one")]), registry::files(&[("b", b"two")])];
    let shelf = shelf(&layers);
    let server = Server::start(move |asked, _| shelf.answer(asked));
    let desk = Desk::new();
    let pull = format!("/images/create?fromImage={}%2Fa%2Fb&tag=1", server.host());
    let lines = desk.ask("POST", &pull).is(200).lines();
    assert_eq!(lines[0], json!({"status": "Pulling from a/b", "id": "1"}));
    for layer in &layers {
        let id: String = Digest::of(layer).hex().chars().take(12).collect();
        let said: Vec<&str> = lines.iter().filter(|line| line["id"] == id.as_str()).filter_map(|line| line["status"].as_str()).collect();
        assert_eq!(said.first(), Some(&"Pulling fs layer"));
        assert_eq!(said[said.len() - 2..], ["Download complete", "Pull complete"]);
        let total = lines.iter().find(|line| line["id"] == id.as_str() && line["status"] == "Downloading").unwrap();
        assert_eq!(total["progressDetail"]["total"], json!(layer.len()));
    }
    let name = format!("{}/a/b:1", server.host());
    assert!(lines[lines.len() - 2]["status"].as_str().unwrap().starts_with("Digest: sha256:"));
    assert_eq!(lines.last().unwrap()["status"], format!("Status: Downloaded newer image for {name}"));
    let again = desk.ask("POST", &pull).is(200).lines();
    assert_eq!(again.last().unwrap()["status"], format!("Status: Image is up to date for {name}"));
    let answer = desk.ask("POST", &format!("/images/create?fromImage={}/a/b&tag=none", server.host())).is(404);
    assert!(answer.json()["message"].as_str().unwrap().starts_with(&format!("manifest for {}/a/b:none not found", server.host())));
    let known = desk.ask("GET", &format!("/distribution/{name}/json")).is(200).json();
    assert_eq!(known["Descriptor"]["mediaType"], container::oci::MANIFEST);
}

#[test]
fn a_login_is_the_clients_and_is_checked() {
    let shelf = shelf(&[registry::files(&[("a", b"one")])]);
    let good = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("me:secret"));
    let server = Server::start(move |asked, _| match asked.header("authorization") {
        Some(proof) if proof == good => shelf.answer(asked),
        _ => Answer::error(401, "authentication required").with("www-authenticate", "Basic realm=\"test\""),
    });
    let desk = Desk::new();
    let pull = format!("/images/create?fromImage={}/a/b&tag=1", server.host());
    let login = |password: &str| json!({"username": "me", "password": password, "serveraddress": server.host()}).to_string();
    let answer = desk.ask("POST", &pull).is(404);
    assert!(answer.json()["message"].as_str().unwrap().starts_with("pull access denied for"), "{}", answer.text());
    let with = |password: &str| desk.send("POST", &pull, &[("X-Registry-Auth", &URL_SAFE.encode(login(password)))], &[]);
    let answer = with("wrong").is(404);
    assert!(!answer.text().contains("wrong"), "a secret is repeated: {}", answer.text());
    with("secret").is(200);
    let auth = |password: &str| desk.send("POST", "/auth", &[], login(password).as_bytes());
    assert_eq!(auth("secret").is(200).json()["Status"], "Login Succeeded");
    assert!(auth("wrong").is(401).json()["message"].as_str().unwrap().contains("unauthorized"));
}

#[test]
fn a_client_that_goes_away_leaves_no_image_and_no_lock() {
    // Nothing that could be packed: it takes a while.
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u8
    })
    .take(64 << 20)
    .collect();
    let layers = [registry::files(&[("noise", &noise)])];
    let shelf = shelf(&layers);
    let server = Server::start(move |asked, _| shelf.answer(asked));
    let desk = Desk::new();
    let mut stream = UnixStream::connect(desk.socket()).unwrap();
    let path = format!("/images/create?fromImage={}/a/b&tag=1", server.host());
    stream.write_all(format!("POST {path} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n").as_bytes()).unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("\"Downloading\"") {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&piece[..count]);
    }
    drop(stream);
    // Whoever prunes needs the store alone: the pull has ended then.
    eventually("the pull is given up", || desk.engine.store.prune(false, &Default::default()).is_ok());
    assert!(desk.engine.store.images().unwrap().is_empty());
    assert!(desk.engine.store.blobs().all().unwrap().is_empty());
}
