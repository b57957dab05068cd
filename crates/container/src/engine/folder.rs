//! Records on disk: one folder a container, two documents in it of which each is always the old one or the new one, and locks
//! so that two commands at once do not break each other.
//!
//! What a container is (`config.json`) is on disk before anybody is told. What it does (`state.json`) changes with each start
//! and each end, and is of no use after a power failure, which ends the container too: it is left to the kernel to write.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::error::{Error, Result};
use super::id::Id;
use super::private;
use super::lock::{Lock, lock};
use super::record::{Record, State, VERSION};
use crate::network::Endpoint;

/// How long a lock is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How far apart changes are that have different times, at least: kernels count them in ticks, of 10 ms at most.
const TICK: Duration = Duration::from_millis(50);
/// First letters of what is not yet, or no more, a container.
const NEW: &str = ".new-";
const GONE: &str = ".gone-";
const DOCUMENT: &str = "config.json";
const STATE: &str = "state.json";

/// What a container does.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Doing {
    state: State,
    endpoints: Vec<Endpoint>,
}

impl Doing {
    fn of(record: &Record) -> Doing {
        Doing {
            state: record.state.clone(),
            endpoints: record.endpoints.clone(),
        }
    }
}

/// The containers of one lab.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
    /// What was read before, with when its folder had changed last: each document that is put in its place changes it. Only
    /// what was read long enough after that for no later change to have the same time.
    known: Arc<Mutex<BTreeMap<Id, (SystemTime, Record)>>>,
}

/// A container that nobody else changes meanwhile.
#[derive(Debug)]
pub struct Held {
    /// As it is; [`Held::save`] keeps what was changed.
    pub record: Record,
    path: PathBuf,
    /// As it was last kept.
    kept: RefCell<Record>,
    _lock: Lock,
}

impl Held {
    /// Keeps the record, for every other process when this returns. What the container is, is on disk then.
    pub fn save(&self) -> Result<()> {
        let mut kept = self.kept.borrow_mut();
        if kept.state != self.record.state || kept.endpoints != self.record.endpoints {
            write(&self.path, STATE, &Doing::of(&self.record), false)?;
        }
        kept.state.clone_from(&self.record.state);
        kept.endpoints.clone_from(&self.record.endpoints);
        if *kept != self.record {
            write(&self.path, DOCUMENT, &self.record, true)?;
            kept.clone_from(&self.record);
        }
        Ok(())
    }
}

impl Folder {
    /// The containers below this folder, which need not be there.
    pub fn new(root: impl Into<PathBuf>) -> Folder {
        Folder {
            root: root.into(),
            known: Arc::default(),
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of one container.
    pub fn of(&self, id: &Id) -> PathBuf {
        self.root.join(id.as_str())
    }

    /// Where a container's log is; older parts have `.1`, `.2`, … behind the name.
    pub fn log(&self, id: &Id) -> PathBuf {
        self.of(id).join("log.json")
    }

    /// All containers, the oldest first. One whose document cannot be read is an error: nothing is lost silently.
    pub fn list(&self) -> Result<Vec<Record>> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(Error::io(format!("reading {}", self.root.display())))?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry
                .map_err(Error::io(format!("reading {}", self.root.display())))?
                .file_name();
            let Some(id) = name
                .to_str()
                .and_then(|name| Id::try_from(name.to_owned()).ok())
            else {
                continue;
            };
            // One that was removed meanwhile is no error.
            all.extend(self.read(&id)?);
        }
        all.sort_by(|a: &Record, b: &Record| (a.created, &a.id).cmp(&(b.created, &b.id)));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > all.len() {
            let there: BTreeSet<&Id> = all.iter().map(|record| &record.id).collect();
            known.retain(|id, _| there.contains(id));
        }
        Ok(all)
    }

