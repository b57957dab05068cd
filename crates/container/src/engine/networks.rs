//! The networks of an instance: kept beside its containers, made so whenever one of them comes or goes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::folder::{self, Held, Lock};
use super::id::{Chance, Id};
use super::lab::Engine;
use super::record::Record;
use crate::network::names::{self, ExtraHost, ResolverOptions};
use crate::network::{
    self, DEFAULT_NETWORK, Endpoint, Network, NetworkMode, NetworkOptions, Plan, Survey, Taken,
    dns, hold, ipam, publish,
};

/// Networks of one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Networks {
    /// By name; `bridge` once a container was in it.
    pub networks: BTreeMap<String, Network>,
}

/// What a container's network says in its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub hosts: String,
    pub resolver: String,
}

/// Key of a container's own network namespace.
pub fn namespace(id: &Id) -> String {
    format!("container/{id}")
}

fn document(instance: &str) -> String {
    format!("network-{}.json", instance.replace('/', "-"))
}

impl Engine {
    /// The networks of an instance.
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

    fn save_networks(&self, _lock: &Lock, instance: &str, networks: &Networks) -> Result<()> {
        folder::write(self.folder.root(), &document(instance), networks)
    }

    /// Makes a user network in an instance. Errors: there is one of that name; its subnet is somebody's.
    pub fn create_network(
        &self,
        instance: &str,
        options: impl FnOnce(String) -> NetworkOptions,
    ) -> Result<Network> {
        let lock = self.folder.lock_network(instance)?;
        let mut networks = self.networks(instance)?;
        let id = Id::random(&mut Chance::System)?;
        let mut lab = network::Lab::new(&self.client);
        let survey = Survey::of(&mut lab, instance)?;
        let existing: Vec<Network> = networks.networks.values().cloned().collect();
        let made = Network::create(
            options(id.as_str().to_owned()),
            &existing,
            &survey.routes,
            survey.uplink_mtu,
        )?;
        networks.networks.insert(made.name.clone(), made.clone());
        self.save_networks(&lock, instance, &networks)?;
        Ok(made)
    }

    /// Removes a user network that no container is in.
    pub fn remove_network(&self, instance: &str, name: &str) -> Result<()> {
        let lock = self.folder.lock_network(instance)?;
        let mut networks = self.networks(instance)?;
        let Some(network) = networks.networks.get(name).cloned() else {
            return Err(Error::Conflict(format!("network {name} not found")));
        };
        if network.is_default() {
            return Err(Error::Conflict(format!(
                "{name} is a pre-defined network and cannot be removed"
            )));
        }
        let endpoints = self.endpoints(instance, None)?;
        let inside: Vec<&str> = endpoints
            .iter()
            .filter(|endpoint| endpoint.network == network.id)
            .map(|e| e.name.as_str())
            .collect();
        if !inside.is_empty() {
            return Err(Error::Conflict(format!(
                "network {name} has active endpoints: {}",
                inside.join(", ")
            )));
        }
        networks.networks.remove(name);
        self.save_networks(&lock, instance, &networks)?;
        self.apply_networks(instance, &networks, &endpoints)
    }

    /// Places of the containers of an instance that run, `but` one.
    fn endpoints(&self, instance: &str, but: Option<&Id>) -> Result<Vec<Endpoint>> {
        let all = self.folder.list()?.into_iter();
        let others = all.filter(|record| record.instance == instance && Some(&record.id) != but);
        Ok(others.flat_map(|record| record.endpoints).collect())
    }

    fn apply_networks(
        &self,
        instance: &str,
        networks: &Networks,
        endpoints: &[Endpoint],
    ) -> Result<()> {
        let all: Vec<Network> = networks.networks.values().cloned().collect();
        let plan = Plan::new(&all, endpoints)?;
        network::apply(&mut network::Lab::new(&self.client), instance, &plan)?;
        Ok(())
    }

