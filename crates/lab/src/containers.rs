//! What containers of a lab file say of each other: volumes and names that must exist, ports that are taken, who waits for
//! whom; and the files beside the lab file that they name.

use std::collections::{BTreeMap, BTreeSet};

use model::container::{
    ImageSource, LEAST_MEMORY, MOST_PUBLISHED, MountSource, PortMapping, PortProtocol, Readiness, collisions, dependency_circle, name_problem, reference_problem,
};

use crate::code::Code;
use crate::decode::Named;
use crate::diagnostic::{Diagnostic, known_names};
use crate::file::{Container, HealthCommand, ImagePhrase, Instance, LabFile};
use crate::load::Files;
use crate::source::{Located, Sources, Span};

/// Most bytes of a file of `env_file`: every copy of a container has all of it.
const MAX_ENVIRONMENT: usize = 16 * 1024;

/// What the lab file's containers name beside it, by the file that names it and the path as written.
#[derive(Debug, Clone, Default)]
pub struct ContainerFiles {
    /// Where files and folders are for whoever runs the lab.
    pub paths: BTreeMap<(u32, String), String>,
    /// Variables of files of `env_file`.
    pub environment: BTreeMap<(u32, String), Vec<(String, String)>>,
}

/// Finds and reads what containers and images name.
pub(crate) fn read(file: &LabFile, files: &dyn Files, sources: &Sources, problems: &mut Vec<Diagnostic>) -> ContainerFiles {
    let mut read = ContainerFiles::default();
    let from = |span: Span| sources.source(span.file).map(|source| source.name.as_str());
    fn place_in(read: &mut ContainerFiles, path: &str, span: Span, files: &dyn Files, from: Option<&str>) {
        read.paths.entry((span.file, path.to_owned())).or_insert_with(|| files.place(path, from));
    }
    let place = |read: &mut ContainerFiles, path: &str, span: Span| place_in(read, path, span, files, from(span));
    for (_, image) in file.images.iter() {
        match &image.source {
            ImageSource::Archive(path) | ImageSource::Build(path) => place(&mut read, path, image.span),
            ImageSource::BuildWith(build) => place(&mut read, &build.context, image.span),
            ImageSource::Pull(_) => {}
        }
    }
    for (name, image) in file.images.iter() {
        problems.extend(missing(&name.value, image, &read, files));
    }
    let containers = || file.instances.iter().flat_map(|(_, instance)| instance.containers.iter());
    for mount in containers().flat_map(|(_, container)| &container.mounts.0) {
        if let MountSource::Bind { path } = &mount.mount.source {
            place(&mut read, path, mount.source);
        }
    }
    for path in containers().flat_map(|(_, container)| &container.env_file.0) {
        let key = (path.span.file, path.value.clone());
        if read.environment.contains_key(&key) {
            continue;
        }
        let variables = match files.read(&path.value, from(path.span)) {
            Ok((_, text)) if text.len() <= MAX_ENVIRONMENT => variables(&text).map_err(|(line, why)| format!("{}:{line}: {why}", path.value)),
            Ok((_, text)) => Err(format!("{} has {} bytes; it has at most {MAX_ENVIRONMENT}", path.value, text.len())),
            Err(why) => Err(format!("{}: {why}", path.value)),
        };
        let variables = variables.unwrap_or_else(|message| {
            let problem = Diagnostic::new(Code::BadEnvironment, path.span, message).label("cannot be used");
            problems.push(problem.hint("one NAME=VALUE a line; lines that begin with `#` are comments"));
            Vec::new()
        });
        read.environment.insert(key, variables);
    }
    read
}

/// What an image is made of and is not there.
fn missing(name: &str, image: &ImagePhrase, read: &ContainerFiles, files: &dyn Files) -> Option<Diagnostic> {
    let place = |path: &str| read.paths.get(&(image.span.file, path.to_owned())).cloned().unwrap_or_else(|| path.to_owned());
    let problem = |what: String| Some(Diagnostic::new(Code::BadImage, image.span, what).label("not found"));
    if let ImageSource::Archive(path) = &image.source {
        return if files.is_there(&place(path)) { None } else { problem(format!("image `{name}`: there is no {path}")) };
    }
    let build = image.source.build()?;
    let context = place(&build.context);
    if !files.is_there(&context) {
        return problem(format!("image `{name}`: there is no folder {}", build.context));
    }
    let dockerfile = build.dockerfile.as_deref().unwrap_or("Dockerfile");
    if files.is_there(&format!("{context}/{dockerfile}")) {
        return None;
    }
    let hint = match build.dockerfile {
        Some(_) => "`dockerfile` is counted from the context",
        None => "another name is said so: `build: { context: DIR, dockerfile: NAME }`",
    };
    problem(format!("image `{name}`: there is no {dockerfile} in {}", build.context)).map(|problem| problem.hint(hint))
}

