//! `break -f FILE`: a hidden mistake in a copy of a lab file, as an edit among the others. The file says nothing of it;
//! what it was before is kept beside the labs' state, under the copy's path.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fabric::Fabric;
use lab::slip::{Slip, slips};
use lab::{Files, Lab};
use model::random::SplitMix64;
use model::{Model, Timestamp};
use proof::Options;
use proof::diff::Connectivity;
use proof::fault::hint;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{BreakArgs, Verb, duration, prove, say, seed};
use crate::cli::Global;
use crate::command::running::{Running, paths};
use crate::command::source::{self, Disk, did_you_mean};
use crate::exit::{self, Failure, Result};
use crate::output::{Format, Output};

/// Edits that are tried before a file is taken to offer none that anybody would notice.
const MOST_TRIES: usize = 500;

/// What is kept of a mistake.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// The copy.
    path: PathBuf,
    kind: String,
    subject: String,
    text: String,
    line: u32,
    since: Timestamp,
    /// The file before.
    before: String,
    /// The file with the mistake.
    broken: String,
    /// The cloud before.
    model: Model,
}

/// The file that is meant, where it is a file and no lab that is up: one that was broken before, or one of which a copy is
/// to be made.
pub fn meant(arguments: &BreakArgs, global: &Global) -> Result<Option<PathBuf>> {
    if global.lab.is_some() && arguments.out.is_none() {
        return Ok(None);
    }
    let Some(file) = source::find_if_any(None, global)? else { return Ok(None) };
    let is_named_and_not_up = || -> Result<bool> { Ok(global.file.is_some() && file.exists() && Running::find(&source::name_of(&file))?.is_none()) };
    // A copy is called like the lab that it was made of, which may be up.
    let is_file = match arguments.verb {
        Some(_) => place(&file)?.exists() || is_named_and_not_up()?,
        None => arguments.out.is_some() || is_named_and_not_up()?,
    };
    Ok(is_file.then_some(file))
}

/// Makes a broken copy, or deals with the one that was made.
pub fn run(arguments: &BreakArgs, file: &Path, output: &Output) -> Result {
    let Some(verb) = arguments.verb else { return make(arguments, file, output) };
    let kept = read(file)?.ok_or_else(|| {
        let failure = Failure::usage(format!("no mistake was made in {}", file.display()));
        failure.hint("vpclab break -f FILE writes a copy with one, and says how the copy is called")
    })?;
    match verb {
        Verb::Check => check(file, &kept, output),
        Verb::Hint => {
            say(output, "hint", hint(&kept.kind));
            Ok(ExitCode::SUCCESS)
        }
        Verb::Reveal => {
            say(output, "mistake", &told(&kept));
            Ok(ExitCode::SUCCESS)
        }
        Verb::Undo { force } => undo(force, file, &kept, output),
    }
}

fn make(arguments: &BreakArgs, file: &Path, output: &Output) -> Result {
    if file.is_dir() || file == Path::new("-") {
        let failure = Failure::usage(format!("{} is no lab file that a copy can be made of", file.display()));
        return Err(failure.hint("vpclab import aws DIR -w lab.yaml makes a lab file of a dump"));
    }
    let out = arguments.out.clone().unwrap_or_else(|| file.with_file_name(format!("{}.broken.yaml", source::name_of(file))));
    if source::is_same(&out, file) {
        return Err(Failure::usage("a copy is broken, and never the file itself").hint("name another one: --out broken.yaml"));
    }
    if out.exists() && !arguments.force {
        return Err(Failure::usage(format!("{} exists", out.display())).hint("--force writes over it"));
    }
    let whole = source::load(file, output)?;
    let before = whole.sources.source(0).map(|source| source.text.clone()).unwrap_or_default();
    // What the copy includes is looked for from where the copy lies.
    let copy = loaded(&out, &before).map_err(|e| {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let hint = format!("a copy must find what the file includes: --out {}/broken.yaml", folder.display());
        Failure::usage(e.render(output.colour())).hint(hint)
    })?;
    let model = source::cloud(&copy, output)?;
    let seed = seed(arguments);
    let Some((slip, broken)) = choose(&copy, &model, arguments.kind.as_deref(), &out, seed)? else {
        let failure = Failure { code: exit::NO, message: format!("{} offers no mistake that anybody would notice", file.display()), hint: None };
        return Err(failure.hint("a lab with instances and rules offers many: vpclab init"));
    };
    let Slip { kind, subject, text, line, .. } = slip;
    let since = control::host::now();
    let kept = Kept { path: out.clone(), kind: kind.to_owned(), subject, text, line, since, before, broken, model };
    // The copy first: a note about a file that could not be written would stand in the way of the next try.
    std::fs::write(&out, &kept.broken).map_err(|e| Failure::usage(format!("{} cannot be written: {e}", out.display())))?;
    write(&out, &kept)?;
    let shown = out.display();
    if output.format == Format::Json {
        output.json(&json!({"file": shown.to_string(), "seed": seed}))?;
    } else {
        output.line(format!("{shown} written: something is wrong in it (seed {seed})"));
        output.note(format!("find it first: vpclab test --engine proof -f {shown}, why, matrix; vpclab break hint -f {shown} says where to look"));
        output.note(format!("repair {shown}; then vpclab break check -f {shown} says whether that was it, and what it was"));
    }
    Ok(ExitCode::SUCCESS)
}

