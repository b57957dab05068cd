//! Files into containers and out of them, whether they run or not, as their own programs see them: with volumes, binds and
//! what is mounted in them.
//!
//! The work is done by this same program with the ids of the instance's users (see [`inside`]). Of a container that runs it
//! gets the root from the shim; one that does not run is mounted for it, and nobody starts it meanwhile. Every path is
//! resolved by the kernel below that root (`openat2`), so a link leads nowhere else, also one that a program of the
//! container puts in the way meanwhile.

pub mod inside;
mod paths;
pub mod put;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use sandbox::SelfCommand;
use sandbox::container::spec::AtRest;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::folder::Held;
use super::id::Id;
use super::lab::Engine;
use super::life::is_unknown;
use super::record::Record;
use super::time::Moment;
use super::{owners, spec};
use crate::work::in_memory;

/// Exit codes of the helper, by which its words are told apart.
const NO_PATH: i32 = 3;
const REFUSED: i32 = 4;

/// Serves a start of this program that works on files with the ids of an instance's users; none when it is an ordinary
/// one. `arguments` begin with the program's name.
pub fn dispatch(arguments: &[OsString]) -> Option<i32> {
    inside::dispatch(arguments).or_else(|| owners::dispatch(arguments))
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathStat {
    /// The last name of the path.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Type and permissions, as `stat` has them.
    pub mode: u32,
    /// When it was changed last.
    pub modified: Moment,
    /// Of a link: the absolute path that it comes to, as far as that is there; empty otherwise.
    pub link_target: String,
}

impl PathStat {
    /// The mode as Go's `os.FileMode`, which is what Docker's API sends.
    pub fn go_mode(&self) -> u32 {
        const TYPES: [(u32, u32); 6] = [
            (0o040_000, 1 << 31),
            (0o120_000, 1 << 27),
            (0o060_000, 1 << 26),
            (0o010_000, 1 << 25),
            (0o140_000, 1 << 24),
            (0o020_000, 1 << 26 | 1 << 21),
        ];
        let kind = TYPES.iter().find(|(kind, _)| self.mode & 0o170_000 == *kind).map_or(0, |(_, bits)| *bits);
        let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
        let special: u32 = special.iter().filter(|(bit, _)| self.mode & bit != 0).map(|(_, bits)| bits).sum();
        kind | special | self.mode & 0o777
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}

/// How files are put into a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Put {
    /// A folder does not take the place of anything else, and nothing that of a folder.
    pub keep_kinds: bool,
    /// All belongs to the container's user, instead of who the archive says.
    pub as_user: bool,
}

/// A container's root, for a helper.
enum Root {
    /// Of one that runs.
    Running(OwnedFd),
    /// Of one that does not, and is not started meanwhile.
    AtRest(Box<(AtRest, Held)>),
}

impl Engine {
    /// What is at a path of a container; a link at its end is not followed. Errors: [`Error::NoPath`].
    pub fn path_stat(&self, id: &Id, path: &str) -> Result<PathStat> {
        let mut answer = in_memory()?;
        let output = answer.try_clone().map_err(Error::io("duplicating a descriptor"))?;
        self.helper(id, inside::STAT, &[path.into()], Ends { input: None, output: Some(output.into()) })?.done()?;
        answer.rewind().map_err(Error::io("reading what is there"))?;
        serde_json::from_reader(answer).map_err(|error| Error::Malformed { what: path.to_owned(), why: error.to_string() })
    }

    /// Writes what is at a path as a tar, whose entries begin with the path's last name: of a folder all that is in it, of
    /// a link at its end the link. Whoever closes the other end of `output` ends it. Errors: [`Error::NoPath`].
    pub fn copy_out(&self, id: &Id, path: &str, output: impl Into<Stdio>) -> Result<()> {
        let ends = Ends { input: None, output: Some(output.into()) };
        self.helper(id, inside::GET, &[path.into()], ends)?.done().map(drop)
    }

    /// Unpacks a tar, packed or not, into a folder of a container; links on the way to it are followed inside. Answers what
    /// was left out and why (devices, which nobody can make here). Errors: [`Error::NoPath`]; [`Error::Refused`], also
    /// where the place is read-only.
    pub fn copy_in(&self, id: &Id, path: &str, mut input: impl Read, put: Put) -> Result<Vec<String>> {
        let record = self.folder.read(id)?.ok_or_else(|| Error::NoContainer(id.short().to_owned()))?;
        let user = if put.as_user { record.settings.user } else { String::new() };
        let kinds = if put.keep_kinds { "keep" } else { "any" };
        let words = [path.into(), kinds.into(), user.into()];
        let mut helper = self.helper(id, inside::PUT, &words, Ends { input: Some(Stdio::piped()), output: None })?;
        let fed = match helper.child.stdin.take() {
            Some(mut to) => pump(&mut input, &mut to),
            None => Ok(()),
        };
        match (fed, helper.done()) {
            // Whoever sends stopped: that is why it was cut off.
            (Err(Fed::Reading(error)), _) => Err(Error::io("reading the archive")(error)),
            (Err(Fed::Passing(error)), Ok(_)) => Err(Error::io("passing the archive on")(error)),
            (_, done) => done,
        }
    }

    /// Writes all files of a container as a tar; of volumes and of what else is mounted in it the places only.
    pub fn export(&self, id: &Id, output: impl Into<Stdio>) -> Result<()> {
        let ends = Ends { input: None, output: Some(output.into()) };
        self.helper(id, inside::EXPORT, &[], ends)?.done().map(drop)
    }

    fn root(&self, id: &Id) -> Result<Root> {
        // It may end between the two questions; then it is at rest the next time.
        for _ in 0..3 {
            let mut held = self.folder.hold(id)?;
            self.settle(&mut held)?;
            if !held.record.state.status.is_alive() {
                let rest = self.at_rest(&held.record)?;
                return Ok(Root::AtRest(Box::new((rest, held))));
            }
            drop(held);
            match self.client.container_root(id.as_str()) {
                Ok(root) => return Ok(Root::Running(root)),
                Err(error) if is_unknown(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Conflict(format!("container {} starts and ends all the time", id.short())))
    }

    fn at_rest(&self, record: &Record) -> Result<AtRest> {
        let image = self.store.find(&record.image.id.to_string())?;
        let ids = self.client.stats()?.instance_ids;
        let lower = owners::stack(&self.store, &image, ids)?;
        Ok(spec::at_rest(record, &self.folder, &self.volumes, lower))
    }

    fn helper(&self, id: &Id, verb: &str, words: &[OsString], ends: Ends) -> Result<Helper> {
        let root = self.root(id)?;
        // The helper's working directory, which is given to the instance's root.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = Directory::make(self.folder.of(id).join(format!(".files-{}-{number}", std::process::id())))?;
        let command = SelfCommand::current()?;
        let state = if matches!(root, Root::Running(_)) { inside::RUNNING } else { inside::AT_REST };
        let mut arguments: Vec<OsString> = vec![inside::HIDDEN.into(), verb.into(), state.into()];
        arguments.extend_from_slice(words);
        let (mut start, held, given) = match root {
            Root::Running(root) => (sandbox::instance_ids(&command, &directory.path, &arguments), None, Some(root)),
            Root::AtRest(rest) => {
                let (rest, held) = *rest;
                (sandbox::at_rest(&command, &directory.path, &rest, &arguments)?, Some(held), None)
            }
        };
        // The root of one that runs takes the place of the stream that is not used.
        let (mut input, mut output) = (ends.input, ends.output);
        if let Some(root) = given {
            match (&input, &output) {
                (None, _) => input = Some(root.into()),
                (Some(_), _) => output = Some(root.into()),
            }
        }
        start.stdin(input.unwrap_or_else(Stdio::null)).stdout(output.unwrap_or_else(Stdio::null)).stderr(Stdio::piped());
        let child = start.spawn().map_err(Error::io("starting a helper"))?;
        // The command has copies of what it gave away.
        drop(start);
        Ok(Helper { child, path: words.first().cloned().unwrap_or_default(), id: id.clone(), _held: held, _directory: directory })
    }
}

/// Streams of a helper: one of the two is free.
struct Ends {
    input: Option<Stdio>,
    output: Option<Stdio>,
}

struct Helper {
    child: Child,
    path: OsString,
    id: Id,
    _held: Option<Held>,
    _directory: Directory,
}

impl Helper {
    /// Waits for it; what it noted.
    fn done(self) -> Result<Vec<String>> {
        let ended = self.child.wait_with_output().map_err(Error::io("waiting for a helper"))?;
        let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        if ended.status.success() {
            return Ok(said.lines().map(str::to_owned).collect());
        }
        Err(match ended.status.code() {
            Some(NO_PATH) => Error::NoPath { container: self.id.short().to_owned(), path: self.path.to_string_lossy().into_owned() },
            Some(REFUSED) => Error::Refused(said),
            _ => Error::Malformed {
                what: format!("files of container {}", self.id.short()),
                why: if said.is_empty() { ended.status.to_string() } else { said },
            },
        })
    }
}

struct Directory {
    path: PathBuf,
}

impl Directory {
    fn make(path: PathBuf) -> Result<Directory> {
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(Error::io(format!("making {}", path.display())))?;
        Ok(Directory { path })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // It goes with the container where it cannot go now.
        let _ = fs::remove_dir(&self.path);
    }
}

enum Fed {
    Reading(io::Error),
    Passing(io::Error),
}

fn pump(from: &mut impl Read, to: &mut impl io::Write) -> Result<(), Fed> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count]).map_err(Fed::Passing)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Fed::Reading(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_gos() {
        // What `docker cp` reads: os.ModeDir | 0755, os.ModeSymlink | 0777, os.ModeSetuid, and so on (Go, io/fs).
        let mode = |mode: u32| {
            let modified = Moment { seconds: 0, nanoseconds: 0 };
            PathStat { name: String::new(), size: 0, mode, modified, link_target: String::new() }.go_mode()
        };
        for (unix, go) in [
            (0o040_755, 0x8000_01ed),
            (0o120_777, 0x0800_01ff),
            (0o100_644, 0x1a4),
            (0o104_755, 0x0080_01ed),
            (0o041_777, 0x8010_01ff),
            (0o020_666, 0x0420_01b6),
            (0o060_660, 0x0400_01b0),
            (0o010_600, 0x0200_0180),
            (0o140_755, 0x0100_01ed),
        ] {
            assert_eq!(mode(unix), go, "{unix:o}");
        }
    }
}
