//! What images are: lists, details, history.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use container::engine::Moment;
use container::oci::chain_ids;
use container::{Digest, Image, Reference};
use serde_json::{Value, json};

use super::find;
use crate::error::{Failure, Result};
use crate::filters::Filters;
use crate::pattern::is_match;
use crate::query::Query;
use crate::state::{Api, Docker, blocking};

/// What Docker says for "never".
const NEVER: &str = "0001-01-01T00:00:00Z";
/// The same in seconds since 1970: clients know it as "no date", and 0 as 56 years ago.
const NEVER_SECONDS: i64 = -62_135_596_800;
pub(super) const FILTERS: [&str; 7] = ["reference", "dangling", "before", "since", "label", "label!", "until"];

/// Bytes that an image takes on disk.
pub fn size(docker: &Docker, image: &Image) -> u64 {
    docker.engine.store.unpacked_bytes(image)
}

pub(super) async fn list(State(api): State<Api>, query: Query) -> Result<Json<Value>> {
    blocking(&api, move |docker| {
        let mut filters = query.filters(&FILTERS)?;
        // Before there were filters, one of them was a parameter.
        if let Some(pattern) = query.get("filter") {
            filters = Filters::parse(&json!({"reference": [pattern]}).to_string(), &FILTERS)?;
        }
        let (manifests, shared) = (query.flag("manifests"), query.flag("shared-size"));
        let images = docker.engine.store.images()?;
        let wanted = Wanted::new(docker, &filters)?;
        let sizes = if shared { Some(shared_sizes(docker, &images)) } else { None };
        let records = docker.records()?;
        let mut all = Vec::new();
        for image in images.iter().filter(|image| wanted.fits(image)) {
            let names = wanted.names(image);
            if names.is_empty() && filters.has("reference") {
                continue;
            }
            let mut value = summary(docker, image, &names);
            if let Some(sizes) = &sizes {
                value["SharedSize"] = json!(sizes.get(&image.id).copied().unwrap_or(0));
            }
            if manifests {
                let by: Vec<&str> =
                    records.iter().filter(|record| record.image.id == image.id).map(|record| record.id.as_str()).collect();
                value["Manifests"] = json!([manifest(docker, image, &by)]);
            }
            all.push((created(image), value));
        }
        // The newest first, as Docker lists them; those of one moment keep their order.
        all.sort_by_key(|(created, _)| std::cmp::Reverse(*created));
        Ok(Json(all.into_iter().map(|(_, value)| value).collect()))
    })
    .await
}

/// Bytes of each image that others have too.
pub(crate) fn shared_sizes(docker: &Docker, images: &[Image]) -> BTreeMap<Digest, u64> {
    let mut users: BTreeMap<Digest, usize> = BTreeMap::new();
    for image in images {
        for chain in chain_ids(&image.config.rootfs.diff_ids) {
            *users.entry(chain).or_default() += 1;
        }
    }
    let shared = |image: &Image| {
        let chains = chain_ids(&image.config.rootfs.diff_ids).into_iter().filter(|chain| users[chain] > 1);
        chains.map(|chain| docker.engine.store.layer_bytes(&chain).unwrap_or(0)).sum()
    };
    images.iter().map(|image| (image.id, shared(image))).collect()
}

/// Bytes of all layers, each counted once.
pub(crate) fn all_layers(docker: &Docker, images: &[Image]) -> u64 {
    let chains: BTreeSet<Digest> = images.iter().flat_map(|image| chain_ids(&image.config.rootfs.diff_ids)).collect();
    chains.iter().map(|chain| docker.engine.store.layer_bytes(chain).unwrap_or(0)).sum()
}

fn created(image: &Image) -> i64 {
    image.config.created.as_deref().and_then(|text| Moment::parse_or_ago(text, Moment::now())).map_or(NEVER_SECONDS, |moment| moment.seconds)
}

/// Names and their digests. A name by digest is one of the latter only.
fn tags(names: &[Reference], image: &Image) -> (Vec<String>, Vec<String>) {
    let tags = names.iter().filter(|name| name.tag.is_some() && name.digest.is_none()).map(Reference::familiar);
    let digests: BTreeSet<String> =
        names.iter().map(|name| format!("{}@{}", name.familiar_repository(), name.digest.unwrap_or(image.manifest.digest))).collect();
    (tags.collect(), digests.into_iter().collect())
}

pub(crate) fn summary(docker: &Docker, image: &Image, names: &[Reference]) -> Value {
    let (tags, digests) = tags(names, image);
    json!({
        "Containers": -1,
        "Created": created(image),
        "Id": image.id,
        "Labels": labels(image),
        "ParentId": "",
        "RepoDigests": digests,
        "RepoTags": tags,
        "SharedSize": -1,
        "Size": size(docker, image),
        "VirtualSize": size(docker, image),
    })
}

fn labels(image: &Image) -> BTreeMap<String, String> {
    image.config.config.as_ref().and_then(|process| process.labels.clone()).unwrap_or_default()
}

