//! `POST /containers/create`: what is asked for in Docker's words, as [`Options`]. What is not there here is refused when it
//! would change what the container may or sees, and a warning when it only tunes.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use container::engine::options::{HealthRequest, MountRequest, MountSource};
use container::engine::{Attachment, Error, Options, RestartPolicy, words};
use container::network::{DEFAULT_NETWORK, NetworkMode, parse_publish};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::limits::{self, positive, processors, warnings};
use super::request::{Create, Health, Host, Mount, Restart};
use crate::error::{Failure, Result};
use crate::images::missing;
use crate::query::Query;
use crate::state::{Api, Docker, blocking};

pub(super) async fn create(State(api): State<Api>, query: Query, body: Bytes) -> Result<(StatusCode, Json<Value>)> {
    let asked: Create = crate::query::json(&body)?;
    blocking(&api, move |docker| {
        let name = query.get("name").map(|name| name.strip_prefix('/').unwrap_or(name).to_owned());
        if let Some(platform) = query.get("platform") {
            check_platform(platform)?;
        }
        let labels = asked.labels.clone();
        let (mut options, warnings) = options(asked)?;
        options.name = name;
        let place = docker.place(&labels)?;
        check_networks(docker, &place, &options)?;
        let made = docker.engine.create(&place, options, None).map_err(refusal)?;
        Ok((StatusCode::CREATED, Json(json!({"Id": made.id, "Warnings": warnings}))))
    })
    .await
}

/// Whoever asks for a contradiction asks wrongly; only names and images can be in conflict.
fn refusal(error: Error) -> Failure {
    match error {
        Error::Conflict(why) if why.contains(" is made for ") => Failure::not_found(why),
        Error::Conflict(why) if why.starts_with("bind source path") => {
            Failure::bad_request(format!("invalid mount config for type \"bind\": {why}"))
        }
        Error::Conflict(why) => Failure::bad_request(why),
        // Of --volumes-from. 404 means an image to the docker command, which would pull it.
        Error::NoContainer(name) => Failure::bad_request(format!("No such container: {name}")),
        Error::Image(container::Error::NoImage(name)) => missing(&name.clone(), container::Error::NoImage(name)),
        other => other.into(),
    }
}

fn check_platform(text: &str) -> Result<()> {
    let host = container::oci::Platform::host();
    match host.runs(&crate::images::platform(text)?) {
        true => Ok(()),
        false => Err(Failure::not_found(format!("no image for platform {text}: this machine is {host}"))),
    }
}

/// A network that is not there is told now, as Docker does for all but the first, which it tells at the start.
fn check_networks(docker: &Docker, instance: &str, options: &Options) -> Result<()> {
    if options.more_networks.is_empty() {
        return Ok(());
    }
    let networks = docker.engine.networks(instance)?.networks;
    let is_there = |name: &String| name == DEFAULT_NETWORK || networks.values().any(|one| one.name == *name || one.id.starts_with(name.as_str()));
    match options.more_networks.iter().find(|name| !is_there(name)) {
        None => Ok(()),
        Some(name) => Err(Failure::not_found(format!("network {name} not found"))),
    }
}

