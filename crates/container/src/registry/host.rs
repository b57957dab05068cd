//! Hosts and addresses: where a registry is, who stands in for it, and what may be asked in the clear.

use std::net::IpAddr;
use std::str::FromStr;

use ureq::http::Uri;

use crate::reference::DEFAULT_REGISTRY;

/// Where docker.io is.
const HUB: &str = "registry-1.docker.io";

/// Somebody who is asked before a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The registry that it has images of.
    pub of: String,
    /// Its own host, with its port if it has one.
    pub host: String,
}

impl FromStr for Mirror {
    type Err = String;

    /// `HOST`, for docker.io as Docker's own mirrors are, or `REGISTRY=HOST`.
    fn from_str(text: &str) -> Result<Mirror, String> {
        let (of, host) = text.split_once('=').unwrap_or((DEFAULT_REGISTRY, text));
        for host in [of, host] {
            if host.contains("://") {
                return Err(format!(
                    "`{host}`: a mirror is a host without a scheme; plain HTTP is for loopback or --insecure"
                ));
            }
            // A reference knows best what a host is.
            let reference = format!("{host}/a").parse::<crate::Reference>();
            let is_host = |reference: crate::Reference| {
                reference.registry == host && reference.repository == "a"
            };
            if !reference.is_ok_and(is_host) && host != DEFAULT_REGISTRY {
                return Err(format!(
                    "`{host}` is not a registry's host, such as mirror.example or localhost:5000"
                ));
            }
        }
        Ok(Mirror {
            of: of.into(),
            host: host.into(),
        })
    }
}

/// Host and port that are connected to for the registry of a reference.
pub(crate) fn address(registry: &str) -> &str {
    if registry == DEFAULT_REGISTRY {
        HUB
    } else {
        registry
    }
}

/// Whether nobody else can listen on the way to `host`.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether what is at `uri` is on this machine.
pub(crate) fn is_local(uri: &Uri) -> bool {
    uri.host().is_some_and(is_loopback)
}

/// Whether two addresses are of one server: credentials for one may go to the other.
pub(crate) fn is_same(a: &Uri, b: &Uri) -> bool {
    let port = |uri: &Uri| {
        uri.port_u16().or(match uri.scheme_str() {
            Some("http") => Some(80),
            Some("https") => Some(443),
            _ => None,
        })
    };
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    a.scheme_str() == b.scheme_str() && host(a) == host(b) && port(a) == port(b)
}

/// Where `location` leads, read at `base` (RFC 3986, 5.2, as far as servers use it).
pub(crate) fn join(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let text = if location.starts_with("http://") || location.starts_with("https://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else if location.starts_with('?') {
        format!("{scheme}://{authority}{}{location}", base.path())
    } else {
        let folder = base
            .path()
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        let (path, query) = location.split_at(location.find('?').unwrap_or(location.len()));
        format!(
            "{scheme}://{authority}{}{query}",
            without_dots(&format!("{folder}/{path}"))
        )
    };
    let uri: Uri = text.parse().ok()?;
    // Names and passwords in addresses are for nobody.
    let is_plain = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    (is_plain && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

/// A path without `.` and `..` (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let last = path.rsplit('/').next();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    if matches!(last, Some("." | "..")) {
        parts.push("");
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for host in [
            "localhost",
            "LocalHost",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "localhost.example",
            "128.0.0.1",
            "10.0.0.1",
            "127.0.0.1.example",
            "[::2]",
            "",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn locations_are_read_where_they_stand() {
        let base: Uri = "https://a.example:5000/v2/x/blobs/uploads/7?state=1"
            .parse()
            .unwrap();
        for (location, joined) in [
            ("https://b.example/c?d=e", Some("https://b.example/c?d=e")),
            ("//b.example/c", Some("https://b.example/c")),
            ("/v2/x", Some("https://a.example:5000/v2/x")),
            (
                "8?state=2",
                Some("https://a.example:5000/v2/x/blobs/uploads/8?state=2"),
            ),
            (
                "?state=2",
                Some("https://a.example:5000/v2/x/blobs/uploads/7?state=2"),
            ),
            (
                "./8?a=../b",
                Some("https://a.example:5000/v2/x/blobs/uploads/8?a=../b"),
            ),
            ("../8/", Some("https://a.example:5000/v2/x/blobs/8/")),
            ("../../../../../..", Some("https://a.example:5000/")),
            ("/c#d", Some("https://a.example:5000/c")),
            ("https://user:secret@b.example/", None),
            ("https://", None),
            ("http://b c/", None),
        ] {
            assert_eq!(
                join(&base, location),
                joined.map(|uri| uri.parse().unwrap()),
                "{location}"
            );
        }
    }

    #[test]
    fn a_server_is_scheme_host_and_port() {
        let uri = |text: &str| text.parse::<Uri>().unwrap();
        assert!(is_same(
            &uri("https://A.example/1"),
            &uri("https://a.example:443/2")
        ));
        for other in [
            "http://a.example:443/",
            "https://a.example:444/",
            "https://b.example/",
        ] {
            assert!(!is_same(&uri("https://a.example/"), &uri(other)), "{other}");
        }
    }

    #[test]
    fn a_mirror_is_of_docker_io_unless_said() {
        let mirror = |of: &str, host: &str| Mirror {
            of: of.into(),
            host: host.into(),
        };
        assert_eq!(
            "localhost:5000".parse(),
            Ok(mirror("docker.io", "localhost:5000"))
        );
        assert_eq!(
            "quay.io=m.example".parse(),
            Ok(mirror("quay.io", "m.example"))
        );
        for text in [
            "",
            "mirror",
            "https://m.example",
            "m.example/path",
            "quay.io=",
            "=m.example",
            "m.example:x",
        ] {
            assert!(text.parse::<Mirror>().is_err(), "{text}");
        }
    }
}
