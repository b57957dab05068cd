//! What a lab file says of an instance's containers.

use std::collections::BTreeSet;

use model::container::{ContainerSpec, NetworkChoice};
use model::{InstanceId, Model, tag};

use super::{Container, Dock, Lead, Life, Network, Place};

/// Name of the default network.
const DEFAULT: &str = "bridge";

/// The dock of an instance by its file; `None` where the file gives it no container.
pub fn dock(model: &Model, instance: &InstanceId) -> Option<Dock> {
    let specs = model.containers.get(instance).filter(|specs| !specs.is_empty())?;
    let owner = model.instances.get(instance)?;
    let names: BTreeSet<&str> = specs.values().flat_map(|spec| names_of(&spec.network)).collect();
    let networks: Vec<Network> = names
        .into_iter()
        .map(|name| Network {
            name: name.to_owned(),
            bridge: if name == DEFAULT { "docker0".to_owned() } else { format!("bridge of {name}") },
            subnet: None,
            is_internal: false,
            icc: true,
            masquerade: true,
        })
        .collect();
    let place = |spec: &ContainerSpec| match &spec.network {
        NetworkChoice::Host => Place::Host,
        NetworkChoice::None => Place::None,
        NetworkChoice::Container(other) => Place::With(other.clone()),
        choice => {
            let at = names_of(choice).into_iter().filter_map(|name| networks.iter().position(|network| network.name == name));
            Place::Bridges(at.map(|at| (at, None)).collect())
        }
    };
    let containers = specs
        .iter()
        .map(|(name, spec)| Container {
            name: name.clone(),
            life: Life::Described,
            place: place(spec),
            published: spec.publish.iter().flat_map(leads).collect(),
            exposed: None,
            listening: None,
            may_ping: spec.privileged || !spec.cap_drop.iter().any(|name| name == "NET_RAW" || name == "ALL") || spec.cap_add.contains("NET_RAW"),
            has_way_out: None,
        })
        .collect();
    let guest = model.guests.get(instance).cloned().unwrap_or_default();
    // What it runs may listen, and user data may start anything.
    let is_known = guest.run.is_empty() && owner.user_data.is_none();
    let programs = guest.listen.iter().map(|listener| {
        let mapping = model::container::PortMapping::of_listener(*listener);
        super::Listening { protocol: mapping.protocol, address: mapping.host_address.into(), port: mapping.host.from, program: Some("listen:".to_owned()) }
    });
    let address = model.interfaces_of(instance).first().map(|eni| eni.primary_address().into());
    Some(Dock {
        instance: tag::name(&owner.tags).unwrap_or(owner.id.as_str()).to_owned(),
        address,
        networks,
        containers,
        programs: is_known.then(|| programs.collect()),
        forward_drops: None,
        is_live: false,
    })
}

fn names_of(choice: &NetworkChoice) -> Vec<&str> {
    match choice {
        NetworkChoice::Bridge => vec![DEFAULT],
        NetworkChoice::Named(names) => names.iter().map(String::as_str).collect(),
        NetworkChoice::Host | NetworkChoice::None | NetworkChoice::Container(_) => Vec::new(),
    }
}

/// One for each port of a range.
fn leads(mapping: &model::container::PortMapping) -> impl Iterator<Item = Lead> {
    let mapping = *mapping;
    let ports = (mapping.host.from..=mapping.host.to).zip(mapping.container.from..=mapping.container.to);
    ports.map(move |(port, container_port)| Lead { protocol: mapping.protocol, address: mapping.host_address.into(), port, container_port })
}
