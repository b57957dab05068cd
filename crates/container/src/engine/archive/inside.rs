//! The helper: this program with an instance's ids and a container's root. Nothing of this machine is in its sight: it makes
//! the container's root its own before it looks at anything.

use std::ffi::OsString;
use std::io::{self, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use super::paths;
use super::put;
use super::{NO_PATH, PathStat, REFUSED};
use crate::engine::error::{Error, Result};
use crate::engine::pack::Pack;
use crate::engine::time::Moment;
use crate::engine::tree::joined;

/// Hidden first argument of such a start; then what to do, whether the container runs, and the path.
pub const HIDDEN: &str = "__container-files";
pub(super) const STAT: &str = "stat";
pub(super) const GET: &str = "get";
pub(super) const PUT: &str = "put";
pub(super) const EXPORT: &str = "export";
pub(super) const RUNNING: &str = "running";
pub(super) const AT_REST: &str = "at-rest";

/// Serves such a start; none when it is an ordinary one. `arguments` begin with the program's name.
pub fn dispatch(arguments: &[OsString]) -> Option<i32> {
    if arguments.get(1)? != HIDDEN {
        return None;
    }
    let words = arguments.get(2..)?;
    Some(match serve(words) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            match error {
                Error::NoPath { .. } => NO_PATH,
                Error::Refused(_) => REFUSED,
                _ => 1,
            }
        }
    })
}

fn serve(words: &[OsString]) -> Result<()> {
    let [verb, state, rest @ ..] = words else {
        return Err(Error::Conflict("nothing is asked for".into()));
    };
    let path = rest.first().map(|path| path.as_bytes()).unwrap_or_default();
    let is_put = verb == PUT;
    let root = match state.as_bytes() {
        b"at-rest" => sandbox::entry::inherited(1).pop().ok_or_else(|| Error::Conflict("no root was given".into()))?,
        _ if is_put => duplicate(io::stdout().as_fd())?,
        _ => duplicate(io::stdin().as_fd())?,
    };
    enter(root.as_fd())?;
    match verb.as_bytes() {
        b"stat" => {
            let found = stat(root.as_fd(), path)?;
            let answer = serde_json::to_vec(&found).map_err(|error| Error::Conflict(error.to_string()))?;
            io::stdout().write_all(&answer).map_err(Error::io("answering"))
        }
        b"get" => get(root.as_fd(), path, io::stdout().lock()),
        b"export" => {
            let folder = readable(root.as_fd()).map_err(Error::io("opening the root"))?;
            let mut pack = Pack::new(io::stdout().lock()).with_capabilities().within(folder.as_fd())?;
            pack.inside(folder.as_fd(), b"")?;
            pack.finish()
        }
        b"put" => {
            let input = BufReader::with_capacity(1 << 16, io::stdin().lock());
            let keep_kinds = rest.get(1).is_some_and(|word| word == "keep");
            let user = rest.get(2).map(|user| user.to_string_lossy().into_owned()).filter(|user| !user.is_empty());
            for note in put::put(root.as_fd(), path, input, keep_kinds, user.as_deref())? {
                eprintln!("{note}");
            }
            Ok(())
        }
        _ => Err(Error::Conflict("an unknown thing is asked for".into())),
    }
}

fn duplicate(from: BorrowedFd) -> Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(from, 3).map_err(Error::io("duplicating a descriptor"))
}

/// Whatever a path leads to from here on, it is the container's.
fn enter(root: BorrowedFd) -> Result<()> {
    let entered = rustix::process::fchdir(root).and_then(|()| rustix::process::chroot(".")).and_then(|()| rustix::process::chdir("/"));
    entered.map_err(Error::io("entering the container's files"))?;
    rustix::process::umask(Mode::empty());
    Ok(())
}

