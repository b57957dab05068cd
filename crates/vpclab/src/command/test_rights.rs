//! Promises about rights, judged by the decision that calls meet.

use door::rights::{Asked, Scene};

use super::iam::failure;
use super::target::Target;
use super::test::{Promised, Tried};
use crate::exit::Result;
use conformance::EngineName;

/// Broken questions of one claim that are listed one by one.
const LISTED: usize = 8;

/// Judges claims, in their order. Errors: the lab's identities cannot be had.
pub fn judge(claims: Vec<iam::Claim>, target: &Target, engine: EngineName) -> Result<Vec<Tried>> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let account = target.account()?;
    let scene = Scene { account: &account, network: &target.model, now: control::host::now() };
    Ok(claims.into_iter().map(|claim| tried(&scene, claim, engine)).collect())
}

fn tried(scene: &Scene<'_>, claim: iam::Claim, engine: EngineName) -> Tried {
    let judged = scene.judge(&claim);
    let place = if claim.origin.is_known() { format!(" ({})", claim.origin) } else { String::new() };
    let mut tried = Tried { engine, ..Tried::of(Promised::Rights(claim)) };
    match judged {
        Ok((count, broken)) => {
            (tried.pairs, tried.broken_pairs) = (count, broken.len());
            tried.reasons = reasons(&broken);
        }
        Err(unasked) => {
            let failure = failure(&unasked);
            let hint = failure.hint.map_or_else(String::new, |hint| format!("; {hint}"));
            let why = format!("{}{hint}{place}", failure.message);
            tried.reasons = vec![why.clone()];
            tried.undecided = Some(why);
        }
    }
    tried
}

fn reasons(broken: &[Asked]) -> Vec<String> {
    let line = |asked: &Asked| {
        let word = if asked.is_allowed() { "allowed" } else { "denied" };
        let because = asked.because();
        let why = because.strip_prefix(word).unwrap_or(&because).trim_start();
        format!("{}: {word} {why}", asked.question())
    };
    let mut lines: Vec<String> = broken.iter().take(LISTED).map(line).collect();
    if broken.len() > LISTED {
        lines.push(format!("and {} more", broken.len() - LISTED));
    }
    lines
}
