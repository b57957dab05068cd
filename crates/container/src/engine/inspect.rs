//! A container as `docker inspect` shows it, with Docker's names where Docker has some.

use serde_json::{Map, Value, json};

use super::lab::Engine;
use super::options::RestartPolicy;
use super::record::{MountKind, Record};
use super::time::Moment;
use crate::network::{HostPort, Network, NetworkMode};

/// What Docker says for "never".
const NEVER: &str = "0001-01-01T00:00:00Z";

fn time(moment: Option<Moment>) -> String {
    moment.map_or_else(|| NEVER.to_owned(), |moment| moment.to_string())
}

/// As it is written behind `--network`.
pub fn network_mode(mode: &NetworkMode) -> String {
    match mode {
        NetworkMode::Bridge(name) => name.clone(),
        NetworkMode::Host => "host".into(),
        NetworkMode::None => "none".into(),
        NetworkMode::Container(other) => format!("container:{other}"),
    }
}

impl Engine {
    /// Everything about a container.
    pub fn inspect(&self, record: &Record) -> Value {
        let networks: Vec<Network> = self
            .networks(&record.instance)
            .map(|all| all.networks.into_values().collect())
            .unwrap_or_default();
        let mounts = record
            .mounts
            .iter()
            .map(|mount| self.mount(mount))
            .collect::<Vec<_>>();
        let arguments = record.settings.arguments();
        json!({
            "Id": record.id,
            "Created": record.created,
            "Path": arguments.first(),
            "Args": arguments.get(1..).unwrap_or_default(),
            "State": state(record),
            "Image": record.image.id,
            "Name": format!("/{}", record.name),
            "Instance": record.instance,
            "RestartCount": record.state.restarts,
            "Driver": "overlayfs",
            "Platform": "linux",
            "LogPath": self.folder.log(&record.id),
            "ResolvConfPath": "",
            "HostnamePath": "",
            "HostsPath": "",
            "MountLabel": "",
            "ProcessLabel": "",
            "AppArmorProfile": "",
            "ExecIDs": null,
            "Mounts": mounts,
            "Config": config(record),
            "HostConfig": host_config(record),
            "GraphDriver": {"Name": "overlayfs", "Data": {
                "UpperDir": self.folder.of(&record.id).join("upper"),
                "WorkDir": self.folder.of(&record.id).join("work"),
            }},
            "NetworkSettings": network_settings(record, &networks),
        })
    }

    fn mount(&self, mount: &super::record::MountPoint) -> Value {
        let mut value = match &mount.kind {
            MountKind::Bind { path, propagation } => {
                json!({"Type": "bind", "Source": path, "Mode": "", "Propagation": propagation.as_deref().unwrap_or("rprivate")})
            }
            MountKind::Volume { name, .. } => {
                json!({"Type": "volume", "Name": name, "Source": self.volumes.files(name), "Driver": "local", "Mode": "z", "Propagation": ""})
            }
            MountKind::Tmpfs { .. } => json!({"Type": "tmpfs", "Source": "", "Mode": "", "Propagation": ""}),
        };
        value["Destination"] = json!(mount.target);
        value["RW"] = json!(!mount.read_only);
        value
    }
}

fn state(record: &Record) -> Value {
    let state = &record.state;
    let mut value = json!({
        "Status": state.status.name(),
        "Running": state.status.is_alive(),
        "Paused": state.status == super::Status::Paused,
        "Restarting": state.status == super::Status::Restarting,
        "OOMKilled": state.oom_killed,
        "Dead": state.status == super::Status::Dead,
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": time(state.started),
        "FinishedAt": time(state.finished),
    });
    if let Some(health) = &state.health {
        let log = health.log.iter().map(|answer| json!({"Start": answer.start, "End": answer.end, "ExitCode": answer.exit_code, "Output": answer.output}));
        value["Health"] = json!({"Status": health.status.name(), "FailingStreak": health.failing, "Log": log.collect::<Vec<_>>()});
    }
    value
}

fn config(record: &Record) -> Value {
    let (options, settings) = (&record.options, &record.settings);
    let mut value = json!({
        "Hostname": settings.hostname,
        "Domainname": "",
        "AttachStdin": false,
        "AttachStdout": false,
        "AttachStderr": false,
        "StdinOnce": options.stdin_open && !options.stdin_stays,
        "Volumes": null,
        "OnBuild": null,
        "User": settings.user,
        "Tty": options.terminal,
        "OpenStdin": options.stdin_open,
        "Env": settings.environment,
        "Cmd": settings.command,
        "Entrypoint": settings.entrypoint,
        "Image": record.image.name,
        "WorkingDir": settings.working_directory,
        "Labels": settings.labels,
        "ExposedPorts": settings.exposed.iter().map(|port| (port.to_string(), json!({}))).collect::<Map<_, _>>(),
        "StopSignal": super::words::signal_name(settings.stop_signal),
    });
    if let Some(seconds) = options.stop_seconds {
        value["StopTimeout"] = json!(seconds);
    }
    if let Some(health) = &settings.health {
        let nanoseconds =
            |span: std::time::Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        value["Healthcheck"] = json!({
            "Test": std::iter::once("CMD").chain(health.command.iter().map(String::as_str)).collect::<Vec<_>>(),
            "Interval": nanoseconds(health.interval),
            "Timeout": nanoseconds(health.timeout),
            "Retries": health.retries,
            "StartPeriod": nanoseconds(health.start_period),
            "StartInterval": nanoseconds(health.start_interval),
        });
    }
    value
}

