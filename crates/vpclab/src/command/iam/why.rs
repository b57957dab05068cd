//! `iam why`: a decision told statement by statement.

use std::process::ExitCode;

use ::iam::claim::{Target as Touched, Who};
use ::iam::decision::{Outcome, Source};
use ::iam::explain::Told;
use ::iam::{Effect, Kind};
use clap::Args;
use door::rights::{Asked, Scene};
use serde_json::{Value, json};

use super::failure;
use crate::command::target::Target;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Resources of one outcome that are named; the others are counted.
const NAMED: usize = 6;

/// `iam why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// A user or role by name, user/NAME, role/NAME, a resource name, or root
    #[arg(value_name = "WHO")]
    pub who: String,
    /// Such as ec2:TerminateInstances; `ec2:Start*` asks for each
    #[arg(value_name = "ACTION")]
    pub action: String,
    /// What it is done to: a name, an id, a resource name, or a type and a name (instance web). Left out: all that there is of what such
    /// a call touches
    #[arg(value_name = "RESOURCE")]
    pub resource: Vec<String>,
    /// What is known of the request besides, such as aws:SourceIp=203.0.113.7; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub context: Vec<String>,
}

/// Explains. Exit 1 where anything is denied.
pub fn run(arguments: &WhyArgs, target: &Target, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json])?;
    let account = target.account()?;
    let scene = Scene { account: &account, network: &target.model, now: control::host::now() };
    let who = who(&scene, &arguments.who)?;
    let (on, with) = (touched(arguments)?, context(arguments)?);
    lab::sentence::parse_action(&arguments.action).map_err(|error| {
        let failure = Failure::usage(error.message);
        match error.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    let asked = scene.ask(&who, &arguments.action, &on, &with).map_err(|unasked| failure(&unasked))?;
    let told = asked.iter().map(|asked| scene.told(&who, asked)).collect::<std::result::Result<Vec<_>, _>>();
    let told = told.map_err(|unasked| failure(&unasked))?;
    if output.format == Format::Json {
        output.json(&asked.iter().zip(&told).map(|(asked, told)| shape(&who, asked, told)).collect::<Vec<_>>())?;
    } else {
        people(&who, &asked, &told, output);
    }
    Ok(if asked.iter().all(Asked::is_allowed) { ExitCode::SUCCESS } else { exit::NO.into() })
}

/// Who is meant: a user before a role of the same name.
fn who(scene: &Scene<'_>, word: &str) -> Result<Who> {
    let named = |kind, name: &str| scene.account.entity(kind, name).ok().map(|entity| entity.name.clone());
    if word == "root" {
        return Ok(Who::Root);
    }
    if let Some(arn) = ::iam::Arn::parse(word) {
        let (kind, path) = arn.resource.split_once('/').unwrap_or((arn.resource, ""));
        let name = if kind == "assumed-role" { path.split('/').next() } else { path.rsplit('/').next() }.unwrap_or_default();
        return match kind {
            "root" => Ok(Who::Root),
            "user" => Ok(Who::User(name.to_owned())),
            "role" | "assumed-role" => Ok(Who::Role(name.to_owned())),
            other => Err(Failure::usage(format!("`{other}` makes no calls")).hint("users, roles and root do")),
        };
    }
    match word.split_once('/') {
        Some(("user", name)) => Ok(Who::User(name.to_owned())),
        Some(("role", name)) => Ok(Who::Role(name.to_owned())),
        Some((other, _)) => Err(Failure::usage(format!("`{other}` makes no calls")).hint("user/NAME or role/NAME")),
        None => match (named(Kind::User, word), named(Kind::Role, word)) {
            (Some(user), _) => Ok(Who::User(user)),
            (None, Some(role)) => Ok(Who::Role(role)),
            (None, None) => {
                let known: Vec<&str> = [Kind::User, Kind::Role].into_iter().flat_map(|kind| scene.account.entities(kind)).map(|e| e.name.as_str()).collect();
                let hint = if known.is_empty() { "write users under `iam:` in the lab file, or make them: aws iam create-user".to_owned() } else { crate::command::source::did_you_mean(word, "user or role", &known) };
                Err(Failure::usage(format!("there is neither a user nor a role called `{word}`")).hint(hint))
            }
        },
    }
}

/// What is done to: as claims have it.
fn touched(arguments: &WhyArgs) -> Result<Vec<Touched>> {
    if arguments.resource.is_empty() {
        return Ok(Vec::new());
    }
    // `iam:*` is an action whatever the other is: what is wrong with that one is said by itself.
    let sentence = format!("root iam:* on {}", arguments.resource.join(" "));
    let read = lab::sentence::parse_right(&sentence).map_err(|error| {
        let failure = Failure::usage(error.message);
        match error.hint {
            Some(_) => failure.hint("such as: vpclab iam why dev ec2:StopInstances instance web"),
            None => failure,
        }
    })?;
    Ok(read.0.on)
}

fn context(arguments: &WhyArgs) -> Result<Vec<(String, String)>> {
    let pair = |text: &String| {
        let pair = text.split_once('=').filter(|(key, _)| key.contains(':'));
        let pair = pair.map(|(key, value)| (key.to_owned(), value.to_owned()));
        pair.ok_or_else(|| Failure::usage(format!("`{text}` says no value of a key of conditions")).hint("--context aws:SourceIp=203.0.113.7"))
    };
    arguments.context.iter().map(pair).collect()
}

fn shape(who: &Who, asked: &Asked, told: &[Told]) -> Value {
    let statement = |told: &Told| {
        json!({
            "source": source(told.source),
            "policy": told.policy,
            "statement": told.number,
            "sid": told.sid,
            "effect": effect(told.effect),
            "says": told.says,
            "applies": told.mismatch.is_none(),
            "why_not": told.mismatch,
        })
    };
    let context: serde_json::Map<String, Value> = asked.reviewed.facts.iter().map(|(key, values)| (key.to_owned(), json!(values))).collect();
    json!({
        "who": who.to_string(),
        "principal": asked.reviewed.identity.arn,
        "action": asked.reviewed.action,
        "resource": asked.reviewed.resource,
        "on": asked.on,
        "allowed": asked.is_allowed(),
        "outcome": outcome(asked.reviewed.decision.outcome),
        "because": asked.because(),
        "statements": told.iter().map(statement).collect::<Vec<_>>(),
        "context": context,
    })
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::ExplicitDeny(_) => "explicit-deny",
        Outcome::ImplicitDeny(_) => "implicit-deny",
    }
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Identity => "identity",
        Source::Boundary => "boundary",
        Source::Session => "session",
        Source::Trust => "trust",
    }
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allow",
        Effect::Deny => "deny",
    }
}

