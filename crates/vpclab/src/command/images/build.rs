//! `images build`: an image of a Dockerfile.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use container::build::{Alone, Build, BuildOptions, Cancel, Context, Error, Progress, Recipe, Stream, Workshop};
use container::engine::{Engine, words};
use container::{Image, Reference, Store, registry};
use tokio::signal::unix::{SignalKind, signal};

use super::registry::credentials;
use super::{platform, reference, summary};
use crate::cli::Global;
use crate::command::containers::{Place, failed};
use crate::command::running::{Running, paths};
use crate::exit::{Code, Failure, NO, Result, USAGE};
use crate::output::{Format, Output};

/// Largest Dockerfile that is read, bytes.
const LARGEST: u64 = 1 << 20;
/// What a command ends with after Ctrl-C.
const INTERRUPTED: u8 = 130;

/// `images build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// Files of the build: a folder, a tar (packed with gzip or zstd or not), or - for a tar or a Dockerfile on stdin
    #[arg(value_name = "CONTEXT")]
    pub context: PathBuf,
    /// What to call the image; may be given several times
    #[arg(long, short = 't', value_name = "NAME")]
    pub tag: Vec<String>,
    /// The Dockerfile, or - for stdin; -f and --file say the same here; default: Dockerfile in the context
    #[arg(long, value_name = "FILE")]
    pub dockerfile: Option<String>,
    /// The stage to build; default: the last one
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// A value for an ARG; without a value that of this environment; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub build_arg: Vec<String>,
    /// A remark on the image; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
    /// Do every step anew
    #[arg(long)]
    pub no_cache: bool,
    /// Ask registries for the images to begin with, also where they are here
    #[arg(long)]
    pub pull: bool,
    /// Network of RUN: default, none, host, or a network of the instance
    #[arg(long, value_name = "NETWORK")]
    pub network: Option<String>,
    /// Which machine it is for, such as linux/arm64; default: this one
    #[arg(long, value_name = "OS/ARCHITECTURE")]
    pub platform: Option<String>,
    /// Instance in which RUN runs; default: the only one of the lab that is up, else one made for the build, without a way out
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// A line for /etc/hosts of RUN; may be given several times
    #[arg(long, value_name = "HOST:ADDRESS")]
    pub add_host: Vec<String>,
    /// Size of /dev/shm of RUN
    #[arg(long, value_name = "BYTES")]
    pub shm_size: Option<String>,
    /// Memory that RUN may take, where that can be limited
    #[arg(long, short, value_name = "BYTES")]
    pub memory: Option<String>,
    /// Write the image's id to this file
    #[arg(long, value_name = "FILE")]
    pub iidfile: Option<PathBuf>,
    /// Take plain HTTP and certificates that nobody vouches for when pulling
    #[arg(long)]
    pub insecure: bool,
}

/// Builds, and says what came of it.
pub fn run(store: &Store, arguments: &BuildArgs, global: &Global, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json, Format::Name])?;
    let (context, recipe, dockerfile) = context(arguments)?;
    let mut options = options(arguments)?;
    (options.recipe, options.dockerfile) = (recipe, dockerfile);
    let names = options.names.clone();
    stop_on_signals(&options.cancel);
    let mut place = Chosen { arguments, global, output, place: None, alone: Alone::new(&paths()?.home.join("builds"), store) };
    let image = build(Build { context, options }, store, &mut place, output);
    drop(place);
    let image = image?;
    if let Some(path) = &arguments.iidfile {
        std::fs::write(path, image.id.to_string()).map_err(|e| Failure::environment(format!("{} cannot be written: {e}", path.display())))?;
    }
    tell(&image, &names, output)
}

