//! What lies under a command of `RUN`: its `--mount`s, and its script where that is a here-document.

use std::fs::File;
use std::io::Seek;

use crate::build::builder::{Builder, Stage};
use crate::build::copy::{Copying, Source, Target};
use crate::build::dockerfile::instruction::{Run, Word};
use crate::build::error::{Error, Result};
use crate::build::ignore;
use crate::build::mount::{Kind, Mount};
use crate::build::reading::Reading;
use crate::build::run::Borrowed;
use crate::build::tree::Tree;
use crate::engine::Engine;
use crate::engine::options::{MountRequest, MountSource};
use crate::oci::Process;
use crate::store::Image;
use crate::tar;
use crate::work::{Work, in_memory};

/// Where a script of a here-document lies while it runs.
const SCRIPT: &str = "/run/vpclab-build";

/// One `--mount`.
pub(super) struct Asked {
    mount: Mount,
    /// Another place than the build context.
    from: Option<Image>,
    word: Word,
}

/// Something that is mounted, before there is a container for it.
pub(super) struct Prepared {
    source: Contents,
    target: String,
    read_only: bool,
}

enum Contents {
    /// Files in a tar, for a volume that goes with the container.
    Files(File),
    /// Something that needs none.
    Other(MountSource),
}

impl Builder<'_> {
    /// Reads all `--mount`s.
    pub(super) fn mounts(&mut self, stage: &Stage, run: &Run, reading: &Reading) -> Result<Vec<Asked>> {
        let mut all = Vec::new();
        for word in &run.mounts {
            let mount = Mount::parse(&reading.word(word)?).map_err(|why| reading.mistake(word, why))?;
            let from = match mount.from.clone() {
                Some(text) => Some(self.image_of(stage, &Word { text, at: word.at }, reading)?),
                None => None,
            };
            all.push(Asked { mount, from, word: word.clone() });
        }
        Ok(all)
    }

    /// What is mounted to be read decides what comes of a command: the digests of it.
    pub(super) fn digests(&self, mounts: &[Asked], reading: &Reading) -> Result<String> {
        let binds = mounts.iter().filter(|asked| asked.mount.kind == Kind::Bind);
        binds.map(|asked| self.bound(asked, reading, |copying| copying.digest())).collect()
    }

    /// Takes hold of what is mounted.
    pub(super) fn prepared(&self, mounts: &[Asked], process: &Process, reading: &Reading) -> Result<Vec<Prepared>> {
        let one = |asked: &Asked| {
            let mount = &asked.mount;
            let source = match mount.kind {
                Kind::Bind => {
                    let mut tar = in_memory()?;
                    self.bound(asked, reading, |copying| copying.write(&mut tar))?;
                    Contents::Files(tar)
                }
                Kind::Tmpfs => Contents::Other(MountSource::Tmpfs { bytes: mount.size, mode: None }),
                Kind::Cache => Contents::Other(MountSource::Volume { name: Some(mount.cache_name()), copy: false }),
            };
            Ok(Prepared { source, target: mount.target(process), read_only: mount.read_only })
        };
        mounts.iter().map(one).collect()
    }

    /// Calls with the files that a `--mount=type=bind` takes.
    fn bound<T>(&self, asked: &Asked, reading: &Reading, work: impl FnOnce(&Copying) -> Result<T>) -> Result<T> {
        let found = || {
            let other = asked.from.as_ref().map(|image| self.tree(image)).transpose()?;
            let tree = other.as_ref().unwrap_or(&self.ready.tree);
            let path = ignore::clean(asked.mount.source.as_deref().unwrap_or("/"));
            let Some(found) = tree.find(path.as_bytes(), true)? else {
                return Err(Error::Context(format!("`/{path}` is not in {}", tree.called())));
            };
            if !found.is_folder() {
                return Err(Error::Context(format!("`/{path}` is a file: mount the folder that it is in")));
            }
            let name = found.path.last().cloned().unwrap_or_default();
            let nothing = Tree::empty();
            let sources = vec![Source::Tree { tree, found, name, parents: None }];
            work(&self.copying(sources, Target { path: Vec::new(), is_folder: true }, &nothing))
        };
        found().map_err(|error| reading.placed(&asked.word, error))
    }
}

impl Prepared {
    /// A script, and the command that runs it.
    pub fn script(text: &str) -> Result<(Prepared, String)> {
        let mut file = in_memory()?;
        let size = text.len() as u64;
        let entry = tar::Entry { mode: 0o755, size, ..tar::Entry::new("script", tar::Kind::File) };
        let mut writer = tar::Writer::new(&mut file);
        writer.append(&entry, text.as_bytes()).map_err(Error::io("writing the script"))?;
        writer.finish().map_err(Error::io("writing the script"))?;
        let prepared = Prepared { source: Contents::Files(file), target: SCRIPT.into(), read_only: true };
        Ok((prepared, format!("{SCRIPT}/script")))
    }

    /// What a container is asked to mount; `borrowed` gets the volume that has to outlive it.
    pub fn request<'e>(self, engine: &'e Engine, work: &Work, borrowed: &mut Vec<Borrowed<'e>>) -> Result<MountRequest> {
        let source = match self.source {
            Contents::Other(source) => source,
            Contents::Files(mut tar) => {
                tar.rewind().map_err(Error::io("reading what is mounted"))?;
                let volume = Borrowed::new(engine, tar, work)?;
                let name = Some(volume.name.clone());
                borrowed.push(volume);
                MountSource::Volume { name, copy: false }
            }
        };
        Ok(MountRequest { source, target: self.target, read_only: self.read_only })
    }
}
