//! `iam lint`: what of an account looks wrong although every rule of IAM allows it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use door::lint::{Check, Finding, Severity, lint};
use lab::diagnostic::possible_words;
use serde_json::json;

use crate::command::target::Target;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// `iam lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// Checks to leave out, such as wildcard; may be given several times
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    pub allow: Vec<String>,
    /// Exit 1 for remarks too, not for errors and warnings alone
    #[arg(long)]
    pub strict: bool,
    /// List what is looked for, and end
    #[arg(long)]
    pub list: bool,
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

/// Prints the checks there are.
pub fn list(output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Name, Format::Csv, Format::Markdown])?;
    match output.format {
        Format::Json => {
            let shape = |check: &Check| json!({"check": check.as_str(), "severity": word(check.severity()), "about": check.about()});
            output.json(&Check::ALL.iter().map(shape).collect::<Vec<_>>())?;
        }
        _ => {
            let row = |check: &Check| vec![check.as_str().to_owned(), word(check.severity()).to_owned(), check.about().to_owned()];
            output.table(&["check", "severity", "about"], &Check::ALL.iter().map(row).collect::<Vec<_>>());
        }
    }
    super::done()
}

/// Exit 1 when there is an error or a warning.
pub fn run(arguments: &LintArgs, target: &Target, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Wide, Format::Json, Format::Csv, Format::Markdown])?;
    let known: Vec<&str> = Check::ALL.iter().map(|check| check.as_str()).collect();
    if let Some(unknown) = arguments.allow.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Failure::usage(format!("no check is named `{unknown}`")).hint(possible_words(unknown, &known)));
    }
    let mut findings = lint(&*target.account()?, &target.model, control::host::now());
    findings.retain(|finding| !arguments.allow.iter().any(|name| name == finding.check.as_str()));
    match output.format {
        Format::Json => {
            let shape = |f: &Finding| json!({"severity": word(f.check.severity()), "check": f.check.as_str(), "subject": f.subject, "text": f.text, "hint": f.hint});
            output.json(&findings.iter().map(shape).collect::<Vec<_>>())?;
        }
        Format::Csv | Format::Markdown => {
            let row = |f: &Finding| vec![word(f.check.severity()).to_owned(), f.check.as_str().to_owned(), f.subject.clone(), f.text.clone(), f.hint.clone()];
            output.table(&["severity", "check", "subject", "text", "hint"], &findings.iter().map(row).collect::<Vec<_>>());
        }
        _ => people(&findings, output),
    }
    let fails = |finding: &Finding| arguments.strict || finding.check.severity() != Severity::Info;
    Ok(if findings.iter().any(fails) { exit::NO.into() } else { ExitCode::SUCCESS })
}

fn people(findings: &[Finding], output: &Output) {
    for finding in findings {
        output.line(format!("{}: {}: {} [{}]", word(finding.check.severity()), finding.subject, finding.text, finding.check.as_str()));
        output.line(format!("  {}", finding.hint));
    }
    let mut counts: BTreeMap<Severity, usize> = BTreeMap::new();
    findings.iter().for_each(|finding| *counts.entry(finding.check.severity()).or_default() += 1);
    let text = |(severity, count): (Severity, usize)| {
        let (one, many) = match severity {
            Severity::Error => ("error", "errors"),
            Severity::Warning => ("warning", "warnings"),
            Severity::Info => ("remark", "remarks"),
        };
        format!("{count} {}", if count == 1 { one } else { many })
    };
    match findings {
        [] => output.line("nothing looks wrong"),
        _ => output.line(counts.into_iter().map(text).collect::<Vec<_>>().join(", ")),
    }
}
