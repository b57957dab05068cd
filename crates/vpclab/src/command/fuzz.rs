//! `conformance fuzz`: engines held against each other on random clouds.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use conformance::EngineName;
use conformance::fuzz::tally::{Verdict, unreached};
use conformance::fuzz::{self, Contender, Difference, FuzzError, Report, Round};
use fabric::Stage;
use serde_json::{Value, json};

use crate::cli::engine;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Between two words on how far it is.
const PAUSE: Duration = Duration::from_secs(15);
/// Differences written into a folder; beyond, something is wrong at large.
const MOST_SAVED: usize = 1_000;

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
    /// Clouds at a time; default: four for each processor, since a lab mostly waits
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=64))]
    pub jobs: Option<u64>,
    /// Begin no cloud after so many minutes
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub within: Option<u64>,
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
    let started = Instant::now();
    let round = Round {
        first: arguments.seed,
        labs: arguments.labs,
        probes: arguments.probes as usize,
        jobs: arguments.jobs.map_or_else(jobs, |jobs| jobs as usize),
        until: arguments.within.map(|minutes| started + Duration::from_secs(60 * minutes)),
    };
    let (mut count, mut told, mut unsaved) = (0, started, None);
    let heard = |seed: u64, differences: &[Difference]| {
        for difference in differences {
            count += 1;
            output.note(difference.to_string().trim_end());
            if let Some(folder) = arguments.save.as_deref().filter(|_| count <= MOST_SAVED) {
                let saved = save(folder, count, difference, &again(&engines, seed, arguments.probes));
                unsaved = unsaved.take().or(saved.err());
            }
        }
        let done = seed - arguments.seed + 1;
        if done == arguments.labs || told.elapsed() >= PAUSE || !differences.is_empty() {
            told = Instant::now();
            let seconds = started.elapsed().as_secs();
            output.note(format!("{done} of {} clouds in {seconds} s, {count} differences", arguments.labs));
        }
    };
    let report = fuzz::round::run(round, &contenders, heard);
    let report = report.map_err(|error| match error {
        FuzzError::Start(_) => Failure::environment(error.to_string()).hint("vpclab doctor"),
        FuzzError::Cloud { seed, .. } => Failure::environment(error.to_string()).hint(again(&engines, seed, arguments.probes)),
    })?;
    let again = |difference: &Difference| again(&engines, difference.seed, arguments.probes);
    if let Some(failure) = unsaved {
        return Err(failure);
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
            output.line(format!("{} clouds, {} differences", report.labs, report.count));
        }
    }
    Ok(if report.count == 0 { ExitCode::SUCCESS } else { exit::DISAGREEMENT.into() })
}

/// A lab is a few processes and sockets that wait; more at a time would only wait for a processor.
fn jobs() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (4 * processors).min(16)
}

fn again(engines: &[EngineName], seed: u64, probes: u64) -> String {
    let names: Vec<&str> = engines.iter().map(|engine| engine.as_str()).collect();
    format!("vpclab conformance fuzz --engines {} --seed {seed} --labs 1 --probes {probes}", names.join(","))
}

fn save(folder: &Path, number: usize, difference: &Difference, again: &str) -> Result<()> {
    let path = folder.join(format!("seed-{}-{number}.yaml", difference.seed));
    let comment: String = difference.to_string().lines().map(|line| format!("# {line}\n")).collect();
    let failed = |e| Failure::environment(format!("{}: {e}", path.display()));
    std::fs::write(&path, format!("{comment}# again: {again}\n{}", difference.lab)).map_err(failed)
}

fn object(arguments: &FuzzArgs, engines: &[EngineName], report: &Report, again: impl Fn(&Difference) -> String) -> Value {
    let share = |count: Option<&usize>, percent: f64| json!({"count": count.copied().unwrap_or(0), "percent": (percent * 100.0).round() / 100.0});
    let verdicts = Verdict::ALL.map(|v| (v.as_str().to_owned(), share(report.tally.verdicts.get(&v), report.tally.verdict(v))));
    let stages = Stage::ALL.map(|stage| {
        let mut told = share(report.tally.stages.get(&stage), report.tally.stage(stage));
        if let Some(why) = unreached(stage) {
            told["not_reached"] = json!(why);
        }
        (format!("{stage:?}"), told)
    });
    let difference = |d: &Difference| {
        let said: serde_json::Map<String, Value> = d.said.iter().map(|(engine, text)| (engine.clone(), json!(text))).collect();
        json!({"seed": d.seed, "probe": d.probe.to_string(), "said": said, "fate": d.fate, "lab": d.lab, "again": again(d)})
    };
    json!({
        "engines": engines.iter().map(|engine| engine.as_str()).collect::<Vec<_>>(),
        "seed": arguments.seed,
        "labs": report.labs,
        "probes": report.tally.probes(),
        "verdicts": verdicts.into_iter().collect::<serde_json::Map<_, _>>(),
        "stages": stages.into_iter().collect::<serde_json::Map<_, _>>(),
        "count": report.count,
        "differences": report.differences.iter().map(difference).collect::<Vec<_>>(),
    })
}
