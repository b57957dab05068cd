//! Pushes to a registry on loopback: byte by byte what is in the store, and only what is not there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use container::load::{Options, archive as load};
use container::registry::credentials::Login;
use container::registry::{Failure, Patience, Pushed, Settings, Unwatched, pull, push};
use container::{Digest, Error, Image, Store};

use crate::common;
use crate::common::server::*;
use crate::common::*;

fn settings() -> Settings {
    impatient(Duration::from_millis(500))
}

/// A registry that takes what it is given; `fault` may answer instead.
fn registry(
    fault: impl Fn(&Asked, usize) -> Option<Answer> + Send + Sync + 'static,
) -> (Server, Arc<Mutex<Shelf>>) {
    let shelf = Arc::new(Mutex::new(Shelf::default()));
    let own = shelf.clone();
    let server = Server::start(move |asked, before| {
        if let Some(answer) = fault(asked, before) {
            return answer;
        }
        let mut shelf = own.lock().unwrap();
        match asked.method.as_str() {
            // One part of the address is relative, and the state is not to be lost.
            "POST" => Answer::status(202).with("location", "/v2/a/b/blobs/uploads/7?state=s%2F1"),
            "PUT" if asked.path.contains("/uploads/") => {
                let digest = Digest::of(&asked.body);
                assert_eq!(
                    asked.path,
                    format!("/v2/a/b/blobs/uploads/7?state=s%2F1&digest={digest}")
                );
                assert_eq!(
                    asked.header("content-type"),
                    Some("application/octet-stream")
                );
                shelf.files.insert(
                    format!("/v2/a/b/blobs/{digest}"),
                    ("application/octet-stream".into(), asked.body.clone()),
                );
                Answer::status(201)
            }
            "PUT" => {
                let media_type = asked.header("content-type").unwrap().to_owned();
                let digest = Digest::of(&asked.body);
                // It has everything that the manifest speaks of, or the order was wrong.
                let manifest: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
                for one in manifest["layers"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .chain([&manifest["config"]])
                {
                    let path = format!("/v2/a/b/blobs/{}", one["digest"].as_str().unwrap());
                    assert!(shelf.files.contains_key(&path), "{path}");
                }
                for name in [asked.path.clone(), format!("/v2/a/b/manifests/{digest}")] {
                    shelf
                        .files
                        .insert(name, (media_type.clone(), asked.body.clone()));
                }
                Answer::status(201).with("docker-content-digest", digest)
            }
            _ => shelf.answer(asked),
        }
    });
    (server, shelf)
}

fn image(store: &Store, name: &str) -> Image {
    let [a, b] = [files(&[("a", b"a")]), files(&[("b", &[7; 100_000])])];
    let packed = [
        (gzip(&a), Digest::of(&a)),
        (zstd(&b), Digest::of(&b)),
        (gzip(&a), Digest::of(&a)),
    ];
    load(
        store,
        &archive(&oci_layout(Some(name), &packed))[..],
        "it",
        &Options::default(),
    )
    .unwrap()
    .remove(0)
}

fn send(store: &Store, name: &str, settings: &Settings) -> container::Result<Pushed> {
    push(store, &name.parse().unwrap(), settings, &Unwatched)
}

#[test]
fn what_is_pushed_comes_back_with_its_digests() {
    let (server, shelf) = registry(|_, _| None);
    let (_folder, store) = store();
    let name = format!("{}/a/b:1", server.host());
    let image = image(&store, &name);
    let pushed = send(&store, &name, &settings()).unwrap();
    assert_eq!(
        (pushed.digest, pushed.sent, pushed.there),
        (image.manifest.digest, 3, 0)
    );
    let has = |path: String| shelf.lock().unwrap().files[&path].1.clone();
    for digest in [image.id, image.layers[0].digest, image.layers[1].digest] {
        assert_eq!(
            has(format!("/v2/a/b/blobs/{digest}")),
            store.blobs().read(&digest, 1 << 20).unwrap()
        );
    }
    let manifest = store.blobs().read(&image.manifest.digest, 1 << 20).unwrap();
    assert_eq!(has("/v2/a/b/manifests/1".into()), manifest);
    // Only what is not there goes again.
    server.forget();
    let again = send(&store, &name, &settings()).unwrap();
    assert_eq!((again.sent, again.there), (0, 3));
    assert!(server.asked().iter().all(|asked| asked.method != "POST"));
    let (_other, store) = common::store();
    let pulled = pull(&store, &name.parse().unwrap(), &settings(), &Unwatched).unwrap();
    assert_eq!(
        (
            pulled.image.id,
            pulled.image.manifest.digest,
            pulled.image.layers
        ),
        (image.id, image.manifest.digest, image.layers)
    );
}

#[test]
fn an_upload_that_fails_begins_again() {
    // Each place is refused once, and each upload breaks once.
    let (server, _) = registry(|asked, before| match (asked.method.as_str(), before) {
        ("POST", 0) => Some(Answer::status(503).with("retry-after", 0)),
        ("PUT", 0) if asked.path.contains("/uploads/") => {
            Some(Answer::status(201).fault(Fault::Silent))
        }
        ("PUT", 1) if asked.path.contains("/uploads/") => Some(Answer::error(500, "storage")),
        ("PUT", 0) => Some(Answer::error(500, "database")),
        _ => None,
    });
    let (_folder, store) = store();
    let name = format!("{}/a/b:1", server.host());
    image(&store, &name);
    send(
        &store,
        &name,
        &Settings {
            patience: Patience {
                tries: 5,
                ..settings().patience
            },
            ..settings()
        },
    )
    .unwrap();
}

#[test]
fn who_may_only_read_is_told_so() {
    let scopes = Arc::new(Mutex::new(Vec::new()));
    let seen = scopes.clone();
    let realm = Server::start(move |asked, _| {
        seen.lock().unwrap().push(asked.path.clone());
        Answer::status(200).body(r#"{"token":"read"}"#)
    });
    let challenge = format!(r#"Bearer realm="http://{}/token""#, realm.host());
    let (server, shelf) = registry(move |asked, _| match asked.header("authorization") {
        None => Some(Answer::status(401).with("www-authenticate", &challenge)),
        Some(_) if asked.method == "POST" => {
            Some(Answer::error(401, "insufficient scope").with("www-authenticate", &challenge))
        }
        Some(_) => None,
    });
    let (_folder, store) = store();
    let name = format!("{}/a/b:1", server.host());
    image(&store, &name);
    let Err(Error::Registry(Failure::Unauthorized { why, .. })) = send(&store, &name, &settings())
    else {
        panic!()
    };
    assert_eq!(why, "insufficient scope");
    assert!(
        scopes
            .lock()
            .unwrap()
            .iter()
            .all(|path| path == "/token?scope=repository:a/b:pull,push")
    );
    assert!(shelf.lock().unwrap().files.is_empty());
    // A refusal that has nothing to do with who it is.
    let (server, _) =
        registry(|asked, _| (asked.method == "POST").then(|| Answer::error(403, "read only")));
    let name = format!("{}/a/b:2", server.host());
    image(&store, &name);
    let Err(Error::Registry(Failure::Denied { why, .. })) = send(&store, &name, &settings()) else {
        panic!()
    };
    assert_eq!(why, "read only");
}

#[test]
fn blobs_go_where_the_registry_says_and_not_in_the_clear() {
    let storage = Server::start(|asked, _| {
        assert_eq!(
            (asked.method.as_str(), asked.header("authorization")),
            ("PUT", None)
        );
        Answer::status(201)
    });
    let place = storage.host();
    let (server, _) =
        registry(
            move |asked, _| match (asked.header("authorization"), asked.method.as_str()) {
                (None, _) => Some(Answer::status(401).with("www-authenticate", "Basic realm=x")),
                (_, "POST") => {
                    Some(Answer::status(202).with("location", format!("http://{place}/put")))
                }
                (_, "PUT") => Some(Answer::status(201)),
                _ => None,
            },
        );
    let (_folder, store) = store();
    let name = format!("{}/a/b:1", server.host());
    image(&store, &name);
    let mut known = settings();
    known
        .credentials
        .add(&server.host(), Login::Password("me".into(), "x".into()));
    send(&store, &name, &known).unwrap();
    assert_eq!(storage.asked().len(), 3);
    let (server, _) = registry(|asked, _| {
        (asked.method == "POST")
            .then(|| Answer::status(202).with("location", "http://storage.example/put"))
    });
    let name = format!("{}/a/b:2", server.host());
    image(&store, &name);
    assert!(matches!(
        send(&store, &name, &settings()),
        Err(Error::Registry(Failure::Plain { .. }))
    ));
}

#[test]
fn only_a_name_that_is_here_can_be_pushed() {
    let (_folder, store) = store();
    let image = image(&store, "localhost:1/a/b:1");
    assert!(matches!(
        send(&store, "localhost:1/a/b:2", &settings()),
        Err(Error::NoImage(_))
    ));
    let by_digest = format!("localhost:1/a/b@{}", image.manifest.digest);
    assert!(matches!(
        send(&store, &by_digest, &settings()),
        Err(Error::Reference { .. })
    ));
    assert!(matches!(
        send(&store, "localhost:1/a/b:1", &settings()),
        Err(Error::Registry(Failure::Unreachable { .. }))
    ));
}
