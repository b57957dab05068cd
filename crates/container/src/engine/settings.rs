//! What an image and what was asked for come to: one command, one environment, one set of mounts. Pure.

mod health;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::options::{MountRequest, MountSource, Options};
use super::words;
use crate::network::{HostPort, Port, PublishRequest, parse_exposed};
use crate::oci::Process;
pub use health::HealthCheck;
use health::health;

/// Where programs are looked for when nobody says so.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long a container may take to end, seconds, unless told otherwise.
pub const STOP_SECONDS: u64 = 10;
/// SIGTERM.
const TERMINATE: i32 = 15;

/// What a container is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The entrypoint.
    pub entrypoint: Vec<String>,
    /// The command, or the entrypoint's arguments.
    pub command: Vec<String>,
    /// `NAME=VALUE`, in order; without `HOME`, which follows from the user.
    pub environment: Vec<String>,
    /// Absolute.
    pub working_directory: String,
    /// `user[:group]`, or nothing: root.
    pub user: String,
    /// Its host name.
    pub hostname: String,
    /// Remarks.
    pub labels: BTreeMap<String, String>,
    /// What it exposes, sorted.
    pub exposed: Vec<Port>,
    /// Ports that are asked to be published.
    pub publish: Vec<PublishRequest>,
    /// Mounts, those of the image's volumes too, parents first.
    pub mounts: Vec<MountRequest>,
    /// What ends it.
    pub stop_signal: i32,
    /// How long it may take to end.
    pub stop_seconds: u64,
    /// How its health is asked for.
    pub health: Option<HealthCheck>,
}

impl Settings {
    /// The program and its arguments.
    pub fn arguments(&self) -> Vec<String> {
        self.entrypoint.iter().chain(&self.command).cloned().collect()
    }

    /// What `image` and `options` come to, for a container whose short id is `short`. Errors: no command; options that
    /// contradict each other.
    pub fn new(image: &Process, options: &Options, short: &str) -> Result<Settings> {
        check(options)?;
        let (entrypoint, command) = command(image, options);
        if entrypoint.is_empty() && command.is_empty() {
            return Err(Error::Conflict(format!("no command specified: image {} has none, so say what to run", options.image)));
        }
        let hostname = options.hostname.clone().unwrap_or_else(|| short.to_owned());
        if hostname.is_empty() || hostname.len() > 63 || hostname.contains(|c: char| c.is_whitespace() || c == '/') {
            return Err(Error::option("--hostname", &hostname, "it is no host name"));
        }
        let directory = options.working_directory.as_ref().or(image.working_dir.as_ref()).filter(|path| !path.is_empty());
        let working_directory = match directory {
            Some(path) => words::inside("--workdir", path)?,
            None => "/".to_owned(),
        };
        let mut labels = image.labels.clone().unwrap_or_default();
        labels.extend(options.labels.clone());
        let stop_signal = match options.stop_signal.as_ref().or(image.stop_signal.as_ref()).filter(|signal| !signal.is_empty()) {
            Some(signal) => words::signal(signal).map_err(|_| {
                Error::option(
                    "--stop-signal",
                    signal,
                    "it is no signal: write a name such as TERM, or a number from 1 to 64",
                )
            })?,
            None => TERMINATE,
        };
        let exposed = exposed(image, options)?;
        Ok(Settings {
            environment: environment(image, options, &hostname),
            user: options.user.clone().or_else(|| image.user.clone()).unwrap_or_default(),
            mounts: mounts(image, options)?,
            publish: publish(options, &exposed),
            health: health(image, options)?,
            stop_seconds: options.stop_seconds.unwrap_or(STOP_SECONDS),
            entrypoint,
            command,
            working_directory,
            hostname,
            labels,
            exposed,
            stop_signal,
        })
    }
}

fn check(options: &Options) -> Result<()> {
    if options.auto_remove && options.restart != super::RestartPolicy::No {
        return Err(Error::Conflict("conflicting options: cannot specify both --restart and --rm".into()));
    }
    if (!options.publish.is_empty() || options.publish_all)
        && let Some(why) = options.network.refuses_ports()
    {
        return Err(Error::Conflict(why.into()));
    }
    if options.memory_bytes.is_some_and(|bytes| bytes < 6 << 20) {
        return Err(Error::Conflict("minimum memory limit allowed is 6MB".into()));
    }
    if options.oom_score_adj.is_some_and(|score| !(-1_000..=1_000).contains(&score)) {
        return Err(Error::Conflict("the oom score is from -1000 to 1000".into()));
    }
    Ok(())
}

/// A given entrypoint takes the image's command away too: its arguments would be those of another program.
fn command(image: &Process, options: &Options) -> (Vec<String>, Vec<String>) {
    match &options.entrypoint {
        Some(entrypoint) => (entrypoint.clone(), options.command.clone()),
        None => {
            let of_image = || image.cmd.clone().unwrap_or_default();
            let command = if options.command.is_empty() { of_image() } else { options.command.clone() };
            (image.entrypoint.clone().unwrap_or_default(), command)
        }
    }
}

fn environment(image: &Process, options: &Options, hostname: &str) -> Vec<String> {
    let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    let mut all = vec![format!("PATH={PATH}"), format!("HOSTNAME={hostname}")];
    if options.terminal {
        all.push("TERM=xterm".to_owned());
    }
    for variable in image.env.iter().flatten().chain(&options.environment) {
        let known = all.iter().position(|held| name(held) == name(variable));
        match (known, variable.contains('=')) {
            (Some(at), true) => all[at].clone_from(variable),
            (None, true) => all.push(variable.clone()),
            (Some(at), false) => drop(all.remove(at)),
            (None, false) => {}
        }
    }
    all
}

