//! `check`: one probe from every sender to every receiver that its ends mean.

use std::process::ExitCode;

use serde_json::json;

use super::advice;
use super::probing::{Pair, Prober, Seen};
use super::target::Target;
use crate::cli::CheckArgs;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Exit 0 when every pair is open, else 1.
pub fn run(arguments: &CheckArgs, target: &Target, output: &Output) -> Result {
    let probe = lab::sentence::parse_probe(&arguments.words).map_err(|e| {
        let failure = Failure::usage(e.message);
        match e.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })?;
    let mut prober = Prober::start(target, arguments.engine)?;
    let (sources, destinations) = (prober.ends(&probe.source)?, prober.ends(&probe.destination)?);
    let pairs = prober.pairs(&probe.source, &sources, &destinations)?;
    if pairs.is_empty() {
        return Err(Failure::usage("the two ends are one and the same"));
    }
    let tries: Vec<_> = pairs.iter().map(|pair| (pair, probe.packet)).collect();
    let answers: Vec<_> = pairs.iter().zip(prober.probe_all(&tries)?).collect();
    if output.format == Format::Json {
        let row = |(pair, seen): &(&Pair, Seen)| {
            let at = seen.at().map(|at| at.label(prober.fabric()));
            json!({"from": pair.from, "to": pair.to_text(), "result": seen.result(), "at": at})
        };
        output.json(&answers.iter().map(row).collect::<Vec<_>>())?;
    } else {
        for (pair, seen) in &answers {
            output.line(format!("{}: {}", pair.text(), seen.text(prober.fabric())));
        }
    }
    let mut hints: Vec<String> = Vec::new();
    for (pair, seen) in answers.iter().filter(|(_, seen)| !matches!(seen, Seen::Open(_))) {
        let fabric = prober.fabric();
        hints.extend(advice::stopped_end(fabric, &pair.sender));
        hints.extend(pair.interface().and_then(|id| advice::stopped(fabric, id)));
        hints.extend(advice::own_system(fabric, seen.at()));
    }
    hints.sort_unstable();
    hints.dedup();
    hints.iter().for_each(|hint| output.hint(hint));
    target.gaps.note(output);
    let all_open = answers.iter().all(|(_, seen)| matches!(seen, Seen::Open(_)));
    Ok(if all_open { ExitCode::SUCCESS } else { exit::NO.into() })
}
