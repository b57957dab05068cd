//! Containers, volumes and images in the file's words.

use std::collections::BTreeMap;

use model::ContainerSpec;
use model::container::{HealthCheck, HealthTest, ImageSource, MountSource, NetworkChoice, Readiness};

use super::Writer;
use super::yaml::{key, one_or_many, quoted};
use crate::change::view_container::{decimal, duration, size};

impl Writer<'_> {
    pub(super) fn volumes(&mut self) {
        let model = self.model;
        let used = |name: &str| {
            let mut mounts = model.containers.values().flat_map(BTreeMap::values).flat_map(|spec| &spec.mounts);
            mounts.any(|mount| matches!(&mount.source, MountSource::Volume { name: own, .. } if own == name))
        };
        let volumes: Vec<_> = model.volumes.iter().filter(|(name, _)| self.is_key(name) || !used(name)).collect();
        if !volumes.is_empty() {
            self.line(0, "volumes:");
        }
        for (name, volume) in volumes {
            if !self.is_key(name) {
                self.unsaid(format!("volume {name}: a lab file's names begin with a letter"));
                continue;
            }
            let labels = settings("labels", &volume.labels);
            self.line(1, format!("{}: {{ {} }}", key(name), labels.unwrap_or_default()));
        }
        let images: Vec<_> = model.container_images.iter().filter(|(name, _)| self.is_key(name)).collect();
        if !images.is_empty() {
            self.line(0, "images:");
        }
        for (name, image) in images {
            let text = match &image.source {
                ImageSource::Archive(path) | ImageSource::Build(path) if path.contains(['\n', '\0']) => continue,
                ImageSource::BuildWith(build) => {
                    let mut parts = vec![format!("context: {}", quoted(&build.context))];
                    parts.extend(build.dockerfile.iter().map(|name| format!("dockerfile: {}", quoted(name))));
                    parts.extend(settings("args", &build.arguments));
                    parts.extend(build.target.iter().map(|stage| format!("target: {}", quoted(stage))));
                    self.line(1, format!("{}: {{ build: {{ {} }} }}", key(name), parts.join(", ")));
                    continue;
                }
                source => source.to_string(),
            };
            self.line(1, format!("{}: {}", key(name), quoted(&text)));
        }
    }

    /// Whether a lab file can have a thing of this name.
    fn is_key(&self, name: &str) -> bool {
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && !model::selector::RESERVED_WORDS.contains(&name)
    }

    /// `containers: {…}` of an instance.
    pub(super) fn containers(&mut self, instance: &model::InstanceId) -> Option<String> {
        let model = self.model;
        let mut parts = Vec::new();
        for (name, spec) in model.containers.get(instance)? {
            match self.is_key(name) {
                true => parts.push(format!("{}: {{ {} }}", key(name), container(spec).join(", "))),
                false => self.unsaid(format!("container {name} of {instance}: a lab file's names begin with a letter")),
            }
        }
        (!parts.is_empty()).then(|| format!("containers: {{ {} }}", parts.join(", ")))
    }
}

fn container(spec: &ContainerSpec) -> Vec<String> {
    let words = |words: &[String]| format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "));
    let list = |words: Vec<String>| one_or_many(&words.iter().map(|word| quoted(word)).collect::<Vec<_>>());
    let mut parts = vec![format!("image: {}", quoted(&spec.image))];
    let mut say = |name: &str, value: Option<String>| parts.extend(value.map(|value| format!("{name}: {value}")));
    say("publish", some(&spec.publish).map(|all| list(all.iter().map(ToString::to_string).collect())));
    say("entrypoint", spec.entrypoint.as_deref().map(words));
    say("command", spec.command.as_deref().map(words));
    say("mounts", some(&spec.mounts).map(|all| list(all.iter().map(ToString::to_string).collect())));
    say("working_dir", spec.working_directory.as_deref().map(quoted));
    say("user", spec.user.as_deref().map(quoted));
    say("hostname", spec.hostname.as_deref().map(quoted));
    let waits = spec.depends_on.iter().map(|(name, readiness)| format!("{}: {}", quoted(name), readiness.as_str()));
    let plain = spec.depends_on.values().all(|readiness| *readiness == Readiness::Started);
    let names = || list(spec.depends_on.keys().cloned().collect());
    let waits = if plain { names() } else { format!("{{ {} }}", waits.collect::<Vec<_>>().join(", ")) };
    say("depends_on", Some(waits).filter(|_| !spec.depends_on.is_empty()));
    say("healthcheck", spec.health_check.as_ref().map(health_check));
    let restart = spec.restart.to_string();
    say("restart", Some(quoted(&restart)).filter(|_| restart != "no"));
    say("memory", spec.resources.memory_bytes.map(size));
    say("cpus", spec.resources.nano_cpus.map(|nano| decimal(nano, 1_000_000_000)));
    say("pids", spec.resources.pids.map(|pids| pids.to_string()));
    say("shm_size", spec.resources.shm_bytes.map(size));
    say("networks", match &spec.network {
        NetworkChoice::Bridge => None,
        NetworkChoice::Named(names) => Some(list(names.iter().cloned().collect())),
        other => Some(quoted(&other.to_string())),
    });
    for (name, is_set) in
        [("read_only", spec.read_only), ("privileged", spec.privileged), ("init", spec.init), ("tty", spec.terminal)]
    {
        say(name, is_set.then(|| "true".to_owned()));
    }
    say("cap_add", Some(list(spec.cap_add.iter().cloned().collect())).filter(|_| !spec.cap_add.is_empty()));
    say("cap_drop", Some(list(spec.cap_drop.iter().cloned().collect())).filter(|_| !spec.cap_drop.is_empty()));
    say("stop_signal", spec.stop_signal.as_deref().map(quoted));
    say("stop_timeout", spec.stop_timeout_milliseconds.map(duration));
    parts.extend(settings("env", &spec.environment));
    parts.extend(settings("extra_hosts", &spec.extra_hosts));
    parts.extend(settings("labels", &spec.labels));
    parts
}

fn health_check(check: &HealthCheck) -> String {
    let mut parts: Vec<String> = match &check.test {
        HealthTest::Disabled => return "none".to_owned(),
        HealthTest::Inherit => Vec::new(),
        // A line that is the word for nothing would be taken for it.
        HealthTest::Shell(line) if line == "none" => vec!["cmd: [CMD-SHELL, none]".to_owned()],
        HealthTest::Shell(line) => vec![format!("cmd: {}", quoted(line))],
        HealthTest::Exec(words) => {
            let words = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", ");
            vec![format!("cmd: [CMD, {words}]")]
        }
    };
    let times = [
        ("interval", check.interval_milliseconds),
        ("timeout", check.timeout_milliseconds),
        ("start_period", check.start_period_milliseconds),
    ];
    parts.extend(times.into_iter().filter_map(|(name, time)| Some(format!("{name}: {}", duration(time?)))));
    parts.extend(check.retries.map(|retries| format!("retries: {retries}")));
    format!("{{ {} }}", parts.join(", "))
}

fn some<T>(all: &[T]) -> Option<&[T]> {
    Some(all).filter(|all| !all.is_empty())
}

fn settings(name: &str, all: &BTreeMap<String, String>) -> Option<String> {
    let pairs: Vec<String> = all.iter().map(|(name, value)| format!("{}: {}", quoted(name), quoted(value))).collect();
    (!pairs.is_empty()).then(|| format!("{name}: {{ {} }}", pairs.join(", ")))
}
