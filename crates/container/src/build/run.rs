//! `RUN`: a command in a container of an instance, and the layer of what it wrote.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sandbox::SelfCommand;
use sandbox::container::spec::Attach;

use super::Cancel;
use super::error::{Error, Result};
use super::progress::{Progress, Stream};
use crate::blob::Pending;
use crate::engine::{self, Engine, Id, Options, Removal, owners};
use crate::work::Work;

/// Marks containers and volumes of builds; its value is the name of the build's working folder.
pub const LABEL: &str = "vpclab.build";

/// Where commands run.
pub trait Workshop {
    /// The engine and the instance's key; made on the first call.
    fn place(&mut self) -> Result<(&Engine, &str)>;
}

impl Workshop for (&Engine, &str) {
    fn place(&mut self) -> Result<(&Engine, &str)> {
        Ok((self.0, self.1))
    }
}

/// A container that goes with its owner.
struct Temporary<'a> {
    engine: &'a Engine,
    id: Id,
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is swept by the next build.
        let _ = self.engine.remove(
            &self.id,
            Removal {
                force: true,
                volumes: true,
            },
        );
    }
}

/// How a command ended.
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// What it wrote; nothing where its code is not 0.
    pub layer: Option<Pending>,
}

/// Runs a command to its end. `latest`: no time in the layer is later.
pub fn run(
    (engine, instance): (&Engine, &str),
    mut options: Options,
    work: &Work,
    latest: Option<i64>,
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress),
) -> Result<Ended> {
    options.labels.insert(LABEL.into(), work.name());
    let record = engine.create(instance, options, None)?;
    let temporary = Temporary {
        engine,
        id: record.id.clone(),
    };
    progress(Progress::Running(record.id.short().to_owned()));
    let attach = Attach {
        input: false,
        output: true,
        errors: true,
    };
    let started = engine.start(&record.id, attach)?;
    for warning in &started.container.warnings {
        progress(Progress::Note(warning.clone()));
    }
    let mut exit = started.container.exit;
    pass(
        started.container.streams.output,
        started.container.streams.errors,
        cancel,
        progress,
    )?;
    let status = loop {
        cancel.check()?;
        if let Some(status) = exit
            .wait_timeout(std::time::Duration::from_millis(100))
            .map_err(engine::Error::from)?
        {
            break status;
        }
    };
    let code = status.shell_code();
    let layer = if code == 0 {
        engine.layer(&record, work, latest)?
    } else {
        None
    };
    drop(temporary);
    progress(Progress::Removed(record.id.short().to_owned()));
    Ok(Ended { code, layer })
}

/// Tells what a command prints until it closes both streams.
fn pass(
    output: Option<OwnedFd>,
    errors: Option<OwnedFd>,
    cancel: &Cancel,
    progress: &mut dyn FnMut(Progress),
) -> Result<()> {
    let mut open: Vec<(Stream, File)> = Vec::new();
    open.extend(output.map(|output| (Stream::Output, File::from(output))));
    open.extend(errors.map(|errors| (Stream::Errors, File::from(errors))));
    let mut buffer = vec![0; 1 << 16];
    while !open.is_empty() {
        cancel.check()?;
        let mut sources: Vec<PollFd> = open
            .iter()
            .map(|(_, file)| PollFd::new(file, PollFlags::IN))
            .collect();
        match poll(
            &mut sources,
            Some(&Timespec {
                tv_sec: 0,
                tv_nsec: 100_000_000,
            }),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::io("waiting for output")(error)),
        }
        let ready: Vec<bool> = sources
            .iter()
            .map(|source| !source.revents().is_empty())
            .collect();
        drop(sources);
        for at in (0..ready.len()).rev().filter(|at| ready[*at]) {
            match open[at].1.read(&mut buffer) {
                Ok(count) if count > 0 => {
                    progress(Progress::Output(open[at].0, buffer[..count].to_vec()))
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                _ => drop(open.remove(at)),
            }
        }
    }
    Ok(())
}

/// A volume of a build that goes with its owner.
pub struct Borrowed<'a> {
    engine: &'a Engine,
    /// Its name.
    pub name: String,
}

impl<'a> Borrowed<'a> {
    /// Makes one of the files in a tar.
    pub fn new(engine: &'a Engine, tar: impl Read, work: &Work) -> Result<Borrowed<'a>> {
        let labels = BTreeMap::from([(LABEL.to_owned(), work.name())]);
        let volume = engine.volumes.create(None, &labels)?;
        let borrowed = Borrowed {
            engine,
            name: volume.name,
        };
        owners::import(&engine.volumes.files(&borrowed.name), tar)?;
        Ok(borrowed)
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let _ = remove_volume(self.engine, &self.name);
    }
}

fn remove_volume(engine: &Engine, name: &str) -> Result<()> {
    let lock = engine.volumes.lock()?;
    let gone = engine.volumes.remove(&lock, name, &engine.folder.list()?)?;
    sandbox::remove_tree(&gone, &SelfCommand::current().map_err(engine::Error::from)?)
        .map_err(engine::Error::from)?;
    Ok(())
}

/// Removes containers and volumes of builds that ended without doing so themselves.
pub fn sweep(engine: &Engine) -> Result<()> {
    let is_dead = |labels: &BTreeMap<String, String>| {
        labels.get(LABEL).is_some_and(|name| {
            !name.contains('/') && !engine.store.root().join("work").join(name).exists()
        })
    };
    for record in engine.folder.list()? {
        if is_dead(&record.options.labels) {
            match engine.remove(
                &record.id,
                Removal {
                    force: true,
                    volumes: true,
                },
            ) {
                Ok(()) | Err(engine::Error::NoContainer(_) | engine::Error::InUse { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    for volume in engine.volumes.list()? {
        if is_dead(&volume.labels) {
            // Somebody may have been faster.
            let _ = remove_volume(engine, &volume.name);
        }
    }
    Ok(())
}
