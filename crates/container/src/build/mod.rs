//! Building images of Dockerfiles.
//!
//! Start reading at [`Build`]: a [`Context`] and [`BuildOptions`] become an image, step by step ([`builder`]), as the classic
//! builder of Docker does it. [`dockerfile`] reads the file, [`reading`] the words of one instruction; [`config`] does what
//! changes no files, `steps` what does: [`copy`] makes layers of files, [`tree`] reads those without being led anywhere, [`run`]
//! runs commands in containers of an instance. [`cache`] keeps what was made.

pub mod alone;
pub mod builder;
pub mod cache;
pub mod config;
pub mod context;
pub mod copy;
pub mod dockerfile;
pub mod error;
pub mod fetch;
pub mod ignore;
mod images;
mod mount;
mod owner;
pub mod progress;
pub mod reading;
pub mod run;
pub mod stages;
pub mod stamp;
mod steps;
pub mod tree;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use alone::Alone;
pub use context::{Context, Recipe};
pub use error::{Error, Mistake, Place, Result};
pub use progress::{Progress, Stream};
pub use run::Workshop;

use crate::engine::{Engine, Options};
use crate::oci::Platform;
use crate::reference::Reference;
use crate::registry;
use crate::store::{Image, Store};

/// What is asked of a build beside its context.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// The Dockerfile, a path in the context; `Dockerfile` where nothing is said.
    pub dockerfile: Option<String>,
    /// The Dockerfile itself, where it does not come from the context.
    pub recipe: Option<Recipe>,
    /// What to call the image.
    pub names: Vec<Reference>,
    /// Values for `ARG`.
    pub arguments: BTreeMap<String, String>,
    /// Remarks on the image.
    pub labels: BTreeMap<String, String>,
    /// The stage to build; the last where nothing is said.
    pub target: Option<String>,
    /// Nothing that was made before is used.
    pub no_cache: bool,
    /// Images to begin with are asked of their registries, whether they are here or not.
    pub pull: bool,
    /// Network of `RUN`: `default`, `none`, `host`, or the name of one of the instance's.
    pub network: Option<String>,
    /// For which machine; this one where nothing is said.
    pub platform: Option<Platform>,
    /// No time that is written is later than this, seconds since 1970 (`SOURCE_DATE_EPOCH`).
    pub source_date_epoch: Option<i64>,
    /// What containers of `RUN` get beside all else: limits, hosts, size of `/dev/shm`.
    pub container: Options,
    /// How images to begin with are pulled.
    pub registry: registry::Settings,
    /// Gives the build up.
    pub cancel: Cancel,
}

/// Gives a build up, from another thread or a signal handler.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Gives it up: what is being made goes.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was given up.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }
}

/// A build.
pub struct Build {
    /// The files that it may take.
    pub context: Context,
    /// What is asked.
    pub options: BuildOptions,
}

impl Build {
    /// Builds an image; commands run as containers of `instance` (the holder's key). `progress` hears everything, in order.
    ///
    /// # Errors
    /// [`Error::Mistake`] in the Dockerfile, [`Error::Failed`] by a command, [`Error::Cancelled`]; no name is given then, and
    /// what was made is found again by the next build.
    pub fn run(
        self,
        engine: &Engine,
        instance: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Image> {
        self.run_in(&engine.store, &mut (engine, instance), progress)
    }

    /// The same, where there is an instance only if a command has to be run.
    pub fn run_in(
        self,
        store: &Store,
        workshop: &mut dyn Workshop,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Image> {
        builder::build(self, store, workshop, progress)
    }
}
