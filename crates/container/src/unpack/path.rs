//! Paths of entries as names, and names that are whiteouts.

use crate::limits::Limits;

/// Longest name in a folder, bytes (NAME_MAX).
const LONGEST: usize = 255;

/// The names of a path. A leading `/` means the layer's own root, as everywhere; `..` means nothing good.
pub fn clean<'a>(path: &'a [u8], limits: &Limits) -> Result<Vec<&'a [u8]>, String> {
    let names: Vec<&[u8]> = path
        .split(|&byte| byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .collect();
    if names.contains(&&b".."[..]) {
        return Err("`..` would lead out of the layer".into());
    }
    if names.iter().any(|name| name.len() > LONGEST) {
        return Err(format!("a name is longer than {LONGEST} bytes"));
    }
    if names.len() > limits.depth {
        return Err(format!("it is deeper than {} folders", limits.depth));
    }
    Ok(names)
}

/// What a name that begins with `.wh.` means.
#[derive(Debug, PartialEq, Eq)]
pub enum Whiteout<'a> {
    /// The folder hides everything below it in the stack.
    Opaque,
    /// Hides this name.
    Of(&'a [u8]),
    /// AUFS' own bookkeeping.
    Ignored,
}

/// Reads a name. Errors are sentences.
pub fn whiteout(name: &[u8]) -> Result<Option<Whiteout<'_>>, String> {
    let Some(hidden) = name.strip_prefix(b".wh.") else {
        return Ok(None);
    };
    match hidden {
        b".wh..opq" => Ok(Some(Whiteout::Opaque)),
        b"" | b"." | b".." => Err("a whiteout has to name what it hides".into()),
        _ if hidden.starts_with(b".wh.") => Ok(Some(Whiteout::Ignored)),
        _ => Ok(Some(Whiteout::Of(hidden))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        let limits = Limits {
            depth: 3,
            ..Limits::default()
        };
        let join = |path: &str| {
            clean(path.as_bytes(), &limits)
                .map(|names| String::from_utf8(names.join(&b'/')).unwrap())
        };
        for (path, names) in [
            ("./a//b/", "a/b"),
            ("/etc/passwd", "etc/passwd"),
            ("/", ""),
            ("...", "..."),
            ("a/..b", "a/..b"),
        ] {
            assert_eq!(join(path).as_deref(), Ok(names));
        }
        for path in [
            "..",
            "../a",
            "a/../../b",
            "a/..",
            "/..",
            "a/b/c/d",
            &"n".repeat(256),
        ] {
            assert!(join(path).is_err(), "{path}");
        }
    }

    #[test]
    fn whiteouts_name_something() {
        assert_eq!(whiteout(b"wh.a"), Ok(None));
        assert_eq!(whiteout(b".wh.a"), Ok(Some(Whiteout::Of(b"a"))));
        assert_eq!(whiteout(b".wh..wh..opq"), Ok(Some(Whiteout::Opaque)));
        assert_eq!(whiteout(b".wh..wh.plnk"), Ok(Some(Whiteout::Ignored)));
        for name in [&b".wh."[..], b".wh..", b".wh..."] {
            assert!(whiteout(name).is_err());
        }
    }
}
