//! `snapshot`: what a source says as one file that is read in a moment.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lab::snapshot::{Snapshot, write};
use serde_json::json;

use super::gaps::Gaps;
use super::source::{Described, describe, find_if_any};
use super::target::Target;
use super::whole_file::{put, unwritable};
use crate::cli::Global;
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// Where to write it
    #[arg(long, short = 'w', visible_alias = "out", value_name = "FILE")]
    pub write: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
}

/// Reads the source that `-f` or `--lab` names, and writes the snapshot.
pub fn run(arguments: &SnapshotArgs, global: &Global, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json])?;
    let to = &arguments.write;
    if to.is_dir() {
        return Err(Failure::usage(format!("{} is a folder", to.display())).hint(format!("-w {}", to.join("NAME.snapshot").display())));
    }
    if to.exists() && !arguments.force {
        return Err(Failure::usage(format!("{} exists", to.display())).hint("--force writes over it"));
    }
    let path = find_if_any(None, global)?;
    let (described, source) = match path.filter(|path| global.lab.is_none() && (path.exists() || path.as_os_str() == "-")) {
        Some(path) => (describe(&path, output)?, path.display().to_string()),
        None => {
            let target = Target::find_listening(global, output)?;
            let (name, model, account) = (target.name.clone(), (*target.model).clone(), target.account()?);
            let identities = Some((*account).clone());
            (Described { name, model, claims: target.claims.clone(), rights: target.rights.clone(), identities, lab: None, gaps: Gaps::default(), notes: Vec::new() }, target.name)
        }
    };
    let Described { name, model, claims, rights, identities, lab, notes, .. } = described;
    let account = match lab {
        Some(lab) => Some(lab.identities(&model.account_id).map_err(|e| Failure::usage(e.render(output.colour())))?),
        None => identities,
    };
    let counts = [
        (model.vpcs.len(), "VPC", "VPCs"),
        (model.subnets.len(), "subnet", "subnets"),
        (model.network_interfaces.len(), "network interface", "network interfaces"),
        (model.security_groups.len(), "security group", "security groups"),
    ];
    let snapshot = Snapshot { name: name.clone(), source, taken: control::host::now(), notes, model, claims, rights, account };
    let bytes = write(snapshot).map_err(|e| Failure::usage(e.to_string()))?;
    put(to, |mut file| file.write_all(&bytes).map_err(|error| unwritable(to, &error)))?;
    if output.format == Format::Json {
        output.json(&json!({
            "lab": name,
            "file": to.display().to_string(),
            "bytes": bytes.len(),
            "vpcs": counts[0].0,
            "subnets": counts[1].0,
            "network_interfaces": counts[2].0,
            "security_groups": counts[3].0,
        }))?;
    } else {
        let counts = counts.map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }));
        output.line(format!("{} written: {}; {}", to.display(), counts.join(", "), size(bytes.len())));
    }
    Ok(ExitCode::SUCCESS)
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", bytes.div_ceil(1_024)),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
