//! Steps that change files: `RUN`, `COPY`, `ADD`, `WORKDIR`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};

use super::builder::{Builder, Stage, lookup, placed};
use super::config::{self, Reading, words_of};
use super::copy::{self, Change, Content, Copying, Target};
use super::dockerfile::instruction::{Command, Copy, Origin, Run, Step, Word};
use super::dockerfile::line::Source;
use super::dockerfile::word;
use super::error::{Error, Mistake, Result};
use super::fetch;
use super::ignore::{Ignore, Pattern};
use super::mount::{Kind, Mount};
use super::run::{self, Borrowed};
use super::stages::{PREDEFINED, by_name_or_number};
use super::tree::{Found, Node, Tree};
use super::{images, owner};
use crate::digest::Digest;
use crate::engine::options::{MountRequest, MountSource};
use crate::network::NetworkMode;
use crate::oci::Process;
use crate::store::Image;
use crate::tar::Kind as FileKind;

/// Where a script of a here-document lies while it runs.
const SCRIPT: &str = "/run/vpclab-build";

impl Builder<'_> {
    pub(super) fn workdir(
        &mut self,
        stage: &mut Stage,
        process: Process,
        path: &str,
        told: &str,
    ) -> Result<()> {
        let created_by = format!("/bin/sh -c #(nop) {told}");
        let key = self.key(stage, told, "workdir");
        let path = path.to_owned();
        self.keep(stage, &key, process, None, &created_by, |builder, stage| {
            let tree = builder.tree(&stage.image)?;
            let target = place(&tree, &path, true)?;
            let ignore = Ignore::default();
            let copying = Copying {
                sources: Vec::new(),
                target: Target {
                    path: target,
                    is_folder: true,
                },
                image: &tree,
                follows: true,
                change: Change {
                    latest: builder.options.source_date_epoch,
                    ..Change::default()
                },
                ignore: &ignore,
                exclude: Vec::new(),
                limits: builder.store.limits,
                cancel: &builder.options.cancel,
            };
            builder.layer(|output| copying.write(output))
        })
    }

    pub(super) fn copy(
        &mut self,
        stage: &mut Stage,
        copy: &Copy,
        step: &Step,
        source: &Source,
        is_add: bool,
    ) -> Result<()> {
        let process = stage.process();
        let arguments = stage.arguments.clone();
        let lookup = lookup(&process, &arguments);
        let reading = Reading {
            source,
            line: &step.line,
            escape: self.file.directives.escape,
            lookup: &lookup,
        };
        let from = match &copy.from {
            Some(from) => Some(self.image_of(stage, from, &reading)?),
            None => None,
        };
        let other = from.as_ref().map(|image| self.tree(image)).transpose()?;
        let tree = other.as_ref().unwrap_or(&self.ready.tree);
        let image = self.tree(&stage.image)?;
        let change = Change {
            owner: match &copy.chown {
                Some(text) => Some(
                    owner::owner(&reading.word(text)?, &image)?
                        .map_err(|why| reading.mistake(text, why))?,
                ),
                None => None,
            },
            mode: match &copy.chmod {
                Some(text) => Some(
                    owner::mode(&reading.word(text)?).map_err(|why| reading.mistake(text, why))?,
                ),
                None => None,
            },
            latest: self.options.source_date_epoch,
        };
        let mut exclude = Vec::new();
        for text in &copy.exclude {
            let pattern = Pattern::new(&super::ignore::clean(&reading.word(text)?));
            exclude.push(pattern.map_err(|why| reading.mistake(text, why))?);
        }
        let sources = self.sources(copy, tree, &reading, is_add)?;
        let target = target(copy, &sources, &image, &process, &reading)?;
        let first = step.line.text.find(char::is_whitespace).unwrap_or(0);
        let here = |error: Error| {
            placed(
                error,
                source,
                &step.line,
                first + 1,
                step.line.text.len().saturating_sub(first + 1),
            )
        };
        let mut copying = Copying {
            sources,
            target,
            image: &image,
            follows: !copy.link,
            change,
            ignore: &self.ready.ignore,
            exclude,
            limits: self.store.limits,
            cancel: &self.options.cancel,
        };
        let digest = copying.digest().map_err(here)?;
        let word = if is_add { "ADD" } else { "COPY" };
        let what = match &copying.sources[..] {
            [
                copy::Source::Tree {
                    found:
                        Found {
                            node: Node::Folder(_),
                            ..
                        },
                    ..
                },
            ] => "dir",
            [_] => "file",
            _ => "multi",
        };
        let told = format!("{word} {what}:{digest} in {} ", reading.word(&copy.target)?);
        let key = self.key(stage, &told, if copy.link { "link" } else { "" });
        let created_by = format!("/bin/sh -c #(nop) {told}");
        // The files are read again, so that those of a huge context are not held meanwhile.
        let sources = std::mem::take(&mut copying.sources);
        let Copying {
            target,
            change,
            exclude,
            ..
        } = copying;
        let ignore = &self.ready.ignore;
        self.keep(
            stage,
            &key,
            process.clone(),
            None,
            &created_by,
            |builder, _| {
                let copying = Copying {
                    sources,
                    target,
                    image: &image,
                    follows: !copy.link,
                    change,
                    ignore,
                    exclude,
                    limits: builder.store.limits,
                    cancel: &builder.options.cancel,
                };
                builder.layer(|output| copying.write(output)).map_err(here)
            },
        )
    }

    /// The image that `--from` means: a stage before this one, or one of its own.
    fn image_of(&mut self, stage: &Stage, from: &Word, reading: &Reading) -> Result<Image> {
        let text = &from.text;
        if let Some(number) = by_name_or_number(&self.file.stages[..stage.number], text) {
            return self.done.get(&number).cloned().ok_or(Error::Cancelled);
        }
        let names = || {
            self.file
                .stages
                .iter()
                .filter_map(|stage| stage.from.name.as_ref())
                .map(|name| name.text.as_str())
                .collect::<Vec<_>>()
        };
        if text.parse::<usize>().is_ok() {
            return Err(reading
                .mistake(
                    from,
                    format!("--from={text}: there is no stage {text} before this one"),
                )
                .into());
        }
        if text.contains('$') {
            let hint = "name a stage with FROM $IMAGE AS name, and copy --from=name".to_owned();
            return Err(Mistake {
                hint: Some(hint),
                ..reading.mistake(from, "variables are not replaced in --from")
            }
            .into());
        }
        if self.file.stages[stage.number..].iter().any(|other| {
            other
                .from
                .name
                .as_ref()
                .is_some_and(|name| name.text.eq_ignore_ascii_case(text))
        }) {
            return Err(reading
                .mistake(
                    from,
                    format!(
                        "stage `{text}` comes later: only stages before this one can be copied from"
                    ),
                )
                .into());
        }
        images::bring(self.store, text, None, self.options, self.progress).map_err(|error| {
            let hint = super::dockerfile::flags::nearest(text, &names())
                .map(|near| format!("did you mean the stage `{near}`?"));
            match error {
                Error::Cancelled => Error::Cancelled,
                error => Mistake {
                    hint,
                    ..reading.mistake(from, format!("--from={text}: {error}"))
                }
                .into(),
            }
        })
    }

    fn sources<'t>(
        &self,
        copy: &Copy,
        tree: &'t Tree,
        reading: &Reading,
        is_add: bool,
    ) -> Result<Vec<copy::Source<'t>>> {
        let mut all = Vec::new();
        if let Some(flag) = copy.checksum.as_ref().filter(|_| {
            !copy
                .sources
                .iter()
                .any(|one| matches!(one, Origin::Path(word) if word.text.contains("://")))
        }) {
            return Err(reading.mistake(flag, "--checksum is for URLs").into());
        }
        for origin in &copy.sources {
            let word = match origin {
                Origin::Document(document) => {
                    let content = match document.head.expands {
                        true => {
                            word::expand_document(&document.content, reading.escape, reading.lookup)
                                .map_err(|bad| {
                                    let at = document.content[..bad.at.min(document.content.len())]
                                        .matches('\n')
                                        .count();
                                    let line = super::dockerfile::line::Line::alone(
                                        "",
                                        document.number + at,
                                    );
                                    reading.source.mistake(&line, 0, 1, bad.why)
                                })?
                        }
                        false => document.content.clone(),
                    };
                    let name = document.head.name.clone().into_bytes();
                    all.push(copy::Source::File {
                        name,
                        content: Content::Bytes(content.into_bytes()),
                        mode: 0o644,
                        mtime: 0,
                    });
                    continue;
                }
                Origin::Path(word) => word,
            };
            let text = reading.word(word)?;
            if is_add && is_git(&text) {
                let hint = "clone it beside the Dockerfile, and COPY the folder".to_owned();
                return Err(Mistake {
                    hint: Some(hint),
                    ..reading.mistake(word, "git repositories are not fetched")
                }
                .into());
            }
            if fetch::is_url(&text) {
                if !is_add {
                    let hint = format!("ADD {text} …");
                    return Err(Mistake {
                        hint: Some(hint),
                        ..reading.mistake(word, "COPY takes no URL")
                    }
                    .into());
                }
                let checksum = copy.checksum.as_ref().map(|flag| {
                    let text = reading.word(flag)?;
                    text.parse::<Digest>()
                        .map_err(|why| reading.mistake(flag, format!("--checksum={text}: {why}")))
                });
                let checksum = checksum.transpose()?;
                let fetched = fetch::fetch(
                    &text,
                    checksum.as_ref(),
                    self.store.limits.bytes,
                    &self.work,
                    &self.options.cancel,
                );
                let fetched = fetched.map_err(|error| {
                    placed(
                        error,
                        reading.source,
                        reading.line,
                        word.at,
                        word.text.len(),
                    )
                })?;
                if copy.unpack == Some(true) {
                    all.push(copy::Source::Archive(Content::File(fetched.file)));
                    continue;
                }
                if fetched.name.is_empty() && reading.word(&copy.target)?.ends_with('/') {
                    return Err(reading
                        .mistake(
                            word,
                            "the URL's path ends with no file name, and the target is a folder",
                        )
                        .into());
                }
                let (name, mtime) = (fetched.name, fetched.mtime);
                all.push(copy::Source::File {
                    name,
                    content: Content::File(fetched.file),
                    mode: 0o600,
                    mtime,
                });
                continue;
            }
            let found = copy::matching(tree, &text, &self.ready.ignore, copy.parents)
                .map_err(|error| {
                    placed(
                        error,
                        reading.source,
                        reading.line,
                        word.at,
                        word.text.len(),
                    )
                })?
                .map_err(|why| {
                    let hint = text
                        .split('/')
                        .any(|part| part == "..")
                        .then(|| "`..` does not lead out of the build context".to_owned());
                    Mistake {
                        hint,
                        ..reading.mistake(word, why)
                    }
                })?;
            for source in found {
                all.push(if is_add && copy.unpack != Some(false) {
                    unpacked(source, word, reading)?
                } else {
                    source
                });
            }
        }
        Ok(all)
    }

    pub(super) fn run(
        &mut self,
        stage: &mut Stage,
        run: &Run,
        step: &Step,
        source: &Source,
    ) -> Result<()> {
        let process = stage.process();
        let arguments = stage.arguments.clone();
        let lookup = lookup(&process, &arguments);
        let reading = Reading {
            source,
            line: &step.line,
            escape: self.file.directives.escape,
            lookup: &lookup,
        };
        let words = words_of(&process, &run.command);
        if words.is_empty() {
            return Err(source
                .mistake(&step.line, 0, 3, "RUN has no command")
                .into());
        }
        // Variables of the image are above those of the build.
        let of_image: Vec<&str> = process
            .env
            .iter()
            .flatten()
            .filter_map(|one| one.split('=').next())
            .collect();
        let scoped: BTreeMap<&String, &String> = arguments
            .iter()
            .filter(|(name, _)| !of_image.contains(&name.as_str()))
            .collect();
        let proxies: Vec<(&String, &String)> = self
            .options
            .arguments
            .iter()
            .filter(|(name, _)| PREDEFINED.contains(&name.as_str()) && !scoped.contains_key(name))
            .collect();
        let mut told = words.join(" ");
        if !scoped.is_empty() {
            let all: Vec<String> = scoped
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            told = format!("|{} {} {told}", all.len(), all.join(" "));
        }
        let asked = run
            .network
            .as_ref()
            .map(|word| reading.word(word))
            .transpose()?;
        let network = asked.clone().or_else(|| self.options.network.clone());
        let mode = NetworkMode::parse(network.as_deref().unwrap_or("default")).map_err(
            |error| match &run.network {
                Some(word) => Error::from(reading.mistake(word, error.to_string())),
                None => Error::Option {
                    option: "--network",
                    why: error.to_string(),
                },
            },
        )?;
        if let Some(word) = run
            .network
            .as_ref()
            .filter(|word| !matches!(word.text.as_str(), "default" | "none" | "host"))
        {
            return Err(reading
                .mistake(word, "--network of RUN is default, none or host")
                .into());
        }
        let mut mounts = Vec::new();
        for word in &run.mounts {
            let text = reading.word(word)?;
            let mount = Mount::parse(&text).map_err(|why| reading.mistake(word, why))?;
            let from = match &mount.from {
                Some(from) => Some(self.image_of(
                    stage,
                    &Word {
                        text: from.clone(),
                        at: word.at,
                    },
                    &reading,
                )?),
                None => None,
            };
            mounts.push((mount, from, word.clone()));
        }
        let mut more = format!(
            "{asked:?} {}",
            run.mounts
                .iter()
                .map(|word| word.text.as_str())
                .collect::<Vec<_>>()
                .join(" ")
        );
        // What is mounted to be read decides what comes of it.
        for (mount, from, word) in mounts.iter().filter(|(mount, ..)| mount.kind == Kind::Bind) {
            let digest = self.bound(mount, from.as_ref(), |copying| copying.digest());
            more.push_str(
                &digest
                    .map_err(|error| placed(error, source, &step.line, word.at, word.text.len()))?,
            );
        }
        let key = self.key(stage, &told, &more);
        let mut environment: Vec<String> = scoped
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        environment.extend(
            proxies
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        let is_script = matches!(&run.command, Command::Shell(line) if line.starts_with("#!") && !step.line.heredocs.is_empty());
        self.keep(
            stage,
            &key,
            process.clone(),
            None,
            &told,
            |builder, stage| {
                if stage.image.layers.is_empty() {
                    return Err(source
                        .mistake(
                            &step.line,
                            0,
                            3,
                            "there is nothing to run: the image has no files yet",
                        )
                        .into());
                }
                builder.swept()?;
                let mut options = builder.options.container.clone();
                options.image = stage.image.id.to_string();
                options.entrypoint = Some(Vec::new());
                options.command.clone_from(&words);
                options.environment.extend(environment);
                options.network = mode;
                options.no_health = true;
                // The image's own may be no path of a file that is there yet.
                let mut borrowed = Vec::new();
                let mut prepared = Vec::new();
                for (mount, from, word) in &mounts {
                    let tar = match mount.kind {
                        Kind::Bind => {
                            let mut tar = tempfile()?;
                            builder
                                .bound(mount, from.as_ref(), |copying| {
                                    copying.write(&mut tar).map(|()| String::new())
                                })
                                .map_err(|error| {
                                    placed(error, source, &step.line, word.at, word.text.len())
                                })?;
                            Some(tar)
                        }
                        _ => None,
                    };
                    prepared.push((mount, tar));
                }
                let (engine, instance) = builder.workshop.place()?;
                for (mount, tar) in prepared {
                    let source = match (mount.kind, tar) {
                        (Kind::Tmpfs, _) => MountSource::Tmpfs {
                            bytes: mount.size,
                            mode: None,
                        },
                        (_, Some(mut tar)) => {
                            tar.rewind().map_err(Error::io("reading what is mounted"))?;
                            borrowed.push(Borrowed::new(engine, tar, &builder.work)?);
                            let name = borrowed.last().map(|one| one.name.clone());
                            MountSource::Volume { name, copy: false }
                        }
                        _ => MountSource::Volume {
                            name: Some(mount.cache_name()),
                            copy: false,
                        },
                    };
                    options.mounts.push(MountRequest {
                        source,
                        target: mount.target(&process),
                        read_only: mount.read_only,
                    });
                }
                if is_script && let Command::Shell(script) = &run.command {
                    let mut tar = tempfile()?;
                    script_tar(script, &mut tar)?;
                    tar.rewind().map_err(Error::io("reading the script"))?;
                    borrowed.push(Borrowed::new(engine, tar, &builder.work)?);
                    let name = borrowed.last().map(|one| one.name.clone());
                    let source = MountSource::Volume { name, copy: false };
                    options.mounts.push(MountRequest {
                        source,
                        target: SCRIPT.into(),
                        read_only: true,
                    });
                    options.command = vec![format!("{SCRIPT}/script")];
                }
                let latest = builder.options.source_date_epoch;
                let ended = run::run(
                    (engine, instance),
                    options,
                    &builder.work,
                    latest,
                    &builder.options.cancel,
                    builder.progress,
                )?;
                drop(borrowed);
                if ended.code != 0 {
                    let place = source.place(&step.line, run.at, step.line.text.len() - run.at);
                    return Err(Error::Failed {
                        command: words.join(" "),
                        code: ended.code,
                        place: Box::new(place),
                    });
                }
                Ok(ended.layer)
            },
        )
    }

    /// Calls with what a `--mount=type=bind` takes.
    fn bound(
        &self,
        mount: &Mount,
        from: Option<&Image>,
        work: impl FnOnce(&Copying) -> Result<String>,
    ) -> Result<String> {
        let other = from.map(|image| self.tree(image)).transpose()?;
        let tree = other.as_ref().unwrap_or(&self.ready.tree);
        let path = super::ignore::clean(mount.source.as_deref().unwrap_or("/"));
        let Some(found) = tree.find(path.as_bytes(), true)? else {
            return Err(Error::Context(format!(
                "`/{path}` is not in {}",
                if tree.is_context() {
                    "the build context"
                } else {
                    "the image"
                }
            )));
        };
        if !matches!(found.node, Node::Folder(_)) {
            return Err(Error::Context(format!(
                "`/{path}` is a file: mount the folder that it is in"
            )));
        }
        let name = found.path.last().cloned().unwrap_or_default();
        let nothing = Tree::empty();
        let copying = Copying {
            sources: vec![copy::Source::Tree {
                tree,
                found,
                name,
                parents: None,
            }],
            target: Target {
                path: Vec::new(),
                is_folder: true,
            },
            image: &nothing,
            follows: false,
            change: Change::default(),
            ignore: &self.ready.ignore,
            exclude: Vec::new(),
            limits: self.store.limits,
            cancel: &self.options.cancel,
        };
        work(&copying)
    }
}

