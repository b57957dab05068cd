//! `up`: from what a lab is to what its file says.

use std::io::{IsTerminal, Write};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use conformance::EngineName;
use control::api::{Identities, LabView, ProblemKind, Wanted};
use control::client::Daemon;
use control::containers::Step;
use lab::{Action, Change, Lab};
use model::{InstanceState, Model};
use serde_json::json;

use super::containers;
use super::meant::{by_position, refuse_other};
use super::plan;
use super::running::{self, daemon, until_first};
use super::source::{empty, find, is_same, load};
use super::target::Target;
use super::uplink;
use crate::cli::{Global, engine};
use crate::exit::{Failure, Result};
use crate::output::{Format, Output};


/// `up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Lab file
    #[arg(value_name = "FILE")]
    pub positional: Option<PathBuf>,
    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Stop waiting after this many seconds; the daemon goes on
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
    /// Wait until containers with a health check are healthy
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,
    /// linux: real packets, and the lab stays up; sim: the promises of its file are tried in the simulator, which needs no
    /// privileges, and nothing stays
    #[arg(long, default_value = "linux", value_parser = engine(), conflicts_with_all = ["dry_run", "wait", "uplink"])]
    pub engine: EngineName,
    /// Let instances reach the real internet where their routes let them, by pasta or slirp4netns
    #[arg(long, conflicts_with = "dry_run")]
    pub uplink: bool,
}

/// What would become of a lab.
pub struct Next {
    /// The cloud then.
    pub model: Model,
    /// Who may do what then.
    pub identities: Identities,
    /// What is done to both.
    pub changes: Vec<Change>,
    /// Whether anything is done to identities.
    pub identifies: bool,
}

/// Brings the lab to what its file says.
pub fn run(arguments: &UpArgs, global: &Global, output: &Output) -> Result {
    let global = &by_position(global, arguments.positional.as_deref());
    match arguments.engine {
        EngineName::Linux => {}
        EngineName::Sim => return played(arguments, global, output),
        EngineName::Proof => return Err(Failure::usage("a proof runs nothing that could be up").hint("vpclab test --engine proof")),
    }
    let lab = read(arguments.positional.as_deref(), global, output)?;
    if !arguments.uplink {
        return bring(arguments, &lab, global, output);
    }
    // A lab that came up without what was asked for is no success: what is missing is said before.
    uplink::installed(None)?;
    let code = bring(arguments, &lab, global, output)?;
    let program = uplink::start(&running::holder(&lab.name)?, None)?;
    output.note(format!("lab {} reaches the real internet by {}; vpclab uplink --off ends that", lab.name, program.name()));
    Ok(code)
}

/// Plays a lab where it cannot run, or is not to.
fn played(arguments: &UpArgs, global: &Global, output: &Output) -> Result {
    let path = find(arguments.positional.as_deref(), global)?;
    let global = Global { file: Some(path), lab: None, ..global.clone() };
    let target = Target::find(&global, output)?;
    output.note(format!("{} is played in the simulator: no privileges, no real packets, and nothing stays up", target.name));
    output.note("vpclab sim ping, check, traceroute and http show every frame");
    let all = super::test::TestArgs { filter: None, engine: EngineName::Sim, expect: None, mutate: false };
    super::test::run(&all, &target, output)
}

fn bring(arguments: &UpArgs, lab: &Lab, global: &Global, output: &Output) -> Result {
    let begun = Instant::now();
    let deadline = begun + Duration::from_secs(arguments.timeout);
    if arguments.dry_run {
        let exit_code = false;
        return plan::run(&plan::PlanArgs { positional: arguments.positional.clone(), exit_code }, global, output);
    }
    let path = find(arguments.positional.as_deref(), global)?;
    let file = std::path::absolute(&path).ok().filter(|_| path != Path::new("-"));
    let daemon = daemon()?;
    refuse_other(global, Some(&path), &daemon.labs()?)?;
    until_first(&lab.name, || {
        let known = daemon.lab(&lab.name)?;
        let identities = match known.as_ref().map(|_| daemon.identities(&lab.name)) {
            None => None,
            Some(Ok(identities)) => Some(identities),
            // Somebody took it down meanwhile.
            Some(Err(problem)) if problem.kind == ProblemKind::NotFound => return Ok(None),
            Some(Err(problem)) => return Err(problem.into()),
        };
        let next = next(lab, known.as_ref(), identities, output)?;
        let (claims, rights) = (lab.claims(), lab.rights());
        let is_up = known.as_ref().is_some_and(|known| known.is_up);
        if let Some(known) = known.as_ref().filter(|known| is_up && next.changes.is_empty() && known.claims == claims && known.rights == rights) {
            let steps = containers::bring(&lab.name, &known.model, arguments.wait, deadline, output)?;
            say(&steps, &[], output);
            let word = if steps.is_empty() { "no changes" } else { "ready" };
            return done(&lab.name, word, &known.model, &next.changes, begun, output).map(Some);
        }
        if global.lab.is_none() && lab.file.name.is_none() && is_up {
            refuse_namesake(known.as_ref(), &next.model, &path)?;
        }
        note_other_file(known.as_ref(), &path, output);
        let progress = Progress::new(&lab.name, &next, global);
        let base_generation = known.as_ref().map(|known| known.model.generation);
        let wanted = Wanted { base_generation, file: file.clone(), model: next.model, claims, rights };
        let applied = running::bring(&daemon, &lab.name, &wanted, Duration::from_secs(arguments.timeout));
        progress.end();
        let Some(notes) = applied? else { return Ok(None) };
        if next.identifies && !identify(&daemon, &lab.name, &next.identities)? {
            return Ok(None);
        }
        notes.iter().for_each(|note| output.note(note));
        if output.format != Format::Json && !global.quiet {
            next.changes.iter().for_each(|change| output.line(change.to_string()));
        }
        say(&containers::bring(&lab.name, &wanted.model, arguments.wait, deadline, output)?, &next.changes, output);
        done(&lab.name, "ready", &wanted.model, &next.changes, begun, output).map(Some)
    })
}

