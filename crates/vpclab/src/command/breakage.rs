//! `break`: a hidden mistake in a running lab or in a copy of a lab file, to find and repair.
//!
//! What was there before is kept beside the labs' state: it decides whether all is repaired, however it was done.

mod written;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use control::api::Wanted;
use fabric::Fabric;
use model::random::SplitMix64;
use model::{Model, Timestamp};
use proof::fault::{Fault, faults, same_traffic};
use proof::{Options, Reach};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::running::{Running, paths};
use super::source::did_you_mean;
use crate::cli::Global;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// `break`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BreakArgs {
    /// What to do with the mistake that is in; without one: make it
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// The same mistake every time; default: another one every time
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Only a mistake of this kind, such as lost-route
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Write a copy of the lab file with a mistake in it, and touch no lab; default where the file's lab is not up:
    /// NAME.broken.yaml beside it
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
}

/// What to do with a mistake.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Verb {
    /// Say whether the lab, or the copy of a file, carries again what it carried before (exit 1: no)
    Check,
    /// Say where to look
    Hint,
    /// Say what it was
    Reveal,
    /// Put the lab, or the copy of a file, back to what it was before
    Undo {
        /// Of a copy: also when it was edited since; those edits are lost
        #[arg(long)]
        force: bool,
    },
}

/// What is kept of a mistake.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    fault: Fault,
    since: Timestamp,
    /// The lab before.
    before: Model,
}

const PATIENCE: Duration = Duration::from_secs(60);

/// Makes a mistake, or deals with the one that is in.
pub fn run(arguments: &BreakArgs, global: &Global, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    if let Some(file) = written::meant(arguments, global)? {
        return written::run(arguments, &file, output);
    }
    let running = Running::open(global)?;
    let kept = read(&running)?;
    match (arguments.verb, kept) {
        (None, Some(_)) => {
            let failure = Failure::usage(format!("a mistake is in lab {} already", running.name));
            Err(failure.hint("vpclab break check, hint or reveal; vpclab break undo takes it back"))
        }
        (None, None) => make(arguments, &running, output),
        (Some(_), None) => {
            let failure = Failure::usage(format!("no mistake was made in lab {}", running.name));
            Err(failure.hint("vpclab break makes one"))
        }
        (Some(Verb::Check), Some(kept)) => check(&running, &kept, output),
        (Some(Verb::Hint), Some(kept)) => {
            say(output, "hint", kept.fault.change.hint());
            Ok(ExitCode::SUCCESS)
        }
        (Some(Verb::Reveal), Some(kept)) => {
            say(output, "mistake", &told(&kept.fault));
            Ok(ExitCode::SUCCESS)
        }
        (Some(Verb::Undo { .. }), Some(kept)) => undo(&running, kept, output),
    }
}

fn make(arguments: &BreakArgs, running: &Running, output: &Output) -> Result {
    let seed = seed(arguments);
    let (fault, mut broken) = choose(running, arguments.kind.as_deref(), seed)?;
    let mut before = (*running.model).clone();
    before.advance_to(control::host::now());
    // Written down first: a mistake that nobody can take back would be one of ours.
    let kept = Kept { fault, since: control::host::now(), before };
    write(running, &kept)?;
    broken.generation = broken.generation.max(running.model.generation + 1);
    if let Err(failure) = bring(running, broken) {
        forget(running)?;
        return Err(failure);
    }
    if output.format == Format::Json {
        output.json(&json!({"lab": running.name, "seed": seed}))?;
    } else {
        output.line(format!("something is wrong in lab {} now (seed {seed})", running.name));
        output.note("find it first: vpclab test, matrix, ping, traceroute, why; vpclab break hint says where to look");
        output.note("vpclab up makes the lab again what its file says; then vpclab break check says whether that was it, and what it was");
    }
    Ok(ExitCode::SUCCESS)
}

/// As given, else another one every time.
fn seed(arguments: &BreakArgs) -> u64 {
    arguments.seed.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |now| u64::from(now.subsec_nanos()) ^ now.as_secs())
    })
}

