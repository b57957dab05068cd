//! The store: an OCI image layout on disk (`index.json`, `blobs/`), which other tools can read, with locks around it.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::blob::{Blobs, Pending, read_bounded, sync_folder};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::oci::{self, Config, Descriptor, FULL_NAME, Index, Manifest, Platform};
use crate::reference::Reference;
use crate::work::{self, Work};

/// How long a lock is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Images of one user.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    blobs: Blobs,
    /// Bounds on everything that comes in.
    pub limits: Limits,
}

/// An image that is in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Digest of its configuration: the same for the same files and settings, whatever they are packed with.
    pub id: Digest,
    /// Its manifest.
    pub manifest: Descriptor,
    /// What it is called, in order; nothing after another image took its name.
    pub names: Vec<Reference>,
    /// Its configuration.
    pub config: Config,
    /// Its layers as they are kept, from the lowest.
    pub layers: Vec<Descriptor>,
}

impl Image {
    /// The machine it is made for.
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.config.architecture.clone(),
            os: self.config.os.clone(),
            variant: self.config.variant.clone(),
            os_version: None,
        }
    }

    /// Bytes of its blobs.
    pub fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum::<u64>() + self.manifest.size
    }
}

/// What [`Store::remove`] or [`Store::prune`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names that are no more.
    pub untagged: Vec<String>,
    /// Ids of images that are no more.
    pub deleted: Vec<Digest>,
    /// Bytes that are free now.
    pub bytes: u64,
}

/// Held while blobs are in the store that no image refers to yet: nothing is collected meanwhile.
#[derive(Debug)]
pub(crate) struct Session {
    _lock: File,
}

impl Store {
    /// Opens the store in this folder, and makes it where it is not. What dead processes left half-made goes.
    pub fn open(root: &Path) -> Result<Store> {
        let folder = |path: &Path| {
            let made = fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path);
            made.map_err(Error::io(format!("making {}", path.display())))
        };
        // Only its owner goes in: files of layers may be set-id, or written by anybody.
        folder(root)?;
        let blobs = root.join("blobs/sha256");
        folder(&blobs)?;
        folder(&root.join("work"))?;
        let store = Store {
            root: root.to_owned(),
            blobs: Blobs::new(blobs),
            limits: Limits::default(),
        };
        work::sweep(&store.root.join("work"))?;
        if !root.join("oci-layout").exists() {
            store.replace("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        }
        Ok(store)
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its blobs.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    pub(crate) fn work(&self) -> Result<Work> {
        Work::new(&self.root.join("work"))
    }

    /// Writes a file of the store itself, at once.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let work = self.work()?;
        let (from, to) = (work.fresh(), self.root.join(name));
        let written = fs::write(&from, bytes)
            .and_then(|()| File::open(&from)?.sync_all())
            .and_then(|()| fs::rename(&from, &to));
        written.map_err(Error::io(format!("writing {}", to.display())))?;
        sync_folder(&self.root)
    }

    fn lock_file(&self, name: &str) -> Result<File> {
        let path = self.root.join(name);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path);
        file.map_err(Error::io(format!("opening {}", path.display())))
    }

