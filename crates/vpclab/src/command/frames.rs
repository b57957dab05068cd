//! `conformance frames`: the simulator's frames held to the kernel's.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use conformance::frames::canonical::Sequence;
use conformance::frames::{Both, Compared, FramesError};
use conformance::fuzz::lab_of;
use serde_json::{Value, json};

use crate::cli::Global;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// `conformance frames`.
#[derive(Debug, Args)]
pub struct FramesArgs {
    /// A lab file, whose own hosts then send (-f FILE means it, too); default: scenes of ping, ports, traceroute, DNS, path MTU, NAT and reset
    // The global `--lab` has the id `lab`.
    #[arg(id = "lab_file", value_name = "LAB")]
    pub lab: Option<PathBuf>,
    /// Which probes of the lab file (1 where none is written); without one a random cloud, the one that `conformance fuzz` has for
    /// this number
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How many of them
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub probes: u64,
    /// Show what passed, flow by flow
    #[arg(long)]
    pub show: bool,
}

/// Exit 5 when they differ.
pub fn run(arguments: &FramesArgs, global: &Global, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json])?;
    let typed = global.file.as_ref().filter(|file| std::env::var_os("VPCLAB_FILE").as_deref() != Some(file.as_os_str()));
    let both = match arguments.lab.as_ref().or(typed) {
        None => match arguments.seed {
            None => Both::built_in(),
            Some(seed) => Both::of_lab(&lab_of(seed), seed, arguments.probes as usize),
        },
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| Failure::usage(format!("{}: {e}", path.display())).hint("a lab file"))?;
            Both::of_lab(&text, arguments.seed.unwrap_or(1), arguments.probes as usize)
        }
    };
    let (mut all, mut differences, mut flows, mut lines) = (Vec::new(), 0, 0, 0);
    let heard = |compared: &Compared| {
        (flows, lines) = (flows + compared.flows, lines + compared.lines);
        differences += usize::from(compared.difference.is_some());
        match output.format {
            Format::Json => all.push(object(compared)),
            _ => told(compared, arguments.show, output),
        }
    };
    both.and_then(|mut both| both.run(heard)).map_err(|error| match error {
        FramesError::Lab(reason) => Failure::usage(reason).hint("vpclab validate"),
        error => Failure::environment(error.to_string()).hint("vpclab doctor"),
    })?;
    match output.format {
        Format::Json => output.json(&json!({"scenes": all, "flows": flows, "lines": lines, "differences": differences}))?,
        _ => output.line(format!("{flows} flows at the places that they passed, {lines} lines, {differences} differences")),
    }
    Ok(if differences == 0 { ExitCode::SUCCESS } else { exit::DISAGREEMENT.into() })
}

fn told(compared: &Compared, show: bool, output: &Output) {
    let word = if compared.difference.is_none() { "ok  " } else { "FAIL" };
    output.line(format!("{word} {}: {} flows, {} lines", compared.scene, compared.flows, compared.lines));
    if let Some(difference) = &compared.difference {
        difference.told("sim", "linux").lines().for_each(|line| output.line(format!("       {line}")));
    }
    if show {
        for sequence in &compared.linux {
            output.line(format!("     {} | {}", sequence.place, sequence.flow));
            sequence.lines.iter().for_each(|line| output.line(format!("       {line}")));
        }
    }
}

fn object(compared: &Compared) -> Value {
    let sequences = |of: &[Sequence]| -> Vec<Value> {
        of.iter().map(|sequence| json!({"place": sequence.place, "flow": sequence.flow, "lines": sequence.lines})).collect()
    };
    json!({
        "scene": compared.scene,
        "flows": compared.flows,
        "lines": compared.lines,
        "difference": compared.difference.as_ref().map(|difference| difference.told("sim", "linux")),
        "sim": sequences(&compared.sim),
        "linux": sequences(&compared.linux),
    })
}
