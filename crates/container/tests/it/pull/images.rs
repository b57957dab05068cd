//! Which image comes, of whom it is asked, and what is refused before its layers come.

use std::time::Duration;

use container::Digest;
use container::oci::{self, Platform};
use container::registry::Settings;
use serde_json::json;

use super::desk::{is_empty, layer, names, settings, shelf, take};
use crate::common::server::*;
use crate::common::*;

#[test]
fn an_image_comes_once_and_is_up_to_date_from_then_on() {
    let layers = [layer("a"), layer("b"), layer("a")];
    let shelf = shelf(&layers);
    let registry = Server::start(move |asked, _| shelf.answer(asked));
    let (_folder, store) = store();
    let name = format!("{}/a/b:1", registry.host());
    let first = take(&store, &name, &settings()).unwrap();
    assert!(first.is_new);
    assert_eq!(first.image.id, Digest::of(&config(&layers.each_ref().map(|layer| Digest::of(layer)))));
    assert_eq!(first.image.manifest.digest, first.digest);
    assert_eq!(names(&store), std::slice::from_ref(&name));
    assert_eq!(std::fs::read(store.stack(&first.image).unwrap()[1].join("b")).unwrap(), b"b");
    let packed = Digest::of(&gzip(&layers[0]));
    assert_eq!(registry.count(&packed), 1, "a layer that is there twice comes once");
    registry.forget();
    let again = take(&store, &name, &settings()).unwrap();
    assert!(!again.is_new);
    assert_eq!(again.image, first.image);
    // By digest it is the same image with one more name.
    let by_digest = format!("{}/a/b@{}", registry.host(), first.digest);
    assert!(take(&store, &by_digest, &settings()).unwrap().is_new);
    assert_eq!(names(&store), [by_digest.clone(), name]);
    assert!(registry.asked().iter().all(|asked| !asked.path.contains("/blobs/")), "{:?}", registry.asked());
    // A tag beside a digest says nothing.
    let both = by_digest.replace("@", ":other@");
    assert!(!take(&store, &both, &settings()).unwrap().is_new);
}

#[test]
fn another_image_under_the_name_takes_it_and_shares_its_layers() {
    let [a, b, c] = [layer("a"), layer("b"), layer("c")];
    let (mut old, mut new) = (Shelf::default(), Shelf::default());
    let manifest = old.image(&[a.clone(), b], gzip);
    old.tag("1", oci::MANIFEST, manifest);
    let manifest = new.image(&[a.clone(), c], gzip);
    new.tag("1", oci::MANIFEST, manifest);
    let is_new = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switch = is_new.clone();
    let registry =
        Server::start(
            move |asked, _| {
                if switch.load(std::sync::atomic::Ordering::Relaxed) { new.answer(asked) } else { old.answer(asked) }
            },
        );
    let (_folder, store) = store();
    let name = format!("{}/a/b:1", registry.host());
    let first = take(&store, &name, &settings()).unwrap();
    is_new.store(true, std::sync::atomic::Ordering::Relaxed);
    let second = take(&store, &name, &settings()).unwrap();
    assert!(second.is_new && second.image.id != first.image.id);
    assert_eq!(store.find(&name).unwrap(), second.image);
    assert_eq!(registry.count(&Digest::of(&gzip(&a))), 1);
}

