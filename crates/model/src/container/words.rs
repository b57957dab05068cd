//! Which words name containers, places in them and images: Docker's own rules, as sentences.

/// Why a word is no name of a container, volume or network, as a sentence; `None` when it is one. Docker's own rule.
pub fn name_problem(name: &str) -> Option<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts || !name.chars().all(fine) {
        return Some(format!("`{name}` is not a name: letters, digits, `_`, `.` and `-`, the first a letter or digit"));
    }
    (!(2..=63).contains(&name.len())).then(|| format!("`{name}` is not a name: it has 2 to 63 characters"))
}

/// Why a path is no place in a container, as a sentence; `None` when it is one.
pub fn target_problem(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return Some(format!("`{path}` is not absolute"));
    }
    if path.contains(['\0', ':', '\n']) {
        return Some(format!("`{}` holds a character that no target may have", path.escape_debug()));
    }
    if path.split('/').any(|part| matches!(part, "." | "..")) {
        return Some(format!("`{path}` has `.` or `..` in it"));
    }
    path.trim_matches('/').is_empty().then(|| "the whole root cannot be mounted over".to_owned())
}

/// Why a text is no image reference, as a sentence; `None` when it is one.
pub fn reference_problem(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("the name of the image is missing".to_owned());
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Some(format!("an image reference has no scheme: leave `{scheme}://` out"));
    }
    if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return Some(format!("{odd:?} cannot be in an image reference"));
    }
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let is_digest = |digest: &str| {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
    };
    if let Some(digest) = digest.filter(|digest| !is_digest(digest)) {
        return Some(format!("`{digest}` is not a digest: `sha256:` and 64 hexadecimal digits in lower case"));
    }
    // A colon after the last slash is a tag's; one before it is a port's.
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let (path, tag) = match name[last..].split_once(':') {
        Some((own, tag)) => (&name[..last + own.len()], Some(tag)),
        None => (name, None),
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(tag) = tag {
        let fine = tag.starts_with(word) && tag.len() <= 128 && tag.chars().all(|c| word(c) || matches!(c, '.' | '-'));
        if !fine {
            return Some(format!("`{tag}` is not a tag"));
        }
    }
    let (host, path) = match path.split_once('/') {
        Some((first, rest)) if first == "localhost" || first.contains(['.', ':']) => (Some(first), rest),
        _ => (None, path),
    };
    let is_host = |host: &str| host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'));
    if let Some(host) = host.filter(|host| !is_host(host)) {
        return Some(format!("`{host}` is not a registry"));
    }
    for part in path.split('/') {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if part.chars().any(|c| c.is_ascii_uppercase()) {
            return Some(format!("`{part}`: names of images are in lower case"));
        }
        if !(part.starts_with(plain) && part.ends_with(plain) && part.chars().all(|c| plain(c) || matches!(c, '.' | '_' | '-'))) {
            return Some(format!("`{part}` is not part of an image's name"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_docker_reads_them() {
        let digest = format!("nginx@sha256:{}", "0a".repeat(32));
        for good in ["nginx", "nginx:1.27", "localhost:5000/a/b:x", "quay.io/a/b_c.d-e", "library/nginx", &digest] {
            assert_eq!(reference_problem(good), None, "{good}");
        }
        for bad in ["", "Nginx", "https://quay.io/a", "nginx:", "nginx:-a", "a//b", "a/b c", "nginx@sha256:12", "-a", "a/"] {
            assert!(reference_problem(bad).is_some(), "{bad}");
        }
    }
}
