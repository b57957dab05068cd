//! The containers of one lab: making one. What is done to it then lies in the files beside.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use sandbox::{Client, SelfCommand};

use super::error::{Error, Result};
use super::events::Events;
use super::folder::Folder;
use super::id::{self, Chance, Id};
use super::owners;
use super::options::{MountRequest, MountSource, Options};
use super::record::{Declared, ImageOf, MountKind, MountPoint, Record, State, VERSION};
use super::settings::Settings;
use super::time::Moment;
use super::volumes::Volumes;
use crate::network;
use crate::store::Store;

/// How long holder and kernel have for removing a cable with its namespace before it is removed by name: the holder lets
/// namespaces go within a second, which takes the kernel some ten milliseconds, more on a machine with much to do.
const LEAVING: Duration = Duration::from_secs(5);

/// A lab's containers, with all that is needed to change them.
pub struct Engine {
    /// Records.
    pub folder: Folder,
    /// Volumes.
    pub volumes: Volumes,
    /// Images.
    pub store: Store,
    /// The lab's holder.
    pub client: Client,
    /// What happened.
    pub events: Events,
    /// `/etc/resolv.conf` of instances by their key; those that are not here have none.
    pub resolvers: Mutex<BTreeMap<String, String>>,
    /// How many ids exist inside instances, once it is known: a holder does not change it.
    ids: OnceLock<u32>,
    /// Ends of cables that the kernel is removing, with the moment when they were left to it.
    leaving: Mutex<BTreeMap<String, Instant>>,
}

/// Where a lab's containers lie below its folder.
pub fn folder(lab: &Path) -> Folder {
    Folder::new(lab.join("containers"))
}

/// Where a lab's volumes lie below its folder.
pub fn volumes(lab: &Path) -> Volumes {
    Volumes::new(lab.join("volumes"))
}

impl Engine {
    /// Of the lab whose folder is `lab` and whose holder is `client`.
    pub fn new(
        lab: &Path,
        store: Store,
        client: Client,
        resolvers: BTreeMap<String, String>,
    ) -> Engine {
        let folder = folder(lab);
        Engine {
            events: Events::new(folder.root()),
            folder,
            volumes: volumes(lab),
            store,
            client,
            resolvers: Mutex::new(resolvers),
            ids: OnceLock::new(),
            leaving: Mutex::new(BTreeMap::new()),
        }
    }

