//! The containers of an instance of a lab that is up, as packets meet them: what records say, and who listens by the
//! kernel's own tables.

use std::net::IpAddr;

use container::engine::record::HealthStatus;
use container::engine::networks::namespace;
use container::engine::{Engine, Error, Record, Status};
use container::network::firewall::TABLE;
use container::network::{self as net, Namespaces as _, NetworkMode, Transport};
use fabric::dock::{Container, Dock, Lead, Life, Listening, Network, Place};
use model::container::PortProtocol;
use model::{InstanceId, Model, tag};
use netlink::rtnl::{Family, route};
use netlink::{Protocol, nft, sock_diag};

/// Where a container's names are answered: a socket of ours, not of its programs.
const RESOLVER: [u8; 4] = [127, 0, 0, 11];
/// `NF_INET_FORWARD`.
const FORWARD: u32 = 2;

/// The dock of an instance; `None` where it has no container and no network of one.
pub fn dock(engine: &Engine, model: &Model, instance: &InstanceId) -> Result<Option<Dock>, Error> {
    let Some(owner) = model.instances.get(instance) else { return Ok(None) };
    let key = linux::naming::instance_namespace(instance);
    let records: Vec<Record> = engine.folder.list()?.into_iter().filter(|record| record.instance == key).collect();
    if records.is_empty() {
        return Ok(None);
    }
    let known = engine.client.list_containers()?;
    let ended = |record: &Record| known.iter().find(|one| one.key == record.id.as_str()).is_none_or(|one| one.ended.is_some());
    let networks = engine.networks(&key)?;
    let all: Vec<&net::Network> = networks.networks.values().collect();
    let mut lab = net::Lab::new(&engine.client);
    let programs = net::listeners(&mut lab, &key)?;
    let mut containers = Vec::new();
    for record in &records {
        let has_ended = record.state.status.is_alive() && ended(record);
        let life = life(record, has_ended, known.iter().find(|one| one.key == record.id.as_str()));
        let place = place(record, &records, &all);
        let inside = match (&record.options.network, life.is_alive()) {
            (_, false) => None,
            (NetworkMode::Host, _) => Some(key.clone()),
            (NetworkMode::Container(other), _) => find(&records, other).map(|other| namespace(&other.id)),
            (NetworkMode::Bridge(_), _) => Some(namespace(&record.id)),
            (NetworkMode::None, _) => None,
        };
        let listening = inside.as_deref().map(|inside| listening(&mut lab, inside, program(engine, record))).transpose();
        // One that ended just now has no namespace any more: nobody listens.
        let listening = listening.unwrap_or_default();
        let has_way_out = inside.as_deref().and_then(|inside| has_default_route(&mut lab, inside).ok());
        containers.push(Container {
            name: record.name.clone(),
            published: published(record),
            exposed: Some(record.settings.exposed.iter().map(|port| (protocol(port.transport), port.number)).collect()),
            listening,
            may_ping: may_ping(record),
            has_way_out,
            life,
            place,
        });
    }
    let ports: Vec<Lead> = containers.iter().filter(|one| one.life.is_alive()).flat_map(|one| one.published.iter().copied()).collect();
    let programs = programs.iter().map(|taken| Listening { protocol: protocol(taken.transport), address: taken.address, port: taken.port, program: None });
    // What holds the ports of containers listens too, and is nobody's program.
    let is_held = |one: &Listening| ports.iter().any(|lead| lead.port == one.port && lead.protocol == one.protocol && lead.address == one.address);
    Ok(Some(Dock {
        instance: tag::name(&owner.tags).unwrap_or(owner.id.as_str()).to_owned(),
        address: model.interfaces_of(instance).first().map(|eni| eni.primary_address().into()),
        networks: all
            .iter()
            .map(|network| Network {
                name: network.name.clone(),
                bridge: network.bridge.clone(),
                subnet: Some(network.subnet.into()),
                is_internal: network.internal,
                icc: network.icc,
                masquerade: network.masquerade,
            })
            .collect(),
        containers,
        programs: Some(programs.filter(|one| !is_held(one)).collect()),
        forward_drops: forward_drops(&mut lab, &key)?,
        is_live: true,
    }))
}

fn find<'a>(records: &'a [Record], name: &str) -> Option<&'a Record> {
    records.iter().find(|record| record.name == name || record.id.as_str() == name || (name.len() >= 12 && record.id.as_str().starts_with(name)))
}

fn life(record: &Record, has_ended: bool, status: Option<&sandbox::container::spec::ContainerStatus>) -> Life {
    let state = &record.state;
    let health = state.health.as_ref().map(|health| match health.status {
        HealthStatus::Starting => "starting",
        HealthStatus::Healthy => "healthy",
        HealthStatus::Unhealthy => "unhealthy",
    });
    match state.status {
        // Nobody has put its end on record yet.
        _ if has_ended => {
            let end = status.and_then(|status| status.ended.as_ref());
            Life::Exited(end.map_or(137, |end| end.status.shell_code()), end.is_some_and(|end| end.out_of_memory))
        }
        Status::Running => Life::Running(health),
        Status::Paused => Life::Paused,
        Status::Restarting => Life::Restarting(state.exit_code),
        Status::Exited | Status::Dead => Life::Exited(state.exit_code, state.oom_killed),
        Status::Created => Life::Created(state.error.clone()),
    }
}