/// What was done with containers, where people read it: what `changes` say of one is not said again.
fn say(steps: &[Step], changes: &[Change], output: &Output) {
    let is_told = |step: &&Step| match step {
        Step::Created(name) | Step::Removed(name) => !changes.iter().any(|change| change.kind == "container" && change.name == *name),
        _ => true,
    };
    if output.format != Format::Json && !output.is_quiet() {
        steps.iter().filter(is_told).for_each(|step| output.line(step.to_string()));
    }
}

/// The lab file meant, under the name of `--lab`.
pub fn read(given: Option<&Path>, global: &Global, output: &Output) -> Result<Lab> {
    let mut lab = load(&find(given, global)?, output)?;
    if let Some(name) = &global.lab {
        lab.name.clone_from(name);
    }
    Ok(lab)
}

/// A lab without a name in its file is called like the file, and another folder may have another one of that name: if no
/// instance would stay, somebody begins a second lab, and the first must not end because of it.
fn refuse_namesake(known: Option<&LabView>, next: &Model, path: &Path) -> Result<()> {
    let Some(known) = known else { return Ok(()) };
    let names = |model: &Model| -> BTreeSet<String> {
        let live = model.instances.values().filter(|i| !matches!(i.state, InstanceState::ShuttingDown | InstanceState::Terminated));
        live.filter_map(|instance| model::tag::name(&instance.tags)).map(str::to_owned).collect()
    };
    let (were, will_be, name) = (names(&known.model), names(next), &known.name);
    if known.file.as_deref().is_some_and(|from| is_same(path, from)) || path == Path::new("-") || were.is_empty() || !were.is_disjoint(&will_be) {
        return Ok(());
    }
    let from = known.file.as_ref().map_or_else(|| "no file".to_owned(), |from| from.display().to_string());
    let failure = Failure::usage(format!("a lab {name} is up already, and came from {from}"));
    Err(failure.hint(format!("give this one a name of its own (`name: …` in the file, or --lab NAME); --lab {name} means that lab")))
}

/// Two files of one name make one lab: whoever did not mean that must learn it.
pub fn note_other_file(known: Option<&LabView>, path: &Path, output: &Output) {
    if let Some((name, from)) = known.and_then(|known| Some((&known.name, known.file.as_deref()?)))
        && !is_same(path, from)
    {
        let (from, path) = (from.display(), path.display());
        output.note(format!("lab {name} came from {from} and becomes what {path} says; --lab NAME makes another lab"));
    }
}

/// What the lab becomes.
pub fn next(lab: &Lab, known: Option<&LabView>, identities: Option<Identities>, output: &Output) -> Result<Next> {
    let mut model = known.map_or_else(|| empty(lab), |known| known.model.clone());
    model.advance_to(control::host::now());
    let wrong = |e: lab::Diagnostics| Failure::usage(e.render(output.colour()));
    let mut changes = lab.apply(&mut model).map_err(wrong)?;
    let (revision, account) = match identities {
        Some(Identities { revision, account }) => (revision, account),
        None => {
            let nobody = iam::Account::new(&model.account_id);
            (control::identity::revision(&nobody), nobody)
        }
    };
    let applied = control::identity::with_environment(|environment| lab.apply_identities(&account, environment));
    let applied = applied.map_err(|error| Failure::environment(format!("/dev/urandom: {error}")))?.map_err(wrong)?;
    // A profile's identifier is drawn when the profile is made.
    let id_of = |arn: &str| applied.account.profiles().find(|profile| applied.account.profile_arn(profile) == arn).map(|profile| profile.id.clone());
    model::operation::identify_instance_profiles(&mut model, id_of);
    let identifies = applied.account != account;
    changes.extend(applied.changes);
    Ok(Next { model, identities: Identities { revision, account: applied.account }, changes, identifies })
}

