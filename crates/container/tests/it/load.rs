//! Archives go into the store whole or not at all, whatever they are packed with and whatever they promise.

use container::load::{Options, archive as load, folder};
use container::tar::Kind;
use container::{Digest, Error, Limits, Reference, Store};

use crate::common::*;

fn layer(name: &str) -> Vec<u8> {
    files(&[(name, name.as_bytes())])
}

fn load_bytes(store: &Store, bytes: &[u8]) -> container::Result<Vec<container::Image>> {
    load(store, bytes, "it", &Options::default())
}

/// What a store holds that refused everything.
fn is_empty(store: &Store) {
    let mut left = all_files(store.root());
    // Made with the first layer that is tried.
    left.retain(|path| path != "layers" && path != "layers/locks");
    assert_eq!(
        left,
        ["blobs", "blobs/sha256", "oci-layout", "store.lock", "work"].map(str::to_owned)
    );
}

#[test]
fn old_and_new_archives_are_the_same_image() {
    let layers = [layer("a"), layer("b")];
    let diff_ids = layers.each_ref().map(|layer| Digest::of(layer));
    let old = docker_save("app:1", &layers);
    let packed = [
        (gzip(&layers[0]), diff_ids[0]),
        (zstd(&layers[1]), diff_ids[1]),
    ];
    let new = oci_layout(Some("docker.io/library/app:2"), &packed);
    let (_folder, store) = store();
    for bytes in [old.clone(), gzip(&old), zstd(&old), archive(&new)] {
        let images = load_bytes(&store, &bytes).unwrap();
        assert_eq!(images.len(), 1);
        assert_eq!(images[0].id, Digest::of(&config(&diff_ids)));
    }
    let images = store.images().unwrap();
    assert_eq!(images.len(), 1);
    assert_eq!(
        images[0]
            .names
            .iter()
            .map(Reference::familiar)
            .collect::<Vec<_>>(),
        ["app:1", "app:2"]
    );
    assert_eq!(
        store.find("app:2").unwrap(),
        store.find(&images[0].id.short()).unwrap()
    );
}

#[test]
fn an_image_of_twenty_layers_with_one_twice_is_kept_once_each() {
    let mut layers: Vec<Vec<u8>> = (0..19).map(|at| layer(&format!("file{at}"))).collect();
    layers.push(layers[3].clone());
    let (_folder, store) = store();
    let image = load_bytes(&store, &docker_save("many", &layers))
        .unwrap()
        .remove(0);
    assert_eq!(image.layers.len(), 20);
    // 19 layers, a configuration, a manifest.
    assert_eq!(store.blobs().all().unwrap().len(), 21);
}

#[test]
fn a_layer_may_be_a_link_to_the_first_of_its_kind() {
    let one = layer("a");
    let config = config(&[Digest::of(&one), Digest::of(&one)]);
    let manifest =
        br#"[{"Config":"c.json","RepoTags":null,"Layers":["x/layer.tar","y/layer.tar"]}]"#;
    let bytes = tar(&[
        (entry("x/layer.tar", Kind::File), &one),
        (link("y/layer.tar", Kind::Symlink, "../x/layer.tar"), b""),
        (entry("c.json", Kind::File), &config),
        (entry("manifest.json", Kind::File), manifest),
    ]);
    let (_folder, store) = store();
    let image = load_bytes(&store, &bytes).unwrap().remove(0);
    assert!(image.names.is_empty());
    assert_eq!(image.layers[0], image.layers[1]);
}

#[test]
fn digests_that_lie_leave_nothing_behind() {
    let good = layer("a");
    let lie = oci_layout(None, &[(gzip(&good), Digest::of(b"something else"))]);
    let (_folder, store) = store();
    assert!(matches!(
        load_bytes(&store, &archive(&lie)),
        Err(Error::Digest { .. })
    ));
    // A byte changed in each blob: its name is a promise.
    let honest = oci_layout(None, &[(gzip(&good), Digest::of(&good))]);
    for at in 2..honest.len() {
        let mut changed = honest.clone();
        let last = changed[at].1.len() - 1;
        changed[at].1[last] ^= 1;
        assert!(
            matches!(
                load_bytes(&store, &archive(&changed)),
                Err(Error::Digest { .. })
            ),
            "{}",
            honest[at].0
        );
    }
    // The same in an old archive: the configuration's name, and the layer's digest in it.
    let old = docker_save("app", std::slice::from_ref(&good));
    for needle in [&b"\"os\""[..], b"a\0\0\0\0\0\0"] {
        let at = old
            .windows(needle.len())
            .position(|part| part == needle)
            .unwrap();
        let mut changed = old.clone();
        changed[at + 1] ^= 1;
        assert!(load_bytes(&store, &changed).is_err());
    }
    store.prune(false, &Default::default()).unwrap();
    std::fs::remove_file(store.root().join("index.lock")).unwrap();
    is_empty(&store);
    assert!(load_bytes(&store, &archive(&honest)).is_ok());
}