    pub(crate) fn lock(
        &self,
        name: &str,
        doing: &'static str,
        patience: Duration,
        take: impl Fn(&File) -> Result<(), TryLockError>,
    ) -> Result<File> {
        let file = self.lock_file(name)?;
        let deadline = Instant::now() + patience;
        loop {
            match take(&file) {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => {
                    return Err(Error::io(format!("locking {}", self.root.display()))(error));
                }
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10))
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::InUse {
                        store: self.root.clone(),
                        doing,
                        seconds: patience.as_secs(),
                    });
                }
            }
        }
    }

    /// Blobs that are put from now on are kept until it ends, whether an image has them or not.
    pub(crate) fn session(&self) -> Result<Session> {
        Ok(Session {
            _lock: self.lock(
                "store.lock",
                "adding an image",
                PATIENCE,
                File::try_lock_shared,
            )?,
        })
    }

    /// Makes a blob of a small document.
    pub(crate) fn put(&self, work: &Work, bytes: &[u8], what: &str) -> Result<Digest> {
        self.blobs.keep(Pending::write(work, bytes, what)?)
    }

    /// What `index.json` says.
    fn index(&self) -> Result<Index> {
        let path = self.root.join("index.json");
        match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Index {
                schema_version: 2,
                media_type: Some(oci::INDEX.into()),
                manifests: Vec::new(),
            }),
            Err(error) => Err(Error::io(format!("opening {}", path.display()))(error)),
            Ok(file) => {
                let what = path.display().to_string();
                // It has one line for each name, so it may be longer than a stranger's document.
                let bytes = read_bounded(file, &what, 1 << 30)?;
                serde_json::from_slice(&bytes).map_err(|e| Error::malformed(what, e.to_string()))
            }
        }
    }

    /// Changes `index.json`; nobody else does meanwhile.
    fn edit<T>(&self, change: impl FnOnce(&mut Vec<Descriptor>) -> Result<T>) -> Result<T> {
        let _lock = self.lock("index.lock", "changing a name", PATIENCE, File::try_lock)?;
        let before = self.index()?;
        let mut index = before.clone();
        let done = change(&mut index.manifests)?;
        let key = |one: &Descriptor| (one.annotations.get(FULL_NAME).cloned(), one.digest);
        index.manifests.sort_by_key(key);
        if index != before {
            let bytes = serde_json::to_vec_pretty(&index)
                .map_err(|e| Error::malformed("index.json", e.to_string()))?;
            self.replace("index.json", &bytes)?;
        }
        Ok(done)
    }

    /// Reads a manifest and its configuration.
    pub(crate) fn image(&self, descriptor: &Descriptor) -> Result<Image> {
        let document = |digest: &Digest| self.blobs.read(digest, self.limits.document);
        let manifest: Manifest = parse(
            &document(&descriptor.digest)?,
            &format!("manifest {}", descriptor.digest),
        )?;
        let config: Config = parse(
            &document(&manifest.config.digest)?,
            &format!("configuration {}", manifest.config.digest),
        )?;
        let manifest_descriptor = Descriptor {
            annotations: Default::default(),
            ..descriptor.clone()
        };
        Ok(Image {
            id: manifest.config.digest,
            manifest: manifest_descriptor,
            names: Vec::new(),
            config,
            layers: manifest.layers,
        })
    }

    /// Every image, by name; those without a name last.
    pub fn images(&self) -> Result<Vec<Image>> {
        let mut images: Vec<Image> = Vec::new();
        for descriptor in self.index()?.manifests {
            let known = images
                .iter()
                .position(|image| image.manifest.digest == descriptor.digest);
            let at = match known {
                Some(at) => at,
                None => {
                    images.push(self.image(&descriptor)?);
                    images.len() - 1
                }
            };
            if let Some(name) = descriptor.annotations.get(FULL_NAME) {
                images[at].names.push(name.parse()?);
            }
        }
        images.iter_mut().for_each(|image| image.names.sort());
        images.sort_by(|a, b| {
            (a.names.is_empty(), &a.names, a.id).cmp(&(b.names.is_empty(), &b.names, b.id))
        });
        Ok(images)
    }

    /// The image of this name, id, or beginning of an id.
    pub fn find(&self, text: &str) -> Result<Image> {
        let images = self.images()?;
        let is_named = |image: &Image, wanted: &Reference| {
            let is_its_digest = wanted
                .digest
                .is_some_and(|digest| digest == image.manifest.digest);
            let same = |name: &Reference| {
                name.registry == wanted.registry && name.repository == wanted.repository
            };
            image
                .names
                .iter()
                .any(|name| name == wanted || (is_its_digest && same(name)))
        };
        let reference = text.parse::<Reference>();
        if let Some(image) = reference
            .as_ref()
            .ok()
            .and_then(|wanted| images.iter().find(|image| is_named(image, wanted)))
        {
            return Ok(image.clone());
        }
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        if !digits.is_empty()
            && digits.len() <= 64
            && digits
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        {
            let begins = |digest: &Digest| digest.hex().starts_with(digits);
            let fit: Vec<&Image> = images
                .iter()
                .filter(|image| begins(&image.id) || begins(&image.manifest.digest))
                .collect();
            let ids: BTreeSet<Digest> = fit.iter().map(|image| image.id).collect();
            match fit[..] {
                [] => {
                    if let Some(image) = self.find_made(digits)? {
                        return Ok(image);
                    }
                }
                [first, ..] if ids.len() == 1 => return Ok(first.clone()),
                _ => {
                    return Err(Error::Ambiguous {
                        text: text.into(),
                        ids: ids.iter().map(Digest::short).collect(),
                    });
                }
            }
        } else {
            // What can be neither name nor id is the mistake to speak of.
            reference?;
        }
        Err(Error::NoImage(text.into()))
    }

    /// Unpacks an image whose blobs are all there, and gives it these names; without any it is kept all the same.
    pub(crate) fn add(
        &self,
        _session: &Session,
        manifest: &Descriptor,
        names: &[Reference],
    ) -> Result<Image> {
        let image = self.image(manifest)?;
        // A layer that cannot be unpacked is no layer; this is where its owner is still there to be told.
        let diff_ids = &image.config.rootfs.diff_ids;
        let stack = self.unpack(&image.layers, diff_ids)?;
        let images = self.images()?;
        // That the layer was here says nothing about the blob, and that the blob was here nothing about what it unpacks to.
        // What an image of the store says of the two was found true when that one came.
        let is_known = |blob: &Digest, diff_id: &Digest| {
            images.iter().any(|one| {
                let diff_ids = &one.config.rootfs.diff_ids;
                let mut pairs = one.layers.iter().zip(diff_ids);
                pairs.any(|(layer, known)| layer.digest == *blob && known == diff_id)
            })
        };
        for ((layer, diff_id), is_fresh) in image.layers.iter().zip(diff_ids).zip(stack.is_fresh) {
            if !is_fresh && !is_known(&layer.digest, diff_id) {
                self.check_layer(&layer.digest, diff_id)?;
            }
        }
        // The same image in another packing is the one that is here already.
        let kept = images
            .iter()
            .find(|one| one.id == image.id)
            .map_or(&image, |one| one)
            .manifest
            .clone();
        self.edit(|manifests| {
            for name in names {
                name_it(manifests, &kept, name);
            }
            if !manifests.iter().any(|one| one.digest == kept.digest) {
                manifests.push(kept.clone());
            }
            Ok(())
        })?;
        self.find(&image.id.to_string())
    }

    /// Gives an image that is here one more name, which may be by digest.
    pub(crate) fn also(
        &self,
        _session: &Session,
        image: &Image,
        name: &Reference,
    ) -> Result<Image> {
        self.edit(|manifests| {
            name_it(manifests, &image.manifest, name);
            Ok(())
        })?;
        self.find(&image.id.to_string())
    }

    /// Gives an image one more name; takes it from the image that had it.
    pub fn tag(&self, image: &str, name: &Reference) -> Result<Image> {
        if name.digest.is_some() {
            return Err(Error::Reference {
                text: name.familiar(),
                why: "a digest is computed and not given".into(),
            });
        }
        let _session = self.session()?;
        let image = self.find(image)?;
        self.edit(|manifests| {
            name_it(manifests, &image.manifest, name);
            Ok(())
        })?;
        self.find(&image.id.to_string())
    }

    /// Takes a name away, and the image with its last one. By id an image goes if it has one name at most, or by `force`.
    pub fn remove(&self, text: &str, force: bool) -> Result<Removed> {
        let image = self.find(text)?;
        let named = text
            .parse::<Reference>()
            .ok()
            .filter(|wanted| image.names.contains(wanted));
        let gone: Vec<Reference> = match &named {
            Some(name) => vec![name.clone()],
            None if image.names.len() > 1 && !force => {
                let names = image.names.iter().map(Reference::familiar).collect();
                return Err(Error::ManyNames {
                    id: image.id.short(),
                    names,
                });
            }
            None => image.names.clone(),
        };
        let is_deleted = gone.len() == image.names.len();
        self.edit(|manifests| {
            let is_gone = |one: &Descriptor| {
                one.annotations
                    .get(FULL_NAME)
                    .is_none_or(|name| gone.iter().any(|gone| gone.to_string() == *name))
            };
            manifests.retain(|one| one.digest != image.manifest.digest || !is_gone(one));
            Ok(())
        })?;
        let mut removed = Removed {
            untagged: gone.iter().map(Reference::familiar).collect(),
            ..Removed::default()
        };
        if is_deleted {
            removed.deleted.push(image.id);
            // While somebody adds an image nothing can be collected; `prune` does it later.
            if let Ok(lock) = self.lock_file("store.lock")
                && lock.try_lock().is_ok()
            {
                removed.bytes = self.collect()?;
            }
        }
        Ok(removed)
    }

    /// Takes a name away; the image stays, without one if it was its last.
    pub fn untag(&self, name: &Reference) -> Result<Image> {
        let image = self.find(&name.to_string())?;
        self.edit(|manifests| {
            let is_it = |one: &Descriptor| one.annotations.get(FULL_NAME).is_some_and(|known| *known == name.to_string());
            manifests.retain(|one| !is_it(one));
            if !manifests.iter().any(|one| one.digest == image.manifest.digest) {
                manifests.push(image.manifest.clone());
            }
            Ok(())
        })?;
        self.find(&image.id.to_string())
    }

    /// Bytes of an image's files, unpacked; of its blobs where that is not known.
    pub fn unpacked_bytes(&self, image: &Image) -> u64 {
        let chains = oci::chain_ids(&image.config.rootfs.diff_ids);
        let sizes = chains.iter().zip(&image.layers).map(|(chain, layer)| self.layer_bytes(chain).unwrap_or(layer.size));
        sizes.sum()
    }

    /// Bytes of a layer's files, unpacked, where it is.
    pub fn layer_bytes(&self, chain: &Digest) -> Option<u64> {
        self.layer_of(chain).ok().map(|layer| layer.unpacked.bytes)
    }

    /// Removes images without a name (`all`: every image that is not in `used`), and blobs that no image has.
    pub fn prune(&self, all: bool, used: &BTreeSet<Digest>) -> Result<Removed> {
        let _alone = self.lock("store.lock", "pruning", PATIENCE, File::try_lock)?;
        let images = self.images()?;
        let goes = |image: &Image| (all || image.names.is_empty()) && !used.contains(&image.id);
        let gone: Vec<&Image> = images.iter().filter(|image| goes(image)).collect();
        self.edit(|manifests| {
            manifests.retain(|one| !gone.iter().any(|image| image.manifest.digest == one.digest));
            Ok(())
        })?;
        let kept: Vec<Image> = images
            .iter()
            .filter(|image| !goes(image))
            .cloned()
            .collect();
        self.forget_steps(&kept)?;
        Ok(Removed {
            untagged: gone
                .iter()
                .flat_map(|image| &image.names)
                .map(Reference::familiar)
                .collect(),
            deleted: gone.iter().map(|image| image.id).collect(),
            bytes: self.collect()? + crate::registry::blob::collect(&self.root)?,
        })
    }

    /// Forgets steps of builds that lead to no image (`all`: every one), and removes what only they had.
    pub fn prune_steps(&self, all: bool) -> Result<Removed> {
        let _alone = self.lock("store.lock", "pruning", PATIENCE, File::try_lock)?;
        let images = self.images()?;
        let before: BTreeSet<Digest> = self.all_made().iter().map(|image| image.id).collect();
        self.forget_steps(if all { &[] } else { &images })?;
        let after: BTreeSet<Digest> = self.all_made().iter().map(|image| image.id).collect();
        Ok(Removed {
            untagged: Vec::new(),
            deleted: before.difference(&after).copied().collect(),
            bytes: self.collect()?,
        })
    }

    /// Steps of builds that are kept to be used again: the image that each made.
    pub fn steps_of_builds(&self) -> Vec<Image> {
        self.all_made()
    }

    /// Removes blobs and layers that nothing refers to; the caller holds `store.lock` alone. Bytes freed.
    fn collect(&self) -> Result<u64> {
        let (mut reached, mut chains) = (BTreeSet::new(), BTreeSet::new());
        for image in self.images()?.into_iter().chain(self.all_made()) {
            chains.extend(oci::chain_ids(&image.config.rootfs.diff_ids));
            reached.extend([image.manifest.digest, image.id]);
            reached.extend(image.layers.iter().map(|layer| layer.digest));
        }
        let mut bytes = self.collect_layers(&chains)?;
        for (digest, size) in self.blobs.all()? {
            if !reached.contains(&digest) {
                self.blobs.remove(&digest)?;
                bytes += size;
            }
        }
        Ok(bytes)
    }
}

/// One name has one image; the image that had it before is kept without.
fn name_it(manifests: &mut Vec<Descriptor>, manifest: &Descriptor, name: &Reference) {
    let name = name.to_string();
    let mut lost = Vec::new();
    manifests.retain(|one| {
        let has = one.annotations.get(FULL_NAME) == Some(&name);
        if has && one.digest != manifest.digest {
            lost.push(Descriptor {
                annotations: Default::default(),
                ..one.clone()
            });
        }
        // The entry without a name is needed no more.
        let is_nameless = !one.annotations.contains_key(FULL_NAME);
        !has && (one.digest != manifest.digest || !is_nameless)
    });
    for one in lost {
        if !manifests.iter().any(|other| other.digest == one.digest) {
            manifests.push(one);
        }
    }
    let annotations = [(FULL_NAME.to_owned(), name)].into();
    manifests.push(Descriptor {
        annotations,
        ..manifest.clone()
    });
}

/// Reads a document; `what` is named in errors.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| Error::malformed(what, e.to_string()))
}
