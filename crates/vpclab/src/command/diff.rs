//! `diff`: what changes from one cloud to another, in its things and in who reaches whom; and how `plan` prints the same.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use fabric::Fabric;
use lab::{Change, Lab, changes_between, identity_changes};
use model::Model;
use proof::diff::Connectivity;
use proof::{Options, Reach};
use serde_json::json;

use super::gaps::Gaps;
use super::running::daemon_of_labs;
use super::source;
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// What it was: a lab file, - for standard input, a folder of AWS's output, or the name of a lab
    #[arg(value_name = "BEFORE")]
    pub before: String,
    /// What it becomes: the same
    #[arg(value_name = "AFTER")]
    pub after: String,
    /// Exit 1 when anything differs
    #[arg(long)]
    pub exit_code: bool,
}

/// One of the two clouds.
struct Side {
    model: Model,
    /// Where it comes from a file.
    lab: Option<Lab>,
    /// Who may do what with it, where that is known.
    account: Option<iam::Account>,
    /// What its source lacks.
    gaps: Gaps,
}

/// What differs.
pub struct Differences {
    /// Between the things of the two.
    pub changes: Vec<Change>,
    /// Between who reaches whom.
    pub connectivity: Connectivity,
    /// What the sources of the two lack.
    pub gaps: Gaps,
    /// Whether either has lans, about whose hosts nothing is proved.
    pub has_lans: bool,
}

impl Differences {
    /// Proves both clouds and compares.
    pub fn of(before: &Model, after: &Model, changes: Vec<Change>, gaps: Gaps) -> Result<Differences> {
        let failed = |e: fabric::engine::EngineError| Failure::environment(e.to_string());
        let options = Options::default();
        let [one, other] = [before, after].map(Fabric::compile);
        let (was, is) = (Reach::of(&one, options).map_err(failed)?, Reach::of(&other, options).map_err(failed)?);
        let connectivity = Connectivity::between((&one, &was), (&other, &is), options).map_err(failed)?;
        let has_lans = [before, after].iter().any(|model| !model.lans.is_empty());
        Ok(Differences { changes, connectivity, gaps, has_lans })
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.connectivity.is_empty()
    }

    /// Prints in a format of [`Differences::FORMATS`]; `title` heads a document.
    pub fn print(&self, title: &str, output: &Output) -> Result<()> {
        let Differences { changes, connectivity, gaps, .. } = self;
        match output.format {
            Format::Json => {
                let incomplete = !gaps.is_empty();
                output.json(&json!({"changes": changes, "connectivity": connectivity, "incomplete": incomplete, "gaps": gaps.all()}))?;
            }
            Format::Markdown => output.line(self.markdown(title).trim_end()),
            Format::Csv => {
                let row = |change: &proof::diff::Change| {
                    let (from, to) = (change.from.join(";"), change.to.join(";"));
                    vec![from, to, change.traffic.to_string(), change.before.before().to_owned(), change.after.before().to_owned()]
                };
                let rows: Vec<_> = connectivity.changes.iter().map(row).collect();
                output.table(&["from", "to", "requests", "before", "after"], &rows);
                gaps.note(output);
            }
            _ => {
                changes.iter().for_each(|change| output.line(change.to_string()));
                if !self.is_empty() {
                    self.lines().iter().for_each(|line| output.line(line));
                }
                gaps.print(output);
            }
        }
        Ok(())
    }

    /// What `-o` may say.
    pub const FORMATS: [Format; 5] = [Format::Table, Format::Wide, Format::Json, Format::Csv, Format::Markdown];

