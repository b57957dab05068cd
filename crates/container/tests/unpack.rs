//! A layer's tar becomes a folder, and nothing but that folder, whatever the tar says.
#![allow(
    clippy::unwrap_used,
    reason = "a fixture that cannot be made is a failed test"
)]

mod common;

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use common::*;
use container::tar::{Entry, Kind, Reader};
use container::unpack::{Unpacked, layer};
use container::{Error, Limits};
use tempfile::TempDir;

/// A folder with `layer`, where entries go, beside things that are not theirs.
struct Ground(TempDir);

impl Ground {
    fn new() -> Ground {
        let ground = tempfile::tempdir().unwrap();
        fs::create_dir(ground.path().join("layer")).unwrap();
        fs::create_dir(ground.path().join("outside")).unwrap();
        fs::write(ground.path().join("outside/secret"), "secret").unwrap();
        fs::set_permissions(
            ground.path().join("outside/secret"),
            fs::Permissions::from_mode(0o640),
        )
        .unwrap();
        Ground(ground)
    }

    fn layer(&self) -> std::path::PathBuf {
        self.0.path().join("layer")
    }

    fn unpack_bytes(&self, tar: &[u8]) -> container::Result<Unpacked> {
        let limits = Limits::default();
        layer(
            File::open(self.layer()).unwrap().as_fd(),
            &[],
            &mut Reader::new(tar, "it", limits),
            &limits,
        )
    }

    fn unpack(&self, entries: &[(Entry, &[u8])]) -> container::Result<Unpacked> {
        self.unpack_bytes(&tar(entries))
    }

    /// Everything outside is as it was.
    fn is_untouched(&self, what: &str) {
        let mut seen = all_files(self.0.path());
        seen.retain(|path| !path.starts_with("layer/"));
        assert_eq!(seen, ["layer", "outside", "outside/secret"], "{what}");
        let secret = self.0.path().join("outside/secret");
        assert_eq!(fs::read_to_string(&secret).unwrap(), "secret", "{what}");
        let secret = fs::metadata(secret).unwrap();
        assert_eq!(
            (secret.mode() & 0o7777, secret.nlink()),
            (0o640, 1),
            "{what}"
        );
        assert_eq!(
            fs::metadata(self.0.path().join("outside")).unwrap().mode() & 0o7777,
            0o755,
            "{what}"
        );
    }
}

const NONE: &[u8] = b"";