/// What decides alike is told once, with all that it is about.
fn people(who: &Who, asked: &[Asked], told: &[Vec<Told>], output: &Output) {
    let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
    let alike = |one: usize, other: usize| {
        let kinds = |at: usize| told[at].iter().map(|told| (told.policy.as_str(), told.number, told.mismatch.is_none())).collect::<Vec<_>>();
        asked[one].reviewed.action == asked[other].reviewed.action && asked[one].reviewed.decision.outcome == asked[other].reviewed.decision.outcome && kinds(one) == kinds(other)
    };
    for at in 0..asked.len() {
        match groups.iter_mut().find(|(first, _)| alike(*first, at)) {
            Some((_, members)) => members.push(at),
            None => groups.push((at, vec![at])),
        }
    }
    for (first, members) in groups {
        let one = &asked[first];
        let word = if one.is_allowed() { "allowed" } else { "denied" };
        let names: Vec<&str> = members.iter().map(|at| asked[*at].on.as_str()).filter(|on| !on.is_empty()).collect();
        let more = names.len().saturating_sub(NAMED);
        let mut on = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        if more > 0 {
            on.push_str(&format!(" and {more} more"));
        }
        let on = if on.is_empty() { String::new() } else { format!(" on {on}") };
        output.line(format!("{who} {}{on}: {word}", one.reviewed.action));
        output.line(format!("  {}", one.because()));
        // Whoever looks for a right wants to know what speaks of it; a boundary has to, and is told whole.
        let is_aside = |told: &&Told| told.is_of_others && told.source == Source::Identity && output.format != Format::Wide;
        let (others, about): (Vec<&Told>, Vec<&Told>) = told[first].iter().partition(is_aside);
        for told in about {
            let applies = match &told.mismatch {
                None => "applies".to_owned(),
                Some(why) => format!("no: {why}"),
            };
            output.line(format!("  {}, statement {}: {}", told.policy, number(told), told.says));
            output.line(format!("    {applies}"));
        }
        if !others.is_empty() {
            output.line(format!("  {}", of_other_actions(&others)));
        }
        if told[first].is_empty() && !one.reviewed.identity.is_root() {
            output.line("  no policy says anything: nothing is attached");
        }
        limits(one, &told[first], output);
    }
}

/// A statement's name, or its place.
fn number(told: &Told) -> String {
    told.sid.clone().unwrap_or_else(|| told.number.to_string())
}

/// Statements that do not speak of the action, by policy.
fn of_other_actions(told: &[&Told]) -> String {
    let mut policies: Vec<(&str, Vec<String>)> = Vec::new();
    for told in told {
        match policies.last_mut().filter(|(policy, _)| *policy == told.policy) {
            Some((_, numbers)) => numbers.push(number(told)),
            None => policies.push((&told.policy, vec![number(told)])),
        }
    }
    let named: Vec<String> = policies.iter().map(|(policy, numbers)| format!("{policy} ({})", numbers.join(", "))).collect();
    match told.len() {
        1 => format!("1 statement is about other actions: {}", named.join("; ")),
        many => format!("{many} statements are about other actions: {}", named.join("; ")),
    }
}

/// Which of the policies that all have to allow it do not.
fn limits(asked: &Asked, told: &[Told], output: &Output) {
    let Outcome::ImplicitDeny(missing) = asked.reviewed.decision.outcome else { return };
    let allows = |of: Source| told.iter().any(|told| told.source == of && told.mismatch.is_none() && told.effect == Effect::Allow);
    match missing {
        Source::Boundary if allows(Source::Identity) => output.line("  its own policies allow it, the permissions boundary does not: both have to"),
        Source::Session => output.line("  the policies of the session do not allow it: they have to, besides the role's own"),
        Source::Trust => output.line("  the role's trust policy does not let it in"),
        Source::Identity | Source::Boundary => {
            let resource = if asked.reviewed.resource == "*" { String::new() } else { format!(" on {}", asked.reviewed.resource) };
            output.hint(format!("a statement that would: allow {}{resource}", asked.reviewed.action));
        }
    }
}
