//! `images pull` and `images push`.

use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use container::limits::size;
use container::oci::Platform;
use container::registry::{self, Credentials, Event, Failure as Fault, Mirror, Progress, Settings, State};
use container::{Error, Image, Reference, Store};
use serde_json::json;

use super::{failure, known, platform, reference, summary};
use crate::exit::{Code, ENVIRONMENT, Failure, NO, Result, TIMEOUT};
use crate::output::{Format, Output};

/// Between two looks of a person at a number.
const REDRAW: Duration = Duration::from_millis(100);

/// `images pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// Name of the image, such as nginx, quay.io/a/b:1 or localhost:5000/web@sha256:…
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Which one, where there are several, such as linux/arm64; default: this machine's
    #[arg(long, value_name = "OS/ARCHITECTURE")]
    pub platform: Option<String>,
    /// Host that is asked before docker.io, or REGISTRY=HOST before another; may be given several times
    #[arg(long, value_name = "HOST", env = "VPCLAB_REGISTRY_MIRRORS", value_delimiter = ',')]
    pub mirror: Vec<String>,
    /// Take plain HTTP, and certificates that nobody vouches for; hosts of this machine may speak plain HTTP anyway
    #[arg(long)]
    pub insecure: bool,
}

/// `images push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// Name of an image that is here; it says where to, such as localhost:5000/web:1
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Take plain HTTP, and certificates that nobody vouches for; hosts of this machine may speak plain HTTP anyway
    #[arg(long)]
    pub insecure: bool,
}

pub(super) fn pull(store: &Store, arguments: &PullArgs, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json, Format::Name])?;
    let name = reference(&arguments.name)?;
    let mirror = |text: &String| text.trim().parse::<Mirror>().map_err(|why| Failure::usage(why).hint("--mirror mirror.example"));
    let mirrors = arguments.mirror.iter().filter(|text| !text.trim().is_empty()).map(mirror).collect::<Result<_>>()?;
    let settings = Settings {
        platform: arguments.platform.as_deref().map(platform).transpose()?,
        mirrors,
        is_insecure: arguments.insecure,
        credentials: credentials()?,
        ..Settings::default()
    };
    let watch = Watch::new("pulling", output);
    let pulled = registry::pull(store, &name, &settings, &watch).map_err(|error| told(&error, &name))?;
    drop(watch);
    let image = &pulled.image;
    match output.format {
        Format::Json => {
            let mut value = summary(image);
            value["name"] = json!(pulled.name.to_string());
            value["digest"] = json!(pulled.digest);
            value["source"] = json!(pulled.source);
            value["new"] = json!(pulled.is_new);
            output.json(&value)?;
        }
        Format::Name => output.line(pulled.name.familiar()),
        _ if !pulled.is_new => output.line(format!("{} is up to date: {}", pulled.name.familiar(), image.id.short())),
        _ => {
            let layers = if image.layers.len() == 1 { "1 layer".to_owned() } else { format!("{} layers", image.layers.len()) };
            let from = if pulled.source == name.registry { String::new() } else { format!(" from {}", pulled.source) };
            output.line(format!(
                "pulled {}{from}: {}, {layers}, {}",
                pulled.name.familiar(),
                image.id.short(),
                size(image.bytes())
            ));
        }
    }
    if settings.platform.is_none() && !Platform::host().runs(&image.platform()) {
        output.note(format!("it is for {}, and this machine is {}", image.platform(), Platform::host()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Pulls an image that a container is to be made of.
pub fn bring(store: &Store, name: &str, output: &Output) -> Result<Image> {
    let name = reference(name)?;
    let settings = Settings { credentials: credentials()?, ..Settings::default() };
    output.note(format!("image {} is not here; it is pulled", name.familiar()));
    let watch = Watch::new("pulling", output);
    let pulled = registry::pull(store, &name, &settings, &watch).map_err(|error| told(&error, &name))?;
    drop(watch);
    Ok(pulled.image)
}

pub(super) fn push(store: &Store, arguments: &PushArgs, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json, Format::Name])?;
    let name = reference(&arguments.name)?;
    let settings = Settings { is_insecure: arguments.insecure, credentials: credentials()?, ..Settings::default() };
    let watch = Watch::new("pushing", output);
    let pushed = registry::push(store, &name, &settings, &watch).map_err(|error| match &error {
        Error::NoImage(_) => known(store, &arguments.name, &error),
        _ => told(&error, &name),
    })?;
    drop(watch);
    let by_digest = Reference { tag: None, digest: Some(pushed.digest), ..name.clone() };
    match output.format {
        Format::Json => {
            let mut value = summary(&pushed.image);
            value["name"] = json!(name.to_string());
            value["digest"] = json!(pushed.digest);
            value["sent"] = json!(pushed.sent);
            value["there"] = json!(pushed.there);
            output.json(&value)?;
        }
        Format::Name => output.line(by_digest.familiar()),
        _ => {
            let there = if pushed.there > 0 { format!(", {} were there", pushed.there) } else { String::new() };
            output.line(format!("pushed {}: {} blobs sent{there}; {}", name.familiar(), pushed.sent, pushed.digest));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What `docker login` wrote.
pub(super) fn credentials() -> Result<Credentials> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")));
    let Some(path) = folder.map(|folder| folder.join("config.json")) else { return Ok(Credentials::default()) };
    Credentials::read(&path).map_err(|error| failure(&error).hint("DOCKER_CONFIG=FOLDER says where another one is"))
}

/// What a registry did wrong, with the exit code and what to type next.
fn told(error: &Error, name: &Reference) -> Failure {
    let Error::Registry(fault) = error else { return failure(error) };
    let (code, hint): (Code, Option<String>) = match fault {
        Fault::Unauthorized { helper: Some(helper), .. } => (
            ENVIRONMENT,
            Some(format!(
                "the credentials are kept by {helper}, and no helper is asked; write them into `auths` of ~/.docker/config.json"
            )),
        ),
        Fault::Unauthorized { registry, .. } => {
            let host = if registry == "docker.io" { String::new() } else { format!(" {registry}") };
            (ENVIRONMENT, Some(format!("docker login{host} writes ~/.docker/config.json, which is read here too")))
        }
        Fault::Denied { .. } => (ENVIRONMENT, None),
        Fault::Missing { .. } => {
            let hint = match &name.tag {
                Some(tag) if tag == "latest" => "without a tag `latest` is meant, which not every image has: NAME:TAG".to_owned(),
                _ => "is the name right, with its registry, such as quay.io/a/b:1?".to_owned(),
            };
            (NO, Some(hint))
        }
        Fault::Busy { .. } => {
            (ENVIRONMENT, Some("a login, or a mirror (--mirror HOST), may have other limits; what came is kept".into()))
        }
        Fault::Stalled { .. } => (TIMEOUT, Some("the same command goes on where it was; what came is kept".into())),
        Fault::CutOff { .. } | Fault::Status { status: 500.., .. } => {
            (ENVIRONMENT, Some("the same command goes on where it was; what came is kept".into()))
        }
        Fault::Unreachable { .. } => {
            (ENVIRONMENT, Some("is the host right, and does it listen? --mirror HOST asks another one first".into()))
        }
        Fault::Untrusted { .. } | Fault::Plain { .. } => (
            ENVIRONMENT,
            Some("SSL_CERT_FILE=FILE names an authority to trust; --insecure trusts anybody, and takes plain HTTP".into()),
        ),
        Fault::Status { .. } | Fault::Odd { .. } | Fault::GivenUp => (ENVIRONMENT, None),
    };
    Failure { code, message: error.to_string(), hint }
}

/// Shows on stderr how far it is: one line that changes on a terminal, a line for each layer elsewhere.
struct Watch<'a> {
    doing: &'static str,
    output: &'a Output,
    is_terminal: bool,
    state: Mutex<Shown>,
}

struct Shown {
    blobs: usize,
    done: usize,
    bytes: u64,
    got: u64,
    /// Of these it is known how long they took.
    moved: u64,
    began: Instant,
    drawn: Option<Instant>,
}

impl<'a> Watch<'a> {
    fn new(doing: &'static str, output: &'a Output) -> Watch<'a> {
        let state = Shown { blobs: 0, done: 0, bytes: 0, got: 0, moved: 0, began: Instant::now(), drawn: None };
        Watch { doing, output, is_terminal: stderr().is_terminal() && !output.is_quiet(), state: Mutex::new(state) }
    }

    /// Writes a line where the changing one is.
    fn line(&self, shown: &mut Shown, text: String) {
        if self.output.is_quiet() {
            return;
        }
        self.clear(shown);
        let _ = writeln!(stderr(), "{text}");
    }

    fn clear(&self, shown: &mut Shown) {
        if shown.drawn.take().is_some() {
            let _ = write!(stderr(), "\r\u{1b}[K");
        }
    }

    fn draw(&self, shown: &mut Shown, now: bool) {
        let is_due = shown.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW);
        if !self.is_terminal || shown.blobs == 0 || !(now || is_due) {
            return;
        }
        let seconds = shown.began.elapsed().as_secs_f64().max(0.001);
        let speed = size((shown.moved as f64 / seconds) as u64);
        let bytes = format!("{} of {}", size(shown.got.min(shown.bytes)), size(shown.bytes));
        let text = match self.doing {
            "pulling" if shown.done == shown.blobs => format!("unpacking {}", size(shown.bytes)),
            doing => format!("{doing}: {} of {} blobs, {bytes}, {speed}/s", shown.done, shown.blobs),
        };
        let _ = write!(stderr(), "\r{text}\u{1b}[K");
        let _ = stderr().flush();
        shown.drawn = Some(Instant::now());
    }
}