/// Has identities kept; false where somebody else changed them meanwhile, or took the lab down.
fn identify(daemon: &Daemon, lab: &str, identities: &Identities) -> Result<bool> {
    match daemon.identify(lab, identities) {
        Ok(_) => Ok(true),
        Err(problem) if matches!(problem.kind, ProblemKind::Conflict | ProblemKind::NotFound) => Ok(false),
        Err(problem) => Err(problem.into()),
    }
}

/// What a plan ends with.
pub fn closing(name: &str, changes: &[Change], known: Option<&LabView>) -> String {
    let state = match known {
        Some(known) if known.is_up => "is up",
        Some(_) => "is down",
        None => "is not there yet",
    };
    match changes {
        [] => format!("no changes; lab {name} {state}"),
        changes => format!("{}; lab {name} {state}", summary(changes)),
    }
}

/// What happens to how many things; several lines may be about one.
fn summary(changes: &[Change]) -> String {
    let mut things: BTreeMap<(&str, &str), Action> = BTreeMap::new();
    for change in changes {
        let action = things.entry((change.kind, &change.name)).or_insert(change.action);
        // One that goes and comes back is replaced, whatever else is said of it.
        *action = match (*action, change.action) {
            (one, other) if one == other => one,
            (Action::Replace, _) | (_, Action::Replace) => Action::Replace,
            (Action::Create, Action::Delete) | (Action::Delete, Action::Create) => Action::Replace,
            (Action::Change, other) | (other, _) => other,
        };
    }
    let parts = [(Action::Create, "to add"), (Action::Change, "to change"), (Action::Replace, "to replace"), (Action::Delete, "to remove")];
    let count = |action| things.values().filter(|own| **own == action).count();
    parts.iter().map(|(action, words)| format!("{} {words}", count(*action))).collect::<Vec<_>>().join(", ")
}

fn done(name: &str, word: &str, model: &Model, changes: &[Change], begun: Instant, output: &Output) -> Result {
    let running = model.instances.values().filter(|i| i.state == InstanceState::Running).count();
    let devices: usize = model.lans.values().map(|lan| lan.devices.len()).sum();
    let took = begun.elapsed();
    if output.format == Format::Json {
        output.json(&json!({
            "lab": name,
            "changes": changes,
            "generation": model.generation,
            "milliseconds": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "vpcs": model.vpcs.len(),
            "subnets": model.subnets.len(),
            "instances": running,
            "devices": devices,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if output.is_quiet() {
        return Ok(ExitCode::SUCCESS);
    }
    let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    output.line(format!(
        "{name} {word} in {:.1}s: {}, {}, {}{} running",
        took.as_secs_f64(),
        plural(model.vpcs.len(), "vpc"),
        plural(model.subnets.len(), "subnet"),
        plural(running, "instance"),
        if devices == 0 { String::new() } else { format!(", {}", plural(devices, "device")) }
    ));
    Ok(ExitCode::SUCCESS)
}

/// A line on a terminal while the daemon works; a plain one elsewhere.
struct Progress {
    is_terminal: bool,
}

impl Progress {
    fn new(name: &str, next: &Next, global: &Global) -> Progress {
        let is_terminal = std::io::stderr().is_terminal() && std::env::var_os("CI").is_none();
        if !global.quiet {
            let mut out = std::io::stderr();
            let text = format!("bringing {name} up: {} changes", next.changes.len());
            let _ = if is_terminal { write!(out, "\r{text} …") } else { writeln!(out, "{text}") };
            let _ = out.flush();
        }
        Progress { is_terminal: is_terminal && !global.quiet }
    }

    fn end(self) {
        if self.is_terminal {
            // The line made room for what comes: back to its start, erased to its end.
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(changes: &[(Action, &'static str, &str)]) -> String {
        let changes = changes.iter().map(|&(action, kind, name)| {
            let (name, detail) = (name.to_owned(), String::new());
            Change { action, kind, name, detail }
        });
        summary(&changes.collect::<Vec<_>>())
    }

    #[test]
    fn things_are_counted_and_not_lines() {
        use Action::{Change, Create, Delete, Replace};
        let cases: [(&[_], _); 5] = [
            (&[(Create, "vpc", "a"), (Create, "vpc", "b")], "2 to add, 0 to change, 0 to replace, 0 to remove"),
            // A rule that goes and one that comes: one group.
            (&[(Change, "group", "web"), (Change, "group", "web")], "0 to add, 1 to change, 0 to replace, 0 to remove"),
            // Replaced is replaced, whatever else is said of it, before or after.
            (&[(Replace, "instance", "web"), (Change, "instance", "web")], "0 to add, 0 to change, 1 to replace, 0 to remove"),
            (&[(Change, "instance", "web"), (Replace, "instance", "web")], "0 to add, 0 to change, 1 to replace, 0 to remove"),
            // One name for things of two kinds: two things.
            (&[(Delete, "instance", "web"), (Delete, "group", "web")], "0 to add, 0 to change, 0 to replace, 2 to remove"),
        ];
        for (changes, wanted) in cases {
            assert_eq!(counted(changes), wanted, "{changes:?}");
        }
    }
}