/// A mistake that is felt: every kind is as likely as every other, and every mistake of a kind too.
fn choose(running: &Running, kind: Option<&str>, seed: u64) -> Result<(Fault, Model)> {
    let mut model = (*running.model).clone();
    model.advance_to(control::host::now());
    let mut all = faults(&model);
    // By what they say, so that a seed means the same whatever ids the lab has by now.
    all.sort_by(|a, b| (&a.subject, &a.text).cmp(&(&b.subject, &b.text)));
    let mut kinds: Vec<&'static str> = all.iter().map(|fault| fault.change.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    if let Some(kind) = kind {
        let known = kinds.clone();
        kinds.retain(|known| *known == kind);
        if kinds.is_empty() {
            let failure = Failure::usage(format!("lab {} offers no mistake of the kind `{kind}`", running.name));
            return Err(failure.hint(did_you_mean(kind, "kind", &known)));
        }
    }
    let reach = prove(&running.fabric)?;
    let mut random = SplitMix64(seed);
    while !kinds.is_empty() {
        let kind = kinds.remove(random.below(kinds.len()));
        let mut left: Vec<&Fault> = all.iter().filter(|fault| fault.change.kind() == kind).collect();
        while !left.is_empty() {
            let fault = left.remove(random.below(left.len()));
            let mut broken = model.clone();
            if fault.apply(&mut broken).is_err() {
                continue;
            }
            let fabric = Fabric::compile(&broken);
            if !same_traffic((&running.fabric, &reach), (&fabric, &prove(&fabric)?)) {
                return Ok((fault.clone(), broken));
            }
        }
    }
    let failure = Failure { code: exit::NO, message: format!("lab {} offers no mistake that anybody would notice", running.name), hint: None };
    Err(failure.hint("a lab with instances and rules offers many: vpclab init"))
}

fn check(running: &Running, kept: &Kept, output: &Output) -> Result {
    let before = Fabric::compile(&kept.before);
    let repaired = same_traffic((&before, &prove(&before)?), (&running.fabric, &prove(&running.fabric)?));
    let seconds = control::host::now().0.saturating_sub(kept.since.0);
    if output.format == Format::Json {
        output.json(&json!({"lab": running.name, "repaired": repaired, "seconds": seconds}))?;
    } else if repaired {
        output.line(format!("repaired, {} after it broke; it was: {}", duration(seconds), told(&kept.fault)));
    } else {
        output.line(format!("not repaired yet: lab {} does not carry what it carried before", running.name));
    }
    if !repaired {
        return Ok(exit::NO.into());
    }
    forget(running)?;
    Ok(ExitCode::SUCCESS)
}

fn undo(running: &Running, kept: Kept, output: &Output) -> Result {
    let mut model = kept.before;
    // Ids are never used again, and no state of the lab is older than the one before it.
    model.context = running.model.context.clone();
    model.generation = running.model.generation + 1;
    bring(running, model)?;
    forget(running)?;
    say(output, "undone", &format!("{}: {}", kept.fault.subject, kept.fault.text));
    Ok(ExitCode::SUCCESS)
}

fn bring(running: &Running, model: Model) -> Result<()> {
    let wanted = Wanted {
        base_generation: Some(running.model.generation),
        file: running.file.clone(),
        model,
        claims: running.claims.clone(),
        rights: running.rights.clone(),
    };
    let brought = super::running::bring(running.daemon(), &running.name, &wanted, PATIENCE)?;
    brought.map(drop).ok_or_else(|| Failure::environment("another command changed the lab meanwhile").hint("say it again"))
}

fn prove(fabric: &Fabric) -> Result<Reach> {
    Reach::of(fabric, Options::default()).map_err(|e| Failure::usage(e.to_string()))
}

/// What a mistake is, and where what it spoils was written.
fn told(fault: &Fault) -> String {
    let place = if fault.origin.is_known() { format!("  {}", fault.origin) } else { String::new() };
    format!("{}: {}{place}", fault.subject, fault.text)
}

fn say(output: &Output, key: &str, text: &str) {
    match output.format {
        Format::Json => output.line(json!({ key: text }).to_string()),
        _ => output.line(text),
    }
}

fn duration(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

fn place(running: &Running) -> Result<PathBuf> {
    Ok(paths()?.logs(&running.name).join("mistake.json"))
}

fn read(running: &Running) -> Result<Option<Kept>> {
    let path = place(running)?;
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::environment(format!("{}: {error}", path.display()))),
    };
    // A damaged note is as good as none: the lab's own state is elsewhere.
    Ok(serde_json::from_slice(&text).ok())
}

fn write(running: &Running, kept: &Kept) -> Result<()> {
    let path = place(running)?;
    let failed = |error: &dyn std::fmt::Display| Failure::environment(format!("{}: {error}", path.display()));
    paths()?.make(&running.name).map_err(|e| failed(&e))?;
    let text = serde_json::to_vec(kept).map_err(|e| failed(&e))?;
    std::fs::write(&path, text).map_err(|e| failed(&e))
}

fn forget(running: &Running) -> Result<()> {
    let path = place(running)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::environment(format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}
