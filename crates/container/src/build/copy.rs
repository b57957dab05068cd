//! `COPY` and `ADD`: which files go where, what they come to as one digest, and the layer that they make.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

use super::Cancel;
use super::error::{Error, Result};
use super::ignore::{Ignore, Pattern, clean};
use super::tree::{Folder, Found, Meta, Node, Tree, names};
use crate::limits::Limits;
use crate::tar::{Entry, Kind, Reader, Writer};

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

/// Bytes that can be read twice.
pub enum Content {
    /// A few.
    Bytes(Vec<u8>),
    /// Those of a file.
    File(std::fs::File),
}

impl Content {
    fn open(&self) -> Result<(Box<dyn Read + '_>, u64)> {
        match self {
            Content::Bytes(bytes) => Ok((Box::new(&bytes[..]), bytes.len() as u64)),
            Content::File(file) => {
                let size = file.metadata().map_err(Error::io("reading a file"))?.len();
                Ok((Box::new(At { file, offset: 0 }), size))
            }
        }
    }
}

/// Reads a file from its beginning, wherever others are in it.
struct At<'a> {
    file: &'a std::fs::File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = std::os::unix::fs::FileExt::read_at(self.file, buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// Where files go.
pub struct Target {
    /// Names from the top.
    pub path: Vec<Vec<u8>>,
    /// Things are put into it, and not in its place.
    pub is_folder: bool,
}

/// What receives files, in order.
trait Sink {
    fn put(&mut self, path: Vec<u8>, meta: &Meta, data: &mut dyn Read) -> Result<()>;
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
        let mut sink = Hashed(Sha256::new());
        self.walk(&mut sink)?;
        Ok(sink
            .0
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }

    /// The layer.
    pub fn write(&self, output: impl Write) -> Result<()> {
        let mut sink = Written {
            writer: Writer::new(output),
            folders: BTreeMap::new(),
            links: BTreeMap::new(),
            latest: self.change.latest,
        };
        for count in 1..=self.target.path.len() {
            let is_last = count == self.target.path.len();
            if is_last && !self.target.is_folder {
                break;
            }
            let path = self.target.path[..count].join(&b'/');
            if self.image.find(&path, false)?.is_none() {
                sink.put(
                    path,
                    &folder(self.change.owner.unwrap_or((0, 0))),
                    &mut io::empty(),
                )?;
            }
        }
        self.walk(&mut sink)?;
        sink.writer
            .finish()
            .map_err(Error::io("writing the layer"))?;
        Ok(())
    }

