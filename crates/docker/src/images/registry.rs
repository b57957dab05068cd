//! Images from registries and to them, and whether a login is good.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::DecodePaddingMode;
use container::oci::Platform;
use container::reference::DEFAULT_REGISTRY;
use container::registry::{self, Credentials, Event, Login, Mirror, Settings};
use container::{Digest, Error, Reference};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{named, tell};
use crate::error::{Failure, Result};
use crate::progress::{self, Progress};
use crate::query::Query;
use crate::state::{Api, Docker, blocking};

/// Who one is, as clients send it.
const AUTHORIZATION: &str = "x-registry-auth";
/// The same for several registries, by their names.
const AUTHORIZATIONS: &str = "x-registry-config";
/// Between two looks of a person at a number.
const PACE: Duration = Duration::from_millis(100);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    username: String,
    password: String,
    auth: String,
    serveraddress: String,
    identitytoken: String,
    registrytoken: String,
}

impl Auth {
    fn parse(text: &str) -> Result<Auth> {
        secret(text).ok_or_else(|| Failure::bad_request("invalid X-Registry-Auth header"))
    }

    fn login(self) -> Result<Option<Login>> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Login::Refresh(self.identitytoken)));
        }
        if !self.registrytoken.is_empty() {
            return Err(Failure::bad_request("a registry token is not taken: log in with a name and a password"));
        }
        if !self.username.is_empty() || !self.password.is_empty() {
            return Ok(Some(Login::Password(self.username, self.password)));
        }
        if self.auth.is_empty() {
            return Ok(None);
        }
        let wrong = || Failure::bad_request("invalid X-Registry-Auth header");
        let bytes = base64::engine::general_purpose::STANDARD.decode(self.auth.trim()).map_err(|_| wrong())?;
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        let (name, password) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Some(Login::Password(name.into(), password.trim_end_matches('\0').into())))
    }
}

/// Reads a header that holds JSON in base64; an empty one says nothing. Clients write it in both alphabets, with padding and without.
/// It is a secret: of one that cannot be read nothing is repeated.
fn secret<T: DeserializeOwned + Default>(text: &str) -> Option<T> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text.trim().replace('+', "-").replace('/', "_");
    if text.is_empty() {
        return Some(T::default());
    }
    let bytes = GeneralPurpose::new(&URL_SAFE, lenient).decode(text).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Mirrors that the daemon was started with.
fn mirrors() -> Vec<Mirror> {
    let mirrors = std::env::var("VPCLAB_REGISTRY_MIRRORS").unwrap_or_default();
    mirrors.split(',').filter_map(|mirror| mirror.trim().parse().ok()).collect()
}

/// What to ask registries with during a build: every login that the client has, for a Dockerfile may begin with images of several.
pub(crate) fn build_settings(headers: &HeaderMap, platform: Option<Platform>) -> Result<Settings> {
    let text = headers.get(AUTHORIZATIONS).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let all: BTreeMap<String, Auth> = secret(text).ok_or_else(|| Failure::bad_request("invalid X-Registry-Config header"))?;
    let mut credentials = Credentials::default();
    for (registry, auth) in all {
        // One that cannot be used is of no harm to a build that does not need it.
        if let Ok(Some(login)) = auth.login() {
            credentials.add(&registry, login);
        }
    }
    Ok(Settings { platform, mirrors: mirrors(), credentials, ..Settings::default() })
}

/// What to ask registries with: the client's login for this one.
fn settings(headers: &HeaderMap, registry: &str, platform: Option<&str>) -> Result<Settings> {
    let mut credentials = Credentials::default();
    if let Some(header) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok())
        && let Some(login) = Auth::parse(header)?.login()?
    {
        credentials.add(registry, login);
    }
    Ok(Settings { platform: platform.map(self::platform).transpose()?, mirrors: mirrors(), credentials, ..Settings::default() })
}

/// `linux/arm64/v8`, or as JSON, which newer clients write.
pub(crate) fn platform(text: &str) -> Result<Platform> {
    if let Ok(read) = serde_json::from_str::<Platform>(text) {
        return Ok(read);
    }
    Platform::parse(text).map_err(Failure::bad_request)
}