    /// The lab's namespaces, for one change of networks.
    pub(super) fn namespaces(&self) -> network::Lab<'_> {
        let mut lab = network::Lab::new(&self.client);
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is still there then is nobody's, and is removed like any other.
        leaving.retain(|_, since| since.elapsed() < LEAVING);
        lab.leave(leaving.keys().cloned(), network::Going::Already);
        lab
    }

    /// These devices of an instance are the kernel's from now on.
    pub(super) fn left(&self, devices: impl IntoIterator<Item = String>) {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.extend(devices.into_iter().map(|device| (device, Instant::now())));
    }

    /// How many ids exist inside instances ([`sandbox::client::Stats::instance_ids`]).
    pub(super) fn instance_ids(&self) -> Result<u32> {
        match self.ids.get() {
            Some(ids) => Ok(*ids),
            None => {
                let ids = self.client.stats()?.instance_ids;
                Ok(*self.ids.get_or_init(|| ids))
            }
        }
    }

    /// Makes a container in an instance; nothing runs yet. `instance` is the holder's key. Errors: no such image; what was
    /// asked for contradicts itself; the name is taken.
    pub fn create(
        &self,
        instance: &str,
        options: Options,
        declared: Option<Declared>,
    ) -> Result<Record> {
        let image = self.store.find(&options.image)?;
        let host = crate::oci::Platform::host();
        if !host.runs(&image.platform()) {
            return Err(Error::Conflict(format!(
                "image {} is made for {}, and this machine is {host}",
                options.image,
                image.platform()
            )));
        }
        let id = Id::random(&mut Chance::System)?;
        let mut options = options;
        self.take_mounts(instance, &mut options)?;
        let settings = Settings::new(
            &image.config.config.clone().unwrap_or_default(),
            &options,
            id.short(),
        )?;
        self.check(&options)?;
        let lock = self.folder.lock()?;
        for left in self.folder.left(&lock) {
            sandbox::remove_tree(&left, &SelfCommand::current()?)?;
        }
        let there = self.folder.list()?;
        let taken = |name: &str| {
            there
                .iter()
                .find(|other| other.instance == instance && other.name == name)
        };
        let name = match &options.name {
            Some(name) => {
                id::check_name("container", name)?;
                if let Some(other) = taken(name) {
                    return Err(Error::NameTaken {
                        name: name.clone(),
                        by: other.id.as_str().to_owned(),
                    });
                }
                name.clone()
            }
            None => id::name(&mut Chance::System, |name| taken(name).is_some())?,
        };
        let mut record = Record {
            version: VERSION,
            name,
            instance: instance.to_owned(),
            created: Moment::now(),
            image: ImageOf {
                id: image.id,
                name: options.image.clone(),
            },
            options,
            settings,
            mounts: Vec::new(),
            declared,
            state: State::default(),
            endpoints: Vec::new(),
            id,
        };
        let made = self
            .mounts(&mut record)
            .and_then(|()| self.folder.add(&lock, &record));
        if let Err(error) = made {
            let _ = self.remove_anonymous(&record);
            return Err(error);
        }
        self.note(&record, "create");
        Ok(record)
    }

    /// Adds the mounts of [`Options::volumes_from`]; what is asked for at the same place counts instead.
    fn take_mounts(&self, instance: &str, options: &mut Options) -> Result<()> {
        for text in std::mem::take(&mut options.volumes_from) {
            let (name, read_only) = match text.rsplit_once(':') {
                Some((name, "ro")) => (name, true),
                Some((name, "rw" | "z" | "Z")) => (name, false),
                Some((_, mode)) => return Err(Error::option("--volumes-from", mode, "it is ro or rw")),
                None => (text.as_str(), false),
            };
            for mount in self.find(name, Some(instance))?.mounts {
                let source = match mount.kind {
                    MountKind::Volume { name, copy, .. } => MountSource::Volume { name: Some(name), copy },
                    MountKind::Bind { path, propagation } => MountSource::Bind { path, make: false, propagation },
                    MountKind::Tmpfs { .. } => continue,
                };
                if !options.mounts.iter().any(|known| known.target == mount.target) {
                    options.mounts.push(MountRequest { source, target: mount.target, read_only: read_only || mount.read_only });
                }
            }
        }
        Ok(())
    }

    /// What only shows when it is used, told before anything is made.
    fn check(&self, options: &Options) -> Result<()> {
        let asked = [
            ("--cap-add", &options.capabilities_added),
            ("--cap-drop", &options.capabilities_dropped),
        ];
        for (option, names) in asked {
            let is_none = |name: &&String| sandbox::container::CapabilitySet::NONE.with(name).is_none();
            if let Some(name) = names.iter().find(is_none) {
                let why = "it is no capability: write a name such as NET_ADMIN, or ALL";
                return Err(Error::option(option, name, why));
            }
        }
        for host in &options.extra_hosts {
            network::names::ExtraHost::parse(host, std::net::Ipv4Addr::UNSPECIFIED)?;
        }
        super::links::check(options)
    }

    /// Finds or makes what is to be mounted.
    fn mounts(&self, record: &mut Record) -> Result<()> {
        if record.settings.mounts.is_empty() {
            return Ok(());
        }
        let lock = self.volumes.lock()?;
        for request in &record.settings.mounts {
            let kind = match &request.source {
                MountSource::Tmpfs { bytes, mode } => MountKind::Tmpfs {
                    bytes: *bytes,
                    mode: *mode,
                },
                MountSource::Bind {
                    path,
                    make,
                    propagation,
                } => {
                    if fs::symlink_metadata(path).is_err() {
                        if !make {
                            return Err(Error::Conflict(format!(
                                "bind source path does not exist: {}",
                                path.display()
                            )));
                        }
                        self.make_source(path)?;
                    }
                    MountKind::Bind {
                        path: path.clone(),
                        propagation: propagation.clone(),
                    }
                }
                MountSource::Volume { name, copy } => {
                    let volume = self
                        .volumes
                        .ensure(&lock, name.as_deref(), &BTreeMap::new())?;
                    MountKind::Volume {
                        name: volume.name,
                        is_anonymous: name.is_none(),
                        copy: *copy,
                    }
                }
            };
            record.mounts.push(MountPoint {
                target: request.target.clone(),
                kind,
                read_only: request.read_only,
            });
        }
        Ok(())
    }

    /// A folder to bind that is not there. What is made for a container belongs to root inside.
    fn make_source(&self, path: &Path) -> Result<()> {
        let is_missing = |path: &&Path| fs::symlink_metadata(path).is_err();
        let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
        for folder in missing.into_iter().rev() {
            let made = fs::DirBuilder::new().mode(0o755).create(folder);
            made.map_err(Error::io(format!("making {}", folder.display())))?;
            if self.instance_ids()? > 1 {
                owners::give(folder)?;
            }
        }
        Ok(())
    }

    /// Removes the volumes that go with a container.
    pub(super) fn remove_anonymous(&self, record: &Record) -> Result<()> {
        let is_anonymous = |mount: &MountPoint| matches!(mount.kind, MountKind::Volume { is_anonymous: true, .. });
        if !record.mounts.iter().any(is_anonymous) {
            return Ok(());
        }
        let lock = self.volumes.lock()?;
        let others: Vec<Record> = self
            .folder
            .list()?
            .into_iter()
            .filter(|other| other.id != record.id)
            .collect();
        for mount in &record.mounts {
            let MountKind::Volume {
                name,
                is_anonymous: true,
                ..
            } = &mount.kind
            else {
                continue;
            };
            match self.volumes.remove(&lock, name, &others) {
                Ok(gone) => sandbox::remove_tree(&gone, &SelfCommand::current()?)?,
                // Somebody else has it by its long name, or it was never made.
                Err(Error::VolumeInUse { .. } | Error::NoVolume(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The container of this name or id; `instance`: of this one only.
    pub fn find(&self, text: &str, instance: Option<&str>) -> Result<Record> {
        self.folder.find(text, instance)
    }
}