fn host_config(record: &Record) -> Value {
    let options = &record.options;
    let most = match options.restart {
        RestartPolicy::OnFailure(Some(most)) => most,
        _ => 0,
    };
    let bindings = record.settings.publish.iter().map(|request| {
        let port = match request.host_port {
            HostPort::Random => String::new(),
            HostPort::Exactly(port) => port.to_string(),
            HostPort::OneOf(first, last) => format!("{first}-{last}"),
        };
        let key = format!("{}/{}", request.container_port, request.transport);
        (
            key,
            json!([{"HostIp": request.host_address, "HostPort": port}]),
        )
    });
    let ulimits = options
        .ulimits
        .iter()
        .map(|(name, (soft, hard))| json!({"Name": name, "Soft": soft, "Hard": hard}));
    json!({
        "NetworkMode": network_mode(&options.network),
        "PortBindings": bindings.collect::<Map<_, _>>(),
        "RestartPolicy": {"Name": options.restart.name(), "MaximumRetryCount": most},
        "AutoRemove": options.auto_remove,
        "Memory": options.memory_bytes.unwrap_or(0),
        "NanoCpus": options.cpu_percent.map_or(0, |percent| u64::from(percent) * 10_000_000),
        "PidsLimit": options.processes,
        "CapAdd": options.capabilities_added,
        "CapDrop": options.capabilities_dropped,
        "Privileged": options.privileged,
        "ReadonlyRootfs": options.read_only,
        "Init": options.init,
        "Ulimits": ulimits.collect::<Vec<_>>(),
        "ExtraHosts": options.extra_hosts,
        "Dns": options.dns,
        "DnsSearch": options.dns_search,
        "DnsOptions": options.dns_options,
        "ShmSize": options.shm_bytes.unwrap_or(sandbox::container::spec::SHM_BYTES),
        "Sysctls": options.sysctls,
        "OomScoreAdj": options.oom_score_adj.unwrap_or(0),
        "Binds": null,
        "ContainerIDFile": "",
        "LogConfig": {"Type": "json-file", "Config": log_config(record)},
        "PublishAllPorts": options.publish_all,
        "SecurityOpt": security(record),
        "CgroupnsMode": "private",
        "IpcMode": "private",
        "PidMode": "",
        "UTSMode": "",
        "UsernsMode": "",
        "Runtime": "vpclab",
        "Isolation": "",
        "VolumeDriver": "",
        "ConsoleSize": [0, 0],
        "CgroupParent": "",
        "Devices": [],
        "MemorySwap": 0,
    })
}

/// What was said of its log.
fn log_config(record: &Record) -> Map<String, Value> {
    let options = &record.options;
    let size = options.log_bytes.map(|bytes| ("max-size".to_owned(), json!(bytes.to_string())));
    let files = options.log_files.map(|files| ("max-file".to_owned(), json!(files.to_string())));
    size.into_iter().chain(files).collect()
}

fn security(record: &Record) -> Option<Vec<&'static str>> {
    let options = &record.options;
    let told = [(options.no_new_privileges, "no-new-privileges"), (options.seccomp_unconfined, "seccomp=unconfined")];
    let told: Vec<&str> = told.into_iter().filter(|(is_told, _)| *is_told).map(|(_, words)| words).collect();
    (!told.is_empty()).then_some(told)
}

/// Its networks, and, as old clients know it, its place in the default one.
fn network_settings(record: &Record, networks: &[Network]) -> Value {
    let places = super::network_view::places(record, networks);
    let mut value = json!({"Bridge": "", "SandboxID": "", "SandboxKey": "", "HairpinMode": false});
    let default = places.get(crate::network::DEFAULT_NETWORK);
    for name in ["EndpointID", "Gateway", "IPAddress", "MacAddress", "IPv6Gateway", "GlobalIPv6Address"] {
        value[name] = default.and_then(|place| place.get(name)).cloned().unwrap_or_else(|| json!(""));
    }
    for name in ["IPPrefixLen", "GlobalIPv6PrefixLen"] {
        value[name] = default.and_then(|place| place.get(name)).cloned().unwrap_or_else(|| json!(0));
    }
    value["Ports"] = json!(if record.state.status.is_alive() { ports(record) } else { Map::new() });
    value["Networks"] = json!(places);
    value
}

/// Published ports by the container's, as Docker's `Ports`.
fn ports(record: &Record) -> Map<String, Value> {
    let mut all: Map<String, Value> = record
        .settings
        .exposed
        .iter()
        .map(|port| (port.to_string(), Value::Null))
        .collect();
    for port in record
        .endpoints
        .iter()
        .flat_map(|endpoint| &endpoint.published)
    {
        let key = format!("{}/{}", port.container_port, port.transport);
        let binding = json!({"HostIp": port.host_address, "HostPort": port.host_port.to_string()});
        match all.get_mut(&key).and_then(Value::as_array_mut) {
            Some(bindings) => bindings.push(binding),
            None => drop(all.insert(key, json!([binding]))),
        }
    }
    all
}