fn exposed(image: &Process, options: &Options) -> Result<Vec<Port>> {
    let mut all = BTreeSet::new();
    for text in image.exposed_ports.iter().flat_map(BTreeMap::keys).chain(&options.expose) {
        all.extend(parse_exposed(text)?);
    }
    all.extend(options.publish.iter().map(|request| Port { number: request.container_port, transport: request.transport }));
    Ok(all.into_iter().collect())
}

fn publish(options: &Options, exposed: &[Port]) -> Vec<PublishRequest> {
    let mut all = options.publish.clone();
    if options.publish_all {
        for port in exposed {
            let is_published = all.iter().any(|known| (known.container_port, known.transport) == (port.number, port.transport));
            if !is_published {
                all.push(PublishRequest {
                    host_address: std::net::Ipv4Addr::UNSPECIFIED.into(),
                    host_port: HostPort::Random,
                    container_port: port.number,
                    transport: port.transport,
                });
            }
        }
    }
    all
}

fn mounts(image: &Process, options: &Options) -> Result<Vec<MountRequest>> {
    let mut all: BTreeMap<String, MountRequest> = BTreeMap::new();
    for mount in &options.mounts {
        if all.insert(mount.target.clone(), mount.clone()).is_some() {
            return Err(Error::Conflict(format!("duplicate mount point: {}", mount.target)));
        }
    }
    for path in image.volumes.iter().flat_map(BTreeMap::keys) {
        let target = words::inside("VOLUME", path)?;
        // Something that was asked for at its place is there instead.
        if target != "/" && !all.contains_key(&target) {
            let source = MountSource::Volume { name: None, copy: true };
            all.insert(target.clone(), MountRequest { source, target, read_only: false });
        }
    }
    // In the order of their paths, a parent comes before what lies in it.
    Ok(all.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::RestartPolicy;
    use crate::network::{NetworkMode, parse_publish};

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn image() -> Process {
        Process {
            entrypoint: Some(words("/entry -q")),
            cmd: Some(words("serve --all")),
            env: Some(words("PATH=/app A=1 B=2")),
            ..Process::default()
        }
    }

    fn settle(image: &Process, options: Options) -> Settings {
        Settings::new(image, &options, "0123456789ab").unwrap()
    }

    #[test]
    fn entrypoint_and_command() {
        let cases: [(Option<&str>, &str, &str); 5] = [
            (None, "", "/entry -q serve --all"),
            (None, "sh", "/entry -q sh"),
            (Some("/other"), "", "/other"),
            (Some("/other"), "x y", "/other x y"),
            (Some(""), "sh -c true", "sh -c true"),
        ];
        for (entrypoint, command, expected) in cases {
            let options = Options { entrypoint: entrypoint.map(words), command: words(command), ..Options::default() };
            assert_eq!(settle(&image(), options).arguments(), words(expected), "{entrypoint:?} {command}");
        }
        let nothing = Options { entrypoint: Some(Vec::new()), ..Options::default() };
        assert!(Settings::new(&image(), &nothing, "a").is_err());
        assert!(Settings::new(&Process::default(), &Options::default(), "a").is_err());
    }

    #[test]
    fn variables_lie_above_those_of_the_image() {
        let options = Options { environment: words("A=3 B C=4"), terminal: true, ..Options::default() };
        let settings = settle(&image(), options);
        assert_eq!(settings.environment, words("PATH=/app HOSTNAME=0123456789ab TERM=xterm A=3 C=4"));
        assert_eq!(settle(&Process { env: None, ..image() }, Options::default()).environment[0], format!("PATH={PATH}"));
    }

    #[test]
    fn volumes_of_the_image_give_way_to_what_was_asked_for() {
        let image = Process {
            volumes: Some([("/data/".to_owned(), Default::default()), ("/cache".into(), Default::default())].into()),
            ..image()
        };
        let asked = words::volume("db:/data", std::path::Path::new("/"), None).unwrap();
        let settings = settle(&image, Options { mounts: vec![asked.clone()], ..Options::default() });
        let anonymous = MountSource::Volume { name: None, copy: true };
        let cache = MountRequest { source: anonymous, target: "/cache".into(), read_only: false };
        assert_eq!(settings.mounts, [cache, asked.clone()]);
        let twice = Options { mounts: vec![asked.clone(), asked], ..Options::default() };
        assert!(Settings::new(&image, &twice, "a").is_err());
    }

    #[test]
    fn exposed_ports_are_published_when_all_are() {
        let image = Process {
            exposed_ports: Some([("80/tcp".to_owned(), Default::default()), ("53/udp".into(), Default::default())].into()),
            ..image()
        };
        let publish = parse_publish("8080:80").unwrap();
        let settings = settle(&image, Options { publish: publish.clone(), publish_all: true, ..Options::default() });
        assert_eq!(settings.publish.len(), 2);
        assert_eq!(settings.publish[0], publish[0]);
        assert_eq!((settings.publish[1].container_port, settings.publish[1].host_port), (53, HostPort::Random));
        let host = Options { publish, network: NetworkMode::Host, ..Options::default() };
        assert!(Settings::new(&image, &host, "a").is_err());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let cases = [
            Options { auto_remove: true, restart: RestartPolicy::Always, ..Options::default() },
            Options { memory_bytes: Some(1024), ..Options::default() },
            Options { working_directory: Some("here".into()), ..Options::default() },
            Options { stop_signal: Some("SIGNOT".into()), ..Options::default() },
            Options { hostname: Some("a b".into()), ..Options::default() },
        ];
        for options in cases {
            assert!(Settings::new(&image(), &options, "a").is_err(), "{options:?}");
        }
    }
}
