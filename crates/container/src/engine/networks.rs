//! The networks of an instance: kept beside its containers, made so whenever one of them comes or goes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;

use netlink::Protocol;
use netlink::nft::dump::generation;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::events::{Event, Kind};
use super::folder;
use super::lock::Lock;
use super::id::{Chance, Id};
use super::lab::Engine;
use super::record::Record;
use super::time::Moment;
use crate::network::apply::Namespaces as _;
use crate::network::{
    self, DEFAULT_MTU, DEFAULT_NETWORK, Endpoint, Network, NetworkMode, NetworkOptions, Plan,
    Survey, predefined_id,
};

/// Networks of one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Networks {
    /// By name; `bridge` once a container was in it.
    pub networks: BTreeMap<String, Network>,
}

impl Networks {
    /// All of them, by name.
    pub(super) fn all(&self) -> Vec<Network> {
        self.networks.values().cloned().collect()
    }

    /// The one of this name or id, or whose id alone begins so.
    pub(super) fn find(&self, text: &str) -> Result<&Network> {
        if let Some(network) = self.networks.get(text) {
            return Ok(network);
        }
        let begins = |network: &&Network| !text.is_empty() && network.id.starts_with(text);
        let found: Vec<&Network> = self.networks.values().filter(begins).collect();
        match found[..] {
            [] => Err(Error::NoNetwork(text.to_owned())),
            [one] => Ok(one),
            _ => Err(ambiguous(text, found.iter().map(|one| one.id.as_str()))),
        }
    }
}

fn ambiguous<'a>(text: &str, ids: impl Iterator<Item = &'a str>) -> Error {
    let short = |id: &str| id.get(..12).unwrap_or(id).to_owned();
    Error::Ambiguous {
        text: text.to_owned(),
        ids: ids.map(short).collect(),
    }
}

/// What makes a network of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Driver {
    /// A bridge.
    Bridge,
    /// The instance's own namespace.
    Host,
    /// Nothing: a namespace with `lo` alone.
    Null,
}

impl Driver {
    /// As Docker writes it.
    pub fn name(self) -> &'static str {
        match self {
            Driver::Bridge => "bridge",
            Driver::Host => "host",
            Driver::Null => "null",
        }
    }
}

/// A network as it is shown: the bridges, and `host` and `none`, which are no more than a mode of containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownNetwork {
    /// Its name.
    pub name: String,
    /// 64 hexadecimal digits.
    pub id: String,
    /// What makes it.
    pub driver: Driver,
    /// Its definition, where it is a bridge.
    pub network: Option<Network>,
    /// Who is in it, by name: places of containers that run, and ids and names of those that have the mode.
    pub members: Vec<Member>,
}

impl ShownNetwork {
    /// Whether every instance has it, and nobody can remove it.
    pub fn is_predefined(&self) -> bool {
        self.driver != Driver::Bridge || self.name == DEFAULT_NETWORK
    }
}

/// Who is in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Id of the container.
    pub container: String,
    /// Its name.
    pub name: String,
    /// Its place, where the network is a bridge.
    pub endpoint: Option<Endpoint>,
}

/// Key of a container's own network namespace.
pub fn namespace(id: &Id) -> String {
    format!("container/{id}")
}

fn document(instance: &str) -> String {
    format!("network-{}.json", instance.replace('/', "-"))
}