    /// Gives a container its places in networks, and says what is in its files of names. The record is saved before others
    /// may look at who has which address and port.
    pub(super) fn connect(&self, held: &mut Held) -> Result<Names> {
        let instance = held.record.instance.clone();
        let NetworkMode::Bridge(first) = held.record.options.network.clone() else {
            return self.names_without(&held.record);
        };
        let lock = self.folder.lock_network(&instance)?;
        let mut lab = network::Lab::new(&self.client);
        let survey = Survey::of(&mut lab, &instance)?;
        let mut networks = self.networks(&instance)?;
        let wanted: BTreeSet<String> = std::iter::once(first.clone())
            .chain(held.record.options.more_networks.iter().cloned())
            .collect();
        if wanted.contains(DEFAULT_NETWORK) && !networks.networks.contains_key(DEFAULT_NETWORK) {
            let id = Id::random(&mut Chance::System)?;
            let bridge = Network::default_bridge(id.as_str(), &survey.routes, survey.uplink_mtu)?;
            networks.networks.insert(bridge.name.clone(), bridge);
            self.save_networks(&lock, &instance, &networks)?;
        }
        let others = self.endpoints(&instance, Some(&held.record.id))?;
        let taken = self.taken(&survey, &others);
        let published = publish::allocate(&held.record.settings.publish, &taken)?;
        let key = namespace(&held.record.id);
        let mut own: Vec<Endpoint> = Vec::new();
        for (number, name) in std::iter::once(&first)
            .chain(wanted.iter().filter(|name| **name != first))
            .enumerate()
        {
            let by_id = || {
                networks
                    .networks
                    .values()
                    .find(|network| network.id.starts_with(name.as_str()) && name.len() >= 12)
            };
            let found = networks.networks.get(name).or_else(by_id);
            let network = found.ok_or_else(|| {
                Error::Conflict(format!("network {name} not found in this instance"))
            })?;
            let used = others
                .iter()
                .filter(|other| other.network == network.id)
                .map(|other| other.address)
                .collect();
            let address = ipam::allocate_address(network, &used, None)?;
            own.push(Endpoint {
                interface: format!("eth{number}"),
                aliases: if network.is_default() {
                    Vec::new()
                } else {
                    held.record.options.aliases.clone()
                },
                exposed: held.record.settings.exposed.clone(),
                published: if number == 0 {
                    published.clone()
                } else {
                    Vec::new()
                },
                ..Endpoint::new(
                    held.record.id.as_str(),
                    &held.record.name,
                    &key,
                    network,
                    address,
                )
            });
        }
        // What a command left that died before its container ran.
        hold::release(&self.client, &instance, held.record.id.as_str())?;
        dns::close(&self.client, &key)?;
        self.client.remove_netnses(&[&key])?;
        self.client.create_container_netns(&key, &instance, false)?;
        held.record.endpoints = own;
        let all: Vec<Endpoint> = others
            .iter()
            .cloned()
            .chain(held.record.endpoints.iter().cloned())
            .collect();
        let in_networks = |network: &Network| {
            let own = held.record.endpoints.iter();
            own.map(|own| &own.network).any(|id| *id == network.id)
        };
        let has_names = networks
            .networks
            .values()
            .any(|network| !network.is_default() && in_networks(network));
        let done = self
            .apply_networks(&instance, &networks, &all)
            .and_then(|()| {
                let id = held.record.id.as_str();
                Ok(hold::hold(&self.client, &instance, id, &published)?)
            })
            .and_then(|()| match has_names {
                // What its program asks before the daemon serves it waits there.
                true => Ok(dns::open(
                    &self.client,
                    &mut network::Lab::new(&self.client),
                    &key,
                )?),
                false => Ok(()),
            })
            .and_then(|()| held.save());
        if let Err(error) = done {
            held.record.endpoints.clear();
            let _ = hold::release(&self.client, &instance, held.record.id.as_str());
            let _ = dns::close(&self.client, &key);
            let _ = self.apply_networks(&instance, &networks, &others);
            let _ = self.client.remove_netnses(&[&key]);
            return Err(error);
        }
        let networks: Vec<Network> = networks.networks.into_values().collect();
        self.names(&held.record, &networks, &all)
    }

