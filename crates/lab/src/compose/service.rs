//! Services: each becomes a container.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::yes;
use super::write::{beside, is_key, key, one_or_many, quoted};
use super::{Lines, Reading};
use crate::diagnostic::nearest;
use crate::sentence::{parse_duration, parse_size};
use crate::source::Span;
use crate::yaml::{Node, Value};

/// A container and the image that is built for it.
pub(super) struct Service {
    /// Its name.
    pub name: String,
    /// Keys and values of a container.
    pub lines: Lines,
    /// The image of its name, if it is built.
    pub build: Option<String>,
    /// Ports that others may reach: protocol and the instance's port or range.
    pub open: Vec<String>,
}

/// Keys of services in the order in which they are written here.
const KEYS: [&str; 79] = [
    "annotations", "attach", "blkio_config", "build", "cap_add", "cap_drop", "cgroup", "cgroup_parent", "command", "configs", "container_name",
    "cpu_count", "cpu_percent", "cpu_period", "cpu_quota", "cpu_shares", "cpus", "cpuset", "credential_spec", "depends_on", "deploy", "develop",
    "device_cgroup_rules", "devices", "dns", "dns_opt", "dns_search", "domainname", "entrypoint", "env_file", "environment", "expose", "extends",
    "external_links", "extra_hosts", "gpus", "group_add", "healthcheck", "hostname", "image", "init", "ipc", "isolation", "label_file", "labels", "links",
    "logging", "mac_address", "mem_limit", "mem_reservation", "mem_swappiness", "memswap_limit", "network_mode", "networks", "oom_kill_disable",
    "oom_score_adj", "pid", "pids_limit", "platform", "ports", "privileged", "profiles", "pull_policy", "read_only", "restart", "runtime", "scale",
    "secrets", "security_opt", "shm_size", "stdin_open", "stop_grace_period", "stop_signal", "storage_opt", "sysctls", "tmpfs", "tty", "ulimits", "user",
];
const MORE_KEYS: [&str; 7] = ["userns_mode", "uts", "volumes", "volumes_from", "working_dir", "post_start", "pre_stop"];

