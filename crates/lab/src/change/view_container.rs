//! Containers, volumes and images in words: what `view` compares of them.

use std::collections::BTreeMap;

use model::ContainerSpec;
use model::container::{HealthTest, NetworkChoice};

use super::view::{Kind, Reader, Thing, Value, View};

impl Reader<'_> {
    /// A container is made of its spec once: one with another spec is another container.
    pub(super) fn containers(&self, view: &mut View) {
        for (name, volume) in &self.model.volumes {
            let labels = volume.labels.iter().fold(Thing::default(), |thing, (key, value)| thing.open(format!("label {key}"), value));
            view.add(Kind::Volume, name, labels.at(&volume.origin));
        }
        for (name, image) in &self.model.container_images {
            view.add(Kind::Image, name, Thing::default().open("from", &image.source).summary(&image.source).at(&image.origin));
        }
        for (instance, id) in self.names.instances.iter() {
            for (name, spec) in self.model.containers.get(id).into_iter().flatten() {
                let thing = container(spec).lives_in(Kind::Instance, instance).at(&spec.origin);
                view.add(Kind::Container, &format!("{instance}/{name}"), thing);
            }
        }
    }
}

fn container(spec: &ContainerSpec) -> Thing {
    let mut thing = Thing::default().fixed("image", &spec.image).summary(&spec.image);
    let mut text = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            thing.fixed.insert(name.to_owned(), Value::Text(value));
        }
    };
    text("working directory", spec.working_directory.clone());
    text("user", spec.user.clone());
    text("host name", spec.hostname.clone());
    text("restart", Some(spec.restart.to_string()).filter(|word| word != "no"));
    text("memory", spec.resources.memory_bytes.map(size));
    text("processors", spec.resources.nano_cpus.map(|nano| decimal(nano, 1_000_000_000)));
    text("processes", spec.resources.pids.map(|pids| pids.to_string()));
    text("/dev/shm", spec.resources.shm_bytes.map(size));
    text("network", Some(spec.network.to_string()).filter(|_| spec.network != NetworkChoice::Bridge));
    text("stop signal", spec.stop_signal.clone());
    text("stop timeout", spec.stop_timeout_milliseconds.map(duration));
    for (name, is_set) in [
        ("read-only", spec.read_only),
        ("privileged", spec.privileged),
        ("init", spec.init),
        ("terminal", spec.terminal),
    ] {
        text(name, is_set.then(|| "yes".to_owned()));
    }
    if let Some(check) = &spec.health_check {
        text("health interval", check.interval_milliseconds.map(duration));
        text("health timeout", check.timeout_milliseconds.map(duration));
        text("health retries", check.retries.map(|retries| retries.to_string()));
        text("health start period", check.start_period_milliseconds.map(duration));
    }
    for (name, readiness) in &spec.depends_on {
        text(&format!("after {name}"), Some(readiness.as_str().to_owned()));
    }
    for (name, value) in &spec.labels {
        text(&format!("label {name}"), Some(value.clone()));
    }
    for (name, address) in &spec.extra_hosts {
        text(&format!("host {name}"), Some(address.clone()));
    }
    let listed = spec.publish.iter().map(|mapping| format!("publishes {mapping}"));
    let listed = listed.chain(spec.mounts.iter().map(|mount| format!("mounts {mount}")));
    let listed = listed.chain(spec.cap_add.iter().map(|name| format!("capability {name}")));
    let listed = listed.chain(spec.cap_drop.iter().map(|name| format!("no capability {name}")));
    thing.fixed.extend(listed.map(|name| (name, Value::Listed)));
    // Values of variables are often secrets, and command lines long: that they changed is said, not from what to what.
    let long = spec.environment.iter().map(|(name, value)| (format!("variable {name}"), value.clone()));
    let command = [("entrypoint", &spec.entrypoint), ("command", &spec.command)];
    let command = command.into_iter().filter_map(|(name, words)| Some((name.to_owned(), format!("{:?}", words.as_ref()?))));
    let check = spec.health_check.as_ref().filter(|check| check.test != HealthTest::Inherit);
    let check = check.map(|check| ("health check".to_owned(), format!("{:?}", check.test)));
    let long: BTreeMap<String, String> = long.chain(command).chain(check).collect();
    thing.fixed.extend(long.into_iter().map(|(name, value)| (name, Value::Long(value))));
    thing
}

/// Bytes as people write them.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(1 << 40, 't'), (1 << 30, 'g'), (1 << 20, 'm'), (1 << 10, 'k')];
    match units.iter().find(|(factor, _)| bytes > 0 && bytes.is_multiple_of(*factor)) {
        Some((factor, unit)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}b"),
    }
}

/// Milliseconds as people write them.
pub(crate) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0 => "0s".to_owned(),
        _ if milliseconds.is_multiple_of(3_600_000) => format!("{}h", milliseconds / 3_600_000),
        _ if milliseconds.is_multiple_of(60_000) => format!("{}m", milliseconds / 60_000),
        _ if milliseconds.is_multiple_of(1_000) => format!("{}s", milliseconds / 1_000),
        _ => format!("{milliseconds}ms"),
    }
}

/// `number` of `whole`ths as a decimal number.
pub(crate) fn decimal(number: u64, whole: u64) -> String {
    let fraction = format!("{:09}", number % whole);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { (number / whole).to_string() } else { format!("{}.{fraction}", number / whole) }
}
