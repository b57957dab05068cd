//! `COPY` and `ADD`: which files go where. They come to one digest, or to a layer ([`sink`]); archives bring files of their own
//! ([`archive`]), and words mean files by [`matching`].

mod archive;
mod content;
mod matching;
mod sink;

use std::io::{self, Write};

pub use content::Content;
pub use matching::matching;
use sink::{Hashed, Sink, Written};

use super::Cancel;
use super::error::{Error, Result};
use super::ignore::{Ignore, Pattern};
use super::tree::{Folder, Found, Meta, Node, Tree};
use crate::limits::Limits;
use crate::tar::Kind;

/// Deepest folders that are copied.
const DEPTH: usize = 256;

/// How files are changed on their way.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// `--chown`.
    pub owner: Option<(u32, u32)>,
    /// `--chmod`.
    pub mode: Option<u32>,
    /// No time is later, seconds since 1970.
    pub latest: Option<i64>,
}

/// Something to be copied.
pub enum Source<'a> {
    /// Files of a tree.
    Tree {
        /// The tree.
        tree: &'a Tree,
        /// Where in it.
        found: Found,
        /// What it is called there, as it was asked for: the name that it keeps.
        name: Vec<u8>,
        /// Folders that are kept above it; none without `--parents`.
        parents: Option<Vec<Vec<u8>>>,
    },
    /// A file of its own: a here-document, or what was fetched.
    File {
        /// What it is called.
        name: Vec<u8>,
        /// What is in it.
        content: Content,
        /// Permissions.
        mode: u32,
        /// Seconds since 1970.
        mtime: i64,
    },
    /// An archive that is unpacked.
    Archive(Content),
}

impl Source<'_> {
    /// Whether it is a folder of a tree.
    pub fn is_folder(&self) -> bool {
        matches!(self, Source::Tree { found, .. } if found.is_folder())
    }
}

/// Where files go.
pub struct Target {
    /// Names from the top.
    pub path: Vec<Vec<u8>>,
    /// Things are put into it, and not in its place.
    pub is_folder: bool,
}

/// All of one instruction.
pub struct Copying<'a> {
    /// What.
    pub sources: Vec<Source<'a>>,
    /// Where.
    pub target: Target,
    /// The image that is copied into.
    pub image: &'a Tree,
    /// Whether links of the image are followed.
    pub follows: bool,
    /// How.
    pub change: Change,
    /// What of a build context is not there.
    pub ignore: &'a Ignore,
    /// `--exclude`.
    pub exclude: Vec<Pattern>,
    /// Bounds on archives.
    pub limits: Limits,
    /// Gives it up.
    pub cancel: &'a Cancel,
}

