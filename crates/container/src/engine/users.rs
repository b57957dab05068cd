//! Whom a container's programs run as: `USER name[:group]` by the image's own `/etc/passwd` and `/etc/group`.

use super::error::{Error, Result};
use super::files::Stack;

/// Larger files are nobody's list of users.
const LIMIT: u64 = 16 << 20;

/// A user with groups and home, as the kernel and a shell know them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// More groups, sorted.
    pub groups: Vec<u32>,
    /// Home.
    pub home: String,
}

struct Line<'a>(Vec<&'a str>);

impl Line<'_> {
    fn number(&self, field: usize) -> Option<u32> {
        self.0.get(field)?.parse().ok()
    }

    fn text(&self, field: usize) -> &str {
        self.0.get(field).copied().unwrap_or_default()
    }
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| Line(line.split(':').collect()))
}

impl User {
    /// Who `user[:group]` is; nothing is root. Errors: [`Error::NoUser`] for a name that the files do not have.
    pub fn find(text: &str, files: &Stack) -> Result<User> {
        let read = |path| {
            files
                .read(path, LIMIT)
                .map(|content| String::from_utf8_lossy(&content.unwrap_or_default()).into_owned())
        };
        User::of(text, &read("/etc/passwd")?, &read("/etc/group")?)
    }

    /// The same by the content of the two files. A number that they do not have is that number.
    pub fn of(text: &str, passwd: &str, group: &str) -> Result<User> {
        let (wanted, wanted_group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
            None => (text, None),
        };
        let wanted = if wanted.is_empty() { "0" } else { wanted };
        let number: Option<u32> = wanted.parse().ok();
        // A name of digits is found before the number, as in Docker.
        let named = lines(passwd).find(|line| line.text(0) == wanted && line.number(2).is_some());
        let line = named
            .or_else(|| lines(passwd).find(|line| number.is_some() && line.number(2) == number));
        let mut user = match (&line, number) {
            (Some(line), _) => User {
                uid: line.number(2).unwrap_or(0),
                gid: line.number(3).unwrap_or(0),
                groups: Vec::new(),
                home: Some(line.text(5))
                    .filter(|home| home.starts_with('/'))
                    .unwrap_or("/")
                    .to_owned(),
            },
            (None, Some(uid)) if uid <= MOST => User {
                uid,
                gid: 0,
                groups: Vec::new(),
                home: "/".to_owned(),
            },
            _ => {
                return Err(Error::NoUser {
                    kind: "user",
                    name: wanted.to_owned(),
                    file: "/etc/passwd",
                });
            }
        };
        match wanted_group {
            Some(wanted) => user.gid = group_of(wanted, group)?,
            None => {
                let name = line.as_ref().map(|line| line.text(0));
                let member = |line: &Line| {
                    name.is_some_and(|name| {
                        line.text(3).split(',').any(|member| member.trim() == name)
                    })
                };
                user.groups = lines(group)
                    .filter(member)
                    .filter_map(|line| line.number(2))
                    .collect();
                user.groups.sort_unstable();
                user.groups.dedup();
            }
        }
        Ok(user)
    }
}

/// The highest id: the kernel keeps the last one for "none".
const MOST: u32 = i32::MAX as u32;

fn group_of(wanted: &str, group: &str) -> Result<u32> {
    let named = lines(group)
        .find(|line| line.text(0) == wanted)
        .and_then(|line| line.number(2));
    let number = || wanted.parse().ok().filter(|gid| *gid <= MOST);
    named.or_else(number).ok_or_else(|| Error::NoUser {
        kind: "group",
        name: wanted.to_owned(),
        file: "/etc/group",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# web\nweb:x:33:33::/var/www:/bin/sh\n7:x:70:71::/seven:\nodd:x\n";
    const GROUP: &str = "root:x:0:\nadm:x:4:web,other\nwww:x:33:\ndocker:x:998:web\n";

    #[test]
    fn users_by_name_and_number() {
        let cases: [(&str, u32, u32, &[u32], &str); 9] = [
            ("", 0, 0, &[], "/root"),
            ("root", 0, 0, &[], "/root"),
            ("web", 33, 33, &[4, 998], "/var/www"),
            ("33", 33, 33, &[4, 998], "/var/www"),
            ("web:adm", 33, 4, &[], "/var/www"),
            ("web:12", 33, 12, &[], "/var/www"),
            ("1000", 1000, 0, &[], "/"),
            ("1000:1000", 1000, 1000, &[], "/"),
            ("7", 70, 71, &[], "/seven"),
        ];
        for (text, uid, gid, groups, home) in cases {
            let expected = User {
                uid,
                gid,
                groups: groups.to_vec(),
                home: home.to_owned(),
            };
            assert_eq!(User::of(text, PASSWD, GROUP).unwrap(), expected, "{text}");
        }
        for text in ["nobody", "web:nogroup", "odd", "-1", "4294967295", "web:-1"] {
            assert!(
                matches!(User::of(text, PASSWD, GROUP), Err(Error::NoUser { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn an_image_without_users_has_root() {
        assert_eq!(
            User::of("", "", "").unwrap(),
            User {
                uid: 0,
                gid: 0,
                groups: Vec::new(),
                home: "/".into()
            }
        );
        assert!(User::of("root", "", "").is_err());
    }
}
