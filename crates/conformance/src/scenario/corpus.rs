//! Files together: scenarios in the order of the text, topologies with their bases merged in.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::fields::Fields;
use super::markdown::{Block, blocks};
use super::step::{Step, StepDelta, deltas};
use super::topology::Topology;
use super::yaml::{Node, parse};

/// Everything read from the given files.
#[derive(Debug, Clone, Default)]
pub struct Corpus {
    /// Scenarios, file by file.
    pub scenarios: Vec<Scenario>,
    topologies: BTreeMap<String, Vec<Written>>,
}

/// A topology as one file has it: file, line, and what could be read.
type Written = (String, u32, Result<Topology, Fault>);

/// A file that could not be read at all.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct LoadError {
    /// The file.
    pub path: String,
    /// Why.
    pub error: std::io::Error,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as it was given.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What a scenario is about; decides which engines serve it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `packet`
    Packet,
    /// `ipv6`
    Ipv6,
    /// `api`
    Api,
    /// `dns`
    Dns,
    /// `imds`
    Imds,
    /// `l2`
    L2,
    /// `flowlog`
    FlowLog,
    /// `analyzer`
    Analyzer,
    /// `iam`
    Iam,
}

impl Kind {
    /// All kinds with their words.
    pub const WORDS: [(&'static str, Self); 9] = [
        ("packet", Self::Packet),
        ("ipv6", Self::Ipv6),
        ("api", Self::Api),
        ("dns", Self::Dns),
        ("imds", Self::Imds),
        ("l2", Self::L2),
        ("flowlog", Self::FlowLog),
        ("analyzer", Self::Analyzer),
        ("iam", Self::Iam),
    ];

    /// The word in scenarios.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// What the expected verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// AWS's documents.
    Aws,
    /// Third parties' observation.
    Observed,
    /// This project's decision.
    Decision,
}

/// One scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its id, or its place if it has none.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What it is about; `packet` when it could not be read that far.
    pub kind: Kind,
    /// Where it stands.
    pub place: Place,
    /// What it does, or why it cannot.
    pub body: Result<Body, Fault>,
}

/// What a scenario does.
#[derive(Debug, Clone, PartialEq)]
pub struct Body {
    /// The topology, by name.
    pub base: String,
    /// What the expected verdict rests on.
    pub basis: Basis,
    /// Changes to the topology.
    pub deltas: Vec<StepDelta>,
    /// Steps; a scenario without `steps` has one.
    pub steps: Vec<Step>,
    /// The component and reason, for people.
    pub decides: String,
}

impl Corpus {
    /// Reads files and, for folders, the `.md` files below them in order of their paths.
    pub fn load(paths: &[PathBuf]) -> Result<Self, LoadError> {
        let mut corpus = Self::default();
        for path in paths {
            for file in files(path).map_err(|error| LoadError { path: path.display().to_string(), error })? {
                let name = file.display().to_string();
                let text = std::fs::read_to_string(&file).map_err(|error| LoadError { path: name.clone(), error })?;
                corpus.add(&name, &text);
            }
        }
        Ok(corpus)
    }

    /// Adds the text of one file.
    pub fn add(&mut self, file: &str, markdown: &str) {
        for block in blocks(markdown) {
            match parse(&block.text, block.first_line) {
                Ok(node) if is_topology(&node) => self.add_topology(file, &node),
                Ok(node) => self.scenarios.push(Scenario::read(file, &node)),
                Err(fault) => self.add_unreadable(file, &block, fault),
            }
        }
    }

    /// A topology with its bases merged in; `near` is preferred when several files have one of the name.
    ///
    /// Errors: nobody has the name, several differ, the text is faulty, or the chain of bases is a circle.
    pub fn topology(&self, name: &str, near: &str) -> Result<Topology, String> {
        let mut chain = vec![];
        let (mut next, mut near) = (Some(name.to_owned()), near.to_owned());
        while let Some(name) = next {
            let (file, topology) = self.find(&name, &near)?;
            if chain.iter().any(|t: &Topology| t.name == name) {
                return Err(format!("topology `{name}` extends itself"));
            }
            (next, near) = (topology.extends.clone(), file.to_owned());
            chain.push(topology.clone());
        }
        Ok(chain.into_iter().rev().reduce(|base, over| over.over(base)).unwrap_or_default())
    }

    fn find(&self, name: &str, near: &str) -> Result<(&str, &Topology), String> {
        let all = self.topologies.get(name).map_or(&[][..], Vec::as_slice);
        let here: Vec<_> = all.iter().filter(|(file, ..)| file == near).collect();
        let candidates = if here.is_empty() { all.iter().collect() } else { here };
        let Some((file, line, first)) = candidates.first() else { return Err(format!("there is no topology `{name}`")) };
        let place = |file: &str, line: u32| Place { file: file.to_owned(), line };
        if let Some((other, at, _)) = candidates.iter().find(|(_, _, t)| !same(t, first)) {
            return Err(format!("topology `{name}` differs between {} and {}", place(file, *line), place(other, *at)));
        }
        match first {
            Ok(topology) => Ok((file, topology)),
            Err(fault) => Err(format!("topology `{name}`: {}: {fault}", place(file, fault.line))),
        }
    }