impl Progress for Watch<'_> {
    fn event(&self, event: Event) {
        let mut shown = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begins { blobs, bytes } => {
                (shown.blobs, shown.bytes) = (blobs, bytes);
                (shown.done, shown.got, shown.moved, shown.began) = (0, 0, 0, Instant::now());
                self.draw(&mut shown, true);
            }
            Event::Bytes { count, .. } => {
                shown.got += count;
                shown.moved += count;
                self.draw(&mut shown, false);
            }
            Event::Blob { state: State::Missing, .. } => {}
            Event::Blob { digest, size: bytes, state } => {
                let (is_end, text) = match state {
                    State::Missing => (false, String::new()),
                    State::There => (self.doing == "pushing", "is there".to_owned()),
                    State::Waits => (false, "is brought by another command, which is waited for".to_owned()),
                    State::Resumes(from) => {
                        shown.got += from;
                        (false, format!("goes on at {}", size(from)))
                    }
                    State::Done => (true, size(bytes)),
                };
                if is_end {
                    shown.done += 1;
                }
                if !self.is_terminal || state == State::Waits {
                    self.line(&mut shown, format!("{}: {text}", digest.short()));
                }
                self.draw(&mut shown, true);
            }
            Event::Again { why, wait } => {
                self.line(&mut shown, format!("note: {why}; once more in {:.1} s", wait.as_secs_f64()));
            }
            Event::Elsewhere { why, next } => self.line(&mut shown, format!("note: {why}; {next} is asked")),
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut shown = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.clear(&mut shown);
    }
}