fn tell(image: &Image, names: &[Reference], output: &Output) -> Result {
    match output.format {
        Format::Json => output.json(&summary(image))?,
        Format::Name => output.line(names.first().map_or_else(|| image.id.short(), Reference::familiar)),
        // As Docker's: the id and nothing else.
        _ => output.line(image.id.to_string()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds with progress on stderr, as Docker's classic builder tells it.
pub fn build(build: Build, store: &Store, workshop: &mut dyn Workshop, output: &Output) -> Result<Image> {
    let mut kept = Vec::new();
    let is_quiet = output.is_quiet();
    let mut progress = |progress: Progress| {
        let bytes = match &progress {
            Progress::Output(_, bytes) => bytes.clone(),
            // The image is named on stdout.
            other => other.line().unwrap_or_default().into_bytes(),
        };
        match (is_quiet, &progress) {
            (false, _) => drop(std::io::stderr().write_all(&bytes)),
            // What the command said last is shown if it fails.
            (true, Progress::Running(_)) => kept.clear(),
            (true, Progress::Output(Stream::Output | Stream::Errors, _)) => kept.extend_from_slice(&bytes),
            _ => {}
        }
    };
    let built = build.run_in(store, workshop, &mut progress);
    if matches!(&built, Err(Error::Failed { .. })) {
        let _ = std::io::stderr().write_all(&kept);
    }
    built.map_err(|error| told(&error))
}

/// What a build says, with the exit code.
pub fn told(error: &Error) -> Failure {
    let failure = |code: Code| Failure { code, message: error.diagnostic(), hint: None };
    match error {
        Error::Mistake(_) | Error::Context(_) | Error::Option { .. } => failure(USAGE),
        Error::Failed { .. } => failure(NO),
        Error::Cancelled => failure(Code(INTERRUPTED)),
        Error::Image(error) => super::failure(error),
        Error::Engine(error) => failed(error),
    }
}

/// The context, and the Dockerfile where it does not come from it: text, or a name in the context.
fn context(arguments: &BuildArgs) -> Result<(Context, Option<Recipe>, Option<String>)> {
    let named = arguments.dockerfile.as_deref();
    let path = &arguments.context;
    let text = path.to_string_lossy();
    if text.contains("://") || text.starts_with("git@") {
        let failure = Failure::usage(format!("the build context {text} is elsewhere: only folders and archives of this machine are taken"));
        return Err(failure.hint("git clone, or curl … | vpclab images build -"));
    }
    let from_stdin = |name: &str| -> Result<Recipe> {
        let mut text = Vec::new();
        std::io::stdin().take(LARGEST + 1).read_to_end(&mut text).map_err(|e| Failure::environment(format!("reading stdin: {e}")))?;
        Ok(Recipe { name: name.into(), text, ignore: None })
    };
    if path.as_os_str() == "-" {
        if named == Some("-") {
            return Err(Failure::usage("the context and the Dockerfile cannot both be stdin"));
        }
        if std::io::stdin().is_terminal() {
            return Err(Failure::usage("stdin is a terminal, and no build context").hint("vpclab images build - < Dockerfile"));
        }
        let (context, recipe) = Context::detect(std::io::stdin()).map_err(|error| told(&error))?;
        let recipe = match (recipe, named) {
            (Some(_), Some(named)) => return Err(Failure::usage(format!("stdin is a Dockerfile itself, and -f {named} names another one"))),
            (recipe, _) => recipe,
        };
        return Ok((context, recipe, named.map(str::to_owned)));
    }
    if path.is_dir() {
        return Ok(match named {
            None => (Context::Folder(path.clone()), None, None),
            Some("-") => (Context::Folder(path.clone()), Some(from_stdin("stdin")?), None),
            Some(named) => (Context::Folder(path.clone()), Some(recipe(Path::new(named), path)?), None),
        });
    }
    let file = File::open(path).map_err(|e| Failure::usage(format!("the build context {} cannot be read: {e}", path.display())))?;
    let (context, recipe) = Context::detect(file).map_err(|error| told(&error))?;
    if recipe.is_some() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failure = Failure::usage(format!("the build context {} is neither a folder nor an archive", path.display()));
        return Err(failure.hint(format!("vpclab images build -f {} {}", path.display(), folder.display())));
    }
    match named {
        Some("-") => Ok((context, Some(from_stdin("stdin")?), None)),
        named => Ok((context, None, named.map(str::to_owned))),
    }
}

/// A Dockerfile of this machine, wherever it is; where there is none of this name here, in the context.
fn recipe(named: &Path, context: &Path) -> Result<Recipe> {
    let path = if named.exists() { named.to_owned() } else { context.join(named) };
    let read = |path: &Path| -> std::io::Result<Vec<u8>> {
        let mut text = Vec::new();
        File::open(path)?.take(LARGEST + 1).read_to_end(&mut text)?;
        Ok(text)
    };
    let text = read(&path).map_err(|e| Failure::usage(format!("the Dockerfile {} cannot be read: {e}", named.display())))?;
    let beside = path.with_file_name(format!("{}.dockerignore", path.file_name().unwrap_or_default().to_string_lossy()));
    Ok(Recipe { name: named.display().to_string(), text, ignore: read(&beside).ok() })
}

fn options(arguments: &BuildArgs) -> Result<BuildOptions> {
    let usage = |error: container::engine::Error| Failure::usage(error.to_string());
    let mut given = BTreeMap::new();
    for text in &arguments.build_arg {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text.as_str(), std::env::var(text).ok()),
        };
        if name.is_empty() {
            return Err(Failure::usage(format!("--build-arg {text}: the name is missing")).hint("--build-arg NAME=VALUE"));
        }
        given.extend(value.map(|value| (name.to_owned(), value)));
    }
    let mut labels = BTreeMap::new();
    for text in &arguments.label {
        let (name, value) = words::label(text).map_err(usage)?;
        labels.insert(name, value);
    }
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok().filter(|text| !text.is_empty());
    let epoch = epoch.map(|text| text.parse().map_err(|_| Failure::usage(format!("SOURCE_DATE_EPOCH is `{text}`, and no number of seconds"))));
    let size = |option: &'static str, text: &Option<String>| text.as_deref().map(|text| words::bytes(option, text)).transpose().map_err(usage);
    Ok(BuildOptions {
        names: arguments.tag.iter().map(|text| reference(text)).collect::<Result<_>>()?,
        arguments: given,
        labels,
        target: arguments.target.clone(),
        no_cache: arguments.no_cache,
        pull: arguments.pull,
        network: arguments.network.clone(),
        platform: arguments.platform.as_deref().map(platform).transpose()?,
        source_date_epoch: epoch.transpose()?,
        container: container::engine::Options {
            extra_hosts: arguments.add_host.clone(),
            shm_bytes: size("--shm-size", &arguments.shm_size)?,
            memory_bytes: size("--memory", &arguments.memory)?,
            ..Default::default()
        },
        registry: registry::Settings { is_insecure: arguments.insecure, credentials: credentials()?, ..Default::default() },
        ..BuildOptions::default()
    })
}

