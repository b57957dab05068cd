//! The builder: stages in order, instructions in order, each found in the cache or done.

use std::collections::BTreeMap;
use std::fs::File;

use super::config;
use super::context::Ready;
use super::dockerfile::instruction::{Instruction, Step, Word};
use super::dockerfile::line::{Line, Source};
use super::dockerfile::{Dockerfile, parse};
use super::error::{Error, Result};
use super::images;
use super::progress::Progress;
use super::reading::{Reading, Scope};
use super::run::{Workshop, sweep};
use super::stages::{self, Base, PREDEFINED, Plan};
use super::tree::Tree;
use super::{Build, BuildOptions};
use crate::blob::Pending;
use crate::digest::{Digest, Hashing};
use crate::engine::{Moment, commit};
use crate::oci::{Config, History, Platform, Process, RootFs, chain_ids};
use crate::store::{Image, Store};
use crate::work::Work;

/// Where programs are looked for in an image that begins with nothing.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn build(
    build: Build,
    store: &Store,
    workshop: &mut dyn Workshop,
    progress: &mut dyn FnMut(Progress),
) -> Result<Image> {
    let mut options = build.options;
    let recipe = options.recipe.take();
    let ready = Ready::new(build.context, options.dockerfile.as_deref(), recipe, store)?;
    let file = parse::parse(&ready.recipe.name, &ready.recipe.text)?;
    let plan = stages::plan(&file, &options)?;
    if options.source_date_epoch.is_none() {
        options.source_date_epoch = options.arguments.get("SOURCE_DATE_EPOCH").and_then(|text| text.parse().ok());
    }
    // Nothing that is made meanwhile is collected before an image has it.
    let session = store.session()?;
    let stage_steps = |number: &usize| 1 + file.stages[*number].steps.len();
    let labels = usize::from(!options.labels.is_empty());
    let total = file.globals.len() + plan.needed.iter().map(stage_steps).sum::<usize>() + labels;
    let mut builder = Builder {
        file: &file,
        plan: &plan,
        ready: &ready,
        options: &options,
        store,
        work: store.work()?,
        workshop,
        progress,
        number: 0,
        total,
        done: BTreeMap::new(),
        is_swept: false,
    };
    for step in &file.globals {
        builder.announce(&step.line.text);
    }
    for number in &plan.needed {
        builder.stage(*number)?;
    }
    let image = plan.needed.last().and_then(|last| builder.done.remove(last)).ok_or(Error::Cancelled)?;
    options.cancel.check()?;
    let image = store.add(&session, &image.manifest, &options.names)?;
    progress(Progress::Built(image.id));
    let is_known =
        |name: &&String| plan.declared.contains(*name) || PREDEFINED.contains(&name.as_str()) || *name == "SOURCE_DATE_EPOCH";
    let unused: Vec<&str> = options.arguments.keys().filter(|name| !is_known(name)).map(String::as_str).collect();
    if !unused.is_empty() {
        progress(Progress::Note(format!("One or more build-args [{}] were not consumed", unused.join(" "))));
    }
    for name in &options.names {
        progress(Progress::Tagged(name.familiar()));
    }
    Ok(image)
}

pub(super) struct Builder<'a> {
    pub file: &'a Dockerfile,
    pub plan: &'a Plan,
    pub ready: &'a Ready,
    pub options: &'a BuildOptions,
    pub store: &'a Store,
    pub work: Work,
    pub workshop: &'a mut dyn Workshop,
    pub progress: &'a mut dyn FnMut(Progress),
    number: usize,
    total: usize,
    /// Images of stages.
    pub done: BTreeMap<usize, Image>,
    pub is_swept: bool,
}

/// A stage that is being built.
pub(super) struct Stage {
    /// Its number.
    pub number: usize,
    /// What it has come to.
    pub image: Image,
    /// What `ARG` has declared, where it has a value.
    pub arguments: BTreeMap<String, String>,
    is_command_given: bool,
}

impl Stage {
    pub fn process(&self) -> Process {
        self.image.config.config.clone().unwrap_or_default()
    }

    fn scope(&self) -> Scope {
        Scope { process: self.process(), arguments: self.arguments.clone() }
    }
}

