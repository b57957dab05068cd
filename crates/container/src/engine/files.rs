//! Files of an image and of what a container wrote above it, read without a mount: layer by layer, name by name, never
//! through a link that would lead out.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::Errno;

use super::error::{Error, Result};
use crate::overlay::{is_opaque, is_whiteout};

/// How many links a path may go through, as in the kernel.
const LINKS: usize = 40;
/// Depth of a path; deeper ones are nobody's.
const DEPTH: usize = 256;

/// Layers under one another.
#[derive(Debug)]
pub struct Stack {
    /// The topmost first.
    layers: Vec<OwnedFd>,
}

/// What is at a path.
#[derive(Debug)]
pub enum Found {
    /// A folder: its parts in the layers that have it, the topmost first, down to one that hides the rest.
    Folder(Vec<OwnedFd>),
    /// Anything else, opened by path only, with the folder that has it.
    Other {
        /// The folder in its layer.
        parent: OwnedFd,
        /// Its name there.
        name: OsString,
    },
}

impl Stack {
    /// Of these folders, the lowest first.
    pub fn open<'a>(lowest_first: impl DoubleEndedIterator<Item = &'a PathBuf>) -> Result<Stack> {
        let open = |path: &'a PathBuf| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::empty())
                .map_err(Error::io(format!("opening {}", path.display())))
        };
        Ok(Stack {
            layers: lowest_first.rev().map(open).collect::<Result<_>>()?,
        })
    }

    fn top(&self) -> Result<Vec<OwnedFd>> {
        self.layers
            .iter()
            .map(|layer| {
                layer
                    .try_clone()
                    .map_err(Error::io("duplicating a descriptor"))
            })
            .collect()
    }

    /// What is at an absolute path, links followed within the layers; none where there is nothing.
    pub fn find(&self, path: &str) -> Result<Option<Found>> {
        let reading = |e: Errno| Error::io(format!("reading {path} of the image"))(e);
        let mut pending: VecDeque<OsString> = parts(Path::new(path));
        let mut walked: Vec<Vec<OwnedFd>> = vec![self.top()?];
        let mut links = 0;
        while let Some(name) = pending.pop_front() {
            if name == ".." {
                if walked.len() > 1 {
                    walked.pop();
                }
                continue;
            }
            let Some(here) = walked.last() else {
                return Ok(None);
            };
            match step(here, &name).map_err(reading)? {
                None => return Ok(None),
                Some(Step::Folder(folders)) if walked.len() < DEPTH => walked.push(folders),
                Some(Step::Folder(_)) => return Ok(None),
                Some(Step::Link(target)) => {
                    links += 1;
                    if links > LINKS {
                        return Err(Error::Malformed {
                            what: format!("{path} of the image"),
                            why: "too many links".into(),
                        });
                    }
                    if target.is_absolute() {
                        walked.truncate(1);
                    }
                    for part in parts(&target).into_iter().rev() {
                        pending.push_front(part);
                    }
                }
                // What is no folder has nothing in it.
                Some(Step::Other(_)) if !pending.is_empty() => return Ok(None),
                Some(Step::Other(parent)) => return Ok(Some(Found::Other { parent, name })),
            }
        }
        Ok(walked.pop().map(Found::Folder))
    }

    /// What a file holds, at most `limit` bytes; none where there is no such file.
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let reading = || format!("reading {path} of the image");
        let Some(Found::Other { parent, name }) = self.find(path)? else {
            return Ok(None);
        };
        // Not blocking: a named pipe in its place has nobody at the other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(parent, &name, flags, Mode::empty()).map_err(Error::io(reading()))?;
        if FileType::from_raw_mode(fstat(&file).map_err(Error::io(reading()))?.st_mode)
            != FileType::RegularFile
        {
            return Ok(None);
        }
        let mut content = Vec::new();
        File::from(file)
            .take(limit)
            .read_to_end(&mut content)
            .map_err(Error::io(reading()))?;
        Ok(Some(content))
    }
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let bytes = path.as_os_str().as_bytes().split(|byte| *byte == b'/');
    bytes
        .filter(|part| !part.is_empty() && *part != b".")
        .map(|part| OsStr::from_bytes(part).to_owned())
        .collect()
}

enum Step {
    Folder(Vec<OwnedFd>),
    Link(PathBuf),
    Other(OwnedFd),
}