#[test]
fn of_a_list_the_image_for_the_machine_is_taken() {
    let mut shelf = Shelf::default();
    let host = Platform::host();
    let own = shelf.image(&[layer("own")], gzip);
    let mut own = shelf.manifest(
        oci::DOCKER_MANIFEST,
        String::from_utf8(own).unwrap().replace(oci::MANIFEST, oci::DOCKER_MANIFEST).into_bytes(),
    );
    own["platform"] = json!({"os": "linux", "architecture": host.architecture, "variant": host.variant});
    // The other one's configuration has to say so too.
    let diff_id = Digest::of(&layer("other"));
    let config: serde_json::Value = serde_json::from_slice(&config(&[diff_id])).unwrap();
    let config = shelf.blob(oci::CONFIG, {
        let mut config = config;
        config["architecture"] = json!("s390x");
        config.to_string().into_bytes()
    });
    let packed = shelf.blob("application/vnd.oci.image.layer.v1.tar", layer("other"));
    let other = json!({"schemaVersion": 2, "config": config, "layers": [packed]}).to_string();
    let mut other = shelf.manifest(oci::MANIFEST, other.into_bytes());
    other["platform"] = json!({"os": "linux", "architecture": "s390x"});
    let mut attestation = other.clone();
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    for (tag, kind) in [("oci", oci::INDEX), ("docker", oci::DOCKER_INDEX)] {
        let list = json!({"schemaVersion": 2, "mediaType": kind, "manifests": [attestation, other, own]}).to_string();
        shelf.tag(tag, kind, list.into_bytes());
    }
    let registry = Server::start(move |asked, _| shelf.answer(asked));
    let (_folder, store) = store();
    for tag in ["oci", "docker"] {
        let name = format!("{}/a/b:{tag}", registry.host());
        let pulled = take(&store, &name, &settings()).unwrap();
        assert!(host.runs(&pulled.image.platform()));
        assert_ne!(pulled.digest, pulled.image.manifest.digest, "the name is the list's");
        // By the list's digest it is found again.
        let by_digest = format!("{}/a/b@{}", registry.host(), pulled.digest);
        assert_eq!(take(&store, &by_digest, &settings()).unwrap().image.id, pulled.image.id);
    }
    let platform =
        |architecture: &str| Platform { os: "linux".into(), architecture: architecture.into(), variant: None, os_version: None };
    let wanted = Settings { platform: Some(platform("s390x")), ..settings() };
    let name = format!("{}/a/b:oci", registry.host());
    assert_eq!(take(&store, &name, &wanted).unwrap().image.config.architecture, "s390x");
    let none = Settings { platform: Some(platform("riscv64")), ..settings() };
    let error = take(&store, &name, &none).unwrap_err().to_string();
    assert!(error.ends_with(&format!("there is none for linux/riscv64, only for {host}, linux/s390x")), "{error}");
}

#[test]
fn a_platform_that_is_asked_for_is_no_wish() {
    let shelf = shelf(&[layer("a")]);
    let registry = Server::start(move |asked, _| shelf.answer(asked));
    let (_folder, store) = store();
    let platform = Platform { os: "linux".into(), architecture: "s390x".into(), variant: None, os_version: None };
    let wanted = Settings { platform: Some(platform), ..settings() };
    let name = format!("{}/a/b:1", registry.host());
    for _ in 0..2 {
        let error = take(&store, &name, &wanted).unwrap_err().to_string();
        assert!(error.contains("there is none for linux/s390x, only for linux/"), "{error}");
        // And no more where the image is here.
        take(&store, &name, &settings()).unwrap();
    }
}

#[test]
fn mirrors_are_asked_first_and_believed_in_nothing() {
    let shelf = shelf(&[layer("a"), layer("b")]);
    let good = shelf.clone();
    let registry = Server::start(move |asked, _| good.answer(asked));
    // One that has the manifest and wrong bytes, one that has nothing, one that is not there.
    let wrong = shelf.clone();
    let liar = Server::start(move |asked, _| {
        let mut answer = wrong.answer(asked);
        if asked.path.contains("/blobs/") {
            answer.body[0] ^= 1;
        }
        answer
    });
    let empty = Server::start(|asked, _| Shelf::default().answer(asked));
    let gone = Server::start(|_, _| Answer::status(200)).host();
    let of = registry.host();
    let mirror = |host: &str| format!("{of}={host}").parse().unwrap();
    let mirrors = vec![mirror(&gone), mirror(&empty.host()), mirror(&liar.host())];
    let (_folder, store) = store();
    let name = format!("{of}/a/b:1");
    let pulled = take(&store, &name, &Settings { mirrors, ..settings() }).unwrap();
    assert_eq!(pulled.source, liar.host());
    assert_eq!(names(&store), [name], "the name is the registry's");
    assert!(registry.asked().iter().any(|asked| asked.path.contains("/blobs/")));
    // A good one is enough: the registry itself need not be there.
    let (_folder, other) = crate::common::store();
    let name = format!("{gone}/a/b:1");
    let mirrors = [format!("{gone}={of}").parse().unwrap()].into();
    let pulled = take(&other, &name, &Settings { mirrors, ..settings() }).unwrap();
    assert_eq!(pulled.source, of);
    // One for another registry is not asked.
    liar.forget();
    let mirrors = [liar.host().parse().unwrap()].into();
    let (_folder, other) = crate::common::store();
    take(&other, &format!("{of}/a/b:1"), &Settings { mirrors, ..settings() }).unwrap();
    assert_eq!(liar.asked().len(), 0);
}

