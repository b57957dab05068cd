//! The path as clients write it: `/v1.N` in front or not, and names with slashes in the middle. Routes see neither.

use axum::http::uri::{PathAndQuery, Uri};

use crate::error::{Failure, Result};

/// The newest version that is spoken, and the oldest.
pub const NEWEST: (u32, u32) = (1, 50);
/// See [`NEWEST`].
pub const OLDEST: (u32, u32) = (1, 24);

/// The version that a request asked for; [`NEWEST`] where it said nothing. An extension of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

/// What may follow the name of an image, which may have slashes; the same for the others below.
const IMAGE_VERBS: [&str; 5] = ["json", "history", "push", "tag", "get"];
/// After INSTANCE/NAME of a container.
const CONTAINER_VERBS: [&str; 22] = [
    "json", "top", "logs", "changes", "export", "stats", "resize", "start", "stop", "restart", "kill", "update", "rename", "pause",
    "unpause", "attach", "wait", "archive", "exec", "copy", "checkpoints", "ws",
];
const NETWORK_VERBS: [&str; 2] = ["connect", "disconnect"];
const DISTRIBUTION_VERBS: [&str; 1] = ["json"];

/// The path as routes know it, and the version. Errors: 400 for versions that are not spoken.
pub fn read(uri: &Uri) -> Result<(Uri, Version)> {
    let path = uri.path();
    let (version, rest) = match versioned(path) {
        Some((version, rest)) => (version, rest),
        None => (Version(NEWEST.0, NEWEST.1), path),
    };
    if version < Version(OLDEST.0, OLDEST.1) {
        return Err(Failure::bad_request(format!(
            "client version {}.{} is too old. Minimum supported API version is {}.{}, please upgrade your client to a newer version",
            version.0, version.1, OLDEST.0, OLDEST.1
        )));
    }
    if version > Version(NEWEST.0, NEWEST.1) {
        return Err(Failure::bad_request(format!(
            "client version {}.{} is too new. Maximum supported API version is {}.{}",
            version.0, version.1, NEWEST.0, NEWEST.1
        )));
    }
    let path = one_segment(rest);
    let all = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let all: PathAndQuery = all.parse().map_err(|_| Failure::bad_request("the path cannot be read"))?;
    Ok((Uri::from(all), version))
}

/// `/v1.43/…`; none where the path begins otherwise.
fn versioned(path: &str) -> Option<(Version, &str)> {
    let rest = path.strip_prefix("/v")?;
    let end = rest.find('/')?;
    let (major, minor) = rest[..end].split_once('.')?;
    let number = |text: &str| (text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten();
    Some((Version(number(major)?, number(minor)?), &rest[end..]))
}

/// Makes one segment of a name with slashes: `/images/a/b/json` is `/images/a%2Fb/json` to routes.
fn one_segment(path: &str) -> String {
    let folded = |group: &str, verbs: &[&str]| -> Option<String> {
        let rest = path.strip_prefix(group)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (name, verb) = match rest.rsplit_once('/') {
            Some((name, "ws")) => (name.strip_suffix("/attach")?, Some("attach/ws")),
            Some((name, verb)) if verbs.contains(&verb) => (name, Some(verb)),
            _ => (rest, None),
        };
        let name = name.replace('/', "%2F");
        Some(match verb {
            Some(verb) => format!("{group}{name}/{verb}"),
            None => format!("{group}{name}"),
        })
    };
    folded("/images/", &IMAGE_VERBS)
        .or_else(|| folded("/containers/", &CONTAINER_VERBS))
        .or_else(|| folded("/networks/", &NETWORK_VERBS))
        .or_else(|| folded("/distribution/", &DISTRIBUTION_VERBS))
        .unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<String> {
        read(&text.parse().unwrap()).map(|(uri, _)| uri.to_string())
    }

    #[test]
    fn versions_are_optional_and_bounded() {
        assert_eq!(path("/v1.43/containers/json?all=1").unwrap(), "/containers/json?all=1");
        assert_eq!(path("/version").unwrap(), "/version");
        assert_eq!(read(&"/v1.24/info".parse().unwrap()).unwrap().1, Version(1, 24));
        for (text, words) in [("/v1.23/info", "too old"), ("/v1.51/info", "too new"), ("/v2.0/info", "too new"), ("/v0.9/info", "too old")] {
            let failure = path(text).unwrap_err();
            assert!(failure.status.as_u16() == 400 && failure.message.contains(words), "{failure:?}");
        }
    }

    #[test]
    fn names_with_slashes_become_one_segment() {
        for (text, expected) in [
            ("/images/localhost:5000/a/b:1/json", "/images/localhost:5000%2Fa%2Fb:1/json"),
            ("/v1.50/images/a/b", "/images/a%2Fb"),
            ("/images/json", "/images/json"),
            ("/images/busybox/history", "/images/busybox/history"),
            ("/containers/web-1/web/start", "/containers/web-1%2Fweb/start"),
            ("/containers/web/json", "/containers/web/json"),
            ("/containers/json", "/containers/json"),
            ("/containers/web/attach/ws", "/containers/web/attach/ws"),
            ("/networks/web-1/back/connect", "/networks/web-1%2Fback/connect"),
        ] {
            assert_eq!(path(text).unwrap(), expected, "{text}");
        }
    }
}
