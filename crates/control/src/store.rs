//! State on disk: one transactional file. What was answered is in it; a newer or broken file is never written to.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};

use crate::record::LabRecord;

/// Version of the layout; raised when a record changes shape.
const VERSION: u64 = 1;
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const LABS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("labs");

/// Why state cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Written by a newer program.
    #[error("{} was written by a newer vpclab (layout {found}, this one knows {VERSION}); nothing was changed", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: u64,
    },
    /// The file is damaged; it was put aside.
    #[error("the state in {} is damaged and was kept as {}: {why}", path.display(), aside.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it is now.
        aside: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The disk refused.
    #[error("{}: {why}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// Result of a store's calls.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The open store. One process has it at a time.
pub struct Store {
    /// `None` after a refusal of the disk, until it can be opened again: the library trusts no file that failed it once.
    database: Mutex<Option<Database>>,
    path: PathBuf,
}

/// Hidden first argument of the process that reads the state before the daemon trusts it; then the file.
pub const CHECK: &str = "__check-state";
/// Its exit code for state that is damaged.
const DAMAGED: i32 = 4;

/// Reads all of the state; the exit code of [`CHECK`]'s process. The library ends the process that meets some damages.
pub fn check(path: &Path) -> i32 {
    let damaged = |why: &dyn std::fmt::Display| {
        sandbox::say!("{why}");
        DAMAGED
    };
    // A copy in memory: checking and mending write, and what is put aside shall be what was found.
    let copy = redb::backends::InMemoryBackend::new();
    let Ok(bytes) = fs::read(path) else { return 0 };
    if !bytes.starts_with(b"redb") {
        // The library takes a file of zeros for a new one and writes over it.
        return damaged(&"it does not begin as state does");
    }
    let copied = copy.set_len(bytes.len() as u64).and_then(|()| copy.write(0, &bytes));
    if copied.is_err() {
        return 0;
    }
    let mut database = match Database::builder().create_with_backend(copy) {
        Ok(database) => database,
        Err(redb::DatabaseError::Storage(redb::StorageError::Corrupted(why))) => return damaged(&why),
        // Said by the daemon, who opens it too.
        Err(_) => return 0,
    };
    match database.check_integrity() {
        Err(redb::DatabaseError::Storage(redb::StorageError::Corrupted(why))) => return damaged(&why),
        Ok(_) | Err(_) => {}
    }
    let read = || -> std::result::Result<usize, redb::Error> {
        let read = database.begin_read()?;
        Ok(read.open_table(META)?.iter()?.count() + read.open_table(LABS)?.iter()?.count())
    };
    match read() {
        Err(redb::Error::Corrupted(why)) => damaged(&why),
        Err(error @ (redb::Error::TableTypeMismatch { .. } | redb::Error::TableIsMultimap(_))) => damaged(&error),
        Ok(_) | Err(_) => 0,
    }
}

/// Puts state aside in which another process of this program, started to read it, found damage.
pub fn put_aside_if_damaged(path: &Path) -> Result<()> {
    use std::os::unix::process::ExitStatusExt;
    if fs::metadata(path).map_or(0, |metadata| metadata.len()) == 0 {
        return Ok(());
    }
    let Ok(program) = sandbox::SelfCommand::current() else { return Ok(()) };
    let mut command = std::process::Command::new(program.program);
    command.arg(CHECK).args(program.arguments).arg(path).stdin(std::process::Stdio::null());
    let Ok(output) = command.output() else { return Ok(()) };
    // A panic ends with 101 where it unwinds, with SIGABRT (6) where it does not.
    let code = output.status.code();
    if code != Some(DAMAGED) && code != Some(101) && output.status.signal() != Some(6) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("thread "));
    Err(put_aside(path, &lines.clone().next().unwrap_or("it cannot be read")))
}

