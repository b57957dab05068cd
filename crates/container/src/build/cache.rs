//! What steps of builds came to: an image for each, found by a digest of all that the step depends on. Below `build/` of the
//! store; they have no names, and are no images for people until a build ends with one.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::blob::sync_folder;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::oci::{Config, Descriptor};
use crate::store::{Image, Store};
use crate::work::Work;

/// Largest document here, bytes.
const LARGEST: u64 = 1 << 16;

impl Store {
    fn steps(&self) -> PathBuf {
        self.root().join("build/steps")
    }

    fn made(&self) -> PathBuf {
        self.root().join("build/images")
    }

    /// The manifest of an image that a step made; none where it is not here, or not whole.
    fn made_manifest(&self, hex: &str) -> Option<Descriptor> {
        let file = File::open(self.made().join(hex)).ok()?;
        let bytes = crate::blob::read_bounded(file, "a step of a build", LARGEST).ok()?;
        let descriptor: Descriptor = serde_json::from_slice(&bytes).ok()?;
        self.blobs().size(&descriptor.digest)?;
        Some(descriptor)
    }

    /// An image that a step made, by its id or the beginning of it.
    pub(crate) fn find_made(&self, digits: &str) -> Result<Option<Image>> {
        let hex = match digits.len() {
            64 => digits.to_owned(),
            _ => {
                let names = fs::read_dir(self.made()).into_iter().flatten().flatten();
                let names = names.filter_map(|entry| entry.file_name().into_string().ok());
                let mut fit: Vec<String> = names.filter(|name| name.starts_with(digits)).collect();
                fit.sort();
                match &fit[..] {
                    [] => return Ok(None),
                    [one] => one.clone(),
                    _ => {
                        let ids = fit
                            .iter()
                            .map(|hex| hex.get(..12).unwrap_or(hex).to_owned())
                            .collect();
                        return Err(Error::Ambiguous {
                            text: digits.to_owned(),
                            ids,
                        });
                    }
                }
            }
        };
        self.made_manifest(&hex)
            .map(|manifest| self.image(&manifest))
            .transpose()
    }

    /// Every image that steps made and that is whole.
    pub(crate) fn all_made(&self) -> Vec<Image> {
        let names = fs::read_dir(self.made()).into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        names
            .filter_map(|hex| self.image(&self.made_manifest(&hex)?).ok())
            .collect()
    }

    /// What a step came to the last time, if all of it is here.
    pub(crate) fn step(&self, key: &Digest) -> Option<Image> {
        let text = fs::read_to_string(self.steps().join(key.hex())).ok()?;
        let id: Digest = text.trim().parse().ok()?;
        let image = self.image(&self.made_manifest(&id.hex())?).ok()?;
        let is_whole = image
            .layers
            .iter()
            .all(|layer| self.blobs().size(&layer.digest) == Some(layer.size));
        (is_whole && image.id == id).then_some(image)
    }

    /// Keeps what a step came to. The caller holds a session.
    pub(crate) fn keep_step(
        &self,
        work: &Work,
        key: &Digest,
        config: &Config,
        layers: &[Descriptor],
    ) -> Result<Image> {
        let manifest = self.describe(work, config, layers)?;
        let image = self.image(&manifest)?;
        let document = serde_json::to_vec(&manifest)
            .map_err(|e| Error::malformed("a step of a build", e.to_string()))?;
        for (folder, name, bytes) in [
            (self.made(), image.id.hex(), &document[..]),
            (self.steps(), key.hex(), image.id.to_string().as_bytes()),
        ] {
            let write = || -> io::Result<()> {
                fs::create_dir_all(&folder)?;
                let from = work.fresh();
                fs::write(&from, bytes)?;
                fs::rename(&from, folder.join(name))
            };
            write().map_err(Error::io("keeping a step of a build"))?;
        }
        Ok(image)
    }

    /// Held by who makes a step, so that another build that needs it waits and finds it.
    pub(crate) fn lock_step(
        &self,
        key: &Digest,
        mut wait: impl FnMut() -> bool,
    ) -> Result<Option<File>> {
        let folder = self.root().join("build/locks");
        fs::create_dir_all(&folder).map_err(Error::io("making a folder for locks"))?;
        loop {
            match self.lock(
                &format!("build/locks/{}", key.hex()),
                "building",
                Duration::ZERO,
                File::try_lock,
            ) {
                Ok(lock) => return Ok(Some(lock)),
                Err(Error::InUse { .. }) if wait() => std::thread::sleep(Duration::from_millis(50)),
                Err(Error::InUse { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Forgets steps that lead to no image of the store; the caller holds `store.lock` alone, and collects blobs afterwards.
    pub(crate) fn forget_steps(&self, kept: &[Image]) -> Result<()> {
        let leads = |image: &Image| {
            kept.iter().any(|one| {
                one.config
                    .rootfs
                    .diff_ids
                    .starts_with(&image.config.rootfs.diff_ids)
            })
        };
        let mut stays = std::collections::BTreeSet::new();
        for image in self.all_made() {
            if leads(&image) {
                stays.insert(image.id.to_string());
            }
        }
        let remove = |folder: PathBuf, is_kept: &dyn Fn(&str, &PathBuf) -> bool| {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if !entry
                    .file_name()
                    .to_str()
                    .is_some_and(|name| is_kept(name, &path))
                {
                    let _ = fs::remove_file(path);
                }
            }
            if folder.exists() {
                sync_folder(&folder)
            } else {
                Ok(())
            }
        };
        remove(self.steps(), &|_, path| {
            fs::read_to_string(path).is_ok_and(|id| stays.contains(id.trim()))
        })?;
        remove(self.made(), &|name, _| {
            stays.contains(&format!("sha256:{name}"))
        })?;
        remove(self.root().join("build/locks"), &|_, _| false)
    }
}
