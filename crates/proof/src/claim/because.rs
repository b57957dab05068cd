//! Why a promise is broken, in lines for people: what the packet found, and the rules that decided.

use fabric::engine::Leg;
use fabric::{Component, Explanation, Fabric};
use model::selector::End;

use super::{Breach, Broken, Prover, Seen};
use crate::why::view::{Rule, Why};
use crate::why::{Asker, Effort, Question};

/// Rules that almost admit a packet, at most.
const NEAR: usize = 3;

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
        let why = match (&broken.breach, way) {
            (_, None) => Vec::new(),
            (Breach::Bypasses(_), Some(way)) => vec![self.path(&way)],
            (breach, Some(_)) => self.told(broken).map_or_else(Vec::new, |why| match breach {
                Breach::Result => blockers(&why),
                _ => self.admitted(&why),
            }),
        };
        Because { seen: text, why }
    }

    /// The same packet's `why`, without what would mend it.
    fn told(&self, broken: &Broken) -> Option<Why> {
        let question = Question {
            from: broken.from.who.clone(),
            to: End::Address(broken.address?),
            packet: broken.packet,
        };
        let asker = Asker::new(self.model, &self.fabric, self.options);
        asker.why(&question, Effort { fixes: false }).ok()
    }

    /// The rules by which a request came in: of groups, and of lists that somebody wrote. The list that comes with a VPC
    /// lets in everything.
    fn admitted(&self, why: &Why) -> Vec<String> {
        let is_default = |id: &str| {
            let mut acls = self.fabric.acls.values();
            acls.any(|acl| acl.is_default && acl.id.as_str() == id)
        };
        let hops = why
            .request
            .hops
            .iter()
            .filter(|hop| !hop.blocks && !is_default(&hop.id));
        let rules = hops.filter_map(|hop| Some((hop, hop.rule.as_ref()?)));
        let written = rules.filter(|(_, rule)| {
            rule.origin.is_some() && matches!(rule.kind, "security-group" | "network-acl")
        });
        written
            .map(|(hop, rule)| format!("let through at {} by {}", hop.at, rule_text(rule)))
            .collect()
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
}

/// Everything that blocks, with the rules that almost admit the packet.
fn blockers(why: &Why) -> Vec<String> {
    let mut lines = Vec::new();
    for (word, leg) in [("", Some(&why.request)), ("reply: ", why.reply.as_ref())] {
        for hop in leg
            .iter()
            .flat_map(|leg| &leg.hops)
            .filter(|hop| hop.blocks)
        {
            let code = hop
                .code
                .map_or_else(String::new, |code| format!(" [{code}]"));
            let what = match &hop.rule {
                Some(rule) => format!("dropped by {}", rule_text(rule)),
                None => hop.text.clone(),
            };
            lines.push(format!("{word}{}: {what}{code}", hop.at));
            let near = hop.near.iter().take(NEAR);
            lines.extend(
                near.map(|near| format!("  near: {}: {}", rule_text(&near.rule), near.text)),
            );
        }
    }
    lines
}

/// `db#1 tcp/3306 from sg:web (shop.yaml:21)`; of a list, whose entries have numbers, `internal 100 deny …`.
fn rule_text(rule: &Rule) -> String {
    let origin = rule.origin.as_ref();
    let origin = origin.map_or_else(String::new, |origin| format!(" ({origin})"));
    let name = if rule.number.is_some() {
        &rule.name
    } else {
        &rule.short
    };
    format!("{name} {}{origin}", rule.text)
}
