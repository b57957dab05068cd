//! What a lab file says of a container, as the engine is asked for it.

use std::time::Duration;

use container::engine::options::{HealthRequest, MountRequest, MountSource, Options};
use container::engine::RestartPolicy;
use container::network::{HostPort, NetworkMode, PublishRequest, Transport};
use model::container as asked;

/// The options of a container called `name`, made of the image `image`.
pub fn options(name: &str, image: &str, spec: &asked::ContainerSpec) -> Options {
    let (network, more_networks) = network(&spec.network);
    let (health, no_health) = health(spec.health_check.as_ref());
    Options {
        image: image.to_owned(),
        name: Some(name.to_owned()),
        command: spec.command.clone().unwrap_or_default(),
        entrypoint: spec.entrypoint.clone(),
        environment: spec.environment.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        working_directory: spec.working_directory.clone(),
        user: spec.user.clone(),
        hostname: spec.hostname.clone(),
        labels: spec.labels.clone(),
        terminal: spec.terminal,
        mounts: spec.mounts.iter().map(mount).collect(),
        publish: spec.publish.iter().flat_map(publish).collect(),
        network,
        more_networks,
        restart: match spec.restart {
            asked::RestartPolicy::No => RestartPolicy::No,
            asked::RestartPolicy::OnFailure { retries } => RestartPolicy::OnFailure(retries),
            asked::RestartPolicy::Always => RestartPolicy::Always,
            asked::RestartPolicy::UnlessStopped => RestartPolicy::UnlessStopped,
        },
        memory_bytes: spec.resources.memory_bytes,
        cpu_percent: spec.resources.nano_cpus.map(|nano| u32::try_from((nano / 10_000_000).max(1)).unwrap_or(u32::MAX)),
        processes: spec.resources.pids,
        shm_bytes: spec.resources.shm_bytes,
        capabilities_added: spec.cap_add.iter().cloned().collect(),
        capabilities_dropped: spec.cap_drop.iter().cloned().collect(),
        privileged: spec.privileged,
        read_only: spec.read_only,
        init: spec.init,
        extra_hosts: spec.extra_hosts.iter().map(|(name, address)| format!("{name}={address}")).collect(),
        health,
        no_health,
        stop_signal: spec.stop_signal.clone(),
        stop_seconds: spec.stop_timeout_milliseconds.map(|milliseconds| milliseconds.div_ceil(1_000)),
        ..Options::default()
    }
}

fn network(choice: &asked::NetworkChoice) -> (NetworkMode, Vec<String>) {
    match choice {
        asked::NetworkChoice::Bridge => (Options::default().network, Vec::new()),
        asked::NetworkChoice::Host => (NetworkMode::Host, Vec::new()),
        asked::NetworkChoice::None => (NetworkMode::None, Vec::new()),
        asked::NetworkChoice::Container(other) => (NetworkMode::Container(other.clone()), Vec::new()),
        asked::NetworkChoice::Named(names) => {
            let mut names = names.iter().cloned();
            let first = names.next().map_or(Options::default().network, NetworkMode::Bridge);
            (first, names.collect())
        }
    }
}

fn mount(spec: &asked::MountSpec) -> MountRequest {
    let source = match &spec.source {
        asked::MountSource::Volume { name, copy } => MountSource::Volume { name: Some(name.clone()), copy: *copy },
        asked::MountSource::Anonymous => MountSource::Volume { name: None, copy: true },
        asked::MountSource::Bind { path } => MountSource::Bind { path: path.into(), make: false, propagation: None },
        asked::MountSource::Tmpfs { bytes, mode } => MountSource::Tmpfs { bytes: *bytes, mode: *mode },
    };
    MountRequest { source, target: spec.target.clone(), read_only: spec.read_only }
}

/// One request for each port of a range.
fn publish(mapping: &asked::PortMapping) -> impl Iterator<Item = PublishRequest> {
    let transport = match mapping.protocol {
        asked::PortProtocol::Tcp => Transport::Tcp,
        asked::PortProtocol::Udp => Transport::Udp,
    };
    let host_address = mapping.host_address.into();
    (mapping.host.from..=mapping.host.to).zip(mapping.container.from..=mapping.container.to).map(move |(host, container)| {
        PublishRequest { host_address, host_port: HostPort::Exactly(host), container_port: container, transport }
    })
}

fn health(check: Option<&asked::HealthCheck>) -> (HealthRequest, bool) {
    let Some(check) = check else { return (HealthRequest::default(), false) };
    let test = match &check.test {
        asked::HealthTest::Disabled => return (HealthRequest::default(), true),
        asked::HealthTest::Inherit => None,
        asked::HealthTest::Shell(line) => Some(vec!["CMD-SHELL".to_owned(), line.clone()]),
        asked::HealthTest::Exec(words) => Some(std::iter::once("CMD".to_owned()).chain(words.iter().cloned()).collect()),
    };
    let span = |milliseconds: Option<u64>| milliseconds.map(Duration::from_millis);
    let request = HealthRequest {
        test,
        interval: span(check.interval_milliseconds),
        timeout: span(check.timeout_milliseconds),
        retries: check.retries,
        start_period: span(check.start_period_milliseconds),
        start_interval: None,
    };
    (request, false)
}
