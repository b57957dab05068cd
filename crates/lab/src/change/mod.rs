//! From the cloud that is to the cloud that the file asks for.
//!
//! The file is first made in an empty cloud (`build`). Two clouds are then looked at by name (`view`), what differs is
//! the plan (`difference`), and `transition` makes it so: what cannot stay goes, dependents first (`remove`), and
//! what is missing comes (`make_*`). An apply that does not end in what the file says is an error, and changes nothing.

mod difference;
pub(crate) mod flow_log;
mod ipv6;
mod make_container;
mod make_instance;
mod make_network;
mod make_policy;
mod make_route;
mod origin;
mod remove;
mod transit;
mod transition;
mod view;
pub(crate) mod view_container;
mod view_instance;
mod view_lan;
mod view_policy;

use std::fmt;

use model::Model;

use self::difference::{Difference, differences};
use self::view::View;
use crate::build::{Target, build};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::load::Lab;

/// One difference between the lab and the file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// Kind of thing, such as `security group`.
    pub kind: &'static str,
    /// Its name; `vpc/name` where the lab has several VPCs.
    pub name: String,
    /// What about it, if not all of it.
    pub detail: String,
}

/// What is done to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It appears.
    Create,
    /// It stays and changes.
    Change,
    /// It goes, and another one of its name takes its place.
    Replace,
    /// It goes.
    Delete,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.action {
            Action::Create => "+",
            Action::Change => "~",
            Action::Replace => "-/+",
            Action::Delete => "-",
        };
        write!(f, "{sign} {} {}", self.kind, self.name)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// What makes one cloud of another, wherever they come from. Elastic IP addresses are any: which one somebody drew is
/// no difference.
pub fn changes_between(before: &Model, after: &Model) -> Vec<Change> {
    let any = Default::default();
    differences(&View::of(before, &any, true), &View::of(after, &any, true)).changes
}

impl Lab {
    /// Brings `model` to what the file says, and says what that changed. On an error the model is as it was.
    ///
    /// Things are known by their names: what the file still has keeps its id and the addresses that were chosen for
    /// it, unless something about it cannot change; then it and what lives in it is replaced. What the file does not
    /// have goes, whoever made it. Transitions are waited for in model time.
    pub fn apply(&self, model: &mut Model) -> Result<Vec<Change>, Diagnostics> {
        let Comparison { target, difference } = self.compare(model)?;
        let mut next = model.clone();
        if !difference.is_empty() {
            transition::transition(&mut next, &target, &difference).map_err(|error| self.stuck(*error))?;
            self.check(&next, &target)?;
        }
        origin::refresh(&mut next, &target);
        *model = next;
        Ok(difference.changes)
    }

    /// What [`Lab::apply`] would change.
    pub fn plan(&self, model: &Model) -> Result<Vec<Change>, Diagnostics> {
        Ok(self.compare(model)?.difference.changes)
    }

    fn compare(&self, model: &Model) -> Result<Comparison, Diagnostics> {
        let target = build(self, model)?;
        let (is, wanted) = (View::of(model, &target.fixed, false), View::of(&target.model, &target.fixed, true));
        let difference = differences(&is, &wanted);
        Ok(Comparison { target, difference })
    }

    /// A change that ended elsewhere than in the target is refused as a whole, rather than called done.
    fn check(&self, next: &Model, target: &Target) -> Result<(), Diagnostics> {
        let left = differences(&View::of(next, &target.fixed, false), &View::of(&target.model, &target.fixed, true));
        match left.changes.first() {
            None => Ok(()),
            Some(change) => {
                let message = format!("the running lab cannot become what the file says: {change} is left");
                Err(self.stuck(Diagnostic::general(Code::NotDescribable, message)))
            }
        }
    }

    fn stuck(&self, diagnostic: Diagnostic) -> Diagnostics {
        Diagnostics::new(self.sources.clone(), vec![diagnostic.hint("vpclab down && vpclab up")])
    }
}

struct Comparison {
    target: Target,
    difference: Difference,
}
