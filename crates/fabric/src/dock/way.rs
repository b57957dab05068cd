//! The stages in the order in which a packet meets them: into a container by a published port, out of one, between two.

use std::net::IpAddr;

use model::container::PortProtocol;

use super::{Cause, Container, Dock, Fate, Lead, Network, Place, Stage, Step};
use crate::stage::docker_publish::{self, Led};
use crate::stage::{docker_bridge, docker_icc, listener};

/// What is asked of a container: a port, or an echo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A port.
    Port(PortProtocol, u16),
    /// An echo request.
    Echo,
    /// Anything else.
    Other,
}

/// From outside: what reached the instance at `to`.
pub fn enter(dock: &Dock, to: Option<IpAddr>, protocol: PortProtocol, port: u16) -> Vec<Step> {
    let (step, led) = docker_publish::decide(dock, to, protocol, port);
    let mut steps = vec![step];
    if let Led::Container(container, inner) = led {
        steps.push(docker_bridge::enter(dock, container));
        let own = docker_publish::exit(dock, container).and_then(|network| address_in(dock, container, network));
        steps.push(listener::decide(container, own, protocol, inner, &dock.instance));
    }
    steps
}

/// The port of the instance that leads to a container's port; the first for all addresses, else the first.
pub fn lead_to(container: &Container, protocol: PortProtocol, port: u16) -> Option<Lead> {
    let all = || container.published.iter().filter(|lead| lead.protocol == protocol && lead.container_port == port);
    all().find(|lead| lead.address.is_unspecified()).or_else(|| all().next()).copied()
}

/// Why a container that is asked from outside of its instance has no port there.
pub fn unpublished(dock: &Dock, container: &Container, asked: Asked) -> Step {
    let name = &container.name;
    let stops = |cause, text: String| Step::stops(Stage::DockerPublish, &dock.instance, Fate::Dropped, cause, text);
    match asked {
        Asked::Port(protocol, port) => {
            let what = super::word(protocol);
            let text = format!("no port of {} leads to {port}/{what} of {name}, and its own address is known inside {} only", dock.instance, dock.instance);
            stops(Cause::NotPublished, text).next(format!("publish: {port}->{port} at {name} (containers run -p {port}:{port})"))
        }
        Asked::Echo | Asked::Other => {
            let text = format!("a container is reached by published ports only: ask {} itself", dock.instance);
            stops(Cause::DirectAccess, text).next(format!("ping {}", dock.instance))
        }
    }
}

/// Out of a container, to somebody outside of its instance.
pub fn leave(dock: &Dock, container: &Container, to: Option<IpAddr>, asked: Asked) -> Vec<Step> {
    let mut steps = Vec::new();
    if !container.life.is_alive() {
        steps.push(ended(container, dock));
    }
    steps.extend(may_send(container, asked));
    let bridge = docker_bridge::leave(dock, container, to);
    let goes_on = !bridge.blocks();
    steps.push(bridge);
    if goes_on {
        steps.extend(docker_bridge::masquerade(dock, container));
    }
    steps
}

/// From a container to a port of its own instance.
pub fn hairpin(dock: &Dock, container: &Container, to: Option<IpAddr>, protocol: PortProtocol, port: u16) -> Vec<Step> {
    let mut steps = Vec::new();
    if !container.life.is_alive() {
        steps.push(ended(container, dock));
    }
    if matches!(dock.place(container), Place::None) {
        steps.push(docker_bridge::leave(dock, container, to));
        return steps;
    }
    let mut inner = enter(dock, to, protocol, port);
    if let (_, Led::Container(other, _)) = docker_publish::decide(dock, to, protocol, port)
        && let (_, Some(network)) = docker_bridge::between(dock, container, other)
        && let Some(first) = inner.first_mut()
    {
        first.text.push_str(&format!(", and back out of {} as it (hairpin)", network.bridge));
    }
    steps.extend(inner);
    steps
}

/// Between two containers of one instance.
pub fn between(dock: &Dock, from: &Container, to: &Container, asked: Asked) -> Vec<Step> {
    let mut steps = Vec::new();
    if !from.life.is_alive() {
        steps.push(ended(from, dock));
    }
    steps.extend(may_send(from, asked));
    let one_place = dock.place(from) == dock.place(to) && (matches!(dock.place(from), Place::Host) || joined(from, to));
    if one_place {
        steps.push(Step::passes(Stage::DockerBridge, &dock.instance, "both have the same devices: it is lo between them"));
        steps.extend(at_port(dock, to, None, asked));
        return steps;
    }
    let (step, network) = docker_bridge::between(dock, from, to);
    steps.push(step);
    if let Some(network) = network {
        steps.push(docker_icc::decide(network));
        steps.extend(at_port(dock, to, address_in(dock, to, network), asked));
    }
    steps
}