/// Ctrl-C and its like give the build up; what it made goes, and this process ends by itself. The second one ends it at once.
pub fn stop_on_signals(cancel: &Cancel) {
    let cancel = cancel.clone();
    let listen = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async move {
            let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
            let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds.map(signal) else { return };
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                if cancel.is_cancelled() {
                    std::process::exit(INTERRUPTED.into());
                }
                cancel.cancel();
            }
        });
    };
    std::thread::spawn(listen);
}

/// Where commands run: decided when the first one has to.
struct Chosen<'a> {
    arguments: &'a BuildArgs,
    global: &'a Global,
    output: &'a Output,
    place: Option<(Place, String)>,
    alone: Alone,
}

impl Chosen<'_> {
    fn find(&self) -> Result<Option<(Place, String)>> {
        let is_asked = self.arguments.instance.is_some() || self.global.lab.is_some();
        if is_asked {
            let place = Place::open(self.global)?;
            let instance = place.instance_or_only(self.arguments.instance.as_deref())?;
            return Ok(Some((place, instance)));
        }
        let Ok(Some(running)) = Running::only() else { return Ok(None) };
        let Ok(place) = Place::of(running) else { return Ok(None) };
        let instance = place.instance_or_only(None).ok();
        Ok(instance.map(|instance| (place, instance)))
    }
}

impl Workshop for Chosen<'_> {
    fn place(&mut self) -> container::build::Result<(&Engine, &str)> {
        if self.place.is_none() {
            self.place = self.find().map_err(|failure| Error::Context(failure.message))?;
            if let Some((place, instance)) = &self.place {
                self.output.note(format!("RUN runs in {} of lab {}", place.instance_name(instance), place.running.name));
            }
        }
        match &self.place {
            Some((place, instance)) => Ok((&place.engine, instance)),
            None => self.alone.place(),
        }
    }
}
