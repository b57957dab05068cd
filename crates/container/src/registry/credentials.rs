//! Credentials as `docker login` keeps them: `auths` of `config.json`. Helpers are programs, and none is started.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::blob::read_bounded;
use crate::error::{Error, Result};
use crate::reference::DEFAULT_REGISTRY;

/// Bytes that a `config.json` may have.
const LONGEST: u64 = 4 << 20;

/// Everything that the user can prove, by registry.
#[derive(Clone, Default)]
pub struct Credentials {
    logins: BTreeMap<String, Login>,
    helpers: BTreeMap<String, String>,
    helper: Option<String>,
}

/// How one proves who one is.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// A name and a password.
    Password(String, String),
    /// A token that tokens are asked with (OAuth 2, RFC 6749, 6).
    Refresh(String),
}

// Secrets stay out of logs and panics.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("Login")
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_set().entries(self.logins.keys()).finish()
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl Credentials {
    /// Reads a `config.json`; none is no mistake.
    pub fn read(path: &Path) -> Result<Credentials> {
        let file = match std::fs::File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Credentials::default());
            }
            file => file.map_err(Error::io(format!("opening {}", path.display())))?,
        };
        let what = path.display().to_string();
        Credentials::parse(&read_bounded(file, &what, LONGEST)?, &what)
    }

    /// The same from its bytes; `what` is named in errors.
    pub fn parse(bytes: &[u8], what: &str) -> Result<Credentials> {
        // serde's own words could show a secret.
        let file: File = serde_json::from_slice(bytes).map_err(|error| {
            let at = format!("line {}, column {}", error.line(), error.column());
            Error::malformed(what, format!("it is not a configuration of docker: {at}"))
        })?;
        let mut logins = BTreeMap::new();
        for (name, entry) in file.auths {
            if let Some(login) = entry
                .login()
                .map_err(|why| Error::malformed(what, format!("auths of {name}: {why}")))?
            {
                logins.insert(host_of(&name), login);
            }
        }
        let helpers = file
            .cred_helpers
            .into_iter()
            .map(|(name, helper)| (host_of(&name), helper));
        Ok(Credentials {
            logins,
            helpers: helpers.collect(),
            helper: file.creds_store.filter(|helper| !helper.is_empty()),
        })
    }

    /// One more, or another one.
    pub fn add(&mut self, registry: &str, login: Login) {
        self.logins.insert(host_of(registry), login);
    }

    /// What there is for a registry.
    pub(crate) fn of(&self, registry: &str) -> Option<&Login> {
        self.logins.get(&host_of(registry))
    }

    /// The program that would know, where it is not written down.
    pub(crate) fn helper_of(&self, registry: &str) -> Option<String> {
        let host = host_of(registry);
        if self.logins.contains_key(&host) {
            return None;
        }
        let helper = self.helpers.get(&host).or(self.helper.as_ref())?;
        Some(format!("docker-credential-{helper}"))
    }
}

impl Entry {
    fn login(self) -> Result<Option<Login>, &'static str> {
        if let Some(token) = self.identitytoken.filter(|token| !token.is_empty()) {
            return Ok(Some(Login::Refresh(token)));
        }
        // Of a helper there is an entry with nothing in it.
        let Some(auth) = self.auth.filter(|auth| !auth.is_empty()) else {
            return Ok(match (self.username, self.password) {
                (Some(name), Some(password)) => Some(Login::Password(name, password)),
                _ => None,
            });
        };
        let bytes = STANDARD
            .decode(auth.trim())
            .map_err(|_| "`auth` is not base64")?;
        let text = String::from_utf8(bytes).map_err(|_| "`auth` is not text")?;
        let (name, password) = text
            .split_once(':')
            .ok_or("`auth` is not a name and a password")?;
        let password = password.trim_end_matches('\0');
        Ok(Some(Login::Password(name.into(), password.into())))
    }
}

/// Keys are hosts, or addresses as in the times of the first registry.
fn host_of(name: &str) -> String {
    let name = name.split_once("://").map_or(name, |(_, rest)| rest);
    let host = name.split('/').next().unwrap_or(name).to_ascii_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" => DEFAULT_REGISTRY.into(),
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_entry_is_read() {
        let text = r#"{
            "auths": {
                "https://index.docker.io/v1/": {"auth": "bWU6c2U6Y3JldA=="},
                "http://Localhost:5000": {"username": "me", "password": "x"},
                "quay.io": {"identitytoken": "t"},
                "helped.example": {},
                "ghcr.io": {"auth": ""}
            },
            "credHelpers": {"gcr.io": "gcloud"}, "credsStore": "desktop", "other": 1
        }"#;
        let credentials = Credentials::parse(text.as_bytes(), "it").unwrap();
        let password =
            |name: &str, password: &str| Some(Login::Password(name.into(), password.into()));
        assert_eq!(
            credentials.of("docker.io").cloned(),
            password("me", "se:cret")
        );
        assert_eq!(
            credentials.of("localhost:5000").cloned(),
            password("me", "x")
        );
        assert_eq!(
            credentials.of("quay.io").cloned(),
            Some(Login::Refresh("t".into()))
        );
        assert!(
            credentials.of("localhost").is_none() && credentials.of("helped.example").is_none()
        );
        assert_eq!(credentials.helper_of("docker.io"), None);
        assert_eq!(
            credentials.helper_of("gcr.io").as_deref(),
            Some("docker-credential-gcloud")
        );
        assert_eq!(
            credentials.helper_of("ghcr.io").as_deref(),
            Some("docker-credential-desktop")
        );
        assert!(!format!("{credentials:?}{:?}", password("me", "secret")).contains("secret"));
    }

    #[test]
    fn a_broken_configuration_is_refused_without_its_secrets() {
        for text in [
            r#"{"auths": {"a": {"auth": "s3cret!"}}}"#,
            r#"{"auths": {"a": {"auth": "czNjcmV0"}}}"#,
            r#"{"auths": {"a": {"password": 53}}, "x": "s3cret"}"#,
            r#"{"auths": "s3cret"}"#,
            "s3cret",
        ] {
            let error = Credentials::parse(text.as_bytes(), "it")
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("it: ") && !error.contains("s3cret"),
                "{error}"
            );
        }
    }
}