/// From the instance itself to one of its containers: its bridge is the instance's own device.
pub fn from_instance(dock: &Dock, to: &Container, asked: Asked) -> Vec<Step> {
    let networks = dock.networks_of(to);
    let mut steps = Vec::new();
    match (dock.place(to), networks.first()) {
        (Place::Host, _) => steps.push(Step::passes(Stage::DockerBridge, &dock.instance, "--network host: its ports are the instance's")),
        (_, Some((network, address))) => {
            let text = format!("{} is the instance's own device", network.bridge);
            steps.push(Step::passes(Stage::DockerBridge, &network.bridge, text));
            steps.extend(at_port(dock, to, *address, asked));
            return steps;
        }
        _ => {
            let text = format!("{} has no device but lo", to.name);
            steps.push(Step::stops(Stage::DockerBridge, &to.name, Fate::Dropped, Cause::NoNetwork, text));
            return steps;
        }
    }
    steps.extend(at_port(dock, to, None, asked));
    steps
}

/// What to know of names between two containers; `None` where nothing is in the way.
pub fn names(dock: &Dock, from: &Container, to: &Container) -> Option<String> {
    let (_, network) = docker_bridge::between(dock, from, to);
    let network = network?;
    (!network.has_names()).then(|| {
        let address = address_in(dock, to, network).map_or_else(|| "its address".to_owned(), |address| address.to_string());
        format!("the name `{}` leads nowhere in the default network: ask {address}, or give both `networks: [back]`, where names are answered", to.name)
    })
}

fn joined(one: &Container, other: &Container) -> bool {
    let with = |a: &Container, b: &Container| matches!(&a.place, Place::With(name) if *name == b.name);
    with(one, other) || with(other, one) || matches!((&one.place, &other.place), (Place::With(a), Place::With(b)) if a == b)
}

fn at_port(dock: &Dock, to: &Container, own: Option<IpAddr>, asked: Asked) -> Vec<Step> {
    match asked {
        Asked::Port(protocol, port) => vec![listener::decide(to, own, protocol, port, &dock.instance)],
        Asked::Echo | Asked::Other if !to.life.is_alive() => vec![ended(to, dock)],
        Asked::Echo => vec![Step::passes(Stage::Listener, &to.name, "the kernel answers echo requests")],
        Asked::Other => vec![Step { fate: Fate::Unknown, ..Step::passes(Stage::Listener, &to.name, "whether it takes this protocol is not known") }],
    }
}

/// Who does not run sends nothing and has no address.
fn ended(container: &Container, dock: &Dock) -> Step {
    // The listener's stage has the words for each state; no port is looked at in any of them.
    listener::decide(container, None, PortProtocol::Tcp, 0, &dock.instance)
}

fn may_send(container: &Container, asked: Asked) -> Option<Step> {
    (asked == Asked::Echo && !container.may_ping).then(|| {
        let text = format!("{} has no NET_RAW: ping says `Operation not permitted` unless its user may open ping sockets", container.name);
        Step::stops(Stage::Capability, &container.name, Fate::Refused, Cause::MissingCapability, text).next("--cap-add NET_RAW (cap_add: [NET_RAW])")
    })
}

fn address_in(dock: &Dock, container: &Container, network: &Network) -> Option<IpAddr> {
    dock.networks_of(container).into_iter().find(|(one, _)| one.name == network.name)?.1
}

/// Whether a container has a part in what becomes of a port: else the instance's own programs answer, of which nothing is
/// said here.
pub fn concerns(dock: &Dock, protocol: PortProtocol, port: u16) -> bool {
    let by_lead = |one: &Container| one.published.iter().any(|lead| lead.port == port || (lead.container_port == port && lead.protocol == protocol));
    let by_image = |one: &Container| one.exposed.as_ref().is_some_and(|all| all.contains(&(protocol, port)));
    let by_socket = |one: &Container| one.listening.as_ref().is_some_and(|all| all.iter().any(|socket| socket.port == port && socket.protocol == protocol));
    dock.containers.iter().any(|one| by_lead(one) || by_image(one) || by_socket(one))
}