impl Engine {
    /// The bridges of an instance that are on record.
    pub fn networks(&self, instance: &str) -> Result<Networks> {
        let path: PathBuf = self.folder.root().join(document(instance));
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Networks::default()),
            Err(error) => Err(Error::io(format!("reading {}", path.display()))(error)),
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| Error::Malformed {
                what: path.display().to_string(),
                why: e.to_string(),
            }),
        }
    }

    pub(super) fn save_networks(
        &self,
        _lock: &Lock,
        instance: &str,
        networks: &Networks,
    ) -> Result<()> {
        folder::write(self.folder.root(), &document(instance), networks, true)
    }

    /// Puts `bridge` on record, where it is not.
    pub(super) fn ensure_bridge(
        &self,
        lock: &Lock,
        instance: &str,
        networks: &mut Networks,
        lab: &mut network::Lab,
    ) -> Result<()> {
        if networks.networks.contains_key(DEFAULT_NETWORK) {
            return Ok(());
        }
        let survey = Survey::of(lab, instance)?;
        let id = predefined_id(instance, DEFAULT_NETWORK);
        let bridge = Network {
            created: Moment::now().to_string(),
            ..Network::default_bridge(id, &survey.routes, survey.uplink_mtu)?
        };
        networks.networks.insert(bridge.name.clone(), bridge);
        self.save_networks(lock, instance, networks)
    }

    /// Every network of an instance, by name: `bridge`, `host` and `none`, and those that somebody made.
    pub fn list_networks(&self, instance: &str) -> Result<Vec<ShownNetwork>> {
        let mut networks = self.networks(instance)?;
        if !networks.networks.contains_key(DEFAULT_NETWORK) {
            // It is made for the first container; until then this is what it will be.
            let survey = Survey::of(&mut self.namespaces(), instance);
            let (routes, mtu) = survey.map_or((Vec::new(), DEFAULT_MTU), |survey| {
                (survey.routes, survey.uplink_mtu)
            });
            let id = predefined_id(instance, DEFAULT_NETWORK);
            if let Ok(bridge) = Network::default_bridge(id, &routes, mtu) {
                networks.networks.insert(bridge.name.clone(), bridge);
            }
        }
        let mut records = self.folder.list()?;
        records.retain(|record| record.instance == instance);
        let bridges = networks.networks.into_values().map(|network| {
            let members = records
                .iter()
                .flat_map(|record| &record.endpoints)
                .filter(|endpoint| endpoint.network == network.id)
                .map(|endpoint| Member {
                    container: endpoint.container.clone(),
                    name: endpoint.name.clone(),
                    endpoint: Some(endpoint.clone()),
                })
                .collect();
            ShownNetwork {
                name: network.name.clone(),
                id: network.id.clone(),
                driver: Driver::Bridge,
                network: Some(network),
                members,
            }
        });
        let modes = [
            ("host", Driver::Host, NetworkMode::Host),
            ("none", Driver::Null, NetworkMode::None),
        ];
        let modes = modes.into_iter().map(|(name, driver, mode)| {
            let has_mode =
                |record: &&Record| record.options.network == mode && record.state.status.is_alive();
            let members = records.iter().filter(has_mode).map(|record| Member {
                container: record.id.as_str().to_owned(),
                name: record.name.clone(),
                endpoint: None,
            });
            ShownNetwork {
                name: name.to_owned(),
                id: predefined_id(instance, name),
                driver,
                network: None,
                members: members.collect(),
            }
        });
        let mut all: Vec<ShownNetwork> = bridges.chain(modes).collect();
        for network in &mut all {
            network.members.sort_by(|a, b| a.name.cmp(&b.name));
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// The network of this name or id, or whose id alone begins so.
    pub fn find_network(&self, instance: &str, text: &str) -> Result<ShownNetwork> {
        let mut all = self.list_networks(instance)?;
        if let Some(at) = all
            .iter()
            .position(|one| one.name == text || one.id == text)
        {
            return Ok(all.swap_remove(at));
        }
        all.retain(|one| !text.is_empty() && one.id.starts_with(text));
        match all.len() {
            0 => Err(Error::NoNetwork(text.to_owned())),
            1 => Ok(all.swap_remove(0)),
            _ => Err(ambiguous(text, all.iter().map(|one| one.id.as_str()))),
        }
    }

    /// Makes a user network in an instance that runs: its bridge is there at once. Errors: there is one of that name; its
    /// subnet is somebody's.
    pub fn create_network(
        &self,
        instance: &str,
        options: impl FnOnce(String) -> NetworkOptions,
    ) -> Result<Network> {
        let lock = self.folder.lock_network(instance)?;
        let mut networks = self.networks(instance)?;
        let id = Id::random(&mut Chance::System)?;
        let mut options = options(id.as_str().to_owned());
        if network::is_reserved(&options.name) {
            return Err(Error::Forbidden(format!(
                "operation is not permitted on predefined {} network",
                options.name
            )));
        }
        if networks.networks.contains_key(&options.name) {
            return Err(Error::NetworkExists(options.name));
        }
        options.created = Moment::now().to_string();
        let mut lab = self.namespaces();
        let survey = Survey::of(&mut lab, instance)?;
        let made = Network::create(options, &networks.all(), &survey.routes, survey.uplink_mtu)?;
        networks.networks.insert(made.name.clone(), made.clone());
        // Its bridge first: what cannot be made is not on record.
        self.apply_networks(instance, &networks, &self.endpoints(instance, None)?)?;
        self.save_networks(&lock, instance, &networks)?;
        self.note_network(instance, &made, "create", None);
        Ok(made)
    }

    /// Says what happened to a network, or to a container in it.
    pub(super) fn note_network(
        &self,
        instance: &str,
        network: &Network,
        action: &str,
        container: Option<&str>,
    ) {
        let event = Event::new(Kind::Network, action, &network.id)
            .in_instance(instance)
            .with("name", &network.name)
            .with("type", Driver::Bridge.name());
        self.events.say(&match container {
            Some(container) => event.with("container", container),
            None => event,
        });
    }

    /// Removes a user network that no container is in; its name.
    pub fn remove_network(&self, instance: &str, text: &str) -> Result<String> {
        let shown = self.find_network(instance, text)?;
        if shown.is_predefined() {
            return Err(Error::Forbidden(format!(
                "{} is a pre-defined network and cannot be removed",
                shown.name
            )));
        }
        let lock = self.folder.lock_network(instance)?;
        let mut networks = self.networks(instance)?;
        let endpoints = self.endpoints(instance, None)?;
        let mut inside: Vec<String> = endpoints
            .iter()
            .filter(|endpoint| endpoint.network == shown.id)
            .map(|e| {
                let id = e.container.get(..12).unwrap_or(&e.container);
                format!("name:\"{}\" id:\"{id}\"", e.name)
            })
            .collect();
        inside.sort();
        if !inside.is_empty() {
            return Err(Error::Forbidden(format!(
                "error while removing network: network {} has active endpoints ({})",
                shown.name,
                inside.join(", ")
            )));
        }
        let Some(gone) = networks.networks.remove(&shown.name) else {
            return Err(Error::NoNetwork(text.to_owned()));
        };
        self.save_networks(&lock, instance, &networks)?;
        if self.is_up(instance)? {
            self.apply_networks(instance, &networks, &endpoints)?;
        }
        self.note_network(instance, &gone, "destroy", None);
        Ok(shown.name)
    }

    /// Removes the user networks of an instance that nobody is in and that `goes` says yes to; their names.
    pub fn prune_networks(
        &self,
        instance: &str,
        goes: impl Fn(&Network) -> bool,
    ) -> Result<Vec<String>> {
        let mut gone = Vec::new();
        for shown in self.list_networks(instance)? {
            let is_meant = shown.network.as_ref().is_some_and(&goes);
            if shown.is_predefined() || !shown.members.is_empty() || !is_meant {
                continue;
            }
            match self.remove_network(instance, &shown.id) {
                Ok(name) => gone.push(name),
                // Somebody came in, or was faster.
                Err(Error::Forbidden(_) | Error::NoNetwork(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(gone)
    }

    /// Makes the networks of instances anew where somebody changed the rules of an instance since it was `seen` last (the
    /// generation of its rule set, by instance), or where it was started meanwhile. What went wrong, by instance.
    pub fn mend_networks(&self, seen: &mut BTreeMap<String, u32>) -> Result<Vec<(String, Error)>> {
        let running: BTreeSet<String> = self
            .client
            .list_instances()?
            .into_iter()
            .map(|instance| instance.key)
            .collect();
        seen.retain(|instance, _| running.contains(instance));
        let mut failures = Vec::new();
        for instance in running {
            match self.mend(&instance, seen.get(&instance).copied()) {
                Ok(Some(generation)) => drop(seen.insert(instance, generation)),
                Ok(None) => {}
                Err(error) => failures.push((instance, error)),
            }
        }
        Ok(failures)
    }

    /// The generation of an instance's rules when they are right; nothing where it has no networks.
    fn mend(&self, instance: &str, seen: Option<u32>) -> Result<Option<u32>> {
        if !self.folder.root().join(document(instance)).exists() {
            return Ok(None);
        }
        let mut lab = self.namespaces();
        let generation = |lab: &mut network::Lab<'_>| -> Result<u32> {
            let socket = lab.socket(instance, Protocol::Netfilter)?;
            let found = generation(socket);
            Ok(found.map_err(network::Error::kernel(instance))?)
        };
        let found = generation(&mut lab)?;
        if seen == Some(found) {
            return Ok(seen);
        }
        let _lock = self.folder.lock_network(instance)?;
        let (networks, endpoints) = (self.networks(instance)?, self.endpoints(instance, None)?);
        self.apply_networks(instance, &networks, &endpoints)?;
        Ok(Some(generation(&mut lab)?))
    }

    /// Places of the containers of an instance that run, `but` one.
    pub(super) fn endpoints(&self, instance: &str, but: Option<&Id>) -> Result<Vec<Endpoint>> {
        let mut others = self.folder.list()?;
        others.retain(|record| record.instance == instance && Some(&record.id) != but);
        self.places(others)
    }

    /// Places of those of these containers that run.
    pub(super) fn places(&self, records: Vec<Record>) -> Result<Vec<Endpoint>> {
        let mut places: Vec<Endpoint> = records.into_iter().flat_map(|record| record.endpoints).collect();
        if !places.is_empty() {
            // After a holder that was killed, records name namespaces that went with it, until each is brought up to date.
            let there: BTreeSet<String> = self.client.list_netnses()?.into_iter().map(|status| status.key).collect();
            places.retain(|endpoint| there.contains(&endpoint.namespace));
        }
        Ok(places)
    }

    pub(super) fn is_up(&self, instance: &str) -> Result<bool> {
        let all = self.client.list_instances()?;
        Ok(all.iter().any(|one| one.key == instance))
    }

    pub(super) fn apply_networks(
        &self,
        instance: &str,
        networks: &Networks,
        endpoints: &[Endpoint],
    ) -> Result<()> {
        self.apply_networks_in(&mut self.namespaces(), instance, networks, endpoints)
    }

    pub(super) fn apply_networks_in(
        &self,
        lab: &mut network::Lab,
        instance: &str,
        networks: &Networks,
        endpoints: &[Endpoint],
    ) -> Result<()> {
        let plan = Plan::new(&networks.all(), endpoints)?;
        network::apply(lab, instance, &plan)?;
        Ok(())
    }
}
