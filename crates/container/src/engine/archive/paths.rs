//! Paths in a container, resolved below its root whatever is in the way.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2, readlinkat};
use rustix::io::Errno;

/// How many links a path may go through, as in the kernel.
const LINKS: usize = 40;
/// Renames at the same time make the kernel give up (openat2(2)); how often it is asked again.
const TRIES: usize = 128;

/// Opens a path below a root: `..` and absolute links begin there, and magic links of `/proc` lead nowhere.
pub fn open(root: BorrowedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    resolve(root, path, flags, ResolveFlags::IN_ROOT)
}

/// Opens a path that does not leave a folder, also not for a moment.
pub fn open_beneath(folder: BorrowedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    resolve(folder, path, flags, ResolveFlags::BENEATH)
}

fn resolve(root: BorrowedFd, path: &[u8], flags: OFlags, how: ResolveFlags) -> Result<OwnedFd, Errno> {
    let path = OsStr::from_bytes(if path.is_empty() { b"." } else { path });
    let mut tries = TRIES;
    loop {
        let resolve = how | ResolveFlags::NO_MAGICLINKS;
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if tries > 0 => tries -= 1,
            other => return other,
        }
    }
}

/// A path made absolute, without `.`, `..` and doubled slashes, as Go's `filepath.Join("/", path)`; a slash or `/.` at its
/// end stays, because it says that a link there is to be followed.
pub fn clean(path: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    let mut clean = Vec::from(b"/");
    clean.extend(names.join(&b'/'));
    if clean != b"/" && (path.ends_with(b"/.") || path == b".") {
        clean.extend(b"/.");
    } else if clean != b"/" && path.ends_with(b"/") {
        clean.push(b'/');
    } else if clean == b"/" && (path.ends_with(b"/.") || path == b".") {
        clean.push(b'.');
    }
    clean
}

/// The last name of a cleaned path, as Go's `filepath.Base`.
pub fn base(path: &[u8]) -> &[u8] {
    let path = match path.strip_suffix(b"/") {
        Some(b"") | None => path,
        Some(rest) => rest,
    };
    if path == b"/" {
        return path;
    }
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// A path without links, as far as it exists; for words only, as it may be another one a moment later.
pub fn follow(root: BorrowedFd, path: &[u8]) -> Result<Vec<u8>, Errno> {
    let names = |path: &[u8]| -> Vec<Vec<u8>> {
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
        names.map(<[u8]>::to_vec).collect()
    };
    let mut pending = VecDeque::from(names(path));
    let mut walked: Vec<Vec<u8>> = Vec::new();
    let mut links = 0;
    while let Some(name) = pending.pop_front() {
        if name == b".." {
            walked.pop();
            continue;
        }
        walked.push(name);
        let Ok(there) = open(root, &walked.join(&b'/'), OFlags::PATH | OFlags::NOFOLLOW) else {
            continue;
        };
        if FileType::from_raw_mode(fstat(&there)?.st_mode) != FileType::Symlink {
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(Errno::LOOP);
        }
        let target = readlinkat(&there, "", Vec::new())?.into_bytes();
        walked.pop();
        if target.starts_with(b"/") {
            walked.clear();
        }
        for name in names(&target).into_iter().rev() {
            pending.push_front(name);
        }
    }
    Ok([b"/", &walked.join(&b'/')[..]].concat())
}

/// The folder of a cleaned path's last name, links followed, and that name.
pub fn parent<'a>(root: BorrowedFd, path: &'a [u8]) -> Result<(OwnedFd, &'a [u8]), Errno> {
    let at = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let (folder, name) = (&path[..at], &path[(at + 1).min(path.len())..]);
    Ok((open(root.as_fd(), folder, OFlags::PATH | OFlags::DIRECTORY)?, name))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_are_cleaned_as_docker_does() {
        for (path, cleaned, last) in [
            ("", "/", "/"),
            ("/", "/", "/"),
            (".", "/.", "."),
            ("a", "/a", "a"),
            ("/a/../../b/", "/b/", "b"),
            ("/a//./b/.", "/a/b/.", "."),
            ("../..", "/", "/"),
            ("/a/..", "/", "/"),
        ] {
            let found = clean(path.as_bytes());
            assert_eq!(String::from_utf8_lossy(&found), cleaned, "{path}");
            assert_eq!(String::from_utf8_lossy(base(&found)), last, "{path}");
        }
    }

    #[test]
    fn links_are_followed_below_the_root_as_far_as_they_go() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path();
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        symlink("usr/lib", root.join("lib")).unwrap();
        symlink("../../../../etc/passwd", root.join("usr/up")).unwrap();
        symlink("/nowhere/at/all", root.join("broken")).unwrap();
        symlink("circle", root.join("circle")).unwrap();
        let opened = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let follow = |path: &str| follow(opened.as_fd(), path.as_bytes()).map(|path| String::from_utf8(path).unwrap());
        assert_eq!(follow("/lib/x"), Ok("/usr/lib/x".into()));
        assert_eq!(follow("/usr/up"), Ok("/etc/passwd".into()));
        assert_eq!(follow("/broken"), Ok("/nowhere/at/all".into()));
        assert_eq!(follow("/circle"), Err(Errno::LOOP));
    }
}