/// Everything that was asked, and what of it has no effect.
fn options(asked: Create) -> Result<(Options, Vec<String>)> {
    let host = asked.host_config;
    let mut warnings = warnings(&host);
    refuse(&host)?;
    limits::check(&host)?;
    if let Some(variable) = asked.env.iter().find(|variable| variable.is_empty() || variable.starts_with('=')) {
        return Err(Failure::bad_request(format!("invalid environment variable: {variable}")));
    }
    if asked.image.is_empty() {
        return Err(Failure::bad_request("config cannot be empty in order to create a container: it names no image"));
    }
    if !asked.domainname.is_empty() {
        warnings.push("the domain name is not set: names inside are those of the instance's VPC".into());
    }
    let network = match asked.network_disabled {
        true => NetworkMode::None,
        false => NetworkMode::parse(&host.network_mode)?,
    };
    let (more_networks, mut attachments) = networks(&network, asked.networking_config.endpoints_config)?;
    if let (NetworkMode::Bridge(first), false) = (&network, asked.mac_address.is_empty()) {
        let mac = container::network::parse_mac(&asked.mac_address).map_err(|error| Failure::bad_request(error.to_string()))?;
        attachments.entry(first.clone()).or_default().mac.get_or_insert(mac);
    }
    let mut mounts = Vec::new();
    for mount in host.mounts {
        mounts.push(read_mount(mount)?);
    }
    for bind in &host.binds {
        if !bind.contains(':') {
            return Err(Failure::bad_request(format!("invalid volume specification: '{bind}'")));
        }
        mounts.push(words::volume(bind, Path::new("/"), None)?);
    }
    for (path, text) in &host.tmpfs {
        mounts.push(words::tmpfs(&if text.is_empty() { path.clone() } else { format!("{path}:{text}") })?);
    }
    for path in asked.volumes.keys() {
        let anonymous = words::volume(path, Path::new("/"), None)?;
        // What is mounted there in another way is there instead.
        if !mounts.iter().any(|mount: &MountRequest| mount.target == anonymous.target) {
            mounts.push(anonymous);
        }
    }
    let mut publish = Vec::new();
    for (port, bindings) in &host.port_bindings {
        for binding in bindings.iter().flatten() {
            let host_port = if binding.host_port == "0" { "" } else { &binding.host_port };
            let address = match binding.host_ip.as_str() {
                "" => String::new(),
                address if address.contains(':') => format!("[{address}]"),
                address => address.to_owned(),
            };
            publish.extend(parse_publish(&format!("{address}:{host_port}:{port}"))?);
        }
    }
    let mut ulimits = BTreeMap::new();
    for limit in &host.ulimits {
        let (name, values) = limit.read()?;
        ulimits.insert(name, values);
    }
    let mut dns = Vec::new();
    for text in &host.dns {
        dns.push(text.parse().map_err(|_| Failure::bad_request(format!("invalid IP address: {text}")))?);
    }
    let security = security(&host.security_opt, &mut warnings)?;
    let (log_bytes, log_files) = log(&host.log_config.kind, &host.log_config.config)?;
    let no_health = asked.healthcheck.as_ref().is_some_and(|health| health.test == ["NONE"]);
    let options = Options {
        image: asked.image,
        command: asked.cmd.map(super::request::Words::list).unwrap_or_default(),
        // One empty word takes the image's away: so the CLI writes `--entrypoint ""`.
        entrypoint: asked.entrypoint.map(super::request::Words::list).filter(|words| !words.is_empty()).map(|words| {
            if words == [""] { Vec::new() } else { words }
        }),
        environment: asked.env,
        working_directory: said(asked.working_dir),
        user: said(asked.user),
        hostname: said(asked.hostname),
        labels: asked.labels,
        terminal: asked.tty,
        stdin_open: asked.open_stdin,
        stdin_stays: asked.open_stdin && !asked.stdin_once,
        mounts,
        publish,
        publish_all: host.publish_all_ports,
        expose: asked.exposed_ports.into_keys().collect(),
        network,
        more_networks,
        attachments,
        links: host.links,
        volumes_from: host.volumes_from,
        auto_remove: host.auto_remove,
        restart: restart(&host.restart_policy)?,
        memory_bytes: positive(host.memory),
        cpu_percent: processors(host.nano_cpus, host.cpu_period, host.cpu_quota)?,
        processes: host.pids_limit.and_then(positive),
        capabilities_added: host.cap_add,
        capabilities_dropped: host.cap_drop,
        privileged: host.privileged,
        read_only: host.readonly_rootfs,
        init: host.init.unwrap_or(false),
        ulimits,
        extra_hosts: host.extra_hosts,
        dns,
        dns_search: host.dns_search,
        dns_options: host.dns_options,
        health: asked.healthcheck.filter(|_| !no_health).map(health).transpose()?.unwrap_or_default(),
        no_health,
        stop_signal: said(asked.stop_signal),
        stop_seconds: asked.stop_timeout.map(|seconds| u64::try_from(seconds).unwrap_or(u64::from(u32::MAX))),
        shm_bytes: positive(host.shm_size),
        no_new_privileges: security.no_new_privileges,
        seccomp_unconfined: security.seccomp_unconfined,
        sysctls: host.sysctls,
        oom_score_adj: host.oom_score_adj.filter(|score| *score != 0),
        log_bytes,
        log_files,
        ..Options::default()
    };
    Ok((options, warnings))
}

