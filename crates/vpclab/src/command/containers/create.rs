//! What `containers run` and `containers create` take, as Docker's commands do, and how it becomes options.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use clap::Args;
use container::engine::options::{HealthRequest, Options};
use container::engine::time::parse_span;
use container::engine::{Error, words};
use container::network::parse_publish;

use super::failed;
use super::joining::{Asked, Joining};
use crate::exit::{Failure, Result};

/// Flags of `run` and `create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Instance that it runs in: name, id or address; default: the only one that runs
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Its name; default: one is made up
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Variable of its environment; NAME alone: with this shell's value
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// File with variables, one a line
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Working directory inside
    #[arg(short, long, value_name = "PATH")]
    pub workdir: Option<String>,
    /// Who it runs as: USER[:GROUP], by name or number
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// Program in front of the command, instead of the image's; "" takes it away
    #[arg(long, value_name = "PROGRAM")]
    pub entrypoint: Option<String>,
    /// Host name; default: the beginning of its id
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Remark NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
    /// Keep standard input open
    #[arg(short, long)]
    pub interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Volume or path of this machine inside: SOURCE:TARGET[:ro], or TARGET alone
    #[arg(short, long, value_name = "SOURCE:TARGET")]
    pub volume: Vec<String>,
    /// The same in words: type=bind|volume|tmpfs,source=…,target=…[,readonly]
    #[arg(long, value_name = "WORDS")]
    pub mount: Vec<String>,
    /// Memory inside: PATH[:size=64m,mode=1777]
    #[arg(long, value_name = "PATH")]
    pub tmpfs: Vec<String>,
    /// Have the volumes and binds of another container of the instance too: CONTAINER[:ro]
    #[arg(long, value_name = "CONTAINER")]
    pub volumes_from: Vec<String>,
    /// Device of this machine: refused, as nobody but this machine's root may give one away
    #[arg(long, value_name = "DEVICE", hide = true)]
    pub device: Vec<String>,
    /// Control group above its own: refused, as it is in its instance's
    #[arg(long, value_name = "PATH", hide = true)]
    pub cgroup_parent: Option<String>,
    /// Port of the instance that leads to it: 8080:80, 127.0.0.1:8080:80, 53:53/udp, 8000-8010:8000-8010
    #[arg(short, long, value_name = "PORTS")]
    pub publish: Vec<String>,
    /// Publish every port that the image exposes, each on a random one
    #[arg(short = 'P', long)]
    pub publish_all: bool,
    /// Port that it exposes beside the image's, such as 80 or 53/udp
    #[arg(long, value_name = "PORT")]
    pub expose: Vec<String>,
    /// Its network: bridge, host, none, container:NAME, or a network of the instance; several of these may be given, with
    /// what is asked of each: name=back,ip=10.1.0.9,ip6=…,alias=…,mac-address=…,gw-priority=…
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    pub network: Vec<String>,
    /// One more name in its user networks
    #[arg(long, visible_alias = "net-alias", value_name = "NAME")]
    pub network_alias: Vec<String>,
    /// Its address in its network, whose subnet somebody chose
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<Ipv4Addr>,
    /// Its IPv6 address in its network
    #[arg(long, value_name = "ADDRESS")]
    pub ip6: Option<Ipv6Addr>,
    /// Its Ethernet address
    #[arg(long, value_name = "ADDRESS")]
    pub mac_address: Option<String>,
    /// A name for another container of its instance: NAME or NAME:ALIAS
    #[arg(long, value_name = "NAME[:ALIAS]")]
    pub link: Vec<String>,
    /// Remove it, with its anonymous volumes, when it ends
    #[arg(long)]
    pub rm: bool,
    /// When it is started again: no, always, unless-stopped, on-failure[:TIMES]
    #[arg(long, default_value = "no", value_name = "POLICY")]
    pub restart: String,
    /// Most memory, such as 512m
    #[arg(short, long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Most processors, such as 0.5
    #[arg(long, value_name = "NUMBER")]
    pub cpus: Option<String>,
    /// Most processes and threads; -1: no limit
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub pids_limit: Option<i64>,
    /// Capability beside Docker's fourteen, or ALL
    #[arg(long, value_name = "NAME")]
    pub cap_add: Vec<String>,
    /// Capability that it does not get, or ALL
    #[arg(long, value_name = "NAME")]
    pub cap_drop: Vec<String>,
    /// All capabilities that root has in its instance, no masks, no seccomp filter; devices of this machine stay out of reach
    #[arg(long)]
    pub privileged: bool,
    /// Refuse writes to its root file system
    #[arg(long)]
    pub read_only: bool,
    /// A small init as its first process, which reaps
    #[arg(long)]
    pub init: bool,
    /// Limit of each process: nofile=1024:4096
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit: Vec<String>,
    /// Line of its /etc/hosts: NAME:ADDRESS; the address host-gateway is the instance's
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub add_host: Vec<String>,
    /// Resolver instead of the instance's
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<IpAddr>,
    /// Search domain instead of the instance's; . for none
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search: Vec<String>,
    /// Option for the resolver, such as ndots:2
    #[arg(long, value_name = "OPTION")]
    pub dns_option: Vec<String>,
    /// Line for a shell that says whether it is healthy: exit code 0
    #[arg(long, value_name = "COMMAND")]
    pub health_cmd: Option<String>,
    /// Between two questions, such as 5s; default: 30s
    #[arg(long, value_name = "TIME")]
    pub health_interval: Option<String>,
    /// How long one may take; default: 30s
    #[arg(long, value_name = "TIME")]
    pub health_timeout: Option<String>,
    /// Bad answers in a row that make it unhealthy; default: 3
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub health_retries: Option<u32>,
    /// Time at the start in which bad answers do not count
    #[arg(long, value_name = "TIME")]
    pub health_start_period: Option<String>,
    /// Between two questions meanwhile; default: 5s
    #[arg(long, value_name = "TIME")]
    pub health_start_interval: Option<String>,
    /// Do not ask for its health, whatever the image says
    #[arg(long)]
    pub no_healthcheck: bool,
    /// Signal that ends it, such as QUIT
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Seconds before it is killed; default: 10
    #[arg(long, value_name = "SECONDS")]
    pub stop_timeout: Option<u64>,
    /// Size of /dev/shm; default: 64m
    #[arg(long, value_name = "SIZE")]
    pub shm_size: Option<String>,
    /// no-new-privileges, or seccomp=unconfined
    #[arg(long, value_name = "WORDS")]
    pub security_opt: Vec<String>,
    /// Setting of its own namespaces: net.ipv4.ip_forward=1
    #[arg(long, value_name = "NAME=VALUE")]
    pub sysctl: Vec<String>,
    /// How soon the kernel ends it when memory runs out, -1000 to 1000
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub oom_score_adj: Option<i32>,
    /// max-size=10m or max-file=3: how much of what it prints is kept
    #[arg(long, value_name = "NAME=VALUE")]
    pub log_opt: Vec<String>,
    /// Image, then the command and its arguments; default: the image's command
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "IMAGE")]
    pub words: Vec<String>,
}

