//! Who a container's process is: `USER` of an image, looked up in the files of its root (passwd(5), group(5)).
//!
//! The rules are Docker's: a number that the files do not know stands for itself with group 0, a name that they do not
//! know is an error, a group that is named replaces those that the user is a member of.

use std::io::Read;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{FileType, OFlags};

use super::spec::ContainerUser;
use super::target;
use crate::error::Fault;

/// More of a file is not looked at.
const LARGEST_FILE: u64 = 4 << 20;

/// What a process becomes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// More groups.
    pub groups: Vec<u32>,
    /// Home directory; `/` where the files say none.
    pub home: String,
}

/// Who is meant, by what `/etc/passwd` and `/etc/group` of the root hold. Errors: they do not know the name.
pub fn identity(user: &ContainerUser, passwd: &str, group: &str) -> Result<Identity, crate::Error> {
    Ok(resolve(user, passwd, group)?)
}

/// Looks up in the root.
pub(super) fn look_up(root: BorrowedFd<'_>, user: &ContainerUser) -> Result<Identity, Fault> {
    let passwd = read(root, "etc/passwd");
    let group = match &user.name {
        Some(_) => read(root, "etc/group"),
        None => String::new(),
    };
    resolve(user, &passwd, &group)
}

/// A file that is not there, or is something else, says nothing.
fn read(root: BorrowedFd<'_>, path: &str) -> String {
    // A pipe of the image must not hold its container up.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let Ok(file) = target::open(root, Path::new(path), flags) else {
        return String::new();
    };
    let is_file = rustix::fs::fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    let mut content = Vec::new();
    if is_file {
        // What cannot be read says nothing either.
        let _ = std::fs::File::from(file).take(LARGEST_FILE).read_to_end(&mut content);
    }
    String::from_utf8_lossy(&content).into_owned()
}

fn resolve(user: &ContainerUser, passwd: &str, group: &str) -> Result<Identity, Fault> {
    let Some(name) = user.name.as_deref().filter(|name| !name.is_empty()) else {
        let entry = lines(passwd).find(|fields| number(fields, 2) == Some(user.uid));
        return Ok(Identity {
            uid: user.uid,
            gid: user.gid,
            groups: user.additional_gids.clone(),
            home: home(entry.as_deref()),
        });
    };
    let (name, group_name) = match name.split_once(':') {
        Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
        None => (name, None),
    };
    let as_number: Option<u32> = name.parse().ok();
    let entry = lines(passwd).find(|fields| fields[0] == name || as_number.is_some() && number(fields, 2) == as_number);
    let uid = entry.as_deref().and_then(|fields| number(fields, 2)).or(as_number);
    let Some(uid) = uid else {
        return Err(Fault::invalid(format!("unable to find user {name}: no matching entries in passwd file")));
    };
    let mut identity = Identity {
        uid,
        gid: entry.as_deref().and_then(|fields| number(fields, 3)).unwrap_or(0),
        groups: user.additional_gids.clone(),
        home: home(entry.as_deref()),
    };
    match group_name {
        Some(group_name) => {
            let by_name = lines(group).find(|fields| fields[0] == group_name).and_then(|fields| number(&fields, 2));
            let gid = by_name.or_else(|| group_name.parse().ok());
            identity.gid = gid.ok_or_else(|| {
                Fault::invalid(format!("unable to find group {group_name}: no matching entries in group file"))
            })?;
        }
        None => {
            let own = entry.as_deref().map_or(name, |fields| fields[0]);
            let member = |fields: &Vec<&str>| fields.get(3).is_some_and(|members| members.split(',').any(|member| member == own));
            identity.groups.extend(lines(group).filter(member).filter_map(|fields| number(&fields, 2)));
        }
    }
    Ok(identity)
}

fn home(entry: Option<&[&str]>) -> String {
    let home = entry.and_then(|fields| fields.get(5)).filter(|home| !home.is_empty());
    home.map_or("/", |home| home).to_owned()
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).map(|line| line.split(':').collect())
}

fn number(fields: &[&str], at: usize) -> Option<u32> {
    fields.get(at)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# no\nann:x:1000:100::/home/ann:/bin/sh\nbad\n7:x:70:71::/h:/\n";
    const GROUP: &str = "root:x:0:\nusers:x:100:\nwheel:x:10:bob,ann\ndisk:x:6:ann\n";

    fn named(name: &str) -> Result<(u32, u32, Vec<u32>, String), String> {
        let user = ContainerUser { name: Some(name.into()), ..ContainerUser::default() };
        resolve(&user, PASSWD, GROUP)
            .map(|found| (found.uid, found.gid, found.groups, found.home))
            .map_err(|fault| fault.message)
    }

    #[test]
    fn users_are_found_as_docker_finds_them() {
        let all = [
            ("", (0, 0, vec![], "/root")),
            ("root", (0, 0, vec![], "/root")),
            ("ann", (1000, 100, vec![10, 6], "/home/ann")),
            ("1000", (1000, 100, vec![10, 6], "/home/ann")),
            ("ann:wheel", (1000, 10, vec![], "/home/ann")),
            ("ann:77", (1000, 77, vec![], "/home/ann")),
            ("1234", (1234, 0, vec![], "/")),
            ("1234:5678", (1234, 5678, vec![], "/")),
            ("7", (70, 71, vec![], "/h")),
        ];
        for (name, (uid, gid, groups, home)) in all {
            assert_eq!(named(name), Ok((uid, gid, groups, home.to_owned())), "{name}");
        }
        assert!(named("eve").unwrap_err().contains("unable to find user eve"));
        assert!(named("ann:eve").unwrap_err().contains("unable to find group eve"));
        assert!(named("-1").is_err() && named("4294967296").is_err());
    }
}
