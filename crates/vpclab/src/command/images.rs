//! `images`: images of containers, as they are kept on this machine.

use std::fs::{self, File};
use std::io::{BufWriter, IsTerminal, Read, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use container::engine::Moment;
use container::engine::time::rough;
use container::import::{Settings, root_file_system};
use container::limits::size;
use container::load::{self, Options};
use container::oci::{Platform, Process};
use container::store::Removed;
use container::{Error, Image, Reference, Store};
use serde_json::{Value, json};

pub mod build;
mod df;
mod registry;

pub use registry::bring;

use super::running::paths;
use super::source::did_you_mean;
use super::whole_file;
use crate::cli::Global;
use crate::exit::{Code, ENVIRONMENT, Failure, NO, Result, USAGE};
use crate::output::{Format, Output};

/// `images`.
#[derive(Debug, Subcommand)]
pub enum ImagesCommand {
    /// List images
    Ls,
    /// Build an image of a Dockerfile
    Build(Box<build::BuildArgs>),
    /// Take images from an archive (docker save, OCI) or the folder of an OCI layout
    Load(LoadArgs),
    /// Write images to an archive that docker load and OCI tools read
    Save(SaveArgs),
    /// Take an image from a registry
    Pull(registry::PullArgs),
    /// Give an image to the registry in its name
    Push(registry::PushArgs),
    /// Make an image of a root file system in a tar
    Import(ImportArgs),
    /// Everything about an image: its configuration, its layers
    Inspect(ImageArgs),
    /// Take names from images; an image goes with its last name
    Rm(RmArgs),
    /// Give an image one more name
    Tag(TagArgs),
    /// How an image was made, step by step, the last one first
    History(ImageArgs),
    /// What images, containers and volumes of all labs take on disk, and what could go
    Df,
    /// Remove images that have no name, and what no image has
    Prune(PruneArgs),
}

/// `images load`.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Archive, folder, or - for stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What to call the image, instead of the name in the archive
    #[arg(long, short = 't', value_name = "NAME")]
    pub tag: Option<String>,
    /// Which one, where there are several, such as linux/arm64; default: this machine's
    #[arg(long, value_name = "OS/ARCHITECTURE")]
    pub platform: Option<String>,
}

/// `images save`.
#[derive(Debug, Args)]
pub struct SaveArgs {
    /// Names, ids, or beginnings of ids
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
    /// Where to write it, or - for stdout
    #[arg(long, short = 'w', visible_alias = "out", value_name = "FILE")]
    pub write: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
}

/// `images import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Tar of a root file system, or - for stdin
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What to call the image
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What a container of it runs, by a shell
    #[arg(long, value_name = "COMMAND")]
    pub cmd: Option<String>,
    /// A variable of its environment; may be given several times
    #[arg(long, short = 'e', value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Which machine it is for, such as linux/arm64; default: this one
    #[arg(long, value_name = "OS/ARCHITECTURE")]
    pub platform: Option<String>,
}

/// `images inspect` and `images history`.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// Name, id, or the beginning of an id
    #[arg(value_name = "IMAGE")]
    pub image: String,
}

/// `images rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Names, ids, or beginnings of ids
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,
    /// By id: also an image that has several names
    #[arg(long)]
    pub force: bool,
}

