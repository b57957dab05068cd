//! The canonical request: the one text for all the ways in which a request can be written (SIG-1).

use crate::form;
use crate::http::Request;
use crate::sigv4::key::hash;

/// The canonical request for a list of signed headers, in lower case.
pub fn request(request: &Request, signed_headers: &[String]) -> String {
    let headers: String = signed_headers.iter().map(|name| header(request, name)).collect();
    [
        request.method.as_str(),
        &path(&request.path),
        &query(&request.query),
        &headers,
        &signed_headers.join(";"),
        &hash(&request.body),
    ]
    .join("\n")
}

/// `name:value` and a line feed: values trimmed, spaces inside them one at a time, several headers with commas.
fn header(request: &Request, name: &str) -> String {
    let values = request.values(name).map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "));
    format!("{name}:{}\n", values.collect::<Vec<_>>().join(","))
}

/// The path without empty and dotted segments, its bytes encoded once more than they are.
fn path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let mut canonical = String::from("/");
    for (index, segment) in segments.iter().enumerate() {
        if index > 0 {
            canonical.push('/');
        }
        form::encode(segment, &mut canonical);
    }
    if path.ends_with('/') && !segments.is_empty() {
        canonical.push('/');
    }
    canonical
}

/// The query without its signature, sorted by name and value, encoded in the one way of RFC 3986.
fn query(query: &str) -> String {
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    let mut pairs: Vec<(String, String)> = pieces
        .map(|piece| piece.split_once('=').unwrap_or((piece, "")))
        .map(|(name, value)| (encoded_once(name), encoded_once(value)))
        .filter(|(name, _)| name != "X-Amz-Signature")
        .collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// A piece of a query: percent signs that are right stay, the rest is encoded.
fn encoded_once(piece: &str) -> String {
    let mut decoded = Vec::with_capacity(piece.len());
    let mut rest = piece.as_bytes();
    while let [first, after @ ..] = rest {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    let mut encoded = String::with_capacity(piece.len());
    form::encode_bytes(&decoded, &mut encoded);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_have_one_way_to_be_written() {
        for (given, canonical) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/./", "/"),
            ("/a/../b/", "/b/"),
            ("/a//b", "/a/b"),
            ("/a%20b", "/a%2520b"),
            ("/한", "/%ED%95%9C"),
            ("/../..", "/"),
        ] {
            assert_eq!(path(given), canonical, "{given}");
        }
        for (given, canonical) in [
            ("", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a=b&a=a&a", "a=&a=a&a=b"),
            ("a=%7e%2f&X-Amz-Signature=0", "a=~%2F"),
            ("a=%zz%4", "a=%25zz%254"),
            ("a=b=c", "a=b%3Dc"),
        ] {
            assert_eq!(query(given), canonical, "{given}");
        }
    }

    #[test]
    fn values_of_headers_are_trimmed_and_joined() {
        let headers = [("X-A", " one  two "), ("x-b", "b"), ("X-a", "three")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(header(&Request { headers, ..Request::default() }, "x-a"), "x-a:one two,three\n");
    }
}