    /// Who reaches whom, a line each.
    fn lines(&self) -> Vec<String> {
        let Connectivity { appear, vanish, changes } = &self.connectivity;
        if changes.is_empty() {
            let unproved = if self.has_lans { " (hosts of lans are not compared)" } else { "" };
            return vec![format!("connectivity: no change{unproved}")];
        }
        let mut lines = vec!["connectivity:".to_owned()];
        let named = |sign: &str, names: &[String]| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("  {sign} {}", proof::who::label(&names))
        };
        if !appear.is_empty() {
            lines.push(named("new:", appear));
        }
        if !vanish.is_empty() {
            lines.push(named("gone:", vanish));
        }
        lines.extend(changes.iter().map(|change| format!("  {change}")));
        lines
    }

    /// For a pull request.
    fn markdown(&self, title: &str) -> String {
        let Connectivity { appear, vanish, changes } = &self.connectivity;
        let cell = |text: &str| text.replace('\\', "\\\\").replace('|', "\\|");
        let names = |names: &[String]| cell(&proof::who::label(&names.iter().map(String::as_str).collect::<Vec<_>>()));
        let mut text = format!("## {title}\n\n### Who reaches whom\n\n");
        if !appear.is_empty() {
            text.push_str(&format!("New: {}\n\n", names(appear)));
        }
        if !vanish.is_empty() {
            text.push_str(&format!("Gone: {}\n\n", names(vanish)));
        }
        if changes.is_empty() {
            text.push_str("No change.\n");
        } else {
            text.push_str("| from | to | requests | before | after |\n|---|---|---|---|---|\n");
        }
        for change in changes {
            let after = if change.opens() { format!("**{}**", change.after.after()) } else { change.after.after().to_owned() };
            let traffic = cell(&change.traffic.to_string());
            text.push_str(&format!("| {} | {} | {traffic} | {} | {after} |\n", names(&change.from), names(&change.to), change.before.before()));
        }
        if let [heading, gaps @ ..] = self.gaps.lines().as_slice() {
            let list: String = gaps.iter().map(|gap| format!("\n- {}", cell(gap.trim_start()))).collect();
            text.push_str(&format!("\n**{heading}**\n{list}\n"));
        }
        text.push_str("\n### Things\n\n");
        match self.changes.as_slice() {
            [] => text.push_str("No change.\n"),
            changes => {
                let line = |change: &Change| format!("{change}\n");
                text.push_str(&format!("```diff\n{}```\n", changes.iter().map(line).collect::<String>()));
            }
        }
        text
    }
}

/// Compares two clouds. Exit 1 with `--exit-code` when anything differs.
pub fn run(arguments: &DiffArgs, output: &Output) -> Result {
    output.only(&Differences::FORMATS)?;
    if arguments.before == "-" && arguments.after == "-" {
        return Err(Failure::usage("standard input can be one of the two only"));
    }
    let (before, after) = (Side::find(&arguments.before, output)?, Side::find(&arguments.after, output)?);
    let mut changes = match &after.lab {
        Some(lab) => lab.plan(&before.model).map_err(|e| Failure::usage(e.render(output.colour())))?,
        None => changes_between(&before.model, &after.model),
    };
    if let Some(account) = &after.account {
        let was = before.account.unwrap_or_else(|| iam::Account::new(&account.id));
        changes.extend(identity_changes(&was, account));
    }
    let all = Differences::of(&before.model, &after.model, changes, before.gaps.and(after.gaps))?;
    all.print(&format!("{} → {}", arguments.before, arguments.after), output)?;
    if all.is_empty() && output.format != Format::Json {
        output.note("no difference");
    }
    Ok(if arguments.exit_code && !all.is_empty() { exit::NO.into() } else { ExitCode::SUCCESS })
}

impl Side {
    /// A file, else a lab that the daemon knows; starts nothing.
    fn find(word: &str, output: &Output) -> Result<Side> {
        if word == "-" || Path::new(word).exists() {
            let source::Described { model, lab, gaps, .. } = source::describe(Path::new(word), output)?;
            // A file without `iam:` says nothing of identities.
            let own = lab.as_ref().filter(|lab| lab.has_identities()).map(|lab| lab.identities(&model.account_id)).transpose();
            let account = own.map_err(|e| Failure::usage(e.render(output.colour())))?;
            return Ok(Side { model, lab, account, gaps });
        }
        let daemon = daemon_of_labs()?;
        let known = match &daemon {
            Some(daemon) => daemon.lab(word)?,
            None => None,
        };
        if let (Some(view), Some(daemon)) = (known, &daemon) {
            let account = Some(daemon.identities(word)?.account);
            return Ok(Side { model: view.model, lab: None, account, gaps: Gaps::default() });
        }
        let labs = match &daemon {
            Some(daemon) => daemon.labs()?.into_iter().map(|lab| lab.name).collect(),
            None => Vec::new(),
        };
        let hint = match labs.as_slice() {
            [] => "no lab is known to the daemon; vpclab diff OLD.yaml NEW.yaml compares two files".to_owned(),
            labs => format!("labs: {}", labs.join(", ")),
        };
        Err(Failure::usage(format!("`{word}` is neither a file here nor a lab")).hint(hint))
    }
}