/// What Docker says when a registry does not give or take an image.
fn refused(name: &Reference, error: Error) -> Failure {
    let Error::Registry(fault) = &error else { return error.into() };
    let repository = name.familiar_repository();
    match fault {
        registry::Failure::Missing { why, .. } => {
            Failure::not_found(format!("manifest for {} not found: manifest unknown: {}", name.familiar(), or(why, "manifest unknown")))
        }
        registry::Failure::Unauthorized { why, .. } | registry::Failure::Denied { why, .. } => Failure::not_found(format!(
            "pull access denied for {repository}, repository does not exist or may require 'docker login': denied: {}",
            or(why, "requested access to the resource is denied")
        )),
        _ => error.into(),
    }
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// Turns what happens into the lines from which a client draws its bars.
struct Watch<'a> {
    progress: &'a Progress,
    /// `Downloading` or `Pushing`.
    doing: &'static str,
    blobs: Mutex<BTreeMap<Digest, Blob>>,
    /// What blobs are called, where that is not their own digest.
    names: BTreeMap<Digest, String>,
    first: Mutex<Option<Value>>,
}

struct Blob {
    size: u64,
    passed: u64,
    said: Instant,
}

impl<'a> Watch<'a> {
    fn new(progress: &'a Progress, doing: &'static str, names: BTreeMap<Digest, String>, first: Option<Value>) -> Watch<'a> {
        Watch { progress, doing, blobs: Mutex::default(), names, first: Mutex::new(first) }
    }

    fn id(&self, digest: &Digest) -> String {
        self.names.get(digest).cloned().unwrap_or_else(|| digest.hex().chars().take(12).collect())
    }

    fn say(&self, digest: &Digest, status: &str) {
        self.begin();
        self.progress.say(&json!({"status": status, "progressDetail": {}, "id": self.id(digest)}));
    }

    /// The line above all others, once.
    fn begin(&self) {
        if let Some(first) = self.first.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.progress.say(&first);
        }
    }

    /// Every layer that was brought is unpacked by now.
    fn end_layers(&self, status: &str) {
        let blobs: Vec<Digest> = self.blobs.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        for digest in blobs {
            self.say(&digest, status);
        }
    }
}

impl registry::Progress for Watch<'_> {
    fn event(&self, event: Event) {
        let pulling = self.doing == "Downloading";
        // A configuration comes before it is known which layers there are: it is nobody's line.
        let has_begun = self.first.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if !has_begun && matches!(event, Event::Bytes { .. } | Event::Blob { state: registry::State::Done, .. }) {
            return;
        }
        match event {
            Event::Begins { .. } => self.begin(),
            Event::Bytes { digest, count } => {
                let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
                let is_new = !blobs.contains_key(digest);
                // What is read from a file and not announced yet: its size comes with its end.
                let now = Instant::now();
                let blob = blobs.entry(*digest).or_insert(Blob { size: 0, passed: 0, said: now });
                blob.passed += count;
                if !is_new && now.duration_since(blob.said) < PACE {
                    return;
                }
                blob.said = now;
                let detail = match blob.size {
                    0 => json!({"current": blob.passed}),
                    size => json!({"current": blob.passed.min(size), "total": size}),
                };
                drop(blobs);
                self.begin();
                self.progress.say(&json!({"status": self.doing, "progressDetail": detail, "id": self.id(digest)}));
            }
            Event::Blob { digest, size, state } => match state {
                registry::State::There => self.say(digest, if pulling { "Already exists" } else { "Layer already exists" }),
                registry::State::Missing => {
                    let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
                    blobs.insert(*digest, Blob { size, passed: 0, said: Instant::now() });
                    drop(blobs);
                    self.say(digest, "Pulling fs layer");
                }
                registry::State::Waits => self.say(digest, "Waiting"),
                registry::State::Resumes(from) => {
                    let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
                    blobs.insert(*digest, Blob { size, passed: from, said: Instant::now() });
                }
                registry::State::Done => {
                    let mut blobs = self.blobs.lock().unwrap_or_else(PoisonError::into_inner);
                    let blob = blobs.entry(*digest).or_insert(Blob { size, passed: size, said: Instant::now() });
                    (blob.size, blob.passed) = (size, size);
                    drop(blobs);
                    let detail = json!({"current": size, "total": size});
                    self.progress.say(&json!({"status": self.doing, "progressDetail": detail, "id": self.id(digest)}));
                    self.say(digest, if pulling { "Download complete" } else { "Pushed" });
                }
            },
            Event::Again { why, wait } => {
                self.begin();
                self.progress.say(&json!({"status": format!("{why}: retrying in {} seconds", wait.as_secs().max(1))}));
            }
            Event::Elsewhere { why, next } => {
                self.progress.say(&json!({"status": format!("{why}: {next} is asked")}));
            }
        }
    }

    fn is_cancelled(&self) -> bool {
        self.progress.is_closed()
    }
}

