//! Containers of instances, volumes, and where images come from.

use std::net::IpAddr;

use model::container::{CAPABILITIES, ImageSource, PortMapping, Readiness, RestartPolicy, reference_problem};

use super::{Phrase, document};
use crate::code::Code;
use crate::decode::{Decode, Decoder, Named, OneOrMany, Pairs, Word};
use crate::diagnostic::{Diagnostic, nearest};
use crate::sentence::{Mount, SentenceError, parse_command, parse_cpus, parse_duration, parse_mount, parse_publish, parse_size};
use crate::source::{Located, Span};
use crate::yaml::{Node, Value};

document! {
    /// A container of an instance; one word is its image.
    Container: "a mapping such as `{ image: nginx, publish: 80 }`", short image {
        /// A name of `images:`, or a reference such as nginx:1.27.
        image: Option<Located<ImageName>>,
        /// Ports of the instance that lead to ports of the container: 8080->80, 80 (the same on both sides),
        /// 127.0.0.1:8080->80, 53->53/udp, ranges. Each is a listener of the instance for claims and probes, as `listen` is,
        /// unless its address is a loopback one.
        publish: OneOrMany<PublishPhrase>,
        /// Program and its first arguments, instead of the image's: a list of words, or one text.
        entrypoint: Option<CommandLine>,
        /// Arguments, or the program, instead of the image's: a list of words, or one text, cut as a shell cuts it.
        command: Option<CommandLine>,
        /// Environment: a mapping, or a list of NAME=VALUE.
        env: Settings,
        /// Files of NAME=VALUE lines, counted from the lab file; `env` and later files win.
        env_file: OneOrMany<Located<String>>,
        /// NAME:/path (a volume of `volumes:`), ./folder:/path:ro (of this machine, counted from the lab file),
        /// tmpfs:/path:size=64m, or /path alone (a volume that goes with the container).
        mounts: OneOrMany<MountPhrase>,
        /// Working directory. Default: the image's.
        working_dir: Option<Located<String>>,
        /// USER[:GROUP], by name or number. Default: the image's.
        user: Option<Located<String>>,
        /// Host name. Default: the container's id.
        hostname: Option<Located<String>>,
        /// Containers of this instance that come first: names, or NAME: started, healthy or completed.
        depends_on: Dependencies,
        /// What is run inside to find out its health: a mapping, a command line, or none.
        healthcheck: Option<HealthCheck>,
        /// Whether it is started again after it ended: no, on-failure, on-failure:3, always, unless-stopped. Default: no.
        restart: Option<Located<RestartPolicy>>,
        /// Most memory: 512m. At least 6m.
        memory: Option<Located<Bytes>>,
        /// Most processors: 0.5.
        cpus: Option<Located<Cpus>>,
        /// Most processes and threads.
        pids: Option<Located<u64>>,
        /// Size of /dev/shm. Default: 64m.
        shm_size: Option<Located<Bytes>>,
        /// Networks of the instance, by names in which containers know each other; or host, none, bridge, or
        /// container:NAME. Default: bridge (docker0).
        networks: OneOrMany<Located<String>>,
        /// Names for /etc/hosts, with an address each.
        extra_hosts: Pairs<Located<IpAddr>>,
        /// Whether its root file system is read-only. Default: false.
        read_only: Option<Located<bool>>,
        /// Capabilities beside Docker's fourteen: NET_ADMIN.
        cap_add: OneOrMany<Located<Capability>>,
        /// Capabilities of Docker's fourteen that it does not get; ALL.
        cap_drop: OneOrMany<Located<Capability>>,
        /// Whether it may do what the instance may do. Default: false.
        privileged: Option<Located<bool>>,
        /// Whether a small init is its first process. Default: false.
        init: Option<Located<bool>>,
        /// Whether it has a terminal. Default: false.
        tty: Option<Located<bool>>,
        /// Signal that asks it to end: SIGQUIT. Default: the image's, else SIGTERM.
        stop_signal: Option<Located<String>>,
        /// How long it may take to end. Default: 10s.
        stop_timeout: Option<Located<Milliseconds>>,
        /// Labels: a mapping, or a list of NAME=VALUE.
        labels: Settings,
    }
}

