//! `SOURCE:/TARGET[:OPTION[,OPTION…]]`: a volume, a path of this machine or memory at a place in a container;
//! `/TARGET` alone is a volume of the container's own.

use std::ops::Range;

use model::container::{MountSource, name_problem, target_problem};

use super::SentenceError;
use super::quantity::parse_size;
use crate::code::Code;
use crate::diagnostic::nearest;

/// A mount as it is written: the path of a bind mount counts from the lab file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What.
    pub source: MountSource,
    /// Where the word for it stands.
    pub source_range: Range<usize>,
    /// Where in the container.
    pub target: String,
    /// Where that stands.
    pub target_range: Range<usize>,
    /// Whether nobody may write there.
    pub read_only: bool,
}

const FORM: &str = "`NAME:/path` for a volume, `./folder:/path:ro` for a folder beside the lab file, `tmpfs:/path`";

/// Reads a mount.
pub fn parse_mount(text: &str) -> Result<Mount, SentenceError> {
    let bad = |range: Range<usize>, message: String| SentenceError::new(Code::BadMount, range, message);
    let mut pieces = Vec::new();
    let mut start = 0;
    for piece in text.split(':') {
        pieces.push((start..start + piece.len(), piece));
        start += piece.len() + 1;
    }
    let (source, target, options) = match pieces.as_slice() {
        [target] if target.1.starts_with('/') => (None, target, None),
        [only] => {
            let problem = bad(only.0.clone(), format!("`{}` is mounted nowhere: a path in the container is missing", only.1));
            return Err(problem.label("where to?").hint(FORM));
        }
        // `/data:ro` is a volume of its own too.
        [target, options] if target.1.starts_with('/') && !options.1.starts_with('/') && is_options(options.1) => {
            (None, target, Some(options))
        }
        [source, target] => (Some(source), target, None),
        [source, target, options] => (Some(source), target, Some(options)),
        [.., last] => return Err(bad(last.0.clone(), "a mount has three parts at most".to_owned()).label("one too many").hint(FORM)),
        [] => return Err(bad(0..0, "a mount is missing".to_owned()).hint(FORM)),
    };
    if let Some(why) = target_problem(target.1) {
        let hint = match target.1.starts_with('/') {
            true => FORM.to_owned(),
            false => format!("a path in the container begins with `/`: {FORM}"),
        };
        return Err(bad(target.0.clone(), why).label("not a path in the container").hint(hint));
    }
    let source_range = source.map_or(target.0.clone(), |(range, _)| range.clone());
    let mut mount = Mount {
        source: source.map_or(Ok(MountSource::Anonymous), |(range, word)| source_of(word, range.clone()))?,
        source_range,
        target: target.1.to_owned(),
        target_range: target.0.clone(),
        read_only: false,
    };
    if let Some((range, words)) = options {
        let mut start = range.start;
        for word in words.split(',') {
            option(&mut mount, word, start..start + word.len())?;
            start += word.len() + 1;
        }
    }
    Ok(mount)
}

const OPTIONS: [&str; 5] = ["ro", "rw", "nocopy", "size=", "mode="];

fn is_options(words: &str) -> bool {
    words.split(',').all(|word| OPTIONS.iter().any(|known| word.starts_with(known)))
}

fn source_of(word: &str, range: Range<usize>) -> Result<MountSource, SentenceError> {
    let bad = |message: String| SentenceError::new(Code::BadMount, range.clone(), message);
    let is_path = |word: &str| matches!(word, "." | "..") || word.starts_with(['/']) || word.starts_with("./") || word.starts_with("../");
    match word {
        "tmpfs" => Ok(MountSource::Tmpfs { bytes: None, mode: None }),
        _ if is_path(word) => Ok(MountSource::Bind { path: word.to_owned() }),
        _ if word.starts_with('~') || word.contains('$') => Err(bad(format!("`{word}`: a lab file knows no home and no variables"))
            .label("means nothing here")
            .hint("a path from the lab file (`./data:/data`), or an absolute one")),
        _ if word.contains('/') => {
            Err(bad(format!("`{word}` is neither a volume nor a path")).label("which?").hint(format!("a path begins with `./` or `/`: write `./{word}`")))
        }
        _ => match name_problem(word) {
            Some(why) => Err(bad(why).label("not a name").hint(FORM)),
            None => Ok(MountSource::Volume { name: word.to_owned(), copy: true }),
        },
    }
}