#[test]
fn a_blob_that_is_here_is_no_proof_of_what_it_unpacks_to() {
    let [a, b] = [layer("a"), layer("b")];
    let (_folder, store) = store();
    // Both layers are unpacked here, and their blobs are here.
    for one in [&a, &b] {
        let honest = oci_layout(None, &[(gzip(one), Digest::of(one))]);
        load_bytes(&store, &archive(&honest)).unwrap();
    }
    let before = store.images().unwrap();
    let mut lie = oci_layout(
        Some("docker.io/library/lie:1"),
        &[(gzip(&a), Digest::of(&b)), (gzip(&b), Digest::of(&b))],
    );
    for with_blobs in [true, false] {
        if !with_blobs {
            lie.truncate(4);
        }
        let error = load_bytes(&store, &archive(&lie)).unwrap_err();
        assert!(
            matches!(&error, Error::Digest { expected, .. } if *expected == Digest::of(&b)),
            "{error}"
        );
        assert_eq!(store.images().unwrap(), before);
    }
    // The same blobs in the right order need not come again.
    let mut honest = oci_layout(
        None,
        &[(gzip(&b), Digest::of(&b)), (gzip(&a), Digest::of(&a))],
    );
    honest.truncate(4);
    let image = load_bytes(&store, &archive(&honest)).unwrap().remove(0);
    assert_eq!(image.layers.len(), 2);
}

