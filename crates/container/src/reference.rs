//! Image references: `nginx` is `docker.io/library/nginx:latest`. The grammar is that of the distribution project's
//! `reference` package, the short form's meaning that of the docker CLI.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;
use crate::error::Error;

/// Longest name (host and path), characters.
const LONGEST_NAME: usize = 255;
/// Longest tag, characters.
const LONGEST_TAG: usize = 128;
/// The registry of references that name none.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// Where an image is and which one it is; always with a tag, a digest or both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Host, with its port if it has one.
    pub registry: String,
    /// Path of the repository there.
    pub repository: String,
    /// `latest` where neither tag nor digest was written.
    pub tag: Option<String>,
    /// Digest of the manifest or of the list of manifests.
    pub digest: Option<Digest>,
}

impl Reference {
    /// As short as people write it: `nginx:latest`, `quay.io/a/b:1`.
    pub fn familiar(&self) -> String {
        let full = self.to_string();
        let short = full
            .strip_prefix("docker.io/library/")
            .or_else(|| full.strip_prefix("docker.io/"));
        short.map_or_else(|| full.clone(), str::to_owned)
    }

    /// The same without tag and digest, short: `nginx`.
    pub fn familiar_repository(&self) -> String {
        Reference {
            tag: None,
            digest: None,
            ..self.clone()
        }
        .familiar()
    }

    /// Reads one. Errors are sentences: which rule is broken, and by what.
    fn read(text: &str) -> Result<Reference, String> {
        if text.is_empty() {
            return Err("it is empty".into());
        }
        if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(format!("{odd:?} cannot be in a reference"));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(format!(
                "a reference has no scheme; leave `{scheme}://` out"
            ));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (
                name,
                Some(digest.parse::<Digest>().map_err(|why| why.to_string())?),
            ),
            None => (text, None),
        };
        // A colon after the last slash is a tag's; one before it is a port's.
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let bracketed = name[last..].rfind(']').map_or(last, |end| last + end);
        let (name, tag) = match name[bracketed..].find(':') {
            Some(colon) => (
                &name[..bracketed + colon],
                Some(&name[bracketed + colon + 1..]),
            ),
            None => (name, None),
        };
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        if name.is_empty() {
            return Err("the name is missing".into());
        }
        if digest.is_none()
            && tag.is_none()
            && name.len() == 64
            && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err("64 hexadecimal digits are an image id, not a name".into());
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (first, rest),
            _ => (DEFAULT_REGISTRY, name),
        };
        check_registry(registry)?;
        if path.is_empty() {
            return Err(format!("there is no name after `{registry}/`"));
        }
        for component in path.split('/') {
            check_component(component)?;
        }
        let registry = if registry == "index.docker.io" {
            DEFAULT_REGISTRY
        } else {
            registry
        };
        let official = registry == DEFAULT_REGISTRY && !path.contains('/');
        let repository = if official {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        if registry.len() + 1 + repository.len() > LONGEST_NAME {
            return Err(format!("the name is longer than {LONGEST_NAME} characters"));
        }
        let tag = match (tag, &digest) {
            (Some(tag), _) => Some(tag.to_owned()),
            (None, None) => Some("latest".to_owned()),
            (None, Some(_)) => None,
        };
        Ok(Reference {
            registry: registry.to_owned(),
            repository,
            tag,
            digest,
        })
    }
}

/// The first part is a host if it cannot be a path: a dot, a port, upper case, or `localhost`.
fn is_registry(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':', '['])
        || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn check_registry(registry: &str) -> Result<(), String> {
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest
                .split_once(']')
                .ok_or_else(|| format!("`{registry}`: `]` is missing"))?;
            address
                .parse::<std::net::Ipv6Addr>()
                .map_err(|_| format!("`{address}` is not an IPv6 address"))?;
            let port = match rest.strip_prefix(':') {
                Some(port) => Some(port),
                None if rest.is_empty() => None,
                None => return Err(format!("`{rest}` after `]` is not a port")),
            };
            (None, port)
        }
        None => match registry.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(registry), None),
        },
    };
    for label in host.iter().flat_map(|host| host.split('.')) {
        let legal = !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !legal {
            return Err(format!("`{registry}` is not a host name"));
        }
    }
    match port {
        Some(port)
            if port.is_empty()
                || !port.bytes().all(|b| b.is_ascii_digit())
                || port.parse::<u16>().is_err() =>
        {
            Err(format!("`{port}` is not a port"))
        }
        _ => Ok(()),
    }
}

