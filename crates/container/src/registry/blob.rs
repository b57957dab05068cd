//! One blob onto the disk. What came of it stays in `partial/` under its digest until all of it is there, so that whoever
//! comes next goes on where the last one was cut off, and of two at once one brings it and the other waits.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ureq::http::Method;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE};

use super::client::{Ask, Backoff, Client, Sent, Trouble};
use super::source::Sources;
use super::{Event, Failure, Job, State};
use crate::blob::Pending;
use crate::digest::{Digest, Hashing};
use crate::error::{Error, Result};
use crate::oci::Descriptor;
use crate::store::Store;

/// How long the other one may bring nothing before it is not waited for any more.
const PATIENCE: Duration = Duration::from_secs(600);
/// Pieces that a blob may come in: a registry that breaks off after every byte is none.
const PIECES: u32 = 100;

/// Where the beginnings of blobs are.
pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join("partial")
}

/// Removes the beginnings of blobs; the caller holds `store.lock` alone. Bytes freed.
pub(crate) fn collect(root: &Path) -> Result<u64> {
    let folder = folder(root);
    let reading = || format!("reading {}", folder.display());
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(Error::io(reading()))?,
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry.map_err(Error::io(reading()))?;
        bytes += entry.metadata().map_or(0, |file| file.len());
        fs::remove_file(entry.path())
            .map_err(Error::io(format!("removing {}", entry.path().display())))?;
    }
    Ok(bytes)
}

/// Brings a blob if it is not there; the caller holds a session.
pub(super) fn fetch(
    store: &Store,
    sources: &Sources,
    job: &Job,
    one: &Descriptor,
    kind: &str,
) -> Result<()> {
    let event = |state| {
        job.progress.event(Event::Blob {
            digest: &one.digest,
            size: one.size,
            state,
        })
    };
    if store.blobs().size(&one.digest) == Some(one.size) {
        event(State::There);
        return Ok(());
    }
    let what = format!("{kind} {}", one.digest);
    let Some(mut partial) = Partial::lock(store, one, job, &event)? else {
        event(State::There);
        return Ok(());
    };
    partial.begin()?;
    if partial.got() > 0 {
        event(State::Resumes(partial.got()));
    }
    match sources.ask(|client| partial.complete(client, &what)) {
        Ok(()) => partial.keep(store)?,
        Err(error) => {
            partial.leave();
            return Err(error);
        }
    }
    event(State::Done);
    Ok(())
}

/// A file that is to become a blob. Whoever has its lock is the only one to write it.
struct Partial {
    path: PathBuf,
    hashing: Hashing<File>,
    digest: Digest,
    size: u64,
    /// Whether all of it came in one piece, from here.
    is_whole: bool,
}

