//! The places of containers in networks: chosen and taken when a container starts, changed while it runs, given up when it
//! ends.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::error::{Error, Result};
use super::folder::Held;
use super::id::Id;
use super::lab::Engine;
use super::networks::{Networks, namespace};
use super::options::Attachment;
use super::record::Record;
use crate::network::{
    self, Endpoint, Exits, Going, Network, NetworkMode, Plan, PublishedPort, Taken,
    dns, hold, ipam, mac_of, publish,
};

/// What is known of an instance while a container's places are changed.
pub(super) struct Around {
    pub networks: Networks,
    /// Ports that programs listen on, where the container publishes some.
    listening: Vec<Taken>,
    /// Places of all other containers.
    others: Vec<Endpoint>,
    /// What other containers ask for whenever they run, with the network's id: nobody else is given their addresses while
    /// there are others.
    asked: Vec<(String, Attachment)>,
}

/// What a container has in its instance before its places change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// A namespace that was made just now.
    Nothing,
    /// Places, of which none is in a network with names.
    Places,
    /// Its questions are answered already.
    Names,
}

impl Before {
    fn of(has_names: bool) -> Before {
        match has_names {
            true => Before::Names,
            false => Before::Places,
        }
    }
}

impl Around {
    pub(super) fn all(&self, own: &[Endpoint]) -> Vec<Endpoint> {
        self.others.iter().chain(own).cloned().collect()
    }

    /// Addresses of a network that are in use, and those that others ask for.
    fn kept<A: Ord + Copy>(
        &self,
        network: &Network,
        used: &BTreeSet<A>,
        of: impl Fn(&Attachment) -> Option<A>,
    ) -> BTreeSet<A> {
        let here = self.asked.iter().filter(|(id, _)| *id == network.id);
        used.iter().copied().chain(here.filter_map(|(_, asked)| of(asked))).collect()
    }

    fn of(&self, endpoint: &Endpoint) -> Option<&Network> {
        let mut all = self.networks.networks.values();
        all.find(|network| network.id == endpoint.network)
    }

    /// Whether somebody in these places asks for names.
    fn has_names(&self, own: &[Endpoint]) -> bool {
        own.iter().any(|endpoint| {
            self.of(endpoint)
                .is_some_and(|network| !network.is_default())
        })
    }

    /// Ports of the instance that somebody has. What holds the ports of containers listens too: the container is who is
    /// told of.
    fn taken(&self) -> Vec<Taken> {
        let of_others = self.others.iter().flat_map(|other| {
            other
                .published
                .iter()
                .map(|port| Taken::by_container(&other.name, port))
        });
        of_others.chain(self.listening.iter().cloned()).collect()
    }
}

impl Engine {
    /// What is known of a container's instance. Its network's lock is the caller's.
    pub(super) fn around(&self, record: &Record, networks: Networks, lab: &mut network::Lab) -> Result<Around> {
        let mut others = self.folder.list()?;
        others.retain(|other| other.instance == record.instance && other.id != record.id);
        let of = |other: &Record| -> Vec<(String, Attachment)> {
            // One that asks for a network that went is told so when it starts.
            let known = |text| networks.find(text).ok().map(|network| (text, network));
            let joined = other.options.joined().into_iter().filter_map(known);
            joined.map(|(text, network)| (network.id.clone(), asked(other, text, network))).collect()
        };
        let asked = others.iter().flat_map(of).collect();
        let others = self.places(others)?;
        let listening = match record.settings.publish.is_empty() {
            true => Vec::new(),
            false => {
                // Whoever holds a port has it on record before the lock is given up: those of others are of commands that died.
                let own = [record.id.as_str()].into_iter();
                let known = own.chain(others.iter().map(|other| other.container.as_str())).collect();
                hold::forget_others(&self.client, &record.instance, &known)?;
                network::listeners(lab, &record.instance)?
            }
        };
        Ok(Around {
            others,
            networks,
            listening,
            asked,
        })
    }

    /// Says which places a container has and had not, and had and has not.
    pub(super) fn note_places(&self, record: &Record, before: &[Endpoint], networks: &Networks) {
        let all = networks.networks.values();
        for network in all {
            let is_here = |endpoint: &Endpoint| endpoint.network == network.id;
            let (was, is) = (
                before.iter().any(is_here),
                record.endpoints.iter().any(is_here),
            );
            let action = match (was, is) {
                (false, true) => "connect",
                (true, false) => "disconnect",
                _ => continue,
            };
            let container = Some(record.id.as_str());
            self.note_network(&record.instance, network, action, container);
        }
    }

