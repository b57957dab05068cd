//! `lint`: what looks wrong in a lab although every rule of it is legal.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lab::diagnostic::possible_words;
use proof::lint::{Check, Finding, Severity, lint};
use proof::{Options, Reach};
use serde_json::json;

use super::meant::by_position;
use super::target::Target;
use crate::cli::Global;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// `lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// Lab file; default: the one here, else the lab that is up (with -l LAB always)
    #[arg(value_name = "FILE")]
    pub positional: Option<PathBuf>,
    /// Checks to leave out, such as unused-group; may be given several times
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    pub allow: Vec<String>,
    /// Exit 1 for remarks too, not for errors and warnings alone
    #[arg(long)]
    pub strict: bool,
    /// List what is looked for, and end
    #[arg(long)]
    pub list: bool,
}

/// Prints the checks there are.
pub fn list(output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Name, Format::Csv, Format::Markdown])?;
    let rows = Check::ALL.iter().map(|check| (check.as_str(), word(check.severity()), check.about()));
    match output.format {
        Format::Json => output.json(&rows.map(|(check, severity, about)| json!({"check": check, "severity": severity, "about": about})).collect::<Vec<_>>())?,
        _ => {
            let rows: Vec<_> = rows.map(|(check, severity, about)| vec![check.to_owned(), severity.to_owned(), about.to_owned()]).collect();
            output.table(&["check", "severity", "about"], &rows);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Exit 1 when there is an error or a warning.
pub fn run(arguments: &LintArgs, global: &Global, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Csv, Format::Markdown])?;
    let known: Vec<&str> = Check::ALL.iter().map(|check| check.as_str()).collect();
    if let Some(unknown) = arguments.allow.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Failure::usage(format!("no check is named `{unknown}`")).hint(possible_words(unknown, &known)));
    }
    let target = Target::find(&by_position(global, arguments.positional.as_deref()), output)?;
    let fabric = fabric::Fabric::compile(&target.model);
    let reach = Reach::of(&fabric, Options::default()).map_err(|e| Failure::usage(e.to_string()))?;
    let mut findings = lint(&target.model, &fabric, &reach);
    findings.extend(target.gaps.all().iter().map(Finding::gap));
    findings.retain(|finding| !arguments.allow.iter().any(|name| name == finding.check.as_str()));
    match output.format {
        Format::Json => output.json(&findings)?,
        Format::Csv | Format::Markdown => {
            let row = |f: &Finding| {
                vec![word(f.severity).to_owned(), f.check.as_str().to_owned(), place(f), f.subject.clone(), f.text.clone(), f.hint.clone()]
            };
            let rows: Vec<_> = findings.iter().map(row).collect();
            output.table(&["severity", "check", "place", "subject", "text", "hint"], &rows);
        }
        _ => people(&findings, output),
    }
    let fails = |finding: &Finding| arguments.strict || finding.severity != Severity::Info;
    Ok(if findings.iter().any(fails) { exit::NO.into() } else { ExitCode::SUCCESS })
}

fn people(findings: &[Finding], output: &Output) {
    for finding in findings {
        let place = if finding.origin.is_known() { format!("  {}", place(finding)) } else { String::new() };
        output.line(format!("{}: {}: {} [{}]{place}", word(finding.severity), finding.subject, finding.text, finding.check.as_str()));
        output.line(format!("  {}", finding.hint));
    }
    let mut counts: BTreeMap<Severity, usize> = BTreeMap::new();
    findings.iter().for_each(|finding| *counts.entry(finding.severity).or_default() += 1);
    let text = |(severity, count): (Severity, usize)| match (severity, count) {
        (Severity::Error, 1) => "1 error".to_owned(),
        (Severity::Error, n) => format!("{n} errors"),
        (Severity::Warning, 1) => "1 warning".to_owned(),
        (Severity::Warning, n) => format!("{n} warnings"),
        (Severity::Info, 1) => "1 remark".to_owned(),
        (Severity::Info, n) => format!("{n} remarks"),
    };
    match findings {
        [] => output.line("nothing looks wrong"),
        _ => output.line(counts.into_iter().map(text).collect::<Vec<_>>().join(", ")),
    }
}

fn place(finding: &Finding) -> String {
    if finding.origin.is_known() { finding.origin.to_string() } else { String::new() }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}