/// A file that goes when it is closed.
fn tempfile() -> Result<File> {
    let made = rustix::fs::memfd_create("vpclab-build", rustix::fs::MemfdFlags::CLOEXEC);
    made.map(File::from)
        .map_err(Error::io("making a file in memory"))
}

fn script_tar(script: &str, output: &mut File) -> Result<()> {
    let entry = crate::tar::Entry {
        path: b"script".to_vec(),
        kind: FileKind::File,
        link: Vec::new(),
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: (0, 0),
        size: script.len() as u64,
        device: (0, 0),
        xattrs: Vec::new(),
        parts: None,
    };
    let mut writer = crate::tar::Writer::new(output);
    writer
        .append(&entry, script.as_bytes())
        .map_err(Error::io("writing the script"))?;
    writer
        .finish()
        .map_err(Error::io("writing the script"))
        .map(drop)
}

/// Names from the top of the image, links followed where there are any.
fn place(image: &Tree, path: &str, follows: bool) -> Result<Vec<Vec<u8>>> {
    if !follows {
        return Ok(super::tree::names(path.as_bytes()));
    }
    let (found, rest) = image.resolve(path.as_bytes(), true)?;
    let (mut names, is_folder) = match found {
        Some(Found { path, node }) => (path, matches!(node, Node::Folder(_))),
        None => (Vec::new(), true),
    };
    if !is_folder && !rest.is_empty() {
        let shown = String::from_utf8_lossy(&names.join(&b'/')).into_owned();
        return Err(Error::Context(format!(
            "/{shown} of the image is no folder"
        )));
    }
    for name in rest {
        match &name[..] {
            b".." => drop(names.pop()),
            _ => names.push(name),
        }
    }
    Ok(names)
}