impl CreateArgs {
    /// The image's name.
    pub fn image(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// What the engine is asked for.
    pub fn options(&self) -> Result<Options> {
        self.read().map_err(|error| failed(&error))
    }

    fn read(&self) -> std::result::Result<Options, Error> {
        let caller = |name: &str| std::env::var(name).ok();
        let folder = std::env::current_dir().map_err(Error::io("looking where this is"))?;
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let mut environment = Vec::new();
        for path in &self.env_file {
            let content = std::fs::read_to_string(path).map_err(Error::io(format!("reading {}", path.display())))?;
            environment.extend(words::variables(&path.display().to_string(), &content, caller)?);
        }
        for variable in &self.env {
            environment.extend(words::variable(variable, caller)?);
        }
        let mut mounts = Vec::new();
        for text in &self.volume {
            mounts.push(words::volume(text, &folder, home.as_deref())?);
        }
        for text in &self.mount {
            mounts.push(words::mount(text, &folder, home.as_deref())?);
        }
        for text in &self.tmpfs {
            mounts.push(words::tmpfs(text)?);
        }
        if let Some(device) = self.device.first() {
            let why = "a container is in an instance, which has no devices of this machine; /dev has null, zero, full, random, urandom, tty, \
                       and with --privileged net/tun and fuse";
            return Err(Error::option("--device", device, why));
        }
        if let Some(parent) = self.cgroup_parent.as_ref().filter(|parent| !parent.is_empty()) {
            return Err(Error::option("--cgroup-parent", parent, "a container's control group lies in its instance's, whose limits hold for it"));
        }
        let mut publish = Vec::new();
        for text in &self.publish {
            publish.extend(parse_publish(text)?);
        }
        let asked = Asked { networks: &self.network, ip: self.ip, ip6: self.ip6, mac_address: self.mac_address.as_deref(), links: &self.link };
        let Joining { network, more_networks, attachments, links } = asked.read()?;
        let (no_new_privileges, seccomp_unconfined) = self.security()?;
        let (log_bytes, log_files) = self.log()?;
        let size = |option, text: &Option<String>| text.as_ref().map(|text| words::bytes(option, text)).transpose();
        Ok(Options {
            image: self.image().to_owned(),
            name: self.name.clone(),
            command: self.words.get(1..).unwrap_or_default().to_vec(),
            entrypoint: self.entrypoint.as_ref().map(|program| Some(program.clone()).filter(|p| !p.is_empty()).into_iter().collect()),
            environment,
            working_directory: self.workdir.clone(),
            user: self.user.clone(),
            hostname: self.hostname.clone(),
            labels: self.label.iter().map(|text| words::label(text)).collect::<std::result::Result<_, _>>()?,
            terminal: self.tty,
            stdin_open: self.interactive,
            stdin_stays: false,
            mounts,
            volumes_from: self.volumes_from.clone(),
            publish,
            publish_all: self.publish_all,
            expose: self.expose.clone(),
            network,
            more_networks,
            aliases: self.network_alias.clone(),
            attachments,
            links,
            is_out_of_first: false,
            auto_remove: self.rm,
            restart: words::restart(&self.restart)?,
            memory_bytes: size("--memory", &self.memory)?,
            cpu_percent: self.cpus.as_deref().map(words::cpus).transpose()?,
            processes: self.pids_limit.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit > 0),
            capabilities_added: self.cap_add.clone(),
            capabilities_dropped: self.cap_drop.clone(),
            privileged: self.privileged,
            read_only: self.read_only,
            init: self.init,
            ulimits: self.ulimit.iter().map(|text| words::ulimit(text)).collect::<std::result::Result<_, _>>()?,
            extra_hosts: self.add_host.clone(),
            dns: self.dns.clone(),
            dns_search: self.dns_search.clone(),
            dns_options: self.dns_option.clone(),
            health: self.health()?,
            no_health: self.no_healthcheck,
            stop_signal: self.stop_signal.clone(),
            stop_seconds: self.stop_timeout,
            shm_bytes: size("--shm-size", &self.shm_size)?,
            no_new_privileges,
            seccomp_unconfined,
            sysctls: self.sysctls()?,
            oom_score_adj: self.oom_score_adj,
            log_bytes,
            log_files,
        })
    }