/// `images tag`.
#[derive(Debug, Args)]
pub struct TagArgs {
    /// Name, id, or the beginning of an id
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// The name to give, such as shop/web:2
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// `images prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Also images that have names: all of them
    #[arg(long, short)]
    pub all: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// Runs one of them.
pub fn run(command: &ImagesCommand, global: &Global, output: &Output) -> Result {
    let store = Store::open(&paths()?.home.join("images")).map_err(|error| failure(&error))?;
    match command {
        ImagesCommand::Ls => ls(&store, output),
        ImagesCommand::Build(arguments) => build::run(&store, arguments, global, output),
        ImagesCommand::Load(arguments) => load(&store, arguments, output),
        ImagesCommand::Save(arguments) => save(&store, arguments, output),
        ImagesCommand::Pull(arguments) => registry::pull(&store, arguments, output),
        ImagesCommand::Push(arguments) => registry::push(&store, arguments, output),
        ImagesCommand::Import(arguments) => import(&store, arguments, output),
        ImagesCommand::Inspect(arguments) => inspect(&store, arguments, output),
        ImagesCommand::Rm(arguments) => rm(&store, arguments, output),
        ImagesCommand::Tag(arguments) => tag(&store, arguments, output),
        ImagesCommand::History(arguments) => history(&store, arguments, output),
        ImagesCommand::Df => df::df(&store, output),
        ImagesCommand::Prune(arguments) => prune(&store, arguments, output),
    }
}

fn ls(store: &Store, output: &Output) -> Result {
    let images = store.images().map_err(|error| failure(&error))?;
    if output.format == Format::Json {
        output.json(&images.iter().map(summary).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Name, Format::Csv, Format::Markdown])?;
    if images.is_empty() && output.format == Format::Table {
        output.hint("no images; vpclab images pull NAME brings one, and load FILE takes what docker save wrote");
    }
    let mut rows = Vec::new();
    for image in &images {
        let names: Vec<(String, String)> = match image.names[..] {
            [] => vec![("<none>".into(), "<none>".into())],
            ref names => names.iter().map(|name| (name.familiar_repository(), label(name))).collect(),
        };
        for (repository, label) in names {
            rows.push(match output.format {
                Format::Name if repository == "<none>" => vec![image.id.short()],
                Format::Name => vec![joined(&repository, &label)],
                _ => vec![
                    repository,
                    label,
                    image.id.short(),
                    made(image.config.created.as_deref(), output),
                    size(image.bytes()),
                    image.layers.len().to_string(),
                    image.platform().to_string(),
                ],
            });
        }
    }
    let headings = ["repository", "tag", "id", "created", "size", "layers", "platform"];
    let shown = if output.format == Format::Table { 5 } else { headings.len() };
    rows.iter_mut().for_each(|row| row.truncate(shown));
    output.table(&headings[..shown], &rows);
    Ok(ExitCode::SUCCESS)
}

fn load(store: &Store, arguments: &LoadArgs, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json, Format::Name])?;
    let options = Options {
        name: arguments.tag.as_deref().map(reference).transpose()?,
        platform: arguments.platform.as_deref().map(platform).transpose()?,
    };
    let path = &arguments.file;
    let images = if path.is_dir() {
        load::folder(store, path, &options)
    } else {
        let (input, what) = input(path)?;
        load::archive(store, input, &what, &options)
    };
    let images = images.map_err(|error| match &error {
        Error::Malformed { why, .. } if why.starts_with("it has neither") => {
            failure(&error).hint(format!("if it is a root file system: vpclab images import {} NAME", path.display()))
        }
        _ => failure(&error),
    })?;
    match output.format {
        Format::Json => output.json(&images.iter().map(summary).collect::<Vec<_>>())?,
        _ if images.is_empty() => output.note("there is no image in it"),
        Format::Name => images.iter().for_each(|image| output.line(image.id.short())),
        _ => {
            for image in &images {
                let names: Vec<String> = image.names.iter().map(Reference::familiar).collect();
                let names = if names.is_empty() { "an image without a name".to_owned() } else { names.join(", ") };
                let layers = if image.layers.len() == 1 { "1 layer".to_owned() } else { format!("{} layers", image.layers.len()) };
                output.line(format!("loaded {names}: {}, {layers}, {}", image.id.short(), size(image.bytes())));
                if image.names.is_empty() {
                    output.hint(format!("vpclab images tag {} NAME", image.id.short()));
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A file or stdin, and what to call it in errors.
fn input(path: &Path) -> Result<(Box<dyn Read>, String)> {
    if path.as_os_str() != "-" {
        let file = File::open(path).map_err(|e| Failure::usage(format!("{} cannot be read: {e}", path.display())))?;
        return Ok((Box::new(file), path.display().to_string()));
    }
    if stdin().is_terminal() {
        return Err(Failure::usage("stdin is a terminal, and no archive").hint("docker save IMAGE | vpclab images load -"));
    }
    Ok((Box::new(stdin().lock()), "stdin".into()))
}

fn save(store: &Store, arguments: &SaveArgs, output: &Output) -> Result {
    output.only(&[Format::Table])?;
    let mut images: Vec<(Image, Vec<Reference>)> = Vec::new();
    for text in &arguments.images {
        let image = find(store, text)?;
        // By name it leaves under that name; by id under all that it has.
        let named = text.parse::<Reference>().ok().filter(|name| image.names.contains(name));
        let names = named.map_or_else(|| image.names.clone(), |name| vec![name]);
        match images.iter_mut().find(|(known, _)| known.id == image.id) {
            Some((_, known)) => known.extend(names.into_iter().filter(|name| !known.contains(name)).collect::<Vec<_>>()),
            None => images.push((image, names)),
        }
    }
    let to = &arguments.write;
    if to.as_os_str() == "-" {
        if stdout().is_terminal() {
            return Err(Failure::usage("an archive is nothing for a terminal").hint("-w FILE"));
        }
        container::save::archive(store, &images, stdout().lock()).map_err(|error| failure(&error))?;
        return Ok(ExitCode::SUCCESS);
    }
    if to.is_dir() {
        return Err(Failure::usage(format!("{} is a folder", to.display())).hint(format!("-w {}", to.join("image.tar").display())));
    }
    if to.exists() && !arguments.force {
        return Err(Failure::usage(format!("{} exists", to.display())).hint("--force writes over it"));
    }
    whole_file::put(to, |file| {
        container::save::archive(store, &images, BufWriter::with_capacity(1 << 16, file)).map_err(|error| failure(&error))
    })?;
    let bytes = fs::metadata(to).map_or(0, |file| file.len());
    let count = if images.len() == 1 { "1 image".to_owned() } else { format!("{} images", images.len()) };
    output.line(format!("{} written: {count}, {}", to.display(), size(bytes)));
    Ok(ExitCode::SUCCESS)
}

fn import(store: &Store, arguments: &ImportArgs, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    if let Some(odd) = arguments.env.iter().find(|variable| variable.split_once('=').is_none_or(|(name, _)| name.is_empty())) {
        return Err(Failure::usage(format!("`{odd}` is not a variable")).hint("--env NAME=VALUE"));
    }
    let process = Process {
        cmd: arguments.cmd.as_ref().map(|command| vec!["/bin/sh".into(), "-c".into(), command.clone()]),
        env: Some(arguments.env.clone()).filter(|variables| !variables.is_empty()),
        ..Process::default()
    };
    let settings = Settings {
        name: Some(reference(&arguments.name)?),
        platform: arguments.platform.as_deref().map(platform).transpose()?,
        process,
        comment: None,
        created: None,
    };
    let (input, what) = input(&arguments.file)?;
    let image = root_file_system(store, input, &what, &settings).map_err(|error| match &error {
        Error::Malformed { why, .. } if why.contains("archive of images") => {
            failure(&error).hint(format!("vpclab images load {}", arguments.file.display()))
        }
        _ => failure(&error),
    })?;
    match output.format {
        Format::Json => output.json(&summary(&image))?,
        _ => output.line(format!("imported {}: {}, {}", arguments.name, image.id.short(), size(image.bytes()))),
    }
    Ok(ExitCode::SUCCESS)
}

fn inspect(store: &Store, arguments: &ImageArgs, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    let image = find(store, &arguments.image)?;
    let mut value = summary(&image);
    value["manifest"] = json!(image.manifest.digest);
    value["author"] = json!(image.config.author);
    value["config"] = json!(image.config.config.clone().unwrap_or_default());
    value["layers"] = Value::Array(
        image
            .layers
            .iter()
            .zip(&image.config.rootfs.diff_ids)
            .map(|(layer, diff_id)| {
                json!({"digest": layer.digest, "diff_id": diff_id, "media_type": layer.media_type, "size": layer.size})
            })
            .collect(),
    );
    output.json(&value)?;
    Ok(ExitCode::SUCCESS)
}

fn rm(store: &Store, arguments: &RmArgs, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    let mut all = Removed::default();
    let mut first = None;
    // As with `docker rmi`, one that is not there keeps none of the others.
    for name in &arguments.images {
        if let Err(failure) = store.find(name).map_or(Ok(()), |image| unused(&image)) {
            match first {
                None => first = Some(failure),
                Some(_) => output.failure(&failure),
            }
            continue;
        }
        match store.remove(name, arguments.force) {
            Ok(removed) => {
                all.untagged.extend(removed.untagged);
                all.deleted.extend(removed.deleted);
                all.bytes += removed.bytes;
            }
            Err(error) => {
                let error = known(store, name, &error);
                match first {
                    None => first = Some(error),
                    Some(_) => output.failure(&error),
                }
            }
        }
    }
    removed(&all, output)?;
    first.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// An image with its last name stays while a container is made of it.
fn unused(image: &Image) -> Result<()> {
    let used = control::containers::images_in_use(&paths()?).map_err(|error| super::containers::failed(&error))?;
    match used.get(&image.id) {
        Some(by) if image.names.len() <= 1 => {
            let message = format!("image {} is used by container {}", image.id.short(), by.join(", "));
            Err(Failure { code: NO, message, hint: Some("vpclab containers rm those first".into()) })
        }
        _ => Ok(()),
    }
}

fn tag(store: &Store, arguments: &TagArgs, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    let name = reference(&arguments.name)?;
    let image = store.tag(&arguments.image, &name).map_err(|error| known(store, &arguments.image, &error))?;
    match output.format {
        Format::Json => output.json(&summary(&image))?,
        _ => output.line(format!("{} is {}", name.familiar(), image.id.short())),
    }
    Ok(ExitCode::SUCCESS)
}

fn history(store: &Store, arguments: &ImageArgs, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Csv, Format::Markdown])?;
    let image = find(store, &arguments.image)?;
    let mut layers = image.layers.iter();
    let mut steps: Vec<Value> = Vec::new();
    for step in image.config.history.iter().flatten() {
        let layer = if step.empty_layer { None } else { layers.next() };
        steps.push(json!({
            "created": step.created,
            "created_by": step.created_by,
            "size": layer.map_or(0, |layer| layer.size),
            "layer": layer.map(|layer| layer.digest),
            "comment": step.comment,
        }));
    }
    // Layers that no step speaks of are there all the same.
    let unknown = |size, digest| json!({"created": null, "created_by": null, "size": size, "layer": digest, "comment": null});
    steps.extend(layers.map(|layer| unknown(layer.size, layer.digest)));
    steps.reverse();
    if output.format == Format::Json {
        output.json(&steps)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().escape_debug().to_string();
    let short = |text: String| match text.char_indices().nth(60) {
        Some((at, _)) if output.format == Format::Table => format!("{}…", &text[..at]),
        _ => text,
    };
    let rows: Vec<Vec<String>> = steps
        .iter()
        .map(|step| vec![made(step["created"].as_str(), output), size(step["size"].as_u64().unwrap_or(0)), short(text(&step["created_by"]))])
        .collect();
    output.table(&["created", "size", "created by"], &rows);
    Ok(ExitCode::SUCCESS)
}

/// When something was made: how long ago for people, the moment itself for programs, a dash where nobody says.
fn made(created: Option<&str>, output: &Output) -> String {
    let Some(text) = created.filter(|text| !text.is_empty()) else { return "-".into() };
    match Moment::parse(text) {
        Some(moment) if output.format == Format::Table => format!("{} ago", rough(moment.until(Moment::now()))),
        _ => text.escape_debug().to_string(),
    }
}

fn prune(store: &Store, arguments: &PruneArgs, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    if arguments.all && !arguments.yes {
        let count = store.images().map_err(|error| failure(&error))?.len();
        return Err(Failure::usage(format!("this removes all images ({count})")).hint("--yes says that it is meant"));
    }
    let used = control::containers::images_in_use(&paths()?).map_err(|error| super::containers::failed(&error))?;
    let pruned = store.prune(arguments.all, &used.into_keys().collect()).map_err(|error| failure(&error))?;
    if pruned == Removed::default() && output.format == Format::Table {
        output.note("there is nothing to remove");
    }
    removed(&pruned, output)?;
    Ok(ExitCode::SUCCESS)
}

fn removed(removed: &Removed, output: &Output) -> Result<()> {
    if output.format == Format::Json {
        return output.json(&json!({"untagged": removed.untagged, "deleted": removed.deleted, "bytes": removed.bytes}));
    }
    removed.untagged.iter().for_each(|name| output.line(format!("untagged {name}")));
    removed.deleted.iter().for_each(|id| output.line(format!("deleted {}", id.short())));
    if removed.bytes > 0 {
        output.note(format!("{} freed", size(removed.bytes)));
    }
    Ok(())
}

/// Stable keys of `-o json`.
fn summary(image: &Image) -> Value {
    json!({
        "id": image.id,
        "names": image.names.iter().map(Reference::to_string).collect::<Vec<_>>(),
        "created": image.config.created,
        "platform": image.platform().to_string(),
        "size": image.bytes(),
        "layers": image.layers.len(),
    })
}

/// The tag of a name, or its digest where it has no tag.
fn label(name: &Reference) -> String {
    name.tag.clone().or_else(|| name.digest.map(|digest| digest.to_string())).unwrap_or_default()
}

fn joined(repository: &str, label: &str) -> String {
    let between = if label.starts_with("sha256:") { '@' } else { ':' };
    format!("{repository}{between}{label}")
}

fn reference(text: &str) -> Result<Reference> {
    text.parse().map_err(|error: Error| Failure::usage(error.to_string()).hint("a name is such as nginx, shop/web:2 or localhost:5000/web"))
}

fn platform(text: &str) -> Result<Platform> {
    let read = Platform::parse(text).ok().filter(|_| text.contains('/'));
    read.ok_or_else(|| Failure::usage(format!("`{text}` is not a platform")).hint("such as linux/amd64 or linux/arm64/v8"))
}

fn find(store: &Store, text: &str) -> Result<Image> {
    store.find(text).map_err(|error| known(store, text, &error))
}

/// A failure about a name, with the names that are there.
fn known(store: &Store, text: &str, error: &Error) -> Failure {
    let failed = failure(error);
    if !matches!(error, Error::NoImage(_)) {
        return failed;
    }
    let names: Vec<String> = store.images().into_iter().flatten().flat_map(|image| image.names).map(|name| name.familiar()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match names[..] {
        [] => failed.hint("there is none yet: vpclab images pull NAME, or load FILE"),
        _ => failed.hint(did_you_mean(text, "image", &names)),
    }
}

/// What the store says, with the exit code and what to type next.
pub fn failure(error: &Error) -> Failure {
    let (code, hint): (Code, Option<String>) = match error {
        Error::Reference { .. } => (USAGE, Some("a name is such as nginx, shop/web:2 or localhost:5000/web".into())),
        Error::NoImage(_) => (NO, None),
        Error::Ambiguous { .. } => (USAGE, Some("write more of the id".into())),
        Error::ManyNames { .. } => (USAGE, Some("--force removes all of them".into())),
        Error::Malformed { .. } | Error::Refused { .. } | Error::Digest { .. } | Error::Limit { .. } => (USAGE, None),
        Error::NoBlob(_) => (ENVIRONMENT, Some("somebody changed the store by hand; load the image again".into())),
        Error::InUse { .. } => (ENVIRONMENT, Some("another command adds or removes images; try again when it has ended".into())),
        Error::Io { .. } | Error::Registry(_) => (ENVIRONMENT, full_disk(error)),
    };
    Failure { code, message: error.to_string(), hint }
}

/// Which disk is full, and what to type, where that is what an error comes from.
pub fn full_disk(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    // What is written elsewhere says its own path, and that everything else has room.
    const SCARCE: u64 = 64 << 20;
    // A process of ours inside an instance says it in words.
    let is_full = || container::error::is_full(error) || error.to_string().contains("No space left on device");
    let home = paths().ok().filter(|_| is_full())?.home;
    let left = rustix::fs::statvfs(&home).map(|disk| disk.f_bavail * disk.f_frsize).ok().filter(|left| *left < SCARCE)?;
    let prune = "vpclab images prune, containers prune and volumes prune free what nobody uses, also layers that were pulled half";
    Some(format!("the disk of {} (VPCLAB_HOME) has {} left: {prune}", home.display(), container::limits::size(left)))
}