    /// Ports of an instance that somebody has.
    fn taken(&self, survey: &Survey, others: &[Endpoint]) -> Vec<Taken> {
        let of_others = others.iter().flat_map(|other| {
            other
                .published
                .iter()
                .map(|port| Taken::by_container(&other.name, port))
        });
        // What holds the ports of containers listens too: the container is who is told of.
        of_others.chain(survey.taken.iter().cloned()).collect()
    }

    /// Takes a container out of its networks. The record is saved by whoever holds it, also when this fails: its processes
    /// are gone, and what is left in the instance goes with the next change.
    pub(super) fn disconnect(&self, held: &mut Held) -> Result<()> {
        let key = namespace(&held.record.id);
        if held.record.endpoints.is_empty() {
            return Ok(());
        }
        let instance = held.record.instance.clone();
        let _lock = self.folder.lock_network(&instance)?;
        held.record.endpoints.clear();
        held.save()?;
        let is_up = self
            .client
            .list_instances()?
            .iter()
            .any(|one| one.key == instance);
        let done = match is_up {
            true => self.apply_networks(
                &instance,
                &self.networks(&instance)?,
                &self.endpoints(&instance, Some(&held.record.id))?,
            ),
            false => Ok(()),
        };
        hold::release(&self.client, &instance, held.record.id.as_str())?;
        dns::close(&self.client, &key)?;
        self.client.remove_netnses(&[&key])?;
        done
    }

    fn extra(&self, record: &Record, gateway: Option<Ipv4Addr>) -> Result<Vec<ExtraHost>> {
        // Without a bridge nobody is the gateway but the container itself.
        let gateway = gateway.unwrap_or(Ipv4Addr::LOCALHOST);
        record
            .options
            .extra_hosts
            .iter()
            .map(|text| Ok(ExtraHost::parse(text, gateway)?))
            .collect()
    }

    fn resolver(&self, record: &Record, is_embedded: bool) -> names::ResolverFile {
        let resolvers = self
            .resolvers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let options = ResolverOptions {
            servers: record.options.dns.clone(),
            search: record.options.dns_search.clone(),
            options: record.options.dns_options.clone(),
        };
        names::resolver(
            resolvers.get(&record.instance).map_or("", String::as_str),
            &options,
            is_embedded,
        )
    }

    /// Servers that a container's questions go to in the end.
    pub fn forward_to(&self, record: &Record) -> Vec<IpAddr> {
        self.resolver(record, true).forward_to
    }

    fn names(
        &self,
        record: &Record,
        networks: &[Network],
        endpoints: &[Endpoint],
    ) -> Result<Names> {
        let of = |endpoint: &Endpoint| {
            networks
                .iter()
                .find(|network| network.id == endpoint.network)
        };
        let is_embedded = record
            .endpoints
            .iter()
            .any(|endpoint| of(endpoint).is_some_and(|network| !network.is_default()));
        let gateway = networks
            .iter()
            .find(|network| network.is_default())
            .map(|network| network.gateway);
        let gateway = gateway.or_else(|| {
            record
                .endpoints
                .first()
                .and_then(of)
                .map(|network| network.gateway)
        });
        Ok(Names {
            hosts: names::hosts(
                &record.settings.hostname,
                record.id.as_str(),
                networks,
                endpoints,
                &self.extra(record, gateway)?,
            ),
            resolver: self.resolver(record, is_embedded).text,
        })
    }

    /// Of a container without an address of its own.
    fn names_without(&self, record: &Record) -> Result<Names> {
        let resolver = match record.options.network {
            NetworkMode::None => String::new(),
            _ => self.resolver(record, false).text,
        };
        Ok(Names {
            hosts: names::hosts(
                &record.settings.hostname,
                record.id.as_str(),
                &[],
                &[],
                &self.extra(record, None)?,
            ),
            resolver,
        })
    }
}