/// Where an instruction's files go.
fn target(
    copy: &Copy,
    sources: &[copy::Source],
    image: &Tree,
    process: &Process,
    reading: &Reading,
) -> Result<Target> {
    let text = reading.word(&copy.target)?;
    let wrong = |why: String, hint: &str| Mistake {
        hint: Some(hint.to_owned()).filter(|hint| !hint.is_empty()),
        ..reading.mistake(&copy.target, why)
    };
    let path = config::directory(process, &text).map_err(|why| wrong(why, ""))?;
    let is_said = text.ends_with('/') || text == "." || text.ends_with("/.") || text == "..";
    let at = place(image, &path, !copy.link).map_err(|error| {
        placed(
            error,
            reading.source,
            reading.line,
            copy.target.at,
            copy.target.text.len(),
        )
    })?;
    let there = image.find(&at.join(&b'/'), false)?;
    let is_there = matches!(
        there,
        Some(Found {
            node: Node::Folder(_),
            ..
        })
    ) || at.is_empty();
    let is_other = there.is_some() && !is_there;
    let brings_folder = sources.iter().any(|source| {
        matches!(
            source,
            copy::Source::Archive(_)
                | copy::Source::Tree {
                    found: Found {
                        node: Node::Folder(_),
                        ..
                    },
                    ..
                }
        ) || matches!(
            source,
            copy::Source::Tree {
                parents: Some(_),
                ..
            }
        )
    });
    if sources.len() > 1 && !is_said && !is_there {
        let why = "with more than one source the target is a folder, and ends with a /";
        return Err(wrong(why.into(), &format!("{text}/")).into());
    }
    let is_folder = is_said || is_there || brings_folder || sources.len() > 1;
    if is_folder && is_other && !copy.link {
        return Err(wrong(
            format!("{text} is a file of the image, and would have to be a folder"),
            "",
        )
        .into());
    }
    Ok(Target {
        path: at,
        is_folder,
    })
}

