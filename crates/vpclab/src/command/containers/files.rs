//! `containers cp`, `export`, `update`: files of a container, and what it may use.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufReader, IsTerminal, Read, Write, stdin, stdout};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use container::engine::archive::put::{Unpacking, unpack};
use container::engine::archive::{PathStat, Put};
use container::engine::pack::Pack;
use container::engine::update::Update;
use container::engine::{Error, Record, words};
use container::limits::size;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};

use super::super::whole_file;
use super::verbs::NamesArgs;
use super::{Place, each, failed};
use crate::exit::{Failure, NO, Result};
use crate::output::{Format, Output};

/// `containers cp`.
#[derive(Debug, Args)]
pub struct CpArgs {
    /// Keep owners: who files belong to here and there; default: root inside, you outside
    #[arg(short, long)]
    pub archive: bool,
    /// Where SOURCE is a link, copy what it leads to
    #[arg(short = 'L', long)]
    pub follow_link: bool,
    /// Only containers of this instance
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// CONTAINER:PATH, INSTANCE/NAME:PATH, a path of this machine, or - for a tar on stdin
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// The same; - for a tar on stdout. A folder that is there gets the source into it
    #[arg(value_name = "TARGET")]
    pub target: String,
}

/// `containers export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Where to write it, or - for stdout
    #[arg(long, short = 'w', visible_alias = "out", default_value = "-", value_name = "FILE")]
    pub write: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
    /// Only containers of this instance
    #[arg(long, value_name = "INSTANCE")]
    pub instance: Option<String>,
    /// Container: name, id, or the beginning of an id
    #[arg(value_name = "CONTAINER")]
    pub container: String,
}

/// `containers update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// When they are started again: no, always, unless-stopped, on-failure[:TIMES]
    #[arg(long, value_name = "POLICY")]
    pub restart: Option<String>,
    /// Most memory, such as 512m; 0: no limit
    #[arg(short, long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Most processors, such as 0.5; 0: no limit
    #[arg(long, value_name = "NUMBER")]
    pub cpus: Option<String>,
    /// Most processes and threads; -1: no limit
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub pids_limit: Option<i64>,
    /// Which ones
    #[command(flatten)]
    pub names: NamesArgs,
}

/// One end of a copy.
enum End<'a> {
    Container(&'a str, &'a str),
    Here(&'a str),
    Stream,
}

/// As Docker's command reads it: what begins with `/` or `.` is a path of this machine.
fn end(text: &str) -> End<'_> {
    if text == "-" {
        return End::Stream;
    }
    match text.split_once(':') {
        Some((container, path)) if !text.starts_with(['/', '.']) && !container.is_empty() => End::Container(container, path),
        _ => End::Here(text),
    }
}

pub fn cp(arguments: &CpArgs, place: &Place, output: &Output) -> Result {
    let find = |name: &str| place.find(name, arguments.instance.as_deref());
    let said = match (end(&arguments.source), end(&arguments.target)) {
        (End::Container(name, path), target) => {
            let record = find(name)?;
            let copied = match target {
                End::Here(to) => out_to(arguments, place, &record, path, to, output)?,
                End::Stream => return stream_out(arguments, place, &record, path),
                End::Container(..) => {
                    let failure = Failure::usage("copying between containers is not supported");
                    return Err(failure.hint(format!("vpclab containers cp {} - | vpclab containers cp - {}", arguments.source, arguments.target)));
                }
            };
            format!("{} copied to {}", size(copied), arguments.target)
        }
        (End::Stream, End::Container(name, path)) => {
            if stdin().is_terminal() {
                return Err(Failure::usage("stdin is a terminal, and no tar").hint("tar -c FILES | vpclab containers cp - CONTAINER:FOLDER"));
            }
            let mut counted = Counted { inner: stdin().lock(), bytes: 0 };
            put(place, &find(name)?, path, &mut counted, output)?;
            format!("a tar of {} unpacked into {}", size(counted.bytes), arguments.target)
        }
        (End::Here(from), End::Container(name, path)) => {
            let record = find(name)?;
            let copied = into(arguments, place, &record, from, path, output)?;
            format!("{} copied to {}", size(copied), arguments.target)
        }
        _ => {
            return Err(Failure::usage("neither SOURCE nor TARGET is in a container").hint("write the container's as CONTAINER:PATH"));
        }
    };
    output.note(said);
    Ok(ExitCode::SUCCESS)
}

