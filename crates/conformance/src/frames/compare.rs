//! The first place and line where two engines' sequences part. Pure.

use super::canonical::Sequence;

/// Lines before the difference that are shown.
const BEFORE: usize = 3;

/// Where two engines part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub place: String,
    /// The flow, by its first packet.
    pub flow: String,
    /// The last lines that are the same.
    pub before: Vec<String>,
    /// What the one has then; `None` when it has nothing more.
    pub one: Option<String>,
    /// What the other has.
    pub other: Option<String>,
}

/// The first difference, if there is any.
pub fn first(one: &[Sequence], other: &[Sequence]) -> Option<Difference> {
    let is_same = |a: &Sequence, b: &Sequence| a.place == b.place && a.flow == b.flow;
    let both = one.iter().zip(other).take_while(|(a, b)| is_same(a, b)).count();
    for (a, b) in one.iter().zip(other).take(both) {
        if let Some(at) = (0..a.lines.len().max(b.lines.len())).find(|at| a.lines.get(*at) != b.lines.get(*at)) {
            return Some(Difference {
                place: a.place.clone(),
                flow: a.flow.clone(),
                before: a.lines[at.saturating_sub(BEFORE)..at].to_vec(),
                one: a.lines.get(at).cloned(),
                other: b.lines.get(at).cloned(),
            });
        }
    }
    // One has a flow that the other has not; which of the two comes first in the order of places has it.
    let (a, b) = (one.get(both), other.get(both));
    let has = match (a, b) {
        (None, None) => return None,
        (Some(a), Some(b)) if a.place <= b.place => a,
        (Some(_), Some(b)) => b,
        (Some(only), None) | (None, Some(only)) => only,
    };
    let line = |sequence: Option<&Sequence>| {
        sequence.filter(|sequence| sequence.place == has.place).map(|sequence| format!("{}, {}", sequence.flow, sequence.lines[0]))
    };
    Some(Difference { place: has.place.clone(), flow: has.flow.clone(), before: Vec::new(), one: line(a), other: line(b) })
}

impl Difference {
    /// The difference in words, with the names of the two engines.
    pub fn told(&self, one: &str, other: &str) -> String {
        let mut text = format!("at {}, {}:\n", self.place, self.flow);
        for line in &self.before {
            text.push_str(&format!("  both: {line}\n"));
        }
        for (engine, line) in [(one, &self.one), (other, &self.other)] {
            text.push_str(&format!("  {engine}: {}\n", line.as_deref().unwrap_or("nothing more")));
        }
        text
    }
}
