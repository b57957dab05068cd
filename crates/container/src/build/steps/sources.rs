//! What the words of `COPY` and `ADD` bring: files of a tree, here-documents, URLs, archives.

use std::fs::File;
use std::io::{self, Read, Seek};

use crate::build::builder::Builder;
use crate::build::copy::{self, Content, Source};
use crate::build::dockerfile::heredoc::Heredoc;
use crate::build::dockerfile::instruction::{Copy, Origin, Word};
use crate::build::dockerfile::line::Line;
use crate::build::dockerfile::word;
use crate::build::error::{Error, Result};
use crate::build::fetch;
use crate::build::reading::Reading;
use crate::build::tree::Tree;
use crate::compression::Unpacked;
use crate::digest::Digest;
use crate::tar;

/// Where the files of one instruction come from.
pub(super) struct Origins<'a, 'b, 't> {
    pub builder: &'a Builder<'b>,
    pub copy: &'a Copy,
    /// What paths are looked for in.
    pub tree: &'t Tree,
    pub reading: &'a Reading<'a>,
    /// Archives are unpacked and URLs fetched.
    pub is_add: bool,
}

impl<'t> Origins<'_, '_, 't> {
    /// All of them, in order.
    pub fn sources(&self) -> Result<Vec<Source<'t>>> {
        let is_fetched = |origin: &Origin| matches!(origin, Origin::Path(word) if word.text.contains("://"));
        if let Some(flag) = &self.copy.checksum
            && !self.copy.sources.iter().any(is_fetched)
        {
            return Err(self.reading.mistake(flag, "--checksum is for URLs").into());
        }
        let mut all = Vec::new();
        for origin in &self.copy.sources {
            match origin {
                Origin::Document(document) => all.push(self.document(document)?),
                Origin::Path(word) => {
                    let text = self.reading.word(word)?;
                    if self.is_add && is_git(&text) {
                        let hint = "clone it beside the Dockerfile, and COPY the folder";
                        return Err(self.reading.mistake(word, "git repositories are not fetched").with_hint(hint).into());
                    }
                    match fetch::is_url(&text) {
                        true => all.push(self.fetched(word, &text)?),
                        false => all.extend(self.files(word, &text)?),
                    }
                }
            }
        }
        Ok(all)
    }

    /// A file that is written in the Dockerfile.
    fn document(&self, document: &Heredoc) -> Result<Source<'t>> {
        let content = match document.head.expands {
            true => word::expand_document(&document.content, self.reading.escape, self.reading.lookup).map_err(|bad| {
                let above = document.content[..bad.at.min(document.content.len())].matches('\n').count();
                self.reading.source.mistake(&Line::alone("", document.number + above), 0, 1, bad.why)
            })?,
            false => document.content.clone(),
        };
        let name = document.head.name.clone().into_bytes();
        Ok(Source::File { name, content: Content::Bytes(content.into_bytes()), mode: 0o644, mtime: 0 })
    }

    /// What a URL brings.
    fn fetched(&self, word: &Word, url: &str) -> Result<Source<'t>> {
        let reading = self.reading;
        if !self.is_add {
            return Err(reading.mistake(word, "COPY takes no URL").with_hint(format!("ADD {url} …")).into());
        }
        let mut checksum = None;
        if let Some(flag) = &self.copy.checksum {
            let text = reading.word(flag)?;
            let digest = text.parse::<Digest>();
            checksum = Some(digest.map_err(|why| reading.mistake(flag, format!("--checksum={text}: {why}")))?);
        }
        let Builder { store, work, options, .. } = self.builder;
        let fetched = fetch::fetch(url, checksum.as_ref(), store.limits.bytes, work, &options.cancel)
            .map_err(|error| reading.placed(word, error))?;
        let content = Content::File(fetched.file);
        if self.copy.unpack == Some(true) {
            return Ok(Source::Archive(content));
        }
        if fetched.name.is_empty() && reading.word(&self.copy.target)?.ends_with('/') {
            let why = "the URL's path ends with no file name, and the target is a folder";
            return Err(reading.mistake(word, why).into());
        }
        Ok(Source::File { name: fetched.name, content, mode: 0o600, mtime: fetched.mtime })
    }

    /// The files of the tree that a path or a pattern means.
    fn files(&self, word: &Word, text: &str) -> Result<Vec<Source<'t>>> {
        let found = copy::matching(self.tree, text, &self.builder.ready.ignore, self.copy.parents)
            .map_err(|error| self.reading.placed(word, error))?;
        let found = found.map_err(|why| {
            let mistake = self.reading.mistake(word, why);
            match text.split('/').any(|part| part == "..") {
                true => mistake.with_hint("`..` does not lead out of the build context"),
                false => mistake,
            }
        })?;
        match self.is_add && self.copy.unpack != Some(false) {
            true => found.into_iter().map(|source| self.unpacked(source, word)).collect(),
            false => Ok(found),
        }
    }

    /// A source of `ADD`: an archive is unpacked.
    fn unpacked(&self, source: Source<'t>, word: &Word) -> Result<Source<'t>> {
        let Source::Tree { tree, found, name, .. } = &source else {
            return Ok(source);
        };
        let meta = tree.meta(&found.path, &found.node, None)?;
        if meta.is_none_or(|meta| meta.kind != tar::Kind::File) {
            return Ok(source);
        }
        let mut file = tree.open(&found.path, &found.node)?;
        let mut begin = [0; 6];
        let count = read_some(&mut file, &mut begin)?;
        file.rewind().map_err(Error::io("reading a source of ADD"))?;
        let is_other = matches!(begin[..count], [0xfd, b'7', b'z', b'X', b'Z', ..] | [b'B', b'Z', b'h', ..]);
        let shown = String::from_utf8_lossy(name).to_lowercase();
        let is_named_so = [".tar.xz", ".txz", ".tar.bz2", ".tbz", ".tbz2"].iter().any(|end| shown.ends_with(end));
        if is_other && is_named_so {
            let hint = "pack it with gzip or zstd; --unpack=false copies it as it is";
            return Err(self.reading.mistake(word, "archives of xz and bzip2 are not unpacked").with_hint(hint).into());
        }
        let copied = file.try_clone().map_err(Error::io("reading a source of ADD"))?;
        Ok(match !is_other && begins_as_tar(file) {
            true => Source::Archive(Content::File(copied)),
            false => source,
        })
    }
}

fn is_git(text: &str) -> bool {
    let names_repository = |text: &str| text.split(['#', '?']).next().is_some_and(|path| path.ends_with(".git"));
    text.starts_with("git@") || text.starts_with("git://") || (fetch::is_url(text) && names_repository(text))
}

fn read_some(file: &mut File, buffer: &mut [u8]) -> Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file.read(&mut buffer[count..]).map_err(Error::io("reading a source of ADD"))? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

/// Whether a file, packed or not, is a tar with something in it.
fn begins_as_tar(file: File) -> bool {
    let Ok(input) = Unpacked::new(io::BufReader::new(file), "a source of ADD") else {
        return false;
    };
    let mut tar = tar::Reader::new(input.take(1 << 21), "a source of ADD", crate::Limits::default());
    matches!(tar.next_entry(), Ok(Some(_)))
}
