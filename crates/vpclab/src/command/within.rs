//! INSTANCE/CONTAINER as an end of `why`, `check` and `ping`: who is meant, what is known of it (a lab that is up says more
//! than a file), and packets from inside.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use container::engine::networks::namespace;
use container::engine::{Engine, Record};
use container::network::NetworkMode;
use fabric::dock::way::{self, Asked};
use fabric::dock::{Container, Dock, described};
use fabric::engine::Sender;
use model::container::PortProtocol;
use model::selector::End;
use model::{InstanceId, Model, ProbePacket, Selector};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sandbox::{Client, SocketSpec};

use super::probing::Seen;
use super::running::{Running, paths};
use super::source::did_you_mean;
use crate::exit::{self, Failure, Result};

/// How long a packet from inside may take to be answered.
const PATIENCE: Duration = Duration::from_secs(2);

/// A container as an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Within {
    /// Its instance.
    pub instance: InstanceId,
    /// Its name.
    pub container: String,
    /// As it was typed.
    pub text: String,
}

/// What is known of the containers of a cloud.
pub struct Docks<'a> {
    model: &'a Model,
    engine: Option<Engine>,
    known: std::cell::RefCell<BTreeMap<InstanceId, Option<Dock>>>,
}

impl<'a> Docks<'a> {
    /// Of a lab that is up, or of what a file says.
    pub fn of(model: &'a Model, running: Option<&Running>) -> Result<Docks<'a>> {
        let engine = match running {
            Some(running) => {
                let engine = control::containers::engine(&paths()?, &running.name, &running.fabric);
                Some(engine.map_err(|error| super::containers::failed(&error))?)
            }
            None => None,
        };
        Ok(Docks { model, engine, known: Default::default() })
    }

    /// The containers of an instance; `None` where it has none.
    pub fn dock(&self, instance: &InstanceId) -> Result<Option<Dock>> {
        if let Some(known) = self.known.borrow().get(instance) {
            return Ok(known.clone());
        }
        let found = match &self.engine {
            Some(engine) => control::containers::dock(engine, self.model, instance).map_err(|error| super::containers::failed(&error))?,
            None => described::dock(self.model, instance).map(|dock| with_images(dock, self.model, instance)),
        };
        self.known.borrow_mut().insert(instance.clone(), found.clone());
        Ok(found)
    }

    /// The container that an end names, if it names one. Errors: the instance has no such container.
    pub fn end(&self, selector: &Selector) -> Result<Option<Within>> {
        let Selector::Named(text) = selector else { return Ok(None) };
        let Some((instance, container)) = text.split_once('/') else { return Ok(None) };
        let instance = match model::selector::instance(self.model, instance) {
            Ok(instance) => instance,
            Err(several) if several.several.is_some() => return Err(Failure::usage(several.to_string())),
            Err(_) => return Ok(None),
        };
        let dock = self.dock(&instance.id)?.unwrap_or_default();
        if dock.container(container).is_none() {
            let names: Vec<&str> = dock.containers.iter().map(|one| one.name.as_str()).collect();
            let failure = Failure::usage(format!("{} has no container `{container}`", text.split('/').next().unwrap_or_default()));
            return Err(match names.is_empty() {
                true => failure.hint("it has none at all: vpclab containers ls -a"),
                false => failure.hint(did_you_mean(container, "container", &names)),
            });
        }
        Ok(Some(Within { instance: instance.id.clone(), container: container.to_owned(), text: text.clone() }))
    }

    /// The instance that has an end's address, where one has.
    pub fn instance_of(&self, fabric: &fabric::Fabric, end: &End) -> Option<InstanceId> {
        match end {
            End::Interface { instance, .. } => instance.clone(),
            End::Address(address) => match fabric.find_address(*address)? {
                fabric::Entity::Interface(index) => self.model.network_interfaces.get(&fabric.interfaces[index].id)?.instance_id().cloned(),
                _ => None,
            },
            _ => None,
        }
    }

    fn record(&self, within: &Within) -> Result<Record> {
        let engine = self.engine.as_ref().ok_or_else(|| not_up(&within.text))?;
        let key = linux::naming::instance_namespace(&within.instance);
        engine.find(&within.container, Some(&key)).map_err(|error| super::containers::failed(&error))
    }

    /// Key of the namespace that a container's packets leave from, and its address there. Errors: it does not run, or has
    /// no device.
    pub fn place(&self, within: &Within) -> Result<(String, Ipv4Addr)> {
        let record = self.record(within)?;
        let dock = self.dock(&within.instance)?.unwrap_or_default();
        let Some(container) = dock.container(&within.container) else { return Err(not_up(&within.text)) };
        if !container.life.is_alive() {
            let failure = Failure { code: exit::NO, message: format!("{} is {} and sends nothing", within.text, record.state.status.name()), hint: None };
            return Err(failure.hint(format!("vpclab containers start {}", within.text)));
        }
        let key = linux::naming::instance_namespace(&within.instance);
        let own = dock.networks_of(container).into_iter().find_map(|(_, address)| address);
        let address = match own.or(dock.address) {
            Some(IpAddr::V4(address)) => address,
            _ => Ipv4Addr::UNSPECIFIED,
        };
        match &record.options.network {
            NetworkMode::Bridge(_) => Ok((namespace(&record.id), address)),
            NetworkMode::Host => Ok((key, address)),
            NetworkMode::Container(other) => {
                let engine = self.engine.as_ref().ok_or_else(|| not_up(&within.text))?;
                let other = engine.find(other, Some(&key)).map_err(|error| super::containers::failed(&error))?;
                Ok((namespace(&other.id), address))
            }
            NetworkMode::None => {
                let message = format!("{} has no device but lo (--network none)", within.text);
                Err(Failure { code: exit::NO, message, hint: None })
            }
        }
    }
}

fn not_up(text: &str) -> Failure {
    Failure::usage(format!("{text} sends packets in a lab that is up only")).hint("vpclab up; `why` answers from the file alone")
}

/// What images of this machine say that they expose.
fn with_images(mut dock: Dock, model: &Model, instance: &InstanceId) -> Dock {
    let Some(specs) = model.containers.get(instance) else { return dock };
    let Ok(paths) = paths() else { return dock };
    if !paths.images().exists() {
        return dock;
    }
    let Ok(store) = container::Store::open(&paths.images()) else { return dock };
    for one in &mut dock.containers {
        let Some(spec) = specs.get(&one.name) else { continue };
        let name = match model.container_images.get(&spec.image).map(|image| &image.source) {
            Some(model::container::ImageSource::Pull(reference)) => reference,
            _ => &spec.image,
        };
        let Ok(image) = store.find(name) else { continue };
        let ports = image.config.config.and_then(|config| config.exposed_ports).unwrap_or_default();
        let read = |text: &String| {
            let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            let protocol = if protocol.eq_ignore_ascii_case("udp") { PortProtocol::Udp } else { PortProtocol::Tcp };
            Some((protocol, number.parse().ok()?))
        };
        one.exposed = Some(ports.keys().filter_map(read).collect());
    }
    dock
}

/// What is asked, as a container is asked it.
pub fn asked(packet: ProbePacket) -> Asked {
    match packet {
        ProbePacket::Tcp(port) => Asked::Port(PortProtocol::Tcp, port),
        ProbePacket::Udp(port) => Asked::Port(PortProtocol::Udp, port),
        ProbePacket::ECHO => Asked::Echo,
        _ => Asked::Other,
    }
}

/// The packet that reaches a container of another instance: at the port that leads to its port, where one does.
pub fn translated(container: &Container, packet: ProbePacket) -> ProbePacket {
    let lead = |protocol, port| way::lead_to(container, protocol, port).map(|lead| lead.port);
    match packet {
        ProbePacket::Tcp(port) => lead(PortProtocol::Tcp, port).map_or(packet, ProbePacket::Tcp),
        ProbePacket::Udp(port) => lead(PortProtocol::Udp, port).map_or(packet, ProbePacket::Udp),
        other => other,
    }
}

/// The address at which a container, or the instance itself where `from` is its own, asks an end: of a container of the
/// same instance its own one.
pub fn address(docks: &Docks<'_>, fabric: &fabric::Fabric, from: &InstanceId, own: Option<&Within>, to: &Selector) -> Result<(IpAddr, Option<Container>)> {
    let within = docks.end(to)?;
    if let Some(within) = &within
        && within.instance == *from
    {
        let dock = docks.dock(from)?.unwrap_or_default();
        let container = dock.container(&within.container).cloned();
        let Some(container) = container else { return Err(not_up(&within.text)) };
        let source = own.and_then(|own| dock.container(&own.container));
        let shared = source.and_then(|source| {
            let networks = dock.networks_of(source);
            dock.networks_of(&container).into_iter().find(|(network, _)| networks.iter().any(|(one, _)| one.name == network.name))
        });
        let address = shared.and_then(|(_, address)| address).or_else(|| dock.networks_of(&container).into_iter().find_map(|(_, address)| address));
        let on_lo = dock.place(&container) == &fabric::dock::Place::Host;
        let address = address.or_else(|| if on_lo { dock.address } else { None });
        let failure = Failure { code: exit::NO, message: format!("{} has no address now", within.text), hint: None };
        return Ok((address.ok_or(failure)?, None));
    }
    let to_instance = within.as_ref().map(|within| Selector::Named(within.instance.as_str().to_owned()));
    let end = super::why::ends_of(to_instance.as_ref().unwrap_or(to), docks.model)?;
    let [end] = &end[..] else { return Err(Failure::usage(format!("`{to}` means {} ends", end.len())).hint("name one of them")) };
    let sender = docks.model.interfaces_of(from).first().map(|eni| Sender::Interface(eni.id.clone()));
    let Some(sender) = sender else { return Err(Failure::usage("the instance has no interface")) };
    let addresses = fabric.destinations(&sender, end).map_err(|e| Failure::usage(e.to_string()))?;
    let container = match &within {
        Some(within) => docks.dock(&within.instance)?.unwrap_or_default().container(&within.container).cloned(),
        None => None,
    };
    match addresses.first() {
        Some(address) => Ok((*address, container)),
        None => Err(Failure::usage(format!("nobody has an address at `{to}`"))),
    }
}

/// Sends a packet from a namespace of a lab, by a socket of it: what comes back.
pub fn send(holder: &Client, key: &str, to: SocketAddr, packet: ProbePacket) -> Result<Seen> {
    let broken = |what: &str, e: String| Failure::environment(format!("{what}: {e}"));
    let lost = Seen::Dropped { is_reply: false, at: None };
    // A host or a network that is not reached is silence by another name.
    let refused = |errno: rustix::io::Errno| match errno {
        rustix::io::Errno::CONNREFUSED => Seen::Refused,
        _ => Seen::Dropped { is_reply: false, at: None },
    };
    let spec = match packet {
        ProbePacket::Tcp(_) => SocketSpec { nonblocking: true, ..SocketSpec::tcp(key, to.is_ipv6()) },
        ProbePacket::Udp(_) => SocketSpec { nonblocking: true, ..SocketSpec::udp(key, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))) },
        _ => return Err(Failure::usage("from inside a container, ports are tried").hint("vpclab ping sends echo requests")),
    };
    let socket = holder.open_socket(spec).map_err(|e| broken("a socket inside", e.to_string()))?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(errno) => return Ok(refused(errno)),
    }
    let is_udp = matches!(packet, ProbePacket::Udp(_));
    if is_udp {
        if let Err(errno) = rustix::net::send(&socket, b"vpclab", rustix::net::SendFlags::NOSIGNAL) {
            return Ok(refused(errno));
        }
    }
    let wanted = if is_udp { PollFlags::IN } else { PollFlags::OUT };
    let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
    let ready = poll(&mut [PollFd::new(&socket, wanted)], Some(&patience)).map_err(|e| broken("waiting", e.to_string()))?;
    if ready == 0 {
        return Ok(lost);
    }
    let error = rustix::net::sockopt::socket_error(&socket).map_err(|e| broken("the socket", e.to_string()))?;
    Ok(match error {
        Ok(()) => Seen::Open(to.ip()),
        Err(errno) => refused(errno),
    })
}