/// An edit after which the file is legal, all places are there, and packets flow differently: every kind is as likely as
/// every other, and every mistake of a kind too.
fn choose(lab: &Lab, model: &Model, kind: Option<&str>, out: &Path, seed: u64) -> Result<Option<(Slip, String)>> {
    let text = lab.sources.source(0).map_or("", |source| source.text.as_str());
    let all = slips(lab);
    let mut kinds: Vec<&'static str> = all.iter().map(|slip| slip.kind).collect::<BTreeSet<_>>().into_iter().collect();
    if let Some(kind) = kind {
        let known = kinds.clone();
        kinds.retain(|known| *known == kind);
        if kinds.is_empty() {
            let failure = Failure::usage(format!("the file offers no mistake of the kind `{kind}`"));
            return Err(failure.hint(did_you_mean(kind, "kind", &known)));
        }
    }
    let (mut random, mut tries) = (SplitMix64(seed), 0);
    while !kinds.is_empty() && tries < MOST_TRIES {
        let kind = kinds.remove(random.below(kinds.len()));
        let mut left: Vec<_> = all.iter().filter(|slip| slip.kind == kind).collect();
        while !left.is_empty() && tries < MOST_TRIES {
            tries += 1;
            let slip = left.remove(random.below(left.len()));
            let edited = slip.edited(text);
            let Ok(copy) = loaded(out, &edited) else { continue };
            let mut broken = source::empty(&copy);
            if copy.apply(&mut broken).is_err() {
                continue;
            }
            let felt = difference(model, &broken)?;
            if felt.appear.is_empty() && felt.vanish.is_empty() && !felt.changes.is_empty() {
                return Ok(Some((slip.clone(), edited)));
            }
        }
    }
    Ok(None)
}

/// Proves both clouds, and compares them by the names of their places: ids are drawn anew in each.
fn difference(one: &Model, other: &Model) -> Result<Connectivity> {
    let [one, other] = [one, other].map(Fabric::compile);
    let (was, is) = (prove(&one)?, prove(&other)?);
    Connectivity::between((&one, &was), (&other, &is), Options::default()).map_err(|e| Failure::environment(e.to_string()))
}

fn check(file: &Path, kept: &Kept, output: &Output) -> Result {
    let now = source::cloud(&source::load(file, output)?, output)?;
    let repaired = difference(&kept.model, &now)?.is_empty();
    let seconds = control::host::now().0.saturating_sub(kept.since.0);
    let shown = file.display();
    if output.format == Format::Json {
        output.json(&json!({"file": shown.to_string(), "repaired": repaired, "seconds": seconds}))?;
    } else if repaired {
        output.line(format!("repaired, {} after it broke; it was: {}", duration(seconds), told(kept)));
    } else {
        output.line(format!("not repaired yet: {shown} does not carry what it carried before"));
    }
    if !repaired {
        return Ok(exit::NO.into());
    }
    forget(file)?;
    Ok(ExitCode::SUCCESS)
}

fn undo(force: bool, file: &Path, kept: &Kept, output: &Output) -> Result {
    let is_edited = std::fs::read_to_string(file).is_ok_and(|now| now != kept.broken);
    if is_edited && !force {
        let failure = Failure::usage(format!("{} was edited since, and what was edited would be lost", file.display()));
        return Err(failure.hint("vpclab break reveal says what it was; --force takes all edits back"));
    }
    std::fs::write(file, &kept.before).map_err(|e| Failure::usage(format!("{} cannot be written: {e}", file.display())))?;
    forget(file)?;
    say(output, "undone", &format!("{}: {}", kept.subject, kept.text));
    Ok(ExitCode::SUCCESS)
}

fn told(kept: &Kept) -> String {
    format!("{}: {}  {}:{}", kept.subject, kept.text, kept.path.display(), kept.line)
}

/// A lab file of this text at this path; what it includes comes from the disk.
fn loaded(path: &Path, text: &str) -> std::result::Result<Lab, lab::Diagnostics> {
    struct Instead<'t>(&'t str);
    impl Files for Instead<'_> {
        fn read(&self, name: &str, from: Option<&str>) -> std::result::Result<(String, String), String> {
            match from {
                None => Ok((name.to_owned(), self.0.to_owned())),
                Some(_) => Disk.read(name, from),
            }
        }

        fn place(&self, name: &str, from: Option<&str>) -> String {
            Disk.place(name, from)
        }
    }
    lab::load(&path.to_string_lossy(), &Instead(text))
}

/// Where the note about a file is: below the labs' state, by the file's path.
fn place(file: &Path) -> Result<PathBuf> {
    let real = std::fs::canonicalize(file).or_else(|_| std::path::absolute(file)).unwrap_or_else(|_| file.to_owned());
    // FNV-1a: the same path has the same note.
    let hash = real.to_string_lossy().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    Ok(paths()?.home.join("mistakes").join(format!("{hash:016x}.json")))
}

fn read(file: &Path) -> Result<Option<Kept>> {
    let path = place(file)?;
    match std::fs::read(&path) {
        // A damaged note is as good as none.
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::environment(format!("{}: {error}", path.display()))),
    }
}

fn write(file: &Path, kept: &Kept) -> Result<()> {
    let path = place(file)?;
    let failed = |error: &dyn std::fmt::Display| Failure::environment(format!("{}: {error}", path.display()));
    paths()?.make_folders().map_err(|e| failed(&e))?;
    std::fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(|e| failed(&e))?;
    let text = serde_json::to_vec(kept).map_err(|e| failed(&e))?;
    std::fs::write(&path, text).map_err(|e| failed(&e))
}

fn forget(file: &Path) -> Result<()> {
    let path = place(file)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::environment(format!("{}: {error}", path.display()))),
        _ => Ok(()),
    }
}