impl Builder<'_> {
    fn announce(&mut self, text: &str) {
        self.number += 1;
        (self.progress)(Progress::Step { number: self.number, total: self.total, text: text.to_owned() });
    }

    fn stage(&mut self, number: usize) -> Result<()> {
        self.options.cancel.check()?;
        let (stage, source) = (&self.file.stages[number], &self.file.source);
        self.announce(&stage.line.text);
        let at = |error: Error| match error {
            // The line that names the image is where somebody has to look.
            Error::Image(error @ (crate::Error::Reference { .. } | crate::Error::Registry(_) | crate::Error::NoImage(_))) => {
                let word = &stage.from.image;
                source.mistake(&stage.line, word.at, word.text.len(), error.to_string()).into()
            }
            other => other,
        };
        let image = match &self.plan.bases[number] {
            Base::Scratch => self.scratch()?,
            Base::Stage(other) => self.done.get(other).cloned().ok_or(Error::Cancelled)?,
            Base::Image(name, platform) => {
                let wanted = platform.as_deref().map(Platform::parse).transpose();
                let wanted = wanted.map_err(|why| {
                    let word = stage.from.platform.as_ref().unwrap_or(&stage.from.image);
                    source.mistake(&stage.line, word.at, word.text.len(), why)
                })?;
                images::bring(self.store, name, wanted.or_else(|| self.options.platform.clone()), self.options, self.progress)
                    .map_err(at)?
            }
        };
        (self.progress)(Progress::Made(image.id));
        let mut building = Stage { number, image, arguments: BTreeMap::new(), is_command_given: false };
        self.triggers(&mut building)?;
        for step in &stage.steps {
            self.announce(&step.line.text);
            self.step(&mut building, step, source)?;
        }
        if Some(&number) == self.plan.needed.last() && !self.options.labels.is_empty() {
            let mut process = building.process();
            let mut told = String::from("LABEL");
            for (name, value) in &self.options.labels {
                told.push_str(&format!(" {name}={value}"));
                process.labels.get_or_insert_default().insert(name.clone(), value.clone());
            }
            self.announce(&told);
            self.settled(&mut building, process, None, &told)?;
        }
        self.done.insert(number, building.image);
        Ok(())
    }

    /// An image with nothing in it.
    fn scratch(&mut self) -> Result<Image> {
        let platform = self.options.platform.clone().unwrap_or_else(Platform::host);
        let config = Config {
            architecture: platform.architecture,
            os: platform.os,
            variant: platform.variant,
            config: Some(Process { env: Some(vec![PATH.into()]), ..Process::default() }),
            rootfs: RootFs { kind: "layers".into(), diff_ids: Vec::new() },
            ..Config::default()
        };
        let key = Digest::of(&serde_json::to_vec(&config).unwrap_or_default());
        match self.store.step(&key) {
            Some(image) => Ok(image),
            None => Ok(self.store.keep_step(&self.work, &key, &config, &[])?),
        }
    }

    /// Instructions that the image to begin with brings.
    fn triggers(&mut self, stage: &mut Stage) -> Result<()> {
        let mut process = stage.process();
        let Some(triggers) = process.on_build.take().filter(|triggers| !triggers.is_empty()) else {
            return Ok(());
        };
        (self.progress)(Progress::Triggers(triggers.len()));
        stage.image.config.config = Some(process);
        for text in &triggers {
            let source = Source { name: "ONBUILD of the base image".into(), lines: vec![text.clone()] };
            let step = parse::trigger(&source, Line::alone(text, 1))?;
            self.step(stage, &step, &source)?;
        }
        Ok(())
    }

    fn step(&mut self, stage: &mut Stage, step: &Step, source: &Source) -> Result<()> {
        self.options.cancel.check()?;
        let scope = stage.scope();
        let lookup = |name: &str| scope.value(name);
        let reading = Reading { source, line: &step.line, escape: self.file.directives.escape, lookup: &lookup };
        match &step.instruction {
            Instruction::Arg(all) => self.arguments(stage, all, &reading),
            Instruction::Maintainer(name) => {
                let told = format!("MAINTAINER {}", name.text);
                self.settled(stage, scope.process, Some(name.text.clone()), &told)
            }
            Instruction::Run(run) => self.run(stage, run, &scope, &reading),
            Instruction::Copy(copy) => self.copy(stage, copy, &scope, &reading, false),
            Instruction::Add(copy) => self.copy(stage, copy, &scope, &reading, true),
            other => {
                let mut process = scope.process.clone();
                let told = config::apply(&mut process, other, &mut stage.is_command_given, &reading)?.unwrap_or_default();
                match (other, process.working_dir.clone()) {
                    (Instruction::Workdir(word), Some(path)) => {
                        let made = self.workdir(stage, process, &path, &told);
                        made.map_err(|error| reading.placed(word, error))
                    }
                    _ => self.settled(stage, process, None, &told),
                }
            }
        }
    }

    /// `ARG`: a later name of one instruction sees the earlier ones.
    fn arguments(&mut self, stage: &mut Stage, all: &[(Word, Option<Word>)], reading: &Reading) -> Result<()> {
        let mut told = String::from("ARG");
        for (name, default) in all {
            let scope = stage.scope();
            let lookup = |name: &str| scope.value(name);
            let default = Reading { lookup: &lookup, ..*reading }.optional(default.as_ref())?;
            let given = self.options.arguments.get(&name.text).cloned();
            let outside = || {
                let global = self.plan.globals.get(&name.text).cloned();
                global.or_else(|| self.machines().remove(&name.text))
            };
            told.push_str(&format!(" {}", name.text));
            if let Some(default) = &default {
                told.push_str(&format!("={default}"));
            }
            match given.or(default).or_else(outside) {
                Some(value) => drop(stage.arguments.insert(name.text.clone(), value)),
                None => drop(stage.arguments.remove(&name.text)),
            }
        }
        self.settled(stage, stage.process(), None, &told)
    }

    fn machines(&self) -> BTreeMap<String, String> {
        let host = Platform::host();
        stages::platforms(self.options.platform.as_ref().unwrap_or(&host), &host)
    }

    /// A step that changes no files.
    fn settled(&mut self, stage: &mut Stage, process: Process, author: Option<String>, told: &str) -> Result<()> {
        let created_by = format!("/bin/sh -c #(nop)  {told}");
        let key = self.key(stage, told, &serde_json::to_string(&process).unwrap_or_default());
        self.keep(stage, &key, process, author, &created_by, |_, _| Ok(None))
    }

    /// What a step depends on: the files and the settings before it, what it says, and `more`.
    pub fn key(&self, stage: &Stage, told: &str, more: &str) -> Digest {
        let config = &stage.image.config;
        let chain = chain_ids(&config.rootfs.diff_ids).last().map(Digest::to_string).unwrap_or_default();
        let process = serde_json::to_string(&config.config).unwrap_or_default();
        let machine = stage.image.platform();
        let all = [
            "step 1",
            &chain,
            &process,
            config.author.as_deref().unwrap_or_default(),
            &machine.to_string(),
            &format!("{:?}", self.options.source_date_epoch),
            told,
            more,
        ];
        // Lengths keep two texts apart that are divided differently.
        let text: Vec<String> = all.iter().map(|part| format!("{} {part}", part.len())).collect();
        Digest::of(text.join("\n").as_bytes())
    }

    /// Finds a step, or does it; `work` makes its layer.
    pub fn keep(
        &mut self,
        stage: &mut Stage,
        key: &Digest,
        process: Process,
        author: Option<String>,
        created_by: &str,
        work: impl FnOnce(&mut Self, &Stage) -> Result<Option<Pending>>,
    ) -> Result<()> {
        if self.found(stage, key) {
            return Ok(());
        }
        let cancel = self.options.cancel.clone();
        // Whoever needs the same step waits for it, and finds it then.
        let _lock = match self.options.no_cache {
            true => None,
            false => match self.store.lock_step(key, || !cancel.is_cancelled())? {
                Some(lock) => Some(lock),
                None => return Err(Error::Cancelled),
            },
        };
        if self.found(stage, key) {
            return Ok(());
        }
        let layer = work(self, stage)?;
        cancel.check()?;
        let now = match self.options.source_date_epoch {
            Some(seconds) => Moment { seconds, nanoseconds: 0 },
            None => Moment::now(),
        };
        let history = History { created: Some(now.to_string()), created_by: Some(created_by.to_owned()), ..History::default() };
        let (config, layers) = commit::next(self.store, &stage.image, process, author, history, layer)?;
        stage.image = self.store.keep_step(&self.work, key, &config, &layers)?;
        (self.progress)(Progress::Made(stage.image.id));
        Ok(())
    }

    fn found(&mut self, stage: &mut Stage, key: &Digest) -> bool {
        let found = (!self.options.no_cache).then(|| self.store.step(key)).flatten();
        let Some(image) = found else { return false };
        stage.image = image;
        (self.progress)(Progress::Cached);
        (self.progress)(Progress::Made(stage.image.id));
        true
    }

    /// The layer that somebody wrote to a file.
    pub fn layer(&self, write: impl FnOnce(&mut dyn std::io::Write) -> Result<()>) -> Result<Option<Pending>> {
        let path = self.work.fresh();
        let file = File::create_new(&path).map_err(Error::io("making a layer"))?;
        let mut output = Hashing::new(std::io::BufWriter::with_capacity(1 << 16, file));
        let written = write(&mut output);
        let (output, digest, bytes) = output.finish();
        let pending = Pending::of_file(path, digest, bytes);
        written?;
        output.into_inner().map_err(|error| Error::io("writing a layer")(error.into_error()))?;
        Ok((bytes > 1_024).then_some(pending))
    }

    /// The engine, after what dead builds left has gone.
    pub fn swept(&mut self) -> Result<()> {
        if !self.is_swept {
            self.is_swept = true;
            sweep(self.workshop.place()?.0)?;
        }
        Ok(())
    }

    /// The files of what a stage has come to.
    pub fn tree(&self, image: &Image) -> Result<Tree> {
        Tree::image(self.store, image)
    }
}
