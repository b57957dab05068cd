//! Layers under one another are one file system.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use container::Error;
use container::tar::{Entry, Kind};
use tempfile::TempDir;

use super::ground::NONE;
use crate::common::*;

/// Stacks layers in namespaces of its own, as an ordinary user may, and runs a shell's words in the result.
fn in_stack(folders: &[std::path::PathBuf], script: &str) -> String {
    let lower: Vec<String> = folders.iter().rev().map(|folder| folder.display().to_string()).collect();
    let ground = tempfile::tempdir().unwrap();
    // One directory below is refused; an empty one more changes nothing.
    let mount = format!(
        "mount -t overlay -o userxattr,lowerdir={}:{} none {}",
        lower.join(":"),
        ground.path().display(),
        ground.path().display()
    );
    let script = format!("{mount} && cd {} && {script}", ground.path().display());
    let output = Command::new("unshare").args(["-rm", "sh", "-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn stack_of(layers: &[Vec<u8>]) -> (TempDir, Vec<std::path::PathBuf>) {
    let (folder, store) = store();
    let image = container::load::archive(&store, &docker_save("a", layers)[..], "it", &Default::default()).unwrap().remove(0);
    let stack = store.stack(&image).unwrap();
    (folder, stack)
}

#[test]
fn whiteouts_and_opaque_folders_hide_what_is_below_and_only_that() {
    let below = files(&[("a/1", b""), ("a/2", b""), ("b/1", b""), ("c/1", b""), ("d", b""), ("e/1", b""), ("g/1", b"")]);
    let above = tar(&[
        (entry("a/.wh.1", Kind::File), NONE),
        // The folder's own files stay, before the mark and behind it.
        (entry("b/2", Kind::File), NONE),
        (entry("b/.wh..wh..opq", Kind::File), NONE),
        (entry("b/3", Kind::File), NONE),
        // Hidden, and there anew: nothing of the old one shows.
        (entry(".wh.c", Kind::File), NONE),
        (entry("c", Kind::Directory), NONE),
        (entry("c/2", Kind::File), NONE),
        (entry(".wh.d", Kind::File), NONE),
        (entry("e", Kind::Directory), NONE),
        (entry("e/2", Kind::File), NONE),
        (entry(".wh.e", Kind::File), NONE),
        (entry(".wh.g", Kind::File), NONE),
        (entry("g/2", Kind::File), NONE),
        (entry("f", Kind::File), &b"of this layer"[..]),
        (entry(".wh.f", Kind::File), NONE),
    ]);
    let (_folder, stack) = stack_of(&[below, above]);
    assert_eq!(in_stack(&stack, "find . -type f | sort | tr '\\n' ' '"), "./a/2 ./b/2 ./b/3 ./c/2 ./e/2 ./f ./g/2 ");
}

#[test]
fn folders_that_a_layer_does_not_mention_look_as_they_did() {
    let below = tar(&[
        (Entry { mode: 0o1777, mtime: (5, 0), ..entry("tmp", Kind::Directory) }, NONE),
        (Entry { mode: 0o700, ..entry("tmp/in", Kind::Directory) }, NONE),
    ]);
    let (_folder, stack) = stack_of(&[below, files(&[("tmp/in/f", b"")])]);
    assert_eq!(in_stack(&stack, "stat -c %a:%Y tmp tmp/in | tr '\\n' ' '"), "1777:5 700:1700000000 ");
}

#[test]
fn twenty_layers_are_one_file_system() {
    let layers: Vec<Vec<u8>> =
        (0..20).map(|at| files(&[("last", format!("{at}").as_bytes()), (&format!("d/{at}"), b"")])).collect();
    let (_folder, stack) = stack_of(&layers);
    assert_eq!(stack.len(), 20);
    assert_eq!(in_stack(&stack, "cat last; ls d | wc -l"), "1920\n");
}

#[test]
fn a_layer_is_unpacked_once_for_all_images_and_goes_with_the_last() {
    let (_folder, store) = store();
    let load = |name: &str, layers: &[Vec<u8>]| {
        container::load::archive(&store, &docker_save(name, layers)[..], "it", &Default::default()).unwrap().remove(0)
    };
    let shared = files(&[("shared", b"")]);
    let one = load("one", &[shared.clone(), files(&[("1", b"")])]);
    let inode = |image| fs::metadata(&store.stack(image).unwrap()[0]).unwrap().ino();
    let before = inode(&one);
    let two = load("two", &[shared.clone(), files(&[("2", b"")])]);
    assert_eq!(inode(&two), before);
    let count = || {
        fs::read_dir(store.root().join("layers")).unwrap().filter(|entry| entry.as_ref().unwrap().file_name().len() == 64).count()
    };
    assert_eq!(count(), 3);
    store.remove("one", false).unwrap();
    assert_eq!(count(), 2);
    store.remove("two", false).unwrap();
    assert_eq!(count(), 0);
    // A layer that is refused is not there either, and its image is not.
    let bad = docker_save("bad", &[shared, files(&[("../x", b"")])]);
    assert!(matches!(container::load::archive(&store, &bad[..], "it", &Default::default()), Err(Error::Refused { .. })));
    assert_eq!((count(), store.images().unwrap().len()), (0, 0));
    assert_eq!(fs::read_dir(store.root().join("work")).unwrap().count(), 0);
    assert!(Path::new(store.root()).metadata().unwrap().mode() & 0o077 == 0, "nobody else goes in");
}
