//! What a container wrote: added, changed and deleted paths, against its image.

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

impl Engine {
    /// What a container wrote; nothing where it never ran.
    pub fn changes(&self, record: &Record) -> Result<Vec<Change>> {
        let upper = self.folder.of(&record.id).join("upper");
        if std::fs::symlink_metadata(&upper).is_err() {
            return Ok(Vec::new());
        }
        let image = self.store.find(&record.image.id.to_string())?;
        let layers = self.store.stack(&image)?;
        changes(&owners::written(&upper)?, &Stack::open(layers.iter())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::files::tests::layers;

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
