//! A lab of three instances with an engine, as the daemon has it, and an image.

use std::fs::File;
use std::path::Path;

use container::engine::options::Options;
use container::engine::{Engine, Id};
use container::{Store, load};
use sandbox::Client;

use crate::cli::Result;
use crate::cloud::{Cloud, instance};
use crate::running::Running;

/// The image of every archive that is called `busybox`.
pub const BUSYBOX: &str = "busybox";

/// The lab.
pub struct Place {
    /// Its containers.
    pub engine: Engine,
    /// What runs it.
    pub running: Running,
    folder: tempfile::TempDir,
}

impl Place {
    /// A lab that is up, with an image in its store.
    pub fn up(archive: &Path) -> Result<Place> {
        let folder = tempfile::tempdir()?;
        let (running, _) = Running::up(&Cloud { instances: 3, rules: 10 }.model()?)?;
        let store = Store::open(&folder.path().join("images"))?;
        load::archive(&store, File::open(archive)?, &archive.display().to_string(), &load::Options::default())?;
        let resolvers = control::instance::resolvers(running.lab.fabric());
        let client = Client::connect(running.lab.client().socket())?;
        let lab = folder.path().join("lab");
        std::fs::create_dir(&lab)?;
        let engine = Engine::new(&lab, store, client, resolvers);
        Ok(Place { engine, running, folder })
    }

    /// The holder's key of an instance.
    pub fn key(&self, name: &str) -> Result<String> {
        Ok(instance(self.running.lab.fabric(), name)?.0)
    }

    /// Ends it.
    pub fn down(self) -> Result {
        self.running.down()?;
        // Files inside belong to ids that this user may not remove for.
        sandbox::remove_tree(self.folder.path(), &sandbox::SelfCommand::current()?)?;
        Ok(())
    }
}

/// A container of busybox that runs a program.
pub fn options(command: &[&str]) -> Options {
    Options { image: BUSYBOX.to_owned(), command: command.iter().map(|word| (*word).to_owned()).collect(), ..Options::default() }
}

/// Removes it, running or not.
pub fn remove(engine: &Engine, id: &Id) -> Result {
    use container::engine::life::Removal;
    Ok(engine.remove(id, Removal { force: true, volumes: true })?)
}