/// `NAME=VALUE` lines as `docker run --env-file` reads them: values as they stand, quotes and all. Errors: line and reason.
fn variables(text: &str) -> Result<Vec<(String, String)>, (usize, String)> {
    let mut all = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once('=') {
            Some((name, _)) if name.is_empty() || name.contains(char::is_whitespace) => {
                return Err((number, format!("`{name}` cannot be the name of a variable")));
            }
            Some((name, value)) => all.push((name.to_owned(), value.to_owned())),
            None => return Err((number, format!("`{line}` has no value"))),
        }
    }
    Ok(all)
}

/// Notes what cannot be together. What `like` copies is said once: messages name no instance.
pub(crate) fn check(file: &LabFile, problems: &mut Vec<Diagnostic>) {
    let names = file.volumes.iter().map(|(name, _)| (name, "volume")).chain(file.images.iter().map(|(name, _)| (name, "image")));
    for (name, what) in names {
        problems.extend(bad_name(name, what));
    }
    let volumes: BTreeSet<&str> = file.volumes.names().collect();
    for (name, instance) in file.instances.iter() {
        if instance.containers.0.is_empty() {
            continue;
        }
        for (name, container) in instance.containers.iter() {
            one(name, container, &volumes, problems);
        }
        ports(instance, problems);
        dependencies(name, file, &instance.containers, problems);
    }
}

fn bad_name(name: &Located<String>, what: &str) -> Option<Diagnostic> {
    let why = name_problem(&name.value).or_else(|| (what == "image").then(|| reference_problem(&name.value)).flatten())?;
    Some(Diagnostic::new(Code::BadName, name.span, why).label(format!("no name of a{} {what}", if what == "image" { "n" } else { "" })))
}

