//! `test --mutate`: which mistakes the promises would not notice. Every mistake that the cloud offers is made in a copy of
//! the model, and the promises are proved again: coverage for network policy.

use std::process::ExitCode;

use fabric::Fabric;
use model::{Claim, Model};
use proof::claim::Prover;
use proof::fault::{Fault, faults, same_traffic};
use proof::{Options, Reach};
use serde_json::json;

use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// What came of one mistake.
enum Fate {
    /// A promise breaks: the first that does.
    Noticed(String),
    /// None breaks, though other packets flow than before.
    Missed,
    /// Nothing flows differently, so there is nothing to notice.
    Harmless,
    /// AWS refuses it here.
    Refused,
}

/// Tries every mistake against the claims. Exit 1 when one that changes what flows goes unnoticed.
pub fn run(model: &Model, claims: &[Claim], output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json])?;
    let before = Fabric::compile(model);
    let reach = prove(&before)?;
    let prover = Prover::new(model, &before, &reach, Options::default(), claims);
    if let Some(broken) = claims.iter().find(|claim| !prover.prove(claim).holds()) {
        let failure = Failure { code: exit::NO, message: format!("a promise is broken already: {broken}"), hint: None };
        return Err(failure.hint("vpclab test --engine proof says why; repair it first"));
    }
    let mut tried: Vec<(Fault, Fate)> = Vec::new();
    for fault in faults(model) {
        let fate = fate(model, claims, &fault, (&before, &reach))?;
        tried.push((fault, fate));
    }
    report(&tried, output)
}

fn fate(model: &Model, claims: &[Claim], fault: &Fault, before: (&Fabric, &Reach)) -> Result<Fate> {
    let mut broken = model.clone();
    if fault.apply(&mut broken).is_err() {
        return Ok(Fate::Refused);
    }
    let fabric = Fabric::compile(&broken);
    let reach = prove(&fabric)?;
    let prover = Prover::new(&broken, &fabric, &reach, Options::default(), claims);
    if let Some(noticed) = claims.iter().find(|claim| !prover.prove(claim).holds()) {
        return Ok(Fate::Noticed(noticed.to_string()));
    }
    Ok(if same_traffic(before, (&fabric, &reach)) { Fate::Harmless } else { Fate::Missed })
}

fn prove(fabric: &Fabric) -> Result<Reach> {
    Reach::of(fabric, Options::default()).map_err(|e| Failure::environment(e.to_string()))
}

fn report(tried: &[(Fault, Fate)], output: &Output) -> Result {
    let missed: Vec<&Fault> = tried.iter().filter(|(_, fate)| matches!(fate, Fate::Missed)).map(|(fault, _)| fault).collect();
    let noticed = tried.iter().filter(|(_, fate)| matches!(fate, Fate::Noticed(_))).count();
    if output.format == Format::Json {
        let row = |(fault, fate): &(Fault, Fate)| {
            let (fate, by) = match fate {
                Fate::Noticed(claim) => ("noticed", Some(claim)),
                Fate::Missed => ("missed", None),
                Fate::Harmless => ("harmless", None),
                Fate::Refused => ("refused", None),
            };
            json!({
                "kind": fault.change.kind(), "subject": fault.subject, "text": fault.text, "origin": fault.origin, "fate": fate, "by": by,
            })
        };
        output.json(&tried.iter().map(row).collect::<Vec<_>>())?;
    } else {
        for (fault, fate) in tried {
            let place = if fault.origin.is_known() { format!("  {}", fault.origin) } else { String::new() };
            match fate {
                Fate::Missed => output.line(format!("MISSED   {}: {}{place}", fault.subject, fault.text)),
                Fate::Noticed(claim) if output.format == Format::Wide => {
                    output.line(format!("noticed  {}: {}  by `{claim}`{place}", fault.subject, fault.text));
                }
                _ => {}
            }
        }
        let all = noticed + missed.len();
        output.line(format!("{noticed} of {all} mistakes noticed, {} missed", missed.len()));
        if !missed.is_empty() {
            output.note("a claim that speaks of what a missed mistake changes would notice it; `nothing else -> …` notices what is too open");
        }
    }
    Ok(if missed.is_empty() { ExitCode::SUCCESS } else { exit::NO.into() })
}
