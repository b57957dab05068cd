//! Where a build's files come from: a folder, an archive, or nowhere but the Dockerfile.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::dockerfile::line::LONGEST;
use super::error::{Error, Result};
use super::ignore::Ignore;
use super::tree::Tree;
use crate::compression::Unpacked;
use crate::limits::{Bounded, Limits};
use crate::store::Store;
use crate::tar::{Kind, Reader};
use crate::work::Work;

/// What a Dockerfile is called where nobody says so.
pub const DOCKERFILE: &str = "Dockerfile";

/// The files of a build.
pub enum Context {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A tar, packed with gzip or zstd or not.
    Archive(Box<dyn Read + Send>),
    /// Nothing: the Dockerfile is all.
    Empty,
}

/// A Dockerfile that is not read from the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// What it is called in errors.
    pub name: String,
    /// What is in it.
    pub text: Vec<u8>,
    /// What is in the `.dockerignore` beside it that is named after it, if there is one.
    pub ignore: Option<Vec<u8>>,
}

impl Context {
    /// What comes from a stream: an archive, or a Dockerfile and no other file.
    pub fn detect(input: impl Read + Send + 'static) -> Result<(Context, Option<Recipe>)> {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let mut begin = Vec::new();
        // A pipe gives as much at once as it likes.
        while begin.len() < 512 {
            let part = input
                .fill_buf()
                .map_err(Error::io("reading the build context"))?;
            if part.is_empty() {
                break;
            }
            let count = part.len().min(512 - begin.len());
            begin.extend_from_slice(&part[..count]);
            input.consume(count);
        }
        let is_packed = matches!(
            begin[..],
            [0x1f, 0x8b, ..]
                | [0x28, 0xb5, 0x2f, 0xfd, ..]
                | [b'B', b'Z', b'h', ..]
                | [0xfd, b'7', b'z', ..]
        );
        let is_tar = begin.get(257..262) == Some(b"ustar")
            || (begin.len() == 512 && begin.iter().all(|byte| *byte == 0));
        if is_packed || is_tar {
            return Ok((
                Context::Archive(Box::new(io::Cursor::new(begin).chain(input))),
                None,
            ));
        }
        let mut text = begin;
        input
            .take(LONGEST as u64 + 1)
            .read_to_end(&mut text)
            .map_err(Error::io("reading the Dockerfile"))?;
        let recipe = Recipe {
            name: DOCKERFILE.into(),
            text,
            ignore: None,
        };
        Ok((Context::Empty, Some(recipe)))
    }
}

/// A context that lies in a folder.
pub(super) struct Ready {
    /// Its files.
    pub tree: Tree,
    /// What of them is not there.
    pub ignore: Ignore,
    /// The Dockerfile.
    pub recipe: Recipe,
    /// Where it lies if it was an archive.
    _work: Option<Work>,
}

impl Ready {
    pub fn new(
        context: Context,
        named: Option<&str>,
        recipe: Option<Recipe>,
        store: &Store,
    ) -> Result<Ready> {
        let work = store.work()?;
        let (folder, work) = match context {
            Context::Folder(folder) => {
                if !folder.is_dir() {
                    return Err(Error::Context(format!(
                        "the build context {} is no folder",
                        folder.display()
                    )));
                }
                (folder, None)
            }
            Context::Archive(input) => {
                let folder = empty(&work)?;
                unpack(input, &folder, &store.limits)?;
                (folder, Some(work))
            }
            Context::Empty => (empty(&work)?, Some(work)),
        };
        let recipe = match recipe {
            Some(recipe) => recipe,
            None => {
                let name = named.unwrap_or(DOCKERFILE);
                let text = read_inside(&folder, name, LONGEST as u64)?
                    .ok_or_else(|| missing(&folder, name))?;
                let ignore = read_inside(&folder, &format!("{name}.dockerignore"), LONGEST as u64)?;
                Recipe {
                    name: name.to_owned(),
                    text,
                    ignore,
                }
            }
        };
        let (name, text) = match &recipe.ignore {
            Some(text) => (format!("{}.dockerignore", recipe.name), Some(text.clone())),
            None => (
                ".dockerignore".into(),
                read_inside(&folder, ".dockerignore", LONGEST as u64)?,
            ),
        };
        let text = text.unwrap_or_default();
        let ignore = Ignore::parse(&String::from_utf8_lossy(&text))
            .map_err(|(line, why)| Error::Context(format!("{name}:{line}: {why}")))?;
        Ok(Ready {
            tree: Tree::context(&folder)?,
            ignore,
            recipe,
            _work: work,
        })
    }
}

fn missing(folder: &Path, name: &str) -> Error {
    let others = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let mut near: Vec<String> = others
        .filter(|other| {
            other.to_lowercase().contains("dockerfile") || other.ends_with("Containerfile")
        })
        .collect();
    near.sort();
    let hint = match near.first() {
        Some(other) => format!("; there is {other}: -f {other}"),
        None => String::new(),
    };
    Error::Context(format!("there is no {name} in the build context{hint}"))
}

fn empty(work: &Work) -> Result<PathBuf> {
    let folder = work.fresh();
    let made = fs::DirBuilder::new().mode(0o700).create(&folder);
    made.map_err(Error::io("making a folder for the build context"))?;
    Ok(folder)
}

/// A file in the context; none where there is none. Links that lead out of it are refused.
pub fn read_inside(folder: &Path, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
    let opened = rustix::fs::open(
        folder,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let opened = opened.map_err(Error::io(format!("opening {}", folder.display())))?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = match openat2(&opened, name, flags, Mode::empty(), resolve) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(Errno::XDEV) => {
            return Err(Error::Context(format!(
                "{name} leads out of the build context"
            )));
        }
        Err(error) => return Err(Error::io(format!("opening {name}"))(error)),
    };
    if !file
        .metadata()
        .map_err(Error::io(format!("reading {name}")))?
        .is_file()
    {
        return Err(Error::Context(format!("{name} is no file")));
    }
    Ok(Some(crate::blob::read_bounded(file, name, limit)?))
}

/// Unpacks a context; what it says of owners is nothing, and of devices too much.
fn unpack(input: impl Read, folder: &Path, limits: &Limits) -> Result<()> {
    let what = "the build context";
    let input = Unpacked::new(BufReader::with_capacity(1 << 16, input), what)?;
    let mut input = Bounded::new(input, limits.bytes, what);
    let mut tar = Reader::new(&mut input, what, *limits);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(folder, flags, Mode::empty())
        .map_err(Error::io("opening the folder of the build context"))?;
    crate::unpack::files(root.as_fd(), &mut tar, limits, |entry| match entry.kind {
        Kind::CharacterDevice | Kind::BlockDevice => {
            Err("device nodes are no part of a build context".into())
        }
        _ => Ok(()),
    })?;
    // Who sends it is not answered before all of it has come: the docker command says that it has sent it when it is asked for
    // what comes behind the archive's end. Who breaks off there has sent the context.
    let _ = io::copy(&mut input, &mut io::sink());
    Ok(())
}
