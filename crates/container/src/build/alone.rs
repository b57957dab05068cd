//! An instance for the commands of builds where no lab is up: a holder that ends with this process, however that ends, and one
//! instance in it without a cloud around. Its commands have `lo` and a bridge with nobody on it: nothing leads out.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sandbox::{HolderSpec, InstanceSpec, SelfCommand};

use super::error::{Error, Result};
use super::run::Workshop;
use crate::engine::{self, Engine};
use crate::store::Store;

/// The instance's key.
const INSTANCE: &str = "build";
/// Longest path of a socket, bytes (unix(7)).
const LONGEST_SOCKET: usize = 107;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// The instance, made when the first command needs it.
pub struct Alone {
    /// Folder of all of them.
    root: PathBuf,
    /// The store's folder.
    store: PathBuf,
    made: Option<Made>,
}

struct Made {
    engine: Engine,
    folder: PathBuf,
    socket: Option<PathBuf>,
    _lock: File,
}

impl Alone {
    /// In a folder of its own below `root`.
    pub fn new(root: &Path, store: &Store) -> Alone {
        Alone {
            root: root.to_owned(),
            store: store.root().to_owned(),
            made: None,
        }
    }
}

impl Workshop for Alone {
    fn place(&mut self) -> Result<(&Engine, &str)> {
        if self.made.is_none() {
            sweep(&self.root)?;
            self.made = Some(make(&self.root, &self.store)?);
        }
        match &self.made {
            Some(made) => Ok((&made.engine, INSTANCE)),
            None => Err(Error::Cancelled),
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // The holder's end is that of everything in it; then nobody writes into the folder.
        if let Ok(client) = sandbox::Client::connect(self.engine.client.socket()) {
            let _ = client.shutdown();
        }
        if let Some(socket) = &self.socket {
            let _ = fs::remove_dir_all(socket);
        }
        let _ =
            SelfCommand::current().and_then(|command| sandbox::remove_tree(&self.folder, &command));
    }
}

fn make(root: &Path, store: &Path) -> Result<Made> {
    let making = || format!("making a folder in {}", root.display());
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(root);
    made.map_err(Error::io(making()))?;
    let folder = root.join(format!(
        "{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    ));
    let made = fs::DirBuilder::new().mode(0o711).create(&folder);
    made.map_err(Error::io(making()))?;
    let lock = File::open(&folder).map_err(Error::io(making()))?;
    lock.try_lock()
        .map_err(|error| Error::io(making())(std::io::Error::from(error)))?;
    let mut socket = folder.join("holder.sock");
    let mut elsewhere = None;
    if socket.as_os_str().len() > LONGEST_SOCKET {
        let short = std::env::temp_dir().join(format!(
            "vpclab-build-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&short)
            .map_err(Error::io(making()))?;
        socket = short.join("holder.sock");
        elsewhere = Some(short);
    }
    sandbox::raise_descriptor_limit();
    let spec = HolderSpec {
        socket,
        lab_name: "build".into(),
        log: folder.join("holder.log"),
        command: SelfCommand::current().map_err(engine::Error::from)?,
    };
    let handle = sandbox::launch(&spec).map_err(engine::Error::from)?;
    let client = handle.client().map_err(engine::Error::from)?;
    client.end_with_me().map_err(engine::Error::from)?;
    client
        .start_instance(InstanceSpec::new(INSTANCE, "build"))
        .map_err(engine::Error::from)?;
    let engine = Engine::new(&folder, Store::open(store)?, client, BTreeMap::new());
    Ok(Made {
        engine,
        folder,
        socket: elsewhere,
        _lock: lock,
    })
}

/// Removes what killed builds left.
fn sweep(root: &Path) -> Result<()> {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let Ok(lock) = File::open(entry.path()) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            let command = SelfCommand::current().map_err(engine::Error::from)?;
            sandbox::remove_tree(&entry.path(), &command).map_err(engine::Error::from)?;
        }
    }
    Ok(())
}
