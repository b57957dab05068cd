//! How often what was decided: agreement on nothing but one kind of loss would say little.

use std::collections::BTreeMap;
use std::fmt;

use fabric::engine::{Answer, Drop, EngineError, Leg, Outcome};
use fabric::Stage;
use serde::Serialize;

/// Least share of the lost probes that each stage decides, in percent.
pub const LEAST_STAGE: f64 = 1.0;
/// Least share of the probes that each verdict has, in percent.
pub const LEAST_VERDICT: f64 = 20.0;

/// What `why` calls the fate of a request and its reply. A refusal is an answer: the network let both legs pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub enum Verdict {
    /// Both legs arrive.
    Allowed,
    /// The request is lost.
    Denied,
    /// The reply is lost.
    OneWay,
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Self; 3] = [Self::Allowed, Self::Denied, Self::OneWay];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "ALLOWED",
            Self::Denied => "DENIED",
            Self::OneWay => "ONE-WAY",
        }
    }
}

/// Verdict and losing stage of an answer that has them.
pub fn decided(answer: &Result<Answer, EngineError>) -> Option<(Verdict, Option<Stage>)> {
    match &answer.as_ref().ok()?.outcome {
        Outcome::Allowed(_) | Outcome::Refused { .. } => Some((Verdict::Allowed, None)),
        Outcome::Dropped(Drop { leg, reason, .. }) => {
            let verdict = if *leg == Leg::Forward { Verdict::Denied } else { Verdict::OneWay };
            Some((verdict, reason.as_ref().map(|reason| reason.stage)))
        }
        Outcome::Observed(_) => None,
    }
}

/// Probes by verdict, and lost ones by the stage that lost them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// By verdict.
    pub verdicts: BTreeMap<Verdict, usize>,
    /// By stage.
    pub stages: BTreeMap<Stage, usize>,
}

impl Tally {
    /// Counts one.
    pub fn count(&mut self, verdict: Verdict, stage: Option<Stage>) {
        *self.verdicts.entry(verdict).or_default() += 1;
        if let Some(stage) = stage {
            *self.stages.entry(stage).or_default() += 1;
        }
    }

    /// Takes over another's counts.
    pub fn add(&mut self, other: Self) {
        other.verdicts.into_iter().for_each(|(verdict, count)| *self.verdicts.entry(verdict).or_default() += count);
        other.stages.into_iter().for_each(|(stage, count)| *self.stages.entry(stage).or_default() += count);
    }

    /// All probes.
    pub fn probes(&self) -> usize {
        self.verdicts.values().sum()
    }

    /// Share of a verdict among the probes, in percent.
    pub fn verdict(&self, verdict: Verdict) -> f64 {
        percent(self.verdicts.get(&verdict).copied().unwrap_or(0), self.probes())
    }

    /// Share of a stage among the lost probes, in percent.
    pub fn stage(&self, stage: Stage) -> f64 {
        percent(self.stages.get(&stage).copied().unwrap_or(0), self.stages.values().sum())
    }

    /// What has less than its share; stages of [`unreached`] have none.
    pub fn too_rare(&self) -> Vec<String> {
        let verdicts = Verdict::ALL.into_iter().map(|v| (v.as_str().to_owned(), self.verdict(v), LEAST_VERDICT));
        let stages = Stage::ALL.into_iter().filter(|stage| unreached(*stage).is_none());
        let stages = stages.map(|stage| (format!("{stage:?}"), self.stage(stage), LEAST_STAGE));
        let rare = verdicts.chain(stages).filter(|(_, share, least)| share < least);
        rare.map(|(what, share, least)| format!("{what}: {share:.2} % of at least {least} %")).collect()
    }
}

fn percent(count: usize, of: usize) -> f64 {
    100.0 * count as f64 / of.max(1) as f64
}

/// Why no probe of a round is lost at this stage; `None` = one can be.
pub fn unreached(stage: Stage) -> Option<&'static str> {
    match stage {
        Stage::VpnGateway => Some("lab files have no virtual private gateway, and the linux engine runs none"),
        _ => None,
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} probes", self.probes())?;
        for verdict in Verdict::ALL {
            let count = self.verdicts.get(&verdict).copied().unwrap_or(0);
            writeln!(f, "  {:<26} {count:>8} {:>6.2} %", verdict.as_str(), self.verdict(verdict))?;
        }
        writeln!(f, "{} of them lost, by what lost them", self.stages.values().sum::<usize>())?;
        for stage in Stage::ALL {
            let count = self.stages.get(&stage).copied().unwrap_or(0);
            match (count, unreached(stage)) {
                (0, Some(why)) => writeln!(f, "  {:<26} not reached: {why}", format!("{stage:?}"))?,
                _ => writeln!(f, "  {:<26} {count:>8} {:>6.2} %", format!("{stage:?}"), self.stage(stage))?,
            }
        }
        Ok(())
    }
}
