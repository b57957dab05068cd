//! Work on files that belong to an instance's users: layers unpacked for them, volumes written out and read in, what a
//! container wrote. It is done by this same program, started with their ids (see [`sandbox::instance_ids`]).

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};

use rustix::fs::{Mode, OFlags};
use sandbox::SelfCommand;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::{lock, tree};
use crate::digest::Digest;
use crate::limits::Limits;
use crate::oci::chain_ids;
use crate::store::{Image, Store};
use crate::tar;
use crate::work::in_memory;

/// Hidden first argument of such a start; then what to do.
pub const HIDDEN: &str = "__as-instance";
const LAYERS: &str = "layers";
const EXPORT: &str = "export";
const IMPORT: &str = "import";
const WRITTEN: &str = "written";
const BYTES: &str = "bytes";
const LAYER: &str = "layer";
const GIVE: &str = "give";

/// How long another command may take for layers that this one needs too.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);

/// Serves such a start; none when it is an ordinary one. `arguments` begin with the program's name.
pub fn dispatch(arguments: &[OsString]) -> Option<i32> {
    if arguments.get(1)? != HIDDEN {
        return None;
    }
    let done = match arguments.get(2)?.to_str()? {
        LAYERS => layers_inside(BufReader::with_capacity(1 << 16, io::stdin().lock())),
        EXPORT => folder_of(io::stdin().as_fd())
            .and_then(|from| tree::export(from.as_fd(), io::stdout().lock())),
        // What comes in is standard input, so that the folder is in standard output's place.
        IMPORT => folder_of(io::stdout().as_fd()).and_then(|to| import_inside(to.as_fd())),
        BYTES => folder_of(io::stdin().as_fd()).and_then(|of| {
            let bytes = tree::bytes(of.as_fd())?;
            write!(io::stdout(), "{bytes}").map_err(Error::io("answering"))
        }),
        WRITTEN => folder_of(io::stdin().as_fd())
            .and_then(|of| tree::written(of.as_fd(), io::stdout().lock())),
        LAYER => folder_of(io::stdin().as_fd()).and_then(|of| layer_inside(of.as_fd(), arguments)),
        // Whoever starts so has given its folder away.
        GIVE => Ok(()),
        _ => return Some(2),
    };
    Some(match done {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    })
}

/// The folder whose descriptor this process was given, by path only: who gave it may not be allowed to read it.
fn folder_of(given: BorrowedFd) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(given, ".", flags, Mode::empty()).map_err(Error::io("opening the folder"))
}

/// One layer to unpack; its bytes follow.
#[derive(Serialize, Deserialize)]
struct Job {
    chain: Digest,
    diff_id: Digest,
    /// Nearest first.
    below: Vec<Digest>,
    bytes: u64,
}

/// Folders of an image's layers as an instance is to see them, the lowest first. `ids`: how many ids exist inside
/// ([`sandbox::client::Stats::instance_ids`]).
pub fn stack(store: &Store, image: &Image, ids: u32) -> Result<Vec<PathBuf>> {
    let plain = store.stack(image)?;
    if ids == 1 && !rustix::process::geteuid().is_root() {
        // The only user inside is who unpacked them.
        return Ok(plain);
    }
    let root = store.root().join("instances");
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&root);
    made.map_err(Error::io(format!("making {}", root.display())))?;
    let chains = chain_ids(&image.config.rootfs.diff_ids);
    let folders: Vec<PathBuf> = chains.iter().map(|chain| root.join(chain.hex())).collect();
    let is_there = |folder: &PathBuf| fs::symlink_metadata(folder).is_ok();
    if folders.iter().all(is_there) {
        return Ok(folders);
    }
    let _lock = lock::lock(
        &store.root().join("instances.lock"),
        "the layers of instances",
        PATIENCE,
    )?;
    let mut jobs = Vec::new();
    for (at, folder) in folders
        .iter()
        .enumerate()
        .filter(|(_, folder)| !is_there(folder))
    {
        let below = chains[..at].iter().rev().copied().collect();
        let blob = image.layers[at].digest;
        let bytes = store
            .blobs()
            .size(&blob)
            .ok_or(crate::Error::NoBlob(blob))?;
        let job = Job {
            chain: chains[at],
            diff_id: image.config.rootfs.diff_ids[at],
            below,
            bytes,
        };
        jobs.push((job, store.blobs().open(&blob)?, folder));
    }
    run(&root, LAYERS, Stdio::piped(), Stdio::null(), |mut input| {
        for (job, mut blob, _) in jobs {
            serde_json::to_writer(&mut input, &job)?;
            input.write_all(b"\n")?;
            io::copy(&mut blob, &mut input)?;
        }
        Ok(())
    })?;
    Ok(folders)
}