#[test]
fn no_trick_leads_out_of_the_layer() {
    let ground = Ground::new();
    let out = ground.0.path().join("outside").display().to_string();
    let secret = format!("{out}/secret");
    let file = |path: &str| (entry(path, Kind::File), &b"evil"[..]);
    let folder = |path: &str, mode| {
        (
            Entry {
                mode,
                ..entry(path, Kind::Directory)
            },
            NONE,
        )
    };
    let soft = |path: &str, to: &str| (link(path, Kind::Symlink, to), NONE);
    let hard = |path: &str, to: &str| (link(path, Kind::HardLink, to), NONE);
    // Refused, with the reason.
    for (entries, why) in [
        (
            vec![file("../outside/evil")],
            "`..` would lead out of the layer",
        ),
        (
            vec![file("a/../../outside/secret")],
            "`..` would lead out of the layer",
        ),
        (
            vec![soft("l", &out), file("l/secret")],
            "`l` in its path is no folder of this layer",
        ),
        (
            vec![soft("l", "../outside"), file("l/evil")],
            "`l` in its path is no folder of this layer",
        ),
        (
            vec![soft("l", "/proc/self/cwd"), file("l/evil")],
            "`l` in its path is no folder of this layer",
        ),
        (
            vec![soft("a", "b"), soft("b", "a"), file("a/evil")],
            "links in its path lead in circles",
        ),
        (
            vec![file("f"), file("f/evil")],
            "`f` in its path is no folder of this layer",
        ),
        (
            vec![hard("h", "../outside/secret")],
            "its target: `..` would lead out of the layer",
        ),
        (vec![hard("h", &secret)], "its target is not in this layer"),
        (
            vec![soft("l", &out), hard("h", "l/secret")],
            "its target is not in this layer",
        ),
        (
            vec![soft("l", "../outside"), hard("h", "l/secret")],
            "its target is not in this layer",
        ),
        (
            vec![folder("d", 0o755), hard("h", "d")],
            "its target is a folder",
        ),
        (vec![hard("h", "/")], "its target is the layer itself"),
        (vec![hard("h", "h")], "its target is not in this layer"),
        (vec![soft("./", &out)], "the layer itself is a folder"),
        (vec![file("/.")], "the layer itself is a folder"),
        (
            vec![file("a/.wh...")],
            "a whiteout has to name what it hides",
        ),
        (vec![file(".wh..")], "a whiteout has to name what it hides"),
        (vec![file(".wh.")], "a whiteout has to name what it hides"),
        (
            vec![(entry("c", Kind::CharacterDevice), NONE)],
            "character device 0/0 hides files in a stack of layers",
        ),
    ] {
        let ground = Ground::new();
        let what = format!(
            "{:?}",
            entries
                .iter()
                .map(|(entry, _)| (
                    entry.name(),
                    String::from_utf8_lossy(&entry.link).into_owned()
                ))
                .collect::<Vec<_>>()
        );
        // A path that is a file in between has another shape on the way down.
        let error = ground.unpack(&entries).unwrap_err();
        assert!(
            matches!(&error, Error::Refused { why: said, .. } if said == why),
            "{what}: {error}"
        );
        ground.is_untouched(&what);
    }
    // Not refused: they mean a place inside.
    for (entries, inside) in [
        (vec![file("/outside/secret")], "outside/secret"),
        (vec![file("./././x")], "x"),
        // A file whose name is a folder's is a folder, and its bytes are passed over.
        (
            vec![
                (
                    Entry {
                        mode: 0o755,
                        ..file("/").0
                    },
                    b"evil",
                ),
                file("x"),
            ],
            "x",
        ),
        (vec![soft("l", "/"), file("l/x")], "x"),
        (vec![soft("l", "../../.."), file("l/x")], "x"),
        (vec![soft("f", &secret), file("f")], "f"),
        (vec![soft("f", &secret), hard("h", "f"), file("h")], "h"),
        (
            vec![soft("d", &out), folder("d", 0o777), file("d/secret")],
            "d/secret",
        ),
        (vec![folder("d", 0o777), soft("d", &out), file("x")], "x"),
        (
            vec![
                soft("a", "."),
                folder("a/d", 0o777),
                soft("d", &out),
                file("x"),
            ],
            "x",
        ),
        (
            vec![
                folder("d", 0o777),
                soft("d/l", &out),
                soft("d", "x"),
                file("x"),
            ],
            "x",
        ),
        (
            vec![
                folder("d", 0o777),
                soft("d/l", &out),
                soft("d/m", &secret),
                file("d"),
            ],
            "d",
        ),
        (vec![soft("d", &out), file(".wh.d"), file("x")], "x"),
    ] {
        let ground = Ground::new();
        let what = format!(
            "{:?}",
            entries
                .iter()
                .map(|(entry, _)| entry.name())
                .collect::<Vec<_>>()
        );
        ground
            .unpack(&entries)
            .unwrap_or_else(|e| panic!("{what}: {e}"));
        let path = ground.layer().join(inside);
        assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{what}");
        assert_eq!(fs::read(path).unwrap(), b"evil", "{what}");
        ground.is_untouched(&what);
    }
}