    fn add_topology(&mut self, file: &str, node: &Node) {
        let name = node.map().and_then(|entries| entries.iter().find(|(key, _)| key.text == "topology"));
        let name = name.and_then(|(_, node)| node.text()).unwrap_or_default();
        self.topologies.entry(name).or_default().push((file.to_owned(), node.line, Topology::read(node)));
    }

    /// A block that is not YAML: its first lines still tell what it wanted to be.
    fn add_unreadable(&mut self, file: &str, block: &Block, fault: Fault) {
        let value = |key: &str| {
            let line = block.text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            line.map(|rest| rest.trim().to_owned())
        };
        if let Some(name) = value("topology") {
            self.topologies.entry(name).or_default().push((file.to_owned(), block.first_line, Err(fault)));
            return;
        }
        let place = Place { file: file.to_owned(), line: block.first_line };
        let kind = value("kind").and_then(|word| kind(&word)).unwrap_or(Kind::Packet);
        let (id, title) = (value("id").unwrap_or_else(|| place.to_string()), value("title").unwrap_or_default());
        self.scenarios.push(Scenario { id, title, kind, place, body: Err(fault) });
    }
}

/// Whether two readings of a topology say the same, lines apart.
fn same(a: &Result<Topology, Fault>, b: &Result<Topology, Fault>) -> bool {
    match (a, b) {
        (Ok(a), Ok(b)) => a.without_lines() == b.without_lines(),
        (a, b) => a == b,
    }
}

fn is_topology(node: &Node) -> bool {
    node.map().is_some_and(|entries| entries.iter().any(|(key, _)| key.text == "topology"))
}

fn kind(word: &str) -> Option<Kind> {
    Kind::WORDS.iter().find(|(w, _)| *w == word).map(|(_, kind)| *kind)
}

fn files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries: Vec<_> = std::fs::read_dir(path)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        if entry.is_dir() || entry.extension().is_some_and(|e| e == "md") {
            found.extend(files(&entry)?);
        }
    }
    Ok(found)
}

impl Scenario {
    fn read(file: &str, node: &Node) -> Self {
        let scalar = |key: &str| node.map()?.iter().find(|(k, _)| k.text == key)?.1.text();
        let place = Place { file: file.to_owned(), line: node.line };
        Self {
            id: scalar("id").unwrap_or_else(|| place.to_string()),
            title: scalar("title").unwrap_or_default(),
            kind: scalar("kind").and_then(|word| kind(&word)).unwrap_or(Kind::Packet),
            body: Body::read(node),
            place,
        }
    }
}

impl Body {
    fn read(node: &Node) -> Result<Self, Fault> {
        let f = Fields::of(node, "scenario")?;
        f.need_text("id")?;
        f.text("title")?;
        if let Some(word) = f.text("kind")?
            && kind(&word).is_none()
        {
            return Err(Fault::new(node.line, format!("unknown kind `{word}`")));
        }
        let basis = match f.text("basis")?.as_deref() {
            None | Some("aws") => Basis::Aws,
            Some("observed") => Basis::Observed,
            Some("decision") => Basis::Decision,
            Some(other) => return Err(Fault::new(node.line, format!("unknown basis `{other}`"))),
        };
        let (base, decides) = (f.need_text("base")?, f.text("decides")?.unwrap_or_default());
        f.texts("rules")?;
        let deltas = deltas(f.get("delta"), "delta")?;
        let steps = match (f.get("steps"), f.get("probe")) {
            (Some(steps), None) if !f.has("expect") => {
                super::fields::list(steps, "steps")?.iter().map(Step::read).collect::<Result<Vec<_>, _>>()?
            }
            (None, Some(probe)) => {
                let step = Step {
                    line: probe.line,
                    t: None,
                    deltas: Vec::new(),
                    action: super::Action::Probe(Box::new(super::probe::Probe::read(probe)?)),
                    expect: super::Expectation::read(f.need("expect")?, false)?,
                };
                step.check()?;
                vec![step]
            }
            _ => return Err(Fault::new(node.line, "a scenario has `probe` with `expect`, or `steps`")),
        };
        f.finish()?;
        if steps.is_empty() {
            return Err(Fault::new(node.line, "`steps` is empty"));
        }
        let mut now = 0;
        for step in &steps {
            match step.t {
                Some(t) if t < now => return Err(Fault::new(step.line, format!("time runs backwards from {now} to {t}"))),
                t => now = t.unwrap_or(now),
            }
        }
        Ok(Self { base, basis, deltas, steps, decides })
    }
}
