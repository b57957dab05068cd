//! Blobs by digest. One appears at once and whole, or not at all; who comes second finds the first one's.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::digest::{Digest, Hashing};
use crate::error::{Error, Result};
use crate::limits::Bounded;
use crate::work::Work;

/// `blobs/sha256`.
#[derive(Debug, Clone)]
pub struct Blobs {
    folder: PathBuf,
}

/// Bytes on disk whose digest is known, and that are nobody's blob yet.
#[derive(Debug)]
pub struct Pending {
    path: PathBuf,
    /// Of the bytes.
    pub digest: Digest,
    /// How many.
    pub bytes: u64,
}

impl Pending {
    /// Writes all of `input` into `work`.
    pub(crate) fn write(work: &Work, mut input: impl Read, what: &str) -> Result<Pending> {
        let path = work.fresh();
        let file =
            File::create_new(&path).map_err(Error::io(format!("making {}", path.display())))?;
        let mut output = Hashing::new(BufWriter::with_capacity(1 << 16, file));
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io(format!("reading {what}"))(error)),
            };
            output
                .write_all(&buffer[..count])
                .map_err(Error::io(format!("writing {what} to {}", path.display())))?;
        }
        let (output, digest, bytes) = output.finish();
        output.into_inner().map_err(|e| {
            Error::io(format!("writing {what} to {}", path.display()))(e.into_error())
        })?;
        Ok(Pending {
            path,
            digest,
            bytes,
        })
    }

    /// Bytes that lie in this file already.
    pub(crate) fn of_file(path: PathBuf, digest: Digest, bytes: u64) -> Pending {
        Pending {
            path,
            digest,
            bytes,
        }
    }

    /// The bytes again.
    pub fn open(&self) -> Result<File> {
        File::open(&self.path).map_err(Error::io(format!("opening {}", self.path.display())))
    }

    /// All of a small one; `limit` in bytes.
    pub fn read(&self, what: &str, limit: u64) -> Result<Vec<u8>> {
        read_bounded(self.open()?, what, limit)
    }

    /// Errs unless the bytes are those of `digest`.
    pub fn expect(&self, digest: &Digest, what: &str) -> Result<()> {
        self.digest.expect(digest, what)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // Nothing is there after `keep`.
        let _ = fs::remove_file(&self.path);
    }
}

impl Blobs {
    pub(crate) fn new(folder: PathBuf) -> Blobs {
        Blobs { folder }
    }

    /// Where a blob lies if it is there.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.hex())
    }

    /// Bytes of a blob, if it is there.
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        fs::symlink_metadata(self.path(digest))
            .ok()
            .filter(fs::Metadata::is_file)
            .map(|file| file.len())
    }

    /// Opens a blob.
    pub fn open(&self, digest: &Digest) -> Result<File> {
        File::open(self.path(digest)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NoBlob(*digest),
            _ => Error::io(format!("opening blob {digest}"))(error),
        })
    }

    /// All of a small blob, compared with its digest again; `limit` in bytes.
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        let what = format!("blob {digest}");
        let bytes = read_bounded(self.open(digest)?, &what, limit)?;
        Digest::of(&bytes).expect(digest, &what)?;
        Ok(bytes)
    }

    /// Makes a blob of what was written: safe on disk before it has its name.
    pub(crate) fn keep(&self, pending: Pending) -> Result<Digest> {
        let path = self.path(&pending.digest);
        if self.size(&pending.digest) == Some(pending.bytes) {
            return Ok(pending.digest);
        }
        pending
            .open()?
            .sync_all()
            .map_err(Error::io(format!("writing blob {}", pending.digest)))?;
        fs::rename(&pending.path, &path)
            .map_err(Error::io(format!("naming blob {}", pending.digest)))?;
        sync_folder(&self.folder)?;
        Ok(pending.digest)
    }

    /// Every blob with its bytes, by digest.
    pub fn all(&self) -> Result<Vec<(Digest, u64)>> {
        let reading = || format!("reading {}", self.folder.display());
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(Error::io(reading()))? {
            let entry = entry.map_err(Error::io(reading()))?;
            let digest = entry
                .file_name()
                .to_str()
                .and_then(|name| format!("sha256:{name}").parse().ok());
            if let Some(digest) = digest {
                all.push((
                    digest,
                    entry.metadata().map_err(Error::io(reading()))?.len(),
                ));
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    pub(crate) fn remove(&self, digest: &Digest) -> Result<()> {
        match fs::remove_file(self.path(digest)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io(format!("removing blob {digest}"))(error))
            }
            _ => Ok(()),
        }
    }
}

/// What has a new name in `folder` has it after a crash too.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(Error::io(format!("writing {}", folder.display())))
}

/// All bytes of a small file.
pub(crate) fn read_bounded(file: impl Read, what: &str, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Bounded::new(file, limit, what)
        .read_to_end(&mut bytes)
        .map_err(Error::io(format!("reading {what}")))?;
    Ok(bytes)
}