fn no(error: &Error) -> Failure {
    let failure = failed(error);
    match error {
        Error::Refused(why) if why.contains("read-only") => failure.hint("a volume without :ro takes files, and so does a container without --read-only"),
        _ => failure,
    }
}

fn stat(place: &Place, record: &Record, path: &str) -> Result<Option<PathStat>> {
    match place.engine.path_stat(&record.id, path) {
        Ok(stat) => Ok(Some(stat)),
        Err(Error::NoPath { .. }) => Ok(None),
        Err(error) => Err(no(&error)),
    }
}

/// Counts what passes.
struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

fn put(place: &Place, record: &Record, path: &str, input: impl Read, output: &Output) -> Result<()> {
    let how = Put { keep_kinds: true, as_user: false };
    let notes = place.engine.copy_in(&record.id, path, input, how).map_err(|error| no(&error))?;
    notes.iter().for_each(|note| output.note(note));
    Ok(())
}

/// What a file is that has no content to copy; none for files, folders and links.
fn without_content(mode: u32) -> Option<&'static str> {
    match FileType::from_raw_mode(mode) {
        FileType::CharacterDevice | FileType::BlockDevice => Some("device"),
        FileType::Fifo => Some("named pipe"),
        FileType::Socket => Some("socket"),
        _ => None,
    }
}

