//! A compose file as a lab file: its services become containers of one instance. What cannot be said is listed, each thing with
//! the line that says it.

mod fields;
mod interpolate;
mod mounts;
mod ports;
mod service;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::source::{Sources, Span};
use crate::yaml::{self, Node, Value};

pub use interpolate::variables_of_file;

/// What is asked.
pub struct Request<'a> {
    /// What the compose file is called.
    pub name: &'a str,
    /// What is in it.
    pub text: &'a str,
    /// Variables: those of `.env`, below those of the environment.
    pub variables: BTreeMap<String, String>,
    /// The instance that gets the containers.
    pub instance: &'a str,
    /// What the lab is called where the file has no name of its own.
    pub lab: &'a str,
    /// Profiles that are on.
    pub profiles: &'a [String],
    /// Where paths of the compose file are, seen from the lab file: `.`, or a whole path.
    pub folder: &'a str,
    /// Only what belongs into a lab that there is.
    pub is_fragment: bool,
}

/// A lab file, and what it does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// The lab file.
    pub text: String,
    /// What the lab is called.
    pub lab: String,
    /// How many containers.
    pub containers: usize,
    /// What was not carried, by line.
    pub notes: Vec<Note>,
}

/// Something that the lab file does not say as the compose file does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Line of the compose file, from 1.
    pub line: u32,
    /// What of it.
    pub text: String,
}

/// Keys at the top that are read.
const TOP: [&str; 9] = ["configs", "include", "models", "name", "networks", "secrets", "services", "version", "volumes"];

/// Makes a lab file. Errors: what is no compose file, with lines and carets.
pub fn import(request: &Request) -> Result<Composed, Diagnostics> {
    let mut sources = Sources::default();
    let file = sources.add(request.name, request.text.to_owned());
    if request.text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        let place = Span { file, start: 0, end: 0 };
        let problem = Diagnostic::new(Code::BadContainer, place, "there is nothing in the compose file").label("empty");
        return Err(Diagnostics::new(sources, vec![problem.hint("it has `services:`")]));
    }
    let root = match yaml::parse(&sources, file) {
        Ok(root) => root,
        Err(problem) => return Err(Diagnostics::new(sources, vec![problem])),
    };
    let mut reading = Reading { request, sources: &sources, problems: Vec::new(), notes: BTreeSet::new() };
    let made = reading.whole(root);
    let (problems, notes) = (reading.problems, reading.notes);
    match made {
        Some((text, lab, containers)) if problems.is_empty() => Ok(Composed { text, lab, containers, notes: notes.into_iter().collect() }),
        _ => Err(Diagnostics::new(sources, problems)),
    }
}

/// Reads one file.
struct Reading<'a> {
    request: &'a Request<'a>,
    sources: &'a Sources,
    problems: Vec<Diagnostic>,
    notes: BTreeSet<Note>,
}

/// A thing with its lines of a lab file.
type Lines = Vec<(String, String)>;