#[test]
fn at_most_so_many_blobs_are_asked_for_at_once() {
    let layers: Vec<Vec<u8>> = (0..8).map(|at| layer(&format!("l{at}"))).collect();
    let shelf = shelf(&layers);
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let first = format!("/v2/a/b/blobs/{}", Digest::of(&config(&diff_ids)));
    let most = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (seen, now) = (most.clone(), std::sync::atomic::AtomicUsize::new(0));
    let registry = Server::start(move |asked, _| {
        use std::sync::atomic::Ordering::SeqCst;
        seen.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
        // The first layers wait for each other.
        let deadline = std::time::Instant::now() + Duration::from_secs(4);
        while asked.path.contains("/blobs/")
            && asked.path != first
            && seen.load(SeqCst) < 3
            && std::time::Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        now.fetch_sub(1, SeqCst);
        shelf.answer(asked)
    });
    let (_folder, store) = store();
    take(&store, &format!("{}/a/b:1", registry.host()), &settings()).unwrap();
    assert_eq!(most.load(std::sync::atomic::Ordering::SeqCst), 3);
}

#[test]
fn what_is_no_image_of_a_container_is_refused_before_its_layers_come() {
    let mut shelf = Shelf::default();
    let chart = shelf.blob("application/vnd.cncf.helm.config.v1+json", b"{}".to_vec());
    let content = shelf.blob("application/vnd.cncf.helm.chart.content.v1.tar+gzip", b"x".to_vec());
    let foreign = {
        let mut layer = content.clone();
        layer["urls"] = json!(["https://storage.example/x"]);
        layer
    };
    let config = shelf.blob(oci::CONFIG, config(&[Digest::of(b"1"), Digest::of(b"2")]));
    let manifest = |config: &serde_json::Value, layers: &[serde_json::Value]| {
        json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string().into_bytes()
    };
    shelf.tag("chart", oci::MANIFEST, manifest(&chart, std::slice::from_ref(&content)));
    shelf.tag("foreign", oci::MANIFEST, manifest(&config, &[content.clone(), foreign]));
    shelf.tag("few", oci::MANIFEST, manifest(&config, std::slice::from_ref(&content)));
    shelf.tag(
        "old",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        br#"{"schemaVersion":1,"fsLayers":[]}"#.to_vec(),
    );
    shelf.tag("page", "text/html", b"<html>".to_vec());
    let mut large = content.clone();
    large["size"] = json!(u64::MAX / 2);
    shelf.tag("large", oci::MANIFEST, manifest(&config, &[large, content.clone()]));
    let registry = Server::start(move |asked, _| shelf.answer(asked));
    let (_folder, store) = store();
    for (tag, why) in [
        ("chart", "it is `application/vnd.cncf.helm.config.v1+json`, and no image of a container"),
        ("foreign", "it is to be fetched from elsewhere, which is not done"),
        ("few", "1 layers, and 2 in its configuration"),
        ("old", "its manifest is of schema 1, which has been out of use since 2017; push it again"),
        ("page", "expected value at line 1 column 1"),
        ("large", "more than 17.18 GB"),
    ] {
        let error = take(&store, &format!("{}/a/b:{tag}", registry.host()), &settings()).unwrap_err().to_string();
        assert!(error.ends_with(why), "{tag}: {error}");
    }
    assert_eq!(registry.count(&Digest::of(b"x")), 0);
    is_empty(&store);
}