pub(super) async fn pull(api: &Api, query: &Query, headers: &HeaderMap) -> Result<Response> {
    let from = query.get("fromImage").ok_or_else(|| Failure::bad_request("fromImage or fromSrc is needed"))?;
    let name = named(from, query.get("tag"))?;
    let settings = settings(headers, &name.registry, query.get("platform"))?;
    progress::lines(api, move |docker, progress| {
        let shown = name.digest.map_or_else(|| name.tag.clone().unwrap_or_default(), |digest| digest.to_string());
        let repository = if name.registry == DEFAULT_REGISTRY { name.repository.clone() } else { name.familiar_repository() };
        let first = json!({"status": format!("Pulling from {}", repository.strip_prefix(&format!("{}/", name.registry)).unwrap_or(&repository)), "id": shown});
        let watch = Watch::new(progress, "Downloading", BTreeMap::new(), Some(first));
        let pulled = registry::pull(&docker.engine.store, &name, &settings, &watch).map_err(|error| refused(&name, error))?;
        watch.begin();
        watch.end_layers("Pull complete");
        progress.say(&json!({"status": format!("Digest: {}", pulled.digest)}));
        tell(docker, "pull", pulled.name.familiar(), &pulled.name.familiar_repository());
        let status = match pulled.is_new {
            true => format!("Status: Downloaded newer image for {}", pulled.name.familiar()),
            false => format!("Status: Image is up to date for {}", pulled.name.familiar()),
        };
        progress.say(&json!({"status": status}));
        Ok(())
    })
    .await
}

pub(super) async fn push(api: &Api, name: String, query: &Query, headers: &HeaderMap) -> Result<Response> {
    let tag = query.get("tag").map(str::to_owned);
    let wanted = named(&name, tag.as_deref())?;
    let settings = settings(headers, &wanted.registry, query.get("platform"))?;
    let all_tags = tag.is_none() && name.parse::<Reference>().is_ok_and(|_| !last_part(&name).contains(':'));
    progress::lines(api, move |docker, progress| {
        progress.say(&json!({"status": format!("The push refers to repository [{}]", repository(&wanted))}));
        let images = docker.engine.store.images()?;
        let is_meant = |one: &&Reference| {
            one.registry == wanted.registry && one.repository == wanted.repository && one.digest.is_none() && (all_tags || **one == wanted)
        };
        let names: Vec<Reference> = images.iter().flat_map(|image| &image.names).filter(is_meant).cloned().collect();
        if names.is_empty() {
            let shown = if all_tags { wanted.familiar_repository() } else { wanted.familiar() };
            return Err(Failure::not_found(format!("An image does not exist locally with the tag: {shown}")));
        }
        for name in names {
            push_one(docker, progress, &name, &settings)?;
        }
        Ok(())
    })
    .await
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn repository(name: &Reference) -> String {
    format!("{}/{}", name.registry, name.repository)
}

fn push_one(docker: &Docker, progress: &Progress, name: &Reference, settings: &Settings) -> Result<()> {
    let store = &docker.engine.store;
    let image = store.find(&name.to_string())?;
    // As Docker calls layers here: by what they unpack to.
    let short = |digest: &Digest| -> String { digest.hex().chars().take(12).collect() };
    let names: BTreeMap<Digest, String> =
        image.layers.iter().zip(&image.config.rootfs.diff_ids).map(|(layer, diff_id)| (layer.digest, short(diff_id))).collect();
    for layer in &image.layers {
        progress.say(&json!({"status": "Preparing", "progressDetail": {}, "id": names[&layer.digest]}));
    }
    let watch = Layers { inner: Watch::new(progress, "Pushing", names, None), sizes: image.layers.iter().map(|layer| (layer.digest, layer.size)).collect() };
    let pushed = registry::push(store, name, settings, &watch).map_err(|error| match &error {
        Error::Registry(registry::Failure::Unauthorized { .. } | registry::Failure::Denied { .. }) => {
            Failure::new(StatusCode::FORBIDDEN, format!("denied: requested access to the resource is denied ({error})"))
        }
        _ => error.into(),
    })?;
    let (tag, size) = (name.tag.clone().unwrap_or_default(), pushed.image.manifest.size);
    tell(docker, "push", name.familiar(), &name.familiar_repository());
    progress.say(&json!({"status": format!("{tag}: digest: {} size: {size}", pushed.digest)}));
    progress.say(&json!({"progressDetail": {}, "aux": {"Tag": tag, "Digest": pushed.digest, "Size": size}}));
    Ok(())
}

/// What is said of layers only: a configuration is nobody's line.
struct Layers<'a> {
    inner: Watch<'a>,
    sizes: BTreeMap<Digest, u64>,
}