fn said(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

pub(super) fn restart(policy: &Restart) -> Result<RestartPolicy> {
    let most = policy.maximum_retry_count;
    if most < 0 {
        return Err(Failure::bad_request("invalid restart policy: maximum retry count cannot be negative"));
    }
    let read = match policy.name.as_str() {
        "" | "no" => RestartPolicy::No,
        "always" => RestartPolicy::Always,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        "on-failure" => return Ok(RestartPolicy::OnFailure(u32::try_from(most).ok().filter(|most| *most > 0))),
        other => {
            return Err(Failure::bad_request(format!(
                "invalid restart policy: unknown policy '{other}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
            )));
        }
    };
    match most {
        0 => Ok(read),
        _ => Err(Failure::bad_request("invalid restart policy: maximum retry count can only be used with 'on-failure'")),
    }
}

fn health(asked: Health) -> Result<HealthRequest> {
    let span = |name: &str, nanoseconds: i64| match u64::try_from(nanoseconds) {
        Ok(0) => Ok(None),
        Ok(nanoseconds) if nanoseconds >= 1_000_000 => Ok(Some(Duration::from_nanos(nanoseconds))),
        _ => Err(Failure::bad_request(format!("{name} in Healthcheck cannot be less than 1ms"))),
    };
    Ok(HealthRequest {
        test: Some(asked.test).filter(|test| !test.is_empty()),
        interval: span("Interval", asked.interval)?,
        timeout: span("Timeout", asked.timeout)?,
        retries: match u32::try_from(asked.retries) {
            Ok(retries) => Some(retries).filter(|retries| *retries > 0),
            Err(_) => return Err(Failure::bad_request("Retries in Healthcheck cannot be negative")),
        },
        start_period: span("StartPeriod", asked.start_period)?,
        start_interval: span("StartInterval", asked.start_interval)?,
    })
}

/// Networks beside the first one, and what is asked of each.
fn networks(
    first: &NetworkMode,
    asked: BTreeMap<String, Option<crate::networks::EndpointSettings>>,
) -> Result<(Vec<String>, BTreeMap<String, Attachment>)> {
    let first = match first {
        NetworkMode::Bridge(name) => Some(name.as_str()),
        _ => None,
    };
    let (mut more, mut attachments) = (Vec::new(), BTreeMap::new());
    for (name, endpoint) in asked {
        let name = if name == "default" { DEFAULT_NETWORK.to_owned() } else { name };
        if matches!(name.as_str(), "host" | "none") && first.is_none() {
            continue;
        }
        let Some(first) = first else {
            return Err(Failure::bad_request(format!("network {name}: conflicting options: the container has no network of its own")));
        };
        let attachment = endpoint.unwrap_or_default().attachment()?;
        if attachment != Attachment::default() {
            attachments.insert(name.clone(), attachment);
        }
        if name != first {
            more.push(name);
        }
    }
    Ok((more, attachments))
}

fn read_mount(mount: Mount) -> Result<MountRequest> {
    let wrong = |why: &str| Failure::bad_request(format!("invalid mount config for type \"{}\": {why}", mount.kind));
    if mount.target.is_empty() {
        return Err(wrong("field Target must not be empty"));
    }
    let target = words::inside("--mount", &mount.target).map_err(|_| wrong("invalid mount path: mount path must be absolute"))?;
    if target == "/" {
        return Err(wrong("invalid specification: destination can't be '/'"));
    }
    let source = match mount.kind.as_str() {
        "bind" => {
            if mount.source.is_empty() {
                return Err(wrong("field Source must not be empty"));
            }
            if !mount.source.starts_with('/') {
                return Err(wrong("invalid mount path: mount path must be absolute"));
            }
            MountSource::Bind {
                path: mount.source.clone().into(),
                make: mount.bind_options.create_mountpoint,
                propagation: said(mount.bind_options.propagation.clone()),
            }
        }
        "volume" => {
            let driver = &mount.volume_options.driver_config;
            if !matches!(driver.name.as_str(), "" | "local") || !driver.options.is_empty() {
                return Err(wrong("volumes of the driver `local` are there, without options"));
            }
            if !mount.volume_options.subpath.is_empty() {
                return Err(Failure::not_built("a part of a volume cannot be mounted here: mount all of it"));
            }
            if let Some(name) = said(mount.source.clone()) {
                container::engine::id::check_name("volume", &name)?;
            }
            MountSource::Volume { name: said(mount.source.clone()), copy: !mount.volume_options.no_copy }
        }
        "tmpfs" if !mount.source.is_empty() => return Err(wrong("field Source must not be specified")),
        "tmpfs" => MountSource::Tmpfs {
            bytes: positive(mount.tmpfs_options.size_bytes),
            mode: Some(mount.tmpfs_options.mode).filter(|mode| *mode != 0),
        },
        "npipe" | "cluster" | "image" => return Err(Failure::not_built(format!("mounts of type {} are not made here", mount.kind))),
        _ => return Err(wrong("mount type unknown")),
    };
    Ok(MountRequest { source, target, read_only: mount.read_only })
}

struct Security {
    no_new_privileges: bool,
    seccomp_unconfined: bool,
}

fn security(asked: &[String], warnings: &mut Vec<String>) -> Result<Security> {
    let mut security = Security { no_new_privileges: false, seccomp_unconfined: false };
    for text in asked {
        let (name, value) = text.split_once(['=', ':']).unwrap_or((text, ""));
        match (name, value) {
            ("no-new-privileges", "" | "true") => security.no_new_privileges = true,
            ("no-new-privileges", "false") => security.no_new_privileges = false,
            ("seccomp", "unconfined") => security.seccomp_unconfined = true,
            ("seccomp", "builtin") => {}
            ("seccomp", _) => return Err(Failure::not_built("a seccomp profile of one's own is not loaded: there are builtin and unconfined")),
            ("apparmor" | "label", _) => warnings.push(format!("{name} has no effect: nothing here is labelled")),
            _ => return Err(Failure::bad_request(format!("invalid --security-opt: \"{text}\""))),
        }
    }
    Ok(security)
}

fn log(driver: &str, config: &BTreeMap<String, String>) -> Result<(Option<u64>, Option<u32>)> {
    match driver {
        "" | "json-file" => {}
        "none" | "local" | "journald" | "syslog" | "fluentd" | "gelf" | "awslogs" | "splunk" | "gcplogs" | "etwlogs" => {
            return Err(Failure::not_built(format!("logging driver {driver} is not here: there is json-file")));
        }
        other => return Err(Failure::bad_request(format!("logger: no log driver named '{other}' is registered"))),
    }
    let (mut bytes, mut files) = (None, None);
    for (name, value) in config {
        match name.as_str() {
            "max-size" => bytes = Some(words::bytes("max-size", value)?).filter(|bytes| *bytes > 0),
            "max-file" => {
                let read = value.parse().ok().filter(|count| *count > 0);
                files = Some(read.ok_or_else(|| Failure::bad_request(format!("max-file: `{value}` is no number of files")))?);
            }
            "compress" | "labels" | "labels-regex" | "env" | "env-regex" | "tag" | "mode" | "max-buffer-size" => {}
            other => return Err(Failure::bad_request(format!("unknown log opt '{other}' for json-file log driver"))),
        }
    }
    Ok((bytes, files))
}

/// What would change what a container may or sees, and is not built.
fn refuse(host: &Host) -> Result<()> {
    let not_built = |what: &str| Err(Failure::not_built(format!("{what} cannot be had here")));
    let is_own = |mode: &str| matches!(mode, "" | "private");
    if !host.devices.is_empty() || !host.device_cgroup_rules.is_empty() {
        return not_built("devices of the machine (--device)");
    }
    if !host.device_requests.is_empty() {
        return Err(Failure::failed("could not select device driver \"\" with capabilities: [[gpu]]"));
    }
    if !is_own(&host.ipc_mode) && host.ipc_mode != "shareable" {
        return not_built(&format!("IPC mode {}", host.ipc_mode));
    }
    if !is_own(&host.pid_mode) {
        return not_built(&format!("PID mode {}", host.pid_mode));
    }
    if !host.uts_mode.is_empty() {
        return not_built(&format!("UTS mode {}", host.uts_mode));
    }
    if !host.userns_mode.is_empty() {
        return not_built(&format!("user namespace mode {}", host.userns_mode));
    }
    if !host.group_add.is_empty() {
        return not_built("additional groups (--group-add)");
    }
    if !host.storage_opt.is_empty() {
        return not_built("storage options");
    }
    if !host.cgroup_parent.is_empty() {
        return not_built("a cgroup parent");
    }
    if !matches!(host.volume_driver.as_str(), "" | "local") {
        return Err(Failure::not_found(format!("plugin \"{}\" not found", host.volume_driver)));
    }
    if !matches!(host.runtime.as_str(), "" | "vpclab" | "runc" | "io.containerd.runc.v2") {
        return Err(Failure::bad_request(format!("unknown or invalid runtime name: {}", host.runtime)));
    }
    if !matches!(host.isolation.as_str(), "" | "default") {
        return Err(Failure::bad_request(format!("invalid isolation: {}", host.isolation)));
    }
    let is_told = |paths: &Option<Vec<String>>| paths.is_some();
    if (is_told(&host.masked_paths) || is_told(&host.readonly_paths)) && !host.privileged {
        return not_built("other masked paths (systempaths=unconfined)");
    }
    Ok(())
}
