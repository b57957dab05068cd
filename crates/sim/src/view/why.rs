//! Why something happened, as a sentence, with the rule of a VPC that decided and where it is written.

use fabric::Rule;
use serde::Serialize;

use super::View;
use super::summary::packet;
use super::unit::units;
use crate::trace::{Detail, Reason, TraceEvent, Verb};

/// What a stage of a VPC decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// The stage.
    pub stage: fabric::Stage,
    /// Where, if the fabric is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The rule that decided, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Where the rule is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// AWS's code for the drop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<fabric::ExplanationCode>,
}

/// What a stage decided, of an event of a stage.
pub fn decided(view: &View<'_>, event: &TraceEvent) -> Option<Decided> {
    let Some(Detail::Stage(reason)) = view.detail(event) else { return None };
    let (rule, origin) = reason.rule.as_ref().map(rule).unzip();
    let origin = origin.flatten().filter(|origin| origin.is_known()).map(ToString::to_string);
    Some(Decided { stage: reason.stage, at: view.component(reason), rule, origin, code: reason.code })
}

fn rule(rule: &Rule) -> (String, Option<&model::Origin>) {
    match rule {
        Rule::SecurityGroup { group, rule, origin } => (format!("{rule} of {group}"), Some(origin)),
        Rule::State { reply: true } => ("the flow's state, as a reply".to_owned(), None),
        Rule::State { reply: false } => ("the flow's state".to_owned(), None),
        Rule::NetworkAclEntry { acl, rule_number: Some(number), origin } => {
            (format!("rule {number} of {acl}"), Some(origin))
        }
        Rule::NetworkAclEntry { acl, rule_number: None, origin } => (format!("rule * of {acl}"), Some(origin)),
        Rule::Route { route_table, destination, origin } => (format!("{destination} of {route_table}"), Some(origin)),
    }
}

/// The sentence: the reason's own, then what the event says beyond it. Empty where there is nothing to explain.
pub fn sentence(view: &View<'_>, event: &TraceEvent) -> String {
    let general = if event.reason == Reason::Wire { "" } else { event.reason.sentence() };
    match view.detail(event) {
        None => match (general, particular(view, event)) {
            (general, None) => general.to_owned(),
            ("", Some(particular)) => particular,
            (general, Some(particular)) => format!("{general}: {particular}"),
        },
        Some(Detail::Text(text)) if general.is_empty() => text.to_string(),
        // A program's words need no introduction.
        Some(Detail::Text(text)) if event.reason == Reason::App => text.to_string(),
        Some(Detail::Text(text)) => format!("{general}: {text}"),
        Some(Detail::Stage(reason)) => {
            let stage = serde_word(reason.stage);
            let at = view.component(reason).map_or(stage.clone(), |at| format!("{stage} {at}"));
            let written = reason.rule.as_ref().map(rule).map(|(rule, origin)| match origin {
                Some(origin) if origin.is_known() => format!(" ({rule}, {origin})"),
                _ => format!(" ({rule})"),
            });
            format!("{at}: {}{}", reason.text, written.unwrap_or_default())
        }
    }
}

/// What the frame, the port and the number of an event say where it has no detail of its own.
fn particular(view: &View<'_>, event: &TraceEvent) -> Option<String> {
    let address = |field| {
        let units = units(view.bytes(event.frame), view.framing(event.frame));
        units.first().filter(|unit| unit.protocol == "ethernet").and_then(|unit| unit.field(field).map(str::to_owned))
    };
    let port = |port: u16| Some(view.sim().port_name(event.node, port)).filter(|name| !name.is_empty());
    match (event.verb, event.reason) {
        (Verb::Learn, Reason::SourceMac) => Some(format!("{} is at {}", address("source")?, port(event.port)?)),
        (Verb::Learn, Reason::MovedMac) => {
            let was = port(u16::try_from(event.value).ok()?)?;
            Some(format!("{} is at {}, was at {was}", address("source")?, port(event.port)?))
        }
        (Verb::Forward, Reason::KnownMac) => Some(format!("{} is at {}", address("destination")?, port(event.port)?)),
        (_, Reason::UnknownMac | Reason::OtherMac | Reason::SamePort) => address("destination"),
        (Verb::Forward, Reason::Route) => {
            let packet = packet(view.bytes(event.frame), view.framing(event.frame));
            let destination = packet.ip()?.destination;
            // The number is one more than the length of the prefix; without it the table did not say.
            let length = u8::try_from(event.value.checked_sub(1)?).ok()?;
            let net = ipnet::IpNet::new(destination, length).ok()?.trunc();
            Some(format!("{destination} is in {net}, by {}", port(event.port)?))
        }
        (Verb::Wait, Reason::Backoff) => Some(format!("{} slot times", event.value)),
        (Verb::Collide, _) => Some(format!("attempt {}", event.value)),
        // A shared medium counts the attempts.
        (Verb::Send, Reason::Wire) if event.value > 1 => Some(format!("attempt {}", event.value)),
        _ => None,
    }
}

/// A stage as it is written in JSON and filters: `security-group`.
pub fn serde_word(stage: fabric::Stage) -> String {
    let mut word = String::new();
    for c in format!("{stage:?}").chars() {
        if c.is_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(c.to_ascii_lowercase());
    }
    word
}