document! {
    /// How the health of a container is found out.
    HealthCheck: "a command line, none, or a mapping such as `{ cmd: mysqladmin ping, interval: 2s }`", short cmd {
        /// A line for the container's shell, or a list of words that needs none; 0 is healthy. Default: the image's.
        cmd: Option<HealthCommand>,
        /// Time between two checks. Default: 30s.
        interval: Option<Located<Milliseconds>>,
        /// Time after which a check has failed. Default: 30s.
        timeout: Option<Located<Milliseconds>>,
        /// Failures in a row that make it unhealthy. Default: 3.
        retries: Option<Located<u32>>,
        /// Time from its start in which failures do not count. Default: none.
        start_period: Option<Located<Milliseconds>>,
    }
}

document! {
    /// A volume of the lab: containers of any instance may mount it, and it outlives them.
    #[schemars(transform = super::schema::OrNothing)]
    Volume: "nothing, or a mapping such as `{ labels: { of: shop } }`" {
        /// Labels: a mapping, or a list of NAME=VALUE.
        labels: Settings,
    }
}

/// A name of `images:` or a reference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageName(pub String);

impl Word for ImageName {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let text = decoder.text(node)?;
        if let Some(why) = reference_problem(&text) {
            let lower = text.to_ascii_lowercase();
            let hint = match reference_problem(&lower) {
                None => format!("did you mean `{lower}`?"),
                _ => "such as `nginx`, `nginx:1.27` or `quay.io/team/app:2`".to_owned(),
            };
            decoder.problem(Diagnostic::new(Code::BadImage, node.span, why).label("not an image").hint(hint));
        }
        // One that is wrong has been said to be so; it is not missing as well.
        Some(Self(text))
    }
}

/// Reads a text by a function of `sentence`.
pub(super) fn phrase<T>(node: &Node, decoder: &mut Decoder, parse: impl Fn(&str) -> Result<T, SentenceError>) -> Option<T> {
    let phrase = Phrase::new(node, decoder.sources)?;
    match parse(phrase.text) {
        Ok(value) => Some(value),
        Err(error) => {
            let problem = phrase.problem(error);
            decoder.problem(problem);
            None
        }
    }
}

/// `8080->80` in a `publish` list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishPhrase {
    /// The mapping.
    pub mapping: PortMapping,
    /// Where it stands.
    pub span: Span,
}

impl Decode for PublishPhrase {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if let Some(text) = base_60(node) {
            let (host, container) = text.split_once(':').unwrap_or((text, text));
            let message = format!("`{text}` is not text: YAML 1.1 reads it as a number in base 60");
            decoder.problem(
                Diagnostic::new(Code::SexagesimalForText, node.span, message)
                    .label("base 60?")
                    .hint(format!("with an arrow it is a port: `{host}->{container}`")),
            );
            return None;
        }
        decoder.scalar(node, "a port such as `8080->80`")?;
        Some(Self { mapping: phrase(node, decoder, parse_publish)?, span: node.span })
    }
}

/// `22:22` without quotes.
fn base_60(node: &Node) -> Option<&str> {
    let Value::Scalar { text, plain: true } = &node.value else { return None };
    let (a, b) = text.split_once(':')?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (digits(a) && digits(b) && b.parse::<u32>().is_ok_and(|b| b < 60)).then_some(text)
}

/// `db-data:/var/lib/mysql` in a `mounts` list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPhrase {
    /// The mount; the path of a bind mount is as it is written.
    pub mount: Mount,
    /// Where its source stands.
    pub source: Span,
    /// Where its target stands.
    pub target: Span,
}

impl Decode for MountPhrase {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if let Value::Mapping(entries) = &node.value
            && let [(key, value)] = entries.as_slice()
            && let (Some(source), Some(target)) = (key.text(), value.text())
            && target.starts_with('/')
        {
            let message = "the space after the colon makes a mapping of this mount";
            let problem = Diagnostic::new(Code::SpaceAfterColon, node.span, message).label("one text");
            decoder.problem(problem.hint(format!("no space inside: `{source}:{target}`")));
            return None;
        }
        decoder.scalar(node, "a mount such as `db-data:/var/lib/mysql`")?;
        let mount = phrase(node, decoder, parse_mount)?;
        let place = Phrase::new(node, decoder.sources)?;
        Some(Self { source: place.place(mount.source_range.clone()), target: place.place(mount.target_range.clone()), mount })
    }
}

/// A command: words, or one text cut into words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine(pub Vec<String>);