impl Reading<'_> {
    fn problem(&mut self, span: Span, message: impl Into<String>, label: &str, hint: Option<String>) {
        self.problems.push(Diagnostic::new(Code::BadContainer, span, message).label(label).maybe_hint(hint));
    }

    fn note(&mut self, span: Span, text: impl Into<String>) {
        let line = self.sources.origin(span).line;
        self.notes.insert(Note { line, text: text.into() });
    }

    /// The entries of a mapping; anything else is a mistake.
    fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(&'n Node, &'n str, &'n Node)> {
        match &node.value {
            Value::Mapping(entries) => entries.iter().filter_map(|(key, value)| Some((key, key.text()?, value))).collect(),
            _ if node.is_null() => Vec::new(),
            _ => {
                self.problem(node.span, format!("{what} is a mapping"), "no mapping", None);
                Vec::new()
            }
        }
    }

    fn whole(&mut self, mut root: Node) -> Option<(String, String, usize)> {
        interpolate::merge(&mut root);
        self.interpolate(&mut root);
        let entries = self.entries(&root, "a compose file");
        let (mut name, mut services, mut volumes, mut networks) = (None, None, None, None);
        for (key, word, value) in entries {
            match word {
                "name" => name = value.text(),
                "services" => services = Some(value),
                "volumes" => volumes = Some(value),
                "networks" => networks = Some(value),
                "version" => {}
                "include" => self.problem(key.span, "`include` is not read", "another file", Some("docker compose config writes all of it into one".into())),
                "configs" | "secrets" | "models" if !value.is_null() => self.note(key.span, format!("`{word}` is not carried")),
                _ if word.starts_with("x-") || TOP.contains(&word) => {}
                _ => {
                    let hint = nearest(word, TOP).map(|near| format!("did you mean `{near}`?"));
                    self.problem(key.span, format!("`{word}` is not a key of compose files"), "unknown", hint);
                }
            }
        }
        let lab = name.map_or_else(|| self.request.lab.to_owned(), write::lab_name);
        let Some(services) = services else {
            if self.problems.is_empty() {
                self.problem(root.span, "the compose file has no services", "`services` is missing", None);
            }
            return None;
        };
        let volumes = self.volumes(volumes);
        let networks = self.networks(networks, &lab);
        let all = self.services(services, &volumes, &networks);
        if all.is_empty() && self.problems.is_empty() {
            self.problem(services.span, "no service is left", "all of them are of profiles", Some("--profile NAME takes them in".into()));
        }
        let text = write::file(self.request, &lab, &volumes, &all);
        Some((text, lab, all.len()))
    }

    /// Named volumes with their labels.
    fn volumes(&mut self, node: Option<&Node>) -> BTreeMap<String, Option<String>> {
        let mut all = BTreeMap::new();
        let Some(node) = node else { return all };
        for (key, name, value) in self.entries(node, "`volumes`") {
            if !write::is_key(name) {
                self.problem(key.span, format!("volume `{name}`: a lab file's names begin with a letter"), "not a name", None);
                continue;
            }
            let mut labels = None;
            for (key, word, value) in self.entries(value, "a volume") {
                match word {
                    "labels" => labels = self.settings("labels", value),
                    "driver" if value.text() == Some("local") => {}
                    "external" if value.text() == Some("true") => self.note(key.span, format!("volume {name}: `external` is not carried: the lab makes its own")),
                    "external" => {}
                    "name" => self.note(key.span, format!("volume {name}: its name outside is not carried: volumes belong to the lab")),
                    word if word.starts_with("x-") => {}
                    _ => self.note(key.span, format!("volume {name}: `{word}` is not carried")),
                }
            }
            all.insert(name.to_owned(), labels);
        }
        all
    }

    /// Networks by the name that services have for them: what they are called in the lab.
    fn networks(&mut self, node: Option<&Node>, lab: &str) -> BTreeMap<String, String> {
        let mut all = BTreeMap::from([("default".to_owned(), format!("{lab}_default"))]);
        let Some(node) = node else { return all };
        for (key, name, value) in self.entries(node, "`networks`") {
            let mut own = format!("{lab}_{name}");
            for (key, word, value) in self.entries(value, "a network") {
                match word {
                    "name" => own = value.text().unwrap_or(name).to_owned(),
                    "driver" if matches!(value.text(), Some("bridge" | "default")) => {}
                    "driver" => self.note(key.span, format!("network {name}: driver {} is not there, it is a bridge", value.text().unwrap_or_default())),
                    "external" if value.text() == Some("true") => self.note(key.span, format!("network {name}: `external` is not carried: the instance makes its own")),
                    "external" => {}
                    word if word.starts_with("x-") => {}
                    _ => self.note(key.span, format!("network {name}: `{word}` is not carried")),
                }
            }
            if let Some(why) = model::container::name_problem(&own) {
                self.problem(key.span, why, "no name of a network", None);
            }
            all.insert(name.to_owned(), own);
        }
        all
    }
}

#[cfg(test)]
mod tests;