fn readable(folder: BorrowedFd) -> Result<OwnedFd, Errno> {
    openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// What the kernel says of a path, in words that the caller tells apart.
pub(super) fn wrong(path: &[u8]) -> impl FnOnce(Errno) -> Error + use<> {
    let path = String::from_utf8_lossy(path).into_owned();
    move |error| match error {
        Errno::NOENT => Error::NoPath { container: String::new(), path },
        Errno::NOTDIR => Error::Refused(format!("{path}: not a directory")),
        Errno::LOOP => Error::Refused(format!("{path}: too many links, or one of the kernel's own")),
        Errno::NAMETOOLONG => Error::Refused(format!("{path}: a name is too long")),
        Errno::ROFS => Error::Refused(format!("{path}: it is read-only")),
        other => Error::io(path)(other),
    }
}

fn stat(root: BorrowedFd, path: &[u8]) -> Result<PathStat> {
    let path = paths::clean(path);
    let there = paths::open(root, &path, OFlags::PATH | OFlags::NOFOLLOW).map_err(wrong(&path))?;
    let found = fstat(&there).map_err(wrong(&path))?;
    let is_link = FileType::from_raw_mode(found.st_mode) == FileType::Symlink;
    let target = if is_link { paths::follow(root, &path).map_err(wrong(&path))? } else { Vec::new() };
    Ok(PathStat {
        name: String::from_utf8_lossy(paths::base(&path)).into_owned(),
        size: u64::try_from(found.st_size).unwrap_or(0),
        mode: found.st_mode,
        modified: Moment { seconds: found.st_mtime, nanoseconds: u32::try_from(found.st_mtime_nsec).unwrap_or(0) },
        link_target: String::from_utf8_lossy(&target).into_owned(),
    })
}

/// Folders below the root that show what the kernel knows, not files.
const KERNELS: [&[u8]; 3] = [b"dev", b"proc", b"sys"];

fn get(root: BorrowedFd, path: &[u8], output: impl Write) -> Result<()> {
    let path = paths::clean(path);
    let there = paths::open(root, &path, OFlags::PATH | OFlags::NOFOLLOW).map_err(wrong(&path))?;
    let found = fstat(&there).map_err(wrong(&path))?;
    let base = paths::base(&path);
    let mut pack = Pack::new(output);
    if path.iter().all(|byte| *byte == b'/') {
        // All of a container: what the kernel shows there is no file of anybody (and Docker copies none of it).
        pack = pack.hollow(KERNELS.map(|name| joined(base, name)));
    }
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        let folder = readable(there.as_fd()).map_err(wrong(&path))?;
        pack.folder(folder.as_fd(), base)?;
    } else {
        let (folder, name) = paths::parent(root, &path).map_err(wrong(&path))?;
        // What is there now: it is looked at again, and no link is followed.
        let stat = rustix::fs::statat(&folder, std::ffi::OsStr::from_bytes(name), rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
            .map_err(wrong(&path))?;
        pack.one(folder.as_fd(), name, &stat, name)?;
    }
    pack.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;
    use crate::limits::Limits;
    use crate::tar::{Kind, Reader};

    fn root(path: &Path) -> OwnedFd {
        rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    fn names(root: BorrowedFd, path: &str) -> Vec<(String, Kind)> {
        let mut bytes = Vec::new();
        get(root, path.as_bytes(), &mut bytes).unwrap();
        let mut reader = Reader::new(&bytes[..], "test", Limits::default());
        let mut all = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            all.push((entry.name(), entry.kind));
        }
        all
    }

    #[test]
    fn entries_are_called_as_docker_calls_them() {
        let temporary = tempfile::tempdir().unwrap();
        fs::create_dir_all(temporary.path().join("srv/www/a.b")).unwrap();
        fs::write(temporary.path().join("srv/www/a.b/c"), "x").unwrap();
        symlink("/srv/www", temporary.path().join("link")).unwrap();
        let root = root(temporary.path());
        let list = |path: &str| {
            let names: Vec<String> = names(root.as_fd(), path).into_iter().map(|(name, _)| name).collect();
            names.join(" ")
        };
        assert_eq!(list("/srv/www"), "www/ www/a.b/ www/a.b/c");
        assert_eq!(list("srv/www/"), "www/ www/a.b/ www/a.b/c");
        assert_eq!(list("/srv/www/."), "./ ./a.b/ ./a.b/c");
        assert_eq!(list("/srv/www/a.b/c"), "c");
        assert_eq!(names(root.as_fd(), "/link"), [("link".to_owned(), Kind::Symlink)]);
        // A slash behind it says that the folder is meant, under the link's name.
        assert_eq!(list("/link/"), "link/ link/a.b/ link/a.b/c");
        assert_eq!(list("/"), "/ /link /srv/ /srv/www/ /srv/www/a.b/ /srv/www/a.b/c");
    }

    #[test]
    fn a_link_out_leads_inside_and_says_where() {
        let temporary = tempfile::tempdir().unwrap();
        let inside = temporary.path().join("root");
        fs::create_dir_all(inside.join("etc")).unwrap();
        fs::write(inside.join("etc/passwd"), "inside").unwrap();
        fs::write(temporary.path().join("secret"), "outside").unwrap();
        symlink("../secret", inside.join("up")).unwrap();
        symlink("/etc", inside.join("folder")).unwrap();
        symlink("/proc/self/root/etc/passwd", inside.join("magic")).unwrap();
        let root = root(&inside);
        assert!(matches!(stat(root.as_fd(), b"/up/"), Err(Error::NoPath { .. })));
        let found = stat(root.as_fd(), b"/up").unwrap();
        assert_eq!((found.link_target.as_str(), found.is_folder()), ("/secret", false));
        assert_eq!(stat(root.as_fd(), b"/folder/passwd").unwrap().size, 6);
        assert_eq!(stat(root.as_fd(), b"/../../etc/passwd").unwrap().size, 6);
        assert!(stat(root.as_fd(), b"/magic/").is_err());
        assert!(matches!(stat(root.as_fd(), b"/etc/passwd/"), Err(Error::Refused(_))));
    }
}
