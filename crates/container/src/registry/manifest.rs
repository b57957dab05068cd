//! From a name to the manifest of one image: lists of manifests are gone through for the right machine.

use std::io::Read;

use serde::Deserialize;
use ureq::http::Method;
use ureq::http::header::CONTENT_TYPE;

use super::client::{Ask, Backoff, Client, Sent, Trouble};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::oci::{self, Descriptor, Index, Manifest, Platform};
use crate::reference::Reference;
use crate::store::parse;

/// Lists may name lists, but not for long.
const DEPTH: usize = 4;

/// The image behind a name.
pub(crate) struct Found {
    /// What the name stands for: of the manifest, or of the list that it is in.
    pub digest: Digest,
    pub descriptor: Descriptor,
    pub bytes: Vec<u8>,
    pub manifest: Manifest,
    /// Who has it.
    pub source: String,
}

/// What tells manifests and lists apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    schema_version: Option<u32>,
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    layers: Option<serde::de::IgnoredAny>,
}

/// Asks for what a name stands for. `platform` is chosen from a list; none is this machine's.
pub(crate) fn find(
    client: &Client,
    reference: &Reference,
    platform: Option<&Platform>,
    limits: &Limits,
) -> Result<Found> {
    let own = Platform::host();
    let wanted = platform.unwrap_or(&own);
    let name = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.clone().unwrap_or_else(|| "latest".into()),
    };
    let what = format!("image {}", reference.familiar());
    let (mut bytes, mut media_type) = document(client, &name, &what, limits.document)?;
    let digest = Digest::of(&bytes);
    if let Some(promised) = &reference.digest {
        digest.expect(promised, &what)?;
    }
    let mut current = digest;
    for _ in 0..DEPTH {
        if oci::is_manifest(&media_type) {
            let manifest: Manifest = parse(&bytes, &format!("manifest {current}"))?;
            let descriptor = Descriptor {
                media_type,
                digest: current,
                size: bytes.len() as u64,
                platform: None,
                urls: Vec::new(),
                annotations: Default::default(),
            };
            return Ok(Found {
                digest,
                descriptor,
                bytes,
                manifest,
                source: client.registry.clone(),
            });
        }
        let index: Index = parse(&bytes, &format!("list {current}"))?;
        let chosen = choose(&index, wanted, &what)?;
        if chosen.size > limits.document {
            return Err(Error::Limit {
                what: format!("manifest {}", chosen.digest),
                limit: crate::limits::size(limits.document),
            });
        }
        let (next, kind) = document(client, &chosen.digest.to_string(), &what, limits.document)?;
        Digest::of(&next).expect(&chosen.digest, &format!("manifest {}", chosen.digest))?;
        if next.len() as u64 != chosen.size {
            let why = format!(
                "it has {} bytes, and {} were promised",
                next.len(),
                chosen.size
            );
            return Err(Error::malformed(format!("manifest {}", chosen.digest), why));
        }
        (bytes, media_type, current) = (next, kind, chosen.digest);
    }
    Err(Error::malformed(what, "lists name lists without end"))
}

/// The best one for a machine.
fn choose<'a>(index: &'a Index, wanted: &Platform, what: &str) -> Result<&'a Descriptor> {
    let known =
        |one: &&Descriptor| oci::is_manifest(&one.media_type) || oci::is_index(&one.media_type);
    let images = index.manifests.iter().filter(known);
    let images: Vec<&Descriptor> = images
        .filter(|one| {
            one.platform
                .as_ref()
                .is_none_or(|platform| platform.os != "unknown")
        })
        .collect();
    let rank = |one: &&&Descriptor| {
        one.platform
            .as_ref()
            .map_or(Some(u32::MAX), |platform| rank(wanted, platform))
    };
    if let Some(best) = images
        .iter()
        .filter(|one| rank(one).is_some())
        .min_by_key(rank)
    {
        return Ok(best);
    }
    let mut others: Vec<String> = images
        .iter()
        .filter_map(|one| one.platform.as_ref())
        .map(Platform::to_string)
        .collect();
    others.sort();
    others.dedup();
    let others = if others.is_empty() {
        "nothing".into()
    } else {
        others.join(", ")
    };
    Err(Error::malformed(
        what,
        format!("there is none for {wanted}, only for {others}"),
    ))
}

/// How well what is made for `other` fits; nothing if it does not. Of ARM, older variants run on newer machines.
fn rank(wanted: &Platform, other: &Platform) -> Option<u32> {
    if wanted.os != other.os || wanted.architecture != other.architecture {
        return None;
    }
    let number = |variant: &Option<String>| {
        variant
            .as_ref()
            .and_then(|variant| variant.strip_prefix('v')?.parse::<u32>().ok())
    };
    match (&wanted.variant, &other.variant) {
        (wanted, other) if wanted == other => Some(0),
        (_, None) => Some(1),
        // Which machine exactly was not said: the least that is asked of it.
        (None, Some(_)) => Some(2 + number(&other.variant).unwrap_or(100)),
        (Some(_), Some(_)) if wanted.architecture == "arm" => {
            let lower = number(&wanted.variant)?.checked_sub(number(&other.variant)?)?;
            Some(2 + lower)
        }
        _ => None,
    }
}

