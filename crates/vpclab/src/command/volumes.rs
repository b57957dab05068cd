//! `volumes`: files of a lab that outlive its containers.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use container::engine::volumes::{Volume, users};
use container::engine::{Record, lab, words};
use sandbox::SelfCommand;
use serde_json::{Value, json};

use super::containers::failed;
use super::running::{Running, daemon, named, paths};
use super::source::did_you_mean;
use super::whole_file;
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `volumes`.
#[derive(Debug, Subcommand)]
pub enum VolumesCommand {
    /// List volumes
    Ls,
    /// Make a volume; one of that name that is there is the one that is meant
    Create(CreateArgs),
    /// Everything about volumes, and who has them
    Inspect(NamesArgs),
    /// Remove volumes that no container has, with all that is in them
    Rm(RmArgs),
    /// Remove anonymous volumes that no container has
    Prune(PruneArgs),
    /// Write what is in a volume as a tar
    Export(ExportArgs),
    /// Read a tar into a new volume, or an empty one
    Import(ImportArgs),
}

/// `volumes create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Its name; default: one is made up
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Remark NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
}

/// Volumes by name.
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// Volumes
    #[arg(required = true, value_name = "VOLUME")]
    pub volumes: Vec<String>,
}

/// `volumes rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// One that is not there is no failure; -f means it too, where no file comes behind it
    #[arg(long)]
    pub force: bool,
    /// Volumes
    #[arg(required = true, value_name = "VOLUME")]
    pub volumes: Vec<String>,
}

/// `volumes prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Those too that have names
    #[arg(long, short)]
    pub all: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// `volumes export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Volume
    #[arg(value_name = "VOLUME")]
    pub volume: String,
    /// Where to write it, or - for stdout
    #[arg(long, short = 'w', value_name = "FILE")]
    pub write: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
}

/// `volumes import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Tar, packed with gzip or zstd or not, or - for stdin
    #[arg(value_name = "FILE")]
    pub archive: PathBuf,
    /// Volume
    #[arg(value_name = "VOLUME")]
    pub volume: String,
}

struct Place {
    folder: container::engine::Folder,
    volumes: container::engine::volumes::Volumes,
}

/// Runs one of them. The lab need not be up.
pub fn run(command: &VolumesCommand, global: &Global, output: &Output) -> Result {
    let lab = lab_of(global)?;
    let root = paths()?.logs(&lab);
    let place = Place { folder: lab::folder(&root), volumes: lab::volumes(&root) };
    match command {
        VolumesCommand::Ls => ls(&place, output),
        VolumesCommand::Create(arguments) => create(arguments, &place, output),
        VolumesCommand::Inspect(arguments) => inspect(arguments, &place, output),
        VolumesCommand::Rm(arguments) => rm(arguments, &place, output),
        VolumesCommand::Prune(arguments) => prune(arguments, &place, output),
        VolumesCommand::Export(arguments) => export(arguments, &place, output),
        VolumesCommand::Import(arguments) => import(arguments, &place, output),
    }
}

/// The lab meant, up or down: volumes outlive it.
fn lab_of(global: &Global) -> Result<String> {
    if let Some(name) = named(global)? {
        let sound = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) && !name.starts_with('.');
        return if sound && !name.is_empty() { Ok(name) } else { Err(Failure::usage(format!("`{name}` is no name of a lab"))) };
    }
    if let Some(running) = Running::only()? {
        return Ok(running.name);
    }
    let known: Vec<String> = daemon()?.labs()?.into_iter().map(|lab| lab.name).collect();
    match known.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::usage("which lab? none is up").hint("--lab NAME")),
        several => Err(Failure::usage(format!("there are several labs: {}", several.join(", "))).hint("say which one with --lab NAME")),
    }
}

impl Place {
    fn containers(&self) -> Result<Vec<Record>> {
        self.folder.list().map_err(|error| failed(&error))
    }

    fn find(&self, name: &str) -> Result<Volume> {
        self.volumes.find(name).map_err(|error| {
            let all = self.volumes.list().unwrap_or_default();
            let names: Vec<&str> = all.iter().map(|volume| volume.name.as_str()).collect();
            match names[..] {
                [] => failed(&error).hint("this lab has none"),
                _ => failed(&error).hint(did_you_mean(name, "volume", &names)),
            }
        })
    }
}

fn shown(volume: &Volume, place: &Place, containers: &[Record]) -> Value {
    json!({
        "name": volume.name,
        "created": volume.created,
        "labels": volume.labels,
        "anonymous": volume.is_anonymous,
        "driver": "local",
        "mountpoint": place.volumes.files(&volume.name),
        "used_by": users(&volume.name, containers),
    })
}

