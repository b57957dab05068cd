//! Images to begin with.

use super::BuildOptions;
use super::error::{Error, Result};
use super::progress::Progress;
use crate::oci::Platform;
use crate::reference::Reference;
use crate::registry::{self, Unwatched};
use crate::store::{Image, Store};

/// The image of this name, pulled where it is not here or is to be asked for.
pub fn bring(
    store: &Store,
    name: &str,
    wanted: Option<Platform>,
    options: &BuildOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Image> {
    let here = match store.find(name) {
        Ok(image) => {
            let fits = wanted
                .as_ref()
                .is_none_or(|wanted| wanted.runs(&image.platform()));
            (!options.pull && fits).then_some(image)
        }
        Err(crate::Error::NoImage(_)) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(image) = here {
        return Ok(image);
    }
    options.cancel.check()?;
    let reference: Reference = name.parse().map_err(Error::Image)?;
    progress(Progress::Pulling(reference.familiar()));
    let settings = registry::Settings {
        platform: wanted.or_else(|| options.platform.clone()),
        ..options.registry.clone()
    };
    Ok(registry::pull(store, &reference, &settings, &Unwatched)?.image)
}