impl Decode for CommandLine {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if matches!(node.value, Value::Sequence(_)) {
            return Vec::<Located<String>>::decode(node, decoder).map(|words| Self(words.into_iter().map(|word| word.value).collect()));
        }
        decoder.scalar(node, "a command line, or a list of words").and(Some(()))?;
        decoder.text(node)?;
        phrase(node, decoder, parse_command).map(Self)
    }
}

/// What a health check runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthCommand {
    /// Nothing.
    None(Span),
    /// A line for a shell.
    Shell(String),
    /// Words.
    Exec(Vec<String>),
}

impl Decode for HealthCommand {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if !matches!(node.value, Value::Sequence(_)) {
            decoder.scalar(node, "a command line, or a list of words")?;
            let line = decoder.text(node)?;
            if line.trim().is_empty() {
                let problem = Diagnostic::new(Code::BadCommand, node.span, "a command line without words").label("empty");
                decoder.problem(problem.hint("`healthcheck: none` checks nothing"));
                return None;
            }
            return Some(if line == "none" { Self::None(node.span) } else { Self::Shell(line) });
        }
        let words = Vec::<Located<String>>::decode(node, decoder)?;
        let mut words: Vec<String> = words.into_iter().map(|word| word.value).collect();
        // As a Dockerfile and compose have it: the first word says how the others are run.
        match words.first().map(String::as_str) {
            Some("NONE") => Some(Self::None(node.span)),
            Some("CMD-SHELL") if words.len() == 2 => words.pop().map(Self::Shell),
            Some("CMD") if words.len() > 1 => Some(Self::Exec(words.split_off(1))),
            Some("CMD" | "CMD-SHELL") | None => {
                let problem = Diagnostic::new(Code::BadCommand, node.span, "a health check without a command").label("what is run?");
                decoder.problem(problem.hint("such as `cmd: mysqladmin ping`, or `[mysqladmin, ping]`"));
                None
            }
            Some(_) => Some(Self::Exec(words)),
        }
    }
}

/// Names and values: a mapping, or a list of `NAME=VALUE`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(pub Vec<(Located<String>, Located<String>)>);

impl Decode for Settings {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let problem = |span, message: String| Diagnostic::new(Code::BadEnvironment, span, message);
        let Value::Sequence(items) = &node.value else {
            let pairs = Pairs::<Located<String>>::decode(node, decoder)?.0;
            for (name, _) in pairs.iter().filter(|(name, _)| name.value.is_empty() || name.value.contains(['=', '\0'])) {
                decoder.problem(problem(name.span, format!("`{}` cannot be a name", name.value)).label("no `=` in a name"));
            }
            return Some(Self(pairs));
        };
        let mut all: Vec<(Located<String>, Located<String>)> = Vec::new();
        let mut known = std::collections::BTreeMap::new();
        for item in items {
            decoder.scalar(item, "NAME=VALUE");
            let Some(phrase) = Phrase::new(item, decoder.sources).filter(|_| !item.is_null()) else { continue };
            let text = phrase.text;
            let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                let lacks = problem(item.span, format!("`{text}` has no value")).label("NAME=VALUE");
                decoder.problem(lacks.hint(format!("a lab file says all values itself: `{text}=…`")));
                continue;
            };
            let (own, rest) = (phrase.place(0..name.len()), phrase.place(name.len() + 1..text.len()));
            if let Some(first) = known.insert(name.to_owned(), own) {
                decoder.problem(problem(own, format!("`{name}` is given twice")).label("again").other(first, "first"));
            }
            all.push((Located::new(name.to_owned(), own), Located::new(value.to_owned(), rest)));
        }
        Some(Self(all))
    }
}

/// Which containers come first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies(pub Vec<(Located<String>, Readiness)>);

const READY: [(&str, Readiness); 6] = [
    ("started", Readiness::Started),
    ("healthy", Readiness::Healthy),
    ("completed", Readiness::Completed),
    // Compose's words.
    ("service_started", Readiness::Started),
    ("service_healthy", Readiness::Healthy),
    ("service_completed_successfully", Readiness::Completed),
];

document! {
    /// Compose's form of a condition.
    Condition: "started, healthy or completed" {
        /// started, healthy or completed.
        condition: Option<Located<Readiness>>,
    }
}

impl Word for Readiness {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let (text, _) = decoder.scalar(node, "started, healthy or completed")?;
        let found = READY.iter().find(|(word, _)| *word == text).map(|(_, ready)| *ready);
        if found.is_none() {
            let near = nearest(text, READY.iter().map(|(word, _)| *word)).map(|near| format!("did you mean `{near}`?"));
            let problem = Diagnostic::new(Code::NotAChoice, node.span, format!("nothing is waited for by the word `{text}`"));
            decoder.problem(problem.label("not understood").hint(near.unwrap_or_else(|| "started, healthy or completed".to_owned())));
        }
        found
    }
}

