//! Unpacked layers by chain id, shared by all images and read-only from then on. Like a blob, one appears at once and whole.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::blob::sync_folder;
use crate::compression;
use crate::digest::{Digest, Hashing};
use crate::error::{Error, Result};
use crate::limits::{Bounded, Limits};
use crate::oci::{Descriptor, chain_ids};
use crate::store::{Image, Store};
use crate::tar::Reader;
use crate::unpack::{self, Unpacked};

/// How long another process may take for a layer that this one needs too.
const PATIENCE: Duration = Duration::from_secs(600);

/// `layer.json` beside the folder `diff`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Digest of the layer's tar.
    pub diff_id: Digest,
    /// What is in it.
    #[serde(flatten)]
    pub unpacked: Unpacked,
}

/// Layers on top of each other, the lowest first.
pub(crate) struct Stack {
    pub folders: Vec<PathBuf>,
    /// Whether each was unpacked just now, out of the blob that was named; of another one its blob was not looked at.
    pub is_fresh: Vec<bool>,
}

impl Store {
    fn layers(&self) -> PathBuf {
        self.root().join("layers")
    }

    fn layer(&self, chain: &Digest) -> PathBuf {
        self.layers().join(chain.hex())
    }

    /// What `layer.json` says of an unpacked layer.
    pub fn layer_of(&self, chain: &Digest) -> Result<Layer> {
        let path = self.layer(chain).join("layer.json");
        let bytes = fs::read(&path).map_err(Error::io(format!("reading {}", path.display())))?;
        crate::store::parse(&bytes, &path.display().to_string())
    }

    /// Folders of an image's layers, the lowest first, ready to be stacked by overlayfs; unpacks what is missing.
    pub fn stack(&self, image: &Image) -> Result<Vec<PathBuf>> {
        let _session = self.session()?;
        // Mostly they are there: what is to be unpacked needs locks and a folder to work in, which cost more than the look.
        let there = chain_ids(&image.config.rootfs.diff_ids);
        let there: Vec<PathBuf> = there.iter().map(|chain| self.layer(chain)).collect();
        if there.len() == image.layers.len() && there.iter().all(|folder| folder.exists()) {
            return Ok(there.iter().map(|folder| folder.join("diff")).collect());
        }
        let stack = self.unpack(&image.layers, &image.config.rootfs.diff_ids)?;
        Ok(stack.folders)
    }

    /// Whether a blob unpacks to what a configuration promises; nothing is written.
    pub(crate) fn check_layer(&self, blob: &Digest, diff_id: &Digest) -> Result<()> {
        let what = format!("layer {diff_id}");
        let input = BufReader::with_capacity(1 << 16, self.blobs().open(blob)?);
        let unpacked = compression::Unpacked::new(input, &what)?;
        let mut hashing = Hashing::new(Bounded::new(unpacked, self.limits.bytes, what.clone()));
        io::copy(&mut hashing, &mut io::sink()).map_err(Error::io(format!("unpacking {what}")))?;
        let (_, found, _) = hashing.finish();
        found.expect(diff_id, &what)
    }

