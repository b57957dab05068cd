//! Engines held against each other: random clouds by seed, the same probes through every engine, and every difference
//! cut down to what it needs.
//!
//! [`clouds`] writes lab files, [`ipv6`] and [`transit`] more of a cloud ([`beyond`] what lab files have no words for), [`probes`] chooses what to send so that every verdict and stage has its share, [`tally`]
//! counts what decided, [`shrink`] makes a difference small, [`round`] does many clouds at a time. A seed stands for one cloud and its probes, whatever the
//! seeds before it were.

pub mod beyond;
pub mod clouds;
pub mod ipv6;
pub mod probes;
pub mod round;
pub mod shrink;
pub mod tally;
pub mod transit;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use fabric::engine::{Answer, EngineError, Outcome, Request};
use fabric::{Component, Engine, Fabric};
use lab::Files;
use model::{Context, Model, Timestamp};
use serde::Serialize;

use crate::engine::{EngineName, StartError};
use probes::Named;
use tally::Tally;

pub use round::{Report, Round};

/// An engine under test, by how a fresh one starts.
pub struct Contender<'a> {
    /// Its name in reports.
    pub name: &'a str,
    /// Starts a fresh one, in whatever thread.
    pub start: Box<dyn Fn() -> Result<Box<dyn Engine>, StartError> + Send + Sync + 'a>,
}

impl Contender<'static> {
    /// One of the engines that there are.
    pub fn of(engine: EngineName) -> Self {
        Self { name: engine.as_str(), start: Box::new(move || engine.start()) }
    }
}

/// Why a round ends early.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FuzzError {
    /// This machine lacks what an engine needs.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The generator wrote what is no lab, or an engine refused a whole cloud.
    #[error("seed {seed}: {reason}")]
    Cloud {
        /// The cloud.
        seed: u64,
        /// Why.
        reason: String,
    },
}

/// A cloud that was made of a lab file.
pub struct Cloud {
    /// The state.
    pub model: Arc<Model>,
    /// What is compiled from it.
    pub fabric: Arc<Fabric>,
}

/// The lab file of a seed, IPv6 and transit gateways included.
pub fn lab_of(seed: u64) -> String {
    let mut text = clouds::lab(seed);
    let ipv6 = ipv6::lines(seed, &text);
    text.push_str(&ipv6);
    transit::extended(seed, text)
}

struct One<'a>(&'a str);

impl Files for One<'_> {
    fn read(&self, name: &str, _: Option<&str>) -> Result<(String, String), String> {
        Ok((name.to_owned(), self.0.to_owned()))
    }
}

impl Cloud {
    /// The cloud of a lab file. Errors: what the file's reader says.
    pub fn of(text: &str, seed: u64) -> Result<Self, String> {
        let lab = lab::load("lab.yaml", &One(text)).map_err(|e| e.to_string())?;
        let mut model = Model::new("000000000000", lab.region(), Context::seeded(seed, Timestamp::default()));
        lab.apply(&mut model).map_err(|e| e.to_string())?;
        let model = beyond::dress(model, text)?;
        let fabric = Arc::new(Fabric::compile(&model));
        Ok(Self { model: Arc::new(model), fabric })
    }
}

/// What one engine said of one probe, in the words in which engines are compared: the outcome, the leg of a loss and the
/// addresses of an arrival (the port that a NAT gateway takes is its own choice, NAT-12), and the component if it names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The outcome.
    pub outcome: String,
    /// Where.
    pub at: Option<Component>,
}

impl Told {
    fn of(answer: &Result<Answer, EngineError>) -> Self {
        let (outcome, at) = match answer {
            Err(error) => (format!("error: {error}"), None),
            Ok(Answer { outcome, .. }) => match outcome {
                Outcome::Allowed(arrival) => (format!("allowed, seen as {} > {}", arrival.source, arrival.destination), None),
                Outcome::Dropped(drop) => (format!("dropped on the {:?} leg", drop.leg), drop.at),
                Outcome::Refused { at } => ("refused".to_owned(), *at),
                Outcome::Observed(seen) => (format!("{seen:?}"), None),
            },
        };
        Self { outcome, at }
    }