impl Decode for Dependencies {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            let names = OneOrMany::<Located<String>>::decode(node, decoder)?.0;
            return Some(Self(names.into_iter().map(|name| (name, Readiness::Started)).collect()));
        };
        let mut all = Vec::new();
        for (key, value) in entries {
            let name = decoder.text(key).map(|name| Located::new(name, key.span));
            let readiness = match &value.value {
                Value::Mapping(_) => Condition::decode(value, decoder).and_then(|c| c.condition).map(|c| c.value),
                _ if value.is_null() => Some(Readiness::Started),
                _ => Readiness::read(value, decoder),
            };
            all.extend(name.map(|name| (name, readiness.unwrap_or_default())));
        }
        Some(Self(all))
    }
}

impl Word for RestartPolicy {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        const WORDS: [&str; 4] = ["no", "on-failure", "always", "unless-stopped"];
        let (text, _) = decoder.scalar(node, "no, on-failure, always or unless-stopped")?;
        match text.split_once(':') {
            // `no` is a boolean to YAML 1.1: whoever writes false means the same.
            None if matches!(text, "no" | "false") => return Some(Self::No),
            None if text == "on-failure" => return Some(Self::OnFailure { retries: None }),
            None if text == "always" => return Some(Self::Always),
            None if text == "unless-stopped" => return Some(Self::UnlessStopped),
            Some(("on-failure", retries)) if let Ok(retries) = retries.parse::<u32>() => {
                return Some(Self::OnFailure { retries: Some(retries).filter(|retries| *retries > 0) });
            }
            _ => {}
        }
        let hint = match (text, nearest(text, WORDS)) {
            ("true" | "yes" | "on", _) => "did you mean `always`?".to_owned(),
            ("never" | "none" | "off", _) => "did you mean `no`?".to_owned(),
            (_, Some(near)) => format!("did you mean `{near}`?"),
            _ => "no, on-failure, on-failure:3, always, unless-stopped".to_owned(),
        };
        let problem = Diagnostic::new(Code::NotAChoice, node.span, format!("`{text}` is not a restart policy"));
        decoder.problem(problem.label("not understood").hint(hint));
        None
    }
}

/// A capability, without `CAP_`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capability(pub String);

impl Word for Capability {
    fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let (text, _) = decoder.scalar(node, "a capability such as NET_ADMIN")?;
        let upper = text.to_ascii_uppercase();
        let word = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if CAPABILITIES.contains(&word) {
            return Some(Self(word.to_owned()));
        }
        let near = nearest(word, CAPABILITIES).map(|near| format!("did you mean `{near}`?"));
        let problem = Diagnostic::new(Code::NotAChoice, node.span, format!("`{text}` is not a capability")).label("unknown");
        decoder.problem(problem.hint(near.unwrap_or_else(|| "such as NET_ADMIN; man 7 capabilities lists them".to_owned())));
        None
    }
}

macro_rules! quantities {
    ($($(#[$meta:meta])* $name:ident($parse:ident, $what:literal);)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name(pub u64);

        impl Word for $name {
            fn read(node: &Node, decoder: &mut Decoder) -> Option<Self> {
                decoder.scalar(node, $what)?;
                phrase(node, decoder, $parse).map(Self)
            }
        }
    )*};
}

quantities! {
    /// A time in milliseconds.
    Milliseconds(parse_duration, "a duration such as `2s`");
    /// A size in bytes.
    Bytes(parse_size, "a size such as `512m`");
    /// Billionths of a processor.
    Cpus(parse_cpus, "a number of processors such as `0.5`");
}

/// Where an image comes from: `pull REF`, `archive PATH` or `build DIR`. Paths are as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImagePhrase {
    /// From where.
    pub source: ImageSource,
    /// Where it stands.
    pub span: Span,
}

