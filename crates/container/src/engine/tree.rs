//! A folder and all that is in it: as a tar, or as a list of what an overlay's upper half says.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fgetxattr, flistxattr, openat, readlinkat, statat,
};
use rustix::io::Errno;

use super::error::{Error, Result};
use crate::overlay::{is_attribute, is_opaque, is_whiteout, open_folder};
use crate::tar::{Entry, Kind, Writer};

/// Folders within folders; deeper ones are refused.
pub(super) const DEPTH: usize = 1_000;

/// Names in a folder, sorted, with what they are.
pub(super) fn entries(folder: BorrowedFd) -> Result<Vec<(Vec<u8>, Stat)>, Errno> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort();
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        match statat(folder, OsStr::from_bytes(&name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => all.push((name, stat)),
            // Somebody removed it meanwhile.
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

pub(super) fn joined(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() || path.ends_with(b"/") {
        [path, name].concat()
    } else {
        [path, b"/", name].concat()
    }
}

/// Writes all of a folder as a tar: owners, permissions, times, links, extended attributes of users. Sockets are left out.
pub fn export(folder: BorrowedFd, output: impl Write) -> Result<()> {
    write_out(folder, None, output)
}

/// How an overlay's upper half becomes a layer of an image.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    /// Paths that are not the container's doing, without a slash in front.
    pub left_out: BTreeSet<Vec<u8>>,
    /// No time is later than this, seconds since 1970.
    pub latest: Option<i64>,
}

/// Writes an upper half as a layer: what overlayfs says with devices and attributes is said with names (OCI image layer,
/// "Whiteouts"); times are whole seconds.
pub fn layer(folder: BorrowedFd, layer: &Layer, output: impl Write) -> Result<()> {
    write_out(folder, Some(layer), output)
}

fn write_out(folder: BorrowedFd, layer: Option<&Layer>, output: impl Write) -> Result<()> {
    let mut writer = Writer::new(io::BufWriter::with_capacity(1 << 16, output));
    let mut links = BTreeMap::new();
    walk_out(folder, b"", layer, &mut writer, &mut links, 0)?;
    writer.finish().map_err(Error::io("writing the archive"))?;
    Ok(())
}

/// An empty file in a layer that says something by its name.
fn mark(path: &[u8], name: &[u8], mtime: (i64, u32)) -> Entry {
    Entry { mode: 0o600, mtime, ..Entry::new(joined(path, name), Kind::File) }
}

fn walk_out<W: Write>(
    folder: BorrowedFd,
    path: &[u8],
    layer: Option<&Layer>,
    writer: &mut Writer<W>,
    links: &mut BTreeMap<(u64, u64), Vec<u8>>,
    depth: usize,
) -> Result<()> {
    let shown = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let reading = |path: &[u8]| Error::io::<Errno>(format!("reading {}", shown(path)));
    if depth > DEPTH {
        return Err(Error::Malformed {
            what: shown(path),
            why: "folders within folders without end".into(),
        });
    }
    for (name, stat) in entries(folder).map_err(reading(path))? {
        let place = joined(path, &name);
        let os_name = OsStr::from_bytes(&name);
        if layer.is_some_and(|layer| layer.left_out.contains(&place)) {
            continue;
        }
        let mtime = match layer {
            None => (
                stat.st_mtime,
                u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
            ),
            Some(layer) => (stat.st_mtime.min(layer.latest.unwrap_or(i64::MAX)), 0),
        };
        let mut entry = Entry {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime,
            ..Entry::new(place.clone(), Kind::File)
        };
        let written = Error::io::<io::Error>(format!("writing {} to the archive", shown(&place)));
        let kind = FileType::from_raw_mode(stat.st_mode);
        if layer.is_some() && is_whiteout(folder, os_name, kind, &stat) {
            let hidden = mark(path, &[b".wh.", &name[..]].concat(), (0, 0));
            writer.append(&hidden, io::empty()).map_err(written)?;
            continue;
        }
        match kind {
            FileType::Directory => {
                let inside = open_folder(folder, OsStr::from_bytes(&name)).map_err(reading(&place))?;
                entry.kind = Kind::Directory;
                entry.path.push(b'/');
                entry.xattrs = attributes(inside.as_fd(), layer.is_some());
                writer.append(&entry, io::empty()).map_err(written)?;
                if layer.is_some() && is_opaque(&inside) {
                    let opaque = mark(&place, b".wh..wh..opq", (0, 0));
                    writer
                        .append(&opaque, io::empty())
                        .map_err(Error::io("writing the archive"))?;
                }
                walk_out(inside.as_fd(), &place, layer, writer, links, depth + 1)?;
            }
            FileType::Symlink => {
                entry.kind = Kind::Symlink;
                entry.link = readlinkat(folder, os_name, Vec::new())
                    .map_err(reading(&place))?
                    .into_bytes();
                writer.append(&entry, io::empty()).map_err(written)?;
            }
            FileType::RegularFile => {
                if stat.st_nlink > 1 {
                    if let Some(first) = links.get(&(stat.st_dev, stat.st_ino)) {
                        entry.kind = Kind::HardLink;
                        entry.link.clone_from(first);
                        writer.append(&entry, io::empty()).map_err(written)?;
                        continue;
                    }
                    links.insert((stat.st_dev, stat.st_ino), place.clone());
                }
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = File::from(
                    openat(folder, os_name, flags, Mode::empty()).map_err(reading(&place))?,
                );
                entry.xattrs = attributes(file.as_fd(), layer.is_some());
                // What it has now: a file that grows is cut at this length.
                entry.size = file
                    .metadata()
                    .map_err(Error::io(format!("reading {}", shown(&place))))?
                    .len();
                writer.append(&entry, &file).map_err(written)?;
            }
            FileType::Fifo => {
                entry.kind = Kind::Fifo;
                writer.append(&entry, io::empty()).map_err(written)?;
            }
            FileType::CharacterDevice | FileType::BlockDevice => {
                let is_character =
                    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
                entry.kind = if is_character {
                    Kind::CharacterDevice
                } else {
                    Kind::BlockDevice
                };
                entry.device = (
                    rustix::fs::major(stat.st_rdev),
                    rustix::fs::minor(stat.st_rdev),
                );
                writer.append(&entry, io::empty()).map_err(written)?;
            }
            // A socket is nothing without who listens on it.
            FileType::Socket | FileType::Unknown => {}
        }
    }
    Ok(())
}

/// Attributes that a user may set; in a layer also capabilities of programs, and none of overlayfs itself.
fn attributes(file: BorrowedFd, is_layer: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let is_kept = |name: &&[u8]| match is_layer {
        false => name.starts_with(b"user."),
        true => {
            (name.starts_with(b"user.") && !is_attribute(name))
                || *name == b"security.capability"
        }
    };
    let mut names = vec![0u8; 1 << 16];
    let Ok(length) = flistxattr(file, &mut names[..]) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(is_kept) {
        let mut value = vec![0u8; 1 << 16];
        if let Ok(length) = fgetxattr(file, OsStr::from_bytes(name), &mut value[..]) {
            value.truncate(length);
            all.push((name.to_vec(), value));
        }
    }
    all
}

/// Bytes of all files in a folder, those with several names once.
pub fn bytes(folder: BorrowedFd) -> Result<u64> {
    let mut seen = std::collections::BTreeSet::new();
    add_up(folder, &mut seen, 0)
}

fn add_up(folder: BorrowedFd, seen: &mut std::collections::BTreeSet<(u64, u64)>, depth: usize) -> Result<u64> {
    let mut total = 0u64;
    for (name, stat) in entries(folder).map_err(Error::io("reading a folder"))? {
        if FileType::from_raw_mode(stat.st_mode).is_dir() {
            // What cannot be looked into has no bytes that anybody could free.
            if depth < DEPTH
                && let Ok(inside) = open_folder(folder, OsStr::from_bytes(&name))
            {
                total = total.saturating_add(add_up(inside.as_fd(), seen, depth + 1)?);
            }
        } else if stat.st_nlink < 2 || seen.insert((stat.st_dev, stat.st_ino)) {
            total = total.saturating_add(u64::try_from(stat.st_size).unwrap_or(0));
        }
    }
    Ok(total)
}

/// Something in an upper layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Without a slash in front.
    pub path: Vec<u8>,
    /// What the layer says of it.
    pub kind: WrittenKind,
}

