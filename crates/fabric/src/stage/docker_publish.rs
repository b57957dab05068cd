//! A port of an instance that leads to a container (DNAT), as Docker publishes one: whom it leads to, or why to nobody.

use std::net::IpAddr;

use model::container::PortProtocol;

use crate::dock::{Cause, Container, Dock, Fate, Lead, Life, Network, Stage, Step, word};

/// Whom a port leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Led<'a> {
    /// A container, at this port of its own.
    Container(&'a Container, u16),
    /// The instance's own programs, one of which listens.
    Program,
    /// Nobody.
    Nobody,
}

/// Decides for a packet that reached the instance at one of its addresses.
pub fn decide<'a>(dock: &'a Dock, to: Option<IpAddr>, protocol: PortProtocol, port: u16) -> (Step, Led<'a>) {
    let mut asked = dock.containers.iter().flat_map(|one| one.published.iter().map(move |lead| (one, *lead)));
    let all: Vec<(&Container, Lead)> = asked.by_ref().filter(|(_, lead)| lead.port == port).collect();
    let here = |lead: &Lead| to.is_none_or(|to| {
        // 0.0.0.0 is every address of IPv4, [::] every one of IPv6.
        to == lead.address || (lead.address.is_unspecified() && lead.address.is_ipv4() == to.is_ipv4())
    });
    let fits: Vec<&(&Container, Lead)> = all.iter().filter(|(_, lead)| lead.protocol == protocol).collect();
    let name = word(protocol);
    // Whose rule is in force comes before those who only ask for the port.
    let first = fits.iter().filter(|(_, lead)| here(lead)).min_by_key(|(one, _)| !one.life.is_alive());
    if let Some((container, lead)) = first {
        return leads(dock, container, lead);
    }
    let stops = |cause, text: String| Step::stops(Stage::DockerPublish, &dock.instance, Fate::Refused, cause, text);
    if let Some((container, lead)) = fits.first() {
        let (who, again) = (&container.name, format!("publish it at all addresses: {port}->{} (or -p {port}:{})", lead.container_port, lead.container_port));
        let step = match lead.address.is_loopback() {
            true => stops(Cause::PublishedOnLoopback, format!("{who} publishes {port} on {} only: it is reached from inside {} alone", lead.address, dock.instance)),
            false => stops(Cause::PublishedElsewhere, format!("{who} publishes {port} at {} and nowhere else", lead.address)),
        };
        return (step.next(again), Led::Nobody);
    }
    if let Some(step) = programs(dock, protocol, port) {
        return (step, Led::Program);
    }
    if let Some((container, lead)) = all.first() {
        let text = format!("{} publishes {port} for {}, not for {name}", container.name, word(lead.protocol));
        let step = stops(Cause::OtherProtocol, text).next(format!("publish: {port}->{}/{name}", lead.container_port));
        return (step, Led::Nobody);
    }
    // The port is a container's own, which is another number outside.
    let meant = dock.containers.iter().find_map(|one| {
        let lead = one.published.iter().find(|lead| lead.container_port == port && lead.protocol == protocol)?;
        Some((one, *lead))
    });
    if let Some((container, lead)) = meant {
        let text = format!("{}'s port {port} is published as {}, and {port} itself as nothing", container.name, lead.port);
        let step = stops(Cause::NotPublished, text).next(format!("ask {}:{}", dock.instance, lead.port));
        return (step, Led::Nobody);
    }
    let listens = |one: &&Container| one.listening.as_ref().is_some_and(|all| all.iter().any(|socket| socket.port == port && socket.protocol == protocol));
    let exposes = |one: &&Container| one.exposed.as_ref().is_some_and(|all| all.contains(&(protocol, port)));
    if let Some(container) = dock.containers.iter().find(listens).or_else(|| dock.containers.iter().find(exposes)) {
        let does = if listens(&container) { "listens on" } else { "exposes" };
        let text = format!("{} {does} {port}, and no port of {} leads there: EXPOSE opens nothing", container.name, dock.instance);
        let step = stops(Cause::NotPublished, text).next(format!("publish: {port}->{port} (containers run -p {port}:{port})"));
        return (step, Led::Nobody);
    }
    let step = match dock.programs {
        Some(_) => stops(Cause::NobodyListens, format!("no container publishes {port}/{name}, and no program of {} listens there", dock.instance)),
        None => Step {
            fate: Fate::Unknown,
            ..Step::passes(
                Stage::DockerPublish,
                &dock.instance,
                format!("no container publishes {port}/{name}; whether a program of {} listens there is not known", dock.instance),
            )
        },
    };
    (step, Led::Nobody)
}