impl Partial {
    /// Waits for whoever writes it now; nothing if that one made a blob of it.
    fn lock(
        store: &Store,
        one: &Descriptor,
        job: &Job,
        event: &dyn Fn(State),
    ) -> Result<Option<Partial>> {
        let folder = folder(store.root());
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        made.map_err(Error::io(format!("making {}", folder.display())))?;
        let path = folder.join(one.digest.hex());
        let (mut grown, mut since, mut told) = (0, Instant::now(), false);
        loop {
            job.check()?;
            let file = File::options()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .mode(0o600)
                .open(&path);
            let file = file.map_err(Error::io(format!("opening {}", path.display())))?;
            match file.try_lock() {
                Ok(()) => {
                    // It may have become a blob, or have been thrown away, between the two.
                    let same = |other: fs::Metadata| {
                        file.metadata()
                            .is_ok_and(|own| (own.dev(), own.ino()) == (other.dev(), other.ino()))
                    };
                    let is_named = fs::symlink_metadata(&path).is_ok_and(same);
                    if store.blobs().size(&one.digest) == Some(one.size) {
                        if is_named {
                            let _ = fs::remove_file(&path);
                        }
                        return Ok(None);
                    }
                    if is_named {
                        let (digest, size) = (one.digest, one.size);
                        return Ok(Some(Partial {
                            path,
                            hashing: Hashing::new(file),
                            digest,
                            size,
                            is_whole: true,
                        }));
                    }
                }
                Err(TryLockError::Error(error)) => {
                    return Err(Error::io(format!("locking {}", path.display()))(error));
                }
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        event(State::Waits);
                        told = true;
                    }
                    let length = file.metadata().map_or(0, |file| file.len());
                    if length != grown {
                        (grown, since) = (length, Instant::now());
                    }
                    if since.elapsed() > PATIENCE {
                        let seconds = PATIENCE.as_secs();
                        return Err(Error::InUse {
                            store: store.root().to_owned(),
                            doing: "another pull of the same layer",
                            seconds,
                        });
                    }
                    job.wait(Duration::from_millis(20))?;
                }
            }
        }
    }

    fn got(&self) -> u64 {
        self.hashing.count()
    }

    /// Reads what is there: its digest goes on from there.
    fn begin(&mut self) -> Result<()> {
        let reading = || format!("reading {}", self.path.display());
        let mut buffer = vec![0; 1 << 16];
        loop {
            match self.hashing.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io(reading())(error)),
            }
        }
        self.is_whole = self.got() == 0;
        if self.got() > self.size {
            self.anew()
        } else {
            Ok(())
        }
    }

    fn anew(&mut self) -> Result<()> {
        let writing = || format!("writing {}", self.path.display());
        let emptied = self
            .hashing
            .inner()
            .set_len(0)
            .and_then(|()| self.hashing.inner().rewind());
        emptied.map_err(Error::io(writing()))?;
        let file = self
            .hashing
            .inner()
            .try_clone()
            .map_err(Error::io(writing()))?;
        self.hashing = Hashing::new(file);
        self.is_whole = true;
        Ok(())
    }

    /// Until all bytes are there and they are the right ones.
    fn complete(&mut self, client: &Client, what: &str) -> Result<()> {
        let new = |tries| Backoff::new(tries, &client.job.settings.patience);
        let (mut backoff, mut pieces) = (new(client.tries), 0);
        loop {
            let before = self.got();
            match self.attempt(client, what) {
                Ok(()) => {}
                Err(trouble @ Trouble::Again { .. }) => {
                    pieces += 1;
                    if self.got() > before && pieces < PIECES {
                        // This one was not for nothing, and does not count.
                        backoff = new(client.tries + 1);
                    }
                    self.is_whole = self.got() == 0;
                    backoff.after(client.job, trouble)?;
                    continue;
                }
                Err(trouble) => {
                    return backoff.after(client.job, trouble);
                }
            }
            let found = self.hashing.digest();
            if found == self.digest {
                return Ok(());
            }
            // What lay here may have been damaged, or another server may have other bytes: once more from the start.
            let was_whole = self.is_whole;
            self.anew()?;
            if was_whole {
                found.expect(&self.digest, &format!("{what} of {}", client.registry))?;
            }
        }
    }

    /// Asks for what is missing, and writes what comes.
    fn attempt(&mut self, client: &Client, what: &str) -> Result<(), Trouble> {
        let have = self.got();
        if have == self.size {
            return Ok(());
        }
        let mut headers = vec![("accept-encoding", "identity".to_owned())];
        if have > 0 {
            headers.push(("range", format!("bytes={have}-")));
        }
        let ask = Ask {
            method: Method::GET,
            uri: client.uri(&format!("blobs/{}", self.digest))?,
            headers,
            body: Sent::None,
            what: what.to_owned(),
            accepted: &[416],
        };
        let response = client.once(&ask)?;
        let told = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        match response.status().as_u16() {
            206 if told(CONTENT_RANGE)
                .is_some_and(|range| range.starts_with(&format!("bytes {have}-"))) => {}
            206 | 416 => {
                self.anew()?;
                return Err(Trouble::again(
                    client.odd("it does not give the part that was asked for"),
                ));
            }
            // All of it again: that it knows no ranges is its right.
            _ if have > 0 => self.anew()?,
            _ => {}
        }
        let promised = told(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        let missing = self.size - self.got();
        if promised.is_some_and(|promised| promised != missing) {
            let why = format!(
                "{} has {} bytes of it to give, and {missing} are missing",
                client.registry,
                promised.unwrap_or(0)
            );
            self.anew()?;
            return Err(Error::malformed(what, why).into());
        }
        let mut body = response
            .into_body()
            .into_with_config()
            .limit(u64::MAX)
            .reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            client.job.check()?;
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(client.cut(error, what)),
            };
            if self.got() + count as u64 > self.size {
                self.anew()?;
                return Err(Error::malformed(
                    what,
                    format!(
                        "{} sends more than the {} bytes that it has",
                        client.registry, self.size
                    ),
                )
                .into());
            }
            let written = self.hashing.write_all(&buffer[..count]);
            written.map_err(Error::io(format!("writing {}", self.path.display())))?;
            client.job.check()?;
            client.job.progress.event(Event::Bytes {
                digest: &self.digest,
                count: count as u64,
            });
        }
        if self.got() < self.size {
            let why = format!("{} of {} bytes came", self.got(), self.size);
            return Err(Trouble::again(Failure::CutOff {
                registry: client.registry.clone(),
                what: what.to_owned(),
                why,
            }));
        }
        Ok(())
    }

    /// All of it is there and right. Its lock ends with it.
    fn keep(self, store: &Store) -> Result<()> {
        let (_lock, digest, bytes) = self.hashing.finish();
        store
            .blobs()
            .keep(Pending::of_file(self.path, digest, bytes))
            .map(drop)
    }

    /// It stays for the next one, if there is anything.
    fn leave(self) {
        if self.got() == 0 {
            let _ = fs::remove_file(&self.path);
        }
    }
}