/// What an upper layer says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrittenKind {
    /// A folder; what lies below shows through.
    Folder,
    /// A folder that hides what lies below.
    Opaque,
    /// Anything else.
    File,
    /// It was removed.
    Whiteout,
}

impl WrittenKind {
    const ALL: [(u8, WrittenKind); 4] = [
        (b'd', WrittenKind::Folder),
        (b'o', WrittenKind::Opaque),
        (b'f', WrittenKind::File),
        (b'w', WrittenKind::Whiteout),
    ];
}

/// Writes what is in an upper layer: a letter and the path for each, a NUL behind it, parents first.
pub fn written(folder: BorrowedFd, output: impl Write) -> Result<()> {
    let mut output = io::BufWriter::new(output);
    list(folder, b"", &mut output, 0)?;
    output.flush().map_err(Error::io("writing the list"))
}

fn list(folder: BorrowedFd, path: &[u8], output: &mut impl Write, depth: usize) -> Result<()> {
    let reading =
        |path: &[u8]| Error::io::<Errno>(format!("reading {}", String::from_utf8_lossy(path)));
    if depth > DEPTH {
        return Err(Error::Malformed {
            what: String::from_utf8_lossy(path).into_owned(),
            why: "folders within folders without end".into(),
        });
    }
    for (name, stat) in entries(folder).map_err(reading(path))? {
        let place = joined(path, &name);
        let kind = FileType::from_raw_mode(stat.st_mode);
        let inside = match kind {
            FileType::Directory => Some(open_folder(folder, OsStr::from_bytes(&name)).map_err(reading(&place))?),
            _ => None,
        };
        let letter = match &inside {
            Some(inside) if is_opaque(inside) => b'o',
            Some(_) => b'd',
            None if is_whiteout(folder, OsStr::from_bytes(&name), kind, &stat) => b'w',
            None => b'f',
        };
        let mut record = vec![letter];
        record.extend_from_slice(&place);
        record.push(0);
        output
            .write_all(&record)
            .map_err(Error::io("writing the list"))?;
        if let Some(inside) = inside {
            list(inside.as_fd(), &place, output, depth + 1)?;
        }
    }
    Ok(())
}

