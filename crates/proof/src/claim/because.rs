//! Why a promise is broken, in lines for people: what the packet found, and the rules that decided.

use fabric::engine::Leg;
use fabric::walker::Hop;
use fabric::{Component, Explanation, Fabric, Reason, reason::Rule};
use model::Origin;

use super::{Breach, Broken, Prover, Seen};

/// What happens instead, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// What the packet finds, in a few words: `dropped at sg-in:db-1`.
    pub seen: String,
    /// Who decided that, a line each.
    pub why: Vec<String>,
}

impl Seen {
    /// In a few words.
    pub fn text(&self, fabric: &Fabric) -> String {
        let at = |at: &Option<Component>| match at {
            Some(at) => format!(" at {}", at.label(fabric)),
            None => String::new(),
        };
        match self {
            Self::Open => "open".to_owned(),
            Self::Refused => "refused: nothing listens".to_owned(),
            Self::NoPublicAddress => "no public address".to_owned(),
            Self::Dropped {
                leg: Leg::Forward,
                at: place,
            } => format!("dropped{}", at(place)),
            Self::Dropped {
                leg: Leg::Return,
                at: place,
            } => format!("reply dropped{}", at(place)),
        }
    }
}

impl Prover<'_> {
    /// Why a pair is not as promised.
    pub fn because(&self, broken: &Broken) -> Because {
        let (seen, way) = match self.seen(&broken.from, &broken.to, broken.packet) {
            Ok(found) => found,
            Err(error) => {
                return Because {
                    seen: error.to_string(),
                    why: Vec::new(),
                };
            }
        };
        let text = seen.text(&self.fabric);
        let is_reply = matches!(
            seen,
            Seen::Dropped {
                leg: Leg::Return,
                ..
            }
        );
        let text = match (&broken.breach, is_reply) {
            (Breach::Result, _) => text,
            (Breach::Exposed, true) => format!("{text}, but the request arrives"),
            (Breach::Exposed, false) => text,
            (Breach::OnlyOthers, _) => format!("{text}, and only others may"),
            (Breach::Unstated, _) => format!("{text}, and no claim says so"),
            (Breach::Bypasses(node), _) => format!("{text}, but not via {node}"),
        };
        let why = way.map_or_else(Vec::new, |way| match &broken.breach {
            Breach::Bypasses(_) => vec![self.path(&way)],
            Breach::Result => self.blockers(&way),
            _ => self.admitted(&way),
        });
        Because { seen: text, why }
    }

    /// Everything that blocks.
    fn blockers(&self, way: &Explanation) -> Vec<String> {
        let request = way
            .request
            .blockers
            .iter()
            .map(|reason| self.line("", reason));
        let reply = way.reply.iter().flat_map(|reply| &reply.blockers);
        request
            .chain(reply.map(|reason| self.line("reply: ", reason)))
            .collect()
    }

    /// The rules by which a request came in.
    fn admitted(&self, way: &Explanation) -> Vec<String> {
        let is_deciding = |hop: &&Hop| {
            let origin = hop.reason.rule.as_ref().and_then(origin);
            !hop.blocks && origin.is_some_and(Origin::is_known) && self.is_chosen(hop.reason.at)
        };
        let hops = way.request.hops.iter().filter(is_deciding);
        hops.map(|hop| self.line("let in by ", &hop.reason))
            .collect()
    }

    /// Filters that somebody wrote: the list that comes with a VPC lets in everything.
    fn is_chosen(&self, at: Component) -> bool {
        match at {
            Component::SecurityGroups(..) => true,
            Component::NetworkAcl(subnet, _) => {
                !self.fabric.acls[self.fabric.subnets[subnet].acl].is_default
            }
            _ => false,
        }
    }

    fn path(&self, way: &Explanation) -> String {
        let mut at: Vec<String> = Vec::new();
        for component in way.request.components() {
            let label = component.label(&self.fabric);
            if at.last() != Some(&label) {
                at.push(label);
            }
        }
        format!("path: {}", at.join(" > "))
    }

    fn line(&self, before: &str, reason: &Reason) -> String {
        let code = reason
            .code
            .map_or_else(String::new, |code| format!(" [{code}]"));
        let origin = reason.rule.as_ref().and_then(origin);
        let place = origin.filter(|origin| origin.is_known());
        let place = place.map_or_else(String::new, |origin| format!(" ({origin})"));
        format!(
            "{before}{}: {}{code}{place}",
            reason.at.label(&self.fabric),
            reason.text
        )
    }
}

fn origin(rule: &Rule) -> Option<&Origin> {
    match rule {
        Rule::SecurityGroup { origin, .. }
        | Rule::NetworkAclEntry { origin, .. }
        | Rule::Route { origin, .. } => Some(origin),
        Rule::State { .. } => None,
    }
}