#[test]
fn paths_have_bounds() {
    let ground = Ground::new();
    for (path, why) in [
        ("n".repeat(256), "a name is longer than 255 bytes"),
        ("d/".repeat(257), "it is deeper than 256 folders"),
    ] {
        let error = ground
            .unpack(&[(entry(&path, Kind::Directory), NONE)])
            .unwrap_err();
        assert!(error.to_string().ends_with(why), "{error}");
    }
    let error = ground
        .unpack(&[(entry(&"d/".repeat(2_100), Kind::Directory), NONE)])
        .unwrap_err();
    assert_eq!(error.to_string(), "it: a path: more than 4.1 kB");
    // A file of holes costs nothing and shows as much as it says.
    let limits = Limits {
        file: 100,
        ..Limits::default()
    };
    let bytes = tar(&[(entry("f", Kind::File), &[0; 101])]);
    let root = File::open(ground.layer()).unwrap();
    let error = layer(
        root.as_fd(),
        &[],
        &mut Reader::new(&bytes[..], "it", limits),
        &limits,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "file `f`: more than 101 B".replace("101", "100")
    );
}

#[test]
fn files_have_their_modes_times_links_and_attributes() {
    let ground = Ground::new();
    let xattrs = vec![
        (b"user.a".to_vec(), b"1".to_vec()),
        (b"user.overlay.redirect".to_vec(), b"/".to_vec()),
        (b"trusted.overlay.opaque".to_vec(), b"y".to_vec()),
        (b"security.selinux".to_vec(), b"label".to_vec()),
    ];
    let entries = [
        (
            Entry {
                mode: 0o555,
                mtime: (5, 7),
                ..entry("d", Kind::Directory)
            },
            NONE,
        ),
        (
            Entry {
                mode: 0o4711,
                uid: 1_001,
                gid: 1_002,
                mtime: (-1, 0),
                xattrs,
                ..entry("d/f", Kind::File)
            },
            &b"abc"[..],
        ),
        (link("d/g", Kind::HardLink, "/d/f"), NONE),
        (
            Entry {
                mtime: (9, 0),
                ..link("d/l", Kind::Symlink, "/nowhere")
            },
            NONE,
        ),
        (
            Entry {
                mode: 0o622,
                ..entry("d/p", Kind::Fifo)
            },
            NONE,
        ),
        (
            Entry {
                mode: 0o600,
                device: (1, 3),
                ..entry("d/null", Kind::CharacterDevice)
            },
            NONE,
        ),
        (
            Entry {
                mode: 0o1777,
                ..entry(".", Kind::Directory)
            },
            NONE,
        ),
    ];
    let unpacked = ground.unpack(&entries).unwrap();
    assert_eq!((unpacked.entries, unpacked.bytes), (7, 3));
    let at = |path: &str| fs::symlink_metadata(ground.layer().join(path)).unwrap();
    assert_eq!(
        (
            at("d").mode() & 0o7777,
            at("d").mtime(),
            at("d").mtime_nsec()
        ),
        (0o555, 5, 7)
    );
    assert_eq!(
        (
            at("d/f").mode() & 0o7777,
            at("d/f").mtime(),
            at("d/f").nlink()
        ),
        (0o4711, -1, 2)
    );
    assert_eq!(at("d/f").ino(), at("d/g").ino());
    assert_eq!(
        (
            at("d/l").mtime(),
            at(".").mode() & 0o7777,
            at("d/p").mode() & 0o777
        ),
        (9, 0o1777, 0o622)
    );
    let listed = |name: &str| {
        rustix::fs::getxattr(ground.layer().join("d/f"), name, &mut [0u8; 8][..]).is_ok()
    };
    assert!(
        listed("user.a") && !listed("user.overlay.redirect") && !listed("trusted.overlay.opaque")
    );
    // The label is recorded and not set; what overlayfs would read is not even recorded.
    let record = &unpacked.records["d/f"];
    assert_eq!(
        record.xattrs,
        [("security.selinux".to_owned(), "6c6162656c".to_owned())]
    );
    if rustix::process::geteuid().is_root() {
        assert_eq!(
            (at("d/f").uid(), at("d/f").gid(), record.owner),
            (1_001, 1_002, None)
        );
        assert_eq!(at("d/null").rdev(), 0x103);
    } else {
        assert_eq!(
            (record.owner, unpacked.records["d/g"].owner),
            (Some((1_001, 1_002)), Some((1_001, 1_002)))
        );
        assert_eq!(unpacked.records["d/null"].device, Some(('c', 1, 3)));
        assert_eq!(at("d/null").len(), 0);
    }
}

