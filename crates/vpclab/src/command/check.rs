//! `check`: one probe from every sender to every receiver that its ends mean.

use std::process::ExitCode;

use model::Model;
use serde_json::json;

use super::probing::{Prober, Seen};
use crate::cli::CheckArgs;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Exit 0 when every pair is open, else 1.
pub fn run(arguments: &CheckArgs, model: &Model, output: &Output) -> Result {
    let probe = lab::sentence::parse_probe(&arguments.words).map_err(|e| {
        let failure = Failure::usage(e.message);
        match e.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    let mut prober = Prober::start(model, &arguments.engine)?;
    let (sources, destinations) = (prober.ends(&probe.source)?, prober.ends(&probe.destination)?);
    let pairs = prober.pairs(&probe.source, &sources, &destinations)?;
    if pairs.is_empty() {
        return Err(Failure::usage("the two ends are one and the same"));
    }
    let (mut answers, mut all_open) = (Vec::new(), true);
    for pair in &pairs {
        let seen = prober.probe(pair, probe.packet)?;
        let (result, at) = match &seen {
            Seen::Open(_) => ("open", None),
            Seen::Refused => ("refused", None),
            Seen::Dropped { is_reply: false, at } => ("filtered", *at),
            Seen::Dropped { is_reply: true, at } => ("reply filtered", *at),
            Seen::NoPublicAddress => ("no public address", None),
        };
        all_open &= result == "open";
        answers.push((pair, result, at.map(|at| at.label(prober.fabric()))));
    }
    let to = |to: Option<std::net::IpAddr>| to.map_or_else(|| probe.destination.to_string(), |to| to.to_string());
    if output.format == Format::Json {
        let rows = answers.iter().map(|(pair, result, at)| json!({"from": pair.from, "to": to(pair.to), "result": result, "at": at}));
        output.json(&rows.collect::<Vec<_>>())?;
    } else {
        for (pair, result, at) in &answers {
            let line = format!("{} -> {}: {result}", pair.from, to(pair.to));
            output.line(at.as_ref().map_or_else(|| line.clone(), |at| format!("{line} at {at}")));
        }
    }
    Ok(if all_open { ExitCode::SUCCESS } else { exit::NO.into() })
}