/// A manifest or a list of them, and which of the two by its media type.
fn document(client: &Client, name: &str, what: &str, limit: u64) -> Result<(Vec<u8>, String)> {
    let accept = [
        oci::MANIFEST,
        oci::DOCKER_MANIFEST,
        oci::INDEX,
        oci::DOCKER_INDEX,
    ]
    .join(", ");
    let ask = Ask {
        method: Method::GET,
        uri: client.uri(&format!("manifests/{name}"))?,
        headers: vec![("accept", accept)],
        body: Sent::None,
        what: what.to_owned(),
        accepted: &[],
    };
    let mut backoff = Backoff::new(client.tries, &client.job.settings.patience);
    loop {
        match read(client, &ask, limit) {
            Ok((bytes, told)) => {
                let kind = kind(&bytes, &told, what)?;
                return Ok((bytes, kind));
            }
            Err(trouble) => backoff.after(client.job, trouble)?,
        }
    }
}

fn read(client: &Client, ask: &Ask, limit: u64) -> Result<(Vec<u8>, String), Trouble> {
    let response = client.once(ask)?;
    let told = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let told = told
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let mut bytes = Vec::new();
    let body = response
        .into_body()
        .into_with_config()
        .limit(u64::MAX)
        .reader();
    body.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| client.cut(error, &ask.what))?;
    if bytes.len() as u64 > limit {
        return Err(Error::Limit {
            what: ask.what.clone(),
            limit: crate::limits::size(limit),
        }
        .into());
    }
    Ok((bytes, told))
}

/// What a document is. One that could be read in two ways is not read at all.
fn kind(bytes: &[u8], told: &str, what: &str) -> Result<String> {
    let kind: Kind = parse(bytes, what)?;
    if kind.manifests.is_some() && kind.layers.is_some() {
        return Err(Error::malformed(
            what,
            "it is a manifest and a list of manifests at once",
        ));
    }
    if kind.schema_version == Some(1) {
        return Err(Error::malformed(
            what,
            "its manifest is of schema 1, which has been out of use since 2017; push it again",
        ));
    }
    let guessed = if kind.manifests.is_some() {
        oci::INDEX
    } else {
        oci::MANIFEST
    };
    let known = |name: &&str| oci::is_manifest(name) || oci::is_index(name);
    let own = kind.media_type.as_deref();
    let name = own.or(Some(told).filter(known)).unwrap_or(guessed);
    if oci::is_index(name) != kind.manifests.is_some()
        || oci::is_manifest(name) != kind.layers.is_some()
    {
        return Err(Error::malformed(
            what,
            format!(
                "`{}` is not what it is, or no kind of image",
                name.escape_debug()
            ),
        ));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let parts: Vec<&str> = text.split('/').collect();
        Platform {
            os: parts[0].into(),
            architecture: parts[1].into(),
            variant: parts.get(2).map(|variant| (*variant).into()),
            os_version: None,
        }
    }

    fn chosen(wanted: &str, there: &[&str]) -> Option<usize> {
        let one = |(at, text): (usize, &&str)| Descriptor {
            media_type: oci::MANIFEST.into(),
            digest: Digest::of(&[at as u8]),
            size: 1,
            platform: Some(platform(text)),
            urls: Vec::new(),
            annotations: Default::default(),
        };
        let manifests = there.iter().enumerate().map(one).collect();
        let index = Index {
            schema_version: 2,
            media_type: None,
            manifests,
        };
        let chosen = choose(&index, &platform(wanted), "it").ok()?;
        index.manifests.iter().position(|one| one == chosen)
    }

    #[test]
    fn the_nearest_machine_is_chosen() {
        for (wanted, there, best) in [
            (
                "linux/amd64",
                &["linux/arm64/v8", "linux/amd64"][..],
                Some(1),
            ),
            ("linux/amd64", &["linux/amd64/v3", "linux/amd64"], Some(1)),
            (
                "linux/amd64",
                &["linux/amd64/v3", "linux/amd64/v2"],
                Some(1),
            ),
            ("linux/arm64/v8", &["linux/arm64"], Some(0)),
            ("linux/arm64", &["linux/arm/v7", "linux/arm64/v8"], Some(1)),
            (
                "linux/arm/v7",
                &["linux/arm/v5", "linux/arm/v6", "linux/arm64/v8"],
                Some(1),
            ),
            ("linux/arm/v6", &["linux/arm/v7"], None),
            ("linux/arm64/v8", &["linux/arm64/v9"], None),
            ("linux/amd64", &["windows/amd64", "unknown/unknown"], None),
            ("linux/amd64", &[], None),
        ] {
            assert_eq!(chosen(wanted, there), best, "{wanted} of {there:?}");
        }
    }

    #[test]
    fn a_document_that_could_be_two_things_is_none() {
        let (manifest, index) = (
            br#"{"schemaVersion":2,"layers":[]}"#,
            br#"{"schemaVersion":2,"manifests":[]}"#,
        );
        assert_eq!(kind(manifest, "", "it").unwrap(), oci::MANIFEST);
        assert_eq!(kind(index, "text/plain", "it").unwrap(), oci::INDEX);
        assert_eq!(
            kind(manifest, oci::DOCKER_MANIFEST, "it").unwrap(),
            oci::DOCKER_MANIFEST
        );
        for (bytes, told) in [
            (&br#"{"layers":[],"manifests":[]}"#[..], ""),
            (manifest, oci::INDEX),
            (index, oci::MANIFEST),
            (br#"{"schemaVersion":1,"fsLayers":[]}"#, ""),
            (
                br#"{"mediaType":"application/vnd.oci.image.index.v1+json","layers":[]}"#,
                oci::MANIFEST,
            ),
            (br#"{"mediaType":"text/html","layers":[]}"#, ""),
            (b"<html>", "text/html"),
            (b"{}", ""),
        ] {
            assert!(
                kind(bytes, told, "it").is_err(),
                "{told}: {}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
}