impl Decode for ImagePhrase {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        const FORM: &str = "pull REFERENCE, archive PATH or build DIR";
        if matches!(node.value, Value::Mapping(_)) {
            return image_mapping(node, decoder);
        }
        let (text, _) = decoder.scalar(node, FORM)?;
        let phrase = Phrase::new(node, decoder.sources)?;
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        let end = text.trim_end().len();
        let place = phrase.place(end - rest.len()..end);
        let bad = |span, message: String| Diagnostic::new(Code::BadImage, span, message);
        let source = match word {
            "pull" | "archive" | "build" if rest.is_empty() => {
                let what = if word == "pull" { "a reference such as `nginx:1.27`" } else { "a path" };
                decoder.problem(bad(node.span, format!("after `{word}` comes {what}")).label("what?").hint(format!("an image comes by {FORM}")));
                return None;
            }
            "pull" => match reference_problem(rest) {
                None => ImageSource::Pull(rest.to_owned()),
                Some(why) => {
                    decoder.problem(bad(place, why).label("not a reference").hint("such as `pull nginx:1.27`"));
                    return None;
                }
            },
            "archive" => ImageSource::Archive(rest.to_owned()),
            "build" => ImageSource::Build(rest.to_owned()),
            _ => {
                let near = nearest(word, ["pull", "archive", "build"]).filter(|_| !rest.is_empty());
                let hint = match near {
                    Some(near) => format!("did you mean `{near} {rest}`?"),
                    None if rest.is_empty() && reference_problem(text).is_none() => format!("from a registry: `pull {text}`"),
                    None => format!("an image comes by {FORM}"),
                };
                decoder.problem(bad(node.span, format!("`{text}` does not say how the image comes")).label("not understood").hint(hint));
                return None;
            }
        };
        Some(Self { source, span: node.span })
    }
}

/// `{ build: DIR }`, `{ build: { context: DIR, … } }`, `{ archive: PATH }` or `{ pull: REFERENCE }`.
fn image_mapping(node: &Node, decoder: &mut Decoder) -> Option<ImagePhrase> {
    let written = ImageWritten::decode(node, decoder)?;
    let ways = [written.build.is_some(), written.archive.is_some(), written.pull.is_some()];
    if ways.iter().filter(|way| **way).count() != 1 {
        let problem = Diagnostic::new(Code::BadImage, node.span, "an image comes in one way").label("which one?");
        decoder.problem(problem.hint("one of `build: ./web`, `archive: web.tar` and `pull: nginx:1.27`"));
        return None;
    }
    if let Some(reference) = written.pull {
        if let Some(why) = reference_problem(&reference.value) {
            decoder.problem(Diagnostic::new(Code::BadImage, reference.span, why).label("not a reference").hint("such as `pull: nginx:1.27`"));
            return None;
        }
        return Some(ImagePhrase { source: ImageSource::Pull(reference.value), span: node.span });
    }
    if let Some(path) = written.archive {
        return Some(ImagePhrase { source: ImageSource::Archive(path.value), span: path.span });
    }
    let build = written.build?;
    let Some(context) = build.context else {
        let problem = Diagnostic::new(Code::MissingKey, node.span, "the build has no context").label("`context` is missing");
        decoder.problem(problem.hint("the folder with its files: `build: { context: ./web }`"));
        return None;
    };
    let source = match build.dockerfile.is_none() && build.target.is_none() && build.args.0.is_empty() {
        true => ImageSource::Build(context.value),
        false => ImageSource::BuildWith(model::container::ImageBuild {
            context: context.value,
            dockerfile: build.dockerfile.map(|name| name.value),
            arguments: build.args.0.into_iter().map(|(name, value)| (name.value, value.value)).collect(),
            target: build.target.map(|stage| stage.value),
        }),
    };
    Some(ImagePhrase { source, span: context.span })
}

document! {
    /// Where an image comes from: one of the three.
    ImageWritten: "a mapping such as `{ build: ./web }`" {
        /// A build: its folder, or a mapping with more.
        build: Option<ImageBuildWritten>,
        /// An archive of docker save or OCI, or the tar of a root file system.
        archive: Option<Located<String>>,
        /// A reference of a registry.
        pull: Option<Located<String>>,
    }
}

document! {
    /// A build; one word is its context.
    ImageBuildWritten: "a folder, or a mapping such as `{ context: ./web, target: app }`", short context {
        /// Folder of its files, counted from the lab file.
        context: Option<Located<String>>,
        /// The Dockerfile, counted from the context. Default: Dockerfile.
        dockerfile: Option<Located<String>>,
        /// Values of its ARGs: a mapping, or a list of NAME=VALUE.
        args: Settings,
        /// The stage to build. Default: the last one.
        target: Option<Located<String>>,
    }
}

/// Containers of one instance.
pub type Containers = Named<Container>;
