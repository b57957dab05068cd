//! State on disk: one transactional file. What was answered is in it; a newer or broken file is never written to.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

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
    database: Database,
    path: PathBuf,
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
        let store = Store { database, path: path.to_owned() };
        store.check_version()?;
        Ok(store)
    }

    fn disk(&self, why: impl std::fmt::Display) -> StoreError {
        StoreError::Disk { path: self.path.clone(), why: why.to_string() }
    }

    fn check_version(&self) -> Result<()> {
        let write = self.database.begin_write().map_err(|e| self.disk(e))?;
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
        let read = self.database.begin_read().map_err(|e| self.disk(e))?;
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
        let write = self.database.begin_write().map_err(|e| self.disk(e))?;
        {
            let mut table = write.open_table(LABS).map_err(|e| self.disk(e))?;
            table.insert(lab.name.as_str(), bytes.as_slice()).map_err(|e| self.disk(e))?;
        }
        write.commit().map_err(|e| self.disk(e))
    }

    /// Forgets a lab.
    pub fn remove(&self, name: &str) -> Result<()> {
        let write = self.database.begin_write().map_err(|e| self.disk(e))?;
        {
            let mut table = write.open_table(LABS).map_err(|e| self.disk(e))?;
            table.remove(name).map_err(|e| self.disk(e))?;
        }
        write.commit().map_err(|e| self.disk(e))
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
    fn a_newer_layout_is_refused_untouched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.redb");
        let store = Store::open(&path).unwrap();
        let write = store.database.begin_write().unwrap();
        write.open_table(META).unwrap().insert("version", VERSION + 1).unwrap();
        write.commit().unwrap();
        drop(store);
        assert!(matches!(Store::open(&path), Err(StoreError::Newer { found, .. }) if found == VERSION + 1));
    }
}
