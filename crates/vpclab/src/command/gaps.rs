//! What the source of a cloud lacks. Which verdicts it touches cannot be told in general (who is missing may be anybody's
//! peer, gateway or member), so every verdict about such a source is marked `incomplete`, with what is missing.

use lab::aws::Note;
use model::Origin;
use proof::why::Gap;
use serde::Serialize;

use crate::output::Output;

/// Gaps that are listed beside answers that are many; the others are counted.
const LISTED: usize = 5;

/// What a source lacks; empty for a lab file, which says all there is.
#[derive(Debug, Clone, Default)]
pub struct Gaps(Vec<Gap>);

/// A row of an answer with its mark.
#[derive(Serialize)]
pub struct Marked<'a, T> {
    #[serde(flatten)]
    row: T,
    incomplete: bool,
    gaps: &'a [Gap],
}

impl Gaps {
    /// What an import could not find.
    pub fn of(notes: &[Note]) -> Gaps {
        let all = notes.iter().filter(|note| note.kind.leaves_a_gap());
        Gaps(all.map(|note| Gap { kind: note.kind.as_str(), text: note.text.clone(), origin: note.origin.clone() }).collect())
    }

    /// Of two sources together.
    pub fn and(mut self, other: Gaps) -> Gaps {
        for gap in other.0 {
            if !self.0.contains(&gap) {
                self.0.push(gap);
            }
        }
        self
    }

    /// Whether nothing is known to be missing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn all(&self) -> &[Gap] {
        &self.0
    }

    /// The first, and one that counts the others.
    pub fn listed(&self) -> Vec<Gap> {
        let mut listed: Vec<Gap> = self.0.iter().take(LISTED).cloned().collect();
        if let Some(more) = self.0.len().checked_sub(LISTED).filter(|more| *more > 0) {
            listed.push(Gap { kind: "more", text: format!("{more} that are not listed"), origin: Origin::default() });
        }
        listed
    }

    /// A mark in a few words: `incomplete: 3 gaps in the source`.
    pub fn mark(&self) -> Option<String> {
        match self.0.len() {
            0 => None,
            1 => Some("incomplete: 1 gap in the source".to_owned()),
            many => Some(format!("incomplete: {many} gaps in the source")),
        }
    }

    /// For people: the mark and the list; nothing where nothing is missing.
    pub fn lines(&self) -> Vec<String> {
        let Some(mark) = self.mark() else { return Vec::new() };
        let heading = format!("{mark}; what it lacks is treated as absent, and the real cloud may differ");
        std::iter::once(heading).chain(self.listed().iter().map(|gap| format!("  {gap}"))).collect()
    }

    /// The same on stdout.
    pub fn print(&self, output: &Output) {
        self.lines().iter().for_each(|line| output.line(line));
    }

    /// The same beside the data, for commands whose answer has no room for it.
    pub fn note(&self, output: &Output) {
        self.listed().iter().for_each(|gap| output.note(gap.to_string()));
        if !self.is_empty() {
            output.note("incomplete: what is missing is treated as absent; the real cloud may differ");
        }
    }
}

/// Rows of an answer, each with its mark.
pub fn marked<T>(rows: impl IntoIterator<Item = T>, listed: &[Gap]) -> Vec<Marked<'_, T>> {
    rows.into_iter().map(|row| Marked { row, incomplete: !listed.is_empty(), gaps: listed }).collect()
}