#[test]
fn what_is_no_archive_is_refused_with_its_reason() {
    let (_folder, store) = store();
    let mut damaged = docker_save("a", &[layer("a")]);
    damaged[3] ^= 1;
    for (bytes, why) in [
        (
            &b""[..],
            "it has neither `manifest.json` (docker save) nor `oci-layout` and `index.json` (OCI)",
        ),
        (b"hello", "it is no tar archive, or cut off in its first header"),
        (
            &[7; 600],
            "it is not a tar archive, or damaged: the checksum of a header is wrong",
        ),
        (
            &damaged,
            "it is not a tar archive, or damaged: the checksum of a header is wrong",
        ),
        (
            b"BZh9",
            "it is packed with bzip2, which images are not; unpack it first",
        ),
        (
            b"\xfd7zXZ\0",
            "it is packed with xz, which images are not; unpack it first",
        ),
        (
            &files(&[("etc/passwd", b"")]),
            "it has neither `manifest.json` (docker save) nor `oci-layout` and `index.json` (OCI)",
        ),
        (
            &files(&[("manifest.json", br#"[{"Config":"c"}]"#)]),
            "`c` is not in it",
        ),
    ] {
        assert_eq!(
            load_bytes(&store, bytes).unwrap_err().to_string(),
            format!("it: {why}")
        );
    }
    let broken = files(&[("manifest.json", b"[{]")]);
    assert!(
        load_bytes(&store, &broken)
            .unwrap_err()
            .to_string()
            .starts_with("it: manifest.json: ")
    );
    is_empty(&store);
}

#[test]
fn an_archive_cut_anywhere_leaves_nothing() {
    let (_folder, store) = store();
    let bytes = gzip(&docker_save("a", &[layer("a")]));
    for length in (0..bytes.len()).step_by(7) {
        assert!(load_bytes(&store, &bytes[..length]).is_err(), "{length}");
    }
    is_empty(&store);
}

#[test]
fn bombs_end_at_the_limit() {
    let (_folder, mut store) = store();
    let zeros = files(&[("zeros", &vec![0; 3 << 20])]);
    let archives = [
        docker_save("a", std::slice::from_ref(&zeros)),
        archive(&oci_layout(None, &[(gzip(&zeros), Digest::of(&zeros))])),
    ];
    let limits = Limits {
        bytes: 1 << 20,
        ..Limits::default()
    };
    for bytes in &archives {
        store.limits = limits;
        let error = load_bytes(&store, &gzip(bytes)).unwrap_err();
        assert!(matches!(error, Error::Limit { .. }), "{error}");
        // It is the limit and nothing else.
        store.limits = Limits {
            bytes: 4 << 20,
            ..limits
        };
        load_bytes(&store, bytes).unwrap();
        store.prune(true, &Default::default()).unwrap();
    }
    let many: Vec<(String, Vec<u8>)> = (0..50).map(|at| (at.to_string(), Vec::new())).collect();
    store.limits = Limits {
        entries: 49,
        ..Limits::default()
    };
    assert_eq!(
        load_bytes(&store, &archive(&many)).unwrap_err().to_string(),
        "it: more than 49 entries"
    );
    store.limits = Limits {
        document: 10,
        ..Limits::default()
    };
    assert_eq!(
        load_bytes(&store, &archives[0]).unwrap_err().to_string(),
        "manifest.json: more than 10 B"
    );
    store.limits = Limits {
        layers: 0,
        ..Limits::default()
    };
    assert_eq!(
        load_bytes(&store, &archives[0]).unwrap_err().to_string(),
        "it: more than 0 layers"
    );
    store.limits = Limits {
        header: 100,
        ..Limits::default()
    };
    let long = files(&[(&"n/".repeat(200), b"")]);
    assert_eq!(
        load_bytes(&store, &long).unwrap_err().to_string(),
        "it: an extended header: more than 100 B"
    );
}

#[test]
fn a_folder_is_read_and_nothing_outside_of_it() {
    let one = layer("a");
    let contents = oci_layout(
        Some("docker.io/library/app:1"),
        &[(one.clone(), Digest::of(&one))],
    );
    let (outside, store) = store();
    let root = outside.path().join("layout");
    std::fs::create_dir_all(root.join("blobs/sha256")).unwrap();
    contents
        .iter()
        .for_each(|(path, bytes)| std::fs::write(root.join(path), bytes).unwrap());
    assert_eq!(
        folder(&store, &root, &Options::default()).unwrap()[0].names[0].familiar(),
        "app:1"
    );
    store.remove("app:1", false).unwrap();
    assert_eq!(store.blobs().all().unwrap(), []);
    // The same bytes through a link that leads out, absolute and not.
    let blob = root.join(&contents.last().unwrap().0);
    std::fs::rename(&blob, outside.path().join("layer")).unwrap();
    for target in [outside.path().join("layer"), "../../../layer".into()] {
        std::os::unix::fs::symlink(target, &blob).unwrap();
        let error = folder(&store, &root, &Options::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("it is a link that leads out of its folder"),
            "{error}"
        );
        std::fs::remove_file(&blob).unwrap();
    }
}

#[test]
fn the_platform_of_this_machine_is_chosen_and_another_by_wish() {
    let one = layer("a");
    let mut contents = oci_layout(None, &[(one.clone(), Digest::of(&one))]);
    let mut index: serde_json::Value = serde_json::from_slice(&contents[1].1).unwrap();
    index["manifests"][0]["platform"] = serde_json::json!({"os": "linux", "architecture": "s390x"});
    contents[1].1 = index.to_string().into_bytes();
    let (_folder, store) = store();
    let error = load_bytes(&store, &archive(&contents))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("it: it has no image for linux/")
            && error.ends_with(", only for linux/s390x"),
        "{error}"
    );
    let platform = container::oci::Platform {
        architecture: "s390x".into(),
        os: "linux".into(),
        variant: None,
        os_version: None,
    };
    let options = Options {
        platform: Some(platform),
        name: Some("mine:1".parse().unwrap()),
    };
    let image = load(&store, &archive(&contents)[..], "it", &options)
        .unwrap()
        .remove(0);
    assert_eq!(image.names[0].familiar(), "mine:1");
}

#[test]
fn names_move_and_the_last_one_takes_the_image_with_it() {
    let (_folder, store) = store();
    let first = load_bytes(&store, &docker_save("app:1", &[layer("a")]))
        .unwrap()
        .remove(0);
    let second = load_bytes(&store, &docker_save("app:1", &[layer("b")]))
        .unwrap()
        .remove(0);
    // The first one lost its name and is still here.
    assert_eq!(store.find("app:1").unwrap().id, second.id);
    assert!(store.find(&first.id.to_string()).unwrap().names.is_empty());
    store.tag("app:1", &"app:2".parse().unwrap()).unwrap();
    assert!(matches!(
        store.remove(&second.id.short(), false),
        Err(Error::ManyNames { .. })
    ));
    assert_eq!(store.remove("app:1", false).unwrap().deleted, []);
    assert_eq!(store.remove("app:2", false).unwrap().deleted, [second.id]);
    assert!(matches!(store.find("app:2"), Err(Error::NoImage(_))));
    assert_eq!(
        store.prune(false, &Default::default()).unwrap().deleted,
        [first.id]
    );
    assert_eq!(store.blobs().all().unwrap(), []);
}

#[test]
fn two_at_once_end_as_one_after_the_other() {
    let (_folder, store) = store();
    let archives: Vec<Vec<u8>> = (0..8)
        .map(|at| {
            docker_save(
                &format!("app:{at}"),
                &[layer("shared"), layer(&format!("own{}", at % 2))],
            )
        })
        .collect();
    std::thread::scope(|scope| {
        for bytes in &archives {
            scope.spawn(|| load_bytes(&Store::open(store.root()).unwrap(), bytes).unwrap());
        }
    });
    let images = store.images().unwrap();
    assert_eq!(
        images
            .iter()
            .map(|image| image.names.len())
            .collect::<Vec<_>>(),
        [4, 4]
    );
    // Three layers, two configurations, two manifests, nothing half-made.
    assert_eq!(store.blobs().all().unwrap().len(), 7);
    assert_eq!(
        std::fs::read_dir(store.root().join("work"))
            .unwrap()
            .count(),
        0
    );
}
