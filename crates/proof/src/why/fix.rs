//! Changes that make a packet allowed: found by taking one blocker after another away on copies of the cloud, each proved
//! by asking again, and counted by what else they open.

use std::collections::VecDeque;

use fabric::Fabric;
use fabric::engine::EngineError;
use fabric::walker::Verdict;
use model::Model;

use super::ask::{Answer, ask, is_circle};
use super::candidate::{Blocked, Breadth, Candidate};
use super::edit::Edit;
use super::view::{EditText, Fix};
use super::words::Cloud;
use super::{Asker, Question, exposure, leg};
use crate::atom::Atoms;

/// Changes that are made together at most.
const MOST_CHANGES: usize = 5;
/// Clouds that are asked at most while looking.
const MOST_ASKED: usize = 160;
/// Fixes whose exposure is counted.
const MOST_COUNTED: usize = 10;
/// Fixes that are told.
const MOST_TOLD: usize = 5;

/// A cloud with some changes made.
struct Changed {
    model: Model,
    edits: Vec<Edit>,
    breadth: Option<Breadth>,
}

impl Asker<'_> {
    /// Fixes of a packet that is not allowed: fewest changes first, then least exposure.
    pub(super) fn fixes(
        &self,
        question: &Question,
        answer: &Answer,
    ) -> Result<Vec<Fix>, EngineError> {
        let mut found = self.search(question, answer)?;
        found.sort_by_key(|changed| (changed.edits.len(), changed.breadth));
        found.truncate(MOST_COUNTED);
        let before = self.reach();
        let mut fixes: Vec<Fix> = Vec::new();
        for changed in found {
            let both = before.and_then(|before| {
                let (fabric, reach) = exposure::proved(&changed.model, self.options)?;
                let (old, new) = ((self.fabric, before), (&fabric, &reach));
                let opens = exposure::opened(old, new, question);
                Some((opens, exposure::opened(new, old, question)))
            });
            let (opens, closes) = both.unzip();
            fixes.push(Fix {
                edits: self.texts(&changed.edits),
                changes: changed.edits,
                opens,
                closes: closes.filter(|closes| closes.pairs > 0),
            });
        }
        let pairs = |fix: &Fix| fix.opens.as_ref().map_or(usize::MAX, |opens| opens.pairs);
        fixes.sort_by_key(|fix| (fix.edits.len(), pairs(fix)));
        fixes.truncate(MOST_TOLD);
        Ok(fixes)
    }

    /// Each change told in the cloud in which those before it are made.
    fn texts(&self, edits: &[Edit]) -> Vec<EditText> {
        let mut model = self.model.clone();
        let mut texts = Vec::new();
        for edit in edits {
            let fabric = Fabric::compile(&model);
            let cloud = Cloud {
                model: &model,
                fabric: &fabric,
            };
            texts.push(edit.text(&cloud));
            // It was made before on the same cloud.
            if edit.apply(&mut model).is_err() {
                break;
            }
        }
        texts
    }

    /// Breadth first, so that a fix with fewer changes is found before one with more.
    fn search(&self, question: &Question, answer: &Answer) -> Result<Vec<Changed>, EngineError> {
        let mut found: Vec<Changed> = Vec::new();
        let mut queue = VecDeque::from([Changed {
            model: self.model.clone(),
            edits: Vec::new(),
            breadth: None,
        }]);
        let mut asked = 0;
        while let Some(at) = queue.pop_front() {
            let fabric = Fabric::compile(&at.model);
            let here = match at.edits.is_empty() {
                true => None,
                false => Some(self.ask(&at.model, &fabric, question)?),
            };
            let here = here.as_ref().unwrap_or(answer);
            let candidates = self.candidates(&at, &fabric, question, here);
            for candidate in candidates {
                if asked == MOST_ASKED {
                    return Ok(minimal(found));
                }
                let edits: Vec<Edit> = at.edits.iter().chain(&candidate.edits).cloned().collect();
                if edits.len() > MOST_CHANGES {
                    continue;
                }
                let mut model = at.model.clone();
                if candidate
                    .edits
                    .iter()
                    .any(|edit| edit.apply(&mut model).is_err())
                {
                    continue;
                }
                asked += 1;
                let compiled = Fabric::compile(&model);
                let Ok(then) = self.ask(&model, &compiled, question) else {
                    continue;
                };
                let changed = Changed {
                    edits,
                    breadth: Some(
                        at.breadth
                            .map_or(candidate.breadth, |b| b.max(candidate.breadth)),
                    ),
                    model,
                };
                if then.explanation.verdict == Verdict::Allowed {
                    found.push(changed);
                } else if is_progress(
                    (&at.model, &fabric, here),
                    (&changed.model, &compiled, &then),
                ) {
                    queue.push_back(changed);
                }
            }
        }
        Ok(minimal(found))
    }

    fn ask(
        &self,
        model: &Model,
        fabric: &Fabric,
        question: &Question,
    ) -> Result<Answer, EngineError> {
        let atoms = Atoms::of(fabric, self.options.ephemeral);
        ask(model, fabric, question, atoms.reply_ports())
    }

    /// Changes that may take the first blocker away; of the breadth of those made before where there are such.
    fn candidates(
        &self,
        at: &Changed,
        fabric: &Fabric,
        question: &Question,
        answer: &Answer,
    ) -> Vec<Candidate> {
        // What else a packet in a circle meets, it meets only because it is in one.
        let mut blocking = answer.blocking();
        blocking.sort_by_key(|(reason, ..)| !is_circle(reason));
        let Some((reason, _, leg)) = blocking.into_iter().next() else {
            return Vec::new();
        };
        let way = match leg {
            leg::Direction::Request => Some(&answer.explanation.request),
            leg::Direction::Reply => answer.explanation.reply.as_ref(),
        };
        let Some(way) = way else { return Vec::new() };
        let blocked = Blocked {
            cloud: answer.world(&at.model, fabric),
            question,
            way,
            leg,
            reason,
            ephemeral: self.options.ephemeral,
        };
        let mut candidates = blocked.candidates();
        let Some(wanted) = at.breadth else {
            return candidates;
        };
        let same = candidates.iter().map(|candidate| candidate.breadth);
        let below = same.clone().filter(|breadth| *breadth <= wanted).max();
        if let Some(breadth) = below.or(same.min()) {
            candidates.retain(|candidate| candidate.breadth == breadth);
        }
        candidates
    }
}

type State<'a> = (&'a Model, &'a Fabric, &'a Answer);

/// Whether the first blocker is gone.
fn is_progress(before: State<'_>, after: State<'_>) -> bool {
    let keys = |(model, fabric, answer): State<'_>| {
        let world = answer.world(model, fabric);
        let blockers = answer.blocking();
        let keys = blockers
            .iter()
            .map(|(reason, ..)| (reason.at.label(world.fabric), reason.code, reason.stage));
        keys.collect::<Vec<_>>()
    };
    let (was, is) = (keys(before), keys(after));
    was.first().is_some_and(|first| !is.contains(first)) || is.len() < was.len()
}

/// Without those that contain another one, and without repeats.
fn minimal(found: Vec<Changed>) -> Vec<Changed> {
    let holds = |all: &[Edit], part: &[Edit]| part.iter().all(|edit| all.contains(edit));
    let mut kept: Vec<Changed> = Vec::new();
    for changed in found {
        if !kept.iter().any(|other| holds(&changed.edits, &other.edits)) {
            kept.push(changed);
        }
    }
    kept
}