/// Reads what [`written`] wrote.
pub fn read_written(bytes: &[u8]) -> Vec<Written> {
    let record = |record: &[u8]| {
        let (letter, path) = record.split_first()?;
        let kind = WrittenKind::ALL
            .iter()
            .find(|(known, _)| known == letter)?
            .1;
        Some(Written {
            path: path.to_vec(),
            kind,
        })
    };
    bytes.split(|byte| *byte == 0).filter_map(record).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::limits::Limits;
    use crate::tar::Reader;

    fn open(path: &std::path::Path) -> std::os::fd::OwnedFd {
        rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    #[test]
    fn a_folder_comes_back_from_its_tar() {
        let temporary = tempfile::tempdir().unwrap();
        let (from, to) = (temporary.path().join("from"), temporary.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("a/b/file"), "text").unwrap();
        fs::hard_link(from.join("a/b/file"), from.join("other")).unwrap();
        symlink("../../../etc/passwd", from.join("link")).unwrap();
        let mut bytes = Vec::new();
        export(open(&from).as_fd(), &mut bytes).unwrap();
        let mut again = Vec::new();
        export(open(&from).as_fd(), &mut again).unwrap();
        assert_eq!(bytes, again, "the same folder is the same archive");
        let mut reader = Reader::new(&bytes[..], "test", Limits::default());
        crate::unpack::layer(open(&to).as_fd(), &[], &mut reader, &Limits::default()).unwrap();
        assert_eq!(fs::read_to_string(to.join("other")).unwrap(), "text");
        assert_eq!(
            fs::read_link(to.join("link")).unwrap().to_str(),
            Some("../../../etc/passwd")
        );
        use std::os::unix::fs::MetadataExt;
        assert_eq!(fs::metadata(to.join("a/b/file")).unwrap().nlink(), 2);
    }

    #[test]
    fn an_upper_layer_says_what_was_written_and_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let upper = temporary.path();
        fs::create_dir_all(upper.join("etc")).unwrap();
        fs::create_dir_all(upper.join("hidden")).unwrap();
        fs::write(upper.join("etc/new"), "x").unwrap();
        fs::write(upper.join("gone"), "").unwrap();
        fs::write(upper.join("empty"), "").unwrap();
        use rustix::fs::{XattrFlags, setxattr};
        setxattr(
            upper.join("gone"),
            "user.overlay.whiteout",
            b"y",
            XattrFlags::empty(),
        )
        .unwrap();
        setxattr(
            upper.join("hidden"),
            "user.overlay.opaque",
            b"y",
            XattrFlags::empty(),
        )
        .unwrap();
        let mut bytes = Vec::new();
        written(open(upper).as_fd(), &mut bytes).unwrap();
        use WrittenKind::{File, Folder, Opaque, Whiteout};
        let expected = [
            ("empty", File),
            ("etc", Folder),
            ("etc/new", File),
            ("gone", Whiteout),
            ("hidden", Opaque),
        ];
        let found = read_written(&bytes);
        assert_eq!(
            found,
            expected.map(|(path, kind)| Written {
                path: path.into(),
                kind
            })
        );
    }
}
