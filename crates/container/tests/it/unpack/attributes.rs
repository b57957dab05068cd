//! What entries say of files is so of the folder's, or on record.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

use container::tar::{Entry, Kind};

use super::ground::{Ground, NONE};
use crate::common::*;

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
        (Entry { mode: 0o555, mtime: (5, 7), ..entry("d", Kind::Directory) }, NONE),
        (Entry { mode: 0o4711, uid: 1_001, gid: 1_002, mtime: (-1, 0), xattrs, ..entry("d/f", Kind::File) }, &b"abc"[..]),
        (link("d/g", Kind::HardLink, "/d/f"), NONE),
        (Entry { mtime: (9, 0), ..link("d/l", Kind::Symlink, "/nowhere") }, NONE),
        (Entry { mode: 0o622, ..entry("d/p", Kind::Fifo) }, NONE),
        (Entry { mode: 0o600, device: (1, 3), ..entry("d/null", Kind::CharacterDevice) }, NONE),
        (Entry { mode: 0o1777, ..entry(".", Kind::Directory) }, NONE),
    ];
    let unpacked = ground.unpack(&entries).unwrap();
    assert_eq!((unpacked.entries, unpacked.bytes), (7, 3));
    let at = |path: &str| fs::symlink_metadata(ground.layer().join(path)).unwrap();
    assert_eq!((at("d").mode() & 0o7777, at("d").mtime(), at("d").mtime_nsec()), (0o555, 5, 7));
    assert_eq!((at("d/f").mode() & 0o7777, at("d/f").mtime(), at("d/f").nlink()), (0o4711, -1, 2));
    assert_eq!(at("d/f").ino(), at("d/g").ino());
    assert_eq!((at("d/l").mtime(), at(".").mode() & 0o7777, at("d/p").mode() & 0o777), (9, 0o1777, 0o622));
    let listed = |name: &str| rustix::fs::getxattr(ground.layer().join("d/f"), name, &mut [0u8; 8][..]).is_ok();
    assert!(listed("user.a") && !listed("user.overlay.redirect") && !listed("trusted.overlay.opaque"));
    // The label is recorded and not set; what overlayfs would read is not even recorded.
    let record = &unpacked.records["d/f"];
    assert_eq!(record.xattrs, [("security.selinux".to_owned(), "6c6162656c".to_owned())]);
    if rustix::process::geteuid().is_root() {
        assert_eq!((at("d/f").uid(), at("d/f").gid(), record.owner), (1_001, 1_002, None));
        assert_eq!(at("d/null").rdev(), 0x103);
    } else {
        assert_eq!((record.owner, unpacked.records["d/g"].owner), (Some((1_001, 1_002)), Some((1_001, 1_002))));
        assert_eq!(unpacked.records["d/null"].device, Some(('c', 1, 3)));
        assert_eq!(at("d/null").len(), 0);
    }
}

#[test]
fn what_replaces_a_path_replaces_what_was_recorded_of_it() {
    let ground = Ground::new();
    let label = vec![(b"security.selinux".to_vec(), b"l".to_vec())];
    let entries = [
        (Entry { xattrs: label.clone(), ..entry("d/f", Kind::File) }, NONE),
        (Entry { xattrs: label, ..entry("f", Kind::File) }, NONE),
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
        std::os::unix::fs::FileExt::write_all_at(&sparse, &[part as u8 + 1; 5_000], part * 1_000_000).unwrap();
    }
    sparse.set_len(40_000_000).unwrap();
    let wanted = fs::read(from.join("sparse")).unwrap();
    for format in ["gnu", "posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix --sparse-version=1.0", "oldgnu"] {
        let archive = ground.0.path().join("archive");
        let mut command = Command::new("tar");
        command.arg("-C").arg(&from).args(["-S", "-cf"]).arg(&archive);
        command.args(format!("--format={format}").split(' ')).arg(".");
        assert!(command.status().unwrap().success(), "{format}");
        let ground = Ground::new();
        let bytes = fs::read(&archive).unwrap();
        assert!(bytes.len() < 1_000_000, "{format}: holes are not in it");
        ground.unpack_bytes(&bytes).unwrap_or_else(|e| panic!("{format}: {e}"));
        assert_eq!(all_files(&ground.layer()), all_files(&from), "{format}");
        let at = |path: &str| ground.layer().join(path);
        assert_eq!(fs::read_to_string(at("hard")).unwrap(), "deep");
        assert_eq!(fs::read_link(at("link")).unwrap(), fs::read_link(from.join("link")).unwrap());
        assert!(fs::read(at("sparse")).unwrap() == wanted, "{format}");
        assert!(fs::metadata(at("sparse")).unwrap().blocks() * 512 < 1_000_000, "{format}: holes stay holes");
    }
}
