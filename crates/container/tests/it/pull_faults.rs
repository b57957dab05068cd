//! Registries that stall, break off, lie and refuse, and pulls that are killed: each ends as said, and leaves nothing but
//! beginnings that the next one goes on with.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use container::oci;
use container::registry::{Event, Failure, Progress, Pulled, Settings, State, Unwatched, pull};
use container::{Digest, Error, Store};
use serde_json::json;

use crate::common;
use crate::common::server::*;
use crate::common::*;

fn settings() -> Settings {
    impatient(Duration::from_millis(300))
}

fn take(store: &Store, registry: &Server) -> container::Result<Pulled> {
    pull(
        store,
        &format!("{}/a/b:1", registry.host()).parse().unwrap(),
        &settings(),
        &Unwatched,
    )
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Registry(failure) => failure,
        other => panic!("{other}"),
    }
}

/// Bytes that do not get smaller.
fn noise(length: u32) -> Vec<u8> {
    (0..length)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

/// An image `a/b:1` of one layer of 300 kB, and the layer's digest.
fn large() -> (Shelf, Digest) {
    let layer = files(&[("noise", &noise(300_000))]);
    let mut shelf = Shelf::default();
    let manifest = shelf.image(std::slice::from_ref(&layer), <[u8]>::to_vec);
    shelf.tag("1", oci::MANIFEST, manifest);
    (shelf, Digest::of(&layer))
}

fn partial(store: &Store, digest: &Digest) -> std::path::PathBuf {
    store.root().join("partial").join(digest.hex())
}

/// What is left beside images.
fn left(store: &Store) -> Vec<String> {
    let partial = store.root().join("partial");
    let work = all_files(&store.root().join("work"));
    if partial.exists() {
        [all_files(&partial), work].concat()
    } else {
        work
    }
}

#[derive(Default)]
struct Watch(Mutex<Vec<String>>);

impl Progress for Watch {
    fn event(&self, event: Event) {
        let text = match event {
            Event::Again { why, .. } => why.to_string(),
            Event::Blob {
                state: State::Resumes(from),
                ..
            } => format!("from {from}"),
            _ => return,
        };
        self.0.lock().unwrap().push(text);
    }
}

#[test]
fn a_layer_goes_on_where_it_broke_off_or_stalled() {
    let (shelf, digest) = large();
    for fault in [Fault::Cut as fn(usize) -> Fault, Fault::Stall] {
        let shelf = shelf.clone();
        let registry = Server::start(move |asked, before| {
            let answer = shelf.answer(asked);
            if asked.is_blob(&digest) && before < 3 {
                answer.fault(fault(70_000))
            } else {
                answer
            }
        });
        let (_folder, store) = store();
        let watch = Watch::default();
        pull(
            &store,
            &format!("{}/a/b:1", registry.host()).parse().unwrap(),
            &settings(),
            &watch,
        )
        .unwrap();
        let ranges: Vec<Option<usize>> = registry
            .asked()
            .iter()
            .filter(|asked| asked.is_blob(&digest))
            .map(Asked::from)
            .collect();
        assert_eq!(ranges, [None, Some(70_000), Some(140_000), Some(210_000)]);
        let said = watch.0.lock().unwrap();
        let right = |one: &String| {
            one.contains("broke off in the middle of layer")
                || one.contains("said nothing for 0.3 s when asked for layer")
        };
        assert!(said.len() == 3 && said.iter().all(right), "{said:?}");
        assert_eq!(left(&store), Vec::<String>::new());
    }
}

#[test]
fn a_server_that_gives_no_parts_is_asked_for_all_of_it() {
    let (shelf, digest) = large();
    // It answers a range with everything, with another range, or with 416.
    for way in 0..3 {
        let shelf = shelf.clone();
        let registry = Server::start(move |asked, before| {
            let whole = Asked {
                headers: Default::default(),
                ..asked.clone()
            };
            match (asked.is_blob(&digest), before, asked.from()) {
                (true, 0, _) => shelf.answer(asked).fault(Fault::Cut(100_000)),
                (true, _, Some(_)) if way == 1 => Answer {
                    status: 206,
                    ..shelf.answer(&whole)
                }
                .with("content-range", "bytes 0-1/2"),
                (true, _, Some(_)) if way == 2 => Answer::status(416),
                _ => shelf.answer(&whole),
            }
        });
        let (_folder, store) = store();
        take(&store, &registry).unwrap();
        assert_eq!(left(&store), Vec::<String>::new(), "{way}");
    }
}

#[test]
fn a_registry_that_never_gets_further_is_given_up_and_what_came_is_kept() {
    let (shelf, digest) = large();
    let wanted = shelf.clone();
    let registry = Server::start(move |asked, _| match asked.from() {
        Some(_) => Answer {
            status: 206,
            ..shelf.answer(asked)
        }
        .fault(Fault::Cut(0)),
        None if asked.is_blob(&digest) => shelf.answer(asked).fault(Fault::Cut(123_456)),
        None => shelf.answer(asked),
    });
    let (_folder, store) = store();
    let error = failure(take(&store, &registry).unwrap_err());
    assert!(matches!(error, Failure::CutOff { .. }), "{error}");
    // The first, which came further, and three that did not.
    assert_eq!(registry.count(&digest), 4);
    assert_eq!(
        std::fs::metadata(partial(&store, &digest)).unwrap().len(),
        123_456
    );
    assert_eq!(store.images().unwrap(), []);
    // The next command begins there, from whomever.
    let other = Server::start(move |asked, _| wanted.answer(asked));
    let watch = Watch::default();
    pull(
        &store,
        &format!("{}/a/b:1", other.host()).parse().unwrap(),
        &settings(),
        &watch,
    )
    .unwrap();
    assert_eq!(*watch.0.lock().unwrap(), ["from 123456"]);
    assert_eq!(left(&store), Vec::<String>::new());
}

#[test]
fn a_damaged_beginning_is_thrown_away() {
    let (shelf, digest) = large();
    let registry = Server::start(move |asked, _| shelf.answer(asked));
    // Wrong bytes, all of the bytes and wrong, too many.
    for length in [1000, 301_568, 400_000] {
        let (_folder, store) = store();
        std::fs::create_dir(store.root().join("partial")).unwrap();
        std::fs::write(partial(&store, &digest), vec![7; length]).unwrap();
        take(&store, &registry).unwrap();
        assert_eq!(left(&store), Vec::<String>::new());
    }
}

#[test]
fn bytes_that_are_not_the_promised_ones_are_no_blob() {
    let (shelf, digest) = large();
    let size = shelf.files[&format!("/v2/a/b/blobs/{digest}")].1.len();
    type Change = fn(&mut Vec<u8>);
    let changes: [Change; 4] = [
        |all| all[200_000] ^= 1,
        |all| all.truncate(all.len() - 1),
        |all| all.push(0),
        |all| all.clear(),
    ];
    for change in changes {
        for kind in ["/blobs/", "/manifests/sha256"] {
            let shelf = shelf.clone();
            let registry = Server::start(move |asked, _| {
                let mut answer = shelf.answer(asked);
                if asked.path.contains(kind) && answer.body.len() == size {
                    change(&mut answer.body);
                }
                answer
            });
            let (_folder, store) = store();
            let pulled = take(&store, &registry);
            assert_eq!(pulled.is_err(), kind == "/blobs/");
            if let Err(error) = pulled {
                assert!(
                    matches!(error, Error::Digest { .. } | Error::Malformed { .. }),
                    "{error}"
                );
                assert_eq!(store.images().unwrap(), []);
                assert_eq!(left(&store), Vec::<String>::new());
                assert!(
                    registry.count(&digest) < 3,
                    "a lie is not asked for again and again"
                );
            }
        }
    }
    // One that does not end, and does not say how long it is.
    let shelf = shelf.clone();
    let registry = Server::start(move |asked, _| match asked.is_blob(&digest) {
        true => {
            let chunk = [b"100000\r\n".to_vec(), vec![0; 1 << 20], b"\r\n".to_vec()].concat();
            Answer::status(200)
                .with("transfer-encoding", "chunked")
                .body(chunk.repeat(3))
        }
        false => shelf.answer(asked),
    });
    let (_folder, store) = store();
    assert!(matches!(
        take(&store, &registry),
        Err(Error::Malformed { .. })
    ));
    assert_eq!(left(&store), Vec::<String>::new());
}

#[test]
fn a_manifest_is_what_its_digest_says() {
    let (shelf, _) = large();
    let manifest = shelf.files["/v2/a/b/manifests/1"].1.clone();
    let digest = Digest::of(&manifest);
    let registry = Server::start(move |asked, _| {
        let mut answer = shelf.answer(asked);
        if asked.path.contains("/manifests/sha256") {
            answer.body.push(b' ');
        }
        answer
    });
    let (_folder, store) = store();
    let name = format!("{}/a/b@{digest}", registry.host()).parse().unwrap();
    assert!(matches!(
        pull(&store, &name, &settings(), &Unwatched),
        Err(Error::Digest { .. })
    ));
    assert!(
        registry
            .asked()
            .iter()
            .all(|asked| !asked.path.contains("/blobs/"))
    );
}

#[test]
fn a_layer_that_unpacks_to_something_else_is_none() {
    let [honest, other] = [files(&[("a", b"a")]), files(&[("b", b"b")])];
    let mut shelf = Shelf::default();
    let manifest = shelf.image(std::slice::from_ref(&honest), gzip);
    shelf.tag("1", oci::MANIFEST, manifest);
    let config = shelf.blob(
        oci::CONFIG,
        config(&[Digest::of(&honest), Digest::of(&honest)]),
    );
    let layer = shelf.blob("application/vnd.oci.image.layer.v1.tar", honest.clone());
    let lie = shelf.blob("application/vnd.oci.image.layer.v1.tar", other);
    for (tag, layers) in [("lie", [&layer, &lie]), ("lower", [&lie, &layer])] {
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string();
        shelf.tag(tag, oci::MANIFEST, manifest.into_bytes());
    }
    let registry = Server::start(move |asked, _| shelf.answer(asked));
    let (_folder, store) = store();
    // Where the layer that it pretends to be is here, too.
    for _ in 0..2 {
        for tag in ["lie", "lower"] {
            let name = format!("{}/a/b:{tag}", registry.host()).parse().unwrap();
            let error = pull(&store, &name, &settings(), &Unwatched).unwrap_err();
            assert!(matches!(error, Error::Digest { .. }), "{tag}: {error}");
            assert!(store.find(&name.to_string()).is_err());
        }
        take(&store, &registry).unwrap();
    }
}

#[test]
fn who_asks_to_be_asked_later_is_asked_later() {
    let (shelf, digest) = large();
    let waits = shelf.clone();
    let registry = Server::start(move |asked, before| match before {
        0 if asked.is_blob(&digest) => Answer::error(429, "slowly").with("retry-after", 1),
        0 if asked.path.contains("/manifests/") => Answer::status(503).with("retry-after", 0),
        0 if asked.path == "/v2/" => Answer::status(500),
        _ => waits.answer(asked),
    });
    let (_folder, store) = store();
    let begin = Instant::now();
    take(&store, &registry).unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1));
    // Not for longer than is said to be the longest, and not for ever.
    for (wait, asked_for) in [("3600", 1), ("0", 3)] {
        let shelf = shelf.clone();
        let registry = Server::start(move |asked, _| match asked.is_blob(&digest) {
            true => Answer::error(429, "too many").with("retry-after", wait),
            false => shelf.answer(asked),
        });
        let (_folder, store) = common::store();
        let error = failure(take(&store, &registry).unwrap_err());
        assert!(
            matches!(&error, Failure::Busy { why, .. } if why == "too many"),
            "{error}"
        );
        assert_eq!(registry.count(&digest), asked_for);
        assert_eq!(left(&store), Vec::<String>::new());
    }
}