/// The last name of a path here, and the folder that it is in.
fn split(path: &Path) -> Result<(PathBuf, Vec<u8>)> {
    let whole = fs::canonicalize(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")));
    let parent = whole.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    match path.file_name() {
        Some(name) => Ok((parent, name.as_bytes().to_vec())),
        // `..`, `/`: by what it is.
        None => {
            let whole = fs::canonicalize(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
            let name = whole.file_name().map_or_else(|| b".".to_vec(), |name| name.as_bytes().to_vec());
            Ok((whole.parent().unwrap_or(Path::new("/")).to_owned(), name))
        }
    }
}

/// A path's folder and last name inside.
fn parted(path: &str) -> (String, Vec<u8>) {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some((folder, name)) => (format!("{folder}/"), name.as_bytes().to_vec()),
        None => ("/".into(), trimmed.as_bytes().to_vec()),
    }
}

fn into(arguments: &CpArgs, place: &Place, record: &Record, from: &str, path: &str, output: &Output) -> Result<u64> {
    let source = Path::new(from);
    let wants_content = from.ends_with("/.") || from == ".";
    let found = if arguments.follow_link || from.ends_with('/') { fs::metadata(source) } else { fs::symlink_metadata(source) };
    let found = found.map_err(|error| Failure { code: NO, message: format!("{from}: {error}"), hint: None })?;
    let mut target = path.to_owned();
    let mut there = stat(place, record, &target)?;
    if let Some(link) = there.as_ref().map(|stat| stat.link_target.clone()).filter(|link| !link.is_empty()) {
        target = link;
        there = stat(place, record, &target)?;
    }
    let (_, own_name) = split(source)?;
    let (folder, name) = match &there {
        Some(stat) if stat.is_folder() => (target.clone(), if found.is_dir() && wants_content { b".".to_vec() } else { own_name }),
        Some(stat) if let Some(kind) = without_content(stat.mode) => {
            let message = format!("{}:{path} must be a directory or a regular file, and is a {kind}", record.name);
            return Err(Failure { code: NO, message, hint: None });
        }
        Some(_) if found.is_dir() => {
            return Err(Failure { code: NO, message: format!("cannot copy a directory to {path}, which is a file"), hint: None });
        }
        None if path.ends_with('/') && !found.is_dir() => {
            return Err(Failure { code: NO, message: format!("no such directory: {}:{path}", record.name), hint: None });
        }
        _ => parted(&target),
    };
    let owner = if arguments.archive { None } else { Some((0, 0)) };
    let real = if arguments.follow_link { fs::canonicalize(source).unwrap_or_else(|_| source.to_owned()) } else { source.to_owned() };
    let (reader, writer) = io::pipe().map_err(|error| Failure::environment(format!("making a pipe: {error}")))?;
    std::thread::scope(|scope| {
        let packing = scope.spawn(move || pack(&real, found.is_dir(), &name, owner, writer));
        let copied = put(place, record, &folder, reader, output);
        let packed = packing.join().unwrap_or_else(|_| Err(Error::Conflict("the packing thread ended early".into())));
        // Where the container's side failed, that the pipe closed is no news.
        copied?;
        packed.map_err(|error| failed(&error))
    })
}

/// Writes a file or folder of this machine as a tar whose first name is `name`; how much is in its files.
fn pack(source: &Path, is_folder: bool, name: &[u8], owner: Option<(u32, u32)>, output: impl Write) -> std::result::Result<u64, Error> {
    let reading = || Error::io::<rustix::io::Errno>(format!("reading {}", source.display()));
    let mut pack = Pack::new(output).owned_by(owner);
    if is_folder {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(source, flags, Mode::empty()).map_err(reading())?;
        pack.folder(folder.as_fd(), name)?;
    } else {
        let stat = rustix::fs::statat(CWD, source, AtFlags::SYMLINK_NOFOLLOW).map_err(reading())?;
        pack.one(CWD, source.as_os_str().as_bytes(), &stat, name)?;
    }
    let bytes = pack.bytes();
    pack.finish()?;
    Ok(bytes)
}

/// The path that is copied: where it is a link and that is wanted, what it leads to.
fn wanted(arguments: &CpArgs, place: &Place, record: &Record, path: &str) -> Result<(String, PathStat)> {
    let missing = |path: &str| no(&Error::NoPath { container: record.name.clone(), path: path.to_owned() });
    let found = stat(place, record, path)?.ok_or_else(|| missing(path))?;
    if arguments.follow_link && !found.link_target.is_empty() {
        let target = found.link_target.clone();
        let led_to = stat(place, record, &target)?.ok_or_else(|| missing(&target))?;
        return Ok((target, led_to));
    }
    if let Some(kind @ ("device" | "socket")) = without_content(found.mode) {
        let message = format!("{path} of container {} is a {kind}: there is nothing in it to copy", record.name);
        return Err(Failure { code: NO, message, hint: None });
    }
    Ok((path.to_owned(), found))
}

fn stream_out(arguments: &CpArgs, place: &Place, record: &Record, path: &str) -> Result {
    if stdout().is_terminal() {
        return Err(Failure::usage("a tar is nothing for a terminal").hint(format!("vpclab containers cp {} - | tar -t", arguments.source)));
    }
    let (path, _) = wanted(arguments, place, record, path)?;
    place.engine.copy_out(&record.id, &path, stdout_of()?).map_err(|error| no(&error))?;
    Ok(ExitCode::SUCCESS)
}

fn stdout_of() -> Result<std::process::Stdio> {
    let copy = stdout().as_fd().try_clone_to_owned().map_err(|error| Failure::environment(format!("duplicating stdout: {error}")))?;
    Ok(copy.into())
}

fn out_to(arguments: &CpArgs, place: &Place, record: &Record, path: &str, to: &str, output: &Output) -> Result<u64> {
    let (path, found) = wanted(arguments, place, record, path)?;
    let (target, is_folder) = (Path::new(to), Path::new(to).is_dir());
    let wants_content = path.ends_with("/.") || path == ".";
    // What entries begin with, and what they are to begin with here.
    let first = if found.name == "/" { b"/".to_vec() } else { found.name.clone().into_bytes() };
    let asked = arguments.source.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    let (folder, name) = match (is_folder, found.is_folder()) {
        (true, true) if wants_content => (target.to_owned(), b".".to_vec()),
        // Through a link it keeps the name that was asked for.
        (true, _) if arguments.follow_link && !asked.is_empty() => (target.to_owned(), asked.as_bytes().to_vec()),
        (true, _) => (target.to_owned(), if first == b"/" { b".".to_vec() } else { first.clone() }),
        (false, _) if target.exists() && found.is_folder() => {
            return Err(Failure { code: NO, message: format!("cannot copy a directory to {to}, which is a file"), hint: None });
        }
        (false, false) if to.ends_with('/') => {
            return Err(Failure { code: NO, message: format!("{to}: no such directory"), hint: Some(format!("mkdir {to}")) });
        }
        (false, _) => split(target)?,
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(&folder, flags, Mode::empty())
        .map_err(|error| Failure::usage(format!("{}: {}", folder.display(), io::Error::from(error))))?;
    let me = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let how = Unpacking {
        keep_kinds: true,
        owner: if arguments.archive { None } else { Some(me) },
        keeps_set_id: arguments.archive,
        rename: Some((if first == b"/" { Vec::new() } else { first }, name)),
    };
    let (reader, writer) = io::pipe().map_err(|error| Failure::environment(format!("making a pipe: {error}")))?;
    std::thread::scope(|scope| {
        let getting = scope.spawn(move || place.engine.copy_out(&record.id, &path, writer));
        let unpacked = unpack(opened, BufReader::with_capacity(1 << 16, reader), how);
        let got = getting.join().unwrap_or_else(|_| Err(Error::Conflict("the reading thread ended early".into())));
        match (unpacked, got) {
            (Ok(done), Ok(())) => {
                done.notes.iter().for_each(|note| output.note(note));
                Ok(done.bytes)
            }
            // A pipe that nobody reads any more is why the other side ended.
            (Err(error), _) | (Ok(_), Err(error)) => Err(no(&error)),
        }
    })
}

pub fn export(arguments: &ExportArgs, place: &Place, output: &Output) -> Result {
    let record = place.find(&arguments.container, arguments.instance.as_deref())?;
    let to = &arguments.write;
    if to.as_os_str() == OsStr::new("-") {
        if stdout().is_terminal() {
            return Err(Failure::usage("a tar is nothing for a terminal").hint(format!("vpclab containers export {} -w {}.tar", record.name, record.name)));
        }
        place.engine.export(&record.id, stdout_of()?).map_err(|error| no(&error))?;
        return Ok(ExitCode::SUCCESS);
    }
    if to.exists() && !arguments.force {
        return Err(Failure::usage(format!("{} exists", to.display())).hint("--force writes over it"));
    }
    whole_file::put(to, |file| place.engine.export(&record.id, file).map_err(|error| no(&error)))?;
    output.line(format!("{} written: {}", to.display(), size(fs::metadata(to).map_or(0, |file| file.len()))));
    Ok(ExitCode::SUCCESS)
}

pub fn update(arguments: &UpdateArgs, place: &Place, output: &Output) -> Result {
    let read = || -> std::result::Result<Update, Error> {
        let limit = |bytes: u64| Some(bytes).filter(|bytes| *bytes > 0);
        Ok(Update {
            restart: arguments.restart.as_deref().map(words::restart).transpose()?,
            memory_bytes: arguments.memory.as_deref().map(|text| words::bytes("--memory", text).map(limit)).transpose()?,
            cpu_percent: match arguments.cpus.as_deref() {
                Some("0" | "0.0") => Some(None),
                text => text.map(words::cpus).transpose()?.map(Some),
            },
            processes: arguments.pids_limit.map(|most| u64::try_from(most).ok().filter(|most| *most > 0)),
        })
    };
    let update = read().map_err(|error| failed(&error))?;
    if update == Update::default() {
        return Err(Failure::usage("nothing is to be changed").hint("--restart, --memory, --cpus or --pids-limit"));
    }
    output.only(&[Format::Table, Format::Json])?;
    each(&arguments.names.containers, place, arguments.names.instance.as_deref(), output, |record| {
        let warnings = place.engine.update(&record.id, &update).map_err(|error| failed(&error))?;
        warnings.iter().for_each(|warning| output.note(format!("{}: {warning}", record.name)));
        Ok(None)
    })
}
