//! A container taken apart: its processes as three see them, its namespaces, its root, limits, rights, network and mounts,
//! as the kernel has them now. Of a container that does not run, what is left of it. Start at [`Engine::anatomy`]; what is
//! found is plain data ([`parts`]), and who draws it is elsewhere.

mod files;
mod lens;
mod network;
pub mod parts;
mod processes;
mod rights;

use std::collections::BTreeMap;

use sandbox::container::spec::ContainerStatus;

use self::lens::{Lens, Machine, Words};
pub use self::parts::Anatomy;
use self::parts::{Kernel, Root, SCHEMA, Subject};
use super::error::Result;
use super::inspect::network_mode;
use super::lab::Engine;
use super::networks::namespace;
use super::record::{Record, Status};
use super::time::Moment;
use crate::network::{self as net, NetworkMode};

/// An instance as whoever asks knows it.
#[derive(Debug, Clone)]
pub struct Named<'a> {
    /// The lab.
    pub lab: &'a str,
    /// The instance's name.
    pub instance: &'a str,
    /// Its `i-…`.
    pub id: &'a str,
    /// In one word: `running`, `stopped` …
    pub state: &'a str,
}

impl Engine {
    /// Takes a container apart. Errors: its image is gone; the holder does not answer. What else cannot be looked at is
    /// absent, with a sentence.
    pub fn anatomy(&self, record: &Record, named: &Named<'_>) -> Result<Anatomy> {
        let all = self.folder.list()?;
        let records: Vec<Record> = all.iter().filter(|other| other.instance == record.instance).cloned().collect();
        let known = self.client.list_containers()?;
        let status = known.iter().find(|one| one.key == record.id.as_str() && one.ended.is_none() && one.pid > 0);
        let mut found = Anatomy {
            schema: SCHEMA.to_owned(),
            subject: subject(record, named, status.is_some()),
            root: files::root(self, record, &self.shared_layers(&all, record))?,
            ..Anatomy::default()
        };
        found.limits = rights::limits(self.client.stats()?.enforced, None, Some(record));
        found.kernel.machine = own_release();
        found.network.mode = network_mode(&record.options.network);
        match status {
            Some(status) => self.alive(&mut found, record, &records, &known, status, named)?,
            None => found.mounts = files::mounts(Some(record), None),
        }
        Ok(found)
    }

    /// Takes an instance apart that runs.
    pub fn instance_anatomy(&self, key: &str, named: &Named<'_>) -> Result<Anatomy> {
        let records: Vec<Record> = self.folder.list()?.into_iter().filter(|other| other.instance == key).collect();
        let lens = Lens { client: &self.client, key };
        let machine = Machine::look();
        let mut found = Anatomy {
            schema: SCHEMA.to_owned(),
            subject: Subject {
                kind: "instance".to_owned(),
                name: named.instance.to_owned(),
                id: named.id.to_owned(),
                lab: named.lab.to_owned(),
                instance: named.instance.to_owned(),
                state: named.state.to_owned(),
                status: named.state.to_owned(),
                containers: records.iter().map(|one| (one.name.clone(), one.state.status.name().to_owned())).collect(),
                ..Subject::default()
            },
            ..Anatomy::default()
        };
        found.kernel.machine = own_release();
        let Some(init) = self.client.list_instances()?.into_iter().find(|one| one.key == key) else {
            found.unknown.push(format!("{} does not run: nothing of it is in the kernel", named.instance));
            return Ok(found);
        };
        found.subject.is_alive = true;
        let words = self.words(key, &mut found);
        let mut seen = processes::instance(&lens, &machine, init.pid, true);
        let known = self.client.list_containers()?;
        for status in known.iter().filter(|one| one.instance == key && one.ended.is_none()) {
            seen.extend(processes::container(&lens, &machine, status));
        }
        let first = seen.iter().find(|one| one.lab == init.pid).cloned();
        let users = lens.read(&format!("/proc/{}/uid_map", init.pid)).map(|text| processes::id_map(&text)).unwrap_or_default();
        processes::name_users(&mut seen, &users);
        let network = self.client.list_netnses()?.into_iter().find(|one| one.key == key).map(|one| one.inode);
        found.namespaces = rights::namespaces(&lens, None, &words, network, named.instance, &BTreeMap::new());
        if let Some(first) = &first {
            // Its init is ours; what holds for its programs is what one of them says.
            let status = if words.status.is_empty() { &first.status } else { &words.status };
            found.rights = rights::rights(status, false);
            found.rights.user = Some(0);
            found.rights.users = outside_map(first.row.machine).unwrap_or(users);
        }
        found.limits = rights::limits(self.client.stats()?.enforced, first.and_then(|first| first.row.machine), None);
        found.processes = processes::rows(seen);
        let live = lens.read(&format!("/proc/{}/mountinfo", init.pid)).map(|text| files::mounted(&text));
        found.root = root_of(live.as_deref(), found.root);
        found.mounts = files::mounts(None, live.as_deref());
        let mut lab = net::Lab::new(&self.client);
        found.network = network::look(&mut lab, key)?.inside("vpc");
        network::outside(&mut found.network, &mut lab, key, &self.networks(key)?, &records, None)?;
        Ok(found)
    }

