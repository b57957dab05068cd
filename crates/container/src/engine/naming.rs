//! What a container's networks say in its files and variables: `/etc/hosts`, `/etc/resolv.conf`, its links.

use std::net::{IpAddr, Ipv4Addr};

use super::error::Result;
use super::id::Id;
use super::lab::Engine;
use super::links;
use super::record::Record;
use crate::network::names::{self, ExtraHost, ResolverOptions};
use crate::network::{Endpoint, Network, NetworkMode};

/// What a container's network says in its files and variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub hosts: String,
    pub resolver: String,
    /// What its links tell of others.
    pub environment: Vec<(String, String)>,
}

impl Engine {
    /// Writes the files of a container that runs.
    pub(super) fn tell(&self, record: &Record, names: &Names) -> Result<()> {
        let files = [
            ("/etc/hosts", &names.hosts),
            ("/etc/resolv.conf", &names.resolver),
        ];
        for (path, content) in files {
            self.client
                .write_container_file(record.id.as_str(), path, content)?;
        }
        Ok(())
    }

    /// Writes `/etc/hosts` of those that run and have a link to a container whose address may be another one now.
    pub(super) fn tell_linked(&self, to: &Record, networks: &[Network], all: &[Endpoint]) {
        let mut links = all.iter().flat_map(|endpoint| &endpoint.links);
        if !links.any(|link| link.container == to.id.as_str()) {
            return;
        }
        let Ok(records) = self.folder.list() else {
            return;
        };
        let is_linked = |record: &&Record| {
            let mut links = record.endpoints.iter().flat_map(|own| &own.links);
            record.id != to.id && links.any(|link| link.container == to.id.as_str())
        };
        for record in records.iter().filter(is_linked) {
            // One that ends just now needs none.
            if let Ok(names) = self.names(record, networks, all) {
                let _ = self.tell(record, &names);
            }
        }
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

    pub(super) fn names(
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
        let default = networks.iter().find(|network| network.is_default());
        let environment = match default {
            Some(default) => links::environment(record, default, endpoints, |id| {
                let id = Id::try_from(id.to_owned()).ok()?;
                self.folder.read(&id).ok().flatten()
            }),
            None => Vec::new(),
        };
        Ok(Names {
            hosts: names::hosts(
                &record.settings.hostname,
                record.id.as_str(),
                networks,
                endpoints,
                &self.extra(record, gateway)?,
            ),
            resolver: self.resolver(record, is_embedded).text,
            environment,
        })
    }

    /// Of a container without an address of its own.
    pub(super) fn names_without(&self, record: &Record) -> Result<Names> {
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
            environment: Vec::new(),
        })
    }
}
