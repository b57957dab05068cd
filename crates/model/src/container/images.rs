//! Images that containers of a lab call by a name of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Origin;

/// Where an image comes from that containers of the lab call by a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerImage {
    /// From where.
    pub source: ImageSource,
    /// Where it was written.
    pub origin: Origin,
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSource {
    /// A registry: the reference.
    Pull(String),
    /// A file of `docker save`, an OCI archive, or an OCI layout: its path on the machine.
    Archive(String),
    /// A build: the folder of its context, with a `Dockerfile` in it.
    Build(String),
    /// A build of which more is said than its folder.
    BuildWith(ImageBuild),
}

/// How an image is built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageBuild {
    /// The folder of its context.
    pub context: String,
    /// The Dockerfile, counted from the context; `Dockerfile` where nothing is said.
    pub dockerfile: Option<String>,
    /// Values of its arguments.
    pub arguments: BTreeMap<String, String>,
    /// The stage; the last where nothing is said.
    pub target: Option<String>,
}

impl ImageSource {
    /// The build that it is, if it is one.
    pub fn build(&self) -> Option<ImageBuild> {
        match self {
            Self::Build(context) => Some(ImageBuild { context: context.clone(), ..ImageBuild::default() }),
            Self::BuildWith(build) => Some(build.clone()),
            Self::Pull(_) | Self::Archive(_) => None,
        }
    }
}

impl std::fmt::Display for ImageSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pull(reference) => write!(f, "pull {reference}"),
            Self::Archive(path) => write!(f, "archive {path}"),
            Self::Build(path) => write!(f, "build {path}"),
            Self::BuildWith(build) => {
                write!(f, "build {}", build.context)?;
                build.dockerfile.iter().try_for_each(|name| write!(f, " by {name}"))?;
                build.target.iter().try_for_each(|stage| write!(f, " to {stage}"))?;
                build.arguments.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
            }
        }
    }
}