/// The rule that leads there, or what became of it.
fn leads<'a>(dock: &'a Dock, container: &'a Container, lead: &Lead) -> (Step, Led<'a>) {
    let (port, name) = (lead.port, &container.name);
    let refused = |cause, text: String| Step::stops(Stage::DockerPublish, &dock.instance, Fate::Refused, cause, text);
    let gone = |what: String| format!("{name} publishes {port}, and {what}: the rule goes with it");
    let logs = format!("vpclab logs -c {name} {}", dock.instance);
    let step = match &container.life {
        Life::Exited(_, true) => refused(Cause::OutOfMemory, gone("the kernel ended it for want of memory".into())).next("give it a higher --memory"),
        Life::Exited(code, false) => refused(Cause::Exited, gone(format!("has exited with {code}"))).next(logs),
        Life::Restarting(code) => refused(Cause::Restarting, gone(format!("is restarting after it exited with {code}"))).next(logs),
        Life::Created(why) if why.contains("port") && (why.contains("already") || why.contains("allocated") || why.contains("in use")) => {
            refused(Cause::PortTaken, format!("{name} could not be started: {why}")).next(format!("vpclab sockets {}", dock.instance))
        }
        Life::Created(why) if why.is_empty() => refused(Cause::NotStarted, gone("was never started".into())).next(format!("vpclab containers start {}/{name}", dock.instance)),
        Life::Created(why) => refused(Cause::NotStarted, format!("{name} publishes {port} and could not be started: {why}")).next(logs),
        Life::Described | Life::Running(_) | Life::Paused => match exit(dock, container) {
            Some(network) => {
                let address = dock.address_text(container, network);
                let to = if address == *name { format!("{name}:{}", lead.container_port) } else { format!("{name} {address}:{}", lead.container_port) };
                let text = format!("DNAT {port} -> {to}");
                let step = Step { to: Some((address, lead.container_port)), ..Step::passes(Stage::DockerPublish, &dock.instance, text) };
                return (step, Led::Container(container, lead.container_port));
            }
            // Docker publishes nothing of a network without a way out.
            None => Step::stops(
                Stage::DockerBridge,
                name,
                Fate::Dropped,
                Cause::InternalNetwork,
                format!("{name} is in internal networks only: its ports are published to nobody"),
            )
            .next(format!("put {name} into a network that is not internal, too")),
        },
    };
    (step, Led::Nobody)
}

/// The network that a container's answers leave by: of those that lead out the first by name.
pub fn exit<'a>(dock: &'a Dock, container: &'a Container) -> Option<&'a Network> {
    dock.networks_of(container).into_iter().map(|(network, _)| network).filter(|network| !network.is_internal).min_by(|a, b| a.name.cmp(&b.name))
}

/// A program of the instance that listens, containers in its own network among them.
fn programs(dock: &Dock, protocol: PortProtocol, port: u16) -> Option<Step> {
    let listening = dock.programs.as_ref()?.iter().find(|one| one.port == port && one.protocol == protocol)?;
    let who = listening.program.as_deref().unwrap_or("a program");
    match listening.address.is_loopback() {
        true => Some(
            Step::stops(
                Stage::Listener,
                &dock.instance,
                Fate::Refused,
                Cause::ListensOnLoopback,
                format!("{who} of {} listens on {} only", dock.instance, listening.place()),
            )
            .next("bind 0.0.0.0"),
        ),
        false => Some(Step::passes(Stage::Listener, &dock.instance, format!("{who} of {} itself listens on {}", dock.instance, listening.place()))),
    }
}
