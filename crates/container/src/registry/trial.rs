//! What a registry says when nothing is brought: whether a login is good, and what a name stands for.

use ureq::http::Method;

use super::client::{Ask, Client, Sent};
use super::manifest::find;
use super::source::Sources;
use super::{Job, Settings, Unwatched};
use crate::digest::Digest;
use crate::error::Result;
use crate::limits::Limits;
use crate::oci::Descriptor;
use crate::reference::Reference;

/// Whether the login that the settings have for a registry is one there. Errors: it is not ([`super::Failure::Unauthorized`]),
/// or the registry is not to be reached.
pub fn check_login(registry: &str, settings: &Settings) -> Result<()> {
    let job = Job::new(settings, &Unwatched);
    let client = Client::connect(&job, registry, "", "pull", 1)?;
    // A registry that asks for a password has only heard it so far.
    client.request(&Ask {
        method: Method::GET,
        uri: client.base.clone(),
        headers: Vec::new(),
        body: Sent::None,
        what: "its version".into(),
        accepted: &[404],
    })?;
    Ok(())
}

/// What a name stands for in its registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Of the manifest, or of the list that it is in.
    pub digest: Digest,
    /// The manifest of the image for the platform.
    pub manifest: Descriptor,
}

/// Asks what a name stands for; nothing is brought.
pub fn known(name: &Reference, settings: &Settings, limits: &Limits) -> Result<Known> {
    let job = Job::new(settings, &Unwatched);
    let found = Sources::of(&job, name).ask(|client| find(client, name, settings.platform.as_ref(), limits))?;
    Ok(Known { digest: found.digest, manifest: found.descriptor })
}