#[test]
fn refusals_are_told_as_they_are_meant() {
    for (status, message, said, asked_for) in [
        (
            401,
            "",
            "wants a login for image 127.0.0.1:PORT/a/b:1: it does not say how",
            1,
        ),
        (
            403,
            "not for you",
            "denies image 127.0.0.1:PORT/a/b:1: not for you",
            1,
        ),
        (
            404,
            "manifest unknown",
            "has no image 127.0.0.1:PORT/a/b:1: manifest unknown",
            1,
        ),
        (
            418,
            "tea",
            "answered 418 when asked for image 127.0.0.1:PORT/a/b:1: tea",
            1,
        ),
        (
            500,
            "broken\u{1b}[2J",
            "answered 500 when asked for image 127.0.0.1:PORT/a/b:1: broken [2J",
            3,
        ),
        (
            502,
            "",
            "answered 502 when asked for image 127.0.0.1:PORT/a/b:1: it does not say why",
            3,
        ),
    ] {
        let registry = Server::start(move |asked, _| match asked.path.as_str() {
            "/v2/" => Answer::status(200),
            _ if message.is_empty() => Answer::status(status).body("<html>"),
            _ => Answer::error(status, message),
        });
        let (_folder, store) = store();
        let error = take(&store, &registry).unwrap_err().to_string();
        let port = registry.address.port().to_string();
        assert_eq!(
            error,
            format!("{} {}", registry.host(), said.replace("PORT", &port))
        );
        assert_eq!(registry.asked().len(), 1 + asked_for, "{status}");
    }
    // Nobody there, somebody who says nothing, somebody who speaks something else.
    let host = Server::start(|_, _| Answer::status(200)).host();
    let (_folder, store) = store();
    let error = failure(
        pull(
            &store,
            &format!("{host}/a").parse().unwrap(),
            &settings(),
            &Unwatched,
        )
        .unwrap_err(),
    );
    assert!(matches!(error, Failure::Unreachable { .. }), "{error}");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("{}/a", silent.local_addr().unwrap())
        .parse()
        .unwrap();
    let error = failure(pull(&store, &name, &settings(), &Unwatched).unwrap_err());
    assert!(matches!(error, Failure::Stalled { .. }), "{error}");
}