    /// Makes the places of a record so, and saves it.
    pub(super) fn take(
        &self,
        held: &mut Held,
        around: &Around,
        published: &[PublishedPort],
        before: Before,
        lab: &mut network::Lab,
    ) -> Result<()> {
        let instance = held.record.instance.clone();
        let key = namespace(&held.record.id);
        let all = around.all(&held.record.endpoints);
        let plan = Plan::new(&around.networks.all(), &all)?;
        network::apply(lab, &instance, &plan)?;
        let id = held.record.id.as_str();
        if before != Before::Nothing || !published.is_empty() {
            hold::hold(&self.client, &instance, id, published)?;
        }
        match (before == Before::Names, around.has_names(&held.record.endpoints)) {
            // What its program asks before the daemon serves it waits there.
            (false, true) => {
                dns::open(&self.client, lab, &key)?;
            }
            (true, false) => dns::close(&self.client, &key)?,
            _ => {}
        }
        held.save()
    }

    /// A place in a network, with addresses of it.
    pub(super) fn place(
        &self,
        record: &Record,
        network: &Network,
        asked: &Attachment,
        around: &Around,
        own: &[Endpoint],
    ) -> Result<Endpoint> {
        if own.iter().any(|one| one.network == network.id) {
            return Err(Error::Conflict(format!(
                "network {} is named twice",
                network.name
            )));
        }
        let inside = || {
            let others = around.others.iter();
            others.filter(|other| other.network == network.id)
        };
        let used = inside().map(|other| other.address).collect();
        let used_v6 = inside().filter_map(|other| other.address_v6).collect();
        let address = match asked.address {
            Some(_) => ipam::allocate_address(network, &used, asked.address)?,
            // Who asked for an address finds it free when it comes back; only a full network gives it away.
            None => ipam::allocate_address(network, &around.kept(network, &used, |asked| asked.address), None)
                .or_else(|_| ipam::allocate_address(network, &used, None))?,
        };
        let address_v6 = match asked.address_v6 {
            Some(_) => ipam::allocate_address_v6(network, &used_v6, asked.address_v6)?,
            None => ipam::allocate_address_v6(network, &around.kept(network, &used_v6, |asked| asked.address_v6), None)
                .or_else(|_| ipam::allocate_address_v6(network, &used_v6, None))?,
        };
        let mac = asked.mac.unwrap_or_else(|| mac_of(address));
        if let Some(other) = inside().find(|other| other.mac == mac) {
            return Err(Error::Conflict(format!(
                "container {} has the same MAC address in network {}",
                other.name, network.name
            )));
        }
        // The lowest number that no device of it has.
        let interface = (0..=own.len())
            .map(|number| format!("eth{number}"))
            .find(|name| own.iter().all(|one| one.interface != *name))
            .unwrap_or_else(|| "eth0".to_owned());
        Ok(Endpoint {
            interface,
            address_v6,
            mac,
            aliases: asked.aliases.clone(),
            links: self.links(record, network, asked)?,
            gateway_priority: asked.gateway_priority,
            exposed: record.settings.exposed.clone(),
            ..Endpoint::new(
                record.id.as_str(),
                &record.name,
                namespace(&record.id),
                network,
                address,
            )
        })
    }

    /// Connects a container to one more network of its instance, while it runs or before it does. Errors: it is in it; it
    /// has no network of its own; the address is somebody's.
    pub fn connect_network(&self, id: &Id, network: &str, asked: Attachment) -> Result<()> {
        let mut held = self.folder.hold(id)?;
        self.settle(&mut held)?;
        let instance = held.record.instance.clone();
        may_join(&held.record)?;
        let shown = self.find_network(&instance, network)?;
        let Some(found) = shown.network else {
            return Err(Error::Forbidden(format!(
                "container cannot be connected to {} network",
                shown.name
            )));
        };
        let lock = self.folder.lock_network(&instance)?;
        let mut networks = self.networks(&instance)?;
        // What would be refused at its next start is refused now.
        ipam::allocate_address(&found, &Default::default(), asked.address)?;
        ipam::allocate_address_v6(&found, &Default::default(), asked.address_v6)?;
        let joined = |record: &Record, networks: &Networks| {
            let mut joined = record.options.joined().into_iter();
            joined.any(|text| {
                networks.find(text).is_ok_and(|one| one.id == found.id) || text == found.name
            })
        };
        let is_alive = held.record.state.status.is_alive();
        if joined(&held.record, &networks) && is_alive {
            return Err(Error::Forbidden(format!(
                "endpoint with name {} already exists in network {}",
                held.record.name, found.name
            )));
        }
        let before = held.record.clone();
        join(&mut held.record, &found, asked);
        if !is_alive {
            return held.save();
        }
        let mut lab = self.namespaces();
        if found.is_default() {
            self.ensure_bridge(&lock, &instance, &mut networks, &mut lab)?;
        }
        let around = self.around(&held.record, networks, &mut lab)?;
        let network = around.networks.find(&found.id)?;
        let asked = self::asked(&held.record, &found.name, network);
        let mut own = held.record.endpoints.clone();
        own.push(self.place(&held.record, network, &asked, &around, &own)?);
        self.change(&mut held, around, own, before, lab)
    }

