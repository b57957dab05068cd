//! Volumes of a lab: folders that outlive the containers they are mounted in.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::folder;
use super::lock::{self, Lock};
use super::id::{Chance, Id, check_name};
use super::private;
use super::owners;
use super::record::Record;
use super::time::Moment;

/// How long a lock is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const DOCUMENT: &str = "volume.json";
const FILES: &str = "_data";
const GONE: &str = ".gone-";

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name, unique in the lab.
    pub name: String,
    /// When it was made.
    pub created: Moment,
    /// Remarks.
    pub labels: BTreeMap<String, String>,
    /// Nobody gave it a name: it goes with its container.
    pub is_anonymous: bool,
}

/// The volumes of one lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volumes {
    root: PathBuf,
}

impl Volumes {
    /// Below this folder, which need not be there.
    pub fn new(root: impl Into<PathBuf>) -> Volumes {
        Volumes { root: root.into() }
    }

    /// The folder with a volume's files.
    pub fn files(&self, name: &str) -> PathBuf {
        self.root.join(name).join(FILES)
    }

    /// Whoever has this makes and removes volumes.
    pub fn lock(&self) -> Result<Lock> {
        private::make(&self.root).map_err(Error::io(format!("making {}", self.root.display())))?;
        lock::lock(&self.root.join(".lock"), "the list of volumes", PATIENCE)
    }

    /// All of them, by name.
    pub fn list(&self) -> Result<Vec<Volume>> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(Error::io(format!("reading {}", self.root.display())))?,
        };
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        let mut all = Vec::new();
        for name in names {
            all.extend(self.read(&name)?);
        }
        Ok(all)
    }

    fn read(&self, name: &str) -> Result<Option<Volume>> {
        let path = self.root.join(name).join(DOCUMENT);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(format!("reading {}", path.display()))(error)),
            Ok(bytes) => {
                let malformed = |e: serde_json::Error| Error::Malformed {
                    what: path.display().to_string(),
                    why: e.to_string(),
                };
                serde_json::from_slice(&bytes).map(Some).map_err(malformed)
            }
        }
    }

    /// One by its name.
    pub fn find(&self, name: &str) -> Result<Volume> {
        let none = || Error::NoVolume(name.to_owned());
        check_name("volume", name).map_err(|_| none())?;
        self.read(name)?.ok_or_else(none)
    }

    /// The volume of this name, made where there is none; without a name a new one. `_lock` is [`Volumes::lock`]'s.
    pub fn ensure(
        &self,
        lock: &Lock,
        name: Option<&str>,
        labels: &BTreeMap<String, String>,
    ) -> Result<Volume> {
        self.ensure_as(lock, name, labels, name.is_none())
    }

    fn ensure_as(
        &self,
        _lock: &Lock,
        name: Option<&str>,
        labels: &BTreeMap<String, String>,
        is_anonymous: bool,
    ) -> Result<Volume> {
        let name = match name {
            Some(name) => {
                check_name("volume", name)?;
                name.to_owned()
            }
            None => Id::random(&mut Chance::System)?.as_str().to_owned(),
        };
        if let Some(there) = self.read(&name)? {
            return Ok(there);
        }
        let volume = Volume {
            name,
            created: Moment::now(),
            labels: labels.clone(),
            is_anonymous,
        };
        // Its files before its document: without the document it is none, and the next one of its name takes its place.
        for path in [self.root.join(&volume.name), self.files(&volume.name)] {
            match fs::DirBuilder::new().mode(0o711).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => other.map_err(Error::io(format!("making {}", path.display())))?,
            }
        }
        // As Docker's: the image's folder gives it other permissions when it is filled.
        let permissions = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
        let _ = fs::set_permissions(self.files(&volume.name), permissions);
        folder::write(&self.root.join(&volume.name), DOCUMENT, &volume, true)?;
        Ok(volume)
    }

    /// A new volume. Errors: [`Error::VolumeExists`].
    pub fn create(&self, name: Option<&str>, labels: &BTreeMap<String, String>) -> Result<Volume> {
        let lock = self.lock()?;
        if let Some(name) = name
            && self.find(name).is_ok()
        {
            return Err(Error::VolumeExists(name.to_owned()));
        }
        // Without a name it is anonymous, as Docker has it since 23: `prune` takes it.
        self.ensure_as(&lock, name, labels, name.is_none())
    }

    /// Removes a volume that no container has; where its files are, to be removed. `containers` are all of the lab.
    pub fn remove(&self, _lock: &Lock, name: &str, containers: &[Record]) -> Result<PathBuf> {
        self.find(name)?;
        let by = users(name, containers);
        if !by.is_empty() {
            return Err(Error::VolumeInUse {
                name: name.to_owned(),
                by,
            });
        }
        // Whatever an earlier removal left of one of that name.
        let free = (0..1_000)
            .map(|number| self.root.join(format!("{GONE}{number}-{name}")))
            .find(|path| !path.exists());
        let to = free.unwrap_or_else(|| self.root.join(format!("{GONE}{name}")));
        fs::rename(self.root.join(name), &to)
            .map_err(Error::io(format!("removing volume {name}")))?;
        Ok(to)
    }

    /// What removals left that were cut short.
    pub fn left(&self, _lock: &Lock) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        entries
            .filter(|entry| {
                entry
                    .file_name()
                    .to_str()
                    .is_some_and(|name| name.starts_with(GONE))
            })
            .map(|entry| entry.path())
            .collect()
    }

    /// Writes a volume's files as a tar.
    pub fn export(&self, name: &str, output: File) -> Result<()> {
        self.find(name)?;
        owners::export(&self.files(name), output)
    }

    /// Reads a tar into a volume, which is made where it is not there. Errors: it has files already, or somebody uses it.
    pub fn import(&self, name: &str, input: impl Read, containers: &[Record]) -> Result<Volume> {
        let lock = self.lock()?;
        let by = users(name, containers);
        if !by.is_empty() {
            return Err(Error::VolumeInUse {
                name: name.to_owned(),
                by,
            });
        }
        let is_new = self.find(name).is_err();
        let volume = self.ensure(&lock, Some(name), &BTreeMap::new())?;
        if !is_new && !owners::written(&self.files(name))?.is_empty() {
            return Err(Error::Conflict(format!(
                "volume `{name}` has files already: nothing is written over"
            )));
        }
        let read = owners::import(&self.files(name), input);
        if read.is_err() && is_new {
            // Half of an archive is no volume.
            let gone = self.remove(&lock, name, &[])?;
            sandbox::remove_tree(&gone, &sandbox::SelfCommand::current()?)?;
        }
        read.map(|()| volume)
    }

    /// The folder of all.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Names of the containers that have a volume.
