//! Volumes, images and containers as the file has them.

use std::collections::BTreeMap;

use model::container::{ContainerSpec, HealthCheck, HealthTest, ImageBuild, ImageSource, MountSource, MountSpec, NetworkChoice, Resources};
use model::operation::*;
use model::{ContainerImage, InstanceId, Volume};

use super::Build;
use crate::file::{Container, HealthCommand, Instance};
use crate::source::{Located, Span};

impl Build<'_, '_> {
    pub(super) fn volumes(&mut self) {
        for (name, written) in self.lab.file.volumes.iter() {
            let labels = written.labels.0.iter().map(|(name, value)| (name.value.clone(), value.value.clone())).collect();
            let volume = Volume { labels, origin: self.origin(name.span) };
            let result = set_volume(self.model, &name.value, volume);
            self.op(name.span, result);
        }
        for (name, written) in self.lab.file.images.iter() {
            let source = match &written.source {
                ImageSource::Pull(reference) => ImageSource::Pull(reference.clone()),
                ImageSource::Archive(path) => ImageSource::Archive(self.place(path, written.span)),
                ImageSource::Build(path) => ImageSource::Build(self.place(path, written.span)),
                ImageSource::BuildWith(build) => {
                    let context = self.place(&build.context, written.span);
                    ImageSource::BuildWith(ImageBuild { context, ..build.clone() })
                }
            };
            let image = ContainerImage { source, origin: self.origin(name.span) };
            let result = set_container_image(self.model, &name.value, image);
            self.op(name.span, result);
        }
    }

    pub(super) fn containers(&mut self, instance: &Instance, id: &InstanceId) {
        let written = &instance.containers.0;
        let Some((first, _)) = written.first() else { return };
        let specs = written.iter().map(|(name, container)| (name.value.clone(), self.container(name, container))).collect();
        let result = set_containers(self.model, id, specs);
        self.op(first.span, result);
    }

    /// Where a path of the file is for whoever runs the lab.
    fn place(&self, path: &str, span: Span) -> String {
        let known = self.lab.container_files.paths.get(&(span.file, path.to_owned()));
        known.cloned().unwrap_or_else(|| path.to_owned())
    }

    fn container(&self, name: &Located<String>, written: &Container) -> ContainerSpec {
        fn value<T: Clone>(written: &Option<Located<T>>) -> Option<T> {
            written.as_ref().map(|written| written.value.clone())
        }
        fn yes(written: &Option<Located<bool>>) -> bool {
            written.as_ref().is_some_and(|written| written.value)
        }
        let files = written.env_file.0.iter().filter_map(|path| {
            self.lab.container_files.environment.get(&(path.span.file, path.value.clone()))
        });
        let mut environment: BTreeMap<String, String> = files.flatten().cloned().collect();
        environment.extend(written.env.0.iter().map(|(name, value)| (name.value.clone(), value.value.clone())));
        let mounts = written.mounts.0.iter().map(|phrase| {
            let source = match &phrase.mount.source {
                MountSource::Bind { path } => MountSource::Bind { path: self.place(path, phrase.source) },
                other => other.clone(),
            };
            MountSpec { target: phrase.mount.target.clone(), source, read_only: phrase.mount.read_only }
        });
        let mut mounts: Vec<MountSpec> = mounts.collect();
        mounts.sort();
        let mut publish: Vec<_> = written.publish.0.iter().map(|phrase| phrase.mapping).collect();
        publish.sort();
        ContainerSpec {
            image: written.image.as_ref().map(|image| image.value.0.clone()).unwrap_or_default(),
            entrypoint: written.entrypoint.as_ref().map(|line| line.0.clone()),
            command: written.command.as_ref().map(|line| line.0.clone()),
            publish,
            environment,
            mounts,
            working_directory: value(&written.working_dir),
            user: value(&written.user),
            hostname: value(&written.hostname),
            depends_on: written.depends_on.0.iter().map(|(name, readiness)| (name.value.clone(), *readiness)).collect(),
            health_check: written.healthcheck.as_ref().map(health_check),
            restart: value(&written.restart).unwrap_or_default(),
            resources: Resources {
                memory_bytes: written.memory.map(|memory| memory.value.0),
                nano_cpus: written.cpus.map(|cpus| cpus.value.0),
                pids: value(&written.pids),
                shm_bytes: written.shm_size.map(|size| size.value.0),
            },
            network: network(written),
            extra_hosts: written.extra_hosts.0.iter().map(|(name, address)| (name.value.clone(), address.value.to_string())).collect(),
            read_only: yes(&written.read_only),
            cap_add: written.cap_add.0.iter().map(|capability| capability.value.0.clone()).collect(),
            cap_drop: written.cap_drop.0.iter().map(|capability| capability.value.0.clone()).collect(),
            privileged: yes(&written.privileged),
            init: yes(&written.init),
            terminal: yes(&written.tty),
            stop_signal: value(&written.stop_signal).map(|signal| match signal.to_ascii_uppercase() {
                word if word.starts_with("SIG") || word.parse::<u8>().is_ok() => word,
                word => format!("SIG{word}"),
            }),
            stop_timeout_milliseconds: written.stop_timeout.map(|timeout| timeout.value.0),
            labels: written.labels.0.iter().map(|(name, value)| (name.value.clone(), value.value.clone())).collect(),
            origin: self.origin(name.span),
        }
    }
}

fn health_check(written: &crate::file::HealthCheck) -> HealthCheck {
    HealthCheck {
        test: match &written.cmd {
            None => HealthTest::Inherit,
            Some(HealthCommand::None(_)) => HealthTest::Disabled,
            Some(HealthCommand::Shell(line)) => HealthTest::Shell(line.clone()),
            Some(HealthCommand::Exec(words)) => HealthTest::Exec(words.clone()),
        },
        interval_milliseconds: written.interval.map(|time| time.value.0),
        timeout_milliseconds: written.timeout.map(|time| time.value.0),
        retries: written.retries.map(|retries| retries.value),
        start_period_milliseconds: written.start_period.map(|time| time.value.0),
    }
}

fn network(written: &Container) -> NetworkChoice {
    let all = &written.networks.0;
    match all.first().map(|name| name.value.as_str()) {
        None | Some("bridge") => NetworkChoice::Bridge,
        Some("host") => NetworkChoice::Host,
        Some("none") => NetworkChoice::None,
        Some(first) => match first.strip_prefix("container:") {
            Some(other) => NetworkChoice::Container(other.to_owned()),
            None => NetworkChoice::Named(all.iter().map(|name| name.value.clone()).collect()),
        },
    }
}