    fn walk(&self, sink: &mut dyn Sink) -> Result<()> {
        for source in &self.sources {
            self.cancel.check()?;
            match source {
                Source::Tree {
                    tree,
                    found,
                    name,
                    parents,
                } => {
                    let folder = matches!(found.node, Node::Folder(_));
                    let mut to = self.target.path.clone();
                    for name in parents.iter().flatten() {
                        to.push(name.clone());
                        if self.image.find(&to.join(&b'/'), true)?.is_none() {
                            sink.put(
                                to.join(&b'/'),
                                &self::folder(self.change.owner.unwrap_or((0, 0))),
                                &mut io::empty(),
                            )?;
                        }
                    }
                    if (self.target.is_folder && !folder) || parents.is_some() {
                        to.push(name.clone());
                    }
                    let at = found.path.clone();
                    self.node(tree, &at, &found.node, None, to, sink, 0)?;
                }
                Source::File {
                    name,
                    content,
                    mode,
                    mtime,
                } => {
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
        (tree.is_context() && self.ignore.ignores(&text))
            || self
                .exclude
                .iter()
                .any(|pattern| pattern.fits_with_parents(&text))
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
            return Err(Error::Context(format!(
                "{}: names that begin with .wh. say in a layer what is not there",
                shown()
            )));
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
                if !is_ignored
                    && !(is_contents
                        && (to.is_empty() || self.image.find(&to.join(&b'/'), true)?.is_some()))
                {
                    sink.put(to.join(&b'/'), &meta, &mut io::empty())?;
                }
                for name in tree.list(parts)? {
                    let reading = || format!("reading {}", shown());
                    let Some(inner) = tree.step(parts, &name).map_err(Error::io(reading()))? else {
                        continue;
                    };
                    let inner_at = [at, std::slice::from_ref(&name)].concat();
                    let inner_to = [&to[..], &[name]].concat();
                    self.node(
                        tree,
                        &inner_at,
                        &inner,
                        Some(parts),
                        inner_to,
                        sink,
                        depth + 1,
                    )?;
                }
                Ok(())
            }
            _ if is_ignored => Ok(()),
            Node::Link(_) => sink.put(to.join(&b'/'), &meta, &mut io::empty()),
            Node::Other(..) if meta.kind == Kind::File => {
                sink.put(to.join(&b'/'), &meta, &mut tree.open(at, node)?)
            }
            Node::Other(..) if tree.is_context() && meta.kind != Kind::Fifo => {
                Err(Error::Context(format!(
                    "{} is a device node, which a build context does not have",
                    shown()
                )))
            }
            Node::Other(..) => sink.put(to.join(&b'/'), &meta, &mut io::empty()),
        }
    }

    fn through_links(&self, to: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        if !self.follows {
            return Ok(to);
        }
        match self.image.find(&to.join(&b'/'), false)? {
            Some(Found {
                node: Node::Link(_),
                ..
            }) => match self.image.find(&to.join(&b'/'), true)? {
                Some(Found {
                    node: Node::Folder(_),
                    path,
                }) => Ok(path),
                _ => Ok(to),
            },
            _ => Ok(to),
        }
    }

    fn archive(&self, content: &Content, sink: &mut dyn Sink) -> Result<()> {
        let what = "the archive of ADD";
        let (data, _) = content.open()?;
        let input =
            crate::compression::Unpacked::new(io::BufReader::with_capacity(1 << 16, data), what)?;
        let input = crate::limits::Bounded::new(input, self.limits.bytes, what);
        let mut tar = Reader::new(input, what, self.limits);
        while let Some(entry) = tar.next_entry()? {
            self.cancel.check()?;
            let refused = |why: &str| {
                Error::Image(crate::Error::Refused {
                    entry: entry.name(),
                    why: why.into(),
                })
            };
            let inside = |path: &[u8]| {
                let names = names(path);
                match names.contains(&b"..".to_vec()) {
                    true => Err(refused("`..` would lead out of the archive")),
                    false => Ok(names),
                }
            };
            let path = inside(&entry.path)?;
            if path.iter().any(|name| name.starts_with(b".wh.")) {
                return Err(refused(
                    "names that begin with .wh. say in a layer what is not there",
                ));
            }
            if path.is_empty()
                || self.exclude.iter().any(|pattern| {
                    pattern.fits_with_parents(&String::from_utf8_lossy(&path.join(&b'/')))
                })
            {
                continue;
            }
            let place = |names: Vec<Vec<u8>>| [&self.target.path[..], &names].concat().join(&b'/');
            let meta = Meta {
                kind: entry.kind,
                mode: self.change.mode.unwrap_or(entry.mode),
                owner: self.change.owner.unwrap_or((entry.uid, entry.gid)),
                mtime: entry.mtime.0,
                size: entry.size,
                device: entry.device,
                xattrs: entry.xattrs.clone(),
                link: match entry.kind {
                    Kind::HardLink => place(inside(&entry.link)?),
                    _ => entry.link.clone(),
                },
                shared: None,
            };
            match &entry.parts {
                None => sink.put(place(path), &meta, &mut tar)?,
                Some(parts) => sink.put(
                    place(path),
                    &meta,
                    &mut Holes {
                        parts,
                        tar: &mut tar,
                        at: 0,
                        size: entry.size,
                    },
                )?,
            }
        }
        if !tar.is_marked_as_ended() {
            return Err(crate::Error::malformed(
                what,
                "it is cut off: the mark of its end is missing",
            )
            .into());
        }
        Ok(())
    }
}

/// A sparse file of an archive with its holes as zeros.
struct Holes<'a, R> {
    parts: &'a [(u64, u64)],
    tar: &'a mut Reader<R>,
    at: u64,
    size: u64,
}

impl<R: Read> Read for Holes<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let part = self
            .parts
            .iter()
            .find(|(offset, length)| offset + length > self.at);
        let (end, is_data) = match part {
            Some((offset, length)) if *offset <= self.at => (offset + length, true),
            Some((offset, _)) => (*offset, false),
            None => (self.size, false),
        };
        let room = usize::try_from(end.saturating_sub(self.at))
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = match is_data {
            true => self.tar.read(&mut buffer[..room])?,
            false => {
                buffer[..room].fill(0);
                room
            }
        };
        self.at += count as u64;
        Ok(count)
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

struct Hashed(Sha256);

impl Sink for Hashed {
    fn put(&mut self, path: Vec<u8>, meta: &Meta, data: &mut dyn Read) -> Result<()> {
        let mut text = |bytes: &[u8]| {
            self.0.update((bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        };
        text(&path);
        text(
            format!(
                "{:?} {:o} {:?} {:?}",
                meta.kind, meta.mode, meta.owner, meta.device
            )
            .as_bytes(),
        );
        text(&meta.link);
        for (name, value) in &meta.xattrs {
            text(name);
            text(value);
        }
        let mut inner = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match data.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => inner.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(crate::Error::io(format!(
                        "reading {}",
                        String::from_utf8_lossy(&path)
                    ))(error)
                    .into());
                }
            }
        }
        self.0.update(inner.finalize());
        Ok(())
    }
}

struct Written<W: Write> {
    writer: Writer<W>,
    /// Folders that are in the layer already.
    folders: BTreeMap<Vec<u8>, ()>,
    /// First names of files that have several.
    links: BTreeMap<(usize, u64), Vec<u8>>,
    latest: Option<i64>,
}