    /// Takes a container out of a network, while it runs or not. `force`: one that is gone is no error.
    pub fn disconnect_network(&self, id: &Id, network: &str, force: bool) -> Result<()> {
        let mut held = self.folder.hold(id)?;
        self.settle(&mut held)?;
        let instance = held.record.instance.clone();
        let shown = self.find_network(&instance, network)?;
        let Some(found) = shown.network else {
            return Err(Error::Forbidden(format!(
                "container cannot be disconnected from {} network",
                shown.name
            )));
        };
        let _lock = self.folder.lock_network(&instance)?;
        let networks = self.networks(&instance)?;
        let before = held.record.clone();
        let is_in = leave(&mut held.record, &found);
        let is_inside = |endpoint: &Endpoint| endpoint.network == found.id;
        if !is_in && !held.record.endpoints.iter().any(is_inside) {
            if force {
                return Ok(());
            }
            return Err(Error::Forbidden(format!(
                "container {} is not connected to network {}",
                held.record.name, found.name
            )));
        }
        if !held.record.state.status.is_alive() {
            return held.save();
        }
        let mut own = held.record.endpoints.clone();
        own.retain(|endpoint| !is_inside(endpoint));
        let mut lab = self.namespaces();
        let around = self.around(&held.record, networks, &mut lab)?;
        self.change(&mut held, around, own, before, lab)
    }

    /// Gives a container that runs other places. What fails leaves it as it was.
    fn change(
        &self,
        held: &mut Held,
        around: Around,
        mut own: Vec<Endpoint>,
        before: Record,
        mut lab: network::Lab,
    ) -> Result<()> {
        let had = before.endpoints.iter();
        let had: Vec<PublishedPort> = had.flat_map(|one| one.published.clone()).collect();
        let published = ports(&held.record, &around, &mut own, had)?;
        let places = before.endpoints.clone();
        let had_names = Before::of(around.has_names(&places));
        held.record.endpoints = own;
        if let Err(error) = self.take(held, &around, &published, had_names, &mut lab) {
            let has_names = Before::of(around.has_names(&held.record.endpoints));
            held.record = before;
            let old = held.record.endpoints.iter();
            let old: Vec<PublishedPort> = old.flat_map(|one| one.published.clone()).collect();
            let _ = self.take(held, &around, &old, has_names, &mut lab);
            return Err(error);
        }
        self.note_places(&held.record, &places, &around.networks);
        let (networks, all) = (around.networks.all(), around.all(&held.record.endpoints));
        let names = self.names(&held.record, &networks, &all)?;
        self.tell(&held.record, &names)?;
        self.tell_linked(&held.record, &networks, &all);
        Ok(())
    }

    /// Takes a container whose processes are gone out of its networks, and saves its record when that is done or has failed:
    /// of a command that is killed in between, places on record tell that it is to be done again.
    pub(super) fn disconnect(&self, held: &mut Held) -> Result<()> {
        let options = &held.record.options;
        let is_nowhere = matches!(options.network, NetworkMode::Bridge(_))
            && options.is_out_of_first
            && options.joined().is_empty();
        if held.record.endpoints.is_empty() && !is_nowhere {
            return Ok(());
        }
        let instance = held.record.instance.clone();
        let _lock = self.folder.lock_network(&instance)?;
        let networks = self.networks(&instance)?;
        let done = self.leave_all(&held.record, &networks);
        let places = std::mem::take(&mut held.record.endpoints);
        held.save()?;
        self.note_places(&held.record, &places, &networks);
        done
    }

    fn leave_all(&self, record: &Record, networks: &Networks) -> Result<()> {
        let devices: Vec<String> = record.endpoints.iter().map(Endpoint::host_device).collect();
        let done = match self.is_up(&record.instance)? {
            true => {
                let mut lab = self.namespaces();
                lab.leave(devices.clone(), Going::WithItsNamespace);
                let others = self.endpoints(&record.instance, Some(&record.id))?;
                self.apply_networks_in(&mut lab, &record.instance, networks, &others)
            }
            false => Ok(()),
        };
        self.left(devices);
        self.let_go(record)?;
        done
    }

    /// Lets a container's sockets and its namespace go, whatever is on record of them.
    pub(super) fn let_go(&self, record: &Record) -> Result<()> {
        let key = namespace(&record.id);
        hold::release(&self.client, &record.instance, record.id.as_str(), &key)?;
        Ok(self.client.remove_netnses(&[&key])?)
    }
}