impl Store {
    /// Opens the store, making it and its folder (mode 0700) when they are not there.
    ///
    /// Errors: [`StoreError::Damaged`] after moving the file aside: opening again then gives an empty store.
    pub fn open(path: &Path) -> Result<Store> {
        let disk = |why: &dyn std::fmt::Display| StoreError::Disk { path: path.to_owned(), why: why.to_string() };
        if let Some(parent) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(|e| disk(&e))?;
        }
        let database = match Database::create(path) {
            Ok(database) => database,
            Err(redb::DatabaseError::Storage(redb::StorageError::Io(error))) if error.kind() != std::io::ErrorKind::InvalidData => {
                return Err(disk(&error));
            }
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => return Err(disk(&"another process has it open")),
            Err(error) => return Err(put_aside(path, &error)),
        };
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
        let store = Store { database: Mutex::new(Some(database)), path: path.to_owned() };
        store.check_version()?;
        Ok(store)
    }

    fn disk(&self, why: impl std::fmt::Display) -> StoreError {
        StoreError::Disk { path: self.path.clone(), why: why.to_string() }
    }

    /// Works on the file. After a refusal it is opened anew and the work tried once more: the disk may have room again.
    fn with<T>(&self, work: impl Fn(&Database) -> Result<T>) -> Result<T> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = database.as_ref() {
            match work(open) {
                Err(StoreError::Disk { .. }) => {}
                result => return result,
            }
        }
        // One file can be open once.
        *database = None;
        let open = database.insert(Database::open(&self.path).map_err(|e| self.disk(e))?);
        work(open)
    }

    fn check_version(&self) -> Result<()> {
        self.with(|database| self.check_version_of(database))
    }

    fn check_version_of(&self, database: &Database) -> Result<()> {
        let write = database.begin_write().map_err(|e| self.disk(e))?;
        {
            let mut meta = write.open_table(META).map_err(|e| self.disk(e))?;
            let found = meta.get("version").map_err(|e| self.disk(e))?.map(|v| v.value());
            match found {
                None => drop(meta.insert("version", VERSION).map_err(|e| self.disk(e))?),
                Some(found) if found > VERSION => return Err(StoreError::Newer { path: self.path.clone(), found }),
                Some(_) => {}
            }
            write.open_table(LABS).map_err(|e| self.disk(e))?;
        }
        write.commit().map_err(|e| self.disk(e))
    }

    /// All labs by name.
    pub fn labs(&self) -> Result<Vec<LabRecord>> {
        self.with(|database| self.labs_of(database))
    }

    fn labs_of(&self, database: &Database) -> Result<Vec<LabRecord>> {
        let read = database.begin_read().map_err(|e| self.disk(e))?;
        let table = read.open_table(LABS).map_err(|e| self.disk(e))?;
        let rows = table.iter().map_err(|e| self.disk(e))?;
        rows.map(|row| {
            let (name, bytes) = row.map_err(|e| self.disk(e))?;
            serde_json::from_slice(bytes.value()).map_err(|e| self.disk(format!("lab {}: {e}", name.value())))
        })
        .collect()
    }

    /// Keeps a lab; on disk when this returns.
    pub fn put(&self, lab: &LabRecord) -> Result<()> {
        let bytes = serde_json::to_vec(lab).map_err(|e| self.disk(e))?;
        self.with(|database| {
            let write = database.begin_write().map_err(|e| self.disk(e))?;
            {
                let mut table = write.open_table(LABS).map_err(|e| self.disk(e))?;
                table.insert(lab.name.as_str(), bytes.as_slice()).map_err(|e| self.disk(e))?;
            }
            sandbox::abort::point("a record, not yet committed");
            write.commit().map_err(|e| self.disk(e))?;
            sandbox::abort::point("a committed record");
            Ok(())
        })
    }

    /// Forgets a lab.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.with(|database| {
            let write = database.begin_write().map_err(|e| self.disk(e))?;
            {
                let mut table = write.open_table(LABS).map_err(|e| self.disk(e))?;
                table.remove(name).map_err(|e| self.disk(e))?;
            }
            write.commit().map_err(|e| self.disk(e))?;
            sandbox::abort::point("a removed record");
            Ok(())
        })
    }
}

fn put_aside(path: &Path, why: &dyn std::fmt::Display) -> StoreError {
    // The first free name: an earlier damaged file is kept too.
    let aside = (1..1_000)
        .map(|n| path.with_extension(format!("damaged-{n}")))
        .find(|candidate| !candidate.exists())
        .unwrap_or_else(|| path.with_extension("damaged"));
    match fs::rename(path, &aside) {
        Ok(()) => StoreError::Damaged { path: path.to_owned(), aside, why: why.to_string() },
        Err(error) => StoreError::Disk { path: path.to_owned(), why: format!("{why}; moving it aside: {error}") },
    }
}

#[cfg(test)]
mod tests {
    use model::{Context, Model, Region, Timestamp};

    use super::*;

    fn record(name: &str) -> LabRecord {
        let model = Model::new("111122223333", Region::default(), Context::seeded(1, Timestamp(0)));
        LabRecord::new(name, model, Timestamp(0))
    }

    #[test]
    fn what_was_put_is_there_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/state.redb");
        Store::open(&path).unwrap().put(&record("shop")).unwrap();
        let store = Store::open(&path).unwrap();
        assert_eq!(store.labs().unwrap(), [record("shop")]);
        store.remove("shop").unwrap();
        assert!(store.labs().unwrap().is_empty());
    }

    #[test]
    fn a_damaged_file_is_kept_aside_and_the_next_open_works() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        fs::write(&path, vec![7; 20_000]).unwrap();
        let Err(StoreError::Damaged { aside, .. }) = Store::open(&path) else { panic!("opened") };
        assert_eq!(fs::read(aside).unwrap(), vec![7; 20_000]);
        assert!(Store::open(&path).unwrap().labs().unwrap().is_empty());
    }

    #[test]
    fn whatever_is_damaged_is_found_before_it_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        Store::open(&path).unwrap().put(&record("shop")).unwrap();
        assert_eq!(check(&path), 0);
        // In the record's text: nothing but its checksum tells.
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.windows(12).position(|window| window == b"111122223333").unwrap();
        bytes[at] = b'2';
        fs::write(&path, &bytes).unwrap();
        assert_eq!(check(&path), DAMAGED);
    }

    #[test]
    fn a_newer_layout_is_refused_untouched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        let store = Store::open(&path).unwrap();
        let database = store.database.into_inner().unwrap().unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(META).unwrap().insert("version", VERSION + 1).unwrap();
        write.commit().unwrap();
        drop(database);
        assert!(matches!(Store::open(&path), Err(StoreError::Newer { found, .. }) if found == VERSION + 1));
    }
}