fn option(mount: &mut Mount, word: &str, range: Range<usize>) -> Result<(), SentenceError> {
    let bad = |message: String| SentenceError::new(Code::BadMount, range.clone(), message);
    match (word, &mut mount.source) {
        ("ro", _) => mount.read_only = true,
        ("rw", _) => mount.read_only = false,
        ("nocopy", MountSource::Volume { copy, .. }) => *copy = false,
        (_, MountSource::Tmpfs { bytes, mode }) if word.starts_with("size=") || word.starts_with("mode=") => {
            let (start, value) = (range.start + 5, &word[5..]);
            match &word[..5] {
                "size=" => *bytes = Some(parse_size(value).map_err(|error| SentenceError { code: Code::BadMount, ..error.shifted(start) })?),
                _ => match u32::from_str_radix(value, 8).ok().filter(|mode| *mode <= 0o7777) {
                    Some(bits) => *mode = Some(bits),
                    None => return Err(bad(format!("`{value}` are not permissions")).label("octal digits").hint("such as `mode=1777`")),
                },
            }
        }
        ("nocopy", _) => return Err(bad("only a volume is filled with what the image has".to_owned()).label("not here").hint("leave it out")),
        ("z" | "Z" | "cached" | "delegated" | "consistent", _) => {
            return Err(bad(format!("`{word}` has no meaning on this machine")).label("not needed").hint("leave it out"));
        }
        _ if word.starts_with("size=") || word.starts_with("mode=") => {
            return Err(bad(format!("`{word}` is an option of `tmpfs` alone")).label("not here").hint("such as `tmpfs:/run:size=64m`"));
        }
        _ => {
            let near = nearest(word, OPTIONS).map(|near| format!("did you mean `{near}`?"));
            let hint = near.unwrap_or_else(|| "known: ro, rw, nocopy, and for tmpfs size=64m, mode=1777".to_owned());
            return Err(bad(format!("`{word}` is not an option of a mount")).label("unknown").hint(hint));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::container::MountSpec;

    #[test]
    fn every_form_is_read_and_what_is_printed_is_read_again() {
        for (text, shown) in [
            ("db-data:/var/lib/mysql", "db-data:/var/lib/mysql"),
            ("db-data:/var/lib/mysql:ro", "db-data:/var/lib/mysql:ro"),
            ("db-data:/a:nocopy,ro", "db-data:/a:nocopy,ro"),
            ("./site:/usr/share/nginx/html:ro", "./site:/usr/share/nginx/html:ro"),
            ("/etc/hosts:/hosts", "/etc/hosts:/hosts"),
            ("tmpfs:/run", "tmpfs:/run"),
            ("tmpfs:/run:size=64k,mode=755", "tmpfs:/run:size=65536b,mode=755"),
            ("/data", "/data"),
            ("/data:ro", "/data:ro"),
        ] {
            let read = |text: &str| {
                let Mount { source, target, read_only, .. } = parse_mount(text).unwrap_or_else(|e| panic!("{text}: {e}"));
                MountSpec { target, source, read_only }
            };
            assert_eq!(read(text).to_string(), shown, "{text}");
            assert_eq!(read(shown), read(text), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        for (text, piece) in [
            ("db-data", "db-data"),
            ("db-data:var/lib", "var/lib"),
            ("db-data:/a:rx", "rx"),
            ("db-data:/a:size=1m", "size=1m"),
            ("tmpfs:/a:size=many", "many"),
            ("tmpfs:/a:mode=9", "mode=9"),
            ("~/site:/a", "~/site"),
            ("site/html:/a", "site/html"),
            ("db data:/a", "db data"),
            ("a1:/b:ro:x", "x"),
            ("a1:/", "/"),
            ("a1:/b/../c", "/b/../c"),
        ] {
            let error = parse_mount(text).expect_err(text);
            assert_eq!(&text[error.range.clone()], piece, "{text}: {error}");
            assert!(error.hint.is_some(), "{text}");
        }
    }
}