/// Only who has a network of its own can join more.
fn may_join(record: &Record) -> Result<()> {
    let why = match record.options.network {
        NetworkMode::Bridge(_) => return Ok(()),
        NetworkMode::None => {
            "container cannot be connected to multiple networks with one of the networks in private (none) mode"
        }
        NetworkMode::Host | NetworkMode::Container(_) => {
            "container sharing network namespace with another container or host cannot be connected to any other network"
        }
    };
    Err(Error::Forbidden(why.into()))
}

/// What is asked of a network for a container, whatever the network is called there.
pub(super) fn asked(record: &Record, text: &str, network: &Network) -> Attachment {
    let options = &record.options;
    let found = [text, &network.name, &network.id]
        .into_iter()
        .find_map(|name| options.attachments.get(name));
    let mut asked = found.cloned().unwrap_or_default();
    if network.is_default() {
        asked.aliases.clear();
    } else {
        asked.aliases.extend(options.aliases.iter().cloned());
        let mut seen = std::collections::BTreeSet::new();
        asked.aliases.retain(|alias| seen.insert(alias.clone()));
    }
    asked
}

fn is_called(text: &str, network: &Network) -> bool {
    text == network.name || (text.len() >= 12 && network.id.starts_with(text))
}

/// Puts it on record that a container is in a network.
fn join(record: &mut Record, network: &Network, asked: Attachment) {
    let options = &mut record.options;
    options
        .attachments
        .retain(|text, _| !is_called(text, network));
    options.attachments.insert(network.name.clone(), asked);
    match &options.network {
        NetworkMode::Bridge(first) if is_called(first, network) => options.is_out_of_first = false,
        _ => {
            let is_known = |text: &String| is_called(text, network);
            if !options.more_networks.iter().any(is_known) {
                options.more_networks.push(network.name.clone());
            }
        }
    }
}

/// Puts it on record that a container is not in a network; whether it was.
fn leave(record: &mut Record, network: &Network) -> bool {
    let options = &mut record.options;
    options
        .attachments
        .retain(|text, _| !is_called(text, network));
    let before = options.more_networks.len();
    options
        .more_networks
        .retain(|text| !is_called(text, network));
    let was_first =
        matches!(&options.network, NetworkMode::Bridge(first) if is_called(first, network));
    let was_in = was_first && !options.is_out_of_first;
    options.is_out_of_first |= was_first;
    was_in || options.more_networks.len() < before
}

/// What a container publishes from these places: the ports that it `had`, else new ones. They are noted at the place that its
/// answers leave from; a container without a way out publishes none.
pub(super) fn ports(
    record: &Record,
    around: &Around,
    own: &mut [Endpoint],
    had: Vec<PublishedPort>,
) -> Result<Vec<PublishedPort>> {
    own.iter_mut().for_each(|one| one.published.clear());
    let by_id: BTreeMap<&str, &Network> = around
        .networks
        .networks
        .values()
        .map(|network| (network.id.as_str(), network))
        .collect();
    let exits = {
        let exits = Exits::of(own, &by_id);
        [false, true].map(|is_v6| own.iter().position(|one| exits.is_at(one, is_v6)))
    };
    let [Some(exit), exit_v6] = exits else {
        return Ok(Vec::new());
    };
    let taken = around.taken();
    // Its own sockets are no obstacle to what they hold.
    let is_own = |taken: &Taken| {
        let same = |port: &PublishedPort| {
            (taken.address, taken.port, taken.transport)
                == (port.host_address, port.host_port, port.transport)
        };
        had.iter().any(same)
    };
    let taken: Vec<Taken> = taken.into_iter().filter(|one| !is_own(one)).collect();
    let binding = around
        .of(&own[exit])
        .and_then(|network| network.host_binding);
    let mut requests = record.settings.publish.clone();
    if let Some(binding) = binding {
        for request in &mut requests {
            if request.host_address == IpAddr::from(Ipv4Addr::UNSPECIFIED) {
                request.host_address = binding.into();
            }
        }
    }
    let chosen = match had.is_empty() {
        true => publish::allocate(&requests, &taken)?,
        // A twin on IPv6 comes and goes with the container's address.
        false => {
            let is_twin = |port: &PublishedPort| {
                port.host_address.is_ipv6()
                    && !requests
                        .iter()
                        .any(|request| request.host_address == port.host_address)
            };
            had.into_iter().filter(|port| !is_twin(port)).collect()
        }
    };
    let published = publish::of_families(chosen, exit_v6.is_some(), &taken)?;
    for port in &published {
        let at = match port.host_address {
            IpAddr::V4(_) => exit,
            IpAddr::V6(_) => exit_v6.unwrap_or(exit),
        };
        own[at].published.push(*port);
    }
    Ok(published)
}
