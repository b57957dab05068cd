//! No trick of an archive leads out of the folder.

use std::fs::{self, File};
use std::os::fd::AsFd;

use container::tar::{Entry, Kind, Reader};
use container::unpack::layer;
use container::{Error, Limits};

use super::ground::{Ground, NONE};
use crate::common::*;

#[test]
fn no_trick_leads_out_of_the_layer() {
    let ground = Ground::new();
    let out = ground.0.path().join("outside").display().to_string();
    let secret = format!("{out}/secret");
    let file = |path: &str| (entry(path, Kind::File), &b"evil"[..]);
    let folder = |path: &str, mode| (Entry { mode, ..entry(path, Kind::Directory) }, NONE);
    let soft = |path: &str, to: &str| (link(path, Kind::Symlink, to), NONE);
    let hard = |path: &str, to: &str| (link(path, Kind::HardLink, to), NONE);
    // Refused, with the reason.
    for (entries, why) in [
        (vec![file("../outside/evil")], "`..` would lead out of the layer"),
        (vec![file("a/../../outside/secret")], "`..` would lead out of the layer"),
        (vec![soft("l", &out), file("l/secret")], "`l` in its path is no folder of this layer"),
        (vec![soft("l", "../outside"), file("l/evil")], "`l` in its path is no folder of this layer"),
        (vec![soft("l", "/proc/self/cwd"), file("l/evil")], "`l` in its path is no folder of this layer"),
        (vec![soft("a", "b"), soft("b", "a"), file("a/evil")], "links in its path lead in circles"),
        (vec![file("f"), file("f/evil")], "`f` in its path is no folder of this layer"),
        (vec![hard("h", "../outside/secret")], "its target: `..` would lead out of the layer"),
        (vec![hard("h", &secret)], "its target is not in this layer"),
        (vec![soft("l", &out), hard("h", "l/secret")], "its target is not in this layer"),
        (vec![soft("l", "../outside"), hard("h", "l/secret")], "its target is not in this layer"),
        (vec![folder("d", 0o755), hard("h", "d")], "its target is a folder"),
        (vec![hard("h", "/")], "its target is the layer itself"),
        (vec![hard("h", "h")], "its target is not in this layer"),
        (vec![soft("./", &out)], "the layer itself is a folder"),
        (vec![file("/.")], "the layer itself is a folder"),
        (vec![file("a/.wh...")], "a whiteout has to name what it hides"),
        (vec![file(".wh..")], "a whiteout has to name what it hides"),
        (vec![file(".wh.")], "a whiteout has to name what it hides"),
        (vec![(entry("c", Kind::CharacterDevice), NONE)], "character device 0/0 hides files in a stack of layers"),
    ] {
        let ground = Ground::new();
        let what = format!(
            "{:?}",
            entries
                .iter()
                .map(|(entry, _)| (entry.name(), String::from_utf8_lossy(&entry.link).into_owned()))
                .collect::<Vec<_>>()
        );
        // A path that is a file in between has another shape on the way down.
        let error = ground.unpack(&entries).unwrap_err();
        assert!(matches!(&error, Error::Refused { why: said, .. } if said == why), "{what}: {error}");
        ground.is_untouched(&what);
    }
    // Not refused: they mean a place inside.
    for (entries, inside) in [
        (vec![file("/outside/secret")], "outside/secret"),
        (vec![file("./././x")], "x"),
        // A file whose name is a folder's is a folder, and its bytes are passed over.
        (vec![(Entry { mode: 0o755, ..file("/").0 }, b"evil"), file("x")], "x"),
        (vec![soft("l", "/"), file("l/x")], "x"),
        (vec![soft("l", "../../.."), file("l/x")], "x"),
        (vec![soft("f", &secret), file("f")], "f"),
        (vec![soft("f", &secret), hard("h", "f"), file("h")], "h"),
        (vec![soft("d", &out), folder("d", 0o777), file("d/secret")], "d/secret"),
        (vec![folder("d", 0o777), soft("d", &out), file("x")], "x"),
        (vec![soft("a", "."), folder("a/d", 0o777), soft("d", &out), file("x")], "x"),
        (vec![folder("d", 0o777), soft("d/l", &out), soft("d", "x"), file("x")], "x"),
        (vec![folder("d", 0o777), soft("d/l", &out), soft("d/m", &secret), file("d")], "d"),
        (vec![soft("d", &out), file(".wh.d"), file("x")], "x"),
    ] {
        let ground = Ground::new();
        let what = format!("{:?}", entries.iter().map(|(entry, _)| entry.name()).collect::<Vec<_>>());
        ground.unpack(&entries).unwrap_or_else(|e| panic!("{what}: {e}"));
        let path = ground.layer().join(inside);
        assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{what}");
        assert_eq!(fs::read(path).unwrap(), b"evil", "{what}");
        ground.is_untouched(&what);
    }
}

#[test]
fn paths_have_bounds() {
    let ground = Ground::new();
    for (path, why) in [("n".repeat(256), "a name is longer than 255 bytes"), ("d/".repeat(257), "it is deeper than 256 folders")]
    {
        let error = ground.unpack(&[(entry(&path, Kind::Directory), NONE)]).unwrap_err();
        assert!(error.to_string().ends_with(why), "{error}");
    }
    let error = ground.unpack(&[(entry(&"d/".repeat(2_100), Kind::Directory), NONE)]).unwrap_err();
    assert_eq!(error.to_string(), "it: a path: more than 4.1 kB");
    // A file of holes costs nothing and shows as much as it says.
    let limits = Limits { file: 100, ..Limits::default() };
    let bytes = tar(&[(entry("f", Kind::File), &[0; 101])]);
    let root = File::open(ground.layer()).unwrap();
    let error = layer(root.as_fd(), &[], &mut Reader::new(&bytes[..], "it", limits), &limits).unwrap_err();
    assert_eq!(error.to_string(), "file `f`: more than 101 B".replace("101", "100"));
}