/// What is wrong with a container whatever stands beside it.
fn one(name: &Located<String>, container: &Container, volumes: &BTreeSet<&str>, problems: &mut Vec<Diagnostic>) {
    let bad = |span: Span, message: String| Diagnostic::new(Code::BadContainer, span, message);
    problems.extend(bad_name(name, "container"));
    if container.image.is_none() {
        let problem = Diagnostic::new(Code::MissingKey, name.span, format!("container `{}` has no image", name.value));
        problems.push(problem.label("`image` is missing").hint("such as `image: nginx`"));
    }
    let mut targets: BTreeMap<&str, Span> = BTreeMap::new();
    for mount in &container.mounts.0 {
        let target = mount.mount.target.trim_end_matches('/');
        if let Some(first) = targets.insert(target, mount.target) {
            let problem = Diagnostic::new(Code::BadMount, mount.target, format!("something is mounted at `{target}` already"));
            problems.push(problem.label("again").other(first, "first"));
        }
        if let MountSource::Volume { name, .. } = &mount.mount.source
            && !volumes.contains(name.as_str())
        {
            let known = known_names(name, "volume", volumes.iter().copied());
            let hint = match known.starts_with("this lab has no") {
                true => format!("declare it at the top of the file: `volumes: {{ {name}: {{}} }}`; a folder beside the file is `./{name}`"),
                false => known,
            };
            let problem = Diagnostic::new(Code::UnknownVolume, mount.source, format!("no volume is called `{name}`"));
            problems.push(problem.label("not found").hint(hint));
        }
    }
    if let Some(path) = container.working_dir.as_ref().filter(|path| !path.value.starts_with('/')) {
        problems.push(bad(path.span, format!("the working directory `{}` is not absolute", path.value)).label("begins with `/`"));
    }
    if let Some(host) = &container.hostname {
        let fine = |part: &str| !part.is_empty() && part.len() <= 63 && !part.starts_with('-') && !part.ends_with('-');
        let letters = host.value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
        if !letters || host.value.len() > 253 || !host.value.split('.').all(fine) {
            problems.push(bad(host.span, format!("`{}` is not a host name", host.value)).label("letters, digits and `-`").hint("such as `hostname: db`"));
        }
    }
    if let Some(user) = &container.user {
        let parts: Vec<&str> = user.value.split(':').collect();
        let fine = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$'));
        if parts.len() > 2 || !parts.iter().all(fine) {
            problems.push(bad(user.span, format!("`{}` is not a user", user.value)).label("USER[:GROUP]").hint("such as `user: www-data`, or `user: \"1000:1000\"`"));
        }
    }
    if let Some(signal) = &container.stop_signal {
        let word = signal.value.to_ascii_uppercase();
        let word = word.strip_prefix("SIG").unwrap_or(&word);
        if !is_signal(word) {
            problems.push(bad(signal.span, format!("`{}` is not a signal", signal.value)).label("unknown").hint("such as SIGTERM, SIGQUIT, SIGINT, or its number"));
        }
    }
    if let Some(memory) = container.memory.as_ref().filter(|memory| memory.value.0 < LEAST_MEMORY) {
        let problem = Diagnostic::new(Code::OutOfRange, memory.span, "too little memory for a container").label("at least 6m");
        problems.push(problem.hint("Docker's limit too: no program starts in less"));
    }
    for limit in [&container.pids].into_iter().flatten().filter(|limit| limit.value == 0) {
        problems.push(Diagnostic::new(Code::OutOfRange, limit.span, "with a limit of nothing, nothing runs").label("from 1"));
    }
    if let Some(size) = container.shm_size.as_ref().filter(|size| size.value.0 == 0) {
        problems.push(Diagnostic::new(Code::OutOfRange, size.span, "with a limit of nothing, nothing runs").label("more than 0"));
    }
    networks(container, problems);
    if let Some(check) = &container.healthcheck {
        if let Some(interval) = check.interval.as_ref().filter(|interval| interval.value.0 == 0) {
            let problem = Diagnostic::new(Code::OutOfRange, interval.span, "a health check without a pause would never end").label("at least 1ms");
            problems.push(problem);
        }
        if let Some(HealthCommand::None(span)) = &check.cmd
            && [&check.interval, &check.timeout, &check.start_period].into_iter().any(Option::is_some)
        {
            problems.push(Diagnostic::new(Code::Conflict, *span, "nothing is checked, and there is a time to check in").label("none"));
        }
    }
}

/// Linux's signals below the real-time ones (signal(7)), by name or number.
fn is_signal(word: &str) -> bool {
    const SIGNALS: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT",
        "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    SIGNALS.contains(&word) || word.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number)) || word.starts_with("RTMIN") || word.starts_with("RTMAX")
}

fn networks(container: &Container, problems: &mut Vec<Diagnostic>) {
    let bad = |span: Span, message: String| Diagnostic::new(Code::BadContainer, span, message);
    let all = &container.networks.0;
    let is_mode = |name: &str| matches!(name, "host" | "none" | "bridge") || name.starts_with("container:");
    for name in all {
        let word = name.value.as_str();
        if is_mode(word) && all.len() > 1 {
            problems.push(Diagnostic::new(Code::Conflict, name.span, format!("`{word}` stands alone: there is no other network beside it")).label("alone"));
        }
        if !is_mode(word) && let Some(why) = name_problem(word) {
            problems.push(bad(name.span, why).label("no network").hint("a name, or host, none, bridge, container:NAME"));
        }
    }
    let alone = all.first().filter(|name| is_mode(&name.value) && name.value != "bridge");
    if let (Some(mode), Some(published)) = (alone, container.publish.0.first()) {
        let why = match mode.value.as_str() {
            "host" => "its ports are the instance's own already",
            "none" => "nothing leads to it",
            _ => "the other container publishes for both",
        };
        let problem = Diagnostic::new(Code::Conflict, published.span, format!("in network `{}` no port can be published: {why}", mode.value));
        problems.push(problem.label("not here").other(mode.span, "the network"));
    }
}