fn is_git(text: &str) -> bool {
    text.starts_with("git@")
        || text.starts_with("git://")
        || (fetch::is_url(text)
            && text
                .split(['#', '?'])
                .next()
                .is_some_and(|path| path.ends_with(".git")))
}

/// A source of `ADD`: an archive is unpacked.
fn unpacked<'t>(
    source: copy::Source<'t>,
    word: &Word,
    reading: &Reading,
) -> Result<copy::Source<'t>> {
    let copy::Source::Tree {
        tree,
        found,
        name,
        parents,
    } = source
    else {
        return Ok(source);
    };
    let again = |found| copy::Source::Tree {
        tree,
        found,
        name: name.clone(),
        parents: parents.clone(),
    };
    let is_file = tree
        .meta(&found.path, &found.node, None)?
        .is_some_and(|meta| meta.kind == FileKind::File);
    if !is_file {
        return Ok(again(found));
    }
    let mut file = tree.open(&found.path, &found.node)?;
    let mut begin = [0; 6];
    let count = read_some(&mut file, &mut begin)?;
    file.rewind()
        .map_err(Error::io("reading a source of ADD"))?;
    let shown = String::from_utf8_lossy(&name).to_lowercase();
    let is_other = matches!(
        begin[..count],
        [0xfd, b'7', b'z', b'X', b'Z', ..] | [b'B', b'Z', b'h', ..]
    );
    if is_other
        && [".tar.xz", ".txz", ".tar.bz2", ".tbz", ".tbz2"]
            .iter()
            .any(|end| shown.ends_with(end))
    {
        let hint = "pack it with gzip or zstd; --unpack=false copies it as it is".to_owned();
        return Err(Mistake {
            hint: Some(hint),
            ..reading.mistake(word, "archives of xz and bzip2 are not unpacked")
        }
        .into());
    }
    let copied = file
        .try_clone()
        .map_err(Error::io("reading a source of ADD"))?;
    let is_archive = !is_other && begins_as_tar(file);
    Ok(match is_archive {
        true => copy::Source::Archive(Content::File(copied)),
        false => again(found),
    })
}

fn read_some(file: &mut File, buffer: &mut [u8]) -> Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match file
            .read(&mut buffer[count..])
            .map_err(Error::io("reading a source of ADD"))?
        {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

/// Whether a file, packed or not, is a tar with something in it.
fn begins_as_tar(file: File) -> bool {
    let Ok(input) = crate::compression::Unpacked::new(io::BufReader::new(file), "a source of ADD")
    else {
        return false;
    };
    let mut tar = crate::tar::Reader::new(
        input.take(1 << 21),
        "a source of ADD",
        crate::Limits::default(),
    );
    matches!(tar.next_entry(), Ok(Some(_)))
}