impl Reading<'_> {
    pub(super) fn services(
        &mut self,
        node: &Node,
        volumes: &BTreeMap<String, Option<String>>,
        networks: &BTreeMap<String, String>,
    ) -> Vec<Service> {
        let entries = self.entries(node, "`services`");
        let mut left = BTreeSet::new();
        for (key, name, value) in &entries {
            let Some(profiles) = value.get("profiles") else { continue };
            let own = self.words("profiles", profiles);
            if !own.is_empty() && !own.iter().any(|one| self.request.profiles.contains(one)) {
                self.note(key.span, format!("{name} is left out: it is of profile {} (--profile {})", own.join(", "), own[0]));
                left.insert(*name);
            }
        }
        let names: BTreeSet<&str> = entries.iter().map(|(_, name, _)| *name).filter(|name| !left.contains(name)).collect();
        let mut all = Vec::new();
        for (key, name, value) in entries.iter().filter(|(_, name, _)| names.contains(name)) {
            if !is_key(name) || model::container::name_problem(name).is_some() {
                let hint = "two or more letters, digits, `_`, `.` and `-`, the first a letter".to_owned();
                self.problem(key.span, format!("`{name}` cannot be the name of a container"), "not a name", Some(hint));
                continue;
            }
            let context = Context { volumes, networks, names: &names };
            all.push(self.service(key, name, value, &context));
        }
        all
    }

    fn service(&mut self, key: &Node, name: &str, node: &Node, context: &Context) -> Service {
        let mut service = Service { name: name.to_owned(), lines: Vec::new(), build: None, open: Vec::new() };
        let (mut image, mut ports, mut mounts, mut mode, mut networks) = (None, Vec::new(), Vec::new(), None, None);
        let mut limits: BTreeMap<&str, String> = BTreeMap::new();
        let entries = self.entries(node, "a service");
        for (at, word, value) in entries {
            let text = value.text().filter(|_| !value.is_null());
            let mut say = |name: &str, value: Option<String>| service.lines.extend(value.map(|value| (name.to_owned(), value)));
            match word {
                "image" => image = text.map(|text| (text.to_owned(), value.span)),
                "build" => service.build = self.build(name, value),
                "command" | "entrypoint" => {
                    let command = self.command(word, value);
                    say(word, command);
                }
                "environment" => {
                    let environment = self.environment(name, value);
                    say("env", environment);
                }
                "env_file" => {
                    let files = self.env_files(name, value);
                    say("env_file", (!files.is_empty()).then(|| one_or_many(&files)));
                }
                "ports" => ports = self.ports(name, value),
                "volumes" => mounts.splice(0..0, self.mounts(name, value, context.volumes)).for_each(drop),
                "tmpfs" => mounts.extend(self.memory(name, value)),
                "networks" => networks = Some(self.service_networks(name, value, context)),
                "network_mode" => mode = text.map(|text| (text.to_owned(), value.span)),
                "depends_on" => {
                    let all = self.depends_on(name, value, context);
                    say("depends_on", all);
                }
                "healthcheck" => {
                    let check = self.healthcheck(name, value);
                    say("healthcheck", check);
                }
                "restart" => say("restart", text.filter(|text| *text != "no").map(quoted)),
                "labels" => {
                    let labels = self.settings(word, value);
                    say("labels", labels);
                }
                "user" | "working_dir" | "hostname" | "stop_signal" => say(word, text.map(quoted)),
                "stop_grace_period" => {
                    let span = text.and_then(|text| self.duration(text, value.span));
                    say("stop_timeout", span);
                }
                "cap_add" | "cap_drop" => {
                    let all = self.list(word, value);
                    say(word, all);
                }
                "privileged" | "read_only" | "init" | "tty" => say(word, yes(value).then(|| "true".to_owned())),
                "mem_limit" | "shm_size" => {
                    let size = text.and_then(|text| self.size(text, value.span));
                    match word {
                        "mem_limit" => drop(size.map(|size| limits.entry("memory").or_insert(size))),
                        _ => say("shm_size", size),
                    }
                }
                "cpus" => drop(text.map(|text| limits.entry("cpus").or_insert(text.to_owned()))),
                "pids_limit" => drop(text.filter(|text| *text != "-1" && *text != "0").map(|text| limits.entry("pids").or_insert(text.to_owned()))),
                "deploy" => self.deploy(name, value, &mut limits),
                "extra_hosts" => {
                    let hosts = self.extra_hosts(name, value);
                    say("extra_hosts", hosts);
                }
                "container_name" => self.note(at.span, format!("{name}: `container_name` is not carried: the container is {name}, and is found by that name")),
                "extends" => {
                    let hint = "docker compose config writes the services out".to_owned();
                    self.problem(at.span, "`extends` is not read", "another service", Some(hint));
                }
                // Of no consequence here: containers of one network reach each other, images are pulled where they are missing.
                "expose" | "profiles" | "pull_policy" | "attach" | "platform" | "develop" => {}
                "scale" if text == Some("1") => {}
                _ if word.starts_with("x-") => {}
                _ if KEYS.contains(&word) || MORE_KEYS.contains(&word) => {
                    self.note(at.span, format!("{name}: `{word}` is not carried"));
                }
                _ => {
                    let hint = nearest(word, KEYS.into_iter().chain(MORE_KEYS)).map(|near| format!("did you mean `{near}`?"));
                    self.problem(at.span, format!("`{word}` is not a key of a service"), "unknown", hint);
                }
            }
        }
        self.finish(key, service, (image, ports, mounts, mode, networks, limits), context)
    }

    #[allow(clippy::type_complexity, reason = "what one function has read, for the next")]
    fn finish(
        &mut self,
        key: &Node,
        mut service: Service,
        (image, ports, mounts, mode, networks, limits): (
            Option<(String, Span)>,
            Vec<String>,
            Vec<String>,
            Option<(String, Span)>,
            Option<Vec<String>>,
            BTreeMap<&str, String>,
        ),
        context: &Context,
    ) -> Service {
        let name = service.name.clone();
        let image = match (&service.build, image) {
            (Some(_), image) => {
                if let Some((image, span)) = image {
                    self.note(span, format!("{name}: the image that is built is not called {image}: the lab calls it {name}"));
                }
                name.clone()
            }
            (None, Some((image, span))) => {
                if let Some(why) = model::container::reference_problem(&image) {
                    self.problem(span, why, "not an image", None);
                }
                image
            }
            (None, None) => {
                self.problem(key.span, format!("service {name} has neither image nor build"), "what is it made of?", None);
                String::new()
            }
        };
        let listed = |all: &[String]| one_or_many(&all.iter().map(|one| quoted(one)).collect::<Vec<_>>());
        let mut first: Lines = vec![("image".into(), quoted(&image))];
        let has_own_ports = match &mode {
            Some((mode, _)) => mode == "bridge",
            None => true,
        };
        if !ports.is_empty() && has_own_ports {
            first.push(("publish".into(), listed(&ports)));
        }
        service.open = ports.iter().filter(|_| has_own_ports).filter_map(|port| open(port)).collect();
        service.lines.splice(0..0, first);
        if !mounts.is_empty() {
            service.lines.push(("mounts".into(), listed(&mounts)));
        }
        for (limit, value) in limits {
            service.lines.push((limit.to_owned(), value));
        }
        let networks = match mode {
            Some((mode, span)) => match mode.strip_prefix("service:").or_else(|| mode.strip_prefix("container:")) {
                Some(other) if context.names.contains(other) => vec![format!("container:{other}")],
                Some(other) => {
                    self.problem(span, format!("{name}: no service is called `{other}`"), "not found", None);
                    Vec::new()
                }
                None if matches!(mode.as_str(), "host" | "none" | "bridge") => {
                    if mode == "host" && !ports.is_empty() {
                        self.note(span, format!("{name}: in network host its ports are the instance's: `ports` is not carried"));
                    }
                    vec![mode]
                }
                None => {
                    self.problem(span, format!("{name}: there is no network mode {mode}"), "unknown", Some("bridge, host, none or service:NAME".into()));
                    Vec::new()
                }
            },
            None => networks.filter(|all| !all.is_empty()).unwrap_or_else(|| vec![context.networks["default"].clone()]),
        };
        if !networks.is_empty() {
            service.lines.push(("networks".into(), listed(&networks)));
        }
        service
    }

    fn duration(&mut self, text: &str, span: Span) -> Option<String> {
        // Zero says that nothing is waited for, which a lab file says with the least there is.
        match parse_duration(text) {
            Ok(_) => Some(text.to_owned()),
            Err(_) if text.trim_end_matches(char::is_alphabetic) == "0" => Some("1ms".into()),
            Err(_) => {
                self.problem(span, format!("`{text}` is no span of time"), "not understood", Some("such as 10s or 1m30s".into()));
                None
            }
        }
    }

    fn size(&mut self, text: &str, span: Span) -> Option<String> {
        if parse_size(text).is_err() {
            self.problem(span, format!("`{text}` is no size"), "not understood", Some("such as 512m".into()));
            return None;
        }
        Some(text.to_owned())
    }

    fn build(&mut self, name: &str, node: &Node) -> Option<String> {
        if let Some(context) = node.text().filter(|_| !node.is_null()) {
            return Some(quoted(&format!("build {}", self.context(context, node.span)?)));
        }
        let (mut context, mut parts, mut first) = (None, Vec::new(), None);
        for (key, word, value) in self.entries(node, "`build`") {
            match (word, value.text()) {
                ("context", Some(text)) => (context, first) = (Some(text), Some(value.span)),
                ("dockerfile", Some(text)) => parts.push(format!("dockerfile: {}", quoted(text))),
                ("target", Some(text)) => parts.push(format!("target: {}", quoted(text))),
                ("args", _) => {
                    let environment = self.environment(name, value);
                    parts.extend(environment.map(|all| format!("args: {all}")));
                }
                ("dockerfile_inline", _) => {
                    self.problem(key.span, "`dockerfile_inline` is not read", "a Dockerfile", Some("write it into a file of its own".into()));
                }
                _ => self.note(key.span, format!("{name}: `{word}` of its build is not carried")),
            }
        }
        let context = self.context(context.unwrap_or("."), first.unwrap_or(node.span))?;
        Some(match parts.is_empty() {
            true => quoted(&format!("build {context}")),
            false => format!("{{ build: {{ context: {}, {} }} }}", quoted(&context), parts.join(", ")),
        })
    }

    fn context(&mut self, text: &str, span: Span) -> Option<String> {
        if text.contains("://") || text.starts_with("git@") {
            self.problem(span, format!("the build context {text} is elsewhere"), "not a folder", Some("clone it beside the compose file".into()));
            return None;
        }
        Some(if text.starts_with('/') { text.to_owned() } else { beside(self.request.folder, text) })
    }

    fn environment(&mut self, name: &str, node: &Node) -> Option<String> {
        let mut all = Vec::new();
        for (variable, value) in self.pairs("environment", node) {
            match value.or_else(|| self.request.variables.get(&variable).cloned()) {
                Some(value) => all.push(format!("{}: {}", quoted(&variable), quoted(&value))),
                None => self.note(node.span, format!("{name}: variable {variable} has no value here, and is not carried")),
            }
        }
        (!all.is_empty()).then(|| format!("{{ {} }}", all.join(", ")))
    }

    fn env_files(&mut self, name: &str, node: &Node) -> Vec<String> {
        let items: Vec<&Node> = match &node.value {
            Value::Sequence(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut all = Vec::new();
        for item in items {
            let path = item.get("path").unwrap_or(item).text();
            let Some(path) = path else { continue };
            if item.get("required").and_then(Node::text) == Some("false") {
                self.note(item.span, format!("{name}: {path} is needed in a lab file"));
            }
            self.note(item.span, format!("{name}: values in {path} are taken as they stand, with their quotes and dollar signs"));
            all.push(quoted(&if path.starts_with('/') { path.to_owned() } else { beside(self.request.folder, path) }));
        }
        all
    }

    fn service_networks(&mut self, name: &str, node: &Node, context: &Context) -> Vec<String> {
        let mut all = Vec::new();
        let names: Vec<(String, Span)> = match &node.value {
            Value::Mapping(entries) => entries.iter().filter_map(|(key, _)| Some((key.text()?.to_owned(), key.span))).collect(),
            _ => self.words("networks", node).into_iter().map(|word| (word, node.span)).collect(),
        };
        for (network, span) in names {
            match context.networks.get(&network) {
                Some(own) => all.push(own.clone()),
                None => {
                    let hint = nearest(&network, context.networks.keys().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
                    self.problem(span, format!("{name}: no network is called `{network}`"), "not found", hint);
                }
            }
            let Some(options) = node.get(&network).filter(|options| !options.is_null()) else { continue };
            for (key, word, value) in self.entries(options, "a network of a service") {
                match word {
                    "aliases" => {
                        let others: Vec<String> = self.words("aliases", value).into_iter().filter(|alias| alias != name).collect();
                        if !others.is_empty() {
                            self.note(key.span, format!("{name}: its other names {} are not carried: it is found as {name}", others.join(", ")));
                        }
                    }
                    _ => self.note(key.span, format!("{name}: `{word}` in network {network} is not carried")),
                }
            }
        }
        all
    }

    fn depends_on(&mut self, name: &str, node: &Node, context: &Context) -> Option<String> {
        let mut all = Vec::new();
        let names: Vec<(String, Span)> = match &node.value {
            Value::Mapping(entries) => entries.iter().filter_map(|(key, _)| Some((key.text()?.to_owned(), key.span))).collect(),
            Value::Sequence(items) => items.iter().filter_map(|item| Some((item.text()?.to_owned(), item.span))).collect(),
            Value::Scalar { .. } => Vec::new(),
        };
        for (other, span) in names {
            let options = node.get(&other);
            let option = |word: &str| options.and_then(|options| options.get(word)).and_then(Node::text);
            if !context.names.contains(other.as_str()) {
                if option("required") != Some("false") {
                    let hint = nearest(&other, context.names.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                    self.problem(span, format!("{name}: no service is called `{other}`, or it is left out"), "not found", hint);
                }
                continue;
            }
            if option("restart") == Some("true") {
                self.note(span, format!("{name}: it is not started again with {other}"));
            }
            let readiness = match option("condition") {
                None | Some("service_started") => "started",
                Some("service_healthy") => "healthy",
                Some("service_completed_successfully") => "completed",
                Some(unknown) => {
                    let hint = "service_started, service_healthy or service_completed_successfully".to_owned();
                    self.problem(span, format!("{name}: there is no condition {unknown}"), "unknown", Some(hint));
                    continue;
                }
            };
            all.push(format!("{}: {readiness}", key(&other)));
        }
        (!all.is_empty()).then(|| format!("{{ {} }}", all.join(", ")))
    }

    fn healthcheck(&mut self, name: &str, node: &Node) -> Option<String> {
        let mut parts = Vec::new();
        for (at, word, value) in self.entries(node, "`healthcheck`") {
            let text = value.text().filter(|_| !value.is_null());
            match (word, text) {
                ("disable", _) if yes(value) => return Some("none".into()),
                ("disable", _) => {}
                ("test", Some("NONE" | "none")) => return Some("none".into()),
                ("test", Some(line)) => parts.push(format!("cmd: {}", quoted(line))),
                ("test", None) => match &self.words("test", value)[..] {
                    [none] if none == "NONE" => return Some("none".into()),
                    words @ [kind, _, ..] if kind == "CMD" || kind == "CMD-SHELL" => {
                        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
                        parts.push(format!("cmd: [{}]", words.join(", ")));
                    }
                    _ => self.problem(value.span, "a health check begins with CMD, CMD-SHELL or NONE", "what is it?", Some("test: [CMD, curl, -f, http://localhost]".into())),
                },
                ("interval" | "timeout" | "start_period", Some(text)) => {
                    let span = self.duration(text, value.span);
                    parts.extend(span.map(|span| format!("{word}: {span}")));
                }
                ("retries", Some(text)) => parts.push(format!("retries: {text}")),
                _ => self.note(at.span, format!("{name}: `{word}` of its health check is not carried")),
            }
        }
        (!parts.is_empty()).then(|| format!("{{ {} }}", parts.join(", ")))
    }

    fn deploy(&mut self, name: &str, node: &Node, limits: &mut BTreeMap<&str, String>) {
        for (at, word, value) in self.entries(node, "`deploy`") {
            match word {
                "resources" => {
                    for (at, word, value) in self.entries(value, "`resources`") {
                        if word != "limits" {
                            self.note(at.span, format!("{name}: `{word}` of its resources is not carried"));
                            continue;
                        }
                        for (at, word, value) in self.entries(value, "`limits`") {
                            match (word, value.text()) {
                                ("cpus", Some(text)) => drop(limits.insert("cpus", text.to_owned())),
                                ("pids", Some(text)) => drop(limits.insert("pids", text.to_owned())),
                                ("memory", Some(text)) => drop(self.size(text, value.span).map(|size| limits.insert("memory", size))),
                                _ => self.note(at.span, format!("{name}: `{word}` of its limits is not carried")),
                            }
                        }
                    }
                }
                "replicas" if value.text() == Some("1") => {}
                "replicas" => self.note(at.span, format!("{name}: it is one container, and not {}", value.text().unwrap_or_default())),
                "labels" | "mode" => {}
                _ => self.note(at.span, format!("{name}: `{word}` of its deploy is not carried")),
            }
        }
    }

    fn extra_hosts(&mut self, name: &str, node: &Node) -> Option<String> {
        let mut all = Vec::new();
        let pairs: Vec<(String, String)> = match &node.value {
            Value::Mapping(entries) => entries.iter().filter_map(|(key, value)| Some((key.text()?.to_owned(), value.text()?.to_owned()))).collect(),
            _ => {
                let words = self.words("extra_hosts", node);
                words.iter().filter_map(|word| word.split_once('=').or_else(|| word.split_once(':'))).map(|(host, address)| (host.to_owned(), address.to_owned())).collect()
            }
        };
        for (host, address) in pairs {
            match address.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
                Ok(address) => all.push(format!("{}: {}", quoted(&host), quoted(&address.to_string()))),
                Err(_) => self.note(node.span, format!("{name}: host {host} is not carried: `{address}` is no address")),
            }
        }
        (!all.is_empty()).then(|| format!("{{ {} }}", all.join(", ")))
    }
}

/// What a service may name.
struct Context<'a> {
    volumes: &'a BTreeMap<String, Option<String>>,
    networks: &'a BTreeMap<String, String>,
    names: &'a BTreeSet<&'a str>,
}

/// What a security group has to let in for a published port; none where it is on a loopback address.
fn open(port: &str) -> Option<String> {
    let (host, rest) = port.split_once("->")?;
    let protocol = if rest.ends_with("/udp") { "udp" } else { "tcp" };
    match host.rsplit_once(':') {
        Some((address, _)) if address.starts_with("127.") => None,
        Some((_, ports)) => Some(format!("{protocol}/{ports}")),
        None => Some(format!("{protocol}/{host}")),
    }
}
