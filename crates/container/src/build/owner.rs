//! `--chown` and `--chmod`.

use super::error::Result;
use super::tree::Tree;

/// Largest `/etc/passwd`, bytes.
const LARGEST: u64 = 1 << 20;

/// The numbers of `USER[:GROUP]`, names looked up in the image. Errors are sentences.
pub fn owner(text: &str, image: &Tree) -> Result<Result<(u32, u32), String>> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let in_file = |file: &str, name: &str| -> Result<Option<u32>> {
        let bytes = image.read(file, LARGEST)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let of = |line: &str| {
            let mut fields = line.split(':');
            (fields.next() == Some(name))
                .then(|| fields.nth(1)?.parse().ok())
                .flatten()
        };
        Ok(text.lines().find_map(of))
    };
    let number = |text: &str| text.parse::<u32>().ok();
    let uid = match number(user) {
        Some(uid) => Some(uid),
        None if user.is_empty() => None,
        None => in_file("/etc/passwd", user)?,
    };
    let Some(uid) = uid else {
        return Ok(Err(format!("the image has no user `{user}`")));
    };
    // Without a group it is the one that is called, or numbered, as the user.
    let gid = match group {
        Some(group) => match number(group) {
            Some(gid) => Some(gid),
            None => in_file("/etc/group", group)?,
        },
        None => Some(match number(user) {
            Some(uid) => uid,
            None => in_file("/etc/group", user)?.unwrap_or(uid),
        }),
    };
    Ok(match gid {
        Some(gid) => Ok((uid, gid)),
        None => Err(format!(
            "the image has no group `{}`",
            group.unwrap_or_default()
        )),
    })
}

/// Permissions as octal digits.
pub fn mode(text: &str) -> Result<u32, String> {
    let is_octal =
        !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| is_octal && *mode <= 0o7777);
    mode.ok_or_else(|| format!("`{text}` is no mode in octal digits, such as 755 or 0644"))
}