    /// Unpacks layers whose blobs are there; the caller holds a session.
    pub(crate) fn unpack(&self, layers: &[Descriptor], diff_ids: &[Digest]) -> Result<Stack> {
        if layers.len() != diff_ids.len() {
            return Err(Error::malformed(
                "the image",
                format!(
                    "it has {} layers, and {} in its configuration",
                    layers.len(),
                    diff_ids.len()
                ),
            ));
        }
        let locks = self.layers().join("locks");
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&locks);
        made.map_err(Error::io(format!("making {}", locks.display())))?;
        let work = self.work()?;
        let mut held = Vec::new();
        let mut new: Vec<(PathBuf, PathBuf)> = Vec::new();
        let mut folders: Vec<PathBuf> = Vec::new();
        let mut now: Vec<PathBuf> = Vec::new();
        let mut is_fresh = Vec::new();
        for (chain, (blob, diff_id)) in chain_ids(diff_ids).iter().zip(layers.iter().zip(diff_ids))
        {
            let to = self.layer(chain);
            folders.push(to.join("diff"));
            if !to.exists() {
                // Whoever needs the same layers takes their locks in the same order, the lowest first.
                held.push(self.lock(
                    &format!("layers/locks/{}", chain.hex()),
                    "unpacking a layer",
                    PATIENCE,
                    File::try_lock,
                )?);
            }
            let is_there = to.exists();
            is_fresh.push(!is_there);
            if is_there {
                now.push(to.join("diff"));
                continue;
            }
            let from = work.fresh();
            let folder = |path: &Path| {
                fs::DirBuilder::new()
                    .mode(0o700)
                    .create(path)
                    .map_err(Error::io(format!("making {}", path.display())))
            };
            folder(&from)?;
            folder(&from.join("diff"))?;
            let below = now
                .iter()
                .rev()
                .map(|path| open(path))
                .collect::<Result<Vec<_>>>()?;
            let unpacked = self.unpack_one(&from.join("diff"), &below, &blob.digest, diff_id)?;
            let layer = serde_json::to_vec(&Layer {
                diff_id: *diff_id,
                unpacked,
            })
            .map_err(|e| Error::malformed("layer.json", e.to_string()))?;
            let path = from.join("layer.json");
            fs::write(&path, layer).map_err(Error::io(format!("writing {}", path.display())))?;
            now.push(from.join("diff"));
            new.push((from, to));
        }
        if !new.is_empty() {
            // One call for thousands of files; no layer has its name before it is on disk.
            rustix::fs::syncfs(open(self.root())?)
                .map_err(Error::io(format!("writing {}", self.layers().display())))?;
            for (from, to) in &new {
                fs::rename(from, to).map_err(Error::io(format!("naming {}", to.display())))?;
            }
            sync_folder(&self.layers())?;
        }
        Ok(Stack { folders, is_fresh })
    }

    fn unpack_one(
        &self,
        to: &Path,
        below: &[OwnedFd],
        blob: &Digest,
        diff_id: &Digest,
    ) -> Result<Unpacked> {
        let input = self.blobs().open(blob)?;
        unpack_checked(input, open(to)?.as_fd(), below, diff_id, &self.limits)
    }

    /// Removes unpacked layers except those of `chains`; the caller holds `store.lock` alone. Bytes of their files.
    pub(crate) fn collect_layers(
        &self,
        chains: &std::collections::BTreeSet<Digest>,
    ) -> Result<u64> {
        let folder = self.layers();
        let reading = || format!("reading {}", folder.display());
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            other => other.map_err(Error::io(reading()))?,
        };
        let mut bytes = 0;
        for entry in entries {
            let name = entry.map_err(Error::io(reading()))?.file_name();
            let Some(chain) = name
                .to_str()
                .and_then(|name| format!("sha256:{name}").parse::<Digest>().ok())
            else {
                continue;
            };
            if chains.contains(&chain) {
                continue;
            }
            bytes += self
                .layer_of(&chain)
                .map_or(0, |layer| layer.unpacked.bytes);
            // Out of sight at once; a half-removed layer is never found under its name.
            let work = self.work()?;
            let gone = work.fresh();
            fs::rename(self.layer(&chain), &gone)
                .map_err(Error::io(format!("removing layer {chain}")))?;
        }
        // Those of layers that were never finished too; nobody has one now.
        let locks = fs::read_dir(folder.join("locks")).into_iter().flatten();
        for lock in locks.flatten() {
            let name = lock.file_name();
            let chain = name
                .to_str()
                .and_then(|hex| format!("sha256:{hex}").parse().ok());
            if chain.is_none_or(|chain: Digest| !chains.contains(&chain)) {
                let _ = fs::remove_file(lock.path());
            }
        }
        self.collect_instances(chains)?;
        Ok(bytes)
    }

    /// Removes what instances see of layers that no image has.
    fn collect_instances(&self, chains: &std::collections::BTreeSet<Digest>) -> Result<()> {
        for entry in fs::read_dir(self.root().join("instances"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let chain = name
                .to_str()
                .and_then(|name| format!("sha256:{name}").parse::<Digest>().ok());
            if chain.is_some_and(|chain| !chains.contains(&chain)) {
                let removed = sandbox::SelfCommand::current()
                    .and_then(|command| sandbox::remove_tree(&entry.path(), &command));
                removed.map_err(|e| Error::malformed("a layer of instances", e.to_string()))?;
            }
        }
        Ok(())
    }
}

/// Unpacks a layer as it is kept into an empty folder, and says whether it is the one meant.
pub(crate) fn unpack_checked(
    input: impl io::Read,
    to: BorrowedFd,
    below: &[OwnedFd],
    diff_id: &Digest,
    limits: &Limits,
) -> Result<Unpacked> {
    let what = format!("layer {diff_id}");
    let input = BufReader::with_capacity(1 << 16, input);
    let input = Bounded::new(
        compression::Unpacked::new(input, &what)?,
        limits.bytes,
        what.clone(),
    );
    let mut tar = Reader::new(Hashing::new(input), what.clone(), *limits);
    let unpacked = unpack::layer(to, below, &mut tar, limits)?;
    // The digest is that of all bytes, also those behind the end's mark.
    let mut rest = tar.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(Error::io(format!("reading {what}")))?;
    let (_, found, _) = rest.finish();
    found.expect(diff_id, &what)?;
    Ok(unpacked)
}

fn open(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
        .map_err(Error::io(format!("opening {}", path.display())))
}