    /// What only a container that runs has.
    fn alive(
        &self,
        found: &mut Anatomy,
        record: &Record,
        records: &[Record],
        known: &[ContainerStatus],
        status: &ContainerStatus,
        named: &Named<'_>,
    ) -> Result<()> {
        let lens = Lens { client: &self.client, key: &record.instance };
        let machine = Machine::look();
        let instances = self.client.list_instances()?;
        let init = instances.iter().find(|one| one.key == record.instance).map_or(0, |one| one.pid);
        let words = self.words(&record.instance, found);
        let mut seen = processes::instance(&lens, &machine, init, false);
        seen.extend(processes::container(&lens, &machine, status));
        // An init of ours (`--init`) can be looked into by nobody: its program, which it started, can.
        let inside = || seen.iter().filter(|one| one.row.role == "container");
        let first = inside().map(|one| one.lab).find(|pid| lens.namespace(&pid.to_string(), "mnt").is_some()).unwrap_or(status.pid);
        found.kernel.container = lens.read(&format!("/proc/{first}/root/proc/sys/kernel/osrelease")).map(|text| text.trim().to_owned());
        let users = lens.read(&format!("/proc/{first}/uid_map")).map(|text| processes::id_map(&text)).unwrap_or_default();
        processes::name_users(&mut seen, &users);
        let own = seen.iter().find(|one| one.lab == first).cloned();
        found.processes = processes::rows(seen);

        let names: BTreeMap<&str, &str> = records.iter().map(|one| (one.id.as_str(), one.name.as_str())).collect();
        let mut others: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for other in known.iter().filter(|other| other.key != status.key && other.ended.is_none()) {
            others.entry(other.network_inode).or_default().extend(names.get(other.key.as_str()).map(|name| (*name).to_owned()));
        }
        let network = self.client.list_netnses()?.into_iter().find(|one| one.key == record.instance).map(|one| one.inode);
        found.namespaces = rights::namespaces(&lens, Some(first), &words, network, named.instance, &others);

        if let Some(own) = &own {
            found.rights = rights::rights(&own.status, record.options.privileged);
            found.rights.user = own.row.user;
            found.rights.users = outside_map(own.row.machine).unwrap_or(users);
            found.limits = rights::limits(found.limits.enforced.clone(), own.row.machine, Some(record));
        }
        let live = lens.read(&format!("/proc/{first}/mountinfo")).map(|text| files::mounted(&text));
        found.root = root_of(live.as_deref(), std::mem::take(&mut found.root));
        found.root.root_of_first = self.client.read_link(&format!("/proc/{first}/root")).ok();
        found.mounts = files::mounts(Some(record), live.as_deref());
        // Only a file that was laid there by us is read: nothing of the image leads out of its root then.
        let laid = |path: &str| live.as_ref().is_some_and(|all| all.iter().any(|one| one.target == path && one.file_system == "tmpfs"));
        let lines = |path: &str| -> Vec<String> {
            let text = if laid(path) { lens.read(&format!("/proc/{first}/root{path}")) } else { None };
            text.unwrap_or_default().lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
        };
        let (resolver, hosts) = (lines("/etc/resolv.conf"), lines("/etc/hosts"));
        self.look_at_network(found, record, records, &lens, first)?;
        (found.network.resolver, found.network.hosts) = (resolver, hosts);
        Ok(())
    }

