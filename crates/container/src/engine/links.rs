//! `--link`: names that one container has for others, and what it is told of them in variables, as Docker does on its
//! default bridge.

use super::error::{Error, Result};
use super::lab::Engine;
use super::options::{Attachment, Options};
use super::record::Record;
use crate::network::{Endpoint, Link, Network, NetworkMode};

/// `NAME[:ALIAS]`; without an alias the name is it.
fn parse(text: &str) -> Result<(&str, &str)> {
    let (name, alias) = text.split_once(':').unwrap_or((text, text));
    let name = name.trim_start_matches('/');
    let alias = alias.trim_start_matches('/');
    let is_sound = |word: &str| !word.is_empty() && !word.contains([':', ' ', '\t', '\n']);
    if !is_sound(name) || !is_sound(alias) {
        return Err(Error::option(
            "--link",
            text,
            "write a container's name, or NAME:ALIAS",
        ));
    }
    Ok((name, alias))
}

impl Engine {
    /// Whom a container's links mean in a network. On the default bridge they must run: their addresses are written down.
    pub(super) fn links(
        &self,
        record: &Record,
        network: &Network,
        asked: &Attachment,
    ) -> Result<Vec<Link>> {
        let mut links = Vec::new();
        for text in record.options.links.iter().chain(&asked.links) {
            let (name, alias) = parse(text)?;
            let target = self.find(name, Some(&record.instance)).map_err(|error| {
                Error::Conflict(format!("could not get container for link {text}: {error}"))
            })?;
            if network.is_default() && !target.state.status.is_alive() {
                return Err(Error::Conflict(format!(
                    "Cannot link to a non running container: /{} AS /{}/{alias}",
                    target.name, record.name
                )));
            }
            let is_here = |endpoint: &Endpoint| endpoint.network == network.id;
            if network.is_default() && !target.endpoints.iter().any(is_here) {
                return Err(Error::Conflict(format!(
                    "Cannot link to /{}, as it does not belong to the default network",
                    target.name
                )));
            }
            links.push(Link {
                container: target.id.as_str().to_owned(),
                alias: alias.to_owned(),
            });
        }
        links.sort();
        links.dedup();
        Ok(links)
    }
}

/// Says what is wrong with links before a container is made.
pub(super) fn check(options: &Options) -> Result<()> {
    let of_networks = options.attachments.values().flat_map(|asked| &asked.links);
    for text in options.links.iter().chain(of_networks) {
        parse(text)?;
    }
    if !options.links.is_empty() && !matches!(options.network, NetworkMode::Bridge(_)) {
        let mode = super::inspect::network_mode(&options.network);
        return Err(Error::Conflict(format!(
            "conflicting options: {mode} type networking can't be used with links"
        )));
    }
    Ok(())
}

/// The variables of a container's links on the default bridge: `DB_PORT_5432_TCP_ADDR=172.17.0.2`.
pub(super) fn environment(
    record: &Record,
    network: &Network,
    endpoints: &[Endpoint],
    find: impl Fn(&str) -> Option<Record>,
) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let here = |endpoint: &&Endpoint| endpoint.network == network.id;
    let Some(own) = record.endpoints.iter().find(here) else {
        return all;
    };
    for link in &own.links {
        let mut targets = endpoints.iter().filter(here);
        let Some(target) = targets.find(|to| to.container == link.container) else {
            continue;
        };
        let name = link.alias.to_ascii_uppercase().replace('-', "_");
        let address = target.address;
        let mut ports = target.exposed.clone();
        ports.sort();
        if let Some(first) = ports.first() {
            let url = format!("{}://{address}:{}", first.transport, first.number);
            all.push((format!("{name}_PORT"), url));
        }
        for port in ports {
            let upper = port.transport.to_string().to_ascii_uppercase();
            let start = format!("{name}_PORT_{}_{upper}", port.number);
            let url = format!("{}://{address}:{}", port.transport, port.number);
            all.extend([
                (start.clone(), url),
                (format!("{start}_ADDR"), address.to_string()),
                (format!("{start}_PORT"), port.number.to_string()),
                (format!("{start}_PROTO"), port.transport.to_string()),
            ]);
        }
        all.push((
            format!("{name}_NAME"),
            format!("/{}/{}", record.name, link.alias),
        ));
        let variables = find(&link.container).map(|target| target.environment());
        let told = variables.into_iter().flatten();
        let told = told.filter(|(known, _)| !["HOME", "PATH"].contains(&known.as_str()));
        all.extend(told.map(|(known, value)| (format!("{name}_ENV_{known}"), value)));
    }
    all
}
