//! What the source of a cloud refers to and does not describe. A cloud is proved as if it were not there, so every
//! verdict about it is marked: the account itself may differ.

use std::fmt;

use model::Origin;
use serde::{Serialize, Serializer};

use super::view::{Leg, Why};

/// One thing that is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// `missing`, `unknown`, `not modelled`; `more` stands for those that are not listed.
    pub kind: &'static str,
    /// One sentence without a full stop.
    pub text: String,
    /// The file and line that it is about: `dump/subnets.json:12`.
    #[serde(serialize_with = "place")]
    pub origin: Origin,
}

fn place<S: Serializer>(origin: &Origin, serializer: S) -> Result<S::Ok, S::Error> {
    origin.is_known().then(|| origin.to_string()).serialize(serializer)
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.text)?;
        if self.origin.is_known() { write!(f, " ({})", self.origin) } else { Ok(()) }
    }
}

impl Why {
    /// Marks the verdict where anything is not known: what names a thing that the packet meets stands first.
    pub fn marked(mut self, gaps: &[Gap]) -> Why {
        self.incomplete = !gaps.is_empty();
        self.gaps = gaps.to_vec();
        // Most answers are about clouds that are described in full.
        if self.incomplete {
            let met = self.met();
            let is_met = |gap: &Gap| gap.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| met.iter().any(|id| id == word));
            self.gaps.sort_by_key(|gap| !is_met(gap));
        }
        self
    }

    /// Identifiers of the ends and of everything on the way.
    fn met(&self) -> Vec<String> {
        let ends = [&self.from, &self.to].into_iter();
        let ends = ends.flat_map(|end| [&end.interface_id, &end.instance_id, &end.vpc_id].into_iter().flatten().cloned());
        let legs = std::iter::once(&self.request).chain(&self.reply);
        let hops = legs.flat_map(|leg: &Leg| leg.hops.iter().map(|hop| hop.id.clone()));
        ends.chain(hops).collect()
    }
}