pub fn users(volume: &str, containers: &[Record]) -> Vec<String> {
    let has = |record: &&Record| record.volumes().any(|name| name == volume);
    containers
        .iter()
        .filter(has)
        .map(|record| record.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::folder::tests::record;
    use crate::engine::record::{MountKind, MountPoint};

    #[test]
    fn a_volume_in_use_stays_and_says_who_has_it() {
        let temporary = tempfile::tempdir().unwrap();
        let volumes = Volumes::new(temporary.path().join("volumes"));
        assert!(volumes.list().unwrap().is_empty());
        volumes.create(Some("data"), &BTreeMap::new()).unwrap();
        assert!(matches!(
            volumes.create(Some("data"), &BTreeMap::new()),
            Err(Error::VolumeExists(_))
        ));
        fs::write(volumes.files("data").join("file"), "x").unwrap();
        let mut user = record(1, "db");
        let kind = MountKind::Volume {
            name: "data".into(),
            is_anonymous: false,
            copy: true,
        };
        user.mounts.push(MountPoint {
            target: "/data".into(),
            kind,
            read_only: false,
        });
        let lock = volumes.lock().unwrap();
        let refused = volumes
            .remove(&lock, "data", &[user])
            .unwrap_err()
            .to_string();
        assert!(refused.contains("db"), "{refused}");
        let gone = volumes
            .remove(&lock, "data", &[record(2, "other")])
            .unwrap();
        assert!(gone.join("_data/file").exists() && volumes.list().unwrap().is_empty());
        assert_eq!(volumes.left(&lock), [gone]);
    }

    #[test]
    fn names_lead_nowhere_else() {
        let temporary = tempfile::tempdir().unwrap();
        let volumes = Volumes::new(temporary.path().join("volumes"));
        for name in ["../x", "a/b", ".gone-0-a", ""] {
            assert!(
                volumes.create(Some(name), &BTreeMap::new()).is_err(),
                "{name}"
            );
            assert!(
                matches!(volumes.find(name), Err(Error::NoVolume(_))),
                "{name}"
            );
        }
        let anonymous = volumes
            .ensure(&volumes.lock().unwrap(), None, &BTreeMap::new())
            .unwrap();
        assert!(anonymous.is_anonymous && anonymous.name.len() == 64);
        assert_eq!(volumes.list().unwrap(), [anonymous]);
    }
}
