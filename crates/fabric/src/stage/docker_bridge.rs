//! Bridges of an instance: who gets out of one, and whether two containers are at the same one. Networks are kept apart, an
//! internal one from everybody.

use std::net::IpAddr;

use crate::dock::{Cause, Container, Dock, Fate, Network, Place, Stage, Step};
use crate::stage::docker_publish::exit;

/// Whether what a published port leads to gets into its network.
pub fn enter(dock: &Dock, container: &Container) -> Step {
    if let Some(chain) = &dock.forward_drops {
        let text = format!("the chain {chain} of {} drops what is forwarded unless a rule of it says otherwise", dock.instance);
        let step = Step::stops(Stage::DockerBridge, &dock.instance, Fate::Dropped, Cause::ForwardDropped, text);
        return step.next(format!("vpclab exec {} -- nft list ruleset", dock.instance));
    }
    match exit(dock, container) {
        Some(network) => Step::passes(Stage::DockerBridge, &network.bridge, format!("network {}: let in as published", network.name)),
        None => Step::passes(Stage::DockerBridge, &container.name, "no bridge between"),
    }
}

/// Whether a container gets out of its instance, towards `to` where that is known.
pub fn leave(dock: &Dock, container: &Container, to: Option<IpAddr>) -> Step {
    let name = &container.name;
    let drops = |at: &str, cause, text: String| Step::stops(Stage::DockerBridge, at, Fate::Dropped, cause, text);
    match dock.place(container) {
        Place::Host => return Step::passes(Stage::DockerBridge, &dock.instance, "--network host: it sends as the instance itself"),
        Place::None | Place::With(_) => {
            return drops(name, Cause::NoNetwork, format!("{name} has no device but lo (--network none)")).next("put it into a network");
        }
        Place::Bridges(_) => {}
    }
    let networks = dock.networks_of(container);
    if let Some(to) = to {
        // The longest prefix wins: the bridge's.
        let shadow = networks.iter().find(|(network, _)| network.subnet.is_some_and(|subnet| subnet.contains(&to)));
        if let Some((network, _)) = shadow {
            let subnet = network.subnet.map_or_else(String::new, |subnet| subnet.to_string());
            let text = format!("the subnet {subnet} of network {} hides {to}: it is looked for at the bridge", network.name);
            return drops(&network.bridge, Cause::ShadowedBySubnet, text).next("make the network anew with another --subnet");
        }
    }
    let Some(network) = exit(dock, container) else {
        let names: Vec<&str> = networks.iter().map(|(network, _)| network.name.as_str()).collect();
        let text = format!("network {} is internal: no way out", names.join(", "));
        let at = networks.first().map_or(name.as_str(), |(network, _)| network.bridge.as_str());
        return drops(at, Cause::InternalNetwork, text).next(format!("put {name} into a network that is not internal, too"));
    };
    if container.has_way_out == Some(false) {
        let text = format!("{name} has no default route");
        return drops(&network.bridge, Cause::NoDefaultRoute, text).next(format!("vpclab anatomy {}/{name} shows its routes; start it anew", dock.instance));
    }
    if let Some(chain) = &dock.forward_drops {
        let text = format!("the chain {chain} of {} drops what is forwarded unless a rule of it says otherwise", dock.instance);
        return drops(&network.bridge, Cause::ForwardDropped, text).next(format!("vpclab exec {} -- nft list ruleset", dock.instance));
    }
    Step::passes(Stage::DockerBridge, &network.bridge, format!("network {} leads out", network.name))
}

/// From which address a container's packets go on.
pub fn masquerade(dock: &Dock, container: &Container) -> Option<Step> {
    let network = exit(dock, container).filter(|_| matches!(dock.place(container), Place::Bridges(_)))?;
    let own = dock.address_text(container, network);
    let instance = dock.address.map_or_else(|| dock.instance.clone(), |address| address.to_string());
    Some(match network.masquerade {
        true => Step {
            from: Some(instance.clone()),
            ..Step::passes(Stage::DockerMasquerade, &dock.instance, format!("{own} sends as {instance}: the VPC sees the instance alone"))
        },
        false => Step::stops(
            Stage::DockerMasquerade,
            &network.bridge,
            Fate::Dropped,
            Cause::DirectAccess,
            format!("network {} does not masquerade: nobody in the VPC has {own}, and the source/dest check drops it", network.name),
        ),
    })
}

/// The network that two containers of an instance share, or why there is none.
pub fn between<'a>(dock: &'a Dock, from: &'a Container, to: &'a Container) -> (Step, Option<&'a Network>) {
    let (own, other) = (dock.networks_of(from), dock.networks_of(to));
    let shared = own.iter().map(|(network, _)| *network).find(|network| other.iter().any(|(one, _)| one.name == network.name));
    if let Some(network) = shared {
        let address = other.iter().find(|(one, _)| one.name == network.name).and_then(|(_, address)| *address);
        let whose = address.map_or_else(String::new, |address| format!(": {} is {address}", to.name));
        return (Step::passes(Stage::DockerBridge, &network.bridge, format!("both are in network {}{whose}", network.name)), Some(network));
    }
    let list = |all: &[(&Network, Option<IpAddr>)]| match all {
        [] => "no network".to_owned(),
        all => format!("network {}", all.iter().map(|(network, _)| network.name.as_str()).collect::<Vec<_>>().join(", ")),
    };
    let missing = if own.is_empty() { from } else { to };
    let (cause, text) = match own.is_empty() || other.is_empty() {
        true => (Cause::NoNetwork, format!("{} has no device at a bridge", missing.name)),
        false => (Cause::DifferentNetworks, format!("{} is in {}, {} in {}: networks are kept apart", from.name, list(&own), to.name, list(&other))),
    };
    let at = own.first().map_or(dock.instance.as_str(), |(network, _)| network.bridge.as_str());
    let step = Step::stops(Stage::DockerBridge, at, Fate::Dropped, cause, text);
    (step.next(format!("put both into one network: networks: [back] at {} and {}", from.name, to.name)), None)
}