/// For `image ls --tree`: the one manifest that is kept of an image.
fn manifest(docker: &Docker, image: &Image, containers: &[&str]) -> Value {
    let unpacked = size(docker, image);
    let platform = image.platform();
    let mut described = json!({"architecture": platform.architecture, "os": platform.os});
    if let Some(variant) = &platform.variant {
        described["variant"] = json!(variant);
    }
    json!({
        "ID": image.manifest.digest,
        "Descriptor": {"mediaType": image.manifest.media_type, "digest": image.manifest.digest, "size": image.manifest.size, "platform": described},
        "Available": true,
        "Size": {"Content": image.bytes(), "Total": image.bytes() + unpacked},
        "Kind": "image",
        "ImageData": {"Platform": described, "Containers": containers, "Size": {"Unpacked": unpacked}},
    })
}

/// Which images a list of filters wants.
pub(super) struct Wanted<'a> {
    filters: &'a Filters,
    dangling: Option<bool>,
    before: Option<i64>,
    since: Option<i64>,
    until: Option<i64>,
}

impl<'a> Wanted<'a> {
    pub fn new(docker: &Docker, filters: &'a Filters) -> Result<Wanted<'a>> {
        let moment = |name: &str| -> Result<Option<i64>> {
            filters.values(name).next().map(|image| find(docker, image).map(|image| created(&image))).transpose()
        };
        let until = |text: &str| {
            let moment = Moment::parse_or_ago(text, Moment::now()).ok_or_else(|| Failure::bad_request(format!("invalid filter 'until={text}'")));
            moment.map(|moment| moment.seconds)
        };
        Ok(Wanted {
            filters,
            dangling: filters.flag("dangling")?,
            before: moment("before")?,
            since: moment("since")?,
            until: filters.values("until").next().map(until).transpose()?,
        })
    }

    pub fn fits(&self, image: &Image) -> bool {
        self.dangling.is_none_or(|dangling| dangling == image.names.is_empty()) && self.fits_but_dangling(image)
    }

    /// The same whether it has a name or not.
    pub fn fits_but_dangling(&self, image: &Image) -> bool {
        let made = created(image);
        self.before.is_none_or(|before| made < before)
            && self.since.is_none_or(|since| made > since)
            && self.until.is_none_or(|until| made < until)
            && self.filters.labels(&labels(image))
    }

    /// The names that are shown.
    pub fn names(&self, image: &Image) -> Vec<Reference> {
        let shown = |name: &&Reference| {
            let (whole, repository) = (name.familiar(), name.familiar_repository());
            self.filters.allows("reference", |pattern| is_match(pattern, &whole) || is_match(pattern, &repository))
        };
        image.names.iter().filter(shown).cloned().collect()
    }
}

pub(super) fn inspect(docker: &Docker, name: &str) -> Result<Value> {
    let image = find(docker, name)?;
    let (tags, digests) = tags(&image.names, &image);
    let config = &image.config;
    let layers = docker.engine.store.root().join("layers");
    let upper = chain_ids(&config.rootfs.diff_ids).last().map(|chain| layers.join(chain.hex()).join("diff"));
    let mut value = json!({
        "Id": image.id,
        "RepoTags": tags,
        "RepoDigests": digests,
        "Parent": "",
        "Comment": config.history.iter().flatten().last().and_then(|step| step.comment.clone()).unwrap_or_default(),
        "Created": config.created.clone().unwrap_or_else(|| NEVER.into()),
        "DockerVersion": "",
        "Author": config.author.clone().unwrap_or_default(),
        "Config": config.config.clone().unwrap_or_default(),
        "Architecture": config.architecture,
        "Os": config.os,
        "Size": size(docker, &image),
        "VirtualSize": size(docker, &image),
        "GraphDriver": {"Name": "overlayfs", "Data": {"UpperDir": upper}},
        "RootFS": {"Type": "layers", "Layers": config.rootfs.diff_ids},
        "Metadata": {"LastTagTime": NEVER},
        "Descriptor": {"mediaType": image.manifest.media_type, "digest": image.manifest.digest, "size": image.manifest.size},
    });
    if let Some(variant) = &config.variant {
        value["Variant"] = json!(variant);
    }
    Ok(value)
}

pub(super) fn history(docker: &Docker, name: &str) -> Result<Value> {
    let image = find(docker, name)?;
    let mut layers = chain_ids(&image.config.rootfs.diff_ids).into_iter();
    let bytes = |chain: Option<Digest>| chain.and_then(|chain| docker.engine.store.layer_bytes(&chain)).unwrap_or(0);
    let mut steps: Vec<Value> = Vec::new();
    let entry = |created: Option<&str>, by: &str, comment: &str, size: u64| {
        let moment = created.and_then(|text| Moment::parse_or_ago(text, Moment::now())).map_or(NEVER_SECONDS, |moment| moment.seconds);
        json!({"Id": "<missing>", "Created": moment, "CreatedBy": by, "Tags": null, "Size": size, "Comment": comment})
    };
    for step in image.config.history.iter().flatten() {
        let layer = if step.empty_layer { None } else { layers.next() };
        let (by, comment) = (step.created_by.as_deref().unwrap_or(""), step.comment.as_deref().unwrap_or(""));
        steps.push(entry(step.created.as_deref(), by, comment, bytes(layer)));
    }
    // Layers that no step speaks of are there all the same.
    steps.extend(layers.map(|layer| entry(None, "", "", bytes(Some(layer)))));
    steps.reverse();
    if let Some(first) = steps.first_mut() {
        first["Id"] = json!(image.id);
        first["Tags"] = json!(image.names.iter().map(Reference::familiar).collect::<Vec<_>>());
    }
    Ok(Value::Array(steps))
}