    /// One container as it is on disk; none where there is none of this id.
    pub fn read(&self, id: &Id) -> Result<Option<Record>> {
        let folder = self.of(id);
        let path = folder.join(DOCUMENT);
        let is_none = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let failed = || Error::io(format!("reading {}", path.display()));
        let changed = match fs::metadata(&folder).and_then(|found| found.modified()) {
            Err(error) if is_none(&error) => return Ok(None),
            other => other.map_err(failed())?,
        };
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, record)) = known().get(id)
            && *when == changed
        {
            return Ok(Some(record.clone()));
        }
        let now = SystemTime::now();
        let bytes = match fs::read(&path) {
            Err(error) if is_none(&error) => return Ok(None),
            other => other.map_err(failed())?,
        };
        let doing = fs::read(folder.join(STATE)).ok();
        let record = parse(&path, &bytes, doing.as_deref())?;
        if now.duration_since(changed).is_ok_and(|since| since > TICK) {
            known().insert(id.clone(), (changed, record.clone()));
        }
        Ok(Some(record))
    }

    /// The container of this name or id, or whose id begins so. `instance`: of this one only.
    pub fn find(&self, text: &str, instance: Option<&str>) -> Result<Record> {
        let mut all = self.list()?;
        all.retain(|record| instance.is_none_or(|instance| record.instance == instance));
        pick(all, text)
    }

    /// Takes hold of a container. Errors: [`Error::NoContainer`], [`Error::InUse`].
    pub fn hold(&self, id: &Id) -> Result<Held> {
        self.hold_for(id, PATIENCE)
    }

    /// Takes hold of a container that nobody else has; none while somebody has it.
    pub fn try_hold(&self, id: &Id) -> Result<Option<Held>> {
        match self.hold_for(id, Duration::ZERO) {
            Ok(held) => Ok(Some(held)),
            Err(Error::InUse { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn hold_for(&self, id: &Id, patience: Duration) -> Result<Held> {
        let path = self.of(id);
        let none = || Error::NoContainer(id.short().to_owned());
        if !path.join(DOCUMENT).exists() {
            return Err(none());
        }
        let lock = lock(
            &path.join("lock"),
            &format!("container {}", id.short()),
            patience,
        )?;
        // Whoever had it may have removed it.
        let record = self.read(id)?.ok_or_else(none)?;
        Ok(Held {
            kept: RefCell::new(record.clone()),
            record,
            path,
            _lock: lock,
        })
    }

    /// Whoever has this changes which containers there are, and what they are called.
    pub fn lock(&self) -> Result<Lock> {
        self.make()?;
        lock(&self.root.join("lock"), "the list of containers", PATIENCE)
    }

    /// Whoever has this makes the containers of a lab file true: two at once would make each twice.
    pub fn lock_file(&self, patience: Duration) -> Result<Lock> {
        self.make()?;
        lock(&self.root.join("file.lock"), "the lab file's containers", patience)
    }

    /// Whoever has this changes the networks of an instance.
    pub fn lock_network(&self, instance: &str) -> Result<Lock> {
        self.make()?;
        let file = format!("network-{}.lock", instance.replace('/', "-"));
        lock(
            &self.root.join(file),
            "the instance's container network",
            PATIENCE,
        )
    }

    fn make(&self) -> Result<()> {
        private::make(&self.root).map_err(Error::io(format!("making {}", self.root.display())))
    }

    /// Adds a container: it is there whole or not at all. `_lock` is [`Folder::lock`]'s.
    pub fn add(&self, _lock: &Lock, record: &Record) -> Result<()> {
        let from = self.root.join(format!("{NEW}{}", record.id));
        let made = fs::DirBuilder::new().mode(0o700).create(&from);
        made.map_err(Error::io(format!("making {}", from.display())))?;
        let to = self.of(&record.id);
        write(&from, DOCUMENT, record, true)
            .and_then(|()| {
                fs::rename(&from, &to).map_err(Error::io(format!("naming {}", to.display())))
            })
            .inspect_err(|_| drop(fs::remove_dir_all(&from)))
    }

    /// A container is no more; its files are where the answer says, to be removed.
    pub fn remove(&self, held: Held) -> Result<PathBuf> {
        let to = self.root.join(format!("{GONE}{}", held.record.id));
        fs::rename(&held.path, &to).map_err(Error::io(format!(
            "removing container {}",
            held.record.name
        )))?;
        Ok(to)
    }

    /// What commands that died left half-made or half-removed. `_lock` is [`Folder::lock`]'s: nobody makes one now.
    pub fn left(&self, _lock: &Lock) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let is_left = |name: &std::ffi::OsString| {
            name.to_str()
                .is_some_and(|name| name.starts_with(NEW) || name.starts_with(GONE))
        };
        entries
            .map(|entry| entry.file_name())
            .filter(is_left)
            .map(|name| self.root.join(name))
            .collect()
    }
}

/// What the documents of a container say; `path` is the first one's.
fn parse(path: &Path, document: &[u8], doing: Option<&[u8]>) -> Result<Record> {
    let malformed = |why: String| Error::Malformed {
        what: path.display().to_string(),
        why,
    };
    let document: serde_json::Value =
        serde_json::from_slice(document).map_err(|e| malformed(e.to_string()))?;
    if let Some(version) = document["version"]
        .as_u64()
        .filter(|version| *version > u64::from(VERSION))
    {
        return Err(malformed(format!(
            "it was written by a newer vpclab (version {version}, this one knows {VERSION})"
        )));
    }
    let mut record: Record =
        serde_json::from_value(document).map_err(|e| malformed(e.to_string()))?;
    // One that a power failure left torn says nothing: nothing of that time runs.
    if let Some(doing) = doing.and_then(|bytes| serde_json::from_slice::<Doing>(bytes).ok()) {
        (record.state, record.endpoints) = (doing.state, doing.endpoints);
    }
    Ok(record)
}

/// The record that a text means.
pub fn pick(all: Vec<Record>, text: &str) -> Result<Record> {
    let name = text.strip_prefix('/').unwrap_or(text);
    let named: Vec<&Record> = all
        .iter()
        .filter(|record| record.name == name || record.id.as_str() == name)
        .collect();
    match named[..] {
        [one] => return Ok(one.clone()),
        [] => {}
        _ => {
            let ids = named
                .iter()
                .map(|record| record.id.short().to_owned())
                .collect();
            return Err(Error::Ambiguous {
                text: text.to_owned(),
                ids,
            });
        }
    }
    let is_beginning = !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let fit: Vec<&Record> = all
        .iter()
        .filter(|record| is_beginning && record.id.as_str().starts_with(text))
        .collect();
    match fit[..] {
        [one] => Ok(one.clone()),
        [] => Err(Error::NoContainer(text.to_owned())),
        _ => {
            let ids = fit
                .iter()
                .map(|record| record.id.short().to_owned())
                .collect();
            Err(Error::Ambiguous {
                text: text.to_owned(),
                ids,
            })
        }
    }
}

/// Writes a document beside the old one and puts it in its place at once; `is_lasting`: what it says is on disk by then.
pub(super) fn write<T: serde::Serialize>(
    folder: &Path,
    name: &str,
    document: &T,
    is_lasting: bool,
) -> Result<()> {
    let (beside, path) = (folder.join(format!("{name}.part")), folder.join(name));
    let bytes = serde_json::to_vec_pretty(document).map_err(|e| Error::Malformed {
        what: path.display().to_string(),
        why: e.to_string(),
    })?;
    let written = || -> io::Result<()> {
        let mut file = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(&bytes)?;
        if is_lasting {
            file.sync_all()?;
        }
        sandbox::abort::point("a container's record, not yet in its place");
        fs::rename(&beside, &path)
    };
    written().map_err(|error| {
        // A disk that is full has no room for halves.
        let _ = fs::remove_file(&beside);
        Error::io(format!("writing {}", path.display()))(error)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::id::Chance;
    use crate::engine::record::{ImageOf, State};
    use crate::engine::{Moment, Options, Settings};
    use crate::oci::Process;

    pub(in crate::engine) fn record(seed: u64, name: &str) -> Record {
        let id = Id::random(&mut Chance::Seeded(seed)).unwrap();
        let options = Options {
            image: "app".into(),
            command: vec!["true".into()],
            ..Options::default()
        };
        Record {
            version: VERSION,
            name: name.into(),
            instance: "instance/i-1".into(),
            created: Moment {
                seconds: seed.cast_signed(),
                nanoseconds: 0,
            },
            image: ImageOf {
                id: crate::Digest::of(b"image"),
                name: "app".into(),
            },
            settings: Settings::new(&Process::default(), &options, id.short()).unwrap(),
            options,
            mounts: Vec::new(),
            declared: None,
            state: State::default(),
            endpoints: Vec::new(),
            id,
        }
    }

    fn folder() -> (tempfile::TempDir, Folder) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path().join("containers"));
        (temporary, folder)
    }

    #[test]
    fn what_it_does_is_kept_beside_what_it_is_and_may_be_lost() {
        let (_temporary, folder) = folder();
        let own = record(1, "one");
        folder.add(&folder.lock().unwrap(), &own).unwrap();
        let defined = fs::read(folder.of(&own.id).join(DOCUMENT)).unwrap();
        let mut held = folder.hold(&own.id).unwrap();
        held.record.state.exit_code = 7;
        held.save().unwrap();
        drop(held);
        assert_eq!(fs::read(folder.of(&own.id).join(DOCUMENT)).unwrap(), defined);
        assert_eq!(folder.read(&own.id).unwrap().unwrap().state.exit_code, 7);
        // What it is changes, and what it does stays.
        let mut held = folder.hold(&own.id).unwrap();
        held.record.name = "two".into();
        held.save().unwrap();
        drop(held);
        let read = folder.read(&own.id).unwrap().unwrap();
        assert_eq!((read.name.as_str(), read.state.exit_code), ("two", 7));
        // A power failure left half of it.
        fs::write(folder.of(&own.id).join(STATE), b"{\"state\": {").unwrap();
        assert_eq!(folder.read(&own.id).unwrap().unwrap().name, "two");
    }

    #[test]
    fn what_another_process_changes_is_read_anew_whenever_it_was_read_before() {
        let (temporary, folder) = folder();
        let own = record(1, "one");
        folder.add(&folder.lock().unwrap(), &own).unwrap();
        // Another's view of the same folder: nothing that this one knows is known there.
        let other = Folder::new(temporary.path().join("containers"));
        for code in 0..40 {
            if code % 10 == 9 {
                // Long enough for what was read to be taken as it is.
                std::thread::sleep(TICK + Duration::from_millis(10));
            }
            folder.list().unwrap();
            let mut held = other.hold(&own.id).unwrap();
            held.record.state.exit_code = code;
            held.save().unwrap();
            drop(held);
            assert_eq!(folder.read(&own.id).unwrap().unwrap().state.exit_code, code);
            assert_eq!(folder.list().unwrap()[0].state.exit_code, code);
        }
    }

    #[test]
    fn what_was_added_and_changed_is_there() {
        let (_temporary, folder) = folder();
        assert!(folder.list().unwrap().is_empty());
        let lock = folder.lock().unwrap();
        let (one, two) = (record(2, "two"), record(1, "one"));
        for record in [&one, &two] {
            folder.add(&lock, record).unwrap();
        }
        assert_eq!(folder.list().unwrap(), [two, one.clone()]);
        let mut held = folder.hold(&one.id).unwrap();
        held.record.name = "three".into();
        held.save().unwrap();
        assert!(folder.try_hold(&one.id).unwrap().is_none(), "it is held");
        drop(held);
        assert_eq!(folder.find("three", None).unwrap().id, one.id);
        let gone = folder.remove(folder.hold(&one.id).unwrap()).unwrap();
        assert_eq!(folder.left(&lock), [gone]);
        assert!(matches!(folder.hold(&one.id), Err(Error::NoContainer(_))));
    }

    #[test]
    fn a_write_that_was_cut_short_leaves_the_old_record() {
        let (_temporary, folder) = folder();
        let record = record(1, "one");
        folder.add(&folder.lock().unwrap(), &record).unwrap();
        fs::write(
            folder.of(&record.id).join("config.json.part"),
            b"{\"version\":1,\"id\":",
        )
        .unwrap();
        fs::create_dir(folder.root().join(format!("{NEW}{}", "a".repeat(64)))).unwrap();
        assert_eq!(folder.list().unwrap(), std::slice::from_ref(&record));
        folder.hold(&record.id).unwrap().save().unwrap();
        assert_eq!(folder.list().unwrap(), [record]);
        assert_eq!(folder.left(&folder.lock().unwrap()).len(), 1);
    }

    #[test]
    fn a_record_of_a_newer_program_is_not_touched() {
        let (_temporary, folder) = folder();
        let record = record(1, "one");
        folder.add(&folder.lock().unwrap(), &record).unwrap();
        let path = folder.of(&record.id).join(DOCUMENT);
        fs::write(&path, br#"{"version":99,"something":"else"}"#).unwrap();
        let error = folder.list().unwrap_err().to_string();
        assert!(error.contains("newer"), "{error}");
    }

    #[test]
    fn a_container_is_found_by_name_id_and_the_beginning_of_its_id() {
        let all = vec![record(1, "one"), record(2, "two")];
        let (first, second) = (all[0].id.clone(), all[1].id.clone());
        for text in [
            "one",
            "/one",
            first.as_str(),
            first.short(),
            &first.as_str()[..5],
        ] {
            assert_eq!(pick(all.clone(), text).unwrap().id, first, "{text}");
        }
        assert!(matches!(pick(all.clone(), ""), Err(Error::NoContainer(_))));
        assert!(matches!(
            pick(all.clone(), "three"),
            Err(Error::NoContainer(_))
        ));
        // A name that is the beginning of another's id is the name.
        let mut named = all.clone();
        named[0].name = second.as_str()[..4].to_owned();
        assert_eq!(pick(named, &second.as_str()[..4]).unwrap().id, first);
        // One name in two instances.
        let mut same = all;
        (same[1].name, same[1].instance) = ("one".into(), "instance/i-2".into());
        assert!(matches!(pick(same, "one"), Err(Error::Ambiguous { .. })));
    }

    #[test]
    fn changes_of_many_at_once_are_all_there() {
        let (_temporary, folder) = folder();
        let record = record(1, "one");
        folder.add(&folder.lock().unwrap(), &record).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let mut held = folder.hold(&record.id).unwrap();
                        held.record.state.restarts += 1;
                        held.save().unwrap();
                    }
                });
            }
        });
        assert_eq!(folder.read(&record.id).unwrap().unwrap().state.restarts, 40);
    }
}