#[test]
fn two_at_once_bring_a_layer_once() {
    let (shelf, digest) = large();
    let registry = Server::start(move |asked, _| {
        if asked.path.contains("/manifests/") {
            std::thread::sleep(Duration::from_millis(50));
        }
        shelf.answer(asked)
    });
    let (_folder, store) = store();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| take(&Store::open(store.root()).unwrap(), &registry).unwrap());
        }
    });
    assert_eq!(registry.count(&digest), 1);
    assert_eq!(store.images().unwrap().len(), 1);
    assert_eq!(left(&store), Vec::<String>::new());
}

/// Not a test: what a child of the test below does.
#[test]
fn child() {
    let (Some(root), Some(name)) = (
        std::env::var_os("CONTAINER_TEST_STORE"),
        std::env::var("CONTAINER_TEST_NAME").ok(),
    ) else {
        return;
    };
    let store = Store::open(Path::new(&root)).unwrap();
    let patient = Settings::default();
    match pull(&store, &name.parse().unwrap(), &patient, &Unwatched) {
        Ok(_) => std::process::exit(10),
        Err(error) if error.is_full() => std::process::exit(11),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_killed_pull_leaves_a_beginning_that_the_next_goes_on_with_or_prune_removes() {
    let (shelf, digest) = large();
    let registry = Server::start(move |asked, before| {
        let answer = shelf.answer(asked);
        // Two are killed in the middle.
        if asked.is_blob(&digest) && before < 2 {
            answer.fault(Fault::Stall(100_000))
        } else {
            answer
        }
    });
    let (_folder, store) = store();
    let kill_one = |length: u64| {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "pull_faults::child", "--nocapture"])
            .env("CONTAINER_TEST_STORE", store.root())
            .env("CONTAINER_TEST_NAME", format!("{}/a/b:1", registry.host()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::fs::metadata(partial(&store, &digest)).map_or(0, |file| file.len()) < length {
            assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    };
    kill_one(100_000);
    let there = Store::open(store.root()).unwrap();
    assert_eq!(there.images().unwrap(), []);
    assert_eq!(left(&there), [digest.hex()]);
    // Another way to go on: none.
    let freed = there.prune(false, &Default::default()).unwrap().bytes;
    assert!(freed >= 100_000, "{freed}");
    assert_eq!(left(&there), Vec::<String>::new());
    kill_one(100_000);
    take(&store, &registry).unwrap();
    let ranges: Vec<Option<usize>> = registry
        .asked()
        .iter()
        .filter(|asked| asked.is_blob(&digest))
        .map(Asked::from)
        .collect();
    assert_eq!(ranges, [None, None, Some(100_000)]);
    assert_eq!(left(&store), Vec::<String>::new());
}

#[test]
fn a_full_disk_is_said_and_leaves_a_beginning_at_most() {
    let (shelf, digest) = large();
    let registry = Server::start(move |asked, _| shelf.answer(asked));
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    // Not even the layer fits; the layer fits and not what it unpacks to; all fits.
    for (size, ends, begun) in [("200k", 11, true), ("500k", 11, false), ("2m", 10, false)] {
        let script = format!(
            "mount -t tmpfs -o size={size} none {disk} || exit 1
            CONTAINER_TEST_STORE={root} CONTAINER_TEST_NAME={host}/a/b:1 {exe} --exact pull_faults::child --nocapture >/dev/null
            code=$?; find {root}/partial {root}/work {root}/index.json -type f; exit $code",
            disk = disk.display(),
            root = disk.join("images").display(),
            host = registry.host(),
            exe = std::env::current_exe().unwrap().display(),
        );
        let output = Command::new("unshare")
            .args(["-rm", "sh", "-c", &script])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(ends), "{size}: {said}");
        let left = String::from_utf8(output.stdout).unwrap();
        let left: Vec<&str> = left
            .lines()
            .map(|path| path.rsplit('/').next().unwrap())
            .collect();
        let beginning = digest.hex();
        let right = match (begun, ends) {
            (true, _) => vec![beginning.as_str()],
            (false, 10) => vec!["index.json"],
            _ => vec![],
        };
        assert_eq!(left, right, "{size}");
    }
}