/// Unpacks what comes in beside the others, and gives all their names at the end.
fn layers_inside(mut input: impl BufRead) -> Result<()> {
    let here = Path::new(".");
    let work = here.join(format!(".work-{}", std::process::id()));
    let opened = |path: &Path| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty())
            .map_err(Error::io(format!("opening {}", path.display())))
    };
    let make = |path: &Path| {
        fs::DirBuilder::new()
            .mode(0o755)
            .create(path)
            .map_err(Error::io(format!("making {}", path.display())))
    };
    // A command that died may have left one; its number is free again, so it is dead.
    for entry in fs::read_dir(here)
        .map_err(Error::io("reading the folder of layers"))?
        .flatten()
    {
        if entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(".work-"))
        {
            let _ = crate::work::remove_tree(&entry.path());
        }
    }
    make(&work)?;
    let unpacked = (|| {
        let mut made: Vec<(PathBuf, PathBuf)> = Vec::new();
        let mut line = String::new();
        while input
            .read_line(&mut line)
            .map_err(Error::io("reading what to unpack"))?
            > 0
        {
            let job: Job = serde_json::from_str(&line).map_err(|e| Error::Malformed {
                what: "what to unpack".into(),
                why: e.to_string(),
            })?;
            line.clear();
            let place = |chain: &Digest| {
                let fresh = work.join(chain.hex());
                if fresh.exists() {
                    fresh
                } else {
                    here.join(chain.hex())
                }
            };
            let below = job
                .below
                .iter()
                .map(|chain| opened(&place(chain)))
                .collect::<Result<Vec<_>>>()?;
            let to = work.join(job.chain.hex());
            make(&to)?;
            let mut blob = input.by_ref().take(job.bytes);
            crate::layers::unpack_checked(
                &mut blob,
                opened(&to)?.as_fd(),
                &below,
                &job.diff_id,
                &Limits::default(),
            )?;
            io::copy(&mut blob, &mut io::sink()).map_err(Error::io("reading a layer"))?;
            made.push((to, here.join(job.chain.hex())));
        }
        rustix::fs::syncfs(opened(here)?).map_err(Error::io("writing layers"))?;
        for (from, to) in made {
            fs::rename(&from, &to).map_err(Error::io(format!("naming {}", to.display())))?;
        }
        Ok(())
    })();
    let _ = crate::work::remove_tree(&work);
    unpacked
}

/// Writes all that is in `folder` as a tar.
pub fn export(folder: &Path, output: File) -> Result<()> {
    with_folder(folder, |work, opened| {
        run(work, EXPORT, opened.into(), output.into(), |_| Ok(()))
    })
}

/// Reads a tar, packed or not, into `folder`, which is empty and is given to an instance's root.
pub fn import(folder: &Path, mut input: impl Read) -> Result<()> {
    let to = by_path(folder)?;
    run(folder, IMPORT, Stdio::piped(), to.into(), |mut to| {
        io::copy(&mut input, &mut to).map(drop)
    })
}

fn import_inside(to: BorrowedFd) -> Result<()> {
    let what = "the archive";
    let input = crate::compression::Unpacked::new(
        BufReader::with_capacity(1 << 16, io::stdin().lock()),
        what,
    )?;
    let limits = Limits::default();
    let input = crate::limits::Bounded::new(input, limits.bytes, what);
    let mut archive = tar::Reader::new(input, what, limits);
    crate::unpack::layer(to, &[], &mut archive, &limits)?;
    if !archive.is_marked_as_ended() {
        return Err(Error::Malformed {
            what: what.into(),
            why: "it is cut off, or no tar: the mark of its end is missing".into(),
        });
    }
    Ok(())
}

/// What is in an upper layer, see [`tree::written`].
pub fn written(folder: &Path) -> Result<Vec<tree::Written>> {
    let mut listed = in_memory()?;
    let output = listed
        .try_clone()
        .map_err(Error::io("duplicating a descriptor"))?;
    with_folder(folder, |work, opened| {
        run(work, WRITTEN, opened.into(), output.into(), |_| Ok(()))
    })?;
    io::Seek::rewind(&mut listed).map_err(Error::io("reading what was written"))?;
    let mut bytes = Vec::new();
    listed
        .read_to_end(&mut bytes)
        .map_err(Error::io("reading what was written"))?;
    Ok(tree::read_written(&bytes))
}