impl Copying<'_> {
    /// One digest of everything that will be written; times do not count.
    pub fn digest(&self) -> Result<String> {
        let mut sink = Hashed::new();
        self.walk(&mut sink)?;
        Ok(sink.finish())
    }

    /// The layer.
    pub fn write(&self, output: impl Write) -> Result<()> {
        let mut sink = Written::new(output, self.change.latest);
        let path = &self.target.path;
        let folders = path.len() - usize::from(!self.target.is_folder && !path.is_empty());
        for count in 1..=folders {
            self.made(&path[..count], false, &mut sink)?;
        }
        self.walk(&mut sink)?;
        sink.finish()
    }

    /// Makes a folder on the way where the image has nothing.
    fn made(&self, path: &[Vec<u8>], follows: bool, sink: &mut dyn Sink) -> Result<()> {
        let path = path.join(&b'/');
        match self.image.find(&path, follows)? {
            Some(_) => Ok(()),
            None => sink.put(path, &folder(self.change.owner.unwrap_or((0, 0))), &mut io::empty()),
        }
    }

    fn walk(&self, sink: &mut dyn Sink) -> Result<()> {
        for source in &self.sources {
            self.cancel.check()?;
            match source {
                Source::Tree { tree, found, name, parents } => {
                    let mut to = self.target.path.clone();
                    for name in parents.iter().flatten() {
                        to.push(name.clone());
                        self.made(&to, true, sink)?;
                    }
                    if (self.target.is_folder && !found.is_folder()) || parents.is_some() {
                        to.push(name.clone());
                    }
                    self.node(tree, &found.path, &found.node, None, to, sink, 0)?;
                }
                Source::File { name, content, mode, mtime } => {
                    let mut to = self.target.path.clone();
                    if self.target.is_folder {
                        to.push(name.clone());
                    }
                    let (mut data, size) = content.open()?;
                    let meta = Meta {
                        kind: Kind::File,
                        mode: self.change.mode.unwrap_or(*mode),
                        owner: self.change.owner.unwrap_or((0, 0)),
                        mtime: *mtime,
                        size,
                        ..folder((0, 0))
                    };
                    sink.put(to.join(&b'/'), &meta, &mut data)?;
                }
                Source::Archive(content) => self.archive(content, sink)?,
            }
        }
        Ok(())
    }

    fn is_left_out(&self, tree: &Tree, path: &[Vec<u8>]) -> bool {
        let text = String::from_utf8_lossy(&path.join(&b'/')).into_owned();
        (tree.is_context() && self.ignore.ignores(&text)) || self.exclude.iter().any(|pattern| pattern.fits_with_parents(&text))
    }

    #[allow(clippy::too_many_arguments, reason = "one walk, one place")]
    fn node(
        &self,
        tree: &Tree,
        at: &[Vec<u8>],
        node: &Node,
        parent: Option<&Folder>,
        to: Vec<Vec<u8>>,
        sink: &mut dyn Sink,
        depth: usize,
    ) -> Result<()> {
        self.cancel.check()?;
        let shown = || String::from_utf8_lossy(&at.join(&b'/')).into_owned();
        if depth > DEPTH {
            return Err(Error::Context(format!("{}: folders are too deep", shown())));
        }
        let is_ignored = !at.is_empty() && self.is_left_out(tree, at);
        let Some(mut meta) = tree.meta(at, node, parent)? else {
            return Ok(());
        };
        if let Some(name) = to.last()
            && name.starts_with(b".wh.")
        {
            return Err(Error::Context(format!("{}: names that begin with .wh. say in a layer what is not there", shown())));
        }
        meta.owner = self.change.owner.unwrap_or(meta.owner);
        if let Some(mode) = self.change.mode
            && meta.kind != Kind::Symlink
        {
            meta.mode = mode;
        }
        match node {
            Node::Folder(parts) => {
                if is_ignored && !self.ignore.takes_back() {
                    return Ok(());
                }
                // A link to a folder in the image is gone through: what is below belongs there.
                let to = self.through_links(to)?;
                // The folder that contents are put into stays as the image has it.
                let is_contents = depth == 0;
                if !is_ignored && !(is_contents && (to.is_empty() || self.image.find(&to.join(&b'/'), true)?.is_some())) {
                    sink.put(to.join(&b'/'), &meta, &mut io::empty())?;
                }
                for name in tree.list(parts)? {
                    let reading = || format!("reading {}", shown());
                    let Some(inner) = tree.step(parts, &name).map_err(Error::io(reading()))? else {
                        continue;
                    };
                    let inner_at = [at, std::slice::from_ref(&name)].concat();
                    let inner_to = [&to[..], &[name]].concat();
                    self.node(tree, &inner_at, &inner, Some(parts), inner_to, sink, depth + 1)?;
                }
                Ok(())
            }
            _ if is_ignored => Ok(()),
            Node::Link(_) => sink.put(to.join(&b'/'), &meta, &mut io::empty()),
            Node::Other(..) if meta.kind == Kind::File => sink.put(to.join(&b'/'), &meta, &mut tree.open(at, node)?),
            Node::Other(..) if tree.is_context() && meta.kind != Kind::Fifo => {
                Err(Error::Context(format!("{} is a device node, which a build context does not have", shown())))
            }
            Node::Other(..) => sink.put(to.join(&b'/'), &meta, &mut io::empty()),
        }
    }

    fn through_links(&self, to: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        if !self.follows {
            return Ok(to);
        }
        match self.image.find(&to.join(&b'/'), false)? {
            Some(Found { node: Node::Link(_), .. }) => match self.image.find(&to.join(&b'/'), true)? {
                Some(Found { node: Node::Folder(_), path }) => Ok(path),
                _ => Ok(to),
            },
            _ => Ok(to),
        }
    }
}

/// A folder that somebody has to make.
fn folder(owner: (u32, u32)) -> Meta {
    Meta {
        kind: Kind::Directory,
        mode: 0o755,
        owner,
        mtime: 0,
        size: 0,
        device: (0, 0),
        xattrs: Vec::new(),
        link: Vec::new(),
        shared: None,
    }
}