    fn look_at_network(&self, found: &mut Anatomy, record: &Record, records: &[Record], lens: &Lens<'_>, first: i32) -> Result<()> {
        let mode = network_mode(&record.options.network);
        let mut lab = net::Lab::new(&self.client);
        let networks = self.networks(&record.instance)?;
        let owner = match &record.options.network {
            NetworkMode::Container(other) => records.iter().find(|one| one.name == *other || one.id.as_str().starts_with(other.as_str())),
            _ => Some(record),
        };
        match (&record.options.network, owner) {
            (NetworkMode::Host, _) => found.network = network::look(&mut lab, &record.instance)?.inside(&mode),
            (NetworkMode::None, _) => {
                found.network.mode = mode;
                let devices = lens.read(&format!("/proc/{first}/net/dev")).unwrap_or_default();
                let names = devices.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
                found.network.devices = names.map(|name| parts::Device { name, index: 1, kind: "loopback".into(), is_up: true, ..parts::Device::default() }).collect();
            }
            (_, Some(owner)) if !owner.endpoints.is_empty() => {
                found.network = network::look(&mut lab, &namespace(&owner.id))?.inside(&mode);
                network::outside(&mut found.network, &mut lab, &record.instance, &networks, records, Some(owner))?;
            }
            _ => found.network.mode = mode,
        }
        Ok(())
    }

    /// What the instance says of itself, or why not.
    fn words(&self, instance: &str, found: &mut Anatomy) -> Words {
        let words = lens::ask(&self.client, instance).unwrap_or_else(|error| {
            found.unknown.push(format!("namespaces of the instance: {error}"));
            Words::default()
        });
        let Kernel { instance, .. } = &mut found.kernel;
        instance.clone_from(&words.release);
        words
    }

    /// How many other containers of the lab stand on each layer of a container's image.
    fn shared_layers(&self, all: &[Record], own: &Record) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        let mut images: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for record in all.iter().filter(|record| record.id != own.id) {
            let id = record.image.id.to_string();
            let layers = images.entry(id.clone()).or_insert_with(|| {
                let image = self.store.find(&id);
                image.map(|image| image.config.rootfs.diff_ids.iter().map(ToString::to_string).collect()).unwrap_or_default()
            });
            for layer in layers.iter() {
                *counts.entry(layer.clone()).or_insert(0) += 1;
            }
        }
        counts
    }
}

fn own_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// The map from inside to this machine.
fn outside_map(machine: Option<i32>) -> Option<Vec<parts::IdRange>> {
    let text = std::fs::read_to_string(format!("/proc/{}/uid_map", machine?)).ok()?;
    Some(processes::id_map(&text)).filter(|map| !map.is_empty())
}

fn root_of(live: Option<&[files::Mounted]>, root: Root) -> Root {
    let at_root = live.and_then(|live| live.iter().find(|one| one.target == "/"));
    Root {
        file_system: at_root.map(|one| one.file_system.clone()),
        is_read_only: at_root.map_or(root.is_read_only, |one| one.is_read_only),
        mounts_seen: live.map(<[files::Mounted]>::len),
        ..root
    }
}

fn subject(record: &Record, named: &Named<'_>, is_alive: bool) -> Subject {
    let state = &record.state;
    let has_ended = matches!(state.status, Status::Exited | Status::Restarting | Status::Dead);
    Subject {
        kind: "container".to_owned(),
        name: record.name.clone(),
        id: record.id.as_str().to_owned(),
        lab: named.lab.to_owned(),
        instance: named.instance.to_owned(),
        image: Some(record.image.name.clone()),
        command: record.settings.arguments(),
        state: state.status.name().to_owned(),
        status: record.status_text(Moment::now()),
        exit_code: has_ended.then_some(state.exit_code),
        out_of_memory: state.oom_killed,
        is_alive,
        containers: BTreeMap::new(),
    }
}