    /// Whether two engines say the same; an engine that names no component (Linux where it neither counts nor logs a
    /// loss) does not contradict one that does.
    fn agrees(&self, other: &Self) -> bool {
        self.outcome == other.outcome && (self.at.is_none() || other.at.is_none() || self.at == other.at)
    }

    /// The sentence without names and addresses: differences that share it have likely one cause.
    fn kind(&self) -> String {
        let outcome = self.outcome.split([',', ':']).next().unwrap_or_default();
        let at = format!("{:?}", self.at);
        format!("{outcome} {}", at.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default())
    }

    fn line(&self, fabric: &Fabric) -> String {
        let at = self.at.map_or_else(String::new, |at| format!(" at {}", at.label(fabric)));
        format!("{}{at}", self.outcome)
    }
}

/// One probe of which two engines say different things.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The cloud's seed.
    pub seed: u64,
    /// The lab file, as small as it became.
    pub lab: String,
    /// The probe.
    pub probe: Named,
    /// What each engine says: its name, and the sentence.
    pub said: Vec<(String, String)>,
    /// What became of it.
    pub fate: Fate,
    kind: String,
}

/// What became of a difference when it was looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// The probe alone shows it on fresh engines; the lab is cut down.
    CutDown,
    /// It needs the probes before it; the lab is the whole one.
    NeedsOthers,
    /// Asked again, alone and with all others, the engines agreed; the lab is the whole one.
    NotSeenAgain,
    /// One of its kind was cut down already; the lab is the whole one.
    LikeAnother,
}

impl Fate {
    fn remark(self) -> Option<&'static str> {
        match self {
            Self::CutDown => None,
            Self::NeedsOthers => Some("only after the probes before it; the lab is the whole one"),
            Self::NotSeenAgain => Some("asked again, they agree: an engine that wavers, or a machine with too much to do"),
            Self::LikeAnother => Some("one of this kind is cut down already; the lab is the whole one"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.probe)?;
        for (engine, sentence) in &self.said {
            writeln!(f, "  {engine}: {sentence}")?;
        }
        match self.fate.remark() {
            Some(remark) => writeln!(f, "  {remark}"),
            None => Ok(()),
        }
    }
}

/// Two engines at odds over a probe: each one's sentence, and what all such quarrels have in common.
pub(crate) struct Quarrel {
    said: Vec<(String, String)>,
    kind: String,
}