/// No port of an instance has two that want it.
fn ports(instance: &Instance, problems: &mut Vec<Diagnostic>) {
    let own = instance.listen.0.iter().flat_map(|phrase| {
        phrase.listeners.iter().map(|listener| (PortMapping::of_listener(*listener), phrase.span, None))
    });
    let theirs = instance.containers.iter().flat_map(|(name, container)| {
        container.publish.0.iter().map(move |phrase| (phrase.mapping, phrase.span, Some(name.value.as_str())))
    });
    let theirs: Vec<_> = theirs.collect();
    if let Some((_, span, _)) = theirs.get(MOST_PUBLISHED) {
        let message = format!("an instance publishes at most {MOST_PUBLISHED} ports or ranges");
        problems.push(Diagnostic::new(Code::OutOfRange, *span, message).label("one too many").hint("a range is one: `8000-9000`"));
        return;
    }
    let all: Vec<_> = own.chain(theirs).collect();
    let mappings: Vec<PortMapping> = all.iter().map(|(mapping, ..)| *mapping).collect();
    for (first, second) in collisions(&mappings) {
        let (mapping, span, Some(_)) = all[second] else { continue };
        let (_, place, holder) = all[first];
        let word = if mapping.protocol == PortProtocol::Udp { "udp" } else { "tcp" };
        let what = format!("{word}/{}", mapping.host);
        let problem = match holder {
            Some(holder) => Diagnostic::new(Code::PortTaken, span, format!("{what} of the instance is taken by container `{holder}`"))
                .hint("the number before the arrow is the instance's: `8081->80` leads another one there"),
            None => Diagnostic::new(Code::PortTaken, span, format!("the instance listens on {what} itself"))
                .hint("take it out of `listen`: a published port is a listener by itself"),
        };
        problems.push(problem.label("taken").other(place, "by this"));
    }
}

/// Who waits for whom, and who shares whose network.
fn dependencies(instance: &Located<String>, file: &LabFile, containers: &Named<Container>, problems: &mut Vec<Diagnostic>) {
    let mut waits: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, container) in containers.iter() {
        let own = waits.entry(name.value.as_str()).or_default();
        let shared = container.networks.0.iter().filter_map(|network| {
            let other = network.value.strip_prefix("container:")?;
            Some((other, network.span.part(network.value.len() - other.len(), network.value.len())))
        });
        let awaited = container.depends_on.0.iter().map(|(other, _)| (other.value.as_str(), other.span));
        for (other, span) in awaited.chain(shared) {
            own.insert(other);
            if containers.get(other).is_some() {
                continue;
            }
            let elsewhere = file.instances.iter().find(|(name, i)| name.value != instance.value && i.containers.get(other).is_some());
            let hint = match elsewhere {
                Some((home, _)) => format!("`{other}` is a container of `{}`: only containers of one instance can wait for each other", home.value),
                None => match known_names(other, "container", containers.names().filter(|known| *known != name.value)) {
                    none if none.starts_with("this lab") => "it is the only container of its instance".to_owned(),
                    known => known,
                },
            };
            let problem = Diagnostic::new(Code::UnknownContainer, span, format!("no container here is called `{other}`"));
            problems.push(problem.label("not found").hint(hint));
        }
        for (other, readiness) in &container.depends_on.0 {
            let check = containers.get(&other.value).and_then(|container| container.healthcheck.as_ref()?.cmd.as_ref());
            if let (Readiness::Healthy, Some(HealthCommand::None(place))) = (readiness, check) {
                let problem = Diagnostic::new(Code::Conflict, other.span, format!("`{}` is never healthy: nothing is checked", other.value));
                problems.push(problem.label("waits for ever").other(*place, "because of this").hint("wait for `started`, or give it a health check"));
            }
        }
    }
    if let Some(circle) = dependency_circle(&waits)
        && let Some(container) = containers.iter().find(|(name, _)| name.value == circle[0])
    {
        let next = container.1.depends_on.0.iter().find(|(other, _)| other.value == circle[1]).map(|(other, _)| other.span);
        let network = || container.1.networks.0.first().map(|network| network.span);
        let span = next.or_else(network).unwrap_or(container.0.span);
        let message = format!("containers wait for each other: {}", circle.join(" -> "));
        problems.push(Diagnostic::new(Code::DependencyCycle, span, message).label("leads back").hint("none of them could start first"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_file_is_read_as_docker_reads_it() {
        let text = "# comment\n\nA=1\n  B = two = 2\nC=\n";
        assert!(matches!(variables(text), Err((4, _))), "a name with a blank");
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(variables("# comment\n\nA=\"1\"\n  B=two = 2\nC=\n").unwrap(), [pair("A", "\"1\""), pair("B", "two = 2"), pair("C", "")]);
        assert!(matches!(variables("A"), Err((1, _))));
    }
}