#[test]
fn what_replaces_a_path_replaces_what_was_recorded_of_it() {
    let ground = Ground::new();
    let label = vec![(b"security.selinux".to_vec(), b"l".to_vec())];
    let entries = [
        (
            Entry {
                xattrs: label.clone(),
                ..entry("d/f", Kind::File)
            },
            NONE,
        ),
        (
            Entry {
                xattrs: label,
                ..entry("f", Kind::File)
            },
            NONE,
        ),
        (entry("f", Kind::File), NONE),
        (entry("d", Kind::File), NONE),
    ];
    assert_eq!(ground.unpack(&entries).unwrap().records, Default::default());
}

#[test]
fn gnu_tar_is_understood_in_all_its_formats() {
    let ground = Ground::new();
    let from = ground.0.path().join("from");
    let deep = format!("{}/{}", "long-name-".repeat(9), "another-".repeat(12));
    fs::create_dir_all(from.join(&deep)).unwrap();
    fs::write(from.join(&deep).join("file"), "deep").unwrap();
    symlink(format!("{deep}/{}", "x".repeat(60)), from.join("link")).unwrap();
    fs::hard_link(from.join(&deep).join("file"), from.join("hard")).unwrap();
    // Thirty parts: more than a header's four and the next block's twenty-one.
    let sparse = File::create(from.join("sparse")).unwrap();
    for part in 0..30u64 {
        std::os::unix::fs::FileExt::write_all_at(
            &sparse,
            &[part as u8 + 1; 5_000],
            part * 1_000_000,
        )
        .unwrap();
    }
    sparse.set_len(40_000_000).unwrap();
    let wanted = fs::read(from.join("sparse")).unwrap();
    for format in [
        "gnu",
        "posix --sparse-version=0.0",
        "posix --sparse-version=0.1",
        "posix --sparse-version=1.0",
        "oldgnu",
    ] {
        let archive = ground.0.path().join("archive");
        let mut command = Command::new("tar");
        command
            .arg("-C")
            .arg(&from)
            .args(["-S", "-cf"])
            .arg(&archive);
        command
            .args(format!("--format={format}").split(' '))
            .arg(".");
        assert!(command.status().unwrap().success(), "{format}");
        let ground = Ground::new();
        let bytes = fs::read(&archive).unwrap();
        assert!(bytes.len() < 1_000_000, "{format}: holes are not in it");
        ground
            .unpack_bytes(&bytes)
            .unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!(all_files(&ground.layer()), all_files(&from), "{format}");
        let at = |path: &str| ground.layer().join(path);
        assert_eq!(fs::read_to_string(at("hard")).unwrap(), "deep");
        assert_eq!(
            fs::read_link(at("link")).unwrap(),
            fs::read_link(from.join("link")).unwrap()
        );
        assert!(fs::read(at("sparse")).unwrap() == wanted, "{format}");
        assert!(
            fs::metadata(at("sparse")).unwrap().blocks() * 512 < 1_000_000,
            "{format}: holes stay holes"
        );
    }
}