/// Writes an upper layer as a layer of an image, see [`tree::layer`]. `places`: absolute paths where something was mounted;
/// `latest`: no time is later, seconds since 1970.
pub fn layer(folder: &Path, places: &[&str], latest: Option<i64>, output: File) -> Result<()> {
    with_folder(folder, |work, opened| {
        let latest = latest.map_or_else(|| "-".to_owned(), |latest| latest.to_string());
        let mut arguments = vec![HIDDEN, LAYER, &latest];
        arguments.extend(places);
        run_with(work, &arguments, opened.into(), output.into(), |_| Ok(()))
    })
}

/// `arguments`: the program's name, [`HIDDEN`], [`LAYER`], the latest time or `-`, places.
fn layer_inside(folder: BorrowedFd, arguments: &[OsString]) -> Result<()> {
    let text = |at: usize| arguments.get(at).and_then(|argument| argument.to_str());
    let places: Vec<&str> = (4..arguments.len()).filter_map(text).collect();
    let mut listed = Vec::new();
    tree::written(folder, &mut listed)?;
    let left_out = super::changes::left_out(&tree::read_written(&listed), &places);
    let latest = text(3).and_then(|latest| latest.parse().ok());
    let layer = tree::Layer { left_out, latest };
    tree::layer(folder, &layer, io::stdout().lock())
}

/// Bytes of all files in a folder that an instance's users may own; none where it is not there.
pub fn bytes(folder: &Path) -> Result<u64> {
    if fs::symlink_metadata(folder).is_err() {
        return Ok(0);
    }
    let mut answer = in_memory()?;
    let output = answer.try_clone().map_err(Error::io("duplicating a descriptor"))?;
    with_folder(folder, |work, opened| run(work, BYTES, opened.into(), output.into(), |_| Ok(())))?;
    io::Seek::rewind(&mut answer).map_err(Error::io("reading a number"))?;
    let mut text = String::new();
    answer.read_to_string(&mut text).map_err(Error::io("reading a number"))?;
    text.trim().parse().map_err(|_| Error::Malformed { what: folder.display().to_string(), why: "its size is no number".into() })
}

/// Gives an empty folder to an instance's root.
pub fn give(folder: &Path) -> Result<()> {
    run(folder, GIVE, Stdio::null(), Stdio::null(), |_| Ok(()))
}

fn by_path(folder: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(folder, flags, Mode::empty())
        .map_err(Error::io(format!("opening {}", folder.display())))
}

/// Calls with a folder that may be given away and one descriptor of `folder`, by path only.
fn with_folder(folder: &Path, work: impl FnOnce(&Path, OwnedFd) -> Result<()>) -> Result<()> {
    let opened = by_path(folder)?;
    // The helper's working directory is given to the instance's root: never one that somebody needs.
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let beside = folder.with_file_name(format!(".work-{}-{number}", std::process::id()));
    let made = fs::DirBuilder::new().mode(0o700).create(&beside);
    made.map_err(Error::io(format!("making {}", beside.display())))?;
    let done = work(&beside, opened);
    let _ = fs::remove_dir(&beside);
    done
}

fn run(
    directory: &Path,
    verb: &str,
    input: Stdio,
    output: Stdio,
    feed: impl FnOnce(ChildStdin) -> io::Result<()>,
) -> Result<()> {
    run_with(directory, &[HIDDEN, verb], input, output, feed)
}

fn run_with(
    directory: &Path,
    arguments: &[&str],
    input: Stdio,
    output: Stdio,
    feed: impl FnOnce(ChildStdin) -> io::Result<()>,
) -> Result<()> {
    let mut command = sandbox::instance_ids(&SelfCommand::current()?, directory, arguments);
    command.stdin(input).stdout(output).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Error::io("starting a helper"))?;
    let fed = match child.stdin.take() {
        Some(input) => feed(input),
        None => Ok(()),
    };
    let ended = child
        .wait_with_output()
        .map_err(Error::io("waiting for a helper"))?;
    if ended.status.success() {
        return fed.map_err(Error::io("passing on what to unpack"));
    }
    // What it said is why; that it reads no more is not.
    let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
    let doing = match arguments.get(1).copied().unwrap_or_default() {
        LAYERS => "unpacking the image for instances",
        EXPORT => "writing the volume out",
        IMPORT => "reading the archive into the volume",
        LAYER => "making a layer of what was written",
        _ => "looking at what was written",
    };
    Err(Error::Malformed {
        what: doing.into(),
        why: if said.is_empty() {
            ended.status.to_string()
        } else {
            said
        },
    })
}