impl registry::Progress for Layers<'_> {
    fn event(&self, event: Event) {
        match event {
            Event::Bytes { digest, .. } | Event::Blob { digest, .. } if !self.sizes.contains_key(digest) => {}
            Event::Bytes { digest, count } => {
                let size = self.sizes[digest];
                let mut blobs = self.inner.blobs.lock().unwrap_or_else(PoisonError::into_inner);
                blobs.entry(*digest).or_insert(Blob { size, passed: 0, said: Instant::now() });
                drop(blobs);
                self.inner.event(Event::Bytes { digest, count });
            }
            other => self.inner.event(other),
        }
    }

    fn is_cancelled(&self) -> bool {
        self.inner.is_cancelled()
    }
}

pub(super) async fn login(State(api): State<Api>, body: axum::body::Bytes) -> Result<Response> {
    let auth: Auth = serde_json::from_slice(&body).map_err(|_| Failure::bad_request("invalid JSON: a login is wanted"))?;
    let address = auth.serveraddress.clone();
    let host = address.split_once("://").map_or(address.as_str(), |(_, rest)| rest).split('/').next().unwrap_or("").to_owned();
    let host = match host.as_str() {
        "" | "index.docker.io" | "registry-1.docker.io" => DEFAULT_REGISTRY.to_owned(),
        _ => host,
    };
    let mut settings = Settings::default();
    if let Some(login) = auth.login()? {
        settings.credentials.add(&host, login);
    }
    blocking(&api, move |_| {
        registry::check_login(&host, &settings).map_err(|error| match error {
            Error::Registry(registry::Failure::Unauthorized { why, .. } | registry::Failure::Denied { why, .. }) => Failure::new(
                StatusCode::UNAUTHORIZED,
                format!("login attempt to {host} failed: unauthorized: {}", or(&why, "incorrect username or password")),
            ),
            other => other.into(),
        })
    })
    .await?;
    Ok(Json(json!({"Status": "Login Succeeded", "IdentityToken": ""})).into_response())
}

pub(super) async fn search() -> Failure {
    Failure::failed("registries of the OCI distribution specification have no search: write the image's whole name")
}

pub(super) async fn distribution(State(api): State<Api>, Path(rest): Path<String>, headers: HeaderMap) -> Result<Json<Value>> {
    let name = rest.strip_suffix("/json").ok_or_else(|| Failure::not_found("page not found"))?;
    let name = named(name, None)?;
    let settings = settings(&headers, &name.registry, None)?;
    blocking(&api, move |docker| {
        let known = registry::known(&name, &settings, &docker.engine.store.limits).map_err(|error| refused(&name, error))?;
        let platform = known.manifest.platform.clone().unwrap_or_else(Platform::host);
        Ok(Json(json!({
            "Descriptor": {"mediaType": known.manifest.media_type, "digest": known.digest, "size": known.manifest.size},
            "Platforms": [{"architecture": platform.architecture, "os": platform.os}],
        })))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_read_in_all_ways_that_clients_write_them() {
        use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
        let json = r#"{"username":"me","password":"s?>cret","serveraddress":"localhost:5000"}"#;
        let password = Some(Login::Password("me".into(), "s?>cret".into()));
        for text in [STANDARD.encode(json), URL_SAFE_NO_PAD.encode(json), base64::engine::general_purpose::URL_SAFE.encode(json)] {
            assert_eq!(Auth::parse(&text).unwrap().login().unwrap(), password);
        }
        let token = STANDARD.encode(r#"{"identitytoken":"t"}"#);
        assert_eq!(Auth::parse(&token).unwrap().login().unwrap(), Some(Login::Refresh("t".into())));
        assert_eq!(Auth::parse("").unwrap().login().unwrap(), None);
        assert_eq!(Auth::parse(&STANDARD.encode("{}")).unwrap().login().unwrap(), None);
        let failure = Auth::parse(&STANDARD.encode("s3cret")).unwrap_err();
        assert!(failure.status == 400 && !failure.message.contains("s3cret"), "{failure:?}");
    }

    #[test]
    fn platforms_are_words_or_json() {
        assert_eq!(platform("linux/arm64/v8").unwrap().to_string(), "linux/arm64/v8");
        assert_eq!(platform(r#"{"os":"linux","architecture":"amd64"}"#).unwrap().to_string(), "linux/amd64");
        assert!(platform("a/b/c/d").is_err());
    }
}