    fn health(&self) -> std::result::Result<HealthRequest, Error> {
        let span = |option: &'static str, text: &Option<String>| {
            let read = |text: &String| parse_span(text).ok_or_else(|| Error::option(option, text, "write a time such as 5s or 1m30s"));
            text.as_ref().map(read).transpose()
        };
        Ok(HealthRequest {
            test: self.health_cmd.as_ref().map(|line| vec!["CMD-SHELL".to_owned(), line.clone()]),
            interval: span("--health-interval", &self.health_interval)?,
            timeout: span("--health-timeout", &self.health_timeout)?,
            retries: self.health_retries,
            start_period: span("--health-start-period", &self.health_start_period)?,
            start_interval: span("--health-start-interval", &self.health_start_interval)?,
        })
    }

    fn security(&self) -> std::result::Result<(bool, bool), Error> {
        let (mut no_new_privileges, mut seccomp_unconfined) = (false, false);
        for text in &self.security_opt {
            match text.replace(':', "=").as_str() {
                "no-new-privileges" | "no-new-privileges=true" => no_new_privileges = true,
                "no-new-privileges=false" => no_new_privileges = false,
                "seccomp=unconfined" => seccomp_unconfined = true,
                _ => return Err(Error::option("--security-opt", text, "write no-new-privileges or seccomp=unconfined")),
            }
        }
        Ok((no_new_privileges, seccomp_unconfined))
    }

    fn log(&self) -> std::result::Result<(Option<u64>, Option<u32>), Error> {
        let (mut bytes, mut files) = (None, None);
        for text in &self.log_opt {
            match text.split_once('=') {
                Some(("max-size", size)) => bytes = Some(words::bytes("--log-opt", size)?),
                Some(("max-file", number)) => {
                    let number = number.parse::<u32>().ok().filter(|number| (1..=100).contains(number));
                    files = Some(number.ok_or_else(|| Error::option("--log-opt", text, "a number of files is from 1 to 100"))?);
                }
                _ => return Err(Error::option("--log-opt", text, "write max-size=10m or max-file=3")),
            }
        }
        Ok((bytes, files))
    }

    fn sysctls(&self) -> std::result::Result<BTreeMap<String, String>, Error> {
        let pair = |text: &String| match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(Error::option("--sysctl", text, "write NAME=VALUE")),
        };
        self.sysctl.iter().map(pair).collect()
    }
}

/// One word for several that cannot be one: an image's name is needed in front of a command.
pub fn check_image(name: &str) -> Result<()> {
    if name.starts_with('-') {
        return Err(Failure::usage(format!("`{name}` is no flag of this command, and no image")).hint("vpclab containers run --help"));
    }
    Ok(())
}