impl<W: Write> Sink for Written<W> {
    fn put(&mut self, path: Vec<u8>, meta: &Meta, data: &mut dyn Read) -> Result<()> {
        let writing = format!("writing {} to the layer", String::from_utf8_lossy(&path));
        let is_folder = meta.kind == Kind::Directory;
        if is_folder && self.folders.insert(path.clone(), ()).is_some() {
            return Ok(());
        }
        let mut entry = Entry {
            path,
            kind: meta.kind,
            link: meta.link.clone(),
            mode: meta.mode,
            uid: meta.owner.0,
            gid: meta.owner.1,
            mtime: (meta.mtime.min(self.latest.unwrap_or(i64::MAX)), 0),
            size: meta.size,
            device: meta.device,
            xattrs: meta.xattrs.clone(),
            parts: None,
        };
        if let Some(shared) = meta.shared {
            match self.links.get(&shared) {
                Some(first) => {
                    (entry.kind, entry.link, entry.size) = (Kind::HardLink, first.clone(), 0);
                }
                None => drop(self.links.insert(shared, entry.path.clone())),
            }
        }
        if is_folder {
            entry.path.push(b'/');
        }
        match self.writer.append(&entry, data) {
            Ok(()) => Ok(()),
            Err(error) => Err(crate::Error::io(writing)(error).into()),
        }
    }
}

/// The sources that a word of `COPY` means in a tree: one path, or all that fit a pattern. A path keeps its folders from `./` on
/// with `--parents`.
pub fn matching<'a>(
    tree: &'a Tree,
    word: &str,
    ignore: &Ignore,
    keeps_parents: bool,
) -> Result<Result<Vec<Source<'a>>, String>> {
    let (pivot, tail) = match word.split_once("/./") {
        Some((front, tail)) if keeps_parents => (
            names(clean(front).as_bytes()).len(),
            format!("{front}/{tail}"),
        ),
        _ => (0, word.to_owned()),
    };
    let path = clean(&tail);
    let pattern = match Pattern::new(&path) {
        Ok(pattern) => pattern,
        Err(why) => return Ok(Err(why)),
    };
    let source = |at: Vec<Vec<u8>>, found: Found| {
        let name = at.last().cloned().unwrap_or_default();
        let above = at
            .get(pivot..at.len().saturating_sub(1))
            .unwrap_or_default()
            .to_vec();
        let parents = keeps_parents.then_some(above);
        Source::Tree {
            tree,
            found,
            name,
            parents,
        }
    };
    // What is taken back in may lie in an ignored folder, and not in an ignored file.
    let is_there = |path: &str, node: &Node| {
        !tree.is_context()
            || path.is_empty()
            || !ignore.ignores(path)
            || (ignore.takes_back() && matches!(node, Node::Folder(_)))
    };
    if pattern.is_plain() {
        let plain = pattern.plain();
        let place = if tree.is_context() {
            "the build context"
        } else {
            "the image"
        };
        return Ok(match tree.find(plain.as_bytes(), true)? {
            Some(found) if is_there(&plain, &found.node) => {
                Ok(vec![source(names(plain.as_bytes()), found)])
            }
            Some(_) => Err(format!("`{word}` is left out by .dockerignore")),
            None if tree.find(plain.as_bytes(), false)?.is_some() => Err(format!(
                "`{word}` is a link that leads nowhere inside {place}"
            )),
            None => Err(format!("`{word}` is not in {place}")),
        });
    }
    let mut all = Vec::new();
    let mut folders = vec![Vec::new()];
    let most = path.split('/').count();
    let is_deep = path.contains("**");
    while let Some(at) = folders.pop() {
        let Some(Found {
            node: Node::Folder(parts),
            ..
        }) = tree.find(&at.join(&b'/'), true)?
        else {
            continue;
        };
        for name in tree.list(&parts)? {
            let inner: Vec<Vec<u8>> = [&at[..], &[name]].concat();
            let text = inner.join(&b'/');
            let shown = String::from_utf8_lossy(&text).into_owned();
            if pattern.fits(&shown) {
                if let Some(found) = tree
                    .find(&text, true)?
                    .filter(|found| is_there(&shown, &found.node))
                {
                    all.push(source(inner, found));
                }
            } else if (is_deep && inner.len() < DEPTH) || inner.len() < most {
                let is_folder = matches!(
                    tree.find(&text, !is_deep)?,
                    Some(Found {
                        node: Node::Folder(_),
                        ..
                    })
                );
                if is_folder {
                    folders.push(inner);
                }
            }
        }
    }
    if all.is_empty() {
        return Ok(Err(format!(
            "nothing fits `{word}` in {}",
            if tree.is_context() {
                "the build context"
            } else {
                "the image"
            }
        )));
    }
    let key = |source: &Source| match source {
        Source::Tree {
            name,
            parents,
            found,
            ..
        } => [
            &parents.clone().unwrap_or_default()[..],
            &found.path,
            std::slice::from_ref(name),
        ]
        .concat(),
        _ => Vec::new(),
    };
    all.sort_by_key(key);
    Ok(Ok(all))
}