/// Sends the probes through each contender and says what each told, probe by probe.
fn told(cloud: &Cloud, seed: u64, requests: &[Request], contenders: &[Contender<'_>]) -> Result<Vec<Vec<Told>>, FuzzError> {
    let mut all = Vec::new();
    for contender in contenders {
        let mut engine = (contender.start)()?;
        let broken = |reason: String| FuzzError::Cloud { seed, reason: format!("{}: {reason}", contender.name) };
        engine.apply(&cloud.model, &cloud.fabric).map_err(|e| broken(e.to_string()))?;
        let answers = engine.probe_all(requests);
        if answers.len() != requests.len() {
            return Err(broken(format!("{} answers to {} probes", answers.len(), requests.len())));
        }
        all.push(answers.iter().map(Told::of).collect());
    }
    Ok(all)
}

/// What each contender says where two of them differ.
fn quarrel(cloud: &Cloud, told: &[Vec<Told>], index: usize, contenders: &[Contender<'_>]) -> Option<Quarrel> {
    let said: Vec<&Told> = told.iter().map(|answers| &answers[index]).collect();
    let agree = said.iter().enumerate().all(|(i, one)| said[i + 1..].iter().all(|other| one.agrees(other)));
    let named = || contenders.iter().zip(&said);
    (!agree).then(|| Quarrel {
        said: named().map(|(c, said)| (c.name.to_owned(), said.line(&cloud.fabric))).collect(),
        kind: named().map(|(c, said)| format!("{} {}; ", c.name, said.kind())).collect(),
    })
}

/// What is seen on the cloud of a seed: its text, the quarrels by probe, and what the proof engine says decided there.
struct Sight {
    text: String,
    chosen: Vec<Named>,
    quarrels: Vec<(usize, Quarrel)>,
    tally: Tally,
}

fn look(seed: u64, probes: usize, contenders: &[Contender<'_>]) -> Result<Sight, FuzzError> {
    let text = lab_of(seed);
    let cloud = Cloud::of(&text, seed).map_err(|reason| FuzzError::Cloud { seed, reason: format!("{reason}\n{text}") })?;
    let (chosen, tally) = probes::choose(&cloud, seed, probes)?;
    let requests: Vec<Request> = chosen.iter().filter_map(|probe| probe.request(&cloud.fabric)).collect();
    if requests.len() != chosen.len() {
        return Err(FuzzError::Cloud { seed, reason: "a probe names what is not there".to_owned() });
    }
    let told = told(&cloud, seed, &requests, contenders)?;
    let quarrels = (0..chosen.len()).filter_map(|index| Some((index, quarrel(&cloud, &told, index, contenders)?)));
    let quarrels = quarrels.collect();
    Ok(Sight { text, chosen, quarrels, tally })
}

/// The quarrels of a cloud as differences; one of each kind that `known` lacks is cut down.
fn differences(seed: u64, sight: Sight, contenders: &[Contender<'_>], known: &mut BTreeSet<String>) -> Vec<Difference> {
    let mut again = None;
    let mut found = Vec::new();
    for (index, Quarrel { said, kind }) in sight.quarrels {
        let (probe, lab) = (sight.chosen[index].clone(), sight.text.clone());
        let mut whole = Difference { seed, lab, probe, said, fate: Fate::LikeAnother, kind };
        if known.contains(&whole.kind) {
            found.push(whole);
            continue;
        }
        if let Some(small) = shrink::shrink(&whole, contenders) {
            known.insert(whole.kind);
            found.push(small);
            continue;
        }
        let again = again.get_or_insert_with(|| look(seed, sight.chosen.len(), contenders));
        let stays = again.as_ref().is_ok_and(|again| again.quarrels.iter().any(|(other, _)| *other == index));
        whole.fate = if stays { Fate::NeedsOthers } else { Fate::NotSeenAgain };
        found.push(whole);
    }
    found
}

/// The differences on the cloud of one seed, one of a kind cut down, and what the proof engine says decided there.
pub fn lab(seed: u64, probes: usize, contenders: &[Contender<'_>]) -> Result<(Vec<Difference>, Tally), FuzzError> {
    let sight = look(seed, probes, contenders)?;
    let tally = sight.tally.clone();
    Ok((differences(seed, sight, contenders, &mut BTreeSet::new()), tally))
}

/// What each engine says of one probe alone on a lab, where two of them differ.
pub fn differ(text: &str, seed: u64, probe: &Named, contenders: &[Contender<'_>]) -> Option<Vec<(String, String)>> {
    differ_alone(text, seed, probe, contenders).map(|quarrel| quarrel.said)
}

/// What engines say of one probe alone on a lab, if the lab is legal, the probe's ends are there and two of them differ.
pub(crate) fn differ_alone(text: &str, seed: u64, probe: &Named, contenders: &[Contender<'_>]) -> Option<Quarrel> {
    let cloud = Cloud::of(text, seed).ok()?;
    let request = probe.request(&cloud.fabric)?;
    let told = told(&cloud, seed, &[request], contenders).ok()?;
    quarrel(&cloud, &told, 0, contenders)
}