fn place(record: &Record, records: &[Record], networks: &[&net::Network]) -> Place {
    match &record.options.network {
        NetworkMode::Host => Place::Host,
        NetworkMode::None => Place::None,
        NetworkMode::Container(other) => Place::With(find(records, other).map_or_else(|| other.clone(), |other| other.name.clone())),
        NetworkMode::Bridge(first) => {
            // One that does not run is where it would be.
            let names = std::iter::once(first).chain(&record.options.more_networks);
            let wanted = names.filter_map(|name| networks.iter().position(|network| network.name == *name));
            let address = |at: usize| record.endpoints.iter().find(|endpoint| endpoint.network == networks[at].id).map(|endpoint| IpAddr::from(endpoint.address));
            let connected = record.endpoints.iter().filter_map(|endpoint| networks.iter().position(|network| network.id == endpoint.network));
            let mut all: Vec<usize> = if record.endpoints.is_empty() { wanted.collect() } else { connected.collect() };
            all.sort_unstable();
            all.dedup();
            Place::Bridges(all.into_iter().map(|at| (at, address(at))).collect())
        }
    }
}

/// Ports that lead to it, or would if it ran.
fn published(record: &Record) -> Vec<Lead> {
    let live = record.endpoints.iter().flat_map(|endpoint| &endpoint.published).map(|port| Lead {
        protocol: protocol(port.transport),
        address: port.host_address,
        port: port.host_port,
        container_port: port.container_port,
    });
    let live: Vec<Lead> = live.collect();
    if !live.is_empty() {
        return live;
    }
    let asked = record.settings.publish.iter().filter_map(|request| match request.host_port {
        net::HostPort::Exactly(port) => Some(Lead { protocol: protocol(request.transport), address: request.host_address, port, container_port: request.container_port }),
        net::HostPort::Random | net::HostPort::OneOf(..) => None,
    });
    asked.collect()
}

fn protocol(transport: Transport) -> PortProtocol {
    match transport {
        Transport::Tcp => PortProtocol::Tcp,
        Transport::Udp => PortProtocol::Udp,
    }
}

/// Its only program, where it has one alone: then it is who listens.
fn program(engine: &Engine, record: &Record) -> Option<String> {
    let rows = engine.processes(record).ok()?;
    let [one] = &rows[..] else { return None };
    let first = one.command.split_whitespace().next()?;
    Some(first.rsplit('/').next().unwrap_or(first).trim_end_matches(':').to_owned())
}

fn listening(lab: &mut net::Lab<'_>, key: &str, program: Option<String>) -> Result<Vec<Listening>, Error> {
    let socket = lab.socket(key, Protocol::SockDiag)?;
    let found = sock_diag::listeners(socket).map_err(|error| net::Error::Kernel { namespace: key.to_owned(), source: error })?;
    let listening = found.into_iter().map(|open| Listening {
        protocol: match open.transport {
            sock_diag::Transport::Tcp => PortProtocol::Tcp,
            sock_diag::Transport::Udp => PortProtocol::Udp,
        },
        address: open.local.ip().to_canonical(),
        port: open.local.port(),
        program: program.clone(),
    });
    let mut all: Vec<Listening> = listening.filter(|one| one.address != IpAddr::from(RESOLVER)).collect();
    all.sort();
    all.dedup();
    Ok(all)
}

fn has_default_route(lab: &mut net::Lab<'_>, key: &str) -> Result<bool, Error> {
    let socket = lab.socket(key, Protocol::Route)?;
    let routes = route::dump(socket, Family::V4, Some(route::MAIN)).map_err(|error| net::Error::Kernel { namespace: key.to_owned(), source: error })?;
    Ok(routes.iter().any(|route| route.destination.prefix_len() == 0))
}

/// A chain of somebody else's that drops what is forwarded.
fn forward_drops(lab: &mut net::Lab<'_>, key: &str) -> Result<Option<String>, Error> {
    let socket = lab.socket(key, Protocol::Netfilter)?;
    let kernel = |error| net::Error::Kernel { namespace: key.to_owned(), source: error };
    for table in nft::dump::tables(socket).map_err(kernel)?.into_iter().filter(|table| table.name != TABLE) {
        let family = match table.family {
            nft::Family::Ip => "ip",
            nft::Family::Inet => "inet",
            _ => continue,
        };
        let chains = nft::dump::chains(socket, &table).map_err(kernel)?;
        if let Some(chain) = chains.iter().find(|chain| chain.drop && chain.hook.is_some_and(|(hook, _)| hook == FORWARD)) {
            return Ok(Some(format!("{family} {}/{}", table.name, chain.name)));
        }
    }
    Ok(None)
}

/// As `spec` gives capabilities: `ALL` first, then names.
fn may_ping(record: &Record) -> bool {
    let has = |list: &[String], wanted: &str| list.iter().any(|name| name.trim_start_matches("CAP_").eq_ignore_ascii_case(wanted));
    let options = &record.options;
    let (added, dropped) = (&options.capabilities_added, &options.capabilities_dropped);
    if options.privileged || has(added, "NET_RAW") {
        return true;
    }
    has(added, "ALL") && !has(dropped, "NET_RAW") || !(has(dropped, "NET_RAW") || has(dropped, "ALL"))
}
