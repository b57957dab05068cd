//! What a container wrote: added, changed and deleted paths, against its image.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::error::Result;
use super::files::Stack;
use super::lab::Engine;
use super::owners;
use super::record::Record;
use super::tree::{Written, WrittenKind};

/// A path that is not as the image has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Absolute.
    pub path: PathBuf,
    /// In which way.
    pub kind: ChangeKind,
}

/// In which way a path differs; Docker's letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// `C`.
    Changed,
    /// `A`.
    Added,
    /// `D`.
    Deleted,
}

impl ChangeKind {
    /// Docker's number for it.
    pub fn number(self) -> u8 {
        match self {
            ChangeKind::Changed => 0,
            ChangeKind::Added => 1,
            ChangeKind::Deleted => 2,
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChangeKind::Changed => "C",
            ChangeKind::Added => "A",
            ChangeKind::Deleted => "D",
        })
    }
}

/// What was written over an image whose files are `image`, in the order of the paths.
pub fn changes(written: &[Written], image: &Stack) -> Result<Vec<Change>> {
    let mut all = Vec::new();
    for one in written {
        let path = [b"/", &one.path[..]].concat();
        let was_there = image.find(&String::from_utf8_lossy(&path))?.is_some();
        let kind = match (one.kind, was_there) {
            (WrittenKind::Whiteout, true) => ChangeKind::Deleted,
            // Made and removed again.
            (WrittenKind::Whiteout, false) => continue,
            (_, true) => ChangeKind::Changed,
            (_, false) => ChangeKind::Added,
        };
        all.push(Change {
            path: OsStr::from_bytes(&path).into(),
            kind,
        });
    }
    Ok(all)
}

/// Where something is mounted in every container: an empty folder or file is made for it, which nobody wrote.
const OURS: [&str; 6] = [
    "/dev",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/proc",
    "/sys",
];

/// Leaves out the places of mounts, and folders in which nothing else was written.
fn without(written: Vec<Written>, places: &[&str]) -> Vec<Written> {
    let out = left_out(&written, places);
    written
        .into_iter()
        .filter(|one| !out.contains(&one.path))
        .collect()
}

/// The paths that [`without`] leaves out.
pub(super) fn left_out(written: &[Written], places: &[&str]) -> BTreeSet<Vec<u8>> {
    let of_place = |place: &&str| place.trim_start_matches('/').as_bytes().to_vec();
    let places: BTreeSet<Vec<u8>> = places.iter().map(of_place).collect();
    let above = |path: &[u8]| -> Vec<Vec<u8>> {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        slashes.map(|(at, _)| path[..at].to_vec()).collect()
    };
    let (here, others): (Vec<&Written>, Vec<&Written>) =
        written.iter().partition(|one| places.contains(&one.path));
    let leading: BTreeSet<Vec<u8>> = here.iter().flat_map(|one| above(&one.path)).collect();
    // A folder on the way to a place stays when anything else is in it, or when it hides what was there.
    let mut more = BTreeSet::new();
    for one in others {
        if one.kind != WrittenKind::Folder {
            more.insert(one.path.clone());
        }
        if one.kind != WrittenKind::Folder || !leading.contains(&one.path) {
            more.extend(above(&one.path));
        }
    }
    let ways = leading.difference(&more).cloned();
    ways.chain(here.iter().map(|one| one.path.clone()))
        .collect()
}

/// Where something is mounted in a container, so that what is there is not what it wrote.
pub(super) fn places(record: &Record) -> Vec<&str> {
    let targets = record.mounts.iter().map(|mount| mount.target.as_str());
    OURS.iter().copied().chain(targets).collect()
}

impl Engine {
    /// How much a container wrote, bytes.
    pub fn written_bytes(&self, record: &Record) -> Result<u64> {
        let upper = self.folder.of(&record.id).join("upper");
        if std::fs::symlink_metadata(&upper).is_err() {
            return Ok(0);
        }
        owners::bytes(&upper)
    }

    /// What a container wrote; nothing where it never ran.
    pub fn changes(&self, record: &Record) -> Result<Vec<Change>> {
        let upper = self.folder.of(&record.id).join("upper");
        if std::fs::symlink_metadata(&upper).is_err() {
            return Ok(Vec::new());
        }
        let image = self.store.find(&record.image.id.to_string())?;
        let layers = self.store.stack(&image)?;
        let written = without(owners::written(&upper)?, &places(record));
        changes(&written, &Stack::open(layers.iter())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::files::tests::layers;

    #[test]
    fn places_of_mounts_are_nobodys_writing() {
        use WrittenKind::{File, Folder, Opaque};
        let written = |list: &[(&str, WrittenKind)]| -> Vec<Written> {
            let one = |(path, kind): &(&str, WrittenKind)| Written {
                path: (*path).into(),
                kind: *kind,
            };
            list.iter().map(one).collect()
        };
        let all = written(&[
            ("dev", Folder),
            ("etc", Folder),
            ("etc/hosts", File),
            ("srv", Folder),
            ("srv/data", Folder),
            ("srv/own", File),
        ]);
        let places = ["/dev", "/etc/hosts", "/srv/data"];
        let left = written(&[("srv", Folder), ("srv/own", File)]);
        assert_eq!(without(all, &places), left);
        let with_folder = written(&[
            ("etc", Folder),
            ("etc/hosts", File),
            ("etc/own.d", Folder),
            ("srv", Opaque),
            ("srv/data", Folder),
        ]);
        let left = written(&[("etc", Folder), ("etc/own.d", Folder), ("srv", Opaque)]);
        assert_eq!(without(with_folder, &places), left);
    }

    #[test]
    fn what_was_written_is_told_from_what_the_image_has() {
        let (_temporary, folders) = layers(&[
            &[("etc/passwd", "x"), ("bin/sh", "x"), ("old/a", "x")],
            &[("etc/group", "x")],
        ]);
        let image = Stack::open(folders.iter()).unwrap();
        use WrittenKind::{File, Folder, Opaque, Whiteout};
        let written = [
            ("etc", Folder),
            ("etc/group", File),
            ("etc/new", File),
            ("bin/sh", Whiteout),
            ("tmp/x", Whiteout),
            ("old", Opaque),
            ("srv", Folder),
        ];
        let written = written.map(|(path, kind)| Written {
            path: path.into(),
            kind,
        });
        let found: Vec<String> = changes(&written, &image)
            .unwrap()
            .iter()
            .map(|change| format!("{} {}", change.kind, change.path.display()))
            .collect();
        assert_eq!(
            found,
            [
                "C /etc",
                "C /etc/group",
                "A /etc/new",
                "D /bin/sh",
                "C /old",
                "A /srv"
            ]
        );
    }
}
