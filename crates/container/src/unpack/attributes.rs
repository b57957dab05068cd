//! Owners, times and extended attributes; what cannot be set is recorded.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{
    AtFlags, Gid, Timespec, Timestamps, Uid, XattrFlags, chownat, fsetxattr, futimens, utimensat,
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::Unpacker;
use crate::error::{Error, Result};
use crate::overlay::is_attribute;
use crate::tar::Entry;

/// What the folder of a layer does not show of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// User and group in the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<(u32, u32)>,
    /// `c` or `b`, major and minor number of a device for which an empty file stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<(char, u32, u32)>,
    /// Extended attributes, values in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<(String, String)>,
}

/// A path as records have it: what is not UTF-8 is escaped.
pub fn key(path: &[u8]) -> String {
    match std::str::from_utf8(path) {
        Ok(path) => path.to_owned(),
        Err(_) => path.escape_ascii().to_string(),
    }
}

impl Unpacker<'_> {
    pub(super) fn record(&mut self, path: &[u8]) -> &mut Record {
        self.done.records.entry(key(path)).or_default()
    }

    /// A path has something else now.
    pub(super) fn forget(&mut self, path: &[u8], below: Option<&[u8]>) {
        let (path, below) = (key(path), below.map(key));
        self.done.records.retain(|one, _| {
            *one != path && !below.as_ref().is_some_and(|below| one.starts_with(below))
        });
    }

    /// Gives a path to its owner. For an ordinary user all is theirs: inside a container that is user 0.
    pub(super) fn owner(
        &mut self,
        parent: BorrowedFd,
        name: &OsStr,
        path: &[u8],
        (uid, gid): (u32, u32),
    ) -> Result<()> {
        if self.privileged {
            match chownat(
                parent,
                name,
                Some(Uid::from_raw(uid)),
                Some(Gid::from_raw(gid)),
                AtFlags::SYMLINK_NOFOLLOW,
            ) {
                Ok(()) => return Ok(()),
                // Ids that are not mapped here.
                Err(Errno::PERM | Errno::INVAL) => {}
                Err(error) => {
                    return Err(Error::io(format!("giving {} to its owner", key(path)))(
                        error,
                    ));
                }
            }
        }
        if (uid, gid) != (0, 0) || self.done.records.contains_key(&key(path)) {
            self.record(path).owner = Some((uid, gid)).filter(|owner| *owner != (0, 0));
        }
        Ok(())
    }

    /// Sets extended attributes. Those of overlayfs itself are not the layer's to set: they would move files in the stack.
    pub(super) fn xattrs(
        &mut self,
        file: BorrowedFd,
        path: &[u8],
        xattrs: &[(Vec<u8>, Vec<u8>)],
        entry: &Entry,
    ) -> Result<()> {
        for (name, value) in xattrs.iter().filter(|(name, _)| !is_attribute(name)) {
            let set = if is_settable(name) {
                fsetxattr(
                    file,
                    OsStr::new(&*String::from_utf8_lossy(name)),
                    value,
                    XattrFlags::empty(),
                )
            } else {
                Err(Errno::NOTSUP)
            };
            match set {
                Ok(()) => {}
                Err(Errno::PERM | Errno::NOTSUP | Errno::INVAL | Errno::ACCESS) => {
                    self.record_xattrs(path, &[(name.clone(), value.clone())])
                }
                Err(error) => {
                    return Err(Error::io(format!(
                        "setting an attribute of {}",
                        entry.name()
                    ))(error));
                }
            }
        }
        Ok(())
    }

    pub(super) fn record_xattrs(&mut self, path: &[u8], xattrs: &[(Vec<u8>, Vec<u8>)]) {
        for (name, value) in xattrs.iter().filter(|(name, _)| !is_attribute(name)) {
            let digits = value.iter().map(|byte| format!("{byte:02x}")).collect();
            self.record(path).xattrs.push((key(name), digits));
        }
    }
}

/// Labels of this machine's own security modules are not for strangers to set.
fn is_settable(name: &[u8]) -> bool {
    name.is_ascii()
        && (name.starts_with(b"user.")
            || name.starts_with(b"system.posix_acl_")
            || name == b"security.capability")
}

fn times((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds.into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

pub(super) fn set_time(parent: BorrowedFd, name: &OsStr, mtime: (i64, u32)) -> Result<(), Errno> {
    utimensat(parent, name, &times(mtime), AtFlags::SYMLINK_NOFOLLOW)
}

pub(super) fn set_time_of(file: BorrowedFd, mtime: (i64, u32)) -> Result<(), Errno> {
    futimens(file, &times(mtime))
}
