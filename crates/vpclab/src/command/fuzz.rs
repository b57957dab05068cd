//! `conformance fuzz`: engines held against each other on random clouds.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use conformance::EngineName;
use conformance::fuzz::tally::{STAGES, Verdict, unreached};
use conformance::fuzz::{self, Contender, Difference, FuzzError, Report};
use serde_json::{Value, json};

use crate::cli::engine;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// `conformance fuzz`.
#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// Engines that must agree, two or more
    #[arg(long, value_delimiter = ',', default_value = "proof,linux", value_parser = engine(), value_name = "ENGINES")]
    pub engines: Vec<EngineName>,
    /// The first cloud; the next ones are N+1, N+2, …
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Clouds
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub labs: u64,
    /// Probes in each cloud
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub probes: u64,
    /// Write the lab file of each difference, cut down, and what to type into this folder
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
}

/// Exit 5 when engines disagree.
pub fn run(arguments: &FuzzArgs, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json])?;
    let mut engines = arguments.engines.clone();
    engines.sort_unstable();
    engines.dedup();
    if engines.len() < 2 {
        return Err(Failure::usage("one engine has nobody to disagree with").hint("--engines proof,linux"));
    }
    if arguments.seed.checked_add(arguments.labs).is_none() {
        return Err(Failure::usage(format!("--seed {} leaves no room for {} clouds", arguments.seed, arguments.labs)).hint("a smaller seed"));
    }
    if let Some(folder) = &arguments.save {
        let failed = |e| Failure::usage(format!("--save {}: {e}", folder.display())).hint("a folder that can be written");
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let contenders: Vec<Contender<'_>> = engines.iter().copied().map(Contender::of).collect();
    let mut found = 0;
    let heard = |seed: u64, differences: &[Difference]| {
        found += differences.len();
        let done = seed - arguments.seed + 1;
        if done % 100 == 0 || done == arguments.labs {
            output.note(format!("{done} of {} clouds, {found} differences", arguments.labs));
        }
    };
    let report = fuzz::run(arguments.seed, arguments.labs, arguments.probes as usize, &contenders, heard);
    let report = report.map_err(|error| match error {
        FuzzError::Start(_) => Failure::environment(error.to_string()).hint("vpclab doctor"),
        FuzzError::Cloud { seed, .. } => Failure::environment(error.to_string()).hint(again(&engines, seed, arguments.probes)),
    })?;
    let again = |difference: &Difference| again(&engines, difference.seed, arguments.probes);
    if let Some(folder) = &arguments.save {
        for (number, difference) in report.differences.iter().enumerate() {
            save(folder, number, difference, &again(difference))?;
        }
    }
    match output.format {
        Format::Json => output.json(&object(arguments, &engines, &report, again))?,
        _ => {
            for difference in &report.differences {
                output.line(difference.to_string().trim_end());
                output.line(format!("  again: {}", again(difference)));
                if arguments.save.is_none() {
                    output.line(difference.lab.trim_end());
                }
            }
            output.line(report.tally.to_string().trim_end());
            output.line(format!("{} clouds, {} differences", report.labs, report.differences.len()));
        }
    }
    Ok(if report.differences.is_empty() { ExitCode::SUCCESS } else { exit::DISAGREEMENT.into() })
}

fn again(engines: &[EngineName], seed: u64, probes: u64) -> String {
    let names: Vec<&str> = engines.iter().map(|engine| engine.as_str()).collect();
    format!("vpclab conformance fuzz --engines {} --seed {seed} --labs 1 --probes {probes}", names.join(","))
}

fn save(folder: &Path, number: usize, difference: &Difference, again: &str) -> Result<()> {
    let path = folder.join(format!("seed-{}-{}.yaml", difference.seed, number + 1));
    let comment: String = difference.to_string().lines().map(|line| format!("# {line}\n")).collect();
    let failed = |e| Failure::environment(format!("{}: {e}", path.display()));
    std::fs::write(&path, format!("{comment}# again: {again}\n{}", difference.lab)).map_err(failed)
}

fn object(arguments: &FuzzArgs, engines: &[EngineName], report: &Report, again: impl Fn(&Difference) -> String) -> Value {
    let share = |count: Option<&usize>, percent: f64| json!({"count": count.copied().unwrap_or(0), "percent": (percent * 100.0).round() / 100.0});
    let verdicts = Verdict::ALL.map(|v| (v.as_str().to_owned(), share(report.tally.verdicts.get(&v), report.tally.verdict(v))));
    let stages = STAGES.map(|stage| {
        let mut told = share(report.tally.stages.get(&stage), report.tally.stage(stage));
        if let Some(why) = unreached(stage) {
            told["not_reached"] = json!(why);
        }
        (format!("{stage:?}"), told)
    });
    let difference = |d: &Difference| {
        let said: serde_json::Map<String, Value> = d.said.iter().map(|(engine, text)| (engine.clone(), json!(text))).collect();
        json!({"seed": d.seed, "probe": d.probe.to_string(), "said": said, "alone": d.alone, "lab": d.lab, "again": again(d)})
    };
    json!({
        "engines": engines.iter().map(|engine| engine.as_str()).collect::<Vec<_>>(),
        "seed": arguments.seed,
        "labs": report.labs,
        "probes": report.tally.probes(),
        "verdicts": verdicts.into_iter().collect::<serde_json::Map<_, _>>(),
        "stages": stages.into_iter().collect::<serde_json::Map<_, _>>(),
        "differences": report.differences.iter().map(difference).collect::<Vec<_>>(),
    })
}