fn ls(place: &Place, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Name, Format::Csv, Format::Markdown])?;
    let (all, containers) = (place.volumes.list().map_err(|error| failed(&error))?, place.containers()?);
    if output.format == Format::Json {
        output.json(&all.iter().map(|volume| shown(volume, place, &containers)).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() && output.format == Format::Table {
        output.hint("no volumes; vpclab volumes create NAME, or -v NAME:PATH of vpclab containers run");
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|volume| {
            // An anonymous one's name is as long as an id.
            let name = match output.format {
                Format::Table if volume.is_anonymous => volume.name.get(..12).unwrap_or(&volume.name).to_owned() + "…",
                _ => volume.name.clone(),
            };
            vec![name, users(&volume.name, &containers).join(", "), volume.created.to_string()]
        })
        .collect();
    output.table(&["name", "used by", "created"], &rows);
    Ok(ExitCode::SUCCESS)
}

fn create(arguments: &CreateArgs, place: &Place, output: &Output) -> Result {
    let labels = arguments.label.iter().map(|text| words::label(text)).collect::<std::result::Result<_, _>>();
    let labels = labels.map_err(|error| failed(&error))?;
    let volume = match place.volumes.create(arguments.name.as_deref(), &labels) {
        // As Docker: it is what was asked for.
        Err(container::engine::Error::VolumeExists(name)) => {
            let there = place.find(&name)?;
            if !labels.is_empty() && there.labels != labels {
                output.note(format!("volume {name} is there already, and keeps the labels it has"));
            }
            there
        }
        made => made.map_err(|error| failed(&error))?,
    };
    match output.format {
        Format::Json => output.json(&shown(&volume, place, &[]))?,
        _ => output.line(&volume.name),
    }
    Ok(ExitCode::SUCCESS)
}

fn inspect(arguments: &NamesArgs, place: &Place, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    let containers = place.containers()?;
    let all = arguments.volumes.iter().map(|name| Ok(shown(&place.find(name)?, place, &containers))).collect::<Result<Vec<_>>>()?;
    output.json(&all)?;
    Ok(ExitCode::SUCCESS)
}

/// Removes one; the list of volumes is held for each alone, so that nobody waits for the files of all.
fn remove(name: &str, place: &Place) -> Result<()> {
    let command = SelfCommand::current().map_err(|e| Failure::environment(e.to_string()))?;
    let lock = place.volumes.lock().map_err(|error| failed(&error))?;
    let gone = place.volumes.remove(&lock, name, &place.containers()?).map_err(|error| failed(&error))?;
    let left = place.volumes.left(&lock);
    drop(lock);
    for folder in left.iter().chain(std::iter::once(&gone)) {
        sandbox::remove_tree(folder, &command).map_err(|e| Failure::environment(e.to_string()))?;
    }
    Ok(())
}

fn rm(arguments: &RmArgs, place: &Place, output: &Output) -> Result {
    let (mut first, mut gone) = (None, Vec::new());
    for name in &arguments.volumes {
        let removed = match place.find(name) {
            Err(_) if arguments.force => continue,
            found => found.and_then(|_| remove(name, place)),
        };
        match removed {
            Ok(()) => gone.push(name.clone()),
            Err(failure) => match first {
                None => first = Some(failure),
                Some(_) => output.failure(&failure),
            },
        }
    }
    told(&gone, output)?;
    first.map_or(Ok(ExitCode::SUCCESS), Err)
}

fn told(gone: &[String], output: &Output) -> Result<()> {
    match output.format {
        Format::Json => output.json(&gone),
        _ => {
            gone.iter().for_each(|name| output.line(name));
            Ok(())
        }
    }
}

fn prune(arguments: &PruneArgs, place: &Place, output: &Output) -> Result {
    let containers = place.containers()?;
    let mut all = place.volumes.list().map_err(|error| failed(&error))?;
    all.retain(|volume| (volume.is_anonymous || arguments.all) && users(&volume.name, &containers).is_empty());
    if !arguments.yes && !all.is_empty() {
        let names: Vec<&str> = all.iter().map(|volume| volume.name.as_str()).take(8).collect();
        let failure = Failure::usage(format!("this removes {} volumes and what is in them: {}", all.len(), names.join(", ")));
        return Err(failure.hint("--yes says that it is meant"));
    }
    let mut gone = Vec::new();
    for volume in all {
        remove(&volume.name, place)?;
        gone.push(volume.name);
    }
    told(&gone, output)?;
    Ok(ExitCode::SUCCESS)
}

fn export(arguments: &ExportArgs, place: &Place, output: &Output) -> Result {
    place.find(&arguments.volume)?;
    let to = &arguments.write;
    if to == Path::new("-") {
        if std::io::stdout().is_terminal() {
            return Err(Failure::usage("an archive is nothing for a terminal").hint("-w FILE"));
        }
        let stdout = std::io::stdout().as_fd().try_clone_to_owned().map_err(|e| Failure::environment(format!("stdout: {e}")))?;
        place.volumes.export(&arguments.volume, stdout.into()).map_err(|error| failed(&error))?;
        return Ok(ExitCode::SUCCESS);
    }
    if to.is_dir() {
        return Err(Failure::usage(format!("{} is a folder", to.display())).hint(format!("-w {}", to.join("volume.tar").display())));
    }
    if to.exists() && !arguments.force {
        return Err(Failure::usage(format!("{} exists", to.display())).hint("--force writes over it"));
    }
    whole_file::put(to, |file| place.volumes.export(&arguments.volume, file).map_err(|error| failed(&error)))?;
    output.line(format!("{} written: {}", to.display(), container::limits::size(std::fs::metadata(to).map_or(0, |file| file.len()))));
    Ok(ExitCode::SUCCESS)
}

fn import(arguments: &ImportArgs, place: &Place, output: &Output) -> Result {
    let input: Box<dyn Read> = match arguments.archive.as_os_str() == "-" {
        true if std::io::stdin().is_terminal() => return Err(Failure::usage("stdin is a terminal, and no archive").hint("vpclab volumes import FILE VOLUME")),
        true => Box::new(std::io::stdin().lock()),
        false => {
            let path = &arguments.archive;
            Box::new(File::open(path).map_err(|e| Failure::usage(format!("{} cannot be read: {e}", path.display())))?)
        }
    };
    let volume = place.volumes.import(&arguments.volume, input, &place.containers()?).map_err(|error| match &error {
        // It is the file that is wrong, and not this machine.
        container::engine::Error::Malformed { .. } => Failure { code: crate::exit::USAGE, ..failed(&error) },
        _ => failed(&error),
    })?;
    match output.format {
        Format::Json => output.json(&shown(&volume, place, &[]))?,
        _ => output.line(&volume.name),
    }
    Ok(ExitCode::SUCCESS)
}