/// Groups of lower-case letters and digits, with one of `.`, `_`, `__` or any number of `-` between two.
fn check_component(component: &str) -> Result<(), String> {
    if component.is_empty() {
        return Err("a part of the name is empty".into());
    }
    if component.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(format!("`{component}`: names are in lower case"));
    }
    if let Some(odd) = component
        .chars()
        .find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-')))
    {
        return Err(format!("`{odd}` cannot be in a name"));
    }
    let is_separator = |c: char| matches!(c, '.' | '_' | '-');
    if component.starts_with(is_separator) || component.ends_with(is_separator) {
        return Err(format!("`{component}` begins or ends with a separator"));
    }
    let separators = component
        .split(|c: char| !is_separator(c))
        .filter(|run| !run.is_empty());
    for run in separators {
        if !(matches!(run, "." | "_" | "__") || run.bytes().all(|b| b == b'-')) {
            return Err(format!("`{run}` in `{component}` is not one separator"));
        }
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), String> {
    if tag.is_empty() {
        return Err("the tag after `:` is empty".into());
    }
    if tag.len() > LONGEST_TAG {
        return Err(format!("the tag is longer than {LONGEST_TAG} characters"));
    }
    if tag.starts_with(['.', '-']) {
        return Err(format!("the tag `{tag}` begins with `{}`", &tag[..1]));
    }
    match tag
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))
    {
        Some(odd) => Err(format!("`{odd}` cannot be in a tag")),
        None => Ok(()),
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Reference, Error> {
        Reference::read(text).map_err(|why| Error::Reference {
            text: text.to_owned(),
            why,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn short_references_mean_what_docker_says() {
        let digest = format!("a@{DIGEST}");
        let both = format!("localhost:5000/a:1@{DIGEST}");
        for (text, full, familiar) in [
            ("nginx", "docker.io/library/nginx:latest", "nginx:latest"),
            (
                "nginx:1.27-alpine",
                "docker.io/library/nginx:1.27-alpine",
                "nginx:1.27-alpine",
            ),
            ("me/app", "docker.io/me/app:latest", "me/app:latest"),
            (
                "index.docker.io/nginx",
                "docker.io/library/nginx:latest",
                "nginx:latest",
            ),
            (
                "quay.io/a/b/c:V_1",
                "quay.io/a/b/c:V_1",
                "quay.io/a/b/c:V_1",
            ),
            ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
            (
                "localhost:5000/a",
                "localhost:5000/a:latest",
                "localhost:5000/a:latest",
            ),
            ("[::1]:5000/a:2", "[::1]:5000/a:2", "[::1]:5000/a:2"),
            ("Host/a", "Host/a:latest", "Host/a:latest"),
            ("a:5000", "docker.io/library/a:5000", "a:5000"),
            (
                "a__b.c---d",
                "docker.io/library/a__b.c---d:latest",
                "a__b.c---d:latest",
            ),
            (&digest, &format!("docker.io/library/a@{DIGEST}"), &digest),
            (&both, &both, &both),
        ] {
            let reference: Reference = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(
                (
                    reference.to_string().as_str(),
                    reference.familiar().as_str()
                ),
                (full, familiar),
                "{text}"
            );
            assert_eq!(full.parse::<Reference>().unwrap(), reference, "{text}");
        }
    }

    #[test]
    fn every_illegal_form_is_refused_with_its_reason() {
        let long_tag = format!("a:{}", "t".repeat(129));
        let long_name = format!("a.example/{}", "n".repeat(246));
        for (text, why) in [
            ("", "it is empty"),
            ("a b", "' ' cannot be in a reference"),
            ("a\nb", "'\\n' cannot be in a reference"),
            ("ngínx", "'í' cannot be in a reference"),
            (
                "https://quay.io/a",
                "a reference has no scheme; leave `https://` out",
            ),
            (":1", "the name is missing"),
            ("@sha256:1", "a sha256 digest has 64 digits of 0-9 and a-f"),
            (
                DIGEST.strip_prefix("sha256:").unwrap(),
                "64 hexadecimal digits are an image id, not a name",
            ),
            ("a:", "the tag after `:` is empty"),
            ("a:.1", "the tag `.1` begins with `.`"),
            ("a:-1", "the tag `-1` begins with `-`"),
            ("a:1:2", "`:` cannot be in a tag"),
            (&long_tag, "the tag is longer than 128 characters"),
            (&long_name, "the name is longer than 255 characters"),
            ("Nginx", "`Nginx`: names are in lower case"),
            ("me/App", "`App`: names are in lower case"),
            ("a//b", "a part of the name is empty"),
            ("/a", "a part of the name is empty"),
            ("a/", "a part of the name is empty"),
            ("quay.io/", "there is no name after `quay.io/`"),
            ("../a", "`..` is not a host name"),
            ("a/../b", "`..` begins or ends with a separator"),
            ("-a", "`-a` begins or ends with a separator"),
            ("a_", "`a_` begins or ends with a separator"),
            ("a..b", "`..` in `a..b` is not one separator"),
            ("a___b", "`___` in `a___b` is not one separator"),
            ("a.-b", "`.-` in `a.-b` is not one separator"),
            ("a+b", "`+` cannot be in a name"),
            ("-h.example/a", "`-h.example` is not a host name"),
            ("h..example/a", "`h..example` is not a host name"),
            ("h_x.example/a", "`h_x.example` is not a host name"),
            ("h:/a", "`` is not a port"),
            ("h:65536/a", "`65536` is not a port"),
            ("h:+1/a", "`+1` is not a port"),
            ("[::1/a", "`[::1`: `]` is missing"),
            ("[::g]:1/a", "`::g` is not an IPv6 address"),
            ("[::1]x/a", "`x` after `]` is not a port"),
            ("a@sha512:00", "only sha256 digests are supported"),
            ("a@b", "a digest is sha256: and 64 hexadecimal digits"),
        ] {
            assert_eq!(Reference::read(text), Err(why.to_owned()), "{text:?}");
        }
    }
}
