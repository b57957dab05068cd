//! `validate`: whether a lab file is legal. What the room `lab` cannot know is asked here too: whether promises about rights speak of
//! anybody and of anything.

use std::process::ExitCode;

use door::rights::{Scene, Unasked};
use iam::claim::Who;
use lab::file::{Promise, RightPhrase};
use lab::{Code, Diagnostic, Diagnostics, Lab};
use model::Model;
use serde_json::json;

use super::source::{describe, find};
use crate::cli::{FileArgs, Global};
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// Says whether a file is legal. Exit 2 where it is not.
pub fn run(arguments: &FileArgs, global: &Global, output: &Output) -> Result {
    let described = describe(&find(arguments.positional.as_deref(), global)?, output)?;
    if let Some(lab) = &described.lab {
        rights(lab, &described.model, output)?;
    }
    described.gaps.note(output);
    match output.format {
        Format::Json => output.json(&json!({"lab": described.name, "legal": true}))?,
        _ => output.line(format!("{} is legal", described.name)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks what the file promises about rights, whatever the answers are. Errors: it speaks of nobody, or of nothing that there is.
fn rights(lab: &Lab, model: &Model, output: &Output) -> Result<()> {
    let account = lab.identities(&model.account_id).map_err(|e| Failure::usage(e.render(output.colour())))?;
    let scene = Scene { account: &account, network: model, now: model.context.now };
    let phrases = lab.file.expect.iter().filter_map(|promise| match promise {
        Promise::Right(phrase) => Some(phrase),
        Promise::Traffic(_) => None,
    });
    let mut list = Vec::new();
    for phrase in phrases {
        let mut claim = phrase.claim.clone();
        // Without `iam:` a file leaves users and roles to the API, and what they are asked for can be looked at all the same.
        if !lab.has_identities() && scene.key(&claim.who).is_err() {
            let place = &claim.origin;
            output.note(format!("this file has no `iam:`, so {} has to be made by clients of AWS before `{claim}` can be tested ({place})", claim.who));
            claim.who = Who::Root;
        }
        if let Err(unasked) = scene.judge(&claim) {
            list.push(problem(phrase, &unasked));
        }
    }
    match list.is_empty() {
        true => Ok(()),
        false => Err(Failure::usage(Diagnostics { sources: lab.sources.clone(), list }.render(output.colour()))),
    }
}

/// What could not be asked, at the word that is wrong.
fn problem(phrase: &RightPhrase, unasked: &Unasked) -> Diagnostic {
    let word = unasked.near.as_ref().map(|near| near.word.as_str());
    let target = phrase.claim.on.iter().zip(&phrase.targets).find(|(target, _)| word.is_none() || word == Some(target.name.as_str()));
    let place = target.map_or(phrase.who, |(_, place)| *place);
    let hint = super::iam::failure(unasked).hint;
    Diagnostic::new(Code::UnknownEnd, place, unasked.message.clone()).label("a promise about nothing cannot be tested").maybe_hint(hint)
}
