//! `RUN`.

use std::collections::BTreeMap;

use super::mounts::Prepared;
use crate::build::BuildOptions;
use crate::build::builder::{Builder, Stage};
use crate::build::config::words_of;
use crate::build::dockerfile::instruction::{Command, Run};
use crate::build::error::{Error, Result};
use crate::build::reading::{Reading, Scope};
use crate::build::run;
use crate::build::stages::PREDEFINED;
use crate::network::NetworkMode;

/// Variables that a command has beside those of the image.
struct Variables<'a> {
    /// What `ARG` declared: part of what the step is.
    scoped: BTreeMap<&'a String, &'a String>,
    /// Given and never declared: no part of it.
    proxies: Vec<(&'a String, &'a String)>,
}

impl<'a> Variables<'a> {
    fn new(scope: &'a Scope, options: &'a BuildOptions) -> Self {
        // Variables of the image are above those of the build.
        let of_image: Vec<&str> = scope.process.env.iter().flatten().filter_map(|one| one.split('=').next()).collect();
        let scoped: BTreeMap<_, _> = scope.arguments.iter().filter(|(name, _)| !of_image.contains(&name.as_str())).collect();
        let is_proxy = |name: &String| PREDEFINED.contains(&name.as_str()) && !scoped.contains_key(name);
        let proxies = options.arguments.iter().filter(|(name, _)| is_proxy(name)).collect();
        Variables { scoped, proxies }
    }

    /// How the history tells the command.
    fn told(&self, words: &[String]) -> String {
        let command = words.join(" ");
        if self.scoped.is_empty() {
            return command;
        }
        let all: Vec<String> = self.scoped.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("|{} {} {command}", all.len(), all.join(" "))
    }

    fn environment(&self) -> impl Iterator<Item = String> {
        let all = self.scoped.iter().map(|(name, value)| (*name, *value)).chain(self.proxies.iter().copied());
        all.map(|(name, value)| format!("{name}={value}"))
    }
}

impl Builder<'_> {
    /// Runs a command in a container of what the stage has come to; what it writes is the layer.
    pub(in crate::build) fn run(&mut self, stage: &mut Stage, run: &Run, scope: &Scope, reading: &Reading) -> Result<()> {
        let process = &scope.process;
        let words = words_of(process, &run.command);
        if words.is_empty() {
            return Err(reading.of_name("RUN has no command").into());
        }
        let options = self.options;
        let variables = Variables::new(scope, options);
        let told = variables.told(&words);
        let (asked, mode) = self.network(run, reading)?;
        let mounts = self.mounts(stage, run, reading)?;
        let written: Vec<&str> = run.mounts.iter().map(|word| word.text.as_str()).collect();
        let more = format!("{asked:?} {}{}", written.join(" "), self.digests(&mounts, reading)?);
        let key = self.key(stage, &told, &more);
        let script = match &run.command {
            Command::Shell(line) if line.starts_with("#!") && !reading.line.heredocs.is_empty() => Some(line),
            _ => None,
        };
        self.keep(stage, &key, process.clone(), None, &told, |builder, stage| {
            if stage.image.layers.is_empty() {
                return Err(reading.of_name("there is nothing to run: the image has no files yet").into());
            }
            builder.swept()?;
            let mut options = options.container.clone();
            options.image = stage.image.id.to_string();
            options.entrypoint = Some(Vec::new());
            options.command.clone_from(&words);
            options.environment.extend(variables.environment());
            options.network = mode;
            options.no_health = true;
            let mut prepared = builder.prepared(&mounts, process, reading)?;
            if let Some(script) = script {
                let (mount, command) = Prepared::script(script)?;
                prepared.push(mount);
                options.command = vec![command];
            }
            let (engine, instance) = builder.workshop.place()?;
            let mut borrowed = Vec::new();
            for mount in prepared {
                options.mounts.push(mount.request(engine, &builder.work, &mut borrowed)?);
            }
            let latest = builder.options.source_date_epoch;
            let place = (engine, instance);
            let ended = run::run(place, options, &builder.work, latest, &builder.options.cancel, builder.progress)?;
            drop(borrowed);
            if ended.code != 0 {
                let place = reading.source.place(reading.line, run.at, reading.line.text.len() - run.at);
                return Err(Error::Failed { command: words.join(" "), code: ended.code, place: Box::new(place) });
            }
            Ok(ended.layer)
        })
    }

    /// `--network` as it is asked for, and the network that it, or the build's own, comes to.
    fn network(&self, run: &Run, reading: &Reading) -> Result<(Option<String>, NetworkMode)> {
        let asked = reading.optional(run.network.as_ref())?;
        let network = asked.as_deref().or(self.options.network.as_deref()).unwrap_or("default");
        let mode = NetworkMode::parse(network).map_err(|error| match &run.network {
            Some(word) => Error::from(reading.mistake(word, error.to_string())),
            None => Error::Option { option: "--network", why: error.to_string() },
        })?;
        if let Some(word) = &run.network
            && !matches!(word.text.as_str(), "default" | "none" | "host")
        {
            return Err(reading.mistake(word, "--network of RUN is default, none or host").into());
        }
        Ok((asked, mode))
    }
}