/// Stacks layers in namespaces of its own, as an ordinary user may, and runs a shell's words in the result.
fn in_stack(folders: &[std::path::PathBuf], script: &str) -> String {
    let lower: Vec<String> = folders
        .iter()
        .rev()
        .map(|folder| folder.display().to_string())
        .collect();
    let ground = tempfile::tempdir().unwrap();
    // One directory below is refused; an empty one more changes nothing.
    let mount = format!(
        "mount -t overlay -o userxattr,lowerdir={}:{} none {}",
        lower.join(":"),
        ground.path().display(),
        ground.path().display()
    );
    let script = format!("{mount} && cd {} && {script}", ground.path().display());
    let output = Command::new("unshare")
        .args(["-rm", "sh", "-c", &script])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn stack_of(layers: &[Vec<u8>]) -> (TempDir, Vec<std::path::PathBuf>) {
    let (folder, store) = store();
    let image = container::load::archive(
        &store,
        &docker_save("a", layers)[..],
        "it",
        &Default::default(),
    )
    .unwrap()
    .remove(0);
    let stack = store.stack(&image).unwrap();
    (folder, stack)
}

#[test]
fn whiteouts_and_opaque_folders_hide_what_is_below_and_only_that() {
    let below = files(&[
        ("a/1", b""),
        ("a/2", b""),
        ("b/1", b""),
        ("c/1", b""),
        ("d", b""),
        ("e/1", b""),
        ("g/1", b""),
    ]);
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
    assert_eq!(
        in_stack(&stack, "find . -type f | sort | tr '\\n' ' '"),
        "./a/2 ./b/2 ./b/3 ./c/2 ./e/2 ./f ./g/2 "
    );
}

#[test]
fn folders_that_a_layer_does_not_mention_look_as_they_did() {
    let below = tar(&[
        (
            Entry {
                mode: 0o1777,
                mtime: (5, 0),
                ..entry("tmp", Kind::Directory)
            },
            NONE,
        ),
        (
            Entry {
                mode: 0o700,
                ..entry("tmp/in", Kind::Directory)
            },
            NONE,
        ),
    ]);
    let (_folder, stack) = stack_of(&[below, files(&[("tmp/in/f", b"")])]);
    assert_eq!(
        in_stack(&stack, "stat -c %a:%Y tmp tmp/in | tr '\\n' ' '"),
        "1777:5 700:1700000000 "
    );
}

#[test]
fn twenty_layers_are_one_file_system() {
    let layers: Vec<Vec<u8>> = (0..20)
        .map(|at| {
            files(&[
                ("last", format!("{at}").as_bytes()),
                (&format!("d/{at}"), b""),
            ])
        })
        .collect();
    let (_folder, stack) = stack_of(&layers);
    assert_eq!(stack.len(), 20);
    assert_eq!(in_stack(&stack, "cat last; ls d | wc -l"), "1920\n");
}

#[test]
fn a_layer_is_unpacked_once_for_all_images_and_goes_with_the_last() {
    let (_folder, store) = store();
    let load = |name: &str, layers: &[Vec<u8>]| {
        container::load::archive(
            &store,
            &docker_save(name, layers)[..],
            "it",
            &Default::default(),
        )
        .unwrap()
        .remove(0)
    };
    let shared = files(&[("shared", b"")]);
    let one = load("one", &[shared.clone(), files(&[("1", b"")])]);
    let inode = |image| fs::metadata(&store.stack(image).unwrap()[0]).unwrap().ino();
    let before = inode(&one);
    let two = load("two", &[shared.clone(), files(&[("2", b"")])]);
    assert_eq!(inode(&two), before);
    let count = || {
        fs::read_dir(store.root().join("layers"))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().len() == 64)
            .count()
    };
    assert_eq!(count(), 3);
    store.remove("one", false).unwrap();
    assert_eq!(count(), 2);
    store.remove("two", false).unwrap();
    assert_eq!(count(), 0);
    // A layer that is refused is not there either, and its image is not.
    let bad = docker_save("bad", &[shared, files(&[("../x", b"")])]);
    assert!(matches!(
        container::load::archive(&store, &bad[..], "it", &Default::default()),
        Err(Error::Refused { .. })
    ));
    assert_eq!((count(), store.images().unwrap().len()), (0, 0));
    assert_eq!(fs::read_dir(store.root().join("work")).unwrap().count(), 0);
    assert!(
        Path::new(store.root()).metadata().unwrap().mode() & 0o077 == 0,
        "nobody else goes in"
    );
}
