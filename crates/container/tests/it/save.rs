//! What leaves the store comes back as the same image, and root file systems become images.

use container::import::{Settings, root_file_system};
use container::load::{Options, archive};
use container::oci::Process;
use container::tar::{Kind, Reader};
use container::{Digest, Error, Image, Limits, Reference, Store, save};

use crate::common;
use crate::common::*;

fn load(store: &Store, bytes: &[u8]) -> Vec<Image> {
    archive(store, bytes, "it", &Options::default()).unwrap()
}

fn saved(store: &Store, images: &[Image]) -> Vec<u8> {
    let images: Vec<(Image, Vec<Reference>)> = images
        .iter()
        .map(|image| (image.clone(), image.names.clone()))
        .collect();
    let mut bytes = Vec::new();
    save::archive(store, &images, &mut bytes).unwrap();
    bytes
}

#[test]
fn what_is_saved_comes_back_with_its_digests_and_the_same_bytes() {
    let (_folder, first) = store();
    let layers = [files(&[("a", b"a")]), files(&[("b", b"b")])];
    let packed: Vec<_> = layers
        .iter()
        .map(|layer| (gzip(layer), Digest::of(layer)))
        .collect();
    load(
        &first,
        &archive_of(&oci_layout(Some("docker.io/library/app:1"), &packed)),
    );
    load(&first, &docker_save("localhost:5000/other:2", &layers[..1]));
    first.tag("app:1", &"app:2".parse().unwrap()).unwrap();
    let images = first.images().unwrap();
    let bytes = saved(&first, &images);
    assert_eq!(bytes, saved(&first, &images));
    let (_folder, second) = store();
    load(&second, &bytes);
    assert_eq!(second.images().unwrap(), images);
    assert_eq!(second.blobs().all().unwrap(), first.blobs().all().unwrap());
    assert_eq!(saved(&second, &second.images().unwrap()), bytes);
}

fn archive_of(contents: &[(String, Vec<u8>)]) -> Vec<u8> {
    common::archive(contents)
}

#[test]
fn what_is_saved_is_what_docker_load_reads() {
    let (_folder, first) = store();
    load(
        &first,
        &docker_save("app:1", &[files(&[("a", b"a")]), files(&[("b", b"b")])]),
    );
    let images = first.images().unwrap();
    let bytes = saved(&first, &images);
    // Without the layout, only `manifest.json` is left: the way of old versions.
    let mut old = Vec::new();
    let mut reader = Reader::new(&bytes[..], "it", Limits::default());
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut data = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut data).unwrap();
        if entry.kind == Kind::File && entry.path != b"oci-layout" {
            old.push((String::from_utf8(entry.path).unwrap(), data));
        }
    }
    let (_folder, second) = store();
    load(&second, &archive_of(&old));
    let again = second.images().unwrap();
    assert_eq!(
        (again[0].id, &again[0].names),
        (images[0].id, &images[0].names)
    );
}

#[test]
fn a_blob_that_was_changed_by_hand_does_not_leave() {
    let (_folder, store) = store();
    let image = load(&store, &docker_save("app:1", &[files(&[("a", b"a")])])).remove(0);
    std::fs::write(
        store.blobs().path(&image.layers[0].digest),
        vec![0; image.layers[0].size as usize],
    )
    .unwrap();
    let error = save::archive(&store, &[(image, Vec::new())], std::io::sink()).unwrap_err();
    assert!(matches!(error, Error::Digest { .. }), "{error}");
}

#[test]
fn a_root_file_system_becomes_an_image_and_the_same_one_each_time() {
    let (_folder, store) = store();
    let tar = files(&[("bin/app", b"app")]);
    let settings = Settings {
        name: Some("root:1".parse().unwrap()),
        process: Process {
            cmd: Some(vec!["/bin/app".into()]),
            ..Process::default()
        },
        ..Settings::default()
    };
    let images = [tar.clone(), gzip(&tar), zstd(&tar)]
        .map(|bytes| root_file_system(&store, &bytes[..], "it", &settings).unwrap());
    assert!(images.iter().all(|image| *image == images[0]));
    assert_eq!(images[0].config.rootfs.diff_ids, [Digest::of(&tar)]);
    let stack = store.stack(&images[0]).unwrap();
    assert_eq!(std::fs::read(stack[0].join("bin/app")).unwrap(), b"app");
    assert_eq!(
        store
            .find("root:1")
            .unwrap()
            .config
            .config
            .unwrap()
            .cmd
            .unwrap(),
        ["/bin/app"]
    );
}

#[test]
fn what_is_no_root_file_system_is_refused() {
    let (_folder, store) = store();
    let tar = files(&[("a", b"a"), ("b", b"b")]);
    let cut = "it is cut off, or no tar: the mark of its end is missing";
    for (bytes, why) in [
        (&tar[..1024], cut),
        (&tar[..2048], cut),
        (b"", cut),
        (&[0; 1024], "there is nothing in it"),
        (
            &docker_save("a", &[]),
            "it is an archive of images, and no root file system",
        ),
    ] {
        let error = root_file_system(&store, bytes, "it", &Settings::default()).unwrap_err();
        assert_eq!(error.to_string(), format!("it: {why}"));
    }
    assert_eq!(
        (
            store.images().unwrap().len(),
            store.blobs().all().unwrap().len()
        ),
        (0, 0)
    );
}