/// One name in a folder that several layers have.
fn step(folders: &[OwnedFd], name: &OsStr) -> Result<Option<Step>, Errno> {
    let mut found: Vec<OwnedFd> = Vec::new();
    for folder in folders {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let there = match openat(folder, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        let stat = fstat(&there)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let opened = openat(folder, name, flags, Mode::empty())?;
                let hides = is_opaque(&opened);
                found.push(opened);
                if hides {
                    break;
                }
            }
            // Under a folder of a layer above, what is no folder is not seen.
            _ if !found.is_empty() => break,
            kind if is_whiteout(folder, name, kind, &stat) => return Ok(None),
            FileType::Symlink => {
                let target = readlinkat(folder, name, Vec::new())?;
                return Ok(Some(Step::Link(
                    OsString::from_vec(target.into_bytes()).into(),
                )));
            }
            _ => {
                return folder
                    .try_clone()
                    .map(|folder| Some(Step::Other(folder)))
                    .map_err(|_| Errno::MFILE);
            }
        }
    }
    Ok((!found.is_empty()).then_some(Step::Folder(found)))
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{XattrFlags, setxattr};

    use super::*;

    pub(in crate::engine) fn layers(
        files: &[&[(&str, &str)]],
    ) -> (tempfile::TempDir, Vec<PathBuf>) {
        let temporary = tempfile::tempdir().unwrap();
        let folders = (0..files.len())
            .map(|number| temporary.path().join(number.to_string()))
            .collect::<Vec<_>>();
        for (folder, files) in folders.iter().zip(files) {
            fs::create_dir(folder).unwrap();
            for (path, content) in *files {
                let path = folder.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
        }
        (temporary, folders)
    }

    fn read(stack: &Stack, path: &str) -> Option<String> {
        stack
            .read(path, 1 << 20)
            .unwrap()
            .map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn the_topmost_layer_counts_and_folders_are_merged() {
        let (_temporary, folders) = layers(&[
            &[("etc/passwd", "low"), ("etc/group", "low")],
            &[("etc/passwd", "high"), ("a", "file")],
        ]);
        let stack = Stack::open(folders.iter()).unwrap();
        assert_eq!(read(&stack, "/etc/passwd").as_deref(), Some("high"));
        assert_eq!(read(&stack, "//etc/./group").as_deref(), Some("low"));
        assert_eq!(read(&stack, "/etc/none"), None);
        assert_eq!(read(&stack, "/etc"), None);
        assert_eq!(read(&stack, "/a/b"), None);
    }

    #[test]
    fn what_was_removed_above_is_not_there() {
        let (_temporary, folders) = layers(&[
            &[("etc/passwd", "low"), ("dir/a", "low"), ("dir/b", "low")],
            &[("etc/passwd", ""), ("dir/b", "high")],
        ]);
        setxattr(
            folders[1].join("etc/passwd"),
            "user.overlay.whiteout",
            b"y",
            XattrFlags::empty(),
        )
        .unwrap();
        setxattr(
            folders[1].join("dir"),
            "user.overlay.opaque",
            b"y",
            XattrFlags::empty(),
        )
        .unwrap();
        let stack = Stack::open(folders.iter()).unwrap();
        assert_eq!(read(&stack, "/etc/passwd"), None);
        assert_eq!(
            (read(&stack, "/dir/a"), read(&stack, "/dir/b").as_deref()),
            (None, Some("high"))
        );
    }

    #[test]
    fn links_stay_within_the_image() {
        let (temporary, folders) =
            layers(&[&[("etc/real", "inside"), ("passwd", "top")], &[("x/y", "")]]);
        fs::write(temporary.path().join("passwd"), "outside").unwrap();
        symlink("/etc/real", folders[1].join("absolute")).unwrap();
        symlink("../../../../passwd", folders[1].join("x/up")).unwrap();
        symlink("etc", folders[1].join("folder")).unwrap();
        symlink("loop", folders[1].join("loop")).unwrap();
        let stack = Stack::open(folders.iter()).unwrap();
        assert_eq!(read(&stack, "/absolute").as_deref(), Some("inside"));
        assert_eq!(read(&stack, "/x/up").as_deref(), Some("top"));
        assert_eq!(read(&stack, "/folder/real").as_deref(), Some("inside"));
        assert!(stack.read("/loop", 10).is_err());
        assert_eq!(read(&stack, "/../../passwd").as_deref(), Some("top"));
    }

    #[test]
    fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
        let (_temporary, folders) = layers(&[&[("etc/x", "")]]);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            folders[0].join("etc/passwd"),
            FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(
            read(&Stack::open(folders.iter()).unwrap(), "/etc/passwd"),
            None
        );
    }
}
